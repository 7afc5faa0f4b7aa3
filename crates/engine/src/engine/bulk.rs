//! File transfers: the tasks that move bytes, started and stopped as the node wants it.

use std::net::SocketAddr;
use std::path::PathBuf;

use lanyard_proto::effects::{Input, Staged};
use lanyard_proto::model::{PeerId, TransferId};
use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::PullEnd;
use tokio_util::sync::CancellationToken;

use crate::engine::run::{Report, Run};
use crate::files::{self, PullError, Received, ServeError};
use crate::net::stream::{Secure, dial};
use crate::net::tls::{Credentials, Purpose};
use crate::store::StoreError;

/// How the bulk work of an incoming transfer ended.
pub struct PullReport {
    pub transfer: TransferId,
    pub result: Result<Received, PullError>,
}

impl Run {
    pub fn start_pull(&mut self, transfer: TransferId, holder: PeerId, addresses: Vec<SocketAddr>) {
        let Some(offer) = self.node.transfer(transfer).map(|record| record.offer.clone()) else { return };
        let into = self.folder_of(transfer);
        let stop = CancellationToken::new();
        self.pulls.insert(transfer, stop.clone());
        let (credentials, reports) = (self.credentials.clone(), self.reports.clone());
        let moved = {
            let reports = self.reports.clone();
            // A progress report that finds the queue full is made up for by the next one.
            move |moved| drop(reports.try_send(Report::Moved { transfer, peer: holder, moved, serve: None }))
        };
        tokio::spawn(async move {
            let result = pull(&credentials, holder, &addresses, transfer, &offer, into, moved, stop).await;
            let _ = reports.send(Report::Pulled(PullReport { transfer, result })).await;
        });
    }

    pub fn stop_pull(&mut self, transfer: TransferId, staged: Staged) {
        let stop = self.pulls.remove(&transfer);
        let running = stop.is_some();
        if let Some(stop) = stop {
            stop.cancel();
        }
        // While it runs it holds the staging; what it reports when it has stopped leads here again.
        if staged == Staged::Discard && !running {
            self.discard(transfer);
        }
    }

    pub async fn pulled(&mut self, report: PullReport) -> Result<(), StoreError> {
        let transfer = report.transfer;
        self.pulls.remove(&transfer);
        self.progress.ended(transfer);
        let view = self.view.transfer(transfer);
        let end = match report.result {
            Ok(received) => {
                view.note.folder = Some(received.folder);
                view.note.sha256 = received.sha256;
                view.note.problem = None;
                view.paths = received.paths;
                PullEnd::Complete { digest: received.digest }
            }
            Err(error) => {
                view.note.problem = Some(error.to_string());
                match error.end() {
                    Some(end) => end,
                    None => {
                        self.discard(transfer);
                        return Ok(());
                    }
                }
            }
        };
        if let PullEnd::Failed(_) = end {
            self.discard(transfer);
        }
        if let Some(bytes) = self.node.transfer(transfer).map(|record| record.offer.bytes) {
            let view = self.view.transfer(transfer);
            if matches!(end, PullEnd::Complete { .. }) {
                view.note.moved = bytes;
            }
        }
        self.keep_note(transfer).await?;
        self.handle(Input::Pull { transfer, end }).await
    }

    /// Serves files to a device that connected for them. The shelf decides what it may have.
    pub fn serve_files(&mut self, secure: Secure) {
        let Secure { peer, stream, .. } = secure;
        self.next_serve += 1;
        let id = self.next_serve;
        let stop = CancellationToken::new();
        self.serves.insert(id, Serving { transfer: None, stop: stop.clone() });
        let (shelf, reports) = (self.shelf.clone(), self.reports.clone());
        let moved = {
            let reports = self.reports.clone();
            move |transfer, moved| {
                drop(reports.try_send(Report::Moved { transfer, peer, moved, serve: Some(id) }))
            }
        };
        tokio::spawn(async move {
            match files::serve(stream, peer, shelf, moved, stop).await {
                Ok(served) => {
                    let (transfer, digest) = (served.transfer, served.digest);
                    let _ = reports.send(Report::Sent { transfer, to: peer, digest }).await;
                }
                Err(ServeError::Stopped | ServeError::Cancelled) => {}
                Err(error) => tracing::info!(peer = %peer.short(), %error, "could not send files"),
            }
            let _ = reports.send(Report::ServeEnded(id)).await;
        });
    }

    /// Serves an offer no longer, and cuts whoever is fetching it.
    pub fn unshelve(&mut self, transfer: TransferId) {
        for serving in self.serves.values().filter(|serving| serving.transfer == Some(transfer)) {
            serving.stop.cancel();
        }
        self.progress.ended(transfer);
        let shelf = self.shelf.clone();
        tokio::spawn(async move {
            if let Err(error) = shelf.forget(transfer).await {
                tracing::warn!(%transfer, %error, "a withdrawn offer stays on disk");
            }
        });
    }

    pub fn moved(&mut self, transfer: TransferId, peer: PeerId, moved: u64, serve: Option<u64>) {
        if let Some(serving) = serve.and_then(|id| self.serves.get_mut(&id)) {
            serving.transfer = Some(transfer);
        }
        let Some(bytes) = self.node.transfer(transfer).map(|record| record.offer.bytes) else { return };
        self.progress.moved(transfer, peer, moved, bytes);
        let note = &mut self.view.transfer(transfer).note;
        note.moved = note.moved.max(moved);
    }

    pub fn serve_ended(&mut self, id: u64) {
        self.serves.remove(&id);
    }

    /// Where an accepted transfer goes: the folder that was chosen for it, or the download folder.
    pub fn folder_of(&mut self, transfer: TransferId) -> PathBuf {
        let chosen = self.view.transfer(transfer).note.folder.clone();
        chosen
            .or_else(|| self.settings.downloads.clone())
            .unwrap_or_else(|| self.config.profile.join("downloads"))
    }

    /// Writes down what only this device knows of a transfer, before whatever is entered from now on.
    pub async fn keep_note(&mut self, transfer: TransferId) -> Result<(), StoreError> {
        let note = self.view.transfer(transfer).note.clone();
        let kept = self.store.note_transfer(transfer, note).await?;
        self.gate.wait_for(kept);
        Ok(())
    }

    fn discard(&mut self, transfer: TransferId) {
        let into = self.folder_of(transfer);
        tokio::spawn(async move {
            if let Err(error) = files::discard(transfer, &into).await {
                tracing::warn!(%transfer, %error, "what was staged stays on disk");
            }
        });
    }
}

/// A device that fetches from this one.
pub struct Serving {
    /// Known once the first bytes have moved.
    pub transfer: Option<TransferId>,
    pub stop: CancellationToken,
}

#[allow(
    clippy::too_many_arguments,
    reason = "each is a different thing, and they are named where it is called"
)]
async fn pull(
    credentials: &Credentials,
    holder: PeerId,
    addresses: &[SocketAddr],
    transfer: TransferId,
    offer: &Offer,
    into: PathBuf,
    moved: impl Fn(u64) + Send + 'static,
    stop: CancellationToken,
) -> Result<Received, PullError> {
    let dialling = dial(credentials, holder, addresses, Purpose::File);
    let secure = tokio::select! {
        secure = dialling => secure.map_err(|error| PullError::Lost(error.to_string()))?,
        () = stop.cancelled() => return Err(PullError::Stopped),
    };
    files::pull(secure.stream, transfer, offer, &into, moved, stop).await
}
