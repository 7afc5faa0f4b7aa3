//! What others can fill ends somewhere: each limit of a device is reached here, and holds.

use std::collections::BTreeSet;
use std::time::Duration;

use lanyard_proto::effects::{Direction, Effects, Input, Job, Loaded, Transmit};
use lanyard_proto::identity::Identity;
use lanyard_proto::model::{
    ConnId, Hlc, Instant, LogId, Now, PeerId, Platform, RoomId, Seq, Span, UnixMillis,
};
use lanyard_proto::node::{Node, Profile, Refusal};
use lanyard_proto::rooms::{LOBBY, open_room_id};
use lanyard_proto::wire::datagram::{
    Announcement, Envelope, Head, NetworkTag, Query, RoomPacket, Wanted, kind,
};
use lanyard_proto::wire::entry::{Entry, Header};
use lanyard_proto::wire::frame::{Frame, Have, Hello};

const ROOMS: usize = 512;
const SESSIONS: u64 = 128;
const SESSIONS_OF_PEER: u64 = 3;
const PULLS: usize = 4;
const SERVES: u64 = 8;
const QUESTIONS: usize = 64;

/// A device, and nobody else; time passes when it is told to.
struct Device {
    node: Node,
    now: Now,
}

impl Device {
    fn new() -> Device {
        let (name, network) = ("ann".to_owned(), "default".to_owned());
        let profile = Profile { name, platform: Platform::Linux, avatar: None, tcp_port: 24417, network };
        let now = Now { instant: Instant(1_000_000), unix: UnixMillis(1_800_000_000_000) };
        let loaded = Loaded { boot: 1, ..Loaded::default() };
        let (node, _) = Node::new(Identity::from_seed(&[1; 32]), profile, loaded, [7; 32], now);
        Device { node, now }
    }

    fn handle(&mut self, input: Input<'_>) -> Effects {
        self.node.handle(input, self.now)
    }

    fn wait(&mut self, span: Duration) -> Effects {
        self.now.instant = self.now.instant + span;
        self.handle(Input::Timer)
    }

    fn connected(&mut self, conn: u64, peer: u64, direction: Direction) -> Effects {
        let remote = Some("192.168.1.7:24417".parse().expect("is an address"));
        let (conn, peer, standing, exporter) = (ConnId(conn), somebody(peer), false, [0; 32]);
        self.handle(Input::Connected { conn, peer, remote, direction, standing, exporter })
    }

    /// Somebody connects and says hello.
    fn accept(&mut self, conn: u64, peer: u64) {
        let _ = self.connected(conn, peer, Direction::Accepted);
        let _ = self.frame(
            conn,
            &Frame::Hello(Hello { min_version: 1, max_version: 1, standing: false, run: None, hears: false }),
        );
    }

    fn frame(&mut self, conn: u64, frame: &Frame) -> Effects {
        self.handle(Input::Frame { conn: ConnId(conn), bytes: &frame.encode() })
    }

    fn say(&mut self, text: &str) -> Effects {
        self.node.say(lobby(), text, self.now).expect("can be said").1
    }

    /// Somebody asks for the first entry of this device's log in the lobby.
    fn asked(&mut self, conn: u64) -> Effects {
        let own = self.node.room(lobby()).expect("everybody is there").own_log();
        let ranges = vec![(own, Span { after: Seq(0), to: Seq(1) })];
        self.frame(conn, &Frame::Want { room: lobby(), ranges, more: false, deeds: None })
    }
}

