//! What the machine must have, and how it gets it.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{command, output, run};

/// What a task is about to do, each needing all that the ones above need.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Build and run the terminal program.
    Terminal,
    /// Build and open the window.
    Window,
    /// Run every check.
    Test,
    /// Compare with the bare network.
    Bench,
}

/// Installs what is missing, or says what it is.
///
/// # Errors
/// When something is missing that cannot be installed from here.
pub fn prepare(purpose: Purpose) -> Result<()> {
    if purpose == Purpose::Test {
        rust_components()?;
    }
    if cfg!(target_os = "linux") {
        let missing: Vec<&Need> =
            NEEDS.iter().filter(|need| need.purpose <= purpose && !need.met()).collect();
        if !missing.is_empty() {
            install(&missing)?;
        }
    } else {
        println!("{OTHER_SYSTEMS}");
    }
    if purpose > Purpose::Terminal { node() } else { Ok(()) }
}

/// Whether this machine lets us make network namespaces, which stand for hosts in tests.
pub fn makes_namespaces() -> bool {
    let name = format!("lanyard-probe-{}", std::process::id());
    let made = output(Command::new("ip").args(["netns", "add", &name])).is_some();
    made && output(Command::new("ip").args(["netns", "del", &name])).is_some()
}

struct Need {
    purpose: Purpose,
    /// Of Debian and Ubuntu.
    package: &'static str,
    why: &'static str,
    sign: Sign,
}

