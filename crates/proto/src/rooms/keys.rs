//! Who can read a room: keys of sealed rooms, and what they seal.
//!
//! Open rooms have no key: anyone on this network can read them. In a sealed room an entry's body is sealed by its
//! author once, and each datagram is sealed again for its way, so that the network shows who sends, and neither the room
//! nor who else is in it.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::model::{CallId, KeyId, PeerId, RoomId, UnixMillis};
use crate::rooms::epochs::Epochs;
use crate::wire::datagram::Envelope;
use crate::wire::entry::Header;

/// Says on the wire which room a datagram belongs to. In sealed rooms it differs for each sender and changes every hour,
/// so that nobody outside can tell whose datagrams belong together.
pub type RoomTag = [u8; 8];

/// What is needed to read and write in a room.
pub enum RoomKeys {
    Open,
    /// One key for the room's whole life: direct conversations.
    Sealed(Zeroizing<[u8; 32]>),
    /// A key for each epoch: private rooms.
    Epochs(Epochs),
}

/// The epoch of a key, and its id.
pub type KeyName = (u32, KeyId);

impl RoomKeys {
    /// The tag with which `sender` sends now.
    pub fn tag(&self, room: RoomId, sender: PeerId, now: UnixMillis) -> RoomTag {
        match self {
            RoomKeys::Open => open_tag(room),
            RoomKeys::Sealed(key) => sealed_tag(key, sender, hour(now)),
            // Without a key nothing is sent; nobody knows the tag either.
            RoomKeys::Epochs(epochs) => {
                epochs.sending().map_or([0; 8], |key| sealed_tag(key, sender, hour(now)))
            }
        }
    }

    /// The tags to accept from `sender` at this time by its clock or ours: it may be in the hour before or after.
    pub fn accepted_tags(&self, room: RoomId, sender: PeerId, now: UnixMillis) -> Vec<RoomTag> {
        match self {
            RoomKeys::Open => vec![open_tag(room)],
            RoomKeys::Sealed(key) => tags_around(key, sender, now).to_vec(),
            RoomKeys::Epochs(epochs) => {
                epochs.accepted().flat_map(|key| tags_around(key, sender, now)).collect()
            }
        }
    }

    /// Bytes that sealing adds to a datagram's body.
    pub fn datagram_overhead(&self) -> usize {
        match self {
            RoomKeys::Open => 0,
            RoomKeys::Sealed(_) | RoomKeys::Epochs(_) => 16,
        }
    }

    /// The body of a room's datagram: tag, then the packet, sealed where the room is. `None` without a key.
    pub fn seal_packet(&self, envelope: &Envelope, tag: RoomTag, packet: &[u8]) -> Option<Vec<u8>> {
        let sealed = |key: &[u8; 32]| {
            let aad = envelope.encode(tag.len() + packet.len() + 16);
            seal(&datagram_key(key, envelope), &datagram_nonce(envelope), packet, &aad)
        };
        let body = match self {
            RoomKeys::Open => packet.to_vec(),
            RoomKeys::Sealed(key) => sealed(key),
            RoomKeys::Epochs(epochs) => sealed(epochs.sending()?),
        };
        Some([tag.as_slice(), &body].concat())
    }

    /// The packet behind the tag of a datagram's body; `None` if it was not sealed by a member for this datagram.
    pub fn open_packet(&self, envelope: &Envelope, body: &[u8]) -> Option<Vec<u8>> {
        self.open_packet_by(envelope, body).map(|(packet, _)| packet)
    }

    /// The same, and in a private room the epoch and the id of the key that it was sealed with.
    pub fn open_packet_by(&self, envelope: &Envelope, body: &[u8]) -> Option<(Vec<u8>, Option<KeyName>)> {
        let sealed = body.get(size_of::<RoomTag>()..)?;
        let opened = |key: &[u8; 32]| {
            let aad = envelope.encode(body.len());
            open(&datagram_key(key, envelope), &datagram_nonce(envelope), sealed, &aad)
        };
        match self {
            RoomKeys::Open => Some((sealed.to_vec(), None)),
            RoomKeys::Sealed(key) => opened(key).map(|packet| (packet, None)),
            RoomKeys::Epochs(epochs) => {
                epochs.accepted_by_name().find_map(|(name, key)| Some((opened(key)?, Some(name))))
            }
        }
    }

    /// The name of the key that datagrams are sealed with, where keys change.
    pub fn sending_name(&self) -> Option<KeyName> {
        self.epochs().and_then(Epochs::air)
    }

    /// What a device seals the packets of a call with, that is in its `turn`-th call in the run `boot` and seals datagrams by
    /// the key of this name. `None` if that is not here. In an open room anyone can make it.
    pub fn call_key(
        &self,
        (room, call): (RoomId, CallId),
        name: Option<KeyName>,
        device: PeerId,
        (boot, turn): (u64, u32),
    ) -> Option<Zeroizing<[u8; 32]>> {
        let room_key = match self {
            RoomKeys::Open => &room.0,
            RoomKeys::Sealed(key) => &**key,
            RoomKeys::Epochs(epochs) => epochs.named(name?)?,
        };
        let of_call = derive(room_key, &[b"call", &call.0]);
        Some(derive(&of_call, &[b"talker", &device.0, &boot.to_be_bytes(), &turn.to_be_bytes()]))
    }

