//! A long history without anybody having typed it: signed entries of several people, written into a profile's store.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use lanyard_engine::Config;
use lanyard_engine::store::{Store, profile};
use lanyard_proto::effects::{Record, RoomRecord};
use lanyard_proto::identity::Identity;
use lanyard_proto::model::{Hlc, Seq, UnixMillis};
use lanyard_proto::rooms::{self, Content, LOBBY, RoomKind};
use lanyard_proto::wire::entry::{Entry, Header};

/// What a room holds.
#[derive(Clone, Copy, Debug)]
pub struct History {
    pub entries: u64,
    /// How many people wrote them, in turn.
    pub authors: u64,
    /// Bytes of text in each.
    pub length: usize,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes of all entries as they travel within their room, without any framing.
    pub payload: u64,
}

struct Author {
    identity: Identity,
    name: String,
    seq: Seq,
    prev: [u8; 32],
}

impl History {
    /// Writes it into the lobby of a profile that nobody runs, which is made if it is not there. The people who wrote it
    /// are not this device.
    ///
    /// # Errors
    /// When the store fails, in words.
    pub fn write(&self, profile: &Path) -> Result<Written, String> {
        profile::prepare(profile).map_err(|error| error.to_string())?;
        profile::identity(profile).map_err(|error| error.to_string())?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
        runtime.block_on(self.commit(profile)).map_err(|error| error.to_string())
    }

    async fn commit(&self, profile: &Path) -> Result<Written, lanyard_engine::store::StoreError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis() as u64;
        let (store, _) = Store::open(&profile.join("lanyard.db"), UnixMillis(now))?;
        let room = rooms::open_room_id(&Config::new(profile).network, LOBBY);
        let joined = UnixMillis(now);
        let record = RoomRecord { id: room, kind: RoomKind::Open, name: LOBBY.to_owned(), joined, nonce: 1 };
        store.commit(vec![Record::Room(record)]).await?.await?;
        let mut authors: Vec<_> = (0..self.authors).map(Author::numbered).collect();
        let mut written = Written { payload: 0 };
        let mut batch = Vec::with_capacity(BATCH);
        let mut last = None;
        for number in 0..self.entries {
            let author = &mut authors[(number % self.authors) as usize];
            // A second between two, the last one just now.
            let at = UnixMillis(now - (self.entries - number) * 1000);
            let entry = author.write(room, at, &self.text(number));
            written.payload += entry.len_in_room() as u64;
            batch.push(Record::Entry { room, entry: entry.into(), own: false, arrived: at, theirs: None });
            if batch.len() == BATCH || number + 1 == self.entries {
                last = Some(store.commit(std::mem::take(&mut batch)).await?);
            }
        }
        if let Some(last) = last {
            last.await?;
        }
        store.close().await?;
        Ok(written)
    }

    /// What the entry of this number says, counted from 0.
    pub fn text(&self, number: u64) -> String {
        crate::conversation::text(HISTORY, (number % self.authors) as usize, number as usize, self.length)
    }
}

impl Author {
    fn numbered(number: u64) -> Author {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        Author {
            identity: Identity::from_seed(&seed),
            name: format!("author {number}"),
            seq: Seq(0),
            prev: [0; 32],
        }
    }

    fn write(&mut self, room: lanyard_proto::model::RoomId, at: UnixMillis, text: &str) -> Entry {
        self.seq = self.seq.next();
        let content = Content::Text(text.into());
        let header = Header {
            room,
            author: self.identity.peer_id(),
            nonce: 1,
            epoch: 0,
            seq: self.seq,
            prev: self.prev,
            hlc: Hlc::at(at),
            deps: Vec::new(),
            kind: content.kind(),
        };
        let entry = Entry::write(&self.identity, header, content.encode(&self.name));
        self.prev = entry.id().0;
        entry
    }
}

/// As many as the store takes into one transaction.
const BATCH: usize = 512;

/// Told apart by it from what people say while a test runs.
const HISTORY: u64 = 1_000_000;
