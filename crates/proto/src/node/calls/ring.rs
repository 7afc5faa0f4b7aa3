//! A call that rings: between two people, until the other one answers, declines, or does neither.

use crate::effects::{CallEnd, Effects, Event};
use crate::model::{Now, PeerId, RoomId};
use crate::node::calls::{EVERY, Ongoing, RINGS};
use crate::node::{Node, Refusal};
use crate::rooms::RoomKind;
use crate::wire::call::CallState;

impl Node {
    /// Lets a call of somebody else ring no longer, and tells whoever calls.
    ///
    /// # Errors
    /// If none rings there.
    pub fn decline_call(&mut self, room: RoomId, now: Now) -> Result<Effects, Refusal> {
        let rings = self.calls.on.get(&room).filter(|call| call.me.is_none() && self.rings(room, call));
        let call = rings.map(|call| call.id).ok_or(Refusal::NothingRings)?;
        let mut effects = self.say_declined(room, now);
        effects.tell.push(Event::CallEnded { room, call, end: CallEnd::Declined });
        effects.extend(self.advance(now));
        Ok(effects)
    }

    pub(super) fn rings(&self, room: RoomId, call: &Ongoing) -> bool {
        self.is_direct(room) && !call.answered && !call.unanswered && call.declined.is_none()
    }

    /// Whoever calls has not heard that this device does not want to be in.
    pub(super) fn decline_again(&mut self, room: RoomId, now: Now) -> Effects {
        let declined = self.calls.on.get(&room).and_then(|call| call.declined);
        let again = declined.is_some_and(|said| said.is_none_or(|at| now.instant.since(at) >= EVERY / 2));
        if again { self.say_declined(room, now) } else { Effects::default() }
    }

    fn say_declined(&mut self, room: RoomId, now: Now) -> Effects {
        let effects = self.say_call(room, CallState::Declined, now);
        if let Some(call) = self.calls.on.get_mut(&room) {
            call.declined = Some(Some(now.instant));
        }
        effects
    }

    /// The other side does not want to.
    pub(super) fn was_declined(&mut self, room: RoomId, by: PeerId, now: Now) -> Effects {
        let direct = self.rooms.get(&room).is_some_and(|held| held.record.kind == RoomKind::Direct(by));
        let waits = self.calls.on.get(&room).is_some_and(|call| call.me.is_some() && call.others.is_empty());
        if direct && waits { self.hang_up_call(room, CallEnd::Declined, now) } else { Effects::default() }
    }

    /// Nobody answered for too long: whoever called gives up.
    pub(super) fn stop_ringing(&mut self, room: RoomId, now: Now) -> Effects {
        let direct = self.is_direct(room);
        let Some(call) = self.calls.on.get_mut(&room) else { return Effects::default() };
        if call.answered || call.unanswered || call.began + RINGS > now.instant {
            return Effects::default();
        }
        call.unanswered = true;
        let (waits, declined) = (call.me.is_some() && call.others.is_empty(), call.declined.is_some());
        match (direct, waits) {
            (true, true) => self.hang_up_call(room, CallEnd::Unanswered, now),
            (true, false) if !declined => Effects { tell: vec![Event::Call(room)], ..Effects::default() },
            _ => Effects::default(),
        }
    }
}
