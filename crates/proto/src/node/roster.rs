//! Who is here and which open rooms there are, asked of one who was here before.
//!
//! A newcomer hears some by multicast, and learns of the rest over one TCP connection: signed announcements that others
//! heard, and the names of rooms. Nobody asks unless an announcement says that there is more to be had.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::effects::{Detour, Effects, Event, Job, Transmit};
use crate::model::{ConnId, Instant, Now, PeerId, UnixMillis};
use crate::node::Node;
use crate::node::detours::Dialling;
use crate::presence::{Heard, MAX_PEERS, Presence};
use crate::rooms::{self, LOBBY, RoomKind};
use crate::wire::datagram::{Announcement, Unverified, kind};
use crate::wire::entry::Entry;
use crate::wire::frame::{Frame, Listed, MAX_ANNOUNCEMENTS, MAX_LISTED, Relayed};

/// What was heard of others, to be passed on, and when to ask somebody for more.
#[derive(Default)]
pub struct Roster {
    announcements: BTreeMap<PeerId, Announced>,
    /// When those were last looked through that are too old.
    pruned: Instant,
    /// Devices that are being dialled to learn which run they are in.
    pub(super) runs_asked: BTreeSet<PeerId>,
    /// Open rooms that others spoke of, by their normal names.
    rooms: BTreeMap<String, HeardRoom>,
    /// Whom to ask, and when.
    look: Option<(Instant, PeerId)>,
    /// Whom a connection is being dialled to for that.
    pub(super) dialled: Option<PeerId>,
    /// Not again before this.
    rested: Instant,
    /// Looks in a row that brought nothing new: each lets the next one wait longer.
    vain: u32,
}

struct Announced {
    datagram: Vec<u8>,
    from: IpAddr,
    at: Instant,
}

#[derive(Clone, Copy)]
struct HeardRoom {
    members: u32,
    active: u64,
    /// When somebody was last known to be in it.
    at: Instant,
}

/// An open room that this device is in or has heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRoom {
    pub name: String,
    /// Devices that were seen in it, about.
    pub members: u32,
    /// When somebody last wrote there; zero if that is not known.
    pub active: UnixMillis,
    pub joined: bool,
}

impl Roster {
    /// An announcement came from its sender.
    pub fn heard(&mut self, sender: PeerId, datagram: Vec<u8>, from: IpAddr, at: Instant) {
        // However many are made up, not for each of them.
        let full = self.announcements.len() >= MAX_PEERS && !self.announcements.contains_key(&sender);
        if full && at.since(self.pruned) >= PRUNED {
            self.pruned = at;
            self.forget_old(at);
        }
        // An address of one link alone tells nobody on another one anything.
        let before = self.announcements.get(&sender).map(|before| before.from);
        let from = before.filter(|before| is_link_local(from) && !is_link_local(*before)).unwrap_or(from);
        if self.announcements.len() < MAX_PEERS || self.announcements.contains_key(&sender) {
            self.announcements.insert(sender, Announced { datagram, from, at });
        }
    }

    /// A copy of an announcement came from another address.
    pub fn heard_from(&mut self, sender: PeerId, from: IpAddr) {
        if let Some(announced) = self.announcements.get_mut(&sender).filter(|_| !is_link_local(from)) {
            announced.from = from;
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.look.map(|(at, _)| at)
    }

    /// What is too old to be passed on.
    fn forget_old(&mut self, now: Instant) {
        self.announcements.retain(|_, announced| now.since(announced.at) < RELAYED);
    }
}

impl Node {
    /// The open rooms that this device is in or that others spoke of, by name. The lobby goes without saying.
    pub fn directory(&self) -> Vec<KnownRoom> {
        let mut known: BTreeMap<String, KnownRoom> = BTreeMap::new();
        for (name, room) in &self.roster.rooms {
            let (members, active) = (room.members, UnixMillis(room.active));
            known.insert(name.clone(), KnownRoom { name: name.clone(), members, active, joined: false });
        }
        for room in self.rooms.values().filter(|room| room.record.kind == RoomKind::Open) {
            let name = room.record.name.clone();
            let (members, active) = (1 + room.replica.members().count() as u32, room.active);
            known.insert(name.clone(), KnownRoom { name, members, active, joined: true });
        }
        known.remove(LOBBY);
        known.into_values().collect()
    }

