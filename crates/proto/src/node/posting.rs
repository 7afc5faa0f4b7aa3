//! Who keeps what this device wrote while the other side is away: asked, topped up, checked and told to forget.

use std::time::Duration;

use crate::effects::{Effects, Event, Job, KeptBy, Record, Stock, Trust};
use crate::mail::{Answered, Situation, Step};
use crate::model::{ConnId, LogId, Now, PeerId, RoomId, Seq, Span, UnixMillis};
use crate::node::errands::Errand;
use crate::node::mailbox::say;
use crate::node::{Entries, Node, reachable};
use crate::rooms::{RoomKind, direct_room_id};
use crate::wire::mail::{Kept, Mail};

impl Node {
    /// Devices that say to keep the entry of the log that this device writes now, at `seq`, for the other side of a direct conversation, which
    /// has not said to hold it. Nothing is delivered by that.
    pub fn kept_by(&self, room: RoomId, log: LogId, seq: Seq) -> Vec<PeerId> {
        let Some(held) = self.rooms.get(&room) else { return Vec::new() };
        let Some(recipient) = held.record.kind.other_side() else { return Vec::new() };
        if log != held.replica.own_log() || held.replica.holders(log, seq).any(|peer| peer == recipient) {
            return Vec::new();
        }
        self.mail.posting.holders(room, log, seq)
    }

    /// What this device wrote and the other side lacks is given to others; what it has, they may forget.
    pub(super) fn tend_posts(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let rooms = self.rooms.iter().filter(|(_, room)| matches!(room.record.kind, RoomKind::Direct(_)));
        let rooms: Vec<RoomId> = rooms.map(|(id, _)| *id).collect();
        for room in rooms {
            effects.extend(self.tend_post(room, now));
        }
        self.mail.due = self.mail.posting.deadline(now.instant);
        effects
    }

    fn tend_post(&mut self, room: RoomId, now: Now) -> Effects {
        let Some(held) = self.rooms.get(&room) else { return Effects::default() };
        let Some(recipient) = held.record.kind.other_side() else { return Effects::default() };
        let (log, lacking) = (held.replica.own_log(), held.replica.uncovered(recipient));
        let recipient_here = self.presence.is_online(recipient) || self.presence.is_blocked(recipient);
        let candidates =
            if lacking.is_empty() || recipient_here { Vec::new() } else { self.likely_holders(recipient) };
        let (presence, sessions) = (&self.presence, &self.sessions);
        let is_here = |peer: PeerId| {
            !presence.is_blocked(peer)
                && (reachable(presence, peer).is_some()
                    || sessions.values().any(|session| session.peer == peer && !session.ending))
        };
        let is_gone = |peer: PeerId| {
            let seen = presence.peer(peer).map_or(UnixMillis(0), |record| record.last_seen);
            u128::from(now.unix.0.saturating_sub(seen.0)) >= GONE.as_millis()
        };
        let situation = Situation {
            log,
            lacking,
            recipient_here,
            candidates: &candidates,
            is_here: &is_here,
            is_gone: &is_gone,
        };
        let steps = self.mail.posting.plan(room, &situation, now);
        let mut effects = Effects::default();
        for step in steps {
            effects.extend(self.step(room, log, step, now));
        }
        effects
    }

    /// Whoever is here, those first who are known well and for long: they are likely to be here when the recipient comes.
    /// Whom the recipient knows is not known.
    fn likely_holders(&self, recipient: PeerId) -> Vec<PeerId> {
        let others = self.presence.online().filter(|peer| *peer != recipient);
        let known = others.filter_map(|peer| {
            let record = self.presence.peer(peer).filter(|record| record.trust != Trust::Blocked)?;
            reachable(&self.presence, peer)?;
            Some((std::cmp::Reverse(record.trust), record.first_seen, peer))
        });
        let mut known: Vec<_> = known.collect();
        known.sort_unstable();
        known.into_iter().map(|(.., peer)| peer).take(MAX_CANDIDATES).collect()
    }

    fn step(&mut self, room: RoomId, log: LogId, step: Step, now: Now) -> Effects {
        let (peer, errand) = match step {
            Step::Deposit(peer) => (peer, Errand::Deposit(room, peer)),
            Step::Ask(peer) => (peer, Errand::AskKept(room, peer)),
            Step::Release(peer) => (peer, Errand::Release(room, peer)),
            Step::GiveUp(peer) => return self.give_up_on(room, peer),
            Step::Forget(holder) => {
                let known = KeptBy { room, holder, log, held: Span::default(), at: now.unix };
                return kept_otherwise(known);
            }
        };
        let gone = self.go(peer, errand, now);
        if gone.is_none() {
            self.mail.posting.failed(room, peer, now.instant);
        }
        gone.unwrap_or_default()
    }

    fn give_up_on(&mut self, room: RoomId, peer: PeerId) -> Effects {
        let mut effects = Effects::default();
        for errand in [Errand::Deposit(room, peer), Errand::AskKept(room, peer), Errand::Release(room, peer)]
        {
            for conn in self.errands.abandon(errand) {
                effects.extend(self.hang_up_if_idle(conn));
            }
        }
        effects
    }

