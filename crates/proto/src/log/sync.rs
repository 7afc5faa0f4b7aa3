//! One TCP connection over which two devices catch up.
//!
//! Either side may say what it holds of a room (`Have`), and ask the other to. Whoever sees that it lacks something asks
//! for it (`Want`); the other streams that and ends with `Done`. So one connection brings both into step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use crate::effects::{Direction, Job};
use crate::model::{ConnId, EntryId, Instant, LogId, PeerId, RoomId, Span};
use crate::wire::frame::{Frame, Hello};

pub struct Session {
    pub conn: ConnId,
    pub peer: PeerId,
    /// The other end of the connection; its port means nothing if it dialled.
    pub remote: Option<SocketAddr>,
    pub direction: Direction,
    /// Kept open, and new entries passed on at once.
    pub standing: bool,
    /// Standing only up to here: nobody asked for it, but the other side is being talked with and not heard otherwise.
    pub lingers: Option<Instant>,
    greeted: bool,
    /// Whether the first frame of the other side is what this one waits for.
    pub curious: bool,
    /// Rooms of which the other side was asked what it holds, and has not said so.
    asked: BTreeSet<RoomId>,
    /// Questions of this side that are not answered, per room.
    wanted: BTreeMap<RoomId, u32>,
    /// The room whose entries it is being sent, and since when.
    serving: Option<(RoomId, Instant)>,
    to_serve: VecDeque<(RoomId, Asked)>,
    /// Rooms of which the other side will ask for more.
    expected: BTreeSet<RoomId>,
    /// Of each room, up to which activity the other side knows what is here.
    told: BTreeMap<RoomId, u64>,
    /// Whether the other side hears this one's announcements without the connection.
    pub hears: bool,
    /// Until when the other side is taken not to hear by multicast what this one says in rooms, because it says so.
    pub deaf_until: Option<Instant>,
    /// Whether the other side was asked who is here.
    pub looking: bool,
    /// When it was last told that.
    pub shown: Option<Instant>,
    /// Rooms of which the other side, which was put out there, was asked for deeds.
    pub formers: BTreeSet<RoomId>,
    /// When this side last said something only to show that it is there.
    pinged: Option<Instant>,
    /// This side has hung up; nothing new is begun.
    pub ending: bool,
}

/// What the other side asks for.
#[derive(Debug, Default)]
pub struct Asked {
    pub ranges: Vec<(LogId, Span)>,
    pub deeds: Vec<EntryId>,
}

impl Session {
    pub fn new(
        conn: ConnId,
        peer: PeerId,
        remote: Option<SocketAddr>,
        direction: Direction,
        standing: bool,
    ) -> Session {
        Session {
            conn,
            peer,
            remote,
            direction,
            standing,
            lingers: None,
            greeted: false,
            curious: false,
            asked: BTreeSet::new(),
            wanted: BTreeMap::new(),
            serving: None,
            to_serve: VecDeque::new(),
            expected: BTreeSet::new(),
            told: BTreeMap::new(),
            hears: false,
            deaf_until: None,
            looking: false,
            shown: None,
            formers: BTreeSet::new(),
            pinged: None,
            ending: false,
        }
    }

    /// The first frame of this side.
    /// `hears`: whether announcements of the other side come without this connection.
    pub fn hello(&self, boot: u64, counter: u64, hears: bool) -> Frame {
        let (standing, run) = (self.standing, Some((boot, counter)));
        Frame::Hello(Hello { min_version: VERSION, max_version: VERSION, standing, run, hears })
    }

    /// The other side's first frame. Whether the two can talk.
    pub fn greet(&mut self, hello: Hello) -> bool {
        (self.standing, self.curious) = (self.standing | hello.standing, false);
        self.hears = hello.hears;
        self.greeted = hello.min_version <= VERSION && hello.max_version >= VERSION;
        self.greeted
    }

    pub fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// Whether the other side of a standing connection has said that it does not hear this one by multicast.
    pub fn is_deaf(&self, now: Instant) -> bool {
        self.standing && self.greeted && self.deaf_until.is_some_and(|until| until > now)
    }

