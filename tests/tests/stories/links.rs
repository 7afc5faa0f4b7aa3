//! Xen is joined to Ann by address; what Xen multicasts, or what comes to Xen so, is dropped. Ann says for Xen what the
//! others would not hear.

use std::time::Duration;

use lanyard_proto::model::{PeerId, RoomId};
use lanyard_proto::wire::datagram::{Carry, Envelope, MAX_DATAGRAM, NetworkTag, Unverified, kind};
use lanyard_tests::sim::{Drops, Heard, Lan, Who};

use super::SECOND;

const BOTH: Drops = Drops { out: true, into: true, broadcast: true };

/// In one direction or both, with broadcast or without.
const WAYS: [Drops; 5] = [
    BOTH,
    Drops { into: false, ..BOTH },
    Drops { out: false, ..BOTH },
    Drops { broadcast: false, ..BOTH },
    Drops { into: false, broadcast: false, ..BOTH },
];

/// Ann, Bob and Cyd are here; Xen comes, and has a link to Ann.
fn with_xen(seed: u64, drops: Drops) -> (Lan, [Who; 4]) {
    let mut lan = Lan::seeded(seed);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(10 * SECOND);
    let xen = lan.join_one("xen", 0);
    lan.drop_of(xen, drops);
    lan.link(xen, ann);
    (lan, [ann, bob, cyd, xen])
}

/// Who has said to hold the last message of somebody in a room.
fn holders(lan: &Lan, who: Who, room: RoomId) -> Vec<PeerId> {
    let entries = lan.entries_in(who, room);
    let own = entries.iter().rfind(|entry| entry.header.author == lan.id(who)).expect("something was said");
    lan.node(who).room(room).expect("is in it").holders(own).expect("is its own")
}

fn hold(lan: &Lan, who: Who, room: RoomId, others: &[Who]) -> bool {
    let holders = holders(lan, who, room);
    others.iter().all(|other| holders.contains(&lan.id(*other)))
}

fn carried(lan: &Lan) -> u64 {
    lan.spent.of(kind::CARRY..=kind::CARRY).0
}

/// What is in the carries that somebody heard, and its envelopes.
fn carried_datagrams(tape: &[Heard]) -> Vec<(Envelope, Vec<u8>)> {
    let network = NetworkTag::of("default");
    let multicast = tape.iter().filter(|heard| heard.to.is_none());
    let carries = multicast.filter(|heard| {
        Unverified::decode(&heard.bytes, network).expect("is one of ours").envelope().kind == kind::CARRY
    });
    let inner = carries.map(|heard| {
        let carry = Carry::decode(&heard.bytes[60..heard.bytes.len() - 64]).expect("is a carry");
        let envelope = *Unverified::decode(&carry.datagram, network).expect("is one of ours").envelope();
        (envelope, carry.datagram)
    });
    inner.collect()
}

#[test]
fn whoever_is_joined_by_address_is_seen_by_everybody_and_sees_everybody_for_good() {
    for (seed, drops) in WAYS.into_iter().enumerate() {
        let (mut lan, people) = with_xen(seed as u64, drops);
        let xen = people[3];
        let others = &people[..3];
        lan.run_until(5 * SECOND, |lan| others.iter().all(|who| lan.sees(*who, xen) && lan.sees(xen, *who)));
        for _ in 0..300 {
            lan.run_for(SECOND);
            for who in others {
                assert!(lan.sees(*who, xen) && lan.sees(xen, *who), "{drops:?}: {:?}", lan.seen(*who));
            }
        }
    }
}

#[test]
fn whoever_says_goodbye_over_a_link_is_gone_everywhere_at_once() {
    for (seed, drops) in WAYS.into_iter().enumerate() {
        let (mut lan, [ann, bob, cyd, xen]) = with_xen(seed as u64, drops);
        lan.run_for(60 * SECOND);
        assert!(lan.sees(bob, xen) && lan.sees(xen, cyd), "{drops:?}");
        lan.quit(cyd);
        lan.run_for(Duration::from_millis(20));
        assert!(!lan.sees(xen, cyd), "{drops:?}: of the others Xen hears it, too");
        lan.quit(xen);
        lan.run_for(Duration::from_millis(300));
        assert!(!lan.sees(ann, xen) && !lan.sees(bob, xen), "{drops:?}");
        lan.run_for(60 * SECOND);
        assert!(!lan.sees(ann, xen) && !lan.sees(bob, xen), "nothing brings Xen back");
    }
}

#[test]
fn whoever_is_killed_behind_a_link_is_gone_after_the_lease() {
    let (mut lan, [ann, bob, _, xen]) = with_xen(1, BOTH);
    lan.run_for(60 * SECOND);
    lan.kill(xen);
    lan.run_for(20 * SECOND);
    assert!(lan.sees(ann, xen) && lan.sees(bob, xen));
    lan.run_for(40 * SECOND);
    assert!(!lan.sees(ann, xen) && !lan.sees(bob, xen));
}

