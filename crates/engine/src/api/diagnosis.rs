//! What is in the way of this device on its network, how that is known, and what to do about it.

use serde::{Deserialize, Serialize};

use super::InterfaceChoice;
use crate::saying::Saying;

/// What a look at the network came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// The gravest first; none where all is well.
    pub verdicts: Vec<Verdict>,
    /// Those in use first.
    pub interfaces: Vec<CheckedInterface>,
    /// Who was asked, or tried to be.
    pub peers: Vec<CheckedPeer>,
    /// UDP port of discovery and rooms.
    pub port: u16,
    /// TCP port of this device for sync and files.
    pub tcp_port: u16,
    /// Milliseconds since 1970.
    #[cfg_attr(test, ts(type = "number"))]
    pub at: u64,
}

/// One cause, and the way on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    pub cause: Cause,
    pub severity: Severity,
    /// What is in the way.
    pub what: Sentence,
    /// How that is known.
    pub evidence: Vec<Sentence>,
    /// What to do about it, on this system, in this order.
    pub steps: Vec<Sentence>,
    /// What is affected; absent where that makes no sense.
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The ids of those whom it concerns; none where it is this device alone, or everybody.
    pub peers: Vec<String>,
}

/// What can be in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// No interface is up.
    NoNetwork,
    /// Another program has the port.
    PortTaken,
    /// Another interface than those in use leads to others.
    WrongInterface,
    /// A firewall lets in or out less than it must: of this device, or of those whom the verdict names.
    Firewall,
    /// The network, as access points do, keeps devices apart from each other.
    Isolation,
    /// The network does not pass on multicast.
    MulticastFiltered,
    /// A copy of this profile runs elsewhere.
    ClonedIdentity,
    /// The clock of this device is far off those of most others.
    ClockOff,
    /// Nobody answers.
    NobodyThere,
    /// Somebody runs a version that does not understand this one.
    OtherVersion,
    /// Somebody was started with the name of another network.
    OtherNetwork,
    /// Somebody is on another network, where multicast never leads.
    OtherSubnet,
    /// This run uses no multicast.
    MulticastOff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something does not work.
    Problem,
    /// Everything works, by a longer way perhaps.
    Note,
}

/// Which way something does not pass, seen from this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    In,
    Out,
    Both,
}

/// A sentence in English, and as it can be said in another language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Sentence {
    pub message: String,
    pub says: Saying,
}

impl From<Saying> for Sentence {
    fn from(says: Saying) -> Sentence {
        Sentence { message: says.to_string(), says }
    }
}

/// An interface, and what went over it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CheckedInterface {
    pub name: String,
    pub addresses: Vec<String>,
    pub used: bool,
    pub kind: InterfaceKind,
    pub choice: InterfaceChoice,
    /// Datagrams that the system took, and did not take, since this run began to use the interface.
    #[cfg_attr(test, ts(type = "number"))]
    pub sent: u64,
    #[cfg_attr(test, ts(type = "number"))]
    pub failed: u64,
    /// Of those that failed, how many the system did not allow.
    #[cfg_attr(test, ts(type = "number"))]
    pub forbidden: u64,
    /// Datagrams of other devices that came over it.
    #[cfg_attr(test, ts(type = "number"))]
    pub heard: u64,
    /// Whether what this device sent to everybody came back to it, as it does where nothing on this device is in the way;
    /// absent where it sent nothing.
    pub loops_back: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceKind {
    Ordinary,
    /// A tunnel, as of a VPN: used only if it was chosen.
    PointToPoint,
    Loopback,
}

/// Another device, and what passes between the two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CheckedPeer {
    pub id: String,
    pub name: String,
    pub found: FoundBy,
    pub addresses: Vec<String>,
    /// The interface in use whose network it is in, if it is in one.
    pub interface: Option<String>,
    /// What of this device it hears; absent where it did not say.
    pub hears: Option<Ways>,
    /// What of it this device hears; absent where it did not send anything for that.
    pub heard: Option<Ways>,
    /// What comes of dialling it.
    pub dial: Option<Reached>,
    /// What comes of its dialling this device; absent where it did not say.
    pub dials: Option<Reached>,
}

/// How another device is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum FoundBy {
    /// It is heard itself.
    Heard,
    /// It was given by address.
    Address,
    /// Others here say that it is here.
    Told,
    /// It was here once.
    Remembered,
}

/// Ways in which datagrams go to everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Ways {
    /// Rooms need it.
    pub multicast: bool,
    /// People are found by it, too.
    pub broadcast: bool,
}

/// What came of dialling a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Reached {
    Open,
    Refused,
    Silent,
    Unreachable,
}
