//! What the clocks of the others say, and what that says of this device's.

use std::time::Duration;

use super::{Heard, Peer, Presence};
use crate::model::{Instant, Now, PeerId, UnixMillis};
use crate::wire::datagram::Announcement;

/// What somebody's clock said when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    said: UnixMillis,
    at: Instant,
    /// Whether that one said so itself, just then; what is passed on is some minutes old.
    first_hand: bool,
}

impl Presence {
    /// What the clock of a device says now, as far as it is known.
    pub fn clock_of(&self, id: PeerId, now: Instant) -> Option<UnixMillis> {
        self.peers.get(&id)?.clock.map(|clock| clock.reading(now))
    }

    /// What the clock of a device says now, as it said itself, where that is far behind this device's.
    pub fn far_behind(&self, id: PeerId, now: Now) -> Option<UnixMillis> {
        let clock = self.peers.get(&id)?.clock.filter(|clock| clock.first_hand)?;
        let said = clock.reading(now.instant);
        (said.0.saturating_add(AGREED_MS.unsigned_abs()) < now.unix.0).then_some(said)
    }

    /// Whether the clocks of most who are here, as they say themselves, are within so much of this device's.
    pub fn bears_out(&self, now: Now, within: Duration) -> bool {
        are_near(&self.offsets(now, |_| true), within)
    }

    /// The same of those who were known before this run: whoever comes with made-up devices now has no say.
    pub fn known_bear_out(&self, now: Now, within: Duration) -> bool {
        are_near(&self.offsets(now, |peer| peer.known_before), within)
    }

    /// By how many milliseconds most clocks of those who are here are ahead of this device's, where that is much.
    pub fn clock_off(&self, now: Now) -> Option<i64> {
        let offsets = self.offsets(now, |_| true);
        offsets.get(offsets.len() / 2).copied().filter(|offset| offset.abs() > AGREED_MS)
    }

    /// What time it is where this device's clock is behind: that on which more agree than with this device. Only those count
    /// who were known before this run. That keeps out whoever comes with made-up devices now, but not one who did before, so
    /// it is followed no further than a clock is wrong by mistake: a day, or from before this program was to well after.
    pub fn later_time(&self, now: Now) -> Option<UnixMillis> {
        let offsets = self.offsets(now, |peer| peer.known_before);
        let ours = 1 + offsets.iter().filter(|offset| offset.abs() <= AGREED_MS).count();
        let group = |first: usize| {
            let end = offsets.partition_point(|offset| *offset <= offsets[first].saturating_add(AGREED_MS));
            (end - first, first)
        };
        let (most, first) = (0..offsets.len()).map(group).max_by_key(|(most, _)| *most)?;
        let offset = offsets[first + most / 2];
        let time = UnixMillis(now.unix.0.saturating_add_signed(offset));
        let credible = if now.unix < RELEASED { time < OUTLIVED } else { offset <= MAX_BEHIND_MS };
        (most > ours && offset > AGREED_MS && credible).then_some(time)
    }

    /// By how many milliseconds the clocks of those who are here are ahead of this device's, the least first.
    fn offsets(&self, now: Now, counts: impl Fn(&Peer) -> bool) -> Vec<i64> {
        let here = self.leases.keys().filter_map(|id| self.peers.get(id)).filter(|peer| counts(peer));
        let clocks = here.filter_map(|peer| peer.clock.filter(|clock| clock.first_hand));
        let mut offsets: Vec<i64> = clocks
            .map(|clock| {
                let theirs = i64::try_from(clock.reading(now.instant).0).unwrap_or(i64::MAX);
                theirs.saturating_sub(i64::try_from(now.unix.0).unwrap_or(i64::MAX))
            })
            .collect();
        offsets.sort_unstable();
        offsets
    }
}

impl Peer {
    pub(super) fn learn_clock(&mut self, said: &Announcement, from: Heard, at: Instant) {
        let first_hand = matches!(from, Heard::From(_));
        if first_hand || self.clock.is_none_or(|known| !known.first_hand) {
            self.clock = said.clock().map(|said| Clock { said, at, first_hand });
        }
    }
}

impl Clock {
    fn reading(&self, now: Instant) -> UnixMillis {
        let since = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        UnixMillis(self.said.0.saturating_add(since))
    }
}

/// Whether most of these are within so much.
fn are_near(offsets: &[i64], within: Duration) -> bool {
    let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
    let near = offsets.iter().filter(|offset| offset.abs() <= within).count();
    near > offsets.len() - near
}

/// Clocks that differ by no more agree, as far as the order of what is said goes.
const AGREED_MS: i64 = 10 * 60_000;
/// A clock that could be right is behind by no more than another time zone makes.
const MAX_BEHIND_MS: i64 = 26 * 3_600_000;
/// Before this program was, no clock was right: 2026-11-01.
pub(crate) const RELEASED: UnixMillis = UnixMillis(1_793_491_200_000);
/// Nor is one that says it is thirty years later.
const OUTLIVED: UnixMillis = UnixMillis(RELEASED.0 + 30 * 365 * 24 * 3_600_000);
