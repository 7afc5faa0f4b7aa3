use std::collections::VecDeque;

use super::*;
use crate::effects::{Direction, Input, Job, Loaded, Transmit, Trust};
use crate::identity::Identity;
use crate::model::{ConnId, Platform};
use crate::node::Profile;
use crate::rooms::{LOBBY, direct_room_id, open_room_id};
use crate::wire::datagram::kind;

const SECOND: Duration = Duration::from_secs(1);

/// Some devices on one network, on which nothing is lost but what is cut.
struct Lan {
    nodes: Vec<Node>,
    now: Now,
    /// Multicast of the first does not reach the second.
    deaf: Vec<(usize, usize)>,
    /// No connection can be made between these two.
    apart: Vec<(usize, usize)>,
    /// Devices of which nothing comes any more.
    gone: Vec<usize>,
    conns: BTreeMap<ConnId, (usize, usize)>,
    opened: u64,
    /// What is on its way, to whom.
    under_way: VecDeque<(usize, Coming)>,
    told: Vec<Vec<Event>>,
    /// CALLs that went by multicast.
    calls_said: usize,
}

enum Coming {
    Datagram(usize, Vec<u8>),
    Frame(ConnId, Vec<u8>),
    Connected(ConnId, PeerId, Direction),
    DialFailed(PeerId),
    Closed(ConnId),
}

impl Lan {
    fn of(count: usize) -> Lan {
        Lan::where_nobody_hears(count, &[])
    }

    fn where_nobody_hears(count: usize, deaf: &[(usize, usize)]) -> Lan {
        let now = Now { instant: Instant(1_000_000), unix: UnixMillis(1_800_000_000_000) };
        let node = |n: usize| {
            let (name, network) = (format!("device {n}"), "default".to_owned());
            let profile = Profile { name, platform: Platform::Linux, avatar: None, tcp_port: 24417, network };
            let loaded = Loaded { boot: 1, ..Loaded::default() };
            Node::new(Identity::from_seed(&[n as u8 + 1; 32]), profile, loaded, [n as u8; 32], now).0
        };
        let mut lan = Lan {
            nodes: (0..count).map(node).collect(),
            now,
            deaf: deaf.to_vec(),
            apart: Vec::new(),
            gone: Vec::new(),
            conns: BTreeMap::new(),
            opened: 0,
            under_way: VecDeque::new(),
            told: vec![Vec::new(); count],
            calls_said: 0,
        };
        lan.wait(Duration::from_secs(5));
        lan
    }

    fn id(&self, n: usize) -> PeerId {
        self.nodes[n].me()
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now.instant + span;
        loop {
            let now = self.now;
            let due =
                self.nodes.iter_mut().enumerate().filter_map(|(n, node)| Some((node.deadline(now)?, n)));
            let Some((at, n)) = due.min().filter(|(at, _)| *at <= end) else { break };
            let at = at.max(now.instant + Duration::from_micros(1));
            self.pass(at.since(now.instant));
            self.input(n, Input::Timer);
        }
        self.pass(end.since(self.now.instant));
    }

    fn pass(&mut self, span: Duration) {
        self.now.instant = self.now.instant + span;
        self.now.unix = UnixMillis(1_800_000_000_000 + (self.now.instant.0 - 1_000_000) / 1000);
    }

    fn input(&mut self, n: usize, input: Input<'_>) {
        let effects = self.nodes[n].handle(input, self.now);
        self.perform(n, effects);
    }

    fn perform(&mut self, from: usize, effects: Effects) {
        self.queue(from, effects);
        while let Some((to, coming)) = self.under_way.pop_front() {
            let exporter = [0; 32];
            let input = match &coming {
                Coming::Datagram(of, bytes) => {
                    let from = format!("10.0.0.{}:24417", of + 1).parse().unwrap();
                    Input::Datagram { from, bytes }
                }
                Coming::Frame(conn, bytes) => Input::Frame { conn: *conn, bytes },
                Coming::Connected(conn, peer, direction) => {
                    let (conn, peer, direction) = (*conn, *peer, *direction);
                    Input::Connected { conn, peer, remote: None, direction, standing: false, exporter }
                }
                Coming::DialFailed(peer) => Input::DialFailed { peer: *peer },
                Coming::Closed(conn) => Input::Closed { conn: *conn },
            };
            let effects = self.nodes[to].handle(input, self.now);
            self.queue(to, effects);
        }
    }

