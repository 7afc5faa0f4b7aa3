//! SHA-256 that shows its chaining state after every chunk, so that one pass gives the checksum of a file and the means
//! to check each chunk alone.
//!
//! A chunk is a whole number of SHA-256 blocks, so the state behind it depends on nothing but the state before it and
//! its bytes (FIPS 180-4, 6.2.2).

use std::fs::File;
use std::io;

use lanyard_proto::wire::file::CHUNK_BYTES;
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

use super::positions::read_up_to_at;

/// A chaining state or a checksum: eight big-endian words.
pub type State = [u8; 32];

/// The state before the first chunk of every file (FIPS 180-4, 5.3.3).
pub const START: State = [
    0x6a, 0x09, 0xe6, 0x67, 0xbb, 0x67, 0xae, 0x85, 0x3c, 0x6e, 0xf3, 0x72, 0xa5, 0x4f, 0xf5, 0x3a, 0x51,
    0x0e, 0x52, 0x7f, 0x9b, 0x05, 0x68, 0x8c, 0x1f, 0x83, 0xd9, 0xab, 0x5b, 0xe0, 0xcd, 0x19,
];

/// What [`lanyard_proto::transfer::PullEnd::Complete`] says of files with these checksums.
pub fn digest_of(files: &[State]) -> State {
    if let [only] = files { *only } else { Sha256::digest(files.as_flattened()).into() }
}

/// What [`lanyard_proto::transfer::Part`] says of these files of a manifest, by number, with their checksums.
pub fn part_digest_of(manifest: &[u8; 32], files: impl IntoIterator<Item = (u32, State)>) -> State {
    let mut hash = Sha256::new();
    hash.update(b"LNY1 part v1\0");
    hash.update(manifest);
    for (file, sum) in files {
        hash.update(file.to_be_bytes());
        hash.update(sum);
    }
    hash.finalize().into()
}

/// The SHA-256 of the first `size` bytes of a file.
///
/// # Errors
/// If they cannot be read; [`io::ErrorKind::UnexpectedEof`] if there are fewer.
pub fn sum_of(file: &File, size: u64) -> io::Result<State> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; size.min(CHUNK_BYTES as u64) as usize];
    let mut at = 0;
    while at < size {
        let room = &mut buffer[..(size - at).min(CHUNK_BYTES as u64) as usize];
        if read_up_to_at(file, room, at)? < room.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hash.update(&*room);
        at += room.len() as u64;
    }
    Ok(hash.finalize().into())
}

/// The chain of one file, fed chunk by chunk.
#[derive(Clone, Debug)]
pub struct ChainHasher {
    words: [u32; 8],
    chunks: u64,
}

impl ChainHasher {
    /// At the start of a file.
    pub fn new() -> ChainHasher {
        ChainHasher::resume(START, 0)
    }

    /// Behind `chunks` full chunks, where the state is `state`.
    pub fn resume(state: State, chunks: u64) -> ChainHasher {
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(state.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        ChainHasher { words, chunks }
    }

    /// Takes a full chunk and gives the state behind it.
    ///
    /// # Panics
    /// If `chunk` does not have [`CHUNK_BYTES`].
    pub fn chunk(&mut self, chunk: &[u8]) -> State {
        assert_eq!(chunk.len(), CHUNK_BYTES, "only the last chunk of a file may be short");
        compress256(&mut self.words, chunk.as_chunks::<64>().0);
        self.chunks += 1;
        bytes_of(&self.words)
    }

    /// The SHA-256 of everything so far and of `rest`, the last bytes of the file: at most a chunk, possibly none.
    pub fn finish(mut self, rest: &[u8]) -> State {
        let (blocks, rest_of_block) = rest.as_chunks::<64>();
        compress256(&mut self.words, blocks);
        let bits = (self.chunks * CHUNK_BYTES as u64 + rest.len() as u64).wrapping_mul(8);
        let mut padding = [0; 128];
        padding[..rest_of_block.len()].copy_from_slice(rest_of_block);
        padding[rest_of_block.len()] = 0x80;
        // The length takes 8 bytes behind the mark; where they do not fit, another block does.
        let end = if rest_of_block.len() < 56 { 64 } else { 128 };
        padding[end - 8..end].copy_from_slice(&bits.to_be_bytes());
        compress256(&mut self.words, padding[..end].as_chunks::<64>().0);
        bytes_of(&self.words)
    }
}

impl Default for ChainHasher {
    fn default() -> ChainHasher {
        ChainHasher::new()
    }
}

/// A chunk's worth of zero bytes, for chunks that are not sent.
pub static ZEROS: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];

/// Whether every byte is zero.
pub fn all_zero(bytes: &[u8]) -> bool {
    // Slices are compared by memcmp, which stops at the first difference.
    bytes.len() <= CHUNK_BYTES && bytes == &ZEROS[..bytes.len()]
}

fn bytes_of(words: &[u32; 8]) -> State {
    let mut state = [0; 32];
    for (bytes, word) in state.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *bytes = word.to_be_bytes();
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 31 + i / 251) as u8).collect()
    }

    /// The states behind the full chunks before the last, and the checksum.
    fn chain(data: &[u8]) -> (Vec<State>, State) {
        let mut hasher = ChainHasher::new();
        let mut states = Vec::new();
        let mut rest = data;
        while rest.len() > CHUNK_BYTES {
            states.push(hasher.chunk(&rest[..CHUNK_BYTES]));
            rest = &rest[CHUNK_BYTES..];
        }
        (states, hasher.finish(rest))
    }

    #[test]
    fn the_checksum_is_the_plain_sha256_for_every_length_around_blocks_and_chunks() {
        let mut lengths: Vec<usize> = (0..200).collect();
        for chunks in 1..=3 {
            for around in [0, 1, 55, 56, 63, 64, 65, 119, 120] {
                lengths.push(chunks * CHUNK_BYTES + around);
                lengths.push(chunks * CHUNK_BYTES - around);
            }
        }
        let data = sample(3 * CHUNK_BYTES + 200);
        for length in lengths {
            let expected: State = Sha256::digest(&data[..length]).into();
            assert_eq!(chain(&data[..length]).1, expected, "{length} bytes");
        }
    }

    #[test]
    fn any_chunk_can_be_checked_alone_from_the_state_before_it() {
        let data = sample(3 * CHUNK_BYTES + 5);
        let (states, checksum) = chain(&data);
        assert_eq!(states.len(), 3);
        for index in 1..3 {
            let alone = &data[index * CHUNK_BYTES..(index + 1) * CHUNK_BYTES];
            assert_eq!(ChainHasher::resume(states[index - 1], index as u64).chunk(alone), states[index]);
            let mut damaged = alone.to_vec();
            damaged[77] ^= 1;
            assert_ne!(ChainHasher::resume(states[index - 1], index as u64).chunk(&damaged), states[index]);
        }
        let last = &data[3 * CHUNK_BYTES..];
        assert_eq!(ChainHasher::resume(states[2], 3).finish(last), checksum);
        // Padding and length are part of the checksum, so the count of chunks matters too.
        assert_ne!(ChainHasher::resume(states[2], 2).finish(last), checksum);
    }

    #[test]
    fn zeros_are_seen() {
        assert!(all_zero(&[0; 4096]));
        assert!(all_zero(&[]));
        let mut almost = vec![0; CHUNK_BYTES];
        almost[CHUNK_BYTES - 1] = 1;
        assert!(!all_zero(&almost));
    }
}
