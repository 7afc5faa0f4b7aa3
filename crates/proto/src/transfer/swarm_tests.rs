use super::*;
use proptest::prelude::*;

const AUTHOR: Link = 0;
const NEAR: Link = 1;
const FAR: Link = 2;

fn at(seconds: u64) -> Instant {
    Instant(1_000_000 * (seconds + 1))
}

fn fetch(pieces: u32) -> Fetch {
    let mut fetch = Fetch::new(Bitmap::new(pieces), 0);
    fetch.joined(AUTHOR, Role::Author, 9);
    fetch
}

fn orders(fetch: &mut Fetch, seconds: u64) -> BTreeMap<Link, Order> {
    fetch.orders(at(seconds), |_| true).into_iter().collect()
}

#[test]
fn whoever_is_alone_lets_the_author_choose_a_window_at_a_time() {
    let mut fetch = fetch(100);
    assert_eq!(orders(&mut fetch, 0)[&AUTHOR], Order { pieces: vec![], any: WINDOW });
    assert!(orders(&mut fetch, 0).is_empty());
    (0..WINDOW / 2).for_each(|piece| fetch.arrived(AUTHOR, piece));
    assert_eq!(orders(&mut fetch, 0)[&AUTHOR].any, WINDOW / 2);
}

#[test]
fn no_more_is_asked_for_than_is_missing() {
    let mut fetch = fetch(3);
    assert_eq!(orders(&mut fetch, 0)[&AUTHOR].any, 3);
    (0..3).for_each(|piece| fetch.arrived(AUTHOR, piece));
    assert!(orders(&mut fetch, 0).is_empty() && fetch.is_over());
}

#[test]
fn the_rarest_are_asked_for_first_and_of_the_nearest() {
    let mut fetch = fetch(64);
    fetch.joined(NEAR, Role::Holder, 1);
    fetch.joined(FAR, Role::Holder, 5);
    fetch.has(NEAR, Bitmap::full(64));
    (0..62).for_each(|piece| fetch.got(FAR, piece));
    let orders = orders(&mut fetch, 0);
    assert_eq!(orders[&NEAR].pieces[..2], [62, 63]);
    assert!(orders[&NEAR].pieces.iter().all(|piece| !orders[&FAR].pieces.contains(piece)));
}

#[test]
fn what_cannot_be_checked_is_asked_of_nobody_but_the_author() {
    let mut fetch = fetch(8);
    fetch.joined(NEAR, Role::Holder, 1);
    fetch.has(NEAR, Bitmap::full(8));
    let orders: BTreeMap<Link, Order> = fetch.orders(at(0), |piece| piece < 2).into_iter().collect();
    assert_eq!(orders[&NEAR].pieces, [0, 1]);
    assert_eq!(orders[&AUTHOR].any, 6);
}

#[test]
fn when_the_author_has_spread_all_it_is_asked_only_for_what_nobody_brings() {
    let mut fetch = fetch(4);
    fetch.joined(NEAR, Role::Holder, 1);
    fetch.got(NEAR, 0);
    fetch.spread(AUTHOR);
    assert_eq!(orders(&mut fetch, 0)[&NEAR].pieces, [0]);
    fetch.arrived(NEAR, 0);
    assert!(orders(&mut fetch, 0).is_empty(), "the others may get it any moment");
    assert_eq!(fetch.deadline(), Some(at(2)));
    let orders = orders(&mut fetch, 2);
    assert_eq!(orders[&AUTHOR].pieces, [1, 2, 3]);
}

#[test]
fn as_long_as_others_get_something_the_author_is_not_asked_for_it_once_more() {
    let mut fetch = fetch(64);
    fetch.joined(NEAR, Role::Holder, 1);
    fetch.spread(AUTHOR);
    for second in 0..30 {
        fetch.got(NEAR, second as u32);
        let orders = orders(&mut fetch, second);
        assert!(!orders.contains_key(&AUTHOR), "{orders:?}");
        orders[&NEAR].pieces.iter().for_each(|piece| fetch.arrived(NEAR, *piece));
    }
    // Nothing comes any more: now the author is asked, without a rest between two windows.
    assert!(orders(&mut fetch, 30).is_empty());
    let first = orders(&mut fetch, 32)[&AUTHOR].pieces.clone();
    assert_eq!(first, (30..30 + WINDOW).collect::<Vec<_>>());
    first.iter().for_each(|piece| fetch.arrived(AUTHOR, *piece));
    assert_eq!(orders(&mut fetch, 32)[&AUTHOR].pieces.len(), WINDOW as usize);
}

