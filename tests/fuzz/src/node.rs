//! A whole device, told what the fuzzer makes up: other devices that sign whatever they like, connections, time, people.
//!
//! ```text
//!   input = silence operation*      operation = which, arguments
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use lanyard_proto::effects::{Direction, Effects, Input, Job, Loaded, Place, Record};
use lanyard_proto::identity::{Identity, Verifier};
use lanyard_proto::log::NO_ENTRY;
use lanyard_proto::model::{
    ConnId, EntryId, Hlc, Instant, LogId, Now, PeerId, Platform, RoomId, Seq, TransferId, UnixMillis,
};
use lanyard_proto::node::{Node, Profile};
use lanyard_proto::rooms::{self, LOBBY, Offer, RoomKeys};
use lanyard_proto::transfer::{Failure, PullEnd};
use lanyard_proto::wire::compact::Packer;
use lanyard_proto::wire::datagram::{
    Announcement, Envelope, FRAGMENT_BYTES, Fragment, Head, Heads, MAX_BODY, MAX_FRAGMENTS, MAX_PIECES,
    NetworkTag, Pieces, Query, RoomPacket, Wanted, kind,
};
use lanyard_proto::wire::entry::{Entry, Header, Unverified, log_id};
use lanyard_proto::wire::frame::{Frame, Hello};
use lanyard_proto::wire::probe::{Probe, Reached, Sent};

use crate::feed::Feed;
use crate::mail::Stock;

/// Plays one input.
///
/// # Panics
/// If the device does, or breaks its contract: deadlines lead on, effects are bounded, commits continue their logs.
pub fn play(bytes: &[u8]) {
    let mut world = World::new();
    let mut feed = Feed(bytes);
    let Some(silence) = feed.byte() else { return };
    for _ in 0..MAX_OPERATIONS {
        if world.operation(&mut feed).is_none() {
            break;
        }
        world.check_deadline();
    }
    // Long silences find what goes on for ever, and cost a second: one input in sixteen.
    if silence % 16 == 0 {
        world.idle();
    }
}

pub struct World {
    node: Node,
    now: Instant,
    pub(crate) unix: u64,
    /// How far each other device's chain is, per room.
    chains: BTreeMap<(usize, RoomId), (Seq, EntryId)>,
    counters: [u64; OTHERS],
    conns: Vec<(ConnId, usize)>,
    next_conn: u64,
    transfers: Vec<TransferId>,
    committed: BTreeMap<(RoomId, LogId), (Seq, EntryId)>,
    stock: Stock,
}

impl World {
    fn new() -> World {
        let profile = Profile {
            name: "fuzz".to_owned(),
            platform: Platform::Linux, avatar: None,
            tcp_port: 24417,
            network: NETWORK.to_owned(),
        };
        let loaded = Loaded { boot: 1, ..Loaded::default() };
        let start = Now { instant: Instant(1_000_000), unix: UnixMillis(START_MS) };
        let (node, effects) = Node::new(Identity::from_seed(&[1; 32]), profile, loaded, [7; 32], start);
        let mut world = World {
            node,
            now: start.instant,
            unix: START_MS,
            chains: BTreeMap::new(),
            counters: [0; OTHERS],
            conns: Vec::new(),
            next_conn: 0,
            transfers: Vec::new(),
            committed: BTreeMap::new(),
            stock: Stock::default(),
        };
        world.check(&effects);
        world
    }

    fn operation(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        match feed.one_of(17)? {
            0 => self.announcement(feed),
            1 => self.raw_datagram(feed),
            2 | 3 => self.room_packet(feed),
            4 => self.connect(feed),
            5 => self.connection_event(feed),
            6 | 7 => self.frame(feed),
            8 => self.wait(feed),
            9 => self.wait_for_deadlines(feed),
            10 => self.speak(feed),
            11 => self.enter(feed),
            12 => self.offer(feed),
            13 => self.transfer(feed),
            14 => self.goodbye(feed),
            15 => self.surroundings(feed),
            _ => self.carry(feed),
        }
    }

