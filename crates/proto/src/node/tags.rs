//! Which room a tag on the wire means.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{PeerId, RoomId, UnixMillis};
use crate::node::Node;
use crate::presence::MAX_PEERS;
use crate::rooms::{self, RoomKeys, RoomKind, RoomTag};

/// Which room a tag on the wire means at this hour.
#[derive(Default)]
pub(super) struct Tags {
    hour: Option<u64>,
    rooms: BTreeMap<RoomTag, RoomId>,
    /// Tags of direct conversations that senders of unknown tags might begin.
    strangers: BTreeMap<PeerId, Vec<RoomTag>>,
    /// Whose tags in private rooms are among `rooms`.
    senders: BTreeSet<PeerId>,
}

impl Tags {
    /// Rooms or keys are others than before.
    pub(super) fn forget(&mut self) {
        self.hour = None;
    }
}

impl Node {
    /// The room that a tag means. A direct conversation that the other side begins is none of ours yet.
    pub(super) fn room_of_tag(&mut self, tag: RoomTag, sender: PeerId, now: UnixMillis) -> Option<RoomId> {
        let hour = now.0 / 3_600_000;
        if self.tags.hour != Some(hour) {
            let tags = self.rooms.iter().filter(|(_, room)| room.record.kind != RoomKind::Private);
            let tags = tags.flat_map(|(id, room)| {
                // In open rooms everybody has the same tag; the other side is the only one who sends in a direct one.
                let sender = room.record.kind.other_side().unwrap_or(self.me);
                room.keys.accepted_tags(*id, sender, now).into_iter().map(move |tag| (tag, *id))
            });
            self.tags = Tags { hour: Some(hour), rooms: tags.collect(), ..Tags::default() };
        }
        if let Some(room) = self.tags.rooms.get(&tag) {
            return Some(*room);
        }
        self.add_private_tags(sender, now);
        self.tags.rooms.get(&tag).copied().or_else(|| {
            let begun = rooms::direct_room_id(self.me, sender);
            if !self.tags.strangers.contains_key(&sender) && self.tags.strangers.len() < MAX_PEERS {
                let keys = RoomKeys::Sealed(self.identity.agree(sender)?);
                self.tags.strangers.insert(sender, keys.accepted_tags(begun, sender, now));
            }
            let theirs = self.tags.strangers.get(&sender)?;
            theirs.contains(&tag).then_some(begun)
        })
    }

    /// In private rooms each sender has tags of its own; they are made when it is heard. Also those who are no members:
    /// one that has the key may be a member that this device has not heard of.
    fn add_private_tags(&mut self, sender: PeerId, now: UnixMillis) {
        if self.tags.senders.len() >= MAX_PEERS
            || self.tags.rooms.len() >= MAX_TAGS
            || !self.tags.senders.insert(sender)
        {
            return;
        }
        let private = self.rooms.iter().filter(|(_, room)| room.record.kind == RoomKind::Private);
        for (id, room) in private {
            for tag in room.keys.accepted_tags(*id, sender, now) {
                self.tags.rooms.insert(tag, *id);
            }
        }
    }
}

/// Tags known at a time, about 20 MB: six of each sender in each private room, for an hour.
const MAX_TAGS: usize = 1 << 18;
