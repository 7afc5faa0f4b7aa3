//! Begins a run: proves that the database is still this installation's, takes the run's number, loads what the node needs.

use std::path::Path;
use std::sync::Arc;

use lanyard_proto::effects::{Fork, Interval, Loaded, LoadedLog, LoadedRoom, RECENT_ENTRIES, TransferRecord};
use lanyard_proto::model::{Hlc, LogId, PeerId, Seq, Span, UnixMillis};
use lanyard_proto::rooms::RoomKind;
use lanyard_proto::transfer::{Receipt, TransferState};
use lanyard_proto::wire::entry::Entry;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::columns::{self, TRANSFER_COLUMNS, array, bits, unsigned};
use super::error::StoreError;
use super::history::{self, interval};
use super::witness::Witness;
use super::{Cursor, mailbox, private, prune, reader, schema};

/// Opens the database and begins a run. The connection writes with `synchronous=FULL`.
pub(super) fn begin_run(path: &Path, now: UnixMillis) -> Result<(Connection, Loaded), StoreError> {
    let mut connection = schema::open_for_writing(path)?;
    let before = Node::read(&connection).map_err(StoreError::opening(path))?;
    if before.as_ref().is_some_and(|node| node.running) {
        tracing::info!("the last run did not end well: checking the database");
        schema::quick_check(&connection).map_err(|error| error.locate(path))?;
    }
    let node = claim(&mut connection, path, before, now)?;
    let loaded = load(&connection, &node).map_err(|error| error.locate(path))?;
    Ok((connection, loaded))
}

/// The row of this installation.
struct Node {
    boot: u64,
    witness: Option<[u8; 32]>,
    witness_before: Option<[u8; 32]>,
    clock: Hlc,
    running: bool,
}

impl Node {
    /// `None` in a database that was just created.
    fn read(connection: &Connection) -> rusqlite::Result<Option<Node>> {
        connection
            .query_row("SELECT boot, witness, witness_before, clock, running FROM node", [], |row| {
                Ok(Node {
                    boot: unsigned(row, 0)?,
                    witness: row.get(1)?,
                    witness_before: row.get(2)?,
                    clock: Hlc(unsigned(row, 3)?),
                    running: row.get(4)?,
                })
            })
            .optional()
    }

    /// Whether the logs that this database wrote may go on.
    fn continues(&self, seen: Option<[u8; 32]>) -> bool {
        seen.is_some() && (self.witness == seen || self.witness_before == seen)
    }
}

/// Takes the next run's number, and begins other logs where these must not go on, durable in database and witness.
fn claim(
    connection: &mut Connection,
    path: &Path,
    before: Option<Node>,
    now: UnixMillis,
) -> Result<Node, StoreError> {
    let unusable = |error| schema::unusable(path, error);
    let witness = Witness::open(path).map_err(unusable)?;
    let seen = witness.proof();
    let mut witness = witness.renewed().map_err(unusable)?;
    let is_another = before.as_ref().is_some_and(|node| !node.continues(seen));
    let boot = before.as_ref().map_or(now.0, |node| now.0.max(node.boot.saturating_add(1)));
    let node = Node {
        boot,
        witness: witness.proof(),
        witness_before: seen,
        clock: before.as_ref().map_or(Hlc::default(), |node| node.clock),
        running: true,
    };
    // The database first: if the witness is not written after it, it still proves what it proved before.
    save(connection, &node, is_another).map_err(StoreError::opening(path))?;
    witness.write().map_err(unusable)?;
    if is_another {
        tracing::info!("this database is a copy, or was put back: it begins new logs");
    }
    Ok(node)
}

fn save(connection: &mut Connection, node: &Node, is_another: bool) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(
        "INSERT INTO node (one, boot, witness, witness_before, clock, running) VALUES (1, ?, ?, ?, ?, ?)
         ON CONFLICT (one) DO UPDATE SET boot = excluded.boot, witness = excluded.witness,
         witness_before = excluded.witness_before, clock = excluded.clock, running = excluded.running",
        params![bits(node.boot), node.witness, node.witness_before, bits(node.clock.0), node.running,],
    )?;
    if is_another {
        transaction.execute("UPDATE room SET own_nonce = randomblob(8)", [])?;
    }
    transaction.execute("INSERT INTO setting (one, named) VALUES (1, 0) ON CONFLICT (one) DO NOTHING", [])?;
    transaction.commit()
}