    fn announcement(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        let who = feed.one_of(OTHERS)?;
        let (port, interval, flags) = (feed.number()? as u16, feed.number()? as u16, feed.byte()?);
        let query = if flags & 1 == 0 { Query::No } else { Query::Yes };
        let port = if flags & 2 == 0 { 24417 } else { port };
        let said = Announcement::new(&feed.text()?, Platform::Macos, port, interval, 1, query);
        self.datagram(who, kind::ANNOUNCE, &said.encode(), flags & 4 != 0);
        Some(())
    }

    fn raw_datagram(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        let (who, kind, how) = (feed.one_of(OTHERS)?, feed.byte()?, feed.byte()?);
        if how & 2 != 0 {
            self.counters[who] = feed.number()?;
        }
        let body = feed.bytes()?;
        if how & 1 == 0 {
            self.datagram(who, kind, body, how & 4 != 0);
        } else {
            let from = address(who);
            self.input(Input::Datagram { from, bytes: body });
        }
        Some(())
    }

    fn room_packet(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        let (who, room, what) = (feed.one_of(OTHERS)?, self.room(feed)?, feed.one_of(5)?);
        let (kind, packet) = match what {
            0 => {
                let entries = packed(room, id(who), self.entries(who, room, feed)?);
                let packet = RoomPacket::Data { entries, heads: self.heads(room, feed)? };
                (packet.kind(), packet.encode())
            }
            1 => {
                let digest = [feed.byte()?; 16];
                let (logs, fetch) = (feed.number()? as u32, feed.byte()? & 1 == 1);
                let heads = self.held(room, feed)?;
                let said = Heads { digest, logs, heads, fetch, partial: feed.byte()? & 1 == 1 };
                (kind::HEADS, RoomPacket::Heads(said).encode())
            }
            2 => {
                let count = feed.number()? as u32;
                let heads = self.heads(room, feed)?;
                let missing = feed.number()? as u16;
                let pieces = heads.iter().take(MAX_PIECES);
                let pieces = pieces.map(|(log, seq)| Pieces { log: *log, seq: *seq, missing }).collect();
                let wanted = heads.into_iter().map(|(log, from)| Wanted { log, from, count }).collect();
                (kind::NACK, RoomPacket::Nack { wanted, pieces }.encode())
            }
            3 => {
                let (log, seq) = self.heads(room, feed)?.first().copied().unwrap_or((LogId([1; 8]), Seq(1)));
                let id = [feed.byte()?; 8];
                let (index, count) =
                    (feed.one_of(MAX_FRAGMENTS)? as u8, feed.one_of(MAX_FRAGMENTS)? as u8 + 1);
                let bytes = feed.bytes()?.iter().copied().take(FRAGMENT_BYTES).collect();
                let piece = Fragment { log, seq, id, index, count, bytes };
                (kind::FRAGMENT, RoomPacket::Fragment(piece).encode())
            }
            _ => (kind::DATA + feed.one_of(4)? as u8, feed.bytes()?.to_vec()),
        };
        let keys = keys(who, room);
        let envelope = self.envelope(who, kind);
        let body = keys.seal_packet(&envelope, keys.tag(room, id(who), UnixMillis(self.unix)), &packet)?;
        self.signed(who, &envelope, &body, feed.byte()? & 1 == 1);
        Some(())
    }

    fn connect(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        let (who, how) = (feed.one_of(OTHERS)?, feed.byte()?);
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.conns.push((conn, who));
        let direction = if how & 1 == 0 { Direction::Accepted } else { Direction::Dialled };
        let (peer, remote) = (id(who), Some(address(who)));
        self.input(Input::Connected {
            conn,
            peer,
            remote,
            direction,
            standing: how & 2 != 0,
            exporter: [7; 32],
        });
        if how & 4 == 0 {
            let hello = Hello { min_version: 1, max_version: 1, standing: how & 8 != 0, run: None, hears: false };
            self.input(Input::Frame { conn, bytes: &Frame::Hello(hello).encode() });
        }
        Some(())
    }

