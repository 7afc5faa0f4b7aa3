//! What whoever administers a device decided for everybody on it: one file, in a place that people cannot write to. What it
//! says goes before settings and command lines, and is shown as decided.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::api::{ApiError, ErrorCode, Locked};
use crate::says;

use super::AcceptRule;

/// What the file says, which is TOML 1.0. Absent keys decide nothing; unknown ones are errors, for a decision that is
/// misspelt would be none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// The name of the network: devices of other names are not seen.
    pub network: Option<String>,
    /// Only these network interfaces are used.
    pub interfaces: Option<Vec<String>>,
    /// Devices that are always reached by address, as relays: `host`, `host:port`, `ip` or `ip:port`.
    pub peers: Vec<String>,
    /// Whose files may be fetched without asking, at the most.
    pub accept_at_most: Option<AcceptRule>,
    /// For how many days history is kept, and nowhere longer; 0 means for ever.
    pub history_days: Option<u32>,
    /// How many bytes of history are kept in all.
    pub history_bytes: Option<u64>,
    /// Whether sealed messages are kept for others who are away.
    pub hold_for_others: Option<bool>,
    /// Whether sealed bytes are passed on between devices that cannot reach each other.
    pub relay: Option<bool>,
}

impl Policy {
    /// The policy of this device; one that decides nothing where there is no file.
    ///
    /// # Errors
    /// When there is a file that cannot be read, or that says something else than a policy can.
    pub fn of_this_device() -> Result<Policy, ApiError> {
        match Policy::place() {
            Some(path) => Policy::read(&path),
            None => Ok(Policy::default()),
        }
    }

    /// Where the file is on this system.
    pub fn place() -> Option<PathBuf> {
        match std::env::consts::OS {
            "macos" => Some("/Library/Application Support/Lanyard/policy.toml".into()),
            // Beside the program: what a variable of the environment names, its owner could change.
            "windows" => Some(std::env::current_exe().ok()?.with_file_name("policy.toml")),
            _ => Some("/etc/lanyard/policy.toml".into()),
        }
    }

    fn read(path: &Path) -> Result<Policy, ApiError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Policy::default()),
            Err(error) => return Err(cannot_be_followed(path, &error)),
        };
        let policy: Policy = toml::from_str(&text).map_err(|error| {
            let before = text.get(..error.span().unwrap_or_default().start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            cannot_be_followed(path, &format_args!("line {line}: {}", error.message()))
        })?;
        match policy.fault() {
            Some(fault) => Err(cannot_be_followed(path, &fault)),
            None => Ok(policy),
        }
    }

    /// What it says that cannot be.
    fn fault(&self) -> Option<&'static str> {
        if self.network.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Some("`network` is empty");
        }
        if self.interfaces.as_ref().is_some_and(Vec::is_empty) {
            return Some("`interfaces` names none");
        }
        if self.history_bytes.is_some_and(|bytes| bytes < super::MIN_HISTORY_BYTES) {
            return Some("`history-bytes` is less than 16777216");
        }
        None
    }

    /// What people cannot choose.
    pub fn locked(&self) -> Vec<Locked> {
        let decided = [
            (Locked::Network, self.network.is_some()),
            (Locked::Interfaces, self.interfaces.is_some()),
            // Within `verified` people choose whom to give leave.
            (Locked::Accept, self.accept_at_most == Some(AcceptRule::Never)),
            (Locked::HistoryDays, self.history_days.is_some()),
            (Locked::HistoryBytes, self.history_bytes.is_some()),
            (Locked::HoldForOthers, self.hold_for_others.is_some()),
            (Locked::Relay, self.relay.is_some()),
        ];
        decided.into_iter().filter_map(|(what, is_decided)| is_decided.then_some(what)).collect()
    }

    /// Lets nobody choose what is decided.
    ///
    /// # Errors
    /// When any of what is `chosen` is.
    pub(crate) fn check(&self, chosen: impl IntoIterator<Item = (Locked, bool)>) -> Result<(), ApiError> {
        let locked = self.locked();
        match chosen.into_iter().any(|(what, is_chosen)| is_chosen && locked.contains(&what)) {
            true => Err(says!(
                ErrorCode::Refused,
                "Whoever administers this device decided that for everybody on it."
            )),
            false => Ok(()),
        }
    }

    /// What a person chose, within what the policy allows.
    pub(crate) fn days(&self, chosen: Option<u32>, usually: u32) -> u32 {
        within(chosen.unwrap_or(usually), self.history_days)
    }
}

/// So many days, or `most` where that is less; 0 means for ever.
pub(crate) fn within(days: u32, most: Option<u32>) -> u32 {
    match most {
        Some(most) if most > 0 && (days == 0 || days > most) => most,
        _ => days,
    }
}

fn cannot_be_followed(path: &Path, reason: &dyn std::fmt::Display) -> ApiError {
    let reason = reason.to_string();
    says!(ErrorCode::Invalid, "The policy of this device cannot be followed ({path}): {reason}", path, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Policy, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        std::fs::write(&path, text).unwrap();
        Policy::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_policy_says_what_is_decided_and_what_it_leaves_open_is_free() {
        let all = r#"
            network = "ship"
            interfaces = ["eth0"]
            peers = ["relay.ship.lan", "192.0.2.7:24417"]
            accept-at-most = "verified"
            history-days = 30
            history-bytes = 104857600
            hold-for-others = true
            relay = false
        "#;
        let policy = read(all).unwrap();
        assert_eq!(policy.peers.len(), 2);
        assert_eq!(policy.accept_at_most, Some(AcceptRule::Verified));
        assert_eq!(policy.locked().len(), 6, "whom to give leave is still chosen");
        assert_eq!(read("accept-at-most = \"never\"").unwrap().locked(), [Locked::Accept]);
        let some = read("history-days = 7").unwrap();
        assert_eq!(some.locked(), [Locked::HistoryDays]);
        assert!(some.check([(Locked::Relay, true), (Locked::HistoryDays, false)]).is_ok());
        assert_eq!(some.check([(Locked::HistoryDays, true)]).unwrap_err().code, ErrorCode::Refused);
        assert_eq!(read("").unwrap(), Policy::default());
    }

    #[test]
    fn what_is_misspelt_or_cannot_be_is_said_with_its_place() {
        for (text, said) in [
            ("# of the ship\nnetwrok = \"ship\"", "line 2: unknown field `netwrok`"),
            ("relay = \"yes\"", "line 1"),
            ("history-days = -1", "line 1"),
            ("accept-at-most = \"all\"", "never"),
            ("network = \" \"", "`network` is empty"),
            ("interfaces = []", "`interfaces` names none"),
            ("history-bytes = 1000", "16777216"),
            ("= 1", "line 1"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said) && error.contains("policy.toml"), "{text}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(Policy::read(folder.path()).is_err(), "a folder is no policy");
        assert_eq!(Policy::read(&folder.path().join("policy.toml")), Ok(Policy::default()));
    }

    #[test]
    fn nowhere_is_history_kept_longer_than_decided() {
        let week = Policy { history_days: Some(7), ..Policy::default() };
        assert_eq!([Some(0), Some(3), Some(30), None].map(|chosen| week.days(chosen, 365)), [7, 3, 7, 7]);
        let forever = Policy { history_days: Some(0), ..Policy::default() };
        assert_eq!([Some(0), Some(3), None].map(|chosen| forever.days(chosen, 0)), [0, 3, 0]);
        assert_eq!(Policy::default().days(None, 365), 365);
    }
}
