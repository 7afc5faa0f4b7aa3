//! Ways around a firewall: asking a device to dial that cannot be dialled, and joining two that cannot dial each other.
//!
//! A **knock** is a signed wish to be dialled, with a token by which whoever comes is told from others. Both ends of every
//! connection are proven by TLS, so a token is no secret: it only says which wish is answered. Whether somebody is dialled
//! at all, and where, is decided by whoever is asked, from what it knows itself.
//!
//! A **relay** joins the one who knocked with the one who comes. It is no part of what they say to each other.

mod ways;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::expiring::Expiring;
use crate::model::{Instant, PeerId, Token};
use crate::pacing::{TokenBucket, earliest};
use crate::wire::detour::{Knock, Wish};

pub use ways::{Begin, Way, Ways};

/// What one device knows of detours: its own wishes, those of others, and whom it joins.
#[derive(Default)]
pub struct Detours {
    knocked: BTreeMap<Token, Knocked>,
    /// Others' knocks that were answered lately: one that comes again, by another way, is the same.
    answered: Expiring<(PeerId, Token)>,
    rates: Rates,
    relays: BTreeMap<Token, Relay>,
    /// Devices that were lately asked to connect for sync, and that asked for it.
    asked_to_meet: Expiring<PeerId>,
    wished_to_meet: Expiring<PeerId>,
    /// Devices that said lately that they relay for nobody.
    declined: Expiring<PeerId>,
    /// How devices were reached that cannot be dialled.
    pub ways: Ways,
}

/// An own knock that nobody has come for.
struct Knocked {
    knock: Knock,
    until: Instant,
    /// When it is said again, and how often it was.
    again: Option<Instant>,
    said: usize,
}

struct Relay {
    asking: PeerId,
    coming: PeerId,
    /// Until when the second may come; none once it has.
    until: Option<Instant>,
}

impl Detours {
    /// This device wants to be dialled. Whether it may: there is a bound on how many such wishes are open.
    pub fn knock(&mut self, knock: Knock, now: Instant) -> bool {
        self.knocked.retain(|_, knocked| knocked.until > now);
        let free = self.knocked.len() < MAX_KNOCKED && !self.knocked.contains_key(&knock.token);
        if free {
            let knocked = Knocked { knock, until: now + TOKEN_HOLDS, again: Some(now), said: 0 };
            self.knocked.insert(knock.token, knocked);
        }
        free
    }

    /// Knocks that are to be sent now, for the first time or again, since a datagram can be lost.
    pub fn due(&mut self, now: Instant) -> Vec<Knock> {
        let due = self.knocked.values_mut().filter(|knocked| knocked.again.is_some_and(|at| at <= now));
        due.map(|knocked| {
            knocked.again = AGAIN.get(knocked.said).map(|after| now + *after);
            knocked.said += 1;
            knocked.knock
        })
        .collect()
    }

    /// What an own knock says that nobody has come for.
    pub fn wish(&self, token: Token) -> Option<Knock> {
        self.knocked.get(&token).map(|knocked| knocked.knock)
    }

    /// Whether a device waits here for another one to come.
    pub fn waits_here(&self, asking: PeerId, coming: PeerId, token: Token) -> bool {
        let relay = self.relays.get(&token);
        relay.is_some_and(|relay| relay.asking == asking && relay.coming == coming && relay.until.is_some())
    }

    /// When [`Detours::due`] has something next.
    pub fn deadline(&self) -> Option<Instant> {
        self.knocked.values().fold(None, |first, knocked| earliest(first, knocked.again))
    }

    /// Nobody waits for this one any more, or whoever was to come has.
    pub fn settled(&mut self, token: Token) {
        self.knocked.remove(&token);
    }

    /// A proven device dialled for this and says this token. Whether it was asked to; a token works once.
    pub fn came(&mut self, peer: PeerId, token: Token, wish: Wish, now: Instant) -> bool {
        let asked = Knock { to: peer, token, via: None, wish };
        let wanted =
            self.knocked.get(&token).is_some_and(|knocked| knocked.knock == asked && knocked.until > now);
        if wanted {
            self.knocked.remove(&token);
        }
        wanted
    }

    /// A device that is here wishes to be dialled. Whether to do it: not twice for one token, not too often, and not for
    /// too many at a time.
    pub fn heard(&mut self, from: PeerId, token: Token, now: Instant) -> bool {
        while self.answered.pop_ended(now).is_some() {}
        let of_it = self.answered.keys().filter(|(peer, _)| *peer == from).count();
        let known = self.answered.contains(&(from, token));
        if known || of_it >= MAX_ANSWERED_OF_PEER || self.answered.len() >= MAX_ANSWERED {
            return false;
        }
        let allowed = self.rates.allow(from, now);
        if allowed {
            self.answered.renew((from, token), now + TOKEN_HOLDS);
        }
        allowed
    }

