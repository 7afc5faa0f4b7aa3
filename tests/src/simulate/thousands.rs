//! Presence on a network of so many hosts that what each knows of each other would fill no machine's memory: each host has
//! the turns of the protocol, as they are, and of the others one bit each.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use lanyard_proto::identity::Identity;
use lanyard_proto::model::{Instant, Platform, UnixMillis};
use lanyard_proto::pacing::Dice;
use lanyard_proto::presence::{Turns, interval};
use lanyard_proto::wire::datagram::{Announcement, Envelope, NetworkTag, Query, kind};

use super::play::{PRESENCE_STEADY, PRESENCE_WATCHED};
use super::{Score, Setting};
use crate::sim::{Spent, Weather, Who};

/// Everybody starts, and nobody talks. What reaches a host reaches it when it reaches the others.
pub fn watch(setting: &Setting, seed: u64, dice: Dice) -> Score {
    let mut crowd = Crowd::begin(setting, seed, dice);
    let start = Instant(0) + setting.starting;
    let pairs = setting.nodes * (setting.nodes - 1);
    // The more there are, the rarer their turns.
    let longer = (interval(setting.nodes - 1).as_secs_f64() / 60.0).max(1.0);
    let (watched, steady) = (PRESENCE_WATCHED.mul_f64(longer), PRESENCE_STEADY.mul_f64(longer));
    let end = start + watched;
    let mut known = watched;
    while let Some(at) = crowd.step().filter(|at| *at <= end) {
        if known == watched && crowd.known * 100 >= pairs * 99 {
            known = at.since(start);
        }
    }
    let from = end - steady;
    Score {
        known: known.as_secs_f64(),
        peak: crowd.spent.most_announcements_in_a_second() as f64,
        steady: crowd.spent.announced_bytes_between(from, end) as f64 / steady.as_secs_f64(),
        bytes_per_second: crowd.spent.bytes_between(from, end) as f64 / steady.as_secs_f64(),
        ..Score::default()
    }
}

struct Crowd<'a> {
    setting: &'a Setting,
    dice: Dice,
    weather: Weather,
    hosts: Vec<Host>,
    queue: BinaryHeap<Reverse<(Instant, u64, Planned)>>,
    planned: u64,
    /// Pairs of which one knows the other.
    known: usize,
    spent: Spent,
}

struct Host {
    identity: Identity,
    /// `None` before its start.
    turns: Option<Turns>,
    dice: Dice,
    woken: Option<Instant>,
    knows: Vec<u64>,
    others: usize,
    counter: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Planned {
    Start(usize),
    Wake(usize),
    Heard { from: usize, asks: bool },
}

impl Crowd<'_> {
    fn begin(setting: &Setting, seed: u64, dice: Dice) -> Crowd<'_> {
        let host = |n: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.to_be_bytes());
            bytes[8..16].copy_from_slice(&(n as u64 + 1).to_be_bytes());
            Host {
                identity: Identity::from_seed(&bytes),
                turns: None,
                dice: Dice::seeded(bytes),
                woken: None,
                knows: vec![0; setting.nodes.div_ceil(64)],
                others: 0,
                counter: 0,
            }
        };
        let mut crowd = Crowd {
            setting,
            dice,
            weather: Weather::default(),
            hosts: (0..setting.nodes).map(host).collect(),
            queue: BinaryHeap::new(),
            planned: 0,
            known: 0,
            spent: Spent::default(),
        };
        for n in 0..setting.nodes {
            let at = Instant(0) + crowd.dice.span(Duration::ZERO..setting.starting);
            crowd.plan(at, Planned::Start(n));
        }
        crowd
    }

    /// What happens next, and when it did.
    fn step(&mut self) -> Option<Instant> {
        let Reverse((now, _, what)) = self.queue.pop()?;
        match what {
            Planned::Start(n) => {
                let host = &mut self.hosts[n];
                host.turns = Some(Turns::new(now, &mut host.dice));
                self.arm(n);
            }
            Planned::Wake(n) => {
                // Whoever was asked meanwhile is woken earlier, and again.
                if self.hosts[n].woken == Some(now) {
                    self.wake(n, now);
                }
            }
            Planned::Heard { from, asks } => self.heard(from, asks, now),
        }
        Some(now)
    }

    fn wake(&mut self, n: usize, now: Instant) {
        let host = &mut self.hosts[n];
        host.woken = None;
        let due = host.turns.as_mut().and_then(|turns| turns.due(host.others, now, &mut host.dice));
        if let Some(due) = due {
            let datagram = self.announcement(n, due.query);
            self.spent.count(&datagram, now);
            let air = &self.setting.air;
            if let Some(left) = air.leave(Who::of(n), datagram.len(), now, &mut self.weather, &mut self.dice)
            {
                let at = left + self.dice.span(air.latency.clone());
                self.plan(at, Planned::Heard { from: n, asks: due.query == Query::Yes });
            }
        }
        self.arm(n);
    }

    fn announcement(&mut self, n: usize, query: Query) -> Vec<u8> {
        let host = &mut self.hosts[n];
        host.counter += 1;
        let seconds = interval(host.others).as_secs().try_into().unwrap_or(u16::MAX);
        let peers = host.others.try_into().unwrap_or(u16::MAX);
        let said = Announcement::new(&format!("p{n}"), Platform::Linux, 24417, seconds, peers, query)
            .with_clock(UnixMillis(1_795_132_800_000));
        let (counter, network, sender) = (host.counter, NetworkTag::of("default"), host.identity.peer_id());
        Envelope { kind: kind::ANNOUNCE, boot: 1, counter, network, sender }
            .sign(&host.identity, &said.encode())
    }

    fn heard(&mut self, from: usize, asks: bool, now: Instant) {
        let (word, bit) = (from / 64, 1 << (from % 64));
        for n in (0..self.hosts.len()).filter(|n| *n != from) {
            if !self.setting.air.arrives(Who::of(n), &mut self.weather, &mut self.dice) {
                continue;
            }
            let host = &mut self.hosts[n];
            let Some(turns) = &mut host.turns else { continue };
            turns.heard(now);
            if host.knows[word] & bit == 0 {
                host.knows[word] |= bit;
                host.others += 1;
                self.known += 1;
            }
            if asks {
                turns.asked(host.others, now, &mut host.dice);
                self.arm(n);
            }
        }
    }

    fn arm(&mut self, n: usize) {
        let deadline = self.hosts[n].turns.as_ref().and_then(Turns::deadline);
        if let Some(at) = deadline.filter(|at| self.hosts[n].woken != Some(*at)) {
            self.hosts[n].woken = Some(at);
            self.plan(at, Planned::Wake(n));
        }
    }

    fn plan(&mut self, at: Instant, what: Planned) {
        self.planned += 1;
        self.queue.push(Reverse((at, self.planned, what)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{SCENARIOS, play};

    #[test]
    fn it_counts_what_whole_devices_do() {
        let find =
            |name| SCENARIOS.iter().find(|scenario| scenario.name == name).expect("there is such a one");
        let score = |name| play(&Setting { nodes: 60, ..(find(name).whole)() }, 1);
        let (whole, turns) = (score("presence"), score("thousands"));
        let alike = |one: f64, other: f64| (one - other).abs() <= one.max(other) * 0.15 + 1.0;
        assert!(alike(whole.peak, turns.peak), "{whole:?}, {turns:?}");
        assert!(alike(whole.steady, turns.steady), "{whole:?}, {turns:?}");
        assert!(alike(whole.known, turns.known), "{whole:?}, {turns:?}");
    }
}