/// How it shows that a need is met.
enum Sign {
    /// A program in the PATH, whichever package it came from.
    Program(&'static str),
    /// A library with headers, as pkg-config knows it.
    Library(&'static str),
    Package,
}

impl Need {
    fn met(&self) -> bool {
        match self.sign {
            Sign::Program(name) => in_path(name),
            Sign::Library(name) => output(Command::new("pkg-config").args(["--exists", name])).is_some(),
            Sign::Package => {
                output(Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", self.package]))
                    .is_some_and(|status| status == "installed")
            }
        }
    }
}

fn in_path(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

fn install(missing: &[&Need]) -> Result<()> {
    println!("Missing on this machine:");
    for need in missing {
        println!("    {:28} {}", need.package, need.why);
    }
    if !in_path("apt-get") {
        bail!(
            "these are the names of Debian's packages: install what your system has for them, then try again"
        );
    }
    println!("Installing them with apt-get.");
    run(apt_get()?.arg("update"))?;
    run(apt_get()?
        .args(["install", "-y", "--no-install-recommends"])
        .args(missing.iter().map(|need| need.package)))
}

/// apt-get as root, asking nothing.
fn apt_get() -> Result<Command> {
    let is_root = output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    let mut apt_get = if is_root {
        command("env")
    } else if in_path("sudo") {
        let mut sudo = command("sudo");
        sudo.arg("env");
        sudo
    } else {
        bail!(
            "installing packages needs root, and there is no sudo here: install them as root, then try again"
        );
    };
    apt_get.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]);
    Ok(apt_get)
}

fn rust_components() -> Result<()> {
    for component in ["fmt", "clippy"] {
        if output(crate::process::cargo([component, "--version"]).env_remove("RUSTUP_TOOLCHAIN")).is_none() {
            bail!("`cargo {component}` is missing: `rustup component add rustfmt clippy` installs it");
        }
    }
    Ok(())
}

fn node() -> Result<()> {
    if node_is_new_enough() {
        return Ok(());
    }
    if cfg!(target_os = "linux") && in_path("apt-get") && apt_offers_node() {
        println!(
            "Node.js {NODE} or newer is missing; it builds the window's pages. Installing it with apt-get."
        );
        run(apt_get()?.args(["install", "-y", "--no-install-recommends", "nodejs", "npm"]))?;
    }
    if !node_is_new_enough() {
        bail!(
            "Node.js {NODE} or newer with npm builds the window's pages: install it from https://nodejs.org, then try again"
        );
    }
    Ok(())
}

fn node_is_new_enough() -> bool {
    output(Command::new("node").arg("--version"))
        .and_then(|version| major(version.trim().trim_start_matches('v')))
        .is_some_and(|major| major >= NODE)
        && output(&mut crate::process::npm(["--version"])).is_some()
}

fn apt_offers_node() -> bool {
    output(Command::new("apt-cache").args(["policy", "nodejs"]))
        .and_then(|policy| {
            let candidate = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
            major(candidate)
        })
        .is_some_and(|major| major >= NODE)
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// The oldest major version of Node.js that Vite takes.
const NODE: u32 = 20;

const OTHER_SYSTEMS: &str = "\
What is needed here and cannot be installed from here:
    macOS      the command line tools of Xcode (`xcode-select --install`), and CMake
    Windows    the Visual Studio build tools with C++ and CMake, and WebView2 (a part of Windows 11)
The checks that need Linux (hosts, window) are left out.";

const NEEDS: &[Need] = &[
    need(Purpose::Terminal, "build-essential", "compiles SQLite and the cryptography", Sign::Program("cc")),
    need(Purpose::Terminal, "cmake", "compiles the codec of calls", Sign::Program("cmake")),
    need(Purpose::Terminal, "pkg-config", "finds libraries", Sign::Program("pkg-config")),
    need(Purpose::Terminal, "libasound2-dev", "microphones and loudspeakers in calls", Sign::Library("alsa")),
    need(
        Purpose::Window,
        "libwebkit2gtk-4.1-dev",
        "shows the window's pages",
        Sign::Library("webkit2gtk-4.1"),
    ),
    need(Purpose::Window, "xdg-utils", "opens links and folders", Sign::Program("xdg-open")),
    need(Purpose::Test, "xvfb", "a display for the real window", Sign::Program("Xvfb")),
    need(Purpose::Test, "webkit2gtk-driver", "drives the real window", Sign::Program("WebKitWebDriver")),
    need(Purpose::Test, "xdotool", "moves the mouse and types", Sign::Program("xdotool")),
    need(Purpose::Test, "imagemagick", "takes pictures of failures", Sign::Program("import")),
    need(Purpose::Test, "fonts-dejavu-core", "text in the real window", Sign::Package),
    need(Purpose::Test, "fonts-noto-cjk", "Chinese text in the real window", Sign::Package),
    need(Purpose::Test, "python3-gi", "drags files over the real window", Sign::Package),
    need(Purpose::Test, "gir1.2-gtk-3.0", "drags files over the real window", Sign::Package),
    need(Purpose::Test, "dbus", "notifications and a tray for the real window", Sign::Program("dbus-daemon")),
    need(Purpose::Test, "pulseaudio", "a microphone where there is none", Sign::Program("pulseaudio")),
    need(Purpose::Test, "iproute2", "hosts as network namespaces", Sign::Program("ip")),
    need(Purpose::Test, "nftables", "loses packets between hosts", Sign::Package),
    need(Purpose::Test, "libfaketime", "clocks that are wrong", Sign::Package),
    need(Purpose::Test, "strace", "what a program asks of its disk", Sign::Program("strace")),
    need(
        Purpose::Test,
        "desktop-file-utils",
        "checks the desktop entry",
        Sign::Program("desktop-file-validate"),
    ),
    need(Purpose::Test, "appstream", "checks what software centres show", Sign::Program("appstreamcli")),
    need(Purpose::Test, "mmdebstrap", "a clean system to install into", Sign::Package),
    need(Purpose::Test, "rpm", "reads a package", Sign::Program("rpm")),
    need(Purpose::Test, "chromium", "the pages alone, in a browser", Sign::Program("chromium")),
    need(Purpose::Bench, "iperf3", "what the bare network carries", Sign::Program("iperf3")),
    need(Purpose::Bench, "netcat-openbsd", "carries what tar packs", Sign::Program("nc")),
    need(Purpose::Bench, "rsync", "to be compared with", Sign::Program("rsync")),
    need(Purpose::Bench, "openssh-client", "to be compared with", Sign::Program("scp")),
    need(Purpose::Bench, "openssh-server", "to be compared with", Sign::Package),
];

const fn need(purpose: Purpose, package: &'static str, why: &'static str, sign: Sign) -> Need {
    Need { purpose, package, why, sign }
}
