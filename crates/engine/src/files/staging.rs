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

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use lanyard_proto::model::{PeerId, TransferId};
use lanyard_proto::transfer::{Bitmap, Failure, Part};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::disk::{Whose, disk_of, has_room};
use super::here::Local;
use super::holding::{Held, Holding, Origin, Place};
use super::journal::{Journal, Record, Story};
use super::lately::Verified;
use super::manifest::time_of;
use super::plan::Plan;
use super::tree::{Access, Content, LastFolder, Tree, open_file, open_folder};
use crate::saying;
use crate::saying::{Bytes, Filling, Saying, Says};
use crate::store::folder;

/// The folder, in each folder that files are pulled into, under which they are staged.
pub(super) const PART: &str = ".lanyard-part";
const JOURNAL: &str = "journal";
const MANIFEST: &str = "manifest";

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
#[error("{}", self.filling())]
pub enum PullError {
    /// The caller stopped it.
    Stopped,
    /// The connections failed, or nobody has time now.
    Lost(Filling),
    /// The same, after more had come.
    Cut(Filling),
    /// The author gives nothing of it for a while.
    Held,
    /// There is no space. It can go on when there is.
    NoSpace(Filling),
    /// It cannot go on. What arrived before is at these paths; so many files did not, if it was not for all of them.
    Failed { failure: Failure, reason: Filling, arrived: Vec<PathBuf>, files: u64 },
}

impl PullError {
    pub(super) fn failed(failure: Failure, reason: impl Says) -> PullError {
        PullError::Failed { failure, reason: reason.filling(), arrived: Vec::new(), files: 0 }
    }

    pub(super) fn lost(why: impl Says) -> PullError {
        PullError::Lost(why.filling())
    }

    pub(super) fn nobody() -> PullError {
        PullError::lost(saying!("nobody who has it could be reached"))
    }
}

impl Says for PullError {
    fn filling(&self) -> Filling {
        match self {
            PullError::Stopped => saying!("stopped").into(),
            PullError::Lost(why) | PullError::Cut(why) => {
                saying!("the connection was lost: {why}", why).into()
            }
            PullError::Held => saying!("the sender has paused it").into(),
            PullError::NoSpace(why) | PullError::Failed { reason: why, .. } => why.clone(),
        }
    }
}

/// Everything that was wanted is on disk under its final name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub end: Whole,
    /// Bytes that were here already.
    pub here: u64,
    /// The SHA-256 of the file, if it is only one.
    pub sha256: Option<[u8; 32]>,
    /// What now stands in `folder`: folders with what is in them, then files.
    pub paths: Vec<PathBuf>,
    /// The folder that everything went to.
    pub folder: PathBuf,
}

/// How much of an offer is here in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// All of it, with the digest of [`lanyard_proto::transfer::PullEnd::Complete`].
    All([u8; 32]),
    Part(Part),
}

impl Whole {
    pub(super) fn digest(&self) -> [u8; 32] {
        match self {
            Whole::All(digest) => *digest,
            Whole::Part(part) => part.digest,
        }
    }
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
    local: Mutex<Local>,
    /// The system lets one thread at a time write to a file, and others spin meanwhile: here they wait and cost nothing.
    turns: [Mutex<()>; TURNS],
}

/// Files that share a turn have numbers that are equal modulo this.
const TURNS: usize = 8;

