//! This device's key, and what it proves.

use ed25519_dalek::SigningKey;
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
}
