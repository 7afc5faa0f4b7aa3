//! What each record changes in the database. All of it runs inside the writing thread's transaction.

use lanyard_proto::effects::{Origin, PeerRecord, Record, RoomRecord, TransferRecord};
use lanyard_proto::model::{Hlc, LogId, PeerId, RoomId, Seq, Span, TransferId, UnixMillis};
use lanyard_proto::rooms::{self, Came, RoomKind};
use lanyard_proto::wire::avatar::Avatar;
use lanyard_proto::wire::entry::Entry;
use rusqlite::{OptionalExtension, Transaction, params};

use super::arrivals::{self, next_number};
use super::columns::{
    bits, names_blob, path_blob, platform_number, receipts_blob, state_numbers, trust_number, unsigned,
};
use super::error::StoreError;
use super::history::{self, LogRow};
use super::{Cursor, Openings, Settings, TransferNote, mailbox, meaning, private, setback};
use crate::saying::Filling;

/// `openings` has what the entries say, as far as they could be opened.
pub(super) fn write(
    transaction: &Transaction,
    record: &Record,
    openings: &Openings,
) -> Result<(), StoreError> {
    match record {
        Record::Room(room) => write_room(transaction, room),
        Record::RoomLeft(room) => forget_room(transaction, *room),
        Record::Entry { room, entry, own, arrived, theirs } => {
            let writer = if *own { Author::ThisDevice } else { Author::Another };
            append(
                transaction,
                *room,
                entry,
                writer,
                Came { theirs: *theirs, ..Came::at(*arrived) },
                openings,
            )?;
            private::note_deeds(transaction, *room, std::iter::once(entry))
        }
        Record::Run { room, entries, place, arrived, theirs } => {
            let came = Came { theirs: *theirs, ..Came::at(*arrived) };
            history::write_run(transaction, *room, entries, *place, came, openings)?;
            private::note_deeds(transaction, *room, entries.iter())
        }
        Record::Forget { room, log, to } => history::forget(transaction, *room, *log, *to),
        Record::Closed { room, log } => history::close(transaction, *room, *log),
        Record::Forked { room, fork } => history::fork(transaction, *room, fork),
        Record::Cloned(since) => {
            transaction.execute("UPDATE node SET cloned = ?", [since.map(|since| bits(since.0))])?;
            Ok(())
        }
        Record::Peer(peer) => write_peer(transaction, peer),
        Record::PeerForgotten(peer) => forget_peer(transaction, *peer),
        Record::Covered { room, peer, log, held } => cover(transaction, *room, *peer, *log, *held),
        Record::Transfer(transfer) => write_transfer(transaction, transfer),
        Record::TransferForgotten(transfer) => forget_transfer(transaction, *transfer),
        Record::Standing { room, standing } => private::write_standing(transaction, *room, standing),
        Record::Deed { room, entry } => private::note_deeds(transaction, *room, std::iter::once(entry)),
        Record::DeedsGone { room, entries } => private::forget_deeds(transaction, *room, entries),
        Record::Key { room, epoch, key } => private::write_key(transaction, *room, *epoch, key),
        Record::KeyGone { room, epoch, key } => private::forget_key(transaction, *room, *epoch, key),
        Record::Hold { recipient, entries, arrived } => {
            mailbox::hold(transaction, *recipient, entries, *arrived)
        }
        Record::Unhold { room, log, to } => mailbox::unhold(transaction, *room, *log, *to),
        Record::Taken { room, log, taken, at } => mailbox::taken(transaction, *room, *log, taken, *at),
        Record::TakenForgotten { room, log } => mailbox::forget_taken(transaction, *room, *log),
        Record::Kept(kept) => mailbox::kept(transaction, kept),
        // The first step; whoever asked for it asks for the others.
        Record::ClockSetBack(now) => setback::retell(transaction, *now, None).map(drop),
        // It says how the transaction is to be written.
        Record::Outlast => Ok(()),
    }
}

