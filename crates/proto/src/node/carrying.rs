//! Saying on the group what comes over a link from a device whose multicast the group does not hear: that it is here, that
//! it left, and what it holds.
//!
//! What is carried goes as its sender signed it, once: from the sender's own link, and never from another carry. Where
//! several devices have a link to it, the first to speak speaks for all.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::effects::{Effects, Reach, Transmit};
use crate::model::{ConnId, Instant, Now, PeerId};
use crate::node::datagrams::{AROUND_BODY, Way};
use crate::node::passing::ends_lease;
use crate::node::roster::is_unicast;
use crate::node::{Dropped, Node};
use crate::pacing::{TokenBucket, earliest};
use crate::presence::Heard;
use crate::rooms::RoomTag;
use crate::wire::datagram::{Announcement, Carry, Envelope, MAX_CARRIED, Unverified, kind};

/// What waits to be carried, and how much may be.
pub(super) struct Carrying {
    guests: BTreeMap<PeerId, Guest>,
    bucket: TokenBucket,
    /// Whether heads go before presence: they take turns where the bucket does not let both go.
    heads_first: bool,
}

/// A device at the other end of a link, and what of it the group has not heard yet: the newest of each sort.
#[derive(Default)]
struct Guest {
    /// Where the link leads.
    remote: Option<IpAddr>,
    announcement: Option<Waiting>,
    goodbyes: Vec<Waiting>,
    heads: BTreeMap<RoomTag, Waiting>,
    /// Neither an announcement nor heads before these.
    announced: Instant,
    spoke: Instant,
    /// Until when one more goodbye counts: one came that ended a lease here, and it may be said twice.
    twin_until: Option<Instant>,
    /// How many of its announcements in a row were left to others.
    left: u32,
}

/// A datagram that is carried then, unless the group hears it before.
struct Waiting {
    datagram: Vec<u8>,
    at: Instant,
}

/// What takes turns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Who is here and who left.
    Presence,
    Heads,
}

impl Carrying {
    pub(super) fn new(now: Instant) -> Carrying {
        Carrying { guests: BTreeMap::new(), bucket: TokenBucket::new(RATE, BURST, now), heads_first: false }
    }

    /// Something of a guest shall be carried. What finds no place is said again.
    fn wait(&mut self, sender: PeerId, remote: Option<IpAddr>, kind: u8, tag: RoomTag, waiting: Waiting) {
        if self.guests.len() >= MAX_GUESTS && !self.guests.contains_key(&sender) {
            self.guests.retain(|_, guest| !guest.is_done(waiting.at));
        }
        if self.guests.len() >= MAX_GUESTS && !self.guests.contains_key(&sender) {
            return;
        }
        let guest = self.guests.entry(sender).or_default();
        guest.remote = remote;
        match kind {
            kind::ANNOUNCE => {
                let at = guest.announcement.as_ref().map_or(waiting.at, |before| before.at.min(waiting.at));
                guest.announcement = Some(Waiting { at, ..waiting });
            }
            kind::BYE => {
                // Whoever left says nothing any more.
                (guest.announcement, guest.heads) = (None, BTreeMap::new());
                if guest.goodbyes.len() < MAX_GOODBYES {
                    guest.goodbyes.push(waiting);
                }
            }
            _ if guest.heads.len() < MAX_TAGS || guest.heads.contains_key(&tag) => {
                // Newer ones do not wait longer than those in whose place they are.
                let at = guest.heads.get(&tag).map_or(waiting.at, |before| before.at.min(waiting.at));
                guest.heads.insert(tag, Waiting { at, ..waiting });
            }
            _ => {}
        }
    }

    /// Whether a goodbye is worth a word: it ended a lease here, or is the second one after that.
    fn counts(&mut self, sender: PeerId, ended: bool, now: Instant) -> bool {
        let guest = self.guests.get_mut(&sender);
        ended || guest.and_then(|guest| guest.twin_until.take()).is_some_and(|until| now <= until)
    }

