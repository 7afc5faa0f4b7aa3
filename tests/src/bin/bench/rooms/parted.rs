//! A network in two halves that talk on, and its healing.

use std::time::Instant;

use lanyard_tests::conversation::{same_logs, talk};
use lanyard_tests::crowd::Crowd;
use lanyard_tests::hosts::{Frames, Lan, Loss};

use super::{MEETING, Options, PATIENCE, row, seconds_row};

/// R4 and R5: both halves talk; how long after the healing all have all.
pub fn halves(name: &str, percent: u8, options: &Options) -> Result<(), String> {
    let (nodes, messages) = (options.nodes.unwrap_or(50), options.messages.unwrap_or(1500));
    let seconds = options.seconds.unwrap_or(600);
    let lan = Lan::new();
    let crowd = Crowd::gather(&lan, nodes, options.addresses())?;
    crowd.meet(MEETING)?;
    lan.lose(Loss { out: percent, into: percent, of: Frames::Udp });
    let hosts = crowd.hosts();
    let (here, there) = hosts.split_at(nodes / 2);
    lan.part(&[here, there]);
    let talkers: Vec<_> = (0..nodes).step_by(nodes.div_ceil(10)).collect();
    let per_second = messages as f64 / seconds as f64 / talkers.len() as f64;
    let said = talk(&crowd, &options.plan(talkers, messages, per_second))?;
    let texts: Vec<_> = said.into_iter().map(|said| said.text).collect();
    let healed = Instant::now();
    lan.heal();
    let what = format!(
        "{name} ({nodes} nodes in halves for {seconds} s, {messages} messages, {percent} % out and in)"
    );
    crowd.all_hear(&texts, PATIENCE)?;
    // When the last of them was shown to the last node.
    let all = |heard: &lanyard_tests::crowd::Heard| texts.iter().map(|text| heard.texts[text].first).max();
    let last = crowd.heard().iter().filter_map(all).max().unwrap_or(healed);
    let target = if percent > 10 { 60.0 } else { 5.0 };
    seconds_row(
        &format!("{what}: all have all"),
        Some(target),
        last.saturating_duration_since(healed).as_secs_f64(),
    );
    let same = same_logs(&crowd, &texts);
    let shown = same.as_ref().err().map_or("the same on all, each once", String::as_str);
    row(&format!("{what}: logs"), "the same on all", shown, same.is_ok());
    Ok(())
}
