//! Beginning a run: whose database it is, what it remembers, whether its logs may go on.

use std::fs;
use std::path::Path;

use lanyard_proto::transfer::{Failure, Part};
use lanyard_proto::wire::entry::log_id;

use super::super::{Chosen, TransferNote};
use super::*;

#[tokio::test]
async fn a_new_database_is_empty_ours_and_private() {
    let home = Home::new();
    let (store, loaded) = home.open();
    assert_eq!(loaded.boot, NOW.0);
    assert!(loaded.rooms.is_empty() && loaded.peers.is_empty() && loaded.transfers.is_empty());
    assert_eq!(home.peek::<i64>("PRAGMA user_version"), 21);
    assert_eq!(home.peek::<i64>("PRAGMA application_id"), 0x4c4e_5944);
    assert_eq!(home.peek::<String>("PRAGMA journal_mode"), "wal");
    #[cfg(unix)]
    for file in ["lanyard.db", "lanyard.db-wal", "witness"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(home.0.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file} is open to others");
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn everything_is_there_again_after_a_restart() {
    let home = Home::new();
    let (store, first) = home.with_tea_room().await;
    let (mut me, mut bob) = (Pen::new(1, MINE), Pen::new(2, 5));
    let talk = [me.say("tea?", at(1)), me.say("anyone?", at(3))];
    let answer = bob.say("yes", at(2));
    let direct = RoomRecord {
        id: RoomId([8; 32]),
        kind: RoomKind::Direct(bob.peer()),
        name: String::new(),
        joined: UnixMillis(1),
        nonce: 9,
    };
    let open = [
        transfer(1, bob.peer(), TransferState::Offered),
        transfer(2, bob.peer(), TransferState::Waiting),
        transfer(3, bob.peer(), TransferState::Running),
        transfer(4, me.peer(), TransferState::Offered),
        // Both can be accepted after all.
        transfer(6, bob.peer(), TransferState::Failed(Failure::SourceGone)),
        transfer(7, me.peer(), TransferState::Declined),
        transfer(9, bob.peer(), TransferState::Cancelled),
        // It is given on to others who are in the room.
        transfer(5, bob.peer(), TransferState::Done),
    ];
    let withdrawn = vec![(bob.peer(), Receipt::Cancelled)];
    let over = [
        transfer(8, me.peer(), TransferState::Cancelled),
        TransferRecord { receipts: withdrawn, ..transfer(10, bob.peer(), TransferState::Cancelled) },
        TransferRecord { room: direct.id, ..transfer(11, bob.peer(), TransferState::Done) },
    ];
    let mut records = vec![
        own(&talk[0]),
        own(&talk[1]),
        received(&answer),
        Record::Room(direct.clone()),
        Record::Peer(peer("Bob")),
        Record::Covered { room: TEA, peer: bob.peer(), log: talk[0].log(), held: span(0, 2) },
    ];
    records.extend(open.iter().chain(&over).cloned().map(Record::Transfer));
    write(&store, records).await.unwrap();
    store.close().await.unwrap();

    let (store, second) = home.open();
    assert_eq!(second.boot, first.boot + 1, "the clock stood still, the number of the run does not");
    assert_eq!(second.clock, at(3));
    assert_eq!(second.peers, [peer("Bob")]);
    assert_eq!(second.transfers, open);
    let [tea, alone] = second.rooms.as_slice() else { panic!("two rooms: {:?}", second.rooms) };
    assert_eq!(alone.record, direct);
    assert!(alone.logs.is_empty() && alone.recent.is_empty());
    assert_eq!(tea.recent, [talk[0].clone(), answer.clone(), talk[1].clone()]);
    assert_eq!(tea.covered, [(bob.peer(), talk[0].log(), span(0, 2))]);
    let heads: Vec<_> = (tea.logs.iter())
        .map(|log| (log.author, log.nonce, log.top().unwrap().head, log.top().unwrap().head_id))
        .collect();
    let (mine, his) = (talk[1].id(), answer.id());
    assert_eq!(heads, [(me.peer(), me.nonce, Seq(2), mine), (bob.peer(), 5, Seq(1), his)]);
    store.close().await.unwrap();

    let (store, third) = home.open();
    let unchanged = Loaded { boot: second.boot, ..third.clone() };
    assert_eq!(format!("{unchanged:?}"), format!("{second:?}"));
    assert!(third.boot > second.boot);
    store.close().await.unwrap();
}

#[tokio::test]
async fn the_number_of_a_run_follows_the_clock_and_never_falls_behind_it() {
    let home = Home::new();
    let boots = [NOW.0 + 9, NOW.0, NOW.0 + 50].map(|now| {
        let (_, loaded) = Store::open(&home.database(), UnixMillis(now)).unwrap();
        loaded.boot
    });
    assert_eq!(boots, [NOW.0 + 9, NOW.0 + 10, NOW.0 + 50]);
}

#[tokio::test]
async fn only_the_newest_entries_of_a_room_are_loaded_receipts_among_them() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    let entries: Vec<_> = (0..200)
        .map(|n| bob.write(if n % 3 == 0 { kind::RECEIPT } else { kind::TEXT }, b"x", at(n)))
        .collect();
    write(&store, entries.iter().map(received).collect()).await.unwrap();
    store.close().await.unwrap();
    let (_store, loaded) = home.open();
    assert_eq!(loaded.rooms[0].recent, entries[200 - 64..]);
}

#[tokio::test]
async fn a_moved_profile_goes_on_and_a_copied_one_begins_new_logs() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    store.close().await.unwrap();

    let (moved, copy) = (home.0.path().join("moved"), home.0.path().join("copy"));
    for folder in [&moved, &copy] {
        fs::create_dir(folder).unwrap();
    }
    for file in ["lanyard.db", "witness"] {
        fs::copy(home.0.path().join(file), copy.join(file)).unwrap();
        fs::rename(home.0.path().join(file), moved.join(file)).unwrap();
    }
    assert_eq!(nonce_at(&moved).await, MINE);
    let copied = nonce_at(&copy).await;
    assert_ne!(copied, MINE);
    assert_eq!(nonce_at(&copy).await, copied, "it is an installation of its own from then on");
    assert_eq!(nonce_at(&moved).await, MINE);
}

