//! Where an entry stands in the order shown, where its author's clock or that of this device is wrong (PROTOCOL.md, "Order
//! shown"). With right clocks it is the entry's reading.

use std::sync::Arc;

use crate::model::{Hlc, UnixMillis};
use crate::rooms::is_message;
use crate::wire::entry::{Entry, Header};

/// When an entry came here, and what is known of when it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Came {
    pub arrived: UnixMillis,
    /// What its author's clock said then, where that is far behind the clock that told the time of arrival.
    pub theirs: Option<UnixMillis>,
    /// The places of the messages right before and right behind it in its log, where they are here.
    pub between: (Option<Hlc>, Option<Hlc>),
}

impl Came {
    /// By the clock of somebody who is right, as far as anybody knows.
    pub fn at(arrived: UnixMillis) -> Came {
        Came { arrived, theirs: None, between: (None, None) }
    }
}

/// Where an entry stands that came so.
pub fn place(header: &Header, came: Came) -> Hlc {
    let Came { arrived, theirs, between: (before, behind) } = came;
    let reading = header.hlc;
    let mut place = if is_far(reading, arrived) { Hlc::at(arrived) } else { reading };
    // Of what speaks about messages the newest counts, whenever it comes.
    if is_message(header.kind) {
        let said_now = theirs.is_some_and(|theirs| reading.unix().0.saturating_add(JUST_NOW_MS) >= theirs.0);
        if said_now {
            place = Hlc::at(arrived);
        }
        if let Some(before) = before.filter(|before| is_far(*before, place.unix()))
            && !is_far(before, arrived)
        {
            place = before;
        }
        if let Some(behind) = behind.filter(|behind| is_far(place, behind.unix())) {
            place = behind;
        }
    }
    place.min(MAX_PLACE)
}

/// Where consecutive entries of one log stand that came together; `came` says what is right before and right behind them.
pub fn places(entries: &[Arc<Entry>], came: Came) -> Vec<Hlc> {
    let (mut before, mut behind) = came.between;
    let mut all: Vec<Option<Hlc>> = Vec::with_capacity(entries.len());
    for entry in entries.iter().rev() {
        all.push(behind);
        if is_message(entry.header.kind) {
            behind = Some(place(&entry.header, Came { between: (None, behind), ..came }));
        }
    }
    let with = |(entry, behind): (&Arc<Entry>, Option<Hlc>)| {
        let place = place(&entry.header, Came { between: (before, behind), ..came });
        if is_message(entry.header.kind) {
            before = Some(place);
        }
        place
    };
    entries.iter().zip(all.into_iter().rev()).map(with).collect()
}

/// Whether a reading is further ahead of a time than clocks differ that agree.
fn is_far(reading: Hlc, time: UnixMillis) -> bool {
    reading.unix().0 > time.0.saturating_add(MAX_AHEAD_MS)
}

/// Times of arrival told anew, after the clock that told them turned out to have been ahead: in the order of arrival, and
/// never later than it was. And where what came then stands.
#[derive(Clone, Copy, Debug)]
pub struct Retold {
    now: UnixMillis,
    /// Nothing is told to have come later; what follows it still stands before now.
    until: UnixMillis,
    latest: UnixMillis,
    /// What the clock that was ahead said last.
    ahead: Option<UnixMillis>,
}

impl Retold {
    /// Of what came behind something that has this time of arrival and stands here.
    pub fn behind(arrived: UnixMillis, place: Hlc, now: UnixMillis) -> Retold {
        let latest = if arrived <= now { arrived } else { place.unix() };
        let ahead = (arrived > now).then_some(arrived);
        Retold { ahead, ..Retold::since(latest, now) }
    }

    /// Of all that is here: the first has one time of arrival, and a later one the other, by the same clock, and came `at`
    /// this time at the latest.
    pub fn from_first(first: UnixMillis, later: UnixMillis, at: UnixMillis, now: UnixMillis) -> Retold {
        let passed = later.0.saturating_sub(first.0);
        Retold::since(UnixMillis(at.0.saturating_sub(passed)), now)
    }

