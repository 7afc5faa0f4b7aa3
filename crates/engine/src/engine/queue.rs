//! The queue of transfers, as people see and steer it: accepting onto a disk, pausing, resuming, moving, forgetting, and how
//! fast and how many at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lanyard_proto::effects::{Effects, Event as Fact, Job, Record, Staged, TransferRecord};
use lanyard_proto::model::TransferId;
use lanyard_proto::node::Node;
use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::{AT_ONCE, TransferState};

use crate::api::{ApiError, Command, ErrorCode, Event, Trust};
use crate::config::Config;
use crate::engine::budget::Giver;
use crate::engine::commands::{Outcome, To, done, invalid, refused};
use crate::engine::gate::{Answer, Answering};
use crate::engine::run::{Report, Run};
use crate::engine::view::View;
use crate::files::{Choice, Disk, LEAST_TAKEN, Whose, disk_of, has_room, shown};
use crate::saying;
use crate::saying::Bytes;
use crate::says;
use crate::store::{Settings, StoreError};

/// How a disk is looked at.
pub type Looks = fn(&Path) -> Disk;

/// A disk was looked at, for a transfer that goes there.
pub struct Weighed {
    transfer: TransferId,
    folder: PathBuf,
    disk: Disk,
    wanted: Wanted,
}

/// What it was looked at for.
pub enum Wanted {
    /// A person says yes, perhaps to some files only.
    Accept(Option<Choice>, To),
    /// The rule that the node was started with does.
    Rule,
    Resume(To),
}

impl Run {
    pub fn accepted_by_rule(&mut self, transfer: TransferId) {
        let folder = self.download_folder();
        self.weigh(transfer, folder, Wanted::Rule);
    }

    /// Goes on with a transfer. What is fetched goes where it went before. What was got of a shared folder, and its holder gives
    /// no longer, is got anew: the answer is another transfer, in place of this one.
    pub async fn resume(&mut self, transfer: &str, to: To) -> Result<(), StoreError> {
        match self.find_transfer(transfer) {
            Ok(transfer) if self.is_own(transfer) => self.resumed(transfer, to).await,
            Ok(transfer) if self.is_to_be_got_anew(transfer) => {
                self.get_anew(transfer, to);
                Ok(())
            }
            Ok(transfer) if self.is_unanswered(transfer) => {
                let id = transfer.to_string();
                let error = says!(
                    ErrorCode::Refused,
                    "It was not accepted yet, so there is nothing to go on with. To fetch it: lanyard accept {id}",
                    id = id[id.len() / 2..][..8].to_owned()
                );
                // Whoever asked may be gone.
                let _ = to.send(Err(error));
                Ok(())
            }
            Ok(transfer) => {
                let folder = self.folder_of(transfer);
                self.weigh(transfer, folder, Wanted::Resume(to));
                Ok(())
            }
            Err(error) => {
                let _ = to.send(Err(error));
                Ok(())
            }
        }
    }

    /// Looks at the disk that a transfer goes to; a slow one keeps nobody else waiting.
    pub fn weigh(&self, transfer: TransferId, folder: PathBuf, wanted: Wanted) {
        let (reports, looks) = (self.reports.clone(), self.looks);
        tokio::task::spawn_blocking(move || {
            let disk = looks(&folder);
            // The engine's task may have ended.
            let _ =
                reports.blocking_send(Report::Weighed(Box::new(Weighed { transfer, folder, disk, wanted })));
        });
    }

    pub async fn weighed(&mut self, weighed: Weighed) -> Result<(), StoreError> {
        let Weighed { transfer, folder, disk, wanted } = weighed;
        let (choice, to) = match wanted {
            Wanted::Resume(to) => {
                self.node.lay(transfer, disk.number);
                return self.resumed(transfer, to).await;
            }
            Wanted::Rule => match self.check_room_by_rule(transfer, &folder, disk) {
                Ok(()) => (None, None),
                // It stays offered, and a person can say yes.
                Err(error) => {
                    self.tell(Event::Notice { error });
                    return Ok(());
                }
            },
            Wanted::Accept(choice, to) => match self.check_room(transfer, &folder, disk, choice.as_ref()) {
                Ok(()) => (choice, Some(to)),
                Err(error) => {
                    let _ = to.send(Err(error));
                    return Ok(());
                }
            },
        };
        // What is on its way goes where it goes.
        if self.node.transfer(transfer).is_some_and(|record| !record.state.is_wanted()) {
            self.node.lay(transfer, disk.number);
        }
        self.fetch(transfer, folder, choice, to).await
    }

