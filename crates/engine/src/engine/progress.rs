//! How fast transfers move, told at most ten times a second.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use lanyard_proto::model::{PeerId, TransferId};

/// What moves right now, by transfer and the device at the other end.
#[derive(Default)]
pub struct ProgressBoard {
    moving: BTreeMap<(TransferId, PeerId), Moving>,
    changed: BTreeSet<(TransferId, PeerId)>,
}

/// One stream of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Moving {
    pub moved: u64,
    pub bytes: u64,
    /// Bytes per second, smoothed over about [`SMOOTHED`].
    pub rate: f64,
    at: Instant,
}

impl ProgressBoard {
    pub fn moved(&mut self, transfer: TransferId, peer: PeerId, moved: u64, bytes: u64) {
        let now = Instant::now();
        let moving =
            self.moving.entry((transfer, peer)).or_insert(Moving { moved, bytes, rate: 0.0, at: now });
        let span = now - moving.at;
        if span >= SAMPLE {
            let rate = moved.saturating_sub(moving.moved) as f64 / span.as_secs_f64();
            let weight = (span.as_secs_f64() / SMOOTHED.as_secs_f64()).min(1.0);
            moving.rate = if moving.rate == 0.0 { rate } else { moving.rate + (rate - moving.rate) * weight };
            (moving.moved, moving.at) = (moved, now);
            self.changed.insert((transfer, peer));
        } else if moved >= bytes {
            moving.moved = moved;
            self.changed.insert((transfer, peer));
        }
    }

    /// Nothing of this transfer moves any more.
    pub fn ended(&mut self, transfer: TransferId) {
        self.moving.retain(|(of, _), _| *of != transfer);
        self.changed.retain(|(of, _)| *of != transfer);
    }

    /// Nothing of this transfer moves to or from this device any more.
    pub fn ended_with(&mut self, transfer: TransferId, peer: PeerId) {
        self.moving.remove(&(transfer, peer));
        self.changed.remove(&(transfer, peer));
    }

    /// Bytes per second of a transfer, to or from everybody; of what came to a halt nothing.
    pub fn rate(&self, transfer: TransferId) -> u64 {
        let now = Instant::now();
        let of = self.moving.iter().filter(|((of, _), moving)| *of == transfer && now - moving.at < HALTED);
        of.map(|(_, moving)| moving.rate as u64).sum()
    }

    pub fn is_dirty(&self) -> bool {
        !self.changed.is_empty()
    }

    /// What changed since the last call.
    pub fn take_changed(&mut self) -> Vec<((TransferId, PeerId), Moving)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|key| self.moving.get(&key).map(|moving| (key, *moving))).collect()
    }

    /// Everybody at the other end of a transfer that moves.
    pub fn of(&self, transfer: TransferId) -> impl Iterator<Item = (PeerId, Moving)> {
        self.moving
            .iter()
            .filter(move |((of, _), _)| *of == transfer)
            .map(|((_, peer), moving)| (*peer, *moving))
    }
}

/// Shorter spans say more about buffers than about the link.
const SAMPLE: Duration = Duration::from_millis(100);
const SMOOTHED: Duration = Duration::from_secs(2);
/// So long after the last bytes there is no rate any more.
const HALTED: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ended_moves_no_longer_and_the_others_still_do() {
        let [ann, bob] = [PeerId([1; 32]), PeerId([2; 32])];
        let [one, other] = [TransferId([1; 16]), TransferId([2; 16])];
        let mut board = ProgressBoard::default();
        for (transfer, peer) in [(one, ann), (one, bob), (other, ann)] {
            board.moved(transfer, peer, 9, 9);
        }
        board.ended_with(one, ann);
        assert_eq!(board.of(one).map(|(peer, _)| peer).collect::<Vec<_>>(), [bob]);
        let told: Vec<_> = board.take_changed().into_iter().map(|(key, _)| key).collect();
        assert_eq!(told, [(one, bob), (other, ann)]);
    }
}
