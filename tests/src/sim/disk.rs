//! What a simulated host has on disk: every record that was committed, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use lanyard_proto::effects::{
    Fork, Interval, Loaded, LoadedLog, LoadedPrivate, LoadedRoom, PeerRecord, Place, Record, RoomRecord,
    TransferRecord, Trust,
};
use lanyard_proto::model::{
    EntryId, Hlc, LogId, PeerId, RoomId, SecretKey, Seq, Span, TransferId, UnixMillis,
};
use lanyard_proto::pacing::Dice;
use lanyard_proto::rooms::{Came, Retold, RoomKind, Standing, is_deed, is_message, places};
use lanyard_proto::wire::entry::Entry;

use super::mail::{Shelf, a_frame_of};

/// The entries of a log by their place, and when each arrived.
#[derive(Clone, Default)]
struct Log {
    entries: BTreeMap<u64, (Arc<Entry>, UnixMillis)>,
    /// The newest that ever was here.
    head: Option<Arc<Entry>>,
    /// What is at or below is not wanted.
    floor: Seq,
    /// It is shown, and nothing else is known of it.
    closed: bool,
}

#[derive(Clone, Default)]
pub struct Disk {
    rooms: BTreeMap<RoomId, RoomRecord>,
    logs: BTreeMap<(RoomId, LogId), Log>,
    peers: BTreeMap<PeerId, PeerRecord>,
    covered: BTreeMap<(RoomId, PeerId, LogId), Span>,
    transfers: BTreeMap<TransferId, TransferRecord>,
    standing: BTreeMap<RoomId, Standing>,
    keys: Vec<(RoomId, u32, SecretKey)>,
    deeds: BTreeMap<(RoomId, EntryId), Arc<Entry>>,
    boot: u64,
    forked: BTreeMap<(RoomId, LogId), Fork>,
    cloned: Option<UnixMillis>,
    clock: Hlc,
    /// What time it certainly was once. Nothing is given up by age here, so only who tries that sets it.
    pub(super) certain: UnixMillis,
    /// Where each entry is shown.
    stands: BTreeMap<EntryId, Stand>,
    pub(super) mail: Shelf,
}

impl Disk {
    pub fn commit(&mut self, record: &Record) {
        self.mail.commit(record);
        match record {
            Record::Room(room) => {
                self.rooms.insert(room.id, room.clone());
            }
            Record::RoomLeft(room) => {
                self.rooms.remove(room);
                self.forked.retain(|(of, _), _| of != room);
                self.logs.retain(|(of, _), _| of != room);
                self.covered.retain(|(of, ..), _| of != room);
                self.standing.remove(room);
                self.keys.retain(|(of, ..)| of != room);
                self.deeds.retain(|(of, _), _| of != room);
            }
            Record::Entry { room, entry, own, arrived, theirs } => {
                self.stand(
                    *room,
                    std::slice::from_ref(entry),
                    Came { theirs: *theirs, ..Came::at(*arrived) },
                );
                let log = self.open(*room, entry.log());
                let (seq, id) =
                    log.head.as_ref().map_or((0, [0; 32]), |head| (head.header.seq.0, head.id().0));
                assert_eq!(
                    (entry.header.seq.0, entry.header.prev),
                    (seq + 1, id),
                    "an entry continues its log"
                );
                log.insert(entry, *arrived);
                self.note_deed(*room, entry);
                if *own {
                    self.clock = entry.header.hlc;
                }
            }
            Record::Closed { room, log } => {
                if let Some(log) = self.logs.get_mut(&(*room, *log)) {
                    log.closed = true;
                }
            }
            Record::Forked { room, fork } => {
                assert!(self.forked.insert((*room, fork.log), *fork).is_none(), "a fork is found once");
            }
            Record::Cloned(since) => self.cloned = *since,
            Record::Peer(peer) => {
                self.peers.insert(peer.id, peer.clone());
            }
            Record::PeerForgotten(peer) => drop(self.peers.remove(peer)),
            Record::Run { room, entries, place, arrived, theirs } => {
                self.stand(*room, entries, Came { theirs: *theirs, ..Came::at(*arrived) });
                let (first, last) = (&entries[0], &entries[entries.len() - 1]);
                let log = self.open(*room, first.log());
                let head = log.head.as_ref().map_or(0, |head| head.header.seq.0);
                match place {
                    Place::Head => panic!("what continues a log is committed one by one"),
                    Place::Ahead => assert!(first.header.seq.0 > head + 1, "there is a hole below"),
                    Place::Below => {
                        let above = &log.entries[&(last.header.seq.0 + 1)].0;
                        assert_eq!(above.header.prev, last.id().0, "what is above names what is below");
                    }
                }
                for entry in entries {
                    log.insert(entry, *arrived);
                }
                entries.iter().for_each(|entry| self.note_deed(*room, entry));
            }
            Record::Forget { room, log, to } => {
                let log = self.logs.entry((*room, *log)).or_default();
                log.entries.retain(|seq, _| *seq > to.0);
                log.floor = log.floor.max(*to);
            }
            Record::Covered { room, peer, log, held } => {
                self.covered.insert((*room, *peer, *log), *held);
            }
            Record::Transfer(transfer) => {
                self.transfers.insert(transfer.id, transfer.clone());
            }
            Record::TransferForgotten(transfer) => drop(self.transfers.remove(transfer)),
            Record::Standing { room, standing } => {
                self.standing.insert(*room, standing.clone());
            }
            Record::Deed { room, entry } => self.note_deed(*room, entry),
            Record::DeedsGone { room, entries } => {
                for entry in entries {
                    self.deeds.remove(&(*room, *entry));
                }
            }
            Record::Key { room, epoch, key } => self.keys.push((*room, *epoch, key.clone())),
            Record::KeyGone { room, epoch, key } => {
                self.keys.retain(|(of, at, kept)| (of, at, &kept.0) != (room, epoch, &key.0));
            }
            Record::ClockSetBack(now) => self.set_back(*now),
            Record::Hold { .. }
            | Record::Unhold { .. }
            | Record::Taken { .. }
            | Record::TakenForgotten { .. }
            | Record::Kept(_)
            | Record::Outlast => {}
        }
    }

