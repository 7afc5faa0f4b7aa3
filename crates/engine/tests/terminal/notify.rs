//! `lanyard notify`.

use super::*;

fn me(told: &Value) -> Value {
    json!({
        "id": "annannannann", "short": "annannan", "name": "Ann", "avatar": { "color": 3, "emoji": "🦊" },
        "downloads": "/home/ann", "version": "1",
        "named": true, "historyDays": 0, "historyBytes": 0, "cloned": null, "holdForOthers": true,
        "holdBytes": 0, "uploadLimit": 0, "downloadLimit": 0, "transfersAtOnce": 3,
        "relaying": { "on": true, "most": 8, "mostOfOne": 4 }, "locked": [], "notifications": told,
    })
}

#[test]
fn what_is_told_is_shown_and_chosen_for_all() {
    let node = FakeNode::start(|method, params| match method {
        "set-notifications" => {
            ok("me", me(&json!({ "doNotDisturb": true, "previews": false, "rooms": params["rooms"] })))
        }
        _ => ok(
            "snapshot",
            json!({
                "me": me(&json!({ "doNotDisturb": false, "previews": true, "rooms": "all" })),
                "peers": [], "rooms": [], "transfers": [],
                "network": { "port": 1, "tcpPort": 1, "multicast": true, "listed": [], "interfaces": [], "dropped": [] },
                "mailbox": { "entries": 0, "bytes": 0, "people": 0 }, "comparisons": [],
            }),
        ),
    });
    let shown = stdout(&node.lanyard(&["notify"]));
    assert_eq!(shown, "Do not disturb is off\nPreviews are on\nRooms: everything\n");
    let output = node.lanyard(&["notify", "--do-not-disturb", "on", "--rooms", "mentions"]);
    let shown = "Do not disturb is on\nPreviews are off\nRooms: mentions and answers only\n";
    assert_eq!(stdout(&output), shown, "{}", stderr(&output));
    let chosen = json!({ "doNotDisturb": true, "previews": null, "rooms": "mentions" });
    assert_eq!(node.asked().pop(), Some(("set-notifications".to_owned(), chosen)));
}

#[test]
fn what_is_told_is_shown_and_chosen_for_one_conversation() {
    let node = FakeNode::start(|method, params| {
        let mut design = room("design", "open");
        if method == "notify-room" {
            design["notify"] = params["level"].clone();
        }
        ok("room", design)
    });
    assert_eq!(stdout(&node.lanyard(&["notify", "#design"])), "#design: as the settings for all say\n");
    assert_eq!(stdout(&node.lanyard(&["notify", "#design", "none"])), "#design: nothing\n");
    let muted = json!({ "room": "room-design", "level": "none" });
    assert_eq!(node.asked().pop(), Some(("notify-room".to_owned(), muted)));
    node.lanyard(&["notify", "#design", "default"]);
    let freed = json!({ "room": "room-design", "level": null });
    assert_eq!(node.asked().pop(), Some(("notify-room".to_owned(), freed)));
    for wrong in [
        &["notify", "#design", "loud"][..],
        &["notify", "#design", "--previews", "on"],
        &["notify", "--rooms", "x"],
    ] {
        assert_eq!(code(&node.lanyard(wrong)), 2, "{wrong:?}");
    }
}
