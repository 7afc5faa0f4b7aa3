//! Stories about people who are written to while they are away, and about those who keep it for them.

#[path = "mailbox/hostile.rs"]
mod hostile;

use std::time::Duration;

use lanyard_proto::rooms::direct_room_id;
use lanyard_proto::wire::mail::Mail;
use lanyard_tests::sim::{Lan, Who};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The direct conversation of two as one of them shows it.
fn chat(lan: &Lan, who: Who, other: Who) -> String {
    lan.chat_in(who, direct_room_id(lan.id(who), lan.id(other)))
}

/// Everybody knows everybody, then one of them goes.
fn without_bob(lan: &mut Lan, bob: Who) {
    lan.run_for(20 * SECOND);
    lan.quit(bob);
    lan.run_for(5 * SECOND);
}

/// How many entries somebody sent to another in answer to what that one asked for.
fn bundled(lan: &Lan, from: Who, to: Who) -> usize {
    let sent = lan.mail_between(from, to).into_iter();
    sent.map(|mail| if let Mail::Bundle { entries, .. } = mail { entries.len() } else { 0 }).sum()
}

fn deposits(lan: &Lan, from: Who, to: Who) -> usize {
    lan.mail_between(from, to).iter().filter(|mail| matches!(mail, Mail::Deposit { .. })).count()
}

#[test]
fn ann_writes_to_bob_who_is_away_and_leaves_and_bob_reads_it_from_cyd() {
    for seed in 0..20 {
        let mut lan = Lan::seeded(seed).loss_percent(10).latency_ms(1..20);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        without_bob(&mut lan, bob);
        lan.say_to(ann, bob, "the key is under the mat");
        lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
        assert!(!lan.is_delivered(ann, bob), "kept is not delivered (seed {seed})");
        lan.quit(ann);
        lan.run_for(60 * SECOND);
        lan.start(bob);
        lan.run_until(30 * SECOND, |lan| chat(lan, bob, ann) == "ann: the key is under the mat\n");
        lan.run_until(10 * SECOND, |lan| lan.holds_for(cyd, bob) == 0);
        // The two meet again: nothing is there twice, and nobody keeps anything.
        lan.start(ann);
        lan.settle();
        assert_eq!(chat(&lan, bob, ann), "ann: the key is under the mat\n");
        assert!(lan.is_delivered(ann, bob));
        assert!(lan.kept_by(ann, bob).is_empty());
    }
}

