use super::*;
use crate::effects::{Direction, Input, Loaded};
use crate::identity::Identity;
use crate::model::{ConnId, Instant, Platform, UnixMillis};
use crate::node::Profile;
use crate::node::errands::Errand;
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
    assert!(lan.nodes[ann].came(id, TOKEN, Wish::Files, now));
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
fn who_is_waited_at_says_a_knock_on_the_group_where_it_has_no_connection() {
    let mut lan = Network::new();
    let [ann, bob, cyd] = [0, 1, 2];
    let (ann_is, bob_is, cyd_is, now) = (lan.id(ann), lan.id(bob), lan.id(cyd), lan.now);
    let knock = Knock { to: bob_is, token: TOKEN, via: Some(cyd_is), wish: Wish::Files };
    let knocked = lan.nodes[ann].knock(knock, now).expect("it is here");
    assert_eq!(dials(&knocked), [(cyd_is, Detour::Allowed)], "cyd is told over a connection");
    lan.connect(ann, cyd, 1);
    let said = lan.nodes[ann].knock_on(ConnId(1), TOKEN);
    let [carried] = &frames(&said)[..] else { panic!("to cyd: {said:?}") };
    let passed = lan.frame(cyd, 1, carried);
    assert!(passed.send.is_empty(), "ann does not wait at cyd");
    assert!(lan.nodes[cyd].may_wait(ann_is, bob_is, TOKEN, now));
    let passed = lan.frame(cyd, 1, carried);
    let on = lan.multicast(cyd, &passed);
    assert_eq!(lan.jobs(bob, cyd, &on), vec![(ann_is, Some(cyd_is), vec![address(cyd)])]);
}

#[test]
fn somebody_who_is_not_here_is_not_knocked_at() {
    let mut lan = Network::new();
    let now = lan.now;
    let knock = Knock { to: PeerId([77; 32]), token: TOKEN, via: None, wish: Wish::Files };
    assert!(lan.nodes[0].knock(knock, now).is_none());
}

