//! Catching up over TCP: when, from whom, and in which order.
//!
//! The newest entries of every log come first, so that a newcomer can read and write at once; then what is before them,
//! from the newest to the oldest over all logs. The one who asks decides how much is under way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::log::logs::Logs;
use crate::model::{Hlc, Instant, LogId, PeerId, Seq, Span};
use crate::wire::datagram::Head;
use crate::wire::frame::MAX_WANTED;

/// Catching up: at most with one device at a time for each room.
#[derive(Default)]
pub struct Pull {
    pub at: Option<Instant>,
    /// Whether something new is to be had, or only older entries.
    pub news: bool,
    /// Who spoke of it.
    pub from: Option<PeerId>,
    pub running: Option<Running>,
    /// In a row: each lets the next one wait longer.
    failures: u32,
    /// Those who could not help are asked last.
    pub tried: BTreeSet<PeerId>,
    /// Those who have sent all that they have of what is missing below the heads.
    pub exhausted: BTreeSet<PeerId>,
    /// All who are here have: what is missing is not to be had for now.
    pub resting: bool,
    /// Not before this, whatever anybody says.
    pub not_before: Instant,
    /// Not before this, for reasons that nobody can explain.
    pub rested_at: Instant,
}

pub struct Running {
    pub from: PeerId,
    since: Instant,
    /// When it last brought something, or began.
    pub alive: Instant,
    pub brought: bool,
    /// Since when its pace is measured, and bytes that it brought since.
    measured: (Instant, usize),
    /// Once it has said what it holds.
    pub plan: Option<Plan>,
}

/// What is to be asked of somebody, in its order.
pub struct Plan {
    /// Logs that go on there, the most recently active first, of which nothing was asked yet.
    fresh: VecDeque<LogId>,
    /// What is not here, the oldest first; asked for from its end.
    lacking: BTreeMap<LogId, Vec<Span>>,
    /// Nothing older is asked for.
    since: Hlc,
    /// Entries of each log that are asked for first.
    window: u64,
    /// From here on the entries of a log are told one by one.
    windows: BTreeMap<LogId, Seq>,
    loose: Loose,
    /// The other side was told that more would follow.
    promised: bool,
    /// Questions that were not answered yet, in their order.
    under_way: VecDeque<Vec<(LogId, Span)>>,
    bytes: u64,
    entries: u64,
}

/// Deeds without the logs that they stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loose {
    /// The other side has not the same ones.
    Wanted,
    Asked,
    Not,
}

/// One question.
#[derive(Debug, PartialEq, Eq)]
pub struct Want {
    pub ranges: Vec<(LogId, Span)>,
    /// Another one will follow.
    pub more: bool,
    /// Whether it asks for deeds as well.
    pub deeds: bool,
}

impl Pull {
    pub fn started(&mut self, from: PeerId, now: Instant) {
        let measured = (now, 0);
        self.running = Some(Running { from, since: now, alive: now, brought: false, measured, plan: None });
        (self.at, self.from, self.news) = (None, None, false);
    }

    pub fn fails(&mut self, now: Instant) {
        self.failures = (self.failures + 1).min(MAX_FAILURES);
        self.rests(now);
    }

    pub fn helped(&mut self) {
        self.failures = 0;
        self.tried.clear();
    }

    /// Not again for a while, longer after each failure.
    pub fn rests(&mut self, now: Instant) {
        self.not_before = now + RETRY * 2u32.pow(self.failures);
    }

    /// The pull from this device, if there is one.
    pub fn running_from(&mut self, from: PeerId) -> Option<&mut Running> {
        self.running.as_mut().filter(|running| running.from == from)
    }

    /// Somebody may have what nobody had before.
    pub fn hope(&mut self, peer: PeerId) {
        self.exhausted.remove(&peer);
        self.resting = false;
    }

    /// Something is missing that was not when the others were asked.
    pub fn hole_opened(&mut self) {
        self.exhausted.clear();
        self.resting = false;
    }
}

