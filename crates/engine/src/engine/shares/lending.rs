//! What is answered to a device that asks for shared folders: its questions come here as reports.

use std::sync::Arc;

use lanyard_proto::effects::Audience;
use lanyard_proto::model::{PeerId, ShareId, TransferId};
use lanyard_proto::rooms::Offer;
use lanyard_proto::wire::share::{Shared, Taken, Why};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::asking::Got;
use crate::api::{ErrorCode, Reply};
use crate::engine::bulk::{MAX_ASKERS, MAX_ASKERS_PER_PEER};
use crate::engine::commands::To;
use crate::engine::gate::{Answer, Answering};
use crate::engine::run::{Report, Run};
use crate::files::{Lend, Lent, Question, Shelf, Survey};
use crate::says;
use crate::store::StoreError;

/// What tasks about shared folders have to say.
pub enum ShareReport {
    /// A device that connected wants to ask.
    Begin { serve: u64, answer: oneshot::Sender<bool> },
    /// It wants to know what is shared with it.
    Look { peer: PeerId, answer: oneshot::Sender<Result<Vec<Shared>, Why>> },
    /// It wants to look into a folder.
    Place { peer: PeerId, share: ShareId, question: Question, answer: oneshot::Sender<Result<Lent, Why>> },
    /// What it asked for was found, and can be offered to it.
    Found { peer: PeerId, share: ShareId, transfer: TransferId, offer: Offer, answer: To },
    /// Somebody offers what this device asked for.
    Got(Got),
}

impl Run {
    /// Answers one device that connected.
    pub(in crate::engine) fn desk(&self, serve: u64, peer: PeerId) -> Desk {
        let (reports, shelf, me) = (self.reports.clone(), self.shelf.clone(), self.node.me());
        Desk { serve, peer, me, reports, shelf, turns: self.shares.turns.clone() }
    }

    pub(in crate::engine) async fn share_report(&mut self, report: ShareReport) -> Result<(), StoreError> {
        // Whoever asked may be gone, each time.
        match report {
            ShareReport::Begin { serve, answer } => drop(answer.send(self.begins_to_ask(serve))),
            ShareReport::Look { peer, answer } => drop(answer.send(self.looked_at_shares(peer))),
            ShareReport::Place { peer, share, question, answer } => {
                drop(answer.send(self.place(peer, share, question)));
            }
            ShareReport::Found { peer, share, transfer, offer, answer } => {
                return self.found_shared(peer, share, transfer, offer, answer).await;
            }
            ShareReport::Got(got) => return self.got(got).await,
        }
        Ok(())
    }

    fn begins_to_ask(&mut self, serve: u64) -> bool {
        let Some(peer) = self.serves.get(&serve).map(|serving| serving.peer) else { return false };
        let asking: Vec<PeerId> =
            self.serves.values().filter(|other| other.asks).map(|other| other.peer).collect();
        let by_peer = asking.iter().filter(|other| **other == peer).count();
        if asking.len() >= MAX_ASKERS || by_peer >= MAX_ASKERS_PER_PEER {
            return false;
        }
        if let Some(serving) = self.serves.get_mut(&serve) {
            serving.asks = true;
        }
        true
    }

    fn looked_at_shares(&mut self, peer: PeerId) -> Result<Vec<Shared>, Why> {
        let now = self.clock.now().instant;
        match self.shares.may_ask(peer, Question::Look, now) {
            true => Ok(self.shared_to(peer)),
            false => Err(Why::Busy),
        }
    }

    fn place(&mut self, peer: PeerId, share: ShareId, question: Question) -> Result<Lent, Why> {
        let now = self.clock.now().instant;
        let folder = self.shares.get(share).filter(|folder| self.may_see(folder, peer));
        let pages = self.shares.pages.clone();
        let lent = folder.map(|folder| Lent { path: folder.path.clone(), name: folder.name.clone(), pages });
        // Whoever asks for what is not there pays as well.
        if !self.shares.may_ask(peer, question, now) {
            return Err(Why::Busy);
        }
        lent.ok_or(Why::NotShared)
    }

