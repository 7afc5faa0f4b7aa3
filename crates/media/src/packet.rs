//! What packets look like: pure, bounded, total.

/// A device in a call's packets: the first eight bytes of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SenderId(pub [u8; 8]);