    /// Reads from the store what a holder is to be given.
    pub(super) fn begin_deposit(&mut self, conn: ConnId, room: RoomId, holder: PeerId) -> Effects {
        let Some((log, lacking)) = self.own_part(room) else { return Effects::default() };
        let Some(span) = self.mail.posting.next(room, holder, lacking) else {
            self.mail.posting.done(room, holder);
            return Effects::default();
        };
        let job = Job::Collect { conn, stock: Stock::Room, room, log, span };
        Effects { run: vec![job], ..Effects::default() }
    }

    /// They were read.
    pub(super) fn deposit(
        &mut self,
        conn: ConnId,
        holder: PeerId,
        (room, log): (RoomId, LogId),
        entries: &Entries,
        now: Now,
    ) -> Effects {
        let recipient = self.rooms.get(&room).and_then(|held| held.record.kind.other_side());
        let (Some(recipient), Some((own, _))) = (recipient, self.own_part(room)) else {
            return Effects::default();
        };
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return self.deposit_ended(conn, room, holder);
        };
        if log != own {
            return self.deposit_ended(conn, room, holder);
        }
        let given = Span { after: Seq(first.header.seq.0 - 1), to: last.header.seq };
        self.mail.posting.gave(room, holder, given, now.instant);
        let entries = entries.iter().map(|entry| entry.encode_in_room()).collect();
        Effects { send: vec![say(conn, Mail::Deposit { recipient, entries })], ..Effects::default() }
    }

    fn deposit_ended(&mut self, conn: ConnId, room: RoomId, holder: PeerId) -> Effects {
        self.mail.posting.done(room, holder);
        self.errands.done(conn, Errand::Deposit(room, holder));
        self.hang_up_if_idle(conn)
    }

    pub(super) fn begin_asking(&mut self, conn: ConnId, room: RoomId, holder: PeerId, all: bool) -> Effects {
        let recipient = self.rooms.get(&room).and_then(|held| held.record.kind.other_side());
        let (Some(recipient), Some((log, _))) = (recipient, self.own_part(room)) else {
            return Effects::default();
        };
        let to = self.mail.posting.held(room, holder).to;
        let asked = if all { Mail::Release { recipient, log, to } } else { Mail::Ask { recipient, log } };
        Effects { send: vec![say(conn, asked)], ..Effects::default() }
    }

    /// A holder says what it keeps, and perhaps what the recipient has signed to hold.
    pub(super) fn kept(&mut self, conn: ConnId, holder: PeerId, said: &Kept, now: Now) -> Effects {
        let room = direct_room_id(self.me, said.recipient);
        let mut effects = Effects::default();
        if self.own_part(room).is_none_or(|(log, _)| log != said.log) {
            return effects;
        }
        effects.extend(self.receipted(room, said));
        let lacking = self.own_part(room).map_or(Span::default(), |(_, lacking)| lacking);
        let (answered, known) = self.mail.posting.answered(room, holder, said, lacking, now);
        if answered == Answered::Unasked {
            return effects;
        }
        effects.extend(known.map(kept_otherwise).unwrap_or_default());
        if answered == Answered::More {
            let more = self.begin_deposit(conn, room, holder);
            if !more.is_empty() {
                effects.extend(more);
                return effects;
            }
        }
        for errand in
            [Errand::Deposit(room, holder), Errand::AskKept(room, holder), Errand::Release(room, holder)]
        {
            self.errands.done(conn, errand);
        }
        self.mail.wake(now.instant);
        effects.extend(self.hang_up_if_idle(conn));
        effects
    }

    /// The recipient's own word, passed on: then it is delivered, whoever brings it.
    fn receipted(&mut self, room: RoomId, said: &Kept) -> Effects {
        let mut effects = Effects::default();
        let (peer, log) = (said.recipient, said.log);
        let Some(receipt) = &said.receipt else { return effects };
        let Some(held) = self.rooms.get_mut(&room) else { return effects };
        let known = held.replica.uncovered(peer).after;
        // What says nothing new is not worth the check of its signature. And a holder that brought the recipient only the
        // end of what it was given must not have the beginning forgotten elsewhere.
        if receipt.span.to <= known
            || receipt.span.after > known
            || !receipt.is_genuine(peer, room, log, &self.verifier)
        {
            return effects;
        }
        if let Some(covered) = held.replica.covered_by_receipt(peer, log, receipt.span) {
            effects.commit.push(Record::Covered { room, peer, log, held: covered });
            effects.tell.push(Event::Covered { room });
        }
        effects
    }

    /// This device's log in a direct conversation, and what of it the other side has not said to hold.
    fn own_part(&self, room: RoomId) -> Option<(LogId, Span)> {
        let held = self.rooms.get(&room)?;
        let recipient = held.record.kind.other_side()?;
        Some((held.replica.own_log(), held.replica.uncovered(recipient)))
    }
}

fn kept_otherwise(known: KeptBy) -> Effects {
    let tell = vec![Event::Kept(known.room)];
    Effects { commit: vec![Record::Kept(known)], tell, ..Effects::default() }
}

/// A holder that was not here for so long may not be here when the recipient comes: another one is asked besides.
const GONE: Duration = Duration::from_secs(3600);
/// Devices that are considered, best first: of a thousand most need not be asked to find three.
const MAX_CANDIDATES: usize = 64;
