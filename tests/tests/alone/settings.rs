//! The language and the look of a window, chosen in its settings.

use super::{Window, introduce};

#[tokio::test]
async fn the_language_changes_before_ones_eyes_and_back_and_is_kept() {
    let window = Window::alone().await;
    introduce(&window, "Zoë").await;
    window.click("[data-testid=settings]").await;
    speaks(&window, "en", "Settings").await;
    window.click("[data-testid=panel] label[lang=zh-CN]").await;
    speaks(&window, "zh-CN", "设置").await;
    window.click("[data-testid=panel] label[lang=en]").await;
    speaks(&window, "en", "Settings").await;

    window.click("[data-testid=panel] label[lang=zh-CN]").await;
    window.click("[data-testid=panel] label:has([value=dark])").await;
    speaks(&window, "zh-CN", "设置").await;
    let window = window.reopened().await;
    window.click("[data-testid=settings]").await;
    speaks(&window, "zh-CN", "设置").await;
    window.see("html[data-theme=dark]").await;
}

/// The words on the screen, and what a screen reader is told of their language.
async fn speaks(window: &Window, language: &str, settings: &str) {
    window.see(&format!("html[lang={language}]")).await;
    window.read("[data-testid=panel] h2", settings).await;
}
