//! What the people of a device cannot choose.

use serde::{Deserialize, Serialize};

/// What is chosen for a device, and not by its people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Locked {
    /// Devices of which network's name are seen.
    Network,
    /// Which network interfaces are used.
    Interfaces,
    /// Nobody's files may be fetched without asking.
    Accept,
    HistoryDays,
    HistoryBytes,
    HoldForOthers,
    Relay,
}
