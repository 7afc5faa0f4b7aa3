//! Catching up over TCP, and passing on over connections that stand because multicast may not reach.

use std::net::SocketAddr;

use crate::detour::Way;
use crate::effects::{Detour, Direction, Effects, Event, Job, Transmit};
use crate::log::{Asked, Loose, Received, Session};
use crate::model::{ConnId, Instant, LogId, Now, PeerId, RoomId, Span};
use crate::node::detours::Dialling;
use crate::node::{Dropped, Entries, Node, Room, reachable};
use crate::pacing::earliest;
use crate::wire::datagram::Query;
use crate::wire::frame::{ENTRIES_BYTES, Frame, Have, KnownDeeds, Relayed};

impl Node {
    #[allow(clippy::too_many_arguments, reason = "each is a field of the input")]
    pub(super) fn connected(
        &mut self,
        conn: ConnId,
        peer: PeerId,
        remote: Option<SocketAddr>,
        direction: Direction,
        standing: bool,
        now: Now,
    ) -> Effects {
        if self.presence.is_blocked(peer) {
            return self.refuse(conn, peer, direction, now);
        }
        // Those who dialled end what they dialled for; what the other side dialled is the other side's to end.
        let dialled_for = match direction {
            Direction::Dialled => self.dialling.remove(&peer).unwrap_or_default().rooms,
            Direction::Accepted => Vec::new(),
        };
        let mut effects = Effects::default();
        if direction == Direction::Accepted {
            let of_peer = self.sessions.values().filter(|session| session.peer == peer).count();
            let crowded = self.sessions.len() >= MAX_SESSIONS;
            let gives_way = if crowded { self.less_known_than(peer) } else { None };
            if of_peer >= MAX_SESSIONS_OF_PEER || (crowded && gives_way.is_none()) {
                return Effects { run: vec![Job::HangUp { conn }], ..Effects::default() };
            }
            if let Some(conn) = gives_way {
                effects.run.push(Job::HangUp { conn });
                effects.extend(self.closed(conn, now));
            }
        }
        let reached = remote.filter(|_| direction == Direction::Dialled);
        if reached.is_some() {
            self.went(peer, &[], Some(Way::Direct), now);
        } else if direction == Direction::Accepted {
            self.met(peer, now);
        }
        effects.extend(self.presence.proven(peer, reached, now));
        let lingers =
            self.lingers(peer, now.instant).filter(|_| direction == Direction::Dialled && !standing);
        let standing = standing || lingers.is_some();
        let mut session = Session::new(conn, peer, remote, direction, standing);
        session.lingers = lingers;
        session.curious = direction == Direction::Dialled && self.roster.runs_asked.remove(&peer);
        let hears = self.unheard.is_on_air(peer, now.instant);
        effects.send.push(frame(conn, &session.hello(self.boot, self.counter, hears)));
        self.sessions.insert(conn, session);
        for room in dialled_for {
            effects.extend(self.ask(conn, room));
        }
        if direction == Direction::Dialled && self.roster.dialled.take_if(|wanted| *wanted == peer).is_some()
        {
            effects.extend(self.look_on(conn));
        }
        effects.extend(self.errands_connected(conn, peer, now));
        if standing {
            effects.extend(self.begin_standing(conn, now));
        }
        effects.extend(self.hang_up_if_idle(conn));
        effects
    }

    pub(super) fn dial_failed(&mut self, peer: PeerId, now: Now) -> Effects {
        let mut effects = Effects::default();
        self.roster.dialled.take_if(|wanted| *wanted == peer);
        self.roster.runs_asked.remove(&peer);
        let Dialling { rooms, detour } = self.dialling.remove(&peer).unwrap_or_default();
        let through_a_third = self.is_met_through_a_third(peer, &rooms, now);
        if detour == Detour::Never
            && (through_a_third || self.errands.wait_for(peer))
            && let Some(addresses) = reachable(&self.presence, peer)
        {
            self.dialling.insert(peer, Dialling { rooms, detour: Detour::Allowed });
            effects.run.push(Job::Dial { peer, addresses, detour: Detour::Allowed });
            return effects;
        }
        effects.extend(self.ask_to_meet(peer, &rooms, now));
        for room in rooms {
            effects.extend(self.pull_ended(room, peer, false, now));
        }
        self.errands_unreachable(peer, now);
        effects
    }

