//! The logs of one room: which entries continue them, which are missing.

mod claims;
mod forks;
mod places;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::effects::{Fork, Interval, LoadedLog, Place};
use crate::identity::Verifier;
use crate::log::intervals::Intervals;
use crate::model::{EntryId, Hlc, LogId, PeerId, Seq, Span};
use crate::wire::datagram::Head;
use crate::wire::entry::{Entry, Unverified, log_id};

use claims::Claims;
use forks::check_of;
use places::Settled;

/// All logs of one room.
#[derive(Default)]
pub struct Logs {
    logs: BTreeMap<LogId, Log>,
    /// Those of which there are entries, and how many of them each author has.
    real: usize,
    authors: BTreeMap<PeerId, usize>,
    /// The log that this device writes.
    own: Option<LogId>,
    /// Those whose logs go last where there is no room.
    esteemed: BTreeSet<PeerId>,
    claims: Claims,
    settled: Settled,
    /// Logs that gave way.
    closed: Vec<LogId>,
    /// The most recently active logs last.
    active: BTreeSet<(u64, LogId)>,
    activity: u64,
    /// Bytes of entries that wait for one before them.
    held_bytes: usize,
    digest: Option<[u8; 16]>,
    /// Logs with something missing below their head.
    holed: BTreeSet<LogId>,
    /// Logs that contradict themselves: nothing more is taken of them, and they are not spoken of.
    forked: BTreeMap<LogId, Fork>,
    /// Entries that contradict what is here, and which place to compare them with.
    contradictions: Vec<Contradicting>,
    verifier: Verifier,
}

struct Log {
    author: PeerId,
    here: Intervals,
    /// The clock of the oldest entry of the newest interval,
    oldest: Hlc,
    /// and of the newest.
    newest: Hlc,
    /// Verified entries beyond a gap.
    held: BTreeMap<Seq, Entry>,
    /// The ids of the newest entries up to the head.
    recent: VecDeque<EntryId>,
    touched: u64,
}

/// A genuine entry that cannot be in one log with the one at a place.
#[derive(Debug)]
pub struct Contradicting {
    pub entry: Entry,
    pub at: Seq,
}

/// What became of consecutive entries of one log.
#[derive(Debug)]
pub enum Accepted {
    /// They were here already.
    Known,
    /// They belong to their log, and so do entries that had waited for them. In order; to be committed.
    Added(Run),
    /// They are genuine and wait for one before them.
    Held,
    /// They contradict their log.
    Refused,
    /// They are genuine, and there is no room for them.
    NoRoom,
    /// They are not genuine.
    Forged,
}

/// Consecutive entries of one log that are new here.
#[derive(Debug)]
pub struct Run {
    pub entries: Vec<Arc<Entry>>,
    pub place: Place,
    /// What was given up for them: everything up to this place.
    pub forgotten: Option<Seq>,
    /// Logs that gave way to theirs.
    pub closed: Vec<LogId>,
}

/// Whether entries may leave a hole below them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holes {
    /// They were asked for, and what is between will be.
    Allowed,
    /// What is between is asked for by multicast; until then they wait.
    Not,
}

impl Logs {
    pub fn verified_by(&mut self, verifier: Verifier) {
        self.verifier = verifier;
    }

    pub fn load(&mut self, loaded: &LoadedLog) {
        let id = log_id(loaded.author, loaded.nonce);
        let here = Intervals::load(loaded.intervals.clone(), loaded.floor);
        let recent = VecDeque::from([here.head_id()]);
        let (oldest, newest) = (loaded.oldest, loaded.newest);
        if here.head() > Seq(0) {
            self.make_room(loaded.author);
        }
        self.logs.insert(id, Log { here, oldest, newest, recent, ..Log::empty(loaded.author) });
        self.note_holes(id);
        self.touch(id);
    }

