//! What to say in a room and when: new entries, repairs, nacks, heads.
//!
//! Nothing is queued as packets. Intents are kept, and a packet is built from them at the moment it may be sent, so
//! that it says what is true then ("late binding"): queued packets made a storm of every loss.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::log::absent::Absent;
use crate::log::cache::Cache;
use crate::log::company::{Company, MIN_DIGEST_INTERVAL};
use crate::log::fragments::{Fragments, Purpose};
use crate::log::holds::Holds;
use crate::log::logs::Logs;
use crate::log::tail::{MUCH_LOSS, Reminder, Tail};
use crate::model::{EntryId, Instant, LogId, PeerId, Seq};
use crate::pacing::{Conditions, Dice, earliest};
use crate::wire::compact::Packer;
use crate::wire::datagram::{
    Fragment, Head, Heads, MAX_BODY, MAX_ENTRIES, MAX_HEADS, MAX_PIECES, MAX_WANTED, Pieces, RoomPacket,
    Wanted,
};
use crate::wire::entry::Entry;

/// The intents of one room.
pub struct Repair {
    me: PeerId,
    /// Own entries that were not multicast yet.
    new: VecDeque<Arc<Entry>>,
    /// Entries that somebody asked for, and when.
    repairs: BTreeMap<(LogId, Seq), Instant>,
    repair_at: Option<Instant>,
    /// Entries that were asked for, here or by others: not again until then.
    holds: Holds,
    nack_at: Option<Instant>,
    /// When this device last asked.
    nacked_at: Option<Instant>,
    missing_since: Option<Instant>,
    pub(super) heads_at: Option<Instant>,
    digest_at: Option<Instant>,
    tail: Option<Tail>,
    /// The next heads say that something has to be fetched over TCP.
    fetch: bool,
    /// The log that is asked for first.
    turn: LogId,
    cache: Cache,
    /// What was asked for and is not at hand.
    pub(super) absent: Absent,
    fragments: Fragments,
    /// Bytes that sealing adds to a datagram.
    overhead: usize,
}

/// In the order in which packets are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    New,
    Repair,
    Nack,
    Heads,
}

impl Priority {
    pub const ALL: [Priority; 4] = [Priority::New, Priority::Repair, Priority::Nack, Priority::Heads];
}

impl Repair {
    pub fn new(me: PeerId, overhead: usize) -> Repair {
        Repair {
            me,
            new: VecDeque::new(),
            repairs: BTreeMap::new(),
            repair_at: None,
            holds: Holds::default(),
            nack_at: None,
            nacked_at: None,
            missing_since: None,
            heads_at: None,
            digest_at: None,
            tail: None,
            fetch: false,
            turn: LogId([0; 8]),
            cache: Cache::default(),
            absent: Absent::default(),
            fragments: Fragments::default(),
            overhead,
        }
    }

    /// Keeps an entry at hand for repairs, as at the start.
    pub fn remember(&mut self, entry: Arc<Entry>) {
        self.cache.insert(entry, None);
    }

    /// This device wrote an entry.
    pub fn wrote(&mut self, entry: &Arc<Entry>, now: Instant) {
        self.cache.insert(entry.clone(), None);
        if self.is_large(entry) {
            // One at a time: more of them would fill the air for seconds.
            if Fragments::can_carry(entry) && !self.fragments.has(Purpose::New) {
                self.fragments.want(entry, None, Purpose::New, now);
            } else {
                self.fetch_by_tcp(now);
            }
        } else {
            self.new.push_back(entry.clone());
            let queued = self.packed(&self.new);
            if queued > MAX_QUEUED_DATAGRAMS * self.capacity() {
                // Faster than the air allows: speak of it, and let the others fetch it over TCP.
                self.new.clear();
                self.fetch_by_tcp(now);
            }
        }
        self.tail = Some(Tail::new(now));
    }

    /// Entries were added, from whoever.
    pub fn appended(&mut self, entries: &[Arc<Entry>]) {
        for entry in entries {
            let place = (entry.log(), entry.header.seq);
            self.holds.remove(place);
            self.fragments.arrived(place);
            self.cache.insert(entry.clone(), None);
        }
    }

    /// An entry was heard by multicast, new or not: nobody needs to repair it now.
    pub fn heard(&mut self, log: LogId, seq: Seq, id: EntryId, now: Instant) {
        // Something else at the same place is not what was asked for.
        if self.cache.get(log, seq).is_some_and(|entry| entry.id() == id) {
            self.cache.heard(log, seq, now);
            self.repairs.remove(&(log, seq));
        }
    }

