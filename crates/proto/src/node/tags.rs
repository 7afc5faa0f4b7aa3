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
    /// one that has the key may be a member that this device has not heard of. But strangers, of whom there can be any
    /// number, leave half of the places to members.
    fn add_private_tags(&mut self, sender: PeerId, now: UnixMillis) {
        let share = if self.rooms.values().any(|room| room.private.is_some() && room.is_open_to(sender)) {
            1
        } else {
            2
        };
        if self.tags.senders.len() >= MAX_PEERS / share
            || self.tags.rooms.len() >= MAX_TAGS / share
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::Loaded;
    use crate::identity::Identity;
    use crate::model::{Now, Platform};
    use crate::node::Profile;

    const NOW: Now = Now { instant: crate::model::Instant(1_000_000), unix: UnixMillis(1_800_000_000_000) };

    fn peer(n: u32) -> PeerId {
        let mut id = [9; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        PeerId(id)
    }

    /// A device with a private room in which Bob is.
    fn node() -> (Node, RoomId, PeerId) {
        let profile = Profile {
            name: "Ann".into(),
            platform: Platform::Linux,
            tcp_port: 24417,
            network: "default".into(),
        };
        let (mut node, _) =
            Node::new(Identity::from_seed(&[1; 32]), profile, Loaded::default(), [1; 32], NOW);
        let bob = Identity::from_seed(&[2; 32]).peer_id();
        let (room, _) = node.create_room("Board", NOW).unwrap();
        drop(node.add_member(room, bob, NOW).unwrap());
        (node, room, bob)
    }

    #[test]
    fn strangers_in_any_number_leave_the_tags_of_members_a_place() {
        let (mut node, room, bob) = node();
        let tags_of = |node: &Node, of| node.rooms[&room].keys.accepted_tags(room, of, NOW.unix);
        node.room_of_tag([0; 8], peer(0), NOW.unix);
        assert_eq!(node.tags.senders.len(), 1);
        assert_eq!(node.room_of_tag(tags_of(&node, peer(1))[0], peer(1), NOW.unix), Some(room));
        node.tags.senders.extend((2..MAX_PEERS as u32 / 2).map(peer));
        let late = peer(u32::MAX);
        assert_eq!(node.room_of_tag(tags_of(&node, late)[0], late, NOW.unix), None);
        assert_eq!(node.tags.senders.len(), MAX_PEERS / 2);
        assert_eq!(node.room_of_tag(tags_of(&node, bob)[0], bob, NOW.unix), Some(room));
        // An hour later everybody begins anew.
        let later = UnixMillis(NOW.unix.0 + 3_600_000);
        let tag = node.rooms[&room].keys.accepted_tags(room, late, later)[0];
        assert_eq!(node.room_of_tag(tag, late, later), Some(room));
    }

    #[test]
    fn the_tags_have_an_end() {
        let (mut node, room, bob) = node();
        node.room_of_tag([0; 8], peer(0), NOW.unix);
        let tag = |n: usize| (n as u64 | 1 << 63).to_be_bytes();
        let fill = |node: &mut Node, most: usize| {
            let missing = most - node.tags.rooms.len();
            let base = node.tags.rooms.len();
            node.tags.rooms.extend((0..missing).map(|n| (tag(base + n), room)));
        };
        fill(&mut node, MAX_TAGS / 2);
        node.room_of_tag([0; 8], peer(1), NOW.unix);
        assert_eq!(node.tags.rooms.len(), MAX_TAGS / 2, "no stranger gets more");
        node.room_of_tag([0; 8], bob, NOW.unix);
        assert!(node.tags.rooms.len() > MAX_TAGS / 2);
        fill(&mut node, MAX_TAGS);
        node.tags.senders.remove(&bob);
        node.room_of_tag([0; 8], bob, NOW.unix);
        assert_eq!(node.tags.rooms.len(), MAX_TAGS);
    }
}
