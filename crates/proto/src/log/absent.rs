//! Entries that others asked for and that are not at hand: they are read from the disk.
//!
//! Without it what is older than a restart could be had over TCP only, which not every network lets pass.

use std::time::Duration;

use crate::model::{Instant, LogId, Seq, Span};

#[derive(Default)]
pub struct Absent {
    places: Vec<(LogId, Seq)>,
    is_reading: bool,
    /// Not before this.
    read_at: Instant,
    /// Since when something is asked for again and again, and when it last was.
    asked: Option<(Instant, Instant)>,
}

impl Absent {
    /// Somebody asked for this, which is on the disk.
    pub fn note(&mut self, place: (LogId, Seq)) {
        if self.places.len() < MOST {
            self.places.push(place);
        }
    }

    /// What is to be read now: one reading at a time, and not too often. What was asked for too early is asked for again:
    /// whoever comes late fetches the newest over TCP first, and is not to be told the oldest meanwhile.
    pub fn take(&mut self, now: Instant) -> Vec<(LogId, Span)> {
        let mut places = std::mem::take(&mut self.places);
        if places.is_empty() {
            return Vec::new();
        }
        let since = self.asked.filter(|(_, last)| now.since(*last) < FORGET).map_or(now, |(since, _)| since);
        self.asked = Some((since, now));
        if self.is_reading || now < self.read_at || now.since(since) < PATIENCE {
            return Vec::new();
        }
        (self.is_reading, self.read_at) = (true, now + SPACING);
        places.sort_unstable();
        places.dedup();
        let mut ranges: Vec<(LogId, Span)> = Vec::new();
        for (log, seq) in places {
            match ranges.last_mut() {
                Some((last, span)) if *last == log && span.to.next() == seq => span.to = seq,
                _ => ranges.push((log, Span { after: Seq(seq.0 - 1), to: seq })),
            }
        }
        ranges
    }

    pub fn was_read(&mut self) {
        self.is_reading = false;
    }
}

/// Places of one reading: what a nack asks for.
const MOST: usize = 64;
const SPACING: Duration = Duration::from_millis(200);
/// What TCP has to bring it in.
const PATIENCE: Duration = Duration::from_secs(5);
/// Whoever asks after so long asks for something else.
const FORGET: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_read_together_one_reading_at_a_time() {
        let (log, other) = (LogId([1; 8]), LogId([2; 8]));
        let ask = |absent: &mut Absent| {
            for place in [(other, Seq(9)), (log, Seq(3)), (log, Seq(2)), (log, Seq(2)), (log, Seq(7))] {
                absent.note(place);
            }
        };
        let span = |after, to| Span { after: Seq(after), to: Seq(to) };
        let (mut absent, now) = (Absent::default(), Instant(100_000_000));
        assert_eq!(absent.take(now), []);
        ask(&mut absent);
        assert_eq!(absent.take(now), [], "TCP may bring it");
        let now = now + PATIENCE;
        ask(&mut absent);
        assert_eq!(absent.take(now), [(log, span(1, 3)), (log, span(6, 7)), (other, span(8, 9))]);
        ask(&mut absent);
        assert_eq!(absent.take(now + SPACING), [], "the first is not read yet");
        absent.was_read();
        ask(&mut absent);
        assert_eq!(absent.take(now), [], "too early");
        (0..200).for_each(|seq| absent.note((log, Seq(2 * seq + 1))));
        assert_eq!(absent.take(now + SPACING).len(), MOST);
        absent.was_read();
        ask(&mut absent);
        assert_eq!(absent.take(now + FORGET + SPACING), [], "that is something else");
    }
}
