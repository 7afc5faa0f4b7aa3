//! Pausing, resuming, queueing, limiting and forgetting transfers, between whole nodes.

use std::fs;

use super::*;
use crate::api::TrustAct;
use crate::config::AcceptRule;
use crate::engine::queue::Looks;
use crate::files::Disk;

/// Lets files be fetched so fast, and so many at a time.
pub(super) async fn limit(engine: &Engine, down: u64, at_once: u32) {
    limit_both(engine, 0, down, at_once).await;
}

async fn limit_both(engine: &Engine, up: u64, down: u64, at_once: u32) {
    let choice = configure(json!({ "uploadLimit": up, "downloadLimit": down, "transfersAtOnce": at_once }));
    let Reply::Me(me) = engine.handle().call(choice).await.unwrap() else { panic!("no settings") };
    assert_eq!((me.upload_limit, me.download_limit, me.transfers_at_once), (up, down, at_once));
}

async fn transfer(engine: &Engine, command: Command) -> Transfer {
    match engine.handle().call(command).await.unwrap() {
        Reply::Transfer(transfer) => transfer,
        other => panic!("{other:?}"),
    }
}

fn accept(id: &str) -> Command {
    Command::Accept { transfer: id.to_owned(), into: None, only: None }
}

fn pause(id: &str) -> Command {
    Command::Pause { transfer: id.to_owned() }
}

fn resume(id: &str) -> Command {
    Command::Resume { transfer: id.to_owned() }
}

fn data(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / 7 % 251) as u8).collect()
}

async fn me(engine: &Engine) -> String {
    snapshot(engine).await.me.id
}

/// Waits until nothing is staged in a folder.
async fn until_clear(folder: &Path) {
    eventually(|| !folder.join(".lanyard-part").exists()).await;
}

