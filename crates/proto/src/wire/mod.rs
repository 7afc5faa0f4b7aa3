//! Bytes on the wire and their meaning: bounded decoding, encoding that cannot fail.

pub mod entry;
pub mod file;
