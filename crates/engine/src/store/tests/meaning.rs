//! What entries mean, whatever the order in which they come.

use lanyard_proto::model::LogId;
use lanyard_proto::rooms::{Content, Text};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::super::{Change, Cursor, LogPosition, Opened, Openings, Part, Search, Shown, Stretch};
use super::*;

#[tokio::test]
async fn an_edit_that_comes_before_its_message_counts_when_that_comes() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut bob, mut eve) = (Pen::new(2, 5), Pen::new(3, 5));
    let said = bob.text("tea?", at(1));
    let edit = bob.put(&edit(&said, "coffee?"), at(2));
    let strange = eve.put(&self::edit(&said, "beer?"), at(3));
    // Another log of bob's, so that the edit can come first.
    let mut other = Pen::new(2, 6);
    let early = other.put(&self::edit(&said, "milk?"), at(4));
    learn(&store, &[&early, &strange]).await;
    learn(&store, &[&said, &edit]).await;
    let shown = store.entry(said.id()).await.unwrap().unwrap();
    let edited = shown.about.edited.unwrap();
    assert_eq!((edited.text.as_str(), edited.at), ("milk?", UnixMillis(NOW.0 + 4)));
    assert_eq!(texts(&search(&store, "milk").await), [said.id()]);
    for other in ["tea", "coffee", "beer"] {
        assert_eq!(search(&store, other).await, [], "{other}");
    }
}

#[tokio::test]
async fn what_its_author_took_back_is_gone_for_good() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut bob, mut eve) = (Pen::new(2, 5), Pen::new(3, 5));
    let said = bob.text("the marzipan recipe", at(1));
    let kept = bob.text("no recipe", at(2));
    let strange = eve.put(&Content::Delete { target: kept.id() }, at(3));
    let delete = bob.put(&Content::Delete { target: said.id() }, at(3));
    let later = bob.put(&edit(&said, "the marzipan recipe again"), at(9));
    learn(&store, &[&said, &kept, &strange, &delete, &later]).await;
    assert_eq!(texts(&search(&store, "recipe").await), [kept.id()]);
    let shown = store.entry(said.id()).await.unwrap().unwrap();
    let deletes: Vec<_> = shown.about.deletes.iter().map(|deleted| deleted.by).collect();
    assert_eq!((deletes, shown.about.edited), (vec![bob.peer()], None));
    assert_eq!(store.counts(TEA, PeerId([1; 32])).await.unwrap().unread, 1, "nobody has to read a tombstone");
    store.close().await.unwrap();
    let bytes = std::fs::read(home.database()).unwrap();
    let places = bytes.windows(8).filter(|window| *window == b"marzipan").count();
    assert_eq!(places, 2, "in the two signed entries and nowhere else");
}

#[tokio::test]
async fn only_a_message_of_the_same_room_can_be_spoken_about() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let other = RoomRecord {
        id: RoomId([8; 32]),
        kind: RoomKind::Open,
        name: "b".to_owned(),
        joined: NOW,
        nonce: MINE,
    };
    write(&store, vec![Record::Room(other)]).await.unwrap();
    let (mut bob, mut elsewhere) = (Pen::new(2, 5), Pen::in_room(2, 6, RoomId([8; 32])));
    let said = bob.text("tea?", at(1));
    let topic = bob.put(&Content::Topic("all about tea".to_owned()), at(2));
    let marks = [
        elsewhere.put(&edit(&said, "coffee?"), at(3)),
        elsewhere.put(&Content::Delete { target: said.id() }, at(4)),
        elsewhere.put(&Content::Pin { target: said.id(), on: true }, at(5)),
        elsewhere.put(&reaction(&said, "👍", true), at(6)),
    ];
    let of_topic = bob.put(&Content::Delete { target: topic.id() }, at(7));
    learn(&store, &[&said, &topic, &of_topic]).await;
    learn(&store, &marks.each_ref()).await;
    let shown = store.entry(said.id()).await.unwrap().unwrap();
    assert_eq!(shown.about, Default::default());
    assert_eq!(store.topic(TEA).await.unwrap().unwrap().1, "all about tea");
}

