//! Stories about people on a network that loses, delays, parts and heals. No sockets, no clock: time is data.

#[path = "stories/blocked.rs"]
mod blocked;
#[path = "stories/clocks.rs"]
mod clocks;
#[path = "stories/eaten.rs"]
mod eaten;
#[path = "stories/links.rs"]
mod links;
#[path = "stories/messages.rs"]
mod messages;

use std::time::Duration;

use lanyard_proto::node::Membership;
use lanyard_proto::transfer::TransferState;
use lanyard_tests::sim::Lan;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn people_who_come_see_each_other_within_a_second() {
    for seed in 0..50 {
        let mut lan = Lan::seeded(seed);
        let [ann] = lan.join(["ann"]);
        lan.run_for(30 * SECOND);
        let [bob] = lan.join(["bob"]);
        lan.run_until(SECOND, |lan| lan.sees(ann, bob) && lan.sees(bob, ann));
    }
}

#[test]
fn a_hundred_people_who_come_at_once_all_see_each_other() {
    let mut lan = Lan::seeded(1);
    let people: Vec<_> = (0..100).map(|n| lan.join_one(&format!("p{n}"), 0)).collect();
    lan.run_until(30 * SECOND, |lan| {
        people.iter().all(|one| people.iter().all(|other| one == other || lan.sees(*one, *other)))
    });
}

#[test]
fn who_quits_is_gone_at_once_and_who_is_killed_is_gone_after_the_lease() {
    let mut lan = Lan::seeded(2);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(10 * SECOND);
    lan.quit(bob);
    lan.run_for(Duration::from_millis(10));
    assert!(!lan.sees(ann, bob));
    lan.kill(cyd);
    lan.run_for(20 * SECOND);
    assert!(lan.sees(ann, cyd));
    lan.run_for(60 * SECOND);
    assert!(!lan.sees(ann, cyd));
    assert_eq!(lan.seen(ann)[2..], ["bob left", "cyd left"]);
}

#[test]
fn what_is_said_in_the_lobby_is_read_by_everybody() {
    let mut lan = Lan::seeded(3);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(SECOND);
    lan.say(ann, "tea?");
    lan.run_for(Duration::from_millis(20));
    for who in [ann, bob, cyd] {
        lan.assert_chat(who, "ann: tea?\n");
    }
}

