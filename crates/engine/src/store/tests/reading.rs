//! What a window and other devices get to see, and in which order.

use std::collections::BTreeSet;
use std::path::PathBuf;

use lanyard_proto::model::LogId;

use super::super::{
    Chosen, Cursor, NotACursor, NotedTransfer, Settings, Shown, TransferNote, arrivals, history, mailbox,
    messages, offers, prune, reader, records, search, sent, setback,
};
use super::*;

#[tokio::test]
async fn pages_from_the_newest_to_the_oldest_join_into_the_order_of_the_clocks() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    // Three people, one of them with two logs, who often write in the same moment.
    let mut pens = [Pen::new(2, 5), Pen::new(3, 5), Pen::new(4, 5), Pen::new(4, u64::MAX), Pen::new(4, 1)];
    let mut entries = Vec::new();
    for n in 0..120 {
        let pen = &mut pens[n * 7 % 5];
        let kind = if n % 10 == 0 { kind::RECEIPT } else { kind::TEXT };
        entries.push(pen.write(kind, b"tea?", at(n as u64 / 6)));
    }
    write(&store, entries.iter().map(received).collect()).await.unwrap();

    let mut pages: Vec<Vec<Shown>> = Vec::new();
    loop {
        let before = pages.last().map(|page| page[0].cursor);
        let (page, more) = store.page(TEA, before, 7).await.unwrap();
        pages.push(page);
        if !more {
            break;
        }
    }
    let shown: Vec<Shown> = pages.into_iter().rev().flatten().collect();
    let mut expected: Vec<_> = entries.iter().filter(|entry| entry.header.kind == kind::TEXT).collect();
    expected.sort_by_key(|entry| {
        let header = &entry.header;
        (header.hlc, header.author, header.seq, header.nonce)
    });
    assert_eq!(shown.iter().map(|shown| &shown.entry).collect::<Vec<_>>(), expected);
    assert!(shown.is_sorted_by(|one, next| one.cursor < next.cursor));
    assert!(shown.is_sorted_by(|one, next| one.cursor.to_string() < next.cursor.to_string()));
    assert!(shown.iter().all(|shown| Cursor::parse(&shown.cursor.to_string()) == Ok(shown.cursor)));
    assert_eq!(store.last(TEA).await.unwrap().as_ref(), shown.last());
}

#[tokio::test]
async fn a_clock_that_is_far_ahead_does_not_pin_its_messages_to_the_bottom() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut bob, mut eve) = (Pen::new(2, 5), Pen::new(3, 5));
    const MINUTE: u64 = 60_000;
    let ahead = bob.say("my clock is nine minutes ahead", at(9 * MINUTE));
    let tomorrow = eve.say("mine is a day ahead", at(24 * 60 * MINUTE));
    let never = eve.say("and now it has run out", Hlc(u64::MAX));
    let answer = bob.say("I see", at(9 * MINUTE + 1));
    write(&store, [&ahead, &tomorrow, &never, &answer].map(received).into()).await.unwrap();
    let (page, _) = store.page(TEA, None, 10).await.unwrap();
    let order: Vec<_> = page.iter().map(|shown| shown.entry.clone()).collect();
    assert_eq!(order, [tomorrow, never, ahead, answer]);
    assert_eq!(page[0].cursor.place, at(0));
    assert_eq!(page[3].cursor.place, at(9 * MINUTE + 1));
}

#[test]
fn only_a_whole_cursor_is_a_cursor() {
    let whole = Cursor { place: at(1), author: PeerId([0xab; 32]), seq: Seq(3), nonce: u64::MAX }.to_string();
    assert_eq!(whole.len(), 112);
    assert!(Cursor::parse(&whole).is_ok());
    for text in ["", "tea", &whole[1..], &whole[..110], &whole.to_uppercase(), &format!("{whole}00")] {
        assert_eq!(Cursor::parse(text), Err(NotACursor), "{text}");
    }
    assert_eq!(Cursor::parse(&"f".repeat(112)), Err(NotACursor), "behind everything that can be stored");
}

#[tokio::test]
async fn messages_of_others_after_the_read_mark_are_unread() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut me, mut bob) = (Pen::new(1, MINE), Pen::new(2, 5));
    assert_eq!(unread(&store, me.peer()).await, 0);
    let (first, second) = (bob.say("tea?", at(1)), bob.say("anyone?", at(2)));
    let receipt = bob.write(kind::RECEIPT, b"", at(4));
    write(&store, vec![received(&first), received(&second), received(&receipt)]).await.unwrap();
    write(&store, vec![own(&me.say("yes", at(3)))]).await.unwrap();
    assert_eq!(unread(&store, me.peer()).await, 2);
    assert_eq!(store.read_mark(TEA).await, Ok(None));

    let [first, second] = [first, second].map(|entry| Cursor::of(&entry.header, NOW));
    store.mark_read(TEA, first).await.unwrap().await.unwrap();
    assert_eq!(unread(&store, me.peer()).await, 1);
    store.mark_read(TEA, second).await.unwrap().await.unwrap();
    assert_eq!(unread(&store, me.peer()).await, 0);
    store.mark_read(TEA, first).await.unwrap().await.unwrap();
    assert_eq!(store.read_mark(TEA).await, Ok(Some(second)), "what was seen stays seen");
    store.mark_read(RoomId([0; 32]), second).await.unwrap().await.unwrap();
    assert_eq!(store.read_mark(RoomId([0; 32])).await, Ok(None));
}

