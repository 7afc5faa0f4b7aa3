//! What this device keeps for others: whose, for whom, how much, and until when.
//!
//! It cannot read any of it. The entries themselves lie on disk; here is only what has to be known to bound them and to
//! say what is there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::effects::{LoadedBundle, LoadedMail, Record};
use crate::identity::Verifier;
use crate::mail::KEPT_FOR;
use crate::model::{EntryId, Instant, LogId, Now, PeerId, RoomId, Seq, Span, UnixMillis};
use crate::pacing::TokenBucket;
use crate::rooms::direct_room_id;
use crate::wire::entry::{Entry, Unverified};
use crate::wire::mail::{MAX_WAITING, Receipt, Waiting, Why};

pub struct Holding {
    me: PeerId,
    /// Bytes that may be kept; nothing is kept for others if absent.
    limit: Option<u64>,
    bundles: BTreeMap<(RoomId, LogId), Bundle>,
    /// What recipients signed to hold, for the authors, and when that was.
    receipts: BTreeMap<(RoomId, LogId), (Receipt, UnixMillis)>,
    rates: BTreeMap<PeerId, TokenBucket>,
    verifier: Verifier,
}

/// Consecutive entries of one log that are kept for one device.
struct Bundle {
    author: PeerId,
    recipient: PeerId,
    /// The place before the first.
    base: Seq,
    head_id: EntryId,
    bytes: u64,
    /// In the order of the log; never empty.
    parts: VecDeque<Part>,
}

/// Those that came within an hour.
struct Part {
    to: Seq,
    bytes: u64,
    /// When the last of them came.
    arrived: UnixMillis,
}

/// Since when an author is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// For a day at least.
    Long,
    /// Any number of such devices can be made up in an hour: they do not get the last of the room.
    Lately,
}

/// What came of a deposit.
#[derive(Debug, Default)]
pub struct Deposited {
    pub records: Vec<Record>,
    /// Why what was to be kept is not.
    pub refused: Option<Why>,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub entries: u64,
    pub bytes: u64,
    /// For how many devices.
    pub recipients: u64,
}

impl Holding {
    pub fn new(me: PeerId) -> Holding {
        Holding {
            me,
            limit: Some(HELD_BYTES),
            bundles: BTreeMap::new(),
            receipts: BTreeMap::new(),
            rates: BTreeMap::new(),
            verifier: Verifier::default(),
        }
    }

    pub fn verified_by(&mut self, verifier: Verifier) {
        self.verifier = verifier;
    }

    /// What was kept when the last run ended, as far as the bounds allow: of what is beyond them, that it is not kept.
    pub fn load(&mut self, loaded: LoadedMail) -> Vec<Record> {
        let mut surplus = Vec::new();
        let mut entries = 0;
        for bundle in loaded.held {
            let Some(last) = bundle.entries.last().map(|last| last.seq) else { continue };
            let key = (bundle.room, bundle.log);
            entries += bundle.entries.len();
            if self.bundles.len() >= MAX_BUNDLES || entries > MAX_ENTRIES {
                surplus.push(Record::Unhold { room: key.0, log: key.1, to: last });
            } else {
                self.bundles.insert(key, Bundle::load(&bundle));
            }
        }
        for (room, log, receipt, at) in loaded.taken.into_iter().take(MAX_RECEIPTS) {
            self.receipts.insert((room, log), (receipt, at));
        }
        surplus
    }

    /// Keeps at most so many bytes from now on; nothing if absent. What is there already stays within any number: it was
    /// promised.
    pub fn limit(&mut self, bytes: Option<u64>) -> Vec<Record> {
        self.limit = bytes;
        if bytes.is_some() {
            return Vec::new();
        }
        let given_up = std::mem::take(&mut self.bundles).into_iter();
        given_up.map(|((room, log), bundle)| Record::Unhold { room, log, to: bundle.head() }).collect()
    }

    pub fn held(&self) -> Held {
        let recipients = self.recipients().len() as u64;
        Held { entries: self.entries(|_| true), bytes: self.bytes(|_| true), recipients }
    }

    /// What is kept of an author's log for somebody; empty if nothing is.
    pub fn span(&self, room: RoomId, log: LogId) -> Span {
        self.bundles.get(&(room, log)).map_or(Span::default(), Bundle::span)
    }

    /// Whether something is kept of a log for this device.
    pub fn is_for(&self, room: RoomId, log: LogId, recipient: PeerId) -> bool {
        self.bundles.get(&(room, log)).is_some_and(|bundle| bundle.recipient == recipient)
    }

    /// What the recipient has signed to hold of it.
    pub fn receipt(&self, room: RoomId, log: LogId) -> Option<Receipt> {
        self.receipts.get(&(room, log)).map(|(receipt, _)| receipt.clone())
    }