    /// Decides where entries are shown, as the store of a real device does.
    fn stand(&mut self, room: RoomId, entries: &[Arc<Entry>], came: Came) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        let here = self.logs.get(&(room, first.log())).filter(|log| !log.closed);
        let is_message = |entry: &&(Arc<Entry>, UnixMillis)| is_message(entry.0.header.kind);
        let place = |(entry, _): &(Arc<Entry>, UnixMillis)| self.stands[&entry.id()].place;
        let before = here.and_then(|log| {
            log.entries.range(..first.header.seq.0).map(|(_, entry)| entry).rfind(is_message).map(place)
        });
        let behind = here.and_then(|log| {
            log.entries.range(last.header.seq.0 + 1..).map(|(_, entry)| entry).find(is_message).map(place)
        });
        let places = places(entries, Came { between: (before, behind), ..came });
        for (entry, place) in entries.iter().zip(places) {
            let number = self.stands.len();
            self.stands.insert(entry.id(), Stand { number, place, arrived: came.arrived });
        }
    }

    /// What stands in the future gets the place that it would have had.
    fn set_back(&mut self, now: UnixMillis) {
        let mut order: Vec<EntryId> = self.stands.keys().copied().collect();
        order.sort_by_key(|id| self.stands[id].number);
        let first = order.iter().position(|id| self.stands[id].place.unix() > now).unwrap_or(order.len());
        let entries: BTreeMap<EntryId, Arc<Entry>> = self
            .logs
            .values()
            .flat_map(|log| log.entries.values().map(|(entry, _)| (entry.id(), entry.clone())))
            .collect();
        let said = |id: &EntryId| entries.get(id).map(|entry| entry.header.hlc.unix());
        let Some(wrong) = order.get(first).map(|id| self.stands[id].arrived) else { return };
        let mut retold = match first.checked_sub(1).map(|before| &self.stands[&order[before]]) {
            Some(Stand { arrived, place, .. }) => Retold::behind(*arrived, *place, now),
            None => {
                let last = &self.stands[&order[order.len() - 1]];
                let known = order.iter().find(|id| said(id).is_some_and(|said| said <= now));
                let at = known.and_then(said).unwrap_or(now);
                Retold::from_first(wrong, known.map_or(last, |id| &self.stands[id]).arrived, at, now)
            }
        };
        let own: BTreeSet<u64> = self.rooms.values().map(|room| room.nonce).collect();
        let mut lasts: BTreeMap<RoomId, Hlc> = BTreeMap::new();
        for (n, id) in order.iter().enumerate() {
            let Some(entry) = entries.get(id) else { continue };
            let entry = entry.as_ref();
            let Stand { place, arrived, .. } = self.stands[id];
            let last = lasts.entry(entry.header.room).or_insert(Hlc(0));
            if n >= first {
                let came = retold.next(arrived, entry.header.hlc);
                if place.unix() > now {
                    let log = &self.logs[&(entry.header.room, entry.log())].entries;
                    let later = log.range(entry.header.seq.0 + 1..).map(|(_, (entry, _))| entry.id());
                    let behind = later.map(|id| &self.stands[&id]).find(|later| later.number < n);
                    let behind = behind.map(|later| later.place).filter(|place| place.unix() <= now);
                    let own = own.contains(&entry.header.nonce);
                    let told = retold.place(&entry.header, own, came, *last, behind);
                    assert!(behind.is_some() || told > *last, "in the order of arrival");
                    assert!(told.unix() <= now, "nothing is told later than now");
                    self.stands.get_mut(id).expect("it was there").place = told;
                }
            }
            *last = (*last).max(self.stands[id].place);
        }
    }

    /// A log that was closed and comes back begins anew.
    fn open(&mut self, room: RoomId, log: LogId) -> &mut Log {
        let log = self.logs.entry((room, log)).or_default();
        if log.closed {
            *log = Log::default();
        }
        log
    }

    /// What was put back must not go on with logs that went on elsewhere.
    pub fn begin_other_logs(&mut self, dice: &mut Dice) {
        for room in self.rooms.values_mut() {
            room.nonce = u64::from_be_bytes(dice.bytes());
        }
    }

    /// The latest time at which anything stands.
    pub(super) fn latest(&self) -> UnixMillis {
        self.stands.values().map(|stand| stand.place.unix()).max().unwrap_or_default()
    }

    pub fn load(&mut self, unix_ms: u64) -> Loaded {
        self.boot = unix_ms.max(self.boot + 1);
        let rooms = self.rooms.values().map(|record| LoadedRoom {
            record: record.clone(),
            logs: self
                .logs
                .iter()
                .filter(|((room, _), _)| *room == record.id)
                .filter_map(|(_, log)| log.load())
                .collect(),
            forked: self
                .forked
                .iter()
                .filter(|((room, _), _)| *room == record.id)
                .map(|(_, fork)| *fork)
                .collect(),
            covered: self
                .covered
                .iter()
                .filter(|((room, ..), _)| *room == record.id)
                .map(|((_, peer, log), held)| (*peer, *log, *held))
                .collect(),
            recent: self.entries(record.id).into_iter().rev().take(64).rev().collect(),
            private: (record.kind == RoomKind::Private).then(|| self.private(record.id)),
        });
        Loaded {
            boot: self.boot,
            clock: self.clock,
            certain: Some(self.certain),
            latest: self.latest(),
            cloned: self.cloned,
            rooms: rooms.collect(),
            peers: self.peers.values().cloned().collect(),
            transfers: self.transfers.values().cloned().collect(),
            mail: self.mail.load(),
        }
    }

    fn private(&self, room: RoomId) -> LoadedPrivate {
        LoadedPrivate {
            standing: self.standing.get(&room).cloned().unwrap_or(Standing::Inside),
            keys: self.keys_of(room),
            deeds: self
                .deeds
                .iter()
                .filter(|((of, _), _)| *of == room)
                .map(|(_, deed)| deed.clone())
                .collect(),
        }
    }

    /// Entries of a room that were sealed in one of these epochs.
    pub fn of_epochs(&self, room: RoomId, epochs: &[u32]) -> Vec<(Arc<Entry>, UnixMillis)> {
        let logs =
            self.logs.iter().filter(|((of, _), _)| *of == room).flat_map(|(_, log)| log.entries.values());
        logs.filter(|(entry, _)| epochs.contains(&entry.header.epoch)).cloned().collect()
    }

    fn note_deed(&mut self, room: RoomId, entry: &Arc<Entry>) {
        if is_deed(entry.header.kind) {
            self.deeds.insert((room, entry.id()), entry.clone());
        }
    }

    pub fn keys_of(&self, room: RoomId) -> Vec<(u32, SecretKey)> {
        let keys = self.keys.iter().filter(|(of, ..)| *of == room);
        keys.map(|(_, epoch, key)| (*epoch, key.clone())).collect()
    }

    pub fn deeds_of(&self, room: RoomId, ids: &[EntryId]) -> Vec<Arc<Entry>> {
        ids.iter().filter_map(|id| self.deeds.get(&(room, *id)).cloned()).collect()
    }

    /// Gives up what is here of each log of a room but its newest entries. What was given up, and its last entry.
    pub fn give_up(&mut self, room: RoomId, keep: usize) -> Vec<(LogId, Seq, EntryId)> {
        let mut given_up = Vec::new();
        for ((_, id), log) in self.logs.iter_mut().filter(|((of, _), _)| *of == room) {
            let surplus = log.entries.len().saturating_sub(keep);
            let Some((to, to_id)) =
                log.entries.values().take(surplus).next_back().map(|(e, _)| (e.header.seq, e.id()))
            else {
                continue;
            };
            log.entries.retain(|seq, _| *seq > to.0);
            log.floor = log.floor.max(to);
            given_up.push((*id, to, to_id));
        }
        given_up
    }

    /// All entries of a room in the order in which they are shown.
    pub fn entries(&self, room: RoomId) -> Vec<Arc<Entry>> {
        let logs = self.logs.iter().filter(|((of, _), _)| *of == room);
        let mut entries: Vec<_> = logs.flat_map(|(_, log)| log.entries.values().cloned()).collect();
        entries.sort_by_key(|(entry, _)| {
            (self.stands[&entry.id()].place, entry.header.author, entry.header.seq)
        });
        entries.into_iter().map(|(entry, _)| entry).collect()
    }

    pub fn entry(&self, room: RoomId, log: LogId, seq: Seq) -> Option<Arc<Entry>> {
        let log = self.logs.get(&(room, log))?;
        log.entries.get(&seq.0).map(|(entry, _)| entry.clone())
    }

    /// From the next start on nothing is wanted of this device.
    pub fn block(&mut self, peer: PeerId) {
        if let Some(record) = self.peers.get_mut(&peer) {
            record.trust = Trust::Blocked;
        }
    }

    /// The beginning of a span of a log, as much as a frame holds.
    pub fn beginning(&self, room: RoomId, log: LogId, span: Span) -> Vec<Arc<Entry>> {
        let log = self.logs.get(&(room, log));
        a_frame_of(log.into_iter().flat_map(|log| log.entries.values().map(|(e, _)| e.clone())), span)
    }

    /// As they are served: each range from its end to its beginning in frames of so many, each in its order.
    pub fn ranges(&self, room: RoomId, wanted: &[(LogId, RangeInclusive<u64>)], frame: usize) -> Frames {
        let mut frames = Frames::new();
        for (log, range) in wanted.iter().filter(|(_, range)| !range.is_empty()) {
            let Some(log) = self.logs.get(&(room, *log)) else { continue };
            let entries: Vec<_> =
                log.entries.range(range.clone()).map(|(_, (entry, _))| entry.clone()).collect();
            frames.extend(entries.rchunks(frame).map(<[_]>::to_vec));
        }
        frames
    }
}

