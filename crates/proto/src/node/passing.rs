//! What goes over links because multicast does not pass between their ends: what this device holds, for those who do not
//! hear it; what others hold, for those who hear nobody; and who left, for both.
//!
//! Each end says whether it hears the other. Where both do, nothing goes over the link but what always does.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::effects::{Effects, Event, Transmit};
use crate::model::{ConnId, Instant, Now, PeerId, RoomId};
use crate::node::{Dropped, Node};
use crate::pacing::earliest;
use crate::presence::Heard;
use crate::rooms::RoomTag;
use crate::wire::datagram::{ENVELOPE_LEN, Envelope, MAX_CARRIED, RoomPacket, Unverified, kind};
use crate::wire::frame::{Frame, MAX_PASSED, Passed};

#[derive(Default)]
pub(super) struct Passing {
    /// What was last said over links of each room.
    own: BTreeMap<RoomId, Said>,
    /// Heads of others.
    heads: BTreeMap<(PeerId, RoomTag), Note>,
    /// When the next of them are passed.
    pass_at: Option<Instant>,
    /// When place was last made among them.
    pruned: Option<Instant>,
    /// When links are next told whether their other ends are heard.
    say_at: Option<Instant>,
}

/// What stands for heads: equal ones say nothing new.
type Gist = [u8; 8];

struct Said {
    gist: Gist,
    times: u32,
    at: Instant,
}

#[derive(Default)]
struct Note {
    passed: Option<(Gist, Instant)>,
    waiting: Option<Heads>,
}

impl Note {
    /// Nothing is lost with it: what waited in vain for so long is said again.
    fn is_old(&self, now: Instant) -> bool {
        let waits = self.waiting.as_ref().is_some_and(|heads| now.since(heads.at) < REPEATED);
        !waits && self.passed.is_none_or(|(_, at)| now.since(at) >= HEADS_REST)
    }
}

struct Heads {
    datagram: Vec<u8>,
    gist: Gist,
    /// The link that it came over.
    by: Option<ConnId>,
    /// Not before this.
    at: Instant,
}

impl Passing {
    /// A standing connection begins. By then the two have heard each other, if they do.
    pub(super) fn begin(&mut self, now: Instant) {
        self.say_at = earliest(self.say_at, Some(now + FIRST_WORD));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        earliest(self.pass_at, self.say_at)
    }

    /// Whether heads of this device say something that was not said over links twice, or not for long.
    fn is_news(&mut self, room: RoomId, gist: Gist, now: Instant) -> bool {
        let said = self.own.entry(room).or_insert(Said { gist, times: 0, at: now });
        if said.gist != gist {
            *said = Said { gist, times: 0, at: now };
        }
        let news = said.times < TIMES || now.since(said.at) >= REPEATED;
        if news {
            (said.times, said.at) = (said.times + 1, now);
        }
        news
    }

    /// Somebody said what it holds.
    fn note(&mut self, sender: PeerId, tag: RoomTag, mut heads: Heads, now: Instant) {
        let key = (sender, tag);
        if !self.heads.contains_key(&key) && !self.make_room(sender, now) {
            return;
        }
        let note = self.heads.entry(key).or_default();
        if note.passed.is_some_and(|(gist, at)| gist == heads.gist && now.since(at) < REPEATED) {
            note.waiting = None;
            return;
        }
        heads.at = note.passed.map_or(heads.at, |(_, at)| heads.at.max(at + HEADS_REST));
        heads.at = note.waiting.as_ref().map_or(heads.at, |before| before.at);
        self.pass_at = earliest(self.pass_at, Some(heads.at));
        note.waiting = Some(heads);
    }

    /// Whether there is a place for heads of one more room of this device. Who speaks of many gives place to those who do not.
    fn make_room(&mut self, sender: PeerId, now: Instant) -> bool {
        if self.count_of(sender) >= MAX_TAGS {
            self.heads.retain(|(of, _), note| *of != sender || !note.is_old(now));
        }
        let own = self.count_of(sender);
        if own >= MAX_TAGS {
            return false;
        }
        if self.heads.len() >= MAX_NOTES && self.pruned.is_none_or(|at| now.since(at) >= GATHERED) {
            self.heads.retain(|_, note| !note.is_old(now));
            self.pruned = Some(now);
        }
        if self.heads.len() >= MAX_NOTES {
            let Some(tag) = self.last_of_most(own + 2) else { return false };
            self.heads.remove(&tag);
        }
        true
    }

