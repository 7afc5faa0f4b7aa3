//! Frames of a sync connection about private rooms: being let in, and keys.
//!
//! The secret of an invite never travels, and no room is named before the other side has proven to know it.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::model::{InviteId, PeerId, RoomId};
use crate::wire::codec::{DecodeError, at_most, from_cbor, to_cbor};

#[derive(Clone, PartialEq, Eq)]
pub enum Door {
    /// I know the secret of this invite: let me in.
    Join { invite: InviteId, proof: [u8; 32] },
    /// You are in. The proof is there if that was asked for.
    Welcome(Box<Welcome>),
    /// You are not. Without a proof it means: not by me.
    Refused { invite: InviteId, why: u8, proof: Option<[u8; 32]> },
    /// I am a member and lack the keys of these epochs.
    Keys { room: RoomId, epochs: Vec<u32> },
    /// Those that you asked for and I have.
    Given { room: RoomId, keys: Vec<(u32, [u8; 32])> },
}

/// What a new member needs to begin with.
#[derive(Clone, PartialEq, Eq)]
pub struct Welcome {
    pub room: RoomId,
    pub name: String,
    /// Of every epoch: history is shared with members.
    pub keys: Vec<(u32, [u8; 32])>,
    /// Devices whose entries are in the room, until the room's own entries say so.
    pub writers: Vec<PeerId>,
    pub proof: Option<[u8; 32]>,
}

impl Door {
    /// Type byte and body.
    pub fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Door::Join { invite, proof } => {
                (JOIN, to_cbor(&JoinBody { invite: invite.0.into(), proof: (*proof).into() }))
            }
            Door::Welcome(welcome) => {
                let body = WelcomeBody {
                    room: welcome.room.0.into(),
                    name: welcome.name.clone(),
                    keys: keys_to_body(&welcome.keys),
                    writers: welcome.writers.iter().map(|peer| peer.0.into()).collect(),
                    proof: welcome.proof.map(Into::into),
                };
                (WELCOME, to_cbor(&body))
            }
            Door::Refused { invite, why, proof } => {
                let proof = proof.map(Into::into);
                (REFUSED, to_cbor(&RefusedBody { invite: invite.0.into(), why: *why, proof }))
            }
            Door::Keys { room, epochs } => {
                (KEYS, to_cbor(&KeysBody { room: room.0.into(), epochs: epochs.clone() }))
            }
            Door::Given { room, keys } => {
                (GIVEN, to_cbor(&GivenBody { room: room.0.into(), keys: keys_to_body(keys) }))
            }
        }
    }

    /// `None` for a type that is not about private rooms.
    ///
    /// # Errors
    /// If the body does not fit its type, or breaks a bound.
    pub fn decode(kind: u8, body: &[u8]) -> Result<Option<Door>, DecodeError> {
        Ok(Some(match kind {
            JOIN => {
                let said: JoinBody = from_cbor(body)?;
                Door::Join { invite: InviteId(said.invite.into()), proof: said.proof.into() }
            }
            WELCOME => {
                let said: WelcomeBody = from_cbor(body)?;
                let writers = at_most(said.writers, MAX_WRITERS)?;
                Door::Welcome(Box::new(Welcome {
                    room: RoomId(said.room.into()),
                    name: said.name,
                    keys: keys_from_body(said.keys)?,
                    writers: writers.into_iter().map(|peer| PeerId(peer.into())).collect(),
                    proof: said.proof.map(Into::into),
                }))
            }
            REFUSED => {
                let said: RefusedBody = from_cbor(body)?;
                let proof = said.proof.map(Into::into);
                Door::Refused { invite: InviteId(said.invite.into()), why: said.why, proof }
            }
            KEYS => {
                let said: KeysBody = from_cbor(body)?;
                Door::Keys { room: RoomId(said.room.into()), epochs: at_most(said.epochs, MAX_EPOCHS)? }
            }
            GIVEN => {
                let said: GivenBody = from_cbor(body)?;
                Door::Given { room: RoomId(said.room.into()), keys: keys_from_body(said.keys)? }
            }
            _ => return Ok(None),
        }))
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys are no business of a log file.
        f.write_str(match self {
            Door::Join { .. } => "Join",
            Door::Welcome(_) => "Welcome",
            Door::Refused { .. } => "Refused",
            Door::Keys { .. } => "Keys",
            Door::Given { .. } => "Given",
        })
    }
}