type Frames = Vec<Vec<Arc<Entry>>>;

impl Log {
    fn insert(&mut self, entry: &Arc<Entry>, arrived: UnixMillis) {
        let twin = self.entries.insert(entry.header.seq.0, (entry.clone(), arrived));
        assert!(twin.is_none(), "an entry is committed once");
        if self.head.as_ref().is_none_or(|head| head.header.seq < entry.header.seq) {
            self.head = Some(entry.clone());
        }
    }

    fn load(&self) -> Option<LoadedLog> {
        let newest = self.head.as_ref().filter(|_| !self.closed)?;
        let mut intervals: Vec<Interval> = Vec::new();
        for (entry, _) in self.entries.values() {
            let (seq, id) = (entry.header.seq, entry.id());
            match intervals.last_mut().filter(|last| last.head.next() == seq) {
                Some(last) => (last.head, last.head_id) = (seq, id),
                None => intervals.push(Interval {
                    base: Seq(seq.0 - 1),
                    base_id: EntryId(entry.header.prev),
                    head: seq,
                    head_id: id,
                }),
            }
        }
        if intervals.is_empty() {
            let (seq, id) = (newest.header.seq, newest.id());
            intervals.push(Interval { base: seq, base_id: id, head: seq, head_id: id });
        }
        let oldest = intervals.last().and_then(|top| self.entries.get(&top.base.next().0));
        Some(LoadedLog {
            author: newest.header.author,
            nonce: newest.header.nonce,
            intervals,
            floor: self.floor,
            oldest: oldest.map_or(Hlc(0), |(entry, _)| entry.header.hlc),
            newest: newest.header.hlc,
        })
    }
}

/// Where an entry is shown.
#[derive(Clone)]
struct Stand {
    /// In the order of arrival.
    number: usize,
    place: Hlc,
    arrived: UnixMillis,
}
