//! Lanyard's window.

// A console window beside ours would serve nobody.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use lanyard_desktop::Options;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = Options::parse();
    if options.manual {
        let written = clap_mangen::Man::new(Options::command()).render(&mut std::io::stdout());
        return if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match lanyard_desktop::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the window could not be opened: {error:#}");
            ExitCode::FAILURE
        }
    }
}
