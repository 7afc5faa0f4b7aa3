//! Logs with holes: what came first, what is filled in later, and what is given up.

use lanyard_proto::effects::{Interval, Place};
use lanyard_proto::log::NO_ENTRY;

use super::*;

/// Twenty entries of one log.
fn talk() -> Vec<Arc<Entry>> {
    let mut bob = Pen::new(2, 5);
    (1..=20).map(|n| bob.say(&format!("{n}"), at(n))).collect()
}

/// The entries from one place to another, both included.
fn run(talk: &[Arc<Entry>], from: usize, to: usize, place: Place) -> Record {
    Record::Run { room: TEA, entries: talk[from - 1..to].to_vec(), place, arrived: NOW, theirs: None }
}

fn intervals(loaded: &Loaded) -> Vec<(u64, u64)> {
    let log = &loaded.rooms[0].logs[0];
    log.intervals.iter().map(|one| (one.base.0, one.head.0)).collect()
}

async fn reopened(home: &Home, store: Store) -> (Store, Loaded) {
    store.close().await.unwrap();
    home.open()
}

async fn texts(store: &Store) -> Vec<u64> {
    let (page, _) = store.page(TEA, None, 500).await.unwrap();
    page.iter().map(|shown| shown.entry.header.seq.0).collect()
}

#[tokio::test]
async fn the_newest_come_first_and_the_rest_is_filled_in_from_above() {
    let (home, talk) = (Home::new(), talk());
    let (store, _) = home.with_tea_room().await;
    write(&store, vec![received(&talk[0]), received(&talk[1])]).await.unwrap();
    write(&store, vec![run(&talk, 15, 18, Place::Ahead), received(&talk[18])]).await.unwrap();
    let (store, loaded) = reopened(&home, store).await;
    assert_eq!(intervals(&loaded), [(0, 2), (14, 19)]);
    assert_eq!(loaded.rooms[0].logs[0].oldest, talk[14].header.hlc);
    write(&store, vec![run(&talk, 6, 14, Place::Below)]).await.unwrap();
    let (store, loaded) = reopened(&home, store).await;
    assert_eq!(intervals(&loaded), [(0, 2), (5, 19)]);
    write(&store, vec![run(&talk, 3, 5, Place::Below), received(&talk[19])]).await.unwrap();
    let (store, loaded) = reopened(&home, store).await;
    let whole = Interval { base: Seq(0), base_id: NO_ENTRY, head: Seq(20), head_id: talk[19].id() };
    assert_eq!(loaded.rooms[0].logs[0].intervals, [whole]);
    assert_eq!(texts(&store).await, (1..=20).collect::<Vec<_>>());
    let bytes: usize = talk.iter().map(|entry| entry.encode().len()).sum();
    assert_eq!(home.peek::<i64>("SELECT bytes FROM log"), bytes as i64);
}

#[tokio::test]
async fn an_older_interval_grows_downwards_too() {
    let (home, talk) = (Home::new(), talk());
    let (store, _) = home.with_tea_room().await;
    write(&store, vec![run(&talk, 9, 10, Place::Ahead), run(&talk, 15, 18, Place::Ahead)]).await.unwrap();
    write(&store, vec![run(&talk, 4, 8, Place::Below)]).await.unwrap();
    let (store, loaded) = reopened(&home, store).await;
    assert_eq!(intervals(&loaded), [(3, 10), (14, 18)]);
    write(&store, vec![run(&talk, 1, 3, Place::Below), run(&talk, 11, 14, Place::Below)]).await.unwrap();
    assert_eq!(intervals(&reopened(&home, store).await.1), [(0, 18)]);
}

