//! Stories about long conversations: who comes late, who was away for long, who forgets, and who has what.

use std::time::Duration;

use lanyard_proto::model::Seq;
use lanyard_tests::sim::{Lan, Who};

const SECOND: Duration = Duration::from_secs(1);

/// Somebody says much while nobody is there to hear it.
fn says_alone(lan: &mut Lan, who: Who, count: usize) {
    lan.cut_off(who);
    for n in 0..count {
        lan.say(who, &format!("{n}"));
    }
    lan.run_for(60 * SECOND);
    lan.reconnect(who);
}

fn count(lan: &Lan, who: Who) -> usize {
    lan.entries_in(who, lan.lobby()).len()
}

/// The places of an author's log in the lobby that somebody has, as (first, last) of each stretch.
fn stretches(lan: &Lan, who: Who, author: Who) -> Vec<(u64, u64)> {
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for entry in lan.entries_in(who, lan.lobby()).iter().filter(|e| e.header.author == lan.id(author)) {
        let seq = entry.header.seq.0;
        match stretches.last_mut().filter(|(_, last)| last + 1 == seq) {
            Some((_, last)) => *last = seq,
            None => stretches.push((seq, seq)),
        }
    }
    stretches
}

fn holders(lan: &Lan, author: Who, seq: u64) -> Vec<lanyard_proto::model::PeerId> {
    let room = lan.node(author).room(lan.lobby()).expect("it is in the lobby");
    room.holders_of(room.own_log(), Seq(seq))
}

#[test]
fn a_latecomer_reads_the_newest_at_once_and_the_rest_soon() {
    let mut lan = Lan::seeded(1).latency_ms(5..8);
    let [ann, bob] = lan.join(["ann", "bob"]);
    says_alone(&mut lan, ann, 5000);
    lan.run_until(60 * SECOND, |lan| count(lan, bob) == 5000);
    let [cyd] = lan.join(["cyd"]);
    lan.run_until(2 * SECOND, |lan| count(lan, cyd) > 0);
    let [(first, 5000)] = stretches(&lan, cyd, ann)[..] else { panic!("the newest come first") };
    assert!(first > 3000, "and only they: from {first} on");
    lan.say(ann, "welcome");
    lan.run_until(10 * SECOND, |lan| count(lan, cyd) == 5001);
    assert_eq!(lan.chat(cyd), lan.chat(ann));
    lan.run_for(10 * SECOND);
    assert_eq!(lan.connections(), 0);
}

#[test]
fn who_has_only_the_newest_is_named_for_nothing_older() {
    let mut lan = Lan::seeded(2);
    let [ann] = lan.join(["ann"]);
    says_alone(&mut lan, ann, 3000);
    let [cyd] = lan.join(["cyd"]);
    let mut partly = 0;
    lan.run_until(60 * SECOND, |lan| {
        let has = stretches(lan, cyd, ann);
        for seq in [1, 500, 1500, 2500, 2900, 3000] {
            let has = has.iter().any(|(first, last)| (*first..=*last).contains(&seq));
            assert!(has || holders(lan, ann, seq).is_empty(), "cyd is named for {seq}");
        }
        partly += usize::from(!has.is_empty() && has[0].0 > 1);
        count(lan, cyd) == 3000 && holders(lan, ann, 1) == [lan.id(cyd)]
    });
    assert!(partly > 0, "there was a time when cyd had a part");
    assert_eq!(holders(&lan, ann, 3000), [lan.id(cyd)]);
}

#[test]
fn who_comes_back_after_long_and_is_cut_off_again_fills_every_hole_in_the_end() {
    for seed in 0..6 {
        let mut lan = Lan::seeded(seed).loss_percent(10).latency_ms(1..10);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        lan.say(ann, "hello");
        lan.run_for(10 * SECOND);
        for round in 1..=3 {
            lan.cut_off(cyd);
            for n in 0..700 {
                lan.say(ann, &format!("{round} {n}"));
                if n % 10 == 0 {
                    lan.run_for(Duration::from_millis(50));
                }
            }
            lan.run_for(30 * SECOND);
            lan.reconnect(cyd);
            // Cut off again as soon as the newest are there.
            let had = count(&lan, cyd);
            lan.run_until(30 * SECOND, |lan| count(lan, cyd) > had);
        }
        lan.kill(cyd);
        lan.start(cyd);
        lan.say(bob, "welcome back");
        lan.run_until(120 * SECOND, |lan| count(lan, cyd) == 2102);
        assert_eq!(lan.chat(cyd), lan.chat(ann), "seed {seed}");
    }
}

#[test]
fn history_is_had_from_whoever_has_it_though_the_first_who_was_asked_has_only_a_part() {
    let mut lan = Lan::seeded(4).latency_ms(20..30);
    let [ann, bob] = lan.join(["ann", "bob"]);
    says_alone(&mut lan, ann, 3000);
    lan.run_until(30 * SECOND, |lan| count(lan, bob) > 0);
    // Bob has the newest when Ann goes, with whom the rest goes.
    lan.kill(ann);
    lan.run_for(120 * SECOND);
    let had = count(&lan, bob);
    assert!(had < 3000, "{had}");
    let [cyd] = lan.join(["cyd"]);
    lan.run_until(30 * SECOND, |lan| count(lan, cyd) == had);
    let (dials, datagrams) = (lan.dials, lan.datagrams);
    lan.run_for(1200 * SECOND);
    assert!(lan.dials - dials < 20, "{} dials for what nobody has", lan.dials - dials);
    assert!(lan.datagrams - datagrams < 1500, "{} datagrams", lan.datagrams - datagrams);
    lan.start(ann);
    lan.run_until(60 * SECOND, |lan| [bob, cyd].iter().all(|who| count(lan, *who) == 3000));
    assert_eq!(lan.chat(cyd), lan.chat(ann));
}

#[test]
fn two_on_a_link_alone_catch_up_and_then_say_little() {
    let mut lan = Lan::seeded(5);
    let [ann, bob] = lan.join(["ann", "bob"]);
    for deaf in [ann, bob] {
        lan.deafen(deaf);
    }
    for n in 0..2000 {
        lan.say(ann, &format!("{n}"));
    }
    lan.link(bob, ann);
    lan.run_until(30 * SECOND, |lan| count(lan, bob) == 2000);
    lan.say(bob, "all here");
    lan.run_for(20 * SECOND);
    assert_eq!(lan.chat(bob), lan.chat(ann));
    assert_eq!(holders(&lan, ann, 1), [lan.id(bob)]);
}

#[test]
fn a_hole_is_filled_from_whoever_was_lost_while_it_was_asked_and_came_back() {
    for seed in 0..24 {
        let mut lan = Lan::seeded(seed);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        lan.run_for(5 * SECOND);
        let lobby = lan.lobby();
        for n in 0..300 {
            lan.say(bob, &format!("early {n}"));
        }
        lan.run_for(60 * SECOND);
        for n in 0..6000 {
            lan.say(bob, &format!("word {n} {}", "x".repeat(200)));
        }
        let half = |lan: &Lan| [ann, cyd].iter().all(|who| lan.entries_in(*who, lobby).len() > 800);
        lan.run_until(60 * SECOND, half);
        lan.kill(bob);
        lan.run_for(3 * SECOND);
        lan.start(bob);
        let whole = |lan: &Lan| [ann, cyd].iter().all(|who| lan.entries_in(*who, lobby).len() == 6300);
        lan.run_until(120 * SECOND, whole);
    }
}
