//! Which room a tag on the wire means.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Now, PeerId, RoomId, UnixMillis};
use crate::node::Node;
use crate::presence::MAX_PEERS;
use crate::rooms::{self, RoomKeys, RoomKind, RoomTag, hour};

/// Which room a tag on the wire means at this hour.
#[derive(Default)]
pub(super) struct Tags {
    hour: Option<u64>,
    rooms: BTreeMap<RoomTag, RoomId>,
    /// Tags of direct conversations that senders of unknown tags might begin.
    strangers: BTreeMap<PeerId, Vec<RoomTag>>,
    /// Whose tags in private rooms are among `rooms`.
    senders: BTreeSet<PeerId>,
    /// Tags of those whose clocks tell another hour.
    elsewhere: BTreeMap<PeerId, Elsewhere>,
    /// Tags in `elsewhere`.
    elsewhere_tags: usize,
}

/// All tags with which a sender may speak, at the hour of its clock.
struct Elsewhere {
    hour: u64,
    rooms: BTreeMap<RoomTag, RoomId>,
}

impl Tags {
    /// Rooms or keys are others than before.
    pub(super) fn forget(&mut self) {
        self.hour = None;
    }

    fn known(&self) -> usize {
        self.rooms.len() + self.elsewhere_tags
    }
}

impl Node {
    /// The room that a tag means. A direct conversation that the other side begins is none of ours yet.
    pub(super) fn room_of_tag(&mut self, tag: RoomTag, sender: PeerId, now: Now) -> Option<RoomId> {
        let here = hour(now.unix);
        if self.tags.hour != Some(here) {
            let tags = self.rooms.iter().filter(|(_, room)| room.record.kind != RoomKind::Private);
            let tags = tags.flat_map(|(id, room)| {
                // In open rooms everybody has the same tag; the other side is the only one who sends in a direct one.
                let sender = room.record.kind.other_side().unwrap_or(self.me);
                room.keys.accepted_tags(*id, sender, now.unix).into_iter().map(move |tag| (tag, *id))
            });
            self.tags = Tags { hour: Some(here), rooms: tags.collect(), ..Tags::default() };
        }
        if let Some(room) = self.tags.rooms.get(&tag) {
            return Some(*room);
        }
        self.add_private_tags(sender, now.unix);
        self.tags.rooms.get(&tag).copied().or_else(|| {
            let begun = rooms::direct_room_id(self.me, sender);
            if !self.tags.strangers.contains_key(&sender) && self.tags.strangers.len() < MAX_PEERS {
                let keys = RoomKeys::Sealed(self.identity.agree(sender)?);
                self.tags.strangers.insert(sender, keys.accepted_tags(begun, sender, now.unix));
            }
            let begins = self.tags.strangers.get(&sender).is_some_and(|theirs| theirs.contains(&tag));
            if begins { Some(begun) } else { self.room_by_their_clock(tag, sender, now) }
        })
    }

    /// The room that a tag means at the hour that its sender's clock tells, as far as that is known.
    fn room_by_their_clock(&mut self, tag: RoomTag, sender: PeerId, now: Now) -> Option<RoomId> {
        let theirs = self.presence.clock_of(sender, now.instant)?;
        if hour(theirs) == hour(now.unix) {
            return None;
        }
        if self.tags.elsewhere.get(&sender).is_none_or(|known| known.hour != hour(theirs)) {
            self.add_tags_elsewhere(sender, theirs);
        }
        self.tags.elsewhere.get(&sender)?.rooms.get(&tag).copied()
    }

    /// Those of one hour make place for those of the next, so nobody has more by setting a clock again and again.
    fn add_tags_elsewhere(&mut self, sender: PeerId, theirs: UnixMillis) {
        if let Some(past) = self.tags.elsewhere.remove(&sender) {
            self.tags.elsewhere_tags -= past.rooms.len();
        }
        let share = self.share_of(sender);
        if self.tags.elsewhere.len() >= MAX_PEERS / share || self.tags.known() >= MAX_TAGS / share {
            return;
        }
        let spoken = |kind: RoomKind| kind == RoomKind::Private || kind.other_side() == Some(sender);
        let held = self.rooms.iter().filter(|(_, room)| spoken(room.record.kind));
        let mut rooms: BTreeMap<RoomTag, RoomId> = held
            .flat_map(|(id, room)| {
                room.keys.accepted_tags(*id, sender, theirs).into_iter().map(move |tag| (tag, *id))
            })
            .collect();
        let begun = rooms::direct_room_id(self.me, sender);
        if !self.rooms.contains_key(&begun)
            && let Some(key) = self.identity.agree(sender)
        {
            let tags = RoomKeys::Sealed(key).accepted_tags(begun, sender, theirs);
            rooms.extend(tags.into_iter().map(|tag| (tag, begun)));
        }
        self.tags.elsewhere_tags += rooms.len();
        self.tags.elsewhere.insert(sender, Elsewhere { hour: hour(theirs), rooms });
    }

