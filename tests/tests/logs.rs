//! Stories about many logs of one author, about claims of what is not there, and about those who hold others up.

use std::time::Duration;

use lanyard_proto::identity::Identity;
use lanyard_proto::model::{Hlc, PeerId, RoomId, Seq, UnixMillis};
use lanyard_proto::wire::datagram::{
    Announcement, Envelope, Head, NetworkTag, Query, RoomPacket, Wanted, kind,
};
use lanyard_proto::wire::entry::{Entry, Header, log_id};
use lanyard_proto::wire::frame::{Frame, Have};
use lanyard_tests::sim::{Air, Lan, Tcp, Who};

const SECOND: Duration = Duration::from_secs(1);

/// Somebody who plays by no rules.
fn mallory() -> Identity {
    Identity::from_seed(&[77; 32])
}

/// What mallory wrote in a log of so many entries, the same words again and again.
fn written(room: RoomId, nonce: u64, count: u64) -> Vec<Entry> {
    let (mallory, mut prev) = (mallory(), [0; 32]);
    let entries = (1..=count).map(|n| {
        let hlc = Hlc::at(UnixMillis(1_700_000_000_000 + n));
        let (author, seq) = (mallory.peer_id(), Seq(n));
        let header = Header { room, author, nonce, epoch: 0, seq, prev, hlc, deps: vec![], kind: 1 };
        let entry = Entry::write(&mallory, header, vec![0xa1, 0, 0x61, 0x78]);
        prev = entry.id().0;
        entry
    });
    entries.collect()
}

fn words(lan: &Lan, who: Who) -> usize {
    lan.chat(who).lines().filter(|line| line.contains("word")).count()
}

#[test]
fn whoever_leaves_rooms_and_starts_again_many_times_is_heard_everywhere() {
    let mut lan = Lan::seeded(5);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(5 * SECOND);
    for n in 0..36 {
        let room = lan.join_room(ann, "tmp");
        lan.say_in(ann, room, "x");
        lan.leave(ann, room);
        lan.kill(ann);
        lan.start(ann);
        lan.run_for(3 * SECOND);
        lan.say(ann, &format!("lobby {n}"));
        lan.run_for(3 * SECOND);
    }
    lan.settle();
    assert_eq!(lan.chat(ann).lines().count(), 36);
    assert_eq!(lan.chat(bob), lan.chat(ann));
    let own = lan.entries_in(ann, lan.lobby()).into_iter().map(|entry| entry.log());
    assert_eq!(own.collect::<std::collections::BTreeSet<_>>().len(), 1, "all of it is one log");
}

#[test]
fn whoever_comes_back_to_a_room_more_often_than_it_keeps_logs_is_heard_in_the_newest() {
    let mut lan = Lan::seeded(6);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    let room = lan.join_room(bob, "tea");
    lan.join_room(cyd, "tea");
    lan.run_for(5 * SECOND);
    for n in 0..40 {
        lan.join_room(ann, "tea");
        lan.say_in(ann, room, &format!("visit {n}"));
        lan.run_for(5 * SECOND);
        lan.leave(ann, room);
        lan.run_for(SECOND);
    }
    lan.settle();
    for who in [bob, cyd] {
        let visits: Vec<String> = (0..40).map(|n| format!("ann: visit {n}\n")).collect();
        assert_eq!(lan.chat_in(who, room), visits.concat(), "what gave way is still shown");
        lan.kill(who);
        lan.start(who);
    }
    // Somebody new gets what all of the others keep, and everybody is quiet.
    let [dan] = lan.join(["dan"]);
    lan.join_room(dan, "tea");
    lan.run_until(60 * SECOND, |lan| lan.chat_in(dan, room).lines().count() == 32);
    lan.settle();
    assert!(lan.chat_in(dan, room).starts_with("ann: visit 8\n"), "the newest of them");
    let (dials, datagrams) = (lan.dials, lan.datagrams);
    lan.run_for(600 * SECOND);
    assert!(lan.dials - dials < 10, "{} dials", lan.dials - dials);
    assert!(lan.datagrams - datagrams < 1500, "{} datagrams", lan.datagrams - datagrams);
}

