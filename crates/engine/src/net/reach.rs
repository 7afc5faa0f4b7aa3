//! Where somebody can be dialled, and whether anything answers there.

use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use lanyard_proto::wire::probe::Reached;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::filter::Filter;
use super::stream::{MAX_ADDRESSES, may_dial};
use super::tls::Credentials;

/// Whether anything accepts connections at one of these addresses: each is dialled, and left at once if it answers. Nothing is
/// said, so it tells nothing of who is there.
pub async fn try_to_reach(addresses: &[SocketAddr], credentials: &Credentials) -> Reached {
    let mut dials = JoinSet::new();
    let (site, filter) = (credentials.site(), credentials.filter());
    let may_go =
        |address: &SocketAddr| may_dial(address) && site.has(address.ip()) && filter.lets_out(*address);
    for address in on_their_links(addresses, filter).into_iter().filter(may_go).take(MAX_ADDRESSES) {
        dials.spawn(async move { timeout(TRIED, TcpStream::connect(address)).await });
    }
    // Whatever says the most of why it is not open.
    let mut worst = Reached::Unreachable;
    while let Some(dialled) = dials.join_next().await {
        worst = match dialled {
            Ok(Ok(Ok(_))) => return Reached::Open,
            Ok(Ok(Err(error))) if error.kind() == io::ErrorKind::ConnectionRefused => Reached::Refused,
            Ok(Ok(Err(_))) | Err(_) => worst,
            Ok(Err(_)) if worst == Reached::Refused => worst,
            Ok(Err(_)) => Reached::Silent,
        };
    }
    worst
}

/// Addresses that can be dialled: a link-local one that somebody told of names no link, and may be on any of this device's.
pub(super) fn on_their_links(addresses: &[SocketAddr], filter: &Filter) -> Vec<SocketAddr> {
    let lacks_link = |address: &SocketAddr| match address {
        SocketAddr::V6(v6) => v6.ip().is_unicast_link_local() && v6.scope_id() == 0,
        SocketAddr::V4(_) => false,
    };
    if !addresses.iter().any(lacks_link) {
        return addresses.to_vec();
    }
    let links = filter.links();
    let (mut dialled, mut told) = (Vec::new(), Vec::new());
    for address in addresses {
        match address {
            SocketAddr::V6(v6) if lacks_link(address) => {
                let on = |link: &u32| SocketAddr::from(SocketAddrV6::new(*v6.ip(), v6.port(), 0, *link));
                told.extend(links.iter().map(on));
            }
            address => dialled.push(*address),
        }
    }
    // Behind those that are known to lead somewhere.
    dialled.extend(told);
    dialled
}

/// For an address that is only tried: the system takes 3 s to find out that nobody has it.
const TRIED: Duration = Duration::from_millis(3500);

#[cfg(test)]
mod tests {
    use lanyard_proto::identity::Identity;

    use super::*;

    #[test]
    fn a_link_local_address_without_a_link_is_looked_for_on_each() {
        let filter = Filter::default();
        let known: SocketAddr = "[fe80::7%4]:24417".parse().unwrap();
        let told: SocketAddr = "[fe80::8]:24417".parse().unwrap();
        assert_eq!(on_their_links(&[known], &filter), [known]);
        let dialled = on_their_links(&[told, known], &filter);
        assert_eq!(dialled[0], known, "what names its link goes first");
        let links = filter.links().len();
        assert_eq!(dialled.len(), 1 + links);
        assert!(
            dialled[1..].iter().all(|address| matches!(address, SocketAddr::V6(v6) if v6.scope_id() != 0))
        );
    }

    #[tokio::test]
    async fn what_listens_is_open_and_what_does_not_refuses() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let credentials = Credentials::new(&Identity::from_seed(&[1; 32]));
        let address = listener.local_addr().unwrap();
        assert_eq!(try_to_reach(&[address], &credentials).await, Reached::Open);
        drop(listener);
        assert_eq!(try_to_reach(&[address], &credentials).await, Reached::Refused);
        let service = "127.0.0.1:22".parse().unwrap();
        let reached = try_to_reach(&[service], &credentials).await;
        assert_eq!(reached, Reached::Unreachable, "no system service is dialled");
        let outside = "203.0.113.1:24417".parse().unwrap();
        let reached = try_to_reach(&[outside], &credentials).await;
        assert_eq!(reached, Reached::Unreachable, "nor a host of the internet");
    }
}
