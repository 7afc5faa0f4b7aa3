//! What this device keeps for others.

use serde::{Deserialize, Serialize};

/// Sealed messages that this device keeps for others who are away. It cannot read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Mailbox {
    /// Messages, and what was done with messages.
    #[cfg_attr(test, ts(type = "number"))]
    pub entries: u64,
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
    /// For how many devices.
    #[cfg_attr(test, ts(type = "number"))]
    pub people: u64,
}
