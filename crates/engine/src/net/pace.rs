//! Limits on how fast bytes move, over many connections together: a token bucket for each direction.
//!
//! Whoever may move bytes moves at most a **portion**, and the bucket then owes what it took: so many bytes at a time cost a
//! few wake-ups only, no connection takes all, and over a second the sum is right to a hundredth. A limit can be changed
//! at any time; who waits looks again every [`LOOK`]. What a connection begins with never waits: a question and its answer are
//! not kept from each other by files that fill the limit.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes per second, as people chose them.
#[derive(Clone, Debug, Default)]
pub struct Pace(Arc<Bucket>);

#[derive(Debug, Default)]
struct Bucket {
    /// 0: no limit.
    rate: AtomicU64,
    level: Mutex<Level>,
}

/// What may move now; less than nothing after a portion.
#[derive(Debug, Default)]
struct Level {
    bytes: f64,
    at: Option<Instant>,
}

/// What may pile up while nobody moves anything.
const BURST: Duration = Duration::from_millis(100);

/// A portion is what may move in this time, within the bounds below.
const PORTION: Duration = Duration::from_millis(20);
const MIN_PORTION: f64 = 1024.0;
const MAX_PORTION: f64 = 1048576.0;

/// Bytes that each direction of a connection begins with, whatever the limit.
const FREE: usize = 64 << 10;

/// How long a connection waits at most before it looks whether there is still a limit.
const LOOK: Duration = Duration::from_millis(100);

impl Pace {
    /// Lets so many bytes pass in a second, from now on; 0 lets all pass.
    pub fn set(&self, rate: u64) {
        if self.0.rate.swap(rate, Ordering::Relaxed) != rate {
            // What piled up or is owed was so under another limit.
            *self.level() = Level::default();
        }
    }

    /// Bytes that may move now: none if the time is yet to come, and then when.
    fn portion(&self) -> Result<usize, Instant> {
        let rate = self.0.rate.load(Ordering::Relaxed);
        if rate == 0 {
            return Ok(usize::MAX);
        }
        let (rate, now) = (rate as f64, Instant::now());
        let mut level = self.level();
        let since = now - level.at.replace(now).unwrap_or(now);
        level.bytes = (level.bytes + rate * since.as_secs_f64()).min(rate * BURST.as_secs_f64());
        if level.bytes < 0.0 {
            let wait = Duration::from_secs_f64(-level.bytes / rate).max(Duration::from_millis(1));
            return Err(now + wait.min(LOOK));
        }
        Ok((rate * PORTION.as_secs_f64()).clamp(MIN_PORTION, MAX_PORTION) as usize)
    }

    fn moved(&self, bytes: usize) {
        if self.0.rate.load(Ordering::Relaxed) != 0 {
            self.level().bytes -= bytes as f64;
        }
    }

