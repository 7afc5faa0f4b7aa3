//! Catching up over TCP, and passing on over connections that stand because multicast may not reach.

use std::net::SocketAddr;

use crate::effects::{Direction, Effects, Job, Transmit};
use crate::log::{Next, Received, Session};
use crate::model::{ConnId, LogId, Now, PeerId, RoomId, Seq};
use crate::node::{Dropped, Entries, Node, Room, reachable};
use crate::pacing::earliest;
use crate::wire::datagram::Query;
use crate::wire::frame::{ENTRIES_BYTES, Frame};

impl Node {
    pub(super) fn connected(
        &mut self,
        conn: ConnId,
        peer: PeerId,
        remote: SocketAddr,
        direction: Direction,
        standing: bool,
        exporter: [u8; 32],
        now: Now,
    ) -> Effects {
        // Those who dialled end what they dialled for; what the other side dialled is the other side's to end.
        let dialled_for = match direction {
            Direction::Dialled => self.dialling.remove(&peer).unwrap_or_default(),
            Direction::Accepted => Vec::new(),
        };
        let of_peer = self.sessions.values().filter(|session| session.peer == peer).count();
        let crowded = self.sessions.len() >= MAX_SESSIONS || of_peer >= MAX_SESSIONS_OF_PEER;
        if direction == Direction::Accepted && crowded {
            return Effects { run: vec![Job::HangUp { conn }], ..Effects::default() };
        }
        let reached = (direction == Direction::Dialled).then_some(remote);
        let mut effects = self.presence.proven(peer, reached, now);
        let session = Session::new(conn, peer, remote, direction, standing);
        effects.send.push(frame(conn, &session.hello()));
        self.sessions.insert(conn, session);
        for room in dialled_for {
            effects.extend(self.ask(conn, room));
        }
        effects.extend(self.errands_connected(conn, peer, exporter));
        if standing {
            effects.extend(self.begin_standing(conn, now));
        }
        effects.extend(self.hang_up_if_idle(conn));
        effects
    }

    pub(super) fn dial_failed(&mut self, peer: PeerId, now: Now) -> Effects {
        for room in self.dialling.remove(&peer).unwrap_or_default() {
            self.pull_ended(room, peer, false, now);
        }
        self.errands_unreachable(peer, now);
        Effects::default()
    }

    pub(super) fn closed(&mut self, conn: ConnId, now: Now) -> Effects {
        if let Some(session) = self.sessions.remove(&conn) {
            for room in session.unfinished() {
                self.pull_ended(room, session.peer, false, now);
            }
        }
        self.errands_closed(conn, now);
        if !self.sessions.values().any(|session| session.standing) {
            self.remind_at = None;
        }
        Effects::default()
    }

    pub(super) fn frame(&mut self, conn: ConnId, bytes: &[u8], now: Now) -> Effects {
        let Some(session) = self.sessions.get_mut(&conn) else { return Effects::default() };
        let (peer, greeted) = (session.peer, session.is_greeted());
        match (Frame::decode(bytes), greeted) {
            (Ok(Some(Frame::Hello(hello))), false) => {
                let standing_before = session.standing;
                if !session.greet(hello) {
                    return self.hang_up(conn);
                }
                if hello.standing && !standing_before {
                    return self.begin_standing(conn, now);
                }
                Effects::default()
            }
            (Err(_), _) | (Ok(_), false) => {
                self.count(Dropped::Frame, 1);
                self.hang_up(conn)
            }
            (Ok(Some(frame)), true) => self.known_frame(conn, peer, frame, now),
            (Ok(None), true) => Effects::default(),
        }
    }

    fn known_frame(&mut self, conn: ConnId, peer: PeerId, said: Frame, now: Now) -> Effects {
        match said {
            Frame::Have { room, logs } => self.have(conn, peer, room, &logs, now),
            Frame::Entries { room, entries } => {
                // Whoever was asked is listened to: who may write is another question.
                let asked = self.sessions.get(&conn).is_some_and(|session| session.has_asked(room));
                if !self.rooms.get(&room).is_some_and(|held| asked || held.is_open_to(peer)) {
                    return Effects::default();
                }
                let entries = self.admit(room, entries);
                let Some(held) = self.rooms.get_mut(&room) else { return Effects::default() };
                let received = held.replica.fetched(peer, &entries, now.instant, &mut self.dice);
                let forged = received.refused > 0 && received.appended.is_empty();
                let mut effects = self.absorb(room, peer, received, now);
                if forged {
                    // Nothing of it was worth the work.
                    effects.extend(self.hang_up(conn));
                }
                let ping = self.sessions.get_mut(&conn).and_then(|session| session.heard(now.instant));
                effects.send.extend(ping.map(|ping| frame(conn, &ping)));
                effects
            }
            Frame::Done { room } => {
                let Some(session) = self.sessions.get_mut(&conn) else { return Effects::default() };
                if session.done(room) {
                    self.pull_ended(room, peer, true, now);
                }
                self.hang_up_if_idle(conn)
            }
            Frame::Announcements(datagrams) => {
                let Some(remote) = self.sessions.get(&conn).map(|session| session.remote) else {
                    return Effects::default();
                };
                let mut effects = Effects::default();
                for datagram in datagrams {
                    effects.extend(self.datagram(remote, &datagram, now));
                }
                effects
            }
            Frame::Door(door) => self.door(conn, peer, door, now),
            Frame::Hello(_) | Frame::Ping => Effects::default(),
        }
    }

