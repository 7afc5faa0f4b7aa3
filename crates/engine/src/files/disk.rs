//! Which disk a folder is on, how much is free there, and how much of that is left to everybody else.

use std::path::{Path, PathBuf};

use super::names::{LEAST_NAME_BYTES, MAX_NAME_BYTES};
use crate::saying;
use crate::saying::{Bytes, Filling};

/// What is to be known of a folder before files go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Another one for each disk, as far as this system tells them apart.
    pub number: u64,
    /// Bytes that may be used; `None` where the system cannot say.
    pub free: Option<u64>,
    /// Bytes that it has in all.
    pub size: Option<u64>,
    /// Files and folders that it can still hold, where it has a bounded number of them.
    pub inodes: Option<u64>,
}

impl Disk {
    /// Bytes that a file or folder takes although nothing is in it. Where inodes are scarcer than bytes, each takes its share
    /// of what is free, so that many small ones fill it as well as a large one.
    pub fn least_taken(&self) -> u64 {
        let share = self.inodes.zip(self.free).map_or(0, |(inodes, free)| free / inodes.max(1));
        share.max(LEAST_TAKEN)
    }

    /// Bytes that may come by a rule; `None` where the system cannot say.
    pub fn room_for_others(&self) -> Option<u64> {
        Some(self.free?.saturating_sub(Whose::Rule.leaves_free(*self)))
    }
}

/// Who wants files to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A person, who may fill a disk as far as it goes on working.
    Person,
    /// The rule that a node was started with: others must not be able to fill a disk that nobody watches.
    Rule,
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lack {
    pub needed: u64,
    pub free: u64,
    /// What is left free for the database, the journal and everybody else.
    pub kept: u64,
}

impl Lack {
    /// Where, how much is needed and how much is free.
    pub fn filling(self, folder: &Path) -> Filling {
        let [needed, free, kept] = [self.needed, self.free, self.kept].map(Bytes);
        saying!(
            "{folder}: {needed} needed, {free} free, and {kept} are to stay free",
            folder,
            needed,
            free,
            kept
        )
        .into()
    }
}

/// Looks at the disk that a folder is on, or would be on once it is made. Blocks.
pub fn disk_of(folder: &Path) -> Disk {
    let there = nearest(folder);
    // What says that it has no bytes at all does not know: a file system in memory, or one that a program makes up.
    let size = fs4::total_space(&there).ok().filter(|size| *size > 0);
    let free = fs4::available_space(&there).ok().filter(|_| size.is_some());
    Disk { number: number_of(&there), free, size, inodes: free_inodes(&there) }
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

/// Some make inodes as they need them, and say that they have none.
#[cfg(unix)]
fn free_inodes(there: &Path) -> Option<u64> {
    let about = rustix::fs::statvfs(there).ok()?;
    (about.f_files > 0).then_some(about.f_favail)
}

#[cfg(not(unix))]
fn free_inodes(_: &Path) -> Option<u64> {
    None
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
///
/// # Errors
/// What is lacking.
pub fn has_room(disk: Disk, bytes: u64, whose: Whose) -> Result<(), Lack> {
    let kept = whose.leaves_free(disk);
    match disk.free {
        Some(free) if bytes > 0 && free < bytes.saturating_add(kept) => {
            Err(Lack { needed: bytes, free, kept })
        }
        _ => Ok(()),
    }
}

impl Whose {
    /// Bytes of a disk that stay free.
    fn leaves_free(self, disk: Disk) -> u64 {
        match (self, disk.size) {
            (Whose::Person, Some(size)) => (size / 100).clamp(LEAST_KEPT, MOST_KEPT),
            (Whose::Person, None) => MOST_KEPT,
            (Whose::Rule, size) => (size.unwrap_or(0) / 20).max(KEPT_FROM_OTHERS),
        }
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

/// Of a small disk a hundredth stays free, so that a stick can be used; of a large one no more than the database and the
/// journal need for long.
const LEAST_KEPT: u64 = 1 << 20;
const MOST_KEPT: u64 = 64 << 20;
/// A block of most file systems, or what they note of a file.
pub const LEAST_TAKEN: u64 = 4096;
/// What others send without being asked leaves a twentieth of the disk, and at least this.
const KEPT_FROM_OTHERS: u64 = 1 << 30;

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
    fn a_person_fills_a_small_disk_to_a_hundredth_and_a_large_one_to_some_megabytes() {
        let room = |size, free, bytes| {
            has_room(Disk { number: 0, free, size, inodes: None }, bytes, Whose::Person)
                .map_err(|lack| lack.kept)
        };
        let (stick, large) = (Some(128_000_000), Some(1 << 40));
        assert_eq!(room(stick, Some(62_914_560), 400_000), Ok(()));
        assert_eq!(room(stick, Some(62_914_560), 61_000_000), Ok(()));
        assert_eq!(room(stick, Some(62_914_560), 62_000_000), Err(1_280_000));
        assert_eq!(room(Some(10_000_000), Some(2_000_000), 1_000_000), Err(1 << 20));
        assert_eq!(room(large, Some(200 << 20), 100 << 20), Ok(()));
        assert_eq!(room(large, Some(150 << 20), 100 << 20), Err(64 << 20));
        assert_eq!(room(large, Some(0), 0), Ok(()));
        assert_eq!(room(None, None, u64::MAX), Ok(()));
    }

    #[test]
    fn a_rule_leaves_a_twentieth_and_never_less_than_a_gigabyte() {
        let room = |size, free, bytes| {
            let disk = Disk { number: 0, free: Some(free), size: Some(size), inodes: None };
            has_room(disk, bytes, Whose::Rule).map_err(|lack| lack.kept)
        };
        assert_eq!(room(100 << 30, 8 << 30, 2 << 30), Ok(()));
        assert_eq!(room(100 << 30, 8 << 30, 4 << 30), Err(5 << 30));
        assert_eq!(room(8 << 30, 3 << 29, 1 << 30), Err(1 << 30));
    }

    #[test]
    fn where_inodes_are_few_each_file_takes_its_share_of_what_is_free() {
        let taken = |free, inodes| Disk { number: 0, free, size: Some(100 << 30), inodes }.least_taken();
        assert_eq!(taken(Some(100 << 30), None), LEAST_TAKEN);
        assert_eq!(taken(Some(1 << 30), Some(1 << 30)), LEAST_TAKEN, "bytes are what ends first");
        assert_eq!(taken(Some(100 << 30), Some(1 << 20)), 102_400);
        // There is not one left.
        assert_eq!(taken(Some(100 << 30), Some(0)), 100 << 30);
        assert_eq!(taken(None, Some(7)), LEAST_TAKEN);
    }

    #[test]
    fn what_is_lacking_is_said_in_units_that_people_read() {
        let lack = Lack { needed: 1_200_000_000, free: 300_000_000, kept: 64 << 20 };
        let said = lack.filling(Path::new("/mnt/stick")).to_string();
        assert_eq!(said, "/mnt/stick: 1.2 GB needed, 300.0 MB free, and 67.1 MB are to stay free");
    }
}
