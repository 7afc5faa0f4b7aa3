//! What a call sees of a device: a few blocks that wait, and a thread that keeps the device open behind them.

use std::collections::VecDeque;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::open::{self, Role};
use crate::audio::pace::Pace;
use crate::audio::{AudioIn, AudioOut, BLOCK, Block, RATE};
use crate::trouble::Trouble;

/// Sound between a device's callback and the call, at 48 kHz.
#[derive(Default)]
pub struct Ring {
    pub samples: VecDeque<f32>,
    /// When the device called last; none while it is not open.
    pub called: Option<Instant>,
    /// Samples that it takes or gives at once.
    pub period: usize,
    /// How often a loudspeaker found too little behind what it was given; and whether it was given anything since.
    pub dry: u32,
    pub was_fed: bool,
    pub trouble: Option<Trouble>,
}

pub type Shared = Arc<Mutex<Ring>>;

/// Why a device's thread is woken.
pub enum Word {
    Broken(Trouble),
    End,
}

pub fn lock(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A microphone as a call has it.
pub struct Microphone {
    ring: Shared,
    keeper: Sender<Word>,
}

impl Microphone {
    pub fn open(name: Option<String>) -> Microphone {
        let (ring, keeper) = keep(Role::Microphone, name);
        Microphone { ring, keeper }
    }
}

impl AudioIn for Microphone {
    fn read(&mut self, _: Duration, block: &mut Block) -> bool {
        let mut ring = lock(&self.ring);
        // What gathered while nobody took it would be heard late for ever.
        let most = MOST_HEARD.max(3 * ring.period);
        if ring.samples.len() > most {
            let newest = ring.samples.len() - (BLOCK + ring.period);
            ring.samples.drain(..newest);
        }
        if ring.samples.len() < BLOCK {
            return false;
        }
        block.iter_mut().zip(ring.samples.drain(..BLOCK)).for_each(|(to, from)| *to = from);
        true
    }

    fn is_live(&self) -> bool {
        true
    }

    fn trouble(&self) -> Option<Trouble> {
        lock(&self.ring).trouble.clone()
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        // Not joined: closing a device may take a while, and the call goes on with the next.
        let _ = self.keeper.send(Word::End);
    }
}

/// What plays sound, as a call has it.
pub struct Speaker {
    ring: Shared,
    keeper: Sender<Word>,
    /// Without a device the sound still goes by in time.
    pace: Pace,
    /// More than the device's period: what is kept ready, in samples.
    ahead: usize,
    dry: u32,
    /// When it was last too little, or last made less.
    judged: Duration,
}

impl Speaker {
    pub fn open(name: Option<String>) -> Speaker {
        let (ring, keeper) = keep(Role::Speaker, name);
        Speaker { ring, keeper, pace: Pace::default(), ahead: LEAST_AHEAD, dry: 0, judged: Duration::ZERO }
    }
}

impl AudioOut for Speaker {
    fn wanted(&mut self, now: Duration) -> usize {
        let due = self.pace.due(now);
        let ring = lock(&self.ring);
        if ring.called.is_none() {
            return due;
        }
        (0..due).for_each(|_| self.pace.done());
        if ring.dry != self.dry {
            self.dry = ring.dry;
            self.ahead = (self.ahead + BLOCK / 2).min(MOST_AHEAD);
            self.judged = now;
        } else if now.saturating_sub(self.judged) >= LONG_ENOUGH {
            self.ahead = self.ahead.saturating_sub(BLOCK / 2).max(LEAST_AHEAD);
            self.judged = now;
        }
        (self.ahead + ring.period).saturating_sub(ring.samples.len()).div_ceil(BLOCK)
    }

    fn write(&mut self, block: &Block) {
        let mut ring = lock(&self.ring);
        if ring.called.is_some() {
            ring.samples.extend(block);
            ring.was_fed = true;
        } else {
            self.pace.done();
        }
    }

    fn delay(&self) -> Duration {
        let ring = lock(&self.ring);
        Duration::from_micros(((ring.samples.len() + ring.period) * 1_000_000 / RATE) as u64)
    }

    fn trouble(&self) -> Option<Trouble> {
        lock(&self.ring).trouble.clone()
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        let _ = self.keeper.send(Word::End);
    }
}

/// Keeps a device open until it is told to end.
fn keep(role: Role, name: Option<String>) -> (Shared, Sender<Word>) {
    let ring = Shared::default();
    let (keeper, words) = channel();
    let (shared, broken) = (ring.clone(), keeper.clone());
    let run = move || {
        let mut was_open = false;
        loop {
            let opened = open::open(role, name.as_deref(), &shared, &broken);
            let trouble = match opened {
                Ok(stream) => {
                    was_open = true;
                    lock(&shared).trouble = None;
                    let trouble = loop {
                        match words.recv_timeout(LOOKED_AT) {
                            Ok(Word::End) | Err(RecvTimeoutError::Disconnected) => return,
                            Ok(Word::Broken(trouble)) => break trouble,
                            // Some systems say nothing when a device is pulled out: it only calls no more.
                            Err(RecvTimeoutError::Timeout) if is_silent(&shared) => break role.gone(),
                            Err(RecvTimeoutError::Timeout) => {}
                        }
                    };
                    drop(stream);
                    trouble
                }
                Err(trouble) => told(role, trouble, was_open),
            };
            tracing::info!(%trouble, "a device for sound cannot be used");
            *lock(&shared) = Ring { trouble: Some(trouble), ..Ring::default() };
            let again = Instant::now() + TRIED_AGAIN;
            loop {
                // What the closed stream still says is not of the next one.
                match words.recv_timeout(again.saturating_duration_since(Instant::now())) {
                    Ok(Word::End) | Err(RecvTimeoutError::Disconnected) => return,
                    Ok(Word::Broken(_)) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
        }
    };
    if let Err(error) = Builder::new().name("call-device".to_owned()).spawn(run) {
        lock(&ring).trouble = Some(role.broken(error.to_string()));
    }
    (ring, keeper)
}

/// Who had a microphone misses it, and does not look for one; who never had one has not lost it, whatever the system calls that.
fn told(role: Role, trouble: Trouble, was_open: bool) -> Trouble {
    let absent = trouble == role.none() || trouble == role.gone();
    match (absent, was_open) {
        (true, true) => role.gone(),
        (true, false) => role.none(),
        (false, _) => trouble,
    }
}

fn is_silent(ring: &Mutex<Ring>) -> bool {
    lock(ring).called.is_some_and(|called| called.elapsed() > CALLS_NO_MORE)
}

const LOOKED_AT: Duration = Duration::from_millis(500);
const CALLS_NO_MORE: Duration = Duration::from_secs(2);
const TRIED_AGAIN: Duration = Duration::from_secs(2);
/// Samples: 60 ms.
const MOST_HEARD: usize = 6 * BLOCK;
/// Samples: what a scheduler may be late by, at first, and at the most.
const LEAST_AHEAD: usize = BLOCK;
const MOST_AHEAD: usize = 10 * BLOCK;
/// After that, less is tried again.
const LONG_ENOUGH: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_gone_only_where_there_was_one() {
        for (role, none, gone) in [
            (Role::Microphone, Trouble::NoMicrophone, Trouble::MicrophoneGone),
            (Role::Speaker, Trouble::NoSpeaker, Trouble::SpeakerGone),
        ] {
            for said in [&none, &gone] {
                assert_eq!(told(role, said.clone(), false), none);
                assert_eq!(told(role, said.clone(), true), gone);
            }
        }
        assert_eq!(told(Role::Speaker, Trouble::SpeakerBusy, true), Trouble::SpeakerBusy);
    }
}