    fn have(
        &mut self,
        conn: ConnId,
        peer: PeerId,
        room: RoomId,
        theirs: &[(LogId, Seq)],
        now: Now,
    ) -> Effects {
        let mut effects = Effects::default();
        if !theirs.is_empty() {
            effects.extend(self.room_with(room, peer, now));
        }
        let present = self.presence.is_online(peer);
        let (wanted, behind, covered) = match self.rooms.get_mut(&room).filter(|held| held.is_open_to(peer)) {
            Some(Room { replica, .. }) => {
                (replica.beyond(theirs), replica.is_behind(theirs), replica.covered_by(peer, present, theirs))
            }
            None => (self.beyond_for_former(room, peer, theirs), false, None),
        };
        if behind {
            effects.extend(self.ask(conn, room));
        }
        if let Some(session) = self.sessions.get_mut(&conn) {
            let next = session.serve(room, wanted);
            effects.extend(act(conn, next));
        }
        let received = Received { covered, ..Received::default() };
        effects.extend(self.absorb(room, peer, received, now));
        effects
    }

    pub(super) fn served(&mut self, conn: ConnId) -> Effects {
        let Some(session) = self.sessions.get_mut(&conn) else { return Effects::default() };
        let (done, next) = session.served();
        let mut effects =
            Effects { send: done.iter().map(|done| frame(conn, done)).collect(), ..Effects::default() };
        effects.extend(act(conn, next));
        effects.extend(self.hang_up_if_idle(conn));
        effects
    }

    /// Rooms that should catch up ask whoever can be reached.
    pub(super) fn start_pulls(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let due: Vec<(RoomId, Vec<PeerId>)> = self
            .rooms
            .iter()
            .map(|(id, room)| (*id, room.replica.pull_candidates(now.instant)))
            .filter(|(_, candidates)| !candidates.is_empty())
            .collect();
        for (room, candidates) in due {
            effects.extend(self.start_pull(room, &candidates, now));
        }
        // A reason to catch up without anybody to ask waits like a failed try.
        for room in self.rooms.values_mut().filter(|room| room.replica.is_pull_overdue(now.instant)) {
            room.replica.pull_postponed(now.instant);
        }
        effects
    }

    fn start_pull(&mut self, room: RoomId, candidates: &[PeerId], now: Now) -> Effects {
        for peer in candidates {
            let connected = self
                .sessions
                .values()
                .find(|session| session.peer == *peer && !session.ending)
                .map(|session| session.conn);
            let addresses = reachable(&self.presence, *peer);
            if connected.is_none() && addresses.is_none() {
                continue;
            }
            if let Some(held) = self.rooms.get_mut(&room) {
                held.replica.pull_started(*peer, now.instant);
            }
            return match (connected, addresses) {
                (Some(conn), _) => self.ask(conn, room),
                (None, addresses) => self.dial(*peer, room, addresses.unwrap_or_default()),
            };
        }
        if let Some(held) = self.rooms.get_mut(&room) {
            held.replica.pull_postponed(now.instant);
        }
        Effects::default()
    }

    fn dial(&mut self, peer: PeerId, room: RoomId, addresses: Vec<SocketAddr>) -> Effects {
        let dialled = self.dialling.contains_key(&peer);
        self.dialling.entry(peer).or_default().push(room);
        let run = if dialled { Vec::new() } else { vec![Job::Dial { peer, addresses }] };
        Effects { run, ..Effects::default() }
    }

    pub(super) fn ask(&mut self, conn: ConnId, room: RoomId) -> Effects {
        let (Some(session), Some(held)) = (self.sessions.get_mut(&conn), self.rooms.get(&room)) else {
            return Effects::default();
        };
        if !held.may_ask(session.peer) {
            return Effects::default();
        }
        let asked = session.ask(room, held.replica.have());
        Effects { send: asked.iter().map(|asked| frame(conn, asked)).collect(), ..Effects::default() }
    }

