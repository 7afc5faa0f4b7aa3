//! Which keys of a room count, and which of them to write with.

use std::collections::{BTreeMap, BTreeSet};

use super::{Done, Fold, Round};
use crate::model::{EntryId, Hlc, KeyId, PeerId};
use crate::rooms::deed::BOX_BYTES;

/// A key that an admin made and sealed to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub key: KeyId,
    pub by: PeerId,
    /// The lowest of its entries.
    pub entry: EntryId,
    pub at: Hlc,
    pub boxes: BTreeMap<PeerId, [u8; BOX_BYTES]>,
}

impl Fold {
    /// Whether a key counts: entries are written with none but such.
    pub fn grants(&self, epoch: u32, key: KeyId) -> bool {
        (epoch == 0 && self.first == Some(key))
            || self.grants.get(&epoch).is_some_and(|grants| grants.iter().any(|grant| grant.key == key))
    }

    /// Whether entries are read with a key: it counts, or did as far as somebody knew.
    pub fn reads_with(&self, epoch: u32, key: KeyId) -> bool {
        self.grants(epoch, key) || self.mentioned.contains(&(epoch, key))
    }

    /// Keys of an epoch that count, the one to write with first.
    pub fn keys_of(&self, epoch: u32) -> impl Iterator<Item = KeyId> {
        let first = self.first.filter(|_| epoch == 0);
        first.into_iter().chain(self.grants.get(&epoch).into_iter().flatten().map(|grant| grant.key))
    }

    /// The epoch and key to write with: the highest epoch, and of several keys the one of the lowest entry. `held` says
    /// which are here.
    pub fn current(&self, held: impl Fn(u32, KeyId) -> bool) -> Option<(u32, KeyId)> {
        let granted = self.grants.keys().rev().chain([&0]);
        granted
            .into_iter()
            .find_map(|epoch| Some((*epoch, self.keys_of(*epoch).find(|key| held(*epoch, *key))?)))
    }

    /// Whether somebody who is out may have the key of an epoch, so that another one is due.
    pub fn is_known_outside(&self, epoch: u32, key: KeyId) -> bool {
        self.former.keys().any(|peer| self.took_along(*peer, epoch, key))
    }

    /// Whether a device that is out may have the key of an epoch from when it was in. With any other it was let in again.
    pub fn took_along(&self, peer: PeerId, epoch: u32, key: KeyId) -> bool {
        let Some(former) = self.former.get(&peer).filter(|former| former.role.is_some()) else {
            return false;
        };
        let grant = self.grants.get(&epoch).and_then(|grants| grants.iter().find(|grant| grant.key == key));
        epoch <= former.epoch
            || self.added.get(&peer).is_some_and(|added| *added >= epoch)
            || grant.is_some_and(|grant| grant.by == peer || grant.boxes.contains_key(&peer))
    }

    /// When the key of an epoch was made, by its maker's clock.
    pub fn made(&self, epoch: u32, key: KeyId) -> Option<Hlc> {
        let grant = self.grants.get(&epoch).and_then(|grants| grants.iter().find(|grant| grant.key == key));
        grant.map(|grant| grant.at).or((epoch == 0).then_some(self.begun))
    }

    /// Epochs of which a key that counts is not here; of those that are sealed here, also where it counts no more.
    pub fn lacking(&self, sealed: &BTreeSet<u32>, held: impl Fn(u32, KeyId) -> bool) -> BTreeSet<u32> {
        let first = self.first.map(|key| (0, key));
        let counting =
            self.grants.iter().flat_map(|(epoch, grants)| grants.iter().map(|grant| (*epoch, grant.key)));
        let spoken = self.mentioned.iter().copied().filter(|(epoch, _)| sealed.contains(epoch));
        let known = first.into_iter().chain(counting).chain(spoken);
        known.filter(|(epoch, key)| !held(*epoch, *key)).map(|(epoch, _)| epoch).collect()
    }
}

impl Round {
    pub(super) fn grant(&mut self, done: &Done, epoch: u32, key: KeyId, boxes: &[(PeerId, [u8; BOX_BYTES])]) {
        let newest = self.fold.grants.keys().next_back().copied().unwrap_or_default();
        // One after the other: nobody can use up the numbers.
        if epoch == 0 || Some(epoch) != done.epoch.checked_add(1) || epoch > newest.saturating_add(1) {
            return;
        }
        let grants = self.fold.grants.entry(epoch).or_default();
        match grants.iter_mut().find(|grant| grant.key == key && grant.by == done.author) {
            Some(grant) => {
                grant.entry = grant.entry.min(done.id);
                grant.boxes.extend(boxes.iter().copied());
            }
            None => {
                let boxes = boxes.iter().copied().collect();
                grants.push(Grant { key, by: done.author, entry: done.id, at: done.hlc, boxes });
            }
        }
        grants.sort_by_key(|grant| grant.entry);
        grants.truncate(MAX_KEYS_OF_EPOCH);
    }
}

/// Keys of one epoch that count: as many admins as may renew it at the same time, far apart.
pub const MAX_KEYS_OF_EPOCH: usize = 8;
