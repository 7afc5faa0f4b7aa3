//! What is here already: files of the same name and size where those of an offer are to go, or under a numbered name there
//! (`numbered`).
//!
//! Such a file is compared piece by piece with what the author says of its own, before any of it is fetched. If all is the
//! same it stays as it is and counts as verified. If not, what is the same is copied into the staging and the rest fetched:
//! the file that was there is never touched, and the new one gets a numbered name beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;

use lanyard_proto::transfer::{ChunkOf, Piece};
use lanyard_proto::wire::file::{CHUNK_BYTES, Data};

use super::hash::{ChainHasher, START, all_zero, sum_of};
use super::holding::id_of;
use super::manifest::modified_of;
use super::positions::read_up_to_at;
use super::sink::Outcome;
use super::staging::{PullError, Staging};
use super::tree::LastFolder;
#[cfg(unix)]
use super::tree::{Content, open_file};
use crate::saying;

/// In the staging folder of a transfer, for a moment.
#[cfg(unix)]
const PROBE: &str = "executable";

/// Tells a file from another one, and from itself after it changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print {
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: Option<i64>,
    id: u64,
}

impl Print {
    pub fn of(file: &File) -> io::Result<Print> {
        let about = file.metadata()?;
        Ok(Print { size: about.len(), modified: modified_of(&about), id: id_of(&about) })
    }
}

/// What lies where files are to go.
#[derive(Debug, Default)]
pub(super) struct Local {
    /// Files that may be what is offered.
    candidates: BTreeMap<u32, Candidate>,
    /// Those that are.
    here: BTreeMap<u32, Print>,
    /// Those of which nobody said in time whether they are.
    unsaid: BTreeMap<u32, Print>,
    /// Those of them that turned out to be, when they had been fetched.
    kept: BTreeMap<u32, Print>,
}

#[derive(Debug)]
struct Candidate {
    print: Print,
    /// Pieces of it that are the same, and were not copied.
    same: Vec<u32>,
    /// Some piece is not the same.
    differs: bool,
}

/// What comparing a piece came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// It is here.
    Here,
    /// It has to be fetched.
    Fetch,
    /// What is wanted of it is here, and the rest is not wanted.
    Enough,
    /// That depends on the pieces that follow.
    Open,
}

impl Staging {
    /// Looks for files that may be here already. The pieces of which this must be known before they are fetched.
    pub fn look_around(&self) -> BTreeSet<u32> {
        let layout = &self.holding.layout;
        let mut pieces = BTreeSet::new();
        let mut local = Local::default();
        let held = self.holding.lock();
        let state = self.lock();
        let wanted: Vec<u32> = (0..layout.files())
            .filter(|file| self.plan.files[*file as usize].chosen && !state.whole.has(*file))
            .collect();
        // Of what came in part it is known that it is not the same.
        let in_part = |file: &u32| layout.pieces_of(*file).any(|piece| held.have.has(piece));
        let differing: BTreeSet<u32> = wanted.iter().copied().filter(in_part).collect();
        drop((held, state));
        for (file, print) in self.find_here(&wanted) {
            pieces.extend(layout.pieces_of(file));
            let differs = differing.contains(&file);
            local.candidates.insert(file, Candidate { print, same: Vec::new(), differs });
        }
        *self.local() = local;
        let held = self.holding.lock();
        pieces.retain(|piece| !held.have.has(*piece));
        pieces
    }

    /// Bytes of files that may be here already.
    pub fn candidate_bytes(&self) -> u64 {
        let local = self.local();
        local
            .candidates
            .values()
            .filter(|candidate| !candidate.differs)
            .map(|candidate| candidate.print.size)
            .sum()
    }

    /// Whether a piece can be compared: of what may be here, all is known that the author says of it, or cannot say.
    pub fn is_comparable(&self, piece: u32) -> bool {
        let layout = &self.holding.layout;
        let held = self.holding.lock();
        match layout.piece(piece) {
            Piece::Chunk(chunk) => {
                held.failed.contains_key(&chunk.file) || held.leaves.has_all(layout.needed_for(piece))
            }
            Piece::Bundle { files, leaf, .. } => {
                let local = self.local();
                let known = |file: &u32| {
                    held.failed.contains_key(file) || held.leaves.get(leaf + file - files.start).is_some()
                };
                local.candidates.range(files.clone()).all(|(file, _)| known(file))
            }
        }
    }

