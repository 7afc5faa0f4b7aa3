use super::holding::HELD_BYTES;
use super::*;
use crate::effects::{HeldEntry, KeptBy, LoadedBundle, LoadedMail, Record};
use crate::identity::Identity;
use crate::model::{ConnId, EntryId, Hlc, Instant, LogId, Now, PeerId, RoomId, Seq, Span, UnixMillis};
use crate::rooms::direct_room_id;
use crate::wire::entry::{Entry, Header};
use crate::wire::mail::{Kept, MAX_WAITING, Receipt, Waiting, Why};

const HOLDER: PeerId = PeerId([1; 32]);
const BOB: PeerId = PeerId([2; 32]);
const DAY_MS: u64 = 24 * 3_600_000;

/// Writes one log to somebody.
struct Pen {
    identity: Identity,
    to: PeerId,
    nonce: u64,
    seq: u64,
    prev: [u8; 32],
}

impl Pen {
    fn new(seed: u16, to: PeerId) -> Pen {
        let seed = core::array::from_fn(|i| seed.to_be_bytes()[i % 2]);
        Pen { identity: Identity::from_seed(&seed), to, nonce: 1, seq: 0, prev: [0; 32] }
    }

    fn peer(&self) -> PeerId {
        self.identity.peer_id()
    }

    fn room(&self) -> RoomId {
        direct_room_id(self.peer(), self.to)
    }

    fn log(&self) -> LogId {
        crate::wire::entry::log_id(self.peer(), self.nonce)
    }

    fn write(&mut self, size: usize) -> Entry {
        self.seq += 1;
        let header = Header {
            room: self.room(),
            author: self.peer(),
            nonce: self.nonce,
            epoch: 0,
            seq: Seq(self.seq),
            prev: self.prev,
            hlc: Hlc(self.seq),
            deps: Vec::new(),
            kind: 1,
        };
        let entry = Entry::write(&self.identity, header, vec![7; size]);
        self.prev = entry.id().0;
        entry
    }

    /// So many entries of this size each, as they travel.
    fn some(&mut self, count: usize, size: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.write(size - OVERHEAD).encode_in_room()).collect()
    }
}

/// Bytes of an entry on the wire beside its body.
const OVERHEAD: usize = 196;

fn at(day: u64) -> Now {
    Now { instant: Instant(day * DAY_MS * 1000 + 1), unix: UnixMillis(day * DAY_MS) }
}

fn span(after: u64, to: u64) -> Span {
    Span { after: Seq(after), to: Seq(to) }
}

/// Deposits what the pen writes; each try on a day of its own, so that no rate is in the way.
fn fill(holding: &mut Holding, pen: &mut Pen, count: usize, size: usize, day: u64) -> Option<Why> {
    let entries = pen.some(count, size);
    holding.deposit(pen.peer(), Since::Long, pen.to, &entries, at(day)).refused
}

#[test]
fn what_is_kept_of_an_author_ends_at_its_bytes_and_at_its_number() {
    let (mut holding, mut ann) = (Holding::new(HOLDER), Pen::new(10, BOB));
    for n in 0..MAX_AUTHOR_BYTES / (64 << 10) {
        assert_eq!(fill(&mut holding, &mut ann, 2, 32 << 10, n), None);
    }
    assert_eq!(holding.held().bytes, MAX_AUTHOR_BYTES);
    assert_eq!(fill(&mut holding, &mut ann, 1, OVERHEAD + 1, 99), Some(Why::Full));
    // Also if it is for somebody else.
    let mut ann_to_dan = Pen::new(10, PeerId([3; 32]));
    assert_eq!(fill(&mut holding, &mut ann_to_dan, 1, OVERHEAD + 1, 100), Some(Why::Full));
    assert_eq!(fill(&mut holding, &mut Pen::new(11, BOB), 1, 500, 100), None);
}

#[test]
fn what_is_kept_for_one_device_ends_at_its_bytes() {
    let mut holding = Holding::new(HOLDER);
    for author in 0..4 {
        let mut pen = Pen::new(20 + author, BOB);
        for n in 0..MAX_AUTHOR_BYTES / (64 << 10) {
            assert_eq!(fill(&mut holding, &mut pen, 2, 32 << 10, n), None);
        }
    }
    assert_eq!(holding.bytes_for(BOB), MAX_RECIPIENT_BYTES);
    assert_eq!(fill(&mut holding, &mut Pen::new(30, BOB), 1, 300, 99), Some(Why::Full));
    assert_eq!(fill(&mut holding, &mut Pen::new(30, PeerId([3; 32])), 1, 300, 99), None);
}

