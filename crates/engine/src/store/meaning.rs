//! What entries mean becomes rows that pages, counts and the search are read from.
//!
//! The rows do not depend on the order in which entries come: of what contradicts itself the newest is kept, and what
//! speaks about a message that is not here waits for it.

use lanyard_proto::model::{EntryId, Hlc, PeerId, RoomId, Seq};
use lanyard_proto::rooms::{self, Content, Text, kind};
use lanyard_proto::wire::entry::Entry;
use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use super::columns::{bits, unsigned};
use super::error::StoreError;
use super::{Cursor, Opened, Openings, words};

/// An entry and its row.
pub(super) struct Row<'a> {
    pub id: i64,
    pub room: i64,
    pub entry: &'a Entry,
    pub cursor: Cursor,
}

/// A message that a mark speaks about.
pub(super) struct Target {
    pub(super) id: i64,
    pub(super) author: PeerId,
    pub(super) kind: u8,
    cursor: Cursor,
}

/// An entry was just appended.
pub(super) fn appended(transaction: &Transaction, row: &Row, openings: &Openings) -> Result<(), StoreError> {
    if rooms::is_message(row.entry.header.kind) {
        let late = is_late(transaction, row, openings.me)?;
        transaction
            .prepare_cached(
                "INSERT INTO message (id, room, kind, place, author, seq, nonce, marked, to_me, quiet, late)
                 VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?)",
            )?
            .execute(params![
                row.id,
                row.room,
                row.entry.header.kind,
                bits(row.cursor.place.0),
                row.cursor.author.0,
                bits(row.cursor.seq.0),
                row.cursor.nonce.to_be_bytes(),
                late,
            ])?;
    }
    match openings.of.get(&row.entry.id()) {
        Some(opened) => understand(transaction, row, opened, openings.me),
        None => {
            transaction.prepare_cached("INSERT INTO unopened (id) VALUES (?)")?.execute([row.id])?;
            Ok(())
        }
    }
}

/// An entry that was stored before could be opened now. One that is gone meanwhile means nothing any more.
pub(super) fn opened(
    transaction: &Transaction,
    id: EntryId,
    opened: &Opened,
    me: PeerId,
) -> Result<(), StoreError> {
    let found = transaction
        .prepare_cached("SELECT entry.id, entry.room, bytes, place FROM entry WHERE entry = ?")?
        .query_row([id.0], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?, unsigned(row, 3)?))
        })
        .optional()?;
    let Some((id, room, bytes, place)) = found else { return Ok(()) };
    let entry = Entry::from_store(&bytes).map_err(|_| StoreError::unreadable("an entry"))?;
    let cursor = Cursor::at_place(&entry.header, Hlc(place));
    let row = Row { id, room, entry: &entry, cursor };
    let is_message = rooms::is_message(entry.header.kind);
    // Versions that did not know its kind took it for a message.
    transaction
        .prepare_cached("UPDATE entry SET message = ?2 WHERE id = ?1 AND message <> ?2")?
        .execute(params![id, is_message])?;
    if is_message {
        transaction
            .prepare_cached(
                "INSERT INTO message (id, room, kind, place, author, seq, nonce, marked, to_me, quiet, late)
                 VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0) ON CONFLICT (id) DO NOTHING",
            )?
            .execute(params![
                id,
                room,
                entry.header.kind,
                bits(cursor.place.0),
                cursor.author.0,
                bits(cursor.seq.0),
                cursor.nonce.to_be_bytes(),
            ])?;
    }
    transaction.prepare_cached("DELETE FROM unopened WHERE id = ?")?.execute([id])?;
    understand(transaction, &row, opened, me)
}

