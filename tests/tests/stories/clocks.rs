//! Stories about people whose clocks are wrong.

use lanyard_proto::model::UnixMillis;
use lanyard_proto::node::Membership;
use lanyard_tests::sim::{Lan, Who};

use super::SECOND;

const HOUR: i64 = 3_600_000;
const YEAR: i64 = 365 * 24 * HOUR;

#[test]
fn sealed_words_and_files_pass_between_clocks_that_tell_another_hour() {
    for (seed, skew) in
        [(60, 3 * HOUR / 2), (61, 5 * HOUR / 2), (62, -3 * HOUR), (63, -26 * YEAR), (64, YEAR)]
    {
        let mut lan = Lan::seeded(seed).loss_percent(5);
        let [ann] = lan.join(["ann"]);
        let bob = lan.join_one("bob", skew);
        lan.run_for(5 * SECOND);
        let board = lan.create_room(ann, "Board");
        lan.add_member(ann, board, bob);
        lan.run_until(20 * SECOND, |lan| lan.membership(bob, board) == Some(Membership::Member));
        let between = lan.converse(ann, bob);
        lan.say_in(ann, between, "to bob");
        lan.run_until(15 * SECOND, |lan| lan.chat_in(bob, between) == "ann: to bob\n");
        lan.say_in(bob, between, "to ann");
        lan.say_in(bob, board, "to all");
        lan.run_until(15 * SECOND, |lan| lan.entries_in(ann, between).len() == 2);
        lan.run_until(15 * SECOND, |lan| lan.chat_in(ann, board).contains("to all"));
        for (who, other) in [(ann, bob), (bob, ann)] {
            lan.run_until(30 * SECOND, |lan| {
                let room = lan.node(who).room(between).unwrap();
                let own = lan.entries_in(who, between).into_iter().find(|e| e.header.author == lan.id(who));
                own.and_then(|own| room.holders(&own)) == Some(vec![lan.id(other)])
            });
        }
        let file = lan.offer_to(bob, ann, "plan.odt");
        lan.run_until(15 * SECOND, |lan| lan.transfer_state(ann, file).is_some());
    }
}

#[test]
fn whoever_sets_the_clock_is_understood_as_before() {
    let mut lan = Lan::seeded(65);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(30 * SECOND);
    let between = lan.converse(ann, bob);
    lan.say_in(ann, between, "what time is it?");
    lan.run_for(SECOND);
    for hours in [7, -20, 0] {
        lan.set_clock(bob, hours * 3_600_000);
        lan.run_for(2 * SECOND);
        let text = format!("{hours} hours off");
        lan.say_in(bob, between, &text);
        lan.run_until(15 * SECOND, |lan| lan.chat_in(ann, between).contains(&text));
    }
}

/// What its author's clock said when the newest entry of somebody was written, as somebody has it.
fn newest_of(lan: &Lan, at: Who, author: Who) -> UnixMillis {
    let author = lan.id(author);
    let theirs = lan.entries_in(at, lan.lobby()).into_iter().filter(|entry| entry.header.author == author);
    let newest = theirs.max_by_key(|entry| entry.header.seq).expect("said something");
    newest.header.hlc.unix()
}

#[test]
fn what_is_said_where_the_clock_is_behind_stands_where_it_was_said() {
    let mut lan = Lan::seeded(67);
    let [ann, bob, cyd, dan] = lan.join(["ann", "bob", "cyd", "dan"]);
    lan.run_for(10 * SECOND);
    lan.say(ann, "one");
    lan.say(dan, "two");
    lan.settle();
    assert_eq!(lan.node(dan).clock_off(), None);
    lan.quit(dan);
    lan.set_clock(dan, -YEAR);
    lan.start(dan);
    lan.run_for(30 * SECOND);
    assert!(lan.node(dan).clock_off().is_some_and(|off| (off - YEAR).abs() < 5000), "and he is told");
    for who in [ann, bob, cyd] {
        assert_eq!(lan.node(who).clock_off(), None);
    }
    lan.say(dan, "three");
    lan.run_for(10 * SECOND);
    lan.say(bob, "four");
    lan.settle();
    let all = "ann: one\ndan: two\ndan: three\nbob: four\n";
    for who in [ann, cyd, dan] {
        assert_eq!(lan.chat(who), all);
    }
    lan.set_clock(dan, 0);
    lan.run_for(30 * SECOND);
    assert_eq!(lan.node(dan).clock_off(), None);
    lan.say(dan, "five");
    lan.settle();
    assert_eq!(lan.chat(cyd), format!("{all}dan: five\n"));
    assert_eq!(lan.chat(dan), lan.chat(cyd));
}

#[test]
fn made_up_devices_set_nobodys_clock() {
    let mut lan = Lan::seeded(68);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(10 * SECOND);
    for n in 0..6 {
        lan.join_one(&format!("eve{n}"), 10 * YEAR);
    }
    lan.run_for(30 * SECOND);
    assert!(lan.node(ann).clock_off().is_some());
    lan.say(ann, "now");
    lan.settle();
    let right = newest_of(&lan, ann, ann).0.abs_diff(lan.unix_of(ann).0);
    assert!(right < 600_000, "{right} ms");
    assert_eq!(lan.chat(bob), "ann: now\n");
}

