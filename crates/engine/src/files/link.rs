//! A connection to one holder: what arrives is sorted into news and pieces, what is to be said waits in a short queue.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lanyard_proto::detour::Way;
use lanyard_proto::model::{PeerId, TransferId};
use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::{Bitmap, Failure, Link, PAGE_LEAVES, Role};
use lanyard_proto::wire::file::{Frame, Leaves, MAX_FRAME, MAX_MANIFEST, Refusal, Source};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::holding::Holding;
use super::plan::{Plan, PlanError, Planner};
use super::serve::{GOODBYE, SIGN_OF_LIFE};
use super::sink::Arrived;
use super::staging::PullError;
use super::stream::{Block, Buffers, Frames, StreamError, write_all};
use crate::saying;
use crate::saying::{Filling, Saying, Says};

/// Frames that wait to be written. They are short; a holder that does not read them is dropped.
const OUTGOING: usize = 256;

/// How to reach devices: over TLS, which proves who they are.
pub trait Dial: Clone + Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Connects to exactly this device, at any of these addresses.
    fn dial(&self, to: Source) -> impl Future<Output = io::Result<Dialled<Self::Stream>>> + Send;
}

/// A connection to a device whose key was proven.
#[derive(Debug)]
pub struct Dialled<S> {
    pub stream: S,
    /// Whether it is on a network that this device is on.
    pub near: bool,
    pub way: Way,
}

/// What a pull tells while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Verified bytes of the offer.
    Moved(u64),
    /// Bytes go through this device from now on; or through none any more.
    Through(Option<PeerId>),
    /// So much in the list is skipped, and not sent.
    Skips(u64),
}

/// What a holder has to say.
#[derive(Debug)]
pub(super) enum News {
    Have(Bitmap),
    Got(Vec<u32>),
    FileFailed(u32, Failure),
    Spread,
    Peers(Vec<Source>),
    /// The author signed or sent leaves: more can be checked.
    Leaves,
    Closed(Closed),
}

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Closed {
    Lost(Filling),
    /// The holder does not serve this.
    Refused,
    /// The holder serves this later.
    Paused,
    /// What it sent makes no sense.
    Nonsense(Filling),
}

/// How long a holder may be silent until it is asked for a sign of life, and again until it is left. What a system does with a
/// connection whose other end is gone without a word takes minutes.
const QUIET: Duration = Duration::from_secs(5);

/// Both halves of a connection on which something was asked for.
pub(super) struct Open<S> {
    pub frames: Frames<ReadHalf<S>>,
    pub writer: WriteHalf<S>,
    /// Whoever else has it, in the words of a holder that is too busy.
    pub others: Vec<Source>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Open<S> {
    /// Asks for an offer; `listed` says whether its manifest is known.
    pub async fn ask(stream: S, transfer: TransferId, listed: bool) -> Result<Open<S>, PullError> {
        let (reader, writer) = tokio::io::split(stream);
        let mut open = Open { frames: Frames::new(reader), writer, others: Vec::new() };
        open.send(&Frame::Get { transfer, listed }).await?;
        Ok(open)
    }

    /// Reads the manifest of an offer: what it comes to here if `chosen` is wanted, and its bytes.
    pub async fn manifest(
        &mut self,
        offer: &Offer,
        chosen: Option<&Bitmap>,
    ) -> Result<(Plan, Vec<u8>), PullError> {
        let mut planner = Planner::new(offer, chosen)?;
        let mut list = Vec::new();
        let taken = self.pages(MAX_MANIFEST, |items| {
            planner.page(items)?;
            list.extend_from_slice(items);
            Ok(())
        });
        taken.await?;
        Ok((planner.finish()?, list))
    }

    /// Reads the pages of a manifest, of so many bytes at the most.
    pub async fn pages(
        &mut self,
        most: usize,
        mut page: impl FnMut(&[u8]) -> Result<(), PullError>,
    ) -> Result<(), PullError> {
        let mut length = 0;
        loop {
            match self.frames.next(MAX_FRAME).await? {
                Frame::Manifest { items } => {
                    length += items.len();
                    if length > most {
                        let sentence = saying!(
                            "the list of files is too long to be looked into before all are accepted"
                        );
                        return Err(PullError::failed(Failure::Protocol, sentence));
                    }
                    page(items)?;
                }
                Frame::ManifestEnd => return Ok(()),
                Frame::Peers(others) => self.others = others,
                Frame::Alive | Frame::Unknown => {}
                Frame::Refused(Refusal::NotOffered) => return Err(refused()),
                Frame::Refused(Refusal::Busy) => {
                    return Err(PullError::lost(busy()));
                }
                Frame::Paused => return Err(PullError::Held),
                Frame::Cancel => return Err(PullError::lost(stopped())),
                _ => return Err(nonsense(saying!("files before their list"))),
            }
        }
    }

    /// Does disk work that may take long, and lets the holder know meanwhile that this side lives.
    pub async fn alive_while<T: Send + 'static>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let mut work = tokio::task::spawn_blocking(work);
        loop {
            match timeout(SIGN_OF_LIFE, &mut work).await {
                Ok(done) => return done.expect("disk work does not panic"),
                // If the connection is gone, whoever uses it next will say so.
                Err(_) => drop(self.send(&Frame::Alive).await),
            }
        }
    }

