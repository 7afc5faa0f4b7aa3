//! Lanyard's engine: sockets, disk and store around the protocol, behind one API.
//!
//! ```text
//!   window (src-tauri)      terminal program (bin/lanyard)
//!            \                 / control
//!             api: Command -> Reply, Event
//!                      |
//!                 engine (one task owns the node)
//!              /          |         \
//!            net        store      files
//!              \          |         /
//!                  lanyard-proto (pure)
//! ```

pub mod api;
pub mod config;
pub mod control;
mod doctor;
pub mod engine;
pub mod files;
pub mod net;
pub mod saying;
pub mod store;

/// See Cargo.toml; the window has it by way of this crate, too.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub use config::Config;
pub use doctor::port_refused;
pub use engine::{Engine, Events, Handle, StartError};
