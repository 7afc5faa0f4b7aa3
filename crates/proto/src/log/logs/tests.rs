//! Which entries are believed, in which order they may come, and what is bounded.

use super::*;
use crate::identity::Identity;
use crate::model::{Hlc, RoomId};
use crate::wire::entry::Header;

const ROOM: RoomId = RoomId([9; 32]);

fn chain(seed: u8, texts: &[&str]) -> Vec<Entry> {
    let author = Identity::from_seed(&[seed; 32]);
    let mut prev = NO_ENTRY;
    let mut entries = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let header = Header {
            room: ROOM,
            author: author.peer_id(),
            nonce: 1,
            epoch: 0,
            seq: Seq(at as u64 + 1),
            prev: prev.0,
            hlc: Hlc(at as u64),
            deps: vec![],
            kind: 1,
        };
        let entry = Entry::write(&author, header, text.as_bytes().to_vec());
        prev = entry.id();
        entries.push(entry);
    }
    entries
}

fn sent(entry: &Entry) -> Unverified {
    Unverified::decode(&entry.encode()).unwrap()
}

impl Logs {
    fn take(&mut self, entry: Unverified) -> Accepted {
        self.accept(vec![entry], Holes::Not)
    }

    fn take_run(&mut self, entries: &[Entry], holes: Holes) -> Accepted {
        self.accept(entries.iter().map(sent).collect(), holes)
    }
}