    /// Whether this device can write with them.
    pub fn can_seal(&self) -> bool {
        match self {
            RoomKeys::Open | RoomKeys::Sealed(_) => true,
            RoomKeys::Epochs(epochs) => epochs.writing().is_some(),
        }
    }

    /// An entry's body as it is signed, stored and sent; `None` without a key. `nonce` must never be used twice: 24
    /// random bytes.
    pub fn seal_body(&self, header: &Header, nonce: [u8; 24], plain: &[u8]) -> Option<Vec<u8>> {
        let sealed = |key: &[u8; 32]| {
            let sealed = seal(&entry_key(key, header.author), &nonce, plain, &entry_aad(header));
            [nonce.as_slice(), &sealed].concat()
        };
        match self {
            RoomKeys::Open => Some(plain.to_vec()),
            RoomKeys::Sealed(key) => Some(sealed(key)),
            RoomKeys::Epochs(epochs) => epochs.writing().map(sealed),
        }
    }

    /// Bytes that sealing adds to an entry's body.
    pub fn body_overhead(&self) -> usize {
        match self {
            RoomKeys::Open => 0,
            RoomKeys::Sealed(_) | RoomKeys::Epochs(_) => 24 + 16,
        }
    }

    /// What [`RoomKeys::seal_body`] sealed; `None` if it was sealed otherwise or for another entry.
    pub fn open_body(&self, header: &Header, body: &[u8]) -> Option<Vec<u8>> {
        let opened = |key: &[u8; 32]| {
            let (nonce, sealed) = body.split_first_chunk::<24>()?;
            open(&entry_key(key, header.author), nonce, sealed, &entry_aad(header))
        };
        match self {
            RoomKeys::Open => Some(body.to_vec()),
            RoomKeys::Sealed(key) => opened(key),
            RoomKeys::Epochs(epochs) => epochs.of(header.epoch).find_map(opened),
        }
    }

    /// The epoch of new entries; 0 where keys never change.
    pub fn epoch(&self) -> u32 {
        match self {
            RoomKeys::Open | RoomKeys::Sealed(_) => 0,
            RoomKeys::Epochs(epochs) => epochs.epoch(),
        }
    }

    /// The keys of a private room.
    pub fn epochs(&self) -> Option<&Epochs> {
        match self {
            RoomKeys::Open | RoomKeys::Sealed(_) => None,
            RoomKeys::Epochs(epochs) => Some(epochs),
        }
    }

    /// The keys of a private room.
    pub fn epochs_mut(&mut self) -> Option<&mut Epochs> {
        match self {
            RoomKeys::Open | RoomKeys::Sealed(_) => None,
            RoomKeys::Epochs(epochs) => Some(epochs),
        }
    }
}

fn tags_around(key: &[u8; 32], sender: PeerId, now: UnixMillis) -> [RoomTag; 3] {
    let hour = hour(now);
    [hour.saturating_sub(1), hour, hour.saturating_add(1)].map(|hour| sealed_tag(key, sender, hour))
}

fn seal(key: &[u8; 32], nonce: &[u8; 24], plain: &[u8], aad: &[u8]) -> Vec<u8> {
    XChaCha20Poly1305::new(&Key::from(*key))
        .encrypt(&XNonce::from(*nonce), Payload { msg: plain, aad })
        .expect("ChaCha20-Poly1305 seals up to 256 GiB")
}

fn open(key: &[u8; 32], nonce: &[u8; 24], sealed: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    XChaCha20Poly1305::new(&Key::from(*key)).decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad }).ok()
}

fn derive(key: &[u8; 32], info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut derived = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, key)
        .expand_multi_info(info, derived.as_mut_slice())
        .expect("HKDF-SHA256 gives up to 8160 bytes");
    derived
}

fn entry_key(key: &[u8; 32], author: PeerId) -> Zeroizing<[u8; 32]> {
    derive(key, &[b"entry", &author.0])
}

/// One key per sender and boot, so that (boot, counter) never repeats under a key.
fn datagram_key(key: &[u8; 32], envelope: &Envelope) -> Zeroizing<[u8; 32]> {
    derive(key, &[b"dgram", &envelope.sender.0, &envelope.boot.to_be_bytes()])
}

fn datagram_nonce(envelope: &Envelope) -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce[..8].copy_from_slice(&envelope.boot.to_be_bytes());
    nonce[8..16].copy_from_slice(&envelope.counter.to_be_bytes());
    nonce
}

/// Binds a sealed body to its place in its log: moved elsewhere it does not open.
fn entry_aad(header: &Header) -> Vec<u8> {
    let mut aad = Vec::with_capacity(96);
    aad.extend(header.room.0);
    aad.extend(header.author.0);
    aad.extend(header.nonce.to_be_bytes());
    aad.extend(header.epoch.to_be_bytes());
    aad.extend(header.seq.0.to_be_bytes());
    aad.push(header.kind);
    aad
}

