//! Lanyard's protocol, pure: wire format and state machines, without sockets, clocks, disks, tasks or randomness.
//!
//! ```text
//!   Input, Now  ->  Node  ->  Effects { commit, send, run, tell }
//! ```
//!
//! A module imports those above it, never those below. The protocol on paper is `PROTOCOL.md` beside this crate.

pub mod detour;
pub mod effects;
pub mod expiring;
pub mod identity;
pub mod log;
pub mod mail;
pub mod model;
pub mod node;
pub mod pacing;
pub mod presence;
pub mod rooms;
pub mod transfer;
pub mod trust;
pub mod wire;
