use super::*;
use crate::effects::{Direction, Input, Loaded, Trust};
use crate::identity::Identity;
use crate::model::{Platform, RoomId, UnixMillis};
use crate::node::Profile;
use crate::rooms::{LOBBY, open_room_id};
use crate::wire::codec::DecodeError;
use crate::wire::datagram::{Heads, NetworkTag, Query, RoomPacket};
use crate::wire::frame::{Frame, Hello, Passed, Relayed};

const SECOND: Duration = Duration::from_secs(1);

/// Somebody who signs whatever they like.
struct Somebody {
    identity: Identity,
    counter: u64,
}

impl Somebody {
    fn new(seed: u8) -> Somebody {
        Somebody { identity: Identity::from_seed(&[seed; 32]), counter: 0 }
    }

    fn id(&self) -> PeerId {
        self.identity.peer_id()
    }

    fn signs(&mut self, kind: u8, body: &[u8]) -> Vec<u8> {
        self.counter += 1;
        let (counter, network, sender) = (self.counter, NetworkTag::of("default"), self.id());
        Envelope { kind, boot: 1, counter, network, sender }.sign(&self.identity, body)
    }

    fn announces(&mut self, port: u16) -> Vec<u8> {
        self.signs(
            kind::ANNOUNCE,
            &Announcement::new("Xen", Platform::Linux, port, 10, 1, Query::Yes).encode(),
        )
    }

    fn heads(&mut self, logs: u32) -> Vec<u8> {
        let heads = Heads { digest: [7; 16], logs, heads: Vec::new(), fetch: false, partial: false };
        let body = [&lobby().0[..8], &RoomPacket::Heads(heads).encode()].concat();
        self.signs(kind::HEADS, &body)
    }

    fn carries(&mut self, datagram: Vec<u8>, from: Option<&str>) -> Vec<u8> {
        let from = from.map(|ip| ip.parse().unwrap());
        self.signs(kind::CARRY, &Carry { datagram, from }.encode())
    }
}

fn lobby() -> RoomId {
    open_room_id("default", LOBBY)
}

/// The device that hears them.
struct Device {
    node: Node,
    now: Now,
    /// What it sent since somebody last looked.
    sent: Vec<Transmit>,
}

impl Device {
    fn new() -> Device {
        let (name, network) = ("ann".to_owned(), "default".to_owned());
        let profile = Profile { name, platform: Platform::Linux, avatar: None, tcp_port: 24417, network };
        let now = Now { instant: Instant(1_000_000), unix: UnixMillis(1_800_000_000_000) };
        let loaded = Loaded { boot: 1, ..Loaded::default() };
        let (node, _) = Node::new(Identity::from_seed(&[1; 32]), profile, loaded, [7; 32], now);
        let mut device = Device { node, now, sent: Vec::new() };
        device.wait(SECOND / 2);
        device
    }

    fn input(&mut self, input: Input<'_>) {
        let effects = self.node.handle(input, self.now);
        self.sent.extend(effects.send);
    }

    fn hears(&mut self, bytes: &[u8]) {
        self.hears_from("10.0.0.2", bytes);
    }

    fn hears_from(&mut self, ip: &str, bytes: &[u8]) {
        let from = format!("{ip}:40000").parse().unwrap();
        self.input(Input::Datagram { from, bytes });
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now.instant + span;
        while let Some(at) = self.node.deadline(self.now).filter(|at| *at <= end) {
            self.now.instant = at.max(self.now.instant + Duration::from_micros(1));
            self.input(Input::Timer);
        }
        self.now.instant = end;
    }

    /// What it carried until so long from now, as it was signed.
    fn carried_within(&mut self, span: Duration) -> Vec<Carry> {
        self.wait(span);
        let multicast = self.sent.drain(..).filter_map(|sent| match sent {
            Transmit::Multicast { bytes, .. } if bytes[5] == kind::CARRY => Some(bytes),
            _ => None,
        });
        multicast.map(|bytes| Carry::decode(&bytes[60..bytes.len() - 64]).unwrap()).collect()
    }

    fn is_linked_to(&mut self, peer: PeerId, conn: u64) {
        self.is_connected_to(peer, conn, true);
    }

    fn is_connected_to(&mut self, peer: PeerId, conn: u64, stands: bool) {
        let conn = ConnId(conn);
        let (direction, exporter, standing) = (Direction::Accepted, [0; 32], false);
        let remote = Some(format!("10.0.0.{}:50000", 100 + conn.0).parse().unwrap());
        let connected = Input::Connected { conn, peer, remote, direction, standing, exporter };
        self.input(connected);
        let hello = Hello { min_version: 1, max_version: 1, standing: stands, run: None, hears: false };
        self.frame(conn.0, &Frame::Hello(hello));
    }

