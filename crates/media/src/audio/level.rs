//! How loud somebody is, and whether that is speech.

use std::time::Duration;

use super::Block;

/// Follows one voice, block by block.
#[derive(Debug, Clone)]
pub struct Level {
    /// Of the loudest lately, and of what is there when nobody speaks: decibels below full scale.
    peak: f32,
    floor: f32,
    spoke: Option<Duration>,
}

impl Default for Level {
    fn default() -> Level {
        Level { peak: SILENCE, floor: -60.0, spoke: None }
    }
}

impl Level {
    pub fn hear(&mut self, now: Duration, block: &Block) {
        let loud = decibels(block);
        self.peak = loud.max(self.peak - FALL);
        self.floor = if loud < self.floor {
            loud.max(SILENCE)
        } else {
            (self.floor + RISE).min(HIGHEST_FLOOR).min(loud)
        };
        if loud > (self.floor + ABOVE_FLOOR).max(QUIETEST) {
            self.spoke = Some(now);
        }
    }

    /// As if there were a block without sound.
    pub fn hear_nothing(&mut self) {
        self.peak = SILENCE;
        self.spoke = None;
    }

    /// 0 for silence, 100 for full scale.
    pub fn percent(&self) -> u8 {
        ((self.peak - SILENCE) / -SILENCE * 100.0).clamp(0.0, 100.0).round() as u8
    }

    pub fn is_speech(&self, now: Duration) -> bool {
        self.spoke.is_some_and(|spoke| now.saturating_sub(spoke) <= HANGOVER)
    }
}

/// Of a sine at full scale it is −3.
pub fn decibels(samples: &[f32]) -> f32 {
    let energy: f32 = samples.iter().map(|sample| sample * sample).sum();
    let mean = energy / samples.len().max(1) as f32;
    (10.0 * mean.max(1e-12).log10()).max(SILENCE)
}

/// Nothing quieter is told apart.
pub const SILENCE: f32 = -70.0;
/// Quieter is never speech.
const QUIETEST: f32 = -50.0;
/// How much louder than what is always there speech is.
const ABOVE_FLOOR: f32 = 9.0;
/// A voice that never pauses does not become the floor.
const HIGHEST_FLOOR: f32 = -40.0;
/// A block, so 3 decibels a second up and 50 down.
const RISE: f32 = 0.03;
const FALL: f32 = 0.5;
/// Between two words nobody has stopped to speak.
const HANGOVER: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::BLOCK;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn noise(amplitude: f32, seed: &mut u32) -> Block {
        std::array::from_fn(|_| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            amplitude * ((*seed >> 8) as f32 / (1 << 23) as f32 - 1.0)
        })
    }

    #[test]
    fn steady_noise_is_not_speech_and_a_voice_above_it_is() {
        let (mut level, mut seed) = (Level::default(), 1);
        (0..1_000).for_each(|at| level.hear(ms(at * 10), &noise(0.012, &mut seed)));
        assert!(!level.is_speech(ms(10_000)), "a fan");
        level.hear(ms(10_000), &noise(0.1, &mut seed));
        assert!(level.is_speech(ms(10_000)) && level.is_speech(ms(10_400)));
        level.hear(ms(10_500), &noise(0.012, &mut seed));
        assert!(!level.is_speech(ms(10_500)));
    }

    #[test]
    fn a_voice_that_never_pauses_stays_a_voice() {
        let (mut level, mut seed) = (Level::default(), 1);
        for at in 0..6_000 {
            level.hear(ms(at * 10), &noise(0.2, &mut seed));
            assert!(level.is_speech(ms(at * 10)), "block {at}");
        }
        assert!((70..=90).contains(&level.percent()), "{}", level.percent());
    }

    #[test]
    fn the_scale_goes_from_silence_to_full() {
        let mut level = Level::default();
        level.hear(ms(0), &[0.0; BLOCK]);
        assert_eq!(level.percent(), 0);
        level.hear(ms(10), &[1.0; BLOCK]);
        assert_eq!(level.percent(), 100);
    }
}
