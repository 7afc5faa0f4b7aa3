//! What this device offers: one file per offer in the profile, so that it is served after a restart as before.
//!
//! A file is the length of its head (u32, big-endian), the head as CBOR, and the manifest. It is written whole under
//! another name, synced and renamed. Beside it, `<offer>.states` has the leaves that were hashed for whoever fetched.
//!
//! In memory is only what somebody fetches at the moment, and what this device has or gets of others' offers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use lanyard_proto::effects::Audience;
use lanyard_proto::identity::Identity;
use lanyard_proto::model::{PeerId, RoomId, TransferId};
use lanyard_proto::transfer::Failure;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::choice::path_of;
use super::company::Company;
use super::holding::{Holding, Origin, Place};
use super::inside::Inside;
use super::journal::Journal;
use super::lately::Lately;
use super::manifest::{Sources, Survey};
use crate::store::folder::{self, Access};

/// The offers of a profile, and what it has of others'.
#[derive(Clone)]
pub struct Shelf {
    pub(super) folder: PathBuf,
    signer: Option<Arc<Identity>>,
    /// Own offers that are being fetched, and others' that an earlier run fetched.
    own: Arc<Mutex<BTreeMap<TransferId, Weak<Holding>>>>,
    /// Offers of others of which something is here, the oldest first.
    others: Arc<Mutex<Vec<Arc<Holding>>>>,
    /// Which files of own offers could not be given when they were last fetched, the oldest first.
    failures: Arc<Mutex<Vec<(TransferId, Failures)>>>,
    /// Who may have pieces of own offers.
    companies: Arc<Mutex<BTreeMap<TransferId, Arc<Company>>>>,
    /// What need not be read again.
    pub(super) lately: Lately,
}

/// What could not be given of an own offer.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    /// By the numbers of the files.
    pub files: BTreeMap<u32, Failure>,
    /// The first of them, as it is shown.
    first: String,
}

/// Own offers of which is remembered what could not be given.
const MAX_FAILURES: usize = 32;

/// Offers of others that are given to third devices.
const MAX_OTHERS: usize = 32;

/// Bytes of memory that they take, about: of more the oldest are opened anew when they are asked for.
const MAX_OTHERS_BYTES: usize = 16 << 20;

/// Bytes that the states of an offer may take for each leaf, with what was forgotten: more are begun anew.
const MAX_STATE_BYTES: u64 = 400;

