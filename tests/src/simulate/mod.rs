//! The protocol on simulated networks of many hosts, judged by numbers: the same seed gives the same numbers.
//!
//! ```text
//!   scenarios  what is played
//!   play       one run, and the check of what everybody has in the end
//!   rooms      where people talk, and what everybody there must read
//!   score      what a run is judged by
//!   baseline   the scores that are committed, and how much worse is too much
//!   targets    what is to be reached
//!   thousands  presence alone, of more hosts than whole devices would find memory for
//! ```

mod baseline;
mod play;
mod rooms;
mod scenarios;
mod score;
mod targets;
mod thousands;

pub use baseline::Baseline;
pub use play::play;
pub use scenarios::{SCENARIOS, Scenario, Setting};
pub use score::{Score, table};
pub use targets::verdicts;
