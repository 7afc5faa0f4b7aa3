//! Where a device can be dialled.

use std::net::SocketAddr;

use crate::wire::datagram::Announcement;

/// Where the announcement says that it can be reached: where it came from, at an unprivileged port, so that nobody can
/// make this device knock at the system services of others.
pub(super) fn dialable(said: &Announcement, from: SocketAddr) -> Option<SocketAddr> {
    let mut address = from;
    address.set_port(said.tcp_port);
    (said.tcp_port >= 1024).then_some(address)
}

/// Where an address goes among those that are known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It was just reached.
    First,
    /// It was just heard from: new ones are likelier to work than old ones, known ones keep their place.
    FirstIfNew,
    Last,
}

/// Keeps one address per IP, at most [`MAX_ADDRESSES`].
pub(super) fn remember(addresses: &mut Vec<SocketAddr>, address: SocketAddr, place: Place) {
    match (addresses.iter().position(|known| known.ip() == address.ip()), place) {
        (Some(at), Place::FirstIfNew | Place::Last) => addresses[at] = address,
        (Some(at), Place::First) => {
            addresses.remove(at);
            addresses.insert(0, address);
        }
        (None, Place::First | Place::FirstIfNew) => addresses.insert(0, address),
        (None, Place::Last) => addresses.push(address),
    }
    addresses.truncate(MAX_ADDRESSES);
}

/// Addresses remembered of one device.
pub const MAX_ADDRESSES: usize = 8;
