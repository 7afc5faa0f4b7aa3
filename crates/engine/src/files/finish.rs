//! The end of a pull: what came is made durable and gets its final names, and what did not is said by name.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use lanyard_proto::transfer::Failure;

use super::hash::{State, digest_of};
use super::holding::Place;
use super::journal::Record;
use super::manifest::{Sources, modified_of};
use super::names::numbered;
use super::place::place;
use super::staging::{PART, PullError, Received, Staging, disk};
use super::tree::LastFolder;
use crate::store::folder::{self, Access};

/// Files that are named where several failed.
const MAX_NAMED: usize = 3;

impl Staging {
    /// Makes everything durable and gives it its final names. The journal stays and says so until it is discarded: whoever
    /// forgets that it is done, because the end came before that was written down, must not fetch it a second time.
    pub fn finish(&self) -> Result<Received, PullError> {
        let failed = self.failed();
        self.clear_away(&failed).map_err(disk("remove a file that is not whole"))?;
        self.end_believed().map_err(disk("make the files durable"))?;
        self.sync().map_err(disk("make the files durable"))?;
        self.holding.set_moving();
        let named = self.name_all();
        let (names, paths) = match named {
            Ok(named) if failed.is_empty() => named,
            other => {
                // What is not complete is given to others as far as it still lies in the staging.
                self.holding.stay(Place::Staged(self.tree.clone()));
                return Err(self.incomplete(&failed, other?.1));
            }
        };
        self.holding.stay(Place::Final(Arc::new(self.sources(&names))));
        let held = self.holding.lock();
        let files = 0..self.holding.layout.files();
        let sums: Vec<State> = files
            .map(|file| held.leaves.get(self.holding.layout.sum_of(file)).expect("a whole file was verified"))
            .collect();
        let sha256 = if let [only] = sums[..] { Some(only) } else { None };
        Ok(Received { digest: digest_of(&sums), sha256, paths, folder: self.folder.clone() })
    }

    /// Gives everything that came its final name: which name what stands at the top has now, and where that is.
    fn name_all(&self) -> Result<(BTreeMap<String, String>, Vec<PathBuf>), PullError> {
        let (mut names, mut paths) = (BTreeMap::new(), Vec::new());
        for (name, whole) in self.tops() {
            let placed = match self.tree.placed_as(&name) {
                Some(to) => to.to_owned(),
                None if !whole => continue,
                None => self.place_top(&name).map_err(disk("name what arrived"))?,
            };
            paths.push(self.folder.join(&placed));
            names.insert(name, placed);
        }
        self.place_late(&names).map_err(disk("name what arrived"))?;
        super::shelf::sync_folder(&self.folder).map_err(disk("make the names durable"))?;
        Ok((names, paths))
    }

    /// Files that did not come.
    fn failed(&self) -> Vec<u32> {
        let state = self.lock();
        (0..self.holding.layout.files()).filter(|file| !state.whole.has(*file)).collect()
    }

    /// Says which files failed, and forgets what was known of them: it may be why they did.
    fn incomplete(&self, failed: &[u32], arrived: Vec<PathBuf>) -> PullError {
        let mut held = self.holding.lock();
        let known = failed.iter().find_map(|file| held.failed.get(file).copied());
        let failure = known.unwrap_or(Failure::Corrupt);
        let mut state = self.lock();
        for file in failed {
            let leaves = self.holding.layout.leaves_of_file(*file);
            held.leaves.forget(leaves.clone());
            state.forget(*file, leaves);
        }
        let written = state.journal.flush();
        drop((held, state));
        if let Err(error) = written {
            return disk("write the journal")(error);
        }
        let names: Vec<String> =
            failed.iter().take(MAX_NAMED).map(|file| self.holding.list.name(*file)).collect();
        let more = match failed.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let of = self.holding.layout.files();
        let reason = format!("{} of {of} did not arrive: {}{more}", failed.len(), names.join(", "));
        PullError::Failed { failure, reason, arrived }
    }

    /// What is not whole must not get a name with the folder that it lies in.
    fn clear_away(&self, failed: &[u32]) -> io::Result<()> {
        failed.iter().filter(|file| !self.tree.is_placed(**file)).try_for_each(|file| self.tree.remove(*file))
    }

