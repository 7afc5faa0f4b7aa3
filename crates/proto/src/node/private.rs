//! Private rooms: what their deeds come to here, which keys are missing, and what is due because of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::effects::{Effects, Event, Job, LoadedPrivate, Record};
use crate::model::{EntryId, Instant, KeyId, LogId, Now, PeerId, RoomId, SecretKey, Seq, UnixMillis};
use crate::node::deeds::Waiting;
use crate::node::keyring::{choose_key, keys_came, sort_keys};
use crate::node::membership::{Membership, begins_room};
use crate::node::retry::Retry;
use crate::node::{Entries, Node, Room};
use crate::pacing::earliest;
use crate::rooms::{Content, Deeds, Fold, Giver, Role, Standing, What, kind, open_box};
use crate::wire::door::MAX_WRITERS;
use crate::wire::entry::{Entry, Unverified};

/// What a private room has that others have not.
pub(super) struct Private {
    pub(super) standing: Standing,
    pub(super) deeds: Deeds,
    pub(super) fold: Fold,
    /// Deeds came that are not folded.
    pub(super) unfolded: bool,
    /// Devices whose entries are in the room, by the word of whoever let this one in.
    pub(super) welcomed: BTreeSet<PeerId>,
    /// Entries of authors that nobody is known to have let in.
    waiting: Waiting,
    /// Deeds without their logs whose authors are not known, or whose keys are not here.
    pub(super) strays: Waiting,
    /// Deeds that came in their logs and cannot be read yet, the oldest first.
    pub(super) unread: VecDeque<EntryId>,
    /// Deeds that need not be kept, of which the store was not told.
    pub(super) gone: Vec<EntryId>,
    /// Of the ids of all deeds, once somebody asked for it.
    pub(super) digest: Option<[u8; 16]>,
    /// Before this nobody is asked for deeds only because they have others.
    pub(super) deeds_rest: Option<Instant>,
    /// Devices that have the room's key and are no members, as far as this device knows, and which key they spoke with.
    suspects: BTreeMap<PeerId, (u32, KeyId)>,
    /// Devices that were put out and were asked for deeds by which they may be in again: not before this.
    formers_rest: BTreeMap<PeerId, Instant>,
    /// Epochs of entries that are here and cannot be read.
    pub(super) sealed: BTreeSet<u32>,
    /// When to look at all of this again.
    pub(super) due: Option<Instant>,
    /// When datagrams follow the current key.
    pub(super) follow_at: Option<Instant>,
    /// Since when this run knows that this device leaves.
    pub(super) leaving_since: Option<Instant>,
    /// When to renew the keys, if it is still due then.
    renew_at: Option<Instant>,
    /// When to ask for keys that are missing.
    pub(super) keys: Retry,
    pub(super) join: Retry,
    /// Who was asked to be let in, since the last rest.
    pub(super) asked: BTreeSet<PeerId>,
    /// Devices that are to be told that they were let in.
    pub(super) welcomes: BTreeMap<PeerId, Retry>,
    puzzle: Puzzle,
}

/// Members speak in words that mean nothing here: their keys may be newer.
#[derive(Default)]
struct Puzzle {
    by: Option<PeerId>,
    at: Option<Instant>,
    not_before: Option<Instant>,
    tries: u32,
    /// Deeds and keys at the last try: if they are more by now, it was of use.
    knew: (usize, u32),
}

impl Private {
    pub(super) fn new(standing: Standing) -> Private {
        Private {
            standing,
            deeds: Deeds::default(),
            fold: Fold::default(),
            unfolded: false,
            welcomed: BTreeSet::new(),
            waiting: Waiting::default(),
            strays: Waiting::default(),
            unread: VecDeque::new(),
            gone: Vec::new(),
            digest: None,
            deeds_rest: None,
            suspects: BTreeMap::new(),
            formers_rest: BTreeMap::new(),
            sealed: BTreeSet::new(),
            due: Some(Instant(0)),
            follow_at: None,
            leaving_since: None,
            renew_at: None,
            keys: Retry::default(),
            join: Retry::default(),
            asked: BTreeSet::new(),
            welcomes: BTreeMap::new(),
            puzzle: Puzzle::default(),
        }
    }

