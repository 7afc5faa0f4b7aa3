//! Sealing of packets: ChaCha20-Poly1305 under a key of the sender's own. The call and the header are sealed with the body, and the
//! nonce is stream and number, so no two packets of a key share one.

use std::collections::BTreeMap;
use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::packet::{HEADER_BYTES, Header};
use crate::window::Window;

/// A sender's key for one epoch of the room and one joining of the call.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Key {
    pub secret: [u8; 32],
    /// The epoch's lowest bit, which packets carry so that it is known which key they are sealed with.
    pub odd: bool,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("odd", &self.odd).finish_non_exhaustive()
    }
}

/// Seals what one sender says in one call. It is the caller who never gives the same stream and number twice.
pub struct Sealer {
    cipher: ChaCha20Poly1305,
    call: [u8; 16],
    odd: bool,
}

impl Sealer {
    pub fn new(call: [u8; 16], key: &Key) -> Sealer {
        Sealer { cipher: ChaCha20Poly1305::new(&key.secret.into()), call, odd: key.odd }
    }

    /// The packet. The header's `odd` is that of the key.
    pub fn seal(&self, header: Header, body: &[u8]) -> Vec<u8> {
        let header = Header { odd: self.odd, ..header };
        let head = header.encode();
        let aad = aad(&head, &self.call);
        let sealed = self.cipher.encrypt(&nonce(header), Payload { msg: body, aad: &aad });
        let mut packet = head.to_vec();
        packet.extend(sealed.expect("a body is far shorter than the cipher's limit"));
        packet
    }
}

/// Opens what one sender says in one call with one key.
pub struct Opener {
    cipher: ChaCha20Poly1305,
    call: [u8; 16],
    key: Key,
    seen: BTreeMap<u8, Window>,
}

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    Body(Vec<u8>),
    /// The sender did seal it, and it came before or is too old to know.
    Again,
    /// Not sealed with this key, in this call, with this header.
    Forged,
}

impl Opener {
    pub fn new(call: [u8; 16], key: Key) -> Opener {
        Opener { cipher: ChaCha20Poly1305::new(&key.secret.into()), call, key, seen: BTreeMap::new() }
    }

    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What is sealed, the first time.
    pub fn open(&mut self, header: Header, sealed: &[u8]) -> Opened {
        let aad = aad(&header.encode(), &self.call);
        let Ok(body) = self.cipher.decrypt(&nonce(header), Payload { msg: sealed, aad: &aad }) else {
            return Opened::Forged;
        };
        // Only what is genuine moves the window: otherwise anybody could push it past what is still to come.
        if self.seen.entry(header.kind.stream()).or_default().is_new(header.seq) {
            Opened::Body(body)
        } else {
            Opened::Again
        }
    }
}

fn nonce(header: Header) -> Nonce {
    let mut nonce = [0; 12];
    nonce[0] = header.kind.stream();
    nonce[8..].copy_from_slice(&header.seq.to_le_bytes());
    nonce.into()
}

fn aad(head: &[u8; HEADER_BYTES], call: &[u8; 16]) -> [u8; HEADER_BYTES + 16] {
    let mut aad = [0; HEADER_BYTES + 16];
    aad[..HEADER_BYTES].copy_from_slice(head);
    aad[HEADER_BYTES..].copy_from_slice(call);
    aad
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Kind, SenderId};
    use crate::window::WINDOW;

    fn header(seq: u32) -> Header {
        Header { kind: Kind::Audio, odd: false, sender: SenderId([3; 8]), seq, frame: seq * 2 }
    }

    fn key(byte: u8) -> Key {
        Key { secret: [byte; 32], odd: false }
    }

    fn open(opener: &mut Opener, packet: &[u8]) -> Opened {
        let (header, sealed) = Header::decode(packet).unwrap();
        opener.open(header, sealed)
    }

    #[test]
    fn what_was_sealed_is_opened_once() {
        let sealer = Sealer::new([1; 16], &key(7));
        let mut opener = Opener::new([1; 16], key(7));
        let packet = sealer.seal(header(1), b"sound");
        assert!(!packet.windows(5).any(|bytes| bytes == b"sound"));
        assert_eq!(open(&mut opener, &packet), Opened::Body(b"sound".to_vec()));
        assert_eq!(open(&mut opener, &packet), Opened::Again);
    }

    #[test]
    fn another_key_another_call_and_every_changed_byte_are_noticed() {
        let sealer = Sealer::new([1; 16], &key(7));
        let packet = sealer.seal(header(1), b"sound");
        assert_eq!(open(&mut Opener::new([1; 16], key(8)), &packet), Opened::Forged);
        assert_eq!(open(&mut Opener::new([2; 16], key(7)), &packet), Opened::Forged);
        let mut opener = Opener::new([1; 16], key(7));
        for at in 0..packet.len() {
            let mut changed = packet.clone();
            changed[at] ^= 1;
            if let Ok((header, sealed)) = Header::decode(&changed) {
                assert_eq!(opener.open(header, sealed), Opened::Forged, "byte {at}");
            }
        }
        assert_eq!(open(&mut opener, &packet), Opened::Body(b"sound".to_vec()), "forgeries moved nothing");
    }

    #[test]
    fn reports_and_sound_are_numbered_apart() {
        let sealer = Sealer::new([1; 16], &key(7));
        let mut opener = Opener::new([1; 16], key(7));
        let report = Header { kind: Kind::Report, frame: 0, ..header(5) };
        assert_eq!(open(&mut opener, &sealer.seal(header(5), b"a")), Opened::Body(b"a".to_vec()));
        assert_eq!(open(&mut opener, &sealer.seal(report, b"b")), Opened::Body(b"b".to_vec()));
    }

    #[test]
    fn what_is_older_than_the_window_is_not_opened() {
        let sealer = Sealer::new([1; 16], &key(7));
        let mut opener = Opener::new([1; 16], key(7));
        assert_eq!(open(&mut opener, &sealer.seal(header(WINDOW), b"")), Opened::Body(Vec::new()));
        assert_eq!(open(&mut opener, &sealer.seal(header(0), b"")), Opened::Again);
        assert_eq!(open(&mut opener, &sealer.seal(header(1), b"")), Opened::Body(Vec::new()));
    }

    #[test]
    fn a_key_shows_nothing_of_its_secret() {
        assert_eq!(format!("{:?}", key(7)), "Key { odd: false, .. }");
    }
}
