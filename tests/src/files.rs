//! Files with content that cannot be compressed or guessed, and their sums.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Writes `size` bytes that depend on `seed` alone, no two blocks of them equal.
///
/// # Errors
/// When the disk fails.
pub fn write_random(path: &Path, size: u64, seed: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut block = vec![0; CHUNK];
    let mut state = seed | 1;
    for bytes in block.chunks_exact_mut(8) {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.copy_from_slice(&state.to_le_bytes());
    }
    let mut written = 0;
    while written < size {
        block[..8].copy_from_slice(&(written ^ state).to_le_bytes());
        let length = (size - written).min(CHUNK as u64);
        file.write_all(&block[..length as usize])?;
        written += length;
    }
    Ok(())
}

/// The SHA-256 of a file, in lower-case hexadecimal.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK.min(file.metadata()?.len() as usize + 1)];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What is in a folder, by path from there: the sum of each file, `None` for each folder.
///
/// # Errors
/// When the folder cannot be read.
pub fn tree(folder: &Path) -> io::Result<Vec<(PathBuf, Option<String>)>> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(inner) = open.pop() {
        for entry in std::fs::read_dir(folder.join(&inner))? {
            let entry = entry?;
            let path = inner.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                open.push(path.clone());
                found.push((path, None));
            } else {
                let sum = sha256(&entry.path())?;
                found.push((path, Some(sum)));
            }
        }
    }
    found.sort();
    Ok(found)
}

const CHUNK: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_files_of_the_size_that_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, three] = ["one", "two", "three"].map(|name| folder.path().join(name));
        write_random(&one, 1001, 7).unwrap();
        write_random(&two, 1001, 7).unwrap();
        write_random(&three, 1001, 9).unwrap();
        assert_eq!(one.metadata().unwrap().len(), 1001);
        assert_eq!(sha256(&one).unwrap(), sha256(&two).unwrap());
        assert_ne!(sha256(&one).unwrap(), sha256(&three).unwrap());
    }

    #[test]
    fn the_sum_is_the_one_that_everybody_knows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("abc");
        std::fs::write(&file, "abc").unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&file).unwrap(), known);
    }
}