#[test]
fn ann_learns_from_cyd_that_bob_has_it_although_the_two_never_meet() {
    let mut lan = Lan::seeded(1);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    without_bob(&mut lan, bob);
    lan.say_to(ann, bob, "come by");
    lan.run_until(10 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
    lan.quit(ann);
    lan.start(bob);
    lan.run_until(30 * SECOND, |lan| chat(lan, bob, ann) == "ann: come by\n");
    lan.run_for(10 * SECOND);
    lan.quit(bob);
    lan.run_for(60 * SECOND);
    lan.start(ann);
    assert!(!lan.is_delivered(ann, bob), "nobody has said so");
    // Bob's signature says so, whoever brings it.
    lan.run_until(30 * SECOND, |lan| lan.is_delivered(ann, bob));
    assert!(lan.kept_by(ann, bob).is_empty());
    lan.tape = Some(Vec::new());
    lan.run_for(2 * HOUR);
    assert_eq!(deposits(&lan, ann, cyd), 0, "what is delivered is kept no more");
}

#[test]
fn the_answer_is_kept_for_ann_the_same_way() {
    let mut lan = Lan::seeded(2).loss_percent(10);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    without_bob(&mut lan, bob);
    lan.say_to(ann, bob, "tea?");
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
    lan.quit(ann);
    lan.run_for(10 * SECOND);
    lan.start(bob);
    lan.run_until(30 * SECOND, |lan| chat(lan, bob, ann) == "ann: tea?\n");
    lan.say_to(bob, ann, "gladly");
    lan.run_until(30 * SECOND, |lan| lan.kept_by(bob, ann) == ["cyd"]);
    lan.quit(bob);
    lan.run_for(60 * SECOND);
    lan.start(ann);
    lan.run_until(30 * SECOND, |lan| chat(lan, ann, bob) == "ann: tea?\nbob: gladly\n");
    let _ = cyd;
}

#[test]
fn edits_deletions_and_reactions_are_kept_like_messages() {
    let mut lan = Lan::seeded(3);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    without_bob(&mut lan, bob);
    let room = lan.converse(ann, bob);
    lan.say_in(ann, room, "at nine");
    lan.say_in(ann, room, "never mind");
    let [first, second] = &lan.entries_in(ann, room)[..] else { panic!("two were said") };
    let (first, second) = (first.clone(), second.clone());
    lan.command(ann, |node, now| node.edit(&first, "at ten", Vec::new(), now).unwrap().1);
    lan.command(ann, |node, now| node.delete(&second, now).unwrap().1);
    lan.command(ann, |node, now| node.react(&first, "👍", true, now).unwrap().1);
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
    assert_eq!(lan.holds_for(cyd, bob), 5);
    lan.quit(ann);
    lan.start(bob);
    lan.run_until(30 * SECOND, |lan| lan.entries_in(bob, room).len() == 5);
    assert_eq!(
        lan.entries_in(bob, room).iter().map(|entry| entry.id()).collect::<Vec<_>>(),
        lan.entries_in(ann, room).iter().map(|entry| entry.id()).collect::<Vec<_>>()
    );
}

#[test]
fn three_keep_it_and_no_more_and_bob_is_not_sent_it_thrice() {
    for seed in 0..10 {
        let mut lan = Lan::seeded(seed).loss_percent(5).latency_ms(1..30);
        let [ann, bob, cyd, dan, eve, fay] = lan.join(["ann", "bob", "cyd", "dan", "eve", "fay"]);
        without_bob(&mut lan, bob);
        for n in 0..300 {
            lan.say_to(ann, bob, &format!("{n}"));
        }
        lan.run_until(60 * SECOND, |lan| lan.kept_by(ann, bob).len() == 3);
        lan.run_for(60 * SECOND);
        let others = [cyd, dan, eve, fay];
        let keep: Vec<u64> = others.iter().map(|who| lan.holds_for(*who, bob)).collect();
        assert_eq!(keep.iter().filter(|kept| **kept == 300).count(), 3, "{keep:?} (seed {seed})");
        assert_eq!(keep.iter().sum::<u64>(), 900, "{keep:?} (seed {seed})");
        lan.quit(ann);
        lan.run_for(10 * SECOND);
        lan.tape = Some(Vec::new());
        lan.start(bob);
        lan.run_until(60 * SECOND, |lan| others.iter().all(|who| lan.holds_for(*who, bob) == 0));
        let sent: usize = others.iter().map(|who| bundled(&lan, *who, bob)).sum();
        assert_eq!(sent, 300, "each entry once (seed {seed})");
        let expected: String = (0..300).map(|n| format!("ann: {n}\n")).collect();
        assert_eq!(chat(&lan, bob, ann), expected, "seed {seed}");
        lan.run_for(60 * SECOND);
        assert_eq!(lan.connections(), 0, "nobody holds a line open (seed {seed})");
    }
}

#[test]
fn a_holder_that_was_restarted_still_has_what_it_said_to_keep() {
    let mut lan = Lan::seeded(4);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    without_bob(&mut lan, bob);
    for n in 0..50 {
        lan.say_to(ann, bob, &format!("{n}"));
    }
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
    lan.quit(ann);
    lan.kill(cyd);
    lan.run_for(HOUR);
    lan.start(cyd);
    lan.run_for(10 * SECOND);
    lan.start(bob);
    let expected: String = (0..50).map(|n| format!("ann: {n}\n")).collect();
    lan.run_until(30 * SECOND, |lan| chat(lan, bob, ann) == expected);
}

#[test]
fn a_holder_killed_at_any_moment_never_lets_more_be_said_to_be_kept_than_it_has() {
    for moment in 0..60 {
        let mut lan = Lan::seeded(5).latency_ms(2..3);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        without_bob(&mut lan, bob);
        let room = lan.converse(ann, bob);
        for n in 0..20 {
            lan.say_in(ann, room, &format!("{n} {}", "x".repeat(9000)));
        }
        lan.run_for(Duration::from_millis(moment));
        lan.kill(cyd);
        lan.run_for(SECOND);
        let own = lan.node(ann).room(room).unwrap().own_log();
        let said = |lan: &Lan| {
            let entries = lan.entries_in(ann, room).into_iter().filter(|entry| entry.log() == own);
            entries
                .filter(|entry| !lan.node(ann).kept_by(room, entry.log(), entry.header.seq).is_empty())
                .count() as u64
        };
        assert!(said(&lan) <= lan.holds_for(cyd, bob), "after {moment} ms");
        // Between the disk and the word is where it was killed, some time: it goes on from there.
        lan.start(cyd);
        lan.run_until(40 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
        assert_eq!(lan.holds_for(cyd, bob), 20, "after {moment} ms");
        assert_eq!(said(&lan), 20);
    }
}

#[test]
fn bob_killed_at_any_moment_of_taking_it_loses_nothing_and_has_nothing_twice() {
    for moment in 0..40 {
        let mut lan = Lan::seeded(6).latency_ms(2..3);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        without_bob(&mut lan, bob);
        let room = lan.converse(ann, bob);
        for n in 0..30 {
            lan.say_in(ann, room, &format!("{n} {}", "x".repeat(9000)));
        }
        lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
        lan.quit(ann);
        lan.start(bob);
        lan.run_until(30 * SECOND, |lan| !lan.entries_in(bob, room).is_empty());
        lan.run_for(Duration::from_millis(moment));
        lan.kill(bob);
        let here = lan.entries_in(bob, room).len() as u64;
        assert!(here + lan.holds_for(cyd, bob) >= 30, "after {moment} ms");
        lan.run_for(60 * SECOND);
        lan.start(bob);
        lan.run_until(60 * SECOND, |lan| lan.entries_in(bob, room).len() == 30);
        lan.run_until(60 * SECOND, |lan| lan.holds_for(cyd, bob) == 0);
    }
}

#[test]
fn when_a_holder_leaves_for_long_another_takes_its_place_and_the_first_may_forget() {
    let mut lan = Lan::seeded(7);
    let [ann, bob, cyd, dan, eve] = lan.join(["ann", "bob", "cyd", "dan", "eve"]);
    without_bob(&mut lan, bob);
    lan.say_to(ann, bob, "keep this");
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob).len() == 3);
    let [fay] = lan.join(["fay"]);
    lan.run_for(60 * SECOND);
    assert_eq!(lan.holds_for(fay, bob), 0, "three are enough");
    lan.quit(cyd);
    lan.run_for(HOUR / 2);
    assert_eq!(lan.holds_for(fay, bob), 0, "cyd may be at lunch");
    lan.run_for(HOUR);
    assert_eq!(lan.holds_for(fay, bob), 1);
    lan.start(cyd);
    lan.run_until(60 * SECOND, |lan| {
        [cyd, dan, eve, fay].iter().map(|w| lan.holds_for(*w, bob)).sum::<u64>() == 3
    });
    assert_eq!(lan.kept_by(ann, bob).len(), 3);
}