    /// A piece of an entry was heard; the entry as it travels, unverified, if it is whole now.
    pub fn piece(&mut self, from: PeerId, piece: Fragment, logs: &Logs, now: Instant) -> Option<Vec<u8>> {
        self.fragments.heard(&piece);
        let place = (piece.log, piece.seq);
        if !logs.lacks(place.0, place.1) {
            return None;
        }
        let whole = self.fragments.take(from, piece, now);
        // The other pieces are on their way.
        self.holds.comes(place, now);
        whole
    }

    /// Catching up came to its end: what is missing from now on is another matter.
    pub fn begin_anew(&mut self) {
        self.missing_since = None;
        self.holds.clear();
    }

    /// Something may be missing now: decide when to ask.
    pub fn check_gaps(&mut self, logs: &Logs, group: usize, now: Instant, dice: &mut Dice) {
        if !logs.is_missing() {
            self.missing_since = None;
            self.nack_at = None;
            self.holds.clear();
            return;
        }
        self.missing_since.get_or_insert(now);
        if self.nack_at.is_none() {
            let free = logs
                .missing(MAX_NACKED, self.turn)
                .iter()
                .flat_map(places)
                .map(|place| self.holds.free_at(place, now))
                .min();
            let back_off = dice.back_off(NACK_BACK_OFF, group as f64 * ASSUMED_LOSS);
            self.nack_at = Some(free.unwrap_or(now).max(now) + back_off);
        }
    }

    /// Whether what is missing should rather be fetched over TCP.
    pub fn wants_pull(&self, logs: &Logs, now: Instant) -> bool {
        let Some(since) = self.missing_since else { return false };
        now.since(since) >= PULL_AFTER
            || self.holds.most_tries() >= PULL_AFTER_NACKS
            || logs
                .missing(MAX_NACKED + 1, self.turn)
                .iter()
                .map(|wanted| wanted.count as usize)
                .sum::<usize>()
                > MAX_NACKED
    }

    /// When [`Repair::wants_pull`] may turn true by itself.
    pub fn pull_deadline(&self) -> Option<Instant> {
        self.missing_since.map(|since| since + PULL_AFTER)
    }

    /// Somebody misses entries: repair what is here, and do not ask for what is asked for already.
    /// `group` devices may want to.
    pub fn nacked(
        &mut self,
        wanted: &[Wanted],
        pieces: &[Pieces],
        logs: &Logs,
        group: usize,
        now: Instant,
        dice: &mut Dice,
    ) {
        for pieces in pieces {
            match self.cache.get(pieces.log, pieces.seq).cloned() {
                Some(entry) if self.is_large(&entry) && Fragments::can_carry(&entry) => {
                    self.fragments.want(&entry, Some(pieces.missing), Purpose::Repair, now);
                    self.repair_soon(&entry, group, now, dice);
                }
                Some(_) => {}
                None if self.fragments.missing((pieces.log, pieces.seq)) == Some(pieces.missing) => {
                    self.holds.asked_by_others((pieces.log, pieces.seq), group, now);
                }
                None => {}
            }
        }
        for (log, seq) in wanted.iter().flat_map(places).take(MAX_NACKED) {
            if let Some(entry) = self.cache.get(log, seq).cloned() {
                if !self.is_large(&entry) {
                    self.repairs.entry((log, seq)).or_insert(now);
                } else if Fragments::can_carry(&entry) {
                    self.fragments.want(&entry, None, Purpose::Repair, now);
                } else {
                    continue;
                }
                self.repair_soon(&entry, group, now, dice);
            } else if logs.lacks(log, seq) {
                self.holds.asked_by_others((log, seq), group, now);
            } else if logs.contains(log, seq) {
                self.absent.note((log, seq));
            }
        }
    }

    /// What was not at hand was read, as far as it is there.
    pub fn retrieved(&mut self, entries: Vec<Arc<Entry>>, group: usize, now: Instant, dice: &mut Dice) {
        self.absent.was_read();
        for entry in entries {
            self.cache.recall(entry.clone());
            if !self.is_large(&entry) {
                self.repairs.entry((entry.log(), entry.header.seq)).or_insert(now);
            } else if Fragments::can_carry(&entry) {
                self.fragments.want(&entry, None, Purpose::Repair, now);
            } else {
                continue;
            }
            self.repair_soon(&entry, group, now, dice);
        }
    }

    /// Say what is here, soon; several reasons make one packet.
    pub fn want_heads(&mut self, at: Instant) {
        self.heads_at = earliest(self.heads_at, Some(at));
    }

    /// Somebody said just what this device would say.
    pub fn heads_said(&mut self) {
        if !self.fetch {
            self.heads_at = None;
        }
    }

