//! What is played: each scenario is a setting with a name.

use std::time::Duration;

use crate::sim::{Air, Medium, Tcp};

/// One network and what happens on it.
#[derive(Clone, Debug)]
pub struct Setting {
    pub nodes: usize,
    pub talkers: usize,
    pub messages: usize,
    /// Messages a second of each talker.
    pub rate: f64,
    /// Characters of a message, from and to.
    pub length: std::ops::Range<usize>,
    pub air: Air,
    /// All hosts start within this, and have as long again, and some more, to find each other.
    pub starting: Duration,
    pub trouble: Trouble,
    /// How long everything may take once the last word is said.
    pub patience: Duration,
}

/// What happens besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Nothing,
    /// The network falls into halves before the first word and is whole again after the last.
    Halves,
    /// Programs are killed and started again, all the time.
    Crashes,
    /// Some clocks are wrong, by minutes, hours and years.
    Clocks,
    /// Nothing but presence: nobody talks.
    Silence,
    /// The same, and of each host only when it announces itself.
    Thousands,
    /// Each host that multicast does not reach is linked by address to some others.
    Links,
    /// Everything by chance: size, loss, crashes, partitions.
    Anything,
}

impl Trouble {
    /// People talk in several rooms, change what they said, and miss much.
    pub fn is_rough(self) -> bool {
        matches!(self, Trouble::Crashes | Trouble::Anything)
    }
}

pub struct Scenario {
    pub name: &'static str,
    /// A sentence for people.
    pub what: &'static str,
    /// As it is judged.
    pub whole: fn() -> Setting,
    /// Small enough to run with every check; `None` if it says nothing when it is small.
    pub short: Option<fn() -> Setting>,
    /// How many seeds each takes: whole, short.
    pub seeds: (u64, u64),
}

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "clean",
        what: "fifty people on a network that loses nothing",
        whole: || talk(3000, 0.0),
        short: Some(|| talk(300, 0.0)),
        seeds: (1, 1),
    },
    Scenario {
        name: "lossy",
        what: "ten of fifty talk where 30 % is lost on the way out and 30 % on the way in",
        whole: || talk(3000, 0.3),
        short: Some(|| talk(300, 0.3)),
        seeds: (1, 1),
    },
    Scenario {
        name: "quiet-loss",
        what: "the same with 1 % and 1 %",
        whole: || talk(3000, 0.01),
        short: Some(|| talk(300, 0.01)),
        seeds: (1, 1),
    },
    Scenario {
        name: "pair",
        what: "two people where 30 % is lost on the way out and 30 % on the way in",
        whole: || Setting { nodes: 2, talkers: 2, ..talk(600, 0.3) },
        short: Some(|| Setting { nodes: 2, talkers: 2, ..talk(100, 0.3) }),
        seeds: (8, 2),
    },
    Scenario {
        name: "bursts",
        what: "loss that comes in bursts at each host, and some datagrams twice",
        whole: || Setting { air: bursts(), ..talk(1500, 0.0) },
        short: Some(|| Setting { air: bursts(), ..talk(300, 0.0) }),
        seeds: (1, 1),
    },
    Scenario {
        name: "partition",
        what: "two halves of 25 for ten minutes, then whole again at 1 % loss",
        whole: || halves(1500, 0.01),
        short: Some(|| halves(300, 0.01)),
        seeds: (3, 1),
    },
    Scenario {
        name: "partition-lossy",
        what: "two halves of 25 for ten minutes, then whole again at 30 % and 30 %",
        whole: || halves(1500, 0.3),
        short: None,
        seeds: (3, 1),
    },
    Scenario {
        name: "crowded",
        what: "fifty say five messages a second each over 6 Mbit/s that all share",
        whole: || crowded(15_000),
        short: Some(|| crowded(1500)),
        seeds: (1, 1),
    },
    Scenario {
        name: "crowd",
        what: "a thousand hosts, ten of whom talk, at 30 % and 30 %",
        whole: || Setting { nodes: 1000, starting: Duration::from_secs(30), ..talk(100, 0.3) },
        short: None,
        seeds: (1, 1),
    },
    Scenario {
        name: "presence",
        what: "a thousand start within a second",
        whole: || presence(1000),
        short: Some(|| presence(200)),
        seeds: (1, 1),
    },
    Scenario {
        name: "thousands",
        what: "ten thousand start within a second: when they announce themselves, and who is known",
        whole: || Setting { trouble: Trouble::Thousands, ..presence(10_000) },
        short: Some(|| Setting { trouble: Trouble::Thousands, ..presence(1000) }),
        seeds: (1, 1),
    },
    Scenario {
        name: "deaf",
        what: "twenty whom no multicast reaches, linked by address to three others each",
        whole: || deaf(600),
        short: Some(|| deaf(100)),
        seeds: (1, 1),
    },
    Scenario {
        name: "clocks",
        what: "clocks that are wrong by minutes, an hour and ten years",
        whole: || Setting { nodes: 20, trouble: Trouble::Clocks, ..talk(600, 0.05) },
        short: Some(|| Setting { nodes: 20, trouble: Trouble::Clocks, ..talk(100, 0.05) }),
        seeds: (2, 1),
    },
    Scenario {
        name: "crashes",
        what: "programs that are killed and started again all the time and miss much, at 10 % and 10 %, in several rooms",
        whole: || Setting { nodes: 20, trouble: Trouble::Crashes, ..talk(1500, 0.1) },
        short: Some(|| Setting { nodes: 20, trouble: Trouble::Crashes, ..talk(200, 0.1) }),
        seeds: (4, 1),
    },
    Scenario {
        name: "random",
        what: "2 to 200 hosts, up to 50 % lost, crashes, partitions and backlogs in several rooms, all by chance",
        whole: || Setting { trouble: Trouble::Anything, ..talk(150, 0.0) },
        short: Some(|| Setting { trouble: Trouble::Anything, ..talk(60, 0.0) }),
        seeds: (100, 4),
    },
];

/// Fifty hosts on a switch, ten of whom say something every other second.
fn talk(messages: usize, loss: f64) -> Setting {
    Setting {
        nodes: 50,
        talkers: 10,
        messages,
        rate: 0.5,
        length: 10..120,
        air: Air { loss_out: loss, loss_in: loss, tcp: Tcp::Lossy, ..wire() },
        starting: Duration::from_secs(2),
        trouble: Trouble::Nothing,
        patience: Duration::from_secs(300),
    }
}

fn halves(messages: usize, loss: f64) -> Setting {
    // As many as fit ten minutes.
    Setting { rate: messages as f64 / 6000.0, trouble: Trouble::Halves, ..talk(messages, loss) }
}

fn crowded(messages: usize) -> Setting {
    let medium = Medium { multicast_bits: 6e6, stream_bits: 24e6 };
    Setting { talkers: 50, rate: 5.0, air: Air { medium: Some(medium), ..wire() }, ..talk(messages, 0.0) }
}

fn presence(nodes: usize) -> Setting {
    Setting { nodes, starting: Duration::from_secs(1), trouble: Trouble::Silence, ..talk(0, 0.0) }
}

fn deaf(messages: usize) -> Setting {
    let air = Air { eats_multicast: true, ..wire() };
    Setting { nodes: 20, air, trouble: Trouble::Links, ..talk(messages, 0.0) }
}

fn bursts() -> Air {
    Air { bursts: true, doubled: 0.05, tcp: Tcp::Lossy, ..wire() }
}

fn wire() -> Air {
    Air { latency: Duration::from_micros(500)..Duration::from_millis(3), ..Air::default() }
}
