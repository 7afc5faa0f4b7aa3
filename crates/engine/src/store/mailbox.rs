//! Mail in the database: what is kept for others, what they signed to have, and who keeps what this device wrote.

use std::sync::Arc;

use lanyard_proto::effects::{HeldEntry, KeptBy, LoadedBundle, LoadedMail};
use lanyard_proto::model::{LogId, PeerId, RoomId, Seq, Span, UnixMillis};
use lanyard_proto::wire::entry::Entry;
use lanyard_proto::wire::mail::Receipt;
use rusqlite::{Connection, Row, Transaction, params};

use super::columns::{array, bits, unsigned};
use super::error::StoreError;
use super::reader;
use super::records::room_row;

pub(super) fn hold(
    transaction: &Transaction,
    recipient: PeerId,
    entries: &[Arc<Entry>],
    arrived: UnixMillis,
) -> Result<(), StoreError> {
    let Some(first) = entries.first() else { return Ok(()) };
    let held: i64 = transaction
        .prepare_cached(
            "INSERT INTO held (room, log, author, recipient) VALUES (?, ?, ?, ?)
             ON CONFLICT (room, log) DO UPDATE SET recipient = excluded.recipient RETURNING id",
        )?
        .query_row(
            params![first.header.room.0, first.log().0, first.header.author.0, recipient.0],
            |row| row.get(0),
        )?;
    let mut insert = transaction
        .prepare_cached("INSERT INTO held_entry (held, seq, arrived, bytes) VALUES (?, ?, ?, ?)")?;
    for entry in entries {
        insert.execute(params![held, bits(entry.header.seq.0), bits(arrived.0), entry.encode()])?;
    }
    Ok(())
}

pub(super) fn unhold(transaction: &Transaction, room: RoomId, log: LogId, to: Seq) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "DELETE FROM held_entry WHERE held = (SELECT id FROM held WHERE room = ? AND log = ?) AND seq <= ?",
        )?
        .execute(params![room.0, log.0, bits(to.0)])?;
    transaction
        .prepare_cached(
            "DELETE FROM held WHERE room = ? AND log = ?
             AND NOT EXISTS (SELECT 1 FROM held_entry WHERE held = held.id)",
        )?
        .execute(params![room.0, log.0])?;
    Ok(())
}

pub(super) fn taken(
    transaction: &Transaction,
    room: RoomId,
    log: LogId,
    receipt: &Receipt,
    at: UnixMillis,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO taken (room, log, base, seq, signature, at) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (room, log) DO UPDATE SET base = excluded.base, seq = excluded.seq,
             signature = excluded.signature, at = excluded.at",
        )?
        .execute(params![
            room.0,
            log.0,
            bits(receipt.span.after.0),
            bits(receipt.span.to.0),
            receipt.signature,
            bits(at.0),
        ])?;
    Ok(())
}

pub(super) fn forget_taken(transaction: &Transaction, room: RoomId, log: LogId) -> Result<(), StoreError> {
    transaction
        .prepare_cached("DELETE FROM taken WHERE room = ? AND log = ?")?
        .execute(params![room.0, log.0])?;
    Ok(())
}

/// Of a room that was left meanwhile there is nothing to keep.
pub(super) fn kept(transaction: &Transaction, kept: &KeptBy) -> Result<(), StoreError> {
    let Some(room) = room_row(transaction, kept.room)? else { return Ok(()) };
    if kept.held.is_empty() {
        transaction
            .prepare_cached("DELETE FROM kept WHERE room = ? AND holder = ?")?
            .execute(params![room, kept.holder.0])?;
        return Ok(());
    }
    transaction
        .prepare_cached(
            "INSERT INTO kept (room, holder, log, base, seq, at) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (room, holder) DO UPDATE SET log = excluded.log, base = excluded.base,
             seq = excluded.seq, at = excluded.at",
        )?
        .execute(params![
            room,
            kept.holder.0,
            kept.log.0,
            bits(kept.held.after.0),
            bits(kept.held.to.0),
            bits(kept.at.0),
        ])?;
    Ok(())
}

