//! What people install: `cargo xtask package` makes packages for the system that it runs on, and says how large they are.
//!
//! Tauri's bundler makes them, as `tauri.conf.json` has it. What is added here is what only a build knows: the terminal
//! program, its manual and completions, which libraries both programs need, and who signs.

mod linux;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::machine::{Purpose, prepare};
use crate::process::{built, cargo, command, npm_tool, output, run, target};
use crate::window::pages;

/// A kind of package, as Tauri calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Deb,
    Rpm,
    /// Fetches what makes it from the network, and needs librsvg2-dev
    Appimage,
    Nsis,
    Msi,
    Dmg,
}

/// Makes packages of these kinds, or of all that this system's people expect.
///
/// # Errors
/// When something is missing, does not build, or a package comes out too large.
pub fn make(kinds: &[Kind]) -> Result<()> {
    let kinds = if kinds.is_empty() { USUAL } else { kinds };
    prepare(Purpose::Window)?;
    pages()?;
    build()?;
    let folder = folder()?;
    let packages = bundle(&folder, kinds)?;
    for deb in packages.iter().filter(|package| package.extension().is_some_and(|ending| ending == "deb")) {
        linux::repack(deb, &folder)?;
    }
    sum(&folder, &packages)?;
    for package in &packages {
        let bytes = fs::metadata(package)?.len();
        println!("{:>6.2} MB  {}", megabytes(bytes), package.display());
        if package.extension().is_some_and(|ending| ending == "deb") && bytes > LARGEST_DEB {
            bail!("{} is larger than {} MB", package.display(), megabytes(LARGEST_DEB));
        }
    }
    Ok(())
}

/// Installs the deb that was made in a clean system, uses it as a person would, removes it, and says what is left.
///
/// # Errors
/// When there is no deb, or something of that does not work, or something else than the profile is left.
pub fn check() -> Result<()> {
    prepare(Purpose::Test)?;
    linux::check(&folder()?)
}

/// Where packages are put, and all that makes them.
fn folder() -> Result<PathBuf> {
    Ok(target()?.join("packages"))
}

/// Both at once: one after the other would build what they share twice, with other features.
fn build() -> Result<()> {
    let mut build = cargo(["build", "--profile", "dist", "--package", "lanyard-desktop", "--package"]);
    build.args(["lanyard-engine", "--bin", "lanyard-desktop", "--bin", "lanyard"]);
    if cfg!(windows) {
        // Nobody should have to install a C runtime first.
        build.env("RUSTFLAGS", "-C target-feature=+crt-static");
    }
    if cfg!(target_os = "macos") {
        build.env("MACOSX_DEPLOYMENT_TARGET", OLDEST_MACOS);
    }
    run(&mut build)
}

/// Lets Tauri's bundler make packages, and puts them into the folder.
fn bundle(folder: &Path, kinds: &[Kind]) -> Result<Vec<PathBuf>> {
    // The bundler takes programs from where a release build would have put them, and changes them there.
    let release = folder.join("release");
    fs::create_dir_all(&release)?;
    let window = built("dist", "lanyard-desktop")?;
    let name = window.file_name().context("a program has a name")?;
    fs::copy(&window, release.join(name)).context("the window's program was not built")?;
    let made = release.join("bundle");
    if made.exists() {
        fs::remove_dir_all(&made)?;
    }
    let configuration = folder.join("tauri.json");
    fs::write(&configuration, serde_json::to_vec_pretty(&additions(folder, kinds)?)?)?;

    let names: Vec<String> = kinds
        .iter()
        .filter_map(|kind| kind.to_possible_value())
        .map(|value| value.get_name().to_owned())
        .collect();
    let mut bundler = command("node");
    bundler.arg(npm_tool("@tauri-apps/cli", TAURI)?.join("tauri.js")).args([
        "bundle",
        "--ci",
        "--bundles",
        &names.join(","),
        "--config",
    ]);
    bundler.arg(&configuration).env("CARGO_TARGET_DIR", folder);
    run(&mut bundler)?;
    collect(&made, folder)
}

/// What is added to `tauri.conf.json`.
fn additions(folder: &Path, kinds: &[Kind]) -> Result<Value> {
    let mut additions = json!({ "bundle": { "externalBin": [terminal_program(folder)?] } });
    if cfg!(target_os = "linux") {
        linux::add(folder, kinds, &mut additions)?;
    }
    // As the certificate is called in the store of the person or the machine that signs.
    if let Ok(thumbprint) = std::env::var("LANYARD_WINDOWS_CERTIFICATE") {
        additions["bundle"]["windows"] =
            json!({ "certificateThumbprint": thumbprint, "timestampUrl": "http://timestamp.digicert.com" });
    }
    Ok(additions)
}

/// Puts the terminal program under the name that the bundler looks for: with the target's behind it.
fn terminal_program(folder: &Path) -> Result<PathBuf> {
    let about =
        output(command("rustc").arg("-vV")).context("rustc does not say for which system it builds")?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no system")?;
    let programs = folder.join("programs");
    fs::create_dir_all(&programs)?;
    let named = format!("lanyard-{host}{}", std::env::consts::EXE_SUFFIX);
    fs::copy(built("dist", "lanyard")?, programs.join(named))
        .context("the terminal program was not built")?;
    Ok(programs.join("lanyard"))
}

/// Moves the packages up to where people find them.
fn collect(made: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut packages = Vec::new();
    for kind in fs::read_dir(made).context("the bundler made nothing")? {
        for file in fs::read_dir(kind?.path())? {
            let file = file?.path();
            let ending = file.extension().unwrap_or_default().to_string_lossy().into_owned();
            if file.is_file() && ENDINGS.contains(&ending.as_str()) {
                let place = folder.join(file.file_name().context("a package has a name")?);
                fs::rename(&file, &place)?;
                packages.push(place);
            }
        }
    }
    packages.sort();
    if packages.is_empty() {
        bail!("the bundler made no package");
    }
    Ok(packages)
}

/// Writes what `sha256sum --check` reads.
fn sum(folder: &Path, packages: &[PathBuf]) -> Result<()> {
    let mut sums = String::new();
    for package in packages {
        let hash = Sha256::digest(fs::read(package)?);
        let name = package.file_name().unwrap_or_default().to_string_lossy();
        sums.push_str(&format!("{}  {name}\n", HEXLOWER.encode(&hash)));
    }
    fs::write(folder.join("SHA256SUMS"), sums)?;
    Ok(())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

const USUAL: &[Kind] = if cfg!(windows) {
    &[Kind::Nsis, Kind::Msi]
} else if cfg!(target_os = "macos") {
    &[Kind::Dmg]
} else {
    &[Kind::Deb, Kind::Rpm]
};

const ENDINGS: &[&str] = &["deb", "rpm", "AppImage", "exe", "msi", "dmg"];

/// Somebody on a slow line downloads it, too.
const LARGEST_DEB: u64 = 12_000_000;

/// As `tauri.conf.json` has it.
const OLDEST_MACOS: &str = "11.0";

/// Of Tauri's command line, which makes the packages.
const TAURI: &str = "2.12.4";
