//! Frames of a sync connection about messages that others keep for somebody who is away.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use crate::model::{EntryId, PeerId, RoomId};
use crate::wire::codec::{DecodeError, at_most, from_cbor, to_cbor};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mail {
    /// Keep these entries of mine for somebody who is away; they are of our direct conversation.
    Hold { to: PeerId, entries: Vec<Vec<u8>> },
    /// Of what you gave me for somebody, these are on my disk.
    Held { to: PeerId, entries: Vec<EntryId> },
    /// Somebody gave me these for you.
    Parcel { room: RoomId, entries: Vec<Vec<u8>> },
    /// These are on my disk: you need not keep them.
    Got { entries: Vec<EntryId> },
}

impl Mail {
    /// Type byte and body.
    pub fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Mail::Hold { to, entries } => {
                (HOLD, to_cbor(&EntriesBody { with: to.0.into(), entries: entries_to_body(entries) }))
            }
            Mail::Held { to, entries } => {
                (HELD, to_cbor(&IdsBody { with: Some(to.0.into()), entries: ids_to_body(entries) }))
            }
            Mail::Parcel { room, entries } => {
                (PARCEL, to_cbor(&EntriesBody { with: room.0.into(), entries: entries_to_body(entries) }))
            }
            Mail::Got { entries } => (GOT, to_cbor(&IdsBody { with: None, entries: ids_to_body(entries) })),
        }
    }

    /// `None` for a type that is not about mail.
    ///
    /// # Errors
    /// If the body does not fit its type, or breaks a bound.
    pub fn decode(kind: u8, body: &[u8]) -> Result<Option<Mail>, DecodeError> {
        Ok(Some(match kind {
            HOLD => {
                let said: EntriesBody = from_cbor(body)?;
                Mail::Hold { to: PeerId(said.with.into()), entries: entries_from_body(said.entries)? }
            }
            HELD => {
                let said: IdsBody = from_cbor(body)?;
                let to = said.with.ok_or(DecodeError::Malformed)?;
                Mail::Held { to: PeerId(to.into()), entries: ids_from_body(said.entries)? }
            }
            PARCEL => {
                let said: EntriesBody = from_cbor(body)?;
                Mail::Parcel { room: RoomId(said.with.into()), entries: entries_from_body(said.entries)? }
            }
            GOT => Mail::Got { entries: ids_from_body(from_cbor::<IdsBody>(body)?.entries)? },
            _ => return Ok(None),
        }))
    }
}

fn entries_to_body(entries: &[Vec<u8>]) -> Vec<ByteVec> {
    entries.iter().map(|entry| entry.clone().into()).collect()
}

fn entries_from_body(entries: Vec<ByteVec>) -> Result<Vec<Vec<u8>>, DecodeError> {
    Ok(at_most(entries, MAX_ENTRIES)?.into_iter().map(Vec::from).collect())
}

fn ids_to_body(ids: &[EntryId]) -> Vec<ByteArray<32>> {
    ids.iter().map(|id| id.0.into()).collect()
}

fn ids_from_body(ids: Vec<ByteArray<32>>) -> Result<Vec<EntryId>, DecodeError> {
    Ok(at_most(ids, MAX_ENTRIES)?.into_iter().map(|id| EntryId(id.into())).collect())
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct EntriesBody {
    /// For whom, or of which room.
    #[n(0)]
    with: ByteArray<32>,
    #[n(1)]
    entries: Vec<ByteVec>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct IdsBody {
    #[n(0)]
    with: Option<ByteArray<32>>,
    #[n(1)]
    entries: Vec<ByteArray<32>>,
}

const HOLD: u8 = 40;
const HELD: u8 = 41;
const PARCEL: u8 = 42;
const GOT: u8 = 43;

/// Most entries in one frame.
pub const MAX_ENTRIES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_read_back_up_to_their_bound_and_not_beyond() {
        let (to, room, id) = (PeerId([1; 32]), RoomId([2; 32]), EntryId([3; 32]));
        let all = |most: usize| {
            let entries = vec![vec![7; 200]; most];
            [
                Mail::Hold { to, entries: entries.clone() },
                Mail::Held { to, entries: vec![id; most] },
                Mail::Parcel { room, entries },
                Mail::Got { entries: vec![id; most] },
            ]
        };
        for mail in all(MAX_ENTRIES) {
            let (kind, body) = mail.encode();
            assert_eq!(Mail::decode(kind, &body), Ok(Some(mail)));
        }
        for mail in all(MAX_ENTRIES + 1) {
            let (kind, body) = mail.encode();
            assert_eq!(Mail::decode(kind, &body), Err(DecodeError::TooLong));
        }
        assert_eq!(Mail::decode(200, &[]), Ok(None));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind: u8, body: Vec<u8>) {
            let _ = Mail::decode(kind, &body);
        }
    }
}
