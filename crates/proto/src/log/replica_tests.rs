use super::*;

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
