//! In a small room everybody soon says to hold what was said there: whoever wrote it sees that, and need not remind anybody.
//!
//! Elsewhere somebody says just what this device was about to say; a receipt counts only from who has it.

use std::time::Duration;

use crate::log::repair::Priority;
use crate::log::replica::Replica;
use crate::model::{Instant, PeerId};
use crate::pacing::{Conditions, Dice, earliest};
use crate::wire::datagram::RoomPacket;

/// When this device next says to hold what came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Receipts {
    at: Option<Instant>,
    /// When it last said so.
    said: Option<Instant>,
    /// Whose entry came last, when, and how often that is said again if it is asked for.
    last: Option<(PeerId, Instant, u32)>,
}

impl Receipts {
    pub fn deadline(&self) -> Option<Instant> {
        self.at
    }

    /// Entries came by multicast, the last one of this author.
    pub fn came(&mut self, author: PeerId, group: usize, now: Instant, dice: &mut Dice) {
        if group <= SMALL {
            self.last = Some((author, now, AGAIN));
            self.due(group, now, dice);
        }
    }

    /// This device says something itself: reminders of that are receipts, too.
    pub fn wrote(&mut self) {
        self.last = None;
    }

    /// Somebody says to hold just what is here. If that is who wrote what came last, it may not know that it is here.
    pub fn in_step(&mut self, sender: PeerId, group: usize, now: Instant, dice: &mut Dice) {
        let Some((author, came, left)) = &mut self.last else { return };
        if *author == sender && now.since(*came) < AGAIN_WITHIN && *left > 0 && self.at.is_none() {
            *left -= 1;
            self.due(group, now, dice);
        }
    }

    fn due(&mut self, group: usize, now: Instant, dice: &mut Dice) {
        let group = group as u32;
        let soon = now + dice.span(MIN_WAIT..MIN_WAIT + WAIT * group);
        let rested = self.said.map_or(soon, |said| said + SPACING * group);
        self.at = earliest(self.at, Some(soon.max(rested)));
    }
}

impl Replica {
    pub fn next_packet_at(&self) -> Option<Instant> {
        earliest(self.repair.next_packet_at(), self.receipts.deadline())
    }

    /// Builds the packet of this priority, if one is due.
    pub fn next_packet(
        &mut self,
        priority: Priority,
        air: Conditions,
        now: Instant,
        dice: &mut Dice,
    ) -> Option<RoomPacket> {
        if priority == Priority::Heads && self.receipts.at.is_some_and(|at| at <= now) {
            self.repair.want_heads(now);
        }
        let group = self.group();
        let packet = self.repair.packet(priority, &mut self.logs, group, air, now, dice);
        if let Some(RoomPacket::Heads(_)) = packet {
            (self.receipts.at, self.receipts.said) = (None, Some(now));
        }
        packet
    }
}

/// Rooms with at most so many devices are small.
const SMALL: usize = 12;
/// A receipt waits for what may follow, and so that not all come at once: so long, and up to this for each device.
const MIN_WAIT: Duration = Duration::from_millis(20);
const WAIT: Duration = Duration::from_millis(30);
/// However much is said, all together make ten receipts a second.
const SPACING: Duration = Duration::from_millis(100);
/// A receipt may be lost. It is said again so many times, when the author still reminds of what it wrote,
const AGAIN: u32 = 3;
/// within this: it does so after 0.4, 1.3 and 4 s. What comes later is its regular word.
const AGAIN_WITHIN: Duration = Duration::from_millis(4800);

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PeerId = PeerId([1; 32]);
    const BOB: PeerId = PeerId([2; 32]);

    fn after(millis: u64) -> Instant {
        Instant(1_000_000) + Duration::from_millis(millis)
    }

    #[test]
    fn a_receipt_is_said_again_when_its_author_reminds_and_not_for_ever() {
        let (mut receipts, mut dice) = (Receipts::default(), Dice::seeded([3; 32]));
        receipts.came(ANN, 2, after(0), &mut dice);
        assert!(receipts.deadline().is_some_and(|at| at <= after(80)));
        let mut said = 0;
        for reminder in 1..10 {
            if receipts.at.take().is_some() {
                said += 1;
            }
            receipts.in_step(BOB, 2, after(reminder * 500), &mut dice);
            assert_eq!(receipts.at, None, "Bob did not write it");
            receipts.in_step(ANN, 2, after(reminder * 500), &mut dice);
        }
        assert_eq!(said, 1 + AGAIN);
        receipts.came(ANN, 2, after(10_000), &mut dice);
        receipts.at = None;
        receipts.in_step(ANN, 2, after(16_000), &mut dice);
        assert_eq!(receipts.at, None, "what is regularly said is no reminder");
    }

    #[test]
    fn in_a_large_room_nobody_gives_receipts_and_in_a_busy_one_not_for_each_word() {
        let (mut receipts, mut dice) = (Receipts::default(), Dice::seeded([3; 32]));
        receipts.came(ANN, SMALL + 1, after(0), &mut dice);
        assert_eq!(receipts.deadline(), None);
        receipts.said = Some(after(0));
        receipts.came(ANN, 5, after(10), &mut dice);
        assert_eq!(receipts.deadline(), Some(after(500)));
        receipts.came(ANN, 5, after(20), &mut dice);
        assert_eq!(receipts.deadline(), Some(after(500)));
    }
}
