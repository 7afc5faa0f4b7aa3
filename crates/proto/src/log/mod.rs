//! One append-only log per author in every room; gaps, nacks and repairs; catching up between two peers.
//!
//! ```text
//!   logs    which entries continue their log, which are missing
//!   repair  what to multicast and when
//!   cache, holds, fragments  what is at hand, what was asked for, what travels in pieces
//!   replica both of one room, and who takes part
//!   sync    catching up over one TCP connection
//! ```

mod cache;
mod fragments;
mod holds;
mod logs;
mod repair;
mod replica;
mod sync;

pub use logs::{NO_ENTRY, may_write};
pub use repair::Priority;
pub use replica::{Received, Replica};
pub use sync::{Next, Session};