fn understand(transaction: &Transaction, row: &Row, opened: &Opened, me: PeerId) -> Result<(), StoreError> {
    match &opened.content {
        Content::Text(text) => message(transaction, row, text, me),
        Content::Offer { offer, .. } => {
            message(transaction, row, &Text::from(offer.names.join(" ").as_str()), me)
        }
        Content::Topic(topic) => {
            set_quiet(transaction, row.id)?;
            set_topic(transaction, row, topic)
        }
        Content::Edit { target, text } => edit(transaction, row, *target, text, me),
        Content::Delete { target } => delete(transaction, row, *target, opened.moderates),
        Content::Pin { target, on } => pin(transaction, row, *target, *on),
        Content::Reaction { target, emoji, on } => react(transaction, row, *target, emoji, *on),
        Content::Deed(_) if rooms::is_note(row.entry.header.kind) => set_quiet(transaction, row.id),
        Content::Receipt { .. }
        | Content::Pause { .. }
        | Content::Fork(_)
        | Content::Deed(_)
        | Content::Unknown => Ok(()),
    }
}

/// A text or an offer, with what was said about it before it came.
fn message(transaction: &Transaction, row: &Row, text: &Text, me: PeerId) -> Result<(), StoreError> {
    let id = row.entry.id();
    let marked: bool = transaction
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM mark WHERE room = ?1 AND target = ?2)
             OR EXISTS (SELECT 1 FROM reaction WHERE room = ?1 AND target = ?2)",
        )?
        .query_row(params![row.room, id.0], |row| row.get(0))?;
    transaction.prepare_cached("UPDATE message SET reply = ?, marked = ? WHERE id = ?")?.execute(params![
        text.reply.map(|reply| reply.0),
        marked,
        row.id
    ])?;
    let target =
        Target { id: row.id, author: row.cursor.author, kind: row.entry.header.kind, cursor: row.cursor };
    if marked && is_taken_back(transaction, row.room, id, target.author)? {
        return take_back(transaction, row.room, id, &target);
    }
    let edited = if marked { edited(transaction, row.room, id, &target)? } else { None };
    let text = edited
        .map_or_else(|| text.clone(), |(words, mentions)| Text { text: words, mentions, ..text.clone() });
    say(transaction, row.room, &target, &text, me)
}

fn edit(
    transaction: &Transaction,
    row: &Row,
    target: EntryId,
    text: &Text,
    me: PeerId,
) -> Result<(), StoreError> {
    let whose = row.cursor.author;
    if !mark(transaction, row, target, kind::EDIT, &whose.0, true, Some(text))? {
        return Ok(());
    }
    set_marked(transaction, row, target)?;
    let Some(found) = find(transaction, row.room, target)?.filter(|found| found.author == whose) else {
        return Ok(());
    };
    if is_taken_back(transaction, row.room, target, whose)? {
        return take_back(transaction, row.room, target, &found);
    }
    if found.kind != kind::TEXT {
        return Ok(());
    }
    let reply: Option<[u8; 32]> = transaction
        .prepare_cached("SELECT reply FROM message WHERE id = ?")?
        .query_row([found.id], |row| row.get(0))?;
    say(transaction, row.room, &found, &Text { reply: reply.map(EntryId), ..text.clone() }, me)
}

fn delete(transaction: &Transaction, row: &Row, target: EntryId, moderates: bool) -> Result<(), StoreError> {
    let whose = row.cursor.author;
    mark(transaction, row, target, kind::DELETE, &whose.0, moderates, None)?;
    set_marked(transaction, row, target)?;
    match find(transaction, row.room, target)? {
        Some(found) if moderates || found.author == whose => take_back(transaction, row.room, target, &found),
        _ => Ok(()),
    }
}

/// The newest word counts; those of a few others are kept for when its author is blocked.
fn pin(transaction: &Transaction, row: &Row, target: EntryId, on: bool) -> Result<(), StoreError> {
    mark(transaction, row, target, kind::PIN, &row.cursor.author.0, on, None)?;
    transaction
        .prepare_cached(
            "DELETE FROM mark WHERE room = ?1 AND target = ?2 AND kind = 16 AND whose IN
             (SELECT whose FROM mark WHERE room = ?1 AND target = ?2 AND kind = 16
              ORDER BY place DESC, author DESC, seq DESC, nonce DESC LIMIT -1 OFFSET ?3)",
        )?
        .execute(params![row.room, target.0, MAX_WORDS])?;
    set_marked(transaction, row, target)
}

