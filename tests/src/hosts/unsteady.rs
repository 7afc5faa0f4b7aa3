//! A switch that forgets who listens, and interfaces that go down and come up again.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{Host, Lan, inside, ip, run_with_input};

impl Lan {
    /// Makes the switch bring multicast only to those whose membership it heard of within this time, and ask nobody whether they
    /// are still members, as switches do that watch memberships on a network without a querier.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn snoop(&self, membership: Duration) {
        let switch = &self.inner.switch;
        let centiseconds = (membership.as_millis() / 10).to_string();
        // Linux floods where it knows no querier. One that asks once an hour is one that never asks, and needs an address for
        // IPv6 before it begins.
        let bridge = ["-n", switch, "link", "set", "br0", "type", "bridge"];
        ip(&["-n", switch, "addr", "replace", "fe80::ffff/64", "dev", "br0", "nodad"]);
        ip(&[
            &bridge[..],
            &["mcast_membership_interval", &centiseconds, "mcast_query_interval", "360000"],
            &["mcast_startup_query_count", "0", "mcast_query_response_interval", "100"],
            &["mcast_last_member_count", "0", "mcast_snooping", "1"],
        ]
        .concat());
        ip(&[&bridge[..], &["mcast_querier", "1"]].concat());
    }

    /// Waits until the switch has forgotten all members of a group.
    ///
    /// # Errors
    /// When it still knows one after `within`.
    pub fn forgets(&self, group: &str, within: Duration) -> Result<(), String> {
        let deadline = Instant::now() + within;
        loop {
            let listed = inside(&self.inner.switch, "bridge").args(["mdb", "show"]).output();
            let listed = listed.map_err(|error| format!("bridge: {error}"))?;
            if !String::from_utf8_lossy(&listed.stdout).contains(&format!("grp {group} ")) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(format!("the switch still knows members of {group} after {within:?}"));
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }
}

impl Host {
    /// Switches its interface off, at the host: the system drops its IPv6 addresses and routes.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn switch_off(&self) {
        ip(&["-n", &self.namespace, "link", "set", "eth0", "down"]);
    }

    /// Switches it on again.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn switch_on(&self) {
        let words = format!(
            "link set eth0 up\naddr replace fe80::{:x}/64 dev eth0 nodad\nroute replace default dev eth0\n",
            self.number
        );
        run_with_input(Command::new("ip").args(["-n", &self.namespace, "-batch", "-"]), &words);
    }
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
