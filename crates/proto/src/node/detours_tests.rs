use super::*;
use crate::effects::{Direction, Input, Loaded};
use crate::identity::Identity;
use crate::model::{ConnId, Instant, Platform, UnixMillis};
use crate::node::Profile;
use std::net::SocketAddr;
use std::time::Duration;

#[test]
fn who_is_knocked_at_dials_the_knocker_where_it_announced_itself() {
    let mut lan = Network::new();
    let [ann, bob, cyd] = [0, 1, 2];
    let knock = lan.knock(ann, bob, None);
    let sent = lan.multicast(ann, &knock);
    assert_eq!(lan.jobs(cyd, ann, &sent), vec![], "it is none of cyd's business");
    let jobs = lan.jobs(bob, ann, &sent);
    assert_eq!(jobs, vec![(lan.id(ann), None, vec![address(ann)])]);
    assert_eq!(lan.jobs(bob, ann, &sent), vec![], "the same once more");
    let (id, now) = (lan.id(bob), lan.now);
    assert!(lan.nodes[ann].came(id, TOKEN, now));
}

#[test]
fn who_is_to_come_to_a_third_dials_that_one_where_it_announced_itself() {
    let mut lan = Network::new();
    let [ann, bob, cyd] = [0, 1, 2];
    let third = lan.id(cyd);
    let knock = lan.knock(ann, bob, Some(third));
    let sent = lan.multicast(ann, &knock);
    assert_eq!(lan.jobs(bob, ann, &sent), vec![(lan.id(ann), Some(lan.id(cyd)), vec![address(cyd)])]);
    // Nobody is made to dial whom it does not know, or itself.
    for nobody in [PeerId([77; 32]), lan.id(bob)] {
        lan.pass(20);
        let knock = lan.knock(ann, bob, Some(nobody));
        let sent = lan.multicast(ann, &knock);
        assert_eq!(lan.jobs(bob, ann, &sent), vec![]);
    }
}

#[test]
fn a_knock_goes_one_step_over_connections_and_no_further() {
    let mut lan = Network::new();
    let [ann, bob, cyd] = [0, 1, 2];
    lan.connect(ann, cyd, 1);
    lan.connect(cyd, bob, 2);
    let knock = lan.knock(ann, bob, None);
    let carried = frames(&knock);
    assert_eq!(carried.len(), 1, "to cyd");
    let passed = lan.frame(cyd, 1, &carried[0]);
    let [on] = &frames(&passed)[..] else { panic!("to bob: {passed:?}") };
    let jobs = come(&lan.frame(bob, 2, on));
    assert_eq!(jobs, vec![(lan.id(ann), None, vec![address(ann)])]);
    // What somebody else knocked is not passed on once more.
    lan.connect(cyd, ann, 3);
    lan.connect(ann, bob, 4);
    assert!(frames(&lan.frame(ann, 3, on)).is_empty());
}

#[test]
fn somebody_who_is_not_here_is_not_knocked_at() {
    let mut lan = Network::new();
    let now = lan.now;
    let knock = Knock { to: PeerId([77; 32]), token: TOKEN, via: None };
    assert!(lan.nodes[0].knock(knock, now).is_none());
}

#[test]
fn relays_are_others_than_the_two_and_join_only_those_who_are_here() {
    let mut lan = Network::new();
    let (ann, bob, now) = (lan.id(0), lan.id(1), lan.now);
    let candidates: Vec<PeerId> = lan.nodes[0].relays_to(bob).into_iter().map(|source| source.peer).collect();
    assert_eq!(candidates, [lan.id(2)]);
    let cyd = &mut lan.nodes[2];
    assert!(!cyd.may_wait(ann, PeerId([77; 32]), TOKEN, now));
    assert!(cyd.may_wait(ann, bob, TOKEN, now));
    assert!(!cyd.joined(ann, bob, TOKEN, now));
    assert!(cyd.joined(bob, ann, TOKEN, now));
}

#[test]
fn who_could_not_dial_to_catch_up_is_dialled_instead() {
    let mut lan = Network::new();
    let [ann, bob] = [0, 1];
    let (from, now) = (lan.id(bob), lan.now);
    let lobby = lan.nodes[ann].rooms().next().unwrap().record().id;
    let _ = lan.nodes[ann].dial(from, lobby, vec![address(bob)]);
    let failed = lan.nodes[ann].handle(Input::DialFailed { peer: from }, now);
    let sent = lan.multicast(ann, &failed);
    let dials = sent.iter().flat_map(|bytes| lan.hear(bob, ann, bytes).run);
    let dials: Vec<PeerId> = dials
        .filter_map(|job| match job {
            Job::Dial { peer, .. } => Some(peer),
            _ => None,
        })
        .collect();
    assert_eq!(dials, [lan.id(ann)]);
}

