//! What a disk may hold after the power went: everything that was synced, and of the rest whatever chance left.
//!
//! - Of what was written to a file and not synced, each write is there, lost, or torn at sectors of 512 bytes, whatever
//!   its order; or only the length that it gave to the file is there, with zeros. The same holds for cutting a file.
//! - Of the names that a folder was given, lost or moved and that were not synced, the first few happened: at worst none.
//!   A renaming between two folders happened in both or in neither, as in every journal. To sync a file says nothing of
//!   its name; to sync either folder makes a renaming durable, with all that was named in both before it.
//!
//! (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014, calls the two size and content atomicity and
//! directory-operation order.)

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lanyard_proto::pacing::Dice;

use super::history::{Act, Deed, History, Kind, Node, ROOT};

/// Which syncs a disk keeps its word about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honesty {
    Honest,
    /// It says that all is durable, and nothing is.
    IgnoresAll,
    IgnoresFolders,
    /// Those of files whose names end like this.
    Ignores(&'static str),
}

/// A history as one disk sees it.
pub struct Device<'a> {
    history: &'a History,
    /// For each deed, the line after which it survives everything.
    durable: Vec<Option<usize>>,
    /// The deeds of each file or folder, in order.
    of: HashMap<Node, Vec<usize>>,
    moments: Vec<usize>,
    /// Moments at which more changes than one more write.
    turns: Vec<usize>,
}

/// Everything below the root, by path from there; `None` for a folder.
pub type Image = BTreeMap<PathBuf, Option<(Node, Vec<u8>)>>;

impl<'a> Device<'a> {
    pub fn new(history: &'a History, honesty: Honesty) -> Device<'a> {
        let mut syncs: HashMap<Option<Node>, Vec<(usize, usize)>> = HashMap::new();
        for sync in &history.syncs {
            let keeps = match (honesty, sync.node.map(|node| &history.nodes[node])) {
                (Honesty::Honest, _) => true,
                (Honesty::IgnoresAll, _) | (Honesty::IgnoresFolders, Some(Kind::Folder)) => false,
                (Honesty::Ignores(ending), Some(Kind::File(name))) => !name.ends_with(ending),
                _ => true,
            };
            if keeps {
                syncs.entry(sync.node).or_default().push((sync.began, sync.ended));
            }
        }
        let survives = |deed: &Deed| {
            let of = deed.act.touches().map(Some).chain([None]);
            let later = of.filter_map(|node| {
                let syncs = syncs.get(&node)?;
                syncs.iter().filter(|(began, _)| *began > deed.ended).map(|(_, ended)| *ended).min()
            });
            later.min()
        };
        let durable = history.deeds.iter().map(survives).collect();
        let mut of: HashMap<Node, Vec<usize>> = HashMap::new();
        for (number, deed) in history.deeds.iter().enumerate() {
            for node in deed.act.touches() {
                of.entry(node).or_default().push(number);
            }
        }
        let deeds = history.deeds.iter().flat_map(|deed| [deed.began, deed.ended]);
        let mut moments: Vec<usize> = deeds.chain(history.syncs.iter().map(|sync| sync.ended)).collect();
        moments.sort_unstable();
        moments.dedup();
        let is_write = |deed: &&Deed| matches!(deed.act, Act::Write { .. });
        let turns = history.deeds.iter().filter(|deed| !is_write(deed)).map(|deed| deed.ended).collect();
        Device { history, durable, of, moments, turns }
    }

    /// A moment at which the power goes. Half of the time one of those at which files come and go, or one close to it.
    pub fn moment(&self, dice: &mut Dice) -> usize {
        let at = if chance(dice, 0.5) {
            below(dice, self.moments.len())
        } else {
            let turn = self.turns[below(dice, self.turns.len())];
            let at = self.moments.partition_point(|moment| *moment < turn);
            (at + below(dice, 2 * AROUND + 1)).saturating_sub(AROUND)
        };
        self.moments[at.min(self.moments.len() - 1)]
    }

    /// What is on the disk if the power goes after this line of the record.
    pub fn after(&self, moment: usize, dice: &mut Dice) -> Image {
        let happened = self.names_that_happened(moment, dice);
        let mut folders: BTreeMap<Node, BTreeMap<&str, Node>> = BTreeMap::new();
        for number in happened {
            match &self.history.deeds[number].act {
                Act::Name { folder, name, node } => {
                    folders.entry(*folder).or_default().insert(name, *node);
                }
                Act::Unname { folder, name } => {
                    folders.entry(*folder).or_default().remove(name.as_str());
                }
                Act::Move { from, to, node } => {
                    folders.entry(from.0).or_default().remove(from.1.as_str());
                    folders.entry(to.0).or_default().insert(&to.1, *node);
                }
                Act::Write { .. } | Act::Cut { .. } => {}
            }
        }
        let mut image = Image::new();
        let mut open = vec![(PathBuf::new(), ROOT)];
        while let Some((path, folder)) = open.pop() {
            for (name, node) in folders.get(&folder).into_iter().flatten() {
                let path = path.join(name);
                match self.history.nodes[*node] {
                    Kind::Folder => {
                        image.insert(path.clone(), None);
                        open.push((path, *node));
                    }
                    Kind::File(_) => {
                        let content = self.content(*node, moment, dice);
                        image.insert(path, Some((*node, content)));
                    }
                }
            }
        }
        image
    }

    /// What is there if nothing is ever lost.
    pub fn in_the_end(&self) -> Image {
        let calm = Device { durable: vec![Some(0); self.durable.len()], ..self.again() };
        calm.after(usize::MAX, &mut Dice::seeded([0; 32]))
    }

    /// The node that has this path in the end.
    pub fn node_at(&self, path: &Path) -> Option<Node> {
        self.in_the_end().get(path)?.as_ref().map(|(node, _)| *node)
    }

    fn again(&self) -> Device<'a> {
        Device {
            history: self.history,
            durable: self.durable.clone(),
            of: self.of.clone(),
            moments: self.moments.clone(),
            turns: self.turns.clone(),
        }
    }

