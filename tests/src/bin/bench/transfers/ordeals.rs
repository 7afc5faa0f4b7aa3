//! Figures F1, F2, F3, F5 and F6: files that everything happens to on their way.

use lanyard_tests::hosts::Lan;
use lanyard_tests::ordeal::{self, damage, kills, loss, spread};

use super::Options;
use super::many::rows;
use crate::node::row;

/// F1: either end is killed at 200 moments by chance.
pub fn killed(options: &Options) {
    let count = 200;
    let what = format!("F1: {} MiB, either end killed at {count} moments", options.mib);
    match kills(&Lan::new(), options.mib, count, 1) {
        Ok(outcome) => {
            let each = outcome.again as f64 / outcome.kills.max(1) as f64 / f64::from(1 << 20);
            let took = format!("whole after {:.0} s and {} kills", outcome.took.as_secs_f64(), outcome.kills);
            row(&what, &took, "", "");
            row(&format!("{what}: sent again after each"), &format!("{each:.1} MiB"), "at most 65", "");
        }
        Err(why) => row(&what, "FAILED", &why, ""),
    }
}

/// F2: bits turn over in what is staged.
pub fn damaged(options: &Options) {
    let what = format!("F2: {} MiB, a bit of every 100 MiB turned over in the staging", options.mib);
    match damage(&Lan::new(), options.mib, 100, 1) {
        Ok(flipped) => row(&what, &format!("{flipped} found and repaired"), "", ""),
        Err(why) => row(&what, "FAILED", &why, ""),
    }
}

/// F3: a hundred thousand files of 4 KiB on one connection, durable at the other end.
pub fn tiny(options: &Options) {
    let files = options.files * 10;
    let what = format!("F3: {files} files of 4 KiB");
    match ordeal::tiny(&Lan::new(), files) {
        Ok(took) => {
            let rate = files as f64 / took.as_secs_f64();
            row(
                &what,
                &format!("{:.1} s, {rate:.0} files/s", took.as_secs_f64()),
                "at least 5000 files/s",
                "",
            );
        }
        Err(why) => row(&what, "FAILED", &why, ""),
    }
}

/// F5: twenty receivers, and a sender that is killed when one of them has all of it.
pub fn swarm(options: &Options) {
    let mib = (options.mib / 16).max(8);
    let alone = spread(&Lan::new(), mib, 1, UPLINK, false);
    for leaves in [false, true] {
        let what = format!(
            "F5: {mib} MiB to 20 over {UPLINK} Mbit/s{}",
            if leaves { ", the sender killed when one has it" } else { "" }
        );
        match (&alone, spread(&Lan::new(), mib, 20, UPLINK, leaves)) {
            (Ok(alone), Ok(all)) => rows(&what, &all, alone.took.as_secs_f64()),
            (Err(why), _) => row(&what, "FAILED", why, ""),
            (_, Err(why)) => row(&what, "FAILED", &why, ""),
        }
    }
}

/// F6: 5 % of all frames are lost on the way out of each host, and 5 % on the way in.
pub fn lossy(options: &Options) {
    let mib = (options.mib / 4).max(1);
    let what = format!("F6: {mib} MiB, 5 % of all frames lost out and in");
    match loss(&Lan::new(), mib, 5) {
        Ok(took) => {
            let rate = (mib << 20) as f64 / 1e6 / took.as_secs_f64();
            row(&what, &format!("whole after {:.0} s ({rate:.1} MB/s)", took.as_secs_f64()), "", "");
        }
        Err(why) => row(&what, "FAILED", &why, ""),
    }
}

/// Mbit/s: little enough that two cores serve twenty programs besides.
const UPLINK: u32 = 100;
