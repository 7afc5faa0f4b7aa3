//! Finding messages by their words.

use lanyard_proto::model::{PeerId, RoomId};
use lanyard_proto::wire::entry::log_id;
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::bits;
use super::messages::{columns, described};
use super::trust::not_blocked;
use super::{Cursor, Shown, Store, StoreError, meaning, words};

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Search {
    query: String,
    pub room: Option<RoomId>,
    pub author: Option<PeerId>,
    /// Only what comes before this message.
    pub before: Option<Cursor>,
    pub limit: u32,
}

impl Search {
    /// Looks for messages that contain every word of a text, or for its end, the beginning of one. `None` if there is no
    /// word in it.
    pub fn of(text: &str) -> Option<Search> {
        Some(Search { query: words::query(text)?, room: None, author: None, before: None, limit: 50 })
    }
}

impl Store {
    /// The newest messages that are like this, newest first, and whether there are more before them.
    pub async fn search(&self, search: Search) -> Result<(Vec<Shown>, bool), StoreError> {
        self.reader.ask(move |connection| find(connection, &search)).await
    }
}

fn find(connection: &Connection, search: &Search) -> Result<(Vec<Shown>, bool), StoreError> {
    let mut query = format!("words : {}", search.query);
    if let Some(room) = search.room {
        let row: Option<i64> =
            connection.prepare_cached(ROOM)?.query_row([room.0], |row| row.get(0)).optional()?;
        let Some(row) = row else { return Ok((Vec::new(), false)) };
        query += &format!(" AND room : \"{row}\"");
    }
    if let Some(author) = search.author {
        query += &format!(" AND author : \"{}\"", meaning::author_word(author));
    }
    let before = search.before.map(|before| number(connection, before)).transpose()?.unwrap_or(i64::MAX);
    // One more than asked for tells whether there are more.
    let mut found = described(connection, FOUND, params![query, before, i64::from(search.limit) + 1])?;
    let more = found.len() > search.limit as usize;
    found.truncate(search.limit as usize);
    Ok((found, more))
}

/// Under which number a message is found; or was, if it was taken back meanwhile.
fn number(connection: &Connection, cursor: Cursor) -> Result<i64, StoreError> {
    let log = log_id(cursor.author, cursor.nonce);
    let (seq, place) = (bits(cursor.seq.0), bits(cursor.place.0));
    let found: Option<i64> = connection
        .prepare_cached(NUMBER)?
        .query_row(params![log.0, seq, place], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(place))
}

pub(super) const ROOM: &str = "SELECT id FROM room WHERE room = ?";

pub(super) const FOUND: &str = columns!(
    "search CROSS JOIN found ON found.id = search.rowid CROSS JOIN entry ON entry.id = found.entry
    LEFT JOIN message ON message.id = entry.id
    WHERE search MATCH ? AND search.rowid < ? AND ",
    not_blocked!("entry.author"),
    " ORDER BY search.rowid DESC LIMIT ?"
);

pub(super) const NUMBER: &str =
    "SELECT found.id FROM room CROSS JOIN log ON log.room = room.id AND log.log = ?
    CROSS JOIN entry ON entry.log = log.id AND entry.seq = ? CROSS JOIN found ON found.entry = entry.id
    WHERE entry.place = ?";
