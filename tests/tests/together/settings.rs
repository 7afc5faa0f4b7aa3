//! What is chosen in the settings holds at once, for others too, and after the program was ended and started.

use std::fs;

use super::{Lan, OFFER, arrive, person, picture, window_of};
use lanyard_tests::window::Window;

#[tokio::test]
async fn a_name_and_a_folder_that_are_chosen_hold_at_once_and_after_a_new_start() {
    let Some(lan) = Lan::or_skip() else { return };
    let host = lan.host("bob");
    let (ann, bob) = tokio::join!(arrive(&lan, "Ann"), window_of(&host, "Bob"));
    ann.see(&person("Bob")).await;
    let folder = bob.home().join("from others");
    fs::create_dir(&folder).expect("a folder");
    bob.click("[data-testid=settings]").await;
    bob.write("[data-testid=settings-name]", "Robert").await;
    bob.click("[data-testid=settings-save]").await;
    ann.see(&person("Robert")).await;
    bob.click("[data-testid=choose-folder]").await;
    bob.display().pick(&folder);
    bob.read(FOLDER, &folder.to_string_lossy()).await;

    let file = picture(ann.home(), "plan.bin");
    let target = ann.middle(&person("Robert")).await;
    ann.display().drag(&file, target);
    bob.click(&person("Ann")).await;
    bob.click(&format!("{OFFER}[data-state=offered] [data-testid=accept]")).await;
    bob.see(&format!("{OFFER}[data-state=done]")).await;
    assert!(fs::read(folder.join("plan.bin")).expect("it lies there") == fs::read(&file).expect("the file"));

    bob.terminate();
    bob.until("the program ends", async || !bob.runs()).await;
    drop(bob);
    let bob = Window::on(&host).await;
    bob.click("[data-testid=settings]").await;
    bob.read("[data-testid=self] bdi", "Robert").await;
    bob.read(FOLDER, &folder.to_string_lossy()).await;
    ann.see(&person("Robert")).await;
}

const FOLDER: &str = "[aria-labelledby] .path";
