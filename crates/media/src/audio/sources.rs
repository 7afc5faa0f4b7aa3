//! Sound without a microphone, paced by the clock that is given.

use std::path::Path;
use std::time::Duration;

use super::{AudioIn, Block};
use crate::trouble::Trouble;

/// No sound at all, in time.
#[derive(Debug, Default)]
pub struct Silence;

impl AudioIn for Silence {
    fn read(&mut self, now: Duration, block: &mut Block) -> bool {
        let _ = (now, block);
        false
    }
}

/// A sine.
#[derive(Debug)]
pub struct Tone;

impl Tone {
    /// `hertz` below 20,000; `amplitude` 0.0..=1.0.
    pub fn new(hertz: f32, amplitude: f32) -> Tone {
        let _ = (hertz, amplitude);
        Tone
    }
}

impl AudioIn for Tone {
    fn read(&mut self, now: Duration, block: &mut Block) -> bool {
        let _ = (now, block);
        false
    }
}

/// A sound file, mixed to one channel and resampled to 48 kHz, once or again and again.
#[derive(Debug)]
pub struct Wav;

impl Wav {
    /// # Errors
    /// `Trouble::File` if it is no WAV file, or one of a kind that is not read (8 to 32 bits, or floats of 32, are).
    pub fn open(path: &Path, again: bool) -> Result<Wav, Trouble> {
        let _ = (path, again);
        Ok(Wav)
    }
}

impl AudioIn for Wav {
    fn read(&mut self, now: Duration, block: &mut Block) -> bool {
        let _ = (now, block);
        false
    }
}
