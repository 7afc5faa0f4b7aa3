//! Progress of all transfers at the program's icon, as far as the system shows any.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lanyard_engine::Events;
use lanyard_engine::api::{Command, Event, Reply, Transfer, TransferDirection, TransferState};
use tauri::window::{ProgressBarState, ProgressBarStatus};
use tauri::{AppHandle, Manager};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::node::Node;

/// Says that somebody looks at the window: what failed was seen.
pub struct Looked(watch::Sender<()>);

impl Looked {
    pub fn now(&self) {
        self.0.send_replace(());
    }
}

/// Shows progress at the icon of the window until the engine has ended.
pub fn show(app: &AppHandle, node: Node) {
    let (sender, mut looked) = watch::channel(());
    app.manage(Looked(sender));
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let Ok(handle) = node.running().await else { return };
        let mut events = handle.subscribe();
        let mut totals = Totals::default();
        refresh(&node, &mut totals).await;
        let mut shown = Shown::Nothing;
        loop {
            let told = tokio::select! {
                told = until_told(&mut events, &mut totals) => told,
                _ = looked.changed() => {
                    totals.failed.clear();
                    Told::Changed
                }
            };
            match told {
                Told::Changed => {}
                Told::Lagged => refresh(&node, &mut totals).await,
                Told::Ended => break,
            }
            let now = totals.shown();
            if now != shown {
                shown = now;
                put(&app, shown);
            }
        }
        put(&app, Shown::Nothing);
    });
}

/// What is seen at the icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    /// Percent of all that moves.
    Moving(u64),
    /// Something failed, and nobody has looked since; percent of what else moves.
    Failed(u64),
}

/// All that moves, and what failed since somebody looked.
#[derive(Debug, Default)]
struct Totals {
    /// Bytes that were moved, and that there are, of each.
    moving: BTreeMap<String, (u64, u64)>,
    failed: BTreeSet<String>,
}

enum Told {
    Changed,
    Lagged,
    Ended,
}

impl Totals {
    fn take(&mut self, event: Event) -> Told {
        match event {
            Event::Offer { transfer }
            | Event::TransferChanged { transfer }
            | Event::TransferFinished { transfer } => self.put(&transfer),
            Event::Progress { progress } => {
                for one in progress {
                    if let Some((moved, _)) = self.moving.get_mut(&one.transfer) {
                        *moved = one.moved.max(*moved);
                    }
                }
            }
            Event::Lagged { .. } => return Told::Lagged,
            _ => {}
        }
        Told::Changed
    }

    fn put(&mut self, transfer: &Transfer) {
        // What somebody else has accepted and does not fetch is in their hands.
        let moves = match transfer.state {
            TransferState::Running => true,
            TransferState::Waiting | TransferState::Queued => transfer.direction == TransferDirection::In,
            _ => false,
        };
        if moves {
            self.moving
                .insert(transfer.id.clone(), (transfer.moved, transfer.chosen.unwrap_or(transfer.bytes)));
            self.failed.remove(&transfer.id);
            return;
        }
        // Only what was seen moving can stop moving: old failures are no news after a start.
        let moved = self.moving.remove(&transfer.id).is_some();
        if moved && transfer.state == TransferState::Failed {
            self.failed.insert(transfer.id.clone());
        }
    }

    fn shown(&self) -> Shown {
        let (moved, bytes) = self
            .moving
            .values()
            .fold((0, 0), |(moved, bytes), one| (moved + one.0.min(one.1), bytes + one.1));
        let percent = moved.saturating_mul(100).checked_div(bytes).unwrap_or(0);
        match (self.failed.is_empty(), self.moving.is_empty()) {
            (true, true) => Shown::Nothing,
            (true, false) => Shown::Moving(percent),
            (false, true) => Shown::Failed(100),
            (false, false) => Shown::Failed(percent),
        }
    }
}

/// Waits for an event, then takes in what comes within [`PAUSE`].
async fn until_told(events: &mut Events, totals: &mut Totals) -> Told {
    let Some(first) = events.next().await else { return Told::Ended };
    let mut told = totals.take(first);
    let until = Instant::now() + PAUSE;
    while matches!(told, Told::Changed) {
        match timeout_at(until, events.next()).await {
            Ok(Some(event)) => told = totals.take(event),
            Ok(None) => return Told::Ended,
            Err(_) => break,
        }
    }
    told
}

async fn refresh(node: &Node, totals: &mut Totals) {
    let Ok(Reply::Transfers(transfers)) = node.call(Command::Transfers {}).await else { return };
    let known: BTreeSet<&String> = transfers.iter().map(|transfer| &transfer.id).collect();
    totals.moving.retain(|id, _| known.contains(id));
    for transfer in &transfers {
        totals.put(transfer);
    }
}

fn put(app: &AppHandle, shown: Shown) {
    let (status, progress) = match shown {
        Shown::Nothing => (ProgressBarStatus::None, None),
        Shown::Moving(percent) => (ProgressBarStatus::Normal, Some(percent)),
        Shown::Failed(percent) => (ProgressBarStatus::Error, Some(percent)),
    };
    let Some(window) = app.get_webview_window("main") else { return };
    if let Err(error) = window.set_progress_bar(ProgressBarState { status: Some(status), progress }) {
        tracing::debug!(%error, "the icon shows no progress");
    }
}

/// An icon changes at most so often.
const PAUSE: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests {
    use super::*;
    use lanyard_engine::api::{Progress, TransferDirection};

    fn told(totals: &mut Totals, id: &str, state: TransferState, moved: u64, bytes: u64) -> Shown {
        let transfer = crate::links::tests::transfer(id, TransferDirection::In, state, moved, bytes);
        totals.take(Event::TransferChanged { transfer });
        totals.shown()
    }

    #[test]
    fn all_that_moves_is_one_bar_that_goes_when_nothing_does() {
        let mut totals = Totals::default();
        assert_eq!(totals.shown(), Shown::Nothing);
        assert_eq!(told(&mut totals, "a", TransferState::Running, 50, 100), Shown::Moving(50));
        assert_eq!(told(&mut totals, "b", TransferState::Waiting, 0, 300), Shown::Moving(12));
        let progress =
            Progress { transfer: "b".to_owned(), peer: "p".to_owned(), moved: 150, bytes: 300, rate: 1 };
        totals.take(Event::Progress { progress: vec![progress] });
        assert_eq!(totals.shown(), Shown::Moving(50));
        assert_eq!(told(&mut totals, "a", TransferState::Done, 100, 100), Shown::Moving(50));
        assert_eq!(told(&mut totals, "b", TransferState::Cancelled, 0, 300), Shown::Nothing);
    }

    #[test]
    fn a_failure_stays_to_be_seen_until_somebody_looks_or_tries_again() {
        let mut totals = Totals::default();
        told(&mut totals, "a", TransferState::Running, 0, 100);
        assert_eq!(told(&mut totals, "a", TransferState::Failed, 0, 100), Shown::Failed(100));
        assert_eq!(told(&mut totals, "b", TransferState::Running, 25, 100), Shown::Failed(25));
        assert_eq!(told(&mut totals, "a", TransferState::Running, 25, 100), Shown::Moving(25));
        told(&mut totals, "a", TransferState::Failed, 25, 100);
        totals.failed.clear();
        assert_eq!(totals.shown(), Shown::Moving(25));
    }

    #[test]
    fn what_failed_before_the_start_is_no_news() {
        let mut totals = Totals::default();
        assert_eq!(told(&mut totals, "old", TransferState::Failed, 0, 100), Shown::Nothing);
    }
}