fn load(connection: &Connection, node: &Node) -> Result<Loaded, StoreError> {
    Ok(Loaded {
        boot: node.boot,
        clock: node.clock,
        latest: latest(connection)?,
        certain: certain(connection)?,
        cloned: cloned(connection)?,
        rooms: rooms(connection)?,
        peers: reader::peers(connection)?,
        transfers: transfers(connection)?,
        mail: mailbox::load(connection)?,
    })
}

fn rooms(connection: &Connection) -> Result<Vec<LoadedRoom>, StoreError> {
    let mut statement = connection
        .prepare("SELECT room, direct, name, joined, id, private, own_nonce FROM room ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((columns::room(row)?, row.get::<_, i64>(4)?)))?;
    rows.map(|row| {
        let (record, id) = row?;
        let logs = logs(connection, id)?;
        let covered = covered(connection, id)?;
        let forked = forked(connection, id)?;
        let private = record.kind == RoomKind::Private;
        let private = private.then(|| private::load(connection, id, record.id)).transpose()?;
        Ok(LoadedRoom { record, logs, forked, covered, recent: recent(connection, id)?, private })
    })
    .collect()
}

fn logs(connection: &Connection, room: i64) -> rusqlite::Result<Vec<LoadedLog>> {
    let mut statement = connection.prepare_cached(
        "SELECT base, base_id, head, head_id, author, nonce, floor, id, coalesce((SELECT place FROM entry
         WHERE log = log.id AND seq = base + 1), 0), newest FROM log WHERE room = ? AND closed = 0 ORDER BY id",
    )?;
    let mut older = connection.prepare_cached(history::OLDER)?;
    let rows = statement.query_map([room], |row| {
        let mut intervals: Vec<Interval> =
            older.query_map([row.get::<_, i64>(7)?], interval)?.collect::<Result<_, _>>()?;
        intervals.push(interval(row)?);
        Ok(LoadedLog {
            author: PeerId(array(row, 4)?),
            nonce: u64::from_be_bytes(array(row, 5)?),
            intervals,
            floor: Seq(unsigned(row, 6)?),
            oldest: Hlc(unsigned(row, 8)?),
            newest: Hlc(unsigned(row, 9)?),
        })
    })?;
    rows.collect()
}

fn forked(connection: &Connection, room: i64) -> rusqlite::Result<Vec<Fork>> {
    let mut statement =
        connection.prepare_cached("SELECT log, author, seq FROM fork WHERE room = ? ORDER BY log")?;
    let rows = statement.query_map([room], |row| {
        let author: Option<[u8; 32]> = row.get(1)?;
        let from: Option<i64> = row.get(2)?;
        let log = LogId(array(row, 0)?);
        Ok(Fork { log, author: author.map(PeerId), from: from.map(|from| Seq(from as u64)) })
    })?;
    rows.collect()
}

/// The latest time at which anything stands.
fn latest(connection: &Connection) -> rusqlite::Result<UnixMillis> {
    let place: Option<i64> = connection.query_row(
        "SELECT max(place) FROM (SELECT (SELECT max(place) FROM entry WHERE entry.room = room.id) AS place FROM room)",
        [],
        |row| row.get(0),
    )?;
    Ok(place.map_or(UnixMillis(0), |place| Hlc(place.cast_unsigned()).unix()))
}

/// The latest time that was certain, where any was written down.
fn certain(connection: &Connection) -> rusqlite::Result<Option<UnixMillis>> {
    let certain: Option<i64> = connection.query_row(prune::CERTAIN, [], |row| row.get(0))?;
    Ok(certain.map(|certain| UnixMillis(certain.cast_unsigned())))
}

/// Since when a copy of this device is known of.
fn cloned(connection: &Connection) -> rusqlite::Result<Option<UnixMillis>> {
    let since: Option<i64> = connection.query_row("SELECT cloned FROM node", [], |row| row.get(0))?;
    Ok(since.map(|since| UnixMillis(since as u64)))
}

