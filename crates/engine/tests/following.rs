//! Whoever reads everything that arrives gets every message once: real nodes, and the terminal program beside them.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

#[test]
fn a_latecomer_who_follows_a_room_reads_all_that_was_said_before_once() {
    let home = tempfile::tempdir().expect("a folder");
    let ann = Node::up(home.path(), "ann");
    ann.says_in_the_lobby(2000);

    let bob = Node::up(home.path(), "bob");
    bob.ask("say", &json!({ "to": "#lobby", "text": "from before" }));
    let mut follower = Program::start(&bob.profile, &["--json", "log", "#lobby", "--follow", "--limit", "1"]);
    let lines = &mut follower.lines;
    assert_eq!(lines.next()["text"], "from before");
    bob.meet(&ann);

    let mut printed: BTreeMap<String, u32> = BTreeMap::new();
    while printed.len() < 2000 {
        *printed.entry(text(&lines.next())).or_default() += 1;
    }
    // What is said behind all that is printed behind all that.
    bob.ask("say", &json!({ "to": "#lobby", "text": "the end" }));
    loop {
        match text(&lines.next()).as_str() {
            "the end" => break,
            other => *printed.entry(other.to_owned()).or_default() += 1,
        }
    }
    assert_eq!(printed, each_once(2000));
}

#[test]
fn whoever_reads_too_slowly_for_the_events_misses_no_message() {
    let home = tempfile::tempdir().expect("a folder");
    let mut ann = Node::up(home.path(), "ann");
    // Nobody reads what it prints meanwhile: it stops printing, and what the node tells is lost in part.
    ann.says_in_the_lobby(6000);
    ann.ask("say", &json!({ "to": "#lobby", "text": "the end" }));

    let mut printed: BTreeMap<String, u32> = BTreeMap::new();
    let mut lagged = false;
    let mut ended = false;
    while !(ended && lagged) {
        let event = ann.program.lines.next();
        match event["event"].as_str() {
            Some("lagged") => lagged = true,
            Some("message") if event["message"]["text"] == "the end" => ended = true,
            Some("message") => *printed.entry(text(&event["message"])).or_default() += 1,
            _ => {}
        }
    }
    assert_eq!(printed, each_once(6000));
}

#[test]
fn whoever_waits_for_a_delivery_learns_who_has_it() {
    let home = tempfile::tempdir().expect("a folder");
    let (ann, mut bob) = (Node::up(home.path(), "ann"), Node::up(home.path(), "bob"));
    bob.meet(&ann);
    bob.ask("say", &json!({ "to": "#lobby", "text": "here I am" }));
    let mut follower = Program::start(&ann.profile, &["--json", "log", "#lobby", "--follow"]);
    assert_eq!(follower.lines.next()["text"], "here I am");

    let mut waits = Program::start(&ann.profile, &["--json", "say", "#lobby", "tea?", "--wait"]);
    let said = waits.lines.next();
    assert_eq!((&said["text"], &said["delivered"]["names"]), (&json!("tea?"), &json!(["bob"])));
    assert!(waits.child.wait().expect("it ends").success());
    while bob.program.lines.next()["message"]["text"] != "tea?" {}
}

fn text(message: &Value) -> String {
    message["text"].as_str().expect("a message").to_owned()
}

fn line(number: usize) -> String {
    format!("line {number}")
}

fn each_once(lines: usize) -> BTreeMap<String, u32> {
    (0..lines).map(|number| (line(number), 1)).collect()
}

/// `lanyard up`, with nobody on the network but whom it is told of.
struct Node {
    profile: PathBuf,
    program: Program,
    tcp_port: u64,
}

impl Node {
    fn up(home: &Path, name: &str) -> Node {
        let profile = home.join(name);
        let words = ["--json", "up", "--name", name, "--no-multicast", "--port", "0", "--downloads"];
        let downloads = profile.join("downloads");
        let words: Vec<&str> = words.into_iter().chain(downloads.to_str()).collect();
        let mut program = Program::start(&profile, &words);
        let ready = program.lines.next();
        assert_eq!(ready["event"], "ready");
        let tcp_port = ready["network"]["tcpPort"].as_u64().expect("a port");
        Node { profile, program, tcp_port }
    }

    fn meet(&self, other: &Node) {
        self.ask("add-peer", &json!({ "address": format!("127.0.0.1:{}", other.tcp_port) }));
    }

    /// Says so many lines, as many programs at once.
    fn says_in_the_lobby(&self, lines: usize) {
        std::thread::scope(|scope| {
            for first in 0..SPEAKERS {
                scope.spawn(move || {
                    let mut control = Control::connect(&self.profile);
                    for number in (first..lines).step_by(SPEAKERS) {
                        control.ask("say", &json!({ "to": "#lobby", "text": line(number) }));
                    }
                });
            }
        });
    }

    fn ask(&self, method: &str, params: &Value) -> Value {
        Control::connect(&self.profile).ask(method, params)
    }
}

/// A connection to a node's control socket.
struct Control {
    write: UnixStream,
    lines: Lines<BufReader<UnixStream>>,
}

impl Control {
    fn connect(profile: &Path) -> Control {
        let write = UnixStream::connect(profile.join("control.sock")).expect("the node listens");
        let read = write.try_clone().expect("a second handle");
        Control { write, lines: BufReader::new(read).lines() }
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        writeln!(self.write, "{request}").expect("the node reads");
        let line = self.lines.next().expect("an answer").expect("text");
        let answer: Value = serde_json::from_str(&line).expect("JSON");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }
}

/// The terminal program. It is killed when this is dropped.
struct Program {
    child: Child,
    lines: Printed,
}

struct Printed(Lines<BufReader<ChildStdout>>);

impl Program {
    fn start(profile: &Path, words: &[&str]) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lanyard"))
            .arg("--profile")
            .arg(profile)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the terminal program starts");
        let out = child.stdout.take().expect("piped");
        Program { child, lines: Printed(BufReader::new(out).lines()) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Printed {
    fn next(&mut self) -> Value {
        let line = self.0.next().expect("the program goes on").expect("text");
        serde_json::from_str(&line).expect("JSON")
    }
}

/// Each waits for its own answers; together they keep the disk busy.
const SPEAKERS: usize = 16;
