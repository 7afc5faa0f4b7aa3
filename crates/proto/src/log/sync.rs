//! One TCP connection over which two devices catch up.
//!
//! Either side sends `Have` for a room; the other streams what is beyond it and ends with `Done`. A side that sees in
//! a `Have` that it is behind asks in turn, so one connection brings both into step.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::effects::{Direction, Job};
use crate::model::{ConnId, Instant, LogId, PeerId, RoomId, Seq};
use crate::wire::frame::{Frame, Hello};

pub struct Session {
    pub conn: ConnId,
    pub peer: PeerId,
    /// The other end of the connection; its port means nothing if it dialled.
    pub remote: SocketAddr,
    pub direction: Direction,
    /// Kept open, and new entries passed on at once.
    pub standing: bool,
    greeted: bool,
    /// Rooms that were asked for and are not done.
    asked: BTreeSet<RoomId>,
    serving: Option<RoomId>,
    to_serve: VecDeque<(RoomId, Ranges)>,
    /// When this side last said something only to show that it is there.
    pinged: Option<Instant>,
    /// This side has hung up; nothing new is begun.
    pub ending: bool,
}

type Ranges = Vec<(LogId, RangeInclusive<u64>)>;

impl Session {
    pub fn new(
        conn: ConnId,
        peer: PeerId,
        remote: SocketAddr,
        direction: Direction,
        standing: bool,
    ) -> Session {
        Session {
            conn,
            peer,
            remote,
            direction,
            standing,
            greeted: false,
            asked: BTreeSet::new(),
            serving: None,
            to_serve: VecDeque::new(),
            pinged: None,
            ending: false,
        }
    }

    /// The first frame of this side.
    pub fn hello(&self) -> Frame {
        Frame::Hello(Hello { min_version: VERSION, max_version: VERSION, standing: self.standing })
    }

    /// The other side's first frame. Whether the two can talk.
    pub fn greet(&mut self, hello: Hello) -> bool {
        self.standing |= hello.standing;
        self.greeted = hello.min_version <= VERSION && hello.max_version >= VERSION;
        self.greeted
    }

    pub fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// Asks for what is beyond `logs`, unless that is being asked already.
    pub fn ask(&mut self, room: RoomId, logs: Vec<(LogId, Seq)>) -> Option<Frame> {
        self.asked.insert(room).then_some(Frame::Have { room, logs })
    }

    /// Answers a `Have`: now, or after what is being served.
    pub fn serve(&mut self, room: RoomId, wanted: Ranges) -> Next {
        // The newest word about a room counts.
        self.to_serve.retain(|(queued, _)| *queued != room);
        if self.to_serve.len() < MAX_QUEUED {
            self.to_serve.push_back((room, wanted));
        }
        self.next()
    }

    /// What was being served has been written.
    pub fn served(&mut self) -> (Option<Frame>, Next) {
        let done = self.serving.take().map(|room| Frame::Done { room });
        (done, self.next())
    }

    /// The other side has sent all of a room. Whether that was asked for.
    pub fn done(&mut self, room: RoomId) -> bool {
        self.asked.remove(&room)
    }

    /// Something came. Who only listens shows now and then that it is still there.
    pub fn heard(&mut self, now: Instant) -> Option<Frame> {
        let pinged = *self.pinged.get_or_insert(now);
        (now.since(pinged) >= PING).then(|| {
            self.pinged = Some(now);
            Frame::Ping
        })
    }

    /// Whether a room was asked for and is not done.
    pub fn has_asked(&self, room: RoomId) -> bool {
        self.asked.contains(&room)
    }

    /// Rooms that were asked for and did not come to an end.
    pub fn unfinished(&self) -> impl Iterator<Item = RoomId> {
        self.asked.iter().copied()
    }

    /// Whether this side has no more use for the connection.
    pub fn is_idle(&self) -> bool {
        !self.standing && self.asked.is_empty() && self.serving.is_none() && self.to_serve.is_empty()
    }

    fn next(&mut self) -> Next {
        let mut next = Next::default();
        while self.serving.is_none() {
            let Some((room, wanted)) = self.to_serve.pop_front() else { break };
            if wanted.is_empty() {
                next.done.push(Frame::Done { room });
            } else {
                self.serving = Some(room);
                next.job = Some(Job::Serve { conn: self.conn, room, wanted });
            }
        }
        next
    }
}

/// What to do on a connection after something changed on it.
#[derive(Debug, Default)]
pub struct Next {
    /// Rooms of which there was nothing to send.
    pub done: Vec<Frame>,
    pub job: Option<Job>,
}

/// The version of the sync protocol.
const VERSION: u8 = 1;
/// The other side gives up after three times this without a word.
const PING: Duration = Duration::from_secs(30);
/// Rooms that wait to be served on one connection.
const MAX_QUEUED: usize = 1024;
