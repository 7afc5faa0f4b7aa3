//! How this device is on its network.

use serde::{Deserialize, Serialize};

use super::InterfaceKind;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// UDP port of discovery and rooms.
    pub port: u16,
    /// TCP port of this device for sync and files.
    pub tcp_port: u16,
    pub multicast: bool,
    /// Those in use.
    pub interfaces: Vec<Interface>,
    /// All that are here or that somebody chose, used or not.
    pub listed: Vec<ListedInterface>,
    /// By how many seconds the clocks of most other devices here are ahead of this one's, where that is more than ten minutes.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub clock_off: Option<i64>,
    /// Datagrams that were not ours, damaged, forged or replayed, by reason, since the start.
    pub dropped: Vec<Dropped>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    pub name: String,
    pub addresses: Vec<String>,
}

/// An interface, and whether it is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ListedInterface {
    pub name: String,
    /// Unknown of what is absent.
    pub kind: Option<InterfaceKind>,
    pub addresses: Vec<String>,
    pub choice: InterfaceChoice,
    pub state: InterfaceState,
}

/// What a person wants of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceChoice {
    /// Used if it is up and neither a tunnel nor the loopback interface.
    Automatic,
    /// Used whenever it is up.
    Always,
    /// Left alone: nothing is sent, dialled or accepted over it.
    Never,
}

/// Whether an interface is used, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceState {
    Used,
    /// Somebody chose never to use it.
    Excluded,
    /// This run was told to use others only.
    NotNamed,
    /// A tunnel, as of a VPN, that nobody chose.
    Tunnel,
    /// It leads nowhere, and is used where nothing else is.
    Loopback,
    /// It is switched off, or without a cable.
    Down,
    /// There is none of this name, or it has no address.
    Absent,
    /// More than enough others are used.
    TooMany,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Dropped {
    pub reason: DroppedReason,
    #[cfg_attr(test, ts(type = "number"))]
    pub count: u64,
}

/// Why something that came over the network was not taken. A shell says it in its own language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum DroppedReason {
    /// A datagram that is too short, or cut off.
    Truncated,
    /// A datagram that is longer than allowed.
    TooLong,
    /// A datagram of another program.
    Foreign,
    /// A datagram of another version of Lanyard.
    OtherVersion,
    /// A datagram that is meant for people on another network.
    OtherNetwork,
    /// A datagram that is damaged, or was never right.
    Malformed,
    /// A datagram whose signature is not that of its sender.
    BadSignature,
    /// A datagram that was heard before, or is somebody's who is blocked.
    Replayed,
    /// A datagram with a body that does not fit its kind, or cannot be unsealed.
    BadBody,
    /// A frame on a connection that makes no sense.
    BadFrame,
    /// An entry of a room that is not genuine.
    BadEntry,
}

impl DroppedReason {
    /// As a sentence of a program that speaks English goes on: "3 datagrams not taken: heard before".
    pub fn text(self) -> &'static str {
        match self {
            Self::Truncated => "too short or cut off",
            Self::TooLong => "longer than allowed",
            Self::Foreign => "not Lanyard's",
            Self::OtherVersion => "of another version",
            Self::OtherNetwork => "of another network",
            Self::Malformed => "not what they should be",
            Self::BadSignature => "signed by nobody",
            Self::Replayed => "heard before",
            Self::BadBody => "with a body that makes no sense",
            Self::BadFrame => "frames that make no sense",
            Self::BadEntry => "entries that are not genuine",
        }
    }
}

/// Whether this device passes on sealed bytes between others that cannot dial each other, and how much of that at a time. It
/// counts to the limits of speed as its own transfers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Relaying {
    pub on: bool,
    /// Pairs of devices at a time.
    pub most: u32,
    /// Of these with any one device.
    pub most_of_one: u32,
}
