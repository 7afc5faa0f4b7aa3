use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn peer(n: u32) -> PeerId {
    let mut id = [9; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    PeerId(id)
}

fn heads(gist: u8, len: usize, now: Instant) -> Heads {
    Heads { datagram: vec![7; len], gist: [gist; 8], by: None, at: now + GATHERED }
}

fn start() -> Instant {
    Instant(0) + SECOND * 100
}

#[test]
fn what_this_device_holds_is_said_twice_and_then_now_and_then() {
    let (mut passing, mut now) = (Passing::default(), start());
    let room = RoomId([1; 32]);
    let mut said = Vec::new();
    for second in 0..70 {
        if passing.is_news(room, [if second < 3 { 1 } else { 2 }; 8], now) {
            said.push(second);
        }
        now = now + SECOND;
    }
    assert_eq!(said, [0, 1, 3, 4, 34, 64]);
}

#[test]
fn of_what_one_device_holds_the_newest_is_passed_and_the_same_not_again() {
    let (mut passing, now) = (Passing::default(), start());
    passing.note(peer(1), [1; 8], heads(1, 100, now), now);
    passing.note(peer(1), [1; 8], heads(2, 200, now), now);
    assert!(passing.take_due(now).is_empty(), "they are gathered");
    let now = now + GATHERED;
    let taken = passing.take_due(now);
    assert_eq!(taken.iter().map(|(_, heads)| heads.datagram.len()).collect::<Vec<_>>(), [200]);
    assert_eq!(passing.deadline(), None);
    passing.note(peer(1), [1; 8], heads(2, 200, now), now);
    assert_eq!(passing.deadline(), None, "nothing new");
    // In a sealed room all look new.
    passing.note(peer(1), [1; 8], heads(3, 200, now), now);
    assert_eq!(passing.deadline(), Some(now + HEADS_REST));
    let now = now + HEADS_REST;
    assert_eq!(passing.take_due(now).len(), 1);
    let now = now + REPEATED;
    passing.note(peer(1), [1; 8], heads(3, 200, now), now);
    assert!(passing.deadline().is_some(), "what is the same goes again after a while");
}

#[test]
fn however_many_speak_so_many_bytes_go_over_a_link_and_so_much_is_kept() {
    let (mut passing, mut now) = (Passing::default(), start());
    let mut bytes = 0;
    for round in 0..20u32 {
        for n in 0..2 * MAX_NOTES as u32 {
            passing.note(peer(n), [(round % 7) as u8; 8], heads(round as u8, 1000, now), now);
        }
        now = now + GATHERED;
        bytes += passing.take_due(now).iter().map(|(_, heads)| heads.datagram.len()).sum::<usize>();
        assert_eq!(passing.heads.len(), MAX_NOTES);
    }
    let most = 20 * (BYTES_AT_A_TIME + 1000);
    assert!((20 * BYTES_AT_A_TIME..=most).contains(&bytes), "{bytes} bytes in ten seconds");
}

#[test]
fn whoever_speaks_of_many_rooms_takes_neither_place_nor_turns_of_those_who_do_not() {
    let (mut passing, mut now) = (Passing::default(), start());
    for tag in 0..10 * MAX_NOTES as u64 {
        passing.note(peer(0), tag.to_be_bytes(), heads(1, 1000, now), now);
    }
    assert_eq!(passing.heads.len(), MAX_TAGS);
    // However many have many: those with one find a place.
    for n in 1..=MAX_NOTES as u32 / 2 {
        for tag in 0..MAX_TAGS as u64 {
            passing.note(peer(n), tag.to_be_bytes(), heads(1, 1000, now), now);
        }
    }
    now = now + SECOND / 10;
    let few = 2_000_000..2_000_010;
    for n in few.clone() {
        passing.note(peer(n), [1; 8], heads(1, 100, now), now);
    }
    assert_eq!(passing.heads.len(), MAX_NOTES);
    assert!(few.clone().all(|n| passing.heads.contains_key(&(peer(n), [1; 8]))));
}

#[test]
fn devices_take_turns_however_many_rooms_each_speaks_of() {
    let (mut passing, mut now) = (Passing::default(), start());
    let mut passed = [0; 4];
    for _ in 0..40 {
        for tag in 0..2 * MAX_TAGS as u64 {
            passing.note(peer(0), tag.to_be_bytes(), heads(1, 1100, now), now);
        }
        for n in 1..4 {
            passing.note(peer(n), [1; 8], heads(1, 1100, now), now);
        }
        now = now + GATHERED;
        for (sender, _) in passing.take_due(now) {
            passed[(0..4).find(|n| peer(*n) == sender).unwrap() as usize] += 1;
        }
        // All say something else.
        passing.heads.values_mut().for_each(|note| {
            note.passed = note.passed.map(|(_, at)| ([9; 8], at));
        });
    }
    // Two at a time. Those with one room speak every four seconds.
    assert!(passed[1..].iter().all(|count| *count >= 4), "{passed:?}");
    assert!(passed[0] > passed[1], "what is left is for who has more to say: {passed:?}");
}

#[test]
fn what_waited_in_vain_makes_place_for_what_is_said_now() {
    let (mut passing, now) = (Passing::default(), start());
    for n in 0..MAX_NOTES as u32 {
        passing.note(peer(n), [1; 8], heads(1, 1000, now), now);
    }
    let late = peer(3_000_000);
    passing.note(late, [1; 8], heads(1, 100, now), now);
    assert!(!passing.heads.contains_key(&(late, [1; 8])), "nobody has more than one");
    let now = now + GATHERED + REPEATED;
    passing.note(late, [1; 8], heads(1, 100, now), now);
    assert!(passing.heads.contains_key(&(late, [1; 8])));
}
