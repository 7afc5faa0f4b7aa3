//! From sound to packets: frames, copies of frames, pauses.

use std::collections::VecDeque;
use std::time::Duration;

use crate::audio::{BLOCK, Block};
use crate::codec::{Encoder, FRAME};
use crate::packet::{Audio, FARTHEST_COPY};
use crate::trouble::Trouble;

/// What one device says.
pub struct Talker {
    encoder: Encoder,
    /// Sound that is not yet a whole frame.
    sound: Vec<f32>,
    /// The frame that is being filled.
    frame: u32,
    /// The latest frames, for copies.
    said: VecDeque<(u32, Vec<u8>)>,
    state: State,
    copies: &'static [u8],
}

/// A frame's number and what the packet about it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub frame: u32,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Silent,
    Talking {
        latest: Duration,
    },
    /// It is said so many times more that silence began, since what says it may be lost.
    Pausing {
        begun: u32,
        left: u8,
        next: Duration,
    },
}

impl Talker {
    /// # Errors
    /// `Trouble::Start` if there is no codec.
    pub fn new() -> Result<Talker, Trouble> {
        Ok(Talker {
            encoder: Encoder::new()?,
            sound: Vec::new(),
            frame: 0,
            said: VecDeque::new(),
            state: State::Silent,
            copies: CALM,
        })
    }

    /// Takes 10 ms from the microphone.
    pub fn hear(&mut self, now: Duration, block: &Block) -> Option<Said> {
        if self.sound.is_empty() && !matches!(self.state, State::Talking { .. }) {
            // After a pause the frames are again in step with time, as the listener's clock has them.
            self.frame = self.frame.max(frame_at(now));
        }
        self.sound.extend(block);
        if self.sound.len() < FRAME {
            return None;
        }
        let sound = std::mem::take(&mut self.sound);
        let frame = self.frame;
        self.frame += 1;
        let Some(bytes) = self.encoder.encode(&sound) else {
            if matches!(self.state, State::Talking { .. }) {
                self.pause(now, frame);
            }
            return self.tick(now);
        };
        let body = Audio { frame: bytes, copies: copies(&self.said, self.copies, frame) }.encode();
        let bytes = bytes.to_vec();
        self.state = State::Talking { latest: now };
        self.remember(frame, bytes);
        Some(Said { frame, body })
    }

    /// The microphone counts no longer, or is gone.
    pub fn fall_silent(&mut self, now: Duration) {
        if !self.sound.is_empty() {
            self.sound.clear();
            self.frame += 1;
        }
        if matches!(self.state, State::Talking { .. }) {
            self.pause(now, self.frame);
            self.encoder.begin_anew();
        }
    }

    /// What is to be said without new sound: that there is a pause.
    pub fn tick(&mut self, now: Duration) -> Option<Said> {
        if let State::Talking { latest } = self.state
            && now.saturating_sub(latest) > DRY
        {
            self.fall_silent(now);
        }
        let State::Pausing { begun, left, next } = self.state else {
            return None;
        };
        if now < next {
            return None;
        }
        self.state = match left {
            1 => State::Silent,
            _ => State::Pausing { begun, left: left - 1, next: next + STEP },
        };
        let body = Audio { frame: &[], copies: copies(&self.said, self.copies, begun) }.encode();
        Some(Said { frame: begun, body })
    }

    /// Fits copies to what the listener who hears worst loses: percent, and the longest run of packets.
    pub fn expect_loss(&mut self, lost: u8, burst: u8) {
        self.copies = match (lost, burst) {
            (0..=2, _) | (3..=7, 0..=1) => CALM,
            (_, 0..=2) => LOSSY,
            _ => BURSTS,
        };
        self.encoder.expect_loss(lost);
    }

    pub fn copies(&self) -> u8 {
        u8::try_from(self.copies.len()).expect("there are few")
    }

    fn pause(&mut self, now: Duration, begun: u32) {
        self.state = State::Pausing { begun, left: TIMES_SAID, next: now };
    }

    fn remember(&mut self, frame: u32, bytes: Vec<u8>) {
        if self.said.len() == usize::from(FARTHEST_COPY) {
            self.said.pop_front();
        }
        self.said.push_back((frame, bytes));
    }
}

