//! Multicast between hosts. Each host is a network namespace that the test makes and removes; where the machine does
//! not permit that, the test says so and passes.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lanyard_engine::net::interfaces::{Interface, Rule, Watch, list};
use lanyard_engine::net::multicast::{Sockets, Spread};
use lanyard_proto::effects::Reach;
use tokio::runtime::Handle;
use tokio::time::timeout;

const PORT: u16 = 24417;

/// Never reached unless something hangs. IPv6 addresses need two seconds before they may be used.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn two_hosts_hear_each_other_over_both_families() {
    let Some([ann, bob]) = hosts() else { return };
    join(&ann, &bob);
    let (at_ann, at_bob) = (ann.sockets(), bob.sockets());
    for (from, to) in [(&at_ann, &at_bob), (&at_bob, &at_ann)] {
        hears_over(from, to, SocketAddr::is_ipv4).await;
        hears_over(from, to, SocketAddr::is_ipv6).await;
    }
}

#[tokio::test]
async fn hosts_with_one_family_only_hear_each_other() {
    let Some([ann, bob]) = hosts() else { return };
    join(&ann, &bob);
    for host in [&ann, &bob] {
        host.ip(&["address", "flush", "dev", "lan", "scope", "global"]);
    }
    hears_over(&ann.sockets(), &bob.sockets(), SocketAddr::is_ipv6).await;

    let Some([cyd, dan]) = hosts() else { return };
    join(&cyd, &dan);
    for host in [&cyd, &dan] {
        host.ip(&["-6", "address", "flush", "dev", "lan"]);
    }
    hears_over(&cyd.sockets(), &dan.sockets(), SocketAddr::is_ipv4).await;
}

#[tokio::test]
async fn every_instance_on_a_host_hears_every_multicast() {
    let Some([ann, bob]) = hosts() else { return };
    join(&ann, &bob);
    let at_ann = ann.sockets();
    let at_bob = [bob.sockets(), bob.sockets(), bob.sockets()];
    for instance in &at_bob {
        hears_over(&at_ann, instance, SocketAddr::is_ipv4).await;
        hears_over(&at_bob[0], instance, SocketAddr::is_ipv4).await;
    }
}

#[tokio::test]
async fn profiles_on_a_host_without_a_network_hear_each_other() {
    let Some([ann]) = hosts() else { return };
    assert_eq!(ann.list()[0].name, "lo");
    hears_over(&ann.sockets(), &ann.sockets(), SocketAddr::is_ipv4).await;
}

#[tokio::test]
async fn a_network_that_eats_multicast_is_crossed_by_broadcast() {
    let Some([ann, bob]) = hosts() else { return };
    join(&ann, &bob);
    for host in [&ann, &bob] {
        host.ip(&["-6", "address", "flush", "dev", "lan"]);
    }
    let at_ann = ann.sockets();
    let at_bob = bob.sockets_without_interface();
    let mut buffer = [0; 64];
    assert_eq!(at_ann.send(Reach::Group, b"by group"), Spread { sent: 1, lost: 0 });
    assert_eq!(at_ann.send(Reach::GroupAndBroadcast, b"by both"), Spread { sent: 2, lost: 0 });
    let (length, _) = timeout(PATIENCE, at_bob.recv(&mut buffer)).await.unwrap();
    assert_eq!(&buffer[..length], b"by both", "bob joined no group");
}

#[tokio::test]
async fn what_is_here_already_is_taken_without_waiting_and_nothing_is_made_up() {
    let Some([ann]) = hosts() else { return };
    let (one, other) = (ann.sockets(), ann.sockets());
    let mut buffer = [0; 64];
    assert_eq!(other.recv_now(&mut buffer), None);
    for words in [&b"first"[..], b"second"] {
        one.send(Reach::Group, words);
    }
    // Both families of the loopback interface may bring each.
    let (length, from) = timeout(PATIENCE, other.recv(&mut buffer)).await.unwrap();
    assert_eq!(&buffer[..length], b"first");
    let mut rest = Vec::new();
    while let Some((length, next)) = other.recv_now(&mut buffer) {
        if next.is_ipv4() == from.is_ipv4() {
            rest.push(buffer[..length].to_vec());
        }
    }
    assert_eq!(rest, [b"second"]);
}

#[tokio::test]
async fn a_flood_does_not_keep_a_receiver_from_everything_else() {
    let Some([ann]) = hosts() else { return };
    let (flooding, flooded) = (ann.sockets(), ann.sockets());
    let mut buffer = [0; 64];
    let receiving = async {
        // Twice as many come as are taken, so there is always another; without the bound a failure would hang.
        for _ in 0..1_000_000 {
            flooding.send(Reach::Group, b"more");
            flooding.send(Reach::Group, b"and more");
            flooded.recv(&mut buffer).await;
        }
    };
    assert!(timeout(Duration::from_millis(100), receiving).await.is_err(), "time stood still");
}

