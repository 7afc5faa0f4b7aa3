//! What is said of calls and heard of them, by multicast, over connections, and by the word of others who are in.

use crate::effects::{CallEnd, Effects, Event, Transmit};
use crate::model::{ConnId, Instant, Now, PeerId, RoomId};
use crate::node::calls::{EVERY, Ongoing, Own};
use crate::node::datagrams::{Dropped, Way};
use crate::node::errands::Errand;
use crate::node::{Node, Room};
use crate::rooms::{KeyName, RoomKind};
use crate::wire::call::{Call, CallState, Hears, MAX_TALKERS};
use crate::wire::datagram::{Envelope, MAX_BODY, RoomPacket, Unverified, kind};
use crate::wire::frame::{Frame, Passed};

/// Somebody else in a call, as it last said of itself.
pub(super) struct Seat {
    pub boot: u64,
    counter: u64,
    pub said: Call,
    /// What its datagram was sealed with, where keys change.
    pub key: Option<KeyName>,
    /// What it was in the call with before: the key, the run and the turn.
    pub old: Option<(Option<KeyName>, u64, u32)>,
    pub heard: Instant,
    /// The whole datagram, for those who do not hear it.
    datagram: Vec<u8>,
}

impl Seat {
    /// How it hears somebody, as it says.
    pub(super) fn hears(&self, whom: PeerId) -> Hears {
        let talker = whom.talker();
        let known = self.said.known.iter().find(|(known, _)| *known == talker);
        known.map_or(Hears::Unknown, |(_, hears)| *hears)
    }

    fn knows(&self, whom: PeerId) -> bool {
        let talker = whom.talker();
        self.said.known.iter().any(|(known, _)| *known == talker)
    }
}

impl Node {
    /// Somebody says something of a call in a room that both are in.
    pub(in crate::node) fn heard_call(
        &mut self,
        room: RoomId,
        envelope: &Envelope,
        mut said: Call,
        key: Option<KeyName>,
        way: Way,
        now: Now,
    ) -> Effects {
        let carried = said.carried.take().filter(|_| way != Way::Carried);
        let mut effects = match said.state {
            CallState::In => self.is_in_call(room, envelope, said, key, now),
            CallState::Left => self.has_left_call(room, envelope, &said, now),
            CallState::Declined => {
                let same = self.calls.on.get(&room).is_some_and(|call| call.id == said.call);
                if same { self.was_declined(room, envelope.sender, now) } else { Effects::default() }
            }
        };
        if let Some(datagram) = carried {
            effects.extend(self.carried_call(&datagram, now));
        }
        effects
    }

    fn is_in_call(
        &mut self,
        room: RoomId,
        envelope: &Envelope,
        said: Call,
        key: Option<KeyName>,
        now: Now,
    ) -> Effects {
        let mut effects = Effects::default();
        let known = self.calls.on.get(&room).map(|call| call.id);
        match known {
            Some(id) if id < said.call => return effects,
            Some(id) if id > said.call => effects.extend(self.merge_calls(room, said.call, now)),
            Some(_) => {}
            None => drop(self.calls.on.insert(room, Ongoing::new(said.call, now))),
        }
        let Some(call) = self.calls.on.get_mut(&room) else { return effects };
        let (sender, boot, counter) = (envelope.sender, envelope.boot, envelope.counter);
        let before = call.others.remove(&sender);
        if before.as_ref().is_some_and(|seat| (seat.boot, seat.counter) >= (boot, counter)) {
            call.others.extend(before.map(|seat| (sender, seat)));
            return effects;
        }
        if before.is_none() && call.len() >= MAX_TALKERS {
            return effects;
        }
        let talks_as = (key, boot, said.turn);
        let (same, old) = match &before {
            Some(seat) if (seat.key, seat.boot, seat.said.turn) == talks_as => (seat.said == said, seat.old),
            Some(seat) => (false, Some((seat.key, seat.boot, seat.said.turn))),
            None => (false, None),
        };
        let came_anew = old.is_some_and(|(_, old_boot, turn)| (old_boot, turn) != (boot, said.turn));
        if let Some(me) = call.me.as_mut().filter(|_| came_anew) {
            me.hears.remove(&sender);
        }
        let seat = Seat { boot, counter, said, key, old, heard: now.instant, datagram: Vec::new() };
        call.others.insert(sender, seat);
        if before.is_none() {
            // Whoever comes is told at once who is here.
            call.say_soon(now.instant);
        }
        call.answered |= call.len() >= 2;
        let declined = call.declined.is_some();
        if declined {
            effects.extend(self.decline_again(room, now));
        } else if !same {
            effects.tell.push(Event::Call(room));
        }
        effects
    }

    /// Two calls began in one room: the one with the smaller id goes on.
    fn merge_calls(&mut self, room: RoomId, into: crate::model::CallId, now: Now) -> Effects {
        let turn = self.calls.next_turn();
        let Some(call) = self.calls.on.get_mut(&room) else { return Effects::default() };
        let (merged, told) = (call.id, call.declined.is_none());
        let me = call.me.take();
        // Somebody who begins anew after a no calls again.
        *call = Ongoing::new(into, Now { unix: call.since, instant: call.began });
        call.me = me.map(|me| Own { muted: me.muted, ..Own::new(turn, me.port, now.instant) });
        let ended = Event::CallEnded { room, call: merged, end: CallEnd::Merged };
        Effects { tell: told.then_some(ended).into_iter().collect(), ..Effects::default() }
    }

