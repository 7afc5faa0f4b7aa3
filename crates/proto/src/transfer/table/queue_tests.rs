use proptest::prelude::*;

use super::super::tests::{ANN, BOB, EVE, ID, here, offered, record, state};
use super::*;
use crate::rooms::RoomKind;
use crate::transfer::{Failure, PullEnd, Receipt};

fn id(number: u8) -> TransferId {
    TransferId([number; 16])
}

/// Bob, to whom Ann offered so many in a room.
fn bob(offers: u8) -> Transfers {
    let mut bob = Transfers::new(BOB);
    for number in 0..offers {
        let _ = bob.offered(TransferRecord { id: id(number), ..record(ANN) }, RoomKind::Open);
    }
    bob
}

fn state_of(transfers: &Transfers, number: u8) -> TransferState {
    transfers.get(id(number)).unwrap().state
}

fn started(effects: &Effects) -> Vec<TransferId> {
    let pulls = effects.run.iter().filter_map(|job| match job {
        Job::Pull { transfer, .. } => Some(*transfer),
        _ => None,
    });
    pulls.collect()
}

const DONE: PullEnd = PullEnd::Complete { digest: [7; 32] };

#[test]
fn as_many_run_on_a_disk_as_may_and_the_others_start_in_their_order() {
    let mut bob = bob(6);
    bob.lay(id(5), 1);
    bob.set_at_once(2);
    for number in [3, 0, 1, 2, 5] {
        let _ = bob.accept(id(number), Instant(0)).unwrap();
    }
    assert_eq!(
        started(&bob.start_due(Instant(0), here)),
        [id(3), id(0), id(5)],
        "the other disk has its own"
    );
    assert_eq!(bob.queued(), [id(1), id(2)]);
    assert_eq!((bob.place(id(1)), bob.place(id(2)), bob.place(id(3))), (Some(0), Some(1), None));
    assert_eq!(bob.deadline(), None, "nobody looks at the clock for what waits for others");
    assert!(bob.start_due(Instant(1), here).is_empty());

    assert_eq!(bob.reorder(id(3), None).unwrap_err(), Refusal::Running, "it has begun");
    let _ = bob.reorder(id(2), Some(id(1))).unwrap();
    let _ = bob.pulled(id(3), DONE, Instant(2));
    assert_eq!(started(&bob.start_due(Instant(2), here)), [id(2)]);
    bob.set_at_once(3);
    assert_eq!(started(&bob.start_due(Instant(3), here)), [id(1)]);
}

#[test]
fn from_one_device_no_more_is_fetched_at_a_time_than_it_serves_and_the_next_begins_when_one_ends() {
    let mut bob = bob(7);
    let of_eve = id(7);
    let _ = bob.offered(TransferRecord { id: of_eve, ..record(EVE) }, RoomKind::Open);
    bob.set_at_once(16);
    for number in 0..8 {
        bob.lay(id(number), number.into());
        let _ = bob.accept(id(number), Instant(0)).unwrap();
    }
    assert_eq!(started(&bob.start_due(Instant(0), here)), [id(0), id(1), id(2), id(3), of_eve]);
    assert_eq!(bob.queued(), [id(4), id(5), id(6)]);
    assert_eq!((bob.place(id(4)), bob.place(id(6))), (Some(0), Some(2)));
    assert_eq!(bob.deadline(), None, "nobody is asked again and again");
    let _ = bob.pulled(id(2), DONE, Instant(1));
    assert_eq!(started(&bob.start_due(Instant(1), here)), [id(4)], "at once");
    let _ = bob.pulled(of_eve, DONE, Instant(2));
    assert_eq!(started(&bob.start_due(Instant(2), here)), [], "another's place is none of Ann's");
}

#[test]
fn whoever_gives_what_an_absent_author_offered_is_not_asked_for_more_than_it_serves() {
    let mut bob = bob(6);
    bob.set_at_once(16);
    for number in 0..6 {
        let _ = bob.receipt(EVE, id(number), Receipt::Received { digest: [7; 32] }, Hlc(0));
        let _ = bob.accept(id(number), Instant(0)).unwrap();
    }
    let only_eve = |peer| if peer == EVE { here(peer) } else { Vec::new() };
    assert_eq!(started(&bob.start_due(Instant(0), only_eve)).len(), AT_ONCE_FROM_PEER);
    bob.peer_came(ANN, Instant(1));
    assert_eq!(started(&bob.start_due(Instant(1), here)), [id(4), id(5)], "Ann serves as many besides");
}

