//! Many voices as one sound.

use super::Block;

/// Adds a voice.
pub fn add(mix: &mut Block, voice: &Block) {
    mix.iter_mut().zip(voice).for_each(|(sum, sample)| *sum += sample);
}

/// Bends what is too loud below full scale, without the noise of cutting it off. What is quiet stays exactly as it is.
pub fn soften(mix: &mut Block) {
    for sample in mix {
        let loud = sample.abs();
        if !loud.is_finite() {
            *sample = 0.0;
        } else if loud > KNEE {
            let bent = KNEE + (1.0 - KNEE) * ((loud - KNEE) / (1.0 - KNEE)).tanh();
            *sample = bent.copysign(*sample);
        }
    }
}

/// From here on it bends.
const KNEE: f32 = 0.7;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::BLOCK;

    #[test]
    fn ten_loud_voices_stay_within_full_scale_and_one_quiet_one_is_untouched() {
        let mut mix = [0.0; BLOCK];
        (0..10).for_each(|_| add(&mut mix, &[0.9; BLOCK]));
        mix[0] = f32::NAN;
        mix[1] = -9.0;
        soften(&mut mix);
        assert!(mix.iter().all(|sample| sample.abs() <= 1.0));
        assert!(mix[1] < -0.99 && mix[2] > 0.99);
        let mut quiet = [0.5; BLOCK];
        soften(&mut quiet);
        assert_eq!(quiet, [0.5; BLOCK]);
    }

    #[test]
    fn louder_stays_louder() {
        let mut mix: Block = std::array::from_fn(|i| i as f32 / 160.0);
        soften(&mut mix);
        assert!(mix.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
