//! What was learned about reaching devices that cannot be dialled, so that the next try begins with what worked.
//!
//! It holds for the addresses that were dialled in vain, for a while, and until this device's own network changes.
//! That somebody can be dialled is not remembered: it is what everybody is taken for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::model::{Instant, PeerId};

/// How a connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Direct,
    /// The other device cannot be dialled; it dialled this one because it was asked to.
    Knocked,
    /// Neither can dial the other: this device passes on what it cannot read.
    Relayed(PeerId),
}

impl Way {
    /// The device that passes it on.
    pub fn through(self) -> Option<PeerId> {
        match self {
            Way::Relayed(through) => Some(through),
            Way::Direct | Way::Knocked => None,
        }
    }
}

/// Ways to devices that cannot be dialled.
#[derive(Default)]
pub struct Ways(BTreeMap<PeerId, Known>);

/// What to begin with, beside a direct dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    Knocking,
    /// With being joined by the device that did it the last time; and where it is time to find out whether this is still
    /// needed, with knocking as well.
    Relayed {
        through: PeerId,
        knock: bool,
    },
}

struct Known {
    way: Way,
    /// Where the device was dialled in vain.
    addresses: Vec<SocketAddr>,
    until: Instant,
    /// When it was knocked at last.
    knocked: Instant,
}

impl Ways {
    /// The way that led to a device last, if it could not be dialled at any of these addresses. Never [`Way::Direct`].
    pub fn to(&self, peer: PeerId, addresses: &[SocketAddr], now: Instant) -> Option<Way> {
        let known = self.0.get(&peer).filter(|known| known.until > now)?;
        // At an address that was never tried it may well answer.
        let tried = addresses.iter().all(|address| known.addresses.contains(address));
        tried.then_some(known.way)
    }

    /// As [`Ways::to`], for whoever is about to go it.
    pub fn begin(&mut self, peer: PeerId, addresses: &[SocketAddr], now: Instant) -> Option<Begin> {
        let way = self.to(peer, addresses, now)?;
        let known = self.0.get_mut(&peer)?;
        let knock = way == Way::Knocked || now.since(known.knocked) >= KNOCK_AGAIN;
        if knock {
            known.knocked = now;
        }
        Some(match way.through() {
            Some(through) => Begin::Relayed { through, knock },
            None => Begin::Knocking,
        })
    }

    /// A device was reached, having been dialled at these addresses; or by no way at all.
    pub fn went(&mut self, peer: PeerId, addresses: &[SocketAddr], way: Option<Way>, now: Instant) {
        let Some(way @ (Way::Knocked | Way::Relayed(_))) = way else {
            self.0.remove(&peer);
            return;
        };
        if self.0.len() >= MAX_KNOWN && !self.0.contains_key(&peer) {
            let soonest = self.0.iter().min_by_key(|(_, known)| known.until).map(|(peer, _)| *peer);
            soonest.map(|peer| self.0.remove(&peer));
        }
        let knocked = match self.0.get(&peer) {
            Some(Known { way: Way::Relayed(_), knocked, .. }) => *knocked,
            _ => now,
        };
        self.0.insert(peer, Known { way, addresses: addresses.to_vec(), until: now + HOLDS, knocked });
    }

    /// This device is on another network, or on one more: whatever was in the way may be so no longer.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

/// How long a way is remembered that was not gone again. The direct one is tried beside it each time, so this only says how
/// long devices are remembered that nobody asks for.
const HOLDS: Duration = Duration::from_secs(3600);
/// How often whoever is reached through a third device is knocked at as well: what kept it from dialling this one may be gone,
/// and each knock counts against what it answers.
const KNOCK_AGAIN: Duration = Duration::from_secs(60);
/// Devices that are remembered: of those that are here most can be dialled.
const MAX_KNOWN: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PeerId = PeerId([1; 32]);
    const CYD: PeerId = PeerId([3; 32]);

    fn at(seconds: u64) -> Instant {
        Instant(1_000_000) + Duration::from_secs(seconds)
    }

