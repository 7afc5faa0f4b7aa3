//! Catching up one room over TCP: from whom, what to ask next, and when it is over.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::log::pull::{Loose, Plan, Want};
use crate::log::replica::{Member, PULL_SPREAD, Received, Replica, Way};
use crate::model::{Hlc, Instant, LogId, PeerId, Span};
use crate::pacing::{Dice, earliest};
use crate::wire::datagram::Head;
use crate::wire::entry::Unverified;

impl Replica {
    /// Entries that came over TCP.
    pub fn fetched(&mut self, from: PeerId, entries: &[Vec<u8>], now: Instant, dice: &mut Dice) -> Received {
        let read = entries.iter().map(|bytes| Unverified::decode_in_room(self.room, bytes)).collect();
        let received = self.entries(read, Way::Tcp(from), now);
        if let Some(running) = self.pull.running_from(from).filter(|_| !received.runs.is_empty()) {
            running.brought(entries.len(), entries.iter().map(Vec::len).sum(), now);
        }
        let group = self.group();
        self.repair.check_gaps(&self.logs, group, now, dice);
        received
    }

    /// Entries that others kept while this device was away.
    pub fn delivered(&mut self, entries: Vec<Unverified>, now: Instant, dice: &mut Dice) -> Received {
        let received = self.entries(entries.into_iter().map(Ok).collect(), Way::Mail, now);
        let group = self.group();
        self.repair.check_gaps(&self.logs, group, now, dice);
        received
    }

    /// From whom to catch up now, best first; empty if there is no reason to.
    pub fn pull_candidates(&mut self, now: Instant, dice: &mut Dice) -> Vec<PeerId> {
        if self.pull.running.is_some() || self.pull.at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        if self.pull.news { self.ahead_of_us(dice) } else { self.keepers_of_history(dice) }
    }

    /// Who spoke of it or wrote it, or somebody else who has it; then those who may.
    fn ahead_of_us(&mut self, dice: &mut Dice) -> Vec<PeerId> {
        let authors: BTreeSet<PeerId> = self.logs.missing_authors().collect();
        let rank = |peer: &PeerId, member: &Member, sources_first: bool| {
            let source = self.pull.from == Some(*peer) || authors.contains(peer);
            (
                self.pull.tried.contains(peer),
                match (member.ahead, source, member.in_step) {
                    (_, true, _) => {
                        if sources_first {
                            0
                        } else {
                            2
                        }
                    }
                    (true, ..) => 1,
                    (_, _, false) => 3,
                    _ => 4,
                },
            )
        };
        let sources_first = dice.fraction() < 0.5;
        let here = self.members.iter().filter(|(_, member)| member.here);
        let mut ranked: Vec<_> = here
            .map(|(peer, member)| (rank(peer, member, sources_first), dice.bytes::<4>(), *peer))
            .collect();
        ranked.sort_unstable();
        let mut candidates: Vec<PeerId> = ranked.into_iter().map(|(.., peer)| peer).collect();
        // Who spoke of it may have come after it was last seen.
        if let Some(from) = self.pull.from.filter(|from| !candidates.contains(from)) {
            candidates.insert(0, from);
        }
        candidates
    }

    /// Those who were not asked for what is missing below the heads, the complete ones first.
    fn keepers_of_history(&mut self, dice: &mut Dice) -> Vec<PeerId> {
        let here =
            self.members.iter().filter(|(peer, member)| member.here && !self.pull.exhausted.contains(peer));
        let mut ranked: Vec<_> = here
            .map(|(peer, member)| (self.pull.tried.contains(peer), member.partial, dice.bytes::<4>(), *peer))
            .collect();
        ranked.sort_unstable();
        if ranked.is_empty() {
            self.pull.at = None;
            self.pull.resting = true;
        }
        ranked.into_iter().map(|(.., peer)| peer).collect()
    }

    /// Whether there is a reason to catch up, and nobody to ask.
    pub fn is_pull_overdue(&self, now: Instant) -> bool {
        self.pull.running.is_none() && self.pull.at.is_some_and(|at| at <= now)
    }

    /// Whether there is, or will be, a reason to catch up.
    pub fn waits_to_pull(&self) -> bool {
        self.pull.running.is_none() && self.pull.at.is_some()
    }

    /// Whether something is missing, or will be fetched.
    pub fn is_catching_up(&self) -> bool {
        self.is_pulling() || self.waits_to_pull() || self.logs.is_missing()
    }

    /// Whether somebody was heard in the room since this device began to listen.
    pub fn hears(&self, peer: PeerId) -> bool {
        self.members.get(&peer).is_some_and(|member| member.here)
    }

