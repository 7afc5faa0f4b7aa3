//! What a run of the engine is told at its start. Settings that a person changes later live in the store.

mod policy;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use policy::Policy;
pub(crate) use policy::within;

/// UDP and TCP port: below 32768 (so no system hands it out as an ephemeral port) and unassigned at IANA.
pub const DEFAULT_PORT: u16 = 24417;

/// UDP port of calls where [`DEFAULT_PORT`] is used; elsewhere as much above.
pub const CALL_PORT: u16 = 24418;

/// Less history than this cannot be kept, in bytes.
pub const MIN_HISTORY_BYTES: u64 = 16 << 20;

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
    /// What whoever administers this device decided; see [`Config::follow`].
    pub policy: Policy,
}

/// Which offers are fetched without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
            policy: Policy::default(),
        }
    }

    /// What was decided for this device goes before what this run was told.
    pub fn follow(&mut self, policy: Policy) {
        if let Some(network) = &policy.network {
            self.network.clone_from(network);
        }
        if policy.interfaces.is_some() {
            self.interfaces.clone_from(&policy.interfaces);
        }
        self.peers.extend(policy.peers.iter().cloned());
        if let Some(most) = policy.accept_at_most {
            self.accept = self.accept.min(most);
        }
        self.policy = policy;
    }

    /// The profile folder of the person who runs this, as the system wants it.
    pub fn default_profile() -> Option<PathBuf> {
        directories::ProjectDirs::from("", "", "Lanyard").map(|dirs| dirs.data_local_dir().join("profile"))
    }

    /// Where packets of calls to everybody in them are heard; those to this device alone at the next one, if it is free.
    pub fn call_port(&self) -> u16 {
        self.port.checked_add(CALL_PORT - DEFAULT_PORT).unwrap_or(CALL_PORT)
    }

    /// Where the database of a profile is.
    pub(crate) fn database(profile: &Path) -> PathBuf {
        profile.join("lanyard.db")
    }
}