/// Keeps only an author's newest on each message: nobody can fill the table with one.
fn react(
    transaction: &Transaction,
    row: &Row,
    target: EntryId,
    emoji: &str,
    on: bool,
) -> Result<(), StoreError> {
    let Cursor { place, author, seq, nonce } = row.cursor;
    transaction
        .prepare_cached(
            "INSERT INTO reaction (room, target, author, emoji, place, seq, nonce, shown)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (room, target, author, emoji) DO UPDATE
             SET place = excluded.place, seq = excluded.seq, nonce = excluded.nonce, shown = excluded.shown
             WHERE (excluded.place, excluded.seq, excluded.nonce) > (place, seq, nonce)",
        )?
        .execute(params![
            row.room,
            target.0,
            author.0,
            emoji,
            bits(place.0),
            bits(seq.0),
            nonce.to_be_bytes(),
            on
        ])?;
    transaction
        .prepare_cached(
            "DELETE FROM reaction WHERE room = ?1 AND target = ?2 AND author = ?3 AND emoji IN
             (SELECT emoji FROM reaction WHERE room = ?1 AND target = ?2 AND author = ?3
              ORDER BY place DESC, seq DESC, nonce DESC LIMIT -1 OFFSET ?4)",
        )?
        .execute(params![row.room, target.0, author.0, MAX_REACTIONS_OF_AUTHOR])?;
    set_marked(transaction, row, target)
}

/// Whether it is the newest of its kind.
fn mark(
    transaction: &Transaction,
    row: &Row,
    target: EntryId,
    kind: u8,
    whose: &[u8],
    yes: bool,
    text: Option<&Text>,
) -> Result<bool, StoreError> {
    let Cursor { place, author, seq, nonce } = row.cursor;
    let mentions: Option<Vec<u8>> = text.map(|text| text.mentions.iter().flat_map(|peer| peer.0).collect());
    let changed = transaction
        .prepare_cached(
            "INSERT INTO mark (room, target, kind, whose, place, author, seq, nonce, yes, text, mentions)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (room, target, kind, whose) DO UPDATE
             SET place = excluded.place, author = excluded.author, seq = excluded.seq, nonce = excluded.nonce,
             yes = excluded.yes, text = excluded.text, mentions = excluded.mentions
             WHERE (excluded.place, excluded.author, excluded.seq, excluded.nonce) > (place, author, seq, nonce)",
        )?
        .execute(params![
            row.room,
            target.0,
            kind,
            whose,
            bits(place.0),
            author.0,
            bits(seq.0),
            nonce.to_be_bytes(),
            yes,
            text.map(|text| &text.text),
            mentions,
        ])?;
    Ok(changed > 0)
}

fn set_marked(transaction: &Transaction, row: &Row, target: EntryId) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE message SET marked = 1 WHERE marked = 0
             AND id = (SELECT id FROM entry WHERE entry = ? AND room = ?)",
        )?
        .execute(params![target.0, row.room])?;
    Ok(())
}

fn set_quiet(transaction: &Transaction, id: i64) -> Result<(), StoreError> {
    transaction.prepare_cached("UPDATE message SET quiet = 1 WHERE id = ?")?.execute([id])?;
    Ok(())
}

fn set_topic(transaction: &Transaction, row: &Row, topic: &str) -> Result<(), StoreError> {
    let Cursor { place, author, seq, nonce } = row.cursor;
    transaction
        .prepare_cached(
            "INSERT INTO topic (room, topic, place, author, seq, nonce) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (room, author) DO UPDATE SET topic = excluded.topic, place = excluded.place,
             seq = excluded.seq, nonce = excluded.nonce
             WHERE (excluded.place, excluded.seq, excluded.nonce) > (place, seq, nonce)",
        )?
        .execute(params![row.room, topic, bits(place.0), author.0, bits(seq.0), nonce.to_be_bytes()])?;
    transaction
        .prepare_cached(
            "DELETE FROM topic WHERE room = ?1 AND author IN
             (SELECT author FROM topic WHERE room = ?1
              ORDER BY place DESC, author DESC, seq DESC, nonce DESC LIMIT -1 OFFSET ?2)",
        )?
        .execute(params![row.room, MAX_WORDS])?;
    Ok(())
}

