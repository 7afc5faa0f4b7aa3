//! Bytes on the wire and their meaning: bounded decoding, encoding that cannot fail.

pub mod codec;
pub mod datagram;
pub mod entry;
pub mod frame;
pub mod text;
pub mod file;
