//! Networks as they are: without multicast, forgetting who listens, with interfaces that flap, with several nodes on one host; and
//! what a node costs that does nothing. Each figure as a line of target, measured, verdict.

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lanyard_tests::hosts::Lan;
use lanyard_tests::networks::{Flapping, Forgetful, Idle, flapping, forgetful, idle, together};

use crate::rooms::{MISSED, Verdict, machine, row, seconds_row, without_multicast};

/// What the command line says.
struct Options {
    nodes: usize,
    messages: usize,
    /// For how long the switch forgets, and interfaces flap, if not as the figure has it.
    minutes: Option<u64>,
    /// For how long nothing is done.
    seconds: u64,
}

type Figure = (&'static str, fn(&Options) -> Result<(), String>);

const FIGURES: &[Figure] = &[
    ("R12", |options| without_multicast(options.nodes, options.messages)),
    ("R13", snooped),
    ("R14", flapped),
    ("R15", shared),
    ("idle", idled),
];

/// Carries out the command line and prints the table.
pub fn run(words: &[String]) -> ExitCode {
    let mut options = Options { nodes: 20, messages: 300, minutes: None, seconds: 60 };
    let mut named: Vec<&str> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || words.next()?.parse::<u64>().ok().filter(|number| *number > 0);
        let known = match word.as_str() {
            "--nodes" => number().map(|nodes| options.nodes = nodes as usize),
            "--messages" => number().map(|messages| options.messages = messages as usize),
            "--minutes" => number().map(|minutes| options.minutes = Some(minutes)),
            "--seconds" => number().map(|seconds| options.seconds = seconds),
            name => FIGURES.iter().find(|(known, _)| *known == name).map(|(known, _)| named.push(known)),
        };
        if known.is_none() {
            let names: Vec<_> = FIGURES.iter().map(|(name, _)| *name).collect();
            eprintln!(
                "usage: bench networks [{}]... [--nodes N] [--messages N] [--minutes N] [--seconds N]",
                names.join("|")
            );
            return ExitCode::from(2);
        }
    }
    if let Err(why) = Lan::available() {
        println!("skipped: {why}");
        return ExitCode::SUCCESS;
    }
    println!("| figure | target | measured | verdict |\n|---|---|---|---|");
    for (name, measure) in FIGURES.iter().filter(|(name, _)| named.is_empty() || named.contains(name)) {
        println!("| {name} on {} | | | |", machine());
        if let Err(why) = measure(&options) {
            row(name, "", &why.replace('\n', " "), Verdict::Missed);
        }
    }
    if MISSED.load(Ordering::Relaxed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// R13: the switch forgets whoever has not said for 150 s that it listens, and asks nobody.
fn snooped(options: &Options) -> Result<(), String> {
    let minutes = options.minutes.unwrap_or(15);
    let plan = Forgetful {
        both: 4,
        only_v6: 4,
        membership: Duration::from_secs(150),
        lasts: Duration::from_secs(60 * minutes),
        messages: 20 * minutes as usize,
    };
    let what = format!("R13 (snooping without querier, {minutes} min, 4 of 8 nodes with IPv6 alone)");
    let remembered = forgetful(&Lan::new(), &plan)?;
    let said = remembered.said.len();
    row(
        &format!("{what}: delivered to all"),
        "100 %",
        &format!("{said} of {}", plan.messages),
        said == plan.messages,
    );
    seconds_row(&format!("{what}: delay to all, worst"), Some(10.0), remembered.slowest.as_secs_f64());
    seconds_row(
        &format!("{what}: a newcomer is found by all, after its start"),
        Some(10.0),
        remembered.found.as_secs_f64(),
    );
    Ok(())
}

/// R14: two interfaces flap every five seconds, for ten minutes.
fn flapped(options: &Options) -> Result<(), String> {
    let minutes = options.minutes.unwrap_or(10);
    let every = Duration::from_secs(5);
    let flaps = (60 * minutes / every.as_secs()) as usize;
    let what = format!("R14 (two of five interfaces flap every 5 s for {minutes} min)");
    let settled = flapping(&Lan::new(), &Flapping { nodes: 5, flaps, every })?;
    let all = format!("all {}", settled.messages);
    row(&format!("{what}: delivered to all"), "100 %", &all, true);
    seconds_row(
        &format!("{what}: all have all, after the last flap"),
        Some(10.0),
        settled.after.as_secs_f64(),
    );
    let pairs = |pairs: &[(usize, usize)]| {
        pairs.iter().map(|(before, after)| format!("{before} -> {after}")).collect::<Vec<_>>().join(", ")
    };
    row(
        &format!("{what}: UDP sockets, descriptors before and after"),
        "no leak",
        &format!("{}; {}", pairs(&settled.udp), pairs(&settled.descriptors)),
        settled.leaks_nothing(),
    );
    Ok(())
}

/// R15: five profiles on one host, and another host.
fn shared(_: &Options) -> Result<(), String> {
    let (met, slowest) = together(&Lan::new(), 5)?;
    row("R15 (five on one host, one on another): all see all", "all", "all", true);
    seconds_row("R15: all see all, after the start", None, met.as_secs_f64());
    seconds_row("R15: delay to all, worst", Some(1.0), slowest.as_secs_f64());
    Ok(())
}

/// What it may cost. All together announce themselves ten times a second however many they are, and each wakes up for that.
fn bounds(nodes: usize) -> Idle {
    let heard = nodes.min(25) as f64;
    Idle { datagrams: 1.0, bytes: 250.0, switches: 2.0 + heard, cpu: 1.0 }
}

/// What a node costs among so many while nobody does anything.
fn idled(options: &Options) -> Result<(), String> {
    for nodes in [1, 10, 30] {
        let what = format!("one of {nodes} idle nodes");
        let Idle { datagrams, bytes, switches, cpu } =
            idle(&Lan::new(), nodes, Duration::from_secs(options.seconds))?;
        let bounds = bounds(nodes);
        let line = |name: &str, measured: f64, most: f64| {
            row(
                &format!("{what}: {name}"),
                &format!("<= {most:.1}"),
                &format!("{measured:.2}"),
                measured <= most,
            );
        };
        line("datagrams sent, a second", datagrams, bounds.datagrams);
        line("bytes sent, a second", bytes, bounds.bytes);
        line("context switches, a second", switches, bounds.switches);
        line("share of a core, %", cpu, bounds.cpu);
    }
    Ok(())
}
