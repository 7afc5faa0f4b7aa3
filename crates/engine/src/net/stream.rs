//! Proven connections over TCP: accepting them, and dialling them.
//!
//! Whoever gets a [`Secure`] knows the device at the other end. Up to that moment a stranger can cost us only a
//! bounded number of sockets for a bounded time.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use lanyard_proto::model::PeerId;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::cut::Cut;
use super::filter::Filter;
use super::inbound::Places;
use super::reach::on_their_links;
pub use super::tls::Purpose;
use super::tls::{Credentials, Proven, explained, proven};
pub use super::wide::Stream;
use super::wide::Wide;
use crate::saying;
use crate::saying::Saying;

/// What strangers may hold before they have proven a key.
pub const LIMITS: Limits = Limits {
    handshake: Duration::from_secs(5),
    grace: Duration::from_millis(100),
    pending: 32,
    pending_per_address: 8,
};

/// The lowest port that is dialled: nobody's announcement makes us speak to a system service.
pub const MIN_PORT: u16 = 1024;

/// Addresses tried in one dial.
pub const MAX_ADDRESSES: usize = 8;

/// Head start of one address before the next is tried as well (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// For one address to accept, and again for the handshake.
const CONNECT: Duration = Duration::from_secs(5);

/// For a whole dial.
const DIAL: Duration = Duration::from_secs(10);

/// Silence before the system asks whether the other side is still there, and between its questions.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Rest after the system refused a connection, as when it has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 1024;

/// How often another free port is taken because only one family had it.
const PORT_ATTEMPTS: usize = 16;

/// Bounds on connections whose handshake is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the whole handshake.
    pub handshake: Duration,
    /// When all places are taken the oldest is thrown out, but not before it has had this long.
    pub grace: Duration,
    /// In all.
    pub pending: usize,
    /// From one IP address; more are refused.
    pub pending_per_address: usize,
}

/// A connection with a proven device at its other end.
#[derive(Debug)]
pub struct Secure {
    /// Who is there.
    pub proven: Proven,
    pub purpose: Purpose,
    pub remote: SocketAddr,
    pub stream: Stream,
}

impl Secure {
    /// The device at the other end.
    pub fn peer(&self) -> PeerId {
        self.proven.peer()
    }
}

/// TCP sockets that listen, and accept nothing yet.
#[derive(Debug)]
pub struct Listener {
    v4: Option<TcpListener>,
    v6: Option<TcpListener>,
}

/// Accepts for as long as it lives.
#[derive(Debug)]
pub struct Serving {
    task: AbortHandle,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Listens on `port` in both families, or on any free port where that is taken. Returns the port with it. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// What the system says when no port can be had in either family.
    pub fn bind(port: u16) -> io::Result<(Listener, u16)> {
        let mut outcome = bind_both(port);
        for _ in 0..PORT_ATTEMPTS {
            if outcome.is_ok() {
                break;
            }
            outcome = bind_both(0);
        }
        outcome
    }

    /// Accepts until the result is dropped, and delivers each connection once its key is proven. While `arrivals` is
    /// full, proven connections wait for it as if their handshake were not done.
    pub fn serve(self, credentials: &Credentials, arrivals: mpsc::Sender<Secure>) -> Serving {
        self.serve_within(LIMITS, credentials, arrivals)
    }

    /// As [`Listener::serve`], with other limits.
    pub fn serve_within(
        self,
        limits: Limits,
        credentials: &Credentials,
        arrivals: mpsc::Sender<Secure>,
    ) -> Serving {
        let door = Door {
            limits,
            acceptor: TlsAcceptor::from(credentials.server()),
            filter: credentials.filter().clone(),
            places: Places::default(),
            arrivals,
            pending: Pending::default(),
        };
        Serving { task: tokio::spawn(door.accept(self)).abort_handle() }
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        tokio::select! {
            accepted = accept_from(self.v4.as_ref()) => accepted,
            accepted = accept_from(self.v6.as_ref()) => accepted,
        }
    }
}

/// The accepting task.
struct Door {
    limits: Limits,
    acceptor: TlsAcceptor,
    filter: Filter,
    places: Places,
    arrivals: mpsc::Sender<Secure>,
    pending: Pending,
}

