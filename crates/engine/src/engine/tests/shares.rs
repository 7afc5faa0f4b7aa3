//! Folders that are shared, between whole nodes and over restarts.

use super::*;
use crate::api::{ApiError, Listing, PeerShare, Room, Share, ShareAudience, TransferDirection};

#[tokio::test]
async fn what_is_shared_is_read_and_fetched_with_a_receipt_and_without_a_word_in_any_conversation() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    let photos = folder(home.path(), "photos", &["May/one.jpg", "May/two.jpg", "list.txt", ".hidden"]);
    meet(&bob, &ann).await;
    let share = share(&ann, &photos, ShareAudience::Everyone).await;
    assert_eq!((share.name.as_str(), share.gone), ("photos", false));
    assert_eq!(seen(&bob, "@ann").await, [("photos".to_owned(), share.id.clone())]);
    let listed = browse(&bob, "photos", "").await.unwrap();
    let names: Vec<_> = listed.entries.iter().map(|entry| (entry.name.as_str(), entry.folder)).collect();
    assert_eq!((names, listed.next), (vec![("May", true), ("list.txt", false)], None));

    let into = home.path().join("chosen");
    std::fs::create_dir(&into).unwrap();
    let id = get(&bob, "photos", &["May", "list.txt"], Some(&into)).await.unwrap();
    let done = until(&bob, |transfer| transfer.id == id && transfer.state == TransferState::Done).await;
    assert_eq!((done.direction, done.files), (TransferDirection::In, 3));
    for name in ["May/one.jpg", "May/two.jpg", "list.txt"] {
        assert_eq!(std::fs::read(into.join(name)).unwrap(), std::fs::read(photos.join(name)).unwrap());
    }
    let given = until(&ann, |transfer| transfer.id == id && transfer.state == TransferState::Done).await;
    assert_eq!(given.receivers[0].name, "bob");
    for engine in [&ann, &bob] {
        for room in snapshot(engine).await.rooms {
            assert!(room.last.is_none() && room.unread == 0, "{room:?}");
        }
    }
    let kept = home.path().join("ann/offers");
    eventually(|| std::fs::read_dir(&kept).unwrap().next().is_none()).await;
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn only_those_see_a_folder_whom_it_is_shared_with_also_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let ann_home = home.path().join("ann");
    let ann = up(&ann_home, "ann").await;
    let bob = up(&home.path().join("bob"), "bob").await;
    let eve = up(&home.path().join("eve"), "eve").await;
    let plans = folder(home.path(), "plans", &["plan.txt"]);
    meet(&bob, &ann).await;
    meet(&eve, &ann).await;
    once(&ann, |snapshot| snapshot.peers.iter().filter(|peer| peer.online).count() == 2).await;
    let only_bob = ShareAudience::People { people: vec!["@bob".to_owned()] };
    let share = share(&ann, &plans, only_bob).await;
    let bob_id = snapshot(&bob).await.me.id;
    assert_eq!(share.who, ShareAudience::People { people: vec![bob_id] });

    let refuses_eve = async |by: &str| {
        assert_eq!(seen(&eve, "@ann").await, [], "{by}");
        for wanted in ["plans", &share.id] {
            for asked in [browse(&eve, wanted, "").await.err(), get(&eve, wanted, &[""], None).await.err()] {
                assert_eq!(asked.unwrap().code, ErrorCode::NoSuch, "{by}");
            }
        }
    };
    refuses_eve("bob only").await;
    assert!(browse(&bob, "plans", "").await.is_ok());
    down(ann).await;
    let ann = up(&ann_home, "ann").await;
    meet(&bob, &ann).await;
    meet(&eve, &ann).await;
    // She sees Bob all the while.
    once(&eve, |snapshot| snapshot.peers.iter().any(|peer| peer.name == "ann" && peer.online)).await;
    refuses_eve("after a restart").await;
    assert!(browse(&bob, "plans", "").await.is_ok());

    let everyone = Some(ShareAudience::Everyone);
    let changed =
        Command::SetShare { share: "plans".to_owned(), name: Some("Ideas".to_owned()), who: everyone };
    assert!(
        matches!(ann.handle().call(changed).await.unwrap(), Reply::Share(share) if share.name == "Ideas")
    );
    assert!(browse(&eve, "Ideas", "").await.is_ok());
    ann.handle().call(Command::Unshare { share: share.id.clone() }).await.unwrap();
    refuses_eve("nobody any more").await;
    assert_eq!(browse(&bob, "Ideas", "").await.unwrap_err().code, ErrorCode::NoSuch);
    down(ann).await;
    down(bob).await;
    down(eve).await;
}