    /// What is kept for a device.
    pub fn waiting_for(&self, recipient: PeerId) -> Vec<Waiting> {
        let theirs = self.bundles.iter().filter(|(_, bundle)| bundle.recipient == recipient);
        let waiting = |((_, log), bundle): (&(RoomId, LogId), &Bundle)| {
            let (author, span) = (bundle.author, bundle.span());
            Waiting { author, log: *log, span }
        };
        theirs.map(waiting).take(MAX_WAITING).collect()
    }

    /// Who wrote what is kept of a log.
    pub fn author(&self, room: RoomId, log: LogId) -> Option<PeerId> {
        self.bundles.get(&(room, log)).map(|bundle| bundle.author)
    }

    /// Devices for which something is kept.
    pub fn recipients(&self) -> BTreeSet<PeerId> {
        self.bundles.values().map(|bundle| bundle.recipient).collect()
    }

    /// Bytes that are kept for a device.
    pub fn bytes_for(&self, recipient: PeerId) -> u64 {
        self.bytes(|bundle| bundle.recipient == recipient)
    }

    /// An author that is proven to be there asks to keep entries for somebody. All of them are taken, or none.
    pub fn deposit(
        &mut self,
        author: PeerId,
        since: Since,
        recipient: PeerId,
        entries: &[Vec<u8>],
        now: Now,
    ) -> Deposited {
        let sent: u64 = entries.iter().map(|entry| entry.len() as u64).sum();
        let taken = self.admit(author, recipient, sent, now.instant).and_then(|()| {
            let room = direct_room_id(author, recipient);
            let run = run_of(room, author, entries)?;
            self.take(author, since, recipient, run, now.unix)
        });
        match taken {
            Ok(records) => Deposited { records, refused: None },
            Err(why) => Deposited { records: Vec::new(), refused: Some(why) },
        }
    }

    /// What is cheap to say goes before what costs anything.
    fn admit(&mut self, author: PeerId, recipient: PeerId, sent: u64, now: Instant) -> Result<(), Why> {
        if self.limit.is_none() {
            return Err(Why::Unwilling);
        }
        if recipient == self.me || recipient == author || author == self.me {
            return Err(Why::Wrong);
        }
        let level = |bucket: &mut TokenBucket| bucket.ready_at(RATE_BURST as usize, now) <= now;
        self.rates.retain(|peer, bucket| peer == &author || !level(bucket));
        if self.rates.len() >= MAX_RATES && !self.rates.contains_key(&author) {
            return Err(Why::Hasty);
        }
        let bucket =
            self.rates.entry(author).or_insert_with(|| TokenBucket::new(RATE_BYTES, RATE_BURST, now));
        let cost = (sent + DEPOSIT_COST) as usize;
        if bucket.ready_at(cost, now) > now {
            return Err(Why::Hasty);
        }
        bucket.spend(cost, now);
        Ok(())
    }

    fn take(
        &mut self,
        author: PeerId,
        since: Since,
        recipient: PeerId,
        mut run: Vec<Unverified>,
        arrived: UnixMillis,
    ) -> Result<Vec<Record>, Why> {
        let (room, log) = (direct_room_id(author, recipient), run[0].log());
        let first = run[0].header().seq;
        let before = self.bundles.get(&(room, log));
        // Where it does not continue what is here, what is here is of no use to its author any more.
        let continues =
            before.filter(|before| before.base < first && first.0 <= before.head().0.saturating_add(1));
        if let Some(before) = continues {
            run.retain(|entry| entry.header().seq > before.head());
            let Some(next) = run.first() else { return Ok(Vec::new()) };
            if next.header().prev != before.head_id.0 {
                return Err(Why::Wrong);
            }
        }
        let (continues, replaced) = (continues.is_some(), before.filter(|_| continues.is_none()));
        let to = replaced.map(Bundle::head);
        self.fits(author, since, recipient, &run, replaced)?;
        let entries = proven(run, &self.verifier).ok_or(Why::Wrong)?;
        let mut records = Vec::new();
        records.extend(to.map(|to| Record::Unhold { room, log, to }));
        if !continues {
            self.bundles.remove(&(room, log));
        }
        let bundle = self.bundles.entry((room, log)).or_insert_with(|| Bundle::new(author, recipient, first));
        for entry in &entries {
            bundle.add(entry.header.seq, entry.id(), entry.len_in_room() as u64, arrived);
        }
        records.push(Record::Hold { recipient, entries, arrived });
        Ok(records)
    }