    fn survives(&self, number: usize, moment: usize) -> bool {
        self.durable[number].is_some_and(|durable| durable <= moment)
    }

    /// The naming deeds that are on the disk, in order: of each folder the first so many.
    fn names_that_happened(&self, moment: usize, dice: &mut Dice) -> BTreeSet<usize> {
        let begun = |number: &&usize| self.history.deeds[**number].began <= moment;
        let mut folders: BTreeMap<Node, Vec<usize>> = BTreeMap::new();
        for (node, deeds) in &self.of {
            if self.history.nodes[*node] == Kind::Folder {
                folders.insert(*node, deeds.iter().filter(begun).copied().collect());
            }
        }
        // What survives, with all that was named before it in its folders.
        let mut least: BTreeMap<Node, usize> = BTreeMap::new();
        loop {
            let sure: BTreeSet<usize> = folders
                .iter()
                .flat_map(|(folder, deeds)| {
                    let kept = least.get(folder).copied().unwrap_or(0);
                    let survives =
                        |(at, number): &(usize, &usize)| *at < kept || self.survives(**number, moment);
                    deeds.iter().enumerate().filter(survives).map(|(_, number)| *number).collect::<Vec<_>>()
                })
                .collect();
            let mut grown = false;
            for (folder, deeds) in &folders {
                let needed =
                    deeds.iter().rposition(|number| sure.contains(number)).map_or(0, |last| last + 1);
                let kept = least.entry(*folder).or_default();
                grown |= needed > *kept;
                *kept = needed.max(*kept);
            }
            if !grown {
                break;
            }
        }
        let mood = mood(dice);
        let mut kept: BTreeMap<Node, usize> = BTreeMap::new();
        for (folder, deeds) in &folders {
            let (least, more) = (least[folder], deeds.len() - least[folder]);
            let further = if chance(dice, mood) { more } else { below(dice, more + 1) };
            let further = if chance(dice, 1.0 - mood) && chance(dice, 0.5) { 0 } else { further };
            kept.insert(*folder, least + further);
        }
        // Whatever lacks its other half did not happen, nor what came behind it.
        loop {
            let happened: BTreeSet<usize> =
                folders.iter().flat_map(|(folder, deeds)| deeds[..kept[folder]].iter().copied()).collect();
            let lacks = |number: &usize| {
                let mut halves = self.history.deeds[*number].act.touches();
                halves.any(|folder| !folders[&folder][..kept[&folder]].contains(number))
            };
            let Some(torn) = happened.iter().copied().find(lacks) else { return happened };
            for folder in self.history.deeds[torn].act.touches() {
                let at = folders[&folder].iter().position(|number| *number == torn);
                let kept = kept.get_mut(&folder).expect("every folder has a number");
                *kept = at.map_or(*kept, |at| at.min(*kept));
            }
        }
    }

