//! Entries that do not continue their log's head: newer ones above a hole, older ones below an interval; and what is no
//! longer kept.

use std::sync::Arc;

use lanyard_proto::effects::{Fork, Interval, Place};
use lanyard_proto::log::NO_ENTRY;
use lanyard_proto::model::{EntryId, LogId, RoomId, Seq};
use lanyard_proto::rooms::{self, Came};
use lanyard_proto::wire::entry::Entry;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::arrivals;
use super::columns::{array, bits, unsigned};
use super::error::StoreError;
use super::records::{before, behind, insert, room_row};
use super::{Cursor, Openings};

/// Writes consecutive entries of one log.
pub(super) fn write_run(
    transaction: &Transaction,
    room: RoomId,
    entries: &[Arc<Entry>],
    place: Place,
    came: Came,
    openings: &Openings,
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
    let run = Interval {
        base: Seq(first.header.seq.0.saturating_sub(1)),
        base_id: EntryId(first.header.prev),
        head: last.header.seq,
        head_id: last.id(),
    };
    let chained = entries
        .windows(2)
        .all(|pair| pair[0].header.seq.next() == pair[1].header.seq && pair[1].header.prev == pair[0].id().0);
    let contradiction = |reason: &str| StoreError::Contradiction {
        reason: format!("{reason}: entries up to {} of log {}", run.head.0, last.log()),
    };
    if !chained || entries.iter().any(|entry| entry.header.room != room || entry.log() != last.log()) {
        return Err(contradiction("entries do not follow each other"));
    }
    let room_id = room_row(transaction, room)?.ok_or_else(|| contradiction("entries of no room"))?;
    let log = LogRow::find(transaction, room_id, last.log())?;
    let (log, kept) = match (place, log) {
        (Place::Head, _) => return Err(contradiction("entries that continue their log come one by one")),
        (Place::Ahead, log) => {
            if log.as_ref().is_some_and(|log| run.base <= log.top.head) {
                return Err(contradiction("no hole is below"));
            }
            (ahead(transaction, room_id, log, last, run)?, entries)
        }
        (Place::Below, None) => return Err(contradiction("nothing is above")),
        (Place::Below, Some(log)) => {
            // What was given up meanwhile is not taken back.
            let given_up = entries.partition_point(|entry| entry.header.seq <= log.floor);
            if given_up == entries.len() {
                return Ok(());
            }
            let kept = &entries[given_up..];
            if !below(transaction, &log, kept, run)? {
                return Err(contradiction("it does not meet what is above or below"));
            }
            (log.id, kept)
        }
    };
    let mut size: i64 = 0;
    let between = (before(transaction, log, kept[0].header.seq)?, behind(transaction, log, last.header.seq)?);
    for (entry, place) in kept.iter().zip(rooms::places(kept, Came { between, ..came })) {
        let bytes = entry.encode();
        size += bytes.len() as i64;
        let cursor = Cursor::at_place(&entry.header, place);
        insert(transaction, room_id, log, (entry, &bytes), (cursor, came.arrived), openings)?;
    }
    transaction
        .prepare_cached("UPDATE log SET bytes = bytes + ? WHERE id = ?")?
        .execute(params![size, log])?;
    Ok(())
}

/// What was the newest interval of the log, if it had one, becomes an older one.
fn ahead(
    transaction: &Transaction,
    room_id: i64,
    log: Option<LogRow>,
    last: &Entry,
    run: Interval,
) -> Result<i64, StoreError> {
    let Some(log) = log else {
        return Ok(transaction
            .prepare_cached(
                "INSERT INTO log (room, log, author, nonce, own, base, base_id, head, head_id, newest)
                 VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?) RETURNING id",
            )?
            .query_row(
                params![
                    room_id,
                    last.log().0,
                    last.header.author.0,
                    last.header.nonce.to_be_bytes(),
                    bits(run.base.0),
                    run.base_id.0,
                    bits(run.head.0),
                    run.head_id.0,
                    bits(last.header.hlc.0),
                ],
                |row| row.get(0),
            )?);
    };
    if log.top.base < log.top.head {
        add_older(transaction, log.id, log.top)?;
    }
    set_top(transaction, log.id, run)?;
    transaction
        .prepare_cached("UPDATE log SET newest = ? WHERE id = ?")?
        .execute(params![bits(last.header.hlc.0), log.id])?;
    Ok(log.id)
}

