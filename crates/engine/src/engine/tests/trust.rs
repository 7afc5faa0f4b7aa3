//! Stories of whole nodes about whom to believe.

use lanyard_proto::model::Instant;
use lanyard_proto::trust::{Comparison as Machine, SAS_LABEL, Stage, link};
use tokio::sync::mpsc;

use super::*;
use crate::api::{Comparison, ComparisonState, Keys, Message, Page, Peer, Trust, TrustAct};
use crate::config::AcceptRule;
use crate::engine::Events;
use crate::net::stream::{Listener, Secure, dial};
use crate::net::tls::{Credentials, Purpose};

#[tokio::test]
async fn two_people_verify_each_other_by_emoji_and_it_lasts() {
    let home = tempfile::tempdir().unwrap();
    let [ann_home, bob_home] = ["ann", "bob"].map(|name| home.path().join(name));
    let (ann, bob) = (up(&ann_home, "Ann").await, up(&bob_home, "Bob").await);
    meet(&ann, &bob).await;
    let (ann_sees, bob_sees) = shown_to_both(&ann, &bob).await;
    assert_eq!(ann_sees.emoji.len(), 7);
    assert_eq!(ann_sees.emoji, bob_sees.emoji);
    compared(&ann, true).await;
    assert_eq!(only(&ann).await.trust, Trust::Pinned, "one word for it is not both");
    let mut heard = ann.handle().subscribe();
    compared(&bob, true).await;
    let over = once(&mut heard, |event| comparison(event, ComparisonState::Matched)).await;
    assert_eq!((over.error, over.alarm), (None, false));
    for engine in [&ann, &bob] {
        until_trust(engine, Trust::Verified).await;
        assert_eq!(snapshot(engine).await.comparisons, []);
    }
    down(ann).await;
    down(bob).await;
    let ann = up(&ann_home, "Ann").await;
    assert_eq!(only(&ann).await.trust, Trust::Verified);
    down(ann).await;
}

#[tokio::test]
async fn emoji_that_differ_alarm_both_and_verify_nobody() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    meet(&ann, &bob).await;
    shown_to_both(&ann, &bob).await;
    compared(&bob, true).await;
    let mut heard = bob.handle().subscribe();
    compared(&ann, false).await;
    let over = once(&mut heard, |event| comparison(event, ComparisonState::Ended)).await;
    assert!(over.alarm);
    assert!(over.error.unwrap().message.contains("Ann says that the emoji are different"));
    for engine in [&ann, &bob] {
        assert_ne!(only(engine).await.trust, Trust::Verified);
        assert_eq!(
            act(engine, TrustAct::Compared { same: true }).await.unwrap_err().code,
            ErrorCode::Invalid
        );
    }
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn who_does_not_want_to_compare_is_not_asked_again_at_once() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    meet(&ann, &bob).await;
    let (mut at_ann, mut at_bob) = (ann.handle().subscribe(), bob.handle().subscribe());
    act(&ann, TrustAct::Compare {}).await.unwrap();
    once(&mut at_bob, |event| comparison(event, ComparisonState::Asked)).await;
    act(&bob, TrustAct::CancelComparison {}).await.unwrap();
    let over = once(&mut at_ann, |event| comparison(event, ComparisonState::Ended)).await;
    assert!(!over.alarm && over.error.unwrap().message.contains("does not want to compare"));
    act(&ann, TrustAct::Compare {}).await.unwrap();
    let over = once(&mut at_ann, |event| comparison(event, ComparisonState::Ended)).await;
    assert!(over.error.is_some());
    assert_eq!(snapshot(&bob).await.comparisons, []);
    // But whoever turned away may ask.
    act(&bob, TrustAct::Compare {}).await.unwrap();
    once(&mut at_ann, |event| comparison(event, ComparisonState::Asked)).await;
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn who_hangs_up_does_not_ask_again_at_once_nor_does_another_stranger() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    let cyd = up(&home.path().join("cyd"), "Cyd").await;
    meet(&ann, &bob).await;
    meet(&cyd, &bob).await;
    let (bob_id, ann_id, cyd_id) = (id(&bob).await, id(&ann).await, id(&cyd).await);
    until_seen(&bob, |seen| seen.peers.iter().any(|peer| peer.id == cyd_id)).await;
    let (mut at_bob, mut at_ann) = (bob.handle().subscribe(), ann.handle().subscribe());
    act_on(&ann, &bob_id, TrustAct::Compare {}).await.unwrap();
    once(&mut at_bob, |event| comparison(event, ComparisonState::Asked)).await;
    act_on(&ann, &bob_id, TrustAct::CancelComparison {}).await.unwrap();
    once(&mut at_bob, |event| comparison(event, ComparisonState::Ended)).await;
    once(&mut at_ann, |event| comparison(event, ComparisonState::Ended)).await;

    // Whether it notices that nobody is asked depends on whose id is lower.
    act_on(&ann, &bob_id, TrustAct::Compare {}).await.unwrap();
    once(&mut at_ann, |event| comparison(event, ComparisonState::Waiting)).await;
    let mut at_cyd = cyd.handle().subscribe();
    act_on(&cyd, &bob_id, TrustAct::Compare {}).await.unwrap();
    once(&mut at_cyd, |event| comparison(event, ComparisonState::Waiting)).await;
    decide(&bob, &cyd_id, TrustAct::Verify {}).await;
    let dan = up(&home.path().join("dan"), "Dan").await;
    meet(&dan, &bob).await;
    // Whoever is verified is no stranger, and whoever was a nuisance is called all the same.
    act_on(&cyd, &bob_id, TrustAct::CancelComparison {}).await.ok();
    act_on(&cyd, &bob_id, TrustAct::Compare {}).await.unwrap();
    let asked = once(&mut at_bob, |event| comparison(event, ComparisonState::Asked)).await;
    assert_eq!(asked.peer, cyd_id, "and not Ann, nor Cyd as a stranger");
    act_on(&ann, &bob_id, TrustAct::CancelComparison {}).await.ok();
    act_on(&bob, &ann_id, TrustAct::Compare {}).await.unwrap();
    once(&mut at_ann, |event| comparison(event, ComparisonState::Asked)).await;
    for engine in [ann, bob, cyd, dan] {
        down(engine).await;
    }
}

