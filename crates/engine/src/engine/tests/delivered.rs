//! Who has what one said, as it is told.

use super::*;
use crate::api::{Delivery, Message, Page};

#[tokio::test]
async fn who_has_the_first_version_only_does_not_have_the_edit_or_know_that_it_was_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let (ann_home, bob_home) = (home.path().join("ann"), home.path().join("bob"));
    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    meet(&bob, &ann).await;
    let first = say(&ann, "#lobby", "tea?").await;
    let second = say(&ann, "#lobby", "cake?").await;
    for said in [&first, &second] {
        delivered(&ann, "#lobby", &said.id, 1, 1).await;
    }
    down(bob).await;
    let (to, text) = (|| "#lobby".to_owned(), "coffee?".to_owned());
    let edited = act(&ann, Command::Edit { to: to(), message: first.id.clone(), text }).await;
    let gone = act(&ann, Command::Delete { to: to(), message: second.id.clone() }).await;
    for said in [edited, gone] {
        let Delivery { to, of, .. } = said.delivered.unwrap();
        assert_eq!((to, of), (vec![], 1), "bob was here when it was said, and has an older version");
    }
    down(ann).await;

    // A restart in between changes nothing, and both are told of once he has them.
    let ann = up(&ann_home, "ann").await;
    for said in [&first, &second] {
        delivered(&ann, "#lobby", &said.id, 0, 1).await;
    }
    let mut events = ann.handle().subscribe();
    let bob = up(&bob_home, "bob").await;
    meet(&bob, &ann).await;
    let mut told = std::collections::BTreeSet::new();
    while told.len() < 2 {
        let event = tokio::time::timeout(SOON, events.next()).await.expect("it is told").unwrap();
        if let Event::Delivered { message, delivered, .. } = event {
            assert_eq!(delivered.to.len(), 1);
            told.insert(message);
        }
    }
    assert_eq!(told, [first.id, second.id].into());
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn whoever_is_out_does_not_stand_in_for_a_member_who_has_nothing() {
    let home = tempfile::tempdir().unwrap();
    let [ann, bob, cyd] = ["ann", "bob", "cyd"].map(|name| (home.path().join(name), name));
    let (ann, bob) = (up(&ann.0, ann.1).await, up(&bob.0, bob.1).await);
    let cyd_up = up(&cyd.0, cyd.1).await;
    meet(&bob, &ann).await;
    meet(&cyd_up, &ann).await;
    ann.handle().call(Command::CreateRoom { name: "Board".to_owned() }).await.unwrap();
    for peer in ["@bob", "@cyd"] {
        let (room, peer) = ("#Board".to_owned(), peer.to_owned());
        ann.handle().call(Command::AddMember { room, peer }).await.unwrap();
    }
    let before = say(&ann, "#Board", "welcome").await;
    delivered(&ann, "#Board", &before.id, 2, 2).await;
    down(cyd_up).await;
    let said = say(&ann, "#Board", "the salaries").await;
    delivered(&ann, "#Board", &said.id, 1, 2).await;
    let remove = Command::RemoveMember { room: "#Board".to_owned(), peer: "@bob".to_owned() };
    ann.handle().call(remove).await.unwrap();
    // Bob has it and is out; Cyd, who is the only other member, has nothing.
    delivered(&ann, "#Board", &said.id, 1, 2).await;
    let cyd = up(&cyd.0, cyd.1).await;
    meet(&cyd, &ann).await;
    delivered(&ann, "#Board", &said.id, 2, 2).await;
    for engine in [ann, bob, cyd] {
        down(engine).await;
    }
}

#[tokio::test]
async fn in_an_open_room_those_count_who_were_here_when_it_was_said_or_since() {
    let home = tempfile::tempdir().unwrap();
    let (ann_home, bob_home) = (home.path().join("ann"), home.path().join("bob"));
    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    meet(&bob, &ann).await;
    let hello = say(&bob, "#lobby", "hello").await;
    heard(&ann, &hello.id).await;
    let with = say(&ann, "#lobby", "to bob").await;
    delivered(&ann, "#lobby", &with.id, 1, 1).await;
    down(bob).await;
    // He has just gone: as far as she can tell he may have been here.
    let late = say(&ann, "#lobby", "one more thing").await;
    assert_eq!(late.delivered.unwrap().of, 1);
    down(ann).await;
    let days_ago = "UPDATE peer SET last_seen = last_seen - 3 * 86400000";
    rusqlite::Connection::open(Config::database(&ann_home)).unwrap().execute_batch(days_ago).unwrap();
    let ann = up(&ann_home, "ann").await;
    let without = say(&ann, "#lobby", "to whoever is here").await;
    let Delivery { to, of, .. } = without.delivered.unwrap();
    assert_eq!((to.len(), of), (0, 0), "he had gone days before");
    delivered(&ann, "#lobby", &with.id, 1, 1).await;
    let bob = up(&bob_home, "bob").await;
    meet(&bob, &ann).await;
    delivered(&ann, "#lobby", &without.id, 1, 1).await;
    down(ann).await;
    down(bob).await;
}

async fn say(engine: &Engine, to: &str, text: &str) -> Message {
    act(engine, Command::Say { to: to.to_owned(), text: text.to_owned(), reply: None }).await
}

async fn act(engine: &Engine, command: Command) -> Message {
    match engine.handle().call(command).await.unwrap() {
        Reply::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

async fn heard(engine: &Engine, id: &str) {
    find(engine, "#lobby", |message| message.id == id).await;
}

/// Waits until a message is told to be delivered to so many of so many.
async fn delivered(engine: &Engine, room: &str, id: &str, to: usize, of: u32) {
    let is_so = |told: &Delivery| told.to.len() == to && told.of == of;
    find(engine, room, |message| message.id == id && message.delivered.as_ref().is_some_and(is_so)).await;
}

async fn find(engine: &Engine, room: &str, like: impl Fn(&Message) -> bool) {
    let mut news = engine.handle().subscribe();
    let mut last = Vec::new();
    let finds = async {
        loop {
            let (to, limit) = (room.to_owned(), 50);
            let (before, after, at, around, until) = (None, None, None, None, None);
            let log = Command::Log { to, before, after, at, around, until, limit };
            match engine.handle().call(log).await.unwrap() {
                Reply::Page(Page { messages, .. }) if messages.iter().any(&like) => return,
                Reply::Page(page) => last = page.messages,
                other => panic!("{other:?}"),
            }
            news.next().await;
        }
    };
    tokio::time::timeout(SOON, finds).await.unwrap_or_else(|_| panic!("it does not come to that: {last:?}"));
}
