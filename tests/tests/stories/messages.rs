//! What people do with messages, over a network that loses them.

use std::sync::Arc;
use std::time::Duration;

use lanyard_proto::model::Seq;
use lanyard_proto::node::Refusal;
use lanyard_proto::rooms::Content;
use lanyard_proto::wire::entry::Entry;
use lanyard_tests::sim::{Lan, Who};

use super::SECOND;

#[test]
fn an_answer_says_where_what_it_answers_stands() {
    let mut lan = Lan::seeded(31);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(2 * SECOND);
    lan.say(ann, "hello");
    lan.say(ann, "tea?");
    lan.run_for(SECOND);
    let question = said(&lan, bob, "tea?");
    let room = lan.lobby();
    lan.command(bob, |node, now| node.write_text(room, "yes", Some(&question), Vec::new(), now).unwrap().1);
    lan.settle();
    let answer = said(&lan, cyd, "yes");
    assert_eq!(answer.header.deps, [(question.log(), Seq(2))]);
    match lan.node(cyd).room(room).unwrap().read(&answer) {
        Content::Text(text) => assert_eq!(text.reply, Some(question.id())),
        other => panic!("{other:?}"),
    }
    assert_eq!(lan.chat(ann), lan.chat(cyd));
}

#[test]
fn whoever_lacks_what_is_answered_hears_of_it_by_the_answer() {
    let mut lan = Lan::seeded(32);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(10 * SECOND);
    lan.set_loss_percent(100);
    lan.say(ann, "tea?");
    lan.run_for(Duration::from_millis(10));
    lan.set_loss_percent(0);
    // She reacts to it herself before anything reminds of it.
    let question = said(&lan, ann, "tea?");
    let room = lan.lobby();
    lan.command(ann, |node, now| node.react(&question, "👍", true, now).unwrap().1);
    lan.run_for(Duration::from_millis(400));
    lan.assert_chat(bob, "ann: tea?\n");
    let reaction = lan.entries_in(bob, room).into_iter().find(|entry| entry.header.kind == 4).unwrap();
    assert_eq!(lan.node(bob).room(room).unwrap().read(&reaction).about(), Some(question.id()));
}

#[test]
fn edits_reactions_and_what_is_taken_back_reach_everybody_under_loss() {
    for seed in 0..8 {
        let mut lan = Lan::seeded(seed).loss_percent(30).latency_ms(0..20);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        lan.run_for(2 * SECOND);
        lan.say(ann, "tea?");
        lan.say(ann, "never mind");
        lan.settle();
        let (tea, never) = (said(&lan, bob, "tea?"), said(&lan, ann, "never mind"));
        lan.command(ann, |node, now| node.edit(&tea, "coffee?", Vec::new(), now).unwrap().1);
        lan.command(ann, |node, now| node.delete(&never, now).unwrap().1);
        for who in [bob, cyd] {
            lan.command(who, |node, now| node.react(&tea, "👍", true, now).unwrap().1);
            lan.command(who, |node, now| node.pin(&tea, who == bob, now).unwrap().1);
        }
        let [dan] = lan.join(["dan"]);
        lan.settle();
        let ids = |who| lan.entries_in(who, lan.lobby()).iter().map(|entry| entry.id()).collect::<Vec<_>>();
        assert_eq!(ids(ann).len(), 8, "seed {seed}");
        for who in [bob, cyd, dan] {
            assert_eq!(ids(who), ids(ann), "seed {seed}");
        }
    }
}

#[test]
fn nobody_writes_in_the_name_of_another() {
    let mut lan = Lan::seeded(33);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(2 * SECOND);
    lan.say(ann, "tea?");
    lan.run_for(SECOND);
    let tea = said(&lan, bob, "tea?");
    lan.command(bob, |node, now| {
        assert_eq!(node.edit(&tea, "beer?", Vec::new(), now).unwrap_err(), Refusal::NotYourMessage);
        assert_eq!(node.delete(&tea, now).unwrap_err(), Refusal::NotYoursToDelete);
        assert_eq!(node.react(&tea, "beer", true, now).unwrap_err(), Refusal::NoEmoji);
        let (reaction, effects) = node.react(&tea, "🍺", true, now).unwrap();
        assert_eq!(node.pin(&reaction, true, now).unwrap_err(), Refusal::NoSuchChange);
        effects
    });
}

