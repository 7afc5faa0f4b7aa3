//! The transfers that this device knows, and what to do about each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::effects::{Audience, Effects, Event, Job, Record, Staged, TransferRecord};
use crate::model::{Hlc, Instant, PeerId, RoomId, TransferId};
use crate::rooms::{Content, RoomKind};
use crate::transfer::{PullEnd, Receipt, TransferState};

mod delay;
mod part;
mod queue;
mod receipts;

use self::receipts::state_after;
use super::given::UNCLAIMED_FOR;
pub use queue::{AT_ONCE, AT_ONCE_FROM_PEER};

pub struct Transfers {
    pub(super) me: PeerId,
    pub(super) open: BTreeMap<TransferId, Open>,
    /// How many may be fetched at a time onto one disk.
    at_once: usize,
    /// When an author was last told why something does not come.
    last_word: Option<Instant>,
    /// What others said of offers that are not known yet, the oldest first; at most [`MAX_EARLY`]. Entries of several logs
    /// come in no order.
    early: VecDeque<(PeerId, TransferId, Receipt, Hlc)>,
}

pub(super) struct Open {
    pub(super) record: TransferRecord,
    pub(super) audience: Audience,
    /// When a waiting pull may be tried again.
    pub(super) retry_at: Option<Instant>,
    tries: u32,
    /// What our server sent to whom, to hold receipts against.
    sent: BTreeMap<PeerId, Vec<[u8; 32]>>,
    /// Others who say that they have all of it; at most [`MAX_HOLDERS`].
    holders: BTreeSet<PeerId>,
    /// Where the files go, by a number that is another for each disk.
    pub(super) disk: u64,
    /// Whom they come from in the first place: the author, or while that is away somebody who has them.
    giver: PeerId,
    /// Whether its author wrote that it is paused, and by its clock when it last did.
    held: (Hlc, bool),
    /// Whether its author answered so when it was last asked.
    turned_away: bool,
    /// By its author's clock, when each receiver of an own offer said what counts of it: entries come in any order.
    answered: BTreeMap<PeerId, Hlc>,
    /// What its author is told of how it stands here.
    word: delay::Word,
    /// Until when somebody must come for what it asked for of a shared folder; `None` once it has.
    pub(super) unclaimed: Option<Instant>,
}

/// Why a command about a transfer cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such transfer")]
    Unknown,
    #[error("this is your own offer")]
    Own,
    #[error("the transfer is over, or already under way")]
    Over,
    #[error("there are too many transfers: let some end first")]
    TooMany,
    #[error("its sender has withdrawn it")]
    Withdrawn,
    #[error("it is not paused, and nothing of it failed")]
    NotPaused,
    #[error("only what was accepted and has not arrived has a place in the queue")]
    NotQueued,
    #[error("it is running already: pause it to let others come first")]
    Running,
    #[error("it is not over: cancel it first")]
    NotOver,
}

/// Effects, and what this device has to say about the offer in its log.
pub type Spoken = (Effects, Option<(RoomId, Content)>);

impl Transfers {
    pub fn new(me: PeerId) -> Transfers {
        Transfers { me, open: BTreeMap::new(), at_once: AT_ONCE, last_word: None, early: VecDeque::new() }
    }

    /// Takes up a transfer as the last run left it: what ran then waits now.
    pub fn load(&mut self, mut record: TransferRecord, kind: RoomKind, now: Instant) -> Effects {
        let mut effects = Effects::default();
        let audience = audience(kind, record.room);
        let mine = record.from == self.me;
        if mine && record.state != TransferState::Cancelled && !record.is_given_and_over() {
            effects.run.push(Job::Shelve { transfer: record.id, audience });
        }
        if record.state.is_wanted() {
            record.state = TransferState::Waiting;
            // Earlier versions had no turns.
            if record.turn == 0 {
                record.turn = self.last_turn();
            }
        }
        let retry_at = (record.state == TransferState::Waiting && !record.paused).then_some(now);
        let given = mine && record.share().is_some() && record.state == TransferState::Offered;
        let unclaimed = given.then_some(now + UNCLAIMED_FOR);
        self.open.insert(record.id, Open { retry_at, unclaimed, ..Open::new(record, audience) });
        effects
    }

