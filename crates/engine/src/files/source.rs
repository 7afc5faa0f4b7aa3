//! The holder's reading side: opens what is wanted, hashes it in one pass, and packs frames into reused buffers.
//!
//! Runs on a thread that may block. Buffers come back through a channel, so a slow receiver stops the disk.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lanyard_proto::transfer::Failure;
use lanyard_proto::wire::file::{
    CHUNK_BYTES, Chunk, Data, FileDone, Frame, Item, ItemKind, MAX_CHUNK_HEAD, Span, Want,
};
use tokio::sync::mpsc;

use super::hash::{ChainHasher, State, all_zero, digest_of};
use super::manifest::modified_of;
use super::shelf::Offered;
use super::stream::{BLOCK_BYTES, Block};

/// Why reading ended before everything wanted was sent.
#[derive(Debug)]
pub(super) enum SourceEnd {
    /// The receiver is gone.
    Gone,
    /// The receiver wants what does not exist.
    Nonsense,
}

/// Reads what is wanted until nobody wants anything any more.
pub(super) struct Source {
    offered: Arc<Offered>,
    /// Where the next file is in the manifest, and its number.
    at: usize,
    next: u32,
    /// SHA-256 of the files that were sent whole, or hashed whole to be sent in part.
    hashed: Vec<State>,
    block: Block,
    spares: mpsc::Receiver<Vec<u8>>,
    blocks: mpsc::Sender<Block>,
}

/// Chunks that are hashed but not sent, between two signs of life.
const SILENT_CHUNKS: u32 = 64;

/// A block with this much in it goes out.
const FULL_ENOUGH: usize = 512 * 1024;

/// Room for the frames that end a file.
const END_BYTES: usize = 128;

impl Source {
    /// `spares` must hold buffers; each comes out through `blocks` and is given back by whoever writes it.
    pub fn new(
        offered: Arc<Offered>,
        spares: mpsc::Receiver<Vec<u8>>,
        blocks: mpsc::Sender<Block>,
    ) -> Source {
        Source { offered, at: 0, next: 0, hashed: Vec::new(), block: Block::default(), spares, blocks }
    }

    /// Serves every WANT in turn; ends well when there will be no more, with the digest of the offer if every file of it
    /// was hashed for them.
    pub fn run(mut self, mut wants: mpsc::Receiver<Want>) -> Result<Option<State>, SourceEnd> {
        while let Some(want) = wants.blocking_recv() {
            for span in want.spans {
                self.span(span)?;
            }
            self.flush()?;
        }
        let all = self.hashed.len() == self.next as usize && self.find(self.next).is_none();
        Ok(all.then(|| digest_of(&self.hashed)))
    }

    fn span(&mut self, span: Span) -> Result<(), SourceEnd> {
        let end = span.file.checked_add(span.files).ok_or(SourceEnd::Nonsense)?;
        // Nobody needs a file twice, and everybody who wants one would keep the disk busy with it.
        if span.file < self.next {
            return Err(SourceEnd::Nonsense);
        }
        let mut from = span.chunk;
        for file in span.file..end {
            let item = self.find(file).ok_or(SourceEnd::Nonsense)?;
            if from > 0 && u64::from(from) * CHUNK_BYTES as u64 >= item.size {
                return Err(SourceEnd::Nonsense);
            }
            self.file(file, &item, from)?;
            from = 0;
        }
        Ok(())
    }

    fn file(&mut self, number: u32, item: &Item, from: u32) -> Result<(), SourceEnd> {
        let path = self.path(number, item);
        match self.stream(number, item, &path, from) {
            Ok(sha256) => {
                self.hashed.push(sha256);
                self.frame(&Frame::FileDone(FileDone { file: number, size: item.size, sha256 }))
            }
            Err(Broken::End(end)) => Err(end),
            Err(Broken::Failed(failure)) => {
                tracing::debug!(?path, ?failure, "a file that was offered cannot be sent");
                self.frame(&Frame::FileFailed { file: number, failure })
            }
        }
    }

    /// Sends the chunks from `from` on, and gives the SHA-256 of the whole file.
    fn stream(&mut self, number: u32, item: &Item, path: &Path, from: u32) -> Result<[u8; 32], Broken> {
        let mut file = open(path).map_err(|_| Failure::SourceGone)?;
        let before = file.metadata().map_err(|_| Failure::SourceGone)?;
        unchanged(&before, item)?;
        let mut hasher = ChainHasher::new();
        let mut left = item.size;
        for index in 0.. {
            let size = left.min(CHUNK_BYTES as u64) as usize;
            let last = left == size as u64;
            let sent = index >= from && size > 0;
            let at = self.read(&mut file, size)?;
            let data = &self.block.bytes[at..at + size];
            let state = if last { hasher.clone().finish(data) } else { hasher.chunk(data) };
            if last {
                // Before the last chunk goes out: what was hashed must be one version of the file.
                let after = file.metadata().map_err(|_| Failure::SourceGone)?;
                unchanged(&after, item)?;
            }
            if sent {
                self.chunk(number, index, state, last, at, size)?;
            } else if index % SILENT_CHUNKS == SILENT_CHUNKS - 1 {
                self.frame(&Frame::Alive)?;
                self.flush()?;
            }
            if last {
                return Ok(state);
            }
            left -= size as u64;
        }
        unreachable!("a file has fewer chunks than there are numbers")
    }

