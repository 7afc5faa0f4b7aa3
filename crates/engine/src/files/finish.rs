//! The end of a pull: what came is made durable and gets its final names, and what did not is said by name.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
#[cfg(doc)]
use lanyard_proto::transfer::Bitmap;
use lanyard_proto::transfer::{Failure, Part};

use super::hash::{State, digest_of, part_digest_of};
use super::holding::Place;
use super::journal::Record;
use super::manifest::Sources;
use super::names::numbered;
use super::place::place;
use super::refusal::concerns_one_name;
use super::staging::{PART, PullError, Received, Staging, Whole, disk};
use super::tree::LastFolder;
use crate::saying;
use crate::saying::{Filling, Says, listed};
use crate::store::folder::{self, Access};

/// Files that are named one by one between two syncs of the journal.
const AT_ONCE: usize = 64;

/// Files that are named where several failed.
const MAX_NAMED: usize = 3;

impl Staging {
    /// Makes everything durable and gives it its final names. The journal stays and says so until it is discarded: whoever
    /// forgets that it is done, because the end came before that was written down, must not fetch it a second time.
    pub fn finish(&self) -> Result<Received, PullError> {
        self.is_where_it_was()?;
        self.compare_what_came().map_err(disk(saying!("remove a file that was here")))?;
        self.is_all_still_here()?;
        let failed = self.failed();
        self.clear_away(&failed).map_err(disk(saying!("remove a file that is not whole")))?;
        self.end_believed().map_err(disk(saying!("make the files durable")))?;
        #[cfg(target_os = "macos")]
        self.tree.mark_folders().map_err(disk(saying!("make the files durable")))?;
        self.tree.date_folders().map_err(disk(saying!("make the files durable")))?;
        #[cfg(unix)]
        if failed.is_empty() {
            self.make_executable().map_err(disk(saying!("write a file")))?;
        }
        self.sync().map_err(disk(saying!("make the files durable")))?;
        self.holding.set_moving();
        let named = match self.name_all() {
            Ok(named) if failed.is_empty() && named.left.is_empty() => named,
            other => {
                // What is not complete is given to others as far as it still lies in the staging.
                self.holding.stay(Place::Staged(self.tree.clone()));
                return Err(self.incomplete(&failed, other?));
            }
        };
        self.holding.stay(Place::Final(Arc::new(self.sources(&named.names))));
        let (end, sha256) = self.end_of_all();
        let (here, paths, folder) = (self.here_bytes(), named.paths, self.folder.clone());
        Ok(Received { end, here, sha256, paths, folder })
    }

    /// How much of the offer is here, and the checksum of the file if it was only one.
    fn end_of_all(&self) -> (Whole, Option<State>) {
        let layout = &self.holding.layout;
        let held = self.holding.lock();
        let state = self.lock();
        let sums: Vec<(u32, State)> = state
            .whole
            .iter()
            .map(|file| (file, held.leaves.get(layout.sum_of(file)).expect("a whole file was verified")))
            .collect();
        if !state.whole.is_full() {
            let files = sums.len() as u64;
            let bytes = state.whole.iter().map(|file| layout.size(file)).sum();
            return (
                Whole::Part(Part { digest: part_digest_of(&self.plan.manifest, sums), files, bytes }),
                None,
            );
        }
        let sums: Vec<State> = sums.into_iter().map(|(_, sum)| sum).collect();
        let sha256 = if let [only] = sums[..] { Some(only) } else { None };
        (Whole::All(digest_of(&sums)), sha256)
    }

    /// The files of the manifest that are here, where not all are; as [`Bitmap::to_bytes`].
    pub fn whole_files(&self) -> Vec<u8> {
        self.lock().whole.to_bytes()
    }