#[test]
fn two_who_hold_different_logs_of_one_author_catch_up_all_the_same() {
    let mut lan = Lan::seeded(7);
    let [ann, bob, eve] = lan.join(["ann", "bob", "eve"]);
    lan.run_for(5 * SECOND);
    let lobby = lan.lobby();
    let plant = |lan: &mut Lan, to: Who, nonces: std::ops::Range<u64>| {
        lan.link(eve, to);
        lan.run_for(SECOND);
        for entries in nonces.map(|nonce| written(lobby, nonce, 1)) {
            let entries = entries.iter().map(Entry::encode_in_room).collect();
            lan.say_on_link(eve, to, Frame::Entries { room: lobby, entries }.encode());
        }
        lan.run_for(SECOND);
        lan.kill(eve);
        lan.run_for(100 * SECOND);
    };
    lan.cut_off(bob);
    for n in 0..1000 {
        lan.say(ann, &format!("word {n}"));
        if n % 4 == 0 {
            lan.run_for(SECOND);
        }
    }
    plant(&mut lan, ann, 0..32);
    lan.kill(ann);
    lan.start(ann);
    lan.run_for(5 * SECOND);
    lan.cut_off(ann);
    lan.reconnect(bob);
    lan.start(eve);
    lan.run_for(5 * SECOND);
    plant(&mut lan, bob, 100..132);
    lan.reconnect(ann);
    lan.run_until(120 * SECOND, |lan| words(lan, bob) == 1000);
    lan.settle();
    let (dials, datagrams) = (lan.dials, lan.datagrams);
    lan.run_for(600 * SECOND);
    assert!(lan.dials - dials < 10, "{} dials", lan.dials - dials);
    assert!(lan.datagrams - datagrams < 1000, "{} datagrams", lan.datagrams - datagrams);
}

#[test]
fn what_nobody_has_at_hand_any_more_is_repaired_from_the_disk_where_no_stream_passes() {
    let mut lan = Lan::seeded(8).over(Air { tcp: Tcp::Blocked, ..Air::default() });
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    lan.run_for(5 * SECOND);
    lan.cut_off(bob);
    for n in 0..600 {
        lan.say(ann, &format!("word {n}"));
        if n % 5 == 0 {
            lan.run_for(SECOND);
        }
    }
    for who in [ann, cyd] {
        lan.kill(who);
        lan.start(who);
    }
    lan.run_for(5 * SECOND);
    lan.reconnect(bob);
    let taken = lan.run_until(240 * SECOND, |lan| words(lan, bob) == 600);
    assert_eq!(lan.chat(bob), lan.chat(ann));
    assert!(taken < 120 * SECOND, "{taken:?}");
    lan.settle();
    let datagrams = lan.datagrams;
    lan.run_for(600 * SECOND);
    assert!(lan.datagrams - datagrams < 1500, "{} datagrams", lan.datagrams - datagrams);
}

#[test]
fn whoever_brings_next_to_nothing_does_not_keep_others_from_being_asked() {
    let mut lan = Lan::seeded(3);
    let [ann, bob, eve] = lan.join(["ann", "bob", "eve"]);
    lan.run_for(5 * SECOND);
    let lobby = lan.lobby();
    lan.cut_off(bob);
    lan.run_for(100 * SECOND);
    for n in 0..2000 {
        lan.say(ann, &format!("word {n}"));
        if n % 20 == 0 {
            lan.run_for(SECOND);
        }
    }
    lan.kill(ann);
    lan.start(ann);
    lan.run_for(50 * SECOND);
    lan.deafen(eve);
    let entries = written(lobby, 1, 300);
    let head = Head { log: entries[0].log(), seq: Seq(300), base: Seq(0), check: None };
    // Nothing but its connection is used of eve.
    lan.link(eve, bob);
    lan.run_for(SECOND / 2);
    let have = Have { room: lobby, logs: vec![head], ask: false, digest: [1; 16], deeds: None };
    lan.say_on_link(eve, bob, Frame::Have(have).encode());
    lan.run_for(SECOND / 2);
    lan.reconnect(bob);
    for entry in entries.iter().rev().take(8) {
        let entries = vec![entry.encode_in_room()];
        lan.say_on_link(eve, bob, Frame::Entries { room: lobby, entries }.encode());
        lan.run_for(15 * SECOND);
    }
    assert_eq!(words(&lan, bob), 2000);
}

/// How many of sixty messages all of eight had within a second, where much is lost; `claims` are heard in between.
fn heard_soon(seed: u64, claims: impl Fn(&mut Lan, &[Who], u64, RoomPacket), attack: bool) -> usize {
    let air = Air {
        loss_out: 0.3,
        loss_in: 0.3,
        tcp: Tcp::Lossy,
        latency: Duration::from_micros(500)..Duration::from_millis(3),
        ..Air::default()
    };
    let mut lan = Lan::seeded(seed).over(air);
    let who = lan.join(["a", "b", "c", "d", "e", "f", "g", "h"]);
    lan.run_for(20 * SECOND);
    for who in who {
        lan.say(who, "hello");
    }
    lan.run_for(30 * SECOND);
    let lobby = lan.lobby();
    let first = lan.entries_in(who[0], lobby).into_iter().min_by_key(|entry| entry.log()).expect("was said");
    let talker = who.into_iter().find(|who| lan.id(*who) != first.header.author).expect("there are eight");
    let mut soon = 0;
    for round in 1..=60 {
        if attack {
            let heads = vec![(first.log(), Seq(1 << 40))];
            claims(&mut lan, &who, round, RoomPacket::Data { entries: vec![], heads });
        }
        let text = format!("round {round}\n");
        lan.say(talker, text.trim());
        lan.run_for(SECOND);
        soon += usize::from(who.iter().all(|who| lan.chat(*who).contains(&text)));
    }
    lan.settle();
    assert!(who.iter().all(|who| lan.chat(*who).lines().filter(|l| l.contains("round")).count() == 60));
    soon
}