#[tokio::test]
async fn what_is_answered_is_quoted_once_it_comes() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut me, mut bob) = (Pen::new(1, MINE), Pen::new(2, 5));
    let question = me.text("tea?", at(1));
    let answer = bob.put(&reply(&question, "yes"), at(2));
    learn(&store, &[&answer]).await;
    let shown = |page: Part| page.messages;
    let page = shown(store.part(TEA, Stretch::Newest, 10).await.unwrap());
    assert_eq!(page[0].about.quoted, None);
    learn(&store, &[&question]).await;
    let changed = store.changed(vec![Change::New(question.id())]).await.unwrap();
    let told = changed[0].as_ref().unwrap();
    assert_eq!(texts(&told.answers), [answer.id()]);
    assert_eq!(told.answers[0].about.quoted.as_ref().unwrap().entry, question);
}

#[tokio::test]
async fn who_is_meant_is_counted_until_it_was_seen() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut me, mut bob) = (Pen::new(1, MINE), Pen::new(2, 5));
    let mine = me.text("tea?", at(1));
    let mention = Text { mentions: vec![me.peer()], ..Text::from("@me come") };
    let said = [
        mine.clone(),
        bob.put(&reply(&mine, "yes"), at(2)),
        bob.put(&Content::Text(mention.clone()), at(3)),
        bob.text("nobody is meant", at(4)),
        bob.put(&Content::Topic("not unread".to_owned()), at(5)),
    ];
    let late_one = bob.put(&Content::Edit { target: said[3].id(), text: mention }, at(6));
    let other = bob.put(&edit(&said[2], "nobody after all"), at(7));
    learn(&store, &said.each_ref()).await;
    let counts = |store: Store| async move {
        let counts = store.counts(TEA, PeerId(Pen::new(1, 0).peer().0)).await.unwrap();
        (counts.unread, counts.mentions)
    };
    assert_eq!(counts(store.clone()).await, (3, 2));
    learn(&store, &[&late_one]).await;
    assert_eq!(counts(store.clone()).await, (3, 3), "an edit can mean somebody, too");
    learn(&store, &[&other]).await;
    assert_eq!(counts(store.clone()).await, (3, 2));
    mark_read(&store, &said[1]).await;
    assert_eq!(counts(store.clone()).await, (2, 1));
    mark_read(&store, &said[3]).await;
    assert_eq!(counts(store.clone()).await, (0, 0));
}

#[tokio::test]
async fn what_comes_late_is_unread_until_it_was_seen_and_stays_marked() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut bob, mut cyd) = (Pen::new(2, 5), Pen::new(3, 5));
    let seen = bob.text("on time", at(50));
    learn(&store, &[&seen]).await;
    mark_read(&store, &seen).await;
    let late = cyd.text("said before, heard after", at(20));
    let history = Pen::new(4, 5).text("from before this device was here", Hlc::at(UnixMillis(NOW.0 - 1)));
    learn(&store, &[&late, &history]).await;
    let me = PeerId([1; 32]);
    assert_eq!(store.counts(TEA, me).await.unwrap().unread, 1);
    assert!(store.entry(late.id()).await.unwrap().unwrap().about.late);
    assert!(!store.entry(history.id()).await.unwrap().unwrap().about.late);
    mark_read(&store, &seen).await;
    assert_eq!(store.counts(TEA, me).await.unwrap().unread, 0);
    assert!(store.entry(late.id()).await.unwrap().unwrap().about.late);
}

#[tokio::test]
async fn in_a_conversation_that_began_with_a_clock_ahead_what_comes_is_unread() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let id = RoomId([9; 32]);
    let (mut bob, mut again) = (Pen::in_room(2, 5, id), Pen::in_room(2, 6, id));
    let joined = UnixMillis(NOW.0 + 3 * 3_600_000);
    let kind = RoomKind::Direct(bob.peer());
    let begun = RoomRecord { id, kind, name: "Bob".to_owned(), joined, nonce: MINE };
    write(&store, vec![Record::Room(begun)]).await.unwrap();
    let (seen, new) = (bob.text("hello", at(50)), again.text("are you there?", at(20)));
    learn(&store, &[&seen]).await;
    store.mark_read(id, Cursor::of(&seen.header, NOW)).await.unwrap().await.unwrap();
    learn(&store, &[&new]).await;
    assert_eq!(store.counts(id, PeerId([1; 32])).await.unwrap().unread, 1);
}

