//! Where a device may be dialled that others told of. An announcement can be sent from any address, and name any: so an address
//! is a claim until a key was proven there, and whoever claims it must not make this device knock at hosts of the internet.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::interfaces::{self, Interface, Rule};

/// The site that this device is at: what is in no public use, what begins like a public address of its own, and whoever proved a
/// key elsewhere. Cheap to clone; all clones know the same.
#[derive(Clone, Debug, Default)]
pub struct Site(Arc<Mutex<BTreeSet<IpAddr>>>);

impl Site {
    /// A key was proven at this address: of a device that came from there, or that a person named by address.
    pub fn met(&self, ip: IpAddr) {
        let mut met = self.lock();
        if met.len() < MAX_MET {
            met.insert(ip.to_canonical());
        }
    }

    /// Whether an address is of this site. Asks the system for the interfaces where that says nothing by itself.
    pub(super) fn has(&self, ip: IpAddr) -> bool {
        self.has_with(ip, || {
            let listed = interfaces::survey(&Rule::default()).unwrap_or_default();
            listed.into_iter().map(|own| own.interface).collect()
        })
    }

    fn has_with(&self, ip: IpAddr, own: impl FnOnce() -> Vec<Interface>) -> bool {
        let ip = ip.to_canonical();
        is_private(ip)
            || self.lock().contains(&ip)
            || own().iter().any(|interface| begins_like(ip, interface))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<IpAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the internet leads nowhere with this address (RFC 1918, 3927, 4193, 4291, 6598).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            ip.is_private() || ip.is_link_local() || ip.is_loopback() || shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
    }
}

/// Whether an address is on an interface's network, or on another one of the same site: those who have public addresses have
/// many that begin alike.
fn begins_like(ip: IpAddr, interface: &Interface) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let same =
                |own: Ipv4Addr, bits: u8| (own.to_bits() ^ ip.to_bits()).leading_zeros() >= u32::from(bits);
            interface.v4.iter().any(|own| {
                !is_private(own.address.into()) && same(own.address, own.prefix.clamp(WIDEST_V4, SITE_V4))
            })
        }
        IpAddr::V6(ip) => {
            let same = |own: &Ipv6Addr| (own.to_bits() ^ ip.to_bits()).leading_zeros() >= SITE_V6;
            interface.v6.iter().any(|own| !is_private((*own).into()) && same(own))
        }
    }
}

/// Bits that public addresses of one site have in common: of a university 16, of whoever was given a prefix of IPv6 48 (RFC 6177).
const SITE_V4: u8 = 16;
const SITE_V6: u32 = 48;
/// Wider networks there are none, whatever a prefix says.
const WIDEST_V4: u8 = 8;
/// Addresses that are remembered because a key was proven there.
const MAX_MET: usize = 4096;

#[cfg(test)]
mod tests {
    use super::super::interfaces::V4;
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nobody_makes_us_dial_a_host_of_the_internet() {
        // A device that has no public address.
        let has = |site: &Site, address: &str| site.has_with(ip(address), Vec::new);
        let site = Site::default();
        for private in [
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.7",
            "169.254.3.4",
            "100.64.0.1",
            "100.127.255.254",
            "127.0.0.1",
            "fd00::1",
            "fe80::7",
            "::1",
            "::ffff:192.168.1.7",
        ] {
            assert!(has(&site, private), "{private}");
        }
        let public = [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "100.63.255.255",
            "192.0.2.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ];
        for public in public {
            assert!(!has(&site, public), "{public}");
        }
        // Whoever was met there is no stranger, to those who know the same either.
        site.clone().met(ip("::ffff:8.8.8.8"));
        assert!(has(&site, "8.8.8.8") && !has(&site, "8.8.4.4"));
    }

    #[test]
    fn public_addresses_of_one_site_begin_alike() {
        let v4 = |address: &str, prefix| V4 { address: address.parse().unwrap(), prefix, broadcast: None };
        let own = |v4: Vec<V4>, v6: &[&str]| Interface {
            name: "eth0".to_owned(),
            index: 2,
            v4,
            v6: v6.iter().map(|text| text.parse().unwrap()).collect(),
        };
        let campus = own(vec![v4("128.66.3.4", 24)], &["2001:db8:5:6::7", "fe80::7"]);
        for near in ["128.66.3.9", "128.66.200.1", "2001:db8:5:6::1", "2001:db8:5:ffff::1"] {
            assert!(begins_like(ip(near), &campus), "{near}");
        }
        for far in ["128.67.3.4", "9.9.9.9", "2001:db8:6::1", "2606:4700::1111"] {
            assert!(!begins_like(ip(far), &campus), "{far}");
        }
        // A wide network is a site by itself; and behind a router that translates, nothing public is near.
        assert!(begins_like(ip("44.200.0.1"), &own(vec![v4("44.0.0.1", 8)], &[])));
        let home = own(vec![v4("192.168.1.7", 24)], &["fd00::7"]);
        assert!(!begins_like(ip("192.169.1.7"), &home) && !begins_like(ip("192.168.1.9"), &home));
    }

    #[test]
    fn those_who_are_remembered_are_bounded() {
        let site = Site::default();
        (0..MAX_MET as u32 + 10).for_each(|number| site.met(Ipv4Addr::from(number).into()));
        assert_eq!(site.lock().len(), MAX_MET);
    }
}
