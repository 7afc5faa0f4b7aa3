//! Private rooms from one node to others and over restarts.

use lanyard_proto::model::{PeerId, TransferId, UnixMillis};
use lanyard_proto::wire::file::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::api::{Member, Membership, Message, MessageKind, NoteKind, Role, Room, RoomKind, TrustAct};
use crate::net::stream::dial;
use crate::net::tls::{Credentials, Purpose};
use crate::store::{Limits, Store, profile};

#[tokio::test]
async fn people_come_by_an_invite_talk_and_one_is_put_out() {
    let home = tempfile::tempdir().unwrap();
    let homes = ["ann", "bob", "cyd"].map(|name| home.path().join(name));
    let ann = up(&homes[0], "ann").await;
    let bob = up(&homes[1], "bob").await;
    let cyd = up(&homes[2], "cyd").await;
    meet(&bob, &ann).await;
    meet(&cyd, &ann).await;
    let board = match ann.handle().call(Command::CreateRoom { name: "Board".to_owned() }).await.unwrap() {
        Reply::Room(room) => room,
        other => panic!("{other:?}"),
    };
    assert_eq!((board.kind, board.role, board.members), (RoomKind::Private, Some(Role::Creator), 1));
    say(&ann, "#board", "before you came").await;
    let link = invite(&ann).await;
    bob.handle().call(Command::JoinRoom { name: link.clone() }).await.unwrap();
    let joined = room(&bob, |room| room.membership == Membership::Member && room.name == "Board").await;
    assert_eq!((joined.id.as_str(), joined.kind), (board.id.as_str(), RoomKind::Private));
    let add = Command::AddMember { room: "#Board".to_owned(), peer: "@cyd".to_owned() };
    ann.handle().call(add).await.unwrap();
    room(&cyd, |room| room.name == "Board" && room.role == Some(Role::Member)).await;
    heard(&bob, "before you came").await;
    say(&cyd, "#Board", "all three").await;
    heard(&bob, "all three").await;
    let roles = members(&bob).await.into_iter().map(|member| (member.name, member.role, member.me));
    let expected = [("ann", Role::Creator, false), ("bob", Role::Member, true), ("cyd", Role::Member, false)];
    assert_eq!(roles.collect::<Vec<_>>(), expected.map(|(name, role, me)| (name.to_owned(), role, me)));

    let remove = Command::RemoveMember { room: "#Board".to_owned(), peer: "cyd".to_owned() };
    ann.handle().call(remove).await.unwrap();
    say(&ann, "#Board", "just us").await;
    heard(&bob, "just us").await;
    room(&cyd, |room| room.membership == Membership::Removed).await;
    assert!(!texts(&cyd).await.contains(&"just us".to_owned()));
    let error = cyd.handle().call(saying("#Board", "may I?")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Refused);
    let notes: Vec<_> = log(&bob).await.into_iter().filter_map(|message| Some(message.note?.kind)).collect();
    assert_eq!(notes, [NoteKind::Created, NoteKind::Joined, NoteKind::Added, NoteKind::Removed]);
    // What was put out takes the invites along.
    assert!(matches!(
        ann.handle().call(Command::Invites { room: "#Board".to_owned() }).await,
        Ok(Reply::Invites(open)) if open.is_empty()
    ));

    for engine in [ann, bob, cyd] {
        down(engine).await;
    }
    let (ann, bob) = (up(&homes[0], "ann").await, up(&homes[1], "bob").await);
    assert!(texts(&bob).await.contains(&"just us".to_owned()), "the keys are there after a restart");
    meet(&bob, &ann).await;
    say(&bob, "#Board", "and again").await;
    heard(&ann, "and again").await;
    let cyd = up(&homes[2], "cyd").await;
    assert_eq!(room(&cyd, |room| room.name == "Board").await.membership, Membership::Removed);
    assert_eq!(texts(&cyd).await, ["before you came", "all three"]);
    for engine in [ann, bob, cyd] {
        down(engine).await;
    }
}

