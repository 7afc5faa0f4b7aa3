//! Where files lie while they arrive: `<into>/.lanyard-part/<transfer>/tree`, beside the journal of what was verified.
//!
//! Everything is reached through directory handles that no name and no link leads out of. A chunk is verified before it
//! is written. When all files are whole, they are synced, and what stands at the top is renamed into the folder without
//! replacing anything: a single file, or a folder with all that is in it. So nothing is ever visible in half.
//!
//! All of this blocks.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use lanyard_proto::model::TransferId;
use lanyard_proto::transfer::Failure;
use lanyard_proto::wire::file::{CHUNK_BYTES, Chunk, Data, FileDone, Span};
use tokio_util::sync::CancellationToken;

use super::hash::{ChainHasher, State, ZEROS, digest_of};
use super::journal::{Journal, Known, Record, Story};
use super::place::place;
use super::plan::{Plan, PlannedFile};
use crate::store::folder::{self, Access};

/// The folder, in each folder that files are pulled into, under which they are staged.
const PART: &str = ".lanyard-part";
const TREE: &str = "tree";
const JOURNAL: &str = "journal";

/// Left free for the database, the journal and everybody else. A share of the disk would be kinder to large disks and
/// would refuse everything on a nearly full small one, where people need it most.
const KEEP_FREE: u64 = 64 << 20;

/// How often the folder may go while another is made in it.
const MAX_TRIES: u32 = 10;

/// Up to this many files and folders are synced one by one; more are cheaper to sync with their whole file system.
const SYNC_EACH: usize = 32;

/// Why files did not arrive. What was verified stays staged.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The caller stopped it.
    #[error("stopped")]
    Stopped,
    /// The connection failed, or the holder has no time now.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// It cannot go on.
    #[error("{reason}")]
    Failed { failure: Failure, reason: String },
}

impl PullError {
    pub(super) fn failed(failure: Failure, reason: impl ToString) -> PullError {
        PullError::Failed { failure, reason: reason.to_string() }
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
    folder: PathBuf,
    into: Dir,
    /// Where the tree and the journal are.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has to sync folders"))]
    own: Dir,
    tree: Dir,
    plan: Plan,
    journal: Journal,
    /// Under which name each top was placed, or was about to be.
    placing: BTreeMap<String, String>,
    /// The SHA-256 of every file that is whole.
    whole: Vec<Option<State>>,
    /// Of files that are not, how many chunks are, and the state behind them; only where there are any.
    begun: BTreeMap<u32, (u32, State)>,
    /// Verified bytes.
    moved: u64,
    open: Option<Open>,
    /// The folder that was last opened: files of one folder follow each other.
    last: Option<(Option<u32>, Dir)>,
    sync_each: bool,
}

/// The file that is being written.
struct Open {
    number: u32,
    file: File,
    hasher: ChainHasher,
    next: u32,
    sha256: Option<State>,
}

impl Staging {
    /// Opens or begins the staging of a transfer, and verifies what an earlier pull left.
    pub fn open(
        folder: &Path,
        transfer: TransferId,
        plan: Plan,
        stop: &CancellationToken,
    ) -> Result<Staging, PullError> {
        // One that is there is synced at the end: here somebody waits for the first byte.
        if !folder.is_dir() {
            folder::make(folder, Access::Usual).map_err(disk("make the folder"))?;
        }
        let into = Dir::open_ambient_dir(folder, ambient_authority()).map_err(disk("open the folder"))?;
        let own = open_own(&into, &transfer.to_string()).map_err(disk("make the staging folder"))?;
        let lock = open_file(&own, JOURNAL, false).map_err(disk("open the journal"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(PullError::Lost("another pull of this transfer is still running".to_owned()));
            }
            // Some network file systems have no locks; the engine runs one pull of a transfer at a time anyway.
            Err(fs::TryLockError::Error(_)) => {}
        }
        let (journal, story) = match Journal::resume(lock, plan.manifest).map_err(disk("read the journal"))? {
            Ok(resumed) => resumed,
            Err(file) => {
                remove_tree(&own, TREE).map_err(disk("clear the staging folder"))?;
                (Journal::begin(file, plan.manifest).map_err(disk("write the journal"))?, Story::default())
            }
        };
        let tree = open_folder(&own, TREE).map_err(disk("make the staging folder"))?;
        let whole = vec![None; plan.files.len()];
        let sync_each = !cfg!(target_os = "linux") || plan.files.len() + plan.folders.len() <= SYNC_EACH;
        let folder = std::path::absolute(folder).map_err(disk("find the folder"))?;
        let mut staging = Staging {
            folder,
            into,
            own,
            tree,
            plan,
            journal,
            placing: story.placing,
            whole,
            begun: BTreeMap::new(),
            moved: 0,
            open: None,
            last: None,
            sync_each,
        };
        staging.placing.retain(|name, _| staging.tree.symlink_metadata(name).is_err());
        staging.make_folders().map_err(disk("make a folder"))?;
        for (file, known) in story.files {
            staging.believe(file, &known, stop).map_err(disk("read what was staged"))?;
            if stop.is_cancelled() {
                return Err(PullError::Stopped);
            }
        }
        staging.check_space()?;
        Ok(staging)
    }