#[tokio::test]
async fn a_paused_transfer_stops_at_once_stays_so_over_a_restart_and_goes_on_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let bob_home = home.path().join("bob");
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&bob_home, "bob").await);
    let file = home.path().join("film.mkv");
    fs::write(&file, data(12 << 20)).unwrap();
    meet(&bob, &ann).await;
    let id = offer(&ann, &format!("@{}", me(&bob).await), &file).await;
    until(&bob, |transfer| transfer.id == id).await;
    limit(&bob, 4 << 20, 3).await;
    transfer(&bob, accept(&id)).await;
    until(&bob, |transfer| transfer.moved >= 2 << 20).await;

    let asked = std::time::Instant::now();
    let paused = transfer(&bob, pause(&id)).await;
    assert_eq!(paused.state, TransferState::Paused);
    until(&ann, |transfer| transfer.state == TransferState::Offered).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let error = bob.handle().call(pause("zzzz")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NoSuch);
    assert!(bob_home.join("downloads/.lanyard-part").exists(), "what came is kept");
    let waits = until(&ann, |transfer| transfer.state == TransferState::Waiting).await;
    let why = waits.error.expect("it is said why").message;
    assert_eq!(why, "bob has accepted it and paused it. It goes on when bob resumes it.");
    assert!(waits.awaited.is_empty(), "it was answered");

    down(bob).await;
    let bob = up(&bob_home, "bob").await;
    meet(&bob, &ann).await;
    let still = until(&bob, |transfer| transfer.id == id).await;
    assert_eq!((still.state, still.error), (TransferState::Paused, None));
    assert!(until(&ann, |transfer| transfer.id == id).await.rate == 0);
    limit(&bob, 0, 3).await;
    transfer(&bob, resume(&id)).await;
    let done = until(&bob, |transfer| transfer.state == TransferState::Done).await;
    assert!(done.finished.is_some_and(|at| at > done.offered));
    assert_eq!(fs::read(bob_home.join("downloads/film.mkv")).unwrap(), data(12 << 20));
    until(&ann, |transfer| transfer.state == TransferState::Done && transfer.finished.is_some()).await;
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn a_paused_offer_is_given_to_nobody_and_receivers_wait_and_go_on_by_themselves() {
    let home = tempfile::tempdir().unwrap();
    let ann_home = home.path().join("ann");
    let (ann, bob) = (up(&ann_home, "ann").await, up(&home.path().join("bob"), "bob").await);
    let file = home.path().join("film.mkv");
    fs::write(&file, data(8 << 20)).unwrap();
    meet(&bob, &ann).await;
    let id = offer(&ann, "#lobby", &file).await;
    until(&bob, |transfer| transfer.id == id).await;
    limit(&bob, 2 << 20, 3).await;
    transfer(&bob, accept(&id)).await;
    until(&bob, |transfer| transfer.moved >= 1 << 20).await;

    assert_eq!(transfer(&ann, pause(&id)).await.state, TransferState::Paused);
    let held = |transfer: &Transfer| {
        let why = transfer.error.as_ref().is_some_and(|error| error.message.starts_with("Paused by ann"));
        transfer.state == TransferState::Waiting && why
    };
    until(&bob, held).await;
    assert!(until(&ann, |transfer| transfer.id == id).await.receivers.is_empty());

    // Whoever asks all the same is told the same.
    transfer(&bob, resume(&id)).await;
    until(&bob, held).await;
    limit(&bob, 0, 3).await;
    let resumed = std::time::Instant::now();
    transfer(&ann, resume(&id)).await;
    until(&bob, |transfer| transfer.state == TransferState::Done).await;
    assert!(resumed.elapsed() < Duration::from_secs(10), "{:?}", resumed.elapsed());
    let refused = ann.handle().call(resume(&id)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Refused);
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn what_is_too_much_for_a_disk_at_a_time_waits_in_an_order_that_can_be_changed() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    meet(&bob, &ann).await;
    limit(&bob, 4096, 1).await;
    let mut ids = Vec::new();
    for number in 0..4 {
        let file = home.path().join(format!("{number}.bin"));
        fs::write(&file, data(300_000)).unwrap();
        let id = offer(&ann, "#lobby", &file).await;
        until(&bob, |transfer| transfer.id == id).await;
        transfer(&bob, accept(&id)).await;
        ids.push(id);
    }
    let at = |id: String, place: Option<u32>| move |t: &Transfer| t.id == id && t.place == place;
    until(&bob, |transfer| transfer.id == ids[0] && transfer.state == TransferState::Running).await;
    for (id, place) in ids[1..].iter().zip(0..) {
        let queued = until(&bob, at(id.clone(), Some(place))).await;
        assert_eq!(queued.state, TransferState::Queued);
    }
    let reorder = Command::Reorder { transfer: ids[3].clone(), before: Some(ids[1].clone()) };
    let Reply::Transfers(all) = bob.handle().call(reorder).await.unwrap() else { panic!("no transfers") };
    let place = |id: &String| all.iter().find(|transfer| transfer.id == *id).unwrap().place;
    assert_eq!([&ids[3], &ids[1], &ids[2]].map(place), [Some(0), Some(1), Some(2)]);
    let runs = Command::Reorder { transfer: ids[0].clone(), before: None };
    let error = bob.handle().call(runs).await.unwrap_err();
    assert!(error.code == ErrorCode::Refused && error.message.contains("running already"), "{error}");
    let refused = Command::Reorder { transfer: ids[3].clone(), before: Some("zz".to_owned()) };
    assert_eq!(bob.handle().call(refused).await.unwrap_err().code, ErrorCode::NoSuch);

    limit(&bob, 0, 1).await;
    let mut ends = Vec::new();
    for id in [&ids[0], &ids[3], &ids[1], &ids[2]] {
        let done = until(&bob, |transfer| transfer.id == *id && transfer.state == TransferState::Done).await;
        ends.push(done.finished.unwrap());
    }
    assert!(ends.is_sorted(), "{ends:?}");
    for (down, at_once) in [(1000, 3), (0, 0), (0, 17)] {
        let wrong = configure(json!({ "downloadLimit": down, "transfersAtOnce": at_once }));
        assert_eq!(bob.handle().call(wrong).await.unwrap_err().code, ErrorCode::Invalid);
    }
    down_both(ann, bob).await;
}

async fn down_both(one: Engine, other: Engine) {
    down(one).await;
    down(other).await;
}