    /// Whether somebody offers it, and nobody here has said yes or no. It may be paused by its author.
    fn is_unanswered(&self, transfer: TransferId) -> bool {
        self.node.transfer(transfer).is_some_and(|record| record.state == TransferState::Offered)
    }

    async fn resumed(&mut self, transfer: TransferId, to: To) -> Result<(), StoreError> {
        match self.node.resume(transfer, self.clock.now()) {
            Ok(effects) => {
                self.view.transfer(transfer).note.problem = None;
                self.enter(effects, Some(answer(transfer, to))).await
            }
            Err(error) => {
                let _ = to.send(Err(refused(error)));
                Ok(())
            }
        }
    }

    /// A person who says yes is told at once if it cannot come; what waits for room later says so where it waits.
    fn check_room(
        &self,
        transfer: TransferId,
        folder: &Path,
        disk: Disk,
        choice: Option<&Choice>,
    ) -> Result<(), ApiError> {
        let Some(record) = self.node.transfer(transfer) else { return Ok(()) };
        let note = self.view.transfers.get(&transfer).map(|view| &view.note);
        // What failed keeps there what came of it.
        let here = note.filter(|note| note.folder.as_deref() == Some(folder)).map_or(0, |note| note.moved);
        let wanted = choice.map_or(record.offer.bytes, |choice| choice.bytes);
        check_space(folder, disk, wanted.saturating_sub(here))
    }

    /// What the rule said yes to before and is still to come needs its room, too: many offers fill a disk as well as a large one.
    fn check_room_by_rule(
        &mut self,
        transfer: TransferId,
        folder: &Path,
        disk: Disk,
    ) -> Result<(), ApiError> {
        let Some(record) = self.node.transfer(transfer) else { return Ok(()) };
        let coming = self
            .node
            .transfers()
            .filter(|other| other.id != transfer && other.from != self.node.me() && other.state.is_wanted());
        let least = disk.least_taken();
        let coming: u64 = coming
            .filter_map(|other| {
                let note = &self.view.transfers.get(&other.id)?.note;
                let goes_there = note.folder.as_deref() == Some(folder);
                goes_there.then(|| taken_by(&other.offer, least).saturating_sub(note.moved))
            })
            .fold(0, u64::saturating_add);
        let name = record.offer.names.first().map(|name| shown(name)).unwrap_or_default();
        let (from, wanted, other) = (record.from, taken_by(&record.offer, least), self.name_of(record.from));
        has_room(disk, wanted.saturating_add(coming), Whose::Rule).map_err(|lack| {
            let (other, lack) = (&other, lack.filling(folder));
            says!(
                ErrorCode::Storage,
                "“{name}” of {other} is not fetched by itself, because it would fill the disk ({lack}). It can still be \
                 accepted.",
                name = &name,
                other,
                lack
            )
        })?;
        if self.trust_of(from) == Trust::Verified {
            return Ok(());
        }
        let Some(room) = disk.room_for_others() else { return Ok(()) };
        let giver = match self.node.presence().is_hardly_known(from) {
            true => Giver::Newcomers,
            false => Giver::Device(from),
        };
        let now = self.clock.now().instant;
        self.budgets.spend(giver, wanted, room.saturating_sub(coming), now).map_err(|left| {
            let (wanted, left) = (Bytes(wanted), Bytes(left));
            says!(
                ErrorCode::Storage,
                "“{name}” of {other} is not fetched by itself: it takes {wanted}, and of what unverified devices may fill by \
                 themselves in a day {left} are left. It can still be accepted.",
                name,
                other,
                wanted,
                left
            )
        })
    }

