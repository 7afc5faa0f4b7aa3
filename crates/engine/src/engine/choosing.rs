//! Which files of an offer a person wants, and how to list them.

use std::path::PathBuf;
use std::time::Duration;

use lanyard_proto::effects::TransferRecord;
use lanyard_proto::model::TransferId;
use lanyard_proto::transfer::{Failure, Receipt, TransferState as NodeState};
use lanyard_proto::wire::file::{ItemKind, Source};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::api::{ApiError, ErrorCode, Event, Reply, TransferFile, TransferFileState, TransferFiles};
use crate::engine::commands::{To, invalid, refused};
use crate::engine::gate::{Answer, Answering};
use crate::engine::queue::Wanted;
use crate::engine::reasons::{failure_code, failure_sentence, own_file_sentence};
use crate::engine::run::{Report, Run};
use crate::files::{self, Asked, Choice, Contents, Entry, PullError};
use crate::saying;
use crate::says;
use crate::store::{Chosen, StoreError};

/// What somebody chose was found in the list, or not; whoever asked waits.
pub struct Choosing {
    transfer: TransferId,
    folder: Option<PathBuf>,
    choice: Result<Choice, ApiError>,
    answer: To,
}

impl Run {
    /// Fetches an offer, or some files of it once they are found in its list; if there is room for them.
    pub fn accept(&mut self, transfer: &str, into: Option<String>, only: Option<Vec<String>>, answer: To) {
        let found = self
            .find_transfer(transfer)
            .and_then(|transfer| Ok((transfer, into.map(|handle| self.folder(&handle)).transpose()?)));
        let (transfer, folder) = match found {
            Ok(found) => found,
            Err(error) => return refuse(answer, error),
        };
        let Some(only) = only else { return self.weigh_yes(transfer, folder, None, answer) };
        let listing = match self.listing(transfer) {
            Ok(listing) => listing,
            Err(error) => return refuse(answer, error),
        };
        let reports = self.reports.clone();
        tokio::spawn(async move {
            let choose = async move {
                let contents = listing.await?;
                let chosen = tokio::task::spawn_blocking(move || contents.choose(&only));
                let chosen = chosen.await.expect("looking through a list does not panic");
                chosen.map_err(|error| invalid(saying!("Nothing is fetched: {error}.", error)))
            };
            let choice = choose.await;
            let choosing = Choosing { transfer, folder, choice, answer };
            let _ = reports.send(Report::Chosen(Box::new(choosing))).await;
        });
    }

    pub fn chosen(&mut self, choosing: Choosing) {
        let Choosing { transfer, folder, choice, answer } = choosing;
        match choice {
            Ok(choice) => self.weigh_yes(transfer, folder, Some(choice), answer),
            Err(error) => refuse(answer, error),
        }
    }

    /// Where an offer goes that somebody says yes to: what came of it before lies there, and the rest belongs beside it.
    fn goes_to(&self, transfer: TransferId, folder: Option<PathBuf>) -> PathBuf {
        let before = || {
            let continues = self.is_part(transfer) || self.has_failed(transfer);
            self.view.transfers.get(&transfer)?.note.folder.clone().filter(|_| continues)
        };
        folder.or_else(before).unwrap_or_else(|| self.download_folder())
    }

    fn weigh_yes(
        &mut self,
        transfer: TransferId,
        folder: Option<PathBuf>,
        choice: Option<Choice>,
        answer: To,
    ) {
        let folder = self.goes_to(transfer, folder);
        self.weigh(transfer, folder, Wanted::Accept(choice, answer));
    }

    fn has_failed(&self, transfer: TransferId) -> bool {
        matches!(self.node.transfer(transfer).map(|record| record.state), Some(NodeState::Failed(_)))
    }

