use lanyard_engine::api::{
    Avatar, CallEnd, CallMember, CallWay, Mailbox, Me, Membership, Network, Platform, Relaying,
};

use super::*;
use crate::words::Language::{Chinese, English};

const LOBBY: &str = "lobby-id";
const ANA: &str = "ana-id";

fn fox() -> Avatar {
    Avatar { color: 3, emoji: "🦊".to_owned() }
}

fn me(chosen: Notifications) -> Me {
    Me {
        id: "me".to_owned(),
        short: "me".to_owned(),
        name: "Me".to_owned(),
        avatar: fox(),
        downloads: String::new(),
        version: String::new(),
        named: true,
        history_days: 0,
        history_bytes: 0,
        cloned: None,
        hold_for_others: true,
        hold_bytes: 0,
        upload_limit: 0,
        download_limit: 0,
        transfers_at_once: 1,
        notifications: chosen,
        relaying: Relaying { on: true, most: 8, most_of_one: 4 },
        locked: Vec::new(),
    }
}

fn room(id: &str, kind: RoomKind, name: &str) -> Room {
    Room {
        id: id.to_owned(),
        kind,
        name: name.to_owned(),
        peer: None,
        unread: 1,
        mentions: 0,
        topic: String::new(),
        draft: String::new(),
        membership: Membership::Member,
        role: None,
        keep_days: None,
        notify: None,
        alike: false,
        last: None,
        read: None,
        members: 2,
        forked: Vec::new(),
    }
}

fn lobby() -> Room {
    room(LOBBY, RoomKind::Lobby, "lobby")
}

fn ana() -> Room {
    room(ANA, RoomKind::Direct, "Ana")
}

fn message(room: &str, id: &str, who: &str, text: &str) -> Message {
    Message {
        id: id.to_owned(),
        room: room.to_owned(),
        author: format!("{who}-key"),
        name: who.to_owned(),
        mine: false,
        time: 0,
        kind: MessageKind::Text,
        text: text.to_owned(),
        reply: None,
        edited: None,
        deleted: false,
        reactions: Vec::new(),
        mentions: Vec::new(),
        to_me: false,
        pinned: false,
        late: false,
        disputed: false,
        note: None,
        transfer: None,
        cursor: id.to_owned(),
        delivered: None,
    }
}

fn offer(room: &str, id: &str, files: u64, bytes: u64) -> Transfer {
    let mut offer =
        crate::links::tests::transfer(id, TransferDirection::In, TransferState::Offered, 0, bytes);
    offer.room = room.to_owned();
    offer.from_name = "Ana".to_owned();
    offer.names = vec!["plan.pdf".to_owned()];
    offer.files = files;
    offer
}

/// A herald that knows the lobby and a conversation with Ana.
fn herald(chosen: Notifications) -> Herald {
    let mut herald = Herald::default();
    herald.begin(&Snapshot {
        me: me(chosen),
        network: Network {
            port: 1,
            tcp_port: 1,
            multicast: true,
            interfaces: Vec::new(),
            listed: Vec::new(),
            clock_off: None,
            dropped: Vec::new(),
        },
        peers: Vec::new(),
        rooms: vec![lobby(), ana()],
        transfers: Vec::new(),
        mailbox: Mailbox { entries: 0, bytes: 0, people: 0 },
        comparisons: Vec::new(),
        calls: Vec::new(),
    });
    herald
}

fn say(herald: &mut Herald, message: Message) {
    herald.take(&Event::Message { message });
}

fn shown(room: &str, title: &str, body: &str) -> Order {
    Order::Show(Notice {
        about: About::Room(room.to_owned()),
        title: title.to_owned(),
        body: body.to_owned(),
        news: true,
    })
}

fn withdrawn(room: &str) -> Order {
    Order::Withdraw(About::Room(room.to_owned()))
}

#[test]
fn a_conversation_has_one_notification_that_counts() {
    let mut herald = herald(Notifications::default());
    say(&mut herald, message(ANA, "1", "Ana", "tea?"));
    assert_eq!(herald.orders(English), [shown(ANA, "Ana", "tea?")]);
    assert_eq!(herald.orders(English), [], "each is told once");
    say(&mut herald, message(ANA, "2", "Ana", "now?"));
    say(&mut herald, message(LOBBY, "3", "Bo", "hello"));
    let expected = [shown(ANA, "Ana · 2 new", "now?"), shown(LOBBY, "#lobby", "Bo: hello")];
    assert_eq!(herald.orders(English), expected);
    say(&mut herald, message(LOBBY, "4", "Bo", "all"));
    assert_eq!(herald.orders(Chinese), [shown(LOBBY, "#lobby · 2 条新消息", "Bo：all")]);
}

