//! The logs of one room: which entries continue them, which are missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::effects::LoadedLog;
use crate::identity::Verifier;
use crate::model::{EntryId, LogId, PeerId, Seq};
use crate::wire::datagram::Wanted;
use crate::wire::entry::{Entry, Unverified, log_id};

/// All logs of one room.
#[derive(Default)]
pub struct Logs {
    logs: BTreeMap<LogId, Log>,
    /// How many logs each author has.
    authors: BTreeMap<PeerId, usize>,
    /// Logs that somebody spoke of and of which nothing is here.
    claims: BTreeMap<LogId, Seq>,
    /// The most recently active logs last.
    active: BTreeSet<(u64, LogId)>,
    activity: u64,
    /// Bytes of entries that wait for one before them.
    held_bytes: usize,
    digest: Option<[u8; 16]>,
    verifier: Verifier,
}

struct Log {
    author: PeerId,
    /// The last place up to which nothing is missing.
    head: Seq,
    head_id: EntryId,
    /// The highest place that anybody spoke of. Nothing is believed because of it; it only says what to ask for.
    known: Seq,
    /// Verified entries beyond a gap.
    held: BTreeMap<Seq, Entry>,
    touched: u64,
}

/// What became of an entry.
#[derive(Debug)]
pub enum Accepted {
    /// It was here already.
    Known,
    /// It continues its log, and so do entries that had waited for it. In order; to be committed.
    Appended(Vec<Arc<Entry>>),
    /// It is genuine and waits for one before it.
    Held,
    /// It contradicts its log, or there is no room for it.
    Refused,
    /// It is not genuine.
    Forged,
}

impl Logs {
    pub fn verified_by(&mut self, verifier: Verifier) {
        self.verifier = verifier;
    }

    pub fn load(&mut self, loaded: &LoadedLog) {
        let log = log_id(loaded.author, loaded.nonce);
        let (head, head_id) = (loaded.head, loaded.head_id);
        *self.add_log(log, loaded.author) = Log { head, head_id, known: head, ..Log::empty(loaded.author) };
        self.touch(log);
    }

    /// Takes an entry from anybody. Its signature is checked only if it is new.
    pub fn accept(&mut self, entry: Unverified) -> Accepted {
        let (id, seq) = (entry.log(), entry.header().seq);
        let (head, head_id) = match self.logs.get(&id) {
            Some(log) if seq <= log.head || log.held.contains_key(&seq) => return Accepted::Known,
            Some(log) if seq.0 - log.head.0 > MAX_AHEAD => return Accepted::Refused,
            Some(log) => (log.head, log.head_id),
            None if seq.0 > MAX_AHEAD || !self.has_room_for(entry.header().author) => {
                return Accepted::Refused;
            }
            None => (Seq(0), NO_ENTRY),
        };
        let follows = seq == head.next();
        if follows && entry.header().prev != head_id.0 {
            return Accepted::Refused;
        }
        let entry = match entry.verify(&self.verifier) {
            Ok(entry) => entry,
            Err(_) => return Accepted::Forged,
        };
        if follows {
            return Accepted::Appended(self.append(entry));
        }
        if self.held_bytes + cost(&entry) > MAX_HELD_BYTES {
            return Accepted::Refused;
        }
        self.held_bytes += cost(&entry);
        let log = self.open_log(id, entry.header.author);
        log.known = log.known.max(seq);
        log.held.insert(seq, entry);
        self.touch(id);
        Accepted::Held
    }

    /// Adds an entry that continues its log, and whatever waited for it.
    pub fn append(&mut self, entry: Entry) -> Vec<Arc<Entry>> {
        let id = entry.log();
        self.open_log(id, entry.header.author);
        let Some(log) = self.logs.get_mut(&id) else { return Vec::new() };
        let mut appended = Vec::new();
        let mut next = Some(entry);
        while let Some(entry) = next {
            log.head = entry.header.seq;
            log.head_id = entry.id();
            appended.push(Arc::new(entry));
            next = log.held.remove(&log.head.next());
            if let Some(waited) = &next {
                self.held_bytes -= cost(waited);
            }
            // What waited was signed by the author, yet it may belong to another branch: then it does not follow.
            next = next.filter(|waited| waited.header.prev == log.head_id.0);
        }
        log.known = log.known.max(log.head);
        self.digest = None;
        self.touch(id);
        appended
    }