#[test]
fn who_waits_for_somebody_who_is_away_keeps_nobody_else_waiting() {
    let mut bob = bob(2);
    bob.set_at_once(1);
    let _ = bob.accept(id(0), Instant(0)).unwrap();
    let _ = bob.start_due(Instant(0), |_| Vec::new());
    let _ = bob.accept(id(1), Instant(1)).unwrap();
    assert_eq!(started(&bob.start_due(Instant(1), here)), [id(1)]);
    let _ = bob.start_due(Instant(0) + MAX_RETRY, here);
    assert_eq!(state_of(&bob, 0), TransferState::Queued);
    let _ = bob.pulled(id(1), PullEnd::Lost, Instant(0) + MAX_RETRY);
    assert_eq!(started(&bob.start_due(Instant(0) + MAX_RETRY, here)), [id(0)]);
}

#[test]
fn a_paused_transfer_stops_keeps_what_it_has_and_goes_on_where_it_was() {
    let mut bob = bob(2);
    bob.set_at_once(1);
    let _ = bob.accept(id(0), Instant(0)).unwrap();
    let _ = bob.accept(id(1), Instant(0)).unwrap();
    let _ = bob.start_due(Instant(0), here);
    let (effects, said) = bob.pause(id(0)).unwrap();
    assert!(matches!(effects.run[..], [Job::StopPull { staged: Staged::Keep, .. }, Job::Cut { .. }]));
    assert!(matches!(&effects.commit[..], [Record::Transfer(record)] if record.paused));
    assert_eq!(said, None, "a receiver's pauses are its own affair");
    assert!(bob.pause(id(0)).unwrap().0.is_empty());
    assert_eq!(started(&bob.start_due(Instant(1), here)), [id(1)]);

    let mut again = Transfers::new(BOB);
    for number in [0, 1] {
        let _ = again.load(bob.get(id(number)).unwrap().clone(), RoomKind::Open, Instant(0));
    }
    again.set_at_once(1);
    assert_eq!(started(&again.start_due(Instant(0), here)), [id(1)], "it stays paused over a restart");
    let _ = again.resume(id(0), Instant(1)).unwrap();
    let _ = again.start_due(Instant(1), here);
    let _ = again.pulled(id(1), PullEnd::Lost, Instant(2));
    assert_eq!(started(&again.start_due(Instant(9_000_000), here)), [id(0)], "with the turn that it had");
}

#[test]
fn what_was_whole_when_it_was_paused_is_done() {
    let mut bob = offered(BOB, ANN, RoomKind::Open);
    let _ = bob.accept(ID, Instant(0)).unwrap();
    let _ = bob.start_due(Instant(0), here);
    let _ = bob.pause(ID).unwrap();
    assert!(bob.pulled(ID, PullEnd::Lost, Instant(1)).0.is_empty());
    let (_, said) = bob.pulled(ID, DONE, Instant(1));
    assert!(said.is_some() && state(&bob) == TransferState::Done && !bob.is_paused(ID));
}

#[test]
fn the_author_tells_of_its_pauses_and_older_words_do_not_count() {
    let mut ann = offered(ANN, ANN, RoomKind::Open);
    let (effects, said) = ann.pause(ID).unwrap();
    assert!(matches!(effects.run[..], [Job::Cut { .. }]));
    assert!(matches!(said, Some((_, Content::Pause { on: true, .. }))));
    assert!(ann.is_paused(ID) && ann.audience(ID).is_some(), "whoever asks is told to come again");
    assert!(matches!(ann.resume(ID, Instant(0)).unwrap().1, Some((_, Content::Pause { on: false, .. }))));
    assert_eq!(ann.resume(ID, Instant(0)).unwrap_err(), Refusal::NotPaused);

    let mut bob = offered(BOB, ANN, RoomKind::Open);
    let _ = bob.accept(ID, Instant(0)).unwrap();
    let _ = bob.start_due(Instant(0), here);
    let _ = bob.pulled(ID, PullEnd::Held, Instant(0));
    assert!(bob.is_held(ID) && bob.start_due(Instant(0), here).is_empty());
    assert!(bob.held(BOB, ID, false, Hlc(9), Instant(0)).is_empty(), "nobody else speaks for the offer");
    let _ = bob.held(ANN, ID, false, Hlc(5), Instant(1));
    assert_eq!(started(&bob.start_due(Instant(1), here)), [ID], "at once");
    assert!(bob.held(ANN, ID, true, Hlc(4), Instant(1)).is_empty() && !bob.is_held(ID));
}