    /// One of the device that most are remembered of, if these are so many at least.
    fn last_of_most(&self, at_least: usize) -> Option<(PeerId, RoomTag)> {
        let (mut run, mut most) = ((None, 0), (at_least, None));
        for key in self.heads.keys() {
            let before = if run.0 == Some(key.0) { run.1 } else { 0 };
            run = (Some(key.0), before + 1);
            if run.1 > most.0 || (run.1 == most.0 && most.1.is_none()) {
                most = (run.1, Some(*key));
            }
        }
        most.1
    }

    fn count_of(&self, sender: PeerId) -> usize {
        self.heads.range((sender, [0; 8])..=(sender, [u8::MAX; 8])).count()
    }

    /// What is due, as much as may go at a time: of each device the longest waiting, those first of whom nothing was passed for
    /// longest.
    fn take_due(&mut self, now: Instant) -> Vec<(PeerId, Heads)> {
        let mut passed: BTreeMap<PeerId, Instant> = BTreeMap::new();
        let mut due: Vec<(Instant, (PeerId, RoomTag))> = Vec::new();
        for (key, note) in &self.heads {
            if let Some((_, at)) = note.passed {
                let last = passed.entry(key.0).or_insert(at);
                *last = at.max(*last);
            }
            due.extend(note.waiting.as_ref().filter(|heads| heads.at <= now).map(|heads| (heads.at, *key)));
        }
        due.sort_unstable();
        let mut turns: BTreeMap<PeerId, u32> = BTreeMap::new();
        let mut order: Vec<_> = due
            .into_iter()
            .map(|(at, key)| {
                let turn = turns.entry(key.0).or_default();
                *turn += 1;
                (*turn, passed.get(&key.0), at, key)
            })
            .collect();
        order.sort_unstable();
        let order: Vec<_> = order.into_iter().take(MAX_PASSED).map(|(.., key)| key).collect();
        let (mut taken, mut bytes) = (Vec::new(), 0);
        for key in order {
            let Some(note) = self.heads.get_mut(&key).filter(|_| bytes < BYTES_AT_A_TIME) else { break };
            let Some(heads) = note.waiting.take() else { continue };
            bytes += heads.datagram.len();
            note.passed = Some((heads.gist, now));
            taken.push((key.0, heads));
        }
        let next = self.heads.values().filter_map(|note| note.waiting.as_ref()).map(|heads| heads.at).min();
        self.pass_at = next.map(|at| at.max(now + GATHERED));
        taken
    }
}

impl Node {
    /// Whether somebody has a link to this device and does not hear what it multicasts in rooms.
    pub(super) fn has_deaf_links(&self, now: Instant) -> bool {
        self.sessions.values().any(|session| session.is_deaf(now))
    }

    fn to_deaf_links(&self, frame: &Frame, now: Instant) -> Vec<Transmit> {
        let bytes = frame.encode();
        let deaf = self.sessions.values().filter(|session| session.is_deaf(now));
        deaf.map(|session| Transmit::Frame { conn: session.conn, bytes: bytes.clone() }).collect()
    }

    /// The same packet, or what of its heads can be carried: where links are all that takes it on.
    pub(super) fn fit_for_links(&self, packet: RoomPacket, now: Instant) -> RoomPacket {
        let RoomPacket::Heads(mut heads) = packet else { return packet };
        if self.has_deaf_links(now) {
            while RoomPacket::Heads(heads.clone()).encode().len() > MAX_HEADS_CARRIED {
                heads.heads.pop();
            }
        }
        RoomPacket::Heads(heads)
    }

