//! Helpers for the tests that cross crates.

pub mod files;
pub mod hosts;
pub mod process;
