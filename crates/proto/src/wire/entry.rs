//! One entry of a log: a fixed, signed header and a body that the header commits to.

/// A signed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {}
