//! The profile folder and the device key in it. The caller holds the profile's lock, so nobody else creates either.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use lanyard_proto::identity::Identity;
use zeroize::Zeroizing;

use super::folder::{self, Access, sync_above};
use super::witness::private;
use crate::api::{ApiError, ErrorCode};
use crate::saying;
use crate::saying::Saying;

/// Makes sure that the profile folder exists and can be written to. A new one is readable by its owner only; one that
/// was there keeps its rights, for it may be somebody's choice.
///
/// # Errors
/// `Storage`, with the path, the reason and what to do.
pub fn prepare(profile: &Path) -> Result<(), ApiError> {
    folder::make(profile, Access::Private).map_err(|error| {
        storage(saying!(
            "Lanyard cannot create its folder {path}: {error}. Create it yourself or choose another one with --profile.",
            path = profile,
            error
        ))
    })?;
    try_writing(profile).map_err(|error| {
        storage(saying!(
            "Lanyard cannot write in its folder {path}: {error}. Make it writable for you or choose another one with \
             --profile.",
            path = profile,
            error
        ))
    })
}

/// The identity of this device, from the key file of a prepared profile. The first start creates it.
///
/// # Errors
/// `Storage` when the file cannot be read or written, or is damaged; a damaged file is left as it is.
pub fn identity(profile: &Path) -> Result<Identity, ApiError> {
    let path = profile.join("device.key");
    match read_seed(&path) {
        Ok(Some(seed)) => Ok(Identity::from_seed(&seed)),
        Ok(None) => Err(storage(saying!(
            "The device key {path} is damaged: it is not {length} bytes long. Restore it from a backup, or move it \
             away to become a new device to everybody.",
            path,
            length = SEED_LEN
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_seed(&path).map(|seed| Identity::from_seed(&seed)).map_err(|error| {
                storage(saying!(
                    "Lanyard cannot create the device key {path}: {error}. Make sure that the folder is writable and \
                     the disk is not full.",
                    path,
            error
                ))
            })
        }
        Err(error) => Err(storage(saying!(
            "Lanyard cannot read the device key {path}: {error}. Make it readable for you, and for you only.",
            path,
            error
        ))),
    }
}

fn try_writing(folder: &Path) -> io::Result<()> {
    let probe = folder.join(".writable");
    private().create(true).truncate(true).open(&probe)?.write_all(b"?")?;
    fs::remove_file(&probe)
}

/// `None` if the file has another length than a seed.
fn read_seed(path: &Path) -> io::Result<Option<Zeroizing<[u8; SEED_LEN]>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(SEED_LEN + 1));
    fs::File::open(path)?.take(SEED_LEN as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes.as_slice().try_into().ok().map(Zeroizing::new))
}

/// The key appears under its name only when all of it is on disk.
fn create_seed(path: &Path) -> io::Result<Zeroizing<[u8; SEED_LEN]>> {
    let mut seed = Zeroizing::new([0; SEED_LEN]);
    getrandom::fill(seed.as_mut_slice()).map_err(io::Error::other)?;
    let unfinished = path.with_extension("key.new");
    let mut file = private().create(true).truncate(true).open(&unfinished)?;
    file.write_all(seed.as_slice())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&unfinished, path)?;
    sync_above(path)?;
    Ok(seed)
}

fn storage(sentence: Saying) -> ApiError {
    ApiError::says(ErrorCode::Storage, sentence)
}

/// Bytes of an Ed25519 seed (RFC 8032).
const SEED_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_profile_and_its_key_belong_to_their_owner_and_stay_the_same() {
        let home = tempfile::tempdir().unwrap();
        let profile = home.path().join("data").join("profile");
        prepare(&profile).unwrap();
        let first = identity(&profile).unwrap().peer_id();
        prepare(&profile).unwrap();
        assert_eq!(identity(&profile).unwrap().peer_id(), first);
        let names: Vec<_> = fs::read_dir(&profile).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["device.key"]);
        #[cfg(unix)]
        for (path, mode) in [(profile.clone(), 0o700), (profile.join("device.key"), 0o600)] {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
        }
        let other = home.path().join("other");
        prepare(&other).unwrap();
        assert_ne!(identity(&other).unwrap().peer_id(), first);
    }

    #[test]
    fn a_damaged_key_is_named_and_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("device.key");
        for damaged in [&[][..], &[1; 31], &[1; 33]] {
            fs::write(&path, damaged).unwrap();
            let error = identity(home.path()).err().expect("it is damaged");
            assert_eq!(error.code, ErrorCode::Storage);
            assert!(error.message.contains(&path.display().to_string()), "{error}");
            assert!(error.message.contains("is damaged"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn a_key_half_written_by_a_start_that_was_cut_short_is_written_anew() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("device.key.new"), b"half").unwrap();
        let first = identity(home.path()).unwrap().peer_id();
        assert_eq!(identity(home.path()).unwrap().peer_id(), first);
    }

    #[test]
    fn a_folder_that_cannot_be_is_named_with_the_reason_and_the_way_out() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, b"").unwrap();
        for profile in [file.clone(), file.join("profile")] {
            let error = prepare(&profile).expect_err("a file is not a folder");
            assert_eq!(error.code, ErrorCode::Storage);
            assert!(error.message.contains(&profile.display().to_string()), "{error}");
            assert!(error.message.contains("--profile"), "{error}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_cannot_be_written_is_told_from_one_that_cannot_be_made() {
        // Nobody, root included, creates files there.
        let error = prepare(Path::new("/proc/self")).expect_err("it is not writable");
        assert!(error.message.starts_with("Lanyard cannot write in its folder /proc/self: "), "{error}");
    }
}
