//! `lanyard log`: what of a room is read, and what changes in it.

use super::*;

#[test]
fn history_from_a_time_on_is_read_to_its_end() {
    let node = FakeNode::start(|method, params| match (method, params["after"].as_str()) {
        ("find", _) => ok("room", room("design", "open")),
        (_, None) => {
            assert_eq!(params["at"], 60_000);
            let mut first = page(&[message("m1", "one", 60_000)], true);
            first["newer"] = true.into();
            ok("page", first)
        }
        (_, Some(after)) => {
            assert_eq!(after, "m1");
            ok("page", page(&[message("m2", "two", 120_000)], true))
        }
    });
    let output = node.lanyard(&["log", "#design", "--since", "1970-01-01T00:01:00Z", "--ids"]);
    assert_eq!(stdout(&output), "m1  1970-01-01 00:01  Bob: one\nm2  1970-01-01 00:02  Bob: two\n");
    assert_eq!(code(&node.lanyard(&["log", "#design", "--since", "teatime"])), 2);
}

#[test]
fn what_is_read_is_narrowed_by_time_number_and_words_at_once() {
    let node = FakeNode::start(|method, params| match (method, params["before"].as_str()) {
        ("find", _) => ok("room", room("design", "open")),
        ("search", before) => {
            assert_eq!((&params["text"], &params["to"]), (&json!("tea"), &json!("room-design")));
            let all = [4, 3, 2, 1].map(|n| message(&format!("m{n}"), &format!("tea {n}"), n * 60_000));
            let behind = all
                .into_iter()
                .filter(|found| before.is_none_or(|before| found["id"].as_str() < Some(before)));
            let most = params["limit"].as_u64().expect("a number").min(2) as usize;
            ok("found", json!({ "messages": behind.take(most).collect::<Vec<_>>(), "more": true }))
        }
        (_, None) => ok("page", page(&[message("m3", "3", 180_000), message("m4", "4", 240_000)], true)),
        _ => ok("page", page(&[message("m1", "1", 60_000), message("m2", "2", 120_000)], true)),
    });
    let texts = |words: &[&str]| -> Vec<String> {
        let output = node.lanyard(&[&["--json", "log", "#design"], words].concat());
        assert_eq!(code(&output), 0, "{words:?}: {}", stderr(&output));
        objects(&output).iter().map(|message| message["text"].as_str().expect("a text").to_owned()).collect()
    };
    let since = ["--since", "1970-01-01T00:02:00Z"];
    assert_eq!(texts(&[&since[..], &["--search", "tea"]].concat()), ["tea 2", "tea 3", "tea 4"]);
    assert_eq!(texts(&[&since[..], &["--search", "tea", "--limit", "1"]].concat()), ["tea 4"]);
    assert_eq!(texts(&[&since[..], &["--limit", "4"]].concat()), ["2", "3", "4"]);
    assert_eq!(texts(&[&since[..], &["--limit", "2"]].concat()), ["3", "4"]);
}

