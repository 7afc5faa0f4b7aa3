//! Rooms: which there are, what is unread, and for how long it is kept.

use super::*;

#[test]
fn a_room_is_left_by_its_name() {
    let node = FakeNode::start(|method, params| match (method, params["to"].as_str()) {
        ("open", Some("#design")) => ok("room", room("design", "open")),
        ("open", _) => Answer::error("invalid", "“#board” is an open room and a private one."),
        _ => ok("left", json!({ "undelivered": 2, "kept": false, "withoutAdmin": true })),
    });
    let output = node.lanyard(&["room", "leave", "design"]);
    assert_eq!(code(&output), 0);
    for words in ["Nobody else was known to have your last 2 messages", "You were its last admin"] {
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    assert_eq!(node.asked()[1], ("leave-room".to_owned(), json!({ "room": "room-design" })));
    assert_eq!(code(&node.lanyard(&["room", "leave", "board"])), 2);
    assert_eq!(node.asked().len(), 3, "of two rooms of one name none is left by mistake");
}

#[test]
fn rooms_are_listed_with_what_is_unread_and_two_of_one_name_are_told_apart() {
    let mut design = room("design", "open");
    (design["unread"], design["mentions"]) = (json!(3), json!(1));
    let mut refused = room("92c6a8d1", "private");
    (refused["id"], refused["membership"]) = (json!("92c6a8d1".repeat(8)), json!("refused"));
    let bobs = ["aaaa", "bbbb"].map(|id| {
        let mut bob = room("Bob", "direct");
        bob["peer"] = id.repeat(16).into();
        bob["alike"] = json!(true);
        bob
    });
    let mut cyd = room("Cyd", "direct");
    cyd["peer"] = "cccc".repeat(16).into();
    let rooms = json!([design, refused, bobs[0], bobs[1], cyd]);
    let node = FakeNode::start(move |_, _| ok("rooms", rooms.clone()));
    assert_eq!(
        stdout(&node.lanyard(&["rooms"])),
        "#design  2 devices, 3 unread, 1 of them for you\n\
         #92c6a8d1  not let in; dismiss it: lanyard room leave 92c6a8d1\n\
         @Bob (aaaaaaaa)\n@Bob (bbbbbbbb)\n@Cyd\n"
    );
}

#[test]
fn open_rooms_of_others_are_listed_on_demand() {
    let node = FakeNode::start(|method, _| match method {
        "rooms" => ok("rooms", json!([room("lobby", "lobby")])),
        _ => {
            let listed =
                |name: &str, joined| json!({ "name": name, "members": 4, "joined": joined, "active": 0 });
            ok("directory", json!([listed("lobby", true), listed("tea", false)]))
        }
    });
    let all = "#lobby  2 devices\n#tea  4 devices, not joined: lanyard room join '#tea'\n";
    assert_eq!(stdout(&node.lanyard(&["rooms", "--all"])), all);
    assert_eq!(objects(&node.lanyard(&["--json", "rooms", "--all"])).len(), 2);
    assert_eq!(stdout(&node.lanyard(&["rooms"])), "#lobby  2 devices\n");
}

#[test]
fn what_is_unread_is_marked_as_read_in_one_room_or_in_all() {
    let unread = |name: &str, unread: u32| {
        let mut room = room(name, "open");
        room["unread"] = unread.into();
        room["last"] = message(&format!("last-{name}"), "tea?", 0);
        room
    };
    let node = FakeNode::start(move |method, _| match method {
        "find" => ok("room", unread("design", 2)),
        "rooms" => ok("rooms", json!([unread("design", 2), unread("tea", 0), unread("board", 1)])),
        // More came than was counted when the rooms were asked for.
        _ => ok("read", json!(3)),
    });
    let design = node.lanyard(&["read", "#design"]);
    assert_eq!((code(&design), stderr(&design).trim()), (0, "3 messages marked as read."));
    let all = node.lanyard(&["read", "--all"]);
    assert_eq!((code(&all), stderr(&all).trim()), (0, "9 messages marked as read."));
    assert_eq!(code(&node.lanyard(&["read"])), 2);
    let marks = node.asked().into_iter().filter(|(method, _)| method == "read-all");
    let mark = |name: &str| json!({ "room": format!("room-{name}") });
    assert_eq!(
        marks.map(|(_, params)| params).collect::<Vec<_>>(),
        ["design", "design", "tea", "board"].map(mark)
    );
}

#[test]
fn how_long_history_is_kept_is_shown_and_chosen_everywhere_and_for_one_room() {
    let mut design = room("design", "open");
    design["keepDays"] = 7.into();
    let node = FakeNode::start(move |method, _| match method {
        "open" | "keep-room" => ok("room", design.clone()),
        "configure" => ok("me", private::snapshot(None)["me"].clone()),
        "storage" => ok(
            "storage",
            json!({
                "history": 3_000_000, "mail": 0, "database": 9_000_000, "offers": 12_000,
                "unfinished": 700_000_000, "unfinishedTransfers": 1,
                "rooms": [{ "room": "room-tea", "bytes": 2_000_000 }, { "room": "room-gone", "bytes": 1_000_000 }],
            }),
        ),
        _ => {
            let mut snapshot = private::snapshot(None);
            snapshot["rooms"] = json!([design, room("tea", "open")]);
            (snapshot["me"]["historyDays"], snapshot["me"]["historyBytes"]) =
                (90.into(), 2_000_000_000_u64.into());
            ok("snapshot", snapshot)
        }
    });
    let everywhere = "What was said is kept for 90 days, 2.0 GB at the most\n#design  kept for 7 days\n\
                      On this disk: 3.0 MB of what was said\n  0 bytes of sealed messages for others\n  \
                      9.0 MB is the database with both\n  12.0 kB of lists and pictures of what is offered\n  \
                      700.0 MB of 1 unfinished transfer\nMost was said in\n  #tea  2.0 MB\n";
    assert_eq!(stdout(&node.lanyard(&["retention"])), everywhere);
    assert_eq!(stdout(&node.lanyard(&["retention", "--days", "90", "--size", "2GB"])), everywhere);
    assert_eq!(stdout(&node.lanyard(&["retention", "#design", "--days", "7"])), "#design  kept for 7 days\n");
    assert_eq!(code(&node.lanyard(&["retention", "#design", "--default"])), 0);
    let line: Value = serde_json::from_str(&stdout(&node.lanyard(&["--json", "retention"]))).unwrap();
    assert_eq!((&line["historyDays"], &line["storage"]["history"]), (&json!(90), &json!(3_000_000)));
    assert_eq!(code(&node.lanyard(&["retention", "#design", "--size", "2GB"])), 2);
    let of = |wanted: &str| -> Vec<Value> {
        node.asked().into_iter().filter(|(method, _)| method == wanted).map(|(_, params)| params).collect()
    };
    let configured = of("configure");
    assert_eq!(configured.len(), 1);
    assert_eq!(configured[0]["historyDays"], 90);
    assert_eq!(configured[0]["historyBytes"], 2_000_000_000_u64);
    let kept = |days: Value| json!({ "room": "room-design", "days": days });
    assert_eq!(of("keep-room"), [kept(json!(7)), kept(Value::Null)]);
}
