//! The bytes of a proven connection, and under them a TCP socket that is read from in large portions.
//!
//! rustls asks for 4 KiB at a time (its deframer's READ_SIZE), which at the speed of a wire is a system call for each quarter of
//! a record. Where many bytes come, they are taken from the system at once and handed out from here.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::cut::Cut;
use super::inbound::Place;
use super::tls::Purpose;

/// Bytes that a connection for files takes from the system at once, and gives to it.
const READ_AT_ONCE: usize = 256 << 10;
const WRITTEN_AT_ONCE: usize = 256 << 10;

/// The bytes of a connection. An accepted one holds one of [`super::inbound::MAX_INBOUND`] places until it is dropped.
#[derive(Debug)]
pub struct Stream {
    tls: Tls,
    _place: Option<Place>,
}

/// What seals the bytes, and under it what carries them.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every connection is a direct one")]
enum Tls {
    Direct(TlsStream<Wide>),
    /// A connection to a device that passes on what it cannot read.
    Relayed(Box<TlsStream<Stream>>),
}

impl Stream {
    /// Over `tls`, with room for the many bytes of files where it is for those.
    pub(super) fn new(mut tls: TlsStream<Wide>, purpose: Purpose, place: Option<Place>) -> Stream {
        if purpose.is_bulk() {
            let tcp = match &mut tls {
                TlsStream::Client(tls) => {
                    let (tcp, connection) = tls.get_mut();
                    connection.set_buffer_limit(Some(WRITTEN_AT_ONCE));
                    tcp
                }
                TlsStream::Server(tls) => {
                    let (tcp, connection) = tls.get_mut();
                    connection.set_buffer_limit(Some(WRITTEN_AT_ONCE));
                    tcp
                }
            };
            tcp.widen(READ_AT_ONCE);
        }
        Stream { tls: Tls::Direct(tls), _place: place }
    }

    /// Over a connection to a device that passes it on.
    pub(super) fn relayed(mut tls: TlsStream<Stream>) -> Stream {
        match &mut tls {
            TlsStream::Client(tls) => tls.get_mut().1.set_buffer_limit(Some(WRITTEN_AT_ONCE)),
            TlsStream::Server(tls) => tls.get_mut().1.set_buffer_limit(Some(WRITTEN_AT_ONCE)),
        }
        Stream { tls: Tls::Relayed(Box::new(tls)), _place: None }
    }

    /// Whether the other end is on a network that this end is on, as far as the usual sizes of networks tell. What is relayed
    /// goes a longer way.
    pub fn is_near(&self) -> bool {
        let Tls::Direct(tls) = &self.tls else { return false };
        let (wide, _) = tls.get_ref();
        let (Ok(here), Ok(there)) = (wide.tcp().local_addr(), wide.tcp().peer_addr()) else { return false };
        match (here.ip().to_canonical(), there.ip().to_canonical()) {
            (IpAddr::V4(here), IpAddr::V4(there)) => here.octets()[..3] == there.octets()[..3],
            (IpAddr::V6(here), IpAddr::V6(there)) => here.octets()[..8] == there.octets()[..8],
            _ => false,
        }
    }

    /// Keying material that only the two ends of this connection share.
    ///
    /// # Errors
    /// If the handshake is not done; a [`Secure`] connection's is.
    pub fn exporter(&self, label: &[u8]) -> io::Result<[u8; 32]> {
        match &self.tls {
            Tls::Direct(tls) => exported(tls, label),
            Tls::Relayed(tls) => exported(tls, label),
        }
    }
}

fn exported<S>(tls: &TlsStream<S>, label: &[u8]) -> io::Result<[u8; 32]> {
    let exported = match tls {
        TlsStream::Client(tls) => tls.get_ref().1.export_keying_material([0; 32], label, None),
        TlsStream::Server(tls) => tls.get_ref().1.export_keying_material([0; 32], label, None),
    };
    exported.map_err(|error| io::Error::other(error.to_string()))
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.tls {
            Tls::Direct(tls) => Pin::new(tls).poll_read(cx, into),
            Tls::Relayed(tls) => Pin::new(tls).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            Tls::Direct(tls) => Pin::new(tls).poll_write(cx, bytes),
            Tls::Relayed(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            Tls::Direct(tls) => Pin::new(tls).poll_write_vectored(cx, parts),
            Tls::Relayed(tls) => Pin::new(tls).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.tls {
            Tls::Direct(tls) => tls.is_write_vectored(),
            Tls::Relayed(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tls {
            Tls::Direct(tls) => Pin::new(tls).poll_flush(cx),
            Tls::Relayed(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tls {
            Tls::Direct(tls) => Pin::new(tls).poll_shutdown(cx),
            Tls::Relayed(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

#[derive(Debug)]
pub(super) struct Wide {
    tcp: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whoever holds it tells that something goes over the interface.
    _held: Cut,
    /// Empty until [`Wide::widen`].
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Wide {
    /// Over `tcp`, until it is cut; whoever waits for bytes then is woken.
    pub(super) fn new(tcp: TcpStream, cut: Cut) -> Wide {
        let waits = Box::pin(CancellationToken::clone(&cut).cancelled_owned());
        Wide { tcp, cut: waits, _held: cut, buffer: Vec::new(), start: 0, end: 0 }
    }

    /// Reads this much at a time from now on.
    fn widen(&mut self, bytes: usize) {
        if self.buffer.is_empty() {
            self.buffer = vec![0; bytes];
        }
    }

    fn tcp(&self) -> &TcpStream {
        &self.tcp
    }
}

impl AsyncRead for Wide {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if this.start == this.end {
            if this.buffer.len() <= into.remaining() {
                return Pin::new(&mut this.tcp).poll_read(cx, into);
            }
            let mut room = ReadBuf::new(&mut this.buffer);
            ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut room))?;
            (this.start, this.end) = (0, room.filled().len());
        }
        let here = &this.buffer[this.start..this.end];
        let taken = here.len().min(into.remaining());
        into.put_slice(&here[..taken]);
        this.start += taken;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wide {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn every_byte_comes_once_and_in_order_before_and_after_it_is_widened() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (dialled, accepted) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let data: Vec<u8> = (0..300_000usize).map(|i| (i * 7 + i / 256) as u8).collect();
        let sent = data.clone();
        let mut writer = Wide::new(dialled.unwrap(), Cut::default());
        let writing = tokio::spawn(async move {
            writer.write_all(&sent).await?;
            writer.shutdown().await
        });
        let mut reader = Wide::new(accepted.unwrap().0, Cut::default());
        let mut arrived = vec![0; 1000];
        reader.read_exact(&mut arrived).await.unwrap();
        reader.widen(64 << 10);
        let mut portion = [0; 4096];
        loop {
            match reader.read(&mut portion).await.unwrap() {
                0 => break,
                read => arrived.extend_from_slice(&portion[..read]),
            }
        }
        writing.await.unwrap().unwrap();
        assert!(arrived == data);
    }

    #[tokio::test]
    async fn who_waits_for_bytes_is_woken_when_the_connection_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (dialled, accepted) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let cut = Cut::default();
        let mut reader = Wide::new(dialled.unwrap(), cut.clone());
        let reading = tokio::spawn(async move { reader.read_u8().await });
        tokio::task::yield_now().await;
        cut.cancel();
        assert_eq!(reading.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        drop(accepted);
    }
}
