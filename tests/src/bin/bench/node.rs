//! What all measurements share: nodes, the bare network, and lines of a table.

use std::time::{Duration, Instant};

use lanyard_tests::crowd::Control;
use lanyard_tests::hosts::Host;
use lanyard_tests::process::Process;
use serde_json::Value;

/// A node on a host of its own.
pub struct Node {
    pub host: Host,
    pub process: Process,
}

impl Node {
    /// Starts it, with options of `lanyard up`, and waits until it is ready.
    pub fn up(host: &Host, options: &[&str]) -> Node {
        let downloads = host.downloads();
        let downloads = downloads.to_str().expect("Unicode");
        let words = [&["up", "--name", host.name(), "--downloads", downloads], options].concat();
        let process = host.spawn(&words);
        process.wait_for("ready", LONG, |event| event["event"] == "ready");
        Node { host: host.clone(), process }
    }

    /// Waits until it sees somebody.
    pub fn sees(&self, name: &str) {
        let came = |event: &Value| event["event"] == "peer-online" && event["peer"]["name"] == name;
        self.process.wait_for(name, LONG, came);
    }

    /// A connection to it.
    pub fn control(&self) -> Control {
        Control::connect(&self.host.folder().join("profile")).expect("a running node")
    }
}

/// A line of the table: ours, the bare network's, and their ratio.
pub fn row(what: &str, ours: &str, bare: &str, ratio: &str) {
    println!("| {what} | {ours} | {bare} | {ratio} |");
}

/// GB/s of one stream.
pub fn iperf3(from: &Host, to: &Host, bytes: u64) -> f64 {
    let server =
        Process::start("iperf3 server", to.command("iperf3").args(["--server", "--one-off", "--forceflush"]));
    // It says so in words and not in JSON, so the client tries until it is there.
    let bytes = bytes.to_string();
    let words = ["--client", &to.address(), "--bytes", &bytes, "--json", "--connect-timeout", "2000"];
    let deadline = Instant::now() + LONG;
    loop {
        let output = from.command("iperf3").args(words).output().expect("iperf3 is installed");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if let Some(bits) = told["end"]["sum_received"]["bits_per_second"].as_f64() {
            server.finish(LONG);
            return bits / 8e9;
        }
        assert!(Instant::now() < deadline, "iperf3 fails: {}", told["error"]);
    }
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

pub fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value that this share (0 to 1) does not exceed.
pub fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = ((values.len() - 1) as f64 * share).round() as usize;
    values[index]
}

/// Far beyond what is measured: only a failure takes as long.
pub const LONG: Duration = Duration::from_secs(60);
