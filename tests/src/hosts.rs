//! Hosts on one network, as network namespaces joined by a bridge in a namespace of its own.
//!
//! Nothing touches the machine's own network: the bridge, its rules and every address live in namespaces with names
//! of this process. They are deleted when the [`Lan`] is dropped, and when its process ends in any other way.

mod beside;
mod guardian;
mod rules;
mod unsteady;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::process::{Finished, Process};
use guardian::Guardian;
use rules::Rules;

pub use beside::Leaving;
pub use rules::{Counted, Frames, Loss, Traffic};

/// A switch, and the hosts at it.
pub struct Lan {
    inner: Rc<Inner>,
}

/// Which addresses a host has; those of IPv6 are link-local.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    Both,
    OnlyIpv4,
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
    rules: RefCell<Rules>,
    folder: PathBuf,
    // Dropped in this order: cleared away, then the next one's turn.
    _guardian: Guardian,
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

    /// A network for a test, or none with the words why it is skipped.
    pub fn or_skip() -> Option<Lan> {
        Lan::available().inspect_err(|why| println!("skipped: {why}")).ok().map(|()| Lan::new())
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
        guardian::clear_leftovers(PREFIX);
        let prefix = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let switch = format!("{prefix}-switch");
        let folder = tempfile::tempdir().expect("a folder for the hosts").keep();
        let lan = Lan {
            inner: Rc::new(Inner {
                _guardian: Guardian::of(&prefix, &folder).expect("sh is installed"),
                prefix,
                switch: switch.clone(),
                rules: RefCell::default(),
                folder,
                _turn: turn,
            }),
        };
        ip(&["netns", "add", &switch]);
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
        self.hosts([name], addresses).remove(0)
    }

    /// Connects many hosts in one go, up to 254 in all: fifty take half a second.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn hosts<Name: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = Name>,
        addresses: Addresses,
    ) -> Vec<Host> {
        let mut hosts = Vec::new();
        for name in names {
            let name = name.as_ref().to_owned();
            let number = u8::try_from(self.inner.rules.borrow().hosts.len() + 1).expect("at most 254 hosts");
            self.inner.rules.borrow_mut().hosts.push(number);
            let namespace = format!("{}-{number}", self.inner.prefix);
            let folder = self.inner.folder.join(format!("{number}-{name}"));
            std::fs::create_dir(&folder).expect("a folder for the host");
            hosts.push(Host { lan: self.inner.clone(), name, namespace, number, folder });
        }
        let made = hosts.iter().map(|host| format!("netns add {}\n", host.namespace)).collect::<String>();
        run_with_input(Command::new("ip").args(["-batch", "-"]), &made);
        let plugged = hosts.iter().map(Host::plug).collect::<String>();
        run_with_input(Command::new("ip").args(["-n", &self.inner.switch, "-batch", "-"]), &plugged);
        for host in &hosts {
            let configured = host.configuration(addresses);
            run_with_input(Command::new("ip").args(["-n", &host.namespace, "-batch", "-"]), &configured);
        }
        self.inner.apply_rules();
        hosts
    }

    /// Loses this share of all frames between hosts, each copy for itself.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn lose_percent(&self, percent: u8) {
        self.lose(Loss { out: 0, into: percent, of: Frames::All });
    }

    /// Loses a share of what each host sends and of what reaches it, from now on; [`Host::lose`] goes before.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn lose(&self, loss: Loss) {
        self.inner.rule(|rules| rules.loss = Some(loss));
    }

    /// Lets no multicast and no broadcast of programs pass; the neighbour discovery of IP still does.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn cut_multicast(&self) {
        self.inner.rule(|rules| rules.multicast_is_cut = true);
    }

    /// Lets no multicast of programs pass, and broadcast only, as some access points do.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn eat_multicast(&self) {
        self.inner.rule(|rules| rules.multicast_is_eaten = true);
    }

    /// Parts the network: the hosts of a side reach each other only, and those of no side do, too.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn part(&self, sides: &[&[Host]]) {
        let sides = sides.iter().map(|side| side.iter().map(|host| host.number).collect()).collect();
        self.inner.rule(|rules| rules.sides = sides);
    }

    /// Ends the partition.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn heal(&self) {
        self.inner.rule(|rules| rules.sides.clear());
    }

    /// Makes all hosts share one medium: what they send beyond this rate is lost to everybody.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn share_kbit(&self, kbit: u32) {
        self.inner.rule(|rules| rules.shared = Some(kbit * 125));
    }

    /// What each host has sent and got so far, in the order in which they were connected.
    ///
    /// # Panics
    /// When the machine does not say.
    pub fn traffic(&self) -> Vec<Traffic> {
        let counted = rules::traffic(&self.inner.counters());
        let rules = self.inner.rules.borrow();
        rules.hosts.iter().map(|host| counted.get(host).copied().unwrap_or_default()).collect()
    }

    /// The program's datagrams so far, of all hosts, by the kind that their envelopes name.
    ///
    /// # Panics
    /// When the machine does not say.
    pub fn datagrams(&self) -> BTreeMap<u8, Counted> {
        rules::datagrams(&self.inner.counters())
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

    /// Loses a share of what this host sends and gets, from now on.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn lose(&self, loss: Loss) {
        self.lan.rule(|rules| _ = rules.losses.insert(self.number, loss));
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

    /// Takes another IPv4 address in place of its own, as after a new lease. [`Host::address`] still says the old one.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn renumber(&self) {
        let new = self.number.checked_add(100).expect("one of the first hosts");
        let old = self.address();
        let changed = format!(
            "addr del {old}/24 dev eth0\naddr add 10.77.0.{new}/24 dev eth0\nroute replace default dev eth0\n"
        );
        run_with_input(Command::new("ip").args(["-n", &self.namespace, "-batch", "-"]), &changed);
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

    /// The network drops its multicast and broadcast, and what comes to it of others'. Connections pass.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn mute(&self) {
        self.lan.rule(|rules| _ = rules.mute.insert(self.number));
    }

    /// The network drops the multicast and broadcast that it sends. What others send reaches it, and connections pass.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn hush(&self) {
        self.lan.rule(|rules| _ = rules.hushed.insert(self.number));
    }

    /// The network brings it no multicast and broadcast of others. What it sends reaches them, and connections pass.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn deafen(&self) {
        self.lan.rule(|rules| _ = rules.deafened.insert(self.number));
    }

    /// As an access point isolates its clients: nothing passes between hosts that this was done to, not even what finds
    /// addresses.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn isolate(&self) {
        let port = self.port();
        ip(&["-n", &self.lan.switch, "link", "set", "dev", &port, "type", "bridge_slave", "isolated", "on"]);
    }

    /// Gives it a firewall of its own, as one chain of nftables: the hook and policy, and the rules in it.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn firewall(&self, chain: &str, rules: &[&str]) {
        let mut script = format!("add table inet own\nadd chain inet own rules {{ {chain} }}\n");
        for rule in rules {
            script += &format!("add rule inet own rules {rule}\n");
        }
        run_with_input(inside(&self.namespace, "nft").args(["-f", "-"]), &script);
    }

    /// Another interface of this name and IPv4 address, at which nobody is.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn add_interface(&self, name: &str, address: &str) {
        let words = format!(
            "link add {name} type veth peer name {name}-end\nlink set {name} up\nlink set {name}-end up\naddr add {address} dev {name}\n"
        );
        run_with_input(Command::new("ip").args(["-n", &self.namespace, "-batch", "-"]), &words);
    }

    /// Shuts its firewall for connections: whoever dials it hears nothing. What it dials itself, and datagrams, pass.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn close_tcp(&self) {
        self.lan.rule(|rules| _ = rules.closed.insert(self.number));
    }

    /// The opposite of [`Host::close_tcp`].
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn open_tcp(&self) {
        self.lan.rule(|rules| _ = rules.closed.remove(&self.number));
    }

    /// Its address gets the broadcast address of its subnet, as DHCP gives one.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn take_broadcast(&self) {
        let address = self.address();
        let words = format!(
            "addr del {address}/24 dev eth0\naddr add {address}/24 broadcast + dev eth0\nroute replace default dev eth0\n"
        );
        run_with_input(Command::new("ip").args(["-n", &self.namespace, "-batch", "-"]), &words);
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

    /// The program under test with a wall clock that is wrong by so many seconds; how long things take it still knows.
    ///
    /// # Panics
    /// When libfaketime is not installed.
    pub fn lanyard_with_clock(&self, seconds: i64, words: &[&str]) -> Command {
        let mut command = self.lanyard(words);
        if seconds != 0 {
            command.env("LD_PRELOAD", faketime().expect("libfaketime is installed"));
            command.env("FAKETIME", format!("{seconds:+}")).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            command.env("NO_FAKE_STAT", "1");
        }
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

    /// Plugs the cable in, in words for `ip -batch` at the switch.
    fn plug(&self) -> String {
        let (port, host) = (self.port(), &self.namespace);
        format!(
            "link add {port} type veth peer name eth0 netns {host}\nlink set {port} master br0 addrgenmode none up\n"
        )
    }

    /// For `ip -batch` at the host. Its IPv6 address is given by hand, because one that the kernel makes cannot be used in
    /// its first second or two.
    fn configuration(&self, addresses: Addresses) -> String {
        let mut words = "link set lo up\nlink set eth0 addrgenmode none up\n".to_owned();
        if addresses != Addresses::OnlyIpv4 {
            words += &format!("addr add fe80::{:x}/64 dev eth0 nodad\n", self.number);
        }
        if addresses != Addresses::OnlyIpv6 {
            words += &format!("addr add {}/24 dev eth0\nroute add default dev eth0\n", self.address());
        }
        words
    }
}

impl Inner {
    #[track_caller]
    fn rule(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.rules.borrow_mut());
        self.apply_rules();
    }

    fn counters(&self) -> Value {
        let counters = ["-j", "list", "counters", "table", "bridge", "lanyard"];
        let listed = inside(&self.switch, "nft").args(counters).output().expect("nft runs");
        serde_json::from_slice(&listed.stdout).expect("nft lists its counters")
    }

    fn apply_rules(&self) {
        run_with_input(inside(&self.switch, "nft").args(["-f", "-"]), &self.rules.borrow().script());
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

/// What gives programs another wall clock, where it is installed.
fn faketime() -> Option<PathBuf> {
    let architectures = std::fs::read_dir("/usr/lib").ok()?.flatten();
    architectures.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file())
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

/// Runs what reads its work from standard input.
#[track_caller]
fn run_with_input(command: &mut Command, input: &str) {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // It ends early when it refuses a line, and says so below.
    let _ = child.stdin.take().expect("standard input is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it can be waited for");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{input}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
}

/// Namespaces are named after the process and a number, so that tests can run beside each other.
pub const PREFIX: &str = "lanyard-hosts-";

static NEXT: AtomicU32 = AtomicU32::new(0);
static TURN: Mutex<()> = Mutex::new(());
