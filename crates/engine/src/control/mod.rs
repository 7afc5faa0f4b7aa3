//! Serves the API on a local socket (Unix socket or named pipe), JSON-RPC 2.0, one object a line.
//!
//! Methods are [`crate::api::Command`]'s, with its params; missing params are `{}`. `subscribe` makes every
//! [`crate::api::Event`] come as a notification `event` from then on; `shutdown` ends the node; `present`, with
//! [`Presented`] as params, asks the window of the node, if it has one, to show itself. There are no batches:
//! a program that has much to ask writes many lines. Only the person who runs the node can open the socket, so there
//! is no password either.
//!
//! The shells call [`serve`] beside a running engine; [`Client`] is the other end; [`Node`] is either of them.

mod address;
mod client;
mod node;
mod present;
mod rpc;
mod server;
#[cfg(test)]
mod tests;

pub use client::Client;
pub use node::Node;
pub use present::{Presented, present};
pub use server::{Server, serve, serve_window};
