//! What people do with messages, from one node to another and over a restart.

use super::*;
use crate::api::{Event, ExportFormat, Message, MessageKind, NoteKind, Page, Room};
use crate::engine::Events;

#[tokio::test]
async fn what_is_done_with_a_message_reads_the_same_at_the_other_side_and_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let (ann_home, bob_home) = (home.path().join("ann"), home.path().join("bob"));
    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    meet(&bob, &ann).await;
    let said = say(&ann, "明天会议室见", None).await;
    let other = say(&ann, "never mind", None).await;
    heard(&bob, &other.id).await;
    let answer = say(&bob, "@ann tea?", Some(&said.id[..8])).await;
    let me = snapshot(&ann).await.me.id;
    assert_eq!(answer.mentions, [me.as_str()]);
    let asked = heard(&ann, &answer.id).await;
    assert!(asked.to_me);
    assert_eq!(asked.reply.unwrap().text, "明天会议室见");
    let lobby = room(&ann, |room| room.unread == 1).await;
    assert_eq!((lobby.unread, lobby.mentions), (1, 1));

    act(
        &ann,
        Command::Edit {
            to: "#lobby".to_owned(), message: said.id.clone(), text: "后天会议室见".to_owned()
        },
    )
    .await;
    act(&ann, Command::Delete { to: "#lobby".to_owned(), message: other.id.clone() }).await;
    act(&ann, Command::Pin { to: "#lobby".to_owned(), message: answer.id.clone(), on: true }).await;
    let thumb = |message: &str, on| Command::React {
        to: "#lobby".to_owned(),
        message: message.to_owned(),
        emoji: "👍".to_owned(),
        on,
    };
    act(&bob, thumb(&said.id, true)).await;
    act(&ann, thumb(&said.id, true)).await;
    act(&ann, thumb(&said.id, false)).await;
    let topic = Command::SetTopic { room: "#lobby".to_owned(), topic: "会议".to_owned() };
    bob.handle().call(topic).await.unwrap();
    let draft = Command::SetDraft { room: "#lobby".to_owned(), text: "I was about to".to_owned() };
    ann.handle().call(draft).await.unwrap();

    let settled = |page: &Page| {
        let [one, two, three, four] = &page.messages[..] else { return false };
        let thumbs: Vec<_> =
            one.reactions.iter().map(|reaction| (reaction.emoji.as_str(), reaction.by.len())).collect();
        one.text == "后天会议室见"
            && one.edited.is_some()
            && thumbs == [("👍", 1)]
            && two.deleted
            && two.text.is_empty()
            && three.pinned
            && three.reply.as_ref().is_some_and(|quote| quote.text == "后天会议室见")
            && four.kind == MessageKind::Note
            && four.note.as_ref().is_some_and(|note| note.kind == NoteKind::Topic && note.text == "会议")
    };
    for engine in [&ann, &bob] {
        history(engine, settled).await;
    }
    down(ann).await;
    down(bob).await;
    for (home, name) in [(&ann_home, "ann"), (&bob_home, "bob")] {
        let engine = up(home, name).await;
        history(&engine, settled).await;
        let lobby = room(&engine, |_| true).await;
        assert_eq!((lobby.topic.as_str(), lobby.draft == "I was about to"), ("会议", name == "ann"));
        assert_eq!(found(&engine, "会议").await, [said.id.as_str()]);
        assert_eq!(found(&engine, "明天").await, [""; 0]);
        assert_eq!(found(&engine, "never").await, [""; 0]);
        let pins = engine.handle().call(Command::Pins { room: "#lobby".to_owned() }).await.unwrap();
        assert!(
            matches!(pins, Reply::Page(page) if page.messages.len() == 1 && page.messages[0].id == answer.id)
        );
        down(engine).await;
    }
}

