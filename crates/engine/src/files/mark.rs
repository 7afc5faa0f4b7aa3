//! The mark that a file came from others. Windows asks before it runs what has it, and Office opens it in a protected view;
//! macOS has Gatekeeper look at it; on Linux, where nothing is decided by it, file managers show it.
//!
//! It is set through a handle while a file is staged, before it has its final name. Where a file system has no place for a mark
//! there is none: a file without one is better than no file. Deliberately absent: from whom it came. A mark goes along where a
//! file is copied or packed, and whoever gets it then need not learn that.

#[cfg(not(windows))]
use std::fs::File;
use std::io;

#[cfg(any(windows, target_os = "macos"))]
use cap_std::fs::Dir;

/// Marks an opened file.
///
/// # Errors
/// Where the file system has no marks, or this person may not set them.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(super) fn mark(file: &File) -> io::Result<()> {
    set(file)
}

/// Marks a folder: of a program of macOS, which is one, that is what Gatekeeper looks at.
#[cfg(target_os = "macos")]
pub(super) fn mark_folder(folder: &Dir) -> io::Result<()> {
    set(super::tree::readable(folder)?)
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn set(opened: impl std::os::fd::AsFd) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(opened, NAME, &value(), rustix::fs::XattrFlags::empty())?)
}

/// Marks the file that has a name in a folder, in a stream of its own beside what is in it.
///
/// # Errors
/// Where the file system has no such streams, as FAT.
#[cfg(windows)]
pub(super) fn mark(folder: &Dir, name: &str) -> io::Result<()> {
    use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
    use std::io::Write;

    let mut options = cap_std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).follow(FollowSymlinks::No);
    // With a dot before it: the name of a file can be one letter, and would be taken for that of a drive.
    folder.open_with(format!("./{name}:{NAME}"), &options)?.write_all(&value())
}

#[cfg(not(any(windows, target_os = "linux", target_os = "macos")))]
pub(super) fn mark(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What a file was downloaded from, as browsers note it
/// (<https://www.freedesktop.org/wiki/CommonExtendedAttributes/>). KDE shows it; a link of ours says by what it came.
#[cfg(target_os = "linux")]
const NAME: &str = "user.xdg.origin.url";

#[cfg(target_os = "linux")]
fn value() -> Vec<u8> {
    b"lanyard:".to_vec()
}

#[cfg(target_os = "macos")]
const NAME: &str = "com.apple.quarantine";

/// Downloaded, and nobody has agreed to open it; when, in seconds since 1970, hexadecimal; by which program.
#[cfg(target_os = "macos")]
fn value() -> Vec<u8> {
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    format!("0081;{now:08x};Lanyard;").into_bytes()
}

#[cfg(windows)]
const NAME: &str = "Zone.Identifier";

/// Zone 3 is the internet ([MS-FSCC], section 5.6.1): that of the local network would be trusted like this device itself.
#[cfg(windows)]
fn value() -> Vec<u8> {
    b"[ZoneTransfer]\r\nZoneId=3\r\n".to_vec()
}
