//! A rename that replaces nothing, on every system.

use std::io;

use cap_std::fs::Dir;

/// Renames `name` in `from` to `to` in `into`, on one file system.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if something has the name; it is untouched then.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(super) fn place(from: &Dir, name: &str, into: &Dir, to: &str) -> io::Result<()> {
    use rustix::fs::{RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(from, name, into, to, RenameFlags::NOREPLACE) {
        // Some file systems, among them most of the network, cannot do it.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => place_by_claim(from, name, into, to),
        other => Ok(other?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(super) fn place(from: &Dir, name: &str, into: &Dir, to: &str) -> io::Result<()> {
    place_by_claim(from, name, into, to)
}

/// For a file, a second link under the new name, which fails if the name is taken; where there are no links, and for
/// folders, an empty one of our own claims the name first and is then replaced.
fn place_by_claim(from: &Dir, name: &str, into: &Dir, to: &str) -> io::Result<()> {
    if from.symlink_metadata(name)?.is_dir() {
        into.create_dir(to)?;
        // Windows renames no folder over another, not even an empty one, and never replaces one by accident.
        if cfg!(windows) {
            into.remove_dir(to)?;
        }
        return from.rename(name, into, to).inspect_err(|_| drop(into.remove_dir(to)));
    }
    match from.hard_link(name, into, to) {
        Ok(()) => return from.remove_file(name),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => {}
    }
    into.open_with(to, cap_std::fs::OpenOptions::new().write(true).create_new(true))?;
    from.rename(name, into, to).inspect_err(|_| drop(into.remove_file(to)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    type Place = fn(&Dir, &str, &Dir, &str) -> io::Result<()>;

    #[test]
    fn nothing_is_ever_replaced_by_either_way() {
        for place in [place as Place, place_by_claim as Place] {
            let folder = tempfile::tempdir().unwrap();
            let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
            dir.create_dir("from").unwrap();
            let from = dir.open_dir("from").unwrap();
            from.write("file", "new").unwrap();
            from.create_dir("folder").unwrap();
            from.write("folder/inside", "new").unwrap();
            dir.write("taken", "old").unwrap();
            dir.create_dir("taken-folder").unwrap();

            for (name, to) in
                [("file", "taken"), ("file", "taken-folder"), ("folder", "taken"), ("folder", "taken-folder")]
            {
                let error = place(&from, name, &dir, to).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{name} to {to}");
            }
            assert_eq!(dir.read("taken").unwrap(), b"old");

            place(&from, "file", &dir, "file").unwrap();
            place(&from, "folder", &dir, "folder").unwrap();
            assert_eq!(dir.read("file").unwrap(), b"new");
            assert_eq!(dir.read("folder/inside").unwrap(), b"new");
            assert_eq!(from.entries().unwrap().count(), 0);
        }
    }
}