#[test]
fn all_together_end_at_the_limit_that_was_chosen_and_newcomers_at_a_quarter_of_it() {
    let mut holding = Holding::new(HOLDER);
    assert!(holding.limit(Some(MIN_HELD_BYTES)).is_empty());
    let (mut new, mut known) = (Pen::new(40, BOB), Pen::new(41, BOB));
    let entries = new.some(8, 32 << 10);
    let taken = holding.deposit(new.peer(), Since::Lately, BOB, &entries, at(0));
    assert_eq!(taken.refused, None, "a quarter of a MiB");
    let entries = new.some(1, 300);
    assert_eq!(holding.deposit(new.peer(), Since::Lately, BOB, &entries, at(1)).refused, Some(Why::Full));
    for n in 0..3 {
        assert_eq!(fill(&mut holding, &mut known, 8, 32 << 10, n), None);
    }
    assert_eq!(holding.held().bytes, MIN_HELD_BYTES);
    assert_eq!(fill(&mut holding, &mut known, 1, 300, 9), Some(Why::Full));
    // More room is more room, and none is none: then what is here is given up.
    assert!(holding.limit(Some(HELD_BYTES)).is_empty());
    let entries = known.some(1, 300);
    known.prev = [0; 32];
    assert_eq!(holding.deposit(known.peer(), Since::Long, BOB, &entries, at(10)).refused, None);
    let given_up = holding.limit(None);
    assert_eq!(given_up.len(), 2);
    assert!(given_up.iter().all(|record| matches!(record, Record::Unhold { .. })));
    assert_eq!(holding.held(), Held::default());
    assert_eq!(fill(&mut holding, &mut Pen::new(42, BOB), 1, 300, 11), Some(Why::Unwilling));
}

#[test]
fn for_one_device_no_more_logs_are_kept_than_it_can_be_told_of() {
    let mut holding = Holding::new(HOLDER);
    let mut pens: Vec<Pen> = (0..MAX_WAITING as u16).map(|author| Pen::new(1000 + author, BOB)).collect();
    for pen in &mut pens {
        assert_eq!(fill(&mut holding, pen, 1, 300, 0), None);
    }
    assert_eq!(fill(&mut holding, &mut Pen::new(5000, BOB), 1, 300, 0), Some(Why::Hasty), "too many at once");
    assert_eq!(fill(&mut holding, &mut Pen::new(5000, BOB), 1, 300, 1), Some(Why::Full));
    assert_eq!(fill(&mut holding, &mut pens[7], 1, 300, 1), None, "what is there may grow");
    assert_eq!(holding.waiting_for(BOB).len(), MAX_WAITING);
    assert_eq!(fill(&mut holding, &mut Pen::new(5000, PeerId([3; 32])), 1, 300, 1), None);
}

#[test]
fn an_author_may_give_all_at_once_and_then_only_so_much_a_second() {
    let (mut holding, mut ann) = (Holding::new(HOLDER), Pen::new(50, BOB));
    let now = at(1);
    let (frames, bytes) = (RATE_BURST as u64 / (68 << 10), 64 << 10);
    for _ in 0..frames {
        let entries = ann.some(2, bytes / 2);
        let refused = holding.deposit(ann.peer(), Since::Long, BOB, &entries, now).refused;
        assert_ne!(refused, Some(Why::Hasty));
        holding.release(ann.room(), ann.log(), Seq(ann.seq));
    }
    let entries = ann.some(2, bytes / 2);
    assert_eq!(holding.deposit(ann.peer(), Since::Long, BOB, &entries, now).refused, Some(Why::Hasty));
    let soon = Now { instant: now.instant + std::time::Duration::from_secs(4), ..now };
    assert_eq!(holding.deposit(ann.peer(), Since::Long, BOB, &entries, soon).refused, None);
    // Nobody else is held up by it.
    let mut dan = Pen::new(51, BOB);
    assert_eq!(holding.deposit(dan.peer(), Since::Long, BOB, &dan.some(1, 300), now).refused, None);
}

