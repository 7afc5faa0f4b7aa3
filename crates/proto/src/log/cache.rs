//! Entries kept at hand for repairs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::log::logs::cost;
use crate::model::{Instant, LogId, PeerId, Seq};
use crate::wire::entry::Entry;

/// Entries kept at hand for repairs: the newest that came.
#[derive(Default)]
pub struct Cache {
    entries: BTreeMap<(LogId, Seq), Cached>,
    order: VecDeque<(LogId, Seq)>,
    bytes: usize,
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
