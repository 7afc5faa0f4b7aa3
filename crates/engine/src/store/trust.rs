//! What a person decided about other devices.

use lanyard_proto::effects::Trust;
use lanyard_proto::model::PeerId;
use rusqlite::{Connection, Row, Transaction, params};

use super::columns::{array, bits, trust, trust_number};
use super::reader::collect;
use super::writer::Write;
use super::{Durable, Store, StoreError};

/// What only a person knows of a device; that it is verified or blocked stands in its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquaintance {
    pub peer: PeerId,
    /// What it called itself when its key was compared.
    pub verified_as: Option<String>,
    /// Under this name it is known to be somebody else than the verified device of such a name.
    pub apart_as: Option<String>,
    /// What it was before it was blocked.
    pub before_block: Option<Trust>,
    /// Its offers of up to so many bytes are fetched without asking.
    pub accept_bytes: Option<u64>,
}

impl Acquaintance {
    pub fn new(peer: PeerId) -> Acquaintance {
        Acquaintance { peer, verified_as: None, apart_as: None, before_block: None, accept_bytes: None }
    }
}

impl Store {
    /// All about whom a person decided anything.
    pub async fn acquaintances(&self) -> Result<Vec<Acquaintance>, StoreError> {
        self.reader.ask(acquaintances).await
    }

    /// Keeps what was decided, in place of what was before. Queued as a commit is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn acquaint(&self, acquaintance: Acquaintance) -> Result<Durable, StoreError> {
        self.writer.queue(Write::Acquaintance(acquaintance)).await
    }
}

fn acquaintances(connection: &Connection) -> Result<Vec<Acquaintance>, StoreError> {
    let sql = "SELECT peer, verified_as, apart_as, before_block, accept_bytes FROM acquaintance";
    collect(connection, sql, [], acquaintance)
}

fn acquaintance(row: &Row) -> Result<Acquaintance, StoreError> {
    let (before, bytes): (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
    Ok(Acquaintance {
        peer: PeerId(array(row, 0)?),
        verified_as: row.get(1)?,
        apart_as: row.get(2)?,
        before_block: before.map(trust).transpose()?,
        accept_bytes: bytes.map(i64::cast_unsigned),
    })
}

pub(super) fn write(transaction: &Transaction, known: &Acquaintance) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO acquaintance (peer, verified_as, apart_as, before_block, accept_bytes)
             VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (peer) DO UPDATE SET verified_as = excluded.verified_as, apart_as = excluded.apart_as,
             before_block = excluded.before_block, accept_bytes = excluded.accept_bytes",
        )?
        .execute(params![
            known.peer.0,
            known.verified_as,
            known.apart_as,
            known.before_block.map(trust_number),
            known.accept_bytes.map(bits),
        ])?;
    Ok(())
}

/// Whether an author is none of those of whom nothing is shown, as a part of a statement.
macro_rules! not_blocked {
    ($author:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM peer INDEXED BY peer_blocked WHERE peer.trust = 3 AND peer.peer = ",
            $author,
            ")"
        )
    };
}
pub(super) use not_blocked;

/// Whether a word on whether a message is pinned is the newest of all whose author is not blocked, as a part of a statement.
macro_rules! pin_counts {
    () => {
        concat!(
            not_blocked!("mark.author"),
            " AND NOT EXISTS (SELECT 1 FROM mark AS newer
            WHERE newer.room = mark.room AND newer.target = mark.target AND newer.kind = 16
            AND (newer.place, newer.author, newer.seq, newer.nonce) > (mark.place, mark.author, mark.seq, mark.nonce) AND ",
            not_blocked!("newer.author"),
            ")"
        )
    };
}
pub(super) use pin_counts;