#[tokio::test]
async fn nobody_changes_or_takes_back_what_somebody_else_wrote() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    meet(&bob, &ann).await;
    let said = say(&ann, "tea?", None).await;
    heard(&bob, &said.id).await;
    let refused = |command: Command| async { bob.handle().call(command).await.unwrap_err().code };
    let id = || said.id.clone();
    assert_eq!(
        refused(Command::Edit { to: "#lobby".to_owned(), message: id(), text: "beer?".to_owned() }).await,
        ErrorCode::Refused
    );
    assert_eq!(refused(Command::Delete { to: "#lobby".to_owned(), message: id() }).await, ErrorCode::Refused);
    let react = |emoji: &str| Command::React {
        to: "#lobby".to_owned(),
        message: id(),
        emoji: emoji.to_owned(),
        on: true,
    };
    assert_eq!(refused(react("beer")).await, ErrorCode::Invalid);
    assert_eq!(
        refused(Command::Pin { to: "#lobby".to_owned(), message: "ffffffff".to_owned(), on: true }).await,
        ErrorCode::NoSuch
    );
    assert_eq!(
        refused(Command::Pin { to: "#lobby".to_owned(), message: "teatime".to_owned(), on: true }).await,
        ErrorCode::Invalid
    );
    act(&ann, Command::Delete { to: "#lobby".to_owned(), message: id() }).await;
    assert!(
        act(&ann, Command::Delete { to: "#lobby".to_owned(), message: id() }).await.deleted,
        "twice is once"
    );
    let edit = Command::Edit { to: "#lobby".to_owned(), message: id(), text: "tea!".to_owned() };
    assert_eq!(ann.handle().call(edit).await.unwrap_err().code, ErrorCode::Refused);
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn nothing_is_done_with_a_message_of_another_room_than_the_one_that_was_named() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    ann.handle().call(Command::JoinRoom { name: "design".to_owned() }).await.unwrap();
    let said = say(&ann, "hello all", None).await;
    let (to, message) = (|| "#design".to_owned(), || said.id.clone());
    for command in [
        Command::Edit { to: to(), message: message(), text: "only here: salary 5000".to_owned() },
        Command::Delete { to: to(), message: message() },
        Command::React { to: to(), message: message(), emoji: "👍".to_owned(), on: true },
        Command::Pin { to: to(), message: message(), on: true },
        Command::Say { to: to(), text: "yes".to_owned(), reply: Some(message()) },
    ] {
        let error = ann.handle().call(command.clone()).await.expect_err(&format!("{command:?}"));
        assert_eq!(error.code, ErrorCode::Invalid, "{command:?}");
        assert!(error.to_string().contains("is not in #design"), "{error}");
    }
    history(&ann, |page| page.messages.len() == 1 && page.messages[0] == said).await;
    down(ann).await;
}

#[tokio::test]
async fn what_would_be_cut_is_refused_and_its_limit_named() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let long = |bytes: usize| "x".repeat(bytes);
    let name = |bytes: usize| configure(json!({ "name": long(bytes) }));
    let topic = |bytes: usize| Command::SetTopic { room: "#lobby".to_owned(), topic: long(bytes) };
    for (fits, most) in [
        (Command::JoinRoom { name: long(64) }, Command::JoinRoom { name: long(65) }),
        (Command::CreateRoom { name: long(64) }, Command::CreateRoom { name: long(65) }),
        (topic(200), topic(201)),
        (name(48), name(49)),
    ] {
        let error = ann.handle().call(most.clone()).await.expect_err(&format!("{most:?}"));
        assert_eq!(error.code, ErrorCode::Invalid);
        assert!(["64", "200", "48"].iter().any(|most| error.message.contains(most)), "{error}");
        ann.handle().call(fits).await.unwrap();
    }
    let cut = Command::Say { to: format!("#{}", long(65)), text: "tea?".to_owned(), reply: None };
    assert!(ann.handle().call(cut).await.unwrap_err().message.contains("64 bytes"), "no other room is meant");
    down(ann).await;
    let named = Config { name: Some(long(49)), ..config(&home.path().join("bob")) };
    assert_eq!(Engine::start(named).await.err().unwrap().code, ErrorCode::Invalid);
}

