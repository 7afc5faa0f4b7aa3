//! Where files lie while they arrive: `<into>/.lanyard-part/<transfer>`, the files beside the journal of what was verified
//! and the manifest.
//!
//! A piece is verified before it is written, in any order and by several threads. What an earlier pull left is believed when
//! it verifies (`verify`); when all that will come is here, it is made durable and named (`finish`).
//!
//! All of this blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, FileTimes};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use lanyard_proto::model::{PeerId, TransferId};
use lanyard_proto::transfer::{Bitmap, Failure};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::holding::{Holding, Origin, Place};
use super::journal::{Journal, Record, Story};
use super::plan::Plan;
use super::tree::{Access, Content, LastFolder, Tree, open_file, open_folder};
use crate::store::folder;

/// The folder, in each folder that files are pulled into, under which they are staged.
pub(super) const PART: &str = ".lanyard-part";
const JOURNAL: &str = "journal";
const MANIFEST: &str = "manifest";

/// Left free for the database, the journal and everybody else. A share of the disk would be kinder to large disks and
/// would refuse everything on a nearly full small one, where people need it most.
pub(super) const KEEP_FREE: u64 = 64 << 20;

/// How much is written between two looks at the free space.
const LOOK_AT_SPACE: u64 = 256 << 20;

/// How often the folder may go while another is made in it.
const MAX_TRIES: u32 = 10;

/// Up to this many files and folders are synced one by one; more are cheaper to sync with their whole file system.
const SYNC_EACH: usize = 32;

/// Files that are kept open to be written.
const OPEN_FILES: usize = 16;

/// Why files did not arrive. What was verified stays staged.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The caller stopped it.
    #[error("stopped")]
    Stopped,
    /// The connections failed, or nobody has time now.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The author gives nothing of it for a while.
    #[error("the sender has paused it")]
    Held,
    /// There is no space. It can go on when there is.
    #[error("{0}")]
    NoSpace(String),
    /// It cannot go on. What arrived before is at these paths.
    #[error("{reason}")]
    Failed { failure: Failure, reason: String, arrived: Vec<PathBuf> },
}

impl PullError {
    pub(super) fn failed(failure: Failure, reason: impl ToString) -> PullError {
        PullError::Failed { failure, reason: reason.to_string(), arrived: Vec::new() }
    }
}

/// Everything is on disk under its final name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// See [`lanyard_proto::transfer::PullEnd::Complete`].
    pub digest: [u8; 32],
    /// The SHA-256 of the file, if it is only one.
    pub sha256: Option<[u8; 32]>,
    /// What now stands in `folder`: folders with what is in them, then files.
    pub paths: Vec<PathBuf>,
    /// The folder that everything went to.
    pub folder: PathBuf,
}

/// The staging of one transfer, locked against a second pull.
pub(super) struct Staging {
    pub folder: PathBuf,
    pub into: Dir,
    /// Where the tree and the journal are.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has to sync folders"))]
    pub own: Dir,
    pub tree: Arc<Tree>,
    pub plan: Arc<Plan>,
    pub holding: Arc<Holding>,
    pub sync_each: bool,
    state: Mutex<State>,
}

/// What changes while pieces arrive.
pub(super) struct State {
    pub journal: Journal,
    /// Leaves and pages that the journal knows.
    written: Bitmap,
    signed: BTreeSet<u32>,
    /// Files that came late and have their names.
    pub late: BTreeMap<u32, String>,
    /// Files that are whole, and those that an earlier pull left so.
    pub whole: Bitmap,
    pub believed: Vec<u32>,
    /// Of files that are not, and have several pieces, how many are missing.
    missing: BTreeMap<u32, u32>,
    /// Verified bytes.
    moved: u64,
    open: Vec<(u32, Arc<File>)>,
    unlooked: u64,
}

/// What an earlier pull has left of the manifest.
pub(super) fn listed(folder: &Path, transfer: TransferId, manifest: [u8; 32]) -> Option<Vec<u8>> {
    let dir = |parent: &Dir, name: &str| cap_fs_ext::DirExt::open_dir_nofollow(parent, name).ok();
    let into = Dir::open_ambient_dir(folder, ambient_authority()).ok()?;
    let own = dir(&dir(&into, PART)?, &transfer.to_string())?;
    let mut bytes = Vec::new();
    open_existing(&own, MANIFEST).ok()?.read_to_end(&mut bytes).ok()?;
    (<[u8; 32]>::from(Sha256::digest(&bytes)) == manifest).then_some(bytes)
}