    /// Gives everything that came its final name. What the disk does not let have one stays staged.
    fn name_all(&self) -> Result<Named, PullError> {
        self.note_names().map_err(disk(saying!("write the journal")))?;
        let mut named = Named::default();
        named.left.extend(self.unmade());
        let mut older = BTreeSet::new();
        let mut tops = Vec::new();
        let wanted = self.tops();
        let mut came = match wanted.iter().any(|(_, top)| matches!(top, Top::Here(_))) {
            true => self.came_by_top(),
            false => BTreeMap::new(),
        };
        for (name, top) in wanted {
            let placed = match (self.tree.placed_as(&name), top) {
                (Some(to), _) => to.to_owned(),
                (None, Top::Nothing) => continue,
                (None, Top::Arrived) => {
                    match self.place_top(&name) {
                        Err(error) if concerns_one_name(&error) => {
                            named.left.extend(self.below(&name, &error))
                        }
                        placed => {
                            let placed = placed.map_err(disk(saying!("name what arrived")))?;
                            tops.push(name.clone());
                            named.names.insert(name, placed);
                        }
                    }
                    continue;
                }
                (None, Top::Here(to)) => {
                    let came = came.remove(&name).unwrap_or_default();
                    let left = self.merge(&name, &to, came).map_err(disk(saying!("name what arrived")))?;
                    named.left.extend(left);
                    to
                }
            };
            older.insert(name.clone());
            tops.push(name.clone());
            named.names.insert(name, placed);
        }
        let late: Vec<u32> = self.tree.late_files().filter(|file| !self.tree.is_settled(*file)).collect();
        named.left.extend(self.place_each(late, &named.names).map_err(disk(saying!("name what arrived")))?);
        named
            .left
            .extend(self.make_folders_in(&older, &named.names).map_err(disk(saying!("make a folder")))?);
        self.lock().journal.sync().map_err(disk(saying!("write the journal")))?;
        super::shelf::sync_folder(&self.folder).map_err(disk(saying!("make the names durable")))?;
        for (file, to) in &self.lock().late {
            let planned = &self.plan.files[*file as usize];
            if planned.parent.is_none() {
                named.names.insert(planned.name.clone(), to.clone());
            }
        }
        named.paths = tops.iter().map(|top| self.folder.join(&named.names[top])).collect();
        Ok(named)
    }

    /// Writes down the names of what was here under others than planned. At the top, what is placed says so.
    fn note_names(&self) -> io::Result<()> {
        let here = self.files_here();
        let mut state = self.lock();
        for file in here {
            let inside = self.plan.files[file as usize].parent.is_some();
            if let Some(to) = state.late.get(&file).filter(|_| inside || self.tree.is_placed(file)).cloned() {
                state.journal.add(&Record::Late { file, to });
            }
        }
        state.journal.flush()
    }

    /// Whether the folder still is what it was when the pull began, with the staging in it: what would get its name in another
    /// one, nobody would find.
    fn is_where_it_was(&self) -> Result<(), PullError> {
        let staged = self.folder.join(PART).join(self.holding.transfer.to_string());
        if staged.symlink_metadata().is_ok() {
            return Ok(());
        }
        let folder = &self.folder;
        let sentence = saying!("{folder} was moved, removed or replaced while files came into it", folder);
        Err(PullError::failed(Failure::Unwritable, sentence))
    }

    /// What it means for the pull that something could not be written.
    pub fn unwritten(&self, error: io::Error) -> PullError {
        match self.is_where_it_was() {
            Err(moved) if error.kind() == io::ErrorKind::NotFound => moved,
            _ => disk(saying!("write a file"))(error),
        }
    }

    /// Folders that the disk refused, and that are empty: what is in the others is said by itself.
    fn unmade(&self) -> Vec<Left> {
        let refused = self.tree.refused();
        let above = self.plan.files.iter().map(|file| file.parent);
        let above: BTreeSet<u32> =
            above.chain(self.plan.folders.iter().map(|f| f.parent)).flatten().collect();
        let empty = refused.iter().filter(|(folder, _)| !above.contains(folder));
        empty.map(|(folder, why)| self.left_folder(*folder, why.clone())).collect()
    }

    /// All that came of something at the top, which the disk does not let have its name.
    fn below(&self, top: &str, error: &io::Error) -> Vec<Left> {
        let state = self.lock();
        let below = |file: &u32| {
            let planned = &self.plan.files[*file as usize];
            self.plan.path(planned.parent, &planned.name)[0] == top
        };
        let came = state.whole.iter().filter(|file| !self.tree.is_settled(*file)).filter(below);
        came.map(|file| self.left_file(file, error)).collect()
    }

    fn left_file(&self, file: u32, error: &io::Error) -> Left {
        Left { name: self.holding.list.name(file), is_file: true, why: error.filling() }
    }

    fn left_folder(&self, folder: u32, why: Filling) -> Left {
        let folder = &self.plan.folders[folder as usize];
        let name = self.plan.path(folder.parent, &folder.name).join("/");
        Left { name, is_file: false, why }
    }

