//! Offers that somebody asked for, from a shared folder: for that device alone, made without a word in any log.
//!
//! The holder remembers them, so that they are served after a restart as before: a bounded number, for a bounded time,
//! and no longer than until the asker has said what came of it. Whoever never comes for what it asked for may not even know
//! that it was offered: that is given up much sooner.

use std::time::Duration;

use crate::effects::{Audience, Effects, Job, Origin, Record, TransferRecord};
use crate::model::{Instant, PeerId, ShareId, TransferId, UnixMillis};
use crate::transfer::table::Open;
use crate::transfer::{Receipt, Refusal, TransferState, Transfers};
use crate::wire::file::MAX_ITEMS;

impl Transfers {
    /// Offers to one device what it asked for. Where it has asked for too much, what it asked for first is given up.
    ///
    /// # Errors
    /// If others have asked for so much that there is no room.
    pub fn give(&mut self, record: TransferRecord, now: Instant) -> Result<Effects, Refusal> {
        let Origin::Share { to, .. } = record.origin else { return Err(Refusal::Unknown) };
        let mut effects = self.give_up_old(record.offered);
        self.forget_ended();
        let wanted = items(&record);
        let mut held: Vec<(TransferId, PeerId, u64)> = self.given().collect();
        let of_asker = held
            .iter()
            .filter(|(_, of, _)| *of == to)
            .map(|(id, _, items)| (*id, *items))
            .collect::<Vec<_>>();
        let mut sum: u64 = of_asker.iter().map(|(_, items)| items).sum();
        let mut count = of_asker.len();
        let mut first = of_asker.into_iter();
        while count >= MAX_GIVEN_TO_PEER || sum.saturating_add(wanted) > MAX_ITEMS {
            let Some((oldest, items)) = first.next() else { break };
            effects.extend(self.end_given(oldest));
            held.retain(|(id, ..)| *id != oldest);
            (count, sum) = (count - 1, sum - items);
        }
        let sum: u64 = held.iter().map(|(.., items)| items).sum();
        if held.len() >= MAX_GIVEN || sum.saturating_add(wanted) > MAX_GIVEN_ITEMS || self.is_full() {
            return Err(Refusal::TooMany);
        }
        let audience = Audience::Peer(to);
        effects.commit.push(Record::Transfer(record.clone()));
        effects.run.push(Job::Shelve { transfer: record.id, audience });
        let mut open = Open::new(record, audience);
        open.unclaimed = Some(now + UNCLAIMED_FOR);
        self.open.insert(open.record.id, open);
        Ok(effects)
    }

    /// Fetches what a holder offered because this device asked for it, onto a disk as [`Transfers::lay`] has it; its turn
    /// comes behind all others.
    ///
    /// # Errors
    /// If the id is one that is known already, or there are too many.
    pub fn take(&mut self, mut record: TransferRecord, disk: u64, now: Instant) -> Result<Effects, Refusal> {
        self.may_take(record.id)?;
        let transfer = record.id;
        record.turn = self.last_turn();
        let audience = Audience::Peer(record.from);
        let mut open = Open::new(record, audience);
        open.disk = disk;
        open.go_on(now);
        let mut effects = open.changed();
        self.open.insert(transfer, open);
        effects.extend(self.hear_what_was_said(transfer));
        Ok(effects)
    }

    /// Whether [`Transfers::take`] would take it.
    ///
    /// # Errors
    /// As there.
    pub fn may_take(&self, transfer: TransferId) -> Result<(), Refusal> {
        match () {
            () if self.open.contains_key(&transfer) => Err(Refusal::Over),
            () if self.is_full() => Err(Refusal::TooMany),
            () => Ok(()),
        }
    }

    /// What is offered of a shared folder at the moment.
    pub fn given_of(&self, share: ShareId) -> Vec<TransferId> {
        self.given().map(|(id, ..)| id).filter(|id| self.share_of(*id) == Some(share)).collect()
    }

