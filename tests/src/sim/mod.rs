//! A simulated network: nodes, their disks, time, loss, delay and partitions in one process.
//!
//! Everything is decided by the seed: the same story gives the same run.

mod air;
mod conns;
mod disk;
mod ledger;
mod mail;
mod memory;
mod private;
mod world;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use lanyard_proto::effects::{Effects, Input};
use lanyard_proto::identity::{Identity, Verifier};
use lanyard_proto::model::{
    ConnId, Instant, LogId, Now, PeerId, Platform, RoomId, Seq, Span, TransferId, UnixMillis,
};
use lanyard_proto::node::{Node, Profile};
use lanyard_proto::pacing::Dice;
use lanyard_proto::rooms::{self, Content, LOBBY, Offer};
use lanyard_proto::transfer::TransferState;
use lanyard_proto::wire::entry::Entry;

pub use air::{Air, Medium, Tcp, Weather};
use conns::Conn;
use disk::Disk;
pub use ledger::{Ledger, Said, Spent};
use memory::Memory;

/// A device of the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who(usize);

impl Who {
    /// The host that came so many others after the first.
    pub fn of(number: usize) -> Who {
        Who(number)
    }

    /// From 0, in the order in which people came.
    pub fn number(self) -> usize {
        self.0
    }
}

/// The network and everybody on it.
pub struct Lan {
    hosts: Vec<Host>,
    now: Instant,
    queue: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    dice: Dice,
    seed: u64,
    air: Air,
    weather: Weather,
    verifier: Verifier,
    /// Whose key is whose.
    ids: HashMap<PeerId, Who>,
    /// Hosts between which and the others the network drops multicast.
    dropped: BTreeMap<Who, Drops>,
    /// Hosts that take no connection.
    closed: BTreeSet<Who>,
    /// Who is not heard by whom.
    hushed: BTreeSet<(Who, Who)>,
    conns: BTreeMap<ConnId, Conn>,
    next_conn: u64,
    /// Datagrams sent since the start.
    pub datagrams: u64,
    pub datagram_bytes: u64,
    /// Connections dialled since the start, or tried to.
    pub dials: u64,
    pub spent: Spent,
    pub ledger: Ledger,
    /// Everything that went over the network since somebody began to listen.
    pub tape: Option<Vec<Heard>>,
    injected: u64,
}

/// What of the multicast of one host the network drops. TCP passes.
#[derive(Clone, Copy, Debug)]
pub struct Drops {
    /// What it sends.
    pub out: bool,
    /// What comes to it.
    pub into: bool,
    /// Broadcast, too.
    pub broadcast: bool,
}

/// What somebody who sees the whole network sees, TLS taken off.
#[derive(Clone, Debug)]
pub struct Heard {
    pub from: Who,
    /// Over TCP; `None`: to everybody.
    pub to: Option<Who>,
    pub bytes: Vec<u8>,
}

/// The disk of a host as it was once.
pub struct Backup(Disk);

