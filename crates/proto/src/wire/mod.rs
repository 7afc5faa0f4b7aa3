//! Bytes on the wire and their meaning: bounded decoding, encoding that cannot fail.

pub mod avatar;
pub mod call;
pub mod codec;
pub mod compact;
pub mod compare;
pub mod datagram;
pub mod detour;
pub mod door;
pub mod entry;
pub mod file;
pub mod frame;
pub mod mail;
pub mod probe;
pub mod share;
pub mod text;
