//! Mail: what this device keeps for others as the settings allow, and what is told of who keeps its own messages.

use lanyard_proto::effects::{Effects, Stock};
use lanyard_proto::mail::{HELD_BYTES, MIN_HELD_BYTES};
use lanyard_proto::model::{ConnId, LogId, RoomId, Span};
use lanyard_proto::wire::frame::ENTRIES_BYTES;

use crate::api::{ApiError, Event, Mailbox};
use crate::engine::commands::invalid;
use crate::engine::run::{Report, Run};
use crate::saying;
use crate::store::Settings;

impl Run {
    pub fn holds_for_others(&self) -> bool {
        self.config.policy.hold_for_others.or(self.settings.hold).unwrap_or(true)
    }

    pub fn hold_bytes(&self) -> u64 {
        self.settings.hold_bytes.unwrap_or(HELD_BYTES)
    }

    /// Tells the node what it may keep. Who wants to keep nothing keeps nothing of what is here, either.
    pub fn limit_holding(&mut self) -> Effects {
        let limit = self.holds_for_others().then(|| self.hold_bytes());
        self.node.hold_for_others(limit)
    }

    pub fn mailbox(&self) -> Mailbox {
        let held = self.node.held_for_others();
        Mailbox { entries: held.entries, bytes: held.bytes, people: held.recipients }
    }

    /// Reads entries for the node, as many as a frame holds.
    pub fn collect(&self, conn: ConnId, stock: Stock, room: RoomId, log: LogId, span: Span) {
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let report = match store.collect(stock, room, log, span, ENTRIES_BYTES).await {
                Ok(entries) => Report::Collected { conn, stock, room, log, entries },
                Err(error) => Report::Failed(error),
            };
            // The engine's task may have ended.
            let _ = reports.send(report).await;
        });
    }

    /// Reads entries that others asked for, for the node to repeat.
    pub fn retrieve(&self, room: RoomId, ranges: Vec<(LogId, Span)>) {
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let mut entries = Vec::new();
            for (log, span) in ranges {
                match store.collect(Stock::Room, room, log, span, ENTRIES_BYTES).await {
                    Ok(found) => entries.extend(found),
                    Err(error) => return drop(reports.send(Report::Failed(error)).await),
                }
            }
            let _ = reports.send(Report::Retrieved { room, entries }).await;
        });
    }

    /// Messages of ours that others keep, or keep no longer, otherwise than was told.
    pub fn tell_of_kept(&mut self, room: RoomId) {
        let Some(held) = self.node.room(room) else { return };
        let mut changed = Vec::new();
        for sent in &mut self.view.room(room).sent {
            let kept = self.node.kept_by(room, sent.position.log, sent.position.seq);
            if kept != sent.kept {
                let holders = held.holders_of(sent.position.log, sent.position.seq);
                changed.push((sent.id, sent.at, sent.position, holders));
                sent.kept = kept;
            }
        }
        for (id, at, said, holders) in changed {
            let delivered = self.delivery(room, at, said, &holders);
            self.tell(Event::Kept { room: room.to_string(), message: id.to_string(), delivered });
        }
    }
}

/// Takes over what a person chose.
///
/// # Errors
/// `Invalid` if it is less than makes sense.
pub fn choose_holding(
    settings: &mut Settings,
    hold: Option<bool>,
    bytes: Option<u64>,
) -> Result<(), ApiError> {
    if bytes.is_some_and(|bytes| bytes < MIN_HELD_BYTES) {
        return Err(invalid(saying!(
            "Keeping messages for others needs 1 MiB at least. It can also be switched off."
        )));
    }
    settings.hold = hold.or(settings.hold);
    settings.hold_bytes = bytes.or(settings.hold_bytes);
    Ok(())
}
