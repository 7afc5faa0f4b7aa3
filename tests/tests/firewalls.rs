//! Devices that cannot be dialled, on hosts of their own: whoever can dial, dials, and a third one relays in the end.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lanyard_tests::files::{sha256, write_random};
use lanyard_tests::hosts::{Host, Lan};
use lanyard_tests::node::{LONG, Node};
use serde_json::Value;

#[test]
fn whoever_cannot_be_dialled_dials_when_it_is_asked_to() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| lan.host(name));
    ann.close_tcp();
    let [ann, bob] = together([&ann, &bob]);
    let path = offer(&ann, &random(&ann, 8));
    let done = bob.process.wait_for("a whole file", LONG, is_done);
    assert_eq!(done["transfer"]["via"], Value::Null, "nobody stands between them");
    same(&path, &bob);
    assert!(counted(&lan, KNOCK) > 0, "a direct dial cannot have succeeded");
}

#[test]
fn what_worked_the_last_time_is_done_at_once_the_next_time_and_a_better_way_is_noticed() {
    let Some(lan) = Lan::or_skip() else { return };
    let hosts = ["ann", "bob", "cara"].map(|name| lan.host(name));
    hosts[0].close_tcp();
    let [ann, bob, _cara] = together(hosts.each_ref());
    let mut note = 0;
    let mut takes = || {
        note += 1;
        took(&ann, &bob, note)
    };
    let (first, _) = takes();
    let again = takes().0.min(takes().0);
    println!("knocked at: {first:?} the first time, then {again:?}");
    assert!(first >= HEAD_START, "{first:?}: a direct dial has so long for itself");
    assert!(again < HEAD_START, "{again:?}");

    hosts[1].close_tcp();
    let (first, via) = takes();
    let again = takes().0.min(takes().0);
    println!("through a third device: {first:?} the first time, then {again:?}");
    assert_eq!(via, "cara");
    assert!(first >= KNOCKED_IN_VAIN, "{first:?}: who came the last time has so long to come");
    assert!(again < HEAD_START, "{again:?}");

    hosts[0].open_tcp();
    let (_, via) = takes();
    assert_eq!(via, Value::Null, "ann can be dialled");
    let knocks = counted(&lan, KNOCK);
    takes();
    assert_eq!(counted(&lan, KNOCK), knocks, "so nobody asks her to dial");
}

#[test]
fn who_can_be_dialled_is_not_knocked_at() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = together(["ann", "bob"].map(|name| lan.host(name)).each_ref());
    let path = offer(&ann, &random(&ann, 2));
    bob.process.wait_for("a whole file", LONG, is_done);
    same(&path, &bob);
    assert_eq!(counted(&lan, KNOCK), 0);
}

#[test]
fn a_third_one_passes_on_between_two_that_cannot_be_dialled_and_has_nothing_of_it() {
    let Some(lan) = Lan::or_skip() else { return };
    let hosts = ["ann", "bob", "cara"].map(|name| lan.host(name));
    hosts[0].close_tcp();
    hosts[1].close_tcp();
    let [ann, bob, cara] = together(hosts.each_ref());
    let path = ann.host.folder().join(NAME);
    fs::write(&path, MARK.repeat(100_000)).unwrap();
    offer(&ann, &path);
    bob.process.wait_for("word of who passes it on", LONG, |event| event["transfer"]["via"] == "cara");
    let done = bob.process.wait_for("a whole file", LONG, is_done);
    assert_eq!(done["transfer"]["via"], "cara");
    same(&path, &bob);
    let size = path.metadata().unwrap().len();
    let carried = lan.traffic()[2].sent.bytes;
    assert!(carried > size, "{carried} bytes of cara's cannot be {size} of the file");
    let words = bob.host.run(&["transfers"]);
    assert_eq!(words.lines[0]["via"], "cara", "{}", words.stderr);
    cara.process.kill();
    assert_eq!(holding(cara.host.folder(), MARK), Vec::<PathBuf>::new());
    assert!(!holding(bob.host.folder(), MARK).is_empty(), "it would have been found");
}

#[test]
fn when_the_one_who_passes_on_is_killed_people_are_told_and_another_one_goes_on() {
    let Some(lan) = Lan::or_skip() else { return };
    let hosts = ["ann", "bob", "cara", "dora"].map(|name| lan.host(name));
    hosts[0].close_tcp();
    hosts[1].close_tcp();
    let [ann, bob, cara] = together([&hosts[0], &hosts[1], &hosts[2]]);
    // Slow enough that a moment can be met.
    cara.host.limit_mbit(100).unwrap();
    let path = offer(&ann, &random(&ann, 64));
    let quarter = |event: &Value| moved(event).is_some_and(|moved| moved >= 16 << 20);
    bob.process.wait_for("a quarter of it", LONG, quarter);
    cara.process.kill();
    bob.process.wait_for("word of what happened", LONG, |event| {
        event["transfer"]["error"]["message"]
            .as_str()
            .is_some_and(|said| said.contains("it went through another device"))
    });
    let dora = Node::up(&hosts[3], &[]);
    dora.sees("ann");
    dora.sees("bob");
    let done = bob.process.wait_for("a whole file", LONG, is_done);
    assert_eq!(done["transfer"]["via"], "dora");
    same(&path, &bob);
}