    pub async fn goodbye(mut self, frame: &Frame<'_>) {
        let _ = timeout(GOODBYE, self.send(frame)).await;
        let _ = timeout(GOODBYE, self.writer.shutdown()).await;
    }

    async fn send(&mut self, frame: &Frame<'_>) -> Result<(), PullError> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        write_all(&mut self.writer, &bytes).await.map_err(PullError::lost)
    }
}

/// A connection that pieces come from.
pub(super) struct Holder {
    pub peer: PeerId,
    pub role: Role,
    pub way: Way,
    outgoing: mpsc::Sender<Vec<u8>>,
    reading: JoinHandle<()>,
    /// Bytes that came from it.
    heard: Arc<AtomicU64>,
}

/// What connections share.
pub(super) struct Hub {
    pub holding: Arc<Holding>,
    pub news: mpsc::Sender<(Link, News)>,
    pub pieces: mpsc::Sender<Arrived>,
    pub buffers: Buffers,
}

impl Holder {
    /// Starts the tasks that read and write. `writers` has the one that writes: it says goodbye when this is dropped.
    pub fn start<S>(
        open: Open<S>,
        link: Link,
        (peer, role, way): (PeerId, Role, Way),
        hub: &Hub,
        writers: &mut JoinSet<()>,
    ) -> Holder
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (outgoing, queued) = mpsc::channel(OUTGOING);
        let Open { frames, writer, .. } = open;
        writers.spawn(write_queued(writer, queued));
        let heard = Arc::new(AtomicU64::new(0));
        let reader = Reader {
            link,
            outgoing: outgoing.clone(),
            heard: heard.clone(),
            role,
            holding: hub.holding.clone(),
            news: hub.news.clone(),
            pieces: hub.pieces.clone(),
            buffers: hub.buffers.clone(),
        };
        let reading = tokio::spawn(reader.run(frames));
        Holder { peer, role, way, outgoing, reading, heard }
    }

    /// Bytes that came from it so far.
    pub fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Takes nothing more of what arrives.
    pub fn stop_reading(&self) {
        self.reading.abort();
    }

    /// Queues a frame. Whether there was room: a holder that does not read is as good as gone.
    pub fn say(&self, frame: &Frame<'_>) -> bool {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.outgoing.try_send(bytes).is_ok()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

struct Reader {
    link: Link,
    outgoing: mpsc::Sender<Vec<u8>>,
    heard: Arc<AtomicU64>,
    role: Role,
    holding: Arc<Holding>,
    news: mpsc::Sender<(Link, News)>,
    pieces: mpsc::Sender<Arrived>,
    buffers: Buffers,
}

impl Reader {
    async fn run<S: AsyncRead>(self, frames: Frames<ReadHalf<S>>) {
        let mut frames = frames.counted_by(self.heard.clone());
        let (mut heard, mut asked) = (0, false);
        let closed = loop {
            let Ok(filled) = timeout(QUIET, frames.fill(MAX_FRAME)).await else {
                let before = std::mem::replace(&mut heard, self.heard.load(Ordering::Relaxed));
                let silent = heard == before;
                if silent && asked {
                    break Closed::Lost(saying!("it has gone silent").into());
                }
                asked = silent;
                if silent {
                    let mut alive = Vec::new();
                    Frame::Alive.encode(&mut alive);
                    // Where there is no room, enough waits to be answered.
                    let _ = self.outgoing.try_send(alive);
                }
                continue;
            };
            (heard, asked) = (self.heard.load(Ordering::Relaxed), false);
            match filled {
                Err(StreamError::Io(error)) => break Closed::Lost(error.filling()),
                Err(StreamError::Decode(error)) => break Closed::Nonsense(error.filling()),
                Ok(()) => {}
            }
            let block = frames.cut(self.buffers.take());
            match self.sort(&block).await {
                Err(closed) => break closed,
                Ok(false) => self.buffers.give_back(block.bytes),
                Ok(true) => {
                    let arrived = Arrived { link: self.link, author: self.role == Role::Author, block };
                    if self.pieces.send(arrived).await.is_err() {
                        return;
                    }
                }
            }
        };
        let _ = self.news.send((self.link, News::Closed(closed))).await;
    }

    /// Takes everything but pieces out of a block. Whether there are any.
    async fn sort(&self, block: &Block) -> Result<bool, Closed> {
        let mut pieces = false;
        for frame in block.frames() {
            let news = match frame.map_err(|error| Closed::Nonsense(error.filling()))? {
                Frame::Piece(_) => {
                    pieces = true;
                    continue;
                }
                Frame::Leaves(leaves) => {
                    self.learn(&leaves)?;
                    News::Leaves
                }
                Frame::Have { bits } => {
                    let pieces = self.holding.layout.pieces();
                    News::Have(Bitmap::from_bytes(bits, pieces).ok_or_else(|| made_up(saying!("pieces")))?)
                }
                Frame::Got { pieces } => News::Got(pieces),
                Frame::FileFailed { file, failure } => News::FileFailed(file, failure),
                Frame::Spread => News::Spread,
                Frame::Peers(peers) => News::Peers(peers),
                Frame::Alive | Frame::Unknown => continue,
                Frame::Paused => return Err(Closed::Paused),
                Frame::Cancel => return Err(Closed::Lost(stopped().into())),
                Frame::Refused(Refusal::Busy) => return Err(Closed::Lost(busy().into())),
                Frame::Refused(Refusal::NotOffered) => return Err(Closed::Refused),
                _ => return Err(made_up(saying!("something that was not wanted"))),
            };
            // Pieces of this block are read only after what came before them was learned.
            if self.news.send((self.link, news)).await.is_err() {
                return Ok(pieces);
            }
        }
        Ok(pieces)
    }

    /// The author's word is enough while it is connected; from anybody else its signature is.
    fn learn(&self, said: &Leaves<'_>) -> Result<(), Closed> {
        let Holding { layout, author, manifest, .. } = &*self.holding;
        let mut held = self.holding.lock();
        let Some(signature) = &said.signature else {
            if self.role != Role::Author {
                return Err(made_up(saying!("what it cannot prove")));
            }
            for (leaf, value) in (said.first..).zip(said.leaves.as_chunks::<32>().0) {
                held.leaves.learn(leaf, *value);
            }
            return Ok(());
        };
        let page = said.first / PAGE_LEAVES;
        let known = held.leaves.learn_signed(layout, *author, manifest, page, said.leaves, signature);
        match known {
            // What the author signs can be newer than what it said; then nobody else needs it yet.
            None if self.role != Role::Author => Err(made_up(saying!("what it cannot prove"))),
            _ => Ok(()),
        }
    }
}

async fn write_queued<S: AsyncWrite>(mut writer: WriteHalf<S>, mut queued: mpsc::Receiver<Vec<u8>>) {
    let mut alive = Vec::new();
    Frame::Alive.encode(&mut alive);
    loop {
        let bytes = match timeout(SIGN_OF_LIFE, queued.recv()).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => break,
            Err(_) => alive.clone(),
        };
        // The reading side sees that it is gone.
        if write_all(&mut writer, &bytes).await.is_err() {
            return;
        }
    }
    let _ = timeout(GOODBYE, writer.shutdown()).await;
}

impl From<PlanError> for PullError {
    fn from(error: PlanError) -> PullError {
        PullError::failed(Failure::Protocol, error.0)
    }
}

impl From<StreamError> for PullError {
    fn from(error: StreamError) -> PullError {
        match error {
            StreamError::Io(error) => PullError::lost(error),
            StreamError::Decode(error) => PullError::failed(Failure::Protocol, error),
        }
    }
}

pub(super) fn refused() -> PullError {
    PullError::failed(Failure::Refused, saying!("the holder does not offer this any more"))
}

pub(super) fn nonsense(what: impl Says) -> PullError {
    PullError::failed(Failure::Protocol, saying!("the holder sent {what}", what))
}

fn made_up(what: Saying) -> Closed {
    Closed::Nonsense(what.into())
}

fn busy() -> Saying {
    saying!("the holder is busy")
}

fn stopped() -> Saying {
    saying!("the holder stopped")
}
