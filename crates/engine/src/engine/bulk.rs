//! File transfers: the tasks that move bytes, started and stopped as the node wants it.

use std::path::PathBuf;

use lanyard_proto::effects::{Input, Staged};
use lanyard_proto::model::{PeerId, RoomId, TransferId};
use lanyard_proto::rooms::{MAX_OFFER_NAMES, RoomKind};
use lanyard_proto::transfer::{AT_ONCE_FROM_PEER, PullEnd, TransferState};
use lanyard_proto::wire::file::Source;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::engine::run::{Report, Run};
use crate::files::{
    self, Given, Pasted, PullError, Received, Receiver, ServeError, Served, Told, Verdict, Wanted, Whole,
};
use crate::net::pace::Paced;
use crate::net::stream::Secure;
use crate::saying::Says;
use crate::store::StoreError;

/// How the bulk work of an incoming transfer ended.
pub struct PullReport {
    pub transfer: TransferId,
    pub result: Result<Received, PullError>,
}

impl Run {
    pub fn start_pull(&mut self, transfer: TransferId, author: PeerId, sources: Vec<Source>) {
        let Some(offer) = self.node.transfer(transfer).map(|record| record.offer.clone()) else { return };
        // The staging is still held by a pull that was told to stop: this one begins when it has.
        if let Some(pulling) = self.pulls.get_mut(&transfer) {
            pulling.next = Some((author, sources));
            return;
        }
        let into = self.folder_of(transfer);
        let stop = CancellationToken::new();
        self.pulls.insert(transfer, Pulling { stop: stop.clone(), into: into.clone(), next: None });
        self.view.transfer(transfer).through = None;
        let gives_on = self.gives_on(transfer);
        let (reports, shelf) = (self.reports.clone(), self.shelf.clone());
        let moved = {
            let reports = self.reports.clone();
            // A progress report that finds the queue full is made up for by the next one.
            move |told| match told {
                Told::Moved(moved) => {
                    drop(reports.try_send(Report::Moved { transfer, peer: author, moved, sent: 0 }));
                }
                Told::Skips(skipped) => drop(reports.try_send(Report::Skips { transfer, skipped })),
                Told::Through(through) => drop(reports.try_send(Report::Through { transfer, through })),
            }
        };
        let dialler = self.dialler();
        let only = self.choice_of(transfer);
        let wanted = Wanted { transfer, author, offer, into, only, gives_on };
        tokio::spawn(async move {
            let result = files::pull(wanted, sources, dialler, shelf, moved, stop).await;
            let _ = reports.send(Report::Pulled(Box::new(PullReport { transfer, result }))).await;
        });
    }

    pub fn stop_pull(&mut self, transfer: TransferId, staged: Staged) {
        match self.pulls.get_mut(&transfer) {
            // While it runs it holds the staging; what it reports when it has stopped leads on.
            Some(pulling) => pulling.stop(),
            None if staged == Staged::Discard => self.discard(transfer),
            None => {}
        }
    }

    /// Whether what comes of an offer is for others, too.
    fn gives_on(&self, transfer: TransferId) -> bool {
        let room = self.node.transfer(transfer).and_then(|record| self.node.room(record.room));
        room.is_some_and(|room| !matches!(room.record().kind, RoomKind::Direct(_)))
    }

