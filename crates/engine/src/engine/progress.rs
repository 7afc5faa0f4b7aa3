//! How fast transfers move, told at most ten times a second.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use lanyard_proto::model::{PeerId, TransferId};

/// What moves right now, by transfer and the device at the other end.
#[derive(Default)]
pub struct ProgressBoard {
    moving: BTreeMap<(TransferId, PeerId), Moving>,
    changed: BTreeSet<(TransferId, PeerId)>,
}

/// What one device gets of a transfer.
#[derive(Clone, Copy, Debug)]
pub struct Moving {
    /// Bytes that it has, wherever they came from.
    pub moved: u64,
    pub bytes: u64,
    /// Bytes per second between the two devices, smoothed over about [`SMOOTHED`].
    pub rate: f64,
    /// Bytes that went from one to the other since the rate was last reckoned.
    crossed: u64,
    at: Instant,
}

impl ProgressBoard {
    /// So much of an incoming transfer is here.
    pub fn came(&mut self, transfer: TransferId, from: PeerId, moved: u64, bytes: u64) {
        let before = self.moving.get(&(transfer, from)).map_or(moved, |moving| moving.moved);
        self.note((transfer, from), moved, bytes, moved.saturating_sub(before), Instant::now());
    }

    /// A receiver has so much, of which `sent` bytes more went out of this device. What receivers give each other is no
    /// speed of this one.
    pub fn went(&mut self, transfer: TransferId, to: PeerId, moved: u64, bytes: u64, sent: u64) {
        self.note((transfer, to), moved, bytes, sent, Instant::now());
    }

    fn note(&mut self, key: (TransferId, PeerId), moved: u64, bytes: u64, crossed: u64, now: Instant) {
        let moving = match self.moving.entry(key) {
            Entry::Occupied(known) => {
                let moving = known.into_mut();
                moving.crossed += crossed;
                moving
            }
            // Nobody knows how long the first bytes took.
            Entry::Vacant(new) => new.insert(Moving { moved, bytes, rate: 0.0, crossed: 0, at: now }),
        };
        moving.moved = moved;
        let span = now - moving.at;
        if span >= SAMPLE {
            let rate = moving.crossed as f64 / span.as_secs_f64();
            let weight = (span.as_secs_f64() / SMOOTHED.as_secs_f64()).min(1.0);
            moving.rate = if moving.rate == 0.0 { rate } else { moving.rate + (rate - moving.rate) * weight };
            (moving.crossed, moving.at) = (0, now);
            self.changed.insert(key);
        } else if moved >= bytes {
            self.changed.insert(key);
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
            board.came(transfer, peer, 9, 9);
        }
        board.ended_with(one, ann);
        assert_eq!(board.of(one).map(|(peer, _)| peer).collect::<Vec<_>>(), [bob]);
        let told: Vec<_> = board.take_changed().into_iter().map(|(key, _)| key).collect();
        assert_eq!(told, [(one, bob), (other, ann)]);
    }

    #[test]
    fn the_rate_of_who_gives_is_what_goes_out_and_not_what_receivers_give_each_other() {
        let transfer = TransferId([1; 16]);
        let receivers = [1, 2, 3].map(|id| PeerId([id; 32]));
        let mut board = ProgressBoard::default();
        let start = Instant::now();
        // In each second every receiver gets 30 MB, 10 of them from here.
        for tenth in 0..=20u64 {
            let now = start + Duration::from_millis(100 * tenth);
            for receiver in receivers {
                board.note((transfer, receiver), 3_000_000 * tenth, u64::MAX, 1_000_000, now);
            }
        }
        let rates: Vec<f64> = board.of(transfer).map(|(_, moving)| moving.rate).collect();
        assert!(rates.iter().all(|rate| (9.9e6..10.1e6).contains(rate)), "{rates:?}");
        assert!(board.of(transfer).all(|(_, moving)| moving.moved == 60_000_000));
    }

    #[test]
    fn what_was_here_before_is_no_speed_of_an_incoming_transfer() {
        let (ann, transfer) = (PeerId([1; 32]), TransferId([1; 16]));
        let mut board = ProgressBoard::default();
        board.came(transfer, ann, 500, 1000);
        board.moving.values_mut().for_each(|moving| moving.at -= Duration::from_secs(1));
        board.came(transfer, ann, 600, 1000);
        let rate = board.rate(transfer);
        assert!((90..=100).contains(&rate), "{rate}");
    }
}
