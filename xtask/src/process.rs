//! Running other programs, from the root of the repository.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a command to its end, with our input and output.
///
/// # Errors
/// When it cannot be started, or does not end well.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    println!("    $ {shown}");
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// What a command prints, or `None` when it cannot be run or does not end well.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A command in the root of the repository.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The cargo that runs us.
pub fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut cargo = command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    cargo.args(arguments);
    cargo
}

/// npm, in the folder of the window's pages.
pub fn npm<const N: usize>(arguments: [&str; N]) -> Command {
    // On Windows npm is a script, which only its full name finds.
    let mut npm = command(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.current_dir(root().join("ui")).args(arguments);
    npm
}

/// The folder of a package of npm's, of the checkout's own, which is installed into the target folder if it is missing.
///
/// # Errors
/// When npm cannot install it.
pub fn npm_tool(package: &str, version: &str) -> Result<PathBuf> {
    let tools = target()?.join("tools").join(package.replace('/', "-"));
    let tool = tools.join("node_modules").join(package);
    let installed = std::fs::read_to_string(tool.join("package.json")).unwrap_or_default();
    if !installed.contains(&format!("\"version\": \"{version}\"")) {
        println!("{package} is missing. Installing it into the target folder.");
        std::fs::create_dir_all(&tools)?;
        let mut install = npm(["install", "--no-audit", "--no-fund", "--no-save", "--prefix"]);
        run(install.arg(&tools).arg(format!("{package}@{version}")))?;
    }
    Ok(tool)
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository").to_owned()
}

/// Where cargo puts a program of ours.
///
/// # Errors
/// When the system does not say where this program is.
pub fn built(profile: &str, name: &str) -> Result<PathBuf> {
    Ok(target()?.join(profile).join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

/// The folder in which everything is that was built.
///
/// # Errors
/// When the system does not say where this program is.
pub fn target() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the target folder")?;
    let target = own.parent().and_then(Path::parent).context("cannot find the target folder")?;
    Ok(target.to_owned())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_stem().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    std::iter::once(name)
        .chain(command.get_args().map(|argument| argument.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}
