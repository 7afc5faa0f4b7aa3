//! Logs that contradict themselves, and copies of this device.
//!
//! Whoever writes two logs under one name, a restored or copied profile above all, is found out by whoever sees both.
//! The two headers prove it to everybody: the log ends there, and its author goes on in another one.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::effects::{Effects, Event, Fork, Job, Record};
use crate::log::{Contradicting, NO_ENTRY};
use crate::model::{LogId, Now, PeerId, RoomId, UnixMillis};
use crate::node::{Node, Room};
use crate::rooms::Content;
use crate::wire::datagram::Unverified;
use crate::wire::entry::{Entry, Signed, log_id};

impl Node {
    /// An entry contradicts what is here: the entry that is here is needed to prove it.
    pub(super) fn contradicted(&mut self, room: RoomId, found: Contradicting) -> Effects {
        let log = found.entry.log();
        let known = self.rooms.get(&room).is_none_or(|held| held.replica.is_forked(log));
        if known || self.contradictions.len() >= MAX_OPEN || self.contradictions.contains_key(&(room, log)) {
            return Effects::default();
        }
        self.contradictions.insert((room, log), Signed::of(&found.entry));
        Effects { run: vec![Job::Recall { room, log, seq: found.at }], ..Effects::default() }
    }

    pub(super) fn recalled(&mut self, entry: Option<Arc<Entry>>, now: Now) -> Effects {
        // What is no longer here proves nothing; it will be noticed again where it is.
        let Some(entry) = entry else {
            self.contradictions.clear();
            return Effects::default();
        };
        let (room, log) = (entry.header.room, entry.log());
        let Some(other) = self.contradictions.remove(&(room, log)) else { return Effects::default() };
        let headers = [Signed::of(&entry), other];
        if !headers[0].contradicts(&headers[1]) {
            return Effects::default();
        }
        let mut effects = self.forked(room, &headers, now);
        if !effects.is_empty()
            && let Ok((_, written)) = self.write(room, &Content::Fork(Box::new(headers)), now)
        {
            effects.extend(written);
        }
        effects
    }

    /// Somebody has written two headers that prove it, or says so. Nothing if it is known, or not true.
    pub(super) fn forked(&mut self, room: RoomId, headers: &[Signed; 2], now: Now) -> Effects {
        let mut effects = Effects::default();
        let author = headers[0].header.author;
        let log = log_id(author, headers[0].header.nonce);
        let proven = headers[0].header.room == room
            && headers[0].contradicts(&headers[1])
            && headers.iter().all(|signed| signed.is_genuine(&self.verifier));
        let Some(held) = self.rooms.get_mut(&room).filter(|_| proven) else { return effects };
        // Where one names the other's twin as the one before it, they part at the lower of the two.
        let from = headers.iter().map(|signed| signed.header.seq).min();
        let fork = Fork { log, author: Some(author), from };
        if !held.replica.fork(fork) {
            return effects;
        }
        effects.commit.push(Record::Forked { room, fork });
        let from = headers[0].header.seq.min(headers[1].header.seq);
        let less = held.replica.uncover(log, from);
        if !less.is_empty() {
            let covered = less.into_iter().map(|(peer, held)| Record::Covered { room, peer, log, held });
            effects.commit.extend(covered);
            effects.tell.push(Event::Covered { room });
        }
        effects.tell.push(Event::Forked { room, fork });
        if log == held.replica.own_log() {
            effects.extend(self.begin_other_logs(room, log, now));
        }
        effects
    }

    /// This device's log is not its own alone, and none of the others is, since a copy of it writes them as well. Copies
    /// of one machine may draw the same numbers: what is mixed in is what they differ in.
    fn begin_other_logs(&mut self, room: RoomId, log: LogId, now: Now) -> Effects {
        let drawn: [u8; 32] = self.dice.bytes();
        let branch = self.rooms.get(&room).map(|held| held.replica.head_id(log));
        let mut hash = Sha256::new_with_prefix(drawn);
        hash.update(branch.unwrap_or(NO_ENTRY).0);
        hash.update(now.unix.0.to_be_bytes());
        hash.update(now.instant.0.to_be_bytes());
        let mut effects = Effects::default();
        for (id, held) in &mut self.rooms {
            let digest = hash.clone().chain_update(id.0).finalize();
            held.record.nonce = u64::from_be_bytes(core::array::from_fn(|i| digest[i]));
            held.replica.begin_log(log_id(self.me, held.record.nonce));
            effects.commit.push(Record::Room(held.record.clone()));
        }
        effects
    }

    /// A datagram with this device's own key. One that it has not sent, and will not, comes from a copy of it.
    pub(super) fn own_datagram(&mut self, datagram: Unverified<'_>, now: Now) -> Effects {
        let claimed = datagram.envelope();
        if self.cloned.is_some() || (claimed.boot, claimed.counter) <= (self.boot, self.counter) {
            return Effects::default();
        }
        if datagram.verify(&self.verifier).is_err() {
            return Effects::default();
        }
        self.cloned = Some(now.unix);
        for room in self.rooms.values_mut() {
            room.replica.insist();
        }
        let (commit, tell) = (vec![Record::Cloned(self.cloned)], vec![Event::Cloned]);
        Effects { commit, tell, ..Effects::default() }
    }

    /// Since when a copy of this device is known of, if one is.
    pub fn cloned(&self) -> Option<UnixMillis> {
        self.cloned
    }

    /// A person says that no copy of this device runs any more. If one is heard again, that is told again.
    pub fn settle_clone(&mut self) -> Effects {
        if self.cloned.take().is_none() {
            return Effects::default();
        }
        Effects { commit: vec![Record::Cloned(None)], tell: vec![Event::Cloned], ..Effects::default() }
    }
}

impl Room {
    /// Devices of which a log here contradicts itself, in the order of their ids.
    pub fn forked(&self) -> Vec<PeerId> {
        let mut authors: Vec<PeerId> = self.replica.forks().filter_map(|fork| fork.author).collect();
        authors.sort_unstable();
        authors.dedup();
        authors
    }

    /// Whether others may have another entry in the place of this one, since its author's log contradicts itself.
    pub fn is_disputed(&self, entry: &Entry) -> bool {
        self.replica.is_disputed(entry)
    }
}

/// Contradictions that are being looked into.
const MAX_OPEN: usize = 64;