#[tokio::test]
async fn an_older_database_put_back_begins_new_logs() {
    let home = Home::new();
    home.with_tea_room().await.0.close().await.unwrap();
    let first = nonce_at(home.0.path()).await;
    let backup = fs::read(home.database()).unwrap();
    assert_eq!(nonce_at(home.0.path()).await, first);
    assert_eq!(nonce_at(home.0.path()).await, first);
    fs::write(home.database(), backup).unwrap();
    assert_ne!(nonce_at(home.0.path()).await, first);
}

#[tokio::test]
async fn a_lost_or_damaged_witness_costs_a_nonce_and_nothing_else() {
    let home = Home::new();
    home.with_tea_room().await.0.close().await.unwrap();
    let first = nonce_at(home.0.path()).await;
    fs::remove_file(home.0.path().join("witness")).unwrap();
    let second = nonce_at(home.0.path()).await;
    assert_ne!(first, second);
    fs::write(home.0.path().join("witness"), b"torn").unwrap();
    let third = nonce_at(home.0.path()).await;
    assert_ne!(second, third);
    assert_eq!(nonce_at(home.0.path()).await, third);
}

#[tokio::test]
async fn a_start_cut_short_before_the_witness_was_written_changes_nothing() {
    let home = Home::new();
    home.with_tea_room().await.0.close().await.unwrap();
    let first = nonce_at(home.0.path()).await;
    let witness = home.0.path().join("witness");
    let before = fs::read(&witness).unwrap();
    assert_eq!(nonce_at(home.0.path()).await, first);
    fs::write(&witness, before).unwrap();
    assert_eq!(nonce_at(home.0.path()).await, first);
}

/// Opens and closes the database in a folder.
async fn nonce_at(folder: &Path) -> u64 {
    let (store, loaded) = Store::open(&folder.join("lanyard.db"), NOW).unwrap();
    store.close().await.unwrap();
    loaded.rooms[0].record.nonce
}

#[tokio::test]
async fn whoever_left_a_room_and_comes_back_never_uses_a_number_twice() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut me = Pen::new(1, MINE);
    write(&store, vec![own(&me.say("bye", at(1)))]).await.unwrap();
    write(&store, vec![Record::RoomLeft(TEA), tea_room()]).await.unwrap();
    let again = Pen::new(1, MINE).say("hello again", at(2));
    let refused = write(&store, vec![own(&again)]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Contradiction { .. }), "{refused}");

    let (store, second) = home.open();
    assert_eq!(second.rooms[0].record.nonce, MINE, "other rooms and other logs are no affair of the store's");
    assert_eq!(second.clock, at(1), "what was written is forgotten, when it was written is not");
    let again = Pen::new(1, MINE + 1).say("hello again", at(2));
    write(&store, vec![own(&again)]).await.unwrap();
}