#[test]
fn following_a_room_prints_what_changes_in_it() {
    let [edited, liked, gone] = [
        json!({ "text": "coffee?" }),
        json!({ "text": "coffee?", "reactions": [{ "emoji": "👍", "by": ["cyd"], "mine": false }] }),
        json!({ "text": "", "deleted": true }),
    ]
    .map(|change| {
        let mut message = message("m1", "tea?", 0);
        for (field, value) in change.as_object().expect("an object") {
            message[field] = value.clone();
        }
        message
    });
    let changed = [edited.clone(), edited, liked.clone(), gone.clone()]
        .map(|message| json!({ "event": "message-changed", "message": message }));
    let now = Mutex::new(vec![gone, liked, changed[0]["message"].clone()]);
    let node = FakeNode::start(move |method, params| match (method, params["around"].as_str()) {
        ("find", _) => ok("room", room("design", "open")),
        ("arrived", _) => arrived(&[], &[], "7"),
        (_, Some("m1")) => {
            let now = now.lock().expect("no panic before").pop().expect("asked once a change");
            ok("page", page(&[now], false))
        }
        _ => changed.iter().fold(ok("page", page(&[message("m1", "tea?", 0)], false)), |answer, event| {
            answer.then(event.clone())
        }),
    });
    let mut child = node.spawn(&["log", "#design", "--follow"]);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().expect("a line").expect("text");
    assert_eq!(line(), "1970-01-01 00:00  Bob: tea?");
    assert_eq!(line(), "edited: 1970-01-01 00:00  Bob: coffee?");
    assert_eq!(line(), "reactions on: 1970-01-01 00:00  Bob: coffee?  (👍 1)");
    assert_eq!(line(), "took back: 1970-01-01 00:00  Bob: (taken back)");
    terminate(&child);
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

#[test]
fn who_was_slow_is_not_told_of_what_was_taken_back_meanwhile() {
    let mut gone = message("m1", "", 0);
    gone["deleted"] = true.into();
    let stale = message("m1", "SECRET two", 0);
    let node = FakeNode::start(move |method, params| {
        match (method, params["since"].as_str(), params["around"].as_str()) {
            ("find", ..) => ok("room", room("design", "open")),
            ("arrived", None, _) => arrived(&[], &[], "1"),
            ("arrived", Some("1"), _) => arrived(&[], std::slice::from_ref(&gone), "2"),
            ("arrived", Some("2"), _) => arrived(&[], &[], "3"),
            ("arrived", Some("3"), _) => arrived(&[], &[], "4"),
            ("arrived", ..) => arrived(&[message("m2", "the end", 0)], &[], "5"),
            (.., Some(_)) => ok("page", page(std::slice::from_ref(&gone), false)),
            _ => ok("page", page(&[message("m1", "SECRET", 0)], false))
                .then(json!({ "event": "message-changed", "message": stale }))
                .then(json!({ "event": "message-changed", "message": gone }))
                .then(json!({ "event": "message", "message": message("m2", "the end", 0) })),
        }
    });
    let mut child = node.spawn(&["--json", "log", "#design", "--follow"]);
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut read = lines.map(|line| serde_json::from_str::<Value>(&line.expect("text")).expect("JSON"));
    let mut texts = || read.next().expect("a line")["text"].clone();
    assert_eq!([texts(), texts(), texts()], ["SECRET", "", "the end"]);
    terminate(&child);
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

#[test]
fn following_with_words_prints_what_a_search_would_find() {
    let node = FakeNode::start(|method, params| match (method, params["since"].as_str()) {
        ("find", _) => ok("room", room("design", "open")),
        ("arrived", None) => arrived(&[], &[], "1"),
        ("arrived", Some("1")) => {
            let both = [message("m2", "coffee", 0), message("m3", "green tea", 0)];
            arrived(&both, &[], "2")
        }
        ("arrived", _) => arrived(&[], &[], "3"),
        ("search", _) => {
            let found = [message("m3", "green tea", 0), message("m1", "black tea", 0)];
            ok("found", json!({ "messages": found, "more": false }))
        }
        other => panic!("{other:?}"),
    });
    let mut child = node.spawn(&["--json", "log", "#design", "--search", "tea", "--limit", "2", "--follow"]);
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut read = lines.map(|line| serde_json::from_str::<Value>(&line.expect("text")).expect("JSON"));
    let mut texts = || read.next().expect("a line")["text"].clone();
    assert_eq!([texts(), texts(), texts()], ["black tea", "green tea", "green tea"]);
    terminate(&child);
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

#[test]
fn what_others_keep_for_somebody_who_is_away_is_said() {
    let node = FakeNode::start(|method, _| match method {
        "find" => ok("room", room("Bob", "direct")),
        "rooms" => ok("rooms", json!([room("Bob", "direct")])),
        _ => {
            let mut mine = message("m1", "tea?", 0);
            mine["delivered"] = json!({ "to": [], "names": [], "of": 1, "keptBy": ["cyd", "dan"] });
            ok("page", page(&[mine], false))
        }
    });
    let said = stdout(&node.lanyard(&["log", "@Bob"]));
    assert_eq!(said, "1970-01-01 00:00  Bob: tea?  (delivered to 0 of 1, kept by 2)\n");
}

#[test]
fn reading_what_nobody_said_yet_begins_no_conversation() {
    let node = FakeNode::start(|method, _| match method {
        "find" => ok("room", room("Bob", "direct")),
        "rooms" => ok("rooms", json!([room("lobby", "lobby")])),
        other => panic!("{other}"),
    });
    let output = node.lanyard(&["log", "@Bob"]);
    assert_eq!((code(&output), stdout(&output).as_str()), (0, ""));
    assert_eq!(stderr(&output), "Nothing was said to or by Bob yet.\n");
}

#[test]
fn whoever_follows_a_conversation_before_it_begins_is_told_its_first_word() {
    let node = FakeNode::start(|method, _| match method {
        "find" => ok("room", room("Bob", "direct")),
        "rooms" => ok("rooms", json!([room("lobby", "lobby")]))
            .then(json!({ "event": "room-changed", "room": room("design", "open") }))
            .then(json!({ "event": "room-changed", "room": room("Bob", "direct") })),
        "arrived" => arrived(&[], &[], "7"),
        _ => ok("page", page(&[message("m1", "tea?", 0)], false)),
    });
    let mut child = node.spawn(&["log", "@Bob", "--follow"]);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "1970-01-01 00:00  Bob: tea?");
    terminate(&child);
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

#[test]
fn an_offer_that_is_over_is_shown_with_what_became_of_it() {
    let node = FakeNode::start(|method, _| match method {
        "find" => ok("room", room("design", "open")),
        "transfers" => {
            let of = |id: &str, state: &str| {
                let mut transfer = transfer("in", state);
                transfer["id"] = id.repeat(16).into();
                transfer
            };
            ok("transfers", json!([of("aa", "offered"), of("bb", "done"), of("cc", "declined")]))
        }
        _ => {
            let offer = |id: &str| {
                let mut offer = message(id, "plan.pdf", 0);
                (offer["kind"], offer["transfer"]) = ("offer".into(), id.repeat(16).into());
                offer
            };
            ok("page", page(&["aa", "bb", "cc", "dd"].map(offer), false))
        }
    });
    let lines = "1970-01-01 00:00  Bob: offers plan.pdf  lanyard accept aaaaaaaa\n\
                 1970-01-01 00:00  Bob: offers plan.pdf  received\n\
                 1970-01-01 00:00  Bob: offers plan.pdf  declined\n\
                 1970-01-01 00:00  Bob: offers plan.pdf\n";
    assert_eq!(stdout(&node.lanyard(&["log", "#design"])), lines);
}
