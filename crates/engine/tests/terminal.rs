//! The terminal program against a node that is played by the test: what it asks, prints and exits with.
#![cfg(unix)]

#[path = "terminal/call.rs"]
mod call;
#[path = "terminal/choosing.rs"]
mod choosing;
#[path = "terminal/delivery.rs"]
mod delivery;
#[path = "terminal/notify.rs"]
mod notify;
#[path = "terminal/private.rs"]
mod private;
#[path = "terminal/queue.rs"]
mod queue;
#[path = "terminal/reading.rs"]
mod reading;
#[path = "terminal/rooms.rs"]
mod rooms;
#[path = "terminal/shares.rs"]
mod shares;
#[path = "terminal/trust.rs"]
mod trust;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn peers_are_listed_for_a_person_in_one_line_each() {
    let node = FakeNode::start(|_, _| ok("peers", json!([peer("Bob", true), peer("Cyd", false)])));
    let output = node.lanyard(&["peers"]);
    assert_eq!(code(&output), 0);
    let expected =
        "● bobbobbo  🦊 Bob  Linux, 10.77.0.2:24417\n○ cydcydcy  🦊 Cyd  Linux, last seen 1970-01-01 00:00\n";
    assert_eq!(stdout(&output), expected);
}

#[test]
fn peers_are_listed_for_a_program_as_one_object_a_line() {
    let node = FakeNode::start(|_, _| ok("peers", json!([peer("Bob", true), peer("Cyd", false)])));
    let output = node.lanyard(&["--json", "peers"]);
    let lines = objects(&output);
    assert_eq!(lines, [peer("Bob", true), peer("Cyd", false)]);
}

#[test]
fn waiting_for_somebody_in_vain_exits_with_three() {
    let node = FakeNode::start(|_, _| ok("peers", json!([])));
    let output = node.lanyard(&["peers", "--wait", "0"]);
    assert_eq!((code(&output), stdout(&output).as_str()), (3, ""));
    assert!(stderr(&output).contains("Nobody else is on the network"), "{}", stderr(&output));
}

#[test]
fn waiting_ends_as_soon_as_somebody_comes() {
    let asked = Mutex::new(0);
    let node = FakeNode::start(move |_, _| {
        let mut asked = asked.lock().expect("no panic before");
        *asked += 1;
        match *asked {
            1 => ok("peers", json!([])).then(json!({ "event": "peer-online", "peer": peer("Bob", true) })),
            _ => ok("peers", json!([peer("Bob", true)])),
        }
    });
    let output = node.lanyard(&["--json", "peers", "--wait", "600"]);
    assert_eq!((code(&output), objects(&output)), (0, vec![peer("Bob", true)]));
}

#[test]
fn the_errors_of_the_node_become_exit_codes() {
    let cases = [
        ("invalid", 2),
        ("not-found", 3),
        ("refused", 4),
        ("timed-out", 5),
        ("storage", 1),
        ("no-such", 1),
        ("internal", 1),
    ];
    for (error, expected) in cases {
        let node = FakeNode::start(move |_, _| Answer::error(error, "Because."));
        let output = node.lanyard(&["rooms"]);
        assert_eq!((code(&output), stdout(&output).as_str()), (expected, ""), "{error}");
        assert_eq!(stderr(&output), "lanyard: Because.\n");
    }
}

#[test]
fn what_makes_no_sense_exits_with_two() {
    let node = FakeNode::start(|_, _| ok("rooms", json!([])));
    for words in [&["dance"][..], &["say", "@Bob"], &["send", "@Bob", "/no/such/file"], &["log"]] {
        assert_eq!(code(&node.lanyard(words)), 2, "{words:?}");
    }
    assert!(node.asked().is_empty());
}

#[test]
fn a_message_is_said_without_a_word_to_a_person_and_told_to_a_program() {
    let node = FakeNode::start(|_, _| ok("message", message("m1", "Lunch?", 0)));
    let output = node.lanyard(&["say", "@Bob", "Lunch?"]);
    assert_eq!((code(&output), stdout(&output).as_str()), (0, ""));
    let output = node.lanyard(&["--json", "say", "@Bob", "Lunch?"]);
    assert_eq!(objects(&output), [message("m1", "Lunch?", 0)]);
    assert_eq!(node.asked()[0], ("say".to_owned(), json!({ "to": "@Bob", "text": "Lunch?", "reply": null })));
}

