use super::*;
use crate::model::{EntryId, Hlc, InviteId, KeyId, LogId, RoomId, Seq, UnixMillis};
use crate::rooms::fold::{Deeds, Done, Role};
use crate::rooms::{Deed, invite_id, private_room_id};
use proptest::prelude::*;

const SALT: [u8; 16] = [9; 16];
const SECRET: [u8; 16] = [4; 16];

fn peer(n: u16) -> PeerId {
    let mut id = [0; 32];
    id[..2].copy_from_slice(&n.to_be_bytes());
    PeerId(id)
}

const ANN: u16 = 1;
const BOB: u16 = 2;
const EVE: u16 = 5;

fn room() -> RoomId {
    private_room_id(peer(ANN), &SALT)
}

/// Deeds that are written one after the other.
#[derive(Default)]
struct Pen {
    written: Vec<Done>,
}

impl Pen {
    /// Ann's room with an invite in it; Bob is an admin, Eve a member.
    fn begun() -> Pen {
        let mut pen = Pen::default();
        pen.write(ANN, 0, What::Genesis { salt: SALT, name: "design".into(), key: KeyId([0; 16]) });
        pen.write(ANN, 1, add(BOB, None));
        pen.write(ANN, 2, What::Appoint { device: peer(BOB), admin: true });
        pen.write(ANN, 3, add(EVE, None));
        pen.write(ANN, 4, What::Invite { secret: SECRET, expires: UnixMillis(u64::MAX) });
        pen
    }

    fn write(&mut self, author: u16, height: u32, what: What) -> Done {
        let n = self.written.len() as u64;
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        let author = peer(author);
        let (log, seq, id, hlc) = (LogId([author.0[1]; 8]), Seq(n + 1), EntryId(id), Hlc(n));
        let done = Done { author, log, seq, id, hlc, epoch: 0, deed: Deed { height, what } };
        self.written.push(done.clone());
        done
    }

    fn deeds(&self) -> Deeds {
        gathered(&self.written)
    }
}

fn gathered(written: &[Done]) -> Deeds {
    let mut deeds = Deeds::default();
    for done in written {
        deeds.insert(room(), done.clone());
    }
    deeds
}

fn add(device: u16, invite: Option<InviteId>) -> What {
    What::Add { device: peer(device), admin: false, invite, after: vec![], name: String::new() }
}

fn by_invite(device: u16) -> What {
    add(device, Some(invite_id(&SECRET)))
}

fn remove(device: u16) -> What {
    What::Remove { device: peer(device), heads: vec![], deeds: None }
}

fn is_in(deeds: &mut Deeds, device: u16) -> bool {
    deeds.fold().members.contains_key(&peer(device))
}

#[test]
fn a_member_who_floods_keeps_nobody_from_being_put_out() {
    for what in
        [What::Renewed, What::Invite { secret: [1; 16], expires: UnixMillis(0) }, add(77, None), remove(BOB)]
    {
        for by in [ANN, BOB] {
            let mut pen = Pen::begun();
            for n in 0..20_000 {
                pen.write(EVE, 5 + n % 3, what.clone());
            }
            let mut deeds = pen.deeds();
            assert_eq!(deeds.written(peer(EVE), Sort::Ruling), MAX_RULING_OF_AUTHOR);
            let height = deeds.fold().next_height();
            let removal = deeds.insert(room(), pen.write(by, height, remove(EVE)));
            assert_eq!((removal.new, removal.dropped.len()), (true, 0));
            assert!(!is_in(&mut deeds, EVE) && is_in(&mut deeds, BOB));
        }
    }
}

#[test]
fn when_the_admins_have_filled_the_room_its_creator_still_puts_them_out() {
    let mut pen = Pen::begun();
    let admins: Vec<u16> = (100..112).collect();
    for (n, admin) in admins.iter().enumerate() {
        pen.write(ANN, 5 + 2 * n as u32, add(*admin, None));
        pen.write(ANN, 6 + 2 * n as u32, What::Appoint { device: peer(*admin), admin: true });
    }
    for n in 0..=MAX_RULING_OF_AUTHOR as u32 {
        for admin in &admins {
            pen.write(*admin, 40 + n, What::Renewed);
        }
    }
    let mut deeds = pen.deeds();
    assert_eq!(deeds.len(), MAX_DEEDS);
    for admin in &admins {
        let height = deeds.fold().next_height();
        assert!(deeds.insert(room(), pen.write(ANN, height, remove(*admin))).new);
    }
    let fold = deeds.fold();
    assert_eq!(fold.members.len(), 3);
    assert_eq!(deeds.len(), MAX_DEEDS);
}

