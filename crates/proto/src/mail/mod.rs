//! Mail: sealed entries of a direct conversation that others keep while one of the two is away.
//!
//! ```text
//!   holding   what this device keeps for others, and within which bounds
//!   posting   who keeps what this device wrote
//!   taking    what others have kept for this device, and from whom of them to take it
//! ```
//!
//! None of the three knows a connection's frames, or the rooms; `node::mailbox` does.

mod holding;
mod posting;
mod taking;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use holding::{
    Deposited, HELD_BYTES, Held, Holding, MAX_AUTHOR_BYTES, MAX_AUTHOR_ENTRIES, MAX_BUNDLES, MAX_ENTRIES,
    MAX_RECEIPTS, MAX_RECIPIENT_BYTES, MAX_RECIPIENT_ENTRIES, MIN_HELD_BYTES, RATE_BURST, RATE_BYTES, Since,
};
pub use posting::{Answered, MAX_HOLDERS, Posting, Situation, Step};
pub use taking::{AUTHOR_FIRST, Next, Place, Taking, begins};

/// For how long mail is kept: a holiday and a little more. What is older is delivered by its author, or not at all.
pub const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
