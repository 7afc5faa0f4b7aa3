//! Who is here: announcements and leases in, roster of live peers out.
//!
//! Rates are scaled to the number of peers and reconsidered when a timer expires (RFC 3550, section 6.3), so that the
//! network carries about ten announcements a second however many devices there are.

mod addresses;
mod clocks;
mod places;
mod replay;
mod turns;

pub use addresses::MAX_ADDRESSES;
pub(crate) use clocks::RELEASED;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::effects::{Effects, Event, PeerRecord, Record, Trust};
use crate::expiring::Expiring;
use crate::model::{Instant, Now, PeerId, Platform};
use crate::pacing::{Dice, earliest};
use crate::wire::avatar::Avatar;
use crate::wire::datagram::{Announcement, Envelope, Query};

use addresses::{Place, dialable, remember};
use clocks::Clock;
use places::Places;
pub use replay::ReplayWindow;
pub use turns::{Due, Turns, interval};

/// What is known of the other devices, and when to speak of this one.
pub struct Presence {
    me: PeerId,
    peers: BTreeMap<PeerId, Peer>,
    leases: Expiring<PeerId>,
    places: Places,
    turns: Turns,
    /// When somebody may be asked again which run it is in.
    run_asked: Instant,
}

#[derive(Debug)]
struct Peer {
    record: PeerRecord,
    window: ReplayWindow,
    lease: Duration,
    /// Counter of its newest announcement: copies of it that come another way tell more addresses.
    announced: u64,
    /// Counter of the newest that said whether it is here, in the run of the window: an announcement from before that tells
    /// nothing any more, whoever kept it.
    floor: u64,
    clock: Option<Clock>,
    /// Whether it was known at the start of this run.
    known_before: bool,
    /// When it may be asked again which run it is in, and how often it was.
    run_asked: (Instant, u32),
}

/// How an announcement came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// From its sender, by way of this address.
    From(SocketAddr),
    /// Somebody passed it on, and perhaps says from where they had it.
    Told(Option<IpAddr>),
}

impl Presence {
    pub fn new(me: PeerId, mut known: Vec<PeerRecord>, now: Now, dice: &mut Dice) -> Presence {
        let mut places = Places::default();
        known.iter().for_each(|record| places.absent(record));
        let lacking = known.len().saturating_sub(MAX_PEERS);
        let placeless: BTreeSet<PeerId> = std::iter::from_fn(|| places.pop_first()).take(lacking).collect();
        known.retain(|record| !placeless.contains(&record.id));
        let peers = known.into_iter().map(|record| {
            let window = ReplayWindow::starting_after(record.boot, record.counter);
            let known_before = true;
            (record.id, Peer { known_before, window, ..Peer::new(record) })
        });
        Presence {
            me,
            peers: peers.collect(),
            leases: Expiring::default(),
            places,
            turns: Turns::new(now.instant, dice),
            run_asked: Instant(0),
        }
    }

    /// Whether a datagram is worth the check of its signature: of somebody else, not blocked, not heard before.
    pub fn is_fresh(&self, envelope: &Envelope) -> bool {
        envelope.sender != self.me
            && match self.peers.get(&envelope.sender) {
                Some(peer) => {
                    peer.record.trust != Trust::Blocked
                        && peer.window.is_fresh(envelope.boot, envelope.counter)
                }
                None => self.peers.len() < MAX_PEERS || self.places.has_forgettable(),
            }
    }

    /// Whether it is to be found out which run a device is in: it is not here, and announces itself with the numbers of an older
    /// one than was heard. If nobody repeats that, a copy of it has ended, or it was put back to what it was.
    pub fn doubts(&self, envelope: &Envelope, now: Instant) -> bool {
        let known = self.peers.get(&envelope.sender).filter(|_| !self.leases.contains(&envelope.sender));
        known.is_some_and(|peer| {
            peer.record.trust != Trust::Blocked
                && envelope.boot != peer.window.boot()
                && peer.run_asked.0 <= now
                && self.run_asked <= now
        })
    }

    /// Where to ask it: where it was heard, and where it was known to be. Not again soon, nor anybody else at once.
    pub fn ask_for_run(
        &mut self,
        sender: PeerId,
        said: &Announcement,
        from: SocketAddr,
        now: Instant,
    ) -> Vec<SocketAddr> {
        let Some(peer) = self.peers.get_mut(&sender) else { return Vec::new() };
        let rest = ASK_RUN.saturating_mul(1 << peer.run_asked.1.min(5));
        peer.run_asked = (now + rest, peer.run_asked.1.saturating_add(1));
        self.run_asked = now + ASK_ANY_RUN;
        let mut addresses = peer.record.addresses.clone();
        if let Some(address) = dialable(said, from) {
            remember(&mut addresses, address, Place::First);
        }
        addresses
    }

