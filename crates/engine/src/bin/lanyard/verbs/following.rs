//! Transfers while they move: bars for a person, and for a program one line whenever one changed or came further.

use std::collections::BTreeMap;
use std::time::Duration;

use lanyard_engine::Events;
use lanyard_engine::api::{Event, Progress, Transfer, TransferDirection, TransferState};
use lanyard_engine::control::Node;
use tokio::time::{Instant, timeout_at};

use super::transfers::{has_ended, label, words};
use super::{all_transfers, next};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::progress::Bars;
use crate::text;

/// Shows one transfer until `done` says that it has come to where the caller wants it, or the time is over; the caller shows
/// where it stands then.
pub async fn follow(
    node: &Node,
    out: Output,
    events: &mut Events,
    transfer: Transfer,
    until: Until,
    done: impl Fn(&Transfer) -> bool,
) -> Result<Transfer, Failure> {
    let id = transfer.id.clone();
    let mut shown = Shown::new(out);
    if done(&transfer) {
        return Ok(transfer);
    }
    shown.changed(transfer, Say::ToPrograms)?;
    loop {
        let event = match until.event(events).await {
            Some(event) => event,
            None => return shown.given_up(&id),
        };
        match event {
            Event::TransferChanged { transfer: new } | Event::TransferFinished { transfer: new }
                if new.id == id =>
            {
                if done(&new) {
                    return Ok(new);
                }
                shown.changed(new, Say::ToPrograms)?;
            }
            Event::Progress { progress } => {
                for progress in progress.iter().filter(|progress| progress.transfer == id) {
                    shown.progress(node, progress).await?;
                }
            }
            Event::Lagged { .. } => {
                for new in all_transfers(node).await?.into_iter().filter(|known| known.id == id) {
                    if done(&new) {
                        return Ok(new);
                    }
                    shown.changed(new, Say::ToPrograms)?;
                }
            }
            _ => {}
        }
    }
}

/// Each transfer whenever it changes, and while it moves.
pub async fn watch(node: &Node, out: Output) -> Result<(), Failure> {
    let mut events = node.subscribe();
    let mut shown = Shown::new(out);
    for transfer in all_transfers(node).await? {
        shown.changed(transfer, Say::ToAll)?;
    }
    loop {
        match next(&mut events).await {
            Event::Offer { transfer }
            | Event::TransferChanged { transfer }
            | Event::TransferFinished { transfer } => shown.changed(transfer, Say::ToAll)?,
            Event::Progress { progress } => {
                for progress in &progress {
                    shown.progress(node, progress).await?;
                }
            }
            Event::Lagged { .. } => {
                for transfer in all_transfers(node).await? {
                    shown.changed(transfer, Say::ToAll)?;
                }
            }
            _ => {}
        }
    }
}

/// How long somebody waits for a transfer.
#[derive(Clone, Copy, Debug)]
pub struct Until(Option<Instant>);

impl Until {
    /// For so many seconds from now; without an end if none are given.
    pub fn after(seconds: Option<u32>) -> Until {
        Until(seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds.into())))
    }

    /// The next event; `None` if the time is over.
    async fn event(self, events: &mut Events) -> Option<Event> {
        match self.0 {
            Some(deadline) => timeout_at(deadline, next(events)).await.ok(),
            None => Some(next(events).await),
        }
    }
}

/// Who is told of a change: of a single transfer a person is told by the verb itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Say {
    ToAll,
    ToPrograms,
}

/// What is shown of transfers.
struct Shown {
    out: Output,
    bars: Bars,
    transfers: BTreeMap<String, Moving>,
}

/// A transfer as it was last told, and how fast it moves to or from whom.
struct Moving {
    transfer: Transfer,
    rates: BTreeMap<String, (u64, Instant)>,
    /// When a line last said how far it is.
    told: Option<Instant>,
}

impl Shown {
    fn new(out: Output) -> Shown {
        Shown { out, bars: Bars::new(), transfers: BTreeMap::new() }
    }

    fn changed(&mut self, transfer: Transfer, say: Say) -> Result<(), Failure> {
        let before = self.transfers.get(&transfer.id);
        if before.is_some_and(|before| before.transfer == transfer) {
            return Ok(());
        }
        if has_ended(transfer.state) {
            self.bars.end(&transfer.id);
        }
        if say == Say::ToAll || self.out == Output::Program {
            self.out.item(&transfer, words)?;
        }
        let (rates, told) = (BTreeMap::new(), None);
        match self.transfers.get_mut(&transfer.id) {
            Some(known) => known.transfer = transfer,
            None => {
                self.transfers.insert(transfer.id.clone(), Moving { transfer, rates, told });
            }
        }
        Ok(())
    }

    async fn progress(&mut self, node: &Node, progress: &Progress) -> Result<(), Failure> {
        let knows = |moving: &Moving| moving.knows(&progress.peer);
        let Some(known) = self.transfers.get(&progress.transfer).map(knows) else { return Ok(()) };
        // That somebody began to fetch is told by nothing but the progress.
        if !known {
            for transfer in all_transfers(node).await? {
                if let Some(moving) = self.transfers.get_mut(&progress.transfer)
                    && moving.transfer.id == transfer.id
                {
                    moving.transfer = transfer;
                }
            }
        }
        let Some(moving) = self.transfers.get_mut(&progress.transfer) else { return Ok(()) };
        let now = Instant::now();
        moving.take(progress, now);
        match self.out {
            Output::Person => {
                let transfer = &moving.transfer;
                self.bars.show(progress, || label(transfer));
            }
            Output::Program if moving.told.is_none_or(|told| now - told >= BETWEEN) => {
                moving.told = Some(now);
                self.out.item(&moving.transfer, words)?;
            }
            Output::Program => {}
        }
        Ok(())
    }

    /// The time is over.
    fn given_up(mut self, id: &str) -> Result<Transfer, Failure> {
        if let Some(moving) = self.transfers.remove(id) {
            self.out.item(&moving.transfer, words)?;
        }
        let short = text::short_transfer(id);
        let message = format!("It was not done in that time. How it goes on: lanyard transfers, {short}.");
        Err(Failure::new(Exit::TimedOut, message))
    }
}

impl Moving {
    /// Whether it is known to move to or from this device.
    fn knows(&self, peer: &str) -> bool {
        self.transfer.direction == TransferDirection::In
            || self.transfer.receivers.iter().any(|receiver| receiver.peer == peer)
    }

    fn take(&mut self, progress: &Progress, now: Instant) {
        self.rates.insert(progress.peer.clone(), (progress.rate, now));
        self.rates.retain(|_, (_, at)| now - *at < HALTED);
        let transfer = &mut self.transfer;
        transfer.rate = self.rates.values().map(|(rate, _)| rate).sum();
        // To several receivers: the furthest.
        transfer.moved = transfer.moved.max(progress.moved);
        let running =
            |state| matches!(state, TransferState::Offered | TransferState::Waiting | TransferState::Queued);
        if running(transfer.state) {
            transfer.state = TransferState::Running;
        }
        let receivers = transfer.receivers.iter_mut();
        for receiver in receivers.filter(|receiver| receiver.peer == progress.peer) {
            receiver.moved = receiver.moved.max(progress.moved);
        }
    }
}

/// Between two lines that say how far a transfer is.
const BETWEEN: Duration = Duration::from_millis(500);
/// So long after the last bytes there is no rate any more.
const HALTED: Duration = Duration::from_secs(5);