/// Of the frames that are so many before `frame`, those that were said.
fn copies<'a>(said: &'a VecDeque<(u32, Vec<u8>)>, distances: &[u8], frame: u32) -> Vec<(u8, &'a [u8])> {
    let find = |distance: &u8| {
        let wanted = frame.checked_sub((*distance).into())?;
        said.iter().find(|(frame, _)| *frame == wanted).map(|(_, bytes)| (*distance, &bytes[..]))
    };
    distances.iter().filter_map(find).collect()
}

fn frame_at(now: Duration) -> u32 {
    u32::try_from(now.as_millis() / STEP.as_millis()).unwrap_or(u32::MAX)
}

/// What goes with each frame: the one before it; the two before it; and where several packets are lost in a row, those two and four
/// before it, which costs the listeners 80 ms and bridges four.
const CALM: &[u8] = &[1];
const LOSSY: &[u8] = &[1, 2];
const BURSTS: &[u8] = &[2, 4];
const STEP: Duration = Duration::from_millis(20);
/// A microphone that gave nothing for so long is gone.
const DRY: Duration = Duration::from_millis(100);
const TIMES_SAID: u8 = 3;
/// Frames are of two blocks.
const _: () = assert!(FRAME == 2 * BLOCK);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn sound(at: u64) -> Block {
        std::array::from_fn(|i| 0.4 * ((at as usize * BLOCK + i) as f32 * 0.06).sin())
    }

    fn talk(talker: &mut Talker, from: u64, blocks: u64) -> Vec<Said> {
        (0..blocks).filter_map(|at| talker.hear(ms(from + at * 10), &sound(at))).collect()
    }

    #[test]
    fn each_frame_goes_twice() {
        let mut talker = Talker::new().unwrap();
        let said = talk(&mut talker, 0, 20);
        assert_eq!(said.iter().map(|said| said.frame).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
        for pair in said.windows(2) {
            let (before, after) =
                (Audio::decode(&pair[0].body).unwrap(), Audio::decode(&pair[1].body).unwrap());
            assert_eq!(after.copies, [(1, before.frame)]);
        }
    }

    #[test]
    fn copies_follow_what_is_lost() {
        let mut talker = Talker::new().unwrap();
        for (lost, burst, expected) in
            [(0, 0, CALM), (5, 1, CALM), (5, 2, LOSSY), (10, 1, LOSSY), (10, 4, BURSTS), (1, 9, CALM)]
        {
            talker.expect_loss(lost, burst);
            assert_eq!(talker.copies, expected, "{lost} %, {burst} in a row");
        }
        talker.expect_loss(10, 4);
        let said = talk(&mut talker, 0, 20);
        let last = Audio::decode(&said[9].body).unwrap();
        let distances: Vec<_> = last.copies.iter().map(|(distance, _)| *distance).collect();
        assert_eq!(distances, [2, 4]);
    }

    #[test]
    fn a_pause_is_said_three_times_and_then_nothing_until_there_is_sound() {
        let mut talker = Talker::new().unwrap();
        talk(&mut talker, 0, 20);
        talker.fall_silent(ms(200));
        let said: Vec<_> = (20..100).filter_map(|at| talker.tick(ms(at * 10))).collect();
        assert_eq!(said.len(), 3);
        for said in said {
            let audio = Audio::decode(&said.body).unwrap();
            assert_eq!((said.frame, audio.frame.len(), audio.copies.len()), (10, 0, 1));
        }
        let again = talk(&mut talker, 5_000, 2);
        assert_eq!(again[0].frame, 250, "in step with time again");
        assert!(
            Audio::decode(&again[0].body).unwrap().copies.is_empty(),
            "what is long gone is not repeated"
        );
    }

    #[test]
    fn a_microphone_that_gives_nothing_more_is_a_pause() {
        let mut talker = Talker::new().unwrap();
        talk(&mut talker, 0, 20);
        assert!(talker.tick(ms(250)).is_none());
        let said = talker.tick(ms(310)).expect("it is said");
        assert!(Audio::decode(&said.body).unwrap().frame.is_empty());
    }
}