    /// This datagram came as multicast from its sender, by way of this address. Where that is where the link leads, the group
    /// hears it, and nothing is carried: whoever can speak from there can cut the link, too. From elsewhere anybody may have
    /// sent it, to this device alone.
    pub(super) fn said_itself(&mut self, sender: PeerId, datagram: &[u8], from: IpAddr) {
        match self.guests.get_mut(&sender) {
            Some(guest) if guest.remote == Some(from.to_canonical()) => guest.drop_waiting(datagram),
            _ => self.said_by_another(sender, datagram),
        }
    }

    /// Somebody else said this datagram. But who did may be heard here and nowhere else: not all is left to others.
    fn said_by_another(&mut self, sender: PeerId, datagram: &[u8]) {
        let Some(guest) = self.guests.get_mut(&sender) else { return };
        let announces = guest.announcement.as_ref().is_some_and(|waiting| waiting.datagram == datagram);
        if announces && guest.left == MAX_LEFT {
            return;
        }
        guest.drop_waiting(datagram);
        guest.left += u32::from(announces);
    }

    /// When something is to be carried, that of presence and heads apart, as far as it depends on the bucket.
    fn deadlines(&mut self, now: Instant) -> (Option<Instant>, Option<Instant>) {
        let allowed = self.bucket.ready_at(1, now);
        let presence = self.guests.values().filter_map(Guest::presence_at).min();
        let heads = self.guests.values().filter_map(Guest::heads_at).min();
        (presence.map(|at| at.max(allowed)), heads.map(|at| at.max(allowed)))
    }

    /// The next datagram that is due, if the bucket allows it, and heads only if the air does.
    fn next(&mut self, heads_allowed: bool, now: Instant) -> Option<(PeerId, Sort, Carry)> {
        if self.bucket.ready_at(1, now) > now {
            return None;
        }
        let sorts =
            if self.heads_first { [Sort::Heads, Sort::Presence] } else { [Sort::Presence, Sort::Heads] };
        let next = sorts.into_iter().find_map(|sort| {
            let next = match sort {
                Sort::Presence => self.next_of_presence(now),
                Sort::Heads if heads_allowed => self.next_heads(now),
                Sort::Heads => None,
            };
            next.map(|(sender, carry)| (sender, sort, carry))
        });
        if let Some((_, sort, _)) = next {
            self.heads_first = sort == Sort::Presence;
        }
        next
    }

    /// The next datagram about who is here that is due.
    fn next_of_presence(&mut self, now: Instant) -> Option<(PeerId, Carry)> {
        let due = self.guests.iter_mut().filter(|(_, guest)| guest.presence_at().is_some_and(|at| at <= now));
        let (sender, guest) = due.min_by_key(|(_, guest)| guest.presence_at())?;
        if let Some(at) = guest.goodbyes.iter().position(|waiting| waiting.at <= now) {
            return Some((*sender, Carry { datagram: guest.goodbyes.remove(at).datagram, from: None }));
        }
        let waiting = guest.announcement.take()?;
        (guest.announced, guest.left) = (now + ANNOUNCEMENT_REST, 0);
        Some((*sender, Carry { datagram: waiting.datagram, from: guest.remote.and_then(hint) }))
    }

    /// The next heads that are due.
    fn next_heads(&mut self, now: Instant) -> Option<(PeerId, Carry)> {
        let due = self.guests.iter_mut().filter(|(_, guest)| guest.heads_at().is_some_and(|at| at <= now));
        let (sender, guest) = due.min_by_key(|(_, guest)| guest.heads_at())?;
        let tag = *guest.heads.iter().min_by_key(|(_, waiting)| waiting.at)?.0;
        guest.spoke = now + HEADS_REST;
        Some((*sender, Carry { datagram: guest.heads.remove(&tag)?.datagram, from: None }))
    }
}

impl Guest {
    fn presence_at(&self) -> Option<Instant> {
        let announcement = self.announcement.as_ref().map(|waiting| waiting.at.max(self.announced));
        earliest(announcement, self.goodbyes.iter().map(|waiting| waiting.at).min())
    }

