//! How much is sent again after either side was killed at half.

use lanyard_tests::files::sha256;
use lanyard_tests::hosts::Lan;
use serde_json::Value;

use super::{Options, large_file, pair, patience, text};
use crate::node::{Node, row};

pub fn measure(options: &Options) {
    let mib = (options.mib / 4).max(8);
    let whole = wire_bytes(mib, None);
    for (killed, sender) in [("receiver", false), ("sender", true)] {
        let again = whole.clone().and_then(|whole| Ok(wire_bytes(mib, Some(sender))? / whole - 1.0));
        let shown = again.map_or_else(|why| why, |again| format!("{:.2} %", again * 100.0));
        row(&format!("{mib} MiB, {killed} killed at half: sent again"), &shown, "", "");
    }
}

/// What the sender put on its wire until the other had all of it, undisturbed or with one of the two killed at half. Only
/// the two of one run can be compared: how much of it are headers depends on how the kernel cuts what it sends.
fn wire_bytes(mib: u64, kills_sender: Option<bool>) -> Result<f64, String> {
    let lan = Lan::new();
    let [ann, bob] = pair(&lan, &["--accept", "any"]);
    for node in [&ann, &bob] {
        node.host.limit_mbit(LINK)?;
    }
    let path = large_file(&ann.host, mib);
    let before = lan.traffic()[0].sent.bytes;
    let offered = ann.host.run(&["send", "@bob", text(&path)]);
    assert_eq!(offered.code, Some(0), "{}", offered.stderr);
    let (ann, bob) = match kills_sender {
        Some(sender) => kill_at_half(ann, bob, sender, mib),
        None => (ann, bob),
    };
    bob.has_it(patience(mib, LINK));
    let sent = lan.traffic()[0].sent.bytes - before;
    let there = sha256(&bob.host.downloads().join("large.iso")).expect("it can be read");
    assert_eq!(there, sha256(&path).expect("it can be read"), "{} sent something else", ann.host.name());
    Ok(sent as f64)
}

fn kill_at_half(ann: Node, bob: Node, sender: bool, mib: u64) -> (Node, Node) {
    let half = |event: &Value| {
        let moved =
            event["progress"].as_array().into_iter().flatten().filter_map(|one| one["moved"].as_u64());
        moved.max().is_some_and(|moved| moved >= (mib << 20) / 2)
    };
    bob.process.wait_for("half of it", patience(mib, LINK), half);
    let (victim, other) = if sender { (ann, bob) } else { (bob, ann) };
    let host = victim.host.clone();
    victim.process.kill();
    let back = Node::up(&host, if sender { &[] } else { &["--accept", "any"] });
    if sender { (back, other) } else { (other, back) }
}

/// Mbit/s: slow enough that half is a moment that can be met.
const LINK: u32 = 1000;
