//! What a simulated host has on disk: every record that was committed, and nothing else.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use lanyard_proto::effects::{
    Loaded, LoadedLog, LoadedPrivate, LoadedRoom, PeerRecord, Record, RoomRecord, TransferRecord,
};
use lanyard_proto::model::{Hlc, LogId, PeerId, RoomId, SecretKey, Seq, TransferId, UnixMillis};
use lanyard_proto::rooms::{RoomKind, Standing, is_deed};
use lanyard_proto::wire::entry::{Entry, log_id};

/// Entries in the order of their log, and when each arrived.
type Log = Vec<(Arc<Entry>, UnixMillis)>;

#[derive(Default)]
pub struct Disk {
    rooms: BTreeMap<RoomId, RoomRecord>,
    logs: BTreeMap<(RoomId, LogId), Log>,
    peers: BTreeMap<PeerId, PeerRecord>,
    covered: BTreeMap<(RoomId, PeerId, LogId), Seq>,
    transfers: BTreeMap<TransferId, TransferRecord>,
    standing: BTreeMap<RoomId, Standing>,
    keys: Vec<(RoomId, u32, SecretKey)>,
    boot: u64,
    log_nonce: u64,
    forgot: bool,
    clock: Hlc,
}

impl Disk {
    pub fn commit(&mut self, record: &Record) {
        match record {
            Record::Room(room) => {
                self.rooms.insert(room.id, room.clone());
            }
            Record::RoomLeft(room) => {
                self.rooms.remove(room);
                self.logs.retain(|(of, _), _| of != room);
                self.covered.retain(|(of, ..), _| of != room);
                self.standing.remove(room);
                self.keys.retain(|(of, ..)| of != room);
                self.forgot = true;
            }
            Record::Entry { room, entry, own, arrived } => {
                let log = self.logs.entry((*room, entry.log())).or_default();
                assert_eq!(entry.header.seq.0, log.len() as u64 + 1, "an entry continues its log");
                assert_eq!(entry.header.prev, log.last().map_or([0; 32], |(last, _)| last.id().0));
                log.push((entry.clone(), *arrived));
                if *own {
                    self.clock = self.clock.max(entry.header.hlc);
                }
            }
            Record::Peer(peer) => {
                self.peers.insert(peer.id, peer.clone());
            }
            Record::Covered { room, peer, log, seq } => {
                let covered = self.covered.entry((*room, *peer, *log)).or_default();
                *covered = (*covered).max(*seq);
            }
            Record::Transfer(transfer) => {
                self.transfers.insert(transfer.id, transfer.clone());
            }
            Record::Standing { room, standing } => {
                self.standing.insert(*room, standing.clone());
            }
            Record::Key { room, epoch, key } => self.keys.push((*room, *epoch, key.clone())),
        }
    }

    pub fn load(&mut self, me: PeerId, unix_ms: u64) -> Loaded {
        self.boot = unix_ms.max(self.boot + 1);
        // Where the logs of a forgotten room ended is not known any more: as the store does, begin others.
        self.log_nonce += u64::from(std::mem::take(&mut self.forgot));
        let log_nonce = self.log_nonce;
        let own = log_id(me, log_nonce);
        let rooms = self.rooms.values().map(|record| LoadedRoom {
            record: record.clone(),
            logs: self
                .logs
                .iter()
                .filter(|((room, _), _)| *room == record.id)
                .filter_map(|(_, log)| head(log))
                .collect(),
            covered: self
                .covered
                .iter()
                .filter(|((room, _, log), _)| *room == record.id && *log == own)
                .map(|((_, peer, _), seq)| (*peer, *seq))
                .collect(),
            recent: self.entries(record.id).into_iter().rev().take(64).rev().collect(),
            private: (record.kind == RoomKind::Private).then(|| self.private(record.id)),
        });
        Loaded {
            boot: self.boot,
            log_nonce,
            clock: self.clock,
            rooms: rooms.collect(),
            peers: self.peers.values().cloned().collect(),
            transfers: self.transfers.values().cloned().collect(),
        }
    }

    fn private(&self, room: RoomId) -> LoadedPrivate {
        let keys = self.keys.iter().filter(|(of, ..)| *of == room);
        LoadedPrivate {
            standing: self.standing.get(&room).cloned().unwrap_or(Standing::Inside),
            keys: keys.map(|(_, epoch, key)| (*epoch, key.clone())).collect(),
            deeds: self.entries(room).into_iter().filter(|entry| is_deed(entry.header.kind)).collect(),
        }
    }

    /// Entries of a room that were sealed in one of these epochs.
    pub fn of_epochs(&self, room: RoomId, epochs: &[u32]) -> Vec<(Arc<Entry>, UnixMillis)> {
        let logs = self.logs.iter().filter(|((of, _), _)| *of == room).flat_map(|(_, log)| log.iter());
        logs.filter(|(entry, _)| epochs.contains(&entry.header.epoch)).cloned().collect()
    }

    /// All entries of a room in the order in which they are shown.
    pub fn entries(&self, room: RoomId) -> Vec<Arc<Entry>> {
        let logs = self.logs.iter().filter(|((of, _), _)| *of == room);
        let mut entries: Vec<_> = logs.flat_map(|(_, log)| log.iter().cloned()).collect();
        entries
            .sort_by_key(|(entry, arrived)| (place(entry, *arrived), entry.header.author, entry.header.seq));
        entries.into_iter().map(|(entry, _)| entry).collect()
    }

    pub fn ranges(&self, room: RoomId, wanted: &[(LogId, RangeInclusive<u64>)]) -> Vec<Arc<Entry>> {
        let ranges = wanted.iter().filter_map(|(log, range)| Some((self.logs.get(&(room, *log))?, range)));
        let entries = ranges
            .flat_map(|(log, range)| log.iter().filter(|(entry, _)| range.contains(&entry.header.seq.0)));
        entries.map(|(entry, _)| entry.clone()).collect()
    }
}

fn head(log: &[(Arc<Entry>, UnixMillis)]) -> Option<LoadedLog> {
    let (last, _) = log.last()?;
    let (author, nonce) = (last.header.author, last.header.nonce);
    Some(LoadedLog { author, nonce, head: last.header.seq, head_id: last.id() })
}

/// Entries from a future that is too far are shown where they arrived.
fn place(entry: &Entry, arrived: UnixMillis) -> Hlc {
    let too_far = arrived.0 + 600_000;
    if entry.header.hlc.unix().0 > too_far { Hlc::at(arrived) } else { entry.header.hlc }
}
