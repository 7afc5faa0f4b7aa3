//! Frames on sync connections: a big-endian u32 length, then that many bytes, of which the first is the type.
//!
//! One task per connection reads and writes until either side ends it. What a frame means, and the pings that keep a
//! quiet connection open, are the protocol's.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lanyard_proto::model::ConnId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::stream::Secure;
use crate::saying;

/// Bytes of the longest frame, without its length.
pub const MAX_FRAME: usize = 1 << 20;

/// Bytes of the longest first frame: a greeting needs no more.
pub const MAX_FIRST_FRAME: usize = 4 << 10;

/// Bytes that [`SyncWriter::try_send`] lets wait to be written, and as many again for [`SyncWriter::send`], so that bulk
/// never takes the place of what is urgent. A longer frame waits until nothing else of its kind does.
pub const MAX_UNSENT: usize = 512 << 10;

/// Deadlines of a connection in use.
pub const DEADLINES: Deadlines = Deadlines {
    first: Duration::from_secs(5),
    idle: Duration::from_secs(90),
    linger: Duration::from_secs(2),
};

/// Frames that wait to be written. [`MAX_UNSENT`] is the bound that matters; this one stops the smallest frames.
const QUEUE: usize = 4096;

/// Bytes gathered for one write: four TLS records.
const BATCH: usize = 64 << 10;

/// Bytes of the length before each frame.
const PREFIX: usize = 4;

/// How long the other side may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For its whole first frame.
    pub first: Duration,
    /// From one whole frame to the next, and for accepting what is written to it.
    pub idle: Duration,
    /// After we closed, for it to close as well, so that what we wrote last is not torn away.
    pub linger: Duration,
}

/// What happens on a sync connection.
#[derive(Debug, PartialEq, Eq)]
pub enum SyncEvent {
    /// A whole frame, without its length; never empty.
    Frame { conn: ConnId, bytes: Vec<u8> },
    /// The connection is gone. The last event of a connection, and always told.
    Closed { conn: ConnId },
}

/// The writing side of a sync connection. Clones write to the same connection; it is closed when the last is dropped.
#[derive(Clone, Debug)]
pub struct SyncWriter {
    queue: mpsc::Sender<Queued>,
    urgent: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
    closing: CancellationToken,
}

/// The frame does not fit in what may wait: the other side reads too slowly, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much waits to be written to this connection")]
pub struct Full;

/// The connection is gone, or was told to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection is gone")]
pub struct Gone;

#[derive(Debug)]
struct Queued {
    frame: Vec<u8>,
    room: OwnedSemaphorePermit,
}

/// Starts the task that reads frames into `events` and writes those given to the result. While `events` is full the
/// other side is not read from.
pub fn spawn_sync(conn: ConnId, secure: Secure, events: mpsc::Sender<SyncEvent>) -> SyncWriter {
    spawn_sync_within(DEADLINES, conn, secure.stream, events)
}

/// As [`spawn_sync`], with other deadlines, on any bytes.
pub fn spawn_sync_within(
    deadlines: Deadlines,
    conn: ConnId,
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    events: mpsc::Sender<SyncEvent>,
) -> SyncWriter {
    let (queue, queued) = mpsc::channel(QUEUE);
    let closing = CancellationToken::new();
    let room = || Arc::new(Semaphore::new(MAX_UNSENT));
    let writer = SyncWriter { queue, urgent: room(), bulk: room(), closing: closing.clone() };
    tokio::spawn(async move {
        let (reading, writing) = tokio::io::split(stream);
        if let Err(error) = exchange(deadlines, conn, reading, writing, queued, closing, &events).await {
            tracing::debug!(conn = conn.0, %error, "sync connection ended");
        }
        // Fails only if nobody listens any more.
        let _ = events.send(SyncEvent::Closed { conn }).await;
    });
    writer
}

