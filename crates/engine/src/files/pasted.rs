//! Pictures that were pasted: files of the profile, there for as long as they are offered.
//!
//! Each lies in a folder of its own below `<profile>/pasted/`, beside an empty file for each offer that it is part of. A
//! folder without such a file is in use at most by the run that made it: the next one removes it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lanyard_proto::model::TransferId;

use crate::saying;
use crate::store::folder::{self, Access};

/// The pasted pictures of one profile.
#[derive(Clone, Debug)]
pub struct Pasted {
    folder: PathBuf,
}

/// More than anybody pastes without withdrawing one; with [`MAX_PICTURE_BYTES`] it bounds what a page can fill.
pub const MAX_PICTURES: usize = 1000;

/// A picture of a whole wall of screens is smaller.
pub const MAX_PICTURE_BYTES: usize = 64 * 1024 * 1024;

impl Pasted {
    /// Those of this profile folder. Nothing is made before there is a picture.
    pub fn of(profile: &Path) -> Pasted {
        Pasted { folder: profile.join("pasted") }
    }

    /// Whether something lies below the pasted pictures.
    pub fn holds(&self, path: &Path) -> bool {
        path.strip_prefix(&self.folder).is_ok_and(|below| below.iter().next().is_some())
    }

    /// Writes a picture, a whole PNG file, under a name, and says where it is. It is durable when this returns.
    ///
    /// # Errors
    /// If it is no PNG file, is larger than [`MAX_PICTURE_BYTES`], has a name that could lead elsewhere, is one too many,
    /// or cannot be written.
    pub fn put(&self, name: &str, png: &[u8]) -> io::Result<PathBuf> {
        if !png.starts_with(PNG) || png.len() > MAX_PICTURE_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                saying!("it is no PNG picture of 64 MB at most"),
            ));
        }
        if !is_plain(name) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, saying!("its name cannot be used")));
        }
        folder::make(&self.folder, Access::Private)?;
        if self.folders()?.len() >= MAX_PICTURES {
            let full = saying!("too many pasted pictures are offered: withdraw some");
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, full));
        }
        let own = self.fresh_folder()?;
        let path = own.join(format!("{name}.png"));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        file.write_all(png)?;
        file.sync_all()?;
        Ok(path)
    }

    /// Says that these files are part of an offer. Those that are no pasted pictures are none of this.
    ///
    /// # Errors
    /// If it could not be written; then a picture may be gone after a restart.
    pub fn keep(&self, transfer: TransferId, offered: &[PathBuf]) -> io::Result<()> {
        for path in offered {
            if let Some(own) = path.parent().filter(|own| own.parent() == Some(&self.folder)) {
                File::create(own.join(mark(transfer)))?.sync_all()?;
            }
        }
        Ok(())
    }

    /// An offer is over: what only it needed goes.
    ///
    /// # Errors
    /// If something could not be removed.
    pub fn forget(&self, transfer: TransferId) -> io::Result<()> {
        for own in self.folders()? {
            match fs::remove_file(own.join(mark(transfer))) {
                Ok(()) if marks(&own)?.is_empty() => fs::remove_dir_all(&own)?,
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes what no offer among these needs. Asked before anything new is put here.
    ///
    /// # Errors
    /// If something could not be read or removed.
    pub fn sweep(&self, offers: &BTreeSet<TransferId>) -> io::Result<()> {
        for own in self.folders()? {
            if !marks(&own)?.iter().any(|transfer| offers.contains(transfer)) {
                fs::remove_dir_all(&own)?;
            }
        }
        Ok(())
    }

    fn fresh_folder(&self) -> io::Result<PathBuf> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let own = self.folder.join(data_encoding::HEXLOWER.encode(&random));
        fs::create_dir(&own)?;
        folder::sync_above(&own)?;
        Ok(own)
    }

    fn folders(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut folders = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
        Ok(folders)
    }
}

/// The name of the file that says that an offer needs the picture beside it.
fn mark(transfer: TransferId) -> String {
    format!("{transfer}{OFFER}")
}

fn marks(own: &Path) -> io::Result<Vec<TransferId>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(own)? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_suffix(OFFER)).and_then(TransferId::parse));
    }
    Ok(found)
}

/// Letters, digits, spaces, hyphens and dots between them: nothing that any system takes for more than a name.
fn is_plain(name: &str) -> bool {
    let edge = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    name.len() <= 100
        && edge(name.chars().next())
        && edge(name.chars().next_back())
        && name.chars().all(|letter| letter.is_alphanumeric() || [' ', '-', '.'].contains(&letter))
}

const OFFER: &str = ".offer";

/// How every PNG file begins.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

#[cfg(test)]
mod tests {
    use super::*;
    use lanyard_proto::model::PeerId;

    fn transfer(number: u8) -> TransferId {
        TransferId::new(PeerId([7; 32]), [number; 8])
    }

    fn picture(pasted: &Pasted) -> PathBuf {
        pasted.put("Picture 2026-11-29 10.20.30", &[PNG, b"rest"].concat()).unwrap()
    }

    #[test]
    fn a_picture_has_its_name_and_goes_with_its_last_offer() {
        let profile = tempfile::tempdir().unwrap();
        let pasted = Pasted::of(profile.path());
        let path = picture(&pasted);
        assert_eq!(path.file_name().unwrap(), "Picture 2026-11-29 10.20.30.png");
        pasted.keep(transfer(1), std::slice::from_ref(&path)).unwrap();
        pasted.keep(transfer(2), std::slice::from_ref(&path)).unwrap();
        pasted.forget(transfer(1)).unwrap();
        assert!(path.exists());
        pasted.forget(transfer(3)).unwrap();
        assert!(path.exists());
        pasted.forget(transfer(2)).unwrap();
        assert!(!path.parent().unwrap().exists());
    }

    #[test]
    fn a_start_keeps_what_is_offered_and_nothing_else() {
        let profile = tempfile::tempdir().unwrap();
        let pasted = Pasted::of(profile.path());
        let (offered, withdrawn, never) = (picture(&pasted), picture(&pasted), picture(&pasted));
        pasted.keep(transfer(1), std::slice::from_ref(&offered)).unwrap();
        pasted.keep(transfer(2), std::slice::from_ref(&withdrawn)).unwrap();
        pasted.sweep(&[transfer(1)].into()).unwrap();
        assert_eq!([&offered, &withdrawn, &never].map(|path| path.exists()), [true, false, false]);
    }

    #[test]
    fn only_pictures_with_plain_names_are_taken() {
        let profile = tempfile::tempdir().unwrap();
        let pasted = Pasted::of(profile.path());
        let png = [PNG, b"rest"].concat();
        for name in ["", ".", "..", "../a", "a/b", "a\\b", "a:b", " a", "a ", "a.", ".a", "a\0"] {
            assert!(pasted.put(name, &png).is_err(), "{name:?}");
        }
        assert!(pasted.put("a", b"GIF89a").is_err());
        assert!(pasted.put("图片 2026-11-29 10.20.30", &png).is_ok());
    }

    #[test]
    fn files_from_elsewhere_are_left_alone() {
        let profile = tempfile::tempdir().unwrap();
        let pasted = Pasted::of(profile.path());
        let elsewhere = tempfile::tempdir().unwrap();
        let file = elsewhere.path().join("a.png");
        fs::write(&file, b"x").unwrap();
        pasted.keep(transfer(1), std::slice::from_ref(&file)).unwrap();
        pasted.forget(transfer(1)).unwrap();
        pasted.sweep(&BTreeSet::new()).unwrap();
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    }
}
