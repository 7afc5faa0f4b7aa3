//! The keys of private rooms: which of those that come are kept, which to write with, and asking for those that are missing.
//!
//! A key counts only if the room's deeds name it. What somebody sends before those are here is kept apart.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::effects::{Effects, Job, Record};
use crate::model::{Instant, Now, PeerId, RoomId, SecretKey};
use crate::node::errands::Errand;
use crate::node::membership::Membership;
use crate::node::private::Private;
use crate::node::retry::Retry;
use crate::node::{Node, Room};
use crate::pacing::earliest;
use crate::rooms::{Epochs, Giver, key_id};

impl Node {
    /// The key of a room that this device begins: its genesis will name it.
    pub(super) fn begin_keys(&mut self, id: RoomId, key: [u8; 32]) -> Effects {
        let mut effects = Effects::default();
        if let Some(epochs) = self.rooms.get_mut(&id).and_then(|room| room.keys.epochs_mut()) {
            epochs.insert(0, key.into());
            epochs.set_current(Some((0, key_id(&key))), Vec::new());
            effects.commit.push(Record::Key { room: id, epoch: 0, key: SecretKey(key.into()) });
        }
        effects
    }

    /// Keys that came with the word that this device is in. Which of them count, the deeds will say.
    pub(super) fn keep_keys(
        &mut self,
        id: RoomId,
        giver: Giver,
        given: &[(u32, [u8; 32])],
        now: Now,
    ) -> Effects {
        let me = self.me;
        let Some(Room { keys, private: Some(private), .. }) = self.rooms.get_mut(&id) else {
            return Effects::default();
        };
        let Some(epochs) = keys.epochs_mut() else { return Effects::default() };
        let given = given.iter().map(|(epoch, key)| (*epoch, SecretKey((*key).into())));
        let came: Vec<_> =
            given.filter(|(epoch, key)| epochs.keep_apart(giver, *epoch, key.0.clone())).collect();
        let mut effects = keys_came(id, private, came);
        effects.extend(sort_keys(id, me, private, epochs));
        effects.extend(self.keys_changed(id, now));
        effects
    }

    /// Keys that this device asked for. What no deed names is worth nothing.
    pub(super) fn take_keys(&mut self, id: RoomId, given: &[(u32, [u8; 32])], now: Now) -> Effects {
        let Some(Room { keys, private: Some(private), .. }) = self.rooms.get_mut(&id) else {
            return Effects::default();
        };
        let Some(epochs) = keys.epochs_mut() else { return Effects::default() };
        let named = given.iter().filter(|(epoch, key)| private.fold.reads_with(*epoch, key_id(key)));
        let keys = named.map(|(epoch, key)| (*epoch, SecretKey((*key).into())));
        let came: Vec<_> = keys.filter(|(epoch, key)| epochs.insert(*epoch, key.0.clone())).collect();
        if came.is_empty() {
            return Effects::default();
        }
        let mut effects = keys_came(id, private, came);
        effects.extend(self.keys_changed(id, now));
        effects
    }

    fn keys_changed(&mut self, id: RoomId, now: Now) -> Effects {
        let Some(Room { keys, private: Some(private), .. }) = self.rooms.get_mut(&id) else {
            return Effects::default();
        };
        if let Some(epochs) = keys.epochs_mut() {
            choose_key(private, epochs, now.instant);
        }
        private.wake(now.instant);
        self.tags.forget();
        let mut effects = self.admit_waiting(id, now);
        effects.extend(self.admit_strays(id, now));
        effects
    }

    /// Keys that are missing are asked for, of one member after the other.
    pub(super) fn tend_keys(&mut self, id: RoomId, now: Now) -> Effects {
        let Some(room) = self.rooms.get(&id) else { return Effects::default() };
        let wanted = room.wanted_epochs();
        let Some(private) = &room.private else { return Effects::default() };
        if wanted.is_empty() || private.membership(self.me) != Membership::Member {
            return Effects::default();
        }
        let (tries, is_due, at) =
            (private.keys.tries() as usize, private.keys.is_due(now.instant), private.keys.at());
        let here: Vec<PeerId> =
            private.fold.members.keys().copied().filter(|peer| self.presence.is_online(*peer)).collect();
        let mut effects = Effects::default();
        if is_due && !self.errands.is_under_way(Errand::Keys(id)) {
            let count = here.len();
            let candidates = (0..count).map(|n| here[(n + tries) % count]);
            effects = candidates
                .into_iter()
                .find_map(|peer| self.go(peer, Errand::Keys(id), now))
                .unwrap_or_default();
            if let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) {
                private.keys.rest(KEYS_RETRY, MAX_KEYS_RETRY, now.instant);
                let at = private.keys.at();
                private.due = earliest(private.due, at);
            }
        } else if let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) {
            private.due = earliest(private.due, at.filter(|at| *at > now.instant));
        }
        effects
    }
}

/// Takes the key that counts to write with; datagrams follow later, since others learn of it by datagrams.
pub(super) fn choose_key(private: &mut Private, epochs: &mut Epochs, now: Instant) {
    let fold = &private.fold;
    let current = fold.current(|epoch, key| epochs.holds(epoch, key));
    let lately = current.into_iter().flat_map(|(epoch, _)| [Some(epoch), epoch.checked_sub(1)]).flatten();
    let heard = lately.flat_map(|epoch| fold.keys_of(epoch).map(move |key| (epoch, key))).collect();
    epochs.set_current(current, heard);
    if epochs.is_behind() && private.follow_at.is_none() {
        private.follow_at = Some(now + FOLLOW_AFTER);
    }
    private.sealed.retain(|epoch| !epochs.reads(*epoch));
}

/// Which of the keys that were kept apart the deeds name. Once this device is in and all deeds are here, the others go.
pub(super) fn sort_keys(id: RoomId, me: PeerId, private: &Private, epochs: &mut Epochs) -> Effects {
    let all = private.is_complete() && private.fold.members.contains_key(&me);
    let gone = epochs.sort_out(|epoch, key| private.fold.reads_with(epoch, key), all);
    let gone = gone.into_iter().map(|(epoch, key)| Record::KeyGone { room: id, epoch, key: SecretKey(key) });
    Effects { commit: gone.collect(), ..Effects::default() }
}

pub(super) fn keys_came(id: RoomId, private: &mut Private, came: Vec<(u32, SecretKey)>) -> Effects {
    let mut effects = Effects::default();
    if came.is_empty() {
        return effects;
    }
    private.keys = Retry::default();
    let epochs: BTreeSet<u32> = came.iter().map(|(epoch, _)| *epoch).collect();
    effects.commit.extend(came.into_iter().map(|(epoch, key)| Record::Key { room: id, epoch, key }));
    effects.run.push(Job::Reread { room: id, epochs: epochs.into_iter().collect() });
    effects
}

/// Datagrams are sealed with the old key for so long after the keys changed: by then those who are here have the new one.
const FOLLOW_AFTER: Duration = Duration::from_secs(10);
const KEYS_RETRY: Duration = Duration::from_secs(1);
const MAX_KEYS_RETRY: Duration = Duration::from_secs(60);
