//! Calls: who is in which, who hears whom there, and how each is reached.
//!
//! A room has one call at the most, and this device is in one at the most. Who is in one says so every [`EVERY`] and whenever
//! something changes; where nobody is in one, nothing is said. The sound itself is not the protocol's affair: it only says with
//! which keys it is sealed, to whom copies go because multicast does not reach them, and for whom somebody passes it on.

mod ring;
mod said;
mod wishes;

use std::collections::BTreeMap;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::effects::{CallEnd, Effects, Event};
use crate::model::{CallId, Instant, Now, PeerId, RoomId, UnixMillis};
use crate::node::retry::Retry;
use crate::node::{Node, Refusal};
use crate::pacing::earliest;
use crate::rooms::{KeyName, RoomKind};
use crate::wire::call::{CallState, Hears, MAX_TALKERS};

use said::Seat;
use wishes::Wishes;

#[derive(Default)]
pub(super) struct Calls {
    on: BTreeMap<RoomId, Ongoing>,
    /// How many calls this device has joined in this run.
    turn: u32,
    /// Dials to those whom multicast does not reach.
    dials: BTreeMap<PeerId, Retry>,
}

/// A call that is on.
struct Ongoing {
    id: CallId,
    since: UnixMillis,
    began: Instant,
    others: BTreeMap<PeerId, Seat>,
    me: Option<Own>,
    /// Two were in it at the same time: it rings no more.
    answered: bool,
    /// It rings no more although nobody answered.
    unanswered: bool,
    /// This device does not want to be in it; said when to whoever calls.
    declined: Option<Option<Instant>>,
}

/// What this device is in a call.
struct Own {
    turn: u32,
    muted: bool,
    port: u16,
    /// How the others are heard, and since when it is so.
    hears: BTreeMap<PeerId, (Hears, Instant)>,
    wishes: Wishes,
    /// What datagrams were sealed with when this device last spoke.
    key: Option<KeyName>,
    said: Option<Instant>,
    say_at: Instant,
}

/// What a sender's packets are sealed with.
#[derive(Clone, PartialEq, Eq)]
pub struct CallKey {
    pub secret: Zeroizing<[u8; 32]>,
    /// Whether the room's epoch is odd: packets say so.
    pub odd: bool,
}

/// A call that is on, as it is here.
pub struct OngoingCall {
    pub id: CallId,
    pub room: RoomId,
    /// When this device first knew of it.
    pub since: UnixMillis,
    pub ringing: bool,
    /// What this device seals its packets with, and whether it is muted; `None` while it is not in.
    pub me: Option<(CallKey, bool)>,
    /// The others, in the order of their ids.
    pub others: Vec<Participant>,
}

/// Somebody else in a call.
pub struct Participant {
    pub peer: PeerId,
    pub muted: bool,
    /// Where it takes packets by unicast, at each of its addresses.
    pub port: u16,
    /// `None` if the room's key is gone.
    pub key: Option<CallKey>,
    /// What it sealed with before.
    pub old_key: Option<CallKey>,
    /// It says that it does not hear this device by multicast: it is to get copies.
    pub wants_copies: bool,
    /// Whose packets it wants to be passed on to it by this device.
    pub relays: Vec<PeerId>,
    /// Who was asked to pass its packets on to this device.
    pub through: Option<PeerId>,
}

impl Calls {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.on.values().filter_map(Ongoing::deadline).min()
    }

    /// Whether a connection with a device is wanted for a call.
    pub(super) fn calls(&self, peer: PeerId) -> bool {
        self.dials.contains_key(&peer)
    }

    /// The room of the call that this device is in.
    fn joined(&self) -> Option<RoomId> {
        self.on.iter().find(|(_, call)| call.me.is_some()).map(|(room, _)| *room)
    }

    fn next_turn(&mut self) -> u32 {
        self.turn += 1;
        self.turn
    }
}

impl Ongoing {
    fn new(id: CallId, now: Now) -> Ongoing {
        Ongoing {
            id,
            since: now.unix,
            began: now.instant,
            others: BTreeMap::new(),
            me: None,
            answered: false,
            unanswered: false,
            declined: None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let said = self.me.as_ref().map(|me| me.say_at);
        let silent = self.others.values().map(|seat| seat.heard + SILENT).min();
        let rings = !self.answered && !self.unanswered;
        earliest(earliest(said, silent), rings.then_some(self.began + RINGS))
    }

    fn len(&self) -> usize {
        self.others.len() + usize::from(self.me.is_some())
    }

    /// Something changed that others should know soon.
    fn say_soon(&mut self, now: Instant) {
        if let Some(me) = &mut self.me {
            let rested = me.said.map_or(now, |said| said + SETTLE);
            me.say_at = me.say_at.min(rested.max(now));
        }
    }
}

impl Own {
    fn new(turn: u32, port: u16, now: Instant) -> Own {
        Own {
            turn,
            muted: false,
            port,
            hears: BTreeMap::new(),
            wishes: Wishes::default(),
            key: None,
            said: None,
            say_at: now,
        }
    }

