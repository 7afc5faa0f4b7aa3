//! The keys of a private room: one for each epoch, several where two admins renewed them at the same time.

use std::collections::BTreeMap;

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::identity::Identity;
use crate::model::{KeyId, PeerId, RoomId};
use crate::rooms::deed::BOX_BYTES;

/// The keys of one room that are here.
#[derive(Default)]
pub struct Epochs {
    keys: BTreeMap<(u32, KeyId), Zeroizing<[u8; 32]>>,
    /// What new entries are sealed with.
    current: Option<(u32, KeyId)>,
    /// What datagrams are sealed with. It stays behind for a moment when the keys change, since the news travels in
    /// datagrams itself.
    air: Option<(u32, KeyId)>,
}

impl Epochs {
    /// Keeps a key; whether it is new. Of too many the oldest goes.
    pub fn insert(&mut self, epoch: u32, key: Zeroizing<[u8; 32]>) -> bool {
        let id = key_id(&key);
        let of_epoch = self.of(epoch).count();
        if self.keys.contains_key(&(epoch, id)) || of_epoch >= MAX_KEYS_OF_EPOCH {
            return false;
        }
        self.keys.insert((epoch, id), key);
        if self.keys.len() > MAX_KEYS {
            self.keys.pop_first();
        }
        true
    }

    pub fn holds(&self, epoch: u32, key: KeyId) -> bool {
        self.keys.contains_key(&(epoch, key))
    }

    /// Whether any key of an epoch is here.
    pub fn reads(&self, epoch: u32) -> bool {
        self.of(epoch).next().is_some()
    }

    pub fn current(&self) -> Option<(u32, KeyId)> {
        self.current
    }

    /// Takes the key to write with. Where nothing says which, it is one of the newest epoch.
    pub fn set_current(&mut self, current: Option<(u32, KeyId)>) {
        self.current = current.or_else(|| self.keys.keys().next_back().copied());
        if self.air.is_none_or(|air| !self.keys.contains_key(&air)) {
            self.air = self.current;
        }
    }

    /// The key that the room began with, if it is here.
    pub fn first(&self) -> Option<(u32, KeyId)> {
        self.keys.keys().next().copied().filter(|(epoch, _)| *epoch == 0)
    }

    /// From now on datagrams are sealed with the current key, too.
    pub fn follow(&mut self) {
        self.air = self.current;
    }

    /// Whether datagrams are still sealed with an older key than entries.
    pub fn is_behind(&self) -> bool {
        self.air != self.current
    }

    /// The epoch of new entries.
    pub fn epoch(&self) -> u32 {
        self.current.map_or(0, |(epoch, _)| epoch)
    }

    pub(super) fn writing(&self) -> Option<&[u8; 32]> {
        self.current.and_then(|current| self.keys.get(&current)).map(|key| &**key)
    }

    pub(super) fn sending(&self) -> Option<&[u8; 32]> {
        self.air.and_then(|air| self.keys.get(&air)).map(|key| &**key)
    }

    /// Keys that a datagram may be sealed with: those of the current epoch, the one before, and any later one.
    pub(super) fn accepted(&self) -> impl Iterator<Item = &[u8; 32]> {
        let from = self.epoch().saturating_sub(1);
        let newest = self.keys.range((from, KeyId([0; 16]))..).rev();
        newest.take(MAX_ACCEPTED).map(|(_, key)| &**key)
    }

    pub(super) fn of(&self, epoch: u32) -> impl Iterator<Item = &[u8; 32]> {
        self.keys.range((epoch, KeyId([0; 16]))..=(epoch, KeyId([255; 16]))).map(|(_, key)| &**key)
    }

    /// All of these epochs, for somebody who may have them; all there are if none is named.
    pub fn copies(&self, epochs: &[u32]) -> Vec<(u32, [u8; 32])> {
        let wanted = self.keys.iter().filter(|((epoch, _), _)| epochs.is_empty() || epochs.contains(epoch));
        wanted.map(|((epoch, _), key)| (*epoch, **key)).collect()
    }
}

/// By which a grant names a key without telling it.
pub fn key_id(key: &[u8; 32]) -> KeyId {
    let digest = Sha256::digest([b"lanyard room key v1".as_slice(), key].concat());
    KeyId(core::array::from_fn(|i| digest[i]))
}

/// Seals a new epoch's key to a member; `None` if the member's own key is degenerate.
pub fn grant_box(
    from: &Identity,
    to: PeerId,
    room: RoomId,
    epoch: u32,
    key: &[u8; 32],
) -> Option<[u8; BOX_BYTES]> {
    let cipher = box_cipher(&*from.agree(to)?, from.peer_id(), to, room, epoch, key_id(key));
    // The cipher's key belongs to this one plaintext: its id is part of it.
    let sealed =
        cipher.encrypt(&XNonce::from([0; 24]), key.as_slice()).expect("ChaCha20-Poly1305 seals 32 bytes");
    sealed.try_into().ok()
}

