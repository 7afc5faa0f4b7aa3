use super::*;
use crate::effects::{Direction, Input, Loaded};
use crate::identity::Identity;
use crate::model::{Platform, UnixMillis};
use crate::node::Profile;
use crate::wire::datagram::Query;
use crate::wire::frame::Hello;

#[test]
fn both_directions_are_found_out_over_a_connection() {
    let mut lan = Network::new();
    let [ann, bob] = [0, 1];
    let (bob_is, now) = (lan.id(bob), lan.now);
    lan.connect(ann, bob);
    let begun = lan.nodes[ann].begin_probing(now);
    let sent = multicast(&begun);
    assert_eq!(sent.iter().map(|(reach, _)| *reach).collect::<Vec<_>>(), [Reach::Group, Reach::Broadcast]);
    lan.hear(bob, ann, &sent[0].1);
    // Of what goes to everybody bob hears nothing, and ann hears both ways of bob's.
    let asked = lan.nodes[ann].probe(bob_is, Vec::new(), now);
    assert_eq!(frames(&asked).len(), 1, "a question");
    let mut answers = Vec::new();
    for bytes in frames(&asked) {
        let effects = lan.frame(bob, &bytes);
        for (_, bytes) in multicast(&effects) {
            lan.hear(ann, bob, &bytes);
        }
        let probes = effects.run.iter().filter_map(|job| match job {
            Job::Probe { addresses, .. } => Some(addresses.clone()),
            _ => None,
        });
        answers.extend(probes);
    }
    assert_eq!(answers, [vec![address(ann)]], "where the connection comes from, at the port that was said");
    let _ = lan.nodes[bob].handle(Input::Probed { conn: CONN, reached: Reached::Silent }, now);
    lan.pass(LISTEN);
    let now = lan.now;
    let echo = frames(&lan.nodes[bob].handle(Input::Timer, now));
    echo.iter().for_each(|bytes| drop(lan.frame(ann, bytes)));
    let hears = BTreeSet::from([(Sent::Multicast, address(ann).ip())]);
    let found = &lan.nodes[ann].findings().expect("it is wanted").peers[&bob_is];
    assert_eq!(*found, Found::Answered { hears, dialled: Some(Reached::Silent), sent: true });
    let both = [Sent::Multicast, Sent::Broadcast].map(|sent| (sent, address(bob).ip()));
    assert_eq!(lan.nodes[ann].probes_of(bob_is), BTreeSet::from(both));
}

#[test]
fn a_copy_that_comes_from_another_address_tells_another_way() {
    let mut lan = Network::new();
    let [ann, bob] = [0, 1];
    let now = lan.now;
    let sent = multicast(&lan.nodes[ann].begin_probing(now));
    let v6: SocketAddr = "[fe80::1]:24417".parse().unwrap();
    for from in [address(ann), v6, v6] {
        let _ = lan.nodes[bob].handle(Input::Datagram { from, bytes: &sent[0].1 }, now);
    }
    // What nobody signed is no copy.
    let mut forged = sent[0].1.clone();
    *forged.last_mut().unwrap() ^= 1;
    let third: SocketAddr = "10.77.0.9:24417".parse().unwrap();
    let _ = lan.nodes[bob].handle(Input::Datagram { from: third, bytes: &forged }, now);
    let ways = lan.nodes[bob].probes_of(lan.id(ann));
    assert_eq!(ways, [address(ann).ip(), v6.ip()].map(|ip| (Sent::Multicast, ip)).into());
}

#[test]
fn what_comes_back_is_known_for_its_own_and_only_while_somebody_wants_to_know() {
    let mut lan = Network::new();
    let now = lan.now;
    let sent = multicast(&lan.nodes[0].begin_probing(now));
    lan.hear(0, 0, &sent[1].1);
    let looped = BTreeSet::from([(Sent::Broadcast, address(0).ip())]);
    assert_eq!(lan.nodes[0].findings().unwrap().looped, looped);
    assert!(lan.nodes[0].cloned().is_none(), "it is no copy's");
    let _ = lan.nodes[0].end_probing();
    lan.hear(0, 0, &sent[0].1);
    assert!(lan.nodes[0].findings().is_none());
}

