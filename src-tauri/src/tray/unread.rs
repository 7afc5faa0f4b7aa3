//! How much nobody has read, of what a person wants to be told of.

use std::collections::BTreeMap;

use lanyard_engine::api::{Event, Notifications, NotifyLevel, Room, RoomKind, Snapshot};

/// What counts, by conversation.
#[derive(Debug, Default)]
pub struct Unread {
    chosen: Notifications,
    rooms: BTreeMap<String, Counted>,
}

#[derive(Debug)]
struct Counted {
    direct: bool,
    level: Option<NotifyLevel>,
    unread: u32,
    mentions: u32,
}

impl Unread {
    pub fn begin(&mut self, snapshot: &Snapshot) {
        self.chosen = snapshot.me.notifications;
        self.rooms.clear();
        snapshot.rooms.iter().for_each(|room| self.put(room));
    }

    pub fn take(&mut self, event: &Event) {
        match event {
            Event::RoomChanged { room } => self.put(room),
            Event::RoomLeft { room } => {
                self.rooms.remove(room);
            }
            Event::MeChanged { me } | Event::Ready { me, .. } => self.chosen = me.notifications,
            _ => {}
        }
    }

    /// Whether a person wants to be told nothing at the moment.
    pub fn is_quiet(&self) -> bool {
        self.chosen.do_not_disturb
    }

    /// Of conversations by which a person wants to be reached: all of it, or what speaks to them.
    pub fn count(&self) -> u32 {
        let counts = self.rooms.values().map(|room| {
            let general = if room.direct { NotifyLevel::All } else { self.chosen.rooms };
            match room.level.unwrap_or(general) {
                NotifyLevel::All => room.unread,
                NotifyLevel::Mentions => room.mentions,
                NotifyLevel::None => 0,
            }
        });
        counts.fold(0, u32::saturating_add)
    }

    fn put(&mut self, room: &Room) {
        let (unread, mentions, level) = (room.unread, room.mentions, room.notify);
        let counted = Counted { direct: room.kind == RoomKind::Direct, level, unread, mentions };
        self.rooms.insert(room.id.clone(), counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_muted_does_not_count() {
        let mut unread = Unread::default();
        let mut put = |id: &str, direct, level, count, mentions| {
            let counted = Counted { direct, level, unread: count, mentions };
            unread.rooms.insert(id.to_owned(), counted);
            unread.count()
        };
        assert_eq!(put("lobby", false, None, 5, 1), 5);
        assert_eq!(put("ana", true, None, 2, 0), 7);
        assert_eq!(put("spam", false, Some(NotifyLevel::None), 100, 3), 7);
        assert_eq!(put("lobby", false, Some(NotifyLevel::Mentions), 5, 1), 3);
        unread.chosen.rooms = NotifyLevel::None;
        assert_eq!(unread.count(), 3, "of people and of rooms with a level of their own");
        unread.take(&Event::RoomLeft { room: "ana".to_owned() });
        assert_eq!(unread.count(), 1);
        assert!(!unread.is_quiet());
    }
}