    fn connection_event(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        match feed.one_of(3)? {
            0 => self.input(Input::DialFailed { peer: id(feed.one_of(OTHERS)?) }),
            1 => {
                let (conn, _) = self.conn(feed)?;
                self.input(Input::Served { conn });
            }
            _ => {
                let (conn, _) = self.conn(feed)?;
                self.conns.retain(|(open, _)| *open != conn);
                self.input(Input::Closed { conn });
            }
        }
        Some(())
    }

    fn wait(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        // Up to about two hours, finest where most happens.
        let span = Duration::from_micros(1 << feed.one_of(33)?);
        self.pass(span);
        self.input(Input::Timer);
        Some(())
    }

    fn wait_for_deadlines(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        for _ in 0..feed.byte()? {
            let Some(deadline) = self.node.deadline(self.time()) else { break };
            self.pass(deadline.since(self.now));
            self.input(Input::Timer);
            self.check_deadline();
        }
        Some(())
    }

    fn speak(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        let (room, now) = (self.room(feed)?, self.time());
        let text = feed.text()?;
        let repeated = text.repeat(1 + feed.one_of(32)?);
        if let Ok((_, effects)) = self.node.say(room, &repeated, now) {
            self.check(&effects);
        }
        Some(())
    }

    fn enter(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        let now = self.time();
        let effects = match feed.one_of(4)? {
            0 => self.node.join(&feed.text()?, now).map(|(_, effects)| effects),
            1 => self.node.join(ROOM_NAME, now).map(|(_, effects)| effects),
            2 => self.node.converse(id(feed.one_of(OTHERS)?), now).map(|(_, effects)| effects),
            _ => {
                let room = self.room(feed)?;
                self.node.leave(room, now)
            }
        };
        if let Ok(effects) = effects {
            self.check(&effects);
        }
        Some(())
    }

    fn offer(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        let (room, transfer, now) = (self.room(feed)?, TransferId([feed.byte()?; 16]), self.time());
        self.transfers.push(transfer);
        let offer = Offer {
            names: vec![feed.text()?],
            files: 1,
            folders: 0,
            bytes: feed.number()?,
            manifest: [0; 32],
        };
        if let Ok(effects) = self.node.offer(room, transfer, offer, now) {
            self.check(&effects);
        }
        Some(())
    }

    fn transfer(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        let known: Vec<TransferId> =
            self.node.transfers().map(|record| record.id).chain(self.transfers.clone()).collect();
        let what = feed.one_of(13)?;
        let which = feed.one_of(known.len().max(1))?;
        let transfer = known.get(which).copied().unwrap_or(TransferId([0; 16]));
        let now = self.time();
        let digest = [feed.byte()? & 1; 32];
        let effects = match what {
            0 => self.node.accept(transfer, now),
            1 => self.node.decline(transfer, now),
            2 => self.node.cancel(transfer, now),
            3 => {
                let to = id(feed.one_of(OTHERS)?);
                Ok(self.node.handle(Input::Sent { transfer, to, digest }, now))
            }
            8 => self.node.pause(transfer, now),
            9 => self.node.resume(transfer, now),
            10 => self.node.forget_transfer(transfer, now),
            11 => {
                let before = feed.one_of(known.len() + 1)?;
                self.node.reorder(transfer, known.get(before).copied(), now)
            }
            _ => {
                let end = match what {
                    4 => PullEnd::Complete { digest },
                    5 => PullEnd::Failed(Failure::DiskFull),
                    12 => PullEnd::Held,
                    _ => PullEnd::Lost,
                };
                Ok(self.node.handle(Input::Pull { transfer, end }, now))
            }
        };
        if let Ok(effects) = effects {
            self.check(&effects);
        }
        Some(())
    }

