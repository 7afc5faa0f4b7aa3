//! Which interfaces are worth speaking on, and when that changes.
//!
//! An interface that cannot multicast is not told apart here: no system says so in one way, and it shows itself by
//! refusing the join, which [`super::multicast::Sockets`] counts.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use if_watch::tokio::IfWatcher;
use tokio::time::{Instant, sleep_until};

use crate::api::{InterfaceChoice, InterfaceKind, InterfaceState};

/// How often the list is read although the system reported nothing: it reports addresses, but not a pulled cable.
pub const POLL: Duration = Duration::from_secs(15);

/// Silence after a report before the list is read: a new link gets its addresses one by one.
pub const SETTLE: Duration = Duration::from_millis(250);

/// The longest that a stream of reports may put off reading the list.
pub const SETTLE_MAX: Duration = Duration::from_secs(2);

/// Interfaces used at a time. A Linux socket may join 20 groups, and a host with more links is full of containers.
pub const MAX_INTERFACES: usize = 16;

/// One interface with all its addresses of this moment.
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

    /// Whether this is the address of its end of a connection.
    pub fn ends(&self, at: SocketAddr) -> bool {
        match at {
            SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() != self.index => false,
            at => self.has(at.ip()),
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

/// Which interfaces a person wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Those that this run was told to use, and no others; what was chosen does not count then.
    pub named: Option<Vec<String>>,
    /// What was chosen, by name.
    pub chosen: BTreeMap<String, InterfaceChoice>,
}

/// An interface that is here, or that somebody named or chose, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Without addresses, and of index 0, where it is absent.
    pub interface: Interface,
    /// Unknown of what is absent.
    pub kind: Option<InterfaceKind>,
    pub choice: InterfaceChoice,
    pub state: InterfaceState,
}

impl Listed {
    /// Whether nothing may go over it: somebody said so. What is left out by itself can still be dialled through, as a VPN.
    pub fn is_barred(&self) -> bool {
        self.kind != Some(InterfaceKind::Loopback)
            && matches!(self.state, InterfaceState::Excluded | InterfaceState::NotNamed)
    }
}

/// All interfaces that are here or wanted, and how they stand: those that are here by index, then the absent by name.
///
/// Suitable is what is up, has an address and is neither loopback nor point-to-point (a VPN). Where nothing is used the
/// loopback interface is: several profiles on one host find each other without a network. At most [`MAX_INTERFACES`] are
/// used; what was chosen goes first, then what has an IPv4 address.
///
/// # Errors
/// What the system says when it does not list its interfaces.
pub fn survey(rule: &Rule) -> io::Result<Vec<Listed>> {
    Ok(stand(&if_addrs::get_if_addrs()?, rule))
}

/// The interfaces to speak on now, by index.
///
/// # Errors
/// As [`survey`].
pub fn list(rule: &Rule) -> io::Result<Vec<Interface>> {
    Ok(used(&survey(rule)?))
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Interfaces in use, or their addresses.
    Used,
    /// Others only.
    Others,
}

/// Reports each change of [`survey`].
pub struct Watch {
    rule: Rule,
    /// Absent where the system does not report changes; then the poll finds them.
    reports: Option<IfWatcher>,
    listed: Vec<Listed>,
    used: Vec<Interface>,
    read_at: Instant,
    /// The first report since the list was read.
    unsettled_since: Option<Instant>,
}

impl Watch {
    /// Begins with what there is now, see [`Watch::current`]. Must be called within a tokio runtime.
    pub fn new(rule: Rule) -> Watch {
        let reports = IfWatcher::new()
            .inspect_err(|error| tracing::debug!(%error, "interface changes are found by polling only"))
            .ok();
        let (listed, used, read_at) = (Vec::new(), Vec::new(), Instant::now() + POLL);
        let mut watch = Watch { rule, reports, listed, used, read_at, unsettled_since: None };
        watch.read();
        watch
    }

    /// Those in use, as they were read last.
    pub fn current(&self) -> &[Interface] {
        &self.used
    }

    /// All, as they were read last.
    pub fn listed(&self) -> &[Listed] {
        &self.listed
    }

    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Lets a person's choice count from now on, and says what changed by it.
    pub fn choose(&mut self, name: String, choice: InterfaceChoice) -> Option<Change> {
        match choice {
            InterfaceChoice::Automatic => self.rule.chosen.remove(&name),
            choice => self.rule.chosen.insert(name, choice),
        };
        self.read()
    }

