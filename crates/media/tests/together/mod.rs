//! Several sessions on a network in memory, in virtual time: loss, bursts, uneven delay, clocks that differ. Seeded.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use lanyard_media::session::{Session, Transmit};
use lanyard_media::{AudioIn, AudioOut, BLOCK, Block, Key, Member, Report, SenderId, Setup, Way};

/// What a network does to each packet on its way to each listener.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// Percent of the packets that begin a loss, and how many in a row are lost then.
    pub loss: f64,
    pub burst: u32,
    /// Microseconds: the same for all, and at random on top.
    pub delay: u64,
    pub jitter: u64,
}

pub const CALM: Network = Network { loss: 0.0, burst: 1, delay: 500, jitter: 0 };

pub struct Participant {
    pub session: Session,
    pub microphone: Box<dyn AudioIn>,
    pub heard: Heard,
    /// How much faster its clock and devices run, in parts of a million.
    pub drift: i64,
    /// Packets of these do not come by multicast.
    pub deaf_to: BTreeSet<usize>,
    sender: SenderId,
    losing: BTreeMap<usize, u32>,
}

/// A speaker that keeps what is played.
#[derive(Default)]
pub struct Heard {
    pub samples: Vec<f32>,
}

impl AudioOut for Heard {
    fn wanted(&mut self, now: Duration) -> usize {
        (now.as_millis() as usize / 10 + 1).saturating_sub(self.samples.len() / BLOCK)
    }

    fn write(&mut self, block: &Block) {
        self.samples.extend(block);
    }
}

pub struct Together {
    pub participants: Vec<Participant>,
    pub network: Network,
    pub packets: u64,
    pub now: Duration,
    /// What is on its way, by when it comes, and in which order it was sent.
    coming: BTreeMap<(Duration, u64), OnItsWay>,
    sent: u64,
    seed: u64,
}

struct OnItsWay {
    to: usize,
    from: usize,
    way: Way,
    packet: Vec<u8>,
}

impl Together {
    pub fn new(seed: u64, network: Network, microphones: Vec<Box<dyn AudioIn>>) -> Together {
        let count = microphones.len();
        let participants = microphones.into_iter().enumerate().map(|(index, microphone)| {
            let setup = Setup { call: [9; 16], sender: sender(index), key: key(index), muted: false };
            let mut session = Session::new(setup).expect("Opus is built in");
            let others = (0..count).filter(|other| *other != index).map(member).collect();
            session.set_members(others).expect("Opus is built in");
            Participant {
                session,
                microphone,
                heard: Heard::default(),
                drift: 0,
                deaf_to: BTreeSet::new(),
                sender: sender(index),
                losing: BTreeMap::new(),
            }
        });
        Together {
            participants: participants.collect(),
            network,
            packets: 0,
            now: Duration::ZERO,
            coming: BTreeMap::new(),
            sent: 0,
            seed,
        }
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// How `listener` hears `speaker`.
    pub fn hearing(&self, listener: usize, speaker: usize) -> lanyard_media::Hearing {
        let report = self.report(listener);
        report.members.into_iter().find(|hearing| hearing.sender == sender(speaker)).expect("it is a member")
    }

    pub fn report(&self, of: usize) -> Report {
        let participant = &self.participants[of];
        participant.session.report(participant.time(self.now))
    }

    /// A millisecond.
    fn step(&mut self) {
        let before = self.now;
        self.now += Duration::from_millis(1);
        while let Some(entry) = self.coming.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let ((at, _), OnItsWay { to, from, way, packet }) = entry.remove_entry();
            let participant = &mut self.participants[to];
            let mut out = Vec::new();
            participant.session.receive(participant.time(at), way, address(from), &packet, &mut out);
            self.send(to, out);
        }
        for index in 0..self.participants.len() {
            let participant = &mut self.participants[index];
            let (earlier, now) = (participant.time(before), participant.time(self.now));
            if earlier.as_millis() / 10 != now.as_millis() / 10 {
                let mut out = Vec::new();
                let Participant { session, microphone, heard, .. } = participant;
                session.tick(now, microphone.as_mut(), heard, &mut out);
                self.send(index, out);
            }
        }
    }