fn write_room(transaction: &Transaction, room: &RoomRecord) -> Result<(), StoreError> {
    let direct = match room.kind {
        RoomKind::Open | RoomKind::Private => None,
        RoomKind::Direct(peer) => Some(peer.0),
    };
    transaction
        .prepare_cached(
            "INSERT INTO room (room, direct, name, joined, private, own_nonce) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (room) DO UPDATE SET direct = excluded.direct, name = excluded.name, joined = excluded.joined,
             own_nonce = excluded.own_nonce",
        )?
        .execute(params![
            room.id.0,
            direct,
            room.name,
            bits(room.joined.0),
            room.kind == RoomKind::Private,
            room.nonce.to_be_bytes(),
        ])?;
    Ok(())
}

/// Forgets a room, its entries and its open transfers. Finished transfers stay: they say where files are.
fn forget_room(transaction: &Transaction, room: RoomId) -> Result<(), StoreError> {
    let Some(id) = room_row(transaction, room)? else { return Ok(()) };
    transaction.execute(
        "INSERT INTO forgotten (room, log, head) SELECT ?2, log, head FROM log WHERE room = ?1 AND own = 1
         ON CONFLICT (room, log) DO UPDATE SET head = max(head, excluded.head)",
        params![id, room.0],
    )?;
    transaction.execute("DELETE FROM log_interval WHERE log IN (SELECT id FROM log WHERE room = ?)", [id])?;
    arrivals::give_up(transaction)?;
    for rows in ["entry", "read_mark", "covered", "fork", "log"] {
        transaction.execute(&format!("DELETE FROM {rows} WHERE room = ?"), [id])?;
    }
    transaction.execute("DELETE FROM room WHERE id = ?", [id])?;
    transaction.execute(
        "DELETE FROM transfer_note WHERE transfer IN (SELECT transfer FROM transfer WHERE room = ? AND state < 3)",
        [room.0],
    )?;
    transaction.execute("DELETE FROM transfer WHERE room = ? AND state < 3", [room.0])?;
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Author {
    ThisDevice,
    Another,
}

/// Appends an entry to its log. One that is there already is ignored; one that does not continue its log is an error.
fn append(
    transaction: &Transaction,
    room: RoomId,
    entry: &Entry,
    writer: Author,
    came: Came,
    openings: &Openings,
) -> Result<(), StoreError> {
    let header = &entry.header;
    let contradiction = |reason: &str| {
        tracing::debug!(%room, log = %entry.log(), seq = header.seq.0, reason, "an entry does not fit");
        StoreError::Contradiction {
            reason: format!("{reason}: entry {} of log {}", header.seq.0, entry.log()),
        }
    };
    let room_id = room_row(transaction, room)?.ok_or_else(|| contradiction("an entry of no room"))?;
    let log = LogRow::find(transaction, room_id, entry.log())?;
    let (head, head_id) = log.as_ref().map_or((Seq(0), [0; 32]), |log| (log.top.head, log.top.head_id.0));
    if let Some(log) = log.as_ref().filter(|_| header.seq <= head) {
        let same = log.entry_at(transaction, header.seq)? == Some(entry.id());
        return if same { Ok(()) } else { Err(contradiction("two entries in one place")) };
    }
    if header.seq != head.next() || header.prev != head_id || header.room != room {
        return Err(contradiction("an entry does not continue its log"));
    }
    if writer == Author::ThisDevice {
        if header.seq <= forgotten(transaction, room, entry.log())? {
            return Err(contradiction("an entry takes the place of a forgotten one"));
        }
        transaction.prepare_cached("UPDATE node SET clock = ?")?.execute([bits(header.hlc.0)])?;
    }
    let bytes = entry.encode();
    let log_row: i64 = transaction
        .prepare_cached(
            "INSERT INTO log (room, log, author, nonce, own, head, head_id, newest, bytes)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (room, log) DO UPDATE SET own = max(own, excluded.own), head = excluded.head,
             head_id = excluded.head_id, newest = excluded.newest, bytes = bytes + excluded.bytes
             RETURNING id",
        )?
        .query_row(
            params![
                room_id,
                entry.log().0,
                header.author.0,
                header.nonce.to_be_bytes(),
                writer == Author::ThisDevice,
                bits(header.seq.0),
                entry.id().0,
                bits(header.hlc.0),
                bytes.len() as i64,
            ],
            |row| row.get(0),
        )?;
    let came = match rooms::is_message(header.kind) {
        true => Came { between: (before(transaction, log_row, header.seq)?, None), ..came },
        false => came,
    };
    let cursor = Cursor::at_place(header, rooms::place(header, came));
    insert(transaction, room_id, log_row, (entry, &bytes), (cursor, came.arrived), openings)
}

/// Where the message stands that is right before this place of a log.
pub(super) fn before(transaction: &Transaction, log: i64, seq: Seq) -> Result<Option<Hlc>, StoreError> {
    neighbour(transaction, MESSAGE_BEFORE, log, seq)
}

/// Where the message stands that is right behind this place of a log.
pub(super) fn behind(transaction: &Transaction, log: i64, seq: Seq) -> Result<Option<Hlc>, StoreError> {
    neighbour(transaction, MESSAGE_BEHIND, log, seq)
}

fn neighbour(transaction: &Transaction, sql: &str, log: i64, seq: Seq) -> Result<Option<Hlc>, StoreError> {
    Ok(transaction
        .prepare_cached(sql)?
        .query_row(params![log, bits(seq.0), NEIGHBOURS], |row| unsigned(row, 0).map(Hlc))
        .optional()?)
}

/// Puts an entry, in its encoding, where it belongs, once that is known; and what it says beside it.
pub(super) fn insert(
    transaction: &Transaction,
    room_id: i64,
    log_row: i64,
    (entry, bytes): (&Entry, &[u8]),
    (cursor, arrived): (Cursor, UnixMillis),
    openings: &Openings,
) -> Result<(), StoreError> {
    let header = &entry.header;
    let id = transaction
        .prepare_cached(concat!(
            "INSERT INTO entry (id, room, log, seq, entry, place, author, nonce, message, arrived, bytes) VALUES (",
            next_number!(),
            ", ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ))?
        .insert(params![
            room_id,
            log_row,
            bits(header.seq.0),
            entry.id().0,
            bits(cursor.place.0),
            header.author.0,
            header.nonce.to_be_bytes(),
            rooms::is_message(header.kind),
            bits(arrived.0),
            bytes,
        ])?;
    meaning::appended(transaction, &meaning::Row { id, room: room_id, entry, cursor }, openings)
}

pub(super) fn room_row(transaction: &Transaction, room: RoomId) -> Result<Option<i64>, StoreError> {
    Ok(transaction
        .prepare_cached("SELECT id FROM room WHERE room = ?")?
        .query_row([room.0], |row| row.get(0))
        .optional()?)
}

/// How far a log of this device went before it was forgotten.
fn forgotten(transaction: &Transaction, room: RoomId, log: LogId) -> Result<Seq, StoreError> {
    let head: Option<i64> = transaction
        .prepare_cached("SELECT head FROM forgotten WHERE room = ? AND log = ?")?
        .query_row(params![room.0, log.0], |row| row.get(0))
        .optional()?;
    Ok(Seq(head.map_or(0, i64::cast_unsigned)))
}

fn write_peer(transaction: &Transaction, peer: &PeerRecord) -> Result<(), StoreError> {
    let addresses: Vec<String> = peer.addresses.iter().map(ToString::to_string).collect();
    transaction
        .prepare_cached(
            "INSERT INTO peer (peer, name, platform, trust, first_seen, last_seen, boot, counter, addresses,
             color, emoji)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (peer) DO UPDATE SET name = excluded.name, platform = excluded.platform,
             trust = excluded.trust, first_seen = excluded.first_seen, last_seen = excluded.last_seen,
             boot = excluded.boot, counter = excluded.counter, addresses = excluded.addresses,
             color = excluded.color, emoji = excluded.emoji",
        )?
        .execute(params![
            peer.id.0,
            peer.name,
            platform_number(peer.platform),
            trust_number(peer.trust),
            bits(peer.first_seen.0),
            bits(peer.last_seen.0),
            bits(peer.boot),
            bits(peer.counter),
            addresses.join(" "),
            peer.avatar.as_ref().map(Avatar::color),
            peer.avatar.as_ref().map(Avatar::emoji),
        ])?;
    Ok(())
}

fn forget_peer(transaction: &Transaction, peer: PeerId) -> Result<(), StoreError> {
    transaction.prepare_cached("DELETE FROM peer WHERE peer = ?")?.execute([peer.0])?;
    Ok(())
}

/// Of a room that was left meanwhile there is nothing to keep.
fn cover(
    transaction: &Transaction,
    room: RoomId,
    peer: PeerId,
    log: LogId,
    held: Span,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO covered (room, peer, log, base, seq) SELECT id, ?2, ?3, ?4, ?5 FROM room WHERE room = ?1
             ON CONFLICT (room, peer, log) DO UPDATE SET base = excluded.base, seq = excluded.seq",
        )?
        .execute(params![room.0, peer.0, log.0, bits(held.after.0), bits(held.to.0)])?;
    Ok(())
}

fn write_transfer(transaction: &Transaction, transfer: &TransferRecord) -> Result<(), StoreError> {
    let (state, failure) = state_numbers(transfer.state);
    let offer = &transfer.offer;
    let (entry, share, to) = match transfer.origin {
        Origin::Entry(entry) => (entry.0, None, None),
        Origin::Share { share, to } => ([0; 32], Some(share.0), Some(to.0)),
    };
    transaction
        .prepare_cached(
            "INSERT INTO transfer (transfer, room, entry, peer, names, files, folders, bytes, manifest, state,
             failure, offered, receipts, paused, turn, finished, share, share_to)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (transfer) DO UPDATE SET room = excluded.room, entry = excluded.entry,
             peer = excluded.peer, names = excluded.names, files = excluded.files, folders = excluded.folders,
             bytes = excluded.bytes, manifest = excluded.manifest, state = excluded.state,
             failure = excluded.failure, offered = excluded.offered, receipts = excluded.receipts,
             paused = excluded.paused, turn = excluded.turn, finished = excluded.finished,
             share = excluded.share, share_to = excluded.share_to",
        )?
        .execute(params![
            transfer.id.0,
            transfer.room.0,
            entry,
            transfer.from.0,
            names_blob(&offer.names),
            bits(offer.files),
            bits(offer.folders),
            bits(offer.bytes),
            offer.manifest,
            state,
            failure,
            bits(transfer.offered.0),
            receipts_blob(&transfer.receipts),
            transfer.paused,
            bits(transfer.turn),
            transfer.finished.map(|at| bits(at.0)),
            share,
            to,
        ])?;
    Ok(())
}

