//! To whom what one says was delivered.

use super::*;

#[test]
fn what_oneself_said_is_printed_with_who_has_it() {
    let node = FakeNode::start(|method, _| match method {
        "find" => ok("room", room("design", "open")),
        _ => {
            let alone = own("m1", "anybody?", &[], 0);
            let nobody = own("m2", "nobody?", &[], 2);
            let two = own("m3", "tea?", &["Bob", "C\u{1b}[2Jyd"], 3);
            ok("page", page(&[alone, nobody, two], false))
        }
    });
    let output = node.lanyard(&["log", "#design"]);
    assert_eq!(
        stdout(&output),
        "1970-01-01 00:00  Ann: anybody?\n\
         1970-01-01 00:00  Ann: nobody?  (delivered to 0 of 2)\n\
         1970-01-01 00:00  Ann: tea?  (delivered to 2 of 3: Bob, C\u{fffd}[2Jyd)\n"
    );
    let output = node.lanyard(&["--json", "log", "#design"]);
    assert_eq!(objects(&output)[2]["delivered"]["names"][0], "Bob");
}

#[test]
fn waiting_for_a_delivery_ends_when_everybody_who_is_here_has_it() {
    let looks = Mutex::new(0);
    let node = FakeNode::start(move |method, _| match method {
        "say" => ok("message", own("m1", "tea?", &[], 3)),
        "members" => {
            ok("members", json!([me(), member("Bob", true), member("Cyd", true), member("Dan", false)]))
        }
        _ => {
            let mut looks = looks.lock().expect("no panic before");
            *looks += 1;
            let (holders, more): (&[&str], _) = match *looks {
                1 => (&["Bob"], json!({ "to": ["BobBobBob"], "names": ["Bob"], "of": 3, "keptBy": [] })),
                _ => (&["Bob", "Cyd"], json!({ "to": [], "names": [], "of": 3, "keptBy": [] })),
            };
            let told =
                json!({ "event": "delivered", "room": "room-design", "message": "m1", "delivered": more });
            ok("page", page(&[own("m1", "tea?", holders, 3)], false)).then(told)
        }
    });
    let output = node.lanyard(&["say", "#design", "tea?", "--wait=600"]);
    assert_eq!((code(&output), stdout(&output).as_str()), (0, "delivered to 2 of 3: Bob, Cyd\n"));
    let output = node.lanyard(&["--json", "say", "#design", "tea?", "--wait"]);
    assert_eq!(objects(&output), [own("m1", "tea?", &["Bob", "Cyd"], 3)]);
}

#[test]
fn waiting_for_a_delivery_in_vain_says_who_lacks_it_and_exits_with_five_or_with_three_where_nobody_is() {
    let answer = |here: bool| {
        move |method: &str, _: &Value| match method {
            "say" => ok("message", own("m1", "tea?", &[], 2)),
            "members" => ok("members", json!([me(), member("Bob", here), member("Cyd", here)])),
            "peers" => ok("peers", json!([peer("Bob", here)])),
            _ => ok("page", page(&[own("m1", "tea?", if here { &["Bob"] } else { &[] }, 2)], false)),
        }
    };
    let node = FakeNode::start(answer(true));
    let output = node.lanyard(&["say", "#design", "tea?", "--wait=0"]);
    assert_eq!((code(&output), stdout(&output).as_str()), (5, "delivered to 1 of 2: Bob\n"));
    assert!(stderr(&output).contains("on its way to Cyd"), "{}", stderr(&output));
    let node = FakeNode::start(answer(false));
    let output = node.lanyard(&["say", "#design", "tea?", "--wait=600"]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert_eq!(code(&node.lanyard(&["say", "#design", "--react", "m1", "👍", "--wait"])), 2);
}

#[test]
fn whoever_is_here_and_was_not_yet_heard_in_the_room_is_waited_for_a_while() {
    let looks = Mutex::new(0);
    let node = FakeNode::start(move |method, _| match method {
        "say" => ok("message", own("m1", "tea?", &[], 0)),
        "members" => ok("members", json!([me()])),
        "peers" => ok("peers", json!([peer("Bob", true)])),
        _ => {
            let mut looks = looks.lock().expect("no panic before");
            *looks += 1;
            let holders: &[&str] = if *looks == 1 { &[] } else { &["Bob"] };
            let told = json!({ "to": ["BobBobBob"], "names": ["Bob"], "of": 1, "keptBy": [] });
            let told =
                json!({ "event": "delivered", "room": "room-design", "message": "m1", "delivered": told });
            ok("page", page(&[own("m1", "tea?", holders, holders.len() as u32)], false)).then(told)
        }
    });
    let output = node.lanyard(&["say", "#design", "tea?", "--wait=600"]);
    assert_eq!((code(&output), stdout(&output).as_str()), (0, "delivered to 1 of 1: Bob\n"));
}

#[test]
fn an_edit_and_a_take_back_are_waited_for_as_well() {
    let node = FakeNode::start(|method, _| match method {
        "edit" | "delete" => ok("message", own("m1", "coffee?", &[], 1)),
        "members" => ok("members", json!([me(), member("Bob", true)])),
        _ => ok("page", page(&[own("m1", "coffee?", &["Bob"], 1)], false)),
    });
    for words in [&["--edit", "m1", "coffee?", "--wait"][..], &["--delete", "m1", "--wait=5"]] {
        let output = node.lanyard(&[&["say", "#design"], words].concat());
        assert_eq!((code(&output), stdout(&output).as_str()), (0, "delivered to 1 of 1: Bob\n"), "{words:?}");
    }
}

fn own(id: &str, text: &str, holders: &[&str], of: u32) -> Value {
    let mut message = message(id, text, 0);
    message["author"] = "ann".into();
    message["name"] = "Ann".into();
    message["mine"] = true.into();
    let to: Vec<String> = holders.iter().map(|name| name.repeat(3)).collect();
    message["delivered"] = json!({ "to": to, "names": holders, "of": of, "keptBy": [] });
    message
}

fn member(name: &str, online: bool) -> Value {
    json!({
        "peer": name.repeat(3), "short": name, "name": name, "me": false, "online": online, "role": "member", "forked": false,
    })
}

fn me() -> Value {
    json!({ "peer": "ann", "short": "ann", "name": "Ann", "me": true, "online": true, "role": "member", "forked": false })
}
