//! What is given up when there is too much, and what never is.

use std::time::Duration;

use super::super::Limits;
use super::*;

const DAY: u64 = 24 * 3_600_000;

fn arrived(entry: &Arc<Entry>, when: u64) -> Record {
    Record::Entry { room: TEA, entry: entry.clone(), own: false, arrived: UnixMillis(when), theirs: None }
}

fn limits(days: u32, bytes: u64) -> Limits {
    Limits { days, most_days: None, bytes, now: NOW, borne_out: true, by_known: false, ran: Duration::ZERO }
}

/// A log of which one entry was written on each of so many days, the last one today.
fn diary(seed: u8, days: u64) -> Vec<(Arc<Entry>, u64)> {
    let mut pen = Pen::new(seed, 5);
    let days = (0..days).rev().map(|ago| NOW.0 - ago * DAY);
    days.map(|when| (pen.say("dear diary", Hlc::at(UnixMillis(when))), when)).collect()
}

async fn left(store: &Store) -> Vec<(PeerId, u64)> {
    let (page, _) = store.page(TEA, None, 10_000).await.unwrap();
    page.iter().map(|shown| (shown.entry.header.author, shown.entry.header.seq.0)).collect()
}

/// Prunes until there is nothing more to give up; how much was at the most in one step.
async fn prune_all(store: &Store, limits: Limits) -> usize {
    let mut steps = 0;
    loop {
        let pruning = store.prune(limits).await.unwrap();
        steps += 1;
        if !pruning.more {
            return steps;
        }
    }
}

#[tokio::test]
async fn what_is_older_than_its_days_is_given_up_and_the_head_is_known() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let diary = diary(2, 40);
    write(&store, diary.iter().map(|(entry, when)| arrived(entry, *when)).collect()).await.unwrap();
    assert_eq!(store.prune(limits(0, u64::MAX)).await.unwrap(), Default::default());
    let pruning = store.prune(limits(30, u64::MAX)).await.unwrap();
    let [pruned] = pruning.pruned[..] else { panic!("{pruning:?}") };
    assert_eq!((pruned.room, pruned.to, pruned.to_id), (TEA, Seq(9), diary[8].0.id()));
    assert_eq!(left(&store).await.first().unwrap().1, 10);
    store.keep(TEA, Some(1)).await.unwrap().await.unwrap();
    prune_all(&store, limits(30, u64::MAX)).await;
    assert_eq!(left(&store).await.len(), 2, "the room has a number of its own");
    assert_eq!(store.kept().await.unwrap(), [(TEA, 1)]);
    store.close().await.unwrap();
    let (_store, loaded) = home.open();
    let top = *loaded.rooms[0].logs[0].top().unwrap();
    assert_eq!((top.base, top.base_id), (Seq(38), diary[37].0.id()));
}

#[tokio::test]
async fn what_came_today_stays_today_however_old_it_is() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let diary = diary(2, 40);
    write(&store, diary.iter().map(|(entry, _)| received(entry)).collect()).await.unwrap();
    assert_eq!(store.prune(limits(7, u64::MAX)).await.unwrap(), Default::default());
    let tomorrow = Limits { now: UnixMillis(NOW.0 + DAY + 1), ..limits(7, u64::MAX) };
    prune_all(&store, tomorrow).await;
    assert_eq!(left(&store).await.len(), 6, "those of the last seven days, at the end of the first");
}

#[tokio::test]
async fn who_floods_a_room_pushes_out_only_themselves() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let quiet = diary(2, 20);
    write(&store, quiet.iter().map(|(entry, when)| arrived(entry, *when)).collect()).await.unwrap();
    let mut eve = Pen::new(3, 5);
    for n in 0..50 {
        let flood = (0..100).map(|m| received(&eve.say("buy now", at(n * 100 + m)))).collect();
        write(&store, flood).await.unwrap();
    }
    let steps = prune_all(&store, limits(0, 200_000)).await;
    assert!(steps > 2, "in bounded steps: {steps}");
    assert!(home.peek::<i64>("SELECT sum(bytes) FROM log") <= 200_000);
    let stored = home.peek::<i64>("SELECT sum(length(bytes)) FROM entry");
    assert_eq!(stored, home.peek::<i64>("SELECT sum(bytes) FROM log"));
    let left = left(&store).await;
    let of =
        |peer| left.iter().filter(|(author, _)| *author == peer).map(|(_, seq)| *seq).collect::<Vec<_>>();
    assert_eq!(of(Pen::new(2, 5).peer()), (1..=20).collect::<Vec<_>>());
    assert_eq!(of(eve.peer()).last(), Some(&5000), "the newest of the flood are what stays of it");
    write(&store, vec![received(&eve.say("once more", at(9000)))]).await.unwrap();
}