#[test]
fn nothing_is_told_of_what_a_person_does_or_has_before_them() {
    let mut herald = herald(Notifications::default());
    say(&mut herald, Message { mine: true, ..message(LOBBY, "1", "Me", "hello") });
    say(&mut herald, Message { kind: MessageKind::Note, ..message(LOBBY, "2", "Bo", "") });
    herald.watch(true, Some(ANA.to_owned()));
    say(&mut herald, message(ANA, "3", "Ana", "tea?"));
    assert_eq!(herald.orders(English), []);
    herald.watch(false, None);
    say(&mut herald, message(ANA, "4", "Ana", "are you there?"));
    assert_eq!(herald.orders(English), [shown(ANA, "Ana", "are you there?")]);
    herald.watch(true, Some(LOBBY.to_owned()));
    assert_eq!(herald.orders(English), [], "another one is open");
    herald.watch(true, Some(ANA.to_owned()));
    assert_eq!(herald.orders(English), [withdrawn(ANA)]);
}

#[test]
fn what_was_read_is_withdrawn_and_what_came_late_only_with_the_rest() {
    let mut herald = herald(Notifications::default());
    say(&mut herald, message(LOBBY, "5", "Bo", "one"));
    say(&mut herald, message(LOBBY, "7", "Bo", "two"));
    say(&mut herald, Message { late: true, ..message(LOBBY, "2", "Bo", "late") });
    herald.orders(English);
    herald.take(&Event::RoomChanged { room: Room { read: Some("5".to_owned()), ..lobby() } });
    let Order::Show(notice) = herald.orders(English).remove(0) else { panic!("it stands") };
    assert_eq!((notice.title.as_str(), notice.news), ("#lobby · 2 new", false));
    herald.take(&Event::RoomChanged { room: Room { read: Some("7".to_owned()), unread: 0, ..lobby() } });
    assert_eq!(herald.orders(English), [withdrawn(LOBBY)]);
}

#[test]
fn levels_say_what_is_told_and_mentions_pass_unless_all_is_muted() {
    let level = |level| Event::RoomChanged { room: Room { notify: level, ..lobby() } };
    let mut herald = herald(Notifications { rooms: NotifyLevel::Mentions, ..Notifications::default() });
    let to_me = |id| Message { to_me: true, ..message(LOBBY, id, "Bo", "@Me") };
    let told = |herald: &mut Herald, message: Message| {
        let (room, before) = (message.room.clone(), herald.orders(English));
        assert_eq!(before, []);
        say(herald, message);
        let told = !herald.orders(English).is_empty();
        herald.dismissed(&About::Room(room));
        told
    };
    assert!(!told(&mut herald, message(LOBBY, "1", "Bo", "plain")));
    assert!(told(&mut herald, to_me("2")));
    assert!(told(&mut herald, message(ANA, "3", "Ana", "direct")), "what is said of rooms is not of people");
    herald.take(&level(Some(NotifyLevel::All)));
    assert!(told(&mut herald, message(LOBBY, "4", "Bo", "plain")));
    herald.take(&level(Some(NotifyLevel::None)));
    assert!(!told(&mut herald, to_me("5")));
    herald.take(&Event::Offer { transfer: offer(LOBBY, "t", 1, 1) });
    assert_eq!(herald.orders(English), []);
    herald.take(&level(None));
    assert!(told(&mut herald, to_me("6")));
    let muted = Room { notify: Some(NotifyLevel::None), ..ana() };
    herald.take(&Event::RoomChanged { room: muted });
    assert!(!told(&mut herald, message(ANA, "7", "Ana", "direct")));
}

#[test]
fn muting_takes_away_what_stands() {
    let mut herald = herald(Notifications::default());
    say(&mut herald, message(LOBBY, "1", "Bo", "hello"));
    say(&mut herald, message(ANA, "2", "Ana", "tea?"));
    herald.orders(English);
    herald.take(&Event::RoomChanged { room: Room { notify: Some(NotifyLevel::None), ..lobby() } });
    assert_eq!(herald.orders(English), [withdrawn(LOBBY)]);
    let quiet = Notifications { do_not_disturb: true, ..Notifications::default() };
    herald.take(&Event::MeChanged { me: me(quiet) });
    assert_eq!(herald.orders(English), [withdrawn(ANA)]);
    say(&mut herald, Message { to_me: true, ..message(ANA, "3", "Ana", "@Me") });
    assert_eq!(herald.orders(English), []);
    herald.take(&Event::MeChanged { me: me(Notifications::default()) });
    assert_eq!(herald.orders(English), [], "what came meanwhile is read in the window");
}

