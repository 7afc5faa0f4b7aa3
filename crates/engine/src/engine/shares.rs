//! Folders that this device shares: which, with whom, and what is answered to those who ask for them.

mod asking;
mod lending;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lanyard_proto::effects::{Effects, Origin};
use lanyard_proto::model::{Instant, PeerId, RoomId, ShareId, TransferId};
use lanyard_proto::pacing::TokenBucket;
use lanyard_proto::rooms::RoomKind;
use lanyard_proto::wire::share::{MAX_SHARE_NAME, MAX_SHARES, Shared};
use lanyard_proto::wire::text::clean_line;
use tokio::sync::Semaphore;

use crate::api::{ApiError, Command, ErrorCode, Reply, Share, ShareAudience};
use crate::engine::bulk::MAX_ASKERS_PER_PEER;
use crate::engine::commands::{Outcome, invalid};
use crate::engine::gate::Answering;
use crate::engine::run::Run;
use crate::files::{Pages, Question};
use crate::saying;
use crate::says;
use crate::store::{SharedFolder, SharedWith};

pub use lending::ShareReport;

/// The folders that are shared, and how fast others may ask for them.
pub struct Shares {
    /// In the order in which they were shared.
    folders: Vec<SharedFolder>,
    paces: BTreeMap<PeerId, TokenBucket>,
    /// Who may read the disk to answer.
    turns: Arc<Semaphore>,
    /// What was read of them lately.
    pages: Pages,
    /// Of whom this device asks something: no more at a time than they answer.
    asked: BTreeMap<PeerId, Arc<Semaphore>>,
}

impl Shares {
    pub fn new(folders: Vec<SharedFolder>) -> Shares {
        let turns = Arc::new(Semaphore::new(MAX_TURNS));
        Shares { folders, paces: BTreeMap::new(), turns, pages: Pages::default(), asked: BTreeMap::new() }
    }

    fn get(&self, share: ShareId) -> Option<&SharedFolder> {
        self.folders.iter().find(|folder| folder.id == share)
    }

    fn put(&mut self, folder: SharedFolder) {
        match self.folders.iter_mut().find(|known| known.id == folder.id) {
            Some(known) => *known = folder,
            None => self.folders.push(folder),
        }
    }

    /// Whoever asks somebody something waits for one of these.
    fn asks(&mut self, peer: PeerId) -> Arc<Semaphore> {
        self.asked.retain(|_, turns| Arc::strong_count(turns) > 1);
        self.asked.entry(peer).or_insert_with(|| Arc::new(Semaphore::new(MAX_ASKERS_PER_PEER))).clone()
    }

    /// Whether a device may ask this now. It pays for it.
    fn may_ask(&mut self, peer: PeerId, question: Question, now: Instant) -> bool {
        if self.paces.len() >= MAX_PACES {
            // Whoever could ask as much as anybody need not be remembered.
            self.paces.retain(|_, pace| pace.ready_at(BURST as usize, now) > now);
        }
        if self.paces.len() >= MAX_PACES && !self.paces.contains_key(&peer) {
            return false;
        }
        let pace = self.paces.entry(peer).or_insert_with(|| TokenBucket::new(RATE, BURST, now));
        let cost = match question {
            Question::Look | Question::List => 1,
            Question::Take => TAKE_COST,
        };
        let may = pace.ready_at(cost, now) <= now;
        if may {
            pace.spend(cost, now);
        }
        may
    }
}

impl Run {
    pub(super) async fn change_shares(&mut self, command: Command) -> Result<Outcome, ApiError> {
        match command {
            Command::Share { handle, name, who } => {
                let path = self.shareable(&self.folder(&handle)?)?;
                let who = self.shared_with(who)?;
                let known = self.shares.folders.iter().find(|folder| folder.path == path);
                let folder = match known {
                    Some(known) => SharedFolder { who, ..known.clone() },
                    None if self.shares.folders.len() >= MAX_SHARES => {
                        return Err(invalid(saying!(
                            "You share {most} folders, and cannot share more.",
                            most = MAX_SHARES
                        )));
                    }
                    None => {
                        let own =
                            path.file_name().map_or_else(|| "files".into(), |name| name.to_string_lossy());
                        let name = if name.is_some() { String::new() } else { self.free_name(&own) };
                        SharedFolder { id: random_id()?, name, path, who }
                    }
                };
                self.keep_share(folder, name).await
            }
            Command::SetShare { share, name, who } => {
                let mut folder = self.find_share(&share)?.clone();
                if let Some(who) = who {
                    folder.who = self.shared_with(who)?;
                }
                self.keep_share(folder, name).await
            }
            Command::Unshare { share } => {
                let share = self.find_share(&share)?.id;
                let kept = self.store.unshare(share).await?;
                self.gate.wait_for(kept);
                self.shares.folders.retain(|folder| folder.id != share);
                let effects = self.node.unshare(share, self.clock.now());
                Ok(Outcome::After(effects, Answering::Shared(Box::new(Reply::Done))))
            }
            _ => Err(says!(ErrorCode::Internal, "This is nothing about shared folders.")),
        }
    }

