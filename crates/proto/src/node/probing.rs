//! What the network lets through, found out in both directions: this device sends PROBEs in each way that there is, and asks
//! others over connections what they heard of it, whether it can be dialled, and to send some in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::effects::{Detour, Effects, Job, Reach, Transmit};
use crate::expiring::Expiring;
use crate::model::{ConnId, Instant, Now, PeerId};
use crate::node::detours::Dialling;
use crate::node::errands::Errand;
use crate::node::{Dropped, Node};
use crate::pacing::earliest;
use crate::wire::datagram::{Envelope, Query, Unverified, kind};
use crate::wire::frame::{Frame, Relayed};
use crate::wire::probe::{Heard, MAX_HEARD, Probe, Probing as Said, Reached, Sent};

#[derive(Default)]
pub(super) struct Probing {
    /// What this device wants to know, while it does.
    own: Option<Asking>,
    /// What was heard of others lately.
    heard: BTreeMap<PeerId, Probes>,
    /// Others who asked and wait for an answer.
    askers: BTreeMap<ConnId, Asker>,
    /// PROBEs that this device sends because somebody asked for them.
    asked: Option<Series>,
    /// Devices to which this one was introduced lately, and when any may be.
    introduced: Expiring<PeerId>,
    rested: Option<Instant>,
}

/// What this device found out since it began to ask.
#[derive(Debug, Default)]
pub struct Findings {
    /// How its own PROBEs came back to it, and from which of its addresses.
    pub looped: BTreeSet<Heard>,
    /// Of those who were asked.
    pub peers: BTreeMap<PeerId, Found>,
}

/// What was found out with another device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was not asked yet, or has not answered.
    Awaited,
    /// There is no way to ask it, or it does not answer.
    Unreachable,
    /// What it heard of this device, whether it could dial it, and whether it sent PROBEs itself.
    Answered { hears: BTreeSet<Heard>, dialled: Option<Reached>, sent: bool },
}

/// How a device that is here is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is heard itself.
    Heard,
    /// Over a connection that stands.
    Linked,
    /// Others say so.
    Told,
}

struct Asking {
    found: Findings,
    series: Series,
    /// Whether somebody was asked who is here: others may be known to some only.
    looked: bool,
}

/// What was heard of one device.
struct Probes {
    at: Instant,
    ways: BTreeSet<Heard>,
    /// The newest two datagrams that were verified: what comes from another address is a copy of one of them.
    newest: [(u64, u64); 2],
}

/// PROBEs that are sent one after the other, as any of them may be lost.
struct Series {
    began: Instant,
    next: Option<Instant>,
    left: u32,
}

struct Asker {
    asked: Instant,
    /// Whether PROBEs were sent for it.
    sent: bool,
    /// What came of dialling it.
    dialled: Option<Reached>,
    dials: bool,
}

impl Series {
    fn new(times: u32, now: Instant) -> Series {
        Series { began: now, next: Some(now), left: times }
    }

    /// Whether PROBEs are to be sent now.
    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|at| at <= now);
        if due {
            self.left = self.left.saturating_sub(1);
            self.next = (self.left > 0).then(|| now + EVERY);
        }
        due
    }
}

impl Asker {
    /// When it is answered: after some PROBEs of it were to be heard, and the dial has ended.
    fn due(&self) -> Instant {
        let awaits = self.dials && self.dialled.is_none();
        self.asked + if awaits { PATIENCE } else { LISTEN }
    }
}

impl Probing {
    pub(super) fn deadline(&self) -> Option<Instant> {
        let answers = self.askers.values().map(Asker::due).min();
        let own = self.own.as_ref().and_then(|own| own.series.next);
        earliest(answers, earliest(own, self.asked.as_ref().and_then(|series| series.next)))
    }

    /// Whether somebody waits for an answer on a connection.
    pub(super) fn keeps(&self, conn: ConnId) -> bool {
        self.askers.contains_key(&conn)
    }

    pub(super) fn closed(&mut self, conn: ConnId) {
        self.askers.remove(&conn);
    }

    pub(super) fn answered(&mut self, peer: PeerId, found: Found) {
        if let Some(known) = self.own.as_mut().and_then(|own| own.found.peers.get_mut(&peer)) {
            *known = found;
        }
    }
}

