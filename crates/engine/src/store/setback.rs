//! This device's clock was ahead and was set right: what was said and came meanwhile is moved to where it would stand.
//!
//! That goes in steps, in the order of arrival. Each is whole or not at all, and needs nothing of those before it but what
//! they wrote; so if the program ends in between, the next run goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use lanyard_proto::model::{Hlc, Seq, UnixMillis};
use lanyard_proto::rooms::Retold;
use lanyard_proto::wire::entry::Entry;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::columns::{bits, unsigned};
use super::error::StoreError;
use super::{Cursor, meaning, reader};

/// One step: gives a place to what stands in the future and came as the entry of this number at the latest. What was read
/// stays read. When it came stays as the wrong clock said: by that it is given up, and not sooner than without this.
/// Up to which number more is to be done.
pub(super) fn retell(
    transaction: &Transaction,
    now: UnixMillis,
    to: Option<i64>,
) -> Result<Option<i64>, StoreError> {
    let limit = Hlc::at(UnixMillis(now.0.saturating_add(1)));
    let to = match to {
        Some(to) => to,
        None => transaction.query_row(NEWEST, [], |row| row.get(0))?,
    };
    let first: Option<i64> =
        transaction.prepare_cached(FIRST)?.query_row([bits(limit.0)], |row| row.get(0))?;
    let Some(first) = first.filter(|first| *first <= to) else {
        settle(transaction, limit)?;
        return Ok(None);
    };
    tracing::info!("the clock was ahead: what was said meanwhile is told anew");
    let mut step =
        Step { transaction, limit, first, moved: 0, rooms: BTreeMap::new(), logs: BTreeMap::new() };
    let more = step.walk(begin(transaction, first, now)?, to)?;
    words(transaction, limit)?;
    if more {
        return Ok(Some(to));
    }
    settle(transaction, limit)?;
    Ok(None)
}

struct Step<'a> {
    transaction: &'a Transaction<'a>,
    /// What stands here or later stands in the future.
    limit: Hlc,
    first: i64,
    moved: usize,
    rooms: BTreeMap<i64, Room>,
    /// The highest place of each log that came so far.
    logs: BTreeMap<i64, Seq>,
}

#[derive(Clone, Copy)]
struct Room {
    /// Where the last stands of what came so far.
    last: Hlc,
    read: Option<Cursor>,
}

struct Found {
    id: i64,
    room: i64,
    log: i64,
    seq: Seq,
    arrived: UnixMillis,
    place: Hlc,
}