    /// Takes consecutive entries of one log from anybody: each names the one before it. The newest is proven by its
    /// signature, if it is new, and the others by it.
    pub fn accept(&mut self, mut run: Vec<Unverified>, holes: Holes) -> Accepted {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Accepted::Known };
        let (id, author) = (last.log(), last.header().author);
        let head = self.head(id);
        if self.is_forked(id) {
            return Accepted::Known;
        }
        let is_here = self.logs.get(&id).is_some_and(Log::is_real);
        if !is_here && !self.fits(id, author, last.header().hlc) {
            return self.refused_for_room(id, run);
        }
        if last.header().seq <= head {
            if let Some(other) = run.iter().position(|entry| self.is_another(id, entry)) {
                return self.contradicted(run.swap_remove(other), |seq| seq);
            }
            return self.accept_below(id, run);
        }
        let beyond = first.header().seq > head.next();
        run.retain(|entry| entry.header().seq > head);
        match holes {
            Holes::Not if beyond => self.hold(id, run),
            Holes::Allowed if beyond => self.accept_ahead(id, run),
            _ => self.accept_next(id, run),
        }
    }

    /// Adds an entry of this device's own.
    pub fn append(&mut self, entry: Entry) -> Vec<Arc<Entry>> {
        self.append_all(vec![entry])
    }

    fn accept_next(&mut self, id: LogId, mut run: Vec<Unverified>) -> Accepted {
        if run[0].header().prev != self.head_id(id).0 {
            return self.contradicted(run.swap_remove(0), |seq| Seq(seq.0 - 1));
        }
        let Some(entries) = self.proven(run) else { return Accepted::Forged };
        let entries = self.append_all(entries);
        Accepted::Added(Run { entries, place: Place::Head, forgotten: None, closed: self.take_closed() })
    }

    fn hold(&mut self, id: LogId, run: Vec<Unverified>) -> Accepted {
        let head = self.head(id);
        let log = self.logs.get(&id);
        if run.iter().all(|entry| log.is_some_and(|log| log.held.contains_key(&entry.header().seq))) {
            return Accepted::Known;
        }
        if run.last().is_none_or(|last| last.header().seq.0 - head.0 > MAX_AHEAD) {
            return Accepted::NoRoom;
        }
        let Some(entries) = self.proven(run) else { return Accepted::Forged };
        for entry in entries {
            if self.held_bytes + cost(&entry) > MAX_HELD_BYTES {
                return Accepted::NoRoom;
            }
            let (seq, cost) = (entry.header.seq, cost(&entry));
            let log = self.open_log(id, entry.header.author);
            let replaced = log.held.insert(seq, entry);
            self.held_bytes += cost;
            self.held_bytes -= replaced.as_ref().map_or(0, self::cost);
        }
        self.touch(id);
        Accepted::Held
    }

    fn accept_ahead(&mut self, id: LogId, run: Vec<Unverified>) -> Accepted {
        let Some(mut entries) = self.proven(run) else { return Accepted::Forged };
        let (first, last) = (&entries[0], &entries[entries.len() - 1]);
        let ahead = Interval {
            base: Seq(first.header.seq.0 - 1),
            base_id: EntryId(first.header.prev),
            head: last.header.seq,
            head_id: last.id(),
        };
        let (author, oldest, newest) = (first.header.author, first.header.hlc, last.header.hlc);
        let log = self.real_log(id, author);
        (log.oldest, log.newest) = (oldest, newest);
        log.recent.clear();
        log.remember(entries.iter().map(Entry::id));
        let forgotten = log.here.jump(ahead);
        let rest = self.take_held(id);
        let mut added: Vec<Arc<Entry>> = entries.drain(..).map(Arc::new).collect();
        added.extend(self.append_all(rest));
        self.changed(id);
        Accepted::Added(Run { entries: added, place: Place::Ahead, forgotten, closed: self.take_closed() })
    }

    /// Entries below a head are proven by what names them as the ones before.
    fn accept_below(&mut self, id: LogId, mut run: Vec<Unverified>) -> Accepted {
        let Some(log) = self.logs.get_mut(&id) else { return Accepted::Known };
        let Some(last) = run.last().map(|last| last.header().seq) else { return Accepted::Known };
        let base = log.here.around(last).map_or(last, |interval| interval.base);
        let settled = log.here.settled_below(base);
        run.retain(|entry| settled < entry.header().seq && entry.header().seq <= base);
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Accepted::Known };
        let Some(above) = log.here.above(base) else { return Accepted::Refused };
        if above.base_id != last.id() {
            let Some(last) = run.pop() else { return Accepted::Refused };
            return self.contradicted(last, Seq::next);
        }
        let (to, to_id, oldest) =
            (Seq(first.header().seq.0 - 1), EntryId(first.header().prev), first.header().hlc);
        let top = base == log.here.base();
        if log.here.extend_below(base, to, to_id).is_err() {
            return self.contradicted(run.swap_remove(0), |seq| Seq(seq.0 - 1));
        }
        if top {
            log.oldest = oldest;
        }
        let entries = run.into_iter().map(|entry| Arc::new(entry.chained())).collect();
        self.changed(id);
        Accepted::Added(Run { entries, place: Place::Below, forgotten: None, closed: Vec::new() })
    }

    /// Logs that are spoken of: they have entries here and do not contradict themselves.
    fn sound(&self) -> impl Iterator<Item = (&LogId, &Log)> {
        self.logs.iter().filter(|(id, log)| log.here.head() > Seq(0) && !self.is_forked(**id))
    }

    /// The entries of a run, if the signature of the newest proves them.
    fn proven(&self, mut run: Vec<Unverified>) -> Option<Vec<Entry>> {
        let last = run.pop()?.verify(&self.verifier).ok()?;
        let mut entries: Vec<Entry> = run.into_iter().map(Unverified::chained).collect();
        entries.push(last);
        Some(entries)
    }

    /// Appends entries that continue their log, and whatever waited for them.
    fn append_all(&mut self, entries: Vec<Entry>) -> Vec<Arc<Entry>> {
        let mut appended = Vec::new();
        let mut next = entries;
        while let Some(last) = next.last() {
            let (id, author) = (last.log(), last.header.author);
            let (seq, entry_id, newest) = (last.header.seq, last.id(), last.header.hlc);
            let log = self.real_log(id, author);
            log.newest = newest;
            if log.here.is_empty() {
                log.oldest = next[0].header.hlc;
            }
            log.here.append(seq, entry_id);
            log.remember(next.iter().map(Entry::id));
            appended.extend(next.into_iter().map(Arc::new));
            next = self.take_held(id);
            self.changed(id);
        }
        appended
    }

    /// What waited for the place behind the head. What was signed by the author may yet belong to another branch: then
    /// it does not follow, and is let go.
    fn take_held(&mut self, id: LogId) -> Vec<Entry> {
        let Some(log) = self.logs.get_mut(&id) else { return Vec::new() };
        let (head, head_id) = (log.here.head(), log.here.head_id());
        let later = log.held.split_off(&head.next());
        let passed = std::mem::replace(&mut log.held, later);
        self.held_bytes -= passed.values().map(cost).sum::<usize>();
        let next = log.held.remove(&head.next());
        self.held_bytes -= next.as_ref().map_or(0, cost);
        let next = next.into_iter();
        let (fits, other): (Vec<Entry>, Vec<Entry>) = next.partition(|next| next.header.prev == head_id.0);
        let other = other.into_iter().map(|entry| Contradicting { entry, at: head });
        self.contradictions.extend(other.take(MAX_CONTRADICTIONS - self.contradictions.len()));
        fits
    }

    fn changed(&mut self, id: LogId) {
        self.claims.met(id, self.head(id));
        self.digest = None;
        self.note_holes(id);
        self.touch(id);
    }

    fn note_holes(&mut self, id: LogId) {
        if !self.is_forked(id) && self.logs.get(&id).is_some_and(|log| log.here.has_holes()) {
            self.holed.insert(id);
        } else {
            self.holed.remove(&id);
        }
    }

    /// What is here of a log up to this place was given up.
    pub fn forget(&mut self, id: LogId, to: Seq, to_id: EntryId) {
        if let Some(log) = self.logs.get_mut(&id) {
            log.here.forget(to, to_id);
            self.changed(id);
        }
    }

    /// Whether anything is missing below the heads that are here.
    pub fn has_holes(&self) -> bool {
        !self.holed.is_empty()
    }

    /// Whether this device holds less of a log than from its first entry to its head.
    pub fn is_partial(&self) -> bool {
        self.sound().any(|(_, log)| log.here.base() > Seq(0))
    }

    /// What is not here of what somebody else has, the oldest first.
    pub fn lacking(&self, theirs: &Head) -> Vec<Span> {
        match self.logs.get(&theirs.log) {
            _ if self.is_forked(theirs.log) || self.is_settled(theirs.log, theirs.seq) => Vec::new(),
            // Only one of the two can be in it: theirs is wanted to prove that.
            Some(log) if self.differs(theirs) => {
                vec![Span { after: Seq(log.here.head().0 - 1), to: log.here.head() }]
            }
            Some(log) => log.here.lacking(theirs.span()),
            None => Intervals::default().lacking(theirs.span()),
        }
    }

    /// Whether all of these places are here.
    pub fn holds(&self, id: LogId, span: Span) -> bool {
        let around = self.logs.get(&id).and_then(|log| log.here.around(span.to));
        around.is_some_and(|here| here.base <= span.after)
    }

    /// Whether something is missing below the head of a log.
    pub fn is_holed(&self, id: LogId) -> bool {
        self.holed.contains(&id)
    }

    /// The clock of the oldest entry above the newest hole of a log; zero if nothing is known of it.
    pub fn oldest(&self, id: LogId) -> Hlc {
        self.logs.get(&id).map_or(Hlc(0), |log| log.oldest)
    }

    /// The most recently active logs, at most `most`.
    pub fn heads(&self, most: usize) -> Vec<(LogId, Seq)> {
        self.newest_heads().map(|head| (head.log, head.seq)).take(most).collect()
    }

    /// Every log and what is here of it without a gap below its head, the most recently active first.
    pub fn newest_heads(&self) -> impl Iterator<Item = Head> {
        self.heads_since(0)
    }

    /// As [`Logs::newest_heads`], of the logs that changed since the activity was this.
    pub fn heads_since(&self, activity: u64) -> impl Iterator<Item = Head> {
        let recent = self.active.range((activity + 1, LogId([0; 8]))..).rev();
        recent
            .filter_map(|(_, id)| {
                let here = &self.logs.get(id)?.here;
                let check = Some(check_of(here.head_id()));
                Some(Head { log: *id, seq: here.head(), base: here.base(), check })
            })
            .filter(|head| head.seq > Seq(0))
    }

    /// A count that grows with every change.
    pub fn activity(&self) -> u64 {
        self.activity
    }

    /// How far each log of one author is here.
    pub fn heads_of(&self, author: PeerId) -> impl Iterator<Item = (LogId, Seq)> {
        let theirs = self.logs.iter().filter(move |(_, log)| log.author == author);
        theirs.map(|(id, log)| (*id, log.here.head())).filter(|(_, head)| *head > Seq(0))
    }

    /// Whose log it is, if anything of it is here.
    pub fn author(&self, id: LogId) -> Option<PeerId> {
        self.logs.get(&id).map(|log| log.author)
    }

    /// How far a log is here; 0 if not at all.
    pub fn head(&self, id: LogId) -> Seq {
        self.logs.get(&id).map_or(Seq(0), |log| log.here.head())
    }

    pub fn contains(&self, id: LogId, seq: Seq) -> bool {
        self.logs.get(&id).is_some_and(|log| log.here.around(seq).is_some())
    }

    /// The id of the newest entry of a log, zeros if there is none: what the next entry must name as the one before.
    pub fn head_id(&self, id: LogId) -> EntryId {
        self.logs.get(&id).map_or(NO_ENTRY, |log| log.here.head_id())
    }

    /// How many logs have entries here.
    pub fn count(&self) -> u32 {
        self.sound().count() as u32
    }

    /// First 16 bytes of SHA-256 over all (log, head, head id), in the order of the log ids.
    pub fn digest(&mut self) -> [u8; 16] {
        if let Some(digest) = self.digest {
            return digest;
        }
        let mut hash = Sha256::new();
        for (id, log) in self.sound() {
            hash.update(id.0);
            hash.update(log.here.head().0.to_be_bytes());
            hash.update(log.here.head_id().0);
        }
        let full = hash.finalize();
        let digest = core::array::from_fn(|i| full[i]);
        self.digest = Some(digest);
        digest
    }

    /// A log that is here, or of which only entries beyond a gap are.
    fn open_log(&mut self, id: LogId, author: PeerId) -> &mut Log {
        self.logs.entry(id).or_insert_with(|| Log::empty(author))
    }

    /// A log that has entries from now on, if it had none.
    fn real_log(&mut self, id: LogId, author: PeerId) -> &mut Log {
        if !self.logs.get(&id).is_some_and(Log::is_real) {
            self.make_room(author);
            self.unsettle(id);
        }
        self.open_log(id, author)
    }

    /// Genuine or not, they are not taken; but only of genuine ones it is remembered.
    fn refused_for_room(&mut self, id: LogId, mut run: Vec<Unverified>) -> Accepted {
        let Some(last) = run.pop().and_then(|last| last.verify(&self.verifier).ok()) else {
            return Accepted::Forged;
        };
        self.settle(id, last.header.seq);
        Accepted::NoRoom
    }

    fn touch(&mut self, id: LogId) {
        if self.is_forked(id) {
            return;
        }
        self.activity += 1;
        if let Some(log) = self.logs.get_mut(&id) {
            self.active.remove(&(log.touched, id));
            log.touched = self.activity;
            self.active.insert((self.activity, id));
        }
    }
}

