//! Devices that cannot be dialled, on hosts of their own: whoever can dial, dials, and a third one relays in the end.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

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

/// Kinds of datagrams: dial me for files, and for sync.
const KNOCK: u8 = 21;
const MEET: u8 = 22;
const NAME: &str = "large.iso";
/// Nothing that is found anywhere by chance.
const MARK: &str = "the key is under the mat of the third door on the left. ";
