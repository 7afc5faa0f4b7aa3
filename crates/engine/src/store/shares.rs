//! Folders that this device shares.

use std::path::PathBuf;

use lanyard_proto::model::{PeerId, RoomId, ShareId};
use rusqlite::{Connection, Row, Transaction, params};

use super::columns::{array, path, path_blob};
use super::writer::Write;
use super::{Durable, Store, StoreError};

/// A folder that others may look into and fetch from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedFolder {
    pub id: ShareId,
    pub name: String,
    pub path: PathBuf,
    pub who: SharedWith,
}

/// Who may see a shared folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharedWith {
    /// Everybody on the network.
    Everyone,
    /// Whoever is in a room, at the moment of asking.
    Room(RoomId),
    People(Vec<PeerId>),
}

impl Store {
    /// The shared folders, in the order in which they were first shared.
    pub async fn shares(&self) -> Result<Vec<SharedFolder>, StoreError> {
        self.reader.ask(shares).await
    }

    /// Keeps a shared folder, in place of what was kept under its id. Queued as a commit is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn share(&self, share: SharedFolder) -> Result<Durable, StoreError> {
        self.writer.queue(Write::Share(share)).await
    }

    /// Keeps it no longer. Queued as a commit is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn unshare(&self, share: ShareId) -> Result<Durable, StoreError> {
        self.writer.queue(Write::Unshare(share)).await
    }
}

fn shares(connection: &Connection) -> Result<Vec<SharedFolder>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT share, name, path, room, people FROM share ORDER BY id")?;
    let shares = statement.query_map([], share)?.collect::<Result<_, _>>()?;
    Ok(shares)
}

fn share(row: &Row) -> rusqlite::Result<SharedFolder> {
    let (room, people): (Option<[u8; 32]>, Option<Vec<u8>>) = (row.get(3)?, row.get(4)?);
    let who = match (room, people) {
        (Some(room), _) => SharedWith::Room(RoomId(room)),
        (None, Some(people)) => {
            SharedWith::People(people.as_chunks().0.iter().map(|peer| PeerId(*peer)).collect())
        }
        (None, None) => SharedWith::Everyone,
    };
    Ok(SharedFolder { id: ShareId(array(row, 0)?), name: row.get(1)?, path: path(row.get(2)?), who })
}

pub(super) fn write(transaction: &Transaction, share: &SharedFolder) -> Result<(), StoreError> {
    let (room, people) = match &share.who {
        SharedWith::Everyone => (None, None),
        SharedWith::Room(room) => (Some(room.0), None),
        SharedWith::People(people) => {
            (None, Some(people.iter().flat_map(|peer| peer.0).collect::<Vec<u8>>()))
        }
    };
    transaction
        .prepare_cached(
            "INSERT INTO share (share, name, path, room, people) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (share) DO UPDATE SET name = excluded.name, path = excluded.path, room = excluded.room,
             people = excluded.people",
        )?
        .execute(params![share.id.0, share.name, path_blob(&share.path), room, people])?;
    Ok(())
}

pub(super) fn remove(transaction: &Transaction, share: ShareId) -> Result<(), StoreError> {
    transaction.prepare_cached("DELETE FROM share WHERE share = ?")?.execute([share.0])?;
    Ok(())
}