#[test]
fn what_to_say_can_come_from_standard_input() {
    let node = FakeNode::start(|_, _| ok("message", message("m1", "", 0)));
    let mut child = node.spawn(&["say", "#lobby", "-"]);
    child.stdin.take().expect("piped").write_all(b"two\nlines\n").expect("written");
    assert!(child.wait().expect("ended").success());
    assert_eq!(
        node.asked(),
        [("say".to_owned(), json!({ "to": "#lobby", "text": "two\nlines", "reply": null }))]
    );
}

#[test]
fn history_is_printed_oldest_first_and_page_by_page() {
    let node = FakeNode::start(|method, params| match (method, params["before"].as_str()) {
        ("find", _) => ok("room", room("design", "open")),
        (_, None) => ok("page", page(&[message("m2", "two", 60_000)], true)),
        (_, Some("m2")) => ok("page", page(&[message("m1", "one", 0)], false)),
        (_, Some(other)) => panic!("asked for what is before {other}"),
    });
    let output = node.lanyard(&["log", "#design", "--limit", "2"]);
    assert_eq!(stdout(&output), "1970-01-01 00:00  Bob: one\n1970-01-01 00:01  Bob: two\n");
    let output = node.lanyard(&["--json", "log", "#design", "--limit", "2"]);
    assert_eq!(objects(&output), [message("m1", "one", 0), message("m2", "two", 60_000)]);
}

#[test]
fn a_message_can_neither_control_the_terminal_nor_forge_a_line() {
    let node = FakeNode::start(|method, _| match method {
        "find" => ok("room", room("design", "open")),
        _ => {
            let text = "\u{1b}[2Jgone\nAnn: yes\u{9b}2J";
            ok("page", page(&[message("m1", text, 0)], false))
        }
    });
    let output = node.lanyard(&["log", "#design"]);
    assert_eq!(stdout(&output), "1970-01-01 00:00  Bob: \u{fffd}[2Jgone\n    Ann: yes\u{fffd}2J\n");
    let output = node.lanyard(&["--json", "log", "#design"]);
    assert!(!stdout(&output).contains(['\u{1b}', '\u{9b}']));
    assert_eq!(objects(&output)[0]["text"], "\u{1b}[2Jgone\nAnn: yes\u{9b}2J");
}

#[test]
fn following_a_room_prints_each_message_of_it_once_and_ends_well_on_a_signal() {
    let told = |text| json!({ "event": "message", "message": message(text, text, 0) });
    let elsewhere = {
        let mut event = told("elsewhere");
        event["message"]["room"] = "other".into();
        event
    };
    let node = FakeNode::start(move |method, params| match (method, params["since"].as_str()) {
        ("find", _) => ok("room", room("design", "open")),
        ("arrived", None) => arrived(&[], &[], "7"),
        ("arrived", Some("7")) => arrived(&[], &[], "8"),
        ("arrived", Some("8")) => arrived(&[message("new", "new", 0)], &[], "9"),
        ("arrived", _) => arrived(&[], &[], "9"),
        _ => {
            assert_eq!(params["until"], "7", "what arrives behind it is printed as it arrives");
            ok("page", page(&[message("old", "old", 0)], false))
                .then(told("old"))
                .then(elsewhere.clone())
                .then(told("new"))
        }
    });
    let mut child = node.spawn(&["--json", "log", "#design", "--follow"]);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut text = || {
        let line = lines.next().expect("a line").expect("text");
        serde_json::from_str::<Value>(&line).expect("JSON")["text"].clone()
    };
    assert_eq!((text(), text()), (json!("old"), json!("new")));
    terminate(&child);
    assert_eq!(child.wait().expect("ended").code(), Some(0));
    assert!(lines.next().is_none());
}

