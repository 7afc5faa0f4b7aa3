use lanyard_proto::effects::LoadedPrivate;
use lanyard_proto::model::{Hlc, SecretKey};
use lanyard_proto::rooms::{Invite, Standing, Why};
use zeroize::Zeroizing;

use super::super::{Limits, private};
use super::*;

fn board() -> Vec<Record> {
    let room =
        RoomRecord { id: TEA, kind: RoomKind::Private, name: "Board".to_owned(), joined: NOW, nonce: MINE };
    vec![Record::Room(room)]
}

fn key(epoch: u32, n: u8) -> Record {
    Record::Key { room: TEA, epoch, key: SecretKey(Zeroizing::new([n; 32])) }
}

fn standing(standing: Standing) -> Record {
    Record::Standing { room: TEA, standing }
}

fn loaded(home: &Home) -> LoadedPrivate {
    let (_, loaded) = home.open();
    assert_eq!(loaded.rooms[0].record.kind, RoomKind::Private);
    loaded.rooms[0].private.clone().expect("it is private")
}

#[tokio::test]
async fn how_we_stand_to_a_private_room_and_its_keys_are_there_after_a_restart() {
    let home = Home::new();
    let (store, _) = home.open();
    let mut records = board();
    records.extend([key(0, 1), key(u32::MAX, 2), key(0, 3), key(0, 1)]);
    write(&store, records).await.unwrap();
    store.close().await.unwrap();
    let private = loaded(&home);
    assert_eq!(private.standing, Standing::Inside);
    let keys: Vec<_> = private.keys.iter().map(|(epoch, key)| (*epoch, key.0[0])).collect();
    assert_eq!(keys, [(0, 1), (0, 3), (u32::MAX, 2)]);

    let (store, _) = home.open();
    let Record::Key { room, epoch, key } = key(0, 1) else { unreachable!("it is one") };
    write(&store, vec![Record::KeyGone { room, epoch, key }]).await.unwrap();
    store.close().await.unwrap();
    let keys: Vec<_> = loaded(&home).keys.iter().map(|(epoch, key)| (*epoch, key.0[0])).collect();
    assert_eq!(keys, [(0, 3), (u32::MAX, 2)]);

    let expires = UnixMillis(u64::MAX);
    let invite = Invite { room: TEA, secret: [5; 16], inviter: PeerId([6; 32]), expires };
    let all = [
        Standing::Joining(invite),
        Standing::Refused(Why::Expired),
        Standing::Refused(Why::Revoked),
        Standing::Leaving,
        Standing::Inside,
    ];
    for one in all {
        let (store, _) = home.open();
        write(&store, vec![standing(one.clone())]).await.unwrap();
        store.close().await.unwrap();
        assert_eq!(loaded(&home).standing, one);
    }
}

#[tokio::test]
async fn what_says_who_is_in_outlives_the_history_it_stood_in() {
    let home = Home::new();
    let (store, _) = home.open();
    let mut ann = Pen::new(1, 1);
    let entries = [kind::GENESIS, kind::TEXT, kind::ADD, kind::GRANT, kind::TEXT]
        .map(|kind| ann.write(kind, b"sealed", at(5)));
    let mut records = board();
    records.extend(entries.iter().map(own));
    records.push(Record::Forget { room: TEA, log: entries[0].log(), to: Seq(4) });
    write(&store, records).await.unwrap();
    store.close().await.unwrap();
    let mut kinds: Vec<u8> = loaded(&home).deeds.iter().map(|deed| deed.header.kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [kind::GENESIS, kind::ADD, kind::GRANT]);
}

