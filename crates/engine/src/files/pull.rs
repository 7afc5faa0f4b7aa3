//! The receiver's side of a file connection.

use std::io;
use std::path::Path;

use lanyard_proto::model::TransferId;
use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::{Failure, PullEnd};
use lanyard_proto::wire::file::{Frame, MAX_FRAME, MAX_SPANS, Refusal, Span, Want};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::plan::{Plan, PlanError, Planner};
use super::serve::{BLOCKS, GOODBYE, SIGN_OF_LIFE, SILENCE};
use super::staging::{self, PullError, Received, Staging};
use super::stream::{Block, Frames, StreamError};

impl PullError {
    /// What the node is told. `None` if it was stopped: then the node knows already.
    pub fn end(&self) -> Option<PullEnd> {
        match self {
            PullError::Stopped => None,
            PullError::Lost(_) => Some(PullEnd::Lost),
            PullError::Failed { failure, .. } => Some(PullEnd::Failed(*failure)),
        }
    }
}

/// Fetches what `offer` promises, whole, into the folder `into`, which is made if it is missing.
///
/// What an earlier pull of the same transfer into the same folder verified is not fetched again. `progress` is told the
/// verified bytes of the offer, about once a megabyte, mostly from a thread that may block.
///
/// # Errors
/// [`PullError`]. What was verified stays staged, and what was named stays noted, until [`discard`]: pulled again before
/// that, it is where it was.
pub async fn pull<S>(
    stream: S,
    transfer: TransferId,
    offer: &Offer,
    into: &Path,
    progress: impl Fn(u64) + Send + 'static,
    stop: CancellationToken,
) -> Result<Received, PullError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    let mut pull = Pull { frames: Frames::new(reader), writer, stop };
    let received = pull.run(transfer, offer, into, progress).await;
    if let Err(PullError::Stopped) = received {
        // The holder also sees the end of the stream.
        let _ = timeout(GOODBYE, pull.send(&Frame::Cancel)).await;
    }
    let _ = timeout(GOODBYE, pull.writer.shutdown()).await;
    received
}

/// Throws away what was staged for a transfer in this folder. Nothing staged is no error.
///
/// # Errors
/// If it could not be removed.
pub async fn discard(transfer: TransferId, into: &Path) -> io::Result<()> {
    let into = into.to_owned();
    let discarded = tokio::task::spawn_blocking(move || staging::discard(&into, transfer));
    discarded.await.expect("disk work does not panic")
}

/// Told the verified bytes.
type Progress = Box<dyn Fn(u64) + Send>;

struct Pull<S> {
    frames: Frames<ReadHalf<S>>,
    writer: WriteHalf<S>,
    stop: CancellationToken,
}

