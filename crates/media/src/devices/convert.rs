//! Between a device's samples and ours: channels and rates.

use crate::audio::RATE;
use crate::audio::resample::Resampler;

/// From what a device gives to one channel of 48 kHz.
pub struct Inward {
    channels: usize,
    resampler: Resampler,
    made: Vec<f32>,
}

impl Inward {
    pub fn new(channels: u16, rate: u32) -> Inward {
        let resampler = Resampler::new(rate, RATE as u32);
        Inward { channels: usize::from(channels.max(1)), resampler, made: Vec::new() }
    }

    /// The sound of what came; of several channels the mean.
    pub fn take(&mut self, samples: impl Iterator<Item = f32>) -> impl Iterator<Item = f32> {
        let mut samples = samples.peekable();
        let channels = self.channels;
        let mono = std::iter::from_fn(move || {
            samples.peek()?;
            Some(samples.by_ref().take(channels).sum::<f32>() / channels as f32)
        });
        self.resampler.push(mono, &mut self.made);
        self.made.drain(..)
    }
}

/// From one channel of 48 kHz to what a device takes.
pub struct Outward {
    channels: usize,
    resampler: Resampler,
    made: Vec<f32>,
}

impl Outward {
    pub fn new(channels: u16, rate: u32) -> Outward {
        let resampler = Resampler::new(RATE as u32, rate);
        Outward { channels: usize::from(channels.max(1)), resampler, made: Vec::new() }
    }

    /// Fills a device's buffer with what `next` gives, and with silence once it gives nothing. Whether it gave enough.
    pub fn fill(&mut self, samples: &mut [f32], mut next: impl FnMut() -> Option<f32>) -> bool {
        let frames = samples.len() / self.channels;
        let mut was_enough = true;
        while self.made.len() < frames {
            let part: Vec<f32> = std::iter::from_fn(&mut next).take(PART).collect();
            if part.is_empty() {
                was_enough = false;
                self.made.resize(frames, 0.0);
            } else {
                self.resampler.push(part, &mut self.made);
            }
        }
        let made = self.made.drain(..frames);
        for (frame, sample) in samples.chunks_exact_mut(self.channels).zip(made) {
            frame.fill(sample);
        }
        was_enough
    }
}

/// Samples that are resampled at once: little more than is wanted.
const PART: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level::decibels;

    fn tone(rate: u32) -> impl Iterator<Item = f32> {
        (0..rate).map(move |i| 0.5 * (std::f32::consts::TAU * 1_000.0 * i as f32 / rate as f32).sin())
    }

    #[test]
    fn two_channels_of_a_card_become_one_of_ours() {
        let mut inward = Inward::new(2, 44_100);
        let stereo: Vec<f32> = tone(44_100).flat_map(|sample| [sample, 0.0]).collect();
        let mut heard = Vec::new();
        stereo.chunks(882).for_each(|part| heard.extend(inward.take(part.iter().copied())));
        assert!(heard.len().abs_diff(48_000) < 100, "{}", heard.len());
        assert!(
            (decibels(&heard[1_000..]) + 15.05).abs() < 0.2,
            "half as loud: {}",
            decibels(&heard[1_000..])
        );
    }

    #[test]
    fn ours_becomes_what_a_card_takes_and_silence_where_there_is_none() {
        let mut outward = Outward::new(2, 44_100);
        let mut sound = tone(48_000);
        let mut played = Vec::new();
        for _ in 0..95 {
            let mut buffer = [9.0; 882];
            assert!(outward.fill(&mut buffer, || sound.next()));
            played.extend(buffer);
        }
        assert!(played.chunks_exact(2).all(|frame| frame[0] == frame[1]));
        assert!((decibels(&played[2_000..]) + 9.03).abs() < 0.2);
        let mut buffer = [9.0; 882];
        assert!(!outward.fill(&mut buffer, || None));
        assert_eq!(buffer[600..], [0.0; 282]);
    }
}
