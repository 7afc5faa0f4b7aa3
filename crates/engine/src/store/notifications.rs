//! What a person is told of by the system: for all conversations, and for single ones.

use std::collections::BTreeMap;

use lanyard_proto::model::RoomId;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::writer::Write;
use super::{Durable, Store, StoreError};
use crate::api::{Notifications, NotifyLevel};

impl Store {
    /// What was chosen for all conversations; the default where nothing was.
    pub async fn notifications(&self) -> Result<Notifications, StoreError> {
        self.reader.ask(notifications).await
    }

    /// The conversations with a level of their own.
    pub async fn notify_levels(&self) -> Result<BTreeMap<RoomId, NotifyLevel>, StoreError> {
        self.reader.ask(levels).await
    }

    /// Replaces what was chosen for all conversations. Queued as a commit is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn set_notifications(&self, chosen: Notifications) -> Result<Durable, StoreError> {
        self.writer.queue(Write::Notifications(chosen)).await
    }

    /// Gives a conversation a level of its own, or takes it away. Queued as a commit is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn notify(&self, room: RoomId, level: Option<NotifyLevel>) -> Result<Durable, StoreError> {
        self.writer.queue(Write::Notify(room, level)).await
    }
}

fn notifications(connection: &Connection) -> Result<Notifications, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT do_not_disturb, previews, rooms FROM notification")?;
    let chosen = statement.query_row([], |row| {
        let rooms = level(row.get(2)?);
        Ok(Notifications { do_not_disturb: row.get(0)?, previews: row.get(1)?, rooms })
    });
    Ok(chosen.optional()?.unwrap_or_default())
}

fn levels(connection: &Connection) -> Result<BTreeMap<RoomId, NotifyLevel>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT room.room, level FROM room_notification JOIN room ON room.id = room_notification.room",
    )?;
    let levels = statement.query_map([], |row| Ok((RoomId(row.get(0)?), level(row.get(1)?))))?;
    Ok(levels.collect::<Result<_, _>>()?)
}

pub(super) fn write(transaction: &Transaction, chosen: Notifications) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO notification (one, do_not_disturb, previews, rooms) VALUES (1, ?, ?, ?)
             ON CONFLICT (one) DO UPDATE SET do_not_disturb = excluded.do_not_disturb, previews = excluded.previews,
             rooms = excluded.rooms",
        )?
        .execute(params![chosen.do_not_disturb, chosen.previews, number(chosen.rooms)])?;
    Ok(())
}

/// Of a room that was left meanwhile nothing is told anyway.
pub(super) fn notify(
    transaction: &Transaction,
    room: RoomId,
    level: Option<NotifyLevel>,
) -> Result<(), StoreError> {
    match level {
        Some(level) => transaction
            .prepare_cached(
                "INSERT INTO room_notification (room, level) SELECT id, ?2 FROM room WHERE room = ?1
                 ON CONFLICT (room) DO UPDATE SET level = excluded.level",
            )?
            .execute(params![room.0, number(level)])?,
        None => transaction
            .prepare_cached(
                "DELETE FROM room_notification WHERE room = (SELECT id FROM room WHERE room = ?)",
            )?
            .execute([room.0])?,
    };
    Ok(())
}

fn number(level: NotifyLevel) -> u8 {
    match level {
        NotifyLevel::None => 0,
        NotifyLevel::Mentions => 1,
        NotifyLevel::All => 2,
    }
}

/// The schema knows no other numbers.
fn level(number: u8) -> NotifyLevel {
    match number {
        0 => NotifyLevel::None,
        1 => NotifyLevel::Mentions,
        _ => NotifyLevel::All,
    }
}
