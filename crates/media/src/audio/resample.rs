//! From one rate of samples to another: a windowed sinc, worked out for each sample.

use std::collections::VecDeque;
use std::f64::consts::PI;

/// One channel, as a stream.
#[derive(Debug)]
pub struct Resampler {
    /// Input samples for one output sample.
    step: f64,
    /// Of the lower of the two rates, as a share of the input's.
    cutoff: f64,
    /// The samples around the place of the next output sample, and that place among them.
    around: VecDeque<f32>,
    place: f64,
}

impl Resampler {
    /// Rates in hertz, above zero.
    pub fn new(from: u32, to: u32) -> Resampler {
        let step = f64::from(from) / f64::from(to);
        let around = VecDeque::from(vec![0.0; REACH]);
        Resampler { step, cutoff: ROLL_OFF * (1.0 / step).min(1.0), around, place: REACH as f64 }
    }

    /// Takes what came and appends what it makes. It is `REACH` input samples late.
    pub fn push(&mut self, samples: impl IntoIterator<Item = f32>, out: &mut Vec<f32>) {
        self.around.extend(samples);
        if self.step == 1.0 {
            // The same rate is not touched.
            out.extend(self.around.drain(REACH.min(self.around.len())..));
            return;
        }
        while self.place + (REACH as f64) < self.around.len() as f64 {
            out.push(self.at(self.place));
            self.place += self.step;
        }
        let passed = (self.place as usize).saturating_sub(REACH).min(self.around.len());
        self.around.drain(..passed);
        self.place -= passed as f64;
    }

    fn at(&self, place: f64) -> f32 {
        let middle = place.floor() as usize;
        let first = (middle + 1).saturating_sub(REACH);
        let last = (middle + REACH).min(self.around.len() - 1);
        let weigh = |at: usize| f64::from(self.around[at]) * self.weight(at as f64 - place);
        (first..=last).map(weigh).sum::<f64>() as f32
    }

    fn weight(&self, distance: f64) -> f64 {
        let x = PI * distance * self.cutoff;
        let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
        let hann = 0.5 + 0.5 * (PI * distance / (REACH as f64 + 1.0)).cos();
        self.cutoff * sinc * hann
    }
}

/// Samples on either side that count.
const REACH: usize = 24;
/// Below half of the lower rate, so that little of what is above it folds back.
const ROLL_OFF: f64 = 0.94;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level::decibels;

    fn tone(rate: u32, hertz: f32) -> Vec<f32> {
        (0..rate).map(|i| 0.5 * (std::f32::consts::TAU * hertz * i as f32 / rate as f32).sin()).collect()
    }

    #[test]
    fn a_second_stays_a_second_and_a_tone_the_same_tone() {
        for rate in [8_000, 16_000, 22_050, 44_100, 48_000, 96_000] {
            let (mut resampler, mut out) = (Resampler::new(rate, 48_000), Vec::new());
            tone(rate, 1_000.0).chunks(441).for_each(|part| resampler.push(part.iter().copied(), &mut out));
            assert!(out.len().abs_diff(48_000) < 400, "{rate}: {}", out.len());
            let middle = &out[4_800..43_200];
            assert!((decibels(middle) + 9.03).abs() < 0.2, "{rate}: {}", decibels(middle));
            let rises = middle.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
            assert!(rises.abs_diff(800) <= 1, "{rate}: {rises} periods");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_does_not_fold_back() {
        let (mut resampler, mut out) = (Resampler::new(96_000, 48_000), Vec::new());
        resampler.push(tone(96_000, 30_000.0), &mut out);
        assert!(decibels(&out[4_800..40_000]) < -45.0, "{}", decibels(&out[4_800..40_000]));
    }
}
