//! Stories of whole nodes about what becomes of a comparison.

use super::trust::{compared, comparison, decide, find, id, once, shown_to_both};
use super::*;
use crate::api::{ComparisonState, Trust, TrustAct};
use crate::engine::handle::Shell;

#[tokio::test]
async fn whoever_was_verified_before_still_is_after_an_alarm_and_it_is_said() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    meet(&ann, &bob).await;
    let bob_id = id(&bob).await;
    decide(&ann, &bob_id, TrustAct::Verify {}).await;
    shown_to_both(&ann, &bob).await;
    let (mut at_ann, mut at_bob) = (ann.handle().subscribe(), bob.handle().subscribe());
    compared(&ann, false).await;
    let here = once(&mut at_ann, |event| comparison(event, ComparisonState::Ended)).await.error.unwrap();
    let hint = format!(
        "Bob was verified before, and still is. To take that back: lanyard verify @{} --undo",
        find(&ann, &bob_id).await.short
    );
    assert!(here.message.ends_with(&hint), "{}", here.message);
    assert!(here.message.contains("You saw other emoji than Bob"), "{}", here.message);
    let there = once(&mut at_bob, |event| comparison(event, ComparisonState::Ended)).await.error.unwrap();
    assert!(!there.message.contains("verified before"), "Bob never verified Ann: {}", there.message);
    assert_eq!(find(&ann, &bob_id).await.trust, Trust::Verified);
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn a_comparison_ends_with_the_program_from_which_it_was_begun() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    meet(&ann, &bob).await;
    let (ann_id, bob_id) = (id(&ann).await, id(&bob).await);
    let mut at_bob = bob.handle().subscribe();
    let (shell, other) = (ann.handle().for_shell(Shell(1)), ann.handle().for_shell(Shell(2)));
    let compare = |peer: &str| Command::Trust { peer: peer.to_owned(), act: TrustAct::Compare {} };
    shell.call(compare(&bob_id)).await.unwrap();
    once(&mut at_bob, |event| comparison(event, ComparisonState::Asked)).await;
    other.left().await;
    let mut at_ann = ann.handle().subscribe();
    let agreed = bob.handle().for_shell(Shell(7));
    agreed.call(compare(&ann_id)).await.unwrap();
    once(&mut at_ann, |event| comparison(event, ComparisonState::Shown)).await;
    shell.left().await;
    let over = once(&mut at_bob, |event| comparison(event, ComparisonState::Ended)).await;
    assert!(!over.alarm && over.error.unwrap().message.contains("does not want to compare"));
    assert_eq!(snapshot(&ann).await.comparisons, []);

    // So it does where somebody agreed from a program that is gone; not if it was answered elsewhere meanwhile.
    shown_to_both(&ann, &bob).await;
    agreed.left().await;
    agreed.call(compare(&ann_id)).await.unwrap();
    bob.handle().call(compare(&ann_id)).await.unwrap();
    agreed.left().await;
    assert_eq!(snapshot(&bob).await.comparisons.len(), 1);
    agreed.call(compare(&ann_id)).await.unwrap();
    agreed.left().await;
    assert_eq!(snapshot(&bob).await.comparisons, []);
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn a_comparison_that_both_began_ends_with_either_program() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    meet(&ann, &bob).await;
    let (ann_id, bob_id) = (id(&ann).await, id(&bob).await);
    let compare = |peer: &str| Command::Trust { peer: peer.to_owned(), act: TrustAct::Compare {} };
    let (at_ann, at_bob) = (ann.handle().for_shell(Shell(1)), bob.handle().for_shell(Shell(2)));
    let (mut ann_hears, mut bob_hears) = (ann.handle().subscribe(), bob.handle().subscribe());
    let (one, other) = tokio::join!(at_ann.call(compare(&bob_id)), at_bob.call(compare(&ann_id)));
    one.unwrap();
    other.unwrap();
    once(&mut ann_hears, |event| comparison(event, ComparisonState::Shown)).await;
    once(&mut bob_hears, |event| comparison(event, ComparisonState::Shown)).await;
    // Where the id is higher the own call gave way to the other's.
    let (gave_way, left) = if ann_id > bob_id { (at_ann, &ann) } else { (at_bob, &bob) };
    gave_way.left().await;
    assert_eq!(snapshot(left).await.comparisons, []);
    down(ann).await;
    down(bob).await;
}
