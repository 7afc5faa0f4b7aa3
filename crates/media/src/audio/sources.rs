//! Sound without a microphone, paced by the clock that is given.

use std::path::Path;
use std::time::Duration;

use hound::{SampleFormat, WavReader};

use super::pace::Pace;
use super::resample::Resampler;
use super::{AudioIn, BLOCK, Block, RATE};
use crate::trouble::Trouble;

/// No sound at all, in time.
#[derive(Debug, Default)]
pub struct Silence {
    pace: Pace,
}

impl AudioIn for Silence {
    fn read(&mut self, now: Duration, block: &mut Block) -> bool {
        *block = [0.0; BLOCK];
        take(&mut self.pace, now)
    }
}

/// A sine.
#[derive(Debug)]
pub struct Tone {
    pace: Pace,
    hertz: f64,
    amplitude: f64,
    at: u64,
}

impl Tone {
    /// `hertz` below 20,000; `amplitude` 0.0..=1.0.
    pub fn new(hertz: f32, amplitude: f32) -> Tone {
        Tone { pace: Pace::default(), hertz: hertz.into(), amplitude: amplitude.into(), at: 0 }
    }
}

impl AudioIn for Tone {
    fn read(&mut self, now: Duration, block: &mut Block) -> bool {
        if !take(&mut self.pace, now) {
            return false;
        }
        for sample in block {
            let turns = self.hertz * self.at as f64 / RATE as f64;
            *sample = (self.amplitude * (std::f64::consts::TAU * turns.fract()).sin()) as f32;
            self.at += 1;
        }
        true
    }
}

/// A sound file, mixed to one channel and resampled to 48 kHz, once or again and again.
#[derive(Debug)]
pub struct Wav {
    pace: Pace,
    samples: Vec<f32>,
    at: usize,
    again: bool,
}

impl Wav {
    /// Reads the whole file: an hour of it is some 700 MB in memory, and longer ones are refused.
    ///
    /// # Errors
    /// `Trouble::File` if it is no WAV file, or one of a kind that is not read (8 to 32 bits, or floats of 32, are).
    pub fn open(path: &Path, again: bool) -> Result<Wav, Trouble> {
        let fail = |why: String| Trouble::File { path: path.to_owned(), why };
        let reader = WavReader::open(path).map_err(|error| fail(error.to_string()))?;
        let spec = reader.spec();
        if reader.duration() / spec.sample_rate.max(1) >= LONGEST_SECONDS {
            return Err(fail("it is longer than an hour".to_owned()));
        }
        if spec.channels == 0 || !RATES.contains(&spec.sample_rate) {
            return Err(fail(format!("{} channels of {} Hz", spec.channels, spec.sample_rate)));
        }
        let samples: Result<Vec<f32>, hound::Error> = match spec.sample_format {
            SampleFormat::Float => reader.into_samples::<f32>().collect(),
            SampleFormat::Int => {
                let full = (1_i64 << (spec.bits_per_sample - 1)) as f32;
                reader.into_samples::<i32>().map(|sample| sample.map(|sample| sample as f32 / full)).collect()
            }
        };
        let samples = samples.map_err(|error| fail(error.to_string()))?;
        let channels = usize::from(spec.channels);
        let mono = samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32);
        let mut resampled = Vec::new();
        Resampler::new(spec.sample_rate, RATE as u32).push(mono, &mut resampled);
        if resampled.is_empty() {
            return Err(fail("there is no sound in it".to_owned()));
        }
        Ok(Wav { pace: Pace::default(), samples: resampled, at: 0, again })
    }
}

impl AudioIn for Wav {
    fn read(&mut self, now: Duration, block: &mut Block) -> bool {
        if self.has_ended() || !take(&mut self.pace, now) {
            return false;
        }
        for sample in block {
            if self.again && self.at == self.samples.len() {
                self.at = 0;
            }
            *sample = self.samples.get(self.at).copied().unwrap_or(0.0);
            self.at += usize::from(self.at < self.samples.len());
        }
        true
    }

    fn has_ended(&self) -> bool {
        !self.again && self.at >= self.samples.len()
    }
}

fn take(pace: &mut Pace, now: Duration) -> bool {
    let is_due = pace.due(now) > 0;
    if is_due {
        pace.done();
    }
    is_due
}

const LONGEST_SECONDS: u32 = 3_600;
/// In hertz: what a sound file can sensibly say.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;
