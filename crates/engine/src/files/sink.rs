//! The threads that verify what arrives and write it. Pieces stand alone, so several threads take them as they come.

use std::sync::{Arc, Mutex, PoisonError};

use lanyard_proto::transfer::{ChunkOf, Failure, Leaf, Link, Piece};
use lanyard_proto::wire::file::{BundlePart, Data, Frame, PieceFrame};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::hash::{ChainHasher, START, State, ZEROS, all_zero};
use super::positions::{read_up_to_at, write_all_at};
use super::refusal::concerns_one;
use super::staging::{PullError, Staging};
use super::stream::{Block, Buffers};
use super::tree::{Content, LastFolder};
use crate::saying;
use crate::saying::{Saying, Says};

/// Whole frames that arrived from somebody.
pub(super) struct Arrived {
    pub link: Link,
    /// Whether this is the author, who alone may leave files out.
    pub author: bool,
    pub block: Block,
}

/// What came of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is on disk.
    Here,
    /// It was here before.
    Known,
    /// It is on disk without files that the author cannot read, or that are not wanted.
    Partial,
    /// The disk refuses its file, of which nothing more is wanted.
    Refused,
    /// It is not what it should be.
    Damaged,
    /// It cannot be what was asked for.
    Nonsense(Saying),
}

/// What a sink has to say.
#[derive(Debug)]
pub(super) enum Sunk {
    Piece {
        link: Link,
        piece: u32,
        outcome: Outcome,
    },
    /// The disk does not do what it must.
    Broken(PullError),
}

pub(super) struct Sink {
    pub staging: Arc<Staging>,
    pub arriving: Arc<Mutex<mpsc::Receiver<Arrived>>>,
    pub buffers: Buffers,
    pub said: mpsc::Sender<Sunk>,
}

impl Sink {
    /// Runs until nothing more arrives.
    pub fn run(self) {
        let mut last = LastFolder::default();
        loop {
            // Whoever waits for the next block holds the lock, and the other threads wait for that.
            let next = self.arriving.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
            let Some(Arrived { link, author, block }) = next else { return };
            if let Err(broken) = self.block(link, author, &block, &mut last) {
                let _ = self.said.blocking_send(Sunk::Broken(broken));
                return;
            }
            self.buffers.give_back(block.bytes);
        }
    }

    fn block(&self, link: Link, author: bool, block: &Block, last: &mut LastFolder) -> Result<(), PullError> {
        let mut outcomes = Vec::new();
        for frame in block.frames() {
            // What is no frame was seen where it was received.
            let Ok(Frame::Piece(frame)) = frame else { continue };
            let outcome = self.staging.take(&frame, author, last)?;
            outcomes.push(Sunk::Piece { link, piece: frame.piece, outcome });
        }
        self.staging.flush()?;
        for said in outcomes {
            // Nobody listens where the pull is over.
            let _ = self.said.blocking_send(said);
        }
        Ok(())
    }
}

impl Staging {
    /// Verifies a piece and writes it.
    pub fn take(
        &self,
        frame: &PieceFrame<'_>,
        author: bool,
        last: &mut LastFolder,
    ) -> Result<Outcome, PullError> {
        let piece = frame.piece;
        if piece >= self.holding.layout.pieces() {
            return Ok(Outcome::Nonsense(saying!("a piece that does not exist")));
        }
        if self.holding.lock().have.has(piece) {
            return Ok(Outcome::Known);
        }
        match self.holding.layout.piece(piece) {
            Piece::Chunk(_) if !frame.lacking.is_empty() => {
                Ok(Outcome::Nonsense(saying!("a chunk without its file")))
            }
            Piece::Chunk(chunk) => self.take_chunk(piece, &chunk, &frame.data, last),
            Piece::Bundle { files, leaf, .. } => {
                let lacks = |file: u32| frame.lacking.binary_search(&((file - files.start) as u16)).is_ok();
                if !author && files.clone().any(|file| lacks(file) && self.is_wanted(file)) {
                    return Ok(Outcome::Nonsense(saying!("a piece that is not whole")));
                }
                self.take_bundle(frame, files, leaf, last)
            }
        }
    }

    pub fn take_chunk(
        &self,
        piece: u32,
        chunk: &ChunkOf,
        data: &Data<'_>,
        last: &mut LastFolder,
    ) -> Result<Outcome, PullError> {
        let (before, behind) = {
            let held = self.holding.lock();
            (chunk.before().map_or(Some(START), |leaf| held.leaves.get(leaf)), held.leaves.get(chunk.leaf))
        };
        let (Some(before), Some(behind)) = (before, behind) else {
            return Ok(Outcome::Nonsense(saying!("a piece that cannot be checked")));
        };
        let bytes = match data {
            Data::Bytes(bytes) if bytes.len() == chunk.length as usize => *bytes,
            Data::Bytes(_) => return Ok(Outcome::Nonsense(saying!("a piece of another length"))),
            Data::Zeros => &ZEROS[..chunk.length as usize],
        };
        let mut hasher = ChainHasher::resume(before, u64::from(chunk.index));
        let state = if chunk.last { hasher.finish(bytes) } else { hasher.chunk(bytes) };
        if state != behind {
            self.tell_of_damage(chunk.file, &behind, &state);
            return Ok(Outcome::Damaged);
        }
        let write = |file: Arc<std::fs::File>| {
            let _turn = self.turn(chunk.file);
            match data {
                Data::Bytes(bytes) => write_all_at(&file, bytes, chunk.offset()),
                Data::Zeros => leave_zeros(&file, bytes.len(), chunk.offset()),
            }
        };
        match self.file_for_chunks(chunk.file, last).and_then(write) {
            Err(error) if concerns_one(&error) => {
                self.refuse(chunk.file, &error);
                return Ok(Outcome::Refused);
            }
            written => written.map_err(|error| self.unwritten(error))?,
        }
        self.piece_is_here(piece, chunk.file..chunk.file + 1)?;
        Ok(Outcome::Here)
    }

