//! Stories about finding people and rooms on a network by asking somebody who was there before.

use std::time::Duration;

use lanyard_tests::sim::{Lan, Who};

const SECOND: Duration = Duration::from_secs(1);

fn knows(lan: &Lan, who: Who) -> Vec<String> {
    lan.node(who).directory().into_iter().map(|room| room.name).collect()
}

#[test]
fn who_comes_learns_which_open_rooms_there_are() {
    let mut lan = Lan::seeded(1);
    let [ann, bob] = lan.join(["ann", "bob"]);
    let design = lan.join_room(ann, "design");
    lan.join_room(bob, "kitchen");
    lan.say_in(ann, design, "new logo");
    lan.converse(ann, bob);
    lan.run_for(60 * SECOND);
    let [cyd] = lan.join(["cyd"]);
    lan.run_until(60 * SECOND, |lan| knows(lan, cyd) == ["design", "kitchen"]);
    let listed = lan.node(cyd).directory();
    assert!(listed.iter().all(|room| !room.joined && room.members >= 1));
    assert!(listed[0].active.0 > 0, "somebody wrote there");
    // Both are gone: Cyd still passes on what he heard, and everybody forgets it after a day.
    for gone in [ann, bob] {
        lan.quit(gone);
    }
    let [dan] = lan.join(["dan"]);
    lan.run_until(60 * SECOND, |lan| knows(lan, dan) == ["design", "kitchen"]);
    lan.run_for(Duration::from_secs(25 * 3600));
    assert_eq!((knows(&lan, cyd), knows(&lan, dan)), (vec![], vec![]));
}

#[test]
fn a_directory_that_does_not_change_is_not_fetched_again() {
    let mut lan = Lan::seeded(2);
    let people = lan.join(["ann", "bob", "cyd", "dan", "eve"]);
    lan.join_room(people[0], "design");
    lan.run_until(120 * SECOND, |lan| people.iter().all(|who| knows(lan, *who) == ["design"]));
    lan.run_for(300 * SECOND);
    let dials = lan.dials;
    lan.run_for(3600 * SECOND);
    assert_eq!(lan.dials - dials, 0);
    assert_eq!(lan.connections(), 0);
}

#[test]
fn who_hears_only_few_is_told_of_the_others() {
    let mut lan = Lan::seeded(3);
    let people: Vec<Who> = (0..40).map(|n| lan.join_one(&format!("p{n}"), 0)).collect();
    lan.run_for(120 * SECOND);
    // The newcomer hears nobody by multicast but knows one by address.
    let late = lan.join_one("late", 0);
    lan.deafen(late);
    lan.link(late, people[0]);
    lan.run_until(30 * SECOND, |lan| people.iter().all(|who| lan.sees(late, *who)));
}

#[test]
fn a_crowd_that_starts_at_once_does_not_ask_all_at_once() {
    let mut lan = Lan::seeded(4);
    let people: Vec<Who> = (0..120).map(|n| lan.join_one(&format!("p{n}"), 0)).collect();
    lan.join_room(people[7], "design");
    lan.run_until(300 * SECOND, |lan| people.iter().all(|who| knows(lan, *who) == ["design"]));
    assert!(lan.dials < 3 * 120, "{} dials", lan.dials);
}

#[test]
fn whoever_writes_and_is_kept_apart_is_seen_by_way_of_who_hears_both() {
    for seed in 0..5 {
        let mut lan = Lan::seeded(seed);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        lan.hush(ann, bob);
        lan.hush(bob, ann);
        lan.run_until(10 * SECOND, |lan| lan.sees(ann, cyd) && lan.sees(bob, cyd));
        assert!(!lan.sees(bob, ann), "one more than he sees is no reason to ask");
        lan.say(ann, "tea?");
        lan.run_until(10 * SECOND, |lan| lan.sees(bob, ann));
    }
}
