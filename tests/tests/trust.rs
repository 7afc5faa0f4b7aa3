//! Whom to believe, between real hosts: by emoji, and in spite of a name; and somebody of whom nothing is wanted.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write as _;
use std::process::{Child, Stdio};

use lanyard_tests::hosts::{Host, Lan};
use lanyard_tests::node::{LONG, Node};
use serde_json::Value;

#[test]
fn two_hosts_verify_each_other_by_emoji_and_a_third_of_the_same_name_is_told_apart() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name), &[]));
    ann.sees("bob");
    bob.sees("ann");
    let at_ann = compare(&ann.host, "@bob", "yes");
    let asks = |event: &Value| event["event"] == "comparison" && event["comparison"]["state"] == "asked";
    bob.process.wait_for("that somebody wants to compare", LONG, asks);
    let at_bob = compare(&bob.host, "@ann", "yes");
    let [at_ann, at_bob] = [at_ann, at_bob].map(ended);
    assert_eq!((at_ann.0, at_bob.0), (Some(0), Some(0)), "{} {}", at_ann.2, at_bob.2);
    let shown = |lines: &[Value]| {
        let shown = lines.iter().find(|line| line["state"] == "shown");
        shown.map(|line| line["emoji"].clone()).expect("emoji are shown")
    };
    assert_eq!(shown(&at_ann.1), shown(&at_bob.1));
    assert_eq!(shown(&at_ann.1).as_array().map(Vec::len), Some(7));
    assert_eq!(trust(&ann, "bob"), ["verified"]);
    assert_eq!(trust(&bob, "ann"), ["verified"]);

    // Who takes that back can compare again at once.
    assert_eq!(ann.host.run(&["verify", "@bob", "--undo"]).code, Some(0));
    let at_ann = compare(&ann.host, "@bob", "yes");
    let at_bob = compare(&bob.host, "@ann", "yes");
    let [at_ann, at_bob] = [at_ann, at_bob].map(ended);
    assert_eq!((at_ann.0, at_bob.0), (Some(0), Some(0)), "{} {}", at_ann.2, at_bob.2);
    assert_eq!(trust(&ann, "bob"), ["verified"]);

    // Somebody else comes by the name of bob.
    let host = lan.host("mallory");
    let mallory = host.spawn(&["up", "--name", "bob"]);
    mallory.wait_for("ready", LONG, |event| event["event"] == "ready");
    let came = |event: &Value| event["peer"]["name"] == "bob" && event["peer"]["trust"] == "changed";
    let came = ann.process.wait_for("another bob", LONG, came);
    let short = came["peer"]["short"].as_str().expect("a short id").to_owned();
    assert_eq!(came["peer"]["alike"].as_array().map(Vec::len), Some(1));
    let other = format!("@{short}");
    assert_eq!(ann.host.run(&["say", "@bob", "psst"]).code, Some(2), "the name alone means nobody");
    let refused = ann.host.run(&["say", &other, "psst"]);
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert!(refused.stderr.contains("has another key"), "{}", refused.stderr);
    assert_eq!(ann.host.run(&["verify", &other, "--apart"]).code, Some(0));
    let said = ann.host.run(&["say", &other, "so you are another bob"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let heard = |event: &Value| event["message"]["text"] == "so you are another bob";
    mallory.wait_for("what was said to it", LONG, heard);
    let known = trust(&ann, "bob");
    assert_eq!(known.len(), 2);
    assert_eq!(known.iter().filter(|trust| *trust == "verified").count(), 1);
    assert!(!known.contains(&"changed".to_owned()), "{known:?}");
}

#[test]
fn emoji_that_a_person_sees_otherwise_verify_nobody() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name), &[]));
    ann.sees("bob");
    bob.sees("ann");
    let at_ann = compare(&ann.host, "@bob", "no");
    let asks = |event: &Value| event["event"] == "comparison" && event["comparison"]["state"] == "asked";
    bob.process.wait_for("that somebody wants to compare", LONG, asks);
    let at_bob = compare(&bob.host, "@ann", "yes");
    let [at_ann, at_bob] = [at_ann, at_bob].map(ended);
    assert_eq!((at_ann.0, at_bob.0), (Some(4), Some(4)), "{} {}", at_ann.2, at_bob.2);
    assert!(at_bob.2.contains("somebody may be in between"), "{}", at_bob.2);
    assert_ne!(trust(&ann, "bob"), ["verified"]);
    assert_ne!(trust(&bob, "ann"), ["verified"]);
}

