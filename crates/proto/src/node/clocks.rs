//! This device's clock and those of the others, which announcements tell.
//!
//! Clocks are wrong, by minutes, by time zones, or by years. Nothing that must work depends on them; what is shown does. A
//! device whose clock is behind goes by the others', so that what it says stands where it was said.

use std::time::Duration;

use crate::effects::{Effects, Event};
use crate::model::{Hlc, Now, UnixMillis};
use crate::node::Node;
use crate::rooms::Content;

#[derive(Default)]
pub(super) struct Clocks {
    /// What others were last told.
    pub(super) said: Option<Now>,
    /// What the others' clocks said when, if this device's was behind.
    later: Option<Now>,
    /// By how many milliseconds most clocks are ahead of this one, where that is much.
    off: Option<i64>,
    /// When they were last compared.
    compared: Option<Now>,
}

impl Node {
    /// Others find rooms by the hour that this device's clock tells: when it was set, they are told at once.
    pub(super) fn notice_clock(&mut self, now: Now) {
        let Some(said) = self.clocks.said else { return };
        if now.unix.0.abs_diff(said.unix.0.saturating_add(millis_between(said, now))) > CLOCK_SET_MS {
            (self.clocks.said, self.clocks.compared) = (Some(now), None);
            self.presence.announce_soon(now.instant, &mut self.dice);
        }
    }

    /// Clocks are compared again, and it is told when this device's has come to differ from the others', or no longer does.
    pub(super) fn compare_clocks(&mut self, now: Now) -> Effects {
        if self.clocks.compared.is_some_and(|at| now.instant.since(at.instant) < COMPARE) {
            return Effects::default();
        }
        self.clocks.compared = Some(now);
        self.clocks.later = self.presence.later_time(now).map(|unix| Now { unix, ..now });
        let off = self.presence.clock_off(now);
        let told = std::mem::replace(&mut self.clocks.off, off);
        let minutes = |off: i64| off / 60_000;
        let changed = off.map(minutes) != told.map(minutes);
        let tell = if changed { vec![Event::ClockOff] } else { Vec::new() };
        Effects { tell, ..Effects::default() }
    }

    /// By how many milliseconds most clocks of those who are here are ahead of this device's, where that is much.
    pub fn clock_off(&self) -> Option<i64> {
        self.clocks.off
    }

    /// What time it is: by this device's clock, or where that is behind, by those of the others.
    pub(super) fn time(&self, now: Now) -> UnixMillis {
        let others = self.clocks.later.map_or(UnixMillis(0), |later| {
            UnixMillis(later.unix.0.saturating_add(millis_between(later, now)))
        });
        now.unix.max(others)
    }

    /// The clock reading of the next own entry. What is shown in a place of its own stands where it was said; of everything
    /// else the newest counts, so that must exceed all that this device wrote before, also with a clock that was wrong.
    pub(super) fn next_reading(&mut self, content: &Content, now: Now) -> Hlc {
        let time = self.time(now);
        let is_far = |reading: Hlc| reading.unix().0 > time.0.saturating_add(MAX_CLOCK_AHEAD_MS);
        let next = self.clock.next().max(Hlc::at(time));
        let reading = if !matches!(content, Content::Text(_) | Content::Offer { .. }) {
            next.max(self.highest.next())
        } else if is_far(self.clock) && self.presence.bears_out(now, RIGHT) {
            // What was written while the clock was far ahead is no reason to write on from there, once others bear out that
            // it is right now.
            Hlc::at(now.unix)
        } else {
            next
        };
        if matches!(content, Content::Text(_) | Content::Offer { .. }) || !is_far(reading) {
            self.clock = reading;
        }
        self.highest = self.highest.max(reading);
        reading
    }
}

/// How long this device ran from one to the other.
fn millis_between(earlier: Now, later: Now) -> u64 {
    u64::try_from(later.instant.since(earlier.instant).as_millis()).unwrap_or(u64::MAX)
}

/// A clock further ahead than this is wrong, and not followed.
pub(super) const MAX_CLOCK_AHEAD_MS: u64 = 120_000;
/// A clock that differs by more from what others were told was set.
const CLOCK_SET_MS: u64 = 60_000;
/// A clock is right that differs from most others' by no more.
const RIGHT: Duration = Duration::from_secs(10 * 60);
/// How often clocks are compared.
const COMPARE: Duration = Duration::from_secs(5);
