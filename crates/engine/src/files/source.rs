//! The holder's reading side: opens what is wanted, hashes what was not hashed before, and packs frames into reused buffers.
//!
//! Runs on a thread that may block. Few blocks may wait to be written, so a slow receiver stops the disk. Everything that
//! a receiver is told goes through here, so that leaves always come before the pieces that they are for.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::sync::Arc;

use lanyard_proto::transfer::{Bitmap, ChunkOf, Failure, Link, PAGE_LEAVES, Piece};
use lanyard_proto::wire::file::{
    BundlePart, CHUNK_BYTES, Data, Frame, Leaves, MAX_GOT, MAX_LEAVES, MAX_PIECE_HEAD, PieceFrame, Want,
};
use tokio::sync::mpsc;

use super::hash::{ChainHasher, State, all_zero};
use super::holding::{Holding, Turn};
use super::positions::read_up_to_at;
use super::stream::{Block, Buffers};
use bundles::Doubt;

mod bundles;

/// Room before the data of a piece for its head, and for all leaves that it needs.
const HEAD_ROOM: usize = MAX_PIECE_HEAD + 2 * MAX_LEAVES * 32;

/// Bytes of a block: one piece, or news.
pub(super) const BLOCK: usize = HEAD_ROOM + CHUNK_BYTES;

/// Chunks that are hashed but not sent, between two signs of life.
const SILENT_CHUNKS: u32 = 64;

/// Files that are kept open: as many as a receiver may fetch from in turn.
const OPEN_FILES: usize = 8;

/// Pieces that a receiver may want at a time; who wants more does not follow the protocol.
const MAX_QUEUED: usize = 256;

/// Credit is no larger than this, whatever is asked.
const MAX_CREDIT: u32 = 1024;

/// What the thread is told.
pub(super) enum Order {
    Want(Want),
    /// The receiver has these pieces.
    Has(Bitmap),
    Got(Vec<u32>),
    /// Something may be new.
    Look,
}

/// Why reading ended before everything wanted was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SourceEnd {
    /// The receiver is gone.
    Gone,
    /// The receiver wants what does not exist, or too much.
    Nonsense,
}

/// Reads what is wanted until nobody wants anything any more.
pub(super) struct Source {
    holding: Arc<Holding>,
    link: Link,
    queue: VecDeque<Wanted>,
    hashes: VecDeque<u32>,
    credit: u32,
    told: Told,
    open: VecDeque<(u32, Arc<File>, u64)>,
    buffers: Buffers,
    blocks: mpsc::Sender<Outgoing>,
}

/// A piece that was asked for by number, or some files of it.
enum Wanted {
    Piece(u32),
    Part(BundlePart),
}

/// What a receiver was told already.
struct Told {
    leaves: Bitmap,
    pages: BTreeSet<u32>,
    have: Bitmap,
    failed: BTreeSet<u32>,
    peers: Vec<lanyard_proto::wire::file::Source>,
    spread: bool,
    /// Pieces that were sent: whoever wants one again got it damaged.
    sent: Bitmap,
}

/// Bytes to be written, and what they bring.
pub(super) struct Outgoing {
    pub block: Block,
    pub piece: Option<u32>,
}

impl Source {
    /// Buffers of [`BLOCK`] bytes come out through `blocks` and are given back by whoever writes them.
    pub fn new(
        holding: Arc<Holding>,
        link: Link,
        buffers: Buffers,
        blocks: mpsc::Sender<Outgoing>,
    ) -> Source {
        let (pieces, leaves) = (holding.layout.pieces(), holding.layout.leaves());
        let told = Told {
            leaves: Bitmap::new(leaves),
            pages: BTreeSet::new(),
            have: Bitmap::new(pieces),
            failed: BTreeSet::new(),
            peers: Vec::new(),
            spread: false,
            sent: Bitmap::new(pieces),
        };
        let (queue, hashes, open) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Source { holding, link, queue, hashes, credit: 0, told, open, buffers, blocks }
    }

