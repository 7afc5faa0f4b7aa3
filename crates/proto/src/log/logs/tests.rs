//! Which entries are believed, in which order they may come, and what is bounded.

use super::claims::{MAX_CLAIMS, MAX_CLAIMS_OF_SENDER};
use super::places::{MAX_LOGS, MAX_LOGS_OF_AUTHOR, MAX_SETTLED};
use super::*;
use crate::identity::Identity;
use crate::model::{Hlc, RoomId};
use crate::wire::datagram::Wanted;
use crate::wire::entry::Header;

const ROOM: RoomId = RoomId([9; 32]);
/// The log that is asked for first.
const FIRST: LogId = LogId([0; 8]);
const SOMEBODY: PeerId = PeerId([3; 32]);

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
    assert_eq!(logs.missing(10, FIRST), [Wanted { log: entries[0].log(), from: Seq(1), count: 2 }]);
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
    assert!(logs.learn(SOMEBODY, &[(entries[0].log(), Seq(u64::MAX)), (LogId([7; 8]), Seq(3))]));
    assert_eq!(logs.missing(5, FIRST).iter().map(|w| w.count).sum::<u32>(), 5);
    logs.forget_claims();
    assert!(!logs.is_missing());
    assert_eq!(logs.count(), 1);
}

#[test]
fn claims_of_made_up_logs_are_bounded() {
    let mut logs = Logs::default();
    let wanted = |logs: &Logs| logs.missing(usize::MAX, FIRST).len();
    for n in 0..10_000u64 {
        logs.learn(SOMEBODY, &[(LogId(n.to_be_bytes()), Seq(1))]);
    }
    assert_eq!((logs.logs.len(), wanted(&logs)), (0, MAX_CLAIMS_OF_SENDER));
    for n in 0..10_000u64 {
        let by = PeerId(core::array::from_fn(|i| n.to_be_bytes()[i % 8]));
        logs.learn(by, &[(LogId(((1 << 20) + n).to_be_bytes()), Seq(1))]);
    }
    assert_eq!(wanted(&logs), MAX_CLAIMS);
    assert_eq!(appended(logs.take(sent(&chain(1, &["a"])[0]))), 1, "and real ones find room");
}

#[test]
fn whoever_claims_much_gives_way_to_whoever_claims_little() {
    let mut logs = Logs::default();
    for n in 0..MAX_CLAIMS as u64 {
        let by = PeerId([(n / MAX_CLAIMS_OF_SENDER as u64) as u8; 32]);
        logs.learn(by, &[(LogId(n.to_be_bytes()), Seq(1))]);
    }
    let one = (LogId([7; 8]), Seq(1));
    assert!(!logs.lacks(one.0, one.1));
    assert!(logs.learn(PeerId([99; 32]), &[one]));
    assert!(logs.lacks(one.0, one.1));
}

#[test]
fn what_one_log_lacks_by_hearsay_leaves_its_share_to_the_others() {
    let mut logs = Logs::default();
    let (ann, bob) = (long(1, 5), long(2, 3));
    logs_accept(&mut logs, &ann[0]);
    logs_accept(&mut logs, &bob[0]);
    logs.learn(
        SOMEBODY,
        &[(ann[0].log(), Seq(1 << 40)), (bob[0].log(), Seq(3)), (LogId([7; 8]), Seq(1 << 40))],
    );
    let of = |logs: &Logs, log| -> u32 {
        logs.missing(64, FIRST).iter().filter(|wanted| wanted.log == log).map(|wanted| wanted.count).sum()
    };
    let counts = [ann[0].log(), bob[0].log(), LogId([7; 8])].map(|log| of(&logs, log));
    assert_eq!((counts[1], counts.iter().sum::<u32>()), (2, 64));
    assert!(counts[0].abs_diff(counts[2]) <= 1, "{counts:?}");
    assert_eq!(logs.missing(1, bob[0].log())[0].log, bob[0].log(), "and each is first in its turn");
    let all: u32 = logs.missing(usize::MAX, FIRST).iter().map(|wanted| wanted.count).sum();
    assert_eq!(u64::from(all), 2 * MAX_AHEAD + 2, "nobody is believed further than that");
}

#[test]
fn what_waits_behind_a_gap_that_nobody_fills_is_let_go() {
    let entries = chain(1, &["a", "b", "c"]);
    let mut logs = Logs::default();
    assert!(matches!(logs.take(sent(&entries[2])), Accepted::Held));
    logs.forget_claims();
    assert!(!logs.is_missing() && logs.held_bytes == 0 && logs.real == 0);
    assert!(matches!(logs.take(sent(&entries[2])), Accepted::Held), "and taken again when it is spoken of");
}

#[test]
fn one_author_cannot_fill_a_room_with_logs() {
    let mut logs = Logs::default();
    for nonce in 0..100 {
        let _ = logs.take(sent(&first_of(1, nonce, nonce)));
    }
    assert_eq!((logs.logs.len(), logs.real), (MAX_LOGS_OF_AUTHOR, MAX_LOGS_OF_AUTHOR));
    assert_eq!(appended(logs.take(sent(&chain(2, &["b"])[0]))), 1);
}