fn appended(accepted: Accepted) -> usize {
    match accepted {
        Accepted::Added(run) => run.entries.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn entries_that_arrive_in_any_order_are_appended_in_theirs() {
    let entries = chain(1, &["a", "b", "c", "d"]);
    let mut logs = Logs::default();
    assert!(matches!(logs.take(sent(&entries[2])), Accepted::Held));
    assert!(matches!(logs.take(sent(&entries[2])), Accepted::Known));
    assert_eq!(logs.missing(10), [Wanted { log: entries[0].log(), from: Seq(1), count: 2 }]);
    assert_eq!(appended(logs.take(sent(&entries[0]))), 1);
    assert!(matches!(logs.take(sent(&entries[3])), Accepted::Held));
    assert_eq!(appended(logs.take(sent(&entries[1]))), 3);
    assert!(!logs.is_missing() && logs.held_bytes == 0);
    assert_eq!(logs.head(entries[0].log()), Seq(4));
}

#[test]
fn a_log_that_contradicts_itself_stops_where_it_does() {
    let (one, other) = (chain(1, &["a", "b"]), chain(1, &["a", "x", "y"]));
    let mut logs = Logs::default();
    assert_eq!(appended(logs.take(sent(&one[0]))), 1);
    assert!(matches!(logs.take(sent(&other[2])), Accepted::Held));
    assert_eq!(appended(logs.take(sent(&one[1]))), 1);
    assert_eq!(logs.held_bytes, 0, "what does not follow is not kept");
    assert!(matches!(logs.take(sent(&other[2])), Accepted::Refused));
}

#[test]
fn the_same_entries_give_the_same_digest() {
    let (ann, bob) = (chain(1, &["a", "b"]), chain(2, &["c"]));
    let [mut one, mut other] = [Logs::default(), Logs::default()];
    for entry in ann.iter().chain(&bob) {
        logs_accept(&mut one, entry);
    }
    assert_ne!(one.digest(), other.digest());
    for entry in bob.iter().chain(&ann) {
        logs_accept(&mut other, entry);
    }
    assert_eq!(one.digest(), other.digest());
    assert_eq!(one.heads(1), [(bob[0].log(), Seq(1))]);
    assert_eq!(other.heads(1), [(ann[0].log(), Seq(2))]);
}

fn logs_accept(logs: &mut Logs, entry: &Entry) {
    assert_eq!(appended(logs.take(sent(entry))), 1);
}

#[test]
fn claims_are_asked_for_and_forgotten() {
    let mut logs = Logs::default();
    let entries = chain(1, &["a", "b"]);
    logs_accept(&mut logs, &entries[0]);
    assert!(logs.learn(&[(entries[0].log(), Seq(u64::MAX)), (LogId([7; 8]), Seq(3))]));
    assert_eq!(logs.missing(5).iter().map(|w| w.count).sum::<u32>(), 5);
    logs.forget_claims();
    assert!(!logs.is_missing());
    assert_eq!(logs.count(), 1);
}

#[test]
fn claims_of_made_up_logs_are_bounded() {
    let mut logs = Logs::default();
    for n in 0..10_000u64 {
        logs.learn(&[(LogId(n.to_be_bytes()), Seq(1))]);
    }
    assert_eq!((logs.logs.len(), logs.claims.len()), (0, MAX_CLAIMS));
    assert_eq!(appended(logs.take(sent(&chain(1, &["a"])[0]))), 1, "and real ones find room");
}

#[test]
fn what_waits_behind_a_gap_that_nobody_fills_is_let_go() {
    let entries = chain(1, &["a", "b", "c"]);
    let mut logs = Logs::default();
    assert!(matches!(logs.take(sent(&entries[2])), Accepted::Held));
    logs.forget_claims();
    assert!(!logs.is_missing() && logs.held_bytes == 0 && logs.authors.is_empty());
    assert!(matches!(logs.take(sent(&entries[2])), Accepted::Held), "and taken again when it is spoken of");
}

#[test]
fn one_author_cannot_fill_a_room_with_logs() {
    let author = Identity::from_seed(&[1; 32]);
    let mut logs = Logs::default();
    for nonce in 0..100 {
        let header = Header { nonce, ..chain(1, &["a"])[0].header.clone() };
        let _ = logs.take(sent(&Entry::write(&author, header, b"a".to_vec())));
    }
    assert_eq!(logs.logs.len(), MAX_LOGS_OF_AUTHOR);
    assert_eq!(appended(logs.take(sent(&chain(2, &["b"])[0]))), 1);
}

fn long(seed: u8, count: usize) -> Vec<Entry> {
    chain(seed, &vec!["tea"; count])
}

fn whole(log: LogId, seq: u64) -> Head {
    Head { log, seq: Seq(seq), base: Seq(0), check: None }
}

#[test]
fn the_newest_are_believed_by_one_signature_and_what_is_below_by_its_hash() {
    let entries = long(1, 30);
    let log = entries[0].log();
    let mut logs = Logs::default();
    assert!(matches!(logs.take_run(&entries[20..30], Holes::Not), Accepted::Held), "nobody asked for them");
    logs.forget_claims();
    let Accepted::Added(run) = logs.take_run(&entries[20..30], Holes::Allowed) else { panic!("refused") };
    assert_eq!((run.place, run.entries.len()), (Place::Ahead, 10));
    assert!(logs.has_holes() && logs.is_partial() && !logs.is_missing());
    assert_eq!(logs.lacking(&whole(log, 30)), [Span { after: Seq(0), to: Seq(20) }]);
    let Accepted::Added(run) = logs.take_run(&entries[5..24], Holes::Not) else { panic!("refused") };
    assert_eq!((run.place, run.entries.len()), (Place::Below, 15), "what is here already is left out");
    assert_eq!(appended(logs.take_run(&entries[..5], Holes::Not)), 5);
    assert!(!logs.has_holes() && !logs.is_partial());
    assert!(matches!(logs.take_run(&entries[3..9], Holes::Not), Accepted::Known));
}

#[test]
fn a_changed_past_is_refused_whatever_it_is_signed_with() {
    let (entries, other) = (long(1, 30), chain(1, &["x"; 30]));
    let mut logs = Logs::default();
    assert_eq!(appended(logs.take_run(&entries[..5], Holes::Not)), 5);
    assert_eq!(appended(logs.take_run(&entries[20..30], Holes::Allowed)), 10);
    assert!(matches!(logs.take_run(&other[10..20], Holes::Allowed), Accepted::Refused));
    assert!(
        matches!(logs.take_run(&entries[8..12], Holes::Allowed), Accepted::Refused),
        "it hangs in the air"
    );
    assert_eq!(appended(logs.take_run(&entries[10..20], Holes::Allowed)), 10);
    assert_eq!(logs.lacking(&whole(entries[0].log(), 30)), [Span { after: Seq(5), to: Seq(10) }]);
}

#[test]
fn a_forged_run_is_forged_though_its_entries_follow_each_other() {
    let entries = long(1, 10);
    let mut bytes: Vec<Vec<u8>> = entries.iter().map(Entry::encode).collect();
    let last = bytes.last_mut().unwrap();
    let signature = last.len() - 10;
    last[signature] ^= 1;
    let run = bytes.iter().map(|bytes| Unverified::decode(bytes).unwrap()).collect();
    let mut logs = Logs::default();
    assert!(matches!(logs.accept(run, Holes::Allowed), Accepted::Forged));
    assert_eq!(logs.count(), 0);
}

#[test]
fn what_is_said_while_history_is_fetched_goes_on_at_the_head() {
    let entries = long(1, 40);
    let mut logs = Logs::default();
    assert_eq!(appended(logs.take_run(&entries[20..30], Holes::Allowed)), 10);
    assert!(matches!(logs.take(sent(&entries[31])), Accepted::Held));
    assert_eq!(appended(logs.take(sent(&entries[30]))), 2);
    assert_eq!(appended(logs.take_run(&entries[10..20], Holes::Not)), 10);
    assert_eq!((logs.head(entries[0].log()), logs.held_bytes), (Seq(32), 0));
}

#[test]
fn what_was_given_up_is_not_wanted_again() {
    let entries = long(1, 20);
    let log = entries[0].log();
    let mut logs = Logs::default();
    assert_eq!(appended(logs.take_run(&entries, Holes::Not)), 20);
    let digest = logs.digest();
    logs.forget(log, Seq(12), entries[11].id());
    assert_eq!(logs.lacking(&whole(log, 20)), []);
    assert!(!logs.has_holes() && logs.is_partial());
    assert_eq!(logs.digest(), digest, "the heads are the same");
    assert!(matches!(logs.take_run(&entries[5..12], Holes::Allowed), Accepted::Known));
}
