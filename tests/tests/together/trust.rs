//! Two people compare what their windows show, and believe each other from then on, or do not.

use super::{Lan, arrive, person};
use lanyard_tests::window::Window;

#[tokio::test]
async fn two_people_compare_seven_emoji_and_are_verified_in_both_windows() {
    let Some(lan) = Lan::or_skip() else { return };
    let (ann, bob) = comparing(&lan).await;
    ann.click("[data-testid=emoji-same]").await;
    // One yes is not enough.
    ann.see("[data-testid=comparison][data-state=confirmed]").await;
    assert_eq!(bob.texts(MATCHED).await, Vec::<String>::new());
    bob.click("[data-testid=emoji-same]").await;
    for (window, other) in [(&ann, "Bob"), (&bob, "Ann")] {
        window.see(MATCHED).await;
        window.click("[data-testid=compare-done]").await;
        window.see(&format!("{} [data-testid=shield][data-trust=verified]", person(other))).await;
    }
    ann.see("[data-testid=trust-state][data-trust=verified]").await;
}

#[tokio::test]
async fn whoever_sees_other_emoji_says_so_and_nobody_is_verified() {
    let Some(lan) = Lan::or_skip() else { return };
    let (ann, bob) = comparing(&lan).await;
    ann.click("[data-testid=emoji-same]").await;
    bob.click("[data-testid=emoji-different]").await;
    for (window, other) in [(&ann, "Bob"), (&bob, "Ann")] {
        window.see("[data-testid=comparison-ended][data-alarm=true]").await;
        assert_eq!(window.texts(MATCHED).await, Vec::<String>::new());
        window.see(&format!("{} [data-testid=shield]:not([data-trust=verified])", person(other))).await;
    }
}

/// Ann asks Bob to compare, who agrees: both see the same seven emoji.
async fn comparing(lan: &Lan) -> (Window, Window) {
    let (ann, bob) = tokio::join!(arrive(lan, "Ann"), arrive(lan, "Bob"));
    bob.see(&person("Ann")).await;
    ann.click(&person("Bob")).await;
    ann.click("[data-testid=details]").await;
    ann.click("[data-testid=verify]").await;
    ann.click("[data-testid=comparison] [data-testid=compare]").await;
    bob.click("[data-testid=comparison][data-state=asked] [data-testid=compare]").await;
    ann.see("[data-testid=comparison][data-state=shown]").await;
    bob.see("[data-testid=comparison][data-state=shown]").await;
    let emoji = "[data-testid=emoji] .symbol";
    let shown = ann.texts(emoji).await;
    assert_eq!(shown.len(), 7, "{shown:?}");
    assert_eq!(bob.texts(emoji).await, shown);
    (ann, bob)
}

const MATCHED: &str = "[data-testid=matched]";