impl Node {
    /// Begins to find out what the network lets through, anew. What is found is in [`Node::findings`], until
    /// [`Node::end_probing`].
    pub fn begin_probing(&mut self, now: Now) -> Effects {
        let series = Series::new(TIMES, now.instant);
        self.probing.own = Some(Asking { found: Findings::default(), series, looked: false });
        self.probing.heard.clear();
        self.probe_when_due(now)
    }

    /// Asks a device what it hears of this one, by whatever way leads to it; at `addresses`, where it is not known to be here.
    pub fn probe(&mut self, peer: PeerId, addresses: Vec<SocketAddr>, now: Now) -> Effects {
        let Some(own) = &mut self.probing.own else { return Effects::default() };
        own.found.peers.insert(peer, Found::Awaited);
        if let Some(effects) = self.go(peer, Errand::Probe(peer), now) {
            return effects;
        }
        if addresses.is_empty() || self.presence.is_blocked(peer) {
            self.probing.answered(peer, Found::Unreachable);
            return Effects::default();
        }
        self.errands.wait(peer, Errand::Probe(peer));
        if self.dialling.contains_key(&peer) {
            return Effects::default();
        }
        let detour = Detour::Never;
        self.dialling.insert(peer, Dialling { rooms: Vec::new(), detour });
        Effects { run: vec![Job::Dial { peer, addresses, detour }], ..Effects::default() }
    }

    /// What was found out so far; nothing while nobody wants to know.
    pub fn findings(&self) -> Option<&Findings> {
        self.probing.own.as_ref().map(|own| &own.found)
    }

    /// How PROBEs of another device came here since that was wanted to be known.
    pub fn probes_of(&self, peer: PeerId) -> BTreeSet<Heard> {
        self.probing.heard.get(&peer).map(|probes| probes.ways.clone()).unwrap_or_default()
    }

    /// Nobody wants to know any more.
    pub fn end_probing(&mut self) -> Effects {
        let mut effects = Effects::default();
        let asked = self.probing.own.take().map(|own| own.found.peers).unwrap_or_default();
        for peer in asked.into_keys() {
            for conn in self.errands.abandon(Errand::Probe(peer)) {
                effects.extend(self.hang_up_if_idle(conn));
            }
        }
        effects
    }

    /// How a device that is here is known to be.
    pub fn known_by(&self, peer: PeerId, now: Now) -> Known {
        if self.unheard.is_on_air(peer, now.instant) {
            return Known::Heard;
        }
        let linked = self.sessions.values().any(|session| session.peer == peer && session.standing);
        if linked { Known::Linked } else { Known::Told }
    }

    /// Says on a connection what this device wants to know.
    pub(super) fn ask_what_is_heard(&mut self, conn: ConnId) -> Effects {
        let port = self.profile.tcp_port;
        let mut effects = frame(conn, Said::Ask { port });
        let Some(own) = &mut self.probing.own else { return Effects::default() };
        if !std::mem::replace(&mut own.looked, true) {
            effects.extend(self.look_on(conn));
        }
        effects
    }

    /// Sends the PROBEs and the answers that are due.
    pub(super) fn probe_when_due(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let own = self.probing.own.as_mut().is_some_and(|own| own.series.is_due(now.instant));
        let asked = self.probing.asked.as_mut().is_some_and(|series| series.is_due(now.instant));
        if own || asked {
            effects.extend(self.send_probes(now));
        }
        let due = self.probing.askers.iter().filter(|(_, asker)| asker.due() <= now.instant);
        let due: Vec<ConnId> = due.map(|(conn, _)| *conn).collect();
        for conn in due {
            let Some(asker) = self.probing.askers.remove(&conn) else { continue };
            let Some(session) = self.sessions.get(&conn) else { continue };
            let heard =
                self.probing.heard.get(&session.peer).filter(|probes| now.instant.since(probes.at) < LATELY);
            let heard = heard.map(|probes| probes.ways.clone()).unwrap_or_default();
            effects.extend(frame(conn, Said::Echo { heard, dialled: asker.dialled, sent: asker.sent }));
            effects.extend(self.hang_up_if_idle(conn));
        }
        effects
    }