/// Moves the beginning of the interval above down. Whether everything fits.
fn below(
    transaction: &Transaction,
    log: &LogRow,
    kept: &[Arc<Entry>],
    run: Interval,
) -> Result<bool, StoreError> {
    let (base, base_id) = (Seq(kept[0].header.seq.0.saturating_sub(1)), EntryId(kept[0].header.prev));
    let older = older(transaction, log.id)?;
    let all = || older.iter().chain([&log.top]);
    let Some(above) = all().find(|one| one.base == run.head && one.base < one.head).copied() else {
        return Ok(false);
    };
    if above.base_id != run.head_id || (base == Seq(0) && base_id != NO_ENTRY) {
        return Ok(false);
    }
    let mut joined = Interval { base, base_id, ..above };
    if let Some(lower) = older.iter().find(|one| one.head == base) {
        if lower.head_id != base_id {
            return Ok(false);
        }
        remove_older(transaction, log.id, lower.head)?;
        (joined.base, joined.base_id) = (lower.base, lower.base_id);
    }
    if above.head == log.top.head {
        set_top(transaction, log.id, joined)?;
    } else {
        remove_older(transaction, log.id, above.head)?;
        add_older(transaction, log.id, joined)?;
    }
    Ok(true)
}

/// Gives up what is here of a log up to a place. Its head stays known. Of a room that was left there is nothing to give.
pub(super) fn forget(transaction: &Transaction, room: RoomId, log: LogId, to: Seq) -> Result<(), StoreError> {
    let Some(room_id) = room_row(transaction, room)? else { return Ok(()) };
    let Some(log) = LogRow::look(transaction, room_id, log)? else { return Ok(()) };
    let to = to.min(log.top.head);
    if log.closed && to == log.top.head {
        return drop_log(transaction, log.id);
    }
    let to_id: Option<[u8; 32]> = transaction
        .prepare_cached("SELECT entry FROM entry WHERE log = ? AND seq = ?")?
        .query_row(params![log.id, bits(to.0)], |row| row.get(0))
        .optional()?;
    let size: i64 = transaction
        .prepare_cached("SELECT coalesce(sum(length(bytes)), 0) FROM entry WHERE log = ? AND seq <= ?")?
        .query_row(params![log.id, bits(to.0)], |row| row.get(0))?;
    arrivals::give_up(transaction)?;
    transaction
        .prepare_cached("DELETE FROM entry WHERE log = ? AND seq <= ?")?
        .execute(params![log.id, bits(to.0)])?;
    transaction
        .prepare_cached("UPDATE log SET floor = max(floor, ?), bytes = bytes - ? WHERE id = ?")?
        .execute(params![bits(to.0), size, log.id])?;
    for one in older(transaction, log.id)?.into_iter().filter(|one| one.base < to) {
        remove_older(transaction, log.id, one.head)?;
        if let Some(id) = to_id.filter(|_| to < one.head) {
            add_older(transaction, log.id, Interval { base: to, base_id: EntryId(id), ..one })?;
        }
    }
    if let Some(id) = to_id.filter(|_| log.top.base < to) {
        set_top(transaction, log.id, Interval { base: to, base_id: EntryId(id), ..log.top })?;
    }
    Ok(())
}

/// Of a room that was left meanwhile there is nothing to close.
pub(super) fn close(transaction: &Transaction, room: RoomId, log: LogId) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE log SET closed = 1 WHERE room = (SELECT id FROM room WHERE room = ?) AND log = ?",
        )?
        .execute(params![room.0, log.0])?;
    Ok(())
}