#[tokio::test]
async fn a_stretch_of_a_log_is_served_from_its_end_as_far_as_it_fits() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    let entries: Vec<_> = (0..20).map(|n| bob.say("tea?", at(100 - n))).collect();
    write(&store, entries.iter().map(received).collect()).await.unwrap();
    let (log, each) = (entries[0].log(), entries[0].len_in_room());
    let serve = async |from, to, bytes| store.stretch(TEA, log, Seq(from), Seq(to), bytes).await.unwrap();
    let found = |from: usize, to: usize| {
        let stretch = entries[from - 1..to].iter().map(|entry| entry.encode_in_room()).collect();
        Some((Seq(from as u64), stretch))
    };
    assert_eq!(serve(3, 5, 1 << 20).await, found(3, 5));
    assert_eq!(serve(1, u64::MAX, 1 << 20).await, found(1, 20));
    assert_eq!(serve(1, 20, 4 * each).await, found(17, 20), "the newest come first");
    assert_eq!(serve(7, 20, 1).await, found(20, 20), "one at least, or nobody would ever get it");
    assert_eq!(serve(21, 30, 1 << 20).await, None);
    assert_eq!(serve(5, 3, 1 << 20).await, None);
    assert_eq!(store.stretch(TEA, LogId([0; 8]), Seq(1), Seq(9), 1 << 20).await.unwrap(), None);
    assert_eq!(store.stretch(RoomId([0; 32]), log, Seq(1), Seq(9), 1 << 20).await.unwrap(), None);
}

#[tokio::test]
async fn an_entry_is_found_by_its_id_with_the_time_it_arrived() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let receipt = Pen::new(2, 5).write(kind::RECEIPT, b"got it", at(1));
    write(&store, vec![received(&receipt)]).await.unwrap();
    let cursor = Cursor::of(&receipt.header, NOW);
    let found = Shown { entry: receipt.clone(), arrived: NOW, cursor, about: Default::default() };
    assert_eq!(store.entry(receipt.id()).await, Ok(Some(found)));
    assert_eq!(store.entry(EntryId([0; 32])).await, Ok(None));
}

#[tokio::test]
async fn transfers_that_are_over_come_newest_first_with_their_notes() {
    let home = Home::new();
    let (store, _) = home.open();
    let bob = PeerId([2; 32]);
    let ends =
        [TransferState::Done, TransferState::Running, TransferState::Declined, TransferState::Cancelled];
    let records: Vec<_> = ends.into_iter().zip(1..).map(|(end, n)| transfer(n, bob, end)).collect();
    write(&store, records.iter().cloned().map(Record::Transfer).collect()).await.unwrap();
    let note = TransferNote {
        folder: Some(PathBuf::from("/home/ann/Téléchargements")),
        sha256: Some([6; 32]),
        moved: 1 << 40,
        problem: Some(crate::saying!("{name} went away.", name = "Bob").into()),
        chosen: Some(Chosen { items: vec![0, 0, 0, 1, 1], files: 1, bytes: 7 }),
        here: 3,
        failed: 2,
        asked: Some(vec![String::new(), "May/one.jpg".to_owned()]),
        placed: vec!["one (2).jpg".to_owned()],
    };
    store
        .note_transfer(records[0].id, TransferNote { moved: 5, ..Default::default() })
        .await
        .unwrap()
        .await
        .unwrap();
    store.note_transfer(records[0].id, note.clone()).await.unwrap().await.unwrap();
    store.note_transfer(records[1].id, note.clone()).await.unwrap().await.unwrap();

    let noted =
        |n: usize, note: &TransferNote| NotedTransfer { record: records[n].clone(), note: note.clone() };
    let blank = TransferNote::default();
    assert_eq!(store.transfers(10).await.unwrap(), [noted(3, &blank), noted(2, &blank), noted(0, &note)]);
    assert_eq!(store.transfers(1).await.unwrap(), [noted(3, &blank)]);
    assert_eq!(store.transfer(records[1].id).await.unwrap(), Some(noted(1, &note)));
    assert_eq!(store.transfer(TransferId([0; 16])).await.unwrap(), None);
}

