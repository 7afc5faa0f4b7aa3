//! How an offer is cut into pieces: the same for everybody who has its manifest.
//!
//! ```text
//! files     a.txt  b.txt      film.mkv        c.txt
//! pieces   |  bundle  |chunk|chunk|chunk|  | bundle |
//! leaves    sum   sum  state state  sum     sum
//! ```
//!
//! A file of more than [`CHUNK_BYTES`] is cut into chunks of that many bytes, each a piece. Smaller files that follow each
//! other are put together into bundles, each a piece, of at most [`CHUNK_BYTES`] and [`BUNDLE_FILES`].
//!
//! What a piece is checked by are its **leaves**, 32 bytes each. A chunk has one: the SHA-256 chaining state behind it, or
//! behind the last one of a file the SHA-256 of the file. A bundle has the SHA-256 of each of its files. So the last leaf of
//! a file is always its plain SHA-256. Leaves are signed in **pages** of [`PAGE_LEAVES`].

use std::ops::Range;

use crate::wire::file::CHUNK_BYTES;

/// Files in one bundle.
pub const BUNDLE_FILES: u32 = 256;
/// Pieces of one offer: about 4 TiB.
pub const MAX_PIECES: u32 = 1 << 22;
/// Leaves that are signed together.
pub const PAGE_LEAVES: u32 = 256;

/// What a piece is checked by: a SHA-256 chaining state or checksum.
pub type Leaf = [u8; 32];
/// In place of a leaf that is not known, or does not exist because its file cannot be read.
pub const NO_LEAF: Leaf = [0; 32];

/// The numbering of the pieces of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of each file.
    sizes: Vec<u64>,
    runs: Vec<Run>,
    pieces: u32,
    leaves: u32,
}

/// All chunks of one file, or one bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    piece: u32,
    leaf: u32,
    file: u32,
}

/// One piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Chunk(ChunkOf),
    /// Whole files, one behind the other.
    Bundle {
        files: Range<u32>,
        /// The leaf of the first file; those of the others follow.
        leaf: u32,
        /// Bytes of all.
        length: u32,
    },
}

/// A part of a file that has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkOf {
    pub file: u32,
    pub index: u32,
    /// The leaf behind it; the one before it is the leaf before, or the beginning of SHA-256 for the first chunk.
    pub leaf: u32,
    pub length: u32,
    pub last: bool,
}

impl ChunkOf {
    /// Where it begins in its file.
    pub fn offset(&self) -> u64 {
        u64::from(self.index) * CHUNK_BYTES as u64
    }

    /// The leaf that it is checked from; `None` for the first chunk of a file.
    pub fn before(&self) -> Option<u32> {
        (self.index > 0).then(|| self.leaf - 1)
    }
}

/// The offer is larger than anybody can cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_PIECES} pieces")]
pub struct TooLarge;

impl Layout {
    /// Cuts files of these sizes, in the order of their manifest.
    ///
    /// # Errors
    /// [`TooLarge`]
    pub fn new(sizes: Vec<u64>) -> Result<Layout, TooLarge> {
        let mut layout = Layout { sizes: Vec::new(), runs: Vec::new(), pieces: 0, leaves: 0 };
        // Files and bytes of the bundle that is open.
        let (mut files, mut bytes) = (0, 0);
        for (file, &size) in (0u32..).zip(&sizes) {
            let small = size <= CHUNK_BYTES as u64;
            if !small || files == BUNDLE_FILES || bytes + size > CHUNK_BYTES as u64 {
                (files, bytes) = (0, 0);
            }
            let goes_on = small && files > 0;
            if !goes_on {
                layout.runs.push(Run { piece: layout.pieces, leaf: layout.leaves, file });
            }
            let (pieces, leaves) = match small {
                true => (u64::from(!goes_on), 1),
                false => (size.div_ceil(CHUNK_BYTES as u64), size.div_ceil(CHUNK_BYTES as u64)),
            };
            layout.pieces = add(layout.pieces, pieces)?;
            layout.leaves = add(layout.leaves, leaves)?;
            if small {
                (files, bytes) = (files + 1, bytes + size);
            }
        }
        layout.sizes = sizes;
        Ok(layout)
    }

    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    pub fn leaves(&self) -> u32 {
        self.leaves
    }

