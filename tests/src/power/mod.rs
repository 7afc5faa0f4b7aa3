//! Power loss, tried out: what may be on a disk after the power went, at any moment of a real run, and whether the real
//! program goes on from there without having lost anything that it told anybody.
//!
//! ```text
//! two hosts at work -> strace -> history (deeds, syncs) and told (acknowledged, sent)
//! a seed -> a moment and a device's whim -> an image in a folder -> store and engine start there -> verdict
//! ```
//!
//! What the model of the disk allows stands in [`device`]. It knows no device that reorders around its own barriers,
//! no damage to what was synced, and no loss of the file system's own structure.

mod device;
mod history;
mod record;
mod strace;
mod told;
mod verdict;

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use lanyard_proto::pacing::Dice;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub use device::Honesty;
pub use record::Record;

use crate::hosts::{Host, Lan};
use device::Device;
use history::{Act, Kind};
use verdict::Logs;

/// What a power loss did that it must not.
#[derive(Debug)]
pub struct Loss {
    pub seed: u64,
    /// The line of the record after which the power went.
    pub moment: usize,
    pub what: String,
    /// What was left on the disk.
    pub left: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, after line {}: {}\n    left: {}", self.seed, self.moment, self.what, self.left)
    }
}

/// What came of so many losses of power.
#[derive(Debug, Default)]
pub struct Tried {
    pub seeds: u64,
    /// How often the node went on with the logs that it had written, where a number could be used twice.
    pub went_on: u64,
    pub losses: Vec<Loss>,
}

/// Lets the power go once for each seed, on a host that nobody else is reached from. Stops after so many losses.
///
/// # Panics
/// When what is tried out cannot be, for reasons that have nothing to do with power.
pub fn explore(record: &Record, host: &Host, seeds: Range<u64>, honesty: Honesty, most: usize) -> Tried {
    let namespace = File::open(host.namespace_file()).expect("the host has a namespace");
    std::thread::scope(|scope| {
        let tried = scope.spawn(|| {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), network).expect("a thread may move to the host");
            // Threads that are started from here on are there, too.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            let device = Device::new(&record.history, honesty);
            let mut tried = Tried::default();
            for seed in seeds {
                if tried.losses.len() >= most {
                    break;
                }
                tried.seeds += 1;
                match lose_power(record, &device, seed, &runtime) {
                    Ok(Logs::GoOn) => tried.went_on += 1,
                    Ok(Logs::BeginAnew) => {}
                    Err(loss) => tried.losses.push(loss),
                }
            }
            tried
        });
        tried.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn lose_power(
    record: &Record,
    device: &Device<'_>,
    seed: u64,
    runtime: &tokio::runtime::Runtime,
) -> Result<Logs, Loss> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let mut dice = Dice::seeded(bytes);
    let moment = device.moment(&mut dice);
    let image = device.after(moment, &mut dice);
    let witness = record.kept_witness();
    device::materialise(&image, &record.home(), Some((record.witness, &witness)))
        .expect("a place for the image");
    let judging = async { tokio::time::timeout(verdict::PATIENCE, verdict::judge(record, moment)).await };
    let verdict = runtime.block_on(judging).unwrap_or_else(|_| Err("it does not come to an end".to_owned()));
    verdict.map_err(|what| Loss { seed, moment, what, left: record::outline(&image) })
}

/// Whether power can be lost here.
///
/// # Errors
/// Why not.
pub fn available() -> Result<(), String> {
    Lan::available()?;
    let tried = Command::new("strace").args(["-f", "--seccomp-bpf", "-o", "/dev/null", "true"]).output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            Err(format!("strace cannot be used here ({})", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Err(error) => Err(format!("no strace here ({error})")),
    }
}

/// `power [--seeds N] [--from SEED] [--record FOLDER]`: makes a record, or takes one that was kept, and lets the power go.
pub fn command(words: &[String]) -> ExitCode {
    let (mut seeds, mut from, mut folder) = (SEEDS, 0, None);
    for pair in words.chunks(2) {
        let number = pair.get(1).and_then(|value| value.parse().ok());
        match (pair[0].as_str(), number, pair.get(1)) {
            ("--seeds", Some(number), _) => seeds = number,
            ("--from", Some(number), _) => from = number,
            ("--record", _, Some(value)) => folder = Some(PathBuf::from(value)),
            _ => {
                eprintln!("usage: power [--seeds N] [--from SEED] [--record FOLDER]");
                return ExitCode::from(2);
            }
        }
    }
    if let Err(why) = available() {
        println!("skipped: {why}");
        return ExitCode::SUCCESS;
    }
    let lan = Lan::new();
    let (record, kept) = match folder {
        Some(folder) => match Record::open(&folder) {
            Ok(record) => (record, None),
            Err(why) => {
                eprintln!("{} holds no record: {why}", folder.display());
                return ExitCode::FAILURE;
            }
        },
        None => {
            let folder = self::folder();
            (Record::make(&lan, folder.path()), Some(folder))
        }
    };
    println!("{}", about(&record));
    let begun = Instant::now();
    let host = lan.host("after");
    host.cut();
    let tried = explore(&record, &host, from..from + seeds, Honesty::Honest, MOST_LOSSES);
    println!(
        "{} losses of power in {:.0} s: {} broke a promise; {} times the logs went on",
        tried.seeds,
        begun.elapsed().as_secs_f32(),
        tried.losses.len(),
        tried.went_on
    );
    for loss in &tried.losses {
        println!("{loss}");
    }
    if tried.losses.is_empty() {
        return ExitCode::SUCCESS;
    }
    if let Some(folder) = kept {
        println!("to try one again: --record {} --from SEED --seeds 1", folder.keep().display());
    }
    ExitCode::FAILURE
}

/// What a record holds, in a sentence.
pub fn about(record: &Record) -> String {
    let history = &record.history;
    let written = |ending: &str| {
        let is = |file: &usize| matches!(&history.nodes[*file], Kind::File(name) if name.ends_with(ending));
        let writes =
            history.deeds.iter().filter(|deed| matches!(&deed.act, Act::Write { file, .. } if is(file)));
        let syncs = history.syncs.iter().filter(|sync| sync.node.as_ref().is_some_and(is));
        format!("{} writes and {} syncs", writes.count(), syncs.count())
    };
    format!(
        "{} deeds, {} syncs, {} things told; the database {}, its log {}",
        history.deeds.len(),
        history.syncs.len(),
        record.told.len(),
        written(".db"),
        written(".db-wal"),
    )
}

/// A folder in memory, where there is one: what is tried out there is not meant to last.
///
/// # Panics
/// When there is no room.
pub fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("lanyard-power-").tempdir_in(place).expect("a folder for the record")
}

const SEEDS: u64 = 10_000;

/// A fault shows itself often; nobody reads all of them.
const MOST_LOSSES: usize = 20;
