//! What is known of one room.

use crate::effects::RoomRecord;
use crate::model::{Hlc, LogId, PeerId, Seq, UnixMillis};
use crate::node::{Membership, Room};
use crate::rooms::{Content, RoomKind};
use crate::wire::entry::Entry;

impl Room {
    pub fn record(&self) -> &RoomRecord {
        &self.record
    }

    /// What an entry of this room says, as far as it can be read.
    pub fn read(&self, entry: &Entry) -> Content {
        self.open(entry).unwrap_or(Content::Unknown)
    }

    /// What the author of a message called itself when it was written.
    pub fn name_in(&self, entry: &Entry) -> Option<String> {
        Content::claimed_name(&self.keys.open_body(&entry.header, &entry.body)?)
    }

    /// Devices other than this one that are in the room, or were heard there if it is open.
    pub fn members(&self) -> Vec<PeerId> {
        match self.record.kind {
            RoomKind::Direct(peer) => vec![peer],
            RoomKind::Open => self.replica.members().collect(),
            RoomKind::Private => self.roles().map(|(peer, _)| peer).filter(|peer| *peer != self.me).collect(),
        }
    }

    /// Devices that have signed to hold an entry of this device; `None` for entries of others.
    pub fn holders(&self, entry: &Entry) -> Option<Vec<PeerId>> {
        (entry.header.author == self.me).then(|| self.holders_of(entry.log(), entry.header.seq))
    }

    /// Devices that have signed to hold the entry of a log of this device at `seq`.
    pub fn holders_of(&self, log: LogId, seq: Seq) -> Vec<PeerId> {
        self.replica.holders(log, seq).collect()
    }

    /// This device's log in the room.
    pub fn own_log(&self) -> LogId {
        self.replica.own_log()
    }

    /// Whether older entries of the room exist that are not here: not fetched yet, or no longer kept.
    pub fn is_partial(&self) -> bool {
        self.replica.is_partial()
    }

    /// Nothing before this is wanted.
    pub(super) fn wanted_since(&self, now: UnixMillis) -> Hlc {
        let kept = self.kept.map(|kept| u64::try_from(kept.as_millis()).unwrap_or(u64::MAX));
        kept.map_or(Hlc(0), |kept| Hlc::at(UnixMillis(now.0.saturating_sub(kept))))
    }

    pub(super) fn concerns(&self, peer: Option<PeerId>) -> bool {
        match (self.record.kind, peer) {
            (RoomKind::Direct(other), Some(peer)) => peer == other,
            (RoomKind::Private, Some(peer)) => self.is_open_to(peer),
            (RoomKind::Private, None) => self.membership() == Membership::Member || self.is_leaving(),
            _ => true,
        }
    }

    /// Whether a device may be given this room's entries.
    pub(super) fn is_open_to(&self, peer: PeerId) -> bool {
        match self.record.kind {
            RoomKind::Open => true,
            RoomKind::Direct(other) => peer == other,
            RoomKind::Private => {
                self.private.as_ref().is_some_and(|private| private.is_open_to(peer, self.me))
            }
        }
    }

    /// Whether a device may be asked for what it has of this room.
    pub(super) fn may_ask(&self, peer: PeerId) -> bool {
        match &self.private {
            Some(private) => private.may_ask(peer, self.me),
            None => self.is_open_to(peer),
        }
    }
}
