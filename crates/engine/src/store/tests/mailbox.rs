use lanyard_proto::effects::{HeldEntry, KeptBy, LoadedBundle, LoadedMail, Stock};
use lanyard_proto::model::LogId;
use lanyard_proto::wire::mail::Receipt;

use super::*;

const BOB: PeerId = PeerId([2; 32]);
/// A conversation of others: none of this device's rooms.
const THEIRS: RoomId = RoomId([8; 32]);

fn hold(entries: &[Arc<Entry>], arrived: UnixMillis) -> Record {
    Record::Hold { recipient: BOB, entries: entries.to_vec(), arrived }
}

fn unhold(log: LogId, to: u64) -> Record {
    Record::Unhold { room: THEIRS, log, to: Seq(to) }
}

fn loaded(home: &Home) -> LoadedMail {
    home.open().1.mail
}

fn seqs(entries: &[Arc<Entry>]) -> Vec<u64> {
    entries.iter().map(|entry| entry.header.seq.0).collect()
}

#[tokio::test]
async fn what_is_kept_for_others_is_there_after_a_restart_and_goes_as_it_is_taken() {
    let home = Home::new();
    let (store, fresh) = home.open();
    assert!(fresh.mail.held.is_empty());
    let mut ann = Pen::in_room(1, 5, THEIRS);
    let entries: Vec<_> = (0..6).map(|n| ann.say("sealed", at(n))).collect();
    let log = entries[0].log();
    let later = UnixMillis(NOW.0 + 1);
    write(&store, vec![hold(&entries[..4], NOW)]).await.unwrap();
    write(&store, vec![hold(&entries[4..], later)]).await.unwrap();
    write(&store, vec![unhold(log, 2), unhold(LogId([9; 8]), 7)]).await.unwrap();
    store.close().await.unwrap();
    let entry = |n: usize, arrived| {
        let (seq, bytes) = (entries[n].header.seq, entries[n].len_in_room() as u64);
        HeldEntry { seq, bytes, arrived }
    };
    let bundle = LoadedBundle {
        room: THEIRS,
        log,
        author: ann.peer(),
        recipient: BOB,
        head_id: entries[5].id(),
        entries: vec![entry(2, NOW), entry(3, NOW), entry(4, later), entry(5, later)],
    };
    assert_eq!(loaded(&home).held, [bundle]);

    let (store, _) = home.open();
    write(&store, vec![unhold(log, 6)]).await.unwrap();
    // It begins anew behind a gap.
    let _ = ann.say("not kept", at(9));
    let again = ann.say("kept", at(10));
    write(&store, vec![hold(&[again], NOW)]).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(loaded(&home).held[0].entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), [8]);
    let (store, _) = home.open();
    write(&store, vec![unhold(log, 8)]).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(home.peek::<i64>("SELECT (SELECT count(*) FROM held) + (SELECT count(*) FROM held_entry)"), 0);
}

#[tokio::test]
async fn entries_are_collected_from_their_beginning_as_many_as_fit() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let mut theirs = Pen::in_room(1, 5, THEIRS);
    let mut own = Pen::new(3, 6);
    let kept: Vec<_> = (0..9).map(|n| theirs.say("sealed", at(n))).collect();
    let said: Vec<_> = (0..9).map(|n| own.say("sealed", at(n))).collect();
    let mut records = vec![hold(&kept, NOW)];
    records.extend(said.iter().map(super::own));
    write(&store, records).await.unwrap();
    let size = kept[0].len_in_room();
    for (stock, room, log) in [(Stock::Mailbox, THEIRS, kept[0].log()), (Stock::Room, TEA, said[0].log())] {
        let collect = async |from: u64, to: u64, bytes| {
            seqs(&store.collect(stock, room, log, span(from, to), bytes).await.unwrap())
        };
        assert_eq!(collect(0, u64::MAX, 1 << 20).await, (1..=9).collect::<Vec<_>>());
        assert_eq!(collect(2, 7, 3 * size).await, [3, 4, 5]);
        assert_eq!(collect(2, 4, 1 << 20).await, [3, 4]);
        assert_eq!(collect(4, 9, 1).await, [5], "one at least");
        assert_eq!(collect(9, 20, 1 << 20).await, Vec::<u64>::new());
    }
    // Neither is the other.
    let stray = store.collect(Stock::Room, THEIRS, kept[0].log(), span(0, 9), 1 << 20).await.unwrap();
    assert_eq!(seqs(&stray), Vec::<u64>::new());
}

#[tokio::test]
async fn receipts_and_the_word_of_holders_are_there_after_a_restart_in_their_newest_form() {
    let home = Home::new();
    let (store, _) = home.with_tea_room().await;
    let log = LogId([4; 8]);
    let receipt = |to| Receipt { span: span(1, to), signature: [to as u8; 64] };
    let taken = |log, to, at| Record::Taken { room: THEIRS, log, taken: receipt(to), at: UnixMillis(at) };
    let kept = |n: u8, to, at| KeptBy {
        room: TEA,
        holder: PeerId([n; 32]),
        log,
        held: span(0, to),
        at: UnixMillis(at),
    };
    write(
        &store,
        vec![
            taken(log, 3, 1),
            taken(log, 9, 2),
            taken(LogId([5; 8]), 4, 7),
            taken(LogId([6; 8]), 4, 8),
            Record::TakenForgotten { room: THEIRS, log: LogId([6; 8]) },
            Record::Kept(kept(1, 3, 1)),
            Record::Kept(kept(1, 5, 2)),
            Record::Kept(kept(2, 5, 2)),
            Record::Kept(kept(3, 4, 3)),
            Record::Kept(kept(2, 0, 4)),
            // Of a room that was left meanwhile there is nothing to keep.
            Record::Kept(KeptBy { room: THEIRS, ..kept(1, 3, 1) }),
            Record::Outlast,
        ],
    )
    .await
    .unwrap();
    store.close().await.unwrap();
    let mail = loaded(&home);
    let newest =
        [(THEIRS, LogId([5; 8]), receipt(4), UnixMillis(7)), (THEIRS, log, receipt(9), UnixMillis(2))];
    assert_eq!(mail.taken, newest);
    assert_eq!(mail.kept, [kept(1, 5, 2), kept(3, 4, 3)]);

    let (store, _) = home.open();
    write(&store, vec![Record::RoomLeft(TEA)]).await.unwrap();
    store.close().await.unwrap();
    assert!(loaded(&home).kept.is_empty());
}