    pub(super) fn closed(&mut self, conn: ConnId, now: Now) -> Effects {
        let mut effects = Effects::default();
        if let Some(session) = self.sessions.remove(&conn) {
            if session.direction == Direction::Dialled && !session.is_greeted() {
                self.linking.refused(session.peer, now.instant);
            }
            for room in session.unfinished() {
                effects.extend(self.pull_ended(room, session.peer, false, now));
            }
        }
        self.errands_closed(conn, now);
        self.probing.closed(conn);
        effects.extend(self.mail_closed(conn, now));
        if !self.sessions.values().any(|session| session.standing) {
            self.remind_at = None;
            self.unheard.forget_news();
        }
        effects.extend(self.start_serves(now));
        effects
    }

    pub(super) fn frame(&mut self, conn: ConnId, bytes: &[u8], now: Now) -> Effects {
        let Some(session) = self.sessions.get_mut(&conn) else { return Effects::default() };
        let (peer, greeted) = (session.peer, session.is_greeted());
        if self.presence.is_blocked(peer) {
            return Effects::default();
        }
        match (Frame::decode(bytes), greeted) {
            (Ok(Some(Frame::Hello(hello))), false) => {
                let standing_before = session.standing;
                if !session.greet(hello) {
                    return self.hang_up(conn);
                }
                if let Some((boot, counter)) = hello.run {
                    self.presence.proved_run(peer, boot, counter);
                }
                if hello.standing && !standing_before {
                    return self.begin_standing(conn, now);
                }
                self.hang_up_if_idle(conn)
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
            Frame::Have(said) => self.have(conn, peer, &said, now),
            Frame::Want { room, ranges, more, deeds } => {
                self.wanted(conn, peer, room, ranges, more, deeds.as_ref(), now)
            }
            Frame::Deeds { room, entries } => self.take_deeds(conn, peer, room, &entries, now),
            Frame::Entries { room, entries } => {
                // Whoever is asked is listened to: who may write is another question.
                let listens = |held: &&mut Room| {
                    held.is_open_to(peer) || held.may_ask(peer) || held.replica.is_pulling_from(peer)
                };
                let Some(held) = self.rooms.get_mut(&room).filter(listens) else { return Effects::default() };
                let received = held.replica.fetched(peer, &entries, now.instant, &mut self.dice);
                let forged = received.is_forged();
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
                let asked = self.sessions.get_mut(&conn).is_some_and(|session| {
                    session.formers.remove(&room);
                    session.done(room)
                });
                let Some(held) = self.rooms.get_mut(&room).filter(|_| asked) else {
                    return self.hang_up_if_idle(conn);
                };
                let mut effects = if held.replica.want_answered(peer) {
                    self.pull_ended(room, peer, true, now)
                } else {
                    self.want_next(conn, peer, room)
                };
                effects.extend(self.hang_up_if_idle(conn));
                effects
            }
            Frame::Announcements(announcements) => self.relayed(conn, announcements, now),
            Frame::Look { roster } => self.looked_at(conn, roster, now),
            Frame::Rooms(rooms) => {
                let mut effects = self.rooms_listed(conn, rooms, now);
                effects.extend(self.hang_up_if_idle(conn));
                effects
            }
            Frame::Door(door) => self.door(conn, peer, door, now),
            Frame::Mail(mail) => self.mail(conn, peer, mail, now),
            Frame::Knock(datagram) => self.knock_carried(peer, &datagram, now),
            Frame::Passed(said) => self.passed(conn, peer, said, now),
            Frame::Probing(said) => self.probing(conn, peer, said, now),
            Frame::Hello(_) | Frame::Ping => Effects::default(),
        }
    }

    fn have(&mut self, conn: ConnId, peer: PeerId, said: &Have, now: Now) -> Effects {
        let room = said.room;
        let mut effects = Effects::default();
        if !said.logs.is_empty() {
            effects.extend(self.room_with(room, peer, now));
        }
        let present = self.presence.is_online(peer);
        let answered = self.sessions.get_mut(&conn).is_some_and(|session| session.answered(room));
        let crowded = self.pulls() >= MAX_PULLS;
        let speaks = |held: &&mut Room| held.is_open_to(peer) || (answered && held.may_ask(peer));
        let Some(held) = self.rooms.get_mut(&room).filter(speaks) else {
            if said.ask {
                effects.extend(self.ask_former(conn, peer, room, said.deeds, now));
                let held = self.rooms.get(&room);
                let logs = held.map(|held| held.left_to(peer)).unwrap_or_default();
                let deeds = held.and_then(|held| held.digest_of_deeds_left_to(peer));
                let nothing = Have { room, logs, ask: false, digest: [0; 16], deeds };
                effects.send.push(frame(conn, &Frame::Have(nothing)));
            }
            effects.extend(self.hang_up_if_idle(conn));
            return effects;
        };
        let covered = held.replica.covered_by(peer, present, &said.logs);
        let other_deeds = held.has_other_deeds(said.deeds);
        let loose = if other_deeds { Loose::Wanted } else { Loose::Not };
        let behind = held.replica.is_behind(&said.logs)
            || (other_deeds && !answered && held.may_ask_for_deeds(now.instant));
        let differs = held.replica.digest() != said.digest;
        if behind && !held.replica.is_pulling() {
            if crowded {
                held.replica.pull_soon(peer, now.instant, &mut self.dice);
            } else {
                held.replica.pull_started(peer, now.instant);
            }
        }
        let since = held.wanted_since(now.unix);
        if held.replica.pull_planned(peer, &said.logs, since, loose) {
            effects.extend(self.want_next(conn, peer, room));
        } else if answered {
            effects.extend(self.pull_ended(room, peer, true, now));
        } else if differs && !behind && !said.ask && self.may_wonder(room, now) {
            effects.extend(self.ask(conn, room));
        }
        // Behind what is wanted: so the other side knows that it is not done when it hears that it lacks nothing.
        if said.ask {
            effects.extend(self.say_what_is_here(conn, room, Say::All));
        }
        let received = Received { covered, ..Received::default() };
        effects.extend(self.absorb(room, peer, received, now));
        effects.extend(self.hang_up_if_idle(conn));
        effects
    }

    fn may_wonder(&mut self, room: RoomId, now: Now) -> bool {
        self.rooms.get_mut(&room).is_some_and(|held| held.replica.may_wonder(now.instant))
    }

    /// Asks for as much as may be under way.
    fn want_next(&mut self, conn: ConnId, peer: PeerId, room: RoomId) -> Effects {
        let mut effects = Effects::default();
        let (Some(session), Some(held)) = (self.sessions.get_mut(&conn), self.rooms.get_mut(&room)) else {
            return effects;
        };
        while let Some(want) = held.replica.next_want(peer) {
            session.want(room);
            let deeds = want.deeds.then(|| held.known_deeds());
            let want = Frame::Want { room, ranges: want.ranges, more: want.more, deeds };
            effects.send.push(frame(conn, &want));
        }
        effects
    }

    /// The other side asks for entries of a room.
    #[allow(clippy::too_many_arguments, reason = "each is a field of the frame")]
    fn wanted(
        &mut self,
        conn: ConnId,
        peer: PeerId,
        room: RoomId,
        ranges: Vec<(LogId, Span)>,
        more: bool,
        known: Option<&KnownDeeds>,
        now: Now,
    ) -> Effects {
        let served = self.rooms.get(&room).map(|held| Asked {
            ranges: held.replica.to_serve(held.open_ranges(peer, ranges)),
            deeds: known.map(|known| held.deeds_for(peer, known)).unwrap_or_default(),
        });
        let served = served.unwrap_or_default();
        let Some(session) = self.sessions.get_mut(&conn) else { return Effects::default() };
        if !session.serve(room, served, more) {
            return self.hang_up(conn);
        }
        self.start_serves(now)
    }

    /// Answers those who wait, as many as may be at a time, in turn.
    fn start_serves(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let busy = self.serving();
        let after = self.served_last.map_or(ConnId(0), |last| ConnId(last.0 + 1));
        let turn: Vec<ConnId> =
            self.sessions.range(after..).chain(self.sessions.range(..after)).map(|(conn, _)| *conn).collect();
        let jobs = turn.into_iter().filter_map(|conn| {
            let job = self.sessions.get_mut(&conn)?.serve_next(now.instant)?;
            self.served_last = Some(conn);
            Some(job)
        });
        effects.run.extend(jobs.take(MAX_SERVES.saturating_sub(busy)));
        effects
    }

    fn serving(&self) -> usize {
        self.sessions.values().filter(|session| session.is_serving() && !session.ending).count()
    }

    /// When the first of those who are served has had its time, where others wait for theirs.
    pub(super) fn serve_deadline(&self) -> Option<Instant> {
        let mut waiting = self.sessions.values().filter(|session| session.waits_to_be_served());
        if self.serving() < MAX_SERVES || waiting.next().is_none() {
            return None;
        }
        let ends = self.sessions.values().filter(|session| !session.ending).filter_map(Session::served_since);
        ends.min().map(|since| since + SERVE_SLICE)
    }

    /// Whoever reads so slowly that others wait comes back for the rest, and goes on where it was.
    pub(super) fn end_long_serves(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        while self.serve_deadline().is_some_and(|at| at <= now.instant) {
            let slow = self.sessions.values().filter(|session| !session.ending);
            let slow = slow.min_by_key(|session| session.served_since().unwrap_or(now.instant));
            let Some(conn) = slow.map(|session| session.conn) else { break };
            effects.extend(self.hang_up(conn));
            effects.extend(self.start_serves(now));
        }
        effects
    }

    pub(super) fn served(&mut self, conn: ConnId, now: Now) -> Effects {
        let Some(session) = self.sessions.get_mut(&conn) else { return Effects::default() };
        let done = session.served();
        let mut effects =
            Effects { send: done.iter().map(|done| frame(conn, done)).collect(), ..Effects::default() };
        effects.extend(self.start_serves(now));
        effects.extend(self.hang_up_if_idle(conn));
        effects
    }

    /// Whether somebody is here, all who are have spoken in a room of this device, and nothing that they spoke of is missing.
    pub fn is_caught_up(&self) -> bool {
        let missing = self.rooms.values().any(|room| room.replica.is_catching_up());
        let mut here = self
            .presence
            .peers()
            .map(|peer| peer.id)
            .filter(|peer| self.presence.is_online(*peer))
            .peekable();
        let heard = |peer: PeerId| self.rooms.values().any(|room| room.replica.hears(peer));
        !missing && here.peek().is_some() && here.all(heard)
    }

    /// Whether a room cannot catch up because so many do.
    pub(super) fn is_pull_waiting(&self) -> bool {
        self.pulls() >= MAX_PULLS && self.rooms.values().any(|room| room.replica.waits_to_pull())
    }

    fn pulls(&self) -> usize {
        self.rooms.values().filter(|room| room.replica.is_pulling()).count()
    }

    /// Rooms that should catch up ask whoever can be reached.
    pub(super) fn start_pulls(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let free = MAX_PULLS.saturating_sub(self.pulls());
        let dice = &mut self.dice;
        let due = self.rooms.iter_mut().filter(|(_, room)| room.replica.is_pull_overdue(now.instant));
        let due: Vec<(RoomId, Vec<PeerId>)> = due
            .take(free)
            .map(|(id, room)| (*id, room.replica.pull_candidates(now.instant, dice)))
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

    pub(super) fn start_pull(&mut self, room: RoomId, candidates: &[PeerId], now: Now) -> Effects {
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
                (None, addresses) => self.dial(*peer, room, addresses.unwrap_or_default(), now),
            };
        }
        if let Some(held) = self.rooms.get_mut(&room) {
            held.replica.pull_postponed(now.instant);
        }
        Effects::default()
    }