#[test]
fn what_was_taken_or_released_goes_and_the_rest_stays() {
    let (mut holding, mut ann) = (Holding::new(HOLDER), Pen::new(60, BOB));
    let (room, log) = (ann.room(), ann.log());
    for day in 0..3 {
        assert_eq!(fill(&mut holding, &mut ann, 10, 300, day), None);
    }
    assert_eq!((holding.span(room, log), holding.held().bytes), (span(0, 30), 9000));
    assert!(holding.release(room, log, Seq(10)).is_some());
    assert_eq!((holding.span(room, log), holding.held().bytes), (span(10, 30), 6000));
    assert!(holding.release(room, log, Seq(10)).is_none(), "that is gone already");
    let receipt = Receipt { span: span(0, 25), signature: [5; 64] };
    let records = holding.taken(room, log, Seq(25), Some(receipt.clone()), UnixMillis(0));
    assert!(matches!(records[..], [Record::Unhold { to: Seq(25), .. }, Record::Taken { .. }]));
    assert_eq!((holding.span(room, log), holding.receipt(room, log)), (span(25, 30), Some(receipt)));
    assert!(holding.release(room, log, Seq(u64::MAX)).is_some());
    assert_eq!(holding.held(), Held::default());
    // For what is not here nobody leaves a receipt.
    let late = Receipt { span: span(0, 99), signature: [6; 64] };
    assert!(holding.taken(room, log, Seq(99), Some(late), UnixMillis(0)).is_empty());
}

#[test]
fn what_begins_behind_a_gap_or_below_takes_the_place_of_what_was_there() {
    let (mut holding, mut ann) = (Holding::new(HOLDER), Pen::new(70, BOB));
    let entries = ann.some(9, 300);
    let mut give = |from: usize, to: usize, day| {
        let given = holding.deposit(ann.identity.peer_id(), Since::Long, BOB, &entries[from..to], at(day));
        (given.refused, given.records.len(), holding.span(direct_room_id(ann.identity.peer_id(), BOB), log()))
    };
    fn log() -> LogId {
        Pen::new(70, BOB).log()
    }
    assert_eq!(give(1, 3, 0), (None, 1, span(1, 3)));
    assert_eq!(give(1, 3, 1), (None, 0, span(1, 3)), "that is here");
    assert_eq!(give(2, 5, 2), (None, 1, span(1, 5)), "part of it is here");
    assert_eq!(give(6, 8, 3), (None, 2, span(6, 8)), "its author wants nothing of the rest");
    assert_eq!(give(0, 4, 4), (None, 2, span(0, 4)));
}

#[test]
fn mail_is_kept_for_thirty_days_and_no_longer() {
    let (mut holding, mut ann) = (Holding::new(HOLDER), Pen::new(80, BOB));
    let (room, log) = (ann.room(), ann.log());
    assert_eq!(fill(&mut holding, &mut ann, 2, 300, 0), None);
    assert_eq!(fill(&mut holding, &mut ann, 2, 300, 10), None);
    let receipt = Receipt { span: span(0, 1), signature: [5; 64] };
    let _ = holding.taken(room, log, Seq(1), Some(receipt), UnixMillis(0));
    assert!(holding.expire(UnixMillis(30 * DAY_MS - 1)).is_empty());
    let records = holding.expire(UnixMillis(30 * DAY_MS));
    assert!(matches!(records[..], [Record::Unhold { to: Seq(2), .. }, Record::TakenForgotten { .. }]));
    assert_eq!((holding.span(room, log), holding.is_empty()), (span(2, 4), false));
    assert_eq!(holding.expire(UnixMillis(40 * DAY_MS)).len(), 1);
    assert!(holding.is_empty());
}

