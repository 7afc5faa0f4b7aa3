//! Parts of shared folders that were read lately, in their order, so that the disk does not read a large folder anew for each
//! page of it.
//!
//! A first page is always read from the disk: whoever looks again sees what is there now. The pages behind it come from what was
//! read then, unless the folder has changed since, or it is too long ago.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use cap_std::fs::Metadata;

/// Shared by all who ask: what may be seen of a folder is the same for everybody who may see it.
#[derive(Clone, Debug, Default)]
pub struct Pages(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The oldest first.
    parts: Vec<Arc<Part>>,
    /// Whether somebody throws away what is old.
    is_swept: bool,
}

/// Entries of one folder that follow each other.
#[derive(Debug)]
pub(super) struct Part {
    folder: FolderPrint,
    /// Behind which entry they begin; `None` at the first.
    after: Option<Place>,
    pub places: Vec<Place>,
    /// Whether there are others behind them.
    pub more: bool,
    read: Instant,
}

/// A folder as it was: which one, and when something was last added to it or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FolderPrint {
    path: PathBuf,
    id: u64,
    modified: Option<SystemTime>,
}

/// Where an entry stands in its folder.
#[derive(Debug)]
pub(super) struct Place {
    pub file: bool,
    /// As others see it.
    pub name: Box<str>,
    /// The name by which it is sorted, and that on disk, where they are others.
    folded: Option<Box<str>>,
    on_disk: Option<Box<OsStr>>,
}

impl Pages {
    /// The entries of a folder right behind one, at most `limit`, if they were read.
    pub(super) fn behind(
        &self,
        folder: &FolderPrint,
        after: &Place,
        limit: usize,
        now: Instant,
    ) -> Option<(Arc<Part>, Range<usize>)> {
        let mut kept = self.lock();
        kept.parts.retain(|part| !part.is_old(now));
        // Of several the last one is what is there now.
        kept.parts.iter().rev().find_map(|part| Some((part.clone(), part.behind(folder, after, limit)?)))
    }

    /// Keeps what was read of a folder.
    pub(super) fn keep(&self, part: Arc<Part>) {
        let mut kept = self.lock();
        if kept.parts.len() >= MAX_PARTS {
            kept.parts.remove(0);
        }
        kept.parts.push(part);
    }

    /// Whether something is kept that nobody sweeps away yet: whoever asks does from now on, by calling [`Pages::sweep`] after
    /// each [`KEPT_FOR`] for as long as it says so.
    pub(super) fn is_to_be_swept(&self) -> bool {
        let mut kept = self.lock();
        !kept.parts.is_empty() && !std::mem::replace(&mut kept.is_swept, true)
    }

    /// Throws away what is old. Whether anything is left.
    pub(super) fn sweep(&self, now: Instant) -> bool {
        let mut kept = self.lock();
        kept.parts.retain(|part| !part.is_old(now));
        kept.is_swept = !kept.parts.is_empty();
        kept.is_swept
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    pub fn new(
        folder: FolderPrint,
        after: Option<Place>,
        places: Vec<Place>,
        more: bool,
        read: Instant,
    ) -> Part {
        Part { folder, after, places, more, read }
    }

    fn is_old(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.read) >= KEPT_FOR
    }

    fn behind(&self, folder: &FolderPrint, after: &Place, limit: usize) -> Option<Range<usize>> {
        if self.folder != *folder || self.after.as_ref().is_some_and(|begin| after < begin) {
            return None;
        }
        let at = self.places.partition_point(|place| place <= after);
        // Behind its last entry it knows nothing.
        (at < self.places.len()).then(|| at..self.places.len().min(at + limit))
    }
}

impl FolderPrint {
    pub fn of(path: PathBuf, about: &Metadata) -> FolderPrint {
        let modified = about.modified().ok().map(cap_std::time::SystemTime::into_std);
        FolderPrint { path, id: id_of(about), modified }
    }
}

#[cfg(unix)]
fn id_of(about: &Metadata) -> u64 {
    use cap_std::fs::MetadataExt;
    about.ino() ^ about.dev().rotate_left(48)
}

#[cfg(not(unix))]
fn id_of(_: &Metadata) -> u64 {
    0
}

impl Place {
    pub fn of(file: bool, name: String, on_disk: OsString) -> Place {
        let folded = Some(name.to_lowercase()).filter(|folded| *folded != name);
        let on_disk = Some(on_disk).filter(|on_disk| *on_disk != *name);
        Place {
            file,
            name: name.into(),
            folded: folded.map(String::into_boxed_str),
            on_disk: on_disk.map(OsString::into_boxed_os_str),
        }
    }

    pub fn on_disk(&self) -> &OsStr {
        self.on_disk.as_deref().unwrap_or(OsStr::new(&*self.name))
    }

    /// Bytes of its names in memory.
    pub fn weight(&self) -> usize {
        let folded = self.folded.as_ref().map_or(0, |folded| folded.len());
        self.name.len() + folded + self.on_disk.as_ref().map_or(0, |on_disk| on_disk.len())
    }

    fn folded(&self) -> &str {
        self.folded.as_deref().unwrap_or(&self.name)
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Place) -> Ordering {
        (self.file, self.folded(), &self.name).cmp(&(other.file, other.folded(), &other.name))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Place) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Place) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Place {}

/// How long a part of a folder is kept: that of somebody who reads on page by page is not read twice, and of whoever has
/// looked enough nothing stays.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(20);

/// Parts that are kept, of all folders.
const MAX_PARTS: usize = 4;

/// What a part has at the most: entries, and bytes of their names. With all parts that is some 40 MB.
pub(super) const MAX_ENTRIES: usize = 1 << 16;
pub(super) const MAX_BYTES: usize = 4 << 20;