    fn heads_at(&self) -> Option<Instant> {
        self.heads.values().map(|waiting| waiting.at.max(self.spoke)).min()
    }

    /// Nothing waits, and all rests are over.
    fn is_done(&self, now: Instant) -> bool {
        self.presence_at().is_none()
            && self.heads.is_empty()
            && self.announced.max(self.spoke) <= now
            && self.twin_until.is_none_or(|until| until < now)
    }

    fn drop_waiting(&mut self, datagram: &[u8]) {
        self.announcement.take_if(|waiting| waiting.datagram == datagram);
        self.goodbyes.retain(|waiting| waiting.datagram != datagram);
        self.heads.retain(|_, waiting| waiting.datagram != datagram);
    }
}

impl Node {
    /// A verified datagram, new here, came from its sender over their link. If others are heard by multicast, they are
    /// told, unless its sender reaches them itself.
    pub(super) fn carry_soon(
        &mut self,
        conn: ConnId,
        envelope: &Envelope,
        body: &[u8],
        datagram: &[u8],
        told: &Effects,
        now: Instant,
    ) {
        let link =
            self.sessions.get(&conn).filter(|session| session.standing && session.peer == envelope.sender);
        let Some(link) = link.filter(|_| Carry::takes(envelope.kind) && datagram.len() <= MAX_CARRIED) else {
            return;
        };
        if !self.unheard.hears_others(envelope.sender, self.presence.online_count(), now) {
            return;
        }
        let remote = link.remote.map(|remote| remote.ip().to_canonical());
        let tag = body.first_chunk().copied().unwrap_or_default();
        let at = now + FOR_ITSELF + self.dice.span(Duration::ZERO..BACK_OFF);
        let waiting = Waiting { datagram: datagram.to_vec(), at };
        let leaves = envelope.kind == kind::BYE;
        let ended = ends_lease(told, envelope.sender);
        if leaves && !self.carrying.counts(envelope.sender, ended, now) {
            return;
        }
        self.carrying.wait(envelope.sender, remote, envelope.kind, tag, waiting);
        if let Some(guest) = self.carrying.guests.get_mut(&envelope.sender).filter(|_| leaves && ended) {
            guest.twin_until = Some(now + TWIN);
        }
    }

    /// Somebody carries a datagram of somebody else.
    pub(super) fn carry_heard(&mut self, by: &Envelope, body: &[u8], now: Now) -> Effects {
        let mut effects = self.presence.heard(by, now);
        effects.extend(self.notice_arrivals(&effects, now));
        let carry = Carry::decode(body);
        let inner = carry.as_ref().ok().and_then(|carry| {
            let inner = Unverified::decode(&carry.datagram, self.network).ok()?;
            let claimed = *inner.envelope();
            (claimed.sender != by.sender && Carry::takes(claimed.kind)).then_some((inner, claimed, carry))
        });
        let Some((inner, claimed, carry)) = inner else {
            self.count(Dropped::Body, 1);
            return effects;
        };
        if claimed.kind == kind::HEADS {
            self.air.carried(body.len() + AROUND_BODY, now.instant);
        }
        self.carrying.said_by_another(claimed.sender, &carry.datagram);
        if claimed.sender == self.me {
            effects.extend(self.own_datagram(inner, now));
        } else if !self.presence.is_fresh(&claimed) {
            self.count(Dropped::Replay, 1);
        } else {
            match inner.verify(&self.verifier) {
                Ok((envelope, body)) => {
                    self.unheard.note_carried(envelope.sender, now.instant);
                    let from = Heard::Told(carry.from.and_then(hint));
                    effects.extend(self.take_over(&envelope, body, &carry.datagram, from, now));
                    self.pass_to_deaf_soon(&envelope, body, &carry.datagram, None, now.instant);
                    effects.extend(self.pass_goodbye(
                        &envelope,
                        &carry.datagram,
                        None,
                        &effects,
                        now.instant,
                    ));
                }
                Err(error) => self.count(Dropped::Datagram(error), 1),
            }
        }
        effects
    }

