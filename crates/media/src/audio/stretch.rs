//! Making speech a little shorter or longer without changing its pitch: one period of it is left out or said twice, where the
//! two sound most alike (as in waveform-similarity overlap-add).

/// How alike two periods have to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Care {
    /// Only where nobody hears it.
    Fine,
    /// Wherever it goes best.
    Any,
}

/// Samples that are needed to look for a period.
pub const NEEDED: usize = 2 * LONGEST;

/// Leaves one period out at the beginning of `sound`. How many samples that were, 0 where there is no place for it.
pub fn shorten(sound: &mut Vec<f32>, care: Care) -> usize {
    let Some(period) = period(sound, care) else {
        return 0;
    };
    for at in 0..period {
        let late = at as f32 / period as f32;
        sound[at] = sound[at] * (1.0 - late) + sound[at + period] * late;
    }
    sound.drain(period..2 * period);
    period
}

/// Says one period twice at the beginning of `sound`. How many samples that were, 0 where there is no place for it.
pub fn lengthen(sound: &mut Vec<f32>, care: Care) -> usize {
    let Some(period) = period(sound, care) else {
        return 0;
    };
    let again: Vec<f32> = (0..period)
        .map(|at| {
            let late = at as f32 / period as f32;
            sound[at + period] * (1.0 - late) + sound[at] * late
        })
        .collect();
    sound.splice(period..period, again);
    period
}

fn period(sound: &[f32], care: Care) -> Option<usize> {
    if sound.len() < NEEDED {
        return None;
    }
    // Coarse first: speech is smooth at 48 kHz.
    let coarse = (SHORTEST..=LONGEST)
        .step_by(4)
        .map(|lag| (alike(sound, lag), lag))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let (_, near) = coarse?;
    let around = near.saturating_sub(3).max(SHORTEST)..=(near + 3).min(LONGEST);
    let (best, period) = around.map(|lag| (alike(sound, lag), lag)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (care == Care::Any || best >= ALIKE).then_some(period)
}

/// 1 where both are the same, 0 where they have nothing in common.
fn alike(sound: &[f32], lag: usize) -> f32 {
    let (first, second) = (&sound[..COMPARED], &sound[lag..lag + COMPARED]);
    let (mut product, mut one, mut other) = (0.0, 0.0, 0.0);
    for (a, b) in first.iter().zip(second) {
        product += a * b;
        one += a * a;
        other += b * b;
    }
    let energy: f32 = one * other;
    // Silence is like silence.
    if energy < 1e-9 { 1.0 } else { product / energy.sqrt() }
}

/// Periods of voices, 100 to 400 Hz, in samples.
const SHORTEST: usize = 120;
const LONGEST: usize = 480;
const COMPARED: usize = 480;
const ALIKE: f32 = 0.85;

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, samples: usize) -> Vec<f32> {
        (0..samples).map(|i| (std::f32::consts::TAU * hertz * i as f32 / 48_000.0).sin()).collect()
    }

    /// The largest step between two samples: a click is a large one.
    fn steepest(sound: &[f32]) -> f32 {
        sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_tone_gets_shorter_and_longer_without_a_click() {
        for hertz in [110.0, 180.0, 250.0, 391.0, 1_000.0] {
            let original = tone(hertz, 1_440);
            for change in [shorten, lengthen] {
                let mut sound = original.clone();
                let samples = change(&mut sound, Care::Fine);
                assert!((SHORTEST..=LONGEST).contains(&samples), "{hertz} Hz: {samples}");
                assert_eq!(sound.len().abs_diff(original.len()), samples);
                assert!(
                    steepest(&sound) < steepest(&original) * 1.1,
                    "{hertz} Hz clicks: {}",
                    steepest(&sound)
                );
            }
        }
    }

    #[test]
    fn what_has_no_period_is_left_alone_unless_it_must_be() {
        let mut seed = 1u32;
        let noise: Vec<f32> = (0..1_440)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect();
        assert_eq!(shorten(&mut noise.clone(), Care::Fine), 0);
        assert!(shorten(&mut noise.clone(), Care::Any) > 0);
        assert_eq!(lengthen(&mut vec![0.0; NEEDED - 1], Care::Any), 0, "too short to say");
    }
}
