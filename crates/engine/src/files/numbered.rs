//! Under which names what is offered may lie here: the planned one, or a numbered one beside something else that has it.
//!
//! Whoever received a file where its name was taken has it under a numbered name. Only names that follow each other from 2 on
//! are looked at, and only where the planned one is taken: of what has a free name nothing more is asked of the disk.

use std::collections::{BTreeMap, HashSet};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;

use super::here::Print;
use super::names::{folded, numbered};
use super::staging::Staging;
use super::tree::{Look, look};

/// The highest number that is looked at: who has more twins of a file than this gets one more.
pub(super) const MAX_NUMBER: u64 = 32;

/// Files that are looked for in each of the folders that may be one at the top.
pub(super) const SAMPLE: usize = 64;

/// A name in a folder, as a file system may take it for another.
type Taken = HashSet<(Option<u32>, String)>;

/// The folder that was last opened where it stands: files of one folder follow each other.
#[derive(Default)]
struct Opened(Option<(Option<u32>, Option<Dir>)>);

/// How many files of a sample stand in a folder with their size, and how many of them with their date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    sized: usize,
    dated: usize,
}

impl Staging {
    /// Which of these files may be here, as far as size and date say, and what lies there.
    pub fn find_here(&self, wanted: &[u32]) -> BTreeMap<u32, Print> {
        self.find_tops(wanted);
        let mut here = BTreeMap::new();
        let mut doubtful = Vec::new();
        let mut opened = Opened::default();
        for file in wanted {
            let Some(folder) = opened.folder(self, *file) else { continue };
            match self.seen(folder, *file, &self.tree.final_name(*file)) {
                None => {}
                Some(Some(print)) if self.is_dated(*file, &print) => _ = here.insert(*file, print),
                Some(print) => {
                    here.extend(print.map(|print| (*file, print)));
                    doubtful.push(*file);
                }
            }
        }
        if !doubtful.is_empty() {
            self.find_numbered(&doubtful, &mut here);
        }
        here
    }

    /// Looks for files whose planned names something else seems to have.
    fn find_numbered(&self, doubtful: &[u32], here: &mut BTreeMap<u32, Print>) {
        let parent = |file: u32| self.plan.files[file as usize].parent;
        let name = |file: u32| folded(&self.tree.final_name(file));
        let folders: HashSet<Option<u32>> = doubtful.iter().map(|file| parent(*file)).collect();
        let near = here.keys().filter(|file| folders.contains(&parent(**file)));
        // What is, or may be, one file of the offer is no other.
        let mut taken: Taken = near.map(|file| (parent(*file), name(*file))).collect();
        let settled = (0..self.holding.layout.files())
            .filter(|file| folders.contains(&parent(*file)) && self.tree.is_settled(*file));
        taken.extend(settled.map(|file| (parent(file), name(file))));
        let mut opened = Opened::default();
        for file in doubtful {
            let Some(folder) = opened.folder(self, *file) else { continue };
            let planned = &self.plan.files[*file as usize];
            let mut first = None;
            for number in 2..=MAX_NUMBER {
                let twin = numbered(&planned.name, number, self.plan.most);
                let Some(seen) = self.seen(folder, *file, &twin) else { break };
                let Some(print) = seen.filter(|_| !taken.contains(&(planned.parent, folded(&twin)))) else {
                    continue;
                };
                if self.is_dated(*file, &print) {
                    first = Some((twin, print));
                    break;
                }
                // Of those without its date the one with the lowest number, which the planned name is.
                if !here.contains_key(file) {
                    first.get_or_insert((twin, print));
                }
            }
            if let Some((twin, print)) = first {
                taken.insert((planned.parent, folded(&twin)));
                self.tree.find(*file, twin);
                here.insert(*file, print);
            }
        }
    }