#[tokio::test]
async fn an_interface_that_comes_is_used_and_one_that_goes_is_no_loss() {
    let Some([ann, bob]) = hosts() else { return };
    let (mut at_ann, mut at_bob) = (ann.sockets(), bob.sockets());
    for _ in 0..2 {
        join(&ann, &bob);
        ann.update(&mut at_ann);
        bob.update(&mut at_bob);
        hears_over(&at_ann, &at_bob, SocketAddr::is_ipv4).await;
        at_ann.refresh();
        at_bob.refresh();
        hears_over(&at_bob, &at_ann, SocketAddr::is_ipv4).await;

        ann.ip(&["link", "delete", "lan"]);
        assert_eq!(at_ann.send(Reach::Group, b"into the void").sent, 0);
        ann.update(&mut at_ann);
        bob.update(&mut at_bob);
        hears_over(&at_ann, &at_ann, SocketAddr::is_ipv4).await;
    }
    assert!(at_ann.lost() > 0);
}

#[tokio::test]
async fn a_change_of_interfaces_is_reported_once_it_has_settled() {
    let Some([ann, bob]) = hosts() else { return };
    ann.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut watch = Watch::new(Rule::default());
            assert_eq!(names(watch.current()), ["lo"]);
            join(&ann, &bob);
            watched(&mut watch, |set| names(set) == ["lan"] && !set[0].v4.is_empty()).await;
            ann.ip(&["link", "delete", "lan"]);
            watched(&mut watch, |set| names(set) == ["lo"]).await;
        });
    });
}

/// A host with nothing but a loopback interface, until it is joined to another.
struct Host {
    namespace: String,
    number: u32,
}

/// New hosts; `None`, said aloud, where the machine permits no namespaces.
fn hosts<const N: usize>() -> Option<[Host; N]> {
    static MADE: AtomicU32 = AtomicU32::new(1);
    let mut made = Vec::new();
    for _ in 0..N {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("lanyard-{}-{number}", std::process::id());
        let added = Command::new("ip").args(["netns", "add", &namespace]).output();
        if !added.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: this machine permits no network namespaces");
            return None;
        }
        let host = Host { namespace, number };
        host.ip(&["link", "set", "lo", "up"]);
        made.push(host);
    }
    made.try_into().ok()
}

/// A cable between two hosts, named `lan` at both ends; returns when it carries and all addresses may be used.
fn join(one: &Host, other: &Host) {
    one.ip(&["link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns", &other.namespace]);
    for host in [one, other] {
        host.ip(&["address", "add", &format!("10.77.0.{}/24", host.number), "brd", "+", "dev", "lan"]);
        host.ip(&["link", "set", "lan", "up"]);
    }
    let began = std::time::Instant::now();
    while ![one, other].iter().all(|host| host.carries()) {
        assert!(began.elapsed() < PATIENCE, "the cable does not carry");
    }
}

impl Host {
    fn ip(&self, arguments: &[&str]) -> String {
        let output = Command::new("ip").args(["-n", &self.namespace]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn carries(&self) -> bool {
        let shown = self.ip(&["address", "show", "lan"]);
        shown.contains("state UP") && shown.contains("inet6 fe80") && !shown.contains("tentative")
    }

    /// Runs on a thread that belongs to this host. Sockets opened there belong to it for good.
    fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let namespace = std::fs::File::open(format!("/run/netns/{}", self.namespace)).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let network = Some(rustix::thread::LinkNameSpaceType::Network);
                rustix::thread::move_into_link_name_space(namespace.as_fd(), network).unwrap();
                act()
            });
            thread.join().unwrap()
        })
    }

    fn list(&self) -> Vec<Interface> {
        self.inside(|| list(&Rule::default()).unwrap())
    }

    fn sockets(&self) -> Sockets {
        let mut sockets = self.sockets_without_interface();
        self.update(&mut sockets);
        sockets
    }

    fn sockets_without_interface(&self) -> Sockets {
        let runtime = Handle::current();
        self.inside(|| {
            let _context = runtime.enter();
            Sockets::open(PORT).unwrap()
        })
    }

    fn update(&self, sockets: &mut Sockets) {
        self.inside(|| sockets.update(&list(&Rule::default()).unwrap()));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Only fails when it is gone already.
        let _ = Command::new("ip").args(["netns", "delete", &self.namespace]).status();
    }
}

fn names(set: &[Interface]) -> Vec<&str> {
    set.iter().map(|interface| interface.name.as_str()).collect()
}

async fn watched(watch: &mut Watch, wanted: impl Fn(&[Interface]) -> bool) {
    let reported = async {
        while !wanted(watch.current()) {
            watch.next().await;
        }
    };
    timeout(PATIENCE, reported).await.expect("the change is reported");
}

/// Sends until one datagram arrives over the family asked for, from an address of its sender's own.
async fn hears_over(from: &Sockets, to: &Sockets, family: fn(&SocketAddr) -> bool) {
    static SAID: AtomicU32 = AtomicU32::new(0);
    let said = SAID.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let mut buffer = [0; 64];
    let heard = async {
        loop {
            from.send(Reach::Group, &said);
            let arrival = timeout(Duration::from_millis(100), to.recv(&mut buffer)).await;
            if let Ok((length, sender)) = arrival
                && buffer[..length] == said
                && family(&sender)
            {
                assert_ne!(sender.port(), PORT, "sent from the shared port");
                return;
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("heard in time");
}
