//! Kinds of datagrams. Others are ignored, so that versions can differ on one network.

pub const ANNOUNCE: u8 = 1;
pub const BYE: u8 = 2;
pub const CARRY: u8 = 3;
pub const PROBE: u8 = 4;
pub const DATA: u8 = 16;
pub const HEADS: u8 = 17;
pub const NACK: u8 = 18;
pub const FRAGMENT: u8 = 19;
pub const TYPING: u8 = 20;
pub const KNOCK: u8 = 21;
pub const MEET: u8 = 22;
pub const CALL: u8 = 23;
