//! A simulated network: nodes, their disks, time, loss, delay and partitions in one process.
//!
//! Everything is decided by the seed: the same story gives the same run.

mod conns;
mod disk;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use lanyard_proto::effects::{Direction, Effects, Event, Input, Job, Reach, Transmit};
use lanyard_proto::identity::Identity;
use lanyard_proto::model::{ConnId, Instant, Now, PeerId, Platform, RoomId, TransferId, UnixMillis};
use lanyard_proto::node::{Node, Profile};
use lanyard_proto::pacing::Dice;
use lanyard_proto::rooms::{self, Content, LOBBY, Offer};
use lanyard_proto::transfer::{PullEnd, TransferState};
use lanyard_proto::wire::entry::Entry;
use lanyard_proto::wire::frame::{ENTRIES_BYTES, Frame};

use conns::Conn;
use disk::Disk;

/// A device of the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who(usize);

/// The network and everybody on it.
pub struct Lan {
    hosts: Vec<Host>,
    now: Instant,
    queue: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    dice: Dice,
    seed: u64,
    loss: f64,
    latency: Range<Duration>,
    /// Hosts of different numbers do not hear each other.
    segment: BTreeMap<Who, u32>,
    /// Hosts that hear no multicast and are heard by none.
    deaf: BTreeSet<Who>,
    conns: BTreeMap<ConnId, Conn>,
    next_conn: u64,
    /// Datagrams sent since the start.
    pub datagrams: u64,
    pub datagram_bytes: u64,
    /// Connections dialled since the start, or tried to.
    pub dials: u64,
}

