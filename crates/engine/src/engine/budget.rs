//! How much of a disk one device may fill by the rule that accepts what everybody offers. Keys cost nothing, so all whose key is
//! new, and whom nobody verified, share one budget. Whom a person verified has none of this: that person said so.

use std::collections::BTreeMap;
use std::time::Duration;

use lanyard_proto::model::{Instant, PeerId};

/// Whose budget it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Giver {
    /// Somebody who has been known for a day.
    Device(PeerId),
    /// Everybody else.
    Newcomers,
}

/// What the rule said yes to in this run, within the last [`HOURS`].
#[derive(Debug, Default)]
pub struct Budgets {
    /// Of each giver the bytes of each hour that there were any, the oldest first.
    taken: BTreeMap<Giver, Vec<(u64, u64)>>,
}

impl Budgets {
    /// Notes what the rule says yes to.
    ///
    /// # Errors
    /// How much there was a budget for, where that is less: half of what a disk has `room` for now, and had for what the giver
    /// gave before.
    pub fn spend(&mut self, giver: Giver, bytes: u64, room: u64, now: Instant) -> Result<(), u64> {
        let hour = now.since(Instant(0)).as_secs() / HOUR.as_secs();
        self.taken.retain(|_, hours| {
            hours.retain(|(at, _)| hour.saturating_sub(*at) < HOURS);
            !hours.is_empty()
        });
        let hours = self.taken.entry(giver).or_default();
        let before = hours.iter().map(|(_, bytes)| *bytes).fold(0, u64::saturating_add);
        let budget = room.saturating_add(before) / 2;
        if before.saturating_add(bytes) > budget {
            return Err(budget.saturating_sub(before));
        }
        match hours.last_mut().filter(|(at, _)| *at == hour) {
            Some((_, taken)) => *taken = taken.saturating_add(bytes),
            None => hours.push((hour, bytes)),
        }
        Ok(())
    }
}

/// A day. After that what somebody gave counts no more: whoever sees to the disk has had time to.
const HOURS: u64 = 24;
const HOUR: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn after(hours: u64) -> Instant {
        Instant(0) + HOUR * u32::try_from(hours).unwrap()
    }

    #[test]
    fn one_device_fills_half_of_a_disk_and_the_next_one_half_of_the_rest() {
        let mut budgets = Budgets::default();
        let (ann, bob) = (Giver::Device(PeerId([1; 32])), Giver::Device(PeerId([2; 32])));
        assert_eq!(budgets.spend(ann, 300, 1000, after(0)), Ok(()));
        // What came has made the room smaller.
        assert_eq!(budgets.spend(ann, 201, 700, after(1)), Err(200));
        assert_eq!(budgets.spend(ann, 200, 700, after(1)), Ok(()));
        assert_eq!(budgets.spend(ann, 1, 500, after(2)), Err(0));
        assert_eq!(budgets.spend(bob, 251, 500, after(2)), Err(250));
        assert_eq!(budgets.spend(bob, 250, 500, after(2)), Ok(()));
        assert_eq!(budgets.spend(Giver::Newcomers, 126, 250, after(2)), Err(125));
    }

    #[test]
    fn after_a_day_it_counts_no_more_and_nothing_is_kept_of_it() {
        let mut budgets = Budgets::default();
        let ann = Giver::Device(PeerId([1; 32]));
        for hour in 0..100 {
            assert_eq!(budgets.spend(ann, 1, 1_000_000, after(hour)), Ok(()));
            assert!(budgets.taken[&ann].len() <= 24, "{hour}");
        }
        assert_eq!(budgets.spend(ann, 600, 1000, after(100)), Err(488));
        assert_eq!(budgets.spend(Giver::Newcomers, 1, 2, after(124)), Ok(()));
        assert_eq!(budgets.taken.len(), 1, "of whom nothing counts nothing is remembered");
    }
}
