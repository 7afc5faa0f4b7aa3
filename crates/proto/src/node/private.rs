//! Private rooms: what their deeds come to here, which keys are missing, and what is due because of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::effects::{Effects, Event, Job, LoadedPrivate, Record};
use crate::model::{Instant, LogId, Now, PeerId, RoomId, SecretKey, Seq, UnixMillis};
use crate::node::errands::Errand;
use crate::node::membership::{Membership, begins_room};
use crate::node::retry::Retry;
use crate::node::{Entries, Node, Room};
use crate::pacing::earliest;
use crate::rooms::{Content, Deed, Deeds, Done, Epochs, Fold, Role, Standing, What, open_box};
use crate::wire::entry::{Entry, Unverified};

/// What a private room has that others have not.
pub(super) struct Private {
    pub(super) standing: Standing,
    pub(super) deeds: Deeds,
    pub(super) fold: Fold,
    /// Deeds came that are not folded.
    unfolded: bool,
    /// Devices whose entries are in the room, by the word of whoever let this one in.
    pub(super) welcomed: BTreeSet<PeerId>,
    /// Entries of authors that nobody is known to have let in.
    waiting: Waiting,
    /// Devices that have the room's key and are no members, as far as this device knows.
    suspects: BTreeSet<PeerId>,
    /// Epochs of entries that are here and cannot be read.
    pub(super) sealed: BTreeSet<u32>,
    /// When to look at all of this again.
    pub(super) due: Option<Instant>,
    /// When datagrams follow the current key.
    follow_at: Option<Instant>,
    pub(super) leave_at: Option<Instant>,
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

#[derive(Default)]
struct Waiting {
    entries: VecDeque<Unverified>,
    bytes: usize,
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
            suspects: BTreeSet::new(),
            sealed: BTreeSet::new(),
            due: Some(Instant(0)),
            follow_at: None,
            leave_at: None,
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

    fn is_complete(&self) -> bool {
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
            Membership::Member => self.is_member(peer) || self.suspects.contains(&peer),
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

    /// An entry that is not among those of members yet. The oldest makes place.
    fn keep_waiting(&mut self, entry: Unverified) {
        self.waiting.bytes += entry.body().len() + ENTRY_OVERHEAD;
        self.waiting.entries.push_back(entry);
        while self.waiting.entries.len() > MAX_WAITING || self.waiting.bytes > MAX_WAITING_BYTES {
            let Some(oldest) = self.waiting.entries.pop_front() else { break };
            self.waiting.bytes -= oldest.body().len() + ENTRY_OVERHEAD;
        }
    }

    pub(super) fn suspect(&mut self, peer: PeerId) -> bool {
        let new = self.suspects.len() < MAX_SUSPECTS && !self.was_put_out(peer);
        new && self.suspects.insert(peer)
    }

    pub(super) fn note_deed(&mut self, room: RoomId, entry: &Entry, deed: Deed) {
        self.unfolded |= self.deeds.insert(room, Done::of(entry, deed));
    }

    pub(super) fn note_sealed(&mut self, epoch: u32) {
        if self.sealed.len() < MAX_SEALED_EPOCHS {
            self.sealed.insert(epoch);
        }
    }

    fn wake(&mut self, at: Instant) {
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
            for (epoch, key) in &loaded.keys {
                epochs.insert(*epoch, key.0.clone());
            }
        }
        for entry in &loaded.deeds {
            self.understand_deed(id, entry);
        }
        let mut effects = self.fold_private(id, Now::default());
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
            Some(Content::Deed(deed)) => private.note_deed(id, entry, deed),
            Some(_) => {}
            None => private.note_sealed(entry.header.epoch),
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
            private.keep_waiting(entry);
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
        let Some(Room { private: Some(private), keys, .. }) = self.rooms.get_mut(&id) else { return effects };
        let unreadable =
            keys.epochs().is_some_and(|keys| private.sealed.iter().any(|epoch| !keys.reads(*epoch)));
        if unreadable {
            private.wake(now.instant);
        }
        if !private.unfolded {
            return effects;
        }
        effects.extend(self.fold_private(id, now));
        effects.extend(self.admit_waiting(id, now));
        effects
    }

    /// Takes from the deeds who is in, which keys were granted, and which of them to write with.
    fn fold_private(&mut self, id: RoomId, now: Now) -> Effects {
        let mut effects = Effects::default();
        let me = self.me;
        let Some(Room { record, keys, replica, private: Some(private), .. }) = self.rooms.get_mut(&id) else {
            return effects;
        };
        let Some(epochs) = keys.epochs_mut() else { return effects };
        private.unfolded = false;
        private.deeds.named().chain([me]).for_each(|author| replica.name(author));
        let (before, was) = (private.fold.members.clone(), private.membership(me));
        private.fold = private.deeds.fold();
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
        let changed = before != private.fold.members || was != private.membership(me);
        if private.fold.creator.is_some() && private.fold.name != record.name {
            record.name = private.fold.name.clone();
            effects.commit.push(Record::Room(record.clone()));
            effects.tell.push(Event::Members(id));
        } else if changed {
            effects.tell.push(Event::Members(id));
        }
        private.suspects.retain(|peer| !private.fold.members.contains_key(peer));
        private.wake(now.instant);
        self.tags.forget();
        effects
    }

