//! What this device remembers, in SQLite.
//!
//! ```text
//!   engine task --commit--> writer thread --+
//!        |                  (owns the only  |--> lanyard.db (WAL)
//!        |                  writing end)    |
//!        +------page, …---> reader thread --+
//! ```
//!
//! Neither thread is ever waited for on the engine's task: both are asked over bounded channels. A failed commit ends
//! the store, so that memory never runs ahead of disk.

mod arrivals;
mod columns;
mod cursor;
mod error;
pub mod folder;
mod history;
mod interfaces;
mod judging;
mod load;
mod mailbox;
mod meaning;
mod messages;
mod notifications;
mod offers;
mod private;
pub mod profile;
mod prune;
mod reader;
mod records;
mod schema;
mod search;
mod sent;
mod setback;
mod shares;
mod trust;
mod witness;
mod words;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use lanyard_proto::effects::{Loaded, PeerRecord, Record, Stock, TransferRecord};
use lanyard_proto::model::{EntryId, LogId, PeerId, RoomId, Seq, Span, TransferId, UnixMillis};
use lanyard_proto::wire::avatar::Avatar;
use lanyard_proto::wire::entry::Entry;
use tokio::sync::oneshot;

pub use arrivals::{Arrivals, Number};
pub use cursor::{Cursor, NotACursor};
pub use error::StoreError;
pub use judging::Judged;
pub use meaning::MAX_REACTIONS_OF_AUTHOR;
pub use messages::{About, Change, Changed, Counts, Deleted, Edited, Opened, Openings, Part, Shown, Stretch};
pub use offers::Offered;
pub use private::Arrived;
pub use prune::{Limits, Pruned, Pruning};
pub use search::Search;
pub use sent::{LogPosition, OwnMessage};
pub use shares::{SharedFolder, SharedWith};
pub use trust::Acquaintance;

use reader::Reader;
use writer::{Write, Writer};

use crate::saying::Filling;

/// Reaches the database from any task. Clones reach the same one.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    reader: Reader,
}

/// Ends once the batch is on disk, or could not be written.
///
/// Dropping it does not take the batch back.
#[derive(Debug)]
#[must_use = "nobody may be told of a batch before it is durable"]
pub struct Durable(oneshot::Receiver<Result<(), StoreError>>);

/// What a person chose; `None` where nothing was chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub name: Option<String>,
    pub downloads: Option<PathBuf>,
    /// Whether a person was asked for the name.
    pub named: bool,
    /// For how many days history is kept; 0 means for ever.
    pub history_days: Option<u32>,
    /// How many bytes of history are kept in all.
    pub history_bytes: Option<u64>,
    /// Whether mail is kept for others.
    pub hold: Option<bool>,
    /// How many bytes of it.
    pub hold_bytes: Option<u64>,
    /// Bytes per second that files may be sent with, and fetched with; 0 means no limit.
    pub upload_limit: Option<u64>,
    pub download_limit: Option<u64>,
    /// How many transfers are fetched at a time onto one disk.
    pub at_once: Option<u32>,
    /// Whether bytes are passed on between devices that cannot dial each other.
    pub relay: Option<bool>,
    /// How this device's person wants to be shown.
    pub avatar: Option<Avatar>,
    /// What is spoken into and heard from in calls, by name; absent means whichever the system uses.
    pub microphone: Option<String>,
    pub speaker: Option<String>,
}

/// What only this device knows of a transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferNote {
    /// Where the files are or will be.
    pub folder: Option<PathBuf>,
    /// SHA-256 of the file, where one file was offered.
    pub sha256: Option<[u8; 32]>,
    /// Bytes that are here, or that were sent to the furthest receiver.
    pub moved: u64,
    /// Why it failed or waits, for people.
    pub problem: Option<Filling>,
    /// What is wanted of it; `None` if all is.
    pub chosen: Option<Chosen>,
    /// Bytes that were here before.
    pub here: u64,
    /// Files that did not come.
    pub failed: u64,
    /// The paths in a shared folder that this device asked for; `None` if it was offered unasked.
    pub asked: Option<Vec<String>>,
    /// Under which names the first of what was received stands in the folder.
    pub placed: Vec<String>,
}

