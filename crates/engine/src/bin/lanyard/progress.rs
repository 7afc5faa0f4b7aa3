//! Progress bars on standard error; nothing at all where that is no terminal.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use lanyard_engine::api::Progress;

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
    ProgressStyle::with_template("{prefix}  {wide_bar:.green} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}")
        .expect("the template above is well-formed")
}