    pub fn files(&self) -> u32 {
        self.sizes.len() as u32
    }

    /// Bytes of a file.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn size(&self, file: u32) -> u64 {
        self.sizes[file as usize]
    }

    /// # Panics
    /// If there is no such piece.
    pub fn piece(&self, piece: u32) -> Piece {
        assert!(piece < self.pieces, "there is no piece {piece}");
        let at = self.runs.partition_point(|run| run.piece <= piece) - 1;
        let Run { piece: first, leaf, file } = self.runs[at];
        let size = self.size(file);
        if size > CHUNK_BYTES as u64 {
            let index = piece - first;
            let left = size - u64::from(index) * CHUNK_BYTES as u64;
            let length = left.min(CHUNK_BYTES as u64) as u32;
            let last = left <= CHUNK_BYTES as u64;
            return Piece::Chunk(ChunkOf { file, index, leaf: leaf + index, length, last });
        }
        let files = file..self.first_file_after(at);
        let length = files.clone().map(|file| self.size(file) as u32).sum();
        Piece::Bundle { files, leaf, length }
    }

    /// The leaves by which a piece is known.
    ///
    /// # Panics
    /// If there is no such piece.
    pub fn leaves_of(&self, piece: u32) -> Range<u32> {
        match self.piece(piece) {
            Piece::Chunk(chunk) => chunk.leaf..chunk.leaf + 1,
            Piece::Bundle { files, leaf, .. } => leaf..leaf + files.len() as u32,
        }
    }

    /// The leaves without which a piece cannot be checked: its own, and the one before it in the same file.
    ///
    /// # Panics
    /// If there is no such piece.
    pub fn needed_for(&self, piece: u32) -> Range<u32> {
        match self.piece(piece) {
            Piece::Chunk(chunk) => chunk.before().unwrap_or(chunk.leaf)..chunk.leaf + 1,
            Piece::Bundle { files, leaf, .. } => leaf..leaf + files.len() as u32,
        }
    }

    /// The pieces that hold a file.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn pieces_of(&self, file: u32) -> Range<u32> {
        let at = self.run_of(file);
        let first = self.runs[at].piece;
        first..self.runs.get(at + 1).map_or(self.pieces, |next| next.piece)
    }

    /// The leaves of a file; the last one is its SHA-256.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn leaves_of_file(&self, file: u32) -> Range<u32> {
        let at = self.run_of(file);
        let run = self.runs[at];
        if self.size(file) <= CHUNK_BYTES as u64 {
            let leaf = run.leaf + (file - run.file);
            return leaf..leaf + 1;
        }
        run.leaf..self.runs.get(at + 1).map_or(self.leaves, |next| next.leaf)
    }

    /// The leaf that is the SHA-256 of a file.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn sum_of(&self, file: u32) -> u32 {
        self.leaves_of_file(file).end - 1
    }

    pub fn pages(&self) -> u32 {
        self.leaves.div_ceil(PAGE_LEAVES)
    }

    /// The leaves of a page.
    pub fn page(&self, page: u32) -> Range<u32> {
        let first = page.saturating_mul(PAGE_LEAVES).min(self.leaves);
        first..first.saturating_add(PAGE_LEAVES).min(self.leaves)
    }

    /// Bytes of a piece.
    ///
    /// # Panics
    /// If there is no such piece.
    pub fn length(&self, piece: u32) -> u32 {
        match self.piece(piece) {
            Piece::Chunk(ChunkOf { length, .. }) | Piece::Bundle { length, .. } => length,
        }
    }

    fn run_of(&self, file: u32) -> usize {
        assert!(file < self.files(), "there is no file {file}");
        self.runs.partition_point(|run| run.file <= file) - 1
    }

    fn first_file_after(&self, run: usize) -> u32 {
        self.runs.get(run + 1).map_or(self.files(), |next| next.file)
    }
}

