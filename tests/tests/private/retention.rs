//! Stories about private rooms whose history was given up: who is in them is known all the same.

use lanyard_proto::identity::Identity;
use lanyard_proto::model::{Hlc, RoomId};
use lanyard_proto::rooms::{Content, Deed, What};
use lanyard_proto::wire::entry::{Entry, Header};

use super::*;

/// Ann began the room long ago; Bob is an admin, Cyd was let in by him, Dan was put out. Only the newest word of each is left.
fn an_old_room(seed: u64) -> (Lan, RoomId, [Who; 4]) {
    let mut lan = Lan::seeded(seed).latency_ms(1..10);
    let [ann, bob, cyd, dan] = lan.join(["ann", "bob", "cyd", "dan"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    for peer in [bob, dan] {
        lan.add_member(ann, room, peer);
    }
    lan.run_for(10 * SECOND);
    lan.appoint(ann, room, bob, true);
    lan.run_for(10 * SECOND);
    lan.add_member(bob, room, cyd);
    lan.run_for(10 * SECOND);
    for n in 0..40 {
        lan.say_in([ann, bob, cyd, dan][n % 4], room, &format!("long ago {n}"));
        lan.run_for(SECOND);
    }
    lan.remove_member(ann, room, dan);
    lan.run_for(20 * SECOND);
    for n in 0..10 {
        lan.say_in([ann, bob, cyd][n % 3], room, &format!("today {n}"));
        lan.run_for(SECOND);
    }
    lan.settle();
    for who in [ann, bob, cyd] {
        lan.give_up_history(who, room, 2);
    }
    (lan, room, [ann, bob, cyd, dan])
}

fn deeds(lan: &Lan, who: Who, room: RoomId) -> usize {
    lan.entries_in(who, room).iter().filter(|entry| lanyard_proto::rooms::is_deed(entry.header.kind)).count()
}

#[test]
fn a_latecomer_to_a_room_whose_beginning_nobody_has_knows_who_is_in_and_reads_and_writes() {
    for seed in 0..8 {
        let (mut lan, room, [ann, bob, cyd, _]) = an_old_room(seed);
        assert_eq!(deeds(&lan, ann, room), 0, "nobody has a log with a deed in it");
        let invite = lan.invite(bob, room, 1);
        let [eve] = lan.join(["eve"]);
        lan.run_for(2 * SECOND);
        lan.use_invite(eve, &invite);
        lan.run_until(60 * SECOND, |lan| lan.members(eve, room).len() == 4);
        lan.settle();
        assert_eq!(lan.agreed_members(room, &[ann, bob, cyd, eve]), ["ann", "bob", "cyd", "eve"]);
        assert_eq!(lan.role(eve, room, bob), Some(Role::Admin));
        assert!(lan.chat_in(eve, room).contains("today 9") && !lan.chat_in(eve, room).contains("long ago 0"));
        lan.say_in(eve, room, "hello");
        lan.run_for(SECOND);
        lan.say_in(ann, room, "welcome");
        lan.settle();
        for who in [ann, bob, cyd, eve] {
            assert!(lan.chat_in(who, room).ends_with("eve: hello\nann: welcome\n"), "seed {seed}");
        }
        // What came without its log is there after a restart.
        lan.kill(eve);
        lan.start(eve);
        assert_eq!(lan.members(eve, room), ["ann", "bob", "cyd", "eve"]);
        // And it can be passed on in turn, by somebody who never had it otherwise.
        for who in [ann, bob, cyd] {
            lan.quit(who);
        }
        lan.run_for(10 * SECOND);
        let [fay] = lan.join(["fay"]);
        lan.run_for(2 * SECOND);
        lan.use_invite(fay, &invite);
        lan.run_until(60 * SECOND, |lan| lan.members(fay, room).len() == 5);
        lan.run_until(60 * SECOND, |lan| lan.chat_in(fay, room).contains("eve: hello"));
    }
}

#[test]
fn members_who_gave_up_different_parts_come_to_the_same() {
    let (mut lan, room, [ann, bob, cyd, _]) = an_old_room(20);
    let [eve] = lan.join(["eve"]);
    lan.run_for(2 * SECOND);
    // Cyd is away while much is done and said, and the others give up what he missed.
    lan.kill(cyd);
    lan.add_member(ann, room, eve);
    lan.run_for(10 * SECOND);
    lan.renew_keys(bob, room);
    lan.run_for(10 * SECOND);
    lan.appoint(ann, room, eve, true);
    lan.run_for(10 * SECOND);
    lan.remove_member(ann, room, bob);
    lan.run_for(10 * SECOND);
    for n in 0..30 {
        lan.say_in([ann, eve][n % 2], room, &format!("meanwhile {n}"));
        lan.run_for(SECOND);
    }
    lan.settle();
    lan.give_up_history(ann, room, 3);
    lan.give_up_history(eve, room, 7);
    lan.start(cyd);
    lan.run_until(120 * SECOND, |lan| lan.chat_in(cyd, room).contains("meanwhile 29"));
    lan.settle();
    assert_eq!(lan.agreed_members(room, &[ann, cyd, eve]), ["ann", "cyd", "eve"]);
    assert_eq!(lan.role(cyd, room, eve), Some(Role::Admin));
    lan.say_in(cyd, room, "back again");
    lan.settle();
    for who in [ann, eve] {
        assert!(lan.chat_in(who, room).contains("cyd: back again"));
    }
    assert!(!lan.chat_in(bob, room).contains("back again"));
}

#[test]
fn who_was_put_out_learns_that_and_nothing_else_where_history_was_given_up() {
    let (mut lan, room, [ann, bob, cyd, _]) = an_old_room(21);
    lan.kill(cyd);
    lan.remove_member(ann, room, cyd);
    lan.run_for(20 * SECOND);
    let [eve] = lan.join(["eve"]);
    lan.run_for(2 * SECOND);
    lan.add_member(ann, room, eve);
    lan.run_for(10 * SECOND);
    for n in 0..20 {
        lan.say_in([ann, bob][n % 2], room, &format!("secret {n}"));
        lan.run_for(SECOND);
    }
    lan.settle();
    for who in [ann, bob, eve] {
        lan.give_up_history(who, room, 2);
    }
    let before = lan.entries_in(cyd, room).len();
    lan.tape = Some(vec![]);
    lan.start(cyd);
    lan.link(cyd, ann);
    lan.run_until(300 * SECOND, |lan| lan.membership(cyd, room) == Some(Membership::Removed));
    lan.settle();
    // He asks once more, by hand, for all there is.
    let have = Have { room, logs: vec![], ask: true, digest: [0; 16], deeds: Some([0; 16]) };
    let want = Frame::Want { room, ranges: vec![], more: false, deeds: Some([].into()) };
    // And claims to have deeds by which he would be in again; made-up ones take nobody's place.
    let device = lan.id(cyd);
    let add = What::Add { device, admin: false, invite: None, after: vec![], name: "cyd".into() };
    let add = Content::Deed(Deed { height: 30, what: add });
    let planted = Frame::Deeds { room, entries: lan.forge(cyd, room, 0, &[add]) };
    for frame in [Frame::Have(have), planted] {
        lan.say_on_link(cyd, ann, frame.encode());
    }
    lan.run_for(SECOND);
    lan.say_on_link(cyd, ann, want.encode());
    lan.run_for(SECOND);
    assert_eq!(lan.agreed_members(room, &[ann, bob, eve]), lan.members(ann, room));
    assert!(!lan.members(ann, room).contains(&"cyd".to_owned()));
    assert!(!lan.members(cyd, room).contains(&"eve".to_owned()), "who came later");
    assert!(!lan.chat_in(cyd, room).contains("secret"));
    assert_eq!(lan.entries_in(cyd, room).len(), before);
    let tape = lan.tape.take().unwrap();
    let told = tape.iter().filter(|heard| heard.to == Some(cyd)).filter_map(|heard| decoded(&heard.bytes));
    let (mut given, mut asked) = (0, 0);
    for frame in told {
        if let Frame::Want { ranges, .. } = &frame {
            assert!(ranges.is_empty(), "what is lacking here is none of his business");
            asked += 1;
        }
        if let Frame::Deeds { entries, .. } = frame {
            given += entries.len();
            for entry in entries {
                let entry = lanyard_proto::wire::entry::Unverified::decode_in_room(room, &entry).unwrap();
                assert!(entry.header().epoch <= 1, "nothing of an epoch that he has no key of");
            }
        }
    }
    assert!(given > 0, "the removal itself is what he was told");
    assert!(asked > 0, "he was asked for what he has more");
}

#[test]
fn where_whole_logs_are_gone_a_latecomer_comes_to_rest() {
    let (mut lan, room, [ann, bob, cyd, _]) = an_old_room(24);
    for who in [ann, bob, cyd] {
        lan.give_up_history(who, room, 0);
    }
    lan.say_in(ann, room, "anew");
    lan.settle();
    let invite = lan.invite(bob, room, 1);
    let [eve] = lan.join(["eve"]);
    lan.use_invite(eve, &invite);
    lan.run_until(60 * SECOND, |lan| lan.members(eve, room).len() == 4);
    lan.settle();
    assert_eq!(lan.agreed_members(room, &[ann, bob, cyd, eve]), ["ann", "bob", "cyd", "eve"]);
    // Cyd's and Dan's logs have nothing left but their heads, and Eve cannot know those.
    let (dials, datagrams) = (lan.dials, lan.datagrams);
    lan.run_for(600 * SECOND);
    assert!(lan.dials - dials < 60, "{} dials", lan.dials - dials);
    assert!(lan.datagrams - datagrams < 1500, "{} datagrams", lan.datagrams - datagrams);
    lan.say_in(cyd, room, "I am back");
    lan.run_until(60 * SECOND, |lan| lan.chat_in(eve, room).contains("I am back"));
}

#[test]
fn deeds_that_are_forged_or_of_strangers_or_were_not_asked_for_count_for_nothing() {
    let (mut lan, room, [ann, bob, cyd, _]) = an_old_room(22);
    let eve = Identity::from_seed(&[66; 32]);
    let what = |height| {
        let what = What::Add {
            device: eve.peer_id(),
            admin: false,
            invite: None,
            after: vec![],
            name: "Eve".to_owned(),
        };
        Deed { height, what }
    };
    // Cyd is a member: she has the key and can seal whatever she likes.
    let sealed = |lan: &Lan, signer: &Identity, author, height| {
        let deed = what(height);
        let header = Header {
            room,
            author,
            nonce: 77,
            epoch: 1,
            seq: lanyard_proto::model::Seq(3),
            prev: [9; 32],
            hlc: Hlc(5),
            deps: vec![],
            kind: deed.kind(),
        };
        let body = lan.seal_in(cyd, &header, &deed.encode("Cyd"));
        Entry::write(signer, header, body).encode_in_room()
    };
    let of_cyd = lan.identity(cyd);
    let forged = sealed(&lan, &of_cyd, lan.id(ann), 5);
    let strange = sealed(&lan, &eve, eve.peer_id(), 5);
    let own = sealed(&lan, &of_cyd, lan.id(cyd), 5);
    let text = lan.entries_in(cyd, room)[0].encode_in_room();
    let all = [forged, strange, own, text, vec![1, 2, 3]];
    let dropped = |lan: &Lan| lan.node(bob).dropped().map(|(_, count)| count).sum::<u64>();
    lan.link(cyd, bob);
    lan.run_for(SECOND);
    let before = dropped(&lan);
    lan.say_on_link(cyd, bob, Frame::Deeds { room, entries: all.to_vec() }.encode());
    lan.run_for(SECOND);
    assert_eq!(dropped(&lan), before, "what was not asked for is not even looked at");

    // She says that she has others, and is asked for them.
    let have = Have { room, logs: vec![], ask: false, digest: [1; 16], deeds: Some([1; 16]) };
    lan.say_on_link(cyd, bob, Frame::Have(have).encode());
    lan.say_on_link(cyd, bob, Frame::Deeds { room, entries: all.to_vec() }.encode());
    lan.run_for(SECOND);
    assert!(dropped(&lan) > before, "now it is, and refused");
    lan.settle();
    // She may write what she likes into her own log; she is no admin, and it counts for nothing.
    assert_eq!(lan.agreed_members(room, &[ann, bob, cyd]), ["ann", "bob", "cyd"]);
    lan.kill(bob);
    lan.start(bob);
    assert_eq!(lan.members(bob, room), ["ann", "bob", "cyd"]);
}

#[test]
fn a_member_let_in_after_history_went_puts_somebody_out_and_what_that_one_did_still_counts() {
    let (mut lan, room, [ann, bob, cyd, _]) = an_old_room(23);
    let [eve] = lan.join(["eve"]);
    lan.run_for(2 * SECOND);
    lan.add_member(ann, room, eve);
    lan.run_until(60 * SECOND, |lan| lan.members(eve, room).len() == 4);
    lan.settle();
    lan.appoint(ann, room, bob, false);
    lan.run_for(10 * SECOND);
    lan.appoint(ann, room, eve, true);
    lan.run_for(10 * SECOND);
    // Bob let Cyd in, by an entry that Eve never had in a log.
    lan.remove_member(eve, room, bob);
    lan.settle();
    assert_eq!(lan.agreed_members(room, &[ann, cyd, eve]), ["ann", "cyd", "eve"]);
}
