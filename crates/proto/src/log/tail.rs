//! When to speak of the last own entry again: nobody notices the loss of it.

use std::time::Duration;

use crate::log::company::Company;
use crate::model::Instant;
use crate::pacing::{Conditions, Dice};

/// Own entries are spoken of again and again until everybody has them.
#[derive(Clone, Copy)]
pub struct Tail {
    step: usize,
    next: Instant,
    ends: Instant,
}

/// How to speak of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reminder {
    /// The entry itself: another chance costs one packet more.
    Repeat,
    Heads,
}

impl Tail {
    /// An entry was just written.
    pub fn new(now: Instant) -> Tail {
        Tail { step: 0, next: now + FIRST, ends: now + ENDS }
    }

    pub fn next(&self) -> Instant {
        self.next
    }

    pub fn is_due(&self, now: Instant) -> bool {
        self.next <= now
    }

    /// One is given now: which, and the next, if there is one.
    pub fn remind(
        self,
        company: Company,
        air: Conditions,
        now: Instant,
        dice: &mut Dice,
    ) -> (Reminder, Option<Tail>) {
        let loses_much = air.loss >= MUCH_LOSS;
        let few = matches!(company, Company::Members(group) if group <= FEW);
        let (steps, repeats) = match (loses_much, few) {
            (false, _) => (&STEPS[..], REPEATS),
            (true, false) => (&STEPS[..], REPEATS_IF_MUCH),
            (true, true) => (&DENSE_STEPS[..], DENSE_STEPS.len() - 1),
        };
        let reminder = if self.step < repeats { Reminder::Repeat } else { Reminder::Heads };
        let wait = steps.get(self.step).copied().unwrap_or(LAST).mul_f64(0.8 + 0.4 * dice.fraction());
        let next = Tail { step: self.step + 1, next: now + wait, ..self };
        (reminder, (now < self.ends).then_some(next))
    }
}

/// Loss from which on more of the reminders repeat the entry.
pub const MUCH_LOSS: f64 = 0.2;
/// In so small a group there may be nobody else who has it and could repair it.
const FEW: usize = 4;
const REPEATS: usize = 1;
const REPEATS_IF_MUCH: usize = 3;
/// Reminders after the last own entry; the first repeats the entry where anything is lost at all.
const FIRST: Duration = Duration::from_millis(100);
/// From each to the next.
const STEPS: [Duration; 4] = [
    Duration::from_millis(300),
    Duration::from_millis(900),
    Duration::from_millis(2_700),
    Duration::from_secs(8),
];
/// Where few lose much: at half of all lost, one of a hundred entries is not there after seven tries, in three seconds.
const DENSE_STEPS: [Duration; 8] = [
    Duration::from_millis(150),
    Duration::from_millis(250),
    Duration::from_millis(400),
    Duration::from_millis(600),
    Duration::from_millis(800),
    Duration::from_millis(1_000),
    Duration::from_millis(2_700),
    Duration::from_secs(8),
];
const LAST: Duration = Duration::from_secs(30);
const ENDS: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn reminders(group: usize, loss: f64) -> Vec<(Reminder, u64)> {
        let mut dice = Dice::seeded([1; 32]);
        let mut tail = Some(Tail::new(Instant(0)));
        let mut given = Vec::new();
        while let Some(due) = tail {
            let (reminder, next) =
                due.remind(Company::Members(group), Conditions { loss, busy: false }, due.next(), &mut dice);
            given.push((reminder, due.next().0 / 1000));
            tail = next;
        }
        given
    }

    #[test]
    fn reminders_grow_rare_and_end_after_ten_minutes() {
        let given = reminders(50, 0.01);
        assert_eq!((given[0], given[1].0), ((Reminder::Repeat, 100), Reminder::Heads));
        assert!((20..30).contains(&given.len()), "{} reminders", given.len());
        assert!((600_000..640_000).contains(&given[given.len() - 1].1));
    }

    #[test]
    fn where_few_lose_much_the_entry_has_eight_chances_in_four_seconds() {
        let soon = |group, loss| {
            let given = reminders(group, loss).into_iter();
            given.filter(|(reminder, at)| *reminder == Reminder::Repeat && *at < 4_000).count()
        };
        assert_eq!((soon(2, 0.5), soon(50, 0.5), soon(2, 0.01)), (7, 3, 1));
    }
}