#[test]
fn a_peer_cut_off_from_the_network_catches_up_when_it_returns() {
    let mut lan = Lan::seeded(7).loss_percent(20).latency_ms(1..30);
    let [ann, _bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(5 * SECOND);
    lan.cut_off(cyd);
    lan.say(ann, "tea?");
    lan.run_for(60 * SECOND);
    lan.assert_chat(cyd, "");
    lan.reconnect(cyd);
    lan.settle();
    lan.assert_chat(cyd, "ann: tea?\n");
}

#[test]
fn everything_said_under_loss_reaches_everybody_in_the_same_order() {
    for seed in 0..20 {
        let mut lan = Lan::seeded(seed).loss_percent(30).latency_ms(0..20);
        let people = lan.join(["ann", "bob", "cyd", "dan", "eve"]);
        lan.run_for(2 * SECOND);
        for n in 0..40 {
            lan.say(people[n % 5], &format!("message {n}"));
            lan.run_for(Duration::from_millis(150));
        }
        lan.settle();
        let first = lan.chat(people[0]);
        assert_eq!(first.lines().count(), 40, "seed {seed}");
        for who in people {
            lan.assert_chat(who, &first);
        }
    }
}

#[test]
fn nothing_that_was_said_is_lost_when_its_author_is_killed() {
    for seed in 0..20 {
        let mut lan = Lan::seeded(seed).loss_percent(30);
        let [ann, bob] = lan.join(["ann", "bob"]);
        lan.run_for(2 * SECOND);
        for n in 0..10 {
            lan.say(ann, &format!("{n}"));
            if n == 5 {
                lan.kill(ann);
                lan.start(ann);
            }
        }
        lan.kill(ann);
        lan.run_for(120 * SECOND);
        lan.start(ann);
        lan.settle();
        let everything: String = (0..10).map(|n| format!("ann: {n}\n")).collect();
        lan.assert_chat(bob, &everything);
        lan.assert_chat(ann, &everything);
    }
}

#[test]
fn a_latecomer_gets_the_whole_history_even_without_its_author() {
    let mut lan = Lan::seeded(9);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(2 * SECOND);
    for n in 0..500 {
        lan.say(ann, &format!("{n}"));
        lan.run_for(Duration::from_millis(20));
    }
    lan.settle();
    lan.quit(ann);
    let [cyd] = lan.join(["cyd"]);
    lan.run_until(10 * SECOND, |lan| lan.chat(cyd).lines().count() == 500);
    lan.assert_chat(cyd, &lan.chat(bob));
}

#[test]
fn a_message_too_long_for_a_datagram_arrives_too() {
    let mut lan = Lan::seeded(10).loss_percent(10);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(2 * SECOND);
    let long = "long ".repeat(2000);
    lan.say(ann, &long);
    lan.run_until(5 * SECOND, |lan| !lan.chat(bob).is_empty() && !lan.chat(cyd).is_empty());
    lan.assert_chat(bob, &format!("ann: {}\n", long.trim()));
}

#[test]
fn where_nothing_is_lost_nothing_is_said_twice() {
    let mut lan = Lan::seeded(24);
    let people = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(10 * SECOND);
    let mut data = 0;
    for n in 0..300 {
        if n == 200 {
            data = lan.spent.of(16..=16).0;
        }
        lan.say(people[n % 3], &format!("{n}"));
        lan.run_for(Duration::from_millis(500));
    }
    assert_eq!(lan.spent.of(16..=16).0 - data, 100, "each of the last hundred messages is one datagram");
}

#[test]
fn twenty_messages_at_once_go_by_multicast_and_two_hundred_are_fetched() {
    let mut lan = Lan::seeded(25);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(5 * SECOND);
    for n in 0..20 {
        lan.say(ann, &format!("{n}"));
    }
    lan.run_until(SECOND, |lan| lan.chat(bob).lines().count() == 20);
    assert_eq!(lan.dials, 0);
    for n in 20..220 {
        lan.say(ann, &format!("{n}"));
    }
    lan.run_until(5 * SECOND, |lan| lan.chat(bob).lines().count() == 220);
    assert!(lan.dials > 0, "the air does not carry so much");
}

#[test]
fn a_message_of_eight_kilobytes_needs_no_connection_as_a_rule() {
    let mut dials = 0;
    for seed in 0..20 {
        let mut lan = Lan::seeded(seed).loss_percent(20);
        let people = lan.join(["ann", "bob", "cyd", "dan"]);
        lan.run_for(2 * SECOND);
        let long = "long ".repeat(1638);
        lan.say(people[0], &long);
        lan.say_to(people[0], people[1], &long);
        lan.run_until(5 * SECOND, |lan| people.iter().all(|who| !lan.chat(*who).is_empty()));
        lan.run_for(5 * SECOND);
        dials += lan.dials;
        for who in people {
            lan.assert_chat(who, &format!("ann: {}\n", long.trim()));
        }
        let room = lan.converse(people[1], people[0]);
        assert_eq!(lan.chat_in(people[1], room).len(), long.len() + 5, "seed {seed}");
    }
    assert!(dials <= 4, "{dials} in twenty runs");
}

#[test]
fn a_direct_conversation_is_read_by_the_two_only() {
    let mut lan = Lan::seeded(11);
    let [ann, bob, eve] = lan.join(["ann", "bob", "eve"]);
    lan.run_for(2 * SECOND);
    lan.say_to(ann, bob, "only for you");
    lan.run_for(SECOND);
    let room = lan.converse(bob, ann);
    assert_eq!(lan.chat_in(bob, room), "ann: only for you\n");
    lan.say_to(bob, ann, "thanks");
    lan.settle();
    assert_eq!(lan.chat_in(ann, room), "ann: only for you\nbob: thanks\n");
    assert!(lan.node(eve).room(room).is_none());
    assert_eq!(lan.chat_in(eve, room), "");
}

#[test]
fn a_message_to_somebody_who_is_away_waits_for_them() {
    let mut lan = Lan::seeded(12);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(2 * SECOND);
    lan.quit(bob);
    lan.run_for(60 * SECOND);
    lan.say_to(ann, bob, "call me");
    lan.run_for(3600 * SECOND);
    lan.start(bob);
    let room = lan.converse(ann, bob);
    lan.run_until(5 * SECOND, |lan| lan.chat_in(bob, room) == "ann: call me\n");
}

#[test]
fn a_named_room_is_found_by_its_name() {
    let mut lan = Lan::seeded(13);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(2 * SECOND);
    let room = lan.join_room(ann, "#Design");
    assert_eq!(lan.join_room(bob, "design "), room);
    lan.say_in(ann, room, "new logo");
    lan.run_for(SECOND);
    assert_eq!(lan.chat_in(bob, room), "ann: new logo\n");
    assert_eq!(lan.chat_in(cyd, room), "");
    lan.join_room(cyd, "design");
    lan.run_until(3 * SECOND, |lan| lan.chat_in(cyd, room) == "ann: new logo\n");
}

#[test]
fn delivered_is_told_for_those_who_have_it_and_nobody_else() {
    let mut lan = Lan::seeded(14);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(10 * SECOND);
    lan.cut_off(cyd);
    lan.say(ann, "tea?");
    lan.run_for(30 * SECOND);
    let holders = |lan: &Lan| {
        let room = lan.node(ann).room(lan.lobby()).unwrap();
        room.holders_of(room.own_log(), lanyard_proto::model::Seq(1))
    };
    assert_eq!(holders(&lan), [lan.id(bob)]);
    lan.reconnect(cyd);
    lan.settle();
    assert_eq!(holders(&lan).len(), 2);
}

#[test]
fn two_whom_multicast_does_not_reach_talk_over_a_link() {
    let mut lan = Lan::seeded(15);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.deafen(cyd);
    lan.link(cyd, ann);
    lan.run_for(2 * SECOND);
    assert!(lan.sees(ann, cyd) && lan.sees(cyd, ann));
    lan.say(cyd, "can you hear me?");
    lan.run_for(SECOND);
    lan.say(bob, "yes");
    lan.run_for(SECOND);
    for who in [ann, bob, cyd] {
        lan.assert_chat(who, "cyd: can you hear me?\nbob: yes\n");
    }
    lan.run_for(300 * SECOND);
    assert!(lan.sees(ann, cyd) && lan.sees(cyd, ann));
}

#[test]
fn a_gap_that_nobody_can_fill_costs_little_and_ends_when_its_author_returns() {
    let mut lan = Lan::seeded(21).loss_percent(60);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(5 * SECOND);
    // Bob hears of what he misses, and then there is nobody left to ask.
    for n in 0..30 {
        lan.say(ann, &format!("{n}"));
    }
    lan.run_for(Duration::from_millis(5));
    lan.kill(ann);
    lan.run_for(600 * SECOND);
    let before = lan.datagrams;
    lan.run_for(600 * SECOND);
    assert!(lan.datagrams - before < 100, "{} datagrams in ten minutes", lan.datagrams - before);
    lan.start(ann);
    lan.settle();
    assert_eq!(lan.chat(bob).lines().count(), 30);
}

#[test]
fn a_conversation_that_was_only_opened_is_nobody_elses_business() {
    let mut lan = Lan::seeded(22);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(2 * SECOND);
    let room = lan.converse(ann, bob);
    lan.run_for(20 * SECOND);
    assert!(lan.node(bob).room(room).is_none());
}

#[test]
fn a_file_is_delivered_when_the_receiver_says_so() {
    let mut lan = Lan::seeded(16);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(2 * SECOND);
    let transfer = lan.offer_to(ann, bob, "plan.pdf");
    lan.run_for(SECOND);
    assert_eq!(lan.transfer_state(bob, transfer), Some(TransferState::Offered));
    lan.command(bob, |node, now| node.accept(transfer, now).unwrap());
    lan.run_for(2 * SECOND);
    assert_eq!(lan.transfer_state(bob, transfer), Some(TransferState::Done));
    assert_eq!(lan.transfer_state(ann, transfer), Some(TransferState::Done));
}

#[test]
fn an_accepted_file_waits_for_its_holder_and_survives_restarts() {
    let mut lan = Lan::seeded(17);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(2 * SECOND);
    let transfer = lan.offer_to(ann, bob, "plan.pdf");
    lan.run_for(SECOND);
    lan.quit(ann);
    lan.run_for(SECOND);
    lan.command(bob, |node, now| node.accept(transfer, now).unwrap());
    lan.run_for(60 * SECOND);
    assert_eq!(lan.transfer_state(bob, transfer), Some(TransferState::Waiting));
    lan.kill(bob);
    lan.start(bob);
    lan.start(ann);
    lan.run_until(10 * SECOND, |lan| lan.transfer_state(ann, transfer) == Some(TransferState::Done));
}

#[test]
fn a_declined_offer_is_known_to_who_made_it() {
    let mut lan = Lan::seeded(18);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(2 * SECOND);
    let transfer = lan.offer_to(ann, bob, "plan.pdf");
    lan.run_for(SECOND);
    lan.command(bob, |node, now| node.decline(transfer, now).unwrap());
    lan.run_for(SECOND);
    assert_eq!(lan.transfer_state(ann, transfer), Some(TransferState::Declined));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut lan = Lan::seeded(seed).loss_percent(30).latency_ms(0..20);
        let people = lan.join(["ann", "bob", "cyd"]);
        for n in 0..20 {
            lan.say(people[n % 3], &format!("{n}"));
            lan.run_for(Duration::from_millis(100));
        }
        lan.settle();
        (lan.datagrams, lan.datagram_bytes, lan.chat(people[0]))
    };
    assert_eq!(run(42), run(42));
    assert_ne!(run(42), run(43));
}

