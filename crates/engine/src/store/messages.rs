//! Messages as they are read: pages along the order of a room, and what is known of each besides its signed bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use lanyard_proto::effects::Record;
use lanyard_proto::model::{EntryId, Hlc, PeerId, RoomId, Seq, UnixMillis};
use lanyard_proto::rooms::Content;
use lanyard_proto::wire::entry::Entry;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::columns::{array, bits, unsigned};
use super::meaning;
use super::reader::{collect, cursor, entry_from};
use super::sent::{LogPosition, position};
use super::trust::{not_blocked, pin_counts};
use super::writer::Write;
use super::{Cursor, Durable, Number, Store, StoreError};

/// An entry with what this device knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub entry: Arc<Entry>,
    /// By this device's clock.
    pub arrived: UnixMillis,
    pub cursor: Cursor,
    pub about: About,
}

/// What was said about a message, and how it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What its author made of it last.
    pub edited: Option<Edited>,
    /// Whoever wanted it taken back, whether they may or not; at most [`MAX_DELETES`].
    pub deletes: Vec<Deleted>,
    /// In the order in which they were put there; at most [`MAX_REACTIONS`] are looked at.
    pub reactions: Vec<(String, PeerId)>,
    /// Those that were there and are not: they take up places of their author, too.
    pub taken_off: Vec<(String, PeerId)>,
    pub pinned: bool,
    pub to_me: bool,
    pub late: bool,
    /// The message that it answers, if that is here. What that one answers is left out.
    pub quoted: Option<Box<Shown>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    pub text: String,
    pub mentions: Vec<PeerId>,
    /// By the author's clock.
    pub at: UnixMillis,
    pub position: LogPosition,
}

/// Somebody's wish that a message be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    pub by: PeerId,
    pub position: LogPosition,
}

/// What an entry says, opened by whoever has the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub content: Content,
    /// Whether its author may take back what others wrote in its room, as far as is known now.
    pub moderates: bool,
}

/// What entries say, by their ids.
#[derive(Clone, Debug)]
pub struct Openings {
    /// This device.
    pub me: PeerId,
    pub of: BTreeMap<EntryId, Opened>,
}

impl Default for Openings {
    /// Nothing was opened.
    fn default() -> Openings {
        Openings { me: PeerId([0; 32]), of: BTreeMap::new() }
    }
}

/// Which part of a room a page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// The newest messages.
    Newest,
    /// Those right before.
    Before(Cursor),
    /// Those right after.
    After(Cursor),
    /// Those from a time on.
    At(UnixMillis),
    /// A message in the middle.
    Around(Cursor),
}

/// A stretch of a room's messages, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub messages: Vec<Shown>,
    /// Whether there are more before the first.
    pub more: bool,
    /// Whether there are more after the last.
    pub newer: bool,
}

/// Messages of others that were not seen yet, and how many of them are meant for this device; at most [`MAX_COUNT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub unread: u32,
    pub mentions: u32,
}

/// Something about a message that may have to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It came.
    New(EntryId),
    /// It reads otherwise, and so does whatever quotes it.
    Text(EntryId),
    /// Somebody reacted to it or pinned it.
    Mark(EntryId),
}

/// A message as it is now, and the newest messages that answer it where those read otherwise too.
#[derive(Clone, Debug)]
pub struct Changed {
    pub message: Shown,
    pub answers: Vec<Shown>,
}

