//! `lanyard peers`: who is there.

use std::time::Duration;

use lanyard_engine::Events;
use lanyard_engine::api::{Event, Peer, Platform, Trust};
use lanyard_engine::control::Node;
use tokio::time::{Instant, timeout_at};

use super::{all_peers, next, somebody_changed};
use crate::failure::{Exit, Failure};
use crate::output::{GOOD, Output, QUIET, STRONG, paint};
use crate::text;

pub async fn list(node: &Node, out: Output, wait: Option<u32>) -> Result<(), Failure> {
    let mut events = node.subscribe();
    let patience = match wait {
        Some(seconds) => Duration::from_secs(seconds.into()),
        None if node.is_ours() => LOOK_AROUND,
        None => Duration::ZERO,
    };
    let peers = look_around(node, &mut events, patience).await?;
    for peer in &peers {
        out.item(peer, words)?;
    }
    if peers.iter().any(|peer| peer.online) {
        return Ok(());
    }
    let nobody = "Nobody else is on the network.";
    match wait {
        Some(_) => Err(Failure::new(Exit::NobodyThere, nobody)),
        None => {
            out.note(nobody);
            Ok(())
        }
    }
}

/// Waits for the first; a node that has just been started then waits until no more are coming.
async fn look_around(node: &Node, events: &mut Events, patience: Duration) -> Result<Vec<Peer>, Failure> {
    let deadline = Instant::now() + patience;
    loop {
        let peers = all_peers(node).await?;
        let until = match peers.iter().any(|peer| peer.online) {
            true if !node.is_ours() => return Ok(peers),
            true => deadline.min(Instant::now() + NO_MORE),
            false => deadline,
        };
        if timeout_at(until, somebody_changed(events)).await.is_err() {
            return Ok(peers);
        }
    }
}

pub async fn watch(node: &Node, out: Output) -> Result<(), Failure> {
    let mut events = node.subscribe();
    let mut shown = all_peers(node).await?;
    for peer in &shown {
        out.item(peer, words)?;
    }
    loop {
        let changed = match next(&mut events).await {
            Event::PeerOnline { peer } | Event::PeerOffline { peer } | Event::PeerChanged { peer } => {
                vec![peer]
            }
            Event::Lagged { .. } => all_peers(node).await?,
            _ => continue,
        };
        for peer in changed {
            if shown.contains(&peer) {
                continue;
            }
            out.item(&peer, words)?;
            shown.retain(|known| known.id != peer.id);
            shown.push(peer);
        }
    }
}

fn words(peer: &Peer) -> String {
    let name = format!("{} {}", text::line(&peer.avatar.emoji), text::line(&peer.name));
    let platform = match peer.platform {
        Platform::Linux => "Linux",
        Platform::Macos => "macOS",
        Platform::Windows => "Windows",
        Platform::Other => "other system",
    };
    let trust = match peer.trust {
        Trust::Unknown | Trust::Pinned => "",
        Trust::Verified => ", verified",
        Trust::Changed => ", has the name of somebody verified and another key",
        Trust::Blocked => ", blocked",
    };
    let alike = if peer.alike.is_empty() { "" } else { ", called like somebody else here" };
    let trust = format!("{trust}{alike}");
    if peer.online {
        let address = peer.addresses.first().map_or("no address", String::as_str);
        let rest = paint(QUIET, &format!("{platform}, {address}{trust}"));
        format!("{} {}  {}  {rest}", paint(GOOD, "●"), text::line(&peer.short), paint(STRONG, &name))
    } else {
        let rest = format!("{platform}, last seen {}{trust}", text::moment(peer.last_seen));
        paint(QUIET, &format!("○ {}  {name}  {rest}", text::line(&peer.short)))
    }
}

/// How long a node that has just been started listens if not told otherwise.
const LOOK_AROUND: Duration = Duration::from_secs(2);

/// Devices on one network answer within this of each other.
const NO_MORE: Duration = Duration::from_millis(700);
