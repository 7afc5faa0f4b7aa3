//! What was asked for, here or by others, and is not asked for again until then.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Instant, LogId, Seq};

type Place = (LogId, Seq);

#[derive(Default)]
pub struct Holds(BTreeMap<Place, Hold>);

#[derive(Clone, Copy)]
struct Hold {
    until: Instant,
    /// Since when nothing but the questions of others holds it.
    since: Instant,
    /// How often this device asked.
    tries: u32,
}

impl Holds {
    /// When a place may be asked for, `now` at the earliest.
    pub fn free_at(&self, place: Place, now: Instant) -> Instant {
        self.0.get(&place).map_or(now, |hold| hold.until.max(now))
    }

    /// One of so many others asked for it.
    pub fn asked_by_others(&mut self, place: Place, group: usize, now: Instant) {
        self.hold(place, MAX_HOLD.max(HOLD_OF_EACH * u32::try_from(group).unwrap_or(u32::MAX)), now);
    }

    /// A part of it just came.
    pub fn comes(&mut self, place: Place, now: Instant) {
        self.hold(place, MAX_COMING, now);
    }

    fn hold(&mut self, place: Place, most: Duration, now: Instant) {
        if self.0.len() < MAX_HOLDS || self.0.contains_key(&place) {
            let hold = self.0.entry(place).or_insert(Hold { until: now, since: now, tries: 0 });
            if now.since(hold.since) < most {
                hold.until = hold.until.max(now + HOLD);
            }
        }
    }

    /// This device asks for it now. `jitter` keeps hosts from asking in step.
    pub fn ask(&mut self, place: Place, jitter: f64, now: Instant) {
        if self.0.len() >= MAX_HOLDS && !self.0.contains_key(&place) {
            // What may be asked for again is asked for as if for the first time.
            self.0.retain(|_, hold| hold.until > now);
        }
        let hold = self.0.entry(place).or_insert(Hold { until: now, since: now, tries: 0 });
        hold.until = now + span_after(hold.tries).mul_f64(jitter);
        hold.since = hold.until;
        hold.tries = hold.tries.saturating_add(1);
    }

    /// The most often that anything was asked for.
    pub fn most_tries(&self) -> u32 {
        self.0.values().map(|hold| hold.tries).max().unwrap_or_default()
    }

    pub fn remove(&mut self, place: Place) {
        self.0.remove(&place);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

fn span_after(tries: u32) -> Duration {
    let growth = |tries: u32| HOLD_GROWTH.powi(tries.min(MAX_GROWTH) as i32);
    let patient = HOLD.mul_f64(growth(tries)).min(MAX_HOLD);
    // What nobody could repair for half a minute is perhaps nowhere: ask on, but not so that it costs.
    patient.mul_f64(growth(tries.saturating_sub(HOPEFUL_TRIES))).min(MAX_HOPELESS_HOLD)
}

/// After a nack was sent or heard, the entry is not asked for again until this has passed; longer each time,
const HOLD: Duration = Duration::from_millis(120);
const HOLD_GROWTH: f64 = 1.4;
/// up to this.
const MAX_HOLD: Duration = Duration::from_secs(2);
/// Others' questions hold it for as long again, or for this for each of them, so that a large group asks no more often than a
/// small one. Then this device asks all the same: whoever asks all the time, and perhaps nobody but this device, keeps it
/// from nothing.
const HOLD_OF_EACH: Duration = Duration::from_millis(50);
/// And what comes in parts for this: the largest takes seconds where the air is shared.
const MAX_COMING: Duration = Duration::from_secs(10);
/// After so many tries, which take half a minute, the hold grows on,
const HOPEFUL_TRIES: u32 = 24;
/// up to this.
const MAX_HOPELESS_HOLD: Duration = Duration::from_secs(30);
/// Tries after which a hold grows no more: it has reached its limit by then.
const MAX_GROWTH: u32 = 16;
/// Holds kept at the same time because of others.
const MAX_HOLDS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn place(seq: u64) -> Place {
        (LogId([1; 8]), Seq(seq))
    }

    #[test]
    fn what_nobody_can_repair_is_asked_for_ever_more_rarely() {
        let (mut holds, mut now) = (Holds::default(), Instant(0));
        let mut asked = 0;
        while now < Instant(60_000_000) {
            holds.ask(place(1), 1.0, now);
            now = holds.free_at(place(1), now);
            asked += 1;
        }
        assert!((25..32).contains(&asked), "{asked} times in the first minute");
        let hour = now + Duration::from_secs(3600);
        let before = asked;
        while now < hour {
            holds.ask(place(1), 1.0, now);
            let next = holds.free_at(place(1), now);
            assert!(next.since(now) <= MAX_HOPELESS_HOLD);
            now = next;
            asked += 1;
        }
        assert!(asked - before < 140, "{} times in an hour", asked - before);
    }

    #[test]
    fn whoever_asks_all_the_time_keeps_nobody_else_from_asking() {
        let (mut holds, mut now) = (Holds::default(), Instant(0));
        let mut asked = 0;
        while now < Instant(20_000_000) {
            holds.asked_by_others(place(1), 3, now);
            if holds.free_at(place(1), now) <= now {
                holds.ask(place(1), 1.0, now);
                asked += 1;
            }
            now = now + HOLD / 2;
        }
        assert!(asked >= 5, "{asked} times in 20 s");
    }

    #[test]
    fn a_large_group_that_lacks_the_same_asks_hardly_more_often_than_a_small_one() {
        let questions = |group: usize| {
            let mut all: Vec<Holds> = (0..group).map(|_| Holds::default()).collect();
            let (mut now, mut questions) = (Instant(0), 0);
            while now < Instant(60_000_000) {
                // Whoever may ask first does, and all others hear it.
                let free = (0..group).find(|at| all[*at].free_at(place(1), now) <= now);
                if let Some(at) = free {
                    questions += 1;
                    all[at].ask(place(1), 1.0, now);
                    let others = (0..group).filter(|other| *other != at);
                    others.for_each(|other| all[other].asked_by_others(place(1), group, now));
                }
                now = now + Duration::from_millis(20);
            }
            questions
        };
        let (few, many) = (questions(5), questions(300));
        assert!(many < few * 12, "{many} questions of three hundred in a minute, {few} of five");
    }

    #[test]
    fn what_others_ask_for_is_held_once_and_bounded() {
        let mut holds = Holds::default();
        for seq in 0..2 * MAX_HOLDS as u64 {
            holds.asked_by_others(place(seq), 3, Instant(0));
        }
        assert_eq!(holds.0.len(), MAX_HOLDS);
        assert_eq!(holds.free_at(place(1), Instant(0)), Instant(0) + HOLD);
        assert_eq!(holds.most_tries(), 0, "others' questions are not this device's tries");
    }
}
