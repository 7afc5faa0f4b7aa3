//! Frames of two devices whose people compare emoji (ALPN `lanyard-verify/1`): a type byte and a CBOR body. The length
//! before them is the engine's affair.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::wire::codec::{DecodeError, from_cbor, to_cbor};

/// What the two say to each other; see [`crate::trust::Comparison`] for the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Whoever asks: SHA-256 over what it will reveal.
    Commit([u8; 32]),
    /// Whoever is asked, once its person agreed.
    Nonce([u8; 32]),
    /// Whoever asks: what it had committed to.
    Reveal([u8; 32]),
    /// The sender's person sees the same emoji.
    Same,
    /// The sender's person sees others.
    Different,
    /// The sender's person does not want to, or no longer.
    Cancel,
}

impl Compare {
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Compare::Commit(bytes) => (COMMIT, to_cbor(&Bytes { bytes: (*bytes).into() })),
            Compare::Nonce(bytes) => (NONCE, to_cbor(&Bytes { bytes: (*bytes).into() })),
            Compare::Reveal(bytes) => (REVEAL, to_cbor(&Bytes { bytes: (*bytes).into() })),
            Compare::Same => (SAME, to_cbor(&Nothing {})),
            Compare::Different => (DIFFERENT, to_cbor(&Nothing {})),
            Compare::Cancel => (CANCEL, to_cbor(&Nothing {})),
        };
        [&[kind], body.as_slice()].concat()
    }

    /// # Errors
    /// If the type is unknown or the body does not fit it: a comparison leaves nothing out.
    pub fn decode(frame: &[u8]) -> Result<Compare, DecodeError> {
        let (kind, body) = frame.split_first().ok_or(DecodeError::Truncated)?;
        let bytes = || from_cbor::<Bytes>(body).map(|said| said.bytes.into());
        let nothing = |said| from_cbor::<Nothing>(body).map(|Nothing {}| said);
        match *kind {
            COMMIT => bytes().map(Compare::Commit),
            NONCE => bytes().map(Compare::Nonce),
            REVEAL => bytes().map(Compare::Reveal),
            SAME => nothing(Compare::Same),
            DIFFERENT => nothing(Compare::Different),
            CANCEL => nothing(Compare::Cancel),
            _ => Err(DecodeError::Malformed),
        }
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Bytes {
    #[n(0)]
    bytes: ByteArray<32>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Nothing {}

const COMMIT: u8 = 1;
const NONCE: u8 = 2;
const REVEAL: u8 = 3;
const SAME: u8 = 4;
const DIFFERENT: u8 = 5;
const CANCEL: u8 = 6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_frame_is_read_as_it_was_written() {
        let all = [
            Compare::Commit([1; 32]),
            Compare::Nonce([2; 32]),
            Compare::Reveal([3; 32]),
            Compare::Same,
            Compare::Different,
            Compare::Cancel,
        ];
        for said in all {
            assert_eq!(Compare::decode(&said.encode()), Ok(said));
            for cut in 0..said.encode().len() {
                assert!(Compare::decode(&said.encode()[..cut]).is_err(), "{said:?} cut at {cut}");
            }
        }
        assert_eq!(Compare::decode(&[7, 0xa0]), Err(DecodeError::Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(said) = Compare::decode(&bytes) {
                prop_assert_eq!(Compare::decode(&said.encode()), Ok(said));
            }
        }
    }
}
