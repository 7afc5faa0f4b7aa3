//! What this device said: where the newest word of each message stands, for who holds a log that far has it.

use lanyard_proto::model::{EntryId, Hlc, LogId, PeerId, RoomId, Seq, UnixMillis};
use lanyard_proto::wire::entry::{Entry, log_id};
use rusqlite::{Connection, Row, params};

use super::columns::{array, unsigned};
use super::reader::collect;
use super::{Store, StoreError};

/// Where an entry stands: who holds the log as far as that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPosition {
    pub log: LogId,
    pub seq: Seq,
    /// When it was written, by its author's clock.
    pub at: UnixMillis,
}

/// A message of this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnMessage {
    pub id: EntryId,
    pub at: UnixMillis,
    /// What this device said of it last: itself, an edit, or that it is taken back.
    pub newest: LogPosition,
}

impl LogPosition {
    pub fn of(entry: &Entry) -> LogPosition {
        LogPosition { log: entry.log(), seq: entry.header.seq, at: entry.header.hlc.unix() }
    }
}

impl Store {
    /// The newest messages of one own log, newest first.
    pub async fn newest_sent(
        &self,
        room: RoomId,
        log: LogId,
        limit: u32,
    ) -> Result<Vec<OwnMessage>, StoreError> {
        let ask = move |connection: &Connection| {
            collect(connection, NEWEST_SENT, params![room.0, log.0, limit], |row| {
                let (id, author) = (EntryId(array(row, 0)?), PeerId(array(row, 1)?));
                Ok(OwnMessage { id, at: Hlc(unsigned(row, 2)?).unix(), newest: position(row, author, 3)? })
            })
        };
        self.reader.ask(ask).await
    }

    /// The newest messages of one log, newest first: their places in it and their ids.
    pub async fn newest_of(
        &self,
        room: RoomId,
        log: LogId,
        limit: u32,
    ) -> Result<Vec<(Seq, EntryId)>, StoreError> {
        let ask = move |connection: &Connection| {
            collect(connection, NEWEST_OF, params![room.0, log.0, limit], |row| {
                Ok((Seq(unsigned(row, 0)?), EntryId(array(row, 1)?)))
            })
        };
        self.reader.ask(ask).await
    }
}

/// Where an entry stands, from its nonce, number and place in this column and the next two.
pub(super) fn position(row: &Row, author: PeerId, column: usize) -> rusqlite::Result<LogPosition> {
    let log = log_id(author, u64::from_be_bytes(array(row, column)?));
    let (seq, at) = (Seq(unsigned(row, column + 1)?), Hlc(unsigned(row, column + 2)?).unix());
    Ok(LogPosition { log, seq, at })
}

/// A take-back is said later than an edit and means more.
pub(super) const NEWEST_SENT: &str = "SELECT entry.entry, entry.author, entry.place,
    coalesce(gone.nonce, edited.nonce, entry.nonce), coalesce(gone.seq, edited.seq, entry.seq),
    coalesce(gone.place, edited.place, entry.place)
    FROM entry
    LEFT JOIN mark AS gone ON gone.room = entry.room AND gone.target = entry.entry AND gone.kind = 3
    AND gone.whose = entry.author
    LEFT JOIN mark AS edited ON edited.room = entry.room AND edited.target = entry.entry AND edited.kind = 2
    AND edited.whose = entry.author
    WHERE entry.log = (SELECT log.id FROM log JOIN room ON room.id = log.room WHERE room.room = ? AND log = ?)
    AND entry.message = 1 ORDER BY entry.seq DESC LIMIT ?";

pub(super) const NEWEST_OF: &str = "SELECT seq, entry FROM entry
    WHERE log = (SELECT log.id FROM log JOIN room ON room.id = log.room WHERE room.room = ? AND log = ?)
    AND message = 1 ORDER BY seq DESC LIMIT ?";
