//! What others have kept for this device, and from whom of them it takes it: each log from one of them at a time, so
//! that three who keep the same do not send it thrice.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{ConnId, Instant, LogId, PeerId, Seq, Span};
use crate::pacing::earliest;
use crate::wire::mail::{MAX_WAITING, Waiting};

/// A log of somebody.
pub type Place = (PeerId, LogId);

#[derive(Default)]
pub struct Taking {
    offered: BTreeMap<Place, Offered>,
}

#[derive(Default)]
struct Offered {
    /// Who keeps what, by the connection on which it said so.
    by: BTreeMap<ConnId, Span>,
    fetching: Option<Fetching>,
    /// Whoever wrote it is here and may be quicker.
    not_before: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Fetching {
    conn: ConnId,
    span: Span,
    until: Instant,
}

/// What to say next of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Something is under way, or nobody offers anything.
    Nothing,
    Fetch(ConnId, Span),
    /// All of it is here: to be told to all of these.
    Complete(Vec<(ConnId, Span)>),
}

impl Taking {
    /// Somebody says what it keeps.
    pub fn offered(&mut self, conn: ConnId, waiting: &Waiting, not_before: Option<Instant>) -> bool {
        let place = (waiting.author, waiting.log);
        if waiting.span.is_empty()
            || (self.offered.len() >= MAX_OFFERED && !self.offered.contains_key(&place))
        {
            return false;
        }
        let on_conn = |offered: &&Offered| offered.by.contains_key(&conn);
        let known = self.offered.get(&place).is_some_and(|offered| on_conn(&offered));
        if !known && self.offered.values().filter(on_conn).count() >= MAX_WAITING {
            return false;
        }
        let offered = self.offered.entry(place).or_default();
        if offered.by.len() >= MAX_OFFERERS && !offered.by.contains_key(&conn) {
            return false;
        }
        offered.by.insert(conn, waiting.span);
        offered.not_before = not_before;
        true
    }

    /// What to do about a log of which `lacking` says what is not here of a span, the lowest first.
    pub fn next(&mut self, place: Place, lacking: impl Fn(Span) -> Vec<Span>, now: Instant) -> Next {
        let Some(offered) = self.offered.get_mut(&place) else { return Next::Nothing };
        let missing = offered.by.iter().filter_map(|(conn, span)| {
            let first = lacking(*span).into_iter().next()?;
            Some((first.after, std::cmp::Reverse(first.to), *conn))
        });
        let Some((after, to, conn)) = missing.min() else {
            let by = std::mem::take(&mut offered.by).into_iter().collect();
            self.offered.remove(&place);
            return Next::Complete(by);
        };
        if offered.fetching.is_some() || offered.not_before.is_some_and(|at| at > now) {
            return Next::Nothing;
        }
        offered.not_before = None;
        let span = Span { after, to: to.0 };
        offered.fetching = Some(Fetching { conn, span, until: now + STALLED });
        Next::Fetch(conn, span)
    }

    /// A bundle came. What was asked for, if anything was.
    pub fn brought(&mut self, conn: ConnId, place: Place) -> Option<Span> {
        let fetching = &mut self.offered.get_mut(&place)?.fetching;
        fetching.take_if(|fetching| fetching.conn == conn).map(|fetching| fetching.span)
    }

    /// Nothing more is expected of a connection for this log.
    pub fn drop_offer(&mut self, conn: ConnId, place: Place) {
        let Some(offered) = self.offered.get_mut(&place) else { return };
        offered.by.remove(&conn);
        offered.fetching.take_if(|fetching| fetching.conn == conn);
        if offered.by.is_empty() {
            self.offered.remove(&place);
        }
    }

    /// A connection is gone. The logs of which it offered something.
    pub fn closed(&mut self, conn: ConnId) -> Vec<Place> {
        let places: Vec<Place> = self
            .offered
            .iter()
            .filter(|(_, offered)| offered.by.contains_key(&conn))
            .map(|(p, _)| *p)
            .collect();
        for place in &places {
            self.drop_offer(conn, *place);
        }
        places
    }

    /// Whether anything is offered on a connection.
    pub fn is_offered_on(&self, conn: ConnId) -> bool {
        self.offered.values().any(|offered| offered.by.contains_key(&conn))
    }

    /// Logs with which it goes on now: nothing comes any more from whoever was to send, or its author was not quicker.
    pub fn due(&mut self, now: Instant) -> Vec<Place> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let places: Vec<Place> = self
            .offered
            .iter()
            .filter(|(_, offered)| {
                is_due(offered.fetching.map(|fetching| fetching.until)) || is_due(offered.not_before)
            })
            .map(|(place, _)| *place)
            .collect();
        for place in &places {
            let stalled = self.offered.get(place).and_then(|offered| offered.fetching);
            if let Some(stalled) = stalled.filter(|fetching| fetching.until <= now) {
                self.drop_offer(stalled.conn, *place);
            }
            if let Some(offered) = self.offered.get_mut(place) {
                offered.not_before.take_if(|at| *at <= now);
            }
        }
        places
    }

    /// Logs of this author that others offer: something of them may have come from elsewhere.
    pub fn of(&self, author: PeerId) -> Vec<Place> {
        self.offered
            .range((author, LogId([0; 8]))..=(author, LogId([255; 8])))
            .map(|(place, _)| *place)
            .collect()
    }

    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = self.offered.values().filter_map(|offered| {
            earliest(offered.fetching.map(|fetching| fetching.until), offered.not_before)
        });
        deadlines.min()
    }
}

/// Whether entries at these places are the beginning of what was asked for.
pub fn begins(asked: Span, places: impl Iterator<Item = Seq>) -> bool {
    let mut expected = asked.after;
    for seq in places {
        expected = expected.next();
        if seq != expected || seq > asked.to {
            return false;
        }
    }
    expected > asked.after
}

/// How long a device whose mail is here waits for its author, if that one is here too.
pub const AUTHOR_FIRST: Duration = Duration::from_secs(2);
/// Logs of which others say that they keep something: sixteen times what one of them may say.
const MAX_OFFERED: usize = 4096;
/// Devices that keep the same: three, those that took the place of others, and no crowd.
const MAX_OFFERERS: usize = 16;
/// Whoever brings nothing for so long is given up.
const STALLED: Duration = Duration::from_secs(20);
