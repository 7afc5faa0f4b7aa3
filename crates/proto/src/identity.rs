//! This device's key, what it proves, and what two devices share because of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::model::PeerId;

/// The device key (Ed25519, RFC 8032). Never leaves the device, never printed.
pub struct Identity {
    key: SigningKey,
}

impl Identity {
    /// From the 32-byte secret seed.
    pub fn from_seed(seed: &[u8; 32]) -> Identity {
        Identity { key: SigningKey::from_bytes(seed) }
    }

    /// The secret seed, for the key file and for TLS.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// The public key, by which others know this device.
    pub fn peer_id(&self) -> PeerId {
        PeerId(self.key.verifying_key().to_bytes())
    }

    /// Signs the parts, in order, for one purpose. The purpose keeps a signature from meaning anything elsewhere.
    pub fn sign(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 64] {
        self.key.sign(&purpose.message(parts)).to_bytes()
    }

    /// The secret that only this device and `peer` can compute: X25519 (RFC 7748) between both device keys, through
    /// HKDF-SHA256 (RFC 5869) bound to both ids. `None` if the other key is degenerate.
    pub fn agree(&self, peer: PeerId) -> Option<Zeroizing<[u8; 32]>> {
        let theirs = VerifyingKey::from_bytes(&peer.0).ok().filter(|key| !key.is_weak())?.to_montgomery();
        let shared = Zeroizing::new(theirs.mul_clamped(self.key.to_scalar_bytes()).to_bytes());
        let (low, high) = ordered(self.peer_id(), peer);
        let mut secret = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(b"lanyard direct v1"), shared.as_slice())
            .expand_multi_info(&[&low.0, &high.0], secret.as_mut_slice())
            .expect("HKDF-SHA256 gives up to 8160 bytes");
        Some(secret)
    }
}

/// What a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    Datagram,
    Entry,
    /// What the recipient of entries that were kept for it says to hold.
    Receipt,
    /// A page of leaves of an offer, see [`crate::transfer::Layout`].
    Leaves,
}

impl Purpose {
    fn message(self, parts: &[&[u8]]) -> Vec<u8> {
        let context: &[u8] = match self {
            Purpose::Datagram => b"LNY1 dgram v1\0",
            Purpose::Entry => b"LNY1 entry v1\0",
            Purpose::Receipt => b"LNY1 taken v1\0",
            Purpose::Leaves => b"LNY1 leaves v1\0",
        };
        [context].iter().chain(parts).copied().flatten().copied().collect()
    }
}

/// Whether `peer` signed these parts for this purpose. Strict: no malleable signature and no weak key passes.
pub fn verify(peer: PeerId, purpose: Purpose, parts: &[&[u8]], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(&peer.0).is_ok_and(|key| verify_with(&key, purpose, parts, signature))
}

fn verify_with(key: &VerifyingKey, purpose: Purpose, parts: &[&[u8]], signature: &[u8; 64]) -> bool {
    key.verify_strict(&purpose.message(parts), &Signature::from_bytes(signature)).is_ok()
}

/// Who checks signatures for a node: [`verify`], or somebody who says yes only to what [`verify`] said yes to.
///
/// Where many nodes live in one process, each signature needs to be checked once, however many of them receive it.
#[derive(Clone)]
pub struct Verifier(Arc<dyn Verify>);

pub trait Verify: Send + Sync {
    /// As [`verify`].
    fn verify(&self, peer: PeerId, purpose: Purpose, parts: &[&[u8]], signature: &[u8; 64]) -> bool;
}

impl Verifier {
    pub fn new(verify: impl Verify + 'static) -> Verifier {
        Verifier(Arc::new(verify))
    }

    pub fn verify(&self, peer: PeerId, purpose: Purpose, parts: &[&[u8]], signature: &[u8; 64]) -> bool {
        self.0.verify(peer, purpose, parts, signature)
    }
}

impl Default for Verifier {
    /// Checks each signature itself.
    fn default() -> Verifier {
        Verifier::new(Itself::default())
    }
}

/// Keeps the keys of those whose signatures were good as points of the curve: finding the point of a key is a tenth of checking
/// a signature.
#[derive(Default)]
struct Itself {
    keys: Mutex<BTreeMap<PeerId, VerifyingKey>>,
}

impl Itself {
    fn keys(&self) -> MutexGuard<'_, BTreeMap<PeerId, VerifyingKey>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verify for Itself {
    fn verify(&self, peer: PeerId, purpose: Purpose, parts: &[&[u8]], signature: &[u8; 64]) -> bool {
        let known = self.keys().get(&peer).copied();
        let Some(key) = known.or_else(|| VerifyingKey::from_bytes(&peer.0).ok()) else { return false };
        let good = verify_with(&key, purpose, parts, signature);
        if good && known.is_none() {
            let mut keys = self.keys();
            // Whoever makes up a thousand devices makes us find the points of keys again, and no more.
            if keys.len() >= MAX_KEYS {
                keys.clear();
            }
            keys.insert(peer, key);
        }
        good
    }
}

/// Keys that are kept as points, of 200 bytes each.
const MAX_KEYS: usize = 1024;

/// The two in the order that both sides agree on.
pub fn ordered(one: PeerId, other: PeerId) -> (PeerId, PeerId) {
    if one <= other { (one, other) } else { (other, one) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_devices_agree_on_a_secret_that_a_third_does_not_have() {
        let [ann, bob, eve] = [1, 2, 3].map(|n| Identity::from_seed(&[n; 32]));
        let secret = ann.agree(bob.peer_id());
        assert!(secret.is_some());
        assert_eq!(secret, bob.agree(ann.peer_id()));
        assert_ne!(secret, eve.agree(ann.peer_id()));
        assert_ne!(secret, eve.agree(bob.peer_id()));
    }

    #[test]
    fn nobody_agrees_with_a_degenerate_key() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        assert_eq!(Identity::from_seed(&[1; 32]).agree(PeerId(identity_point)), None);
    }

    #[test]
    fn whoever_checks_many_says_what_one_check_says_and_keeps_a_bounded_number_of_keys() {
        let itself = Itself::default();
        for seed in 0..=MAX_KEYS as u32 {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&seed.to_be_bytes());
            let ann = Identity::from_seed(&bytes);
            let signature = ann.sign(Purpose::Entry, &[b"tea"]);
            assert!(!itself.verify(ann.peer_id(), Purpose::Entry, &[b"coffee"], &signature));
            for _ in 0..2 {
                assert!(itself.verify(ann.peer_id(), Purpose::Entry, &[b"tea"], &signature));
                assert!(!itself.verify(ann.peer_id(), Purpose::Entry, &[b"coffee"], &signature));
            }
        }
        assert_eq!(itself.keys().len(), 1);
    }

    #[test]
    fn a_signature_counts_for_its_key_its_purpose_and_its_bytes_only() {
        let ann = Identity::from_seed(&[1; 32]);
        let signature = ann.sign(Purpose::Entry, &[b"tea", b"?"]);
        let by_ann = |purpose, parts: &[&[u8]]| verify(ann.peer_id(), purpose, parts, &signature);
        assert!(by_ann(Purpose::Entry, &[b"tea?"]));
        assert!(!by_ann(Purpose::Datagram, &[b"tea?"]));
        assert!(!by_ann(Purpose::Entry, &[b"tea!"]));
        assert!(!verify(Identity::from_seed(&[2; 32]).peer_id(), Purpose::Entry, &[b"tea?"], &signature));
    }
}
