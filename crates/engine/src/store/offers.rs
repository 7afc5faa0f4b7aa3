//! What was offered in a room, and what became of it.

use lanyard_proto::model::RoomId;
use rusqlite::{Connection, params};

use super::columns::bits;
use super::messages::{columns, described};
use super::reader::{noted_transfer, noted_transfers};
use super::trust::not_blocked;
use super::{Cursor, NotedTransfer, Shown, Store, StoreError};

/// An offer as it stands in a room; of one that cannot be read, or was one too many, nothing else is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    pub message: Shown,
    pub transfer: Option<NotedTransfer>,
}

impl Store {
    /// The newest offers of a room, or those right before `before`, newest first, `limit` of them at the most. Whether
    /// there are more before them.
    pub async fn offers(
        &self,
        room: RoomId,
        before: Option<Cursor>,
        limit: u32,
    ) -> Result<(Vec<Offered>, bool), StoreError> {
        self.reader.ask(move |connection| offers(connection, room, before, limit)).await
    }
}

fn offers(
    connection: &Connection,
    room: RoomId,
    before: Option<Cursor>,
    limit: u32,
) -> Result<(Vec<Offered>, bool), StoreError> {
    let Cursor { place, author, seq, nonce } = before.unwrap_or(Cursor::END);
    // One more than asked for tells whether there are more.
    let most = i64::from(limit) + 1;
    let params = params![room.0, bits(place.0), author.0, bits(seq.0), nonce.to_be_bytes(), most];
    let mut found = described(connection, OFFERS, params)?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let mut statement = connection.prepare_cached(&by_entry())?;
    let mut offers = Vec::with_capacity(found.len());
    for message in found {
        let mut rows = statement.query([message.entry.id().0])?;
        let transfer = rows.next()?.map(noted_transfer).transpose()?;
        offers.push(Offered { message, transfer });
    }
    Ok((offers, more))
}

pub(super) fn by_entry() -> String {
    format!("{} WHERE transfer.entry = ?", noted_transfers())
}

pub(super) const OFFERS: &str = columns!(
    "message CROSS JOIN entry USING (id)
    WHERE message.room = (SELECT id FROM room WHERE room = ?) AND message.kind = 5
    AND (message.place, message.author, message.seq, message.nonce) < (?, ?, ?, ?) AND ",
    not_blocked!("message.author"),
    " ORDER BY message.place DESC, message.author DESC, message.seq DESC, message.nonce DESC LIMIT ?"
);