#[test]
fn hidden_previews_show_no_text_not_even_of_what_stands() {
    let mut herald = herald(Notifications::default());
    say(&mut herald, message(ANA, "1", "Ana", "the secret"));
    herald.orders(English);
    herald.take(&Event::MeChanged { me: me(Notifications { previews: false, ..Notifications::default() }) });
    say(&mut herald, message(LOBBY, "2", "Bo", "another secret"));
    let orders = herald.orders(English);
    let read = orders.iter().map(|order| match order {
        Order::Show(notice) => (notice.title.as_str(), notice.body.as_str(), notice.news),
        Order::Withdraw(about) => panic!("{about:?}"),
    });
    let read = read.collect::<Vec<_>>();
    assert_eq!(read, [("Ana", "New message", false), ("#lobby", "New message from Bo", true)]);
    herald.take(&Event::Offer { transfer: offer(ANA, "t", 1, 48_000_000) });
    assert_eq!(herald.orders(English), [shown(ANA, "Ana · 2 new", "Ana wants to send you 1 file (48 MB)")]);
}

#[test]
fn an_offer_says_what_and_how_much_and_goes_when_it_is_answered() {
    let mut herald = herald(Notifications::default());
    herald.take(&Event::Offer { transfer: offer(ANA, "t", 3, 1_200_000_000) });
    let told = Message {
        kind: MessageKind::Offer,
        transfer: Some("t".to_owned()),
        ..message(ANA, "4", "Ana", "plan.pdf")
    };
    say(&mut herald, told);
    assert_eq!(herald.orders(English), [shown(ANA, "Ana", "Ana wants to send you 3 files (1.2 GB)")]);
    herald.take(&Event::Offer { transfer: offer(LOBBY, "u", 1, 500) });
    assert_eq!(herald.orders(English), [shown(LOBBY, "#lobby", "Ana offers plan.pdf (500 bytes)")]);
    let accepted = Transfer { state: TransferState::Running, ..offer(LOBBY, "u", 1, 500) };
    herald.take(&Event::TransferChanged { transfer: accepted });
    assert_eq!(herald.orders(English), [withdrawn(LOBBY)]);
    herald.take(&Event::RoomChanged { room: Room { read: Some("4".to_owned()), unread: 0, ..ana() } });
    assert_eq!(herald.orders(English), [withdrawn(ANA)], "it was seen in the conversation");
    let quick = offer(ANA, "v", 1, 1);
    herald.take(&Event::Offer { transfer: quick.clone() });
    herald.take(&Event::TransferChanged { transfer: Transfer { state: TransferState::Queued, ..quick } });
    assert_eq!(herald.orders(English), [], "a rule said yes before anybody was told");
}

#[test]
fn what_is_taken_back_or_edited_is_not_left_standing() {
    let mut herald = herald(Notifications::default());
    say(&mut herald, message(ANA, "1", "Ana", "tea?"));
    say(&mut herald, message(ANA, "2", "Ana", "no, cofee"));
    herald.orders(English);
    herald.take(&Event::MessageChanged { message: message(ANA, "2", "Ana", "no, coffee") });
    let Order::Show(edited) = herald.orders(English).remove(0) else { panic!("it stands") };
    assert_eq!((edited.body.as_str(), edited.news), ("no, coffee", false));
    herald.take(&Event::MessageChanged { message: message(ANA, "2", "Ana", "no, coffee") });
    assert_eq!(herald.orders(English), [], "a reaction changes nothing here");
    let gone = |id| Message { deleted: true, ..message(ANA, id, "Ana", "") };
    herald.take(&Event::MessageChanged { message: gone("2") });
    let Order::Show(rest) = herald.orders(English).remove(0) else { panic!("one stands") };
    assert_eq!((rest.title.as_str(), rest.body.as_str()), ("Ana", "tea?"));
    herald.take(&Event::MessageChanged { message: gone("1") });
    assert_eq!(herald.orders(English), [withdrawn(ANA)]);
}

fn peer(name: &str, short: &str, trust: Trust) -> Peer {
    Peer {
        id: format!("{name}-key"),
        short: short.to_owned(),
        name: name.to_owned(),
        avatar: fox(),
        online: true,
        addresses: Vec::new(),
        platform: Platform::Linux,
        trust,
        alike: Vec::new(),
        accept_bytes: None,
        last_seen: 0,
    }
}

