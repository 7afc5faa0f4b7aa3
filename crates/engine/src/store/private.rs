//! Private rooms in the database: standing, keys, and the entries that say who is in.

use std::sync::Arc;

use lanyard_proto::effects::LoadedPrivate;
use lanyard_proto::model::{EntryId, PeerId, RoomId, SecretKey, UnixMillis};
use lanyard_proto::rooms::{Invite, Standing, Why, is_deed};
use lanyard_proto::wire::entry::{Entry, without_room};
use lanyard_proto::wire::frame::MAX_ENTRIES;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use zeroize::Zeroizing;

use super::columns::{array, bits, unsigned};
use super::error::StoreError;
use super::reader;

pub(super) fn write_standing(
    transaction: &Transaction,
    room: RoomId,
    standing: &Standing,
) -> Result<(), StoreError> {
    let (state, invite) = match standing {
        Standing::Inside => (INSIDE, None),
        Standing::Joining(invite) => (JOINING, Some(invite)),
        Standing::Refused(Why::Revoked) => (REVOKED, None),
        Standing::Refused(_) => (EXPIRED, None),
        Standing::Leaving => (LEAVING, None),
    };
    transaction
        .prepare_cached(
            "INSERT INTO standing (room, state, secret, inviter, expires)
             SELECT id, ?2, ?3, ?4, ?5 FROM room WHERE room = ?1
             ON CONFLICT (room) DO UPDATE SET state = excluded.state, secret = excluded.secret,
             inviter = excluded.inviter, expires = excluded.expires",
        )?
        .execute(params![
            room.0,
            state,
            invite.map(|invite| invite.secret),
            invite.map(|invite| invite.inviter.0),
            invite.map(|invite| bits(invite.expires.0)),
        ])?;
    Ok(())
}

pub(super) fn write_key(
    transaction: &Transaction,
    room: RoomId,
    epoch: u32,
    key: &SecretKey,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO room_key (room, epoch, key) SELECT id, ?2, ?3 FROM room WHERE room = ?1
             ON CONFLICT (room, epoch, key) DO NOTHING",
        )?
        .execute(params![room.0, epoch, key.0.as_slice()])?;
    Ok(())
}

pub(super) fn forget_key(
    transaction: &Transaction,
    room: RoomId,
    epoch: u32,
    key: &SecretKey,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "DELETE FROM room_key WHERE room = (SELECT id FROM room WHERE room = ?) AND epoch = ? AND key = ?",
        )?
        .execute(params![room.0, epoch, key.0.as_slice()])?;
    Ok(())
}

/// Keeps those of the entries at hand that say who is in a private room.
pub(super) fn note_deeds<'a>(
    transaction: &Transaction,
    room: RoomId,
    entries: impl Iterator<Item = &'a Arc<Entry>>,
) -> Result<(), StoreError> {
    for entry in entries.filter(|entry| is_deed(entry.header.kind)) {
        transaction
            .prepare_cached(
                "INSERT INTO deed (entry, room, bytes) SELECT ?2, id, ?3 FROM room WHERE room = ?1 AND private = 1
                 ON CONFLICT (entry) DO NOTHING",
            )?
            .execute(params![room.0, entry.id().0, entry.encode()])?;
    }
    Ok(())
}

pub(super) fn forget_deeds(
    transaction: &Transaction,
    room: RoomId,
    entries: &[EntryId],
) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached(
        "DELETE FROM deed WHERE entry = ?2 AND room = (SELECT id FROM room WHERE room = ?1)",
    )?;
    for entry in entries {
        statement.execute(params![room.0, entry.0])?;
    }
    Ok(())
}