#[tokio::test]
async fn no_emoji_takes_off_another_one_unasked() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let said = say(&ann, "tea?", None).await;
    let react = |n: u32, on| {
        let emoji = char::from_u32(0x1F600 + n).unwrap().to_string();
        Command::React { to: "#lobby".to_owned(), message: said.id.clone(), emoji, on }
    };
    for n in 0..16 {
        act(&ann, react(n, true)).await;
    }
    let error = ann.handle().call(react(16, true)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Refused);
    assert_eq!(
        act(&ann, react(3, true)).await.reactions.len(),
        16,
        "one that is there already harms nothing"
    );
    assert_eq!(act(&ann, react(0, false)).await.reactions.len(), 15);
    let error = ann.handle().call(react(16, true)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Refused, "what was taken off would come back if it were forgotten");
    assert_eq!(act(&ann, react(0, true)).await.reactions.len(), 16);
    down(ann).await;
}

#[tokio::test]
async fn changes_are_told_as_they_come() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "ann").await, up(&home.path().join("bob"), "bob").await);
    meet(&bob, &ann).await;
    let mut events = bob.handle().subscribe();
    let said = say(&ann, "tea?", None).await;
    let is_new = |event: &Event| matches!(event, Event::Message { message } if message.id == said.id);
    told(&mut events, is_new).await;
    act(
        &ann,
        Command::Edit { to: "#lobby".to_owned(), message: said.id.clone(), text: "coffee?".to_owned() },
    )
    .await;
    told(&mut events, |event| {
        matches!(event, Event::MessageChanged { message } if message.id == said.id && message.text == "coffee?")
    })
    .await;
    told(&mut events, |event| {
        matches!(event, Event::RoomChanged { room } if room.last.as_ref().is_some_and(|last| last.text == "coffee?"))
    })
    .await;
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn a_delivery_is_told_although_its_author_was_restarted_in_between() {
    let home = tempfile::tempdir().unwrap();
    let (ann_home, bob_home) = (home.path().join("ann"), home.path().join("bob"));
    let ann = up(&ann_home, "ann").await;
    let said = say(&ann, "is anybody there?", None).await;
    assert_eq!(said.delivered.unwrap().to, [""; 0]);
    down(ann).await;
    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    let mut events = ann.handle().subscribe();
    meet(&bob, &ann).await;
    let bob_id = snapshot(&bob).await.me.id;
    told(&mut events, |event| {
        matches!(event, Event::Delivered { message, delivered, .. } if *message == said.id && delivered.to == [bob_id.clone()])
    })
    .await;
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn a_page_is_asked_for_by_one_thing_only_and_jumps_to_a_message() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let mut said = Vec::new();
    for n in 0..9 {
        said.push(say(&ann, &format!("number {n}"), None).await);
    }
    let page = |around: Option<&str>, at: Option<u64>, limit| {
        let (to, around) = ("#lobby".to_owned(), around.map(str::to_owned));
        let handle = ann.handle();
        async move {
            handle.call(Command::Log { to, before: None, after: None, at, around, until: None, limit }).await
        }
    };
    match page(Some(&said[4].id[..10]), None, 3).await.unwrap() {
        Reply::Page(Page { messages, more: true, newer: true, missing: false }) => {
            let texts: Vec<_> = messages.iter().map(|message| message.text.as_str()).collect();
            assert_eq!(texts, ["number 3", "number 4", "number 5"]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(page(Some("abcd"), Some(1), 3).await.unwrap_err().code, ErrorCode::Invalid);
    down(ann).await;
}

#[tokio::test]
async fn history_is_written_into_new_files_without_what_was_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let folder = home.path().join("docs");
    std::fs::create_dir(&folder).unwrap();
    for n in 0..700 {
        say(&ann, &format!("<b>{n}</b>"), None).await;
    }
    let secret = say(&ann, "the secret", None).await;
    act(&ann, Command::Delete { to: "#lobby".to_owned(), message: secret.id }).await;
    let mut names = Vec::new();
    for format in [ExportFormat::Html, ExportFormat::Json, ExportFormat::Html] {
        let into = admitted(&ann, &folder).await;
        match ann.handle().call(Command::Export { to: "#lobby".to_owned(), format, into }).await.unwrap() {
            Reply::Exported(export) => {
                assert_eq!(export.messages, 701);
                names.push(export.file);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(names[0].starts_with("Lanyard lobby ") && names[2].ends_with(" (2).html"), "{names:?}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3, "nothing else is left there");
    let [html, json] = [0, 1].map(|at| std::fs::read_to_string(folder.join(&names[at])).unwrap());
    assert!(
        html.contains("&lt;b&gt;699&lt;/b&gt;") && html.contains("taken back") && !html.contains("secret")
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["room"]["name"], "lobby");
    assert_eq!(json["messages"].as_array().unwrap().len(), 701);
    assert_eq!(
        (&json["messages"][0]["text"], &json["messages"][700]["deleted"]),
        (&"<b>0</b>".into(), &true.into())
    );
    down(ann).await;
}

#[tokio::test]
async fn files_that_are_taken_back_are_offered_no_longer() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let file = home.path().join("plan.pdf");
    std::fs::write(&file, b"plan").unwrap();
    let transfer = offer(&ann, "#lobby", &file).await;
    let page = history(&ann, |page| page.messages.len() == 1).await;
    let deleted =
        act(&ann, Command::Delete { to: "#lobby".to_owned(), message: page.messages[0].id.clone() }).await;
    assert_eq!((deleted.deleted, deleted.text.as_str(), deleted.transfer), (true, "", None));
    until(&ann, |open| open.id == transfer && open.state == TransferState::Cancelled).await;
    down(ann).await;
}

pub(super) async fn say(engine: &Engine, text: &str, reply: Option<&str>) -> Message {
    let (to, text) = ("#lobby".to_owned(), text.to_owned());
    act(engine, Command::Say { to, text, reply: reply.map(str::to_owned) }).await
}

async fn act(engine: &Engine, command: Command) -> Message {
    match engine.handle().call(command).await.unwrap() {
        Reply::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

/// Waits until a message is here.
pub(super) async fn heard(engine: &Engine, id: &str) -> Message {
    let page = history(engine, |page| page.messages.iter().any(|message| message.id == id)).await;
    page.messages.into_iter().find(|message| message.id == id).unwrap()
}

/// Waits until the newest page of the lobby is like this.
async fn history(engine: &Engine, like: impl Fn(&Page) -> bool) -> Page {
    let log = || Command::Log {
        to: "#lobby".to_owned(),
        before: None,
        after: None,
        at: None,
        around: None,
        until: None,
        limit: 50,
    };
    let mut news = engine.handle().subscribe();
    tokio::time::timeout(SOON, async {
        loop {
            match engine.handle().call(log()).await.unwrap() {
                Reply::Page(page) if like(&page) => return page,
                _ => drop(news.next().await),
            }
        }
    })
    .await
    .expect("it comes to that")
}

pub(super) async fn room(engine: &Engine, like: impl Fn(&Room) -> bool) -> Room {
    let mut news = engine.handle().subscribe();
    tokio::time::timeout(SOON, async {
        loop {
            let rooms = snapshot(engine).await.rooms;
            if let Some(found) = rooms.into_iter().find(|room| room.name == "lobby" && like(room)) {
                return found;
            }
            news.next().await;
        }
    })
    .await
    .expect("it comes to that")
}

async fn found(engine: &Engine, text: &str) -> Vec<String> {
    let text = text.to_owned();
    match engine
        .handle()
        .call(Command::Search { text, to: None, from: None, before: None, limit: 9 })
        .await
        .unwrap()
    {
        Reply::Found(found) => found.messages.into_iter().map(|message| message.id).collect(),
        other => panic!("{other:?}"),
    }
}

/// Waits for an event.
async fn told(events: &mut Events, is_it: impl Fn(&Event) -> bool) {
    tokio::time::timeout(SOON, async { while !is_it(&events.next().await.expect("the node runs")) {} })
        .await
        .expect("it is told");
}