    /// Whether a reminder of own entries is due.
    pub fn is_reminding(&self, now: Instant) -> bool {
        self.tail.is_some_and(|tail| tail.is_due(now))
    }

    /// Everybody who is here has all own entries.
    pub fn covered(&mut self) {
        self.tail = None;
    }

    /// Starts or stops the regular digests: they go on as long as anybody is here who may take part.
    pub fn set_company(&mut self, company: Company, now: Instant, dice: &mut Dice) {
        match (company, self.digest_at) {
            (Company::Nobody, _) => self.digest_at = None,
            (_, None) => self.digest_at = Some(now + dice.around(MIN_DIGEST_INTERVAL)),
            // Somebody joined: what was to be said some time is said soon.
            (_, Some(at)) => self.digest_at = Some(at.min(now + company.digest_interval().mul_f64(1.5))),
        }
    }

    /// Says what is here a second time soon: the first may be lost, or come before anybody knows who says it.
    pub fn say_again_soon(&mut self, now: Instant, dice: &mut Dice) {
        let again = now + dice.around(SAY_AGAIN);
        self.digest_at = Some(self.digest_at.map_or(again, |at| at.min(again)));
    }

    /// Turns what is due into intents.
    pub fn timer(&mut self, company: Company, air: Conditions, now: Instant, dice: &mut Dice) {
        self.set_company(company, now, dice);
        if self.digest_at.is_some_and(|at| at <= now) {
            self.digest_at = Some(now + dice.around(company.digest_interval()));
            self.want_heads(now);
        }
        if let Some(tail) = self.tail.filter(|tail| tail.is_due(now)) {
            let (reminder, next) = tail.remind(company, air, now, dice);
            self.tail = next;
            match reminder {
                Reminder::Heads => self.want_heads(now),
                Reminder::Repeat if air.is_lossy() && self.new.is_empty() => {
                    self.new.extend(self.cache.newest_by(self.me));
                }
                Reminder::Repeat => {}
            }
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let timers = earliest(self.digest_at, self.tail.as_ref().map(Tail::next));
        earliest(timers, self.next_packet_at())
    }

    /// When there is something to send, bucket permitting.
    pub fn next_packet_at(&self) -> Option<Instant> {
        let asked = earliest(self.repair_at, self.nack_at);
        let new = (!self.new.is_empty() || self.fragments.has(Purpose::New)).then_some(Instant(0));
        earliest(new, earliest(asked, self.heads_at))
    }

    /// Builds the packet of this priority, if one is due and still makes sense.
    pub fn packet(
        &mut self,
        priority: Priority,
        logs: &mut Logs,
        group: usize,
        air: Conditions,
        now: Instant,
        dice: &mut Dice,
    ) -> Option<RoomPacket> {
        match priority {
            Priority::New => self.new_packet(logs, air, now, dice),
            Priority::Repair => self.repair_packet(now, dice),
            Priority::Nack => {
                let spacing = nack_spacing(group, air);
                let packet = self.nack_packet(logs, spacing, now, dice);
                self.check_gaps(logs, group, now, dice);
                packet
            }
            Priority::Heads => self.heads_packet(logs, now),
        }
    }

    fn new_packet(
        &mut self,
        logs: &Logs,
        air: Conditions,
        now: Instant,
        dice: &mut Dice,
    ) -> Option<RoomPacket> {
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        while let Some(entry) = self.new.front().cloned() {
            entries.push(entry);
            if entries.len() > MAX_ENTRIES || self.packed(&entries) > self.capacity() {
                entries.pop();
                if entries.is_empty() {
                    // A reminder of an entry that no datagram can carry: whoever lacks it will say so.
                    self.new.pop_front();
                    self.want_heads(now);
                    continue;
                }
                break;
            }
            self.new.pop_front();
        }
        if entries.is_empty() {
            let piece = self.fragments.next(Purpose::New, &self.cache, now, dice);
            return piece.map(RoomPacket::Fragment);
        }
        let left = self.capacity() - self.packed(&entries);
        let heads = logs.heads((left / HEAD_BYTES).min(DATA_HEADS));
        let mut left = left - heads.len() * HEAD_BYTES;
        if air.busy || !self.new.is_empty() {
            left = 0;
        }
        let filled = (self.capacity() as f64 * air.redundancy()) as usize;
        self.fill(&mut entries, left.min(filled), now);
        Some(self.data(&entries, heads, now))
    }

    /// Room that is left repeats the newest other entries: redundancy that costs no packet.
    fn fill(&self, entries: &mut Vec<Arc<Entry>>, left: usize, now: Instant) {
        let most = self.packed(entries.iter()) + left;
        for entry in self.cache.recent(now) {
            if entries.len() == MAX_ENTRIES {
                return;
            }
            if entries.iter().all(|chosen| chosen.id() != entry.id()) {
                entries.push(entry.clone());
                if self.packed(entries.iter()) > most {
                    entries.pop();
                }
            }
        }
    }

    fn repair_packet(&mut self, now: Instant, dice: &mut Dice) -> Option<RoomPacket> {
        if self.repair_at.is_none_or(|at| at > now) {
            return None;
        }
        let cache = &self.cache;
        self.repairs.retain(|(log, seq), asked| {
            now.since(*asked) < REPAIR_ENDS
                && cache.get(*log, *seq).is_some()
                && cache.heard_at(*log, *seq).is_none_or(|heard| heard < *asked)
        });
        // Whoever repairs the same begins elsewhere: so they share the work.
        let skipped = (dice.fraction() * self.repairs.len() as f64) as usize;
        let places: Vec<_> = self.repairs.keys().copied().collect();
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        for place in places.iter().skip(skipped).chain(places.iter().take(skipped)) {
            let Some(entry) = self.cache.get(place.0, place.1).cloned() else { continue };
            entries.push(entry);
            if entries.len() > MAX_ENTRIES || self.packed(&entries) > self.capacity() {
                entries.pop();
                break;
            }
            self.repairs.remove(place);
        }
        let packet = if entries.is_empty() {
            self.fragments.next(Purpose::Repair, &self.cache, now, dice).map(RoomPacket::Fragment)
        } else {
            Some(self.data(&entries, Vec::new(), now))
        };
        // Between two of them there is time to hear what others repair.
        let more = !self.repairs.is_empty() || self.fragments.has(Purpose::Repair);
        self.repair_at = more.then_some(now + REPAIR_SPACING);
        packet
    }

    /// `spacing` after the last one, at the earliest.
    fn nack_packet(
        &mut self,
        logs: &Logs,
        spacing: Duration,
        now: Instant,
        dice: &mut Dice,
    ) -> Option<RoomPacket> {
        if self.nack_at.is_none_or(|at| at > now) {
            return None;
        }
        if let Some(asked) = self.nacked_at.filter(|asked| now.since(*asked) < spacing.mul_f64(0.5)) {
            self.nack_at = Some(asked + dice.around(spacing));
            return None;
        }
        self.nack_at = None;
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut pieces: Vec<Pieces> = Vec::new();
        // One chance for the whole packet: what was asked for together is asked for together again.
        let jitter = 0.8 + 0.5 * dice.fraction();
        for (log, seq) in logs.missing(MAX_NACKED, self.turn).iter().flat_map(places) {
            if self.holds.free_at((log, seq), now) > now {
                continue;
            }
            let full = wanted.len() == MAX_WANTED;
            let missing = self.fragments.missing((log, seq));
            match wanted.last_mut() {
                _ if missing.is_some() && pieces.len() == MAX_PIECES => continue,
                _ if missing.is_some() => {
                    pieces.extend(missing.map(|missing| Pieces { log, seq, missing }));
                }
                Some(last) if last.log == log && last.from.0 + u64::from(last.count) == seq.0 => {
                    last.count += 1
                }
                _ if full => break,
                _ => wanted.push(Wanted { log, from: seq, count: 1 }),
            }
            self.holds.ask((log, seq), jitter, now);
            self.turn = LogId(u64::from_be_bytes(log.0).wrapping_add(1).to_be_bytes());
        }
        let asks = !wanted.is_empty() || !pieces.is_empty();
        self.nacked_at = if asks { Some(now) } else { self.nacked_at };
        asks.then_some(RoomPacket::Nack { wanted, pieces })
    }

    fn heads_packet(&mut self, logs: &mut Logs, now: Instant) -> Option<RoomPacket> {
        if self.heads_at.is_none_or(|at| at > now) {
            return None;
        }
        self.heads_at = None;
        let fetch = std::mem::take(&mut self.fetch);
        Some(RoomPacket::Heads(Heads {
            digest: logs.digest(),
            logs: logs.count(),
            heads: fitting(logs),
            fetch,
            partial: logs.is_partial(),
        }))
    }

    fn repair_soon(&mut self, entry: &Entry, group: usize, now: Instant, dice: &mut Dice) {
        let wait = if entry.header.author == self.me {
            dice.span(Duration::ZERO..REPAIR_BY_AUTHOR)
        } else {
            REPAIR_BY_OTHERS + dice.back_off(REPAIR_BACK_OFF, group as f64)
        };
        self.repair_at.get_or_insert(now + wait);
    }

    /// Whether an entry fits no packet.
    fn is_large(&self, entry: &Arc<Entry>) -> bool {
        self.packed([entry]) > self.capacity()
    }

    /// Bytes for entries and heads in one room packet.
    fn capacity(&self) -> usize {
        MAX_BODY - TAG_BYTES - self.overhead - PACKET_FRAMING
    }

    /// Bytes of the entries in one packet.
    fn packed<'a>(&self, entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> usize {
        let mut packer = Packer::new(self.me);
        let lengths = in_order(entries).into_iter().map(|entry| {
            let len = packer.len_of(entry);
            packer.push(entry);
            len + ENTRY_FRAMING
        });
        lengths.sum()
    }

