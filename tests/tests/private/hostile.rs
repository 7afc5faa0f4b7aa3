//! Stories about those who are not, or no longer, members, and about what the network sees.

use super::*;

#[test]
fn a_removed_member_who_records_everything_reads_nothing_of_the_next_epoch() {
    let mut lan = Lan::seeded(5);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    for peer in [bob, cyd] {
        lan.add_member(ann, room, peer);
    }
    lan.run_for(20 * SECOND);
    lan.remove_member(ann, room, cyd);
    for n in 0..50 {
        lan.say_in([ann, bob][n % 2], room, &format!("secret {n}"));
        lan.run_for(SECOND);
    }
    lan.settle();
    // Whatever entries there are, by whatever way they came to cyd: all that cyd has is tried on each of them.
    let all = lan.entries_in(ann, room);
    let held = lan.node(cyd).room(room).unwrap();
    let read = |epoch: u32| {
        let of_epoch = all.iter().filter(|entry| entry.header.epoch == epoch);
        of_epoch.filter(|entry| held.open(entry).is_some()).count()
    };
    assert!(all.iter().filter(|entry| entry.header.epoch == 1).count() >= 50);
    assert_eq!(read(1), 0);
    assert!(read(0) > 0, "the way of looking finds what it should");
}

#[test]
fn nobody_outside_gets_anything_into_a_private_room() {
    let mut lan = Lan::seeded(6);
    let [ann, bob, eve] = lan.join(["ann", "bob", "eve"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    lan.add_member(ann, room, bob);
    lan.run_for(10 * SECOND);
    lan.say_in(ann, room, "ours");
    lan.settle();
    let before = lan.entries_in(bob, room).len();
    // Eve learned the room's id somewhere, and even an entry of it; she has no key.
    let stolen = lan.entries_in(ann, room).last().unwrap().encode_in_room();
    lan.link(eve, bob);
    lan.run_for(SECOND);
    for n in 0..10_000u64 {
        let mut forged = stolen.clone();
        let at = (n as usize * 31) % forged.len();
        forged[at] ^= (n % 255) as u8 + 1;
        if n % 2 == 0 {
            lan.say_on_link(eve, bob, Frame::Entries { room, entries: vec![forged] }.encode());
        } else {
            lan.inject_from(eve, bob, room, forged);
        }
        if n % 100 == 0 {
            lan.run_for(Duration::from_millis(20));
        }
    }
    lan.settle();
    assert_eq!(lan.entries_in(bob, room).len(), before);
    assert_eq!(lan.chat_in(bob, room), "ann: ours\n");
    assert_eq!(lan.agreed_members(room, &[ann, bob]), ["ann", "bob"]);
}

#[test]
fn the_network_sees_neither_what_is_said_nor_what_the_room_is_called_nor_its_id() {
    let mut lan = Lan::seeded(7).loss_percent(10);
    let [ann, bob, cyd, eve] = lan.join(["ann", "bob", "cyd", "eve"]);
    lan.run_for(2 * SECOND);
    lan.tape = Some(vec![]);
    let room = lan.create_room(ann, "Board of directors");
    lan.add_member(ann, room, bob);
    let invite = lan.invite(ann, room, 10);
    lan.use_invite(cyd, &invite);
    lan.run_for(20 * SECOND);
    for who in [ann, bob, cyd] {
        lan.say_in(who, room, "the plan is a secret");
    }
    lan.run_for(3600 * SECOND);
    lan.say_in(ann, room, "the plan is a secret");
    lan.run_for(60 * SECOND);
    let tape = lan.tape.take().unwrap();
    let on_air: Vec<_> = tape.iter().filter(|heard| heard.to.is_none()).collect();
    assert!(on_air.len() > 100);
    let has = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    for heard in &on_air {
        for what in [b"the plan".as_slice(), b"secret", b"Board", b"directors", &room.0, &room.0[..8]] {
            assert!(!has(&heard.bytes, what));
        }
    }
    // Even inside of TLS: what is said stays sealed, and the secret of an invite goes nowhere.
    for heard in &tape {
        assert!(!has(&heard.bytes, b"the plan") && !has(&heard.bytes, &invite.secret));
    }
    // Eve, who is in no room with them, was told of none.
    let told_eve = tape.iter().filter(|heard| heard.to == Some(eve));
    assert!(told_eve.clone().all(|heard| !has(&heard.bytes, &room.0)));
}

#[test]
fn tags_of_two_hours_or_of_two_members_have_nothing_in_common() {
    let mut lan = Lan::seeded(8);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    lan.add_member(ann, room, bob);
    lan.run_for(20 * SECOND);
    let mut tags: Vec<BTreeSet<(Who, Vec<u8>)>> = Vec::new();
    for _ in 0..3 {
        lan.tape = Some(vec![]);
        for who in [ann, bob] {
            lan.say_in(who, room, "hello");
        }
        lan.run_for(30 * SECOND);
        let tape = lan.tape.take().unwrap();
        let of_rooms = tape.iter().filter(|heard| heard.to.is_none() && (16..=18).contains(&heard.bytes[5]));
        let lobby = &lan.lobby().0[..8];
        let seen = of_rooms.map(|heard| (heard.from, heard.bytes[60..68].to_vec()));
        tags.push(seen.filter(|(_, tag)| tag != lobby).collect());
        lan.run_for(3600 * SECOND);
    }
    for hour in &tags {
        let [of_ann, of_bob] = [ann, bob].map(|who| {
            hour.iter().filter(|(from, _)| *from == who).map(|(_, tag)| tag.clone()).collect::<BTreeSet<_>>()
        });
        assert_eq!((of_ann.len(), of_bob.len()), (1, 1));
        assert!(of_ann.is_disjoint(&of_bob));
    }
    assert!(tags[0].is_disjoint(&tags[1]) && tags[1].is_disjoint(&tags[2]) && tags[0].is_disjoint(&tags[2]));
}

#[test]
fn a_proof_that_was_overheard_is_worth_nothing_on_another_connection() {
    let mut lan = Lan::seeded(9);
    let [ann, bob, eve] = lan.join(["ann", "bob", "eve"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    let invite = lan.invite(ann, room, 10);
    lan.tape = Some(vec![]);
    lan.use_invite(bob, &invite);
    lan.run_for(5 * SECOND);
    let tape = lan.tape.take().unwrap();
    let mut joins =
        tape.iter().filter(|heard| matches!(decoded(&heard.bytes), Some(Frame::Door(Door::Join { .. }))));
    let join = joins.next_back().expect("bob asked").bytes.clone();
    // As if TLS did not matter: eve says what bob said, on a connection of her own.
    lan.link(eve, ann);
    lan.run_for(SECOND);
    lan.tape = Some(vec![]);
    lan.say_on_link(eve, ann, join);
    lan.run_for(5 * SECOND);
    let tape = lan.tape.take().unwrap();
    let answers: Vec<_> =
        tape.iter().filter(|heard| heard.from == ann).filter_map(|h| decoded(&h.bytes)).collect();
    let nothing = |frame: &Frame| matches!(frame, Frame::Door(Door::Refused { why: 3, proof: None, .. }));
    assert!(answers.iter().any(nothing), "{answers:?}");
    assert!(!answers.iter().any(|frame| matches!(frame, Frame::Door(Door::Welcome(_)))));
    assert_eq!(lan.members(ann, room), ["ann", "bob"]);
}

#[test]
fn strangers_are_told_the_same_whatever_they_ask() {
    let mut lan = Lan::seeded(10);
    let [ann, bob, eve] = lan.join(["ann", "bob", "eve"]);
    lan.run_for(2 * SECOND);
    let room = lan.create_room(ann, "Board");
    let invite = lan.invite(ann, room, 10);
    let knock = Frame::Door(Door::Join { invite: invite.id(), proof: [1; 32] }).encode();
    let answers = [ann, bob].map(|host| {
        lan.link(eve, host);
        lan.run_for(SECOND);
        lan.tape = Some(vec![]);
        lan.say_on_link(eve, host, knock.clone());
        lan.say_on_link(eve, host, Frame::Door(Door::Keys { room, epochs: vec![] }).encode());
        lan.say_on_link(
            eve,
            host,
            Frame::Have(Have { room, logs: vec![], ask: true, digest: [0; 16], deeds: None }).encode(),
        );
        lan.run_for(SECOND);
        let tape = lan.tape.take().unwrap();
        let said = tape.into_iter().filter(|heard| heard.from == host && heard.to.is_some());
        let said: Vec<Vec<u8>> = said.map(|heard| heard.bytes).collect();
        let about =
            |frame: &Vec<u8>| !matches!(decoded(frame), Some(Frame::Have { .. } | Frame::Announcements(_)));
        said.into_iter().filter(about).collect::<Vec<_>>()
    });
    assert_eq!(answers[0], answers[1], "a member answers like somebody who knows nothing");
    assert!(!answers[0].is_empty());
}
