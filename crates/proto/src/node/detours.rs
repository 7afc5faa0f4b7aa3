//! Asking devices to dial that cannot be dialled, by whatever still carries a word to them, and joining others.

use std::net::SocketAddr;

use crate::detour::{Begin, Way};
use crate::effects::{Detour, Effects, Job, Reach, Transmit, Trust};
use crate::model::{ConnId, Now, PeerId, RoomId, Token};
use crate::node::errands::Errand;
use crate::node::{Dropped, Node, Room, reachable};
use crate::rooms::RoomKind;
use crate::wire::datagram::{Envelope, Unverified, kind};
use crate::wire::detour::{Knock, MAX_MEET_ROOMS, Meet, Wish};
use crate::wire::file::Source;
use crate::wire::frame::Frame;

/// A device that is being dialled for sync.
#[derive(Debug, Default)]
pub(super) struct Dialling {
    /// Rooms that wait for the connection.
    pub(super) rooms: Vec<RoomId>,
    pub(super) detour: Detour,
}

impl Node {
    /// Asks a device to dial this one, or to come to `via`, where this one waits. Not told how it ends: whoever
    /// comes says `token`. `None` if it is not here, or too many are asked.
    pub fn knock(&mut self, knock: Knock, now: Now) -> Option<Effects> {
        let asked = self.presence.is_online(knock.to) && self.detours.knock(knock, now.instant);
        asked.then(|| {
            let mut effects = self.send_knocks(now);
            let connected = |via| self.sessions.values().any(|one| one.peer == via && !one.ending);
            // The other side may hear only the one at which this device waits.
            if let Some(via) = knock.via.filter(|via| !connected(*via)) {
                effects.extend(self.go(via, Errand::Knock(knock.token), now).unwrap_or_default());
            }
            effects
        })
    }

    /// Says on a connection that this device wants to be dialled, if it still does.
    pub(super) fn knock_on(&mut self, conn: ConnId, token: Token) -> Effects {
        let Some(knock) = self.detours.wish(token) else { return Effects::default() };
        let datagram = self.envelope(kind::KNOCK).sign(&self.identity, &knock.encode());
        let bytes = Frame::Knock(datagram).encode();
        Effects { send: vec![Transmit::Frame { conn, bytes }], ..Effects::default() }
    }

    /// Nobody waits any more for whoever was asked to come.
    pub fn settled(&mut self, token: Token) {
        self.detours.settled(token);
    }

    /// A proven device dialled this one for something and says a token. Whether it was asked to.
    pub fn came(&mut self, peer: PeerId, token: Token, wish: Wish, now: Now) -> bool {
        self.detours.came(peer, token, wish, now.instant)
    }

    /// What to begin with to reach a device that could not be dialled the last time at any of these addresses.
    pub fn begin_with(&mut self, peer: PeerId, addresses: &[SocketAddr], now: Now) -> Option<Begin> {
        self.detours.ways.begin(peer, addresses, now.instant)
    }

    /// A device was reached that was dialled at these addresses, or by no way at all.
    pub fn went(&mut self, peer: PeerId, addresses: &[SocketAddr], way: Option<Way>, now: Now) {
        self.detours.ways.went(peer, addresses, way, now.instant);
    }

    /// Devices that might join this one with another: `last` first, which did it last, then those that are most likely to be
    /// reached; at most 8. None of them said lately that it relays for nobody.
    pub fn relays_to(&mut self, peer: PeerId, last: Option<PeerId>, now: Now) -> Vec<Source> {
        let mut candidates: Vec<(bool, bool, u64, PeerId)> = Vec::new();
        for other in self.presence.online().filter(|other| *other != peer) {
            let known = self.presence.peer(other);
            let met = known.is_some_and(|known| known.trust >= Trust::Pinned);
            // By chance among equals, so that one device does not carry everybody.
            let chance = u64::from_be_bytes(self.dice.bytes());
            candidates.push((Some(other) != last, !met, chance, other));
        }
        candidates.retain(|(.., other)| {
            !self.presence.is_blocked(*other) && self.detours.may_ask_to_relay(*other, now.instant)
        });
        candidates.sort_unstable();
        let reached = candidates.into_iter().filter_map(|(.., peer)| {
            let addresses = reachable(&self.presence, peer)?;
            Some(Source { peer, addresses })
        });
        reached.take(MAX_CANDIDATES).collect()
    }

    /// A device says that it relays for nobody.
    pub fn declined_to_relay(&mut self, peer: PeerId, now: Now) {
        self.detours.declined(peer, now.instant);
    }