#[test]
fn what_a_slow_holder_keeps_is_asked_of_another_and_may_come_from_both() {
    let mut fetch = Fetch::new(Bitmap::new(2), 0);
    fetch.joined(FAR, Role::Holder, 1);
    fetch.has(FAR, Bitmap::full(2));
    assert_eq!(orders(&mut fetch, 0)[&FAR].pieces, [0, 1]);
    fetch.joined(NEAR, Role::Holder, 2);
    fetch.has(NEAR, Bitmap::full(2));
    assert!(orders(&mut fetch, 1).is_empty());
    assert!(orders(&mut fetch, 3).is_empty());
    assert_eq!(fetch.deadline(), Some(at(4)));
    assert_eq!(orders(&mut fetch, 5)[&NEAR].pieces, [0, 1]);
    fetch.arrived(NEAR, 0);
    assert!(fetch.expects(FAR, 0));
    fetch.arrived(FAR, 0);
    fetch.arrived(FAR, 1);
    assert!(fetch.is_over());
}

#[test]
fn who_never_sends_what_it_says_to_have_is_told_from_who_is_slow() {
    let mut fetch = Fetch::new(Bitmap::new(2), 0);
    fetch.joined(NEAR, Role::Holder, 1);
    fetch.has(NEAR, Bitmap::full(2));
    let _ = orders(&mut fetch, 0);
    assert_eq!(fetch.stalled(at(60)), None);
    assert_eq!(fetch.stalled(at(200)), Some(NEAR));
    fetch.arrived(NEAR, 0);
    fetch.arrived(NEAR, 1);
    assert_eq!(fetch.stalled(at(200)), None);
}

#[test]
fn who_sends_slowly_all_the_time_is_not_left() {
    let mut fetch = Fetch::new(Bitmap::new(2), 0);
    fetch.joined(NEAR, Role::Holder, 1);
    fetch.has(NEAR, Bitmap::full(2));
    fetch.heard(NEAR, 1_000_000);
    let _ = orders(&mut fetch, 0);
    fetch.heard(NEAR, 1_000_000 + 512 * 200);
    assert_eq!(fetch.stalled(at(200)), None);
    assert_eq!(fetch.stalled(at(202)), Some(NEAR), "signs of life alone do not count");
}

#[test]
fn a_damaged_piece_is_asked_of_somebody_else_and_given_up_after_three() {
    let mut fetch = fetch(1);
    fetch.joined(NEAR, Role::Holder, 1);
    fetch.has(NEAR, Bitmap::full(1));
    fetch.spread(AUTHOR);
    assert_eq!(orders(&mut fetch, 0)[&NEAR].pieces, [0]);
    assert_eq!(fetch.damaged(NEAR, 0), Damage::Again);
    assert!(!orders(&mut fetch, 0).contains_key(&NEAR));
    fetch.left(AUTHOR);
    for last in [Damage::Again, Damage::GivenUp] {
        assert_eq!(orders(&mut fetch, 0)[&NEAR].pieces, [0], "it is the only one");
        assert_eq!(fetch.damaged(NEAR, 0), last);
    }
    assert!(fetch.is_over() && fetch.is_bad(NEAR));
}

#[test]
fn what_somebody_who_is_gone_sent_damaged_is_not_asked_for_twice() {
    let mut fetch = Fetch::new(Bitmap::new(1), 0);
    fetch.joined(FAR, Role::Holder, 1);
    fetch.has(FAR, Bitmap::full(1));
    let _ = orders(&mut fetch, 0);
    fetch.left(FAR);
    fetch.joined(NEAR, Role::Holder, 1);
    fetch.has(NEAR, Bitmap::full(1));
    assert_eq!(orders(&mut fetch, 0)[&NEAR].pieces, [0]);
    assert_eq!(fetch.damaged(FAR, 0), Damage::Again);
    assert!(orders(&mut fetch, 0).is_empty(), "it is under way");
    fetch.arrived(NEAR, 0);
    assert!(fetch.is_over());
}

#[test]
fn what_the_author_cannot_read_comes_from_others_or_is_given_up() {
    let mut fetch = fetch(2);
    fetch.joined(NEAR, Role::Holder, 1);
    fetch.got(NEAR, 1);
    fetch.unreadable([0, 1]);
    assert!(fetch.give_up_hopeless());
    assert_eq!(fetch.given_up().iter().collect::<Vec<_>>(), [0]);
    assert_eq!(orders(&mut fetch, 0)[&NEAR].pieces, [1]);
}

