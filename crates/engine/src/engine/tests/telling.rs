//! What people are told of transfers: what is left out, who ended them, and which files failed.

use std::fs;

use super::*;
use crate::api::{TransferFile, TransferFileState};

async fn accept(engine: &Engine, id: &str) {
    let accept = Command::Accept { transfer: id.to_owned(), into: None, only: None };
    engine.handle().call(accept).await.unwrap();
}

async fn cancel(engine: &Engine, id: &str) {
    engine.handle().call(Command::Cancel { transfer: id.to_owned() }).await.unwrap();
}

async fn files(engine: &Engine, id: &str) -> Vec<(String, TransferFileState)> {
    let list = Command::TransferFiles { transfer: id.to_owned(), after: None, limit: 100 };
    match engine.handle().call(list).await.unwrap() {
        Reply::TransferFiles(page) => {
            page.files.into_iter().map(|TransferFile { path, state, .. }| (path, state)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn why(transfer: &Transfer) -> &str {
    transfer.error.as_ref().map_or("", |error| &error.message)
}

#[cfg(unix)]
#[tokio::test]
async fn both_sides_are_told_how_much_is_no_file_and_is_not_sent() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    let folder = home.path().join("proj");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("main.rs"), "fn main() {}").unwrap();
    std::os::unix::fs::symlink("main.rs", folder.join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let fifo = rustix::fs::mknodat(rustix::fs::CWD, folder.join("fifo"), rustix::fs::FileType::Fifo, mode, 0);
    fifo.unwrap();
    meet(&bob, &ann).await;
    let id = offer(&ann, "#lobby", &folder).await;
    assert_eq!(until(&ann, |transfer| transfer.id == id).await.skipped, 3);
    until(&bob, |transfer| transfer.id == id).await;
    accept(&bob, &id).await;
    let done = until(&bob, |transfer| transfer.id == id && transfer.state == TransferState::Done).await;
    assert_eq!(done.skipped, 3);
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn whoever_is_left_with_nothing_is_told_who_ended_it() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    let file = home.path().join("plan.pdf");
    fs::write(&file, b"plan").unwrap();
    meet(&bob, &ann).await;
    let to_bob = format!("@{}", snapshot(&bob).await.me.id);
    let cancelled = |id: String| {
        move |transfer: &Transfer| transfer.id == id && transfer.state == TransferState::Cancelled
    };

    let withdrawn = offer(&ann, &to_bob, &file).await;
    until(&bob, |transfer| transfer.id == withdrawn).await;
    cancel(&ann, &withdrawn).await;
    assert_eq!(why(&until(&bob, cancelled(withdrawn.clone())).await), "ann has withdrawn it.");
    assert_eq!(why(&until(&ann, cancelled(withdrawn)).await), "");

    super::queue::limit(&bob, 4096, 3).await;
    fs::write(&file, vec![7; 3_000_000]).unwrap();
    let stopped = offer(&ann, &to_bob, &file).await;
    until(&bob, |transfer| transfer.id == stopped).await;
    accept(&bob, &stopped).await;
    cancel(&bob, &stopped).await;
    assert_eq!(why(&until(&ann, cancelled(stopped.clone())).await), "Cancelled by bob.");
    assert_eq!(why(&until(&bob, cancelled(stopped)).await), "");
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn a_file_that_could_not_be_given_is_named_at_both_sides_and_the_others_are_done() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    let folder = home.path().join("proj");
    for inside in ["good", "bad"] {
        fs::create_dir_all(folder.join(inside)).unwrap();
        fs::write(folder.join(inside).join("a.txt"), inside).unwrap();
    }
    fs::write(folder.join("bad/gone.txt"), "gone").unwrap();
    meet(&bob, &ann).await;
    let id = offer(&ann, &format!("@{}", snapshot(&bob).await.me.id), &folder).await;
    let offered = files(&ann, &id).await;
    assert!(offered.iter().all(|(_, state)| *state == TransferFileState::Offered), "{offered:?}");
    until(&bob, |transfer| transfer.id == id).await;
    fs::remove_file(folder.join("bad/gone.txt")).unwrap();
    accept(&bob, &id).await;
    until(&bob, |transfer| transfer.id == id && transfer.state == TransferState::Failed).await;
    let failed = until(&ann, |transfer| transfer.id == id && why(transfer).contains("gone.txt")).await;
    assert_eq!(
        why(&failed),
        "No longer here, or not readable: proj/bad/gone.txt. bob can accept it again when it is back."
    );
    use TransferFileState::{Done, Failed};
    let states = |done: &[&str], failed: &[&str]| {
        let mut all: Vec<(String, TransferFileState)> = done
            .iter()
            .map(|path| (format!("proj{path}"), Done))
            .chain(failed.iter().map(|path| (format!("proj{path}"), Failed)))
            .collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    };
    let sorted = async |engine: &Engine| {
        let mut all = files(engine, &id).await;
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    };
    let came = states(&["/good", "/good/a.txt", "/bad/a.txt"], &["", "/bad", "/bad/gone.txt"]);
    assert_eq!(sorted(&bob).await, came);
    let went = states(&["", "/good", "/good/a.txt", "/bad", "/bad/a.txt"], &["/bad/gone.txt"]);
    assert_eq!(sorted(&ann).await, went);
    down(ann).await;
    down(bob).await;
}
