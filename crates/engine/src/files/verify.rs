//! Checking what an earlier pull left on disk: nothing is believed because a journal says so.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lanyard_proto::transfer::{Bitmap, ChunkOf, Piece};
use lanyard_proto::wire::file::CHUNK_BYTES;
use tokio_util::sync::CancellationToken;

use super::hash::{ChainHasher, START};
use super::holding::Holding;
use super::journal::{Record, Story};
use super::positions::read_up_to_at;
use super::tree::Tree;

/// Threads that read and hash at the same time; more would only wait for the same disk.
const THREADS: usize = 4;

/// What a journal says is on disk.
pub(super) struct Claims {
    pieces: Bitmap,
    /// Files of bundles that are not whole.
    files: BTreeSet<u32>,
}

/// What is.
pub(super) struct Found {
    pub have: Bitmap,
    pub whole: Bitmap,
}

impl Claims {
    /// Reads the claims, and lets `holding` know the leaves by which they are checked.
    pub fn of(story: Story, holding: &Holding) -> Claims {
        let layout = &holding.layout;
        let mut claims = Claims { pieces: Bitmap::new(layout.pieces()), files: BTreeSet::new() };
        let mut held = holding.lock();
        for record in story.records {
            match record {
                Record::Leaves { first, leaves, .. } => {
                    for (leaf, value) in (first..).zip(leaves.as_chunks::<32>().0) {
                        held.leaves.learn(leaf, *value);
                    }
                }
                Record::Signed { page, signature } if page < layout.pages() => {
                    held.leaves.sign(page, signature);
                }
                Record::Forget { file } if file < layout.files() => {
                    held.leaves.forget(layout.leaves_of_file(file));
                }
                Record::Piece { piece } => _ = claims.pieces.insert(piece),
                Record::Files { files } => {
                    claims.files.extend(files.into_iter().filter(|file| *file < layout.files()));
                }
                _ => {}
            }
        }
        claims
    }
}

/// Hashes what is claimed, on several threads.
pub(super) fn check(
    claims: &Claims,
    holding: &Holding,
    tree: &Tree,
    stop: &CancellationToken,
) -> io::Result<Found> {
    let layout = &holding.layout;
    let mut pieces: Vec<u32> = claims.pieces.iter().collect();
    let partial = claims.files.iter().map(|file| layout.pieces_of(*file).start);
    pieces.extend(partial.filter(|piece| !claims.pieces.has(*piece)).collect::<BTreeSet<u32>>());
    let next = AtomicUsize::new(0);
    let (have, whole) = (Bitmap::new(layout.pieces()), Bitmap::new(layout.files()));
    let found = Mutex::new(Found { have, whole });
    let work = || -> io::Result<()> {
        let mut check = Check { holding, tree, open: None, buffer: vec![0; CHUNK_BYTES] };
        while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed))
            && !stop.is_cancelled()
        {
            let claimed = |file: u32| claims.pieces.has(*piece) || claims.files.contains(&file);
            let (is_whole, files) = check.piece(*piece, claimed)?;
            let mut found = found.lock().expect("nobody panics in between");
            if is_whole {
                found.have.insert(*piece);
            }
            files.into_iter().for_each(|file| _ = found.whole.insert(file));
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS).min(pieces.len());
    thread::scope(|scope| {
        let threads: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        threads.into_iter().try_for_each(|thread| thread.join().expect("checking does not panic"))?;
        own
    })?;
    let mut found = found.into_inner().expect("nobody panics in between");
    for file in 0..layout.files() {
        let pieces = layout.pieces_of(file);
        if pieces.len() > 1 && found.have.has_all(pieces) {
            found.whole.insert(file);
        }
    }
    Ok(found)
}

struct Check<'a> {
    holding: &'a Holding,
    tree: &'a Tree,
    open: Option<(u32, Option<File>)>,
    buffer: Vec<u8>,
}

impl Check<'_> {
    /// Whether a piece is all there, and which whole files of it are.
    fn piece(&mut self, piece: u32, claimed: impl Fn(u32) -> bool) -> io::Result<(bool, Vec<u32>)> {
        match self.holding.layout.piece(piece) {
            Piece::Chunk(chunk) => Ok((self.chunk(&chunk)?, Vec::new())),
            Piece::Bundle { files, leaf, .. } => {
                let mut whole = Vec::new();
                for file in files.clone() {
                    let leaf = leaf + (file - files.start);
                    if claimed(file) && self.file(file, leaf)? {
                        whole.push(file);
                    }
                }
                Ok((whole.len() == files.len(), whole))
            }
        }
    }

    fn chunk(&mut self, chunk: &ChunkOf) -> io::Result<bool> {
        let (before, behind) = {
            let held = self.holding.lock();
            (chunk.before().map_or(Some(START), |leaf| held.leaves.get(leaf)), held.leaves.get(chunk.leaf))
        };
        let (Some(before), Some(behind)) = (before, behind) else { return Ok(false) };
        if self.tree.is_placed(chunk.file) {
            return Ok(true);
        }
        if !matches!(&self.open, Some((open, _)) if *open == chunk.file) {
            self.open = Some((chunk.file, open(self.tree, chunk.file)?));
        }
        let Some((_, Some(file))) = &self.open else { return Ok(false) };
        let data = &mut self.buffer[..chunk.length as usize];
        if read_up_to_at(file, data, chunk.offset())? < data.len() {
            return Ok(false);
        }
        let mut hasher = ChainHasher::resume(before, u64::from(chunk.index));
        Ok(behind == if chunk.last { hasher.finish(data) } else { hasher.chunk(data) })
    }

    fn file(&mut self, number: u32, leaf: u32) -> io::Result<bool> {
        let Some(sum) = self.holding.lock().leaves.get(leaf) else { return Ok(false) };
        if self.tree.is_placed(number) {
            return Ok(true);
        }
        let Some(file) = open(self.tree, number)? else { return Ok(false) };
        let size = self.holding.layout.size(number) as usize;
        if file.metadata()?.len() != size as u64 {
            return Ok(false);
        }
        let read = read_up_to_at(&file, &mut self.buffer[..size], 0)?;
        Ok(read == size && ChainHasher::new().finish(&self.buffer[..size]) == sum)
    }
}

fn open(tree: &Tree, file: u32) -> io::Result<Option<File>> {
    match tree.read(file) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
