//! Who was told what and when, and what it cost: what a run is judged by.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use lanyard_proto::effects::Effects;
use lanyard_proto::model::{EntryId, Instant, LogId, Now, RoomId, Seq};
use lanyard_proto::node::{Node, Refusal};
use lanyard_proto::wire::entry::Entry;

use super::air::FRAMING;
use super::{Lan, Who};

/// Everything that was said and what became of it.
#[derive(Default)]
pub struct Ledger {
    /// Off in stories, which look at what is shown instead.
    pub open: bool,
    pub said: Vec<Said>,
    /// When whoever heard of an entry was told of it.
    pub told: HashMap<EntryId, Vec<(Who, Instant)>>,
    told_once: HashSet<(EntryId, Who)>,
    /// Told a second time.
    pub doubled: u64,
}

/// A message as its author's device took it.
#[derive(Clone, Debug)]
pub struct Said {
    pub id: EntryId,
    pub author: Who,
    /// Where it stands.
    pub room: RoomId,
    pub log: LogId,
    pub seq: Seq,
    pub at: Instant,
}

/// What was multicast: datagrams, and bytes with everything around them, by kind and in all.
#[derive(Clone, Debug, Default)]
pub struct Spent {
    pub by_kind: BTreeMap<u8, (u64, u64)>,
    /// Bytes and datagrams in each second; those of presence apart.
    by_second: BTreeMap<u64, [(u64, u64); 2]>,
    pub streamed: u64,
}

impl Ledger {
    pub fn tell(&mut self, who: Who, id: EntryId, now: Instant) {
        if !self.open {
            return;
        }
        if self.told_once.insert((id, who)) {
            self.told.entry(id).or_default().push((who, now));
        } else {
            self.doubled += 1;
        }
    }
}

impl Spent {
    pub fn count(&mut self, datagram: &[u8], now: Instant) {
        let bytes = (datagram.len() + FRAMING) as u64;
        let of_kind = self.by_kind.entry(datagram[5]).or_default();
        (of_kind.0, of_kind.1) = (of_kind.0 + 1, of_kind.1 + bytes);
        let of_presence = usize::from(datagram[5] < FIRST_ROOM_KIND);
        let in_second = &mut self.by_second.entry(now.0 / 1_000_000).or_default()[of_presence];
        (in_second.0, in_second.1) = (in_second.0 + bytes, in_second.1 + 1);
    }

    /// Bytes multicast from one time to another, in whole seconds.
    pub fn bytes_between(&self, from: Instant, to: Instant) -> u64 {
        let seconds = from.0 / 1_000_000..=to.0 / 1_000_000;
        self.by_second.range(seconds).map(|(_, [rooms, presence])| rooms.0 + presence.0).sum()
    }

    pub fn announced_bytes_between(&self, from: Instant, to: Instant) -> u64 {
        let seconds = from.0 / 1_000_000..=to.0 / 1_000_000;
        self.by_second.range(seconds).map(|(_, [_, presence])| presence.0).sum()
    }

    pub fn most_announcements_in_a_second(&self) -> u64 {
        self.by_second.values().map(|[_, presence]| presence.1).max().unwrap_or_default()
    }

    /// Datagrams and bytes of these kinds.
    pub fn of(&self, kinds: std::ops::RangeInclusive<u8>) -> (u64, u64) {
        self.by_kind.range(kinds).fold((0, 0), |sum, (_, spent)| (sum.0 + spent.0, sum.1 + spent.1))
    }
}

impl Lan {
    /// Writes something and enters it in the ledger.
    pub fn for_the_record(
        &mut self,
        who: Who,
        write: impl FnOnce(&mut Node, Now) -> Result<(Arc<Entry>, Effects), Refusal>,
    ) -> Arc<Entry> {
        let mut written = None;
        self.command(who, |node, now| {
            let (entry, effects) = write(node, now).expect("can be written");
            written = Some(entry);
            effects
        });
        let entry = written.expect("was written");
        let (id, log, at) = (entry.id(), entry.log(), self.now);
        let (room, seq) = (entry.header.room, entry.header.seq);
        self.ledger.said.push(Said { id, author: who, room, log, seq, at });
        entry
    }

    /// Whether somebody has what was said on disk.
    pub fn has(&self, who: Who, said: &Said) -> bool {
        self.hosts[who.0].disk.entry(said.room, said.log, said.seq).is_some_and(|entry| entry.id() == said.id)
    }
}

/// Kinds below it speak of presence.
const FIRST_ROOM_KIND: u8 = 16;
