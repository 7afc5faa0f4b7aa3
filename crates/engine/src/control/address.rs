//! Where the control socket of a profile is.

use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use interprocess::local_socket::Name;
use interprocess::local_socket::prelude::*;
use sha2::{Digest, Sha256};

/// The place of a profile's control socket.
pub(super) struct Address {
    place: PathBuf,
}

impl Address {
    /// Derived from the profile folder alone, so that every program finds the same place.
    ///
    /// # Errors
    /// When the profile folder does not exist, or the place would not be ours alone.
    pub(super) fn of(profile: &Path) -> io::Result<Address> {
        let profile = profile.canonicalize()?;
        #[cfg(unix)]
        let place = unix::place(&profile)?;
        #[cfg(windows)]
        let place = PathBuf::from(format!("lanyard-{}", digest(&profile)));
        Ok(Address { place })
    }

    /// The name as the socket library wants it.
    pub(super) fn name(&self) -> io::Result<Name<'_>> {
        #[cfg(unix)]
        return self.place.as_path().to_fs_name::<interprocess::local_socket::GenericFilePath>();
        #[cfg(windows)]
        return self.place.as_os_str().to_ns_name::<interprocess::local_socket::GenericNamespaced>();
    }

    /// Lets only the owner open the socket, also where the system cannot do that while creating it.
    #[cfg(unix)]
    pub(super) fn restrict(&self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&self.place, std::fs::Permissions::from_mode(0o600))
    }
}

/// 32 hexadecimal characters that stand for a path.
fn digest(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    HEXLOWER.encode(&digest[..16])
}

#[cfg(unix)]
mod unix {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};

    use super::{Path, PathBuf, digest, io};

    /// The system allows 104 to 108 bytes with the closing zero.
    const LONGEST: usize = 100;

    pub(super) fn place(profile: &Path) -> io::Result<PathBuf> {
        let beside = profile.join("control.sock");
        if beside.as_os_str().as_bytes().len() <= LONGEST {
            return Ok(beside);
        }
        let owner = std::fs::metadata(profile)?.uid();
        let folder = match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
            Some(runtime) if private(&runtime, owner) => runtime,
            _ => temporary(owner)?,
        };
        Ok(folder.join(format!("lanyard-{}.sock", digest(profile))))
    }

    /// A folder of the owner's in the place for temporary files, which everybody can write to.
    fn temporary(owner: u32) -> io::Result<PathBuf> {
        let folder = std::env::temp_dir().join(format!("lanyard-{owner}"));
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ if private(&folder, owner) => Ok(folder),
            _ => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{} is not a folder of this user's alone", folder.display()),
            )),
        }
    }

    fn private(folder: &Path, owner: u32) -> bool {
        std::fs::symlink_metadata(folder)
            .is_ok_and(|is| is.is_dir() && is.uid() == owner && is.mode() & 0o077 == 0)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_its_socket_in_its_own_folder() {
        let profile = tempfile::tempdir().unwrap();
        let address = Address::of(profile.path()).unwrap();
        assert_eq!(address.place, profile.path().canonicalize().unwrap().join("control.sock"));
    }

    #[test]
    fn a_path_too_long_for_a_socket_gets_a_short_one_by_hash() {
        let folder = tempfile::tempdir().unwrap();
        let profile = folder.path().join("a".repeat(120));
        std::fs::create_dir(&profile).unwrap();
        let address = Address::of(&profile).unwrap();
        assert!(address.place.as_os_str().len() <= 100, "{}", address.place.display());
        assert_eq!(address.place, Address::of(&profile).unwrap().place);
    }

    #[test]
    fn a_profile_that_does_not_exist_has_no_socket() {
        let folder = tempfile::tempdir().unwrap();
        let error = Address::of(&folder.path().join("none")).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
