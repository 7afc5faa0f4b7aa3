//! Stories about machines that were copied: two write under one name, and nobody is the worse for it.

use std::time::Duration;

use lanyard_tests::sim::{Lan, Who};

const SECOND: Duration = Duration::from_secs(1);

/// The lines of a chat by which others know it, whoever of the copies wrote them.
fn reads(lan: &Lan, who: Who, text: &str) -> bool {
    lan.chat(who).lines().any(|line| line.ends_with(&format!(": {text}")))
}

fn saw(lan: &Lan, who: Who, what: &str) -> usize {
    lan.seen(who).iter().filter(|seen| *seen == what).count()
}

#[test]
fn a_copied_machine_is_found_out_and_both_copies_go_on_in_logs_of_their_own() {
    for seed in 0..8 {
        let mut lan = Lan::seeded(seed);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        lan.run_for(5 * SECOND);
        lan.say(ann, "before");
        lan.run_for(5 * SECOND);
        let copy = lan.copy(ann, "ann too");
        lan.say(ann, "I am the original");
        lan.say(copy, "no, I am");
        let people = [ann, bob, cyd, copy];
        lan.run_until(120 * SECOND, |lan| people.iter().all(|who| saw(lan, *who, "ann forked") == 1));
        lan.settle();
        assert_eq!(saw(&lan, ann, "cloned"), 1, "seed {seed}");
        for who in people {
            assert!(reads(&lan, who, "before"), "what was there stays (seed {seed})");
        }
        lan.say(ann, "still here");
        lan.say(copy, "me too");
        lan.say(bob, "which of you?");
        lan.settle();
        for who in people {
            for text in ["still here", "me too", "which of you?"] {
                assert!(reads(&lan, who, text), "{text} (seed {seed})\n{}", lan.chat(who));
            }
        }
        // Digests agree again: everybody is quiet, and nobody looks for what cannot be had.
        let (dials, datagrams) = (lan.dials, lan.datagrams);
        lan.run_for(600 * SECOND);
        assert!(lan.dials - dials < 60, "{} dials (seed {seed})", lan.dials - dials);
        assert!(lan.datagrams - datagrams < 1200, "{} datagrams (seed {seed})", lan.datagrams - datagrams);
    }
}

#[test]
fn a_fork_is_known_after_a_restart_and_to_those_who_come_later() {
    let mut lan = Lan::seeded(3);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(5 * SECOND);
    lan.say(ann, "before");
    lan.run_for(5 * SECOND);
    let copy = lan.copy(ann, "ann too");
    lan.say(ann, "one");
    lan.say(copy, "other");
    lan.run_until(120 * SECOND, |lan| [ann, bob, copy].iter().all(|who| saw(lan, *who, "ann forked") == 1));
    lan.quit(copy);
    let known = |lan: &Lan| {
        for who in [ann, bob] {
            let room = lan.node(who).room(lan.lobby()).unwrap();
            assert_eq!(room.forked(), [lan.id(ann)]);
            let entries = lan.entries_in(who, lan.lobby());
            let of_ann = entries.iter().filter(|entry| entry.header.author == lan.id(ann));
            let disputed: Vec<u64> =
                of_ann.filter(|entry| room.is_disputed(entry)).map(|entry| entry.header.seq.0).collect();
            assert!(disputed.first() == Some(&2), "from where the two part: {disputed:?}");
        }
        assert!(lan.node(ann).cloned().is_some() && lan.node(bob).cloned().is_none());
    };
    known(&lan);
    for who in [ann, bob] {
        lan.kill(who);
        lan.start(who);
    }
    known(&lan);
    let [dan] = lan.join(["dan"]);
    lan.say(ann, "hello dan");
    lan.run_until(120 * SECOND, |lan| reads(lan, dan, "hello dan") && saw(lan, dan, "ann forked") == 1);
    lan.settle();
    for who in [ann, bob] {
        assert_eq!(saw(&lan, who, "ann forked"), 1, "it is told once");
    }
}

#[test]
fn a_copy_that_a_person_has_ended_is_no_fact_any_more_and_one_that_goes_on_is_found_again() {
    let mut lan = Lan::seeded(5);
    let [ann, _bob] = lan.join(["ann", "bob"]);
    lan.run_for(5 * SECOND);
    let copy = lan.copy(ann, "ann too");
    lan.run_until(120 * SECOND, |lan| [ann, copy].iter().any(|who| lan.node(*who).cloned().is_some()));
    let told = if lan.node(ann).cloned().is_some() { ann } else { copy };
    lan.command(told, |node, _| node.settle_clone());
    assert_eq!(lan.node(told).cloned(), None);
    lan.run_until(120 * SECOND, |lan| lan.node(told).cloned().is_some());
    let other = if told == ann { copy } else { ann };
    lan.quit(other);
    lan.run_for(5 * SECOND);
    lan.command(told, |node, _| node.settle_clone());
    lan.run_for(600 * SECOND);
    lan.kill(told);
    lan.start(told);
    lan.run_for(60 * SECOND);
    assert_eq!(lan.node(told).cloned(), None);
}

#[test]
fn own_datagrams_that_somebody_repeats_are_no_copy() {
    let mut lan = Lan::seeded(4);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(2 * SECOND);
    let mut own = Vec::new();
    lan.command(ann, |node, _| {
        let effects = node.goodbye();
        own.extend(effects.send.iter().filter_map(|sent| match sent {
            lanyard_proto::effects::Transmit::Multicast { bytes, .. } => Some(bytes.clone()),
            _ => None,
        }));
        Default::default()
    });
    lan.kill(ann);
    lan.start(ann);
    for bytes in own {
        let mut forged = bytes.clone();
        // A later run than any, which nobody signed.
        forged[8] = 0xff;
        lan.inject(ann, bob, bytes);
        lan.inject(ann, bob, forged);
    }
    lan.run_for(SECOND);
    assert_eq!(saw(&lan, ann, "cloned"), 0);
}