    fn share_of(&self, transfer: TransferId) -> Option<ShareId> {
        self.get(transfer).and_then(TransferRecord::share)
    }

    /// Offers of this kind that can be fetched, the oldest first: to whom, and how many files and folders.
    fn given(&self) -> impl Iterator<Item = (TransferId, PeerId, u64)> {
        let mut given: Vec<(UnixMillis, TransferId, PeerId, u64)> = self
            .open
            .values()
            .filter(|open| open.record.from == self.me && !is_settled(&open.record))
            .filter_map(|open| match open.record.origin {
                Origin::Share { to, .. } => {
                    Some((open.record.offered, open.record.id, to, items(&open.record)))
                }
                Origin::Entry(_) => None,
            })
            .collect();
        given.sort_unstable();
        given.into_iter().map(|(_, id, to, items)| (id, to, items))
    }

    /// Gives up what nobody came for.
    pub fn give_up_old(&mut self, now: UnixMillis) -> Effects {
        let mut effects = Effects::default();
        let old: Vec<TransferId> = self.given().map(|(id, ..)| id).collect();
        for id in old {
            if self.get(id).is_some_and(|record| record.is_too_old_to_give(now)) {
                effects.extend(self.end_given(id));
            }
        }
        effects
    }

    /// Somebody came for what it asked for: it knows of it, and may go on with it for as long as it is given.
    pub fn came_for(&mut self, transfer: TransferId) {
        if let Some(open) = self.open.get_mut(&transfer) {
            open.unclaimed = None;
        }
    }

    /// Gives up what nobody has ever come for.
    pub fn give_up_unclaimed(&mut self, now: Instant) -> Effects {
        let mut unclaimed = Vec::new();
        for open in self.open.values_mut() {
            // What was withdrawn meanwhile is over already.
            if open.unclaimed.take_if(|until| *until <= now).is_some()
                && open.record.state == TransferState::Offered
            {
                unclaimed.push(open.record.id);
            }
        }
        let mut effects = Effects::default();
        unclaimed.into_iter().for_each(|id| effects.extend(self.end_given(id)));
        effects
    }

    pub(super) fn end_given(&mut self, transfer: TransferId) -> Effects {
        let Some(open) = self.open.get_mut(&transfer) else { return Effects::default() };
        open.unclaimed = None;
        open.record.state = TransferState::Cancelled;
        open.record.paused = false;
        let mut effects = Effects { run: vec![Job::Unshelve { transfer }], ..Effects::default() };
        effects.extend(open.changed());
        effects
    }

    /// What ended long ago is on disk, and need not be in memory as well.
    fn forget_ended(&mut self) {
        let ended = self.open.values().filter(|open| {
            open.record.from == self.me && open.record.share().is_some() && is_settled(&open.record)
        });
        let mut ended: Vec<_> = ended.map(|open| (open.record.offered, open.record.id)).collect();
        ended.sort_unstable();
        let many = ended.len().saturating_sub(MAX_ENDED);
        for (_, id) in ended.into_iter().take(many) {
            self.open.remove(&id);
        }
    }
}

impl Open {
    /// What was for one device alone, and is there, need not be served any longer.
    pub(super) fn unshelved_if_taken(&self) -> Effects {
        let mut effects = Effects::default();
        if self.record.share().is_some() && is_settled(&self.record) {
            effects.run.push(Job::Unshelve { transfer: self.record.id });
        }
        effects
    }
}

impl TransferRecord {
    /// The shared folder that it was taken from, if it was.
    pub fn share(&self) -> Option<ShareId> {
        match self.origin {
            Origin::Share { share, .. } => Some(share),
            Origin::Entry(_) => None,
        }
    }

    /// The other device, where it is between two alone because it was asked for.
    pub fn other_side(&self, me: PeerId) -> Option<PeerId> {
        match self.origin {
            Origin::Share { to, .. } => Some(if self.from == me { to } else { self.from }),
            Origin::Entry(_) => None,
        }
    }

