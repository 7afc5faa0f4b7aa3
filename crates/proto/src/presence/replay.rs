//! Which datagrams of a sender were heard already.

/// The newest boot of a sender, and which of its last [`WINDOW`] counters were heard (as RFC 4303, section 3.4.3).
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    boot: u64,
    newest: u64,
    heard: [u64; WORDS],
    /// Up to this no other run is believed: its sender has said over TLS that it is in an older one.
    over: u64,
}

impl ReplayWindow {
    /// Everything up to `counter` of this boot counts as heard.
    pub fn starting_after(boot: u64, counter: u64) -> ReplayWindow {
        ReplayWindow { boot, newest: counter, heard: [u64::MAX; WORDS], over: 0 }
    }

    /// The sender has proven that it is in an older run than the newest that was heard: a copy of it ended, or it was put back
    /// to what it was. What was said in the runs between counts as heard.
    pub fn go_back(&mut self, boot: u64, counter: u64) {
        let over = self.over.max(self.boot);
        *self = ReplayWindow { over, ..ReplayWindow::starting_after(boot, counter) };
    }

    /// Whether this datagram was not heard before and is not too old to tell.
    pub fn is_fresh(&self, boot: u64, counter: u64) -> bool {
        if boot != self.boot {
            return boot > self.boot.max(self.over);
        }
        if counter > self.newest {
            return true;
        }
        self.newest - counter < WINDOW && self.heard[word(counter)] & bit(counter) == 0
    }

    /// Marks a datagram that was fresh as heard.
    pub fn mark(&mut self, boot: u64, counter: u64) {
        if boot > self.boot {
            *self = ReplayWindow { boot, newest: 0, heard: [0; WORDS], over: 0 };
        }
        if counter > self.newest {
            // Places that the window moves over were not heard yet.
            let skipped = (counter - self.newest).min(WINDOW);
            for between in (counter - (skipped - 1))..=counter {
                self.heard[word(between)] &= !bit(between);
            }
            self.newest = counter;
        }
        self.heard[word(counter)] |= bit(counter);
    }

    pub fn boot(&self) -> u64 {
        self.boot
    }

    pub fn newest(&self) -> u64 {
        self.newest
    }
}

fn word(counter: u64) -> usize {
    (counter % WINDOW / 64) as usize
}

fn bit(counter: u64) -> u64 {
    1 << (counter % 64)
}

/// Counters back from the newest that can still be told apart: more than any reordering on a LAN.
const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_older_boot_is_a_replay_and_a_newer_one_starts_afresh() {
        let mut window = ReplayWindow::starting_after(5, 100);
        assert!(!window.is_fresh(4, 1000));
        assert!(!window.is_fresh(5, 100) && !window.is_fresh(5, 3));
        assert!(window.is_fresh(5, 101) && window.is_fresh(6, 1));
        window.mark(6, 1);
        assert!(!window.is_fresh(6, 1) && window.is_fresh(6, 2) && !window.is_fresh(5, 2000));
    }

    #[test]
    fn who_goes_back_to_an_older_run_is_heard_again_and_nothing_of_the_runs_between() {
        let mut window = ReplayWindow::starting_after(9, 100);
        window.go_back(5, 20);
        assert!(window.is_fresh(5, 21) && !window.is_fresh(5, 20));
        window.mark(5, 21);
        for boot in [4, 6, 8, 9] {
            assert!(!window.is_fresh(boot, 1000), "{boot}");
        }
        window.go_back(7, 1);
        assert!(window.is_fresh(7, 2) && !window.is_fresh(9, 1000) && !window.is_fresh(5, 1000));
        assert!(window.is_fresh(10, 1));
        window.mark(10, 1);
        assert!(window.is_fresh(10, 2) && window.is_fresh(11, 1) && !window.is_fresh(9, 1000));
    }

    proptest! {
        #[test]
        fn nothing_is_heard_twice_and_nothing_recent_is_lost(counters in prop::collection::vec(1u64..3000, 1..400)) {
            let mut window = ReplayWindow::starting_after(1, 0);
            let mut heard = BTreeSet::new();
            let mut newest = 0;
            for counter in counters {
                let expected = !heard.contains(&counter) && (counter > newest || newest - counter < WINDOW);
                prop_assert_eq!(window.is_fresh(1, counter), expected);
                if expected {
                    window.mark(1, counter);
                    heard.insert(counter);
                    newest = newest.max(counter);
                }
            }
        }
    }
}