    fn queue(&mut self, from: usize, effects: Effects) {
        self.told[from].extend(effects.tell);
        if self.gone.contains(&from) {
            return;
        }
        for sent in effects.send {
            match sent {
                Transmit::Multicast { bytes, .. } => self.multicast(from, &bytes),
                Transmit::Frame { conn, bytes } => {
                    let Some((dialler, acceptor)) = self.conns.get(&conn) else { continue };
                    let to = if from == *dialler { *acceptor } else { *dialler };
                    self.under_way.push_back((to, Coming::Frame(conn, bytes)));
                }
            }
        }
        for job in effects.run {
            match job {
                Job::Dial { peer, .. } => self.dial(from, peer),
                Job::HangUp { conn } => {
                    if let Some((one, other)) = self.conns.remove(&conn) {
                        let closed = [one, other].map(|n| (n, Coming::Closed(conn)));
                        self.under_way.extend(closed);
                    }
                }
                _ => {}
            }
        }
    }

    fn multicast(&mut self, from: usize, bytes: &[u8]) {
        self.calls_said += usize::from(bytes[5] == kind::CALL);
        // Announcements also go by broadcast.
        let announces = bytes[5] == kind::ANNOUNCE;
        let deaf = |to: &usize| !announces && self.deaf.contains(&(from, *to));
        let hear = (0..self.nodes.len()).filter(|to| *to != from && !deaf(to));
        self.under_way.extend(hear.map(|to| (to, Coming::Datagram(from, bytes.to_vec()))));
    }

    fn dial(&mut self, from: usize, peer: PeerId) {
        let to = self.nodes.iter().position(|node| node.me() == peer).unwrap();
        let apart = self.apart.iter().any(|pair| [(from, to), (to, from)].contains(pair));
        if apart || self.gone.contains(&to) {
            return self.under_way.push_back((from, Coming::DialFailed(peer)));
        }
        self.opened += 1;
        let conn = ConnId(self.opened);
        self.conns.insert(conn, (from, to));
        self.under_way.push_back((to, Coming::Connected(conn, self.id(from), Direction::Accepted)));
        self.under_way.push_back((from, Coming::Connected(conn, peer, Direction::Dialled)));
    }

    fn join(&mut self, n: usize, room: RoomId) {
        let effects = self.nodes[n].join_call(room, 5000 + n as u16, self.now).unwrap();
        self.perform(n, effects);
    }

    fn leave(&mut self, n: usize) {
        let effects = self.nodes[n].leave_call(self.now);
        self.perform(n, effects);
    }

    /// How somebody says to hear the others.
    fn hears(&mut self, n: usize, heard: &[(usize, Hears)]) {
        let heard: Vec<_> = heard.iter().map(|(of, hears)| (self.id(*of), *hears)).collect();
        let effects = self.nodes[n].heard_in_call(&heard, self.now);
        self.perform(n, effects);
    }

    /// Who is in the call of a room, as somebody knows it, itself included.
    fn in_call(&self, n: usize, room: RoomId) -> Vec<usize> {
        let Some(call) = self.nodes[n].call(room) else { return Vec::new() };
        let of = |peer| (0..self.nodes.len()).find(|n| self.id(*n) == peer).unwrap();
        let mut all: Vec<usize> = call.others.iter().map(|other| of(other.peer)).collect();
        all.extend(call.me.is_some().then_some(n));
        all.sort_unstable();
        all
    }

    fn participant(&self, n: usize, room: RoomId, of: usize) -> Participant {
        let call = self.nodes[n].call(room).unwrap();
        call.others.into_iter().find(|other| other.peer == self.id(of)).unwrap()
    }

    fn ended(&mut self, n: usize) -> Vec<CallEnd> {
        let ends = self.told[n].drain(..).filter_map(|event| match event {
            Event::CallEnded { end, .. } => Some(end),
            _ => None,
        });
        ends.collect()
    }

    fn direct(&mut self, n: usize, with: usize) -> RoomId {
        let peer = self.id(with);
        let (room, effects) = self.nodes[n].converse(peer, self.now).unwrap();
        self.perform(n, effects);
        assert_eq!(room, direct_room_id(self.id(n), peer));
        room
    }

    /// A private room of all, begun by the first.
    fn private(&mut self) -> RoomId {
        let (room, effects) = self.nodes[0].create_room("Board", self.now).unwrap();
        self.perform(0, effects);
        for n in 1..self.nodes.len() {
            let peer = self.id(n);
            let effects = self.nodes[0].add_member(room, peer, self.now).unwrap();
            self.perform(0, effects);
        }
        self.wait(30 * SECOND);
        room
    }
}

fn lobby() -> RoomId {
    open_room_id("default", LOBBY)
}