    /// An offer was written, by this device or by another.
    pub fn offered(&mut self, record: TransferRecord, kind: RoomKind) -> Effects {
        let mut effects = Effects::default();
        // The id is chosen by whoever offers: an offer that reuses one is ignored.
        if self.open.contains_key(&record.id) || (record.from != self.me && self.is_flooding(record.from)) {
            return effects;
        }
        let audience = audience(kind, record.room);
        if record.from == self.me {
            effects.run.push(Job::Shelve { transfer: record.id, audience });
        }
        effects.commit.push(Record::Transfer(record.clone()));
        effects.tell.push(Event::Transfer(record.id));
        let transfer = record.id;
        self.open.insert(transfer, Open::new(record, audience));
        effects.extend(self.hear_what_was_said(transfer));
        effects
    }

    /// Fetch it: at once if the holder is here, else as soon as it is.
    ///
    /// # Errors
    /// If there is nothing to fetch.
    pub fn accept(&mut self, transfer: TransferId, now: Instant) -> Result<Effects, Refusal> {
        let last = self.last_turn();
        let open = self.incoming(transfer)?;
        match open.record.state {
            TransferState::Cancelled if open.record.is_withdrawn() => return Err(Refusal::Withdrawn),
            TransferState::Offered
            | TransferState::Declined
            | TransferState::Cancelled
            | TransferState::Failed(_) => {}
            _ => return Err(Refusal::Over),
        }
        open.record.turn = last;
        open.go_on(now);
        Ok(open.changed())
    }

    /// Do not fetch it, and say so.
    ///
    /// # Errors
    /// If it is not an open offer of somebody else.
    pub fn decline(&mut self, transfer: TransferId) -> Result<Spoken, Refusal> {
        let open = self.incoming(transfer)?;
        if open.record.state != TransferState::Offered {
            return Err(Refusal::Over);
        }
        open.record.state = TransferState::Declined;
        Ok((open.changed(), open.say(Receipt::Declined)))
    }

    /// Stop fetching, or withdraw an own offer; and say so.
    ///
    /// # Errors
    /// If it is over.
    pub fn cancel(&mut self, transfer: TransferId) -> Result<Spoken, Refusal> {
        let me = self.me;
        let open = self.open.get_mut(&transfer).ok_or(Refusal::Unknown)?;
        let mut effects = if open.record.from == me {
            if open.record.is_withdrawn() {
                return Err(Refusal::Over);
            }
            open.record.receipts.push((me, Receipt::Cancelled));
            open.record.state = TransferState::Cancelled;
            open.record.paused = false;
            Effects { run: vec![Job::Unshelve { transfer }], ..Effects::default() }
        } else {
            // What failed keeps what came of it until then.
            if !open.record.state.is_wanted() && !matches!(open.record.state, TransferState::Failed(_)) {
                return Err(Refusal::Over);
            }
            open.stop(TransferState::Cancelled)
        };
        effects.extend(open.changed());
        Ok((effects, open.say(Receipt::Cancelled)))
    }