    /// A device says over TLS, where nothing can be repeated, which run it is in and how many datagrams it has sent.
    pub fn proved_run(&mut self, id: PeerId, boot: u64, counter: u64) {
        let here = self.leases.contains(&id);
        let Some(peer) = self.peers.get_mut(&id).filter(|_| !here) else { return };
        if !peer.window.is_fresh(boot, u64::MAX) {
            peer.window.go_back(boot, counter);
            (peer.announced, peer.floor) = (0, counter);
        }
    }

    /// Whether an announcement was sent before what last said whether its sender is here, and came after it.
    pub fn is_overtaken(&self, envelope: &Envelope) -> bool {
        let known = self.peers.get(&envelope.sender).filter(|peer| peer.window.boot() == envelope.boot);
        known.is_some_and(|peer| envelope.counter <= peer.floor)
    }

    /// The highest number that was heard of the sender's present run.
    pub fn newest_of(&self, envelope: &Envelope) -> Option<u64> {
        let window = &self.peers.get(&envelope.sender)?.window;
        (window.boot() == envelope.boot && window.newest() > 0).then(|| window.newest())
    }

    /// Whether this is another copy of a sender's newest announcement that shows an address not known yet.
    pub fn shows_address(&self, envelope: &Envelope, from: SocketAddr) -> bool {
        self.peers.get(&envelope.sender).is_some_and(|peer| {
            peer.window.boot() == envelope.boot
                && peer.announced == envelope.counter
                && peer.record.addresses.len() < MAX_ADDRESSES
                && peer.record.addresses.iter().all(|address| address.ip() != from.ip())
        })
    }

    /// Adds the address that a copy of the newest announcement came from.
    pub fn add_address(&mut self, sender: PeerId, said: &Announcement, from: SocketAddr) {
        if let (Some(peer), Some(address)) = (self.peers.get_mut(&sender), dialable(said, from)) {
            remember(&mut peer.record.addresses, address, Place::Last);
        }
    }

    /// Takes note of any verified datagram: its sender is alive. Whoever has not announced itself in this run of its own
    /// is not known well enough to be here.
    pub fn heard(&mut self, envelope: &Envelope, now: Now) -> Effects {
        let mut effects = Effects::default();
        let Some(peer) = self.peers.get_mut(&envelope.sender) else { return effects };
        // What somebody kept back of it proves nothing of now.
        let newest = envelope.boot > peer.window.boot() || envelope.counter > peer.window.newest();
        peer.mark(envelope);
        if newest && peer.announced > 0 {
            peer.record.last_seen = now.unix;
            if !self.leases.contains(&envelope.sender) {
                self.places.present(envelope.sender);
                effects.tell.push(Event::PeerOnline(envelope.sender));
            }
            self.leases.renew(envelope.sender, now.instant + peer.lease);
        }
        effects
    }