#[test]
fn whoever_asks_again_and_again_is_answered_once_and_makes_nobody_send() {
    let mut lan = Network::new();
    let [ann, bob] = [0, 1];
    lan.connect(ann, bob);
    let ask = Frame::Probing(Said::Ask { port: 24417 }).encode();
    let all: Vec<Effects> = (0..100).map(|_| lan.frame(bob, &ask)).collect();
    assert_eq!(all.iter().map(|effects| effects.run.len()).sum::<usize>(), 1);
    assert_eq!(all.iter().map(|effects| multicast(effects).len()).sum::<usize>(), 2);
    lan.pass(PATIENCE);
    let now = lan.now;
    assert_eq!(frames(&lan.nodes[bob].handle(Input::Timer, now)).len(), 1, "though no dial ended");
}

#[test]
fn no_system_service_is_dialled_for_anybody() {
    let mut lan = Network::new();
    lan.connect(0, 1);
    let asked = lan.frame(1, &Frame::Probing(Said::Ask { port: 22 }).encode());
    assert!(asked.run.is_empty());
    lan.pass(LISTEN);
    let now = lan.now;
    let echo = frames(&lan.nodes[1].handle(Input::Timer, now));
    let nothing = Said::Echo { heard: BTreeSet::new(), dialled: None, sent: true };
    assert_eq!(Frame::decode(&echo[0]), Ok(Some(Frame::Probing(nothing))));
}

#[test]
fn an_answer_that_nobody_asked_for_is_none() {
    let mut lan = Network::new();
    lan.connect(0, 1);
    let now = lan.now;
    let _ = lan.nodes[0].begin_probing(now);
    let echo = Said::Echo { heard: BTreeSet::new(), dialled: Some(Reached::Open), sent: true };
    let _ = lan.frame(0, &Frame::Probing(echo).encode());
    assert!(lan.nodes[0].findings().unwrap().peers.is_empty());
}

#[test]
fn somebody_who_hears_nobody_is_told_who_is_here_and_not_again_soon() {
    let mut lan = Network::new();
    let [ann, bob] = [0, 1];
    lan.pass(Duration::from_secs(60));
    let now = lan.now;
    // Each missed the other in rooms and dialled in vain.
    for (at, other) in [(ann, bob), (bob, ann)] {
        let peer = lan.id(other);
        let _ = lan.nodes[at].handle(Input::DialFailed { peer }, now);
    }
    // Bob was heard too long ago.
    let sent = multicast(&lan.nodes[ann].begin_probing(now));
    let dials = |effects: &Effects| effects.run.iter().filter(|job| matches!(job, Job::Dial { .. })).count();
    let announced = lan.nodes[ann].announcement(Query::No, now);
    lan.hear(bob, ann, &announced);
    let dialled = sent.iter().map(|(_, bytes)| {
        let from = address(ann);
        dials(&lan.nodes[bob].handle(Input::Datagram { from, bytes }, now))
    });
    assert_eq!(dialled.sum::<usize>(), 1);
    let (peer, remote) = (lan.id(ann), Some(address(ann)));
    let (direction, standing, exporter) = (Direction::Dialled, false, [0; 32]);
    let connected = Input::Connected { conn: CONN, peer, remote, direction, standing, exporter };
    let said = lan.nodes[bob].handle(connected, now);
    let introduced = said.send.iter().any(|sent| {
        let Transmit::Frame { bytes, .. } = sent else { return false };
        matches!(Frame::decode(bytes), Ok(Some(Frame::Announcements(one))) if one.len() == 1)
    });
    assert!(introduced, "{said:?}");
}