impl Log {
    fn empty(author: PeerId) -> Log {
        let (here, held, recent) = (Intervals::default(), BTreeMap::new(), VecDeque::new());
        Log { author, here, oldest: Hlc(0), newest: Hlc(0), held, recent, touched: 0 }
    }

    /// Whether there are, or were, entries of it here.
    fn is_real(&self) -> bool {
        self.here.head() > Seq(0)
    }
}

/// The place of the last entry that waits.
fn highest(held: &BTreeMap<Seq, Entry>) -> Seq {
    held.keys().next_back().copied().unwrap_or_default()
}

/// What an entry takes in memory, about.
pub fn cost(entry: &Entry) -> usize {
    entry.len_in_room() + 256
}

/// Whether somebody may write in a log of this room: in a direct conversation only the two.
pub fn may_write(author: PeerId, members: Option<(PeerId, PeerId)>) -> bool {
    members.is_none_or(|(one, other)| author == one || author == other)
}

/// The id before a log's first entry.
pub const NO_ENTRY: EntryId = EntryId([0; 32]);
/// How far beyond a gap an entry may be to be kept; further ones come over TCP.
const MAX_AHEAD: u64 = 1024;
/// Contradictions that wait to be looked at; what comes meanwhile proves the same.
const MAX_CONTRADICTIONS: usize = 16;
/// Bytes of entries kept beyond gaps, per room.
const MAX_HELD_BYTES: usize = 4 << 20;
