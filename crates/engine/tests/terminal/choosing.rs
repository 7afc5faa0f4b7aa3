//! Choosing among the files of an offer, and listing them.

use serde_json::{Value, json};

use super::{Answer, FakeNode, code, objects, ok, stderr, stdout, transfer};

#[test]
fn some_files_of_an_offer_are_chosen_by_name_and_what_is_missing_is_named() {
    let node = FakeNode::start(|method, params| match method {
        "accept" => {
            let mut failed = transfer("in", "failed");
            (failed["chosen"], failed["chosenFiles"], failed["failedFiles"]) = (9.into(), 2.into(), 1.into());
            failed["error"] = json!({ "code": "storage", "message": "A file is gone." });
            ok("transfer", transfer("in", "running"))
                .then(json!({ "event": "transfer-finished", "transfer": failed }))
        }
        "transfer-files" if params["after"].is_null() => {
            let done = file("a/one", "done");
            ok("transfer-files", json!({ "files": [done], "next": "9.1.1" }))
        }
        "transfer-files" => {
            let mut failed = file("a/two", "failed");
            failed["error"] = json!({ "code": "storage", "message": "It is no longer there." });
            ok("transfer-files", json!({ "files": [failed], "next": null }))
        }
        other => panic!("{other}"),
    });
    let output = node.lanyard(&["accept", "transfer", "--only", "a/one", "a/two"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("a/two: It is no longer there."), "{}", stderr(&output));
    assert!(!stderr(&output).contains("a/one"), "{}", stderr(&output));
    assert_eq!(node.asked()[0].1["only"], json!(["a/one", "a/two"]));

    let listed = node.lanyard(&["files", "transfer"]);
    assert_eq!(code(&listed), 0, "{}", stderr(&listed));
    let expected = "a/one (7 bytes)  done\na/two (7 bytes)  failed: It is no longer there.\n";
    assert_eq!(stdout(&listed), expected);
    assert_eq!(objects(&node.lanyard(&["--json", "files", "transfer"])).len(), 2);
}

#[test]
fn a_name_that_is_not_offered_is_said_plainly_and_nothing_is_fetched() {
    let node = FakeNode::start(|_, _| {
        Answer::error("invalid", "Nothing is fetched: “x” is not among what is offered.")
    });
    let output = node.lanyard(&["accept", "transfer", "--only", "x"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("“x” is not among"), "{}", stderr(&output));
}

fn file(path: &str, state: &str) -> Value {
    json!({ "path": path, "size": 7, "folder": false, "state": state, "moved": 0, "error": null })
}
