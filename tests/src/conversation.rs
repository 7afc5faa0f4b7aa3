//! People talk in the lobby, and what came of it is judged: how fast it arrived, and whether everybody has the same.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lanyard_proto::pacing::Dice;
use serde_json::{Value, json};

use crate::crowd::Crowd;

/// Who says how much.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Nodes that talk.
    pub talkers: Vec<usize>,
    /// Of all together.
    pub messages: usize,
    /// How often each of them says something, on average; the pauses are exponential.
    pub per_second: f64,
    /// Bytes of text.
    pub length: usize,
    pub seed: u64,
}

/// A message that its author was told is on disk.
#[derive(Clone, Debug)]
pub struct Said {
    pub text: String,
    pub by: usize,
    /// When the author was told.
    pub at: Instant,
}

/// Seconds from the author's knowing that a message is on disk until others showed it.
pub struct Delays {
    /// Of each message at each receiver.
    each: Vec<f64>,
    /// Of each message at its last receiver.
    all: Vec<f64>,
}

/// Lets people talk as the plan says, until everything is said.
///
/// # Errors
/// When a node refuses.
pub fn talk(crowd: &Crowd, plan: &Plan) -> Result<Vec<Said>, String> {
    let begun = Instant::now();
    let count = plan.talkers.len();
    let mut speeches = Vec::new();
    for (place, talker) in plan.talkers.iter().enumerate() {
        let control = crowd.control(*talker)?;
        let share = plan.messages / count + usize::from(place < plan.messages % count);
        speeches.push((*talker, control, share));
    }
    let said = std::thread::scope(|scope| {
        let threads: Vec<_> = speeches
            .into_iter()
            .map(|(talker, mut control, share)| {
                scope.spawn(move || -> Result<Vec<Said>, String> {
                    let mut dice = dice(plan.seed, talker as u64);
                    let mut due = Duration::ZERO;
                    let mut said = Vec::new();
                    for number in 0..share {
                        due += Duration::from_secs_f64(pause(&mut dice, plan.per_second));
                        std::thread::sleep(due.saturating_sub(begun.elapsed()));
                        let text = text(plan.seed, talker, number, plan.length);
                        control.say("#lobby", &text)?;
                        said.push(Said { text, by: talker, at: Instant::now() });
                    }
                    Ok(said)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a talker does not panic"))
            .collect::<Result<Vec<_>, _>>()
    })?;
    let mut said: Vec<_> = said.into_iter().flatten().collect();
    said.sort_by_key(|said| said.at);
    Ok(said)
}

/// One after the other, each as soon as it has heard the one before: as fast as the network allows, on any machine.
///
/// # Errors
/// When a node refuses, or one does not hear the other within `patience`.
pub fn take_turns(crowd: &Crowd, plan: &Plan, patience: Duration) -> Result<Vec<Said>, String> {
    let mut controls = Vec::new();
    for talker in &plan.talkers {
        controls.push(crowd.control(*talker)?);
    }
    let mut said: Vec<Said> = Vec::new();
    for number in 0..plan.messages {
        let place = number % plan.talkers.len();
        let by = plan.talkers[place];
        if let Some(last) = said.last() {
            let what = format!("{} to hear {:?}", crowd.host(by).name(), last.text);
            crowd.wait(&what, patience, |heard| heard[by].texts.contains_key(&last.text).then_some(()))?;
        }
        let text = text(plan.seed, by, number, plan.length);
        controls[place].say("#lobby", &text)?;
        said.push(Said { text, by, at: Instant::now() });
    }
    Ok(said)
}

/// What is sealed: the first has a direct conversation with each of the others, and begins a private room with them, in which all
/// say something. Names are those of the hosts.
///
/// # Errors
/// When a node refuses, or does not hear within `patience` what it is told.
pub fn in_confidence(crowd: &Crowd, patience: Duration) -> Result<(), String> {
    let others = 1..crowd.size();
    let name = |node: usize| format!("@{}", crowd.host(node).name());
    let mut first = crowd.control(0)?;
    for other in others.clone() {
        first.say(&name(other), &format!("to {other}"))?;
        crowd.control(other)?.say(&name(0), &format!("from {other}"))?;
    }
    crowd.wait("direct messages both ways", patience, |heard| {
        let passed = |other: usize| {
            heard[other].texts.contains_key(&format!("to {other}"))
                && heard[0].texts.contains_key(&format!("from {other}"))
        };
        others.clone().all(passed).then_some(())
    })?;
    let room = first.call("create-room", &json!({ "name": "Board" }))?["id"].take();
    let peers = first.call("peers", &json!({}))?;
    for peer in peers.as_array().into_iter().flatten() {
        first.call("add-member", &json!({ "room": room, "peer": peer["id"] }))?;
    }
    first.say("#Board", "board 0")?;
    crowd.wait("everybody to be let in", patience, |heard| {
        others.clone().all(|other| heard[other].texts.contains_key("board 0")).then_some(())
    })?;
    for other in others {
        crowd.control(other)?.say("#Board", &format!("board {other}"))?;
    }
    let all: Vec<String> = (0..crowd.size()).map(|node| format!("board {node}")).collect();
    crowd.all_hear(&all, patience)
}

/// A text of this length that nobody else says.
pub fn text(seed: u64, by: usize, number: usize, length: usize) -> String {
    let head = format!("{seed} {by} {number} ");
    let filling = length.saturating_sub(head.len() + 1);
    // A space at the end would be taken off.
    head + &"lorem ipsum dolor sit amet, ".repeat(filling / 28 + 1)[..filling] + "."
}

impl Delays {
    /// How long these took to those who have heard them.
    pub fn of(crowd: &Crowd, said: &[Said]) -> Delays {
        let heard = crowd.heard();
        let (mut each, mut all) = (Vec::new(), Vec::new());
        for said in said {
            let others = heard.iter().enumerate().filter(|(node, _)| *node != said.by);
            let delays = others
                .filter_map(|(_, node)| node.texts.get(&said.text))
                .map(|showing| showing.first.saturating_duration_since(said.at).as_secs_f64());
            let before = each.len();
            each.extend(delays);
            all.push(each[before..].iter().copied().fold(0.0, f64::max));
        }
        each.sort_by(f64::total_cmp);
        all.sort_by(f64::total_cmp);
        Delays { each, all }
    }

    /// The share (0 to 1) of pairs of message and receiver that took no longer than this.
    pub fn each(&self, share: f64) -> f64 {
        quantile(&self.each, share)
    }

    /// The share (0 to 1) of messages that everybody had after this.
    pub fn all(&self, share: f64) -> f64 {
        quantile(&self.all, share)
    }

    /// Pairs of message and receiver.
    pub fn deliveries(&self) -> usize {
        self.each.len()
    }
}

/// Of sorted values; 0 of none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    sorted[(last as f64 * share).round() as usize]
}

/// Waits until a node's log of the lobby has so many messages, and returns it. It may have been told of them too fast to
/// keep up, so that events alone do not say so.
///
/// # Errors
/// How many it has, when it takes longer than `within`, or that it does not answer.
pub fn whole_log(crowd: &Crowd, node: usize, count: usize, within: Duration) -> Result<Vec<Value>, String> {
    let deadline = Instant::now() + within;
    // Of older history nobody is told message by message.
    let what = format!("{} to be told of the newest messages", crowd.host(node).name());
    crowd.wait(&what, within, |heard| (!heard[node].texts.is_empty()).then_some(()))?;
    let mut control = crowd.control(node)?;
    loop {
        let log = control.log("#lobby")?;
        if log.len() >= count {
            return Ok(log);
        }
        if Instant::now() >= deadline {
            return Err(format!("after {within:?} the log has {} of {count} messages", log.len()));
        }
        crowd.await_news(AGAIN);
    }
}

/// Whether all logs of the lobby hold each of these once, and the same in the same order.
///
/// # Errors
/// The first difference, or that a node does not answer.
pub fn same_logs(crowd: &Crowd, texts: &[String]) -> Result<(), String> {
    let mut first: Option<Vec<Value>> = None;
    for node in 0..crowd.size() {
        let name = crowd.host(node).name();
        let log = crowd.control(node)?.log("#lobby")?;
        match &first {
            None => {
                holds_each_once(&log, texts).map_err(|why| format!("{name} {why}"))?;
                first = Some(log);
            }
            Some(first) => compare(first, &log).map_err(|why| format!("{name} {why}"))?,
        }
    }
    shown_once(crowd)
}

/// Whether all logs of the lobby hold each of these once, and those of `nodes`, whose clocks agree, show what they said
/// themselves in the same order.
///
/// # Errors
/// The first difference, or that a node does not answer.
pub fn same_order(crowd: &Crowd, nodes: &[usize], said: &[Said]) -> Result<(), String> {
    let texts: Vec<_> = said.iter().map(|said| said.text.clone()).collect();
    let theirs = said.iter().filter(|said| nodes.contains(&said.by));
    let theirs: BTreeSet<_> = theirs.map(|said| said.text.as_str()).collect();
    let mut first: Option<Vec<Value>> = None;
    for node in 0..crowd.size() {
        let name = crowd.host(node).name();
        let mut log = crowd.control(node)?.log("#lobby")?;
        holds_each_once(&log, &texts).map_err(|why| format!("{name} {why}"))?;
        if !nodes.contains(&node) {
            continue;
        }
        log.retain(|message| message["text"].as_str().is_some_and(|text| theirs.contains(text)));
        match &first {
            None => first = Some(log),
            Some(first) => compare(first, &log).map_err(|why| format!("{name} {why}"))?,
        }
    }
    shown_once(crowd)
}

fn holds_each_once(log: &[Value], texts: &[String]) -> Result<(), String> {
    let mut shown: Vec<_> = log.iter().filter_map(|message| message["text"].as_str()).collect();
    shown.sort_unstable();
    if let Some(twice) = shown.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("has {:?} twice in its log", twice[0]));
    }
    match texts.iter().find(|text| shown.binary_search(&text.as_str()).is_err()) {
        Some(lacking) => Err(format!("has no {lacking:?} in its log")),
        None => Ok(()),
    }
}

fn compare(one: &[Value], other: &[Value]) -> Result<(), String> {
    let differs = one
        .iter()
        .zip(other)
        .position(|(one, other)| one["id"] != other["id"] || one["text"] != other["text"]);
    if let Some(at) = differs {
        let (one, other) = (&one[at]["text"], &other[at]["text"]);
        return Err(format!("shows {other} as message {at}, where others show {one}"));
    }
    if one.len() != other.len() {
        return Err(format!("shows {} messages, others show {}", other.len(), one.len()));
    }
    Ok(())
}

/// Whether nobody was told of a message twice.
fn shown_once(crowd: &Crowd) -> Result<(), String> {
    for (node, heard) in crowd.heard().iter().enumerate() {
        if let Some((text, showing)) = heard.texts.iter().find(|(_, showing)| showing.times > 1) {
            return Err(format!("{} was shown {text:?} {} times", crowd.host(node).name(), showing.times));
        }
    }
    Ok(())
}

/// Of its own for each number.
pub fn dice(seed: u64, number: u64) -> Dice {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes[8..16].copy_from_slice(&number.to_be_bytes());
    Dice::seeded(bytes)
}

/// Seconds until somebody says something again who does so this often.
fn pause(dice: &mut Dice, per_second: f64) -> f64 {
    -(1.0 - dice.fraction()).ln() / per_second
}

/// Seconds by which ten clocks are wrong: those within ten minutes agree well enough for one order.
pub const CLOCKS: [i64; 10] = [0, 3600, 45, -3600, -60, TEN_YEARS, 0, -TEN_YEARS, 120, 0];
const TEN_YEARS: i64 = 10 * 365 * 86_400;

/// For what no event tells.
const AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn log(texts: &[&str]) -> Vec<Value> {
        texts.iter().map(|text| json!({ "id": text, "text": text })).collect()
    }

    #[test]
    fn a_text_has_the_length_that_was_asked_for_and_is_nobody_elses() {
        assert_eq!(text(1, 2, 3, 100).len(), 100);
        assert_ne!(text(1, 2, 3, 100), text(1, 2, 4, 100));
    }

    #[test]
    fn differences_between_logs_are_found() {
        assert_eq!(compare(&log(&["a", "b"]), &log(&["a", "b"])), Ok(()));
        assert!(compare(&log(&["a", "b"]), &log(&["b", "a"])).is_err());
        assert!(compare(&log(&["a", "b"]), &log(&["a"])).is_err());
        assert!(holds_each_once(&log(&["a", "a"]), &["a".to_owned()]).is_err());
        assert!(holds_each_once(&log(&["a"]), &["b".to_owned()]).is_err());
        assert_eq!(holds_each_once(&log(&["b", "a"]), &["a".to_owned()]), Ok(()));
    }

    #[test]
    fn a_share_of_sorted_values_is_one_of_them() {
        let values = [1.0, 2.0, 3.0];
        assert_eq!([0.0, 0.5, 1.0].map(|share| quantile(&values, share)), [1.0, 2.0, 3.0]);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
