//! Packets of a call: to its group and from it, and to and from single devices.
//!
//! Not on the runtime: sound is late when other tasks have their turn first, so a thread of its own waits here. Over each
//! interface a packet goes once, by IPv4 where there is an address of it, else by IPv6; whoever has only the other one gets copies.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use socket2::{InterfaceIndexOrAddress, SockRef, Socket};

use super::filter::Filter;
use super::interfaces::Interface;
use super::multicast::{bind_receiver, receiver_v4, receiver_v6, sender_v4, sender_v6};
use super::stream::may_dial;
use super::tls::Credentials;

/// The sockets of one call.
pub struct CallSockets {
    port: u16,
    /// Heard by everybody on this host, and by this program only.
    group: Family,
    single: Family,
    single_port: u16,
    spread: RwLock<Spread>,
    filter: Filter,
    waiting: Mutex<(Poll, Events)>,
    turn: AtomicUsize,
}

/// One socket of each family: to send and to join with, and to wait at.
#[derive(Default)]
struct Family {
    v4: Option<(UdpSocket, mio::net::UdpSocket)>,
    v6: Option<(UdpSocket, mio::net::UdpSocket)>,
}

/// Which group it is, and over which interfaces.
#[derive(Default)]
struct Spread {
    group: Option<(Ipv4Addr, Ipv6Addr)>,
    links: BTreeMap<u32, Link>,
}

struct Link {
    sends: Sends,
    /// Where what this device sends comes from: its own packets come back.
    own: SocketAddr,
    addresses: Vec<IpAddr>,
    joined: (bool, bool),
}

enum Sends {
    V4(Socket),
    V6(Socket),
}

/// A packet that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Came {
    pub bytes: usize,
    pub from: SocketAddr,
    /// To the group, and not to this device alone.
    pub by_group: bool,
}

impl CallSockets {
    /// Opens sockets for a call: the group's at `port`, which everybody's is, and one for this device at `port + 1` or any other
    /// that is free. `grouped`: whether multicast is used at all.
    ///
    /// # Errors
    /// When there is no socket of its own in any family.
    pub fn open(port: u16, grouped: bool, filter: Filter) -> io::Result<CallSockets> {
        let poll = Poll::new()?;
        let mut group = Family::default();
        if grouped {
            let heard = |socket: io::Result<Socket>| {
                socket.inspect_err(|error| tracing::info!(%error, "a call's group is not heard")).ok()
            };
            group.v4 = heard(receiver_v4(port)).map(split).transpose()?;
            group.v6 = heard(receiver_v6(port)).map(split).transpose()?;
        }
        let (single, single_port) = own_sockets(port.checked_add(1).unwrap_or(0))?;
        let mut sockets = CallSockets {
            port,
            group,
            single,
            single_port,
            spread: RwLock::default(),
            filter,
            waiting: Mutex::new((poll, Events::with_capacity(8))),
            turn: AtomicUsize::new(0),
        };
        sockets.register()?;
        Ok(sockets)
    }

    /// Where packets for this device alone are taken.
    pub fn single_port(&self) -> u16 {
        self.single_port
    }

    /// Makes these the interfaces in use.
    pub fn update(&self, interfaces: &[Interface]) {
        let mut spread = self.spread.write().unwrap_or_else(PoisonError::into_inner);
        let Spread { group, links } = &mut *spread;
        links.retain(|index, link| {
            let stays = interfaces.iter().any(|one| one.index == *index && addresses(one) == link.addresses);
            if !stays {
                self.leave(*group, *index, link);
            }
            stays
        });
        for interface in interfaces {
            if !links.contains_key(&interface.index)
                && let Some(link) = open_link(interface)
            {
                links.insert(interface.index, link);
            }
        }
        self.join(&mut spread);
    }

    /// Sends to the group of this call and hears it from now on, and no other.
    pub fn tune_in(&self, call: [u8; 16]) {
        let mut spread = self.spread.write().unwrap_or_else(PoisonError::into_inner);
        let Spread { group, links } = &mut *spread;
        links.iter_mut().for_each(|(index, link)| self.leave(*group, *index, link));
        *group = Some((group_v4(call), group_v6(call)));
        self.join(&mut spread);
    }

    /// Leaves and joins the group again, so that switches without a querier do not forget it.
    pub fn refresh(&self) {
        let mut spread = self.spread.write().unwrap_or_else(PoisonError::into_inner);
        let Spread { group, links } = &mut *spread;
        links.iter_mut().for_each(|(index, link)| self.leave(*group, *index, link));
        self.join(&mut spread);
    }

