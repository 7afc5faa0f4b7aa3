//! Stories about holders who lie, authors who flood, recipients who ask for too much, and those who listen.

use lanyard_proto::identity::{Identity, Purpose};
use lanyard_proto::mail::{MAX_AUTHOR_BYTES, MAX_AUTHOR_ENTRIES};
use lanyard_proto::model::{Hlc, LogId, PeerId, RoomId, Seq, Span};
use lanyard_proto::wire::entry::{Entry, Header};
use lanyard_proto::wire::mail::{Kept, Receipt, Waiting, Why};

use super::*;

/// Writes a log in a direct conversation, as its author's device would or would not.
struct Pen<'a> {
    identity: &'a Identity,
    room: RoomId,
    seq: u64,
    prev: [u8; 32],
}

impl Pen<'_> {
    fn write(&mut self, body: &[u8]) -> Entry {
        self.seq += 1;
        let header = Header {
            room: self.room,
            author: self.identity.peer_id(),
            nonce: 77,
            epoch: 0,
            seq: Seq(self.seq),
            prev: self.prev,
            hlc: Hlc(self.seq),
            deps: Vec::new(),
            kind: 1,
        };
        let entry = Entry::write(self.identity, header, body.to_vec());
        self.prev = entry.id().0;
        entry
    }

    fn some(&mut self, count: usize, size: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.write(&vec![7; size]).encode_in_room()).collect()
    }
}

fn pen(identity: &Identity, recipient: PeerId) -> Pen<'_> {
    Pen { identity, room: direct_room_id(identity.peer_id(), recipient), seq: 0, prev: [0; 32] }
}

fn span(after: u64, to: u64) -> Span {
    Span { after: Seq(after), to: Seq(to) }
}

/// Answers that somebody got from a holder.
fn answers(lan: &Lan, holder: Who, to: Who) -> Vec<Kept> {
    let said = lan.mail_between(holder, to).into_iter();
    said.filter_map(|mail| if let Mail::Kept(kept) = mail { Some(kept) } else { None }).collect()
}

#[test]
fn what_others_wrote_or_nobody_signed_is_not_kept() {
    let mut lan = Lan::seeded(1);
    let [bob, cyd, eve] = lan.join(["bob", "cyd", "eve"]);
    without_bob(&mut lan, bob);
    let (eve_key, ann_key) = (lan.identity(eve), Identity::from_seed(&[200; 32]));
    let recipient = lan.id(bob);
    lan.link(eve, cyd);
    lan.run_for(SECOND);
    lan.tape = Some(Vec::new());
    // Ann's own entries, brought by somebody else.
    let entries = pen(&ann_key, recipient).some(3, 100);
    lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries });
    // Her own, changed on the way to the last bit.
    let mut entries = pen(&eve_key, recipient).some(3, 100);
    entries[2][190] ^= 1;
    lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries });
    // Of another conversation than she says.
    let entries = pen(&eve_key, lan.id(cyd)).some(3, 100);
    lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries });
    // With a gap, in the wrong order, of two logs, of nothing.
    let mut whole = pen(&eve_key, recipient).some(4, 100);
    let mut turned = whole.clone();
    turned.swap(1, 2);
    whole.remove(1);
    lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries: whole });
    lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries: turned });
    lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries: Vec::new() });
    // For herself, and for whoever is to keep it.
    for recipient in [lan.id(eve), lan.id(cyd)] {
        let entries = pen(&eve_key, recipient).some(1, 100);
        lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries });
    }
    lan.run_for(SECOND);
    assert_eq!(lan.node(cyd).held_for_others().entries, 0);
    assert!(answers(&lan, cyd, eve).iter().all(|kept| kept.refused == Some(Why::Wrong)));
    // The way of trying finds what it should.
    let entries = pen(&eve_key, recipient).some(3, 100);
    lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries });
    lan.run_for(SECOND);
    assert_eq!(lan.holds_for(cyd, bob), 3);
}

