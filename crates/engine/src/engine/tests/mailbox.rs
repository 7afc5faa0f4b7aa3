//! Mail from one node to another, and what the settings make of it.

use super::*;
use crate::api::Mailbox;

#[tokio::test]
async fn mail_is_kept_for_others_until_that_is_switched_off_and_survives_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let (ann_home, cyd_home) = (home.path().join("ann"), home.path().join("cyd"));
    let (ann, cyd) = (up(&ann_home, "ann").await, up(&cyd_home, "cyd").await);
    assert!(snapshot(&cyd).await.me.hold_for_others);
    meet(&ann, &cyd).await;
    let bob = format!("@{}", Identity::from_seed(&[7; 32]).peer_id());
    let mut events = ann.handle().subscribe();
    ann.handle().call(Command::Say { to: bob, text: "see you".to_owned(), reply: None }).await.unwrap();
    let kept_by = tokio::time::timeout(SOON, async {
        loop {
            if let Some(Event::Kept { delivered, .. }) = events.next().await {
                assert!(delivered.to.is_empty(), "kept is not delivered");
                return delivered.kept_by;
            }
        }
    });
    assert_eq!(kept_by.await.expect("cyd keeps it"), [snapshot(&cyd).await.me.id]);
    down(ann).await;
    down(cyd).await;

    let cyd = up(&cyd_home, "cyd").await;
    let kept = snapshot(&cyd).await.mailbox;
    assert_eq!((kept.entries, kept.people), (1, 1));
    assert!(kept.bytes > 100);
    assert_eq!(configured(&cyd, None, Some(1000)).await.unwrap_err().code, ErrorCode::Invalid);
    configured(&cyd, None, Some(2_000_000)).await.unwrap();
    assert_eq!(mailbox(&cyd).await, kept, "what was promised stays");
    configured(&cyd, Some(false), None).await.unwrap();
    assert_eq!(mailbox(&cyd).await, Mailbox { entries: 0, bytes: 0, people: 0 });
    down(cyd).await;
    let cyd = up(&cyd_home, "cyd").await;
    let me = snapshot(&cyd).await.me;
    assert_eq!((me.hold_for_others, me.hold_bytes), (false, 2_000_000));
    assert_eq!(mailbox(&cyd).await.entries, 0);
    down(cyd).await;
}

async fn configured(engine: &Engine, hold: Option<bool>, bytes: Option<u64>) -> Result<Reply, ApiError> {
    let choice = configure(json!({ "holdForOthers": hold, "holdBytes": bytes }));
    engine.handle().call(choice).await
}

async fn mailbox(engine: &Engine) -> Mailbox {
    match engine.handle().call(Command::Mailbox {}).await.unwrap() {
        Reply::Mailbox(mailbox) => mailbox,
        other => panic!("{other:?}"),
    }
}
