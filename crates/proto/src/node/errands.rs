//! What is to be said to a certain device over a sync connection: dialled for if there is none, kept open until answered.

use std::collections::{BTreeMap, BTreeSet};

use crate::effects::{Effects, Job};
use crate::model::{ConnId, Now, PeerId, RoomId};
use crate::node::{Node, reachable};

/// Why a device is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Errand {
    /// Ask to be let into a private room.
    Join(RoomId),
    /// Ask for keys of a private room.
    Keys(RoomId),
    /// Tell a device that it was let into a private room.
    Welcome(RoomId),
}

#[derive(Default)]
pub(super) struct Errands {
    /// For devices that are being dialled.
    waiting: BTreeMap<PeerId, BTreeSet<Errand>>,
    /// Said, and not answered.
    under_way: BTreeMap<ConnId, BTreeSet<Errand>>,
    /// What only the two ends of each connection know.
    exporters: BTreeMap<ConnId, [u8; 32]>,
}

impl Errands {
    /// Whether a connection is still needed.
    pub(super) fn keep(&self, conn: ConnId) -> bool {
        self.under_way.contains_key(&conn)
    }

    /// The answer came. Whether it was waited for.
    pub(super) fn done(&mut self, conn: ConnId, errand: Errand) -> bool {
        let Some(errands) = self.under_way.get_mut(&conn) else { return false };
        let done = errands.remove(&errand);
        if errands.is_empty() {
            self.under_way.remove(&conn);
        }
        done
    }

    pub(super) fn is_under_way(&self, errand: Errand) -> bool {
        self.waiting.values().chain(self.under_way.values()).any(|errands| errands.contains(&errand))
    }

    pub(super) fn exporter(&self, conn: ConnId) -> Option<[u8; 32]> {
        self.exporters.get(&conn).copied()
    }
}

impl Node {
    /// Goes about it now, or as soon as the device is connected; `None` if it cannot be reached.
    pub(super) fn go(&mut self, peer: PeerId, errand: Errand) -> Option<Effects> {
        let connected = self.sessions.values().find(|session| session.peer == peer && !session.ending);
        if let Some(conn) = connected.map(|session| session.conn) {
            return Some(self.begin_errand(conn, peer, errand));
        }
        let addresses = reachable(&self.presence, peer)?;
        let dialled = self.dialling.contains_key(&peer);
        self.dialling.entry(peer).or_default();
        self.errands.waiting.entry(peer).or_default().insert(errand);
        let run = if dialled { Vec::new() } else { vec![Job::Dial { peer, addresses }] };
        Some(Effects { run, ..Effects::default() })
    }

    pub(super) fn errands_connected(&mut self, conn: ConnId, peer: PeerId, exporter: [u8; 32]) -> Effects {
        self.errands.exporters.insert(conn, exporter);
        let mut effects = Effects::default();
        for errand in self.errands.waiting.remove(&peer).unwrap_or_default() {
            effects.extend(self.begin_errand(conn, peer, errand));
        }
        effects
    }

    pub(super) fn errands_unreachable(&mut self, peer: PeerId, now: Now) {
        for errand in self.errands.waiting.remove(&peer).unwrap_or_default() {
            self.errand_failed(errand, now);
        }
    }

    pub(super) fn errands_closed(&mut self, conn: ConnId, now: Now) {
        self.errands.exporters.remove(&conn);
        for errand in self.errands.under_way.remove(&conn).unwrap_or_default() {
            self.errand_failed(errand, now);
        }
    }

    fn begin_errand(&mut self, conn: ConnId, peer: PeerId, errand: Errand) -> Effects {
        let said = match errand {
            Errand::Join(room) => self.ask_to_join(conn, room),
            Errand::Keys(room) => self.ask_for_keys(conn, room),
            // Nothing is answered to a welcome: what the device then asks for is the answer.
            Errand::Welcome(room) => return self.welcome_unasked(conn, peer, room),
        };
        if !said.is_empty() {
            self.errands.under_way.entry(conn).or_default().insert(errand);
        }
        said
    }

    fn errand_failed(&mut self, errand: Errand, now: Now) {
        let (Errand::Join(room) | Errand::Keys(room) | Errand::Welcome(room)) = errand;
        self.wake_private(room, now);
    }
}
