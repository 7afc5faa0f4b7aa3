//! What the author of an offer is told of somebody who accepted it and does not fetch it at the moment: so it can tell that
//! from no answer.

use std::time::Duration;

use super::{Open, Spoken, Transfers};
use crate::model::{Instant, PeerId};
use crate::pacing::earliest;
use crate::transfer::{Delay, Receipt, TransferState};

/// What is to be said of one transfer, and what was.
#[derive(Default)]
pub(super) struct Word {
    /// How it stands, since when, where its author knows it otherwise.
    unsaid: Option<(Delay, Instant)>,
    /// When something was said last, and how often.
    said_at: Option<Instant>,
    said: u32,
    /// Whether there was no space when it was last tried.
    pub(super) no_space: bool,
}

impl Word {
    pub(super) fn due(&self) -> Option<Instant> {
        let (_, since) = self.unsaid?;
        let rest = (REST * 2u32.pow(self.said.saturating_sub(1).min(MAX_DOUBLED))).min(MAX_REST);
        let rested = self.said_at.map_or(since, |at| at + rest);
        Some(rested.max(since + SETTLE))
    }
}

impl Transfers {
    /// Says how an accepted offer stands that does not run, where that has not changed for a moment and its author is here to
    /// hear it: whoever was away knows by that. One at a time, for each stays in a log.
    pub fn say_delays(&mut self, now: Instant, is_here: impl Fn(PeerId) -> bool) -> Option<Spoken> {
        let me = self.me;
        let mut next: Option<&mut Open> = None;
        for open in self.open.values_mut() {
            let delay = open.delay(me).filter(|delay| open.said() != Some(*delay));
            let Some(delay) = delay.filter(|_| is_here(open.record.from)) else {
                open.word.unsaid = None;
                continue;
            };
            if open.word.unsaid.is_none_or(|(unsaid, _)| unsaid != delay) {
                open.word.unsaid = Some((delay, now));
            }
            let due = open.word.due().filter(|due| *due <= now);
            if due.is_some() && next.as_ref().is_none_or(|next| due < next.word.due()) {
                next = Some(open);
            }
        }
        if self.last_word.is_some_and(|at| now.since(at) < BETWEEN) {
            return None;
        }
        let open = next?;
        let (delay, _) = open.word.unsaid.take()?;
        self.last_word = Some(now);
        (open.word.said_at, open.word.said) = (Some(now), open.word.said.saturating_add(1));
        open.take_back_delay();
        let receipt = Receipt::Accepted(delay);
        open.record.receipts.push((me, receipt));
        Some((open.changed(), open.say(receipt)))
    }

    pub(super) fn word_due(&self) -> Option<Instant> {
        let due = self.open.values().fold(None, |due, open| earliest(due, open.word.due()));
        due.map(|due| self.last_word.map_or(due, |at| due.max(at + BETWEEN)))
    }
}

impl Open {
    /// How an accepted offer stands that does not run. Its author knows when it has paused it itself, and what was asked for of a
    /// shared folder nobody waits to have accepted.
    fn delay(&self, me: PeerId) -> Option<Delay> {
        let held = self.held.1 || self.turned_away;
        if self.record.from == me || held || self.record.share().is_some() {
            return None;
        }
        match self.record.state {
            TransferState::Queued => Some(Delay::Queued),
            TransferState::Waiting if self.record.paused => Some(Delay::Paused),
            TransferState::Waiting if self.word.no_space => Some(Delay::NoSpace),
            TransferState::Waiting => Some(Delay::Waits),
            _ => None,
        }
    }

    /// What was said last, if nothing that ended it.
    fn said(&self) -> Option<Delay> {
        self.record.receipts.iter().find_map(|(_, receipt)| match receipt {
            Receipt::Accepted(delay) => Some(*delay),
            _ => None,
        })
    }

    /// Another word takes the place of what was said of how it stands.
    pub(super) fn take_back_delay(&mut self) {
        self.record.receipts.retain(|(_, receipt)| !matches!(receipt, Receipt::Accepted(_)));
    }
}

