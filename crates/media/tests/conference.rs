//! Conferences in real time, on a network in memory.
#![allow(clippy::unwrap_used)] // A test that fails may panic; its helpers as well.

mod together;

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lanyard_media::audio::sources::{Silence, Tone};
use lanyard_media::{AudioIn, AudioOut, BLOCK, Block, Hearing, Report, Trouble};

use together::tone_level;
use together::wire::{Net, start, two_wires};

/// What was played, for the test to look at; paced by the clock.
#[derive(Clone, Default)]
struct Kept {
    samples: Arc<Mutex<Vec<f32>>>,
}

impl AudioOut for Kept {
    fn wanted(&mut self, now: Duration) -> usize {
        (now.as_millis() as usize / 10 + 1).saturating_sub(self.samples.lock().unwrap().len() / BLOCK)
    }

    fn write(&mut self, block: &Block) {
        self.samples.lock().unwrap().extend(block);
    }
}

impl Kept {
    /// Of the last half second.
    fn tone(&self, hertz: f32) -> f32 {
        let samples = self.samples.lock().unwrap();
        tone_level(&samples[samples.len().saturating_sub(24_000)..], hertz)
    }
}

/// A microphone that was pulled out.
struct Gone;

impl AudioIn for Gone {
    fn read(&mut self, _: Duration, _: &mut Block) -> bool {
        false
    }

    fn trouble(&self) -> Option<Trouble> {
        Some(Trouble::MicrophoneGone)
    }
}

fn is_heard(report: &Report, is_so: impl Fn(&Hearing) -> bool) -> bool {
    report.members.first().is_some_and(is_so)
}

/// Waits until it is so.
fn until(what: &str, report: impl Fn() -> Report, is_so: impl Fn(&Report) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so(&report()) {
        assert!(Instant::now() < deadline, "{what}: {:#?}", report());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_hear_each_other_change_their_microphones_and_leave() {
    let [first_wire, second_wire] = two_wires();
    let heard = Kept::default();
    let first = start(0, first_wire, Box::new(Tone::new(1_000.0, 0.5)), Box::new(Kept::default()));
    let second = start(1, second_wire, Box::new(Silence::default()), Box::new(heard.clone()));
    until("the tone is heard", || second.report(), |report| is_heard(report, |hearing| hearing.frames > 50));
    until("it is the tone", || second.report(), |_| heard.tone(1_000.0) > -10.0);

    // Another microphone in mid-call, and then none: the call goes on.
    first.replace_microphone(Box::new(Tone::new(600.0, 0.5)));
    until("the other tone is heard", || second.report(), |_| heard.tone(600.0) > -10.0);
    first.replace_microphone(Box::new(Gone));
    until(
        "it is said that it is gone",
        || first.report(),
        |report| report.trouble.contains(&Trouble::MicrophoneGone),
    );
    until("nobody speaks", || second.report(), |report| is_heard(report, |hearing| !hearing.speaking));
    until(
        "and still is there",
        || second.report(),
        |report| is_heard(report, |hearing| hearing.by_multicast),
    );
    first.replace_microphone(Box::new(Tone::new(800.0, 0.5)));
    until("it is used again", || second.report(), |_| heard.tone(800.0) > -10.0);
    until("nothing is wrong", || first.report(), |report| !report.trouble.contains(&Trouble::MicrophoneGone));

    first.set_muted(true);
    until("it is muted", || first.report(), |report| report.me.muted);
    let left = Instant::now();
    drop(first);
    assert!(left.elapsed() < Duration::from_secs(2), "leaving took {:?}", left.elapsed());
    until(
        "who left is not heard",
        || second.report(),
        |report| is_heard(report, |hearing| !hearing.by_multicast),
    );
}

#[test]
fn a_network_that_takes_nothing_is_told_and_not_waited_for() {
    let (_, coming) = channel();
    let wire = Arc::new(Net { index: 0, others: Mutex::default(), coming: Mutex::new(coming) });
    let conference = start(0, wire, Box::new(Silence::default()), Box::new(Kept::default()));
    until(
        "it is said",
        || conference.report(),
        |report| {
            report
                .trouble
                .iter()
                .any(|trouble| matches!(trouble, Trouble::Network(why) if why.contains("gone")))
        },
    );
}