    /// A verified datagram that was new here came another way than by its sender's multicast: its sender is alive, but
    /// nothing follows for the air, nor for where it is.
    pub(super) fn take_over(
        &mut self,
        envelope: &Envelope,
        body: &[u8],
        datagram: &[u8],
        from: Heard,
        now: Now,
    ) -> Effects {
        match envelope.kind {
            kind::ANNOUNCE => match Announcement::decode(body) {
                Ok(said) => self.announced(envelope, &said, datagram.to_vec(), from, now),
                Err(_) => {
                    self.count(Dropped::Body, 1);
                    Effects::default()
                }
            },
            kind::BYE => self.said_goodbye(envelope, now.instant),
            _ => {
                let mut effects = self.presence.heard(envelope, now);
                effects.extend(self.notice_arrivals(&effects, now));
                effects.extend(self.room_packet(envelope, body, Way::Passed, now));
                effects
            }
        }
    }

    /// Carries what is due: who is here and who left, and heads as the air allows, in turn.
    pub(super) fn send_carried(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        loop {
            let heads_allowed = self.packet_allowed_at(now.instant) <= now.instant;
            let Some((sender, sort, carry)) = self.carrying.next(heads_allowed, now.instant) else {
                return effects;
            };
            let sent = self.carry(sender, &carry, now.instant);
            if let (Sort::Heads, Some(Transmit::Multicast { bytes, .. })) = (sort, &sent) {
                self.bucket.spend(bytes.len(), now.instant);
                self.air.carried(bytes.len(), now.instant);
            }
            effects.send.extend(sent);
        }
    }

    pub(super) fn carry_deadline(&mut self, now: Instant) -> Option<Instant> {
        let (presence, heads) = self.carrying.deadlines(now);
        earliest(presence, heads.map(|at| at.max(self.packet_allowed_at(now))))
    }

    /// `None` if a person blocked it meanwhile.
    fn carry(&mut self, sender: PeerId, carry: &Carry, now: Instant) -> Option<Transmit> {
        if self.presence.is_blocked(sender) {
            return None;
        }
        let bytes = self.envelope(kind::CARRY).sign(&self.identity, &carry.encode());
        self.carrying.bucket.spend(bytes.len(), now);
        Some(Transmit::Multicast { reach: Reach::Group, bytes })
    }
}

/// Where others may try to reach a guest, if that is an address of one device that means the same to all of them.
fn hint(ip: IpAddr) -> Option<IpAddr> {
    let ip = ip.to_canonical();
    (is_unicast(ip) && !is_of_one_link(ip)).then_some(ip)
}

/// Whether an address means nothing but to those on one link, with the interface that it is reached by.
fn is_of_one_link(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// What comes over a link may also come from its sender by multicast: so long that is waited for,
const FOR_ITSELF: Duration = Duration::from_millis(50);
/// and then a time by chance within this, so that of several who have a link to it one speaks, and the others hear it.
const BACK_OFF: Duration = Duration::from_millis(150);
/// Announcements of one device in a row that are left to others: three intervals in a row may last longer than a lease, two
/// never do.
const MAX_LEFT: u32 = 1;
/// What is carried in all, in bytes a second: as many announcements as all devices make, ten a second of about 400 bytes, and
/// half as much of heads.
const RATE: u32 = 6_000;
const BURST: u32 = 6_000;
/// Between two announcements of one device: what its person changes is seen soon.
const ANNOUNCEMENT_REST: Duration = Duration::from_secs(1);
/// Between two heads of one device, whatever the room.
const HEADS_REST: Duration = Duration::from_millis(500);
/// Devices of which something waits: those with links are not more. At the most 20 KiB each.
const MAX_GUESTS: usize = 256;
/// Rooms of one device whose heads wait.
const MAX_TAGS: usize = 16;
/// A goodbye is said twice,
const MAX_GOODBYES: usize = 2;
/// within this.
const TWIN: Duration = Duration::from_secs(1);

#[cfg(test)]
#[path = "carrying_tests.rs"]
mod tests;
