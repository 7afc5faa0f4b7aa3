//! One profile is run by one node.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::api::{ApiError, ErrorCode};
use crate::saying;
use crate::saying::Says;
use crate::says;
use crate::store::folder::{self, Access};

/// The right to run a profile, until it is dropped or the process ends in whatever way.
#[derive(Debug)]
pub struct ProfileLock {
    _file: File,
    holder: PathBuf,
}

impl ProfileLock {
    /// Takes the profile for this process, making its folder if there is none.
    ///
    /// # Errors
    /// [`ErrorCode::ProfileInUse`] with the name of the program that has it; [`ErrorCode::Storage`] when the folder
    /// cannot be used.
    pub fn take(profile: &Path) -> Result<ProfileLock, ApiError> {
        folder::make(profile, Access::Private).map_err(|error| unusable(profile, &error))?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(profile.join("lock"))
            .map_err(|error| unusable(profile, &error))?;
        // A file of its own, because Windows lets nobody read what is locked.
        let holder = profile.join("lock.holder");
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(profile, &holder)),
            Err(TryLockError::Error(error)) => return Err(unusable(profile, &error)),
        }
        std::fs::write(&holder, this_program()).map_err(|error| unusable(profile, &error))?;
        Ok(ProfileLock { _file: file, holder })
    }
}

impl Drop for ProfileLock {
    fn drop(&mut self) {
        // It only serves an error message, and the next node writes it anew.
        let _ = std::fs::remove_file(&self.holder);
    }
}

fn this_program() -> String {
    let program = std::env::current_exe().ok();
    let name =
        program.as_deref().and_then(Path::file_stem).map_or("lanyard".into(), |stem| stem.to_string_lossy());
    format!("{name} (process {})", std::process::id())
}

fn in_use(profile: &Path, holder: &Path) -> ApiError {
    let by = match std::fs::read_to_string(holder) {
        Ok(name) if !name.is_empty() => name.filling(),
        _ => saying!("another program").into(),
    };
    says!(
        ErrorCode::ProfileInUse,
        "The profile {profile} is in use by {by}. Use another with --profile, or talk to that one: lanyard --profile \
         '{profile}' status",
        profile,
        by
    )
}

fn unusable(profile: &Path, error: &io::Error) -> ApiError {
    says!(ErrorCode::Storage, "The profile folder {profile} cannot be used: {error}", profile, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_node_learns_who_has_the_profile() {
        let folder = tempfile::tempdir().unwrap();
        let _first = ProfileLock::take(folder.path()).unwrap();
        let error = ProfileLock::take(folder.path()).unwrap_err();
        assert_eq!(error.code, ErrorCode::ProfileInUse);
        let expected = format!("is in use by {}", this_program());
        assert!(error.message.contains(&expected), "{}", error.message);
        assert!(error.message.contains("--profile"), "{}", error.message);
    }

    #[test]
    fn a_profile_that_was_let_go_can_be_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        drop(ProfileLock::take(folder.path()).unwrap());
        ProfileLock::take(folder.path()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_look_into_a_new_profile() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let profile = folder.path().join("deep/profile");
        let _lock = ProfileLock::take(&profile).unwrap();
        assert_eq!(profile.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_said_plainly() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = ProfileLock::take(&file.join("profile")).unwrap_err();
        assert_eq!(error.code, ErrorCode::Storage);
        assert!(error.message.contains("cannot be used"), "{}", error.message);
    }
}
