//! Large rooms, bad networks and crashes, with real processes: each figure as a line of target, measured, verdict.
//!
//! Delays count from the answer to `say` (the message is on its author's disk) to the event at each receiver.

mod crashing;
mod crowded;
mod late;
mod parted;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lanyard_tests::conversation::Plan;
use lanyard_tests::crowd::Crowd;
use lanyard_tests::hosts::{Addresses, Lan};
use lanyard_tests::process::{cpu_seconds, memory};

/// What the command line says. What is absent is as the figure has it.
#[derive(Default)]
struct Options {
    nodes: Option<usize>,
    messages: Option<usize>,
    entries: Option<u64>,
    rounds: Option<usize>,
    seconds: Option<u64>,
    /// Messages that each says in a second, where all talk.
    rate: Option<u64>,
    seed: Option<u64>,
    /// IPv4 and IPv6, as most hosts have: every datagram goes out by both, and has two chances.
    both: bool,
}

type Figure = (&'static str, fn(&Options) -> Result<(), String>);

const FIGURES: &[Figure] = &[
    ("R1", |options| crowded::lossy("R1", 30, options)),
    ("R2", |options| crowded::lossy("R2", 1, options)),
    ("R4", |options| parted::halves("R4", 1, options)),
    ("R5", |options| parted::halves("R5", 30, options)),
    ("R6", |options| late::joiner("R6", 10_000, options)),
    ("R7", |options| late::joiner("R7", 1_000_000, options)),
    ("R8", crowded::loud),
    ("R10", crashing::kills),
    ("R12", crowded::without_multicast),
    ("R16", crowded::clocks),
];

/// R12 with so many nodes, in the two ways in which a network can be without multicast.
pub fn without_multicast(nodes: usize, messages: usize) -> Result<(), String> {
    let options = Options { nodes: Some(nodes), messages: Some(messages), ..Options::default() };
    crowded::without_multicast(&options)?;
    crowded::broadcast_alone(&options)
}

/// Carries out the command line and prints the table.
pub fn run(words: &[String]) -> ExitCode {
    let Some((options, named)) = parse(words) else {
        let names: Vec<_> = FIGURES.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: bench rooms [{}|all]... {OPTIONS}", names.join("|"));
        return ExitCode::from(2);
    };
    if let Err(why) = Lan::available() {
        println!("skipped: {why}");
        return ExitCode::SUCCESS;
    }
    println!("| figure | target | measured | verdict |\n|---|---|---|---|");
    let mut outcome = ExitCode::SUCCESS;
    for (name, measure) in
        FIGURES.iter().filter(|(name, _)| named.is_empty() || named.contains(&name.to_string()))
    {
        println!("| {name} on {} | | | |", machine());
        if let Err(why) = measure(&options) {
            row(name, "", &why.replace('\n', " "), Verdict::Failed);
            outcome = ExitCode::FAILURE;
        }
    }
    if MISSED.load(Ordering::Relaxed) { ExitCode::FAILURE } else { outcome }
}

fn parse(words: &[String]) -> Option<(Options, Vec<String>)> {
    let mut options = Options::default();
    let mut named = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || words.next()?.parse::<u64>().ok();
        match word.as_str() {
            "--nodes" => options.nodes = Some(number()? as usize),
            "--messages" => options.messages = Some(number()? as usize),
            "--entries" => options.entries = Some(number()?),
            "--rounds" => options.rounds = Some(number()? as usize),
            "--seconds" => options.seconds = Some(number()?),
            "--rate" => options.rate = Some(number()?),
            "--seed" => options.seed = Some(number()?),
            "--both" => options.both = true,
            "all" => {}
            name if FIGURES.iter().any(|(known, _)| *known == name) => named.push(name.to_owned()),
            _ => return None,
        }
    }
    Some((options, named))
}

/// What else the machine does is part of every delay.
pub fn machine() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{cores} cores, load {load} before it")
}

impl Options {
    fn seed(&self) -> u64 {
        self.seed.unwrap_or(1)
    }

    fn addresses(&self) -> Addresses {
        if self.both { Addresses::Both } else { Addresses::OnlyIpv4 }
    }

    fn plan(&self, talkers: Vec<usize>, messages: usize, per_second: f64) -> Plan {
        Plan { talkers, messages, per_second, length: TEXT, seed: self.seed() }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Met,
    Missed,
    /// There is no target for it.
    None,
    /// It was not measured.
    Failed,
}

impl From<bool> for Verdict {
    fn from(met: bool) -> Verdict {
        if met { Verdict::Met } else { Verdict::Missed }
    }
}

pub fn row(what: &str, target: &str, measured: &str, verdict: impl Into<Verdict>) {
    let verdict = match verdict.into() {
        Verdict::Met => "met",
        Verdict::Missed => {
            MISSED.store(true, Ordering::Relaxed);
            "missed"
        }
        Verdict::None => "",
        Verdict::Failed => "FAILED",
    };
    println!("| {what} | {target} | {measured} | {verdict} |");
}

/// A figure in seconds that should be at most so many.
pub fn seconds_row(what: &str, at_most: Option<f64>, measured: f64) {
    let target = at_most.map_or(String::new(), |most| format!("<= {most} s"));
    let verdict = at_most.map_or(Verdict::None, |most| (measured <= most).into());
    row(what, &target, &format!("{measured:.3} s"), verdict);
}

/// What the processes have used so far, together.
pub fn cpu_of(crowd: &Crowd) -> f64 {
    (0..crowd.size()).filter_map(|node| crowd.process(node)).map(cpu_seconds).sum()
}

/// The memory of the median process and of the largest, in MB.
fn memory_of(crowd: &Crowd) -> (f64, f64) {
    let processes = (0..crowd.size()).filter_map(|node| crowd.process(node));
    let mut sizes: Vec<_> = processes.map(|process| memory(process, "VmRSS:")).collect();
    sizes.sort_by(f64::total_cmp);
    (lanyard_tests::conversation::quantile(&sizes, 0.5), sizes.last().copied().unwrap_or(0.0))
}

pub fn cost_rows(name: &str, crowd: &Crowd, cpu: f64, lasted: Duration) {
    let share = cpu / lasted.as_secs_f64() / crowd.size() as f64 * 100.0;
    row(
        &format!("{name}: each process's share of one core"),
        "",
        &format!("{share:.2} % ({cpu:.0} CPU-s in {:.0} s together)", lasted.as_secs_f64()),
        Verdict::None,
    );
    let (median, largest) = memory_of(crowd);
    row(
        &format!("{name}: memory of a process"),
        "",
        &format!("{median:.0} MB, the largest {largest:.0} MB"),
        Verdict::None,
    );
}

const OPTIONS: &str =
    "[--nodes N] [--messages N] [--entries N] [--rounds N] [--seconds N] [--rate N] [--seed N] [--both]";

/// Whether any figure missed its target: whoever runs this from a script sees it by the exit code.
pub static MISSED: AtomicBool = AtomicBool::new(false);

/// As long as people write; an entry of it has about 320 bytes on the wire.
const TEXT: usize = 110;

/// For everybody to see everybody.
const MEETING: Duration = Duration::from_secs(120);

/// For the last message to reach the last node: only a failure takes as long.
const PATIENCE: Duration = Duration::from_secs(180);
