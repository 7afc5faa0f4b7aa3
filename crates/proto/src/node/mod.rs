//! The whole device: holds the machines, routes what happens to them, joins what they want done.
//!
//! ```text
//!   datagrams  presence and rooms over UDP
//!   links      catching up over TCP
//!   commands   what people do
//!   absorb     what was received in a room
//!   clocks     what time it is, by this device's clock and the others'
//!   room       what is known of one room
//!   roster     who is here and which rooms there are, over TCP
//!   unheard    those whom multicast does not reach
//!   carrying   what comes from them over a link is said on the group; passing is what goes over the link for that
//!   forks      logs that contradict themselves
//!   messages   what they write
//!   private    who is in private rooms; members and joining are what is done about it
//!   deeds      what says who is in a private room, apart from the logs that it stands in
//!   keyring    the keys of private rooms
//!   sharing    what is asked for of shared folders
//!   trust      what a person decided about somebody
//!   detours    devices that cannot be dialled are asked to dial, and others are joined
//!   errands    what is to be said to a certain device
//!   probing    what the network lets through, found out with others
//!   calls      who is in the calls of rooms, and who hears whom there
//!   mailbox    what is kept for others; posting and taking are what others keep of this device, and for it
//! ```

mod absorb;
mod calls;
mod carrying;
mod clocks;
mod commands;
mod datagrams;
mod deeds;
mod detours;
mod errands;
mod forks;
mod joining;
mod keyring;
mod linking;
mod links;
mod mailbox;
mod members;
mod membership;
mod messages;
mod passing;
mod posting;
mod private;
mod probing;
mod queue;
mod retry;
mod room;
mod roster;
mod sharing;
mod tags;
mod taking;
mod trust;
mod unheard;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::detour::Detours;
use crate::effects::{
    Audience, Effects, Event, Input, Loaded, LoadedRoom, Record, RoomRecord, TransferRecord, Trust,
};
use crate::identity::{Identity, Verifier};
use crate::log::{Priority, Replica, Session};
use crate::model::{ConnId, Hlc, Instant, LogId, Now, PeerId, Platform, RoomId, TransferId, UnixMillis};
use crate::pacing::{Air, Dice, HOST_LIMIT, TokenBucket, earliest};
use crate::presence::Presence;
use crate::rooms::{self, Epochs, LOBBY, RoomKeys, RoomKind, Standing};
use crate::transfer::Transfers;
use crate::wire::avatar::Avatar;
use crate::wire::datagram::{NetworkTag, Query};
use crate::wire::entry::{Entry, Signed, log_id};

use absorb::History;
use calls::Calls;
use carrying::Carrying;
use clocks::Clocks;
use roster::{Roster, reachable};

pub use calls::{CallKey, OngoingCall, Participant};
pub use commands::Refusal;
pub use datagrams::Dropped;
pub use members::{MAX_INVITE, MAX_INVITES};
pub use membership::Membership;
pub use probing::{Findings, Found, Known};
pub use roster::KnownRoom;

use errands::Errands;
use joining::Knocks;
use linking::Linking;
use mailbox::Mailbox;
use passing::Passing;
use private::Private;
use probing::Probing;
use tags::Tags;
use unheard::Unheard;

/// A device on the network, without its sockets, clock and disk.
pub struct Node {
    identity: Identity,
    me: PeerId,
    profile: Profile,
    network: NetworkTag,
    boot: u64,
    counter: u64,
    /// The clock reading of the newest message, and the highest one of anything that this device wrote.
    clock: Hlc,
    highest: Hlc,
    clocks: Clocks,
    dice: Dice,
    bucket: TokenBucket,
    air: Air,
    presence: Presence,
    roster: Roster,
    rooms: BTreeMap<RoomId, Room>,
    tags: Tags,
    sessions: BTreeMap<ConnId, Session>,
    /// The connection whose turn it was last to be sent entries.
    served_last: Option<ConnId>,
    dialling: BTreeMap<PeerId, detours::Dialling>,
    /// When standing connections are next told what is here.
    remind_at: Option<Instant>,
    unheard: Unheard,
    linking: Linking,
    carrying: Carrying,
    passing: Passing,
    probing: Probing,
    transfers: Transfers,
    errands: Errands,
    mail: Mailbox,
    knocks: Knocks,
    detours: Detours,
    calls: Calls,
    /// Headers that contradict what the store is being asked for.
    contradictions: BTreeMap<(RoomId, LogId), Signed>,
    /// Since when a copy of this device is known of.
    cloned: Option<UnixMillis>,
    dropped: BTreeMap<Dropped, u64>,
    /// Whether the last input was dropped.
    idle: bool,
    /// What [`Node::deadline`] said last.
    due: Option<Instant>,
    verifier: Verifier,
}