#[tokio::test]
async fn strangers_who_ask_keep_nobody_from_comparing() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    meet(&ann, &bob).await;
    let (ann_id, bob_id) = (id(&ann).await, id(&bob).await);
    let mut strangers = Vec::new();
    for number in 0..4 {
        let stranger = up(&home.path().join(format!("stranger{number}")), "Eve").await;
        meet(&stranger, &ann).await;
        let stranger_id = id(&stranger).await;
        until_seen(&ann, |seen| seen.peers.iter().any(|peer| peer.id == stranger_id)).await;
        let mut at_stranger = stranger.handle().subscribe();
        act_on(&stranger, &ann_id, TrustAct::Compare {}).await.unwrap();
        once(&mut at_stranger, |event| comparison(event, ComparisonState::Waiting)).await;
        strangers.push(stranger);
    }
    until_seen(&ann, |seen| seen.comparisons.len() >= 2).await;
    let mut at_bob = bob.handle().subscribe();
    act_on(&ann, &bob_id, TrustAct::Compare {}).await.unwrap();
    once(&mut at_bob, |event| comparison(event, ComparisonState::Asked)).await;
    assert_eq!(snapshot(&ann).await.comparisons.len(), 3, "two that ask, and her own");
    for engine in strangers.into_iter().chain([ann, bob]) {
        down(engine).await;
    }
}

