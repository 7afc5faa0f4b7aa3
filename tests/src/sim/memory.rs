//! Each signature is checked once a run, and the outcome remembered: a thousand hosts in one process receive the same
//! datagram, and checking it a thousand times would be most of the run.

use std::collections::HashMap;
use std::sync::Mutex;

use lanyard_proto::identity::{Purpose, Verify, verify};
use lanyard_proto::model::PeerId;
use sha2::{Digest, Sha256};

#[derive(Default)]
pub struct Memory(Mutex<HashMap<[u8; 32], bool>>);

impl Verify for Memory {
    fn verify(&self, peer: PeerId, purpose: Purpose, parts: &[&[u8]], signature: &[u8; 64]) -> bool {
        let mut hash = Sha256::new_with_prefix(peer.0);
        hash.update([purpose as u8]);
        // The signature comes before the parts: nothing of variable length is followed by anything.
        hash.update(signature);
        for part in parts {
            hash.update(part);
        }
        let mut known = self.0.lock().expect("nobody panics while checking");
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        *known
            .entry(hash.finalize().into())
            .or_insert_with(|| verify(peer, purpose, parts, signature))
    }
}

/// What was sent longer ago is not on its way any more.
const MOST_REMEMBERED: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::*;
    use lanyard_proto::identity::Identity;

    #[test]
    fn what_is_remembered_is_what_was_checked() {
        let ann = Identity::from_seed(&[1; 32]);
        let signature = ann.sign(Purpose::Entry, &[b"tea"]);
        let memory = Memory::default();
        for _ in 0..2 {
            assert!(memory.verify(ann.peer_id(), Purpose::Entry, &[b"tea"], &signature));
            assert!(!memory.verify(ann.peer_id(), Purpose::Entry, &[b"tee"], &signature));
            assert!(!memory.verify(ann.peer_id(), Purpose::Datagram, &[b"tea"], &signature));
            assert!(!memory.verify(ann.peer_id(), Purpose::Entry, &[b"tea"], &[0; 64]));
        }
    }
}