    fn has_left_call(&mut self, room: RoomId, envelope: &Envelope, said: &Call, now: Now) -> Effects {
        let Some(call) = self.calls.on.get_mut(&room).filter(|call| call.id == said.call) else {
            return Effects::default();
        };
        let newest = (envelope.boot, envelope.counter);
        let leaves = call.others.get(&envelope.sender).is_some_and(|seat| (seat.boot, seat.counter) < newest);
        if !leaves {
            return Effects::default();
        }
        call.others.remove(&envelope.sender);
        self.somebody_left(room, now)
    }

    /// Somebody in a call says for somebody else that it is in, whom not everybody hears.
    fn carried_call(&mut self, datagram: &[u8], now: Now) -> Effects {
        let Ok(read) = Unverified::decode(datagram, self.network) else { return Effects::default() };
        let claimed = *read.envelope();
        if claimed.kind != kind::CALL || claimed.sender == self.me || !self.presence.is_fresh(&claimed) {
            return Effects::default();
        }
        let Ok((envelope, body)) = read.verify(&self.verifier) else { return Effects::default() };
        let mut effects = self.presence.heard(&envelope, now);
        effects.extend(self.notice_arrivals(&effects, now));
        effects.extend(self.room_packet(&envelope, body, Way::Carried, now));
        self.keep_call_datagram(&envelope, datagram);
        effects
    }

    /// A connection that was dialled to say of a call, and is kept for nothing else.
    pub(in crate::node) fn passed_call(
        &mut self,
        conn: ConnId,
        peer: PeerId,
        said: &Passed,
        now: Now,
    ) -> Effects {
        let mut effects = Effects::default();
        for datagram in &said.datagrams {
            let Ok(read) = Unverified::decode(datagram, self.network) else {
                self.count(Dropped::Frame, 1);
                continue;
            };
            let claimed = *read.envelope();
            if claimed.kind != kind::CALL || claimed.sender != peer || !self.presence.is_fresh(&claimed) {
                continue;
            }
            let Ok((envelope, body)) = read.verify(&self.verifier) else { continue };
            effects.extend(self.presence.heard(&envelope, now));
            effects.extend(self.room_packet(&envelope, body, Way::Passed, now));
            effects.extend(self.pass_call(&envelope, datagram, Some(conn), now));
        }
        effects
    }

    /// A CALL was heard: links whose other ends do not hear its sender are told at once.
    pub(in crate::node) fn pass_call(
        &mut self,
        envelope: &Envelope,
        datagram: &[u8],
        by: Option<ConnId>,
        now: Now,
    ) -> Effects {
        if envelope.kind != kind::CALL {
            return Effects::default();
        }
        self.keep_call_datagram(envelope, datagram);
        let passed = Passed { datagrams: vec![datagram.to_vec()], unheard: false };
        let bytes = Frame::Passed(passed).encode();
        let deaf = self.sessions.values().filter(|session| session.is_deaf(now.instant));
        let deaf = deaf.filter(|session| session.peer != envelope.sender && Some(session.conn) != by);
        let send = deaf.map(|session| Transmit::Frame { conn: session.conn, bytes: bytes.clone() });
        Effects { send: send.collect(), ..Effects::default() }
    }

    fn keep_call_datagram(&mut self, envelope: &Envelope, datagram: &[u8]) {
        let seats = self.calls.on.values_mut().filter_map(|call| call.others.get_mut(&envelope.sender));
        for seat in seats.filter(|seat| (seat.boot, seat.counter) == (envelope.boot, envelope.counter)) {
            seat.datagram = datagram.to_vec();
        }
    }

    /// Says that this device is in a call, when that is due or it speaks with another key.
    pub(super) fn say_call_when_due(&mut self, room: RoomId, now: Now) -> Effects {
        let key = self.rooms.get(&room).and_then(|held| held.keys.sending_name());
        let Some(call) = self.calls.on.get_mut(&room) else { return Effects::default() };
        let Some(me) = &mut call.me else { return Effects::default() };
        let other_key = me.said.is_some() && me.key != key;
        if me.say_at > now.instant && !other_key {
            return Effects::default();
        }
        (me.key, me.said, me.say_at) = (key, Some(now.instant), now.instant + EVERY);
        let other_way = call.choose_relays(now.instant);
        let mut effects = self.say_call(room, CallState::In, now);
        effects.extend(self.dial_for_call(room, now));
        if other_key || other_way {
            effects.tell.push(Event::Call(room));
        }
        effects
    }

