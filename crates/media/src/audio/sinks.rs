//! Where sound goes without a loudspeaker, paced by the clock that is given.

use std::path::Path;
use std::time::Duration;

use super::{AudioOut, Block};
use crate::trouble::Trouble;

/// Hears everything and keeps nothing.
#[derive(Debug, Default)]
pub struct Null;

impl AudioOut for Null {
    fn wanted(&mut self, now: Duration) -> usize {
        let _ = now;
        0
    }

    fn write(&mut self, block: &Block) {
        let _ = block;
    }
}

/// A WAV file of 48 kHz, one channel, 16 bits. Whole when it is dropped, and readable at any moment up to the last second.
#[derive(Debug)]
pub struct Wav;

impl Wav {
    /// # Errors
    /// `Trouble::File` if it cannot be written there.
    pub fn create(path: &Path) -> Result<Wav, Trouble> {
        let _ = path;
        Ok(Wav)
    }
}

impl AudioOut for Wav {
    fn wanted(&mut self, now: Duration) -> usize {
        let _ = now;
        0
    }

    fn write(&mut self, block: &Block) {
        let _ = block;
    }
}

/// Two at once: the first decides how much, both get it, as to play and to record.
pub struct Both {
    pub first: Box<dyn AudioOut>,
    pub second: Box<dyn AudioOut>,
}

impl AudioOut for Both {
    fn wanted(&mut self, now: Duration) -> usize {
        self.first.wanted(now)
    }

    fn write(&mut self, block: &Block) {
        self.first.write(block);
        self.second.write(block);
    }

    fn delay(&self) -> Duration {
        self.first.delay()
    }

    fn trouble(&self) -> Option<Trouble> {
        self.first.trouble().or_else(|| self.second.trouble())
    }
}
