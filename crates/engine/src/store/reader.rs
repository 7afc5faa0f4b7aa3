//! The thread that owns the reading connection, and what it can be asked.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use lanyard_proto::effects::PeerRecord;
use lanyard_proto::model::{Hlc, LogId, PeerId, RoomId, Seq, TransferId};
use lanyard_proto::wire::entry::{Entry, without_room};
use rusqlite::{Connection, Params, Row, params};
use tokio::sync::{mpsc, oneshot};

use super::columns::{self, PEER_COLUMNS, TRANSFER_COLUMNS, array, bits, unsigned};
use super::error::StoreError;
use super::{Chosen, Cursor, NotedTransfer, Settings, TransferNote, schema};
use crate::saying::Filling;

/// Reaches the reading thread.
#[derive(Clone)]
pub(super) struct Reader {
    path: Arc<Path>,
    requests: mpsc::Sender<Request>,
}

enum Request {
    Ask(Box<dyn FnOnce(&Connection) + Send>),
    Close(oneshot::Sender<()>),
}

impl Reader {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(super) fn start(path: &Path, connection: Connection) -> Result<Reader, StoreError> {
        let (requests, queue) = mpsc::channel(QUEUE);
        thread::Builder::new()
            .name("store-reader".to_owned())
            .spawn(move || run(connection, queue))
            .map_err(|error| schema::unusable(path, error))?;
        Ok(Reader { path: path.into(), requests })
    }

    /// Answers a question on the reading thread.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let ask = Request::Ask(Box::new(move |connection| {
            // An error only says that nobody waits for it.
            let _ = answer.send(at_one_moment(connection, question));
        }));
        self.requests.send(ask).await.map_err(|_| StoreError::Closed)?;
        let answer = answered.await.unwrap_or(Err(StoreError::Closed));
        answer.map_err(|error| error.locate(&self.path))
    }

    /// Ends the thread behind everything that was asked before.
    pub(super) async fn close(&self) {
        let (closed, end) = oneshot::channel();
        if self.requests.send(Request::Close(closed)).await.is_ok() {
            // An error only says that it ended in another way meanwhile.
            let _ = end.await;
        }
    }
}

/// Answers from one state of the database, whatever is written meanwhile; and it is locked once, not for each statement.
fn at_one_moment<T>(
    connection: &Connection,
    question: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let answer = question(connection);
    connection.prepare_cached("COMMIT")?.execute([])?;
    answer
}

fn run(connection: Connection, mut queue: mpsc::Receiver<Request>) {
    while let Some(request) = queue.blocking_recv() {
        match request {
            Request::Ask(question) => question(&connection),
            Request::Close(closed) => {
                drop(connection);
                // An error only says that nobody waits for it.
                let _ = closed.send(());
                return;
            }
        }
    }
}

/// Consecutive entries of one log in their encoding, and where they begin.
type Encoded = (Seq, Vec<Vec<u8>>);

pub(super) fn stretch(
    connection: &Connection,
    room: RoomId,
    log: LogId,
    seqs: RangeInclusive<Seq>,
    max_bytes: usize,
) -> Result<Option<Encoded>, StoreError> {
    // No log is longer than SQLite can count, so a larger number only means "to its end".
    let bound = |seq: Seq| i64::try_from(seq.0).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(STRETCH)?;
    let mut rows = statement.query(params![room.0, log.0, bound(*seqs.start()), bound(*seqs.end())])?;
    let (mut stretch, mut bytes): (Option<Encoded>, usize) = (None, 0);
    while let Some(row) = rows.next()? {
        let seq = Seq(unsigned(row, 0)?);
        let stored = row.get_ref(1)?.as_blob().map_err(|_| StoreError::unreadable("an entry"))?;
        let entry = without_room(stored).ok_or_else(|| StoreError::unreadable("an entry"))?;
        bytes += entry.len();
        let Some((first, entries)) = &mut stretch else {
            stretch = Some((seq, vec![entry]));
            continue;
        };
        if seq.next() != *first || bytes > max_bytes {
            break;
        }
        *first = seq;
        entries.push(entry);
    }
    if let Some((_, entries)) = &mut stretch {
        entries.reverse();
    }
    Ok(stretch)
}

/// The entry at a place of a log.
pub(super) fn entry_at(
    connection: &Connection,
    room: RoomId,
    log: LogId,
    seq: Seq,
) -> Result<Option<Arc<Entry>>, StoreError> {
    let mut statement = connection.prepare_cached(STRETCH)?;
    let mut rows = statement.query(params![room.0, log.0, bits(seq.0), bits(seq.0)])?;
    rows.next()?.map(|row| entry_from(row, 1)).transpose()
}

pub(super) fn finished_transfers(
    connection: &Connection,
    limit: u32,
) -> Result<Vec<NotedTransfer>, StoreError> {
    let sql = format!("{} {FINISHED}", noted_transfers());
    collect(connection, &sql, [i64::from(limit)], noted_transfer)
}

