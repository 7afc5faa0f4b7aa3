//! Datagrams to everybody on the network, and from them.
//!
//! One socket per family receives, bound to the shared port; one socket per interface and family sends, from a port of
//! its own. Every instance on a host hears every multicast, but only one of them hears a unicast to the shared port, so
//! nothing is ever sent there by unicast. A datagram that cannot be sent is lost, like one that the network drops: it
//! is counted, and the protocol repairs it.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lanyard_proto::effects::Reach;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::net::UdpSocket;

use super::interfaces::Interface;
use crate::saying;

/// The IPv4 control group. Switches that watch memberships never prune 224.0.0.0/24, and some phones hear nothing else.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 100);

/// The IPv6 control group: link-local, transient (RFC 4291 section 2.7).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0x4c43, 0x5031);

/// How often the owner calls [`Sockets::refresh`]: switches without a querier forget members after minutes.
pub const REFRESH: Duration = Duration::from_secs(120);

/// Bytes asked for each receive buffer: a burst of 1,000 peers fits. The system may grant less.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Datagrams of this protocol stay on their link.
const HOPS: u32 = 1;

/// Rest after a failed receive, so that a socket that fails for ever costs no processor.
const RECEIVE_PAUSE: Duration = Duration::from_millis(10);

/// All UDP sockets of a run.
#[derive(Debug)]
pub struct Sockets {
    port: u16,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    links: BTreeMap<u32, Link>,
    /// Sends that failed since the start.
    lost: AtomicU64,
    /// Whether another program has the port in one family at least.
    port_taken: bool,
}

/// What one call of [`Sockets::send`] came to, counted in datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    pub sent: u32,
    pub lost: u32,
}

/// Datagrams of one interface since it is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub sent: u64,
    pub failed: u64,
    /// Of those that failed, what the system did not allow: a firewall of this device.
    pub forbidden: u64,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    forbidden: AtomicU64,
}

/// One interface in use. A socket is absent where the family is, or where opening it failed.
#[derive(Debug)]
struct Link {
    name: String,
    v4: Option<LinkV4>,
    v6: Option<Socket>,
    joined_v4: bool,
    joined_v6: bool,
    counts: Counts,
}

#[derive(Debug)]
struct LinkV4 {
    from: Ipv4Addr,
    socket: Socket,
    broadcasts: Vec<Ipv4Addr>,
}

impl Sockets {
    /// Opens the receiving sockets of both families on `port`, and no interface yet. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// The first reason, when neither family could be bound. One family is enough.
    pub fn open(port: u16) -> io::Result<Sockets> {
        let open = |socket: io::Result<Socket>| UdpSocket::from_std(socket?.into());
        let v4 = open(receiver_v4(port));
        let v6 = open(receiver_v6(port));
        if let (Err(error), Err(_)) = (&v4, &v6) {
            let why = saying!("cannot receive on UDP port {port}: {error}", port, error);
            return Err(io::Error::new(error.kind(), why));
        }
        let taken =
            |error: Option<&io::Error>| error.is_some_and(|error| error.kind() == io::ErrorKind::AddrInUse);
        let port_taken = taken(v4.as_ref().err()) || taken(v6.as_ref().err());
        let heard = |family: &str, socket: io::Result<UdpSocket>| {
            socket.inspect_err(|error| tracing::info!(family, %error, "not listening for datagrams")).ok()
        };
        Ok(Sockets {
            port,
            v4: heard("IPv4", v4),
            v6: heard("IPv6", v6),
            links: BTreeMap::new(),
            lost: AtomicU64::new(0),
            port_taken,
        })
    }

    /// No socket at all, for runs without multicast: [`Sockets::recv`] waits for ever, sending does nothing.
    pub fn none() -> Sockets {
        let lost = AtomicU64::new(0);
        Sockets { port: 0, v4: None, v6: None, links: BTreeMap::new(), lost, port_taken: false }
    }

    /// Whether there is any socket.
    pub fn is_open(&self) -> bool {
        self.v4.is_some() || self.v6.is_some()
    }

    /// Sends that failed since the start, in datagrams.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Whether another program has the port, so that nothing is heard in one family.
    pub fn port_is_taken(&self) -> bool {
        self.port_taken
    }

    /// What went over the interface of this index since it is in use.
    pub fn counted(&self, index: u32) -> Counted {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = self.links.get(&index).map(|link| &link.counts);
        counts.map_or(Counted::default(), |counts| Counted {
            sent: read(&counts.sent),
            failed: read(&counts.failed),
            forbidden: read(&counts.forbidden),
        })
    }

    /// Makes these the interfaces in use: opens and joins what is new or failed before, leaves and closes what is gone,
    /// and lets the rest be. What fails on one interface is logged and tried again by the next call.
    pub fn update(&mut self, interfaces: &[Interface]) {
        if !self.is_open() {
            return;
        }
        let gone: Vec<u32> = self
            .links
            .iter()
            .filter(|(index, link)| !interfaces.iter().any(|i| i.index == **index && i.name == link.name))
            .map(|(index, _)| *index)
            .collect();
        for index in gone {
            self.leave(index);
            self.links.remove(&index);
        }
        for interface in interfaces {
            let link = self.links.entry(interface.index).or_insert_with(|| Link::new(&interface.name));
            if self.v4.is_some() {
                link.open_v4(interface);
            }
            if self.v6.is_some() {
                link.open_v6(interface);
            }
        }
        self.join();
    }

