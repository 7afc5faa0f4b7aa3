//! The network layer on real sockets: on loopback, and between hosts that are network namespaces of their own.

#![allow(clippy::unwrap_used)] // A test that fails may panic; its helpers as well.

#[cfg(target_os = "linux")]
mod multicast;
mod stream;