    /// The bulk work of an incoming transfer ended.
    pub fn pulled(&mut self, transfer: TransferId, end: PullEnd, now: Instant) -> Spoken {
        // What was paused right before its end is whole all the same.
        let complete = matches!(end, PullEnd::Complete { .. } | PullEnd::Part(_));
        let runs = |open: &&mut Open| match open.record.state {
            TransferState::Running => true,
            state => complete && state.is_wanted(),
        };
        let Some(open) = self.open.get_mut(&transfer).filter(runs) else { return Spoken::default() };
        let receipt = match end {
            PullEnd::Complete { digest } => Receipt::Received { digest },
            PullEnd::Part(part) => Receipt::Part(part),
            PullEnd::Failed(failure) => Receipt::Failed(failure),
            PullEnd::NoSpace => {
                open.word.no_space = true;
                open.record.state = TransferState::Waiting;
                open.retry_at = Some(now + MAX_RETRY);
                return (open.changed(), None);
            }
            PullEnd::Lost | PullEnd::Cut | PullEnd::Held => {
                open.turned_away = end == PullEnd::Held;
                open.word.no_space = false;
                open.record.state = TransferState::Waiting;
                // The next try need not wait longer than the first one did.
                if end == PullEnd::Cut {
                    open.tries = 0;
                }
                open.retry_at = Some(now + (FIRST_RETRY * 2u32.pow(open.tries)).min(MAX_RETRY));
                open.tries = (open.tries + 1).min(10);
                return (open.changed(), None);
            }
        };
        open.record.state = state_after(receipt);
        open.record.paused = false;
        open.retry_at = None;
        open.take_back_delay();
        (open.changed(), open.say(receipt))
    }

    /// All of an own offer was sent to somebody, with this digest.
    pub fn sent(&mut self, transfer: TransferId, to: PeerId, digest: [u8; 32]) {
        if let Some(open) = self.open.get_mut(&transfer) {
            let sent = open.sent.entry(to).or_default();
            sent.push(digest);
            if sent.len() > MAX_SENT {
                sent.remove(0);
            }
        }
    }

    /// Somebody is here again: what waits for them need not wait longer.
    pub fn peer_came(&mut self, peer: PeerId, now: Instant) {
        let waits = |open: &&mut Open| {
            open.retry_at.is_some() && (open.record.from == peer || open.holders.contains(&peer))
        };
        for open in self.open.values_mut().filter(waits) {
            open.retry_at = Some(now);
            open.giver = open.record.from;
        }
    }

    /// Who may fetch what this device offers, or has or gets of what others offer; `None` if nobody may.
    pub fn audience(&self, transfer: TransferId) -> Option<Audience> {
        let open = self.open.get(&transfer)?;
        let given = match open.record.state {
            // Whoever it was for alone may want it after all.
            TransferState::Cancelled => {
                let mine = open.record.from == self.me && !open.record.is_withdrawn();
                mine && !open.record.is_given_and_over() && matches!(open.audience, Audience::Peer(_))
            }
            TransferState::Offered | TransferState::Declined => open.record.from == self.me,
            _ => true,
        };
        given.then_some(open.audience)
    }

    pub fn get(&self, transfer: TransferId) -> Option<&TransferRecord> {
        self.open.get(&transfer).map(|open| &open.record)
    }

    pub fn iter(&self) -> impl Iterator<Item = &TransferRecord> {
        self.open.values().map(|open| &open.record)
    }

    /// Whether somebody has more offers open than anybody would look through.
    fn is_flooding(&self, author: PeerId) -> bool {
        let open = |open: &&Open| open.record.from == author && open.record.state == TransferState::Offered;
        self.is_full() || self.open.values().filter(open).count() >= MAX_OFFERS_OF_PEER
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= MAX_OPEN
    }

    fn incoming(&mut self, transfer: TransferId) -> Result<&mut Open, Refusal> {
        let me = self.me;
        let open = self.open.get_mut(&transfer).ok_or(Refusal::Unknown)?;
        if open.record.from == me { Err(Refusal::Own) } else { Ok(open) }
    }
}

impl Open {
    pub(super) fn new(record: TransferRecord, audience: Audience) -> Open {
        let (sent, holders) = (BTreeMap::new(), BTreeSet::new());
        Open {
            giver: record.from,
            record,
            audience,
            retry_at: None,
            tries: 0,
            sent,
            holders,
            disk: 0,
            held: (Hlc(0), false),
            turned_away: false,
            answered: BTreeMap::new(),
            word: delay::Word::default(),
            unclaimed: None,
        }
    }

    pub(super) fn changed(&self) -> Effects {
        Effects {
            commit: vec![Record::Transfer(self.record.clone())],
            tell: vec![Event::Transfer(self.record.id)],
            ..Effects::default()
        }
    }

