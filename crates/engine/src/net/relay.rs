//! Two streams joined: what comes from one goes to the other, in memory of a fixed size.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::sleep;

use crate::saying;

/// Bytes in memory for each direction: four TLS records.
const BUFFER: usize = 64 << 10;

/// Passes bytes on in both directions until both sides have ended, and the bytes that were passed on.
///
/// # Errors
/// `TimedOut` if nothing came from either side for as long as `idle`; otherwise why one of them failed.
pub async fn splice<A, B>(one: A, other: B, idle: Duration) -> io::Result<u64>
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let moved = AtomicU64::new(0);
    let ((from_one, to_one), (from_other, to_other)) = (split(one), split(other));
    let both = async { tokio::try_join!(pour(from_one, to_other, &moved), pour(from_other, to_one, &moved)) };
    tokio::select! {
        ended = both => ended.map(|_| moved.load(Ordering::Relaxed)),
        () = silence(&moved, idle) => Err(io::Error::new(io::ErrorKind::TimedOut, saying!("nothing comes from either side"))),
    }
}

async fn pour<A: AsyncRead, B: AsyncWrite>(
    mut from: ReadHalf<A>,
    mut to: WriteHalf<B>,
    moved: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
        moved.fetch_add(read as u64, Ordering::Relaxed);
    }
}

/// Ends once nothing has moved for this long, and not later than after twice that.
async fn silence(moved: &AtomicU64, idle: Duration) {
    let mut before = moved.load(Ordering::Relaxed);
    loop {
        sleep(idle).await;
        let now = moved.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn every_byte_goes_to_the_other_side_and_so_does_the_end() {
        let ((mut ann, one), (mut bob, other)) = (duplex(1000), duplex(1000));
        let relay = tokio::spawn(splice(one, other, PATIENCE));
        let sent: Vec<u8> = (0..300_000usize).map(|i| (i * 7 + i / 256) as u8).collect();
        let (question, expected) = (sent.clone(), sent.clone());
        let asking = tokio::spawn(async move {
            ann.write_all(&question).await.unwrap();
            ann.shutdown().await.unwrap();
            let mut answer = Vec::new();
            ann.read_to_end(&mut answer).await.unwrap();
            answer
        });
        let mut heard = Vec::new();
        bob.read_to_end(&mut heard).await.unwrap();
        assert!(heard == expected);
        bob.write_all(b"thanks").await.unwrap();
        drop(bob);
        assert_eq!(asking.await.unwrap(), b"thanks");
        assert_eq!(relay.await.unwrap().unwrap(), expected.len() as u64 + 6);
    }

    #[tokio::test(start_paused = true)]
    async fn two_that_say_nothing_are_parted() {
        let ((_ann, one), (_bob, other)) = (duplex(10), duplex(10));
        let error = splice(one, other, PATIENCE).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_read_stops_the_other_one() {
        let ((mut ann, one), (_bob, other)) = (duplex(16), duplex(16));
        let relay = tokio::spawn(splice(one, other, PATIENCE));
        let mut taken = 0;
        while let Ok(Ok(written)) =
            tokio::time::timeout(Duration::from_millis(300), ann.write(&[0; 4096])).await
        {
            taken += written;
        }
        assert!(taken <= BUFFER + 64, "{taken}");
        relay.abort();
    }
}
