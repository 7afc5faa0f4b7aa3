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
use crate::rooms::fold::MAX_KEYS_OF_EPOCH;

/// The keys of one room that are here: those that its deeds name, and apart from them those of which that is not known.
#[derive(Default)]
pub struct Epochs {
    keys: Keys,
    guests: Guests,
    /// What new entries are sealed with.
    current: Option<(u32, KeyId)>,
    /// What datagrams are sealed with. It stays behind for a moment when the keys change, since the news travels in
    /// datagrams itself.
    air: Option<(u32, KeyId)>,
    /// What else datagrams may be sealed with.
    heard: Vec<(u32, KeyId)>,
}

type Keys = BTreeMap<(u32, KeyId), Zeroizing<[u8; 32]>>;

/// By whose word a key is here that no deed names yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Giver {
    /// It was made here, came with a proof, or was on disk.
    Proven,
    /// Somebody sent it.
    Word(PeerId),
}

/// Keys that no deed names yet. They open entries, so that deeds can be read that name them; nothing is sealed with them. Each
/// giver has a share of his own: a liar crowds out nobody.
#[derive(Default)]
struct Guests {
    of: BTreeMap<Giver, Keys>,
}

impl Epochs {
    /// Keeps a key that a deed names; whether it is new. Of too many the oldest goes.
    pub fn insert(&mut self, epoch: u32, key: Zeroizing<[u8; 32]>) -> bool {
        let new = self.keys.insert((epoch, key_id(&key)), key).is_none();
        if self.keys.len() > MAX_KEYS {
            self.keys.pop_first();
        }
        new
    }

    /// Keeps a key apart until a deed names it; whether it is new.
    pub fn keep_apart(&mut self, giver: Giver, epoch: u32, key: Zeroizing<[u8; 32]>) -> bool {
        let at = (epoch, key_id(&key));
        let is_here =
            self.keys.contains_key(&at) || self.guests.of.values().any(|keys| keys.contains_key(&at));
        !is_here && self.guests.keep(giver, at, key)
    }

    /// Takes those kept apart that are named by now. Where `all` is known that could name them, the others go, and are told.
    pub fn sort_out(
        &mut self,
        named: impl Fn(u32, KeyId) -> bool,
        all: bool,
    ) -> Vec<(u32, Zeroizing<[u8; 32]>)> {
        let mut gone = Vec::new();
        for (giver, keys) in std::mem::take(&mut self.guests.of) {
            for (at, key) in keys {
                match (named(at.0, at.1), all) {
                    (true, _) => drop(self.insert(at.0, key)),
                    (false, true) => gone.push((at.0, key)),
                    (false, false) => drop(self.guests.of.entry(giver).or_default().insert(at, key)),
                }
            }
        }
        gone
    }

    /// Whether a key is here that a deed names.
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

    /// Takes the key to write with, and those that datagrams of others may be sealed with besides. Where there is none,
    /// nothing is written: a key that somebody sent is no reason to seal with it.
    pub fn set_current(&mut self, current: Option<(u32, KeyId)>, heard: Vec<(u32, KeyId)>) {
        (self.current, self.heard) = (current, heard);
        if self.air.is_none_or(|air| !self.keys.contains_key(&air)) {
            self.air = self.current;
        }
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

    pub(super) fn air(&self) -> Option<(u32, KeyId)> {
        self.air
    }

    pub(super) fn named(&self, name: (u32, KeyId)) -> Option<&[u8; 32]> {
        self.keys.get(&name).map(|key| &**key)
    }

    pub(super) fn writing(&self) -> Option<&[u8; 32]> {
        self.current.and_then(|current| self.keys.get(&current)).map(|key| &**key)
    }

    pub(super) fn sending(&self) -> Option<&[u8; 32]> {
        self.air.and_then(|air| self.keys.get(&air)).map(|key| &**key)
    }

    /// Keys that a datagram may be sealed with. Before any deed was read, the newest of each giver: it is heard who speaks
    /// there, and can be asked.
    pub(super) fn accepted(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.accepted_by_name().map(|(_, key)| key)
    }

    /// The same with the epoch and the id of each.
    pub(super) fn accepted_by_name(&self) -> impl Iterator<Item = ((u32, KeyId), &[u8; 32])> {
        let mut known: Vec<(u32, KeyId)> = Vec::new();
        for at in self.current.iter().chain(&self.air).chain(&self.heard) {
            if !known.contains(at) {
                known.push(*at);
            }
        }
        let guests = self.guests.of.values().filter(|_| self.current.is_none());
        let newest = guests.flat_map(|keys| keys.iter().next_back()).map(|(at, key)| (*at, key));
        known
            .into_iter()
            .filter_map(|at| Some((at, self.keys.get(&at)?)))
            .chain(newest)
            .take(MAX_ACCEPTED)
            .map(|(at, key)| (at, &**key))
    }

    pub(super) fn of(&self, epoch: u32) -> impl Iterator<Item = &[u8; 32]> {
        let span = (epoch, KeyId([0; 16]))..=(epoch, KeyId([255; 16]));
        let apart = self.guests.of.values();
        std::iter::once(&self.keys)
            .chain(apart)
            .flat_map(move |keys| keys.range(span.clone()))
            .map(|(_, key)| &**key)
    }

    /// Those that deeds name of all of these epochs, for somebody who may have them; all there are if none is named.
    pub fn copies(&self, epochs: &[u32]) -> Vec<(u32, [u8; 32])> {
        let wanted = self.keys.iter().filter(|((epoch, _), _)| epochs.is_empty() || epochs.contains(epoch));
        wanted.map(|((epoch, _), key)| (*epoch, **key)).collect()
    }
}

impl Guests {
    fn keep(&mut self, giver: Giver, at: (u32, KeyId), key: Zeroizing<[u8; 32]>) -> bool {
        if !self.of.contains_key(&giver) && giver != Giver::Proven {
            let others = self.of.keys().filter(|giver| **giver != Giver::Proven).count();
            if others >= MAX_GIVERS {
                return false;
            }
        }
        let keys = self.of.entry(giver).or_default();
        let span = (at.0, KeyId([0; 16]))..=(at.0, KeyId([255; 16]));
        // What was on disk may be more: it was bounded when it came.
        let of_epoch = if giver == Giver::Proven { MAX_KEYS } else { MAX_KEYS_OF_EPOCH };
        let has_place = keys.len() < MAX_KEYS && keys.range(span).count() < of_epoch;
        has_place && keys.insert(at, key).is_none()
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

/// Keys of one room: with one a month and one for each removal these are those of a lifetime.
const MAX_KEYS: usize = 4096;
/// Keys tried on a datagram.
const MAX_ACCEPTED: usize = 8;
/// Devices whose word is kept at a time on a room of which no deed was read. Those who come after them are heard when a deed
/// was, or after a restart.
const MAX_GIVERS: usize = 8;

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

    fn key(n: u32) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        key[..4].copy_from_slice(&n.to_be_bytes());
        key
    }

