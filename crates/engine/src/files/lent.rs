//! The survey of what somebody asked for of a shared folder.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as Memory};
use std::time::UNIX_EPOCH;

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, FileType, Metadata};
use lanyard_proto::wire::file::{ItemKind, MAX_DEPTH};
use lanyard_proto::wire::share::Why;

use super::inside::{Inside, is_hidden, kind_of, reach};
use super::manifest::{Found, Looked, Survey, SurveyError, spelled};
use super::pages::Pages;

/// A folder that is shared with whoever asks.
#[derive(Clone, Debug)]
pub struct Lent {
    /// Where it is.
    pub path: PathBuf,
    /// What it is called.
    pub name: String,
    /// What was read of folders lately.
    pub pages: Pages,
}

/// Why nothing was found, and which of the paths is the reason.
pub(super) struct NotLent {
    pub why: Why,
    pub path: Option<u32>,
}

/// Looks at everything that `paths` mean, in their order; what lies in something else that is meant is looked at once.
///
/// # Errors
/// Why there is nothing to be had; half of it is never offered. Subfolders that cannot be read are left out, as links are.
pub(super) fn survey(lent: &Lent, paths: &[String], stop: &AtomicBool) -> Result<Survey, NotLent> {
    let root = Arc::new(Inside::new(lent.path.clone()));
    let mut walk = Walk { root: &root, found: Found::inside(root.clone()), stop };
    for (number, path) in (0..).zip(paths) {
        if paths.iter().any(|other| lies_in(path, other)) || paths[..number as usize].contains(path) {
            continue;
        }
        walk.top(path, &lent.name).map_err(|why| NotLent { why, path: Some(number) })?;
    }
    walk.found.finish().map_err(|error| NotLent { why: reason(&error), path: None })
}

/// Whether a path leads to something in what the other path leads to.
fn lies_in(path: &str, other: &str) -> bool {
    !path.is_empty()
        && (other.is_empty() || path.strip_prefix(other).is_some_and(|below| below.starts_with('/')))
}

struct Walk<'a> {
    root: &'a Inside,
    found: Found,
    stop: &'a AtomicBool,
}

impl Walk<'_> {
    fn top(&mut self, path: &str, whole: &str) -> Result<(), Why> {
        let reached = reach(self.root, path)?;
        let on_disk = reached.names.file_name().map(ToOwned::to_owned);
        let name = on_disk.as_deref().map_or_else(|| whole.to_owned(), spelled);
        let top = self.found.name_top(&name, &reached.names);
        let mut names = vec![top];
        self.add(&reached.names, &reached.names, &names, &reached.about)?;
        if !reached.about.is_dir() {
            return Ok(());
        }
        let folder = match &on_disk {
            Some(name) => reached.parent.open_dir_nofollow(name).map_err(|_| Why::NoSuch)?,
            None => reached.parent,
        };
        self.folder(&folder, &reached.names, &reached.names, &mut names)
    }

    /// Everything in a folder. `at` is where it is, `top` the chosen path that it lies in, `names` what it is called.
    fn folder(&mut self, folder: &Dir, at: &Path, top: &Path, names: &mut Vec<String>) -> Result<(), Why> {
        let entries = match self.entries(folder) {
            Err(error) if may_be_left_out(&error) => return Ok(()),
            entries => entries.map_err(|_| Why::Unreadable)?,
        };
        for (name, kind) in entries {
            if self.stop.load(Memory::Relaxed) {
                return Err(Why::Busy);
            }
            if !kind.is_dir() && !kind.is_file() {
                continue;
            }
            let Ok(about) = folder.symlink_metadata(&name) else { continue };
            if is_hidden(&name, Some(&about)) {
                continue;
            }
            let path = at.join(&name);
            names.push(spelled(&name));
            self.add(&path, top, names, &about)?;
            if about.is_dir() {
                if names.len() >= MAX_DEPTH {
                    return Err(Why::TooMuch);
                }
                if let Ok(inner) = folder.open_dir_nofollow(&name) {
                    self.folder(&inner, &path, top, names)?;
                }
            }
            names.pop();
        }
        Ok(())
    }

    fn entries(&self, folder: &Dir) -> io::Result<Vec<(OsString, FileType)>> {
        let mut entries = Vec::new();
        for entry in folder.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            if self.stop.load(Memory::Relaxed) {
                break;
            }
            if !is_hidden(&name, None)
                && let Ok(kind) = kind_of(&entry)
            {
                entries.push((name, kind));
            }
        }
        entries.sort_unstable_by(|(one, _), (other, _)| -> Ordering { one.cmp(other) });
        Ok(entries)
    }

    fn add(&mut self, path: &Path, top: &Path, names: &[String], about: &Metadata) -> Result<(), Why> {
        let Some(looked) = look(about) else { return Ok(()) };
        self.found.add(path, top, names, looked).map_err(|error| reason(&error))
    }
}

/// Neither file nor folder: it is left out, and no list says that it is there.
fn look(about: &Metadata) -> Option<Looked> {
    let kind = match about {
        _ if about.is_dir() => ItemKind::Folder,
        _ if about.is_file() && executable(about) => ItemKind::Executable,
        _ if about.is_file() => ItemKind::File,
        _ => return None,
    };
    let modified = about.modified().ok().map(cap_std::time::SystemTime::into_std);
    let modified = modified.and_then(|at| match at.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).ok(),
        Err(before) => i64::try_from(before.duration().as_nanos()).ok().map(|nanos| -nanos),
    });
    Some(Looked { kind, size: about.len(), modified })
}

#[cfg(unix)]
fn executable(about: &Metadata) -> bool {
    cap_std::fs::MetadataExt::mode(about) & 0o100 != 0
}

#[cfg(not(unix))]
fn executable(_: &Metadata) -> bool {
    false
}

/// A folder that only others may read, or that is gone by now.
fn may_be_left_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound)
}

fn reason(error: &SurveyError) -> Why {
    match error {
        SurveyError::TooMany | SurveyError::TooDeep(_) => Why::TooMuch,
        SurveyError::Nothing | SurveyError::Private(_) => Why::NoSuch,
        SurveyError::Unreadable { .. } => Why::Unreadable,
    }
}