/// An offer as it is served.
#[derive(Debug)]
pub(super) struct Offered {
    pub audience: Audience,
    /// Who offers it, if somebody else does.
    pub author: Option<PeerId>,
    /// SHA-256 of the manifest.
    pub sha256: [u8; 32],
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
        let (own, others, companies, failures, lately) = Default::default();
        Ok(Shelf { folder, signer: None, own, others, companies, failures, lately })
    }

    /// Signs with this key what is hashed of own offers, so that it can be believed from others.
    pub fn signed_by(self, signer: Arc<Identity>) -> Shelf {
        Shelf { signer: Some(signer), ..self }
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
        locked(&self.own).remove(&transfer);
        locked(&self.companies).remove(&transfer);
        locked(&self.others).retain(|holding| holding.transfer != transfer);
        let paths = [self.path(transfer), self.states(transfer)];
        blocking(move || {
            paths.into_iter().try_for_each(|path| match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            })
        })
        .await
    }

    /// Whether somebody has begun to fetch an own offer, in this run or in an earlier one.
    pub fn was_fetched(&self, transfer: TransferId) -> bool {
        self.states(transfer).exists()
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
            let id = id.strip_suffix(".states").unwrap_or(id);
            // What has another name was put here by somebody else.
            if TransferId::parse(id).is_some_and(|id| !finished || !known.contains(&id)) {
                strays.push(path);
            }
        }
        Ok(strays)
    }

    /// What is here of an offer, own or not, for this device; `None` if there is nothing.
    pub(super) async fn holding(
        &self,
        transfer: TransferId,
        peer: PeerId,
    ) -> io::Result<Option<Arc<Holding>>> {
        let other = locked(&self.others).iter().find(|holding| holding.transfer == transfer).cloned();
        if other.is_some() {
            return Ok(other);
        }
        let Some(offered) = self.load(transfer).await?.filter(|offered| offered.is_for(peer)) else {
            return Ok(None);
        };
        if let Some(open) = locked(&self.own).get(&transfer).and_then(Weak::upgrade) {
            return Ok(Some(open));
        }
        let shelf = self.clone();
        let open = move || match offered.author {
            Some(author) => shelf.open_kept(transfer, author, offered),
            None => shelf.open_own(transfer, offered),
        };
        let Some(holding) = blocking(open).await? else {
            return Ok(None);
        };
        let mut own = locked(&self.own);
        own.retain(|_, holding| holding.strong_count() > 0);
        // Of two that were opened at the same time only one counts.
        if let Some(open) = own.get(&transfer).and_then(Weak::upgrade) {
            return Ok(Some(open));
        }
        own.insert(transfer, Arc::downgrade(&holding));
        Ok(Some(holding))
    }

    /// What is in memory of an offer, own or not: it is being fetched or given.
    pub(super) fn kept(&self, transfer: TransferId) -> Option<Arc<Holding>> {
        let other = locked(&self.others).iter().find(|holding| holding.transfer == transfer).cloned();
        other.or_else(|| locked(&self.own).get(&transfer).and_then(Weak::upgrade))
    }

    /// Somebody has fetched an own offer, or given it up: what could not be read of it stays known for whoever looks at it.
    pub(super) fn note_failures(&self, holding: &Holding) {
        if !holding.is_own() {
            return;
        }
        let files = holding.lock().failed.clone();
        let first = files.keys().next().map(|file| path_of(&holding.list.item(*file).components));
        let mut failures = locked(&self.failures);
        failures.retain(|(of, _)| *of != holding.transfer);
        if let Some(first) = first {
            failures.push((holding.transfer, Failures { files, first }));
        }
        let many = failures.len().saturating_sub(MAX_FAILURES);
        failures.drain(..many);
    }

    /// Which files of an own offer could not be given, as far as is remembered.
    pub(super) fn failures(&self, transfer: TransferId) -> Failures {
        let failures = locked(&self.failures);
        failures.iter().find(|(of, _)| *of == transfer).map(|(_, failed)| failed.clone()).unwrap_or_default()
    }

    /// The first file of an own offer that could not be given, and how many could not, as far as is remembered.
    pub fn first_failure(&self, transfer: TransferId) -> Option<(String, usize)> {
        let Failures { files, first } = self.failures(transfer);
        (!files.is_empty()).then_some((first, files.len()))
    }

    /// Gives to third devices what comes of an offer of somebody else.
    pub(super) fn share(&self, holding: Arc<Holding>) {
        let mut others = locked(&self.others);
        others.retain(|other| other.transfer != holding.transfer);
        others.push(holding);
        let mut bytes: usize = others.iter().map(|other| other.weight()).sum();
        while others.len() > MAX_OTHERS || bytes > MAX_OTHERS_BYTES {
            // What comes just now, and what somebody fetches, is in memory in any case.
            let last = others.len() - 1;
            let Some(at) = others[..last].iter().position(|other| Arc::strong_count(other) == 1) else {
                break;
            };
            bytes -= others.remove(at).weight();
        }
        if others.len() > MAX_OTHERS {
            others.remove(0);
        }
    }

    /// Who may have pieces of an own offer, though it is not in memory meanwhile.
    fn company(&self, transfer: TransferId) -> Arc<Company> {
        let mut companies = locked(&self.companies);
        companies.retain(|_, company| Arc::strong_count(company) > 1 || company.counts());
        companies.entry(transfer).or_default().clone()
    }

    fn open_own(&self, transfer: TransferId, offered: Offered) -> io::Result<Option<Arc<Holding>>> {
        let Offered { sha256, manifest, sources, .. } = offered;
        let author = self.signer.as_ref().map_or(PeerId([0; 32]), |signer| signer.peer_id());
        let (origin, place) = (Origin::Own(self.signer.clone()), Place::Final(Arc::new(sources)));
        let Some(mut holding) = Holding::new(transfer, author, sha256, manifest, origin, place) else {
            return Ok(None);
        };
        holding.company = self.company(transfer);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.states(transfer))?;
        // Another connection may have opened it as well: then only one of them writes.
        if file.try_lock().is_ok() {
            if file.metadata()?.len() > 4096 + u64::from(holding.layout.leaves()) * MAX_STATE_BYTES {
                file.set_len(0)?;
            }
            let (journal, story) = match Journal::resume(file, sha256)? {
                Ok(resumed) => resumed,
                Err(file) => (Journal::begin(file, sha256)?, Default::default()),
            };
            holding.remember(journal, story.records);
            holding.recheck();
        }
        Ok(Some(Arc::new(holding)))
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
            inside: survey.sources.inside.as_ref().map(|folder| stored(folder.path())),
            author: None,
        };
        self.write_down(transfer, &head, &survey.manifest)
    }

    pub(super) fn write_down(&self, transfer: TransferId, head: &Head, manifest: &[u8]) -> io::Result<()> {
        let head = minicbor::to_vec(head).expect("a vector takes every byte");
        let unfinished = self.folder.join(format!("{transfer}.new"));
        let finish = || -> io::Result<()> {
            let mut file = File::create(&unfinished)?;
            file.write_all(&(head.len() as u32).to_be_bytes())?;
            file.write_all(&head)?;
            file.write_all(manifest)?;
            file.sync_all()?;
            drop(file);
            fs::rename(&unfinished, self.path(transfer))
        };
        // On a full disk least of all anything is to be left behind.
        finish().inspect_err(|_| drop(fs::remove_file(&unfinished)))?;
        sync_folder(&self.folder)
    }

    fn path(&self, transfer: TransferId) -> PathBuf {
        self.folder.join(transfer.to_string())
    }

    pub(super) fn states(&self, transfer: TransferId) -> PathBuf {
        self.folder.join(format!("{transfer}.states"))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes renames in a folder durable. Windows has no such call and needs none.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(folder)?.sync_all() }
}

