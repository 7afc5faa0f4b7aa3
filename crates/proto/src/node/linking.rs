//! Links that nobody asked for: where announcements come (by broadcast, too) and what is said in rooms does not, the network
//! eats multicast, and this device connects to some of those who are here.
//!
//! Who hears nobody in rooms, or whose words nobody acknowledges, cannot be heard or helped otherwise: it dials soon.
//! Whoever hears others and misses one waits longer: one of many is enough, which then carries for it (see `carrying`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::effects::{Detour, Effects, Job};
use crate::model::{Instant, LogId, Now, PeerId, RoomId, Seq};
use crate::node::Node;
use crate::node::detours::Dialling;
use crate::node::retry::Retry;
use crate::node::roster::reachable;
use crate::pacing::earliest;
use crate::rooms::{LOBBY, RoomKind};

#[derive(Default)]
pub(super) struct Linking {
    /// When it is next seen who is not heard.
    look_at: Option<Instant>,
    /// With whom a link is wanted.
    wanted: BTreeSet<PeerId>,
    tries: BTreeMap<PeerId, Retry>,
    /// Others are here, and nobody is heard in rooms.
    deaf: bool,
    /// Of each open room the first own words that nobody is known to hold, and since when they are said.
    said: BTreeMap<RoomId, Said>,
}

#[derive(Clone, Copy)]
struct Said {
    at: Instant,
    log: LogId,
    seq: Seq,
}

impl Linking {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.look_at
    }

    pub(super) fn wants(&self, peer: PeerId) -> bool {
        self.wanted.contains(&peer)
    }

    /// Whether multicast brings nothing.
    pub(super) fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// Whether broadcast may be all by which some see that this device is here.
    pub(super) fn broadcasts(&self) -> bool {
        self.deaf || !self.wanted.is_empty()
    }

    /// Somebody took a connection and ended it without a word, as whoever blocked this device does.
    pub(super) fn refused(&mut self, peer: PeerId, now: Instant) {
        if let Some(retry) = self.tries.get_mut(&peer) {
            retry.rest(FIRST_REST_AFTER_NO, LONGEST_REST_AFTER_NO, now);
        }
    }

    /// Somebody came, or the network changed: soon it is seen who is heard.
    pub(super) fn look_soon(&mut self, now: Instant) {
        self.look_at = earliest(self.look_at, Some(now + PATIENCE));
    }

    /// Whether dialling it was in vain several times.
    fn is_out_of_reach(&self, peer: PeerId) -> bool {
        self.tries.get(&peer).is_some_and(|retry| retry.tries() >= IN_VAIN)
    }
}

impl Node {
    /// Something was said in an open room: somebody should soon say that it is there.
    pub(super) fn expect_acknowledgement(&mut self, room: RoomId, now: Instant) {
        let Some(held) = self.rooms.get(&room).filter(|room| room.record.kind == RoomKind::Open) else {
            return;
        };
        let (log, seq) = (held.replica.own_log(), held.replica.uncovered(self.me).to);
        let said = self.linking.said.entry(room).or_insert(Said { at: now, log, seq });
        if said.log != log {
            *said = Said { at: now, log, seq };
        }
        let at = said.at.max(now) + self.acknowledged_within(now);
        self.linking.look_at = earliest(self.linking.look_at, Some(at));
    }

    /// Sees who is not heard, and connects to those with whom a link is wanted.
    pub(super) fn link_up(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        if self.linking.look_at.take_if(|at| *at <= now.instant).is_none() {
            return effects;
        }
        self.linking.wanted = self.links_wanted(now.instant);
        let wanted = self.linking.wanted.clone();
        self.linking.tries.retain(|peer, retry| {
            wanted.contains(peer) || retry.at().is_some_and(|at| at + LONGEST_REST > now.instant)
        });
        for session in self.sessions.values_mut().filter(|session| wanted.contains(&session.peer)) {
            session.lingers = session.lingers.map(|until| until.max(now.instant + LINGER));
        }
        for peer in wanted {
            let linked = self.sessions.values().any(|session| session.peer == peer && session.standing);
            let retry = self.linking.tries.entry(peer).or_default();
            if linked {
                if retry.at().is_some_and(|at| at + STOOD <= now.instant) {
                    *retry = Retry::default();
                }
                continue;
            }
            let addresses = reachable(&self.presence, peer);
            if let Some(addresses) = addresses.filter(|_| retry.is_due(now.instant)) {
                retry.rest(FIRST_REST, LONGEST_REST, now.instant);
                // No rooms: nothing waits for it, and nobody is asked to help.
                if let std::collections::btree_map::Entry::Vacant(free) = self.dialling.entry(peer) {
                    free.insert(Dialling::default());
                    let addresses = addresses.into_iter().take(ADDRESSES).collect();
                    effects.run.push(Job::Dial { peer, addresses, detour: Detour::Never });
                }
            }
        }
        self.linking.look_at = self.next_look(now.instant);
        effects
    }