#[test]
fn an_author_who_writes_two_things_in_one_place_gets_the_first_kept() {
    let mut lan = Lan::seeded(2);
    let [bob, cyd, eve] = lan.join(["bob", "cyd", "eve"]);
    without_bob(&mut lan, bob);
    let (eve_key, recipient) = (lan.identity(eve), lan.id(bob));
    lan.link(eve, cyd);
    lan.run_for(SECOND);
    let mut one = pen(&eve_key, recipient);
    let first = one.some(2, 100);
    let mut other = Pen { seq: 2, prev: [9; 32], identity: one.identity, room: one.room };
    lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries: first });
    lan.run_for(SECOND);
    lan.tape = Some(Vec::new());
    let entries = other.some(1, 50);
    lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries });
    lan.run_for(SECOND);
    let said = answers(&lan, cyd, eve);
    assert_eq!((said[0].span, said[0].refused), (span(0, 2), Some(Why::Wrong)));
    assert_eq!(lan.holds_for(cyd, bob), 2);
}

#[test]
fn an_author_who_floods_fills_its_own_part_only_and_no_faster_than_it_may() {
    let mut lan = Lan::seeded(3);
    let [ann, bob, cyd, eve] = lan.join(["ann", "bob", "cyd", "eve"]);
    without_bob(&mut lan, bob);
    let (eve_key, recipient) = (lan.identity(eve), lan.id(bob));
    lan.link(eve, cyd);
    lan.run_for(SECOND);
    lan.tape = Some(Vec::new());
    let (mut pen, mut entries) = (pen(&eve_key, recipient), Vec::new());
    for _ in 0..120 {
        // Whatever was not taken is tried again: what begins behind a gap would be taken in place of all before.
        if answers(&lan, cyd, eve).iter().all(|kept| kept.refused.is_none()) {
            entries = pen.some(2, 30_000);
        }
        lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries: entries.clone() });
        lan.run_for(Duration::from_millis(100));
    }
    let held = lan.node(cyd).held_for_others();
    assert!(held.bytes <= MAX_AUTHOR_BYTES && held.bytes > MAX_AUTHOR_BYTES - 70_000, "{held:?}");
    assert!(answers(&lan, cyd, eve).iter().any(|kept| kept.refused == Some(Why::Full)));
    // Others are none the worse for it.
    lan.say_to(ann, bob, "and I?");
    lan.run_until(60 * SECOND, |lan| lan.kept_by(ann, bob).iter().any(|name| name == "cyd"));
    // Forgetting and giving it again does not go on for ever.
    lan.tape = Some(Vec::new());
    let log = lanyard_proto::wire::entry::log_id(lan.id(eve), 77);
    for _ in 0..400 {
        let mut again = Pen { seq: 0, prev: [0; 32], identity: pen.identity, room: pen.room };
        lan.say_mail(eve, cyd, Mail::Release { recipient, log, to: Seq(u64::MAX) });
        let entries = again.some(1, 10);
        lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries });
        lan.run_for(Duration::from_millis(5));
    }
    let said = answers(&lan, cyd, eve);
    assert!(said.iter().filter(|kept| kept.refused == Some(Why::Hasty)).count() > 100);
}

#[test]
fn an_author_of_many_small_entries_is_bounded_by_their_number() {
    let mut lan = Lan::seeded(4);
    let [bob, cyd, eve] = lan.join(["bob", "cyd", "eve"]);
    without_bob(&mut lan, bob);
    let (eve_key, recipient) = (lan.identity(eve), lan.id(bob));
    lan.link(eve, cyd);
    lan.run_for(SECOND);
    lan.tape = Some(Vec::new());
    let mut pen = pen(&eve_key, recipient);
    for _ in 0..MAX_AUTHOR_ENTRIES / 256 {
        let entries = pen.some(256, 1);
        lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries });
        lan.run_for(Duration::from_millis(100));
    }
    assert_eq!(lan.holds_for(cyd, bob), MAX_AUTHOR_ENTRIES as u64);
    let entries = pen.some(1, 1);
    lan.say_mail(eve, cyd, Mail::Deposit { recipient, entries });
    lan.run_for(SECOND);
    assert_eq!(answers(&lan, cyd, eve).last().unwrap().refused, Some(Why::Full));
    assert_eq!(lan.holds_for(cyd, bob), MAX_AUTHOR_ENTRIES as u64);
}

