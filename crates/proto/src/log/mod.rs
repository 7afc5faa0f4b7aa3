//! One append-only log per author in every room; gaps, nacks and repairs; catching up between two peers.
//!
//! ```text
//!   logs    which entries continue their log, which are missing
//!   repair  what to multicast and when
//!   cache   entries at hand for that
//!   fragments  entries too large for a datagram, in pieces
//!   replica both of one room, and who takes part
//!   sync    catching up over one TCP connection
//! ```

mod cache;
mod fragments;
mod logs;
mod repair;
mod replica;
mod sync;

pub use logs::{NO_ENTRY, may_write};
pub use repair::Priority;
pub use replica::{Received, Replica};
pub use sync::{Next, Session};
