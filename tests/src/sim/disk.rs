//! What a simulated host has on disk: every record that was committed, and nothing else.

use std::collections::BTreeMap;
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
use lanyard_proto::rooms::{RoomKind, Standing, is_deed};
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
            Record::Entry { room, entry, own, arrived } => {
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
            Record::Run { room, entries, place, arrived } => {
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
            Record::Hold { .. }
            | Record::Unhold { .. }
            | Record::Taken { .. }
            | Record::TakenForgotten { .. }
            | Record::Kept(_)
            | Record::Outlast => {}
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
        entries
            .sort_by_key(|(entry, arrived)| (place(entry, *arrived), entry.header.author, entry.header.seq));
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

/// Entries from a future that is too far are shown where they arrived.
fn place(entry: &Entry, arrived: UnixMillis) -> Hlc {
    let too_far = arrived.0 + 600_000;
    if entry.header.hlc.unix().0 > too_far { Hlc::at(arrived) } else { entry.header.hlc }
}
