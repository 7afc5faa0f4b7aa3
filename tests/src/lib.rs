//! What the tests stand on: a simulated network, hosts in network namespaces, real windows.
//! Helpers for the tests that cross crates: a simulated network, real hosts, the real window.

pub mod files;
pub mod hosts;
pub mod process;
pub mod sim;
#[cfg(target_os = "linux")]
pub mod window;
