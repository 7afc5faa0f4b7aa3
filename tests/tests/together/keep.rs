//! What is kept and counted of messages, in two real windows: unread ones, pins, dates, files of history, drafts, members.

use std::fs;

use super::{LOBBY, Lan, TEXT, arrive, person, say, window_of};
use lanyard_tests::window::Window;
use serde_json::Value;

#[tokio::test]
async fn what_was_not_seen_is_counted_and_mentions_apart_until_the_room_is_opened() {
    let Some(lan) = Lan::or_skip() else { return };
    let (ann, bob) = both(&lan).await;
    ann.click(&person("Bob")).await;
    ann.read("[data-testid=title]", "Bob").await;
    bob.click(LOBBY).await;
    say(&bob, "Who is here?").await;
    say(&bob, "I mean you, @Ann").await;
    let badge = |which: &str| format!("{LOBBY} [data-testid={which}] [aria-hidden]");
    ann.read(&badge("unread"), "2").await;
    ann.read(&badge("mentions"), "@1").await;
    ann.click(LOBBY).await;
    ann.read(TEXT, "I mean you, @Ann").await;
    ann.see_no(&badge("unread")).await;
    ann.see_no(&badge("mentions")).await;
}

#[tokio::test]
async fn what_is_pinned_is_pinned_for_everybody_and_one_step_away() {
    let Some(lan) = Lan::or_skip() else { return };
    let (ann, bob) = both(&lan).await;
    ann.click(LOBBY).await;
    bob.click(LOBBY).await;
    say(&ann, "The code of the door is 4711").await;
    say(&ann, "And now lunch").await;
    bob.read(TEXT, "And now lunch").await;
    menu(&ann, "The code of the door is 4711", "pin").await;
    bob.see("[data-testid=pinned]").await;
    bob.click("[data-testid=details]").await;
    bob.read("[data-testid=pin] .text", "The code of the door is 4711").await;
    bob.click("[data-testid=pin]").await;
    bob.see("[data-testid=message].flashed").await;
    menu(&bob, "The code of the door is 4711", "pin").await;
    ann.see_no("[data-testid=pinned]").await;
}

#[tokio::test]
async fn a_date_is_jumped_to() {
    let Some(lan) = Lan::or_skip() else { return };
    let ann = arrive(&lan, "Ann").await;
    ann.click(LOBBY).await;
    say(&ann, "First of all").await;
    say(&ann, "Last of all").await;
    ann.click("[data-testid=room-menu]").await;
    ann.click("[data-testid=menu-date]").await;
    // By keys each system writes dates in an order of its own.
    ann.see("[data-testid=date]").await;
    let script = "const field = document.querySelector('[data-testid=date]');
        field.value = arguments[0];
        field.dispatchEvent(new Event('input', { bubbles: true }))";
    ann.script(script, &[Value::from("2020-02-29")]).await;
    ann.click("[data-testid=date-go]").await;
    ann.see_no("[data-testid=date-dialog]").await;
    ann.see("[data-testid=message].flashed").await;
    assert_eq!(ann.texts("[data-testid=message].flashed [data-testid=message-text]").await, ["First of all"]);
}

#[tokio::test]
async fn history_is_exported_into_a_folder_that_is_picked() {
    let Some(lan) = Lan::or_skip() else { return };
    let ann = arrive(&lan, "Ann").await;
    ann.click(LOBBY).await;
    say(&ann, "For the record: 会议").await;
    let folder = ann.home().join("records");
    fs::create_dir(&folder).expect("a folder");
    ann.click("[data-testid=room-menu]").await;
    ann.click("[data-testid=menu-json]").await;
    ann.display().pick(&folder);
    ann.see("[data-testid=notice].good").await;
    let exported =
        fs::read_dir(&folder).expect("the folder is there").next().expect("a file").expect("readable");
    let written = fs::read_to_string(exported.path()).expect("text");
    let history: Value = serde_json::from_str(&written).expect("JSON");
    assert_eq!(history["messages"][0]["text"], "For the record: 会议");
}

#[tokio::test]
async fn a_draft_is_there_again_after_the_program_was_ended_and_started() {
    let Some(lan) = Lan::or_skip() else { return };
    let host = lan.host("ann");
    let ann = window_of(&host, "Ann").await;
    ann.click(LOBBY).await;
    ann.write("[data-testid=composer]", "I was about to").await;
    // Leaving the room keeps it at once.
    ann.click("[data-testid=find]").await;
    ann.write("[data-testid=search-text]", "tea").await;
    ann.terminate();
    ann.until("the program ends", async || !ann.runs()).await;
    drop(ann);
    let ann = Window::on(&host).await;
    ann.click(LOBBY).await;
    let script = "return document.querySelector('[data-testid=composer]')?.value ?? ''";
    ann.until("the draft is there", async || ann.script(script, &[]).await == "I was about to").await;
}

#[tokio::test]
async fn who_is_put_out_of_a_private_room_is_told_and_reads_no_more() {
    let Some(lan) = Lan::or_skip() else { return };
    let (ann, bob) = both(&lan).await;
    ann.click("[data-testid=join-room]").await;
    ann.click("[data-testid=tab-private]").await;
    ann.write("[data-testid=create-name]", "plans").await;
    ann.click("[data-testid=create-confirm]").await;
    ann.read("[data-testid=title]", "plans").await;
    ann.click("[data-testid=details]").await;
    ann.click("[data-testid=add-member]").await;
    ann.click("[data-testid=add-pick][data-name=Bob]").await;
    ann.click("[data-testid=add-close]").await;
    ann.see("[data-testid=member][data-name=Bob]").await;
    bob.click("[data-testid=room][data-name=plans]").await;
    say(&ann, "Among us").await;
    bob.read(TEXT, "Among us").await;

    ann.click("[data-testid=member][data-name=Bob] [data-testid=member-menu]").await;
    ann.click("[data-testid=menu-remove]").await;
    ann.click("[data-testid=confirm-yes]").await;
    ann.see_no("[data-testid=member][data-name=Bob]").await;
    bob.see("[data-testid=membership][data-membership=removed]").await;
    say(&ann, "Without Bob").await;
    // What is said elsewhere behind it comes; this does not.
    ann.click(LOBBY).await;
    say(&ann, "Hello, Bob").await;
    bob.click(LOBBY).await;
    bob.read(TEXT, "Hello, Bob").await;
    bob.click("[data-testid=room][data-name=plans]").await;
    bob.read(TEXT, "Among us").await;
    assert!(!bob.texts(TEXT).await.iter().any(|text| text == "Without Bob"));
}

/// Two people who see each other.
async fn both(lan: &Lan) -> (Window, Window) {
    let (ann, bob) = tokio::join!(arrive(lan, "Ann"), arrive(lan, "Bob"));
    ann.see(&person("Bob")).await;
    bob.see(&person("Ann")).await;
    (ann, bob)
}

/// Chooses something from the menu of the message with this text.
async fn menu(window: &Window, text: &str, item: &str) {
    super::talk::begin(window, text, "message-menu").await;
    window.click(&format!("[data-testid=menu-{item}]")).await;
}
