//! What a call costs: of a sender against the number of listeners, and of everybody where all speak on a bad network.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use lanyard_tests::hosts::{Addresses, Lan};
use lanyard_tests::node::{LONG, Node};
use lanyard_tests::process::{Process, cpu_seconds, memory};
use serde_json::Value;

/// `bench calls [--seconds N]`.
pub fn run(words: &[String]) -> ExitCode {
    if let Err(why) = Lan::available() {
        println!("skipped: {why}");
        return ExitCode::SUCCESS;
    }
    let seconds = match words {
        [] => Some(SECONDS),
        [option, number] if option == "--seconds" => number.parse().ok().filter(|seconds| *seconds > 0),
        _ => None,
    };
    let Some(seconds) = seconds else {
        eprintln!("bench calls [--seconds N]");
        return ExitCode::from(2);
    };
    println!("One speaks, the others listen; {seconds} s each, CPU as a share of one core.");
    println!(
        "{:>9} {:>10} {:>10} {:>8} {:>10} {:>8} {:>8}",
        "listeners", "packets/s", "kbit/s", "speaker", "a listener", "MB now", "MB most"
    );
    for listeners in [1, 4, 9] {
        let cost = Meeting::of(1 + listeners, 1).measured(0, seconds);
        println!(
            "{listeners:>9} {:>10.1} {:>10.1} {:>7.1}% {:>9.1}% {:>8.0} {:>8.0}",
            cost.packets, cost.kbits, cost.first, cost.others, cost.memory, cost.most
        );
    }
    println!("\nAll speak.");
    println!(
        "{:>9} {:>8} {:>10} {:>10} {:>10} {:>12} {:>10}",
        "people", "lost", "kbit/s", "CPU each", "lost, most", "made up, most", "waits, ms"
    );
    for (people, lost) in [(2, 0), (5, 0), (5, 5), (5, 10), (10, 0), (10, 10)] {
        let cost = Meeting::of(people, people).measured(lost, seconds);
        println!(
            "{people:>9} {lost:>7}% {:>10.1} {:>9.1}% {:>9.1}% {:>12.1}% {:>10.0}",
            cost.kbits, cost.first, cost.lost, cost.concealed, cost.buffer
        );
    }
    ExitCode::SUCCESS
}

/// People in a call, each on a host of their own.
struct Meeting {
    lan: Lan,
    people: Vec<(Node, Process)>,
}

struct Cost {
    /// What the first one sends a second.
    packets: f64,
    kbits: f64,
    /// CPU of the first one and of the others on average, in percent of a core.
    first: f64,
    others: f64,
    /// Of the first one.
    memory: f64,
    most: f64,
    /// The worst that the first one hears, in percent and milliseconds.
    lost: f64,
    concealed: f64,
    buffer: f64,
}

impl Meeting {
    fn of(count: usize, speakers: usize) -> Meeting {
        let lan = Lan::new();
        let hosts = lan.hosts((0..count).map(|n| format!("host{n}")), Addresses::Both);
        let nodes: Vec<Node> = hosts.iter().map(|host| Node::up(host, &[])).collect();
        nodes.iter().skip(1).for_each(|node| node.sees("host0"));
        let people = nodes.into_iter().enumerate().map(|(n, node)| {
            let audio = if n < speakers { "tone" } else { "silence" };
            let call = node.host.spawn(&["call", "#lobby", "--audio", audio, "--record", "heard.wav"]);
            (node, call)
        });
        let people: Vec<_> = people.collect();
        for (_, call) in &people {
            call.wait_for("everybody", LONG, |call| {
                let members = call["members"].as_array().into_iter().flatten();
                members.filter(|one| one["way"] == "multicast").count() == count
            });
        }
        Meeting { lan, people }
    }

    fn measured(self, lost: u8, seconds: u64) -> Cost {
        self.lan.lose_percent(lost);
        let used =
            || self.people.iter().map(|(node, _)| cpu_seconds(node.process.id())).collect::<Vec<f64>>();
        let (before, cpu_before, begun) = (self.call(), used(), Instant::now());
        std::thread::sleep(Duration::from_secs(seconds));
        let (after, cpu_after, took) = (self.call(), used(), begun.elapsed().as_secs_f64());
        self.lan.lose_percent(0);
        let more = |of: &str| (after[of].as_f64().unwrap_or(0.0) - before[of].as_f64().unwrap_or(0.0)) / took;
        let cpu: Vec<f64> =
            cpu_after.iter().zip(cpu_before).map(|(after, before)| 100.0 * (after - before) / took).collect();
        let worst = |of: &str| {
            let members = after["members"].as_array().into_iter().flatten();
            members.filter_map(|one| one[of].as_f64()).fold(0.0, f64::max)
        };
        let first = self.people[0].0.process.id();
        Cost {
            packets: more("sentPackets"),
            kbits: more("sentBytes") * 8.0 / 1000.0,
            first: cpu[0],
            others: cpu[1..].iter().sum::<f64>() / (cpu.len() - 1) as f64,
            memory: memory(first, "VmRSS:"),
            most: memory(first, "VmHWM:"),
            lost: worst("loss"),
            concealed: worst("concealed"),
            buffer: worst("buffer"),
        }
    }

    /// The call, as the first one has it.
    fn call(&self) -> Value {
        self.people[0].0.host.run(&["call", "--list"]).lines.first().cloned().unwrap_or_default()
    }
}

const SECONDS: u64 = 10;