#[test]
fn who_is_blocked_or_gone_is_not_told_of() {
    let mut herald = herald(Notifications::default());
    let peer = |trust| peer("Bo", "bo", trust);
    herald.take(&Event::PeerChanged { peer: peer(Trust::Blocked) });
    say(&mut herald, message(LOBBY, "1", "Bo", "hello"));
    assert_eq!(herald.orders(English), []);
    herald.take(&Event::PeerChanged { peer: peer(Trust::Pinned) });
    say(&mut herald, message(LOBBY, "2", "Bo", "hello"));
    assert_eq!(herald.orders(English).len(), 1);
    herald.take(&Event::PeerChanged { peer: peer(Trust::Blocked) });
    assert_eq!(herald.orders(English), [withdrawn(LOBBY)], "what stood of them is taken away");
    herald.take(&Event::PeerChanged { peer: peer(Trust::Pinned) });
    say(&mut herald, message(LOBBY, "2b", "Bo", "hello"));
    assert_eq!(herald.orders(English).len(), 1);
    herald.take(&Event::RoomLeft { room: LOBBY.to_owned() });
    assert_eq!(herald.orders(English), [withdrawn(LOBBY)]);
    say(&mut herald, message(LOBBY, "3", "Bo", "hello"));
    assert_eq!(herald.orders(English), []);
}

#[test]
fn whoever_puts_a_notification_away_is_counted_anew() {
    let mut herald = herald(Notifications::default());
    say(&mut herald, message(ANA, "1", "Ana", "tea?"));
    herald.orders(English);
    herald.dismissed(&About::Room(ANA.to_owned()));
    say(&mut herald, message(ANA, "2", "Ana", "now?"));
    assert_eq!(herald.orders(English), [shown(ANA, "Ana", "now?")]);
}

#[test]
fn long_texts_are_cut_and_a_flood_is_counted_in_little_room() {
    let mut herald = herald(Notifications::default());
    say(&mut herald, message(ANA, "1", "Ana", &format!("a\n\n{}", "ü".repeat(1000))));
    let Order::Show(notice) = herald.orders(English).remove(0) else { panic!("it is told") };
    assert!(notice.body.starts_with("a\nüü") && notice.body.ends_with("ü…"), "{}", notice.body);
    assert_eq!(notice.body.chars().count(), CHARACTERS + 1);
    for number in 0..1000 {
        say(&mut herald, message(ANA, &format!("m{number}"), "Ana", "spam"));
    }
    assert_eq!(herald.standing[ANA].items.len(), REMEMBERED);
    assert_eq!(herald.orders(English), [shown(ANA, "Ana · 1001 new", "spam")]);
}

#[test]
fn two_of_one_name_are_told_apart() {
    let mut herald = herald(Notifications::default());
    let other = |short| Peer { alike: vec!["another".to_owned()], ..peer("Bo", short, Trust::Pinned) };
    herald.take(&Event::PeerOnline { peer: other("bbbb2222") });
    say(&mut herald, message(LOBBY, "1", "Bo", "hello"));
    assert_eq!(herald.orders(English), [shown(LOBBY, "#lobby", "Bo (bbbb2222): hello")]);
    let direct = Room { peer: Some("Bo-key".to_owned()), ..room("bo-id", RoomKind::Direct, "Bo") };
    herald.take(&Event::RoomChanged { room: direct });
    say(&mut herald, message("bo-id", "2", "Bo", "psst"));
    assert_eq!(herald.orders(English), [shown("bo-id", "Bo (bbbb2222)", "psst")]);
    herald.take(&Event::PeerChanged { peer: peer("Bo", "bbbb2222", Trust::Pinned) });
    say(&mut herald, message(LOBBY, "3", "Bo", "again"));
    assert_eq!(herald.orders(English), [shown(LOBBY, "#lobby · 2 new", "Bo: again")]);
}

fn asked(state: ComparisonState) -> Event {
    let comparison =
        Comparison { peer: "Bo-key".to_owned(), state, emoji: Vec::new(), error: None, alarm: false };
    Event::Comparison { comparison }
}

#[test]
fn whoever_asks_to_compare_emoji_is_announced_while_it_asks_and_nobody_looks() {
    let mut herald = herald(Notifications::default());
    herald.take(&Event::PeerOnline { peer: peer("Bo", "bo", Trust::Pinned) });
    let about = About::Comparison("Bo-key".to_owned());
    herald.take(&asked(ComparisonState::Asked));
    let (title, body) = English.wants_to_compare("Bo");
    let notice = Notice { about: about.clone(), title, body, news: true };
    assert_eq!(herald.orders(English), [Order::Show(notice.clone())]);
    herald.take(&asked(ComparisonState::Asked));
    assert_eq!(herald.orders(English), [], "it is told once");
    herald.take(&asked(ComparisonState::Ended));
    assert_eq!(herald.orders(English), [Order::Withdraw(about.clone())]);
    herald.take(&asked(ComparisonState::Asked));
    assert_eq!(herald.orders(English), [Order::Show(notice)]);
    herald.watch(true, None);
    assert_eq!(herald.orders(English), [Order::Withdraw(about)], "the window says it");
    herald.take(&asked(ComparisonState::Asked));
    assert_eq!(herald.orders(English), []);
}

