//! Calls: who talks with whom, and over which devices.

use serde::{Deserialize, Serialize};

use super::Sentence;

/// A call that is on in a room. There is at most one in a room, and a device is in one at the most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Call {
    pub id: String,
    pub room: String,
    /// When this device first knew of it, in milliseconds since 1970.
    #[cfg_attr(test, ts(type = "number"))]
    pub since: u64,
    /// Whether this device is in it.
    pub joined: bool,
    /// In a direct conversation: nobody has answered yet. It is we who are called where this device has not joined.
    pub ringing: bool,
    /// Whether nothing that is said here is sent.
    pub muted: bool,
    /// What does not work at the moment; the call goes on with what does.
    pub trouble: Vec<Sentence>,
    /// Who is in it, this device first if it is.
    pub members: Vec<CallMember>,
    /// Packets of sound that this device sent in it, those for others that it relays included.
    #[cfg_attr(test, ts(type = "number"))]
    pub sent_packets: u64,
    /// Their bytes, without headers of UDP and below.
    #[cfg_attr(test, ts(type = "number"))]
    pub sent_bytes: u64,
}

/// A device in a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CallMember {
    pub peer: String,
    pub short: String,
    pub name: String,
    pub me: bool,
    pub muted: bool,
    pub speaking: bool,
    /// How loud it is, 0 to 100.
    pub level: u8,
    /// How its sound comes to this device.
    pub way: CallWay,
    /// How many percent of its packets did not come lately.
    pub loss: f32,
    /// How many percent of its sound had to be made up lately, because no copy of it came.
    pub concealed: f32,
    /// Milliseconds that its sound waits here, so that late packets still count.
    pub buffer: u32,
}

/// How somebody's sound comes to this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum CallWay {
    /// Its one stream for everybody is heard; also of this device itself.
    Multicast,
    /// It sends this device copies.
    Unicast,
    /// Somebody else in the call sends this device copies.
    Relayed,
    /// It does not come, or has not yet.
    None,
}

/// Why a call is no longer on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum CallEnd {
    /// Everybody left.
    Over,
    /// The other side did not want to.
    Declined,
    /// Nobody answered: it was missed.
    Unanswered,
    /// It goes on as another one, which began at the same time.
    Merged,
    /// This device is in the room no longer.
    Gone,
}

/// What is said into a call instead of what the microphone hears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "source", rename_all = "kebab-case")]
pub enum CallAudio {
    /// A tone of 440 Hz.
    Tone,
    Silence,
    /// A WAV file behind a handle, once; silence after it.
    File {
        handle: String,
    },
    /// What comes by [`super::Command::FeedCall`].
    Fed,
}

/// Where what is heard in a call is written, as a WAV file of 48 kHz, mono, 16 bit. Nothing is played then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CallRecording {
    /// A handle of a folder.
    pub into: String,
    /// The new file's name in it. What is there already is not overwritten.
    pub name: String,
}

/// What can be spoken into and heard from, and what is chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CallDevices {
    pub microphones: Vec<CallDevice>,
    pub speakers: Vec<CallDevice>,
    /// The id of the chosen one; absent where the system's is used. It need not be there at the moment.
    pub microphone: Option<String>,
    pub speaker: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CallDevice {
    pub id: String,
    /// As the system calls it.
    pub name: String,
    /// Whether it is the one that the system would use.
    pub default: bool,
}
