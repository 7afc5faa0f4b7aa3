//! Who gives way where the table is full.

use std::collections::{BTreeMap, BTreeSet};

use crate::effects::{PeerRecord, Trust};
use crate::model::PeerId;

/// Those who can be forgotten. Each question and each change takes logarithmic time: whoever makes up devices must not make this
/// one look through all of them.
#[derive(Default)]
pub(super) struct Places {
    order: BTreeSet<(Rank, PeerId)>,
    ranks: BTreeMap<PeerId, Rank>,
}

/// The lowest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// By when it was last seen.
    NeverMet(u64),
    /// By how long it has been known, up to [`LONG_KNOWN_MS`]. A handshake is cheap: whoever makes one for each of thousands of
    /// devices must neither keep the table full for good nor push out those who come every day.
    Met(u64),
}

impl Places {
    /// A device that is not here, as it is known by now.
    pub(super) fn absent(&mut self, record: &PeerRecord) {
        self.forget(record.id);
        if let Some(rank) = Rank::of(record) {
            self.ranks.insert(record.id, rank);
            self.order.insert((rank, record.id));
        }
    }

    /// A device is here.
    pub(super) fn present(&mut self, id: PeerId) {
        self.forget(id);
    }

    /// Takes out who gives way first: nobody who is here, nobody about whom a person decided.
    pub(super) fn pop_first(&mut self) -> Option<PeerId> {
        let (_, id) = self.order.pop_first()?;
        self.ranks.remove(&id);
        Some(id)
    }

    pub(super) fn has_forgettable(&self) -> bool {
        !self.order.is_empty()
    }

    fn forget(&mut self, id: PeerId) {
        if let Some(rank) = self.ranks.remove(&id) {
            self.order.remove(&(rank, id));
        }
    }
}

impl Rank {
    fn of(record: &PeerRecord) -> Option<Rank> {
        match record.trust {
            Trust::Unknown => Some(Rank::NeverMet(record.last_seen.0)),
            Trust::Pinned => Some(record.last_seen.0.saturating_sub(record.first_seen.0))
                .filter(|known| *known < LONG_KNOWN_MS)
                .map(Rank::Met),
            Trust::Verified | Trust::Blocked => None,
        }
    }
}

/// Whoever was met and has been known for longer than this is nobody who was made up in passing, and does not give way.
pub(super) const LONG_KNOWN_MS: u64 = 24 * 3_600_000;