    /// A proven device asks to be joined here with another one. Whether it may wait: both are here, and nobody is blocked.
    pub fn may_wait(&mut self, asking: PeerId, coming: PeerId, token: Token, now: Now) -> bool {
        let known = |peer| self.presence.is_online(peer) && !self.presence.is_blocked(peer);
        known(asking) && known(coming) && self.detours.asked(asking, coming, token, now.instant)
    }

    /// The proven other one came for that. Whether the two are joined.
    pub fn joined(&mut self, coming: PeerId, asking: PeerId, token: Token, now: Now) -> bool {
        self.detours.joined(coming, asking, token, now.instant)
    }

    /// What this device relayed is over, or nobody came in time.
    pub fn relay_ended(&mut self, token: Token) {
        self.detours.relay_ended(token);
    }

    /// Sends the knocks that are due.
    pub(super) fn send_knocks(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        for knock in self.detours.due(now.instant) {
            effects.extend(self.send_knock(&knock));
        }
        effects
    }

    /// To everybody, as an announcement; and where that may not arrive, over connections that stand.
    fn send_knock(&mut self, knock: &Knock) -> Effects {
        let datagram = self.envelope(kind::KNOCK).sign(&self.identity, &knock.encode());
        let frame = Frame::Knock(datagram.clone()).encode();
        let open = || self.sessions.values().filter(|session| session.is_greeted() && !session.ending);
        let to_it = open().filter(|session| session.peer == knock.to).map(|session| session.conn).next();
        let carriers: Vec<_> = match to_it {
            Some(conn) => vec![conn],
            None => open().map(|session| session.conn).take(MAX_CARRIERS).collect(),
        };
        let frames = carriers.into_iter().map(|conn| Transmit::Frame { conn, bytes: frame.clone() });
        let multicast = Transmit::Multicast { reach: Reach::GroupAndBroadcast, bytes: datagram };
        Effects { send: frames.chain([multicast]).collect(), ..Effects::default() }
    }

    /// A knock in a frame: of the device at the other end, or one that it passes on.
    pub(super) fn knock_carried(&mut self, peer: PeerId, datagram: &[u8], now: Now) -> Effects {
        let Ok(read) = Unverified::decode(datagram, self.network) else { return self.drop(Dropped::Frame) };
        let claimed = *read.envelope();
        if claimed.kind != kind::KNOCK || claimed.sender == self.me {
            return self.drop(Dropped::Frame);
        }
        let Ok((envelope, body)) = read.verify(&self.verifier) else { return self.drop(Dropped::Frame) };
        let Ok(knock) = Knock::decode(body) else { return self.drop(Dropped::Frame) };
        if knock.to != self.me {
            // Only for whoever is at the other end: so it goes one step and no further.
            return if envelope.sender == peer {
                self.pass_knock_on(&knock, peer, datagram, now)
            } else {
                Effects::default()
            };
        }
        if !self.presence.is_fresh(&envelope) {
            return self.drop(Dropped::Replay);
        }
        self.knock_heard(&envelope, body, now)
    }

    fn pass_knock_on(&mut self, knock: &Knock, from: PeerId, datagram: &[u8], now: Now) -> Effects {
        let open = self
            .sessions
            .values()
            .find(|session| session.peer == knock.to && session.is_greeted() && !session.ending);
        let conn = open.map(|session| session.conn);
        let waits_here = knock.via == Some(self.me) && self.detours.waits_here(from, knock.to, knock.token);
        if (conn.is_none() && !waits_here) || !self.detours.may_pass_on(from, now.instant) {
            return Effects::default();
        }
        let send = match conn {
            Some(conn) => Transmit::Frame { conn, bytes: Frame::Knock(datagram.to_vec()).encode() },
            // Whoever is to come hears this device, and perhaps not the one that waits here.
            None => Transmit::Multicast { reach: Reach::GroupAndBroadcast, bytes: datagram.to_vec() },
        };
        Effects { send: vec![send], ..Effects::default() }
    }

    /// A device could not be dialled to catch up in these rooms. It may be able to dial, and then both catch up.
    pub(super) fn ask_to_meet(&mut self, peer: PeerId, rooms: &[RoomId], now: Now) -> Effects {
        let tags = rooms.iter().filter_map(|id| {
            let room = self.rooms.get(id).filter(|room| room.speaks() && room.is_open_to(peer))?;
            Some(room.keys.tag(*id, self.me, now.unix))
        });
        let meet = Meet { to: peer, rooms: tags.take(MAX_MEET_ROOMS).collect() };
        let asks = !meet.rooms.is_empty() && self.presence.is_online(peer);
        if !asks || !self.detours.may_ask_to_meet(peer, now.instant) {
            return Effects::default();
        }
        let bytes = self.envelope(kind::MEET).sign(&self.identity, &meet.encode());
        Effects { send: vec![Transmit::Multicast { reach: Reach::Group, bytes }], ..Effects::default() }
    }

