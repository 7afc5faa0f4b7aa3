//! One file offered to a room of 1, 4 and 8, where the sender's uplink is what is scarce.

use std::time::Instant;

use lanyard_tests::files::sha256;
use lanyard_tests::hosts::Lan;

use super::{Options, large_file, patience, text};
use crate::node::{Node, row};

pub fn measure(options: &Options) {
    let mib = (options.mib / 4).max(1);
    let mut alone = None;
    for receivers in [1, 4, 8] {
        let Some((last, copies)) = offer(mib, receivers) else { return };
        let what = format!("{mib} MiB to {receivers} over {UPLINK} Mbit/s");
        let one: f64 = *alone.get_or_insert(last);
        let ratio = format!("{:.2}", last / one);
        row(
            &format!("{what}: until the last has it"),
            &format!("{last:.1} s"),
            &format!("one: {one:.1} s"),
            &ratio,
        );
        row(
            &format!("{what}: copies on the sender's wire"),
            &format!("{copies:.2}"),
            "1",
            &format!("{copies:.2}"),
        );
    }
}

/// Seconds until the last has it, and what the sender put on its wire in copies of the file.
fn offer(mib: u64, receivers: usize) -> Option<(f64, f64)> {
    let lan = Lan::new();
    let ann = Node::up(&lan.host("ann"), &[]);
    let others: Vec<Node> =
        (1..=receivers).map(|n| Node::up(&lan.host(&format!("r{n}")), &["--accept", "any"])).collect();
    for node in &others {
        ann.sees(node.host.name());
        node.sees("ann");
    }
    if let Err(why) = ann.host.limit_mbit(UPLINK) {
        row("one to many", "not measured", &why, "");
        return None;
    }
    let path = large_file(&ann.host, mib);
    let before = lan.traffic()[0].sent.bytes;
    let start = Instant::now();
    let offered = ann.host.run(&["send", "#lobby", text(&path)]);
    assert_eq!(offered.code, Some(0), "{}", offered.stderr);
    let whole = others.iter().map(|node| node.has_it(patience(mib * receivers as u64, UPLINK)));
    let last = whole.max().expect("somebody receives").saturating_duration_since(start);
    let sent = lan.traffic()[0].sent.bytes - before;
    let sum = sha256(&path).expect("it can be read");
    for node in &others {
        let there = sha256(&node.host.downloads().join("large.iso")).expect("it can be read");
        assert_eq!(there, sum, "{} has something else", node.host.name());
    }
    Some((last.as_secs_f64(), sent as f64 / (mib << 20) as f64))
}

/// Mbit/s: little enough that two cores serve nine programs besides.
const UPLINK: u32 = 200;