#[tokio::test]
async fn only_what_failed_is_fetched_again_and_what_is_forgotten_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let bob_home = home.path().join("bob");
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&bob_home, "bob").await);
    let folder = home.path().join("album");
    fs::create_dir(&folder).unwrap();
    for name in ["a", "b"] {
        fs::write(folder.join(name), data(2 << 20)).unwrap();
    }
    meet(&bob, &ann).await;
    let to = format!("@{}", me(&bob).await);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let id = offer(&ann, &to, &folder).await;
        until(&bob, |transfer| transfer.id == id).await;
        ids.push(id);
    }
    fs::rename(folder.join("b"), home.path().join("b")).unwrap();
    for id in &ids {
        transfer(&bob, accept(id)).await;
        let failed = until(&bob, |t| t.id == *id && t.state == TransferState::Failed).await;
        assert!(failed.error.unwrap().message.contains("1 of 2 did not arrive"));
    }
    fs::rename(home.path().join("b"), folder.join("b")).unwrap();
    let downloads = bob_home.join("downloads");
    let first = fs::metadata(downloads.join("album/a")).unwrap();
    transfer(&bob, resume(&ids[0])).await;
    until(&bob, |transfer| transfer.id == ids[0] && transfer.state == TransferState::Done).await;
    assert_eq!(fs::read(downloads.join("album/b")).unwrap(), data(2 << 20));
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs::metadata(downloads.join("album/a")).unwrap().ino(), first.ino(), "it was left alone");
    }
    #[cfg(not(unix))]
    drop(first);

    assert!(downloads.join(".lanyard-part").join(&ids[1]).exists(), "it can still be resumed");
    let forget = |id: &String| Command::ForgetTransfer { transfer: id.clone() };
    let mut events = bob.handle().subscribe();
    bob.handle().call(forget(&ids[1])).await.unwrap();
    until_clear(&downloads).await;
    let told = async { while !matches!(events.next().await, Some(Event::TransferForgotten { .. })) {} };
    tokio::time::timeout(SOON, told).await.unwrap();
    assert_eq!(bob.handle().call(forget(&ids[1])).await.unwrap_err().code, ErrorCode::NoSuch);
    down(bob).await;
    let bob = up(&bob_home, "bob").await;
    let listed = snapshot(&bob).await.transfers;
    assert!(listed.len() == 1 && listed[0].id == ids[0] && listed[0].finished.is_some(), "{listed:?}");
    bob.handle().call(forget(&ids[0])).await.unwrap();
    assert!(snapshot(&bob).await.transfers.is_empty());
    let open = offer(&bob, "#lobby", &folder).await;
    assert_eq!(bob.handle().call(forget(&open)).await.unwrap_err().code, ErrorCode::Refused);
    bob.handle().call(Command::Cancel { transfer: open }).await.unwrap();
    bob.handle().call(Command::ForgetTransfers {}).await.unwrap();
    assert!(snapshot(&bob).await.transfers.is_empty());
    down_both(ann, bob).await;
}

#[tokio::test]
async fn two_offers_of_one_device_are_told_apart_by_the_half_of_their_ids_that_differs() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    let file = home.path().join("note");
    fs::write(&file, b"note").unwrap();
    meet(&bob, &ann).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let id = offer(&ann, "#lobby", &file).await;
        until(&bob, |transfer| transfer.id == id).await;
        ids.push(id);
    }
    assert_eq!(ids[0][..16], ids[1][..16], "the first half says whose it is");
    let both = bob.handle().call(accept(&ids[0][..8])).await.unwrap_err();
    assert!(both.message.contains("Several transfers"), "{both}");
    assert_eq!(transfer(&bob, accept(&ids[1][16..24])).await.id, ids[1]);
    assert_eq!(transfer(&bob, accept(&ids[0])).await.id, ids[0]);
    assert_eq!(bob.handle().call(accept("")).await.unwrap_err().code, ErrorCode::NoSuch);
    for id in &ids {
        until(&bob, |transfer| transfer.id == *id && transfer.state == TransferState::Done).await;
        let forget = Command::ForgetTransfer { transfer: id[16..24].to_owned() };
        bob.handle().call(forget).await.unwrap();
    }
    down_both(ann, bob).await;
}