#[test]
fn two_who_talk_know_of_each_other_and_have_the_same_keys() {
    let mut lan = Lan::of(2);
    lan.join(0, lobby());
    lan.wait(SECOND);
    assert_eq!((lan.in_call(0, lobby()), lan.in_call(1, lobby())), (vec![0], vec![0]));
    assert!(!lan.nodes[1].call(lobby()).unwrap().ringing, "in a room nothing rings");
    lan.join(1, lobby());
    lan.wait(SECOND);
    for (n, other) in [(0, 1), (1, 0)] {
        assert_eq!(lan.in_call(n, lobby()), [0, 1]);
        let mine = lan.nodes[n].call(lobby()).unwrap().me.unwrap().0;
        let seen = lan.participant(other, lobby(), n);
        assert!(seen.key.unwrap().secret == mine.secret);
        assert_eq!(seen.port, 5000 + n as u16);
    }
    // The next time somebody joins it is another key.
    let before = lan.nodes[1].call(lobby()).unwrap().me.unwrap().0;
    lan.leave(1);
    lan.join(1, lobby());
    lan.wait(SECOND);
    assert!(lan.participant(0, lobby(), 1).key.unwrap().secret != before.secret);
}

#[test]
fn where_nobody_is_in_a_call_nothing_is_said_of_one() {
    let mut lan = Lan::of(3);
    lan.wait(60 * SECOND);
    assert_eq!(lan.calls_said, 0);
    lan.join(0, lobby());
    lan.wait(20 * SECOND);
    assert!((10..=14).contains(&lan.calls_said), "{}", lan.calls_said);
    lan.leave(0);
    lan.wait(SECOND);
    assert_eq!(lan.ended(1), [CallEnd::Over]);
    lan.calls_said = 0;
    lan.wait(120 * SECOND);
    assert_eq!(lan.calls_said, 0);
}

#[test]
fn whoever_falls_silent_is_out_after_eight_seconds_and_whoever_leaves_at_once() {
    let mut lan = Lan::of(3);
    for n in 0..3 {
        lan.join(n, lobby());
    }
    lan.wait(3 * SECOND);
    assert_eq!(lan.in_call(0, lobby()), [0, 1, 2]);
    lan.gone = vec![2];
    lan.wait(5 * SECOND);
    assert_eq!(lan.in_call(0, lobby()), [0, 1, 2], "three words may be lost");
    lan.wait(4 * SECOND);
    assert_eq!((lan.in_call(0, lobby()), lan.in_call(1, lobby())), (vec![0, 1], vec![0, 1]));
    lan.leave(1);
    assert_eq!(lan.in_call(0, lobby()), [0]);
    assert_eq!(lan.in_call(1, lobby()), [0], "it is still on there");
}

#[test]
fn of_two_that_begin_at_once_the_one_with_the_smaller_id_goes_on() {
    let mut lan = Lan::of(2);
    let cut = vec![(0, 1), (1, 0)];
    lan.deaf.clone_from(&cut);
    lan.join(0, lobby());
    lan.join(1, lobby());
    let ids: Vec<CallId> = (0..2).map(|n| lan.nodes[n].call(lobby()).unwrap().id).collect();
    assert_ne!(ids[0], ids[1]);
    lan.deaf.clear();
    lan.wait(5 * SECOND);
    let (smaller, mover) = if ids[0] < ids[1] { (ids[0], 1) } else { (ids[1], 0) };
    for n in 0..2 {
        assert_eq!(lan.nodes[n].call(lobby()).unwrap().id, smaller);
        assert_eq!(lan.in_call(n, lobby()), [0, 1]);
    }
    assert_eq!(lan.ended(mover), [CallEnd::Merged]);
    assert!(
        lan.participant(1 - mover, lobby(), mover).key.unwrap().secret
            == lan.nodes[mover].call(lobby()).unwrap().me.unwrap().0.secret
    );
}

#[test]
fn a_call_rings_at_the_other_one_until_it_is_answered() {
    let mut lan = Lan::of(2);
    let room = lan.direct(0, 1);
    assert!(lan.nodes[1].room(room).is_none(), "nothing was said there yet");
    lan.join(0, room);
    lan.wait(SECOND);
    assert!(lan.nodes[0].call(room).unwrap().ringing && lan.nodes[1].call(room).unwrap().ringing);
    lan.join(1, room);
    lan.wait(SECOND);
    assert!(!lan.nodes[0].call(room).unwrap().ringing && !lan.nodes[1].call(room).unwrap().ringing);
    // Who leaves does not let it ring anew.
    lan.leave(1);
    lan.wait(3 * SECOND);
    assert!(!lan.nodes[1].call(room).unwrap().ringing);
}

