//! What is said where one device cannot dial another: the bodies of KNOCK and MEET, and what whoever comes says first.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::model::{PeerId, Token};
use crate::wire::codec::{DecodeError, Reader, at_most, from_cbor, to_cbor};

/// "Dial me": its sender is proven by the envelope around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knock {
    /// Who is to dial.
    pub to: PeerId,
    /// What it is to say first.
    pub token: Token,
    /// The sender waits at this device, and cannot be dialled itself.
    pub via: Option<PeerId>,
    pub wish: Wish,
}

/// What the sender of a knock wants of whoever dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Files,
    /// Logs, invites, mail: what is said in frames.
    Sync,
}

impl Knock {
    pub fn encode(&self) -> Vec<u8> {
        let via = self.via.map(|via| via.0.into());
        let wish = match self.wish {
            Wish::Files => None,
            Wish::Sync => Some(SYNC),
        };
        to_cbor(&KnockBody { to: self.to.0.into(), token: self.token.0.into(), via, wish })
    }

    /// # Errors
    /// If the body is none of a KNOCK, or wishes for what is not known here.
    pub fn decode(body: &[u8]) -> Result<Knock, DecodeError> {
        let said: KnockBody = from_cbor(body)?;
        let via = said.via.map(|via| PeerId(via.into()));
        let wish = match said.wish {
            None => Wish::Files,
            Some(SYNC) => Wish::Sync,
            Some(_) => return Err(DecodeError::Malformed),
        };
        Ok(Knock { to: PeerId(said.to.into()), token: Token(said.token.into()), via, wish })
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct KnockBody {
    #[n(0)]
    to: ByteArray<32>,
    #[n(1)]
    token: ByteArray<16>,
    #[n(2)]
    via: Option<ByteArray<32>>,
    #[n(3)]
    wish: Option<u8>,
}

/// The only wish that is said.
const SYNC: u8 = 1;

/// "Connect to me for sync": its sender is proven by the envelope around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meet {
    pub to: PeerId,
    /// The sender's tags of the rooms in which it wants to catch up, as in the room's own datagrams; at most
    /// [`MAX_MEET_ROOMS`].
    pub rooms: Vec<[u8; 8]>,
}

impl Meet {
    pub fn encode(&self) -> Vec<u8> {
        let rooms = self.rooms.iter().map(|tag| (*tag).into()).collect();
        to_cbor(&MeetBody { to: self.to.0.into(), rooms })
    }

    /// # Errors
    /// If the body is none of a MEET, or names too many rooms.
    pub fn decode(body: &[u8]) -> Result<Meet, DecodeError> {
        let said: MeetBody = from_cbor(body)?;
        let rooms = at_most(said.rooms, MAX_MEET_ROOMS)?.into_iter().map(Into::into).collect();
        Ok(Meet { to: PeerId(said.to.into()), rooms })
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct MeetBody {
    #[n(0)]
    to: ByteArray<32>,
    #[n(1)]
    rooms: Vec<ByteArray<8>>,
}

/// Rooms that one MEET names: those that catch up at a time are fewer.
pub const MAX_MEET_ROOMS: usize = 16;

/// The first bytes of whoever dials a device that is to relay (ALPN `lanyard-relay/1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    pub side: Side,
    /// With whom the caller wants to be joined.
    pub other: PeerId,
    pub token: Token,
}

/// Which end of what is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It has knocked, or is about to, and waits.
    Asking,
    /// It was knocked at, and comes.
    Coming,
}

impl Call {
    pub fn encode(&self) -> [u8; CALL_BYTES] {
        let mut bytes = [0; CALL_BYTES];
        bytes[0] = match self.side {
            Side::Asking => ASKING,
            Side::Coming => COMING,
        };
        bytes[1..33].copy_from_slice(&self.other.0);
        bytes[33..].copy_from_slice(&self.token.0);
        bytes
    }

    /// # Errors
    /// If there is no such side.
    pub fn decode(bytes: &[u8; CALL_BYTES]) -> Result<Call, DecodeError> {
        let mut reader = Reader::new(bytes);
        let side = match reader.u8()? {
            ASKING => Side::Asking,
            COMING => Side::Coming,
            _ => return Err(DecodeError::Malformed),
        };
        Ok(Call { side, other: PeerId(reader.array()?), token: Token(reader.array()?) })
    }
}

const ASKING: u8 = 1;
const COMING: u8 = 2;

/// Bytes of a call.
pub const CALL_BYTES: usize = 1 + 32 + 16;
/// What a relaying device answers to whoever asks: it may wait. No answer but the end of the connection is a no for now.
pub const WAIT: u8 = 1;
/// The other answer: nobody may wait here, and there is no point in asking again soon.
pub const DECLINED: u8 = 3;
/// What it says to both: from the next byte on the other one is at the end.
pub const JOINED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_said_reads_back() {
        for (via, wish) in
            [(None, Wish::Files), (Some(PeerId([3; 32])), Wish::Files), (Some(PeerId([3; 32])), Wish::Sync)]
        {
            let knock = Knock { to: PeerId([1; 32]), token: Token([2; 16]), via, wish };
            assert_eq!(Knock::decode(&knock.encode()), Ok(knock));
        }
        let unknown = KnockBody { to: [1; 32].into(), token: [2; 16].into(), via: None, wish: Some(2) };
        assert_eq!(Knock::decode(&to_cbor(&unknown)), Err(DecodeError::Malformed));
        let mut meet = Meet { to: PeerId([1; 32]), rooms: vec![[2; 8]; MAX_MEET_ROOMS] };
        assert_eq!(Meet::decode(&meet.encode()), Ok(meet.clone()));
        meet.rooms.push([3; 8]);
        assert_eq!(Meet::decode(&meet.encode()), Err(DecodeError::TooLong));
        for side in [Side::Asking, Side::Coming] {
            let call = Call { side, other: PeerId([1; 32]), token: Token([2; 16]) };
            assert_eq!(Call::decode(&call.encode()), Ok(call));
        }
        assert_eq!(Call::decode(&[9; CALL_BYTES]), Err(DecodeError::Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, call: [u8; CALL_BYTES]) {
            let _ = Knock::decode(&bytes);
            let _ = Meet::decode(&bytes);
            let _ = Call::decode(&call);
        }
    }
}