    pub(super) fn dial(
        &mut self,
        peer: PeerId,
        room: RoomId,
        addresses: Vec<SocketAddr>,
        now: Now,
    ) -> Effects {
        if let Some(dialled) = self.dialling.get_mut(&peer) {
            dialled.rooms.push(room);
            return Effects::default();
        }
        let (detour, mut effects) = self.meet_at_once(peer, room, &addresses, now);
        self.dialling.insert(peer, Dialling { rooms: vec![room], detour });
        effects.run.push(Job::Dial { peer, addresses, detour });
        effects
    }

    /// Asks what the other side holds of a room, and says what is here.
    pub(super) fn ask(&mut self, conn: ConnId, room: RoomId) -> Effects {
        let asks = self.rooms.contains_key(&room)
            && self.sessions.get_mut(&conn).is_some_and(|session| session.ask(room));
        if asks { self.say_what_is_here(conn, room, Say::AllAndAsk) } else { Effects::default() }
    }

    fn say_what_is_here(&mut self, conn: ConnId, room: RoomId, say: Say) -> Effects {
        let (Some(session), Some(held)) = (self.sessions.get_mut(&conn), self.rooms.get_mut(&room)) else {
            return Effects::default();
        };
        if !held.is_open_to(session.peer) && !held.may_ask(session.peer) {
            return Effects::default();
        }
        let activity = held.replica.activity();
        let told = session.tell(room, activity);
        let logs = held.replica.have_since(if say == Say::Changes { told } else { 0 });
        let (digest, deeds) = (held.replica.digest(), held.digest_of_deeds());
        let said = Have { room, logs, ask: say == Say::AllAndAsk, digest, deeds };
        Effects { send: vec![frame(conn, &Frame::Have(said))], ..Effects::default() }
    }

