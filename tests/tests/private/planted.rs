//! Stories about keys, deeds and deletes that somebody plants.

use lanyard_proto::model::{InviteId, KeyId};
use lanyard_proto::rooms::{Content, Deed, What};
use lanyard_proto::wire::door::Welcome;

use super::*;

/// Ann's board, with Bob and Eve in it.
fn board(seed: u64) -> (Lan, [Who; 3], lanyard_proto::model::RoomId) {
    let mut lan = Lan::seeded(seed);
    let [ann, bob, eve] = lan.join(["ann", "bob", "eve"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    for peer in [bob, eve] {
        lan.add_member(ann, room, peer);
    }
    lan.run_for(20 * SECOND);
    assert_eq!(lan.agreed_members(room, &[ann, bob, eve]), ["ann", "bob", "eve"]);
    (lan, [ann, bob, eve], room)
}

fn welcome(room: lanyard_proto::model::RoomId, keys: Vec<(u32, [u8; 32])>) -> Vec<u8> {
    let welcome = Welcome { room, name: "x".into(), keys, writers: vec![], proof: None };
    Frame::Door(Door::Welcome(Box::new(welcome))).encode()
}

fn junk(epochs: std::ops::Range<u32>, of_each: u8) -> Vec<(u32, [u8; 32])> {
    let key = |epoch: u32, n: u8| {
        let mut key = [n; 32];
        key[..4].copy_from_slice(&epoch.to_be_bytes());
        (epoch, key)
    };
    epochs.flat_map(|epoch| (1..=of_each).map(move |n| key(epoch, n))).collect()
}

/// How many of the texts in a room somebody can read, by whatever way they came to him.
fn readable(lan: &Lan, by: Who, of: Who, room: lanyard_proto::model::RoomId) -> usize {
    let held = lan.node(by).room(room).expect("knows the room");
    let entries = lan.entries_in(of, room);
    entries.iter().filter(|entry| entry.header.kind == 1 && held.open(entry).is_some()).count()
}

#[test]
fn keys_that_a_member_plants_for_the_next_epoch_do_not_keep_it_from_coming() {
    let (mut lan, [ann, bob, eve], room) = board(5);
    for host in [ann, bob] {
        lan.link(eve, host);
        lan.run_for(SECOND);
        lan.say_on_link(eve, host, welcome(room, junk(1..2, 8)));
        let keys = junk(1..3, 8);
        lan.say_on_link(eve, host, Frame::Door(Door::Given { room, keys }).encode());
        lan.run_for(SECOND);
        assert_eq!(lan.key_epochs(host, room), [0], "nothing of it is kept");
    }
    lan.remove_member(ann, room, eve);
    lan.run_for(60 * SECOND);
    for n in 0..5 {
        lan.say_in(bob, room, &format!("secret {n}"));
        lan.say_in(ann, room, &format!("another {n}"));
        lan.run_for(SECOND);
    }
    lan.settle();
    assert_eq!(readable(&lan, bob, ann, room), 10);
    assert_eq!(readable(&lan, eve, ann, room), 0);
}

#[test]
fn keys_of_far_epochs_make_nobody_deaf() {
    let (mut lan, [ann, bob, eve], room) = board(6);
    lan.link(eve, bob);
    lan.run_for(SECOND);
    lan.say_on_link(eve, bob, welcome(room, junk(1_000_000..1_000_001, 8)));
    lan.run_for(SECOND);
    lan.kill(eve);
    lan.run_for(5 * SECOND);
    lan.say_in(ann, room, "can you hear me?");
    lan.run_until(SECOND, |lan| lan.chat_in(bob, room) == "ann: can you hear me?\n");
    lan.kill(bob);
    lan.start(bob);
    lan.run_for(5 * SECOND);
    lan.say_in(ann, room, "and now?");
    lan.run_until(SECOND, |lan| lan.chat_in(bob, room).ends_with("ann: and now?\n"));
}

#[test]
fn thousands_of_planted_keys_push_none_out_and_seal_nothing() {
    let (mut lan, [ann, bob, eve], room) = board(7);
    lan.say_in(ann, room, "old words");
    lan.link(eve, bob);
    lan.run_for(SECOND);
    for part in 0..5 {
        lan.say_on_link(eve, bob, welcome(room, junk(1000 * (part + 1)..1000 * (part + 2), 1)));
        lan.run_for(SECOND);
    }
    lan.kill(eve);
    lan.say_in(bob, room, "is it sealed well?");
    lan.run_until(60 * SECOND, |lan| lan.chat_in(ann, room).lines().count() == 2);
    assert_eq!(lan.chat_in(bob, room), lan.chat_in(ann, room));
    assert!(lan.entries_in(ann, room).iter().all(|entry| entry.header.epoch == 0));
}

#[test]
fn what_an_earlier_run_kept_and_no_deed_names_is_gone_once_all_deeds_are_here() {
    let (mut lan, [ann, bob, _], room) = board(8);
    lan.renew_keys(ann, room);
    lan.run_for(20 * SECOND);
    lan.kill(bob);
    lan.put_keys(bob, room, &junk(0..4, 10));
    assert_eq!(lan.key_epochs(bob, room).len(), 42);
    lan.start(bob);
    lan.run_for(5 * SECOND);
    assert_eq!(lan.key_epochs(bob, room), [0, 1]);
    lan.say_in(bob, room, "as before");
    lan.settle();
    assert_eq!(lan.chat_in(ann, room), "bob: as before\n");
    assert_eq!(lan.entries_in(ann, room).last().unwrap().header.epoch, 1);
}

#[test]
fn who_is_lied_to_about_a_room_before_it_is_let_in_takes_part_all_the_same() {
    let mut lan = Lan::seeded(9);
    let [ann, bob, eve, fay] = lan.join(["ann", "bob", "eve", "fay"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    lan.say_in(ann, room, "welcome");
    for liar in [eve, fay] {
        lan.link(liar, bob);
        lan.run_for(SECOND);
        lan.say_on_link(liar, bob, welcome(room, junk(0..200, 8)));
        lan.run_for(SECOND);
    }
    assert_eq!(lan.membership(bob, room), Some(Membership::Joining), "nobody can write there yet");
    assert_eq!(lan.refused(bob, room), Some(Refusal::NotMember));
    lan.add_member(ann, room, bob);
    lan.run_until(60 * SECOND, |lan| lan.chat_in(bob, room) == "ann: welcome\n");
    lan.say_in(bob, room, "thank you");
    lan.settle();
    assert_eq!(lan.chat_in(ann, room), "ann: welcome\nbob: thank you\n");
    assert_eq!(lan.key_epochs(bob, room), [0]);
}

#[test]
fn who_is_killed_right_after_it_was_welcomed_comes_in_when_it_starts_again() {
    for seed in 0..10 {
        let mut lan = Lan::seeded(seed).loss_percent(10);
        let [ann, bob, _cyd] = lan.join(["ann", "bob", "cyd"]);
        lan.run_for(2 * SECOND);
        let room = lan.create_room(ann, "Board");
        for n in 0..200 {
            lan.say_in(ann, room, &format!("{n}"));
        }
        let invite = lan.invite(ann, room, 1);
        lan.use_invite(bob, &invite);
        for _ in 0..10_000 {
            if !lan.key_epochs(bob, room).is_empty() {
                break;
            }
            lan.run_for(Duration::from_micros(100));
        }
        assert_eq!(lan.key_epochs(bob, room), [0]);
        assert_eq!(lan.entries_in(bob, room).len(), 0, "and nothing else");
        lan.kill(bob);
        lan.run_for(SECOND);
        lan.start(bob);
        lan.run_until(120 * SECOND, |lan| lan.membership(bob, room) == Some(Membership::Member));
        lan.settle();
        assert_eq!(lan.chat_in(bob, room), lan.chat_in(ann, room), "seed {seed}");
    }
}

#[test]
fn a_key_that_was_granted_and_that_nobody_got_does_not_keep_the_old_one_in_use() {
    let (mut lan, [ann, bob, eve], room) = board(10);
    lan.appoint(ann, room, eve, true);
    lan.run_for(5 * SECOND);
    let grant = What::Grant { epoch: 1, key: KeyId([3; 16]), boxes: vec![] };
    let grant = lan.forge(eve, room, 0, &[Content::Deed(Deed { height: 4, what: grant })]);
    for host in [ann, bob] {
        lan.link(eve, host);
        lan.run_for(SECOND);
        lan.plant_entries(eve, host, room, &grant);
    }
    lan.run_for(5 * SECOND);
    lan.remove_member(ann, room, eve);
    lan.say_in(ann, room, "without eve");
    lan.settle();
    assert_eq!(lan.chat_in(bob, room), "ann: without eve\n");
    assert_eq!(readable(&lan, eve, ann, room), 0);
    // Also where nobody renews by hand: Eve leaves behind another one.
    lan.add_member(ann, room, eve);
    lan.settle();
    let before = lan.entries_in(ann, room).len();
    lan.leave(eve, room);
    lan.run_for(120 * SECOND);
    lan.say_in(bob, room, "she left");
    lan.settle();
    assert!(lan.entries_in(ann, room).len() > before);
    assert_eq!(lan.entries_in(ann, room).last().unwrap().header.epoch, 2);
}

#[test]
fn a_member_who_floods_the_room_with_deeds_is_put_out_like_any_other() {
    let (mut lan, [ann, bob, eve], room) = board(11);
    let deed = |n: u32| {
        let what = match n % 3 {
            0 => What::Renewed,
            1 => What::Invite { secret: [n as u8; 16], expires: UnixMillis(u64::MAX) },
            _ => What::Revoke { invite: InviteId([n as u8; 16]) },
        };
        Content::Deed(Deed { height: 3 + n / 7, what })
    };
    let flood = lan.forge(eve, room, 0, &(0..2500).map(deed).collect::<Vec<_>>());
    for host in [ann, bob] {
        lan.link(eve, host);
        lan.run_for(SECOND);
        lan.plant_entries(eve, host, room, &flood);
        lan.run_for(5 * SECOND);
    }
    assert!(lan.entries_in(bob, room).len() > 2500, "all of it came");
    lan.remove_member(ann, room, eve);
    lan.say_in(ann, room, "without eve");
    lan.settle();
    assert_eq!(lan.agreed_members(room, &[ann, bob]), ["ann", "bob"]);
    assert_eq!(lan.chat_in(bob, room), "ann: without eve\n");
    assert_eq!(readable(&lan, eve, ann, room), 0);
    // Whoever comes now, and is told the newest first, sees the same.
    let cyd = lan.join_one("cyd", 0);
    lan.run_for(5 * SECOND);
    lan.add_member(ann, room, cyd);
    lan.settle();
    lan.settle();
    assert_eq!(lan.agreed_members(room, &[ann, bob, cyd]), ["ann", "bob", "cyd"]);
}

#[test]
fn whom_a_member_lets_in_without_a_right_to_gets_nothing_into_the_room() {
    let (mut lan, [ann, bob, eve], room) = board(12);
    let fay = lan.join_one("fay", 0);
    lan.run_for(5 * SECOND);
    let device = lan.id(fay);
    let add = What::Add { device, admin: true, invite: None, after: vec![], name: "fay".into() };
    let add = lan.forge(eve, room, 0, &[Content::Deed(Deed { height: 3, what: add })]);
    lan.link(eve, bob);
    lan.run_for(SECOND);
    lan.plant_entries(eve, bob, room, &add);
    lan.run_for(5 * SECOND);
    let before = lan.entries_in(bob, room).len();
    // Eve gives Fay's entries, sealed with the room's key, to Bob.
    lan.put_keys(fay, room, &lan.keys_on_disk(eve, room));
    let texts: Vec<Content> = (0..50).map(|n| Content::Text(format!("spam {n}").as_str().into())).collect();
    let spam = lan.forge(fay, room, 0, &texts);
    lan.plant_entries(eve, bob, room, &spam);
    lan.settle();
    assert_eq!(lan.entries_in(bob, room).len(), before);
    assert_eq!(lan.agreed_members(room, &[ann, bob]), ["ann", "bob", "eve"]);
}