/// Of all of this device's logs.
fn covered(connection: &Connection, room: i64) -> rusqlite::Result<Vec<(PeerId, LogId, Span)>> {
    let mut statement = connection
        .prepare_cached("SELECT peer, log, base, seq FROM covered WHERE room = ? ORDER BY peer, log")?;
    let rows = statement.query_map([room], |row| {
        let held = Span { after: Seq(unsigned(row, 2)?), to: Seq(unsigned(row, 3)?) };
        Ok((PeerId(array(row, 0)?), LogId(array(row, 1)?), held))
    })?;
    rows.collect()
}

/// Oldest first.
fn recent(connection: &Connection, room: i64) -> Result<Vec<Arc<Entry>>, StoreError> {
    let mut newest = Vec::new();
    for message in [false, true] {
        let mut statement = connection.prepare_cached(reader::RECENT)?;
        let mut rows = statement.query(params![room, message, RECENT_ENTRIES as i64])?;
        while let Some(row) = rows.next()? {
            let entry = reader::entry_from(row, 0)?;
            newest.push((Cursor::at_place(&entry.header, Hlc(unsigned(row, 1)?)), entry));
        }
    }
    newest.sort_by_key(|(cursor, _)| *cursor);
    let surplus = newest.len().saturating_sub(RECENT_ENTRIES);
    Ok(newest.drain(surplus..).map(|(_, entry)| entry).collect())
}

/// Those that may still go on, in the order in which they were heard of. What failed, or was declined or cancelled, can be
/// accepted after all, and then its sender is told of it. What others offered and is here is given on.
fn transfers(connection: &Connection) -> Result<Vec<TransferRecord>, StoreError> {
    let mut own = connection.prepare("SELECT DISTINCT author FROM log WHERE own = 1")?;
    let own: Vec<PeerId> = own.query_map([], |row| row.get(0).map(PeerId))?.collect::<Result<_, _>>()?;
    let mut statement = connection.prepare(&format!(
        "SELECT {TRANSFER_COLUMNS}, (SELECT direct IS NOT NULL FROM room WHERE room.room = transfer.room),
         EXISTS (SELECT 1 FROM transfer_note AS note
             WHERE note.transfer = transfer.transfer AND note.chosen IS NOT NULL)
         FROM transfer WHERE state < 3 OR id IN
         (SELECT id FROM transfer WHERE state >= 3 ORDER BY finished DESC, id DESC LIMIT ?) ORDER BY id DESC"
    ))?;
    let mut rows = statement.query([MAX_OVER])?;
    let (mut transfers, mut offers, mut shared) = (Vec::new(), 0, 0);
    while let Some(row) = rows.next()? {
        let transfer = columns::transfer(row)?;
        let direct: Option<bool> = row.get(18)?;
        let mine = own.contains(&transfer.from);
        // Of what was fetched in part the rest may be wanted.
        let part = row.get(19)? || transfer.receipts.iter().any(|(_, said)| matches!(said, Receipt::Part(_)));
        let is_wanted = match transfer.state {
            // What was taken of shared folders has bounds of its own, and is given no longer once it is over.
            TransferState::Offered if mine && transfer.share().is_some() => true,
            TransferState::Cancelled if mine && transfer.share().is_some() => false,
            TransferState::Offered if mine => {
                offers += 1;
                offers <= MAX_OWN_OFFERS
            }
            TransferState::Done if part => true,
            TransferState::Done => {
                let given = !mine && direct == Some(false);
                shared += usize::from(given);
                given && shared <= MAX_SHARED
            }
            TransferState::Cancelled => {
                !transfer.is_withdrawn() && (!mine || direct == Some(true) && is_asked(&transfer))
            }
            _ => true,
        };
        if is_wanted {
            transfers.push(transfer);
        }
    }
    transfers.reverse();
    Ok(transfers)
}

/// Whether an own offer was cancelled by whoever it was for. Earlier versions did not note that it was taken back.
fn is_asked(offer: &TransferRecord) -> bool {
    offer.receipts.iter().any(|(_, receipt)| *receipt == Receipt::Cancelled)
}

/// Offers of others that are whole here and are given on after a start.
const MAX_SHARED: usize = 32;

/// This device's own offers that can still be fetched after a start; each costs the engine a look at its files.
const MAX_OWN_OFFERS: usize = 200;

/// The newest transfers that are over, among which are those that were declined or failed. As many are listed.
const MAX_OVER: i64 = 200;