#[tokio::test]
async fn a_name_that_an_open_and_a_private_room_share_means_neither_whatever_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let named = |reply: Result<Reply, ApiError>| match reply.unwrap() {
        Reply::Room(room) => room.id,
        other => panic!("{other:?}"),
    };
    let open = named(ann.handle().call(Command::JoinRoom { name: "design".to_owned() }).await);
    let sealed = named(ann.handle().call(Command::CreateRoom { name: "Design".to_owned() }).await);
    let room = || "#design".to_owned();
    let into = admitted(&ann, home.path()).await;
    let asked = [
        saying("#design", "SECRET"),
        Command::Open { to: room() },
        Command::Log { to: room(), before: None, after: None, at: None, around: None, until: None, limit: 1 },
        Command::Search { text: "tea".to_owned(), to: Some(room()), from: None, before: None, limit: 1 },
        Command::Export { to: room(), format: crate::api::ExportFormat::Json, into },
        Command::SetTopic { room: room(), topic: "SECRET".to_owned() },
        Command::SetDraft { room: room(), text: "SECRET".to_owned() },
        Command::Pin { to: room(), message: "ffffffff".to_owned(), on: true },
        Command::Members { room: room() },
        Command::Invite { room: room(), hours: None },
        Command::KeepRoom { room: room(), days: Some(1) },
        Command::LeaveRoom { room: room() },
    ];
    for command in asked {
        let error = ann.handle().call(command.clone()).await.expect_err(&format!("{command:?}"));
        assert_eq!(error.code, ErrorCode::Invalid, "{command:?}");
        for id in [&open, &sealed] {
            assert!(error.to_string().contains(&id[..8]), "{error}");
        }
    }
    // The beginnings of their ids are what the sentence says to write, with a sign or without.
    ann.handle().call(saying(&sealed[..8], "for the board")).await.unwrap();
    ann.handle().call(saying(&format!("#{}", &open[..8]), "for all")).await.unwrap();
    for (id, text) in [(&sealed, "for the board"), (&open, "for all")] {
        let log = Command::Log {
            to: id.clone(),
            before: None,
            after: None,
            at: None,
            around: None,
            until: None,
            limit: 9,
        };
        let Reply::Page(page) = ann.handle().call(log).await.unwrap() else { panic!("a page") };
        let texts: Vec<_> = page.messages.iter().map(|message| message.text.as_str()).collect();
        assert_eq!(texts.iter().filter(|text| !text.is_empty()).collect::<Vec<_>>(), [&text]);
    }
    down(ann).await;
}

#[tokio::test]
async fn what_an_admin_took_back_is_judged_by_who_is_admin_now_in_the_search_and_the_counts_too() {
    let home = tempfile::tempdir().unwrap();
    let homes = ["ann", "bob"].map(|name| home.path().join(name));
    let ann = up(&homes[0], "ann").await;
    let bob = up(&homes[1], "bob").await;
    meet(&bob, &ann).await;
    ann.handle().call(Command::CreateRoom { name: "Board".to_owned() }).await.unwrap();
    let role = |role| Command::SetRole { room: "#Board".to_owned(), peer: "@bob".to_owned(), role };
    let add = Command::AddMember { room: "#Board".to_owned(), peer: "@bob".to_owned() };
    ann.handle().call(add).await.unwrap();
    ann.handle().call(role(Role::Admin)).await.unwrap();
    room(&bob, |room| room.role == Some(Role::Admin)).await;
    say(&ann, "#Board", "the marzipan recipe").await;
    heard(&bob, "the marzipan recipe").await;
    assert_eq!(found(&bob, 1).await.len(), 1);
    let message = found(&bob, 1).await.remove(0);
    bob.handle().call(Command::Delete { to: "#Board".to_owned(), message: message.clone() }).await.unwrap();
    found(&ann, 0).await;
    found(&bob, 0).await;
    // Whoever is no admin any more has taken nothing back.
    ann.handle().call(role(Role::Member)).await.unwrap();
    for engine in [&ann, &bob] {
        assert_eq!(found(engine, 1).await, std::slice::from_ref(&message));
        heard(engine, "the marzipan recipe").await;
    }
    room(&bob, |room| room.name == "Board" && room.unread == 1).await;
    down(bob).await;
    ann.handle().call(role(Role::Admin)).await.unwrap();
    found(&ann, 0).await;
    // Also where the news comes with everything else, after a restart.
    let bob = up(&homes[1], "bob").await;
    meet(&bob, &ann).await;
    found(&bob, 0).await;
    room(&bob, |room| room.name == "Board" && room.unread == 0).await;
    for engine in [ann, bob] {
        down(engine).await;
    }
}