    /// Whether there is room, once what is replaced is gone.
    fn fits(
        &self,
        author: PeerId,
        since: Since,
        recipient: PeerId,
        run: &[Unverified],
        replaced: Option<&Bundle>,
    ) -> Result<(), Why> {
        let (count, size) = (run.len() as u64, run.iter().map(size_of).sum::<u64>());
        let (gone_entries, gone_bytes) = replaced.map_or((0, 0), |bundle| (bundle.count(), bundle.bytes));
        let more = |entries: u64, bytes: u64| (entries + count - gone_entries, bytes + size - gone_bytes);
        let within = |which: &dyn Fn(&Bundle) -> bool, most_entries: usize, most_bytes: u64| {
            let (entries, bytes) = more(self.entries(which), self.bytes(which));
            entries <= most_entries as u64 && bytes <= most_bytes
        };
        let limit = self.limit.unwrap_or(0);
        let share = if since == Since::Long { limit } else { limit / SHARE_OF_NEWCOMERS };
        let known = run.first().is_some_and(|first| {
            self.bundles.contains_key(&(direct_room_id(author, recipient), first.log()))
        });
        let waiting = self.bundles.values().filter(|bundle| bundle.recipient == recipient).count();
        let fits = within(&|_| true, MAX_ENTRIES, share)
            && within(&|bundle| bundle.author == author, MAX_AUTHOR_ENTRIES, MAX_AUTHOR_BYTES)
            && within(&|bundle| bundle.recipient == recipient, MAX_RECIPIENT_ENTRIES, MAX_RECIPIENT_BYTES)
            && (known || (self.bundles.len() < MAX_BUNDLES && waiting < MAX_WAITING));
        if fits { Ok(()) } else { Err(Why::Full) }
    }

    /// Its author says that it need not be kept any more.
    pub fn release(&mut self, room: RoomId, log: LogId, to: Seq) -> Option<Record> {
        self.forget(room, log, to)
    }

    /// The recipient, proven to be there, has it or does not want it. `receipt` is genuine.
    pub fn taken(
        &mut self,
        room: RoomId,
        log: LogId,
        to: Seq,
        receipt: Option<Receipt>,
        now: UnixMillis,
    ) -> Vec<Record> {
        // Only what was kept is worth a receipt: nobody fills this table with what never was here.
        let kept = self.bundles.get(&(room, log)).map(Bundle::span);
        let mut records: Vec<Record> = self.forget(room, log, to).into_iter().collect();
        let Some(receipt) = receipt.filter(|receipt| kept.is_some_and(|kept| kept.after < receipt.span.to))
        else {
            return records;
        };
        if self.receipts.len() >= MAX_RECEIPTS && !self.receipts.contains_key(&(room, log)) {
            let oldest = self.receipts.iter().min_by_key(|(key, (_, at))| (*at, **key)).map(|(key, _)| *key);
            records.extend(oldest.and_then(|key| self.forget_receipt(key)));
        }
        self.receipts.insert((room, log), (receipt.clone(), now));
        records.push(Record::Taken { room, log, taken: receipt, at: now });
        records
    }

    /// What was here for too long.
    pub fn expire(&mut self, now: UnixMillis) -> Vec<Record> {
        let too_old = |at: UnixMillis| at.0.saturating_add(KEPT_FOR.as_millis() as u64) <= now.0;
        let ends = self.bundles.iter().filter_map(|((room, log), bundle)| {
            let old = bundle.parts.iter().take_while(|part| too_old(part.arrived)).last()?;
            Some((*room, *log, old.to))
        });
        let ends: Vec<_> = ends.collect();
        let mut records: Vec<Record> =
            ends.into_iter().filter_map(|(room, log, to)| self.forget(room, log, to)).collect();
        let old = self.receipts.iter().filter(|(_, (_, at))| too_old(*at)).map(|(key, _)| *key);
        for key in old.collect::<Vec<_>>() {
            records.extend(self.forget_receipt(key));
        }
        records
    }

    /// Whether anything is here that will be too old.
    pub fn is_empty(&self) -> bool {
        self.bundles.is_empty() && self.receipts.is_empty()
    }

    fn forget_receipt(&mut self, (room, log): (RoomId, LogId)) -> Option<Record> {
        self.receipts.remove(&(room, log)).map(|_| Record::TakenForgotten { room, log })
    }

    fn forget(&mut self, room: RoomId, log: LogId, to: Seq) -> Option<Record> {
        let bundle = self.bundles.get_mut(&(room, log))?;
        let to = to.min(bundle.head());
        if to <= bundle.base {
            return None;
        }
        if to == bundle.head() {
            self.bundles.remove(&(room, log));
        } else {
            bundle.cut(to);
        }
        Some(Record::Unhold { room, log, to })
    }

    fn entries(&self, which: impl Fn(&Bundle) -> bool) -> u64 {
        self.bundles.values().filter(|bundle| which(bundle)).map(Bundle::count).sum()
    }

    fn bytes(&self, which: impl Fn(&Bundle) -> bool) -> u64 {
        self.bundles.values().filter(|bundle| which(bundle)).map(|bundle| bundle.bytes).sum()
    }
}

