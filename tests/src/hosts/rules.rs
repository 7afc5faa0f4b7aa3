//! What the switch does to frames: loss, partitions, limits, counters. All of it is one nftables table of the bridge.
//!
//! What a host sends is judged once, in `prerouting`: there a drop is a loss for everybody, and no error to the sender as
//! it would be in the host's own output. What reaches each host is judged in `forward`, once for each copy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

/// How much of a host's traffic the network loses, each frame by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// Percent of what the host sends, lost to everybody.
    pub out: u8,
    /// Percent of what comes to the host.
    pub into: u8,
    pub of: Frames,
}

/// Which frames a rule means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Frames {
    Udp,
    /// Everything, with TCP and the neighbour discovery of IP.
    All,
}

/// Frames and their bytes, with Ethernet's 14 of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub frames: u64,
    pub bytes: u64,
}

/// What a host has put on the network and got from it since it was connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Whatever it sent, lost or not.
    pub sent: Counted,
    /// The program's own datagrams of that: multicast and broadcast to its port.
    pub datagrams: Counted,
    /// What reached it.
    pub received: Counted,
}

/// Everything that is asked of the switch at the moment.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) hosts: Vec<u8>,
    pub(super) loss: Option<Loss>,
    /// In place of what holds for all.
    pub(super) losses: BTreeMap<u8, Loss>,
    /// Hosts of one side reach each other only; those of no side are another one.
    pub(super) sides: Vec<Vec<u8>>,
    pub(super) multicast_is_cut: bool,
    /// Multicast is dropped, and broadcast passes.
    pub(super) multicast_is_eaten: bool,
    /// Hosts whose multicast and broadcast is dropped, and what comes to them of it.
    pub(super) mute: BTreeSet<u8>,
    /// Hosts whose multicast and broadcast is dropped, or to which none is brought.
    pub(super) hushed: BTreeSet<u8>,
    pub(super) deafened: BTreeSet<u8>,
    /// Hosts to which nobody can open a TCP connection.
    pub(super) closed: BTreeSet<u8>,
    /// Bytes a second that all hosts together may send.
    pub(super) shared: Option<u32>,
}

impl Rules {
    /// The script for `nft -f -` that makes the table what these rules say, at once. Counters go on.
    pub(super) fn script(&self) -> String {
        let mut script = String::from("add table bridge lanyard\n");
        for host in &self.hosts {
            for kind in COUNTERS {
                line(&mut script, format_args!("add counter bridge lanyard {kind}{host}"));
            }
        }
        for kind in KINDS {
            line(&mut script, format_args!("add counter bridge lanyard kind{kind}"));
        }
        for (chain, hook) in [("arrive", "prerouting priority -300"), ("pass", "forward priority 0")] {
            line(
                &mut script,
                format_args!("add chain bridge lanyard {chain} {{ type filter hook {hook}; }}"),
            );
            line(&mut script, format_args!("flush chain bridge lanyard {chain}"));
        }
        for rule in self.arriving() {
            line(&mut script, format_args!("add rule bridge lanyard arrive {rule}"));
        }
        for rule in self.passing() {
            line(&mut script, format_args!("add rule bridge lanyard pass {rule}"));
        }
        script
    }

    fn arriving(&self) -> Vec<String> {
        let mut rules = Vec::new();
        if !self.hosts.is_empty() {
            rules.push(format!("counter name iifname map {}", self.counters("sent")));
            rules.push(format!("udp dport {PORT} counter name iifname map {}", self.counters("app")));
        }
        // The kind is byte 5 of the envelope, behind the 8 bytes of UDP's header.
        rules.extend(
            KINDS.iter().map(|kind| format!("udp dport {PORT} @th,104,8 {kind} counter name kind{kind}")),
        );
        if let Some(rate) = self.shared {
            rules.push(format!("limit rate over {rate} bytes/second burst {SHARED_BURST} bytes drop"));
        }
        rules.extend(self.lossy(|loss| loss.out, "iifname"));
        rules
    }

    fn passing(&self) -> Vec<String> {
        let mut rules = Vec::new();
        if self.multicast_is_cut {
            rules.push(format!("{MULTICAST} drop"));
        }
        if self.multicast_is_eaten {
            rules.push(format!("{MULTICAST} ether daddr != ff:ff:ff:ff:ff:ff drop"));
        }
        if !self.mute.is_empty() {
            let mute = ports(&self.mute.iter().copied().collect::<Vec<_>>());
            for way in ["iifname", "oifname"] {
                rules.push(format!("{way} {mute} {MULTICAST} drop"));
            }
        }
        for (way, hosts) in [("iifname", &self.hushed), ("oifname", &self.deafened)] {
            if !hosts.is_empty() {
                let hosts = ports(&hosts.iter().copied().collect::<Vec<_>>());
                rules.push(format!("{way} {hosts} {MULTICAST} drop"));
            }
        }
        for side in &self.sides {
            let side = ports(side);
            rules.push(format!("iifname {side} oifname != {side} drop"));
            rules.push(format!("iifname != {side} oifname {side} drop"));
        }
        if !self.closed.is_empty() {
            let closed: Vec<u8> = self.closed.iter().copied().collect();
            rules.push(format!("oifname {} tcp flags & (syn | ack) == syn drop", ports(&closed)));
        }
        rules.extend(self.lossy(|loss| loss.into, "oifname"));
        if !self.hosts.is_empty() {
            rules.push(format!("counter name oifname map {}", self.counters("got")));
        }
        rules
    }