#[tokio::test]
async fn what_does_not_fit_above_and_below_ends_the_store() {
    let talk = talk();
    let mut other = Pen::new(2, 5);
    let other: Vec<_> = (1..=20).map(|n| other.say(&format!("other {n}"), at(n))).collect();
    let misfits = [
        run(&talk, 3, 4, Place::Ahead),
        run(&talk, 5, 7, Place::Below),
        run(&other, 3, 14, Place::Below),
        run(&talk, 15, 16, Place::Below),
        run(&talk, 16, 18, Place::Head),
        Record::Run {
            room: TEA,
            entries: vec![talk[12].clone(), talk[13].clone(), talk[11].clone()],
            place: Place::Below,
            arrived: NOW,
            theirs: None,
        },
    ];
    for misfit in misfits {
        let home = Home::new();
        let (store, _) = home.with_tea_room().await;
        write(&store, vec![received(&talk[0]), received(&talk[1])]).await.unwrap();
        write(&store, vec![run(&talk, 15, 18, Place::Ahead)]).await.unwrap();
        let error = write(&store, vec![misfit]).await.unwrap_err();
        assert!(matches!(error, StoreError::Contradiction { .. }), "{error}");
    }
}

#[tokio::test]
async fn of_what_is_given_up_the_head_stays_known_and_nothing_comes_back() {
    let (home, talk) = (Home::new(), talk());
    let (store, _) = home.with_tea_room().await;
    let forget = |to| Record::Forget { room: TEA, log: talk[0].log(), to: Seq(to) };
    write(&store, talk[..4].iter().map(received).collect()).await.unwrap();
    write(&store, vec![run(&talk, 11, 15, Place::Ahead), forget(2)]).await.unwrap();
    let (store, loaded) = reopened(&home, store).await;
    assert_eq!(intervals(&loaded), [(2, 4), (10, 15)]);
    write(&store, vec![forget(12), run(&talk, 5, 10, Place::Below)]).await.unwrap();
    assert_eq!(texts(&store).await, [13, 14, 15]);
    write(&store, vec![forget(15)]).await.unwrap();
    let (store, loaded) = reopened(&home, store).await;
    assert_eq!((intervals(&loaded), loaded.rooms[0].logs[0].floor), (vec![(15, 15)], Seq(15)));
    assert_eq!(home.peek::<i64>("SELECT bytes FROM log"), 0);
    write(&store, vec![received(&talk[15])]).await.unwrap();
    assert_eq!(texts(&store).await, [16]);
    assert_eq!(intervals(&reopened(&home, store).await.1), [(15, 16)]);
}

#[tokio::test]
async fn a_log_that_gave_way_is_shown_until_it_comes_back() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut bob, mut cyd) = (Pen::new(2, 5), Pen::new(3, 5));
    let his: Vec<_> = (0..10).map(|n| bob.say("old", at(n))).collect();
    write(&store, his.iter().map(received).collect()).await.unwrap();
    write(&store, vec![received(&cyd.say("hello", at(20)))]).await.unwrap();
    write(&store, vec![Record::Closed { room: TEA, log: his[0].log() }]).await.unwrap();
    store.close().await.unwrap();
    let (store, loaded) = home.open();
    let authors: Vec<PeerId> = loaded.rooms[0].logs.iter().map(|log| log.author).collect();
    assert_eq!(authors, [cyd.peer()], "the node knows nothing of it");
    assert_eq!(store.page(TEA, None, 100).await.unwrap().0.len(), 11, "people do");
    // It goes on, and is fetched from its end.
    let news: Vec<_> = (10..12).map(|n| bob.say("new", at(n))).collect();
    let run =
        Record::Run { room: TEA, entries: news.clone(), place: Place::Ahead, arrived: NOW, theirs: None };
    write(&store, vec![run]).await.unwrap();
    assert_eq!(store.page(TEA, None, 100).await.unwrap().0.len(), 3);
    let run =
        Record::Run { room: TEA, entries: his.clone(), place: Place::Below, arrived: NOW, theirs: None };
    write(&store, vec![run]).await.unwrap();
    store.close().await.unwrap();
    let (store, loaded) = home.open();
    assert_eq!(store.page(TEA, None, 100).await.unwrap().0.len(), 13);
    let log = loaded.rooms[0].logs.iter().find(|log| log.author == bob.peer()).unwrap();
    assert_eq!((log.newest, log.top().unwrap().base), (at(11), Seq(0)));
}
