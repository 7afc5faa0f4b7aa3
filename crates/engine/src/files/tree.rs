//! The files of a pull while they arrive: `tree` as they will stand in the folder, and `late` by number for those that come
//! after what is above them has its final name.
//!
//! Everything is reached through directory handles that no name and no link leads out of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, SystemTimeSpec};
use cap_std::fs::{Dir, OpenOptions};
use lanyard_proto::transfer::Bitmap;

use super::manifest::time_of;
use super::mark;
use super::plan::Plan;
use super::refusal::concerns_one;
use crate::saying::{Filling, Says, io_error};

const TREE: &str = "tree";
const LATE: &str = "late";

#[derive(Debug)]
pub(super) struct Tree {
    own: Dir,
    tree: Dir,
    /// Where everything is to stand.
    into: Dir,
    pub plan: Arc<Plan>,
    /// Under which name each top was placed.
    placed: BTreeMap<String, String>,
    /// Files below those that were not there then.
    late: BTreeSet<u32>,
    /// Files that got another name than planned when they were named one by one.
    names: BTreeMap<u32, String>,
    /// What was here before, and under which numbered names.
    found: Mutex<Found>,
    /// Files that stand where they are to stand, though what is above them was not placed from here.
    settled: Mutex<Bitmap>,
    /// Folders that the disk refuses, with all that is in them, and why.
    refused: BTreeMap<u32, Filling>,
}

/// What stands under other names than planned, because those belong to something else.
#[derive(Debug, Default)]
struct Found {
    files: BTreeMap<u32, String>,
    /// Folders at the top, which are filled up there.
    tops: BTreeMap<String, String>,
}

/// What has a name.
pub(super) enum Look {
    Nothing,
    File(File),
    /// No file, or one that cannot be read.
    Other,
}

/// The folder that was last opened: files of one folder follow each other.
#[derive(Debug, Default)]
pub(super) struct LastFolder(Option<(Option<u32>, Dir)>);

impl Tree {
    /// Opens or makes the tree in the staging folder of a transfer whose files go `into` another. `placing` is what was
    /// placed, or was about to be, and `names` single files that were.
    pub fn open(
        own: &Dir,
        into: &Dir,
        plan: Arc<Plan>,
        mut placing: BTreeMap<String, String>,
        names: BTreeMap<u32, String>,
    ) -> io::Result<Tree> {
        let tree = open_folder(own, TREE, Access::Usual)?;
        let mut found = Found::default();
        // A folder that is staged still was to be renamed, or was filled up where it says: what came may be there in part.
        placing.retain(|name, to| {
            let Ok(staged) = tree.symlink_metadata(name) else { return true };
            if staged.is_dir() && into.open_dir_nofollow(&*to).is_ok() {
                found.tops.insert(name.clone(), to.clone());
            }
            false
        });
        let (own, into) = (own.try_clone()?, into.try_clone()?);
        let settled = Mutex::new(Bitmap::new(plan.files.len() as u32));
        let (late, refused) = (BTreeSet::new(), BTreeMap::new());
        let found = Mutex::new(found);
        let mut tree = Tree { own, tree, into, plan, placed: placing, late, names, found, settled, refused };
        tree.refused = tree.make_folders()?;
        Ok(tree)
    }

    /// Throws away what is in the staging folder of a transfer, the journal apart.
    pub fn clear(own: &Dir) -> io::Result<()> {
        remove_tree(own, TREE)?;
        remove_tree(own, LATE)
    }

    /// These files come late.
    pub fn expect_late(&mut self, files: BTreeSet<u32>) -> io::Result<()> {
        if !files.is_empty() {
            drop(open_folder(&self.own, LATE, Access::Own)?);
        }
        self.late = files;
        Ok(())
    }