    /// Whether a knock of the device at the other end of a connection is passed on once more.
    pub fn may_pass_on(&mut self, from: PeerId, now: Instant) -> bool {
        self.rates.allow(from, now)
    }

    /// A proven device asks to be joined with another one that is about to come. Whether it may wait here.
    pub fn asked(&mut self, asking: PeerId, coming: PeerId, token: Token, now: Instant) -> bool {
        self.relays.retain(|_, relay| relay.until.is_none_or(|until| until > now));
        let of_it = self.relays.values().filter(|relay| relay.asking == asking).count();
        let to_it = self.relays.values().filter(|relay| relay.coming == coming).count();
        let free = self.relays.len() < MAX_RELAYS
            && of_it < MAX_RELAYS_OF_PEER
            && to_it < MAX_RELAYS_OF_PEER
            && asking != coming
            && !self.relays.contains_key(&token);
        if !free || !self.rates.allow(asking, now) {
            return false;
        }
        self.relays.insert(token, Relay { asking, coming, until: Some(now + SECOND_COMES) });
        true
    }

    /// The proven other one comes. Whether it is joined with `asking`; only once.
    pub fn joined(&mut self, coming: PeerId, asking: PeerId, token: Token, now: Instant) -> bool {
        let Some(relay) = self.relays.get_mut(&token) else { return false };
        let wanted = (relay.asking, relay.coming) == (asking, coming);
        let in_time = wanted && relay.until.is_some_and(|until| until > now);
        if in_time {
            relay.until = None;
        }
        in_time
    }

    /// A device could not be dialled for sync. Whether it is asked to dial: not if it lately asked for that itself, because
    /// then neither can.
    pub fn may_ask_to_meet(&mut self, peer: PeerId, now: Instant) -> bool {
        let may =
            !lately(&mut self.wished_to_meet, &peer, now) && !lately(&mut self.asked_to_meet, &peer, now);
        may && note(&mut self.asked_to_meet, peer, now + MEETS)
    }

    /// A device asks to be dialled for sync. Whether to do it.
    pub fn may_meet(&mut self, peer: PeerId, now: Instant) -> bool {
        !lately(&mut self.wished_to_meet, &peer, now) && note(&mut self.wished_to_meet, peer, now + MEETS)
    }

    /// Whether a device that cannot be dialled cannot dial this one either: it lately asked to be dialled for sync.
    pub fn can_neither_dial(&mut self, peer: PeerId, now: Instant) -> bool {
        lately(&mut self.wished_to_meet, &peer, now)
    }

    /// Whether a device was lately asked to connect for sync because it could not be dialled.
    pub fn was_asked_to_meet(&mut self, peer: PeerId, now: Instant) -> bool {
        lately(&mut self.asked_to_meet, &peer, now)
    }

    /// A device says that it relays for nobody.
    pub fn declined(&mut self, peer: PeerId, now: Instant) {
        while self.declined.pop_ended(now).is_some() {}
        // Where so many decline, one that is not remembered is asked once more.
        let _ = note(&mut self.declined, peer, now + DECLINES);
    }

    /// Whether a device may be asked to relay: it did not say lately that it does not.
    pub fn may_ask_to_relay(&mut self, peer: PeerId, now: Instant) -> bool {
        !lately(&mut self.declined, &peer, now)
    }

    /// A relay is over, or its first side gave up.
    pub fn relay_ended(&mut self, token: Token) {
        self.relays.remove(&token);
    }
}

fn lately(those: &mut Expiring<PeerId>, peer: &PeerId, now: Instant) -> bool {
    while those.pop_ended(now).is_some() {}
    those.contains(peer)
}

/// Whether there was room for it.
fn note(those: &mut Expiring<PeerId>, peer: PeerId, until: Instant) -> bool {
    let free = those.len() < MAX_WATCHED;
    if free {
        those.renew(peer, until);
    }
    free
}

/// How often each device may want something.
#[derive(Default)]
struct Rates(BTreeMap<PeerId, (TokenBucket, Instant)>);

impl Rates {
    fn allow(&mut self, peer: PeerId, now: Instant) -> bool {
        if self.0.len() >= MAX_WATCHED && !self.0.contains_key(&peer) {
            // Nobody keeps others out by coming under many names.
            let longest = self.0.iter().min_by_key(|(_, (_, last))| *last).map(|(peer, _)| *peer);
            longest.map(|peer| self.0.remove(&peer));
        }
        let fresh = || (TokenBucket::new(A_SECOND, AT_ONCE, now), now);
        let (bucket, last) = self.0.entry(peer).or_insert_with(fresh);
        *last = now;
        let allowed = bucket.ready_at(1, now) <= now;
        if allowed {
            bucket.spend(1, now);
        }
        allowed
    }
}

