//! The jitter buffer: which frame is played when. Frames wait for as long as it takes until nearly all can be had, by
//! themselves or as a copy, and no longer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::window::Window;

/// Frames of one voice on their way from the network to the decoder.
#[derive(Debug, Default)]
pub struct Jitter {
    waiting: BTreeMap<u32, Vec<u8>>,
    came: Window,
    /// The frame that is decoded next; none in a pause.
    next: Option<u32>,
    /// From this frame on there is silence, as far as is known.
    pause: Option<u32>,
    /// When frames could be had, against when they were said, in µs: of the last seconds, oldest first.
    delays: VecDeque<(Duration, i64)>,
    target: Duration,
    earliest: i64,
    /// Frames that were made up in a row because nothing came.
    starved: u32,
}

/// What is decoded next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Frame(Vec<u8>),
    /// It did not come; the one behind it, if that did.
    Lost {
        behind: Option<Vec<u8>>,
    },
    /// Nothing came, and it was not waited for as long as it should be: it may still come.
    Late,
    /// Nobody speaks.
    Pause,
}

impl Jitter {
    /// A frame can be had. False where it could be before, or it makes no sense.
    pub fn insert(&mut self, now: Duration, frame: u32, bytes: &[u8]) -> bool {
        if frame > LAST {
            return false;
        }
        // Nobody speaks for an hour ahead: whoever says so would only fill the memory.
        let is_far = self
            .came
            .highest()
            .is_some_and(|highest| self.next.is_some() && frame > highest.saturating_add(FAR));
        if !self.came.is_new(frame) || is_far {
            return false;
        }
        self.measure(now, frame);
        // What comes too late was still worth measuring.
        if self.next.is_some_and(|next| frame < next) {
            return false;
        }
        self.waiting.insert(frame, bytes.to_vec());
        if self.waiting.len() > MOST_WAITING {
            self.waiting.pop_first();
        }
        true
    }

    /// Silence begins with this frame.
    pub fn pause_at(&mut self, frame: u32) {
        if frame <= LAST {
            self.pause = self.pause.max(Some(frame));
        }
    }

    /// What is to be decoded now.
    pub fn next(&mut self, now: Duration) -> Next {
        let Some(next) = self.next.or_else(|| self.begin(now)) else {
            return Next::Pause;
        };
        if let Some(bytes) = self.waiting.remove(&next) {
            self.next = Some(next + 1);
            self.starved = 0;
            return Next::Frame(bytes);
        }
        let following = self.waiting.keys().next().copied();
        let is_paused = self.pause.is_some_and(|pause| pause <= next);
        let is_far = following.is_some_and(|following| following > next + GAP);
        if is_far || (is_paused && following.is_none_or(|following| following > next)) {
            self.next = None;
            self.starved = 0;
            // What is already here of the next words may be due.
            return match self.begin(now) {
                Some(_) => self.next(now),
                None => Next::Pause,
            };
        }
        if following.is_none() && self.starved == MOST_STARVED {
            self.next = None;
            self.starved = 0;
            return Next::Pause;
        }
        self.starved = if following.is_none() { self.starved + 1 } else { 0 };
        let is_early = self.wait(now, Duration::ZERO).is_some_and(|wait| wait + MARGIN < self.target());
        if following.is_none() && is_early {
            return Next::Late;
        }
        self.next = Some(next + 1);
        Next::Lost { behind: self.waiting.get(&(next + 1)).cloned() }
    }

    /// Leaves out what is more than is wanted, where a clock jumped or the process slept. How many frames those are.
    pub fn skip_to_live(&mut self, now: Duration, decoded: Duration) -> u32 {
        let (Some(next), Some(wait)) = (self.next, self.wait(now, decoded)) else {
            return 0;
        };
        let Some(excess) = wait.checked_sub(self.target() + MOST_LATE) else {
            return 0;
        };
        let frames = u32::try_from((excess + MOST_LATE).as_millis() / STEP.as_millis()).unwrap_or(u32::MAX);
        let to = next.saturating_add(frames);
        self.waiting.retain(|frame, _| *frame >= to);
        self.next = Some(to);
        frames
    }

    /// How long what is played now waited since the earliest it could have come; `decoded` is what was decoded and not
    /// played.
    pub fn wait(&self, now: Duration, decoded: Duration) -> Option<Duration> {
        let next = self.next?;
        let played = micros(now) - said_at(next) - self.earliest + micros(decoded);
        Some(Duration::from_micros(u64::try_from(played).unwrap_or(0)))
    }

