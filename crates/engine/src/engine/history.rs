//! How much history is kept: the limits, and giving up what is beyond them step by step. And what is told of history
//! that contradicts itself.

use std::time::Duration;

use lanyard_proto::effects::{Effects, Event as Fact, Fork, Input, Record};
use lanyard_proto::model::{Instant, LogId, RoomId, Seq};

use crate::api::{ApiError, ErrorCode, Event, Locked};
use crate::engine::run::{Clock, Report, Run};
use crate::saying;
use crate::says;
use crate::store::{Limits, Pruning, StoreError};

/// Giving up history, one step at a time.
#[derive(Default)]
pub struct Keeping {
    running: bool,
    /// Bytes that came since the store was last looked through.
    written: usize,
    /// When it was.
    looked: Option<Instant>,
}

impl Run {
    pub fn history_days(&self) -> u32 {
        self.config.policy.days(self.settings.history_days, HISTORY_DAYS)
    }

    pub fn history_bytes(&self) -> u64 {
        let decided = self.config.policy.history_bytes;
        decided.or(self.settings.history_bytes).unwrap_or(HISTORY_BYTES)
    }

    /// Tells the node what it need not fetch, and gives up what is beyond the limits as they are now.
    pub fn keep_history(&mut self) {
        let rooms: Vec<RoomId> = self.node.rooms().map(|room| room.record().id).collect();
        for room in rooms {
            let own = self.view.rooms.get(&room).and_then(|view| view.keep_days);
            let days = Some(self.config.policy.days(own, self.history_days())).filter(|days| *days > 0);
            self.node.keep(room, days.map(|days| DAY * days));
        }
        self.prune();
    }

    /// Gives up one step of what is beyond the limits, unless that is going on.
    pub fn prune(&mut self) {
        if std::mem::replace(&mut self.keeping.running, true) {
            return;
        }
        self.keeping.written = 0;
        let now = self.clock.now();
        let since = self.keeping.looked.replace(now.instant).unwrap_or(Clock::STARTED);
        let limits = Limits {
            days: self.history_days(),
            most_days: self.config.policy.history_days,
            bytes: self.history_bytes(),
            now: now.unix,
            borne_out: self.node.presence().bears_out(now, DAY),
            by_known: self.node.presence().known_bear_out(now, DAY),
            ran: now.instant.since(since),
        };
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let report = match store.prune(limits).await {
                Ok(pruning) => Report::Pruned(pruning),
                Err(error) => Report::Failed(error),
            };
            // The engine's task may have ended.
            let _ = reports.send(report).await;
        });
    }

    pub async fn pruned(&mut self, pruning: Pruning) -> Result<(), StoreError> {
        self.keeping.running = false;
        let mut rooms = Vec::new();
        for one in pruning.pruned {
            rooms.push(one.room);
            self.handle(Input::Pruned { room: one.room, log: one.log, to: one.to, to_id: one.to_id }).await?;
        }
        rooms.sort_unstable();
        rooms.dedup();
        for room in rooms {
            self.translate(Fact::History(room));
        }
        if pruning.more {
            self.prune();
        }
        Ok(())
    }

    /// Much may have come since: then the limits are looked at again.
    pub fn count_written(&mut self, effects: &Effects) {
        let size = |record: &Record| match record {
            Record::Entry { entry, .. } => entry.len_in_room(),
            Record::Run { entries, .. } => entries.iter().map(|entry| entry.len_in_room()).sum(),
            _ => 0,
        };
        self.keeping.written += effects.commit.iter().map(size).sum::<usize>();
        if self.keeping.written > PRUNE_AFTER {
            self.prune();
        }
    }

    /// Reads an entry for the node.
    pub fn recall(&self, room: RoomId, log: LogId, seq: Seq) {
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let report = match store.entry_at(room, log, seq).await {
                Ok(entry) => Report::Recalled(entry),
                Err(error) => Report::Failed(error),
            };
            // The engine's task may have ended.
            let _ = reports.send(report).await;
        });
    }

    /// It is proven that somebody's log contradicts itself. The room says so from now on, and so does each message that
    /// others may have another version of.
    pub fn tell_of_fork(&mut self, room: RoomId, fork: Fork) {
        self.tell_of_members(room);
        let Some(author) = fork.author else { return };
        self.look_for_disputed(room, fork.log);
        let (place, who) = (self.room(room).map(|room| room.name).unwrap_or_default(), self.name_of(author));
        let sentence = if author == self.node.me() {
            saying!(
                "What this device wrote in “{place}” exists in two versions: another copy of this profile writes \
                 there, too. From here on both are kept apart.",
                place
            )
        } else {
            saying!(
                "What {who} wrote in “{place}” exists in two versions. You see the one that came here first; what \
                 {who} writes from now on is complete again.",
                who,
                place
            )
        };
        tracing::warn!(%room, author = %author.short(), "a log contradicts itself");
        self.tell(Event::Notice { error: ApiError::says(ErrorCode::Refused, sentence) });
    }

    /// Messages of a log that contradicts itself read otherwise from now on.
    fn look_for_disputed(&self, room: RoomId, log: LogId) {
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let report = match store.newest_of(room, log, MAX_DISPUTED).await {
                Ok(found) => Report::Disputed { room, found: found.into_iter().map(|(_, id)| id).collect() },
                Err(error) => Report::Failed(error),
            };
            // The engine's task may have ended.
            let _ = reports.send(report).await;
        });
    }

    pub fn tell_of_clone(&self) {
        // A window shows it for as long as it lasts.
        self.tell(Event::MeChanged { me: self.me() });
        if self.node.cloned().is_none() {
            return;
        }
        tracing::warn!("this profile is also running on another machine");
        let error = says!(
            ErrorCode::ProfileInUse,
            "This profile is also running on another machine. Others cannot tell the two apart: end one of them, and \
             let it begin with a profile of its own."
        );
        self.tell(Event::Notice { error });
    }

    /// Keeps a room's history for so many days: 0 for ever, absent as the settings say.
    pub async fn keep_room(&mut self, room: RoomId, days: Option<u32>) -> Result<(), ApiError> {
        let beyond = days.is_some_and(|days| self.config.policy.days(Some(days), days) != days);
        self.config.policy.check([(Locked::HistoryDays, beyond)])?;
        let kept = self.store.keep(room, days).await?;
        self.gate.wait_for(kept);
        self.view.room(room).keep_days = days;
        self.keep_history();
        self.tell_of_room(room);
        Ok(())
    }
}

/// History is kept for ever,
const HISTORY_DAYS: u32 = 0;
/// within 4 GiB: ten million short messages.
const HISTORY_BYTES: u64 = 4 << 30;
/// How often what is too old is given up.
pub const PRUNE: Duration = Duration::from_secs(3600);
/// Bytes of entries that may come before the limits are looked at again.
const PRUNE_AFTER: usize = 8 << 20;
/// Messages of a log that contradicts itself of which is told at once; older ones are right on their next page.
const MAX_DISPUTED: u32 = 256;
const DAY: Duration = Duration::from_secs(24 * 3600);
