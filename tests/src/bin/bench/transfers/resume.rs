//! How much is sent again after either side was killed at half.

use lanyard_tests::files::sha256;
use lanyard_tests::hosts::Lan;
use serde_json::Value;

use super::{Options, large_file, pair, patience, text};
use crate::node::{Node, row};

pub fn measure(options: &Options) {
    let mib = (options.mib / 4).max(8);
    for killed in ["receiver", "sender"] {
        let again = kill_at_half(mib, killed == "sender");
        let shown = again.map_or_else(|why| why, |again| format!("{:.2} %", again * 100.0));
        row(&format!("{mib} MiB, {killed} killed at half: sent again"), &shown, "", "");
    }
}

/// The share of the file that went over the wire twice, with all headers.
fn kill_at_half(mib: u64, sender: bool) -> Result<f64, String> {
    let lan = Lan::new();
    let [ann, bob] = pair(&lan, &["--accept", "any"]);
    for node in [&ann, &bob] {
        node.host.limit_mbit(LINK)?;
    }
    let path = large_file(&ann.host, mib);
    let bytes = mib << 20;
    let before = lan.traffic()[0].sent.bytes;
    let offered = ann.host.run(&["send", "@bob", text(&path)]);
    assert_eq!(offered.code, Some(0), "{}", offered.stderr);
    let half = |event: &Value| {
        let moved =
            event["progress"].as_array().into_iter().flatten().filter_map(|one| one["moved"].as_u64());
        moved.max().is_some_and(|moved| moved >= bytes / 2)
    };
    bob.process.wait_for("half of it", patience(mib, LINK), half);
    let (victim, other) = if sender { (ann, bob) } else { (bob, ann) };
    let host = victim.host.clone();
    victim.process.kill();
    let back = Node::up(&host, if sender { &[] } else { &["--accept", "any"] });
    let (ann, bob) = if sender { (back, other) } else { (other, back) };
    bob.has_it(patience(mib, LINK));
    let sent = lan.traffic()[0].sent.bytes - before;
    let there = sha256(&bob.host.downloads().join("large.iso")).expect("it can be read");
    assert_eq!(there, sha256(&path).expect("it can be read"), "{} sent something else", ann.host.name());
    // A frame carries 1448 bytes of 1514, and the encryption adds 22 to 16384.
    let whole = bytes as f64 * (1514.0 / 1448.0) * (16_406.0 / 16_384.0);
    Ok((sent as f64 / whole - 1.0).max(0.0))
}

/// Mbit/s: slow enough that half is a moment that can be met.
const LINK: u32 = 1000;
