//! Places for accepted connections whose key is proven: so many in all, and so many of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Accepted connections that stand at a time.
pub(super) const MAX_INBOUND: usize = 256;

/// Of one IP address. A device alone has three for sync, and one for each file that it fetches or gives; many may share a host or
/// come through one. A key costs nothing, so that whoever makes many at one address must not have all places.
pub(super) const MAX_INBOUND_OF_ADDRESS: usize = 128;

/// All places, and who has them.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    from: IpAddr,
    places: Places,
}

impl Places {
    /// A place for a connection from this address, if there is one.
    pub(super) fn take(&self, from: IpAddr) -> Option<Place> {
        let from = from.to_canonical();
        let mut taken = self.lock();
        let of_address = taken.get(&from).copied().unwrap_or(0);
        if of_address >= MAX_INBOUND_OF_ADDRESS || taken.values().sum::<usize>() >= MAX_INBOUND {
            return None;
        }
        taken.insert(from, of_address + 1);
        Some(Place { from, places: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(of_address) = taken.get_mut(&self.from) {
            *of_address -= 1;
            if *of_address == 0 {
                taken.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_its_share_of_places_and_all_together_what_there_is() {
        let places = Places::default();
        let address = |number: u8| IpAddr::from([10, 0, 0, number]);
        let mapped = "::ffff:10.0.0.0".parse().unwrap();
        let mut held: Vec<Place> =
            (0..MAX_INBOUND_OF_ADDRESS).map(|_| places.take(address(0)).unwrap()).collect();
        assert!(places.take(address(0)).is_none() && places.take(mapped).is_none());
        let others = MAX_INBOUND - MAX_INBOUND_OF_ADDRESS;
        held.extend((0..others).map(|number| places.take(address(1 + (number % 100) as u8)).unwrap()));
        assert!(places.take(address(200)).is_none(), "all are taken");
        drop(held.pop());
        assert!(places.take(address(200)).is_some());
        drop(held);
        assert!(places.lock().is_empty());
    }
}
