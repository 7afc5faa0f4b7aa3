//! The network layer on real sockets: on loopback, and between hosts that are network namespaces of their own.

#[cfg(target_os = "linux")]
mod multicast;
mod stream;