fn forget_transfer(transaction: &Transaction, transfer: TransferId) -> Result<(), StoreError> {
    for table in ["transfer_note", "transfer"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE transfer = ?"), [transfer.0])?;
    }
    Ok(())
}

/// Of a room that was left meanwhile there is nothing to mark, nor of one in which nothing stands there.
pub(super) fn mark_read(transaction: &Transaction, room: RoomId, cursor: Cursor) -> Result<(), StoreError> {
    let Some(cursor) = reached(transaction, room, cursor)? else { return Ok(()) };
    transaction
        .prepare_cached(
            "INSERT INTO read_mark (room, place, author, seq, nonce)
             SELECT id, ?2, ?3, ?4, ?5 FROM room WHERE room = ?1
             ON CONFLICT (room) DO UPDATE SET place = excluded.place, author = excluded.author,
             seq = excluded.seq, nonce = excluded.nonce
             WHERE (excluded.place, excluded.author, excluded.seq, excluded.nonce) > (place, author, seq, nonce)",
        )?
        .execute(params![
            room.0,
            bits(cursor.place.0),
            cursor.author.0,
            bits(cursor.seq.0),
            cursor.nonce.to_be_bytes(),
        ])?;
    transaction
        .prepare_cached(
            "UPDATE message SET late = 2 WHERE room = (SELECT id FROM room WHERE room = ?) AND late = 1
             AND (place, author, seq, nonce) <= (?, ?, ?, ?)",
        )?
        .execute(params![
            room.0,
            bits(cursor.place.0),
            cursor.author.0,
            bits(cursor.seq.0),
            cursor.nonce.to_be_bytes(),
        ])?;
    Ok(())
}