#[test]
fn what_bob_got_from_ann_herself_is_forgotten_by_those_who_kept_it() {
    let mut lan = Lan::seeded(8).loss_percent(10);
    let [ann, bob, cyd, dan] = lan.join(["ann", "bob", "cyd", "dan"]);
    without_bob(&mut lan, bob);
    lan.say_to(ann, bob, "one");
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd", "dan"]);
    lan.tape = Some(Vec::new());
    lan.start(bob);
    lan.run_until(60 * SECOND, |lan| lan.holds_for(cyd, bob) + lan.holds_for(dan, bob) == 0);
    assert_eq!(chat(&lan, bob, ann), "ann: one\n");
    lan.run_until(10 * SECOND, |lan| lan.is_delivered(ann, bob));
    assert_eq!(bundled(&lan, cyd, bob) + bundled(&lan, dan, bob), 0, "its author was quicker");
}

#[test]
fn what_is_kept_for_a_month_is_given_up_and_called_kept_no_longer() {
    let mut lan = Lan::seeded(9);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    without_bob(&mut lan, bob);
    lan.say_to(ann, bob, "see you");
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
    lan.quit(ann);
    lan.run_for(29 * DAY);
    assert_eq!(lan.holds_for(cyd, bob), 1);
    lan.run_for(DAY + 2 * HOUR);
    assert_eq!(lan.holds_for(cyd, bob), 0);
    lan.start(bob);
    lan.run_for(60 * SECOND);
    assert_eq!(chat(&lan, bob, ann), "");
    lan.start(ann);
    lan.settle();
    assert_eq!(chat(&lan, bob, ann), "ann: see you\n", "its author has it for ever");
}