    fn send(&mut self, from: usize, out: Vec<Transmit>) {
        for transmit in out {
            self.packets += 1;
            match transmit {
                Transmit::Group(packet) => {
                    for to in (0..self.participants.len()).filter(|to| *to != from) {
                        if !self.participants[to].deaf_to.contains(&from) {
                            self.carry(from, to, Way::Multicast, packet.clone());
                        }
                    }
                }
                Transmit::To(to, packet) => self.carry(from, usize::from(to.port()), Way::Unicast, packet),
            }
        }
    }

    fn carry(&mut self, from: usize, to: usize, way: Way, packet: Vec<u8>) {
        let Network { loss, burst, delay, jitter } = self.network;
        // So that `loss` is the share that is lost, whatever the length of a burst.
        let begins = loss / 100.0 / f64::from(burst);
        let chance = self.random();
        let losing = self.participants[to].losing.entry(from).or_default();
        if *losing == 0 && chance < begins {
            *losing = burst;
        }
        if *losing > 0 {
            *losing -= 1;
            return;
        }
        let late = delay + (self.random() * jitter as f64) as u64;
        self.sent += 1;
        self.coming
            .insert((self.now + Duration::from_micros(late), self.sent), OnItsWay { to, from, way, packet });
    }

    /// 0.0..1.0 (SplitMix64).
    fn random(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Participant {
    /// Its own clock.
    fn time(&self, now: Duration) -> Duration {
        let nanos = now.as_nanos() as i128;
        Duration::from_nanos((nanos + nanos * i128::from(self.drift) / 1_000_000) as u64)
    }
}

pub fn sender(index: usize) -> SenderId {
    SenderId([index as u8 + 1; 8])
}

pub fn key(index: usize) -> Key {
    Key { secret: [index as u8 + 1; 32], odd: false }
}

pub fn member(index: usize) -> Member {
    Member { sender: sender(index), key: key(index), old_key: None, unicast: None, relay: None }
}

/// The port says who it is.
pub fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([192, 168, 1, 1], index as u16))
}

/// Decibels of one frequency among samples (Goertzel); of a sine at full scale −3.
pub fn tone_level(samples: &[f32], hertz: f32) -> f32 {
    let step = std::f64::consts::TAU * f64::from(hertz) / 48_000.0;
    let (mut before, mut last) = (0.0, 0.0);
    for sample in samples {
        let next = f64::from(*sample) + 2.0 * step.cos() * last - before;
        before = last;
        last = next;
    }
    let power = last * last + before * before - 2.0 * step.cos() * last * before;
    let half = samples.len() as f64 / 2.0;
    (10.0 * (power / (half * half) / 2.0).max(1e-12).log10()) as f32
}

/// Speech as far as codecs and buffers care: vowels of a changing pitch, hisses, and pauses between words and sentences.
pub struct Speech {
    at: u64,
    given: u64,
    phase: f32,
    seed: u32,
}

impl Speech {
    pub fn new(seed: u32) -> Speech {
        Speech { at: 0, given: 0, phase: 0.0, seed }
    }
}

impl AudioIn for Speech {
    fn read(&mut self, now: Duration, block: &mut Block) -> bool {
        if self.given > now.as_millis() as u64 / 10 {
            return false;
        }
        self.given += 1;
        for sample in block {
            let time = self.at as f32 / 48_000.0;
            // A word of 350 ms, a gap of 50, and a breath of 400 every three seconds.
            let within = time % 0.4;
            let is_breath = time % 3.0 > 2.6;
            let loud = if is_breath || within > 0.35 {
                0.0
            } else {
                0.3 * (within / 0.35 * std::f32::consts::PI).sin()
            };
            self.phase += (140.0 + 40.0 * (time * 3.0).sin()) / 48_000.0;
            let voice: f32 =
                (1..8).map(|n| (std::f32::consts::TAU * self.phase * n as f32).sin() / n as f32).sum::<f32>()
                    * 0.5;
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let hiss = (self.seed >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let is_hiss = (time / 0.4) as u32 % 4 == 3;
            *sample = loud * if is_hiss { hiss * 0.3 } else { voice };
            self.at += 1;
        }
        true
    }
}
