//! The words about private rooms.

use serde_json::{Value, json};

use super::{Answer, FakeNode, code, ok, room, stderr, stdout};

#[test]
fn private_rooms_are_made_filled_and_guarded_by_words() {
    let node = FakeNode::start(|method, _| match method {
        "create-room" | "renew-keys" => ok("room", room("Board", "private")),
        "members" => ok("members", json!([member("Ann", "creator", true), member("Bob", "member", false)])),
        "invite" => ok("invite", invite()),
        "invites" => ok("invites", json!([invite()])),
        _ => Answer { result: Ok(json!({ "reply": "done" })), events: Vec::new() },
    });
    assert_eq!(
        stdout(&node.lanyard(&["room", "create", "--private", "Board"])),
        "#Board  private, 2 devices\n"
    );
    let link = "lanyard:v1:inv:aebagbafaydqqcik\n";
    assert_eq!(stdout(&node.lanyard(&["room", "invite", "Board", "--hours", "24"])), link);
    let listed = node.lanyard(&["room", "invite", "Board", "--list"]);
    assert_eq!(stdout(&listed), format!("5ab05ab0  until 1970-01-01 00:01  {link}"));
    let members = node.lanyard(&["room", "members", "#Board"]);
    assert_eq!(stdout(&members), "● annannan  Ann  began the room, this device\n○ bobbobbo  Bob\n");
    for (words, told) in [
        (&["room", "invite", "Board", "--revoke", "5ab0"][..], "holds no longer"),
        // Whoever is added has to hear of it first.
        (&["room", "add", "Board", "@Bob"], "@Bob is let in, and knows of it as soon as"),
        (&["room", "role", "Board", "@Bob", "admin"], "an admin now"),
        (&["room", "remove", "Board", "@Bob"], "has a new key. Its open invite holds no longer"),
        (&["room", "renew", "Board"], "has a new key"),
    ] {
        let output = node.lanyard(words);
        assert_eq!(code(&output), 0, "{words:?}");
        assert!(stderr(&output).contains(told), "{words:?}: {}", stderr(&output));
    }
    let asked: Vec<_> = node.asked().into_iter().skip(4).collect();
    let expected = [
        ("revoke-invite", json!({ "room": "#Board", "invite": "5ab0" })),
        ("add-member", json!({ "room": "#Board", "peer": "@Bob" })),
        ("set-role", json!({ "room": "#Board", "peer": "@Bob", "role": "admin" })),
        ("invites", json!({ "room": "#Board" })),
        ("remove-member", json!({ "room": "#Board", "peer": "@Bob" })),
        ("renew-keys", json!({ "room": "#Board" })),
    ];
    assert_eq!(asked, expected.map(|(method, params)| (method.to_owned(), params)));
}

#[test]
fn who_wrote_two_versions_is_told_and_so_is_a_copy_of_this_profile() {
    let mut forked = member("Bob", "member", false);
    forked["forked"] = json!(true);
    let node = FakeNode::start(move |method, _| match method {
        "members" => ok("members", json!([member("Ann", "creator", true), forked])),
        "snapshot" => ok("snapshot", snapshot(Some(60_000))),
        _ => ok("me", snapshot(None)["me"].clone()),
    });
    let members = stdout(&node.lanyard(&["room", "members", "Board"]));
    let told: Vec<bool> = members.lines().map(|line| line.contains("two versions")).collect();
    assert_eq!(told, [false, true], "{members}");
    let status = stdout(&node.lanyard(&["status"]));
    assert!(
        status.starts_with("This profile also runs on another machine, known since 1970-01-01"),
        "{status}"
    );
    assert!(status.contains("The clock of this device is 3 hours behind most others here"), "{status}");
    let listed = stdout(&node.lanyard(&["--json", "status"]));
    assert!(listed.contains("\"cloned\":60000"), "{listed}");
    assert_eq!(code(&node.lanyard(&["status", "--settled"])), 0);
    assert!(node.asked().iter().any(|(method, _)| method == "settle-clone"));
}

#[test]
fn an_invite_is_shown_as_a_code_that_a_phone_reads() {
    let node = FakeNode::start(|_, _| ok("invite", invite()));
    let output = node.lanyard(&["room", "invite", "Board", "--qr"]);
    assert!(stderr(&output).contains('█') && stdout(&output).starts_with("lanyard:v1:inv:"));
}

#[test]
fn waiting_to_be_let_in_ends_with_the_answer() {
    let standing = |membership: &str| {
        let mut room = room("Board", "private");
        room["membership"] = json!(membership);
        room
    };
    let cases = [("member", 0), ("refused", 4), ("joining", 5)];
    for (answer, expected) in cases {
        let node = FakeNode::start(move |_, _| {
            ok("room", standing("joining")).then(json!({ "event": "room-changed", "room": standing(answer) }))
        });
        let output = node.lanyard(&["room", "join", "lanyard:v1:inv:aebagbaf", "--wait", "1"]);
        assert_eq!(code(&output), expected, "{answer}: {}", stderr(&output));
    }
}

fn member(name: &str, role: &str, me: bool) -> Value {
    let id = name.to_lowercase().repeat(3);
    json!({ "peer": id, "short": id[..8], "name": name, "me": me, "online": me, "role": role, "forked": false })
}

pub fn snapshot(cloned: Option<u64>) -> Value {
    let me = json!({
        "id": "annannan", "short": "annannan", "name": "Ann",
        "avatar": { "color": 3, "emoji": "🦊" }, "downloads": "/tmp", "version": "0.1.0", "named": true,
        "historyDays": 0, "holdForOthers": true, "holdBytes": 0, "historyBytes": 0, "cloned": cloned,
        "uploadLimit": 0, "downloadLimit": 0, "transfersAtOnce": 3,
        "relaying": { "on": true, "most": 8, "mostOfOne": 4 }, "locked": [],
        "notifications": { "doNotDisturb": false, "previews": true, "rooms": "all" }
    });
    let network = json!({ "port": 1, "tcpPort": 2, "multicast": true, "interfaces": [], "listed": [], "clockOff": 10_800, "dropped": [] });
    let mailbox = json!({ "entries": 0, "bytes": 0, "people": 0 });
    json!({ "me": me, "network": network, "peers": [], "rooms": [], "transfers": [], "mailbox": mailbox, "comparisons": [] })
}

fn invite() -> Value {
    let id = "5ab0".repeat(8);
    json!({ "id": id, "room": "room-Board", "link": "lanyard:v1:inv:aebagbafaydqqcik", "expires": 60_000, "by": "ann" })
}