#[test]
fn what_is_said_in_the_lobby_is_soon_known_to_be_delivered_on_both_sides_of_a_link() {
    for (seed, drops) in WAYS.into_iter().enumerate() {
        let (mut lan, [ann, bob, cyd, xen]) = with_xen(seed as u64, drops);
        lan.run_for(30 * SECOND);
        let lobby = lan.lobby();
        lan.say(bob, "does Xen read this?");
        let there = lan.run_until(10 * SECOND, |lan| hold(lan, bob, lobby, &[ann, cyd, xen]));
        lan.run_for(30 * SECOND);
        lan.say(xen, "and do you all read this?");
        let back = lan.run_until(10 * SECOND, |lan| hold(lan, xen, lobby, &[ann, bob, cyd]));
        println!("{drops:?}: {there:?} from Bob, {back:?} from Xen");
    }
}

#[test]
fn what_two_say_alone_over_no_link_is_soon_there_and_known_to_be() {
    for (seed, drops) in WAYS.into_iter().enumerate() {
        let (mut lan, [_, bob, _, xen]) = with_xen(seed as u64, drops);
        lan.run_for(30 * SECOND);
        let room = lan.converse(bob, xen);
        lan.say_in(bob, room, "between us");
        let there = lan.run_until(20 * SECOND, |lan| hold(lan, bob, room, &[xen]));
        lan.run_for(30 * SECOND);
        lan.say_in(xen, room, "and back");
        let back = lan.run_until(20 * SECOND, |lan| hold(lan, xen, room, &[bob]));
        println!("{drops:?}: {there:?} from Bob, {back:?} from Xen");
    }
}

#[test]
fn two_who_are_joined_to_the_same_device_know_what_the_other_one_holds() {
    let mut lan = Lan::seeded(3);
    let [ann, bob, xen, yul] = lan.join(["ann", "bob", "xen", "yul"]);
    for who in [xen, yul] {
        lan.deafen(who);
        lan.link(who, ann);
    }
    lan.run_for(30 * SECOND);
    let lobby = lan.lobby();
    lan.say(xen, "who reads this?");
    lan.run_until(10 * SECOND, |lan| hold(lan, xen, lobby, &[ann, bob, yul]));
    lan.quit(yul);
    lan.run_for(Duration::from_millis(20));
    assert!(!lan.sees(xen, yul));
}