impl Bundle {
    fn new(author: PeerId, recipient: PeerId, first: Seq) -> Bundle {
        let base = Seq(first.0 - 1);
        Bundle { author, recipient, base, head_id: EntryId([0; 32]), bytes: 0, parts: VecDeque::new() }
    }

    fn load(loaded: &LoadedBundle) -> Bundle {
        let first = loaded.entries.first().map_or(Seq(1), |first| first.seq);
        let mut bundle = Bundle::new(loaded.author, loaded.recipient, first);
        for entry in &loaded.entries {
            bundle.add(entry.seq, loaded.head_id, entry.bytes, entry.arrived);
        }
        bundle
    }

    fn add(&mut self, seq: Seq, id: EntryId, bytes: u64, arrived: UnixMillis) {
        self.head_id = id;
        self.bytes += bytes;
        match self.parts.back_mut() {
            Some(part) if arrived.0.saturating_sub(part.arrived.0) < PART_MS => {
                (part.to, part.arrived) = (seq, part.arrived.max(arrived));
                part.bytes += bytes;
            }
            _ => self.parts.push_back(Part { to: seq, bytes, arrived }),
        }
    }

    /// Gives up what is at or below a place that is not the last. What a part weighs that is cut through is known again
    /// only at the next start; until then all of it counts for what is left.
    fn cut(&mut self, to: Seq) {
        while self.parts.front().is_some_and(|part| part.to <= to) {
            self.bytes -= self.parts.pop_front().map_or(0, |part| part.bytes);
        }
        self.base = to;
    }

    fn head(&self) -> Seq {
        self.parts.back().map_or(self.base, |part| part.to)
    }

    fn span(&self) -> Span {
        Span { after: self.base, to: self.head() }
    }

    fn count(&self) -> u64 {
        self.span().count()
    }
}

/// Consecutive entries of one log of the author in the room; none is proven.
fn run_of(room: RoomId, author: PeerId, entries: &[Vec<u8>]) -> Result<Vec<Unverified>, Why> {
    let read = entries.iter().map(|bytes| Unverified::decode_in_room(room, bytes));
    let run: Vec<Unverified> = read.collect::<Result<_, _>>().map_err(|_| Why::Wrong)?;
    let theirs = run.first().is_some_and(|first| first.header().author == author);
    let follow = run.windows(2).all(|two| two[0].precedes(&two[1]));
    if theirs && follow { Ok(run) } else { Err(Why::Wrong) }
}

/// The signature of the last proves them all, since each names the one before it.
fn proven(mut run: Vec<Unverified>, verifier: &Verifier) -> Option<Vec<Arc<Entry>>> {
    let last = run.pop()?.verify(verifier).ok()?;
    let mut entries: Vec<Arc<Entry>> = run.into_iter().map(|entry| Arc::new(entry.chained())).collect();
    entries.push(Arc::new(last));
    Some(entries)
}

fn size_of(entry: &Unverified) -> u64 {
    entry.len_in_room() as u64
}

/// Bytes that are kept for others where nobody chose a number: some ten thousand messages of a hundred people.
pub const HELD_BYTES: u64 = 64_000_000;
/// The least that can be chosen: less would hold no long message of anybody.
pub const MIN_HELD_BYTES: u64 = 1 << 20;
/// Entries kept in all: what is known of each in memory while they are loaded, some hundred bytes, stays within 4 MiB.
pub const MAX_ENTRIES: usize = 32_768;
/// Logs kept in all: all of them are looked through with every deposit.
pub const MAX_BUNDLES: usize = 1024;
/// Of one author: a sixteenth of the usual room, so that nobody takes all of it; some thousands of messages.
pub const MAX_AUTHOR_BYTES: u64 = 4 << 20;
pub const MAX_AUTHOR_ENTRIES: usize = 4096;
/// For one device, from all authors: what it takes up in a few seconds when it comes.
pub const MAX_RECIPIENT_BYTES: u64 = 16 << 20;
pub const MAX_RECIPIENT_ENTRIES: usize = 16_384;
/// Authors who were first seen less than a day ago find room only while less than this part of it is taken.
const SHARE_OF_NEWCOMERS: u64 = 4;
/// What one author may deposit, in bytes a second: five frames, each of which costs a sync of the disk.
pub const RATE_BYTES: u32 = 20 << 10;
/// And at once: all that is kept of one author.
pub const RATE_BURST: u32 = 5 << 20;
/// What a deposit costs besides its bytes: one page of the database, and one of its log.
const DEPOSIT_COST: u64 = 4 << 10;
/// Authors whose rate is watched: as many as may be connected. Whoever is below its rate is not among them.
const MAX_RATES: usize = 256;
/// Receipts kept for authors, of some 200 bytes each.
pub const MAX_RECEIPTS: usize = 4096;
/// What comes within an hour ends together.
const PART_MS: u64 = 3_600_000;