    /// Serves until there will be no more orders.
    pub fn run(mut self, mut orders: mpsc::Receiver<Order>) -> Result<(), SourceEnd> {
        self.greet()?;
        loop {
            while let Ok(order) = orders.try_recv() {
                self.order(order)?;
            }
            if let Some(wanted) = self.queue.pop_front() {
                match wanted {
                    Wanted::Piece(piece) => self.again(piece)?,
                    Wanted::Part(part) => self.part(&part)?,
                }
            } else if let Some(piece) = self.chosen() {
                // What cannot be read is made up for by another piece.
                self.credit += u32::from(self.piece(piece)? == Sent::No);
            } else if let Some(piece) = self.hashes.pop_front() {
                self.only_leaves(piece)?;
            } else {
                self.say_spread()?;
                let Some(order) = orders.blocking_recv() else { return Ok(()) };
                self.order(order)?;
            }
        }
    }

    fn order(&mut self, order: Order) -> Result<(), SourceEnd> {
        let pieces = self.holding.layout.pieces();
        match order {
            Order::Want(want) => {
                let Want { pieces: wanted, any, leaves, parts } = want;
                let mut all = wanted.iter().chain(&leaves).chain(parts.iter().map(|part| &part.piece));
                let more = wanted.len() + leaves.len() + parts.len();
                if all.any(|piece| *piece >= pieces)
                    || self.queue.len() + self.hashes.len() + more > MAX_QUEUED
                {
                    return Err(SourceEnd::Nonsense);
                }
                self.queue.extend(parts.into_iter().map(Wanted::Part));
                self.queue.extend(wanted.into_iter().map(Wanted::Piece));
                self.hashes.extend(leaves);
                self.credit = self.credit.saturating_add(any).min(MAX_CREDIT);
                Ok(())
            }
            Order::Has(has) => {
                let mut held = self.holding.lock();
                has.iter().for_each(|piece| held.handout.has(self.link, piece));
                Ok(())
            }
            Order::Got(got) => {
                let mut held = self.holding.lock();
                let got = got.into_iter().filter(|piece| *piece < pieces);
                got.for_each(|piece| held.handout.has(self.link, piece));
                Ok(())
            }
            Order::Look => self.news(),
        }
    }

    /// The next piece that the author chooses.
    fn chosen(&mut self) -> Option<u32> {
        if self.credit == 0 || !self.holding.is_own() {
            return None;
        }
        let piece = self.holding.choose(self.link)?;
        self.credit -= 1;
        self.told.spread = false;
        Some(piece)
    }

    fn say_spread(&mut self) -> Result<(), SourceEnd> {
        if self.credit == 0 || self.told.spread || !self.holding.is_own() {
            return Ok(());
        }
        self.told.spread = true;
        // What was asked for is not owed any longer: from now on the receiver asks by number.
        self.credit = 0;
        self.say(&Frame::Spread)
    }

    /// What a receiver must know before anything else.
    fn greet(&mut self) -> Result<(), SourceEnd> {
        if !self.holding.is_own() {
            let have = self.holding.lock().have.clone();
            let bits = have.to_bytes();
            self.told.have = have;
            self.say(&Frame::Have { bits: &bits })?;
        }
        self.news()
    }

    /// Tells what is new since it last was: leaves, signed pages, pieces, files that failed, who else fetches.
    fn news(&mut self) -> Result<(), SourceEnd> {
        let own = self.holding.is_own();
        while let Some((first, leaves)) = self.new_leaves(own) {
            self.say(&Frame::Leaves(Leaves { first, leaves: leaves.as_flattened(), signature: None }))?;
        }
        while let Some((page, leaves, signature)) = self.new_page() {
            let first = self.holding.layout.page(page).start;
            let known = own && (first..first + leaves.len() as u32).all(|leaf| self.told.leaves.has(leaf));
            let leaves = if known { &[] } else { leaves.as_flattened() };
            self.say(&Frame::Leaves(Leaves { first, leaves, signature: Some(signature) }))?;
        }
        while let Some(pieces) = self.new_pieces(own) {
            self.say(&Frame::Got { pieces })?;
        }
        self.failures()?;
        let peers = self.holding.others(self.link);
        if own && peers != self.told.peers {
            self.told.peers.clone_from(&peers);
            self.say(&Frame::Peers(peers))?;
        }
        Ok(())
    }

