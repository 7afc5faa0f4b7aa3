//! How many datagrams came over which interface.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::interfaces::Interface;

/// Datagrams of other hosts, whatever was in them, by the index of the interface whose network they came from.
#[derive(Debug, Default)]
pub struct Hearing {
    heard: BTreeMap<u32, u64>,
}

impl Hearing {
    /// One came from this address. What came from none of the networks here, or from this host, is not counted.
    pub fn count(&mut self, interfaces: &[Interface], from: SocketAddr) {
        if interfaces.iter().any(|interface| interface.has(from.ip())) {
            return;
        }
        let Some(over) = interfaces.iter().find(|interface| interface.leads_to(from)) else { return };
        if !self.heard.contains_key(&over.index) {
            // Interfaces come and go, and each may have another number.
            self.heard.retain(|index, _| interfaces.iter().any(|interface| interface.index == *index));
        }
        *self.heard.entry(over.index).or_default() += 1;
    }

    pub fn over(&self, index: u32) -> u64 {
        self.heard.get(&index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::interfaces::V4;

    fn interface(index: u32, v4: &str, v6: &str) -> Interface {
        let v4 = V4 { address: v4.parse().unwrap(), prefix: 24, broadcast: None };
        Interface { name: format!("eth{index}"), index, v4: vec![v4], v6: vec![v6.parse().unwrap()] }
    }

    #[test]
    fn what_comes_is_counted_at_the_interface_whose_network_it_is_from() {
        let mut interfaces =
            vec![interface(2, "192.0.2.7", "fe80::2"), interface(3, "198.51.100.7", "fe80::3")];
        let mut hearing = Hearing::default();
        for from in ["192.0.2.9:1", "192.0.2.7:1", "198.51.100.1:1", "[fe80::9%3]:1", "203.0.113.1:1"] {
            hearing.count(&interfaces, from.parse().unwrap());
        }
        assert_eq!([hearing.over(2), hearing.over(3)], [1, 2], "own ones and foreign ones are not counted");
        interfaces.remove(0);
        interfaces.push(interface(4, "203.0.113.7", "fe80::4"));
        hearing.count(&interfaces, "203.0.113.1:1".parse().unwrap());
        assert_eq!([hearing.over(2), hearing.over(3), hearing.over(4)], [0, 2, 1]);
    }
}