    /// Sends to the group, once over each interface. Never waits.
    ///
    /// # Errors
    /// The last reason, where no interface took it.
    pub fn to_group(&self, packet: &[u8]) -> io::Result<()> {
        let mut outcome = Err(io::Error::from(io::ErrorKind::NetworkUnreachable));
        let spread = self.spread.read().unwrap_or_else(PoisonError::into_inner);
        let Some((v4, v6)) = spread.group else { return outcome };
        for link in spread.links.values() {
            let sent = match &link.sends {
                Sends::V4(socket) => socket.send_to(packet, &SocketAddrV4::new(v4, self.port).into()),
                Sends::V6(socket) => socket.send_to(packet, &SocketAddrV6::new(v6, self.port, 0, 0).into()),
            };
            outcome = match (sent, outcome) {
                (Ok(_), _) | (_, Ok(())) => Ok(()),
                (Err(error), Err(_)) => Err(error),
            };
        }
        outcome
    }

    /// Sends to one device. Never waits.
    ///
    /// # Errors
    /// As the system says.
    pub fn to_one(&self, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
        let socket = match to {
            SocketAddr::V4(_) => &self.single.v4,
            SocketAddr::V6(_) => &self.single.v6,
        };
        let (socket, _) = socket.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        socket.send_to(packet, to).map(drop)
    }