    fn since(latest: UnixMillis, now: UnixMillis) -> Retold {
        let until = UnixMillis(now.0.saturating_sub(KEPT_FREE_MS));
        Retold { now, until, latest: latest.min(until), ahead: None }
    }

    /// When the next one came, that was said then by its author's clock: not before those before it, nor before it was said
    /// by a clock that may be right, and so long after the one before as the clock said that was ahead.
    pub fn next(&mut self, arrived: UnixMillis, said: Hlc) -> UnixMillis {
        if arrived <= self.now {
            self.ahead = None;
            self.latest = self.latest.max(arrived).min(self.until);
            return arrived;
        }
        let before = self.ahead.replace(arrived).unwrap_or(arrived);
        let passed = arrived.0.saturating_sub(before.0).max(1);
        let said = if said.unix() <= self.now { said.unix() } else { UnixMillis(0) };
        self.latest = UnixMillis(self.latest.0.saturating_add(passed)).max(said).min(self.until);
        self.latest
    }

    /// Where an entry stands that stood in the future and came then: behind all of its room that came before, the last of
    /// which stands here, but before what came earlier and stands behind it in its log.
    pub fn place(&self, header: &Header, own: bool, came: UnixMillis, last: Hlc, behind: Option<Hlc>) -> Hlc {
        // What this device wrote, it wrote then.
        let theirs = own.then_some(UnixMillis(0));
        let arrived = came.min(self.until);
        let alone = place(header, Came { theirs, ..Came::at(arrived) });
        // A clock that says it is later than now was ahead as well, or nobody knows.
        let alone = if alone > Hlc::at(self.until) { Hlc::at(arrived) } else { alone };
        let stands = alone.max(last.next());
        behind.map_or(stands, |behind| stands.min(behind)).min(MAX_PLACE)
    }
}

