//! Stories of the store. What they share stands here: a home for a database, and a pen that writes a log.

mod arrivals;
mod clocks;
mod committing;
mod crashing;
mod history;
mod interfaces;
mod judging;
mod mailbox;
mod meaning;
mod notifications;
mod opening;
mod private;
mod pruning;
mod reading;
mod shares;
mod trust;

use std::path::PathBuf;
use std::sync::Arc;

use lanyard_proto::effects::{Loaded, Origin, PeerRecord, Record, RoomRecord, TransferRecord, Trust};
use lanyard_proto::identity::Identity;
use lanyard_proto::model::{EntryId, Hlc, PeerId, Platform, RoomId, Seq, Span, TransferId, UnixMillis};
use lanyard_proto::rooms::{Offer, RoomKind, kind};
use lanyard_proto::transfer::{Receipt, TransferState};
use lanyard_proto::wire::avatar::Avatar;
use lanyard_proto::wire::entry::{Entry, Header};

use super::{Store, StoreError};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const TEA: RoomId = RoomId([7; 32]);
/// Names this device's log in a room.
const MINE: u64 = 1;

/// A profile folder that is thrown away with it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("lanyard.db")
    }

    fn open(&self) -> (Store, Loaded) {
        Store::open(&self.database(), NOW).unwrap()
    }

    fn refused(&self) -> StoreError {
        match Store::open(&self.database(), NOW) {
            Ok(_) => panic!("the database was accepted"),
            Err(error) => error,
        }
    }

    /// A database with the room in it.
    async fn with_tea_room(&self) -> (Store, Loaded) {
        let (store, loaded) = self.open();
        write(&store, vec![tea_room()]).await.unwrap();
        (store, loaded)
    }

    /// Makes the database what it was before `own_logs.sql`: one nonce for all rooms.
    fn undo_own_logs(&self, nonce: u64, renewed: bool) {
        let older = rusqlite::Connection::open(self.database()).unwrap();
        older
            .execute_batch(&format!(
                "ALTER TABLE transfer DROP COLUMN paused;
                 ALTER TABLE transfer DROP COLUMN turn;
                 DROP INDEX transfer_over;
                 ALTER TABLE transfer DROP COLUMN finished;
                 CREATE INDEX transfer_over ON transfer (id) WHERE state >= 3;
                 ALTER TABLE setting DROP COLUMN upload_limit;
                 ALTER TABLE setting DROP COLUMN download_limit;
                 ALTER TABLE setting DROP COLUMN at_once;
                 ALTER TABLE setting DROP COLUMN relay;
                 ALTER TABLE setting DROP COLUMN emoji;
                 ALTER TABLE setting DROP COLUMN color;
                 ALTER TABLE peer DROP COLUMN emoji;
                 ALTER TABLE peer DROP COLUMN color;
                 ALTER TABLE node DROP COLUMN certain;
                 ALTER TABLE node ADD COLUMN nonce BLOB NOT NULL DEFAULT x'{nonce:016x}';
                 ALTER TABLE node ADD COLUMN renew_nonce INTEGER NOT NULL DEFAULT {};
                 ALTER TABLE room DROP COLUMN own_nonce;
                 ALTER TABLE log DROP COLUMN newest;
                 ALTER TABLE log DROP COLUMN closed;
                 ALTER TABLE transfer_note DROP COLUMN chosen;
                 ALTER TABLE transfer_note DROP COLUMN chosen_files;
                 ALTER TABLE transfer_note DROP COLUMN chosen_bytes;
                 ALTER TABLE transfer_note DROP COLUMN here;
                 ALTER TABLE transfer_note DROP COLUMN failed;
                 ALTER TABLE transfer_note DROP COLUMN asked;
                 ALTER TABLE transfer_note DROP COLUMN placed;
                 DROP TABLE share;
                 DROP TABLE acquaintance;
                 DROP INDEX peer_blocked;
                 ALTER TABLE transfer DROP COLUMN share;
                 ALTER TABLE transfer DROP COLUMN share_to;
                 DROP TABLE notification;
                 DROP TABLE room_notification;
                 DROP TABLE interface_choice;
                 ALTER TABLE setting DROP COLUMN microphone;
                 ALTER TABLE setting DROP COLUMN speaker;
                 PRAGMA user_version = 8",
                i32::from(renewed)
            ))
            .unwrap();
    }

    /// Looks at the database past the store.
    fn peek<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

