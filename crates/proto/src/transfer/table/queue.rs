//! The queue: which accepted transfer is fetched when, and what is paused, taken up again, moved or forgotten.
//!
//! Each accepted transfer has a **turn**, a number of its own; where several could start, those with the smaller ones do.
//! On each disk, and from each device, at most so many run at a time; further ones are `Queued`, and start by themselves in
//! their order. Whoever waits for somebody who is not here has a turn and no place: it keeps nobody else waiting.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{
    Effects, Event, Hlc, Instant, Job, MAX_RETRY, Open, PeerId, Record, Refusal, Spoken, Staged, TransferId,
    TransferRecord, TransferState, Transfers,
};
use crate::model::UnixMillis;
use crate::pacing::earliest;
use crate::rooms::Content;

impl Transfers {
    /// How many transfers may be fetched at a time onto one disk; those that run go on.
    pub fn set_at_once(&mut self, at_once: usize) {
        self.at_once = at_once.max(1);
    }

    /// Where the files of an incoming transfer go, by a number that is another for each disk.
    pub fn lay(&mut self, transfer: TransferId, disk: u64) {
        if let Some(open) = self.open.get_mut(&transfer) {
            open.disk = disk;
        }
    }

    /// Neither fetch nor give it, until it is resumed. Pausing twice is no error.
    ///
    /// # Errors
    /// If there is nothing to pause.
    pub fn pause(&mut self, transfer: TransferId) -> Result<Spoken, Refusal> {
        let me = self.me;
        let open = self.open.get_mut(&transfer).ok_or(Refusal::Unknown)?;
        let mine = open.record.from == me;
        let pausable =
            if mine { TransferState::Offered == open.record.state } else { open.record.state.is_wanted() };
        if !pausable {
            return Err(if open.record.state.is_over() { Refusal::Over } else { Refusal::NotQueued });
        }
        if open.record.paused {
            return Ok(Spoken::default());
        }
        let mut effects = Effects::default();
        if open.record.state == TransferState::Running {
            effects.run.push(Job::StopPull { transfer, staged: Staged::Keep });
        }
        effects.run.push(Job::Cut { transfer });
        if !mine {
            open.record.state = TransferState::Waiting;
        }
        open.record.paused = true;
        open.retry_at = None;
        effects.extend(open.changed());
        Ok((effects, open.say_paused(mine)))
    }

    /// Go on with what was paused; fetch what is missing of what failed or was cancelled; try again at once what waits.
    ///
    /// # Errors
    /// If there is nothing to go on with.
    pub fn resume(&mut self, transfer: TransferId, now: Instant) -> Result<Spoken, Refusal> {
        let me = self.me;
        let open = self.open.get_mut(&transfer).ok_or(Refusal::Unknown)?;
        let mine = open.record.from == me;
        match open.record.state {
            _ if open.record.paused => {
                open.record.paused = false;
                if !mine {
                    open.go_on(now);
                }
                Ok((open.changed(), open.say_paused(mine)))
            }
            _ if mine => Err(Refusal::NotPaused),
            TransferState::Cancelled | TransferState::Failed(_) => {
                self.accept(transfer, now).map(|effects| (effects, None))
            }
            TransferState::Waiting => {
                open.go_on(now);
                Ok((open.changed(), None))
            }
            TransferState::Queued | TransferState::Running => Ok(Spoken::default()),
            TransferState::Done => Err(Refusal::Over),
            TransferState::Offered | TransferState::Declined => Err(Refusal::NotPaused),
        }
    }

    /// Let a transfer have its turn right before another one, or last.
    ///
    /// # Errors
    /// If one of both has no place.
    pub fn reorder(&mut self, transfer: TransferId, before: Option<TransferId>) -> Result<Effects, Refusal> {
        for id in before.iter().chain([&transfer]) {
            if !self.incoming(*id)?.record.state.is_wanted() {
                return Err(Refusal::NotQueued);
            }
        }
        if self.incoming(transfer)?.record.state == TransferState::Running {
            return Err(Refusal::Running);
        }
        let Some(before) = before.filter(|before| *before != transfer) else {
            let last = self.last_turn();
            return Ok(self.turn_to(&[(transfer, last)]));
        };
        let mut others: Vec<(u64, TransferId)> = self.in_turn().filter(|(_, id)| *id != transfer).collect();
        others.sort_unstable();
        let at = others.iter().position(|(_, id)| *id == before).unwrap_or(others.len());
        let below = at.checked_sub(1).map_or(0, |at| others[at].0);
        let above = others.get(at).map_or(below.saturating_add(2 * STEP), |(turn, _)| *turn);
        if above - below >= 2 {
            return Ok(self.turn_to(&[(transfer, below + (above - below) / 2)]));
        }
        // There is no room between the two: everybody's turn is numbered anew.
        let mut order: Vec<TransferId> = others.into_iter().map(|(_, id)| id).collect();
        order.insert(at, transfer);
        let turns: Vec<_> = order.into_iter().zip(1u64..).map(|(id, turn)| (id, turn * STEP)).collect();
        Ok(self.turn_to(&turns))
    }