    fn content(&self, file: Node, moment: usize, dice: &mut Dice) -> Vec<u8> {
        let mood = mood(dice);
        let mut content = Vec::new();
        for number in self.of.get(&file).into_iter().flatten().copied() {
            let deed = &self.history.deeds[number];
            if deed.began > moment {
                continue;
            }
            let fate =
                if self.survives(number, moment) || chance(dice, mood) { Fate::Whole } else { fate(dice) };
            match &deed.act {
                Act::Write { at, bytes, .. } => write(&mut content, *at as usize, bytes, fate, dice),
                Act::Cut { length, .. } if fate == Fate::Whole => content.resize(*length as usize, 0),
                _ => {}
            }
        }
        content
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Whole,
    Torn,
    /// The file is as long as it makes it, and no more.
    Length,
    Lost,
}

fn fate(dice: &mut Dice) -> Fate {
    match below(dice, 8) {
        0 | 1 => Fate::Torn,
        2 => Fate::Length,
        _ => Fate::Lost,
    }
}

fn write(content: &mut Vec<u8>, at: usize, bytes: &[u8], fate: Fate, dice: &mut Dice) {
    let end = at + bytes.len();
    if fate == Fate::Lost {
        return;
    }
    if content.len() < end {
        content.resize(end, 0);
    }
    match fate {
        Fate::Whole => content[at..end].copy_from_slice(bytes),
        Fate::Torn => {
            let mut from = at;
            while from < end {
                let to = end.min((from / SECTOR + 1) * SECTOR);
                if chance(dice, 0.5) {
                    content[from..to].copy_from_slice(&bytes[from - at..to - at]);
                }
                from = to;
            }
        }
        Fate::Length | Fate::Lost => {}
    }
}

/// How likely it is that something survives: often all of it, often nothing.
fn mood(dice: &mut Dice) -> f64 {
    [0.0, 0.0, 0.1, 0.5, 0.9, 1.0, 1.0][below(dice, 7)]
}

fn chance(dice: &mut Dice, probability: f64) -> bool {
    dice.fraction() < probability
}

fn below(dice: &mut Dice, bound: usize) -> usize {
    (dice.fraction() * bound as f64) as usize
}

/// Puts an image into a folder, in place of all that is in it. `linked` is a file that has to be itself, and not only
/// its content: it is linked from where it is kept, and written anew.
///
/// # Errors
/// When the file system fails.
pub fn materialise(image: &Image, folder: &Path, linked: Option<(Node, &Path)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?
        } else {
            fs::remove_file(entry.path())?
        }
    }
    for (path, content) in image {
        let path = folder.join(path);
        let Some((node, content)) = content else {
            fs::create_dir(&path)?;
            continue;
        };
        match linked {
            Some((linked, kept)) if linked == *node => {
                fs::hard_link(kept, &path)?;
                OpenOptions::new().write(true).truncate(true).open(&path)?.write_all(content)?;
            }
            _ => File::create(&path)?.write_all(content)?,
        }
    }
    Ok(())
}

/// What every disk writes whole or not at all.
const SECTOR: usize = 512;

/// How many moments before and behind one at which files come or go are looked at more closely.
const AROUND: usize = 6;

#[cfg(test)]
mod tests {
    use super::super::history::Sync;
    use super::*;

    const FILE: Node = 1;
    const FOLDER: Node = 2;
    const LATE: usize = 100;

    /// One deed after the other, and syncs of a node behind so many deeds.
    fn history(acts: Vec<Act>, syncs: &[(usize, Node)]) -> History {
        let line = |deed: usize| deed * 2;
        let deed = |(number, act)| Deed { began: line(number), ended: line(number), act };
        let sync = |(behind, node): &(usize, Node)| Sync {
            began: line(*behind) - 1,
            ended: line(*behind) - 1,
            node: Some(*node),
        };
        History {
            nodes: vec![Kind::Folder, Kind::File("file".to_owned()), Kind::Folder],
            deeds: acts.into_iter().enumerate().map(deed).collect(),
            syncs: syncs.iter().map(sync).collect(),
            end: LATE,
        }
    }