#[test]
fn whoever_cannot_be_reached_is_not_waited_for() {
    let mut lan = Network::new();
    let (bob, now) = (lan.id(1), lan.now);
    let _ = lan.nodes[0].begin_probing(now);
    let dialled = lan.nodes[0].probe(bob, Vec::new(), now);
    assert!(matches!(dialled.run[..], [Job::Dial { detour: Detour::Allowed, .. }]));
    let _ = lan.nodes[0].handle(Input::DialFailed { peer: bob }, now);
    assert_eq!(lan.nodes[0].findings().unwrap().peers[&bob], Found::Unreachable);
}

#[test]
fn a_probe_is_sent_a_bounded_number_of_times() {
    let mut lan = Network::new();
    let now = lan.now;
    let mut count = multicast(&lan.nodes[0].begin_probing(now)).len();
    for _ in 0..60 {
        lan.pass(EVERY);
        let now = lan.now;
        let sent = multicast(&lan.nodes[0].handle(Input::Timer, now));
        count += sent.iter().filter(|(_, bytes)| bytes[5] == kind::PROBE).count();
    }
    assert_eq!(count, 2 * TIMES as usize);
}

const CONN: ConnId = ConnId(1);

/// Ann and Bob, who have heard each other.
struct Network {
    nodes: Vec<Node>,
    now: Now,
}

impl Network {
    fn new() -> Network {
        let now = Now { instant: Instant(1_000_000), unix: UnixMillis(1 << 40) };
        let node = |n: u8| {
            let profile = Profile {
                name: format!("n{n}"),
                platform: Platform::Linux,
                avatar: None,
                tcp_port: 24417,
                network: "test".to_owned(),
            };
            let loaded = Loaded { boot: 1, ..Loaded::default() };
            Node::new(Identity::from_seed(&[n + 1; 32]), profile, loaded, [n; 32], now).0
        };
        let mut lan = Network { nodes: vec![node(0), node(1)], now };
        for (from, to) in [(0, 1), (1, 0)] {
            let bytes = lan.nodes[from].announcement(Query::No, now);
            lan.hear(to, from, &bytes);
        }
        lan
    }

    fn id(&self, n: usize) -> PeerId {
        self.nodes[n].me()
    }

    fn pass(&mut self, span: Duration) {
        self.now.instant = self.now.instant + span;
    }

    fn hear(&mut self, at: usize, from: usize, bytes: &[u8]) {
        let (from, now) = (address(from), self.now);
        let _ = self.nodes[at].handle(Input::Datagram { from, bytes }, now);
    }

    fn frame(&mut self, at: usize, bytes: &[u8]) -> Effects {
        let now = self.now;
        self.nodes[at].handle(Input::Frame { conn: CONN, bytes }, now)
    }

    /// A connection that both have greeted on.
    fn connect(&mut self, dials: usize, accepts: usize) {
        let now = self.now;
        let hello = Hello { min_version: 1, max_version: 1, standing: true, run: None, hears: false };
        let hello = Frame::Hello(hello).encode();
        for (at, other, direction) in
            [(dials, accepts, Direction::Dialled), (accepts, dials, Direction::Accepted)]
        {
            let (peer, remote) = (self.id(other), Some(address(other)));
            let connected =
                Input::Connected { conn: CONN, peer, remote, direction, standing: true, exporter: [0; 32] };
            let _ = self.nodes[at].handle(connected, now);
            let _ = self.frame(at, &hello);
        }
    }
}

fn multicast(effects: &Effects) -> Vec<(Reach, Vec<u8>)> {
    let sent = effects.send.iter().filter_map(|transmit| match transmit {
        Transmit::Multicast { reach, bytes } if bytes[5] == kind::PROBE => Some((*reach, bytes.clone())),
        _ => None,
    });
    sent.collect()
}

/// Frames about this.
fn frames(effects: &Effects) -> Vec<Vec<u8>> {
    let sent = effects.send.iter().filter_map(|transmit| match transmit {
        Transmit::Frame { bytes, .. } => Some(bytes.clone()),
        Transmit::Multicast { .. } => None,
    });
    sent.filter(|bytes| matches!(Frame::decode(bytes), Ok(Some(Frame::Probing(_))))).collect()
}

fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 77, 0, n as u8 + 1], 24417))
}
