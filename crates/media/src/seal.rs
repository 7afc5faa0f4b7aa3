//! Sealing of packets, and what was opened already.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A sender's key for one epoch of the room.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Key {
    pub secret: [u8; 32],
    /// The epoch's lowest bit, which packets carry so that it is known which key they are sealed with.
    pub odd: bool,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("odd", &self.odd).finish_non_exhaustive()
    }
}