    /// A device is about to be dialled at these addresses to catch up in a room. If that was in vain the last time, it is asked
    /// to dial at once, or looked for through a third one, so that nobody waits for a dial that nobody answers.
    pub(super) fn meet_at_once(
        &mut self,
        peer: PeerId,
        room: RoomId,
        addresses: &[SocketAddr],
        now: Now,
    ) -> (Detour, Effects) {
        match self.detours.ways.to(peer, addresses, now.instant) {
            Some(Way::Knocked) => (Detour::Never, self.ask_to_meet(peer, &[room], now)),
            Some(Way::Relayed(_)) => (Detour::Allowed, Effects::default()),
            Some(Way::Direct) | None => (Detour::Never, Effects::default()),
        }
    }

    /// Whether a device that could not be dialled for these rooms is to be looked for through a third one: neither can dial the
    /// other, or it does not hear that it is asked to, and what it lacks passes over nobody else's link.
    pub(super) fn is_met_through_a_third(&mut self, peer: PeerId, rooms: &[RoomId], now: Now) -> bool {
        let is_sealed = |room: &Room| room.record.kind != RoomKind::Open;
        let lacks_sealed = rooms.iter().filter_map(|id| self.rooms.get(id)).any(is_sealed);
        let hears_nothing = self.presence.is_online(peer) && !self.unheard.is_on_air(peer, now.instant);
        hears_nothing && lacks_sealed || !rooms.is_empty() && self.detours.can_neither_dial(peer, now.instant)
    }

    /// Somebody dialled for sync. If it was asked to, that is the way to reach it.
    pub(super) fn met(&mut self, peer: PeerId, now: Now) {
        if self.detours.was_asked_to_meet(peer, now.instant)
            && let Some(addresses) = reachable(&self.presence, peer)
        {
            self.detours.ways.went(peer, &addresses, Some(Way::Knocked), now.instant);
        }
    }

    /// A verified wish to be dialled for sync.
    pub(super) fn asked_to_meet(&mut self, envelope: &Envelope, body: &[u8], now: Now) -> Effects {
        let Ok(meet) = Meet::decode(body) else { return self.drop(Dropped::Body) };
        let peer = envelope.sender;
        let mut effects = self.presence.heard(envelope, now);
        effects.extend(self.notice_arrivals(&effects, now));
        if meet.to != self.me || !self.presence.is_online(peer) {
            return effects;
        }
        let Some(addresses) = reachable(&self.presence, peer) else { return effects };
        let rooms: Vec<RoomId> =
            meet.rooms.iter().filter_map(|tag| self.room_of_tag(*tag, peer, now)).collect();
        let open = |room: &RoomId| self.rooms.get(room).is_some_and(|room| room.is_open_to(peer));
        let rooms: Vec<RoomId> = rooms.into_iter().filter(open).collect();
        if rooms.is_empty() || !self.detours.may_meet(peer, now.instant) {
            return effects;
        }
        let connected = self.sessions.values().find(|session| session.peer == peer && !session.ending);
        let connected = connected.map(|session| session.conn);
        for room in rooms {
            effects.extend(match connected {
                Some(conn) => self.ask(conn, room),
                None => self.dial(peer, room, addresses.clone(), now),
            });
        }
        effects
    }

    /// A verified knock. Where to dial is taken from what is known here, never from what it says.
    pub(super) fn knock_heard(&mut self, envelope: &Envelope, body: &[u8], now: Now) -> Effects {
        let Ok(knock) = Knock::decode(body) else { return self.drop(Dropped::Body) };
        let from = envelope.sender;
        let mut effects = self.presence.heard(envelope, now);
        effects.extend(self.notice_arrivals(&effects, now));
        let at = knock.via.unwrap_or(from);
        if knock.to != self.me || at == self.me || !self.presence.is_online(from) {
            return effects;
        }
        let Some(addresses) = reachable(&self.presence, at).filter(|_| !self.presence.is_blocked(at)) else {
            return effects;
        };
        if self.detours.heard(from, knock.token, now.instant) {
            effects.run.push(Job::Come {
                peer: from,
                via: knock.via,
                token: knock.token,
                wish: knock.wish,
                addresses,
            });
        }
        effects
    }
}

/// Devices that are asked to relay, before a try is given up.
const MAX_CANDIDATES: usize = 8;
/// Connections over which one knock is passed on.
const MAX_CARRIERS: usize = 8;

#[cfg(test)]
#[path = "detours_tests.rs"]
mod tests;