    pub fn queue_command(&mut self, command: Command) -> Result<Outcome, ApiError> {
        let now = self.clock.now();
        match command {
            Command::Pause { transfer } => {
                let transfer = self.find_transfer(&transfer)?;
                let effects = self.node.pause(transfer, now).map_err(refused)?;
                Ok(Outcome::After(effects, Answering::Transfer(transfer)))
            }
            Command::Reorder { transfer, before } => {
                let transfer = self.find_transfer(&transfer)?;
                let before = before.map(|before| self.find_transfer(&before)).transpose()?;
                let effects = self.node.reorder(transfer, before, now).map_err(refused)?;
                Ok(Outcome::After(effects, Answering::Transfers))
            }
            Command::ForgetTransfer { transfer } => {
                let transfer = self.find_in_history(&transfer)?;
                Ok(done(self.forget_transfer(transfer)?))
            }
            Command::ForgetTransfers {} => {
                let known =
                    self.node.transfers().filter(|record| record.state.is_over()).map(|record| record.id);
                let earlier = self.view.transfers.iter().filter(|(_, view)| view.record.is_some());
                let mut over: Vec<TransferId> = known.chain(earlier.map(|(id, _)| *id)).collect();
                over.sort_unstable();
                over.dedup();
                let mut effects = Effects::default();
                for transfer in over {
                    // One that was taken up again is not over.
                    effects.extend(self.forget_transfer(transfer).unwrap_or_default());
                }
                Ok(done(effects))
            }
            _ => Err(says!(ErrorCode::Internal, "This is no command about the queue.")),
        }
    }

    pub(super) fn forget_transfer(&mut self, transfer: TransferId) -> Result<Effects, ApiError> {
        if self.node.transfer(transfer).is_some() {
            return self.node.forget_transfer(transfer, self.clock.now()).map_err(refused);
        }
        // The node knows the newest only.
        Ok(Effects {
            commit: vec![Record::TransferForgotten(transfer)],
            run: vec![Job::StopPull { transfer, staged: Staged::Discard }, Job::Unshelve { transfer }],
            tell: vec![Fact::TransferForgotten(transfer)],
            ..Effects::default()
        })
    }

    /// A transfer is in the history no longer: nothing is known of it from now on.
    pub fn forgotten(&mut self, transfer: TransferId) {
        self.view.transfers.remove(&transfer);
        self.tell(Event::TransferForgotten { transfer: transfer.to_string() });
    }

    /// Transfers of earlier runs, too.
    fn find_in_history(&self, wanted: &str) -> Result<TransferId, ApiError> {
        let earlier = self.view.transfers.iter().filter(|(_, view)| view.record.is_some()).map(|(id, _)| *id);
        let mut found: Vec<TransferId> = earlier
            .chain(self.node.transfers().map(|record| record.id))
            .filter(|id| id.is_meant(wanted))
            .collect();
        found.sort_unstable();
        found.dedup();
        match found[..] {
            [one] => Ok(one),
            [] => {
                let code = ErrorCode::NoSuch;
                Err(says!(code, "There is no transfer “{wanted}”. See them: lanyard transfers", wanted))
            }
            _ => Err(invalid(saying!(
                "Several transfers begin with “{wanted}”: write more of the id.",
                wanted
            ))),
        }
    }

    /// Queued transfers that have another place than was told.
    pub fn tell_of_places(&mut self) {
        if !std::mem::take(&mut self.view.queue_changed) {
            return;
        }
        for (place, id) in (0..PLACES_TOLD).zip(self.node.queued()) {
            let view = self.view.transfer(id);
            if view.place.replace(place) != Some(place)
                && let Some(transfer) = self.transfer(id)
            {
                self.tell(Event::TransferChanged { transfer });
            }
        }
    }

    pub fn upload_limit(&self) -> u64 {
        self.settings.upload_limit.unwrap_or(0)
    }

    pub fn download_limit(&self) -> u64 {
        self.settings.download_limit.unwrap_or(0)
    }

    pub fn transfers_at_once(&self) -> u32 {
        self.settings.at_once.unwrap_or(AT_ONCE as u32)
    }

    /// Lets the settings hold from now on, also for what runs.
    pub fn limit_transfers(&mut self) -> Effects {
        self.up.set(self.upload_limit());
        self.down.set(self.download_limit());
        self.node.set_transfers_at_once(self.transfers_at_once() as usize, self.clock.now())
    }

    fn is_own(&self, transfer: TransferId) -> bool {
        self.node.transfer(transfer).is_some_and(|record| record.from == self.node.me())
    }
}