impl<S> Pull<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    async fn run(
        &mut self,
        transfer: TransferId,
        offer: &Offer,
        into: &Path,
        progress: impl Fn(u64) + Send + 'static,
    ) -> Result<Received, PullError> {
        self.send(&Frame::Get { transfer }).await?;
        let plan = self.manifest(offer).await?;
        let (folder, stop) = (into.to_owned(), self.stop.clone());
        let mut staging = self.alive_while(move || Staging::open(&folder, transfer, plan, &stop)).await?;
        let mut progress: Progress = Box::new(progress);
        progress(staging.moved());
        let spans = staging.wanted();
        for batch in spans.chunks(MAX_SPANS) {
            let want = Want { spans: batch.to_vec(), left: staging.bytes() - staging.moved() };
            self.send(&Frame::Want(want)).await?;
            (staging, progress) = self.files(staging, batch, progress).await?;
        }
        let received = self.alive_while(move || staging.finish()).await?;
        // It is all here; whether the holder still hears of it changes nothing.
        let _ = self.send(&Frame::Done { digest: received.digest }).await;
        Ok(received)
    }

    async fn manifest(&mut self, offer: &Offer) -> Result<Plan, PullError> {
        let mut planner = Planner::new(offer)?;
        let stop = self.stop.clone();
        let pages = async {
            loop {
                match timeout(SILENCE, self.frames.next(MAX_FRAME)).await.map_err(|_| silent())?? {
                    Frame::Manifest { items } => planner.page(items)?,
                    Frame::ManifestEnd => return Ok(planner.finish()?),
                    Frame::Alive | Frame::Unknown => {}
                    Frame::Refused(Refusal::NotOffered) => {
                        return Err(PullError::failed(
                            Failure::Refused,
                            "the holder does not offer this any more",
                        ));
                    }
                    Frame::Refused(Refusal::Busy) => {
                        return Err(PullError::Lost("the holder is busy".to_owned()));
                    }
                    Frame::Cancel => return Err(PullError::Lost("the holder stopped".to_owned())),
                    _ => {
                        return Err(PullError::failed(
                            Failure::Protocol,
                            "the holder sent files before their list",
                        ));
                    }
                }
            }
        };
        stop.run_until_cancelled(pages).await.unwrap_or(Err(PullError::Stopped))
    }

    /// Receives the files of `spans`, verifying and writing on a thread that may block.
    async fn files(
        &mut self,
        staging: Staging,
        spans: &[Span],
        progress: Progress,
    ) -> Result<(Staging, Progress), PullError> {
        let (give_back, mut spares) = mpsc::channel(BLOCKS);
        for _ in 0..BLOCKS - 1 {
            give_back.try_send(Vec::new()).expect("the channel holds all of them");
        }
        let (blocks, arriving) = mpsc::channel(BLOCKS);
        let wanted = spans.iter().map(|span| span.files as usize).sum();
        let sink = Sink { staging, wanted, progress, arriving, give_back };
        let mut sink = tokio::task::spawn_blocking(move || sink.run());
        let stop = self.stop.clone();
        let pump = async {
            loop {
                if let Err(error) =
                    timeout(SILENCE, self.frames.fill(MAX_FRAME)).await.unwrap_or_else(|_| Err(late()))
                {
                    return PullError::from(error);
                }
                let Some(spare) = spares.recv().await else { return std::future::pending().await };
                if blocks.send(self.frames.cut(spare)).await.is_err() {
                    // The thread has ended, and says itself how.
                    return std::future::pending().await;
                }
            }
        };
        let stopped = tokio::select! {
            biased;
            ended = &mut sink => return ended.expect("a sink does not panic"),
            () = stop.cancelled() => PullError::Stopped,
            error = pump => error,
        };
        // The pump is gone, and so are its blocks: the thread writes what it has and ends.
        drop(blocks);
        match sink.await.expect("a sink does not panic") {
            Ok(all) => Ok(all),
            Err(PullError::Lost(_)) => Err(stopped),
            Err(failed) => Err(failed),
        }
    }

    /// Does disk work that may take long, and lets the holder know meanwhile that this side lives.
    async fn alive_while<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> Result<T, PullError> + Send + 'static,
    ) -> Result<T, PullError> {
        let mut work = tokio::task::spawn_blocking(work);
        loop {
            match timeout(SIGN_OF_LIFE, &mut work).await {
                Ok(done) => return done.expect("disk work does not panic"),
                // If the connection is gone, whoever uses it next will say so.
                Err(_) => drop(self.send(&Frame::Alive).await),
            }
        }
    }

    async fn send(&mut self, frame: &Frame<'_>) -> Result<(), PullError> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        let written = async {
            self.writer.write_all(&bytes).await?;
            self.writer.flush().await
        };
        timeout(SILENCE, written)
            .await
            .map_err(|_| silent())?
            .map_err(|error| PullError::Lost(error.to_string()))
    }
}

/// The thread that verifies and writes.
struct Sink {
    staging: Staging,
    /// Files still to come.
    wanted: usize,
    progress: Progress,
    arriving: mpsc::Receiver<Block>,
    give_back: mpsc::Sender<Vec<u8>>,
}

impl Sink {
    fn run(mut self) -> Result<(Staging, Progress), PullError> {
        while self.wanted > 0 {
            let Some(block) = self.arriving.blocking_recv() else { return Err(late_end()) };
            let taken = block.frames().try_for_each(|frame| self.frame(frame.map_err(StreamError::from)?));
            // What was verified is worth keeping even if something behind it was not.
            self.staging.flush()?;
            taken?;
            (self.progress)(self.staging.moved());
            let _ = self.give_back.try_send(block.bytes);
        }
        Ok((self.staging, self.progress))
    }

    fn frame(&mut self, frame: Frame<'_>) -> Result<(), PullError> {
        match frame {
            Frame::Chunk(chunk) => self.staging.chunk(&chunk),
            Frame::FileDone(done) => {
                self.wanted = self.wanted.checked_sub(1).ok_or_else(unwanted)?;
                self.staging.file_done(&done)
            }
            Frame::FileFailed { failure, .. } => {
                Err(PullError::failed(failure, "a file cannot be read at the sender"))
            }
            Frame::Cancel => Err(PullError::Lost("the holder stopped".to_owned())),
            Frame::Alive | Frame::Unknown => Ok(()),
            _ => Err(unwanted()),
        }
    }
}

impl From<PlanError> for PullError {
    fn from(error: PlanError) -> PullError {
        PullError::failed(Failure::Protocol, error)
    }
}

impl From<StreamError> for PullError {
    fn from(error: StreamError) -> PullError {
        match error {
            StreamError::Io(error) => PullError::Lost(error.to_string()),
            StreamError::Decode(error) => PullError::failed(Failure::Protocol, error),
        }
    }
}

fn unwanted() -> PullError {
    PullError::failed(Failure::Protocol, "the holder sent what was not wanted")
}

fn late() -> StreamError {
    StreamError::Io(io::ErrorKind::TimedOut.into())
}

fn late_end() -> PullError {
    PullError::Lost("the stream ended early".to_owned())
}

fn silent() -> PullError {
    PullError::from(late())
}