    /// How long frames are to wait.
    pub fn target(&self) -> Duration {
        self.target.max(if self.delays.len() < ENOUGH { FIRST_TARGET } else { LEAST_TARGET })
    }

    /// 99 of 100 frames could be had within that of the earliest.
    pub fn jitter(&self) -> Duration {
        self.target.saturating_sub(MARGIN)
    }

    /// Whether the next frame is here.
    pub fn is_ready(&self) -> bool {
        self.next.is_some_and(|next| self.waiting.contains_key(&next))
    }

    /// Begins with the first frame that waits, when it has waited for long enough.
    fn begin(&mut self, now: Duration) -> Option<u32> {
        let behind = self.earliest + micros(self.target());
        let is_due = |frame: u32| said_at(frame) + behind <= micros(now + SLACK);
        let first = self.waiting.keys().next().copied().filter(|first| is_due(*first))?;
        // After a sleep, or in a full socket, there is more than can be played in time: the newest counts.
        let late = micros(now) - said_at(first) - behind;
        let skipped = if late > micros(MOST_LATE_FIRST) { late / micros(STEP) } else { 0 };
        let wanted = first.saturating_add(u32::try_from(skipped).unwrap_or(u32::MAX));
        let from = self.waiting.range(wanted..).next().map(|(frame, _)| *frame)?;
        self.waiting.retain(|frame, _| *frame >= from);
        if self.pause.is_some_and(|pause| pause <= from) {
            self.pause = None;
        }
        self.next = Some(from);
        self.next
    }

    fn measure(&mut self, now: Duration, frame: u32) {
        let delay = micros(now) - said_at(frame);
        // A sender that began anew, or whose clock jumped, is measured anew.
        if self.delays.back().is_some_and(|(_, before)| before.abs_diff(delay) > JUMP) {
            self.delays.clear();
        }
        self.delays.push_back((now, delay));
        let is_old = |(then, _): &(Duration, i64)| now.saturating_sub(*then) > MEASURED;
        while self.delays.len() > MOST_MEASURED || self.delays.front().is_some_and(is_old) {
            self.delays.pop_front();
        }
        let mut delays: Vec<i64> = self.delays.iter().map(|(_, delay)| *delay).collect();
        let rank = (delays.len() * 99).div_ceil(100) - 1;
        let (before, late, _) = delays.select_nth_unstable(rank);
        self.earliest = before.iter().copied().min().unwrap_or(*late);
        let spread = Duration::from_micros(u64::try_from(*late - self.earliest).unwrap_or(0));
        self.target = (spread + MARGIN).clamp(LEAST_TARGET, MOST_TARGET);
    }
}

