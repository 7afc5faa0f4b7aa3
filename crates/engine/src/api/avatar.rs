//! How people are shown.

use serde::{Deserialize, Serialize};

/// What stands for a person beside the name: chosen by them, and no proof of anything. Whoever chose none has one by the
/// device key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Avatar {
    /// One of eight, 0 to 7.
    pub color: u8,
    /// One, as reactions have it.
    pub emoji: String,
}
