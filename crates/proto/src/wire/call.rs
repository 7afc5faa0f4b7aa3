//! What devices say of a call that they are in, in the room that it belongs to.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use crate::model::{CallId, Talker};
use crate::wire::codec::{DecodeError, at_most, from_cbor, to_cbor};
use crate::wire::datagram::MAX_DATAGRAM;

/// The body of a CALL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub call: CallId,
    pub state: CallState,
    /// The sender's how many-th joining of a call in its run it is: with the run it names the key that its packets are sealed with.
    pub turn: u32,
    pub muted: bool,
    /// Where the sender takes packets by unicast.
    pub port: u16,
    /// Who else is in it, as far as the sender knows, and how their packets come; at most [`MAX_TALKERS`].
    pub known: Vec<(Talker, Hears)>,
    /// Packets of the first do not come: the second is asked to pass them on. At most [`MAX_WISHES`].
    pub wishes: Vec<(Talker, Talker)>,
    /// The signed CALL of somebody who is not among the `known` of somebody else, as it was heard.
    pub carried: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    In,
    Left,
    /// Not wanted, in a direct conversation.
    Declined,
}

/// How somebody's packets come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hears {
    /// It is too early to say.
    #[default]
    Unknown,
    /// By multicast.
    Multicast,
    /// Not by multicast; copies come.
    Copies,
    /// Not at all.
    Nothing,
}

impl Call {
    pub fn encode(&self) -> Vec<u8> {
        let known = self.known.iter().flat_map(|(talker, hears)| {
            let hears = match hears {
                Hears::Unknown => 0,
                Hears::Multicast => 1,
                Hears::Copies => 2,
                Hears::Nothing => 3,
            };
            talker.iter().copied().chain([hears])
        });
        let wishes = self.wishes.iter().flat_map(|(of, by)| of.iter().chain(by).copied());
        let wishes = (!self.wishes.is_empty()).then(|| wishes.collect::<Vec<_>>().into());
        let state = match self.state {
            CallState::In => 0,
            CallState::Left => 1,
            CallState::Declined => 2,
        };
        to_cbor(&CallBody {
            call: self.call.0.into(),
            state,
            turn: self.turn,
            muted: self.muted.then_some(true),
            port: self.port,
            known: known.collect::<Vec<_>>().into(),
            wishes,
            carried: self.carried.clone().map(Into::into),
        })
    }

    /// # Errors
    /// If the body is none of a CALL, or breaks a bound.
    pub fn decode(body: &[u8]) -> Result<Call, DecodeError> {
        let said: CallBody = from_cbor(body)?;
        let state = match said.state {
            0 => CallState::In,
            1 => CallState::Left,
            2 => CallState::Declined,
            _ => return Err(DecodeError::Malformed),
        };
        let (known, []) = said.known.as_chunks::<9>() else { return Err(DecodeError::Malformed) };
        let known = at_most(known.to_vec(), MAX_TALKERS)?.into_iter().map(|one| {
            let hears = match one[8] {
                1 => Hears::Multicast,
                2 => Hears::Copies,
                3 => Hears::Nothing,
                _ => Hears::Unknown,
            };
            (core::array::from_fn(|i| one[i]), hears)
        });
        let wishes = said.wishes.map(Vec::from).unwrap_or_default();
        let (wishes, []) = wishes.as_chunks::<16>() else { return Err(DecodeError::Malformed) };
        let wishes = at_most(wishes.to_vec(), MAX_WISHES)?;
        let wishes = wishes
            .into_iter()
            .map(|wish| (core::array::from_fn(|i| wish[i]), core::array::from_fn(|i| wish[8 + i])));
        let carried = said.carried.map(|datagram| at_most(Vec::from(datagram), MAX_DATAGRAM)).transpose()?;
        Ok(Call {
            call: CallId(said.call.into()),
            state,
            turn: said.turn,
            muted: said.muted == Some(true),
            port: said.port,
            known: known.collect(),
            wishes: wishes.collect(),
            carried,
        })
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct CallBody {
    #[n(0)]
    call: ByteArray<16>,
    #[n(1)]
    state: u8,
    #[n(2)]
    turn: u32,
    #[n(3)]
    muted: Option<bool>,
    #[n(4)]
    port: u16,
    /// Of each the beginning of its id and how it is heard.
    #[n(5)]
    known: ByteVec,
    /// Of each the beginnings of two ids.
    #[n(6)]
    wishes: Option<ByteVec>,
    #[n(7)]
    carried: Option<ByteVec>,
}

/// Devices in one call, the own one included.
pub const MAX_TALKERS: usize = 32;
/// Devices whose packets one device wants to be passed on to it.
pub const MAX_WISHES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::datagram::MAX_BODY;

    fn full() -> Call {
        Call {
            call: CallId([255; 16]),
            state: CallState::In,
            turn: u32::MAX,
            muted: true,
            port: u16::MAX,
            known: vec![([255; 8], Hears::Nothing); MAX_TALKERS],
            wishes: vec![([255; 8], [254; 8]); MAX_WISHES],
            carried: None,
        }
    }

    #[test]
    fn a_call_reads_back_and_the_fullest_fits_a_datagram() {
        let few = Call { known: vec![([1; 8], Hears::Multicast)], wishes: vec![], ..full() };
        let carrying = Call { carried: Some(vec![7; 400]), ..full() };
        for said in [full(), few, carrying] {
            let body = said.encode();
            // The tag of the room and what sealing adds.
            assert!(body.len() + 8 + 16 <= MAX_BODY, "{}", body.len());
            assert_eq!(Call::decode(&body), Ok(said));
        }
    }

    #[test]
    fn whoever_speaks_of_too_many_is_not_heard() {
        let many = Call { known: vec![([1; 8], Hears::Unknown); MAX_TALKERS + 1], ..full() };
        assert_eq!(Call::decode(&many.encode()), Err(DecodeError::TooLong));
        let many = Call { wishes: vec![([1; 8], [2; 8]); MAX_WISHES + 1], ..full() };
        assert_eq!(Call::decode(&many.encode()), Err(DecodeError::TooLong));
        assert!(Call::decode(&[0xa0]).is_err());
    }
}