#[tokio::test]
async fn words_of_all_scripts_are_found_and_nothing_that_is_written_is_an_operator() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    let said =
        ["明天会议室见", "Über die Straße", "setup_v2.exe is up 🎉", "the café at noon", "NEAR AND OR NOT"];
    let entries: Vec<_> = (1..).zip(said).map(|(n, text)| bob.text(text, at(n))).collect();
    learn(&store, &entries.iter().collect::<Vec<_>>()).await;
    for (words, found) in [
        ("会议", &[0][..]),
        ("会", &[0]),
        ("见", &[0]),
        ("会议室", &[0]),
        ("议会", &[]),
        ("uber STRASSE", &[1]),
        ("setup", &[2]),
        ("v2.exe", &[2]),
        ("🎉", &[2]),
        ("caf", &[3]),
        ("no", &[4, 3]),
        ("afé", &[]),
        ("near and", &[4]),
        ("near\" OR \"the", &[]),
        ("near\" OR \"not", &[4]),
        ("the AND noon", &[]),
        ("words:the", &[]),
        ("*", &[]),
        ("\"", &[]),
        ("(", &[]),
    ] {
        let ids: Vec<_> = found.iter().map(|at| entries[*at].id()).collect();
        assert_eq!(texts(&search(&store, words).await), ids, "{words}");
    }
}

#[tokio::test]
async fn a_search_is_narrowed_and_goes_on_page_by_page() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let other = RoomId([8; 32]);
    let record =
        RoomRecord { id: other, kind: RoomKind::Open, name: "b".to_owned(), joined: NOW, nonce: MINE };
    write(&store, vec![Record::Room(record)]).await.unwrap();
    let mut pens = [Pen::new(2, 5), Pen::new(3, 5), Pen::in_room(2, 6, other)];
    // Many in one moment, and not in the order of their places.
    let entries: Vec<_> =
        (0..90u64).map(|n| pens[n as usize % 3].text("tea", at((n * 37 % 90) / 4))).collect();
    learn(&store, &entries.iter().collect::<Vec<_>>()).await;
    let all = |room, author| {
        let store = store.clone();
        async move {
            let (mut found, mut before) = (Vec::new(), None);
            loop {
                let mut wanted = Search::of("tea").unwrap();
                (wanted.room, wanted.author, wanted.before, wanted.limit) = (room, author, before, 7);
                let (page, more) = store.search(wanted).await.unwrap();
                before = page.last().map(|shown| shown.cursor);
                found.extend(page);
                if !more {
                    return found;
                }
            }
        }
    };
    let expected = |fits: &dyn Fn(&Entry) -> bool| {
        let mut ids: Vec<_> = entries.iter().filter(|entry| fits(entry)).map(|entry| entry.id()).collect();
        ids.sort();
        ids
    };
    let sorted = |found: Vec<Shown>| {
        assert!(found.is_sorted_by(|one, next| one.cursor.place.unix() >= next.cursor.place.unix()));
        let mut ids = texts(&found);
        ids.sort();
        ids
    };
    let bob = pens[0].peer();
    assert_eq!(sorted(all(None, None).await), expected(&|_| true));
    assert_eq!(sorted(all(Some(other), None).await), expected(&|entry| entry.header.room == other));
    assert_eq!(sorted(all(None, Some(bob)).await), expected(&|entry| entry.header.author == bob));
    let both = sorted(all(Some(TEA), Some(bob)).await);
    assert_eq!(both, expected(&|entry| entry.header.author == bob && entry.header.room == TEA));
    assert!(all(Some(RoomId([6; 32])), None).await.is_empty());
}

