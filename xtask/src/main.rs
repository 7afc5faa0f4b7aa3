//! The developer's own door: `cargo xtask run | test | simulate | fuzz | bench | build | package`.
//!
//! It installs what is missing, says why, and runs the same commands that a person could type.

mod fuzz;
mod machine;
mod package;
mod process;
mod steps;
mod window;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::package::Kind;
use crate::process::{cargo, root, run};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Builds, runs and checks Lanyard")]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing, build everything, and open the window; without a display, the terminal program
    Run {
        /// Handed to the program, behind `--`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Install what is missing and run every check, up to the first failure
    Test {
        /// Only these steps; `--list` names them
        steps: Vec<String>,
        /// Name the steps and stop
        #[arg(long)]
        list: bool,
    },
    /// Feed the decoders and the node what nobody would send
    Fuzz {
        /// Only this target
        target: Option<String>,
        /// How long for each target
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Feed the target only this file
        #[arg(long, value_name = "FILE", requires = "target")]
        replay: Option<PathBuf>,
    },
    /// Play scenarios on simulated networks and compare their scores with the committed ones, in release
    Simulate {
        /// Handed to the simulator; `--help` says what it takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure, in release
    Bench {
        /// Handed to the bench program
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build both programs in release and say where they are
    Build,
    /// Make packages for people to install, and say where they are
    Package {
        /// Only these kinds
        #[arg(long, value_enum, value_delimiter = ',')]
        kinds: Vec<Kind>,
        /// Make none: install the deb that was made in a clean system, use it, remove it, and say what is left
        #[arg(long, conflicts_with = "kinds")]
        check: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Options::parse().task {
        Task::Run { arguments } => window::open(&arguments),
        Task::Test { list: true, .. } => {
            steps::list();
            Ok(())
        }
        Task::Test { steps, list: false } => steps::check(&steps),
        Task::Fuzz { target: Some(target), replay: Some(input), .. } => {
            fuzz::replay(&root(), &target, &input)
        }
        Task::Fuzz { target, seconds, .. } => fuzz::run(&root(), target.as_deref(), seconds),
        Task::Simulate { arguments } => simulate(&arguments),
        Task::Bench { arguments } => bench(&arguments),
        Task::Build => window::build_release(),
        Task::Package { check: true, .. } => package::check(),
        Task::Package { kinds, check: false } => package::make(&kinds),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Plays on simulated networks.
///
/// # Errors
/// When a scenario comes out wrong, or worse than it was.
pub fn simulate(arguments: &[String]) -> Result<()> {
    run(cargo(["run", "--release", "--package", "lanyard-tests", "--bin", "simulate", "--"]).args(arguments))
}

/// Measures the release build, between network namespaces.
fn bench(arguments: &[String]) -> Result<()> {
    machine::prepare(machine::Purpose::Bench)?;
    run(&mut cargo(["build", "--release", "--package", "lanyard-engine", "--bin", "lanyard"]))?;
    // The probe beside it measures the bare network.
    run(&mut cargo(["build", "--release", "--package", "lanyard-tests", "--bins"]))?;
    run(cargo(["run", "--release", "--package", "lanyard-tests", "--bin", "bench", "--"]).args(arguments))
}