#[test]
fn somebody_who_is_writing_is_told_of_every_three_seconds_at_most() {
    let five_seconds = |writing: bool| {
        let mut lan = Lan::seeded(34);
        let [ann, bob] = lan.join(["ann", "bob"]);
        lan.run_for(30 * SECOND);
        let room = lan.converse(ann, bob);
        lan.say_to(ann, bob, "wait");
        lan.run_for(20 * SECOND);
        let before = lan.datagrams;
        for _ in 0..100 {
            if writing {
                lan.command(ann, |node, now| node.typing(room, now).unwrap());
            }
            lan.run_for(Duration::from_millis(50));
        }
        let told = |who| lan.seen(who).iter().filter(|line| line.ends_with("is writing")).count();
        assert_eq!(lan.entries_in(bob, room).len(), 1, "it is written nowhere");
        (told(ann), told(bob), lan.datagrams - before)
    };
    let (silent, busy) = (five_seconds(false), five_seconds(true));
    assert_eq!((silent.0, silent.1, busy.0, busy.1), (0, 0, 0, 2));
    // Chance draws differ once one datagram more was sent: a digest may fall on either side of the end.
    assert!(busy.2 <= silent.2 + 4, "{} datagrams instead of {}", busy.2, silent.2);
}

#[test]
fn in_a_crowd_nobody_is_told_who_is_writing() {
    let mut lan = Lan::seeded(35);
    let people: Vec<_> = (0..53).map(|n| lan.join_one(&format!("p{n}"), 0)).collect();
    lan.run_for(120 * SECOND);
    let room = lan.lobby();
    assert!(lan.node(people[0]).room(room).unwrap().members().len() > 50);
    lan.command(people[0], |node, now| {
        let effects = node.typing(room, now).unwrap();
        assert!(effects.is_empty());
        effects
    });
}

/// What this host has of what was said.
fn said(lan: &Lan, who: Who, text: &str) -> Arc<Entry> {
    let room = lan.node(who).room(lan.lobby()).expect("everybody is in the lobby");
    let entries = lan.entries_in(who, lan.lobby());
    let found = entries
        .into_iter()
        .find(|entry| matches!(room.read(entry), Content::Text(written) if written.text == text));
    found.expect("it is here")
}

#[test]
fn in_a_small_room_whoever_wrote_soon_knows_who_has_it() {
    for (count, within) in [(2, 250), (3, 400), (5, 700), (12, 1500)] {
        for seed in 0..6 {
            let mut lan = Lan::seeded(seed);
            let people: Vec<Who> = (0..count).map(|n| lan.join_one(&format!("p{n}"), 0)).collect();
            lan.run_for(40 * SECOND);
            let direct = lan.converse(people[0], people[1]);
            let rooms = [(lan.lobby(), count - 1, within), (direct, 1, 250)];
            for (room, others, within) in rooms {
                lan.say_in(people[0], room, "who has it?");
                lan.run_until(Duration::from_millis(within), |lan| {
                    let node = lan.node(people[0]).room(room).expect("is in it");
                    let entries = lan.entries_in(people[0], room);
                    node.holders(entries.last().expect("was said")).is_some_and(|who| who.len() == others)
                });
                lan.run_for(5 * SECOND);
            }
        }
    }
}

#[test]
fn receipts_cost_no_more_than_the_reminders_that_they_spare() {
    let mut lan = Lan::seeded(2);
    let people = lan.join(["ann", "bob"]);
    lan.run_for(60 * SECOND);
    let room = lan.converse(people[0], people[1]);
    lan.say_in(people[0], room, "hello");
    lan.run_for(60 * SECOND);
    let before = lan.datagrams;
    for n in 0..20 {
        lan.say_in(people[n % 2], room, "a word");
        lan.run_for(Duration::from_millis(700));
    }
    let spent = lan.datagrams - before;
    assert!(spent <= 20 * 3, "{spent} datagrams for twenty words, receipts and all else");
}
