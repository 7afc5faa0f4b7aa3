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

/// What an entry is, as its header says (PROTOCOL.md, "Entries"). Kinds that this version does not know are kept,
/// passed on, and shown as written by a newer version.
pub mod kind {
    pub const TEXT: u8 = 1;
    pub const OFFER: u8 = 5;
    pub const RECEIPT: u8 = 15;
}

/// Whether entries of a kind appear as messages and count as unread. Receipts speak about an offer instead.
pub fn is_message(kind: u8) -> bool {
    kind != kind::RECEIPT
}
