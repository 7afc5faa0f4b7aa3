//! What a commit promises: whole batches, in order, together, once.

use super::*;

#[tokio::test]
async fn batches_that_wait_together_become_durable_together() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    let before = transactions_in_the_log(&home);

    let blocker = rusqlite::Connection::open(home.database()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waiting = Vec::new();
    for n in 0..200 {
        waiting.push(store.commit(vec![received(&bob.say("tea?", at(n)))]).await.unwrap());
    }
    blocker.execute_batch("ROLLBACK").unwrap();
    for durable in waiting {
        durable.await.unwrap();
    }

    assert_eq!(store.page(TEA, None, 500).await.unwrap().0.len(), 200);
    let transactions = transactions_in_the_log(&home) - before;
    assert!((1..=2).contains(&transactions), "those before and those behind the lock: {transactions}");
}

/// Frames of SQLite's write-ahead log that end a transaction carry the database's size in pages.
fn transactions_in_the_log(home: &Home) -> usize {
    const HEADER: usize = 32;
    const FRAME: usize = 24 + 4096;
    let log = std::fs::read(home.0.path().join("lanyard.db-wal")).unwrap();
    log[HEADER..].chunks_exact(FRAME).filter(|frame| frame[4..8] != [0; 4]).count()
}

#[tokio::test]
async fn an_entry_that_is_there_already_is_ignored() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    let (first, second) = (bob.say("tea?", at(1)), bob.say("anyone?", at(2)));
    write(&store, vec![received(&first), received(&second), received(&first)]).await.unwrap();
    write(&store, vec![received(&second), received(&first)]).await.unwrap();
    assert_eq!(store.page(TEA, None, 10).await.unwrap().0.len(), 2);
    write(&store, vec![received(&bob.say("no?", at(3)))]).await.unwrap();
}

#[tokio::test]
async fn an_entry_that_does_not_continue_its_log_ends_the_store() {
    let stray = |pen: &mut Pen| {
        pen.head = pen.head.next();
        pen.say("from nowhere", at(9))
    };
    let other_past = |pen: &mut Pen| {
        pen.head_id = [1; 32];
        pen.say("after another", at(9))
    };
    let fork = |pen: &mut Pen| {
        (pen.head, pen.head_id) = (Seq(0), [0; 32]);
        pen.say("instead", at(9))
    };
    for misfit in [stray as fn(&mut Pen) -> Arc<Entry>, other_past, fork] {
        let home = Home::new();
        let (store, _) = home.with_tea_room().await;
        let mut bob = Pen::new(2, 5);
        let first = bob.say("tea?", at(1));
        write(&store, vec![received(&first)]).await.unwrap();
        let misfit = misfit(&mut bob);
        let error = write(&store, vec![received(&misfit)]).await.unwrap_err();
        assert!(matches!(error, StoreError::Contradiction { .. }), "{error}");
        assert_eq!(store.entry(misfit.id()).await.unwrap(), None);
        assert_eq!(store.entry(first.id()).await.unwrap().unwrap().entry, first);
    }
}

#[tokio::test]
async fn after_a_failed_commit_everything_is_refused_and_the_failed_batch_left_no_trace() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    bob.head = Seq(3);
    let batch = vec![Record::Peer(peer("Bob")), received(&bob.say("from nowhere", at(1)))];
    let error = write(&store, batch).await.unwrap_err();
    assert_eq!(write(&store, vec![Record::Peer(peer("Bob"))]).await, Err(error.clone()));
    assert_eq!(store.set_settings(Default::default()).await.unwrap().await, Err(error.clone()));
    assert_eq!(store.peers().await.unwrap(), []);
    assert_eq!(store.close().await, Err(error));
    assert_eq!(home.peek::<i64>("SELECT running FROM node"), 1, "the next start has a look");
    let (_, loaded) = home.open();
    assert_eq!((loaded.peers.len(), loaded.rooms.len()), (0, 1));
}

#[tokio::test]
async fn an_entry_of_a_room_nobody_joined_is_refused() {
    let home = Home::new();
    let (store, _) = home.open();
    let error = write(&store, vec![received(&Pen::new(2, 5).say("tea?", at(1)))]).await.unwrap_err();
    assert!(matches!(error, StoreError::Contradiction { .. }), "{error}");
}

