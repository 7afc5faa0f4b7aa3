//! What the tests stand on: a simulated network, hosts in network namespaces, the real window.

#[cfg(target_os = "linux")]
pub mod conversation;
#[cfg(target_os = "linux")]
pub mod crash;
#[cfg(target_os = "linux")]
pub mod crowd;
pub mod files;
#[cfg(target_os = "linux")]
pub mod history;
pub mod hosts;
#[cfg(target_os = "linux")]
#[cfg(target_os = "linux")]
pub mod networks;
pub mod node;
#[cfg(target_os = "linux")]
pub mod ordeal;
#[cfg(target_os = "linux")]
pub mod power;
pub mod process;
pub mod sim;
pub mod simulate;
pub mod sound;
#[cfg(target_os = "linux")]
pub mod window;
