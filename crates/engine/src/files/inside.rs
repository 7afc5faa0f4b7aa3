//! A folder that others may look into: nothing outside of it can be reached, whatever names say and wherever links lead.
//!
//! Everything is opened name by name through directory handles, and no link is followed. Names that begin with a dot, and
//! what the system hides, are not there at all.

use std::collections::BinaryHeap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering as Memory};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, FileType, Metadata, OpenOptions};
use lanyard_proto::wire::file::{MAX_DEPTH, MAX_PATH_BYTES};
use lanyard_proto::wire::share::{After, Entry, MAX_LISTED_BYTES, MAX_LISTED_NAME, Why};

use super::manifest::spelled;
use super::names::shown;
use super::pages::{FolderPrint, MAX_BYTES, MAX_ENTRIES, Pages, Part, Place};

/// The folder, opened when it is first needed.
#[derive(Debug)]
pub(super) struct Inside {
    path: PathBuf,
    dir: OnceLock<Dir>,
}

impl Inside {
    pub fn new(path: PathBuf) -> Inside {
        Inside { path, dir: OnceLock::new() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder itself.
    ///
    /// # Errors
    /// If it is not there, or no folder.
    pub fn dir(&self) -> io::Result<&Dir> {
        if let Some(dir) = self.dir.get() {
            return Ok(dir);
        }
        let opened = Dir::open_ambient_dir(&self.path, ambient_authority())?;
        Ok(self.dir.get_or_init(|| opened))
    }

    /// A folder in it, by its names from there.
    pub fn folder(&self, names: &Path) -> io::Result<Dir> {
        let mut dir = self.dir()?.try_clone()?;
        for name in names {
            dir = dir.open_dir_nofollow(name)?;
        }
        Ok(dir)
    }

    /// Opens a file in it to be read, and nothing else: neither a link, nor a pipe that would wait for a writer.
    pub fn file(&self, names: &Path) -> io::Result<File> {
        let name = names.file_name().ok_or(io::ErrorKind::NotFound)?;
        let folder = self.folder(names.parent().unwrap_or(Path::new("")))?;
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        #[cfg(unix)]
        cap_std::fs::OpenOptionsExt::custom_flags(
            &mut options,
            rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
        );
        Ok(folder.open_with(name, &options)?.into_std())
    }
}

/// What a path that somebody asked for leads to.
pub(super) struct Reached {
    /// Its names on this disk, from the shared folder down.
    pub names: PathBuf,
    /// The folder that it is in, unless it is the shared folder itself.
    pub parent: Dir,
    pub about: Metadata,
}

/// Follows a path of names with `/` between them.
///
/// # Errors
/// Why there is nothing to be had.
pub(super) fn reach(root: &Inside, path: &str) -> Result<Reached, Why> {
    let mut dir = root.dir().and_then(Dir::try_clone).map_err(|_| Why::Gone)?;
    let mut about = dir.dir_metadata().map_err(|_| Why::Gone)?;
    let mut names = PathBuf::new();
    let wanted = components(path)?;
    for (depth, name) in wanted.iter().enumerate() {
        if depth > 0 {
            dir = dir.open_dir_nofollow(names.file_name().unwrap_or_default()).map_err(missing)?;
        }
        let found = find(&dir, name).map_err(missing)?;
        about = dir.symlink_metadata(&found).map_err(missing)?;
        if is_hidden(&found, Some(&about)) || !(about.is_dir() || about.is_file()) {
            return Err(Why::NoSuch);
        }
        names.push(found);
    }
    Ok(Reached { names, parent: dir, about })
}

/// The names of a path, each of which could be one.
///
/// # Errors
/// `BadName`: nothing that leads up, or elsewhere, or that one system takes for a name and another for several.
fn components(path: &str) -> Result<Vec<&str>, Why> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = path.split('/').collect();
    let bad = |name: &&str| {
        matches!(*name, "" | "." | "..")
            || name.len() > MAX_LISTED_NAME
            || name.contains(['\\', '\0'])
            || (cfg!(windows) && name.contains(':'))
    };
    if names.iter().any(bad) || names.len() > MAX_DEPTH || path.len() > MAX_PATH_BYTES {
        return Err(Why::BadName);
    }
    if names.iter().any(|name| name.starts_with('.')) { Err(Why::NoSuch) } else { Ok(names) }
}

/// What something is called on this disk that others see as `wanted`: for the most part just so.
fn find(folder: &Dir, wanted: &str) -> io::Result<OsString> {
    // Windows opens things by names that no listing has.
    if cfg!(not(windows)) {
        match folder.symlink_metadata(wanted) {
            Ok(_) => return Ok(wanted.into()),
            Err(error) if error.kind() != io::ErrorKind::NotFound || !may_be_respelled(wanted) => {
                return Err(error);
            }
            Err(_) => {}
        }
    }
    for entry in folder.entries()? {
        let name = entry?.file_name();
        if seen_as(&name) == wanted {
            return Ok(name);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// How others see a name: as text that hides nothing, and that is one name everywhere.
pub(super) fn seen_as(name: &OsStr) -> String {
    shown(&spelled(name)).replace('\\', "\u{fffd}")
}

/// Whether [`seen_as`] can have come to this from another name.
fn may_be_respelled(name: &str) -> bool {
    name.contains(['%', '\u{fffd}', '…'])
}

pub(super) fn is_hidden(name: &OsStr, about: Option<&Metadata>) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.') || about.is_some_and(hides)
}

#[cfg(windows)]
fn hides(about: &Metadata) -> bool {
    const HIDDEN: u32 = 2;
    cap_std::fs::MetadataExt::file_attributes(about) & HIDDEN != 0
}

#[cfg(not(windows))]
fn hides(_: &Metadata) -> bool {
    false
}

/// What is not there, or not a folder where one was meant, or a link.
fn missing(error: io::Error) -> Why {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Why::Unreadable,
        _ => Why::NoSuch,
    }
}

/// The kind of an entry, looked up where the folder does not say it.
pub(super) fn kind_of(entry: &cap_std::fs::DirEntry) -> io::Result<FileType> {
    let kind = entry.file_type()?;
    if kind.is_dir() || kind.is_file() || kind.is_symlink() {
        return Ok(kind);
    }
    Ok(entry.metadata()?.file_type())
}

/// A page of a folder: folders first, then by name; and whether there is more. What is read of the folder for pages to come is
/// kept in `pages`; however large the folder, only so much of it is in memory.
///
/// # Errors
/// Why there is nothing to be had.
pub(super) fn list(
    root: &Inside,
    path: &str,
    after: Option<&After>,
    limit: usize,
    pages: &Pages,
    stop: &AtomicBool,
) -> Result<(Vec<Entry>, bool), Why> {
    let reached = reach(root, path)?;
    if !reached.about.is_dir() {
        return Err(Why::NoSuch);
    }
    let folder = match reached.names.file_name() {
        Some(name) => reached.parent.open_dir_nofollow(name).map_err(missing)?,
        None => reached.parent,
    };
    let after = after.map(|after| Place::of(!after.folder, after.name.clone(), OsString::new()));
    // Looked at before it is read: what changes meanwhile changes it.
    let print =
        FolderPrint::of(root.path().join(&reached.names), &folder.dir_metadata().map_err(unreadable)?);
    let now = Instant::now();
    let known = after.as_ref().and_then(|after| pages.behind(&print, after, limit, now));
    let (part, page) = match known {
        Some(known) => known,
        None => {
            let (places, more) = first_of(&folder, after.as_ref(), limit, stop).map_err(unreadable)?;
            let part = Arc::new(Part::new(print, after, places, more, now));
            let page = 0..part.places.len().min(limit);
            if page.end < part.places.len() {
                pages.keep(part.clone());
            }
            (part, page)
        }
    };
    let mut more = part.more || page.end < part.places.len();
    let (mut entries, mut bytes) = (Vec::with_capacity(page.len()), 0);
    for place in &part.places[page] {
        // Whatever it has become meanwhile is looked at, never what it leads to.
        let Ok(about) = folder.symlink_metadata(place.on_disk()) else { continue };
        if about.is_dir() == place.file || !(about.is_dir() || about.is_file()) {
            continue;
        }
        if is_hidden(place.on_disk(), Some(&about)) {
            continue;
        }
        bytes += place.name.len();
        if bytes > MAX_LISTED_BYTES {
            more = true;
            break;
        }
        let size = if about.is_dir() { 0 } else { about.len() };
        let name = place.name.to_string();
        entries.push(Entry { name, folder: !place.file, size, modified: millis(&about) });
    }
    Ok((entries, more))
}

/// The first places of a folder behind `after`, at least `least` if there are so many; and whether there are more.
fn first_of(
    folder: &Dir,
    after: Option<&Place>,
    least: usize,
    stop: &AtomicBool,
) -> io::Result<(Vec<Place>, bool)> {
    // The last of those that are kept is at the top, to give way to what comes before it.
    let mut kept: BinaryHeap<Place> = BinaryHeap::new();
    let (mut more, mut bytes) = (false, 0);
    for entry in folder.entries()? {
        if stop.load(Memory::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let entry = entry?;
        let on_disk = entry.file_name();
        if is_hidden(&on_disk, None) {
            continue;
        }
        // It may be gone by now.
        let Ok(kind) = kind_of(&entry) else { continue };
        if !kind.is_dir() && !kind.is_file() {
            continue;
        }
        let place = Place::of(kind.is_file(), seen_as(&on_disk), on_disk);
        if after.is_some_and(|after| place <= *after) {
            continue;
        }
        bytes += place.weight();
        kept.push(place);
        while kept.len() > least && (kept.len() > MAX_ENTRIES || bytes > MAX_BYTES) {
            bytes -= kept.pop().map_or(0, |last| last.weight());
            more = true;
        }
    }
    Ok((kept.into_sorted_vec(), more))
}

pub(super) fn unreadable(error: io::Error) -> Why {
    match error.kind() {
        io::ErrorKind::NotFound => Why::Gone,
        _ => Why::Unreadable,
    }
}

fn millis(about: &Metadata) -> u64 {
    let modified = about.modified().ok().map(cap_std::time::SystemTime::into_std);
    let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

#[cfg(test)]
#[path = "tests/inside.rs"]
mod tests;
