//! The holder's side of a file connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lanyard_proto::model::{PeerId, TransferId};
use lanyard_proto::wire::file::{Chunk, Frame, Item, MAX_FIRST_FRAME, MAX_PAGE, Refusal, Want};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::shelf::{Offered, Shelf};
use super::source::{Source, SourceEnd};
use super::stream::{Block, Frames, StreamError};

/// How long a device that connected may take to say what it wants.
const FIRST_FRAME: Duration = Duration::from_secs(5);

/// How long a connection may be without any bytes before it is lost. Both sides send ALIVE while they are busy.
pub(super) const SILENCE: Duration = Duration::from_secs(60);

/// How often ALIVE is sent.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// How long a goodbye may take.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

/// Buffers of a stream: one being read or hashed, one being sent, and two between for evenness. 4.5 MB.
pub(super) const BLOCKS: usize = 4;

/// WANTs that may wait; a receiver sends the next one after the last was served.
const WANTS: usize = 4;

/// The longest frame of a receiver: a WANT of as many spans as it may have.
const MAX_COMMAND: usize = 64 * 1024;

/// A receiver has everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    pub transfer: TransferId,
    /// What was sent, see [`lanyard_proto::transfer::PullEnd::Complete`]; unknown where this connection brought only some
    /// of the files.
    pub digest: Option<[u8; 32]>,
}

/// Whether a device may have what it asked for. Who is in a room is not the shelf's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    MayFetch,
    MayNot,
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
    /// It asked for something that is not offered to it.
    #[error("not offered to this device")]
    NotOffered,
    /// What it sent makes no sense.
    #[error("what the receiver sent makes no sense")]
    Protocol,
    /// The offer cannot be read from the profile.
    #[error("the offer cannot be read: {0}")]
    Shelf(io::Error),
}

/// Serves one connection of a device whose key was proven, until it has what it wants.
///
/// `asked` is told what the receiver wants, and says whether it may have it, before it gets any of it.
/// `progress` is told the bytes of the offer that the receiver has, counting what earlier connections brought;
/// from a task, about once a megabyte.
///
/// # Errors
/// [`ServeError`]; none of them says anything about other connections.
pub async fn serve<S, A>(
    stream: S,
    peer: PeerId,
    shelf: Shelf,
    asked: impl FnOnce(TransferId) -> A + Send,
    mut progress: impl FnMut(TransferId, u64) + Send,
    stop: CancellationToken,
) -> Result<Served, ServeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Future<Output = Verdict> + Send,
{
    let (reader, mut writer) = tokio::io::split(stream);
    let mut frames = Frames::new(reader);
    let served = async {
        let transfer = wanted(&mut frames).await?;
        let verdict = asked(transfer).await;
        let offered = shelf.load(transfer).await.map_err(ServeError::Shelf)?;
        let may_have = |offered: &Offered| verdict == Verdict::MayFetch && offered.is_for(peer);
        let Some(offered) = offered.filter(may_have) else {
            send(&mut writer, &Frame::Refused(Refusal::NotOffered)).await?;
            return Err(ServeError::NotOffered);
        };
        let offered = Arc::new(offered);
        send_manifest(&mut writer, &offered.manifest).await?;
        let digest = send_files(&mut frames, &mut writer, offered, |moved| progress(transfer, moved)).await?;
        Ok(Served { transfer, digest })
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

async fn wanted<R: AsyncRead + Unpin>(frames: &mut Frames<R>) -> Result<TransferId, ServeError> {
    match timeout(FIRST_FRAME, frames.next(MAX_FIRST_FRAME)).await.map_err(|_| silent())?? {
        Frame::Get { transfer } => Ok(transfer),
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

async fn send_files<S>(
    frames: &mut Frames<tokio::io::ReadHalf<S>>,
    writer: &mut WriteHalf<S>,
    offered: Arc<Offered>,
    mut progress: impl FnMut(u64),
) -> Result<Option<[u8; 32]>, ServeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let bytes = offered.bytes;
    let mut moved = 0;
    let (give_back, spares) = mpsc::channel(BLOCKS);
    for _ in 0..BLOCKS {
        give_back.try_send(Vec::new()).expect("the channel holds all of them");
    }
    let (ready, mut blocks) = mpsc::channel(BLOCKS);
    let (wants, wanted) = mpsc::channel(WANTS);
    let source = Source::new(offered, spares, ready);
    let source = tokio::task::spawn_blocking(move || source.run(wanted));
    loop {
        let next = tokio::select! {
            biased;
            frame = frames.next(MAX_COMMAND) => Next::Frame(command(frame?)?),
            block = blocks.recv() => Next::Block(block),
            () = tokio::time::sleep(SILENCE) => return Err(silent()),
        };
        match next {
            Next::Frame(Command::Want(want)) => {
                moved = bytes.saturating_sub(want.left);
                progress(moved);
                wants.try_send(want).map_err(|_| ServeError::Protocol)?;
            }
            Next::Frame(Command::Done) => break,
            Next::Frame(Command::Nothing) => {}
            Next::Block(Some(block)) => {
                write(writer, &block.bytes[block.start..block.end]).await?;
                moved += content(&block);
                progress(moved.min(bytes));
                // The source may have ended; then nobody wants the buffer.
                let _ = give_back.try_send(block.bytes);
            }
            Next::Block(None) => {
                return Err(match source.await.expect("a source does not panic") {
                    Err(SourceEnd::Nonsense) => ServeError::Protocol,
                    Ok(_) | Err(SourceEnd::Gone) => silent(),
                });
            }
        }
    }
    drop((wants, blocks, give_back));
    // A receiver that has all before it was sent had it from elsewhere.
    Ok(source.await.expect("a source does not panic").unwrap_or(None))
}

enum Next {
    Frame(Command),
    Block(Option<Block>),
}

/// What a receiver may say after its GET.
enum Command {
    Want(Want),
    Done,
    Nothing,
}

fn command(frame: Frame<'_>) -> Result<Command, ServeError> {
    match frame {
        Frame::Want(want) => Ok(Command::Want(want)),
        // What it claims to have does not say what was sent; its signed receipt is held against that.
        Frame::Done { .. } => Ok(Command::Done),
        Frame::Cancel => Err(ServeError::Cancelled),
        Frame::Alive | Frame::Unknown => Ok(Command::Nothing),
        _ => Err(ServeError::Protocol),
    }
}

/// Bytes of files in a block of our own.
fn content(block: &Block) -> u64 {
    let sizes = block.frames().map(|frame| match frame {
        Ok(Frame::Chunk(Chunk { data, .. })) => data.size() as u64,
        _ => 0,
    });
    sizes.sum()
}

async fn send<S: AsyncWrite>(writer: &mut WriteHalf<S>, frame: &Frame<'_>) -> Result<(), ServeError> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    write(writer, &bytes).await
}

async fn write<S: AsyncWrite>(writer: &mut WriteHalf<S>, bytes: &[u8]) -> Result<(), ServeError> {
    let written = async {
        writer.write_all(bytes).await?;
        writer.flush().await
    };
    timeout(SILENCE, written).await.map_err(|_| silent())?.map_err(ServeError::Lost)
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