#[test]
fn what_an_admin_does_rests_on_nothing_that_a_member_can_take_away() {
    let mut pen = Pen::begun();
    // Eve lets people in, one upon the other, and Bob puts somebody out who stood above them.
    for n in 0..200 {
        pen.write(EVE, 5 + u32::from(n), by_invite(1000 + n));
    }
    let height = pen.deeds().fold().next_height();
    pen.write(BOB, height, remove(1000));
    assert!(height > 200 && !is_in(&mut pen.deeds(), 1000));
    // Then she writes others that come before those.
    for n in 0..400 {
        pen.write(EVE, 1, by_invite(2000 + n));
    }
    let mut deeds = pen.deeds();
    assert_eq!(deeds.written(peer(EVE), Sort::Plain), MAX_PLAIN_OF_AUTHOR + 1);
    assert!(!is_in(&mut deeds, 1000) && !is_in(&mut deeds, EVE));
    pen.write(BOB, deeds.fold().next_height(), add(7, None));
    assert!(is_in(&mut pen.deeds(), 7), "and the room goes on");
}

#[test]
fn whoever_does_more_than_anybody_has_reason_to_is_out_for_good() {
    let mut pen = Pen::begun();
    for n in 0..MAX_PLAIN_OF_AUTHOR as u16 {
        pen.write(EVE, 5, by_invite(1000 + n));
    }
    assert!(is_in(&mut pen.deeds(), EVE) && is_in(&mut pen.deeds(), 1000));
    pen.write(EVE, 5, by_invite(999));
    let mut deeds = pen.deeds();
    assert!(deeds.is_flooding(peer(EVE)) && !is_in(&mut deeds, EVE));
    assert!(!deeds.fold().counts(peer(EVE), LogId([5; 8]), Seq(1)), "nothing of hers is shown");
    assert!(is_in(&mut deeds, 1000), "those whom she let in have done nothing");
    pen.write(ANN, 6, add(EVE, None));
    assert!(!is_in(&mut pen.deeds(), EVE));
}

#[test]
fn whoever_left_does_not_come_back_by_crowding_out_his_leaving() {
    let mut pen = Pen::begun();
    pen.write(EVE, 5, remove(EVE));
    for _ in 0..MAX_PLAIN_OF_AUTHOR + 10 {
        pen.write(EVE, 1, remove(EVE));
    }
    assert!(!is_in(&mut pen.deeds(), EVE));
}

#[test]
fn entries_are_kept_of_those_whom_an_admin_let_in_or_invited_and_of_nobody_else() {
    let mut pen = Pen::begun();
    pen.write(EVE, 5, add(70, None));
    pen.write(EVE, 5, add(71, Some(InviteId([1; 16]))));
    pen.write(EVE, 5, by_invite(72));
    pen.write(BOB, 5, add(73, None));
    let mut deeds = pen.deeds();
    deeds.fold();
    let named = |n| deeds.names(peer(n));
    assert_eq!([ANN, BOB, EVE, 70, 71, 72, 73].map(named), [true, true, true, false, false, true, true]);
    // As long as it is not known who began the room, whoever let this device in says whose entries are in it.
    let mut early = gathered(&pen.written[1..]);
    early.fold();
    assert_eq!(early.named().count(), 0);
    early.insert(room(), pen.written[0].clone());
    assert!(early.fold() == deeds.fold() && early.named().eq(deeds.named()));
}

#[test]
fn those_who_come_by_invites_leave_room_for_those_whom_admins_let_in() {
    let mut pen = Pen::begun();
    let most = crate::rooms::MAX_MEMBERS_BY_INVITES as u16;
    for n in 0..most {
        pen.write(5000 + n / 100, 5, by_invite(5000 + n));
    }
    pen.written[5].author = peer(EVE);
    for n in 1..100 {
        pen.written[5 + n].author = peer(EVE);
    }
    let mut deeds = pen.deeds();
    assert_eq!(deeds.fold().members.len(), usize::from(most));
    deeds.insert(room(), pen.write(EVE, 6, by_invite(20_000)));
    assert!(!is_in(&mut deeds, 20_000));
    deeds.insert(room(), pen.write(BOB, 6, add(20_000, None)));
    assert!(is_in(&mut deeds, 20_000));
    assert_eq!(deeds.named().count(), usize::from(most) + 4);
    // What they write besides is kept of so many, and of whomever an admin lets in.
    for n in 0..6000 {
        deeds.insert(room(), pen.write(5000 + n / 100, 7, by_invite(30_000 + n)));
    }
    deeds.insert(room(), pen.write(BOB, 8, add(40_000, None)));
    deeds.fold();
    assert_eq!(deeds.named().count(), 8192 + 4, "one of them is named by both");
    assert!(deeds.names(peer(40_000)) && !deeds.names(peer(30_000 + 5999)));
}