    /// A page of what is in a transfer.
    pub fn transfer_files(&mut self, transfer: &str, after: Option<String>, limit: u32, answer: To) {
        let found = self.find_any_transfer(transfer).and_then(|id| Ok((id, self.listing(id)?)));
        let (transfer, listing) = match found {
            Ok(found) => found,
            Err(error) => return drop(answer.send(Err(error))),
        };
        let reports = self.reports.clone();
        let limit = limit.clamp(1, MAX_LISTED) as usize;
        tokio::spawn(async move {
            let listed = async {
                let contents = listing.await?;
                // Where it stands may have changed while the list was looked for.
                let (answer, answered) = oneshot::channel();
                let look = move |run: &Run| {
                    drop(answer.send((run.choice_of(transfer), run.lacks_of(transfer))));
                };
                let _ = reports.send(Report::Read(Box::new(look))).await;
                // Nobody answers where this device is about to end.
                let (choice, lacks) = answered.await.unwrap_or((None, Lacks::Unsaid));
                // A list has up to a million items, of which folders need all that are in them.
                let paged = tokio::task::spawn_blocking(move || {
                    page(&contents, after.as_deref(), limit, choice, lacks)
                });
                paged.await.expect("looking through a list does not panic")
            };
            let listed = listed.await;
            let show = move |run: &Run| {
                let page = listed.and_then(|page| run.page_of(transfer, page));
                let _ = answer.send(page.map(Reply::TransferFiles));
            };
            let _ = reports.send(Report::Read(Box::new(show))).await;
        });
    }

    /// Whether of folders of a transfer it is to be said that something in them is missing.
    fn lacks_of(&self, transfer: TransferId) -> Lacks {
        let incoming = |record: &TransferRecord| record.from != self.node.me();
        let failed = |record: &TransferRecord| matches!(record.state, NodeState::Failed(_));
        match self.record_of(transfer).is_some_and(|record| incoming(record) && failed(record)) {
            true => Lacks::Said,
            false => Lacks::Unsaid,
        }
    }

    /// Whether some files of an offer are here, and the others were not wanted.
    pub fn is_part(&self, transfer: TransferId) -> bool {
        let done = |record: &TransferRecord| record.state == NodeState::Done && record.from != self.node.me();
        let chosen =
            |transfer| self.view.transfers.get(&transfer).is_some_and(|view| view.note.chosen.is_some());
        self.record_of(transfer).is_some_and(done) && chosen(transfer)
    }

    /// Whether the rest of what is here in part will never come: it is offered no longer.
    pub fn is_part_for_good(&self, record: &TransferRecord) -> bool {
        record.is_withdrawn() || record.share().is_some() && record.is_too_old_to_give(self.clock.now().unix)
    }

    /// What is to be fetched of a transfer.
    pub fn choice_of(&self, transfer: TransferId) -> Option<Choice> {
        let Chosen { items, files, bytes } = self.view.transfers.get(&transfer)?.note.chosen.as_ref()?;
        Choice::from_bytes(items, *files, *bytes)
    }

    /// Somebody, or the rule that the node was started with, said yes, and the disk was looked at.
    pub async fn fetch(
        &mut self,
        transfer: TransferId,
        folder: PathBuf,
        choice: Option<Choice>,
        answer: Option<To>,
    ) -> Result<(), StoreError> {
        let (part, failed) = (self.is_part(transfer), self.has_failed(transfer));
        let now = self.clock.now();
        let accepted =
            if part { self.node.accept_more(transfer, now) } else { self.node.accept(transfer, now) };
        let effects = match accepted {
            Ok(effects) => effects,
            Err(refusal) => {
                // A person was faster than the rule.
                answer.into_iter().for_each(|answer| refuse(answer, refused(refusal)));
                return Ok(());
            }
        };
        let note = &mut self.view.transfer(transfer).note;
        let before = note.folder.replace(folder.clone()).filter(|_| part || failed);
        note.problem = None;
        match choice {
            Some(choice) => note.chosen = Some(chosen(&choice)),
            None if failed => {}
            None => note.chosen = None,
        }
        (note.failed, note.moved) = (0, 0);
        if let Some(left) = before.filter(|before| *before != folder) {
            discard_left(transfer, left);
        }
        self.keep_note(transfer).await?;
        let answer = answer.map(|to| Answer { to, with: Answering::Transfer(transfer) });
        self.enter(effects, answer).await
    }

