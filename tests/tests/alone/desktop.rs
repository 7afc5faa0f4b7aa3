//! The window as a part of a desktop: its tray, its login, and starts of the program beside the first.

use lanyard_tests::window::Desktop;
use serde_json::json;

use super::{Window, call, introduce, invoke};
use std::fs;

#[tokio::test]
async fn a_closed_window_is_in_the_tray_until_it_is_quit_or_the_tray_goes() {
    let desktop = Desktop::with_tray();
    let window = Window::alone_on(Some(&desktop), &[]).await;
    introduce(&window, "Ann").await;
    window.until("the icon appears", async || desktop.has_icon()).await;
    assert_eq!(desktop.tip(), "Lanyard");
    assert_eq!(desktop.menu(), json!(["Open Lanyard", "Do not disturb", "Quit"]));
    window.display().close();
    window.until("the window hides", async || !window.display().shows_window()).await;
    let note = "Lanyard goes on in the tray";
    let told = async || desktop.notifications().iter().any(|shown| shown.title == note);
    window.until("it is said where the program is", told).await;
    assert!(window.runs());

    desktop.choose("Open Lanyard");
    window.until("the window is back", async || window.display().shows_window()).await;
    desktop.choose("Do not disturb");
    let quiet = async || {
        let snapshot = call(&window, json!({ "method": "snapshot", "params": {} })).await;
        snapshot["answer"]["value"]["me"]["notifications"]["doNotDisturb"] == true
    };
    window.until("nobody disturbs", quiet).await;
    window.display().close();
    window.until("the window hides again", async || !window.display().shows_window()).await;
    assert_eq!(desktop.shown(), 1, "it is said once");

    desktop.lose_tray();
    window.until("nobody is left without a way back", async || window.display().shows_window()).await;
    window.display().close();
    window.until("the program ends", async || !window.runs()).await;
}

#[tokio::test]
async fn the_tray_quits_the_program_whose_window_is_closed() {
    let desktop = Desktop::with_tray();
    let window = Window::alone_on(Some(&desktop), &[]).await;
    window.until("the icon appears", async || desktop.has_icon()).await;
    window.display().close();
    window.until("the window hides", async || !window.display().shows_window()).await;
    desktop.choose("Quit");
    window.until("the program ends", async || !window.runs()).await;
}

#[tokio::test]
async fn closing_quits_where_there_is_no_tray() {
    let desktop = Desktop::start();
    let window = Window::alone_on(Some(&desktop), &[]).await;
    window.see("[data-testid=first-run]").await;
    let state = invoke(&window, "desktop", json!({})).await;
    assert_eq!(state["answer"]["tray"], false, "{state}");
    window.display().close();
    window.until("the program ends", async || !window.runs()).await;
}

#[tokio::test]
async fn closing_quits_where_a_person_wants_it_to_and_the_size_is_kept() {
    let desktop = Desktop::with_tray();
    let window = Window::alone_on(Some(&desktop), &[]).await;
    window.until("the icon appears", async || desktop.has_icon()).await;
    let state = invoke(&window, "set_desktop", json!({ "choice": { "closeToTray": false } })).await;
    assert_eq!(state["answer"]["tray"], true, "{state}");
    assert_eq!(state["answer"]["closeToTray"], false, "{state}");
    window.display().resize(900, 700);
    let resized = async || window.script("return innerWidth", &[]).await == 900;
    window.until("the page is as wide", resized).await;
    window.display().close();
    window.until("the program ends", async || !window.runs()).await;
    let kept = fs::read_to_string(window.home().join("profile/window-state.json")).expect("it is kept");
    let kept: serde_json::Value = serde_json::from_str(&kept).expect("it is JSON");
    assert_eq!((&kept["main"]["width"], &kept["main"]["height"]), (&json!(900), &json!(700)), "{kept}");
}

#[tokio::test]
async fn a_program_that_starts_in_the_background_waits_in_the_tray() {
    let desktop = Desktop::with_tray();
    let window = Window::alone_on(Some(&desktop), &["--background"]).await;
    window.until("the icon appears", async || desktop.has_icon()).await;
    window.see("[data-testid=first-run]").await;
    assert!(!window.display().shows_window());
    desktop.choose("Open Lanyard");
    window.until("the window is there", async || window.display().shows_window()).await;
}

#[tokio::test]
async fn without_a_tray_nothing_starts_unseen() {
    let window = Window::alone_on(None, &["--background"]).await;
    window.until("the window is there", async || window.display().shows_window()).await;
}

#[tokio::test]
async fn a_second_start_shows_the_first_window_and_hands_over_what_it_names() {
    let desktop = Desktop::with_tray();
    let window = Window::alone_on(Some(&desktop), &[]).await;
    introduce(&window, "Ann").await;
    window.until("the icon appears", async || desktop.has_icon()).await;
    window.display().close();
    window.until("the window hides", async || !window.display().shows_window()).await;
    assert!(window.start_again(&[]).await.success());
    window.until("the window is back", async || window.display().shows_window()).await;

    fs::write(window.home().join("my plan.pdf"), "plan").unwrap();
    assert!(window.start_again(&["my plan.pdf"]).await.success());
    window.see("[data-testid=send-to-dialog]").await;
    assert!(window.texts("[data-testid=send-to-dialog]").await[0].contains("my plan.pdf"));
    window.click("[data-testid=send-to-close]").await;
    let link = "lanyard:v1:inv:4qx7k2mzj5hw3nvb6trf";
    assert!(window.start_again(&[link]).await.success());
    window.see("[data-testid=invite-paste]").await;
    let field = "return document.querySelector('[data-testid=invite-paste]').value";
    assert_eq!(window.script(field, &[]).await, link);
    assert!(window.runs());
}

#[tokio::test]
async fn whoever_wants_it_is_reachable_from_the_login_on() {
    let window = Window::alone().await;
    window.see("[data-testid=first-run]").await;
    let entry = window.home().join(".config/autostart/Lanyard.desktop");
    assert!(!entry.exists(), "nothing starts unasked");
    let state = invoke(&window, "set_desktop", json!({ "choice": { "startAtLogin": true } })).await;
    assert_eq!(state["answer"]["startAtLogin"], true, "{state}");
    let words = fs::read_to_string(&entry).unwrap();
    let profile = window.home().join("profile");
    let start = words.lines().find(|line| line.starts_with("Exec=")).expect("it starts something");
    assert!(start.contains("lanyard-desktop --background --profile "), "{start}");
    assert!(start.contains(profile.to_str().unwrap()), "{start}");
    let state = invoke(&window, "set_desktop", json!({ "choice": { "startAtLogin": false } })).await;
    assert_eq!(state["answer"]["startAtLogin"], false, "{state}");
    assert!(!entry.exists());
}