#[tokio::test]
async fn what_a_blocked_admin_takes_back_is_gone_at_once_and_their_topic_is_not_the_rooms() {
    let home = tempfile::tempdir().unwrap();
    let ann_home = home.path().join("ann");
    let (ann, bob) = (up(&ann_home, "ann").await, up(&home.path().join("bob"), "bob").await);
    let cyd = up(&home.path().join("cyd"), "cyd").await;
    meet(&ann, &bob).await;
    meet(&cyd, &bob).await;
    meet(&cyd, &ann).await;
    bob.handle().call(Command::CreateRoom { name: "Board".to_owned() }).await.unwrap();
    for peer in ["@ann", "@cyd"] {
        let (room, peer) = ("#Board".to_owned(), peer.to_owned());
        bob.handle().call(Command::AddMember { room, peer }).await.unwrap();
    }
    let role = Command::SetRole { room: "#Board".to_owned(), peer: "@cyd".to_owned(), role: Role::Admin };
    bob.handle().call(role).await.unwrap();
    room(&cyd, |room| room.role == Some(Role::Admin)).await;
    room(&ann, |room| room.name == "Board").await;
    let about = |topic: &str| Command::SetTopic { room: "#Board".to_owned(), topic: topic.to_owned() };
    cyd.handle().call(about("recipes")).await.unwrap();
    say(&cyd, "#Board", "the marzipan recipe").await;
    room(&bob, |room| room.topic == "recipes").await;
    heard(&bob, "the marzipan recipe").await;
    bob.handle().call(about("advertisements")).await.unwrap();
    room(&ann, |room| room.topic == "advertisements").await;
    heard(&ann, "the marzipan recipe").await;
    let message = found(&ann, 1).await.remove(0);

    let bob_id = snapshot(&bob).await.me.id;
    let decide = |act| Command::Trust { peer: bob_id.clone(), act };
    ann.handle().call(decide(TrustAct::Block {})).await.unwrap();
    room(&ann, |room| room.topic == "recipes").await;
    let mut told = ann.handle().subscribe();
    bob.handle().call(Command::Delete { message: message.clone(), to: "#Board".to_owned() }).await.unwrap();
    let gone = async {
        loop {
            match told.next().await.expect("it runs") {
                Event::MessageChanged { message: changed } if changed.id == message && changed.deleted => {
                    break;
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("it is gone from where it is shown");
    down(ann).await;

    let ann = up(&ann_home, "ann").await;
    room(&ann, |room| room.topic == "recipes").await;
    ann.handle().call(decide(TrustAct::Unblock {})).await.unwrap();
    room(&ann, |room| room.topic == "advertisements").await;
    for engine in [ann, bob, cyd] {
        down(engine).await;
    }
}

#[tokio::test]
async fn who_is_put_out_is_cut_off_from_what_was_offered_and_who_is_let_in_fetches_it() {
    let home = tempfile::tempdir().unwrap();
    let homes = ["ann", "bob", "cyd"].map(|name| home.path().join(name));
    let ann = up(&homes[0], "ann").await;
    let bob = up(&homes[1], "bob").await;
    meet(&bob, &ann).await;
    ann.handle().call(Command::CreateRoom { name: "Board".to_owned() }).await.unwrap();
    let member = |room: &Room| room.name == "Board" && room.role == Some(Role::Member);
    ann.handle().call(changing(true, "bob")).await.unwrap();
    room(&bob, member).await;
    let file = home.path().join("plan.pdf");
    std::fs::write(&file, vec![7; 3_000_000]).unwrap();
    let id = offer(&ann, "#Board", &file).await;
    until(&bob, |transfer| transfer.id == id).await;

    // Bob's program asks, and is in no hurry.
    let mut fetching = Fetching::begin(&ann, &homes[1], &id).await;
    assert!(matches!(fetching.next().await, Some(Said::Manifest)));
    ann.handle().call(changing(false, "bob")).await.unwrap();
    while let Some(said) = fetching.next().await {
        assert!(matches!(said, Said::Manifest), "the connection ends without a byte of the file");
    }
    let mut again = Fetching::begin(&ann, &homes[1], &id).await;
    assert!(matches!(again.next().await, Some(Said::Refused)));
    down(ann).await;
    let ann = up(&homes[0], "ann").await;
    let mut again = Fetching::begin(&ann, &homes[1], &id).await;
    assert!(matches!(again.next().await, Some(Said::Refused)), "also after a restart");

    let cyd = up(&homes[2], "cyd").await;
    meet(&cyd, &ann).await;
    ann.handle().call(changing(true, "cyd")).await.unwrap();
    room(&cyd, member).await;
    until(&cyd, |transfer| transfer.id == id).await;
    cyd.handle().call(Command::Accept { transfer: id, into: None, only: None }).await.unwrap();
    until(&cyd, |transfer| transfer.state == TransferState::Done).await;
    for engine in [ann, bob, cyd] {
        down(engine).await;
    }
}

#[tokio::test]
async fn who_joins_a_room_whose_history_was_given_up_has_the_same_members_and_talks_with_them() {
    let home = tempfile::tempdir().unwrap();
    let homes = ["ann", "bob", "cyd"].map(|name| home.path().join(name));
    let ann = up(&homes[0], "ann").await;
    let bob = up(&homes[1], "bob").await;
    meet(&bob, &ann).await;
    ann.handle().call(Command::CreateRoom { name: "Board".to_owned() }).await.unwrap();
    ann.handle().call(changing(true, "bob")).await.unwrap();
    room(&bob, |room| room.name == "Board" && room.role == Some(Role::Member)).await;
    for n in 0..20 {
        say(&ann, "#Board", &format!("long ago {n}")).await;
    }
    heard(&bob, "long ago 19").await;
    down(ann).await;
    down(bob).await;
    for profile in &homes[..2] {
        let database = Config::database(profile);
        let (store, _) = Store::open(&database, UnixMillis(1)).unwrap();
        let limits = Limits {
            days: 0,
            most_days: None,
            bytes: 0,
            now: UnixMillis(1),
            borne_out: false,
            by_known: false,
            ran: std::time::Duration::ZERO,
        };
        while store.prune(limits).await.unwrap().more {}
        store.close().await.unwrap();
        let connection = rusqlite::Connection::open(&database).unwrap();
        let left: i64 = connection.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0);
    }

    let (ann, bob, cyd) =
        (up(&homes[0], "ann").await, up(&homes[1], "bob").await, up(&homes[2], "cyd").await);
    meet(&bob, &ann).await;
    meet(&cyd, &ann).await;
    let link = invite(&ann).await;
    cyd.handle().call(Command::JoinRoom { name: link }).await.unwrap();
    room(&cyd, |room| room.name == "Board" && room.members == 3).await;
    let roles: Vec<_> =
        members(&cyd).await.into_iter().map(|member| (member.name, member.role, member.me)).collect();
    let expected = [("ann", Role::Creator, false), ("bob", Role::Member, false), ("cyd", Role::Member, true)];
    assert_eq!(roles, expected.map(|(name, role, me)| (name.to_owned(), role, me)));
    say(&cyd, "#Board", "hello").await;
    heard(&ann, "hello").await;
    heard(&bob, "hello").await;
    say(&bob, "#Board", "welcome").await;
    heard(&cyd, "welcome").await;
    assert_eq!(texts(&cyd).await, ["hello", "welcome"]);
    down(cyd).await;
    let cyd = up(&homes[2], "cyd").await;
    assert_eq!(members(&cyd).await.len(), 3, "what came without its log is there after a restart");
    for engine in [ann, bob, cyd] {
        down(engine).await;
    }
}

#[tokio::test]
async fn what_is_no_invite_is_told_apart_from_a_room() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let join = |name: &str| Command::JoinRoom { name: name.to_owned() };
    for damaged in ["lanyard:v1:inv:abc", "LANYARD:v9:inv:abc", "lanyard:"] {
        let error = ann.handle().call(join(damaged)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Invalid, "{damaged}: {error}");
        assert!(error.message.contains("invite"), "{error}");
    }
    ann.handle().call(join("tea")).await.unwrap();
    let open = room(&ann, |room| room.name == "tea").await;
    assert_eq!(open.kind, RoomKind::Open);
    down(ann).await;
}

#[tokio::test]
async fn of_several_private_rooms_of_a_name_one_is_said_by_the_beginning_of_its_id() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    for name in ["Tea", "TEA"] {
        ann.handle().call(Command::CreateRoom { name: name.to_owned() }).await.unwrap();
    }
    let renew = |room: &str| Command::RenewKeys { room: room.to_owned() };
    let error = ann.handle().call(renew("#tea")).await.unwrap_err();
    for name in ["Tea", "TEA"] {
        let one = room(&ann, |room| room.name == name).await;
        assert!(error.message.contains(&one.id[..8]), "{error}");
        assert!(
            matches!(ann.handle().call(renew(&one.id[..8])).await, Ok(Reply::Room(room)) if room.id == one.id)
        );
    }
    down(ann).await;
}

#[tokio::test]
async fn nobody_puts_oneself_out_of_a_room_by_a_slip() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    ann.handle().call(Command::CreateRoom { name: "Board".to_owned() }).await.unwrap();
    let remove = Command::RemoveMember { room: "#Board".to_owned(), peer: "@ann".to_owned() };
    let error = ann.handle().call(remove).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Invalid);
    assert!(error.message.contains("lanyard room leave"), "{error}");
    assert_eq!(members(&ann).await.len(), 1);
    down(ann).await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_of_a_profile_can_read_its_keys() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("ann");
    let ann = up(&profile, "ann").await;
    ann.handle().call(Command::CreateRoom { name: "Board".to_owned() }).await.unwrap();
    let database = Config::database(&profile);
    for name in [database.clone(), database.with_extension("db-wal"), profile.join("device.key")] {
        let mode = std::fs::metadata(&name).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", name.display());
    }
    down(ann).await;
}

