//! What of a voice came, in all and lately.

use std::collections::VecDeque;
use std::time::Duration;

/// Sums since the beginning, looked at second by second.
#[derive(Debug, Default)]
pub struct Statistics {
    pub now: Sums,
    past: VecDeque<(Duration, Sums)>,
    bursts: VecDeque<(Duration, u32)>,
    highest: Option<u32>,
}

/// Packets that were numbered and that came; frames that were heard at all, those from copies, and those made up.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    pub expected: u64,
    pub received: u64,
    pub frames: u64,
    pub repaired: u64,
    pub made_up: u64,
}

impl Statistics {
    /// A packet came that had not come before.
    pub fn receive(&mut self, now: Duration, seq: u32) {
        self.now.received += 1;
        match self.highest {
            None => self.now.expected += 1,
            Some(highest) if seq > highest => {
                let gap = seq - highest - 1;
                self.now.expected += u64::from(gap) + 1;
                if gap > 0 {
                    self.bursts.push_back((now, gap));
                }
            }
            // It was expected when a later one came.
            Some(_) => {}
        }
        self.highest = self.highest.max(Some(seq));
    }

    /// Once in a while, so that what is lately moves on.
    pub fn tick(&mut self, now: Duration) {
        if self.past.back().is_none_or(|(then, _)| now.saturating_sub(*then) >= SECOND) {
            self.past.push_back((now, self.now));
        }
        while self.past.len() > 1
            && self.past.front().is_some_and(|(then, _)| now.saturating_sub(*then) > LATELY)
        {
            self.past.pop_front();
        }
        while self.bursts.front().is_some_and(|(then, _)| now.saturating_sub(*then) > LATELY) {
            self.bursts.pop_front();
        }
    }

    /// Percent of the packets that did not come.
    pub fn lost(&self) -> f32 {
        let lately = self.lately();
        share(lately.expected.saturating_sub(lately.received), lately.expected)
    }

    /// Percent of the frames that were made up.
    pub fn concealed(&self) -> f32 {
        let lately = self.lately();
        share(lately.made_up, lately.frames + lately.made_up)
    }

    /// The longest run of packets that did not come.
    pub fn burst(&self) -> u32 {
        self.bursts.iter().map(|(_, gap)| *gap).max().unwrap_or(0)
    }

    fn lately(&self) -> Sums {
        let then = self.past.front().map_or(Sums::default(), |(_, sums)| *sums);
        Sums {
            expected: self.now.expected - then.expected,
            received: self.now.received - then.received,
            frames: self.now.frames - then.frames,
            repaired: self.now.repaired - then.repaired,
            made_up: self.now.made_up - then.made_up,
        }
    }
}

fn share(part: u64, whole: u64) -> f32 {
    if whole == 0 { 0.0 } else { 100.0 * part as f32 / whole as f32 }
}

const SECOND: Duration = Duration::from_secs(1);
const LATELY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_bursts_are_those_of_the_last_seconds() {
        let mut statistics = Statistics::default();
        let ms = Duration::from_millis;
        for seq in (0..500).filter(|seq| seq % 10 != 3 && !(100..104).contains(seq)) {
            statistics.receive(ms(u64::from(seq) * 20), seq);
            statistics.tick(ms(u64::from(seq) * 20));
        }
        assert!((9.0..11.0).contains(&statistics.lost()), "{}", statistics.lost());
        assert_eq!(statistics.burst(), 1, "the long one was seven seconds ago");
        assert_eq!(statistics.now.expected - statistics.now.received, 53);
        statistics.receive(ms(10_000), 500);
        statistics.receive(ms(10_000), 493);
        assert_eq!(statistics.now.expected - statistics.now.received, 52, "a late one is not lost");
    }
}