fn said_at(frame: u32) -> i64 {
    i64::from(frame) * micros(STEP)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

pub const STEP: Duration = Duration::from_millis(20);
pub const LEAST_TARGET: Duration = Duration::from_millis(20);
const MOST_TARGET: Duration = Duration::from_millis(200);
/// Until enough frames came to know better.
const FIRST_TARGET: Duration = Duration::from_millis(40);
const ENOUGH: usize = 50;
const MARGIN: Duration = Duration::from_millis(10);
/// Later than the target by that, it is not made up for by speaking faster.
const MOST_LATE: Duration = Duration::from_millis(300);
/// Where words begin, a few frames more are no reason to leave any out.
const MOST_LATE_FIRST: Duration = Duration::from_millis(60);
/// Half a block: a frame is played in the block that is nearest.
const SLACK: Duration = Duration::from_millis(5);
const MEASURED: Duration = Duration::from_secs(5);
const MOST_MEASURED: usize = 250;
/// In µs.
const JUMP: u64 = 2_000_000;
/// Frames that are missing between two that came, beyond which it was a pause.
const GAP: u32 = 10;
/// Frames that are made up when nothing at all comes.
const MOST_STARVED: u32 = 3;
/// A second of frames.
const MOST_WAITING: usize = 50;
/// No call goes on for a year; numbers behind that would only come to their end.
const LAST: u32 = 365 * 24 * 3_600 * 50;
/// An hour of frames.
const FAR: u32 = 180_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Frames from `first` on, each `delay(frame)` ms after it was said.
    fn fed(first: u32, frames: u32, delay: impl Fn(u32) -> u64) -> Jitter {
        let mut jitter = Jitter::default();
        let mut coming: Vec<_> =
            (first..first + frames).map(|frame| (u64::from(frame) * 20 + delay(frame), frame)).collect();
        coming.sort_unstable();
        for (at, frame) in coming {
            jitter.insert(ms(at), frame, &[1]);
        }
        jitter
    }

    #[test]
    fn it_waits_as_long_as_frames_are_uneven() {
        for (spread, expected) in [(0, 20), (5, 20), (25, 35), (60, 70), (500, 200)] {
            let jitter = fed(0, 250, |frame| 100 + if frame % 10 == 3 { spread } else { 0 });
            assert_eq!(jitter.target(), ms(expected), "{spread} ms");
        }
        let rare = fed(0, 250, |frame| 100 + if frame == 77 { 150 } else { 0 });
        assert_eq!(rare.target(), ms(20), "one of 250 is no reason to wait");
    }

    #[test]
    fn words_begin_when_they_waited_and_end_with_the_pause() {
        let mut jitter = Jitter::default();
        jitter.insert(ms(1_000), 0, &[7]);
        jitter.pause_at(1);
        assert_eq!(jitter.next(ms(1_030)), Next::Pause);
        assert_eq!(jitter.next(ms(1_040)), Next::Frame(vec![7]));
        assert_eq!(jitter.wait(ms(1_040), ms(20)), Some(ms(40)));
        assert_eq!(jitter.next(ms(1_060)), Next::Pause);
        assert!(!jitter.is_ready());
    }

    #[test]
    fn what_did_not_come_is_made_up_and_a_late_copy_is_not_played() {
        let mut jitter = Jitter::default();
        for frame in [0, 1, 3, 4] {
            jitter.insert(ms(u64::from(frame) * 20), frame, &[frame as u8]);
        }
        assert_eq!(jitter.next(ms(100)), Next::Frame(vec![0]));
        assert_eq!(jitter.next(ms(120)), Next::Frame(vec![1]));
        assert_eq!(jitter.next(ms(140)), Next::Lost { behind: Some(vec![3]) });
        assert!(!jitter.insert(ms(141), 2, &[2]), "too late");
        assert_eq!(jitter.next(ms(160)), Next::Frame(vec![3]));
        assert!(!jitter.insert(ms(161), 4, &[9]), "it is here");
        assert_eq!(jitter.next(ms(180)), Next::Frame(vec![4]));
    }

    #[test]
    fn when_nothing_comes_it_stops_and_begins_again() {
        let mut jitter = fed(0, 2, |_| 0);
        assert!(matches!(jitter.next(ms(60)), Next::Frame(_)));
        assert!(matches!(jitter.next(ms(80)), Next::Frame(_)));
        for at in 0..3 {
            assert_eq!(jitter.next(ms(100 + at * 20)), Next::Lost { behind: None });
        }
        assert_eq!(jitter.next(ms(160)), Next::Pause);
        jitter.insert(ms(1_000), 50, &[1]);
        assert_eq!(jitter.next(ms(1_045)), Next::Frame(vec![1]));
    }

    #[test]
    fn a_full_socket_is_not_played_from_its_beginning() {
        let mut jitter = Jitter::default();
        for frame in 0..50 {
            jitter.insert(ms(2_000), frame, &[frame as u8]);
        }
        assert!(matches!(jitter.next(ms(2_010)), Next::Frame(frame) if frame[0] > 35));
    }

    #[test]
    fn who_falls_far_behind_skips_to_what_is_said_now() {
        let mut jitter = fed(0, 45, |_| 10);
        assert!(matches!(jitter.next(ms(50)), Next::Frame(_)));
        assert_eq!(jitter.skip_to_live(ms(60), ms(0)), 0);
        let skipped = jitter.skip_to_live(ms(900), ms(0));
        assert!((38..=43).contains(&skipped), "{skipped}");
        assert!(jitter.wait(ms(900), ms(0)).unwrap() <= jitter.target() + ms(20));
    }

    #[test]
    fn nobody_fills_the_memory() {
        let mut jitter = Jitter::default();
        for frame in 0..10_000 {
            jitter.insert(ms(1), frame, &[0; 100]);
        }
        assert!(jitter.waiting.len() <= MOST_WAITING && jitter.delays.len() <= MOST_MEASURED);
        assert!(!jitter.insert(ms(2), u32::MAX, &[1]));
    }
}
