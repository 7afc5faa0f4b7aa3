//! How many logs a room holds, and which gives way to another: the one that has been silent the longest.
//!
//! Of one author it is the one whose newest entry has the lowest clock, so all who know the same logs keep the same
//! ones. Of all it is that, too, but logs of those who are here or were met go last: nobody who makes up authors pushes
//! out people. What was here of a log that gave way stays on the disk and is shown; here nothing is known of it but how
//! far it went, and it is not asked for again unless it goes on.

use std::collections::BTreeSet;

use crate::log::logs::{Log, Logs, cost};
use crate::model::{Hlc, LogId, PeerId, Seq};

/// Logs for which there was no room, and how far they went then.
#[derive(Default)]
pub(super) struct Settled {
    logs: std::collections::BTreeMap<LogId, Seq>,
    order: std::collections::VecDeque<LogId>,
}

/// What goes first is the least.
type Rank = (bool, bool, Hlc, LogId);

impl Logs {
    /// The log that this device writes never gives way.
    pub fn is_written_here(&mut self, own: LogId) {
        self.own = Some(own);
    }

    /// Logs of these go last.
    pub fn esteem(&mut self, people: BTreeSet<PeerId>) {
        self.esteemed = people;
    }

    /// Whether another log would push one out.
    pub fn is_full(&self) -> bool {
        self.real >= MAX_LOGS
    }

    pub fn authors(&self) -> impl Iterator<Item = PeerId> {
        self.authors.keys().copied()
    }

    /// Whether a log that goes on with an entry of this clock may be in the room, beside the others or in the place of one.
    pub(super) fn fits(&self, id: LogId, author: PeerId, clock: Hlc) -> bool {
        let rank = (true, self.esteemed.contains(&author), clock, id);
        let full_of_author = self.count_of(author) >= MAX_LOGS_OF_AUTHOR;
        let first = if full_of_author {
            self.first_to_go(|log| log.author == author)
        } else if self.is_full() {
            self.first_to_go(|_| true)
        } else {
            return true;
        };
        first.is_some_and(|first| first < rank)
    }

    /// Another log has entries from now on: one gives way if there are too many.
    pub(super) fn make_room(&mut self, author: PeerId) {
        let first = if self.count_of(author) >= MAX_LOGS_OF_AUTHOR {
            self.first_to_go(|log| log.author == author)
        } else if self.is_full() {
            self.first_to_go(|_| true)
        } else {
            None
        };
        if let Some((.., id)) = first {
            self.close(id);
        }
        *self.authors.entry(author).or_default() += 1;
        self.real += 1;
    }

    /// Logs that gave way since this was last asked.
    pub fn take_closed(&mut self) -> Vec<LogId> {
        std::mem::take(&mut self.closed)
    }

    /// Whether a log is not wanted up to this place, since there is no room for it.
    pub fn is_settled(&self, id: LogId, to: Seq) -> bool {
        self.settled.logs.get(&id).is_some_and(|settled| to <= *settled)
    }

    /// Logs for which there is no room.
    pub fn settled(&self) -> usize {
        self.settled.logs.len()
    }

    /// There is no room for a log that is known to go so far.
    pub(super) fn settle(&mut self, id: LogId, to: Seq) {
        let settled = &mut self.settled;
        if settled.logs.len() >= MAX_SETTLED && !settled.logs.contains_key(&id) {
            while let Some(oldest) = settled.order.pop_front() {
                if settled.logs.remove(&oldest).is_some() {
                    break;
                }
            }
        }
        if settled.logs.insert(id, to).is_none() {
            settled.order.push_back(id);
        }
        self.claims.met(id, to);
    }

    pub(super) fn unsettle(&mut self, id: LogId) {
        if self.settled.logs.remove(&id).is_some() {
            self.settled.order.retain(|settled| *settled != id);
        }
    }

    fn count_of(&self, author: PeerId) -> usize {
        self.authors.get(&author).copied().unwrap_or_default()
    }

    fn first_to_go(&self, among: impl Fn(&Log) -> bool) -> Option<Rank> {
        let logs = self.logs.iter().filter(|(id, log)| log.is_real() && Some(**id) != self.own && among(log));
        let rank = |(id, log): (&LogId, &Log)| {
            (!self.is_forked(*id), self.esteemed.contains(&log.author), log.newest, *id)
        };
        logs.map(rank).min()
    }

    fn close(&mut self, id: LogId) {
        let Some(log) = self.logs.remove(&id) else { return };
        self.held_bytes -= log.held.values().map(cost).sum::<usize>();
        self.active.remove(&(log.touched, id));
        self.holed.remove(&id);
        self.claims.remove(id);
        if let Some(count) = self.authors.get_mut(&log.author) {
            *count -= 1;
        }
        self.authors.retain(|_, count| *count > 0);
        self.real -= 1;
        self.digest = None;
        self.closed.push(id);
        self.settle(id, log.here.head());
    }
}

/// Logs of one room: a log is one author's one installation.
pub(super) const MAX_LOGS: usize = 4096;
/// Logs of one author: one for each installation or return.
pub(super) const MAX_LOGS_OF_AUTHOR: usize = 32;
/// Logs for which there is no room that are remembered, so as not to be asked for again.
pub(super) const MAX_SETTLED: usize = 4096;