#[test]
fn somebody_whose_clock_is_years_off_is_read_by_everybody() {
    let mut lan = Lan::seeded(19);
    let [ann, bob] = lan.join(["ann", "bob"]);
    let year = 365 * 24 * 3_600_000i64;
    let future = lan.join_one("future", 10 * year);
    let past = lan.join_one("past", -10 * year);
    lan.run_for(2 * SECOND);
    lan.say(future, "hello from 2036");
    lan.say(past, "hello from 2016");
    lan.run_for(SECOND);
    lan.say(ann, "what year is it?");
    lan.settle();
    assert_eq!(lan.chat(ann), lan.chat(bob));
    for who in [ann, bob, future, past] {
        assert_eq!(lan.chat(who).lines().count(), 3);
    }
    assert!(lan.chat(ann).ends_with("ann: what year is it?\n"));
}

#[test]
fn who_came_first_over_a_link_sees_those_who_come_later_and_goes_on_to() {
    let mut lan = Lan::seeded(66);
    let [hub] = lan.join(["hub"]);
    lan.deafen(hub);
    let mut people = Vec::new();
    for name in ["one", "two", "three"] {
        let [who] = lan.join([name]);
        lan.deafen(who);
        lan.link(who, hub);
        people.push(who);
        lan.run_for(2 * SECOND);
    }
    let all_see = |lan: &Lan| {
        people.iter().all(|one| people.iter().all(|other| one == other || lan.sees(*one, *other)))
    };
    lan.run_until(5 * SECOND, all_see);
    for _ in 0..30 {
        lan.run_for(10 * SECOND);
        assert!(all_see(&lan));
    }
    // Over two more, who are no hubs.
    let [far] = lan.join(["far"]);
    lan.deafen(far);
    lan.link(far, people[2]);
    lan.run_until(40 * SECOND, |lan| lan.sees(people[0], far) && lan.sees(far, people[0]));
    // What is for two of them alone, or for few, passes over nobody else's link.
    let before = lan.connections();
    let between = lan.converse(people[0], far);
    lan.say_in(people[0], between, "hello far");
    lan.run_until(20 * SECOND, |lan| lan.chat_in(far, between) == "one: hello far\n");
    lan.say_in(far, between, "hello one");
    lan.run_until(20 * SECOND, |lan| lan.chat_in(people[0], between).ends_with("far: hello one\n"));
    // Once they talk, no word waits for another dial.
    let dials = lan.dials;
    for n in 0..30 {
        lan.say_in(people[0], between, &format!("{n}"));
        lan.run_until(SECOND, |lan| lan.chat_in(far, between).ends_with(&format!("one: {n}\n")));
        lan.run_for(3 * SECOND);
    }
    assert!(lan.dials - dials < 4, "{}", lan.dials - dials);
    let board = lan.create_room(people[1], "Board");
    lan.add_member(people[1], board, far);
    lan.run_until(20 * SECOND, |lan| lan.membership(far, board) == Some(Membership::Member));
    lan.say_in(people[1], board, "hello");
    lan.run_until(20 * SECOND, |lan| lan.chat_in(far, board) == "two: hello\n");
    // And then there is quiet.
    lan.run_for(150 * SECOND);
    assert_eq!(lan.connections(), before);
    let dials = lan.dials;
    lan.run_for(600 * SECOND);
    assert!(lan.dials - dials < 4, "{}", lan.dials - dials);
    lan.quit(far);
    lan.run_until(60 * SECOND, |lan| !lan.sees(people[0], far));
}