struct Host {
    name: String,
    seed: [u8; 32],
    id: PeerId,
    node: Option<Node>,
    disk: Disk,
    woken: Option<Instant>,
    boots: u64,
    clock_skew_ms: i64,
    seen: Vec<String>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Planned {
    at: Instant,
    order: u64,
    what: Planning,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Planning {
    Wake(Who),
    Datagram { to: Who, from: Who, bytes: Vec<u8> },
    Connected { who: Who, conn: ConnId, dialled: bool, standing: bool },
    DialFailed { who: Who, peer: PeerId },
    Frame { conn: ConnId, bytes: Vec<u8> },
    Served { conn: ConnId },
    Closed { conn: ConnId, who: Who },
    Pulled { who: Who, from: Who, transfer: TransferId },
}

impl Lan {
    pub fn seeded(seed: u64) -> Lan {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        Lan {
            hosts: Vec::new(),
            now: Instant(1_000_000),
            queue: BinaryHeap::new(),
            planned: 0,
            dice: Dice::seeded(bytes),
            seed,
            loss: 0.0,
            latency: Duration::from_micros(100)..Duration::from_millis(1),
            segment: BTreeMap::new(),
            deaf: BTreeSet::new(),
            conns: BTreeMap::new(),
            next_conn: 0,
            datagrams: 0,
            datagram_bytes: 0,
            dials: 0,
        }
    }

    /// Each datagram is lost on its way to each host with this probability.
    pub fn loss_percent(mut self, percent: u32) -> Lan {
        self.loss = f64::from(percent) / 100.0;
        self
    }

    pub fn latency_ms(mut self, range: Range<u64>) -> Lan {
        self.latency = Duration::from_millis(range.start)..Duration::from_millis(range.end);
        self
    }

    /// People come, all at the same time.
    pub fn join<const N: usize>(&mut self, names: [&str; N]) -> [Who; N] {
        names.map(|name| self.join_one(name, 0))
    }

    /// Somebody comes whose clock is wrong.
    pub fn join_one(&mut self, name: &str, clock_skew_ms: i64) -> Who {
        let who = Who(self.hosts.len());
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        seed[8..16].copy_from_slice(&(who.0 as u64 + 1).to_be_bytes());
        let (node, woken, seen) = (None, None, Vec::new());
        let host = Host {
            name: name.to_owned(),
            seed,
            id: Identity::from_seed(&seed).peer_id(),
            node,
            disk: Disk::default(),
            woken,
            boots: 0,
            clock_skew_ms,
            seen,
        };
        self.hosts.push(host);
        self.start(who);
        who
    }

    /// Starts the program from what is on disk.
    pub fn start(&mut self, who: Who) {
        let now = self.now_of(who);
        let host = &mut self.hosts[who.0];
        assert!(host.node.is_none(), "{} is running", host.name);
        host.boots += 1;
        let profile = Profile {
            name: host.name.clone(),
            platform: Platform::Linux,
            tcp_port: 24417,
            network: "default".to_owned(),
        };
        let mut seed = host.seed;
        seed[31] = host.boots as u8;
        let loaded = host.disk.load(host.id, now.unix.0);
        let (node, effects) = Node::new(Identity::from_seed(&host.seed), profile, loaded, seed, now);
        host.node = Some(node);
        self.perform(who, effects);
    }

    /// The program ends without a word, as by `kill -9` or a power cut. What was committed stays.
    pub fn kill(&mut self, who: Who) {
        self.hosts[who.0].node = None;
        self.hosts[who.0].woken = None;
        let broken: Vec<ConnId> =
            self.conns.iter().filter(|(_, c)| c.owner == who).map(|(id, _)| *id).collect();
        for conn in broken {
            self.break_conn(conn);
        }
    }

    /// The program ends as it should.
    pub fn quit(&mut self, who: Who) {
        let effects = self.hosts[who.0].node.as_mut().expect("is running").goodbye();
        self.perform(who, effects);
        self.kill(who);
    }

    pub fn cut_off(&mut self, who: Who) {
        self.put_in_segment(who, 1000 + who.0 as u32);
    }

    pub fn reconnect(&mut self, who: Who) {
        self.put_in_segment(who, 0);
    }

    /// Multicast does not reach this host, nor does its own reach others. TCP does.
    pub fn deafen(&mut self, who: Who) {
        self.deaf.insert(who);
    }

    /// Connects by address, as `--peer` does.
    pub fn link(&mut self, who: Who, peer: Who) {
        self.connect(who, peer, true);
    }

    pub fn say(&mut self, who: Who, text: &str) {
        self.say_in(who, self.lobby(), text);
    }

    pub fn say_in(&mut self, who: Who, room: RoomId, text: &str) {
        self.command(who, |node, now| node.say(room, text, now).expect("can be said").1);
    }

    pub fn say_to(&mut self, who: Who, peer: Who, text: &str) {
        let room = self.converse(who, peer);
        self.say_in(who, room, text);
    }

    pub fn converse(&mut self, who: Who, peer: Who) -> RoomId {
        let peer = self.id(peer);
        let mut room = None;
        self.command(who, |node, now| {
            let (id, effects) = node.converse(peer, now).expect("can converse");
            room = Some(id);
            effects
        });
        room.expect("was opened")
    }

    pub fn join_room(&mut self, who: Who, name: &str) -> RoomId {
        let mut room = None;
        self.command(who, |node, now| {
            let (id, effects) = node.join(name, now).expect("can join");
            room = Some(id);
            effects
        });
        room.expect("was joined")
    }

    pub fn offer_to(&mut self, who: Who, peer: Who, name: &str) -> TransferId {
        let room = self.converse(who, peer);
        self.offer_in(who, room, name)
    }

    pub fn offer_in(&mut self, who: Who, room: RoomId, name: &str) -> TransferId {
        let transfer = TransferId::new(self.id(who), self.dice.bytes());
        let offer = Offer { names: vec![name.to_owned()], files: 1, folders: 0, bytes: 5, manifest: [1; 32] };
        self.command(who, |node, now| node.offer(room, transfer, offer, now).expect("can be offered"));
        transfer
    }

    pub fn command(&mut self, who: Who, command: impl FnOnce(&mut Node, Now) -> Effects) {
        let now = self.now_of(who);
        let effects = command(self.hosts[who.0].node.as_mut().expect("is running"), now);
        self.perform(who, effects);
    }

    /// A datagram from nowhere arrives at a host.
    pub fn inject(&mut self, to: Who, from: Who, bytes: Vec<u8>) {
        self.plan(self.now, Planning::Datagram { to, from, bytes });
    }

    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(Reverse(next)) = self.queue.peek() {
            if next.at > end {
                break;
            }
            let Some(Reverse(next)) = self.queue.pop() else { break };
            self.now = self.now.max(next.at);
            self.happen(next.what);
        }
        self.now = end;
    }

    /// Long enough for everything to reach everybody who can be reached.
    pub fn settle(&mut self) {
        self.run_for(Duration::from_secs(180));
    }

    /// Runs until the condition holds; how long that took.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Lan) -> bool) -> Duration {
        let start = self.now;
        while !done(self) {
            assert!(
                self.now.since(start) < limit,
                "did not come to pass within {limit:?} (seed {})",
                self.seed
            );
            self.run_for(Duration::from_millis(5));
        }
        self.now.since(start)
    }

    /// Loses more or less from now on.
    pub fn set_loss_percent(&mut self, percent: u32) {
        self.loss = f64::from(percent) / 100.0;
    }

