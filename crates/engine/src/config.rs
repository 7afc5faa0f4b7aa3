//! What a run of the engine is told at its start. Settings that a person changes later live in the store.

use std::path::{Path, PathBuf};

/// UDP and TCP port: below 32768 (so no system hands it out as an ephemeral port) and unassigned at IANA.
pub const DEFAULT_PORT: u16 = 24417;

/// What one run is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the profile: key, database, offers, lock and control socket. Made if missing, readable by its owner only.
    pub profile: PathBuf,
    /// Overrides the stored name for good.
    pub name: Option<String>,
    /// Overrides the stored download folder for good.
    pub downloads: Option<PathBuf>,
    pub accept: AcceptRule,
    /// Offers of more bytes wait for a person in any case; no limit if absent.
    pub accept_limit: Option<u64>,
    /// Peers to reach by address: `host`, `host:port`, `ip` or `ip:port`.
    pub peers: Vec<String>,
    /// Only these interfaces, by name; all suitable ones if absent.
    pub interfaces: Option<Vec<String>>,
    pub multicast: Multicast,
    /// Whether this device serves all others: it takes part in every open room that it hears of, and keeps and passes on for
    /// others what it may, also if a person had switched that off.
    pub relay: bool,
    pub port: u16,
    /// Devices of other networks' names do not see each other; it is a filter, not a secret.
    pub network: String,
}

/// Which offers are fetched without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptRule {
    Never,
    /// Those of people whose key was compared.
    Verified,
    Any,
}

/// Whether this run uses multicast at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multicast {
    On,
    Off,
}

impl Config {
    /// The defaults for a profile folder.
    pub fn new(profile: impl Into<PathBuf>) -> Config {
        Config {
            profile: profile.into(),
            name: None,
            downloads: None,
            accept: AcceptRule::Never,
            accept_limit: None,
            peers: Vec::new(),
            interfaces: None,
            multicast: Multicast::On,
            relay: false,
            port: DEFAULT_PORT,
            network: "default".to_owned(),
        }
    }

    /// The profile folder of the person who runs this, as the system wants it.
    pub fn default_profile() -> Option<PathBuf> {
        directories::ProjectDirs::from("", "", "Lanyard").map(|dirs| dirs.data_local_dir().join("profile"))
    }

    /// Where the database of a profile is.
    pub(crate) fn database(profile: &Path) -> PathBuf {
        profile.join("lanyard.db")
    }
}
