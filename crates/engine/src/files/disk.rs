//! Which disk a folder is on, and how much is free there.

use std::path::{Path, PathBuf};

use super::names::{LEAST_NAME_BYTES, MAX_NAME_BYTES};

/// What is to be known of a folder before files go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Another one for each disk, as far as this system tells them apart.
    pub number: u64,
    /// Bytes that may be used; `None` where the system cannot say.
    pub free: Option<u64>,
}

/// Looks at the disk that a folder is on, or would be on once it is made. Blocks.
pub fn disk_of(folder: &Path) -> Disk {
    let there = nearest(folder);
    Disk { number: number_of(&there), free: fs4::available_space(&there).ok() }
}

/// Bytes that a name may have in a folder, or in what will be made in it: those of [`MAX_NAME_BYTES`] that its disk holds, as
/// far as it says so. Blocks.
pub(super) fn room_for_names(folder: &Path) -> usize {
    held_of_names(&nearest(folder)).unwrap_or(MAX_NAME_BYTES).clamp(LEAST_NAME_BYTES, MAX_NAME_BYTES)
}

/// Of encrypted ones some hold 143 bytes.
#[cfg(unix)]
fn held_of_names(there: &Path) -> Option<usize> {
    usize::try_from(rustix::fs::statvfs(there).ok()?.f_namemax).ok()
}

#[cfg(not(unix))]
fn held_of_names(_: &Path) -> Option<usize> {
    None
}

/// The folder itself, or the first above it that is there.
fn nearest(folder: &Path) -> PathBuf {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    whole.ancestors().find(|path| path.exists()).map_or_else(|| whole.clone(), Path::to_owned)
}

/// Whether so many bytes find room, with what is left for everybody else. Where the system cannot say, writing will.
pub fn has_room(disk: Disk, bytes: u64) -> Result<(), u64> {
    let needed = bytes.saturating_add(super::staging::KEEP_FREE);
    match disk.free {
        Some(free) if free < needed && bytes > 0 => Err(needed),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn number_of(there: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    there.metadata().map_or(0, |about| about.dev())
}

/// The drive's letter, or the server and its share.
#[cfg(not(unix))]
fn number_of(there: &Path) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    use std::path::Component;
    let mut hasher = DefaultHasher::new();
    if let Some(Component::Prefix(prefix)) = there.components().next() {
        prefix.as_os_str().to_ascii_lowercase().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_is_on_the_disk_of_what_is_above_it() {
        let home = tempfile::tempdir().unwrap();
        let (here, below) = (disk_of(home.path()), disk_of(&home.path().join("a/b/c")));
        assert_eq!(here.number, below.number);
        assert!(here.free.is_some_and(|free| free > 0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn other_disks_have_other_numbers() {
        assert_ne!(disk_of(Path::new("/proc")).number, disk_of(Path::new("/")).number);
    }

    #[cfg(unix)]
    #[test]
    fn a_usual_disk_holds_names_as_long_as_they_may_be() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(room_for_names(&home.path().join("a/b")), MAX_NAME_BYTES);
    }

    #[test]
    fn some_room_is_left_for_everybody_else() {
        let disk = |free| Disk { number: 0, free };
        assert_eq!(has_room(disk(Some(200 << 20)), 100 << 20), Ok(()));
        assert_eq!(has_room(disk(Some(150 << 20)), 100 << 20), Err(164 << 20));
        assert_eq!(has_room(disk(Some(0)), 0), Ok(()));
        assert_eq!(has_room(disk(None), u64::MAX), Ok(()));
    }
}