    fn new_leaves(&mut self, own: bool) -> Option<(u32, Vec<State>)> {
        if !own {
            return None;
        }
        let held = self.holding.lock();
        let first = held.leaves.known().without(&self.told.leaves).next()?;
        let is_new = |leaf: &u32| held.leaves.known().has(*leaf) && !self.told.leaves.has(*leaf);
        let count = (first..).take(MAX_LEAVES).take_while(is_new).count() as u32;
        let leaves = held.leaves.slice(first..first + count).to_vec();
        drop(held);
        (first..first + count).for_each(|leaf| _ = self.told.leaves.insert(leaf));
        Some((first, leaves))
    }

    fn new_page(&mut self) -> Option<(u32, Vec<State>, [u8; 64])> {
        let held = self.holding.lock();
        let page = held.leaves.signed().find(|page| !self.told.pages.contains(page))?;
        self.told.pages.insert(page);
        let leaves = held.leaves.slice(self.holding.layout.page(page)).to_vec();
        Some((page, leaves, *held.leaves.signature(page)?))
    }

    fn new_pieces(&mut self, own: bool) -> Option<Vec<u32>> {
        if own {
            return None;
        }
        let pieces: Vec<u32> = self.holding.lock().have.without(&self.told.have).take(MAX_GOT).collect();
        pieces.iter().for_each(|piece| _ = self.told.have.insert(*piece));
        (!pieces.is_empty()).then_some(pieces)
    }

    /// Says by name which files cannot be read.
    fn failures(&mut self) -> Result<(), SourceEnd> {
        let held = self.holding.lock();
        if !self.holding.is_own() || held.failed.len() == self.told.failed.len() {
            return Ok(());
        }
        let failed = held.failed.clone();
        drop(held);
        // What can be read again is told again if it fails again.
        self.told.failed.retain(|file| failed.contains_key(file));
        for (file, failure) in failed {
            if self.told.failed.insert(file) {
                self.say(&Frame::FileFailed { file, failure })?;
            }
        }
        Ok(())
    }

    /// A piece that was asked for by number. If it was sent before, it is looked at: what is damaged here is not sent.
    fn again(&mut self, piece: u32) -> Result<(), SourceEnd> {
        if self.told.sent.has(piece) && !self.is_sound(piece) {
            tracing::warn!(piece, "a piece is not what it was when it was hashed");
            if !self.holding.is_own() {
                self.holding.lose(piece);
                return Ok(());
            }
            let file = match self.holding.layout.piece(piece) {
                Piece::Chunk(chunk) => chunk.file,
                Piece::Bundle { files, .. } => files.start,
            };
            self.holding.fail(file, Failure::SourceChanged);
            return self.failures();
        }
        if !self.holding.is_own() && !self.holding.lock().have.has(piece) {
            // It was lost since it was said to be here; whoever waits for it asks somebody else.
            return Ok(());
        }
        self.holding.lock().handout.has(self.link, piece);
        self.piece(piece).map(drop)
    }

    /// Whether a piece is still what its leaves say.
    fn is_sound(&mut self, piece: u32) -> bool {
        // Files of bundles are hashed one by one when they are sent again.
        let Piece::Chunk(chunk) = self.holding.layout.piece(piece) else { return true };
        let mut buffer = self.buffers.take();
        let data = &mut buffer[..chunk.length as usize];
        let sound = self.read_chunk(&chunk, data).is_ok() && self.matches(&chunk, data);
        self.buffers.give_back(buffer);
        sound
    }

    fn matches(&self, chunk: &ChunkOf, data: &[u8]) -> bool {
        let held = self.holding.lock();
        let before = chunk.before().map_or(Some(super::hash::START), |leaf| held.leaves.get(leaf));
        let behind = held.leaves.get(chunk.leaf);
        drop(held);
        let Some(before) = before else { return true };
        let state = state_behind(before, chunk, data);
        behind.is_none_or(|behind| behind == state)
    }

    fn piece(&mut self, piece: u32) -> Result<Sent, SourceEnd> {
        let sent = match self.holding.layout.piece(piece) {
            Piece::Chunk(chunk) => self.chunk(piece, &chunk),
            Piece::Bundle { files, leaf, length } => {
                self.bundle(piece, files, leaf, length as usize, |_| true)
            }
        };
        self.told.sent.insert(piece);
        match sent {
            Err(Broken::Failed(file, failure)) => {
                self.holding.fail(file, failure);
                self.failures()?;
                Ok(Sent::No)
            }
            Err(Broken::End(end)) => Err(end),
            Ok(sent) => Ok(sent),
        }
    }

