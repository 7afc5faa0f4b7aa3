//! Where a message stands in the order of its room.

use std::fmt;

use data_encoding::HEXLOWER;
use lanyard_proto::model::{Hlc, PeerId, Seq, UnixMillis};
use lanyard_proto::rooms::{self, Came, MAX_PLACE};
use lanyard_proto::wire::entry::Header;

use crate::saying;
use crate::saying::{Filling, Says};

/// A place in the order in which a room is shown: by clock, then author, then log.
///
/// Its text form, 112 lower-case hexadecimal characters, sorts as the cursors do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The entry's hybrid clock, or another time where its author's clock was far off.
    pub place: Hlc,
    pub author: PeerId,
    pub seq: Seq,
    pub nonce: u64,
}

impl Cursor {
    /// Where an entry stands that arrived here at this time, as far as that alone says it.
    pub fn of(header: &Header, arrived: UnixMillis) -> Cursor {
        Cursor::at_place(header, rooms::place(header, Came::at(arrived)))
    }

    /// Where an entry stands that has this place.
    pub fn at_place(header: &Header, place: Hlc) -> Cursor {
        let Header { author, seq, nonce, .. } = *header;
        Cursor { place, author, seq, nonce }
    }

    /// Reads the [`fmt::Display`] form.
    ///
    /// # Errors
    /// [`NotACursor`] for any other text.
    pub fn parse(text: &str) -> Result<Cursor, NotACursor> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| NotACursor)?;
        let (place, rest) = bytes.split_first_chunk().ok_or(NotACursor)?;
        let (author, rest) = rest.split_first_chunk().ok_or(NotACursor)?;
        let (seq, rest) = rest.split_first_chunk().ok_or(NotACursor)?;
        let nonce = rest.try_into().map_err(|_| NotACursor)?;
        let (place, seq) = (Hlc(u64::from_be_bytes(*place)), Seq(u64::from_be_bytes(*seq)));
        if place > MAX_PLACE || i64::try_from(seq.0).is_err() {
            return Err(NotACursor);
        }
        Ok(Cursor { place, author: PeerId(*author), seq, nonce: u64::from_be_bytes(nonce) })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let author = HEXLOWER.encode(&self.author.0);
        write!(f, "{:016x}{author}{:016x}{:016x}", self.place.0, self.seq.0, self.nonce)
    }
}

/// The text is not the cursor of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.filling())]
pub struct NotACursor;

impl Says for NotACursor {
    fn filling(&self) -> Filling {
        saying!("This does not say where a message stands. Use the cursor of a message as it was given.")
            .into()
    }
}