#[test]
fn what_is_done_with_a_message_is_asked_for_by_its_id() {
    let node = FakeNode::start(|_, _| ok("message", message("m1", "Lunch?", 0)));
    let say = |words: &[&str]| {
        let output = node.lanyard(&[&["say", "#lobby"], words].concat());
        assert_eq!((code(&output), stdout(&output).as_str()), (0, ""), "{words:?}: {}", stderr(&output));
    };
    say(&["--reply", "3fa9c01b", "yes"]);
    say(&["--edit", "3fa9c01b", "Dinner?"]);
    say(&["--delete", "3fa9c01b"]);
    say(&["--react", "3fa9c01b", "👍"]);
    say(&["--unreact", "3fa9c01b", "👍"]);
    say(&["--pin", "3fa9c01b"]);
    say(&["--unpin", "3fa9c01b"]);
    let asked = |method: &str, params: Value| (method.to_owned(), params);
    assert_eq!(
        node.asked(),
        [
            asked("say", json!({ "to": "#lobby", "text": "yes", "reply": "3fa9c01b" })),
            asked("edit", json!({ "to": "#lobby", "message": "3fa9c01b", "text": "Dinner?" })),
            asked("delete", json!({ "to": "#lobby", "message": "3fa9c01b" })),
            asked("react", json!({ "to": "#lobby", "message": "3fa9c01b", "emoji": "👍", "on": true })),
            asked("react", json!({ "to": "#lobby", "message": "3fa9c01b", "emoji": "👍", "on": false })),
            asked("pin", json!({ "to": "#lobby", "message": "3fa9c01b", "on": true })),
            asked("pin", json!({ "to": "#lobby", "message": "3fa9c01b", "on": false })),
        ]
    );
}

#[test]
fn a_search_names_the_room_of_what_it_found() {
    let node = FakeNode::start(|method, params| match method {
        "rooms" => ok("rooms", json!([room("design", "open")])),
        _ => {
            assert_eq!((&params["text"], &params["from"]), (&json!("tea"), &json!("@Bob")));
            ok("found", json!({ "messages": [message("3fa9c01b77", "tea?", 0)], "more": false }))
        }
    });
    let output = node.lanyard(&["search", "tea", "--from", "@Bob"]);
    assert_eq!(stdout(&output), "3fa9c01b  #design  1970-01-01 00:00  Bob: tea?\n", "{}", stderr(&output));
}

#[test]
fn history_is_exported_into_a_folder_that_is_named() {
    let node = FakeNode::start(|method, _| match method {
        "find" => ok("room", room("design", "open")),
        "admit" => ok("handles", json!([{ "handle": "handle", "name": "docs", "folder": true, "size": 0 }])),
        _ => ok("exported", json!({ "file": "Lanyard design.html", "messages": 3 })),
    });
    let output = node.lanyard(&["export", "#design", "--html", "--into", "/docs"]);
    assert_eq!(stdout(&output), "3 messages in /docs/Lanyard design.html\n", "{}", stderr(&output));
    let asked = node.asked();
    assert_eq!(asked[1], ("admit".to_owned(), json!({ "paths": ["/docs"] })));
    assert_eq!(asked[2].1, json!({ "to": "#design", "format": "html", "into": "handle" }));
    assert_eq!(code(&node.lanyard(&["export", "#design"])), 2);
}

#[test]
fn with_a_node_running_files_are_offered_and_the_command_returns() {
    let node = FakeNode::start(sending(&[]));
    let file = node.file("report.pdf");
    let output = node.lanyard(&["send", "@Bob", &file]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stdout(&output), "transfer  report.pdf (1.2 MB)  to Bob  offered\n");
    assert_eq!(node.asked()[1], ("admit".to_owned(), json!({ "paths": [file] })));
    assert_eq!(node.asked()[2], ("offer".to_owned(), json!({ "to": "room-Bob", "handles": ["handle"] })));
}

