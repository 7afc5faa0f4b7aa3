//! What the logs mean: which rooms there are, what their entries say.

use crate::model::PeerId;

/// What kind of room it is, which decides who can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomKind {
    /// Found by its name; anyone on this network can read it. The lobby is one.
    Open,
    /// This device and one other, sealed.
    Direct(PeerId),
}

/// What an offer of files says. The entry that holds it commits, by `manifest`, to every name and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The first names at the top, at most [`MAX_OFFER_NAMES`], each at most [`MAX_OFFER_NAME_BYTES`] bytes.
    pub names: Vec<String>,
    pub files: u64,
    pub folders: u64,
    pub bytes: u64,
    /// SHA-256 of the encoded manifest.
    pub manifest: [u8; 32],
}

pub const MAX_OFFER_NAMES: usize = 8;
pub const MAX_OFFER_NAME_BYTES: usize = 120;