#[test]
fn ann_who_comes_back_asks_whether_it_is_still_kept() {
    let mut lan = Lan::seeded(10);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    without_bob(&mut lan, bob);
    lan.say_to(ann, bob, "see you");
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
    lan.quit(ann);
    lan.run_for(60 * SECOND);
    // Cyd wants to keep nothing for others any more.
    lan.command(cyd, |node, _| node.hold_for_others(None));
    assert_eq!(lan.holds_for(cyd, bob), 0);
    lan.start(ann);
    assert_eq!(lan.kept_by(ann, bob), ["cyd"], "as far as ann knows");
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob).is_empty());
    lan.run_for(2 * HOUR);
    assert!(lan.kept_by(ann, bob).is_empty(), "cyd was asked again, and still does not want to");
    lan.command(cyd, |node, _| node.hold_for_others(Some(1 << 20)));
    lan.run_until(2 * HOUR, |lan| lan.kept_by(ann, bob) == ["cyd"]);
}

#[test]
fn a_message_to_somebody_who_is_here_is_given_to_nobody_else() {
    let mut lan = Lan::seeded(11).loss_percent(20);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(20 * SECOND);
    lan.tape = Some(Vec::new());
    for n in 0..20 {
        lan.say_to(ann, bob, &format!("{n}"));
        lan.run_for(SECOND);
    }
    lan.settle();
    assert!(lan.mail_between(ann, cyd).is_empty());
    // Nor is what Bob has, once he leaves.
    lan.quit(bob);
    lan.run_for(60 * SECOND);
    assert!(lan.mail_between(ann, cyd).is_empty());
}

#[test]
fn somebody_who_starts_again_finds_out_who_is_here_before_asking_anybody_to_keep_anything() {
    let mut lan = Lan::seeded(12);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(20 * SECOND);
    lan.quit(ann);
    lan.run_for(5 * SECOND);
    lan.tape = Some(Vec::new());
    lan.start(ann);
    lan.say_to(ann, bob, "back again");
    lan.run_until(10 * SECOND, |lan| chat(lan, bob, ann) == "ann: back again\n");
    lan.run_for(60 * SECOND);
    assert!(lan.mail_between(ann, cyd).is_empty());
}

#[test]
fn what_is_written_in_one_go_is_given_to_a_holder_in_few_pieces() {
    let mut lan = Lan::seeded(13);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    without_bob(&mut lan, bob);
    lan.tape = Some(Vec::new());
    for n in 0..60 {
        lan.say_to(ann, bob, &format!("{n}"));
        lan.run_for(Duration::from_millis(100));
    }
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
    assert!(deposits(&lan, ann, cyd) <= 6, "{} deposits", deposits(&lan, ann, cyd));
}

