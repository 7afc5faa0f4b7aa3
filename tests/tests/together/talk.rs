//! Messages that are answered, changed and found again, and rooms that only members can read, in two real windows.

use super::{LOBBY, Lan, TEXT, arrive, person, say};
use lanyard_tests::window::Window;
use serde_json::Value;

#[tokio::test]
async fn a_message_is_answered_reacted_to_edited_and_taken_back_before_the_eyes_of_the_other() {
    let Some(lan) = Lan::or_skip() else { return };
    let (ann, bob) = tokio::join!(arrive(&lan, "Ann"), arrive(&lan, "Bob"));
    ann.see(&person("Bob")).await;
    ann.click(LOBBY).await;
    bob.click(LOBBY).await;
    say(&ann, "Lunch at noon?").await;
    bob.read(TEXT, "Lunch at noon?").await;

    begin(&bob, "Lunch at noon?", "reply").await;
    bob.see("[data-testid=replying]").await;
    say(&bob, "Rather at one").await;
    ann.read(TEXT, "Rather at one").await;
    ann.read("[data-testid=quote] .text", "Lunch at noon?").await;

    begin(&ann, "Rather at one", "react").await;
    ann.click("[data-testid=emoji-picker] [data-emoji='👍']").await;
    bob.see("[data-testid=reaction][data-emoji='👍']").await;

    begin(&ann, "Lunch at noon?", "edit").await;
    ann.see("[data-testid=editing]").await;
    ann.write("[data-testid=composer]", "Lunch at one?").await;
    ann.click("[data-testid=send]").await;
    bob.read(TEXT, "Lunch at one?").await;
    bob.see("[data-testid=edited]").await;
    bob.read("[data-testid=quote] .text", "Lunch at one?").await;

    begin(&bob, "Rather at one", "message-menu").await;
    bob.click("[data-testid=menu-delete]").await;
    bob.click("[data-testid=confirm-yes]").await;
    ann.see("[data-testid=tombstone]").await;
    assert!(!ann.texts(TEXT).await.iter().any(|text| text == "Rather at one"));
}

#[tokio::test]
async fn whoever_has_the_link_comes_into_a_private_room() {
    let Some(lan) = Lan::or_skip() else { return };
    let (ann, bob) = tokio::join!(arrive(&lan, "Ann"), arrive(&lan, "Bob"));
    ann.see(&person("Bob")).await;
    bob.see(&person("Ann")).await;

    ann.click("[data-testid=join-room]").await;
    ann.click("[data-testid=tab-private]").await;
    ann.write("[data-testid=create-name]", "plans").await;
    ann.click("[data-testid=create-confirm]").await;
    ann.read("[data-testid=title]", "plans").await;
    ann.click("[data-testid=details]").await;
    ann.click("[data-testid=invite-make]").await;
    ann.see("[data-testid=qr]").await;
    let link = ann.script("return document.querySelector('[data-testid=invite-link]').value", &[]).await;
    let link = link.as_str().expect("the field has a text");
    assert!(link.starts_with("lanyard:v1:inv:"), "{link}");

    bob.click("[data-testid=join-room]").await;
    bob.click("[data-testid=tab-invite]").await;
    bob.write("[data-testid=invite-paste]", link).await;
    bob.click("[data-testid=invite-confirm]").await;
    ann.see("[data-testid=member][data-name=Bob]").await;
    say(&bob, "Who else knows?").await;
    ann.read(TEXT, "Who else knows?").await;
    say(&ann, "Only we two").await;
    bob.read(TEXT, "Only we two").await;
    bob.see("[data-testid=note][data-note=joined]").await;
}

#[tokio::test]
async fn two_chinese_characters_find_what_was_said() {
    let Some(lan) = Lan::or_skip() else { return };
    let (ann, bob) = tokio::join!(arrive(&lan, "Ann"), arrive(&lan, "Bob"));
    ann.see(&person("Bob")).await;
    ann.click(LOBBY).await;
    bob.click(LOBBY).await;
    say(&ann, "今天下午我们去喝茶").await;
    say(&ann, "The meeting is off").await;
    bob.read(TEXT, "The meeting is off").await;

    bob.click("[data-testid=find]").await;
    bob.write("[data-testid=search-text]", "下午").await;
    bob.read("[data-testid=result] mark", "下午").await;
    bob.click("[data-testid=result]").await;
    bob.see("[data-testid=message].flashed").await;
}

/// Points at the message with this text and presses one of its tools.
pub async fn begin(window: &Window, text: &str, tool: &str) {
    window.read(TEXT, text).await;
    let script = "return [...document.querySelectorAll('[data-testid=message]')]
        .find((message) => message.querySelector('[data-testid=message-text]')?.textContent.trim() === arguments[0])
        .dataset.message";
    let id = window.script(script, &[Value::from(text)]).await;
    let message = format!("[data-message='{}']", id.as_str().expect("a message has an id"));
    window.click(&format!("{message} {TEXT}")).await;
    window.click(&format!("{message} [data-testid={tool}]")).await;
}
