//! Keeps the promise that the network and the user hear of nothing that is not on disk.
//!
//! Effects pass in the order in which they came. Those that commit wait for the disk, and whatever comes behind them
//! waits with them; the engine's task does not.

use std::collections::VecDeque;

use lanyard_proto::effects::{Effects, Event, Job, Transmit};
use tokio::sync::oneshot;

use crate::api::{ApiError, Reply};
use crate::store::{Durable, Store, StoreError};

#[derive(Default)]
pub struct Gate {
    waiting: VecDeque<Passing>,
}

/// Effects on their way through the gate.
pub struct Passing {
    durable: Option<Durable>,
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
    Message(std::sync::Arc<lanyard_proto::wire::entry::Entry>, lanyard_proto::model::UnixMillis),
    Room(lanyard_proto::model::RoomId),
    Transfer(lanyard_proto::model::TransferId),
    Me,
}

impl Gate {
    /// Queues effects. Waits only if the store's queue is full.
    ///
    /// # Errors
    /// If the store has failed before.
    pub async fn enter(
        &mut self,
        store: &Store,
        effects: Effects,
        answer: Option<Answer>,
    ) -> Result<(), StoreError> {
        let Effects { commit, send, run, tell } = effects;
        let durable = if commit.is_empty() { None } else { Some(store.commit(commit).await?) };
        self.waiting.push_back(Passing { durable, send, run, tell, answer });
        Ok(())
    }

    /// What may pass now without waiting.
    pub fn pass(&mut self) -> Option<Passing> {
        if self.waiting.front()?.durable.is_none() { self.waiting.pop_front() } else { None }
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
}
