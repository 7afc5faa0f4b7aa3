//! One file offered to a room of 1, 4 and 8, where the sender's uplink is what is scarce.

use lanyard_tests::hosts::Lan;
use lanyard_tests::ordeal::{Spread, spread};

use super::Options;
use crate::node::row;

pub fn measure(options: &Options) {
    let mib = (options.mib / 4).max(1);
    let mut alone = None;
    for receivers in [1, 4, 8] {
        let what = format!("{mib} MiB to {receivers} over {UPLINK} Mbit/s");
        match spread(&Lan::new(), mib, receivers, UPLINK, false) {
            Ok(all) => rows(&what, &all, *alone.get_or_insert(all.took.as_secs_f64())),
            Err(why) => row(&what, "FAILED", &why, ""),
        }
    }
}

/// How long it took against one receiver's time, and what the sender gave.
pub fn rows(what: &str, all: &Spread, one: f64) {
    let last = all.took.as_secs_f64();
    let ratio = format!("{:.2}", last / one);
    row(
        &format!("{what}: until the last has it"),
        &format!("{last:.1} s"),
        &format!("one: {one:.1} s"),
        &ratio,
    );
    row(&format!("{what}: copies on the sender's wire"), &format!("{:.2}", all.copies), "1", "");
}

/// Mbit/s: little enough that two cores serve nine programs besides.
const UPLINK: u32 = 200;