    /// Waits for the next packet, so long at the most. What this device sent itself to the group is none.
    ///
    /// # Errors
    /// When the system does not wait any more.
    pub fn receive(&self, buffer: &mut [u8], timeout: Duration) -> io::Result<Option<Came>> {
        let until = Instant::now() + timeout;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (poll, events) = &mut *waiting;
        loop {
            if let Some(came) = self.receive_now(buffer) {
                return Ok(Some(came));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            match poll.poll(events, Some(left)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }

    /// What is here already, of each socket in turn: what floods one does not keep the others waiting.
    fn receive_now(&self, buffer: &mut [u8]) -> Option<Came> {
        let sockets = self.all();
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        for n in 0..sockets.len() {
            let Some((socket, by_group)) = sockets[(first + n) % sockets.len()] else { continue };
            // An error concerns an earlier packet (Windows), or a link that went down.
            while let Some((bytes, from)) = received(socket, buffer) {
                if !self.is_own(from) && self.filter.hears(from) {
                    return Some(Came { bytes, from, by_group });
                }
            }
        }
        None
    }

    fn all(&self) -> [Option<(&mio::net::UdpSocket, bool)>; 4] {
        [
            self.group.v4.as_ref().map(|(_, waits)| (waits, true)),
            self.single.v4.as_ref().map(|(_, waits)| (waits, false)),
            self.group.v6.as_ref().map(|(_, waits)| (waits, true)),
            self.single.v6.as_ref().map(|(_, waits)| (waits, false)),
        ]
    }

    fn is_own(&self, from: SocketAddr) -> bool {
        let spread = self.spread.read().unwrap_or_else(PoisonError::into_inner);
        spread
            .links
            .values()
            .any(|link| link.own.port() == from.port() && link.addresses.contains(&from.ip().to_canonical()))
    }

    fn register(&mut self) -> io::Result<()> {
        let waiting = self.waiting.get_mut().unwrap_or_else(PoisonError::into_inner);
        let registry = waiting.0.registry();
        let families = [&mut self.group, &mut self.single];
        let sockets = families.into_iter().flat_map(|family| [&mut family.v4, &mut family.v6]).flatten();
        for (n, (_, waits)) in sockets.enumerate() {
            registry.register(waits, Token(n), Interest::READABLE)?;
        }
        Ok(())
    }

    fn join(&self, spread: &mut Spread) {
        let Some((v4, v6)) = spread.group else { return };
        for (index, link) in &mut spread.links {
            if let (Some((socket, _)), false) = (&self.group.v4, link.joined.0) {
                let at = InterfaceIndexOrAddress::Index(*index);
                link.joined.0 = SockRef::from(socket).join_multicast_v4_n(&v4, &at).is_ok();
            }
            if let (Some((socket, _)), false) = (&self.group.v6, link.joined.1) {
                link.joined.1 = socket.join_multicast_v6(&v6, *index).is_ok();
            }
        }
    }

    /// Errors are expected: the interface may be gone, and its memberships with it.
    fn leave(&self, group: Option<(Ipv4Addr, Ipv6Addr)>, index: u32, link: &mut Link) {
        let Some((v4, v6)) = group else { return };
        if let (Some((socket, _)), true) = (&self.group.v4, link.joined.0) {
            let at = InterfaceIndexOrAddress::Index(index);
            let _ = SockRef::from(socket).leave_multicast_v4_n(&v4, &at);
        }
        if let (Some((socket, _)), true) = (&self.group.v6, link.joined.1) {
            let _ = socket.leave_multicast_v6(&v6, index);
        }
        link.joined = (false, false);
    }
}

/// Whether packets may be sent to an address that somebody told of: a single host of this site, over an interface that nothing
/// bars, as with dialling.
pub fn may_call(credentials: &Credentials, to: SocketAddr) -> bool {
    may_dial(&to) && credentials.site().has(to.ip()) && credentials.filter().lets_out(to)
}

/// Administratively scoped (RFC 2365); which of its groups, the call says.
fn group_v4(call: [u8; 16]) -> Ipv4Addr {
    Ipv4Addr::new(239, 255, call[0], call[1])
}

/// Link-local, transient.
fn group_v6(call: [u8; 16]) -> Ipv6Addr {
    let [a, b, c, d, ..] = call.map(u16::from);
    Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0x4c43, a << 8 | b, c << 8 | d)
}

fn received(socket: &mio::net::UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
    for _ in 0..ERRORS {
        match socket.recv_from(buffer) {
            Ok(came) => return Some(came),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => tracing::debug!(%error, "receiving in a call failed"),
        }
    }
    None
}

fn split(socket: Socket) -> io::Result<(UdpSocket, mio::net::UdpSocket)> {
    let socket = UdpSocket::from(socket);
    let waits = mio::net::UdpSocket::from_std(socket.try_clone()?);
    Ok((socket, waits))
}

/// Both families at one port: at this one, or any other.
fn own_sockets(port: u16) -> io::Result<(Family, u16)> {
    let at = |port: u16| -> io::Result<(Family, u16)> {
        let v4 = bind_receiver(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
        let port = match &v4 {
            Ok(socket) => socket.local_addr()?.as_socket().map_or(port, |at| at.port()),
            Err(_) => port,
        };
        let v6 = bind_receiver(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
        let port = match (&v4, &v6) {
            (Err(_), Ok(socket)) => socket.local_addr()?.as_socket().map_or(port, |at| at.port()),
            _ => port,
        };
        if let (Err(error), Err(_)) = (&v4, &v6) {
            return Err(error.kind().into());
        }
        let family = Family { v4: v4.ok().map(split).transpose()?, v6: v6.ok().map(split).transpose()? };
        Ok((family, port))
    };
    at(port).or_else(|_| at(0))
}

fn open_link(interface: &Interface) -> Option<Link> {
    let opened = match interface.v4.first() {
        Some(v4) => sender_v4(v4.address, &interface.name).map(Sends::V4),
        None => sender_v6(interface.index).map(Sends::V6),
    };
    let opened = opened.and_then(|sends| {
        let (Sends::V4(socket) | Sends::V6(socket)) = &sends;
        let own = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Link { own, sends, addresses: addresses(interface), joined: (false, false) })
    });
    let name = &interface.name;
    opened.inspect_err(|error| tracing::debug!(name, %error, "a call cannot use this interface")).ok()
}

fn addresses(interface: &Interface) -> Vec<IpAddr> {
    let v4 = interface.v4.iter().map(|v4| IpAddr::from(v4.address));
    v4.chain(interface.v6.iter().map(|v6| IpAddr::from(*v6))).collect()
}

/// Errors that concern packets before the next one.
const ERRORS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::interfaces::{Rule, list};

    fn sockets(call: [u8; 16], port: u16) -> CallSockets {
        let sockets = CallSockets::open(port, true, Filter::default()).unwrap();
        sockets.tune_in(call);
        let mut interfaces = list(&Rule::default()).unwrap();
        interfaces.extend(loopback());
        interfaces.dedup_by_key(|one| one.index);
        sockets.update(&interfaces);
        sockets
    }

    fn loopback() -> Option<Interface> {
        let listed = crate::net::interfaces::survey(&Rule::default()).ok()?;
        listed.into_iter().map(|one| one.interface).find(|one| one.has(Ipv4Addr::LOCALHOST.into()))
    }

    /// A port that nobody else has, and neither the next one.
    fn free_port() -> u16 {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.local_addr().unwrap().port()
    }

    #[test]
    fn those_in_one_call_hear_each_other_once_by_the_group_and_by_themselves() {
        let port = free_port();
        let (ann, bob) = (sockets([1; 16], port), sockets([1; 16], port));
        let other = sockets([2; 16], port);
        ann.to_group(b"all").unwrap();
        let mut buffer = [0; 64];
        let came = bob.receive(&mut buffer, Duration::from_secs(5)).unwrap().expect("it is sent to all");
        assert_eq!((&buffer[..came.bytes], came.by_group), (b"all".as_slice(), true));
        assert_ne!(ann.single_port(), bob.single_port());
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, ann.single_port()));
        bob.to_one(to, b"you").unwrap();
        let came = ann.receive(&mut buffer, Duration::from_secs(5)).unwrap().expect("it is sent to her");
        assert_eq!(
            (&buffer[..came.bytes], came.by_group),
            (b"you".as_slice(), false),
            "and not what she said"
        );
        assert_eq!(came.from.port(), bob.single_port());
        assert_eq!(other.receive(&mut buffer, Duration::from_millis(100)).unwrap(), None);
    }

    #[test]
    fn groups_of_calls_are_in_the_scopes_that_stay_here() {
        assert_eq!(group_v4([7; 16]), Ipv4Addr::new(239, 255, 7, 7));
        assert_eq!(group_v6([7; 16]), "ff12::4c43:707:707".parse::<Ipv6Addr>().unwrap());
    }
}
