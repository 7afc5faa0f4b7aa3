//! A second network beside the first: another switch, on which hosts stand alone or with another interface of theirs.
//!
//! Its hosts have the addresses of their numbers in another subnet. None of the rules of the first holds there.

use std::process::Command;

use serde_json::Value;

use super::{Host, Lan, inside, ip, run_with_input};

/// What left a host over its second interface since [`Host::count_beside`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Datagrams of UDP.
    pub datagrams: u64,
    /// Connections that it began, over TCP.
    pub dials: u64,
}

impl Lan {
    /// Makes the second network, on which nobody is yet.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn second(&self) {
        let switch = &self.inner.switch;
        ip(&["-n", switch, "link", "add", "br1", "type", "bridge", "mcast_snooping", "0"]);
        ip(&["-n", switch, "link", "set", "br1", "up"]);
    }
}

impl Host {
    /// Its IPv4 address on the second network.
    pub fn address_beside(&self) -> String {
        format!("10.78.0.{}", self.number)
    }

    /// Gives it `eth1` on the second network, beside what it has on the first.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn join_beside(&self) {
        let (side, host, switch) = (self.side(), &self.namespace, &self.lan.switch);
        let plugged = format!(
            "link add {side} type veth peer name eth1 netns {host}\nlink set {side} master br1 addrgenmode none up\n"
        );
        run_with_input(Command::new("ip").args(["-n", switch, "-batch", "-"]), &plugged);
        let configured = format!(
            "link set eth1 addrgenmode none up\naddr add fe80::{:x}:1/64 dev eth1 nodad\naddr add {}/24 broadcast + dev eth1\n",
            self.number,
            self.address_beside()
        );
        run_with_input(Command::new("ip").args(["-n", host, "-batch", "-"]), &configured);
    }

    /// Lets its `eth0` be on the second network in place of the first.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn move_beside(&self) {
        ip(&["-n", &self.lan.switch, "link", "set", &self.port(), "master", "br1"]);
        let moved = format!(
            "addr del {}/24 dev eth0\naddr add {}/24 broadcast + dev eth0\nroute replace default dev eth0\n",
            self.address(),
            self.address_beside()
        );
        run_with_input(Command::new("ip").args(["-n", &self.namespace, "-batch", "-"]), &moved);
    }

    /// Counts what it puts on the second network from now on.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn count_beside(&self) {
        let (side, number) = (self.side(), self.number);
        let rules = format!(
            "table bridge beside{number} {{\ncounter datagrams {{ }}\ncounter dials {{ }}\n\
             chain arrive {{ type filter hook prerouting priority -300;\n\
             iifname \"{side}\" meta l4proto udp counter name datagrams\n\
             iifname \"{side}\" tcp flags & (syn | ack) == syn counter name dials\n}}\n}}\n"
        );
        run_with_input(inside(&self.lan.switch, "nft").args(["-f", "-"]), &rules);
    }

    /// What was counted.
    ///
    /// # Panics
    /// When the machine does not say.
    pub fn left_beside(&self) -> Leaving {
        let table = format!("beside{}", self.number);
        let listed = inside(&self.lan.switch, "nft")
            .args(["-j", "list", "counters", "table", "bridge", &table])
            .output();
        let listed: Value =
            serde_json::from_slice(&listed.expect("nft runs").stdout).expect("nft lists its counters");
        let counted = |name: &str| {
            let mut objects = listed["nftables"].as_array().into_iter().flatten();
            let counter = objects.find(|object| object["counter"]["name"] == name).expect("it is counted");
            counter["counter"]["packets"].as_u64().expect("a number")
        };
        Leaving { datagrams: counted("datagrams"), dials: counted("dials") }
    }

    fn side(&self) -> String {
        format!("side{}", self.number)
    }
}
