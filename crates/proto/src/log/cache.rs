//! Entries kept at hand for repairs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::log::logs::cost;
use crate::model::{Instant, LogId, PeerId, Seq};
use crate::wire::entry::Entry;

/// Entries kept at hand for repairs: the newest that came, and older ones that were read again because somebody asked.
#[derive(Default)]
pub struct Cache {
    entries: BTreeMap<(LogId, Seq), Cached>,
    order: VecDeque<(LogId, Seq)>,
    bytes: usize,
    recalled: VecDeque<(LogId, Seq)>,
    recalled_bytes: usize,
}

struct Cached {
    entry: Arc<Entry>,
    heard: Option<Instant>,
}

impl Cache {
    pub fn insert(&mut self, entry: Arc<Entry>, heard: Option<Instant>) {
        let place = (entry.log(), entry.header.seq);
        if self.entries.contains_key(&place) {
            return;
        }
        self.bytes += cost(&entry);
        self.order.push_back(place);
        self.entries.insert(place, Cached { entry, heard });
        while self.order.len() > CACHED_ENTRIES || self.bytes > CACHED_BYTES {
            let oldest = self.order.pop_front().and_then(|place| self.entries.remove(&place));
            self.bytes -= oldest.map_or(0, |cached| cost(&cached.entry));
        }
    }

    /// An older entry, read from the disk.
    pub fn recall(&mut self, entry: Arc<Entry>) {
        let place = (entry.log(), entry.header.seq);
        if self.entries.contains_key(&place) {
            return;
        }
        self.recalled_bytes += cost(&entry);
        self.recalled.push_back(place);
        self.entries.insert(place, Cached { entry, heard: None });
        while self.recalled.len() > RECALLED_ENTRIES || self.recalled_bytes > RECALLED_BYTES {
            let oldest = self.recalled.pop_front().and_then(|place| self.entries.remove(&place));
            self.recalled_bytes -= oldest.map_or(0, |cached| cost(&cached.entry));
        }
    }

    pub fn get(&self, log: LogId, seq: Seq) -> Option<&Arc<Entry>> {
        self.entries.get(&(log, seq)).map(|cached| &cached.entry)
    }

    pub fn heard(&mut self, log: LogId, seq: Seq, now: Instant) {
        if let Some(cached) = self.entries.get_mut(&(log, seq)) {
            cached.heard = Some(now);
        }
    }

    pub fn heard_at(&self, log: LogId, seq: Seq) -> Option<Instant> {
        self.entries.get(&(log, seq)).and_then(|cached| cached.heard)
    }

    /// The newest first, as long as they were heard within [`REDUNDANT`].
    pub fn recent(&self, now: Instant) -> impl Iterator<Item = &Arc<Entry>> {
        let newest = self.order.iter().rev().take(32).filter_map(|place| self.entries.get(place));
        newest
            .filter(move |cached| cached.heard.is_some_and(|heard| now.since(heard) < REDUNDANT))
            .map(|cached| &cached.entry)
    }

    pub fn newest_by(&self, author: PeerId) -> Option<Arc<Entry>> {
        let newest = self.order.iter().rev().filter_map(|place| self.entries.get(place));
        newest.map(|cached| &cached.entry).find(|entry| entry.header.author == author).cloned()
    }
}

/// Entries heard so recently fill the room that is left in a datagram.
const REDUNDANT: Duration = Duration::from_secs(3);
/// Kept at hand per room: what two halves of a room may have said to themselves in half an hour.
const CACHED_ENTRIES: usize = 2048;
const CACHED_BYTES: usize = 1 << 20;
/// Read again: what is asked for in a few rounds.
const RECALLED_ENTRIES: usize = 256;
const RECALLED_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use crate::model::{Hlc, RoomId};
    use crate::wire::entry::Header;

    fn filled(count: u64, size: usize) -> Cache {
        let (author, mut cache) = (Identity::from_seed(&[1; 32]), Cache::default());
        for n in 1..=count {
            let header = Header {
                room: RoomId([9; 32]),
                author: author.peer_id(),
                nonce: 1,
                epoch: 0,
                seq: Seq(n),
                prev: [0; 32],
                hlc: Hlc(n),
                deps: vec![],
                kind: 1,
            };
            cache.insert(Arc::new(Entry::write(&author, header, vec![0; size])), None);
        }
        cache
    }

    #[test]
    fn the_newest_entries_are_at_hand_and_no_more_of_them_than_there_is_room_for() {
        let many = filled(CACHED_ENTRIES as u64 + 10, 1);
        assert_eq!((many.entries.len(), many.order.len()), (CACHED_ENTRIES, CACHED_ENTRIES));
        let log = many.order[0].0;
        assert!(many.get(log, Seq(10)).is_none() && many.get(log, Seq(11)).is_some());
        let large = filled(100, 30_000);
        assert!(large.bytes <= CACHED_BYTES && large.bytes > CACHED_BYTES - 40_000, "{}", large.bytes);
        assert_eq!(large.entries.len(), large.order.len());
    }

    #[test]
    fn what_was_read_again_takes_no_room_from_the_newest() {
        let (mut cache, old) = (filled(CACHED_ENTRIES as u64, 1), filled(CACHED_ENTRIES as u64 + 500, 1));
        let log = old.order[0].0;
        let mut other = Cache::default();
        for seq in CACHED_ENTRIES as u64 + 1..=CACHED_ENTRIES as u64 + 500 {
            let entry = old.get(log, Seq(seq)).unwrap().clone();
            cache.recall(entry.clone());
            other.recall(entry);
        }
        assert_eq!(cache.entries.len(), CACHED_ENTRIES + RECALLED_ENTRIES);
        assert!(cache.get(log, Seq(1)).is_some() && cache.get(log, Seq(CACHED_ENTRIES as u64 + 1)).is_none());
        assert!(
            other.newest_by(old.entries[&(log, Seq(501))].entry.header.author).is_none(),
            "it is not new"
        );
    }
}