    /// Whether a device takes part. Until the room's own entries are here, whoever let this device in is believed.
    pub(super) fn is_member(&self, peer: PeerId) -> bool {
        self.fold.members.contains_key(&peer)
            || (self.fold.creator.is_none() && self.welcomed.contains(&peer))
    }

    pub(super) fn membership(&self, me: PeerId) -> Membership {
        match self.standing {
            Standing::Joining(_) => Membership::Joining,
            Standing::Refused(why) => Membership::Refused(why),
            Standing::Leaving => Membership::Removed,
            Standing::Inside if self.fold.members.contains_key(&me) => Membership::Member,
            Standing::Inside if self.fold.former.contains_key(&me) => Membership::Removed,
            // Somebody let this device in, and that came to nothing.
            Standing::Inside if self.deeds.names(me) && self.is_complete() => Membership::Removed,
            Standing::Inside => Membership::Member,
        }
    }

    /// Whether all deeds are here, as far as anybody can tell.
    pub(super) fn is_complete(&self) -> bool {
        self.fold.creator.is_some() && !self.fold.incomplete
    }

    /// Whether this device speaks in the room: as a member, or to say that it leaves.
    pub(super) fn speaks(&self, me: PeerId) -> bool {
        self.standing == Standing::Leaving || self.membership(me) == Membership::Member
    }

    pub(super) fn is_open_to(&self, peer: PeerId, me: PeerId) -> bool {
        self.speaks(me) && self.is_member(peer)
    }

    /// Whether a device may be asked what it has. A member that this one has not heard of has the key, and what it sends
    /// is believed no more than anything else.
    pub(super) fn may_ask(&self, peer: PeerId, me: PeerId) -> bool {
        match self.membership(me) {
            Membership::Member => self.is_member(peer) || self.suspects.contains_key(&peer),
            Membership::Removed => {
                self.standing != Standing::Leaving && self.fold.members.contains_key(&peer)
            }
            Membership::Joining | Membership::Refused(_) => false,
        }
    }

    /// How far a device that was put out may still fetch a log; `None` if it was not put out.
    pub(super) fn may_fetch(&self, peer: PeerId, log: LogId) -> Option<Seq> {
        self.fold.former.get(&peer).filter(|former| former.role.is_some()).map(|former| former.may_fetch(log))
    }

    pub(super) fn was_put_out(&self, peer: PeerId) -> bool {
        self.fold.former.get(&peer).is_some_and(|former| former.role.is_some())
    }

    /// Whoever was put out speaks with the keys of that time for as long as it likes. With one that was made since, somebody
    /// has let it in again.
    pub(super) fn suspect(&mut self, peer: PeerId, key: (u32, KeyId)) -> bool {
        let new = self.suspects.len() < MAX_SUSPECTS && !self.fold.took_along(peer, key.0, key.1);
        new && self.suspects.insert(peer, key).is_none()
    }

    /// Whether to ask a device that was put out, and has other deeds than it was left, for what it has more.
    pub(super) fn may_ask_former(&mut self, peer: PeerId, me: PeerId, now: Instant) -> bool {
        if self.membership(me) != Membership::Member || !self.was_put_out(peer) {
            return false;
        }
        self.formers_rest.retain(|_, at| *at > now);
        self.formers_rest.insert(peer, now + FORMER_REST).is_none()
    }

    /// Of too many the highest goes: nobody can count further than the room did.
    pub(super) fn note_sealed(&mut self, epoch: u32) {
        self.sealed.insert(epoch);
        if self.sealed.len() > MAX_SEALED_EPOCHS {
            self.sealed.pop_last();
        }
    }

    /// Devices whose entries are in the room, by somebody's word. Those that are new.
    pub(super) fn note_writers(&mut self, writers: impl Iterator<Item = PeerId>) -> BTreeSet<PeerId> {
        let free = MAX_WELCOMED.saturating_sub(self.welcomed.len());
        let new: BTreeSet<PeerId> =
            writers.filter(|writer| !self.welcomed.contains(writer)).take(free).collect();
        self.welcomed.extend(&new);
        new
    }