    /// Ends an incoming transfer before it is complete.
    fn stop(&mut self, state: TransferState) -> Effects {
        let mut effects = Effects::default();
        if self.record.state.is_wanted() || matches!(self.record.state, TransferState::Failed(_)) {
            effects.run.push(Job::StopPull { transfer: self.record.id, staged: Staged::Discard });
        }
        self.record.state = state;
        self.record.paused = false;
        self.retry_at = None;
        self.take_back_delay();
        effects
    }

    fn say(&self, receipt: Receipt) -> Option<(RoomId, Content)> {
        Some((self.record.room, Content::Receipt { transfer: self.record.id, receipt }))
    }
}

fn audience(kind: RoomKind, room: RoomId) -> Audience {
    match kind {
        RoomKind::Open => Audience::Anyone,
        RoomKind::Private => Audience::Members(room),
        RoomKind::Direct(peer) => Audience::Peer(peer),
    }
}

/// Offers of one device that nobody has answered; further ones stand in the log and cannot be accepted.
const MAX_OFFERS_OF_PEER: usize = 256;
/// Transfers known at the same time.
const MAX_OPEN: usize = 16_384;
/// Devices remembered to have all of an offer.
const MAX_HOLDERS: usize = 32;
/// Digests of what was sent to one device that its receipts are held against: it may have fetched in several parts.
const MAX_SENT: usize = 8;
/// Devices that a pull begins with; it learns of others from the author.
const MAX_SOURCES: usize = 8;
const FIRST_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::Origin;
    use crate::model::{EntryId, UnixMillis};
    use crate::rooms::Offer;
    use crate::transfer::Failure;

    pub(super) const ANN: PeerId = PeerId([1; 32]);
    pub(super) const BOB: PeerId = PeerId([2; 32]);
    pub(super) const EVE: PeerId = PeerId([6; 32]);
    pub(super) const ID: TransferId = TransferId([5; 16]);

    pub(super) fn record(from: PeerId) -> TransferRecord {
        let offer = Offer { names: vec!["a".into()], files: 1, folders: 0, bytes: 9, manifest: [0; 32] };
        let (room, origin, state) =
            (RoomId([3; 32]), Origin::Entry(EntryId([4; 32])), TransferState::Offered);
        let (offered, receipts, finished) = (UnixMillis(0), vec![], None);
        let (paused, turn) = (false, 0);
        TransferRecord { id: ID, room, origin, from, offer, state, offered, receipts, paused, turn, finished }
    }

    pub(super) fn offered(me: PeerId, from: PeerId, kind: RoomKind) -> Transfers {
        let mut transfers = Transfers::new(me);
        let _ = transfers.offered(record(from), kind);
        transfers
    }

    pub(super) fn here(_: PeerId) -> Vec<std::net::SocketAddr> {
        vec!["10.0.0.1:24417".parse().unwrap()]
    }

    pub(super) fn state(transfers: &Transfers) -> TransferState {
        transfers.get(ID).unwrap().state
    }

    #[test]
    fn an_accepted_offer_is_pulled_and_its_receipt_said() {
        let mut bob = offered(BOB, ANN, RoomKind::Direct(ANN));
        let _ = bob.accept(ID, Instant(0)).unwrap();
        let effects = bob.start_due(Instant(0), here);
        assert!(matches!(&effects.run[..], [Job::Pull { transfer: ID, author: ANN, .. }]));
        let (_, said) = bob.pulled(ID, PullEnd::Complete { digest: [7; 32] }, Instant(1));
        let receipt = Receipt::Received { digest: [7; 32] };
        assert_eq!(said, Some((RoomId([3; 32]), Content::Receipt { transfer: ID, receipt })));
        assert_eq!(state(&bob), TransferState::Done);
        assert_eq!(bob.accept(ID, Instant(2)).unwrap_err(), Refusal::Over);
    }

    #[test]
    fn a_lost_pull_is_tried_again_and_at_once_when_the_holder_returns() {
        let mut bob = offered(BOB, ANN, RoomKind::Direct(ANN));
        let _ = bob.accept(ID, Instant(0)).unwrap();
        let _ = bob.start_due(Instant(0), here);
        let _ = bob.pulled(ID, PullEnd::Lost, Instant(0));
        assert_eq!(state(&bob), TransferState::Waiting);
        assert!(bob.start_due(Instant(0), here).is_empty());
        assert_eq!(bob.deadline(), Some(Instant(0) + FIRST_RETRY));
        bob.peer_came(ANN, Instant(5));
        assert_eq!(bob.start_due(Instant(5), here).run.len(), 1);
    }

    #[test]
    fn who_is_lost_again_and_again_waits_longer_until_more_has_come() {
        let mut bob = offered(BOB, ANN, RoomKind::Direct(ANN));
        let _ = bob.accept(ID, Instant(0)).unwrap();
        let mut now = Instant(0);
        let mut rest_after = |end| {
            assert_eq!(bob.start_due(now, here).run.len(), 1);
            let _ = bob.pulled(ID, end, now);
            let lost = std::mem::replace(&mut now, bob.deadline().unwrap());
            now.since(lost)
        };
        let rests: Vec<u64> = (0..7).map(|_| rest_after(PullEnd::Lost).as_secs()).collect();
        assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(rest_after(PullEnd::Cut), FIRST_RETRY);
        assert_eq!(rest_after(PullEnd::Lost), FIRST_RETRY * 2);
    }

    #[test]
    fn delivered_means_the_receivers_receipt_over_what_was_sent() {
        let mut ann = offered(ANN, ANN, RoomKind::Direct(BOB));
        ann.sent(ID, BOB, [7; 32]);
        assert!(ann.receipt(EVE, ID, Receipt::Received { digest: [7; 32] }, Hlc(0)).is_empty());
        let _ = ann.receipt(BOB, ID, Receipt::Received { digest: [8; 32] }, Hlc(0));
        assert_eq!(state(&ann), TransferState::Failed(Failure::Corrupt));
        let _ = ann.receipt(BOB, ID, Receipt::Received { digest: [7; 32] }, Hlc(0));
        assert_eq!(state(&ann), TransferState::Done);
    }

    #[test]
    fn a_withdrawn_offer_stops_the_pull_and_only_its_author_can_withdraw_it() {
        let mut bob = offered(BOB, ANN, RoomKind::Open);
        let _ = bob.accept(ID, Instant(0)).unwrap();
        let _ = bob.start_due(Instant(0), here);
        assert!(bob.receipt(EVE, ID, Receipt::Cancelled, Hlc(0)).is_empty());
        let effects = bob.receipt(ANN, ID, Receipt::Cancelled, Hlc(0));
        assert!(matches!(
            effects.run[..],
            [Job::StopPull { staged: Staged::Discard, .. }, Job::Unshelve { .. }]
        ));
        assert_eq!(state(&bob), TransferState::Cancelled);
        let (effects, said) = bob.pulled(ID, PullEnd::Complete { digest: [7; 32] }, Instant(1));
        assert!(effects.is_empty() && said.is_none());
    }

    #[test]
    fn after_a_restart_what_ran_goes_on_and_what_was_offered_is_served() {
        let mut bob = Transfers::new(BOB);
        let running = TransferRecord { state: TransferState::Running, ..record(ANN) };
        assert!(bob.load(running, RoomKind::Open, Instant(9)).is_empty());
        assert_eq!(bob.start_due(Instant(9), here).run.len(), 1);
        let mut ann = Transfers::new(ANN);
        assert!(matches!(ann.load(record(ANN), RoomKind::Open, Instant(9)).run[..], [Job::Shelve { .. }]));
    }

    #[test]
    fn when_the_author_is_gone_whoever_has_it_all_is_asked() {
        let mut bob = offered(BOB, ANN, RoomKind::Open);
        let _ = bob.receipt(EVE, ID, Receipt::Received { digest: [7; 32] }, Hlc(0));
        let _ = bob.accept(ID, Instant(0)).unwrap();
        let effects = bob.start_due(Instant(0), |peer| if peer == EVE { here(peer) } else { vec![] });
        let [Job::Pull { author: ANN, sources, .. }] = &effects.run[..] else { panic!("{effects:?}") };
        assert_eq!(sources.iter().map(|source| source.peer).collect::<Vec<_>>(), [EVE]);
    }

    #[test]
    fn what_waits_goes_on_as_soon_as_somebody_says_to_have_it() {
        let mut bob = offered(BOB, ANN, RoomKind::Open);
        let _ = bob.accept(ID, Instant(0)).unwrap();
        assert!(bob.start_due(Instant(0), |_| vec![]).is_empty());
        let _ = bob.receipt(EVE, ID, Receipt::Received { digest: [7; 32] }, Hlc(0));
        assert_eq!(bob.start_due(Instant(1), here).run.len(), 1);
    }

    #[test]
    fn what_is_said_of_an_offer_before_it_comes_counts() {
        let mut bob = Transfers::new(BOB);
        let _ = bob.receipt(EVE, ID, Receipt::Received { digest: [7; 32] }, Hlc(0));
        let _ = bob.offered(record(ANN), RoomKind::Open);
        let _ = bob.accept(ID, Instant(0)).unwrap();
        let effects = bob.start_due(Instant(0), |peer| if peer == EVE { here(peer) } else { vec![] });
        assert_eq!(effects.run.len(), 1);
        let mut cyd = Transfers::new(EVE);
        let _ = cyd.receipt(ANN, ID, Receipt::Cancelled, Hlc(0));
        let _ = cyd.offered(record(ANN), RoomKind::Open);
        assert_eq!(state(&cyd), TransferState::Cancelled);
    }

    #[test]
    fn a_full_disk_makes_a_transfer_wait_and_nobody_hears_that_it_failed() {
        let mut bob = offered(BOB, ANN, RoomKind::Direct(ANN));
        let _ = bob.accept(ID, Instant(0)).unwrap();
        let _ = bob.start_due(Instant(0), here);
        let (_, said) = bob.pulled(ID, PullEnd::NoSpace, Instant(0));
        assert_eq!((said, state(&bob)), (None, TransferState::Waiting));
        assert_eq!(bob.start_due(Instant(0) + MAX_RETRY, here).run.len(), 1);
    }

    #[test]
    fn who_has_an_offer_gives_it_to_its_audience_until_it_is_withdrawn() {
        let mut bob = offered(BOB, ANN, RoomKind::Open);
        assert_eq!(bob.audience(ID), None, "nothing of it is here");
        let _ = bob.accept(ID, Instant(0)).unwrap();
        let _ = bob.start_due(Instant(0), here);
        let _ = bob.pulled(ID, PullEnd::Complete { digest: [7; 32] }, Instant(1));
        assert_eq!(bob.audience(ID), Some(Audience::Anyone));
        let effects = bob.receipt(ANN, ID, Receipt::Cancelled, Hlc(0));
        assert!(matches!(effects.run[..], [Job::Unshelve { transfer: ID }]));
        assert_eq!(state(&bob), TransferState::Done);
        let mut ann = offered(ANN, ANN, RoomKind::Direct(BOB));
        assert_eq!(ann.audience(ID), Some(Audience::Peer(BOB)));
        let _ = ann.cancel(ID).unwrap();
        assert_eq!(ann.audience(ID), None);
    }

    #[test]
    fn an_offer_cannot_be_accepted_by_its_author_or_twice() {
        let mut ann = offered(ANN, ANN, RoomKind::Open);
        assert_eq!(ann.accept(ID, Instant(0)).unwrap_err(), Refusal::Own);
        let mut bob = offered(BOB, ANN, RoomKind::Open);
        let _ = bob.accept(ID, Instant(0)).unwrap();
        assert_eq!(bob.accept(ID, Instant(0)).unwrap_err(), Refusal::Over);
        assert_eq!(bob.decline(ID).unwrap_err(), Refusal::Over);
    }
}
