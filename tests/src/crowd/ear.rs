//! One thread that reads what all nodes print, and keeps of it what stories and benches ask for.

use std::collections::{BTreeSet, HashMap};
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::process::ChildStdout;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use serde_json::Value;

/// What one node has told since it was first started, over all its runs.
#[derive(Default)]
pub struct Heard {
    /// When its latest run was ready, if it is.
    pub ready: Option<Instant>,
    /// Names of those who are on the network with it, as its latest run knows.
    pub here: BTreeSet<String>,
    /// Messages by their texts: when each was first shown, and how often.
    pub texts: HashMap<String, Showing>,
    /// Transfers that ended, as told.
    pub finished: Vec<Value>,
    /// Sentences for people: something went wrong.
    pub notices: Vec<String>,
    /// Events that it printed too slowly to be told.
    pub lagged: u64,
    /// Events of all kinds.
    pub events: u64,
    /// How many of its runs have ended.
    pub ended: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Showing {
    pub first: Instant,
    pub times: u32,
}

/// Listens until it is dropped.
pub(super) struct Ear {
    shared: Arc<Shared>,
    sources: Sender<Source>,
    wake: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    heard: Mutex<Vec<Heard>>,
    changed: Condvar,
}

struct Source {
    node: usize,
    output: ChildStdout,
    /// The beginning of a line that is not whole yet.
    rest: Vec<u8>,
}

/// What a line says that is worth keeping.
enum Fact {
    Ready,
    Here(String),
    Gone(String),
    Text(String),
    Finished(Value),
    Notice(String),
    Lagged(u64),
    Other,
    End,
}

impl Ear {
    pub(super) fn open() -> Ear {
        let shared = Arc::new(Shared { heard: Mutex::default(), changed: Condvar::new() });
        let (sources, added) = channel();
        let (woken, wake) = std::io::pipe().expect("a pipe");
        let listening = shared.clone();
        let thread = std::thread::spawn(move || listen(&listening, &added, woken));
        Ear { shared, sources, wake: Some(wake), thread: Some(thread) }
    }

    /// Hears a run of this node from its first line on.
    pub(super) fn hear(&self, node: usize, output: ChildStdout) {
        let mut heard = self.lock();
        let known = heard.len().max(node + 1);
        heard.resize_with(known, Heard::default);
        heard[node].ready = None;
        heard[node].here.clear();
        drop(heard);
        self.sources.send(Source { node, output, rest: Vec::new() }).expect("the ear listens");
        self.wake.as_ref().expect("it is open").write_all(&[1]).expect("the ear listens");
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks `find` now and after everything that is heard, until it finds something or the time is over.
    pub(super) fn wait<T>(
        &self,
        within: Duration,
        mut find: impl FnMut(&mut [Heard]) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + within;
        let mut heard = self.lock();
        loop {
            let found = find(&mut heard);
            let left = deadline.saturating_duration_since(Instant::now());
            if found.is_some() || left.is_zero() {
                return found;
            }
            heard = self.shared.changed.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        // The end of the pipe ends the thread.
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(shared: &Shared, added: &Receiver<Source>, mut woken: PipeReader) {
    let mut sources: Vec<Source> = Vec::new();
    let mut buffer = vec![0; READ];
    loop {
        let mut fds = vec![PollFd::new(&woken, PollFlags::IN)];
        fds.extend(sources.iter().map(|source| PollFd::new(&source.output, PollFlags::IN)));
        if let Err(error) = poll(&mut fds, None) {
            assert_eq!(error, rustix::io::Errno::INTR, "nodes cannot be listened to");
            continue;
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        let mut facts = Vec::new();
        for (source, _) in sources.iter_mut().zip(&ready[1..]).filter(|(_, ready)| **ready) {
            let length = source.output.read(&mut buffer).unwrap_or(0);
            let at = Instant::now();
            if length == 0 {
                facts.push((source.node, at, Fact::End));
            }
            let node = source.node;
            source.take_in(&buffer[..length], |fact| facts.push((node, at, fact)));
        }
        let ended = |node: usize| facts.iter().any(|(of, _, fact)| *of == node && matches!(fact, Fact::End));
        sources.retain(|source| !ended(source.node));
        if ready[0] {
            match woken.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(_) => sources.extend(added.try_iter()),
            }
        }
        if !facts.is_empty() {
            let mut heard = shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
            for (node, at, fact) in facts {
                heard[node].note(fact, at);
            }
            shared.changed.notify_all();
        }
    }
}

impl Source {
    fn take_in(&mut self, bytes: &[u8], mut tell: impl FnMut(Fact)) {
        self.rest.extend_from_slice(bytes);
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in self.rest[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            tell(Fact::of(line));
        }
        self.rest.drain(..whole);
    }
}

impl Fact {
    /// Most events are of no interest here, and are not even parsed: there are hundreds of thousands in a large room.
    fn of(line: &[u8]) -> Fact {
        let kind = line.strip_prefix(b"{\"event\":\"").unwrap_or_default();
        let kind = kind.split(|byte| *byte == b'"').next().unwrap_or_default();
        let event = || serde_json::from_slice::<Value>(line).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match kind {
            b"ready" => Fact::Ready,
            b"peer-online" => Fact::Here(text(&event()["peer"]["name"])),
            b"peer-offline" => Fact::Gone(text(&event()["peer"]["name"])),
            b"message" => Fact::Text(text(&event()["message"]["text"])),
            b"transfer-finished" => Fact::Finished(event()["transfer"].take()),
            b"notice" => Fact::Notice(text(&event()["error"]["message"])),
            b"lagged" => Fact::Lagged(event()["missed"].as_u64().unwrap_or(0)),
            _ => Fact::Other,
        }
    }
}

impl Heard {
    fn note(&mut self, fact: Fact, at: Instant) {
        self.events += 1;
        match fact {
            Fact::Ready => self.ready = Some(at),
            Fact::Here(name) => drop(self.here.insert(name)),
            Fact::Gone(name) => drop(self.here.remove(&name)),
            Fact::Text(text) => {
                self.texts.entry(text).or_insert(Showing { first: at, times: 0 }).times += 1;
            }
            Fact::Finished(transfer) => self.finished.push(transfer),
            Fact::Notice(sentence) => self.notices.push(sentence),
            Fact::Lagged(missed) => self.lagged += missed,
            Fact::Other => {}
            Fact::End => self.ended += 1,
        }
    }
}

/// What a pipe holds.
const READ: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_nodes_print_is_kept_by_node_until_they_end() {
        let ear = Ear::open();
        for (node, name) in ["ann", "bob"].iter().enumerate() {
            let script = format!(
                r#"echo '{{"event":"ready"}}'; printf '{{"event":"message","message":'; echo '{{"text":"{name}"}}}}'"#
            );
            let mut child = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
            ear.hear(node, child.stdout.take().unwrap());
            child.wait().unwrap();
        }
        let both = ear.wait(Duration::from_secs(20), |heard| {
            heard.iter().all(|node| node.ended == 1 && node.ready.is_some()).then_some(())
        });
        assert!(both.is_some());
        let heard = ear.lock();
        assert_eq!((heard[0].texts["ann"].times, heard[1].texts["bob"].times), (1, 1));
        assert_eq!(heard[0].events, 3);
    }
}