impl Running {
    /// It brought entries that are new here.
    pub fn brought(&mut self, entries: usize, bytes: usize, now: Instant) {
        (self.alive, self.brought) = (now, true);
        self.measured.1 += bytes;
        if let Some(plan) = &mut self.plan {
            plan.brought(entries, bytes);
        }
    }

    /// When to look at its pace again.
    pub fn looked_at(&self) -> Instant {
        (self.alive + STALLED).min(self.measured.0 + MEASURED)
    }

    pub fn is_stalled(&self, now: Instant) -> bool {
        now.since(self.alive) >= STALLED
    }

    /// Whether others should have a turn, if there are any: it is slower than anybody honest would be, or had a long one.
    pub fn should_give_way(&mut self, now: Instant) -> bool {
        let (since, bytes) = self.measured;
        if now.since(since) < MEASURED {
            return false;
        }
        self.measured = (now, 0);
        bytes < LEAST_BYTES || now.since(self.since) >= LONGEST_TURN
    }
}

impl Plan {
    /// What of somebody's logs is not here.
    pub fn new(theirs: &[Head], logs: &Logs, since: Hlc, loose: Loose) -> Plan {
        let mut lacking = BTreeMap::new();
        let mut fresh = VecDeque::new();
        for head in theirs {
            let spans = logs.lacking(head);
            let Some(newest) = spans.last() else { continue };
            let goes_on = newest.to > logs.head(head.log);
            if !goes_on && !is_wanted(logs.oldest(head.log), since) {
                continue;
            }
            if lacking.insert(head.log, spans).is_none() && goes_on {
                fresh.push_back(head.log);
            }
        }
        let window = (WINDOW / fresh.len().max(1) as u64).max(MIN_WINDOW);
        let windows = BTreeMap::new();
        Plan {
            fresh,
            lacking,
            since,
            window,
            windows,
            loose,
            promised: false,
            under_way: VecDeque::new(),
            bytes: 0,
            entries: 0,
        }
    }

    /// The next question, unless enough is under way.
    pub fn next(&mut self, logs: &Logs) -> Option<Want> {
        if self.under_way.len() >= UNDER_WAY {
            return None;
        }
        if self.fresh.is_empty() {
            let since = self.since;
            self.lacking.retain(|log, _| is_wanted(logs.oldest(*log), since));
        }
        if self.lacking.is_empty() && !self.promised && self.loose != Loose::Wanted {
            return None;
        }
        let ranges = if self.fresh.is_empty() { self.older(logs) } else { self.newest() };
        self.promised = !self.lacking.is_empty();
        self.under_way.push_back(ranges.clone());
        let deeds = self.loose == Loose::Wanted;
        if deeds {
            self.loose = Loose::Asked;
        }
        Some(Want { ranges, more: self.promised, deeds })
    }

    /// A question was answered. Of logs of which nothing came nothing more is asked: whoever claims what it does not have
    /// is not asked for ever.
    pub fn answered(&mut self, logs: &Logs) {
        for (log, span) in self.under_way.pop_front().unwrap_or_default() {
            if !logs.contains(log, span.to) {
                self.lacking.remove(&log);
                self.fresh.retain(|fresh| *fresh != log);
            }
        }
    }

    /// Whether everything was asked and answered.
    pub fn is_done(&self) -> bool {
        let asked = self.lacking.is_empty() && self.loose != Loose::Wanted;
        asked && !self.promised && self.under_way.is_empty()
    }

    /// Whether deeds were asked for.
    pub fn expects_deeds(&self) -> bool {
        self.loose == Loose::Asked
    }

    pub fn brought(&mut self, entries: usize, bytes: usize) {
        self.entries += entries as u64;
        self.bytes += bytes as u64;
    }

    /// Whether entries of a log from this place on may leave a hole below them.
    pub fn covers(&self, log: LogId) -> bool {
        self.windows.contains_key(&log)
    }