/// Commits and waits until it is durable.
async fn write(store: &Store, records: Vec<Record>) -> Result<(), StoreError> {
    store.commit(records).await?.await
}

/// Writes one log, in the tea room if not said otherwise.
struct Pen {
    room: RoomId,
    identity: Identity,
    nonce: u64,
    head: Seq,
    head_id: [u8; 32],
}

impl Pen {
    fn new(seed: u8, nonce: u64) -> Pen {
        Pen::in_room(seed, nonce, TEA)
    }

    fn in_room(seed: u8, nonce: u64, room: RoomId) -> Pen {
        Pen { room, identity: Identity::from_seed(&[seed; 32]), nonce, head: Seq(0), head_id: [0; 32] }
    }

    fn peer(&self) -> PeerId {
        self.identity.peer_id()
    }

    fn say(&mut self, text: &str, hlc: Hlc) -> Arc<Entry> {
        self.write(kind::TEXT, text.as_bytes(), hlc)
    }

    fn write(&mut self, kind: u8, body: &[u8], hlc: Hlc) -> Arc<Entry> {
        let entry = Arc::new(self.draft(kind, body, hlc));
        (self.head, self.head_id) = (entry.header.seq, entry.id().0);
        entry
    }

    /// What would come next, without going on from there.
    fn draft(&self, kind: u8, body: &[u8], hlc: Hlc) -> Entry {
        let header = Header {
            room: self.room,
            author: self.peer(),
            nonce: self.nonce,
            epoch: 0,
            seq: self.head.next(),
            prev: self.head_id,
            hlc,
            deps: Vec::new(),
            kind,
        };
        Entry::write(&self.identity, header, body.to_vec())
    }
}

/// So many milliseconds after the beginning of the stories.
fn at(milliseconds: u64) -> Hlc {
    Hlc::at(UnixMillis(NOW.0 + milliseconds))
}

fn tea_room() -> Record {
    let room = RoomRecord { id: TEA, kind: RoomKind::Open, name: "tea".to_owned(), joined: NOW, nonce: MINE };
    Record::Room(room)
}

fn own(entry: &Arc<Entry>) -> Record {
    Record::Entry { room: TEA, entry: entry.clone(), own: true, arrived: NOW, theirs: None }
}

fn received(entry: &Arc<Entry>) -> Record {
    Record::Entry { room: TEA, entry: entry.clone(), own: false, arrived: NOW, theirs: None }
}

fn span(after: u64, to: u64) -> Span {
    Span { after: Seq(after), to: Seq(to) }
}

fn peer(name: &str) -> PeerRecord {
    PeerRecord {
        id: PeerId([2; 32]),
        name: name.to_owned(),
        platform: Platform::Macos,
        trust: Trust::Verified,
        first_seen: NOW,
        last_seen: UnixMillis(NOW.0 + 5),
        boot: u64::MAX,
        counter: 17,
        avatar: Avatar::new(7, "🦊"),
        addresses: vec!["192.168.1.7:24417".parse().unwrap(), "[fe80::1%3]:24417".parse().unwrap()],
    }
}

fn transfer(number: u8, from: PeerId, state: TransferState) -> TransferRecord {
    TransferRecord {
        id: TransferId([number; 16]),
        room: TEA,
        origin: Origin::Entry(EntryId([number; 32])),
        from,
        offer: Offer {
            names: vec!["Überblick.pdf".to_owned(), "a b".to_owned()],
            files: 2,
            folders: 1,
            bytes: 1 << 40,
            manifest: [number; 32],
        },
        state,
        offered: NOW,
        receipts: vec![
            (PeerId([9; 32]), Receipt::Received { digest: [8; 32] }),
            (PeerId([3; 32]), Receipt::Failed(lanyard_proto::transfer::Failure::Corrupt)),
            (PeerId([4; 32]), Receipt::Declined),
            (PeerId([5; 32]), Receipt::Cancelled),
            (PeerId([6; 32]), Receipt::Accepted(lanyard_proto::transfer::Delay::NoSpace)),
        ],
        paused: number == 2,
        turn: u64::from(number) << 40,
        finished: state.is_over().then_some(NOW),
    }
}
