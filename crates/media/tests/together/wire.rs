//! A network in memory for conferences in real time.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lanyard_media::{AudioIn, AudioOut, Conference, Received, Setup, Way, Wire};

use super::{address, key, member, sender};

/// Brings each packet to all others at once.
pub struct Net {
    pub index: usize,
    pub others: Mutex<BTreeMap<usize, Sender<Vec<u8>>>>,
    pub coming: Mutex<Receiver<Vec<u8>>>,
}

impl Wire for Net {
    fn multicast(&self, packet: &[u8]) -> io::Result<()> {
        for other in self.others.lock().unwrap().values() {
            // Who has left hears nothing.
            let _ = other.send(packet.to_vec());
        }
        Ok(())
    }

    fn unicast(&self, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
        let others = self.others.lock().unwrap();
        let other = others.get(&usize::from(to.port())).ok_or_else(|| io::Error::other("nobody is there"))?;
        other.send(packet.to_vec()).map_err(io::Error::other)
    }

    fn receive(&self, buffer: &mut [u8], timeout: Duration) -> io::Result<Option<Received>> {
        match self.coming.lock().unwrap().recv_timeout(timeout) {
            Ok(packet) => {
                buffer[..packet.len()].copy_from_slice(&packet);
                let from = address(1 - self.index);
                Ok(Some(Received { bytes: packet.len(), from, way: Way::Multicast }))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the network is gone")),
        }
    }
}

pub fn two_wires() -> [Arc<Net>; 2] {
    let (to_first, first) = channel();
    let (to_second, second) = channel();
    let net = |index, to, coming| {
        Arc::new(Net {
            index,
            others: Mutex::new(BTreeMap::from([(1 - index, to)])),
            coming: Mutex::new(coming),
        })
    };
    [net(0, to_second, first), net(1, to_first, second)]
}

pub fn start(
    index: usize,
    wire: Arc<Net>,
    microphone: Box<dyn AudioIn>,
    speaker: Box<dyn AudioOut>,
) -> Conference {
    let setup = Setup { call: [9; 16], sender: sender(index), key: key(index), muted: false };
    let conference = Conference::start(setup, wire, microphone, speaker).expect("it starts");
    conference.set_members(vec![member(1 - index)]);
    conference
}
