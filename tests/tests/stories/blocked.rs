//! Nobody hears or answers whom a person blocked, and yet all logs stay equal.

use lanyard_proto::effects::Trust;
use lanyard_proto::rooms::direct_room_id;
use lanyard_tests::sim::{Lan, Who};

use super::SECOND;

fn decide(lan: &mut Lan, who: Who, whom: Who, trust: Trust) {
    let whom = lan.id(whom);
    lan.command(who, |node, now| node.set_trust(whom, trust, now).expect("it is somebody else"));
}

#[test]
fn whoever_is_blocked_is_gone_at_once_and_what_they_say_in_rooms_comes_by_way_of_others() {
    for seed in 0..10 {
        let mut lan = Lan::seeded(seed).loss_percent(10);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        lan.run_until(10 * SECOND, |lan| lan.sees(ann, bob) && lan.sees(ann, cyd) && lan.sees(bob, cyd));
        decide(&mut lan, ann, bob, Trust::Blocked);
        assert!(!lan.sees(ann, bob), "he is gone");
        lan.say(bob, "do you hear me?");
        lan.run_until(300 * SECOND, |lan| lan.chat(ann) == "bob: do you hear me?\n");
        lan.say(cyd, "she does not answer");
        lan.settle();
        let everything = lan.chat(cyd);
        assert_eq!(everything.lines().count(), 2);
        for who in [ann, bob, cyd] {
            lan.assert_chat(who, &everything);
        }
        assert!(!lan.sees(ann, bob), "nothing of his brought him back");
    }
}

#[test]
fn no_direct_message_offer_or_mail_of_somebody_blocked_is_taken_until_they_are_not_blocked_any_more() {
    let mut lan = Lan::seeded(3);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_until(10 * SECOND, |lan| lan.sees(ann, bob) && lan.sees(bob, ann) && lan.sees(cyd, ann));
    decide(&mut lan, ann, bob, Trust::Blocked);
    lan.say_to(bob, ann, "psst");
    let in_lobby = lan.lobby();
    let offered = lan.offer_in(bob, in_lobby, "present.zip");
    lan.run_until(60 * SECOND, |lan| lan.transfer_state(cyd, offered).is_some());
    lan.settle();
    let between = direct_room_id(lan.id(ann), lan.id(bob));
    assert!(lan.node(ann).room(between).is_none(), "no conversation begins");
    assert_eq!(lan.transfer_state(ann, offered), None);
    assert_eq!(lan.chat(ann), lan.chat(cyd), "the entry is here all the same");
    // What she offers is not for him either.
    let hers = lan.offer_in(ann, in_lobby, "plan.pdf");
    assert!(!lan.node(ann).may_fetch(hers, lan.id(bob)));
    assert!(lan.node(ann).may_fetch(hers, lan.id(cyd)));

    // It lasts.
    lan.quit(ann);
    lan.start(ann);
    lan.run_for(60 * SECOND);
    assert!(!lan.sees(ann, bob));
    decide(&mut lan, ann, bob, Trust::Pinned);
    lan.run_until(600 * SECOND, |lan| lan.sees(ann, bob) && lan.node(ann).room(between).is_some());
    lan.settle();
    assert_eq!(lan.chat_in(ann, between), "bob: psst\n");
}

#[test]
fn nothing_more_is_fetched_from_whoever_is_blocked_and_they_are_not_told_why() {
    let mut lan = Lan::seeded(4);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_until(10 * SECOND, |lan| lan.sees(ann, bob) && lan.sees(bob, ann));
    let offered = lan.offer_to(bob, ann, "present.zip");
    lan.run_until(10 * SECOND, |lan| lan.transfer_state(ann, offered).is_some());
    lan.command(ann, |node, now| node.accept(offered, now).expect("it is offered"));
    decide(&mut lan, ann, bob, Trust::Blocked);
    assert_eq!(lan.transfer_state(ann, offered), Some(lanyard_proto::transfer::TransferState::Cancelled));
    lan.run_for(120 * SECOND);
    let receipts = lan.node(bob).transfer(offered).map(|record| record.receipts.len());
    assert_eq!(receipts, Some(0), "no word of it was written");
}