#[tokio::test]
async fn whoever_is_put_out_of_a_room_gets_nothing_more_of_what_is_shared_with_it() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    let plans = folder(home.path(), "plans", &["plan.txt", "later.txt"]);
    meet(&bob, &ann).await;
    let room = match ann.handle().call(Command::CreateRoom { name: "Board".to_owned() }).await.unwrap() {
        Reply::Room(Room { id, .. }) => id,
        other => panic!("{other:?}"),
    };
    share(&ann, &plans, ShareAudience::Room { room: "#Board".to_owned() }).await;
    assert_eq!(browse(&bob, "plans", "").await.unwrap_err().code, ErrorCode::NoSuch);
    let add = Command::AddMember { room: room.clone(), peer: "@bob".to_owned() };
    ann.handle().call(add).await.unwrap();
    assert!(browse(&bob, "plans", "").await.is_ok());
    // Bob's disk says no in the middle: what was begun can be gone on with.
    let blocked = blocked(home.path());
    let id = get(&bob, "plans", &["plan.txt"], Some(&blocked)).await.unwrap();
    until(&bob, |transfer| transfer.id == id && transfer.state == TransferState::Failed).await;
    let remove = Command::RemoveMember { room: room.clone(), peer: "@bob".to_owned() };
    ann.handle().call(remove).await.unwrap();
    assert_eq!(browse(&bob, "plans", "").await.unwrap_err().code, ErrorCode::NoSuch);
    assert_eq!(get(&bob, "plans", &["later.txt"], None).await.unwrap_err().code, ErrorCode::NoSuch);
    unblock(&blocked);
    let again = goes_on(&bob, &id, &blocked).await;
    assert_eq!(again.state, TransferState::Failed);
    let why = again.error.unwrap();
    assert_eq!(why.code, ErrorCode::Refused);
    assert!(why.message.contains("no longer shared"), "{why}");
    assert!(!blocked.join("plan.txt").exists());
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn what_is_shared_no_longer_is_not_given_to_those_who_had_begun() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    let plans = folder(home.path(), "plans", &["plan.txt"]);
    meet(&bob, &ann).await;
    share(&ann, &plans, ShareAudience::Everyone).await;
    let blocked = blocked(home.path());
    let id = get(&bob, "plans", &[], Some(&blocked)).await.unwrap();
    until(&bob, |transfer| transfer.id == id && transfer.state == TransferState::Failed).await;
    ann.handle().call(Command::Unshare { share: "plans".to_owned() }).await.unwrap();
    unblock(&blocked);
    let again = goes_on(&bob, &id, &blocked).await;
    assert!(matches!(again.state, TransferState::Failed | TransferState::Cancelled), "{again:?}");
    assert!(!blocked.join("plans").exists());
    let offers = home.path().join("ann/offers");
    eventually(|| std::fs::read_dir(&offers).unwrap().next().is_none()).await;
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn what_was_begun_goes_on_after_the_holder_and_the_asker_were_started_again() {
    let home = tempfile::tempdir().unwrap();
    let (ann_home, bob_home) = (home.path().join("ann"), home.path().join("bob"));
    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    let films = folder(home.path(), "films", &[]);
    let film: Vec<u8> = (0..40_000_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(films.join("film.mkv"), &film).unwrap();
    meet(&bob, &ann).await;
    share(&ann, &films, ShareAudience::Everyone).await;
    let mut events = bob.handle().subscribe();
    let id = get(&bob, "films", &["film.mkv"], None).await.unwrap();
    while !matches!(events.next().await.unwrap(), Event::Progress { .. } | Event::TransferFinished { .. }) {}
    down(ann).await;
    down(bob).await;
    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    until(&bob, |transfer| transfer.id == id).await;
    meet(&bob, &ann).await;
    let done = until(&bob, |transfer| transfer.id == id && transfer.state == TransferState::Done).await;
    assert!(std::fs::read(bob_home.join("downloads/film.mkv")).unwrap() == film);
    assert_eq!(done.bytes, film.len() as u64);
    until(&ann, |transfer| transfer.id == id && transfer.state == TransferState::Done).await;
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn whatever_cannot_be_had_is_said_in_words() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    let plans = folder(home.path(), "plans", &["plan.txt"]);
    meet(&bob, &ann).await;
    let known = share(&ann, &plans, ShareAudience::Everyone).await;
    let of = async |path: &str| browse(&bob, "plans", path).await.unwrap_err().code;
    assert_eq!(of("..").await, ErrorCode::Invalid);
    assert_eq!(of("/etc").await, ErrorCode::Invalid);
    assert_eq!(of("a\\b").await, ErrorCode::Invalid);
    assert_eq!(of("nothing").await, ErrorCode::NoSuch);
    for (paths, code) in [
        (&["plan.txt", "../ann/device.key"][..], ErrorCode::Invalid),
        (&["plan.txt", "no"], ErrorCode::NoSuch),
    ] {
        let error = get(&bob, "plans", paths, None).await.unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(paths[1]), "{error}");
    }
    let nobody = Command::PeerShares { peer: "@nobody".to_owned() };
    assert_eq!(bob.handle().call(nobody).await.unwrap_err().code, ErrorCode::NotFound);

    // What would show the key is not shared; what is shared already is shared otherwise.
    for secret in [home.path(), &home.path().join("ann"), &home.path().join("ann/offers")] {
        let handle = admitted(&ann, secret).await;
        let shared = Command::Share { handle, name: None, who: ShareAudience::Everyone };
        assert_eq!(ann.handle().call(shared).await.unwrap_err().code, ErrorCode::Invalid, "{secret:?}");
    }
    let twin = folder(&home.path().join("ann2"), "plans", &[]);
    assert_eq!(share(&ann, &twin, ShareAudience::Everyone).await.name, "plans (2)");
    let again = share(&ann, &plans, ShareAudience::People { people: Vec::new() }).await;
    assert_eq!((again.id, again.name), (known.id, known.name));
    assert_eq!(seen(&bob, "@ann").await.len(), 1);

    std::fs::remove_dir_all(&twin).unwrap();
    let error = browse(&bob, "plans (2)", "").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Storage);
    assert!(error.message.contains("not there"), "{error}");
    let own = match ann.handle().call(Command::Shares {}).await.unwrap() {
        Reply::Shares(shares) => shares,
        other => panic!("{other:?}"),
    };
    assert_eq!(own.iter().map(|share| share.gone).collect::<Vec<_>>(), [false, true]);
    down(ann).await;
    let away = browse(&bob, "plans", "").await.unwrap_err();
    assert!(matches!(away.code, ErrorCode::NotFound | ErrorCode::Network), "{away}");
    down(bob).await;
}