    fn frame(&mut self, conn: u64, frame: &Frame) {
        self.input(Input::Frame { conn: ConnId(conn), bytes: &frame.encode() });
    }

    fn is_told(&mut self, conn: u64, datagram: Vec<u8>) {
        self.frame(conn, &Frame::Announcements(vec![Relayed { datagram, from: None }]));
    }

    fn is_passed(&mut self, conn: u64, datagram: Vec<u8>) {
        self.frame(conn, &Frame::Passed(Passed { datagrams: vec![datagram], unheard: false }));
    }

    fn dropped(&self, why: Dropped) -> u64 {
        self.node.dropped().find(|(reason, _)| *reason == why).map_or(0, |(_, count)| count)
    }
}

/// Bob is heard by multicast, Xen over a link only.
fn joint() -> (Device, Somebody, Somebody) {
    let (mut ann, mut bob, xen) = (Device::new(), Somebody::new(2), Somebody::new(3));
    ann.hears(&bob.announces(24417));
    ann.hears(&bob.heads(0));
    ann.is_linked_to(xen.id(), 1);
    (ann, bob, xen)
}

#[test]
fn what_is_carried_brings_somebody_and_their_address_behind_what_is_known_and_never_that_of_who_carries() {
    let (mut ann, mut bob, mut xen) = (Device::new(), Somebody::new(2), Somebody::new(3));
    ann.hears(&bob.announces(24417));
    ann.hears(&bob.carries(xen.announces(24418), Some("10.0.0.9")));
    assert!(ann.node.is_online(xen.id()));
    let at = |ip: &str| vec![format!("{ip}:24418").parse().unwrap()];
    assert_eq!(ann.node.presence.addresses(xen.id()), at("10.0.0.9"));
    ann.hears(&bob.carries(xen.announces(24418), Some("::ffff:10.0.0.8")));
    let both = [at("10.0.0.9"), at("10.0.0.8")].concat();
    assert_eq!(ann.node.presence.addresses(xen.id()), both, "what others say comes last");
    // Where nothing is said nothing is learnt, and what nobody is at is nothing.
    let mut yul = Somebody::new(4);
    ann.hears(&bob.carries(yul.announces(24418), None));
    for nowhere in [
        "224.0.0.100",
        "::ffff:224.0.0.100",
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "::1",
        "0.0.0.0",
        "255.255.255.255",
        "169.254.1.2",
        "::ffff:169.254.1.2",
        "fe80::1",
    ] {
        ann.hears(&bob.carries(yul.announces(24418), Some(nowhere)));
        let relayed =
            Relayed { datagram: yul.announces(24418), from: Some("::ffff:127.0.0.1".parse().unwrap()) };
        ann.is_linked_to(bob.id(), 1);
        ann.frame(1, &Frame::Announcements(vec![relayed]));
    }
    ann.hears(&bob.carries(yul.announces(22), Some("10.0.0.9")));
    assert!(ann.node.is_online(yul.id()));
    assert_eq!(ann.node.presence.addresses(yul.id()), []);
    assert!(!ann.node.unheard.is_on_air(xen.id(), ann.now.instant), "it was not heard itself");
}

#[test]
fn a_carried_announcement_renews_the_lease_and_a_carried_goodbye_ends_it() {
    let (mut ann, mut bob, mut xen) = (Device::new(), Somebody::new(2), Somebody::new(3));
    for _ in 0..10 {
        ann.hears(&bob.announces(24417));
        ann.hears(&bob.carries(xen.announces(24417), None));
        ann.wait(SECOND * 30);
        assert!(ann.node.is_online(xen.id()));
    }
    let late = xen.heads(0);
    ann.hears(&bob.carries(xen.signs(kind::BYE, &[]), None));
    assert!(!ann.node.is_online(xen.id()));
    ann.hears(&bob.carries(late, None));
    assert!(!ann.node.is_online(xen.id()), "what was said before brings nobody back");
}

