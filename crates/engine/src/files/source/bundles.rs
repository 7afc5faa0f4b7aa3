//! Small files, of which several are one piece.

use lanyard_proto::transfer::{Failure, Piece};
use lanyard_proto::wire::file::BundlePart;

use super::{Broken, Source, SourceEnd};
use crate::files::hash::ChainHasher;
use crate::files::positions::read_up_to_at;

impl Source {
    /// Some files of a bundle. What is sent in part is no piece that somebody has.
    pub fn part(&mut self, part: &BundlePart) -> Result<(), SourceEnd> {
        let Piece::Bundle { files, leaf, length } = self.holding.layout.piece(part.piece) else {
            return Err(SourceEnd::Nonsense);
        };
        if !self.holding.is_own() && !self.holding.lock().have.has(part.piece) {
            return Ok(());
        }
        match self.bundle(part.piece, files, leaf, length as usize, |file| part.has(file)) {
            Err(Broken::End(end)) => Err(end),
            Err(Broken::Failed(file, failure)) => {
                self.holding.fail(file, failure);
                self.failures()
            }
            Ok(_) => {
                // Whoever asks again got it damaged.
                self.told.sent.insert(part.piece);
                Ok(())
            }
        }
    }

    /// Reads those files that are wanted one behind the other; gives the bytes of all, and which are not there. What was hashed before is
    /// hashed again only where it is in doubt.
    pub fn read_files(
        &self,
        files: std::ops::Range<u32>,
        leaf: u32,
        into: &mut [u8],
        doubt: Doubt,
        wanted: impl Fn(u16) -> bool,
    ) -> (usize, Vec<u16>) {
        let (mut filled, mut lacking, mut new) = (0, Vec::new(), Vec::new());
        for (at, file) in (0u32..).zip(files) {
            if !wanted(at as u16) {
                lacking.push(at as u16);
                continue;
            }
            let size = self.holding.layout.size(file) as usize;
            let room = &mut into[filled..filled + size];
            let read = self.read_file(file, room).and_then(|id| {
                let known = self.holding.lock().leaves.get(leaf + at);
                if known.is_some() && doubt == Doubt::Trusted {
                    return Ok(());
                }
                let sum = ChainHasher::new().finish(room);
                match known {
                    Some(known) if known != sum => Err(Failure::SourceChanged),
                    Some(_) => Ok(()),
                    None => {
                        new.push((file, id, leaf + at, sum));
                        Ok(())
                    }
                }
            });
            match read {
                Ok(()) => filled += size,
                Err(failure) => {
                    if self.holding.is_own() {
                        self.holding.fail(file, failure);
                    }
                    lacking.push(at as u16);
                }
            }
        }
        if self.holding.is_own() && !new.is_empty() {
            self.holding.note_files(&new);
        }
        (filled, lacking)
    }

    fn read_file(&self, file: u32, into: &mut [u8]) -> Result<u64, Failure> {
        let (opened, id) = self.holding.open(file)?;
        let read = read_up_to_at(&opened, into, 0).map_err(|_| Failure::SourceGone)?;
        if read < into.len() {
            return Err(Failure::SourceChanged);
        }
        self.holding.still_holds(file, &opened)?;
        Ok(id)
    }
}

/// Whether what was hashed before may have changed without a sign.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    Trusted,
    Doubted,
}
