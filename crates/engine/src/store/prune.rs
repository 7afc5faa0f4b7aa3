//! Gives up the oldest history where there is more than is to be kept: by age, as far as the time is certain, and by bytes of
//! all rooms together.
//!
//! By bytes it takes from whoever has written most in one room, so that somebody who floods a room pushes out only
//! themselves; those whom nobody knows yet are one in this, however many they are. Logs are given up from their beginning; their heads stay known. Of private rooms the deeds stay as well
//! (`private.rs`), and the keys, since deeds are sealed with them.

use std::time::Duration;

use lanyard_proto::model::{EntryId, Hlc, LogId, RoomId, Seq, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::config::within;

use super::columns::{bits, unsigned};
use super::error::StoreError;
use super::history::forget;
use super::reader;

/// What is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For how many days, where a room has no number of its own; 0 means for ever.
    pub days: u32,
    /// For so many at the most, whatever a room's own number is; 0 or none means for ever.
    pub most_days: Option<u32>,
    /// Bytes of the entries of all rooms.
    pub bytes: u64,
    /// By this device's clock.
    pub now: UnixMillis,
    /// Whether the clocks of others bear that out.
    pub borne_out: bool,
    /// Whether those of devices that were known before this run do: only then what was certain can have been too late.
    pub by_known: bool,
    /// For how long this device has run since history was last looked through in this run, or since its start.
    pub ran: Duration,
}

/// A log that was given up to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    pub room: RoomId,
    pub log: LogId,
    pub to: Seq,
    /// The entry that was there.
    pub to_id: EntryId,
}

/// What one step gave up, and whether there is more to give up.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pruning {
    pub pruned: Vec<Pruned>,
    pub more: bool,
}

/// One step, of at most [`MAX_ROWS`] entries and a stretch.
pub(super) fn prune(transaction: &Transaction, limits: Limits) -> Result<Pruning, StoreError> {
    let limits = Limits { now: certain(transaction, limits)?, ..limits };
    let mut step = Step { transaction, pruning: Pruning::default(), rows: 0, questions: 0 };
    step.by_age(limits)?;
    step.by_bytes(limits)?;
    step.pruning.more = step.is_full();
    Ok(step.pruning)
}

/// What time it is at the least, as far as that is certain. A clock can be wrong by years for one start, and what is given up
/// by it is gone for good. So time goes on by the clock where others bear it out, and else no faster than this device
/// runs: whoever was away for a year loses nothing before it has met somebody.
fn certain(
    transaction: &Transaction,
    Limits { now, borne_out, by_known, ran, .. }: Limits,
) -> Result<UnixMillis, StoreError> {
    let number = |sql| {
        let found =
            transaction.prepare_cached(sql)?.query_row([], |row| row.get::<_, Option<i64>>(0)).optional()?;
        Ok::<_, StoreError>(found.flatten().and_then(|found| u64::try_from(found).ok()))
    };
    let before = match number(CERTAIN)? {
        Some(before) => before,
        // An earlier version wrote none down.
        None => number(LAST_ARRIVAL)?.unwrap_or(now.0),
    };
    let ran = u64::try_from(ran.as_millis()).unwrap_or(u64::MAX);
    let certain = match () {
        () if by_known => now.0,
        () if borne_out => before.max(now.0),
        () => before.max(now.0.min(before.saturating_add(ran))),
    };
    transaction.prepare_cached("UPDATE node SET certain = ?")?.execute([bits(certain)])?;
    Ok(now.min(UnixMillis(certain)))
}

struct Step<'a> {
    transaction: &'a Transaction<'a>,
    pruning: Pruning,
    rows: usize,
    /// Of [`LARGEST`], which looks at all logs.
    questions: usize,
}

