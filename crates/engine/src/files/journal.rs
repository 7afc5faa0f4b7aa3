//! What is known of an offer, appended to a file: beside the files that arrive, and beside the author's shelf.
//!
//! A receiver believes nothing in it by itself: after a restart every piece on disk is hashed again and compared, so no
//! order of syncs has to be trusted. An author believes leaves whose check is right, of files that are the same as then. A
//! torn end is cut off.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};

use lanyard_proto::transfer::Leaf;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Decoder, Encode};
use sha2::{Digest, Sha256};

/// The numbers below 8 were those of an earlier form, which has no pieces: such a journal is not read on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum Record {
    /// The first record: which manifest the rest speaks of.
    #[n(8)]
    Manifest {
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        sha256: [u8; 32],
    },
    /// Leaves that follow each other, and the beginning of their SHA-256.
    #[n(9)]
    Leaves {
        #[n(0)]
        first: u32,
        #[n(1)]
        leaves: ByteVec,
        #[n(2)]
        check: u32,
    },
    /// A piece is on disk.
    #[n(10)]
    Piece {
        #[n(0)]
        piece: u32,
    },
    /// These files of a bundle are on disk; others of it could not be read.
    #[n(11)]
    Files {
        #[n(0)]
        files: Vec<u32>,
    },
    /// The author signed a page.
    #[n(12)]
    Signed {
        #[n(0)]
        page: u32,
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        signature: [u8; 64],
    },
    /// Everything is whole and durable, and what stands at the top as `name` is about to be renamed to `to`.
    #[n(13)]
    Place {
        #[n(0)]
        name: String,
        #[n(1)]
        to: String,
    },
    /// A file that came after what is above it had its name is about to get its own.
    #[n(14)]
    Late {
        #[n(0)]
        file: u32,
        #[n(1)]
        to: String,
    },
    /// Which file on the author's disk the leaves of a file were made from.
    #[n(15)]
    Source {
        #[n(0)]
        file: u32,
        #[n(1)]
        id: u64,
    },
    /// The leaves of a file hold no longer.
    #[n(16)]
    Forget {
        #[n(0)]
        file: u32,
    },
}

impl Record {
    pub fn leaves(first: u32, leaves: &[Leaf]) -> Record {
        let leaves = leaves.as_flattened().to_vec();
        Record::Leaves { first, check: check(&leaves), leaves: leaves.into() }
    }
}

/// What a journal says, apart from leaves, in the order in which it does.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub records: Vec<Record>,
    /// Under which name what stood at the top was last to be placed.
    pub placing: BTreeMap<String, String>,
    /// The same of single files.
    pub late: BTreeMap<u32, String>,
}

#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// Of what was written whole.
    length: u64,
    pending: Vec<u8>,
}

/// What waits to be written, at most; more is written at once. About the leaves of 64 MiB.
const MAX_PENDING: usize = 4096;

impl Journal {
    /// Takes up a journal, or gives the file back emptied if it does not speak of this manifest: then nothing that is
    /// staged is worth keeping.
    pub fn resume(mut file: File, manifest: [u8; 32]) -> io::Result<Result<(Journal, Story), File>> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let Some((story, whole)) = Story::read(&bytes, manifest) else {
            file.set_len(0)?;
            file.rewind()?;
            return Ok(Err(file));
        };
        let length = whole as u64;
        file.set_len(length)?;
        file.seek(io::SeekFrom::Start(length))?;
        Ok(Ok((Journal { file, length, pending: Vec::new() }, story)))
    }

    /// Begins one in an empty file.
    pub fn begin(file: File, manifest: [u8; 32]) -> io::Result<Journal> {
        let mut journal = Journal { file, length: 0, pending: Vec::new() };
        journal.add(&Record::Manifest { sha256: manifest });
        journal.flush()?;
        Ok(journal)
    }

    /// Takes a record; it is in the file after [`Journal::flush`].
    pub fn add(&mut self, record: &Record) {
        minicbor::encode(record, &mut self.pending).expect("a vector takes every byte");
    }

    /// Whether so much waits that it is better written.
    pub fn is_heavy(&self) -> bool {
        self.pending.len() >= MAX_PENDING
    }

    /// Writes what waits, all of it or nothing.
    ///
    /// # Errors
    /// If it cannot be written: then it waits still.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.pending);
        if let Err(error) = written {
            // On a full disk the beginning may have found room. Behind a torn record nothing would be read any more.
            // What cannot be cut off is cut off by whoever takes the journal up.
            let _ = self
                .file
                .set_len(self.length)
                .and_then(|()| self.file.seek(io::SeekFrom::Start(self.length)));
            return Err(error);
        }
        self.length += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Makes everything flushed survive power loss.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_data()
    }
}

impl Story {
    /// Reads a journal up to where it is torn, and says where that is; `None` if it does not speak of this manifest.
    pub fn read(bytes: &[u8], manifest: [u8; 32]) -> Option<(Story, usize)> {
        let mut records = Decoder::new(bytes);
        if records.decode::<Record>().ok() != Some(Record::Manifest { sha256: manifest }) {
            return None;
        }
        let mut story = Story::default();
        let mut whole = records.position();
        while let Ok(record) = records.decode::<Record>() {
            if matches!(&record, Record::Leaves { leaves, check: sum, .. } if check(leaves) != *sum) {
                break;
            }
            whole = records.position();
            story.add(record);
        }
        Some((story, whole))
    }

    fn add(&mut self, record: Record) {
        match record {
            Record::Manifest { .. } => {}
            Record::Place { name, to } => drop(self.placing.insert(name, to)),
            Record::Late { file, to } => drop(self.late.insert(file, to)),
            other => self.records.push(other),
        }
    }
}

fn check(leaves: &[u8]) -> u32 {
    let sum = Sha256::digest(leaves);
    u32::from_be_bytes([sum[0], sum[1], sum[2], sum[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn a_journal_of_the_earlier_form_is_told_from_one_of_this() {
        // Its first record: number 0, an array with the hash of the manifest.
        let earlier = [&[0x82, 0x00, 0x81, 0x58, 0x20], [7; 32].as_slice()].concat();
        let mut file = Journal::resume(journal(&earlier), [7; 32]).unwrap().unwrap_err();
        assert_eq!(file.seek(io::SeekFrom::End(0)).unwrap(), 0, "it is begun anew");
    }

    #[test]
    fn leaves_whose_check_is_wrong_and_all_behind_them_are_cut_off() {
        let mut bytes = Vec::new();
        let mut add = |record: &Record| minicbor::encode(record, &mut bytes).unwrap();
        add(&Record::Manifest { sha256: [7; 32] });
        add(&Record::leaves(3, &[[1; 32], [2; 32]]));
        add(&Record::Leaves { first: 5, leaves: vec![1; 32].into(), check: 0 });
        add(&Record::Piece { piece: 1 });
        let (_, story) = Journal::resume(journal(&bytes), [7; 32]).unwrap().unwrap();
        assert_eq!(story.records, [Record::leaves(3, &[[1; 32], [2; 32]])]);
    }
}
