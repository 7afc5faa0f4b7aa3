//! What a pull has verified so far, appended to a file in its staging folder.
//!
//! Nothing in it is believed by itself: after a restart every chunk on disk is hashed again and compared, so no order of
//! syncs has to be trusted. A torn end is cut off.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};

use minicbor::{Decode, Decoder, Encode};

use super::hash::State;

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum Record {
    /// The first record: which manifest the rest speaks of.
    #[n(0)]
    Manifest {
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        sha256: [u8; 32],
    },
    /// A chunk that is not the last of its file is on disk; the state is the one behind it.
    #[n(1)]
    Chunk {
        #[n(0)]
        file: u32,
        #[n(1)]
        index: u32,
        #[n(2)]
        #[cbor(with = "minicbor::bytes")]
        state: State,
    },
    /// A file is whole.
    #[n(2)]
    File {
        #[n(0)]
        file: u32,
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        sha256: State,
    },
    /// Everything is whole and durable, and what stands at the top as `name` is about to be renamed to `to`.
    #[n(3)]
    Place {
        #[n(0)]
        name: String,
        #[n(1)]
        to: String,
    },
}

/// What a journal says of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// States behind its first chunks.
    pub states: Vec<State>,
    pub sha256: Option<State>,
}

/// What a journal says.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub files: BTreeMap<u32, Known>,
    /// Under which name what stood at the top was last to be placed.
    pub placing: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    pending: Vec<u8>,
}

impl Journal {
    /// Takes up a journal, or gives the file back emptied if it does not speak of this manifest: then nothing that is
    /// staged is worth keeping.
    pub fn resume(mut file: File, manifest: [u8; 32]) -> io::Result<Result<(Journal, Story), File>> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut records = Decoder::new(&bytes);
        if records.decode::<Record>().ok() != Some(Record::Manifest { sha256: manifest }) {
            file.set_len(0)?;
            file.rewind()?;
            return Ok(Err(file));
        }
        let mut story = Story::default();
        let mut whole = records.position();
        while let Ok(record) = records.decode::<Record>() {
            whole = records.position();
            story.add(record);
        }
        file.set_len(whole as u64)?;
        file.seek(io::SeekFrom::End(0))?;
        Ok(Ok((Journal { file, pending: Vec::new() }, story)))
    }

    /// Begins one in an empty file.
    pub fn begin(file: File, manifest: [u8; 32]) -> io::Result<Journal> {
        let mut journal = Journal { file, pending: Vec::new() };
        journal.add(&Record::Manifest { sha256: manifest });
        journal.flush()?;
        Ok(journal)
    }

    /// Takes a record; it is in the file after [`Journal::flush`].
    pub fn add(&mut self, record: &Record) {
        minicbor::encode(record, &mut self.pending).expect("a vector takes every byte");
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.pending)?;
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
    fn add(&mut self, record: Record) {
        match record {
            Record::Manifest { .. } => {}
            Record::Chunk { file, index, state } => {
                let states = &mut self.files.entry(file).or_default().states;
                // A chunk that was fetched again, after its first copy was not believed, replaces what followed.
                if index as usize <= states.len() {
                    states.truncate(index as usize);
                    states.push(state);
                }
            }
            Record::File { file, sha256 } => self.files.entry(file).or_default().sha256 = Some(sha256),
            Record::Place { name, to } => {
                self.placing.insert(name, to);
            }
        }
    }
}