    /// A verified announcement.
    pub fn announced(
        &mut self,
        envelope: &Envelope,
        said: &Announcement,
        from: Heard,
        now: Now,
        dice: &mut Dice,
    ) -> Effects {
        if let Heard::From(_) = from {
            self.turns.heard(now.instant);
        }
        let sender = envelope.sender;
        let mut effects = Effects::default();
        if self.is_overtaken(envelope) {
            let here = self.leases.contains(&sender);
            let Some(peer) = self.peers.get_mut(&sender) else { return effects };
            peer.mark(envelope);
            if let (true, Heard::From(from)) = (here, from) {
                self.add_address(sender, said, from);
            }
            return effects;
        }
        let known = self.peers.contains_key(&sender);
        if !known && !self.make_room(&mut effects) {
            return effects;
        }
        let lease = Duration::from_secs(u64::from(said.interval))
            .mul_f64(LEASE_INTERVALS)
            .clamp(MIN_LEASE, MAX_LEASE);
        let peer = self.peers.entry(sender).or_insert_with(|| Peer::first_seen(sender, now));
        let before = peer.record.clone();
        peer.mark(envelope);
        peer.lease = lease;
        (peer.announced, peer.floor) = (envelope.counter, envelope.counter);
        peer.record.name.clone_from(&said.name);
        peer.record.platform = said.platform();
        peer.record.avatar = said.avatar();
        peer.learn_clock(said, from, now.instant);
        peer.record.last_seen = now.unix;
        (peer.record.boot, peer.record.counter) = (peer.window.boot(), peer.window.newest());
        match from {
            Heard::From(from) => {
                if let Some(address) = dialable(said, from) {
                    remember(&mut peer.record.addresses, address, Place::FirstIfNew);
                }
            }
            // What somebody else says never replaces what was seen.
            Heard::Told(Some(ip)) if peer.record.addresses.iter().all(|known| known.ip() != ip) => {
                if let Some(address) = dialable(said, SocketAddr::new(ip, 0)) {
                    remember(&mut peer.record.addresses, address, Place::Last);
                }
            }
            Heard::Told(_) => {}
        }
        let claims_anew = claims(&before) != claims(&peer.record);
        let online = self.leases.contains(&sender);
        if !online {
            self.places.present(sender);
        }
        self.leases.renew(sender, now.instant + lease);
        if !known || claims_anew || (!online && before.addresses != peer.record.addresses) {
            effects.commit.push(Record::Peer(peer.record.clone()));
        }
        if !online {
            effects.tell.push(Event::PeerOnline(sender));
        } else if claims_anew || before.addresses != peer.record.addresses {
            effects.tell.push(Event::PeerChanged(sender));
        }
        if said.query() == Query::Yes && matches!(from, Heard::From(_)) {
            self.turns.asked(self.leases.len(), now.instant, dice);
        }
        effects
    }

    /// A verified goodbye. What was sent before and arrives after it brings nobody back.
    pub fn left(&mut self, envelope: &Envelope) -> Effects {
        if let Some(peer) = self.peers.get_mut(&envelope.sender) {
            peer.mark(envelope);
            (peer.announced, peer.floor) = (0, peer.floor.max(envelope.counter));
        }
        if self.leases.remove(&envelope.sender) { self.gone(envelope.sender) } else { Effects::default() }
    }

    /// The device's key was proven in a TLS handshake, at this address if it was us who dialled.
    pub fn proven(&mut self, id: PeerId, reached: Option<SocketAddr>, now: Now) -> Effects {
        let mut effects = Effects::default();
        // Whoever only called is remembered once it announces itself: calling is cheap.
        if !self.peers.contains_key(&id) && (reached.is_none() || !self.make_room(&mut effects)) {
            return effects;
        }
        let peer = self.peers.entry(id).or_insert_with(|| Peer::first_seen(id, now));
        if let Some(address) = reached {
            remember(&mut peer.record.addresses, address, Place::First);
        }
        if peer.record.trust == Trust::Unknown {
            peer.record.trust = Trust::Pinned;
            if !self.leases.contains(&id) {
                self.places.absent(&peer.record);
            }
            effects.commit.push(Record::Peer(peer.record.clone()));
            effects.tell.push(Event::PeerChanged(id));
        }
        effects
    }

    /// A person decided about a device, whether it was seen or not.
    pub fn set_trust(&mut self, id: PeerId, trust: Trust, now: Now) -> Effects {
        let mut effects = Effects::default();
        // Whatever a person decides is remembered, however many devices there are.
        let peer = self.peers.entry(id).or_insert_with(|| Peer::first_seen(id, now));
        peer.record.trust = trust;
        if trust == Trust::Blocked && self.leases.remove(&id) {
            peer.announced = 0;
            effects.extend(self.gone(id));
        } else {
            if !self.leases.contains(&id) {
                self.places.absent(&peer.record);
            }
            effects.commit.push(Record::Peer(peer.record.clone()));
        }
        effects.tell.push(Event::PeerChanged(id));
        effects
    }

    /// What a deadline brought: leases that ended, and perhaps an announcement that is due.
    pub fn timer(&mut self, now: Now, dice: &mut Dice) -> (Effects, Option<Due>) {
        let mut effects = Effects::default();
        while let Some(id) = self.leases.pop_ended(now.instant) {
            effects.extend(self.gone(id));
        }
        (effects, self.turns.due(self.leases.len(), now.instant, dice))
    }

    /// Announce this device at once, as at the start: an interface or an address is new.
    pub fn network_changed(&mut self, now: Instant, dice: &mut Dice) {
        self.turns.restart(now, dice);
    }

    /// Announce this device soon, beside its turn: something that it says of itself is no longer so.
    pub fn announce_soon(&mut self, now: Instant, dice: &mut Dice) {
        self.turns.hurry(now, dice);
    }

    pub fn deadline(&self) -> Option<Instant> {
        earliest(self.turns.deadline(), self.leases.deadline())
    }