pub(super) fn transfer(connection: &Connection, id: TransferId) -> Result<Option<NotedTransfer>, StoreError> {
    let sql = format!("{} {BY_ID}", noted_transfers());
    Ok(collect(connection, &sql, [id.0], noted_transfer)?.pop())
}

pub(super) fn peers(connection: &Connection) -> Result<Vec<PeerRecord>, StoreError> {
    collect(connection, &format!("SELECT {PEER_COLUMNS} FROM peer ORDER BY peer"), [], columns::peer)
}

pub(super) fn settings(connection: &Connection) -> Result<Settings, StoreError> {
    let sql = "SELECT name, downloads, named, history_days, history_bytes, hold, hold_bytes, \
               upload_limit, download_limit, at_once, relay, color, emoji, microphone, speaker FROM setting";
    Ok(connection.query_row(sql, [], |row| {
        let (downloads, bytes): (Option<Vec<u8>>, Option<i64>) = (row.get(1)?, row.get(4)?);
        let bytes_at = |at| row.get::<_, Option<i64>>(at).map(|bytes| bytes.map(i64::cast_unsigned));
        Ok(Settings {
            name: row.get(0)?,
            downloads: downloads.map(columns::path),
            named: row.get(2)?,
            history_days: row.get(3)?,
            history_bytes: bytes.map(i64::cast_unsigned),
            hold: row.get(5)?,
            hold_bytes: bytes_at(6)?,
            upload_limit: bytes_at(7)?,
            download_limit: bytes_at(8)?,
            at_once: row.get(9)?,
            relay: row.get(10)?,
            avatar: columns::avatar(row, 11)?,
            microphone: row.get(13)?,
            speaker: row.get(14)?,
        })
    })?)
}

pub(super) fn collect<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        values.push(read(row)?);
    }
    Ok(values)
}

pub(super) fn entry_from(row: &Row, at: usize) -> Result<Arc<Entry>, StoreError> {
    let bytes = row.get_ref(at)?.as_blob().map_err(|_| StoreError::unreadable("an entry"))?;
    Entry::from_store(bytes).map(Arc::new).map_err(|_| StoreError::unreadable("an entry"))
}

pub(super) fn cursor(row: &Row) -> rusqlite::Result<Cursor> {
    Ok(Cursor {
        place: Hlc(unsigned(row, 0)?),
        author: PeerId(array(row, 1)?),
        seq: Seq(unsigned(row, 2)?),
        nonce: u64::from_be_bytes(array(row, 3)?),
    })
}

/// To be followed by [`FINISHED`], [`BY_ID`] or another question of that kind.
pub(super) fn noted_transfers() -> String {
    format!(
        "SELECT {TRANSFER_COLUMNS}, folder, sha256, coalesce(moved, 0), problem,
         chosen, coalesce(chosen_files, 0), coalesce(chosen_bytes, 0), coalesce(here, 0), coalesce(failed, 0),
         asked, placed
         FROM transfer LEFT JOIN transfer_note ON transfer_note.transfer = transfer.transfer"
    )
}

pub(super) fn noted_transfer(row: &Row) -> Result<NotedTransfer, StoreError> {
    let folder: Option<Vec<u8>> = row.get(18)?;
    let note = TransferNote {
        folder: folder.map(columns::path),
        sha256: row.get(19)?,
        moved: unsigned(row, 20)?,
        problem: row.get::<_, Option<String>>(21)?.map(Filling::from_column),
        chosen: match row.get::<_, Option<Vec<u8>>>(22)? {
            Some(items) => Some(Chosen { items, files: unsigned(row, 23)?, bytes: unsigned(row, 24)? }),
            None => None,
        },
        here: unsigned(row, 25)?,
        failed: unsigned(row, 26)?,
        // Paths that cannot be read any more are asked for by hand.
        asked: row.get::<_, Option<Vec<u8>>>(27)?.and_then(|paths| minicbor::decode(&paths).ok()),
        placed: row
            .get::<_, Option<Vec<u8>>>(28)?
            .and_then(|names| minicbor::decode(&names).ok())
            .unwrap_or_default(),
    };
    Ok(NotedTransfer { record: columns::transfer(row)?, note })
}

/// Questions that may wait. Each takes about a millisecond, so a longer queue would only hide a stall.
const QUEUE: usize = 256;

pub(super) const RECENT: &str = "SELECT bytes, place FROM entry WHERE room = ? AND message = ?
    ORDER BY place DESC, author DESC, seq DESC, nonce DESC LIMIT ?";

pub(super) const STRETCH: &str = "SELECT seq, bytes FROM entry
    WHERE log = (SELECT log.id FROM log JOIN room ON room.id = log.room WHERE room.room = ? AND log = ?)
    AND seq BETWEEN ? AND ? ORDER BY seq DESC";

pub(super) const FINISHED: &str = "WHERE state >= 3 ORDER BY finished DESC, transfer.id DESC LIMIT ?";

pub(super) const BY_ID: &str = "WHERE transfer.transfer = ?";
