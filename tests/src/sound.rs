//! Sound files for tests: tones are written, and looked for.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

/// Samples a second, one channel, 16 bit.
pub const RATE: u32 = 48_000;

/// Of the tones that are written; 1 is a full sine.
pub const LOUDNESS: f64 = 0.09;

/// Writes a WAV file of a tone; ten of them at once are not clipped.
///
/// # Panics
/// When it cannot be written.
pub fn write_tone(path: &Path, hertz: f64, seconds: u32) {
    let count = RATE * seconds;
    let mut bytes = Vec::with_capacity(44 + 2 * count as usize);
    bytes.extend(b"RIFF");
    bytes.extend((36 + 2 * count).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(RATE.to_le_bytes());
    bytes.extend((2 * RATE).to_le_bytes());
    bytes.extend(2u16.to_le_bytes());
    bytes.extend(16u16.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((2 * count).to_le_bytes());
    for n in 0..count {
        let sample = (TAU * hertz * f64::from(n) / f64::from(RATE)).sin() * LOUDNESS * 32_768.0;
        bytes.extend((sample as i16).to_le_bytes());
    }
    fs::write(path, bytes).expect("a folder that can be written");
}

/// The samples of a WAV file of this rate, one channel and 16 bit; those behind the length that it claims count, too.
///
/// # Panics
/// When it is none.
pub fn read(path: &Path) -> Vec<i16> {
    let bytes = fs::read(path).expect("a recording");
    assert!(bytes.starts_with(b"RIFF") && bytes[8..12] == *b"WAVE", "{} is no WAV file", path.display());
    assert_eq!(u32::from_le_bytes(bytes[24..28].try_into().expect("four")), RATE);
    let at = bytes.windows(4).position(|four| four == b"data").expect("a chunk of samples") + 8;
    bytes[at..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// How loud a tone is in these samples, 1 for a full sine (Goertzel).
pub fn loudness(samples: &[i16], hertz: f64) -> f64 {
    let step = 2.0 * (TAU * hertz / f64::from(RATE)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        (last, before) = (f64::from(*sample) / 32_768.0 + step * last - before, last);
    }
    let power = last * last + before * before - step * last * before;
    2.0 * power.max(0.0).sqrt() / samples.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_that_was_written_is_found_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tone.wav");
        write_tone(&path, 500.0, 1);
        let samples = read(&path);
        assert_eq!(samples.len(), RATE as usize);
        assert!((loudness(&samples, 500.0) - LOUDNESS).abs() < 0.01, "{}", loudness(&samples, 500.0));
        assert!(loudness(&samples, 600.0) < 0.01);
    }
}
