//! Choosing among the files of an offer, between real nodes.

use super::*;
use crate::api::{TransferFile, TransferFileState};

async fn files(engine: &Engine, transfer: &str) -> Vec<TransferFile> {
    let (mut files, mut after) = (Vec::new(), None);
    loop {
        let page = Command::TransferFiles { transfer: transfer.to_owned(), after, limit: 2 };
        let page = match engine.handle().call(page).await.unwrap() {
            Reply::TransferFiles(page) => page,
            other => panic!("{other:?}"),
        };
        assert!(page.files.len() <= 2);
        files.extend(page.files);
        after = page.next;
        if after.is_none() {
            return files;
        }
    }
}

async fn states(engine: &Engine, transfer: &str) -> Vec<(String, TransferFileState)> {
    files(engine, transfer).await.into_iter().map(|file| (file.path, file.state)).collect()
}

fn accepting(transfer: &str, only: &[&str]) -> Command {
    let only = Some(only.iter().map(|name| (*name).to_owned()).collect());
    Command::Accept { transfer: transfer.to_owned(), into: None, only }
}

#[tokio::test]
async fn some_files_of_an_offer_are_chosen_and_the_rest_is_fetched_after_a_restart() {
    use TransferFileState::{Done, Here, LeftOut, Offered};
    let home = tempfile::tempdir().unwrap();
    let (ann_home, bob_home) = (home.path().join("ann"), home.path().join("bob"));
    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    let album = home.path().join("album");
    std::fs::create_dir(&album).unwrap();
    for name in ["a", "b", "c"] {
        std::fs::write(album.join(name), name.repeat(50_000)).unwrap();
    }
    meet(&bob, &ann).await;
    let bob_id = snapshot(&bob).await.me.id;
    let id = offer(&ann, &format!("@{bob_id}"), &album).await;
    until(&bob, |transfer| transfer.id == id).await;

    let all = |state| ["album", "album/a", "album/b", "album/c"].map(|path| (path.to_owned(), state));
    assert_eq!(states(&bob, &id).await, all(Offered));
    assert_eq!(states(&ann, &id).await, all(Offered));
    let error = bob.handle().call(accepting(&id, &["album/a", "album/x"])).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Invalid);
    assert!(error.message.contains("“album/x”"), "{error}");
    let offered = until(&bob, |transfer| transfer.id == id).await;
    assert_eq!((offered.state, offered.chosen), (TransferState::Offered, None));
    assert!(!bob_home.join("downloads").exists(), "nothing touches the disk before a yes");

    bob.handle().call(accepting(&id, &["album/a"])).await.unwrap();
    let done = until(&bob, |transfer| transfer.state == TransferState::Done).await;
    assert_eq!((done.chosen, done.chosen_files, done.moved, done.files), (Some(50_000), Some(1), 50_000, 3));
    let taken = until(&ann, |transfer| transfer.state == TransferState::Done).await;
    assert_eq!((taken.chosen_files, taken.moved), (Some(1), 50_000));
    assert_eq!((taken.receivers[0].chosen_files, taken.receivers[0].moved), (Some(1), 50_000));
    let listed = states(&bob, &id).await;
    assert_eq!([listed[1].1, listed[2].1, listed[3].1], [Done, LeftOut, LeftOut]);
    assert_eq!(std::fs::read_dir(bob_home.join("downloads/album")).unwrap().count(), 1);
    down(ann).await;
    down(bob).await;

    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    let again = until(&bob, |transfer| transfer.id == id).await;
    assert_eq!((again.state, again.chosen_files), (TransferState::Done, Some(1)));
    meet(&bob, &ann).await;
    assert_eq!(states(&bob, &id).await[1].1, Done);
    // Somebody brought one of the others meanwhile.
    std::fs::write(bob_home.join("downloads/album/b"), "b".repeat(50_000)).unwrap();
    bob.handle().call(Command::Accept { transfer: id.clone(), into: None, only: None }).await.unwrap();
    let whole =
        until(&bob, |transfer| transfer.state == TransferState::Done && transfer.chosen.is_none()).await;
    assert_eq!((whole.moved, whole.here), (150_000, 50_000));
    assert_eq!(states(&bob, &id).await[2].1, Here);
    let told =
        until(&ann, |transfer| transfer.state == TransferState::Done && transfer.chosen.is_none()).await;
    assert_eq!(told.receivers[0].chosen, None);
    assert_eq!(states(&ann, &id).await, all(Done));
    let names: Vec<_> = std::fs::read_dir(bob_home.join("downloads/album")).unwrap().collect();
    assert_eq!(names.len(), 3);
    let over = bob.handle().call(accepting(&id, &["album/a"])).await.unwrap_err();
    assert_eq!(over.code, ErrorCode::Refused);
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn of_a_part_nothing_is_kept_for_the_rest_once_that_will_never_come() {
    let home = tempfile::tempdir().unwrap();
    let bob_home = home.path().join("bob");
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&bob_home, "bob").await);
    meet(&bob, &ann).await;
    let staged = bob_home.join("downloads/.lanyard-part");
    let part_of = async |name: &str| {
        let album = home.path().join(name);
        std::fs::create_dir(&album).unwrap();
        ["a", "b"].iter().for_each(|file| std::fs::write(album.join(file), file).unwrap());
        let id = offer(&ann, "#lobby", &album).await;
        until(&bob, |transfer| transfer.id == id).await;
        bob.handle().call(accepting(&id, &[&format!("{name}/a")])).await.unwrap();
        until(&bob, |transfer| transfer.id == id && transfer.state == TransferState::Done).await;
        assert!(staged.join(&id).exists(), "the rest may be wanted");
        id
    };
    let gone = async || eventually(|| !staged.exists()).await;

    let forgotten = part_of("forgotten").await;
    bob.handle().call(Command::ForgetTransfer { transfer: forgotten }).await.unwrap();
    gone().await;
    let withdrawn = part_of("withdrawn").await;
    ann.handle().call(Command::Cancel { transfer: withdrawn.clone() }).await.unwrap();
    gone().await;
    let more = Command::Accept { transfer: withdrawn.clone(), into: None, only: None };
    let error = bob.handle().call(more).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Refused, "{error}");
    let still = until(&bob, |transfer| transfer.id == withdrawn).await;
    assert_eq!(still.state, TransferState::Done, "what is here stays");
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn whoever_asks_for_a_list_before_its_author_was_heard_waits_a_moment_and_gets_it() {
    let home = tempfile::tempdir().unwrap();
    let bob_home = home.path().join("bob");
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&bob_home, "bob").await);
    let file = home.path().join("plan.pdf");
    std::fs::write(&file, "plan").unwrap();
    meet(&bob, &ann).await;
    let id = offer(&ann, "#lobby", &file).await;
    until(&bob, |transfer| transfer.id == id).await;
    down(bob).await;

    let bob = up(&bob_home, "bob").await;
    let (listed, ()) = tokio::join!(files(&bob, &id), meet(&bob, &ann));
    assert_eq!(listed[0].path, "plan.pdf");
    down(ann).await;
    // Of whoever does not come it is said.
    down(bob).await;
    let bob = up(&bob_home, "bob").await;
    let page = Command::TransferFiles { transfer: id, after: None, limit: 2 };
    assert_eq!(bob.handle().call(page).await.unwrap_err().code, ErrorCode::Network);
    down(bob).await;
}

#[tokio::test]
async fn files_that_failed_are_counted_and_listed_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    let album = home.path().join("album");
    std::fs::create_dir(&album).unwrap();
    for name in ["a", "b"] {
        std::fs::write(album.join(name), name).unwrap();
    }
    meet(&bob, &ann).await;
    let id = offer(&ann, "#lobby", &album).await;
    until(&bob, |transfer| transfer.id == id).await;
    std::fs::remove_file(album.join("b")).unwrap();
    bob.handle().call(Command::Accept { transfer: id.clone(), into: None, only: None }).await.unwrap();
    let failed = until(&bob, |transfer| transfer.state == TransferState::Failed).await;
    assert_eq!(failed.failed_files, 1);
    let listed = files(&bob, &id).await;
    assert_eq!((listed[1].state, listed[2].state), (TransferFileState::Done, TransferFileState::Failed));
    let error = listed[2].error.as_ref().unwrap();
    assert!(error.message.contains("no longer there"), "{error}");
    down(ann).await;
    down(bob).await;
}
