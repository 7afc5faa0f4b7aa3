//! Building and opening the programs.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::machine::{Purpose, prepare};
use crate::process::{built, cargo, npm, root, run};

/// Builds what is needed and opens the window, or starts the terminal program where there is no display.
///
/// # Errors
/// When something is missing, does not build, or does not end well.
pub fn open(arguments: &[String]) -> Result<()> {
    if !has_display() {
        println!(
            "There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set): starting the terminal program."
        );
        prepare(Purpose::Terminal)?;
        run(&mut cargo(["build", "--package", "lanyard-engine"]))?;
        return run(Command::new(built("debug", "lanyard")?).arg("up").args(arguments));
    }
    prepare(Purpose::Window)?;
    pages()?;
    run(&mut cargo(["build", "--workspace", "--bins"]))?;
    run(Command::new(built("debug", "lanyard-desktop")?).args(arguments))
}

/// Builds both programs in release and says where they are.
///
/// # Errors
/// When something is missing or does not build.
pub fn build_release() -> Result<()> {
    prepare(Purpose::Window)?;
    pages()?;
    run(&mut cargo(["build", "--release", "--package", "lanyard-desktop", "--package", "lanyard-engine"]))?;
    for name in ["lanyard-desktop", "lanyard"] {
        println!("{}", built("release", name)?.display());
    }
    Ok(())
}

/// Builds the window's pages, which the window embeds.
///
/// # Errors
/// When npm cannot install or build.
pub fn pages() -> Result<()> {
    if packages_are_stale()? {
        run(&mut npm(["ci", "--no-audit", "--no-fund"]))?;
    }
    run(&mut npm(["run", "build"]))
}

/// npm writes the lock it installed from beside what it installed.
fn packages_are_stale() -> Result<bool> {
    let ui = root().join("ui");
    let wanted = fs::metadata(ui.join("package-lock.json")).context("ui/package-lock.json is missing")?;
    let Ok(installed) = fs::metadata(ui.join("node_modules/.package-lock.json")) else {
        return Ok(true);
    };
    Ok(installed.modified()? < wanted.modified()?)
}

fn has_display() -> bool {
    cfg!(not(target_os = "linux"))
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