#[test]
fn what_failed_or_was_cancelled_can_be_taken_up_again_unless_it_was_withdrawn() {
    let mut bob = offered(BOB, ANN, RoomKind::Direct(ANN));
    assert_eq!(bob.resume(ID, Instant(0)).unwrap_err(), Refusal::NotPaused);
    let _ = bob.accept(ID, Instant(0)).unwrap();
    let _ = bob.start_due(Instant(0), here);
    let _ = bob.pulled(ID, PullEnd::Failed(Failure::Corrupt), Instant(1));
    let _ = bob.resume(ID, Instant(2)).unwrap();
    assert_eq!(state(&bob), TransferState::Waiting);
    let _ = bob.start_due(Instant(2), here);
    let _ = bob.pulled(ID, PullEnd::Failed(Failure::Corrupt), Instant(3));
    let (effects, _) = bob.cancel(ID).unwrap();
    assert!(matches!(effects.run[..], [Job::StopPull { staged: Staged::Discard, .. }]));
    let _ = bob.resume(ID, Instant(4)).unwrap();
    let _ = bob.receipt(ANN, ID, Receipt::Cancelled, Hlc(0));
    assert_eq!(bob.resume(ID, Instant(5)).unwrap_err(), Refusal::Withdrawn);
    assert_eq!(bob.accept(ID, Instant(5)).unwrap_err(), Refusal::Withdrawn);

    let mut ann = offered(ANN, ANN, RoomKind::Direct(BOB));
    let _ = ann.receipt(BOB, ID, Receipt::Cancelled, Hlc(0));
    assert!(
        state(&ann) == TransferState::Cancelled && ann.audience(ID).is_some(),
        "Bob may want it after all"
    );
    let _ = ann.cancel(ID).unwrap();
    assert_eq!(ann.audience(ID), None);
    let _ = ann.receipt(BOB, ID, Receipt::Received { digest: [7; 32] }, Hlc(0));
    assert_eq!(state(&ann), TransferState::Cancelled);
}

#[test]
fn only_what_is_over_is_forgotten_and_with_it_what_was_staged() {
    let mut bob = offered(BOB, ANN, RoomKind::Open);
    assert_eq!(bob.forget(ID).unwrap_err(), Refusal::NotOver);
    let _ = bob.accept(ID, Instant(0)).unwrap();
    assert_eq!(bob.forget(ID).unwrap_err(), Refusal::NotOver);
    let _ = bob.start_due(Instant(0), here);
    let mut effects = bob.pulled(ID, PullEnd::Failed(Failure::Corrupt), Instant(1)).0;
    bob.stamp(&mut effects, UnixMillis(77));
    assert!(
        matches!(&effects.commit[..], [Record::Transfer(record)] if record.finished == Some(UnixMillis(77)))
    );
    assert_eq!(bob.get(ID).unwrap().finished, Some(UnixMillis(77)));
    let effects = bob.forget(ID).unwrap();
    assert!(matches!(effects.run[..], [Job::StopPull { staged: Staged::Discard, .. }, Job::Unshelve { .. }]));
    assert!(matches!(effects.commit[..], [Record::TransferForgotten(ID)]));
    assert_eq!(bob.forget(ID).unwrap_err(), Refusal::Unknown);
}

#[test]
fn there_is_always_room_between_two_turns() {
    let mut bob = bob(3);
    for number in 0..3 {
        let _ = bob.accept(id(number), Instant(0)).unwrap();
    }
    let (mut first, mut second) = (id(1), id(2));
    for _ in 0..200 {
        let _ = bob.reorder(second, Some(first)).unwrap();
        std::mem::swap(&mut first, &mut second);
        let mut order: Vec<_> = bob.in_turn().collect();
        order.sort_unstable();
        assert_eq!(order.iter().map(|(_, id)| *id).collect::<Vec<_>>(), [id(0), first, second]);
        order.dedup_by_key(|(turn, _)| *turn);
        assert_eq!(order.len(), 3);
    }
    assert_eq!(bob.reorder(id(0), Some(id(9))).unwrap_err(), Refusal::Unknown);
    let _ = bob.cancel(id(0)).unwrap();
    assert_eq!(bob.reorder(id(0), None).unwrap_err(), Refusal::NotQueued);
}

/// What can happen to a queue.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Accept(u8),
    Pause(u8),
    Resume(u8),
    Cancel(u8),
    Forget(u8),
    Before(u8, Option<u8>),
    End(u8, PullEnd),
    Away(bool),
    Later(u16),
    Restart,
}

fn deed() -> impl Strategy<Value = Deed> {
    let one = 0..COUNT;
    let end = prop_oneof![
        Just(DONE),
        Just(PullEnd::Lost),
        Just(PullEnd::Held),
        Just(PullEnd::NoSpace),
        Just(PullEnd::Failed(Failure::Corrupt)),
    ];
    prop_oneof![
        3 => one.clone().prop_map(Deed::Accept),
        1 => one.clone().prop_map(Deed::Pause),
        1 => one.clone().prop_map(Deed::Resume),
        1 => one.clone().prop_map(Deed::Cancel),
        1 => one.clone().prop_map(Deed::Forget),
        2 => (one.clone(), proptest::option::of(0..COUNT)).prop_map(|(one, other)| Deed::Before(one, other)),
        3 => (one, end).prop_map(|(one, end)| Deed::End(one, end)),
        1 => any::<bool>().prop_map(Deed::Away),
        1 => (0u16..40).prop_map(Deed::Later),
        1 => Just(Deed::Restart),
    ]
}