#[test]
fn replayed_and_forged_datagrams_change_nothing() {
    let mut lan = Lan::seeded(20);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(2 * SECOND);
    let bye = {
        let mut bytes = Vec::new();
        lan.command(bob, |node, _| {
            let effects = node.goodbye();
            if let Some(lanyard_proto::effects::Transmit::Multicast { bytes: bye, .. }) = effects.send.first()
            {
                bytes.clone_from(bye);
            }
            Default::default()
        });
        bytes
    };
    let mut forged = bye.clone();
    forged[70] ^= 1;
    lan.inject(ann, bob, forged);
    lan.inject(ann, bob, vec![0; 1500]);
    lan.inject(ann, bob, b"LNY1".to_vec());
    lan.run_for(Duration::from_millis(10));
    assert!(lan.sees(ann, bob), "a forged goodbye is not believed");
    lan.inject(ann, bob, bye.clone());
    lan.run_for(Duration::from_millis(10));
    assert!(!lan.sees(ann, bob), "the genuine one is");
    lan.run_for(20 * SECOND);
    assert!(lan.sees(ann, bob), "he still announces himself");
    lan.inject(ann, bob, bye);
    lan.run_for(Duration::from_millis(10));
    assert!(lan.sees(ann, bob), "a goodbye counts once");
    assert!(lan.node(ann).dropped().map(|(_, count)| count).sum::<u64>() >= 4);
}