    fn giver(n: u8) -> Giver {
        Giver::Word(PeerId([n; 32]))
    }

    #[test]
    fn datagrams_follow_the_keys_a_moment_later() {
        let mut epochs = Epochs::default();
        let at = |epoch, key: [u8; 32]| Some((epoch, key_id(&key)));
        epochs.insert(0, Zeroizing::new([1; 32]));
        epochs.set_current(at(0, [1; 32]), vec![]);
        epochs.insert(1, Zeroizing::new([2; 32]));
        epochs.set_current(at(1, [2; 32]), vec![]);
        assert_eq!((epochs.writing(), epochs.sending()), (Some(&[2; 32]), Some(&[1; 32])));
        assert_eq!(epochs.accepted().count(), 2);
        epochs.follow();
        assert_eq!(epochs.sending(), Some(&[2; 32]));
        epochs.insert(2, Zeroizing::new([3; 32]));
        epochs.set_current(at(2, [3; 32]), vec![]);
        let accepted: Vec<_> = epochs.accepted().copied().collect();
        assert_eq!(accepted, [[3; 32], [2; 32]], "the one before the last is over");
    }

    #[test]
    fn a_key_that_no_deed_names_opens_and_does_nothing_else() {
        let mut epochs = Epochs::default();
        epochs.insert(0, key(1));
        epochs.set_current(Some((0, key_id(&key(1)))), vec![]);
        assert!(epochs.keep_apart(giver(1), 7, key(2)) && !epochs.keep_apart(giver(2), 7, key(2)));
        assert!(!epochs.keep_apart(giver(1), 0, key(1)), "it is here already");
        assert!(epochs.reads(7) && !epochs.holds(7, key_id(&key(2))));
        epochs.set_current(None, vec![(7, key_id(&key(2)))]);
        assert_eq!((epochs.writing(), epochs.copies(&[]).len()), (None, 1));
        let accepted: Vec<_> = epochs.accepted().copied().collect();
        assert_eq!(accepted, [*key(1), *key(2)], "only who has no key that counts listens with it");
        epochs.set_current(Some((0, key_id(&key(1)))), vec![(7, key_id(&key(2)))]);
        assert_eq!(epochs.accepted().count(), 1);
        // A deed names it after all; another one is named by none.
        epochs.keep_apart(giver(1), 8, key(3));
        assert!(epochs.sort_out(|epoch, _| epoch == 7, false).is_empty());
        assert!(epochs.holds(7, key_id(&key(2))) && epochs.reads(8));
        assert_eq!(epochs.sort_out(|_, _| false, true), [(8, key(3))]);
        assert!(!epochs.reads(8) && epochs.holds(7, key_id(&key(2))));
    }

    #[test]
    fn whoever_sends_keys_fills_his_own_share_only() {
        let mut epochs = Epochs::default();
        for n in 0..MAX_KEYS_OF_EPOCH as u32 {
            assert!(epochs.keep_apart(giver(1), 5, key(n)));
        }
        assert!(!epochs.keep_apart(giver(1), 5, key(99)), "an epoch has as many as that");
        assert!(epochs.keep_apart(giver(2), 5, key(99)), "by anybody");
        for n in MAX_KEYS_OF_EPOCH as u32..MAX_KEYS as u32 {
            assert!(epochs.keep_apart(giver(1), 1000 + n, key(n)));
        }
        assert!(!epochs.keep_apart(giver(1), 6, key(100_000)));
        for n in 3..=MAX_GIVERS as u8 {
            assert!(epochs.keep_apart(giver(n), 6, key(200_000 + u32::from(n))));
        }
        assert!(!epochs.keep_apart(giver(100), 6, key(300_000)), "there are no more shares");
        assert!(epochs.keep_apart(Giver::Proven, 6, key(300_000)), "but for what is proven");
    }

    #[test]
    fn of_too_many_keys_the_oldest_goes() {
        let mut epochs = Epochs::default();
        for n in 1..MAX_KEYS as u32 + 2 {
            assert!(epochs.insert(n, key(n)));
        }
        assert!(!epochs.insert(2, key(2)), "it is here already");
        assert_eq!(epochs.keys.len(), MAX_KEYS);
        assert!(!epochs.reads(1) && epochs.reads(2));
        assert_eq!(epochs.copies(&[2, 3]).len(), 2);
        assert_eq!(epochs.copies(&[]).len(), MAX_KEYS);
    }
}