    /// Files that an earlier pull left whole may lack their date, and no sync of theirs can be trusted.
    fn end_believed(&self) -> io::Result<()> {
        let believed: Vec<u32> = self.lock().believed.clone();
        let late = self.lock().late.clone();
        let mut last = LastFolder::default();
        for file in believed {
            // What has its name already was durable before it got it.
            if self.tree.is_placed(file) && !self.tree.is_late(file) || late.contains_key(&file) {
                continue;
            }
            let opened = self.tree.write(file, super::tree::Content::Kept, &mut last)?;
            let modified = modified_of(&opened.metadata()?);
            if self.plan.files[file as usize].modified.is_some_and(|planned| Some(planned) != modified) {
                self.end(&opened, file)?;
            } else if self.sync_each {
                opened.sync_all()?;
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.lock().journal.sync()?;
        #[cfg(target_os = "linux")]
        if !self.sync_each {
            return Ok(rustix::fs::syncfs(super::tree::readable(self.tree.top())?)?);
        }
        #[cfg(unix)]
        self.tree.sync_folders()?;
        // The journal too must be found again: without it, what has its final name would be fetched a second time.
        #[cfg(unix)]
        for folder in [&self.own, &self.into.open_dir_nofollow(PART)?, &self.into] {
            super::tree::sync_folder(folder)?;
        }
        folder::make(&self.folder, Access::Usual)
    }

    /// What stands at the top, and whether anything of it came.
    fn tops(&self) -> Vec<(String, bool)> {
        let state = self.lock();
        // By the top: whether it holds files, and whether any of them is whole.
        let mut filled: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        for (number, file) in (0u32..).zip(&self.plan.files) {
            let top = self.plan.path(file.parent, &file.name)[0];
            let filled = filled.entry(top).or_default();
            *filled = (true, filled.1 || state.whole.has(number));
        }
        let tops = self.plan.tops().map(|top| {
            let (holds, whole) = filled.get(top).copied().unwrap_or_default();
            (top.to_owned(), whole || !holds)
        });
        tops.collect()
    }

    /// Renames one thing at the top, to its own name or the first free numbered one, which it gives.
    fn place_top(&self, name: &str) -> io::Result<String> {
        let record = |to: &str| Record::Place { name: name.to_owned(), to: to.to_owned() };
        self.place(self.tree.top(), name, &self.into, name, record)
    }

    /// Files that came after what is above them got its name.
    fn place_late(&self, names: &BTreeMap<String, String>) -> io::Result<()> {
        for file in self.tree.late_files() {
            let state = self.lock();
            if !state.whole.has(file) || state.late.contains_key(&file) {
                continue;
            }
            drop(state);
            let planned = &self.plan.files[file as usize];
            let path = self.plan.path(planned.parent, &planned.name);
            let (name, above) = path.split_last().expect("a path has a name");
            let mut folder = self.into.try_clone()?;
            for (depth, part) in above.iter().enumerate() {
                let placed = names.get(*part).filter(|_| depth == 0);
                let part = placed.map_or(*part, String::as_str);
                match folder.create_dir(part) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => folder = folder.open_dir_nofollow(part)?,
                }
            }
            let record = |to: &str| Record::Late { file, to: to.to_owned() };
            let to = self.place(&self.tree.late_folder()?, &file.to_string(), &folder, name, record)?;
            #[cfg(unix)]
            super::tree::sync_folder(&folder)?;
            self.lock().late.insert(file, to);
        }
        Ok(())
    }

    fn place(
        &self,
        from: &Dir,
        name: &str,
        into: &Dir,
        wanted: &str,
        record: impl Fn(&str) -> Record,
    ) -> io::Result<String> {
        for number in 1.. {
            let to = if number == 1 { wanted.to_owned() } else { numbered(wanted, number) };
            // The look saves writing down every taken name; what decides is the renaming, which replaces nothing.
            if into.symlink_metadata(&to).is_ok() {
                continue;
            }
            let mut state = self.lock();
            state.journal.add(&record(&to));
            state.journal.sync()?;
            drop(state);
            match place(from, name, into, &to) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(to),
            }
        }
        unreachable!("a folder does not hold every numbered name")
    }

    /// Where everything is now, as the sources of an offer.
    fn sources(&self, names: &BTreeMap<String, String>) -> Sources {
        let late = self.lock().late.clone();
        let paths = (0u32..).zip(&self.plan.files).map(|(number, file)| {
            let path = self.plan.path(file.parent, &file.name);
            let mut at = self.folder.clone();
            at.push(names.get(path[0]).map_or(path[0], String::as_str));
            at.extend(&path[1..]);
            if let Some(to) = late.get(&number) {
                at.set_file_name(to);
            }
            (number, at)
        });
        Sources { odd: paths.collect(), ..Sources::default() }
    }
}