#[test]
fn what_was_kept_is_there_after_a_start_and_what_is_beyond_the_bounds_is_not() {
    let bundle = |n: u16, entries: u64| {
        let mut id = [0; 8];
        id[..2].copy_from_slice(&n.to_be_bytes());
        let entry = |seq| HeldEntry { seq: Seq(seq), bytes: 300, arrived: UnixMillis(seq) };
        LoadedBundle {
            room: RoomId([9; 32]),
            log: LogId(id),
            author: PeerId([8; 32]),
            recipient: BOB,
            head_id: EntryId([7; 32]),
            entries: (5..5 + entries).map(entry).collect(),
        }
    };
    let mut holding = Holding::new(HOLDER);
    let held = vec![bundle(1, 10), bundle(2, MAX_ENTRIES as u64), bundle(3, 0)];
    let taken = (0..MAX_RECEIPTS as u64 + 1).map(|n| {
        let receipt = Receipt { span: span(0, 1), signature: [5; 64] };
        (RoomId([6; 32]), LogId(n.to_be_bytes()), receipt, UnixMillis(n))
    });
    let loaded = LoadedMail { held, taken: taken.collect(), kept: Vec::new() };
    let surplus = holding.load(loaded);
    assert!(matches!(surplus[..], [Record::Unhold { log: LogId([0, 2, ..]), .. }]));
    assert_eq!(holding.span(RoomId([9; 32]), LogId([0, 1, 0, 0, 0, 0, 0, 0])), span(4, 14));
    assert_eq!(holding.held(), Held { entries: 10, bytes: 3000, recipients: 1 });
    assert!(holding.receipt(RoomId([6; 32]), LogId((MAX_RECEIPTS as u64).to_be_bytes())).is_none());

    let mut many = Holding::new(HOLDER);
    let held = (0..MAX_BUNDLES as u16 + 3).map(|n| bundle(n, 1)).collect();
    assert_eq!(many.load(LoadedMail { held, ..LoadedMail::default() }).len(), 3);
}

const LOG: LogId = LogId([4; 8]);
const ROOM: RoomId = RoomId([5; 32]);

fn holder(n: u8) -> PeerId {
    PeerId([n; 32])
}

fn situation<'a>(lacking: Span, candidates: &'a [PeerId], here: &'a dyn Fn(PeerId) -> bool) -> Situation<'a> {
    let never = &|_: PeerId| false;
    Situation { log: LOG, lacking, recipient_here: false, candidates, is_here: here, is_gone: never }
}

fn says(span: Span, refused: Option<Why>) -> Kept {
    Kept { recipient: BOB, log: LOG, span, refused, receipt: None }
}

#[test]
fn three_are_asked_and_whoever_refuses_is_followed_by_another() {
    let (mut posting, here) = (Posting::default(), |_: PeerId| true);
    let candidates: Vec<PeerId> = (10..20).map(holder).collect();
    let lacking = span(2, 5);
    let asked = posting.plan(ROOM, &situation(lacking, &candidates, &here), at(0));
    assert_eq!(asked, [10, 11, 12].map(holder).map(Step::Deposit));
    assert_eq!(posting.next(ROOM, holder(10), lacking), Some(lacking));
    posting.gave(ROOM, holder(10), lacking, at(0).instant);
    let kept = posting.answered(ROOM, holder(10), &says(lacking, None), lacking, at(0));
    let known = KeptBy { room: ROOM, holder: holder(10), log: LOG, held: lacking, at: at(0).unix };
    assert_eq!(kept, (Answered::Done, Some(known)));
    let refused = posting.answered(ROOM, holder(11), &says(span(0, 0), Some(Why::Full)), lacking, at(0));
    assert_eq!(refused, (Answered::Done, None));
    let later = Now { instant: Instant(3_000_000), ..at(0) };
    let asked = posting.plan(ROOM, &situation(lacking, &candidates, &here), later);
    assert_eq!(asked, [Step::Deposit(holder(13))]);
    assert_eq!(posting.holders(ROOM, LOG, Seq(3)), [holder(10)]);
    assert!(posting.holders(ROOM, LOG, Seq(2)).is_empty(), "that was not given to anybody");
}

#[test]
fn a_holder_is_believed_what_it_was_given_and_nothing_more() {
    let here = |_: PeerId| true;
    let lacking = span(2, 5);
    for (claimed, believed) in [
        (span(2, 5), span(2, 5)),
        (span(0, 4), span(2, 4)),
        (span(2, 6), Span::default()),
        (span(0, u64::MAX), Span::default()),
        (span(9, 3), Span::default()),
    ] {
        let mut posting = Posting::default();
        let _ = posting.plan(ROOM, &situation(lacking, &[holder(10)], &here), at(0));
        posting.gave(ROOM, holder(10), lacking, at(0).instant);
        let _ = posting.answered(ROOM, holder(10), &says(claimed, None), lacking, at(0));
        assert_eq!(posting.held(ROOM, holder(10)), believed, "{claimed:?}");
        let unasked = posting.answered(ROOM, holder(11), &says(lacking, None), lacking, at(0));
        assert_eq!(unasked, (Answered::Unasked, None));
    }
}