fn signed(kind: u8, counter: u64, body: &[u8]) -> Vec<u8> {
    let (boot, network, sender) = (u64::MAX, NetworkTag::of("default"), mallory().peer_id());
    Envelope { kind, boot, counter, network, sender }.sign(&mallory(), body)
}

#[test]
fn claims_of_what_is_not_there_keep_nothing_from_being_repaired() {
    let stranger = |lan: &mut Lan, who: &[Who], round: u64, packet: RoomPacket| {
        let body = [&lan.lobby().0[..8], &packet.encode()].concat();
        for to in who {
            lan.inject(*to, who[0], signed(packet.kind(), 2 * round, &body));
        }
    };
    let announced = |lan: &mut Lan, who: &[Who], round: u64, packet: RoomPacket| {
        let said =
            Announcement::new("mallory", lanyard_proto::model::Platform::Linux, 24417, 10, 1, Query::No);
        for to in who {
            lan.inject(*to, who[0], signed(kind::ANNOUNCE, 2 * round - 1, &said.encode()));
        }
        stranger(lan, who, round, packet);
    };
    let (mut without, mut with_stranger, mut with_announced) = (0, 0, 0);
    for seed in 0..2 {
        without += heard_soon(seed, stranger, false);
        with_stranger += heard_soon(seed, stranger, true);
        with_announced += heard_soon(seed, announced, true);
    }
    assert!(with_stranger + 8 >= without, "{with_stranger} of 120 where it was {without}");
    assert!(with_announced + 24 >= without, "{with_announced} of 120 where it was {without}");
}

#[test]
fn whoever_asks_for_everything_keeps_nobody_from_asking() {
    let patience = |is_attacked: bool| {
        let mut lan = Lan::seeded(9).over(Air { tcp: Tcp::Blocked, ..Air::default() });
        let [ann, bob, eve] = lan.join(["ann", "bob", "eve"]);
        lan.run_for(5 * SECOND);
        lan.cut_off(bob);
        lan.say(ann, "word 1");
        // Until it is repeated no more by itself.
        lan.run_for(15 * SECOND);
        let log = lan.entries_in(ann, lan.lobby())[0].log();
        lan.reconnect(bob);
        lan.say(ann, "word 2");
        let (begun, mut asked) = (lan.now(), 0);
        while words(&lan, bob) < 2 && lan.now().since(begun) < 60 * SECOND {
            if is_attacked {
                // To bob alone, so that nobody answers.
                asked += 1;
                let packet =
                    RoomPacket::Nack { wanted: vec![Wanted { log, from: Seq(1), count: 1 }], pieces: vec![] };
                let body = [&lan.lobby().0[..8], &packet.encode()].concat();
                lan.inject(bob, eve, signed(packet.kind(), asked, &body));
            }
            lan.run_for(SECOND / 20);
        }
        lan.now().since(begun)
    };
    let (clean, attacked) = (patience(false), patience(true));
    assert!(clean <= SECOND, "{clean:?}");
    assert!(attacked <= 4 * SECOND, "{attacked:?} where it was {clean:?}");
}

#[test]
fn the_last_numbers_that_there_are_do_no_harm() {
    let mut lan = Lan::seeded(1);
    let [ann, bob] = lan.join(["ann", "bob"]);
    lan.run_for(3 * SECOND);
    let lobby = lan.lobby();
    let said = Announcement::new("mallory", lanyard_proto::model::Platform::Linux, 24417, 10, 1, Query::No);
    lan.inject(ann, bob, signed(kind::ANNOUNCE, u64::MAX, &said.encode()));
    lan.run_for(SECOND);
    let heads = vec![(log_id(lan.id(bob), 0), Seq(u64::MAX)), (log_id(PeerId([1; 32]), 0), Seq(u64::MAX))];
    let packet = RoomPacket::Data { entries: vec![], heads };
    let body = [&lobby.0[..8], &packet.encode()].concat();
    lan.inject(ann, bob, signed(packet.kind(), u64::MAX - 1, &body));
    lan.run_for(SECOND);
    lan.say(bob, "still there?");
    lan.run_for(5 * SECOND);
    lan.assert_chat(ann, "bob: still there?\n");
}
