//! Rests between tries.

use std::time::Duration;

use crate::model::Instant;

/// Something that is tried again after longer and longer rests.
#[derive(Clone, Copy, Default)]
pub(super) struct Retry {
    at: Option<Instant>,
    tries: u32,
}

impl Retry {
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| at <= now)
    }

    /// Not again before a rest, which doubles from `first` to `most`.
    pub(super) fn rest(&mut self, first: Duration, most: Duration, now: Instant) {
        self.at = Some(now + first.saturating_mul(1 << self.tries.min(16)).min(most));
        self.tries = self.tries.saturating_add(1);
    }

    /// Not again before this.
    pub(super) fn wait(&mut self, span: Duration, now: Instant) {
        self.at = Some(now + span);
    }

    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }
}
