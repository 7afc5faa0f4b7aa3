//! Stories of whole nodes in one process, without multicast: they know each other by address.

mod arrivals;
mod avatar;
mod choosing;
mod comparing;
mod delivered;
mod facts;
mod mailbox;
mod messages;
mod notifications;
mod pasted;
mod policy;
mod private;
mod queue;
mod reading;
mod sentences;
mod shares;
mod storage;
mod telling;
mod trust;

use std::path::Path;
use std::time::Duration;

use lanyard_proto::identity::Identity;
use serde_json::json;

use super::*;
use crate::api::{Command, Event, Reply, Snapshot, Transfer, TransferState};
use crate::config::Multicast;

#[tokio::test]
async fn what_cannot_be_said_opens_the_conversation_all_the_same_and_harms_nothing() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let to = format!("@{}", Identity::from_seed(&[7; 32]).peer_id());
    let say = |text: &str| Command::Say { to: to.clone(), text: text.to_owned(), reply: None };
    let error = ann.handle().call(say(" ")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Invalid);
    ann.handle().call(say("now")).await.unwrap();
    down(ann).await;
    let ann = up(&home.path().join("ann"), "ann").await;
    assert_eq!(snapshot(&ann).await.rooms.len(), 2);
    down(ann).await;
}

#[tokio::test]
async fn what_was_answered_survives_a_quit_right_behind_it() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("ann");
    let ann = Engine::start(config(&profile)).await.unwrap();
    for name in ["Annabel", "Annemarie"] {
        let name = Some(name.to_owned());
        ann.handle().call(configure(json!({ "name": name }))).await.unwrap();
    }
    down(ann).await;
    let ann = Engine::start(config(&profile)).await.unwrap();
    assert_eq!(snapshot(&ann).await.me.name, "Annemarie");
    down(ann).await;
}

#[tokio::test]
async fn a_new_name_is_told_only_once_it_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("ann");
    let ann = up(&profile, "ann").await;
    let (handle, mut events) = (ann.handle(), ann.handle().subscribe());
    // Whoever holds the database keeps everybody else from writing.
    let other = rusqlite::Connection::open(Config::database(&profile)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let name = Some("Annabel".to_owned());
    let renamed = configure(json!({ "name": name }));
    let named = tokio::spawn(async move { handle.call(renamed).await });
    while snapshot(&ann).await.me.name != "Annabel" {}
    while let Ok(event) = tokio::time::timeout(Duration::ZERO, events.next()).await {
        assert!(!matches!(event, Some(Event::MeChanged { .. })), "{event:?}");
    }
    assert!(!named.is_finished());

    other.execute_batch("ROLLBACK").unwrap();
    assert!(matches!(named.await.unwrap(), Ok(Reply::Me(me)) if me.name == "Annabel"));
    let told = async {
        loop {
            if let Some(Event::MeChanged { me }) = events.next().await {
                return me;
            }
        }
    };
    assert_eq!(tokio::time::timeout(SOON, told).await.unwrap().name, "Annabel");
    down(ann).await;
}

#[tokio::test]
async fn an_address_that_cannot_be_one_is_refused_at_once() {
    let home = tempfile::tempdir().unwrap();
    let ann = up(&home.path().join("ann"), "ann").await;
    let add = |address: &str| Command::AddPeer { address: address.to_owned() };
    for address in ["", "two words", "ann:door"] {
        let error = ann.handle().call(add(address)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Invalid, "{address}: {error}");
    }
    down(ann).await;
    let bad = Config { peers: vec!["http://ann".to_owned()], ..config(&home.path().join("bob")) };
    assert_eq!(Engine::start(bad).await.err().unwrap().code, ErrorCode::Invalid);
}

