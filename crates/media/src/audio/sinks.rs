//! Where sound goes without a loudspeaker, paced by the clock that is given.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};

use super::pace::Pace;
use super::{AudioOut, Block, RATE};
use crate::trouble::Trouble;

/// Hears everything and keeps nothing.
#[derive(Debug, Default)]
pub struct Null {
    pace: Pace,
}

impl AudioOut for Null {
    fn wanted(&mut self, now: Duration) -> usize {
        self.pace.due(now)
    }

    fn write(&mut self, _: &Block) {
        self.pace.done();
    }
}

/// A WAV file of 48 kHz, one channel, 16 bits. Whole when it is dropped, and readable at any moment up to the last second.
pub struct Wav {
    pace: Pace,
    path: PathBuf,
    /// Gone once the disk refused it.
    file: Option<WavWriter<BufWriter<File>>>,
    unsaved: usize,
    trouble: Option<Trouble>,
}

impl Wav {
    /// # Errors
    /// `Trouble::File` if it cannot be written there.
    pub fn create(path: &Path) -> Result<Wav, Trouble> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: RATE as u32,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let file = WavWriter::create(path, spec)
            .map_err(|error| Trouble::File { path: path.to_owned(), why: error.to_string() })?;
        Ok(Wav { pace: Pace::default(), path: path.to_owned(), file: Some(file), unsaved: 0, trouble: None })
    }

    fn put(&mut self, block: &Block) -> Result<(), hound::Error> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        for sample in block {
            file.write_sample((sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16)?;
        }
        self.unsaved += block.len();
        if self.unsaved >= RATE {
            self.unsaved = 0;
            file.flush()?;
        }
        Ok(())
    }
}

impl AudioOut for Wav {
    fn wanted(&mut self, now: Duration) -> usize {
        self.pace.due(now)
    }

    fn write(&mut self, block: &Block) {
        self.pace.done();
        if let Err(error) = self.put(block) {
            self.file = None;
            self.trouble = Some(Trouble::File { path: self.path.clone(), why: error.to_string() });
        }
    }

    fn trouble(&self) -> Option<Trouble> {
        self.trouble.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sources;
    use super::*;
    use crate::audio::{AudioIn, BLOCK};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_was_recorded_is_what_was_played() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let mut tone = sources::Tone::new(1_000.0, 0.5);
        let mut sink = Wav::create(&path).unwrap();
        let mut played = Vec::new();
        for now in (0..1_000).step_by(10) {
            let mut block = [0.0; BLOCK];
            assert!(tone.read(ms(now), &mut block));
            assert_eq!(sink.wanted(ms(now)), 1);
            sink.write(&block);
            played.extend(block);
        }
        drop(sink);
        let mut source = sources::Wav::open(&path, false).unwrap();
        let mut heard = Vec::new();
        let mut block = [0.0; BLOCK];
        while source.read(ms(10 * heard.len() as u64 / BLOCK as u64), &mut block) {
            heard.extend(block);
        }
        assert!(source.has_ended());
        assert!(heard.len() >= played.len(), "{} of {}", heard.len(), played.len());
        assert!(played.iter().zip(&heard).all(|(a, b)| (a - b).abs() < 1e-3));
    }

    #[test]
    fn what_is_no_sound_file_is_said_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no.wav");
        std::fs::write(&path, "no sound").unwrap();
        let refused = sources::Wav::open(&path, false).unwrap_err();
        assert!(refused.to_string().contains("no.wav"), "{refused}");
        assert!(matches!(Wav::create(&folder.path().join("none/a.wav")), Err(Trouble::File { .. })));
    }

    #[test]
    fn a_file_of_two_channels_and_another_rate_becomes_one_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stereo.wav");
        let spec =
            WavSpec { channels: 2, sample_rate: 8_000, bits_per_sample: 8, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::create(&path, spec).unwrap();
        (0..8_000).for_each(|_| {
            writer.write_sample(64_i8).unwrap();
            writer.write_sample(0_i8).unwrap();
        });
        writer.finalize().unwrap();
        let mut source = sources::Wav::open(&path, true).unwrap();
        let mut block = [0.0; BLOCK];
        for at in 0..150 {
            assert!(source.read(ms(at * 10), &mut block), "it begins again");
        }
        assert!((block[0] - 0.25).abs() < 0.02, "{}", block[0]);
    }
}
