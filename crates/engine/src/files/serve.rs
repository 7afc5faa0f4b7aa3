//! The holder's side of a file connection: the author's, or that of anybody who has pieces.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lanyard_proto::model::{PeerId, TransferId};
use lanyard_proto::transfer::{Bitmap, Link};
use lanyard_proto::wire::file::{
    Frame, Item, MAX_FIRST_FRAME, MAX_PAGE, MAX_PEER_ADDRESSES, Refusal, Source as Whereabouts,
};
use lanyard_proto::wire::share::Share;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::attend::{Lend, attend};
use super::holding::Holding;
use super::shelf::Shelf;
use super::source::{BLOCK, Order, Outgoing, Source, SourceEnd};
use super::stream::{Block, Buffers, Frames, StreamError, write_all};

/// How long a device that connected may take to say what it wants.
const FIRST_FRAME: Duration = Duration::from_secs(5);

/// How often ALIVE is sent.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// The same while the disk is read before anything can be said: a receiver that hears nothing for five seconds asks, and leaves
/// after five more.
const BUSY_SIGN: Duration = Duration::from_secs(3);

/// A disk that does not answer for so long does not at all.
const HANGS: Duration = Duration::from_secs(600);

/// How long neither a byte may go nor a frame come: receivers give signs of life, and ask for them.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a goodbye may take.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

/// Blocks that wait to be written. With one being read and one being written, a connection costs 4.3 MB.
const BLOCKS: usize = 2;

/// Orders that wait while a piece is read; a receiver that has more under way does not follow the protocol.
const ORDERS: usize = 64;

/// The longest frame of a receiver: which pieces it has.
const MAX_COMMAND: usize = 1 << 20;

/// How often a receiver is told what is new. It is not told each piece apart.
const NEWS: Duration = Duration::from_millis(20);

/// How often it is said at least how far a receiver is, while bytes move.
const TELL: Duration = Duration::from_millis(500);

/// What came of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// A receiver has everything that it wants.
    Files {
        transfer: TransferId,
        /// Of what the receiver has, see [`lanyard_proto::transfer::PullEnd::Complete`] and
        /// [`lanyard_proto::transfer::Part`]; unknown where this device has not seen all of it.
        digest: Option<[u8; 32]>,
    },
    /// It was about shared folders, and nothing more is asked.
    Questions,
}

/// How far a receiver is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Bytes of the offer that it has, wherever they came from.
    pub has: u64,
    /// Bytes that were written to it since this was last said.
    pub sent: u64,
}

/// Whether a device may have what it asked for. Who is in a room is not the shelf's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    MayFetch,
    MayNot,
    /// Not now: too much is being fetched.
    Busy,
    /// It may, but not now: a person paused it here.
    Later,
}

/// Why a receiver does not have everything, as far as this connection goes.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The caller stopped it.
    #[error("stopped")]
    Stopped,
    /// The receiver stopped it.
    #[error("the receiver stopped")]
    Cancelled,
    #[error("the connection was lost: {0}")]
    Lost(io::Error),
    /// A person paused here what it asked for.
    #[error("paused")]
    Paused,
    /// It asked for something that is not offered to it.
    #[error("not offered to this device")]
    NotOffered,
    /// Others are served.
    #[error("too much is being sent")]
    Busy,
    /// What it sent makes no sense.
    #[error("what the receiver sent makes no sense")]
    Protocol,
    /// The offer cannot be read from the profile.
    #[error("the offer cannot be read: {0}")]
    Shelf(io::Error),
}

