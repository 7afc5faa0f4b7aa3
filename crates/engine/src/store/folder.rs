//! Folders that are there after a loss of power if anything in them has to be.

use std::fs::{DirBuilder, File};
use std::io;
use std::path::Path;

/// Who may look into a folder that is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only the user.
    Private,
    /// Whoever the system lets by default.
    Usual,
}

/// Makes a folder, and those above it that are missing, and its name durable. One that is there keeps its rights.
///
/// # Errors
/// If it is not there and cannot be made.
pub fn make(folder: &Path, access: Access) -> io::Result<()> {
    if !folder.is_dir() {
        if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty() && !above.is_dir())
        {
            make(above, access)?;
        }
        #[allow(unused_mut, reason = "only Unix has more to say")]
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        if access == Access::Private {
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        }
        match builder.create(folder) {
            // Somebody else was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            other => other?,
        }
    }
    // Also where it was there: the run that made it may have ended before this.
    match sync_above(folder) {
        // The folder above is not ours, or is in a file system that has no more to offer.
        Err(error) if NOT_OURS.contains(&error.kind()) => Ok(()),
        other => other,
    }
}

/// Makes the name of a file or folder durable. Windows does so by itself and cannot open folders.
pub fn sync_above(path: &Path) -> io::Result<()> {
    match path.parent().filter(|_| cfg!(unix)) {
        Some(above) if above.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(above) => File::open(above)?.sync_all(),
        None => Ok(()),
    }
}

const NOT_OURS: &[io::ErrorKind] =
    &[io::ErrorKind::PermissionDenied, io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_with_all_that_is_missing_above_it_and_may_be_there_already() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("one/two/three");
        for _ in 0..2 {
            make(&deep, Access::Private).unwrap();
            assert!(deep.is_dir());
        }
        #[cfg(unix)]
        for folder in [deep.as_path(), deep.parent().unwrap()] {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
        make(&home.path().join("usual"), Access::Usual).unwrap();
    }

    #[test]
    fn where_a_file_is_in_the_way_no_folder_is_made() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert!(make(&file, Access::Usual).is_err());
        assert!(make(&file.join("inner"), Access::Usual).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"");
    }
}
