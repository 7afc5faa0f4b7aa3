//! Stories about private rooms: who comes in and how, who reads what, and what others learn of it.

#[path = "private/hostile.rs"]
mod hostile;
#[path = "private/planted.rs"]
mod planted;
#[path = "private/retention.rs"]
mod retention;

use std::collections::BTreeSet;
use std::time::Duration;

use lanyard_proto::model::{Now, UnixMillis};
use lanyard_proto::node::{Membership, Refusal};
use lanyard_proto::rooms::{Role, Why};
use lanyard_proto::transfer::{Failure, TransferState};
use lanyard_proto::wire::door::Door;
use lanyard_proto::wire::frame::{Frame, Have};
use lanyard_tests::sim::{Lan, Who};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn what_is_said_in_a_private_room_is_read_by_its_members_only() {
    let mut lan = Lan::seeded(1).loss_percent(10);
    let [ann, bob, eve] = lan.join(["ann", "bob", "eve"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    lan.say_in(ann, room, "before you came");
    lan.add_member(ann, room, bob);
    lan.run_until(10 * SECOND, |lan| lan.membership(bob, room) == Some(Membership::Member));
    lan.run_until(20 * SECOND, |lan| lan.chat_in(bob, room) == "ann: before you came\n");
    lan.say_in(bob, room, "hello");
    lan.settle();
    assert_eq!(lan.chat_in(ann, room), "ann: before you came\nbob: hello\n");
    assert_eq!(lan.chat_in(bob, room), lan.chat_in(ann, room));
    assert_eq!(lan.node(bob).room(room).unwrap().record().name, "Board");
    assert!(lan.node(eve).room(room).is_none());
    assert_eq!(lan.agreed_members(room, &[ann, bob]), ["ann", "bob"]);
}

#[test]
fn whoever_has_an_invite_comes_in_and_reads_what_was_said_before() {
    for seed in 0..20 {
        let mut lan = Lan::seeded(seed).loss_percent(20).latency_ms(1..20);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        lan.run_for(2 * SECOND);
        let room = lan.create_room(ann, "Board");
        lan.say_in(ann, room, "one");
        let invite = lan.invite(ann, room, 1);
        lan.use_invite(bob, &invite);
        assert_eq!(lan.membership(bob, room), Some(Membership::Joining));
        lan.run_until(30 * SECOND, |lan| lan.membership(bob, room) == Some(Membership::Member));
        lan.say_in(bob, room, "two");
        lan.use_invite(cyd, &invite);
        lan.run_until(60 * SECOND, |lan| lan.chat_in(cyd, room) == "ann: one\nbob: two\n");
        lan.settle();
        assert_eq!(lan.agreed_members(room, &[ann, bob, cyd]), ["ann", "bob", "cyd"]);
        assert_eq!(lan.chat_in(ann, room), "ann: one\nbob: two\n");
    }
}

#[test]
fn what_is_offered_in_a_room_is_for_those_who_are_in_it_when_they_ask() {
    let mut lan = Lan::seeded(40);
    let [ann, bob, cyd, dan] = lan.join(["ann", "bob", "cyd", "dan"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    for peer in [bob, cyd] {
        lan.add_member(ann, room, peer);
    }
    lan.run_for(10 * SECOND);
    lan.appoint(ann, room, bob, true);
    let plan = lan.offer_in(cyd, room, "plan.pdf");
    lan.settle();
    let may = |lan: &Lan, who: Who| lan.node(cyd).may_fetch(plan, lan.id(who));
    assert!(may(&lan, ann) && may(&lan, bob) && !may(&lan, dan), "dan is not in yet");

    // Cyd, who offers, is away while one is put out and another let in.
    lan.move_to_segment(cyd, 1);
    lan.remove_member(ann, room, bob);
    lan.add_member(ann, room, dan);
    lan.run_for(20 * SECOND);
    lan.kill(cyd);
    lan.start(cyd);
    assert!(may(&lan, bob), "what cyd has not heard she cannot know, and a restart tells her nothing");
    lan.move_to_segment(cyd, 0);
    lan.run_until(60 * SECOND, |lan| !may(lan, bob) && may(lan, dan));
    lan.run_until(60 * SECOND, |lan| lan.node(dan).transfer(plan).is_some());
    lan.command(dan, |node, now| node.accept(plan, now).unwrap());
    lan.command(bob, |node, now| node.accept(plan, now).unwrap());
    lan.settle();
    let state = |lan: &Lan, who: Who| lan.node(who).transfer(plan).unwrap().state;
    assert_eq!(state(&lan, dan), TransferState::Done);
    assert_eq!(state(&lan, bob), TransferState::Failed(Failure::Refused));
    lan.kill(cyd);
    lan.start(cyd);
    assert!(!may(&lan, bob) && may(&lan, dan), "as before, after a restart");
}

#[test]
fn a_member_lets_somebody_in_while_the_inviter_is_away() {
    let mut lan = Lan::seeded(2);
    let [ann, bob, cyd, eve] = lan.join(["ann", "bob", "cyd", "eve"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    lan.add_member(ann, room, bob);
    lan.run_for(5 * SECOND);
    let invite = lan.invite(ann, room, 1);
    lan.run_for(5 * SECOND);
    lan.quit(ann);
    lan.use_invite(cyd, &invite);
    // Eve may be asked, too; she knows nothing and says so.
    lan.run_until(30 * SECOND, |lan| lan.membership(cyd, room) == Some(Membership::Member));
    lan.say_in(cyd, room, "I am in");
    lan.start(ann);
    lan.settle();
    assert_eq!(lan.agreed_members(room, &[ann, bob, cyd]), ["ann", "bob", "cyd"]);
    assert_eq!(lan.chat_in(ann, room), "cyd: I am in\n");
    assert!(lan.node(eve).room(room).is_none());
}

#[test]
fn whoever_waits_to_be_let_in_goes_on_waiting_after_a_restart() {
    let mut lan = Lan::seeded(3);
    let [ann, bob, _eve] = lan.join(["ann", "bob", "eve"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    let invite = lan.invite(ann, room, 48);
    lan.quit(ann);
    lan.use_invite(bob, &invite);
    lan.run_for(60 * SECOND);
    assert_eq!(lan.membership(bob, room), Some(Membership::Joining));
    lan.kill(bob);
    lan.start(bob);
    lan.run_for(3600 * SECOND);
    assert_eq!(lan.membership(bob, room), Some(Membership::Joining));
    assert_eq!(lan.refused(bob, room), Some(Refusal::NotMember));
    lan.start(ann);
    lan.run_until(10 * SECOND, |lan| lan.membership(bob, room) == Some(Membership::Member));
}

#[test]
fn an_invite_that_ended_or_was_revoked_lets_nobody_in() {
    let mut lan = Lan::seeded(4);
    let [ann, bob, cyd, dan] = lan.join(["ann", "bob", "cyd", "dan"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    lan.add_member(ann, room, dan);
    lan.run_for(5 * SECOND);
    let [short, revoked] = [1, 1000].map(|hours| lan.invite(ann, room, hours));
    lan.run_for(2 * 3600 * SECOND);
    lan.revoke(ann, &revoked);
    lan.run_for(5 * SECOND);
    // The clock of whoever comes proves nothing: dan, who is asked while ann is away, goes by his own.
    lan.quit(ann);
    lan.use_invite(cyd, &revoked);
    lan.run_until(20 * SECOND, |lan| lan.membership(cyd, room) == Some(Membership::Refused(Why::Revoked)));
    lan.use_invite(bob, &short);
    lan.run_until(20 * SECOND, |lan| lan.membership(bob, room) == Some(Membership::Refused(Why::Expired)));
    lan.start(ann);
    lan.settle();
    assert_eq!(lan.agreed_members(room, &[ann, dan]), ["ann", "dan"]);
    // Another invite is another matter.
    let good = lan.invite(ann, room, 1);
    lan.use_invite(cyd, &good);
    lan.run_until(20 * SECOND, |lan| lan.membership(cyd, room) == Some(Membership::Member));
}

#[test]
fn whoever_is_put_out_reads_what_came_before_and_nothing_after() {
    for seed in 0..20 {
        let mut lan = Lan::seeded(seed).loss_percent(15);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        lan.run_for(2 * SECOND);
        let room = lan.create_room(ann, "Board");
        for peer in [bob, cyd] {
            lan.add_member(ann, room, peer);
        }
        lan.run_for(20 * SECOND);
        lan.say_in(ann, room, "all of us");
        lan.settle();
        lan.remove_member(ann, room, cyd);
        lan.say_in(ann, room, "the two of us");
        lan.run_until(60 * SECOND, |lan| lan.chat_in(bob, room).contains("the two of us"));
        lan.say_in(bob, room, "yes");
        lan.settle();
        assert_eq!(lan.chat_in(cyd, room), "ann: all of us\n");
        assert_eq!(lan.membership(cyd, room), Some(Membership::Removed), "seed {seed}");
        assert_eq!(lan.refused(cyd, room), Some(Refusal::NotMember));
        assert_eq!(lan.agreed_members(room, &[ann, bob]), ["ann", "bob"]);
        assert_eq!(lan.chat_in(bob, room), "ann: all of us\nann: the two of us\nbob: yes\n");
        // And comes back, when somebody wants it.
        lan.add_member(ann, room, cyd);
        lan.settle();
        assert_eq!(lan.chat_in(cyd, room), lan.chat_in(ann, room), "seed {seed}");
    }
}

#[test]
fn two_halves_of_a_network_let_in_and_put_out_and_agree_in_the_end() {
    for seed in 0..20 {
        let mut lan = Lan::seeded(seed).loss_percent(5);
        let [ann, bob, cyd, dan, eve, fay] = lan.join(["ann", "bob", "cyd", "dan", "eve", "fay"]);
        lan.run_for(5 * SECOND);
        let room = lan.create_room(ann, "Board");
        for peer in [bob, cyd, dan] {
            lan.add_member(ann, room, peer);
        }
        lan.appoint(ann, room, bob, true);
        lan.run_for(30 * SECOND);
        for who in [bob, dan, fay] {
            lan.move_to_segment(who, 1);
        }
        lan.run_for(120 * SECOND);
        lan.remove_member(ann, room, dan);
        lan.add_member(ann, room, eve);
        lan.remove_member(bob, room, cyd);
        lan.add_member(bob, room, fay);
        lan.run_for(30 * SECOND);
        lan.say_in(ann, room, "here");
        lan.say_in(bob, room, "there");
        lan.say_in(fay, room, "me too");
        lan.run_for(60 * SECOND);
        for who in [bob, dan, fay] {
            lan.move_to_segment(who, 0);
        }
        lan.settle();
        lan.settle();
        let inside = [ann, bob, eve, fay];
        assert_eq!(lan.agreed_members(room, &inside), ["ann", "bob", "eve", "fay"], "seed {seed}");
        lan.say_in(ann, room, "all again");
        lan.settle();
        let chat = lan.chat_in(ann, room);
        assert_eq!(chat.lines().count(), 4, "seed {seed}: {chat}");
        for who in inside {
            assert_eq!(lan.chat_in(who, room), chat, "seed {seed}");
        }
        for who in [cyd, dan] {
            assert_eq!(lan.membership(who, room), Some(Membership::Removed), "seed {seed}");
            assert!(!lan.chat_in(who, room).contains("all again"), "seed {seed}");
        }
    }
}

#[test]
fn whoever_missed_two_renewals_reads_everything_afterwards() {
    for seed in 0..10 {
        let mut lan = Lan::seeded(seed).loss_percent(10);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        lan.run_for(2 * SECOND);
        let room = lan.create_room(ann, "Board");
        for peer in [bob, cyd] {
            lan.add_member(ann, room, peer);
        }
        lan.run_for(30 * SECOND);
        lan.quit(cyd);
        for n in 0..2 {
            lan.renew_keys(ann, room);
            lan.run_for(30 * SECOND);
            lan.say_in(bob, room, &format!("{n}"));
            lan.run_for(600 * SECOND);
        }
        lan.quit(ann);
        lan.start(cyd);
        lan.run_until(60 * SECOND, |lan| lan.chat_in(cyd, room) == "bob: 0\nbob: 1\n");
        lan.say_in(cyd, room, "back");
        lan.run_until(60 * SECOND, |lan| lan.chat_in(bob, room).ends_with("cyd: back\n"));
    }
}

#[test]
fn a_key_that_nobody_got_before_its_maker_died_locks_nobody_out() {
    for back in [true, false] {
        let mut lan = Lan::seeded(11);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        let crowd: Vec<Who> = (0..12).map(|n| lan.join_one(&format!("p{n}"), 0)).collect();
        lan.run_for(5 * SECOND);
        let room = lan.create_room(ann, "Board");
        for peer in [bob, cyd].iter().chain(&crowd) {
            lan.add_member(ann, room, *peer);
        }
        lan.appoint(ann, room, bob, true);
        lan.run_for(60 * SECOND);
        // The removal fits a datagram, the keys for fourteen do not: they would be fetched.
        lan.remove_member(ann, room, cyd);
        lan.run_for(Duration::from_millis(3));
        lan.kill(ann);
        lan.run_for(Duration::from_millis(50));
        let heard = |lan: &Lan| lan.role(bob, room, cyd).is_none();
        assert!(heard(&lan), "the removal came");
        if back {
            lan.start(ann);
        }
        lan.run_for(120 * SECOND);
        lan.say_in(bob, room, "without cyd");
        lan.run_for(60 * SECOND);
        if !back {
            lan.start(ann);
        }
        lan.settle();
        lan.say_in(ann, room, "all of us");
        lan.settle();
        for who in [ann, bob].iter().chain(&crowd) {
            assert_eq!(lan.chat_in(*who, room), "bob: without cyd\nann: all of us\n", "back: {back}");
        }
        assert_eq!(lan.chat_in(cyd, room), "");
        assert_eq!(lan.membership(cyd, room), Some(Membership::Removed));
    }
}

#[test]
fn whoever_leaves_is_gone_for_the_others_and_the_keys_change() {
    let mut lan = Lan::seeded(12).loss_percent(10);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    for peer in [bob, cyd] {
        lan.add_member(ann, room, peer);
    }
    lan.run_for(30 * SECOND);
    lan.say_in(cyd, room, "bye");
    lan.leave(cyd, room);
    assert!(lan.node(cyd).room(room).is_none(), "for the one who left it is gone at once");
    lan.run_for(30 * SECOND);
    assert!(lan.entries_in(cyd, room).is_empty(), "and soon from disk");
    assert_eq!(lan.agreed_members(room, &[ann, bob]), ["ann", "bob"]);
    lan.say_in(ann, room, "just us");
    lan.settle();
    assert_eq!(lan.chat_in(bob, room), "cyd: bye\nann: just us\n");
    let newest = lan.entries_in(bob, room).last().unwrap().header.epoch;
    assert_eq!(newest, 1);
    // And can be let in again.
    lan.add_member(ann, room, cyd);
    lan.settle();
    assert_eq!(lan.chat_in(cyd, room), lan.chat_in(ann, room));
}

#[test]
fn whoever_leaves_while_alone_forgets_the_room_all_the_same() {
    let mut lan = Lan::seeded(13);
    let [ann] = lan.join(["ann"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    lan.leave(ann, room);
    lan.kill(ann);
    lan.start(ann);
    assert!(lan.node(ann).room(room).is_none());
    lan.run_for(15 * SECOND);
    assert!(lan.entries_in(ann, room).is_empty());
}

#[test]
fn what_was_said_before_leaving_arrives_and_so_does_the_word_that_somebody_left() {
    for restarted in [false, true] {
        let mut lan = Lan::seeded(14).loss_percent(10);
        let [ann, bob] = lan.join(["ann", "bob"]);
        lan.run_for(2 * SECOND);
        let room = lan.create_room(bob, "Solo");
        lan.add_member(bob, room, ann);
        lan.run_for(20 * SECOND);
        lan.say_in(ann, room, "secret of ann");
        lan.run_for(20 * SECOND);
        lan.cut_off(bob);
        assert_eq!(lan.node(bob).undelivered(room), 0);
        assert!(lan.node(bob).is_last_admin(room));
        lan.say_in(bob, room, "one last thing");
        assert_eq!(lan.node(bob).undelivered(room), 1);
        lan.leave(bob, room);
        assert!(lan.node(bob).room(room).is_none());
        assert!(!lan.chat_in(bob, room).contains("secret of ann"), "the rest is given up at once");
        lan.run_for(DAY);
        if restarted {
            lan.kill(bob);
            // A clock that is wrong for a start ends nothing.
            lan.set_clock(bob, 365 * 24 * 3_600_000);
            lan.start(bob);
            lan.run_for(60 * SECOND);
            lan.kill(bob);
            lan.set_clock(bob, 0);
            lan.start(bob);
        }
        lan.reconnect(bob);
        lan.run_until(30 * SECOND, |lan| lan.members(ann, room) == ["ann"]);
        assert!(lan.chat_in(ann, room).ends_with("bob: one last thing\n"));
        lan.run_until(30 * SECOND, |lan| lan.entries_in(bob, room).is_empty());
    }
}

#[test]
fn what_nobody_ever_asks_for_is_kept_for_thirty_days_after_leaving() {
    let mut lan = Lan::seeded(15);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(bob, "Solo");
    lan.add_member(bob, room, ann);
    lan.run_for(20 * SECOND);
    lan.kill(ann);
    lan.leave(bob, room);
    lan.run_for(29 * DAY);
    assert!(!lan.entries_in(bob, room).is_empty());
    lan.run_for(2 * DAY);
    assert!(lan.entries_in(bob, room).is_empty());
}

#[test]
fn keys_are_renewed_after_thirty_days() {
    let mut lan = Lan::seeded(14);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    lan.add_member(ann, room, bob);
    lan.appoint(ann, room, bob, true);
    lan.run_for(30 * SECOND);
    let epoch = |lan: &Lan, who| {
        let entries = lan.entries_in(who, room);
        entries.iter().map(|entry| entry.header.epoch).max()
    };
    lan.kill(ann);
    lan.kill(bob);
    lan.run_for(29 * DAY);
    lan.start(bob);
    lan.run_for(3600 * SECOND);
    lan.say_in(bob, room, "not yet");
    assert_eq!(epoch(&lan, bob), Some(0));
    lan.kill(bob);
    lan.run_for(DAY);
    lan.start(bob);
    lan.run_for(1800 * SECOND);
    lan.say_in(bob, room, "now");
    assert_eq!(epoch(&lan, bob), Some(1));
    lan.start(ann);
    lan.settle();
    assert_eq!(lan.chat_in(ann, room), "bob: not yet\nbob: now\n");
}

#[test]
fn clocks_that_are_hours_wrong_keep_nobody_out() {
    for skews in [[3 * 3_600_000, 0, 0], [0, -3 * 3_600_000, 0], [0, 0, 5 * 3_600_000]] {
        let mut lan = Lan::seeded(15);
        let [ann, bob, cyd] =
            [("ann", 0), ("bob", 1), ("cyd", 2)].map(|(name, n)| lan.join_one(name, skews[n]));
        lan.run_for(5 * SECOND);
        let room = lan.create_room(ann, "Board");
        lan.add_member(ann, room, bob);
        lan.appoint(ann, room, bob, true);
        lan.run_for(30 * SECOND);
        lan.add_member(bob, room, cyd);
        lan.run_for(30 * SECOND);
        lan.say_in(cyd, room, "here");
        lan.settle();
        assert_eq!(lan.agreed_members(room, &[ann, bob, cyd]), ["ann", "bob", "cyd"]);
        assert_eq!(lan.chat_in(ann, room), "cyd: here\n");
        assert_eq!(lan.role(cyd, room, bob), Some(Role::Admin));
    }
}

#[test]
fn a_private_room_works_over_links_where_multicast_does_not() {
    let mut lan = Lan::seeded(16);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    for who in [ann, bob, cyd] {
        lan.deafen(who);
    }
    lan.link(bob, ann);
    lan.link(cyd, ann);
    lan.run_for(5 * SECOND);
    let room = lan.create_room(ann, "Board");
    lan.add_member(ann, room, bob);
    let invite = lan.invite(ann, room, 1);
    lan.use_invite(cyd, &invite);
    lan.run_for(30 * SECOND);
    lan.say_in(bob, room, "over the wire");
    lan.run_for(30 * SECOND);
    assert_eq!(lan.chat_in(cyd, room), "bob: over the wire\n");
    lan.remove_member(ann, room, cyd);
    lan.say_in(ann, room, "without cyd");
    lan.run_for(30 * SECOND);
    assert_eq!(lan.chat_in(bob, room), "bob: over the wire\nann: without cyd\n");
    assert_eq!(lan.chat_in(cyd, room), "bob: over the wire\n");
    assert_eq!(lan.membership(cyd, room), Some(Membership::Removed));
}

#[test]
fn a_member_whom_nobody_here_knows_is_believed_by_what_others_signed() {
    for seed in 0..10 {
        let mut lan = Lan::seeded(seed).loss_percent(10);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        lan.run_for(2 * SECOND);
        let room = lan.create_room(ann, "Board");
        lan.add_member(ann, room, bob);
        lan.run_for(20 * SECOND);
        lan.quit(bob);
        lan.add_member(ann, room, cyd);
        lan.run_for(30 * SECOND);
        lan.quit(ann);
        // Bob has never heard of cyd, and ann, who let cyd in, is away.
        lan.start(bob);
        lan.say_in(cyd, room, "hello bob");
        lan.run_until(60 * SECOND, |lan| lan.chat_in(bob, room) == "cyd: hello bob\n");
        assert_eq!(lan.agreed_members(room, &[bob, cyd]), ["ann", "bob", "cyd"]);
    }
}

#[test]
fn who_was_put_out_and_let_in_again_is_heard_by_whoever_missed_that() {
    for seed in 0..10 {
        let mut lan = Lan::seeded(seed).loss_percent(10);
        let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
        lan.run_for(2 * SECOND);
        let room = lan.create_room(ann, "Board");
        for peer in [bob, cyd] {
            lan.add_member(ann, room, peer);
        }
        lan.run_for(20 * SECOND);
        lan.remove_member(ann, room, cyd);
        lan.run_until(60 * SECOND, |lan| lan.members(bob, room) == ["ann", "bob"]);
        lan.run_for(20 * SECOND);
        lan.quit(bob);
        lan.say_in(ann, room, "while you are away");
        lan.add_member(ann, room, cyd);
        lan.run_until(60 * SECOND, |lan| lan.chat_in(cyd, room) == "ann: while you are away\n");
        lan.run_for(15 * SECOND);
        lan.quit(ann);
        lan.start(bob);
        lan.say_in(cyd, room, "hello bob");
        let both = "ann: while you are away\ncyd: hello bob\n";
        lan.run_until(60 * SECOND, |lan| lan.chat_in(bob, room) == both);
        assert_eq!(lan.agreed_members(room, &[bob, cyd]), ["ann", "bob", "cyd"], "seed {seed}");
        lan.say_in(bob, room, "hello cyd");
        lan.run_until(30 * SECOND, |lan| lan.chat_in(cyd, room).ends_with("bob: hello cyd\n"));
    }
}

#[test]
fn nobody_does_what_is_not_theirs_to_do() {
    let mut lan = Lan::seeded(17);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    lan.add_member(ann, room, bob);
    lan.run_for(10 * SECOND);
    let [ann_id, cyd_id] = [ann, cyd].map(|who| lan.id(who));
    let lobby = lan.lobby();
    let mut refusals = Vec::new();
    lan.command(bob, |node, now: Now| {
        refusals.push(node.add_member(room, cyd_id, now).err());
        refusals.push(node.remove_member(room, ann_id, now).err());
        refusals.push(node.appoint(room, ann_id, false, now).err());
        refusals.push(node.renew_keys(room, now).err());
        refusals.push(node.invite(room, SECOND, now).err());
        refusals.push(node.add_member(lobby, cyd_id, now).err());
        Default::default()
    });
    use Refusal::{NotAdmin, NotCreator, NotPrivate};
    assert_eq!(refusals, [NotAdmin, NotAdmin, NotCreator, NotAdmin, NotAdmin, NotPrivate].map(Some));
    lan.command(ann, |node, now| {
        assert_eq!(node.add_member(room, ann_id, now).err(), Some(Refusal::AlreadyMember));
        assert_eq!(node.remove_member(room, cyd_id, now).err(), Some(Refusal::NoMember));
        for n in 0..lanyard_proto::node::MAX_INVITES {
            assert!(node.invite(room, SECOND, now).is_ok(), "the {n}th");
        }
        assert_eq!(node.invite(room, SECOND, now).err(), Some(Refusal::TooManyInvites));
        let later = Now { unix: UnixMillis(now.unix.0 + 2000), ..now };
        assert!(node.invite(room, SECOND, later).is_ok(), "those before have ended");
        Default::default()
    });
}

fn decoded(bytes: &[u8]) -> Option<Frame> {
    Frame::decode(bytes).ok().flatten()
}