    fn take_bundle(
        &self,
        frame: &PieceFrame<'_>,
        files: std::ops::Range<u32>,
        leaf: u32,
        last: &mut LastFolder,
    ) -> Result<Outcome, PullError> {
        let Data::Bytes(mut rest) = frame.data else {
            return Ok(Outcome::Nonsense(saying!("a bundle of zeros")));
        };
        let sums: Vec<Leaf> = {
            let held = self.holding.lock();
            held.leaves.slice(leaf..leaf + files.len() as u32).to_vec()
        };
        let lacks = |file: u32| frame.lacking.binary_search(&((file - files.start) as u16)).is_ok();
        let here = files.clone().filter(|file| !lacks(*file));
        if rest.len() as u64 != here.map(|file| self.holding.layout.size(file)).sum::<u64>() {
            return Ok(Outcome::Nonsense(saying!("a piece of another length")));
        }
        let mut contents = Vec::with_capacity(files.len());
        for (file, sum) in files.clone().zip(&sums).filter(|(file, _)| !lacks(*file)) {
            let (content, behind) = rest.split_at(self.holding.layout.size(file) as usize);
            rest = behind;
            let found = Sha256::digest(content).into();
            if found != *sum {
                self.tell_of_damage(file, sum, &found);
                return Ok(Outcome::Damaged);
            }
            contents.push((file, content));
        }
        contents.retain(|(file, _)| self.is_wanted(*file));
        let mut written = Vec::with_capacity(contents.len());
        for (file, content) in contents {
            match self.write_small(file, content, last) {
                Err(error) if concerns_one(&error) => self.refuse(file, &error),
                done => {
                    done.map_err(|error| self.unwritten(error))?;
                    written.push(file);
                }
            }
        }
        let whole = {
            let state = self.lock();
            files.clone().all(|file| state.whole.has(file) || written.binary_search(&file).is_ok())
        };
        if whole {
            self.piece_is_here(frame.piece, files)?;
            return Ok(Outcome::Here);
        }
        self.files_are_here(frame.piece, written)?;
        Ok(Outcome::Partial)
    }

    /// Whether a file is wanted, and not whole.
    fn is_wanted(&self, file: u32) -> bool {
        let state = self.lock();
        self.plan.files[file as usize].chosen && !state.whole.has(file) && !state.refused.contains_key(&file)
    }

    /// The disk does not take a file: it fails alone.
    fn refuse(&self, file: u32, error: &std::io::Error) {
        self.holding.lock().failed.insert(file, Failure::Unwritable);
        let first = self.lock().refused.insert(file, error.filling()).is_none();
        if first {
            let name = self.holding.list.name(file);
            tracing::info!(%name, %error, "the disk refuses a file");
        }
    }

    /// What is to be asked for of a piece: `None` for all of it.
    pub fn wanted_of(&self, piece: u32) -> Option<BundlePart> {
        let Piece::Bundle { files, .. } = self.holding.layout.piece(piece) else { return None };
        let wanted: Vec<u16> = files
            .clone()
            .filter(|file| self.is_wanted(*file))
            .map(|file| (file - files.start) as u16)
            .collect();
        (wanted.len() < files.len()).then(|| BundlePart::new(piece, wanted))
    }

    fn write_small(&self, number: u32, content: &[u8], last: &mut LastFolder) -> std::io::Result<()> {
        let file = self.tree.write(number, Content::Discarded, last)?;
        if !content.is_empty() {
            write_all_at(&file, content, 0)?;
        }
        self.end(&file, number)
    }

    fn tell_of_damage(&self, file: u32, expected: &State, found: &State) {
        let hex = |state: &State| data_encoding::HEXLOWER.encode(state);
        let name = self.holding.list.name(file);
        tracing::warn!(%name, expected = hex(expected), found = hex(found), "a piece arrived damaged");
    }
}

/// What was never written is a hole; what an earlier pull left there unverified is not.
fn leave_zeros(file: &std::fs::File, length: usize, at: u64) -> std::io::Result<()> {
    let mut there = vec![0; length];
    let read = read_up_to_at(file, &mut there, at)?;
    if all_zero(&there[..read]) { Ok(()) } else { write_all_at(file, &ZEROS[..length], at) }
}