    /// Finds out which folders at the top stand under numbered names: of those that may be one, that in which the most files
    /// stand with their size; of equal ones that in which more have their date, then the one with the lowest number.
    fn find_tops(&self, wanted: &[u32]) {
        let mut tops: BTreeMap<u32, (Vec<String>, Vec<u32>)> = BTreeMap::new();
        let mut top_of: Vec<u32> = Vec::with_capacity(self.plan.folders.len());
        for (number, folder) in (0u32..).zip(&self.plan.folders) {
            top_of.push(folder.parent.map_or(number, |parent| top_of[parent as usize]));
            let known =
                || self.tree.placed_as(&folder.name).is_some() || self.tree.found_top(&folder.name).is_some();
            if folder.parent.is_some() || !folder.chosen || known() {
                continue;
            }
            let twins = (2..=MAX_NUMBER).map(|twin| numbered(&folder.name, twin, self.plan.most));
            let names = std::iter::once(folder.name.clone()).chain(twins);
            let names: Vec<String> =
                names.take_while(|name| self.into.symlink_metadata(name).is_ok()).collect();
            if names.len() > 1 {
                tops.insert(number, (names, Vec::new()));
            }
        }
        if tops.is_empty() {
            return;
        }
        for file in wanted {
            let parent = self.plan.files[*file as usize].parent;
            if let Some((_, below)) = parent.and_then(|parent| tops.get_mut(&top_of[parent as usize])) {
                below.push(*file);
            }
        }
        for (top, (names, below)) in tops {
            let step = below.len().div_ceil(SAMPLE).max(1);
            let sample: Vec<u32> = below.into_iter().step_by(step).collect();
            let mut best: Option<(Standing, String)> = None;
            for name in names {
                let standing = self.standing(&name, &sample);
                if best.as_ref().is_none_or(|(most, _)| standing > *most) {
                    best = Some((standing, name));
                }
            }
            let planned = &self.plan.folders[top as usize].name;
            if let Some((_, name)) = best.filter(|(_, name)| name != planned) {
                self.tree.find_top(planned, name);
            }
        }
    }

    fn standing(&self, top: &str, sample: &[u32]) -> Standing {
        let mut standing = Standing { sized: 0, dated: 0 };
        let Ok(top) = self.into.open_dir_nofollow(top) else { return standing };
        for file in sample {
            let planned = &self.plan.files[*file as usize];
            let path = self.plan.path(planned.parent, &planned.name);
            let below = &path[1..path.len() - 1];
            let folder = top
                .try_clone()
                .and_then(|top| below.iter().try_fold(top, |folder, name| folder.open_dir_nofollow(name)));
            let Ok(folder) = folder else { continue };
            if let Some(Some(print)) = self.seen(&folder, *file, &planned.name) {
                standing.sized += 1;
                standing.dated += usize::from(self.is_dated(*file, &print));
            }
        }
        standing
    }

    /// What has a name: `None` if nothing has it, and `Some(None)` if something that cannot be the file has.
    fn seen(&self, folder: &Dir, file: u32, name: &str) -> Option<Option<Print>> {
        let print = match look(folder, name) {
            Ok(Look::Nothing) => return None,
            Ok(Look::File(opened)) => Print::of(&opened).ok(),
            Ok(Look::Other) | Err(_) => None,
        };
        Some(print.filter(|print| print.size == self.holding.layout.size(file)))
    }

    fn is_dated(&self, file: u32, print: &Print) -> bool {
        let planned = self.plan.files[file as usize].modified;
        planned.is_some() && print.modified == planned
    }
}

impl Opened {
    /// The folder in which a file is to stand, if it is there.
    fn folder(&mut self, staging: &Staging, file: u32) -> Option<&Dir> {
        let parent = staging.plan.files[file as usize].parent;
        if !matches!(&self.0, Some((at, _)) if *at == parent) {
            self.0 = Some((parent, staging.tree.final_folder(parent).ok()));
        }
        self.0.as_ref().and_then(|(_, folder)| folder.as_ref())
    }
}