#[test]
fn of_all_deeds_those_go_first_that_come_to_nothing() {
    let mut pen = Pen::begun();
    pen.write(BOB, 5, add(6, None));
    for n in 0..10u16 {
        pen.write(BOB, 6, add(100 + n, None));
        pen.write(EVE, 7, by_invite(200 + n));
    }
    for n in 0..10u16 {
        for _ in 0..MAX_RULING_OF_AUTHOR {
            pen.write(100 + n, 1, What::Renewed);
        }
    }
    let mut last = pen.deeds();
    assert_eq!(last.len(), MAX_DEEDS);
    let mut turned = pen.written.clone();
    turned.reverse();
    let mut first = gathered(&turned);
    assert!(last.fold() == first.fold());
    assert_eq!(last.fold().members.len(), 3 + 1 + 20);
    assert_eq!(last.fold().role(peer(BOB)), Some(Role::Admin));
}

#[test]
fn before_the_genesis_is_here_nobody_can_be_told_from_the_creator() {
    let mut pen = Pen::begun();
    for _ in 0..MAX_RULING_OF_AUTHOR + 100 {
        pen.write(ANN, 5, What::Renewed);
        pen.write(EVE, 5, What::Renewed);
    }
    let mut deeds = gathered(&pen.written[1..]);
    assert_eq!(deeds.len(), pen.written.len() - 1);
    assert!(deeds.has_place(peer(EVE), Sort::Ruling, 1) && !deeds.is_flooding(peer(EVE)));
    let begun = deeds.insert(room(), pen.written[0].clone());
    assert_eq!((begun.new, begun.dropped.len()), (true, 100));
    assert_eq!(deeds.len(), pen.written.len() - 100);
    assert!(deeds.fold() == pen.deeds().fold());
}

#[test]
fn a_device_stops_before_others_would_drop_what_it_does() {
    let mut pen = Pen::begun();
    let place = |deeds: &Deeds, who, sort, more| deeds.has_place(peer(who), sort, more);
    assert!(place(&pen.deeds(), BOB, Sort::Ruling, MAX_RULING_OF_AUTHOR));
    assert!(!place(&pen.deeds(), BOB, Sort::Ruling, MAX_RULING_OF_AUTHOR + 1));
    assert!(place(&pen.deeds(), EVE, Sort::Plain, MAX_PLAIN_OF_AUTHOR));
    assert!(!place(&pen.deeds(), EVE, Sort::Plain, MAX_PLAIN_OF_AUTHOR + 1));
    assert!(place(&pen.deeds(), ANN, Sort::Ruling, MAX_DEEDS - 5));
    assert!(!place(&pen.deeds(), ANN, Sort::Ruling, MAX_DEEDS - 4));
    for _ in 0..MAX_DEEDS {
        pen.write(ANN, 5, What::Renewed);
    }
    let mut deeds = pen.deeds();
    assert_eq!((deeds.len(), place(&deeds, ANN, Sort::Ruling, 1)), (MAX_DEEDS, false));
    assert_eq!(deeds.fold().members.len(), 3, "the last in the order go");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn at_the_limits_too_all_agree_whatever_the_order_of_arrival(
        plain in 0usize..600, ruling in 2000usize..2100, seed in any::<u64>(),
    ) {
        let mut pen = Pen::begun();
        for n in 0..plain as u16 {
            let height = 1 + u32::from(n.wrapping_mul(7919) % 40);
            pen.write(EVE, height, if n % 5 == 0 { remove(EVE) } else { by_invite(1000 + n) });
            pen.write(BOB, height, by_invite(2000 + n));
        }
        for n in 0..ruling as u16 {
            let height = 1 + u32::from(n.wrapping_mul(7919) % 40);
            pen.write(BOB, height, if n % 3 == 0 { remove(1000 + n) } else { add(1000 + n, None) });
            pen.write(EVE, height, add(3000 + n, None));
        }
        let expected = pen.deeds();
        let mut shuffled = pen.written.clone();
        let mut state = seed | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        let (mut one, mut other) = (expected, gathered(&shuffled));
        prop_assert_eq!(one.len(), other.len());
        prop_assert!(one.fold() == other.fold());
        prop_assert!(one.named().eq(other.named()));
        // And the same again on top of what is kept changes nothing.
        for done in &shuffled {
            other.insert(room(), done.clone());
        }
        prop_assert!(one.fold() == other.fold());
    }
}