/// What a message says now: for the search, and for who is meant.
fn say(
    transaction: &Transaction,
    room: i64,
    target: &Target,
    text: &Text,
    me: PeerId,
) -> Result<(), StoreError> {
    let answers_me = match text.reply {
        Some(reply) => find(transaction, room, reply)?.is_some_and(|answered| answered.author == me),
        None => false,
    };
    let to_me = target.author != me && (answers_me || text.mentions.contains(&me));
    transaction
        .prepare_cached("UPDATE message SET to_me = ?1 WHERE id = ?2 AND to_me <> ?1")?
        .execute(params![to_me, target.id])?;
    let number = match number_of(transaction, target.id)? {
        Some(number) => {
            erase(transaction, number)?;
            number
        }
        None => number(transaction, target)?,
    };
    transaction
        .prepare_cached("INSERT INTO search (rowid, words, room, author) VALUES (?, ?, ?, ?)")?
        .execute(params![number, words::divided(&text.text), room, author_word(target.author)])?;
    Ok(())
}

/// Leaves nothing of a message but the signed entries.
pub(super) fn take_back(
    transaction: &Transaction,
    room: i64,
    id: EntryId,
    target: &Target,
) -> Result<(), StoreError> {
    if !matches!(target.kind, kind::TEXT | kind::OFFER) {
        return Ok(());
    }
    set_quiet(transaction, target.id)?;
    transaction
        .prepare_cached(
            "UPDATE mark SET text = NULL, mentions = NULL
             WHERE room = ? AND target = ? AND kind = 2 AND whose = ? AND text IS NOT NULL",
        )?
        .execute(params![room, id.0, target.author.0])?;
    if let Some(number) = number_of(transaction, target.id)? {
        erase(transaction, number)?;
        transaction.prepare_cached("DELETE FROM found WHERE id = ?")?.execute([number])?;
    }
    Ok(())
}

/// Only messages of the same room can be spoken about.
pub(super) fn find(transaction: &Transaction, room: i64, id: EntryId) -> Result<Option<Target>, StoreError> {
    Ok(transaction
        .prepare_cached(
            "SELECT message.id, message.author, kind, message.place, message.seq, message.nonce
             FROM entry JOIN message USING (id) WHERE entry = ? AND entry.room = ?",
        )?
        .query_row(params![id.0, room], |row| {
            let cursor = Cursor {
                place: Hlc(unsigned(row, 3)?),
                author: PeerId(row.get(1)?),
                seq: Seq(unsigned(row, 4)?),
                nonce: u64::from_be_bytes(row.get(5)?),
            };
            Ok(Target { id: row.get(0)?, author: cursor.author, kind: row.get(2)?, cursor })
        })
        .optional()?)
}

pub(super) fn is_taken_back(
    transaction: &Transaction,
    room: i64,
    id: EntryId,
    author: PeerId,
) -> Result<bool, StoreError> {
    Ok(transaction
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM mark WHERE room = ? AND target = ? AND kind = 3 AND (whose = ? OR yes = 1))",
        )?
        .query_row(params![room, id.0, author.0], |row| row.get(0))?)
}

/// What its author made of a text.
fn edited(
    transaction: &Transaction,
    room: i64,
    id: EntryId,
    target: &Target,
) -> Result<Option<(String, Vec<PeerId>)>, StoreError> {
    if target.kind != kind::TEXT {
        return Ok(None);
    }
    Ok(transaction
        .prepare_cached(
            "SELECT text, mentions FROM mark
             WHERE room = ? AND target = ? AND kind = 2 AND whose = ? AND text IS NOT NULL",
        )?
        .query_row(params![room, id.0, target.author.0], |row| {
            Ok((row.get(0)?, peers(&row.get::<_, Vec<u8>>(1)?)))
        })
        .optional()?)
}

fn number_of(transaction: &Transaction, id: i64) -> Result<Option<i64>, StoreError> {
    Ok(transaction
        .prepare_cached("SELECT id FROM found WHERE entry = ?")?
        .query_row([id], |row| row.get(0))
        .optional()?)
}

