//! What this run has verified of transfers whose pulls ended early. As long as nobody touched a file since, what it has is
//! believed without being read again: on bad networks connections are lost every minute, and reading what came of a large
//! disk image takes minutes. A later run reads all of it, and so does this one where the disk did not take something: what was
//! verified was in memory then.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanyard_proto::model::TransferId;
use lanyard_proto::transfer::Bitmap;

use super::here::Print;
use super::staging::Staging;

/// Transfers that are remembered, the last ones.
const MAX_TRANSFERS: usize = 16;

/// Files of each. Of more the others are read.
const MAX_FILES: usize = 4096;

/// What was verified of a transfer, and the large files that it is in, as they were then.
#[derive(Debug)]
pub(super) struct Verified {
    have: Bitmap,
    files: BTreeMap<u32, Print>,
}

impl Verified {
    pub fn has(&self, piece: u32) -> bool {
        self.have.has(piece)
    }

    /// Whether nobody wrote to a file since.
    pub fn is_untouched(&self, number: u32, file: &File) -> bool {
        let before = self.files.get(&number);
        before.is_some_and(|before| Print::of(file).is_ok_and(|now| now == *before))
    }
}

impl Staging {
    /// What is here by now; nobody writes any more.
    pub fn verified(&self) -> Verified {
        let layout = &self.holding.layout;
        let have = self.holding.lock().have.clone();
        let in_pieces = |file: &u32| layout.pieces_of(*file).len() > 1;
        let begun = |file: &u32| layout.pieces_of(*file).any(|piece| have.has(piece));
        let files = (0..layout.files()).filter(in_pieces).filter(begun).take(MAX_FILES);
        let print = |file| Some((file, Print::of(&self.tree.read_left(file).ok()?).ok()?));
        let files = files.filter_map(print).collect();
        Verified { have, files }
    }
}

/// The last transfers whose pulls ended early.
#[derive(Clone, Debug, Default)]
pub(super) struct Lately(Arc<Mutex<Vec<Known>>>);

type Known = (TransferId, Arc<Verified>);

impl Lately {
    pub fn note(&self, transfer: TransferId, verified: Verified) {
        self.forget(transfer);
        let mut known = self.lock();
        if known.len() >= MAX_TRANSFERS {
            known.remove(0);
        }
        known.push((transfer, Arc::new(verified)));
    }

    pub fn of(&self, transfer: TransferId) -> Option<Arc<Verified>> {
        let known = self.lock();
        known.iter().find(|(other, _)| *other == transfer).map(|(_, verified)| verified.clone())
    }

    pub fn forget(&self, transfer: TransferId) {
        self.lock().retain(|(other, _)| *other != transfer);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