    fn lossy(&self, share: impl Fn(&Loss) -> u8, direction: &str) -> Vec<String> {
        let mut groups: BTreeMap<(Frames, u8), Vec<u8>> = BTreeMap::new();
        for host in &self.hosts {
            if let Some(loss) = self.losses.get(host).or(self.loss.as_ref())
                && share(loss) > 0
            {
                groups.entry((loss.of, share(loss))).or_default().push(*host);
            }
        }
        let rule = |((frames, percent), hosts): (&(Frames, u8), &Vec<u8>)| {
            let which = if *frames == Frames::Udp { "meta l4proto udp " } else { "" };
            // That each of a hundred numbers is below a hundred is nothing that nftables would ask.
            let chance =
                if *percent < 100 { format!("numgen random mod 100 < {percent} ") } else { String::new() };
            format!("{direction} {} {which}{chance}drop", ports(hosts))
        };
        groups.iter().map(rule).collect()
    }

    fn counters(&self, kind: &str) -> String {
        let pairs: Vec<_> =
            self.hosts.iter().map(|host| format!("\"port{host}\" : \"{kind}{host}\"")).collect();
        format!("{{ {} }}", pairs.join(", "))
    }
}

/// What the counters say, from `nft -j list counters`, by host.
pub(super) fn traffic(listed: &Value) -> BTreeMap<u8, Traffic> {
    let mut hosts: BTreeMap<u8, Traffic> = BTreeMap::new();
    for counter in COUNTERS {
        for (host, counted) in numbered(listed, counter) {
            let traffic = hosts.entry(host).or_default();
            match counter {
                "sent" => traffic.sent = counted,
                "app" => traffic.datagrams = counted,
                _ => traffic.received = counted,
            }
        }
    }
    hosts
}

/// The program's datagrams by their kind, from the same list.
pub(super) fn datagrams(listed: &Value) -> BTreeMap<u8, Counted> {
    numbered(listed, "kind")
}

/// Counters of this name, by the number behind it.
fn numbered(listed: &Value, name: &str) -> BTreeMap<u8, Counted> {
    let counters = listed["nftables"].as_array().into_iter().flatten().map(|object| &object["counter"]);
    let numbered = counters.filter_map(|counter| {
        let number = counter["name"].as_str()?.strip_prefix(name)?.parse().ok()?;
        let frames = counter["packets"].as_u64()?;
        Some((number, Counted { frames, bytes: counter["bytes"].as_u64()? + frames * ETHERNET }))
    });
    numbered.collect()
}

fn ports(hosts: &[u8]) -> String {
    let names: Vec<_> = hosts.iter().map(|host| format!("\"port{host}\"")).collect();
    format!("{{ {} }}", names.join(", "))
}

fn line(script: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(script, "{words}").expect("a string takes everything");
}

const COUNTERS: [&str; 3] = ["sent", "app", "got"];

/// Of the envelope: ANNOUNCE, BYE, CARRY, PROBE, DATA, HEADS, NACK, FRAGMENT, TYPING, KNOCK, MEET.
const KINDS: [u8; 11] = [1, 2, 3, 4, 16, 17, 18, 19, 20, 21, 22];

/// Datagrams to groups and to everybody. What finds addresses is none.
const MULTICAST: &str = "meta l4proto udp ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00";

/// The program's UDP port; it sends nothing there by unicast.
const PORT: u16 = 24417;

/// The bridge does not count Ethernet's header.
const ETHERNET: u64 = 14;

/// What a shared medium takes at once: a few dozen whole frames, as the queue of an access point would.
const SHARED_BURST: u32 = 32_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_host_loses_what_was_said_of_it_or_of_all() {
        let of_all = Loss { out: 30, into: 0, of: Frames::Udp };
        let own = Loss { out: 0, into: 5, of: Frames::All };
        let losses = BTreeMap::from([(2, own)]);
        let rules = Rules { hosts: vec![1, 2, 3], loss: Some(of_all), losses, ..Rules::default() };
        let script = rules.script();
        let all = r#"arrive iifname { "port1", "port3" } meta l4proto udp numgen random mod 100 < 30 drop"#;
        assert!(script.contains(all), "{script}");
        assert!(script.contains(r#"pass oifname { "port2" } numgen random mod 100 < 5 drop"#), "{script}");
        assert_eq!(script.matches("numgen").count(), 2, "{script}");
    }

    #[test]
    fn counters_are_read_by_host() {
        let counter = |name: &str, packets: u64| json!({ "counter": { "name": name, "packets": packets, "bytes": 100 } });
        let listed = json!({ "nftables": [{ "metainfo": {} }, counter("sent1", 2), counter("got12", 1)] });
        let traffic = traffic(&listed);
        assert_eq!(traffic[&1].sent, Counted { frames: 2, bytes: 128 });
        assert_eq!(traffic[&12].received, Counted { frames: 1, bytes: 114 });
    }
}