    fn send_probes(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let lonely = !self.presence.online().any(|peer| self.unheard.is_on_air(peer, now.instant));
        for (sent, reach) in [(Sent::Multicast, Reach::Group), (Sent::Broadcast, Reach::Broadcast)] {
            let probe = Probe { sent, lonely };
            let bytes = self.envelope(kind::PROBE).sign(&self.identity, &probe.encode());
            effects.send.push(Transmit::Multicast { reach, bytes });
        }
        effects
    }

    /// A PROBE of another device, verified.
    pub(super) fn probe_heard(
        &mut self,
        envelope: &Envelope,
        body: &[u8],
        from: IpAddr,
        now: Now,
    ) -> Effects {
        let Ok(Probe { sent, lonely }) = Probe::decode(body) else { return self.drop(Dropped::Body) };
        let mut effects = self.presence.heard(envelope, now);
        effects.extend(self.notice_arrivals(&effects, now));
        let heard = &mut self.probing.heard;
        heard.retain(|_, probes| now.instant.since(probes.at) < LATELY);
        if heard.len() < MAX_PROBING || heard.contains_key(&envelope.sender) {
            let first = Probes { at: now.instant, ways: BTreeSet::new(), newest: [(0, 0); 2] };
            let probes = heard.entry(envelope.sender).or_insert(first);
            probes.at = now.instant;
            probes.newest = [(envelope.boot, envelope.counter), probes.newest[0]];
            note(&mut probes.ways, (sent, from.to_canonical()));
        }
        if lonely {
            effects.extend(self.introduce_soon(envelope.sender, now));
        }
        effects
    }

    /// Somebody who hears nobody cannot ask anybody: a few of those who hear it connect to it, and say who they are.
    fn introduce_soon(&mut self, peer: PeerId, now: Now) -> Effects {
        while self.probing.introduced.pop_ended(now.instant).is_some() {}
        let here = self.presence.online_count().max(1) as f64;
        let rests = self.probing.rested.is_some_and(|until| until > now.instant)
            || self.probing.introduced.contains(&peer);
        if rests || !self.presence.is_online(peer) || self.presence.is_blocked(peer) {
            return Effects::default();
        }
        self.probing.introduced.renew(peer, now.instant + INTRODUCED);
        self.probing.rested = Some(now.instant + INTRODUCE_ANY);
        if self.dice.fraction() >= INTRODUCERS / here {
            return Effects::default();
        }
        self.go(peer, Errand::Introduce(peer), now).unwrap_or_default()
    }

    pub(super) fn say_who_is_here(&mut self, conn: ConnId, now: Now) -> Effects {
        let datagram = self.announcement(Query::No, now);
        let bytes = Frame::Announcements(vec![Relayed { datagram, from: None }]).encode();
        Effects { send: vec![Transmit::Frame { conn, bytes }], ..Effects::default() }
    }

    /// A PROBE that was heard before: it may have come another way.
    pub(super) fn probe_heard_again(&mut self, datagram: Unverified<'_>, from: IpAddr) {
        let claimed = *datagram.envelope();
        let Some(probes) = self.probing.heard.get_mut(&claimed.sender) else { return };
        let (copy, from) = ((claimed.boot, claimed.counter), from.to_canonical());
        let known =
            [Sent::Multicast, Sent::Broadcast].iter().all(|sent| probes.ways.contains(&(*sent, from)));
        if known || !probes.newest.contains(&copy) || probes.ways.len() >= MAX_HEARD {
            return;
        }
        if let Ok((_, body)) = datagram.verify(&self.verifier)
            && let Ok(Probe { sent, .. }) = Probe::decode(body)
        {
            note(&mut probes.ways, (sent, from));
        }
    }

    /// A PROBE of this device came back to it.
    pub(super) fn probe_looped(&mut self, datagram: Unverified<'_>, from: IpAddr) {
        let claimed = *datagram.envelope();
        let Some(own) = &mut self.probing.own else { return };
        if (claimed.boot, claimed.counter) > (self.boot, self.counter) || claimed.boot != self.boot {
            return;
        }
        if let Ok((_, body)) = datagram.verify(&self.verifier)
            && let Ok(Probe { sent, .. }) = Probe::decode(body)
        {
            note(&mut own.found.looped, (sent, from.to_canonical()));
        }
    }

