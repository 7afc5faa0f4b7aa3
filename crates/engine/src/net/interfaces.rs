//! Which interfaces are worth speaking on, and when that changes.
//!
//! An interface that cannot multicast is not told apart here: no system says so in one way, and it shows itself by
//! refusing the join, which [`super::multicast::Sockets`] counts.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use if_watch::tokio::IfWatcher;
use tokio::time::{Instant, sleep_until};

/// How often the list is read although the system reported nothing: it reports addresses, but not a pulled cable.
pub const POLL: Duration = Duration::from_secs(15);

/// Silence after a report before the list is read: a new link gets its addresses one by one.
pub const SETTLE: Duration = Duration::from_millis(250);

/// The longest that a stream of reports may put off reading the list.
pub const SETTLE_MAX: Duration = Duration::from_secs(2);

/// Interfaces used at a time. A Linux socket may join 20 groups, and a host with more links is full of containers.
pub const MAX_INTERFACES: usize = 16;

/// One interface that is up, with all its addresses of this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What the system calls it.
    pub name: String,
    /// What the system numbers it; also the scope id of its link-local IPv6 addresses.
    pub index: u32,
    pub v4: Vec<V4>,
    pub v6: Vec<Ipv6Addr>,
}

/// One IPv4 address of an interface, with its subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct V4 {
    pub address: Ipv4Addr,
    /// Bits of the subnet, 0 to 32.
    pub prefix: u8,
    /// Reaches everybody in the subnet; absent where the subnet has no such address.
    pub broadcast: Option<Ipv4Addr>,
}

impl Interface {
    /// Whether an address is one of its own.
    pub fn has(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(ip) => self.v4.iter().any(|v4| v4.address == ip),
            IpAddr::V6(ip) => self.v6.contains(&ip),
        }
    }

    /// Whether an address is on its network, so that what goes to everybody there goes to that, too.
    pub fn leads_to(&self, to: SocketAddr) -> bool {
        match to {
            SocketAddr::V4(to) => self.v4.iter().any(|v4| v4.contains(*to.ip())),
            SocketAddr::V6(to) => match to.ip().to_ipv4_mapped() {
                Some(ip) => self.v4.iter().any(|v4| v4.contains(ip)),
                // One that somebody told of names no link: it may be on this one.
                None if to.ip().is_unicast_link_local() => [0, self.index].contains(&to.scope_id()),
                None => self.v6.iter().any(|own| own.octets()[..8] == to.ip().octets()[..8]),
            },
        }
    }
}

impl V4 {
    fn contains(&self, ip: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or_default();
        self.address.to_bits() & mask == ip.to_bits() & mask
    }
}

/// What an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ordinary,
    /// As of a VPN.
    PointToPoint,
    Loopback,
}

/// All interfaces that are up and have an address, used or not, by index.
///
/// # Errors
/// As [`list`].
pub fn survey() -> io::Result<Vec<(Interface, Kind)>> {
    let up: Vec<_> = if_addrs::get_if_addrs()?.into_iter().filter(if_addrs::Interface::is_oper_up).collect();
    let kind = |index: u32| {
        let of_it = || up.iter().filter(move |entry| entry.index == Some(index));
        match () {
            () if of_it().any(if_addrs::Interface::is_loopback) => Kind::Loopback,
            () if of_it().any(if_addrs::Interface::is_p2p) => Kind::PointToPoint,
            () => Kind::Ordinary,
        }
    };
    let gathered = gather(up.iter()).into_iter();
    Ok(gathered
        .map(|interface| (kind(interface.index), interface))
        .map(|(kind, interface)| (interface, kind))
        .collect())
}

/// The interfaces to speak on now, by index: those named in `only`, or every suitable one.
///
/// Suitable is what is up, has an address and is neither loopback nor point-to-point (a VPN). Where nothing is suitable
/// the loopback interface is: several profiles on one host find each other without a network. At most
/// [`MAX_INTERFACES`]; those with an IPv4 address go first.
///
/// # Errors
/// What the system says when it does not list its interfaces.
pub fn list(only: Option<&[String]>) -> io::Result<Vec<Interface>> {
    Ok(choose(if_addrs::get_if_addrs()?, only))
}

/// Reports each change of [`list`].
pub struct Watch {
    only: Option<Vec<String>>,
    /// Absent where the system does not report changes; then the poll finds them.
    reports: Option<IfWatcher>,
    known: Vec<Interface>,
    read_at: Instant,
    /// The first report since the list was read.
    unsettled_since: Option<Instant>,
}

impl Watch {
    /// Begins with what there is now, see [`Watch::current`]. Must be called within a tokio runtime.
    pub fn new(only: Option<Vec<String>>) -> Watch {
        let known = list(only.as_deref()).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot list the network interfaces");
            Vec::new()
        });
        let reports = IfWatcher::new()
            .inspect_err(|error| tracing::debug!(%error, "interface changes are found by polling only"))
            .ok();
        Watch { only, reports, known, read_at: Instant::now() + POLL, unsettled_since: None }
    }

    /// What was listed last.
    pub fn current(&self) -> &[Interface] {
        &self.known
    }

    /// Waits until the list differs from [`Watch::current`], and returns the new one. Cancel-safe; never ends.
    pub async fn next(&mut self) -> &[Interface] {
        loop {
            tokio::select! {
                () = sleep_until(self.read_at) => {
                    self.read_at = Instant::now() + POLL;
                    self.unsettled_since = None;
                    match list(self.only.as_deref()) {
                        Ok(listed) if listed != self.known => {
                            self.known = listed;
                            return &self.known;
                        }
                        Ok(_) => {}
                        Err(error) => tracing::debug!(%error, "cannot list the network interfaces"),
                    }
                }
                alive = report(&mut self.reports) => {
                    let now = Instant::now();
                    let since = *self.unsettled_since.get_or_insert(now);
                    self.read_at = (now + SETTLE).min(since + SETTLE_MAX);
                    if !alive {
                        self.reports = None;
                    }
                }
            }
        }
    }
}

