//! Two people, a wire between them that counts, damages and breaks, and a holder that lies.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use lanyard_proto::effects::Audience;
use lanyard_proto::identity::Identity;
use lanyard_proto::model::{PeerId, TransferId};
use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::Piece;
use lanyard_proto::wire::file::{
    CHUNK_BYTES, Data, Frame, Item, ItemKind, Leaves, MAX_FRAME, PieceFrame, Source,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio_util::sync::CancellationToken;

use crate::files::list::List;
use crate::files::stream::Frames;
use crate::files::{
    Choice, Dial, Dialled, Given, PullError, Received, Receiver, ServeError, Served, Shelf, Told, Verdict,
    Wanted, Way, pull, serve, survey,
};

pub(super) const BOB: PeerId = PeerId([2; 32]);
pub(super) const TRANSFER: TransferId = TransferId([7; 16]);
pub(super) const MIB: usize = CHUNK_BYTES;

/// Ann, who offers, and Bob, who fetches; and a folder that nobody may touch.
pub(super) struct Lan {
    ann: TempDir,
    bob: TempDir,
    pub(super) profile: TempDir,
    pub(super) canary: TempDir,
    pub(super) shelf: Shelf,
}

impl Lan {
    pub(super) async fn new() -> Lan {
        let [ann, bob, profile, canary] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
        fs::write(canary.path().join("canary"), "alive").unwrap();
        let shelf = Shelf::open(profile.path()).unwrap().signed_by(Arc::new(ann_key()));
        Lan { ann, bob, profile, canary, shelf }
    }

    pub(super) fn home(&self) -> PathBuf {
        self.ann.path().to_owned()
    }

    pub(super) fn downloads(&self) -> PathBuf {
        self.bob.path().to_owned()
    }

    pub(super) fn canary(&self) -> PathBuf {
        self.canary.path().to_owned()
    }

    pub(super) fn has(&self, name: &str, data: &[u8]) -> PathBuf {
        let path = self.home().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, data).unwrap();
        path
    }

    pub(super) async fn offers(&self, paths: &[PathBuf]) -> Offer {
        let survey = survey(paths.to_vec(), None).await.unwrap();
        let offer = survey.offer.clone();
        self.shelf.put(TRANSFER, survey, Audience::Peer(BOB)).await.unwrap();
        offer
    }

    /// What these names choose of the offer.
    pub(super) async fn chooses(&self, only: &[&str]) -> Choice {
        let manifest = self.shelf.load(TRANSFER).await.unwrap().unwrap().manifest;
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        Choice::of(&List::read(manifest).unwrap().0, &only).unwrap()
    }

    /// Fetches what these names choose, or all, over a wire that counts; gives the bytes that came over it, too.
    pub(super) async fn pulls_counted(
        &self,
        offer: &Offer,
        only: Option<&[&str]>,
        cut_at: Option<u64>,
    ) -> (Result<Received, PullError>, u64) {
        let (wire, holder) = duplex(MIB);
        let mut wire = Wire::new(wire);
        wire.cut_at = cut_at;
        let arrived = wire.arrived.clone();
        let served = self.serves(holder);
        let only = match only {
            Some(only) => Some(self.chooses(only).await),
            None => None,
        };
        let received =
            pulls_only(&self.downloads(), wire, offer, only, |_| {}, CancellationToken::new()).await;
        if let Ok(received) = &received {
            match served.await.unwrap() {
                Ok(served) => assert!(digest(served).is_none_or(|digest| digest == received.end.digest())),
                // All was here: it may be done before anybody is asked.
                Err(error) => assert_eq!(arrived.load(Relaxed), 0, "{error}"),
            }
        }
        (received, arrived.load(Relaxed))
    }

    pub(super) fn serves<S>(&self, stream: S) -> tokio::task::JoinHandle<Result<Served, ServeError>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.serves_with(stream, |_, _| {})
    }

    pub(super) fn serves_with<S>(
        &self,
        stream: S,
        progress: impl FnMut(TransferId, Given) + Send + 'static,
    ) -> tokio::task::JoinHandle<Result<Served, ServeError>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let asked = |_| std::future::ready(Verdict::MayFetch);
        let stop = CancellationToken::new();
        tokio::spawn(serve(stream, receiver(BOB), self.shelf.clone(), asked, (), progress, stop))
    }

    pub(super) async fn pulls(&self, offer: &Offer) -> Result<Received, PullError> {
        let (wire, holder) = duplex(MIB);
        let served = self.serves(holder);
        let received = self.pulls_over(wire, offer).await;
        let served = served.await.unwrap();
        if let Ok(received) = &received {
            assert!(digest(served.unwrap()).is_none_or(|digest| digest == received.end.digest()));
        }
        received
    }

    pub(super) async fn pulls_over<S>(&self, stream: S, offer: &Offer) -> Result<Received, PullError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.pulls_with(stream, offer, |_| {}, CancellationToken::new()).await
    }

    pub(super) async fn pulls_with<S>(
        &self,
        stream: S,
        offer: &Offer,
        progress: impl Fn(u64) + Send + 'static,
        stop: CancellationToken,
    ) -> Result<Received, PullError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        pulls_into(&self.downloads(), stream, offer, progress, stop).await
    }

    /// What stands in the download folder, staging apart.
    pub(super) fn assert_downloads(&self, expected: &[&str]) {
        let entries = fs::read_dir(self.downloads()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name != ".lanyard-part");
        names.sort();
        assert_eq!(names, expected);
    }

    pub(super) fn assert_canary(&self) {
        let entries: Vec<_> =
            fs::read_dir(self.canary()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(entries, ["canary"]);
        assert_eq!(fs::read(self.canary().join("canary")).unwrap(), b"alive");
    }
}