impl Staging {
    /// Opens or begins the staging of a transfer, and verifies what an earlier pull left.
    pub fn open(
        folder: &Path,
        transfer: TransferId,
        author: PeerId,
        plan: Plan,
        list: Vec<u8>,
        stop: &CancellationToken,
    ) -> Result<Staging, PullError> {
        // One that is there is synced at the end: here somebody waits for the first byte.
        if !folder.is_dir() {
            folder::make(folder, folder::Access::Usual).map_err(disk("make the folder"))?;
        }
        let into = Dir::open_ambient_dir(folder, ambient_authority()).map_err(disk("open the folder"))?;
        let own = open_own(&into, &transfer.to_string()).map_err(disk("make the staging folder"))?;
        let (journal, story) = take_up(&own, plan.manifest, &list)?;
        let plan = Arc::new(plan);
        let tree = Tree::open(&own, plan.clone(), story.placing.clone()).map_err(disk("make a folder"))?;
        let (manifest, place) = (plan.manifest, Place::Staged(Arc::new(tree)));
        let holding = Holding::new(transfer, author, manifest, list, Origin::Others, place.clone())
            .ok_or_else(|| PullError::failed(Failure::Protocol, "the offer is larger than allowed"))?;
        let Place::Staged(tree) = place else { unreachable!("made so above") };
        let state = State {
            journal,
            written: Bitmap::new(holding.layout.leaves()),
            signed: BTreeSet::new(),
            late: story.late.clone(),
            whole: Bitmap::new(holding.layout.files()),
            believed: Vec::new(),
            missing: BTreeMap::new(),
            moved: 0,
            open: Vec::new(),
            unlooked: 0,
        };
        let count = plan.files.len() + plan.folders.len();
        let mut staging = Staging {
            folder: std::path::absolute(folder).map_err(disk("find the folder"))?,
            into,
            own,
            tree,
            plan,
            holding: Arc::new(holding),
            sync_each: !cfg!(target_os = "linux") || count <= SYNC_EACH,
            state: Mutex::new(state),
        };
        staging.believe(story, stop)?;
        staging.check_space(&staging.lock())?;
        Ok(staging)
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Verified bytes of all files.
    pub fn moved(&self) -> u64 {
        self.lock().moved
    }

    /// What is here of a transfer, as verified.
    fn believe(&mut self, story: Story, stop: &CancellationToken) -> Result<(), PullError> {
        let claims = super::verify::Claims::of(story, &self.holding);
        let found = super::verify::check(&claims, &self.holding, &self.tree, stop)
            .map_err(disk("read what was staged"))?;
        if stop.is_cancelled() {
            return Err(PullError::Stopped);
        }
        let layout = &self.holding.layout;
        let late = (0..layout.files()).filter(|file| self.tree.is_placed(*file) && !found.whole.has(*file));
        let late: BTreeSet<u32> = late.collect();
        if !late.is_empty() {
            let mut tree = Tree::open(&self.own, self.plan.clone(), story_placing(&self.tree))
                .map_err(disk("make a folder"))?;
            tree.expect_late(late).map_err(disk("make a folder"))?;
            self.tree = Arc::new(tree);
        }
        let mut held = self.holding.lock();
        held.place = Place::Staged(self.tree.clone());
        held.have = found.have;
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.written = held.leaves.known().clone();
        state.signed = held.leaves.signed().collect();
        state.moved = (0..layout.pieces())
            .filter(|piece| held.have.has(*piece))
            .map(|piece| u64::from(layout.length(piece)))
            .sum();
        for file in 0..layout.files() {
            let missing = layout.pieces_of(file).filter(|piece| !held.have.has(*piece)).count() as u32;
            if found.whole.has(file) {
                state.whole.insert(file);
                state.believed.push(file);
            } else if layout.pieces_of(file).len() > 1 {
                state.missing.insert(file, missing);
            }
        }
        Ok(())
    }

    fn check_space(&self, state: &State) -> Result<(), PullError> {
        let missing = self.plan.bytes.saturating_sub(state.moved);
        let needed = missing.saturating_add(KEEP_FREE);
        match fs4::available_space(&self.folder) {
            Ok(free) if free < needed && missing > 0 => {
                Err(PullError::NoSpace(format!("{needed} bytes are needed and {free} are free")))
            }
            // Where the system cannot say, writing will.
            _ => Ok(()),
        }
    }

    /// The file to write chunks of, kept open for those that follow.
    pub fn file_for_chunks(&self, number: u32, last: &mut LastFolder) -> Result<Arc<File>, PullError> {
        let mut state = self.lock();
        if let Some(at) = state.open.iter().position(|(open, _)| *open == number) {
            return Ok(state.open[at].1.clone());
        }
        let mut opened = || -> io::Result<File> {
            let file = self.tree.write(number, Content::Kept, last)?;
            // What is not written yet is a hole, and chunks of zeros stay one.
            file.set_len(self.holding.layout.size(number))?;
            Ok(file)
        };
        let file = Arc::new(opened().map_err(disk("make a file"))?);
        if state.open.len() >= OPEN_FILES {
            state.open.remove(0);
        }
        state.open.push((number, file.clone()));
        Ok(file)
    }

    /// A verified piece is on disk.
    pub fn piece_is_here(&self, piece: u32, files: std::ops::Range<u32>) -> Result<(), PullError> {
        let layout = &self.holding.layout;
        let mut held = self.holding.lock();
        let new = held.have.insert(piece);
        let (needed, length) = (layout.needed_for(piece), u64::from(layout.length(piece)));
        let mut state = self.lock();
        if !new {
            return Ok(());
        }
        state.write_leaves(&held.leaves, needed);
        drop(held);
        state.journal.add(&Record::Piece { piece });
        state.moved += length;
        state.unlooked += length;
        if state.unlooked >= LOOK_AT_SPACE {
            state.unlooked = 0;
            self.check_space(&state)?;
        }
        if layout.pieces_of(files.start).len() == 1 {
            files.for_each(|file| _ = state.whole.insert(file));
            return Ok(());
        }
        let missing =
            state.missing.entry(files.start).or_insert_with(|| layout.pieces_of(files.start).len() as u32);
        *missing = missing.saturating_sub(1);
        if *missing > 0 {
            return Ok(());
        }
        state.missing.remove(&files.start);
        let at = state.open.iter().position(|(open, _)| *open == files.start);
        let Some((number, file)) = at.map(|at| state.open.remove(at)) else { return Ok(()) };
        drop(state);
        self.end(&file, number).map_err(disk("write a file"))?;
        self.lock().whole.insert(number);
        Ok(())
    }

    /// Some files of a bundle are on disk; the others could not be read at the author.
    pub fn files_are_here(&self, piece: u32, files: Vec<u32>) {
        let needed = self.holding.layout.needed_for(piece);
        let held = self.holding.lock();
        let mut state = self.lock();
        state.write_leaves(&held.leaves, needed);
        files.iter().for_each(|file| _ = state.whole.insert(*file));
        state.journal.add(&Record::Files { files });
    }

    /// Ends a file all of which is written: its date, and its durability where files are synced one by one.
    pub fn end(&self, file: &File, number: u32) -> io::Result<()> {
        if let Some(modified) = self.plan.files[number as usize].modified {
            let span = Duration::from_nanos(modified.unsigned_abs());
            let time = if modified < 0 { UNIX_EPOCH.checked_sub(span) } else { UNIX_EPOCH.checked_add(span) };
            // A file with another date is better than none: some file systems cannot hold every date.
            let _ = time.map(|time| file.set_times(FileTimes::new().set_modified(time)));
        }
        if self.sync_each { file.sync_all() } else { Ok(()) }
    }

    /// Lets the journal know what was written since it last did, and what the author signed.
    pub fn flush(&self) -> Result<(), PullError> {
        let held = self.holding.lock();
        let mut state = self.lock();
        let new: Vec<u32> = held.leaves.signed().filter(|page| !state.signed.contains(page)).collect();
        for page in new {
            state.write_leaves(&held.leaves, self.holding.layout.page(page));
            if let Some(signature) = held.leaves.signature(page) {
                state.journal.add(&Record::Signed { page, signature: *signature });
            }
            state.signed.insert(page);
        }
        drop(held);
        state.journal.flush().map_err(disk("write the journal"))
    }
}

impl State {
    /// What is known of a file holds no longer: another pull asks the author anew.
    pub fn forget(&mut self, file: u32, leaves: std::ops::Range<u32>) {
        leaves.for_each(|leaf| _ = self.written.remove(leaf));
        self.journal.add(&Record::Forget { file });
    }

