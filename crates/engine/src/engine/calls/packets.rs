//! The sockets of a call, as the sound wants them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lanyard_media::{Received, Way, Wire};

use crate::net::calls::CallSockets;

/// See [`CallSockets`].
pub struct Packets(pub CallSockets);

impl Wire for Packets {
    fn multicast(&self, packet: &[u8]) -> io::Result<()> {
        self.0.to_group(packet)
    }

    fn unicast(&self, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
        self.0.to_one(to, packet)
    }

    fn receive(&self, buffer: &mut [u8], timeout: Duration) -> io::Result<Option<Received>> {
        let came = self.0.receive(buffer, timeout)?;
        Ok(came.map(|came| Received {
            bytes: came.bytes,
            from: came.from,
            way: if came.by_group { Way::Multicast } else { Way::Unicast },
        }))
    }
}