    pub(super) fn wake(&mut self, at: Instant) {
        self.due = earliest(self.due, Some(at));
    }
}

impl Node {
    pub(super) fn load_private(&mut self, id: RoomId, loaded: &LoadedPrivate) -> Effects {
        let Some(Room { keys, private: Some(private), .. }) = self.rooms.get_mut(&id) else {
            return Effects::default();
        };
        private.standing = loaded.standing.clone();
        if let Some(epochs) = keys.epochs_mut() {
            // Which of them count, the deeds say.
            for (epoch, key) in &loaded.keys {
                epochs.keep_apart(Giver::Proven, *epoch, key.0.clone());
            }
        }
        // The genesis first: by it the others are sorted.
        let (genesis, others): (Vec<_>, Vec<_>) =
            loaded.deeds.iter().partition(|entry| entry.header.kind == kind::GENESIS);
        for entry in genesis.into_iter().chain(others) {
            self.understand_deed(id, entry);
        }
        let mut effects = self.fold_private(id, Now::default());
        if let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) {
            effects.extend(private.let_go(id));
        }
        // Nobody is told of what was known before.
        effects.tell.clear();
        if let Some(epochs) = self.rooms.get_mut(&id).and_then(|room| room.keys.epochs_mut()) {
            epochs.follow();
        }
        effects
    }

    fn understand_deed(&mut self, id: RoomId, entry: &Entry) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let content = room.open(entry);
        let Some(private) = &mut room.private else { return };
        match content {
            Some(Content::Deed(deed)) => drop(private.note_deed(id, entry, deed)),
            other => private.note_unread(entry, other.is_some()),
        }
    }

    /// Entries of authors of whom it is not known that somebody let them in wait until it is; a genesis proves itself.
    pub(super) fn absorb_strange(&mut self, id: RoomId, entries: Vec<Unverified>, now: Now) -> Effects {
        let Some(Room { keys, private: Some(private), replica, .. }) = self.rooms.get_mut(&id) else {
            return Effects::default();
        };
        let mut named = false;
        for entry in entries {
            if begins_room(id, &entry, keys) {
                replica.name(entry.header().author);
                named = true;
            }
            private.waiting.keep(entry);
        }
        if named { self.admit_waiting(id, now) } else { Effects::default() }
    }

    pub(super) fn note_sealed(&mut self, id: RoomId, entries: &Entries) {
        let Some(Room { keys, private: Some(private), .. }) = self.rooms.get_mut(&id) else { return };
        let Some(epochs) = keys.epochs() else { return };
        for entry in entries.iter().filter(|entry| !epochs.reads(entry.header.epoch)) {
            private.note_sealed(entry.header.epoch);
        }
    }

    /// What came in makes a difference to who is in, or cannot be read.
    pub(super) fn settle_private(&mut self, id: RoomId, now: Now) -> Effects {
        let mut effects = Effects::default();
        let lacks_keys = self.rooms.get(&id).is_some_and(|room| !room.wanted_epochs().is_empty());
        let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) else {
            return effects;
        };
        if lacks_keys {
            private.wake(now.instant);
        }
        effects.extend(private.let_go(id));
        if !private.unfolded {
            return effects;
        }
        effects.extend(self.fold_private(id, now));
        effects.extend(self.admit_waiting(id, now));
        effects.extend(self.admit_strays(id, now));
        effects
    }

    /// Takes from the deeds who is in, which keys were granted, and which of them to write with.
    pub(super) fn fold_private(&mut self, id: RoomId, now: Now) -> Effects {
        let mut effects = Effects::default();
        let me = self.me;
        let Some(Room { record, keys, replica, private: Some(private), .. }) = self.rooms.get_mut(&id) else {
            return effects;
        };
        let Some(epochs) = keys.epochs_mut() else { return effects };
        private.unfolded = false;
        let (before, was) = (private.fold.members.clone(), private.membership(me));
        let could_write = epochs.current().is_some();
        private.fold = private.deeds.fold();
        private.deeds.named().chain([me]).for_each(|author| replica.name(author));
        effects.extend(sort_keys(id, me, private, epochs));
        let mut came = Vec::new();
        for (epoch, grants) in &private.fold.grants {
            for grant in grants {
                let sealed = grant.boxes.get(&me).filter(|_| !epochs.holds(*epoch, grant.key));
                let opened = sealed
                    .and_then(|sealed| open_box(&self.identity, grant.by, id, *epoch, grant.key, sealed));
                if let Some(key) = opened.filter(|key| epochs.insert(*epoch, key.clone())) {
                    came.push((*epoch, SecretKey(key)));
                }
            }
        }
        effects.extend(keys_came(id, private, came));
        choose_key(private, epochs, now.instant);
        let changed = before != private.fold.members
            || was != private.membership(me)
            || could_write != epochs.current().is_some();
        if before.keys().any(|member| !private.fold.members.contains_key(member)) {
            effects.run.push(Job::Recheck { room: id });
        }
        if private.fold.creator.is_some() && private.fold.name != record.name {
            record.name = private.fold.name.clone();
            effects.commit.push(Record::Room(record.clone()));
            effects.tell.push(Event::Members(id));
        } else if changed {
            effects.tell.push(Event::Members(id));
        }
        let fold = &private.fold;
        private.suspects.retain(|peer, (epoch, key)| {
            !fold.members.contains_key(peer) && !fold.took_along(*peer, *epoch, *key)
        });
        private.wake(now.instant);
        self.tags.forget();
        effects
    }

    /// Entries whose authors were not known may belong here by now.
    pub(super) fn admit_waiting(&mut self, id: RoomId, now: Now) -> Effects {
        let mut effects = Effects::default();
        let Some(Room { private: Some(private), keys, replica, .. }) = self.rooms.get_mut(&id) else {
            return effects;
        };
        let waiting = std::mem::take(&mut private.waiting);
        let mut admitted = Vec::new();
        for entry in waiting.entries {
            if replica.names(entry.header().author) || begins_room(id, &entry, keys) {
                replica.name(entry.header().author);
                admitted.push(entry);
            } else {
                private.waiting.keep(entry);
            }
        }
        if !admitted.is_empty() {
            let received = replica.waited(admitted, now.instant, &mut self.dice);
            effects.extend(self.absorb(id, self.me, received, now));
        }
        effects
    }

    /// Entries of epochs whose keys came.
    pub(super) fn reread(
        &mut self,
        id: RoomId,
        entries: Vec<(std::sync::Arc<Entry>, UnixMillis)>,
        now: Now,
    ) -> Effects {
        let mut effects = Effects::default();
        for (entry, arrived) in entries {
            let Some(room) = self.rooms.get(&id) else { break };
            if room.open(&entry).is_none() {
                continue;
            }
            effects.extend(self.understand(id, &entry, now));
            effects.tell.push(Event::Unsealed { room: id, entry, arrived });
        }
        effects.extend(self.settle_private(id, now));
        effects
    }

    /// A member said something that means nothing here: if it is of this room, its keys are newer.
    pub(super) fn puzzled(&mut self, by: PeerId, now: Now) -> Effects {
        let me = self.me;
        for room in self.rooms.values_mut() {
            let Room { private: Some(private), keys, .. } = room else { continue };
            let knows = (private.deeds.len(), keys.epoch());
            if private.puzzle.knew != knows {
                private.puzzle = Puzzle { knew: knows, ..Puzzle::default() };
            }
            let rested = private.puzzle.not_before.is_none_or(|at| at <= now.instant);
            if rested && private.puzzle.at.is_none() && private.is_open_to(by, me) {
                let at = now.instant + PUZZLE_WAIT;
                private.puzzle.by = Some(by);
                private.puzzle.at = Some(at);
                private.wake(at);
            }
        }
        Effects::default()
    }

    /// Somebody who has the room's key and is no member: there are deeds that are not here, and that one has them.
    pub(super) fn suspected(&mut self, id: RoomId, peer: PeerId, key: (u32, KeyId), now: Now) {
        let me = self.me;
        let Some(Room { private: Some(private), keys, .. }) = self.rooms.get_mut(&id) else { return };
        let knew = (private.deeds.len(), keys.epoch());
        if private.suspect(peer, key) || private.puzzle.knew != knew {
            private.puzzle = Puzzle { knew, ..Puzzle::default() };
        }
        let rested = private.puzzle.not_before.is_none_or(|at| at <= now.instant);
        let follows = private.membership(me) == Membership::Member && private.suspects.contains_key(&peer);
        if follows && rested && private.puzzle.at.is_none() {
            private.puzzle.by = Some(peer);
            private.puzzle.at = Some(now.instant + PUZZLE_WAIT);
            private.wake(now.instant + PUZZLE_WAIT);
        }
    }

    /// A member speaks with a key from before this device was let in: it cannot know that, nor understand what is said now.
    /// Asked what it has, it asks in turn.
    pub(super) fn left_behind(&mut self, id: RoomId, peer: PeerId, epoch: u32, now: Now) {
        let me = self.me;
        let Some(Room { private: Some(private), keys, .. }) = self.rooms.get_mut(&id) else { return };
        if private.fold.added_in(me).is_none_or(|added| added <= epoch) {
            return;
        }
        let knew = (private.deeds.len(), keys.epoch());
        if private.puzzle.knew != knew {
            private.puzzle = Puzzle { knew, ..Puzzle::default() };
        }
        let rested = private.puzzle.not_before.is_none_or(|at| at <= now.instant);
        if rested && private.puzzle.at.is_none() {
            let at = now.instant + PUZZLE_WAIT;
            (private.puzzle.by, private.puzzle.at) = (Some(peer), Some(at));
            private.wake(at);
        }
    }

    /// Something changed on which what is due depends.
    pub(super) fn wake_private(&mut self, id: RoomId, now: Now) {
        if let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) {
            private.wake(now.instant);
        }
    }

    /// A device came: it may let this one in, have keys, or have been let in itself.
    pub(super) fn private_peer_came(&mut self, peer: PeerId, now: Now) {
        for private in self.rooms.values_mut().filter_map(|room| room.private.as_mut()) {
            if let Standing::Joining(invite) = &private.standing {
                private.asked.remove(&peer);
                if invite.inviter == peer || private.join.at().is_none() {
                    private.join = Retry::default();
                }
                private.wake(now.instant);
            } else if private.is_member(peer) {
                private.keys = Retry::default();
                private.welcomes.remove(&peer);
                private.wake(now.instant);
            }
        }
    }

    pub(super) fn private_deadline(&self) -> Option<Instant> {
        self.rooms.values().filter_map(|room| room.private.as_ref()?.due).min()
    }

    /// What private rooms have to do now.
    pub(super) fn tend_private(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let is_due =
            |room: &Room| room.private.as_ref().is_some_and(|p| p.due.is_some_and(|at| at <= now.instant));
        let due: Vec<RoomId> =
            self.rooms.iter().filter(|(_, room)| is_due(room)).map(|(id, _)| *id).collect();
        for id in due {
            if let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) {
                private.due = Some(now.instant + LOOK_AGAIN);
            }
            effects.extend(self.tend_leaving(id, now));
            effects.extend(self.tend_joining(id, now));
            effects.extend(self.tend_puzzle(id, now));
            effects.extend(self.tend_keys(id, now));
            effects.extend(self.tend_renewal(id, now));
            effects.extend(self.tend_welcomes(id, now));
        }
        effects
    }

    fn tend_puzzle(&mut self, id: RoomId, now: Now) -> Effects {
        let Some(Room { private: Some(private), keys, replica, .. }) = self.rooms.get_mut(&id) else {
            return Effects::default();
        };
        if let Some(at) = private.follow_at {
            if at <= now.instant {
                private.follow_at = None;
                if let Some(epochs) = keys.epochs_mut() {
                    epochs.follow();
                }
                self.tags.forget();
            } else {
                private.wake(at);
            }
        }
        let puzzle = &mut private.puzzle;
        let (Some(at), Some(by)) = (puzzle.at, puzzle.by) else { return Effects::default() };
        if at > now.instant {
            private.wake(at);
            return Effects::default();
        }
        puzzle.at = None;
        // What cleared itself up meanwhile is no puzzle any more. Whoever cannot be asked yet will be heard again.
        if puzzle.knew != (private.deeds.len(), keys.epoch()) || !self.presence.is_online(by) {
            return Effects::default();
        }
        if replica.is_pulling() {
            puzzle.at = Some(now.instant + PUZZLE_WAIT);
            private.wake(now.instant + PUZZLE_WAIT);
            return Effects::default();
        }
        puzzle.not_before = Some(now.instant + PUZZLE_REST.saturating_mul(1 << puzzle.tries.min(5)));
        puzzle.tries = puzzle.tries.saturating_add(1);
        // Of that one and no other: the others know no more than this device.
        self.start_pull(id, &[by], now)
    }

    /// Somebody who was put out has the key, or it is old: one of the admins who are here makes a new one.
    fn tend_renewal(&mut self, id: RoomId, now: Now) -> Effects {
        let me = self.me;
        let Some(room) = self.rooms.get(&id) else { return Effects::default() };
        let (Some(private), Some(epochs)) = (&room.private, room.keys.epochs()) else {
            return Effects::default();
        };
        let fold = &private.fold;
        let mine =
            fold.role(me).is_some_and(|role| role >= Role::Admin) && private.standing == Standing::Inside;
        let Some((epoch, key)) = epochs.current().filter(|_| mine) else { return Effects::default() };
        let outside = fold.is_known_outside(epoch, key);
        let old = fold
            .made(epoch, key)
            .is_some_and(|made| made.unix().0.saturating_add(RENEW_AFTER_MS) <= now.unix.0);
        let newest_held = fold.grants.keys().next_back().is_none_or(|newest| *newest <= epoch);
        let is_due = (outside || old) && self.first_admin_here(fold) == Some(me);
        let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) else {
            return Effects::default();
        };
        if !is_due {
            private.renew_at = None;
            return Effects::default();
        }
        // Whoever put somebody out renews at once; this is for when that got lost, or for two who did it apart. A key that was
        // granted and nobody has is no reason to go on with one that somebody outside has.
        let wait = if newest_held { RENEW_WAIT } else { RENEW_UNHELD };
        let at = *private.renew_at.get_or_insert(now.instant + wait);
        if at > now.instant {
            private.wake(at);
            return Effects::default();
        }
        private.renew_at = None;
        let mut effects = Effects::default();
        if !outside {
            effects.extend(self.do_deed(id, What::Renewed, now).unwrap_or_default());
        }
        effects.extend(self.renew(id, now));
        effects
    }

    fn first_admin_here(&self, fold: &Fold) -> Option<PeerId> {
        let here = |peer: &PeerId| *peer == self.me || self.presence.is_online(*peer);
        let creator = fold.creator.filter(|creator| fold.role(*creator).is_some()).filter(here);
        let mut admins = fold.members.iter().filter(|(_, role)| **role >= Role::Admin).map(|(peer, _)| *peer);
        creator.or_else(|| admins.find(here))
    }
}