/// What changes while pieces arrive.
pub(super) struct State {
    pub journal: Journal,
    /// Leaves and pages that the journal knows.
    written: Bitmap,
    signed: BTreeSet<u32>,
    /// Files that were named by themselves, or were here under other names than planned, and those names.
    pub late: BTreeMap<u32, String>,
    /// Files that are whole, and those that an earlier pull left so.
    pub whole: Bitmap,
    pub believed: Vec<u32>,
    /// Files that the disk does not take, and why.
    pub refused: BTreeMap<u32, Filling>,
    /// Of files that are not, and have several pieces, how many are missing.
    pub missing: BTreeMap<u32, u32>,
    /// Verified bytes of what is wanted.
    pub moved: u64,
    /// Bytes that are still to be written, as far as is known.
    pub to_write: u64,
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

/// What an earlier pull has left of the manifest, and what it wrote down, while nobody writes there.
pub(super) fn left(folder: &Path, transfer: TransferId, manifest: [u8; 32]) -> Option<(Vec<u8>, Story)> {
    let list = listed(folder, transfer, manifest)?;
    let dir = |parent: &Dir, name: &str| cap_fs_ext::DirExt::open_dir_nofollow(parent, name).ok();
    let into = Dir::open_ambient_dir(folder, ambient_authority()).ok()?;
    let mut journal = open_existing(&dir(&dir(&into, PART)?, &transfer.to_string())?, JOURNAL).ok()?;
    let mut bytes = Vec::new();
    journal.read_to_end(&mut bytes).ok()?;
    Some((list, Story::read(&bytes, manifest)?.0))
}

impl Staging {
    /// Opens or begins the staging of a transfer, and verifies what an earlier pull left, but for what was so `lately`.
    pub fn open(
        folder: &Path,
        transfer: TransferId,
        author: PeerId,
        plan: Plan,
        list: Vec<u8>,
        lately: Option<Arc<Verified>>,
        stop: &CancellationToken,
    ) -> Result<Staging, PullError> {
        // One that is there is synced at the end: here somebody waits for the first byte.
        if !folder.is_dir() {
            folder::make(folder, folder::Access::Usual).map_err(disk(saying!("make the folder")))?;
        }
        let into =
            Dir::open_ambient_dir(folder, ambient_authority()).map_err(disk(saying!("open the folder")))?;
        let own = open_own(&into, &transfer.to_string()).map_err(disk(saying!("make the staging folder")))?;
        let (journal, story) = take_up(&own, plan.manifest, &list)?;
        let plan = Arc::new(plan);
        let mut tree = Tree::open(&own, &into, plan.clone(), story.placing.clone(), story.late.clone())
            .map_err(disk(saying!("make a folder")))?;
        // Nobody reads before it is known where everything is.
        let holding = Holding::new(transfer, author, plan.manifest, list, Origin::Others, Place::Moving)
            .ok_or_else(|| {
                PullError::failed(Failure::Protocol, saying!("the offer is larger than allowed"))
            })?;
        let mut state = State {
            journal,
            written: Bitmap::new(holding.layout.leaves()),
            signed: BTreeSet::new(),
            late: BTreeMap::new(),
            whole: Bitmap::new(holding.layout.files()),
            believed: Vec::new(),
            refused: BTreeMap::new(),
            missing: BTreeMap::new(),
            moved: 0,
            to_write: 0,
            open: Vec::new(),
            unlooked: 0,
        };
        let count = plan.files.len() + plan.folders.len();
        believe(&mut state, &mut tree, &holding, (story, lately), stop)?;
        let tree = Arc::new(tree);
        holding.stay(Place::Staged(tree.clone()));
        Ok(Staging {
            folder: std::path::absolute(folder).map_err(disk(saying!("find the folder")))?,
            into,
            own,
            tree,
            plan,
            holding: Arc::new(holding),
            sync_each: !cfg!(target_os = "linux") || count <= SYNC_EACH,
            state: Mutex::new(state),
            local: Mutex::default(),
            turns: Default::default(),
        })
    }

