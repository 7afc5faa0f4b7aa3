//! What is true of rooms and messages for whoever asks: a command's answer says it after its own effect.

use super::messages::{heard, room, say};
use super::*;
use crate::api::{ExportFormat, Room, RoomKind};

#[tokio::test]
async fn what_was_marked_as_read_is_not_unread_to_whoever_asks_next() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    meet(&ann, &bob).await;
    let first = say(&bob, "one", None).await;
    say(&bob, "two", None).await;
    let last = say(&bob, "three", None).await;
    heard(&ann, &last.id).await;
    let id = room(&ann, |room| room.unread == 3).await.id;
    for (read, left) in [(heard(&ann, &first.id).await, 2), (heard(&ann, &last.id).await, 0)] {
        let mark = Command::MarkRead { room: id.clone(), cursor: read.cursor };
        assert!(matches!(ann.handle().call(mark).await.unwrap(), Reply::Done));
        let Reply::Rooms(rooms) = ann.handle().call(Command::Rooms {}).await.unwrap() else { panic!() };
        assert_eq!(rooms.iter().find(|room| room.id == id).unwrap().unread, left);
    }
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn all_that_is_here_is_marked_as_read_though_nobody_counted_it_yet() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    meet(&ann, &bob).await;
    let mut id = String::new();
    for round in 0..3 {
        let said = [say(&bob, "one", None).await, say(&bob, "two", None).await];
        for message in &said {
            id = heard(&ann, &message.id).await.room;
        }
        let mark = Command::ReadAll { room: id.clone() };
        let Reply::Read(marked) = ann.handle().call(mark.clone()).await.unwrap() else { panic!() };
        assert_eq!(marked, 2, "in round {round}");
        assert_eq!(room(&ann, |room| room.id == id).await.unread, 0);
        let Reply::Read(marked) = ann.handle().call(mark).await.unwrap() else { panic!() };
        assert_eq!(marked, 0, "all was read");
    }
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn looking_at_a_conversation_does_not_begin_it() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    meet(&ann, &bob).await;
    let bob_id = snapshot(&bob).await.me.id;
    let looked = find(&ann, "@Bob").await.unwrap();
    assert_eq!((looked.kind, looked.peer.as_deref()), (RoomKind::Direct, Some(bob_id.as_str())));
    assert_eq!((looked.name.as_str(), looked.last.is_none(), looked.unread), ("Bob", true, 0));
    assert_eq!(snapshot(&ann).await.rooms.len(), 1, "the lobby");
    let said = Command::Say { to: "@Bob".to_owned(), text: "tea?".to_owned(), reply: None };
    let Reply::Message(said) = ann.handle().call(said).await.unwrap() else { panic!() };
    let begun = find(&ann, "@Bob").await.unwrap();
    assert_eq!((&begun.id, &said.room), (&looked.id, &looked.id));
    assert_eq!(find(&ann, "#lobby").await.unwrap().kind, RoomKind::Lobby);
    assert_eq!(find(&ann, "@Zoe").await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(find(&ann, "@Ann").await.unwrap_err().code, ErrorCode::NotFound);
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn a_room_or_a_message_that_is_not_there_is_no_such_one_and_not_a_person_who_is_not_here() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "Ann").await;
    let (lobby, nowhere) = ("#lobby".to_owned(), "#nowhere".to_owned());
    let missing = [
        Command::Pins { room: nowhere.clone() },
        Command::ReadAll { room: nowhere.clone() },
        Command::Say { to: nowhere.clone(), text: "tea?".to_owned(), reply: None },
        Command::Members { room: nowhere },
        Command::Delete { to: lobby.clone(), message: "3fa9c01b".to_owned() },
        Command::Say { to: lobby, text: "yes".to_owned(), reply: Some("3fa9c01b".to_owned()) },
        Command::Admit { paths: vec![home.path().join("none").to_str().unwrap().to_owned()] },
        Command::Cancel { transfer: "ab".repeat(16) },
    ];
    for command in missing {
        let error = ann.handle().call(command.clone()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NoSuch, "{command:?}: {error}");
    }
    let zoe = Command::Say { to: "@Zoe".to_owned(), text: "tea?".to_owned(), reply: None };
    assert_eq!(ann.handle().call(zoe).await.unwrap_err().code, ErrorCode::NotFound);
    down(ann).await;
}

#[tokio::test]
async fn to_go_on_with_what_was_not_accepted_says_to_accept_it() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    let file = home.path().join("plan.pdf");
    std::fs::write(&file, b"plan").unwrap();
    meet(&bob, &ann).await;
    let id = offer(&ann, "#lobby", &file).await;
    let offered = until(&bob, |transfer| transfer.id == id).await;
    let ann_id = snapshot(&ann).await.me.id;
    assert_eq!((offered.from_short.as_str(), offered.from.as_str()), (&ann_id[..8], ann_id.as_str()));
    let error = bob.handle().call(Command::Resume { transfer: id.clone() }).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Refused);
    let hint = format!("To fetch it: lanyard accept {}", &id[16..24]);
    assert!(error.message.ends_with(&hint), "{error}");
    bob.handle().call(Command::Accept { transfer: id.clone(), into: None, only: None }).await.unwrap();
    until(&bob, |transfer| transfer.state == TransferState::Done).await;
    let taken = until(&ann, |transfer| !transfer.receivers.is_empty()).await;
    assert_eq!(taken.receivers[0].short, snapshot(&bob).await.me.id[..8]);
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn two_people_of_one_name_are_told_apart_wherever_it_stands() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "Ann").await;
    let (bob, eve) = (up(&home.path().join("bob"), "Bob").await, up(&home.path().join("eve"), "Bob").await);
    meet(&bob, &ann).await;
    let said = say(&bob, "I am Bob", None).await;
    assert_eq!(heard(&ann, &said.id).await.name, "Bob", "there is one");
    meet(&eve, &ann).await;
    let forged = say(&eve, "so am I", None).await;
    let mine = say(&ann, "and I am not", None).await;
    heard(&ann, &forged.id).await;
    let file = home.path().join("plan.pdf");
    std::fs::write(&file, b"plan").unwrap();
    let offered = offer(&eve, "#lobby", &file).await;
    for (engine, message) in [(&bob, &said), (&eve, &forged)] {
        let known = format!("Bob ({})", &snapshot(engine).await.me.id[..8]);
        assert_eq!(heard(&ann, &message.id).await.name, known);
    }
    assert_eq!(heard(&ann, &mine.id).await.name, "Ann");
    let offered = until(&ann, |transfer| transfer.id == offered).await;
    assert_eq!(offered.from_name, format!("Bob ({})", &snapshot(&eve).await.me.id[..8]));
    let (folder, to) = (admitted(&ann, home.path()).await, "#lobby".to_owned());
    let export = Command::Export { to, format: ExportFormat::Html, into: folder };
    let Reply::Exported(export) = ann.handle().call(export).await.unwrap() else { panic!() };
    let html = std::fs::read_to_string(home.path().join(export.file)).unwrap();
    assert!(html.contains(&format!("<b>Bob ({})</b>", &snapshot(&bob).await.me.id[..8])), "{html}");
    for engine in [ann, bob, eve] {
        down(engine).await;
    }
}

async fn find(engine: &Engine, to: &str) -> Result<Room, ApiError> {
    match engine.handle().call(Command::Find { to: to.to_owned() }).await? {
        Reply::Room(room) => Ok(room),
        other => panic!("{other:?}"),
    }
}