    fn only_leaves(&mut self, piece: u32) -> Result<(), SourceEnd> {
        if !self.holding.is_own() {
            return Ok(());
        }
        let mut buffer = self.buffers.take();
        let hashed = match self.holding.layout.piece(piece) {
            Piece::Chunk(chunk) => self.hash_to(&chunk, &mut buffer).map(drop),
            Piece::Bundle { files, leaf, length } => {
                self.read_files(files, leaf, &mut buffer[..length as usize], Doubt::Trusted, |_| true);
                Ok(())
            }
        };
        self.buffers.give_back(buffer);
        match hashed {
            Err(Broken::Failed(file, failure)) => self.holding.fail(file, failure),
            Err(Broken::End(end)) => return Err(end),
            Ok(()) => {}
        }
        self.news()
    }

    fn chunk(&mut self, piece: u32, chunk: &ChunkOf) -> Result<Sent, Broken> {
        if self.holding.is_own() && self.holding.lock().failed.contains_key(&chunk.file) {
            self.failures()?;
            return Ok(Sent::No);
        }
        let mut buffer = self.buffers.take();
        let read = self.holding.is_own() && self.hash_to(chunk, &mut buffer)?;
        let room = HEAD_ROOM..HEAD_ROOM + chunk.length as usize;
        if !read {
            self.read_chunk(chunk, &mut buffer[room.clone()])?;
        }
        let zeros = all_zero(&buffer[room]);
        self.send(piece, buffer, chunk.length as usize, Vec::new(), zeros)?;
        Ok(Sent::Yes)
    }

    /// Hashes a file up to a chunk, as far as nobody did before. Whether the chunk is in the buffer now.
    fn hash_to(&mut self, chunk: &ChunkOf, buffer: &mut [u8]) -> Result<bool, Broken> {
        let leaves = self.holding.layout.leaves_of_file(chunk.file);
        let (first, sum) = (leaves.start, leaves.end - 1);
        let mut silent = 0u32;
        // An open file may be another one by now, whose leaves are to be forgotten.
        let (_, id) = self.open(chunk.file)?;
        while let Turn::Hash { leaf, from } = self.holding.turn(chunk) {
            let last = leaf == sum;
            let index = leaf - first;
            let left = self.holding.layout.size(chunk.file) - u64::from(index) * CHUNK_BYTES as u64;
            let length = left.min(CHUNK_BYTES as u64) as u32;
            let hashed = ChunkOf { leaf, index, length, last, ..*chunk };
            let room = &mut buffer[HEAD_ROOM..HEAD_ROOM + length as usize];
            let read = self.read_chunk(&hashed, room);
            if read.is_ok() {
                self.holding.note(chunk.file, id, leaf, state_behind(from, &hashed, room));
            }
            self.holding.pass_on(chunk.file);
            read?;
            if leaf == chunk.leaf {
                return Ok(true);
            }
            silent += 1;
            if silent.is_multiple_of(SILENT_CHUNKS) {
                self.say(&Frame::Alive)?;
            }
        }
        Ok(false)
    }

    fn read_chunk(&mut self, chunk: &ChunkOf, into: &mut [u8]) -> Result<(), Broken> {
        let broken = |failure| Broken::Failed(chunk.file, failure);
        let (file, _) = self.open(chunk.file)?;
        let read = read_up_to_at(&file, into, chunk.offset()).map_err(|_| broken(Failure::SourceGone))?;
        if read < into.len() {
            return Err(broken(Failure::SourceChanged));
        }
        // What was read must be of the file that was offered.
        self.holding.still_holds(chunk.file, &file).map_err(broken)
    }