/// Those who put somebody out renew the keys themselves; others do it after this.
const RENEW_WAIT: Duration = Duration::from_secs(5);
/// A key that was granted and is not here is asked for, for so long.
const RENEW_UNHELD: Duration = Duration::from_secs(60);
/// Keys are renewed after thirty days.
const RENEW_AFTER_MS: u64 = 30 * 24 * 3600 * 1000;
/// How often a room is looked at when nothing happens in it.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// What a member says and nobody understands may clear itself up by what is on its way.
const PUZZLE_WAIT: Duration = Duration::from_secs(1);
/// When it did not, and that member knew nothing new either, it speaks to others; doubled each time, up to 64 min.
const PUZZLE_REST: Duration = Duration::from_secs(120);
/// Between two questions to a device that was put out.
const FORMER_REST: Duration = Duration::from_secs(30);
/// Devices per room that have the key and were let in by deeds that are not here.
const MAX_SUSPECTS: usize = 64;
/// Devices per room whose entries are kept by the word of those who let this one in: what four of them can say at once.
const MAX_WELCOMED: usize = 4 * MAX_WRITERS;
/// Epochs per room of which there are entries and no key.
const MAX_SEALED_EPOCHS: usize = 1024;

#[cfg(test)]
#[path = "private_tests.rs"]
mod tests;