    fn data(&mut self, entries: &[Arc<Entry>], heads: Vec<(LogId, Seq)>, now: Instant) -> RoomPacket {
        let mut packer = Packer::new(self.me);
        for entry in in_order(entries) {
            packer.push(entry);
            self.cache.heard(entry.log(), entry.header.seq, now);
        }
        RoomPacket::Data { entries: packer.finish(), heads }
    }

    fn fetch_by_tcp(&mut self, now: Instant) {
        self.fetch = true;
        self.want_heads(now);
    }
}

/// The most recently active logs, as many as a packet carries; those with a hole take more.
fn fitting(logs: &Logs) -> Vec<Head> {
    let mut left = MAX_HEADS * HEAD_BYTES;
    let size = |head: &Head| HEAD_BYTES + if head.base > Seq(0) { BASE_BYTES } else { 0 };
    let fits = |head: &Head| {
        let fits = size(head) <= left;
        left = left.saturating_sub(size(head));
        fits
    };
    logs.newest_heads().map(|head| Head { check: None, ..head }).take_while(fits).take(MAX_HEADS).collect()
}

/// Where all together have more to say than they may, and do not hear each other's questions, everybody asks: it leaves no
/// air to those who could answer. Each of so many devices then asks once in so many times [`NACK_SPACING`].
fn nack_spacing(group: usize, air: Conditions) -> Duration {
    let unheard = (air.loss / MUCH_LOSS).min(1.0);
    if air.busy { (NACK_SPACING * group as u32).mul_f64(unheard) } else { Duration::ZERO }
}