/// Fetches from Ann over one connection, and from nobody else.
pub(super) async fn pulls_into<S>(
    into: &Path,
    stream: S,
    offer: &Offer,
    progress: impl Fn(u64) + Send + 'static,
    stop: CancellationToken,
) -> Result<Received, PullError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    pulls_only(into, stream, offer, None, progress, stop).await
}

/// Fetches some files of what Ann offers.
pub(super) async fn pulls_only<S>(
    into: &Path,
    stream: S,
    offer: &Offer,
    only: Option<Choice>,
    progress: impl Fn(u64) + Send + 'static,
    stop: CancellationToken,
) -> Result<Received, PullError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (offer, into) = (offer.clone(), into.to_owned());
    let wanted = Wanted { transfer: TRANSFER, author: ann(), offer, into, only, gives_on: false };
    let sources = vec![Source { peer: ann(), addresses: Vec::new() }];
    let dial = Once(Arc::new(Mutex::new(Some(stream))));
    let profile = tempfile::tempdir().unwrap();
    let told = move |told| {
        if let Told::Moved(moved) = told {
            progress(moved);
        }
    };
    pull(wanted, sources, dial, Shelf::open(profile.path()).unwrap(), told, stop).await
}

/// One connection, to whoever is dialled first.
struct Once<S>(Arc<Mutex<Option<S>>>);

