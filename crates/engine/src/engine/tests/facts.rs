//! What is known for longer than a notice is shown: contradictions, copies, and what was offered where.

use lanyard_proto::effects::{Fork, Record};
use lanyard_proto::model::{PeerId, RoomId, Seq, UnixMillis};

use super::*;
use crate::api::{Files, Me, Member, Message};
use crate::store::Store;

#[tokio::test]
async fn who_wrote_two_versions_and_that_this_profile_was_copied_is_known_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("ann");
    let ann = up(&profile, "ann").await;
    for text in ["one", "two"] {
        let say = Command::Say { to: "#lobby".to_owned(), text: text.to_owned(), reply: None };
        ann.handle().call(say).await.unwrap();
    }
    let before = snapshot(&ann).await;
    assert_eq!((before.me.cloned, before.rooms[0].forked.len()), (None, 0));
    down(ann).await;
    let (store, loaded) = Store::open(&Config::database(&profile), UnixMillis(1)).unwrap();
    let room = RoomId::parse(&before.rooms[0].id).unwrap();
    let me = PeerId::parse(&before.me.id).unwrap();
    let nonce = loaded.rooms.iter().find(|held| held.record.id == room).unwrap().record.nonce;
    let log = lanyard_proto::wire::entry::log_id(me, nonce);
    let fork = Fork { log, author: Some(me), from: Some(Seq(2)) };
    let records = vec![Record::Forked { room, fork }, Record::Cloned(Some(UnixMillis(77)))];
    store.commit(records).await.unwrap().await.unwrap();
    store.close().await.unwrap();

    let ann = up(&profile, "ann").await;
    let now = snapshot(&ann).await;
    assert_eq!((now.me.cloned, &now.rooms[0].forked), (Some(77), &vec![before.me.id.clone()]));
    assert_eq!(members(&ann).await.iter().map(|member| member.forked).collect::<Vec<_>>(), [true]);
    let disputed: Vec<_> =
        log_of(&ann).await.into_iter().map(|message| (message.text, message.disputed)).collect();
    assert_eq!(disputed, [("one".to_owned(), false), ("two".to_owned(), true)]);
    let mut events = ann.handle().subscribe();
    let settled = ann.handle().call(Command::SettleClone {}).await.unwrap();
    assert!(matches!(settled, Reply::Me(Me { cloned: None, .. })));
    let told = async {
        loop {
            if let Some(Event::MeChanged { me }) = events.next().await {
                return me.cloned;
            }
        }
    };
    assert_eq!(tokio::time::timeout(SOON, told).await.unwrap(), None);
    down(ann).await;
    let ann = up(&profile, "ann").await;
    let now = snapshot(&ann).await;
    assert_eq!((now.me.cloned, now.rooms[0].forked.len()), (None, 1));
    down(ann).await;
}

#[tokio::test]
async fn what_was_offered_in_a_room_is_listed_page_by_page_without_what_was_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("ann");
    let ann = up(&profile, "ann").await;
    ann.handle().call(Command::CreateRoom { name: "Board".to_owned() }).await.unwrap();
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        let file = home.path().join(name);
        std::fs::write(&file, name).unwrap();
        offer(&ann, "#Board", &file).await;
        let say = Command::Say { to: "#Board".to_owned(), text: "tea?".to_owned(), reply: None };
        ann.handle().call(say).await.unwrap();
    }
    let elsewhere = home.path().join("elsewhere");
    std::fs::write(&elsewhere, "x").unwrap();
    offer(&ann, "#lobby", &elsewhere).await;
    let first = files(&ann, None).await;
    assert_eq!(listed(&first), ["e", "d"]);
    let gone = first.offers[1].message.id.clone();
    ann.handle().call(Command::Delete { to: "#Board".to_owned(), message: gone }).await.unwrap();
    down(ann).await;

    let ann = up(&profile, "ann").await;
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let page = files(&ann, next).await;
        all.extend(listed(&page));
        next = page.next.clone();
        if next.is_none() {
            break;
        }
    }
    assert_eq!(all, ["e", "c", "b", "a"]);
    let page = files(&ann, None).await;
    let transfer = page.offers[0].transfer.clone().expect("it is known");
    assert_eq!((transfer.state, transfer.bytes), (TransferState::Offered, 1));
    let error =
        ann.handle().call(Command::Files { room: "#nowhere".to_owned(), before: None, limit: 2 }).await;
    assert_eq!(error.unwrap_err().code, ErrorCode::NoSuch);
    down(ann).await;
}

fn listed(page: &Files) -> Vec<String> {
    page.offers.iter().map(|offer| offer.message.text.clone()).collect()
}

async fn files(engine: &Engine, before: Option<String>) -> Files {
    let command = Command::Files { room: "#Board".to_owned(), before, limit: 2 };
    match engine.handle().call(command).await.unwrap() {
        Reply::Files(files) => files,
        other => panic!("{other:?}"),
    }
}

async fn members(engine: &Engine) -> Vec<Member> {
    match engine.handle().call(Command::Members { room: "#lobby".to_owned() }).await.unwrap() {
        Reply::Members(members) => members,
        other => panic!("{other:?}"),
    }
}

async fn log_of(engine: &Engine) -> Vec<Message> {
    let command = Command::Log {
        to: "#lobby".to_owned(),
        before: None,
        after: None,
        at: None,
        around: None,
        until: None,
        limit: 100,
    };
    match engine.handle().call(command).await.unwrap() {
        Reply::Page(page) => page.messages,
        other => panic!("{other:?}"),
    }
}