    fn address(n: u8) -> SocketAddr {
        SocketAddr::from(([10, 77, 0, n], 24417))
    }

    #[test]
    fn the_way_that_worked_last_is_remembered_until_the_direct_one_works() {
        let mut ways = Ways::default();
        assert_eq!(ways.to(ANN, &[address(1)], at(0)), None);
        ways.went(ANN, &[address(1)], Some(Way::Relayed(CYD)), at(0));
        assert_eq!(ways.to(ANN, &[address(1)], at(1)), Some(Way::Relayed(CYD)));
        ways.went(ANN, &[address(1)], Some(Way::Knocked), at(1));
        assert_eq!(ways.to(ANN, &[address(1)], at(2)), Some(Way::Knocked));
        assert_eq!(ways.to(CYD, &[address(1)], at(2)), None, "of somebody else nothing is known");
        ways.went(ANN, &[address(1)], Some(Way::Direct), at(3));
        assert_eq!(ways.to(ANN, &[address(1)], at(4)), None);
    }

    #[test]
    fn whoever_is_reached_through_a_third_device_is_knocked_at_again_once_a_minute() {
        let mut ways = Ways::default();
        let begin = |ways: &mut Ways, now| ways.begin(ANN, &[address(1)], at(now));
        let relayed = |knock| Some(Begin::Relayed { through: CYD, knock });
        ways.went(ANN, &[address(1)], Some(Way::Relayed(CYD)), at(0));
        assert_eq!(
            begin(&mut ways, 59),
            relayed(false),
            "it was knocked at before anybody was asked to relay"
        );
        assert_eq!(begin(&mut ways, 60), relayed(true));
        ways.went(ANN, &[address(1)], Some(Way::Relayed(CYD)), at(61));
        assert_eq!(begin(&mut ways, 119), relayed(false));
        assert_eq!(begin(&mut ways, 120), relayed(true));
        ways.went(ANN, &[address(1)], Some(Way::Knocked), at(121));
        assert_eq!(begin(&mut ways, 122), Some(Begin::Knocking));
    }

    #[test]
    fn a_way_that_leads_nowhere_any_more_is_not_tried_first_again() {
        let mut ways = Ways::default();
        ways.went(ANN, &[address(1)], Some(Way::Knocked), at(0));
        ways.went(ANN, &[address(1)], None, at(1));
        assert_eq!(ways.to(ANN, &[address(1)], at(2)), None);
    }

    #[test]
    fn at_another_address_a_device_is_dialled_as_if_nothing_were_known() {
        let mut ways = Ways::default();
        ways.went(ANN, &[address(1), address(2)], Some(Way::Knocked), at(0));
        assert_eq!(ways.to(ANN, &[address(2)], at(1)), Some(Way::Knocked));
        assert_eq!(ways.to(ANN, &[address(2), address(3)], at(1)), None);
    }

    #[test]
    fn what_is_not_used_for_an_hour_or_was_learned_on_another_network_is_forgotten() {
        let mut ways = Ways::default();
        ways.went(ANN, &[address(1)], Some(Way::Knocked), at(0));
        ways.went(ANN, &[address(1)], Some(Way::Knocked), at(3000));
        assert_eq!(ways.to(ANN, &[address(1)], at(6599)), Some(Way::Knocked));
        assert_eq!(ways.to(ANN, &[address(1)], at(6600)), None);
        ways.went(ANN, &[address(1)], Some(Way::Knocked), at(7000));
        ways.forget();
        assert_eq!(ways.to(ANN, &[address(1)], at(7001)), None);
    }

    #[test]
    fn devices_that_are_remembered_have_a_bound_and_the_newest_stay() {
        let mut ways = Ways::default();
        for n in 0..=MAX_KNOWN as u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            ways.went(PeerId(id), &[address(1)], Some(Way::Knocked), at(n));
        }
        assert_eq!(ways.0.len(), MAX_KNOWN);
        assert_eq!(ways.to(PeerId([0; 32]), &[address(1)], at(1025)), None);
    }
}
