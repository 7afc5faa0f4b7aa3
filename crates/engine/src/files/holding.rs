//! What this device has of one offer: shared by all connections that it is served on, and by the pull that fetches it.
//!
//! There is one for an offer at a time, so that nothing is hashed for one receiver that was hashed for another. It is
//! locked for moments only, never while a file is read or a frame is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use lanyard_proto::identity::Identity;
use lanyard_proto::model::{PeerId, TransferId};
use lanyard_proto::transfer::{
    Bitmap, ChunkOf, Failure, Handout, Layout, Leaf, Link, PAGE_LEAVES, Piece, sign_page,
};
use lanyard_proto::wire::file::{MAX_PEERS, Source};
use tokio::sync::watch;

use super::company::Company;
use super::hash::{START, State, digest_of, part_digest_of};
use super::journal::{Journal, Record};
use super::leaves::LeafTable;
use super::list::List;
use super::manifest::{Sources, modified_of};
use super::tree::Tree;

pub(super) struct Holding {
    pub transfer: TransferId,
    pub author: PeerId,
    /// SHA-256 of the manifest.
    pub manifest: [u8; 32],
    pub list: List,
    pub layout: Layout,
    pub origin: Origin,
    pub company: Arc<Company>,
    held: Mutex<Held>,
    hashed: Condvar,
    changed: watch::Sender<()>,
}

/// Whose offer it is.
pub(super) enum Origin {
    /// This device's, which signs what it hashes if it has the key at hand.
    Own(Option<Arc<Identity>>),
    /// Somebody else's.
    Others,
}

pub(super) struct Held {
    pub leaves: LeafTable,
    /// Pieces that can be given.
    pub have: Bitmap,
    /// Files that arrived, and those of them that were here before; nothing of an own offer.
    pub whole: Bitmap,
    pub here: Bitmap,
    /// Files that cannot be read at the author.
    pub failed: BTreeMap<u32, Failure>,
    pub handout: Handout,
    /// Who fetches, and where each can be dialled.
    pub takers: BTreeMap<Link, Source>,
    pub place: Place,
    /// Where the author keeps leaves for the next run.
    record: Option<Journal>,
    /// Files in which a thread hashes the next chunk.
    hashing: BTreeSet<u32>,
    /// Which file on disk the leaves of a file were made from.
    ids: BTreeMap<u32, u64>,
    next_link: Link,
}

/// Where the files are.
#[derive(Clone)]
pub(super) enum Place {
    /// Under their final names.
    Final(Arc<Sources>),
    /// Still arriving.
    Staged(Arc<Tree>),
    /// Getting their names at this moment: whoever wants to read waits.
    Moving,
}

/// What to do for a leaf.
pub(super) enum Turn {
    /// It is known.
    Known,
    /// The chunk with this leaf has to be hashed first, from this state. Others wait until [`Holding::pass_on`].
    Hash { leaf: u32, from: State },
}

impl Holding {
    /// `None` if the list is none, or larger than anybody can cut.
    pub fn new(
        transfer: TransferId,
        author: PeerId,
        manifest: [u8; 32],
        list: Vec<u8>,
        origin: Origin,
        place: Place,
    ) -> Option<Holding> {
        let (list, layout) = List::read(list)?;
        let have = match origin {
            Origin::Own(_) => Bitmap::full(layout.pieces()),
            Origin::Others => Bitmap::new(layout.pieces()),
        };
        let held = Held {
            leaves: LeafTable::new(&layout),
            have,
            whole: Bitmap::new(layout.files()),
            here: Bitmap::new(layout.files()),
            failed: BTreeMap::new(),
            handout: Handout::new(layout.pieces()),
            takers: BTreeMap::new(),
            place,
            record: None,
            hashing: BTreeSet::new(),
            ids: BTreeMap::new(),
            next_link: 0,
        };
        let (held, hashed, changed) = (Mutex::new(held), Condvar::new(), watch::Sender::new(()));
        let company = Arc::default();
        Some(Holding { transfer, author, manifest, list, layout, origin, company, held, hashed, changed })
    }

    /// Takes up what an earlier run of the author hashed, and goes on writing it down.
    pub fn remember(&self, record: Journal, known: Vec<Record>) {
        self.recall(known);
        self.lock().record = Some(record);
    }