/// Serves one connection of `receiver`, whose key was proven, until it has what it wants.
///
/// `asked` is told what the receiver wants, and says whether it may have it, before it gets any of it. Where it asks for
/// shared folders, `lend` decides.
/// `progress` is told how far the receiver is; from a task, about once a megabyte, and every [`TELL`] where that takes longer.
///
/// # Errors
/// [`ServeError`]; none of them says anything about other connections.
pub async fn serve<S, A, L>(
    stream: S,
    receiver: Receiver,
    shelf: Shelf,
    asked: impl FnOnce(TransferId) -> A + Send,
    lend: L,
    mut progress: impl FnMut(TransferId, Given) + Send,
    stop: CancellationToken,
) -> Result<Served, ServeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Future<Output = Verdict> + Send,
    L: Lend,
{
    let (reader, mut writer) = tokio::io::split(stream);
    let mut frames = Frames::new(reader);
    let served = async {
        let (transfer, listed) = match wanted(&mut frames).await? {
            Wanted::Files { transfer, listed } => (transfer, listed),
            Wanted::Answer(first) => {
                attend(first, &mut frames, &mut writer, &lend).await?;
                return Ok(Served::Questions);
            }
        };
        let verdict = asked(transfer).await;
        if verdict == Verdict::Later {
            send(&mut writer, &Frame::Paused).await?;
            return Err(ServeError::Paused);
        }
        if verdict == Verdict::Busy {
            let opened = while_alive(&mut writer, shelf.holding(transfer, receiver.peer)).await?;
            let holding = opened.map_err(ServeError::Shelf)?;
            if let Some(holding) = holding.filter(|holding| holding.is_own()) {
                send(&mut writer, &Frame::Peers(holding.turn_away(receiver.whereabouts()))).await?;
            }
            send(&mut writer, &Frame::Refused(Refusal::Busy)).await?;
            return Err(ServeError::Busy);
        }
        let opened = while_alive(&mut writer, shelf.holding(transfer, receiver.peer)).await?;
        let holding = opened.map_err(ServeError::Shelf)?;
        let Some(holding) = holding.filter(|_| verdict == Verdict::MayFetch) else {
            send(&mut writer, &Frame::Refused(Refusal::NotOffered)).await?;
            return Err(ServeError::NotOffered);
        };
        if !listed {
            send_manifest(&mut writer, &holding.list.bytes).await?;
        }
        let given = |given| progress(transfer, given);
        let digest = give(&mut frames, &mut writer, &holding, receiver, given).await;
        shelf.note_failures(&holding);
        Ok(Served::Files { transfer, digest: digest? })
    };
    let served = tokio::select! {
        biased;
        () = stop.cancelled() => Err(ServeError::Stopped),
        served = served => served,
    };
    // Whatever a goodbye meets, the connection is over.
    let _ = timeout(GOODBYE, writer.shutdown()).await;
    served
}

/// Who connected, and where it can be dialled.
#[derive(Clone, Debug)]
pub struct Receiver {
    pub peer: PeerId,
    /// Told to others who fetch the same, so that they can get from it what it has; the first [`MAX_PEER_ADDRESSES`] are.
    pub addresses: Vec<SocketAddr>,
}

impl Receiver {
    fn whereabouts(self) -> Whereabouts {
        let Receiver { peer, mut addresses } = self;
        addresses.truncate(MAX_PEER_ADDRESSES);
        Whereabouts { peer, addresses }
    }
}

/// Tells a device that connected for files to come back later.
///
/// # Errors
/// [`ServeError`], if it could not be told.
pub async fn turn_away<S>(stream: S) -> Result<(), ServeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (reader, mut writer) = tokio::io::split(stream);
    // Closing over an unread frame could take the answer away again.
    wanted(&mut Frames::new(reader)).await?;
    send(&mut writer, &Frame::Refused(Refusal::Busy)).await?;
    let _ = timeout(GOODBYE, writer.shutdown()).await;
    Ok(())
}

/// What a device connected for.
enum Wanted {
    Files { transfer: TransferId, listed: bool },
    Answer(Share),
}

async fn wanted<R: AsyncRead + Unpin>(frames: &mut Frames<R>) -> Result<Wanted, ServeError> {
    match timeout(FIRST_FRAME, frames.next(MAX_FIRST_FRAME)).await.map_err(|_| silent())?? {
        Frame::Get { transfer, listed } => Ok(Wanted::Files { transfer, listed }),
        Frame::Share(question) => Ok(Wanted::Answer(question)),
        _ => Err(ServeError::Protocol),
    }
}

async fn send_manifest<S>(writer: &mut WriteHalf<S>, mut items: &[u8]) -> Result<(), ServeError>
where
    S: AsyncRead + AsyncWrite,
{
    while !items.is_empty() {
        let mut end = 0;
        while let Ok((_, length)) = Item::decode(&items[end..])
            && end + length <= MAX_PAGE
        {
            end += length;
        }
        if end == 0 {
            return Err(ServeError::Shelf(io::ErrorKind::InvalidData.into()));
        }
        send(writer, &Frame::Manifest { items: &items[..end] }).await?;
        items = &items[end..];
    }
    send(writer, &Frame::ManifestEnd).await
}

/// Lets the receiver know that this side lives while it looks at many files, or at a slow disk.
async fn while_alive<S: AsyncWrite, T>(
    writer: &mut WriteHalf<S>,
    work: impl Future<Output = T>,
) -> Result<T, ServeError> {
    tokio::pin!(work);
    let hangs = Instant::now() + HANGS;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = sleep_until(hangs) => return Err(silent()),
            () = sleep(BUSY_SIGN) => send(writer, &Frame::Alive).await?,
        }
    }
}