/// How long it has to stand so: what begins at once, or is lost and found again, needs no word.
const SETTLE: Duration = Duration::from_secs(2);
/// Between two words about one offer, doubled with each
const REST: Duration = Duration::from_secs(10);
/// so often
const MAX_DOUBLED: u32 = 9;
/// up to this.
const MAX_REST: Duration = Duration::from_secs(3600);
/// Between two words at all.
const BETWEEN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::super::tests::{ANN, BOB, EVE, ID, here, offered, state};
    use super::*;
    use crate::effects::TransferRecord;
    use crate::model::{Hlc, TransferId};
    use crate::rooms::{Content, RoomKind};
    use crate::transfer::PullEnd;

    fn at(seconds: u64) -> Instant {
        Instant(0) + Duration::from_secs(seconds)
    }

    fn says(transfers: &mut Transfers, now: Instant) -> Vec<Delay> {
        let said = transfers.say_delays(now, |_| true).into_iter().map(|(effects, said)| {
            assert_eq!(effects.commit.len(), 1, "what was said is remembered");
            let Some((_, Content::Receipt { receipt: Receipt::Accepted(delay), .. })) = said else {
                panic!("{said:?}")
            };
            delay
        });
        said.collect()
    }

    #[test]
    fn what_begins_at_once_needs_no_word_and_what_does_not_is_said_once() {
        let mut bob = offered(BOB, ANN, RoomKind::Open);
        assert_eq!(says(&mut bob, at(0)), [], "nobody has accepted it");
        let _ = bob.accept(ID, at(0)).unwrap();
        assert_eq!(says(&mut bob, at(0)), []);
        assert_eq!(bob.word_due(), Some(at(2)));
        let _ = bob.start_due(at(1), here);
        assert_eq!(says(&mut bob, at(2)), []);
        assert_eq!(bob.word_due(), None);
        let _ = bob.pulled(ID, PullEnd::Lost, at(3));
        assert_eq!(says(&mut bob, at(3)), []);
        assert_eq!(says(&mut bob, at(5)), [Delay::Waits]);
        assert_eq!(says(&mut bob, at(60)), []);
        assert_eq!(bob.word_due(), None);
    }

    #[test]
    fn pauses_full_disks_and_the_queue_are_told_apart_and_seldom() {
        let mut bob = offered(BOB, ANN, RoomKind::Open);
        let _ = bob.accept(ID, at(0)).unwrap();
        let _ = bob.start_due(at(0), here);
        let _ = bob.pulled(ID, PullEnd::NoSpace, at(1));
        assert_eq!(says(&mut bob, at(1)), []);
        assert_eq!(says(&mut bob, at(3)), [Delay::NoSpace]);
        let _ = bob.pause(ID).unwrap();
        assert_eq!(says(&mut bob, at(4)), []);
        assert_eq!(bob.word_due(), Some(at(13)));
        let _ = bob.resume(ID, at(5)).unwrap();
        assert_eq!(says(&mut bob, at(5)), []);
        let _ = bob.pause(ID).unwrap();
        assert_eq!(says(&mut bob, at(6)), []);
        assert_eq!(says(&mut bob, at(13)), [Delay::Paused], "no word about each change");
        bob.set_at_once(1);
        let _ = bob.resume(ID, at(20)).unwrap();
        bob.open.get_mut(&ID).unwrap().record.state = TransferState::Queued;
        assert_eq!(says(&mut bob, at(21)), []);
        assert_eq!(says(&mut bob, at(23)), []);
        assert_eq!(says(&mut bob, at(33)), [Delay::Queued], "and ever more seldom");
    }

    #[test]
    fn after_a_restart_it_is_not_said_again_and_after_an_end_it_is() {
        let mut bob = offered(BOB, ANN, RoomKind::Open);
        let _ = bob.accept(ID, at(0)).unwrap();
        let _ = bob.pause(ID).unwrap();
        assert_eq!(says(&mut bob, at(0)), []);
        assert_eq!(says(&mut bob, at(2)), [Delay::Paused]);
        let mut again = Transfers::new(BOB);
        let _ = again.load(bob.get(ID).unwrap().clone(), RoomKind::Open, at(100));
        assert_eq!(says(&mut again, at(100)), []);
        assert_eq!(says(&mut again, at(200)), []);
        let _ = again.cancel(ID).unwrap();
        let _ = again.accept(ID, at(201)).unwrap();
        let _ = again.pause(ID).unwrap();
        assert_eq!(says(&mut again, at(201)), []);
        assert_eq!(says(&mut again, at(203)), [Delay::Paused]);
    }

    #[test]
    fn of_many_offers_one_is_spoken_of_at_a_time_ever_more_seldom_and_only_to_whom_is_here() {
        let mut bob = Transfers::new(BOB);
        let id = |number| TransferId([number; 16]);
        for number in 0..20 {
            let record = TransferRecord { id: id(number), ..super::super::tests::record(ANN) };
            let _ = bob.offered(record, RoomKind::Open);
            let _ = bob.accept(id(number), at(0)).unwrap();
            let _ = bob.pause(id(number)).unwrap();
        }
        let mut words = 0;
        for second in 0..60 {
            assert!(bob.say_delays(at(second), |_| false).is_none(), "nobody is here to hear it");
        }
        for second in 60..82 {
            words += usize::from(bob.say_delays(at(second), |_| true).is_some());
        }
        assert_eq!(words, 20, "two seconds to settle, then one each second");
        // One of them is paused and resumed as often as somebody likes.
        let mut words = 0;
        for second in 100..3700 {
            let _ = if second % 6 < 3 { bob.resume(id(1), at(second)) } else { bob.pause(id(1)) };
            for half in [0, 500] {
                let now = at(second) + Duration::from_millis(half);
                words += usize::from(bob.say_delays(now, |_| true).is_some());
            }
        }
        assert!((1..=9).contains(&words), "{words}");
    }

    #[test]
    fn what_somebody_has_is_not_lost_because_a_later_word_came_first() {
        let part = Receipt::Part(crate::transfer::Part { digest: [6; 32], files: 0, bytes: 7 });
        let mut ann = offered(ANN, ANN, RoomKind::Open);
        let _ = ann.receipt(BOB, ID, Receipt::Accepted(Delay::Queued), Hlc(6));
        let _ = ann.receipt(BOB, ID, Receipt::Declined, Hlc(4));
        let _ = ann.receipt(BOB, ID, part, Hlc(5));
        assert_eq!(ann.get(ID).unwrap().receipts, [(BOB, part)]);
    }

    #[test]
    fn nobody_is_told_that_it_waits_who_paused_it() {
        let mut bob = offered(BOB, ANN, RoomKind::Open);
        let _ = bob.accept(ID, at(0)).unwrap();
        let _ = bob.held(ANN, ID, true, Hlc(1), at(0));
        assert_eq!(says(&mut bob, at(0)), []);
        assert_eq!(says(&mut bob, at(9)), []);
    }

    #[test]
    fn its_author_counts_it_as_an_answer_that_ends_nothing_and_older_words_do_not_come_back() {
        let accepted = Receipt::Accepted(Delay::Queued);
        let mut ann = offered(ANN, ANN, RoomKind::Direct(BOB));
        let _ = ann.receipt(BOB, ID, Receipt::Declined, Hlc(1));
        assert_eq!(state(&ann), TransferState::Declined);
        let _ = ann.receipt(BOB, ID, accepted, Hlc(2));
        assert_eq!(state(&ann), TransferState::Offered, "it was wanted after all");
        assert_eq!(ann.get(ID).unwrap().receipts, [(BOB, accepted)]);
        let received = Receipt::Received { digest: [7; 32] };
        let _ = ann.receipt(BOB, ID, received, Hlc(5));
        let _ = ann.receipt(BOB, ID, Receipt::Accepted(Delay::Paused), Hlc(4));
        assert_eq!((state(&ann), ann.get(ID).unwrap().receipts.len()), (TransferState::Done, 1));
        let _ = ann.receipt(BOB, ID, accepted, Hlc(6));
        assert_eq!(ann.get(ID).unwrap().receipts, [(BOB, received)], "what it has it has");
        let mut open = offered(ANN, ANN, RoomKind::Open);
        let _ = open.receipt(EVE, ID, Receipt::Cancelled, Hlc(9));
        let _ = open.receipt(EVE, ID, accepted, Hlc(8));
        assert_eq!(open.get(ID).unwrap().receipts, [(EVE, Receipt::Cancelled)]);
    }
}
