#![no_main]

use lanyard_fuzz::picture::cost;
use libfuzzer_sys::fuzz_target;

// What is cut off never costs more than the whole.
fuzz_target!(|bytes: &[u8]| {
    let Some(all) = cost(bytes) else { return };
    assert!(all.pixels > 0);
    if let Some(part) = cost(&bytes[..bytes.len() / 2]) {
        assert!(part.pixels <= all.pixels && part.drawn <= all.drawn, "{part:?} of {all:?}");
    }
});