#[test]
fn who_does_not_want_to_pass_anything_on_says_so_and_another_one_is_asked_at_once() {
    let Some(lan) = Lan::or_skip() else { return };
    let hosts = ["ann", "bob", "cara", "dora"].map(|name| lan.host(name));
    hosts[0].close_tcp();
    hosts[1].close_tcp();
    let [ann, bob, cara] = together([&hosts[0], &hosts[1], &hosts[2]]);
    let (_, via) = took(&ann, &bob, 1);
    assert_eq!(via, "cara");
    let off = cara.host.run(&["limits", "--relay", "off"]);
    assert_eq!((off.code, &off.lines[0]["relaying"]["on"]), (Some(0), &Value::Bool(false)), "{}", off.stderr);
    let dora = Node::up(&hosts[3], &["--accept", "any"]);
    dora.sees("ann");
    dora.sees("bob");
    bob.sees("dora");
    // Cara did it the last time, so she is asked first.
    let (took_so_long, via) = took(&ann, &bob, 2);
    println!("{took_so_long:?} with one that declines");
    assert_eq!(via, "dora");
    let on = cara.host.run(&["limits", "--relay", "on"]);
    assert_eq!(on.lines[0]["relaying"]["on"], true, "{}", on.stderr);
}

#[test]
fn what_is_passed_on_ends_when_that_is_switched_off() {
    let Some(lan) = Lan::or_skip() else { return };
    let hosts = ["ann", "bob", "cara"].map(|name| lan.host(name));
    hosts[0].close_tcp();
    hosts[1].close_tcp();
    let [ann, bob, cara] = together(hosts.each_ref());
    // Slow enough that a moment can be met.
    cara.host.limit_mbit(100).unwrap();
    let path = offer(&ann, &random(&ann, 64));
    bob.process
        .wait_for("a quarter of it", LONG, |event| moved(event).is_some_and(|moved| moved >= 16 << 20));
    cara.host.run(&["limits", "--relay", "off"]);
    bob.process.wait_for("word of what happened", LONG, |event| {
        event["transfer"]["error"]["message"]
            .as_str()
            .is_some_and(|said| said.contains("it went through another device"))
    });
    cara.host.run(&["limits", "--relay", "on"]);
    ann.host.open_tcp();
    bob.process.wait_for("a whole file", LONG, is_done);
    same(&path, &bob);
}

#[test]
fn shared_folders_of_whoever_cannot_be_dialled_can_be_looked_into() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| lan.host(name));
    ann.close_tcp();
    let [ann, bob] = together([&ann, &bob]);
    let folder = ann.host.folder().join("papers");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("plan.txt"), "tea at four").unwrap();
    let shared = ann.host.run(&["share", &folder.to_string_lossy()]);
    assert_eq!(shared.code, Some(0), "{}", shared.stderr);
    let listed = bob.host.run(&["browse", "@ann", "papers"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    assert!(listed.lines.iter().any(|line| line.to_string().contains("plan.txt")), "{:?}", listed.lines);
}

#[test]
fn what_is_too_long_for_datagrams_comes_from_and_to_whoever_cannot_be_dialled() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| lan.host(name));
    ann.close_tcp();
    let [ann, bob] = together([&ann, &bob]);
    for (from, to) in [(&ann, &bob), (&bob, &ann)] {
        for room in ["#lobby".to_owned(), format!("@{}", to.host.name())] {
            let text = format!("{room} {}", "long ".repeat(3000));
            let said = from.host.run(&["say", &room, &text]);
            assert_eq!(said.code, Some(0), "{}", said.stderr);
            to.process.wait_for("all of it", LONG, |event| {
                event["message"]["text"].as_str().is_some_and(|heard| heard.trim() == text.trim())
            });
        }
    }
    assert!(counted(&lan, MEET) > 0, "bob cannot have fetched it by himself");
}

#[test]
fn an_invite_of_whoever_cannot_be_dialled_lets_in_by_a_knock_and_through_a_third_device() {
    let Some(lan) = Lan::or_skip() else { return };
    let hosts = ["ann", "bob", "cara"].map(|name| lan.host(name));
    hosts[0].close_tcp();
    let [ann, bob, cara] = together(hosts.each_ref());
    ann.host.run(&["room", "create", "Board", "--private"]);
    let invite = ann.host.run(&["room", "invite", "Board"]);
    let link = invite.lines[0]["link"].as_str().expect("a link").to_owned();
    let joins = |who: &Node| {
        let joined = who.host.run(&["room", "join", &link, "--wait", "60"]);
        assert_eq!(joined.code, Some(0), "{}", joined.stderr);
    };
    joins(&bob);
    assert!(counted(&lan, KNOCK) > 0, "ann cannot have been dialled");
    // Cara can dial nobody and be dialled by nobody who is in; bob passes on what he cannot read.
    cara.host.close_tcp();
    let path = cara.host.folder().join("nothing");
    fs::write(&path, "none").expect("room for a file");
    joins(&cara);
    for (from, to) in [(&ann, &cara), (&cara, &ann)] {
        let text = format!("{} is in", from.host.name());
        let said = from.host.run(&["say", "#Board", &text]);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        to.process.wait_for("it", LONG, |event| event["message"]["text"] == text.as_str());
    }
}