impl SyncWriter {
    /// Queues a frame (type byte and body, 1 to [`MAX_FRAME`] bytes). On a connection that is gone it is lost, like
    /// whatever was under way; [`SyncEvent::Closed`] tells.
    ///
    /// # Errors
    /// [`Full`] when it has to wait, or is longer than any frame may be.
    pub fn try_send(&self, frame: Vec<u8>) -> Result<(), Full> {
        let cost = cost(&frame).ok_or(Full)?;
        let room = Arc::clone(&self.urgent).try_acquire_many_owned(cost).map_err(|_| Full)?;
        match self.queue.try_send(Queued { frame, room }) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Full),
        }
    }

    /// Queues a frame as soon as it fits, for bulk that must not overtake the other side.
    ///
    /// # Errors
    /// [`Gone`] when the connection is, or the frame is longer than any frame may be.
    pub async fn send(&self, frame: Vec<u8>) -> Result<(), Gone> {
        let cost = cost(&frame).ok_or(Gone)?;
        let fits = async {
            let room = Arc::clone(&self.bulk).acquire_many_owned(cost).await.map_err(|_| Gone)?;
            self.queue.send(Queued { frame, room }).await.map_err(|_| Gone)
        };
        tokio::select! {
            queued = fits => queued,
            () = self.queue.closed() => Err(Gone),
        }
    }

    /// Ends the connection after what was queued before. [`SyncEvent::Closed`] follows.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Waits until what was queued as urgent is written, or the connection is gone.
    pub async fn written(&self) {
        // All room is free again only then. It is closed for nobody.
        let _ = self.urgent.acquire_many(u32::try_from(MAX_UNSENT).unwrap_or(u32::MAX)).await;
    }
}

/// What a frame takes of [`MAX_UNSENT`]; `None` if it is no frame. A long one takes all of it.
fn cost(frame: &[u8]) -> Option<u32> {
    if frame.is_empty() || frame.len() > MAX_FRAME {
        return None;
    }
    u32::try_from((frame.len() + PREFIX).min(MAX_UNSENT)).ok()
}

async fn exchange(
    deadlines: Deadlines,
    conn: ConnId,
    reading: impl AsyncRead + Unpin,
    writing: impl AsyncWrite + Unpin,
    queued: mpsc::Receiver<Queued>,
    closing: CancellationToken,
    events: &mpsc::Sender<SyncEvent>,
) -> io::Result<()> {
    let reader = read_frames(deadlines, conn, reading, events);
    let writer = write_frames(deadlines, writing, queued, closing);
    tokio::pin!(reader, writer);
    tokio::select! {
        ended = &mut reader => ended,
        closed = &mut writer => {
            closed?;
            // Closing a socket with unread bytes would tear away what was just written.
            timeout(deadlines.linger, reader).await.unwrap_or(Ok(()))
        }
    }
}

async fn read_frames(
    deadlines: Deadlines,
    conn: ConnId,
    mut stream: impl AsyncRead + Unpin,
    events: &mpsc::Sender<SyncEvent>,
) -> io::Result<()> {
    let mut deadline = Instant::now() + deadlines.first;
    let mut longest = MAX_FIRST_FRAME;
    loop {
        let expired = || io::Error::new(io::ErrorKind::TimedOut, saying!("no whole frame in time"));
        let frame = timeout_at(deadline, read_frame(&mut stream, longest)).await.map_err(|_| expired())??;
        let Some(bytes) = frame else { return Ok(()) };
        if events.send(SyncEvent::Frame { conn, bytes }).await.is_err() {
            return Ok(());
        }
        longest = MAX_FRAME;
        deadline = Instant::now() + deadlines.idle;
    }
}

/// One whole frame, or `None` at a clean end between two frames. Memory grows with what arrives, not with what the
/// length promises.
async fn read_frame(stream: &mut (impl AsyncRead + Unpin), longest: usize) -> io::Result<Option<Vec<u8>>> {
    let mut prefix = [0; PREFIX];
    if stream.read(&mut prefix[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut prefix[1..]).await?;
    let length = u32::from_be_bytes(prefix);
    if length == 0 || usize::try_from(length).is_ok_and(|length| length > longest) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, saying!("a frame of {length} bytes", length)));
    }
    let mut bytes = Vec::new();
    let read = stream.take(length.into()).read_to_end(&mut bytes).await?;
    if u32::try_from(read) != Ok(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(bytes))
}

async fn write_frames(
    deadlines: Deadlines,
    mut stream: impl AsyncWrite + Unpin,
    mut queued: mpsc::Receiver<Queued>,
    closing: CancellationToken,
) -> io::Result<()> {
    let mut batch = Vec::new();
    let mut rooms = Vec::new();
    let expired = || io::Error::new(io::ErrorKind::TimedOut, saying!("the other side does not read"));
    loop {
        let next = tokio::select! {
            biased;
            () = closing.cancelled(), if !queued.is_closed() => {
                queued.close();
                continue;
            }
            next = queued.recv() => next,
        };
        let Some(next) = next else { break };
        gather(next, &mut batch, &mut rooms);
        while batch.len() < BATCH {
            match queued.try_recv() {
                Ok(more) => gather(more, &mut batch, &mut rooms),
                Err(_) => break,
            }
        }
        let written = async {
            stream.write_all(&batch).await?;
            stream.flush().await
        };
        timeout(deadlines.idle, written).await.map_err(|_| expired())??;
        batch.clear();
        batch.shrink_to(BATCH);
        rooms.clear();
    }
    timeout(deadlines.linger, stream.shutdown()).await.map_err(|_| expired())?
}

