//! What whoever administers a device decided for everybody on it.

use super::*;
use crate::api::{Locked, TrustAct};
use crate::config::{AcceptRule, Policy};

#[tokio::test]
async fn what_is_decided_goes_before_settings_cannot_be_chosen_and_leaves_them_as_they_were() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("ann");
    let chosen = configure(json!({ "historyDays": 90, "relay": true }));
    let ann = up(&profile, "ann").await;
    ann.handle().call(chosen.clone()).await.unwrap();
    let lobby = snapshot(&ann).await.rooms[0].id.clone();
    let keep = |days| Command::KeepRoom { room: lobby.clone(), days };
    ann.handle().call(keep(Some(60))).await.unwrap();
    assert_eq!(snapshot(&ann).await.me.locked, []);
    down(ann).await;

    let policy = Policy {
        network: Some("ship".to_owned()),
        accept_at_most: Some(AcceptRule::Never),
        history_days: Some(30),
        relay: Some(false),
        ..Policy::default()
    };
    let mut decided = Config { accept: AcceptRule::Any, ..config(&profile) };
    decided.follow(policy);
    assert_eq!((decided.network.as_str(), decided.accept), ("ship", AcceptRule::Never));
    let ann = Engine::start(decided).await.unwrap();
    let me = snapshot(&ann).await.me;
    assert_eq!(me.locked, [Locked::Network, Locked::Accept, Locked::HistoryDays, Locked::Relay]);
    assert_eq!((me.history_days, me.relaying.on), (30, false));
    let refused = ann.handle().call(chosen).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Refused);
    // A room may forget sooner, not later.
    for days in [Some(0), Some(60)] {
        assert_eq!(ann.handle().call(keep(days)).await.unwrap_err().code, ErrorCode::Refused);
    }
    ann.handle().call(keep(Some(7))).await.unwrap();
    // What is not decided can be chosen.
    let free = configure(json!({ "name": "Annabel", "holdForOthers": false }));
    ann.handle().call(free).await.unwrap();
    down(ann).await;

    let ann = up(&profile, "Annabel").await;
    let me = snapshot(&ann).await.me;
    assert_eq!((me.history_days, me.relaying.on, me.hold_for_others), (90, true, false));
    down(ann).await;
}

#[tokio::test]
async fn where_nothing_may_be_fetched_unasked_nobody_can_be_given_leave_to() {
    let home = tempfile::tempdir().unwrap();
    let bob = up(&home.path().join("bob"), "bob").await;
    let mut decided = config(&home.path().join("ann"));
    decided.follow(Policy { accept_at_most: Some(AcceptRule::Never), ..Policy::default() });
    let ann = Engine::start(decided).await.unwrap();
    meet(&ann, &bob).await;
    let peer = snapshot(&ann).await.peers[0].id.clone();
    let act = |act| Command::Trust { peer: peer.clone(), act };
    ann.handle().call(act(TrustAct::Verify {})).await.unwrap();
    let leave = act(TrustAct::AlwaysAccept { bytes: Some(1000) });
    assert_eq!(ann.handle().call(leave).await.unwrap_err().code, ErrorCode::Refused);
    ann.handle().call(act(TrustAct::AlwaysAccept { bytes: None })).await.unwrap();
    down(ann).await;
    down(bob).await;
}