fn places(wanted: &Wanted) -> impl Iterator<Item = (LogId, Seq)> + use<> {
    let (log, from) = (wanted.log, wanted.from.0);
    (from..from.saturating_add(u64::from(wanted.count).min(MAX_NACKED as u64)))
        .map(move |seq| (log, Seq(seq)))
}

/// What continues a log takes less room behind what it continues.
fn in_order<'a>(entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> Vec<&'a Arc<Entry>> {
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_by_key(|entry| (entry.log(), entry.header.seq));
    entries
}

/// Bytes of the room's tag in front of a packet.
const TAG_BYTES: usize = 8;
/// Bytes of CBOR around the lists of a packet, and around one entry.
const PACKET_FRAMING: usize = 16;
const ENTRY_FRAMING: usize = 3;
/// Bytes of one head at most.
const HEAD_BYTES: usize = 19;
/// Bytes more where something is missing below it.
const BASE_BYTES: usize = 9;
/// Heads that travel with entries.
const DATA_HEADS: usize = 8;
/// Entries that are asked for by multicast; more are fetched over TCP.
const MAX_NACKED: usize = 64;
/// Own datagrams that may wait for the bucket before the others are told to fetch.
const MAX_QUEUED_DATAGRAMS: usize = 4;
const SAY_AGAIN: Duration = Duration::from_secs(1);
const NACK_BACK_OFF: Duration = Duration::from_millis(100);
/// A fifth of the air at most is for questions.
const NACK_SPACING: Duration = Duration::from_millis(25);
/// The part of a group that misses the same entry, for the back-off's group size.
const ASSUMED_LOSS: f64 = 0.1;
/// The author answers first, others only if it does not.
const REPAIR_BY_AUTHOR: Duration = Duration::from_millis(4);
const REPAIR_BY_OTHERS: Duration = Duration::from_millis(8);
const REPAIR_BACK_OFF: Duration = Duration::from_millis(80);
/// Between two repairs of one device.
const REPAIR_SPACING: Duration = Duration::from_millis(4);
/// A repair that could not be sent for so long is no longer wanted, or is asked for again.
const REPAIR_ENDS: Duration = Duration::from_secs(1);
const PULL_AFTER: Duration = Duration::from_secs(3);
const PULL_AFTER_NACKS: u32 = 8;