    /// Know nothing any more of a transfer that is over.
    ///
    /// # Errors
    /// If it is not over.
    pub fn forget(&mut self, transfer: TransferId) -> Result<Effects, Refusal> {
        let open = self.open.get(&transfer).ok_or(Refusal::Unknown)?;
        if !open.record.state.is_over() {
            return Err(Refusal::NotOver);
        }
        let mut effects = Effects::default();
        // Of what came in part something lies there still, for the rest.
        if open.record.from != self.me {
            effects.run.push(Job::StopPull { transfer, staged: Staged::Discard });
        }
        effects.run.push(Job::Unshelve { transfer });
        effects.commit.push(Record::TransferForgotten(transfer));
        effects.tell.push(Event::TransferForgotten(transfer));
        self.open.remove(&transfer);
        Ok(effects)
    }

    /// Its author said that it is paused, or that it is no longer.
    pub fn held(&mut self, by: PeerId, transfer: TransferId, on: bool, said: Hlc, now: Instant) -> Effects {
        let Some(open) = self.open.get_mut(&transfer).filter(|open| open.record.from == by) else {
            return Effects::default();
        };
        // Older words may come later than newer ones.
        if said <= open.held.0 {
            return Effects::default();
        }
        let before = open.held.1 || open.turned_away;
        open.held = (said, on);
        open.turned_away &= on;
        if !on && open.retry_at.is_some() {
            open.retry_at = Some(now);
            open.tries = 0;
        }
        let changed = before != on;
        Effects {
            tell: changed.then_some(Event::Transfer(transfer)).into_iter().collect(),
            ..Effects::default()
        }
    }

    /// Whether its author has paused it, as far as is known here.
    pub fn is_held(&self, transfer: TransferId) -> bool {
        self.open.get(&transfer).is_some_and(|open| open.held.1 || open.turned_away)
    }

    /// Whether a device that may fetch a transfer is to ask again later.
    pub fn is_paused(&self, transfer: TransferId) -> bool {
        self.open.get(&transfer).is_some_and(|open| open.record.paused)
    }

    /// How many of the queued transfers start before this one; `None` if it is not among them.
    pub fn place(&self, transfer: TransferId) -> Option<u32> {
        let queued = |open: &&Open| open.record.state == TransferState::Queued;
        let turn = self.open.get(&transfer).filter(queued)?.record.turn;
        let before = self.open.values().filter(queued).filter(|open| open.record.turn < turn).count();
        u32::try_from(before).ok()
    }

    /// The queued transfers, in their order.
    pub fn queued(&self) -> Vec<TransferId> {
        let queued = self.open.values().filter(|open| open.record.state == TransferState::Queued);
        let mut queued: Vec<_> = queued.map(|open| (open.record.turn, open.record.id)).collect();
        queued.sort_unstable();
        queued.into_iter().map(|(_, id)| id).collect()
    }

    /// Starts what is to be fetched now, in the order of the turns: what is due, where anybody who has the files is
    /// reachable, and that device and the disk have a place.
    pub fn start_due(&mut self, now: Instant, reach: impl Fn(PeerId) -> Vec<SocketAddr>) -> Effects {
        let mut effects = Effects::default();
        let mut lanes = self.lanes();
        let mut due: Vec<(u64, TransferId)> = Vec::new();
        for (id, open) in &self.open {
            let waits = open.record.state == TransferState::Queued && lanes.are_full(open);
            if open.retry_at.is_some_and(|at| at <= now) && !waits {
                due.push((open.record.turn, *id));
            }
        }
        due.sort_unstable();
        for (_, id) in due {
            let Some(open) = self.open.get_mut(&id) else { continue };
            let sources = open.sources(&reach);
            let before = open.record.state;
            open.giver = sources.first().map_or(open.record.from, |source| source.peer);
            if sources.is_empty() {
                open.retry_at = Some(now + MAX_RETRY);
                open.record.state = TransferState::Waiting;
            } else if lanes.are_full(open) {
                open.record.state = TransferState::Queued;
            } else {
                lanes.take(open);
                open.retry_at = None;
                open.record.state = TransferState::Running;
                effects.run.push(Job::Pull { transfer: id, author: open.record.from, sources });
            }
            if open.record.state != before {
                effects.extend(open.changed());
            }
        }
        effects
    }

