use super::*;
use crate::identity::Identity;
use crate::model::Hlc;
use crate::node::deeds::{ENTRY_OVERHEAD, MAX_WAITING, MAX_WAITING_BYTES};
use crate::wire::entry::Header;

fn peer(n: u32) -> PeerId {
    let mut id = [9; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    PeerId(id)
}

fn strange(seq: u64, body: usize) -> Unverified {
    let eve = Identity::from_seed(&[3; 32]);
    let room = RoomId([1; 32]);
    let (author, hlc) = (eve.peer_id(), Hlc(0));
    let header =
        Header { room, author, nonce: 1, epoch: 0, seq: Seq(seq), prev: [0; 32], hlc, deps: vec![], kind: 1 };
    let entry = Entry::write(&eve, header, vec![7; body]);
    Unverified::decode_in_room(room, &entry.encode_in_room()).unwrap()
}

#[test]
fn of_too_many_entries_that_wait_the_oldest_go() {
    let mut private = Private::new(Standing::Inside);
    for seq in 1..=MAX_WAITING as u64 + 3 {
        private.waiting.keep(strange(seq, 10));
    }
    assert_eq!(private.waiting.entries.len(), MAX_WAITING);
    assert_eq!(private.waiting.entries[0].header().seq, Seq(4));
    assert_eq!(private.waiting.bytes, MAX_WAITING * (10 + ENTRY_OVERHEAD));
    // Few large ones are as much.
    for seq in 1..=100 {
        private.waiting.keep(strange(seq, 32_000));
    }
    assert!(private.waiting.bytes <= MAX_WAITING_BYTES);
    assert_eq!(private.waiting.entries.len(), MAX_WAITING_BYTES / (32_000 + ENTRY_OVERHEAD));
    assert_eq!(private.waiting.entries.back().unwrap().header().seq, Seq(100));
}

#[test]
fn so_many_are_suspected_and_no_more() {
    let mut private = Private::new(Standing::Inside);
    let key = (0, KeyId([1; 16]));
    for n in 0..MAX_SUSPECTS as u32 {
        assert!(private.suspect(peer(n), key) && !private.suspect(peer(n), key), "each once");
    }
    assert!(!private.suspect(peer(1000), key));
    assert_eq!(private.suspects.len(), MAX_SUSPECTS);
}

#[test]
fn nobody_who_makes_up_epochs_hides_those_of_the_room() {
    let mut private = Private::new(Standing::Inside);
    for n in 0..MAX_SEALED_EPOCHS as u32 + 5 {
        private.note_sealed(u32::MAX - n);
    }
    for epoch in 1..4 {
        private.note_sealed(epoch);
    }
    assert_eq!(private.sealed.len(), MAX_SEALED_EPOCHS);
    assert!((1..4).all(|epoch| private.sealed.contains(&epoch)) && !private.sealed.contains(&u32::MAX));
}

#[test]
fn so_many_are_named_by_those_who_welcome_and_no_more() {
    let mut private = Private::new(Standing::Inside);
    let most = MAX_WELCOMED as u32;
    assert_eq!(private.note_writers((0..most - 1).map(peer)).len(), MAX_WELCOMED - 1);
    assert!(private.note_writers([peer(0)].into_iter()).is_empty(), "nothing new");
    assert_eq!(private.note_writers((most..most + 9).map(peer)).len(), 1);
    assert_eq!(private.welcomed.len(), MAX_WELCOMED);
}
