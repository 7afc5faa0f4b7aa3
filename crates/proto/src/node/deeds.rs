//! Deeds of private rooms apart from the logs that they stand in.
//!
//! Who is in a room must be known also where its history was given up. So deeds are kept when their logs go, and given to
//! whoever lacks them one by one: the signature of each proves it, and what they come to is a function of their set.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::effects::{Effects, Record, Transmit};
use crate::model::{ConnId, EntryId, Instant, Now, PeerId, RoomId};
use crate::node::membership::begins_room;
use crate::node::private::Private;
use crate::node::{Dropped, Node, Room};
use crate::rooms::{self, Deed, Done, digest_of};
use crate::wire::entry::{Entry, Unverified};
use crate::wire::frame::{Frame, KNOWN_BYTES, KnownDeeds, MAX_DEEDS};

/// Entries that cannot be taken yet.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) entries: VecDeque<Unverified>,
    pub(super) bytes: usize,
}

impl Waiting {
    /// The oldest makes place.
    pub(super) fn keep(&mut self, entry: Unverified) {
        self.bytes += entry.body().len() + ENTRY_OVERHEAD;
        self.entries.push_back(entry);
        while self.entries.len() > MAX_WAITING || self.bytes > MAX_WAITING_BYTES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.body().len() + ENTRY_OVERHEAD;
        }
    }
}

impl Private {
    /// Whether it is new.
    pub(super) fn note_deed(&mut self, room: RoomId, entry: &Entry, deed: Deed) -> bool {
        let inserted = self.deeds.insert(room, Done::of(entry, deed));
        self.unread.retain(|id| *id != entry.id());
        self.gone.extend(inserted.dropped);
        if inserted.new {
            (self.unfolded, self.digest) = (true, None);
        }
        inserted.new
    }

    /// A deed by its kind that says nothing here: it cannot be read yet, or never.
    pub(super) fn note_unread(&mut self, entry: &Entry, opens: bool) {
        if opens {
            self.gone.push(entry.id());
            return;
        }
        self.note_sealed(entry.header.epoch);
        self.unread.push_back(entry.id());
        if self.unread.len() > MAX_UNREAD {
            self.gone.extend(self.unread.pop_front());
        }
    }

    /// Tells the store which deeds it need not keep.
    pub(super) fn let_go(&mut self, room: RoomId) -> Effects {
        let entries = std::mem::take(&mut self.gone);
        let commit = if entries.is_empty() { vec![] } else { vec![Record::DeedsGone { room, entries }] };
        Effects { commit, ..Effects::default() }
    }
}

impl Room {
    /// By which others see whether they have the same deeds; `None` where there are none.
    pub(super) fn digest_of_deeds(&mut self) -> Option<[u8; 16]> {
        let private = self.private.as_mut()?;
        Some(*private.digest.get_or_insert_with(|| digest_of(private.deeds.ids())))
    }

    /// The same of those that a device may have that was put out; `None` if it was not.
    pub(super) fn digest_of_deeds_left_to(&self, peer: PeerId) -> Option<[u8; 16]> {
        let private = self.private.as_ref().filter(|private| private.was_put_out(peer))?;
        Some(digest_of(private.deeds.ids_within(|log| private.may_fetch(peer, log).unwrap_or_default())))
    }

    /// Whether somebody who said this has not the same deeds.
    pub(super) fn has_other_deeds(&mut self, theirs: Option<[u8; 16]>) -> bool {
        theirs.is_some_and(|theirs| self.digest_of_deeds().is_some_and(|ours| ours != theirs))
    }

    /// Whether to ask somebody only because of that; if so, not again for a while: there may be some that one of the two
    /// cannot read.
    pub(super) fn may_ask_for_deeds(&mut self, now: Instant) -> bool {
        let Some(private) = &mut self.private else { return false };
        let may = private.deeds_rest.is_none_or(|at| at <= now);
        if may {
            private.deeds_rest = Some(now + DEEDS_REST);
        }
        may
    }

    /// What is here, so that only the others are sent; no more than can be named, which is all once the genesis is here.
    pub(super) fn known_deeds(&self) -> KnownDeeds {
        self.private.iter().flat_map(|private| private.deeds.ids()).map(known_by).take(MAX_DEEDS).collect()
    }

    /// Those that a device may have and does not know.
    pub(super) fn deeds_for(&self, peer: PeerId, known: &KnownDeeds) -> Vec<EntryId> {
        let Some(private) = &self.private else { return Vec::new() };
        let lacks = |id: &EntryId| !known.contains(&known_by(*id));
        if self.is_open_to(peer) {
            private.deeds.ids().filter(lacks).collect()
        } else if private.was_put_out(peer) {
            let open = |log| private.may_fetch(peer, log).unwrap_or_default();
            private.deeds.ids_within(open).filter(lacks).collect()
        } else {
            Vec::new()
        }
    }
}

impl Node {
    /// A device that was put out asks what is here, and has other deeds than those that it was left: by them it may be in
    /// again. It is asked for them, and learns nothing by that: what was left to it is all that is said to be known.
    pub(super) fn ask_former(
        &mut self,
        conn: ConnId,
        peer: PeerId,
        room: RoomId,
        theirs: Option<[u8; 16]>,
        now: Now,
    ) -> Effects {
        let me = self.me;
        let (Some(session), Some(held)) = (self.sessions.get_mut(&conn), self.rooms.get_mut(&room)) else {
            return Effects::default();
        };
        let left = held.digest_of_deeds_left_to(peer);
        let Some(private) = held.private.as_mut().filter(|_| theirs.is_some() && theirs != left) else {
            return Effects::default();
        };
        if !private.may_ask_former(peer, me, now.instant) {
            return Effects::default();
        }
        let open = |log| private.may_fetch(peer, log).unwrap_or_default();
        let known: KnownDeeds = private.deeds.ids_within(open).map(known_by).take(MAX_DEEDS).collect();
        session.want(room);
        session.formers.insert(room);
        let want = Frame::Want { room, ranges: Vec::new(), more: false, deeds: Some(known) };
        Effects { send: vec![Transmit::Frame { conn, bytes: want.encode() }], ..Effects::default() }
    }

