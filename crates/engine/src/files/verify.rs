//! Checking what an earlier pull left on disk: nothing is believed because a journal says so.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lanyard_proto::transfer::{Bitmap, ChunkOf, Layout, Piece};
use lanyard_proto::wire::file::CHUNK_BYTES;
use tokio_util::sync::CancellationToken;

use super::hash::{ChainHasher, START, sum_of};
use super::here::Print;
use super::holding::Holding;
use super::journal::{Record, Story};
use super::lately::Verified;
use super::positions::read_up_to_at;
use super::refusal::concerns_one;
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

    /// Whether all of a file is claimed to be here.
    pub fn whole(&self, file: u32, layout: &Layout) -> bool {
        self.files.contains(&file) || layout.pieces_of(file).all(|piece| self.pieces.has(piece))
    }
}

/// What a journal says is here, pieces and files, without looking: to be shown, and not to be relied on.
pub(super) fn claimed(story: Story, layout: &Layout) -> (Bitmap, Bitmap) {
    let (mut have, mut whole) = (Bitmap::new(layout.pieces()), Bitmap::new(layout.files()));
    for record in story.records {
        match record {
            Record::Piece { piece } => _ = have.insert(piece),
            Record::Files { files } => files.into_iter().for_each(|file| _ = whole.insert(file)),
            // It came, and was damaged or is not wanted any more.
            Record::Forget { file } if file < layout.files() => {
                whole.remove(file);
                if layout.pieces_of(file).len() > 1 {
                    layout.pieces_of(file).for_each(|piece| _ = have.remove(piece));
                }
            }
            _ => {}
        }
    }
    for file in 0..layout.files() {
        if have.has_all(layout.pieces_of(file)) {
            whole.insert(file);
        }
    }
    (have, whole)
}

/// Looks for files that were named already where they are to stand. What is there may have been moved or changed since,
/// by whoever it belongs to: size and date must be those it was given, or what is in it the same.
fn settled(claims: &Claims, holding: &Holding, tree: &Tree, stop: &CancellationToken) -> Vec<u32> {
    let layout = &holding.layout;
    // What was named is not in the staging any more.
    let late = tree.left_late();
    let named = |file: &u32| match tree.is_named(*file) {
        _ if late.contains(file) => false,
        true => tree.read_left(*file).is_err(),
        false => tree.is_placed(*file),
    };
    let claimed = (0..layout.files()).filter(named).filter(|file| claims.whole(*file, layout));
    let stands = |file: &u32| {
        let sum = holding.lock().leaves.get(layout.sum_of(*file))?;
        let opened = tree.final_file(*file).ok()?;
        let print = Print::of(&opened).ok()?;
        let dated = holding.list.modified(*file).is_some_and(|planned| print.modified == Some(planned));
        let same = print.size == layout.size(*file)
            && (dated || sum_of(&opened, print.size).is_ok_and(|found| found == sum));
        same.then_some(())
    };
    claimed.take_while(|_| !stop.is_cancelled()).filter(|file| stands(file).is_some()).collect()
}

/// Hashes what is claimed, on several threads, but for what was verified `lately` and not touched since.
pub(super) fn check(
    claims: &Claims,
    holding: &Holding,
    tree: &Tree,
    lately: Option<&Verified>,
    stop: &CancellationToken,
) -> io::Result<Found> {
    let layout = &holding.layout;
    let settled = settled(claims, holding, tree, stop);
    settled.iter().for_each(|file| tree.settle(*file));
    let mut pieces: Vec<u32> = claims.pieces.iter().collect();
    let partial = claims.files.iter().map(|file| layout.pieces_of(*file).start);
    pieces.extend(partial.filter(|piece| !claims.pieces.has(*piece)).collect::<BTreeSet<u32>>());
    let next = AtomicUsize::new(0);
    let (have, whole) = (Bitmap::new(layout.pieces()), Bitmap::new(layout.files()));
    let found = Mutex::new(Found { have, whole });
    let work = || -> io::Result<()> {
        let mut check = Check { holding, tree, lately, open: None, buffer: vec![0; CHUNK_BYTES] };
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

struct Opened {
    number: u32,
    file: Option<File>,
    /// Nobody wrote to it since this run verified what is in it.
    untouched: bool,
}

struct Check<'a> {
    holding: &'a Holding,
    tree: &'a Tree,
    lately: Option<&'a Verified>,
    open: Option<Opened>,
    buffer: Vec<u8>,
}

impl Check<'_> {
    /// Whether a piece is all there, and which whole files of it are.
    fn piece(&mut self, piece: u32, claimed: impl Fn(u32) -> bool) -> io::Result<(bool, Vec<u32>)> {
        match self.holding.layout.piece(piece) {
            Piece::Chunk(chunk) => Ok((self.chunk(piece, &chunk)?, Vec::new())),
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

    fn chunk(&mut self, piece: u32, chunk: &ChunkOf) -> io::Result<bool> {
        let (before, behind) = {
            let held = self.holding.lock();
            (chunk.before().map_or(Some(START), |leaf| held.leaves.get(leaf)), held.leaves.get(chunk.leaf))
        };
        let (Some(before), Some(behind)) = (before, behind) else { return Ok(false) };
        if self.tree.is_settled(chunk.file) {
            return Ok(true);
        }
        if self.open.as_ref().is_none_or(|open| open.number != chunk.file) {
            let (number, file) = (chunk.file, open(self.tree, chunk.file)?);
            let lately = self.lately.zip(file.as_ref());
            let untouched = lately.is_some_and(|(lately, file)| lately.is_untouched(number, file));
            self.open = Some(Opened { number, file, untouched });
        }
        let Some(Opened { file: Some(file), untouched, .. }) = &self.open else { return Ok(false) };
        if *untouched && self.lately.is_some_and(|lately| lately.has(piece)) {
            return Ok(true);
        }
        let data = &mut self.buffer[..chunk.length as usize];
        if read_up_to_at(file, data, chunk.offset())? < data.len() {
            return Ok(false);
        }
        let mut hasher = ChainHasher::resume(before, u64::from(chunk.index));
        Ok(behind == if chunk.last { hasher.finish(data) } else { hasher.chunk(data) })
    }

    fn file(&mut self, number: u32, leaf: u32) -> io::Result<bool> {
        let Some(sum) = self.holding.lock().leaves.get(leaf) else { return Ok(false) };
        if self.tree.is_settled(number) {
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
    match tree.read_left(file) {
        Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound || concerns_one(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