    /// The list of a transfer's files, from wherever it can be had.
    pub(super) fn listing(
        &self,
        transfer: TransferId,
    ) -> Result<impl Future<Output = Result<Contents, ApiError>> + Send + use<>, ApiError> {
        let record = self.record_of(transfer).ok_or_else(|| unknown(&transfer.to_string()))?;
        let asked = Asked {
            transfer,
            author: record.from,
            offer: record.offer.clone(),
            into: self.view.transfers.get(&transfer).and_then(|view| view.note.folder.clone()),
        };
        // Of those that were over before this run the node knows nothing any more.
        let sources = self.node.sources_of(transfer);
        let nobody = sources.as_ref().is_ok_and(Vec::is_empty);
        let sources = sources.unwrap_or_default();
        let dialler = self.dialler();
        let (shelf, lists, author) = (self.shelf.clone(), self.lists.clone(), self.name_of(record.from));
        let (reports, events) = (self.reports.clone(), self.events.subscribe());
        Ok(async move {
            let of = asked.clone();
            let mut found = files::contents(of, sources, dialler.clone(), shelf.clone(), lists.clone()).await;
            // An offer can be known before it is heard that its author is here.
            if nobody && matches!(found, Err(PullError::Lost(_) | PullError::Cut(_))) {
                let heard = tokio::time::timeout(HEARD_WITHIN, until_heard(transfer, reports, events)).await;
                let sources = heard.unwrap_or_default();
                if !sources.is_empty() {
                    found = files::contents(asked, sources, dialler, shelf, lists).await;
                }
            }
            found.map_err(|error| unlisted(&error, &author))
        })
    }

    fn page_of(&self, transfer: TransferId, page: Paged) -> Result<TransferFiles, ApiError> {
        let record = self.record_of(transfer).ok_or_else(|| unknown(&transfer.to_string()))?;
        let Paged { entries, next, knows_failures } = page;
        let outgoing = record.from == self.node.me();
        let failed = matches!(record.state, NodeState::Failed(_));
        let whole = outgoing && self.is_taken(record);
        // A receiver that says that something failed has all that could be given.
        let rest_came = outgoing && failed && knows_failures;
        let of = Standing {
            state: record.state,
            outgoing,
            whole: whole || rest_came,
            single: record.offer.files == 1,
        };
        let files = entries.into_iter().map(|entry| shown_file(entry, of)).collect();
        Ok(TransferFiles { files, next })
    }

    /// Whether everybody whom an own offer is for has all of it.
    fn is_taken(&self, record: &TransferRecord) -> bool {
        let has_all = |receipt: &Receipt| matches!(receipt, Receipt::Received { .. });
        match record.state {
            NodeState::Done => self.part_taken(record).is_none(),
            NodeState::Offered => {
                let (all, _) = self.audience(record);
                all > 0
                    && record.receipts.iter().filter(|(_, receipt)| has_all(receipt)).count() == all as usize
            }
            _ => false,
        }
    }

    fn record_of(&self, transfer: TransferId) -> Option<&TransferRecord> {
        let over = || self.view.transfers.get(&transfer)?.record.as_ref();
        self.node.transfer(transfer).or_else(over)
    }

    /// Also one that was over before this run.
    fn find_any_transfer(&self, wanted: &str) -> Result<TransferId, ApiError> {
        let open = self.find_transfer(wanted);
        let over = || {
            let over = self.view.transfers.iter().filter(|(_, view)| view.record.is_some());
            let mut found = over.map(|(id, _)| *id).filter(|id| id.is_meant(wanted));
            found.next().filter(|_| found.next().is_none())
        };
        match open {
            Err(error) if error.code == ErrorCode::NoSuch => over().ok_or(error),
            open => open,
        }
    }
}

/// What was found in a list for one page of it.
struct Paged {
    entries: Vec<Entry>,
    next: Option<String>,
    /// Whether it is known which files of an own offer could not be given.
    knows_failures: bool,
}

/// Whether something is missing in a folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lacks {
    Said,
    Unsaid,
}

/// Goes through a list for one page. Blocks for as long as that takes.
fn page(
    contents: &Contents,
    after: Option<&str>,
    limit: usize,
    choice: Option<Choice>,
    lacks: Lacks,
) -> Result<Paged, ApiError> {
    let (mut entries, next) = contents
        .page(after, limit, choice.as_ref())
        .ok_or_else(|| invalid(saying!("There is no such place in the list.")))?;
    if lacks == Lacks::Said && entries.iter().any(|entry| entry.kind == ItemKind::Folder) {
        contents.look_into_folders(after, &mut entries, choice.as_ref());
    }
    Ok(Paged { entries, next, knows_failures: contents.knows_failures() })
}