/// What this device says about itself.
#[derive(Clone, Debug)]
pub struct Profile {
    pub name: String,
    pub platform: Platform,
    /// Absent where its person chose none.
    pub avatar: Option<Avatar>,
    /// Where this device accepts TLS connections.
    pub tcp_port: u16,
    /// Devices of other networks' names do not see each other.
    pub network: String,
}

/// A room that this device takes part in.
pub struct Room {
    record: RoomRecord,
    me: PeerId,
    keys: RoomKeys,
    replica: Replica,
    private: Option<Box<Private>>,
    history: History,
    /// For how long history is kept; for ever if absent.
    kept: Option<Duration>,
    /// When somebody last wrote here, by their clock; zero if that is not known.
    active: UnixMillis,
    typing: messages::Typing,
}

impl Node {
    /// Starts where the last run ended. The lobby is joined if it was not.
    pub fn new(
        identity: Identity,
        profile: Profile,
        loaded: Loaded,
        seed: [u8; 32],
        now: Now,
    ) -> (Node, Effects) {
        let me = identity.peer_id();
        let mut dice = Dice::seeded(seed);
        let mut node = Node {
            me,
            network: NetworkTag::of(&profile.network),
            profile,
            boot: loaded.boot,
            counter: 0,
            clock: loaded.clock,
            highest: loaded.clock,
            clocks: Clocks::since(loaded.latest, loaded.certain, now),
            bucket: TokenBucket::new(HOST_LIMIT as u32, HOST_BURST_BYTES, now.instant),
            air: Air::new(now.instant),
            presence: Presence::new(me, loaded.peers, now, &mut dice),
            dice,
            roster: Roster::default(),
            rooms: BTreeMap::new(),
            tags: Tags::default(),
            sessions: BTreeMap::new(),
            served_last: None,
            dialling: BTreeMap::new(),
            remind_at: None,
            unheard: Unheard::default(),
            linking: Linking::default(),
            carrying: Carrying::new(now.instant),
            passing: Passing::default(),
            probing: Probing::default(),
            transfers: Transfers::new(me),
            errands: Errands::default(),
            mail: Mailbox::new(me, now.instant),
            knocks: Knocks::default(),
            detours: Detours::default(),
            calls: Calls::default(),
            contradictions: BTreeMap::new(),
            cloned: loaded.cloned,
            dropped: BTreeMap::new(),
            idle: false,
            due: None,
            verifier: Verifier::default(),
            identity,
        };
        let mut effects = Effects::default();
        for room in &loaded.rooms {
            effects.extend(node.load_room(room));
        }
        for record in loaded.transfers {
            let between = record.other_side(me).map(RoomKind::Direct);
            let kind = between.or_else(|| node.rooms.get(&record.room).map(|room| room.record.kind));
            if let Some(kind) = kind {
                effects.extend(node.transfers.load(record, kind, now.instant));
            }
        }
        effects.extend(node.transfers.give_up_old(now.unix));
        node.transfers.stamp(&mut effects, now.unix);
        effects.extend(node.load_mail(loaded.mail));
        let lobby = rooms::open_room_id(&node.profile.network, LOBBY);
        if !node.rooms.contains_key(&lobby) {
            effects.extend(node.add_room(lobby, RoomKind::Open, LOBBY, now));
        }
        (node, effects)
    }

    /// Lets somebody else check signatures for this node, from its start.
    #[must_use]
    pub fn verified_by(mut self, verifier: Verifier) -> Node {
        for room in self.rooms.values_mut() {
            room.replica.verified_by(verifier.clone());
        }
        self.mail.holding.verified_by(verifier.clone());
        self.verifier = verifier;
        self
    }