#[test]
fn a_call_that_is_declined_ends_and_does_not_ring_again() {
    let mut lan = Lan::of(2);
    let room = lan.direct(0, 1);
    lan.join(0, room);
    lan.wait(SECOND);
    // The first no is lost.
    lan.deaf = vec![(1, 0)];
    let effects = lan.nodes[1].decline_call(room, lan.now).unwrap();
    lan.perform(1, effects);
    assert!(lan.nodes[1].call(room).is_none());
    lan.deaf.clear();
    lan.wait(5 * SECOND);
    assert_eq!((lan.ended(0), lan.ended(1)), (vec![CallEnd::Declined], vec![CallEnd::Declined]));
    assert!(lan.nodes[1].decline_call(room, lan.now).is_err());
    // The next call is another one.
    lan.join(0, room);
    lan.wait(SECOND);
    assert!(lan.nodes[1].call(room).unwrap().ringing);
}

#[test]
fn a_call_that_nobody_answers_ends_after_45_seconds() {
    let mut lan = Lan::of(2);
    let room = lan.direct(0, 1);
    lan.join(0, room);
    lan.wait(44 * SECOND);
    assert!(lan.nodes[1].call(room).unwrap().ringing);
    lan.wait(2 * SECOND);
    assert_eq!((lan.ended(0), lan.ended(1)), (vec![CallEnd::Unanswered], vec![CallEnd::Unanswered]));
}

#[test]
fn whoever_is_put_out_or_blocked_is_in_the_call_no_longer() {
    let mut lan = Lan::of(3);
    let room = lan.private();
    for n in 0..3 {
        lan.join(n, room);
    }
    lan.wait(3 * SECOND);
    assert_eq!(lan.in_call(0, room), [0, 1, 2]);
    let before = lan.nodes[0].call(room).unwrap().me.unwrap().0;
    let peer = lan.id(2);
    let effects = lan.nodes[0].remove_member(room, peer, lan.now).unwrap();
    lan.perform(0, effects);
    lan.wait(SECOND);
    assert_eq!((lan.in_call(0, room), lan.in_call(1, room)), (vec![0, 1], vec![0, 1]));
    assert_eq!(lan.ended(2), [CallEnd::Gone]);
    assert!(lan.nodes[2].join_call(room, 1, lan.now).is_err());
    // The room's keys are others, and so are the call's.
    lan.wait(20 * SECOND);
    let after = lan.nodes[0].call(room).unwrap().me.unwrap().0;
    assert!(after.secret != before.secret && after.odd != before.odd);
    let seen = lan.participant(1, room, 0);
    assert!(seen.key.unwrap().secret == after.secret && seen.old_key.unwrap().secret == before.secret);
    let peer = lan.id(1);
    let effects = lan.nodes[0].set_trust(peer, Trust::Blocked, lan.now).unwrap();
    lan.perform(0, effects);
    assert_eq!(lan.in_call(0, room), [0]);
    lan.wait(5 * SECOND);
    assert_eq!(lan.in_call(0, room), [0], "nothing is taken of somebody blocked");
}

#[test]
fn strangers_to_a_private_room_are_not_heard_of_its_call() {
    let mut lan = Lan::of(3);
    let (room, effects) = lan.nodes[0].create_room("Board", lan.now).unwrap();
    lan.perform(0, effects);
    let peer = lan.id(1);
    let effects = lan.nodes[0].add_member(room, peer, lan.now).unwrap();
    lan.perform(0, effects);
    lan.wait(10 * SECOND);
    lan.join(0, room);
    lan.wait(3 * SECOND);
    assert_eq!(lan.in_call(1, room), [0]);
    assert!(lan.nodes[2].call(room).is_none() && lan.nodes[2].join_call(room, 1, lan.now).is_err());
}

#[test]
fn a_device_is_in_one_call_at_a_time_and_says_whether_it_is_muted() {
    let mut lan = Lan::of(2);
    let room = lan.direct(0, 1);
    assert_eq!(lan.nodes[0].mute_call(true, lan.now).err(), Some(Refusal::NoCall));
    lan.join(0, lobby());
    lan.join(0, room);
    lan.wait(SECOND);
    assert!(lan.nodes[1].call(lobby()).is_none());
    assert_eq!(lan.in_call(1, room), [0]);
    let (_, effects) = lan.nodes[0].mute_call(true, lan.now).unwrap();
    lan.perform(0, effects);
    lan.wait(SECOND);
    assert!(lan.participant(1, room, 0).muted);
}