    /// Takes up what an earlier run knew.
    pub fn recall(&self, known: Vec<Record>) {
        let mut held = self.lock();
        for known in known {
            match known {
                Record::Source { file, id } => drop(held.ids.insert(file, id)),
                Record::Leaves { first, leaves, .. } => {
                    for (leaf, value) in (first..).zip(leaves.as_chunks::<32>().0) {
                        held.leaves.learn(leaf, *value);
                    }
                }
                Record::Forget { file } if file < self.layout.files() => {
                    held.leaves.forget(self.layout.leaves_of_file(file));
                }
                Record::Signed { page, signature } if page < self.layout.pages() => {
                    held.leaves.sign(page, signature);
                }
                _ => {}
            }
        }
    }

    /// Has those pieces of which all files are under their final names as they came.
    pub fn look_what_is_here(&self) {
        let Place::Final(sources) = self.lock().place.clone() else { return };
        let files = self.layout.files();
        let mut whole = Bitmap::new(files);
        for file in 0..files {
            let about = sources.path(file, &self.list.item(file)).symlink_metadata();
            if about.is_ok_and(|about| self.unchanged(file, &about).is_ok()) {
                whole.insert(file);
            }
        }
        let mut held = self.lock();
        for piece in 0..self.layout.pieces() {
            let here = match self.layout.piece(piece) {
                Piece::Chunk(chunk) => whole.has(chunk.file),
                Piece::Bundle { files, .. } => files.clone().all(|file| whole.has(file)),
            };
            if here {
                held.have.insert(piece);
            }
        }
    }

    /// Drops the leaves of files that are others than those they were made from.
    pub fn recheck(&self) {
        let known: Vec<(u32, u64)> = self.lock().ids.iter().map(|(file, id)| (*file, *id)).collect();
        let Place::Final(sources) = self.lock().place.clone() else { return };
        for (file, id) in known.into_iter().filter(|(file, _)| *file < self.layout.files()) {
            let about = sources.about(file, &self.list.item(file));
            let same = about.is_ok_and(|about| self.unchanged(file, &about).is_ok() && id_of(&about) == id);
            if !same {
                self.forget(&mut self.lock(), file);
            }
        }
    }

    /// Locked for a moment: no file is touched and nothing waited for meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, Held> {
        // Nobody panics in between; if somebody did, what is in it still holds.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of memory that it takes, about: the list, where its files are, and a leaf with its place in bitmaps a piece.
    pub fn weight(&self) -> usize {
        self.list.bytes.len() * 3 + self.layout.leaves() as usize * 40
    }

    pub fn is_own(&self) -> bool {
        matches!(self.origin, Origin::Own(_))
    }