#[tokio::test]
async fn settings_are_kept_even_where_a_folder_has_a_strange_name() {
    let home = Home::new();
    let (store, _) = home.open();
    assert_eq!(store.settings().await.unwrap(), Settings::default());
    #[cfg(unix)]
    let strange: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"/home/ann/\xff\xfe");
    #[cfg(not(unix))]
    let strange = std::ffi::OsStr::new("C:\\Users\\Ann\\Bücher");
    let settings = Settings {
        name: Some("Ann".to_owned()),
        downloads: Some(PathBuf::from(strange)),
        named: true,
        history_days: Some(90),
        history_bytes: Some(u64::MAX),
        hold: Some(false),
        hold_bytes: Some(1 << 20),
        upload_limit: Some(1 << 40),
        download_limit: Some(0),
        at_once: Some(16),
        relay: Some(false),
        avatar: Avatar::new(0, "🐙"),
        microphone: Some("USB Headset".to_owned()),
        speaker: Some("Speakers".to_owned()),
    };
    store.set_settings(settings.clone()).await.unwrap().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(home.open().0.settings().await.unwrap(), settings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn two_readers_see_whole_batches_while_a_writer_writes() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut seen = BTreeSet::new();
                while seen.last() != Some(&200) {
                    let (page, _) = store.page(TEA, None, 500).await.unwrap();
                    assert!(page.len() % 4 == 0, "half a batch: {}", page.len());
                    assert!(seen.last().is_none_or(|most| page.len() >= *most), "something vanished");
                    seen.insert(page.len());
                }
            })
        })
        .collect();
    let mut bob = Pen::new(2, 5);
    for n in 0..50 {
        let batch = (0..4).map(|m| received(&bob.say("tea?", at(n * 4 + m)))).collect();
        write(&store, batch).await.unwrap();
    }
    for reader in readers {
        reader.await.unwrap();
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn no_hot_question_reads_a_whole_table_or_sorts() {
    let home = Home::new();
    let (store, _) = home.open();
    store.close().await.unwrap();
    let connection = rusqlite::Connection::open(home.database()).unwrap();
    let noted = reader::noted_transfers();
    let finished = format!("{noted} {}", reader::FINISHED);
    let by_id = format!("{noted} {}", reader::BY_ID);
    let questions = [
        reader::RECENT,
        reader::STRETCH,
        messages::BEFORE,
        messages::AFTER,
        messages::FROM,
        messages::ENTRY,
        messages::FIND,
        messages::PINS,
        messages::EDITED,
        messages::DELETED,
        messages::DELETES,
        messages::PINNED,
        messages::REACTIONS,
        messages::READ_MARK,
        messages::TOPIC,
        messages::DRAFT,
        sent::NEWEST_OF,
        sent::NEWEST_SENT,
        offers::OFFERS,
        arrivals::ARRIVED,
        arrivals::ARRIVED_IN,
        arrivals::NUMBERED,
        arrivals::KNOWN_BY,
        search::ROOM,
        prune::WITH_ENTRIES,
        prune::BEGINNING,
        prune::NAMED,
        setback::NEWEST,
        setback::ARRIVED,
        setback::LAST_BEFORE,
        setback::READ,
        setback::TOP,
        setback::BEHIND,
        setback::READ_OF_OTHERS,
        records::NAMED,
        records::LAST_TO,
        history::OLDER,
        mailbox::OF_MAILBOX,
        mailbox::OF_ROOM,
        mailbox::SIZES,
        mailbox::LAST,
        &by_id,
        &offers::by_entry(),
    ];
    for question in questions {
        let plan = plan(&connection, question);
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{question}\n{plan}");
    }
    // Counts walk along a part of an index, up to their bound, and only their result is scanned.
    for question in [messages::UNREAD, messages::QUIET, messages::TO_ME, messages::LATE] {
        let plan = plan(&connection, question);
        assert!(!plan.contains("SCAN entry") && !plan.contains("SCAN message"), "{question}\n{plan}");
        assert!(
            plan.contains("USING COVERING INDEX") || plan.contains("USING INDEX message_late"),
            "{question}\n{plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{question}\n{plan}");
    }
    // The index of words gives its numbers from the newest on; few rooms hold one log.
    for question in [search::FOUND, search::NUMBER, messages::ANSWERS, messages::UNOPENED] {
        let plan = plan(&connection, question);
        assert!(!plan.contains("SCAN entry") && !plan.contains("SCAN message"), "{question}\n{plan}");
    }
    let found = plan(&connection, search::FOUND);
    assert!(!found.contains("TEMP B-TREE"), "{found}");
    // A partial index holds only what is asked for: walking along it is the point.
    let plan = plan(&connection, &finished);
    assert!(plan.contains("USING INDEX transfer_over") && !plan.contains("TEMP B-TREE"), "{plan}");
}

async fn unread(store: &Store, me: PeerId) -> u32 {
    store.counts(TEA, me).await.unwrap().unread
}

fn plan(connection: &rusqlite::Connection, question: &str) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {question}")).unwrap();
    let blanks = vec![rusqlite::types::Null; statement.parameter_count()];
    let lines =
        statement.query_map(rusqlite::params_from_iter(blanks), |row| row.get::<_, String>(3)).unwrap();
    lines.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
}
