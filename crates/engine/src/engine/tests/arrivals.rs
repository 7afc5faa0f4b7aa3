//! What arrived, asked for by whoever wants every message once.

use super::*;
use crate::api::{Arrived, Message};

#[tokio::test]
async fn what_arrives_and_what_is_done_with_what_was_here_is_told_to_whoever_asks_on() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    let said = say(&ann, "tea?").await;
    let other = say(&ann, "anyone?").await;
    let all = arrived(&bob, None, 10).await;
    assert_eq!((all.messages.len(), all.more), (0, false));
    let mut news = bob.handle().subscribe();
    meet(&bob, &ann).await;
    let mut read = Vec::new();
    let mut since = all.next;
    while read.len() < 2 {
        let part = arrived(&bob, Some(&since), 1).await;
        read.extend(texts(&part.messages));
        let more = part.more;
        since = part.next;
        if !more && read.len() < 2 {
            tokio::time::timeout(SOON, news.next()).await.expect("something happens");
        }
    }
    assert_eq!(read, ["tea?", "anyone?"]);

    for command in [
        Command::Edit { to: "#lobby".to_owned(), message: said.id.clone(), text: "coffee?".to_owned() },
        Command::Delete { to: "#lobby".to_owned(), message: other.id.clone() },
    ] {
        ann.handle().call(command).await.unwrap();
    }
    let late = say(&ann, "fine").await;
    let now = Command::Edit { to: "#lobby".to_owned(), message: late.id.clone(), text: "fine!".to_owned() };
    ann.handle().call(now).await.unwrap();
    let (mut read, mut changed) = (Vec::new(), Vec::new());
    while read.last().is_none_or(|last: &Message| last.text != "fine!") {
        let part = arrived(&bob, Some(&since), 100).await;
        since = part.next;
        // Read between its arrival and its edit it is among those that changed.
        read.extend(part.messages);
        read.extend(part.changed.iter().filter(|message| message.id == late.id).cloned());
        changed.extend(part.changed);
        if read.last().is_none_or(|last| last.text != "fine!") {
            tokio::time::timeout(SOON, news.next()).await.expect("something happens");
        }
    }
    let of = |id: &str| changed.iter().rfind(|message| message.id == id).expect("it changed");
    assert_eq!(of(&said.id).text, "coffee?");
    assert!(of(&other.id).deleted);
    assert_eq!(arrived(&bob, None, 500).await.messages.len(), 3, "all since this run began");
    let nonsense = Command::Arrived { to: None, since: Some("-1".to_owned()), limit: 1 };
    assert_eq!(bob.handle().call(nonsense).await.unwrap_err().code, ErrorCode::Invalid);
    down(ann).await;
    down(bob).await;
}

async fn say(engine: &Engine, text: &str) -> Message {
    let say = Command::Say { to: "#lobby".to_owned(), text: text.to_owned(), reply: None };
    match engine.handle().call(say).await.unwrap() {
        Reply::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

async fn arrived(engine: &Engine, since: Option<&str>, limit: u32) -> Arrived {
    let asked = Command::Arrived { to: None, since: since.map(str::to_owned), limit };
    match engine.handle().call(asked).await.unwrap() {
        Reply::Arrived(arrived) => arrived,
        other => panic!("{other:?}"),
    }
}

fn texts(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.text.clone()).collect()
}