    fn hears(&self, peer: PeerId) -> Hears {
        self.hears.get(&peer).map_or(Hears::Unknown, |(hears, _)| *hears)
    }
}

impl Node {
    /// Starts a call in a room, or joins the one that is on, and leaves any other. Packets by unicast are taken at `port`.
    ///
    /// # Errors
    /// If the room is none of this device's, or [`MAX_TALKERS`] are in the call.
    pub fn join_call(&mut self, room: RoomId, port: u16, now: Now) -> Result<Effects, Refusal> {
        let held = self.room(room).ok_or(Refusal::NoRoom)?;
        if !held.speaks() || !held.keys.can_seal() {
            return Err(Refusal::NotMember);
        }
        if self.calls.on.get(&room).is_some_and(|call| call.others.len() >= MAX_TALKERS) {
            return Err(Refusal::FullCall);
        }
        let mut effects = match self.calls.joined() {
            Some(joined) if joined == room => return Ok(Effects::default()),
            Some(_) => self.leave_call(now),
            None => Effects::default(),
        };
        let turn = self.calls.next_turn();
        let id = match self.calls.on.get(&room) {
            Some(call) => call.id,
            None => CallId(self.dice.bytes()),
        };
        let call = self.calls.on.entry(room).or_insert_with(|| Ongoing::new(id, now));
        call.me = Some(Own::new(turn, port, now.instant));
        call.declined = None;
        call.answered |= !call.others.is_empty();
        effects.tell.push(Event::Call(room));
        effects.extend(self.advance(now));
        Ok(effects)
    }

    /// Leaves the call that this device is in, if it is in one.
    pub fn leave_call(&mut self, now: Now) -> Effects {
        let Some(room) = self.calls.joined() else { return Effects::default() };
        let mut effects = self.hang_up_call(room, CallEnd::Over, now);
        effects.extend(self.advance(now));
        effects
    }

    /// Sends nothing that is said here, or sends it again.
    ///
    /// # Errors
    /// If this device is in no call.
    pub fn mute_call(&mut self, muted: bool, now: Now) -> Result<(RoomId, Effects), Refusal> {
        let room = self.calls.joined().ok_or(Refusal::NoCall)?;
        let mut effects = Effects::default();
        if let Some(call) = self.calls.on.get_mut(&room)
            && let Some(me) = &mut call.me
            && me.muted != muted
        {
            me.muted = muted;
            call.say_soon(now.instant);
            effects.tell.push(Event::Call(room));
        }
        effects.extend(self.advance(now));
        Ok((room, effects))
    }

    /// How the packets of those in the call that this device is in come, as far as that is known.
    pub fn heard_in_call(&mut self, heard: &[(PeerId, Hears)], now: Now) -> Effects {
        let Some(room) = self.calls.joined() else { return Effects::default() };
        let Some(call) = self.calls.on.get_mut(&room) else { return Effects::default() };
        let Some(me) = &mut call.me else { return Effects::default() };
        let mut changed = false;
        for (peer, hears) in heard.iter().filter(|(peer, _)| call.others.contains_key(peer)) {
            let known = me.hears.entry(*peer).or_insert((Hears::Unknown, now.instant));
            if known.0 != *hears {
                *known = (*hears, now.instant);
                changed = true;
            }
        }
        if !changed {
            return Effects::default();
        }
        call.say_soon(now.instant);
        self.advance(now)
    }

    /// The calls that are on in rooms of this device and that it did not decline, in the order of the rooms.
    pub fn calls(&self) -> impl Iterator<Item = OngoingCall> {
        let on = self.calls.on.iter().filter(|(_, call)| call.declined.is_none());
        on.filter_map(|(room, call)| self.ongoing(*room, call))
    }

    pub fn call(&self, room: RoomId) -> Option<OngoingCall> {
        let call = self.calls.on.get(&room).filter(|call| call.declined.is_none())?;
        self.ongoing(room, call)
    }