impl Door {
    async fn accept(mut self, listener: Listener) {
        while !self.arrivals.is_closed() {
            self.make_room().await;
            match listener.accept().await {
                Ok((tcp, remote)) => self.admit(tcp, remote),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Returns once there is a free place for a handshake: one that ended, or that of the oldest after its grace.
    async fn make_room(&mut self) {
        self.pending.reap();
        while self.pending.oldest_first.len() >= self.limits.pending {
            let Some(oldest) = self.pending.oldest_first.front() else { return };
            tokio::select! {
                _ = self.pending.tasks.join_next() => {}
                () = sleep_until(oldest.since + self.limits.grace) => {
                    if let Some(oldest) = self.pending.oldest_first.pop_front() {
                        oldest.task.abort();
                    }
                }
            }
            self.pending.reap();
        }
    }

    fn admit(&mut self, tcp: TcpStream, remote: SocketAddr) {
        self.pending.reap();
        let Ok(cut) = self.filter.cut_of(&tcp) else {
            tracing::debug!(%remote, "came over an interface that is not to be used");
            return;
        };
        let from = remote.ip().to_canonical();
        let held = self.pending.oldest_first.iter().filter(|handshake| handshake.from == from).count();
        if held >= self.limits.pending_per_address {
            tracing::debug!(%remote, "too many unfinished handshakes from this address");
            return;
        }
        let acceptor = self.acceptor.clone();
        let places = self.places.clone();
        let arrivals = self.arrivals.clone();
        let deadline = self.limits.handshake;
        let task = self.pending.tasks.spawn(async move {
            match timeout(deadline, greet(acceptor, (tcp, cut), remote, places)).await {
                Ok(Ok(secure)) => drop(arrivals.send(secure).await),
                Ok(Err(error)) => tracing::debug!(%remote, %error, "handshake failed"),
                Err(_) => tracing::debug!(%remote, "handshake took too long"),
            }
        });
        self.pending.oldest_first.push_back(Handshake { from, since: Instant::now(), task });
    }
}

/// Handshakes that are not done.
#[derive(Default)]
struct Pending {
    tasks: JoinSet<()>,
    oldest_first: VecDeque<Handshake>,
}

struct Handshake {
    from: IpAddr,
    since: Instant,
    task: AbortHandle,
}

impl Pending {
    fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.oldest_first.retain(|handshake| !handshake.task.is_finished());
    }
}

async fn greet(
    acceptor: TlsAcceptor,
    (tcp, cut): (TcpStream, Cut),
    remote: SocketAddr,
    places: Places,
) -> io::Result<Secure> {
    prepare(&tcp)?;
    let tls = acceptor.accept(Wide::new(tcp, cut)).await.map_err(explained)?;
    let (proven, purpose) = proven(tls.get_ref().1)?;
    let place = places.take(remote.ip()).ok_or_else(|| io::Error::other(saying!("too many connections")))?;
    let stream = Stream::new(tls.into(), purpose, Some(place));
    Ok(Secure { proven, purpose, remote, stream })
}

/// Connects to a known device, trying the addresses in their order, the next one along with those before it.
///
/// The device is checked within the handshake: another one at an address learns nothing, not even who called. The other
/// side may still refuse us after this succeeded; then the first read says so.
///
/// # Errors
/// `InvalidInput` where no address may be dialled (see [`MIN_PORT`], and [`super::site`]); `PermissionDenied` where another device, or we
/// ourselves, answered; `TimedOut` after 10 s; otherwise why the last address failed.
pub async fn dial(
    credentials: &Credentials,
    peer: PeerId,
    addresses: &[SocketAddr],
    purpose: Purpose,
) -> io::Result<Secure> {
    within_deadline(race(credentials, Some(peer), addresses, purpose)).await
}

/// Connects to whoever is at an address that a person typed: `host`, `host:port`, `ip`, `ip:port` or `[ipv6]:port`. The
/// result says who it is.
///
/// # Errors
/// As [`dial`], and what the system says about a host name that it does not know.
pub async fn dial_any(
    credentials: &Credentials,
    address: &str,
    default_port: u16,
    purpose: Purpose,
) -> io::Result<Secure> {
    within_deadline(async {
        let addresses = resolve(address, default_port).await?;
        let secure = race(credentials, None, &addresses, purpose).await?;
        // What a person named is dialled for files, too.
        credentials.site().met(secure.remote.ip());
        Ok(secure)
    })
    .await
}

async fn within_deadline(dialling: impl Future<Output = io::Result<Secure>>) -> io::Result<Secure> {
    let expired = || io::Error::new(io::ErrorKind::TimedOut, saying!("nobody answered in time"));
    timeout(DIAL, dialling).await.unwrap_or_else(|_| Err(expired()))
}

/// Whether this can be an address for [`dial_any`] at all; not whether anybody is there.
///
/// # Errors
/// `InvalidInput`, with what is wrong.
pub fn check(address: &str) -> io::Result<()> {
    split(address, MIN_PORT).map(drop)
}

async fn resolve(address: &str, default_port: u16) -> io::Result<Vec<SocketAddr>> {
    let address = address.trim();
    if let Ok(whole) = address.parse::<SocketAddr>() {
        return Ok(vec![whole]);
    }
    let (host, port) = split(address, default_port)?;
    Ok(lookup_host((host, port)).await?.collect())
}

/// Host and port of an address that a person typed.
fn split(address: &str, default_port: u16) -> io::Result<(&str, u16)> {
    let address = address.trim();
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if bare.parse::<IpAddr>().is_ok() {
        return Ok((bare, default_port));
    }
    let bracketed = address.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match (bracketed, address.split_once(':')) {
        (Some((host, rest)), _) => (host, rest.strip_prefix(':')),
        (None, Some((host, port))) if !port.contains(':') => (host, Some(port)),
        // An IPv6 address with a zone (RFC 4007 section 11), or a bare name.
        (None, _) => (address, None),
    };
    let port = match port {
        Some(port) => port.parse().map_err(|_| invalid(saying!("the port is not a number below 65536")))?,
        None => default_port,
    };
    if port < MIN_PORT {
        return Err(invalid(saying!("ports below 1024 belong to the system")));
    }
    let (name, zone) = host.split_once('%').unwrap_or((host, "0"));
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-._".contains(c));
    if name.parse::<Ipv6Addr>().is_ok() && is_name(zone) || is_name(host) {
        Ok((host, port))
    } else {
        Err(invalid(saying!("this is no name of a host")))
    }
}

async fn race(
    credentials: &Credentials,
    expected: Option<PeerId>,
    addresses: &[SocketAddr],
    purpose: Purpose,
) -> io::Result<Secure> {
    // A person may name any address, others only what is of this site.
    let is_near = |address: &SocketAddr| expected.is_none() || credentials.site().has(address.ip());
    let dialled =
        on_their_links(addresses, credentials.filter()).into_iter().filter(may_dial).filter(is_near);
    let mut waiting = dialled.take(MAX_ADDRESSES);
    let connector = TlsConnector::from(credentials.client(expected, purpose));
    let mut running = JoinSet::new();
    let mut last = invalid(saying!("there is no address to dial"));
    let mut exhausted = false;
    loop {
        if !exhausted {
            match waiting.next() {
                Some(remote) => {
                    drop(running.spawn(attempt(connector.clone(), credentials.filter().clone(), remote)))
                }
                None => exhausted = true,
            }
        }
        tokio::select! {
            ended = running.join_next() => match ended {
                Some(Ok(Ok(secure))) => return Ok(secure),
                Some(Ok(Err(error))) => last = error,
                Some(Err(error)) => last = error.into(),
                None if exhausted => return Err(last),
                None => {}
            },
            () = sleep(STAGGER), if !exhausted => {}
        }
    }
}

async fn attempt(connector: TlsConnector, filter: Filter, remote: SocketAddr) -> io::Result<Secure> {
    let barred = || saying!("the way to {remote} leads over an interface that Lanyard is not to use", remote);
    if !filter.lets_out(remote) {
        return Err(io::Error::new(io::ErrorKind::NetworkUnreachable, barred()));
    }
    let expired = || io::Error::new(io::ErrorKind::TimedOut, saying!("{remote} does not answer", remote));
    let tcp = timeout(CONNECT, TcpStream::connect(remote)).await.map_err(|_| expired())??;
    prepare(&tcp)?;
    let cut = filter.cut_of(&tcp).map_err(|_| io::Error::new(io::ErrorKind::NetworkUnreachable, barred()))?;
    let handshake = connector.connect(Credentials::server_name(), Wide::new(tcp, cut));
    let tls = timeout(CONNECT, handshake).await.map_err(|_| expired())?.map_err(explained)?;
    let (proven, purpose) = proven(tls.get_ref().1)?;
    Ok(Secure { proven, purpose, remote, stream: Stream::new(tls.into(), purpose, None) })
}

/// Makes sure of exactly this device at the other end of a connection that is relayed, as if it had been dialled for
/// `purpose`. Whoever relays sees sealed bytes only.
///
/// # Errors
/// `PermissionDenied` where another device answered; `TimedOut` after 5 s; otherwise why the relayed connection failed.
pub async fn dial_through(
    credentials: &Credentials,
    peer: PeerId,
    purpose: Purpose,
    relay: Secure,
) -> io::Result<Secure> {
    let connector = TlsConnector::from(credentials.client(Some(peer), purpose));
    let handshake = connector.connect(Credentials::server_name(), relay.stream);
    let tls = timeout(CONNECT, handshake).await.map_err(|_| silent())?.map_err(explained)?;
    let (proven, purpose) = proven(tls.get_ref().1)?;
    Ok(Secure { proven, purpose, remote: relay.remote, stream: Stream::relayed(tls.into()) })
}

/// The other side of [`dial_through`]: as if exactly this device had dialled for exactly this.
///
/// # Errors
/// As [`dial_through`], and `PermissionDenied` where it comes for something else.
pub async fn accept_through(
    credentials: &Credentials,
    peer: PeerId,
    wanted: Purpose,
    relay: Secure,
) -> io::Result<Secure> {
    let handshake = TlsAcceptor::from(credentials.server()).accept(relay.stream);
    let tls = timeout(CONNECT, handshake).await.map_err(|_| silent())?.map_err(explained)?;
    let (found, purpose) = proven(tls.get_ref().1)?;
    if (found.peer(), purpose) != (peer, wanted) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            saying!("somebody else was relayed, or for something else"),
        ));
    }
    Ok(Secure { proven: found, purpose, remote: relay.remote, stream: Stream::relayed(tls.into()) })
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, saying!("nothing comes over the relayed connection"))
}