fn changing(add: bool, peer: &str) -> Command {
    let (room, peer) = ("#Board".to_owned(), peer.to_owned());
    if add {
        Command::AddMember { room, peer: format!("@{peer}") }
    } else {
        Command::RemoveMember { room, peer }
    }
}

/// A connection on which a device fetches by hand.
struct Fetching(crate::net::stream::Stream);

/// What the other side answers.
#[derive(Debug)]
enum Said {
    Manifest,
    Refused,
    Other,
}

impl Fetching {
    /// With the key of the device whose profile this is.
    async fn begin(from: &Engine, profile: &Path, transfer: &str) -> Fetching {
        let credentials = Credentials::new(&profile::identity(profile).unwrap());
        let to = snapshot(from).await;
        let holder = PeerId::parse(&to.me.id).unwrap();
        let address = format!("127.0.0.1:{}", to.network.tcp_port).parse().unwrap();
        let mut stream = dial(&credentials, holder, &[address], Purpose::File).await.unwrap().stream;
        let mut get = Vec::new();
        Frame::Get { transfer: TransferId::parse(transfer).unwrap(), listed: false }.encode(&mut get);
        stream.write_all(&get).await.unwrap();
        Fetching(stream)
    }

    /// The next frame; `None` at the end of the connection.
    async fn next(&mut self) -> Option<Said> {
        let length = tokio::time::timeout(SOON, self.0.read_u32()).await.expect("something comes").ok()?;
        let mut frame = vec![0; length as usize];
        self.0.read_exact(&mut frame).await.ok()?;
        Some(match Frame::decode(&frame).unwrap() {
            Frame::Manifest { .. } | Frame::ManifestEnd => Said::Manifest,
            Frame::Refused(_) => Said::Refused,
            _ => Said::Other,
        })
    }
}