#[tokio::test]
async fn whoever_is_blocked_while_comparing_is_hung_up_on_without_a_word() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    meet(&ann, &bob).await;
    shown_to_both(&ann, &bob).await;
    let mut at_ann = ann.handle().subscribe();
    act(&bob, TrustAct::Block {}).await.unwrap();
    let over = once(&mut at_ann, |event| comparison(event, ComparisonState::Ended)).await;
    let error = over.error.unwrap();
    assert!(error.message.contains("was lost"), "{error}");
    assert_eq!(snapshot(&bob).await.comparisons, []);
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn what_is_decided_about_somebody_blocked_lasts_beyond_the_block() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    meet(&ann, &bob).await;
    let bob_id = id(&bob).await;
    decide(&ann, &bob_id, TrustAct::Verify {}).await;
    decide(&ann, &bob_id, TrustAct::Block {}).await;
    for verifies in [TrustAct::Verify {}, TrustAct::VerifyLink { link: keys(&ann).await.link }] {
        let error = act_on(&ann, &bob_id, verifies).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Refused);
        assert!(error.message.contains("You blocked Bob"), "{error}");
    }
    assert_eq!(decide(&ann, &bob_id, TrustAct::Unverify {}).await.trust, Trust::Blocked);
    assert_eq!(decide(&ann, &bob_id, TrustAct::Unblock {}).await.trust, Trust::Pinned);
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn both_may_begin_at_the_same_moment() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    meet(&ann, &bob).await;
    let (mut at_ann, mut at_bob) = (ann.handle().subscribe(), bob.handle().subscribe());
    let (one, other) = tokio::join!(act(&ann, TrustAct::Compare {}), act(&bob, TrustAct::Compare {}));
    one.unwrap();
    other.unwrap();
    let ann_sees = once(&mut at_ann, |event| comparison(event, ComparisonState::Shown)).await;
    let bob_sees = once(&mut at_bob, |event| comparison(event, ComparisonState::Shown)).await;
    assert_eq!(ann_sees.emoji, bob_sees.emoji);
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn digits_and_links_are_the_same_on_both_devices_and_a_wrong_link_verifies_nobody() {
    let home = tempfile::tempdir().unwrap();
    let (ann, bob) = (up(&home.path().join("ann"), "Ann").await, up(&home.path().join("bob"), "Bob").await);
    meet(&ann, &bob).await;
    let (at_ann, at_bob) = (keys(&ann).await, keys(&bob).await);
    assert_eq!(at_ann.number, at_bob.number);
    assert_eq!((&at_ann.link, &at_ann.mine), (&at_bob.mine, &at_bob.link));
    let other = link(Identity::from_seed(&[9; 32]).peer_id());
    for (wrong, code) in [
        (other, ErrorCode::Refused),
        (at_ann.mine, ErrorCode::Invalid),
        (at_ann.link[..30].to_owned(), ErrorCode::Invalid),
        ("tea".to_owned(), ErrorCode::Invalid),
    ] {
        let error = act(&ann, TrustAct::VerifyLink { link: wrong.clone() }).await.unwrap_err();
        assert_eq!(error.code, code, "{wrong}: {error}");
    }
    assert_eq!(only(&ann).await.trust, Trust::Pinned);
    act(&ann, TrustAct::VerifyLink { link: at_ann.link }).await.unwrap();
    assert_eq!(only(&ann).await.trust, Trust::Verified);
    act(&ann, TrustAct::Unverify {}).await.unwrap();
    assert_eq!(only(&ann).await.trust, Trust::Pinned);
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn of_somebody_blocked_nothing_is_shown_or_taken_though_what_they_write_in_rooms_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let ann_home = home.path().join("ann");
    let (ann, bob) = (up(&ann_home, "Ann").await, up(&home.path().join("bob"), "Bob").await);
    let cyd = up(&home.path().join("cyd"), "Cyd").await;
    meet(&ann, &bob).await;
    meet(&cyd, &ann).await;
    meet(&cyd, &bob).await;
    let bob_id = id(&bob).await;
    say(&bob, "#lobby", "before").await.unwrap();
    until_said(&ann, "before").await;

    let blocked = decide(&ann, &bob_id, TrustAct::Block {}).await;
    assert_eq!((blocked.trust, blocked.online), (Trust::Blocked, false));
    assert_eq!(lobby(&ann).await, [] as [&str; 0], "what was said before is not shown either");
    say(&bob, "#lobby", "now").await.unwrap();
    until_said(&cyd, "now").await;
    say(&cyd, "#lobby", "I hear both").await.unwrap();
    until_said(&ann, "I hear both").await;
    let file = home.path().join("plan.pdf");
    std::fs::write(&file, b"plan").unwrap();
    let offered = offer(&bob, "#lobby", &file).await;
    until(&cyd, |transfer| transfer.id == offered).await;
    let error = say(&ann, &format!("@{bob_id}"), "psst").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Refused);
    let ann_id = id(&ann).await;
    say(&bob, &format!("@{ann_id}"), "do you read me?").await.unwrap();
    say(&cyd, &format!("@{ann_id}"), "psst").await.unwrap();
    let cyd_id = id(&cyd).await;
    until_seen(&ann, |seen| seen.rooms.iter().any(|room| room.peer.as_ref() == Some(&cyd_id))).await;
    down(ann).await;

    // It lasts, also over a restart.
    let ann = up(&ann_home, "Ann").await;
    assert_eq!(find(&ann, &bob_id).await.trust, Trust::Blocked);
    meet(&cyd, &ann).await;
    assert_eq!(lobby(&ann).await, ["I hear both"]);
    let seen = snapshot(&ann).await;
    assert!(seen.transfers.is_empty(), "{:?}", seen.transfers);
    assert_eq!(seen.rooms.iter().find(|room| room.name == "lobby").unwrap().unread, 1);
    let said = |room: &crate::api::Room| {
        room.peer.as_ref() == Some(&bob_id) && room.last.as_ref().is_some_and(|last| !last.mine)
    };
    assert!(!seen.rooms.iter().any(said), "no direct message was taken");

    // What came in the meantime by way of others was kept.
    assert_eq!(decide(&ann, &bob_id, TrustAct::Unblock {}).await.trust, Trust::Pinned);
    until_said(&ann, "now").await;
    assert_eq!(lobby(&ann).await[..3], ["before", "now", "I hear both"]);
    for engine in [ann, bob, cyd] {
        down(engine).await;
    }
}