/// What a person chose among the files of an offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Which items of its manifest, as the caller writes it.
    pub items: Vec<u8>,
    /// Files and bytes that this is; once it is over, what is here.
    pub files: u64,
    pub bytes: u64,
}

/// A transfer with this device's note on it, empty if none was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedTransfer {
    pub record: TransferRecord,
    pub note: TransferNote,
}

impl Store {
    /// Opens or creates the database, begins a new run and loads what the node needs.
    ///
    /// Blocks for milliseconds; for seconds where the run before ended badly and the database is large. Two stores must
    /// not be open on one database: the caller holds the profile's lock.
    ///
    /// # Errors
    /// A sentence for a person: the file cannot be used, is damaged, or is another program's or a newer version's.
    pub fn open(database: &Path, now: UnixMillis) -> Result<(Store, Loaded), StoreError> {
        let (connection, loaded) = load::begin_run(database, now)?;
        let writer = Writer::start(database, connection)?;
        let reader = Reader::start(database, schema::open_for_reading(database)?)?;
        Ok((Store { writer, reader }, loaded))
    }

    /// Queues records that belong together: all of them become durable, or none. Waits only while the queue is full.
    ///
    /// Batches become durable in the order of the calls. An entry that is there already is ignored.
    ///
    /// # Errors
    /// The error that ended the store before, or [`StoreError::Closed`]. [`Durable`] tells those of the batch itself.
    pub async fn commit(&self, records: Vec<Record>) -> Result<Durable, StoreError> {
        self.writer.queue(Write::Records(records, Openings::default())).await
    }

    /// Entries of a room that were sealed in an epoch, behind the row `after`; and the last row, if there were any.
    pub async fn of_epoch(
        &self,
        room: RoomId,
        epoch: u32,
        after: i64,
    ) -> Result<(Vec<Arrived>, Option<i64>), StoreError> {
        self.reader.ask(move |connection| private::of_epoch(connection, room, epoch, after)).await
    }

    /// The deeds of these ids that are here, as they travel within their room, in the order of the ids: as many as fit
    /// `max_bytes`, but one at least. And how many of the ids were looked at.
    pub async fn deeds(
        &self,
        room: RoomId,
        entries: Vec<EntryId>,
        max_bytes: usize,
    ) -> Result<(Vec<Vec<u8>>, usize), StoreError> {
        self.reader.ask(move |connection| private::deeds(connection, room, &entries, max_bytes)).await
    }