#[tokio::test]
async fn nobody_can_fill_the_disk_with_reactions_to_one_message() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut bob, mut eve) = (Pen::new(2, 5), Pen::new(3, 5));
    let said = bob.text("tea?", at(1));
    let emoji = |n: u32| char::from_u32(0x1F300 + n).unwrap().to_string();
    let flood: Vec<_> =
        (0..200).map(|n| eve.put(&reaction(&said, &emoji(n), true), at(2 + u64::from(n)))).collect();
    learn(&store, &[&said]).await;
    learn(&store, &flood.iter().collect::<Vec<_>>()).await;
    assert_eq!(home.peek::<i64>("SELECT count(*) FROM reaction"), 16);
    let shown = store.entry(said.id()).await.unwrap().unwrap();
    let newest: Vec<_> = (184..200).map(|n| (emoji(n), eve.peer())).collect();
    assert_eq!(shown.about.reactions, newest);
}

#[tokio::test]
async fn pages_begin_and_end_where_they_are_wanted() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    let entries: Vec<_> = (0..20).map(|n| bob.text("tea?", at(n * 10))).collect();
    learn(&store, &entries.iter().collect::<Vec<_>>()).await;
    let cursor = |n: usize| Cursor::of(&entries[n].header, NOW);
    let time = |ms: u64| UnixMillis(NOW.0 + ms);
    for (stretch, limit, from, to, more, newer) in [
        (Stretch::Newest, 5, 15, 20, true, false),
        (Stretch::Newest, 50, 0, 20, false, false),
        (Stretch::Before(cursor(5)), 3, 2, 5, true, true),
        (Stretch::Before(cursor(0)), 3, 0, 0, false, true),
        (Stretch::After(cursor(5)), 3, 6, 9, true, true),
        (Stretch::After(cursor(17)), 5, 18, 20, true, false),
        (Stretch::After(cursor(19)), 5, 20, 20, true, false),
        (Stretch::At(time(95)), 4, 10, 14, true, true),
        (Stretch::At(time(0)), 4, 0, 4, false, true),
        (Stretch::At(time(191)), 4, 20, 20, true, false),
        (Stretch::Around(cursor(10)), 5, 8, 13, true, true),
        (Stretch::Around(cursor(1)), 5, 0, 4, false, true),
    ] {
        let part = store.part(TEA, stretch, limit).await.unwrap();
        let ids: Vec<_> = entries[from..to].iter().map(|entry| entry.id()).collect();
        assert_eq!((texts(&part.messages), part.more, part.newer), (ids, more, newer), "{stretch:?} {limit}");
    }
}

#[tokio::test]
async fn a_database_of_an_older_version_learns_what_is_in_it() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    let said = bob.text("明天会议室见", at(1));
    let delete = bob.put(&Content::Delete { target: said.id() }, at(3));
    let kept = bob.text("会议 again", at(2));
    // Nobody opens them, as it was before.
    write(&store, [&said, &delete, &kept].map(received).into()).await.unwrap();
    store.close().await.unwrap();
    home.undo_own_logs(MINE, false);
    let older = rusqlite::Connection::open(home.database()).unwrap();
    older
        .execute_batch(
            "DROP TABLE arrival; DROP INDEX entry_arrived; DROP TRIGGER entry_gone; DROP TRIGGER room_gone;
             DROP TABLE unopened; DROP TABLE message; DROP TABLE mark;
             DROP TABLE reaction; DROP TABLE topic; DROP TABLE draft; DROP TABLE found; DROP TABLE search;
             DROP TABLE standing; DROP TABLE room_key; DROP TABLE deed; ALTER TABLE room DROP COLUMN private;
             ALTER TABLE fork DROP COLUMN author; ALTER TABLE fork DROP COLUMN seq; ALTER TABLE node DROP COLUMN cloned;
             DROP INDEX transfer_of_entry;
             DROP TABLE held_entry; DROP TABLE held; DROP TABLE taken; DROP TABLE kept;
             ALTER TABLE setting DROP COLUMN hold; ALTER TABLE setting DROP COLUMN hold_bytes;
             UPDATE entry SET message = 1; PRAGMA user_version = 2;",
        )
        .unwrap();
    drop(older);
    let (store, _) = home.open();
    let page = store.part(TEA, Stretch::Newest, 10).await.unwrap();
    assert_eq!(page.messages.len(), 3, "as the older version showed them");
    let mut opened = 0;
    let mut from = i64::MIN;
    loop {
        let batch = store.unopened(from, 2).await.unwrap();
        let Some((last, _)) = batch.last() else { break };
        from = *last;
        opened += batch.len();
        let entries: Vec<_> = batch.iter().map(|(_, entry)| entry).collect();
        store.index(openings(&entries)).await.unwrap().await.unwrap();
    }
    assert_eq!(opened, 3);
    assert_eq!(texts(&search(&store, "会议").await), [kept.id()]);
    let page = store.part(TEA, Stretch::Newest, 10).await.unwrap();
    assert_eq!(texts(&page.messages), [said.id(), kept.id()], "what speaks about a message is none");
    assert_eq!(store.unopened(i64::MIN, 9).await.unwrap(), []);
}