#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Head {
    /// The only device that may fetch it.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub audience: Option<[u8; 32]>,
    #[n(1)]
    pub bytes: u64,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub manifest: [u8; 32],
    #[n(3)]
    pub tops: Vec<Top>,
    #[n(4)]
    pub odd: Vec<Odd>,
    /// The private room whose members may fetch it.
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub room: Option<[u8; 32]>,
    /// The shared folder that the paths are relative to.
    #[n(6)]
    pub inside: Option<Vec<u16>>,
    /// Who offers it, if somebody else does: then this device has all of it, and gives it on.
    #[n(9)]
    #[cbor(with = "minicbor::bytes")]
    pub author: Option<[u8; 32]>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Top {
    #[n(0)]
    name: String,
    #[n(1)]
    path: Vec<u16>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Odd {
    #[n(0)]
    pub file: u32,
    #[n(1)]
    pub path: Vec<u16>,
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
        author: head.author.map(PeerId),
        sha256: head.manifest,
        manifest: bytes,
        sources: Sources {
            inside: head.inside.map(|path| Arc::new(Inside::new(restored(&path)))),
            tops,
            odd,
        },
    })
}

/// A path, Unicode or not: the bytes of Unix or the 16-bit units of Windows, each as a number.
#[cfg(unix)]
pub(super) fn stored(path: &Path) -> Vec<u16> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().iter().map(|byte| u16::from(*byte)).collect()
}

#[cfg(unix)]
fn restored(units: &[u16]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(units.iter().map(|unit| *unit as u8).collect()).into()
}

#[cfg(windows)]
pub(super) fn stored(path: &Path) -> Vec<u16> {
    use std::os::windows::ffi::OsStrExt;
    path.as_os_str().encode_wide().collect()
}

#[cfg(windows)]
fn restored(units: &[u16]) -> PathBuf {
    use std::os::windows::ffi::OsStringExt;
    std::ffi::OsString::from_wide(units).into()
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.expect("disk work does not panic")
}