#[test]
fn a_holder_who_claims_more_than_it_was_given_is_believed_nothing() {
    let mut lan = Lan::seeded(5);
    let [ann, bob, eve] = lan.join(["ann", "bob", "eve"]);
    without_bob(&mut lan, bob);
    // Eve keeps nothing, and says what she likes.
    lan.command(eve, |node, _| node.hold_for_others(None));
    let room = lan.converse(ann, bob);
    let (recipient, log) = (lan.id(bob), lan.node(ann).room(room).unwrap().own_log());
    let lie = |to| Mail::Kept(Kept { recipient, log, span: span(0, to), refused: None, receipt: None });
    lan.link(eve, ann);
    lan.run_for(SECOND);
    // Unasked, it is not even heard.
    lan.say_in(ann, room, "one");
    lan.run_for(30 * SECOND);
    lan.say_mail(eve, ann, lie(1));
    lan.run_for(SECOND / 2);
    assert!(lan.kept_by(ann, bob).is_empty());
    for n in 0..20 {
        lan.say_in(ann, room, &format!("{n}"));
        lan.say_mail(eve, ann, lie(1000));
        lan.run_for(10 * SECOND);
        lan.say_mail(eve, ann, lie(u64::MAX));
        assert!(lan.kept_by(ann, bob).is_empty());
    }
    assert!(!lan.is_delivered(ann, bob));
}

#[test]
fn a_receipt_that_bob_did_not_sign_delivers_nothing() {
    let mut lan = Lan::seeded(6);
    let [ann, bob, eve] = lan.join(["ann", "bob", "eve"]);
    without_bob(&mut lan, bob);
    let room = lan.converse(ann, bob);
    lan.say_in(ann, room, "one");
    lan.run_until(10 * SECOND, |lan| lan.kept_by(ann, bob) == ["eve"]);
    let (recipient, log) = (lan.id(bob), lan.node(ann).room(room).unwrap().own_log());
    lan.link(eve, ann);
    lan.run_for(SECOND);
    let signed = |by: &Identity, room, log, over, says| {
        let signature = by.sign(Purpose::Receipt, &[&Receipt::signed(room, log, over)]);
        let receipt = Some(Receipt { span: says, signature });
        Mail::Kept(Kept { recipient, log, span: span(0, 0), refused: None, receipt })
    };
    let (eve_key, bob_key) = (lan.identity(eve), lan.identity(bob));
    let all = span(0, 1);
    for forged in [
        signed(&eve_key, room, log, all, all),
        signed(&bob_key, RoomId([1; 32]), log, all, all),
        signed(&bob_key, room, LogId([1; 8]), all, all),
        signed(&bob_key, room, log, span(0, 0), all),
    ] {
        lan.say_mail(eve, ann, forged);
        lan.run_for(SECOND);
        assert!(!lan.is_delivered(ann, bob));
    }
    // Nor does one for the end alone, where nobody said that bob has the beginning: others keep that, too.
    lan.say_in(ann, room, "two");
    lan.run_until(10 * SECOND, |lan| lan.kept_by(ann, bob) == ["eve"]);
    let end = span(1, 2);
    lan.say_mail(eve, ann, signed(&bob_key, room, log, end, end));
    lan.run_for(SECOND);
    assert!(!lan.is_delivered(ann, bob));
    let all = span(0, 2);
    let genuine = signed(&bob_key, room, log, all, all);
    lan.say_mail(eve, ann, genuine);
    lan.run_for(SECOND);
    assert!(lan.is_delivered(ann, bob), "the way of trying finds what it should");
}