#[test]
fn what_was_announced_before_somebody_left_and_is_carried_later_brings_nobody_back() {
    let (mut ann, mut bob, mut xen) = (Device::new(), Somebody::new(2), Somebody::new(3));
    ann.hears(&bob.announces(24417));
    ann.hears(&bob.carries(xen.announces(24417), None));
    // Said over one link alone, as when one begins.
    let [kept, also, third] = [(); 3].map(|()| xen.announces(24417));
    ann.hears(&bob.carries(xen.signs(kind::BYE, &[]), None));
    assert!(!ann.node.is_online(xen.id()));
    ann.hears(&bob.carries(kept, Some("10.0.0.9")));
    ann.is_linked_to(bob.id(), 1);
    ann.is_told(1, also);
    ann.hears(&third);
    assert!(!ann.node.is_online(xen.id()));
    assert!(!ann.node.unheard.is_on_air(xen.id(), ann.now.instant));
    ann.hears(&bob.carries(xen.announces(24417), None));
    assert!(ann.node.is_online(xen.id()), "who announces anew is here");
}

#[test]
fn what_is_carried_passes_the_checks_of_what_is_heard() {
    let (mut ann, mut bob, mut xen) = (Device::new(), Somebody::new(2), Somebody::new(3));
    ann.hears(&bob.announces(24417));
    // Signed by somebody else.
    let mut forged = xen.announces(24417);
    *forged.last_mut().unwrap() ^= 1;
    ann.hears(&bob.carries(forged, None));
    assert_eq!(ann.dropped(Dropped::Datagram(DecodeError::Signature)), 1);
    // Of another network, of the device that carries it, no datagram at all, and kinds that nobody carries.
    let of = Envelope {
        kind: kind::ANNOUNCE,
        boot: 1,
        counter: 9,
        network: NetworkTag::of("other"),
        sender: xen.id(),
    };
    let foreign = of.sign(&xen.identity, b"");
    let own = bob.announces(24417);
    let data = xen.signs(kind::DATA, &lobby().0);
    let nested = xen.announces(24417);
    let nested = xen.carries(nested, None);
    for (n, inner) in [foreign, own, b"hello".to_vec(), data, nested].into_iter().enumerate() {
        ann.hears(&bob.carries(inner, None));
        assert_eq!(ann.dropped(Dropped::Body), n as u64 + 1);
    }
    assert!(!ann.node.is_online(xen.id()));
    // Heard before, however it came.
    let once = xen.announces(24417);
    ann.hears(&bob.carries(once.clone(), None));
    assert!(ann.node.is_online(xen.id()));
    ann.hears(&bob.carries(once.clone(), Some("10.0.0.9")));
    assert_eq!(ann.dropped(Dropped::Replay), 1);
    assert_eq!(ann.node.presence.addresses(xen.id()), []);
}

#[test]
fn nothing_of_or_by_somebody_blocked_is_taken() {
    let (mut ann, mut bob, mut xen) = (Device::new(), Somebody::new(2), Somebody::new(3));
    for blocked in [bob.id(), xen.id()] {
        ann.hears(&bob.announces(24417));
        let _ = ann.node.set_trust(blocked, Trust::Blocked, ann.now).unwrap();
        ann.hears(&bob.carries(xen.announces(24417), None));
        assert!(!ann.node.is_online(xen.id()));
        let _ = ann.node.set_trust(blocked, Trust::Unknown, ann.now).unwrap();
    }
    ann.hears(&bob.carries(xen.announces(24417), None));
    assert!(ann.node.is_online(xen.id()));
}

#[test]
fn what_of_this_device_is_carried_is_no_copy_of_it_and_a_later_run_is() {
    let (mut ann, mut bob) = (Device::new(), Somebody::new(2));
    ann.hears(&bob.announces(24417));
    let mut me = Somebody::new(1);
    let said = me.announces(24417);
    ann.hears(&bob.carries(said, None));
    assert_eq!(ann.node.cloned(), None);
    me.counter = 1 << 20;
    let said = me.announces(24417);
    ann.hears(&bob.carries(said, None));
    assert!(ann.node.cloned().is_some());
}

#[test]
fn what_comes_over_a_link_is_carried_once_as_it_was_signed_with_where_the_link_leads() {
    let (mut ann, _, mut xen) = joint();
    let said = xen.announces(24417);
    ann.is_told(1, said.clone());
    assert_eq!(
        ann.carried_within(SECOND),
        [Carry { datagram: said.clone(), from: Some([10, 0, 0, 101].into()) }]
    );
    let heads = xen.heads(0);
    ann.is_passed(1, heads.clone());
    assert_eq!(ann.carried_within(SECOND), [Carry { datagram: heads.clone(), from: None }]);
    let bye = xen.signs(kind::BYE, &[]);
    ann.is_passed(1, bye.clone());
    assert!(!ann.node.is_online(xen.id()));
    assert_eq!(ann.carried_within(SECOND / 4), [Carry { datagram: bye.clone(), from: None }], "at once");
    for again in [said, heads, bye] {
        ann.is_told(1, again.clone());
        ann.is_passed(1, again);
    }
    assert_eq!(ann.carried_within(SECOND), []);
}

