//! Notices that the database was copied or restored.
//!
//! A second database that goes on writing this one's logs would fork them. So the database and a small file beside it
//! hold the same random token, a new one at every start, and the database also remembers which file it was and on
//! which machine. An older database, a copied folder and a cloned disk fail to match. What rolls back everything
//! together on the same machine, as a snapshot does, cannot be noticed from within.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use cap_fs_ext::MetadataExt;
use cap_std::fs::Metadata;
use sha2::{Digest, Sha256};

use super::folder::sync_above;

/// The witness file, open.
pub(super) struct Witness {
    file: File,
    path: PathBuf,
    place: Vec<u8>,
    token: Vec<u8>,
}

impl Witness {
    /// Opens or creates the witness of a database.
    ///
    /// # Errors
    /// When the file can neither be read nor created.
    pub(super) fn open(database: &Path) -> io::Result<Witness> {
        let path = database.with_file_name("witness");
        let mut file = private().create(true).truncate(false).open(&path)?;
        let mut token = Vec::new();
        (&mut file).take(TOKEN_LEN as u64 + 1).read_to_end(&mut token)?;
        // The volume's number is left out: some systems number volumes anew at every start. The time of creation tells
        // a restored file from the one whose inode it took over.
        let inode = Metadata::from_file(&file)?.ino().to_be_bytes();
        let created = file.metadata()?.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let created = created.unwrap_or_default().as_nanos().to_be_bytes();
        let machine = machine_uid::get().unwrap_or_default();
        let place = [inode.as_slice(), &created, machine.as_bytes()].concat();
        Ok(Witness { file, path, place, token })
    }

    /// What the database remembers if this token was the last one, here. Nothing is proven by a new file or a torn token.
    pub(super) fn proof(&self) -> Option<[u8; 32]> {
        let whole = self.token.len() == TOKEN_LEN;
        whole.then(|| Sha256::new().chain_update(&self.token).chain_update(&self.place).finalize().into())
    }

    /// Chooses another token, not written yet.
    pub(super) fn renewed(self) -> io::Result<Witness> {
        let mut token = vec![0; TOKEN_LEN];
        getrandom::fill(&mut token).map_err(io::Error::other)?;
        Ok(Witness { token, ..self })
    }

    /// Makes the token durable. Written in place, because a file put in its stead would be another file; a torn write
    /// only costs a new nonce.
    pub(super) fn write(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(&self.token)?;
        self.file.set_len(self.token.len() as u64)?;
        self.file.sync_all()?;
        sync_above(&self.path)
    }
}

/// Opening for reading and writing, and only for this user where it creates.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Bytes of a token: nobody guesses it, no two are equal.
const TOKEN_LEN: usize = 32;