#[tokio::test]
async fn whoever_takes_a_verified_name_with_another_key_is_asked_about_and_gets_nothing_before() {
    let home = tempfile::tempdir().unwrap();
    let ann_home = home.path().join("ann");
    let accepting = Config { name: Some("Ann".to_owned()), accept: AcceptRule::Any, ..config(&ann_home) };
    let ann = Engine::start(accepting.clone()).await.unwrap();
    let bob = up(&home.path().join("bob"), "Bob").await;
    meet(&ann, &bob).await;
    let bob_id = id(&bob).await;
    decide(&ann, &bob_id, TrustAct::Verify {}).await;
    down(bob).await;

    // The same name to the eye: the second letter is a Cyrillic one.
    let eve = up(&home.path().join("eve"), "Bоb").await;
    let eve_id = id(&eve).await;
    meet(&eve, &ann).await;
    until_seen(&ann, |seen| seen.peers.iter().any(|peer| peer.id == eve_id)).await;
    let told = find(&ann, &eve_id).await;
    assert_eq!((told.trust, told.alike), (Trust::Changed, vec![bob_id.clone()]));
    assert_eq!(find(&ann, &bob_id).await.alike, std::slice::from_ref(&eve_id));
    let to_eve = format!("@{eve_id}");
    let error = say(&ann, &to_eve, "the password is tea").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Refused);
    assert!(error.message.contains("has another key"), "{error}");
    let file = home.path().join("plan.pdf");
    std::fs::write(&file, b"plan").unwrap();
    let handles = vec![admitted(&ann, &file).await];
    let offering = Command::Offer { to: to_eve.clone(), handles };
    assert_eq!(ann.handle().call(offering).await.unwrap_err().code, ErrorCode::Refused);
    let ann_id = id(&ann).await;
    let hers = offer(&eve, &format!("@{ann_id}"), &file).await;
    let waits = until(&ann, |transfer| transfer.id == hers).await;
    assert_eq!(waits.state, TransferState::Offered, "the rule that takes all does not take this");
    down(ann).await;

    let ann = Engine::start(accepting).await.unwrap();
    meet(&eve, &ann).await;
    assert_eq!(find(&ann, &eve_id).await.trust, Trust::Changed, "it is asked until somebody answers");
    assert_eq!(decide(&ann, &eve_id, TrustAct::Apart {}).await.trust, Trust::Pinned);
    say(&ann, &to_eve, "so you are another Bob").await.unwrap();
    let with_eve = snapshot(&ann).await.rooms.into_iter().find(|room| room.peer.as_ref() == Some(&eve_id));
    assert!(with_eve.unwrap().alike, "also where rooms are listed");
    let waits = snapshot(&ann).await.transfers;
    assert!(waits.iter().all(|transfer| transfer.state == TransferState::Offered), "{waits:?}");
    assert_eq!(find(&ann, &eve_id).await.alike, [bob_id], "and still told apart");
    down(ann).await;
    down(eve).await;
}