#[tokio::test]
async fn a_batch_nobody_waits_for_is_written_all_the_same() {
    let home = Home::new();
    let (store, _) = home.open();
    drop(store.commit(vec![tea_room()]).await.unwrap());
    write(&store, vec![]).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(home.open().1.rooms.len(), 1);
}

#[tokio::test]
async fn what_is_said_again_replaces_what_was_said() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let bob = PeerId([2; 32]);
    let log = lanyard_proto::model::LogId([1; 8]);
    let covered = |to| Record::Covered { room: TEA, peer: bob, log, held: span(0, to) };
    let renamed =
        RoomRecord { id: TEA, kind: RoomKind::Open, name: "coffee".to_owned(), joined: NOW, nonce: MINE };
    let declined = TransferRecord { receipts: vec![], ..transfer(1, bob, TransferState::Declined) };
    write(
        &store,
        vec![
            Record::Peer(peer("Bob")),
            Record::Peer(PeerRecord { addresses: vec![], ..peer("Robert") }),
            covered(5),
            covered(9),
            Record::Room(renamed.clone()),
            Record::Transfer(transfer(1, bob, TransferState::Running)),
            Record::Transfer(declined.clone()),
        ],
    )
    .await
    .unwrap();
    assert_eq!(store.peers().await.unwrap(), [PeerRecord { addresses: vec![], ..peer("Robert") }]);
    write(&store, vec![Record::PeerForgotten(bob)]).await.unwrap();
    assert_eq!(store.peers().await.unwrap(), []);
    assert_eq!(home.peek::<i64>("SELECT seq FROM covered"), 9);
    assert_eq!(store.transfer(declined.id).await.unwrap().unwrap().record, declined);
    store.close().await.unwrap();
    assert_eq!(home.open().1.rooms[0].record, renamed);
}

#[tokio::test]
async fn a_log_of_this_device_that_came_back_from_others_is_its_own_again_once_it_writes_on() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut me = Pen::new(1, MINE);
    let (first, second) = (me.say("tea?", at(1)), me.say("anyone?", at(2)));
    write(&store, vec![received(&first)]).await.unwrap();
    assert_eq!(home.peek::<i64>("SELECT own FROM log"), 0);
    write(&store, vec![own(&second)]).await.unwrap();
    assert_eq!(home.peek::<i64>("SELECT own FROM log"), 1);
}

/// A full disk, where this machine lets a test have a small one.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_ends_the_store_with_a_sentence_and_loses_nothing_that_was_acknowledged() {
    let Some(disk) = SmallDisk::mounted() else {
        eprintln!("skipped: this machine does not let a test mount a small disk");
        return;
    };
    let (store, _) = disk.0.with_tea_room().await;
    let mut me = Pen::new(1, MINE);
    let body = "tea? ".repeat(3000);
    let mut acknowledged = Vec::new();
    let error = loop {
        let entry = me.say(&body, at(1));
        match write(&store, vec![own(&entry)]).await {
            Ok(()) => acknowledged.push(entry),
            Err(error) => break error,
        }
    };
    assert_eq!(error, StoreError::Full);
    assert!(error.to_string().starts_with("The disk is full"), "{error}");
    assert_eq!(write(&store, vec![Record::Peer(peer("Bob"))]).await, Err(StoreError::Full));
    assert_eq!(store.close().await, Err(StoreError::Full));
    assert!(acknowledged.len() > 10);

    disk.grow();
    let (store, loaded) = disk.0.open();
    for entry in &acknowledged {
        assert_eq!(store.entry(entry.id()).await.unwrap().unwrap().entry, *entry);
    }
    assert_eq!(loaded.rooms[0].logs[0].top().unwrap().head, Seq(acknowledged.len() as u64));
    store.close().await.unwrap();
}

#[cfg(target_os = "linux")]
struct SmallDisk(Home);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mounted() -> Option<SmallDisk> {
        let home = Home::new();
        run("mount", &["-t", "tmpfs", "-o", "size=4m", "tmpfs"], &home).then_some(SmallDisk(home))
    }

    fn grow(&self) {
        assert!(run("mount", &["-o", "remount,size=64m"], &self.0));
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["--lazy"], &self.0);
    }
}

#[cfg(target_os = "linux")]
fn run(program: &str, arguments: &[&str], home: &Home) -> bool {
    std::process::Command::new(program)
        .args(arguments)
        .arg(home.0.path())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
