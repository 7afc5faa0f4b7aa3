//! Links that nobody asked for: where announcements come (by broadcast, too) and what is said in rooms does not, the network
//! eats multicast, and this device connects to some of those who are here.
//!
//! Who hears nobody in rooms, or whose words nobody acknowledges, cannot be heard or helped otherwise: it dials at once.
//! Whoever hears others and misses one waits longer: one of many is enough, which then carries for it (see `carrying`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::effects::Effects;
use crate::model::{Instant, Now, PeerId, RoomId, Seq};
use crate::node::Node;
use crate::node::retry::Retry;
use crate::node::roster::reachable;
use crate::pacing::earliest;
use crate::rooms::{self, LOBBY, RoomKind};

#[derive(Default)]
pub(super) struct Linking {
    /// When it is next seen who is not heard.
    look_at: Option<Instant>,
    /// With whom a link is wanted.
    wanted: BTreeSet<PeerId>,
    tries: BTreeMap<PeerId, Retry>,
    /// Others are here, and nobody is heard in rooms.
    deaf: bool,
    /// Of each open room the first own words that nobody is known to hold, and since when.
    said: BTreeMap<RoomId, (Instant, Seq)>,
}

impl Linking {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.look_at
    }

    pub(super) fn wants(&self, peer: PeerId) -> bool {
        self.wanted.contains(&peer)
    }

    /// Whether multicast brings nothing: broadcast is then all by which others see that this device is here.
    pub(super) fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// Somebody came, or the network changed: soon it is seen who is heard.
    pub(super) fn look_soon(&mut self, now: Instant) {
        self.look_at = earliest(self.look_at, Some(now + PATIENCE));
    }
}

impl Node {
    /// Something was said in an open room: somebody should soon say that it is there.
    pub(super) fn expect_acknowledgement(&mut self, room: RoomId, now: Instant) {
        let Some(held) = self.rooms.get(&room).filter(|room| room.record.kind == RoomKind::Open) else {
            return;
        };
        let newest = held.replica.uncovered(self.me).to;
        self.linking.said.entry(room).or_insert((now, newest));
        self.linking.look_at = earliest(self.linking.look_at, Some(now + ACKNOWLEDGED));
    }

    /// Sees who is not heard, and connects to those with whom a link is wanted.
    pub(super) fn link_up(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        if self.linking.look_at.take_if(|at| *at <= now.instant).is_none() {
            return effects;
        }
        let wanted = self.links_wanted(now.instant);
        self.linking.tries.retain(|peer, _| wanted.contains(peer));
        for session in self.sessions.values_mut().filter(|session| wanted.contains(&session.peer)) {
            session.lingers = session.lingers.map(|until| until.max(now.instant + LINGER));
        }
        let lobby = rooms::open_room_id(&self.profile.network, LOBBY);
        for peer in &wanted {
            let linked = self.sessions.values().any(|session| session.peer == *peer && session.standing);
            let retry = self.linking.tries.entry(*peer).or_default();
            if linked || !retry.is_due(now.instant) {
                continue;
            }
            retry.rest(FIRST_REST, LONGEST_REST, now.instant);
            self.linking.wanted.insert(*peer);
            if let Some(addresses) = reachable(&self.presence, *peer) {
                effects.extend(self.dial(*peer, lobby, addresses, now));
            }
        }
        self.linking.wanted = wanted;
        let here = self.presence.online_count();
        let unheard = self.unheard.on_air(now.instant);
        let unheard = unheard.filter(|peer| !self.unheard.is_heard_in_rooms(*peer, here, now.instant));
        let dues: Vec<Instant> =
            unheard.filter_map(|peer| Some(self.unheard.since(peer)? + PATIENCE)).collect();
        let next = now.instant + if dues.is_empty() { SELDOM } else { OFTEN };
        let due = dues.into_iter().filter(|at| *at > now.instant).min();
        self.linking.look_at = earliest(Some(next), due).filter(|_| here > 0);
        effects
    }

    /// Everybody with whom a link is wanted, or stays so.
    fn links_wanted(&mut self, now: Instant) -> BTreeSet<PeerId> {
        let here = self.presence.online_count();
        let on_air: Vec<PeerId> = self.unheard.on_air(now).filter(|peer| self.may_link(*peer)).collect();
        let mute = self.is_mute(now);
        let deaf = !on_air.iter().any(|peer| self.unheard.is_heard_in_rooms(*peer, here, now));
        self.linking.deaf = deaf && !on_air.is_empty();
        let patience = if deaf { PATIENCE } else { silence(here) };
        let silent = |peer: &PeerId| mute || self.unheard.is_silent(*peer, patience, here, now);
        let silent: Vec<PeerId> = on_air.iter().copied().filter(silent).collect();
        if deaf || mute {
            if on_air.len() <= MESH {
                // Of two who do not hear each other one dials, and the other if that was in vain.
                let turn = |peer: &PeerId| {
                    mute || self.me < *peer
                        || self.unheard.is_silent(*peer, patience + SECOND_TURN, here, now)
                };
                return silent.into_iter().filter(|peer| self.linking.wants(*peer) || turn(peer)).collect();
            }
            return self.some_of(silent);
        }
        // Somebody else may be faster.
        let turn = |peer: &PeerId| {
            let share = patience + self.wait_for(*peer, spread(here));
            self.unheard.is_silent(*peer, share, here, now)
                && !self.unheard.is_carried(*peer, silence(here), now)
        };
        let mut turns: Vec<PeerId> =
            silent.into_iter().filter(|peer| self.linking.wants(*peer) || turn(peer)).collect();
        turns.sort_by_key(|peer| self.presence.is_hardly_known(*peer));
        turns.into_iter().take(SOME).collect()
    }

