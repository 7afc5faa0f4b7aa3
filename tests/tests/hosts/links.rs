//! One host is joined by address, and no multicast and no broadcast passes between it and the others.

use super::*;

/// Waits until a message is known to be with so many.
#[track_caller]
fn knows_it_delivered(node: &Node, to: usize) {
    node.process.wait_for("word of all", DELIVERED, |event| {
        event["event"] == "delivered"
            && event["delivered"]["to"].as_array().is_some_and(|there| there.len() == to)
    });
}

#[test]
fn whoever_is_joined_by_address_is_there_for_those_too_who_have_no_link_to_it() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob, cyd] = ["ann", "bob", "cyd"].map(|name| Node::up(&lan.host(name)));
    bob.sees("cyd");
    let xen = lan.host("xen");
    xen.mute();
    let xen = Node::up_with(&xen, &["--peer", &ann.host.address()]);
    for node in [&ann, &bob, &cyd] {
        node.sees("xen");
        xen.sees(node.host.name());
    }
    bob.does(&["say", "#lobby", "does Xen read this?"]);
    xen.hears("bob", "does Xen read this?");
    knows_it_delivered(&bob, 3);
    xen.does(&["say", "#lobby", "and do you all?"]);
    cyd.hears("xen", "and do you all?");
    knows_it_delivered(&xen, 3);
    let carried = lan.datagrams()[&CARRY];
    assert!(carried.frames > 0, "what reached them was carried");
    cyd.leave();
    xen.process.wait_for("goodbye", AT_ONCE, |event| is_peer(event, "peer-offline", "cyd"));
    let ended = xen.leave();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for node in [&ann, &bob] {
        node.process.wait_for("goodbye", AT_ONCE, |event| is_peer(event, "peer-offline", "xen"));
    }
}

#[test]
fn where_multicast_is_eaten_and_nobody_names_an_address_people_read_each_other_all_the_same() {
    let Some(lan) = Lan::or_skip() else { return };
    lan.eat_multicast();
    let [ann, bob, cyd] = ["ann", "bob", "cyd"].map(|name| {
        let host = lan.host(name);
        host.take_broadcast();
        Node::up(&host)
    });
    for (one, other) in [(&ann, "bob"), (&bob, "cyd"), (&cyd, "ann")] {
        one.sees(other);
    }
    ann.does(&["say", "#lobby", "is anybody there?"]);
    bob.hears("ann", "is anybody there?");
    cyd.hears("ann", "is anybody there?");
    cyd.does(&["say", "@bob", "only you"]);
    bob.hears("cyd", "only you");
    knows_it_delivered(&cyd, 1);
}

/// Everybody says what they hold every few seconds.
const DELIVERED: Duration = Duration::from_secs(15);

const CARRY: u8 = 3;