    /// Whether an entry is new rather than history.
    pub fn is_news(&self, log: LogId, seq: Seq) -> bool {
        self.windows.get(&log).is_some_and(|from| seq >= *from)
    }

    fn newest(&mut self) -> Vec<(LogId, Span)> {
        let mut ranges = Vec::new();
        let mut left = WINDOW;
        while ranges.len() < MAX_WANTED && left > 0 {
            let Some(log) = self.fresh.pop_front() else { break };
            if let Some(span) = self.take(log, self.window) {
                self.windows.insert(log, span.after.next());
                left = left.saturating_sub(span.count());
                ranges.push((log, span));
            }
        }
        ranges
    }

    fn older(&mut self, logs: &Logs) -> Vec<(LogId, Span)> {
        let mut newest: Vec<(Hlc, LogId)> =
            self.lacking.keys().map(|log| (logs.oldest(*log), *log)).collect();
        newest.sort_unstable_by(|one, other| other.cmp(one));
        newest.truncate(ABREAST);
        let size = self.bytes.checked_div(self.entries).unwrap_or(TYPICAL_ENTRY).max(1);
        let each = ((BATCH_BYTES / size).min(BATCH_ENTRIES) / newest.len().max(1) as u64).max(1);
        newest.into_iter().filter_map(|(_, log)| Some((log, self.take(log, each)?))).collect()
    }

    /// The newest places of a log that were not asked for, at most so many.
    fn take(&mut self, log: LogId, most: u64) -> Option<Span> {
        let spans = self.lacking.get_mut(&log)?;
        let span = spans.last_mut()?;
        let taken = Span { after: span.after.max(Seq(span.to.0.saturating_sub(most))), to: span.to };
        span.to = taken.after;
        if span.is_empty() {
            spans.pop();
        }
        if spans.is_empty() {
            self.lacking.remove(&log);
        }
        Some(taken)
    }
}

/// Whether what is before an entry of this clock is; of one that is not known it is.
fn is_wanted(oldest: Hlc, since: Hlc) -> bool {
    oldest == Hlc(0) || oldest >= since
}