    /// Not those who are blocked, and not this device.
    fn may_link(&self, peer: PeerId) -> bool {
        peer != self.me && !self.presence.is_blocked(peer) && self.presence.is_online(peer)
    }

    /// Whether nobody who is here has said to hold what was said here a while ago.
    fn is_mute(&mut self, now: Instant) -> bool {
        let mut mute = false;
        for (room, (at, seq)) in std::mem::take(&mut self.linking.said) {
            let Some(held) = self.rooms.get(&room) else { continue };
            // Everybody is taken to be in the lobby: where nobody is heard, nobody is known to be.
            let somebody = if held.record.name == LOBBY {
                self.presence.online_count() > 0
            } else {
                held.replica.members().any(|peer| peer != self.me && self.presence.is_online(peer))
            };
            let acknowledged = held.replica.members().any(|peer| held.replica.uncovered(peer).after >= seq);
            if !acknowledged && somebody {
                mute |= at + ACKNOWLEDGED <= now;
                self.linking.said.insert(room, (at, seq));
            }
        }
        mute
    }

    /// Few of many, so that everybody is linked to everybody over a few steps: the next one in the order of the keys, with
    /// which all are one ring, and some by chance, each always the same.
    fn some_of(&self, mut peers: Vec<PeerId>) -> BTreeSet<PeerId> {
        let ring = |peer: &PeerId| (*peer < self.me, *peer);
        let next = peers.iter().copied().min_by_key(ring);
        // Anybody can make up devices that only announce themselves.
        peers.sort_by_key(|peer| {
            (!self.linking.wants(*peer), self.presence.is_hardly_known(*peer), self.lot(*peer))
        });
        next.into_iter().chain(peers.into_iter().take(SOME)).collect()
    }

    /// How much of a span this device waits for others to be faster with `peer`.
    fn wait_for(&self, peer: PeerId, span: Duration) -> Duration {
        span.mul_f64(self.lot(peer) as f64 / f64::from(u32::MAX))
    }

    /// By chance, and for two devices always the same.
    fn lot(&self, peer: PeerId) -> u32 {
        let digest = Sha256::new().chain_update(self.me.0).chain_update(peer.0).finalize();
        u32::from_be_bytes(core::array::from_fn(|n| digest[n]))
    }
}

/// What was not heard in rooms for so long is not heard there, while others are.
pub(super) fn silence(here: usize) -> Duration {
    (SILENT * here as u32).clamp(MIN_SILENT, MAX_SILENT)
}

/// So long others are waited for.
fn spread(here: usize) -> Duration {
    (Duration::from_secs(1) * here as u32).min(MAX_SILENT)
}

/// Everybody greets who comes within 5 s, once more a second later, and somebody speaks every 5 s where few are here: whoever
/// heard nobody in rooms for so long hears nobody.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// And the other one of two, if the first did not dial.
const SECOND_TURN: Duration = Duration::from_secs(5);
/// Within this somebody says to hold what was said: 99 % do in 3 s where 30 % is lost each way.
const ACKNOWLEDGED: Duration = Duration::from_secs(8);
/// Whoever was silent in rooms for three times as long as a device is on average, which grows with those who are here, is not
/// heard there.
const SILENT: Duration = Duration::from_millis(1500);
const MIN_SILENT: Duration = Duration::from_secs(60);
const MAX_SILENT: Duration = Duration::from_secs(900);
/// Up to so many others all are linked to all: each tells itself what it holds.
const MESH: usize = 8;
/// Else to so many by chance, and one.
const SOME: usize = 4;
/// How often it is seen who is heard, while somebody is not,
const OFTEN: Duration = Duration::from_secs(10);
/// and otherwise.
const SELDOM: Duration = Duration::from_secs(60);
/// How long a link is kept once it is not wanted any more.
const LINGER: Duration = Duration::from_secs(120);
/// Between two dials of one device, doubled
const FIRST_REST: Duration = Duration::from_secs(8);
/// up to this.
const LONGEST_REST: Duration = Duration::from_secs(600);
