//! Sound as the rest knows it: 48,000 samples a second, one channel, floats of -1 to 1, in blocks of 10 ms.

pub(crate) mod level;
pub(crate) mod mix;
pub(crate) mod pace;
pub(crate) mod resample;
pub mod sinks;
pub mod sources;
pub(crate) mod stretch;

use std::time::Duration;

use crate::trouble::Trouble;

/// Samples a second.
pub const RATE: usize = 48_000;
/// Samples in a block: 10 ms.
pub const BLOCK: usize = 480;
pub type Block = [f32; BLOCK];

/// Where sound comes from: a microphone, a file, a tone.
pub trait AudioIn: Send {
    /// Takes the next block if it is there, and never waits. `now` is the time since the conference began.
    fn read(&mut self, now: Duration, block: &mut Block) -> bool;

    /// Whether it hears the room, and with it what is played: then echo and noise are taken out.
    fn is_live(&self) -> bool {
        false
    }

    /// What is wrong with it now.
    fn trouble(&self) -> Option<Trouble> {
        None
    }

    /// Whether nothing more will come, as at the end of a file.
    fn has_ended(&self) -> bool {
        false
    }
}

/// Where sound goes to: a loudspeaker, a file, nowhere.
pub trait AudioOut: Send {
    /// How many blocks it takes now so that it does not run dry.
    fn wanted(&mut self, now: Duration) -> usize;

    /// Takes one, and never waits.
    fn write(&mut self, block: &Block);

    /// How long it takes until what is written is heard, as far as that is known.
    fn delay(&self) -> Duration {
        Duration::ZERO
    }

    fn trouble(&self) -> Option<Trouble> {
        None
    }
}