    pub fn late_files(&self) -> impl Iterator<Item = u32> + '_ {
        self.late.iter().copied()
    }

    pub fn is_late(&self, file: u32) -> bool {
        self.late.contains(&file)
    }

    /// Whether a file was once named by itself, or was about to be.
    pub fn is_named(&self, file: u32) -> bool {
        self.names.contains_key(&file)
    }

    /// A file stands where it is to stand.
    pub fn settle(&self, file: u32) {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).insert(file);
    }

    pub fn is_settled(&self, file: u32) -> bool {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).has(file)
    }

    /// Folders that the disk refuses, and why.
    pub fn refused(&self) -> &BTreeMap<u32, Filling> {
        &self.refused
    }

    /// A file was here before under this name.
    pub fn find(&self, file: u32, name: String) {
        self.found().files.insert(file, name);
    }

    /// A folder at the top stands, or is to be filled up, under this name.
    pub fn find_top(&self, top: &str, name: String) {
        self.found().tops.insert(top.to_owned(), name);
    }

    /// The name that something at the top has where it is filled up, if that was found out.
    pub fn found_top(&self, top: &str) -> Option<String> {
        self.found().tops.get(top).cloned()
    }

    /// The name of a file by itself, if it was here under another one than planned, or was named by itself.
    pub fn own_name(&self, file: u32) -> Option<String> {
        self.found().files.get(&file).or_else(|| self.names.get(&file)).cloned()
    }

    /// Files that a journal names by themselves, below what stands at the top.
    pub fn named_below(&self, top: &str) -> Vec<u32> {
        let below = |file: &u32| {
            let planned = &self.plan.files[*file as usize];
            planned.parent.is_some() && self.plan.path(planned.parent, &planned.name)[0] == top
        };
        let known = self.names.keys().copied().filter(|file| (*file as usize) < self.plan.files.len());
        known.filter(below).collect()
    }

    /// The name that a file has, or will have, where it is to stand.
    pub fn final_name(&self, file: u32) -> String {
        let planned = &self.plan.files[file as usize];
        let placed = || self.placed_as(&planned.name).filter(|_| planned.parent.is_none());
        self.own_name(file).unwrap_or_else(|| placed().unwrap_or(&planned.name).to_owned())
    }

    /// Opens what stands where a file is to stand, if that is a file.
    pub fn final_file(&self, file: u32) -> io::Result<File> {
        let folder = self.final_folder(self.plan.files[file as usize].parent)?;
        match look(&folder, &self.final_name(file))? {
            Look::File(file) => Ok(file),
            Look::Nothing | Look::Other => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The folder with this number where it is to stand, `None` being the one around everything.
    pub fn final_folder(&self, number: Option<u32>) -> io::Result<Dir> {
        let Some(number) = number else { return self.into.try_clone() };
        let folder = &self.plan.folders[number as usize];
        let mut names = self.plan.path(folder.parent, &folder.name).into_iter();
        let top = names.next().expect("a path has a name");
        let placed = self.placed_as(top).map(str::to_owned).or_else(|| self.found_top(top));
        let top = self.into.open_dir_nofollow(placed.as_deref().unwrap_or(top))?;
        names.try_fold(top, |dir, name| dir.open_dir_nofollow(name))
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn late_folder(&self) -> io::Result<Dir> {
        self.own.open_dir_nofollow(LATE)
    }

    pub fn top(&self) -> &Dir {
        &self.tree
    }

    /// The final name of what stands at the top, if it has it.
    pub fn placed_as(&self, top: &str) -> Option<&str> {
        self.placed.get(top).map(String::as_str)
    }

    /// Whether what is above a file, or the file itself, has its final name.
    pub fn is_placed(&self, file: u32) -> bool {
        let planned = &self.plan.files[file as usize];
        self.is_below_placed(planned.parent, &planned.name)
    }

    fn is_below_placed(&self, parent: Option<u32>, name: &str) -> bool {
        !self.placed.is_empty() && self.placed.contains_key(self.plan.path(parent, name)[0])
    }

    /// Opens a staged file to be read.
    pub fn read(&self, file: u32) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        let planned = &self.plan.files[file as usize];
        let opened = match self.late.contains(&file) {
            _ if self.is_settled(file) => return self.final_file(file),
            true => self.late_folder()?.open_with(file.to_string(), &options)?,
            false => self.folder(planned.parent)?.open_with(&planned.name, &options)?,
        };
        Ok(opened.into_std())
    }

    /// Opens a file that an earlier pull staged, wherever it did.
    pub fn read_left(&self, file: u32) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        let planned = &self.plan.files[file as usize];
        let opened = match self.is_placed(file) {
            true => self.late_folder()?.open_with(file.to_string(), &options)?,
            false => self.folder(planned.parent)?.open_with(&planned.name, &options)?,
        };
        Ok(opened.into_std())
    }

    /// Files that an earlier pull staged to be named by themselves, and that have no names yet.
    pub fn left_late(&self) -> BTreeSet<u32> {
        let Ok(entries) = self.late_folder().and_then(|late| late.entries()) else { return BTreeSet::new() };
        let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.filter(|file| (*file as usize) < self.plan.files.len()).collect()
    }

    /// Opens a staged file to be written, made if needed, with the permissions that it will keep.
    ///
    /// # Errors
    /// Where [`concerns_one`] says so, others can still be written.
    pub fn write(&self, file: u32, content: Content, last: &mut LastFolder) -> io::Result<File> {
        let planned = &self.plan.files[file as usize];
        if self.late.contains(&file) {
            return open_file(&self.late_folder()?, &file.to_string(), planned.executable, content);
        }
        if let Some(why) = planned.parent.and_then(|parent| self.refused.get(&parent)) {
            return Err(io_error(io::ErrorKind::InvalidFilename, why.clone()));
        }
        if !matches!(&last.0, Some((at, _)) if *at == planned.parent) {
            last.0 = Some((planned.parent, self.folder(planned.parent)?));
        }
        let (_, folder) = last.0.as_ref().expect("set above");
        open_file(folder, &planned.name, planned.executable, content)
    }

    /// Marks a staged file, which is open to be written, as one that came from others, where that can be.
    pub fn mark(&self, number: u32, file: &File) {
        #[cfg(not(windows))]
        let marked = mark::mark(file);
        #[cfg(windows)]
        let marked = {
            let _ = file;
            let planned = &self.plan.files[number as usize];
            match self.late.contains(&number) {
                true => self.late_folder().and_then(|late| mark::mark(&late, &number.to_string())),
                false => self.folder(planned.parent).and_then(|folder| mark::mark(&folder, &planned.name)),
            }
        };
        if let Err(error) = marked {
            tracing::trace!(number, %error, "a file is not marked as one that came from others");
        }
    }

    /// The same for the folders that were made here, where it is they that are opened.
    #[cfg(target_os = "macos")]
    pub fn mark_folders(&self) -> io::Result<()> {
        for (at, folder) in (0u32..).zip(&self.plan.folders) {
            let refused = self.refused.contains_key(&at);
            if folder.chosen && !refused && !self.is_below_placed(folder.parent, &folder.name) {
                let _ = mark::mark_folder(&self.folder(Some(at))?);
            }
        }
        Ok(())
    }

    /// Removes what is there of a file that is not whole.
    pub fn remove(&self, file: u32) -> io::Result<()> {
        if self.late.contains(&file) {
            return Ok(());
        }
        let planned = &self.plan.files[file as usize];
        if planned.parent.is_some_and(|parent| self.refused.contains_key(&parent)) {
            return Ok(());
        }
        let folder = self.folder(planned.parent)?;
        match folder.remove_file(&planned.name) {
            Err(error) if concerns_one(&error) => match folder.symlink_metadata(&planned.name) {
                // Whoever put it there, it is not what is to get the name.
                Ok(about) if about.is_dir() => remove_tree(&folder, &planned.name),
                Ok(_) => Err(error),
                // What cannot be there is not.
                Err(_) => Ok(()),
            },
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The staged folder with this number, `None` being the top.
    pub fn folder(&self, number: Option<u32>) -> io::Result<Dir> {
        let Some(number) = number else { return self.tree.try_clone() };
        let folder = &self.plan.folders[number as usize];
        let mut names = self.plan.path(folder.parent, &folder.name).into_iter();
        let top = names.next().expect("a path has a name");
        names.try_fold(self.tree.open_dir_nofollow(top)?, |dir, name| dir.open_dir_nofollow(name))
    }

    /// Makes the folders that are wanted; gives those that the disk refuses, and why.
    fn make_folders(&self) -> io::Result<BTreeMap<u32, Filling>> {
        let mut refused: BTreeMap<u32, Filling> = BTreeMap::new();
        let mut last: Option<(Option<u32>, Dir)> = None;
        for (number, folder) in (0u32..).zip(&self.plan.folders) {
            if !folder.chosen || self.is_below_placed(folder.parent, &folder.name) {
                continue;
            }
            if let Some(why) = folder.parent.and_then(|parent| refused.get(&parent)) {
                let why = Filling::clone(why);
                refused.insert(number, why);
                continue;
            }
            if !matches!(&last, Some((at, _)) if *at == folder.parent) {
                last = Some((folder.parent, self.folder(folder.parent)?));
            }
            let (_, parent) = last.as_ref().expect("set above");
            match parent.create_dir(&folder.name).or_else(|error| is_folder(parent, &folder.name, error)) {
                Err(error) if concerns_one(&error) => drop(refused.insert(number, error.filling())),
                made => made?,
            }
        }
        Ok(refused)
    }

    /// Gives the folders that were made here the dates that they have at the sender, when all that is in them is written.
    pub fn date_folders(&self) -> io::Result<()> {
        let mut last: Option<(Option<u32>, Dir)> = None;
        // From the last to the first: those in a folder come after it.
        for (at, folder) in self.plan.folders.iter().enumerate().rev() {
            let at = at as u32;
            let made = !self.refused.contains_key(&at) && !self.is_below_placed(folder.parent, &folder.name);
            let Some(time) = folder.modified.filter(|_| folder.chosen && made).and_then(time_of) else {
                continue;
            };
            if !matches!(&last, Some((parent, _)) if *parent == folder.parent) {
                last = Some((folder.parent, self.folder(folder.parent)?));
            }
            let (_, parent) = last.as_ref().expect("set above");
            let time = SystemTimeSpec::Absolute(cap_std::time::SystemTime::from_std(time));
            // Another date is better than no folder: some file systems cannot hold every date.
            let _ = parent.set_symlink_times(&folder.name, None, Some(time));
        }
        Ok(())
    }

    /// Makes the names of everything in it survive the loss of power.
    #[cfg(unix)]
    pub fn sync_folders(&self) -> io::Result<()> {
        for (at, folder) in (0u32..).zip(&self.plan.folders) {
            let refused = self.refused.contains_key(&at);
            if folder.chosen && !refused && !self.is_below_placed(folder.parent, &folder.name) {
                sync_folder(&self.folder(Some(at))?)?;
            }
        }
        if !self.late.is_empty() {
            sync_folder(&self.late_folder()?)?;
        }
        sync_folder(&self.tree)
    }
}

/// Looks at what has a name, following no link and waiting for nobody.
///
/// # Errors
/// Where the system cannot say.
pub(super) fn look(folder: &Dir, name: &str) -> io::Result<Look> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    // Whoever opens a pipe would wait for somebody to write.
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::custom_flags(&mut options, NONBLOCK);
    match folder.open_with(name, &options) {
        Ok(opened) if opened.metadata()?.is_file() => Ok(Look::File(opened.into_std())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Look::Nothing),
        _ => Ok(Look::Other),
    }
}

/// Whether a folder could not be made because it is there.
fn is_folder(parent: &Dir, name: &str, error: io::Error) -> io::Result<()> {
    let there = || parent.symlink_metadata(name).is_ok_and(|about| about.is_dir());
    if error.kind() == io::ErrorKind::AlreadyExists && there() { Ok(()) } else { Err(error) }
}

#[cfg(unix)]
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// What is done with what a file holds when it is opened to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Kept,
    Discarded,
}