    /// Somebody says that logs reach so far. Whether they lead beyond what is here.
    pub fn learn(&mut self, heads: &[(LogId, Seq)]) -> bool {
        let mut beyond = false;
        for (id, seq) in heads.iter().filter(|(_, seq)| *seq > Seq(0)) {
            match self.logs.get_mut(id) {
                Some(log) => {
                    log.known = log.known.max(*seq);
                    beyond |= log.known > log.head;
                }
                None if self.claims.len() < MAX_CLAIMS || self.claims.contains_key(id) => {
                    let claim = self.claims.entry(*id).or_default();
                    *claim = (*claim).max(*seq);
                    beyond = true;
                }
                None => {}
            }
        }
        beyond
    }

    /// What was claimed and could not be had is not asked for again until somebody claims it anew.
    pub fn forget_claims(&mut self) {
        self.claims.clear();
        self.held_bytes = 0;
        for log in self.logs.values_mut() {
            // What waits behind a gap that nobody can fill waits for ever; it comes again with what is before it.
            log.held.clear();
            log.known = log.head;
        }
        let authors = &mut self.authors;
        self.logs.retain(|_, log| {
            let real = log.head > Seq(0);
            if !real && let Some(count) = authors.get_mut(&log.author) {
                *count -= 1;
            }
            real
        });
        self.authors.retain(|_, count| *count > 0);
        let logs = &self.logs;
        self.active.retain(|(_, id)| logs.contains_key(id));
    }

