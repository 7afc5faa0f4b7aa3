//! Lanyard's voices: what a microphone hears becomes sealed packets, and what comes from others becomes one sound.
//!
//! ```text
//!   AudioIn -> level, echo -> Opus -> RED -> seal -> Wire
//!   Wire -> open -> jitter buffer, repair -> Opus -> stretch -> mix -> AudioOut
//! ```
//!
//! Everything between the two ends is `Session`, a value that is called: it has no thread, socket, device or clock. A
//! `Conference` is a session with threads. Nothing here knows of rooms, people or the network's ways; who is in a call,
//! with which keys and where, is given to it.
//!
//! A module imports those above it, never those below.

pub mod audio;
mod codec;
mod conference;
#[cfg(feature = "devices")]
pub mod devices;
mod echo;
mod listening;
pub mod packet;
mod priority;
pub mod seal;
pub mod session;
mod talking;
pub mod trouble;
pub mod window;

pub use audio::{AudioIn, AudioOut, BLOCK, Block, RATE};
pub use conference::{Conference, Received, Wire};
pub use packet::SenderId;
pub use seal::Key;
pub use session::{Dropped, Hearing, Member, MyReport, RELAYED, Relay, Report, Setup, Way};
pub use trouble::Trouble;
