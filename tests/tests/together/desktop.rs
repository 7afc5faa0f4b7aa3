//! What a desktop announces of what others write.

use super::{LOBBY, Lan, TEXT, introduce, person};
use lanyard_tests::window::{Desktop, Window};
use std::fs;

#[tokio::test]
async fn what_comes_to_a_window_that_nobody_looks_at_is_announced_once_and_opened_by_a_click() {
    let Some(lan) = Lan::or_skip() else { return };
    let desktop = Desktop::with_tray();
    let (home, bob) = (lan.host("ann"), lan.host("bob"));
    let ann = Window::on_desktop(&home, &desktop).await;
    introduce(&ann, "Ann").await;
    let _node = bob.spawn(&["up", "--name", "Bob"]);
    ann.see(&person("Bob")).await;
    ann.until("the icon appears", async || desktop.has_icon()).await;
    let plain = desktop.icon();
    ann.display().blur();
    let say = |to: &str, text: &str| assert_eq!(bob.run(&["say", to, text]).code, Some(0));
    let announced = || {
        let shown = desktop.notifications().into_iter();
        shown.map(|shown| (shown.title, shown.body)).collect::<Vec<_>>()
    };
    let is = |title: &str, body: &str| (title.to_owned(), body.to_owned());

    say("#lobby", "tea & <b>cake</b>?");
    let hostile = is("#lobby", "Bob: tea & <b>cake</b>?");
    ann.until("it is announced", async || announced() == [hostile.clone()]).await;
    say("@Ann", "only for you");
    let direct = is("Bob", "only for you");
    ann.until("that, too", async || announced() == [hostile.clone(), direct.clone()]).await;
    say("@Ann", "are you there?");
    let more = is("Bob · 2 new", "are you there?");
    ann.until("in the same place", async || announced() == [hostile.clone(), more.clone()]).await;
    assert_eq!(desktop.shown(), 3);
    ann.until("the tray counts", async || desktop.tip() == "Lanyard: 3 unread").await;
    assert_ne!(desktop.icon(), plain);

    let shown = desktop.notifications();
    desktop.click(&shown[0]);
    ann.read("[data-testid=title]", "lobby").await;
    ann.read(TEXT, "tea & <b>cake</b>?").await;
    ann.until("it goes", async || announced() == [more.clone()]).await;

    // The lobby is open and has the focus now: of it nothing is announced.
    say("#lobby", "still there?");
    ann.read(TEXT, "still there?").await;
    say("@Ann", "third");
    let third = is("Bob · 3 new", "third");
    ann.until("only what is elsewhere", async || announced() == [third.clone()]).await;
    assert_eq!(desktop.shown(), 4);

    // Who reads it takes it away.
    ann.click(&person("Bob")).await;
    ann.until("nothing is left", async || announced().is_empty()).await;
    ann.until("the tray has no mark", async || desktop.icon() == plain).await;

    ann.click(LOBBY).await;
    let plan = bob.folder().join("plan.pdf");
    fs::write(&plan, vec![7; 48_000]).unwrap();
    assert_eq!(bob.run(&["send", "@Ann", plan.to_str().unwrap()]).code, Some(0));
    let offer = is("Bob", "Bob wants to send you plan.pdf (48 kB)");
    ann.until("the offer is announced", async || announced() == [offer.clone()]).await;
}

#[tokio::test]
async fn a_message_to_a_closed_window_is_announced_and_a_click_brings_it_back() {
    let Some(lan) = Lan::or_skip() else { return };
    let desktop = Desktop::with_tray();
    let (home, bob) = (lan.host("ann"), lan.host("bob"));
    let ann = Window::on_desktop(&home, &desktop).await;
    introduce(&ann, "Ann").await;
    let _node = bob.spawn(&["up", "--name", "Bob"]);
    ann.see(&person("Bob")).await;
    ann.until("the icon appears", async || desktop.has_icon()).await;
    ann.click(LOBBY).await;
    ann.display().close();
    ann.until("the window hides", async || !ann.display().shows_window()).await;
    assert_eq!(bob.run(&["say", "#lobby", "are you in?"]).code, Some(0));
    let found = || desktop.notifications().into_iter().find(|shown| shown.title == "#lobby");
    ann.until("it is announced", async || found().is_some()).await;
    let shown = found().expect("it was there");
    assert_eq!(shown.body, "Bob: are you in?");
    desktop.click(&shown);
    ann.until("the window is back", async || ann.display().shows_window()).await;
    ann.read(TEXT, "are you in?").await;
}