#[test]
fn what_nobody_has_any_more_is_missed_in_peace() {
    let mut lan = Lan::seeded(21);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(10 * SECOND);
    for away in [bob, cyd] {
        lan.cut_off(away);
    }
    lan.say(ann, "one");
    lan.run_for(30 * SECOND);
    for away in [bob, cyd] {
        lan.reconnect(away);
    }
    lan.say(ann, "two");
    lan.run_for(Duration::from_millis(2));
    lan.kill(ann);
    let before = lan.dials;
    lan.run_for(1200 * SECOND);
    assert_eq!(lan.chat(bob), "", "the second waits for the first");
    assert!(lan.dials - before < 150, "{} dials in twenty minutes", lan.dials - before);
    lan.start(ann);
    lan.run_until(10 * SECOND, |lan| [bob, cyd].iter().all(|who| lan.chat(*who) == "ann: one\nann: two\n"));
}

#[test]
fn a_room_is_found_though_every_greeting_is_lost() {
    let mut lan = Lan::seeded(22);
    let [ann, bob] = lan.join(["ann", "bob"]);
    let room = lan.join_room(ann, "design");
    lan.say_in(ann, room, "new logo");
    // Until nobody speaks of it any more.
    lan.run_for(1200 * SECOND);
    lan.set_loss_percent(100);
    lan.join_room(bob, "design");
    lan.run_for(SECOND);
    lan.set_loss_percent(0);
    lan.run_until(60 * SECOND, |lan| lan.chat_in(bob, room) == "ann: new logo\n");
}

#[test]
fn nobody_keeps_a_connection_without_a_use() {
    for seed in 0..20 {
        let mut lan = Lan::seeded(seed);
        let [ann, bob] = lan.join(["ann", "bob"]);
        lan.run_for(2 * SECOND);
        for away in [ann, bob] {
            lan.cut_off(away);
        }
        for n in 0..100 {
            lan.say(ann, &format!("{n}"));
            lan.say(bob, &format!("{n}"));
        }
        for away in [ann, bob] {
            lan.reconnect(away);
        }
        lan.settle();
        assert_eq!(lan.chat(ann).lines().count(), 200);
        assert_eq!(lan.connections(), 0, "seed {seed}");
    }
}
