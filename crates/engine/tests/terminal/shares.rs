//! `lanyard share`, `browse` and `get`.

use super::*;

fn share(name: &str, who: &Value) -> Value {
    json!({ "id": "5ba12e0012345678", "name": name, "path": "/srv/plans", "who": who, "gone": false })
}

fn entry(name: &str, folder: bool) -> Value {
    json!({ "name": name, "folder": folder, "size": if folder { 0 } else { 1_200_000 }, "modified": 0 })
}

#[test]
fn a_folder_is_shared_with_those_who_are_named() {
    let node = FakeNode::start(|method, params| match method {
        "admit" => ok("handles", json!([{ "handle": "handle", "name": "plans", "folder": true, "size": 0 }])),
        "open" => ok("room", room("board", "private")),
        "rooms" => ok("rooms", json!([room("board", "private")])),
        "peers" => ok("peers", json!([peer("Bob", true)])),
        "share" => ok("share", share("Plans", &params["who"])),
        other => panic!("{other}"),
    });
    let folder = node.profile.path().to_str().expect("Unicode").to_owned();
    let output = node.lanyard(&["share", &folder]);
    assert_eq!(
        stdout(&output),
        "5ba12e00  Plans  /srv/plans  with everybody on the network\n",
        "{}",
        stderr(&output)
    );
    let output = node.lanyard(&["share", &folder, "--name", "Plans", "--with", "#board"]);
    assert_eq!(stdout(&output), "5ba12e00  Plans  /srv/plans  with #board\n", "{}", stderr(&output));
    let output = node.lanyard(&["--json", "share", &folder, "--with", "@Bob", "--with", "@Cyd"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let shared: Vec<Value> =
        node.asked().into_iter().filter(|(method, _)| method == "share").map(|(_, params)| params).collect();
    let asked = |name: Value, who: Value| json!({ "handle": "handle", "name": name, "who": who });
    assert_eq!(
        shared,
        [
            asked(Value::Null, json!({ "kind": "everyone" })),
            asked("Plans".into(), json!({ "kind": "room", "room": "room-board" })),
            asked(Value::Null, json!({ "kind": "people", "people": ["@Bob", "@Cyd"] })),
        ]
    );
}

#[test]
fn what_is_shared_is_listed_and_taken_back() {
    let node = FakeNode::start(|method, _| match method {
        "shares" => {
            let mut gone =
                share("Plans", &json!({ "kind": "people", "people": ["bobbobbob", "unknownunknown"] }));
            gone["gone"] = true.into();
            ok("shares", json!([gone]))
        }
        "rooms" => ok("rooms", json!([])),
        "peers" => ok("peers", json!([peer("Bob", true)])),
        "unshare" => Answer { result: Ok(json!({ "reply": "done" })), events: Vec::new() },
        other => panic!("{other}"),
    });
    let output = node.lanyard(&["share", "--list"]);
    let expected = "5ba12e00  Plans  /srv/plans  with @Bob, @unknownu  not there at the moment\n";
    assert_eq!(stdout(&output), expected, "{}", stderr(&output));
    assert_eq!(objects(&node.lanyard(&["share", "--list", "--json"])).len(), 1);
    assert_eq!(code(&node.lanyard(&["share", "--remove", "Plans"])), 0);
    assert_eq!(node.asked().last(), Some(&("unshare".to_owned(), json!({ "share": "Plans" }))));
    for wrong in
        [&["share"][..], &["share", "--list", "--remove", "x"], &["share", "--list", "--with", "@Bob"]]
    {
        assert_eq!(code(&node.lanyard(wrong)), 2, "{wrong:?}");
    }
}

#[test]
fn a_shared_folder_is_read_page_by_page() {
    let node = FakeNode::start(|method, params| match (method, params["after"].as_str()) {
        ("peer-shares", _) => ok("peer-shares", json!([{ "id": "5ba12e0012345678", "name": "Plans" }])),
        ("browse", None) => ok("listing", json!({ "entries": [entry("May", true)], "next": "May/" })),
        ("browse", Some("May/")) => {
            ok("listing", json!({ "entries": [entry("a\u{1b}b", false)], "next": null }))
        }
        (other, _) => panic!("{other}"),
    });
    assert_eq!(stdout(&node.lanyard(&["browse", "@Bob"])), "5ba12e00  Plans\n");
    let output = node.lanyard(&["browse", "@Bob", "Plans/2026/"]);
    assert_eq!(stdout(&output), "May/\na\u{fffd}b  1.2 MB\n", "{}", stderr(&output));
    let output = node.lanyard(&["--json", "browse", "@Bob", "Plans/2026"]);
    assert_eq!(objects(&output), [entry("May", true), entry("a\u{1b}b", false)]);
    let asked = node.asked();
    let first = json!({ "peer": "@Bob", "share": "Plans", "folder": "2026", "after": null, "limit": 1000 });
    assert_eq!(asked[1], ("browse".to_owned(), first));
}

#[test]
fn what_is_fetched_of_a_shared_folder_is_waited_for_if_that_is_wanted() {
    let node = FakeNode::start(|method, _| match method {
        "admit" => ok("handles", json!([{ "handle": "handle", "name": "x", "folder": true, "size": 0 }])),
        "get" => {
            let mut done = transfer("in", "done");
            done["folder"] = "/home/ann/Downloads".into();
            ok("transfer", transfer("in", "waiting"))
                .then(json!({ "event": "transfer-changed", "transfer": transfer("in", "running") }))
                .then(json!({ "event": "transfer-finished", "transfer": done }))
        }
        other => panic!("{other}"),
    });
    let output = node.lanyard(&["get", "@Bob", "Plans/report.pdf"]);
    assert_eq!(stdout(&output), "transfer  report.pdf (1.2 MB)  from Bob  waiting for the other side\n");
    let into = node.profile.path().join("into");
    let into = into.to_str().expect("Unicode");
    let output = node.lanyard(&["get", "@Bob", "Plans/a", "Plans/b/c/", "--into", into, "--wait"]);
    assert_eq!(stdout(&output), "✓ report.pdf (1.2 MB) is in /home/ann/Downloads\n", "{}", stderr(&output));
    let asked: Vec<Value> =
        node.asked().into_iter().filter(|(method, _)| method == "get").map(|(_, params)| params).collect();
    assert_eq!(asked[0], json!({ "peer": "@Bob", "share": "Plans", "paths": ["report.pdf"], "into": null }));
    assert_eq!(
        asked[1],
        json!({ "peer": "@Bob", "share": "Plans", "paths": ["a", "b/c"], "into": "handle" })
    );
    assert_eq!(code(&node.lanyard(&["get", "@Bob", "Plans/a", "Other/b"])), 2);
}
