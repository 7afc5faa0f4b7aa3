//! Entries that do not fit one datagram, in pieces: which are to be sent, and which have come.
//!
//! A piece names its entry by place and id, so that pieces of whoever holds the entry fit together. Nothing is believed
//! of a piece: what they make together is decoded and verified like any entry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::log::cache::Cache;
use crate::model::{Instant, LogId, PeerId, Seq};
use crate::pacing::Dice;
use crate::wire::datagram::{FRAGMENT_BYTES, Fragment, MAX_FRAGMENTS};
use crate::wire::entry::Entry;

type Place = (LogId, Seq);

#[derive(Default)]
pub struct Fragments {
    outgoing: BTreeMap<Place, Outgoing>,
    /// By place and beginning of the id: a piece that lies about its entry stands in nobody's way.
    incoming: BTreeMap<(Place, [u8; 8]), Incoming>,
}

struct Outgoing {
    /// The pieces to send, as bits.
    wanted: u16,
    asked: Instant,
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// This device wrote it.
    New,
    Repair,
}

struct Incoming {
    pieces: Vec<Option<Vec<u8>>>,
    /// Who sent the first of them.
    from: PeerId,
    since: Instant,
}

impl Fragments {
    /// Whether an entry is small enough to travel in pieces.
    pub fn can_carry(entry: &Entry) -> bool {
        entry.len_in_room() <= MAX_FRAGMENTS * FRAGMENT_BYTES
    }

    /// Sends these pieces of an entry; `None` means all of them.
    pub fn want(&mut self, entry: &Entry, pieces: Option<u16>, purpose: Purpose, now: Instant) {
        let all = all_of(count_of(entry));
        let place = (entry.log(), entry.header.seq);
        if self.outgoing.len() < MAX_OUTGOING || self.outgoing.contains_key(&place) {
            let outgoing = self.outgoing.entry(place).or_insert(Outgoing { wanted: 0, asked: now, purpose });
            outgoing.wanted |= pieces.unwrap_or(all) & all;
            outgoing.asked = now;
        }
    }

    /// Whether an own entry still has pieces to be sent for the first time.
    pub fn has(&self, purpose: Purpose) -> bool {
        self.outgoing.values().any(|outgoing| outgoing.purpose == purpose)
    }

    /// The next piece to send.
    pub fn next(
        &mut self,
        purpose: Purpose,
        cache: &Cache,
        now: Instant,
        dice: &mut Dice,
    ) -> Option<Fragment> {
        self.outgoing.retain(|(log, seq), outgoing| {
            outgoing.wanted != 0
                && cache.get(*log, *seq).is_some()
                && (outgoing.purpose == Purpose::New || now.since(outgoing.asked) < REPAIR_ENDS)
        });
        let (place, outgoing) = self.outgoing.iter_mut().find(|(_, outgoing)| outgoing.purpose == purpose)?;
        let entry = cache.get(place.0, place.1)?;
        let wanted: Vec<u8> = (0..16).filter(|index| outgoing.wanted & (1 << index) != 0).collect();
        // Whoever repairs the same begins elsewhere.
        let chosen = match purpose {
            Purpose::New => 0,
            Purpose::Repair => (dice.fraction() * wanted.len() as f64) as usize,
        };
        let index = *wanted.get(chosen)?;
        outgoing.wanted &= !(1 << index);
        let bytes = entry.encode_in_room().chunks(FRAGMENT_BYTES).nth(usize::from(index))?.to_vec();
        let fragment = Fragment {
            log: place.0,
            seq: place.1,
            id: beginning(entry),
            index,
            count: count_of(entry),
            bytes,
        };
        let place = *place;
        if self.outgoing.get(&place).is_some_and(|outgoing| outgoing.wanted == 0) {
            self.outgoing.remove(&place);
        }
        Some(fragment)
    }

    /// Takes a piece; the whole entry, unverified, if it was the last one that lacked.
    pub fn take(&mut self, from: PeerId, said: Fragment, now: Instant) -> Option<Vec<u8>> {
        self.incoming.retain(|_, incoming| now.since(incoming.since) < ASSEMBLY_ENDS);
        let key = ((said.log, said.seq), said.id);
        if !self.incoming.contains_key(&key) {
            let by_sender = self.incoming.values().filter(|incoming| incoming.from == from).count();
            if by_sender >= MAX_INCOMING_OF_SENDER || self.incoming.len() >= MAX_INCOMING {
                return None;
            }
            let pieces = vec![None; usize::from(said.count)];
            self.incoming.insert(key, Incoming { pieces, from, since: now });
        }
        let incoming = self.incoming.get_mut(&key)?;
        if incoming.pieces.len() != usize::from(said.count) {
            return None;
        }
        incoming.pieces.get_mut(usize::from(said.index))?.get_or_insert(said.bytes);
        if incoming.pieces.iter().any(Option::is_none) {
            return None;
        }
        let whole = self.incoming.remove(&key)?;
        Some(whole.pieces.into_iter().flatten().flatten().collect())
    }

    /// A piece was multicast by somebody: it need not be repaired now.
    pub fn heard(&mut self, said: &Fragment) {
        if let Some(outgoing) = self.outgoing.get_mut(&(said.log, said.seq))
            && outgoing.purpose == Purpose::Repair
        {
            outgoing.wanted &= !(1u16 << said.index.min(15));
        }
    }

    /// The pieces that an entry lacks of which some have come, as bits.
    pub fn missing(&self, place: Place) -> Option<u16> {
        let (_, incoming) = self.incoming.range((place, [0; 8])..=(place, [0xFF; 8])).next()?;
        let lacking = incoming.pieces.iter().enumerate().filter(|(_, piece)| piece.is_none());
        Some(lacking.fold(0, |bits, (index, _)| bits | 1 << index))
    }