struct Host {
    name: String,
    seed: [u8; 32],
    id: PeerId,
    node: Option<Node>,
    disk: Disk,
    woken: Option<Instant>,
    boots: u64,
    clock_skew_ms: i64,
    /// Hosts of different numbers do not hear each other.
    segment: u32,
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
    Datagram { to: Who, from: Who, bytes: Arc<[u8]> },
    Connected { who: Who, conn: ConnId, dialled: bool, standing: bool },
    DialFailed { who: Who, peer: PeerId },
    Frame { conn: ConnId, bytes: Vec<u8> },
    Served { conn: ConnId },
    Closed { conn: ConnId, who: Who },
    Recalled { who: Who, room: RoomId, log: LogId, seq: Seq },
    Pulled { who: Who, from: Who, transfer: TransferId },
    Reread { who: Who, room: RoomId, epochs: Vec<u32> },
    Collected { conn: ConnId, mailbox: bool, room: RoomId, log: LogId, span: Span },
    Retrieved { who: Who, room: RoomId, ranges: Vec<(LogId, Span)> },
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
            air: Air::default(),
            weather: Weather::default(),
            verifier: Verifier::new(Memory::default()),
            ids: HashMap::new(),
            dropped: BTreeMap::new(),
            closed: BTreeSet::new(),
            hushed: BTreeSet::new(),
            conns: BTreeMap::new(),
            next_conn: 0,
            datagrams: 0,
            datagram_bytes: 0,
            dials: 0,
            spent: Spent::default(),
            ledger: Ledger::default(),
            tape: None,
            injected: 0,
        }
    }

    /// Each datagram is lost on its way to each host with this probability.
    pub fn loss_percent(mut self, percent: u32) -> Lan {
        self.air.loss_in = f64::from(percent) / 100.0;
        self
    }

    /// What lies between the hosts, from the start.
    pub fn over(mut self, air: Air) -> Lan {
        self.air = air;
        self
    }

    pub fn air(&mut self) -> &mut Air {
        &mut self.air
    }

    pub fn now(&self) -> Instant {
        self.now
    }

    pub fn latency_ms(mut self, range: Range<u64>) -> Lan {
        self.air.latency = Duration::from_millis(range.start)..Duration::from_millis(range.end);
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
            segment: 0,
            seen,
        };
        self.ids.insert(host.id, who);
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
            avatar: None,
            tcp_port: 24417,
            network: "default".to_owned(),
        };
        let mut seed = host.seed;
        seed[31] = host.boots as u8;
        let loaded = host.disk.load(now.unix.0);
        let (node, effects) = Node::new(Identity::from_seed(&host.seed), profile, loaded, seed, now);
        host.node = Some(node.verified_by(self.verifier.clone()));
        self.perform(who, effects);
    }

    /// The latest time at which anything stands at somebody.
    pub fn latest(&self, who: Who) -> UnixMillis {
        self.hosts[who.0].disk.latest()
    }

    /// From its next start on a device knows that it was this late once.
    pub fn is_certain(&mut self, who: Who) {
        self.hosts[who.0].disk.certain = self.unix_of(who);
    }

    /// A copy of a host's machine, disk and all, starts beside it: the same key, another address.
    pub fn copy(&mut self, who: Who, name: &str) -> Who {
        let copy = Who(self.hosts.len());
        let original = &self.hosts[who.0];
        let host = Host {
            name: name.to_owned(),
            seed: original.seed,
            id: original.id,
            node: None,
            disk: original.disk.clone(),
            woken: None,
            boots: original.boots + 100,
            clock_skew_ms: original.clock_skew_ms,
            segment: original.segment,
            seen: Vec::new(),
        };
        self.hosts.push(host);
        self.start(copy);
        copy
    }

    /// What a host has on disk, to be put back later.
    pub fn back_up(&self, who: Who) -> Backup {
        Backup(self.hosts[who.0].disk.clone())
    }

    /// A host that does not run has on disk what it had once. Its program takes other logs then, as the store does.
    pub fn put_back(&mut self, who: Who, backup: Backup) {
        let host = &mut self.hosts[who.0];
        assert!(host.node.is_none(), "{} is running", host.name);
        host.disk = backup.0;
        host.disk.begin_other_logs(&mut self.dice);
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
        self.hang_up_all(who);
        self.kill(who);
    }

    /// Somebody sets a clock, which then differs so much from the right one.
    pub fn set_clock(&mut self, who: Who, skew_ms: i64) {
        self.hosts[who.0].clock_skew_ms = skew_ms;
    }

    pub fn cut_off(&mut self, who: Who) {
        self.put_in_segment(who, 1000 + who.0 as u32);
    }

    pub fn reconnect(&mut self, who: Who) {
        self.put_in_segment(who, 0);
    }

    /// Multicast does not reach this host, nor does its own reach others. TCP does.
    pub fn deafen(&mut self, who: Who) {
        self.drop_of(who, Drops { out: true, into: true, broadcast: true });
    }

    /// The network drops of what this host multicasts, and of what comes to it, what is said here.
    pub fn drop_of(&mut self, who: Who, drops: Drops) {
        self.dropped.insert(who, drops);
    }

    /// What this host multicasts does not reach that one. TCP does, and so does what that one multicasts.
    pub fn hush(&mut self, who: Who, to: Who) {
        self.hushed.insert((who, to));
    }

    /// The firewall of this host lets no connection in.
    pub fn close_tcp(&mut self, who: Who) {
        self.closed.insert(who);
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
        self.plan(self.now, Planning::Datagram { to, from, bytes: bytes.into() });
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
        self.air.loss_in = f64::from(percent) / 100.0;
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

    /// What somebody's clock says.
    pub fn unix_of(&self, who: Who) -> UnixMillis {
        self.now_of(who).unix
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
            let author = self.ids.get(&entry.header.author).map(|who| &self.hosts[who.0]);
            match held.filter(|held| held.counts(&entry))?.read(&entry) {
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
        self.part(&[who], segment);
        self.command(who, |node, now| node.handle(Input::NetworkChanged, now));
    }

    /// Hosts of different segments do not hear each other; nobody is told, as when a cable between switches is pulled.
    pub fn part(&mut self, hosts: &[Who], segment: u32) {
        for who in hosts {
            self.hosts[who.0].segment = segment;
        }
        let broken: Vec<ConnId> =
            self.conns.iter().filter(|(_, c)| !self.are_joined(c.owner, c.peer)).map(|(id, _)| *id).collect();
        for conn in broken {
            self.break_conn(conn);
        }
    }

    fn are_joined(&self, one: Who, other: Who) -> bool {
        self.hosts[one.0].segment == self.hosts[other.0].segment
    }

    fn now_of(&self, who: Who) -> Now {
        let skew = self.hosts[who.0].clock_skew_ms;
        let unix = EPOCH_MS + self.now.0 / 1000;
        Now { instant: self.now, unix: UnixMillis(unix.saturating_add_signed(skew)) }
    }
}

fn address(who: Who, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, (who.0 / 250) as u8, (who.0 % 250 + 1) as u8], port))
}

/// 2026-11-20T00:00:00Z: stories happen at a fixed time.
const EPOCH_MS: u64 = 1_795_132_800_000;