#[test]
fn what_was_asked_of_the_author_and_cannot_be_read_is_not_waited_for() {
    let mut fetch = fetch(2);
    fetch.spread(AUTHOR);
    assert_eq!(orders(&mut fetch, 0)[&AUTHOR].pieces, [0, 1]);
    fetch.arrived(AUTHOR, 0);
    fetch.unreadable([0, 1]);
    assert!(!fetch.is_waiting());
    assert!(fetch.give_up_hopeless() && fetch.is_over());
}

#[test]
fn what_was_under_way_from_who_left_is_asked_of_others() {
    let mut fetch = fetch(4);
    fetch.spread(AUTHOR);
    assert_eq!(orders(&mut fetch, 0)[&AUTHOR].pieces.len(), 4);
    fetch.left(AUTHOR);
    fetch.joined(NEAR, Role::Holder, 1);
    fetch.has(NEAR, Bitmap::full(4));
    assert_eq!(orders(&mut fetch, 0)[&NEAR].pieces.len(), 4);
}

#[test]
fn the_author_hands_each_piece_out_once_until_somebody_leaves_with_it() {
    let mut handout = Handout::new(5);
    handout.joined(1);
    handout.joined(2);
    handout.set_void(4, true);
    let given: Vec<_> = [1, 2, 1, 2, 1].map(|taker| handout.next(taker)).into();
    assert_eq!(given, [Some(0), Some(1), Some(2), Some(3), None]);
    handout.has(2, 0);
    handout.left(1);
    assert_eq!([handout.next(2), handout.next(2)], [Some(2), None]);
    handout.set_void(4, false);
    assert_eq!(handout.next(2), Some(4));
}

#[test]
fn who_has_nothing_more_is_idle_where_something_is_at_nobody() {
    let mut fetch = Fetch::new(Bitmap::new(3), 0);
    fetch.joined(AUTHOR, Role::Author, 0);
    fetch.joined(1, Role::Holder, 5);
    fetch.joined(2, Role::Holder, 9);
    assert_eq!(fetch.idle(), None, "the author goes on choosing");
    fetch.spread(AUTHOR);
    assert_eq!(fetch.idle(), Some(2), "the farther one");
    fetch.got(2, 1);
    assert_eq!(fetch.idle(), Some(1));
    fetch.has(1, Bitmap::full(3));
    fetch.arrived(1, 1);
    assert_eq!(fetch.idle(), None, "all can be had from who is here");
}