    pub async fn pulled(&mut self, report: PullReport) -> Result<(), StoreError> {
        let transfer = report.transfer;
        let pulling = self.pulls.remove(&transfer);
        self.progress.ended(transfer);
        let state = self.node.transfer(transfer).map(|record| record.state);
        let Some(state) = state.filter(|state| !state.is_over()) else {
            let into = pulling.map(|pulling| pulling.into);
            self.discard_from(transfer, into);
            return Ok(());
        };
        let next = pulling.and_then(|pulling| pulling.next);
        if let (Err(PullError::Stopped), Some((author, sources))) = (&report.result, next) {
            self.start_pull(transfer, author, sources);
            return Ok(());
        }
        // What was paused meanwhile can only be whole; else how far it came is shown after a restart, too.
        if report.result.is_err() && state != TransferState::Running {
            return self.keep_note(transfer).await;
        }
        let view = self.view.transfer(transfer);
        let end = match report.result {
            Ok(received) => {
                view.note.folder = Some(received.folder);
                view.note.sha256 = received.sha256;
                view.note.problem = None;
                view.note.placed = placed(&received.paths);
                (view.note.here, view.note.failed) = (received.here, 0);
                match received.end {
                    Whole::All(digest) => {
                        view.note.chosen = None;
                        PullEnd::Complete { digest }
                    }
                    Whole::Part(part) => {
                        let chosen = view.note.chosen.get_or_insert_default();
                        (chosen.files, chosen.bytes) = (part.files, part.bytes);
                        view.note.moved = part.bytes;
                        PullEnd::Part(part)
                    }
                }
            }
            Err(error) => {
                // Stopped while the node wants it: this run ends, and the next one goes on with it.
                let Some(end) = error.end() else { return Ok(()) };
                view.note.problem = Some(error.filling());
                if let PullError::Failed { arrived, files, .. } = error {
                    view.note.placed = placed(&arrived);
                    view.note.failed = files;
                }
                end
            }
        };
        self.view.transfer(transfer).no_space = end == PullEnd::NoSpace;
        if let Some(bytes) = self.node.transfer(transfer).map(|record| record.offer.bytes) {
            let view = self.view.transfer(transfer);
            if matches!(end, PullEnd::Complete { .. }) {
                view.note.moved = bytes;
            }
        }
        self.keep_note(transfer).await?;
        self.handle(Input::Pull { transfer, end }).await
    }

    /// Serves files to a device that connected for them, or that asked this one to; `through` is who passes it on. The shelf
    /// decides what it may have.
    pub fn serve_files(&mut self, secure: Secure, through: Option<PeerId>) {
        let peer = secure.peer();
        let Secure { remote, stream, .. } = secure;
        let to_peer = self.serves.values().filter(|serving| serving.peer == peer).count();
        if self.serves.len() >= MAX_SERVES + MAX_ASKERS
            || to_peer >= MAX_SERVES_PER_PEER + MAX_ASKERS_PER_PEER
        {
            tokio::spawn(async move {
                if let Err(error) = files::turn_away(stream).await {
                    tracing::debug!(peer = %peer.short(), %error, "could not ask to come back later");
                }
            });
            return;
        }
        self.next_serve += 1;
        let id = self.next_serve;
        let stop = CancellationToken::new();
        self.serves.insert(id, Serving { peer, through, transfer: None, asks: false, stop: stop.clone() });
        let (shelf, reports) = (self.shelf.clone(), self.reports.clone());
        let stream = Paced::new(stream, self.up.clone(), self.down.clone());
        let asked = {
            let reports = self.reports.clone();
            async move |transfer| {
                let (answer, answered) = oneshot::channel();
                // Where nobody answers, this device is about to end.
                let _ = reports.send(Report::Asked { serve: id, transfer, answer }).await;
                answered.await.unwrap_or(Verdict::MayNot)
            }
        };
        let moved = {
            let reports = self.reports.clone();
            let mut unsaid = 0;
            move |transfer, given: Given| {
                unsaid += given.sent;
                let report = Report::Moved { transfer, peer, moved: given.has, sent: unsaid };
                if reports.try_send(report).is_ok() {
                    unsaid = 0;
                }
            }
        };
        let desk = self.desk(id, peer);
        // Others can reach it where it came from, at the port that it announces.
        let mut addresses = self.node.presence().addresses(peer).to_vec();
        addresses.sort_by_key(|address| address.ip() != remote.ip());
        let receiver = Receiver { peer, addresses };
        tokio::spawn(async move {
            match files::serve(stream, receiver, shelf, asked, desk, moved, stop).await {
                Ok(Served::Files { transfer, digest: Some(digest) }) => {
                    let _ = reports.send(Report::Sent { transfer, to: peer, digest }).await;
                }
                Ok(_) => {}
                Err(ServeError::Stopped | ServeError::Cancelled | ServeError::Paused) => {}
                Err(error) => tracing::info!(peer = %peer.short(), %error, "could not send files"),
            }
            let _ = reports.send(Report::ServeEnded(id)).await;
        });
    }

