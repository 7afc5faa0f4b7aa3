//! What the tests stand on: a simulated network, hosts in network namespaces, the real window.

pub mod files;
pub mod hosts;
#[cfg(target_os = "linux")]
pub mod power;
pub mod process;
pub mod sim;
pub mod simulate;
#[cfg(target_os = "linux")]
pub mod window;
