//! Mail: what this device keeps for others, hands to them when they come, and tells their authors of it.
//!
//! What others keep for this device is in `taking`, and who keeps what it wrote in `posting`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::effects::{Effects, Event, Job, LoadedMail, Stock, Transmit};
use crate::identity::{Purpose, Verifier};
use crate::mail::{Held, Holding, Posting, Since, Taking};
use crate::model::{ConnId, Instant, LogId, Now, PeerId, RoomId, Span};
use crate::node::errands::Errand;
use crate::node::retry::Retry;
use crate::node::{Dropped, Entries, Node};
use crate::pacing::earliest;
use crate::rooms::direct_room_id;
use crate::wire::entry::Unverified;
use crate::wire::frame::Frame;
use crate::wire::mail::{Kept, Mail, Receipt, Waiting, Why};

pub(super) struct Mailbox {
    pub(super) holding: Holding,
    pub(super) posting: Posting,
    pub(super) taking: Taking,
    /// When to look at what this device wrote and others are to keep.
    pub(super) due: Option<Instant>,
    /// Before this it cannot be told who is here.
    pub(super) settled_at: Instant,
    expire_at: Option<Instant>,
    /// Devices that were told what is kept for them.
    handing: BTreeMap<PeerId, Handing>,
    /// Devices that are not told again before this.
    resting: BTreeMap<PeerId, Retry>,
    /// Connections for which entries are being read.
    reading: BTreeSet<ConnId>,
}

struct Handing {
    conn: ConnId,
    /// Nothing came of it up to here.
    until: Instant,
    /// What it may still be sent on this connection.
    left: u64,
}

impl Mailbox {
    pub(super) fn new(me: PeerId, now: Instant) -> Mailbox {
        Mailbox {
            holding: Holding::new(me),
            posting: Posting::default(),
            taking: Taking::default(),
            due: Some(now + SETTLED),
            settled_at: now + SETTLED,
            expire_at: Some(now),
            handing: BTreeMap::new(),
            resting: BTreeMap::new(),
            reading: BTreeSet::new(),
        }
    }

    /// Looks at what this device wrote as soon as may be.
    pub(super) fn wake(&mut self, at: Instant) {
        self.due = earliest(self.due, Some(at.max(self.settled_at)));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let handing = self.handing.values().map(|handing| handing.until).min();
        let own = earliest(self.due, self.taking.deadline());
        earliest(earliest(own, handing), self.expire_at.filter(|_| !self.holding.is_empty()))
    }
}

impl Node {
    pub(super) fn load_mail(&mut self, loaded: LoadedMail) -> Effects {
        self.mail.posting.load(loaded.kept.clone());
        let commit = self.mail.holding.load(loaded);
        Effects { commit, ..Effects::default() }
    }

    /// Keeps at most so many bytes for others; nothing, and none of what is kept, if absent.
    pub fn hold_for_others(&mut self, bytes: Option<u64>) -> Effects {
        let commit = self.mail.holding.limit(bytes);
        let tell = if commit.is_empty() { Vec::new() } else { vec![Event::Holding] };
        Effects { commit, tell, ..Effects::default() }
    }

    /// What this device keeps for others.
    pub fn held_for_others(&self) -> Held {
        self.mail.holding.held()
    }

    pub(super) fn mail(&mut self, conn: ConnId, peer: PeerId, said: Mail, now: Now) -> Effects {
        if self.presence.is_blocked(peer) {
            return Effects::default();
        }
        match said {
            Mail::Deposit { recipient, entries } => self.deposited(conn, peer, recipient, &entries, now),
            Mail::Ask { recipient, log } => self.say_what_is_kept(conn, peer, recipient, log, None),
            Mail::Release { recipient, log, to } => {
                let released = self.mail.holding.release(direct_room_id(peer, recipient), log, to);
                let tell = released.iter().map(|_| Event::Holding).collect();
                let mut effects =
                    Effects { commit: released.into_iter().collect(), tell, ..Effects::default() };
                effects.extend(self.say_what_is_kept(conn, peer, recipient, log, None));
                effects
            }
            Mail::Kept(kept) => self.kept(conn, peer, &kept, now),
            Mail::Waiting { bundles } => self.mail_waits(conn, &bundles, now),
            Mail::Fetch { author, log, span } => self.fetched(conn, peer, author, log, span, now),
            Mail::Bundle { author, log, entries } => self.bundle(conn, peer, (author, log), &entries, now),
            Mail::Taken { author, log, span, signature } => {
                self.taken(conn, peer, (author, log), span, signature, now)
            }
        }
    }