    /// When to call [`Transfers::start_due`], [`Transfers::give_up_unclaimed`] and [`Transfers::say_delays`] again. What is
    /// queued starts when others end.
    pub fn deadline(&self) -> Option<Instant> {
        let retried = |open: &Open| open.retry_at.filter(|_| open.record.state != TransferState::Queued);
        let due = self.open.values().flat_map(|open| [retried(open), open.unclaimed]).flatten().min();
        earliest(due, self.word_due())
    }

    /// Notes when transfers were over, where these effects say that they are.
    pub fn stamp(&mut self, effects: &mut Effects, unix: UnixMillis) {
        for record in &mut effects.commit {
            let Record::Transfer(record) = record else { continue };
            let Some(open) = self.open.get_mut(&record.id) else { continue };
            let before = open.record.finished.filter(|_| record.state == open.record.state);
            record.finished = record.state.is_over().then(|| before.unwrap_or(unix));
            if record.state == open.record.state {
                open.record.finished = record.finished;
            }
        }
    }

    /// A turn behind all others.
    pub(in crate::transfer) fn last_turn(&self) -> u64 {
        let last = self.open.values().map(|open| open.record.turn).max();
        last.unwrap_or_default().saturating_add(STEP)
    }

    fn in_turn(&self) -> impl Iterator<Item = (u64, TransferId)> + '_ {
        let wanted =
            self.open.values().filter(|open| open.record.state.is_wanted() && open.record.from != self.me);
        wanted.map(|open| (open.record.turn, open.record.id))
    }

    fn turn_to(&mut self, turns: &[(TransferId, u64)]) -> Effects {
        let mut effects = Effects::default();
        for (id, turn) in turns {
            let Some(open) = self.open.get_mut(id).filter(|open| open.record.turn != *turn) else { continue };
            open.record.turn = *turn;
            effects.extend(open.changed());
        }
        effects
    }

    /// What runs.
    fn lanes(&self) -> Lanes {
        let mut lanes = Lanes { disks: BTreeMap::new(), givers: BTreeMap::new(), at_once: self.at_once };
        let running = self.open.values().filter(|open| open.record.state == TransferState::Running);
        running.for_each(|open| lanes.take(open));
        lanes
    }
}

/// How many run, by what only so many may share: the disk that they go to, and the device that they come from.
struct Lanes {
    disks: BTreeMap<u64, usize>,
    givers: BTreeMap<PeerId, usize>,
    at_once: usize,
}

impl Lanes {
    fn are_full(&self, open: &Open) -> bool {
        self.disks.get(&open.disk).is_some_and(|running| *running >= self.at_once)
            || self.givers.get(&open.giver).is_some_and(|running| *running >= AT_ONCE_FROM_PEER)
    }

    fn take(&mut self, open: &Open) {
        *self.disks.entry(open.disk).or_default() += 1;
        *self.givers.entry(open.giver).or_default() += 1;
    }
}

impl Open {
    /// It is wanted, from now on or again.
    pub(in crate::transfer) fn go_on(&mut self, now: Instant) {
        self.record.state = TransferState::Waiting;
        self.record.paused = false;
        self.word.no_space = false;
        self.retry_at = Some(now);
        self.tries = 0;
    }

    /// Receivers are told of the author's pauses alone.
    fn say_paused(&self, mine: bool) -> Option<(super::RoomId, Content)> {
        let TransferRecord { id: transfer, room, paused: on, .. } = self.record;
        mine.then_some((room, Content::Pause { transfer, on }))
    }
}

/// Between the turns of two transfers that are accepted one after the other: others fit between them.
const STEP: u64 = 1 << 32;

/// Transfers that are fetched at a time onto one disk, unless somebody chooses otherwise; more would only share it.
pub const AT_ONCE: usize = 3;

/// Transfers that are fetched at a time from one device: no more than it serves one other, see PROTOCOL.md, "Files".
pub const AT_ONCE_FROM_PEER: usize = 4;

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
