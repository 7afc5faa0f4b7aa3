//! Networks without IPv4, and two that meet in one device.

use lanyard_tests::files::{sha256, write_random};
use lanyard_tests::hosts::Addresses;

use super::*;

#[test]
fn with_ipv6_alone_and_without_multicast_people_find_each_other_by_an_address_with_its_link() {
    let Some(lan) = Lan::or_skip() else { return };
    lan.cut_multicast();
    let [at_ann, at_bob] = ["ann", "bob"].map(|name| lan.host_with(name, Addresses::OnlyIpv6));
    let ann = Node::up(&at_ann, &[]);
    // Ann is the first host.
    let bob = Node::up(&at_bob, &["--peer", "fe80::1%eth0", "--accept", "any"]);
    ann.sees("bob");
    bob.sees("ann");
    says(&ann, "tea?");
    hears(&bob, "tea?");
    says(&bob, "at four");
    hears(&ann, "at four");
    gives(&ann, "@bob", &bob);
}

#[test]
fn two_networks_are_one_for_people_where_somebody_stands_in_both() {
    let Some(lan) = Lan::or_skip() else { return };
    lan.second();
    let [at_both, at_ann, at_bob] = ["both", "ann", "bob"].map(|name| lan.host(name));
    at_both.join_beside();
    at_bob.move_beside();
    let both = Node::up(&at_both, &[]);
    let [ann, bob] = [&at_ann, &at_bob].map(|host| Node::up(host, &["--accept", "any"]));
    both.sees("ann");
    both.sees("bob");
    ann.sees("both");
    bob.sees("both");
    says(&ann, "tea?");
    hears(&bob, "tea?");
    says(&bob, "at four");
    hears(&ann, "at four");
    assert_eq!(gives(&ann, "#lobby", &bob)["via"], "both");
    // Each is on the other's list by now, and what is meant for one alone gets there, too.
    ann.sees("bob");
    bob.sees("ann");
    let said = at_ann.run(&["say", "@bob", "between us"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    hears(&bob, "between us");
}

/// Offers a file, which arrives; the transfer as it is told there.
fn gives(from: &Node, to: &str, at: &Node) -> Value {
    let path = from.host.folder().join("plan.iso");
    write_random(&path, 2 << 20, 1).expect("room for a file");
    let sent = from.host.run(&["send", to, &path.to_string_lossy()]);
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    let done = at.process.wait_for("a whole file", LONG, |event| {
        event["event"] == "transfer-finished" && event["transfer"]["state"] == "done"
    });
    let here = at.host.downloads().join("plan.iso");
    assert_eq!(sha256(&path).expect("it is there"), sha256(&here).expect("it is here"));
    done["transfer"].clone()
}
