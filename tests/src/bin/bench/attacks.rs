//! Known people talk and one sends a file to another, while a third host attacks that one: the same figures without and with
//! each attack.
//!
//! The attacker is a process on this machine, too: what it takes of the processors is part of what is measured.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use lanyard_tests::conversation::{Delays, Plan, talk};
use lanyard_tests::crowd::Crowd;
use lanyard_tests::files::write_random;
use lanyard_tests::hosts::{Addresses, Host, Lan, built_beside};
use lanyard_tests::process::{Process, cpu_seconds, memory};
use serde_json::Value;

/// What the command line says.
struct Options {
    seconds: u64,
    /// Datagrams a second.
    garbage: u64,
    signed: u64,
    /// Connections.
    connections: u64,
}

/// Carries out the command line and prints the table.
pub fn run(words: &[String]) -> ExitCode {
    let mut options = Options { seconds: 20, garbage: 50_000, signed: 10_000, connections: 1000 };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let number = words.next().and_then(|number| number.parse::<u64>().ok()).filter(|number| *number > 0);
        match (word.as_str(), number) {
            ("--seconds", Some(seconds)) => options.seconds = seconds.min(600),
            ("--garbage", Some(rate)) => options.garbage = rate,
            ("--signed", Some(rate)) => options.signed = rate,
            ("--connections", Some(number)) => options.connections = number.min(10_000),
            _ => {
                eprintln!("usage: bench attacks [--seconds N] [--garbage N] [--signed N] [--connections N]");
                return ExitCode::from(2);
            }
        }
    }
    if let Err(why) = Lan::available() {
        println!("skipped: {why}");
        return ExitCode::SUCCESS;
    }
    println!(
        "| attack | messages, 99 % | slowest | lost | file, MB/s | victim's share of a core | its memory grew by, MB | the attacker says |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut outcome = ExitCode::SUCCESS;
    let Options { seconds, garbage, signed, connections } = &options;
    let [seconds_text, garbage, signed, connections] =
        [seconds, garbage, signed, connections].map(ToString::to_string);
    let attacks: [(&str, &[&str]); 5] = [
        ("none", &[]),
        ("flood of datagrams", &["flood", &seconds_text, &garbage, &signed]),
        ("claims and questions", &["claim", &seconds_text, "1000"]),
        ("slow connections", &["slow", &seconds_text, &connections]),
        ("connections with keys of their own", &["hold", &seconds_text, &connections]),
    ];
    for (name, words) in attacks {
        if let Err(why) = measure(name, words, &options) {
            println!("| {name} | FAILED: {} | | | | | | |", why.replace('\n', " "));
            outcome = ExitCode::FAILURE;
        }
    }
    outcome
}

/// Ann is attacked; bob sends her a file; all three talk.
fn measure(name: &str, attack: &[&str], options: &Options) -> Result<(), String> {
    let lan = Lan::new();
    let mut crowd = Crowd::new();
    let hosts = lan.hosts(["ann", "bob", "cyd", "mallory"], Addresses::OnlyIpv4);
    let [ann, bob, cyd, mallory] = <[Host; 4]>::try_from(hosts).map_err(|_| "four hosts")?;
    crowd.add(ann.clone(), &["--accept", "any"]);
    crowd.add(bob.clone(), &[]);
    crowd.add(cyd, &[]);
    crowd.start_all()?;
    crowd.meet(PATIENCE)?;
    // So that the disk and the processors are not what is measured.
    let limited = ann.run(&["limits", "--down", &format!("{MB_PER_SECOND}MB")]);
    if limited.code != Some(0) {
        return Err(limited.stderr);
    }
    let path = bob.folder().join("large.iso");
    let bytes = MB_PER_SECOND * 1_000_000 * options.seconds * 3 / 5;
    write_random(&path, bytes, 1).map_err(|error| error.to_string())?;

    let victim = crowd.process(0).ok_or("ann does not run")?;
    let (memory_before, cpu_before, begun) = (memory(victim, "VmRSS:"), cpu_seconds(victim), Instant::now());
    let attacker = attack.split_first().map(|(verb, numbers)| {
        let mut command = mallory.command(built_beside("neighbour"));
        Process::start("mallory", command.arg(verb).arg(ann.address()).args(numbers))
    });
    let within = PATIENCE + Duration::from_secs(10 * options.seconds);
    let sending = bob.spawn(&["send", "@ann", path.to_str().expect("Unicode"), "--wait"]);
    let start = Instant::now();
    let (said, took) = thread::scope(|scope| {
        let sending = scope.spawn(move || {
            let ended = sending.finish(within);
            (ended.code == Some(0)).then(|| start.elapsed()).ok_or(ended.stderr)
        });
        let messages = 3 * options.seconds as usize;
        let plan = Plan { talkers: vec![0, 1, 2], messages, per_second: 1.0, length: 110, seed: 1 };
        let said = talk(&crowd, &plan);
        (said, sending.join().expect("whoever sends does not panic"))
    });
    let (said, took) = (said?, took?);
    let words = attacker.map(|attacker| attacker.finish(PATIENCE + Duration::from_secs(options.seconds)));
    let told = words.as_ref().and_then(|ended| ended.lines.first()).map_or(String::new(), Value::to_string);
    if let Some(failed) = words.filter(|ended| ended.code != Some(0)) {
        return Err(format!("the attacker failed: {}", failed.stderr));
    }
    let share = (cpu_seconds(victim) - cpu_before) / begun.elapsed().as_secs_f64() * 100.0;
    let texts: Vec<_> = said.iter().map(|said| said.text.clone()).collect();
    crowd.all_hear(&texts, PATIENCE)?;
    let delays = Delays::of(&crowd, &said);
    println!(
        "| {name} | {:.3} s | {:.3} s | {} | {:.1} | {share:.0} % | {:.1} | {told} |",
        delays.each(0.99),
        delays.each(1.0),
        said.len() * 2 - delays.deliveries(),
        bytes as f64 / 1e6 / took.as_secs_f64(),
        memory(victim, "VmRSS:") - memory_before,
    );
    Ok(())
}

/// What ann takes of a file: a tenth of what an idle machine moves between two namespaces.
const MB_PER_SECOND: u64 = 20;

/// For everybody to see everybody, and for the last message.
const PATIENCE: Duration = Duration::from_secs(120);
