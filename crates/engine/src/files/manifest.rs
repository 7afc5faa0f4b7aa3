//! The survey of what a person chose to offer: every file and folder, as the manifest lists them.
//!
//! Symbolic links inside a chosen folder are not followed, and neither they nor sockets, pipes and devices are offered, nor
//! what may not be read, nor this device's key and messages; they are listed as skipped, so that everybody knows. Nothing is
//! read or hashed yet.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lanyard_proto::rooms::{MAX_OFFER_NAME_BYTES, MAX_OFFER_NAMES, Offer};
use lanyard_proto::wire::file::{Item, ItemKind, MAX_DEPTH, MAX_ITEMS, MAX_MANIFEST, MAX_PATH_BYTES};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use super::inside::Inside;
use super::list::is_file;
use super::names::{MAX_NAME_BYTES, folded, head, numbered};
use super::pasted::Pasted;
use crate::saying;
use crate::saying::{Filling, Says};

/// What was found.
#[derive(Clone, Debug)]
pub struct Survey {
    /// What the log entry says of it.
    pub offer: Offer,
    /// Symbolic links and special files that are not part of it.
    pub skipped: u64,
    /// All items, encoded one behind the other.
    pub(super) manifest: Vec<u8>,
    pub(super) sources: Sources,
}

/// Where the items of a manifest are on this device.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    /// The shared folder that all of it is in; then the paths below are relative to it.
    pub inside: Option<Arc<Inside>>,
    /// The first component of the items below it, and where that is.
    pub tops: Vec<(String, PathBuf)>,
    /// Files whose names are not Unicode, by their number in the manifest, in order: the manifest cannot spell them.
    pub odd: Vec<(u32, PathBuf)>,
}

/// Why nothing can be offered.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.filling())]
pub enum SurveyError {
    Unreadable {
        path: PathBuf,
        error: io::Error,
    },
    TooMany,
    TooDeep(PathBuf),
    /// It is part of the profile.
    Private(PathBuf),
    Nothing,
}

impl Says for SurveyError {
    fn filling(&self) -> Filling {
        let saying = match self {
            SurveyError::Unreadable { path, error } => saying!("{path} cannot be read: {error}", path, error),
            SurveyError::TooMany => saying!("these are more than {most} files and folders", most = MAX_ITEMS),
            SurveyError::TooDeep(path) => saying!("{path} lies too deep or has too long a path", path),
            SurveyError::Private(path) => {
                saying!("{path} is part of this device's key and messages, which stay here", path)
            }
            SurveyError::Nothing => saying!("there is nothing to offer"),
        };
        saying.into()
    }
}

/// Looks at everything that `paths` mean, in their order. A chosen path that is a link stands for what it leads to. The folder
/// `profile`, pasted pictures apart, is left out.
///
/// # Errors
/// [`SurveyError`]; half an offer is never made.
pub async fn survey(paths: Vec<PathBuf>, profile: Option<PathBuf>) -> Result<Survey, SurveyError> {
    let survey = move || survey_now(&paths, profile.as_deref());
    tokio::task::spawn_blocking(survey).await.expect("a survey does not panic")
}

/// Nanoseconds since 1970, where the file system knows and a signed 64-bit number can hold them.
pub(super) fn modified_of(about: &Metadata) -> Option<i64> {
    let modified = about.modified().ok()?;
    match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).ok(),
        Err(before) => i64::try_from(before.duration().as_nanos()).ok().map(|nanos| -nanos),
    }
}

/// The other way round; `None` where this system cannot say it.
pub(super) fn time_of(modified: i64) -> Option<SystemTime> {
    let span = Duration::from_nanos(modified.unsigned_abs());
    if modified < 0 { UNIX_EPOCH.checked_sub(span) } else { UNIX_EPOCH.checked_add(span) }
}

fn survey_now(paths: &[PathBuf], profile: Option<&Path>) -> Result<Survey, SurveyError> {
    let mut found = Found::default();
    let profile = profile.and_then(|profile| fs::canonicalize(profile).ok());
    for path in paths {
        found.top(path, profile.as_deref()).map_err(|error| match error {
            Stop::Io(path, error) => SurveyError::Unreadable { path, error },
            Stop::Survey(error) => error,
        })?;
    }
    found.finish()
}

/// What is found while it is looked for.
#[derive(Default)]
pub(super) struct Found {
    manifest: Vec<u8>,
    sources: Sources,
    taken: HashSet<String>,
    files: u64,
    folders: u64,
    bytes: u64,
    skipped: u64,
}

/// What there is to know of something on the disk.
pub(super) struct Looked {
    pub kind: ItemKind,
    pub size: u64,
    pub modified: Option<i64>,
}

enum Stop {
    Io(PathBuf, io::Error),
    Survey(SurveyError),
}