    /// This device said in a room what it holds: so it does over links whose other ends do not hear it.
    pub(super) fn pass_own_heads(
        &mut self,
        room: RoomId,
        packet: &RoomPacket,
        sent: Option<&Transmit>,
        now: Instant,
    ) -> Vec<Transmit> {
        let (RoomPacket::Heads(_), Some(Transmit::Multicast { bytes, .. })) = (packet, sent) else {
            return Vec::new();
        };
        if !self.has_deaf_links(now) || !self.passing.is_news(room, gist(&packet.encode()), now) {
            return Vec::new();
        }
        let passed = Passed { datagrams: vec![bytes.clone()], unheard: false };
        self.to_deaf_links(&Frame::Passed(passed), now)
    }

    /// The goodbye of this device, over all links: whether they hear it otherwise is not waited for.
    pub(super) fn pass_own_goodbye(&self, datagrams: Vec<Vec<u8>>) -> Vec<Transmit> {
        let bytes = Frame::Passed(Passed { datagrams, unheard: false }).encode();
        let links = self.sessions.values().filter(|session| session.standing && session.is_greeted());
        links.map(|session| Transmit::Frame { conn: session.conn, bytes: bytes.clone() }).collect()
    }

    /// Something that somebody signed was heard, by multicast or in a carry, or came over its own link. If it says what it
    /// holds in a room, links whose other ends hear nobody are told soon.
    pub(super) fn pass_to_deaf_soon(
        &mut self,
        envelope: &Envelope,
        body: &[u8],
        datagram: &[u8],
        by: Option<ConnId>,
        now: Instant,
    ) {
        if envelope.kind != kind::HEADS || !self.has_deaf_links(now) {
            return;
        }
        if let Some(tag) = body.first_chunk() {
            let (gist, at) = (gist(body), now + GATHERED);
            let heads = Heads { datagram: datagram.to_vec(), gist, by, at };
            self.passing.note(envelope.sender, *tag, heads, now);
        }
    }

    /// Somebody left: links whose other ends hear nobody are told at once.
    pub(super) fn pass_goodbye(
        &mut self,
        envelope: &Envelope,
        datagram: &[u8],
        by: Option<ConnId>,
        told: &Effects,
        now: Instant,
    ) -> Effects {
        if envelope.kind != kind::BYE || !ends_lease(told, envelope.sender) {
            return Effects::default();
        }
        self.passing.heads.retain(|(sender, _), _| *sender != envelope.sender);
        let passed = Frame::Passed(Passed { datagrams: vec![datagram.to_vec()], unheard: false }).encode();
        let deaf = self.sessions.values().filter(|session| session.is_deaf(now));
        let deaf = deaf.filter(|session| session.peer != envelope.sender && Some(session.conn) != by);
        let send =
            deaf.map(|session| Transmit::Frame { conn: session.conn, bytes: passed.clone() }).collect();
        Effects { send, ..Effects::default() }
    }

    /// Datagrams came over a link, of the device at its other end or of others that it heard.
    pub(super) fn passed(&mut self, conn: ConnId, peer: PeerId, said: Passed, now: Now) -> Effects {
        let mut effects = Effects::default();
        let Some(session) = self.sessions.get_mut(&conn) else { return effects };
        if !session.standing {
            // Whoever calls dials for that.
            return self.passed_call(conn, peer, &said, now);
        }
        if said.unheard {
            if !session.is_deaf(now.instant) {
                self.passing.own.clear();
            }
            session.deaf_until = Some(now.instant + DEAF);
        }
        for datagram in said.datagrams {
            effects.extend(self.passed_datagram(conn, peer, &datagram, now));
        }
        effects
    }

    fn passed_datagram(&mut self, conn: ConnId, peer: PeerId, datagram: &[u8], now: Now) -> Effects {
        let Ok(read) = Unverified::decode(datagram, self.network) else { return self.drop(Dropped::Frame) };
        let claimed = *read.envelope();
        if ![kind::BYE, kind::HEADS, kind::CALL].contains(&claimed.kind) {
            return self.drop(Dropped::Frame);
        }
        if !self.presence.is_fresh(&claimed) {
            return self.drop(Dropped::Replay);
        }
        let Ok((envelope, body)) = read.verify(&self.verifier) else { return self.drop(Dropped::Frame) };
        let mut effects = self.take_over(&envelope, body, datagram, Heard::Told(None), now);
        // What others were heard to say goes one step over a link and no further.
        if envelope.sender == peer {
            self.carry_soon(conn, &envelope, body, datagram, &effects, now.instant);
            self.pass_to_deaf_soon(&envelope, body, datagram, Some(conn), now.instant);
            effects.extend(self.pass_goodbye(&envelope, datagram, Some(conn), &effects, now.instant));
            effects.extend(self.pass_call(&envelope, datagram, Some(conn), now));
        }
        effects
    }