#[tokio::test]
async fn of_a_room_that_was_left_no_key_stays() {
    let home = Home::new();
    let (store, _) = home.open();
    let mut ann = Pen::new(1, 1);
    let mut records = board();
    records.extend([key(0, 1), standing(Standing::Leaving), own(&ann.write(kind::ADD, b"sealed", at(1)))]);
    write(&store, records).await.unwrap();
    write(&store, vec![Record::RoomLeft(TEA)]).await.unwrap();
    store.close().await.unwrap();
    for table in ["room_key", "standing", "deed"] {
        assert_eq!(home.peek::<i64>(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
}

#[tokio::test]
async fn entries_whose_key_comes_later_are_found_by_their_epoch() {
    let home = Home::new();
    let (store, _) = home.open();
    write(&store, board()).await.unwrap();
    let mut pen = Pen::new(1, 1);
    let mut written = Vec::new();
    for n in 0..600u64 {
        let mut draft = pen.draft(kind::TEXT, b"sealed", Hlc(n));
        draft.header.epoch = (n % 2) as u32 + 255;
        let entry = Arc::new(Entry::write(&pen.identity, draft.header, draft.body));
        (pen.head, pen.head_id) = (entry.header.seq, entry.id().0);
        written.push(entry);
    }
    write(&store, written.iter().map(received).collect()).await.unwrap();
    let (mut found, mut after) = (Vec::new(), 0);
    while let (part, Some(last)) = store.of_epoch(TEA, 256, after).await.unwrap() {
        found.extend(part.into_iter().map(|(entry, _)| entry));
        after = last;
    }
    let expected: Vec<_> = written.into_iter().filter(|entry| entry.header.epoch == 256).collect();
    assert_eq!((found.len(), found == expected), (300, true));
    let connection = rusqlite::Connection::open(home.database()).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", private::OF_EPOCH)).unwrap();
    let plan = statement
        .query_map([None::<i64>, None, None, None], |row| row.get::<_, String>(3))
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap()
        .join("\n");
    assert!(!plan.contains("SCAN entry"), "{plan}");
}

#[tokio::test]
async fn of_a_private_room_what_people_said_is_given_up_and_who_is_in_is_not() {
    let home = Home::new();
    let (store, _) = home.open();
    let mut ann = Pen::new(1, 1);
    let kinds = [kind::GENESIS, kind::TEXT, kind::ADD, kind::TEXT, kind::GRANT, kind::TEXT, kind::TEXT];
    let entries = kinds.map(|kind| ann.write(kind, b"sealed", at(5)));
    let mut records = board();
    records.push(key(0, 1));
    records.extend(entries.iter().map(received));
    write(&store, records).await.unwrap();
    let limits = Limits {
        days: 0,
        most_days: None,
        bytes: 0,
        now: NOW,
        borne_out: true,
        by_known: true,
        ran: std::time::Duration::ZERO,
    };
    while store.prune(limits).await.unwrap().more {}
    assert_eq!(home.peek::<i64>("SELECT count(*) FROM entry"), 0);
    let now = UnixMillis(NOW.0 + 3 * 24 * 3_600_000);
    let before = Limits { days: 1, bytes: u64::MAX, now, ..limits };
    write(&store, vec![received(&ann.write(kind::TEXT, b"sealed", at(6)))]).await.unwrap();
    while store.prune(before).await.unwrap().more {}
    assert_eq!(home.peek::<i64>("SELECT count(*) FROM entry"), 0, "by age as well");
    let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id()).collect();
    let (given, looked) = store.deeds(TEA, ids.clone(), 1 << 20).await.unwrap();
    let expected: Vec<_> = [0, 2, 4].map(|at: usize| entries[at].encode_in_room()).into();
    assert_eq!((given, looked), (expected.clone(), ids.len()), "in the order in which they are asked for");
    let (given, looked) = store.deeds(TEA, ids, 1).await.unwrap();
    assert_eq!((given, looked), (expected[..1].to_vec(), 2), "one at least; the rest is asked for again");
    let elsewhere = store.deeds(RoomId([9; 32]), vec![entries[0].id()], 1 << 20).await.unwrap();
    assert_eq!(elsewhere, (vec![], 1), "the deeds of a room are nobody's elsewhere");
    store.close().await.unwrap();
    let private = loaded(&home);
    assert_eq!((private.deeds.len(), private.keys.len()), (3, 1));
}

#[tokio::test]
async fn a_deed_that_came_without_its_log_stays_until_it_is_let_go() {
    let home = Home::new();
    let (store, _) = home.open();
    let mut pen = Pen::new(2, 7);
    let deeds: Vec<_> = (0..3).map(|n| pen.write(kind::ADD, b"sealed", at(n))).collect();
    let mut records = board();
    records.extend(deeds.iter().map(|entry| Record::Deed { room: TEA, entry: entry.clone() }));
    records.push(Record::Deed { room: TEA, entry: deeds[0].clone() });
    records.push(Record::DeedsGone { room: TEA, entries: vec![deeds[1].id(), EntryId([9; 32])] });
    write(&store, records).await.unwrap();
    store.close().await.unwrap();
    let mut expected = vec![deeds[0].clone(), deeds[2].clone()];
    expected.sort_by_key(|entry| entry.id());
    assert_eq!(loaded(&home).deeds, expected);
    assert_eq!(home.peek::<i64>("SELECT count(*) FROM log"), 0, "and is no part of a log");
}

#[test]
fn a_deed_is_found_by_its_id_alone() {
    let home = Home::new();
    drop(home.open());
    let connection = rusqlite::Connection::open(home.database()).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", private::DEED)).unwrap();
    let plan = statement.query_map([None::<i64>, None], |row| row.get::<_, String>(3)).unwrap();
    let plan = plan.collect::<Result<Vec<_>, _>>().unwrap().join("\n");
    assert!(plan.contains("SEARCH deed USING PRIMARY KEY") && !plan.contains("SCAN"), "{plan}");
}
