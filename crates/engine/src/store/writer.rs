//! The thread that owns the writing connection. Whatever is queued when it looks becomes one transaction.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use lanyard_proto::effects::Record;
use lanyard_proto::model::{EntryId, PeerId, RoomId, ShareId, TransferId, UnixMillis};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::error::StoreError;
use super::{
    Acquaintance, Cursor, Durable, Judged, Limits, Openings, Pruning, Settings, SharedFolder, TransferNote,
    interfaces, judging, meaning, notifications, prune, records, schema, setback, shares, trust,
};
use crate::api::{InterfaceChoice, Notifications, NotifyLevel};

/// Something to be written.
pub(super) enum Write {
    Records(Vec<Record>, Openings),
    ReadMark(RoomId, Cursor),
    Note(TransferId, Box<TransferNote>),
    Settings(Box<Settings>),
    Keep(RoomId, Option<u32>),
    /// And whom to tell what was given up.
    Prune(Limits, oneshot::Sender<Pruning>),
    /// A step of what follows when the clock was set back, up to which number, and whom to tell up to which more is to be done.
    Retell(UnixMillis, Option<i64>, oneshot::Sender<Option<i64>>),
    /// Entries that were stored before and could be opened now.
    Opened(Openings),
    Draft(RoomId, String),
    Share(SharedFolder),
    Unshare(ShareId),
    Acquaintance(Acquaintance),
    Notifications(Notifications),
    Notify(RoomId, Option<NotifyLevel>),
    Interface(String, InterfaceChoice),
    /// By whose word others' messages are taken back, from which delete on, and whom to tell what came of it.
    Judge(RoomId, Arc<BTreeSet<PeerId>>, Option<(PeerId, EntryId)>, oneshot::Sender<Judged>),
}

/// Reaches the writing thread.
#[derive(Clone)]
pub(super) struct Writer {
    requests: mpsc::Sender<Request>,
    /// How often messages were moved.
    pub(super) moves: Arc<AtomicU64>,
}

enum Request {
    Write(Write, Answer),
    Close(Answer),
}

type Answer = oneshot::Sender<Result<(), StoreError>>;

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(super) fn start(path: &Path, connection: Connection) -> Result<Writer, StoreError> {
        let (requests, queue) = mpsc::channel(QUEUE);
        let moves = Arc::new(AtomicU64::new(0));
        let thread = Thread {
            path: path.to_owned(),
            connection,
            queue,
            moves: moves.clone(),
            durability: Durability::PowerLoss,
            failed: None,
        };
        thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || thread.run())
            .map_err(|error| schema::unusable(path, error))?;
        Ok(Writer { requests, moves })
    }

    pub(super) async fn queue(&self, write: Write) -> Result<Durable, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Write(write, answer)).await.map_err(|_| StoreError::Closed)?;
        Ok(Durable(answered))
    }

    /// Ends the thread behind everything that was queued before.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Close(answer)).await.map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// What a commit must survive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Durability {
    /// The end of the program. Others still have what a power loss takes, and send it again.
    ProgramEnd,
    /// The loss of power. What others were told of must not come back as something else.
    PowerLoss,
}

struct Thread {
    path: PathBuf,
    connection: Connection,
    queue: mpsc::Receiver<Request>,
    moves: Arc<AtomicU64>,
    /// How the connection is set.
    durability: Durability,
    /// The error that ended the store: nothing is written after it.
    failed: Option<StoreError>,
}

