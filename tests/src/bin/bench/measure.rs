//! The four measurements.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use lanyard_tests::crowd::Control;
use lanyard_tests::files::write_random;
use lanyard_tests::hosts::{Host, Lan, built_beside};
use lanyard_tests::process::{Process, cpu_seconds, memory};
use serde_json::{Value, json};

use crate::node::{LONG, Node, iperf3, median, milliseconds, quantile, row};

/// Carries out the command line and prints the table.
pub fn run(words: Vec<String>) -> ExitCode {
    let mut gib = 1;
    let mut named = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--gib" => match words.next().and_then(|number| number.parse().ok()) {
                Some(number) => gib = number,
                None => return wrong_use(),
            },
            "found" | "latency" | "file" | "idle" => named.push(word),
            _ => return wrong_use(),
        }
    }
    if let Err(why) = Lan::available() {
        println!("skipped: {why}");
        return ExitCode::SUCCESS;
    }
    let wanted = |name: &str| named.is_empty() || named.iter().any(|named| named == name);
    println!("| what | Lanyard | bare network | ratio |\n|---|---|---|---|");
    if wanted("found") {
        found();
    }
    if wanted("latency") {
        latency();
    }
    if wanted("file") {
        file(gib);
    }
    if wanted("idle") {
        idle();
    }
    ExitCode::SUCCESS
}

fn wrong_use() -> ExitCode {
    eprintln!("usage: bench [--gib N] [found] [latency] [file] [idle], or bench rooms");
    ExitCode::from(2)
}

/// How long until a device that has just started is on another one's list.
fn found() {
    let lan = Lan::new();
    let ann = Node::up(&lan.host("ann"), &[]);
    let (mut since_start, mut since_ready) = (Vec::new(), Vec::new());
    for round in 0..FOUND_ROUNDS {
        let name = format!("guest {round}");
        let start = Instant::now();
        let guest = Node::up(&lan.host(&name), &[]);
        let (ready, _) = guest.process.wait_timed("ready", LONG, |event| event["event"] == "ready");
        let came = |event: &Value| event["event"] == "peer-online" && event["peer"]["name"] == name.as_str();
        let (seen, _) = ann.process.wait_timed(&name, LONG, came);
        since_start.push(milliseconds(seen.saturating_duration_since(start)));
        since_ready.push(milliseconds(seen.saturating_duration_since(ready)));
    }
    row("found after it is ready, median", &format!("{:.1} ms", median(since_ready)), "", "");
    row("found after its program starts, median", &format!("{:.1} ms", median(since_start)), "", "");
}

/// From the command on one host's control socket to the event on another's, against half a bare round trip.
fn latency() {
    let lan = Lan::new();
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name), &[]));
    ann.sees("bob");
    bob.sees("ann");
    let [mut saying, mut hearing] = [&ann, &bob]
        .map(|node| Control::connect(&node.host.folder().join("profile")).expect("a running node"));
    hearing.call("subscribe", &json!({})).expect("it tells its events");
    let (mut texts, mut crowded) = (Vec::new(), Vec::new());
    for round in 0..2 * LATENCY_ROUNDS {
        let at_once = round >= LATENCY_ROUNDS;
        if !at_once {
            // As people write. One right after the other, the share of the air that a host may take is what is measured.
            std::thread::sleep(BETWEEN_TEXTS);
        }
        let text = format!("round {round}");
        let sent = Instant::now();
        saying.ask("say", &json!({ "to": "#lobby", "text": text })).expect("a running node");
        hearing.read_until(|line| line["params"]["message"]["text"] == text.as_str()).expect("it arrives");
        if at_once { &mut crowded } else { &mut texts }.push(milliseconds(sent.elapsed()));
        saying.read_until(|line| line.get("id").is_some()).expect("it is answered");
    }
    let bare = bare_latency(&ann.host, &bob.host);
    for (name, share) in [("median", 0.5), ("99th percentile", 0.99)] {
        let (text, bare) = (quantile(texts.clone(), share), quantile(bare.clone(), share));
        let (shown, shown_bare) = (format!("{text:.2} ms"), format!("{bare:.3} ms"));
        row(&format!("text, one way, {name}"), &shown, &shown_bare, &format!("{:.1}", text / bare));
    }
    row("text, one right after the other, median", &format!("{:.2} ms", quantile(crowded, 0.5)), "", "");
}