#[tokio::test]
async fn who_leaves_a_room_leaves_nothing_of_it() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    let said = bob.text("tea?", at(1));
    let others = [
        bob.put(&edit(&said, "coffee?"), at(2)),
        bob.put(&reaction(&said, "👍", true), at(3)),
        bob.put(&Content::Pin { target: said.id(), on: true }, at(4)),
        bob.put(&Content::Topic("tea".to_owned()), at(5)),
        bob.put(&Content::Pin { target: EntryId([9; 32]), on: true }, at(6)),
    ];
    learn(&store, &[&said]).await;
    learn(&store, &others.each_ref()).await;
    store.set_draft(TEA, "I was about to".to_owned()).await.unwrap().await.unwrap();
    assert_eq!(store.draft(TEA).await.unwrap(), "I was about to");
    assert_eq!(texts(&store.pins(TEA, 10).await.unwrap()), [said.id()]);
    write(&store, vec![Record::RoomLeft(TEA)]).await.unwrap();
    for table in ["unopened", "message", "mark", "reaction", "topic", "draft", "found", "search"] {
        assert_eq!(home.peek::<i64>(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
    assert_eq!(search(&store, "coffee").await, []);
}

#[tokio::test]
async fn the_newest_messages_of_a_log_are_known_after_a_restart() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut me = Pen::new(1, MINE);
    let entries = [me.text("one", at(1)), me.text("two", at(2)), me.text("three", at(3))];
    let pin = me.put(&Content::Pin { target: entries[0].id(), on: true }, at(4));
    write(&store, entries.iter().chain([&pin]).map(own).collect()).await.unwrap();
    store.close().await.unwrap();
    let (store, _) = home.open();
    let newest = store.newest_of(TEA, entries[0].log(), 2).await.unwrap();
    assert_eq!(newest, [(Seq(3), entries[2].id()), (Seq(2), entries[1].id())]);
    assert_eq!(store.newest_of(TEA, LogId([0; 8]), 2).await.unwrap(), []);
    // What became of a message stands where that was said, in another log of its author even.
    let mut again = Pen::new(1, MINE + 1);
    let edit = again.put(&Content::Edit { target: entries[1].id(), text: Text::from("2") }, at(5));
    let delete = me.put(&Content::Delete { target: entries[2].id() }, at(6));
    learn(&store, &[&edit, &delete]).await;
    let sent = store.newest_sent(TEA, entries[0].log(), 3).await.unwrap();
    let stands = [&delete, &edit, &entries[0]].map(|entry| LogPosition::of(entry.as_ref()));
    assert_eq!(sent.iter().map(|sent| sent.newest).collect::<Vec<_>>(), stands);
    assert_eq!(sent.iter().map(|sent| sent.id).collect::<Vec<_>>(), [2, 1, 0].map(|at| entries[at].id()));
    assert_eq!(sent[0].at, UnixMillis(NOW.0 + 3));
}

/// What a person does in the made-up history below.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Say,
    Edit(usize),
    Delete(usize),
    React(usize, usize, bool),
    Pin(usize, bool),
    Topic,
}