    fn level(&self) -> std::sync::MutexGuard<'_, Level> {
        self.0.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that is read and written no faster than two paces allow.
#[derive(Debug)]
pub struct Paced<S> {
    stream: S,
    read: Turn,
    write: Turn,
}

/// One direction of a stream.
#[derive(Debug)]
struct Turn {
    pace: Pace,
    wait: Option<Pin<Box<Sleep>>>,
    /// What is left of [`FREE`].
    free: usize,
}

impl<S> Paced<S> {
    /// What is read counts against `down`, what is written against `up`.
    pub fn new(stream: S, up: Pace, down: Pace) -> Paced<S> {
        let turn = |pace| Turn { pace, wait: None, free: FREE };
        Paced { stream, read: turn(down), write: turn(up) }
    }
}

impl Turn {
    /// Waits until something may move, and says how much.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        if self.free > 0 {
            return Poll::Ready(self.free);
        }
        loop {
            if let Some(wait) = &mut self.wait {
                ready!(wait.as_mut().poll(cx));
                self.wait = None;
            }
            match self.pace.portion() {
                Ok(portion) => return Poll::Ready(portion),
                Err(until) => self.wait = Some(Box::pin(sleep_until(until))),
            }
        }
    }

    fn moved(&mut self, bytes: usize) {
        match self.free {
            0 => self.pace.moved(bytes),
            free => self.free = free.saturating_sub(bytes),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let portion = ready!(self.read.poll(cx)).min(into.remaining());
        let mut part = ReadBuf::new(into.initialize_unfilled_to(portion));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        into.advance(read);
        self.read.moved(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let portion = ready!(self.write.poll(cx)).min(bytes.len());
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..portion]))?;
        self.write.moved(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// How many bytes two connections move together in five seconds of made-up time.
    async fn moved_in_five_seconds(rate: u64, side: fn(Pace) -> (Pace, Pace)) -> u64 {
        let pace = Pace::default();
        pace.set(rate);
        let count = Arc::new(AtomicU64::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..2 {
            let (here, mut there) = duplex(1 << 20);
            let (up, down) = side(pace.clone());
            let mut paced = Paced::new(here, up.clone(), down.clone());
            let writes = up.0.rate.load(Ordering::Relaxed) > 0;
            let counted = count.clone();
            tasks.spawn(async move {
                let mut bytes = vec![0; 300_000];
                loop {
                    let moved = if writes { paced.write(&bytes).await } else { paced.read(&mut bytes).await };
                    counted.fetch_add(moved.unwrap() as u64, Ordering::Relaxed);
                }
            });
            tasks.spawn(async move {
                let mut bytes = vec![0; 300_000];
                loop {
                    if writes { there.read(&mut bytes).await } else { there.write(&bytes).await }.unwrap();
                }
            });
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        count.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_is_what_may_to_one_in_twenty_in_both_directions() {
        for rate in [4096, 1_000_000, 10_000_000, 100_000_000] {
            for side in [|pace: Pace| (pace, Pace::default()), |pace: Pace| (Pace::default(), pace)] {
                let moved = (moved_in_five_seconds(rate, side).await - 2 * FREE as u64) as f64;
                let wanted = 5.0 * rate as f64;
                let right = 0.95 * wanted..=1.05 * wanted + MIN_PORTION;
                assert!(right.contains(&moved), "{moved} of {wanted} bytes");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_is_lifted_lets_go_whoever_waits_and_one_that_is_set_holds_at_once() {
        let (here, mut there) = duplex(1 << 20);
        let pace = Pace::default();
        let mut paced = Paced::new(here, pace.clone(), Pace::default());
        let start = Instant::now();
        paced.write_all(&[7; 500_000]).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        pace.set(4096);
        let lifting = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            pace.set(0);
        };
        let (written, ()) = tokio::join!(paced.write_all(&[7; 500_000]), lifting);
        written.unwrap();
        let took = start.elapsed();
        assert!((10_000..10_200).contains(&took.as_millis()), "{took:?}");
        let mut all = vec![0; 1_000_000];
        there.read_exact(&mut all).await.unwrap();
        assert!(all.iter().all(|byte| *byte == 7));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_read_in_portions_is_what_was_written() {
        let (here, mut there) = duplex(1 << 20);
        let pace = Pace::default();
        pace.set(50_000);
        let mut paced = Paced::new(here, Pace::default(), pace);
        let sent: Vec<u8> = (0..100_000u32).map(|at| (at % 251) as u8).collect();
        there.write_all(&sent).await.unwrap();
        drop(there);
        let mut read = Vec::new();
        paced.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, sent);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_does_not_wait_for_those_who_fill_the_limit() {
        let pace = Pace::default();
        pace.set(4096);
        let (here, mut there) = duplex(1 << 20);
        let mut full = Paced::new(here, pace.clone(), Pace::default());
        let filling = tokio::spawn(async move { full.write_all(&[7; 1 << 20]).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (here, _end) = duplex(1 << 20);
        let mut asks = Paced::new(here, pace, Pace::default());
        let start = Instant::now();
        asks.write_all(&[1; FREE]).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        filling.abort();
        let mut began = [0; FREE];
        there.read_exact(&mut began).await.unwrap();
    }
}