    /// Stands for the names in the directory.
    pub(super) fn directory_digest(&self) -> Option<[u8; 8]> {
        let names: Vec<String> =
            self.directory().into_iter().map(|room| room.name).take(MAX_LISTED).collect();
        let digest = Sha256::digest(names.join("\n"));
        (!names.is_empty()).then(|| core::array::from_fn(|i| digest[i]))
    }

    /// Somebody announced itself. It may know of more people or rooms than this device.
    pub(super) fn consider_looking(&mut self, sender: PeerId, said: &Announcement, now: Now) {
        let here = self.presence.online_count();
        let more = usize::from(said.peers) > here + here / SLACK + 1;
        let others = said.directory().is_some_and(|digest| self.directory_digest() != Some(digest));
        if (more || others) && self.roster.look.is_none() && self.roster.dialled.is_none() {
            // The larger the network, the longer: meanwhile most is heard by itself, and others may be asked.
            let crowd = here.max(usize::from(said.peers)) as u32;
            let spread = (LOOK_SPREAD * crowd).min(MAX_LOOK_SPREAD);
            let at = now.instant + LOOK_AFTER + self.dice.span(Duration::ZERO..spread);
            self.roster.look = Some((at.max(self.roster.rested), sender));
        }
    }

    /// Somebody who is not seen here has just written, and `from` has it: whoever is on this network and kept apart from this
    /// device is known to some only, and one more than are known here is no reason to ask.
    pub(super) fn consider_asking_for(&mut self, written: &Entry, from: PeerId, now: Now) {
        let author = written.header.author;
        let fresh = written.header.hlc.unix().0.saturating_add(JUST_NOW_MS) > now.unix.0;
        let unseen =
            author != self.me && !self.presence.is_online(author) && !self.presence.is_blocked(author);
        if fresh
            && unseen
            && self.presence.is_online(from)
            && self.roster.look.is_none()
            && self.roster.dialled.is_none()
        {
            let crowd = self.presence.online_count() as u32;
            let spread = (LOOK_SPREAD * crowd).min(MAX_LOOK_SPREAD);
            let at = now.instant + self.dice.span(Duration::ZERO..spread);
            self.roster.look = Some((at.max(self.roster.rested), from));
        }
    }

    /// Asks whoever was to be asked.
    pub(super) fn look(&mut self, now: Now) -> Effects {
        let Some((_, peer)) = self.roster.look.take_if(|(at, _)| *at <= now.instant) else {
            return Effects::default();
        };
        self.roster.rested = now.instant + LOOK_REST * 2u32.pow(self.roster.vain);
        self.roster.vain = (self.roster.vain + 1).min(MAX_VAIN);
        let open = self.sessions.values().find(|session| session.peer == peer && session.is_greeted());
        if let Some(conn) = open.filter(|session| !session.ending).map(|session| session.conn) {
            return self.look_on(conn);
        }
        let Some(addresses) = reachable(&self.presence, peer) else { return Effects::default() };
        self.roster.dialled = Some(peer);
        if self.dialling.contains_key(&peer) {
            return Effects::default();
        }
        self.dialling.insert(peer, Dialling::default());
        let detour = Detour::Never;
        Effects { run: vec![Job::Dial { peer, addresses, detour }], ..Effects::default() }
    }

    pub(super) fn look_on(&mut self, conn: ConnId) -> Effects {
        let Some(session) = self.sessions.get_mut(&conn) else { return Effects::default() };
        session.looking = true;
        send(conn, &Frame::Look { roster: true })
    }