    /// Something happened.
    pub fn handle(&mut self, input: Input<'_>, now: Now) -> Effects {
        self.idle = false;
        self.notice_clock(now);
        let mut effects = match input {
            Input::Datagram { from, bytes } => self.datagram(from, bytes, now),
            Input::Timer => Effects::default(),
            Input::NetworkChanged => {
                self.presence.network_changed(now.instant, &mut self.dice);
                self.detours.ways.forget();
                self.greet_rooms(None, now);
                self.linking.look_soon(now.instant);
                Effects::default()
            }
            Input::Connected { conn, peer, remote, direction, standing, exporter } => {
                self.errands.keep_exporter(conn, exporter);
                self.connected(conn, peer, remote, direction, standing, now)
            }
            Input::DialFailed { peer } => self.dial_failed(peer, now),
            Input::Probed { conn, reached } => {
                self.probed(conn, reached);
                Effects::default()
            }
            Input::Frame { conn, bytes } => self.frame(conn, bytes, now),
            Input::Served { conn } => self.served(conn, now),
            Input::Closed { conn } => self.closed(conn, now),
            Input::Recalled { entry } => self.recalled(entry, now),
            Input::Pruned { room, log, to, to_id } => {
                if let Some(held) = self.rooms.get_mut(&room) {
                    held.replica.forget(log, to, to_id);
                }
                Effects::default()
            }
            Input::Pull { transfer, end } => {
                let (mut effects, said) = self.transfers.pulled(transfer, end, now.instant);
                effects.extend(self.say_if_in_room(said, now));
                effects
            }
            Input::Sent { transfer, to, digest } => {
                self.transfers.sent(transfer, to, digest);
                Effects::default()
            }
            Input::Reread { room, entries } => self.reread(room, entries, now),
            Input::Collected { conn, stock, room, log, entries } => {
                self.collected(conn, stock, (room, log), &entries, now)
            }
            Input::Retrieved { room, entries } => {
                if let Some(held) = self.rooms.get_mut(&room) {
                    held.replica.retrieved(entries, now.instant, &mut self.dice);
                }
                Effects::default()
            }
        };
        // What was dropped changes nothing: a flood must not make every machine look at its clock.
        if !self.idle || self.due.is_none_or(|due| due <= now.instant) {
            effects.extend(self.advance(now));
        }
        self.transfers.stamp(&mut effects, now.unix);
        effects
    }

    /// When to call again with [`Input::Timer`] at the latest.
    pub fn deadline(&mut self, now: Now) -> Option<Instant> {
        let timers = self.rooms.values().filter_map(|room| room.replica.deadline()).min();
        // What is due now and was not sent waits for the bucket.
        let timers =
            timers.map(|at| if at <= now.instant { self.packet_allowed_at(now.instant) } else { at });
        let machines = earliest(self.presence.deadline(), self.transfers.deadline());
        let machines = earliest(machines, earliest(self.private_deadline(), self.mail.deadline()));
        let machines = earliest(machines, earliest(self.serve_deadline(), self.detours.deadline()));
        let links = earliest(self.carry_deadline(now.instant), self.passing.deadline());
        let links = earliest(links, self.probing.deadline());
        let links = earliest(links, self.calls.deadline());
        self.due = earliest(
            earliest(timers, earliest(machines, links)),
            earliest(self.remind_at, earliest(self.roster.deadline(), self.reaching_deadline())),
        );
        self.due
    }

    /// From now on nothing of a room that is older than this is fetched; absent means that everything is.
    pub fn keep(&mut self, room: RoomId, history: Option<Duration>) {
        if let Some(held) = self.rooms.get_mut(&room) {
            held.kept = history;
        }
    }