    /// Reads exactly `size` bytes into the block, behind room for a head; gives where they are.
    fn read(&mut self, file: &mut File, size: usize) -> Result<usize, Broken> {
        if self.block.bytes.is_empty() || self.block.end + MAX_CHUNK_HEAD + size + END_BYTES > BLOCK_BYTES {
            self.flush()?;
            self.refill()?;
        }
        let at = self.block.end + MAX_CHUNK_HEAD;
        match file.read_exact(&mut self.block.bytes[at..at + size]) {
            Ok(()) => Ok(at),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Failure::SourceChanged.into()),
            Err(_) => Err(Failure::SourceGone.into()),
        }
    }

    /// Puts the head of a chunk before its data at `at`, and the two behind what the block holds.
    fn chunk(
        &mut self,
        file: u32,
        index: u32,
        state: [u8; 32],
        last: bool,
        at: usize,
        size: usize,
    ) -> Result<(), Broken> {
        let bytes = &mut self.block.bytes;
        let data = &bytes[at..at + size];
        let data = if all_zero(data) { Data::Zeros(size) } else { Data::Bytes(data) };
        let sent = if let Data::Bytes(bytes) = data { bytes.len() } else { 0 };
        let mut head = Vec::with_capacity(MAX_CHUNK_HEAD);
        Chunk { file, index, state, last, data }.encode_head(&mut head);
        if self.block.end == self.block.start {
            // The block is empty: let it begin later rather than move a megabyte.
            self.block.start = at - head.len();
            bytes[self.block.start..at].copy_from_slice(&head);
            self.block.end = at + sent;
        } else {
            let end = self.block.end;
            bytes[end..end + head.len()].copy_from_slice(&head);
            bytes.copy_within(at..at + sent, end + head.len());
            self.block.end = end + head.len() + sent;
        }
        if self.block.end - self.block.start >= FULL_ENOUGH {
            self.flush()?;
        }
        Ok(())
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), SourceEnd> {
        let mut bytes = Vec::with_capacity(END_BYTES);
        frame.encode(&mut bytes);
        if self.block.bytes.is_empty() || self.block.end + bytes.len() > BLOCK_BYTES {
            self.flush()?;
            self.refill()?;
        }
        let end = self.block.end;
        self.block.bytes[end..end + bytes.len()].copy_from_slice(&bytes);
        self.block.end += bytes.len();
        Ok(())
    }

    fn refill(&mut self) -> Result<(), SourceEnd> {
        if self.block.bytes.is_empty() {
            let mut bytes = self.spares.blocking_recv().ok_or(SourceEnd::Gone)?;
            bytes.resize(BLOCK_BYTES, 0);
            self.block = Block { bytes, start: 0, end: 0 };
        }
        Ok(())
    }

    /// Lets the block go if there is anything in it.
    fn flush(&mut self) -> Result<(), SourceEnd> {
        if self.block.end == self.block.start {
            return Ok(());
        }
        self.blocks.blocking_send(std::mem::take(&mut self.block)).map_err(|_| SourceEnd::Gone)
    }

    /// The `file`th file of the manifest, which is none that was found before: this goes on where it last was.
    fn find(&mut self, file: u32) -> Option<Item> {
        while let Some(rest) = self.offered.manifest.get(self.at..)
            && let Ok((item, length)) = Item::decode(rest)
        {
            self.at += length;
            if item.kind == ItemKind::Folder {
                continue;
            }
            self.next += 1;
            if self.next > file {
                return Some(item);
            }
        }
        None
    }

    fn path(&self, number: u32, item: &Item) -> PathBuf {
        let sources = &self.offered.sources;
        if let Ok(at) = sources.odd.binary_search_by_key(&number, |(file, _)| *file) {
            return sources.odd[at].1.clone();
        }
        let (top, below) = item.components.split_first().expect("an item has a name");
        let top = sources.tops.iter().find(|(name, _)| name == top).map(|(_, path)| path.clone());
        below.iter().fold(top.unwrap_or_default(), |path, name| path.join(name))
    }
}

enum Broken {
    Failed(Failure),
    End(SourceEnd),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Broken {
        Broken::Failed(failure)
    }
}

impl From<SourceEnd> for Broken {
    fn from(end: SourceEnd) -> Broken {
        Broken::End(end)
    }
}

/// Whether the file is as it was surveyed: then what is read is what was offered.
fn unchanged(about: &Metadata, item: &Item) -> Result<(), Failure> {
    let same = about.is_file() && about.len() == item.size && modified_of(about) == item.modified;
    if same { Ok(()) } else { Err(Failure::SourceChanged) }
}

/// Opens a file and nothing else: no link that took its place, no pipe that would wait for a writer.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}
