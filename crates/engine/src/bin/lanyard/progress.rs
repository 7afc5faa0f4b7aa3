//! Progress bars on standard error; nothing at all where that is no terminal.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use lanyard_engine::api::Progress;

use crate::text;

/// One bar for each transfer and device. They vanish when this is dropped.
pub struct Bars {
    all: MultiProgress,
    bars: BTreeMap<(String, String), ProgressBar>,
}

impl Bars {
    pub fn new() -> Bars {
        Bars { all: MultiProgress::new(), bars: BTreeMap::new() }
    }

    /// Shows how far a transfer is; `label` must be harmless already.
    pub fn show(&mut self, progress: &Progress, label: impl FnOnce() -> String) {
        let key = (progress.transfer.clone(), progress.peer.clone());
        let bar = self.bars.entry(key).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new(progress.bytes));
            bar.set_style(style());
            bar.set_prefix(label());
            bar
        });
        bar.set_length(progress.bytes);
        bar.set_position(progress.moved);
        bar.set_message(figures(progress));
    }

    /// Takes away the bars of a transfer that ended.
    pub fn end(&mut self, transfer: &str) {
        self.bars.retain(|(id, _), bar| {
            let stays = id != transfer;
            if !stays {
                bar.finish_and_clear();
            }
            stays
        });
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for bar in self.bars.values() {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix}  {wide_bar:.green} {msg}")
        .expect("the template above is well-formed")
}

/// In the units of all other words, and at the node's rate: what was there before the bar was moves at no speed.
fn figures(progress: &Progress) -> String {
    let mut figures = format!("{} of {}", text::bytes(progress.moved), text::bytes(progress.bytes));
    if let Some(left) = progress.bytes.saturating_sub(progress.moved).checked_div(progress.rate) {
        let left = HumanDuration(Duration::from_secs(left));
        figures.push_str(&format!("  {}/s  {left} left", text::bytes(progress.rate)));
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_the_units_of_all_other_words_and_no_speed_before_there_is_one() {
        let progress = |moved, rate| Progress {
            transfer: "transfer".into(),
            peer: "bob".into(),
            moved,
            bytes: 100_000_000,
            rate,
        };
        assert_eq!(figures(&progress(95_000_000, 0)), "95.0 MB of 100.0 MB");
        assert_eq!(
            figures(&progress(40_000_000, 10_000_000)),
            "40.0 MB of 100.0 MB  10.0 MB/s  6 seconds left"
        );
    }
}