    /// Serves an offer no longer, and cuts whoever is fetching it.
    pub fn unshelve(&mut self, transfer: TransferId) {
        self.cut(transfer);
        if self.is_part(transfer) {
            // The rest will never come, so nothing has to go on from where this ended.
            self.discard(transfer);
        }
        self.forget_offer(transfer);
    }

    /// Cuts whoever is fetching a transfer from here.
    pub fn cut(&mut self, transfer: TransferId) {
        for serving in self.serves.values().filter(|serving| serving.transfer == Some(transfer)) {
            serving.stop.cancel();
        }
        self.progress.ended(transfer);
    }

    /// Gives nothing of an offer to anybody any more.
    fn forget_offer(&self, transfer: TransferId) {
        let (shelf, pasted) = (self.shelf.clone(), Pasted::of(&self.config.profile));
        tokio::spawn(async move {
            if let Err(error) = shelf.forget(transfer).await {
                tracing::warn!(%transfer, %error, "a withdrawn offer stays on disk");
            }
            tokio::task::spawn_blocking(move || {
                if let Err(error) = pasted.forget(transfer) {
                    tracing::warn!(%transfer, %error, "a pasted picture stays on disk");
                }
            });
        });
    }

    /// Cuts whoever fetches from a room what is not for them any more.
    pub fn recheck(&mut self, room: RoomId) {
        for serving in self.serves.values() {
            let concerned = |transfer: &TransferId| {
                let offered = self.node.transfer(*transfer);
                offered.is_some_and(|record| record.room == room || record.share().is_some())
            };
            if let Some(transfer) = serving.transfer.filter(concerned)
                && !self.may_fetch(transfer, serving.peer)
            {
                serving.stop.cancel();
            }
        }
    }

    /// Whether a device may fetch something at this moment.
    fn may_fetch(&self, transfer: TransferId, peer: PeerId) -> bool {
        self.node.may_fetch(transfer, peer) && self.may_fetch_shared(transfer, peer)
    }

    /// A receiver said what it wants: from now on it can be cut off.
    pub fn asked(&mut self, serve: u64, transfer: TransferId) -> Verdict {
        let Some(peer) = self.serves.get(&serve).map(|serving| serving.peer) else { return Verdict::MayNot };
        if !self.may_fetch(transfer, peer) {
            return Verdict::MayNot;
        }
        self.node.came_for(transfer);
        if self.node.is_paused(transfer) {
            return Verdict::Later;
        }
        let fetching: Vec<PeerId> =
            self.serves.values().filter(|other| other.transfer.is_some()).map(|other| other.peer).collect();
        let by_peer = fetching.iter().filter(|other| **other == peer).count();
        if fetching.len() >= MAX_SERVES || by_peer >= MAX_SERVES_PER_PEER {
            return Verdict::Busy;
        }
        if let Some(serving) = self.serves.get_mut(&serve) {
            serving.transfer = Some(transfer);
        }
        // Of what somebody asked for nothing was told before, nor which way it goes.
        let through = self.serves.get(&serve).is_some_and(|serving| serving.through.is_some());
        if through || self.node.transfer(transfer).is_some_and(|record| record.share().is_some()) {
            self.tell_of_transfer(transfer);
        }
        Verdict::MayFetch
    }

    /// So many links and special files are in what is fetched, and do not come.
    pub fn skips(&mut self, transfer: TransferId, skipped: u64) {
        let view = self.view.transfer(transfer);
        if std::mem::replace(&mut view.skipped, skipped) != skipped {
            self.tell_of_transfer(transfer);
        }
    }

    /// What is fetched comes through another device than before, or through none.
    pub fn comes_through(&mut self, transfer: TransferId, through: Option<PeerId>) {
        if self.pulls.contains_key(&transfer) {
            self.view.transfer(transfer).through = through;
            self.tell_of_transfer(transfer);
        }
    }

