//! `lanyard call`.

use super::*;

fn talker(name: &str, me: bool) -> Value {
    json!({
        "peer": format!("{name}-id"), "short": name, "name": name, "me": me, "muted": false, "speaking": false, "level": 0,
        "way": "multicast", "loss": 0.0, "concealed": 0.0, "buffer": 40,
    })
}

fn call(ringing: bool, members: &[Value]) -> Value {
    json!({
        "id": "c1", "room": "room-design", "since": 0, "joined": true, "ringing": ringing, "muted": false, "trouble": [],
        "members": members, "sentPackets": 0, "sentBytes": 0,
    })
}

fn ended(why: &str) -> Value {
    json!({ "event": "call-ended", "room": "room-design", "id": "c1", "why": why })
}

#[test]
fn calls_that_are_on_are_listed_with_who_is_in() {
    let node = FakeNode::start(|method, _| match method {
        "calls" => ok("calls", json!([call(false, &[talker("Ann", true), talker("Bob", false)])])),
        _ => ok("rooms", json!([room("design", "open")])),
    });
    assert_eq!(stdout(&node.lanyard(&["call", "--list"])), "#design: Ann, Bob  you are in\n");
}

#[test]
fn whoever_calls_in_vain_is_told_by_the_exit_code() {
    for (why, expected) in [("over", 0), ("declined", 4), ("unanswered", 5), ("gone", 4)] {
        let node =
            FakeNode::start(move |_, _| ok("call", call(true, &[talker("Ann", true)])).then(ended(why)));
        let output = node.lanyard(&["call", "@Bob", "--audio", "silence"]);
        assert_eq!(code(&output), expected, "{why}: {}", stderr(&output));
        let asked = json!({ "room": "@Bob", "audio": { "source": "silence" }, "record": null });
        assert_eq!(node.asked()[0], ("call".to_owned(), asked));
    }
}

#[test]
fn what_does_not_work_in_a_call_is_said_once() {
    const DEAF: &str = "There is no microphone, so the others cannot hear you.";
    let troubled = move || {
        let mut call = call(false, &[talker("Ann", true), talker("Bob", false)]);
        call["trouble"] = json!([{ "message": DEAF, "says": { "template": DEAF, "with": {} } }]);
        call
    };
    let changed = move || json!({ "event": "call", "call": troubled() });
    let node = FakeNode::start(move |_, _| {
        ok("call", call(false, &[talker("Ann", true)])).then(changed()).then(changed()).then(ended("over"))
    });
    let output = node.lanyard(&["call", "#design"]);
    assert_eq!((code(&output), stderr(&output)), (0, format!("{DEAF}\n")));
}

#[test]
fn two_calls_that_become_one_go_on() {
    let node = FakeNode::start(|_, _| {
        ok("call", call(false, &[talker("Ann", true)])).then(ended("merged")).then(ended("over"))
    });
    let output = node.lanyard(&["call", "#design", "--audio", "tone"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
}

#[test]
fn a_call_ends_after_as_long_as_was_said() {
    let node = FakeNode::start(|method, _| match method {
        "calls" => ok("calls", json!([call(false, &[talker("Ann", true), talker("Bob", false)])])),
        "leave-call" => Answer { result: Ok(json!({ "reply": "done" })), events: Vec::new() },
        _ => ok("call", call(false, &[talker("Ann", true)])),
    });
    let output = node.lanyard(&["--json", "call", "#design", "--audio", "tone", "--for", "0"]);
    let told =
        [call(false, &[talker("Ann", true)]), call(false, &[talker("Ann", true), talker("Bob", false)])];
    assert_eq!((code(&output), objects(&output)), (0, told.to_vec()), "{}", stderr(&output));
    assert_eq!(node.asked().pop(), Some(("leave-call".to_owned(), json!({}))));
}

#[test]
fn what_makes_no_sense_of_calls_exits_with_two() {
    let node = FakeNode::start(|_, _| ok("call", call(false, &[])));
    for words in
        [&["call"][..], &["call", "@Bob", "--list"], &["call", "@Bob", "--decline", "--audio", "tone"]]
    {
        assert_eq!(code(&node.lanyard(words)), 2, "{words:?}");
    }
    assert!(node.asked().is_empty());
}
