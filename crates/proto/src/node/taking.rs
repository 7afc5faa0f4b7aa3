//! What others kept for this device: taken from one of them at a time, proven and absorbed like any other entries, and
//! then said to be here.

use crate::effects::{Effects, Record};
use crate::identity::Purpose;
use crate::mail::{AUTHOR_FIRST, Next, Place, begins};
use crate::model::{ConnId, Now, PeerId, RoomId, Span};
use crate::node::mailbox::say;
use crate::node::{Dropped, Node};
use crate::rooms::direct_room_id;
use crate::wire::entry::Unverified;
use crate::wire::mail::{Mail, Receipt, Waiting};

impl Node {
    /// Somebody says what it keeps for this device.
    pub(super) fn mail_waits(&mut self, conn: ConnId, bundles: &[Waiting], now: Now) -> Effects {
        let mut effects = Effects::default();
        let me = self.me;
        for waiting in bundles.iter().filter(|waiting| waiting.author != me) {
            let place = (waiting.author, waiting.log);
            if self.presence.is_blocked(waiting.author) {
                effects.send.push(unwanted(conn, waiting));
                continue;
            }
            let author_here = self.presence.is_online(waiting.author);
            let not_before = author_here.then(|| now.instant + AUTHOR_FIRST);
            if self.mail.taking.offered(conn, waiting, not_before) {
                effects.extend(self.take_next(place, now));
            }
        }
        effects
    }

    /// Goes on with a log that others keep something of: asks one of them for what is lacking, or tells all of them that
    /// nothing is.
    pub(super) fn take_next(&mut self, place: Place, now: Now) -> Effects {
        let (author, log) = place;
        let room = direct_room_id(self.me, author);
        let held = self.rooms.get(&room);
        let lacking = |span| match held {
            Some(held) if held.replica.is_forked(log) => Vec::new(),
            Some(held) => held.replica.lacking(log, span),
            None => vec![span],
        };
        match self.mail.taking.next(place, lacking, now.instant) {
            Next::Nothing => Effects::default(),
            Next::Fetch(conn, span) => {
                Effects { send: vec![say(conn, Mail::Fetch { author, log, span })], ..Effects::default() }
            }
            Next::Complete(holders) => {
                let mut effects = Effects { commit: vec![Record::Outlast], ..Effects::default() };
                for (conn, span) in holders {
                    let signature = self.receipt(room, place, span);
                    effects.send.push(say(conn, Mail::Taken { author, log, span, signature }));
                    effects.extend(self.hang_up_if_idle(conn));
                }
                effects
            }
        }
    }

    /// Signed only if all of it is here: what is not wanted any more is not held.
    fn receipt(&self, room: RoomId, (_, log): Place, span: Span) -> Option<[u8; 64]> {
        let replica = &self.rooms.get(&room)?.replica;
        let holds = !replica.is_forked(log) && replica.holds(log, span);
        let signed = Receipt::signed(room, log, span);
        holds.then(|| self.identity.sign(Purpose::Receipt, &[&signed]))
    }

    /// What was asked for came, or something else.
    pub(super) fn bundle(
        &mut self,
        conn: ConnId,
        holder: PeerId,
        place: Place,
        entries: &[Vec<u8>],
        now: Now,
    ) -> Effects {
        let (author, log) = place;
        let Some(asked) = self.mail.taking.brought(conn, place) else { return Effects::default() };
        let room = direct_room_id(self.me, author);
        let mut effects = Effects::default();
        let read: Result<Vec<Unverified>, _> =
            entries.iter().map(|bytes| Unverified::decode_in_room(room, bytes)).collect();
        let fits = |run: &Vec<Unverified>| {
            let theirs = run.iter().all(|entry| entry.header().author == author && entry.log() == log);
            theirs && begins(asked, run.iter().map(|entry| entry.header().seq))
        };
        match read.ok().filter(|run| fits(run) && self.is_genuine(run)) {
            Some(run) => {
                effects.extend(self.room_with(room, author, now));
                if let Some(held) = self.rooms.get_mut(&room) {
                    let received = held.replica.delivered(run, now.instant, &mut self.dice);
                    effects.extend(self.absorb(room, holder, received, now));
                }
            }
            None if entries.is_empty() => {}
            None => {
                self.count(Dropped::Entry, entries.len() as u64);
                effects.extend(self.hang_up(conn));
            }
        }
        if !self.goes_on(room, log, asked) {
            self.mail.taking.drop_offer(conn, place);
        }
        effects.extend(self.take_next(place, now));
        effects.extend(self.hang_up_if_idle(conn));
        effects
    }

    /// Whether consecutive entries are their author's: a conversation begins with nothing less.
    fn is_genuine(&self, run: &[Unverified]) -> bool {
        let follow = run.windows(2).all(|two| two[0].precedes(&two[1]));
        let last = run.last().cloned();
        follow && last.is_some_and(|last| last.verify(&self.verifier).is_ok())
    }

    /// Whether something of what was asked for is here now.
    fn goes_on(&self, room: RoomId, log: crate::model::LogId, asked: Span) -> bool {
        let Some(held) = self.rooms.get(&room) else { return false };
        let first = held.replica.lacking(log, asked).into_iter().next();
        first.is_none_or(|first| first.after > asked.after)
    }

    /// Entries of somebody came by another way: what others keep of them may not be needed any more.
    pub(super) fn mail_came_otherwise(&mut self, author: PeerId, now: Now) -> Effects {
        let mut effects = Effects::default();
        for place in self.mail.taking.of(author) {
            effects.extend(self.take_next(place, now));
        }
        effects
    }
}

fn unwanted(conn: ConnId, waiting: &Waiting) -> crate::effects::Transmit {
    let Waiting { author, log, span } = *waiting;
    say(conn, Mail::Taken { author, log, span, signature: None })
}