    /// Keys that somebody gave this device. Which of them counts, deeds say.
    pub(super) fn take_keys(&mut self, id: RoomId, given: &[(u32, [u8; 32])], now: Now) -> Effects {
        let Some(Room { keys, private: Some(private), .. }) = self.rooms.get_mut(&id) else {
            return Effects::default();
        };
        let Some(epochs) = keys.epochs_mut() else { return Effects::default() };
        let keys = given.iter().map(|(epoch, key)| (*epoch, SecretKey((*key).into())));
        let came: Vec<_> = keys.filter(|(epoch, key)| epochs.insert(*epoch, key.0.clone())).collect();
        if came.is_empty() {
            return Effects::default();
        }
        let mut effects = keys_came(id, private, came);
        choose_key(private, epochs, now.instant);
        private.wake(now.instant);
        self.tags.forget();
        effects.extend(self.admit_waiting(id, now));
        effects
    }

    /// Entries whose authors were not known may belong here by now.
    fn admit_waiting(&mut self, id: RoomId, now: Now) -> Effects {
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
                private.keep_waiting(entry);
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
    pub(super) fn suspected(&mut self, id: RoomId, peer: PeerId, now: Now) {
        let me = self.me;
        // Whoever cannot be asked yet is suspected when it is heard again.
        let is_here = self.presence.is_online(peer);
        let Some(Room { private: Some(private), keys, .. }) = self.rooms.get_mut(&id) else { return };
        if is_here && private.membership(me) == Membership::Member && private.suspect(peer) {
            let knew = (private.deeds.len(), keys.epoch());
            private.puzzle =
                Puzzle { by: Some(peer), at: Some(now.instant + PUZZLE_WAIT), knew, ..Puzzle::default() };
            private.wake(now.instant + PUZZLE_WAIT);
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
        // What cleared itself up meanwhile is no puzzle any more.
        if puzzle.knew != (private.deeds.len(), keys.epoch()) {
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

    /// Keys that are missing are asked for, of one member after the other.
    fn tend_keys(&mut self, id: RoomId, now: Now) -> Effects {
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
            effects =
                candidates.into_iter().find_map(|peer| self.go(peer, Errand::Keys(id))).unwrap_or_default();
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
        let is_due = (outside || old) && newest_held && self.first_admin_here(fold) == Some(me);
        let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) else {
            return Effects::default();
        };
        if !is_due {
            private.renew_at = None;
            return Effects::default();
        }
        // Whoever put somebody out renews at once; this is for when that got lost, or for two who did it apart.
        let at = *private.renew_at.get_or_insert(now.instant + RENEW_WAIT);
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

/// Takes the key that counts to write with; datagrams follow later, since others learn of it by datagrams.
fn choose_key(private: &mut Private, epochs: &mut Epochs, now: Instant) {
    let granted = private.fold.current(|epoch, key| epochs.holds(epoch, key));
    let first = private.fold.creator.and_then(|_| epochs.first());
    epochs.set_current(granted.or(first));
    if epochs.is_behind() && private.follow_at.is_none() {
        private.follow_at = Some(now + FOLLOW_AFTER);
    }
    private.sealed.retain(|epoch| !epochs.reads(*epoch));
}

fn keys_came(id: RoomId, private: &mut Private, came: Vec<(u32, SecretKey)>) -> Effects {
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
/// Those who put somebody out renew the keys themselves; others do it after this.
const RENEW_WAIT: Duration = Duration::from_secs(5);
/// Keys are renewed after thirty days.
const RENEW_AFTER_MS: u64 = 30 * 24 * 3600 * 1000;
/// How often a room is looked at when nothing happens in it.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// What a member says and nobody understands may clear itself up by what is on its way.
const PUZZLE_WAIT: Duration = Duration::from_secs(1);
/// When it did not, and that member knew nothing new either, it speaks to others; doubled each time, up to 64 min.
const PUZZLE_REST: Duration = Duration::from_secs(120);
const KEYS_RETRY: Duration = Duration::from_secs(1);
const MAX_KEYS_RETRY: Duration = Duration::from_secs(120);
/// Entries of authors who are not known to have been let in, per room: their addition is on its way, or comes with the
/// next pull, and brings them again.
const MAX_WAITING: usize = 1024;
const MAX_WAITING_BYTES: usize = 1 << 20;
/// What an entry takes in memory beside its body, about.
const ENTRY_OVERHEAD: usize = 400;
/// Devices per room that have the key and were let in by deeds that are not here.
const MAX_SUSPECTS: usize = 64;
/// Epochs per room of which there are entries and no key.
const MAX_SEALED_EPOCHS: usize = 1024;