impl Thread {
    fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            let (batch, close) = gather(first, &mut self.queue);
            self.write(batch);
            if let Some(closed) = close {
                // An error only says that nobody waits for it.
                let _ = closed.send(self.close());
                return;
            }
        }
    }

    fn write(&mut self, batch: Vec<(Write, Answer)>) {
        let (writes, answers): (Vec<Write>, Vec<Answer>) = batch.into_iter().unzip();
        let outcome = match &self.failed {
            Some(error) => Err(error.clone()),
            None => self.commit(writes).map_err(|error| error.locate(&self.path)),
        };
        if let (Err(error), None) = (&outcome, &self.failed) {
            tracing::error!(%error, "the store stops");
            self.failed = Some(error.clone());
        }
        for answer in answers {
            // An error only says that nobody waits for it.
            let _ = answer.send(outcome.clone());
        }
    }

    fn commit(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        let Some(durability) = writes.iter().map(durability_of).max() else { return Ok(()) };
        if writes.iter().any(moves) {
            // Before anybody can read what they did.
            self.moves.fetch_add(1, Ordering::SeqCst);
        }
        self.set_durability(durability)?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut pruned, mut judged, mut retold) = (Vec::new(), Vec::new(), Vec::new());
        for write in writes {
            match write {
                Write::Records(batch, openings) => {
                    batch.iter().try_for_each(|record| records::write(&transaction, record, &openings))?;
                }
                Write::ReadMark(room, cursor) => records::mark_read(&transaction, room, cursor)?,
                Write::Note(id, note) => records::note_transfer(&transaction, id, &note)?,
                Write::Settings(settings) => records::set_settings(&transaction, &settings)?,
                Write::Opened(openings) => openings
                    .of
                    .iter()
                    .try_for_each(|(id, opened)| meaning::opened(&transaction, *id, opened, openings.me))?,
                Write::Draft(room, text) => meaning::set_draft(&transaction, room, &text)?,
                Write::Share(share) => shares::write(&transaction, &share)?,
                Write::Unshare(share) => shares::remove(&transaction, share)?,
                Write::Acquaintance(known) => trust::write(&transaction, &known)?,
                Write::Notifications(chosen) => notifications::write(&transaction, chosen)?,
                Write::Notify(room, level) => notifications::notify(&transaction, room, level)?,
                Write::Interface(name, choice) => interfaces::write(&transaction, &name, choice)?,
                Write::Keep(room, days) => prune::keep(&transaction, room, days)?,
                Write::Prune(limits, told) => pruned.push((told, prune::prune(&transaction, limits)?)),
                Write::Retell(now, to, told) => {
                    retold.push((told, setback::retell(&transaction, now, to)?));
                }
                Write::Judge(room, moderators, after, told) => {
                    judged.push((told, judging::judge(&transaction, room, &moderators, after)?));
                }
            }
        }
        transaction.commit()?;
        for (told, pruning) in pruned {
            // An error only says that nobody waits for it.
            let _ = told.send(pruning);
        }
        for (told, more) in retold {
            // As above.
            let _ = told.send(more);
        }
        for (told, judged) in judged {
            // As above.
            let _ = told.send(judged);
        }
        Ok(())
    }

    /// SQLite changes it outside of transactions only.
    fn set_durability(&mut self, durability: Durability) -> Result<(), StoreError> {
        if self.durability != durability {
            let mode = match durability {
                Durability::ProgramEnd => "NORMAL",
                Durability::PowerLoss => "FULL",
            };
            self.connection.pragma_update(None, "synchronous", mode)?;
            self.durability = durability;
        }
        Ok(())
    }

    fn close(mut self) -> Result<(), StoreError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.set_durability(Durability::PowerLoss)?;
        self.connection.execute("UPDATE node SET running = 0", [])?;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.connection.close().map_err(|(_, error)| error.into())
    }
}

/// Everything that is queued right now, up to a bound, and whether to close after it.
fn gather(first: Request, queue: &mut mpsc::Receiver<Request>) -> (Vec<(Write, Answer)>, Option<Answer>) {
    let mut batch = Vec::new();
    let mut rows = 0;
    let mut next = Some(first);
    while let Some(request) = next {
        match request {
            Request::Write(write, answer) => {
                rows += match &write {
                    Write::Records(records, _) => records.iter().map(rows_of).sum(),
                    Write::Opened(openings) => openings.of.len(),
                    _ => 1,
                };
                batch.push((write, answer));
            }
            Request::Close(closed) => return (batch, Some(closed)),
        }
        next = if rows < MAX_ROWS { queue.try_recv().ok() } else { None };
    }
    (batch, None)
}

fn rows_of(record: &Record) -> usize {
    match record {
        Record::Run { entries, .. } | Record::Hold { entries, .. } => entries.len(),
        _ => 1,
    }
}

/// Whether messages may stand elsewhere after it.
fn moves(write: &Write) -> bool {
    let is_move = |record: &Record| matches!(record, Record::ClockSetBack(_));
    match write {
        Write::Records(records, _) => records.iter().any(is_move),
        Write::Retell(..) => true,
        _ => false,
    }
}