/// Gives pieces until the receiver says that it has all it wants; gives the digest of that, if all of it was hashed here.
async fn give<S>(
    frames: &mut Frames<ReadHalf<S>>,
    writer: &mut WriteHalf<S>,
    holding: &Arc<Holding>,
    receiver: Receiver,
    progress: impl FnMut(Given),
) -> Result<Option<[u8; 32]>, ServeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if holding.is_own() {
        let looking = holding.clone();
        let looked = tokio::task::spawn_blocking(move || looking.reconsider());
        while_alive(writer, looked).await?.expect("looking at files does not panic");
    }
    let link = holding.join(receiver.whereabouts());
    let mut taker = Taker { holding: holding.clone(), link, all: false };
    let (orders, wanted) = mpsc::channel(ORDERS);
    let (ready, blocks) = mpsc::channel(BLOCKS);
    let buffers = Buffers::new(BLOCK);
    let source = Source::new(holding.clone(), taker.link, buffers.clone(), ready);
    let source = tokio::task::spawn_blocking(move || source.run(wanted));
    let has = Bitmap::new(holding.layout.pieces());
    let got = Vec::new();
    let mut giving = Giving {
        holding,
        orders,
        blocks,
        buffers,
        writing: None,
        has,
        got,
        given: Given::default(),
        told: Instant::now(),
        asked: false,
        progress,
        digest: None,
    };
    match giving.run(frames, writer).await? {
        Over::Done => {
            taker.all = giving.has.is_full();
            let digest = giving.digest;
            drop(giving);
            // Its hold on the offer ends with it: whoever opens the offer next is to find what was hashed here. A disk that hangs
            // holds up nobody.
            let _ = timeout(GOODBYE, source).await;
            Ok(digest)
        }
        Over::SourceEnded => Err(match source.await.expect("a source does not panic") {
            Err(SourceEnd::Nonsense) => ServeError::Protocol,
            Ok(()) | Err(SourceEnd::Gone) => silent(),
        }),
    }
}

/// A place among those who fetch, until it is dropped.
struct Taker {
    holding: Arc<Holding>,
    link: Link,
    /// It has everything.
    all: bool,
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.holding.leave(self.link, self.all);
    }
}

/// What moves between the stream and the thread that reads.
struct Giving<'a, P> {
    holding: &'a Holding,
    orders: mpsc::Sender<Order>,
    blocks: mpsc::Receiver<Outgoing>,
    buffers: Buffers,
    /// What is being written.
    writing: Option<Outgoing>,
    /// What the receiver has or was sent.
    has: Bitmap,
    /// What it said to have got, and the thread was not told yet.
    got: Vec<u32>,
    given: Given,
    /// When it was last said how far the receiver is.
    told: Instant,
    /// It waits for a sign of life.
    asked: bool,
    progress: P,
    /// Of what the receiver has in the end.
    digest: Option<[u8; 32]>,
}

enum Over {
    Done,
    SourceEnded,
}