#[tokio::test]
async fn many_who_ask_at_once_are_all_answered() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    let names: Vec<String> = (0..20).map(|number| format!("{number}.txt")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let plans = folder(home.path(), "plans", &names);
    meet(&bob, &ann).await;
    share(&ann, &plans, ShareAudience::Everyone).await;
    let getting = names.iter().map(|name| get(&bob, "plans", std::slice::from_ref(name), None));
    for got in futures_util::future::join_all(getting).await {
        got.unwrap();
    }
    let all_done = |snapshot: &Snapshot| {
        let done = snapshot.transfers.iter().filter(|transfer| transfer.state == TransferState::Done);
        done.count() == names.len()
    };
    once(&bob, all_done).await;
    assert!(names.iter().all(|name| home.path().join("bob/downloads").join(name).exists()));
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn what_was_got_and_cancelled_goes_on_as_a_new_transfer_of_the_same_into_the_same_folder() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    let films = folder(home.path(), "films", &["May/one.mkv", "list.txt"]);
    meet(&bob, &ann).await;
    share(&ann, &films, ShareAudience::Everyone).await;
    // Bob's disk says no, so that there is something to cancel.
    let blocked = blocked(home.path());
    let id = get(&bob, "films", &["May"], Some(&blocked)).await.unwrap();
    until(&bob, |transfer| transfer.id == id && transfer.state == TransferState::Failed).await;
    unblock(&blocked);
    bob.handle().call(Command::Cancel { transfer: id.clone() }).await.unwrap();
    let offers = home.path().join("ann/offers");
    eventually(|| std::fs::read_dir(&offers).unwrap().next().is_none()).await;
    until(&ann, |transfer| transfer.id == id && transfer.state == TransferState::Cancelled).await;

    let again = match bob.handle().call(Command::Resume { transfer: id.clone() }).await.unwrap() {
        Reply::Transfer(again) => again,
        other => panic!("{other:?}"),
    };
    assert_ne!(again.id, id);
    until(&bob, |transfer| transfer.id == again.id && transfer.state == TransferState::Done).await;
    assert_eq!(std::fs::read_to_string(blocked.join("May/one.mkv")).unwrap(), "May/one.mkv");
    assert!(!blocked.join("list.txt").exists(), "only what was asked for");
    assert_eq!(snapshot(&bob).await.transfers.len(), 1, "it took the place of the other");
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn what_a_holder_gives_no_longer_is_asked_for_anew_and_a_no_is_said_in_words() {
    let home = tempfile::tempdir().unwrap();
    let ann_home = home.path().join("ann");
    let (ann, bob) = (up(&ann_home, "ann").await, up(&home.path().join("bob"), "bob").await);
    let plans = folder(home.path(), "plans", &["plan.txt"]);
    meet(&bob, &ann).await;
    share(&ann, &plans, ShareAudience::Everyone).await;
    let blocked = blocked(home.path());
    let id = get(&bob, "plans", &[], Some(&blocked)).await.unwrap();
    until(&bob, |transfer| transfer.id == id && transfer.state == TransferState::Failed).await;
    unblock(&blocked);
    // Ann's offer is lost.
    let offers = ann_home.join("offers");
    std::fs::read_dir(&offers).unwrap().for_each(|file| std::fs::remove_file(file.unwrap().path()).unwrap());
    let refused = goes_on(&bob, &id, &blocked).await;
    assert_eq!(refused.error.unwrap().code, ErrorCode::Refused);
    let resume = async || bob.handle().call(Command::Resume { transfer: id.clone() }).await;

    ann.handle().call(Command::Unshare { share: "plans".to_owned() }).await.unwrap();
    let error = resume().await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NoSuch);
    assert!(error.message.starts_with("ann no longer shares “plans” with you."), "{error}");
    until(&bob, |transfer| transfer.id == id).await;
    share(&ann, &plans, ShareAudience::Everyone).await;
    assert_eq!(resume().await.unwrap_err().code, ErrorCode::NoSuch, "it is another share now");
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn what_finds_no_room_is_offered_to_nobody_any_more() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    let disks = folder(home.path(), "disks", &["disk.img"]);
    let file = std::fs::File::options().write(true).open(disks.join("disk.img")).unwrap();
    file.set_len(1 << 41).unwrap();
    meet(&bob, &ann).await;
    share(&ann, &disks, ShareAudience::Everyone).await;
    let error = get(&bob, "disks", &[], None).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Storage, "{error}");
    let offers = home.path().join("ann/offers");
    eventually(|| std::fs::read_dir(&offers).unwrap().next().is_none()).await;
    for engine in [&ann, &bob] {
        assert!(snapshot(engine).await.rooms.iter().all(|room| room.last.is_none() && room.unread == 0));
    }
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn whoever_gives_what_waits_for_its_turn_knows_that_it_will_be_come_for() {
    let home = tempfile::tempdir().unwrap();
    let ann_home = home.path().join("ann");
    let (ann, bob) = (up(&ann_home, "ann").await, up(&home.path().join("bob"), "bob").await);
    let films = folder(home.path(), "films", &["short"]);
    std::fs::write(films.join("long"), vec![7; 192 << 20]).unwrap();
    meet(&bob, &ann).await;
    share(&ann, &films, ShareAudience::Everyone).await;
    queue::limit(&bob, 0, 1).await;
    let long = get(&bob, "films", &["long"], None).await.unwrap();
    let id = get(&bob, "films", &["short"], None).await.unwrap();
    let begun = ann_home.join("offers").join(format!("{id}.states"));
    eventually(|| begun.exists()).await;
    assert_eq!(until(&bob, |transfer| transfer.id == long).await.state, TransferState::Running);
    down(ann).await;
    down(bob).await;
}

