//! Of whom it is to be told that others are called as they are, or are no longer: many devices may change what many others
//! look like, as fast as they can send.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use lanyard_proto::model::PeerId;
use tokio::time::Instant;

use crate::engine::run::{Report, Run};

/// Who is to be told of, each once.
#[derive(Default)]
pub struct Warnings {
    due: BTreeSet<PeerId>,
    /// The last one that was told of: those behind it come next, so that nobody waits for ever.
    last: Option<PeerId>,
    told: Option<Instant>,
    is_waiting: bool,
}

/// What is to be done about it.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Tell(Vec<PeerId>),
    /// To look again after so long.
    Wait(Duration),
    Nothing,
}

impl Warnings {
    pub fn retain(&mut self, is_known: impl Fn(PeerId) -> bool) {
        self.due.retain(|peer| is_known(*peer));
    }

    fn next(&mut self, now: Instant) -> Next {
        if self.is_waiting || self.due.is_empty() {
            return Next::Nothing;
        }
        let rest = self.told.map_or(Duration::ZERO, |at| EVERY.saturating_sub(now.duration_since(at)));
        if !rest.is_zero() {
            self.is_waiting = true;
            return Next::Wait(rest);
        }
        self.told = Some(now);
        Next::Tell(std::iter::from_fn(|| self.take()).take(AT_ONCE).collect())
    }

    fn take(&mut self) -> Option<PeerId> {
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.due.range((behind, Bound::Unbounded)).next().or(self.due.first()).copied()?;
        self.last = Some(next);
        self.due.take(&next)
    }
}

impl Run {
    /// It is told soon how these are called, and who else is called so.
    pub fn warn_of(&mut self, peers: impl IntoIterator<Item = PeerId>) {
        self.trusting.warnings.due.extend(peers);
        self.warn();
    }

    /// It is time to tell of the next.
    pub fn warn_again(&mut self) {
        self.trusting.warnings.is_waiting = false;
        self.warn();
    }

    fn warn(&mut self) {
        loop {
            match self.trusting.warnings.next(Instant::now()) {
                Next::Tell(peers) => peers.into_iter().for_each(|peer| self.tell_changed(peer)),
                Next::Nothing => return,
                Next::Wait(rest) => {
                    let reports = self.reports.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(rest).await;
                        // The engine's task may have ended.
                        let _ = reports.send(Report::Warn).await;
                    });
                    return;
                }
            }
        }
    }
}

/// Between two times that is told; a window shows nothing faster that has to be read.
const EVERY: Duration = Duration::from_millis(500);
/// Devices that are told of at a time: far fewer than events that whoever listens may be behind.
const AT_ONCE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: usize) -> PeerId {
        PeerId([u8::try_from(number).unwrap(); 32])
    }

    #[test]
    fn each_device_is_told_of_once_and_few_at_a_time_however_often_others_take_its_name() {
        let (mut warnings, mut now) = (Warnings::default(), Instant::now());
        let mut told = Vec::new();
        while told.len() < 200 {
            for _ in 0..1000 {
                let left = (0..200).map(peer).filter(|peer| !told.contains(peer));
                warnings.due.extend(left);
                match warnings.next(now) {
                    Next::Tell(peers) => {
                        assert!(!peers.is_empty() && peers.len() <= AT_ONCE);
                        told.extend(peers);
                    }
                    Next::Wait(rest) => assert_eq!(rest, EVERY),
                    Next::Nothing => assert!(warnings.is_waiting || warnings.due.is_empty()),
                }
            }
            now += EVERY;
            warnings.is_waiting = false;
        }
        assert_eq!(told, (0..200).map(peer).collect::<Vec<_>>());
    }

    #[test]
    fn whoever_is_always_told_of_keeps_nobody_else_waiting() {
        let (mut warnings, mut now) = (Warnings::default(), Instant::now());
        warnings.due.insert(peer(200));
        for _ in 0..3 {
            warnings.due.extend((0..AT_ONCE * 2).map(peer));
            assert!(matches!(warnings.next(now), Next::Tell(_)));
            now += EVERY;
        }
        assert!(!warnings.due.contains(&peer(200)));
    }
}
