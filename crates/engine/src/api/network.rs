//! How this device is on its network.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// UDP port of discovery and rooms.
    pub port: u16,
    /// TCP port of this device for sync and files.
    pub tcp_port: u16,
    pub multicast: bool,
    pub interfaces: Vec<Interface>,
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Dropped {
    pub reason: String,
    #[cfg_attr(test, ts(type = "number"))]
    pub count: u64,
}