    /// Strangers, of whom there can be any number, leave half of the places to members of private rooms.
    fn share_of(&self, sender: PeerId) -> usize {
        let is_member = self.rooms.values().any(|room| room.private.is_some() && room.is_open_to(sender));
        if is_member { 1 } else { 2 }
    }

    /// In private rooms each sender has tags of its own; they are made when it is heard. Also those who are no members:
    /// one that has the key may be a member that this device has not heard of.
    fn add_private_tags(&mut self, sender: PeerId, now: UnixMillis) {
        let share = self.share_of(sender);
        if self.tags.senders.len() >= MAX_PEERS / share
            || self.tags.known() >= MAX_TAGS / share
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
    use crate::model::Platform;
    use crate::node::Profile;
    use crate::presence::Heard;
    use crate::wire::datagram::{Announcement, Envelope, Query, kind};

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
            avatar: None,
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
        node.room_of_tag([0; 8], peer(0), NOW);
        assert_eq!(node.tags.senders.len(), 1);
        assert_eq!(node.room_of_tag(tags_of(&node, peer(1))[0], peer(1), NOW), Some(room));
        node.tags.senders.extend((2..MAX_PEERS as u32 / 2).map(peer));
        let late = peer(u32::MAX);
        assert_eq!(node.room_of_tag(tags_of(&node, late)[0], late, NOW), None);
        assert_eq!(node.tags.senders.len(), MAX_PEERS / 2);
        assert_eq!(node.room_of_tag(tags_of(&node, bob)[0], bob, NOW), Some(room));
        // An hour later everybody begins anew.
        let later = Now { unix: UnixMillis(NOW.unix.0 + 3_600_000), ..NOW };
        let tag = node.rooms[&room].keys.accepted_tags(room, late, later.unix)[0];
        assert_eq!(node.room_of_tag(tag, late, later), Some(room));
    }

    #[test]
    fn tags_of_another_hour_are_known_by_the_clock_that_their_sender_told() {
        let (mut node, room, bob) = node();
        let (_, direct) = (node.converse(bob, NOW).unwrap().1, rooms::direct_room_id(node.me, bob));
        let said = |at: u64| {
            Announcement::new("Bob", Platform::Linux, 24417, 10, 0, Query::No).with_clock(UnixMillis(at))
        };
        let mut counter = 0;
        let mut tell = |node: &mut Node, at: u64| {
            counter += 1;
            let envelope =
                Envelope { kind: kind::ANNOUNCE, boot: 1, counter, network: node.network, sender: bob };
            let from = Heard::From(([10, 0, 0, 2], 24417).into());
            drop(node.announced(&envelope, &said(at), Vec::new(), from, NOW));
        };
        for at in [946_684_800_000, NOW.unix.0 + 3 * 3_600_000, u64::MAX] {
            let theirs = UnixMillis(at / 1000 * 1000);
            let tags = |node: &Node| [room, direct].map(|id| node.rooms[&id].keys.tag(id, bob, theirs));
            let [in_room, between] = tags(&node);
            assert_eq!(node.room_of_tag(in_room, bob, NOW), None);
            tell(&mut node, at);
            assert_eq!(node.room_of_tag(in_room, bob, NOW), Some(room));
            assert_eq!(node.room_of_tag(between, bob, NOW), Some(direct));
            // They are that sender's and nobody else's.
            assert_eq!(node.room_of_tag(in_room, peer(7), NOW), None);
        }
        assert_eq!(node.tags.elsewhere_tags, node.tags.elsewhere[&bob].rooms.len(), "only those of one hour");
    }

    #[test]
    fn the_tags_have_an_end() {
        let (mut node, room, bob) = node();
        node.room_of_tag([0; 8], peer(0), NOW);
        let tag = |n: usize| (n as u64 | 1 << 63).to_be_bytes();
        let fill = |node: &mut Node, most: usize| {
            let missing = most - node.tags.rooms.len();
            let base = node.tags.rooms.len();
            node.tags.rooms.extend((0..missing).map(|n| (tag(base + n), room)));
        };
        fill(&mut node, MAX_TAGS / 2);
        node.room_of_tag([0; 8], peer(1), NOW);
        assert_eq!(node.tags.rooms.len(), MAX_TAGS / 2, "no stranger gets more");
        node.room_of_tag([0; 8], bob, NOW);
        assert!(node.tags.rooms.len() > MAX_TAGS / 2);
        fill(&mut node, MAX_TAGS);
        node.tags.senders.remove(&bob);
        node.room_of_tag([0; 8], bob, NOW);
        assert_eq!(node.tags.rooms.len(), MAX_TAGS);
    }
}