#[test]
fn digits_are_the_same_on_both_hosts_and_the_link_of_one_verifies_it_at_the_other() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name), &[]));
    ann.sees("bob");
    bob.sees("ann");
    let (at_ann, at_bob) = (ann.host.run(&["verify", "@bob"]), bob.host.run(&["verify", "@ann"]));
    assert_eq!(at_ann.lines[0]["number"], at_bob.lines[0]["number"]);
    let link = |lines: &[Value], which: &str| lines[0][which].as_str().expect("a link").to_owned();
    let wrong = ann.host.run(&["verify", "@bob", "--link", &link(&at_ann.lines, "mine")]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    let right = ann.host.run(&["verify", "@bob", "--link", &link(&at_bob.lines, "mine")]);
    assert_eq!(right.code, Some(0), "{}", right.stderr);
    assert_eq!(bob.host.run(&["verify", "@ann", "--confirm"]).code, Some(0));
    assert_eq!(
        (trust(&ann, "bob"), trust(&bob, "ann")),
        (vec!["verified".to_owned()], vec!["verified".to_owned()])
    );
}

#[test]
fn nothing_of_a_blocked_host_is_shown_until_it_is_blocked_no_longer() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob, cara] = ["ann", "bob", "cara"].map(|name| Node::up(&lan.host(name), &["--accept", "any"]));
    for (node, others) in [(&ann, ["bob", "cara"]), (&bob, ["ann", "cara"]), (&cara, ["ann", "bob"])] {
        others.iter().for_each(|other| node.sees(other));
    }
    let blocked = ann.host.run(&["block", "@bob"]);
    assert_eq!(blocked.code, Some(0), "{}", blocked.stderr);
    assert_eq!(bob.host.run(&["say", "#lobby", "can you hear me?"]).code, Some(0));
    assert_eq!(bob.host.run(&["say", "@ann", "psst"]).code, Some(0));
    let path = bob.host.folder().join("present.zip");
    fs::write(&path, b"surprise").expect("room for a file");
    for to in ["@ann", "#lobby"] {
        assert_eq!(bob.host.run(&["send", to, &path.to_string_lossy()]).code, Some(0));
    }
    cara.process.wait_for("the offer", LONG, |event| event["event"] == "offer");
    assert_eq!(cara.host.run(&["say", "#lobby", "I hear both of you"]).code, Some(0));
    ann.process.wait_for("what cara says", LONG, |event| event["message"]["text"] == "I hear both of you");
    let bob_said = |line: &Value| line["message"]["name"] == "bob" || line["event"] == "offer";
    let told = ann.process.lines();
    assert_eq!(told.iter().filter(|line| bob_said(line)).count(), 0, "{told:?}");
    assert_eq!(texts(&ann), ["I hear both of you"]);
    assert_eq!(ann.host.run(&["offers"]).lines.len(), 0);
    assert_eq!(ann.host.run(&["say", "@bob", "psst"]).code, Some(4));
    assert!(!ann.host.downloads().join("present.zip").exists());

    assert_eq!(ann.host.run(&["unblock", "@bob"]).code, Some(0));
    ann.process.wait_for("what bob had said", LONG, |event| event["message"]["text"] == "psst");
    assert!(texts(&ann).contains(&"can you hear me?".to_owned()), "{:?}", texts(&ann));
}

/// A person who compares emoji in a terminal, and gives this answer when asked.
fn compare(host: &Host, whom: &str, answer: &str) -> Child {
    let mut command = host.lanyard(&["verify", whom, "--emoji"]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    writeln!(stdin, "{answer}").expect("it is read");
    child
}

fn ended(child: Child) -> (Option<i32>, Vec<Value>, String) {
    let output = child.wait_with_output().expect("it ends");
    let lines = String::from_utf8_lossy(&output.stdout);
    let lines = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    (output.status.code(), lines, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// How far those of a name are believed.
fn trust(node: &Node, name: &str) -> Vec<String> {
    let peers = node.host.run(&["peers"]).lines.into_iter().filter(|peer| peer["name"] == name);
    peers.map(|peer| peer["trust"].as_str().expect("a trust").to_owned()).collect()
}

fn texts(node: &Node) -> Vec<String> {
    let log = node.host.run(&["log", "#lobby"]);
    log.lines.iter().filter_map(|line| line["text"].as_str()).map(str::to_owned).collect()
}