    async fn keep_share(
        &mut self,
        mut folder: SharedFolder,
        name: Option<String>,
    ) -> Result<Outcome, ApiError> {
        if let Some(name) = name {
            folder.name = self.chosen_name(&name, folder.id)?;
        }
        let kept = self.store.share(folder.clone()).await?;
        self.gate.wait_for(kept);
        let shown = show(&folder, false);
        self.shares.put(folder);
        self.recheck_shared();
        Ok(Outcome::After(Effects::default(), Answering::Shared(Box::new(Reply::Share(shown)))))
    }

    /// Where a folder really is, if others may look into it.
    fn shareable(&self, path: &Path) -> Result<PathBuf, ApiError> {
        let unusable = |error: std::io::Error| {
            says!(ErrorCode::Storage, "{path} cannot be shared: {error}.", path, error)
        };
        let path = std::fs::canonicalize(path).map_err(unusable)?;
        let profile = std::fs::canonicalize(&self.config.profile).map_err(unusable)?;
        match reveals(&path, &profile) {
            true => Err(invalid(saying!(
                "{path} holds this device's key and messages, at {profile}. Share another folder, or one that is in it.",
                path,
                profile
            ))),
            false => Ok(path),
        }
    }

    fn chosen_name(&self, wanted: &str, share: ShareId) -> Result<String, ApiError> {
        let name = clean_line(wanted, MAX_SHARE_NAME);
        if name.is_empty() || name.contains(['/', '\\']) {
            return Err(invalid(saying!(
                "The name of a shared folder has at least one character, and no slashes."
            )));
        }
        let is_taken = |folder: &&SharedFolder| folder.id != share && same_name(&folder.name, &name);
        match self.shares.folders.iter().find(is_taken) {
            Some(other) => {
                let path = &other.path;
                Err(invalid(saying!("You share {path} as “{name}”. Choose another name: --name", path, name)))
            }
            None => Ok(name),
        }
    }

    /// A name like this that no other shared folder has.
    fn free_name(&self, wanted: &str) -> String {
        let plain = clean_line(&wanted.replace(['/', '\\'], "_"), MAX_SHARE_NAME - NUMBER_ROOM);
        let plain = if plain.is_empty() { "files".to_owned() } else { plain };
        let taken = |name: &str| self.shares.folders.iter().any(|folder| same_name(&folder.name, name));
        let numbered = (2..).map(|number| format!("{plain} ({number})"));
        let mut names = std::iter::once(plain.clone()).chain(numbered);
        names.find(|name| !taken(name)).unwrap_or(plain)
    }

    fn shared_with(&self, who: ShareAudience) -> Result<SharedWith, ApiError> {
        Ok(match who {
            ShareAudience::Everyone => SharedWith::Everyone,
            ShareAudience::Room { room } => SharedWith::Room(self.find_room(&room)?),
            ShareAudience::People { people } if people.len() > MAX_PEOPLE => {
                return Err(invalid(saying!(
                    "A folder is shared with {most} people at the most. Make a room for more.",
                    most = MAX_PEOPLE
                )));
            }
            ShareAudience::People { people } => {
                let found = people.iter().map(|person| self.find_person(person));
                let mut found = found.collect::<Result<Vec<PeerId>, ApiError>>()?;
                found.sort_unstable();
                found.dedup();
                SharedWith::People(found)
            }
        })
    }

    /// The one shared folder that an id, the beginning of one, or a name means.
    fn find_share(&self, wanted: &str) -> Result<&SharedFolder, ApiError> {
        let all = &self.shares.folders;
        let named: Vec<&SharedFolder> = all.iter().filter(|folder| same_name(&folder.name, wanted)).collect();
        let prefix = wanted.to_lowercase();
        let by_id = all.iter().filter(|folder| folder.id.to_string().starts_with(&prefix));
        let found = if named.is_empty() && !prefix.is_empty() { by_id.collect() } else { named };
        match found[..] {
            [one] => Ok(one),
            [] => {
                let code = ErrorCode::NoSuch;
                Err(says!(code, "You share no folder “{wanted}”. See which: lanyard share --list", wanted))
            }
            _ => Err(invalid(saying!(
                "Several shared folders begin with “{wanted}”: write more of the id.",
                wanted
            ))),
        }
    }

    /// What is shared with a device at this moment.
    fn shared_to(&self, peer: PeerId) -> Vec<Shared> {
        let seen = self.shares.folders.iter().filter(|folder| self.may_see(folder, peer));
        seen.map(|folder| Shared { share: folder.id, name: folder.name.clone() }).collect()
    }

    /// Whether a device may look into a shared folder at this moment.
    fn may_see(&self, folder: &SharedFolder, peer: PeerId) -> bool {
        if self.node.presence().is_blocked(peer) {
            return false;
        }
        match &folder.who {
            SharedWith::Everyone => true,
            SharedWith::Room(room) => self.node.is_in(*room, peer),
            SharedWith::People(people) => people.contains(&peer),
        }
    }

