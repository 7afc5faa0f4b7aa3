//! This device, and all that a window begins with.

use serde::{Deserialize, Serialize};

use super::{
    Avatar, Call, Comparison, Locked, Mailbox, Network, Notifications, Peer, Relaying, Room, Transfer,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub me: Me,
    pub network: Network,
    pub peers: Vec<Peer>,
    pub rooms: Vec<Room>,
    pub transfers: Vec<Transfer>,
    pub mailbox: Mailbox,
    /// Those that are not over.
    pub comparisons: Vec<Comparison>,
    /// Those that are on.
    #[serde(default)]
    pub calls: Vec<Call>,
}

/// This device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The whole device key, 52 base32 characters.
    pub id: String,
    /// Its first 8 characters, for telling people apart.
    pub short: String,
    pub name: String,
    pub avatar: Avatar,
    /// The download folder, to be shown.
    pub downloads: String,
    pub version: String,
    /// Whether a person chose the name; a window asks once if not.
    pub named: bool,
    /// For how many days history is kept; 0 means for ever.
    pub history_days: u32,
    /// How many bytes of history are kept in all.
    #[cfg_attr(test, ts(type = "number"))]
    pub history_bytes: u64,
    /// Since when it is known that a copy of this profile runs elsewhere, in milliseconds since 1970, if one does.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub cloned: Option<u64>,
    /// Whether sealed messages are kept for others who are away.
    pub hold_for_others: bool,
    /// How many bytes of them at the most.
    #[cfg_attr(test, ts(type = "number"))]
    pub hold_bytes: u64,
    /// Bytes per second with which files are given; 0 means no limit.
    #[cfg_attr(test, ts(type = "number"))]
    pub upload_limit: u64,
    /// Bytes per second with which files are fetched; 0 means no limit.
    #[cfg_attr(test, ts(type = "number"))]
    pub download_limit: u64,
    /// How many transfers are fetched at a time onto one disk.
    pub transfers_at_once: u32,
    pub notifications: Notifications,
    pub relaying: Relaying,
    /// What whoever administers this device decided for everybody on it.
    pub locked: Vec<Locked>,
}