    /// Whether the other side is to be asked what it holds of a room; not if it is being asked already.
    pub fn ask(&mut self, room: RoomId) -> bool {
        self.asked.insert(room)
    }

    /// The other side says what it holds of a room. Whether that was asked for.
    pub fn answered(&mut self, room: RoomId) -> bool {
        self.asked.remove(&room)
    }

    /// Up to which activity of a room the other side knows what is here; from now on up to this one.
    pub fn tell(&mut self, room: RoomId, activity: u64) -> u64 {
        self.told.insert(room, activity).unwrap_or(0)
    }

    /// This side asks for entries.
    pub fn want(&mut self, room: RoomId) {
        *self.wanted.entry(room).or_default() += 1;
    }

    /// The other side has sent what was asked for. Whether anything was.
    pub fn done(&mut self, room: RoomId) -> bool {
        let Some(wanted) = self.wanted.get_mut(&room) else { return false };
        *wanted -= 1;
        if *wanted == 0 {
            self.wanted.remove(&room);
        }
        true
    }

    /// The other side asks for entries. Whether that is not too much.
    pub fn serve(&mut self, room: RoomId, mut wanted: Asked, more: bool) -> bool {
        if more {
            self.expected.insert(room);
        } else {
            self.expected.remove(&room);
        }
        // Whoever asks for deeds again before it has them is told of them once.
        if self.to_serve.iter().any(|(of, asked)| *of == room && !asked.deeds.is_empty()) {
            wanted.deeds.clear();
        }
        let fits = self.to_serve.len() < MAX_QUEUED && self.expected.len() < MAX_QUEUED;
        if fits {
            self.to_serve.push_back((room, wanted));
        }
        fits
    }

    pub fn is_serving(&self) -> bool {
        self.serving.is_some()
    }

    /// Since when a question is being answered.
    pub fn served_since(&self) -> Option<Instant> {
        self.serving.map(|(_, since)| since)
    }

    pub fn waits_to_be_served(&self) -> bool {
        self.serving.is_none() && !self.ending && !self.to_serve.is_empty()
    }

    /// Begins to answer the oldest question, unless one is being answered.
    pub fn serve_next(&mut self, now: Instant) -> Option<Job> {
        if self.serving.is_some() || self.ending {
            return None;
        }
        let (room, wanted) = self.to_serve.pop_front()?;
        self.serving = Some((room, now));
        let ranges = wanted.ranges.into_iter().filter(|(_, span)| !span.is_empty());
        let ranges = ranges.map(|(log, span)| (log, span.after.next().0..=span.to.0)).collect();
        Some(Job::Serve { conn: self.conn, room, wanted: ranges, deeds: wanted.deeds })
    }

    /// What was being served has been written.
    pub fn served(&mut self) -> Option<Frame> {
        self.serving.take().map(|(room, _)| Frame::Done { room })
    }

    /// Something came. Who only listens shows now and then that it is still there.
    pub fn heard(&mut self, now: Instant) -> Option<Frame> {
        let pinged = *self.pinged.get_or_insert(now);
        (now.since(pinged) >= PING).then(|| {
            self.pinged = Some(now);
            Frame::Ping
        })
    }

    /// Rooms that were asked for and did not come to an end.
    pub fn unfinished(&self) -> BTreeSet<RoomId> {
        self.asked.iter().chain(self.wanted.keys()).copied().collect()
    }

    /// Whether this side has no more use for the connection.
    pub fn is_idle(&self) -> bool {
        let asking = self.curious || self.looking || !self.asked.is_empty() || !self.wanted.is_empty();
        let asked = self.serving.is_some() || !self.to_serve.is_empty() || !self.expected.is_empty();
        !self.standing && !asking && !asked
    }
}

/// The version of the sync protocol.
const VERSION: u8 = 1;
/// The other side gives up after three times this without a word.
const PING: Duration = Duration::from_secs(30);
/// Questions that wait on one connection, and rooms of which more is to be asked: two for each of four rooms are usual.
const MAX_QUEUED: usize = 64;