/// For how long a token is good: as long as a dial may take.
pub const TOKEN_HOLDS: Duration = Duration::from_secs(10);
/// How long whoever asked to be joined waits at a relaying device for the other one.
pub const SECOND_COMES: Duration = Duration::from_secs(10);
/// A knock is said three times: a datagram in fifty is lost in a bad network, and nobody confirms it.
const AGAIN: [Duration; 2] = [Duration::from_millis(400), Duration::from_millis(900)];
/// Own knocks that are open at a time: four transfers with eight holders each.
const MAX_KNOCKED: usize = 32;
/// Knocks that are being answered at a time, in all and of one device: a person who looks through a shared folder asks again
/// with each step.
const MAX_ANSWERED: usize = 64;
const MAX_ANSWERED_OF_PEER: usize = 16;
/// Relays at a time, those that wait for their second side among them: each costs two connections and two threads' worth of
/// ciphers at the speed of the wire.
pub const MAX_RELAYS: usize = 8;
/// Of one device that asks, and to one that comes.
pub const MAX_RELAYS_OF_PEER: usize = 4;
/// What one device may want in a second, and at once: a transfer that tries every relay once.
const A_SECOND: u32 = 1;
const AT_ONCE: u32 = 16;
/// Between two wishes of one device to be dialled for sync: longer than a dial that nobody answers.
const MEETS: Duration = Duration::from_secs(20);
/// For how long whoever relays for nobody is not asked: people change their minds, and seldom.
const DECLINES: Duration = Duration::from_secs(600);
/// Devices whose wishes are counted.
const MAX_WATCHED: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PeerId = PeerId([1; 32]);
    const BOB: PeerId = PeerId([2; 32]);
    const CYD: PeerId = PeerId([3; 32]);

    fn at(seconds: f64) -> Instant {
        Instant(1_000_000) + Duration::from_secs_f64(seconds)
    }

    fn token(n: u16) -> Token {
        let mut token = [0; 16];
        token[..2].copy_from_slice(&n.to_be_bytes());
        Token(token)
    }

    fn knock(n: u16) -> Knock {
        Knock { to: BOB, token: token(n), via: None, wish: Wish::Files }
    }

    #[test]
    fn a_token_is_good_once_in_time_and_for_whoever_was_knocked_at() {
        let mut detours = Detours::default();
        assert!(detours.knock(knock(1), at(0.0)));
        assert!(!detours.knock(knock(1), at(0.0)), "a token is not used twice");
        assert!(!detours.came(CYD, token(1), Wish::Files, at(1.0)), "somebody else heard it");
        assert!(!detours.came(BOB, token(2), Wish::Files, at(1.0)));
        assert!(!detours.came(BOB, token(1), Wish::Sync, at(1.0)), "it was asked for something else");
        assert!(detours.came(BOB, token(1), Wish::Files, at(1.0)));
        assert!(!detours.came(BOB, token(1), Wish::Files, at(1.0)));
        assert!(detours.knock(knock(3), at(2.0)));
        assert!(!detours.came(BOB, token(3), Wish::Files, at(12.0)), "too late");
        assert!(detours.knock(Knock { via: Some(CYD), ..knock(4) }, at(12.0)));
        assert!(!detours.came(BOB, token(4), Wish::Files, at(12.0)), "it was to come to the third");
    }

    #[test]
    fn a_knock_is_said_three_times_unless_somebody_came() {
        let mut detours = Detours::default();
        assert!(detours.knock(knock(1), at(0.0)) && detours.knock(knock(2), at(0.0)));
        assert_eq!(detours.due(at(0.0)).len(), 2);
        assert!(detours.came(BOB, token(2), Wish::Files, at(0.1)));
        let mut times = 0;
        while let Some(next) = detours.deadline() {
            times += detours.due(next).len();
        }
        assert_eq!(times, 2);
    }

    #[test]
    fn open_knocks_have_a_bound_and_make_room_when_they_end() {
        let mut detours = Detours::default();
        for n in 0..MAX_KNOCKED as u16 {
            assert!(detours.knock(knock(n), at(0.0)));
        }
        assert!(!detours.knock(knock(999), at(9.0)));
        assert!(detours.knock(knock(999), at(10.0)));
    }

    #[test]
    fn one_knock_that_comes_by_several_ways_is_answered_once() {
        let mut detours = Detours::default();
        assert!(detours.heard(ANN, token(1), at(0.0)));
        assert!(!detours.heard(ANN, token(1), at(0.5)));
        assert!(detours.heard(CYD, token(1), at(0.5)), "another one's token is another one");
    }

    #[test]
    fn nobody_makes_a_device_dial_without_end() {
        let mut detours = Detours::default();
        let mut answered = 0;
        for n in 0..6000 {
            answered += u32::from(detours.heard(ANN, token(n), at(f64::from(n) / 100.0)));
        }
        assert!(answered <= 16 + 60, "{answered} in a minute");
        let mut at_once = Detours::default();
        let of_one = (0..100).filter(|n| at_once.heard(ANN, token(*n), at(0.0))).count();
        assert_eq!(of_one, MAX_ANSWERED_OF_PEER);
        let many = (0..100u8)
            .filter(|n| at_once.heard(PeerId([100 + n / 2; 32]), token(900 + u16::from(*n)), at(0.0)));
        assert_eq!(of_one + many.count(), MAX_ANSWERED);
    }

    #[test]
    fn two_of_whom_neither_can_dial_do_not_ask_each_other_in_turn() {
        let (mut ann, mut bob) = (Detours::default(), Detours::default());
        assert!(ann.may_ask_to_meet(BOB, at(0.0)));
        assert!(!ann.may_ask_to_meet(BOB, at(19.0)));
        assert!(bob.may_meet(ANN, at(0.0)));
        assert!(!bob.may_meet(ANN, at(1.0)));
        assert!(!bob.may_ask_to_meet(ANN, at(5.0)), "its own dial failed as well");
        assert!(bob.can_neither_dial(ANN, at(5.0)) && !ann.can_neither_dial(BOB, at(5.0)));
        assert!(bob.may_ask_to_meet(ANN, at(20.0)));
    }

    #[test]
    fn whoever_relays_for_nobody_is_not_asked_for_ten_minutes() {
        let mut detours = Detours::default();
        assert!(detours.may_ask_to_relay(CYD, at(0.0)));
        detours.declined(CYD, at(0.0));
        assert!(!detours.may_ask_to_relay(CYD, at(599.0)));
        assert!(detours.may_ask_to_relay(BOB, at(599.0)));
        assert!(detours.may_ask_to_relay(CYD, at(600.0)));
    }

    #[test]
    fn devices_that_are_counted_have_a_bound_and_nobody_is_kept_out() {
        let mut rates = Rates::default();
        for n in 0..=MAX_WATCHED as u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            assert!(rates.allow(PeerId(id), Instant(n)));
        }
        assert_eq!(rates.0.len(), MAX_WATCHED);
    }

    #[test]
    fn a_relay_joins_the_two_that_were_named_once_and_in_time() {
        let mut detours = Detours::default();
        assert!(detours.asked(ANN, BOB, token(1), at(0.0)));
        assert!(!detours.asked(ANN, BOB, token(1), at(0.0)), "a token is not used twice");
        assert!(!detours.asked(ANN, ANN, token(2), at(0.0)));
        assert!(!detours.joined(CYD, ANN, token(1), at(1.0)));
        assert!(!detours.joined(BOB, CYD, token(1), at(1.0)));
        assert!(detours.joined(BOB, ANN, token(1), at(1.0)));
        assert!(!detours.joined(BOB, ANN, token(1), at(1.0)));
        assert!(detours.asked(ANN, BOB, token(3), at(2.0)));
        assert!(!detours.joined(BOB, ANN, token(3), at(12.0)), "too late");
    }

    #[test]
    fn relays_have_a_bound_in_all_and_for_each_device_until_they_end() {
        let mut detours = Detours::default();
        for n in 0..MAX_RELAYS_OF_PEER as u16 {
            assert!(detours.asked(ANN, BOB, token(n), at(0.0)));
            assert!(detours.joined(BOB, ANN, token(n), at(0.0)));
        }
        assert!(!detours.asked(ANN, CYD, token(50), at(0.0)), "too many of one");
        assert!(!detours.asked(CYD, BOB, token(50), at(0.0)), "too many to one");
        for n in 100..200 {
            let (asking, coming) = (PeerId([n; 32]), PeerId([n - 90; 32]));
            let _ = detours.asked(asking, coming, token(n.into()), at(0.0));
        }
        assert_eq!(detours.relays.len(), MAX_RELAYS);
        assert!(!detours.asked(CYD, ANN, token(300), at(5.0)));
        // Those that stand stay for as long as they move bytes; those that wait do not.
        assert!(detours.asked(CYD, ANN, token(300), at(11.0)));
        assert_eq!(detours.relays.len(), MAX_RELAYS_OF_PEER + 1);
        detours.relay_ended(token(0));
        assert!(detours.asked(ANN, BOB, token(301), at(11.0)));
    }
}
