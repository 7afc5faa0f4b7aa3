//! The network brings announcements by broadcast and eats multicast, of all or of some, and nobody named an address: people
//! talk all the same.

use lanyard_tests::sim::{Air, Drops, Lan, Who};

use super::SECOND;

const OUT: Drops = Drops { out: true, into: false, broadcast: false };
const INTO: Drops = Drops { out: false, into: true, broadcast: false };
const BOTH: Drops = Drops { out: true, into: true, broadcast: false };

fn eating() -> Air {
    Air { eats_multicast: true, ..Air::default() }
}

fn all_read(lan: &Lan, people: &[Who], line: &str) -> bool {
    people.iter().all(|who| lan.chat(*who).contains(line))
}

#[test]
fn where_multicast_is_eaten_everybody_reads_everybody_at_once() {
    for seed in 0..20 {
        let mut lan = Lan::seeded(seed).over(eating());
        let people = lan.join(["ann", "bob", "cyd"]);
        lan.run_for(30 * SECOND);
        for (n, who) in people.into_iter().enumerate() {
            let line = format!("word {n}");
            lan.say(who, &line);
            lan.run_until(SECOND / 2, |lan| all_read(lan, &people, &line));
        }
        lan.run_for(20 * SECOND);
        assert_eq!(lan.connections(), 6, "three links, and no pair has two");
    }
}

#[test]
fn whoever_says_something_before_the_links_stand_is_read_within_seconds() {
    for seed in 0..20 {
        let mut lan = Lan::seeded(seed).over(eating());
        let people = lan.join(["ann", "bob"]);
        lan.run_until(5 * SECOND, |lan| lan.sees(people[0], people[1]) && lan.sees(people[1], people[0]));
        lan.say(people[0], "is anybody there?");
        lan.run_until(15 * SECOND, |lan| all_read(lan, &people, "is anybody there?"));
    }
}

#[test]
fn in_a_crowd_whose_multicast_is_eaten_few_links_reach_everybody() {
    let mut lan = Lan::seeded(5).over(eating());
    let people: Vec<Who> = (0..60).map(|n| lan.join_one(&format!("p{n}"), 0)).collect();
    lan.run_for(60 * SECOND);
    for (n, who) in people.iter().enumerate().step_by(7) {
        let line = format!("word {n}.");
        lan.say(*who, &line);
        lan.run_until(SECOND, |lan| all_read(lan, &people, &line));
    }
    lan.run_for(20 * SECOND);
    lan.run_for(300 * SECOND);
    let ends = lan.connections();
    assert!((120..=700).contains(&ends), "{ends} ends of connections");
}

#[test]
fn whom_multicast_reaches_in_one_direction_only_or_not_at_all_is_reached_and_heard() {
    for (seed, drops) in [OUT, INTO, BOTH].into_iter().enumerate() {
        let mut lan = Lan::seeded(seed as u64);
        let people = lan.join(["ann", "bob", "cyd", "dan"]);
        lan.run_for(10 * SECOND);
        let xen = lan.join_one("xen", 0);
        lan.drop_of(xen, drops);
        let all = [&people[..], &[xen]].concat();
        lan.run_for(240 * SECOND);
        lan.say(xen, "do you read me?");
        lan.run_until(2 * SECOND, |lan| all_read(lan, &all, "do you read me?"));
        lan.say(people[1], "every word");
        lan.run_until(2 * SECOND, |lan| all_read(lan, &all, "every word"));
        let room = lan.converse(people[2], xen);
        lan.say_in(people[2], room, "between us");
        lan.run_until(10 * SECOND, |lan| lan.chat_in(xen, room) == "cyd: between us\n");
        lan.say_in(xen, room, "and back");
        lan.run_until(10 * SECOND, |lan| lan.chat_in(people[2], room).contains("xen: and back"));
        let ends = lan.connections();
        assert!(ends <= 12, "{drops:?}: {ends} ends: not everybody dials");
    }
}

