//! What a room knows of those who are in it, where it is a private one.

use crate::model::{LogId, PeerId, RoomId, Span};
use crate::node::Room;
use crate::rooms::{self, Deed, Role, RoomKeys, Standing, What, Why, private_room_id};
use crate::wire::datagram::Head;
use crate::wire::entry::{Entry, Unverified};

/// How this device stands to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    Member,
    Joining,
    Refused(Why),
    Removed,
}

impl Room {
    /// How this device stands to the room; it is a member of every room that is not private.
    pub fn membership(&self) -> Membership {
        let Some(private) = &self.private else { return Membership::Member };
        match private.membership(self.me) {
            // Somebody let it in, and what the room's own entries say of it is on its way.
            Membership::Member if self.keys.epochs().is_none_or(|keys| keys.current().is_none()) => {
                Membership::Joining
            }
            membership => membership,
        }
    }

    /// Who is in a private room, in which role.
    pub fn roles(&self) -> impl Iterator<Item = (PeerId, Role)> {
        self.private.iter().flat_map(|private| private.fold.members.iter().map(|(peer, role)| (*peer, *role)))
    }

    /// What a member called itself when it was let in.
    pub fn name_of_member(&self, peer: PeerId) -> Option<&str> {
        self.private.as_ref()?.fold.names.get(&peer).map(String::as_str)
    }

    /// The role of a member of a private room.
    pub fn role(&self, peer: PeerId) -> Option<Role> {
        self.private.as_ref()?.fold.role(peer)
    }

    /// Whether an entry means anything: in a private room its author is a member, or wrote it when it was one.
    pub fn counts(&self, entry: &Entry) -> bool {
        let Some(private) = &self.private else { return true };
        let header = &entry.header;
        header.author == self.me && private.fold.creator.is_none()
            || private.fold.counts(header.author, entry.log(), header.seq)
    }

    /// Whether an entry was written by somebody who had been put out. Of others who are not members, news may be on its
    /// way.
    pub(super) fn is_void(&self, entry: &Entry) -> bool {
        let former = self.private.as_ref().and_then(|private| private.fold.former.get(&entry.header.author));
        former.is_some() && !self.counts(entry)
    }

    /// What a device that was put out may still fetch of each log: what all its removers had.
    pub(super) fn left_to(&self, peer: PeerId) -> Vec<Head> {
        let Some(private) = self.private.as_ref().filter(|private| private.was_put_out(peer)) else {
            return Vec::new();
        };
        let left = self.replica.have_since(0).into_iter().filter_map(|head| {
            let seq = private.may_fetch(peer, head.log)?.min(head.seq);
            (seq > head.base).then_some(Head { seq, check: head.check.filter(|_| seq == head.seq), ..head })
        });
        left.collect()
    }

    /// Those of the ranges that a device may fetch.
    pub(super) fn open_ranges(&self, peer: PeerId, ranges: Vec<(LogId, Span)>) -> Vec<(LogId, Span)> {
        if self.is_open_to(peer) {
            return ranges;
        }
        let Some(private) = self.private.as_ref().filter(|private| private.was_put_out(peer)) else {
            return Vec::new();
        };
        let open = ranges.into_iter().filter_map(|(log, span)| {
            let to = private.may_fetch(peer, log)?.min(span.to);
            (to > span.after).then_some((log, Span { to, ..span }))
        });
        open.collect()
    }

    /// Epochs of which keys are missing that deeds name.
    pub(super) fn wanted_epochs(&self) -> Vec<u32> {
        let (Some(private), Some(epochs)) = (&self.private, self.keys.epochs()) else { return Vec::new() };
        let wanted = private.fold.lacking(&private.sealed, |epoch, key| epochs.holds(epoch, key));
        wanted.into_iter().take(crate::wire::door::MAX_EPOCHS).collect()
    }

    pub(super) fn speaks(&self) -> bool {
        self.private.as_ref().is_none_or(|private| private.speaks(self.me))
    }

    /// Whether it is only kept until somebody has heard that this device leaves.
    pub(super) fn is_leaving(&self) -> bool {
        self.private.as_ref().is_some_and(|private| private.standing == Standing::Leaving)
    }
}

/// Whether an entry is the room's genesis: then its author belongs into the room, whoever says what.
pub(super) fn begins_room(id: RoomId, entry: &Unverified, keys: &RoomKeys) -> bool {
    let header = entry.header();
    if header.kind != rooms::kind::GENESIS {
        return false;
    }
    let plain = keys.open_body(header, entry.body());
    let deed = plain.and_then(|plain| Deed::decode(header.kind, &plain).ok().flatten());
    match deed.map(|deed| deed.what) {
        Some(What::Genesis { salt, .. }) => private_room_id(header.author, &salt) == id,
        _ => false,
    }
}
