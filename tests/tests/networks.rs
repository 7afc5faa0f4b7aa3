//! Networks as they are: several at a device, that come, go and change under it.
#![cfg(target_os = "linux")]

#[path = "networks/joined.rs"]
mod joined;
#[path = "networks/unsteady.rs"]
mod unsteady;

use lanyard_tests::hosts::{Host, Lan, Leaving};
use lanyard_tests::node::{LONG, Node};
use serde_json::Value;

#[test]
fn over_an_interface_that_a_person_excludes_nothing_goes_at_once_and_after_a_restart() {
    let Some(lan) = Lan::or_skip() else { return };
    lan.second();
    let [at_ann, at_bob, at_eve, at_dan] = ["ann", "bob", "eve", "dan"].map(|name| lan.host(name));
    at_ann.join_beside();
    at_eve.move_beside();
    at_dan.move_beside();
    let [ann, bob, eve] = [&at_ann, &at_bob, &at_eve].map(|host| Node::up(host, &[]));
    for name in ["bob", "eve"] {
        ann.sees(name);
    }
    eve.sees("ann");
    assert_eq!(state(&at_ann, "eth1"), "used");

    let chosen = at_ann.run(&["network", "eth1", "never"]);
    assert_eq!(
        (chosen.code, &chosen.lines[0]["state"]),
        (Some(0), &Value::from("excluded")),
        "{}",
        chosen.stderr
    );
    at_ann.count_beside();
    // Somebody comes there, is heard by whoever is there, and knocks at ann's door.
    let dan = Node::up(&at_dan, &["--peer", &at_ann.address_beside()]);
    dan.sees("eve");
    says(&eve, "is anybody here?");
    hears(&dan, "is anybody here?");
    // On the other side everything goes on.
    says(&ann, "only for bob");
    hears(&bob, "only for bob");
    assert!(!sees_now(&ann, "dan"), "{:?}", ann.process.lines());
    assert_eq!(at_ann.left_beside(), NOTHING);

    ann.process.terminate();
    ann.process.finish(LONG);
    let ann = Node::up(&at_ann, &[]);
    ann.sees("bob");
    says(&ann, "back again");
    hears(&bob, "back again");
    assert_eq!(state(&at_ann, "eth1"), "excluded", "it is kept");
    assert_eq!(at_ann.left_beside(), NOTHING);

    let again = at_ann.run(&["network", "eth1", "auto"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    ann.sees("eve");
    ann.sees("dan");
    assert!(at_ann.left_beside().datagrams > 0);
}

#[test]
fn a_run_for_one_interface_leaves_the_others_alone_whatever_was_chosen() {
    let Some(lan) = Lan::or_skip() else { return };
    lan.second();
    let [at_ann, at_bob] = ["ann", "bob"].map(|name| lan.host(name));
    at_ann.join_beside();
    assert_eq!(at_ann.run(&["network", "eth0", "never"]).code, Some(0));
    let absent = at_ann.run(&["network", "usb0", "always"]);
    assert_eq!(absent.lines[0]["state"], "absent", "{}", absent.stderr);
    at_ann.count_beside();
    let ann = Node::up(&at_ann, &["--interface", "eth0"]);
    let bob = Node::up(&at_bob, &[]);
    ann.sees("bob");
    bob.sees("ann");
    assert_eq!(state(&at_ann, "eth0"), "used");
    assert_eq!(state(&at_ann, "eth1"), "not-named");
    assert_eq!(state(&at_ann, "usb0"), "absent");
    let chosen = at_ann.run(&["network", "eth1", "always"]);
    assert_eq!(chosen.lines[0]["state"], "not-named");
    assert!(chosen.stderr.contains("started with --interface"), "{}", chosen.stderr);
    assert_eq!(at_ann.left_beside(), NOTHING);
    let unknown = at_ann.run(&["network", "eth7"]);
    assert_eq!((unknown.code, unknown.lines.len()), (Some(1), 0));
}

/// How an interface stands, as a person asks for it.
fn state(at: &Host, name: &str) -> String {
    let listed = at.run(&["network", name]);
    let [one] = &listed.lines[..] else { panic!("{name}: {}", listed.stderr) };
    one["state"].as_str().expect("a state").to_owned()
}

fn sees_now(at: &Node, name: &str) -> bool {
    let peers = at.host.run(&["peers"]).lines;
    peers.iter().any(|peer| peer["name"] == name)
}

fn says(at: &Node, text: &str) {
    let said = at.host.run(&["say", "#lobby", text]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
}

fn hears(at: &Node, text: &str) {
    at.process.wait_for(text, LONG, |event| event["message"]["text"] == text);
}

const NOTHING: Leaving = Leaving { datagrams: 0, dials: 0 };
