//! Sockets: which interfaces there are, multicast on them, and proven TLS connections.
//!
//! ```text
//!   interfaces::Watch -> [Interface] -> multicast::Sockets -> datagrams, proof of nothing
//!
//!   stream::Listener \                    / framing: sync frames
//!   stream::dial     /  tls -> Secure -> <
//!                                         \ files: raw stream, as fast as pace::Paced lets it
//!
//!   filter: over which interfaces nothing goes, neither dialled, accepted nor heard
//! ```
//!
//! Nothing here knows the protocol: bytes come up, bytes go down. What a datagram says is checked by the node; who is
//! at the other end of a connection is known before the first byte of it is given to anybody.

#[cfg(feature = "calls")]
pub mod calls;
pub mod cut;
pub mod filter;
pub mod framing;
pub mod hearing;
mod inbound;
pub mod interfaces;
pub mod multicast;
pub mod pace;
pub mod reach;
pub mod relay;
pub mod site;
pub mod stream;
pub mod tls;
mod wide;
