//! Opaque handles: what a window holds instead of paths.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
#[cfg(unix)]
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

use super::names::shown;
use crate::api::FileHandle;
use crate::saying;

/// The paths behind the handles of this run, at most [`MAX_HANDLES`]; the oldest are forgotten.
#[derive(Debug, Default)]
pub struct Handles {
    paths: HashMap<String, PathBuf>,
    order: VecDeque<String>,
}

/// More than anybody drops at once; a handle costs about 200 bytes.
pub const MAX_HANDLES: usize = 16_384;

impl Handles {
    pub fn new() -> Handles {
        Handles::default()
    }

    /// A handle for a file or folder that a person chose. The name in it is safe to show.
    ///
    /// # Errors
    /// If there is nothing, if it cannot be looked at, or if it is neither a file nor a folder; and if the system has no
    /// randomness to give.
    pub fn admit(&mut self, path: &Path) -> io::Result<FileHandle> {
        let path = std::path::absolute(path)?;
        let about = fs::metadata(&path)?;
        if !about.is_file() && !about.is_dir() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, saying!("neither a file nor a folder")));
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        let handle = HEXLOWER.encode(&id);
        let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
        let admitted = FileHandle {
            handle: handle.clone(),
            name: shown(&name),
            folder: about.is_dir(),
            size: if about.is_file() { about.len() } else { 0 },
        };
        if self.order.len() >= MAX_HANDLES
            && let Some(oldest) = self.order.pop_front()
        {
            self.paths.remove(&oldest);
        }
        self.order.push_back(handle.clone());
        self.paths.insert(handle, path);
        Ok(admitted)
    }

    /// The path behind a handle of this run.
    pub fn path(&self, handle: &str) -> Option<PathBuf> {
        self.paths.get(handle).cloned()
    }
}

/// A whole path as text. On Unix one whose bytes are no Unicode is spelled as a `file:` URL, which no path begins like.
pub fn spelled_path(path: &Path) -> Option<String> {
    path.to_str().map(str::to_owned).or_else(|| url_of(path))
}

/// Reads what [`spelled_path`] wrote.
pub fn read_path(text: &str) -> PathBuf {
    text.strip_prefix(URL).and_then(path_of_url).unwrap_or_else(|| PathBuf::from(text))
}

#[cfg(unix)]
fn url_of(path: &Path) -> Option<String> {
    let bytes = path.as_os_str().as_encoded_bytes();
    path.is_absolute().then(|| format!("{URL}{}", percent_encode(bytes, RESERVED)))
}

#[cfg(unix)]
fn path_of_url(url: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let bytes: Vec<u8> = percent_decode_str(url).collect();
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

/// What is no Unicode there is no name that other programs could use either.
#[cfg(not(unix))]
fn url_of(_: &Path) -> Option<String> {
    None
}

#[cfg(not(unix))]
fn path_of_url(_: &str) -> Option<PathBuf> {
    None
}

const URL: &str = "file://";
/// What means something else in a URL.
#[cfg(unix)]
const RESERVED: &AsciiSet = &CONTROLS.add(b'%').add(b' ').add(b'?').add(b'#');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_leads_back_to_its_path_and_tells_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.pdf");
        fs::write(&file, b"12345").unwrap();
        let mut handles = Handles::new();
        let admitted = handles.admit(&file).unwrap();
        assert_eq!((admitted.name.as_str(), admitted.folder, admitted.size), ("report.pdf", false, 5));
        assert_eq!(admitted.handle.len(), 32);
        assert_eq!(handles.path(&admitted.handle), Some(file));
        assert!(handles.admit(folder.path()).unwrap().folder);
        assert_eq!(handles.path("0123"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_unicode_is_told_as_text_and_read_again() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        for name in [&b"bad\xff 100% #1?"[..], b"file:", "caf\u{e9}".as_bytes()] {
            let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
            assert_eq!(read_path(&spelled_path(&path).unwrap()), path);
        }
        let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"bad\xff"));
        fs::write(&odd, b"12345").unwrap();
        let told = spelled_path(&odd).unwrap();
        assert!(told.starts_with("file:///") && told.ends_with("/bad%FF"), "{told}");
        let mut handles = Handles::new();
        let admitted = handles.admit(&read_path(&told)).unwrap();
        assert_eq!((admitted.name.as_str(), handles.path(&admitted.handle)), ("bad\u{fffd}", Some(odd)));
    }

    #[test]
    fn what_is_not_there_gets_no_handle() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Handles::new().admit(&folder.path().join("nothing")).is_err());
    }

    #[test]
    fn the_oldest_handle_goes_when_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let mut handles = Handles::new();
        let first = handles.admit(folder.path()).unwrap().handle;
        let second = handles.admit(folder.path()).unwrap().handle;
        for _ in 1..MAX_HANDLES {
            handles.admit(folder.path()).unwrap();
        }
        assert_eq!(handles.path(&first), None);
        assert!(handles.path(&second).is_some());
    }
}
