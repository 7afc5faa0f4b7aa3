//! What a receiver asks for.

use minicbor::{Decode, Encode};

use super::MAX_LACKING;
#[cfg(doc)]
use super::MAX_WANTED;

/// What to send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Want {
    /// These, in this order; at most [`MAX_WANTED`].
    #[n(0)]
    pub pieces: Vec<u32>,
    /// And so many more that the author chooses, in all.
    #[n(1)]
    pub any: u32,
    /// Of these only the leaves; at most [`MAX_WANTED`].
    #[n(2)]
    pub leaves: Vec<u32>,
    /// Of these bundles only some files, before what is in `pieces`; at most [`MAX_WANTED`].
    #[n(3)]
    #[cbor(default)]
    pub parts: Vec<BundlePart>,
}

/// Some files of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BundlePart {
    #[n(0)]
    pub piece: u32,
    /// Bit `n % 8` of byte `n / 8` is file `n` of the bundle, counted from its first.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub files: [u8; MAX_LACKING / 8],
}

impl BundlePart {
    /// These files of a bundle, counted from its first; those beyond the largest bundle are left out.
    pub fn new(piece: u32, files: impl IntoIterator<Item = u16>) -> BundlePart {
        let mut part = BundlePart { piece, files: [0; MAX_LACKING / 8] };
        for file in files.into_iter().map(usize::from).filter(|file| *file < MAX_LACKING) {
            part.files[file / 8] |= 1 << (file % 8);
        }
        part
    }

    pub fn is_empty(&self) -> bool {
        self.files == [0; MAX_LACKING / 8]
    }

    pub fn has(&self, file: u16) -> bool {
        self.files.get(usize::from(file) / 8).is_some_and(|bits| bits & (1 << (file % 8)) != 0)
    }
}
