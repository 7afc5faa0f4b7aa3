//! What is to be said to a certain device over a sync connection: dialled for if there is none, kept open until answered.

use std::collections::{BTreeMap, BTreeSet};

use crate::effects::{Detour, Effects, Job};
use crate::model::{ConnId, Now, PeerId, RoomId, Token};
use crate::node::detours::Dialling;
use crate::node::probing::Found;
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
    /// Give a device what it is to keep for the other side of a direct conversation.
    Deposit(RoomId, PeerId),
    /// Ask it what of that it still keeps.
    AskKept(RoomId, PeerId),
    /// Tell it that it need not keep that any more.
    Release(RoomId, PeerId),
    /// Tell a device what is kept for it.
    HandOver(PeerId),
    /// Ask a device what it hears of this one.
    Probe(PeerId),
    /// Tell a device that hears nobody who this one is.
    Introduce(PeerId),
    /// Ask the device at which this one waits to pass a knock on.
    Knock(Token),
    /// Say that this one is in a call.
    Call(RoomId),
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

    /// Nothing comes of it any more. The connections that it was said on.
    pub(super) fn abandon(&mut self, errand: Errand) -> Vec<ConnId> {
        for errands in self.waiting.values_mut() {
            errands.remove(&errand);
        }
        let conns: Vec<ConnId> = self.under_way.keys().copied().collect();
        conns.into_iter().filter(|conn| self.done(*conn, errand)).collect()
    }

    pub(super) fn is_under_way(&self, errand: Errand) -> bool {
        self.waiting.values().chain(self.under_way.values()).any(|errands| errands.contains(&errand))
    }

    /// A device is being dialled for this.
    pub(super) fn wait(&mut self, peer: PeerId, errand: Errand) {
        self.waiting.entry(peer).or_default().insert(errand);
    }

    /// Whether a connection with a device is waited for.
    pub(super) fn wait_for(&self, peer: PeerId) -> bool {
        self.waiting.get(&peer).is_some_and(|errands| !errands.is_empty())
    }

    /// Until the connection is closed.
    pub(super) fn keep_exporter(&mut self, conn: ConnId, exporter: [u8; 32]) {
        self.exporters.insert(conn, exporter);
    }

    pub(super) fn exporter(&self, conn: ConnId) -> Option<[u8; 32]> {
        self.exporters.get(&conn).copied()
    }
}

impl Node {
    /// Goes about it now, or as soon as the device is connected; `None` if it cannot be reached.
    pub(super) fn go(&mut self, peer: PeerId, errand: Errand, now: Now) -> Option<Effects> {
        let connected = self.sessions.values().find(|session| session.peer == peer && !session.ending);
        if let Some(conn) = connected.map(|session| session.conn) {
            return Some(self.begin_errand(conn, peer, errand, now));
        }
        let addresses = reachable(&self.presence, peer)?;
        self.errands.wait(peer, errand);
        // Where a dial without detours is under way, one with detours follows if it fails.
        if self.dialling.contains_key(&peer) {
            return Some(Effects::default());
        }
        let detour = Detour::Allowed;
        self.dialling.insert(peer, Dialling { rooms: Vec::new(), detour });
        Some(Effects { run: vec![Job::Dial { peer, addresses, detour }], ..Effects::default() })
    }

    pub(super) fn errands_connected(&mut self, conn: ConnId, peer: PeerId, now: Now) -> Effects {
        let mut effects = Effects::default();
        for errand in self.errands.waiting.remove(&peer).unwrap_or_default() {
            effects.extend(self.begin_errand(conn, peer, errand, now));
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

    fn begin_errand(&mut self, conn: ConnId, peer: PeerId, errand: Errand, now: Now) -> Effects {
        let said = match errand {
            Errand::Join(room) => self.ask_to_join(conn, room),
            Errand::Keys(room) => self.ask_for_keys(conn, room),
            // Nothing is answered to a welcome: what the device then asks for is the answer.
            Errand::Welcome(room) => return self.welcome_unasked(conn, peer, room),
            Errand::Deposit(room, holder) => self.begin_deposit(conn, room, holder),
            Errand::AskKept(room, holder) => self.begin_asking(conn, room, holder, false),
            Errand::Release(room, holder) => self.begin_asking(conn, room, holder, true),
            Errand::HandOver(recipient) => self.begin_handing_over(conn, recipient, now),
            Errand::Probe(_) => self.ask_what_is_heard(conn),
            // What it does about that is its own affair.
            Errand::Introduce(_) => return self.say_who_is_here(conn, now),
            Errand::Knock(token) => return self.knock_on(conn, token),
            Errand::Call(room) => return self.say_call_on(conn, room),
        };
        if !said.is_empty() {
            self.errands.under_way.entry(conn).or_default().insert(errand);
        }
        said
    }

    fn errand_failed(&mut self, errand: Errand, now: Now) {
        match errand {
            Errand::Join(room) | Errand::Keys(room) | Errand::Welcome(room) => self.wake_private(room, now),
            Errand::Deposit(room, holder) | Errand::AskKept(room, holder) | Errand::Release(room, holder) => {
                self.mail.posting.failed(room, holder, now.instant);
                self.mail.wake(now.instant);
            }
            Errand::HandOver(recipient) => self.handing_failed(recipient, now),
            Errand::Probe(peer) => self.probing.answered(peer, Found::Unreachable),
            Errand::Introduce(_) | Errand::Knock(_) | Errand::Call(_) => {}
        }
    }
}