#[test]
fn mail_goes_to_a_keeper_and_from_it_though_one_of_the_two_cannot_be_dialled() {
    let Some(lan) = Lan::or_skip() else { return };
    let hosts = ["ann", "bob", "cyd"].map(|name| lan.host(name));
    hosts[2].close_tcp();
    let [ann, bob, cyd] = together(hosts.each_ref());
    bob.process.terminate();
    bob.process.finish(LONG);
    ann.process.wait_for("goodbye", LONG, |event| {
        event["event"] == "peer-offline" && event["peer"]["name"] == "bob"
    });
    let said = ann.host.run(&["say", "@bob", "the key is under the mat"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    ann.process.wait_for("word of cyd", LONG, |event| {
        event["event"] == "kept" && event["delivered"]["keptBy"].as_array().is_some_and(|by| by.len() == 1)
    });
    assert!(counted(&lan, KNOCK) > 0, "ann cannot have dialled cyd");
    drop(ann);
    // Now it is whoever fetches that cannot be dialled.
    cyd.host.open_tcp();
    hosts[1].close_tcp();
    let bob = Node::up(&hosts[1], &[]);
    bob.process
        .wait_for("what ann wrote", LONG, |event| event["message"]["text"] == "the key is under the mat");
}

/// Nodes that accept whatever is offered, and see each other.
fn together<const N: usize>(hosts: [&Host; N]) -> [Node; N] {
    let nodes = hosts.map(|host| Node::up(host, &["--accept", "any"]));
    for node in &nodes {
        for other in hosts.iter().filter(|other| other.name() != node.host.name()) {
            node.sees(other.name());
        }
    }
    nodes
}

fn random(from: &Node, mib: u64) -> PathBuf {
    let path = from.host.folder().join(NAME);
    write_random(&path, mib << 20, 1).expect("room for a file");
    path
}

/// How long a small file takes from its offer until bob has it, and who passed it on.
fn took(from: &Node, bob: &Node, note: u32) -> (Duration, Value) {
    let name = format!("note {note}.txt");
    let path = from.host.folder().join(&name);
    fs::write(&path, &name).expect("room for a file");
    let begun = Instant::now();
    offer(from, &path);
    let is_it = |event: &Value| is_done(event) && event["transfer"]["names"][0] == name.as_str();
    let (at, done) = bob.process.wait_timed("a whole file", LONG, is_it);
    (at.saturating_duration_since(begun), done["transfer"]["via"].clone())
}

/// Offers a file to bob.
fn offer(from: &Node, path: &Path) -> PathBuf {
    let sent = from.host.run(&["send", "@bob", &path.to_string_lossy()]);
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    path.to_owned()
}

fn is_done(event: &Value) -> bool {
    event["event"] == "transfer-finished" && event["transfer"]["state"] == "done"
}

fn moved(event: &Value) -> Option<u64> {
    event["progress"].as_array()?.iter().filter_map(|one| one["moved"].as_u64()).max()
}

#[track_caller]
fn same(path: &Path, at: &Node) {
    let sum = |path: &Path| sha256(path).expect("it can be read");
    assert_eq!(sum(path), sum(&at.host.downloads().join(NAME)));
}

/// Datagrams of a kind that were sent.
fn counted(lan: &Lan, kind: u8) -> u64 {
    lan.datagrams().get(&kind).map_or(0, |counted| counted.frames)
}

/// Files below a folder that have these words in them.
fn holding(folder: &Path, words: &str) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let kind = entry.file_type().expect("a file or folder");
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                let bytes = fs::read(entry.path()).expect("it can be read");
                if bytes.windows(words.len()).any(|window| window == words.as_bytes()) {
                    found.push(entry.path());
                }
            }
        }
    }
    found
}

/// How long a direct dial is alone where nothing is known, and how long is waited for whoever was knocked at.
const HEAD_START: Duration = Duration::from_millis(1500);
const KNOCKED_IN_VAIN: Duration = Duration::from_secs(3);
/// Kinds of datagrams: dial me for files, and for sync.
const KNOCK: u8 = 21;
const MEET: u8 = 22;
const NAME: &str = "large.iso";
/// Nothing that is found anywhere by chance.
const MARK: &str = "the key is under the mat of the third door on the left. ";