    /// Says something of a call: by multicast, and over connections to those of the room who do not hear that.
    pub(super) fn say_call(&mut self, room: RoomId, state: CallState, now: Now) -> Effects {
        let Some(mut said) = self.call_to_say(room, state) else { return Effects::default() };
        let overhead = ROOM_TAG + self.rooms.get(&room).map_or(0, |held| held.keys.datagram_overhead());
        if said.carried.is_some() && said.encode().len() + overhead > MAX_BODY {
            said.carried = None;
        }
        // Whoever leaves says it once more, as a loss would leave it in for seconds.
        let times = if state == CallState::In { 1 } else { 2 };
        let mut effects = Effects::default();
        for _ in 0..times {
            effects.send.extend(self.seal_packet(room, &RoomPacket::Call(said.clone()), now));
        }
        let Some(Transmit::Multicast { bytes, .. }) = effects.send.last() else { return effects };
        let passed = Frame::Passed(Passed { datagrams: vec![bytes.clone()], unheard: false }).encode();
        let Some(held) = self.rooms.get(&room) else { return effects };
        for session in self.sessions.values_mut().filter(|session| !session.ending && session.is_greeted()) {
            let unheard = session.is_deaf(now.instant) || !self.unheard.is_on_air(session.peer, now.instant);
            if unheard && held.is_open_to(session.peer) {
                session.lingers = session.lingers.map(|until| until.max(now.instant + LINGER));
                effects.send.push(Transmit::Frame { conn: session.conn, bytes: passed.clone() });
            }
        }
        effects
    }

    /// A connection was dialled for a call. It is said again in a moment, and over this connection, too.
    pub(in crate::node) fn say_call_on(&mut self, _conn: ConnId, room: RoomId) -> Effects {
        if let Some(me) = self.calls.on.get_mut(&room).and_then(|call| call.me.as_mut()) {
            me.say_at = Instant(0);
        }
        Effects::default()
    }

    fn call_to_say(&self, room: RoomId, state: CallState) -> Option<Call> {
        let call = self.calls.on.get(&room)?;
        let mut said = Call {
            call: call.id,
            state,
            turn: 0,
            muted: false,
            port: 0,
            known: Vec::new(),
            wishes: Vec::new(),
            carried: None,
        };
        if let Some(me) = call.me.as_ref().filter(|_| state == CallState::In) {
            (said.turn, said.muted, said.port) = (me.turn, me.muted, me.port);
            said.known = call.others.keys().map(|peer| (peer.talker(), me.hears(*peer))).collect();
            said.wishes = me.wishes.iter().map(|(of, by)| (of.talker(), by.talker())).collect();
            said.carried = call.unknown_to_others();
        }
        Some(said)
    }

    /// Those who are called, or in the call, whom multicast does not reach and no connection leads to, are dialled.
    fn dial_for_call(&mut self, room: RoomId, now: Now) -> Effects {
        let Some(wanted) = self.rooms.get(&room).map(|held| self.called(held)) else {
            return Effects::default();
        };
        let wanted: Vec<PeerId> = wanted
            .into_iter()
            .filter(|peer| self.presence.is_online(*peer) && !self.unheard.is_on_air(*peer, now.instant))
            .take(MAX_DIALS)
            .collect();
        self.calls.dials.retain(|peer, _| wanted.contains(peer));
        let mut effects = Effects::default();
        for peer in wanted {
            let connected = self.sessions.values().any(|session| session.peer == peer && !session.ending);
            let retry = self.calls.dials.entry(peer).or_default();
            if !connected && retry.is_due(now.instant) && !self.errands.wait_for(peer) {
                retry.rest(DIAL_REST, MAX_DIAL_REST, now.instant);
                effects.extend(self.go(peer, Errand::Call(room), now).unwrap_or_default());
            }
        }
        effects
    }

    fn called(&self, held: &Room) -> Vec<PeerId> {
        match held.record.kind {
            RoomKind::Direct(_) | RoomKind::Private => held.members(),
            RoomKind::Open => {
                let call = self.calls.on.get(&held.record.id);
                call.map(|call| call.others.keys().copied().collect()).unwrap_or_default()
            }
        }
    }
}

impl Ongoing {
    /// The datagram of somebody whom somebody else in the call does not know of; of several the one that was heard last.
    fn unknown_to_others(&self) -> Option<Vec<u8>> {
        let unknown = self.others.iter().filter(|(peer, seat)| {
            let lacks = |(other, theirs): (&PeerId, &Seat)| other != *peer && !theirs.knows(**peer);
            !seat.datagram.is_empty() && self.others.iter().any(lacks)
        });
        unknown.map(|(_, seat)| seat).max_by_key(|seat| seat.heard).map(|seat| seat.datagram.clone())
    }
}

/// Bytes of a room's tag before what is said.
const ROOM_TAG: usize = 8;
/// Devices that are dialled for one call at a time.
const MAX_DIALS: usize = 8;
/// Between two dials to one of them,
const DIAL_REST: std::time::Duration = std::time::Duration::from_secs(8);
/// doubled up to this.
const MAX_DIAL_REST: std::time::Duration = std::time::Duration::from_secs(60);
/// How long a connection is kept after the last word about a call.
const LINGER: std::time::Duration = std::time::Duration::from_secs(20);