/// Whether an address may be dialled at all: a single host, and no port of a system service.
pub(super) fn may_dial(address: &SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    address.port() >= MIN_PORT
        && !ip.is_unspecified()
        && !ip.is_multicast()
        && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
}

fn invalid(why: Saying) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    SockRef::from(tcp).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))
}

async fn accept_from(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Both families on one number. A family that this host does not have is left out; one in which the number is taken is
/// not.
fn bind_both(port: u16) -> io::Result<(Listener, u16)> {
    let v4 = listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    let port = match &v4 {
        Ok(listener) => listener.local_addr()?.port(),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(v4.expect_err("just matched")),
        Err(_) => port,
    };
    let v6 = listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    match (v4, v6) {
        (_, Err(error)) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        (Err(error), Err(_)) => Err(error),
        (v4, Ok(v6)) => {
            let port = v6.local_addr()?.port();
            Ok((Listener { v4: v4.ok(), v6: Some(v6) }, port))
        }
        (Ok(v4), Err(_)) => Ok((Listener { v4: Some(v4), v6: None }, port)),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Lets a restarted program have its port again at once; on Windows it would let others steal it.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nobody_makes_us_dial_a_system_service_or_a_crowd() {
        for refused in
            ["192.0.2.1:22", "192.0.2.1:1023", "0.0.0.0:24417", "224.0.0.100:24417", "255.255.255.255:24417"]
        {
            assert!(!may_dial(&address(refused)), "{refused}");
        }
        for refused in ["[::]:24417", "[ff12::4c43:5031]:24417", "[::ffff:224.0.0.100]:24417", "[fd00::1]:25"]
        {
            assert!(!may_dial(&address(refused)), "{refused}");
        }
        assert!(may_dial(&address("192.0.2.1:24417")));
        assert!(may_dial(&address("[fe80::1%3]:24417")));
    }

    #[tokio::test]
    async fn an_address_is_read_as_people_write_it() {
        for (typed, meant) in [
            ("192.0.2.1", "192.0.2.1:24417"),
            (" 192.0.2.1:5000 ", "192.0.2.1:5000"),
            ("fd00::7", "[fd00::7]:24417"),
            ("[fd00::7]", "[fd00::7]:24417"),
            ("[fd00::7]:5000", "[fd00::7]:5000"),
            ("[fe80::7%3]:5000", "[fe80::7%3]:5000"),
            ("fe80::7%3", "[fe80::7%3]:24417"),
        ] {
            assert_eq!(resolve(typed, 24417).await.unwrap(), [address(meant)], "{typed}");
        }
        assert_eq!(resolve("192.0.2.1:99999", 24417).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn what_cannot_be_an_address_is_told_from_what_can() {
        for good in [
            "ann",
            "ann.local",
            "b\u{fc}ro-1:5000",
            "192.0.2.1",
            "[fd00::7]:5000",
            "fe80::7%eth0",
            "[fe80::7%3]",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            " ",
            ":5000",
            "ann bob",
            "ann:",
            "ann:door",
            "ann:99999",
            "ann:22",
            "http://ann",
            "[fd00::7",
            "a:b:c",
        ] {
            assert_eq!(check(bad).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_replaced_by_a_free_one() {
        let (_first, port) = Listener::bind(0).unwrap();
        let (_second, other) = Listener::bind(port).unwrap();
        assert_ne!(port, other);
        assert!(other >= MIN_PORT);
    }
}