fn open_tag(room: RoomId) -> RoomTag {
    core::array::from_fn(|i| room.0[i])
}

fn sealed_tag(key: &[u8; 32], sender: PeerId, hour: u64) -> RoomTag {
    let tag_key = derive(key, &[b"tag"]);
    let mut mac = Hmac::<Sha256>::new_from_slice(tag_key.as_slice()).expect("HMAC takes keys of any length");
    mac.update(&sender.0);
    mac.update(&hour.to_be_bytes());
    let tag = mac.finalize().into_bytes();
    core::array::from_fn(|i| tag[i])
}

/// The hour for which tags are made.
pub fn hour(now: UnixMillis) -> u64 {
    now.0 / 3_600_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Hlc, Seq};
    use crate::wire::datagram::{NetworkTag, kind};

    fn sealed(n: u8) -> RoomKeys {
        RoomKeys::Sealed(Zeroizing::new([n; 32]))
    }

    fn header(seq: u64) -> Header {
        Header {
            room: RoomId([9; 32]),
            author: PeerId([1; 32]),
            nonce: 7,
            epoch: 0,
            seq: Seq(seq),
            prev: [0; 32],
            hlc: Hlc(0),
            deps: vec![],
            kind: 1,
        }
    }

    fn envelope(counter: u64) -> Envelope {
        let network = NetworkTag::of("default");
        Envelope { kind: kind::DATA, boot: 5, counter, network, sender: PeerId([1; 32]) }
    }

    #[test]
    fn a_sealed_body_opens_in_its_place_with_its_key_only() {
        let body = sealed(1).seal_body(&header(3), [8; 24], b"tea?").unwrap();
        assert_eq!(body.len(), 4 + sealed(1).body_overhead());
        assert_eq!(sealed(1).open_body(&header(3), &body).as_deref(), Some(b"tea?".as_slice()));
        assert_eq!(sealed(1).open_body(&header(4), &body), None);
        assert_eq!(sealed(2).open_body(&header(3), &body), None);
        assert_eq!(sealed(1).open_body(&header(3), &body[..20]), None);
    }

    #[test]
    fn a_sealed_packet_opens_in_its_datagram_only() {
        let tag = [3; 8];
        let body = sealed(1).seal_packet(&envelope(1), tag, b"packet").unwrap();
        assert_eq!(body.len(), 8 + 6 + sealed(1).datagram_overhead());
        assert_eq!(sealed(1).open_packet(&envelope(1), &body).as_deref(), Some(b"packet".as_slice()));
        assert_eq!(sealed(1).open_packet(&envelope(2), &body), None);
        assert_eq!(sealed(2).open_packet(&envelope(1), &body), None);
        assert_eq!(sealed(1).open_packet(&envelope(1), &body[..4]), None);
    }

    #[test]
    fn a_body_of_an_epoch_opens_with_a_key_of_that_epoch_only() {
        let mut epochs = Epochs::default();
        epochs.insert(0, Zeroizing::new([1; 32]));
        epochs.insert(1, Zeroizing::new([2; 32]));
        epochs.set_current(Some((1, crate::rooms::key_id(&[2; 32]))), vec![]);
        let keys = RoomKeys::Epochs(epochs);
        let in_epoch = |epoch| Header { epoch, ..header(3) };
        let body = keys.seal_body(&in_epoch(1), [8; 24], b"tea?").unwrap();
        assert_eq!(keys.open_body(&in_epoch(1), &body).as_deref(), Some(b"tea?".as_slice()));
        assert_eq!(keys.open_body(&in_epoch(0), &body), None);
        let mut earlier = Epochs::default();
        earlier.insert(0, Zeroizing::new([1; 32]));
        assert_eq!(RoomKeys::Epochs(earlier).open_body(&in_epoch(1), &body), None);
        let none = RoomKeys::Epochs(Epochs::default());
        assert_eq!(none.seal_body(&in_epoch(0), [8; 24], b"tea?"), None);
        assert_eq!(none.seal_packet(&envelope(1), [3; 8], b"packet"), None);
    }

    #[test]
    fn tags_of_a_sealed_room_change_every_hour_and_clocks_may_differ_by_one() {
        let room = RoomId([9; 32]);
        let at = |hours: u64| UnixMillis(hours * 3_600_000 + 5);
        let [ann, bob] = [PeerId([1; 32]), PeerId([2; 32])];
        let tag = sealed(1).tag(room, ann, at(100));
        assert_ne!(tag, sealed(1).tag(room, ann, at(101)));
        assert_ne!(tag, sealed(1).tag(room, bob, at(100)), "the two of a conversation cannot be paired");
        for hours in 99..=101 {
            assert!(sealed(1).accepted_tags(room, ann, at(hours)).contains(&tag));
        }
        assert!(!sealed(1).accepted_tags(room, ann, at(102)).contains(&tag));
    }
}