#[tokio::test]
async fn leaving_a_room_forgets_it_but_not_which_files_came() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let (mut me, mut bob) = (Pen::new(1, MINE), Pen::new(2, 5));
    let (mine, his) = (me.say("tea?", at(1)), bob.say("yes", at(2)));
    let done = transfer(1, bob.peer(), TransferState::Done);
    let open = transfer(2, bob.peer(), TransferState::Running);
    write(
        &store,
        vec![
            own(&mine),
            received(&his),
            Record::Covered { room: TEA, peer: bob.peer(), log: mine.log(), held: span(0, 1) },
            Record::Transfer(done.clone()),
            Record::Transfer(open.clone()),
        ],
    )
    .await
    .unwrap();
    store.note_transfer(open.id, Default::default()).await.unwrap().await.unwrap();
    store.mark_read(TEA, super::super::Cursor::of(&his.header, NOW)).await.unwrap().await.unwrap();
    write(&store, vec![Record::RoomLeft(TEA), Record::RoomLeft(RoomId([0; 32]))]).await.unwrap();
    assert_eq!(store.page(TEA, None, 10).await.unwrap(), (vec![], false));
    assert_eq!(store.entry(mine.id()).await.unwrap(), None);
    assert_eq!(store.read_mark(TEA).await.unwrap(), None);
    assert_eq!(store.transfer(open.id).await.unwrap(), None);
    assert_eq!(store.transfers(10).await.unwrap()[0].record, done);
    let late = Record::Covered { room: TEA, peer: bob.peer(), log: log_id(me.peer(), 1), held: span(0, 1) };
    write(&store, vec![late]).await.unwrap();
    store.close().await.unwrap();
    let (_store, loaded) = home.open();
    assert!(loaded.rooms.is_empty() && loaded.transfers.is_empty());
    for table in ["entry", "log", "covered", "read_mark", "transfer_note"] {
        assert_eq!(home.peek::<i64>(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let text = Home::new();
    fs::write(text.database(), "Dear diary, ".repeat(1000)).unwrap();
    let database = Home::new();
    let other = rusqlite::Connection::open(database.database()).unwrap();
    other.execute_batch("CREATE TABLE recipe (name TEXT)").unwrap();
    let marked = Home::new();
    let marked_by = rusqlite::Connection::open(marked.database()).unwrap();
    marked_by.execute_batch("PRAGMA application_id = 99").unwrap();
    for home in [&text, &database, &marked] {
        let before = fs::read(home.database()).unwrap();
        let error = home.refused();
        assert_eq!(error, StoreError::Foreign { path: home.database() });
        assert!(error.to_string().contains("is not a Lanyard database"), "{error}");
        assert_eq!(fs::read(home.database()).unwrap(), before);
    }
}

#[tokio::test]
async fn what_was_fetched_in_part_can_go_on_after_a_restart() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut me = Pen::new(1, MINE);
    write(&store, vec![own(&me.say("mine", at(1)))]).await.unwrap();
    let bob = PeerId([2; 32]);
    let of = |number, from| transfer(number, from, TransferState::Done);
    let part = Receipt::Part(Part { digest: [7; 32], files: 1, bytes: 5 });
    let taken = TransferRecord { receipts: vec![(bob, part)], ..of(3, me.peer()) };
    let records = [of(1, bob), of(2, bob), taken.clone(), of(4, me.peer())];
    write(&store, records.iter().cloned().map(Record::Transfer).collect()).await.unwrap();
    let note = TransferNote { chosen: Some(Chosen::default()), ..TransferNote::default() };
    store.note_transfer(records[1].id, note).await.unwrap().await.unwrap();
    store.close().await.unwrap();
    // The first is whole, and given on to the room.
    assert_eq!(home.open().1.transfers, [records[0].clone(), records[1].clone(), taken]);
}

#[tokio::test]
async fn a_database_from_a_newer_version_is_refused() {
    let home = Home::new();
    home.open().0.close().await.unwrap();
    let newer = rusqlite::Connection::open(home.database()).unwrap();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(newer);
    assert_eq!(home.refused(), StoreError::Newer { path: home.database(), found: 99, known: 21 });
}

#[test]
fn a_database_that_cannot_be_made_is_named_with_the_reason() {
    let home = Home::new();
    let nowhere = home.0.path().join("missing").join("lanyard.db");
    let Err(error) = Store::open(&nowhere, NOW) else { panic!("it was made") };
    let error = crate::api::ApiError::from(error);
    assert_eq!(error.code, crate::api::ErrorCode::Storage);
    assert!(error.message.contains(&nowhere.display().to_string()), "{error}");
    assert!(error.message.contains("No such file") || cfg!(not(unix)), "{error}");
}

#[tokio::test]
async fn damage_is_found_after_a_bad_end() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut bob = Pen::new(2, 5);
    let entries = (0..300).map(|n| received(&bob.say("tea? ".repeat(20).as_str(), at(n)))).collect();
    write(&store, entries).await.unwrap();
    assert_eq!(store.quick_check().await, Ok(()));
    store.close().await.unwrap();
    let mut bytes = fs::read(home.database()).unwrap();
    // The first pages, with the schema, stay whole; what came last does not.
    let end = bytes.len();
    bytes[end - 40 * 4096..end - 10 * 4096].fill(0x55);
    fs::write(home.database(), bytes).unwrap();
    let crashed = rusqlite::Connection::open(home.database()).unwrap();
    crashed.execute_batch("UPDATE node SET running = 1").unwrap();
    drop(crashed);
    let error = home.refused();
    assert!(matches!(&error, StoreError::Damaged { path, .. } if *path == home.database()), "{error}");
}