fn durability_of(write: &Write) -> Durability {
    match write {
        Write::Records(records, _) => {
            records.iter().map(durability_of_record).max().unwrap_or(Durability::ProgramEnd)
        }
        Write::Settings(_)
        | Write::Share(_)
        | Write::Unshare(_)
        | Write::Acquaintance(_)
        | Write::Notifications(_)
        | Write::Notify(..)
        | Write::Interface(..) => Durability::PowerLoss,
        Write::ReadMark(..)
        | Write::Note(..)
        | Write::Keep(..)
        | Write::Prune(..)
        | Write::Retell(..)
        | Write::Opened(_)
        | Write::Judge(..)
        | Write::Draft(..) => Durability::ProgramEnd,
    }
}

fn durability_of_record(record: &Record) -> Durability {
    match record {
        Record::Entry { own: true, .. }
        | Record::Room(_)
        | Record::RoomLeft(_)
        | Record::Transfer(_)
        | Record::TransferForgotten(_)
        | Record::Cloned(_)
        | Record::Standing { .. }
        | Record::Key { .. }
        | Record::Hold { .. }
        | Record::Outlast => Durability::PowerLoss,
        Record::Entry { own: false, .. }
        | Record::Run { .. }
        | Record::ClockSetBack(_)
        | Record::Forget { .. }
        | Record::Closed { .. }
        | Record::Forked { .. }
        | Record::Deed { .. }
        | Record::DeedsGone { .. }
        | Record::Peer(_)
        | Record::PeerForgotten(_)
        | Record::KeyGone { .. }
        | Record::Covered { .. }
        | Record::Unhold { .. }
        | Record::Taken { .. }
        | Record::TakenForgotten { .. }
        | Record::Kept(_) => Durability::ProgramEnd,
    }
}

/// Batches that may wait. Catch-up brings a few hundred entries a frame; a longer queue would only hide a slow disk.
const QUEUE: usize = 1024;

/// Rows after which a transaction takes no further batch, so that the first of them does not wait long (PROTOCOL.md,
/// "Storage"). A batch is never divided.
const MAX_ROWS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use lanyard_proto::model::{LogId, PeerId, Span};

    #[test]
    fn one_record_that_must_survive_power_loss_makes_the_whole_batch_survive_it() {
        let room = RoomId([1; 32]);
        let covered =
            Record::Covered { room, peer: PeerId([2; 32]), log: LogId([3; 8]), held: Span::default() };
        let records = |records| Write::Records(records, Openings::default());
        let told = records(vec![covered.clone(), covered.clone()]);
        let left = records(vec![covered.clone(), Record::RoomLeft(room), covered.clone()]);
        assert!(durability_of(&told) == Durability::ProgramEnd);
        assert!(durability_of(&left) == Durability::PowerLoss);
        // What is kept for others may be nowhere else, and what was kept for this device will be nowhere else.
        let hold = Record::Hold { recipient: PeerId([2; 32]), entries: Vec::new(), arrived: UnixMillis(0) };
        for lasting in [hold, Record::Outlast] {
            assert!(durability_of(&records(vec![covered.clone(), lasting])) == Durability::PowerLoss);
        }
        assert!(durability_of(&Write::Settings(Box::default())) == Durability::PowerLoss);
        assert!(durability_of(&records(vec![])) == Durability::ProgramEnd);
    }

    #[test]
    fn a_transaction_takes_what_waits_up_to_its_bound_and_nothing_behind_a_close() {
        let (requests, mut queue) = mpsc::channel(1024);
        let write = || {
            let records = vec![Record::RoomLeft(RoomId([1; 32])); 2];
            Request::Write(Write::Records(records, Openings::default()), oneshot::channel().0)
        };
        let send = |request| requests.try_send(request).expect("there is room");
        for _ in 0..300 {
            send(write());
        }
        send(Request::Close(oneshot::channel().0));
        send(write());
        let (batch, close) = gather(write(), &mut queue);
        assert_eq!((batch.len(), close.is_some()), (MAX_ROWS / 2, false));
        let (batch, close) = gather(write(), &mut queue);
        assert_eq!((batch.len(), close.is_some()), (301 - MAX_ROWS / 2 + 1, true));
    }
}