/// Entries that are asked for first, of all logs together,
pub const WINDOW: u64 = 256;
/// but at least so many of each.
const MIN_WINDOW: u64 = 8;
/// Questions under way: while one is answered, what came before goes to the disk.
const UNDER_WAY: usize = 2;
/// Bytes that one question asks for, about, and entries at the most: what waits for the disk is twice that.
const BATCH_BYTES: u64 = 512 << 10;
const BATCH_ENTRIES: u64 = 2048;
/// Bytes of an entry, until some have come.
const TYPICAL_ENTRY: u64 = 1024;
/// Logs of which older entries are asked for at the same time.
const ABREAST: usize = 8;
/// A partner that brings nothing new for so long is given up.
const STALLED: Duration = Duration::from_secs(20);
/// So often its pace is looked at:
const MEASURED: Duration = Duration::from_secs(30);
/// whoever brings less than this, half a kilobyte a second, gives way where others could be asked,
const LEAST_BYTES: usize = 16 << 10;
/// and so does everybody after so long.
const LONGEST_TURN: Duration = Duration::from_secs(300);
const RETRY: Duration = Duration::from_millis(500);
const MAX_FAILURES: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn head(log: u8, base: u64, seq: u64) -> Head {
        Head { log: LogId([log; 8]), seq: Seq(seq), base: Seq(base), check: None }
    }

    fn asked(want: &Want) -> Vec<(u8, u64, u64)> {
        want.ranges.iter().map(|(log, span)| (log.0[0], span.after.0, span.to.0)).collect()
    }

    #[test]
    fn the_newest_of_every_log_is_asked_for_before_anything_older() {
        let theirs: Vec<Head> = (0..4).map(|log| head(log, 0, 1000)).collect();
        let mut plan = Plan::new(&theirs, &Logs::default(), Hlc(0), Loose::Not);
        let first = plan.next(&Logs::default()).unwrap();
        assert_eq!(asked(&first), [(0, 936, 1000), (1, 936, 1000), (2, 936, 1000), (3, 936, 1000)]);
        assert!(
            first.more && plan.is_news(LogId([0; 8]), Seq(937)) && !plan.is_news(LogId([0; 8]), Seq(936))
        );
        let second = plan.next(&Logs::default()).unwrap();
        assert!(asked(&second).iter().all(|(_, _, to)| *to == 936));
        assert_eq!(plan.next(&Logs::default()), None, "two are under way");
    }

    #[test]
    fn deeds_are_asked_for_once_with_the_first_question_also_where_nothing_else_is_lacking() {
        let none = Logs::default();
        let mut plan = Plan::new(&[head(1, 0, 5)], &none, Hlc(0), Loose::Wanted);
        let first = plan.next(&none).unwrap();
        assert!(first.deeds && !first.ranges.is_empty() && plan.expects_deeds());
        assert_eq!(plan.next(&none), None);
        let mut plan = Plan::new(&[], &none, Hlc(0), Loose::Wanted);
        assert!(!plan.is_done());
        assert_eq!(plan.next(&none), Some(Want { ranges: vec![], more: false, deeds: true }));
        plan.answered(&none);
        assert!(plan.is_done() && Plan::new(&[], &none, Hlc(0), Loose::Not).is_done());
    }

    #[test]
    fn everything_is_asked_for_once_and_the_last_question_says_so() {
        let theirs = [head(1, 0, 5000), head(2, 700, 900), head(3, 0, 1)];
        let mut plan = Plan::new(&theirs, &Logs::default(), Hlc(0), Loose::Not);
        let mut places = BTreeSet::new();
        let mut last = true;
        while let Some(want) = plan.next(&Logs::default()) {
            plan.under_way.clear();
            for (log, after, to) in asked(&want) {
                assert!((after + 1..=to).all(|seq| places.insert((log, seq))), "asked for twice");
            }
            last = want.more;
        }
        assert!(!last && plan.is_done());
        assert_eq!(places.len(), 5000 + 200 + 1);
    }

    #[test]
    fn who_claims_what_it_does_not_have_is_not_asked_for_ever() {
        let mut plan =
            Plan::new(&[head(1, 0, u64::MAX), head(2, 0, u64::MAX)], &Logs::default(), Hlc(0), Loose::Not);
        let mut questions = 0;
        while let Some(_want) = plan.next(&Logs::default()) {
            questions += 1;
            if plan.under_way.len() == UNDER_WAY {
                plan.answered(&Logs::default());
            }
        }
        while !plan.under_way.is_empty() {
            plan.answered(&Logs::default());
        }
        assert!(questions <= 3 && plan.is_done(), "{questions} questions");
    }

    #[test]
    fn many_logs_are_asked_for_in_bounded_questions() {
        let theirs: Vec<Head> = (0..4096u64)
            .map(|n| Head { log: LogId(n.to_be_bytes()), seq: Seq(100), base: Seq(0), check: None })
            .collect();
        let mut plan = Plan::new(&theirs, &Logs::default(), Hlc(0), Loose::Not);
        let mut entries = 0;
        while let Some(want) = plan.next(&Logs::default()) {
            plan.under_way.clear();
            assert!(want.ranges.len() <= MAX_WANTED);
            let asked: u64 = want.ranges.iter().map(|(_, span)| span.count()).sum();
            assert!(asked <= BATCH_ENTRIES);
            entries += asked;
        }
        assert_eq!(entries, 409_600);
    }

    #[test]
    fn the_larger_the_entries_the_fewer_are_under_way() {
        let mut plan = Plan::new(&[head(1, 0, 100_000)], &Logs::default(), Hlc(0), Loose::Not);
        let _window = plan.next(&Logs::default());
        plan.under_way.clear();
        plan.brought(10, 10 * 32_768);
        let want = plan.next(&Logs::default()).unwrap();
        assert_eq!(want.ranges[0].1.count(), 16);
    }
}