#[test]
fn waiting_for_receivers_ends_only_when_they_have_verified_their_copy() {
    let node = FakeNode::start(sending(&["running", "done"]));
    let output = node.lanyard(&["--json", "send", "@Bob", &node.file("report.pdf"), "--wait"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let states: Vec<_> = objects(&output).iter().map(|transfer| transfer["state"].clone()).collect();
    assert_eq!(states, ["offered", "running", "done"]);
}

#[test]
fn an_offer_that_is_declined_exits_with_four() {
    let node = FakeNode::start(sending(&["declined"]));
    let output = node.lanyard(&["send", "@Bob", &node.file("report.pdf"), "--wait"]);
    assert_eq!(code(&output), 4);
    assert!(stderr(&output).contains("declined"), "{}", stderr(&output));
}

#[test]
fn accepting_waits_until_the_file_is_here() {
    let node = FakeNode::start(|method, _| match method {
        "accept" => {
            let mut done = transfer("in", "done");
            done["folder"] = "/home/ann/Downloads".into();
            let progress =
                json!([{ "transfer": "transfer-id", "peer": "bob", "moved": 5, "bytes": 9, "rate": 1 }]);
            ok("transfer", transfer("in", "running"))
                .then(json!({ "event": "progress", "progress": progress }))
                .then(json!({ "event": "transfer-finished", "transfer": done }))
        }
        other => panic!("{other}"),
    });
    let output = node.lanyard(&["accept", "transfer"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stdout(&output), "✓ report.pdf (1.2 MB) is in /home/ann/Downloads\n");
    assert_eq!(
        node.asked(),
        [("accept".to_owned(), json!({ "transfer": "transfer", "into": null, "only": null }))]
    );
}

#[test]
fn what_could_not_be_fetched_exits_with_one_and_says_why() {
    let node = FakeNode::start(|_, _| {
        let mut failed = transfer("in", "failed");
        failed["error"] = json!({ "code": "storage", "message": "The disk is full." });
        ok("transfer", transfer("in", "running"))
            .then(json!({ "event": "transfer-finished", "transfer": failed }))
    });
    let output = node.lanyard(&["accept", "transfer"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("The disk is full."), "{}", stderr(&output));
}

#[test]
fn only_open_offers_of_others_are_offers() {
    let node = FakeNode::start(|_, _| {
        let all = [transfer("in", "offered"), transfer("in", "done"), transfer("out", "offered")];
        ok("transfers", json!(all))
    });
    assert_eq!(objects(&node.lanyard(&["--json", "offers"])), [transfer("in", "offered")]);
    assert_eq!(objects(&node.lanyard(&["--json", "transfers"])).len(), 3);
}

#[test]
fn a_watcher_says_so_when_the_node_ends() {
    let node = FakeNode::start(|_, _| ok("peers", json!([])).then(Value::Null));
    let output = node.lanyard(&["peers", "--watch"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("has ended"), "{}", stderr(&output));
}

/// A node's control socket with answers made up by a test.
struct FakeNode {
    profile: TempDir,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

/// What the fake node says to one request: the answer, then events. An event `null` closes the connection.
struct Answer {
    result: Result<Value, Value>,
    events: Vec<Value>,
}

fn ok(reply: &str, value: Value) -> Answer {
    Answer { result: Ok(json!({ "reply": reply, "value": value })), events: Vec::new() }
}

impl Answer {
    fn error(code: &str, message: &str) -> Answer {
        let error = json!({ "code": -32000, "message": message, "data": { "code": code } });
        Answer { result: Err(error), events: Vec::new() }
    }

    fn then(mut self, event: Value) -> Answer {
        self.events.push(event);
        self
    }
}

impl FakeNode {
    fn start(answer: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> FakeNode {
        let profile = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(profile.path().join("control.sock")).expect("a socket");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let record = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                converse(&stream.expect("a connection"), &answer, &record);
            }
        });
        FakeNode { profile, asked }
    }

    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().expect("no panic before").clone()
    }

    fn file(&self, name: &str) -> String {
        let path: PathBuf = self.profile.path().join(name);
        std::fs::write(&path, "content").expect("a file");
        path.into_os_string().into_string().expect("Unicode")
    }

    fn spawn(&self, words: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_lanyard"))
            .arg("--profile")
            .arg(self.profile.path())
            .args(words)
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the terminal program starts")
    }

    fn lanyard(&self, words: &[&str]) -> Output {
        self.spawn(words).wait_with_output().expect("the terminal program ends")
    }
}

fn converse(
    stream: &UnixStream,
    answer: &impl Fn(&str, &Value) -> Answer,
    asked: &Mutex<Vec<(String, Value)>>,
) {
    let mut write = stream;
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let request: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(request["jsonrpc"], "2.0");
        let method = request["method"].as_str().expect("a method");
        let Answer { result, events } = if method == "subscribe" {
            Answer { result: Ok(json!({ "reply": "done" })), events: Vec::new() }
        } else {
            asked.lock().expect("no panic before").push((method.to_owned(), request["params"].clone()));
            answer(method, &request["params"])
        };
        let mut lines = vec![match result {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }),
            Err(error) => json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }),
        }];
        let ends = events.contains(&Value::Null);
        let events = events.into_iter().filter(|event| !event.is_null());
        lines.extend(events.map(|event| json!({ "jsonrpc": "2.0", "method": "event", "params": event })));
        for line in lines {
            // The program may have got what it wanted and be gone.
            let _ = writeln!(write, "{line}");
        }
        if ends {
            return;
        }
    }
}

