//! A datagram of a device that multicast does not carry, said to everybody by one that has a link to it.

use std::net::IpAddr;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::wire::codec::{DecodeError, at_most, from_cbor, to_cbor};
use crate::wire::datagram::{MAX_BODY, kind};

/// What the body of a CARRY says. Who carries proves nothing by it: what is carried has its own signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carry {
    /// As its sender signed it; at most [`MAX_CARRIED`] bytes.
    pub datagram: Vec<u8>,
    /// Where the link to its sender leads: a hint.
    pub from: Option<IpAddr>,
}

impl Carry {
    /// Whether datagrams of this kind are carried: who is here, who left, and what is held.
    pub fn takes(kind: u8) -> bool {
        [kind::ANNOUNCE, kind::BYE, kind::HEADS].contains(&kind)
    }

    pub fn encode(&self) -> Vec<u8> {
        let from = self.from.map(|ip| match ip {
            IpAddr::V4(ip) => ip.octets().to_vec().into(),
            IpAddr::V6(ip) => ip.octets().to_vec().into(),
        });
        to_cbor(&CarryBody { datagram: self.datagram.clone().into(), from })
    }

    /// # Errors
    /// If the body is none of a CARRY, or breaks a bound.
    pub fn decode(body: &[u8]) -> Result<Carry, DecodeError> {
        let said: CarryBody = from_cbor(body)?;
        let datagram = at_most(Vec::from(said.datagram), MAX_CARRIED)?;
        Ok(Carry { datagram, from: said.from.map(|octets| address(&octets)).transpose()? })
    }
}

/// An address as its 4 or 16 bytes say it.
pub(in crate::wire) fn address(octets: &[u8]) -> Result<IpAddr, DecodeError> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Ok(four.into());
    }
    <[u8; 16]>::try_from(octets).map(IpAddr::from).map_err(|_| DecodeError::Malformed)
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct CarryBody {
    #[n(0)]
    datagram: ByteVec,
    /// 4 or 16 bytes.
    #[n(1)]
    from: Option<ByteVec>,
}

/// Bytes of CBOR around what is carried, with a long address.
const AROUND: usize = 23;
/// Bytes of the longest datagram that is carried.
pub const MAX_CARRIED: usize = MAX_BODY - AROUND;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_carried_reads_back_and_the_longest_fills_a_datagram() {
        let [short, long] = ["10.0.0.7", "2001:db8::7"].map(|ip| Some(ip.parse().unwrap()));
        for from in [None, short, long] {
            let carry = Carry { datagram: vec![7; MAX_CARRIED], from };
            let body = carry.encode();
            assert!(body.len() <= MAX_BODY, "{} bytes", body.len());
            assert_eq!(Carry::decode(&body), Ok(carry));
        }
        assert_eq!(Carry { datagram: vec![7; MAX_CARRIED], from: long }.encode().len(), MAX_BODY);
    }

    #[test]
    fn what_is_longer_or_from_no_address_is_refused() {
        let longer = Carry { datagram: vec![7; MAX_CARRIED + 1], from: None };
        assert_eq!(Carry::decode(&longer.encode()), Err(DecodeError::TooLong));
        let body = CarryBody { datagram: vec![7].into(), from: Some(vec![10, 0, 7].into()) };
        assert_eq!(Carry::decode(&to_cbor(&body)), Err(DecodeError::Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Carry::decode(&bytes);
        }
    }
}