/// Milliseconds by which clocks differ that agree, as far as the order of what is said goes. An entry that is further ahead
/// stands where it arrived.
pub const MAX_AHEAD_MS: u64 = 10 * 60 * 1000;
/// What was written so many milliseconds before it came, by its author's clock, was said just now.
const JUST_NOW_MS: u64 = 120_000;
/// What is told anew came so many milliseconds before now at the latest: in what is left millions stand one behind the other.
const KEPT_FREE_MS: u64 = 1000;
/// SQLite compares signed numbers; clocks reach this in the year 6429.
pub const MAX_PLACE: Hlc = Hlc(i64::MAX as u64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PeerId, RoomId, Seq};
    use crate::rooms::kind;

    const NOW: u64 = 1_800_000_000_000;
    const HOUR: i64 = 3_600_000;

    fn at(hours: i64) -> UnixMillis {
        UnixMillis(NOW.saturating_add_signed(hours * HOUR))
    }

    fn written(kind: u8, hours: i64) -> Header {
        let (room, author) = (RoomId([1; 32]), PeerId([2; 32]));
        let hlc = Hlc(Hlc::at(at(hours)).0 + 3);
        Header { room, author, nonce: 1, epoch: 0, seq: Seq(5), prev: [0; 32], hlc, deps: Vec::new(), kind }
    }

    #[test]
    fn right_clocks_say_where_an_entry_stands_whatever_stands_beside_it() {
        let said = written(kind::TEXT, -3);
        let near = |minutes: i64| Some(Hlc::at(UnixMillis(at(-3).0.saturating_add_signed(minutes * 60_000))));
        for between in [(None, None), (near(9), near(-9)), (near(-90), near(90))] {
            assert_eq!(place(&said, Came { between, ..Came::at(at(0)) }), said.hlc);
        }
    }

    #[test]
    fn a_message_from_the_future_stands_where_it_arrived_but_before_what_its_author_wrote_next() {
        let ahead = written(kind::TEXT, 48);
        assert_eq!(place(&ahead, Came::at(at(0))), Hlc::at(at(0)));
        let next = Some(Hlc::at(at(-1)));
        assert_eq!(place(&ahead, Came { between: (None, next), ..Came::at(at(0)) }), Hlc::at(at(-1)));
        assert_eq!(place(&ahead, Came { between: (None, next), ..Came::at(at(99)) }), Hlc::at(at(-1)));
        let edit = written(kind::EDIT, 48);
        assert_eq!(place(&edit, Came { between: (None, next), ..Came::at(at(0)) }), Hlc::at(at(0)));
    }

    #[test]
    fn what_is_said_just_now_by_a_clock_that_is_behind_stands_where_it_arrives() {
        let behind = written(kind::TEXT, -48);
        let came = Came { theirs: Some(at(-48)), ..Came::at(at(0)) };
        assert_eq!(place(&behind, came), Hlc::at(at(0)));
        assert_eq!(place(&written(kind::EDIT, -48), came), behind.hlc, "of two edits the newest counts");
        let before = Some(Hlc::at(at(-1)));
        let later = Came { theirs: Some(at(-47)), between: (before, None), ..Came::at(at(0)) };
        assert_eq!(place(&behind, later), Hlc::at(at(-1)), "an hour ago, but behind what was said before");
        let absurd = Came { between: (Some(Hlc::at(at(9))), None), ..later };
        assert_eq!(place(&behind, absurd), behind.hlc);
    }

    #[test]
    fn times_of_arrival_are_told_anew_in_their_order_and_never_too_late() {
        let mut retold = Retold::behind(at(-5), Hlc(0), at(0));
        let said = |hours| Hlc::at(at(hours));
        let ahead = |hours: i64| at(48 + hours);
        assert_eq!(retold.next(ahead(-4), said(44)), UnixMillis(at(-5).0 + 1));
        assert_eq!(retold.next(ahead(-3), said(45)), UnixMillis(at(-4).0 + 1));
        assert_eq!(retold.next(ahead(-2), said(-2)), at(-2), "it was said then");
        assert_eq!(retold.next(ahead(-1), said(-9)), at(-1), "older words come later");
        assert_eq!(retold.next(at(0), said(0)), at(0));
        assert_eq!(retold.next(ahead(9), said(57)), UnixMillis(at(0).0 - KEPT_FREE_MS));
    }

    #[test]
    fn what_is_told_anew_stands_in_the_order_of_arrival_though_there_is_no_time_left_between() {
        // The clock says now that it is an hour earlier than it is, and was two days ahead before, and three.
        let mut retold = Retold::behind(at(0), Hlc::at(at(0)), at(0));
        let mut last = Hlc::at(UnixMillis(at(0).0 - 5));
        for (arrived, reading, own) in [(48, 1, false), (72, 0, false), (48, 72, true), (71, 1, false)] {
            let header = Header { hlc: Hlc::at(at(reading)), ..written(kind::TEXT, 0) };
            let came = retold.next(at(arrived), header.hlc);
            let stands = retold.place(&header, own, came, last, None);
            assert!(stands > last && stands < Hlc::at(at(0)), "{stands:?}");
            last = stands;
        }
        let header = written(kind::TEXT, 1);
        let next = Hlc::at(at(-1));
        assert_eq!(retold.place(&header, false, at(0), last, Some(next)), next, "its author said that later");
    }

    #[test]
    fn where_nothing_came_before_times_go_by_what_came_later() {
        let mut retold = Retold::from_first(at(48), at(50), at(-2), at(0));
        assert_eq!(retold.next(at(48), Hlc::at(at(48))), UnixMillis(at(-4).0 + 1));
        assert_eq!(retold.next(at(50), Hlc::at(at(-2))), UnixMillis(at(-2).0 + 1));
        let behind = Retold::behind(at(49), Hlc::at(at(-3)), at(0));
        assert_eq!(behind.latest, at(-3), "nobody knows when it came, but it was said then");
    }
}
