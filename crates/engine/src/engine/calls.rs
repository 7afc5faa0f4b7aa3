//! Calls: what user interfaces ask of them and are told. Who is in one the node knows; the sound is [`talking`]'s.

#[cfg(feature = "calls")]
mod ends;
#[cfg(feature = "calls")]
mod packets;
#[cfg(not(feature = "calls"))]
#[path = "calls/silent.rs"]
mod talking;
#[cfg(feature = "calls")]
mod talking;
#[cfg(feature = "calls")]
mod trouble;

use lanyard_proto::effects::{CallEnd, Effects};
use lanyard_proto::model::{CallId, PeerId, RoomId};
use lanyard_proto::node::OngoingCall;

use crate::api;
use crate::api::{ApiError, Call, CallMember, CallWay, Command, Event, Reply};
use crate::engine::commands::{Outcome, To, done, invalid, refused};
use crate::engine::gate::Answering;
use crate::engine::handle::Shell;
use crate::engine::run::Run;
use crate::saying;
use crate::store::StoreError;

pub use talking::{CallReport, TALK, Talking};

/// How somebody in the call that this device is in is heard, or this device itself.
pub struct Heard {
    level: u8,
    speaking: bool,
    way: CallWay,
    loss: f32,
    concealed: f32,
    buffer: u32,
}

impl Run {
    /// What is answered at once; the rest is `ask_of_calls`.
    pub fn call_command(&mut self, command: Command) -> Result<Outcome, ApiError> {
        let now = self.clock.now();
        match command {
            Command::LeaveCall {} => Ok(done(self.node.leave_call(now))),
            Command::DeclineCall { room } => {
                let room = self.find_room(&room)?;
                Ok(done(self.node.decline_call(room, now).map_err(refused)?))
            }
            Command::Mute { muted } => {
                let (room, effects) = self.node.mute_call(muted, now).map_err(refused)?;
                Ok(Outcome::After(effects, Answering::Call(room)))
            }
            _ => Ok(Outcome::Now(Reply::Calls(self.calls()))),
        }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.node.calls().map(|call| self.show_call(&call)).collect()
    }

    pub fn call_in(&self, room: RoomId) -> Option<Call> {
        self.node.call(room).map(|call| self.show_call(&call))
    }

    fn show_call(&self, call: &OngoingCall) -> Call {
        let me = call.me.as_ref().map(|(_, muted)| self.show_talker(self.node.me(), *muted));
        let others = call.others.iter().map(|other| self.show_talker(other.peer, other.muted));
        let joined = call.me.is_some();
        let (sent_packets, sent_bytes) = if joined { self.talking.sent() } else { (0, 0) };
        Call {
            id: call.id.to_string(),
            room: call.room.to_string(),
            since: call.since.0,
            joined,
            ringing: call.ringing,
            muted: call.me.as_ref().is_some_and(|(_, muted)| *muted),
            trouble: if joined { self.talking.trouble() } else { Vec::new() },
            members: me.into_iter().chain(others).collect(),
            sent_packets,
            sent_bytes,
        }
    }

    fn show_talker(&self, peer: PeerId, muted: bool) -> CallMember {
        let me = peer == self.node.me();
        let heard = self.talking.heard(peer, me);
        CallMember {
            peer: peer.to_string(),
            short: peer.short(),
            name: self.name_of(peer),
            me,
            muted,
            speaking: heard.as_ref().is_some_and(|heard| heard.speaking),
            level: heard.as_ref().map_or(0, |heard| heard.level),
            way: heard.as_ref().map_or(CallWay::None, |heard| heard.way),
            loss: heard.as_ref().map_or(0.0, |heard| heard.loss),
            concealed: heard.as_ref().map_or(0.0, |heard| heard.concealed),
            buffer: heard.map_or(0, |heard| heard.buffer),
        }
    }

    /// Somebody came into a call, left it, or said something of itself.
    pub fn call_changed(&mut self, room: RoomId) {
        self.tune();
        if let Some(call) = self.call_in(room) {
            self.tell(Event::Call { call });
        }
    }

    pub fn call_ended(&mut self, room: RoomId, call: CallId, end: CallEnd) {
        self.tune();
        let why = match end {
            CallEnd::Over => api::CallEnd::Over,
            CallEnd::Declined => api::CallEnd::Declined,
            CallEnd::Unanswered => api::CallEnd::Unanswered,
            CallEnd::Merged => api::CallEnd::Merged,
            CallEnd::Gone => api::CallEnd::Gone,
        };
        self.tell(Event::CallEnded { room: room.to_string(), id: call.to_string(), why });
    }

    /// Leaves the call that this device is in, when the node ends.
    pub fn end_calls(&mut self) -> Effects {
        self.node.leave_call(self.clock.now())
    }

    /// The same when the program is gone that joined it: nobody is there who hears.
    pub fn end_call_of(&mut self, shell: Shell) -> Effects {
        if self.talking.is_of(shell) { self.end_calls() } else { Effects::default() }
    }

    /// Uses other devices from now on, and keeps the choice.
    pub async fn choose_call_devices(&mut self, chosen: Command, to: To) -> Result<(), StoreError> {
        if let Command::ChooseCallDevices { microphone, speaker } = &chosen {
            let names = [microphone, speaker].into_iter().flatten();
            if names.clone().any(|name| name.len() > MAX_NAME || name.chars().any(char::is_control)) {
                // Whoever asked may be gone.
                let _ = to.send(Err(invalid(saying!("This is no name of a device for sound."))));
                return Ok(());
            }
            let before = self.settings.clone();
            (self.settings.microphone, self.settings.speaker) = (microphone.clone(), speaker.clone());
            let kept = self.store.set_settings(self.settings.clone()).await?;
            self.gate.wait_for(kept);
            self.use_devices(&before);
        }
        self.ask_of_calls(Command::CallDevices {}, to);
        Ok(())
    }
}

/// Bytes of a device's name.
const MAX_NAME: usize = 512;