#[test]
fn whoever_does_not_answer_is_given_up_and_what_is_too_old_is_not_called_kept() {
    let here = |_: PeerId| true;
    let lacking = span(0, 1);
    let mut posting = Posting::default();
    let kept = KeptBy { room: ROOM, holder: holder(10), log: LOG, held: lacking, at: at(0).unix };
    posting.load(vec![kept, KeptBy { holder: holder(11), log: LogId([1; 8]), ..kept }]);
    let steps = posting.plan(ROOM, &situation(lacking, &[], &here), at(1));
    assert_eq!(steps, [Step::Forget(holder(11)), Step::Ask(holder(10))], "of another log, and not checked");
    let soon = Now { instant: at(1).instant + std::time::Duration::from_secs(21), ..at(1) };
    let steps = posting.plan(ROOM, &situation(lacking, &[], &here), soon);
    assert_eq!(steps, [Step::GiveUp(holder(10))]);
    assert_eq!(posting.holders(ROOM, LOG, Seq(1)), [holder(10)], "it was not asked in vain before");
    let steps = posting.plan(ROOM, &situation(lacking, &[], &here), at(30));
    assert_eq!(steps, [Step::Forget(holder(10))]);
    assert!(posting.holders(ROOM, LOG, Seq(1)).is_empty());
}

#[test]
fn what_several_keep_is_fetched_from_one_and_from_the_next_where_that_one_fails() {
    let mut taking = Taking::default();
    let (author, log) = (holder(30), LOG);
    let waiting = |to| Waiting { author, log, span: span(0, to) };
    let [one, other] = [ConnId(1), ConnId(2)];
    assert!(taking.offered(one, &waiting(5), None) && taking.offered(other, &waiting(9), None));
    let all = |span| vec![span];
    let now = Instant(1);
    assert_eq!(taking.next((author, log), all, now), Next::Fetch(other, span(0, 9)), "it has more");
    assert_eq!(taking.next((author, log), all, now), Next::Nothing, "one at a time");
    assert_eq!(taking.brought(one, (author, log)), None, "it was not asked");
    assert_eq!(taking.closed(other), [(author, log)]);
    assert_eq!(taking.next((author, log), all, now), Next::Fetch(one, span(0, 5)));
    let stalled = now + std::time::Duration::from_secs(20);
    assert_eq!(taking.due(stalled), [(author, log)]);
    assert_eq!(taking.next((author, log), all, stalled), Next::Nothing, "nobody is left");
    assert!(taking.offered(one, &waiting(5), None));
    let none = |_| Vec::new();
    assert_eq!(taking.next((author, log), none, now), Next::Complete(vec![(one, span(0, 5))]));
}

#[test]
fn one_connection_offers_no_more_logs_than_one_device_may_keep() {
    let mut taking = Taking::default();
    let waiting = |n: u64| Waiting { author: BOB, log: LogId(n.to_be_bytes()), span: span(0, 1) };
    for n in 0..MAX_WAITING as u64 {
        assert!(taking.offered(ConnId(1), &waiting(n), None));
    }
    assert!(!taking.offered(ConnId(1), &waiting(9999), None));
    assert!(taking.offered(ConnId(1), &waiting(0), None), "that is known");
    assert!(taking.offered(ConnId(2), &waiting(9999), None), "others may still come");
    assert!(!taking.offered(ConnId(2), &Waiting { span: span(4, 4), ..waiting(1) }, None), "of nothing");
}

#[test]
fn a_bundle_begins_where_it_was_asked_for_and_goes_no_further() {
    let places = |places: &[u64]| places.iter().map(|n| Seq(*n)).collect::<Vec<_>>().into_iter();
    assert!(begins(span(3, 9), places(&[4, 5, 6])));
    assert!(begins(span(3, 5), places(&[4, 5])));
    for wrong in [&[][..], &[5, 6], &[4, 6], &[3, 4], &[4, 5, 6, 7, 8, 9, 10]] {
        assert!(!begins(span(3, 9), places(wrong)), "{wrong:?}");
    }
}