    fn goodbye(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        let who = feed.one_of(OTHERS)?;
        self.datagram(who, kind::BYE, &[], false);
        Some(())
    }

    fn surroundings(&mut self, feed: &mut Feed<'_>) -> Option<()> {
        match feed.one_of(7)? {
            0 => self.input(Input::NetworkChanged),
            3 => {
                let sent = if feed.byte()? & 1 == 1 { Sent::Multicast } else { Sent::Broadcast };
                let probe = Probe { sent, lonely: feed.byte()? & 1 == 1 };
                self.datagram(feed.one_of(OTHERS)?, kind::PROBE, &probe.encode(), feed.byte()? & 1 == 1);
            }
            4 => {
                let (peer, now) = (id(feed.one_of(OTHERS)?), self.time());
                let mut effects = self.node.begin_probing(now);
                effects.extend(self.node.probe(peer, Vec::new(), now));
                self.check(&effects);
            }
            5 => {
                let (conn, _) = self.conn(feed)?;
                self.input(Input::Probed { conn, reached: Reached::Refused });
            }
            6 => {
                let effects = self.node.end_probing();
                self.check(&effects);
            }
            1 => self.unix = START_MS.wrapping_add(feed.number()?),
            _ => {
                let (name, now) = (feed.text()?, self.time());
                let effects = self.node.introduce(Some(&name), None, now);
                self.check(&effects);
            }
        }
        Some(())
    }

    pub(crate) fn datagram(&mut self, who: usize, kind: u8, body: &[u8], elsewhere: bool) {
        let envelope = self.envelope(who, kind);
        self.signed(who, &envelope, body, elsewhere);
    }

    fn signed(&mut self, who: usize, envelope: &Envelope, body: &[u8], elsewhere: bool) {
        let bytes = envelope.sign(other(who), &body[..body.len().min(MAX_BODY)]);
        let from = if elsewhere { address(OTHERS + who) } else { address(who) };
        self.input(Input::Datagram { from, bytes: &bytes });
    }

    pub(crate) fn envelope(&mut self, who: usize, kind: u8) -> Envelope {
        self.counters[who] = self.counters[who].wrapping_add(1);
        let (counter, network) = (self.counters[who], NetworkTag::of(NETWORK));
        Envelope { kind, boot: 1, counter, network, sender: id(who) }
    }

    /// Entries that somebody wrote: continuing their log, beyond a gap, against it, or no entries at all.
    pub fn entries(&mut self, who: usize, room: RoomId, feed: &mut Feed<'_>) -> Option<Vec<Vec<u8>>> {
        (0..feed.one_of(5)?).map(|_| self.entry(who, room, feed)).collect()
    }

    fn entry(&mut self, who: usize, room: RoomId, feed: &mut Feed<'_>) -> Option<Vec<u8>> {
        let how = feed.byte()?;
        if how & 7 == 7 {
            return Some(feed.bytes()?.to_vec());
        }
        let author = if how & 8 == 0 { who } else { feed.one_of(OTHERS)? };
        let (head, head_id) = self.chains.get(&(author, room)).copied().unwrap_or((Seq(0), NO_ENTRY));
        let (seq, prev) = match how & 3 {
            3 => (Seq(feed.number()?.clamp(1, u64::MAX - 1)), EntryId([feed.byte()?; 32])),
            _ => (head.next(), head_id),
        };
        let nonce = if how & 16 == 0 { 1 } else { feed.number()? };
        let hlc = Hlc::at(UnixMillis(self.unix.wrapping_add(feed.number()?)));
        let kind = [1, 5, 15, 200][feed.one_of(4)?];
        let header =
            Header { room, author: id(author), nonce, epoch: 0, seq, prev: prev.0, hlc, deps: vec![], kind };
        let said = feed.bytes()?;
        let body = keys(author, room).seal_body(&header, [feed.byte()?; 24], said)?;
        let entry = Entry::write(other(author), header, body);
        if how & 3 != 3 && how & 16 == 0 {
            self.chains.insert((author, room), (seq, entry.id()));
        }
        Some(entry.encode_in_room())
    }

