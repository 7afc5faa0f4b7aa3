//! This device's clock and those of the others, which announcements tell.
//!
//! Clocks are wrong, by minutes, by time zones, or by years. Nothing that must work depends on them; what is shown does. A
//! device whose clock is behind goes by the others', so that what it says stands where it was said.

use std::time::Duration;

use crate::effects::{Effects, Event, Record};
use crate::model::{Hlc, Now, UnixMillis};
use crate::node::Node;
use crate::presence::RELEASED;
use crate::rooms::{Content, MAX_AHEAD_MS};

pub(super) struct Clocks {
    /// What others were last told.
    pub(super) said: Option<Now>,
    /// What the others' clocks said when, if this device's was behind.
    later: Option<Now>,
    /// By how many milliseconds most clocks are ahead of this one, where that is much.
    off: Option<i64>,
    /// When they were last compared.
    compared: Option<Now>,
    /// The latest time at which anything arrived, and when it came.
    latest: Now,
    /// The latest time at which anything stands that arrived since. What others' readings add to `latest` is here alone, so
    /// that it does not add up.
    stands: UnixMillis,
    /// The latest time that was certain when this run began, where any was.
    certain: Option<UnixMillis>,
}

impl Clocks {
    /// With what the store knew.
    pub(super) fn since(latest: UnixMillis, certain: Option<UnixMillis>, now: Now) -> Clocks {
        let (stands, latest) = (latest, Now { unix: latest, ..now });
        Clocks { said: None, later: None, off: None, compared: None, latest, stands, certain }
    }

    /// After the clock was set back something arrives that stands a little later than that: what comes next, stands behind it.
    pub(super) fn stands_at(&mut self, reading: Hlc) {
        let time = reading.unix();
        if time.0 <= self.latest.unix.0.saturating_add(MAX_AHEAD_MS) {
            self.stands = self.stands.max(time);
        }
    }

    /// When something arrives, by the time that it is.
    fn arrives(&mut self, time: UnixMillis, now: Now) -> UnixMillis {
        let mut arrived = time;
        if self.was_ahead(time) {
            let unix = UnixMillis(self.latest.unix.0.saturating_add(millis_between(self.latest, now)));
            self.latest = Now { unix, ..now };
            arrived = unix.max(UnixMillis(self.stands.0.saturating_add(1)));
        } else if time > self.latest.unix {
            self.latest = Now { unix: time, ..now };
        }
        self.stands = self.stands.max(arrived);
        arrived
    }

    /// Whether this may be the time, by what was certain before. Where nothing was, nobody knows.
    fn may_be(&self, time: UnixMillis) -> bool {
        let certain = self.certain.is_some_and(|certain| time.0.saturating_add(CERTAIN_TO_MS) >= certain.0);
        time >= RELEASED && certain
    }

    /// Whether something arrived well behind this time.
    fn was_ahead(&self, time: UnixMillis) -> bool {
        self.latest.unix.0 > time.0.saturating_add(MAX_AHEAD_MS)
    }
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
        let mut effects = self.set_back(now);
        effects.tell.extend(tell);
        effects
    }

    /// What was said and came while the clock was ahead gets the times that it would have had, once others who were known
    /// before this run bear out that the clock is right now. A clock that is wrong now must not do that: two that begin at
    /// the same wrong time bear out each other.
    pub(super) fn set_back(&mut self, now: Now) -> Effects {
        let is_right = |node: &Node| node.clocks.may_be(now.unix) && node.presence.known_bear_out(now, RIGHT);
        if !self.clocks.was_ahead(now.unix) || !is_right(self) {
            return Effects::default();
        }
        (self.clocks.latest, self.clocks.stands) = (now, now.unix);
        let mut effects = Effects::default();
        effects.commit.push(Record::ClockSetBack(now.unix));
        for held in self.rooms.values_mut() {
            held.active = held.active.min(now.unix);
        }
        effects.tell.push(Event::Rearranged);
        effects
    }

    /// When something arrives that arrives now: not before what arrived before it, though the clock was set back meanwhile,
    /// as long as nobody bears out that it is right now. Then also what time it is by the clock.
    pub(super) fn arrives(&mut self, now: Now) -> (UnixMillis, Option<UnixMillis>) {
        let time = self.time(now);
        let was_ahead = self.clocks.was_ahead(time);
        (self.clocks.arrives(time, now), was_ahead.then_some(time))
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
/// What was certain may have been off by so much: it is written down by a clock that others bear out within a day, so also by
/// one that takes the time of its zone for UTC.
const CERTAIN_TO_MS: u64 = 26 * 3_600_000;
/// How often clocks are compared.
const COMPARE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Instant;

    const DAY: u64 = 24 * 3_600_000;

    #[test]
    fn what_others_clocks_add_to_the_time_of_arrival_does_not_add_up() {
        let right = UnixMillis(RELEASED.0 + DAY);
        let ahead = UnixMillis(right.0 + DAY);
        let mut clocks = Clocks::since(ahead, None, Now { unix: right, instant: Instant(0) });
        let mut last = UnixMillis(0);
        for second in 1..=1000 {
            let now = Now { unix: UnixMillis(right.0 + second * 1000), instant: Instant(second * 1_000_000) };
            let arrived = clocks.arrives(now.unix, now);
            assert!(arrived > last, "behind what came before");
            clocks.stands_at(Hlc::at(UnixMillis(arrived.0 + MAX_AHEAD_MS)));
            assert!(arrived.0 <= ahead.0 + second * 1000 + MAX_AHEAD_MS + 1000, "after {second} messages");
            last = arrived;
        }
        // What stands a little later by a clock that agrees is followed.
        let now = Now { unix: UnixMillis(right.0 + 2_000_000), instant: Instant(2_000_000_000) };
        let reading = Hlc::at(UnixMillis(clocks.arrives(now.unix, now).0 + 1000));
        clocks.stands_at(reading);
        assert!(clocks.arrives(now.unix, now) > reading.unix());
    }

    #[test]
    fn a_time_before_what_was_certain_is_not_the_time() {
        let now = Now { unix: RELEASED, instant: Instant(0) };
        let later = UnixMillis(RELEASED.0 + 9 * DAY);
        let clocks = Clocks::since(later, Some(later), now);
        let certain_to = later.0 - CERTAIN_TO_MS;
        for (time, may_be) in [(0, false), (RELEASED.0, false), (certain_to - 1, false), (certain_to, true)] {
            assert_eq!(clocks.may_be(UnixMillis(time)), may_be, "{time}");
        }
        assert!(!Clocks::since(later, None, now).may_be(later), "nobody knows");
        let early = Clocks::since(RELEASED, Some(RELEASED), now);
        assert!(early.may_be(RELEASED) && !early.may_be(UnixMillis(RELEASED.0 - 1)), "nothing was before");
    }
}