/// Waits for a report; false if there will be no more. Without a source of reports it waits for ever.
async fn report(reports: &mut Option<IfWatcher>) -> bool {
    match reports {
        Some(reports) => poll_fn(|context| reports.poll_if_event(context)).await.is_ok(),
        None => std::future::pending().await,
    }
}

fn choose(listed: Vec<if_addrs::Interface>, only: Option<&[String]>) -> Vec<Interface> {
    let wanted = |entry: &if_addrs::Interface| match only {
        Some(names) => names.contains(&entry.name),
        None => !entry.is_loopback() && !entry.is_p2p(),
    };
    let up = || listed.iter().filter(|entry| entry.is_oper_up());
    let mut chosen = gather(up().filter(|entry| wanted(entry)));
    if chosen.is_empty() && only.is_none() {
        chosen = gather(up().filter(|entry| entry.is_loopback()));
    }
    chosen.sort_by_key(|interface| (interface.v4.is_empty(), interface.index));
    chosen.truncate(MAX_INTERFACES);
    chosen.sort_by_key(|interface| interface.index);
    chosen
}

fn gather<'a>(entries: impl Iterator<Item = &'a if_addrs::Interface>) -> Vec<Interface> {
    let mut by_index: BTreeMap<u32, Interface> = BTreeMap::new();
    for entry in entries {
        let Some(index) = entry.index else { continue };
        let interface = by_index.entry(index).or_insert_with(|| Interface {
            name: entry.name.clone(),
            index,
            v4: Vec::new(),
            v6: Vec::new(),
        });
        match &entry.addr {
            if_addrs::IfAddr::V4(v4) => interface.v4.push(V4 {
                address: v4.ip,
                prefix: v4.prefixlen,
                broadcast: v4.broadcast.filter(|to| *to != v4.ip && v4.prefixlen < 31),
            }),
            if_addrs::IfAddr::V6(v6) => interface.v6.push(v6.ip),
        }
    }
    // The system's order may change from call to call, and a mere change of order is no change.
    for interface in by_index.values_mut() {
        interface.v4.sort();
        interface.v6.sort();
    }
    by_index.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, index: u32, address: &str) -> if_addrs::Interface {
        let ip: Ipv4Addr = address.parse().unwrap();
        let [a, b, c, _] = ip.octets();
        if_addrs::Interface {
            name: name.to_owned(),
            addr: if_addrs::IfAddr::V4(if_addrs::Ifv4Addr {
                ip,
                netmask: Ipv4Addr::new(255, 255, 255, 0),
                prefixlen: 24,
                broadcast: Some(Ipv4Addr::new(a, b, c, 255)),
            }),
            index: Some(index),
            oper_status: if_addrs::IfOperStatus::Up,
            is_p2p: false,
            #[cfg(windows)]
            adapter_name: name.to_owned(),
        }
    }

    fn names(chosen: &[Interface]) -> Vec<&str> {
        chosen.iter().map(|interface| interface.name.as_str()).collect()
    }

    #[test]
    fn loopback_is_used_only_where_nothing_else_is() {
        let lo = entry("lo", 1, "127.0.0.1");
        let eth = entry("eth0", 2, "192.0.2.7");
        assert_eq!(names(&choose(vec![lo.clone(), eth], None)), ["eth0"]);
        assert_eq!(names(&choose(vec![lo], None)), ["lo"]);
    }

    #[test]
    fn a_tunnel_is_used_only_when_it_is_named() {
        let eth = entry("eth0", 2, "192.0.2.7");
        let tunnel = if_addrs::Interface { is_p2p: true, ..entry("tun0", 3, "198.51.100.2") };
        assert_eq!(names(&choose(vec![eth.clone(), tunnel.clone()], None)), ["eth0"]);
        assert_eq!(names(&choose(vec![eth, tunnel], Some(&["tun0".to_owned()]))), ["tun0"]);
    }

    #[test]
    fn an_interface_that_is_named_but_absent_is_not_replaced_by_another() {
        let lo = entry("lo", 1, "127.0.0.1");
        assert!(choose(vec![lo], Some(&["eth9".to_owned()])).is_empty());
    }

    #[test]
    fn an_interface_that_is_down_is_left_out() {
        let down = if_addrs::Interface {
            oper_status: if_addrs::IfOperStatus::Unknown,
            ..entry("eth0", 2, "192.0.2.7")
        };
        assert!(choose(vec![down], None).is_empty());
    }

    #[test]
    fn the_order_in_which_the_system_lists_addresses_does_not_matter() {
        let first = entry("eth0", 2, "192.0.2.7");
        let second = entry("eth0", 2, "198.51.100.7");
        let one = choose(vec![first.clone(), second.clone()], None);
        assert_eq!(one, choose(vec![second, first], None));
        assert_eq!(one[0].v4.len(), 2);
    }

    #[test]
    fn a_host_full_of_containers_uses_a_bounded_number_of_interfaces() {
        let many = (1..60u8).map(|i| entry(&format!("veth{i}"), i.into(), &format!("10.0.{i}.1"))).collect();
        assert_eq!(choose(many, None).len(), MAX_INTERFACES);
    }
}