async fn invite(engine: &Engine) -> String {
    let command = Command::Invite { room: "#Board".to_owned(), hours: None };
    match engine.handle().call(command).await.unwrap() {
        Reply::Invite(invite) => invite.link,
        other => panic!("{other:?}"),
    }
}

async fn members(engine: &Engine) -> Vec<Member> {
    match engine.handle().call(Command::Members { room: "#Board".to_owned() }).await.unwrap() {
        Reply::Members(members) => members,
        other => panic!("{other:?}"),
    }
}

fn saying(to: &str, text: &str) -> Command {
    Command::Say { to: to.to_owned(), text: text.to_owned(), reply: None }
}

async fn say(engine: &Engine, to: &str, text: &str) {
    engine.handle().call(saying(to, text)).await.unwrap();
}

async fn log(engine: &Engine) -> Vec<Message> {
    let command = Command::Log {
        to: "#Board".to_owned(),
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

async fn texts(engine: &Engine) -> Vec<String> {
    let said = log(engine).await.into_iter().filter(|message| message.kind == MessageKind::Text);
    said.map(|message| message.text).collect()
}

async fn heard(engine: &Engine, text: &str) {
    let mut news = engine.handle().subscribe();
    let hears = async {
        while !texts(engine).await.iter().any(|known| known == text) {
            news.next().await;
        }
    };
    tokio::time::timeout(SOON, hears).await.unwrap_or_else(|_| panic!("“{text}” does not come"));
}

async fn room(engine: &Engine, like: impl Fn(&Room) -> bool) -> Room {
    let mut news = engine.handle().subscribe();
    tokio::time::timeout(SOON, async {
        loop {
            if let Some(found) = snapshot(engine).await.rooms.into_iter().find(&like) {
                return found;
            }
            news.next().await;
        }
    })
    .await
    .expect("there is such a room")
}

async fn found(engine: &Engine, many: usize) -> Vec<String> {
    let mut news = engine.handle().subscribe();
    let search = async {
        loop {
            let text = "marzipan".to_owned();
            let search = Command::Search { text, to: None, from: None, before: None, limit: 9 };
            match engine.handle().call(search).await.unwrap() {
                Reply::Found(found) if found.messages.len() == many => {
                    return found.messages.into_iter().map(|message| message.id).collect();
                }
                _ => drop(news.next().await),
            }
        }
    };
    tokio::time::timeout(SOON, search).await.unwrap_or_else(|_| panic!("{many} are not found"))
}
