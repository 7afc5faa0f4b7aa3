//! Frames out of a stream, one at a time or as many as have arrived.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lanyard_proto::wire::file::{DecodeError, Frame, MAX_FRAME};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Duration, timeout};

/// Bytes of a block: the longest frame, and what one read may bring beyond it.
pub(super) const BLOCK_BYTES: usize = 4 + MAX_FRAME + 60 * 1024;

/// How long a connection may be without any bytes before it is lost. Both sides send ALIVE while they are busy. Where a
/// person limits how fast bytes may move, a frame can take longer: each byte that moves is a sign of life.
pub(super) const SILENCE: Duration = Duration::from_secs(60);

/// Why there is no next frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Buffers of one size that are used again, shared by whoever fills and empties them.
#[derive(Clone, Debug)]
pub(super) struct Buffers {
    bytes: usize,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// Buffers that are kept for use.
const MAX_SPARE: usize = 8;

impl Buffers {
    pub fn new(bytes: usize) -> Buffers {
        Buffers { bytes, spare: Arc::default() }
    }

    pub fn take(&self) -> Vec<u8> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| vec![0; self.bytes])
    }

    pub fn give_back(&self, buffer: Vec<u8>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MAX_SPARE && buffer.len() == self.bytes {
            spare.push(buffer);
        }
    }
}

/// Cuts what arrives into frames. Waiting for the next one can be given up and taken up again at any time.
#[derive(Debug)]
pub(super) struct Frames<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What arrived lies between these.
    taken: usize,
    filled: usize,
    /// Told how many bytes arrived.
    counter: Option<Arc<AtomicU64>>,
}

/// Bytes with whole frames in them.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub bytes: Vec<u8>,
    pub start: usize,
    pub end: usize,
}

impl Block {
    /// The frames of a block that was cut by [`Frames::cut`].
    pub fn frames(&self) -> impl Iterator<Item = Result<Frame<'_>, DecodeError>> {
        let mut rest = &self.bytes[self.start..self.end];
        std::iter::from_fn(move || {
            let length = frame_length(rest)?;
            let frame = &rest[4..4 + length];
            rest = &rest[4 + length..];
            Some(Frame::decode(frame))
        })
    }
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub fn new(reader: R) -> Frames<R> {
        Frames { reader, buffer: Vec::new(), taken: 0, filled: 0, counter: None }
    }

    /// Adds the bytes that arrive from now on to a number.
    pub fn counted_by(self, counter: Arc<AtomicU64>) -> Frames<R> {
        Frames { counter: Some(counter), ..self }
    }

    /// The next frame, of at most `most` bytes.
    ///
    /// # Errors
    /// When the stream fails, ends or is silent, or what came is no frame.
    pub async fn next(&mut self, most: usize) -> Result<Frame<'_>, StreamError> {
        self.fill(most).await?;
        let start = self.taken + 4;
        let length = frame_length(&self.buffer[self.taken..self.filled]).expect("fill waits for a length");
        self.taken = start + length;
        Ok(Frame::decode(&self.buffer[start..start + length])?)
    }

    /// Waits until a whole frame of at most `most` bytes has arrived.
    pub async fn fill(&mut self, most: usize) -> Result<(), StreamError> {
        loop {
            let arrived = &self.buffer[self.taken..self.filled];
            let needed = match frame_length(arrived) {
                Some(length) if length > most => return Err(DecodeError::TooLong.into()),
                Some(length) if arrived.len() >= 4 + length => return Ok(()),
                Some(length) => 4 + length,
                None => 4,
            };
            self.make_room(needed);
            let read = self.reader.read(&mut self.buffer[self.filled..]);
            let read =
                timeout(SILENCE, read).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            if read == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            self.filled += read;
            if let Some(counter) = &self.counter {
                counter.fetch_add(read as u64, Ordering::Relaxed);
            }
        }
    }

    /// Takes all whole frames that have arrived, after [`Frames::fill`]; `spare`, of [`BLOCK_BYTES`], becomes the next
    /// buffer.
    pub fn cut(&mut self, mut spare: Vec<u8>) -> Block {
        let start = self.taken;
        let mut end = start;
        while let Some(length) = frame_length(&self.buffer[end..self.filled])
            && self.filled - end >= 4 + length
        {
            end += 4 + length;
        }
        let tail = self.filled - end;
        spare[..tail].copy_from_slice(&self.buffer[end..self.filled]);
        let bytes = std::mem::replace(&mut self.buffer, spare);
        (self.taken, self.filled) = (0, tail);
        Block { bytes, start, end }
    }

    /// Makes room for a frame without trusting its length: the buffer at most doubles what has arrived.
    fn make_room(&mut self, needed: usize) {
        if self.taken > 0 && (self.taken == self.filled || self.buffer.len() - self.taken < needed) {
            self.buffer.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
        }
        if self.filled == self.buffer.len() {
            let wanted = (self.taken + needed).max(FIRST_BUFFER);
            self.buffer.resize(wanted.min((2 * self.filled).max(FIRST_BUFFER)), 0);
        }
    }
}

/// Writes all of it, however slowly, as long as something moves.
pub(super) async fn write_all<W: AsyncWrite + Unpin>(writer: &mut W, mut bytes: &[u8]) -> io::Result<()> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    while !bytes.is_empty() {
        let written = timeout(SILENCE, writer.write(bytes)).await.map_err(late)??;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    timeout(SILENCE, writer.flush()).await.map_err(late)?
}

const FIRST_BUFFER: usize = 8 * 1024;

fn frame_length(bytes: &[u8]) -> Option<usize> {
    bytes.first_chunk::<4>().map(|length| u32::from_be_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_slowly_is_waited_for_and_what_does_not_come_is_not() {
        let (here, mut there) = duplex(64);
        let mut frames = Frames::new(here);
        let mut bytes = Vec::new();
        Frame::Done { digest: [7; 32] }.encode(&mut bytes);
        let trickle = async {
            for byte in &bytes {
                tokio::time::sleep(SILENCE - Duration::from_secs(1)).await;
                there.write_all(&[*byte]).await.unwrap();
            }
        };
        let (frame, ()) = tokio::join!(async { frames.fill(64).await }, trickle);
        frame.unwrap();
        assert_eq!(frames.next(64).await.unwrap(), Frame::Done { digest: [7; 32] });
        let start = tokio::time::Instant::now();
        let StreamError::Io(error) = frames.fill(64).await.unwrap_err() else { panic!("no frame came") };
        assert_eq!((error.kind(), start.elapsed()), (io::ErrorKind::TimedOut, SILENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_bytes_slowly_gets_them_all_and_who_takes_none_is_given_up() {
        let (mut here, mut there) = duplex(10);
        let reading = async {
            let mut read = vec![0; 100];
            for at in 0..10 {
                tokio::time::sleep(SILENCE - Duration::from_secs(1)).await;
                there.read_exact(&mut read[at * 10..][..10]).await.unwrap();
            }
            read
        };
        let (written, read) = tokio::join!(write_all(&mut here, &[7; 100]), reading);
        written.unwrap();
        assert_eq!(read, [7; 100]);
        let error = write_all(&mut here, &[7; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