    fn ongoing(&self, room: RoomId, call: &Ongoing) -> Option<OngoingCall> {
        let held = self.rooms.get(&room)?;
        let key = |name: Option<KeyName>, device, turn| {
            let secret = held.keys.call_key((room, call.id), name, device, turn)?;
            Some(CallKey { secret, odd: name.is_some_and(|(epoch, _)| epoch % 2 == 1) })
        };
        let me = call
            .me
            .as_ref()
            .and_then(|me| Some((key(held.keys.sending_name(), self.me, (self.boot, me.turn))?, me.muted)));
        let others = call.others.iter().map(|(peer, seat)| Participant {
            peer: *peer,
            muted: seat.said.muted,
            port: seat.said.port,
            key: key(seat.key, *peer, (seat.boot, seat.said.turn)),
            old_key: seat.old.and_then(|(name, boot, turn)| key(name, *peer, (boot, turn))),
            wants_copies: matches!(seat.hears(self.me), Hears::Copies | Hears::Nothing),
            relays: call.relayed_to(*peer, self.me),
            through: call.me.as_ref().and_then(|me| me.wishes.through(*peer)),
        });
        let others = others.collect();
        let (id, since, ringing) = (call.id, call.since, self.rings(room, call));
        Some(OngoingCall { id, room, since, ringing, me, others })
    }

    fn is_direct(&self, room: RoomId) -> bool {
        self.rooms.get(&room).is_some_and(|held| matches!(held.record.kind, RoomKind::Direct(_)))
    }

    /// What is due about calls. Where none is on nothing is.
    pub(super) fn tend_calls(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        if self.calls.on.is_empty() {
            self.calls.dials.clear();
            return effects;
        }
        let rooms: Vec<RoomId> = self.calls.on.keys().copied().collect();
        for room in rooms {
            effects.extend(self.forget_silent(room, now));
            effects.extend(self.stop_ringing(room, now));
            effects.extend(self.say_call_when_due(room, now));
        }
        effects
    }

    /// Whoever was not heard for long, was put out, or is blocked, is in no call; nor is this device where it cannot speak.
    fn forget_silent(&mut self, room: RoomId, now: Now) -> Effects {
        let mut effects = Effects::default();
        let (presence, held) = (&self.presence, self.rooms.get(&room));
        let Some(call) = self.calls.on.get_mut(&room) else { return effects };
        let Some(held) = held.filter(|held| held.speaks() && !held.is_leaving()) else {
            let id = call.id;
            self.calls.on.remove(&room);
            effects.tell.push(Event::CallEnded { room, call: id, end: CallEnd::Gone });
            return effects;
        };
        let before = call.others.len();
        call.others.retain(|peer, seat| {
            seat.heard + SILENT > now.instant && held.is_open_to(*peer) && !presence.is_blocked(*peer)
        });
        if call.others.len() != before {
            effects.extend(self.somebody_left(room, now));
        }
        effects
    }

    /// Of those who are in some are not any more.
    fn somebody_left(&mut self, room: RoomId, now: Now) -> Effects {
        let Some(call) = self.calls.on.get_mut(&room) else { return Effects::default() };
        if let Some(me) = &mut call.me {
            me.hears.retain(|peer, _| call.others.contains_key(peer));
        }
        call.say_soon(now.instant);
        self.told_of(room)
    }

    /// The call changed, or ended because nobody is in it.
    fn told_of(&mut self, room: RoomId) -> Effects {
        let Some(call) = self.calls.on.get(&room) else { return Effects::default() };
        let tell = if call.len() > 0 {
            // Of what was declined nothing more is told.
            if call.declined.is_some() { Vec::new() } else { vec![Event::Call(room)] }
        } else {
            let rang = self.is_direct(room) && !call.answered;
            let end = if rang { CallEnd::Unanswered } else { CallEnd::Over };
            let (id, told) = (call.id, call.declined.is_none());
            self.calls.on.remove(&room);
            if told { vec![Event::CallEnded { room, call: id, end }] } else { Vec::new() }
        };
        Effects { tell, ..Effects::default() }
    }

    /// This device leaves a call, which ends for that if nobody else is in it.
    fn hang_up_call(&mut self, room: RoomId, end: CallEnd, now: Now) -> Effects {
        let mut effects = self.say_call(room, CallState::Left, now);
        let Some(call) = self.calls.on.get_mut(&room) else { return effects };
        call.me = None;
        let id = call.id;
        if call.others.is_empty() {
            self.calls.on.remove(&room);
            effects.tell.push(Event::CallEnded { room, call: id, end });
        } else {
            effects.tell.push(Event::Call(room));
        }
        self.calls.dials.clear();
        effects
    }
}

/// Whoever is in a call says so so often,
const EVERY: Duration = Duration::from_secs(2);
/// is in no longer after this without a word: three may be lost,
const SILENT: Duration = Duration::from_secs(8);
/// and says what changed so long after the last word at the earliest: who joins changes much.
const SETTLE: Duration = Duration::from_millis(200);
/// So long a call rings.
const RINGS: Duration = Duration::from_secs(45);

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