    /// The right to write to a file now.
    pub fn turn(&self, file: u32) -> MutexGuard<'_, ()> {
        self.turns[file as usize % TURNS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What lies where the files are to go.
    pub fn local(&self) -> MutexGuard<'_, Local> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Verified bytes of all files.
    pub fn moved(&self) -> u64 {
        self.lock().moved
    }

    /// Notes what is still to be written, apart from what may be here already, and whether there is space for it.
    pub fn begin_writing(&self) -> Result<(), PullError> {
        let may_be_here = self.candidate_bytes();
        let mut state = self.lock();
        state.to_write = self.plan.chosen_bytes.saturating_sub(state.moved).saturating_sub(may_be_here);
        self.check_space(&state)
    }

    pub fn check_space(&self, state: &State) -> Result<(), PullError> {
        has_room(disk_of(&self.folder), state.to_write, Whose::Person)
            .map_err(|lack| PullError::NoSpace(lack.filling(&self.folder)))
    }

    /// What is said where the disk was full while it was written to: `why`, in the system's words, says neither which disk nor
    /// how much is missing.
    pub fn filled(&self, why: Filling) -> Filling {
        let (folder, disk) = (&self.folder, disk_of(&self.folder));
        let needed = self.lock().to_write;
        match disk.free {
            // It was looked at before it was full.
            _ if matches!(&why, Filling::Saying(said) if said.with.contains_key("folder")) => why,
            Some(free) if free < needed => {
                let (needed, free) = (Bytes(needed), Bytes(free));
                saying!("{folder}: {needed} still needed, {free} free", folder, needed, free).into()
            }
            // There is room on the disk, and not for this person.
            _ => saying!("{folder}: {why}", folder, why).into(),
        }
    }

    /// The file to write chunks of, kept open for those that follow.
    pub fn file_for_chunks(&self, number: u32, last: &mut LastFolder) -> io::Result<Arc<File>> {
        let mut state = self.lock();
        if let Some(at) = state.open.iter().position(|(open, _)| *open == number) {
            return Ok(state.open[at].1.clone());
        }
        let file = self.tree.write(number, Content::Kept, last)?;
        // What is not written yet is a hole, and chunks of zeros stay one.
        file.set_len(self.holding.layout.size(number))?;
        let file = Arc::new(file);
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
        let needed = layout.needed_for(piece);
        let mut state = self.lock();
        if !new {
            return Ok(());
        }
        state.write_leaves(&held.leaves, needed);
        state.journal.add(&Record::Piece { piece });
        if layout.pieces_of(files.start).len() == 1 {
            files.for_each(|file| self.is_whole(&mut held, &mut state, file));
            drop(held);
            return self.look_at_space(&mut state);
        }
        drop(held);
        state.count(u64::from(layout.length(piece)));
        self.look_at_space(&mut state)?;
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
        self.end(&file, number).map_err(disk(saying!("write a file")))?;
        let mut held = self.holding.lock();
        held.whole.insert(number);
        self.lock().whole.insert(number);
        Ok(())
    }

    /// Some files of a bundle are on disk; the others could not be read at the author, or are not wanted.
    pub fn files_are_here(&self, piece: u32, files: Vec<u32>) -> Result<(), PullError> {
        let needed = self.holding.layout.needed_for(piece);
        let mut held = self.holding.lock();
        let mut state = self.lock();
        state.write_leaves(&held.leaves, needed);
        files.iter().for_each(|file| self.is_whole(&mut held, &mut state, *file));
        state.journal.add(&Record::Files { files });
        drop(held);
        self.look_at_space(&mut state)
    }

    /// A small file is on disk.
    fn is_whole(&self, held: &mut Held, state: &mut State, file: u32) {
        held.whole.insert(file);
        if state.whole.insert(file) {
            state.count(self.holding.layout.size(file));
        }
    }

    fn look_at_space(&self, state: &mut State) -> Result<(), PullError> {
        if state.unlooked >= LOOK_AT_SPACE {
            state.unlooked = 0;
            self.check_space(state)?;
        }
        Ok(())
    }

    /// Ends a file all of which is written: its mark, its date, and its durability where files are synced one by one.
    pub fn end(&self, file: &File, number: u32) -> io::Result<()> {
        // Before the date, which is another one for Windows when a mark is written.
        self.tree.mark(number, file);
        if let Some(modified) = self.plan.files[number as usize].modified {
            // A file with another date is better than none: some file systems cannot hold every date.
            let _ = time_of(modified).map(|time| file.set_times(FileTimes::new().set_modified(time)));
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
        state.journal.flush().map_err(disk(saying!("write the journal")))
    }
}

impl State {
    /// So many verified bytes were written.
    fn count(&mut self, bytes: u64) {
        self.moved += bytes;
        self.unlooked += bytes;
        self.to_write = self.to_write.saturating_sub(bytes);
    }

    /// What is known of a file holds no longer: another pull asks the author anew.
    pub fn forget(&mut self, file: u32, leaves: std::ops::Range<u32>) {
        leaves.for_each(|leaf| _ = self.written.remove(leaf));
        self.journal.add(&Record::Forget { file });
    }

    pub fn write_leaves(&mut self, leaves: &super::leaves::LeafTable, range: std::ops::Range<u32>) {
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

/// What is here of a transfer, as verified.
fn believe(
    state: &mut State,
    tree: &mut Tree,
    holding: &Holding,
    (story, lately): (Story, Option<Arc<Verified>>),
    stop: &CancellationToken,
) -> Result<(), PullError> {
    let named = story.late.clone();
    let claims = super::verify::Claims::of(story, holding);
    let found = super::verify::check(&claims, holding, tree, lately.as_deref(), stop)
        .map_err(disk(saying!("read what was staged")))?;
    if stop.is_cancelled() {
        return Err(PullError::Stopped);
    }
    let layout = &holding.layout;
    let wanted = |file: u32| tree.plan.files[file as usize].chosen || found.whole.has(file);
    // What belongs under what was placed, and is not there.
    let late = (0..layout.files()).filter(|file| tree.is_placed(*file) && !tree.is_settled(*file));
    let late: BTreeSet<u32> = late.filter(|file| wanted(*file)).collect();
    tree.expect_late(late).map_err(disk(saying!("make a folder")))?;
    state.late = named.into_iter().filter(|(file, _)| tree.is_settled(*file)).collect();
    let mut held = holding.lock();
    held.have = found.have;
    state.written = held.leaves.known().clone();
    state.signed = held.leaves.signed().collect();
    for file in 0..layout.files() {
        let pieces = layout.pieces_of(file);
        let several = pieces.len() > 1;
        let here = pieces.filter(|piece| held.have.has(*piece));
        let (mut count, mut bytes) = (0, 0);
        here.for_each(|piece| (count, bytes) = (count + 1, bytes + u64::from(layout.length(piece))));
        if found.whole.has(file) {
            bytes = layout.size(file);
            state.whole.insert(file);
            held.whole.insert(file);
            state.believed.push(file);
        } else if several {
            state.missing.insert(file, layout.pieces_of(file).len() as u32 - count);
        } else {
            bytes = 0;
        }
        if tree.plan.files[file as usize].chosen {
            state.moved += bytes;
        }
    }
    Ok(())
}

/// Locks the journal and reads it; begins a new one, and with it everything, where it speaks of something else.
fn take_up(own: &Dir, manifest: [u8; 32], list: &[u8]) -> Result<(Journal, Story), PullError> {
    let lock = open_file(own, JOURNAL, false, Content::Kept).map_err(disk(saying!("open the journal")))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            return Err(PullError::lost(saying!("another pull of this transfer is still running")));
        }
        // Some network file systems have no locks; the engine runs one pull of a transfer at a time anyway.
        Err(fs::TryLockError::Error(_)) => {}
    }
    match Journal::resume(lock, manifest).map_err(disk(saying!("read the journal")))? {
        Ok(resumed) => Ok(resumed),
        Err(file) => {
            Tree::clear(own).map_err(disk(saying!("clear the staging folder")))?;
            let begun = || -> io::Result<Journal> {
                open_file(own, MANIFEST, false, Content::Discarded)?.write_all(list)?;
                Journal::begin(file, manifest)
            };
            Ok((begun().map_err(disk(saying!("write the journal")))?, Story::default()))
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

/// What is said where a disk was full before it was known what lies on it, and so many bytes are to come.
pub(super) fn unopened(folder: &Path, needed: u64, why: Filling) -> Filling {
    match has_room(disk_of(folder), needed, Whose::Person) {
        Err(lack) => lack.filling(folder),
        Ok(()) => saying!("{folder}: {why}", folder, why).into(),
    }
}

/// What a failed disk call means for the pull.
pub(super) fn disk(doing: Saying) -> impl Fn(io::Error) -> PullError {
    move |error| {
        let reason = Filling::Saying(saying!("cannot {doing}: {error}", doing, error));
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => PullError::NoSpace(reason),
            _ => PullError::failed(Failure::Unwritable, reason),
        }
    }
}
