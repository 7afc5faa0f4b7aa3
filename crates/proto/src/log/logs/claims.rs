//! What others say that logs reach to. Nothing is believed because of it; it only says what to ask for.

use std::collections::BTreeMap;

use crate::log::logs::{Log, Logs, MAX_AHEAD, highest};
use crate::model::{LogId, PeerId, Seq};
use crate::wire::datagram::Wanted;

/// At most one claim of each log, and so many in all.
#[derive(Default)]
pub(super) struct Claims(BTreeMap<LogId, Claim>);

struct Claim {
    to: Seq,
    by: PeerId,
}

impl Claims {
    pub fn to(&self, log: LogId) -> Option<Seq> {
        self.0.get(&log).map(|claim| claim.to)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whoever speaks of more logs than others gives up a claim for theirs.
    fn insert(&mut self, log: LogId, to: Seq, by: PeerId) {
        if let Some(known) = self.0.get_mut(&log) {
            if to > known.to {
                *known = Claim { to, by };
            }
            return;
        }
        let mut counts: BTreeMap<PeerId, usize> = BTreeMap::new();
        for claim in self.0.values() {
            *counts.entry(claim.by).or_default() += 1;
        }
        let theirs = counts.get(&by).copied().unwrap_or_default();
        if theirs >= MAX_CLAIMS_OF_SENDER {
            return;
        }
        if self.0.len() >= MAX_CLAIMS {
            let most = counts.into_iter().max_by_key(|(_, count)| *count);
            let Some((most, _)) = most.filter(|(_, count)| *count > theirs + 1) else { return };
            let given_up = self.0.iter().find(|(_, claim)| claim.by == most).map(|(log, _)| *log);
            given_up.and_then(|log| self.0.remove(&log));
        }
        self.0.insert(log, Claim { to, by });
    }

    /// So much of a log is here.
    pub fn met(&mut self, log: LogId, head: Seq) {
        if self.to(log).is_some_and(|to| to <= head) {
            self.0.remove(&log);
        }
    }

    pub fn remove(&mut self, log: LogId) {
        self.0.remove(&log);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Logs {
    /// Somebody who is here says that logs reach so far. Whether they lead beyond what is here.
    pub fn learn(&mut self, by: PeerId, heads: &[(LogId, Seq)]) -> bool {
        let mut beyond = false;
        for (id, seq) in heads {
            let head = self.head(*id);
            if *seq > head && !self.is_forked(*id) && !self.is_settled(*id, *seq) {
                // Whoever lacks more than that catches up over TCP.
                self.claims.insert(*id, Seq(head.0.saturating_add(MAX_AHEAD)).min(*seq), by);
                beyond = true;
            }
        }
        beyond
    }

    /// What was claimed and could not be had is not asked for again until somebody claims it anew.
    pub fn forget_claims(&mut self) {
        self.claims.clear();
        self.held_bytes = 0;
        for log in self.logs.values_mut() {
            // What waits behind a gap that nobody can fill waits for ever; it comes again with what is before it.
            log.held.clear();
        }
        self.logs.retain(|_, log| log.is_real());
        let logs = &self.logs;
        self.active.retain(|(_, id)| logs.contains_key(id));
    }

    /// What is missing, as ranges, at most `most` places. Each log has its share of them, so that nobody who makes one up
    /// keeps the others from being asked for; those behind `first` come before the others.
    pub fn missing(&self, most: usize, first: LogId) -> Vec<Wanted> {
        let mut gaps: BTreeMap<LogId, Vec<Wanted>> = BTreeMap::new();
        for (id, log) in &self.logs {
            let known = self.known(*id, log);
            if known > log.here.head() {
                gaps.insert(*id, log.gaps(*id, known));
            }
        }
        for (id, claim) in self.claims.0.iter().filter(|(id, _)| !self.logs.contains_key(id)) {
            gaps.insert(*id, vec![Wanted { log: *id, from: Seq(1), count: small(claim.to.0) }]);
        }
        let turn: Vec<&Vec<Wanted>> =
            gaps.range(first..).chain(gaps.range(..first)).map(|(_, gaps)| gaps).collect();
        let sizes: Vec<usize> = turn.iter().map(|gaps| size(gaps)).collect();
        let shares = shared(&sizes, most);
        let mut wanted = Vec::new();
        for (gaps, mut left) in turn.into_iter().zip(shares) {
            for gap in gaps {
                let count = small(left as u64).min(gap.count);
                if count > 0 {
                    wanted.push(Wanted { count, ..*gap });
                }
                left -= count as usize;
            }
        }
        wanted
    }

    /// Whether anything that was spoken of is not here.
    pub fn is_missing(&self) -> bool {
        !self.claims.is_empty() || self.held_bytes > 0
    }

    pub fn lacks(&self, id: LogId, seq: Seq) -> bool {
        match self.logs.get(&id) {
            Some(log) => seq > log.here.head() && seq <= self.known(id, log) && !log.held.contains_key(&seq),
            None => self.claims.to(id).is_some_and(|to| seq <= to),
        }
    }

    /// Authors of logs of which somebody spoke further than they are here.
    pub fn missing_authors(&self) -> impl Iterator<Item = PeerId> {
        let missing = self.logs.iter().filter(|(id, log)| self.known(**id, log) > log.here.head());
        missing.map(|(_, log)| log.author)
    }

    /// The highest place that anybody spoke of.
    fn known(&self, id: LogId, log: &Log) -> Seq {
        let claimed = self.claims.to(id).unwrap_or_default();
        claimed.max(highest(&log.held)).max(log.here.head())
    }
}

impl Log {
    /// What is missing up to a place.
    fn gaps(&self, id: LogId, known: Seq) -> Vec<Wanted> {
        let mut gaps = Vec::new();
        let mut from = self.here.head().next();
        for end in self.held.keys().copied().chain([known.next()]) {
            if end > from {
                gaps.push(Wanted { log: id, from, count: small(end.0 - from.0) });
            }
            from = from.max(end.next());
        }
        gaps
    }
}

fn size(gaps: &[Wanted]) -> usize {
    gaps.iter().map(|gap| gap.count as usize).sum()
}

fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Divides so many places: each has as much as any other, or all that it needs.
fn shared(sizes: &[usize], most: usize) -> Vec<usize> {
    let mut shares = vec![0; sizes.len()];
    let mut left = most;
    loop {
        let needy = sizes.iter().zip(&shares).filter(|(size, share)| size > share).count();
        if needy == 0 || left == 0 {
            return shares;
        }
        let each = (left / needy).max(1);
        for (size, share) in sizes.iter().zip(&mut shares) {
            let more = each.min(size - *share).min(left);
            *share += more;
            left -= more;
        }
    }
}

/// Logs that are spoken of beyond what is here: a newcomer learns of more by catching up over TCP.
pub(super) const MAX_CLAIMS: usize = 256;
/// Of one sender: as many as it lists in one datagram, and some.
pub(super) const MAX_CLAIMS_OF_SENDER: usize = 64;