    /// The author is at the other end of the connection: nobody else can give anything to be kept.
    fn deposited(
        &mut self,
        conn: ConnId,
        author: PeerId,
        recipient: PeerId,
        entries: &[Vec<u8>],
        now: Now,
    ) -> Effects {
        let mut effects = Effects::default();
        let known = self.presence.peer(author).map(|record| now.unix.0.saturating_sub(record.first_seen.0));
        let since = match known {
            Some(known) if u128::from(known) >= LONG_KNOWN.as_millis() => Since::Long,
            _ => Since::Lately,
        };
        let room = direct_room_id(author, recipient);
        let first = entries.first().and_then(|first| Unverified::decode_in_room(room, first).ok());
        // What names no log cannot be answered.
        let Some(log) = first.map(|first| first.log()) else {
            self.count(Dropped::Frame, 1);
            return effects;
        };
        let refused = if self.presence.is_blocked(recipient) {
            Some(Why::Unwilling)
        } else {
            let deposited = self.mail.holding.deposit(author, since, recipient, entries, now);
            if !deposited.records.is_empty() {
                effects.tell.push(Event::Holding);
                self.mail.expire_at = earliest(self.mail.expire_at, Some(now.instant + EXPIRE));
            }
            effects.commit.extend(deposited.records);
            deposited.refused
        };
        if refused == Some(Why::Wrong) {
            self.count(Dropped::Entry, entries.len() as u64);
        }
        effects.extend(self.say_what_is_kept(conn, author, recipient, log, refused));
        // It is here although its author does not see it.
        if refused.is_none() && self.presence.is_online(recipient) {
            effects.extend(self.hand_over(recipient, now));
            effects.extend(self.hand_over_more(recipient, author, (room, log), now));
        }
        effects
    }

    /// More came for a device that is being told what there is.
    fn hand_over_more(
        &mut self,
        recipient: PeerId,
        author: PeerId,
        (room, log): (RoomId, LogId),
        now: Now,
    ) -> Effects {
        let span = self.mail.holding.span(room, log);
        let bytes = self.mail.holding.bytes_for(recipient);
        let Some(handing) = self.mail.handing.get_mut(&recipient).filter(|_| !span.is_empty()) else {
            return Effects::default();
        };
        handing.until = now.instant + SILENT;
        handing.left = handing.left.max(2 * bytes + SLACK);
        let bundles = vec![Waiting { author, log, span }];
        Effects { send: vec![say(handing.conn, Mail::Waiting { bundles })], ..Effects::default() }
    }

    fn say_what_is_kept(
        &mut self,
        conn: ConnId,
        author: PeerId,
        recipient: PeerId,
        log: LogId,
        refused: Option<Why>,
    ) -> Effects {
        let room = direct_room_id(author, recipient);
        let (span, receipt) = (self.mail.holding.span(room, log), self.mail.holding.receipt(room, log));
        Effects {
            send: vec![say(conn, Mail::Kept(Kept { recipient, log, span, refused, receipt }))],
            ..Effects::default()
        }
    }

    /// Goes to tell a device that is here what is kept for it.
    pub(super) fn hand_over(&mut self, recipient: PeerId, now: Now) -> Effects {
        let rests = self.mail.resting.get(&recipient).is_some_and(|retry| !retry.is_due(now.instant));
        let errand = Errand::HandOver(recipient);
        if rests
            || self.presence.is_blocked(recipient)
            || self.mail.handing.contains_key(&recipient)
            || self.errands.is_under_way(errand)
            || self.mail.holding.bytes_for(recipient) == 0
        {
            return Effects::default();
        }
        self.go(recipient, errand, now).unwrap_or_default()
    }

    pub(super) fn begin_handing_over(&mut self, conn: ConnId, recipient: PeerId, now: Now) -> Effects {
        let bundles = self.mail.holding.waiting_for(recipient);
        if bundles.is_empty() {
            return Effects::default();
        }
        // Nobody who means it asks for the same more often than a connection may break.
        let left = 2 * self.mail.holding.bytes_for(recipient) + SLACK;
        let handing = Handing { conn, until: now.instant + SILENT, left };
        self.mail.handing.insert(recipient, handing);
        Effects { send: vec![say(conn, Mail::Waiting { bundles })], ..Effects::default() }
    }

