//! Folders that are shared.

use serde::{Deserialize, Serialize};

/// A folder of this device that others may look into and fetch from. They can change nothing in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Share {
    pub id: String,
    /// What others see it as; no two of a device are called the same.
    pub name: String,
    /// Where it is, to be shown.
    pub path: String,
    pub who: ShareAudience,
    /// Whether the folder is not there at the moment.
    pub gone: bool,
}

/// Who may see a shared folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ShareAudience {
    /// Everybody on the network.
    Everyone,
    /// Whoever is in the room when they ask. In a command also `#name`.
    Room { room: String },
    /// These devices. In a command also `@name` and `@id-prefix`.
    People { people: Vec<String> },
}

/// A folder that somebody else shares with this device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PeerShare {
    pub id: String,
    /// As its holder calls it, safe to show.
    pub name: String,
}

/// A page of a shared folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// Folders first, then by name. Hidden files, links and what is neither file nor folder are not listed.
    pub entries: Vec<ListingEntry>,
    /// Where to go on, if there is more.
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ListingEntry {
    /// Safe to show, and what it is asked for by.
    pub name: String,
    pub folder: bool,
    /// Bytes of a file; 0 for a folder.
    #[cfg_attr(test, ts(type = "number"))]
    pub size: u64,
    /// When it was last changed, in milliseconds since 1970; 0 where that is not known.
    #[cfg_attr(test, ts(type = "number"))]
    pub modified: u64,
}