    pub fn is_pulling(&self) -> bool {
        self.pull.running.is_some()
    }

    pub fn pull_started(&mut self, from: PeerId, now: Instant) {
        self.pull.started(from, now);
    }

    /// Nobody could be asked: try again later.
    pub fn pull_postponed(&mut self, now: Instant) {
        self.pull.fails(now);
        self.pull.at = Some(self.pull.not_before);
    }

    /// This device could not ask `from` right now, who has something: do it soon.
    pub fn pull_soon(&mut self, from: PeerId, now: Instant, dice: &mut Dice) {
        if self.pull.running.is_none() {
            let at = self.pull.not_before.max(now + dice.span(Duration::ZERO..PULL_SPREAD));
            self.pull.at = earliest(self.pull.at, Some(at));
            (self.pull.from, self.pull.news) = (Some(from), true);
        }
    }

    /// The device with which this one catches up has said what it holds. Whether there is anything to ask it. Of what
    /// was written before `since` nothing is wanted.
    pub fn pull_planned(&mut self, from: PeerId, theirs: &[Head], since: Hlc, loose: Loose) -> bool {
        let Some(running) = self.pull.running_from(from) else { return false };
        let plan = running.plan.get_or_insert_with(|| Plan::new(theirs, &self.logs, since, loose));
        !plan.is_done()
    }

    /// The next question to the device with which this one catches up.
    pub fn next_want(&mut self, from: PeerId) -> Option<Want> {
        self.pull.running_from(from)?.plan.as_mut()?.next(&self.logs)
    }

    /// Whether deeds are welcome from a device because it was asked for them.
    pub fn expects_deeds(&self, from: PeerId) -> bool {
        let running = self.pull.running.as_ref().filter(|running| running.from == from);
        running.and_then(|running| running.plan.as_ref()).is_some_and(Plan::expects_deeds)
    }

    /// Whether this device is catching up with that one.
    pub fn is_pulling_from(&self, peer: PeerId) -> bool {
        self.pull.running.as_ref().is_some_and(|running| running.from == peer && running.plan.is_some())
    }

    /// Deeds came, of which some are new.
    pub fn brought_deeds(&mut self, from: PeerId, now: Instant) {
        if let Some(running) = self.pull.running_from(from) {
            (running.alive, running.brought) = (now, true);
        }
    }

    /// A question was answered. Whether it was the last.
    pub fn want_answered(&mut self, from: PeerId) -> bool {
        let Some(plan) = self.pull.running_from(from).and_then(|running| running.plan.as_mut()) else {
            return false;
        };
        plan.answered(&self.logs);
        plan.is_done()
    }

    /// What of these ranges may be here.
    pub fn to_serve(&self, ranges: Vec<(LogId, Span)>) -> Vec<(LogId, Span)> {
        let here = ranges.into_iter();
        let here = here.map(|(log, span)| (log, Span { to: span.to.min(self.logs.head(log)), ..span }));
        here.filter(|(_, span)| !span.is_empty()).collect()
    }

    /// Catching up with `from` came to its end, or to none.
    pub fn pull_ended(&mut self, from: PeerId, success: bool, now: Instant, dice: &mut Dice) {
        let Some(running) = self.pull.running.take_if(|running| running.from == from) else { return };
        if running.brought {
            self.pull.helped();
        } else {
            self.pull.tried.insert(from);
        }
        if let Some(member) = self.members.get_mut(&from) {
            member.ahead = false;
        }
        if success {
            self.pull.exhausted.insert(from);
            if running.brought {
                self.pull.rests(now);
            } else {
                self.pull.fails(now);
            }
            // Whatever it did not have is asked for again when somebody speaks of it again.
            self.logs.forget_claims();
            self.repair.begin_anew();
            let group = self.group();
            self.repair.check_gaps(&self.logs, group, now, dice);
            self.repair.want_heads(now);
        } else {
            // It may well have what is missing.
            self.pull.hope(from);
            self.pull_postponed(now);
            self.pull.news = true;
        }
    }

    /// A partner that brings nothing is given up; one that brings little, or has had long enough, gives way to others.
    pub(super) fn end_slow_pull(&mut self, others_wait: bool, now: Instant, dice: &mut Dice) {
        let Some(running) = &mut self.pull.running else { return };
        let from = running.from;
        if running.is_stalled(now) {
            return self.pull_ended(from, false, now, dice);
        }
        let should = running.should_give_way(now);
        let mut others = self
            .members
            .iter()
            .filter(|(peer, member)| member.here && **peer != from && !self.pull.tried.contains(peer));
        if should && (others_wait || others.next().is_some()) {
            self.pull_ended(from, false, now, dice);
            self.pull.tried.insert(from);
        }
    }
}
