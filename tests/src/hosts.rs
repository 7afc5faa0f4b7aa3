//! Hosts on one network, as network namespaces joined by a bridge in a namespace of its own.
//!
//! Nothing touches the machine's own network: the bridge, its rules and every address live in namespaces with names
//! of this process, which are deleted when the [`Lan`] is dropped, also by a panic; what a killed run left behind is
//! deleted by the next one.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Finished, Process};

/// A switch, and the hosts at it.
pub struct Lan {
    inner: Rc<Inner>,
}

/// Which addresses a host has; both kinds get IPv6 link-local ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    Both,
    OnlyIpv6,
}

/// A host, as one person (profile) sits at it.
#[derive(Clone)]
pub struct Host {
    lan: Rc<Inner>,
    name: String,
    namespace: String,
    number: u8,
    folder: PathBuf,
}

struct Inner {
    prefix: String,
    switch: String,
    namespaces: RefCell<Vec<String>>,
    hosts: Cell<u8>,
    folder: TempDir,
    // One network at a time: what tests measure is what the program does, not what they do to each other.
    _turn: MutexGuard<'static, ()>,
}

impl Lan {
    /// Whether this machine lets us make namespaces.
    ///
    /// # Errors
    /// Why not.
    pub fn available() -> Result<(), String> {
        // Once, because tests ask from several threads and would be in each other's way.
        static ANSWER: OnceLock<Result<(), String>> = OnceLock::new();
        ANSWER.get_or_init(Lan::try_out).clone()
    }

    fn try_out() -> Result<(), String> {
        let probe = format!("{PREFIX}{}-probe", std::process::id());
        try_ip(&["netns", "add", &probe]).map_err(|why| format!("no network namespaces here ({why})"))?;
        let bridge = try_ip(&["-n", &probe, "link", "add", "br0", "type", "bridge"]);
        let rules = bridge.and_then(|()| attempt(inside(&probe, "nft").args(["list", "ruleset"])));
        let deleted = try_ip(&["netns", "del", &probe]);
        rules.and(deleted).map_err(|why| format!("no bridge with nftables here ({why})"))
    }

    /// A network without hosts.
    ///
    /// # Panics
    /// When it cannot be made although [`Lan::available`] said so.
    pub fn new() -> Lan {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        delete_leftovers();
        let prefix = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let switch = format!("{prefix}-switch");
        let lan = Lan {
            inner: Rc::new(Inner {
                prefix,
                switch: switch.clone(),
                namespaces: RefCell::default(),
                hosts: Cell::new(0),
                folder: tempfile::tempdir().expect("a folder for the hosts"),
                _turn: turn,
            }),
        };
        lan.inner.add_namespace(&switch);
        // A plain switch, which floods: snooping would make the first seconds depend on membership reports.
        ip(&["-n", &switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"]);
        ip(&["-n", &switch, "link", "set", "br0", "up"]);
        lan
    }

    /// Connects a host of this name.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn host(&self, name: &str) -> Host {
        self.host_with(name, Addresses::Both)
    }

    /// As [`Lan::host`], with a choice of addresses.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn host_with(&self, name: &str, addresses: Addresses) -> Host {
        let number = self.inner.hosts.get() + 1;
        self.inner.hosts.set(number);
        let namespace = format!("{}-{number}", self.inner.prefix);
        self.inner.add_namespace(&namespace);
        let folder = self.inner.folder.path().join(format!("{number}-{name}"));
        std::fs::create_dir(&folder).expect("a folder for the host");
        let host = Host { lan: self.inner.clone(), name: name.to_owned(), namespace, number, folder };
        host.connect(addresses);
        host
    }

    /// Loses this share of all frames between hosts, each for itself.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn lose_percent(&self, percent: u8) {
        self.rule(&format!("numgen random mod 100 < {percent} drop"));
    }

    /// Lets no multicast and no broadcast of programs pass; the neighbour discovery of IP still does.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn cut_multicast(&self) {
        self.rule("meta l4proto udp ip daddr 224.0.0.0/4 drop");
        self.rule("meta l4proto udp ip6 daddr ff00::/8 drop");
        self.rule("meta l4proto udp ether daddr ff:ff:ff:ff:ff:ff drop");
    }

    /// In the forward hook of the bridge: a drop on the way out of a host would be an error to the sender.
    fn rule(&self, rule: &str) {
        let chain = "add chain bridge lanyard forward { type filter hook forward priority 0; }";
        for command in ["add table bridge lanyard", chain, &format!("add rule bridge lanyard forward {rule}")]
        {
            run(inside(&self.inner.switch, "nft").arg(command));
        }
    }
}

impl Default for Lan {
    fn default() -> Lan {
        Lan::new()
    }
}

impl Host {
    /// The name it was connected under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its IPv4 address.
    pub fn address(&self) -> String {
        format!("10.77.0.{}", self.number)
    }

