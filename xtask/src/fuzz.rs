//! The fuzz targets: built with coverage, each fed for a while.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use crate::process::{self, cargo};

/// Feeds one target, or all of them, for so many seconds each, as many at a time as there are processors.
///
/// # Errors
/// When there is no such target, something does not build, or an input makes a target fail.
pub fn run(root: &Path, only: Option<&str>, seconds: u32) -> Result<()> {
    let targets = targets(root)?;
    if let Some(unknown) = only.filter(|only| targets.iter().all(|target| target != only)) {
        bail!("there is no fuzz target `{unknown}`: there are {}", targets.join(", "));
    }
    let built = process::target()?;
    let tool = tool(&built)?;
    let build = built.join("fuzz");
    process::run(cargo_fuzz(&tool, "build", &build, root).args(only))?;
    let chosen = targets.iter().filter(|target| only.is_none_or(|only| *target == only));
    let (left, failed) = (Mutex::new(chosen), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(target) = next(&left, &failed) {
                    if let Err(error) = feed(root, &tool, &build, target, seconds) {
                        *failed.lock().expect(UNBROKEN) = Some(error);
                    }
                }
            });
        }
    });
    failed.into_inner().expect(UNBROKEN).map_or(Ok(()), Err)
}

/// What to feed next; nothing more once one failed.
fn next<'a>(
    left: &Mutex<impl Iterator<Item = &'a String>>,
    failed: &Mutex<Option<anyhow::Error>>,
) -> Option<&'a String> {
    if failed.lock().expect(UNBROKEN).is_some() {
        return None;
    }
    left.lock().expect(UNBROKEN).next()
}

/// What is found is kept in the target folder; the seeds in the repository stay as they are.
fn feed(root: &Path, tool: &Path, build: &Path, target: &str, seconds: u32) -> Result<()> {
    let found = build.join("corpus").join(target);
    let artifacts = root.join(FOLDER).join("artifacts").join(target);
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&artifacts)?;
    let seeds = root.join(FOLDER).join("corpus").join(target);
    let mut fuzz = cargo_fuzz(tool, "run", build, root);
    fuzz.arg(target).arg(&found).arg(seeds).arg("--").args([
        format!("-max_total_time={seconds}"),
        format!("-artifact_prefix={}/", artifacts.display()),
        "-max_len=4096".to_owned(),
        "-timeout=10".to_owned(),
        "-rss_limit_mb=1024".to_owned(),
        "-print_final_stats=1".to_owned(),
    ]);
    let ended = fuzz.output().with_context(|| format!("cannot start the fuzz target `{target}`"))?;
    let said = String::from_utf8_lossy(&ended.stderr);
    if ended.status.success() {
        println!("    {target:12} {} executions in {seconds} s, nothing found", executions(&said));
        return Ok(());
    }
    eprintln!("{}", tail(&said));
    match said.lines().find_map(|line| line.split("Test unit written to ").nth(1)) {
        Some(artifact) => {
            let artifact = Path::new(artifact.trim());
            let artifact = artifact.strip_prefix(root).unwrap_or(artifact).display();
            bail!(
                "`{target}` fails on {artifact}; this replays it:\n    cargo xtask fuzz {target} --replay {artifact}"
            )
        }
        None => bail!("the fuzz target `{target}` ended with {}", ended.status),
    }
}

/// Feeds a target one input and shows what it does.
///
/// # Errors
/// When there is no such target, or the input makes it fail.
pub fn replay(root: &Path, target: &str, input: &Path) -> Result<()> {
    let built = process::target()?;
    process::run(
        cargo_fuzz(&tool(&built)?, "run", &built.join("fuzz"), root).arg(target).arg(root.join(input)),
    )
}

fn targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(FOLDER).join("fuzz_targets");
    let mut names = Vec::new();
    for file in fs::read_dir(&folder).context("the fuzz targets are missing")? {
        let path = file?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// cargo-fuzz of the checkout's own, which is installed there if it is missing.
fn tool(built: &Path) -> Result<PathBuf> {
    let tools = built.join("tools");
    let tool = tools.join("bin").join(format!("cargo-fuzz{}", std::env::consts::EXE_SUFFIX));
    if !tool.is_file() {
        println!("cargo-fuzz is missing; it builds the fuzz targets. Installing it into the target folder.");
        process::run(
            cargo(["install", "--locked", "--quiet", "--version", VERSION, "cargo-fuzz", "--root"])
                .arg(&tools),
        )?;
    }
    Ok(tool)
}

/// Without a sanitizer everything that is needed is in stable Rust: the coverage is LLVM's.
fn cargo_fuzz(tool: &Path, verb: &str, build: &Path, root: &Path) -> Command {
    let mut fuzz = Command::new(tool);
    fuzz.current_dir(root).args(["fuzz", verb, "--sanitizer", "none", "--fuzz-dir", FOLDER]);
    fuzz.arg("--target-dir").arg(build);
    fuzz
}

fn executions(said: &str) -> &str {
    said.lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .map_or("an unknown number of", str::trim)
}

/// From the panic on; of its numbers only the end.
fn tail(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let from = lines.iter().position(|line| line.contains("panicked at")).unwrap_or(0);
    lines[from.max(lines.len().saturating_sub(40))..].join("\n")
}

const FOLDER: &str = "tests/fuzz";
/// Why no lock is poisoned.
const UNBROKEN: &str = "nobody panics holding it";
const VERSION: &str = "0.13.2";