/// A new folder with these files in it, each with its name as content.
fn folder(home: &Path, name: &str, files: &[&str]) -> std::path::PathBuf {
    let folder = home.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for file in files {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file).unwrap();
    }
    folder
}

/// A folder that nothing can be staged in.
fn blocked(home: &Path) -> std::path::PathBuf {
    folder(home, "blocked", &[".lanyard-part"])
}

fn unblock(folder: &Path) {
    std::fs::remove_file(folder.join(".lanyard-part")).unwrap();
}

async fn share(engine: &Engine, folder: &Path, who: ShareAudience) -> Share {
    let handle = admitted(engine, folder).await;
    match engine.handle().call(Command::Share { handle, name: None, who }).await.unwrap() {
        Reply::Share(share) => share,
        other => panic!("{other:?}"),
    }
}

async fn seen(engine: &Engine, peer: &str) -> Vec<(String, String)> {
    match engine.handle().call(Command::PeerShares { peer: peer.to_owned() }).await.unwrap() {
        Reply::PeerShares(shares) => shares.into_iter().map(|PeerShare { id, name }| (name, id)).collect(),
        other => panic!("{other:?}"),
    }
}

/// Looks into a folder that Ann shares.
async fn browse(engine: &Engine, share: &str, folder: &str) -> Result<Listing, ApiError> {
    let (peer, share, folder) = ("@ann".to_owned(), share.to_owned(), folder.to_owned());
    let asked = Command::Browse { peer, share, folder, after: None, limit: 1000 };
    match engine.handle().call(asked).await? {
        Reply::Listing(listing) => Ok(listing),
        other => panic!("{other:?}"),
    }
}