    /// Somebody has so much of a transfer; `sent` bytes more went out of this device for it.
    pub fn moved(&mut self, transfer: TransferId, peer: PeerId, moved: u64, sent: u64) {
        let Some(record) = self.node.transfer(transfer) else { return };
        let chosen = self.view.transfers.get(&transfer).and_then(|view| view.note.chosen.as_ref());
        let bytes = chosen.map_or(record.offer.bytes, |chosen| chosen.bytes);
        // What third devices get from this one is no progress of its own.
        if record.from != self.node.me() && record.from != peer {
            return;
        }
        if record.from == peer {
            self.progress.came(transfer, peer, moved, bytes);
        } else {
            self.progress.went(transfer, peer, moved, bytes, sent);
        }
        let note = &mut self.view.transfer(transfer).note;
        note.moved = note.moved.max(moved);
    }

    pub fn serve_ended(&mut self, id: u64) {
        let Some(Serving { peer, transfer: Some(transfer), .. }) = self.serves.remove(&id) else { return };
        let goes_on =
            self.serves.values().any(|other| (other.peer, other.transfer) == (peer, Some(transfer)));
        if !goes_on {
            self.progress.ended_with(transfer, peer);
            self.tell_of_transfer(transfer);
        }
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

    /// Removes what earlier runs left behind: offers that are over, and what pulls that are over had staged.
    pub fn clear_away(&mut self, strays: Vec<PathBuf>) {
        let over: Vec<TransferId> = self
            .view
            .transfers
            .iter()
            .filter_map(|(id, view)| Some((id, view.note.folder.as_ref()?, view.record.as_ref()?)))
            .filter(|(.., record)| matches!(record.state, TransferState::Done | TransferState::Cancelled))
            .filter(|(.., record)| record.from != self.node.me())
            .filter(|(id, _, record)| !self.is_part(**id) || self.is_part_for_good(record))
            .map(|(id, ..)| *id)
            .collect();
        for transfer in over {
            self.discard(transfer);
        }
        tokio::task::spawn_blocking(move || {
            for path in strays {
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::warn!(path = %path.display(), %error, "an offer that is over stays on disk");
                }
            }
        });
    }

    /// Throws away what a pull left beside the files, if there is anything.
    pub fn discard(&mut self, transfer: TransferId) {
        self.discard_from(transfer, None);
    }

    fn discard_from(&mut self, transfer: TransferId, into: Option<PathBuf>) {
        let into = into.unwrap_or_else(|| self.folder_of(transfer));
        let done = |state| state == TransferState::Done;
        if !self.node.transfer(transfer).is_some_and(|record| done(record.state)) {
            self.forget_offer(transfer);
        }
        tokio::spawn(async move {
            if let Err(error) = files::discard(transfer, &into).await {
                tracing::warn!(%transfer, %error, "what was staged stays on disk");
            }
        });
    }
}

/// A pull that runs.
pub struct Pulling {
    stop: CancellationToken,
    into: PathBuf,
    /// It was told to stop, and is to begin anew from these when it has.
    next: Option<(PeerId, Vec<Source>)>,
}

impl Pulling {
    pub fn stop(&mut self) {
        self.stop.cancel();
        self.next = None;
    }
}

/// The names of what stands in the folder, as many as are shown.
fn placed(paths: &[PathBuf]) -> Vec<String> {
    let names = paths.iter().filter_map(|path| path.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).take(MAX_OFFER_NAMES).collect()
}

/// A device that fetches from this one.
pub struct Serving {
    pub peer: PeerId,
    /// The device that passes on what is served.
    pub through: Option<PeerId>,
    /// Known once it has said what it wants.
    pub transfer: Option<TransferId>,
    /// Whether it asks about shared folders instead.
    pub asks: bool,
    pub stop: CancellationToken,
}

/// Connections that ask about shared folders at a time.
pub const MAX_ASKERS: usize = 16;
/// One that is answered, and one that was begun before the last was over.
pub const MAX_ASKERS_PER_PEER: usize = 2;
/// Connections that are served at a time: more would only share the same disk and wire.
const MAX_SERVES: usize = 16;
/// Nobody takes all the places. A receiver fetches no more at a time from one device; what it has ended may be heard of here
/// only after what it begins next.
const MAX_SERVES_PER_PEER: usize = AT_ONCE_FROM_PEER + 2;