    /// Offers it, if it is still shared with whoever asked: a large folder takes a while to look through.
    async fn found_shared(
        &mut self,
        peer: PeerId,
        share: ShareId,
        transfer: TransferId,
        offer: Offer,
        answer: To,
    ) -> Result<(), StoreError> {
        let is_seen = self.shares.get(share).is_some_and(|folder| self.may_see(folder, peer));
        let refused = |code| says!(code, "It is not offered.");
        let given = match is_seen {
            true => self.node.give((share, peer), transfer, offer, self.clock.now()),
            false => {
                let _ = answer.send(Err(refused(ErrorCode::Refused)));
                return Ok(());
            }
        };
        match given {
            Ok(effects) => {
                let with = Answering::Ready(Box::new(Reply::Done));
                self.enter(effects, Some(Answer { to: answer, with })).await
            }
            Err(_) => {
                let _ = answer.send(Err(refused(ErrorCode::TimedOut)));
                Ok(())
            }
        }
    }
}

/// Asks the engine's task for each answer: what is shared with whom changes.
pub struct Desk {
    serve: u64,
    peer: PeerId,
    me: PeerId,
    reports: mpsc::Sender<Report>,
    shelf: Shelf,
    turns: Arc<Semaphore>,
}

impl Desk {
    /// `None` if this device is about to end.
    async fn ask<T>(&self, report: impl FnOnce(oneshot::Sender<T>) -> ShareReport + Send) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.reports.send(Report::Share(Box::new(report(answer)))).await.ok()?;
        answered.await.ok()
    }
}

impl Lend for Desk {
    async fn begin(&self) -> bool {
        let serve = self.serve;
        self.ask(|answer| ShareReport::Begin { serve, answer }).await.unwrap_or(false)
    }

    async fn look(&self) -> Result<Vec<Shared>, Why> {
        let peer = self.peer;
        self.ask(|answer| ShareReport::Look { peer, answer }).await.unwrap_or(Err(Why::Busy))
    }

    async fn place(&self, share: ShareId, question: Question) -> Result<(Lent, OwnedSemaphorePermit), Why> {
        // Whoever may look is asked once it is its turn: until then it may have changed.
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| Why::Busy)?;
        let peer = self.peer;
        let placed = self.ask(|answer| ShareReport::Place { peer, share, question, answer });
        Ok((placed.await.unwrap_or(Err(Why::Busy))?, turn))
    }

    async fn offer(&self, share: ShareId, found: Survey) -> Result<TransferId, Why> {
        let (peer, me) = (self.peer, self.me);
        let (reports, shelf) = (self.reports.clone(), self.shelf.clone());
        // Also where nobody waits for it any more: else it would lie on the shelf, and nobody would know of it.
        let offering = tokio::spawn(async move {
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(|_| Why::Busy)?;
            let (transfer, offer) = (TransferId::new(me, random), found.offer.clone());
            if let Err(error) = shelf.put(transfer, found, Audience::Peer(peer)).await {
                tracing::warn!(%error, "what somebody asked for could not be offered");
                return Err(Why::Busy);
            }
            let (answer, answered) = oneshot::channel();
            let report = ShareReport::Found { peer, share, transfer, offer, answer };
            let _ = reports.send(Report::Share(Box::new(report))).await;
            let why = match answered.await {
                Ok(Ok(_)) => return Ok(transfer),
                Ok(Err(error)) if error.code == ErrorCode::Refused => Why::NotShared,
                Ok(Err(_)) | Err(_) => Why::Busy,
            };
            if let Err(error) = shelf.forget(transfer).await {
                tracing::warn!(%transfer, %error, "an offer that nobody was told of stays on disk");
            }
            Err(why)
        });
        offering.await.unwrap_or(Err(Why::Busy))
    }
}

/// An offer as its holder told it.
pub(super) fn offer_of(taken: &Taken) -> Offer {
    let names = taken.names.iter().map(|name| super::clean_name(name)).collect();
    Offer { names, files: taken.files, folders: taken.folders, bytes: taken.bytes, manifest: taken.manifest }
}