    /// Somebody asks what is heard of it, or answers.
    pub(super) fn probing(&mut self, conn: ConnId, peer: PeerId, said: Said, now: Now) -> Effects {
        match said {
            Said::Ask { port } => self.asked_what_is_heard(conn, peer, port, now),
            Said::Echo { heard, dialled, sent } => {
                if !self.errands.done(conn, Errand::Probe(peer)) {
                    return Effects::default();
                }
                self.probing.answered(peer, Found::Answered { hears: heard, dialled, sent });
                self.hang_up_if_idle(conn)
            }
        }
    }

    fn asked_what_is_heard(&mut self, conn: ConnId, peer: PeerId, port: u16, now: Now) -> Effects {
        let of_peer = |conn: &ConnId| self.sessions.get(conn).is_some_and(|session| session.peer == peer);
        let crowded = self.probing.askers.len() >= MAX_ASKERS;
        let Some(session) = self.sessions.get(&conn).filter(|_| !crowded) else { return Effects::default() };
        if self.probing.askers.keys().any(of_peer) {
            return Effects::default();
        }
        // It is dialled where it is, and nowhere that it could name.
        let addresses = match session.remote {
            // A link-local address means nothing without its link.
            Some(mut remote) => {
                remote.set_port(port);
                vec![remote]
            }
            None => self.presence.addresses(peer).to_vec(),
        };
        let addresses: Vec<SocketAddr> =
            addresses.into_iter().filter(|address| address.port() >= MIN_PORT).take(MAX_DIALLED).collect();
        let sent = self.probing.asked.as_ref().is_none_or(|last| now.instant.since(last.began) >= REST);
        let asker = Asker { asked: now.instant, sent, dialled: None, dials: !addresses.is_empty() };
        let mut effects = Effects::default();
        if asker.dials {
            effects.run.push(Job::Probe { conn, addresses });
        }
        self.probing.askers.insert(conn, asker);
        if sent {
            self.probing.asked = Some(Series::new(TIMES_ASKED, now.instant));
        }
        effects.extend(self.probe_when_due(now));
        effects
    }

    /// What came of dialling whoever asked.
    pub(super) fn probed(&mut self, conn: ConnId, reached: Reached) {
        if let Some(asker) = self.probing.askers.get_mut(&conn) {
            asker.dialled = Some(reached);
        }
    }
}

fn note(ways: &mut BTreeSet<Heard>, way: Heard) {
    if ways.len() < MAX_HEARD {
        ways.insert(way);
    }
}

fn frame(conn: ConnId, said: Said) -> Effects {
    let bytes = Frame::Probing(said).encode();
    Effects { send: vec![Transmit::Frame { conn, bytes }], ..Effects::default() }
}

/// PROBEs are sent in both ways this often: of four, one comes through where three in ten are lost, 99 times in 100.
const EVERY: Duration = Duration::from_millis(500);
/// Whoever wants to know sends so many: whoever is asked late hears some, too.
const TIMES: u32 = 24;
/// Whoever is asked sends so many,
const TIMES_ASKED: u32 = 4;
/// and again no sooner than this, whoever asks: it costs everybody on the network something.
const REST: Duration = Duration::from_secs(4);
/// It listens for so long before it answers,
const LISTEN: Duration = Duration::from_millis(2100);
/// and waits this long for what comes of a dial.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many of those who hear somebody that hears nobody connect to it,
const INTRODUCERS: f64 = 3.0;
/// each not again within this,
const INTRODUCED: Duration = Duration::from_secs(60);
/// and to one a second.
const INTRODUCE_ANY: Duration = Duration::from_secs(1);
/// What was heard longer ago is not believed to be so now.
const LATELY: Duration = Duration::from_secs(10);
/// Devices whose PROBEs are remembered at a time.
const MAX_PROBING: usize = 256;
/// Who is answered at a time; each costs one dial, of one device at a time.
const MAX_ASKERS: usize = 16;
/// Addresses of one that asks over a way that does not tell where it is.
const MAX_DIALLED: usize = 4;
/// No system service is ever dialled.
const MIN_PORT: u16 = 1024;

#[cfg(test)]
#[path = "probing_tests.rs"]
mod tests;
