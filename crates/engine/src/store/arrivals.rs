//! Entries in the order in which they arrived here, which is not that in which they are shown: older ones may come later.
//!
//! One thread writes, in one order, so whoever has read up to a number has missed nothing below it.

use lanyard_proto::model::{EntryId, RoomId};
use rusqlite::{Connection, Transaction, params};

use super::messages::{columns, described};
use super::reader::collect;
use super::{Shown, Store, StoreError};

/// The number of an entry in the order of arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(pub i64);

/// Entries, messages and others, in the order in which they arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    pub entries: Vec<Shown>,
    /// Where to go on.
    pub next: Number,
    /// Whether there are more behind.
    pub more: bool,
    /// The newest of this device.
    pub newest: Number,
}

impl Store {
    /// What arrived behind `since`, in one room or in all, `limit` entries at the most.
    pub async fn arrived(
        &self,
        room: Option<RoomId>,
        since: Number,
        limit: u32,
    ) -> Result<Arrivals, StoreError> {
        self.reader.ask(move |connection| arrived(connection, room, since, limit)).await
    }

    /// The newest number.
    pub async fn newest_arrival(&self) -> Result<Number, StoreError> {
        self.reader.ask(newest).await
    }

    /// Those of these messages that had arrived by a number, as they are now.
    pub async fn known_by(&self, ids: Vec<EntryId>, until: Number) -> Result<Vec<Shown>, StoreError> {
        let ask = move |connection: &Connection| {
            let mut known = Vec::new();
            for id in ids {
                known.extend(described(connection, KNOWN_BY, params![id.0, until.0])?);
            }
            Ok(known)
        };
        self.reader.ask(ask).await
    }
}

fn arrived(
    connection: &Connection,
    room: Option<RoomId>,
    since: Number,
    limit: u32,
) -> Result<Arrivals, StoreError> {
    // Read first: what arrives from now on is behind it.
    let newest = newest(connection)?;
    let most = i64::from(limit) + 1;
    let number = |row: &rusqlite::Row| Ok(Number(row.get(0)?));
    let mut numbers = match room {
        None => collect(connection, ARRIVED, params![since.0, newest.0, most], number)?,
        Some(room) => collect(connection, ARRIVED_IN, params![room.0, since.0, newest.0, most], number)?,
    };
    let more = numbers.len() > limit as usize;
    numbers.truncate(limit as usize);
    // What arrived elsewhere need not be looked at again.
    let next = numbers.last().copied().filter(|_| more).unwrap_or(newest.max(since));
    let mut entries = Vec::with_capacity(numbers.len());
    for number in numbers {
        entries.extend(described(connection, NUMBERED, [number.0])?);
    }
    Ok(Arrivals { entries, next, more, newest })
}

fn newest(connection: &Connection) -> Result<Number, StoreError> {
    Ok(Number(connection.prepare_cached(NEWEST)?.query_row([], |row| row.get(0))?))
}

/// Entries are about to go: their numbers are not given again.
pub(super) fn give_up(transaction: &Transaction) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE arrival SET given_up = max(given_up, coalesce((SELECT max(id) FROM entry), 0))",
        )?
        .execute([])?;
    Ok(())
}

/// The number of the next entry, as a part of a statement.
macro_rules! next_number {
    () => {
        "(SELECT max(given_up, coalesce((SELECT max(id) FROM entry), 0)) + 1 FROM arrival)"
    };
}
pub(super) use next_number;

pub(super) const NEWEST: &str =
    "SELECT max(given_up, coalesce((SELECT max(id) FROM entry), 0)) FROM arrival WHERE one = 1";

pub(super) const ARRIVED: &str = "SELECT id FROM entry WHERE id > ? AND id <= ? ORDER BY id LIMIT ?";

pub(super) const ARRIVED_IN: &str = "SELECT id FROM entry INDEXED BY entry_arrived
    WHERE room = (SELECT id FROM room WHERE room = ?) AND id > ? AND id <= ? ORDER BY id LIMIT ?";

pub(super) const NUMBERED: &str = columns!("entry LEFT JOIN message USING (id) WHERE entry.id = ?");

pub(super) const KNOWN_BY: &str = columns!(
    "entry LEFT JOIN message USING (id) WHERE entry.entry = ? AND entry.id <= ? AND entry.message = 1"
);