impl Store {
    /// As [`Store::commit`], with what the entries among the records say.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit_opened(
        &self,
        records: Vec<Record>,
        openings: Openings,
    ) -> Result<Durable, StoreError> {
        self.writer.queue(Write::Records(records, openings)).await
    }

    /// Says what entries mean that were stored before they could be opened. Doing so twice does no harm. Queued as a
    /// commit is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn index(&self, openings: Openings) -> Result<Durable, StoreError> {
        self.writer.queue(Write::Opened(openings)).await
    }

    /// Entries whose meaning is not known, in the order in which they arrived, behind the row that was given last; with
    /// the rows to go on from.
    pub async fn unopened(&self, after: i64, limit: u32) -> Result<Vec<(i64, Arc<Entry>)>, StoreError> {
        self.reader
            .ask(move |connection| {
                collect(connection, UNOPENED, params![after, limit], |row| {
                    Ok((row.get(1)?, entry_from(row, 0)?))
                })
            })
            .await
    }

    /// A page of a room, of `limit` messages at the most.
    pub async fn part(&self, room: RoomId, stretch: Stretch, limit: u32) -> Result<Part, StoreError> {
        self.part_of(room, stretch, limit, Number(i64::MAX)).await
    }

    /// The same of what had arrived by a number.
    pub async fn part_of(
        &self,
        room: RoomId,
        stretch: Stretch,
        limit: u32,
        until: Number,
    ) -> Result<Part, StoreError> {
        let room = Arrived { room, until };
        self.reader.ask(move |connection| part(connection, room, stretch, limit)).await
    }

    /// The newest messages of a room, or those right before `before`; oldest first. Whether there are more before them.
    pub async fn page(
        &self,
        room: RoomId,
        before: Option<Cursor>,
        limit: u32,
    ) -> Result<(Vec<Shown>, bool), StoreError> {
        let part = self.part(room, before.map_or(Stretch::Newest, Stretch::Before), limit).await?;
        Ok((part.messages, part.more))
    }

    /// The newest message of a room.
    pub async fn last(&self, room: RoomId) -> Result<Option<Shown>, StoreError> {
        let (mut newest, _) = self.page(room, None, 1).await?;
        Ok(newest.pop())
    }

    /// The pinned messages of a room, the one that was pinned last first.
    pub async fn pins(&self, room: RoomId, limit: u32) -> Result<Vec<Shown>, StoreError> {
        self.reader.ask(move |connection| described(connection, PINS, params![room.0, limit])).await
    }

    /// The entry of this id, message or not.
    pub async fn entry(&self, id: EntryId) -> Result<Option<Shown>, StoreError> {
        self.reader.ask(move |connection| entry(connection, id)).await
    }

    /// Messages whose ids begin with these hexadecimal digits; sixteen at the most.
    pub async fn find(&self, prefix: &str) -> Result<Vec<Shown>, StoreError> {
        let Some((low, high)) = bounds(prefix) else { return Ok(Vec::new()) };
        self.reader.ask(move |connection| described(connection, FIND, params![low, high])).await
    }

    /// Messages that changed, as they are now; `None` for those that are not here.
    pub async fn changed(&self, changes: Vec<Change>) -> Result<Vec<Option<Changed>>, StoreError> {
        self.reader.ask(move |connection| changed(connection, changes)).await
    }

    /// How many messages of others were not seen yet.
    pub async fn counts(&self, room: RoomId, me: PeerId) -> Result<Counts, StoreError> {
        self.reader.ask(move |connection| counts(connection, room, me)).await
    }

    /// Where the last message stands that was seen in a room.
    pub async fn read_mark(&self, room: RoomId) -> Result<Option<Cursor>, StoreError> {
        self.reader.ask(move |connection| read_mark(connection, room)).await
    }

    /// What a room is about, and since when.
    pub async fn topic(&self, room: RoomId) -> Result<Option<(Cursor, String)>, StoreError> {
        let ask = move |connection: &Connection| {
            let read = |row: &Row| Ok((cursor(row)?, row.get(4)?));
            Ok(collect(connection, TOPIC, [room.0], read)?.pop())
        };
        self.reader.ask(ask).await
    }

    /// What was begun in a room and not sent; empty if nothing was.
    pub async fn draft(&self, room: RoomId) -> Result<String, StoreError> {
        let ask = move |connection: &Connection| {
            let draft = collect(connection, DRAFT, [room.0], |row| Ok(row.get(0)?))?;
            Ok(draft.into_iter().next().unwrap_or_default())
        };
        self.reader.ask(ask).await
    }

    /// Keeps what was begun in a room; empty forgets it. Queued as a commit is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn set_draft(&self, room: RoomId, text: String) -> Result<Durable, StoreError> {
        self.writer.queue(Write::Draft(room, text)).await
    }
}

