//! One member's voice: packets in, blocks out, at the pace of whoever plays them.

use std::time::Duration;

use super::jitter::{Jitter, Next, STEP};
use super::statistics::Statistics;
use crate::audio::level::{self, Level};
use crate::audio::stretch::{self, Care, NEEDED};
use crate::audio::{BLOCK, Block, RATE};
use crate::codec::{Decoder, FRAME};
use crate::packet::Audio;
use crate::trouble::Trouble;

/// What one member says.
pub struct Voice {
    jitter: Jitter,
    decoder: Decoder,
    /// Decoded and not yet played.
    sound: Vec<f32>,
    statistics: Statistics,
    level: Level,
    /// Samples that were played since speech was made shorter or longer.
    unstretched: usize,
    /// How long sound waits here, evened out; none in a pause.
    wait: Option<Duration>,
    /// The last frame was made up: what comes behind it is either joined to it by the decoder or fades out here.
    made_up: bool,
}

impl Voice {
    /// # Errors
    /// `Trouble::Start` if there is no codec.
    pub fn new() -> Result<Voice, Trouble> {
        Ok(Voice {
            jitter: Jitter::default(),
            decoder: Decoder::new()?,
            sound: Vec::new(),
            statistics: Statistics::default(),
            level: Level::default(),
            unstretched: 0,
            wait: None,
            made_up: false,
        })
    }

    /// A packet that was opened, the first time.
    pub fn receive(&mut self, now: Duration, seq: u32, frame: u32, audio: &Audio) {
        self.statistics.receive(now, seq);
        if audio.frame.is_empty() {
            self.jitter.pause_at(frame);
        } else {
            self.jitter.insert(now, frame, audio.frame);
        }
        for (distance, copy) in &audio.copies {
            let earlier = frame.checked_sub((*distance).into());
            if earlier.is_some_and(|earlier| self.jitter.insert(now, earlier, copy)) {
                self.statistics.now.repaired += 1;
            }
        }
    }

    /// The next 10 ms. False, and silence, where nothing is said.
    pub fn play(&mut self, now: Duration, block: &mut Block) -> bool {
        self.statistics.tick(now);
        self.keep_pace(now);
        while self.sound.len() < BLOCK && self.decode(now) {}
        if self.sound.is_empty() {
            block.fill(0.0);
            self.wait = None;
            self.level.hear_nothing();
            return false;
        }
        // A pause begins within the block.
        self.sound.resize(self.sound.len().max(BLOCK), 0.0);
        block.copy_from_slice(&self.sound[..BLOCK]);
        self.sound.drain(..BLOCK);
        self.unstretched += BLOCK;
        self.level.hear(now, block);
        true
    }

    pub fn level(&self) -> u8 {
        self.level.percent()
    }

    pub fn is_speech(&self, now: Duration) -> bool {
        self.level.is_speech(now)
    }

    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    pub fn wait(&self) -> Duration {
        self.wait.unwrap_or_else(|| self.jitter.target())
    }

    pub fn jitter(&self) -> Duration {
        self.jitter.jitter()
    }

    /// Decodes the next frame behind the others. False in a pause.
    fn decode(&mut self, now: Duration) -> bool {
        let mut frame = [0.0; FRAME];
        match self.jitter.next(now) {
            Next::Frame(bytes) if self.decoder.decode(&bytes, &mut frame) => {
                self.statistics.now.frames += 1;
                self.made_up = false;
            }
            // What cannot be decoded is as good as lost.
            Next::Frame(_) => self.make_up(None, &mut frame),
            Next::Lost { behind } => self.make_up(behind.as_deref(), &mut frame),
            Next::Late => self.make_up(None, &mut frame),
            Next::Pause if self.made_up => {
                // Nothing came for a while: what was made up last does not break off.
                self.made_up = false;
                self.decoder.conceal(None, &mut frame);
                frame
                    .iter_mut()
                    .enumerate()
                    .for_each(|(at, sample)| *sample *= 1.0 - at as f32 / FRAME as f32);
            }
            Next::Pause => return false,
        }
        self.sound.extend(frame);
        true
    }

    fn make_up(&mut self, behind: Option<&[u8]>, frame: &mut [f32; FRAME]) {
        self.decoder.conceal(behind, frame);
        self.statistics.now.made_up += 1;
        self.made_up = true;
    }

    /// Keeps what waits at what has to wait: by leaving out silence, else by speaking two percent faster or slower, and
    /// if that is far from enough by a leap.
    fn keep_pace(&mut self, now: Duration) {
        let leapt = self.jitter.skip_to_live(now, self.decoded());
        if leapt > 0 {
            self.statistics.now.made_up += u64::from(leapt);
            self.wait = None;
        }
        let Some(wait) = self.jitter.wait(now, self.decoded()) else {
            return;
        };
        let before = self.wait.unwrap_or(wait);
        let evened = before.mul_f32(1.0 - EVENING) + wait.mul_f32(EVENING);
        self.wait = Some(evened);
        let target = self.jitter.target();
        let is_long = evened > target + TOO_LONG;
        let is_short = evened + TOO_SHORT < target;
        if !(is_long || is_short) {
            return;
        }
        // What is not here yet is not given up for this.
        while self.sound.len() < NEEDED && self.jitter.is_ready() && self.decode(now) {}
        let is_silent = self.sound.len() >= BLOCK && level::decibels(&self.sound[..BLOCK]) < SILENT;
        if !is_silent && self.unstretched < RESTED {
            return;
        }
        let changed = match (is_long, is_silent) {
            (true, true) => {
                self.sound.drain(..BLOCK);
                BLOCK
            }
            (false, true) => {
                self.sound.splice(..0, [0.0; BLOCK]);
                BLOCK
            }
            (true, false) => stretch::shorten(&mut self.sound, Care::Fine),
            (false, false) => stretch::lengthen(&mut self.sound, Care::Fine),
        };
        if changed > 0 {
            self.unstretched = 0;
            let samples = duration(changed);
            self.wait = Some(if is_long { evened.saturating_sub(samples) } else { evened + samples });
        }
    }

    fn decoded(&self) -> Duration {
        duration(self.sound.len())
    }
}

fn duration(samples: usize) -> Duration {
    Duration::from_micros((samples * 1_000_000 / RATE) as u64)
}

/// The share of the newest look in what is evened out: a second of blocks weighs 99 percent.
const EVENING: f32 = 0.05;
/// Beyond the target in either direction, before anything is done: a block and what a scheduler adds.
const TOO_LONG: Duration = Duration::from_millis(12);
const TOO_SHORT: Duration = Duration::from_millis(6);
/// One period, 10 ms at the most, in so many samples: two percent.
const RESTED: usize = 50 * BLOCK;
/// Decibels.
const SILENT: f32 = -55.0;
/// Frames are what the jitter buffer counts in.
const _: () = assert!(STEP.as_millis() as usize * RATE / 1_000 == FRAME);
