//! How a call goes, for whoever shows it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::packet::SenderId;
use crate::trouble::Trouble;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    pub me: MyReport,
    /// One for each member, in their order.
    pub members: Vec<Hearing>,
    pub dropped: Dropped,
    /// What is wrong now.
    pub trouble: Vec<Trouble>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MyReport {
    /// How loud the microphone is, 0..=100; 0 while muted.
    pub level: u8,
    pub speaking: bool,
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
    /// Seen before by the same way, or too old to know.
    pub replayed: u64,
}