    /// Somebody asks who is here. Once on a connection, and again when it was not for long.
    pub(super) fn looked_at(&mut self, conn: ConnId, roster: bool, now: Now) -> Effects {
        let mut effects = Effects::default();
        let Some(session) = self.sessions.get_mut(&conn) else { return effects };
        if session.shown.is_some_and(|at| now.instant.since(at) < LOOK_REST) {
            // Nothing new, but an answer: so it need not wait.
            return send(conn, &Frame::Rooms(Vec::new()));
        }
        session.shown = Some(now.instant);
        let asker = session.peer;
        if roster {
            effects.extend(announcements(conn, self.newest_announcements(asker, now.instant)));
        }
        effects.extend(send(conn, &Frame::Rooms(self.listed(now.instant))));
        effects
    }

    fn newest_announcements(&self, asker: PeerId, now: Instant) -> Vec<Relayed> {
        let fresh = self.roster.announcements.iter().filter(|(peer, announced)| {
            **peer != asker && self.presence.is_online(**peer) && now.since(announced.at) < RELAYED
        });
        let mut newest: Vec<&Announced> = fresh.map(|(_, announced)| announced).collect();
        newest.sort_by_key(|one| std::cmp::Reverse(one.at));
        let mut left = MAX_SHOWN_BYTES;
        let fits = |one: &&Announced| {
            left = left.saturating_sub(one.datagram.len());
            left > 0
        };
        let relayed = newest.into_iter().take(MAX_ANNOUNCEMENTS).take_while(fits);
        relayed.map(|one| Relayed { datagram: one.datagram.clone(), from: Some(one.from) }).collect()
    }

    fn listed(&self, now: Instant) -> Vec<Listed> {
        let age = |room: &KnownRoom| match self.roster.rooms.get(&room.name) {
            Some(heard) if !room.joined => now.since(heard.at).as_secs() as u32,
            _ => 0,
        };
        let known = self.directory().into_iter().take(MAX_LISTED);
        known
            .map(|room| {
                let age = age(&room);
                Listed { name: room.name, members: room.members, active: room.active.0, age }
            })
            .collect()
    }

    /// Announcements of somebody else, passed on by the device at the other end or its own.
    pub(super) fn relayed(&mut self, conn: ConnId, announcements: Vec<Relayed>, now: Now) -> Effects {
        let mut effects = Effects::default();
        let Some((peer, remote)) = self.sessions.get(&conn).map(|session| (session.peer, session.remote))
        else {
            return effects;
        };
        self.unheard.coming = Some(conn);
        for Relayed { datagram, from } in announcements {
            let Ok(read) = Unverified::decode(&datagram, self.network) else { continue };
            let claimed = *read.envelope();
            if let Some(remote) = remote.filter(|_| claimed.sender == peer) {
                effects.extend(self.datagram(remote, &datagram, now));
                continue;
            }
            let news = claimed.kind == kind::ANNOUNCE && self.presence.is_fresh(&claimed);
            let Some((envelope, body)) = read.verify(&self.verifier).ok().filter(|_| news) else { continue };
            if let Ok(said) = Announcement::decode(body) {
                let from = Heard::Told(from.map(|ip| ip.to_canonical()).filter(|ip| is_unicast(*ip)));
                effects.extend(self.announced(&envelope, &said, datagram.clone(), from, now));
                self.roster.vain = 0;
            }
        }
        self.unheard.coming = None;
        effects
    }

    /// The other side says which open rooms it knows of.
    pub(super) fn rooms_listed(&mut self, conn: ConnId, rooms: Vec<Listed>, now: Now) -> Effects {
        let mut effects = Effects::default();
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.looking = false;
        }
        let before = self.directory_digest();
        for room in rooms {
            let age = Duration::from_secs(room.age.into());
            let Some(name) = rooms::normal_name(&room.name).filter(|name| name != LOBBY && age < LISTED)
            else {
                continue;
            };
            let heard = HeardRoom { members: room.members, active: room.active, at: now.instant - age };
            let newer = self.roster.rooms.get(&name).is_none_or(|known| known.at < heard.at);
            if newer && (self.roster.rooms.len() < MAX_LISTED || self.roster.rooms.contains_key(&name)) {
                self.roster.rooms.insert(name, heard);
            }
        }
        if self.directory_digest() != before {
            self.roster.vain = 0;
            effects.tell.push(Event::DirectoryChanged);
        }
        effects
    }