    /// Files that did not come.
    fn failed(&self) -> Vec<u32> {
        let state = self.lock();
        let chosen = |file: &u32| self.plan.files[*file as usize].chosen;
        (0..self.holding.layout.files()).filter(chosen).filter(|file| !state.whole.has(*file)).collect()
    }

    /// Says which files failed, and forgets what was known of them: it may be why they did. Those that came and have no name
    /// lie where they are until it is tried again.
    fn incomplete(&self, failed: &[u32], named: Named) -> PullError {
        let mut held = self.holding.lock();
        let known = failed.iter().find_map(|file| held.failed.get(file).copied());
        let unnamed = (!named.left.is_empty()).then_some(Failure::Unwritable);
        let failure = known.or(unnamed).unwrap_or(Failure::Corrupt);
        let mut state = self.lock();
        for file in failed {
            let leaves = self.holding.layout.leaves_of_file(*file);
            held.leaves.forget(leaves.clone());
            state.forget(*file, leaves);
        }
        let written = state.journal.flush();
        let refused = state.refused.clone();
        drop((held, state));
        if let Err(error) = written {
            return disk(saying!("write the journal"))(error);
        }
        let (left, folders): (Vec<Left>, Vec<Left>) = named.left.into_iter().partition(|left| left.is_file);
        let with_why = |name: &str, why: &Filling| Filling::from(saying!("{name} ({why})", name, why));
        let mut names: Vec<Filling> = Vec::new();
        for file in failed.iter().take(MAX_NAMED) {
            let name = self.holding.list.name(*file);
            names.push(refused.get(file).map_or_else(|| name.filling(), |why| with_why(&name, why)));
        }
        let room = MAX_NAMED - names.len();
        names.extend(left.iter().take(room).map(|left| with_why(&left.name, &left.why)));
        let files = failed.len() + left.len();
        let of = self.plan.files.iter().filter(|file| file.chosen).count();
        let mut reasons = Vec::new();
        if files > 0 {
            let names = listed(names, files);
            reasons.push(Filling::from(saying!("{files} of {of} did not arrive: {names}", files, of, names)));
        }
        if !folders.is_empty() {
            let named = folders.iter().take(MAX_NAMED).map(|left| with_why(&left.name, &left.why)).collect();
            let names = listed(named, folders.len());
            reasons.push(saying!("these folders could not be made: {names}", names).into());
        }
        let reason = reasons.into_iter().reduce(|one, other| saying!("{one}; {other}", one, other).into());
        let reason = reason.unwrap_or(Filling::Text(String::new()));
        let arrived = named.paths;
        PullError::Failed { failure, reason, arrived, files: files as u64 }
    }

    /// What is not whole must not get a name with the folder that it lies in.
    fn clear_away(&self, failed: &[u32]) -> io::Result<()> {
        failed.iter().filter(|file| !self.tree.is_placed(**file)).try_for_each(|file| self.tree.remove(*file))
    }

