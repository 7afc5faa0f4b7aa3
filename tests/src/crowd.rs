//! Many nodes at once: each is a process on a host of its own, spoken to over its control socket and heard by one thread.

mod control;
mod ear;

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use crate::hosts::{Addresses, Host, Lan};
use ear::Ear;

pub use control::Control;
pub use ear::{Heard, Showing};

/// Nodes of one network. They are killed when this is dropped.
pub struct Crowd {
    nodes: Vec<Node>,
    ear: Ear,
}

struct Node {
    host: Host,
    options: Vec<String>,
    /// Seconds by which its wall clock is wrong.
    clock: i64,
    child: Option<Child>,
}

impl Crowd {
    /// Nobody yet.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Crowd {
        Crowd { nodes: Vec::new(), ear: Ear::open() }
    }

    /// Connects so many hosts, starts a node on each and waits until all are ready.
    ///
    /// # Errors
    /// When one is not ready in time.
    pub fn gather(lan: &Lan, size: usize, addresses: Addresses) -> Result<Crowd, String> {
        let mut crowd = Crowd::new();
        for host in lan.hosts((1..=size).map(|number| format!("p{number}")), addresses) {
            crowd.add(host, &[]);
        }
        crowd.start_all()?;
        Ok(crowd)
    }

    /// Takes in a host whose node is not running yet; options are for `lanyard up`.
    pub fn add(&mut self, host: Host, options: &[&str]) -> usize {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        self.nodes.push(Node { host, options, clock: 0, child: None });
        self.nodes.len() - 1
    }

    /// Lets a node's wall clock be wrong by so many seconds, from its next start on.
    pub fn set_clock(&mut self, node: usize, seconds: i64) {
        self.nodes[node].clock = seconds;
    }

    /// Starts whoever does not run, and waits until all are ready.
    ///
    /// # Errors
    /// When one is not ready in time.
    pub fn start_all(&mut self) -> Result<(), String> {
        let idle: Vec<_> = (0..self.size()).filter(|node| self.nodes[*node].child.is_none()).collect();
        for node in &idle {
            self.spawn(*node);
        }
        for node in idle {
            self.await_ready(node)?;
        }
        Ok(())
    }

    /// Starts a node; how long until it was ready.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub fn start(&mut self, node: usize) -> Result<Duration, String> {
        let begun = Instant::now();
        self.spawn(node);
        Ok(self.await_ready(node)?.saturating_duration_since(begun))
    }

    /// Ends a node without a goodbye (SIGKILL), and hears what it had still printed.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self, node: usize) -> Result<(), String> {
        let ended = self.heard()[node].ended;
        let mut child = self.nodes[node].child.take().ok_or("it does not run")?;
        child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
        self.wait("the end of its output", SOON, |heard| (heard[node].ended > ended).then_some(()))
    }

    /// Waits until everybody sees everybody else.
    ///
    /// # Errors
    /// Who does not, when it takes longer than `within`.
    pub fn meet(&self, within: Duration) -> Result<(), String> {
        let others = self.size() - 1;
        let met = self.wait("everybody to see everybody", within, |heard| {
            heard.iter().all(|node| node.here.len() >= others).then_some(())
        });
        met.map_err(|why| {
            let heard = self.heard();
            let blind = heard.iter().zip(&self.nodes).filter(|(heard, _)| heard.here.len() < others);
            let blind: Vec<_> = blind
                .map(|(heard, node)| format!("{} sees {}", node.host.name(), heard.here.len()))
                .collect();
            format!("{why}: of {others}, {}", blind.join(", "))
        })
    }

    /// Waits until `find` finds something in what was heard; it is asked after each event.
    ///
    /// # Errors
    /// What was waited for, when it takes longer than `within`.
    pub fn wait<T>(
        &self,
        what: &str,
        within: Duration,
        find: impl FnMut(&mut [Heard]) -> Option<T>,
    ) -> Result<T, String> {
        self.ear
            .wait(within, find)
            .ok_or_else(|| format!("waited {within:?} in vain for {what}{}", self.complaints()))
    }

    /// Waits until anything is heard, or for so long.
    pub fn await_news(&self, within: Duration) {
        let events = |heard: &[Heard]| heard.iter().map(|node| node.events).sum::<u64>();
        let before = events(&self.heard());
        // Whether there was any, whoever waits for it finds out by looking again.
        let _ = self.ear.wait(within, |heard| (events(heard) > before).then_some(()));
    }

    /// Waits until everybody has heard all of these.
    ///
    /// # Errors
    /// Who lacks how many, when it takes longer than `within`.
    pub fn all_hear(&self, texts: &[String], within: Duration) -> Result<(), String> {
        // How many of them each node has heard for sure, so that each text is looked up about once.
        let mut known = vec![0; self.size()];
        let what = format!("{} messages to reach all {}", texts.len(), self.size());
        self.wait(&what, within, |heard| {
            for (node, known) in heard.iter().zip(&mut known) {
                while *known < texts.len() && node.texts.contains_key(&texts[*known]) {
                    *known += 1;
                }
            }
            known.iter().all(|known| *known == texts.len()).then_some(())
        })
        .map_err(|why| format!("{why}: {}", self.lacking(texts).join(", ")))
    }

    /// The first of those who lack some of these.
    fn lacking(&self, texts: &[String]) -> Vec<String> {
        let heard = self.heard();
        let lacking = heard.iter().zip(&self.nodes).filter_map(|(heard, node)| {
            let lacking: Vec<_> = texts.iter().filter(|text| !heard.texts.contains_key(*text)).collect();
            let first: String = lacking.first()?.chars().take(SHOWN).collect();
            Some(format!("{} lacks {}, first {first:?}", node.host.name(), lacking.len()))
        });
        lacking.take(COMPLAINTS).collect()
    }

    /// What was heard up to now. Nothing is heard while this is held.
    pub fn heard(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.ear.lock()
    }

    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    pub fn host(&self, node: usize) -> &Host {
        &self.nodes[node].host
    }

    /// All hosts, in the order in which they were taken in.
    pub fn hosts(&self) -> Vec<Host> {
        self.nodes.iter().map(|node| node.host.clone()).collect()
    }

    pub fn profile(&self, node: usize) -> PathBuf {
        self.nodes[node].host.folder().join("profile")
    }

    /// The process id of a running node.
    pub fn process(&self, node: usize) -> Option<u32> {
        self.nodes[node].child.as_ref().map(Child::id)
    }

    /// A new connection to a running node.
    ///
    /// # Errors
    /// When it does not run.
    pub fn control(&self, node: usize) -> Result<Control, String> {
        Control::connect(&self.profile(node)).map_err(|why| format!("{}: {why}", self.host(node).name()))
    }

    fn spawn(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let downloads = node.host.downloads();
        let mut words = vec!["up", "--name", node.host.name(), "--downloads"];
        words.push(downloads.to_str().expect("Unicode"));
        words.extend(node.options.iter().map(String::as_str));
        let errors = stderr(&node.host);
        let mut lanyard = node.host.lanyard_with_clock(node.clock, &words);
        let spawned = lanyard.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("lanyard does not start: {error}"));
        self.ear.hear(index, child.stdout.take().expect("standard output is piped"));
        node.child = Some(child);
    }

    fn await_ready(&self, node: usize) -> Result<Instant, String> {
        let what = format!("{} to be ready", self.host(node).name());
        let ended = self.heard()[node].ended;
        self.wait(&what, SOON, |heard| {
            let ready = heard[node].ready.map(Ok);
            ready.or_else(|| (heard[node].ended > ended).then_some(Err("it ended")))
        })?
        .map_err(|why| format!("waited for {what}, but {why}{}", self.complaints()))
    }

    /// What nodes wrote for people, for whoever looks for the reason of a failure.
    fn complaints(&self) -> String {
        let complaint = |node: &Node| {
            let said = std::fs::read_to_string(node.host.folder().join("stderr")).unwrap_or_default();
            let last = said.trim().lines().last()?.to_owned();
            Some(format!("\n{}: {last}", node.host.name()))
        };
        self.nodes.iter().filter_map(complaint).take(COMPLAINTS).collect()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let mut children: Vec<_> = self.nodes.iter_mut().filter_map(|node| node.child.take()).collect();
        // First all are killed, so that none spends time on noticing that others are gone. Some may have ended already.
        for child in &mut children {
            let _ = child.kill();
        }
        for mut child in children {
            let _ = child.wait();
        }
    }
}

/// A file, because nobody reads along.
fn stderr(host: &Host) -> File {
    let path = host.folder().join("stderr");
    OpenOptions::new().create(true).append(true).open(path).expect("the folder of a host can be written to")
}

/// For what takes milliseconds on an idle machine; fifty nodes that start at once share it.
const SOON: Duration = Duration::from_secs(60);

/// Enough of a text to know it by.
const SHOWN: usize = 24;

/// More would only hide the rest of the failure.
const COMPLAINTS: usize = 5;