/// What [`grant_box`] sealed to this device.
pub fn open_box(
    me: &Identity,
    from: PeerId,
    room: RoomId,
    epoch: u32,
    id: KeyId,
    sealed: &[u8; BOX_BYTES],
) -> Option<Zeroizing<[u8; 32]>> {
    let cipher = box_cipher(&*me.agree(from)?, from, me.peer_id(), room, epoch, id);
    let opened = Zeroizing::new(cipher.decrypt(&XNonce::from([0; 24]), sealed.as_slice()).ok()?);
    let key: Zeroizing<[u8; 32]> = Zeroizing::new(opened.as_slice().try_into().ok()?);
    (key_id(&key) == id).then_some(key)
}

fn box_cipher(
    shared: &[u8; 32],
    from: PeerId,
    to: PeerId,
    room: RoomId,
    epoch: u32,
    id: KeyId,
) -> XChaCha20Poly1305 {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(b"lanyard grant v1"), shared)
        .expand_multi_info(&[&room.0, &epoch.to_be_bytes(), &from.0, &to.0, &id.0], key.as_mut_slice())
        .expect("HKDF-SHA256 gives up to 8160 bytes");
    XChaCha20Poly1305::new(&Key::from(*key))
}

/// Keys of one epoch: as many admins as may renew it at the same time, far apart.
const MAX_KEYS_OF_EPOCH: usize = 8;
/// Keys of one room: with one a month and one for each removal these are those of a lifetime.
const MAX_KEYS: usize = 4096;
/// Keys tried on a datagram.
const MAX_ACCEPTED: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: RoomId = RoomId([9; 32]);

    #[test]
    fn a_box_opens_for_its_device_its_room_and_its_epoch_only() {
        let [ann, bob, eve] = [1, 2, 3].map(|n| Identity::from_seed(&[n; 32]));
        let key = [7; 32];
        let sealed = grant_box(&ann, bob.peer_id(), ROOM, 4, &key).unwrap();
        let open = |me: &Identity, room, epoch, id| open_box(me, ann.peer_id(), room, epoch, id, &sealed);
        assert_eq!(open(&bob, ROOM, 4, key_id(&key)).as_deref(), Some(&key));
        assert_eq!(open(&eve, ROOM, 4, key_id(&key)), None);
        assert_eq!(open(&bob, RoomId([8; 32]), 4, key_id(&key)), None);
        assert_eq!(open(&bob, ROOM, 5, key_id(&key)), None);
        assert_eq!(open(&bob, ROOM, 4, key_id(&[8; 32])), None);
        assert_eq!(open_box(&bob, eve.peer_id(), ROOM, 4, key_id(&key), &sealed), None);
    }

    #[test]
    fn datagrams_follow_the_keys_a_moment_later() {
        let mut epochs = Epochs::default();
        let at = |epoch, key: [u8; 32]| Some((epoch, key_id(&key)));
        epochs.insert(0, Zeroizing::new([1; 32]));
        epochs.set_current(at(0, [1; 32]));
        epochs.insert(1, Zeroizing::new([2; 32]));
        epochs.set_current(at(1, [2; 32]));
        assert_eq!((epochs.writing(), epochs.sending()), (Some(&[2; 32]), Some(&[1; 32])));
        assert_eq!(epochs.accepted().count(), 2);
        epochs.follow();
        assert_eq!(epochs.sending(), Some(&[2; 32]));
        epochs.insert(2, Zeroizing::new([3; 32]));
        epochs.set_current(at(2, [3; 32]));
        let accepted: Vec<_> = epochs.accepted().copied().collect();
        assert_eq!(accepted, [[3; 32], [2; 32]], "the one before the last is over");
    }

    #[test]
    fn keys_are_kept_up_to_their_bounds_and_the_oldest_goes_first() {
        let mut epochs = Epochs::default();
        let key = |n: u32| {
            let mut key = Zeroizing::new([0; 32]);
            key[..4].copy_from_slice(&n.to_be_bytes());
            key
        };
        for n in 0..MAX_KEYS_OF_EPOCH as u32 {
            assert!(epochs.insert(1, key(n)));
        }
        assert!(!epochs.insert(1, key(99)), "an epoch has as many as that");
        assert!(!epochs.insert(1, key(0)), "it is here already");
        for n in 2..MAX_KEYS as u32 + 2 {
            assert!(epochs.insert(n, key(n)));
        }
        assert_eq!(epochs.keys.len(), MAX_KEYS);
        assert!(!epochs.reads(1) && epochs.reads(2));
        assert_eq!(epochs.copies(&[2, 3]).len(), 2);
        assert_eq!(epochs.copies(&[]).len(), MAX_KEYS);
    }
}
