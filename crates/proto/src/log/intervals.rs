//! Which places of one log are here: an interval up to its head, and older ones below it with holes between.
//!
//! An interval grows upwards by entries that name its head as the one before, and downwards by the entry that it names
//! itself: below a head whose signature was checked, hashes prove everything.

use crate::effects::Interval;
use crate::log::NO_ENTRY;
use crate::model::{EntryId, Seq, Span};

/// The intervals of one log, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Intervals {
    here: Vec<Interval>,
    /// Nothing up to this place is wanted here.
    floor: Seq,
}

/// What is below an interval does not belong to the same log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction;

impl Intervals {
    pub fn load(here: Vec<Interval>, floor: Seq) -> Intervals {
        Intervals { here, floor }
    }

    pub fn is_empty(&self) -> bool {
        self.here.is_empty()
    }

    /// The newest place that is here; 0 if none is.
    pub fn head(&self) -> Seq {
        self.here.last().map_or(Seq(0), |top| top.head)
    }

    pub fn head_id(&self) -> EntryId {
        self.here.last().map_or(NO_ENTRY, |top| top.head_id)
    }

    /// The place below which the head's interval begins: everything behind it is here.
    pub fn base(&self) -> Seq {
        self.here.last().map_or(Seq(0), |top| top.base)
    }

    /// The interval that a place is in.
    pub fn around(&self, seq: Seq) -> Option<&Interval> {
        self.here.iter().find(|one| span(one).contains(seq))
    }

    /// The interval right above a place that is not here.
    pub fn above(&self, seq: Seq) -> Option<&Interval> {
        self.here.iter().find(|one| one.base == seq && one.base < one.head)
    }

    /// The last place at or below this one that is here or not wanted.
    pub fn settled_below(&self, seq: Seq) -> Seq {
        let heads = self.here.iter().map(|one| one.head).filter(|head| *head <= seq);
        heads.max().unwrap_or_default().max(self.floor)
    }

    /// The head goes on.
    pub fn append(&mut self, seq: Seq, id: EntryId) {
        match self.here.last_mut() {
            Some(top) => (top.head, top.head_id) = (seq, id),
            None => self.here.push(Interval { base: Seq(0), base_id: NO_ENTRY, head: seq, head_id: id }),
        }
    }

    /// A new interval above the head. The place up to which the oldest was given up for it, if there were too many.
    pub fn jump(&mut self, ahead: Interval) -> Option<Seq> {
        self.here.push(ahead);
        (self.here.len() > MAX_INTERVALS).then(|| {
            self.floor = self.floor.max(self.here[0].head);
            self.here.remove(0);
            self.floor
        })
    }

    /// The interval that begins at `base` reaches down to (`to`, `to_id`) now, and is joined to the one that ends there.
    ///
    /// # Errors
    /// If that one ends otherwise, or a log would begin with something that has an entry before it.
    pub fn extend_below(&mut self, base: Seq, to: Seq, to_id: EntryId) -> Result<(), Contradiction> {
        let Some(at) = self.here.iter().position(|one| one.base == base) else { return Ok(()) };
        if to == Seq(0) && to_id != NO_ENTRY {
            return Err(Contradiction);
        }
        let joined = at.checked_sub(1).filter(|lower| self.here[*lower].head == to);
        if joined.is_some_and(|lower| self.here[lower].head_id != to_id) {
            return Err(Contradiction);
        }
        (self.here[at].base, self.here[at].base_id) = (to, to_id);
        if let Some(lower) = joined {
            (self.here[at].base, self.here[at].base_id) = (self.here[lower].base, self.here[lower].base_id);
            self.here.remove(lower);
        }
        Ok(())
    }

    /// What is here up to this place was given up; its head stays known.
    pub fn forget(&mut self, to: Seq, to_id: EntryId) {
        self.floor = self.floor.max(to);
        let top = self.here.pop();
        self.here.retain(|one| one.head > to);
        self.here.extend(top);
        if let Some(lowest) = self.here.first_mut().filter(|lowest| lowest.base < to && to <= lowest.head) {
            (lowest.base, lowest.base_id) = (to, to_id);
        }
    }

    /// What is not here of what somebody else has, the oldest first.
    pub fn lacking(&self, theirs: Span) -> Vec<Span> {
        let mut lacking = Vec::new();
        let mut after = theirs.after.max(self.floor);
        let ends = self.here.iter().map(|one| (one.base, one.head)).chain([(theirs.to, theirs.to)]);
        for (base, head) in ends {
            let hole = Span { after, to: base.min(theirs.to) };
            if !hole.is_empty() {
                lacking.push(hole);
            }
            after = after.max(head);
        }
        lacking
    }