    /// Forgets rooms of which nobody spoke for long, and announcements that are too old to be passed on.
    pub(super) fn forget_heard(&mut self, now: Instant) -> Effects {
        self.roster.forget_old(now);
        let count = self.roster.rooms.len();
        self.roster.rooms.retain(|_, room| now.since(room.at) < LISTED);
        let tell = if self.roster.rooms.len() < count { vec![Event::DirectoryChanged] } else { Vec::new() };
        Effects { tell, ..Effects::default() }
    }
}

fn send(conn: ConnId, said: &Frame) -> Effects {
    Effects { send: vec![Transmit::Frame { conn, bytes: said.encode() }], ..Effects::default() }
}

/// Announcements, in frames that leave room for others between them.
pub(super) fn announcements(conn: ConnId, all: impl IntoIterator<Item = Relayed>) -> Effects {
    let mut effects = Effects::default();
    let (mut some, mut bytes) = (Vec::new(), 0);
    for relayed in all {
        if bytes + relayed.datagram.len() > FRAME_BYTES {
            effects.extend(send(conn, &Frame::Announcements(std::mem::take(&mut some))));
            bytes = 0;
        }
        bytes += relayed.datagram.len();
        some.push(relayed);
    }
    if !some.is_empty() {
        effects.extend(send(conn, &Frame::Announcements(some)));
    }
    effects
}

/// Whether an address could be that of one device elsewhere, however it is written.
pub(super) fn is_unicast(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    !ip.is_multicast() && !ip.is_unspecified() && !ip.is_loopback() && ip != IpAddr::from([255; 4])
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Announcements in one frame,
const FRAME_BYTES: usize = 64 << 10;
/// and in one answer, however long they are: more would not fit what may be unsent on a connection.
const MAX_SHOWN_BYTES: usize = 320 << 10;
const PRUNED: Duration = Duration::from_secs(1);
/// Announcements that are passed on are not older than this.
const RELAYED: Duration = Duration::from_secs(15 * 60);
/// A room of which nobody is known to be in it is forgotten after this.
const LISTED: Duration = Duration::from_secs(24 * 3600);
/// Whoever wrote something within this is probably here.
const JUST_NOW_MS: u64 = 60_000;
/// Somebody may know a sixteenth more than this device, and one: counts differ while people come and go.
const SLACK: usize = 16;
/// Before somebody is asked, what is missing may be heard by itself,
const LOOK_AFTER: Duration = Duration::from_secs(2);
/// and for each device on the network a little longer.
const LOOK_SPREAD: Duration = Duration::from_millis(50);
const MAX_LOOK_SPREAD: Duration = Duration::from_secs(120);
/// Between two questions, doubled with each that brought nothing,
const LOOK_REST: Duration = Duration::from_secs(30);
/// so many times.
const MAX_VAIN: u32 = 6;

/// Where a device can be dialled, with nothing that it cannot be dialled at.
pub(super) fn reachable(presence: &Presence, peer: PeerId) -> Option<Vec<SocketAddr>> {
    let addresses = presence.addresses(peer);
    (presence.is_online(peer) && !addresses.is_empty()).then(|| addresses.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roster_that_is_full_makes_room_for_who_comes_later() {
        let mut roster = Roster::default();
        let peer = |n: u32| {
            let mut id = [7; 32];
            id[..4].copy_from_slice(&n.to_be_bytes());
            PeerId(id)
        };
        let ip = IpAddr::from([10, 0, 0, 1]);
        for n in 0..MAX_PEERS as u32 {
            roster.heard(peer(n), vec![1], ip, Instant(0));
        }
        roster.heard(peer(u32::MAX), vec![1], ip, Instant(1));
        assert!(!roster.announcements.contains_key(&peer(u32::MAX)), "nobody who is here is pushed out");
        roster.heard(peer(0), vec![2], ip, Instant(0) + RELAYED);
        roster.heard(peer(u32::MAX), vec![1], ip, Instant(0) + RELAYED + Duration::from_secs(1));
        assert_eq!(roster.announcements.len(), 2, "who was heard lately, and who came");
    }
}
