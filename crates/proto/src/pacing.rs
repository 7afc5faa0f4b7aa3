//! When to speak: chance from a seed, and a token bucket.

use std::ops::Range;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::model::Instant;

/// Chance that is the same for the same seed.
pub struct Dice(ChaCha8Rng);

impl Dice {
    pub fn seeded(seed: [u8; 32]) -> Dice {
        Dice(ChaCha8Rng::from_seed(seed))
    }

    /// Evenly spread over 0..1.
    pub fn fraction(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly spread over the range.
    pub fn span(&mut self, range: Range<Duration>) -> Duration {
        range.start + range.end.saturating_sub(range.start).mul_f64(self.fraction())
    }

    /// The span, times something evenly spread over 0.5..1.5: keeps hosts from speaking in step (RFC 3550, 6.3.1).
    pub fn around(&mut self, span: Duration) -> Duration {
        span.mul_f64(0.5 + self.fraction())
    }

    /// A truncated exponential back-off over 0..`most` for a group of `group` that may all want to say the same
    /// (RFC 5401, section 3.2.4): few draw a short wait, so that one speaks and the others hear it.
    pub fn back_off(&mut self, most: Duration, group: f64) -> Duration {
        let lambda = group.max(1.0).ln() + 1.0;
        let x = self.fraction() * (lambda.exp() - 1.0) + 1.0;
        most.mul_f64((x.ln() / lambda).clamp(0.0, 1.0))
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

/// Allows so many bytes a second, and a burst.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    rate: f64,
    burst: f64,
    level: f64,
    at: Instant,
}

impl TokenBucket {
    /// Full at the start. `rate` in bytes per second, `burst` in bytes.
    pub fn new(rate: u32, burst: u32, now: Instant) -> TokenBucket {
        TokenBucket { rate: f64::from(rate), burst: f64::from(burst), level: f64::from(burst), at: now }
    }

    /// When so many bytes are allowed, at the earliest `now`.
    pub fn ready_at(&mut self, bytes: usize, now: Instant) -> Instant {
        self.fill(now);
        let lacking = (bytes as f64).min(self.burst) - self.level;
        if lacking <= 0.0 { now } else { now + Duration::from_secs_f64(lacking / self.rate) + ROUNDING }
    }

    /// Takes what was sent. The level may fall below zero: packets are never cut.
    pub fn spend(&mut self, bytes: usize, now: Instant) {
        self.fill(now);
        self.level -= bytes as f64;
    }

    fn fill(&mut self, now: Instant) {
        self.level = (self.level + now.since(self.at).as_secs_f64() * self.rate).min(self.burst);
        self.at = self.at.max(now);
    }
}

/// The clock counts whole microseconds: without this the deadline could fall just before the tokens are there.
const ROUNDING: Duration = Duration::from_micros(1);

/// The earliest of two deadlines.
pub fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_allows_its_burst_and_then_its_rate() {
        let start = Instant(0);
        let mut bucket = TokenBucket::new(1000, 2000, start);
        bucket.spend(2000, start);
        let ready = bucket.ready_at(500, start);
        assert!(ready > start + Duration::from_millis(499) && ready < start + Duration::from_millis(502));
        assert_eq!(bucket.ready_at(500, ready), ready);
        let later = start + Duration::from_secs(60);
        assert_eq!(bucket.ready_at(5000, later), later, "never more than a burst is asked for");
    }

    #[test]
    fn most_of_a_large_group_backs_off_long() {
        let mut dice = Dice::seeded([1; 32]);
        let most = Duration::from_millis(100);
        let waits: Vec<Duration> = (0..1000).map(|_| dice.back_off(most, 50.0)).collect();
        assert!(waits.iter().all(|wait| *wait <= most));
        let early = waits.iter().filter(|wait| **wait < most / 2).count();
        assert!((10..250).contains(&early), "{early} of 1000 drew less than half");
    }

    #[test]
    fn the_same_seed_gives_the_same_chance() {
        let [mut one, mut other] = [Dice::seeded([3; 32]), Dice::seeded([3; 32])];
        assert_eq!(one.bytes::<16>(), other.bytes::<16>());
        assert_eq!(one.fraction().to_bits(), other.fraction().to_bits());
    }
}