    /// Compares a piece with what lies here, as far as the author has said what it is.
    pub fn compare(&self, piece: u32) -> Result<Vec<(u32, Compared)>, PullError> {
        match self.holding.layout.piece(piece) {
            Piece::Chunk(chunk) => self.compare_chunk(piece, &chunk),
            Piece::Bundle { files, leaf, .. } => {
                for file in files.clone() {
                    let Some(candidate) = self.local().candidates.remove(&file) else { continue };
                    let sum = self.holding.lock().leaves.get(leaf + file - files.start);
                    let found = self
                        .reopen(file, candidate.print)
                        .and_then(|opened| sum_of(&opened, candidate.print.size));
                    if sum.is_some() && found.ok() == sum {
                        self.is_here(file, candidate.print);
                    } else {
                        self.expect(candidate.print.size)?;
                    }
                }
                let state = self.lock();
                let missing = |file: &u32| !state.whole.has(*file);
                let compared = if !files.clone().any(|file| missing(&file)) {
                    Compared::Here
                } else if files.clone().any(|file| missing(&file) && self.plan.files[file as usize].chosen) {
                    Compared::Fetch
                } else {
                    Compared::Enough
                };
                drop(state);
                if compared == Compared::Here {
                    self.holding.lock().have.insert(piece);
                }
                Ok(vec![(piece, compared)])
            }
        }
    }

    /// Nothing will be said of these pieces: what may be here of them is fetched.
    pub fn compare_no_more(&self, piece: u32) -> Result<(), PullError> {
        let files = match self.holding.layout.piece(piece) {
            Piece::Chunk(chunk) => chunk.file..chunk.file + 1,
            Piece::Bundle { files, .. } => files,
        };
        for file in files {
            let given_up = self.local().candidates.remove(&file);
            if let Some(candidate) = given_up.filter(|candidate| !candidate.differs) {
                self.local().unsaid.insert(file, candidate.print);
                self.expect(candidate.print.size)?;
            }
        }
        Ok(())
    }

    /// Leaves what was fetched to be the same as what is here, and could not be compared before.
    pub fn compare_what_came(&self) -> io::Result<()> {
        let unsaid = std::mem::take(&mut self.local().unsaid);
        for (file, print) in unsaid {
            if !self.lock().whole.has(file) || self.tree.is_settled(file) {
                continue;
            }
            let sum = self.holding.lock().leaves.get(self.holding.layout.sum_of(file));
            let found = self.reopen(file, print).and_then(|opened| sum_of(&opened, print.size));
            if sum.is_some() && found.ok() == sum {
                self.tree.remove(file)?;
                self.stays(file);
                self.local().kept.insert(file, print);
            }
        }
        Ok(())
    }

    /// Whether what was found to be here still is.
    pub fn is_all_still_here(&self) -> Result<(), PullError> {
        let here: Vec<(u32, Print)> = {
            let local = self.local();
            local.here.iter().chain(&local.kept).map(|(file, print)| (*file, *print)).collect()
        };
        for (file, print) in &here {
            self.reopen(*file, *print).map_err(|_| {
                let name = self.holding.list.name(*file);
                PullError::lost(saying!("{name} was here and has just been changed or moved", name))
            })?;
        }
        Ok(())
    }

    /// Bytes of files that were here.
    pub fn here_bytes(&self) -> u64 {
        self.local().here.values().map(|print| print.size).sum()
    }

    fn compare_chunk(&self, piece: u32, chunk: &ChunkOf) -> Result<Vec<(u32, Compared)>, PullError> {
        let file = chunk.file;
        let Some(print) = self.local().candidates.get(&file).map(|candidate| candidate.print) else {
            return Ok(vec![(piece, Compared::Fetch)]);
        };
        let mut buffer = vec![0; chunk.length as usize];
        let opened = self.reopen(file, print);
        let same = opened.as_ref().is_ok_and(|opened| self.is_same(chunk, opened, &mut buffer));
        let mut local = self.local();
        let Some(candidate) = local.candidates.get_mut(&file) else {
            return Ok(vec![(piece, Compared::Fetch)]);
        };
        if same && !candidate.differs {
            candidate.same.push(piece);
            let pieces = self.holding.layout.pieces_of(file);
            if candidate.same.len() < pieces.len() {
                return Ok(vec![(piece, Compared::Open)]);
            }
            local.candidates.remove(&file);
            drop(local);
            self.is_here(file, print);
            let mut held = self.holding.lock();
            pieces.clone().for_each(|piece| _ = held.have.insert(piece));
            return Ok(pieces.map(|piece| (piece, Compared::Here)).collect());
        }
        let first = !std::mem::replace(&mut candidate.differs, true);
        let copied = std::mem::take(&mut candidate.same);
        drop(local);
        if first {
            // Nobody knew that it would be written.
            self.expect(print.size)?;
        }
        let mut came = Vec::new();
        if let Ok(opened) = opened {
            let mut last = LastFolder::default();
            for piece in copied.into_iter().chain(same.then_some(piece)) {
                let Piece::Chunk(chunk) = self.holding.layout.piece(piece) else { continue };
                came.push((piece, self.copy(piece, &chunk, &opened, &mut buffer, &mut last)?));
            }
        } else {
            came.extend(copied.into_iter().map(|piece| (piece, Compared::Fetch)));
        }
        if !same {
            came.push((piece, Compared::Fetch));
        }
        self.flush()?;
        Ok(came)
    }