impl<P: FnMut(Given)> Giving<'_, P> {
    async fn run<S>(
        &mut self,
        frames: &mut Frames<ReadHalf<S>>,
        writer: &mut WriteHalf<S>,
    ) -> Result<Over, ServeError>
    where
        S: AsyncRead + AsyncWrite,
    {
        let mut changes = self.holding.changes();
        let mut next_news = Instant::now();
        let mut stale = false;
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            if self.asked && self.writing.is_none() {
                self.asked = false;
                let mut bytes = Vec::new();
                Frame::Alive.encode(&mut bytes);
                let block = Block { start: 0, end: bytes.len(), bytes };
                self.writing = Some(Outgoing { block, piece: None });
            }
            tokio::select! {
                biased;
                frame = frames.next(MAX_COMMAND) => {
                    deadline = Instant::now() + PATIENCE;
                    if self.command(frame?)? {
                        return Ok(Over::Done);
                    }
                }
                outgoing = self.blocks.recv(), if self.writing.is_none() => {
                    let Some(outgoing) = outgoing else { return Ok(Over::SourceEnded) };
                    self.writing = Some(outgoing);
                }
                written = write_some(writer, &self.writing), if self.writing.is_some() => {
                    self.written(written?);
                    deadline = Instant::now() + PATIENCE;
                }
                _ = changes.changed(), if !stale => stale = true,
                () = sleep_until(next_news), if stale || !self.got.is_empty() => {
                    next_news = Instant::now() + NEWS;
                    self.tell_source(&mut stale);
                }
                () = sleep_until(deadline) => return Err(silent()),
            }
        }
    }

    /// So much more of the block is on its way; nothing: all of it is.
    fn written(&mut self, more: usize) {
        let Some(writing) = &mut self.writing else { return };
        writing.block.start += more;
        self.given.sent += more as u64;
        if more > 0 {
            if self.told.elapsed() >= TELL {
                self.tell();
            }
            return;
        }
        let Some(Outgoing { block, piece }) = self.writing.take() else { return };
        self.buffers.give_back(block.bytes);
        if let Some(piece) = piece {
            self.has(piece);
            self.tell();
        }
    }

    /// Half of the queue is for what the receiver wants; what does not fit in the other half waits for the next time.
    fn tell_source(&mut self, stale: &mut bool) {
        if self.orders.capacity() <= ORDERS / 2 {
            return;
        }
        if *stale && self.orders.try_send(Order::Look).is_ok() {
            *stale = false;
        }
        if self.got.is_empty() {
            return;
        }
        let Ok(room) = self.orders.try_reserve() else { return };
        room.send(Order::Got(std::mem::take(&mut self.got)));
        self.tell();
    }

    /// Takes what a receiver says after its GET. Whether it has all that it wants.
    fn command(&mut self, frame: Frame<'_>) -> Result<bool, ServeError> {
        match frame {
            Frame::Want(want) => {
                self.orders.try_send(Order::Want(want)).map_err(|_| ServeError::Protocol)?;
            }
            Frame::Have { bits } => {
                let has =
                    Bitmap::from_bytes(bits, self.holding.layout.pieces()).ok_or(ServeError::Protocol)?;
                has.iter().for_each(|piece| self.has(piece));
                self.tell();
                self.orders.try_send(Order::Has(has)).map_err(|_| ServeError::Protocol)?;
            }
            Frame::Got { pieces } => {
                for piece in pieces {
                    if !self.has.has(piece) && piece < self.has.length() {
                        self.has(piece);
                        self.got.push(piece);
                    }
                }
            }
            // What it claims to have does not say what was sent; its signed receipt is held against that.
            Frame::Done { files: None, .. } => {
                self.digest = self.holding.digest();
                return Ok(true);
            }
            Frame::Done { files: Some(bits), .. } => {
                let files =
                    Bitmap::from_bytes(bits, self.holding.layout.files()).ok_or(ServeError::Protocol)?;
                self.digest = self.holding.part_digest(&files);
                return Ok(true);
            }
            Frame::Cancel => return Err(ServeError::Cancelled),
            Frame::Alive => self.asked = true,
            Frame::Unknown => {}
            _ => return Err(ServeError::Protocol),
        }
        Ok(false)
    }

    fn has(&mut self, piece: u32) {
        if self.has.insert(piece) {
            self.given.has += u64::from(self.holding.layout.length(piece));
        }
    }

    fn tell(&mut self) {
        (self.progress)(self.given);
        (self.given.sent, self.told) = (0, Instant::now());
    }
}

pub(super) async fn send<S: AsyncWrite>(
    writer: &mut WriteHalf<S>,
    frame: &Frame<'_>,
) -> Result<(), ServeError> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    write_all(writer, &bytes).await.map_err(ServeError::Lost)
}

/// Writes what can be written of a block at this moment. If it is given up before it ends, nothing was written.
async fn write_some<S: AsyncWrite>(
    writer: &mut WriteHalf<S>,
    writing: &Option<Outgoing>,
) -> Result<usize, ServeError> {
    let Some(Outgoing { block: Block { bytes, start, end }, .. }) = writing else { return Ok(0) };
    if start == end {
        writer.flush().await.map_err(ServeError::Lost)?;
        return Ok(0);
    }
    match writer.write(&bytes[*start..*end]).await {
        Ok(0) => Err(ServeError::Lost(io::ErrorKind::WriteZero.into())),
        written => written.map_err(ServeError::Lost),
    }
}

fn silent() -> ServeError {
    ServeError::Lost(io::ErrorKind::TimedOut.into())
}

impl From<StreamError> for ServeError {
    fn from(error: StreamError) -> ServeError {
        match error {
            StreamError::Io(error) => ServeError::Lost(error),
            StreamError::Decode(_) => ServeError::Protocol,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_looks_at_a_slow_disk_is_known_to_live() {
        let (holder, receiver) = duplex(1 << 16);
        let (reader, mut writer) = tokio::io::split(holder);
        while_alive(&mut writer, sleep(BUSY_SIGN * 3 + Duration::from_secs(1))).await.unwrap();
        drop((reader, writer));
        let mut frames = Frames::new(receiver);
        for _ in 0..3 {
            assert!(matches!(frames.next(MAX_FIRST_FRAME).await, Ok(Frame::Alive)));
        }
        assert!(frames.next(MAX_FIRST_FRAME).await.is_err(), "nothing more was said");
    }
}