/// Gives up all of a log that was closed.
fn drop_log(transaction: &Transaction, log: i64) -> Result<(), StoreError> {
    for rows in ["log_interval WHERE log", "entry WHERE log", "log WHERE id"] {
        transaction.prepare_cached(&format!("DELETE FROM {rows} = ?"))?.execute([log])?;
    }
    Ok(())
}

/// Of a room that was left meanwhile there is nothing to remember.
pub(super) fn fork(transaction: &Transaction, room: RoomId, fork: &Fork) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO fork (room, log, author, seq) SELECT id, ?2, ?3, ?4 FROM room WHERE room = ?1
             ON CONFLICT (room, log) DO NOTHING",
        )?
        .execute(params![
            room.0,
            fork.log.0,
            fork.author.map(|author| author.0),
            fork.from.map(|from| bits(from.0)),
        ])?;
    Ok(())
}

/// A log and its newest interval.
pub(super) struct LogRow {
    pub id: i64,
    pub top: Interval,
    pub floor: Seq,
    /// It gave way to others.
    closed: bool,
}

impl LogRow {
    /// One that was closed comes back: it begins anew.
    pub fn find(transaction: &Transaction, room: i64, log: LogId) -> Result<Option<LogRow>, StoreError> {
        match LogRow::look(transaction, room, log)? {
            Some(closed) if closed.closed => drop_log(transaction, closed.id).map(|()| None),
            found => Ok(found),
        }
    }

    fn look(transaction: &Transaction, room: i64, log: LogId) -> Result<Option<LogRow>, StoreError> {
        Ok(transaction
            .prepare_cached(
                "SELECT base, base_id, head, head_id, id, floor, closed FROM log WHERE room = ? AND log = ?",
            )?
            .query_row(params![room, log.0], |row| {
                Ok(LogRow {
                    id: row.get(4)?,
                    top: interval(row)?,
                    floor: Seq(unsigned(row, 5)?),
                    closed: row.get(6)?,
                })
            })
            .optional()?)
    }

    pub fn entry_at(&self, transaction: &Transaction, seq: Seq) -> Result<Option<EntryId>, StoreError> {
        Ok(transaction
            .prepare_cached("SELECT entry FROM entry WHERE log = ? AND seq = ?")?
            .query_row(params![self.id, bits(seq.0)], |row| row.get(0).map(EntryId))
            .optional()?)
    }
}

/// Reads the columns `base, base_id, head, head_id`.
pub(super) fn interval(row: &Row) -> rusqlite::Result<Interval> {
    Ok(Interval {
        base: Seq(unsigned(row, 0)?),
        base_id: EntryId(array(row, 1)?),
        head: Seq(unsigned(row, 2)?),
        head_id: EntryId(array(row, 3)?),
    })
}

fn older(transaction: &Transaction, log: i64) -> Result<Vec<Interval>, StoreError> {
    let mut statement = transaction.prepare_cached(OLDER)?;
    Ok(statement.query_map([log], interval)?.collect::<Result<_, _>>()?)
}

fn add_older(transaction: &Transaction, log: i64, one: Interval) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO log_interval (log, base, base_id, head, head_id) VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![log, bits(one.base.0), one.base_id.0, bits(one.head.0), one.head_id.0])?;
    Ok(())
}

fn remove_older(transaction: &Transaction, log: i64, head: Seq) -> Result<(), StoreError> {
    transaction
        .prepare_cached("DELETE FROM log_interval WHERE log = ? AND head = ?")?
        .execute(params![log, bits(head.0)])?;
    Ok(())
}

fn set_top(transaction: &Transaction, log: i64, top: Interval) -> Result<(), StoreError> {
    transaction
        .prepare_cached("UPDATE log SET base = ?, base_id = ?, head = ?, head_id = ? WHERE id = ?")?
        .execute(params![bits(top.base.0), top.base_id.0, bits(top.head.0), top.head_id.0, log])?;
    Ok(())
}

/// The older intervals of a log, the oldest first.
pub(super) const OLDER: &str =
    "SELECT base, base_id, head, head_id FROM log_interval WHERE log = ? ORDER BY head";