#[test]
fn where_all_hear_each_other_a_link_costs_the_group_nothing() {
    let mut lan = Lan::seeded(4);
    let [ann, _, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.link(cyd, ann);
    lan.tape = Some(Vec::new());
    lan.run_for(120 * SECOND);
    lan.say(cyd, "hello");
    lan.run_for(300 * SECOND);
    assert_eq!(carried(&lan), 0);
    let passed = lan.tape.take().unwrap().into_iter().filter(|heard| heard.to.is_some());
    assert_eq!(passed.filter(|heard| heard.bytes[0] == PASSED).count(), 0);
}

#[test]
fn where_nobody_hears_anybody_nothing_is_carried() {
    let mut lan = Lan::seeded(5);
    let people = lan.join(["ann", "bob", "cyd", "dan"]);
    for who in people {
        lan.deafen(who);
    }
    for who in &people[1..] {
        lan.link(*who, people[0]);
    }
    lan.run_for(120 * SECOND);
    let lobby = lan.lobby();
    lan.say(people[1], "hello");
    lan.run_until(15 * SECOND, |lan| hold(lan, people[1], lobby, &[people[0], people[2], people[3]]));
    lan.run_for(60 * SECOND);
    assert_eq!(carried(&lan), 0);
}

#[test]
fn a_direct_message_to_whom_multicast_does_not_reach_comes_within_moments() {
    for seed in 0..4 {
        let (mut lan, [_, bob, _, xen]) = with_xen(seed, BOTH);
        lan.run_for(60 * SECOND);
        let room = lan.converse(bob, xen);
        for (text, limit) in [("tea?", 1600), ("now?", 300)] {
            lan.say_to(bob, xen, text);
            lan.run_until(Duration::from_millis(limit), |lan| {
                lan.chat_in(xen, room).ends_with(&format!("{text}\n"))
            });
            lan.run_for(20 * SECOND);
        }
        lan.say_to(xen, bob, "yes");
        lan.run_until(Duration::from_millis(300), |lan| lan.chat_in(bob, room).ends_with("yes\n"));
    }
}

#[test]
fn of_several_with_a_link_one_speaks_and_nothing_goes_rounds() {
    let mut lan = Lan::seeded(6);
    let [ann, bob, cyd, dan, eve, xen] = lan.join(["ann", "bob", "cyd", "dan", "eve", "xen"]);
    lan.deafen(xen);
    for who in [ann, bob, cyd, dan] {
        lan.link(xen, who);
    }
    // Rounds would go this way.
    lan.link(ann, bob);
    lan.link(bob, cyd);
    lan.run_for(60 * SECOND);
    lan.tape = Some(Vec::new());
    lan.run_for(600 * SECOND);
    assert!(lan.sees(eve, xen));
    let carried = carried_datagrams(&lan.tape.take().unwrap());
    let of_xen = carried.iter().all(|(inner, _)| inner.sender == lan.id(xen));
    assert!(of_xen, "nothing but what came over a link from its sender");
    let mut said: Vec<Vec<u8>> = carried.into_iter().map(|(_, datagram)| datagram).collect();
    let all = said.len();
    said.sort();
    said.dedup();
    // Sixty announcements, and heads about every half minute.
    assert!((60..110).contains(&said.len()), "{} different ones", said.len());
    // Each of the four says every second one.
    println!("{all} of {} different ones", said.len());
    assert!(all < 3 * said.len(), "{all} of {} different ones", said.len());
}

#[test]
fn of_two_with_a_link_each_speaks_for_those_who_hear_no_other() {
    for seed in 0..4 {
        let mut lan = Lan::seeded(seed);
        let [ann, bob, cyd, dan, xen] = lan.join(["ann", "bob", "cyd", "dan", "xen"]);
        lan.deafen(xen);
        lan.hush(ann, cyd);
        lan.hush(bob, dan);
        lan.link(xen, ann);
        lan.link(xen, bob);
        lan.run_for(60 * SECOND);
        for _ in 0..900 {
            lan.run_for(SECOND);
            assert!(lan.sees(cyd, xen), "seed {seed}: {:?}", lan.seen(cyd));
            assert!(lan.sees(dan, xen), "seed {seed}: {:?}", lan.seen(dan));
        }
    }
}

#[test]
fn where_a_link_joins_two_networks_nobody_asks_for_ever_who_is_on_the_other_one() {
    let mut lan = Lan::seeded(9);
    let here = lan.join(["ann", "bob", "cyd"]);
    let there = lan.join(["xen", "yul", "zoe"]);
    for (one, other) in here.into_iter().flat_map(|one| there.map(|other| (one, other))) {
        lan.hush(one, other);
        lan.hush(other, one);
    }
    lan.link(there[0], here[0]);
    lan.run_for(60 * SECOND);
    assert!(lan.sees(here[1], there[0]) && lan.sees(there[1], here[0]));
    lan.run_for(3600 * SECOND);
    lan.tape = Some(Vec::new());
    lan.run_for(3600 * SECOND);
    let tape = lan.tape.take().unwrap();
    let looks = tape.iter().filter(|heard| heard.to.is_some() && heard.bytes[0] == LOOK).count();
    // What is asked in vain is asked every half hour at last, by each of four; whoever once missed somebody begins anew.
    println!("{looks} looks in an hour");
    assert!(looks <= 4 * 5, "{looks} looks in an hour");
}

#[test]
fn heads_of_many_logs_still_fit_a_carry() {
    let mut lan = Lan::seeded(7);
    let many: Vec<Who> = (0..60).map(|n| lan.join_one(&format!("p{n}"), 0)).collect();
    lan.run_for(30 * SECOND);
    for (n, who) in many.iter().enumerate() {
        lan.say(*who, &format!("{n}"));
    }
    lan.run_for(30 * SECOND);
    let xen = lan.join_one("xen", 0);
    lan.deafen(xen);
    lan.link(xen, many[0]);
    lan.run_for(60 * SECOND);
    lan.tape = Some(Vec::new());
    let lobby = lan.lobby();
    lan.say(many[1], "does Xen read this?");
    lan.run_until(30 * SECOND, |lan| hold(lan, many[1], lobby, &[xen]));
    let tape = lan.tape.take().unwrap();
    let of_xen = carried_datagrams(&tape).into_iter().map(|(inner, _)| inner);
    let heads = of_xen.filter(|inner| inner.sender == lan.id(xen) && inner.kind == kind::HEADS).count();
    assert!(heads > 0, "Xen's heads are among what is carried");
    let longest = tape.iter().filter(|heard| heard.to.is_none()).map(|heard| heard.bytes.len()).max();
    assert!(longest.is_some_and(|longest| longest <= MAX_DATAGRAM));
}

#[test]
fn an_idle_guest_costs_the_group_some_tens_of_bytes_a_second() {
    let (mut lan, people) = with_xen(8, BOTH);
    lan.run_for(60 * SECOND);
    lan.say(people[1], "hello");
    lan.run_for(60 * SECOND);
    let (before, streamed) = (lan.spent.of(kind::CARRY..=kind::CARRY), lan.spent.streamed);
    lan.run_for(3600 * SECOND);
    let (datagrams, bytes) = lan.spent.of(kind::CARRY..=kind::CARRY);
    let (datagrams, bytes) = (datagrams - before.0, (bytes - before.1) / 3600);
    println!(
        "{datagrams} datagrams an hour, {bytes} B/s; {} B/s over the link",
        (lan.spent.streamed - streamed) / 3600
    );
    assert!((360..600).contains(&datagrams) && bytes < 80, "{datagrams} datagrams an hour, {bytes} B/s");
}

/// The type of the frame that asks who is here.
const LOOK: u8 = 8;
/// The type of the frame that takes what multicast does not.
const PASSED: u8 = 11;
