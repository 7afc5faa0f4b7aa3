//! Deletes are judged again when others moderate a room than before.
//!
//! Who may take back what others wrote is told by a private room's deeds, and those come in any order: a delete can be here
//! before the appointment of whoever wrote it, or count until it turns out that the appointment does not.

use std::collections::BTreeSet;

use lanyard_proto::model::{EntryId, PeerId, RoomId};
use lanyard_proto::rooms::kind;
use rusqlite::{OptionalExtension, Transaction, params};

use super::columns::array;
use super::error::StoreError;
use super::meaning::{self, Target};

/// What became of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// The last delete that was looked at, to go on from; `None` after the last of all.
    pub last: Option<(PeerId, EntryId)>,
    /// Whether any was judged otherwise than before.
    pub changed: bool,
}

/// Judges the next deletes of a room behind `after`.
pub(super) fn judge(
    transaction: &Transaction,
    room: RoomId,
    moderators: &BTreeSet<PeerId>,
    after: Option<(PeerId, EntryId)>,
) -> Result<Judged, StoreError> {
    let row = transaction
        .prepare_cached("SELECT id FROM room WHERE room = ?")?
        .query_row([room.0], |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(row) = row else { return Ok(Judged::default()) };
    let (whose, target) =
        after.map_or((Vec::new(), Vec::new()), |(whose, target)| (whose.0.to_vec(), target.0.to_vec()));
    let marks: Vec<(PeerId, EntryId, bool)> = transaction
        .prepare_cached(DELETES)?
        .query_map(params![row, whose, target, AT_ONCE], |row| {
            Ok((PeerId(array(row, 0)?), EntryId(array(row, 1)?), row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    let full = marks.len() as i64 == AT_ONCE;
    let mut judged = Judged {
        last: marks.last().filter(|_| full).map(|(whose, target, _)| (*whose, *target)),
        changed: false,
    };
    for (whose, target, counted) in marks {
        let counts = moderators.contains(&whose);
        if counts != counted {
            judged.changed |= judge_one(transaction, row, whose, target, counts)?;
        }
    }
    Ok(judged)
}

/// Whether that makes a difference to the message.
fn judge_one(
    transaction: &Transaction,
    room: i64,
    whose: PeerId,
    target: EntryId,
    counts: bool,
) -> Result<bool, StoreError> {
    transaction
        .prepare_cached("UPDATE mark SET yes = ? WHERE room = ? AND target = ? AND kind = 3 AND whose = ?")?
        .execute(params![counts, room, target.0, whose.0])?;
    let Some(found) = meaning::find(transaction, room, target)? else { return Ok(false) };
    if counts {
        meaning::take_back(transaction, room, target, &found)?;
    } else if !meaning::is_taken_back(transaction, room, target, found.author)? {
        bring_back(transaction, room, target, &found)?;
    }
    Ok(found.author != whose)
}

/// A message is shown again. Its words, and what its author made of them, are not here any more: both are opened anew.
fn bring_back(transaction: &Transaction, room: i64, id: EntryId, target: &Target) -> Result<(), StoreError> {
    if !matches!(target.kind, kind::TEXT | kind::OFFER) {
        return Ok(());
    }
    transaction.prepare_cached("UPDATE message SET quiet = 0 WHERE id = ?")?.execute([target.id])?;
    transaction
        .prepare_cached(
            "INSERT INTO unopened (id) SELECT entry.id FROM mark JOIN entry
             ON entry.author = mark.author AND entry.seq = mark.seq AND entry.nonce = mark.nonce
             AND entry.log = (SELECT id FROM log WHERE room = mark.room AND author = mark.author AND nonce = mark.nonce)
             WHERE mark.room = ? AND target = ? AND mark.kind = 2 AND whose = ?
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![room, id.0, target.author.0])?;
    // Else the edit would be no news when it is opened.
    transaction
        .prepare_cached("DELETE FROM mark WHERE room = ? AND target = ? AND kind = 2 AND whose = ?")?
        .execute(params![room, id.0, target.author.0])?;
    transaction
        .prepare_cached("INSERT INTO unopened (id) VALUES (?) ON CONFLICT DO NOTHING")?
        .execute([target.id])?;
    Ok(())
}

pub(super) const DELETES: &str = "SELECT whose, target, yes FROM mark
    WHERE room = ?1 AND kind = 3 AND (whose, target) > (?2, ?3) ORDER BY whose, target LIMIT ?4";

/// Deletes that are judged in one transaction: those that change cost a millisecond each.
const AT_ONCE: i64 = 128;