#[test]
fn a_holder_who_offers_what_it_has_not_or_brings_something_else_is_left_and_the_next_is_asked() {
    for seed in 0..5 {
        let mut lan = Lan::seeded(seed);
        let [ann, bob, cyd, eve] = lan.join(["ann", "bob", "cyd", "eve"]);
        without_bob(&mut lan, bob);
        lan.command(eve, |node, _| node.hold_for_others(None));
        let room = lan.converse(ann, bob);
        for n in 0..3 {
            lan.say_in(ann, room, &format!("{n}"));
        }
        lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
        let (author, log) = (lan.id(ann), lan.node(ann).room(room).unwrap().own_log());
        let genuine: Vec<Vec<u8>> =
            lan.entries_in(ann, room).iter().map(|entry| entry.encode_in_room()).collect();
        lan.quit(ann);
        // Eve is with Bob before cyd finds him.
        lan.cut_off(cyd);
        lan.start(bob);
        lan.run_for(2 * SECOND);
        let offers = |span| Mail::Waiting { bundles: vec![Waiting { author, log, span }] };
        let mut changed = genuine.clone();
        changed[2][200] ^= 1;
        let lies = [
            Vec::new(),
            vec![vec![1, 2, 3]],
            changed,
            genuine[1..].to_vec(),
            vec![genuine[0].clone(), genuine[2].clone()],
        ];
        for entries in lies {
            lan.link(eve, bob);
            lan.run_for(SECOND);
            lan.say_mail(eve, bob, offers(span(0, 3)));
            lan.run_for(SECOND);
            lan.say_mail(eve, bob, Mail::Bundle { author, log, entries });
            lan.run_for(SECOND);
            assert!(lan.node(bob).room(room).is_none(), "no conversation begins with a lie");
        }
        // Nor does she keep others from bringing it by saying that she will.
        lan.link(eve, bob);
        lan.run_for(SECOND);
        lan.say_mail(eve, bob, offers(span(0, u64::MAX)));
        lan.reconnect(cyd);
        lan.run_until(60 * SECOND, |lan| chat(lan, bob, ann) == "ann: 0\nann: 1\nann: 2\n");
    }
}

#[test]
fn what_is_replayed_to_bob_changes_nothing() {
    let mut lan = Lan::seeded(7);
    let [ann, bob, eve] = lan.join(["ann", "bob", "eve"]);
    lan.run_for(20 * SECOND);
    let room = lan.converse(ann, bob);
    for n in 0..3 {
        lan.say_in(ann, room, &format!("{n}"));
    }
    lan.settle();
    let (author, log) = (lan.id(ann), lan.node(ann).room(room).unwrap().own_log());
    let entries: Vec<Vec<u8>> =
        lan.entries_in(ann, room).iter().map(|entry| entry.encode_in_room()).collect();
    lan.link(eve, bob);
    lan.run_for(SECOND);
    lan.tape = Some(Vec::new());
    for _ in 0..50 {
        let bundles = vec![Waiting { author, log, span: span(0, 3) }];
        lan.say_mail(eve, bob, Mail::Waiting { bundles });
        lan.say_mail(eve, bob, Mail::Bundle { author, log, entries: entries.clone() });
    }
    lan.run_for(60 * SECOND);
    assert_eq!(lan.entries_in(bob, room).len(), 3);
    assert!(lan.mail_between(bob, eve).iter().all(|said| matches!(said, Mail::Taken { .. })));
}