    /// Passes heads that are due to those who hear nobody, and tells links whose other ends are not heard that they are not.
    pub(super) fn tend_links(&mut self, now: Instant) -> Effects {
        let mut effects = Effects::default();
        if self.passing.say_at.is_some_and(|at| at <= now) {
            effects.extend(self.say_who_is_unheard(now));
        }
        if self.passing.pass_at.is_none_or(|at| at > now) {
            return effects;
        }
        let due = self.passing.take_due(now);
        for session in self.sessions.values().filter(|session| session.is_deaf(now)) {
            let theirs = due
                .iter()
                .filter(|(sender, heads)| *sender != session.peer && heads.by != Some(session.conn))
                .map(|(_, heads)| heads.datagram.clone());
            let datagrams: Vec<Vec<u8>> = theirs.collect();
            if !datagrams.is_empty() {
                let bytes = Frame::Passed(Passed { datagrams, unheard: false }).encode();
                effects.send.push(Transmit::Frame { conn: session.conn, bytes });
            }
        }
        effects
    }

    fn say_who_is_unheard(&mut self, now: Instant) -> Effects {
        let links = self.sessions.values().filter(|session| session.standing);
        let mut effects = Effects::default();
        self.passing.say_at = None;
        let bytes = Frame::Passed(Passed { datagrams: Vec::new(), unheard: true }).encode();
        for session in links {
            self.passing.say_at = Some(now + SAID);
            let heard = self.unheard.is_heard_in_rooms(session.peer, self.presence.online_count(), now);
            if session.is_greeted() && !heard {
                effects.send.push(Transmit::Frame { conn: session.conn, bytes: bytes.clone() });
            }
        }
        effects
    }
}

/// Whether somebody who was here is not any more.
pub(super) fn ends_lease(told: &Effects, who: PeerId) -> bool {
    told.tell.iter().any(|event| matches!(event, Event::PeerOffline(peer) if *peer == who))
}

fn gist(bytes: &[u8]) -> Gist {
    let digest = Sha256::digest(bytes);
    core::array::from_fn(|i| digest[i])
}

/// Bytes of heads that fit a carry, sealed, with their room's tag, envelope and signature.
const MAX_HEADS_CARRIED: usize = MAX_CARRIED - ENVELOPE_LEN - 64 - 8 - 16;
/// After a link begins, its other end is heard by multicast within this, if it is.
const FIRST_WORD: Duration = Duration::from_secs(2);
/// How often a link is told that its other end is not heard,
const SAID: Duration = Duration::from_secs(10);
/// and how long that counts: one word may come late.
const DEAF: Duration = Duration::from_secs(25);
/// What is said over links for the first time is said once more, since it is carried by multicast, which loses some;
const TIMES: u32 = 2;
/// and again after this. What others said is not passed again within it, either, while it is the same.
const REPEATED: Duration = Duration::from_secs(30);
/// Heads of others are gathered for so long,
const GATHERED: Duration = Duration::from_millis(500);
/// those of one device in one room pass once in so long: of a sealed room nobody else can tell whether they say anything new;
const HEADS_REST: Duration = Duration::from_secs(4);
/// and about so many bytes at a time: 4 kB/s on each link.
const BYTES_AT_A_TIME: usize = 2_048;
/// Rooms of one device whose heads are remembered,
const MAX_TAGS: usize = 16;
/// and heads in all, of a device and a room each: a megabyte at the most, if all wait.
const MAX_NOTES: usize = 1024;

#[cfg(test)]
#[path = "passing_tests.rs"]
mod tests;
