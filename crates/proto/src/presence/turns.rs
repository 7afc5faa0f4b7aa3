//! When this device speaks of itself: its turns, answers to those who ask, and silence where everybody starts at once.

use std::time::Duration;

use crate::effects::Reach;
use crate::model::Instant;
use crate::pacing::{Dice, earliest};
use crate::wire::datagram::Query;

/// The turns of one device. Who is here it need not know, only how many.
pub struct Turns {
    /// Announcements made since the start or since the network changed.
    made: u32,
    announce_at: Option<Instant>,
    answer_at: Option<Instant>,
    answered: Option<Instant>,
    /// Announcements heard, each counting less the longer ago it was: to hold back when everybody starts at once.
    heard: (Instant, f64),
    /// Until when an announcement that is due has been held back.
    held_until: Option<Instant>,
}

/// An announcement that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub query: Query,
    pub reach: Reach,
}

impl Turns {
    pub fn new(now: Instant, dice: &mut Dice) -> Turns {
        Turns {
            made: 0,
            announce_at: Some(now + dice.span(Duration::ZERO..FIRST_ANNOUNCEMENT)),
            answer_at: None,
            answered: None,
            heard: (now, 0.0),
            held_until: None,
        }
    }

    /// Speaks at once, as at the start.
    pub fn restart(&mut self, now: Instant, dice: &mut Dice) {
        self.made = 0;
        self.announce_at = Some(now + dice.span(Duration::ZERO..FIRST_ANNOUNCEMENT));
    }

    /// Speaks soon, beside its turn.
    pub fn hurry(&mut self, now: Instant, dice: &mut Dice) {
        let soon = now + dice.span(Duration::ZERO..FIRST_ANNOUNCEMENT);
        self.announce_at = earliest(self.announce_at, Some(soon));
    }

    pub fn deadline(&self) -> Option<Instant> {
        earliest(self.announce_at, self.answer_at)
    }

    /// Somebody announced itself by multicast.
    pub fn heard(&mut self, now: Instant) {
        self.heard = (now, self.heard_lately(now) + 1.0);
    }

    /// Somebody asks who is here, where so many others are: answer, unless enough others will.
    pub fn asked(&mut self, others: usize, now: Instant, dice: &mut Dice) {
        let group = others.max(1) as f64;
        let spacing =
            (Duration::from_millis(50) * group as u32).clamp(MIN_ANSWER_SPACING, MAX_ANSWER_SPACING);
        let rested = self.answered.is_none_or(|at| now.since(at) >= spacing);
        if rested && self.answer_at.is_none() && dice.fraction() < ANSWERS / group {
            self.answer_at = Some(now + dice.span(Duration::ZERO..ANSWER_DELAY));
        }
    }

    /// What is due now, where so many others are.
    pub fn due(&mut self, others: usize, now: Instant, dice: &mut Dice) -> Option<Due> {
        if self.announce_at.is_some_and(|at| at <= now) {
            if let Some(held) = self.hold_back(now, dice) {
                self.announce_at = Some(held);
                return None;
            }
            let query = if self.made < QUERIES { Query::Yes } else { Query::No };
            let reach = if self.made.is_multiple_of(BROADCAST_EVERY) {
                Reach::GroupAndBroadcast
            } else {
                Reach::Group
            };
            let wait = STARTING.get(self.made as usize).copied();
            self.announce_at = Some(now + wait.unwrap_or_else(|| dice.around(interval(others))));
            self.made = self.made.saturating_add(1);
            self.answer_at = None;
            return Some(Due { query, reach });
        }
        if self.answer_at.is_some_and(|at| at <= now) {
            self.answer_at = None;
            if self.is_crowded(now) {
                // Everybody announces itself anyway.
                return None;
            }
            self.answered = Some(now);
            return Some(Due { query: Query::No, reach: Reach::Group });
        }
        None
    }

    /// When everybody starts at once, wait in proportion to how many speak.
    fn hold_back(&mut self, now: Instant, dice: &mut Dice) -> Option<Instant> {
        let until = *self.held_until.get_or_insert_with(|| now + dice.span(MAX_HELD_BACK));
        if !self.is_crowded(now) || now >= until {
            self.held_until = None;
            return None;
        }
        Some(now + dice.span(Duration::ZERO..HELD_BACK.mul_f64(self.heard_lately(now) / CROWDED)))
    }

    fn is_crowded(&self, now: Instant) -> bool {
        self.heard_lately(now) > CROWDED
    }

    fn heard_lately(&self, now: Instant) -> f64 {
        let ago = now.since(self.heard.0).as_secs_f64();
        self.heard.1 * (1.0 - ago / LATELY.as_secs_f64()).max(0.0)
    }
}

/// Until the next announcement where so many others are, on average; announcements say it in seconds.
pub fn interval(others: usize) -> Duration {
    let group = others as u32 + 1;
    (Duration::from_secs(1) * group / ANNOUNCEMENTS_PER_SECOND).clamp(MIN_INTERVAL, MAX_INTERVAL)
}

/// The first announcement comes within this after the start: long enough to hear that everybody starts.
const FIRST_ANNOUNCEMENT: Duration = Duration::from_millis(250);
/// Waits after the first announcements: a lost one must not hide a device for a whole interval.
const STARTING: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// How many of the first announcements ask the others to answer.
const QUERIES: u32 = 2;
/// Every third announcement also goes to the subnets' broadcast addresses, for networks that eat multicast.
const BROADCAST_EVERY: u32 = 3;
/// What all devices together may send in the steady state.
const ANNOUNCEMENTS_PER_SECOND: u32 = 10;
const MIN_INTERVAL: Duration = Duration::from_secs(10);
const MAX_INTERVAL: Duration = Duration::from_secs(600);
/// How many devices answer one query: in a small office everybody, so that a newcomer sees all at once.
const ANSWERS: f64 = 20.0;
const ANSWER_DELAY: Duration = Duration::from_millis(200);
/// Nobody answers more often than this, scaled by the size of the group in between: 50 ms for each device.
const MIN_ANSWER_SPACING: Duration = Duration::from_millis(500);
const MAX_ANSWER_SPACING: Duration = Duration::from_secs(5);
/// Announcements heard lately from which on one's own is held back: about 30 a second,
const CROWDED: f64 = 6.0;
/// so long, and longer the more there are.
const HELD_BACK: Duration = Duration::from_secs(1);
const LATELY: Duration = Duration::from_millis(200);
/// However crowded it is, nobody keeps this device silent for longer than something between these: not all of a crowd
/// lose patience at once.
const MAX_HELD_BACK: std::ops::Range<Duration> = Duration::from_secs(6)..Duration::from_secs(11);