/// What had arrived of a room by a number.
#[derive(Clone, Copy)]
struct Arrived {
    room: RoomId,
    until: Number,
}

fn part(connection: &Connection, room: Arrived, stretch: Stretch, limit: u32) -> Result<Part, StoreError> {
    // One more than asked for tells whether there are more.
    let forwards = |sql: &str, cursor: Cursor, limit: u32| -> Result<(Vec<Shown>, bool), StoreError> {
        let mut messages = along(connection, sql, room, cursor, i64::from(limit) + 1)?;
        let more = messages.len() > limit as usize;
        messages.truncate(limit as usize);
        Ok((messages, more))
    };
    let backwards = |before: Cursor, limit: u32| -> Result<(Vec<Shown>, bool), StoreError> {
        let (mut messages, more) = forwards(BEFORE, before, limit)?;
        messages.reverse();
        Ok((messages, more))
    };
    match stretch {
        Stretch::Newest => {
            backwards(Cursor::END, limit).map(|(messages, more)| Part { messages, more, newer: false })
        }
        Stretch::Before(before) => {
            let (messages, more) = backwards(before, limit)?;
            Ok(Part { newer: exists(connection, FROM, room, before)?, messages, more })
        }
        Stretch::After(after) => {
            let (messages, newer) = forwards(AFTER, after, limit)?;
            let first = messages.first().map_or(Cursor::END, |first| first.cursor);
            Ok(Part { more: exists(connection, BEFORE, room, first)?, messages, newer })
        }
        Stretch::At(time) => {
            let (messages, newer) = forwards(FROM, Cursor::at(time), limit)?;
            Ok(Part { more: exists(connection, BEFORE, room, Cursor::at(time))?, messages, newer })
        }
        Stretch::Around(middle) => {
            let (mut messages, more) = backwards(middle, limit / 2)?;
            let (mut rest, newer) = forwards(FROM, middle, limit - limit / 2)?;
            messages.append(&mut rest);
            Ok(Part { messages, more, newer })
        }
    }
}

fn along(
    connection: &Connection,
    sql: &str,
    Arrived { room, until }: Arrived,
    Cursor { place, author, seq, nonce }: Cursor,
    most: i64,
) -> Result<Vec<Shown>, StoreError> {
    let params = params![room.0, bits(place.0), author.0, bits(seq.0), nonce.to_be_bytes(), until.0, most];
    described(connection, sql, params)
}

fn exists(connection: &Connection, sql: &str, room: Arrived, cursor: Cursor) -> Result<bool, StoreError> {
    Ok(!along(connection, sql, room, cursor, 1)?.is_empty())
}

pub(super) fn entry(connection: &Connection, id: EntryId) -> Result<Option<Shown>, StoreError> {
    Ok(described(connection, ENTRY, [id.0])?.pop())
}

fn changed(connection: &Connection, changes: Vec<Change>) -> Result<Vec<Option<Changed>>, StoreError> {
    let changed = changes.into_iter().map(|change| {
        let (Change::New(id) | Change::Text(id) | Change::Mark(id)) = change;
        let Some(message) = entry(connection, id)? else { return Ok(None) };
        let answers = match change {
            Change::Mark(_) => Vec::new(),
            Change::New(_) | Change::Text(_) => described(connection, ANSWERS, params![id.0, MAX_ANSWERS])?,
        };
        Ok(Some(Changed { message, answers }))
    });
    changed.collect()
}