    /// Everybody that is known, in the order of their keys.
    pub fn peers(&self) -> impl Iterator<Item = &PeerRecord> {
        self.peers.values().map(|peer| &peer.record)
    }

    pub fn peer(&self, id: PeerId) -> Option<&PeerRecord> {
        self.peers.get(&id).map(|peer| &peer.record)
    }

    pub fn is_online(&self, id: PeerId) -> bool {
        self.leases.contains(&id)
    }

    /// Whether nothing of a device is wanted.
    pub fn is_blocked(&self, id: PeerId) -> bool {
        self.peers.get(&id).is_some_and(|peer| peer.record.trust == Trust::Blocked)
    }

    /// Those who are here, without this device, in the order of their keys.
    pub fn online(&self) -> impl Iterator<Item = PeerId> {
        self.leases.keys().copied()
    }

    pub fn online_count(&self) -> usize {
        self.leases.len()
    }

    /// Whether a device may have been made up for the occasion: its key was not compared, and it has been seen for less than a
    /// day.
    pub fn is_hardly_known(&self, id: PeerId) -> bool {
        self.peer(id).is_none_or(|record| {
            let known = record.last_seen.0.saturating_sub(record.first_seen.0);
            record.trust != Trust::Verified && known < places::LONG_KNOWN_MS
        })
    }

    /// Where to dial a device that is known, best first.
    pub fn addresses(&self, id: PeerId) -> &[SocketAddr] {
        self.peers.get(&id).map_or(&[], |peer| &peer.record.addresses)
    }

    /// Seconds until this device's next announcement, on average, as its announcements say.
    pub fn interval(&self) -> Duration {
        interval(self.leases.len())
    }

    fn gone(&mut self, id: PeerId) -> Effects {
        let mut effects = Effects::default();
        if let Some(peer) = self.peers.get_mut(&id) {
            (peer.record.boot, peer.record.counter) = (peer.window.boot(), peer.window.newest());
            self.places.absent(&peer.record);
            effects.commit.push(Record::Peer(peer.record.clone()));
        }
        effects.tell.push(Event::PeerOffline(id));
        effects
    }

    fn make_room(&mut self, effects: &mut Effects) -> bool {
        if self.peers.len() < MAX_PEERS {
            return true;
        }
        let Some(forgotten) = self.places.pop_first() else { return false };
        effects.commit.push(Record::PeerForgotten(forgotten));
        self.peers.remove(&forgotten).is_some()
    }
}

impl Heard {
    /// The address that an announcement came from, or is said to have come from.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Heard::From(from) => Some(from.ip()),
            Heard::Told(ip) => ip,
        }
    }
}

impl Peer {
    fn first_seen(id: PeerId, now: Now) -> Peer {
        let record = PeerRecord {
            id,
            name: String::new(),
            platform: Platform::Other,
            avatar: None,
            trust: Trust::Unknown,
            first_seen: now.unix,
            last_seen: now.unix,
            boot: 0,
            counter: 0,
            addresses: Vec::new(),
        };
        Peer::new(record)
    }

    fn new(record: PeerRecord) -> Peer {
        Peer {
            record,
            window: ReplayWindow::starting_after(0, 0),
            lease: MIN_LEASE,
            announced: 0,
            floor: 0,
            clock: None,
            known_before: false,
            run_asked: (Instant(0), 0),
        }
    }

    /// Marks a datagram as heard. In a later run nothing was announced yet.
    fn mark(&mut self, envelope: &Envelope) {
        if envelope.boot > self.window.boot() {
            (self.announced, self.floor) = (0, 0);
        }
        self.window.mark(envelope.boot, envelope.counter);
    }
}

fn claims(record: &PeerRecord) -> (&str, Platform, Option<&Avatar>) {
    (&record.name, record.platform, record.avatar.as_ref())
}

/// Between two questions to one device which run it is in; doubled up to 16 min.
const ASK_RUN: Duration = Duration::from_secs(30);
/// And to any.
const ASK_ANY_RUN: Duration = Duration::from_secs(1);
/// Devices remembered. About 400 bytes each: 6 MiB at the most.
pub const MAX_PEERS: usize = 16_384;
/// A device is gone after so many missed intervals,
const LEASE_INTERVALS: f64 = 3.5;
/// but never before this, and after this whatever it says.
const MIN_LEASE: Duration = Duration::from_secs(35);
const MAX_LEASE: Duration = Duration::from_secs(2100);
#[cfg(test)]
mod tests;