fn bare_latency(one: &Host, other: &Host) -> Vec<f64> {
    let probe = built_beside("probe");
    let echo = Process::start("echo", other.command(&probe).args(["echo", &other.address()]));
    echo.wait_for("echo", LONG, |line| line["ready"] == true);
    let rounds = LATENCY_ROUNDS.to_string();
    let ping =
        Process::start("ping", one.command(&probe).args(["ping", &one.address(), &rounds])).finish(LONG);
    assert_eq!(ping.code, Some(0), "the bare ping failed: {}", ping.stderr);
    ping.lines.iter().filter_map(|line| line["one_way_us"].as_f64()).map(|us| us / 1000.0).collect()
}

/// One file from disk to disk, encrypted and verified, against iperf3 with the same number of bytes.
fn file(gib: u64) {
    let lan = Lan::new();
    let (ann, bob) = (Node::up(&lan.host("ann"), &[]), Node::up(&lan.host("bob"), &["--accept", "any"]));
    ann.sees("bob");
    let path = ann.host.folder().join("large.iso");
    let size = gib << 30;
    write_random(&path, size, 1).expect("the file is written");
    let (mut sent, mut wire, mut work) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..FILE_ROUNDS {
        let before = cpu_seconds(ann.process.id()) + cpu_seconds(bob.process.id());
        let start = Instant::now();
        let words = ["send", "@bob", path.to_str().expect("Unicode"), "--wait"];
        let ended = ann.host.spawn(&words).finish(Duration::from_secs(60 * gib + 60));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        sent.push(size as f64 / 1e9 / start.elapsed().as_secs_f64());
        work.push((cpu_seconds(ann.process.id()) + cpu_seconds(bob.process.id()) - before) / gib as f64);
        wire.push(iperf3(&ann.host, &bob.host, size).speed);
        for received in std::fs::read_dir(bob.host.downloads()).expect("a folder").flatten() {
            std::fs::remove_file(received.path()).expect("it can be removed");
        }
    }
    let (sent, wire) = (median(sent), median(wire));
    let ratio = format!("{:.2}", sent / wire);
    row(&format!("one file of {gib} GiB"), &format!("{sent:.2} GB/s"), &format!("{wire:.2} GB/s"), &ratio);
    row("its work on both hosts", &format!("{:.2} CPU-s per GiB", median(work)), "", "");
    for (name, node) in [("sender", &ann), ("receiver", &bob)] {
        row(
            &format!("most memory of the {name}"),
            &format!("{:.0} MB", memory(node.process.id(), "VmHWM:")),
            "",
            "",
        );
    }
}

/// What a node costs while nothing happens.
fn idle() {
    let lan = Lan::new();
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name), &[]));
    ann.sees("bob");
    bob.sees("ann");
    let before = cpu_seconds(ann.process.id());
    let start = Instant::now();
    std::thread::sleep(IDLE);
    let share = (cpu_seconds(ann.process.id()) - before) / start.elapsed().as_secs_f64() * 100.0;
    row("an idle node's share of one core", &format!("{share:.2} %"), "", "");
    row("an idle node's memory", &format!("{:.0} MB", memory(ann.process.id(), "VmRSS:")), "", "");
}

const FOUND_ROUNDS: usize = 10;
const LATENCY_ROUNDS: usize = 100;
const BETWEEN_TEXTS: Duration = Duration::from_millis(150);
const FILE_ROUNDS: usize = 3;
const IDLE: Duration = Duration::from_secs(30);
