//! What a disk refuses of one file alone, while it takes others: a name that it cannot hold, a size, or what stands where the
//! file is to go. Such a file fails by itself. What concerns the whole disk ends a pull: that there is no space, or no right to
//! write.

use std::io;

/// Whether only what was to be made is refused.
pub(super) fn concerns_one(error: &io::Error) -> bool {
    use io::ErrorKind::{
        AlreadyExists, FileTooLarge, InvalidFilename, InvalidInput, IsADirectory, NotADirectory,
    };
    let kind = matches!(
        error.kind(),
        InvalidFilename | InvalidInput | FileTooLarge | IsADirectory | NotADirectory | AlreadyExists
    );
    kind || is_odd(error)
}

/// The same where a file is to get its name among what belongs to others: there a folder may be nobody's to write, or on
/// another disk.
pub(super) fn concerns_one_name(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem};
    concerns_one(error) || matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | CrossesDevices)
}

/// A name that is no text to the disk, or a link where a folder was meant.
#[cfg(unix)]
fn is_odd(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::ILSEQ | Errno::LOOP))
}

#[cfg(not(unix))]
fn is_odd(_: &io::Error) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::ErrorKind;

    #[test]
    fn a_full_disk_concerns_everything_and_a_name_that_is_too_long_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let long = std::fs::write(folder.path().join("x".repeat(300)), "").unwrap_err();
        assert!(concerns_one(&long), "{long}");
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::NotFound] {
            assert!(!concerns_one_name(&kind.into()), "{kind}");
        }
        for kind in [ErrorKind::PermissionDenied, ErrorKind::CrossesDevices] {
            assert!(!concerns_one(&kind.into()) && concerns_one_name(&kind.into()), "{kind}");
        }
    }
}
