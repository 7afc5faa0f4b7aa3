//! Opus (RFC 6716): frames of 20 ms at 32 kb/s, silence left out.

use opus::{Application, Bitrate, Channels};

use crate::audio::RATE;
use crate::trouble::Trouble;

/// Samples in a frame: 20 ms.
pub const FRAME: usize = 960;

pub struct Encoder {
    opus: opus::Encoder,
    bytes: [u8; MOST_BYTES],
}

impl Encoder {
    /// # Errors
    /// `Trouble::Start`, when there is no memory for it.
    pub fn new() -> Result<Encoder, Trouble> {
        let make = || {
            let mut opus = opus::Encoder::new(HERTZ, Channels::Mono, Application::Voip)?;
            opus.set_bitrate(Bitrate::Bits(BITS_A_SECOND))?;
            opus.set_complexity(COMPLEXITY)?;
            opus.set_dtx(true)?;
            Ok(Encoder { opus, bytes: [0; MOST_BYTES] })
        };
        make().map_err(|error: opus::Error| Trouble::Start(error.description().to_owned()))
    }

    /// The frame's bytes, or `None` where it is as silent as those before it.
    pub fn encode(&mut self, frame: &[f32]) -> Option<&[u8]> {
        let length = self.opus.encode_float(frame, &mut self.bytes).ok()?;
        let is_silent = length <= 2 || self.opus.get_in_dtx().unwrap_or(false);
        (!is_silent).then(|| &self.bytes[..length])
    }

    /// From `percent` of loss on, frames carry a coarse copy of the one before (RFC 6716, 2.1.7).
    pub fn expect_loss(&mut self, percent: u8) {
        // A codec that refuses a hint encodes as before.
        let _ = self.opus.set_inband_fec(percent >= LOSS_FOR_COPIES);
        let _ = self.opus.set_packet_loss_perc(i32::from(percent.min(100)));
    }

    /// What comes next has nothing to do with what was before.
    pub fn begin_anew(&mut self) {
        let _ = self.opus.reset_state();
    }
}

pub struct Decoder {
    opus: opus::Decoder,
}

impl Decoder {
    /// # Errors
    /// `Trouble::Start`, when there is no memory for it.
    pub fn new() -> Result<Decoder, Trouble> {
        let opus = opus::Decoder::new(HERTZ, Channels::Mono);
        opus.map(|opus| Decoder { opus }).map_err(|error| Trouble::Start(error.description().to_owned()))
    }

    /// Whether it is a frame. What is none leaves the sound as it was.
    pub fn decode(&mut self, bytes: &[u8], sound: &mut [f32; FRAME]) -> bool {
        !bytes.is_empty() && is_whole(&self.opus.decode_float(bytes, sound, false))
    }

    /// Makes a frame up that did not come: from the coarse copy in the next one, if that is here and has one.
    pub fn conceal(&mut self, next: Option<&[u8]>, sound: &mut [f32; FRAME]) {
        let copied = next.is_some_and(|next| is_whole(&self.opus.decode_float(next, sound, true)));
        if !copied && !is_whole(&self.opus.decode_float(&[], sound, false)) {
            sound.fill(0.0);
        }
    }
}

fn is_whole(decoded: &Result<usize, opus::Error>) -> bool {
    decoded.as_ref().is_ok_and(|samples| *samples == FRAME)
}

const HERTZ: u32 = RATE as u32;
const BITS_A_SECOND: i32 = 32_000;
/// Of 10. The highest costs a third more for speech that nobody tells apart.
const COMPLEXITY: i32 = 8;
/// A frame at the highest rate that a change of loudness can take it to.
const MOST_BYTES: usize = 400;
/// Percent.
const LOSS_FOR_COPIES: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_frame_is_no_sound() {
        let mut decoder = Decoder::new().unwrap();
        let mut sound = [0.5; FRAME];
        for bytes in [&[][..], &[0xff], &[0xff; 300], &[0x03, 0xff, 0xff]] {
            assert!(!decoder.decode(bytes, &mut sound), "{bytes:?}");
        }
        decoder.conceal(Some(&[0xff; 20]), &mut sound);
        assert!(sound.iter().all(|sample| sample.is_finite()));
    }

    #[test]
    fn silence_after_speech_is_left_out_and_a_steady_tone_is_not() {
        let mut encoder = Encoder::new().unwrap();
        let frame = |at: usize| {
            let sample =
                |i: usize| 0.3 * (std::f32::consts::TAU * 440.0 * (at * FRAME + i) as f32 / 48_000.0).sin();
            std::array::from_fn::<f32, FRAME, _>(sample)
        };
        for at in 0..500 {
            assert!(encoder.encode(&frame(at)).is_some(), "the tone at {at}");
        }
        let sent = (0..100).filter(|_| encoder.encode(&[0.0; FRAME]).is_some()).count();
        assert!(sent < 25, "{sent} of 100 silent frames were sent");
    }
}