    /// The recipient says what it lacks.
    fn fetched(
        &mut self,
        conn: ConnId,
        peer: PeerId,
        author: PeerId,
        log: LogId,
        span: Span,
        now: Now,
    ) -> Effects {
        let room = direct_room_id(author, peer);
        let kept = self.mail.holding.span(room, log);
        let Some(handing) = self.mail.handing.get_mut(&peer).filter(|handing| handing.conn == conn) else {
            return Effects::default();
        };
        handing.until = now.instant + SILENT;
        let span = Span { after: span.after.max(kept.after), to: span.to.min(kept.to) };
        if span.is_empty() || !self.mail.holding.is_for(room, log, peer) {
            let nothing = Mail::Bundle { author, log, entries: Vec::new() };
            return Effects { send: vec![say(conn, nothing)], ..Effects::default() };
        }
        // It asks one thing after the other, or it means no good.
        if !self.mail.reading.insert(conn) || handing.left == 0 {
            return self.hang_up(conn);
        }
        let job = Job::Collect { conn, stock: Stock::Mailbox, room, log, span };
        Effects { run: vec![job], ..Effects::default() }
    }

    pub(super) fn collected(
        &mut self,
        conn: ConnId,
        stock: Stock,
        (room, log): (RoomId, LogId),
        entries: &Entries,
        now: Now,
    ) -> Effects {
        let Some(peer) = self.sessions.get(&conn).map(|session| session.peer) else {
            return Effects::default();
        };
        if stock == Stock::Room {
            return self.deposit(conn, peer, (room, log), entries, now);
        }
        self.mail.reading.remove(&conn);
        let Some(handing) = self.mail.handing.get_mut(&peer).filter(|handing| handing.conn == conn) else {
            return Effects::default();
        };
        handing.left = handing.left.saturating_sub(entries.iter().map(|e| e.len_in_room() as u64).sum());
        // If it went meanwhile, its author may have released it: silence says so soon enough.
        let Some(author) = self.mail.holding.author(room, log) else { return Effects::default() };
        let entries = entries.iter().map(|entry| entry.encode_in_room()).collect();
        Effects { send: vec![say(conn, Mail::Bundle { author, log, entries })], ..Effects::default() }
    }

    /// The recipient has it, or does not want it.
    fn taken(
        &mut self,
        conn: ConnId,
        peer: PeerId,
        (author, log): (PeerId, LogId),
        span: Span,
        signature: Option<[u8; 64]>,
        now: Now,
    ) -> Effects {
        let room = direct_room_id(author, peer);
        if !self.mail.holding.is_for(room, log, peer) {
            return Effects::default();
        }
        let receipt = signature.map(|signature| Receipt { span, signature });
        if receipt.as_ref().is_some_and(|receipt| !receipt.is_genuine(peer, room, log, &self.verifier)) {
            self.count(Dropped::Frame, 1);
            return self.hang_up(conn);
        }
        let commit = self.mail.holding.taken(room, log, span.to, receipt, now.unix);
        let mut effects = Effects { commit, tell: vec![Event::Holding], ..Effects::default() };
        self.mail.resting.remove(&peer);
        if let Some(handing) = self.mail.handing.get_mut(&peer) {
            handing.until = now.instant + SILENT;
        }
        if self.mail.holding.bytes_for(peer) == 0 {
            effects.extend(self.handed_over(peer));
        }
        effects
    }

    fn handed_over(&mut self, peer: PeerId) -> Effects {
        let Some(handing) = self.mail.handing.remove(&peer) else { return Effects::default() };
        self.errands.done(handing.conn, Errand::HandOver(peer));
        self.hang_up_if_idle(handing.conn)
    }

    /// Nothing more comes of handing over on a connection that is gone, or could not be made.
    pub(super) fn handing_failed(&mut self, peer: PeerId, now: Now) {
        self.mail.handing.remove(&peer);
        self.rest_from(peer, now.instant, |retry| retry.rest(FAILED_REST, SILENT_REST, now.instant));
    }

