//! Plays scenarios on simulated networks, prints their scores, and compares them with those that are committed.
//! Started by `cargo xtask simulate`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Parser;
use lanyard_tests::simulate::{Baseline, SCENARIOS, Scenario, Score, Setting, play, table, verdicts};
use serde_json::{Map, Value};

#[derive(Parser)]
#[command(name = "cargo xtask simulate", bin_name = "cargo xtask simulate")]
struct Options {
    /// One scenario as it is judged, `all` of them, or without a name those that are quick, small
    scenario: Option<String>,
    /// Name the scenarios and stop
    #[arg(long)]
    list: bool,
    #[arg(long)]
    nodes: Option<usize>,
    #[arg(long)]
    talkers: Option<usize>,
    #[arg(long)]
    messages: Option<usize>,
    /// Percent lost on the way out of a host, for everybody
    #[arg(long, value_name = "PERCENT")]
    loss_out: Option<f64>,
    /// Percent lost on the way into each host
    #[arg(long, value_name = "PERCENT")]
    loss_in: Option<f64>,
    /// Loss in bursts besides (Gilbert and Elliott)
    #[arg(long)]
    burst_loss: bool,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds
    #[arg(long)]
    seeds: Option<u64>,
    /// Write what comes out as what is to be reached from now on
    #[arg(long)]
    update_baseline: bool,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// One run of one scenario.
struct Turn {
    name: String,
    setting: Setting,
    seed: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        for scenario in SCENARIOS {
            println!("{:16} {}", scenario.name, scenario.what);
        }
        return ExitCode::SUCCESS;
    }
    let turns = options.turns();
    if turns.is_empty() {
        eprintln!("error: there is no such scenario: `cargo xtask simulate --list` names them");
        return ExitCode::FAILURE;
    }
    let scores = options.score(&turns);
    match options.report(&scores) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}: {error}", baseline_path().display());
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn turns(&self) -> Vec<Turn> {
        let chosen = SCENARIOS.iter().filter(|scenario| match self.scenario.as_deref() {
            None => scenario.short.is_some(),
            Some(name) => name == "all" || name == scenario.name,
        });
        chosen.flat_map(|scenario| self.turns_of(scenario)).collect()
    }

    fn turns_of(&self, scenario: &Scenario) -> Vec<Turn> {
        let (name, mut setting, seeds) = match (self.scenario.is_some(), scenario.short) {
            (false, Some(short)) => (format!("{} short", scenario.name), short(), scenario.seeds.1),
            _ => (scenario.name.to_owned(), (scenario.whole)(), scenario.seeds.0),
        };
        self.change(&mut setting);
        let seeds = self.seed..self.seed + self.seeds.unwrap_or(seeds);
        seeds.map(|seed| Turn { name: name.clone(), setting: setting.clone(), seed }).collect()
    }

    fn change(&self, setting: &mut Setting) {
        setting.nodes = self.nodes.unwrap_or(setting.nodes).max(2);
        setting.talkers = self.talkers.unwrap_or(setting.talkers).clamp(1, setting.nodes);
        setting.messages = self.messages.unwrap_or(setting.messages);
        setting.air.loss_out = self.loss_out.map_or(setting.air.loss_out, |percent| percent / 100.0);
        setting.air.loss_in = self.loss_in.map_or(setting.air.loss_in, |percent| percent / 100.0);
        setting.air.bursts |= self.burst_loss;
    }

    /// Whether the setting is the one that the baseline speaks of.
    fn is_plain(&self) -> bool {
        self.is_comparable() && self.seed == 1 && self.seeds.is_none()
    }

    /// Whether the setting is the one that the targets speak of, whatever the seeds.
    fn is_comparable(&self) -> bool {
        let numbers = [self.nodes, self.talkers, self.messages];
        numbers.iter().all(Option::is_none) && self.loss_out.or(self.loss_in).is_none() && !self.burst_loss
    }

    /// Holds the scores against what is to be reached, and prints that; whether all of it is.
    fn judge(&self, scores: &[(String, Score)]) -> bool {
        let verdicts: Vec<_> = scores.iter().flat_map(|(name, score)| verdicts(name, score)).collect();
        if !self.json && !verdicts.is_empty() {
            println!("\n| figure | target | measured | verdict |\n|---|---|---|---|");
            verdicts.iter().for_each(|(line, _)| println!("{line}"));
        }
        verdicts.iter().all(|(_, met)| *met)
    }

    /// Plays all turns, as many at once as there are processors.
    fn score(&self, turns: &[Turn]) -> Vec<(String, Score)> {
        let next = AtomicUsize::new(0);
        let played: Mutex<Vec<Option<Score>>> = Mutex::new(vec![None; turns.len()]);
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some((n, turn)) = {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        turns.get(n).map(|turn| (n, turn))
                    } {
                        let start = Instant::now();
                        let score = play(&turn.setting, turn.seed);
                        eprintln!("{} seed {}: {:.1} s", turn.name, turn.seed, start.elapsed().as_secs_f32());
                        if score.is_faulty() {
                            eprintln!("FAULT: {}", self.replay(turn));
                        }
                        played.lock().expect("no player panics holding it")[n] = Some(score);
                    }
                });
            }
        });
        let played = played.into_inner().expect("no player panics holding it");
        let mut scores: Vec<(String, Vec<Score>)> = Vec::new();
        for (turn, score) in turns.iter().zip(played) {
            match scores.last_mut().filter(|(name, _)| *name == turn.name) {
                Some((_, runs)) => runs.extend(score),
                None => scores.push((turn.name.clone(), Vec::from_iter(score))),
            }
        }
        scores.into_iter().map(|(name, runs)| (name, Score::of(&runs))).collect()
    }

    /// The command that plays a turn again.
    fn replay(&self, turn: &Turn) -> String {
        let name = turn.name.trim_end_matches(" short");
        let (setting, seed) = (&turn.setting, turn.seed);
        let mut command = format!(
            "cargo xtask simulate {name} --nodes {} --talkers {} --messages {} --loss-out {} --loss-in {}",
            setting.nodes,
            setting.talkers,
            setting.messages,
            setting.air.loss_out * 100.0,
            setting.air.loss_in * 100.0,
        );
        if self.burst_loss {
            command += " --burst-loss";
        }
        command + &format!(" --seed {seed} --seeds 1")
    }

    /// Prints the scores. Whether they are no worse than they were.
    fn report(&self, scores: &[(String, Score)]) -> std::io::Result<bool> {
        if self.json {
            let scores = scores.iter().map(|(name, score)| (name.clone(), score.to_json()));
            println!("{}", Value::Object(scores.collect::<Map<_, _>>()));
        } else {
            println!("{}", table(scores));
        }
        let reached = !self.is_comparable() || self.judge(scores);
        if !self.is_plain() {
            return Ok(reached && scores.iter().all(|(_, score)| !score.is_faulty()));
        }
        let mut baseline = Baseline::read(&baseline_path())?;
        let mut well = reached;
        for (name, score) in scores {
            if self.update_baseline {
                baseline.put(name, score);
                well &= !score.is_faulty();
                continue;
            }
            for worse in baseline.worse(name, score) {
                eprintln!("worse: {worse}");
                well = false;
            }
        }
        if self.update_baseline {
            baseline.write(&baseline_path())?;
        }
        Ok(well)
    }
}

fn baseline_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("simulate.baseline.json")
}
