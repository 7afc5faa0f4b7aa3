//! How much of the disk this device's own data take.

use std::fs;

use super::queue::limit;
use super::*;
use crate::api::Storage;
use crate::files::Pasted;

async fn storage(engine: &Engine) -> Storage {
    let Reply::Storage(storage) = engine.handle().call(Command::Storage {}).await.unwrap() else {
        panic!("no storage");
    };
    storage
}

#[tokio::test]
async fn what_was_said_is_counted_by_room_and_what_was_pasted_as_long_as_it_lies_there() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("ann");
    let ann = up(&profile, "ann").await;
    let before = storage(&ann).await;
    assert_eq!((before.mail, before.unfinished, before.unfinished_transfers), (0, Some(0), 0));
    let say = |to: &str, text: String| Command::Say { to: to.to_owned(), text, reply: None };
    ann.handle().call(Command::JoinRoom { name: "tea".to_owned() }).await.unwrap();
    ann.handle().call(say("#lobby", "short".to_owned())).await.unwrap();
    ann.handle().call(say("#tea", "long ".repeat(400))).await.unwrap();
    Pasted::of(&profile).put("Picture", &[b"\x89PNG\r\n\x1a\n", &[7; 20_000][..]].concat()).unwrap();

    let after = storage(&ann).await;
    let [tea, lobby] = &after.rooms[..] else { panic!("{after:?}") };
    assert!(tea.bytes > 2_000 && lobby.bytes > 100 && lobby.bytes < tea.bytes, "{after:?}");
    assert_eq!(after.history, tea.bytes + lobby.bytes);
    assert!(after.database > after.history, "{after:?}");
    assert!(after.offers >= before.offers + 20_000, "{after:?}");
    let rooms = snapshot(&ann).await.rooms;
    assert!(rooms.iter().any(|room| room.id == tea.room && room.name == "tea"));
    down(ann).await;
}

#[tokio::test]
async fn what_came_of_a_transfer_is_counted_until_it_is_whole() {
    let home = tempfile::tempdir().unwrap();
    let bob_home = home.path().join("bob");
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&bob_home, "bob").await);
    let file = home.path().join("film.mkv");
    fs::write(&file, vec![7; 12 << 20]).unwrap();
    meet(&bob, &ann).await;
    let to = format!("@{}", snapshot(&bob).await.me.id);
    let id = offer(&ann, &to, &file).await;
    until(&bob, |transfer| transfer.id == id).await;
    assert_eq!(storage(&bob).await.unfinished_transfers, 0, "nothing was accepted yet");
    limit(&bob, 4 << 20, 3).await;
    bob.handle().call(Command::Accept { transfer: id.clone(), into: None, only: None }).await.unwrap();
    until(&bob, |transfer| transfer.moved >= 2 << 20).await;
    bob.handle().call(Command::Pause { transfer: id.clone() }).await.unwrap();
    let paused = storage(&bob).await;
    assert_eq!(paused.unfinished_transfers, 1);
    assert!(paused.unfinished.is_some_and(|bytes| (2 << 20..12 << 20).contains(&bytes)), "{paused:?}");
    assert_eq!(storage(&ann).await.unfinished_transfers, 0, "what is given takes nothing");

    limit(&bob, 0, 3).await;
    bob.handle().call(Command::Resume { transfer: id }).await.unwrap();
    until(&bob, |transfer| transfer.state == TransferState::Done).await;
    let done = storage(&bob).await;
    assert_eq!((done.unfinished, done.unfinished_transfers), (Some(0), 0));
    down(ann).await;
    down(bob).await;
}