/// The message that is meant by where it stood: it may have been moved meanwhile. Else the last that is before that, so that no
/// mark stands where something may still come.
fn reached(transaction: &Transaction, room: RoomId, cursor: Cursor) -> Result<Option<Cursor>, StoreError> {
    let Some(room) = room_row(transaction, room)? else { return Ok(None) };
    let (author, seq, nonce) = (cursor.author.0, bits(cursor.seq.0), cursor.nonce.to_be_bytes());
    let named = transaction
        .prepare_cached(NAMED)?
        .query_row(params![room, author, nonce, seq], super::reader::cursor)
        .optional()?;
    if named.is_some() {
        return Ok(named);
    }
    let mut last = transaction.prepare_cached(LAST_TO)?;
    let last = last.query_row(params![room, bits(cursor.place.0), author, seq, nonce], super::reader::cursor);
    Ok(last.optional()?)
}

pub(super) fn note_transfer(
    transaction: &Transaction,
    id: TransferId,
    note: &TransferNote,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO transfer_note
             (transfer, folder, sha256, moved, problem, chosen, chosen_files, chosen_bytes, here, failed, asked,
              placed)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (transfer) DO UPDATE SET folder = excluded.folder, sha256 = excluded.sha256,
             moved = excluded.moved, problem = excluded.problem, chosen = excluded.chosen,
             chosen_files = excluded.chosen_files, chosen_bytes = excluded.chosen_bytes, here = excluded.here,
             failed = excluded.failed, asked = excluded.asked, placed = excluded.placed",
        )?
        .execute(params![
            id.0,
            note.folder.as_deref().map(path_blob),
            note.sha256,
            bits(note.moved),
            note.problem.as_ref().map(Filling::to_column),
            note.chosen.as_ref().map(|chosen| &chosen.items),
            bits(note.chosen.as_ref().map_or(0, |chosen| chosen.files)),
            bits(note.chosen.as_ref().map_or(0, |chosen| chosen.bytes)),
            bits(note.here),
            bits(note.failed),
            note.asked.as_ref().map(listed),
            Some(&note.placed).filter(|placed| !placed.is_empty()).map(listed),
        ])?;
    Ok(())
}

