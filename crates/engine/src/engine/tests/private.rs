//! Private rooms from one node to others and over restarts.

use lanyard_proto::model::{PeerId, TransferId, UnixMillis};
use lanyard_proto::wire::file::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::api::{Member, Membership, Message, MessageKind, NoteKind, Role, Room, RoomKind};
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
    bob.handle().call(Command::Delete { message: message.clone() }).await.unwrap();
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
        let limits = Limits { days: 0, bytes: 0, now: UnixMillis(1) };
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
async fn a_name_of_two_rooms_means_the_open_one_and_a_word_about_members_the_private_one() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    ann.handle().call(Command::JoinRoom { name: "tea".to_owned() }).await.unwrap();
    ann.handle().call(Command::CreateRoom { name: "Tea".to_owned() }).await.unwrap();
    assert!(matches!(ann.handle().call(saying("#tea", "hello")).await.unwrap(), Reply::Message(_)));
    assert_eq!(room(&ann, |room| room.name == "tea").await.last.unwrap().text, "hello");
    let invited = ann.handle().call(Command::Invite { room: "#tea".to_owned(), hours: Some(1) }).await;
    let private = room(&ann, |room| room.kind == RoomKind::Private).await;
    assert!(matches!(invited, Ok(Reply::Invite(invite)) if invite.room == private.id));
    ann.handle().call(Command::CreateRoom { name: "TEA".to_owned() }).await.unwrap();
    let error = ann.handle().call(Command::RenewKeys { room: "#tea".to_owned() }).await.unwrap_err();
    assert!(error.message.contains(&private.id), "which of the two is to be said by an id: {error}");
    ann.handle().call(Command::RenewKeys { room: private.id }).await.unwrap();
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