/// By how many devices a line of somebody's is held, as its author's device sees it.
fn holders(lan: &Lan, author: Who, text: &str) -> usize {
    let room = lan.node(author).room(lan.lobby()).expect("everybody is in the lobby");
    let said = |entry: &lanyard_proto::wire::entry::Entry| match room.read(entry) {
        lanyard_proto::rooms::Content::Text(said) => said.text == text,
        _ => false,
    };
    let entry = lan.entries_in(author, lan.lobby()).into_iter().find(|entry| said(entry)).expect("was said");
    room.holders(&entry).expect("is its own").len()
}

#[test]
fn a_message_is_delivered_to_those_who_hold_it_and_not_to_those_who_hold_another_in_its_place() {
    for seed in 0..8 {
        let mut lan = Lan::seeded(seed);
        let [ann, bob] = lan.join(["ann", "bob"]);
        lan.run_for(5 * SECOND);
        for text in ["one", "two", "three"] {
            lan.say(ann, text);
        }
        lan.run_for(10 * SECOND);
        assert_eq!(holders(&lan, ann, "three"), 1);
        lan.cut_off(ann);
        let copy = lan.copy(ann, "ann too");
        lan.say(ann, "mine");
        lan.cut_off(ann);
        lan.reconnect(copy);
        lan.say(copy, "other");
        lan.run_for(30 * SECOND);
        assert!(reads(&lan, bob, "other"));
        lan.reconnect(ann);
        lan.run_until(120 * SECOND, |lan| saw(lan, ann, "ann forked") == 1);
        lan.settle();
        assert!(!reads(&lan, bob, "mine"));
        assert_eq!(holders(&lan, ann, "mine"), 0, "bob has another entry in its place (seed {seed})");
        lan.say(ann, "again");
        lan.settle();
        assert_eq!(holders(&lan, ann, "again"), 1, "the first of another log (seed {seed})");
        assert_eq!(holders(&lan, ann, "mine"), 0);
        assert_eq!(holders(&lan, ann, "two"), 1, "what was delivered stays so (seed {seed})");
        lan.kill(ann);
        lan.start(ann);
        assert_eq!(["two", "mine", "again"].map(|text| holders(&lan, ann, text)), [1, 0, 1], "seed {seed}");
    }
}

#[test]
fn who_goes_on_after_its_copy_ended_is_heard_again() {
    for killed in [false, true] {
        let mut lan = Lan::seeded(5);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        lan.run_for(10 * SECOND);
        let copy = lan.copy(bob, "bob too");
        lan.run_for(60 * SECOND);
        if killed {
            lan.kill(copy)
        } else {
            lan.quit(copy)
        }
        let since = lan.now();
        lan.run_until(90 * SECOND, |lan| !lan.sees(ann, bob) || lan.now().since(since) > 80 * SECOND);
        lan.run_until(90 * SECOND, |lan| lan.sees(ann, bob) && lan.sees(cyd, bob));
        let room = lan.converse(ann, bob);
        lan.say_in(ann, room, "still there?");
        lan.run_until(20 * SECOND, |lan| lan.chat_in(bob, room) == "ann: still there?\n");
        lan.say_in(bob, room, "yes");
        lan.run_until(20 * SECOND, |lan| lan.chat_in(ann, room).ends_with("bob: yes\n"));
    }
}

#[test]
fn who_was_put_back_to_before_a_run_with_a_wrong_clock_is_heard() {
    let mut lan = Lan::seeded(6);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(10 * SECOND);
    let backup = lan.back_up(bob);
    lan.quit(bob);
    lan.set_clock(bob, 365 * 24 * 3_600_000);
    lan.start(bob);
    lan.run_for(10 * SECOND);
    lan.quit(bob);
    lan.set_clock(bob, 0);
    lan.put_back(bob, backup);
    // Nor does a restart of anybody hide him again.
    for who in [bob, ann, bob] {
        if lan.is_running(who) {
            lan.quit(who);
        }
        lan.start(who);
        lan.run_until(60 * SECOND, |lan| lan.sees(ann, bob) && lan.sees(cyd, bob));
    }
}

#[test]
fn what_is_repeated_of_an_older_run_brings_nobody_back() {
    let mut lan = Lan::seeded(7);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.tape = Some(vec![]);
    lan.run_for(10 * SECOND);
    let tape = lan.tape.take().unwrap();
    let announced =
        |heard: &&lanyard_tests::sim::Heard| heard.from == bob && heard.to.is_none() && heard.bytes[5] == 1;
    let old: Vec<Vec<u8>> = tape.iter().filter(announced).map(|heard| heard.bytes.clone()).collect();
    lan.quit(bob);
    lan.start(bob);
    lan.run_for(10 * SECOND);
    lan.quit(bob);
    lan.run_for(SECOND);
    for _ in 0..20 {
        for bytes in &old {
            lan.inject(ann, bob, bytes.clone());
        }
        lan.run_for(10 * SECOND);
        assert!(!lan.sees(ann, bob));
    }
    assert!(lan.dials < 20, "and he is dialled ever more rarely");
    lan.start(bob);
    lan.run_until(5 * SECOND, |lan| lan.sees(ann, bob));
}