    fn heads(&mut self, room: RoomId, feed: &mut Feed<'_>) -> Option<Vec<(LogId, Seq)>> {
        let one = |feed: &mut Feed<'_>| {
            let log = match feed.one_of(OTHERS + 2)? {
                who if who < OTHERS => log_id(id(who), 1),
                who if who == OTHERS => self.node.room(room).map_or(LogId([0; 8]), |room| room.own_log()),
                _ => LogId([feed.byte()?; 8]),
            };
            Some((log, Seq(feed.number()?)))
        };
        (0..feed.one_of(9)?).map(|_| one(feed)).collect()
    }

    pub(crate) fn held(&mut self, room: RoomId, feed: &mut Feed<'_>) -> Option<Vec<Head>> {
        let heads = self.heads(room, feed)?.into_iter();
        heads
            .map(|(log, seq)| {
                let (base, check) = (feed.number()?, feed.byte()?);
                let base = if check & 1 == 0 { Seq(0) } else { Seq(base) };
                Some(Head { log, seq, base, check: (check & 2 != 0).then_some(u32::from(check)) })
            })
            .collect()
    }

    pub(crate) fn room(&mut self, feed: &mut Feed<'_>) -> Option<RoomId> {
        let me = self.node.me();
        Some(match feed.one_of(OTHERS + 3)? {
            who if who < OTHERS => rooms::direct_room_id(me, id(who)),
            who if who == OTHERS => rooms::open_room_id(NETWORK, ROOM_NAME),
            _ => rooms::open_room_id(NETWORK, LOBBY),
        })
    }

    pub(crate) fn conn(&mut self, feed: &mut Feed<'_>) -> Option<(ConnId, usize)> {
        let which = feed.one_of(self.conns.len().max(1))?;
        Some(self.conns.get(which).copied().unwrap_or((ConnId(u64::MAX), 0)))
    }

    pub fn me(&self) -> PeerId {
        self.node.me()
    }

    fn time(&self) -> Now {
        Now { instant: self.now, unix: UnixMillis(self.unix) }
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        self.unix = self.unix.saturating_add(span.as_millis() as u64);
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        let now = self.time();
        let effects = self.node.handle(input, now);
        self.check(&effects);
        for _ in effects.run.iter().filter(|job| matches!(job, Job::Recall { .. })) {
            self.input(Input::Recalled { entry: None });
        }
        for job in &effects.run {
            if let Job::Retrieve { room, ranges } = job {
                assert!(ranges.len() <= 64 && ranges.iter().all(|(_, span)| !span.is_empty()), "{ranges:?}");
                self.input(Input::Retrieved { room: *room, entries: Vec::new() });
            }
        }
        for collected in effects.run.iter().filter_map(|job| self.stock.collected(job)).collect::<Vec<_>>() {
            self.input(collected);
        }
    }

    fn check(&mut self, effects: &Effects) {
        let count = effects.commit.len() + effects.send.len() + effects.run.len() + effects.tell.len();
        assert!(count <= MAX_EFFECTS, "{count} effects of one input");
        self.stock.check(self.node.me(), effects);
        for record in &effects.commit {
            match record {
                Record::Entry { room, entry, .. } => {
                    let (head, head_id) =
                        self.committed.get(&(*room, entry.log())).copied().unwrap_or((Seq(0), NO_ENTRY));
                    assert_eq!(entry.header.seq, head.next(), "an entry continues its log");
                    assert_eq!(entry.header.prev, head_id.0, "an entry names the one before");
                    self.committed.insert((*room, entry.log()), (entry.header.seq, entry.id()));
                }
                Record::Run { room, entries, place, .. } => {
                    for pair in entries.windows(2) {
                        assert_eq!(pair[1].header.prev, pair[0].id().0, "entries of a run follow each other");
                    }
                    let last = entries.last().expect("a run is not empty");
                    if *place == Place::Ahead {
                        self.committed.insert((*room, last.log()), (last.header.seq, last.id()));
                    }
                }
                Record::RoomLeft(left) => self.committed.retain(|(room, _), _| room != left),
                _ => {}
            }
        }
        for job in &effects.run {
            if let Job::Serve { room, wanted, .. } = job {
                for (log, range) in wanted {
                    let (head, _) = self.committed.get(&(*room, *log)).copied().unwrap_or((Seq(0), NO_ENTRY));
                    assert!(*range.start() >= 1 && *range.end() <= head.0, "only what is here is served");
                }
            }
        }
    }

    /// Whoever waits for the deadline and says so gets further.
    fn check_deadline(&mut self) {
        for _ in 0..MAX_STANDSTILL {
            match self.node.deadline(self.time()) {
                Some(deadline) if deadline <= self.now => self.input(Input::Timer),
                _ => return,
            }
        }
        panic!("the deadline stands still");
    }

    /// A quarter of an hour in which nothing comes from outside, and nobody can be reached.
    fn idle(&mut self) {
        for (conn, _) in std::mem::take(&mut self.conns) {
            self.input(Input::Closed { conn });
        }
        for who in 0..OTHERS {
            self.input(Input::DialFailed { peer: id(who) });
        }
        let end = self.now + Duration::from_secs(900);
        for _ in 0..MAX_WAKES {
            let Some(deadline) = self.node.deadline(self.time()).filter(|deadline| *deadline <= end) else {
                return;
            };
            self.pass(deadline.since(self.now));
            self.input(Input::Timer);
            self.check_deadline();
        }
        panic!("a device that hears nothing wakes {MAX_WAKES} times in a quarter of an hour");
    }
}