    /// Whether what a device asked for of a shared folder is still shared with it; so is everything that is not of one.
    pub(super) fn may_fetch_shared(&self, transfer: TransferId, peer: PeerId) -> bool {
        let Some(record) = self.node.transfer(transfer).filter(|record| record.from == self.node.me()) else {
            return true;
        };
        let Origin::Share { share, .. } = record.origin else { return true };
        self.shares.get(share).is_some_and(|folder| match folder.who {
            // Who is in an open room is only heard: after a start not at once, and anybody can come in.
            SharedWith::Room(room) if self.is_open_room(room) => !self.node.presence().is_blocked(peer),
            _ => self.may_see(folder, peer),
        })
    }

    fn is_open_room(&self, room: RoomId) -> bool {
        self.node.room(room).is_some_and(|held| held.record().kind == RoomKind::Open)
    }

    /// Cuts those who fetch what is not shared with them any more.
    fn recheck_shared(&self) {
        for serving in self.serves.values() {
            if let Some(transfer) = serving.transfer
                && !self.may_fetch_shared(transfer, serving.peer)
            {
                serving.stop.cancel();
            }
        }
    }

    /// Whether nothing is to be said of a transfer: somebody asked for it, and has not fetched anything yet.
    pub(super) fn is_quiet(&self, id: TransferId, shown: &crate::api::Transfer) -> bool {
        let record = self.node.transfer(id).filter(|record| record.from == self.node.me());
        record.is_some_and(|record| record.share().is_some())
            && shown.state == crate::api::TransferState::Offered
            && shown.moved == 0
    }
}

/// Whether whoever looks into the folder `shared` can come to `secret`. What is hidden cannot be reached.
fn reveals(shared: &Path, secret: &Path) -> bool {
    if shared.starts_with(secret) {
        return true;
    }
    let Ok(below) = secret.strip_prefix(shared) else { return false };
    !below.iter().any(|name| name.as_encoded_bytes().first() == Some(&b'.'))
}

/// A name that somebody else gave, as one name of one line.
fn clean_name(name: &str) -> String {
    let name = clean_line(name, MAX_SHARE_NAME).replace(['/', '\\'], "\u{fffd}");
    if name.is_empty() { "\u{fffd}".to_owned() } else { name }
}

fn same_name(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn random_id() -> Result<ShareId, ApiError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(ShareId(id))
}

fn show(folder: &SharedFolder, gone: bool) -> Share {
    Share {
        id: folder.id.to_string(),
        name: folder.name.clone(),
        path: folder.path.display().to_string(),
        who: match &folder.who {
            SharedWith::Everyone => ShareAudience::Everyone,
            SharedWith::Room(room) => ShareAudience::Room { room: room.to_string() },
            SharedWith::People(people) => {
                ShareAudience::People { people: people.iter().map(ToString::to_string).collect() }
            }
        },
        gone,
    }
}

/// People that one folder is shared with by name.
const MAX_PEOPLE: usize = 256;
/// Bytes for the number of a twin.
const NUMBER_ROOM: usize = 8;
/// Threads that read the disk for those who ask: a slow disk holds up no more.
const MAX_TURNS: usize = 4;
/// Devices whose questions are counted.
const MAX_PACES: usize = 256;
/// Questions that a device may ask at once,
const BURST: u32 = 512;
/// and how many a second from then on: a large folder is read through page by page.
const RATE: u32 = 64;
/// An offer is written to the disk, and kept.
const TAKE_COST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_not_shared_that_would_show_the_key() {
        let profile = Path::new("/home/ann/lanyard");
        for revealing in ["/home/ann/lanyard", "/home/ann/lanyard/offers", "/home/ann", "/"] {
            assert!(reveals(Path::new(revealing), profile), "{revealing}");
        }
        assert!(!reveals(Path::new("/home/ann/photos"), profile));
        assert!(
            !reveals(Path::new("/home/ann"), Path::new("/home/ann/.local/share/lanyard")),
            "it is hidden"
        );
        assert!(reveals(Path::new("/home/ann/.local/share"), Path::new("/home/ann/.local/share/lanyard")));
    }

    #[test]
    fn whoever_asks_too_much_waits_and_others_do_not() {
        let [eve, bob] = [PeerId([6; 32]), PeerId([2; 32])];
        let now = Instant(1_000_000);
        let mut shares = Shares::new(Vec::new());
        let taken = (0..1000).take_while(|_| shares.may_ask(eve, Question::Take, now)).count();
        assert_eq!(taken, BURST as usize / TAKE_COST);
        assert!(!shares.may_ask(eve, Question::Take, now));
        assert!(shares.may_ask(bob, Question::Take, now));
        let later = now + std::time::Duration::from_secs(1);
        assert!(shares.may_ask(eve, Question::Take, later));
    }

    #[test]
    fn made_up_devices_take_no_more_memory_than_there_is() {
        let mut shares = Shares::new(Vec::new());
        let now = Instant(1_000_000);
        let peer = |number: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            PeerId(id)
        };
        let asked = (0..1000).filter(|number| shares.may_ask(peer(*number), Question::List, now)).count();
        assert_eq!((asked, shares.paces.len()), (MAX_PACES, MAX_PACES));
        let later = now + std::time::Duration::from_secs(60);
        assert!(shares.may_ask(peer(5000), Question::List, later));
    }
}