#[tokio::test]
async fn what_was_cancelled_leaves_nothing_and_can_be_wanted_after_all() {
    let home = tempfile::tempdir().unwrap();
    let bob_home = home.path().join("bob");
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&bob_home, "bob").await);
    let file = home.path().join("film.mkv");
    fs::write(&file, data(6 << 20)).unwrap();
    meet(&bob, &ann).await;
    let id = offer(&ann, &format!("@{}", me(&bob).await), &file).await;
    until(&bob, |transfer| transfer.id == id).await;
    limit(&bob, 1 << 20, 3).await;
    transfer(&bob, accept(&id)).await;
    until(&bob, |transfer| transfer.moved >= 1 << 20).await;
    transfer(&bob, Command::Cancel { transfer: id.clone() }).await;
    until_clear(&bob_home.join("downloads")).await;
    until(&ann, |transfer| transfer.state == TransferState::Cancelled).await;
    limit(&bob, 0, 3).await;
    transfer(&bob, resume(&id)).await;
    until(&bob, |transfer| transfer.state == TransferState::Done).await;
    until(&ann, |transfer| transfer.state == TransferState::Done).await;
    let over = bob.handle().call(resume(&id)).await.unwrap_err();
    assert_eq!(over.code, ErrorCode::Refused);
    down_both(ann, bob).await;
}

/// A disk on which little is left for whatever a rule accepts.
fn nearly_full(_: &Path) -> Disk {
    Disk { number: 1, free: Some((1 << 30) + (8 << 20)), size: Some(8 << 30), inodes: None }
}

async fn up_accepting_on(profile: &Path, looks: Looks) -> Engine {
    let all = Config { accept: AcceptRule::Any, name: Some("bob".into()), ..config(profile) };
    Engine::start_with(all, looks).await.unwrap()
}

#[tokio::test]
async fn what_a_disk_has_no_room_for_is_refused_before_the_yes() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let full = |_: &Path| Disk { number: 1, free: Some(66 << 20), size: Some(8 << 30), inodes: None };
    let bob = Config { name: Some("bob".into()), ..config(&home.path().join("bob")) };
    let bob = Engine::start_with(bob, full).await.unwrap();
    let file = home.path().join("disk.img");
    fs::write(&file, vec![7; 4 << 20]).unwrap();
    meet(&bob, &ann).await;
    let id = offer(&ann, "#lobby", &file).await;
    until(&bob, |transfer| transfer.id == id).await;
    let error = bob.handle().call(accept(&id)).await.unwrap_err();
    assert!(error.code == ErrorCode::Storage && error.message.contains("not enough space"), "{error}");
    assert_eq!(until(&bob, |transfer| transfer.id == id).await.state, TransferState::Offered);
    down_both(ann, bob).await;
}

#[tokio::test]
async fn what_would_fill_the_disk_is_left_to_a_person_by_the_rule_that_accepts_all() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let bob = up_accepting_on(&home.path().join("bob"), nearly_full).await;
    // It fits, and leaves less than the gigabyte that others must leave.
    let large = home.path().join("disk.img");
    fs::write(&large, vec![7; 9 << 20]).unwrap();
    // So do many that are empty.
    let many = home.path().join("many");
    fs::create_dir(&many).unwrap();
    (0..2500).for_each(|number| fs::write(many.join(number.to_string()), b"").unwrap());
    meet(&bob, &ann).await;
    for (path, name) in [(&large, "disk.img"), (&many, "many")] {
        let mut events = bob.handle().subscribe();
        let id = offer(&ann, "#lobby", path).await;
        let told = async {
            loop {
                if let Some(Event::Notice { error }) = events.next().await {
                    return error;
                }
            }
        };
        let error = tokio::time::timeout(SOON, told).await.expect("it is said");
        let said = format!("“{name}” of ann is not fetched by itself");
        assert!(error.message.contains(&said), "{error}");
        assert_eq!(until(&bob, |transfer| transfer.id == id).await.state, TransferState::Offered);
    }
    // A small one is.
    let small = home.path().join("small.txt");
    fs::write(&small, b"small").unwrap();
    let small = offer(&ann, "#lobby", &small).await;
    until(&bob, |transfer| transfer.id == small && transfer.state == TransferState::Done).await;
    down_both(ann, bob).await;
}

/// A disk that has ten megabytes for what a rule accepts.
fn some_room(_: &Path) -> Disk {
    Disk { number: 1, free: Some((1 << 30) + (10 << 20)), size: Some(8 << 30), inodes: None }
}

async fn verify(engine: &Engine, peer: String) {
    engine.handle().call(Command::Trust { peer, act: TrustAct::Verify {} }).await.unwrap();
}