    /// Waits until something differs from what was read last, and says what. Cancel-safe; never ends.
    pub async fn next(&mut self) -> Change {
        loop {
            tokio::select! {
                () = sleep_until(self.read_at) => if let Some(change) = self.read() {
                    return change;
                },
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

    fn read(&mut self) -> Option<Change> {
        self.read_at = Instant::now() + POLL;
        self.unsettled_since = None;
        let listed = match survey(&self.rule) {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(%error, "cannot list the network interfaces");
                return None;
            }
        };
        if listed == self.listed {
            return None;
        }
        let used = used(&listed);
        let change = if used == self.used { Change::Others } else { Change::Used };
        (self.listed, self.used) = (listed, used);
        Some(change)
    }
}

/// Waits for a report; false if there will be no more. Without a source of reports it waits for ever.
async fn report(reports: &mut Option<IfWatcher>) -> bool {
    match reports {
        Some(reports) => poll_fn(|context| reports.poll_if_event(context)).await.is_ok(),
        None => std::future::pending().await,
    }
}

fn used(listed: &[Listed]) -> Vec<Interface> {
    let used = listed.iter().filter(|one| one.state == InterfaceState::Used);
    used.map(|one| one.interface.clone()).collect()
}

fn stand(entries: &[if_addrs::Interface], rule: &Rule) -> Vec<Listed> {
    let gathered = gather(entries.iter()).into_iter();
    let mut listed: Vec<Listed> = gathered
        .map(|interface| {
            let of_it = || entries.iter().filter(|entry| entry.index == Some(interface.index));
            let kind = match () {
                () if of_it().any(if_addrs::Interface::is_loopback) => InterfaceKind::Loopback,
                () if of_it().any(if_addrs::Interface::is_p2p) => InterfaceKind::PointToPoint,
                () => InterfaceKind::Ordinary,
            };
            let is_up = of_it().any(if_addrs::Interface::is_oper_up);
            let choice = rule.choice(&interface.name);
            let state = rule.state(&interface.name, kind, is_up);
            Listed { interface, kind: Some(kind), choice, state }
        })
        .collect();
    if rule.named.is_none() && listed.iter().all(|one| one.state != InterfaceState::Used) {
        let unused = listed.iter_mut().filter(|one| one.state == InterfaceState::Loopback);
        unused.for_each(|one| one.state = InterfaceState::Used);
    }
    bound(&mut listed);
    let wanted = rule.named.iter().flatten().chain(rule.chosen.keys());
    let here: BTreeSet<&String> = listed.iter().map(|one| &one.interface.name).collect();
    let absent: BTreeSet<String> = wanted.filter(|name| !here.contains(name)).cloned().collect();
    listed.extend(absent.into_iter().map(|name| Listed {
        choice: rule.choice(&name),
        interface: Interface { name, index: 0, v4: Vec::new(), v6: Vec::new() },
        kind: None,
        state: InterfaceState::Absent,
    }));
    listed
}

/// Leaves out what is too much.
fn bound(listed: &mut [Listed]) {
    let mut used: Vec<&mut Listed> =
        listed.iter_mut().filter(|one| one.state == InterfaceState::Used).collect();
    used.sort_by_key(|one| {
        (one.choice != InterfaceChoice::Always, one.interface.v4.is_empty(), one.interface.index)
    });
    used.into_iter().skip(MAX_INTERFACES).for_each(|one| one.state = InterfaceState::TooMany);
}

impl Rule {
    fn choice(&self, name: &str) -> InterfaceChoice {
        self.chosen.get(name).copied().unwrap_or(InterfaceChoice::Automatic)
    }

    fn state(&self, name: &str, kind: InterfaceKind, is_up: bool) -> InterfaceState {
        let is_named = self.named.as_ref().map(|named| named.iter().any(|one| one == name));
        match (is_named, self.choice(name), kind) {
            (Some(false), ..) => InterfaceState::NotNamed,
            (None, InterfaceChoice::Never, _) => InterfaceState::Excluded,
            _ if !is_up => InterfaceState::Down,
            (Some(true), ..) | (None, InterfaceChoice::Always, _) => InterfaceState::Used,
            (None, _, InterfaceKind::Loopback) => InterfaceState::Loopback,
            (None, _, InterfaceKind::PointToPoint) => InterfaceState::Tunnel,
            (None, _, InterfaceKind::Ordinary) => InterfaceState::Used,
        }
    }
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

    fn tunnel() -> if_addrs::Interface {
        if_addrs::Interface { is_p2p: true, ..entry("tun0", 3, "198.51.100.2") }
    }

    fn choose(entries: &[if_addrs::Interface], rule: &Rule) -> Vec<String> {
        used(&stand(entries, rule)).into_iter().map(|interface| interface.name).collect()
    }

    fn named(name: &str) -> Rule {
        Rule { named: Some(vec![name.to_owned()]), ..Rule::default() }
    }

    fn chosen<const N: usize>(choices: [(&str, InterfaceChoice); N]) -> Rule {
        Rule { named: None, chosen: choices.map(|(name, choice)| (name.to_owned(), choice)).into() }
    }

    fn states(entries: &[if_addrs::Interface], rule: &Rule) -> Vec<(String, InterfaceState)> {
        stand(entries, rule).into_iter().map(|one| (one.interface.name, one.state)).collect()
    }

    #[test]
    fn loopback_is_used_only_where_nothing_else_is() {
        let lo = entry("lo", 1, "127.0.0.1");
        let eth = entry("eth0", 2, "192.0.2.7");
        assert_eq!(choose(&[lo.clone(), eth], &Rule::default()), ["eth0"]);
        assert_eq!(choose(&[lo], &Rule::default()), ["lo"]);
    }

    #[test]
    fn a_tunnel_is_used_only_when_it_is_named_or_chosen() {
        let here = [entry("eth0", 2, "192.0.2.7"), tunnel()];
        assert_eq!(choose(&here, &Rule::default()), ["eth0"]);
        assert_eq!(choose(&here, &named("tun0")), ["tun0"]);
        assert_eq!(choose(&here, &chosen([("tun0", InterfaceChoice::Always)])), ["eth0", "tun0"]);
    }

    #[test]
    fn what_a_person_excluded_is_not_used_and_a_run_that_names_interfaces_does_not_ask() {
        let here =
            [entry("lo", 1, "127.0.0.1"), entry("eth0", 2, "192.0.2.7"), entry("eth1", 4, "198.51.100.7")];
        let rule = chosen([("eth0", InterfaceChoice::Never)]);
        assert_eq!(choose(&here, &rule), ["eth1"]);
        assert_eq!(choose(&here, &Rule { named: named("eth0").named, ..rule.clone() }), ["eth0"]);
        let none = chosen([("eth0", InterfaceChoice::Never), ("eth1", InterfaceChoice::Never)]);
        assert_eq!(choose(&here, &none), ["lo"], "several profiles on this host still find each other");
        let barred = |rule: &Rule| -> Vec<String> {
            let listed = stand(&here, rule).into_iter();
            listed.filter(Listed::is_barred).map(|one| one.interface.name).collect()
        };
        assert_eq!(barred(&rule), ["eth0"]);
        assert_eq!(barred(&named("eth0")), ["eth1"], "loopback leads nowhere");
        assert!(barred(&Rule::default()).is_empty());
    }

    #[test]
    fn each_interface_says_why_it_is_used_or_not() {
        let down = if_addrs::Interface {
            oper_status: if_addrs::IfOperStatus::Unknown,
            ..entry("eth3", 5, "203.0.113.7")
        };
        let here = [
            entry("lo", 1, "127.0.0.1"),
            entry("eth0", 2, "192.0.2.7"),
            tunnel(),
            entry("eth1", 4, "198.51.100.7"),
            down,
        ];
        let rule = chosen([("eth1", InterfaceChoice::Never), ("usb0", InterfaceChoice::Always)]);
        let expected = [
            ("lo", InterfaceState::Loopback),
            ("eth0", InterfaceState::Used),
            ("tun0", InterfaceState::Tunnel),
            ("eth1", InterfaceState::Excluded),
            ("eth3", InterfaceState::Down),
            ("usb0", InterfaceState::Absent),
        ];
        assert_eq!(states(&here, &rule), expected.map(|(name, state)| (name.to_owned(), state)));
        let listed = stand(&here, &rule);
        assert_eq!(listed.last().unwrap().choice, InterfaceChoice::Always, "it is kept for when it comes");
        assert_eq!(states(&here, &named("tun0"))[1].1, InterfaceState::NotNamed);
    }

    #[test]
    fn an_interface_that_is_named_but_absent_is_not_replaced_by_another() {
        let lo = entry("lo", 1, "127.0.0.1");
        assert!(choose(&[lo], &named("eth9")).is_empty());
    }

    #[test]
    fn the_order_in_which_the_system_lists_addresses_does_not_matter() {
        let first = entry("eth0", 2, "192.0.2.7");
        let second = entry("eth0", 2, "198.51.100.7");
        let one = stand(&[first.clone(), second.clone()], &Rule::default());
        assert_eq!(one, stand(&[second, first], &Rule::default()));
        assert_eq!(one[0].interface.v4.len(), 2);
    }

    #[test]
    fn a_host_full_of_containers_uses_a_bounded_number_of_interfaces_and_what_was_chosen_first() {
        let many: Vec<_> =
            (1..60u8).map(|i| entry(&format!("veth{i}"), i.into(), &format!("10.0.{i}.1"))).collect();
        assert_eq!(choose(&many, &Rule::default()).len(), MAX_INTERFACES);
        let used = choose(&many, &chosen([("veth59", InterfaceChoice::Always)]));
        assert_eq!((used.len(), used.last().map(String::as_str)), (MAX_INTERFACES, Some("veth59")));
        assert_eq!(states(&many, &Rule::default()).last().unwrap().1, InterfaceState::TooMany);
    }
}
