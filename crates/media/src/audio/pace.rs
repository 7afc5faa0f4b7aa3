//! Blocks as time passes.

use std::time::Duration;

/// How many blocks are due by a clock that is given.
#[derive(Debug, Default)]
pub struct Pace {
    begun: Option<Duration>,
    done: u64,
}

impl Pace {
    /// Blocks that are due and not done. Who was asleep for longer than half a second does not make up for it.
    pub fn due(&mut self, now: Duration) -> usize {
        let begun = *self.begun.get_or_insert(now);
        let passed = u64::try_from(now.saturating_sub(begun).as_millis() / 10).unwrap_or(u64::MAX) + 1;
        if passed.saturating_sub(self.done) > MOST {
            self.done = passed - 1;
        }
        usize::try_from(passed.saturating_sub(self.done)).unwrap_or(0)
    }

    pub fn done(&mut self) {
        self.done += 1;
    }
}

const MOST: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_due_every_ten_milliseconds_from_the_first_look_on() {
        let mut pace = Pace::default();
        let ms = Duration::from_millis;
        assert_eq!(pace.due(ms(1_000)), 1);
        pace.done();
        assert_eq!(pace.due(ms(1_009)), 0);
        assert_eq!(pace.due(ms(1_035)), 3);
        assert_eq!(pace.due(ms(9_000)), 1, "after a sleep it goes on, not back");
    }
}