    fn name(folder: Node, name: &str, node: Node) -> Act {
        Act::Name { folder, name: name.to_owned(), node }
    }

    fn write(at: u64, byte: u8, length: usize) -> Act {
        Act::Write { file: FILE, at, bytes: vec![byte; length] }
    }

    /// Whatever may be left, of many seeds: the content of the file by its path, without its node.
    fn left(history: &History, honesty: Honesty) -> BTreeSet<Vec<(String, Option<Vec<u8>>)>> {
        let device = Device::new(history, honesty);
        (0..400_u64)
            .map(|seed| {
                let mut bytes = [7; 32];
                bytes[..8].copy_from_slice(&seed.to_be_bytes());
                let image = device.after(LATE, &mut Dice::seeded(bytes));
                let plain = |(path, content): (PathBuf, Option<(Node, Vec<u8>)>)| {
                    (path.to_string_lossy().into_owned(), content.map(|(_, bytes)| bytes))
                };
                image.into_iter().map(plain).collect()
            })
            .collect()
    }

    #[test]
    fn what_was_synced_with_its_name_is_always_there_and_a_liar_loses_it() {
        let history = history(vec![name(ROOT, "file", FILE), write(0, 1, 3)], &[(2, FILE), (2, ROOT)]);
        let whole = vec![("file".to_owned(), Some(vec![1; 3]))];
        assert_eq!(left(&history, Honesty::Honest), BTreeSet::from([whole]));
        for (liar, what) in [
            (Honesty::IgnoresAll, vec![]),
            (Honesty::IgnoresFolders, vec![]),
            (Honesty::Ignores("file"), vec![("file".to_owned(), Some(vec![]))]),
        ] {
            assert!(left(&history, liar).contains(&what), "{liar:?}");
        }
    }

    #[test]
    fn what_was_not_synced_is_there_lost_hollow_or_torn_at_a_sector_and_nowhere_else() {
        let acts = vec![name(ROOT, "file", FILE), write(0, 1, 1024), write(0, 2, 1024)];
        let left = left(&history(acts, &[(2, FILE), (2, ROOT)]), Honesty::Honest);
        let content = |first: u8, second: u8| {
            vec![("file".to_owned(), Some([vec![first; 512], vec![second; 512]].concat()))]
        };
        assert_eq!(left, BTreeSet::from([content(1, 1), content(1, 2), content(2, 1), content(2, 2)]));
    }

    #[test]
    fn a_length_without_content_is_zeros() {
        let acts = vec![name(ROOT, "file", FILE), write(0, 9, 4)];
        let left = left(&history(acts, &[(1, ROOT)]), Honesty::Honest);
        let file = |content: &[u8]| vec![("file".to_owned(), Some(content.to_vec()))];
        assert_eq!(left, BTreeSet::from([file(&[]), file(&[0; 4]), file(&[9; 4])]));
    }

    #[test]
    fn a_move_happens_in_both_folders_or_in_neither_and_either_sync_makes_it_last() {
        let acts = || {
            let (from, to) = ((ROOT, "file".to_owned()), (FOLDER, "new".to_owned()));
            vec![name(ROOT, "folder", FOLDER), name(ROOT, "file", FILE), Act::Move { from, to, node: FILE }]
        };
        let folder = ("folder".to_owned(), None);
        let before = vec![("file".to_owned(), Some(vec![])), folder.clone()];
        let after = vec![folder, ("folder/new".to_owned(), Some(vec![]))];
        let undone = left(&history(acts(), &[(2, ROOT)]), Honesty::Honest);
        assert_eq!(undone, BTreeSet::from([before, after.clone()]));
        for node in [ROOT, FOLDER] {
            let done = left(&history(acts(), &[(2, ROOT), (3, node)]), Honesty::Honest);
            assert_eq!(done, BTreeSet::from([after.clone()]));
        }
    }

    #[test]
    fn what_a_folder_was_named_first_survives_first() {
        let acts = vec![name(ROOT, "file", FILE), name(ROOT, "folder", FOLDER)];
        let (file, folder) = (("file".to_owned(), Some(vec![])), ("folder".to_owned(), None));
        let left = left(&history(acts, &[]), Honesty::Honest);
        assert_eq!(left, BTreeSet::from([vec![], vec![file.clone()], vec![file, folder]]));
    }
}