    /// When something may be other than it is now.
    fn next_look(&mut self, now: Instant) -> Option<Instant> {
        let here = self.presence.online_count();
        if here == 0 {
            return None;
        }
        let unheard: Vec<PeerId> = self.unheard.on_air(now).filter(|peer| self.may_link(*peer)).collect();
        let unheard = unheard.into_iter().filter(|peer| !self.unheard.is_heard_in_rooms(*peer, here, now));
        let dues: Vec<Instant> =
            unheard.filter_map(|peer| Some(self.unheard.since(peer)? + PATIENCE)).collect();
        // Not all in step.
        let regular = now + self.dice.around(if dues.is_empty() { SELDOM } else { OFTEN });
        let acknowledged = self.acknowledged_within(now);
        let said = self.linking.said.values().map(|said| said.at + acknowledged);
        let tries = self.linking.wanted.iter().filter_map(|peer| self.linking.tries.get(peer)?.at());
        let due = dues.into_iter().chain(said).chain(tries).filter(|at| *at > now).min();
        earliest(Some(regular), due.map(|at| at.max(now + LEAST)))
    }

    /// Everybody with whom a link is wanted, or stays so.
    fn links_wanted(&mut self, now: Instant) -> BTreeSet<PeerId> {
        let here = self.presence.online_count();
        let on_air: Vec<PeerId> = self.unheard.on_air(now).filter(|peer| self.may_link(*peer)).collect();
        let mute = self.mute_since(now);
        let deaf = !on_air.iter().any(|peer| self.unheard.is_heard_in_rooms(*peer, here, now));
        self.linking.deaf = deaf && !on_air.is_empty();
        if !deaf && mute.is_none() {
            return self.silent_ones(&on_air, here, now);
        }
        let silent = on_air
            .iter()
            .filter(|peer| mute.is_some() || self.unheard.is_silent(**peer, PATIENCE, now))
            .copied();
        if on_air.len() > MESH {
            // All are one ring, over the next one in the order of the keys, and few steps apart.
            let silent: Vec<PeerId> = silent.collect();
            let near = |peer: &PeerId| (self.linking.is_out_of_reach(*peer), *peer < self.me, *peer);
            let next = silent.iter().copied().min_by_key(near);
            return next.into_iter().chain(self.some_of(silent)).collect();
        }
        // Of two who do not hear each other one dials, and the other if that was in vain.
        let turn = |peer: &PeerId| {
            self.linking.wants(*peer)
                || self.me < *peer
                || mute.is_some_and(|since| now.since(since) >= SECOND_TURN)
                || (deaf && self.unheard.is_silent(*peer, PATIENCE + SECOND_TURN, now))
        };
        silent.filter(turn).collect()
    }

    /// Where others are heard: those who are not, and whom nobody carries. Each device lets others be faster with some.
    fn silent_ones(&self, on_air: &[PeerId], here: usize, now: Instant) -> BTreeSet<PeerId> {
        let patience = silence(here) * 2;
        let spread = (SPREAD * here as u32).min(silence(here) * 2);
        let wanted = on_air.iter().copied().filter(|peer| {
            let share = spread.mul_f64(f64::from(self.lot(*peer)) / f64::from(u32::MAX));
            let wait = if self.linking.wants(*peer) { patience } else { patience + share };
            self.unheard.is_silent(*peer, wait, now) && !self.unheard.is_carried(*peer, patience, now)
        });
        self.some_of(wanted.collect())
    }

    /// Not those who are blocked, and not this device.
    fn may_link(&self, peer: PeerId) -> bool {
        peer != self.me && !self.presence.is_blocked(peer) && self.presence.is_online(peer)
    }

