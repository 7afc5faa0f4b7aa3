//! From packets to sound: what one member says, as evenly as it was said.

mod jitter;
mod statistics;
mod voice;

pub use voice::Voice;
