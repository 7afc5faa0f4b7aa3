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

pub use config::Config;
pub use doctor::port_refused;
pub use engine::{Engine, Events, Handle, StartError};
