//! What a run is judged by, and how it is shown.

use std::fmt::Write;

use serde_json::{Map, Value, json};

/// Numbers of one run, or of several of one scenario: sums of faults, the worst of times, the mean of costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    pub messages: u64,
    /// Messages times hosts that should have them and do not.
    pub undelivered: u64,
    /// Messages that a host was told of twice.
    pub duplicates: u64,
    /// Hosts that show another order than the first, or other bytes than were said.
    pub misordered: u64,
    /// Seconds until the last host that should have a message has it.
    pub p50: f64,
    pub p99: f64,
    pub worst: f64,
    /// Seconds from the end of a partition until everybody has everything.
    pub healed: f64,
    /// Datagrams of rooms for each message, and bytes with all headers.
    pub datagrams: f64,
    pub bytes: f64,
    pub data: f64,
    pub heads: f64,
    pub nacks: f64,
    /// Bytes a second of everything multicast while people talk.
    pub bytes_per_second: f64,
    /// The most announcements in a second, and bytes of them a second in the end.
    pub peak: f64,
    pub steady: f64,
    /// Seconds until 99 % of all pairs know each other.
    pub known: f64,
    /// Connections that were dialled, and bytes over them for each message.
    pub dials: f64,
    pub streamed: f64,
}

/// Name, how many digits are shown, and how much more than the baseline is worse: a part of it, and besides.
pub struct Figure {
    pub name: &'static str,
    digits: usize,
    pub tolerance: (f64, f64),
    pub of: fn(&Score) -> f64,
}

const fn figure(name: &'static str, digits: usize, tolerance: (f64, f64), of: fn(&Score) -> f64) -> Figure {
    Figure { name, digits, tolerance, of }
}

/// Everything but the number of messages. Faults have no tolerance; times and costs vary with every change that draws
/// another chance, and the times of a few messages most.
pub const FIGURES: &[Figure] = &[
    figure("lost", 0, (0.0, 0.0), |score| score.undelivered as f64),
    figure("twice", 0, (0.0, 0.0), |score| score.duplicates as f64),
    figure("order", 0, (0.0, 0.0), |score| score.misordered as f64),
    figure("p50", 2, (0.3, 0.15), |score| score.p50),
    figure("p99", 2, (0.5, 0.5), |score| score.p99),
    figure("worst", 1, (1.0, 3.0), |score| score.worst),
    figure("healed", 1, (0.3, 1.0), |score| score.healed),
    figure("dgrams", 2, (0.1, 0.3), |score| score.datagrams),
    figure("bytes", 0, (0.1, 100.0), |score| score.bytes),
    figure("data", 2, (0.1, 0.2), |score| score.data),
    figure("heads", 2, (0.15, 0.2), |score| score.heads),
    figure("nacks", 2, (0.15, 0.2), |score| score.nacks),
    figure("B/s", 0, (0.1, 200.0), |score| score.bytes_per_second),
    figure("peak", 0, (0.1, 5.0), |score| score.peak),
    figure("steady", 0, (0.1, 200.0), |score| score.steady),
    figure("known", 1, (0.15, 1.0), |score| score.known),
    figure("dials", 0, (0.25, 20.0), |score| score.dials),
    figure("tcp", 0, (0.25, 200.0), |score| score.streamed),
];

impl Score {
    /// Several runs of one scenario.
    pub fn of(runs: &[Score]) -> Score {
        let sum = |of: fn(&Score) -> u64| runs.iter().map(of).sum();
        let most = |of: fn(&Score) -> f64| runs.iter().map(of).fold(0.0, f64::max);
        let mean = |of: fn(&Score) -> f64| runs.iter().map(of).sum::<f64>() / runs.len().max(1) as f64;
        Score {
            messages: sum(|run| run.messages),
            undelivered: sum(|run| run.undelivered),
            duplicates: sum(|run| run.duplicates),
            misordered: sum(|run| run.misordered),
            p50: mean(|run| run.p50),
            p99: mean(|run| run.p99),
            worst: most(|run| run.worst),
            healed: most(|run| run.healed),
            datagrams: mean(|run| run.datagrams),
            bytes: mean(|run| run.bytes),
            data: mean(|run| run.data),
            heads: mean(|run| run.heads),
            nacks: mean(|run| run.nacks),
            bytes_per_second: mean(|run| run.bytes_per_second),
            peak: most(|run| run.peak),
            steady: most(|run| run.steady),
            known: most(|run| run.known),
            dials: mean(|run| run.dials),
            streamed: mean(|run| run.streamed),
        }
    }

    /// Whether something is wrong, whatever it cost.
    pub fn is_faulty(&self) -> bool {
        self.undelivered + self.duplicates + self.misordered > 0
    }

    pub fn to_json(&self) -> Value {
        let figures = FIGURES.iter().map(|figure| {
            let scale = 10f64.powi(figure.digits as i32);
            (figure.name.to_owned(), json!(((figure.of)(self) * scale).round() / scale))
        });
        let messages = ("messages".to_owned(), json!(self.messages));
        Value::Object(std::iter::once(messages).chain(figures).collect::<Map<_, _>>())
    }
}

/// A line for each scenario.
pub fn table(scores: &[(String, Score)]) -> String {
    let mut text = format!("{:16} {:>6}", "", "said");
    for figure in FIGURES {
        let _ = write!(text, " {:>6}", figure.name);
    }
    for (name, score) in scores {
        let _ = write!(text, "\n{name:16} {:>6}", score.messages);
        for figure in FIGURES {
            let _ = write!(text, " {:>6.*}", figure.digits, (figure.of)(score));
        }
    }
    text
}