/// A node that sends a file and then sees it in these states.
fn sending(states: &'static [&'static str]) -> impl Fn(&str, &Value) -> Answer + Send + Sync {
    |method, _| match method {
        "open" => ok("room", room("Bob", "direct")),
        "admit" => {
            ok("handles", json!([{ "handle": "handle", "name": "report.pdf", "folder": false, "size": 7 }]))
        }
        "offer" => states.iter().fold(ok("transfer", transfer("out", "offered")), |answer, state| {
            answer.then(json!({ "event": "transfer-changed", "transfer": transfer("out", state) }))
        }),
        other => panic!("{other}"),
    }
}

fn peer(name: &str, online: bool) -> Value {
    let id = name.to_lowercase().repeat(3);
    json!({
        "id": id, "short": id[..8], "name": name, "avatar": { "color": 3, "emoji": "🦊" }, "online": online,
        "addresses": ["10.77.0.2:24417"],
        "platform": "linux", "trust": "pinned", "alike": [], "acceptBytes": null, "lastSeen": 0,
    })
}

fn room(name: &str, kind: &str) -> Value {
    json!({
        "id": format!("room-{name}"), "kind": kind, "name": name, "peer": null, "unread": 0, "mentions": 0,
        "topic": "", "draft": "", "membership": "member", "role": null, "keepDays": null, "notify": null, "last": null, "forked": [],
        "read": null, "members": 2,
    })
}

fn message(id: &str, text: &str, time: u64) -> Value {
    json!({
        "id": id, "room": "room-design", "author": "bob", "name": "Bob", "mine": false, "time": time,
        "kind": "text", "text": text, "reply": null, "edited": null, "deleted": false, "reactions": [],
        "mentions": [], "toMe": false, "pinned": false, "late": false, "disputed": false, "note": null, "transfer": null, "cursor": id,
        "delivered": null,
    })
}

fn page(messages: &[Value], more: bool) -> Value {
    json!({ "messages": messages, "more": more, "newer": false, "missing": false })
}

fn arrived(messages: &[Value], changed: &[Value], next: &str) -> Answer {
    let arrived =
        json!({ "messages": messages, "changed": changed, "next": next, "more": false, "newest": next });
    ok("arrived", arrived)
}

fn transfer(direction: &str, state: &str) -> Value {
    let receivers = match direction {
        "out" => {
            json!([{
                "peer": "bob", "short": "bob", "name": "Bob", "state": state, "moved": 0, "chosen": null, "chosenFiles": null, "full": false,
            }])
        }
        _ => json!([]),
    };
    json!({
        "id": "transfer-id", "room": "room-Bob", "direction": direction, "from": "bob", "fromShort": "bob", "fromName": "Bob",
        "state": state, "names": ["report.pdf"], "files": 1, "bytes": 1_200_000, "moved": 0, "offered": 0,
        "folder": null, "sha256": null, "error": null, "chosen": null, "chosenFiles": null, "here": 0,
        "failedFiles": 0, "skipped": 0, "placed": [], "receivers": receivers, "finished": null, "place": null,
        "rate": 0, "audience": if direction == "out" { 1 } else { 0 }, "awaited": [], "via": null,
    })
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("not killed")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn objects(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

fn terminate(child: &Child) {
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
}