/// Reads messages whole: the columns are those of [`columns`].
pub(super) fn described(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Vec<Shown>, StoreError> {
    let mut rows = collect(connection, sql, params, bare)?;
    for (shown, row) in &mut rows {
        let quoted = match row.reply {
            Some(reply) => quoted(connection, row.room, reply)?,
            None => None,
        };
        if row.marked {
            describe(connection, row.room, shown)?;
        }
        shown.about.quoted = quoted.map(Box::new);
    }
    Ok(rows.into_iter().map(|(shown, _)| shown).collect())
}

/// What else stands in the row of a message.
struct Beside {
    room: i64,
    marked: bool,
    reply: Option<EntryId>,
}

fn bare(row: &Row) -> Result<(Shown, Beside), StoreError> {
    let entry = entry_from(row, 0)?;
    let arrived = UnixMillis(unsigned(row, 1)?);
    let reply: Option<[u8; 32]> = row.get(6)?;
    let about = About { to_me: row.get(4)?, late: row.get::<_, i64>(5)? > 0, ..About::default() };
    let beside = Beside { room: row.get(2)?, marked: row.get(3)?, reply: reply.map(EntryId) };
    let cursor = Cursor::at_place(&entry.header, Hlc(unsigned(row, 7)?));
    Ok((Shown { cursor, entry, arrived, about }, beside))
}

fn quoted(connection: &Connection, room: i64, id: EntryId) -> Result<Option<Shown>, StoreError> {
    let found = collect(connection, ENTRY, [id.0], bare)?.pop();
    let Some((mut shown, beside)) = found.filter(|(_, beside)| beside.room == room) else { return Ok(None) };
    if beside.marked {
        describe(connection, room, &mut shown)?;
    }
    Ok(Some(shown))
}

fn describe(connection: &Connection, room: i64, shown: &mut Shown) -> Result<(), StoreError> {
    let (id, author) = (shown.entry.id().0, shown.entry.header.author.0);
    let about = &mut shown.about;
    about.edited = connection
        .prepare_cached(EDITED)?
        .query_row(params![room, id, author], |row| {
            let position = position(row, PeerId(author), 2)?;
            let mentions = meaning::peers(&row.get::<_, Vec<u8>>(1)?);
            Ok(Edited { text: row.get(0)?, mentions, at: position.at, position })
        })
        .optional()?;
    // The author's own wish comes first: it counts everywhere.
    about.deletes = collect(connection, DELETED, params![room, id, author], deleted)?;
    about.deletes.extend(collect(connection, DELETES, params![room, id, author, MAX_DELETES], deleted)?);
    about.pinned = connection.prepare_cached(PINNED)?.exists(params![room, id])?;
    let mut reactions = collect(connection, REACTIONS, params![room, id, MAX_REACTIONS], |row| {
        let stamp = (unsigned(row, 2)?, array::<32>(row, 1)?, unsigned(row, 3)?, array::<8>(row, 4)?);
        Ok((stamp, row.get::<_, String>(0)?, row.get::<_, bool>(5)?))
    })?;
    reactions.sort_unstable();
    for ((_, author, ..), emoji, shown) in reactions {
        let list = if shown { &mut about.reactions } else { &mut about.taken_off };
        list.push((emoji, PeerId(author)));
    }
    Ok(())
}

fn deleted(row: &Row) -> Result<Deleted, StoreError> {
    let by = PeerId(array(row, 0)?);
    Ok(Deleted { by, position: position(row, by, 1)? })
}

pub(super) fn counts(connection: &Connection, room: RoomId, me: PeerId) -> Result<Counts, StoreError> {
    let Cursor { place, author, seq, nonce } = read_mark(connection, room)?.unwrap_or(Cursor::START);
    let after = |sql: &str| -> Result<u32, StoreError> {
        let nonce = nonce.to_be_bytes();
        let params = params![room.0, bits(place.0), author.0, bits(seq.0), nonce, me.0, MAX_COUNT];
        Ok(connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))?)
    };
    let unread = after(UNREAD)?.saturating_sub(after(QUIET)?);
    let late: (u32, u32) = connection
        .prepare_cached(LATE)?
        .query_row(params![room.0, MAX_COUNT], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mentions = after(TO_ME)?;
    Ok(Counts { unread: (unread + late.0).min(MAX_COUNT), mentions: (mentions + late.1).min(MAX_COUNT) })
}

