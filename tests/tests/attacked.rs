//! A hostile host among others, with a program of its own: what the real one does about it.
#![cfg(target_os = "linux")]

use std::fs;
use std::time::{Duration, Instant};

use lanyard_tests::files::write_random;
use lanyard_tests::hosts::{Host, Lan, built_beside};
use lanyard_tests::node::{LONG, Node};
use lanyard_tests::process::{Finished, Process, memory};

#[test]
fn known_people_talk_while_a_host_floods_one_of_them() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob, _cyd] = people(&lan);
    let before = memory(ann.process.id(), "VmRSS:");
    let flood = hostile(&lan.host("mallory"), &ann, &["flood", "12", "20000", "2000"]);
    let begun = Instant::now();
    let mut control = bob.control();
    let mut number = 0;
    while begun.elapsed() < Duration::from_secs(10) {
        number += 1;
        let text = format!("word {number}");
        let said = Instant::now();
        control.say("#lobby", &text).unwrap();
        let (heard, _) =
            ann.process.wait_timed(&text, LONG, |event| event["message"]["text"] == text.as_str());
        let took = heard.saturating_duration_since(said);
        assert!(took < Duration::from_secs(5), "{text} takes {took:?}");
    }
    assert!(number > 20, "{number} words in all that time");
    let sent = &ended(flood).lines[0];
    assert!(sent["signed"].as_u64() >= Some(20_000), "{sent}");
    let grown = memory(ann.process.id(), "VmRSS:") - before;
    assert!(grown < 64.0, "{grown} MB more");
}

#[test]
fn a_thousand_hostile_connections_are_closed_in_seconds_and_keep_no_friend_out() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob, _] = people(&lan);
    let before = memory(ann.process.id(), "VmRSS:");
    let slow = hostile(&lan.host("mallory"), &ann, &["slow", "20", "500"]);
    let holding = hostile(&lan.host("trudy"), &ann, &["hold", "20", "500"]);
    // The worst is when as many stand as may.
    let begun = Instant::now();
    for number in 0..8 {
        let took = sends(&bob, number);
        assert!(took < Duration::from_secs(5), "a friend waits {took:?} after {:?}", begun.elapsed());
    }
    let slow = &ended(slow).lines[0];
    assert_eq!(slow["standing"], 0, "{slow}");
    assert!(slow["longest"].as_f64().unwrap() <= 6.0, "{slow}");
    let held = &ended(holding).lines[0];
    assert!(held["standing"].as_u64().unwrap() <= 128, "{held}");
    assert!(held["answered"].as_u64() > Some(0), "nobody got in at all: {held}");
    let grown = memory(ann.process.id(), "VmRSS:") - before;
    assert!(grown < 64.0, "{grown} MB more");
}

#[test]
fn a_node_that_ran_out_of_descriptors_lets_friends_in_once_there_are_some() {
    let Some(lan) = Lan::or_skip() else { return };
    let [_, bob, cyd] = people(&lan);
    let host = lan.host("dora");
    let lanyard = host.lanyard(&["up", "--name", "dora", "--accept", "any", "--downloads"]);
    let mut few = host.command("sh");
    few.args(["-c", "ulimit -n 80; exec \"$@\"", "sh"]).arg(lanyard.get_program()).args(lanyard.get_args());
    few.arg(host.downloads());
    let process = Process::start("dora with few descriptors", &mut few);
    process.wait_for("ready", LONG, |event| event["event"] == "ready");
    let dora = Node { host, process };
    dora.sees("bob");
    bob.sees("dora");
    let mallory = lan.host("mallory");
    let holding = hostile(&mallory, &dora, &["hold", "8", "300"]);
    let slow = hostile(&lan.host("trudy"), &dora, &["slow", "8", "300"]);
    assert!(ended(slow).lines[0]["longest"].as_f64() <= Some(8.0));
    ended(holding);
    let path = cyd.host.folder().join("after.bin");
    write_random(&path, 100_000, 1).unwrap();
    cyd.sees("dora");
    let sent = cyd.host.spawn(&["send", "@dora", path.to_str().unwrap(), "--wait"]).finish(LONG);
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    assert!(dora.host.downloads().join("after.bin").is_file());
}

