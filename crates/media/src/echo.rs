//! Taking out of what the microphone hears what the loudspeaker plays, and the noise of the room.

use crate::audio::Block;

#[cfg(feature = "devices")]
mod canceller {
    use sonora::config::{EchoCanceller, GainController2, HighPassFilter, NoiseSuppression};
    use sonora::{AudioProcessing, Config, StreamConfig};

    use super::Block;
    use crate::audio::{BLOCK, RATE};

    /// WebRTC's echo canceller and noise suppression.
    pub struct Echo {
        processing: AudioProcessing,
    }

    impl Echo {
        pub fn new() -> Echo {
            let config = Config {
                high_pass_filter: Some(HighPassFilter::default()),
                echo_canceller: Some(EchoCanceller::default()),
                noise_suppression: Some(NoiseSuppression::default()),
                gain_controller2: Some(GainController2::default()),
                ..Config::default()
            };
            let mono = StreamConfig::new(RATE as u32, 1);
            let processing =
                AudioProcessing::builder().config(config).capture_config(mono).render_config(mono);
            Echo { processing: processing.build() }
        }

        /// What is played now.
        pub fn played(&mut self, block: &Block) {
            let mut out = [0.0; BLOCK];
            // It refuses only blocks of another length.
            let _ = self.processing.process_render_f32(&[block], &mut [&mut out]);
        }

        pub fn clean(&mut self, block: &mut Block) {
            let heard = *block;
            if self.processing.process_capture_f32(&[&heard], &mut [block]).is_err() {
                *block = heard;
            }
        }
    }
}

#[cfg(not(feature = "devices"))]
mod canceller {
    use super::Block;

    /// Without devices nothing hears the room.
    pub struct Echo;

    impl Echo {
        pub fn new() -> Echo {
            Echo
        }

        pub fn played(&mut self, _: &Block) {}

        pub fn clean(&mut self, _: &mut Block) {}
    }
}

pub use canceller::Echo;

#[cfg(all(test, feature = "devices"))]
mod tests {
    use super::*;
    use crate::audio::BLOCK;
    use crate::audio::level::decibels;

    #[test]
    fn what_is_played_is_taken_out_of_what_is_heard() {
        let mut echo = Echo::new();
        let mut seed = 1u32;
        // Speech is uneven noise; it comes back 40 ms later and half as loud.
        let mut played: Vec<Block> = Vec::new();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for at in 0..500 {
            let loud = if at % 40 < 28 { 0.3 } else { 0.01 };
            let block: Block = std::array::from_fn(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                loud * ((seed >> 8) as f32 / (1 << 23) as f32 - 1.0)
            });
            echo.played(&block);
            played.push(block);
            let mut heard = if at < 4 { [0.0; BLOCK] } else { played[at - 4].map(|sample| sample * 0.5) };
            let heard_before = heard;
            echo.clean(&mut heard);
            if at >= 300 {
                before.extend(heard_before);
                after.extend(heard);
            }
        }
        let taken = decibels(&before) - decibels(&after);
        assert!(taken > 20.0, "{taken} dB");
    }

    #[test]
    fn a_voice_that_nobody_plays_stays() {
        let mut echo = Echo::new();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for at in 0..400usize {
            // A vowel with pauses: harmonics of 150 Hz.
            let loud = if at % 50 < 35 { 0.15 } else { 0.0 };
            let mut block: Block = std::array::from_fn(|i| {
                let time = (at * BLOCK + i) as f32 / 48_000.0;
                (1..6)
                    .map(|n| loud / n as f32 * (std::f32::consts::TAU * 150.0 * n as f32 * time).sin())
                    .sum()
            });
            echo.played(&[0.0; BLOCK]);
            before.extend(block);
            echo.clean(&mut block);
            after.extend(block);
        }
        let taken = decibels(&before[96_000..]) - decibels(&after[96_000..]);
        assert!(taken < 6.0, "{taken} dB");
    }
}