    /// Since when it is to be taken that nobody hears this device: nobody who is here has said to hold what was said a while
    /// ago. After some minutes that has other reasons.
    fn mute_since(&mut self, now: Instant) -> Option<Instant> {
        let anybody = self.presence.online_count() > 0;
        let rooms = &self.rooms;
        self.linking.said.retain(|room, said| {
            let Some(held) = rooms.get(room).filter(|held| held.replica.own_log() == said.log) else {
                return false;
            };
            // Everybody is taken to be in the lobby: where nobody is heard, nobody is known to be.
            let somebody = held.replica.is_anybody_here() || (held.record.name == LOBBY && anybody);
            let acknowledged =
                held.replica.members().any(|peer| held.replica.uncovered(peer).after >= said.seq);
            somebody && !acknowledged && now.since(said.at) < GIVES_UP
        });
        let within = self.acknowledged_within(now);
        let first = self.linking.said.values().map(|said| said.at + within).min();
        first.filter(|at| *at <= now)
    }

    /// Where much is lost, words and receipts are, too, and a connection is no better: others are waited for longer. Where
    /// nobody is heard, what is lost says nothing.
    fn acknowledged_within(&self, now: Instant) -> Duration {
        if !self.unheard.hears_others(self.me, self.presence.online_count(), now) {
            return ACKNOWLEDGED;
        }
        ACKNOWLEDGED.mul_f64(1.0 + LOSSY * (self.air.conditions().loss - USUAL_LOSS).max(0.0))
    }

    /// Few of many, by chance and for long the same, but those first who can be reached and who are known for a day:
    /// anybody can make up devices that only announce themselves.
    fn some_of(&self, mut peers: Vec<PeerId>) -> BTreeSet<PeerId> {
        let linking = &self.linking;
        peers.sort_by_cached_key(|peer| {
            let known = !self.presence.is_hardly_known(*peer);
            (linking.is_out_of_reach(*peer), !linking.wants(*peer), !known, self.lot(*peer))
        });
        peers.into_iter().take(SOME).collect()
    }

    /// By chance, and for two devices always the same.
    fn lot(&self, peer: PeerId) -> u32 {
        let digest = Sha256::new().chain_update(self.me.0).chain_update(peer.0).finalize();
        u32::from_be_bytes(core::array::from_fn(|n| digest[n]))
    }
}

/// What was not heard in rooms for so long is not heard there any more, with a chance that counts where nothing else does:
/// three times as long as a device is silent on average. Links wait twice as long.
pub(super) fn silence(here: usize) -> Duration {
    (SILENT * here as u32).clamp(MIN_SILENT, MAX_SILENT)
}

/// Everybody greets who comes within 5 s, once more a second later, and somebody speaks every 5 s where few are here: whoever
/// heard nobody in rooms for so long hears nobody.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// And the other one of two, if the first did not dial.
const SECOND_TURN: Duration = Duration::from_secs(5);
/// Within this somebody says to hold what was said: 99 % do in 3 s where 30 % is lost each way.
const ACKNOWLEDGED: Duration = Duration::from_secs(8);
/// Nine times as long where 30 % is lost.
const LOSSY: f64 = 30.0;
const USUAL_LOSS: f64 = 0.03;
/// Whoever does not by then will not.
const GIVES_UP: Duration = Duration::from_secs(300);
/// For each device that is here.
const SILENT: Duration = Duration::from_millis(1500);
const MIN_SILENT: Duration = Duration::from_secs(60);
const MAX_SILENT: Duration = Duration::from_secs(900);
/// So long others may be faster, for each device that is here.
const SPREAD: Duration = Duration::from_secs(1);
/// Up to so many others all are linked to all: each tells itself what it holds.
const MESH: usize = 8;
/// Else to so many by chance, and one.
const SOME: usize = 4;
/// How often it is seen who is heard, while somebody is not,
const OFTEN: Duration = Duration::from_secs(10);
/// and otherwise;
const SELDOM: Duration = Duration::from_secs(60);
/// never more often than this, however many come.
const LEAST: Duration = Duration::from_secs(1);
/// How long a link is kept once it is not wanted any more.
const LINGER: Duration = Duration::from_secs(120);
/// Between two dials of one device, doubled
const FIRST_REST: Duration = Duration::from_secs(8);
/// up to this;
const LONGEST_REST: Duration = Duration::from_secs(600);
/// longer with those who hang up at once.
const FIRST_REST_AFTER_NO: Duration = Duration::from_secs(60);
const LONGEST_REST_AFTER_NO: Duration = Duration::from_secs(3600);
/// After so many dials others come first.
const IN_VAIN: u32 = 3;
/// A link that stands for so long after it was dialled is a good one.
const STOOD: Duration = Duration::from_secs(60);
/// Of a device that nobody asked for, no more addresses are tried than this.
const ADDRESSES: usize = 2;