pub(super) fn load(connection: &Connection) -> Result<LoadedMail, StoreError> {
    let mut bundles = connection.prepare("SELECT id, room, log, author, recipient FROM held ORDER BY id")?;
    let mut rows = bundles.query([])?;
    let mut held = Vec::new();
    while let Some(row) = rows.next()? {
        held.extend(bundle(connection, row)?);
    }
    let taken = reader::collect(
        connection,
        "SELECT room, log, base, seq, signature, at FROM taken ORDER BY at DESC, room, log",
        [],
        |row| {
            let receipt = Receipt { span: span(row, 2)?, signature: array(row, 4)? };
            Ok((RoomId(array(row, 0)?), LogId(array(row, 1)?), receipt, UnixMillis(unsigned(row, 5)?)))
        },
    )?;
    let kept = reader::collect(
        connection,
        "SELECT room.room, holder, log, base, seq, at FROM kept JOIN room ON room.id = kept.room
         ORDER BY room.id, holder",
        [],
        |row| {
            let (room, holder) = (RoomId(array(row, 0)?), PeerId(array(row, 1)?));
            let (log, at) = (LogId(array(row, 2)?), UnixMillis(unsigned(row, 5)?));
            Ok(KeptBy { room, holder, log, held: span(row, 3)?, at })
        },
    )?;
    Ok(LoadedMail { held, taken, kept })
}

/// What is kept of one log, without the entries themselves.
fn bundle(connection: &Connection, row: &Row) -> Result<Option<LoadedBundle>, StoreError> {
    let id: i64 = row.get(0)?;
    let entries = reader::collect(connection, SIZES, [id], |row| {
        Ok(HeldEntry {
            seq: Seq(unsigned(row, 0)?),
            arrived: UnixMillis(unsigned(row, 1)?),
            // As it travels, without the room.
            bytes: unsigned(row, 2)?.saturating_sub(32),
        })
    })?;
    let mut last = connection.prepare_cached(LAST)?;
    let mut last = last.query([id])?;
    let Some(last) = last.next()? else { return Ok(None) };
    Ok(Some(LoadedBundle {
        room: RoomId(array(row, 1)?),
        log: LogId(array(row, 2)?),
        author: PeerId(array(row, 3)?),
        recipient: PeerId(array(row, 4)?),
        head_id: reader::entry_from(last, 0)?.id(),
        entries,
    }))
}

fn span(row: &Row, at: usize) -> Result<Span, StoreError> {
    Ok(Span { after: Seq(unsigned(row, at)?), to: Seq(unsigned(row, at + 1)?) })
}

/// The beginning of a span of a log: consecutive entries, as many as fit, but one at least.
pub(super) fn beginning(
    connection: &Connection,
    question: &str,
    (room, log): (RoomId, LogId),
    span: Span,
    max_bytes: usize,
) -> Result<Vec<Arc<Entry>>, StoreError> {
    // No log is longer than SQLite can count, so a larger number only means "to its end".
    let bound = |seq: Seq| i64::try_from(seq.0).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(question)?;
    let mut rows = statement.query(params![room.0, log.0, bound(span.after), bound(span.to)])?;
    let (mut entries, mut bytes): (Vec<Arc<Entry>>, usize) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let entry = reader::entry_from(row, 0)?;
        let follows = entries.last().is_none_or(|last| last.header.seq.next() == entry.header.seq);
        bytes += entry.len_in_room();
        if !follows || (bytes > max_bytes && !entries.is_empty()) || entries.len() >= MAX_ENTRIES {
            break;
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// As many as a frame may have.
const MAX_ENTRIES: usize = lanyard_proto::wire::frame::MAX_ENTRIES;

pub(super) const OF_MAILBOX: &str = "SELECT bytes FROM held_entry
    WHERE held = (SELECT id FROM held WHERE room = ? AND log = ?) AND seq > ? AND seq <= ? ORDER BY seq";

pub(super) const OF_ROOM: &str = "SELECT bytes FROM entry
    WHERE log = (SELECT log.id FROM log JOIN room ON room.id = log.room WHERE room.room = ? AND log = ?)
    AND seq > ? AND seq <= ? ORDER BY seq";

pub(super) const SIZES: &str =
    "SELECT seq, arrived, length(bytes) FROM held_entry WHERE held = ? ORDER BY seq";

pub(super) const LAST: &str = "SELECT bytes FROM held_entry WHERE held = ? ORDER BY seq DESC LIMIT 1";