#[test]
fn the_same_entries_mean_the_same_whatever_the_order_in_which_they_come() {
    let deed = prop_oneof![
        Just(Deed::Say),
        (0..4usize).prop_map(Deed::Edit),
        (0..4usize).prop_map(Deed::Delete),
        (0..4usize, 0..3usize, any::<bool>()).prop_map(|(of, emoji, on)| Deed::React(of, emoji, on)),
        (0..4usize, any::<bool>()).prop_map(|(of, on)| Deed::Pin(of, on)),
        Just(Deed::Topic),
    ];
    let history = proptest::collection::vec((0..3usize, 0..6u64, deed), 1..24);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(history, any::<u64>()), |(history, seed)| {
        let entries = live(&history);
        let mut shuffled = entries.clone();
        // Each entry is a log of its own, so any order is one that can happen.
        shuffled.sort_by_key(|entry| entry.id().0[0] as u64 ^ (seed >> (entry.id().0[1] % 48)) & 0xff);
        let [one, other] = [&entries, &shuffled].map(|order| runtime.block_on(meaning_of(order)));
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(one, expected(&entries));
        Ok(())
    });
    outcome.unwrap();
}

/// The entries of a history. Four messages stand at its beginning.
fn live(history: &[(usize, u64, Deed)]) -> Vec<Arc<Entry>> {
    const EMOJI: [&str; 3] = ["👍", "🎉", "❤"];
    let people = [2u8, 3, 4];
    let mut nonce = 0;
    let mut put = |who: usize, content: &Content, hlc| {
        nonce += 1;
        Pen::new(people[who], nonce).put(content, hlc)
    };
    let first: Vec<_> = (0..4)
        .map(|n| put(n % 3, &Content::Text(format!("first{n}").as_str().into()), at(n as u64)))
        .collect();
    let rest = history.iter().zip(0..).map(|((who, moment, deed), n): (_, usize)| {
        let target = |of: usize| first[of].id();
        let content = match *deed {
            Deed::Say => Content::Text(format!("more{n}").as_str().into()),
            Deed::Edit(of) => Content::Edit { target: target(of), text: format!("edit{n}").as_str().into() },
            Deed::Delete(of) => Content::Delete { target: target(of) },
            Deed::React(of, emoji, on) => {
                Content::Reaction { target: target(of), emoji: EMOJI[emoji].to_owned(), on }
            }
            Deed::Pin(of, on) => Content::Pin { target: target(of), on },
            Deed::Topic => Content::Topic(format!("topic{n}")),
        };
        put(*who, &content, at(*moment))
    });
    let rest: Vec<_> = rest.collect();
    first.iter().cloned().chain(rest).collect()
}

/// How messages read: (id, text, taken back, reactions, pinned), what is found of them, and the topic.
type Meaning = (Vec<(EntryId, String, bool, Vec<(String, PeerId)>, bool)>, Vec<EntryId>, String);

async fn meaning_of(entries: &[Arc<Entry>]) -> Meaning {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    for batch in entries.chunks(3) {
        learn(&store, &batch.iter().collect::<Vec<_>>()).await;
    }
    let page = store.part(TEA, Stretch::Newest, 500).await.unwrap().messages;
    let messages = page.iter().filter(|shown| shown.entry.header.kind == kind::TEXT).map(|shown| {
        let author = shown.entry.header.author;
        let gone = shown.about.deletes.iter().any(|deleted| deleted.by == author);
        let text = match (&shown.about.edited, content(&shown.entry)) {
            _ if gone => String::new(),
            (Some(edited), _) => edited.text.clone(),
            (None, Content::Text(text)) => text.text,
            (None, other) => panic!("{other:?}"),
        };
        let mut reactions = shown.about.reactions.clone();
        reactions.sort();
        (shown.entry.id(), text, gone, reactions, shown.about.pinned)
    });
    let mut found = Vec::new();
    for word in ["first", "edit", "more"] {
        found.extend(texts(&search(&store, word).await));
    }
    found.sort();
    let topic = store.topic(TEA).await.unwrap().map(|(_, topic)| topic).unwrap_or_default();
    (messages.collect(), found, topic)
}