    pub fn is_running(&self, who: Who) -> bool {
        self.hosts[who.0].node.is_some()
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Ends of connections that are open.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    /// What a host has of a room on disk, in the order in which it is shown.
    pub fn entries_in(&self, who: Who, room: RoomId) -> Vec<Arc<Entry>> {
        self.hosts[who.0].disk.entries(room)
    }

    pub fn lobby(&self) -> RoomId {
        rooms::open_room_id("default", LOBBY)
    }

    pub fn id(&self, who: Who) -> PeerId {
        self.hosts[who.0].id
    }

    pub fn node(&self, who: Who) -> &Node {
        self.hosts[who.0].node.as_ref().expect("is running")
    }

    pub fn sees(&self, who: Who, peer: Who) -> bool {
        self.node(who).is_online(self.id(peer))
    }

    pub fn transfer_state(&self, who: Who, transfer: TransferId) -> Option<TransferState> {
        self.node(who).transfer(transfer).map(|record| record.state)
    }

    /// The lobby as this host shows it: a line for each message, in order.
    pub fn chat(&self, who: Who) -> String {
        self.chat_in(who, self.lobby())
    }

    pub fn chat_in(&self, who: Who, room: RoomId) -> String {
        let host = &self.hosts[who.0];
        let held = host.node.as_ref().and_then(|node| node.room(room));
        let lines = host.disk.entries(room).into_iter().filter_map(|entry| {
            let author = self.hosts.iter().find(|host| host.id == entry.header.author);
            match held?.read(&entry) {
                Content::Text(text) => Some(format!("{}: {text}\n", author.map_or("?", |host| &host.name))),
                Content::Offer { offer, .. } => Some(format!(
                    "{} offers {}\n",
                    author.map_or("?", |host| &host.name),
                    offer.names.join(", ")
                )),
                _ => None,
            }
        });
        lines.collect()
    }

    #[track_caller]
    pub fn assert_chat(&self, who: Who, expected: &str) {
        assert_eq!(self.chat(who), expected, "what {} sees (seed {})", self.hosts[who.0].name, self.seed);
    }

    /// What happened at this host, in short words.
    pub fn seen(&self, who: Who) -> &[String] {
        &self.hosts[who.0].seen
    }

    fn put_in_segment(&mut self, who: Who, segment: u32) {
        self.segment.insert(who, segment);
        let broken: Vec<ConnId> =
            self.conns.iter().filter(|(_, c)| !self.are_joined(c.owner, c.peer)).map(|(id, _)| *id).collect();
        for conn in broken {
            self.break_conn(conn);
        }
        self.command(who, |node, now| node.handle(Input::NetworkChanged, now));
    }

    fn are_joined(&self, one: Who, other: Who) -> bool {
        let segment = |who| self.segment.get(&who).copied().unwrap_or(0);
        segment(one) == segment(other)
    }

    fn now_of(&self, who: Who) -> Now {
        let skew = self.hosts[who.0].clock_skew_ms;
        let unix = EPOCH_MS + self.now.0 / 1000;
        Now { instant: self.now, unix: UnixMillis(unix.saturating_add_signed(skew)) }
    }

    fn happen(&mut self, what: Planning) {
        match what {
            Planning::Wake(who) => {
                if self.hosts[who.0].woken == Some(self.now) {
                    self.hosts[who.0].woken = None;
                    self.input(who, Input::Timer);
                }
            }
            Planning::Datagram { to, from, bytes } => {
                self.input(to, Input::Datagram { from: address(from, 40_000), bytes: &bytes });
            }
            Planning::Connected { who, conn, dialled, standing } => {
                let Some(known) = self.conns.get_mut(&conn) else { return };
                known.stands = true;
                let peer = known.peer;
                let (peer, remote) = (self.id(peer), address(peer, 24417));
                let direction = if dialled { Direction::Dialled } else { Direction::Accepted };
                self.input(who, Input::Connected { conn, peer, remote, direction, standing });
            }
            Planning::DialFailed { who, peer } => self.input(who, Input::DialFailed { peer }),
            Planning::Frame { conn, bytes } => {
                if let Some(owner) = self.conns.get(&conn).map(|c| c.owner) {
                    self.input(owner, Input::Frame { conn, bytes: &bytes });
                }
            }
            Planning::Served { conn } => {
                if let Some(owner) = self.conns.get(&conn).map(|c| c.owner) {
                    self.input(owner, Input::Served { conn });
                }
            }
            Planning::Closed { conn, who } => {
                self.conns.remove(&conn);
                self.input(who, Input::Closed { conn });
            }
            Planning::Pulled { who, from, transfer } => {
                let alive = self.are_joined(who, from) && self.hosts[from.0].node.is_some();
                let end = if alive { PullEnd::Complete { digest: [9; 32] } } else { PullEnd::Lost };
                if alive {
                    let to = self.id(who);
                    self.input(from, Input::Sent { transfer, to, digest: [9; 32] });
                }
                self.input(who, Input::Pull { transfer, end });
            }
        }
    }

    fn input(&mut self, who: Who, input: Input<'_>) {
        let now = self.now_of(who);
        if let Some(node) = &mut self.hosts[who.0].node {
            let effects = node.handle(input, now);
            self.perform(who, effects);
        }
    }

    fn perform(&mut self, who: Who, effects: Effects) {
        for record in &effects.commit {
            self.hosts[who.0].disk.commit(record);
        }
        for transmit in effects.send {
            match transmit {
                Transmit::Multicast { reach: Reach::Group | Reach::GroupAndBroadcast, bytes } => {
                    self.multicast(who, &bytes)
                }
                Transmit::Frame { conn, bytes } => self.send_frame(conn, bytes),
            }
        }
        for job in effects.run {
            self.run(who, job);
        }
        for event in effects.tell {
            self.note(who, &event);
        }
        self.arm(who);
    }

    fn multicast(&mut self, who: Who, bytes: &[u8]) {
        self.datagrams += 1;
        self.datagram_bytes += bytes.len() as u64;
        if self.deaf.contains(&who) {
            return;
        }
        for to in (0..self.hosts.len()).map(Who) {
            let hears = to != who && self.are_joined(who, to) && !self.deaf.contains(&to);
            if hears && self.dice.fraction() >= self.loss {
                let at = self.now + self.dice.span(self.latency.clone());
                self.plan(at, Planning::Datagram { to, from: who, bytes: bytes.to_vec() });
            }
        }
    }

    fn run(&mut self, who: Who, job: Job) {
        match job {
            Job::Dial { peer, addresses } => {
                self.dials += 1;
                let to = self.host_at(&addresses).filter(|to| self.id(*to) == peer);
                match to.filter(|to| self.are_joined(who, *to) && self.hosts[to.0].node.is_some()) {
                    Some(to) => self.connect(who, to, false),
                    None => self.plan(self.now + Duration::from_secs(5), Planning::DialFailed { who, peer }),
                }
            }
            Job::HangUp { conn } => {
                if let Some(other) = self.conns.get(&conn).map(|c| c.other) {
                    self.close_later(conn);
                    self.close_later(other);
                }
            }
            Job::Serve { conn, room, wanted } => {
                let entries = self.hosts[who.0].disk.ranges(room, &wanted);
                for batch in entries.chunks(ENTRIES_BYTES / 1024) {
                    let entries = batch.iter().map(|entry| entry.encode_in_room()).collect();
                    self.send_frame(conn, Frame::Entries { room, entries }.encode());
                }
                let at = self.conns.get(&conn).map_or(self.now, |c| c.busy_until);
                self.plan(at, Planning::Served { conn });
            }
            Job::Pull { transfer, addresses, .. } => {
                let from = self.host_at(&addresses).unwrap_or(who);
                self.plan(self.now + Duration::from_millis(50), Planning::Pulled { who, from, transfer });
            }
            Job::StopPull { .. } | Job::Shelve { .. } | Job::Unshelve { .. } => {}
        }
    }

    fn host_at(&self, addresses: &[SocketAddr]) -> Option<Who> {
        let hosts = (0..self.hosts.len()).map(Who);
        addresses.iter().find_map(|wanted| hosts.clone().find(|who| address(*who, 24417) == *wanted))
    }

    fn note(&mut self, who: Who, event: &Event) {
        let name = |peer: &PeerId| {
            let host = self.hosts.iter().find(|host| host.id == *peer);
            host.map_or("?".to_owned(), |host| host.name.clone())
        };
        let line = match event {
            Event::PeerOnline(peer) => format!("{} came", name(peer)),
            Event::PeerOffline(peer) => format!("{} left", name(peer)),
            Event::Typing { peer, .. } => format!("{} is writing", name(peer)),
            _ => return,
        };
        self.hosts[who.0].seen.push(line);
    }

    fn arm(&mut self, who: Who) {
        let now = self.now_of(who);
        let Some(node) = &mut self.hosts[who.0].node else { return };
        let Some(deadline) = node.deadline(now) else { return };
        // A deadline that has passed already would never let time go on.
        let at = deadline.max(self.now + Duration::from_micros(1));
        if self.hosts[who.0].woken != Some(at) {
            self.hosts[who.0].woken = Some(at);
            self.plan(at, Planning::Wake(who));
        }
    }

    fn plan(&mut self, at: Instant, what: Planning) {
        self.planned += 1;
        self.queue.push(Reverse(Planned { at: at.max(self.now), order: self.planned, what }));
    }
}

fn address(who: Who, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, (who.0 / 250) as u8, (who.0 % 250 + 1) as u8], port))
}

/// 2026-11-20T00:00:00Z: stories happen at a fixed time.
const EPOCH_MS: u64 = 1_795_132_800_000;