/// Waits until somebody is here who has a transfer; nobody, if this device is about to end.
async fn until_heard(
    transfer: TransferId,
    reports: mpsc::Sender<Report>,
    mut events: broadcast::Receiver<Event>,
) -> Vec<Source> {
    loop {
        match events.recv().await {
            // Whatever was missed may have been it.
            Ok(Event::PeerOnline { .. } | Event::PeerChanged { .. }) | Err(RecvError::Lagged(_)) => {}
            Ok(_) => continue,
            Err(RecvError::Closed) => return Vec::new(),
        }
        let (answer, answered) = oneshot::channel();
        let look = move |run: &Run| drop(answer.send(run.node.sources_of(transfer).unwrap_or_default()));
        let _ = reports.send(Report::Read(Box::new(look))).await;
        match answered.await {
            Ok(sources) if sources.is_empty() => {}
            sources => return sources.unwrap_or_default(),
        }
    }
}

fn refuse(answer: To, error: ApiError) {
    // Whoever asked may be gone.
    let _ = answer.send(Err(error));
}

/// As it is written down.
fn chosen(choice: &Choice) -> Chosen {
    Chosen { items: choice.to_bytes(), files: choice.files, bytes: choice.bytes }
}

/// Throws away what was staged where files were to go before somebody chose another folder.
fn discard_left(transfer: TransferId, left: PathBuf) {
    tokio::spawn(async move {
        if let Err(error) = files::discard(transfer, &left).await {
            tracing::warn!(%transfer, %error, "what was staged stays on disk");
        }
    });
}

/// Where the transfer stands that a file belongs to.
#[derive(Clone, Copy)]
struct Standing {
    state: NodeState,
    outgoing: bool,
    /// Outgoing: whoever it is for has what is not known to have failed.
    whole: bool,
    /// Whether it is of one file.
    single: bool,
}

fn shown_file(entry: Entry, of: Standing) -> TransferFile {
    let Standing { state, outgoing, whole, single } = of;
    let Entry { path, size, kind, chosen, whole: is_whole, here, moved, failure, lacks } = entry;
    let folder = kind == ItemKind::Folder;
    let shown = match (kind, state) {
        (ItemKind::Skipped, _) => TransferFileState::Skipped,
        _ if outgoing && failure.is_some() => TransferFileState::Failed,
        (_, NodeState::Failed(_)) if outgoing && single && !folder => TransferFileState::Failed,
        _ if outgoing && whole => TransferFileState::Done,
        _ if outgoing => TransferFileState::Offered,
        _ if here => TransferFileState::Here,
        _ if is_whole => TransferFileState::Done,
        (_, NodeState::Offered | NodeState::Declined | NodeState::Cancelled) => TransferFileState::Offered,
        _ if !chosen => TransferFileState::LeftOut,
        // Folders come with what is in them, and with the transfer if there is nothing.
        (_, NodeState::Done) => TransferFileState::Done,
        (ItemKind::Folder, NodeState::Failed(_)) if !lacks => TransferFileState::Done,
        (_, NodeState::Failed(_)) => TransferFileState::Failed,
        _ if failure.is_some() => TransferFileState::Failed,
        (_, NodeState::Running) if moved > 0 => TransferFileState::Running,
        _ => TransferFileState::Waiting,
    };
    let moved = match shown {
        TransferFileState::Done | TransferFileState::Here if !outgoing => size,
        _ => moved,
    };
    let why = match (failure, state) {
        (Some(failure), _) | (None, NodeState::Failed(failure)) => failure,
        _ => Failure::Corrupt,
    };
    // A folder has failed by what is in it, which says why.
    let sentence = || if outgoing { own_file_sentence(why) } else { failure_sentence(why) };
    let error = (shown == TransferFileState::Failed && !folder)
        .then(|| ApiError::says(failure_code(why), sentence()));
    TransferFile { path, size, folder, state: shown, moved, error }
}

fn unknown(wanted: &str) -> ApiError {
    says!(ErrorCode::NoSuch, "There is no transfer “{wanted}”. See them: lanyard transfers", wanted)
}

fn unlisted(error: &PullError, author: &str) -> ApiError {
    match error {
        PullError::Failed { failure: Failure::Refused, .. } => {
            says!(ErrorCode::Refused, "{author} no longer offers it to you.", author)
        }
        PullError::Failed { reason, .. } => {
            says!(ErrorCode::Invalid, "The list of files cannot be shown: {reason}.", reason)
        }
        _ => says!(
            ErrorCode::Network,
            "The list of files comes from {author}, who cannot be reached right now. ({error})",
            author,
            error
        ),
    }
}

/// Entries on one page.
const MAX_LISTED: u32 = 1000;
/// How long whoever wants a list waits for somebody who has it: after a start all that are here are heard in that time.
const HEARD_WITHIN: Duration = Duration::from_secs(3);
