//! One append-only log per author in every room; gaps, nacks and repairs; catching up between two peers.
//!
//! ```text
//!   intervals  which places of one log are here
//!   logs       which entries continue their log, which are missing
//!   company    who else is here
//!   repair     what to multicast and when
//!   cache      entries at hand for that
//!   absent     those that are not, and are read from the disk
//!   holds      what was asked for, and not again before when
//!   fragments  entries too large for a datagram, in pieces
//!   pull       what to fetch over TCP, and from whom
//!   catchup    doing so, for one room
//!   coverage   who holds what this device wrote
//!   receipts   in small rooms: saying soon that what came is here
//!   tail       when to speak of the last own entry again
//!   replica    all of one room, and who takes part
//!   sync       catching up over one TCP connection
//! ```

mod absent;
mod cache;
mod catchup;
mod company;
mod coverage;
mod fragments;
mod holds;
mod intervals;
mod logs;
mod pull;
mod receipts;
mod repair;
mod replica;
mod sync;
mod tail;

pub use logs::{Contradicting, NO_ENTRY, Run, may_write};
pub use pull::Loose;
pub use repair::Priority;
pub use replica::{Heard, Received, Replica};
pub use sync::{Asked, Session};