impl<S> Clone for Once<S> {
    fn clone(&self) -> Once<S> {
        Once(self.0.clone())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Dial for Once<S> {
    type Stream = S;

    async fn dial(&self, _: Source) -> io::Result<Dialled<S>> {
        let stream = self.0.lock().unwrap().take().ok_or(io::ErrorKind::ConnectionRefused)?;
        Ok(Dialled { stream, near: true, way: Way::Direct })
    }
}

pub(super) fn receiver(peer: PeerId) -> Receiver {
    Receiver { peer, addresses: Vec::new() }
}

pub(super) fn ann_key() -> Identity {
    Identity::from_seed(&[1; 32])
}

pub(super) fn ann() -> PeerId {
    ann_key().peer_id()
}

/// A holder that says what it likes.
pub(super) struct Holder;

impl Holder {
    /// Sends these pages, and for every file whatever `content` gives, with honest hashes.
    pub(super) fn forging(
        manifest: Vec<u8>,
        content: impl Fn(u32) -> Vec<u8> + Send + 'static,
    ) -> DuplexStream {
        let (wire, holder) = duplex(MIB);
        tokio::spawn(async move {
            let (reader, mut writer) = tokio::io::split(holder);
            let mut frames = Frames::new(reader);
            let mut bytes = Vec::new();
            Frame::Manifest { items: &manifest }.encode(&mut bytes);
            Frame::ManifestEnd.encode(&mut bytes);
            writer.write_all(&bytes).await?;
            let (_, layout) = List::read(manifest).expect("the list can be cut");
            let mut bytes = Vec::new();
            for piece in 0..layout.pieces() {
                let Piece::Bundle { files, leaf, .. } = layout.piece(piece) else {
                    panic!("only small files")
                };
                let contents: Vec<Vec<u8>> = files.map(&content).collect();
                let sums: Vec<[u8; 32]> =
                    contents.iter().map(|content| Sha256::digest(content).into()).collect();
                let (first, leaves) = (leaf, sums.as_flattened());
                Frame::Leaves(Leaves { first, leaves, signature: None }).encode(&mut bytes);
                let data = contents.concat();
                let data = Data::Bytes(&data);
                Frame::Piece(PieceFrame { piece, lacking: Vec::new(), data }).encode(&mut bytes);
            }
            while !matches!(frames.next(MAX_FRAME).await, Ok(Frame::Want(_))) {}
            writer.write_all(&bytes).await?;
            while frames.next(MAX_FRAME).await.is_ok() {}
            io::Result::Ok(())
        });
        wire
    }
}

pub(in crate::files) fn file(names: &[&str], size: u64) -> Item {
    let components = names.iter().map(|name| (*name).to_owned()).collect();
    Item { components, size, modified: None, kind: ItemKind::File }
}

pub(in crate::files) fn folder(names: &[&str]) -> Item {
    Item { kind: ItemKind::Folder, ..file(names, 0) }
}

/// The offer that a manifest of these items would keep.
pub(in crate::files) fn forged(items: &[Item]) -> (Offer, Vec<u8>) {
    let mut manifest = Vec::new();
    items.iter().for_each(|item| item.encode(&mut manifest));
    let folders = items.iter().filter(|item| item.kind == ItemKind::Folder).count() as u64;
    let offer = Offer {
        names: Vec::new(),
        files: items.len() as u64 - folders,
        folders,
        bytes: items.iter().map(|item| item.size).sum(),
        manifest: Sha256::digest(&manifest).into(),
    };
    (offer, manifest)
}

/// A wire that counts what arrives, and can damage it or break.
pub(super) struct Wire {
    inner: DuplexStream,
    pub(super) arrived: Arc<AtomicU64>,
    pub(super) flip_at: Option<u64>,
    /// Flips a bit after each so many bytes.
    pub(super) flip_every: Option<u64>,
    pub(super) cut_at: Option<u64>,
}

impl Wire {
    pub(super) fn new(inner: DuplexStream) -> Wire {
        Wire { inner, arrived: Arc::default(), flip_at: None, flip_every: None, cut_at: None }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = self.arrived.load(Relaxed);
        if self.cut_at.is_some_and(|at| before >= at) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let start = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        let after = before + (buf.filled().len() - start) as u64;
        if let Some(at) = self.flip_at
            && (before..after).contains(&at)
        {
            buf.filled_mut()[start + (at - before) as usize] ^= 1;
        }
        if let Some(every) = self.flip_every
            && before / every != after / every
        {
            // The first bytes of a frame stay as they are: a damaged length is another story.
            let at = after / every * every;
            buf.filled_mut()[start + (at - before).saturating_sub(1) as usize] ^= 1;
        }
        self.arrived.store(after, Relaxed);
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Every folder and file below, files with what is in them; staging apart.
/// What a receiver that has everything was sent.
pub(super) fn digest(served: Served) -> Option<[u8; 32]> {
    match served {
        Served::Files { digest, .. } => digest,
        Served::Questions => panic!("files were asked for"),
    }
}

pub(super) fn tree(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let below = walkdir::WalkDir::new(folder).min_depth(1).into_iter();
    let below = below.filter_entry(|entry| entry.file_name() != ".lanyard-part").map(|entry| entry.unwrap());
    let entries = below.map(|entry| {
        let content = entry.file_type().is_file().then(|| fs::read(entry.path()).unwrap());
        (entry.path().strip_prefix(folder).unwrap().to_owned(), content)
    });
    entries.collect()
}

pub(super) fn sample(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251 + i / 65_537) as u8).collect()
}