    /// Files that an earlier pull left whole may lack their mark and their date, and no sync of theirs can be trusted.
    fn end_believed(&self) -> io::Result<()> {
        let believed: Vec<u32> = self.lock().believed.clone();
        let mut last = LastFolder::default();
        for file in believed {
            // What has its name already was durable before it got it.
            if self.tree.is_settled(file) {
                continue;
            }
            let opened = self.tree.write(file, super::tree::Content::Kept, &mut last)?;
            self.end(&opened, file)?;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.lock().journal.sync()?;
        #[cfg(target_os = "linux")]
        if !self.sync_each {
            return Ok(rustix::fs::syncfs(super::tree::readable(self.tree.top())?)?);
        }
        self.sync_here()?;
        #[cfg(unix)]
        self.tree.sync_folders()?;
        // The journal too must be found again: without it, what has its final name would be fetched a second time.
        #[cfg(unix)]
        for folder in [&self.own, &self.into.open_dir_nofollow(PART)?, &self.into] {
            super::tree::sync_folder(folder)?;
        }
        folder::make(&self.folder, Access::Usual)
    }

    /// What is wanted at the top, and whether anything of it came.
    fn tops(&self) -> Vec<(String, Top)> {
        let state = self.lock();
        // Of the tops that hold files that are wanted.
        let mut filled: BTreeMap<&str, Top> = BTreeMap::new();
        let stands = |number: u32, top: &str| {
            let inside = self.plan.files[number as usize].parent.is_some();
            let name = if inside { self.tree.found_top(top) } else { Some(self.tree.final_name(number)) };
            name.unwrap_or_else(|| top.to_owned())
        };
        for (number, file) in (0u32..).zip(&self.plan.files) {
            let whole = state.whole.has(number);
            if !file.chosen && !whole {
                continue;
            }
            let name = self.plan.path(file.parent, &file.name)[0];
            let top = filled.entry(name).or_insert(Top::Nothing);
            match top {
                Top::Here(_) => {}
                _ if whole && self.tree.is_settled(number) => *top = Top::Here(stands(number, name)),
                Top::Nothing if whole => *top = Top::Arrived,
                Top::Nothing | Top::Arrived => {}
            }
        }
        let refused = |folder: &u32| {
            let folder = &self.plan.folders[*folder as usize];
            folder.parent.is_none().then_some(folder.name.as_str())
        };
        let refused: BTreeSet<&str> = self.tree.refused().keys().filter_map(refused).collect();
        let empty = |top: &str| if refused.contains(top) { Top::Nothing } else { Top::Arrived };
        let tops = self.plan.tops();
        tops.map(|top| (top.to_owned(), filled.remove(top).unwrap_or_else(|| empty(top)))).collect()
    }

    /// Puts what came beside what was here, in a folder of which something was, and which stands as `to`; or leaves a file that
    /// was here as it is. Gives what could not be put there.
    fn merge(&self, top: &str, to: &str, came: Vec<u32>) -> io::Result<Vec<Left>> {
        let mut state = self.lock();
        state.journal.add(&Record::Place { name: top.to_owned(), to: to.to_owned() });
        if !came.is_empty() {
            // Before anything goes there: whoever goes on after a crash looks for it where it went.
            state.journal.sync()?;
        }
        drop(state);
        let left = self.place_each(came, &[(top.to_owned(), to.to_owned())].into())?;
        if !left.is_empty() {
            // It lies in what is thrown away below.
            return Ok(left);
        }
        // Whoever looks for what was placed looks whether it is still here.
        if self.tree.top().symlink_metadata(top).is_ok_and(|about| about.is_dir()) {
            super::tree::remove_tree(self.tree.top(), top)?;
        }
        Ok(left)
    }

    /// What came and has no name yet, by what it stands in at the top.
    fn came_by_top(&self) -> BTreeMap<String, Vec<u32>> {
        let whole: Vec<u32> = self.lock().whole.iter().collect();
        let mut came: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for file in whole.into_iter().filter(|file| !self.tree.is_settled(*file)) {
            let planned = &self.plan.files[file as usize];
            let top = self.plan.path(planned.parent, &planned.name)[0];
            came.entry(top.to_owned()).or_default().push(file);
        }
        came
    }

    /// Renames one thing at the top, to its own name or the first free numbered one, which it gives.
    fn place_top(&self, name: &str) -> io::Result<String> {
        let record = |to: &str| Record::Place { name: name.to_owned(), to: to.to_owned() };
        // In what is placed whole all have the names that they were planned to have, whatever they once were found under.
        let mut state = self.lock();
        for file in self.tree.named_below(name) {
            let to = self.plan.files[file as usize].name.clone();
            state.journal.add(&Record::Late { file, to });
        }
        drop(state);
        self.place(self.tree.top(), name, &self.into, name, record)
    }

    /// Gives files that are staged by themselves, or stand in folders that are not placed whole, their names one by one.
    /// `names` are those of what stands at the top. Gives those that cannot have theirs.
    fn place_each(&self, files: Vec<u32>, names: &BTreeMap<String, String>) -> io::Result<Vec<Left>> {
        let mut left = Vec::new();
        let mut last: Option<(Option<u32>, Arc<Dir>)> = None;
        let whole = files.into_iter().filter(|file| self.lock().whole.has(*file));
        for batch in whole.collect::<Vec<u32>>().chunks(AT_ONCE) {
            let mut moves = Vec::new();
            for file in batch {
                let planned = &self.plan.files[*file as usize];
                if !matches!(&last, Some((at, _)) if *at == planned.parent) {
                    let folder = match self.final_folder(planned.parent, names) {
                        Err(error) if concerns_one_name(&error) => {
                            left.push(self.left_file(*file, &error));
                            continue;
                        }
                        folder => folder?,
                    };
                    last = Some((planned.parent, Arc::new(folder)));
                }
                let (_, folder) = last.as_ref().expect("set above");
                let to = free_name(folder, &planned.name, self.plan.most);
                self.lock().journal.add(&Record::Late { file: *file, to: to.clone() });
                moves.push((*file, folder.clone(), to));
            }
            self.lock().journal.sync()?;
            for (file, folder, to) in moves {
                let planned = &self.plan.files[file as usize];
                let (from, name) = match self.tree.is_late(file) {
                    true => (self.tree.late_folder()?, file.to_string()),
                    false => (self.tree.folder(planned.parent)?, planned.name.clone()),
                };
                let record = |to: &str| Record::Late { file, to: to.to_owned() };
                let to = match place(&from, &name, &folder, &to) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        self.place(&from, &name, &folder, &planned.name, record)
                    }
                    placed => placed.map(|()| to),
                };
                let to = match to {
                    Err(error) if concerns_one_name(&error) => {
                        left.push(self.left_file(file, &error));
                        continue;
                    }
                    to => to?,
                };
                self.lock().late.insert(file, to);
                #[cfg(unix)]
                super::tree::sync_folder(&folder)?;
            }
        }
        Ok(left)
    }

    /// A folder where it is to stand, made if it is missing.
    fn final_folder(&self, folder: Option<u32>, names: &BTreeMap<String, String>) -> io::Result<Dir> {
        let mut at = self.into.try_clone()?;
        let Some(folder) = folder else { return Ok(at) };
        let planned = &self.plan.folders[folder as usize];
        for (depth, part) in self.plan.path(planned.parent, &planned.name).into_iter().enumerate() {
            let placed = names.get(part).filter(|_| depth == 0);
            let part = placed.map_or(part, String::as_str);
            match at.create_dir(part) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => at = at.open_dir_nofollow(part)?,
            }
        }
        Ok(at)
    }

    /// Makes folders that are wanted, and hold nothing that came, in those that had their names before; gives those that cannot
    /// be made.
    fn make_folders_in(
        &self,
        tops: &BTreeSet<String>,
        names: &BTreeMap<String, String>,
    ) -> io::Result<Vec<Left>> {
        let mut left = Vec::new();
        if tops.is_empty() {
            return Ok(left);
        }
        for (number, folder) in (0u32..).zip(&self.plan.folders).filter(|(_, folder)| folder.chosen) {
            let top = self.plan.path(folder.parent, &folder.name)[0];
            let refused = self.tree.refused().contains_key(&number);
            if refused || !tops.contains(top) || self.tree.final_folder(Some(number)).is_ok() {
                continue;
            }
            match self.final_folder(Some(number), names) {
                Err(error) if concerns_one_name(&error) => {
                    left.push(self.left_folder(number, error.filling()));
                }
                made => {
                    drop(made?);
                    #[cfg(unix)]
                    super::tree::sync_folder(&self.tree.final_folder(folder.parent)?)?;
                }
            }
        }
        Ok(left)
    }

    fn place(
        &self,
        from: &Dir,
        name: &str,
        into: &Dir,
        wanted: &str,
        record: impl Fn(&str) -> Record,
    ) -> io::Result<String> {
        loop {
            let to = free_name(into, wanted, self.plan.most);
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

/// What has its final name.
#[derive(Default)]
struct Named {
    /// Under which name what stands at the top was placed.
    names: BTreeMap<String, String>,
    /// Where that is.
    paths: Vec<PathBuf>,
    /// What has none, though it came.
    left: Vec<Left>,
}

/// A file that came, or a folder, that the disk does not let have its name.
struct Left {
    name: String,
    is_file: bool,
    why: Filling,
}

/// What came of something at the top.
#[derive(Clone, PartialEq, Eq)]
enum Top {
    Nothing,
    /// Something, and nothing was here before; or there is nothing to come.
    Arrived,
    /// Something of it stands where it is to stand already, under this name.
    Here(String),
}

/// A name, or its first numbered twin, that nothing in a folder has. That saves writing down every taken name; what
/// decides is the renaming, which replaces nothing.
fn free_name(folder: &Dir, name: &str, most: usize) -> String {
    let twins = (2..).map(|number| numbered(name, number, most));
    let mut names = std::iter::once(name.to_owned()).chain(twins);
    names
        .find(|name| folder.symlink_metadata(name).is_err())
        .expect("a folder does not hold every numbered name")
}