const COUNT: u8 = 14;

fn disk(id: TransferId) -> u64 {
    u64::from(id.0[0] % 2)
}

/// Ann offers more than may be fetched from her at a time.
fn author(id: TransferId) -> PeerId {
    if id.0[0] < 10 { ANN } else { EVE }
}

proptest! {
    #[test]
    fn no_lane_is_overfull_or_idle_and_nobody_overtakes(deeds in prop::collection::vec(deed(), 0..60), at_once in 1usize..4) {
        let set_up = |transfers: &mut Transfers| {
            transfers.set_at_once(at_once);
            (0..COUNT).for_each(|number| transfers.lay(id(number), disk(id(number))));
        };
        let mut bob = Transfers::new(BOB);
        for number in 0..COUNT {
            let _ = bob.offered(TransferRecord { id: id(number), ..record(author(id(number))) }, RoomKind::Open);
        }
        set_up(&mut bob);
        let (mut now, mut away) = (Instant(0), false);
        for deed in deeds {
            // What is refused changes nothing, and that is looked at below as well.
            match deed {
                Deed::Accept(one) => drop(bob.accept(id(one), now)),
                Deed::Pause(one) => drop(bob.pause(id(one))),
                Deed::Resume(one) => drop(bob.resume(id(one), now)),
                Deed::Cancel(one) => drop(bob.cancel(id(one))),
                Deed::Forget(one) => drop(bob.forget(id(one))),
                Deed::Before(one, other) => drop(bob.reorder(id(one), other.map(id))),
                Deed::End(one, end) => drop(bob.pulled(id(one), end, now)),
                Deed::Away(gone) => {
                    away = gone;
                    if !away {
                        [ANN, EVE].into_iter().for_each(|peer| bob.peer_came(peer, now));
                    }
                }
                Deed::Later(seconds) => now = now + std::time::Duration::from_secs(seconds.into()),
                Deed::Restart => {
                    let mut again = Transfers::new(BOB);
                    for record in bob.iter() {
                        let _ = again.load(record.clone(), RoomKind::Open, now);
                    }
                    set_up(&mut again);
                    bob = again;
                }
            }
            let reach = |peer| if away { Vec::new() } else { here(peer) };
            let effects = bob.start_due(now, reach);
            let begun = started(&effects);
            prop_assert!(bob.start_due(now, reach).is_empty(), "once is enough");
            let records: Vec<TransferRecord> = bob.iter().cloned().collect();
            let running = |on: Option<u64>, from: Option<PeerId>| {
                let runs = records.iter().filter(|r| r.state == TransferState::Running);
                let runs = runs.filter(|r| on.is_none_or(|on| disk(r.id) == on));
                runs.filter(|r| from.is_none_or(|from| r.from == from)).count()
            };
            for (on, from) in [(0, ANN), (1, ANN), (0, EVE), (1, EVE)] {
                prop_assert!(running(Some(on), None) <= at_once);
                prop_assert!(running(None, Some(from)) <= AT_ONCE_FROM_PEER);
                let full = running(Some(on), None) == at_once || running(None, Some(from)) == AT_ONCE_FROM_PEER;
                let here = records.iter().filter(|r| disk(r.id) == on && r.from == from);
                let first = here.clone().filter(|r| r.state == TransferState::Queued).map(|r| r.turn).min();
                prop_assert!(first.is_none() || full, "nobody waits beside a free place");
                let last = here.filter(|r| begun.contains(&r.id)).map(|r| r.turn).max();
                prop_assert!(first.zip(last).is_none_or(|(first, last)| last < first), "nobody overtakes");
            }
            let mut turns: Vec<u64> = records.iter().filter(|r| r.state.is_wanted()).map(|r| r.turn).collect();
            let count = turns.len();
            turns.sort_unstable();
            turns.dedup();
            prop_assert_eq!(turns.len(), count, "each has a turn of its own");
            for record in &records {
                prop_assert!(!record.paused || record.state == TransferState::Waiting);
                prop_assert!(!record.state.is_wanted() || record.turn > 0);
            }
            let places: Vec<_> = bob.queued().into_iter().map(|id| bob.place(id)).collect();
            prop_assert_eq!(places, (0..bob.queued().len() as u32).map(Some).collect::<Vec<_>>());
        }
    }
}
