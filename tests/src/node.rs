//! A node on a host of its own, as measurements and ordeals use it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::crowd::Control;
use crate::hosts::Host;
use crate::process::Process;

/// A node on a host of its own.
pub struct Node {
    pub host: Host,
    pub process: Process,
}

impl Node {
    /// Starts it, with options of `lanyard up`, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready.
    pub fn up(host: &Host, options: &[&str]) -> Node {
        let downloads = host.downloads();
        let downloads = downloads.to_str().expect("Unicode");
        let words = [&["up", "--name", host.name(), "--downloads", downloads], options].concat();
        let process = host.spawn(&words);
        process.wait_for("ready", LONG, |event| event["event"] == "ready");
        Node { host: host.clone(), process }
    }

    /// Waits until it sees somebody.
    ///
    /// # Panics
    /// When it does not.
    pub fn sees(&self, name: &str) {
        let came = |event: &Value| event["event"] == "peer-online" && event["peer"]["name"] == name;
        self.process.wait_for(name, LONG, came);
    }

    /// Waits until a transfer that it fetches has ended well; when that was.
    ///
    /// # Panics
    /// When none has `within` this time.
    pub fn has_it(&self, within: Duration) -> Instant {
        let ended =
            |event: &Value| event["event"] == "transfer-finished" && event["transfer"]["state"] == "done";
        self.process.wait_timed("a whole file", within, ended).0
    }

    /// A connection to it.
    ///
    /// # Panics
    /// When it does not run.
    pub fn control(&self) -> Control {
        Control::connect(&self.host.folder().join("profile")).expect("a running node")
    }
}

/// Far beyond what is waited for: only a failure takes as long.
pub const LONG: Duration = Duration::from_secs(60);