/// The room is half empty when the next one of whoever filled it is left to a person.
#[tokio::test]
async fn nobody_who_is_not_verified_fills_a_disk_by_the_rule() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let bob = up_accepting_on(&home.path().join("bob"), some_room).await;
    meet(&bob, &ann).await;
    let mut events = bob.handle().subscribe();
    for number in 0..3 {
        let file = home.path().join(format!("{number}.img"));
        fs::write(&file, vec![number; 4 << 20]).unwrap();
        let id = offer(&ann, "#lobby", &file).await;
        if number == 1 {
            let error = loop {
                if let Event::Notice { error } = events.next().await.unwrap() {
                    break error;
                }
            };
            assert!(error.message.contains("of what unverified devices may fill"), "{error}");
            assert_eq!(until(&bob, |transfer| transfer.id == id).await.state, TransferState::Offered);
            // A person says who it is, and that is another matter.
            verify(&bob, me(&ann).await).await;
        } else {
            until(&bob, |transfer| transfer.id == id && transfer.state == TransferState::Done).await;
        }
    }
    down_both(ann, bob).await;
}

/// A disk with many bytes and few inodes: a thousand, each worth a thousandth of what is free.
fn few_inodes(_: &Path) -> Disk {
    Disk { number: 1, free: Some(10 << 30), size: Some(20 << 30), inodes: Some(1000) }
}

#[tokio::test]
async fn of_several_offers_of_many_tiny_files_the_rule_takes_those_that_the_disk_has_inodes_for() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let bob = up_accepting_on(&home.path().join("bob"), few_inodes).await;
    // So slow that none is whole when the next is offered.
    limit(&bob, 4096, 3).await;
    meet(&bob, &ann).await;
    verify(&bob, me(&ann).await).await;
    let mut events = bob.handle().subscribe();
    for (name, is_taken) in [("first", true), ("second", true), ("third", false)] {
        let folder = home.path().join(name);
        fs::create_dir(&folder).unwrap();
        (0..400).for_each(|number| fs::write(folder.join(number.to_string()), data(200)).unwrap());
        let id = offer(&ann, "#lobby", &folder).await;
        let answered = async {
            loop {
                match events.next().await {
                    Some(Event::TransferChanged { transfer }) if transfer.id == id => return None,
                    Some(Event::Notice { error }) => return Some(error.message),
                    _ => {}
                }
            }
        };
        let refused = tokio::time::timeout(SOON, answered).await.expect("the rule answers");
        assert_eq!(refused.is_none(), is_taken, "{name}: {refused:?}");
    }
    down_both(ann, bob).await;
}

#[tokio::test]
async fn files_move_no_faster_than_they_may_in_either_direction() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    meet(&bob, &ann).await;
    const BYTES: usize = 8_000_000;
    for (given, fetched) in [(4_000_000, 0), (0, 4_000_000)] {
        limit_both(&ann, given, 0, 3).await;
        limit_both(&bob, 0, fetched, 3).await;
        let file = home.path().join(format!("{given}.bin"));
        fs::write(&file, data(BYTES)).unwrap();
        let id = offer(&ann, "#lobby", &file).await;
        until(&bob, |transfer| transfer.id == id).await;
        let start = std::time::Instant::now();
        transfer(&bob, accept(&id)).await;
        until(&bob, |transfer| transfer.id == id && transfer.state == TransferState::Done).await;
        let took = start.elapsed();
        // Two seconds, less what piles up before the first byte.
        assert!(took > Duration::from_millis(1850), "{took:?}");
    }
    down_both(ann, bob).await;
}

/// Five seconds each. On a machine that has nothing else to do: `cargo test -p lanyard-engine --lib limits_are -- --ignored
/// --nocapture`, with `--release` for the highest.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute of a quiet machine"]
async fn limits_are_right_to_one_in_twenty() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    meet(&bob, &ann).await;
    for rate in [1_000_000u64, 10_000_000, 100_000_000] {
        for (given, fetched) in [(rate, 0), (0, rate)] {
            limit_both(&ann, given, 0, 3).await;
            limit_both(&bob, 0, fetched, 3).await;
            let file = home.path().join(format!("{given}-{fetched}.bin"));
            fs::write(&file, data(5 * rate as usize)).unwrap();
            let id = offer(&ann, "#lobby", &file).await;
            until(&bob, |transfer| transfer.id == id).await;
            let start = std::time::Instant::now();
            transfer(&bob, accept(&id)).await;
            until(&bob, |transfer| transfer.id == id && transfer.moved == 5 * rate).await;
            let off = start.elapsed().as_secs_f64() / 5.0 - 1.0;
            println!("{given} up, {fetched} down: {:+.1} %", 100.0 * off);
            assert!(off.abs() < 0.05, "{off}");
            until(&bob, |transfer| transfer.id == id && transfer.state == TransferState::Done).await;
        }
    }
    down_both(ann, bob).await;
}

