//! The holder's side of a connection that is about shared folders: one question after the other.
//!
//! The connection rests as long as an answer took to make, so that whoever asks without end takes half of a thread's time
//! at the most. Whoever hangs up ends the work that was for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lanyard_proto::model::{ShareId, TransferId};
use lanyard_proto::wire::file::Frame;
use lanyard_proto::wire::share::{After, MAX_LISTED, MAX_QUESTION, Share, Shared, Taken, Why};
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::inside::{self, Inside};
use super::lent::{self, Lent};
use super::manifest::Survey;
use super::pages::{KEPT_FOR, Pages};
use super::serve::{SIGN_OF_LIFE, ServeError, send};
use super::stream::{Frames, StreamError};

/// What is decided about shared folders, for one device that asks. Each time anew: what is shared with whom changes.
pub trait Lend: Send + Sync {
    /// Whether it may ask at this moment.
    fn begin(&self) -> impl Future<Output = bool> + Send;

    /// What is shared with it.
    ///
    /// # Errors
    /// Why it is not told.
    fn look(&self) -> impl Future<Output = Result<Vec<Shared>, Why>> + Send;

    /// Where a folder is that is shared with it, and the right to read the disk until the permit is dropped.
    ///
    /// # Errors
    /// Why it may not look.
    fn place(
        &self,
        share: ShareId,
        question: Question,
    ) -> impl Future<Output = Result<(Lent, OwnedSemaphorePermit), Why>> + Send;

    /// Offers it what was found. The offer is durable when this returns.
    ///
    /// # Errors
    /// Why it may not have that.
    fn offer(&self, share: ShareId, found: Survey) -> impl Future<Output = Result<TransferId, Why>> + Send;
}

/// Lends nothing.
impl Lend for () {
    async fn begin(&self) -> bool {
        true
    }

    async fn look(&self) -> Result<Vec<Shared>, Why> {
        Ok(Vec::new())
    }

    async fn place(&self, _: ShareId, _: Question) -> Result<(Lent, OwnedSemaphorePermit), Why> {
        Err(Why::NotShared)
    }

    async fn offer(&self, _: ShareId, _: Survey) -> Result<TransferId, Why> {
        Err(Why::NotShared)
    }
}

/// What somebody wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// What is shared.
    Look,
    /// A page of one folder.
    List,
    /// Everything in what was named, and an offer of it that is kept.
    Take,
}

/// How long a connection may be without a question.
const IDLE: Duration = Duration::from_secs(30);

/// Questions on one connection.
const MAX_QUESTIONS: u32 = 4096;

/// The longest rest behind an answer.
const MAX_REST: Duration = Duration::from_secs(10);

/// Answers questions, beginning with `first`, until there are no more.
pub(super) async fn attend<S, L>(
    first: Share,
    frames: &mut Frames<ReadHalf<S>>,
    writer: &mut WriteHalf<S>,
    lend: &L,
) -> Result<(), ServeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    L: Lend,
{
    if !lend.begin().await {
        return send(writer, &Frame::Share(no(Why::Busy))).await;
    }
    let mut next = Some(first);
    for _ in 0..MAX_QUESTIONS {
        let question = match next.take() {
            Some(question) => question,
            None => match question(frames).await? {
                Some(question) => question,
                None => return Ok(()),
            },
        };
        let begun = Instant::now();
        let answer = made(answer(question, lend), frames, writer).await??;
        send(writer, &Frame::Share(answer)).await?;
        let rested = begun + begun.elapsed().min(MAX_REST) * 2;
        tokio::select! {
            // Whoever has what it wants hangs up, and makes room for others at once.
            filled = frames.fill(MAX_QUESTION) => if ended(filled)? { return Ok(()) },
            () = sleep_until(rested) => {}
        }
        sleep_until(rested).await;
    }
    Ok(())
}

/// The next question; none if there are no more.
async fn question<R: AsyncRead + Unpin>(frames: &mut Frames<R>) -> Result<Option<Share>, ServeError> {
    loop {
        let Ok(filled) = timeout(IDLE, frames.fill(MAX_QUESTION)).await else { return Ok(None) };
        if ended(filled)? {
            return Ok(None);
        }
        match frames.next(MAX_QUESTION).await? {
            Frame::Share(question) => return Ok(Some(question)),
            Frame::Alive | Frame::Unknown => {}
            Frame::Cancel => return Ok(None),
            _ => return Err(ServeError::Protocol),
        }
    }
}

