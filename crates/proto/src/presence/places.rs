//! Who gives way where the table is full, and how many may be here from one address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::effects::{PeerRecord, Trust};
use crate::model::PeerId;

/// Those who can be forgotten, and from where those are heard who are here. Each question and each change takes logarithmic time:
/// whoever makes up devices must not make this one look through all of them.
#[derive(Default)]
pub(super) struct Places {
    order: BTreeSet<(Rank, PeerId)>,
    ranks: BTreeMap<PeerId, Rank>,
    heard_at: BTreeMap<PeerId, IpAddr>,
    here: BTreeMap<IpAddr, usize>,
}

/// The lowest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// By when it was last seen.
    NeverMet(u64),
    /// By how long it has been known. A handshake is cheap: whoever makes one for each of thousands of devices must neither keep
    /// the table full for good nor push out those who come every day.
    Met(u64),
}

impl Places {
    /// A device that is not here, as it is known by now.
    pub(super) fn absent(&mut self, record: &PeerRecord) {
        self.forget(record.id);
        if let Some(at) = self.heard_at.remove(&record.id) {
            self.leave(at);
        }
        if let Some(rank) = Rank::of(record) {
            self.ranks.insert(record.id, rank);
            self.order.insert((rank, record.id));
        }
    }

    /// A device is here, heard from this address if that is known.
    pub(super) fn present(&mut self, id: PeerId, at: Option<IpAddr>) {
        self.forget(id);
        if let Some(at) = at {
            if let Some(before) = self.heard_at.insert(id, at) {
                self.leave(before);
            }
            *self.here.entry(at).or_default() += 1;
        }
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

    /// Whether as many are here from an address as there may be strangers.
    pub(super) fn is_crowded(&self, at: IpAddr) -> bool {
        self.here.get(&at).is_some_and(|here| *here >= MAX_AT_ADDRESS)
    }

    fn forget(&mut self, id: PeerId) {
        if let Some(rank) = self.ranks.remove(&id) {
            self.order.remove(&(rank, id));
        }
    }

    fn leave(&mut self, at: IpAddr) {
        if let Some(here) = self.here.get_mut(&at) {
            *here -= 1;
            if *here == 0 {
                self.here.remove(&at);
            }
        }
    }
}

impl Rank {
    fn of(record: &PeerRecord) -> Option<Rank> {
        match record.trust {
            Trust::Unknown => Some(Rank::NeverMet(record.last_seen.0)),
            Trust::Pinned => Some(Rank::Met(record.last_seen.0.saturating_sub(record.first_seen.0))),
            Trust::Verified | Trust::Blocked => None,
        }
    }
}

/// Devices that are here from one address, beyond which none is that was never met: as many as people work at one large
/// machine. Whoever makes up more has to make up addresses, too.
pub(super) const MAX_AT_ADDRESS: usize = 128;