#[test]
fn a_holder_that_sees_bob_although_ann_does_not_hands_it_over_at_once() {
    let mut lan = Lan::seeded(14);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    without_bob(&mut lan, bob);
    // No multicast between ann and bob; cyd hears both.
    lan.deafen(ann);
    lan.link(ann, cyd);
    lan.start(bob);
    lan.run_for(40 * SECOND);
    assert!(!lan.sees(ann, bob) && lan.sees(cyd, bob));
    lan.say_to(ann, bob, "can you hear me?");
    lan.run_until(30 * SECOND, |lan| chat(lan, bob, ann) == "ann: can you hear me?\n");
    // Nor does it matter that more comes while it is being handed over.
    for n in 0..40 {
        lan.say_to(ann, bob, &format!("{n}"));
        lan.run_for(Duration::from_millis(150));
    }
    lan.run_until(10 * SECOND, |lan| chat(lan, bob, ann).ends_with("ann: 39\n"));
    lan.run_until(10 * SECOND, |lan| lan.holds_for(cyd, bob) == 0);
}

#[test]
fn who_wants_nothing_of_ann_is_handed_nothing_of_hers() {
    let mut lan = Lan::seeded(15);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    without_bob(&mut lan, bob);
    lan.say_to(ann, bob, "buy this");
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
    lan.quit(ann);
    lan.blocks(bob, ann);
    lan.start(bob);
    lan.run_until(30 * SECOND, |lan| lan.holds_for(cyd, bob) == 0);
    assert!(lan.node(bob).room(direct_room_id(lan.id(ann), lan.id(bob))).is_none());
    lan.quit(bob);
    lan.start(ann);
    lan.settle();
    assert!(!lan.is_delivered(ann, bob), "bob has signed nothing");
}

#[test]
fn nobody_who_is_blocked_is_asked_to_keep_anything_and_nothing_is_kept_of_them() {
    let mut lan = Lan::seeded(16);
    let [ann, bob, cyd, dan] = lan.join(["ann", "bob", "cyd", "dan"]);
    without_bob(&mut lan, bob);
    lan.quit(ann);
    lan.blocks(ann, cyd);
    lan.quit(dan);
    lan.blocks(dan, ann);
    lan.tape = Some(Vec::new());
    lan.start(ann);
    lan.start(dan);
    lan.run_for(20 * SECOND);
    lan.say_to(ann, bob, "psst");
    lan.run_for(HOUR);
    assert!(lan.mail_between(ann, cyd).is_empty());
    assert_eq!(lan.holds_for(dan, bob), 0);
    assert!(lan.kept_by(ann, bob).is_empty());
}

#[test]
fn on_a_network_that_breaks_connections_it_is_kept_and_handed_over_all_the_same() {
    for seed in 0..10 {
        let mut lan = Lan::seeded(seed).loss_percent(25).latency_ms(1..60);
        let [ann, bob, cyd, dan] = lan.join(["ann", "bob", "cyd", "dan"]);
        without_bob(&mut lan, bob);
        let room = lan.converse(ann, bob);
        for n in 0..40 {
            lan.say_in(ann, room, &format!("{n} {}", "x".repeat(5000)));
            lan.run_for(SECOND / 2);
            if n % 10 == 9 {
                lan.part(&[cyd], 7);
                lan.run_for(2 * SECOND);
                lan.part(&[cyd], 0);
            }
        }
        lan.run_until(300 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd", "dan"]);
        lan.quit(ann);
        lan.start(bob);
        lan.run_until(30 * SECOND, |lan| !lan.entries_in(bob, room).is_empty());
        lan.part(&[cyd], 7);
        lan.run_for(3 * SECOND);
        lan.part(&[cyd], 0);
        lan.run_until(300 * SECOND, |lan| lan.entries_in(bob, room).len() == 40);
        lan.run_until(900 * SECOND, |lan| lan.holds_for(cyd, bob) + lan.holds_for(dan, bob) == 0);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut lan = Lan::seeded(17).loss_percent(15).latency_ms(1..30);
        let [ann, bob, cyd, _dan] = lan.join(["ann", "bob", "cyd", "dan"]);
        without_bob(&mut lan, bob);
        lan.tape = Some(Vec::new());
        lan.say_to(ann, bob, "one");
        lan.run_for(30 * SECOND);
        lan.kill(cyd);
        lan.start(cyd);
        lan.quit(ann);
        lan.start(bob);
        lan.run_for(60 * SECOND);
        let heard = lan.tape.take().unwrap();
        heard.into_iter().map(|heard| (heard.from, heard.to, heard.bytes)).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