/// Leaves no trace of a message's words in the index. That costs a millisecond, so that it is not how whole rooms are
/// forgotten: their words are only marked as gone, and go when SQLite merges the index.
fn erase(transaction: &Transaction, number: i64) -> Result<(), StoreError> {
    let mut thoroughly =
        transaction.prepare_cached("INSERT INTO search (search, rank) VALUES ('secure-delete', ?)")?;
    thoroughly.execute([1])?;
    transaction.prepare_cached("DELETE FROM search WHERE rowid = ?")?.execute([number])?;
    thoroughly.execute([0])?;
    Ok(())
}

/// A message stands elsewhere now: it is found in that order.
pub(super) fn find_at(transaction: &Transaction, id: i64, cursor: Cursor) -> Result<(), StoreError> {
    let Some(old) = number_of(transaction, id)? else { return Ok(()) };
    transaction.prepare_cached("DELETE FROM found WHERE id = ?")?.execute([old])?;
    let new = number(transaction, &Target { id, author: cursor.author, kind: kind::TEXT, cursor })?;
    transaction.prepare_cached("UPDATE search SET rowid = ?2 WHERE rowid = ?1")?.execute([old, new])?;
    Ok(())
}

/// A free number at the message's place, or a little behind it. Many messages of one moment spread further and further.
fn number(transaction: &Transaction, target: &Target) -> Result<i64, StoreError> {
    // Half of all numbers are left to spread into; clocks reach them in the year 4199.
    let place = bits(target.cursor.place.0).min(i64::MAX >> 1);
    let digest = Sha256::digest([target.author.0.as_slice(), &target.id.to_be_bytes()].concat());
    let spread = i64::from_be_bytes(core::array::from_fn(|i| digest[i])) & i64::MAX;
    let mut insert =
        transaction.prepare_cached("INSERT INTO found (id, entry) VALUES (?, ?) ON CONFLICT DO NOTHING")?;
    for doubling in 0..i64::BITS - 1 {
        let number = place.saturating_add(spread & ((1 << doubling) - 1));
        if insert.execute([number, target.id])? > 0 {
            return Ok(number);
        }
    }
    Err(StoreError::unreadable("the search index"))
}

/// Whether it comes to a place that was read before, and was written since this device takes part. In a direct conversation
/// that is everything, whatever this device's clock said when it began.
fn is_late(transaction: &Transaction, row: &Row, me: PeerId) -> Result<bool, StoreError> {
    let Cursor { place, author, seq, nonce } = row.cursor;
    if author == me {
        return Ok(false);
    }
    Ok(transaction
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM read_mark JOIN room ON room.id = read_mark.room
             WHERE read_mark.room = ?1 AND (place, author, seq, nonce) >= (?2, ?3, ?4, ?5)
             AND (joined <= ?6 OR direct IS NOT NULL))",
        )?
        .query_row(
            params![
                row.room,
                bits(place.0),
                author.0,
                bits(seq.0),
                nonce.to_be_bytes(),
                bits(place.unix().0)
            ],
            |row| row.get(0),
        )?)
}

/// How an author stands in the index.
pub(super) fn author_word(author: PeerId) -> String {
    data_encoding::HEXLOWER.encode(&author.0[..8])
}

/// Reads ids that stand one behind the other.
pub(super) fn peers(bytes: &[u8]) -> Vec<PeerId> {
    bytes.chunks_exact(32).filter_map(|id| id.try_into().ok().map(PeerId)).collect()
}

pub(super) fn set_draft(transaction: &Transaction, room: RoomId, text: &str) -> Result<(), StoreError> {
    let sql = if text.is_empty() {
        "DELETE FROM draft WHERE room = (SELECT id FROM room WHERE room = ?1) AND ?2 = ''"
    } else {
        "INSERT INTO draft (room, text) SELECT id, ?2 FROM room WHERE room = ?1
         ON CONFLICT (room) DO UPDATE SET text = excluded.text"
    };
    transaction.prepare_cached(sql)?.execute(params![room.0, text])?;
    Ok(())
}

/// Emoji of one author on one message, those that were taken off among them; the newest are kept.
pub const MAX_REACTIONS_OF_AUTHOR: i64 = 16;
/// Authors whose words on a topic, or on a pin of one message, are kept: anybody may have any number of keys.
const MAX_WORDS: u32 = 16;