    /// Verified bytes of all files.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.plan.bytes
    }

    /// What is still to be fetched, in order.
    pub fn wanted(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for (file, _) in self.whole.iter().enumerate().filter(|(_, whole)| whole.is_none()) {
            let file = file as u32;
            let chunk = self.begun.get(&file).map_or(0, |(chunks, _)| *chunks);
            match spans.last_mut() {
                Some(span) if chunk == 0 && span.file + span.files == file => span.files += 1,
                _ => spans.push(Span { file, files: 1, chunk }),
            }
        }
        spans
    }

    /// Verifies a chunk and writes it.
    pub fn chunk(&mut self, chunk: &Chunk<'_>) -> Result<(), PullError> {
        if self.open.is_none() {
            self.open = Some(self.start(chunk.file)?);
        }
        let open = self.open.as_mut().expect("opened above");
        let planned = &self.plan.files[open.number as usize];
        let at = u64::from(chunk.index) * CHUNK_BYTES as u64;
        let (size, left) = (chunk.data.size() as u64, planned.size.saturating_sub(at));
        let fits = if chunk.last { size == left } else { size < left };
        if chunk.file != open.number || chunk.index != open.next || open.sha256.is_some() || !fits {
            return Err(nonsense("a chunk that was not wanted"));
        }
        let data = match chunk.data {
            Data::Bytes(bytes) => bytes,
            Data::Zeros(size) => &ZEROS[..size],
        };
        let mut hasher = open.hasher.clone();
        let state = if chunk.last { hasher.clone().finish(data) } else { hasher.chunk(data) };
        if state != chunk.state {
            return Err(PullError::failed(Failure::Corrupt, "a piece of a file arrived damaged"));
        }
        if let Data::Bytes(bytes) = chunk.data {
            if open.next > 0 {
                open.file.seek(SeekFrom::Start(at)).map_err(disk("write a file"))?;
            }
            open.file.write_all(bytes).map_err(disk("write a file"))?;
        }
        (open.hasher, open.next) = (hasher, open.next + 1);
        if chunk.last {
            open.sha256 = Some(state);
        } else {
            self.journal.add(&Record::Chunk { file: chunk.file, index: chunk.index, state });
        }
        self.moved += size;
        Ok(())
    }