fn somebody(n: u64) -> PeerId {
    let mut seed = [9; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    Identity::from_seed(&seed).peer_id()
}

fn lobby() -> RoomId {
    open_room_id("default", LOBBY)
}

fn hung_up(effects: &Effects) -> Vec<u64> {
    let jobs = effects.run.iter();
    jobs.filter_map(|job| if let Job::HangUp { conn } = job { Some(conn.0) } else { None }).collect()
}

fn serves(effects: &Effects) -> Vec<u64> {
    let jobs = effects.run.iter();
    jobs.filter_map(|job| if let Job::Serve { conn, .. } = job { Some(conn.0) } else { None }).collect()
}

#[test]
fn a_device_is_in_so_many_rooms() {
    let mut ann = Device::new();
    for n in 1..ROOMS {
        let _ = ann.node.join(&format!("room {n}"), ann.now).expect("there is room");
    }
    assert_eq!(ann.node.join("one more", ann.now).err(), Some(Refusal::TooManyRooms));
    assert_eq!(ann.node.create_room("one more", ann.now).err(), Some(Refusal::TooManyRooms));
    assert_eq!(ann.node.converse(somebody(1), ann.now).err(), Some(Refusal::TooManyRooms));
    // Nor does anybody else bring it into more: a direct conversation begins by what is said over TCP.
    ann.accept(1, 1);
    let room = lanyard_proto::rooms::direct_room_id(ann.node.me(), somebody(1));
    let logs = vec![Head { log: LogId([1; 8]), seq: Seq(1), base: Seq(0), check: None }];
    let _ = ann.frame(1, &Frame::Have(Have { room, logs, ask: false, digest: [1; 16], deeds: None }));
    assert_eq!(ann.node.rooms().count(), ROOMS);
}

#[test]
fn so_many_connections_are_accepted_and_so_many_of_one_device() {
    let mut ann = Device::new();
    for conn in 0..SESSIONS_OF_PEER {
        assert_eq!(hung_up(&ann.connected(conn, 0, Direction::Accepted)), []);
    }
    let one_more = SESSIONS_OF_PEER;
    assert_eq!(hung_up(&ann.connected(one_more, 0, Direction::Accepted)), [one_more]);
    for conn in SESSIONS_OF_PEER..SESSIONS {
        assert_eq!(hung_up(&ann.connected(conn, conn, Direction::Accepted)), []);
    }
    assert_eq!(hung_up(&ann.connected(SESSIONS, SESSIONS, Direction::Accepted)), [SESSIONS]);
    let _ = ann.handle(Input::Closed { conn: ConnId(0) });
    assert_eq!(hung_up(&ann.connected(SESSIONS, SESSIONS, Direction::Accepted)), []);
}

#[test]
fn whoever_was_here_before_is_let_in_where_strangers_have_taken_all_places() {
    let mut ann = Device::new();
    let bob = Identity::from_seed(&[2; 32]);
    for counter in 1..=2 {
        let network = NetworkTag::of("default");
        let envelope = Envelope { kind: kind::ANNOUNCE, boot: 1, counter, network, sender: bob.peer_id() };
        let said = Announcement::new("bob", Platform::Linux, 24417, 600, 0, Query::No);
        let (from, bytes) = ("192.168.1.8:24417".parse().unwrap(), envelope.sign(&bob, &said.encode()));
        let _ = ann.handle(Input::Datagram { from, bytes: &bytes });
        ann.now.unix.0 += 25 * 3_600_000;
    }
    for conn in 0..SESSIONS {
        assert_eq!(hung_up(&ann.connected(conn, conn, Direction::Accepted)), []);
    }
    assert_eq!(hung_up(&ann.connected(SESSIONS, SESSIONS, Direction::Accepted)), [SESSIONS]);
    let (remote, exporter) = (Some("192.168.1.8:24417".parse().unwrap()), [0; 32]);
    let (conn, peer, direction) = (ConnId(SESSIONS + 1), bob.peer_id(), Direction::Accepted);
    let input = Input::Connected { conn, peer, remote, direction, standing: false, exporter };
    assert_eq!(hung_up(&ann.handle(input)), [0], "a stranger gives way");
    assert_eq!(hung_up(&ann.handle(Input::Closed { conn: ConnId(0) })), []);
    assert_eq!(hung_up(&ann.connected(SESSIONS + 2, SESSIONS, Direction::Accepted)), [SESSIONS + 2]);
}

#[test]
fn whoever_speaks_none_of_the_versions_that_are_spoken_here_is_hung_up_on() {
    for (min_version, max_version, is_understood) in
        [(1, 1, true), (0, 9, true), (2, 9, false), (0, 0, false), (9, 1, false)]
    {
        let mut ann = Device::new();
        let _ = ann.connected(1, 1, Direction::Accepted);
        let hello = Hello { min_version, max_version, standing: false, run: None, hears: false };
        let effects = ann.frame(1, &Frame::Hello(hello));
        assert_eq!(hung_up(&effects).is_empty(), is_understood, "{min_version} to {max_version}");
    }
}

#[test]
fn so_many_rooms_catch_up_at_a_time() {
    let mut ann = Device::new();
    ann.accept(1, 1);
    let mut asked = BTreeSet::new();
    for n in 0..2 * PULLS {
        let (room, _) = ann.node.join(&format!("room {n}"), ann.now).expect("there is room");
        let logs = vec![Head { log: LogId([1; 8]), seq: Seq(9), base: Seq(0), check: None }];
        let effects =
            ann.frame(1, &Frame::Have(Have { room, logs, ask: false, digest: [1; 16], deeds: None }));
        asked.extend(wants(&effects));
    }
    assert_eq!(asked.len(), PULLS);
}

#[test]
fn whoever_brings_next_to_nothing_in_all_of_them_gives_way_to_other_rooms() {
    let mut ann = Device::new();
    ann.accept(1, 1);
    let mut rooms = Vec::new();
    for n in 0..PULLS {
        let (room, _) = ann.node.join(&format!("room {n}"), ann.now).expect("there is room");
        let entries = written(room, 20);
        let logs = vec![Head { log: entries[0].log(), seq: Seq(20), base: Seq(0), check: None }];
        let effects =
            ann.frame(1, &Frame::Have(Have { room, logs, ask: false, digest: [1; 16], deeds: None }));
        assert_eq!(wants(&effects).first(), Some(&room));
        rooms.push((room, entries));
    }
    ann.accept(2, 2);
    let have = |room| {
        let logs = vec![Head { log: LogId([1; 8]), seq: Seq(9), base: Seq(0), check: None }];
        Frame::Have(Have { room, logs, ask: false, digest: [1; 16], deeds: None })
    };
    assert_eq!(wants(&ann.frame(2, &have(lobby()))), [], "it has to wait");
    for _ in 0..4 {
        for (room, entries) in &mut rooms {
            let entries = vec![entries.pop().expect("there are more").encode_in_room()];
            let _ = ann.frame(1, &Frame::Entries { room: *room, entries });
        }
        let _ = ann.wait(Duration::from_secs(10));
    }
    assert!(wants(&ann.frame(2, &have(lobby()))).contains(&lobby()), "and not for long");
}

/// The rooms of which entries are asked for.
fn wants(effects: &Effects) -> Vec<RoomId> {
    let frames = effects.send.iter().filter_map(|sent| match sent {
        Transmit::Frame { bytes, .. } => Frame::decode(bytes).ok().flatten(),
        Transmit::Multicast { .. } => None,
    });
    frames.filter_map(|frame| if let Frame::Want { room, .. } = frame { Some(room) } else { None }).collect()
}

/// A log of somebody's.
fn written(room: RoomId, count: u64) -> Vec<Entry> {
    let (author, mut prev) = (Identity::from_seed(&[8; 32]), [0; 32]);
    let entries = (1..=count).map(|n| {
        let (hlc, seq) = (Hlc(n), Seq(n));
        let author_id = author.peer_id();
        let header =
            Header { room, author: author_id, nonce: 1, epoch: 0, seq, prev, hlc, deps: vec![], kind: 1 };
        let entry = Entry::write(&author, header, vec![0xa1, 0, 0x61, 0x78]);
        prev = entry.id().0;
        entry
    });
    entries.collect()
}

#[test]
fn so_many_are_served_at_a_time_and_whoever_reads_slowly_gives_way() {
    let mut ann = Device::new();
    let _ = ann.say("tea?");
    for conn in 0..SERVES {
        ann.accept(conn, conn);
        assert_eq!(serves(&ann.asked(conn)), [conn]);
    }
    for conn in SERVES..SERVES + 2 {
        ann.accept(conn, conn);
        assert_eq!(serves(&ann.asked(conn)), []);
    }
    assert_eq!(serves(&ann.handle(Input::Served { conn: ConnId(3) })), [SERVES], "the next in turn");
    assert_eq!(hung_up(&ann.wait(Duration::from_secs(50))), []);
    let effects = ann.wait(Duration::from_secs(15));
    assert_eq!((hung_up(&effects), serves(&effects)), (vec![0], vec![SERVES + 1]));
    assert_eq!(hung_up(&ann.wait(Duration::from_secs(600))), [], "nobody waits: let them read");
}

#[test]
fn so_many_questions_wait_on_a_connection() {
    let mut ann = Device::new();
    let _ = ann.say("tea?");
    ann.accept(1, 1);
    // The first is being answered.
    for _ in 0..=QUESTIONS {
        assert_eq!(hung_up(&ann.asked(1)), []);
    }
    assert_eq!(hung_up(&ann.asked(1)), [1]);
}

/// A device whose words count, and which says whatever it likes.
struct Mallory {
    identity: Identity,
    counter: u64,
}

impl Mallory {
    fn new() -> Mallory {
        Mallory { identity: Identity::from_seed(&[66; 32]), counter: 0 }
    }

    fn signed(&mut self, kind: u8, body: &[u8]) -> Vec<u8> {
        self.counter += 1;
        let (network, sender) = (NetworkTag::of("default"), self.identity.peer_id());
        let envelope = Envelope { kind, boot: 1, counter: self.counter, network, sender };
        envelope.sign(&self.identity, body)
    }

    fn announcement(&mut self, query: Query) -> Vec<u8> {
        let said = Announcement::new("mallory", Platform::Linux, 24417, 10, 0, query);
        self.signed(kind::ANNOUNCE, &said.encode())
    }
}

impl Device {
    fn hear(&mut self, bytes: &[u8]) -> Effects {
        let from = "192.168.1.66:24417".parse().expect("is an address");
        self.handle(Input::Datagram { from, bytes })
    }
}

fn multicast(effects: &Effects) -> usize {
    let sizes = effects.send.iter().filter_map(|sent| match sent {
        Transmit::Multicast { bytes, .. } => Some(bytes.len()),
        Transmit::Frame { .. } => None,
    });
    sizes.sum()
}

#[test]
fn whoever_asks_a_thousand_times_a_second_gets_no_more_than_everybody_may_say() {
    let (mut ann, mut mallory) = (Device::new(), Mallory::new());
    for n in 0..200 {
        let _ = ann.say(&format!("word {n}"));
        let _ = ann.wait(Duration::from_millis(50));
    }
    let _ = ann.wait(Duration::from_secs(10));
    let log = ann.node.room(lobby()).expect("everybody is there").own_log();
    let (mut in_all, mut out) = (0, 0);
    for n in 0..10_000 {
        let wanted = vec![Wanted { log, from: Seq(1 + n % 136), count: 64 }];
        let nack = RoomPacket::Nack { wanted, pieces: Vec::new() };
        let body = [&lobby().0[..8], &nack.encode()].concat();
        // Now and then it asks who is here, too.
        let said =
            if n % 10 == 0 { mallory.announcement(Query::Yes) } else { mallory.signed(nack.kind(), &body) };
        in_all += said.len();
        out += multicast(&ann.hear(&said)) + multicast(&ann.wait(Duration::from_millis(1)));
    }
    // What a device may say in rooms, and two answers a second to those who ask who is here.
    let most = 10 * 16_000 + 8192 + 30 * 300;
    assert!(out > 5_000, "{out}: it is answered");
    assert!(out <= most, "{out} bytes in ten seconds, of which {most} may be");
    assert!(out < in_all / 5, "{out} bytes for {in_all}");
    assert!(
        ann.node.deadline(ann.now).is_some_and(|at| at > ann.now.instant),
        "nothing is left to say at once"
    );
}

#[test]
fn ten_thousand_forged_datagrams_change_nobody() {
    let (mut ann, mallory) = (Device::new(), Mallory::new());
    let bob = Identity::from_seed(&[2; 32]);
    let said = Announcement::new("bob", Platform::Linux, 24417, 600, 0, Query::No);
    let network = NetworkTag::of("default");
    let envelope = Envelope { kind: kind::ANNOUNCE, boot: 5, counter: 1, network, sender: bob.peer_id() };
    let genuine = envelope.sign(&bob, &said.encode());
    let _ = ann.hear(&genuine);
    let before = ann.node.presence().peer(bob.peer_id()).cloned().expect("bob is known");
    for n in 0..10_000_usize {
        // Newer than what was heard, another name and port, and signed by somebody else; or one bit of the genuine one.
        let counter = 2 + n as u64;
        let forged = if n % 2 == 0 {
            let said =
                Announcement::new(&format!("bob {n}"), Platform::Windows, 1024 + n as u16, 1, 0, Query::No);
            let envelope = Envelope { counter, ..envelope };
            envelope.sign(&mallory.identity, &said.encode())
        } else {
            let mut bytes = genuine.clone();
            bytes[23] = 2 + (n % 250) as u8;
            bytes[28 + n % (genuine.len() - 28)] ^= 1 << (n % 8);
            bytes
        };
        let effects = ann.hear(&forged);
        assert!(effects.tell.is_empty() && effects.commit.is_empty(), "{n}: {:?}", effects.tell);
    }
    assert_eq!(ann.node.presence().peer(bob.peer_id()), Some(&before));
    assert_eq!(ann.node.presence().peers().count(), 1);
}

#[test]
fn more_than_the_air_carries_is_not_multicast_but_spoken_of() {
    let mut ann = Device::new();
    let (mut entries, mut fetch) = (0, false);
    let mut take = |effects: Effects| {
        for sent in effects.send {
            let Transmit::Multicast { bytes, .. } = sent else { continue };
            let body = &bytes[68.min(bytes.len())..bytes.len() - 64];
            match RoomPacket::decode(bytes[5], body) {
                Ok(RoomPacket::Data { entries: said, .. }) if bytes[5] == kind::DATA => entries += said.len(),
                Ok(RoomPacket::Heads(heads)) => fetch |= heads.fetch,
                _ => {}
            }
        }
    };
    for n in 0..200 {
        take(ann.say(&format!("{n} {}", "tea ".repeat(50))));
    }
    for _ in 0..100 {
        take(ann.wait(Duration::from_millis(100)));
    }
    assert!(fetch && entries < 60, "{entries} of 200 entries were multicast");
}