#[tokio::test]
async fn a_run_that_ends_well_leaves_no_log_and_no_mark() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    assert_eq!(home.peek::<i64>("SELECT running FROM node"), 1);
    store.close().await.unwrap();
    assert!(!home.0.path().join("lanyard.db-wal").exists());
    assert_eq!(home.peek::<i64>("SELECT running FROM node"), 0);
    assert_eq!(store.commit(vec![tea_room()]).await.unwrap_err(), StoreError::Closed);
    assert_eq!(store.peers().await, Err(StoreError::Closed));
    assert_eq!(store.close().await, Err(StoreError::Closed));
}

#[test]
fn every_table_is_strict_and_every_column_that_may_be_null_says_why() {
    let home = Home::new();
    let _store = home.open();
    let connection = rusqlite::Connection::open(home.database()).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.collect::<Result<_, _>>().unwrap()
    };
    // The search index is SQLite's own affair.
    let lax = names(
        "SELECT name FROM pragma_table_list
         WHERE NOT strict AND name NOT LIKE 'sqlite_%' AND name <> 'search' AND name NOT LIKE 'search_%'",
    );
    assert_eq!(lax, Vec::<String>::new());
    let schema = concat!(
        include_str!("../schema.sql"),
        include_str!("../intervals.sql"),
        include_str!("../schema_messages.sql"),
        include_str!("../private.sql"),
        include_str!("../copies.sql"),
        include_str!("../mailbox.sql"),
        include_str!("../own_logs.sql"),
        include_str!("../queue.sql"),
        include_str!("../parts.sql"),
        include_str!("../shares.sql"),
        include_str!("../gets.sql"),
        include_str!("../placed.sql"),
        include_str!("../choices.sql"),
        include_str!("../trust.sql"),
        include_str!("../clock.sql"),
        include_str!("../topics.sql"),
        include_str!("../notifications.sql"),
        include_str!("../interfaces.sql"),
        include_str!("../calls.sql")
    );
    let nullable = names(
        "SELECT c.name FROM pragma_table_list AS t JOIN pragma_table_info(t.name) AS c
         WHERE NOT c.\"notnull\" AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'search' AND t.name NOT LIKE 'search_%'
         ORDER BY c.name",
    );
    assert_eq!(
        nullable,
        [
            "accept_bytes",
            "apart_as",
            "asked",
            "at_once",
            "author",
            "before_block",
            "certain",
            "chosen",
            "cloned",
            "color",
            "color",
            "direct",
            "download_limit",
            "downloads",
            "emoji",
            "emoji",
            "expires",
            "failure",
            "finished",
            "folder",
            "history_bytes",
            "history_days",
            "hold",
            "hold_bytes",
            "inviter",
            "keep_days",
            "mentions",
            "microphone",
            "name",
            "people",
            "placed",
            "problem",
            "relay",
            "reply",
            "room",
            "secret",
            "seq",
            "sha256",
            "share",
            "share_to",
            "speaker",
            "text",
            "upload_limit",
            "verified_as",
            "witness_before"
        ]
    );
    for column in nullable {
        let lines: Vec<&str> = schema.lines().collect();
        let explained = lines.windows(2).any(|pair| {
            let defines = pair[1].trim_start().starts_with(&format!("{column} "))
                || pair[1].contains(&format!("ADD COLUMN {column} "));
            defines && pair[0].contains("NULL:")
        });
        assert!(explained, "{column}");
    }
}

#[tokio::test]
async fn an_older_database_goes_on_in_its_logs_unless_it_was_to_begin_others() {
    for renewed in [false, true] {
        let home = Home::new();
        let (store, _) = home.with_tea_room().await;
        let mut me = Pen::new(1, 77);
        write(&store, vec![own(&me.say("tea?", at(1)))]).await.unwrap();
        store.close().await.unwrap();
        home.undo_own_logs(77, renewed);
        let (store, loaded) = home.open();
        let [tea] = loaded.rooms.as_slice() else { panic!("one room: {:?}", loaded.rooms) };
        assert_eq!(tea.record.nonce == 77, !renewed);
        assert_eq!(tea.logs[0].newest, at(1));
        store.close().await.unwrap();
    }
}