    fn pull_ended(&mut self, room: RoomId, from: PeerId, success: bool, now: Now) -> Effects {
        let mut effects = Effects::default();
        let Some(held) = self.rooms.get_mut(&room) else { return effects };
        held.replica.pull_ended(from, success, now.instant, &mut self.dice);
        if held.history.take_due() {
            effects.tell.push(Event::History(room));
        }
        // Those on standing connections may lack the same.
        if self.remind_at.is_some() {
            self.remind_at = Some(now.instant);
        }
        effects
    }

    /// A connection that stays: both sides tell of themselves and of every room that they share.
    fn begin_standing(&mut self, conn: ConnId, now: Now) -> Effects {
        let announcement = self.announcement(Query::No, now);
        let mut effects = Effects::default();
        effects
            .send
            .push(frame(conn, &Frame::Announcements(vec![Relayed { datagram: announcement, from: None }])));
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for room in rooms {
            effects.extend(self.ask(conn, room));
        }
        let session = self.sessions.get(&conn);
        // Where broadcast brings who is here, nobody needs to be asked.
        let sees = |peer| self.linking.is_deaf() && self.unheard.is_on_air(peer, now.instant);
        if session.is_some_and(|session| session.lingers.is_none() && !sees(session.peer)) {
            effects.extend(self.look_on(conn));
        }
        self.remind_at = earliest(self.remind_at, Some(now.instant + REMIND));
        self.passing.begin(now.instant);
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
                effects.extend(self.say_what_is_here(conn, room, Say::Changes));
            }
        }
        effects.extend(self.tell_news(now.instant));
        effects.extend(self.end_lingering(now.instant));
        effects.extend(self.reach_unheard(now));
        effects
    }

    pub(super) fn announce_on_links(&self, datagram: &[u8]) -> Effects {
        let said = Frame::Announcements(vec![Relayed { datagram: datagram.to_vec(), from: None }]);
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

    pub(super) fn hang_up_if_idle(&mut self, conn: ConnId) -> Effects {
        let done = self.sessions.get(&conn).is_some_and(|s| s.direction == Direction::Dialled && s.is_idle());
        let done = done && !self.errands.keep(conn) && !self.mail.taking.is_offered_on(conn);
        let done = done && !self.probing.keeps(conn);
        if done { self.hang_up(conn) } else { Effects::default() }
    }

    pub(super) fn hang_up(&mut self, conn: ConnId) -> Effects {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.ending = true;
        }
        Effects { run: vec![Job::HangUp { conn }], ..Effects::default() }
    }
}

fn frame(conn: ConnId, said: &Frame) -> Transmit {
    Transmit::Frame { conn, bytes: said.encode() }
}

/// What a `Have` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Say {
    All,
    AllAndAsk,
    /// What the other side was not told on this connection.
    Changes,
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
/// Rooms that catch up at the same time: each has a megabyte under way.
const MAX_PULLS: usize = 4;
/// Connections on which entries are sent at the same time.
const MAX_SERVES: usize = 8;
/// One question's time, where others wait: half a megabyte at 9 kB/s.
const SERVE_SLICE: std::time::Duration = std::time::Duration::from_secs(60);
/// How often standing connections compare what they have.
const REMIND: std::time::Duration = std::time::Duration::from_secs(10);