/// Lets the node know where what was accepted before goes, before any of it runs. A disk that does not answer is waited
/// for no longer than a moment, and then counts as the same one as all others of its kind.
pub async fn lay_accepted(node: &mut Node, view: &View, settings: &Settings, config: &Config) {
    let me = node.me();
    let accepted = |record: &&TransferRecord| record.from != me && record.state.is_wanted();
    let folder = |id| {
        let noted = view.transfers.get(&id).and_then(|view| view.note.folder.clone());
        noted.or_else(|| settings.downloads.clone()).unwrap_or_else(|| config.profile.join("downloads"))
    };
    let mut folders: BTreeMap<PathBuf, Vec<TransferId>> = BTreeMap::new();
    for record in node.transfers().filter(accepted) {
        folders.entry(folder(record.id)).or_default().push(record.id);
    }
    for (folder, transfers) in folders {
        let looked = tokio::task::spawn_blocking(move || disk_of(&folder));
        let Ok(Ok(disk)) = tokio::time::timeout(LOOK, looked).await else { continue };
        transfers.into_iter().for_each(|transfer| node.lay(transfer, disk.number));
    }
}

/// Takes over what a person chose.
///
/// # Errors
/// `Invalid` if it makes no sense.
pub fn choose_limits(
    settings: &mut Settings,
    upload: Option<u64>,
    download: Option<u64>,
    at_once: Option<u32>,
) -> Result<(), ApiError> {
    if [upload, download].into_iter().flatten().any(|limit| limit != 0 && limit < MIN_LIMIT) {
        return Err(invalid(saying!("A limit needs 4096 bytes a second at least; 0 means none.")));
    }
    if at_once.is_some_and(|at_once| !(1..=MAX_AT_ONCE).contains(&at_once)) {
        return Err(invalid(saying!("From 1 to 16 transfers can be fetched at a time onto one disk.")));
    }
    settings.upload_limit = upload.or(settings.upload_limit);
    settings.download_limit = download.or(settings.download_limit);
    settings.at_once = at_once.or(settings.at_once);
    Ok(())
}

/// Whether so many bytes can come into a folder.
///
/// # Errors
/// `Storage` if they cannot.
pub fn check_space(folder: &Path, disk: Disk, bytes: u64) -> Result<(), ApiError> {
    has_room(disk, bytes, Whose::Person).map_err(|lack| {
        let lack = lack.filling(folder);
        says!(
            ErrorCode::Storage,
            "There is not enough space: {lack}. Free some, or choose another folder.",
            lack
        )
    })
}

/// Whether an offer is one that the rule may say yes to, of so many bytes at the most. A single file counts as it is.
pub fn is_within(offer: &Offer, limit: Option<u64>) -> bool {
    let items = items(offer);
    let bytes = if items <= 1 { offer.bytes } else { taken_by(offer, LEAST_TAKEN) };
    items <= MAX_UNASKED && limit.is_none_or(|limit| bytes <= limit)
}

/// Bytes of a disk that an offer takes: files and folders take `least` although nothing is in them.
fn taken_by(offer: &Offer, least: u64) -> u64 {
    offer.bytes.saturating_add(items(offer).saturating_mul(least))
}

fn items(offer: &Offer) -> u64 {
    offer.files.saturating_add(offer.folders)
}

fn answer(transfer: TransferId, to: To) -> Answer {
    Answer { to, with: Answering::Transfer(transfer) }
}

/// Files and folders of one offer that is fetched without asking: twice what people send in one go. Each takes one of the
/// numbers that a file system has for files, of which there are not any number.
const MAX_UNASKED: u64 = 200_000;
/// Less would not keep a few connections alive.
const MIN_LIMIT: u64 = 4096;
/// More would only share the same disk.
const MAX_AT_ONCE: u32 = 16;
/// Queued transfers of whose places is told when they change; those behind are right in every answer.
const PLACES_TOLD: u32 = 200;
/// For each folder.
const LOOK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_take_room_although_nothing_is_in_them() {
        let offer = |files, folders, bytes| {
            let (names, manifest) = (vec!["a".to_owned()], [0; 32]);
            Offer { names, files, folders, bytes, manifest }
        };
        assert!(is_within(&offer(1, 0, 900), Some(1000)), "one file is as large as it is");
        assert!(is_within(&offer(100, 10, 1 << 20), Some(2 << 20)));
        assert!(!is_within(&offer(1000, 0, 0), Some(1 << 20)), "empty ones are not free");
        assert!(
            is_within(&offer(100_000, 1_000, 409_600_000), None),
            "large folders are a wish like any other"
        );
        assert!(!is_within(&offer(199_000, 1_001, 0), None), "nor are very many wanted by any rule");
        assert!(!is_within(&offer(u64::MAX, u64::MAX, u64::MAX), Some(u64::MAX)));
        assert_eq!(taken_by(&offer(1000, 24, 7), LEAST_TAKEN), (4 << 20) + 7);
    }
}
