//! A call as a value: time, packets and sound in, packets and sound out.

use std::net::SocketAddr;
use std::time::Duration;

use crate::packet::SenderId;
use crate::seal::Key;
use crate::trouble::Trouble;

/// What a call is for this device.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Which call it is; every packet is bound to it.
    pub call: [u8; 16],
    /// This device in its packets.
    pub sender: SenderId,
    /// What this device seals with. Never used again for another joining of the call.
    pub key: Key,
    pub muted: bool,
}

/// Another device in the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub sender: SenderId,
    /// What it seals with.
    pub key: Key,
    /// What it sealed with before, while its packets may still be on their way.
    pub old_key: Option<Key>,
    /// Where this device sends it copies, because it said that it does not hear us by multicast.
    pub unicast: Option<SocketAddr>,
    /// What this device passes on to it, because those cannot reach it.
    pub relay: Option<Relay>,
}

/// Sealed packets of others that are passed on as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    pub to: SocketAddr,
    /// Whose. No more than `RELAYED` are passed on to all members together.
    pub of: Vec<SenderId>,
}

/// When the microphone counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PushToTalk {
    /// Always, unless muted.
    #[default]
    Off,
    /// It is on and not pressed: nothing is heard.
    Released,
    Pressed,
}

/// How a call goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    pub me: MyReport,
    /// One for each member, in their order.
    pub members: Vec<Hearing>,
    pub dropped: Dropped,
    /// What is wrong now.
    pub trouble: Vec<Trouble>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct MyReport {
    /// How loud the microphone is, 0..=100; 0 while muted.
    pub level: u8,
    pub speaking: bool,
    /// Muted, or push-to-talk is on and not pressed.
    pub muted: bool,
    /// Packets multicast, and the bytes of UDP in them.
    pub packets: u64,
    pub bytes: u64,
    /// The same of copies to single members and of what was passed on for others.
    pub unicast_packets: u64,
    pub unicast_bytes: u64,
    /// The copies of earlier frames that go with each frame.
    pub copies: u8,
}

/// How one member is heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Hearing {
    pub sender: SenderId,
    pub level: u8,
    pub speaking: bool,
    /// Whether a packet of it came in the last three seconds by multicast, and by unicast and from where. A member that
    /// is there sends at least one a second.
    pub by_multicast: bool,
    pub by_unicast: Option<SocketAddr>,
    /// Percent of its packets in the last five seconds that did not come, and of its sound that had to be made up.
    pub lost: f32,
    pub concealed: f32,
    /// How long sound waits here, and how unevenly it comes (99 of 100 come within that of the earliest).
    pub buffer: Duration,
    pub jitter: Duration,
    /// Frames of 20 ms since it joined: heard, repaired from copies, made up.
    pub frames: u64,
    pub repaired: u64,
    pub made_up: u64,
}

/// Packets that were not taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Not of this format.
    pub malformed: u64,
    /// Of somebody who is not in the call.
    pub strange: u64,
    /// Not sealed by whom they name.
    pub forged: u64,
    /// Seen before, or too old to know. A copy that came by another way is not counted.
    pub replayed: u64,
}

/// Most members' packets that a device passes on.
pub const RELAYED: usize = 8;