impl Step<'_> {
    fn is_full(&self) -> bool {
        self.rows >= MAX_ROWS || self.questions >= MAX_QUESTIONS
    }

    fn by_age(&mut self, limits: Limits) -> Result<(), StoreError> {
        let mut rooms = self.transaction.prepare_cached("SELECT id, keep_days FROM room ORDER BY id")?;
        let rooms: Vec<(i64, Option<u32>)> =
            rooms.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        for (room, days) in rooms {
            let days = u64::from(within(days.unwrap_or(limits.days), limits.most_days));
            if days == 0 || self.is_full() {
                continue;
            }
            let before = Hlc::at(UnixMillis(limits.now.0.saturating_sub(days * DAY_MS)));
            let arrived = UnixMillis(limits.now.0.saturating_sub(DAY_MS));
            self.older_than(room, before, arrived)?;
        }
        Ok(())
    }

    /// What stands before `before` and arrived before `arrived`: nothing vanishes on the day on which it came.
    fn older_than(&mut self, room: i64, before: Hlc, arrived: UnixMillis) -> Result<(), StoreError> {
        let mut with_entries = self.transaction.prepare_cached(WITH_ENTRIES)?;
        let logs: Vec<i64> = with_entries.query_map([room], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for log in logs {
            while let Some(to) = self.beginning_older_than(log, before, arrived)? {
                self.give_up(log, to)?;
                if self.is_full() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// How far the beginning of a log is to be given up, as far as that is looked at at once.
    fn beginning_older_than(
        &mut self,
        log: i64,
        before: Hlc,
        arrived: UnixMillis,
    ) -> Result<Option<Seq>, StoreError> {
        let mut beginning = self.transaction.prepare_cached(BEGINNING)?;
        let mut rows = beginning.query([log, STRETCH])?;
        let mut to = None;
        while let Some(row) = rows.next()? {
            let (place, came) = (Hlc(unsigned(row, 1)?), UnixMillis(unsigned(row, 2)?));
            if place >= before || came >= arrived {
                break;
            }
            // What stands by another time than its reading does so since it came, whatever it was told anew meanwhile.
            if Hlc::at(came) >= before && reader::entry_from(row, 4)?.header.hlc != place {
                break;
            }
            to = Some(Seq(unsigned(row, 0)?));
            self.rows += 1;
        }
        Ok(to)
    }

    fn by_bytes(&mut self, limits: Limits) -> Result<(), StoreError> {
        let limit = i64::try_from(limits.bytes).unwrap_or(i64::MAX);
        let new_since = bits(limits.now.0.saturating_sub(DAY_MS));
        while !self.is_full() {
            let total: i64 = self.transaction.prepare_cached(TOTAL)?.query_row([], |row| row.get(0))?;
            let surplus = total.saturating_sub(limit);
            if surplus <= 0 {
                return Ok(());
            }
            self.questions += 1;
            let largest: Option<(i64, i64)> = self
                .transaction
                .prepare_cached(LARGEST)?
                .query_row([new_since], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((log, taken)) = largest else { return Ok(()) };
            // Somebody else may have nearly as much: nobody loses everything for having a little more.
            let most = surplus.min(taken / 2);
            let mut beginning = self.transaction.prepare_cached(BEGINNING)?;
            let mut rows = beginning.query([log, STRETCH])?;
            let (mut to, mut freed) = (None, 0);
            while let Some(row) = rows.next()? {
                to = Some(Seq(unsigned(row, 0)?));
                freed += row.get::<_, i64>(3)?;
                self.rows += 1;
                if freed >= most {
                    break;
                }
            }
            drop(rows);
            let Some(to) = to else { return Ok(()) };
            self.give_up(log, to)?;
        }
        Ok(())
    }

    fn give_up(&mut self, row: i64, to: Seq) -> Result<(), StoreError> {
        let (room, log, to_id) =
            self.transaction.prepare_cached(NAMED)?.query_row(params![row, bits(to.0)], |row| {
                Ok((RoomId(row.get(0)?), LogId(row.get(1)?), EntryId(row.get(2)?)))
            })?;
        forget(self.transaction, room, log, to)?;
        self.pruning.pruned.push(Pruned { room, log, to, to_id });
        Ok(())
    }
}

/// The rooms that have a number of days of their own.
pub(super) fn kept(connection: &Connection) -> Result<Vec<(RoomId, u32)>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT room, keep_days FROM room WHERE keep_days IS NOT NULL ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((RoomId(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The rooms of which something is kept and how many bytes that is, the largest first.
pub(super) fn taken(connection: &Connection) -> Result<Vec<(RoomId, u64)>, StoreError> {
    let mut statement = connection.prepare_cached(TAKEN)?;
    let rows =
        statement.query_map([], |row| Ok((RoomId(row.get(0)?), row.get::<_, i64>(1)?.cast_unsigned())))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Of a room that was left meanwhile there is nothing to keep.
pub(super) fn keep(transaction: &Transaction, room: RoomId, days: Option<u32>) -> Result<(), StoreError> {
    transaction.execute("UPDATE room SET keep_days = ? WHERE room = ?", params![days, room.0])?;
    Ok(())
}

/// Entries after which a step ends, so that whatever waits to be written does not wait long.
const MAX_ROWS: usize = 2048;
/// And questions for whoever has most: with many small authors each finds little.
const MAX_QUESTIONS: usize = 64;
/// Entries of one log that are looked at together.
const STRETCH: i64 = 512;
const DAY_MS: u64 = 24 * 3_600_000;

/// There are a few thousand logs at the most, and of each only the beginning is looked at.
pub(super) const WITH_ENTRIES: &str = "SELECT id FROM log WHERE room = ? AND bytes > 0";

/// The first entries of a log that are here.
pub(super) const BEGINNING: &str =
    "SELECT seq, place, arrived, length(bytes), bytes FROM entry WHERE log = ? ORDER BY seq LIMIT ?";

pub(super) const CERTAIN: &str = "SELECT certain FROM node";

pub(super) const LAST_ARRIVAL: &str = "SELECT arrived FROM entry ORDER BY id DESC LIMIT 1";

pub(super) const NAMED: &str = "SELECT room.room, log.log, entry FROM entry
    JOIN log ON log.id = entry.log JOIN room ON room.id = log.room WHERE entry.log = ? AND seq = ?";

/// There are a few thousand logs at the most, so they are all looked at.
const TOTAL: &str = "SELECT coalesce(sum(bytes), 0) FROM log";

/// By room, as many as there are logs.
pub(super) const TAKEN: &str =
    "SELECT room.room, sum(log.bytes) AS taken FROM log JOIN room ON room.id = log.room
    GROUP BY room.id HAVING taken > 0 ORDER BY taken DESC, room.id";

/// The first log, with entries, of the author who has most in one room. Keys cost nothing: so all whose key is new, whom nobody
/// verified and who are not this device, count as one author, whatever the rooms; and of them it is the one who has most.
/// `?` is since when a key is new.
pub(super) const LARGEST: &str = "WITH author AS (
        SELECT room, author, sum(bytes) AS taken, max(own) = 0 AND NOT EXISTS (
            SELECT 1 FROM peer WHERE peer.peer = log.author
            AND (peer.trust = 2 OR peer.trust <> 3 AND peer.first_seen < ?)) AS is_new
        FROM log WHERE bytes > 0 GROUP BY room, author),
    weighed AS (
        SELECT room, author, taken,
            CASE is_new WHEN 1 THEN sum(taken) OVER (PARTITION BY is_new) ELSE taken END AS weight FROM author)
    SELECT log.id, most.taken FROM log JOIN
        (SELECT room, author, taken FROM weighed ORDER BY weight DESC, taken DESC, room, author LIMIT 1) AS most
    ON log.room = most.room AND log.author = most.author WHERE bytes > 0 ORDER BY log.id LIMIT 1";
