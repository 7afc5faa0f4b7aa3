//! What all measurements share: the bare network, and lines of a table.

use std::time::{Duration, Instant};

use lanyard_tests::hosts::Host;
pub use lanyard_tests::node::{LONG, Node};
use lanyard_tests::process::Process;
use serde_json::Value;

/// A line of the table: ours, the bare network's, and their ratio.
pub fn row(what: &str, ours: &str, bare: &str, ratio: &str) {
    println!("| {what} | {ours} | {bare} | {ratio} |");
}

/// What the bare network does with the same bytes.
pub struct Wire {
    /// GB/s of one stream.
    pub speed: f64,
    /// CPU seconds of both ends, as far as the system counts them as theirs.
    pub work: f64,
}

pub fn iperf3(from: &Host, to: &Host, bytes: u64) -> Wire {
    let server =
        Process::start("iperf3 server", to.command("iperf3").args(["--server", "--one-off", "--forceflush"]));
    // It says so in words and not in JSON, so the client tries until it is there.
    let count = bytes.to_string();
    let words = ["--client", &to.address(), "--bytes", &count, "--json", "--connect-timeout", "2000"];
    let deadline = Instant::now() + LONG;
    loop {
        let output = from.command("iperf3").args(words).output().expect("iperf3 is installed");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if let Some(bits) = told["end"]["sum_received"]["bits_per_second"].as_f64() {
            server.finish(LONG);
            let used = |end: &str| told["end"]["cpu_utilization_percent"][end].as_f64().unwrap_or_default();
            let seconds = bytes as f64 * 8.0 / bits;
            return Wire {
                speed: bits / 8e9,
                work: (used("host_total") + used("remote_total")) / 100.0 * seconds,
            };
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