#[tokio::test]
async fn offers_of_verified_people_are_fetched_unasked_up_to_a_size() {
    let home = tempfile::tempdir().unwrap();
    let rule = Config {
        name: Some("Ann".to_owned()),
        accept: AcceptRule::Verified,
        accept_limit: Some(1000),
        ..config(&home.path().join("ann"))
    };
    let ann = Engine::start(rule).await.unwrap();
    let bob = up(&home.path().join("bob"), "Bob").await;
    meet(&ann, &bob).await;
    let files = ["first", "second", "large", "larger"].map(|name| home.path().join(name));
    for (file, bytes) in files.iter().zip([900, 901, 2000, 4000]) {
        std::fs::write(file, vec![7; bytes]).unwrap();
    }
    let to_ann = format!("@{}", id(&ann).await);
    let mut told = ann.handle().subscribe();
    let first = offer(&bob, &to_ann, &files[0]).await;
    until_told_of_offer(&mut told, &first).await;
    let always = |bytes| TrustAct::AlwaysAccept { bytes: Some(bytes) };
    assert_eq!(act(&ann, always(3000)).await.unwrap_err().code, ErrorCode::Refused);

    act(&ann, TrustAct::Verify {}).await.unwrap();
    let second = offer(&bob, &to_ann, &files[1]).await;
    until(&ann, |transfer| transfer.id == second && transfer.state == TransferState::Done).await;
    let large = offer(&bob, &to_ann, &files[2]).await;
    until_told_of_offer(&mut told, &large).await;
    act(&ann, always(3000)).await.unwrap();
    assert_eq!(only(&ann).await.accept_bytes, Some(3000));
    let again = offer(&bob, &to_ann, &files[2]).await;
    until(&ann, |transfer| transfer.id == again && transfer.state == TransferState::Done).await;
    let larger = offer(&bob, &to_ann, &files[3]).await;
    until_told_of_offer(&mut told, &larger).await;
    act(&ann, TrustAct::Unverify {}).await.unwrap();
    assert_eq!(only(&ann).await.accept_bytes, None);
    let states = snapshot(&ann).await.transfers;
    let waits = |id: &str| states.iter().any(|known| known.id == id && known.state == TransferState::Offered);
    assert!(waits(&first) && waits(&large) && waits(&larger));
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn somebody_who_relays_a_comparison_over_two_connections_shows_other_emoji() {
    let [ann, bob, eve] = [1, 2, 3].map(|seed| Credentials::new(&Identity::from_seed(&[seed; 32])));
    // Ann was led to believe that Eve's key is Bob's; Eve calls Bob herself.
    let (at_ann, at_eve) = connected(&ann, &eve).await;
    let (from_eve, at_bob) = connected(&eve, &bob).await;
    let material = |end: &Secure| end.stream.exporter(SAS_LABEL).unwrap();
    assert_eq!(material(&at_ann), material(&at_eve));
    assert_ne!(material(&at_ann), material(&at_bob));
    let now = Instant(1_000_000);
    let shown = |asking: &Credentials, asked: &Credentials, exporter| {
        let (mut one, commit) = Machine::ask(asking.peer_id(), asked.peer_id(), exporter, [5; 32], now);
        let mut other = Machine::asked(asked.peer_id(), asking.peer_id(), exporter, [6; 32], now);
        other.heard(commit, now);
        let nonce = other.agree(now).unwrap();
        other.heard(one.heard(nonce, now).unwrap(), now);
        match (one.stage(), other.stage()) {
            (Stage::Shown { emoji, .. }, Stage::Shown { emoji: there, .. }) if emoji == there => emoji,
            stages => panic!("{stages:?}"),
        }
    };
    // She takes the same nonces on both sides, and still both see something else.
    assert_ne!(shown(&ann, &eve, material(&at_ann)), shown(&eve, &bob, material(&from_eve)));
}

async fn connected(from: &Credentials, to: &Credentials) -> (Secure, Secure) {
    let (listener, port) = Listener::bind(0).unwrap();
    let (arriving, mut arrivals) = mpsc::channel(1);
    let _serving = listener.serve(to, arriving);
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let dialled = dial(from, to.peer_id(), &[address], Purpose::Verify).await.unwrap();
    let accepted = arrivals.recv().await.unwrap();
    assert_eq!((accepted.peer(), accepted.purpose), (from.peer_id(), Purpose::Verify));
    (dialled, accepted)
}

/// Ann begins, Bob agrees, and both see emoji.
pub(super) async fn shown_to_both(ann: &Engine, bob: &Engine) -> (Comparison, Comparison) {
    let (mut at_ann, mut at_bob) = (ann.handle().subscribe(), bob.handle().subscribe());
    act(ann, TrustAct::Compare {}).await.unwrap();
    once(&mut at_bob, |event| comparison(event, ComparisonState::Asked)).await;
    assert_eq!(snapshot(bob).await.comparisons.len(), 1, "a window that opens now asks, too");
    act(bob, TrustAct::Compare {}).await.unwrap();
    let ann_sees = once(&mut at_ann, |event| comparison(event, ComparisonState::Shown)).await;
    let bob_sees = once(&mut at_bob, |event| comparison(event, ComparisonState::Shown)).await;
    (ann_sees, bob_sees)
}

pub(super) async fn compared(engine: &Engine, same: bool) {
    act(engine, TrustAct::Compared { same }).await.unwrap();
}

pub(super) fn comparison(event: Event, state: ComparisonState) -> Option<Comparison> {
    match event {
        Event::Comparison { comparison } if comparison.state == state => Some(comparison),
        _ => None,
    }
}

/// The first event that is like this.
pub(super) async fn once<T>(events: &mut Events, like: impl Fn(Event) -> Option<T>) -> T {
    tokio::time::timeout(SOON, async {
        loop {
            if let Some(found) = like(events.next().await.expect("it runs")) {
                return found;
            }
        }
    })
    .await
    .expect("it comes to that")
}

/// Does something about the only other device that is known.
async fn act(engine: &Engine, act: TrustAct) -> Result<Reply, ApiError> {
    let peer = only(engine).await.id;
    act_on(engine, &peer, act).await
}

async fn act_on(engine: &Engine, peer: &str, act: TrustAct) -> Result<Reply, ApiError> {
    engine.handle().call(Command::Trust { peer: peer.to_owned(), act }).await
}

pub(super) async fn decide(engine: &Engine, peer: &str, act: TrustAct) -> Peer {
    match act_on(engine, peer, act).await.unwrap() {
        Reply::Peer(peer) => peer,
        other => panic!("{other:?}"),
    }
}

async fn keys(engine: &Engine) -> Keys {
    match act(engine, TrustAct::Show {}).await.unwrap() {
        Reply::Keys(keys) => keys,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn id(engine: &Engine) -> String {
    snapshot(engine).await.me.id
}

async fn only(engine: &Engine) -> Peer {
    let peers = snapshot(engine).await.peers;
    assert_eq!(peers.len(), 1, "{peers:?}");
    peers.into_iter().next().unwrap()
}

pub(super) async fn find(engine: &Engine, id: &str) -> Peer {
    let peers = snapshot(engine).await.peers;
    peers.into_iter().find(|peer| peer.id == id).expect("it is known")
}

async fn until_trust(engine: &Engine, trust: Trust) {
    until_seen(engine, |seen| seen.peers.iter().any(|peer| peer.trust == trust)).await;
}

/// Waits until what a window would show is like this.
async fn until_seen(engine: &Engine, like: impl Fn(&Snapshot) -> bool) {
    let mut events = engine.handle().subscribe();
    tokio::time::timeout(SOON, async {
        while !like(&snapshot(engine).await) {
            events.next().await.expect("it runs");
        }
    })
    .await
    .expect("it comes to that");
}

/// Waits until it was told, and so by then decided, whether an offer is fetched unasked.
async fn until_told_of_offer(told: &mut Events, id: &str) {
    let is_it = |event: &Event| matches!(event, Event::Offer { transfer } if transfer.id == id);
    tokio::time::timeout(SOON, async { while !is_it(&told.next().await.expect("it runs")) {} })
        .await
        .expect("it is told");
}

async fn say(engine: &Engine, to: &str, text: &str) -> Result<Message, ApiError> {
    let said = Command::Say { to: to.to_owned(), text: text.to_owned(), reply: None };
    match engine.handle().call(said).await? {
        Reply::Message(message) => Ok(message),
        other => panic!("{other:?}"),
    }
}

async fn lobby(engine: &Engine) -> Vec<String> {
    let page = Command::Log {
        to: "#lobby".to_owned(),
        before: None,
        after: None,
        at: None,
        around: None,
        until: None,
        limit: 50,
    };
    match engine.handle().call(page).await.unwrap() {
        Reply::Page(Page { messages, .. }) => messages.into_iter().map(|message| message.text).collect(),
        other => panic!("{other:?}"),
    }
}

async fn until_said(engine: &Engine, text: &str) {
    let mut events = engine.handle().subscribe();
    tokio::time::timeout(SOON, async {
        while !lobby(engine).await.iter().any(|said| said == text) {
            events.next().await.expect("it runs");
        }
    })
    .await
    .expect("it is heard");
}