    /// Ends a file: all of it must be here and have this SHA-256.
    pub fn file_done(&mut self, done: &FileDone) -> Result<(), PullError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.start(done.file)?,
        };
        let planned = &self.plan.files[open.number as usize];
        let sha256 = match open.sha256 {
            Some(sha256) => sha256,
            None if planned.size == 0 => ChainHasher::new().finish(&[]),
            None => return Err(nonsense("the end of a file before all of it")),
        };
        if open.number != done.file || planned.size != done.size {
            return Err(nonsense("the end of another file"));
        }
        if sha256 != done.sha256 {
            return Err(PullError::failed(
                Failure::Corrupt,
                "a file has another checksum than at the sender",
            ));
        }
        self.end(&open.file, planned).map_err(disk("write a file"))?;
        self.journal.add(&Record::File { file: done.file, sha256 });
        self.whole[done.file as usize] = Some(sha256);
        self.begun.remove(&done.file);
        Ok(())
    }

    /// Lets the journal know what was written since it last did.
    pub fn flush(&mut self) -> Result<(), PullError> {
        self.journal.flush().map_err(disk("write the journal"))
    }

    /// Makes everything durable and gives it its final names. The journal stays and says so until [`discard`]: whoever
    /// forgets that it is done, because the end came before that was written down, must not fetch it a second time.
    pub fn finish(mut self) -> Result<Received, PullError> {
        self.sync().map_err(disk("make the files durable"))?;
        self.last = None;
        let tops: Vec<String> = self.plan.tops().map(str::to_owned).collect();
        let mut paths = Vec::new();
        for name in tops {
            let to = match self.placing.get(&name) {
                Some(to) => to.clone(),
                None => self.place(&name).map_err(disk("name what arrived"))?,
            };
            paths.push(self.folder.join(to));
        }
        super::shelf::sync_folder(&self.folder).map_err(disk("make the names durable"))?;
        let shas: Vec<State> =
            self.whole.iter().map(|sha| sha.expect("finished only when all are whole")).collect();
        let sha256 = if let [only] = shas[..] { Some(only) } else { None };
        Ok(Received { digest: digest_of(&shas), sha256, paths, folder: self.folder })
    }

    fn make_folders(&mut self) -> io::Result<()> {
        for at in 0..self.plan.folders.len() {
            let folder = &self.plan.folders[at];
            if self.is_placed(folder.parent, &folder.name) {
                continue;
            }
            let name = folder.name.clone();
            match self.folder(folder.parent)?.create_dir(&name) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks on disk what the journal says of a file.
    fn believe(&mut self, number: u32, known: &Known, stop: &CancellationToken) -> io::Result<()> {
        let Some(planned) = self.plan.files.get(number as usize) else { return Ok(()) };
        let (parent, name, size) = (planned.parent, planned.name.clone(), planned.size);
        if known.sha256.is_some() && self.is_placed(parent, &name) {
            self.whole[number as usize] = known.sha256;
            self.moved += size;
            return Ok(());
        }
        let mut file = match self.folder(parent)?.open_with(&name, reading()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut hasher = ChainHasher::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        let (mut chunks, mut behind) = (0, None);
        for state in &known.states {
            if stop.is_cancelled() {
                return Ok(());
            }
            let longer = (u64::from(chunks) + 1) * (CHUNK_BYTES as u64) < size;
            if !longer || read_up_to(&mut file, &mut chunk)? < CHUNK_BYTES || hasher.chunk(&chunk) != *state {
                break;
            }
            (chunks, behind) = (chunks + 1, Some(*state));
        }
        if let Some(sha256) = known.sha256
            && size - u64::from(chunks) * CHUNK_BYTES as u64 <= CHUNK_BYTES as u64
            && file.metadata()?.len() == size
            && chunks as usize == known.states.len()
        {
            let rest = read_up_to(&mut file, &mut chunk)?;
            if hasher.finish(&chunk[..rest]) == sha256 {
                self.whole[number as usize] = Some(sha256);
                self.moved += size;
                return Ok(());
            }
        }
        if let Some(state) = behind {
            self.begun.insert(number, (chunks, state));
            self.moved += u64::from(chunks) * CHUNK_BYTES as u64;
        }
        Ok(())
    }

    fn check_space(&self) -> Result<(), PullError> {
        let needed = (self.plan.bytes - self.moved).saturating_add(KEEP_FREE);
        match fs4::available_space(&self.folder) {
            Ok(free) if free < needed && self.plan.bytes > self.moved => Err(PullError::failed(
                Failure::DiskFull,
                format!("{needed} bytes are needed and {free} are free"),
            )),
            // Where the system cannot say, writing will.
            _ => Ok(()),
        }
    }

    /// Opens a file to be written, behind what is verified of it.
    fn start(&mut self, number: u32) -> Result<Open, PullError> {
        if !matches!(self.whole.get(number as usize), Some(None)) {
            return Err(nonsense("a file that was not wanted"));
        }
        let planned = &self.plan.files[number as usize];
        let (name, executable) = (planned.name.clone(), planned.executable);
        let folder = self.folder(planned.parent).map_err(disk("open a folder"))?;
        let file = open_file(folder, &name, executable).map_err(disk("make a file"))?;
        let (next, hasher) = match self.begun.get(&number) {
            Some((chunks, state)) => (*chunks, ChainHasher::resume(*state, u64::from(*chunks))),
            None => (0, ChainHasher::new()),
        };
        // What lies behind the verified part is not to be believed, and chunks of zeros are only skipped over.
        file.set_len(u64::from(next) * CHUNK_BYTES as u64).map_err(disk("make a file"))?;
        Ok(Open { number, file, hasher, next, sha256: None })
    }

    fn end(&self, file: &File, planned: &PlannedFile) -> io::Result<()> {
        // Zeros at the end were skipped over.
        file.set_len(planned.size)?;
        if let Some(modified) = planned.modified {
            let span = Duration::from_nanos(modified.unsigned_abs());
            let time = if modified < 0 { UNIX_EPOCH.checked_sub(span) } else { UNIX_EPOCH.checked_add(span) };
            // A file with another date is better than none: some file systems cannot hold every date.
            let _ = time.map(|time| file.set_times(FileTimes::new().set_modified(time)));
        }
        if self.sync_each { file.sync_all() } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.journal.sync()?;
        #[cfg(target_os = "linux")]
        if !self.sync_each {
            return Ok(rustix::fs::syncfs(readable(&self.tree)?)?);
        }
        #[cfg(unix)]
        for at in 0..self.plan.folders.len() {
            let folder = &self.plan.folders[at];
            if !self.is_placed(folder.parent, &folder.name) {
                rustix::fs::fsync(readable(self.folder(Some(at as u32))?)?)?;
            }
        }
        // The journal too must be found again: without it, what has its final name would be fetched a second time.
        #[cfg(unix)]
        for folder in [&self.tree, &self.own, &self.into.open_dir_nofollow(PART)?, &self.into] {
            rustix::fs::fsync(readable(folder)?)?;
        }
        folder::make(&self.folder, Access::Usual)
    }

    /// Renames one thing at the top, to its own name or the first free numbered one, which it gives.
    fn place(&mut self, name: &str) -> io::Result<String> {
        for number in 1.. {
            let to = if number == 1 { name.to_owned() } else { super::names::numbered(name, number) };
            // The look saves writing down every taken name; what decides is the renaming, which replaces nothing.
            if self.into.symlink_metadata(&to).is_ok() {
                continue;
            }
            self.journal.add(&Record::Place { name: name.to_owned(), to: to.clone() });
            self.journal.sync()?;
            match place(&self.tree, name, &self.into, &to) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(to),
            }
        }
        unreachable!("a folder does not hold every numbered name")
    }

    fn is_placed(&self, parent: Option<u32>, name: &str) -> bool {
        !self.placing.is_empty() && self.placing.contains_key(self.plan.path(parent, name)[0])
    }

    /// The staged folder with this number, `None` being the top.
    fn folder(&mut self, number: Option<u32>) -> io::Result<&Dir> {
        if !matches!(&self.last, Some((last, _)) if *last == number) {
            let dir = match number {
                None => self.tree.try_clone()?,
                Some(number) => {
                    let folder = &self.plan.folders[number as usize];
                    let mut names = self.plan.path(folder.parent, &folder.name).into_iter();
                    let top = names.next().expect("a path has a name");
                    names.try_fold(self.tree.open_dir_nofollow(top)?, |dir, name| {
                        dir.open_dir_nofollow(name)
                    })?
                }
            };
            self.last = Some((number, dir));
        }
        Ok(&self.last.as_ref().expect("set above").1)
    }
}

/// Throws away what a pull of `transfer` into `folder` staged. Nothing staged is no error.
pub(super) fn discard(folder: &Path, transfer: TransferId) -> io::Result<()> {
    let opened = Dir::open_ambient_dir(folder, ambient_authority());
    let found = opened.and_then(|into| Ok((into.open_dir_nofollow(PART)?, into)));
    match found {
        Ok((part, into)) => clear(&into, part, transfer),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn clear(into: &Dir, part: Dir, transfer: TransferId) -> io::Result<()> {
    remove_tree(&part, &transfer.to_string())?;
    drop(part);
    // It stays while other transfers are staged in it.
    let _ = into.remove_dir(PART);
    Ok(())
}

/// Removes a folder with all that is in it, following no links.
fn remove_tree(parent: &Dir, name: &str) -> io::Result<()> {
    match parent.remove_dir_all(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The staging folder of one transfer. The one around it goes whenever another transfer leaves it empty.
fn open_own(into: &Dir, name: &str) -> io::Result<Dir> {
    let mut tries = 0;
    loop {
        tries += 1;
        match open_folder(into, PART).and_then(|part| open_folder(&part, name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < MAX_TRIES => {}
            other => return other,
        }
    }
}

fn open_folder(parent: &Dir, name: &str) -> io::Result<Dir> {
    #[allow(unused_mut, reason = "only Unix has more to say")]
    let mut builder = cap_std::fs::DirBuilder::new();
    #[cfg(unix)]
    cap_std::fs::DirBuilderExt::mode(&mut builder, if name == TREE { 0o755 } else { 0o700 });
    match parent.create_dir_with(name, &builder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    parent.open_dir_nofollow(name)
}

/// Opens a file of our own staging to read and write, making it if needed, with the permissions it will keep.
fn open_file(folder: &Dir, name: &str, executable: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).follow(FollowSymlinks::No);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, if executable { 0o755 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = executable;
    Ok(folder.open_with(name, &options)?.into_std())
}

/// A folder that can be synced: directory handles are opened for lookups only.
#[cfg(unix)]
fn readable(folder: &Dir) -> rustix::io::Result<rustix::fd::OwnedFd> {
    use rustix::fs::{Mode, OFlags, openat};
    openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn reading() -> &'static OpenOptions {
    static READING: std::sync::OnceLock<OpenOptions> = std::sync::OnceLock::new();
    READING.get_or_init(|| {
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        options
    })
}

/// Reads until `bytes` are full or the file ends; gives how many there are.
fn read_up_to(file: &mut cap_std::fs::File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn nonsense(what: &str) -> PullError {
    PullError::failed(Failure::Protocol, format!("the holder sent {what}"))
}

/// What a failed disk call means for the pull.
fn disk(doing: &'static str) -> impl Fn(io::Error) -> PullError {
    move |error| {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let failure = if full { Failure::DiskFull } else { Failure::Unwritable };
        PullError::failed(failure, format!("cannot {doing}: {error}"))
    }
}