    /// Leaves and joins every group again, so that switches hear of it. Does not open what failed before:
    /// [`Sockets::update`] does.
    pub fn refresh(&mut self) {
        let indexes: Vec<u32> = self.links.keys().copied().collect();
        for index in indexes {
            self.leave(index);
        }
        self.join();
    }

    /// The next datagram of either family: its length in `buffer`, and where it came from. What is longer than `buffer`
    /// is cut. Cancel-safe, and fair to both families.
    pub async fn recv(&self, buffer: &mut [u8]) -> (usize, SocketAddr) {
        loop {
            // In a flood there is always another datagram, and nothing else below would let other tasks run.
            tokio::task::coop::consume_budget().await;
            let socket = tokio::select! {
                socket = readable(self.v4.as_ref()) => socket,
                socket = readable(self.v6.as_ref()) => socket,
            };
            match socket.try_recv_from(buffer) {
                Ok(received) => return received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    // Windows reports here that some earlier datagram was refused (WSAECONNRESET), others that a link
                    // went down: nothing that concerns the next datagram.
                    tracing::debug!(%error, "receiving failed");
                    tokio::time::sleep(RECEIVE_PAUSE).await;
                }
            }
        }
    }

    /// The next datagram that is here already, as [`Sockets::recv`] gives it.
    pub fn recv_now(&self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let mut sockets = [&self.v4, &self.v6].into_iter().flatten();
        sockets.find_map(|socket| socket.try_recv_from(buffer).ok())
    }

    /// Sends once on every interface and family. Never waits: what the system does not take at once is lost.
    pub fn send(&self, reach: Reach, bytes: &[u8]) -> Spread {
        let mut spread = Spread::default();
        for link in self.links.values() {
            if let Some(v4) = &link.v4 {
                if reach != Reach::Broadcast {
                    spread.count(link, v4.send(GROUP_V4, self.port, bytes));
                }
                if reach != Reach::Group {
                    for to in &v4.broadcasts {
                        spread.count(link, v4.send(*to, self.port, bytes));
                    }
                }
            }
            if let Some(socket) = link.v6.as_ref().filter(|_| reach != Reach::Broadcast) {
                let to = SocketAddrV6::new(GROUP_V6, self.port, 0, 0);
                spread.count(link, socket.send_to(bytes, &SockAddr::from(to)));
            }
        }
        self.lost.fetch_add(spread.lost.into(), Ordering::Relaxed);
        spread
    }

    /// Joins by index: such a membership outlives a change of address.
    fn join(&mut self) {
        for (index, link) in &mut self.links {
            if let (Some(socket), Some(_), false) = (&self.v4, &link.v4, link.joined_v4) {
                let joined = SockRef::from(socket)
                    .join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(*index));
                link.joined_v4 = accepted(&link.name, "join IPv4", joined);
            }
            if let (Some(socket), Some(_), false) = (&self.v6, &link.v6, link.joined_v6) {
                link.joined_v6 =
                    accepted(&link.name, "join IPv6", socket.join_multicast_v6(&GROUP_V6, *index));
            }
        }
    }

    /// Errors are expected: the interface may be gone, and its memberships with it.
    fn leave(&mut self, index: u32) {
        let Some(link) = self.links.get_mut(&index) else { return };
        if let (Some(socket), true) = (&self.v4, link.joined_v4) {
            let left =
                SockRef::from(socket).leave_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index));
            accepted(&link.name, "leave IPv4", left);
        }
        if let (Some(socket), true) = (&self.v6, link.joined_v6) {
            accepted(&link.name, "leave IPv6", socket.leave_multicast_v6(&GROUP_V6, index));
        }
        link.joined_v4 = false;
        link.joined_v6 = false;
    }
}

impl Spread {
    fn count(&mut self, link: &Link, sent: io::Result<usize>) {
        let add = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        match sent {
            Ok(_) => {
                self.sent += 1;
                add(&link.counts.sent);
            }
            Err(error) => {
                tracing::trace!(interface = link.name, %error, "datagram lost at sending");
                self.lost += 1;
                add(&link.counts.failed);
                if error.kind() == io::ErrorKind::PermissionDenied {
                    add(&link.counts.forbidden);
                }
            }
        }
    }
}

impl Link {
    fn new(name: &str) -> Link {
        let (joined_v4, joined_v6, counts) = (false, false, Counts::default());
        Link { name: name.to_owned(), v4: None, v6: None, joined_v4, joined_v6, counts }
    }