/// Appends a frame to what is written next. Its room is free again only after that.
fn gather(queued: Queued, batch: &mut Vec<u8>, rooms: &mut Vec<OwnedSemaphorePermit>) {
    let length = u32::try_from(queued.frame.len()).expect("SyncWriter takes no frame above MAX_FRAME");
    batch.extend_from_slice(&length.to_be_bytes());
    batch.extend_from_slice(&queued.frame);
    rooms.push(queued.room);
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{ReadBuf, duplex};

    use super::*;

    const CONN: ConnId = ConnId(7);

    /// So short that a test waits for them, so long that a busy machine keeps them.
    const SHORT: Duration = Duration::from_millis(300);

    /// Never reached unless something hangs.
    const PATIENCE: Duration = Duration::from_secs(20);

    const PATIENT: Deadlines = Deadlines { first: PATIENCE, idle: PATIENCE, linger: PATIENCE };

    fn frame(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i % 251) as u8).collect()
    }

    fn on_the_wire(frame: &[u8]) -> Vec<u8> {
        [&u32::try_from(frame.len()).unwrap().to_be_bytes(), frame].concat()
    }

    async fn next(events: &mut mpsc::Receiver<SyncEvent>) -> SyncEvent {
        timeout(PATIENCE, events.recv()).await.expect("an event in time").expect("the task lives")
    }

    async fn closes(events: &mut mpsc::Receiver<SyncEvent>) {
        assert_eq!(next(events).await, SyncEvent::Closed { conn: CONN });
    }

    async fn gives(events: &mut mpsc::Receiver<SyncEvent>, bytes: Vec<u8>) {
        assert!(next(events).await == SyncEvent::Frame { conn: CONN, bytes });
    }

    #[tokio::test]
    async fn frames_of_every_size_arrive_whole_and_in_order() {
        let (here, there) = duplex(1000);
        let (to_us, mut ours) = mpsc::channel(1);
        let (to_them, mut theirs) = mpsc::channel(1);
        let writer = spawn_sync_within(PATIENT, CONN, here, to_us);
        let other = spawn_sync_within(PATIENT, CONN, there, to_them);
        let lengths = [1, 2, MAX_FIRST_FRAME, BATCH, MAX_FRAME, 3, MAX_FRAME];
        let sending = tokio::spawn(async move {
            for length in lengths {
                writer.send(frame(length)).await.unwrap();
            }
            writer.close();
        });
        for length in lengths {
            gives(&mut theirs, frame(length)).await;
        }
        closes(&mut theirs).await;
        sending.await.unwrap();
        drop(other);
        closes(&mut ours).await;
    }

    #[tokio::test]
    async fn what_was_queued_is_written_once_the_other_side_has_read_enough_or_is_gone() {
        let (here, mut there) = duplex(10);
        let (to_us, _ours) = mpsc::channel(1);
        let writer = spawn_sync_within(PATIENT, CONN, here, to_us);
        writer.try_send(frame(1000)).unwrap();
        writer.close();
        assert!(timeout(SHORT, writer.written()).await.is_err(), "nobody reads");
        let reads = async {
            let mut all = Vec::new();
            there.read_to_end(&mut all).await.unwrap();
            all
        };
        let ((), all) = tokio::join!(writer.written(), reads);
        assert_eq!(all, on_the_wire(&frame(1000)));

        let (here, there) = duplex(10);
        let (to_us, _ours) = mpsc::channel(1);
        let writer = spawn_sync_within(PATIENT, CONN, here, to_us);
        writer.try_send(frame(1000)).unwrap();
        drop(there);
        timeout(PATIENCE, writer.written()).await.expect("nothing is waited for");
    }

    #[tokio::test]
    async fn a_first_frame_longer_than_a_greeting_ends_the_connection() {
        let (here, mut there) = duplex(64 << 10);
        let (to_us, mut ours) = mpsc::channel(1);
        let _writer = spawn_sync_within(PATIENT, CONN, here, to_us);
        there.write_all(&on_the_wire(&frame(MAX_FIRST_FRAME + 1))).await.unwrap();
        closes(&mut ours).await;
    }

    #[tokio::test]
    async fn a_length_that_no_frame_has_ends_the_connection() {
        for length in [0, MAX_FRAME as u32 + 1, u32::MAX] {
            let (here, mut there) = duplex(64 << 10);
            let (to_us, mut ours) = mpsc::channel(1);
            let _writer = spawn_sync_within(PATIENT, CONN, here, to_us);
            there.write_all(&on_the_wire(b"hello")).await.unwrap();
            there.write_all(&length.to_be_bytes()).await.unwrap();
            gives(&mut ours, b"hello".to_vec()).await;
            closes(&mut ours).await;
        }
    }

    /// Remembers the most memory that was offered to it for one read.
    struct Measured<'a> {
        bytes: &'a [u8],
        offered: usize,
    }

    impl AsyncRead for Measured<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.offered = self.offered.max(into.remaining());
            Pin::new(&mut self.bytes).poll_read(cx, into)
        }
    }

    #[tokio::test]
    async fn a_promised_length_takes_no_memory_before_its_bytes_arrive() {
        let mut cut = on_the_wire(&frame(MAX_FRAME));
        cut.truncate(PREFIX + 1000);
        let mut stream = Measured { bytes: &cut, offered: 0 };
        let error = read_frame(&mut stream, MAX_FRAME).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(stream.offered <= 4096, "{}", stream.offered);
    }

    #[tokio::test]
    async fn whoever_says_nothing_at_first_or_stops_in_a_frame_is_closed() {
        let deadlines = Deadlines { first: SHORT, idle: SHORT, linger: SHORT };
        for said in [Vec::new(), vec![0], on_the_wire(b"hello")[..6].to_vec()] {
            let (here, mut there) = duplex(64);
            let (to_us, mut ours) = mpsc::channel(1);
            let _writer = spawn_sync_within(deadlines, CONN, here, to_us);
            there.write_all(&said).await.unwrap();
            closes(&mut ours).await;
        }
    }

    #[tokio::test]
    async fn a_connection_that_falls_silent_is_closed() {
        let deadlines = Deadlines { first: PATIENCE, idle: SHORT, linger: SHORT };
        let (here, mut there) = duplex(64);
        let (to_us, mut ours) = mpsc::channel(1);
        let _writer = spawn_sync_within(deadlines, CONN, here, to_us);
        there.write_all(&on_the_wire(b"hello")).await.unwrap();
        gives(&mut ours, b"hello".to_vec()).await;
        closes(&mut ours).await;
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_fills_the_queue_but_not_the_memory() {
        let (here, _there) = duplex(16);
        let (to_us, _ours) = mpsc::channel(1);
        let writer = spawn_sync_within(PATIENT, CONN, here, to_us);
        let accepted = (0..1000).take_while(|_| writer.try_send(frame(1 << 10)).is_ok()).count();
        assert_eq!(accepted, MAX_UNSENT / ((1 << 10) + PREFIX));
    }

    #[tokio::test]
    async fn bulk_that_waits_leaves_room_for_what_is_urgent() {
        let (here, _there) = duplex(16);
        let (to_us, _ours) = mpsc::channel(1);
        let writer = spawn_sync_within(PATIENT, CONN, here, to_us);
        writer.send(frame(MAX_FRAME)).await.unwrap();
        let mut waiting = Box::pin(writer.send(frame(MAX_FRAME)));
        assert!(timeout(SHORT, &mut waiting).await.is_err());
        assert_eq!(writer.try_send(frame(100)), Ok(()));
    }

    #[tokio::test]
    async fn bulk_that_waits_ends_when_the_connection_does() {
        let (here, there) = duplex(16);
        let (to_us, mut ours) = mpsc::channel(1);
        let writer = spawn_sync_within(PATIENT, CONN, here, to_us);
        let bulk = writer.clone();
        let sending = tokio::spawn(async move { while bulk.send(frame(MAX_FRAME)).await.is_ok() {} });
        drop(there);
        closes(&mut ours).await;
        timeout(PATIENCE, sending).await.unwrap().unwrap();
        assert_eq!(writer.send(frame(1)).await, Err(Gone));
    }

    #[tokio::test]
    async fn what_is_no_frame_is_not_sent() {
        let (here, _there) = duplex(16);
        let (to_us, _ours) = mpsc::channel(1);
        let writer = spawn_sync_within(PATIENT, CONN, here, to_us);
        assert_eq!(writer.try_send(Vec::new()), Err(Full));
        assert_eq!(writer.try_send(vec![0; MAX_FRAME + 1]), Err(Full));
        assert_eq!(writer.send(Vec::new()).await, Err(Gone));
    }
}