#[tokio::test]
async fn a_restarted_receiver_gives_on_what_it_has() {
    let home = tempfile::tempdir().unwrap();
    let (bob_home, cyd_home) = (home.path().join("bob"), home.path().join("cyd"));
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&bob_home, "bob").await);
    let folder = home.path().join("album");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("big"), data(3 << 20)).unwrap();
    fs::write(folder.join("small"), b"small").unwrap();
    meet(&bob, &ann).await;
    let id = offer(&ann, "#lobby", &folder).await;
    until(&bob, |transfer| transfer.id == id).await;
    transfer(&bob, accept(&id)).await;
    until(&bob, |transfer| transfer.state == TransferState::Done).await;
    down_both(ann, bob).await;

    let (bob, cyd) = (up(&bob_home, "bob").await, up(&cyd_home, "cyd").await);
    meet(&cyd, &bob).await;
    until(&cyd, |transfer| transfer.id == id).await;
    transfer(&cyd, accept(&id)).await;
    until(&cyd, |transfer| transfer.state == TransferState::Done).await;
    assert_eq!(fs::read(cyd_home.join("downloads/album/big")).unwrap(), data(3 << 20));
    down_both(bob, cyd).await;

    // What was changed since is given to nobody.
    let dan_home = home.path().join("dan");
    fs::write(bob_home.join("downloads/album/small"), b"other").unwrap();
    let (bob, dan) = (up(&bob_home, "bob").await, up(&dan_home, "dan").await);
    meet(&dan, &bob).await;
    until(&dan, |transfer| transfer.id == id).await;
    transfer(&dan, accept(&id)).await;
    until(&dan, |transfer| transfer.moved == 3 << 20 || transfer.state == TransferState::Waiting).await;
    assert!(!dan_home.join("downloads/album").exists());
    down_both(bob, dan).await;
}

#[tokio::test]
async fn what_is_fetched_from_one_device_waits_for_its_turn_and_nobody_is_told_to_come_again() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    meet(&bob, &ann).await;
    limit(&bob, 64 << 10, 16).await;
    let mut ids = Vec::new();
    for number in 0..9 {
        let file = home.path().join(format!("film-{number}.mkv"));
        fs::write(&file, data(2 << 20)).unwrap();
        let id = offer(&ann, "#lobby", &file).await;
        until(&bob, |transfer| transfer.id == id).await;
        ids.push(id);
    }
    let mut events = bob.handle().subscribe();
    for id in &ids {
        transfer(&bob, accept(id)).await;
    }
    let all = snapshot(&bob).await.transfers;
    let states: Vec<_> =
        ids.iter().map(|id| all.iter().find(|transfer| transfer.id == *id).unwrap()).collect();
    assert!(states[..4].iter().all(|transfer| transfer.state == TransferState::Running), "{states:?}");
    let places: Vec<_> = states[4..].iter().map(|transfer| (transfer.state, transfer.place)).collect();
    assert_eq!(places, (0..5).map(|place| (TransferState::Queued, Some(place))).collect::<Vec<_>>());

    limit(&bob, 0, 16).await;
    let mut done = 0;
    let told = tokio::time::timeout(SOON, async {
        while done < ids.len() {
            match events.next().await.unwrap() {
                Event::TransferFinished { transfer } if transfer.state == TransferState::Done => done += 1,
                Event::TransferChanged { transfer } if transfer.state == TransferState::Waiting => {
                    assert_eq!(transfer.error, None, "nobody has too much to do");
                }
                _ => {}
            }
        }
    });
    told.await.expect("all of them come, one behind the other");
    down(ann).await;
    down(bob).await;
}