/// The same by the book, from all entries at once.
fn expected(entries: &[Arc<Entry>]) -> Meaning {
    let mut ordered: Vec<_> = entries.iter().collect();
    ordered.sort_by_key(|entry| Cursor::of(&entry.header, NOW));
    let about = |id: EntryId| ordered.iter().filter(move |entry| content(entry).about() == Some(id));
    let messages = ordered.iter().filter(|entry| entry.header.kind == kind::TEXT).map(|entry| {
        let (id, author) = (entry.id(), entry.header.author);
        let Content::Text(text) = content(entry) else { panic!("a text") };
        let (mut text, mut gone, mut pinned) = (text.text, false, false);
        let mut reactions = std::collections::BTreeMap::new();
        for entry in about(id) {
            let by = entry.header.author;
            match content(entry) {
                Content::Edit { text: newer, .. } if by == author => text = newer.text,
                Content::Delete { .. } if by == author => gone = true,
                Content::Reaction { emoji, on, .. } => drop(reactions.insert((emoji, by), on)),
                Content::Pin { on, .. } => pinned = on,
                _ => {}
            }
        }
        let reactions = reactions.into_iter().filter(|(_, on)| *on).map(|(reaction, _)| reaction);
        (id, if gone { String::new() } else { text }, gone, reactions.collect(), pinned)
    });
    let messages: Vec<_> = messages.collect();
    let mut found: Vec<_> = messages.iter().filter(|(_, _, gone, ..)| !gone).map(|(id, ..)| *id).collect();
    found.sort();
    let mut topics = ordered.iter().filter_map(|entry| match content(entry) {
        Content::Topic(topic) => Some(topic),
        _ => None,
    });
    (messages, found, topics.next_back().unwrap_or_default())
}

impl Pen {
    fn text(&mut self, text: &str, hlc: Hlc) -> Arc<Entry> {
        self.put(&Content::Text(text.into()), hlc)
    }

    fn put(&mut self, content: &Content, hlc: Hlc) -> Arc<Entry> {
        self.write(content.kind(), &content.encode(""), hlc)
    }
}

fn edit(target: &Entry, text: &str) -> Content {
    Content::Edit { target: target.id(), text: text.into() }
}

fn reply(target: &Entry, text: &str) -> Content {
    Content::Text(Text { reply: Some(target.id()), ..Text::from(text) })
}

fn reaction(target: &Entry, emoji: &str, on: bool) -> Content {
    Content::Reaction { target: target.id(), emoji: emoji.to_owned(), on }
}

fn content(entry: &Entry) -> Content {
    Content::decode(entry.header.kind, &entry.body).unwrap()
}

fn openings(entries: &[&Arc<Entry>]) -> Openings {
    let of = entries.iter().map(|entry| (entry.id(), Opened { content: content(entry), moderates: false }));
    Openings { me: Pen::new(1, 0).peer(), of: of.collect() }
}

/// Commits entries of others, and of this device, with what they say.
async fn learn(store: &Store, entries: &[&Arc<Entry>]) {
    let records = entries.iter().map(|entry| Record::Entry {
        room: entry.header.room,
        entry: (*entry).clone(),
        own: false,
        arrived: NOW,
        theirs: None,
    });
    store.commit_opened(records.collect(), openings(entries)).await.unwrap().await.unwrap();
}

async fn search(store: &Store, words: &str) -> Vec<Shown> {
    match Search::of(words) {
        Some(search) => store.search(search).await.unwrap().0,
        None => Vec::new(),
    }
}

async fn mark_read(store: &Store, entry: &Entry) {
    store.mark_read(TEA, Cursor::of(&entry.header, NOW)).await.unwrap().await.unwrap();
}

fn texts(shown: &[Shown]) -> Vec<EntryId> {
    shown.iter().map(|shown| shown.entry.id()).collect()
}