fn read_mark(connection: &Connection, room: RoomId) -> Result<Option<Cursor>, StoreError> {
    Ok(connection.prepare_cached(READ_MARK)?.query_row([room.0], cursor).optional()?)
}

/// The lowest and highest id that begin with these digits.
fn bounds(prefix: &str) -> Option<([u8; 32], [u8; 32])> {
    if prefix.is_empty() || prefix.len() > 64 {
        return None;
    }
    let whole = |fill: char| {
        let digits: String = prefix.chars().chain(std::iter::repeat(fill)).take(64).collect();
        EntryId::parse(&digits).map(|id| id.0)
    };
    Some((whole('0')?, whole('f')?))
}

impl Cursor {
    /// Before every message.
    pub const START: Cursor = Cursor { place: Hlc(0), author: PeerId([0; 32]), seq: Seq(0), nonce: 0 };
    /// After every message.
    pub(super) const END: Cursor = Cursor {
        place: Hlc(i64::MAX as u64),
        author: PeerId([0xff; 32]),
        seq: Seq(i64::MAX as u64),
        nonce: u64::MAX,
    };

    /// Before all that was written at this time or later.
    fn at(time: UnixMillis) -> Cursor {
        Cursor { place: Hlc::at(UnixMillis(time.0.min(i64::MAX as u64 >> 16))), ..Cursor::START }
    }
}

/// Of others who wanted a message taken back: more than a private room has admins. Elsewhere their wish does not count.
const MAX_DELETES: u32 = 64;
/// Reactions on one message that are looked at, of the devices with the lowest ids.
const MAX_REACTIONS: u32 = 4096;
/// Answers to one message that are told of when it changes; others are right on their next page.
const MAX_ANSWERS: u32 = 32;
/// Nobody reads a larger number than "9999 unread", and counting has to end.
pub const MAX_COUNT: u32 = 9999;

macro_rules! columns {
    ($($from:tt)+) => {
        concat!(
            "SELECT entry.bytes, entry.arrived, entry.room, coalesce(marked, 0), coalesce(to_me, 0), coalesce(late, 0), \
             reply, entry.place FROM ",
            $($from)+
        )
    };
}
pub(super) use columns;

pub(super) const BEFORE: &str = columns!(
    "entry LEFT JOIN message USING (id)
    WHERE entry.room = (SELECT id FROM room WHERE room = ?) AND entry.message = 1
    AND (entry.place, entry.author, entry.seq, entry.nonce) < (?, ?, ?, ?) AND entry.id <= ? AND ",
    not_blocked!("entry.author"),
    " ORDER BY entry.place DESC, entry.author DESC, entry.seq DESC, entry.nonce DESC LIMIT ?"
);

pub(super) const AFTER: &str = columns!(
    "entry LEFT JOIN message USING (id)
    WHERE entry.room = (SELECT id FROM room WHERE room = ?) AND entry.message = 1
    AND (entry.place, entry.author, entry.seq, entry.nonce) > (?, ?, ?, ?) AND entry.id <= ? AND ",
    not_blocked!("entry.author"),
    " ORDER BY entry.place, entry.author, entry.seq, entry.nonce LIMIT ?"
);

pub(super) const FROM: &str = columns!(
    "entry LEFT JOIN message USING (id)
    WHERE entry.room = (SELECT id FROM room WHERE room = ?) AND entry.message = 1
    AND (entry.place, entry.author, entry.seq, entry.nonce) >= (?, ?, ?, ?) AND entry.id <= ? AND ",
    not_blocked!("entry.author"),
    " ORDER BY entry.place, entry.author, entry.seq, entry.nonce LIMIT ?"
);

pub(super) const ENTRY: &str = columns!("entry LEFT JOIN message USING (id) WHERE entry.entry = ?");

pub(super) const FIND: &str = columns!(
    "entry LEFT JOIN message USING (id) WHERE entry.entry BETWEEN ? AND ? AND entry.message = 1 LIMIT 16"
);

pub(super) const ANSWERS: &str =
    columns!("message CROSS JOIN entry USING (id) WHERE reply = ? ORDER BY message.id DESC LIMIT ?");