fn add(count: u32, more: u64) -> Result<u32, TooLarge> {
    let sum = u64::from(count) + more;
    u32::try_from(sum).ok().filter(|sum| *sum <= MAX_PIECES).ok_or(TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = CHUNK_BYTES as u64;

    fn layout(sizes: &[u64]) -> Layout {
        Layout::new(sizes.to_vec()).unwrap()
    }

    #[test]
    fn small_files_are_bundled_and_large_ones_cut() {
        let cut = layout(&[5, 0, 3 * MIB + 1, 7]);
        assert_eq!((cut.pieces(), cut.leaves()), (6, 7));
        assert_eq!(cut.piece(0), Piece::Bundle { files: 0..2, leaf: 0, length: 5 });
        let last = ChunkOf { file: 2, index: 3, leaf: 5, length: 1, last: true };
        assert_eq!(cut.piece(4), Piece::Chunk(last));
        assert_eq!(cut.piece(5), Piece::Bundle { files: 3..4, leaf: 6, length: 7 });
        assert_eq!((cut.pieces_of(2), cut.sum_of(2), cut.sum_of(1)), (1..5, 5, 1));
        assert_eq!((cut.needed_for(1), cut.needed_for(2)), (2..3, 2..4));
    }

    #[test]
    fn a_file_of_exactly_a_chunk_is_a_bundle_of_its_own_and_nothing_is_no_piece() {
        assert_eq!(layout(&[MIB, 1]).piece(0), Piece::Bundle { files: 0..1, leaf: 0, length: MIB as u32 });
        assert_eq!(layout(&[]).pieces(), 0);
        assert_eq!(layout(&[0; 257]).pieces(), 2);
    }

    #[test]
    fn what_nobody_could_number_is_refused() {
        assert_eq!(Layout::new(vec![u64::MAX]), Err(TooLarge));
        assert_eq!(Layout::new(vec![u64::MAX; 9]), Err(TooLarge));
        assert!(Layout::new(vec![u64::from(MAX_PIECES) * MIB]).is_ok());
        assert_eq!(Layout::new(vec![u64::from(MAX_PIECES) * MIB, 1]), Err(TooLarge));
    }

    fn sizes() -> impl Strategy<Value = Vec<u64>> {
        let size = prop_oneof![0u64..5, 0u64..20_000, 0..3 * MIB, Just(MIB), Just(MIB + 1), Just(2 * MIB)];
        prop_oneof![prop::collection::vec(size, 0..60), prop::collection::vec(0u64..9, 0..900)]
    }

    proptest! {
        #[test]
        fn every_byte_is_in_one_piece_and_every_leaf_belongs_to_one(sizes in sizes()) {
            let cut = layout(&sizes);
            let mut held = vec![0; sizes.len()];
            let mut leaves = 0;
            for piece in 0..cut.pieces() {
                prop_assert_eq!(cut.leaves_of(piece).start, leaves);
                leaves = cut.leaves_of(piece).end;
                prop_assert!(cut.length(piece) as usize <= CHUNK_BYTES);
                match cut.piece(piece) {
                    Piece::Chunk(chunk) => {
                        prop_assert_eq!(chunk.offset(), held[chunk.file as usize]);
                        held[chunk.file as usize] += u64::from(chunk.length);
                        prop_assert_eq!(chunk.last, held[chunk.file as usize] == sizes[chunk.file as usize]);
                        prop_assert!(chunk.last || chunk.length as usize == CHUNK_BYTES);
                    }
                    Piece::Bundle { files, .. } => {
                        prop_assert!(files.len() <= BUNDLE_FILES as usize && !files.is_empty());
                        files.for_each(|file| held[file as usize] += sizes[file as usize]);
                    }
                }
            }
            prop_assert_eq!(leaves, cut.leaves());
            prop_assert_eq!(&held, &sizes);
        }

        #[test]
        fn a_file_knows_its_pieces_and_its_sum(sizes in sizes()) {
            let cut = layout(&sizes);
            for file in 0..cut.files() {
                let pieces = cut.pieces_of(file);
                let leaves = cut.leaves_of_file(file);
                prop_assert!(cut.leaves_of(pieces.start).start <= leaves.start);
                prop_assert!(cut.leaves_of(pieces.end - 1).end >= leaves.end);
                prop_assert!(pieces.len() == 1 || leaves.len() == pieces.len());
            }
            let pages: u32 = (0..cut.pages()).map(|page| cut.page(page).len() as u32).sum();
            prop_assert_eq!(pages, cut.leaves());
        }
    }
}
