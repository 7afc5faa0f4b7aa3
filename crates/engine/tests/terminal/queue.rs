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
fn transfers_say_rate_place_receipts_and_why_they_wait() {
    let node = FakeNode::start(|_, _| {
        let done = |n: usize| json!({ "peer": format!("p{n}"), "name": "P", "state": "done", "moved": 9 });
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
        transfer  report.pdf (1.2 MB)  to 8 devices  offered  verified by 8 of 9, waiting for A\u{fffd}[2Jna\n";
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
        let me = |up: &Value, at_once: &Value| {
            json!({
                "id": "annannannann", "short": "annannan", "name": "Ann", "downloads": "/home/ann", "version": "1",
                "named": true, "historyDays": 0, "historyBytes": 0, "cloned": null, "holdForOthers": true,
                "holdBytes": 0, "uploadLimit": up, "downloadLimit": 0, "transfersAtOnce": at_once,
            })
        };
        match method {
            "configure" => ok("me", me(&params["uploadLimit"], &params["transfersAtOnce"])),
            _ => ok(
                "snapshot",
                json!({
                    "me": me(&json!(0), &json!(3)), "peers": [], "rooms": [], "transfers": [],
                    "network": { "port": 1, "tcpPort": 1, "multicast": true, "interfaces": [], "dropped": [] },
                    "mailbox": { "entries": 0, "bytes": 0, "people": 0 },
                }),
            ),
        }
    });
    assert_eq!(
        stdout(&node.lanyard(&["limits"])),
        "Files are given as fast as they can\nFiles are fetched as fast as they can\n3 transfers at a time onto one disk\n"
    );
    let output = node.lanyard(&["limits", "--up", "1.5MB", "--at-once", "1"]);
    assert_eq!(
        stdout(&output),
        "Files are given 1.5 MB a second at most\nFiles are fetched as fast as they can\n1 transfer at a time onto one disk\n",
        "{}",
        stderr(&output)
    );
    let (_, chosen) = node.asked().pop().expect("it was asked");
    assert_eq!((&chosen["uploadLimit"], &chosen["downloadLimit"]), (&json!(1_500_000), &Value::Null));
    assert_eq!(code(&node.lanyard(&["limits", "--up", "fast"])), 2);
}