    /// Whether nobody will come for it any more.
    pub fn is_given_and_over(&self) -> bool {
        self.share().is_some() && is_settled(self)
    }

    /// Whether whoever offers it gives it no longer because of its age.
    pub fn is_too_old_to_give(&self, now: UnixMillis) -> bool {
        self.offered.0.saturating_add(GIVEN_FOR.as_millis() as u64) < now.0
    }
}

/// Whether whoever asked has all of it, or does not want it. What failed may be fetched again, and so may the rest of a part.
fn is_settled(record: &TransferRecord) -> bool {
    match record.state {
        TransferState::Declined | TransferState::Cancelled => true,
        TransferState::Done => !record.receipts.iter().any(|(_, said)| matches!(said, Receipt::Part(_))),
        _ => false,
    }
}

fn items(record: &TransferRecord) -> u64 {
    record.offer.files.saturating_add(record.offer.folders)
}

/// For so long what was asked for can be fetched.
pub const GIVEN_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// For so long it can where nobody has come for it at all: whoever gets it comes at once, also if it has to wait for its turn.
pub const UNCLAIMED_FOR: Duration = Duration::from_secs(3600);
/// What one device can have asked for at a time; all of it has no more files than one offer may have.
const MAX_GIVEN_TO_PEER: usize = 256;
/// What all can have asked for.
const MAX_GIVEN: usize = 1024;
/// Files and folders of it: a name of each is on disk.
const MAX_GIVEN_ITEMS: u64 = 4 * MAX_ITEMS;
/// What ended and is still in memory, so that people see what became of it.
const MAX_ENDED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::Event;
    use crate::model::{Hlc, RoomId};
    use crate::rooms::{Offer, RoomKind};
    use crate::transfer::{Failure, Part, PullEnd};

    const ANN: PeerId = PeerId([1; 32]);
    const BOB: PeerId = PeerId([2; 32]);
    const EVE: PeerId = PeerId([6; 32]);
    const SHARE: ShareId = ShareId([3; 16]);

    fn id(number: u64) -> TransferId {
        TransferId::new(ANN, number.to_be_bytes())
    }

    /// The `number`th that somebody takes of Ann's folder.
    fn record(number: u64, to: PeerId, files: u64) -> TransferRecord {
        let offer = Offer { names: vec!["a".into()], files, folders: 0, bytes: 9, manifest: [0; 32] };
        TransferRecord {
            id: id(number),
            room: RoomId([3; 32]),
            origin: Origin::Share { share: SHARE, to },
            from: ANN,
            offer,
            state: TransferState::Offered,
            offered: UnixMillis(number),
            receipts: Vec::new(),
            paused: false,
            turn: 0,
            finished: None,
        }
    }

    fn unshelved(effects: &Effects) -> Vec<TransferId> {
        let unshelved = effects.run.iter().filter_map(|job| match job {
            Job::Unshelve { transfer } => Some(*transfer),
            _ => None,
        });
        unshelved.collect()
    }

    #[test]
    fn what_is_given_is_for_the_asker_alone_and_no_longer_than_until_it_is_there() {
        let mut ann = Transfers::new(ANN);
        let effects = ann.give(record(1, BOB, 1), Instant(0)).unwrap();
        assert!(effects.tell.is_empty(), "nobody is told before it moves");
        assert_eq!(ann.audience(id(1)), Some(Audience::Peer(BOB)));
        let received = Receipt::Received { digest: [7; 32] };
        assert!(ann.receipt(EVE, id(1), received, Hlc(0)).is_empty());
        let failed = ann.receipt(BOB, id(1), Receipt::Failed(Failure::DiskFull), Hlc(0));
        assert_eq!(unshelved(&failed), [], "it may come again");
        assert_eq!(ann.audience(id(1)), Some(Audience::Peer(BOB)));
        assert_eq!(unshelved(&ann.receipt(BOB, id(1), received, Hlc(0))), [id(1)]);
        assert_eq!(ann.get(id(1)).unwrap().state, TransferState::Done);
    }

    #[test]
    fn whoever_asks_for_too_much_loses_what_it_asked_for_first_and_nobody_elses() {
        let mut ann = Transfers::new(ANN);
        let _ = ann.give(record(0, EVE, 1), Instant(0)).unwrap();
        let many = MAX_GIVEN_TO_PEER as u64;
        for number in 1..=many {
            assert_eq!(unshelved(&ann.give(record(number, BOB, 1), Instant(0)).unwrap()), []);
        }
        assert_eq!(unshelved(&ann.give(record(many + 1, BOB, 1), Instant(0)).unwrap()), [id(1)]);
        let large = ann.give(record(many + 2, BOB, MAX_ITEMS), Instant(0)).unwrap();
        assert_eq!(unshelved(&large).len(), MAX_GIVEN_TO_PEER);
        assert_eq!(ann.given_of(SHARE), [id(0), id(many + 2)]);
    }

    #[test]
    fn all_together_get_no_more_than_there_is_room_for() {
        let mut ann = Transfers::new(ANN);
        for who in 0..4 {
            let _ = ann.give(record(u64::from(who), PeerId([10 + who; 32]), MAX_ITEMS), Instant(0)).unwrap();
        }
        assert_eq!(ann.give(record(9, BOB, 1), Instant(0)).unwrap_err(), Refusal::TooMany);
        let _ = ann.receipt(PeerId([10; 32]), id(0), Receipt::Cancelled, Hlc(0));
        assert!(ann.give(record(9, BOB, 1), Instant(0)).is_ok());
    }

    #[test]
    fn what_nobody_came_for_is_given_up_after_a_month() {
        let mut ann = Transfers::new(ANN);
        let _ = ann.give(record(1, BOB, 1), Instant(0)).unwrap();
        let later = GIVEN_FOR.as_millis() as u64 + 2;
        assert_eq!(unshelved(&ann.give(record(later, EVE, 1), Instant(0)).unwrap()), [id(1)]);
    }

    #[test]
    fn what_nobody_ever_came_for_is_given_up_after_an_hour_and_nothing_else_is() {
        let mut ann = Transfers::new(ANN);
        for number in 1..=3 {
            let _ = ann.give(record(number, BOB, 1), Instant(5)).unwrap();
        }
        ann.came_for(id(1));
        let _ = ann.receipt(BOB, id(2), Receipt::Failed(Failure::DiskFull), Hlc(0));
        let hour = Instant(5) + UNCLAIMED_FOR;
        assert_eq!(ann.deadline(), Some(hour));
        assert!(ann.give_up_unclaimed(Instant(hour.0 - 1)).is_empty());
        assert_eq!(unshelved(&ann.give_up_unclaimed(hour)), [id(3)]);
        assert_eq!((ann.given_of(SHARE), ann.deadline()), (vec![id(1), id(2)], None));

        // After a restart there is another hour, unless it is known that somebody came.
        let mut again = Transfers::new(ANN);
        for number in [1, 2] {
            let record =
                TransferRecord { state: TransferState::Offered, ..ann.get(id(number)).unwrap().clone() };
            let _ = again.load(record, RoomKind::Direct(BOB), Instant(0));
        }
        again.came_for(id(1));
        assert_eq!(unshelved(&again.give_up_unclaimed(Instant(0) + UNCLAIMED_FOR)), [id(2)]);
    }

    #[test]
    fn what_was_asked_for_and_is_not_wanted_any_more_is_given_to_nobody_and_what_is_paused_stays() {
        let mut ann = Transfers::new(ANN);
        let _ = ann.give(record(1, BOB, 1), Instant(0)).unwrap();
        let _ = ann.pause(id(1)).unwrap();
        assert!(ann.is_paused(id(1)));
        assert_eq!(ann.audience(id(1)), Some(Audience::Peer(BOB)));
        assert_eq!(unshelved(&ann.receipt(BOB, id(1), Receipt::Cancelled, Hlc(0))), [id(1)]);
        assert!(!ann.is_paused(id(1)));
        assert_eq!(ann.audience(id(1)), None);
    }

    #[test]
    fn the_rest_of_a_part_can_still_be_fetched() {
        let mut ann = Transfers::new(ANN);
        let _ = ann.give(record(1, BOB, 4), Instant(0)).unwrap();
        let part = Part { digest: [7; 32], files: 1, bytes: 2 };
        assert_eq!(unshelved(&ann.receipt(BOB, id(1), Receipt::Part(part), Hlc(0))), []);
        assert_eq!(ann.get(id(1)).unwrap().state, TransferState::Done);
        assert_eq!((ann.audience(id(1)), ann.given_of(SHARE)), (Some(Audience::Peer(BOB)), vec![id(1)]));
        assert_eq!(
            unshelved(&ann.receipt(BOB, id(1), Receipt::Received { digest: [8; 32] }, Hlc(0))),
            [id(1)]
        );
    }

    #[test]
    fn what_is_taken_waits_behind_what_was_accepted_before_on_the_same_disk() {
        let here = |_| vec!["127.0.0.1:24417".parse().unwrap()];
        let mut bob = Transfers::new(BOB);
        bob.set_at_once(1);
        let _ = bob.take(record(1, BOB, 1), 7, Instant(5)).unwrap();
        let _ = bob.take(record(2, BOB, 1), 7, Instant(5)).unwrap();
        let _ = bob.take(record(3, BOB, 1), 8, Instant(5)).unwrap();
        let _ = bob.start_due(Instant(5), here);
        let states = [1, 2, 3].map(|number| bob.get(id(number)).unwrap().state);
        assert_eq!(states, [TransferState::Running, TransferState::Queued, TransferState::Running]);
        assert_eq!(bob.queued(), [id(2)]);
    }

    #[test]
    fn what_its_holder_took_back_before_it_was_taken_is_not_fetched() {
        let mut bob = Transfers::new(BOB);
        let _ = bob.receipt(ANN, id(1), Receipt::Cancelled, Hlc(0));
        let _ = bob.take(record(1, BOB, 1), 0, Instant(5)).unwrap();
        assert_eq!(bob.get(id(1)).unwrap().state, TransferState::Cancelled);
        assert!(bob.start_due(Instant(5), |_| vec!["127.0.0.1:24417".parse().unwrap()]).run.is_empty());
    }

    #[test]
    fn what_ended_does_not_stay_in_memory_for_ever() {
        let mut ann = Transfers::new(ANN);
        for number in 0..2 * MAX_ENDED as u64 {
            let _ = ann.give(record(number, BOB, 1), Instant(0)).unwrap();
            let _ = ann.receipt(BOB, id(number), Receipt::Received { digest: [7; 32] }, Hlc(0));
        }
        assert!(ann.open.len() <= MAX_ENDED + 1, "{}", ann.open.len());
    }

    #[test]
    fn what_is_taken_runs_like_any_transfer_and_goes_on_after_a_restart() {
        let here = |_| vec!["127.0.0.1:24417".parse().unwrap()];
        let mut bob = Transfers::new(BOB);
        let effects = bob.take(record(1, BOB, 1), 0, Instant(5)).unwrap();
        assert!(matches!(effects.tell[..], [Event::Transfer(_)]));
        assert_eq!(bob.take(record(1, BOB, 1), 0, Instant(5)).unwrap_err(), Refusal::Over);
        let started = bob.start_due(Instant(5), here);
        assert!(matches!(started.run[..], [Job::Pull { author: ANN, .. }]));

        let running = bob.get(id(1)).unwrap().clone();
        let mut bob = Transfers::new(BOB);
        let _ = bob.load(running, RoomKind::Direct(ANN), Instant(9));
        assert!(matches!(bob.start_due(Instant(9), here).run[..], [Job::Pull { .. }]));
        let (_, said) = bob.pulled(id(1), PullEnd::Complete { digest: [7; 32] }, Instant(10));
        assert!(said.is_some(), "there is a receipt as for any offer");
    }
}