#[test]
fn another_key_under_a_verified_name_is_told_once_of_each_name() {
    let mut herald = herald(Notifications::default());
    let another = |id: &str, name: &str, trust| Event::PeerOnline {
        peer: Peer { id: id.to_owned(), ..peer(name, "bo", trust) },
    };
    herald.take(&another("1", "Bo", Trust::Changed));
    let (title, body) = English.another_key("Bo");
    let warned = Notice { about: About::Changed("1".to_owned()), title, body, news: true };
    assert_eq!(herald.orders(English), [Order::Show(warned)]);
    for id in 2..1000 {
        herald.take(&another(&id.to_string(), "Bo", Trust::Changed));
    }
    assert_eq!(herald.orders(English), [], "key after key of one name is one notification");
    herald.take(&another("1", "Bo", Trust::Verified));
    assert_eq!(herald.orders(English), [Order::Withdraw(About::Changed("1".to_owned()))]);
    for number in 0..1000 {
        herald.take(&another(&format!("n{number}"), &format!("Name {number}"), Trust::Changed));
    }
    let told = herald.orders(English);
    let shown = told.iter().filter(|order| matches!(order, Order::Show(_))).count();
    assert_eq!(shown, WARNED - 1);
    assert_eq!(told.len(), 2 * shown - 1, "one is on the screen at a time");
}

/// Ana calls.
fn rings(id: &str) -> Event {
    let ana = CallMember {
        peer: "Ana-key".to_owned(),
        short: "ana".to_owned(),
        name: "Ana".to_owned(),
        me: false,
        muted: false,
        speaking: false,
        level: 0,
        way: CallWay::None,
        loss: 0.0,
        concealed: 0.0,
        buffer: 0,
    };
    let call = Call {
        id: id.to_owned(),
        room: ANA.to_owned(),
        since: 0,
        joined: false,
        ringing: true,
        muted: false,
        trouble: Vec::new(),
        members: vec![ana],
        sent_packets: 0,
        sent_bytes: 0,
    };
    Event::Call { call }
}

#[test]
fn a_call_that_rings_is_told_once_and_until_it_is_answered_or_over() {
    let mut herald = herald(Notifications::default());
    let about = || About::Call(ANA.to_owned());
    let (title, body) = ("Ana".to_owned(), "is calling you".to_owned());
    let told =
        || Order::Show(Notice { about: about(), title: title.clone(), body: body.clone(), news: true });
    herald.take(&rings("1"));
    assert_eq!(herald.orders(English), [told()]);
    herald.take(&rings("1"));
    assert_eq!(herald.orders(English), []);
    herald.take(&Event::CallEnded { room: ANA.to_owned(), id: "1".to_owned(), why: CallEnd::Unanswered });
    assert_eq!(herald.orders(English), [Order::Withdraw(about())]);
    herald.take(&rings("2"));
    assert_eq!(herald.orders(English), [told()]);
    let Event::Call { call } = rings("2") else { unreachable!() };
    herald.take(&Event::Call { call: Call { joined: true, ringing: false, ..call } });
    assert_eq!(herald.orders(English), [Order::Withdraw(about())]);
    herald.take(&rings("3"));
    herald.take(&Event::CallEnded { room: ANA.to_owned(), id: "3".to_owned(), why: CallEnd::Over });
    assert_eq!(herald.orders(English), [], "it was over before it was told");
}

#[test]
fn a_call_rings_for_nobody_who_looks_or_does_not_want_to_be_disturbed() {
    let mut busy = herald(Notifications { do_not_disturb: true, ..Notifications::default() });
    busy.take(&rings("1"));
    assert_eq!(busy.orders(English), []);
    let mut looking = herald(Notifications::default());
    looking.take(&rings("1"));
    assert_eq!(looking.orders(English).len(), 1);
    looking.watch(true, None);
    assert_eq!(looking.orders(English), [Order::Withdraw(About::Call(ANA.to_owned()))]);
    looking.take(&rings("2"));
    assert_eq!(looking.orders(English), []);
}