    fn pull_ended(&mut self, room: RoomId, from: PeerId, success: bool, now: Now) {
        if let Some(held) = self.rooms.get_mut(&room) {
            held.replica.pull_ended(from, success, now.instant, &mut self.dice);
        }
    }

    /// A connection that stays: both sides tell of themselves and of every room that they share.
    fn begin_standing(&mut self, conn: ConnId, now: Now) -> Effects {
        let announcement = self.announcement(Query::No);
        let mut effects = Effects::default();
        effects.send.push(frame(conn, &Frame::Announcements(vec![announcement])));
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for room in rooms {
            effects.extend(self.ask(conn, room));
        }
        self.remind_at = earliest(self.remind_at, Some(now.instant + REMIND));
        effects
    }

    /// Standing connections are told again and again what is here: it is their digest.
    pub(super) fn remind(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        if self.remind_at.is_none_or(|at| at > now.instant) {
            return effects;
        }
        self.remind_at = Some(now.instant + REMIND);
        let standing: Vec<ConnId> = self.sessions.values().filter(|s| s.standing).map(|s| s.conn).collect();
        for conn in standing {
            let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
            for room in rooms {
                effects.extend(self.ask(conn, room));
            }
        }
        effects
    }

    pub(super) fn announce_on_links(&self, datagram: &[u8]) -> Effects {
        let said = Frame::Announcements(vec![datagram.to_vec()]);
        let standing = self.sessions.values().filter(|session| session.standing && session.is_greeted());
        Effects { send: standing.map(|session| frame(session.conn, &said)).collect(), ..Effects::default() }
    }

    /// New entries go at once to everybody on a standing connection, but not back to where they came from.
    pub(super) fn pass_on(&self, room: RoomId, entries: &Entries, from: Option<PeerId>) -> Effects {
        let mut effects = Effects::default();
        let Some(held) = self.rooms.get(&room).filter(|_| !entries.is_empty()) else { return effects };
        let to = self.sessions.values().filter(|session| {
            session.standing
                && session.is_greeted()
                && Some(session.peer) != from
                && held.is_open_to(session.peer)
        });
        for session in to {
            for batch in batches(entries) {
                effects.send.push(frame(session.conn, &Frame::Entries { room, entries: batch }));
            }
        }
        effects
    }

    /// What a device that was put out of a private room may still fetch: what was there when it was.
    fn beyond_for_former(
        &self,
        room: RoomId,
        peer: PeerId,
        theirs: &[(LogId, Seq)],
    ) -> Vec<(LogId, std::ops::RangeInclusive<u64>)> {
        let Some(Room { replica, private: Some(private), .. }) = self.rooms.get(&room) else {
            return Vec::new();
        };
        let beyond = replica.beyond(theirs).into_iter().filter_map(|(log, range)| {
            let last = private.may_fetch(peer, log)?.0.min(*range.end());
            (*range.start() <= last).then_some((log, *range.start()..=last))
        });
        beyond.collect()
    }

    pub(super) fn hang_up_if_idle(&mut self, conn: ConnId) -> Effects {
        let done = self.sessions.get(&conn).is_some_and(|s| s.direction == Direction::Dialled && s.is_idle());
        let done = done && !self.errands.keep(conn);
        if done { self.hang_up(conn) } else { Effects::default() }
    }

    fn hang_up(&mut self, conn: ConnId) -> Effects {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.ending = true;
        }
        Effects { run: vec![Job::HangUp { conn }], ..Effects::default() }
    }
}

fn frame(conn: ConnId, said: &Frame) -> Transmit {
    Transmit::Frame { conn, bytes: said.encode() }
}

fn act(conn: ConnId, next: Next) -> Effects {
    let send = next.done.iter().map(|done| frame(conn, done)).collect();
    Effects { send, run: next.job.into_iter().collect(), ..Effects::default() }
}

fn batches(entries: &Entries) -> Vec<Vec<Vec<u8>>> {
    let mut batches: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut bytes = ENTRIES_BYTES;
    for entry in entries {
        let encoded = entry.encode_in_room();
        if bytes + encoded.len() > ENTRIES_BYTES {
            batches.push(Vec::new());
            bytes = 0;
        }
        bytes += encoded.len();
        if let Some(batch) = batches.last_mut() {
            batch.push(encoded);
        }
    }
    batches
}

/// Sync connections of one peer at the same time: one of each direction, and one that is just ending.
const MAX_SESSIONS_OF_PEER: usize = 3;
/// Sync connections that are accepted at the same time; own dials are never refused.
const MAX_SESSIONS: usize = 128;
/// How often standing connections compare what they have.
const REMIND: std::time::Duration = std::time::Duration::from_secs(10);