#[test]
fn whoever_does_not_hear_somebody_gets_copies_or_asks_the_first_who_can_to_pass_them_on() {
    let mut lan = Lan::of(4);
    for n in 0..4 {
        lan.join(n, lobby());
    }
    lan.wait(3 * SECOND);
    let mut by_id = [1, 2, 3];
    by_id.sort_unstable_by_key(|n| lan.id(*n));
    let [deaf, first, second] = by_id;
    for n in 0..4 {
        let heard: Vec<_> = (0..4).filter(|of| *of != n).map(|of| (of, Hears::Multicast)).collect();
        lan.hears(n, &heard);
    }
    lan.wait(SECOND);
    assert!(!lan.participant(0, lobby(), deaf).wants_copies);
    lan.hears(deaf, &[(0, Hears::Nothing)]);
    lan.wait(SECOND);
    assert!(lan.participant(0, lobby(), deaf).wants_copies);
    assert!(!lan.participant(first, lobby(), deaf).wants_copies);
    let relays = |lan: &Lan, n: usize| lan.participant(n, lobby(), deaf).relays;
    lan.wait(2 * SECOND);
    assert_eq!(relays(&lan, first), [], "copies have their time");
    lan.told[deaf].clear();
    lan.wait(4 * SECOND);
    assert_eq!((relays(&lan, first), relays(&lan, second)), (vec![lan.id(0)], vec![]));
    assert_eq!(lan.participant(deaf, lobby(), 0).through, Some(lan.id(first)));
    let told = lan.told[deaf].iter().filter(|event| matches!(event, Event::Call(room) if *room == lobby()));
    assert_eq!(told.count(), 1, "told of, once");
    // Nothing comes of it: the next one is asked.
    lan.wait(7 * SECOND);
    assert_eq!((relays(&lan, first), relays(&lan, second)), (vec![], vec![lan.id(0)]));
    lan.hears(deaf, &[(0, Hears::Copies)]);
    lan.wait(20 * SECOND);
    assert_eq!(relays(&lan, second), [lan.id(0)], "what works stays");
    lan.hears(deaf, &[(0, Hears::Multicast)]);
    lan.wait(3 * SECOND);
    assert_eq!(relays(&lan, second), []);
    assert!(!lan.participant(0, lobby(), deaf).wants_copies);
}

#[test]
fn where_multicast_is_eaten_a_call_goes_over_connections() {
    let mut lan = Lan::where_nobody_hears(3, &[(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]);
    // By then they have connected.
    lan.wait(60 * SECOND);
    for n in 0..3 {
        lan.join(n, lobby());
    }
    lan.wait(6 * SECOND);
    for n in 0..3 {
        assert_eq!(lan.in_call(n, lobby()), [0, 1, 2], "{n}");
    }
    lan.leave(1);
    lan.wait(SECOND);
    assert_eq!(lan.in_call(0, lobby()), [0, 2]);
}

#[test]
fn two_who_cannot_reach_each_other_know_of_each_other_by_a_third() {
    let mut lan = Lan::where_nobody_hears(3, &[(0, 1), (1, 0)]);
    lan.apart = vec![(0, 1)];
    lan.wait(30 * SECOND);
    for n in 0..3 {
        lan.join(n, lobby());
    }
    lan.wait(6 * SECOND);
    for n in 0..3 {
        assert_eq!(lan.in_call(n, lobby()), [0, 1, 2], "{n}");
    }
}

#[test]
fn a_call_has_an_end_of_those_who_fit() {
    let mut lan = Lan::of(1);
    lan.join(0, lobby());
    let call = lan.nodes[0].call(lobby()).unwrap().id;
    let said = crate::wire::call::Call {
        call,
        state: CallState::In,
        turn: 1,
        muted: false,
        port: 1,
        known: Vec::new(),
        wishes: Vec::new(),
        carried: None,
    };
    let network = crate::wire::datagram::NetworkTag::of("default");
    for n in 0..MAX_TALKERS as u8 + 3 {
        let sender = PeerId([n; 32]);
        let envelope =
            crate::wire::datagram::Envelope { kind: kind::CALL, boot: 1, counter: 1, network, sender };
        let (way, now) = (crate::node::datagrams::Way::Multicast, lan.now);
        drop(lan.nodes[0].heard_call(lobby(), &envelope, said.clone(), None, way, now));
    }
    assert_eq!(lan.in_call_count(0), MAX_TALKERS);
}

impl Lan {
    fn in_call_count(&self, n: usize) -> usize {
        self.nodes[n].call(lobby()).map_or(0, |call| call.others.len() + usize::from(call.me.is_some()))
    }
}
