//! Somebody is written to while they are away, and others keep it.

use super::*;

/// Entries that a node keeps for others.
fn keeps(node: &Node) -> u64 {
    node.does(&["status"]).lines[0]["mailbox"]["entries"].as_u64().expect("a number")
}

fn is_kept(event: &Value) -> bool {
    event["event"] == "kept" && event["delivered"]["keptBy"].as_array().is_some_and(|by| by.len() == 1)
}

fn keeps_nothing(event: &Value) -> bool {
    event["event"] == "mailbox-changed" && event["mailbox"]["entries"] == 0
}

#[test]
fn what_ann_wrote_to_bob_who_was_away_he_reads_from_cyd_after_ann_left_and_cyd_was_killed() {
    let Some(lan) = Lan::or_skip() else { return };
    let hosts = ["ann", "bob", "cyd"].map(|name| lan.host(name));
    let [ann, bob, cyd] = [0, 1, 2].map(|n| Node::up(&hosts[n]));
    for name in ["bob", "cyd"] {
        ann.sees(name);
    }
    cyd.sees("bob");
    bob.leave();
    ann.process.wait_for("goodbye", AT_ONCE, |event| is_peer(event, "peer-offline", "bob"));
    ann.does(&["say", "@bob", "the key is under the mat"]);
    ann.process.wait_for("word of cyd", SOON, is_kept);
    let log = ann.does(&["log", "@bob"]);
    let delivered = &log.lines[0]["delivered"];
    assert_eq!(delivered["to"].as_array().map(Vec::len), Some(0), "kept is not delivered");
    assert_eq!(delivered["keptBy"].as_array().map(Vec::len), Some(1));
    assert_eq!(keeps(&cyd), 1);
    ann.leave();
    // What it said to keep, it has on disk.
    cyd.process.kill();
    let cyd = Node::up(&hosts[2]);
    assert_eq!(keeps(&cyd), 1);
    let bob = Node::up(&hosts[1]);
    bob.hears("ann", "the key is under the mat");
    cyd.process.wait_for("word of bob", SOON, keeps_nothing);
    // The two do not meet: bob's signature comes to ann by way of cyd.
    bob.leave();
    let ann = Node::up(&hosts[0]);
    ann.process.wait_for("receipt", EVENTUALLY, |event| {
        event["event"] == "delivered" && event["delivered"]["to"].as_array().is_some_and(|to| to.len() == 1)
    });
}

#[test]
fn a_verb_without_a_node_stays_until_others_keep_what_it_says() {
    let Some(lan) = Lan::or_skip() else { return };
    let hosts = ["ann", "bob", "cyd"].map(|name| lan.host(name));
    let [ann, bob, cyd] = [0, 1, 2].map(|n| Node::up(&hosts[n]));
    ann.sees("bob");
    cyd.sees("bob");
    bob.leave();
    ann.leave();
    let said = hosts[0].run(&["say", "@bob", "in passing"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stderr.contains("not delivered yet"), "{}", said.stderr);
    assert_eq!(said.lines[0]["delivered"]["keptBy"].as_array().map(Vec::len), Some(1));
    assert_eq!(keeps(&cyd), 1);
    let bob = Node::up(&hosts[1]);
    bob.hears("ann", "in passing");
}
