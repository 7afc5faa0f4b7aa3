//! People with keys and sockets of their own, who offer, fetch, and give each other what they have.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use lanyard_proto::effects::Audience;
use lanyard_proto::identity::Identity;
use lanyard_proto::model::PeerId;
use lanyard_proto::rooms::Offer;
use lanyard_proto::wire::file::Source;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::lan::TRANSFER;
use crate::files::holding::Holding;
use crate::files::{
    Choice, Dial, Dialled, PullError, Received, Receiver, Shelf, Verdict, Wanted, Way, pull, serve, survey,
};
use crate::net::stream::{Listener, Secure, Stream, dial};
use crate::net::tls::{Credentials, Purpose};

/// Where everybody can be dialled.
pub(super) type Book = Arc<Mutex<BTreeMap<PeerId, SocketAddr>>>;

pub(super) struct Person {
    pub(super) id: PeerId,
    pub(super) home: TempDir,
    profile: TempDir,
    pub(super) shelf: Shelf,
    credentials: Credentials,
    book: Book,
    /// Bytes that were sent to others.
    pub(super) sent: Arc<AtomicU64>,
    /// Connections that others made.
    pub(super) visits: Arc<AtomicU64>,
    gone: CancellationToken,
    door: JoinHandle<()>,
}

impl Person {
    /// Comes to the network and serves whoever asks.
    pub(super) fn new(seed: u8, book: &Book) -> Person {
        Person::with(seed, book, |_| Verdict::MayFetch)
    }

    pub(super) fn with(seed: u8, book: &Book, lets: fn(PeerId) -> Verdict) -> Person {
        let key = Arc::new(Identity::from_seed(&[seed; 32]));
        let (id, credentials) = (key.peer_id(), Credentials::new(&key));
        let [home, profile] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
        let shelf = Shelf::open(profile.path()).unwrap().signed_by(key);
        let (listener, port) = Listener::bind(0).unwrap();
        book.lock().unwrap().insert(id, ([127, 0, 0, 1], port).into());
        let (arriving, arrivals) = mpsc::channel(64);
        let serving = listener.serve(&credentials, arriving);
        let (sent, visits, gone) = (Arc::default(), Arc::default(), CancellationToken::new());
        let door = Door {
            shelf: shelf.clone(),
            book: book.clone(),
            sent: Arc::clone(&sent),
            visits: Arc::clone(&visits),
            gone: gone.clone(),
        };
        let door = tokio::spawn(async move {
            let _serving = serving;
            door.serve(arrivals, lets).await;
        });
        let book = book.clone();
        Person { id, home, profile, shelf, credentials, book, sent, visits, gone, door }
    }

    pub(super) fn profile(&self) -> &Path {
        self.profile.path()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(super) async fn offers(&self, name: &str, data: &[u8]) -> Offer {
        fs::write(self.path(name), data).unwrap();
        self.offers_paths(vec![self.path(name)]).await
    }

    pub(super) async fn offers_paths(&self, paths: Vec<PathBuf>) -> Offer {
        let survey = survey(paths, None).await.unwrap();
        let offer = survey.offer.clone();
        self.shelf.put(TRANSFER, survey, Audience::Anyone).await.unwrap();
        offer
    }

    /// Fetches what `author` offers, beginning with these people.
    pub(super) fn fetches(
        &self,
        author: PeerId,
        offer: &Offer,
        from: &[PeerId],
    ) -> JoinHandle<Result<Received, PullError>> {
        self.fetches_only(author, offer, from, None)
    }

    /// The same of some files.
    pub(super) fn fetches_only(
        &self,
        author: PeerId,
        offer: &Offer,
        from: &[PeerId],
        only: Option<Choice>,
    ) -> JoinHandle<Result<Received, PullError>> {
        let (offer, into) = (offer.clone(), self.home.path().to_owned());
        let wanted = Wanted { transfer: TRANSFER, author, offer, into, only, gives_on: true };
        let book = self.book.lock().unwrap();
        let sources = from.iter().map(|peer| Source { peer: *peer, addresses: vec![book[peer]] }).collect();
        drop(book);
        let dial = Tls(self.credentials.clone());
        tokio::spawn(pull(wanted, sources, dial, self.shelf.clone(), |_| {}, CancellationToken::new()))
    }

    /// What is here of the offer, once it is known to be anything.
    pub(super) async fn holding(&self) -> Arc<Holding> {
        loop {
            if let Some(holding) = self.shelf.holding(TRANSFER, self.id).await.unwrap() {
                return holding;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Is not there any more, for anybody.
    pub(super) fn leaves(&self) {
        self.gone.cancel();
        self.door.abort();
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.leaves();
    }
}

struct Door {
    shelf: Shelf,
    book: Book,
    sent: Arc<AtomicU64>,
    visits: Arc<AtomicU64>,
    gone: CancellationToken,
}

impl Door {
    async fn serve(self, mut arrivals: mpsc::Receiver<Secure>, lets: fn(PeerId) -> Verdict) {
        while let Some(secure) = arrivals.recv().await {
            let (peer, stream) = (secure.peer(), secure.stream);
            self.visits.fetch_add(1, Relaxed);
            let stream = Counted { inner: stream, sent: self.sent.clone() };
            let addresses = self.book.lock().unwrap().get(&peer).copied().into_iter().collect();
            let (shelf, gone) = (self.shelf.clone(), self.gone.clone());
            let asked = move |_| std::future::ready(lets(peer));
            tokio::spawn(serve(stream, Receiver { peer, addresses }, shelf, asked, (), |_, _| {}, gone));
        }
    }
}

#[derive(Clone)]
struct Tls(Credentials);

impl Dial for Tls {
    type Stream = Stream;

    async fn dial(&self, to: Source) -> io::Result<Dialled<Stream>> {
        let Secure { stream, .. } = dial(&self.0, to.peer, &to.addresses, Purpose::File).await?;
        Ok(Dialled { stream, near: true, way: Way::Direct })
    }
}

/// A stream that counts what is sent.
struct Counted {
    inner: Stream,
    sent: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = &polled {
            self.sent.fetch_add(*written as u64, Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
