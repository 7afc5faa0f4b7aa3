//! When to speak: chance from a seed, a token bucket, and what can be told of the air that all share.

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

    /// Allows so many bytes a second from now on.
    pub fn set_rate(&mut self, rate: f64, now: Instant) {
        self.fill(now);
        self.rate = rate;
    }

    fn fill(&mut self, now: Instant) {
        self.level = (self.level + now.since(self.at).as_secs_f64() * self.rate).min(self.burst);
        self.at = self.at.max(now);
    }
}

/// What the air is like, as far as this device can tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// The part of all datagrams that does not arrive here.
    pub loss: f64,
    /// All devices together have as much to say as they may.
    pub busy: bool,
}

impl Conditions {
    /// Whether it is worth anything to say things twice.
    pub fn is_lossy(self) -> bool {
        self.loss >= NOTHING_LOST
    }

    /// How much of a datagram may be filled with what was said before, from 0 to 1: all of it where much is lost.
    pub fn redundancy(self) -> f64 {
        if self.is_lossy() { (self.loss / FULL_REDUNDANCY).min(1.0) } else { 0.0 }
    }
}

/// What can be told of the air that all share: how much of it is in use, and how much of what is sent arrives.
#[derive(Debug)]
pub struct Air {
    /// Bytes a second that this device may send.
    rate: f64,
    /// Bytes of rooms heard and sent in the current window, and when it began.
    carried: usize,
    since: Instant,
    loss: f64,
}

impl Air {
    pub fn new(now: Instant) -> Air {
        Air { rate: HOST_LIMIT, carried: 0, since: now, loss: ASSUMED_LOSS }
    }

    /// So much was heard or sent: of verified senders only, so that nobody else can silence this device.
    pub fn carried(&mut self, bytes: usize, now: Instant) {
        self.look(now);
        self.carried += bytes;
    }

    /// Datagrams of a sender are numbered: after `newest`, `this` one arrived.
    pub fn counted(&mut self, newest: u64, this: u64) {
        let Some(missed) = newest.checked_add(1).and_then(|next| this.checked_sub(next)) else {
            // It was overtaken by others, and counted as lost.
            self.loss = (self.loss - LOSS_WEIGHT).max(0.0);
            return;
        };
        // A long silence is one loss: a partition, or a computer that slept.
        let lost = if missed > MOST_MISSED { 1 } else { missed };
        for _ in 0..lost {
            self.loss += (1.0 - self.loss) * LOSS_WEIGHT;
        }
        self.loss -= self.loss * LOSS_WEIGHT;
    }

    /// Somebody asked for what it did not hear.
    pub fn nacked(&mut self) {
        self.loss += (1.0 - self.loss) * LOSS_WEIGHT;
    }

    /// Bytes a second that this device may send now.
    pub fn rate(&mut self, now: Instant) -> f64 {
        self.look(now);
        self.rate
    }

    pub fn conditions(&self) -> Conditions {
        Conditions { loss: self.loss, busy: self.rate < HOST_LIMIT * FREE }
    }

    /// Less for everybody when it is too much, more when it is not (RFC 5681's idea, for all devices at once).
    fn look(&mut self, now: Instant) {
        let windows = (now.since(self.since).as_micros() / WINDOW.as_micros()) as u32;
        if windows == 0 {
            return;
        }
        let mut calm = windows;
        if self.carried as f64 > AIR_LIMIT * WINDOW.as_secs_f64() {
            self.rate = (self.rate * LESS).max(LEAST);
            calm -= 1;
        }
        self.rate = (self.rate + MORE * f64::from(calm)).min(HOST_LIMIT);
        self.carried = 0;
        self.since = self.since + WINDOW * windows;
    }
}

/// What one host may multicast for rooms, in bytes a second: one seventh of what a 2.4 GHz access point's slowest rate
/// carries.
pub const HOST_LIMIT: f64 = 16_000.0;
/// What all hosts together should: 9 % of that rate.
const AIR_LIMIT: f64 = 64_000.0;
/// How often that is looked at,
const WINDOW: Duration = Duration::from_millis(250);
/// and what follows from it.
const LESS: f64 = 0.7;
const MORE: f64 = 1_000.0;
const LEAST: f64 = 1_000.0;
/// The part of its own limit from which on a device has all the air it needs.
const FREE: f64 = 0.9;
/// Before anything was heard.
const ASSUMED_LOSS: f64 = 0.03;
/// About a hundred datagrams tell of the loss.
const LOSS_WEIGHT: f64 = 1.0 / 128.0;
/// Loss below this is none.
const NOTHING_LOST: f64 = 0.005;
/// Loss from which on datagrams are filled up.
const FULL_REDUNDANCY: f64 = 0.05;
const MOST_MISSED: u64 = 8;

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
    fn when_all_together_say_too_much_each_says_less_and_then_more_again() {
        let mut now = Instant(0);
        let mut air = Air::new(now);
        for _ in 0..40 {
            now = now + WINDOW;
            air.carried(20_000, now);
        }
        assert!(air.conditions().busy);
        assert_eq!(air.rate(now), LEAST, "nobody is silenced altogether");
        now = now + WINDOW * 16;
        let rate = air.rate(now);
        assert!(rate > 10.0 * LEAST && rate < HOST_LIMIT + 1.0, "{rate}");
        now = now + WINDOW * 100;
        assert_eq!(air.rate(now), HOST_LIMIT);
        assert!(!air.conditions().busy);
    }

    #[test]
    fn the_loss_is_learnt_from_the_numbers_that_are_missing() {
        let mut air = Air::new(Instant(0));
        for n in 0..2000 {
            air.counted(n, n + 1);
        }
        assert!(!air.conditions().is_lossy());
        assert!(air.conditions().redundancy() < f64::EPSILON);
        for n in 0..1000 {
            air.counted(2 * n, 2 * n + 2);
        }
        let loss = air.conditions().loss;
        assert!((0.45..0.55).contains(&loss), "{loss}: every other one was lost");
        assert!(air.conditions().redundancy() >= 1.0);
        for n in 0..1000 {
            // Nothing is lost, and every other one overtakes the one before it.
            air.counted(2 * n, 2 * n + 2);
            air.counted(2 * n + 2, 2 * n + 1);
        }
        assert!(air.conditions().loss < 0.02, "{}: what comes late is not lost", air.conditions().loss);
        air.counted(1, 1_000_000);
        assert!(air.conditions().loss < 0.03, "a silence is not loss");
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