    /// What is missing, as ranges, at most `most` places.
    pub fn missing(&self, most: usize) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        let mut left = most as u64;
        // Gaps in logs that exist come before logs that are only claimed.
        for (id, log) in self.logs.iter().filter(|(_, log)| log.known > log.head) {
            let mut from = log.head.next();
            let gaps_end = log.held.keys().copied().chain([log.known.next()]);
            for end in gaps_end {
                let count = (end.0 - from.0).min(left);
                if count > 0 {
                    wanted.push(Wanted { log: *id, from, count: count as u32 });
                    left -= count;
                }
                from = end.next();
            }
            if left == 0 {
                break;
            }
        }
        for (id, claimed) in &self.claims {
            let count = claimed.0.min(left);
            if count > 0 {
                wanted.push(Wanted { log: *id, from: Seq(1), count: count as u32 });
                left -= count;
            }
        }
        wanted
    }

    /// Whether anything that was spoken of is not here.
    pub fn is_missing(&self) -> bool {
        !self.claims.is_empty() || self.logs.values().any(|log| log.known > log.head)
    }

    pub fn lacks(&self, id: LogId, seq: Seq) -> bool {
        let missing = |log: &Log| {
            let ahead = Seq(log.head.0.saturating_add(MAX_AHEAD)).min(log.known);
            seq > log.head && seq <= ahead && !log.held.contains_key(&seq)
        };
        self.logs.get(&id).is_some_and(missing) || self.claims.get(&id).is_some_and(|known| seq <= *known)
    }

    /// The most recently active logs, at most `most`.
    pub fn heads(&self, most: usize) -> Vec<(LogId, Seq)> {
        let recent = self.active.iter().rev().map(|(_, id)| (*id, self.head(*id)));
        recent.filter(|(_, head)| *head > Seq(0)).take(most).collect()
    }

    /// Every log and how far it is here.
    pub fn all_heads(&self) -> impl Iterator<Item = (LogId, Seq)> {
        self.logs.iter().map(|(id, log)| (*id, log.head)).filter(|(_, head)| *head > Seq(0))
    }

    /// How far a log is here; 0 if not at all.
    pub fn head(&self, id: LogId) -> Seq {
        self.logs.get(&id).map_or(Seq(0), |log| log.head)
    }

    /// The id of the newest entry of a log, zeros if there is none: what the next entry must name as the one before.
    pub fn head_id(&self, id: LogId) -> EntryId {
        self.logs.get(&id).map_or(NO_ENTRY, |log| log.head_id)
    }

    /// How many logs have entries here.
    pub fn count(&self) -> u32 {
        self.all_heads().count() as u32
    }

    /// First 16 bytes of SHA-256 over all (log, head, head id), in the order of the log ids.
    pub fn digest(&mut self) -> [u8; 16] {
        if let Some(digest) = self.digest {
            return digest;
        }
        let mut hash = Sha256::new();
        for (id, log) in self.logs.iter().filter(|(_, log)| log.head > Seq(0)) {
            hash.update(id.0);
            hash.update(log.head.0.to_be_bytes());
            hash.update(log.head_id.0);
        }
        let full = hash.finalize();
        let digest = core::array::from_fn(|i| full[i]);
        self.digest = Some(digest);
        digest
    }

    fn open_log(&mut self, id: LogId, author: PeerId) -> &mut Log {
        if let Some(claimed) = self.claims.remove(&id) {
            self.add_log(id, author).known = claimed;
        }
        self.add_log(id, author)
    }

    fn add_log(&mut self, id: LogId, author: PeerId) -> &mut Log {
        let authors = &mut self.authors;
        self.logs.entry(id).or_insert_with(|| {
            *authors.entry(author).or_default() += 1;
            Log::empty(author)
        })
    }

    /// Whether an author may begin another log here.
    fn has_room_for(&self, author: PeerId) -> bool {
        self.logs.len() < MAX_LOGS
            && self.authors.get(&author).is_none_or(|count| *count < MAX_LOGS_OF_AUTHOR)
    }

    fn touch(&mut self, id: LogId) {
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
        Log { author, head: Seq(0), head_id: NO_ENTRY, known: Seq(0), held: BTreeMap::new(), touched: 0 }
    }
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
/// Logs of one room: a log is one author's one installation.
const MAX_LOGS: usize = 4096;
/// Logs of one author: one for each installation or return.
const MAX_LOGS_OF_AUTHOR: usize = 32;
/// Logs that are only spoken of: a newcomer learns of more by catching up over TCP.
const MAX_CLAIMS: usize = 64;
/// How far beyond a gap an entry may be to be kept; further ones come over TCP.
const MAX_AHEAD: u64 = 1024;
/// Bytes of entries kept beyond gaps, per room.
const MAX_HELD_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use crate::model::{Hlc, RoomId};
    use crate::wire::entry::Header;

    const ROOM: RoomId = RoomId([9; 32]);

    fn chain(seed: u8, texts: &[&str]) -> Vec<Entry> {
        let author = Identity::from_seed(&[seed; 32]);
        let mut prev = NO_ENTRY;
        let mut entries = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let header = Header {
                room: ROOM,
                author: author.peer_id(),
                nonce: 1,
                epoch: 0,
                seq: Seq(at as u64 + 1),
                prev: prev.0,
                hlc: Hlc(at as u64),
                deps: vec![],
                kind: 1,
            };
            let entry = Entry::write(&author, header, text.as_bytes().to_vec());
            prev = entry.id();
            entries.push(entry);
        }
        entries
    }

    fn sent(entry: &Entry) -> Unverified {
        Unverified::decode(&entry.encode()).unwrap()
    }

    fn appended(accepted: Accepted) -> usize {
        match accepted {
            Accepted::Appended(entries) => entries.len(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn entries_that_arrive_in_any_order_are_appended_in_theirs() {
        let entries = chain(1, &["a", "b", "c", "d"]);
        let mut logs = Logs::default();
        assert!(matches!(logs.accept(sent(&entries[2])), Accepted::Held));
        assert!(matches!(logs.accept(sent(&entries[2])), Accepted::Known));
        assert_eq!(logs.missing(10), [Wanted { log: entries[0].log(), from: Seq(1), count: 2 }]);
        assert_eq!(appended(logs.accept(sent(&entries[0]))), 1);
        assert!(matches!(logs.accept(sent(&entries[3])), Accepted::Held));
        assert_eq!(appended(logs.accept(sent(&entries[1]))), 3);
        assert!(!logs.is_missing() && logs.held_bytes == 0);
        assert_eq!(logs.head(entries[0].log()), Seq(4));
    }

    #[test]
    fn a_log_that_contradicts_itself_stops_where_it_does() {
        let (one, other) = (chain(1, &["a", "b"]), chain(1, &["a", "x", "y"]));
        let mut logs = Logs::default();
        assert_eq!(appended(logs.accept(sent(&one[0]))), 1);
        assert!(matches!(logs.accept(sent(&other[2])), Accepted::Held));
        assert_eq!(appended(logs.accept(sent(&one[1]))), 1);
        assert_eq!(logs.held_bytes, 0, "what does not follow is not kept");
        assert!(matches!(logs.accept(sent(&other[2])), Accepted::Refused));
    }

    #[test]
    fn the_same_entries_give_the_same_digest() {
        let (ann, bob) = (chain(1, &["a", "b"]), chain(2, &["c"]));
        let [mut one, mut other] = [Logs::default(), Logs::default()];
        for entry in ann.iter().chain(&bob) {
            logs_accept(&mut one, entry);
        }
        assert_ne!(one.digest(), other.digest());
        for entry in bob.iter().chain(&ann) {
            logs_accept(&mut other, entry);
        }
        assert_eq!(one.digest(), other.digest());
        assert_eq!(one.heads(1), [(bob[0].log(), Seq(1))]);
        assert_eq!(other.heads(1), [(ann[0].log(), Seq(2))]);
    }

    fn logs_accept(logs: &mut Logs, entry: &Entry) {
        assert_eq!(appended(logs.accept(sent(entry))), 1);
    }

    #[test]
    fn claims_are_asked_for_and_forgotten() {
        let mut logs = Logs::default();
        let entries = chain(1, &["a", "b"]);
        logs_accept(&mut logs, &entries[0]);
        assert!(logs.learn(&[(entries[0].log(), Seq(u64::MAX)), (LogId([7; 8]), Seq(3))]));
        assert_eq!(logs.missing(5).iter().map(|w| w.count).sum::<u32>(), 5);
        logs.forget_claims();
        assert!(!logs.is_missing());
        assert_eq!(logs.count(), 1);
    }

    #[test]
    fn claims_of_made_up_logs_are_bounded() {
        let mut logs = Logs::default();
        for n in 0..10_000u64 {
            logs.learn(&[(LogId(n.to_be_bytes()), Seq(1))]);
        }
        assert_eq!((logs.logs.len(), logs.claims.len()), (0, MAX_CLAIMS));
        assert_eq!(appended(logs.accept(sent(&chain(1, &["a"])[0]))), 1, "and real ones find room");
    }

    #[test]
    fn what_waits_behind_a_gap_that_nobody_fills_is_let_go() {
        let entries = chain(1, &["a", "b", "c"]);
        let mut logs = Logs::default();
        assert!(matches!(logs.accept(sent(&entries[2])), Accepted::Held));
        logs.forget_claims();
        assert!(!logs.is_missing() && logs.held_bytes == 0 && logs.authors.is_empty());
        assert!(
            matches!(logs.accept(sent(&entries[2])), Accepted::Held),
            "and taken again when it is spoken of"
        );
    }

    #[test]
    fn one_author_cannot_fill_a_room_with_logs() {
        let author = Identity::from_seed(&[1; 32]);
        let mut logs = Logs::default();
        for nonce in 0..100 {
            let header = Header { nonce, ..chain(1, &["a"])[0].header.clone() };
            let _ = logs.accept(sent(&Entry::write(&author, header, b"a".to_vec())));
        }
        assert_eq!(logs.logs.len(), MAX_LOGS_OF_AUTHOR);
        assert_eq!(appended(logs.accept(sent(&chain(2, &["b"])[0]))), 1);
    }
}
