//! What the tests stand on: a simulated network.

pub mod sim;
//! Helpers for the tests that cross crates.

pub mod files;
pub mod hosts;
pub mod process;