/// The other host has both addresses: whoever dialled either would come there.
#[test]
fn a_device_that_claims_to_be_on_the_internet_is_seen_and_not_dialled() {
    let Some(lan) = Lan::or_skip() else { return };
    let ann = Node::up(&lan.host("ann"), &[]);
    let mallory = lan.host("mallory");
    let added = mallory.command("ip").args(["addr", "add", "203.0.113.9/32", "dev", "eth0"]).status();
    assert!(added.unwrap().success());
    let posing = hostile(&mallory, &ann, &["pose", "6"]);
    let wanted: Vec<Process> = ["near", "far"]
        .iter()
        .map(|name| {
            ann.sees(name);
            ann.host.spawn(&["browse", &format!("@{name}")])
        })
        .collect();
    let said = &ended(posing).lines[0];
    assert!(said["near"].as_u64() > Some(0), "nobody is dialled at all: {said}");
    assert_eq!(said["far"], 0, "{said}");
    wanted.into_iter().for_each(Process::kill);
}

#[test]
fn what_is_logged_has_neither_keys_nor_words_in_it() {
    let Some(lan) = Lan::or_skip() else { return };
    let mut processes = Vec::new();
    for name in ["ann", "bob"] {
        let host = lan.host(name);
        let mut lanyard = host.lanyard(&["up", "--name", name, "--accept", "any", "--downloads"]);
        lanyard.arg(host.downloads()).env("LANYARD_LOG", "trace");
        let process = Process::start(name, &mut lanyard);
        process.wait_for("ready", LONG, |event| event["event"] == "ready");
        processes.push(Node { host, process });
    }
    let [ann, bob] = <[Node; 2]>::try_from(processes).ok().unwrap();
    ann.sees("bob");
    bob.sees("ann");
    let words = ["said-in-the-lobby", "said-to-bob-alone", "said-among-members"];
    assert_eq!(ann.host.run(&["room", "create", "Board", "--private"]).code, Some(0));
    let link = ann.host.run(&["room", "invite", "Board"]);
    let link = link.lines[0]
        .to_string()
        .split('"')
        .find(|text| text.starts_with("lanyard:v1:inv:"))
        .unwrap()
        .to_owned();
    assert_eq!(bob.host.run(&["room", "join", &link]).code, Some(0));
    for (to, text) in ["#lobby", "@bob", "#Board"].iter().zip(words) {
        assert_eq!(ann.host.run(&["say", to, text]).code, Some(0));
        bob.process.wait_for(text, LONG, |event| event["message"]["text"] == text);
    }
    sends(&ann, 1);
    let came = bob.host.downloads().join("note 1.bin");
    let mut mark = [0; 64];
    match rustix::fs::getxattr(&came, "user.xdg.origin.url", &mut mark[..]) {
        Ok(length) => {
            assert_eq!(&mark[..length], b"lanyard:", "it says that it came from others, and not from whom")
        }
        Err(rustix::io::Errno::OPNOTSUPP) => println!("the file system has no marks"),
        Err(error) => panic!("{} is not marked: {error}", came.display()),
    }
    for node in [&ann, &bob] {
        let logged = node.process.stderr();
        assert!(logged.len() > 10_000, "nothing is logged: {logged}");
        let key = fs::read(node.host.folder().join("profile/device.key")).unwrap();
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let secret = link.rsplit(':').next().unwrap().to_lowercase();
        for text in words.iter().copied().chain([hex.as_str(), &secret, &secret[54..78]]) {
            let line = logged.lines().find(|line| line.to_lowercase().contains(text));
            assert_eq!(line, None, "of {}", node.host.name());
        }
    }
}

/// Ann takes what comes; bob and cyd know her.
fn people(lan: &Lan) -> [Node; 3] {
    let [ann, bob, cyd] = ["ann", "bob", "cyd"].map(|name| {
        let options: &[&str] = if name == "ann" { &["--accept", "any"] } else { &[] };
        Node::up(&lan.host(name), options)
    });
    for (node, others) in [(&ann, ["bob", "cyd"]), (&bob, ["ann", "cyd"]), (&cyd, ["ann", "bob"])] {
        others.iter().for_each(|other| node.sees(other));
    }
    [ann, bob, cyd]
}

fn hostile(from: &Host, victim: &Node, words: &[&str]) -> Process {
    let mut command = from.command(built_beside("neighbour"));
    Process::start("a hostile neighbour", command.arg(words[0]).arg(victim.host.address()).args(&words[1..]))
}

fn ended(attack: Process) -> Finished {
    let ended = attack.finish(LONG);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

/// How long a small file takes from somebody to the other one who accepts all.
fn sends(from: &Node, number: u64) -> Duration {
    let to = if from.host.name() == "ann" { "@bob" } else { "@ann" };
    let path = from.host.folder().join(format!("note {number}.bin"));
    write_random(&path, 50_000, number).expect("room for a file");
    let begun = Instant::now();
    let sent = from.host.spawn(&["send", to, path.to_str().expect("Unicode"), "--wait"]).finish(LONG);
    let took = begun.elapsed();
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    took
}