/// Each of them has written less than anybody who is known, and all together more.
#[tokio::test]
async fn made_up_authors_push_out_nobody_who_is_known() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let entries = |pen: &mut Pen, count| (0..count).map(|n| received(&pen.say("tea", at(n)))).collect();
    let [mut bob, mut cyd, mut dan, mut eve] = [2, 3, 4, 5].map(|seed| Pen::new(seed, 5));
    let known = |pen: &Pen, trust, first_seen| {
        let record = PeerRecord { id: pen.peer(), trust, first_seen: UnixMillis(first_seen), ..peer("Bob") };
        Record::Peer(record)
    };
    write(
        &store,
        vec![
            known(&bob, Trust::Unknown, NOW.0 - 2 * DAY),
            known(&cyd, Trust::Verified, NOW.0),
            // Neither that one is blocked nor that one's key was proven says who it is.
            known(&dan, Trust::Blocked, NOW.0 - 2 * DAY),
            known(&eve, Trust::Pinned, NOW.0),
        ],
    )
    .await
    .unwrap();
    for (pen, count) in [(&mut bob, 60), (&mut cyd, 60), (&mut dan, 20), (&mut eve, 20)] {
        write(&store, entries(pen, count)).await.unwrap();
    }
    for seed in 10..50 {
        write(&store, entries(&mut Pen::new(seed, 5), 20)).await.unwrap();
    }
    let of =
        |left: &[(PeerId, u64)], pen: &Pen| left.iter().filter(|(author, _)| *author == pen.peer()).count();
    let taken = home.peek::<i64>("SELECT sum(bytes) FROM log") as u64;
    prune_all(&store, limits(0, taken / 2)).await;
    let half = left(&store).await;
    assert_eq!([of(&half, &bob), of(&half, &cyd)], [60, 60], "those who are known keep everything");
    assert!(of(&half, &dan) < 20 && of(&half, &eve) < 20 && half.len() < 500, "{} are left", half.len());
    // Where it is as much as of one who is known, these give up theirs as well.
    prune_all(&store, limits(0, taken / 10)).await;
    let tenth = left(&store).await;
    let kept = [of(&tenth, &bob), of(&tenth, &cyd)];
    let others = tenth.len() - kept.iter().sum::<usize>();
    assert!(kept.iter().all(|kept| (20..60).contains(kept)) && others >= 20, "{kept:?} and {others} others");
}

#[tokio::test]
async fn a_limit_below_the_last_entry_leaves_logs_that_go_on() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    write(&store, (0..10).map(|n| received(&bob.say("tea", at(n)))).collect()).await.unwrap();
    let [(TEA, before)] = store.taken().await.unwrap()[..] else { panic!("one room") };
    assert!(before > 1_000, "{before}");
    prune_all(&store, limits(0, 0)).await;
    assert_eq!(left(&store).await, []);
    assert_eq!(store.taken().await.unwrap(), []);
    write(&store, vec![received(&bob.say("more tea", at(11)))]).await.unwrap();
    assert_eq!(left(&store).await.len(), 1);
}

#[tokio::test]
async fn one_log_that_is_kept_keeps_none_of_the_others() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    // What bob wrote long ago came today, and there is more of it than is looked at at once.
    let long_ago = UnixMillis(NOW.0 - 100 * DAY);
    let mut bob = Pen::new(2, 5);
    let said = (0..600).map(|n| received(&bob.say("long ago", Hlc(Hlc::at(long_ago).0 + n))));
    write(&store, said.collect()).await.unwrap();
    let diary = diary(3, 40);
    write(&store, diary.iter().map(|(entry, when)| arrived(entry, *when)).collect()).await.unwrap();
    prune_all(&store, limits(30, u64::MAX)).await;
    let left = left(&store).await;
    assert_eq!(left.iter().filter(|(author, _)| *author == bob.peer()).count(), 600);
    assert_eq!(left.len(), 600 + 31, "of the diary the last thirty days");
}

#[tokio::test]
async fn a_clock_that_is_wrong_for_a_start_takes_nothing_and_a_year_away_ends_once_others_bear_it_out() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let diary = diary(2, 40);
    write(&store, diary.iter().map(|(entry, when)| arrived(entry, *when)).collect()).await.unwrap();
    let hour = Duration::from_secs(3600);
    let at = |days: u64, borne_out, ran| Limits {
        now: UnixMillis(NOW.0 + days * DAY),
        borne_out,
        ran,
        ..limits(30, u64::MAX)
    };
    // The first look ever: the last thing that came says what time it is at the least.
    prune_all(&store, at(365, false, Duration::ZERO)).await;
    assert_eq!(left(&store).await.len(), 31);
    store.close().await.unwrap();
    // Again and again, alone or among others who tell another time, for an hour each.
    let (mut store, _) = home.open();
    for _ in 0..3 {
        for ran in [Duration::ZERO, hour] {
            prune_all(&store, at(365, false, ran)).await;
        }
        store.close().await.unwrap();
        store = home.open().0;
    }
    assert_eq!(left(&store).await.len(), 30, "three hours have passed, and no year");
    // With the right clock again it goes on as before: by time that passed, and by what others bear out.
    prune_all(&store, at(2, false, Duration::ZERO)).await;
    assert_eq!(left(&store).await.len(), 30);
    prune_all(&store, at(2, false, 48 * hour)).await;
    assert_eq!(left(&store).await.len(), 29);
    prune_all(&store, at(20, true, Duration::ZERO)).await;
    assert_eq!(left(&store).await.len(), 11);
    // A clock that fell back takes nothing, nor does it hold up what follows.
    let past = Limits { now: UnixMillis(NOW.0 - 9000 * DAY), ..at(0, false, hour) };
    prune_all(&store, past).await;
    assert_eq!(left(&store).await.len(), 11);
    prune_all(&store, at(365, true, Duration::ZERO)).await;
    assert_eq!(left(&store).await.len(), 0, "it was away for a year");
}

#[tokio::test]
async fn strangers_do_not_make_it_earlier_than_was_certain_and_devices_that_were_known_do() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let at = |days: u64, borne_out, by_known| Limits {
        now: UnixMillis(NOW.0 + days * DAY),
        borne_out,
        by_known,
        ..limits(0, u64::MAX)
    };
    prune_all(&store, at(10, true, true)).await;
    prune_all(&store, at(1, true, false)).await;
    store.close().await.unwrap();
    let (store, loaded) = home.open();
    assert_eq!(loaded.certain, Some(UnixMillis(NOW.0 + 10 * DAY)));
    prune_all(&store, at(1, true, true)).await;
    store.close().await.unwrap();
    assert_eq!(home.open().1.certain, Some(UnixMillis(NOW.0 + DAY)));
}