    /// The entry is here, whichever way it came.
    pub fn arrived(&mut self, place: Place) {
        self.incoming.retain(|(waiting, _), _| *waiting != place);
    }

    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.incoming.len()
    }
}

fn beginning(entry: &Arc<Entry>) -> [u8; 8] {
    core::array::from_fn(|i| entry.id().0[i])
}

fn count_of(entry: &Entry) -> u8 {
    entry.len_in_room().div_ceil(FRAGMENT_BYTES).min(MAX_FRAGMENTS) as u8
}

fn all_of(count: u8) -> u16 {
    ((1u32 << count) - 1) as u16
}

/// Entries of which pieces wait to be sent.
const MAX_OUTGOING: usize = 16;
/// Entries of which some pieces have come, of one sender and in all: 138 KiB for each room.
const MAX_INCOMING_OF_SENDER: usize = 4;
const MAX_INCOMING: usize = 16;
/// Pieces that nobody completes are let go.
const ASSEMBLY_ENDS: Duration = Duration::from_secs(30);
/// Pieces that were asked for and could not be sent for so long are no longer wanted: all of an entry take two thirds
/// of a second.
const REPAIR_ENDS: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, Verifier};
    use crate::model::{Hlc, RoomId};
    use crate::wire::entry::{Header, Unverified};

    const ROOM: RoomId = RoomId([9; 32]);
    const NOW: Instant = Instant(0);

    fn entry(seed: u8, body: usize) -> Arc<Entry> {
        let author = Identity::from_seed(&[seed; 32]);
        let header = Header {
            room: ROOM,
            author: author.peer_id(),
            nonce: 1,
            epoch: 0,
            seq: Seq(1),
            prev: [0; 32],
            hlc: Hlc(1),
            deps: vec![],
            kind: 1,
        };
        Arc::new(Entry::write(&author, header, vec![seed; body]))
    }

    fn pieces(entry: &Arc<Entry>) -> Vec<Fragment> {
        let mut cache = Cache::default();
        cache.insert(entry.clone(), None);
        let (mut fragments, mut dice) = (Fragments::default(), Dice::seeded([1; 32]));
        fragments.want(entry, None, Purpose::Repair, NOW);
        std::iter::from_fn(|| fragments.next(Purpose::Repair, &cache, NOW, &mut dice)).collect()
    }

    #[test]
    fn pieces_of_several_holders_in_any_order_make_the_entry() {
        let entry = entry(1, 8000);
        let mut fragments = Fragments::default();
        let mut whole = None;
        for (n, piece) in pieces(&entry).into_iter().enumerate() {
            assert!(whole.is_none());
            whole = fragments.take(PeerId([n as u8; 32]), piece, NOW);
        }
        let read = Unverified::decode_in_room(ROOM, &whole.unwrap()).unwrap();
        assert_eq!(read.verify(&Verifier::default()).unwrap(), *entry);
        assert_eq!(fragments.held(), 0);
    }

    #[test]
    fn only_what_lacks_is_asked_for_and_sent() {
        let entry = entry(1, 2000);
        let sent = pieces(&entry);
        let mut fragments = Fragments::default();
        assert_eq!(fragments.take(PeerId([2; 32]), sent[0].clone(), NOW), None);
        let lacking = fragments.missing((entry.log(), Seq(1))).unwrap();
        assert_eq!(lacking.count_ones(), 2);
        let (mut cache, mut dice) = (Cache::default(), Dice::seeded([1; 32]));
        cache.insert(entry.clone(), None);
        let mut holder = Fragments::default();
        holder.want(&entry, Some(lacking), Purpose::Repair, NOW);
        holder.heard(&sent[1]);
        let repaired = holder.next(Purpose::Repair, &cache, NOW, &mut dice).unwrap();
        assert_eq!(repaired, sent[2], "what somebody else repaired is not repaired again");
        assert_eq!(holder.next(Purpose::Repair, &cache, NOW, &mut dice), None);
    }

    #[test]
    fn nobody_fills_the_memory_with_pieces() {
        let mut fragments = Fragments::default();
        for n in 0..100u8 {
            let mut piece = pieces(&entry(1, 2000))[0].clone();
            piece.seq = Seq(u64::from(n) + 1);
            let _ = fragments.take(PeerId([7; 32]), piece, NOW);
        }
        assert_eq!(fragments.held(), MAX_INCOMING_OF_SENDER);
        for n in 0..100u8 {
            let mut piece = pieces(&entry(1, 2000))[0].clone();
            piece.seq = Seq(u64::from(n) + 1000);
            let _ = fragments.take(PeerId([n; 32]), piece, NOW);
        }
        assert_eq!(fragments.held(), MAX_INCOMING);
        let late = NOW + ASSEMBLY_ENDS;
        let _ = fragments.take(PeerId([7; 32]), pieces(&entry(1, 2000))[0].clone(), late);
        assert_eq!(fragments.held(), 1, "what nobody completed is let go");
    }

    #[test]
    fn a_piece_that_lies_about_its_entry_stands_in_nobodys_way() {
        let entry = entry(1, 2000);
        let mut fragments = Fragments::default();
        for mut lie in pieces(&entry) {
            lie.id = [0xEE; 8];
            lie.bytes = vec![0; 10];
            lie.count = 9;
            assert_eq!(fragments.take(PeerId([6; 32]), lie, NOW), None);
        }
        let whole =
            pieces(&entry).into_iter().filter_map(|piece| fragments.take(PeerId([5; 32]), piece, NOW));
        assert_eq!(whole.count(), 1);
    }
}
