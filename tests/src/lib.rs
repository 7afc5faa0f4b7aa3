//! What the tests stand on: a simulated network.

pub mod sim;