impl Step<'_> {
    /// Whether there is more to move.
    fn walk(&mut self, mut retold: Retold, to: i64) -> Result<bool, StoreError> {
        let mut next = self.first;
        loop {
            // Read in parts: a row that is being changed is not read at the same time.
            let part = self.part(next, to)?;
            let Some(last) = part.last() else { return Ok(false) };
            next = last.id + 1;
            for found in part {
                if self.moved >= STEP && found.place >= self.limit {
                    return Ok(true);
                }
                self.tell(&mut retold, &found)?;
            }
        }
    }

    fn part(&self, next: i64, to: i64) -> Result<Vec<Found>, StoreError> {
        let mut rows = self.transaction.prepare_cached(ARRIVED)?;
        let read = |row: &Row| {
            let (seq, arrived, place) = (unsigned(row, 3)?, unsigned(row, 4)?, unsigned(row, 5)?);
            let (seq, arrived, place) = (Seq(seq), UnixMillis(arrived), Hlc(place));
            Ok(Found { id: row.get(0)?, room: row.get(1)?, log: row.get(2)?, seq, arrived, place })
        };
        Ok(rows.query_map(params![next, to, PART], read)?.collect::<Result<_, _>>()?)
    }

    fn tell(&mut self, retold: &mut Retold, found: &Found) -> Result<(), StoreError> {
        let room = self.room(found.room)?;
        let came_later = self.came_later(found)?;
        let mut place = found.place;
        if place < self.limit {
            retold.next(found.arrived, place);
        } else {
            let (entry, own) = written(self.transaction, found.id)?;
            let came = retold.next(found.arrived, entry.header.hlc);
            let behind = if came_later { self.behind(found)? } else { None };
            place = retold.place(&entry.header, own, came, room.last, behind);
            self.put(found, &entry, own, place)?;
            self.moved += 1;
        }
        let room = self.rooms.entry(found.room).or_insert(room);
        room.last = room.last.max(place);
        Ok(())
    }

    fn room(&self, id: i64) -> Result<Room, StoreError> {
        if let Some(room) = self.rooms.get(&id) {
            return Ok(*room);
        }
        let last = self
            .transaction
            .prepare_cached(LAST_BEFORE)?
            .query_row(params![id, self.first, bits(self.limit.0)], |row| unsigned(row, 0))
            .optional()?;
        let read = self.transaction.prepare_cached(READ)?.query_row([id], reader::cursor).optional()?;
        Ok(Room { last: Hlc(last.unwrap_or(0)), read })
    }

    /// Whether something came before it that stands behind it in its log.
    fn came_later(&mut self, found: &Found) -> Result<bool, StoreError> {
        let top = match self.logs.get(&found.log) {
            Some(top) => *top,
            None => Seq(self
                .transaction
                .prepare_cached(TOP)?
                .query_row(params![found.log, self.first], |row| unsigned(row, 0))
                .optional()?
                .unwrap_or(0)),
        };
        self.logs.insert(found.log, top.max(found.seq));
        Ok(top > found.seq)
    }

    /// Where that stands.
    fn behind(&self, found: &Found) -> Result<Option<Hlc>, StoreError> {
        let place = self
            .transaction
            .prepare_cached(BEHIND)?
            .query_row(params![found.log, bits(found.seq.0), found.id, FRAME], |row| unsigned(row, 0))
            .optional()?;
        Ok(place.map(Hlc).filter(|place| *place < self.limit))
    }

    fn put(&self, found: &Found, entry: &Entry, own: bool, place: Hlc) -> Result<(), StoreError> {
        let (was, is) =
            (Cursor::at_place(&entry.header, found.place), Cursor::at_place(&entry.header, place));
        for table in
            ["UPDATE entry SET place = ?2 WHERE id = ?1", "UPDATE message SET place = ?2 WHERE id = ?1"]
        {
            self.transaction.prepare_cached(table)?.execute(params![found.id, bits(place.0)])?;
        }
        // What comes from behind the mark to before it was not read; nor before one that stays in the future until the end.
        let read = self.room(found.room)?.read;
        if read.is_some_and(|read| !own && was > read && (read.place >= self.limit || is <= read)) {
            self.transaction
                .prepare_cached("UPDATE message SET late = 1 WHERE id = ? AND late = 0")?
                .execute([found.id])?;
        }
        meaning::find_at(self.transaction, found.id, is)
    }
}

/// Where times begin to be told anew.
fn begin(transaction: &Transaction, first: i64, now: UnixMillis) -> Result<Retold, StoreError> {
    let read = |row: &Row| Ok((UnixMillis(unsigned(row, 0)?), Hlc(unsigned(row, 1)?)));
    let one = |sql: &str| transaction.query_row(sql, [first], read).optional();
    if let Some((arrived, place)) =
        one("SELECT arrived, place FROM entry WHERE id < ? ORDER BY id DESC LIMIT 1")?
    {
        return Ok(Retold::behind(arrived, place, now));
    }
    let (wrong, _) = transaction.query_row("SELECT arrived, place FROM entry WHERE id = ?", [first], read)?;
    let mut rows =
        transaction.prepare("SELECT arrived, place, bytes FROM entry WHERE id >= ? ORDER BY id")?;
    let mut rows = rows.query([first])?;
    let mut last = wrong;
    while let Some(row) = rows.next()? {
        let (arrived, place) = read(row)?;
        let said = match place.unix() <= now {
            true => place,
            false => reader::entry_from(row, 2)?.header.hlc,
        };
        if said.unix() <= now {
            return Ok(Retold::from_first(wrong, arrived, said.unix(), now));
        }
        last = arrived;
    }
    Ok(Retold::from_first(wrong, last, now, now))
}

/// An entry, and whether this device wrote it.
fn written(transaction: &Transaction, id: i64) -> Result<(Arc<Entry>, bool), StoreError> {
    let (entry, own) = transaction
        .prepare_cached(
            "SELECT entry.bytes, own FROM entry JOIN log ON log.id = entry.log WHERE entry.id = ?",
        )?
        .query_row([id], |row| Ok((reader::entry_from(row, 0), row.get(1)?)))?;
    Ok((entry?, own))
}

/// What was said about messages, and about rooms: the newest counts by the same places.
fn words(transaction: &Transaction, limit: Hlc) -> Result<(), StoreError> {
    for table in ["mark", "reaction", "topic"] {
        transaction.execute(
            &format!(
                "UPDATE {table} SET place = coalesce((SELECT entry.place FROM log JOIN entry ON entry.log = log.id
                 AND entry.seq = {table}.seq WHERE log.room = {table}.room AND log.author = {table}.author
                 AND log.nonce = {table}.nonce), place) WHERE place >= ?"
            ),
            [bits(limit.0)],
        )?;
    }
    Ok(())
}