/// Whether the other side hung up.
fn ended(filled: Result<(), StreamError>) -> Result<bool, ServeError> {
    match filled {
        Ok(()) => Ok(false),
        Err(StreamError::Io(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Waits for an answer, says meanwhile that this side lives, and gives up when the other side does not.
async fn made<S, T>(
    answer: impl Future<Output = T> + Send,
    frames: &mut Frames<ReadHalf<S>>,
    writer: &mut WriteHalf<S>,
) -> Result<T, ServeError>
where
    S: AsyncRead + AsyncWrite,
{
    tokio::pin!(answer);
    let mut heard = false;
    loop {
        tokio::select! {
            answer = &mut answer => return Ok(answer),
            filled = frames.fill(MAX_QUESTION), if !heard => {
                filled?;
                heard = true;
            }
            () = sleep(SIGN_OF_LIFE) => send(writer, &Frame::Alive).await?,
        }
    }
}

async fn answer<L: Lend>(question: Share, lend: &L) -> Result<Share, ServeError> {
    Ok(match question {
        Share::Look => lend.look().await.map_or_else(no, Share::Shared),
        Share::List { share, folder, after, limit } => match lend.place(share, Question::List).await {
            Ok((lent, turn)) => list(lent, turn, folder, after, limit).await,
            Err(why) => no(why),
        },
        Share::Take { share, paths } => match lend.place(share, Question::Take).await {
            Ok((lent, turn)) => match survey(lent, turn, paths).await {
                Ok(found) => give(lend, share, found).await,
                Err(answer) => answer,
            },
            Err(why) => no(why),
        },
        Share::Shared(_) | Share::Listing { .. } | Share::Taken(_) | Share::Unshared { .. } => {
            return Err(ServeError::Protocol);
        }
    })
}

async fn list(
    lent: Lent,
    turn: OwnedSemaphorePermit,
    folder: String,
    after: Option<After>,
    limit: u16,
) -> Share {
    let limit = usize::from(limit).clamp(1, MAX_LISTED);
    let pages = lent.pages.clone();
    let listed = on_disk(turn, move |stop| {
        inside::list(&Inside::new(lent.path), &folder, after.as_ref(), limit, &lent.pages, stop)
    });
    let listed = listed.await;
    if pages.is_to_be_swept() {
        tokio::spawn(sweep(pages));
    }
    match listed {
        Ok((entries, more)) => Share::Listing { entries, more },
        Err(why) => no(why),
    }
}

/// Throws away what was read of folders, once nobody has gone on reading it for a while.
async fn sweep(pages: Pages) {
    loop {
        sleep(KEPT_FOR).await;
        if !pages.sweep(std::time::Instant::now()) {
            return;
        }
    }
}

async fn survey(lent: Lent, turn: OwnedSemaphorePermit, paths: Vec<String>) -> Result<Survey, Share> {
    let found = on_disk(turn, move |stop| lent::survey(&lent, &paths, stop)).await;
    found.map_err(|not| Share::Unshared { why: not.why, path: not.path })
}

async fn give<L: Lend>(lend: &L, share: ShareId, found: Survey) -> Share {
    let offer = found.offer.clone();
    match lend.offer(share, found).await {
        Ok(transfer) => Share::Taken(Taken {
            transfer: transfer.0,
            names: offer.names,
            files: offer.files,
            folders: offer.folders,
            bytes: offer.bytes,
            manifest: offer.manifest,
        }),
        Err(why) => no(why),
    }
}

/// Works on a thread that may block, until nobody waits for it any more.
async fn on_disk<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
) -> T {
    let stop = Stop(Arc::default());
    let told = stop.0.clone();
    let work = tokio::task::spawn_blocking(move || {
        let done = work(&told);
        drop(turn);
        done
    });
    work.await.expect("disk work does not panic")
}

/// Ends the work when it is dropped.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn no(why: Why) -> Share {
    Share::Unshared { why, path: None }
}