#[test]
fn once_multicast_comes_back_the_links_end() {
    let mut lan = Lan::seeded(7).over(eating());
    let people = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(60 * SECOND);
    assert!(lan.connections() > 0);
    lan.air().eats_multicast = false;
    lan.run_for(600 * SECOND);
    assert_eq!(lan.connections(), 0);
    lan.say(people[0], "by multicast again");
    lan.run_until(SECOND, |lan| all_read(lan, &people, "by multicast again"));
}

#[test]
fn what_is_eaten_after_a_while_is_noticed() {
    let mut lan = Lan::seeded(8);
    let people = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(600 * SECOND);
    assert_eq!(lan.connections(), 0);
    lan.air().eats_multicast = true;
    lan.run_for(180 * SECOND);
    lan.say(people[2], "still here");
    lan.run_until(SECOND, |lan| all_read(lan, &people, "still here"));
}

#[test]
fn where_multicast_comes_nobody_links_to_anybody() {
    for seed in 0..8 {
        for count in [2, 3, 5, 20] {
            let mut lan = Lan::seeded(seed).loss_percent(if seed % 2 == 0 { 0 } else { 10 });
            let people: Vec<Who> = (0..count).map(|n| lan.join_one(&format!("p{n}"), 0)).collect();
            lan.run_for(20 * SECOND);
            let dials = lan.dials;
            for turn in 0..20 {
                lan.say(people[turn % count], "hello");
                lan.run_for(30 * SECOND);
            }
            assert_eq!(lan.dials, dials, "seed {seed}, {count} people");
        }
    }
}

#[test]
fn in_a_crowd_that_loses_much_hardly_anybody_is_taken_to_be_cut_off() {
    let mut lan = Lan::seeded(4).loss_percent(15);
    let people: Vec<Who> = (0..80).map(|n| lan.join_one(&format!("p{n}"), 0)).collect();
    lan.run_for(120 * SECOND);
    let dials = lan.dials;
    lan.run_for(1200 * SECOND);
    lan.say(people[3], "hello");
    lan.run_for(30 * SECOND);
    assert!(lan.dials - dials <= 20, "{} dials in twenty minutes", lan.dials - dials);
}

#[test]
fn of_many_who_miss_one_few_connect_to_it() {
    let mut lan = Lan::seeded(9);
    let people: Vec<Who> = (0..30).map(|n| lan.join_one(&format!("p{n}"), 0)).collect();
    lan.run_for(600 * SECOND);
    let dials = lan.dials;
    lan.drop_of(people[0], OUT);
    lan.run_for(600 * SECOND);
    lan.say(people[0], "do you read me?");
    lan.run_until(3 * SECOND, |lan| all_read(lan, &people, "do you read me?"));
    lan.run_for(150 * SECOND);
    assert!(lan.connections() <= 10, "{} ends", lan.connections());
    assert!(lan.dials - dials <= 20, "{} dials", lan.dials - dials);
}

#[test]
fn whoever_cannot_be_dialled_takes_nobodys_place_in_a_crowd() {
    let mut lan = Lan::seeded(11).over(eating());
    let people: Vec<Who> = (0..24).map(|n| lan.join_one(&format!("p{n}"), 0)).collect();
    let (open, firewalled) = people.split_at(12);
    firewalled.iter().for_each(|who| lan.close_tcp(*who));
    lan.run_for(240 * SECOND);
    lan.say(open[0], "who is there?");
    lan.run_until(2 * SECOND, |lan| all_read(lan, &people, "who is there?"));
}

#[test]
fn whoever_left_a_room_long_ago_or_blocked_somebody_makes_nobody_dial_for_ever() {
    let mut lan = Lan::seeded(12);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(30 * SECOND);
    let room = lan.join_room(ann, "tea");
    lan.join_room(bob, "tea");
    lan.say_in(bob, room, "first");
    lan.run_for(30 * SECOND);
    lan.command(bob, |node, now| node.leave(room, now).expect("can leave"));
    lan.run_for(60 * SECOND);
    let dials = lan.dials;
    for _ in 0..20 {
        lan.say_in(ann, room, "anybody?");
        lan.run_for(60 * SECOND);
    }
    assert!(lan.dials - dials <= 4, "{} dials", lan.dials - dials);
    assert!(lan.connections() <= 4);
    let _ = cyd;
}