    fn write_leaves(&mut self, leaves: &super::leaves::LeafTable, range: std::ops::Range<u32>) {
        let mut at = range.start;
        while at < range.end {
            let known = |leaf: &u32| leaves.known().has(*leaf) && !self.written.has(*leaf);
            let run = (at..range.end).take_while(known).count() as u32;
            if run > 0 {
                self.journal.add(&Record::leaves(at, leaves.slice(at..at + run)));
                (at..at + run).for_each(|leaf| _ = self.written.insert(leaf));
            }
            at += run.max(1);
        }
    }
}

fn story_placing(tree: &Tree) -> BTreeMap<String, String> {
    let tops = tree.plan.tops();
    tops.filter_map(|top| Some((top.to_owned(), tree.placed_as(top)?.to_owned()))).collect()
}

/// Locks the journal and reads it; begins a new one, and with it everything, where it speaks of something else.
fn take_up(own: &Dir, manifest: [u8; 32], list: &[u8]) -> Result<(Journal, Story), PullError> {
    let lock = open_file(own, JOURNAL, false, Content::Kept).map_err(disk("open the journal"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            return Err(PullError::Lost("another pull of this transfer is still running".to_owned()));
        }
        // Some network file systems have no locks; the engine runs one pull of a transfer at a time anyway.
        Err(fs::TryLockError::Error(_)) => {}
    }
    match Journal::resume(lock, manifest).map_err(disk("read the journal"))? {
        Ok(resumed) => Ok(resumed),
        Err(file) => {
            Tree::clear(own).map_err(disk("clear the staging folder"))?;
            let begun = || -> io::Result<Journal> {
                open_file(own, MANIFEST, false, Content::Discarded)?.write_all(list)?;
                Journal::begin(file, manifest)
            };
            Ok((begun().map_err(disk("write the journal"))?, Story::default()))
        }
    }
}

/// Throws away what a pull of `transfer` into `folder` staged. Nothing staged is no error.
pub(super) fn discard(folder: &Path, transfer: TransferId) -> io::Result<()> {
    let opened = Dir::open_ambient_dir(folder, ambient_authority());
    let part = |into: &Dir| cap_fs_ext::DirExt::open_dir_nofollow(into, PART);
    let found = opened.and_then(|into| Ok((part(&into)?, into)));
    match found {
        Ok((part, into)) => {
            super::tree::remove_tree(&part, &transfer.to_string())?;
            drop(part);
            // It stays while other transfers are staged in it.
            let _ = into.remove_dir(PART);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The staging folder of one transfer. The one around it goes whenever another transfer leaves it empty.
fn open_own(into: &Dir, name: &str) -> io::Result<Dir> {
    let mut tries = 0;
    loop {
        tries += 1;
        match open_folder(into, PART, Access::Own).and_then(|part| open_folder(&part, name, Access::Own)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < MAX_TRIES => {}
            other => return other,
        }
    }
}

fn open_existing(folder: &Dir, name: &str) -> io::Result<cap_std::fs::File> {
    use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
    let mut options = cap_std::fs::OpenOptions::new();
    folder.open_with(name, options.read(true).follow(FollowSymlinks::No))
}

/// What a failed disk call means for the pull.
pub(super) fn disk(doing: &'static str) -> impl Fn(io::Error) -> PullError {
    move |error| {
        let reason = format!("cannot {doing}: {error}");
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => PullError::NoSpace(reason),
            _ => PullError::failed(Failure::Unwritable, reason),
        }
    }
}