#[test]
fn somebody_else_is_given_nothing_of_what_is_kept_for_bob_and_can_forget_none_of_it() {
    let mut lan = Lan::seeded(8);
    let [ann, bob, cyd, eve] = lan.join(["ann", "bob", "cyd", "eve"]);
    without_bob(&mut lan, bob);
    lan.command(eve, |node, _| node.hold_for_others(None));
    lan.say_to(ann, bob, "ours");
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
    let room = direct_room_id(lan.id(ann), lan.id(bob));
    let (author, log) = (lan.id(ann), lan.node(ann).room(room).unwrap().own_log());
    lan.quit(ann);
    lan.link(eve, cyd);
    lan.run_for(SECOND);
    lan.tape = Some(Vec::new());
    let span = span(0, 1);
    let signature = Some(lan.identity(eve).sign(Purpose::Receipt, &[&Receipt::signed(room, log, span)]));
    for said in [
        Mail::Fetch { author, log, span },
        Mail::Taken { author, log, span, signature: None },
        Mail::Taken { author, log, span, signature },
        Mail::Release { recipient: lan.id(bob), log, to: Seq(1) },
        Mail::Release { recipient: author, log, to: Seq(1) },
        Mail::Ask { recipient: lan.id(bob), log },
    ] {
        lan.say_mail(eve, cyd, said);
        lan.run_for(SECOND);
    }
    let heard = lan.mail_between(cyd, eve);
    assert!(heard.iter().all(|said| match said {
        Mail::Bundle { entries, .. } => entries.is_empty(),
        Mail::Kept(kept) => kept.span.is_empty() && kept.receipt.is_none(),
        _ => false,
    }));
    assert_eq!(lan.holds_for(cyd, bob), 1);
    lan.start(bob);
    lan.run_until(30 * SECOND, |lan| chat(lan, bob, ann) == "ann: ours\n");
}

#[test]
fn a_recipient_who_asks_for_the_same_again_and_again_is_hung_up_on() {
    let mut lan = Lan::seeded(9);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    without_bob(&mut lan, bob);
    let room = lan.converse(ann, bob);
    for n in 0..10 {
        lan.say_in(ann, room, &format!("{n} {}", "x".repeat(12_000)));
    }
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
    let (author, log) = (lan.id(ann), lan.node(ann).room(room).unwrap().own_log());
    lan.quit(ann);
    lan.tape = Some(Vec::new());
    lan.start(bob);
    lan.run_until(10 * SECOND, |lan| !lan.mail_between(cyd, bob).is_empty());
    for _ in 0..300 {
        lan.say_mail(bob, cyd, Mail::Fetch { author, log, span: span(0, 10) });
        lan.run_for(Duration::from_millis(100));
    }
    assert!(bundled(&lan, cyd, bob) < 60, "{} entries", bundled(&lan, cyd, bob));
}

#[test]
fn a_recipient_who_never_answers_costs_a_holder_one_connection_an_hour() {
    let mut lan = Lan::seeded(10);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    without_bob(&mut lan, bob);
    lan.say_to(ann, bob, "hello?");
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
    lan.quit(ann);
    // Whoever is asked by somebody blocked says nothing.
    lan.blocks(bob, cyd);
    lan.start(bob);
    lan.run_for(60 * SECOND);
    let before = lan.dials;
    lan.run_for(6 * HOUR);
    // A few at first, in case it was the network.
    assert!((1..=12).contains(&(lan.dials - before)), "{} dials", lan.dials - before);
    assert_eq!(lan.holds_for(cyd, bob), 1);
}

#[test]
fn neither_a_holder_nor_the_network_reads_what_is_kept() {
    let mut lan = Lan::seeded(11);
    let [ann, bob, cyd] = lan.join(["ann", "bob", "cyd"]);
    without_bob(&mut lan, bob);
    lan.tape = Some(Vec::new());
    lan.say_to(ann, bob, "nobody else may know this");
    lan.run_until(20 * SECOND, |lan| lan.kept_by(ann, bob) == ["cyd"]);
    lan.quit(ann);
    lan.start(bob);
    lan.run_until(30 * SECOND, |lan| chat(lan, bob, ann) == "ann: nobody else may know this\n");
    let secret = b"nobody else";
    let tape = lan.tape.take().unwrap();
    assert!(tape.iter().all(|heard| heard.bytes.windows(secret.len()).all(|bytes| bytes != secret)));
    assert!(lan.node(cyd).room(direct_room_id(lan.id(ann), lan.id(bob))).is_none());
}
