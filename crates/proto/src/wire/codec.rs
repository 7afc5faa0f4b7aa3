//! Reading and writing fixed layouts, and bounded CBOR (RFC 8949) bodies.

use minicbor::{Decode, Encode};

/// Why bytes were not understood. Nobody decides anything on it: the bytes are dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum DecodeError {
    #[error("too short or cut off")]
    Truncated,
    #[error("longer than allowed")]
    TooLong,
    #[error("not Lanyard's")]
    Foreign,
    #[error("of another version")]
    Version,
    #[error("of another network")]
    OtherNetwork,
    #[error("not what it should be")]
    Malformed,
    #[error("signed by nobody")]
    Signature,
}

/// Takes fixed-size fields from the front of a byte string.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// What was not taken yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TooLong) }
    }
}

/// Encodes a body. Writing to memory cannot fail, and no derived encoder of ours has an error of its own.
pub fn to_cbor<T: Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("encoding to memory cannot fail")
}

/// Decodes a body that fills `bytes` exactly. Unknown keys are skipped, so that newer versions may say more.
pub fn from_cbor<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, DecodeError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode().map_err(|_| DecodeError::Malformed)?;
    if decoder.position() == bytes.len() { Ok(value) } else { Err(DecodeError::TooLong) }
}

/// A list may have at most this many elements. Checked after decoding: every element takes a byte at least, so the
/// bytes already bound the memory.
pub fn at_most<T>(list: Vec<T>, most: usize) -> Result<Vec<T>, DecodeError> {
    if list.len() <= most { Ok(list) } else { Err(DecodeError::TooLong) }
}