/// Who may look into a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Its owner.
    Own,
    /// Whoever the system lets.
    Usual,
}

pub(super) fn open_folder(parent: &Dir, name: &str, access: Access) -> io::Result<Dir> {
    #[allow(unused_mut, reason = "only Unix has more to say")]
    let mut builder = cap_std::fs::DirBuilder::new();
    #[cfg(unix)]
    cap_std::fs::DirBuilderExt::mode(&mut builder, if access == Access::Usual { 0o755 } else { 0o700 });
    #[cfg(not(unix))]
    let _ = access;
    match parent.create_dir_with(name, &builder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    parent.open_dir_nofollow(name)
}

/// Opens a file of our own staging to read and write, making it if needed.
pub(super) fn open_file(folder: &Dir, name: &str, executable: bool, content: Content) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).follow(FollowSymlinks::No);
    options.truncate(content == Content::Discarded);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, if executable { 0o755 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = executable;
    Ok(folder.open_with(name, &options)?.into_std())
}

/// Removes a folder with all that is in it, following no links.
pub(super) fn remove_tree(parent: &Dir, name: &str) -> io::Result<()> {
    match parent.remove_dir_all(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes the names in a folder survive the loss of power. Directory handles are opened for lookups only.
#[cfg(unix)]
pub(super) fn sync_folder(folder: &Dir) -> io::Result<()> {
    Ok(rustix::fs::fsync(readable(folder)?)?)
}

#[cfg(unix)]
pub(super) fn readable(folder: &Dir) -> rustix::io::Result<rustix::fd::OwnedFd> {
    use rustix::fs::{Mode, OFlags, openat};
    openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}