/// Fetches what Ann shares.
async fn get(engine: &Engine, share: &str, paths: &[&str], into: Option<&Path>) -> Result<String, ApiError> {
    let into = match into {
        Some(folder) => Some(admitted(engine, folder).await),
        None => None,
    };
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let asked = Command::Get { peer: "@ann".to_owned(), share: share.to_owned(), paths, into };
    match engine.handle().call(asked).await? {
        Reply::Transfer(transfer) => Ok(transfer.id),
        other => panic!("{other:?}"),
    }
}

/// Tries again what failed, and waits until that is over.
async fn goes_on(engine: &Engine, id: &str, into: &Path) -> Transfer {
    let mut events = engine.handle().subscribe();
    let into = Some(admitted(engine, into).await);
    let accept = Command::Accept { transfer: id.to_owned(), into, only: None };
    match engine.handle().call(accept).await {
        Ok(_) => {}
        // It was withdrawn before.
        Err(error) => assert_eq!(error.code, ErrorCode::Refused, "{error}"),
    }
    tokio::time::timeout(SOON, async {
        loop {
            let now =
                snapshot(engine).await.transfers.into_iter().find(|transfer| transfer.id == id).unwrap();
            if !matches!(now.state, TransferState::Waiting | TransferState::Running) {
                return now;
            }
            events.next().await.expect("it runs");
        }
    })
    .await
    .expect("it ends")
}

/// Looks again after each event.
async fn once(engine: &Engine, is_so: impl Fn(&Snapshot) -> bool) {
    let mut events = engine.handle().subscribe();
    tokio::time::timeout(SOON, async {
        while !is_so(&snapshot(engine).await) {
            events.next().await.expect("it runs");
        }
    })
    .await
    .expect("it comes to that");
}
