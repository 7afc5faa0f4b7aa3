//! The terminal program: the engine without a window, for servers, scripts and people who like it so.
//!
//! A verb talks to the node that runs for the profile, or starts one for its own duration. Data goes to standard
//! output, everything else to standard error.

mod args;
mod failure;
mod output;
mod progress;
mod signals;
mod text;
mod verbs;
mod when;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use args::Args;
use failure::Failure;

fn main() -> ExitCode {
    let args = Args::parse();
    log_to_stderr(args.verbose);
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(verbs::run(args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("LANYARD_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()),
        )
        .with_writer(std::io::stderr)
        .init();
}