/// A round of everybody with everybody: each order is carried out, some wrongly.
fn settle(
    pieces: u32,
    receivers: u32,
    leaves_at: u32,
    damaged: &BTreeSet<u32>,
) -> Result<u32, TestCaseError> {
    let mut handout = Handout::new(pieces);
    let mut everybody: Vec<Fetch> =
        (0..receivers).map(|n| Fetch::new(Bitmap::new(pieces), n * 7919)).collect();
    let (mut uploaded, mut sent) = (0, BTreeSet::new());
    for (number, fetch) in everybody.iter_mut().enumerate() {
        fetch.joined(AUTHOR, Role::Author, 9);
        handout.joined(number as u32 + 1);
        for other in (0..receivers).filter(|other| *other != number as u32) {
            fetch.joined(other + 1, Role::Holder, 1);
        }
    }
    let mut author_is_there = true;
    for turn in 0..10_000u64 {
        if everybody.iter().all(Fetch::is_over) {
            prop_assert!(everybody.iter().all(|fetch| fetch.have().is_full()));
            return Ok(uploaded);
        }
        let copy = (0..pieces).all(|piece| everybody.iter().any(|fetch| fetch.have().has(piece)));
        if author_is_there && copy && uploaded >= leaves_at {
            author_is_there = false;
            everybody.iter_mut().for_each(|fetch| fetch.left(AUTHOR));
        }
        for number in 0..everybody.len() {
            for (link, order) in everybody[number].orders(at(turn), |_| true) {
                let chosen = (0..order.any).map_while(|_| handout.next(number as u32 + 1));
                let mut pieces: Vec<u32> = chosen.collect();
                if link == AUTHOR && pieces.len() < order.any as usize {
                    everybody[number].spread(AUTHOR);
                }
                pieces.extend(order.pieces);
                for piece in pieces {
                    uploaded += u32::from(link == AUTHOR);
                    if link != AUTHOR && damaged.contains(&piece) && sent.insert((number, piece)) {
                        everybody[number].damaged(link, piece);
                        continue;
                    }
                    prop_assert!(link == AUTHOR || everybody[link as usize - 1].have().has(piece));
                    everybody[number].arrived(link, piece);
                    handout.has(number as u32 + 1, piece);
                    for (other, fetch) in everybody.iter_mut().enumerate() {
                        if other != number {
                            fetch.got(number as u32 + 1, piece);
                        }
                    }
                }
            }
        }
    }
    Err(TestCaseError::fail("they never came to an end"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_swarm_gets_everything_and_the_author_uploads_about_one_copy(
        pieces in 1u32..300, receivers in 1u32..9, leaves_at in 0u32..600,
        damaged in prop::collection::btree_set(0u32..300, 0..9),
    ) {
        let uploaded = settle(pieces, receivers, leaves_at, &damaged)?;
        prop_assert!(uploaded <= pieces + pieces / 10 + 16, "{} of {} pieces", uploaded, pieces);
    }

    #[test]
    fn counts_never_go_below_nothing_whatever_anybody_says(
        steps in prop::collection::vec((0u8..9, 0u32..4, 0u32..40), 1..200),
    ) {
        let mut fetch = Fetch::new(Bitmap::new(30), 7);
        let mut handout = Handout::new(30);
        for (turn, (step, link, piece)) in steps.into_iter().enumerate() {
            match step {
                0 => if !fetch.holders.contains_key(&link) {
                    let role = if link == AUTHOR { Role::Author } else { Role::Holder };
                    fetch.joined(link, role, link);
                    handout.joined(link);
                },
                1 => { fetch.left(link); handout.left(link); }
                2 => { fetch.got(link, piece); handout.has(link, piece.min(29)); }
                3 => fetch.has(link, Bitmap::full(30)),
                4 => if piece < 30 && fetch.expects(link, piece) { fetch.arrived(link, piece) },
                5 => if piece < 30 && fetch.expects(link, piece) { fetch.damaged(link, piece); },
                6 => { fetch.unreadable([piece]); fetch.give_up_hopeless(); }
                7 => { fetch.spread(link); handout.set_void(piece.min(29), piece % 2 == 0); }
                _ => { handout.next(link); }
            }
            let _ = fetch.orders(at(turn as u64), |piece| piece % 3 != 0);
            for (piece, count) in fetch.counts.iter().enumerate() {
                let having = fetch.holders.values().filter(|holder| holder.has.has(piece as u32)).count();
                prop_assert_eq!(*count as usize, having);
            }
            let fresh = (0..30).filter(|piece| handout.is_fresh(*piece)).count();
            prop_assert_eq!(handout.fresh as usize, fresh);
        }
    }
}

#[test]
fn who_wants_some_pieces_only_asks_the_author_for_them_in_order_and_waits_for_what_may_be_here() {
    let mut fetch = Fetch::new(Bitmap::new(40), 7);
    fetch.joined(AUTHOR, Role::Author, 9);
    fetch.choose();
    (0..30).for_each(|piece| fetch.give_up(piece));
    (34..36).for_each(|piece| fetch.hold(piece));
    assert_eq!(
        orders(&mut fetch, 0)[&AUTHOR],
        Order { pieces: vec![30, 31, 32, 33, 36, 37, 38, 39], any: 0 }
    );
    (30..40).filter(|piece| !(34..36).contains(piece)).for_each(|piece| fetch.arrived(AUTHOR, piece));
    assert!(orders(&mut fetch, 0).is_empty() && !fetch.is_over());
    fetch.arrived(AUTHOR, 34);
    fetch.release(35);
    assert_eq!(orders(&mut fetch, 0)[&AUTHOR].pieces, [35]);
    fetch.arrived(AUTHOR, 35);
    assert!(fetch.is_over());
}

#[test]
fn who_is_picky_among_others_gets_from_them_what_they_have_and_from_the_author_at_once_what_they_lack() {
    let mut fetch = fetch(20);
    fetch.choose();
    fetch.set_company(true);
    fetch.joined(NEAR, Role::Holder, 1);
    (0..4).for_each(|piece| fetch.got(NEAR, piece));
    let orders = orders(&mut fetch, 0);
    assert_eq!(orders[&NEAR].pieces, [0, 1, 2, 3]);
    assert_eq!(orders[&AUTHOR].pieces, (4..20).collect::<Vec<_>>());
}