#[test]
fn what_is_of_others_or_came_otherwise_is_not_carried() {
    let (mut ann, mut bob, mut xen) = joint();
    let mut yul = Somebody::new(4);
    // Told or passed on by Xen.
    ann.is_told(1, yul.announces(24417));
    assert!(ann.node.is_online(yul.id()));
    ann.is_passed(1, yul.heads(0));
    // Carried by Bob.
    let mut zoe = Somebody::new(5);
    ann.hears(&bob.carries(zoe.announces(24417), None));
    assert!(ann.node.is_online(zoe.id()));
    // Of a kind that is not carried, on a connection that does not stand, or heard from its sender besides.
    ann.is_passed(1, xen.signs(kind::DATA, &lobby().0));
    let mut wim = Somebody::new(6);
    ann.is_connected_to(wim.id(), 2, false);
    ann.is_told(2, wim.announces(24417));
    ann.is_passed(2, wim.heads(0));
    assert!(ann.node.is_online(wim.id()));
    let heard = xen.announces(24417);
    ann.is_told(1, heard.clone());
    ann.hears(&heard);
    assert_eq!(ann.carried_within(SECOND), []);
}

#[test]
fn where_nobody_is_heard_by_multicast_nothing_is_carried() {
    let (mut ann, mut bob, mut xen) = (Device::new(), Somebody::new(2), Somebody::new(3));
    // What is announced may come by broadcast.
    ann.hears(&bob.announces(24417));
    ann.is_linked_to(xen.id(), 1);
    ann.is_told(1, xen.announces(24417));
    assert!(ann.node.is_online(xen.id()));
    assert_eq!(ann.carried_within(SECOND), []);
}

#[test]
fn what_somebody_else_carries_meanwhile_is_left_to_them_but_not_for_good() {
    let (mut ann, mut bob, mut xen) = joint();
    let mut own = Vec::new();
    for round in 0..9 {
        let said = xen.announces(24417);
        ann.is_told(1, said.clone());
        ann.hears(&bob.carries(said, None));
        if !ann.carried_within(SECOND * 2).is_empty() {
            own.push(round);
        }
    }
    assert_eq!(own, [1, 3, 5, 7]);
    let heads = xen.heads(0);
    ann.is_passed(1, heads.clone());
    ann.hears(&bob.carries(heads, None));
    assert_eq!(ann.carried_within(SECOND), []);
    // What is not that is no reason to be silent.
    let said = xen.announces(24417);
    ann.is_told(1, said.clone());
    let mut forged = said.clone();
    *forged.last_mut().unwrap() ^= 1;
    ann.hears(&bob.carries(forged, None));
    assert_eq!(ann.carried_within(SECOND).len(), 1);
}

#[test]
fn what_somebody_says_in_the_name_of_the_group_to_this_device_alone_does_not_silence_it() {
    let (mut ann, _, mut xen) = joint();
    let mut carried = 0;
    for _ in 0..10 {
        let said = xen.announces(24417);
        ann.is_told(1, said.clone());
        // The bytes that Xen signed, sent by a neighbour.
        ann.hears(&said);
        carried += ann.carried_within(SECOND * 2).len();
    }
    assert_eq!(carried, 5);
    // From where the link leads Xen itself speaks.
    for _ in 0..10 {
        let said = xen.announces(24417);
        ann.is_told(1, said.clone());
        ann.hears_from("10.0.0.101", &said);
        assert_eq!(ann.carried_within(SECOND * 2), []);
    }
}

#[test]
fn a_carry_that_comes_over_a_link_is_none() {
    let (mut ann, _, mut xen) = joint();
    let mut yul = Somebody::new(4);
    let carry = xen.carries(yul.announces(24417), None);
    ann.is_told(1, carry);
    assert!(!ann.node.is_online(yul.id()));
    assert_eq!(ann.dropped(Dropped::Frame), 1);
}

#[test]
fn of_somebody_who_leaves_two_goodbyes_are_carried_and_none_of_somebody_who_is_not_here() {
    let (mut ann, _, mut xen) = joint();
    ann.is_told(1, xen.announces(24417));
    assert_eq!(ann.carried_within(SECOND * 2).len(), 1);
    for _ in 0..20 {
        ann.is_passed(1, xen.signs(kind::BYE, &[]));
    }
    assert_eq!(ann.carried_within(SECOND).len(), 2);
    for _ in 0..20 {
        ann.is_passed(1, xen.signs(kind::BYE, &[]));
        assert_eq!(ann.carried_within(SECOND), []);
    }
    ann.is_told(1, xen.announces(24417));
    assert_eq!(ann.carried_within(SECOND * 2).len(), 1);
    ann.is_passed(1, xen.signs(kind::BYE, &[]));
    ann.wait(SECOND * 2);
    ann.is_passed(1, xen.signs(kind::BYE, &[]));
    assert_eq!(ann.carried_within(SECOND).len(), 1, "what comes late is no second one");
}

