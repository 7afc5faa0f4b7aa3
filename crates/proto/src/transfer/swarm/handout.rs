//! Which piece an author gives to whom: first what nobody has.

use std::collections::BTreeMap;

use super::Link;
use crate::transfer::bitmap::Bitmap;

/// The author's side: who has or was sent what, and what nobody has.
#[derive(Debug)]
pub struct Handout {
    takers: BTreeMap<Link, Bitmap>,
    /// How many takers have or were sent each piece.
    counts: Vec<u16>,
    /// Pieces that nobody has, and that can be read.
    pub(super) fresh: u32,
    void: Bitmap,
    front: u32,
}

impl Handout {
    pub fn new(pieces: u32) -> Handout {
        Handout {
            takers: BTreeMap::new(),
            counts: vec![0; pieces as usize],
            fresh: pieces,
            void: Bitmap::new(pieces),
            front: 0,
        }
    }

    pub fn joined(&mut self, taker: Link) {
        self.left(taker);
        self.takers.insert(taker, Bitmap::new(self.counts.len() as u32));
    }

    pub fn left(&mut self, taker: Link) {
        let Some(gone) = self.takers.remove(&taker) else { return };
        for piece in gone.iter() {
            self.counts[piece as usize] -= 1;
            self.fresh += u32::from(self.is_fresh(piece));
        }
    }

    /// A taker has a piece, or is being sent it.
    pub fn has(&mut self, taker: Link, piece: u32) {
        let Some(taken) = self.takers.get_mut(&taker) else { return };
        if taken.insert(piece) {
            self.fresh -= u32::from(self.is_fresh(piece));
            self.counts[piece as usize] += 1;
        }
    }

    /// The next piece for this taker that nobody has, in order; it counts as sent. `None` if there is none.
    pub fn next(&mut self, taker: Link) -> Option<u32> {
        if self.fresh == 0 || !self.takers.contains_key(&taker) {
            return None;
        }
        let length = self.counts.len() as u32;
        let piece = (self.front..length).chain(0..self.front).find(|piece| self.is_fresh(*piece))?;
        self.front = (piece + 1) % length;
        self.has(taker, piece);
        Some(piece)
    }

    /// A piece cannot be read, or can again.
    pub fn set_void(&mut self, piece: u32, void: bool) {
        let fresh = self.is_fresh(piece);
        if void {
            self.void.insert(piece)
        } else {
            self.void.remove(piece)
        };
        match (fresh, self.is_fresh(piece)) {
            (true, false) => self.fresh -= 1,
            (false, true) => self.fresh += 1,
            _ => {}
        }
    }

    pub(super) fn is_fresh(&self, piece: u32) -> bool {
        self.counts[piece as usize] == 0 && !self.void.has(piece)
    }
}
