use super::*;
use crate::log::repair::Priority;

#[test]
fn of_a_crowd_so_many_are_counted_and_no_more() {
    let me = PeerId([1; 32]);
    let mut replica = Replica::new(RoomId([2; 32]), me, LogId([3; 8]), None, 0);
    let mut dice = Dice::seeded([1; 32]);
    let peer = |n: usize| {
        let mut id = [9; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        PeerId(id)
    };
    for n in 0..MAX_MEMBERS + 5 {
        replica.packet(peer(n), true, RoomPacket::Typing, Instant(1_000_000), &mut dice);
    }
    assert_eq!((replica.members().count(), replica.here), (MAX_MEMBERS, MAX_MEMBERS));
    replica.somebody_left(peer(0));
    replica.packet(peer(MAX_MEMBERS), true, RoomPacket::Typing, Instant(1_000_000), &mut dice);
    assert_eq!((replica.members().count(), replica.here), (MAX_MEMBERS, MAX_MEMBERS));
    assert!(replica.members().any(|member| member == peer(MAX_MEMBERS)));
}

#[test]
fn where_there_is_no_air_left_a_crowd_asks_rarely_so_that_there_is_some_for_answers() {
    let asked = |busy: bool| {
        let mut replica = Replica::new(RoomId([2; 32]), PeerId([1; 32]), LogId([3; 8]), None, 0);
        let mut dice = Dice::seeded([1; 32]);
        let start = Instant(1_000_000);
        for n in 0..99 {
            replica.packet(PeerId([100 + n; 32]), true, RoomPacket::Typing, start, &mut dice);
        }
        let data = RoomPacket::Data { entries: Vec::new(), heads: vec![(LogId([7; 8]), Seq(60))] };
        replica.packet(PeerId([100; 32]), true, data, start, &mut dice);
        let air = Conditions { loss: 0.5, busy };
        let mut at = Vec::new();
        for step in 0..10_000 {
            let now = start + Duration::from_millis(step);
            at.extend(replica.next_packet(Priority::Nack, air, now, &mut dice).map(|_| step));
        }
        at
    };
    let (calm, busy) = (asked(false), asked(true));
    assert!(calm.len() > 10, "{calm:?}");
    assert!(
        (2..=8).contains(&busy.len()),
        "{busy:?}: at a hundred devices about every two and a half seconds"
    );
    assert!(busy[0] <= 100, "the first question does not wait");
}