/// The first entry of an author's log.
fn first_of(seed: u8, nonce: u64, clock: u64) -> Entry {
    let author = Identity::from_seed(&[seed; 32]);
    let header = Header { nonce, hlc: Hlc(clock), ..chain(seed, &["a"])[0].header.clone() };
    Entry::write(&author, header, b"a".to_vec())
}

#[test]
fn of_too_many_logs_of_an_author_the_newest_stay_in_whatever_order_they_come() {
    let entries: Vec<Entry> = (0..100).map(|nonce| first_of(1, nonce, nonce)).collect();
    let [mut one, mut other] = [Logs::default(), Logs::default()];
    for entry in &entries {
        let Accepted::Added(run) = one.take(sent(entry)) else { panic!("the newest is always taken") };
        assert_eq!(run.closed.len(), usize::from(entry.header.nonce >= 32));
    }
    for entry in entries.iter().rev() {
        let taken = other.take(sent(entry));
        assert_eq!(matches!(taken, Accepted::NoRoom), entry.header.nonce < 68, "{taken:?}");
    }
    assert_eq!(one.digest(), other.digest());
    let gone = (entries[3].log(), Seq(1));
    assert!(!one.learn(SOMEBODY, &[gone]) && !other.learn(SOMEBODY, &[gone]), "and are not asked for");
    assert_eq!(one.lacking(&whole(gone.0, 1)), []);
    assert!(one.learn(SOMEBODY, &[(gone.0, Seq(2))]), "unless they go on");
}

#[test]
fn the_log_that_is_written_here_never_gives_way() {
    let mut logs = Logs::default();
    let own = first_of(1, 0, 0);
    logs.is_written_here(own.log());
    logs.append(own.clone());
    for nonce in 1..100 {
        let _ = logs.take(sent(&first_of(1, nonce, nonce)));
    }
    assert_eq!(logs.head(own.log()), Seq(1));
    assert_eq!(logs.real, MAX_LOGS_OF_AUTHOR);
}

#[test]
fn a_full_room_hears_new_authors_and_made_up_ones_push_out_nobody_who_is_here() {
    let mut logs = Logs::default();
    let peer = |n: u64| PeerId(core::array::from_fn(|i| n.to_be_bytes()[i % 8]));
    for n in 0..MAX_LOGS as u64 {
        let interval = Interval { base: Seq(0), base_id: NO_ENTRY, head: Seq(1), head_id: EntryId([1; 32]) };
        logs.load(&LoadedLog {
            author: peer(n),
            nonce: 1,
            intervals: vec![interval],
            floor: Seq(0),
            oldest: Hlc(n),
            newest: Hlc(n),
        });
    }
    assert!(logs.is_full());
    logs.esteem(BTreeSet::from([peer(0)]));
    let of = |n: u64| crate::wire::entry::log_id(peer(n), 1);
    let Accepted::Added(run) = logs.take(sent(&first_of(1, 1, 1 << 40))) else { panic!("not heard") };
    assert_eq!(run.closed, [of(1)], "the first to go of those who are not here");
    assert_eq!((logs.real, logs.head(of(0))), (MAX_LOGS, Seq(1)));
    assert!(matches!(logs.take(sent(&first_of(2, 1, 0))), Accepted::NoRoom), "it is older than all that are");
    logs.esteem(BTreeSet::from([peer(0), Identity::from_seed(&[2; 32]).peer_id()]));
    assert_eq!(appended(logs.take(sent(&first_of(2, 1, 0)))), 1, "of somebody who is here");
}

#[test]
fn logs_without_room_are_remembered_and_bounded() {
    let mut logs = Logs::default();
    for n in 0..2 * MAX_SETTLED as u64 {
        logs.settle(LogId(n.to_be_bytes()), Seq(1));
    }
    assert_eq!(logs.settled(), MAX_SETTLED);
    assert!(!logs.is_settled(LogId(0u64.to_be_bytes()), Seq(1)), "the first are forgotten");
}

#[test]
fn what_waits_beyond_a_gap_is_bounded_in_places_and_in_bytes() {
    let far = long(1, 1 + MAX_AHEAD as usize);
    let mut logs = Logs::default();
    assert!(matches!(logs.take(sent(&far[MAX_AHEAD as usize])), Accepted::NoRoom), "it is too far ahead");
    assert!(matches!(logs.take(sent(&far[MAX_AHEAD as usize - 1])), Accepted::Held));
    let large = "x".repeat(30_000);
    let entries = chain(2, &vec![large.as_str(); 200]);
    let held = entries[1..].iter().filter(|entry| matches!(logs.take(sent(entry)), Accepted::Held)).count();
    assert!(logs.held_bytes <= MAX_HELD_BYTES && held > 100, "{held} of {} bytes", logs.held_bytes);
    assert!(matches!(logs.take(sent(&entries[199])), Accepted::NoRoom));
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