    /// Whether anything is missing below the head that is wanted.
    pub fn has_holes(&self) -> bool {
        self.here.len() > 1 || self.base() > self.floor
    }
}

fn span(interval: &Interval) -> Span {
    Span { after: interval.base, to: interval.head }
}

/// Intervals of one log: each is a return after a long absence that was cut short before the hole below was filled.
pub const MAX_INTERVALS: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn id(seq: u64) -> EntryId {
        EntryId(core::array::from_fn(|i| if i < 8 && seq > 0 { seq.to_be_bytes()[i] } else { 0 }))
    }

    fn interval(base: u64, head: u64) -> Interval {
        Interval { base: Seq(base), base_id: id(base), head: Seq(head), head_id: id(head) }
    }

    fn missing(of: &Intervals, to: u64) -> Vec<(u64, u64)> {
        of.lacking(Span { after: Seq(0), to: Seq(to) }).iter().map(|hole| (hole.after.0, hole.to.0)).collect()
    }

    #[test]
    fn a_hole_is_filled_from_above_until_both_sides_meet() {
        let mut log = Intervals::load(vec![interval(0, 10)], Seq(0));
        assert_eq!(log.jump(interval(20, 30)), None);
        assert!(log.has_holes() && log.around(Seq(10)).is_some() && log.around(Seq(11)).is_none());
        assert_eq!(missing(&log, 35), [(10, 20), (30, 35)]);
        log.extend_below(Seq(20), Seq(15), id(15)).unwrap();
        assert_eq!(missing(&log, 30), [(10, 15)]);
        log.extend_below(Seq(15), Seq(10), id(10)).unwrap();
        assert!(!log.has_holes() && log.base() == Seq(0) && log.here.len() == 1);
    }

    #[test]
    fn sides_that_do_not_fit_are_not_joined() {
        let mut log = Intervals::load(vec![interval(0, 10), interval(20, 30)], Seq(0));
        assert_eq!(log.extend_below(Seq(20), Seq(10), id(99)), Err(Contradiction));
        assert_eq!(missing(&log, 30), [(10, 20)], "and nothing changed");
        let mut log = Intervals::load(vec![interval(5, 30)], Seq(0));
        assert_eq!(
            log.extend_below(Seq(5), Seq(0), id(7)),
            Err(Contradiction),
            "nothing is before the first"
        );
    }

    #[test]
    fn with_too_many_intervals_the_oldest_is_given_up() {
        let mut log = Intervals::default();
        for n in 1..=MAX_INTERVALS as u64 {
            assert_eq!(log.jump(interval(n * 10, n * 10 + 3)), None);
        }
        assert_eq!(log.jump(interval(1000, 1001)), Some(Seq(13)));
        assert_eq!((log.here.len(), log.floor), (MAX_INTERVALS, Seq(13)));
        assert_eq!(missing(&log, 30), [(13, 20), (23, 30)], "and is not asked for again");
    }

    #[test]
    fn of_a_log_that_was_forgotten_to_its_end_the_head_is_known() {
        let mut log = Intervals::load(vec![interval(0, 10), interval(20, 30)], Seq(0));
        log.forget(Seq(5), id(5));
        assert_eq!(missing(&log, 30), [(10, 20)]);
        log.forget(Seq(30), id(30));
        assert_eq!((log.head(), log.head_id(), log.base()), (Seq(30), id(30), Seq(30)));
        assert!(!log.has_holes());
        log.append(Seq(31), id(31));
        assert!(log.around(Seq(31)).is_some() && log.around(Seq(30)).is_none());
    }

    proptest! {
        #[test]
        fn what_is_lacking_is_what_is_not_here(
            edges in prop::collection::btree_set(1u64..80, 0..12), floor in 0u64..40, after in 0u64..90, to in 0u64..90,
        ) {
            let edges: Vec<u64> = edges.into_iter().collect();
            let here: Vec<Interval> = edges.chunks_exact(2).map(|pair| interval(pair[0], pair[1])).collect();
            let log = Intervals::load(here, Seq(floor));
            let lacking = log.lacking(Span { after: Seq(after), to: Seq(to) });
            let found: Vec<u64> = lacking.iter().flat_map(|hole| hole.after.0 + 1..=hole.to.0).collect();
            let expected: Vec<u64> =
                (after.max(floor) + 1..=to).filter(|seq| log.around(Seq(*seq)).is_none()).collect();
            prop_assert_eq!(found.iter().copied().collect::<BTreeSet<_>>().len(), found.len());
            prop_assert_eq!(found, expected);
        }
    }
}
