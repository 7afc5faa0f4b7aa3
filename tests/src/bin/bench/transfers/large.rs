//! One large file, on a free wire and on one of 1 Gbit/s, against iperf3 with the same number of bytes.

use std::time::Instant;

use lanyard_tests::hosts::Lan;
use sha2::{Digest, Sha256};

use super::{Cost, Options, clear, large_file, pair, patience, send};
use crate::node::{iperf3, median, row};

pub fn measure(options: &Options) {
    on_a_link("free", None, options);
    on_a_link("1 Gbit/s", Some(GIGABIT), options);
}

fn on_a_link(name: &str, mbit: Option<u32>, options: &Options) {
    let lan = Lan::new();
    let [ann, bob] = pair(&lan, &["--accept", "any"]);
    if let Some(mbit) = mbit {
        for node in [&ann, &bob] {
            if let Err(why) = node.host.limit_mbit(mbit) {
                return row(&format!("one file, {name}"), "not measured", &why, "");
            }
        }
    }
    let mib = options.mib;
    let path = large_file(&ann.host, mib);
    let bytes = (mib << 20) as f64;
    let (mut sent, mut wire, mut work, mut bare) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let gib = bytes / f64::from(1 << 30);
    for _ in 0..if mbit.is_some() { 1 } else { options.rounds } {
        let cost = Cost::of(vec![("sender", &ann), ("receiver", &bob)]);
        sent.push(bytes / 1e9 / send(&ann, "@bob", &path, patience(mib, GIGABIT)));
        work.push(cost.spent() / gib);
        clear(&bob.host);
        let iperf3 = iperf3(&ann.host, &bob.host, mib << 20);
        wire.push(iperf3.speed);
        // Both ends hash every byte once: less than this is not to be had.
        bare.push(iperf3.work / gib + 2.0 * hashing());
    }
    let (sent, wire) = (median(sent), median(wire));
    let what = format!("one file of {mib} MiB, {name}");
    row(&what, &format!("{sent:.3} GB/s"), &format!("iperf3 {wire:.3} GB/s"), &format!("{:.2}", sent / wire));
    let (work, bare) = (median(work), median(bare));
    row(
        &format!("{what}: work of both"),
        &format!("{work:.2} CPU-s per GiB"),
        &format!("iperf3, and SHA-256 at both ends {bare:.2}"),
        &format!("{:.2}", work / bare),
    );
    Cost::of(vec![("sender", &ann), ("receiver", &bob)]).memory_rows();
}

/// Seconds of one processor for the SHA-256 of a GiB, in this very moment.
fn hashing() -> f64 {
    let block = vec![7; 1 << 20];
    let began = Instant::now();
    let mut hash = Sha256::new();
    for _ in 0..256 {
        hash.update(&block);
    }
    std::hint::black_box(hash.finalize());
    began.elapsed().as_secs_f64() * 4.0
}

const GIGABIT: u32 = 1000;