const TOKEN: Token = Token([5; 16]);

/// Ann, Bob and Cyd, who have heard each other.
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
                tcp_port: 24417,
                network: "test".to_owned(),
            };
            let loaded = Loaded { boot: 1, ..Loaded::default() };
            Node::new(Identity::from_seed(&[n + 1; 32]), profile, loaded, [n; 32], now).0
        };
        let mut lan = Network { nodes: (0..3).map(node).collect(), now };
        let announced: Vec<Vec<u8>> =
            lan.nodes.iter_mut().map(|node| node.announcement(crate::wire::datagram::Query::No)).collect();
        for (from, bytes) in announced.iter().enumerate() {
            for to in (0..3).filter(|to| *to != from) {
                let _ = lan.hear(to, from, bytes);
            }
        }
        lan
    }

    fn id(&self, n: usize) -> PeerId {
        self.nodes[n].me()
    }

    fn pass(&mut self, seconds: u64) {
        self.now.instant = self.now.instant + Duration::from_secs(seconds);
    }

    fn knock(&mut self, from: usize, to: usize, via: Option<PeerId>) -> Effects {
        let (to, now) = (self.id(to), self.now);
        self.nodes[from].knock(Knock { to, token: TOKEN, via }, now).expect("it is here")
    }

    /// The knocks and wishes to meet among what is multicast.
    fn multicast(&self, _from: usize, effects: &Effects) -> Vec<Vec<u8>> {
        let sent = effects.send.iter().filter_map(|transmit| match transmit {
            Transmit::Multicast { bytes, .. } => Some(bytes.clone()),
            Transmit::Frame { .. } => None,
        });
        sent.filter(|bytes| matches!(bytes[5], kind::KNOCK | kind::MEET)).collect()
    }

    fn hear(&mut self, at: usize, from: usize, bytes: &[u8]) -> Effects {
        let (from, now) = (address(from), self.now);
        self.nodes[at].handle(Input::Datagram { from, bytes }, now)
    }

    fn jobs(&mut self, at: usize, from: usize, sent: &[Vec<u8>]) -> Vec<Comes> {
        sent.iter().flat_map(|bytes| come(&self.hear(at, from, bytes))).collect()
    }

    /// A connection that both have greeted on.
    fn connect(&mut self, dials: usize, accepts: usize, conn: u64) {
        let now = self.now;
        let ends = [(dials, accepts, Direction::Dialled), (accepts, dials, Direction::Accepted)];
        let hello =
            Frame::Hello(crate::wire::frame::Hello { min_version: 1, max_version: 1, standing: true });
        for (at, other, direction) in ends {
            let (peer, remote, conn) = (self.id(other), address(other), ConnId(conn));
            let connected =
                Input::Connected { conn, peer, remote, direction, standing: true, exporter: [0; 32] };
            let _ = self.nodes[at].handle(connected, now);
            let _ = self.nodes[at].handle(Input::Frame { conn, bytes: &hello.encode() }, now);
        }
    }

    fn frame(&mut self, at: usize, conn: u64, bytes: &[u8]) -> Effects {
        let now = self.now;
        self.nodes[at].handle(Input::Frame { conn: ConnId(conn), bytes }, now)
    }
}

type Comes = (PeerId, Option<PeerId>, Vec<SocketAddr>);

fn come(effects: &Effects) -> Vec<Comes> {
    let jobs = effects.run.iter().filter_map(|job| match job {
        Job::Come { peer, via, addresses, .. } => Some((*peer, *via, addresses.clone())),
        _ => None,
    });
    jobs.collect()
}

/// Knocks in frames.
fn frames(effects: &Effects) -> Vec<Vec<u8>> {
    let sent = effects.send.iter().filter_map(|transmit| match transmit {
        Transmit::Frame { bytes, .. } => Some(bytes.clone()),
        Transmit::Multicast { .. } => None,
    });
    sent.filter(|bytes| matches!(Frame::decode(bytes), Ok(Some(Frame::Knock(_))))).collect()
}

fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 77, 0, n as u8 + 1], 24417))
}
