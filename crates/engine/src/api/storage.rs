//! How much of the disk all of this takes.

use serde::{Deserialize, Serialize};

/// What this device's own data take of the disk, in bytes. Files that arrived are a person's own, and not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// What was said, in all rooms: what [`super::Me::history_bytes`] limits.
    #[cfg_attr(test, ts(type = "number"))]
    pub history: u64,
    /// The rooms that take most of it, the largest first; 20 at the most.
    pub rooms: Vec<RoomStorage>,
    /// Sealed messages that are kept for others: what [`super::Me::hold_bytes`] limits.
    #[cfg_attr(test, ts(type = "number"))]
    pub mail: u64,
    /// The database with both of them, with what is needed to find them, and with space that was given up and is used again.
    #[cfg_attr(test, ts(type = "number"))]
    pub database: u64,
    /// What is needed for offers: their lists of files, and pictures that were pasted.
    #[cfg_attr(test, ts(type = "number"))]
    pub offers: u64,
    /// What came of transfers that are not finished; absent if a disk did not answer in time.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub unfinished: Option<u64>,
    /// How many transfers these are.
    pub unfinished_transfers: u32,
}

/// What was said in one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RoomStorage {
    /// The id of the room.
    pub room: String,
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
}
