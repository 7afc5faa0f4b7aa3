//! The queue of transfers: pausing, resuming, moving, forgetting, and limits.

use super::*;

fn with(mut transfer: Value, more: Value) -> Value {
    let (Some(transfer_fields), Some(more)) = (transfer.as_object_mut(), more.as_object()) else {
        panic!("both are objects");
    };
    transfer_fields.extend(more.clone());
    transfer
}

#[test]
fn a_transfer_is_paused_and_resumed_by_its_id() {
    let node = FakeNode::start(|method, _| match method {
        "pause" => ok("transfer", with(transfer("in", "paused"), json!({ "moved": 600_000 }))),
        _ => ok("transfer", transfer("in", "running")),
    });
    let output = node.lanyard(&["pause", "transf"]);
    assert_eq!(
        (code(&output), stdout(&output).as_str()),
        (0, "transfer  report.pdf (1.2 MB)  from Bob  paused 50 %\n")
    );
    let output = node.lanyard(&["--json", "resume", "transf"]);
    assert_eq!(objects(&output), [transfer("in", "running")]);
    let asked = |method: &str| (method.to_owned(), json!({ "transfer": "transf" }));
    assert_eq!(node.asked(), [asked("pause"), asked("resume")]);
}

#[test]
fn resuming_can_wait_until_the_file_is_here() {
    let node = FakeNode::start(|_, _| {
        let done = with(transfer("in", "done"), json!({ "folder": "/home/ann" }));
        ok("transfer", transfer("in", "queued"))
            .then(json!({ "event": "transfer-finished", "transfer": done }))
    });
    let output = node.lanyard(&["resume", "transf", "--wait"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stdout(&output), "✓ report.pdf (1.2 MB) is in /home/ann\n");
    assert!(stderr(&output).contains("Others come first"), "{}", stderr(&output));
}

#[test]
fn who_offers_something_and_resumes_it_can_wait_until_the_others_have_it() {
    let node = FakeNode::start(|method, _| match method {
        "open" => ok("room", room("Bob", "direct"))
            .then(json!({ "event": "transfer-finished", "transfer": transfer("out", "done") })),
        _ => ok("transfer", transfer("out", "offered")),
    });
    let output = node.lanyard(&["--json", "resume", "transf", "--wait"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let states: Vec<_> = objects(&output).iter().map(|transfer| transfer["state"].clone()).collect();
    assert_eq!(states, ["offered", "done"]);
    let output = node.lanyard(&["resume", "transf"]);
    assert_eq!(stdout(&output), "transfer  report.pdf (1.2 MB)  to Bob  offered\n");
}

#[test]
fn transfers_say_rate_place_receipts_and_why_they_wait() {
    let node = FakeNode::start(|_, _| {
        let done = |n: usize| json!({ "peer": format!("p{n}"), "short": "p", "name": "P", "state": "done", "moved": 9, "full": false });
        let offer = json!({
            "audience": 9, "awaited": ["A\u{1b}[2Jna"], "receivers": (0..8).map(done).collect::<Vec<_>>(),
        });
        let why = json!({ "code": "refused", "message": "Paused by Bob, who offers it." });
        ok(
            "transfers",
            json!([
                with(transfer("in", "running"), json!({ "moved": 300_000, "rate": 5_000_000 })),
                with(transfer("in", "queued"), json!({ "place": 2 })),
                with(transfer("in", "waiting"), json!({ "error": why })),
                with(transfer("out", "offered"), offer),
            ]),
        )
    });
    let expected = "\
        transfer  report.pdf (1.2 MB)  from Bob  running 25 %, 5.0 MB/s\n\
        transfer  report.pdf (1.2 MB)  from Bob  queued, behind 2 others\n\
        transfer  report.pdf (1.2 MB)  from Bob  waiting: Paused by Bob, who offers it.\n\
        transfer  report.pdf (1.2 MB)  to 9 devices  offered  verified by 8 of 9, waiting for A\u{fffd}[2Jna\n";
    assert_eq!(stdout(&node.lanyard(&["transfers"])), expected);
}

#[test]
fn a_transfer_is_moved_and_the_queue_shown_in_its_order() {
    let node = FakeNode::start(|_, _| {
        let queued =
            |id: &str, place: u32| with(transfer("in", "queued"), json!({ "id": id, "place": place }));
        ok("transfers", json!([queued("second01", 1), transfer("in", "running"), queued("first001", 0)]))
    });
    let output = node.lanyard(&["reorder", "first", "--before", "second"]);
    assert_eq!(
        stdout(&output),
        "first001  report.pdf (1.2 MB)  from Bob  queued, next\n\
         second01  report.pdf (1.2 MB)  from Bob  queued, behind 1 other\n"
    );
    assert_eq!(code(&node.lanyard(&["reorder", "first"])), 0);
    let asked = |before: Value| ("reorder".to_owned(), json!({ "transfer": "first", "before": before }));
    assert_eq!(node.asked(), [asked(json!("second")), asked(Value::Null)]);
}

#[test]
fn one_or_all_are_forgotten() {
    let node = FakeNode::start(|_, _| Answer { result: Ok(json!({ "reply": "done" })), events: Vec::new() });
    assert_eq!(code(&node.lanyard(&["forget", "transf"])), 0);
    assert_eq!(code(&node.lanyard(&["forget", "--all"])), 0);
    for wrong in [&["forget"][..], &["forget", "transf", "--all"]] {
        assert_eq!(code(&node.lanyard(wrong)), 2, "{wrong:?}");
    }
    let one = ("forget-transfer".to_owned(), json!({ "transfer": "transf" }));
    assert_eq!(node.asked(), [one, ("forget-transfers".to_owned(), json!({}))]);
}

#[test]
fn limits_are_shown_and_chosen_as_people_write_them() {
    let node = FakeNode::start(|method, params| {
        let me = |up: &Value, at_once: &Value, relays: bool| {
            json!({
                "id": "annannannann", "short": "annannan", "name": "Ann",
                "avatar": { "color": 3, "emoji": "🦊" }, "downloads": "/home/ann", "version": "1",
                "named": true, "historyDays": 0, "historyBytes": 0, "cloned": null, "holdForOthers": true,
                "holdBytes": 0, "uploadLimit": up, "downloadLimit": 0, "transfersAtOnce": at_once,
                "relaying": { "on": relays, "most": 8, "mostOfOne": 4 }, "locked": [],
                "notifications": { "doNotDisturb": false, "previews": true, "rooms": "all" },
            })
        };
        match method {
            "configure" => ok("me", me(&params["uploadLimit"], &params["transfersAtOnce"], false)),
            _ => ok(
                "snapshot",
                json!({
                    "me": me(&json!(0), &json!(3), true), "peers": [], "rooms": [], "transfers": [],
                    "network": { "port": 1, "tcpPort": 1, "multicast": true, "listed": [], "interfaces": [], "dropped": [] },
                    "mailbox": { "entries": 0, "bytes": 0, "people": 0 }, "comparisons": [],
                }),
            ),
        }
    });
    assert_eq!(
        stdout(&node.lanyard(&["limits"])),
        "Files are given as fast as they can\nFiles are fetched as fast as they can\n3 transfers at a time onto one disk\n\
         Passes on sealed bytes between up to 8 pairs of devices that cannot reach each other, 4 of one device\n"
    );
    let output = node.lanyard(&["limits", "--up", "1.5MB", "--at-once", "1", "--relay", "off"]);
    assert_eq!(
        stdout(&output),
        "Files are given 1.5 MB a second at most\nFiles are fetched as fast as they can\n1 transfer at a time onto one disk\n\
         Passes nothing on between other devices\n",
        "{}",
        stderr(&output)
    );
    let (_, chosen) = node.asked().pop().expect("it was asked");
    assert_eq!((&chosen["uploadLimit"], &chosen["downloadLimit"]), (&json!(1_500_000), &Value::Null));
    assert_eq!(chosen["relay"], false);
    assert_eq!(code(&node.lanyard(&["limits", "--up", "fast"])), 2);
    assert_eq!(code(&node.lanyard(&["limits", "--relay", "maybe"])), 2);
}

fn progress(moved: u64) -> Value {
    let progress = json!([{
        "transfer": "transfer-id", "peer": "bob", "moved": moved, "bytes": 1_200_000, "rate": 10_000_000,
    }]);
    json!({ "event": "progress", "progress": progress })
}

#[test]
fn a_program_is_told_how_far_a_transfer_is_and_its_end_last() {
    let node = FakeNode::start(|method, _| {
        let direction = if method == "accept" { "in" } else { "out" };
        match method {
            "open" => ok("room", room("Bob", "direct")),
            "admit" => ok("handles", json!([{ "handle": "h", "name": "a", "folder": false, "size": 7 }])),
            _ => ok("transfer", transfer(direction, "running"))
                .then(progress(300_000))
                .then(progress(600_000))
                .then(json!({ "event": "transfer-finished", "transfer": transfer(direction, "done") })),
        }
    });
    let file = node.file("report.pdf");
    for words in [&["accept", "transfer"][..], &["send", "@Bob", &file, "--wait"]] {
        let output = node.lanyard(&[&["--json"], words].concat());
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let lines = objects(&output);
        let told = &lines[1];
        assert_eq!(
            (&told["state"], &told["moved"], &told["rate"]),
            (&json!("running"), &json!(300_000), &json!(10_000_000))
        );
        let ends: Vec<bool> = lines.iter().map(|line| line["state"] == "done").collect();
        assert_eq!((ends.iter().filter(|end| **end).count(), ends.last()), (1, Some(&true)), "{lines:?}");
    }
    // A person gets a bar, and one line.
    assert_eq!(stdout(&node.lanyard(&["accept", "transfer"])).lines().count(), 1);
}

#[test]
fn a_program_that_watches_is_told_the_rate() {
    let node =
        FakeNode::start(|_, _| ok("transfers", json!([transfer("in", "running")])).then(progress(300_000)));
    let mut child = node.spawn(&["--json", "transfers", "--watch"]);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut line =
        || -> Value { serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON") };
    assert_eq!(line()["rate"], 0);
    let told = line();
    assert_eq!((&told["moved"], &told["rate"]), (&json!(300_000), &json!(10_000_000)));
    terminate(&child);
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

#[test]
fn who_begins_to_fetch_is_named_from_the_first_progress_on() {
    let node = FakeNode::start(|method, _| {
        let nobody = with(transfer("out", "offered"), json!({ "receivers": [], "awaited": ["Bob"] }));
        match method {
            "open" => ok("room", room("Bob", "direct")),
            "admit" => ok("handles", json!([{ "handle": "h", "name": "a", "folder": false, "size": 7 }])),
            "transfers" => ok("transfers", json!([transfer("out", "running")]))
                .then(json!({ "event": "transfer-finished", "transfer": transfer("out", "done") })),
            _ => ok("transfer", nobody).then(progress(300_000)),
        }
    });
    let output = node.lanyard(&["--json", "send", "@Bob", &node.file("report.pdf"), "--wait"]);
    let lines = objects(&output);
    let seen: Vec<(&Value, &Value)> =
        lines.iter().map(|line| (&line["state"], &line["receivers"][0]["moved"])).collect();
    let (null, moved) = (Value::Null, json!(300_000));
    let [offered, running, done] = ["offered", "running", "done"].map(|state| json!(state));
    assert_eq!(seen, [(&offered, &null), (&running, &moved), (&done, &json!(0))], "{}", stderr(&output));
}

#[test]
fn a_wait_can_be_bounded_or_left_out() {
    let node = FakeNode::start(|_, _| ok("transfer", transfer("in", "running")));
    for verb in ["accept", "resume"] {
        let output = node.lanyard(&[verb, "transfer", "--wait=0"]);
        assert_eq!(code(&output), 5, "{}", stderr(&output));
        assert_eq!(stdout(&output), "transfer  report.pdf (1.2 MB)  from Bob  running 0 %\n");
        assert!(stderr(&output).contains("not done in that time"), "{}", stderr(&output));
    }
    let output = node.lanyard(&["accept", "transfer", "--no-wait"]);
    assert_eq!(
        stdout(&output),
        "transfer  report.pdf (1.2 MB)  from Bob  running 0 %\n",
        "{}",
        stderr(&output)
    );
    assert_eq!(code(&node.lanyard(&["accept", "transfer", "--no-wait", "--wait"])), 2);
}

#[test]
fn a_folder_that_files_should_come_into_is_one_and_stays_only_if_they_do() {
    let node = FakeNode::start(|method, _| match method {
        "admit" => ok("handles", json!([{ "handle": "handle", "name": "new", "folder": true, "size": 0 }])),
        "get" => Answer::error("no-such", "Bob shares no such folder."),
        _ => Answer::error("refused", "It was withdrawn."),
    });
    let file = node.file("report.pdf");
    let output = node.lanyard(&["accept", "transfer", "--into", &file]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("is a file. Choose a folder."), "{}", stderr(&output));
    let new = node.profile.path().join("new/deep");
    let into = new.to_str().expect("Unicode");
    let got = node.lanyard(&["get", "@Bob", "films", "--into", into]);
    assert_eq!((code(&got), new.parent().expect("above").exists()), (1, false), "{}", stderr(&got));
    std::fs::create_dir(new.parent().expect("above")).expect("a folder");
    assert_eq!(code(&node.lanyard(&["accept", "transfer", "--into", into])), 4);
    assert!(!new.exists() && new.parent().expect("above").exists());
}

#[test]
fn a_file_whose_name_is_no_unicode_can_be_sent() {
    use std::os::unix::ffi::OsStrExt as _;
    let node = FakeNode::start(sending(&[]));
    let odd = node.profile.path().join(std::ffi::OsStr::from_bytes(b"bad\xff"));
    std::fs::write(&odd, "content").expect("a file");
    let sent = Command::new(env!("CARGO_BIN_EXE_lanyard"))
        .arg("--profile")
        .arg(node.profile.path())
        .args(["send", "@Bob"])
        .arg(&odd)
        .output()
        .expect("it runs");
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let told = format!("file://{}/bad%FF", node.profile.path().display());
    assert_eq!(node.asked()[1], ("admit".to_owned(), json!({ "paths": [told] })));
}
