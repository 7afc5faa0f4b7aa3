//! Keeps the promise that the network and the user hear of nothing that is not on disk.
//!
//! Effects pass in the order in which they came. Those that commit wait for the disk, and whatever comes behind them
//! waits with them; the engine's task does not.

use std::collections::VecDeque;

use lanyard_proto::effects::{Effects, Event, Job, Record, Transmit};
use lanyard_proto::model::TransferId;
use lanyard_proto::transfer::TransferState;
use tokio::sync::oneshot;

use crate::api::{ApiError, Me, Reply};
use crate::store::{Durable, Openings, Store, StoreError};

#[derive(Default)]
pub struct Gate {
    waiting: VecDeque<Passing>,
}

/// Effects on their way through the gate.
#[derive(Default)]
pub struct Passing {
    durable: Option<Durable>,
    /// Transfers of which it is now written down that they are done.
    pub done: Vec<TransferId>,
    pub send: Vec<Transmit>,
    pub run: Vec<Job>,
    pub tell: Vec<Event>,
    /// Whoever asked, and what to answer once all is done.
    pub answer: Option<Answer>,
}

/// An answer that is given only when what it speaks of is durable.
pub struct Answer {
    pub to: oneshot::Sender<Result<Reply, ApiError>>,
    pub with: Answering,
}

/// What the answer will be. It is made at the end, so that it says what is true then.
pub enum Answering {
    Ready(Box<Reply>),
    /// A message, with all that was said about it.
    Message(lanyard_proto::model::EntryId),
    Room(lanyard_proto::model::RoomId),
    Transfer(TransferId),
    Call(lanyard_proto::model::RoomId),
    /// All transfers.
    Transfers,
    /// This device, as it is from now on; everybody is told.
    Me(Box<Me>),
    /// What was changed about shared folders; everybody is told that something was.
    Shared(Box<Reply>),
    /// What a person decided about somebody; everybody is told what follows from it.
    Trusted(lanyard_proto::model::PeerId),
    /// Something was done, though not what was asked for.
    Refused(ApiError),
}

impl Gate {
    /// Queues effects; `openings` are what the entries among their records say. Waits only if the store's queue is full.
    ///
    /// # Errors
    /// If the store has failed before.
    pub async fn enter(
        &mut self,
        store: &Store,
        effects: Effects,
        openings: Openings,
        answer: Option<Answer>,
    ) -> Result<(), StoreError> {
        let Effects { commit, send, run, tell } = effects;
        let done = commit.iter().filter_map(|record| match record {
            Record::Transfer(transfer) if transfer.state == TransferState::Done => Some(transfer.id),
            _ => None,
        });
        let done = done.collect();
        let durable =
            if commit.is_empty() { None } else { Some(store.commit_opened(commit, openings).await?) };
        self.waiting.push_back(Passing { durable, done, send, run, tell, answer });
        Ok(())
    }

    /// Lets nothing that comes from now on pass before something else is durable.
    pub fn wait_for(&mut self, durable: Durable) {
        self.waiting.push_back(Passing { durable: Some(durable), ..Passing::default() });
    }

    /// What may pass now without waiting.
    ///
    /// # Errors
    /// If it could not be written: then nothing may pass any more.
    pub fn pass(&mut self) -> Result<Option<Passing>, StoreError> {
        let Some(first) = self.waiting.front_mut() else { return Ok(None) };
        if let Some(durable) = &mut first.durable {
            match durable.outcome() {
                Some(outcome) => outcome?,
                None => return Ok(None),
            }
        }
        Ok(self.waiting.pop_front())
    }

    /// Waits until the first in the queue is durable; for ever if there is none. Cancel-safe.
    ///
    /// # Errors
    /// If it could not be written: then nothing may pass any more.
    pub async fn opened(&mut self) -> Result<(), StoreError> {
        match self.waiting.front_mut() {
            Some(Passing { durable: Some(durable), .. }) => {
                durable.await?;
                if let Some(first) = self.waiting.front_mut() {
                    first.durable = None;
                }
                Ok(())
            }
            _ => std::future::pending().await,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether so much waits that nothing should be added to it.
    pub fn is_full(&self) -> bool {
        self.waiting.len() > FULL
    }
}

/// Batches beyond which more causes would only make everybody wait longer.
const FULL: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use lanyard_proto::model::{RoomId, UnixMillis};

    #[tokio::test]
    async fn all_that_is_durable_passes_at_once_and_in_order() {
        let home = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(&home.path().join("db"), UnixMillis(1)).unwrap();
        let mut gate = Gate::default();
        let event = |number| Event::RoomLeft(RoomId([number; 32]));
        for number in 0..10 {
            let commit = match number % 3 {
                0 => Vec::new(),
                _ => vec![Record::RoomLeft(RoomId([number; 32]))],
            };
            let effects = Effects { commit, tell: vec![event(number)], ..Effects::default() };
            gate.enter(&store, effects, Openings::default(), None).await.unwrap();
        }
        store.commit(Vec::new()).await.unwrap().await.unwrap();
        for number in 0..10 {
            let passing = gate.pass().unwrap().expect("it is durable");
            assert!(matches!(passing.tell[..], [Event::RoomLeft(RoomId([of, ..]))] if of == number));
        }
        assert!(gate.pass().unwrap().is_none() && gate.is_empty());
    }
}