    /// Wakes whoever tells others what is new.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub fn notify(&self) {
        self.changed.send_replace(());
    }

    /// Somebody begins to fetch.
    pub fn join(&self, source: Source) -> Link {
        let mut held = self.lock();
        self.company.forget(source.peer);
        held.next_link += 1;
        let link = held.next_link;
        held.handout.joined(link);
        held.takers.insert(link, source);
        drop(held);
        self.notify();
        link
    }

    /// Somebody fetches no more; with `all`, because it has what it wants.
    pub fn leave(&self, link: Link, all: bool) {
        let mut held = self.lock();
        held.handout.left(link);
        if let Some(source) = held.takers.remove(&link).filter(|_| all) {
            self.company.remember(source, true);
        }
        held.flush();
        drop(held);
        self.notify();
    }

    /// Who fetches besides this one, or may have pieces, each once, where it can be dialled.
    pub fn others(&self, link: Link) -> Vec<Source> {
        let held = self.lock();
        let me = held.takers.get(&link).map(|source| source.peer);
        held.known(&self.company, me)
    }

    /// Somebody cannot be served now: who fetches, or may have pieces, may serve it. It is named to others, for then it will
    /// have some.
    pub fn turn_away(&self, source: Source) -> Vec<Source> {
        let others = self.lock().known(&self.company, Some(source.peer));
        self.company.remember(source, false);
        self.notify();
        others
    }

    /// The next piece that the author chooses for somebody who fetches. What those who left with everything can give to several
    /// is theirs to give; one alone has it soonest from the author.
    pub fn choose(&self, link: Link) -> Option<u32> {
        let mut held = self.lock();
        if held.takers.len() > 1 && self.company.has_all() { None } else { held.handout.next(link) }
    }

    /// What is to be hashed before the leaf of a chunk is known; waits while another thread hashes this file.
    pub fn turn(&self, chunk: &ChunkOf) -> Turn {
        let mut held = self.lock();
        loop {
            if held.leaves.get(chunk.leaf).is_some() {
                return Turn::Known;
            }
            if held.hashing.insert(chunk.file) {
                break;
            }
            held = self.hashed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        let mut leaf = chunk.leaf;
        let first = chunk.leaf - chunk.index;
        while leaf > first && held.leaves.get(leaf - 1).is_none() {
            leaf -= 1;
        }
        let from = if leaf == first { START } else { held.leaves.get(leaf - 1).unwrap_or(START) };
        Turn::Hash { leaf, from }
    }

    /// Lets others hash on where a turn ended, well or not.
    pub fn pass_on(&self, file: u32) {
        self.lock().hashing.remove(&file);
        self.hashed.notify_all();
    }

    /// The leaf of a chunk that the author just read from the file on disk with this id.
    pub fn note(&self, file: u32, id: u64, leaf: u32, value: Leaf) {
        self.note_files(&[(file, id, leaf, value)]);
    }

    /// The same of several: file, id, leaf, and its value.
    pub fn note_files(&self, new: &[(u32, u64, u32, Leaf)]) {
        let mut held = self.lock();
        for (file, id, leaf, value) in new {
            let other = held.ids.insert(*file, *id) != Some(*id);
            held.leaves.learn(*leaf, *value);
            if let Some(record) = &mut held.record {
                if other {
                    record.add(&Record::Source { file: *file, id: *id });
                }
                record.add(&Record::leaves(*leaf, &[*value]));
            }
        }
        let pages: BTreeSet<u32> = new.iter().map(|(_, _, leaf, _)| leaf / PAGE_LEAVES).collect();
        self.sign(&mut held, pages.into_iter());
        if held.record.as_ref().is_some_and(Journal::is_heavy) {
            held.flush();
        }
        drop(held);
        self.notify();
    }

    /// Signs what is complete, apart from files that cannot be read.
    fn sign(&self, held: &mut Held, pages: impl Iterator<Item = u32>) {
        let Origin::Own(Some(signer)) = &self.origin else { return };
        for page in pages {
            let range = self.layout.page(page);
            let failed = held.failed.keys().map(|file| self.layout.leaves_of_file(*file));
            let lost: usize = failed.map(|leaves| overlap(&leaves, &range)).sum();
            let known = range.clone().filter(|leaf| held.leaves.get(*leaf).is_some()).count();
            if held.leaves.signature(page).is_some() || known + lost < range.len() {
                continue;
            }
            let leaves = held.leaves.slice(range).as_flattened();
            let signature = sign_page(signer, &self.manifest, page, leaves);
            held.leaves.sign(page, signature);
            if let Some(record) = &mut held.record {
                record.add(&Record::Signed { page, signature });
            }
        }
    }

    /// A file cannot be read, or not as it was offered: what was known of it holds no longer.
    pub fn fail(&self, file: u32, failure: Failure) {
        let mut held = self.lock();
        if held.failed.insert(file, failure).is_none() {
            tracing::info!(file = %self.list.name(file), ?failure, "a file that was offered cannot be sent");
        }
        self.forget(&mut held, file);
        let pieces = self.layout.pieces_of(file);
        if pieces.len() > 1 {
            pieces.for_each(|piece| held.handout.set_void(piece, true));
        }
        drop(held);
        self.notify();
    }

    fn forget(&self, held: &mut Held, file: u32) {
        let leaves = self.layout.leaves_of_file(file);
        if leaves.clone().all(|leaf| held.leaves.get(leaf).is_none()) {
            return;
        }
        held.leaves.forget(leaves);
        held.ids.remove(&file);
        if let Some(record) = &mut held.record {
            record.add(&Record::Forget { file });
        }
    }

    /// Looks again at files that could not be read: somebody who comes for them may find them.
    pub fn reconsider(&self) {
        let failed: Vec<u32> = self.lock().failed.keys().copied().collect();
        for file in failed {
            if self.open(file).is_ok() {
                let mut held = self.lock();
                held.failed.remove(&file);
                // A page that was signed without it is signed again with it.
                held.leaves.forget(self.layout.leaves_of_file(file));
                self.layout.pieces_of(file).for_each(|piece| held.handout.set_void(piece, false));
            }
        }
    }

    /// Opens a file to read it, as it was offered.
    pub fn open(&self, file: u32) -> Result<(File, u64), Failure> {
        let mut held = self.lock();
        while matches!(held.place, Place::Moving) {
            held = self.hashed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        let place = held.place.clone();
        drop(held);
        let sources = match place {
            Place::Final(sources) => sources,
            Place::Staged(tree) => {
                return tree.read(file).map(|file| (file, 0)).map_err(|_| Failure::SourceGone);
            }
            Place::Moving => return Err(Failure::SourceGone),
        };
        let item = self.list.item(file);
        let opened = sources.open(file, &item).map_err(|_| Failure::SourceGone)?;
        let about = opened.metadata().map_err(|_| Failure::SourceGone)?;
        self.unchanged(file, &about)?;
        let id = id_of(&about);
        if self.is_own() {
            let mut held = self.lock();
            if held.ids.get(&file).is_some_and(|known| *known != id) {
                self.forget(&mut held, file);
            }
        }
        Ok((opened, id))
    }

    /// Whether what was read from an open file is what was offered.
    pub fn still_holds(&self, file: u32, opened: &File) -> Result<(), Failure> {
        if !matches!(self.lock().place, Place::Final(_)) {
            return Ok(());
        }
        let about = opened.metadata().map_err(|_| Failure::SourceGone)?;
        self.unchanged(file, &about)
    }

    /// Whether the file is as it was surveyed: then what is read is what was offered.
    fn unchanged(&self, file: u32, about: &Metadata) -> Result<(), Failure> {
        let (size, modified) = (self.layout.size(file), self.list.modified(file));
        let same = about.is_file() && about.len() == size && modified_of(about) == modified;
        if same { Ok(()) } else { Err(Failure::SourceChanged) }
    }

    /// A piece that was here is not what it was.
    pub fn lose(&self, piece: u32) {
        self.lock().have.remove(piece);
    }

    /// The digest of [`lanyard_proto::transfer::PullEnd::Complete`], if all files have been hashed.
    pub fn digest(&self) -> Option<[u8; 32]> {
        let held = self.lock();
        let sums: Option<Vec<State>> =
            (0..self.layout.files()).map(|file| held.leaves.get(self.layout.sum_of(file))).collect();
        sums.map(|sums| digest_of(&sums))
    }

    /// The digest of [`lanyard_proto::transfer::Part`] for these files, if all of them have been hashed.
    pub fn part_digest(&self, files: &Bitmap) -> Option<[u8; 32]> {
        let held = self.lock();
        let sums: Option<Vec<(u32, State)>> =
            files.iter().map(|file| Some((file, held.leaves.get(self.layout.sum_of(file))?))).collect();
        sums.map(|sums| part_digest_of(&self.manifest, sums))
    }

    /// Whoever wants to read waits until [`Holding::stay`].
    pub fn set_moving(&self) {
        self.lock().place = Place::Moving;
    }

    /// The files are here from now on.
    pub fn stay(&self, place: Place) {
        self.lock().place = place;
        self.hashed.notify_all();
    }
}

impl Held {
    /// Whoever but this one fetches or may have pieces, each once: as many as can be named.
    fn known(&self, company: &Company, me: Option<PeerId>) -> Vec<Source> {
        let mut seen = BTreeSet::new();
        let known = self.takers.values().cloned().chain(company.sources()).filter(|source| {
            Some(source.peer) != me && !source.addresses.is_empty() && seen.insert(source.peer)
        });
        known.take(MAX_PEERS).collect()
    }

    /// Lets the next run know what was hashed. It can be hashed again, so no more than that is promised.
    fn flush(&mut self) {
        if let Some(record) = &mut self.record
            && let Err(error) = record.flush()
        {
            tracing::debug!(%error, "what was hashed is not written down");
            self.record = None;
        }
    }
}

fn overlap(one: &std::ops::Range<u32>, other: &std::ops::Range<u32>) -> usize {
    (one.start.max(other.start)..one.end.min(other.end)).len()
}

/// Tells a file from another one that took its name, size and date. Where the system has no numbers for files, it cannot.
#[cfg(unix)]
pub(super) fn id_of(about: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    about.ino() ^ about.dev().rotate_left(48)
}

#[cfg(not(unix))]
pub(super) fn id_of(_: &Metadata) -> u64 {
    1
}