#[tokio::test]
async fn a_transfer_goes_to_the_chosen_folder_even_if_both_were_restarted() {
    let home = tempfile::tempdir().unwrap();
    let (ann_home, bob_home) = (home.path().join("ann"), home.path().join("bob"));
    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    let file = home.path().join("plan.pdf");
    std::fs::write(&file, vec![7; 3_000_000]).unwrap();
    let chosen = home.path().join("chosen");
    std::fs::create_dir(&chosen).unwrap();
    std::fs::write(chosen.join("plan.pdf"), "an older plan").unwrap();
    meet(&bob, &ann).await;
    let id = offer(&ann, "#lobby", &file).await;
    until(&bob, |transfer| transfer.id == id).await;
    down(ann).await;

    let into = Some(admitted(&bob, &chosen).await);
    bob.handle().call(Command::Accept { transfer: id.clone(), into, only: None }).await.unwrap();
    down(bob).await;
    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    let waiting = until(&bob, |transfer| transfer.id == id).await;
    assert_eq!(waiting.folder.as_deref(), chosen.to_str());
    meet(&bob, &ann).await;
    let done = until(&bob, |transfer| transfer.state == TransferState::Done).await;
    assert_eq!((done.names, done.placed), (vec!["plan.pdf".to_owned()], vec!["plan (2).pdf".to_owned()]));
    assert_eq!(std::fs::read(chosen.join("plan (2).pdf")).unwrap(), std::fs::read(&file).unwrap());
    // The open room's offer goes on, but nothing of it runs any more.
    let told = until(&ann, |transfer| !transfer.receivers.is_empty() && transfer.sha256.is_some()).await;
    assert_eq!(told.receivers[0].state, TransferState::Done);
    tokio::time::timeout(SOON, async {
        while chosen.join(".lanyard-part").exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the staging goes once the end is written down");
    down(ann).await;
    down(bob).await;
}

#[tokio::test]
async fn an_offer_that_was_declined_can_be_accepted_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let (ann_home, bob_home) = (home.path().join("ann"), home.path().join("bob"));
    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    let file = home.path().join("plan.pdf");
    std::fs::write(&file, b"plan").unwrap();
    meet(&bob, &ann).await;
    let bob_id = snapshot(&bob).await.me.id;
    let id = offer(&ann, &format!("@{bob_id}"), &file).await;
    until(&bob, |transfer| transfer.id == id).await;
    bob.handle().call(Command::Decline { transfer: id.clone() }).await.unwrap();
    until(&ann, |transfer| transfer.state == TransferState::Declined).await;
    down(ann).await;
    down(bob).await;

    let (ann, bob) = (up(&ann_home, "ann").await, up(&bob_home, "bob").await);
    assert_eq!(snapshot(&bob).await.transfers.len(), 1, "listed once");
    meet(&bob, &ann).await;
    bob.handle().call(Command::Accept { transfer: id, into: None, only: None }).await.unwrap();
    until(&bob, |transfer| transfer.state == TransferState::Done).await;
    until(&ann, |transfer| transfer.state == TransferState::Done).await;
    down(ann).await;
    down(bob).await;
}

fn config(profile: &Path) -> Config {
    Config {
        downloads: Some(profile.join("downloads")),
        multicast: Multicast::Off,
        port: 0,
        ..Config::new(profile)
    }
}

/// Chooses settings, by their names in the API; what is not named stays.
fn configure(chosen: serde_json::Value) -> Command {
    serde_json::from_value(json!({ "method": "configure", "params": chosen })).unwrap()
}

async fn up(profile: &Path, name: &str) -> Engine {
    Engine::start(Config { name: Some(name.to_owned()), ..config(profile) }).await.unwrap()
}

async fn down(engine: Engine) {
    engine.handle().shutdown().await;
    engine.ended().await.unwrap();
}

async fn snapshot(engine: &Engine) -> Snapshot {
    match engine.handle().call(Command::Snapshot {}).await.unwrap() {
        Reply::Snapshot(snapshot) => *snapshot,
        other => panic!("{other:?}"),
    }
}

/// Lets one dial the other, and waits until they know each other.
async fn meet(one: &Engine, other: &Engine) {
    let port = snapshot(other).await.network.tcp_port;
    let address = format!("127.0.0.1:{port}");
    one.handle().call(Command::AddPeer { address }).await.unwrap();
    for (engine, awaited) in [(one, other), (other, one)] {
        let id = snapshot(awaited).await.me.id;
        tokio::time::timeout(SOON, async {
            while !snapshot(engine).await.peers.iter().any(|peer| peer.online && peer.id == id) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("they meet");
    }
}

async fn admitted(engine: &Engine, path: &Path) -> String {
    let paths = vec![path.to_str().unwrap().to_owned()];
    match engine.handle().call(Command::Admit { paths }).await.unwrap() {
        Reply::Handles(handles) => handles[0].handle.clone(),
        other => panic!("{other:?}"),
    }
}

async fn offer(engine: &Engine, to: &str, path: &Path) -> String {
    let handles = vec![admitted(engine, path).await];
    match engine.handle().call(Command::Offer { to: to.to_owned(), handles }).await.unwrap() {
        Reply::Transfer(transfer) => transfer.id,
        other => panic!("{other:?}"),
    }
}

/// Waits for a transfer that is like this.
async fn until(engine: &Engine, like: impl Fn(&Transfer) -> bool) -> Transfer {
    let mut events = engine.handle().subscribe();
    tokio::time::timeout(SOON, async {
        loop {
            if let Some(found) = snapshot(engine).await.transfers.into_iter().find(&like) {
                return found;
            }
            events.next().await.expect("it runs");
        }
    })
    .await
    .expect("it comes to that")
}

/// Waits until something is so on the disk, of which nobody tells.
async fn eventually(is_so: impl Fn() -> bool) {
    tokio::time::timeout(SOON, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it comes to that");
}

const SOON: Duration = Duration::from_secs(30);