/// Nothing stands in the future any more: nor does a read mark.
fn settle(transaction: &Transaction, limit: Hlc) -> Result<(), StoreError> {
    let rooms: Vec<i64> = transaction
        .prepare("SELECT room FROM read_mark WHERE place >= ? ORDER BY room")?
        .query_map([bits(limit.0)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for room in rooms {
        let mut find = transaction.prepare_cached(READ_OF_OTHERS)?;
        let read = find.query_row([room], reader::cursor).optional()?.unwrap_or(Cursor::START);
        // What this device said right behind that is no news either.
        let mut find = transaction.prepare_cached(BEFORE_UNREAD)?;
        let own = find.query_row(of(room, &read), reader::cursor).optional()?;
        let read = own.map_or(read, |own| own.max(read));
        transaction
            .prepare_cached(
                "UPDATE read_mark SET place = ?2, author = ?3, seq = ?4, nonce = ?5 WHERE room = ?1",
            )?
            .execute(of(room, &read))?;
        transaction
            .prepare_cached(
                "UPDATE message SET late = 0 WHERE room = ?1 AND late = 1
                 AND (place, author, seq, nonce) > (?2, ?3, ?4, ?5)",
            )?
            .execute(of(room, &read))?;
    }
    Ok(())
}

fn of(room: i64, cursor: &Cursor) -> (i64, i64, [u8; 32], i64, [u8; 8]) {
    (room, bits(cursor.place.0), cursor.author.0, bits(cursor.seq.0), cursor.nonce.to_be_bytes())
}

/// Entries that one step moves, so that whatever waits to be written does not wait long.
const STEP: usize = 2048;
/// Entries that are read together.
const PART: i64 = 512;
/// Places of a log among which what came before is looked for: more come together in no frame.
const FRAME: i64 = 512;

pub(super) const NEWEST: &str = "SELECT coalesce(max(id), 0) FROM entry";

/// The first to arrive of what stands in the future.
const FIRST: &str =
    "SELECT min(first) FROM (SELECT (SELECT min(id) FROM entry WHERE entry.room = room.id AND place >= ?1) AS first
     FROM room)";

pub(super) const ARRIVED: &str = "SELECT id, room, log, seq, arrived, place FROM entry
    WHERE id >= ?1 AND id <= ?2 ORDER BY id LIMIT ?3";

/// Where the last stands of what came to a room before.
pub(super) const LAST_BEFORE: &str = "SELECT place FROM entry INDEXED BY entry_age
    WHERE room = ?1 AND id < ?2 AND place < ?3 ORDER BY place DESC LIMIT 1";

pub(super) const READ: &str = "SELECT place, author, seq, nonce FROM read_mark WHERE room = ?";

pub(super) const TOP: &str = "SELECT seq FROM entry WHERE log = ?1 AND id < ?2 ORDER BY seq DESC LIMIT 1";

pub(super) const BEHIND: &str = "SELECT place FROM entry
    WHERE log = ?1 AND seq > ?2 AND seq <= ?2 + ?4 AND id < ?3 ORDER BY seq LIMIT 1";

/// The newest message of somebody else that was read.
pub(super) const READ_OF_OTHERS: &str = "SELECT entry.place, entry.author, entry.seq, entry.nonce FROM entry
    JOIN log ON log.id = entry.log LEFT JOIN message ON message.id = entry.id
    WHERE entry.room = ? AND entry.message = 1 AND own = 0 AND coalesce(late, 0) != 1
    ORDER BY entry.place DESC, entry.author DESC, entry.seq DESC, entry.nonce DESC LIMIT 1";

/// The last message before the first behind a place that was not read.
const BEFORE_UNREAD: &str = "WITH unread AS (SELECT place, author, seq, nonce FROM message
        WHERE room = ?1 AND late = 1 AND (place, author, seq, nonce) > (?2, ?3, ?4, ?5)
        ORDER BY place, author, seq, nonce LIMIT 1)
    SELECT place, author, seq, nonce FROM entry WHERE room = ?1 AND message = 1
        AND (NOT EXISTS (SELECT 1 FROM unread)
            OR (place, author, seq, nonce) < (SELECT place, author, seq, nonce FROM unread))
    ORDER BY place DESC, author DESC, seq DESC, nonce DESC LIMIT 1";