    /// Takes a chunk from the file that lies here as if it had been sent.
    fn copy(
        &self,
        piece: u32,
        chunk: &ChunkOf,
        from: &File,
        buffer: &mut Vec<u8>,
        last: &mut LastFolder,
    ) -> Result<Compared, PullError> {
        buffer.resize(CHUNK_BYTES, 0);
        let data = &mut buffer[..chunk.length as usize];
        if !read_up_to_at(from, data, chunk.offset()).is_ok_and(|read| read == data.len()) {
            return Ok(Compared::Fetch);
        }
        let data = if all_zero(data) { Data::Zeros } else { Data::Bytes(data) };
        match self.take_chunk(piece, chunk, &data, last)? {
            Outcome::Here | Outcome::Known => Ok(Compared::Here),
            _ => Ok(Compared::Fetch),
        }
    }

    fn is_same(&self, chunk: &ChunkOf, file: &File, data: &mut [u8]) -> bool {
        let held = self.holding.lock();
        let before = chunk.before().map_or(Some(START), |leaf| held.leaves.get(leaf));
        let behind = held.leaves.get(chunk.leaf);
        drop(held);
        let (Some(before), Some(behind)) = (before, behind) else { return false };
        if !read_up_to_at(file, data, chunk.offset()).is_ok_and(|read| read == data.len()) {
            return false;
        }
        let mut hasher = ChainHasher::resume(before, u64::from(chunk.index));
        behind == if chunk.last { hasher.finish(data) } else { hasher.chunk(data) }
    }

    /// Opens a file where it is to stand, if it is the one that was seen there.
    fn reopen(&self, file: u32, seen: Print) -> io::Result<File> {
        let opened = self.tree.final_file(file)?;
        if Print::of(&opened)? == seen { Ok(opened) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// A whole file is here, and stays as it is.
    fn is_here(&self, file: u32, print: Print) {
        self.stays(file);
        self.local().here.insert(file, print);
        let mut held = self.holding.lock();
        held.whole.insert(file);
        held.here.insert(file);
        let mut state = self.lock();
        state.write_leaves(&held.leaves, self.holding.layout.leaves_of_file(file));
        state.whole.insert(file);
        state.missing.remove(&file);
        state.moved += print.size;
        drop((held, state));
        self.holding.notify();
    }

    /// What stands where it stands is given and told of by the name that it has there.
    fn stays(&self, file: u32) {
        self.tree.settle(file);
        if let Some(name) = self.tree.own_name(file) {
            self.lock().late.insert(file, name);
        }
    }

    /// Files that were here before, and stay.
    pub fn files_here(&self) -> Vec<u32> {
        let local = self.local();
        local.here.keys().chain(local.kept.keys()).copied().collect()
    }

    /// So many bytes have to be written that might have been here.
    fn expect(&self, bytes: u64) -> Result<(), PullError> {
        let mut state = self.lock();
        state.to_write += bytes;
        self.check_space(&state)
    }

    /// Lets files that were here be executed, where their author's can be, by those whom a new file would let, and who may read
    /// them. Nothing is taken from anybody.
    #[cfg(unix)]
    pub fn make_executable(&self) -> io::Result<()> {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt;
        let here = self.files_here();
        let mut meant = here.into_iter().filter(|file| self.plan.files[*file as usize].executable).peekable();
        if meant.peek().is_none() {
            return Ok(());
        }
        // What new files get, this process has no harmless way to ask for but to make one.
        let _ = self.own.remove_file(PROBE);
        let new = open_file(&self.own, PROBE, true, Content::Discarded)?.metadata()?.permissions().mode();
        self.own.remove_file(PROBE)?;
        for file in meant {
            let changed = self.tree.final_file(file).and_then(|opened| {
                let mode = opened.metadata()?.permissions().mode() & 0o7777;
                let readers = (mode & 0o444) >> 2;
                let more = mode | (readers & new);
                // By what is the author's counted as one that can be executed, see `manifest`.
                match mode & 0o100 {
                    0 if more != mode => opened.set_permissions(Permissions::from_mode(more)),
                    _ => Ok(()),
                }
            });
            if let Err(error) = changed {
                // It may belong to somebody else, and what is in it is what was offered.
                let name = self.holding.list.name(file);
                tracing::debug!(%name, %error, "a file that was here is not made executable");
            }
        }
        Ok(())
    }

    /// Makes what was here as durable as what was fetched.
    pub fn sync_here(&self) -> io::Result<()> {
        // Windows syncs only what was opened to be written, and this is not ours to write.
        let files = if cfg!(windows) { Vec::new() } else { self.files_here() };
        files.into_iter().try_for_each(|file| self.tree.final_file(file)?.sync_all())
    }
}