    fn rest_from(&mut self, peer: PeerId, now: Instant, rest: impl FnOnce(&mut Retry)) {
        let resting = &mut self.mail.resting;
        if resting.len() >= MAX_RESTING {
            resting.retain(|_, retry| !retry.is_due(now));
        }
        if resting.len() < MAX_RESTING || resting.contains_key(&peer) {
            let retry = resting.entry(peer).or_default();
            rest(retry);
            let at = retry.at().unwrap_or(now);
            self.mail.wake(at);
        }
    }

    pub(super) fn mail_closed(&mut self, conn: ConnId, now: Now) -> Effects {
        let mut effects = Effects::default();
        self.mail.reading.remove(&conn);
        for place in self.mail.taking.closed(conn) {
            effects.extend(self.take_next(place, now));
        }
        effects
    }

    /// Somebody came: it may keep something of this device, or have something here.
    pub(super) fn mail_peer_came(&mut self, peer: PeerId, now: Now) -> Effects {
        self.mail.posting.came(peer);
        self.mail.wake(now.instant);
        self.mail.resting.remove(&peer);
        self.hand_over(peer, now)
    }

    /// Somebody left: what it was to be told directly may be for others to keep.
    pub(super) fn mail_peer_left(&mut self, now: Instant) {
        self.mail.wake(now + AWAY);
    }

    /// What is due.
    pub(super) fn tend_mail(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        if self.mail.due.is_some_and(|due| due <= now.instant) {
            effects.extend(self.tend_posts(now));
            effects.extend(self.hand_over_to_all(now));
            // Whoever could not be told is told when it has rested, whatever else is due.
            let rested =
                self.mail.resting.values().filter_map(Retry::at).filter(|at| *at > now.instant).min();
            self.mail.due = earliest(self.mail.due, rested);
        }
        if self.mail.expire_at.is_some_and(|at| at <= now.instant) {
            let expired = self.mail.holding.expire(now.unix);
            effects.tell.extend(expired.first().map(|_| Event::Holding));
            effects.commit.extend(expired);
            self.mail.expire_at = Some(now.instant + EXPIRE).filter(|_| !self.mail.holding.is_empty());
        }
        for place in self.mail.taking.due(now.instant) {
            effects.extend(self.take_next(place, now));
        }
        let silent = self.mail.handing.iter().filter(|(_, handing)| handing.until <= now.instant);
        for peer in silent.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            // It may be of an older version, or have no room for it.
            self.rest_from(peer, now.instant, |retry| retry.wait(SILENT_REST, now.instant));
            effects.extend(self.handed_over(peer));
        }
        effects
    }

    /// Those who could not be told before.
    fn hand_over_to_all(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let mut here = self.mail.holding.recipients();
        here.retain(|peer| self.presence.is_online(*peer));
        for recipient in here {
            effects.extend(self.hand_over(recipient, now));
        }
        effects
    }
}

impl Receipt {
    /// Whether the recipient signed it.
    pub(super) fn is_genuine(&self, by: PeerId, room: RoomId, log: LogId, verifier: &Verifier) -> bool {
        let signed = Receipt::signed(room, log, self.span);
        verifier.verify(by, Purpose::Receipt, &[&signed], &self.signature)
    }
}

pub(super) fn say(conn: ConnId, mail: Mail) -> Transmit {
    Transmit::Frame { conn, bytes: Frame::Mail(mail).encode() }
}

/// After a start, until those who are here have answered: nobody is asked to keep what its recipient can have at once.
const SETTLED: Duration = Duration::from_millis(1500);
/// Somebody who left may have started again.
const AWAY: Duration = Duration::from_secs(1);
/// From then on an author is not new any more.
const LONG_KNOWN: Duration = Duration::from_secs(24 * 3600);
/// How often what is too old is given up.
const EXPIRE: Duration = Duration::from_secs(3600);
/// Whoever says nothing for so long to what is kept for it does not want it now,
const SILENT: Duration = Duration::from_secs(30);
/// and is told again when it comes anew, or after this.
const SILENT_REST: Duration = Duration::from_secs(3600);
/// Before a device is dialled again that could not be reached or hung up, doubled up to that.
const FAILED_REST: Duration = Duration::from_secs(15);
/// A frame or two more than is kept.
const SLACK: u64 = 256 << 10;
/// Devices that are not told for a while.
const MAX_RESTING: usize = 1024;
