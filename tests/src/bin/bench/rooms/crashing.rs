//! Kills at random moments.

use lanyard_tests::conversation::quantile;
use lanyard_tests::crash::survive;
use lanyard_tests::hosts::Lan;

use super::{Options, row, seconds_row};

/// R10: whatever was acknowledged survives. The first promise that is broken ends it.
pub fn kills(options: &Options) -> Result<(), String> {
    let rounds = options.rounds.unwrap_or(1000);
    let survived = survive(&Lan::new(), rounds, options.seed())?;
    let what = format!("R10 ({rounds} kills)");
    row(&format!("{what}: acknowledged messages lost, shown twice or forked"), "0", "0", true);
    row(&format!("{what}: messages acknowledged"), "", &survived.messages.to_string(), super::Verdict::None);
    row(&format!("{what}: acknowledged files not whole"), "0", "0", true);
    row(&format!("{what}: files acknowledged"), "", &survived.files.to_string(), super::Verdict::None);
    row(&format!("{what}: integrity of the database after each kill"), "ok", "ok", true);
    for (name, share, target) in [("median", 0.5, None), ("99 %", 0.99, None), ("worst", 1.0, Some(1.0))] {
        seconds_row(&format!("{what}: ready again, {name}"), target, quantile(&survived.restarts, share));
    }
    Ok(())
}
