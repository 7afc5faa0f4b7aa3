//! What the tests stand on: a simulated network, hosts in network namespaces, real windows.

pub mod files;
pub mod hosts;
pub mod process;
pub mod sim;