    /// Moves the read mark of a room forwards; never backwards. What came late before it is seen as well. A room that was
    /// left has none. Queued as a commit is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn mark_read(&self, room: RoomId, cursor: Cursor) -> Result<Durable, StoreError> {
        self.writer.queue(Write::ReadMark(room, cursor)).await
    }

    /// The newest entries of one log from `from` to `to`, both included, as they travel within their room: consecutive
    /// ones in their order, as many as fit `max_bytes`, but one at least. And the place of the first of them.
    pub async fn stretch(
        &self,
        room: RoomId,
        log: LogId,
        from: Seq,
        to: Seq,
        max_bytes: usize,
    ) -> Result<Option<(Seq, Vec<Vec<u8>>)>, StoreError> {
        self.reader.ask(move |connection| reader::stretch(connection, room, log, from..=to, max_bytes)).await
    }

    /// The entry at a place of a log, if it is here.
    pub async fn entry_at(
        &self,
        room: RoomId,
        log: LogId,
        seq: Seq,
    ) -> Result<Option<Arc<Entry>>, StoreError> {
        self.reader.ask(move |connection| reader::entry_at(connection, room, log, seq)).await
    }

    /// The beginning of a span of a log: consecutive entries, the oldest first, as many as fit `max_bytes`, but one at
    /// least.
    pub async fn collect(
        &self,
        stock: Stock,
        room: RoomId,
        log: LogId,
        span: Span,
        max_bytes: usize,
    ) -> Result<Vec<Arc<Entry>>, StoreError> {
        let question = match stock {
            Stock::Room => mailbox::OF_ROOM,
            Stock::Mailbox => mailbox::OF_MAILBOX,
        };
        self.reader
            .ask(move |connection| mailbox::beginning(connection, question, (room, log), span, max_bytes))
            .await
    }

    /// The transfers that are over, newest first.
    pub async fn transfers(&self, limit: u32) -> Result<Vec<NotedTransfer>, StoreError> {
        self.reader.ask(move |connection| reader::finished_transfers(connection, limit)).await
    }

    /// The transfer of this id, over or not.
    pub async fn transfer(&self, id: TransferId) -> Result<Option<NotedTransfer>, StoreError> {
        self.reader.ask(move |connection| reader::transfer(connection, id)).await
    }

    /// Notes what only this device knows of a transfer, in place of what was noted before. Queued as a commit is.
    ///
    /// Survives the end of the program at once, and the loss of power with the next record that must.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn note_transfer(&self, id: TransferId, note: TransferNote) -> Result<Durable, StoreError> {
        self.writer.queue(Write::Note(id, Box::new(note))).await
    }

    /// Every device that is remembered, by id.
    pub async fn peers(&self) -> Result<Vec<PeerRecord>, StoreError> {
        self.reader.ask(reader::peers).await
    }

    /// What a person chose.
    pub async fn settings(&self) -> Result<Settings, StoreError> {
        self.reader.ask(reader::settings).await
    }

    /// Replaces what a person chose. Queued as a commit is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn set_settings(&self, settings: Settings) -> Result<Durable, StoreError> {
        self.writer.queue(Write::Settings(Box::new(settings))).await
    }

    /// Keeps a room's history for so many days: 0 means for ever, absent as the limits say. Queued as a commit is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn keep(&self, room: RoomId, days: Option<u32>) -> Result<Durable, StoreError> {
        self.writer.queue(Write::Keep(room, days)).await
    }

    /// The rooms with a number of days of their own.
    pub async fn kept(&self) -> Result<Vec<(RoomId, u32)>, StoreError> {
        self.reader.ask(prune::kept).await
    }

    /// The rooms of which something is kept and how many bytes that is, the largest first.
    pub async fn taken(&self) -> Result<Vec<(RoomId, u64)>, StoreError> {
        self.reader.ask(prune::taken).await
    }

    /// Gives up a bounded part of what is beyond the limits, behind everything that was queued before.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn prune(&self, limits: Limits) -> Result<Pruning, StoreError> {
        let (told, pruning) = oneshot::channel();
        self.writer.queue(Write::Prune(limits, told)).await?.await?;
        pruning.await.map_err(|_| StoreError::Closed)
    }

    /// After the clock was set back ([`Record::ClockSetBack`], which does the first step): moves a bounded part of what stands
    /// in the future, and tells up to which number more is to be done. Behind everything that was queued before.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn retell(&self, now: UnixMillis, to: Option<i64>) -> Result<Option<i64>, StoreError> {
        let (told, more) = oneshot::channel();
        self.writer.queue(Write::Retell(now, to, told)).await?.await?;
        more.await.map_err(|_| StoreError::Closed)
    }

    /// How often messages were moved since this run began: whoever reads page by page has missed some if that changes.
    pub fn moves(&self) -> u64 {
        self.writer.moves.load(Ordering::SeqCst)
    }

    /// Judges again, a bounded part at a time, by whose word messages of others are taken back in a room: the first part, or
    /// what is behind the delete that was told last. Behind everything that was queued before.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn judge(
        &self,
        room: RoomId,
        moderators: Arc<BTreeSet<PeerId>>,
        after: Option<(PeerId, EntryId)>,
    ) -> Result<Judged, StoreError> {
        let (told, judged) = oneshot::channel();
        self.writer.queue(Write::Judge(room, moderators, after, told)).await?.await?;
        judged.await.map_err(|_| StoreError::Closed)
    }

    /// Checks the structure of the whole database, which takes a second for each few hundred megabytes.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with what is wrong.
    pub async fn quick_check(&self) -> Result<(), StoreError> {
        self.reader.ask(schema::quick_check).await
    }

    /// Ends the run well: everything queued before is durable, the write-ahead log is folded in, both threads end.
    ///
    /// # Errors
    /// The error that ended the store before, or why the log could not be folded in.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.reader.close().await;
        self.writer.close().await
    }
}

impl Durable {
    /// What became of the batch, if that is known by now. Nothing waits for it after this has told.
    pub fn outcome(&mut self) -> Option<Result<(), StoreError>> {
        match self.0.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(StoreError::Closed)),
        }
    }
}

impl Future for Durable {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}