    fn open_v4(&mut self, interface: &Interface) {
        let addresses = &interface.v4;
        let kept = self.v4.take().filter(|open| addresses.iter().any(|v4| v4.address == open.from));
        self.v4 = kept.or_else(|| {
            let from = addresses.first()?.address;
            let socket = sender_v4(from, &interface.name);
            let socket = socket.inspect_err(|error| self.refused("IPv4", error)).ok()?;
            Some(LinkV4 { from, socket, broadcasts: Vec::new() })
        });
        if let Some(open) = &mut self.v4 {
            open.broadcasts = addresses.iter().filter_map(|v4| v4.broadcast).collect();
            open.broadcasts.sort();
            open.broadcasts.dedup();
        }
    }

    fn open_v6(&mut self, interface: &Interface) {
        if interface.v6.is_empty() {
            self.v6 = None;
        } else if self.v6.is_none() {
            let socket = sender_v6(interface.index);
            self.v6 = socket.inspect_err(|error| self.refused("IPv6", error)).ok();
        }
    }

    fn refused(&self, family: &str, error: &io::Error) {
        tracing::debug!(interface = self.name, family, %error, "cannot send on this interface");
    }
}

impl LinkV4 {
    fn send(&self, to: Ipv4Addr, port: u16, bytes: &[u8]) -> io::Result<usize> {
        self.socket.send_to(bytes, &SockAddr::from(SocketAddrV4::new(to, port)))
    }
}

/// Ready when the socket is; never without a socket.
async fn readable(socket: Option<&UdpSocket>) -> &UdpSocket {
    let Some(socket) = socket else { return std::future::pending().await };
    if let Err(error) = socket.readable().await {
        // Only a runtime that shuts down says so.
        tracing::debug!(%error, "no longer receiving");
        return std::future::pending().await;
    }
    socket
}

fn accepted(interface: &str, what: &str, outcome: io::Result<()>) -> bool {
    outcome.inspect_err(|error| tracing::debug!(interface, what, %error, "multicast membership")).is_ok()
}

pub(super) fn receiver_v4(port: u16) -> io::Result<Socket> {
    let socket = datagram_socket(Domain::IPV4)?;
    share_port(&socket)?;
    // Without this Linux also hands over what other programs joined.
    #[cfg(target_os = "linux")]
    socket.set_multicast_all_v4(false)?;
    // Windows decides about loopback at the receiver, all others at the sender.
    socket.set_multicast_loop_v4(true)?;
    bind_to(socket, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
}

pub(super) fn receiver_v6(port: u16) -> io::Result<Socket> {
    let socket = datagram_socket(Domain::IPV6)?;
    socket.set_only_v6(true)?;
    share_port(&socket)?;
    #[cfg(target_os = "linux")]
    socket.set_multicast_all_v6(false)?;
    socket.set_multicast_loop_v6(true)?;
    bind_to(socket, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))
}

#[cfg(feature = "calls")]
/// A socket that nobody shares, for what is sent to this device alone.
pub(super) fn bind_receiver(to: SocketAddr) -> io::Result<Socket> {
    let socket = datagram_socket(Domain::for_address(to))?;
    if to.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    bind_to(socket, to)
}

fn bind_to(socket: Socket, to: SocketAddr) -> io::Result<Socket> {
    // The system grants what it allows, and a smaller buffer only loses more in a burst.
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
        tracing::debug!(%error, "receive buffer stays small");
    }
    socket.bind(&to.into())?;
    Ok(socket)
}

/// Several instances on one host must all hear multicast. On Linux SO_REUSEPORT would split datagrams among them.
fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    #[cfg(all(unix, not(target_os = "linux"), not(target_os = "android")))]
    socket.set_reuse_port(true)?;
    Ok(())
}

pub(super) fn sender_v4(from: Ipv4Addr, interface: &str) -> io::Result<Socket> {
    let socket = datagram_socket(Domain::IPV4)?;
    // Where two interfaces are on one network, broadcasts would leave by whichever the system prefers. Older kernels forbid
    // it to ordinary people; then the system prefers.
    #[cfg(target_os = "linux")]
    if let Err(error) = socket.bind_device(Some(interface.as_bytes())) {
        tracing::debug!(interface, %error, "broadcasts go where the system sends them");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = interface;
    socket.bind(&SockAddr::from(SocketAddrV4::new(from, 0)))?;
    socket.set_multicast_if_v4(&from)?;
    socket.set_multicast_ttl_v4(HOPS)?;
    socket.set_ttl_v4(HOPS)?;
    socket.set_multicast_loop_v4(true)?;
    socket.set_broadcast(true)?;
    Ok(socket)
}

/// Bound to no address: the system takes the interface's own for each datagram, also when it gets one only later.
pub(super) fn sender_v6(index: u32) -> io::Result<Socket> {
    let socket = datagram_socket(Domain::IPV6)?;
    socket.set_only_v6(true)?;
    socket.bind(&SockAddr::from(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0)))?;
    socket.set_multicast_if_v6(index)?;
    socket.set_multicast_hops_v6(HOPS)?;
    socket.set_multicast_loop_v6(true)?;
    Ok(socket)
}

fn datagram_socket(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