/// Entries as they travel in a datagram; what is none is left as it is.
fn packed(room: RoomId, sender: PeerId, entries: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut packer = Packer::new(sender);
    let mut nonsense = Vec::new();
    for bytes in entries {
        let read =
            Unverified::decode_in_room(room, &bytes).and_then(|read| read.verify(&Verifier::default()));
        match read {
            Ok(entry) => packer.push(&entry),
            Err(_) => nonsense.push(bytes),
        }
    }
    [packer.finish(), nonsense].concat()
}

pub fn other(who: usize) -> &'static Identity {
    static OTHER: OnceLock<[Identity; OTHERS]> = OnceLock::new();
    &OTHER.get_or_init(|| core::array::from_fn(|n| Identity::from_seed(&[n as u8 + 2; 32])))[who % OTHERS]
}

pub fn id(who: usize) -> PeerId {
    static IDS: OnceLock<[PeerId; OTHERS]> = OnceLock::new();
    IDS.get_or_init(|| core::array::from_fn(|n| other(n).peer_id()))[who % OTHERS]
}

/// What a device knows of a room: of the direct conversation with the one under test, its key.
pub(crate) fn keys(who: usize, room: RoomId) -> RoomKeys {
    static ME: OnceLock<PeerId> = OnceLock::new();
    let me = *ME.get_or_init(|| Identity::from_seed(&[1; 32]).peer_id());
    if room != rooms::direct_room_id(me, id(who)) {
        return RoomKeys::Open;
    }
    other(who).agree(me).map_or(RoomKeys::Open, RoomKeys::Sealed)
}

pub(crate) fn address(who: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, who as u8 + 2], 40_000))
}

const NETWORK: &str = "default";
const ROOM_NAME: &str = "design";
/// Other devices on the network.
pub const OTHERS: usize = 3;
/// 2026-11-20T00:00:00Z.
const START_MS: u64 = 1_795_132_800_000;
const MAX_OPERATIONS: usize = 256;
/// A frame may bring as many entries as it holds, each with a commit and an event, and free as many that waited.
const MAX_EFFECTS: usize = 4096;
const MAX_STANDSTILL: usize = 50;
/// Four a second.
const MAX_WAKES: usize = 3600;
