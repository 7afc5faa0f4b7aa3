//! How people are shown at others.

use super::*;
use crate::api::{Avatar, Peer};

#[tokio::test]
async fn an_avatar_that_a_person_chose_reaches_others_and_outlives_both() {
    let home = tempfile::tempdir().unwrap();
    let (ann_home, bob_home) = (home.path().join("ann"), home.path().join("bob"));
    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    meet(&ann, &bob).await;
    let ann_is = snapshot(&ann).await.me;
    let mut at_bob = bob.handle().subscribe();
    let known = seen(&bob, &ann_is.id).await;
    assert_eq!(known.avatar, ann_is.avatar, "by the key, wherever it is known");

    let fox = Avatar { color: (ann_is.avatar.color + 1) % 8, emoji: "🧭".to_owned() };
    let Ok(Reply::Me(me)) = ann.handle().call(choose(fox.clone())).await else { panic!("it is answered") };
    assert_eq!(me.avatar, fox);
    let told = tokio::time::timeout(SOON, async {
        loop {
            match at_bob.next().await {
                Some(Event::PeerChanged { peer }) if peer.avatar == fox => return peer.id,
                Some(_) => {}
                None => panic!("bob ended"),
            }
        }
    });
    assert_eq!(told.await.expect("bob is told"), ann_is.id);
    down(ann).await;
    down(bob).await;

    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    assert_eq!(snapshot(&ann).await.me.avatar, fox);
    assert_eq!(seen(&bob, &ann_is.id).await.avatar, fox);
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn what_is_no_avatar_is_refused_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let before = snapshot(&ann).await.me.avatar;
    for (color, emoji) in [(8, "🦊"), (0, "Ann"), (0, ""), (0, "🦊🦊")] {
        let refused = ann.handle().call(choose(Avatar { color, emoji: emoji.to_owned() })).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Invalid, "{color} {emoji}");
    }
    assert_eq!(snapshot(&ann).await.me.avatar, before);
    down(ann).await;
}

async fn seen(engine: &Engine, id: &str) -> Peer {
    let peers = snapshot(engine).await.peers;
    peers.into_iter().find(|peer| peer.id == id).expect("it is known")
}

fn choose(avatar: Avatar) -> Command {
    configure(json!({ "avatar": avatar }))
}
