//! Logs that contradict themselves: how that is noticed, and what is known of them from then on.

use crate::effects::Fork;
use crate::log::logs::places::MAX_LOGS;
use crate::log::logs::{Accepted, Contradicting, Log, Logs, MAX_CONTRADICTIONS, cost};
use crate::model::{EntryId, LogId, Seq};
use crate::wire::datagram::Head;
use crate::wire::entry::Unverified;

impl Logs {
    /// Whether an entry is known not to be the one that is here at its place.
    pub(super) fn is_another(&self, id: LogId, entry: &Unverified) -> bool {
        let Some(log) = self.logs.get(&id) else { return false };
        let back = log.here.head().0.wrapping_sub(entry.header().seq.0) as usize;
        let known = log.recent.len().checked_sub(back.saturating_add(1)).and_then(|at| log.recent.get(at));
        known.is_some_and(|known| *known != entry.id())
    }

    /// An entry does not fit what is here. If it is genuine, its author has written two logs under one name.
    pub(super) fn contradicted(&mut self, entry: Unverified, at: impl FnOnce(Seq) -> Seq) -> Accepted {
        let Ok(entry) = entry.verify(&self.verifier) else { return Accepted::Forged };
        let at = at(entry.header.seq);
        // A first entry that names one before it contradicts itself alone.
        if at > Seq(0) && self.contradictions.len() < MAX_CONTRADICTIONS {
            self.contradictions.push(Contradicting { entry, at });
        }
        Accepted::Refused
    }

    /// What contradicted a log since this was last asked.
    pub fn take_contradictions(&mut self) -> Vec<Contradicting> {
        std::mem::take(&mut self.contradictions)
    }

    /// It is proven that a log contradicts itself. Whether that is news.
    pub fn fork(&mut self, fork: Fork) -> bool {
        let id = fork.log;
        if self.forked.len() >= MAX_LOGS || self.forked.contains_key(&id) {
            return false;
        }
        self.forked.insert(id, fork);
        self.claims.remove(id);
        self.holed.remove(&id);
        if let Some(log) = self.logs.get_mut(&id) {
            self.held_bytes -= log.held.values().map(cost).sum::<usize>();
            log.held.clear();
            self.active.remove(&(log.touched, id));
        }
        self.digest = None;
        true
    }

    pub fn is_forked(&self, id: LogId) -> bool {
        self.forked.contains_key(&id)
    }

    /// Logs that contradict themselves.
    pub fn forks(&self) -> impl Iterator<Item = &Fork> {
        self.forked.values()
    }

    /// Whether others may have another entry at a place of a log.
    pub fn is_disputed(&self, id: LogId, seq: Seq) -> bool {
        self.forked.get(&id).is_some_and(|fork| fork.from.is_some_and(|from| from <= seq))
    }

    /// Whether somebody ends a log at the same place with another entry.
    pub fn differs(&self, theirs: &Head) -> bool {
        let (head, head_id) = (self.head(theirs.log), self.head_id(theirs.log));
        head > Seq(0) && head == theirs.seq && theirs.check.is_some_and(|check| check != check_of(head_id))
    }
}

impl Log {
    /// The ids of entries that are the newest now, in their order.
    pub(super) fn remember(&mut self, ids: impl Iterator<Item = EntryId>) {
        self.recent.extend(ids);
        let surplus = self.recent.len().saturating_sub(RECENT_IDS);
        self.recent.drain(..surplus);
    }
}

/// The beginning of an entry's id.
pub(super) fn check_of(id: EntryId) -> u32 {
    let [a, b, c, d, ..] = id.0;
    u32::from_be_bytes([a, b, c, d])
}

/// Ids kept of each log, to see when it goes on in two ways.
const RECENT_IDS: usize = 16;