/// The deeds of these ids that are here, as they travel within their room, in the order of the ids: as many as fit
/// `max_bytes`, but one at least. And how many of the ids were looked at.
pub(super) fn deeds(
    connection: &Connection,
    room: RoomId,
    entries: &[EntryId],
    max_bytes: usize,
) -> Result<(Vec<Vec<u8>>, usize), StoreError> {
    let mut statement = connection.prepare_cached(DEED)?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    for (looked, entry) in entries.iter().enumerate() {
        let stored: Option<Vec<u8>> =
            statement.query_row(params![entry.0, room.0], |row| row.get(0)).optional()?;
        let Some(stored) = stored else { continue };
        let deed = without_room(&stored).ok_or_else(|| StoreError::unreadable("an entry"))?;
        bytes += deed.len();
        if !found.is_empty() && (bytes > max_bytes || found.len() >= MAX_ENTRIES) {
            return Ok((found, looked));
        }
        found.push(deed);
    }
    Ok((found, entries.len()))
}

pub(super) const DEED: &str =
    "SELECT bytes FROM deed WHERE entry = ?1 AND room = (SELECT id FROM room WHERE room = ?2)";

pub(super) fn load(connection: &Connection, row: i64, room: RoomId) -> Result<LoadedPrivate, StoreError> {
    let mut keys =
        connection.prepare_cached("SELECT epoch, key FROM room_key WHERE room = ? ORDER BY epoch, key")?;
    let keys = keys.query_map([row], |row| Ok((row.get(0)?, SecretKey(Zeroizing::new(array(row, 1)?)))))?;
    let keys = keys.collect::<Result<_, _>>()?;
    let mut deeds = connection.prepare_cached("SELECT bytes FROM deed WHERE room = ? ORDER BY entry")?;
    let deeds = deeds.query_map([row], |row| row.get::<_, Vec<u8>>(0))?;
    let deeds = deeds
        .map(|bytes| Entry::from_store(&bytes?).map(Arc::new).map_err(|_| StoreError::unreadable("an entry")))
        .collect::<Result<_, _>>()?;
    Ok(LoadedPrivate { standing: standing(connection, row, room)?, keys, deeds })
}

fn standing(connection: &Connection, row: i64, room: RoomId) -> Result<Standing, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT state, secret, inviter, expires FROM standing WHERE room = ?")?;
    let found = statement
        .query_row([row], |row| {
            Ok(match row.get::<_, i64>(0)? {
                JOINING => Standing::Joining(Invite {
                    room,
                    secret: array(row, 1)?,
                    inviter: PeerId(array(row, 2)?),
                    expires: UnixMillis(unsigned(row, 3)?),
                }),
                EXPIRED => Standing::Refused(Why::Expired),
                REVOKED => Standing::Refused(Why::Revoked),
                LEAVING => Standing::Leaving,
                _ => Standing::Inside,
            })
        })
        .optional()?;
    Ok(found.unwrap_or(Standing::Inside))
}

/// An entry, and when it arrived.
pub type Arrived = (Arc<Entry>, UnixMillis);

/// Entries of a room that were sealed in an epoch, behind the row `after`; the last row that was looked at.
pub(super) fn of_epoch(
    connection: &Connection,
    room: RoomId,
    epoch: u32,
    after: i64,
) -> Result<(Vec<Arrived>, Option<i64>), StoreError> {
    let mut statement = connection.prepare_cached(OF_EPOCH)?;
    let mut rows = statement.query(params![room.0, epoch.to_be_bytes(), after, MAX_REREAD])?;
    let (mut found, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        found.push((reader::entry_from(row, 0)?, UnixMillis(unsigned(row, 1)?)));
        last = Some(row.get(2)?);
    }
    Ok((found, last))
}

/// Of those that could not be opened. The epoch stands in an entry's header behind version, flags, room, author and nonce.
pub(super) const OF_EPOCH: &str =
    "SELECT bytes, arrived, entry.id FROM unopened JOIN entry ON entry.id = unopened.id
    WHERE unopened.id > ?3 AND room = (SELECT id FROM room WHERE room = ?1) AND substr(bytes, 75, 4) = ?2
    ORDER BY unopened.id LIMIT ?4";

/// Entries that are read again at a time.
const MAX_REREAD: i64 = 256;

const INSIDE: i64 = 0;
const JOINING: i64 = 1;
const EXPIRED: i64 = 2;
const REVOKED: i64 = 3;
const LEAVING: i64 = 4;
