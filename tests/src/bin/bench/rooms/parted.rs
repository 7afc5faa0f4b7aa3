//! A network in two halves that talk on, and its healing.

use std::time::Instant;

use lanyard_tests::conversation::{quantile, same_logs, talk};
use lanyard_tests::crowd::{Crowd, Heard};
use lanyard_tests::hosts::{Frames, Lan, Loss};

use super::{MEETING, Options, PATIENCE, cost_rows, cpu_of, row, seconds_row};

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
    let (healed, cpu) = (Instant::now(), cpu_of(&crowd));
    lan.heal();
    let what = format!(
        "{name} ({nodes} nodes in halves for {seconds} s, {messages} messages, {percent} % out and in)"
    );
    crowd.all_hear(&texts, PATIENCE)?;
    let (work, waited) = (cpu_of(&crowd) - cpu, healed.elapsed());
    // When each was shown the last of them.
    let all = |heard: &Heard| texts.iter().map(|text| heard.texts[text].first).max();
    let since = |last: Instant| last.saturating_duration_since(healed).as_secs_f64();
    let mut complete: Vec<_> = crowd.heard().iter().filter_map(all).map(since).collect();
    complete.sort_by(f64::total_cmp);
    let target = if percent > 10 { 60.0 } else { 5.0 };
    seconds_row(&format!("{what}: half of them have all"), None, quantile(&complete, 0.5));
    seconds_row(&format!("{what}: all have all"), Some(target), quantile(&complete, 1.0));
    cost_rows(&format!("{what}, after the healing"), &crowd, work, waited);
    let same = same_logs(&crowd, &texts);
    let shown = same.as_ref().err().map_or("the same on all, each once", String::as_str);
    row(&format!("{what}: logs"), "the same on all", shown, same.is_ok());
    Ok(())
}