fn listed(names: &Vec<String>) -> Vec<u8> {
    minicbor::to_vec(names).expect("a vector takes every byte")
}

pub(super) fn set_settings(transaction: &Transaction, settings: &Settings) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE setting SET name = ?, downloads = ?, named = ?, history_days = ?, history_bytes = ?, hold = ?,
         hold_bytes = ?, upload_limit = ?, download_limit = ?, at_once = ?, relay = ?,
         color = ?, emoji = ?, microphone = ?, speaker = ?",
        params![
            settings.name,
            settings.downloads.as_deref().map(path_blob),
            settings.named,
            settings.history_days,
            settings.history_bytes.map(bits),
            settings.hold,
            settings.hold_bytes.map(bits),
            settings.upload_limit.map(bits),
            settings.download_limit.map(bits),
            settings.at_once,
            settings.relay,
            settings.avatar.as_ref().map(Avatar::color),
            settings.avatar.as_ref().map(Avatar::emoji),
            settings.microphone,
            settings.speaker,
        ],
    )?;
    Ok(())
}

/// What is not a message between two of them; behind more of that the order of the two is not looked at.
const NEIGHBOURS: i64 = 64;

pub(super) const NAMED: &str = "SELECT entry.place, entry.author, entry.seq, entry.nonce FROM log
    JOIN entry ON entry.log = log.id AND entry.seq = ?4
    WHERE log.room = ?1 AND log.author = ?2 AND log.nonce = ?3";

/// The last message of a room at or before a place.
pub(super) const LAST_TO: &str = "SELECT place, author, seq, nonce FROM entry
    WHERE room = ?1 AND message = 1 AND (place, author, seq, nonce) <= (?2, ?3, ?4, ?5)
    ORDER BY place DESC, author DESC, seq DESC, nonce DESC LIMIT 1";

pub(super) const MESSAGE_BEFORE: &str = "SELECT place FROM entry
    WHERE log = ?1 AND seq < ?2 AND seq >= ?2 - ?3 AND message = 1 ORDER BY seq DESC LIMIT 1";

pub(super) const MESSAGE_BEHIND: &str = "SELECT place FROM entry
    WHERE log = ?1 AND seq > ?2 AND seq <= ?2 + ?3 AND message = 1 ORDER BY seq LIMIT 1";
