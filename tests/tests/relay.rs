//! A node that serves all others, between clients that cannot reach each other.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use lanyard_tests::files::{sha256, write_random};
use lanyard_tests::hosts::{Host, Lan};
use lanyard_tests::node::{LONG, Node};
use serde_json::Value;

#[test]
fn two_who_cannot_reach_each_other_talk_and_send_files_by_a_relay_that_both_hear() {
    let Some(lan) = Lan::or_skip() else { return };
    talk_by_a_relay(&lan, &[]);
}

#[test]
fn and_by_one_that_both_have_by_address_where_no_multicast_passes() {
    let Some(lan) = Lan::or_skip() else { return };
    lan.cut_multicast();
    // The relay is the first host.
    talk_by_a_relay(&lan, &["--peer", "10.77.0.1"]);
}

fn talk_by_a_relay(lan: &Lan, options: &[&str]) {
    let hosts = ["relay", "ann", "bob", "cyd"].map(|name| lan.host(name));
    let [at_relay, at_ann, at_bob, at_cyd] = hosts.each_ref();
    // The clients of an access point that isolates them; the relay is at its cable.
    for client in [at_ann, at_bob, at_cyd] {
        client.isolate();
    }
    let relay = Node::up(at_relay, &["--relay"]);
    let client = |host: &Host| Node::up(host, &[&["--accept", "any"], options].concat());
    let (ann, bob) = (client(at_ann), client(at_bob));
    for one in [&ann, &bob] {
        one.sees("relay");
        did(one, &["room", "join", "design"]);
    }
    says_to(&ann, &bob, "#design", "tea?");
    says_to(&bob, &ann, "#design", "at four");

    // What ann offers comes to bob through the relay.
    let path = at_ann.folder().join("plan.iso");
    write_random(&path, 4 << 20, 1).expect("room for a file");
    did(&ann, &["send", "#design", &path.to_string_lossy()]);
    arrives(&bob, &path);

    // It goes on after a restart of the relay, by itself.
    relay.process.terminate();
    relay.process.finish(LONG);
    let relay = Node::up(at_relay, &["--relay"]);
    relay.sees("ann");
    relay.sees("bob");
    says_to(&ann, &bob, "#design", "still there?");
    says_to(&bob, &ann, "#design", "yes");

    // Whoever comes when all others are gone reads what they said.
    for gone in [ann, bob] {
        gone.process.terminate();
        gone.process.finish(LONG);
    }
    let cyd = client(at_cyd);
    cyd.sees("relay");
    did(&cyd, &["room", "join", "design"]);
    for text in ["tea?", "at four", "still there?", "yes"] {
        hears(&cyd, text);
    }
}

#[test]
fn a_relay_keeps_mail_and_passes_on_though_a_person_had_switched_that_off() {
    let Some(lan) = Lan::or_skip() else { return };
    let host = lan.host("relay");
    let before = Node::up(&host, &[]);
    did(&before, &["limits", "--relay", "off"]);
    before.process.terminate();
    before.process.finish(LONG);
    let relay = Node::up(&host, &["--relay"]);
    let status = relay.host.run(&["status"]);
    let me = &status.lines[0]["me"];
    assert_eq!((&me["relaying"]["on"], &me["holdForOthers"]), (&Value::Bool(true), &Value::Bool(true)));
}

fn says_to(from: &Node, to: &Node, room: &str, text: &str) {
    did(from, &["say", room, text]);
    hears(to, text);
}

fn hears(at: &Node, text: &str) {
    at.process.wait_for(text, LONG, |event| event["message"]["text"] == text);
}

fn arrives(at: &Node, path: &Path) {
    let done = at.process.wait_for("a whole file", LONG, |event| {
        event["event"] == "transfer-finished" && event["transfer"]["state"] == "done"
    });
    assert_eq!(done["transfer"]["via"], "relay");
    let here = at.host.downloads().join(path.file_name().expect("a file"));
    assert_eq!(sha256(path).expect("it is there"), sha256(&here).expect("it is here"));
    assert!(fs::metadata(here).is_ok_and(|file| file.len() == 4 << 20));
}

fn did(at: &Node, words: &[&str]) {
    let done = at.host.run(words);
    assert_eq!(done.code, Some(0), "{words:?}: {}", done.stderr);
}
