//! Files against the bare wire and against other programs, each pair in the same run.
//!
//! Files lie in the folder for temporary files: `TMPDIR=/dev/shm` takes the disk out of the comparison.

mod large;
mod many;
mod ordeals;
mod resume;
mod small;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lanyard_tests::files::write_random;
use lanyard_tests::hosts::{Host, Lan};
use lanyard_tests::process::{cpu_seconds, memory};
use serde_json::json;

use crate::node::{LONG, Node, median, milliseconds, row};

/// What the command line says.
struct Options {
    /// Of the large file.
    mib: u64,
    /// Small files.
    files: usize,
    rounds: usize,
}

/// Carries out the command line and prints the table.
pub fn run(words: &[String]) -> ExitCode {
    let mut options = Options { mib: 4096, files: 10_000, rounds: 3 };
    let mut named = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|number| number.parse::<u64>().ok());
        match (word.as_str(), MEASURES.iter().any(|(name, _)| name == word)) {
            (name, true) => named.push(name.to_owned()),
            ("--mib", _) => match number() {
                Some(mib) if mib > 0 => options.mib = mib,
                _ => return wrong_use(),
            },
            ("--files", _) => match number() {
                Some(files) if files > 0 => options.files = files as usize,
                _ => return wrong_use(),
            },
            ("--rounds", _) => match number() {
                Some(rounds) if rounds > 0 => options.rounds = rounds as usize,
                _ => return wrong_use(),
            },
            _ => return wrong_use(),
        }
    }
    if let Err(why) = Lan::available() {
        println!("skipped: {why}");
        return ExitCode::SUCCESS;
    }
    println!("| what | Lanyard | beside it | ratio |\n|---|---|---|---|");
    for (name, measure) in MEASURES {
        if named.is_empty() || named.iter().any(|named| named == name) {
            measure(&options);
        }
    }
    ExitCode::SUCCESS
}

type Measure = (&'static str, fn(&Options));

const MEASURES: &[Measure] = &[
    ("large", large::measure),
    ("small", small::measure),
    ("many", many::measure),
    ("resume", resume::measure),
    ("first", first),
    ("killed", ordeals::killed),
    ("damaged", ordeals::damaged),
    ("tiny", ordeals::tiny),
    ("swarm", ordeals::swarm),
    ("lossy", ordeals::lossy),
];

fn wrong_use() -> ExitCode {
    let names: Vec<_> = MEASURES.iter().map(|(name, _)| format!("[{name}]")).collect();
    eprintln!("usage: bench transfers {} [--mib N] [--files N] [--rounds N]", names.join(" "));
    ExitCode::from(2)
}

/// From the yes to a whole file of one KiB, durable and under its name: what there is of waiting apart from bytes.
fn first(_: &Options) {
    let lan = Lan::new();
    let [ann, bob] = pair(&lan, &["--accept", "never"]);
    let mut control = bob.control();
    control.call("subscribe", &json!({})).expect("it tells its events");
    let mut waits = Vec::new();
    for round in 0..FIRST_ROUNDS {
        let path = ann.host.folder().join(format!("note {round}"));
        write_random(&path, 1024, round).expect("the file is written");
        let sent = ann.host.run(&["send", "@bob", text(&path)]);
        assert_eq!(sent.code, Some(0), "{}", sent.stderr);
        let offer = control.read_until(|line| line["params"]["event"] == "offer").expect("it is offered");
        let transfer = offer["params"]["transfer"]["id"].clone();
        let yes = Instant::now();
        control.ask("accept", &json!({ "transfer": transfer })).expect("a running node");
        control.read_until(|line| line["params"]["event"] == "transfer-finished").expect("it arrives");
        waits.push(milliseconds(yes.elapsed()));
    }
    row("one file of 1 KiB, from the yes to durable, median", &format!("{:.1} ms", median(waits)), "", "");
}

/// Two who see each other, the second with options.
fn pair(lan: &Lan, options: &[&str]) -> [Node; 2] {
    let (ann, bob) = (Node::up(&lan.host("ann"), &[]), Node::up(&lan.host("bob"), options));
    ann.sees("bob");
    bob.sees("ann");
    [ann, bob]
}

/// Offers something and waits until every receiver has a verified copy; how long that took, in seconds.
fn send(from: &Node, to: &str, path: &std::path::Path, within: Duration) -> f64 {
    let start = Instant::now();
    let ended = from.host.spawn(&["send", to, text(path), "--wait"]).finish(within);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    start.elapsed().as_secs_f64()
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("Unicode")
}

/// Takes away what arrived, so that memory is free for the next round.
fn clear(host: &Host) {
    let folder = host.downloads();
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("it can be removed");
    }
    std::fs::create_dir_all(&folder).expect("a folder for the next round");
}

/// A random file of so many MiB on a host.
fn large_file(host: &Host, mib: u64) -> PathBuf {
    let path = host.folder().join("large.iso");
    write_random(&path, mib << 20, 1).expect("the file is written");
    path
}

/// What nodes have cost since the last look.
struct Cost<'a> {
    nodes: Vec<(&'a str, &'a Node)>,
    before: f64,
}

impl<'a> Cost<'a> {
    fn of(nodes: Vec<(&'a str, &'a Node)>) -> Cost<'a> {
        let before = Cost::seconds(&nodes);
        Cost { nodes, before }
    }

    fn seconds(nodes: &[(&str, &Node)]) -> f64 {
        nodes.iter().map(|(_, node)| cpu_seconds(node.process.id())).sum()
    }

    /// CPU seconds of all of them together since the beginning.
    fn spent(&self) -> f64 {
        Cost::seconds(&self.nodes) - self.before
    }

    fn memory_rows(&self) {
        for (name, node) in &self.nodes {
            let most = memory(node.process.id(), "VmHWM:");
            row(&format!("most memory of the {name}"), &format!("{most:.0} MB"), "", "");
        }
    }
}

const FIRST_ROUNDS: u64 = 20;

/// For so many MiB over a link of so many Mbit/s, several times over: only a failure takes as long.
fn patience(mib: u64, mbit: u32) -> Duration {
    LONG + Duration::from_secs(10 * mib * 8 / u64::from(mbit))
}