#[test]
fn relays_are_others_than_the_two_and_join_only_those_who_are_here() {
    let mut lan = Network::new();
    let (ann, bob, now) = (lan.id(0), lan.id(1), lan.now);
    let candidates: Vec<PeerId> =
        lan.nodes[0].relays_to(bob, None, now).into_iter().map(|source| source.peer).collect();
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
    let dialled = lan.nodes[ann].dial(from, lobby, vec![address(bob)], now);
    assert_eq!(lan.multicast(ann, &dialled), Vec::<Vec<u8>>::new(), "nobody is asked who may be dialled");
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

#[test]
fn who_came_when_it_was_asked_to_is_asked_at_once_the_next_time() {
    let mut lan = Network::new();
    let [ann, bob] = [0, 1];
    let bob_is = lan.id(bob);
    let lobby = lan.nodes[ann].rooms().next().unwrap().record().id;
    let dial = |lan: &mut Network| {
        let (addresses, now) = (lan.nodes[ann].presence().addresses(bob_is).to_vec(), lan.now);
        lan.nodes[ann].dial(bob_is, lobby, addresses, now)
    };
    let _ = dial(&mut lan);
    let now = lan.now;
    let _ = lan.nodes[ann].handle(Input::DialFailed { peer: bob_is }, now);
    lan.connect(bob, ann, 1);
    let _ = lan.nodes[ann].handle(Input::Closed { conn: ConnId(1) }, now);
    lan.pass(21);
    let again = dial(&mut lan);
    assert_eq!(lan.multicast(ann, &again).len(), 1, "it is not waited for a dial");
    assert!(again.run.iter().any(|job| matches!(job, Job::Dial { .. })), "it may be reached directly by now");
    // What stood in the way may be gone with the network that it was in.
    lan.pass(21);
    let now = lan.now;
    let _ = lan.nodes[ann].handle(Input::DialFailed { peer: bob_is }, now);
    let _ = lan.nodes[ann].handle(Input::NetworkChanged, now);
    lan.pass(21);
    let fresh = dial(&mut lan);
    assert_eq!(lan.multicast(ann, &fresh), Vec::<Vec<u8>>::new());
}

#[test]
fn the_device_that_joined_two_the_last_time_is_asked_first() {
    let mut lan = Network::of(6);
    let last = lan.id(4);
    let (bob, now) = (lan.id(1), lan.now);
    for _ in 0..10 {
        let candidates = lan.nodes[0].relays_to(bob, Some(last), now);
        assert_eq!((candidates[0].peer, candidates.len()), (last, 4));
    }
    lan.nodes[0].declined_to_relay(last, now);
    let candidates = lan.nodes[0].relays_to(bob, Some(last), now);
    assert!(candidates.len() == 3 && candidates.iter().all(|source| source.peer != last));
}

#[test]
fn who_is_knocked_at_for_sync_comes_for_sync_and_for_nothing_else() {
    let mut lan = Network::new();
    let [ann, bob] = [0, 1];
    let (ann_is, bob_is, now) = (lan.id(ann), lan.id(bob), lan.now);
    let knock = Knock { to: bob_is, token: TOKEN, via: None, wish: Wish::Sync };
    let knocked = lan.nodes[ann].knock(knock, now).expect("it is here");
    let sent = lan.multicast(ann, &knocked);
    let heard = lan.hear(bob, ann, &sent[0]);
    assert!(matches!(heard.run[..], [Job::Come { peer, wish: Wish::Sync, via: None, .. }] if peer == ann_is));
    assert!(!lan.nodes[ann].came(bob_is, TOKEN, Wish::Files, now));
    assert!(lan.nodes[ann].came(bob_is, TOKEN, Wish::Sync, now));
}

#[test]
fn for_what_is_to_be_said_to_one_device_every_way_to_it_is_tried() {
    let mut lan = Network::new();
    let (bob, now) = (lan.id(1), lan.now);
    let room = RoomId([8; 32]);
    let gone = lan.nodes[0].go(bob, Errand::Join(room), now).expect("it is here");
    assert_eq!(dials(&gone), [(bob, Detour::Allowed)]);
    assert_eq!(dials(&lan.nodes[0].go(bob, Errand::Keys(room), now).expect("the same dial")), []);
    let failed = lan.nodes[0].handle(Input::DialFailed { peer: bob }, now);
    assert_eq!(dials(&failed), [], "there is no other way left");
}

#[test]
fn a_dial_that_was_for_a_room_goes_on_by_detours_where_something_is_to_be_said() {
    let mut lan = Network::new();
    let (bob, now) = (lan.id(1), lan.now);
    let lobby = lan.nodes[0].rooms().next().unwrap().record().id;
    let dialled = lan.nodes[0].dial(bob, lobby, vec![address(1)], now);
    assert_eq!(dials(&dialled), [(bob, Detour::Never)]);
    let joins = lan.nodes[0].go(bob, Errand::Join(RoomId([8; 32])), now).expect("it is here");
    assert_eq!(dials(&joins), []);
    let failed = lan.nodes[0].handle(Input::DialFailed { peer: bob }, now);
    assert_eq!(dials(&failed), [(bob, Detour::Allowed)]);
    assert_eq!(lan.multicast(0, &failed), Vec::<Vec<u8>>::new());
}

#[test]
fn where_neither_can_dial_the_other_they_catch_up_through_a_third() {
    let mut lan = Network::new();
    let [ann, bob] = [0, 1];
    let (ann_is, bob_is, now) = (lan.id(ann), lan.id(bob), lan.now);
    let lobby = lan.nodes[ann].rooms().next().unwrap().record().id;
    let _ = lan.nodes[ann].dial(bob_is, lobby, vec![address(bob)], now);
    let failed = lan.nodes[ann].handle(Input::DialFailed { peer: bob_is }, now);
    let sent = lan.multicast(ann, &failed);
    assert_eq!(dials(&lan.hear(bob, ann, &sent[0])), [(ann_is, Detour::Never)]);
    let failed = lan.nodes[bob].handle(Input::DialFailed { peer: ann_is }, now);
    assert_eq!(dials(&failed), [(ann_is, Detour::Allowed)]);
    assert_eq!(lan.multicast(bob, &failed), Vec::<Vec<u8>>::new(), "ann cannot dial either");
    // And the next time at once.
    let addresses = lan.nodes[bob].presence().addresses(ann_is).to_vec();
    let cyd_is = lan.id(2);
    lan.nodes[bob].went(ann_is, &addresses, Some(Way::Relayed(cyd_is)), now);
    let _ = lan.nodes[bob].handle(Input::DialFailed { peer: ann_is }, now);
    lan.pass(30);
    let now = lan.now;
    assert_eq!(dials(&lan.nodes[bob].dial(ann_is, lobby, addresses, now)), [(ann_is, Detour::Allowed)]);
}

#[test]
fn who_does_not_hear_that_it_is_asked_to_dial_is_met_through_a_third_for_what_is_sealed() {
    let mut lan = Network::new();
    let (bob, now) = (lan.id(1), lan.now);
    let lobby = lan.nodes[0].rooms().next().unwrap().record().id;
    let (direct, _) = lan.nodes[0].converse(bob, now).expect("it is here");
    let dial_in_vain = |lan: &mut Network, room: RoomId| {
        let now = lan.now;
        let dialled = lan.nodes[0].dial(bob, room, vec![address(1)], now);
        assert_eq!(dials(&dialled), [(bob, Detour::Never)]);
        lan.nodes[0].handle(Input::DialFailed { peer: bob }, now)
    };
    let heard = dial_in_vain(&mut lan, direct);
    assert_eq!((dials(&heard), lan.multicast(0, &heard).len()), (vec![], 1), "it is asked to dial");
    // Nothing was heard of it for long, and it is here only because somebody else says so.
    lan.pass(300);
    let now = lan.now;
    let datagram = lan.nodes[1].announcement(crate::wire::datagram::Query::No, now);
    lan.connect(0, 2, 1);
    let told = Frame::Announcements(vec![crate::wire::frame::Relayed { datagram, from: None }]);
    let _ = lan.frame(0, 1, &told.encode());
    assert!(lan.nodes[0].is_online(bob));
    assert_eq!(dials(&dial_in_vain(&mut lan, lobby)), [], "what is open comes from others, too");
    lan.pass(21);
    assert_eq!(dials(&dial_in_vain(&mut lan, direct)), [(bob, Detour::Allowed)]);
}

#[test]
fn where_somebody_was_reached_by_a_detour_is_not_where_it_can_be_dialled() {
    let mut lan = Network::new();
    let (bob, now) = (lan.id(1), lan.now);
    let before = lan.nodes[0].presence().addresses(bob).to_vec();
    let connected = Input::Connected {
        conn: ConnId(1),
        peer: bob,
        remote: None,
        direction: Direction::Dialled,
        standing: false,
        exporter: [0; 32],
    };
    let _ = lan.nodes[0].handle(connected, now);
    assert_eq!(lan.nodes[0].presence().addresses(bob), before);
}

fn dials(effects: &Effects) -> Vec<(PeerId, Detour)> {
    let jobs = effects.run.iter().filter_map(|job| match job {
        Job::Dial { peer, detour, .. } => Some((*peer, *detour)),
        _ => None,
    });
    jobs.collect()
}

const TOKEN: Token = Token([5; 16]);

/// Ann, Bob, Cyd and maybe others, who have heard each other.
struct Network {
    nodes: Vec<Node>,
    now: Now,
}

impl Network {
    fn new() -> Network {
        Network::of(3)
    }

    fn of(people: u8) -> Network {
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
        let mut lan = Network { nodes: (0..people).map(node).collect(), now };
        let announced: Vec<Vec<u8>> = lan
            .nodes
            .iter_mut()
            .map(|node| node.announcement(crate::wire::datagram::Query::No, now))
            .collect();
        for (from, bytes) in announced.iter().enumerate() {
            for to in (0..usize::from(people)).filter(|to| *to != from) {
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
        self.nodes[from].knock(Knock { to, token: TOKEN, via, wish: Wish::Files }, now).expect("it is here")
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
        let hello = Frame::Hello(crate::wire::frame::Hello {
            min_version: 1,
            max_version: 1,
            standing: true,
            run: None,
            hears: false,
        });
        for (at, other, direction) in ends {
            let (peer, remote, conn) = (self.id(other), Some(address(other)), ConnId(conn));
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