    /// Deeds that this device asked for.
    pub(super) fn take_deeds(
        &mut self,
        conn: ConnId,
        peer: PeerId,
        id: RoomId,
        entries: &[Vec<u8>],
        now: Now,
    ) -> Effects {
        let former = self.sessions.get(&conn).is_some_and(|session| session.formers.contains(&id));
        let asked = |held: &&mut Room| former || held.replica.expects_deeds(peer);
        let Some(held) = self.rooms.get_mut(&id).filter(asked) else { return Effects::default() };
        let known = held.known_deeds();
        // What a device brings that was put out takes nobody's place among those that wait.
        let set_aside =
            held.private.as_mut().filter(|_| former).map(|private| std::mem::take(&mut private.strays));
        let read = entries.iter().map(|bytes| Unverified::decode_in_room(id, bytes).ok());
        let mut read: Vec<_> = read.collect();
        let forged = read
            .extract_if(.., |entry| entry.as_ref().is_none_or(|entry| !rooms::is_deed(entry.header().kind)));
        let forged = forged.count() as u64;
        if forged > 0 {
            self.count(Dropped::Entry, forged);
        }
        let private = self.rooms.get(&id).and_then(|room| room.private.as_ref());
        // Nor is anything new of those who are out: what they did when they were in is known.
        let is_out = |author| former && private.is_some_and(|private| private.was_put_out(author));
        let new = read.into_iter().flatten().filter(|entry| !known.contains(&known_by(entry.id())));
        let new: Vec<_> = new.filter(|entry| !is_out(entry.header().author)).collect();
        let (mut effects, took) = self.take_strays(id, new);
        if took > 0
            && let Some(held) = self.rooms.get_mut(&id)
        {
            held.replica.brought_deeds(peer, now.instant);
        }
        effects.extend(self.settle_private(id, now));
        if let Some(strays) = set_aside
            && let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut())
        {
            private.strays = strays;
            if took > 0 {
                effects.extend(self.admit_strays(id, now));
            }
        }
        let ping = self.sessions.get_mut(&conn).and_then(|session| session.heard(now.instant));
        effects.send.extend(ping.map(|ping| Transmit::Frame { conn, bytes: ping.encode() }));
        effects
    }

    /// Deeds whose authors are known by now, or whose keys came. What they bring may let in others that wait.
    pub(super) fn admit_strays(&mut self, id: RoomId, now: Now) -> Effects {
        let mut effects = Effects::default();
        for _ in 0..MAX_ROUNDS {
            let Some(private) = self.rooms.get_mut(&id).and_then(|room| room.private.as_mut()) else { break };
            let waiting = std::mem::take(&mut private.strays).entries;
            let (taken, took) = self.take_strays(id, waiting.into());
            effects.extend(taken);
            if took == 0 {
                break;
            }
            effects.extend(self.fold_private(id, now));
            effects.extend(self.admit_waiting(id, now));
        }
        effects
    }

    /// Takes those that can be read and whose authors belong here, and keeps the others waiting. How many it took.
    fn take_strays(&mut self, id: RoomId, strays: Vec<Unverified>) -> (Effects, usize) {
        let (mut effects, mut took, mut forged) = (Effects::default(), 0, 0);
        let verifier = self.verifier.clone();
        let Some(held) = self.rooms.get_mut(&id) else { return (effects, took) };
        for stray in strays {
            let Some(private) = &mut held.private else { break };
            let author = stray.header().author;
            let known = held.replica.names(author) || private.deeds.names(author);
            if !known && !begins_room(id, &stray, &held.keys) {
                private.strays.keep(stray);
                continue;
            }
            let Some(plain) = held.keys.open_body(stray.header(), stray.body()) else {
                // Whoever makes up an epoch is not asked for its key: it must be signed by somebody who is in.
                if let Ok(entry) = stray.clone().verify(&verifier) {
                    private.note_sealed(entry.header.epoch);
                    private.strays.keep(stray);
                } else {
                    forged += 1;
                }
                continue;
            };
            let deed = Deed::decode(stray.header().kind, &plain).ok().flatten();
            let Some((deed, entry)) = deed.zip(stray.verify(&verifier).ok()) else {
                forged += 1;
                continue;
            };
            if private.note_deed(id, &entry, deed) {
                took += 1;
                effects.commit.push(Record::Deed { room: id, entry: Arc::new(entry) });
            }
        }
        if forged > 0 {
            self.count(Dropped::Entry, forged);
        }
        (effects, took)
    }
}

fn known_by(id: EntryId) -> [u8; KNOWN_BYTES] {
    core::array::from_fn(|i| id.0[i])
}

/// How long a device rests that asked for deeds although it lacks nothing else.
const DEEDS_REST: Duration = Duration::from_secs(30);
/// One grant opens what the next is sealed with: so many in one go; the others come with the next question.
const MAX_ROUNDS: usize = 64;
/// Deeds of a room that came in their logs and cannot be read: what is beyond is kept with its log only.
const MAX_UNREAD: usize = 1024;
/// Entries of authors who are not known to have been let in, per room: their addition is on its way, or comes with the
/// next pull, and brings them again.
pub(super) const MAX_WAITING: usize = 1024;
pub(super) const MAX_WAITING_BYTES: usize = 1 << 20;
/// What an entry takes in memory beside its body, about.
pub(super) const ENTRY_OVERHEAD: usize = 400;