pub(super) const PINS: &str = columns!(
    "mark INDEXED BY mark_pinned CROSS JOIN entry ON entry.entry = target AND entry.room = mark.room
    LEFT JOIN message ON message.id = entry.id
    WHERE mark.room = (SELECT id FROM room WHERE room = ?) AND mark.kind = 16 AND yes = 1 AND entry.message = 1 AND ",
    pin_counts!(),
    " AND ",
    not_blocked!("entry.author"),
    " ORDER BY mark.place DESC, mark.author DESC, mark.seq DESC, mark.nonce DESC LIMIT ?"
);

pub(super) const UNOPENED: &str = "SELECT bytes, entry.id FROM unopened CROSS JOIN entry USING (id)
    WHERE unopened.id > ? ORDER BY unopened.id LIMIT ?";

pub(super) const EDITED: &str = "SELECT text, mentions, nonce, seq, place FROM mark
    WHERE room = ? AND target = ? AND kind = 2 AND whose = ? AND text IS NOT NULL";

pub(super) const DELETED: &str =
    "SELECT whose, nonce, seq, place FROM mark WHERE room = ? AND target = ? AND kind = 3 AND whose = ?";

pub(super) const DELETES: &str = "SELECT whose, nonce, seq, place FROM mark
    WHERE room = ? AND target = ? AND kind = 3 AND whose <> ? LIMIT ?";

pub(super) const PINNED: &str = concat!(
    "SELECT 1 FROM mark WHERE mark.room = ? AND mark.target = ? AND mark.kind = 16 AND mark.yes = 1 AND ",
    pin_counts!()
);

pub(super) const REACTIONS: &str = "SELECT emoji, author, place, seq, nonce, shown FROM reaction
    WHERE room = ? AND target = ? LIMIT ?";

pub(super) const UNREAD: &str = concat!(
    "SELECT count(*) FROM (SELECT 1 FROM entry
    WHERE room = (SELECT id FROM room WHERE room = ?) AND message = 1
    AND (place, author, seq, nonce) > (?, ?, ?, ?) AND author <> ? AND ",
    not_blocked!("entry.author"),
    " LIMIT ?)"
);

pub(super) const QUIET: &str = concat!(
    "SELECT count(*) FROM (SELECT 1 FROM message
    WHERE room = (SELECT id FROM room WHERE room = ?) AND quiet = 1
    AND (place, author, seq, nonce) > (?, ?, ?, ?) AND author <> ? AND ",
    not_blocked!("message.author"),
    " LIMIT ?)"
);

pub(super) const TO_ME: &str = concat!(
    "SELECT count(*) FROM (SELECT 1 FROM message
    WHERE room = (SELECT id FROM room WHERE room = ?) AND to_me = 1 AND quiet = 0
    AND (place, author, seq, nonce) > (?, ?, ?, ?) AND author <> ? AND ",
    not_blocked!("message.author"),
    " LIMIT ?)"
);

pub(super) const LATE: &str = concat!(
    "SELECT count(*), coalesce(sum(to_me), 0) FROM (SELECT to_me FROM message
    WHERE room = (SELECT id FROM room WHERE room = ?) AND late = 1 AND quiet = 0 AND ",
    not_blocked!("message.author"),
    " LIMIT ?)"
);

pub(super) const READ_MARK: &str = "SELECT place, author, seq, nonce FROM read_mark
    WHERE room = (SELECT id FROM room WHERE room = ?)";

pub(super) const TOPIC: &str = concat!(
    "SELECT place, author, seq, nonce, topic FROM topic INDEXED BY topic_newest
    WHERE room = (SELECT id FROM room WHERE room = ?) AND ",
    not_blocked!("topic.author"),
    " ORDER BY place DESC, author DESC, seq DESC, nonce DESC LIMIT 1"
);

pub(super) const DRAFT: &str = "SELECT text FROM draft WHERE room = (SELECT id FROM room WHERE room = ?)";