impl Found {
    fn top(&mut self, chosen: &Path, profile: Option<&Path>) -> Result<(), Stop> {
        let unreadable = |error| Stop::Io(chosen.to_owned(), error);
        let path = fs::canonicalize(chosen).map_err(unreadable)?;
        if profile.is_some_and(|profile| path.starts_with(profile) && !Pasted::of(profile).holds(&path)) {
            return Err(Stop::Survey(SurveyError::Private(chosen.to_owned())));
        }
        readable(&path).map_err(unreadable)?;
        let name = chosen.file_name().or_else(|| path.file_name());
        let name = name.map_or_else(|| "files".to_owned(), spelled);
        let mut components = vec![self.name_top(&name, &path)];
        let mut walk = WalkDir::new(&path).follow_links(false).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.depth() == 0 => return Err(Stop::Io(path, error.into())),
                // It went, or may not be read, since its folder was.
                Err(_) => {
                    self.skipped += 1;
                    continue;
                }
            };
            components.truncate(entry.depth().max(1));
            if entry.depth() > 0 {
                components.push(spelled(entry.file_name()));
            }
            let Ok(about) = entry.metadata() else {
                self.skipped += 1;
                continue;
            };
            let kind = match kind_of(&about) {
                ItemKind::Skipped => ItemKind::Skipped,
                _ if entry.depth() > 0 && readable(entry.path()).is_err() => ItemKind::Skipped,
                _ if profile == Some(entry.path()) => ItemKind::Skipped,
                kind => kind,
            };
            if about.is_dir() && kind == ItemKind::Skipped {
                walk.skip_current_dir();
            }
            let looked = Looked { kind, size: about.len(), modified: modified_of(&about) };
            self.add(entry.path(), &path, &components, looked).map_err(Stop::Survey)?;
        }
        Ok(())
    }

    /// What is in a shared folder.
    pub fn inside(root: Arc<Inside>) -> Found {
        let sources = Sources { inside: Some(root), ..Sources::default() };
        Found { sources, ..Found::default() }
    }

    /// Something at `path`, in or at the chosen path `top`, that is called `names`.
    pub fn add(
        &mut self,
        path: &Path,
        top: &Path,
        names: &[String],
        Looked { kind, size, modified }: Looked,
    ) -> Result<(), SurveyError> {
        if names.len() > MAX_DEPTH || names.iter().map(String::len).sum::<usize>() > MAX_PATH_BYTES {
            return Err(SurveyError::TooDeep(path.to_owned()));
        }
        let size = if is_file(kind) { size } else { 0 };
        Item { components: names.to_owned(), size, modified, kind }.encode(&mut self.manifest);
        if kind == ItemKind::Folder {
            self.folders += 1;
        } else if kind == ItemKind::Skipped {
            self.skipped += 1;
        } else {
            let below = names[1..].iter().fold(top.to_owned(), |path, name| path.join(name));
            if below != path {
                self.sources.odd.push((self.files as u32, path.to_owned()));
            }
            self.files += 1;
            self.bytes += size;
        }
        if self.files + self.folders + self.skipped > MAX_ITEMS || self.manifest.len() > MAX_MANIFEST {
            return Err(SurveyError::TooMany);
        }
        Ok(())
    }

    /// All of it.
    ///
    /// # Errors
    /// If that is nothing.
    pub fn finish(self) -> Result<Survey, SurveyError> {
        if self.files + self.folders == 0 {
            return Err(SurveyError::Nothing);
        }
        let names = self.sources.tops.iter().take(MAX_OFFER_NAMES);
        let offer = Offer {
            names: names.map(|(name, _)| head(name, MAX_OFFER_NAME_BYTES).to_owned()).collect(),
            files: self.files,
            folders: self.folders,
            bytes: self.bytes,
            manifest: Sha256::digest(&self.manifest).into(),
        };
        Ok(Survey { offer, skipped: self.skipped, manifest: self.manifest, sources: self.sources })
    }

    /// Names something that was chosen. Two things of one name can be chosen from two places; below them the names would be
    /// mixed up.
    pub fn name_top(&mut self, name: &str, path: &Path) -> String {
        let mut free = name.to_owned();
        for number in 2.. {
            if self.taken.insert(folded(&free)) {
                break;
            }
            free = numbered(name, number, MAX_NAME_BYTES);
        }
        self.sources.tops.push((free.clone(), path.to_owned()));
        free
    }
}

/// A name as Unicode; bytes that are none are spelled `%FF`, so that different names stay different.
pub(super) fn spelled(name: &OsStr) -> String {
    let mut text = String::new();
    for piece in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(piece.valid());
        for byte in piece.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn kind_of(about: &Metadata) -> ItemKind {
    match about {
        _ if about.is_dir() => ItemKind::Folder,
        _ if about.is_file() && executable(about) => ItemKind::Executable,
        _ if about.is_file() => ItemKind::File,
        _ => ItemKind::Skipped,
    }
}

/// Whether this person may read a file, or look into a folder.
#[cfg(unix)]
fn readable(path: &Path) -> io::Result<()> {
    use rustix::fs::Access;
    let wanted = if path.is_dir() { Access::READ_OK | Access::EXEC_OK } else { Access::READ_OK };
    Ok(rustix::fs::access(path, wanted)?)
}

/// Whoever opens it will see.
#[cfg(not(unix))]
fn readable(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn executable(about: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    about.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn executable(_: &Metadata) -> bool {
    false
}
