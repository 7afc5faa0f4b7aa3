//! The words about whom to believe.

use super::*;

fn with(mut peer: Value, more: Value) -> Value {
    let (Some(fields), Some(more)) = (peer.as_object_mut(), more.as_object()) else {
        panic!("both are objects");
    };
    fields.extend(more.clone());
    peer
}

fn bob(trust: &str) -> Value {
    with(peer("Bob", true), json!({ "trust": trust }))
}

fn comparison(state: &str) -> Value {
    let emoji = ["🐶 Dog", "🐱 Cat", "🦁 Lion", "🐎 Horse", "🦄 Unicorn", "🐷 Pig", "🐘 Elephant"];
    let seen = emoji.iter().enumerate().map(|(number, words)| {
        let (symbol, name) = words.split_once(' ').expect("two words");
        json!({ "number": number, "symbol": symbol, "name": name })
    });
    let seen: Vec<Value> = seen.filter(|_| state == "shown").collect();
    json!({ "peer": bob("pinned")["id"], "state": state, "emoji": seen, "error": null, "alarm": false })
}

fn told(comparison: Value) -> Value {
    json!({ "event": "comparison", "comparison": comparison })
}

#[test]
fn what_two_people_compare_is_shown_in_groups_and_for_programs_whole() {
    let keys =
        json!({ "number": "0123456789".repeat(6), "link": "lanyard:v1:id:bob", "mine": "lanyard:v1:id:ann" });
    let node = {
        let keys = keys.clone();
        FakeNode::start(move |_, _| ok("keys", keys.clone()))
    };
    let output = node.lanyard(&["verify", "@Bob", "--qr"]);
    let line = "01234 56789 01234 56789\n";
    assert_eq!(stdout(&output), format!("{}\nlanyard:v1:id:bob\nlanyard:v1:id:ann\n", line.repeat(3)));
    assert!(stderr(&output).contains('█') && stderr(&output).contains("--confirm"), "{}", stderr(&output));
    assert_eq!(objects(&node.lanyard(&["--json", "verify", "@Bob"])), [keys]);
    assert_eq!(node.asked()[0], ("trust".to_owned(), json!({ "peer": "@Bob", "act": { "do": "show" } })));
}

#[test]
fn every_decision_is_told_to_the_node_and_its_outcome_to_the_person() {
    let node = FakeNode::start(|_, params| {
        let decided = match params["act"]["do"].as_str() {
            Some("block") => bob("blocked"),
            Some("unblock" | "unverify" | "apart") => bob("pinned"),
            Some("always-accept") => with(bob("verified"), json!({ "acceptBytes": 2_000_000_000_u64 })),
            _ => bob("verified"),
        };
        ok("peer", decided)
    });
    for (words, act, said) in [
        (&["verify", "@Bob", "--confirm"][..], json!({ "do": "verify" }), "Bob is verified.\n"),
        (
            &["verify", "@Bob", "--link", "lanyard:v1:id:x"],
            json!({ "do": "verify-link", "link": "lanyard:v1:id:x" }),
            "Bob is verified.\n",
        ),
        (&["verify", "@Bob", "--undo"], json!({ "do": "unverify" }), "Bob is not verified.\n"),
        (&["verify", "@Bob", "--apart"], json!({ "do": "apart" }), "Bob is not verified.\n"),
        (
            &["verify", "@Bob", "--accept-up-to", "2GB"],
            json!({ "do": "always-accept", "bytes": 2_000_000_000_u64 }),
            "Bob is verified. Offers of up to 2.0 GB are fetched without asking.\n",
        ),
        (
            &["block", "@Bob"],
            json!({ "do": "block" }),
            "Bob is blocked: nothing of theirs is shown, fetched or answered.\n",
        ),
        (&["unblock", "@Bob"], json!({ "do": "unblock" }), "Bob is not blocked.\nBob is not verified.\n"),
    ] {
        let output = node.lanyard(words);
        assert_eq!((code(&output), stderr(&output).as_str()), (0, said), "{words:?}");
        let asked = node.asked().pop().expect("it was asked");
        assert_eq!(asked, ("trust".to_owned(), json!({ "peer": "@Bob", "act": act })), "{words:?}");
    }
    assert_eq!(objects(&node.lanyard(&["--json", "block", "@Bob"])), [bob("blocked")]);
    assert_eq!(code(&node.lanyard(&["verify", "@Bob", "--emoji", "--confirm"])), 2);
}

#[test]
fn emoji_are_shown_and_the_answer_is_asked_for() {
    for (answer, same, last, expected) in [("yes\n", true, "matched", 0), ("perhaps\nn\n", false, "ended", 4)]
    {
        let node = FakeNode::start(move |_, params| match params["act"]["do"].as_str() {
            Some("compare") => ok("comparison", comparison("calling"))
                .then(told(comparison("waiting")))
                .then(told(comparison("shown"))),
            _ => {
                let error = json!({ "code": "refused", "message": "You saw other emoji than Bob." });
                let over = with(comparison(last), json!({ "error": if same { Value::Null } else { error } }));
                ok("comparison", comparison("confirmed")).then(told(over))
            }
        });
        let mut child = node.spawn(&["verify", "@Bob", "--emoji"]);
        child.stdin.take().expect("piped").write_all(answer.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(code(&output), expected, "{}", stderr(&output));
        let emoji = "🐶  Dog\n🐱  Cat\n🦁  Lion\n🐎  Horse\n🦄  Unicorn\n🐷  Pig\n🐘  Elephant\n";
        assert_eq!(stdout(&output), emoji);
        assert!(stderr(&output).contains("Does @Bob see the same seven"), "{}", stderr(&output));
        let asked = node.asked().pop().expect("it was asked");
        assert_eq!(asked.1["act"], json!({ "do": "compared", "same": same }));
    }
}

#[test]
fn without_anybody_to_answer_a_comparison_is_ended() {
    let node = FakeNode::start(|_, params| match params["act"]["do"].as_str() {
        Some("compare") => ok("comparison", comparison("settling")).then(told(comparison("shown"))),
        _ => ok(
            "comparison",
            with(comparison("ended"), json!({ "error": { "code": "refused", "message": "Ended." } })),
        ),
    });
    let mut child = node.spawn(&["verify", "@Bob", "--emoji"]);
    drop(child.stdin.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        (code(&output), stderr(&output).ends_with("lanyard: Ended.\n")),
        (4, true),
        "{}",
        stderr(&output)
    );
    assert_eq!(node.asked().pop().expect("it was asked").1["act"], json!({ "do": "cancel-comparison" }));
}

#[test]
fn peers_are_listed_with_how_far_they_are_believed() {
    let node = FakeNode::start(|_, _| {
        let alike = json!({ "alike": ["x"], "trust": "changed" });
        let listed = [bob("verified"), bob("blocked"), with(peer("Bob", true), alike)];
        ok("peers", json!(listed))
    });
    let shown = stdout(&node.lanyard(&["peers"]));
    let trusts: Vec<&str> =
        shown.lines().filter_map(|line| line.split_once("24417").map(|(_, trust)| trust)).collect();
    let changed = ", has the name of somebody verified and another key, called like somebody else here";
    assert_eq!(trusts, [", verified", ", blocked", changed]);
}