    pub fn me(&self) -> PeerId {
        self.me
    }

    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The rooms that this device takes part in, in the order of their ids.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.values().filter(|room| !room.is_leaving())
    }

    pub fn room(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(&id).filter(|room| !room.is_leaving())
    }

    pub fn transfer(&self, id: TransferId) -> Option<&TransferRecord> {
        self.transfers.get(id)
    }

    pub fn transfers(&self) -> impl Iterator<Item = &TransferRecord> {
        self.transfers.iter()
    }

    /// Whether a device may fetch what this one offers, or has of what others offer, at this moment: in a private room its
    /// members may.
    pub fn may_fetch(&self, transfer: TransferId, peer: PeerId) -> bool {
        match self.transfers.audience(transfer).filter(|_| !self.presence.is_blocked(peer)) {
            Some(Audience::Anyone) => true,
            Some(Audience::Peer(only)) => only == peer,
            Some(Audience::Members(room)) => {
                let private = self.room(room).and_then(|room| room.private.as_ref());
                private.is_some_and(|private| private.is_member(peer))
            }
            None => false,
        }
    }

    /// Datagrams, frames and entries that were not understood or not believed, by reason.
    pub fn dropped(&self) -> impl Iterator<Item = (Dropped, u64)> {
        self.dropped.iter().map(|(reason, count)| (*reason, *count))
    }

    /// What every machine wants now: timers first, then whatever may be sent.
    fn advance(&mut self, now: Now) -> Effects {
        let (mut effects, due) = self.presence.timer(now, &mut self.dice);
        self.notice_departures(&effects, now.instant);
        if let Some(due) = due {
            effects.extend(self.forget_heard(now.instant));
            effects.extend(self.announce(due.query, due.reach, now));
        }
        let others_wait = self.is_pull_waiting();
        let presence = &self.presence;
        let was_met = |peer| presence.peer(peer).is_some_and(|peer| peer.trust >= Trust::Pinned);
        let is_known = |peer| presence.is_online(peer) || was_met(peer);
        for room in self.rooms.values_mut() {
            room.replica.esteem(now.instant, is_known);
            let strangers = match room.record.kind {
                RoomKind::Open => self.presence.online_count(),
                RoomKind::Direct(peer) => usize::from(self.presence.is_online(peer)),
                RoomKind::Private => room.roles().filter(|(peer, _)| self.presence.is_online(*peer)).count(),
            };
            room.replica.timer(strangers, others_wait, self.air.conditions(), now.instant, &mut self.dice);
        }
        effects.extend(self.tend_private(now));
        effects.extend(self.tend_mail(now));
        effects.extend(self.start_pulls(now));
        effects.extend(self.end_long_serves(now));
        effects.extend(self.remind(now));
        effects.extend(self.tell_arrivals(now.instant));
        effects.extend(self.reach_when_due(now));
        effects.extend(self.link_up(now));
        effects.extend(self.send_knocks(now));
        effects.extend(self.look(now));
        effects.extend(self.probe_when_due(now));
        let presence = &self.presence;
        let reach =
            |peer| if presence.is_online(peer) { presence.addresses(peer).to_vec() } else { Vec::new() };
        effects.extend(self.transfers.start_due(now.instant, reach));
        effects.extend(self.transfers.give_up_unclaimed(now.instant));
        let presence = &self.presence;
        if let Some((changed, said)) = self.transfers.say_delays(now.instant, |peer| presence.is_online(peer))
        {
            effects.extend(changed);
            effects.extend(self.say_if_in_room(said, now));
        }
        effects.extend(self.send_packets(now));
        effects.extend(self.tend_links(now.instant));
        effects.extend(self.send_carried(now));
        effects.extend(self.tend_calls(now));
        effects
    }

    /// Sends what the bucket allows, the most important first over all rooms.
    fn send_packets(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        for priority in Priority::ALL {
            let waiting: Vec<RoomId> = self
                .rooms
                .iter()
                .filter(|(_, room)| room.replica.next_packet_at().is_some_and(|at| at <= now.instant))
                .map(|(id, _)| *id)
                .collect();
            for id in waiting {
                while self.packet_allowed_at(now.instant) <= now.instant {
                    let Some(room) = self.rooms.get_mut(&id) else { break };
                    let air = self.air.conditions();
                    let packet = room.replica.next_packet(priority, air, now.instant, &mut self.dice);
                    let Some(packet) = packet else { break };
                    let packet = self.fit_for_links(packet, now.instant);
                    let sent = self.seal_packet(id, &packet, now);
                    let passed = self.pass_own_heads(id, &packet, sent.as_ref(), now.instant);
                    effects.send.extend(sent.into_iter().chain(passed));
                }
            }
        }
        effects
    }

    fn packet_allowed_at(&mut self, now: Instant) -> Instant {
        let rate = self.air.rate(now);
        self.bucket.set_rate(rate, now);
        // Whatever is allowed may be overdrawn by one datagram, which the next one waits for: so a short one does not wait
        // until there would be room for a long one.
        self.bucket.ready_at(1, now)
    }

    fn load_room(&mut self, loaded: &LoadedRoom) -> Effects {
        let Some(mut room) = self.make_room(loaded.record.clone()) else { return Effects::default() };
        room.replica.load(loaded);
        // Whoever was known to belong here before goes on to.
        loaded.logs.iter().for_each(|log| room.replica.name(log.author));
        room.active = loaded.recent.last().map_or(UnixMillis(0), |newest| newest.header.hlc.unix());
        self.rooms.insert(loaded.record.id, room);
        match &loaded.private {
            Some(private) => self.load_private(loaded.record.id, private),
            None => Effects::default(),
        }
    }

    fn add_room(&mut self, id: RoomId, kind: RoomKind, name: &str, now: Now) -> Effects {
        // Whoever comes back does not know where their log ended: each time it is another one.
        let nonce = u64::from_be_bytes(self.dice.bytes());
        let record = RoomRecord { id, kind, name: name.to_owned(), joined: now.unix, nonce };
        let Some(mut room) = self.make_room(record.clone()) else { return Effects::default() };
        room.replica.somebody_came(self.presence.online_count(), now.instant, &mut self.dice);
        self.rooms.insert(id, room);
        self.tags.forget();
        Effects {
            commit: vec![Record::Room(record)],
            tell: vec![Event::RoomJoined(id)],
            ..Effects::default()
        }
    }

    /// `None` if the key of the other side of a direct conversation is degenerate.
    fn make_room(&self, record: RoomRecord) -> Option<Room> {
        let (keys, only) = match record.kind {
            RoomKind::Open => (RoomKeys::Open, None),
            RoomKind::Direct(peer) => (RoomKeys::Sealed(self.identity.agree(peer)?), Some((self.me, peer))),
            // Who may write there is decided before entries come to the replica.
            RoomKind::Private => (RoomKeys::Epochs(Epochs::default()), None),
        };
        let is_private = record.kind == RoomKind::Private;
        let private = is_private.then(|| Box::new(Private::new(Standing::Inside)));
        let own = log_id(self.me, record.nonce);
        let mut replica = Replica::new(record.id, self.me, own, only, keys.datagram_overhead());
        replica.verified_by(self.verifier.clone());
        if private.is_some() {
            replica.admit_only_named();
        }
        if self.cloned.is_some() {
            replica.insist();
        }
        let (me, kept, active) = (self.me, None, UnixMillis(0));
        let (history, typing) = (History::default(), messages::Typing::default());
        Some(Room { record, me, keys, replica, private, history, kept, active, typing })
    }

    /// Somebody came or the network changed: say in each room what is here.
    fn greet_rooms(&mut self, came: Option<PeerId>, now: Now) {
        let company = self.presence.online_count();
        for room in self.rooms.values_mut().filter(|room| room.concerns(came)) {
            room.replica.somebody_came(company, now.instant, &mut self.dice);
        }
    }

    fn notice_departures(&mut self, effects: &Effects, now: Instant) {
        for event in &effects.tell {
            if let Event::PeerOffline(peer) = event {
                self.mail_peer_left(now);
                self.unheard.left(*peer);
                for room in self.rooms.values_mut() {
                    room.replica.somebody_left(*peer);
                }
            }
        }
    }

    /// The room, which is made if it is the direct conversation with `peer` and that has begun.
    fn room_with(&mut self, id: RoomId, peer: PeerId, now: Now) -> Effects {
        if self.rooms.contains_key(&id)
            || id != rooms::direct_room_id(self.me, peer)
            || self.rooms.len() >= MAX_ROOMS
        {
            return Effects::default();
        }
        self.add_room(id, RoomKind::Direct(peer), "", now)
    }

    fn announce(&mut self, query: Query, reach: crate::effects::Reach, now: Now) -> Effects {
        let datagram = self.announcement(query, now);
        let mut effects = self.announce_on_links(&datagram);
        // Where multicast is eaten, a third of the announcements would not keep a lease alive.
        let reach = if self.linking.broadcasts() { crate::effects::Reach::GroupAndBroadcast } else { reach };
        effects.send.insert(0, crate::effects::Transmit::Multicast { reach, bytes: datagram });
        effects
    }

    fn count(&mut self, reason: Dropped, times: u64) {
        *self.dropped.entry(reason).or_default() += times;
    }
}

/// Entries shared between the disk, the network and the screen.
type Entries = [Arc<Entry>];

/// Several messages at once go out at once.
const HOST_BURST_BYTES: u32 = 8_192;
/// Rooms of one device.
const MAX_ROOMS: usize = 512;