    /// Its network namespace, as `ip netns` keeps it.
    pub fn namespace_file(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.namespace)
    }

    /// A folder of its own.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the program under test puts received files.
    pub fn downloads(&self) -> PathBuf {
        self.folder.join("downloads")
    }

    /// Another person at the same host, with a profile of their own.
    ///
    /// # Panics
    /// When there is no room for their folder.
    pub fn second_profile(&self, name: &str) -> Host {
        let folder = self.folder.join(name);
        std::fs::create_dir(&folder).expect("a folder for the profile");
        Host { name: name.to_owned(), folder, ..self.clone() }
    }

    /// Pulls the cable, at the switch.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn cut(&self) {
        ip(&["-n", &self.lan.switch, "link", "set", &self.port(), "down"]);
    }

    /// Plugs the cable in again.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn join(&self) {
        ip(&["-n", &self.lan.switch, "link", "set", &self.port(), "up"]);
    }

    /// Limits what the host receives and sends, each for itself.
    ///
    /// # Errors
    /// When this machine has no token bucket.
    pub fn limit_mbit(&self, mbit: u32) -> Result<(), String> {
        let rate = format!("{mbit}mbit");
        let bucket = ["root", "tbf", "rate", &rate, "burst", "256kb", "latency", "50ms"];
        let port = self.port();
        attempt(inside(&self.lan.switch, "tc").args(["qdisc", "replace", "dev", &port]).args(bucket))?;
        attempt(inside(&self.namespace, "tc").args(["qdisc", "replace", "dev", "eth0"]).args(bucket))
    }

    /// Any program, to be run on this host.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = inside(&self.namespace, program);
        command.env("HOME", &self.folder).env("TZ", "UTC").current_dir(&self.folder);
        command
    }

    /// The program under test, with `--json` and this person's profile.
    pub fn lanyard(&self, words: &[&str]) -> Command {
        let mut command = self.command(lanyard_binary());
        command.arg("--json").arg("--profile").arg(self.folder.join("profile")).args(words);
        command
    }

    /// Starts the program under test.
    ///
    /// # Panics
    /// When it does not start.
    pub fn spawn(&self, words: &[&str]) -> Process {
        Process::start(format!("{}: lanyard {}", self.name, words.join(" ")), &mut self.lanyard(words))
    }

    /// Runs the program under test to its end.
    ///
    /// # Panics
    /// When it takes longer than a minute.
    pub fn run(&self, words: &[&str]) -> Finished {
        self.spawn(words).finish(Duration::from_secs(60))
    }

    fn port(&self) -> String {
        format!("port{}", self.number)
    }

    fn connect(&self, addresses: Addresses) {
        let (switch, host, port) = (&self.lan.switch, &self.namespace, &self.port());
        // Without this a link-local address cannot be used in its first second or two.
        for setting in ["accept_dad", "dad_transmits"] {
            let script = format!("echo 0 > /proc/sys/net/ipv6/conf/default/{setting}");
            run(inside(host, "sh").args(["-c", &script]));
        }
        ip(&["-n", host, "link", "set", "lo", "up"]);
        ip(&["-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host]);
        ip(&["-n", switch, "link", "set", port, "master", "br0", "up"]);
        if addresses == Addresses::Both {
            ip(&["-n", host, "addr", "add", &format!("{}/24", self.address()), "dev", "eth0"]);
        }
        ip(&["-n", host, "link", "set", "eth0", "up"]);
        if addresses == Addresses::Both {
            ip(&["-n", host, "route", "add", "default", "dev", "eth0"]);
        }
        self.await_link_local();
    }

    fn await_link_local(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let shown = Command::new("ip")
                .args(["-n", &self.namespace, "-6", "-o", "addr", "show", "dev", "eth0", "scope", "link"])
                .output()
                .expect("ip runs");
            let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
            if shown.contains("fe80::") && !shown.contains("tentative") {
                return;
            }
            assert!(Instant::now() < deadline, "{} gets no link-local address: {shown}", self.name);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Inner {
    fn add_namespace(&self, name: &str) {
        ip(&["netns", "add", name]);
        self.namespaces.borrow_mut().push(name.to_owned());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for namespace in self.namespaces.borrow().iter() {
            if let Err(why) = try_ip(&["netns", "del", namespace]) {
                eprintln!("the namespace {namespace} stays behind: {why}");
            }
        }
    }
}

/// The program under test: `LANYARD_BIN`, or what was built beside this test.
///
/// # Panics
/// When there is none.
pub fn lanyard_binary() -> PathBuf {
    if let Some(named) = std::env::var_os("LANYARD_BIN") {
        return PathBuf::from(named);
    }
    let binary = built_beside("lanyard");
    assert!(binary.is_file(), "{} is missing: cargo build -p lanyard-engine makes it", binary.display());
    binary
}

/// Where another program of the same build is.
///
/// # Panics
/// When this program does not know where it is itself.
pub fn built_beside(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this program has a path");
    let folder = this.parent().expect("a program is in a folder");
    // Tests are one folder deeper than programs.
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Namespaces of test processes that are gone.
fn delete_leftovers() {
    let Ok(listed) = Command::new("ip").args(["netns", "list"]).output() else { return };
    for name in String::from_utf8_lossy(&listed.stdout).lines().filter_map(|line| line.split(' ').next()) {
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // Another test process may be doing the same.
            let _ = try_ip(&["netns", "del", name]);
        }
    }
}

fn inside(namespace: &str, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program.as_ref());
    command
}

#[track_caller]
fn ip(words: &[&str]) {
    run(Command::new("ip").args(words));
}

fn try_ip(words: &[&str]) -> Result<(), String> {
    attempt(Command::new("ip").args(words))
}

#[track_caller]
fn run(command: &mut Command) {
    if let Err(why) = attempt(command) {
        panic!("{why}");
    }
}

fn attempt(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// Namespaces are named after the process and a number, so that tests can run beside each other.
const PREFIX: &str = "lanyard-hosts-";

static NEXT: AtomicU32 = AtomicU32::new(0);
static TURN: Mutex<()> = Mutex::new(());