fn keys_to_body(keys: &[(u32, [u8; 32])]) -> Vec<KeyBody> {
    keys.iter().map(|(epoch, key)| KeyBody { epoch: *epoch, key: (*key).into() }).collect()
}

fn keys_from_body(keys: Vec<KeyBody>) -> Result<Vec<(u32, [u8; 32])>, DecodeError> {
    Ok(at_most(keys, MAX_KEYS)?.into_iter().map(|key| (key.epoch, key.key.into())).collect())
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct JoinBody {
    #[n(0)]
    invite: ByteArray<16>,
    #[n(1)]
    proof: ByteArray<32>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct WelcomeBody {
    #[n(0)]
    room: ByteArray<32>,
    #[n(1)]
    name: String,
    #[n(2)]
    keys: Vec<KeyBody>,
    #[n(3)]
    writers: Vec<ByteArray<32>>,
    #[n(4)]
    proof: Option<ByteArray<32>>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct KeyBody {
    #[n(0)]
    epoch: u32,
    #[n(1)]
    key: ByteArray<32>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct RefusedBody {
    #[n(0)]
    invite: ByteArray<16>,
    #[n(1)]
    why: u8,
    #[n(2)]
    proof: Option<ByteArray<32>>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct KeysBody {
    #[n(0)]
    room: ByteArray<32>,
    #[n(1)]
    epochs: Vec<u32>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct GivenBody {
    #[n(0)]
    room: ByteArray<32>,
    #[n(1)]
    keys: Vec<KeyBody>,
}

const JOIN: u8 = 32;
const WELCOME: u8 = 33;
const REFUSED: u8 = 34;
const KEYS: u8 = 35;
const GIVEN: u8 = 36;

/// Keys in one frame: as many as a room has at the most, about 160 kB.
const MAX_KEYS: usize = 4096;
/// Epochs asked for at a time.
pub const MAX_EPOCHS: usize = 1024;
/// Devices told to a newcomer, about 140 kB; of further ones it learns from the room's entries.
pub const MAX_WRITERS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(door: &Door) -> Result<Option<Door>, DecodeError> {
        let (kind, body) = door.encode();
        Door::decode(kind, &body)
    }

    fn welcome(keys: usize, writers: usize) -> Door {
        Door::Welcome(Box::new(Welcome {
            room: RoomId([1; 32]),
            name: "design".into(),
            keys: vec![(u32::MAX, [2; 32]); keys],
            writers: vec![PeerId([3; 32]); writers],
            proof: Some([4; 32]),
        }))
    }

    #[test]
    fn frames_read_back_up_to_their_bounds_and_not_beyond() {
        let (room, invite) = (RoomId([1; 32]), InviteId([5; 16]));
        for door in [
            Door::Join { invite, proof: [6; 32] },
            welcome(MAX_KEYS, MAX_WRITERS),
            Door::Refused { invite, why: 2, proof: None },
            Door::Keys { room, epochs: vec![7; MAX_EPOCHS] },
            Door::Given { room, keys: vec![(1, [2; 32]); MAX_KEYS] },
        ] {
            assert!(door.encode().1.len() < 512 << 10, "a connection holds it");
            assert_eq!(read(&door), Ok(Some(door)));
        }
        for door in [
            welcome(MAX_KEYS + 1, 0),
            welcome(0, MAX_WRITERS + 1),
            Door::Keys { room, epochs: vec![7; MAX_EPOCHS + 1] },
        ] {
            assert_eq!(read(&door), Err(DecodeError::TooLong));
        }
        assert_eq!(Door::decode(200, &[]), Ok(None));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind: u8, body: Vec<u8>) {
            let _ = Door::decode(kind, &body);
        }
    }
}
