//! Connections that end in the middle of whatever they carry, once nobody wants to hear of a device any more.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use lanyard_proto::model::PeerId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Who is to be reached no more, and what goes to each device or through it.
#[derive(Clone, Default)]
pub struct Shunned(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    shunned: BTreeSet<PeerId>,
    live: HashMap<PeerId, Weak<CancellationToken>>,
}

/// Whether a device became one to be reached no more; kept as long as something goes to it or through it.
pub type Cut = Arc<CancellationToken>;

impl Shunned {
    /// What says that a device is to be reached no more.
    ///
    /// # Errors
    /// `PermissionDenied` if that is so already.
    pub fn cut_of(&self, peer: PeerId) -> io::Result<Cut> {
        let mut inner = self.lock();
        if inner.shunned.contains(&peer) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if let Some(cut) = inner.live.get(&peer).and_then(Weak::upgrade) {
            return Ok(cut);
        }
        inner.live.retain(|_, cut| cut.strong_count() > 0);
        let cut = Cut::default();
        inner.live.insert(peer, Arc::downgrade(&cut));
        Ok(cut)
    }

    /// Ends all that goes to a device or through it, and lets nothing begin; or lets it again.
    pub fn shun(&self, peer: PeerId, is_shunned: bool) {
        let mut inner = self.lock();
        if !is_shunned {
            inner.shunned.remove(&peer);
        } else if inner.shunned.insert(peer)
            && let Some(cut) = inner.live.remove(&peer).and_then(|cut| cut.upgrade())
        {
            cut.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that ends when one of the devices is to be reached no more on which it depends.
pub struct Cuttable<S> {
    stream: S,
    /// Both halves wait, each in a task of its own.
    read: Vec<Wait>,
    write: Vec<Wait>,
    /// Whoever holds these tells that something goes there.
    _cuts: Vec<Cut>,
}

type Wait = Pin<Box<WaitForCancellationFutureOwned>>;

impl<S> Cuttable<S> {
    pub fn new(stream: S, cuts: Vec<Cut>) -> Cuttable<S> {
        let wait = |cut: &Cut| Box::pin(CancellationToken::clone(cut).cancelled_owned());
        let waits = || cuts.iter().map(wait).collect();
        Cuttable { stream, read: waits(), write: waits(), _cuts: cuts }
    }
}

/// Whether nothing was cut; else wakes whoever waits as soon as something is.
fn whole(waits: &mut [Wait], cx: &mut Context<'_>) -> io::Result<()> {
    match waits.iter_mut().any(|wait| wait.as_mut().poll(cx).is_ready()) {
        true => Err(io::ErrorKind::ConnectionAborted.into()),
        false => Ok(()),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cuttable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        whole(&mut self.read, cx)?;
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cuttable<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        whole(&mut self.write, cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        whole(&mut self.write, cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};

    use super::*;

    const ANA: PeerId = PeerId([1; 32]);
    const BO: PeerId = PeerId([2; 32]);

    #[tokio::test]
    async fn whoever_waits_at_either_half_is_woken_when_one_of_the_devices_is_cut() {
        for cut in [ANA, BO] {
            let shunned = Shunned::default();
            let cuts = vec![shunned.cut_of(ANA).unwrap(), shunned.cut_of(BO).unwrap()];
            let (near, _far) = duplex(1);
            let (mut read, mut write) = split(Cuttable::new(near, cuts));
            let reads = tokio::spawn(async move { read.read_u8().await });
            let writes = tokio::spawn(async move { write.write_all(b"ab").await });
            tokio::task::yield_now().await;
            shunned.shun(cut, true);
            assert_eq!(reads.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
            assert_eq!(writes.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        }
    }

    #[test]
    fn nothing_begins_while_a_device_is_shunned_and_of_what_is_over_nothing_is_kept() {
        let shunned = Shunned::default();
        let before = shunned.cut_of(ANA).unwrap();
        shunned.shun(ANA, true);
        assert!(before.is_cancelled());
        assert_eq!(shunned.cut_of(ANA).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        shunned.shun(ANA, false);
        assert!(!shunned.cut_of(ANA).unwrap().is_cancelled());
        for number in 0..100 {
            drop(shunned.cut_of(PeerId([number; 32])).unwrap());
        }
        assert_eq!(shunned.lock().live.len(), 1);
    }
}