#[test]
fn whoever_announces_again_and_again_is_carried_no_later_for_that() {
    let (mut ann, _, mut xen) = joint();
    let mut carried = 0;
    for _ in 0..40 {
        ann.is_told(1, xen.announces(24417));
        carried += ann.carried_within(SECOND / 20).len();
    }
    assert_eq!(carried, 2, "in two seconds");
}

#[test]
fn heads_that_were_carried_are_not_answered_where_those_that_were_heard_are() {
    let says_heads = |ann: &mut Device| {
        ann.sent.clear();
        ann.wait(SECOND / 4);
        let heads =
            |sent: &&Transmit| matches!(sent, Transmit::Multicast { bytes, .. } if bytes[5] == kind::HEADS);
        ann.sent.iter().filter(heads).count()
    };
    let (mut ann, mut bob, mut xen) = (Device::new(), Somebody::new(2), Somebody::new(3));
    ann.hears(&bob.announces(24417));
    ann.hears(&bob.carries(xen.announces(24417), None));
    let (_, _) = ann.node.say(lobby(), "hello", ann.now).unwrap();
    ann.wait(SECOND * 30);
    let mut answered = 0;
    for _ in 0..20 {
        ann.hears(&bob.carries(xen.heads(0), None));
        answered += says_heads(&mut ann);
        ann.wait(SECOND);
    }
    assert!(answered <= 6, "{answered} in five seconds: what is said in turn");
    let mut answered = 0;
    for _ in 0..20 {
        ann.hears(&xen.heads(0));
        answered += says_heads(&mut ann);
        ann.wait(SECOND);
    }
    assert!(answered >= 20, "{answered}");
}

#[test]
fn whoever_says_much_over_a_link_is_carried_at_a_pace() {
    let (mut ann, _, mut xen) = joint();
    let mut seconds = [0; 10];
    for n in 0..1000 {
        ann.is_told(1, xen.announces(24417));
        for logs in 0..3 {
            ann.is_passed(1, xen.heads(logs));
        }
        ann.is_passed(1, xen.signs(kind::BYE, &[]));
        let carried = ann.carried_within(SECOND / 100);
        seconds[n / 100] += carried.iter().map(|carry| carry.encode().len() + AROUND_BODY).sum::<usize>();
    }
    let most = RATE as usize * 10 + BURST as usize + 1200;
    assert!(seconds.iter().sum::<usize>() <= most, "{seconds:?} bytes");
    assert!(seconds.iter().all(|bytes| *bytes >= 500), "it goes on for the whole time: {seconds:?} bytes");
}

#[test]
fn heads_of_many_rooms_and_devices_wait_in_bounds_and_each_gets_its_turn() {
    let mut carrying = Carrying::new(Instant(0));
    let waiting = || Waiting { datagram: vec![7; 1000], at: Instant(0) };
    for n in 0..2 * MAX_GUESTS as u32 {
        let mut id = [9; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        for tag in 0..2 * MAX_TAGS as u64 {
            carrying.wait(PeerId(id), None, kind::HEADS, tag.to_be_bytes(), waiting());
        }
        for _ in 0..5 {
            carrying.wait(PeerId(id), None, kind::ANNOUNCE, [0; 8], waiting());
        }
    }
    assert_eq!(carrying.guests.len(), MAX_GUESTS);
    assert!(carrying.guests.values().all(|guest| guest.heads.len() == MAX_TAGS));
    let mut now = Instant(0);
    let (mut announced, mut spoke) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    while spoke.len() < MAX_GUESTS {
        assert!(now < Instant(0) + SECOND * 200, "{} have spoken", spoke.len());
        now = now + SECOND / 10;
        let Some((peer, sort, carry)) = carrying.next(true, now) else { continue };
        match sort {
            Sort::Presence => assert!(announced.insert(peer), "nobody twice"),
            Sort::Heads => {
                spoke.insert(peer);
            }
        }
        carrying.bucket.spend(carry.datagram.len(), now);
        let ahead = announced.len().abs_diff(spoke.len());
        assert!(ahead <= 1, "{} and {}", announced.len(), spoke.len());
    }
    assert_eq!(announced.len(), MAX_GUESTS);
}
