//! What this device offers: one file per offer in the profile, so that it is served after a restart as before.
//!
//! A file is the length of its head (u32, big-endian), the head as CBOR, and the manifest. It is written whole under
//! another name, synced and renamed. Nothing is kept in memory: an offer is loaded for each connection that asks for it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lanyard_proto::effects::Audience;
use lanyard_proto::model::{PeerId, RoomId, TransferId};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::manifest::{Sources, Survey};
use crate::store::folder::{self, Access};

/// The offers of a profile.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
}

/// An offer as it is served.
#[derive(Debug)]
pub(super) struct Offered {
    pub audience: Audience,
    /// Bytes of all files.
    pub bytes: u64,
    pub manifest: Vec<u8>,
    pub sources: Sources,
}

impl Offered {
    /// Whether this device may have it, as far as it was known when it was offered.
    pub fn is_for(&self, peer: PeerId) -> bool {
        match self.audience {
            // Who is in a room changes: that is asked of the node, each time.
            Audience::Anyone | Audience::Members(_) => true,
            Audience::Peer(only) => only == peer,
        }
    }
}

impl Shelf {
    /// The shelf of a profile folder; makes its own folder there.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn open(profile: &Path) -> io::Result<Shelf> {
        let folder = profile.join("offers");
        folder::make(&folder, Access::Usual)?;
        Ok(Shelf { folder })
    }

    /// Keeps an offer for `audience`, replacing what was kept under the id. It is durable when this returns.
    ///
    /// # Errors
    /// If it could not be written; then nothing changed.
    pub async fn put(&self, transfer: TransferId, survey: Survey, audience: Audience) -> io::Result<()> {
        let shelf = self.clone();
        blocking(move || shelf.write(transfer, &survey, audience)).await
    }

    /// Offers it no longer. Forgetting what was never kept is no error.
    ///
    /// # Errors
    /// If it could not be removed.
    pub async fn forget(&self, transfer: TransferId) -> io::Result<()> {
        let path = self.path(transfer);
        blocking(move || match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }

    /// What lies here and is none of these, or was never finished. Asked before anything new is put here.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn strays(&self, known: &BTreeSet<TransferId>) -> io::Result<Vec<PathBuf>> {
        let mut strays = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let (id, finished) = name.strip_suffix(".new").map_or((name, true), |id| (id, false));
            // What has another name was put here by somebody else.
            if TransferId::parse(id).is_some_and(|id| !finished || !known.contains(&id)) {
                strays.push(path);
            }
        }
        Ok(strays)
    }

    /// The offer, or `None` if there is none that can be read whole.
    pub(super) async fn load(&self, transfer: TransferId) -> io::Result<Option<Offered>> {
        let path = self.path(transfer);
        blocking(move || match fs::read(path) {
            Ok(bytes) => Ok(read(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    fn write(&self, transfer: TransferId, survey: &Survey, audience: Audience) -> io::Result<()> {
        let head = Head {
            audience: match audience {
                Audience::Peer(peer) => Some(peer.0),
                Audience::Anyone | Audience::Members(_) => None,
            },
            bytes: survey.offer.bytes,
            manifest: survey.offer.manifest,
            tops: survey
                .sources
                .tops
                .iter()
                .map(|(name, path)| Top { name: name.clone(), path: stored(path) })
                .collect(),
            odd: survey
                .sources
                .odd
                .iter()
                .map(|(file, path)| Odd { file: *file, path: stored(path) })
                .collect(),
            room: match audience {
                Audience::Members(room) => Some(room.0),
                Audience::Anyone | Audience::Peer(_) => None,
            },
        };
        let head = minicbor::to_vec(&head).expect("a vector takes every byte");
        let unfinished = self.folder.join(format!("{transfer}.new"));
        let mut file = File::create(&unfinished)?;
        file.write_all(&(head.len() as u32).to_be_bytes())?;
        file.write_all(&head)?;
        file.write_all(&survey.manifest)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&unfinished, self.path(transfer))?;
        sync_folder(&self.folder)
    }

    fn path(&self, transfer: TransferId) -> PathBuf {
        self.folder.join(transfer.to_string())
    }
}

/// Makes renames in a folder durable. Windows has no such call and needs none.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(folder)?.sync_all() }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Head {
    /// The only device that may fetch it.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    audience: Option<[u8; 32]>,
    #[n(1)]
    bytes: u64,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    manifest: [u8; 32],
    #[n(3)]
    tops: Vec<Top>,
    #[n(4)]
    odd: Vec<Odd>,
    /// The private room whose members may fetch it.
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    room: Option<[u8; 32]>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Top {
    #[n(0)]
    name: String,
    #[n(1)]
    path: Vec<u16>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Odd {
    #[n(0)]
    file: u32,
    #[n(1)]
    path: Vec<u16>,
}

fn read(mut bytes: Vec<u8>) -> Option<Offered> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    let head: Head = minicbor::decode(bytes.get(4..4usize.checked_add(length)?)?).ok()?;
    bytes.drain(..4 + length);
    if <[u8; 32]>::from(Sha256::digest(&bytes)) != head.manifest {
        return None;
    }
    let tops = head.tops.into_iter().map(|top| (top.name, restored(&top.path))).collect();
    let odd = head.odd.into_iter().map(|odd| (odd.file, restored(&odd.path))).collect();
    Some(Offered {
        audience: match (head.audience, head.room) {
            (Some(peer), _) => Audience::Peer(PeerId(peer)),
            (None, Some(room)) => Audience::Members(RoomId(room)),
            (None, None) => Audience::Anyone,
        },
        bytes: head.bytes,
        manifest: bytes,
        sources: Sources { tops, odd },
    })
}

/// A path, Unicode or not: the bytes of Unix or the 16-bit units of Windows, each as a number.
#[cfg(unix)]
fn stored(path: &Path) -> Vec<u16> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().iter().map(|byte| u16::from(*byte)).collect()
}

#[cfg(unix)]
fn restored(units: &[u16]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(units.iter().map(|unit| *unit as u8).collect()).into()
}

#[cfg(windows)]
fn stored(path: &Path) -> Vec<u16> {
    use std::os::windows::ffi::OsStrExt;
    path.as_os_str().encode_wide().collect()
}

#[cfg(windows)]
fn restored(units: &[u16]) -> PathBuf {
    use std::os::windows::ffi::OsStringExt;
    std::ffi::OsString::from_wide(units).into()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.expect("disk work does not panic")
}
