//! Who was told what and when, and what it cost: what a run is judged by.

use std::collections::{BTreeMap, HashMap, HashSet};

use lanyard_proto::model::{EntryId, Instant};

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
    pub text: String,
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
    /// How often anybody was told of something for the first time.
    pub fn told_in_all(&self) -> u64 {
        self.told_once.len() as u64
    }

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
    /// Says something in the lobby and enters it in the ledger.
    pub fn say_for_the_record(&mut self, who: Who, text: &str) {
        let (room, at) = (self.lobby(), self.now);
        let mut said = None;
        // The ledger knows of it before anybody can be told.
        self.command(who, |node, now| {
            let (entry, effects) = node.say(room, text, now).expect("can be said");
            said = Some(entry.id());
            effects
        });
        let id = said.expect("was said");
        self.ledger.said.push(Said { id, author: who, text: text.to_owned(), at });
    }
}

/// Kinds below it speak of presence.
const FIRST_ROOM_KIND: u8 = 16;