#[test]
fn whose_clock_was_ahead_writes_at_the_right_time_again_once_others_bear_it_out() {
    let mut lan = Lan::seeded(69);
    let [ann, bob] = lan.join(["ann", "bob"]);
    let cyd = lan.join_one("cyd", YEAR);
    lan.run_for(10 * SECOND);
    let (id, lobby) = (lan.id(cyd), lan.lobby());
    lan.say(cyd, "from next year");
    let newest = |lan: &Lan| {
        let own = lan.entries_in(cyd, lobby).into_iter().filter(|entry| entry.header.author == id);
        own.max_by_key(|entry| entry.header.seq).unwrap()
    };
    let word = newest(&lan);
    lan.command(cyd, |node, now| node.edit(&word, "from this year", Vec::new(), now).unwrap().1);
    let marked = newest(&lan).header.clone();
    lan.settle();
    lan.kill(cyd);
    lan.set_clock(cyd, 0);
    lan.start(cyd);
    lan.run_for(30 * SECOND);
    lan.say(cyd, "back");
    lan.settle();
    let off = newest_of(&lan, ann, cyd).0.abs_diff(lan.unix_of(ann).0);
    assert!(off < 600_000, "{off} ms");
    // Of two marks of one author everybody has to take the later one: it exceeds the earlier.
    lan.command(cyd, |node, now| node.edit(&word, "from last year", Vec::new(), now).unwrap().1);
    let again = newest(&lan).header.clone();
    assert!(again.seq > marked.seq && again.hlc > marked.hlc);
    lan.say(bob, "welcome");
    lan.settle();
    for who in [ann, bob] {
        assert!(lan.chat(who).ends_with("cyd: back\nbob: welcome\n"), "{}", lan.chat(who));
    }
}

#[test]
fn between_two_whose_clocks_differ_the_conversation_reads_as_it_happened() {
    for (seed, skew) in [(70, 2 * HOUR), (71, -2 * HOUR), (72, YEAR), (73, -YEAR)] {
        let mut lan = Lan::seeded(seed);
        let [ann] = lan.join(["ann"]);
        let bob = lan.join_one("bob", 0);
        lan.run_for(10 * SECOND);
        let between = lan.converse(ann, bob);
        let mut all = String::new();
        let mut talk = |lan: &mut Lan, about: &str| {
            for (who, name) in [(ann, "ann"), (bob, "bob"), (ann, "ann"), (bob, "bob")] {
                lan.say_in(who, between, about);
                lan.settle();
                all += &format!("{name}: {about}\n");
            }
            for who in [ann, bob] {
                assert_eq!(lan.chat_in(who, between), all, "{skew} ms off");
            }
        };
        talk(&mut lan, "right");
        lan.set_clock(bob, skew);
        lan.run_for(10 * SECOND);
        talk(&mut lan, "wrong");
        lan.set_clock(bob, 0);
        lan.run_for(30 * SECOND);
        talk(&mut lan, "right again");
        assert!(lan.node(bob).clock_off().is_none());
    }
}

#[test]
fn clocks_that_are_wrong_now_move_nothing_whoever_bears_them_out() {
    // Two that begin at the same wrong time, long ago or last week; and one that strangers bear out.
    for (seed, skew, known) in [(74, -26 * YEAR, true), (75, -7 * 24 * HOUR, true), (76, -HOUR, false)] {
        let mut lan = Lan::seeded(seed);
        let [ann, bob] = lan.join(["ann", "bob"]);
        lan.run_for(10 * SECOND);
        for (who, text) in [(ann, "one"), (bob, "two"), (ann, "three")] {
            lan.say(who, text);
            lan.settle();
        }
        let (said, latest) = (lan.chat(ann), lan.latest(ann));
        for who in [ann, bob] {
            lan.is_certain(who);
            lan.quit(who);
            lan.set_clock(who, skew);
        }
        lan.start(ann);
        if known {
            lan.start(bob);
        } else {
            lan.join_one("eve", skew);
            lan.join_one("mal", skew);
        }
        lan.run_for(60 * SECOND);
        lan.say(ann, "what year is it?");
        lan.settle();
        assert!(lan.latest(ann) >= latest, "{skew} ms off");
        assert_eq!(lan.chat(ann), format!("{said}ann: what year is it?\n"), "{skew} ms off");
    }
}

#[test]
fn whose_clock_was_ahead_twice_reads_everything_in_order_once_it_is_right() {
    let mut lan = Lan::seeded(77);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(10 * SECOND);
    lan.is_certain(bob);
    let between = lan.converse(ann, bob);
    let mut all = String::new();
    for skew in [0, 48 * HOUR, 9 * 24 * HOUR, 3 * HOUR] {
        lan.quit(bob);
        lan.set_clock(bob, skew);
        lan.start(bob);
        lan.run_for(10 * SECOND);
        for (who, name) in [(ann, "ann"), (bob, "bob"), (ann, "ann"), (bob, "bob")] {
            lan.say_in(who, between, "word");
            lan.settle();
            all += &format!("{name}: word\n");
        }
        assert_eq!(lan.chat_in(bob, between), all, "{skew} ms off");
    }
    assert!(lan.latest(bob).0 > lan.unix_of(ann).0 + HOUR.unsigned_abs());
    lan.quit(bob);
    lan.set_clock(bob, 0);
    lan.start(bob);
    lan.run_for(30 * SECOND);
    assert!(lan.latest(bob) <= lan.unix_of(bob), "it was told anew");
    assert_eq!(lan.chat_in(bob, between), all);
    lan.say_in(ann, between, "next");
    lan.settle();
    assert_eq!(lan.chat_in(bob, between), format!("{all}ann: next\n"));
}
