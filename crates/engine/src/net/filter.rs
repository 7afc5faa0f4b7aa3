//! Which interfaces nothing goes over, for whoever dials, accepts or hears.
//!
//! What a person excluded is left alone: it is not dialled through, whoever comes over it is turned away, and what goes over it
//! when it is excluded ends. The system decides which interface leads to an address, so it is asked before each dial.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::cut::Cut;
use super::interfaces::{Interface, Listed, Rule, list};

/// All connections of a run know the same one.
#[derive(Clone, Default)]
pub struct Filter(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Unknown until it was told.
    used: Option<Vec<Interface>>,
    barred: Vec<Interface>,
    /// What is connected, by its end here: address and scope.
    live: HashMap<(IpAddr, u32), Weak<CancellationToken>>,
}

impl Filter {
    /// These interfaces are to be used, and those that are barred are not, from now on. Ends what goes over those.
    pub fn set(&self, used: &[Interface], listed: &[Listed]) {
        let mut inner = self.lock();
        inner.used = Some(used.to_vec());
        let barred = listed.iter().filter(|one| one.is_barred());
        inner.barred = barred.map(|one| one.interface.clone()).collect();
        let mut live = std::mem::take(&mut inner.live);
        live.retain(|(ip, scope), cut| {
            let Some(cut) = cut.upgrade() else { return false };
            let ends = inner.bars_end(with_scope(*ip, *scope));
            if ends {
                cut.cancel();
            }
            !ends
        });
        inner.live = live;
    }

    /// Whether what came from this address may have come over an interface that is in use.
    pub fn hears(&self, from: SocketAddr) -> bool {
        let inner = self.lock();
        !inner.bars_end(from) && !inner.bars_network(from)
    }

    /// Whether the way to this address, as the system would go it now, leads over an interface that nothing bars. Nothing is
    /// sent to find out.
    pub fn lets_out(&self, to: SocketAddr) -> bool {
        if self.lock().barred.is_empty() {
            return true;
        }
        // Where there is no way at all, dialling finds the words for it.
        way_to(to).map_or(true, |here| !self.lock().bars_end(here))
    }

    /// What ends a connection when the interface is excluded that it goes over.
    ///
    /// # Errors
    /// `PermissionDenied` where it is; what the system says where the connection is gone.
    pub fn cut_of(&self, tcp: &TcpStream) -> io::Result<Cut> {
        let (here, there) = (tcp.local_addr()?, tcp.peer_addr()?);
        let mut inner = self.lock();
        if inner.bars_end(here) || inner.bars_network(there) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let end = (here.ip().to_canonical(), scope(here));
        if let Some(cut) = inner.live.get(&end).and_then(Weak::upgrade) {
            return Ok(cut);
        }
        inner.live.retain(|_, cut| cut.strong_count() > 0);
        let cut = Cut::default();
        inner.live.insert(end, Arc::downgrade(&cut));
        Ok(cut)
    }

    /// The numbers of the interfaces on which a link-local address may be that names none.
    pub fn links(&self) -> Vec<u32> {
        let used = self.lock().used.clone();
        let used = used.unwrap_or_else(|| list(&Rule::default()).unwrap_or_default());
        used.iter().map(|interface| interface.index).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn used(&self) -> impl Iterator<Item = &Interface> {
        self.used.iter().flatten()
    }

    /// Whether this is an address of a barred interface, and of no other.
    fn bars_end(&self, here: SocketAddr) -> bool {
        self.barred.iter().any(|one| one.ends(here)) && !self.used().any(|one| one.ends(here))
    }

    /// Whether this is an address on the network of a barred interface, and of no other.
    fn bars_network(&self, there: SocketAddr) -> bool {
        self.barred.iter().any(|one| one.leads_to(there)) && !self.used().any(|one| one.leads_to(there))
    }
}

/// The address that this host would have as the other end of a connection to `to`.
fn way_to(to: SocketAddr) -> io::Result<SocketAddr> {
    let any = match to {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(to)?;
    socket.local_addr()
}

fn scope(of: SocketAddr) -> u32 {
    if let SocketAddr::V6(v6) = of { v6.scope_id() } else { 0 }
}

fn with_scope(ip: IpAddr, scope: u32) -> SocketAddr {
    let mut address = SocketAddr::new(ip, 0);
    if let SocketAddr::V6(v6) = &mut address {
        v6.set_scope_id(scope);
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{InterfaceChoice, InterfaceKind, InterfaceState};
    use crate::net::interfaces::V4;
    use tokio::net::TcpListener;

    fn interface(index: u32, v4: &str, prefix: u8, v6: &str) -> Interface {
        let v4 = V4 { address: v4.parse().unwrap(), prefix, broadcast: None };
        Interface { name: format!("eth{index}"), index, v4: vec![v4], v6: vec![v6.parse().unwrap()] }
    }

    fn excluded(interface: Interface) -> Listed {
        let (kind, choice) = (Some(InterfaceKind::Ordinary), InterfaceChoice::Never);
        Listed { interface, kind, choice, state: InterfaceState::Excluded }
    }

    #[test]
    fn what_comes_over_an_excluded_interface_is_not_heard() {
        let filter = Filter::default();
        let from = |text: &str| filter.hears(text.parse().unwrap());
        assert!(from("198.51.100.9:1") && from("[fe80::9%3]:1"));
        let out = excluded(interface(3, "198.51.100.7", 24, "fe80::3"));
        filter.set(&[interface(2, "192.0.2.7", 24, "fe80::2")], &[out]);
        for (heard, text) in [
            (true, "192.0.2.9:1"),
            (true, "[fe80::9%2]:1"),
            (true, "203.0.113.1:1"),
            (false, "198.51.100.9:1"),
            (false, "198.51.100.7:1"),
            (false, "[fe80::9%3]:1"),
        ] {
            assert_eq!(from(text), heard, "{text}");
        }
        let out = excluded(interface(3, "192.0.2.8", 24, "fe80::3"));
        filter.set(&[interface(2, "192.0.2.7", 24, "fe80::2")], &[out]);
        assert!(from("192.0.2.9:1"), "both are on one network, and one of them is in use");
    }

    #[tokio::test]
    async fn nothing_is_dialled_over_an_excluded_interface_nobody_comes_in_by_it_and_what_stands_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (dialled, accepted) = tokio::join!(TcpStream::connect(at), listener.accept());
        let (dialled, (accepted, _)) = (dialled.unwrap(), accepted.unwrap());
        let filter = Filter::default();
        assert!(filter.lets_out(at));
        let cuts = [&dialled, &accepted].map(|tcp| filter.cut_of(tcp).unwrap());
        let local = interface(1, "127.0.0.1", 8, "::1");
        filter.set(std::slice::from_ref(&local), &[excluded(interface(3, "192.0.2.7", 24, "fe80::3"))]);
        assert!(filter.lets_out(at) && cuts.iter().all(|cut| !cut.is_cancelled()));
        filter.set(&[], &[excluded(local)]);
        assert!(cuts.iter().all(|cut| cut.is_cancelled()));
        assert!(!filter.lets_out(at));
        assert_eq!(filter.cut_of(&accepted).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        filter.set(&[], &[]);
        assert!(filter.lets_out(at) && filter.cut_of(&accepted).is_ok());
    }
}