    fn bundle(
        &mut self,
        piece: u32,
        files: std::ops::Range<u32>,
        leaf: u32,
        length: usize,
        wanted: impl Fn(u16) -> bool,
    ) -> Result<Sent, Broken> {
        let mut buffer = self.buffers.take();
        let doubt = if self.told.sent.has(piece) { Doubt::Doubted } else { Doubt::Trusted };
        let room = &mut buffer[HEAD_ROOM..HEAD_ROOM + length];
        let (filled, lacking) = self.read_files(files, leaf, room, doubt, &wanted);
        if lacking.iter().any(|file| wanted(*file)) {
            if !self.holding.is_own() {
                self.holding.lose(piece);
                self.buffers.give_back(buffer);
                return Ok(Sent::No);
            }
            self.failures()?;
        }
        self.send(piece, buffer, filled, lacking, false)?;
        Ok(Sent::Yes)
    }

    /// Lets a piece go, with the leaves that it needs and its head before its data.
    fn send(
        &mut self,
        piece: u32,
        mut buffer: Vec<u8>,
        length: usize,
        lacking: Vec<u16>,
        zeros: bool,
    ) -> Result<(), SourceEnd> {
        let mut head = Vec::with_capacity(HEAD_ROOM);
        if self.holding.is_own() {
            self.put_leaves(piece, &mut head);
        }
        let data = if zeros { Data::Zeros } else { Data::Bytes(&buffer[HEAD_ROOM..HEAD_ROOM + length]) };
        let whole = lacking.is_empty();
        PieceFrame { piece, lacking, data }.encode_head(&mut head);
        let start = HEAD_ROOM - head.len();
        buffer[start..HEAD_ROOM].copy_from_slice(&head);
        let end = HEAD_ROOM + if zeros { 0 } else { length };
        let block = Block { bytes: buffer, start, end };
        self.blocks
            .blocking_send(Outgoing { block, piece: whole.then_some(piece) })
            .map_err(|_| SourceEnd::Gone)
    }

    /// What a receiver needs to check a piece, and what it needs to prove that to others.
    fn put_leaves(&mut self, piece: u32, head: &mut Vec<u8>) {
        let needed = self.holding.layout.needed_for(piece);
        let held = self.holding.lock();
        if !self.told.leaves.has_all(needed.clone()) {
            let leaves = held.leaves.slice(needed.clone()).as_flattened();
            Frame::Leaves(Leaves { first: needed.start, leaves, signature: None }).encode(head);
            for leaf in needed.clone().filter(|leaf| held.leaves.get(*leaf).is_some()) {
                self.told.leaves.insert(leaf);
            }
        }
        for page in needed.start / PAGE_LEAVES..=(needed.end - 1) / PAGE_LEAVES {
            let range = self.holding.layout.page(page);
            if let Some(signature) = held.leaves.signature(page)
                && self.told.leaves.has_all(range.clone())
                && self.told.pages.insert(page)
            {
                let signature = Some(*signature);
                Frame::Leaves(Leaves { first: range.start, leaves: &[], signature }).encode(head);
            }
        }
    }

    fn say(&mut self, frame: &Frame<'_>) -> Result<(), SourceEnd> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        let block = Block { start: 0, end: bytes.len(), bytes };
        self.blocks.blocking_send(Outgoing { block, piece: None }).map_err(|_| SourceEnd::Gone)
    }

    fn open(&mut self, file: u32) -> Result<(Arc<File>, u64), Broken> {
        if let Some((_, opened, id)) = self.open.iter().find(|(open, ..)| *open == file) {
            return Ok((opened.clone(), *id));
        }
        let (opened, id) = self.holding.open(file).map_err(|failure| Broken::Failed(file, failure))?;
        let opened = Arc::new(opened);
        if self.open.len() >= OPEN_FILES {
            self.open.pop_front();
        }
        self.open.push_back((file, opened.clone(), id));
        Ok((opened, id))
    }
}

fn state_behind(before: State, chunk: &ChunkOf, data: &[u8]) -> State {
    let mut hasher = ChainHasher::resume(before, u64::from(chunk.index));
    if chunk.last { hasher.finish(data) } else { hasher.chunk(data) }
}

/// Whether a piece went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Yes,
    No,
}

enum Broken {
    Failed(u32, Failure),
    End(SourceEnd),
}

impl From<SourceEnd> for Broken {
    fn from(end: SourceEnd) -> Broken {
        Broken::End(end)
    }
}
