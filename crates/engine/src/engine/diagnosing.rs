//! Finding out what is in the way: who is asked, and when there is enough to judge by. What it means is said by
//! [`crate::doctor`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use lanyard_proto::effects::Input;
use lanyard_proto::model::{ConnId, Instant, PeerId};
use lanyard_proto::node::{Findings, Found, Known};
use lanyard_proto::wire::probe::{Heard, Reached as Outcome, Sent};

use crate::api::{
    CheckedInterface, CheckedPeer, Diagnosis, DroppedReason, FoundBy, InterfaceKind, InterfaceState, Network,
    Reached, Reply, Ways,
};
use crate::config::Multicast;
use crate::doctor::{Evidence, System, judge};
use crate::engine::commands::To;
use crate::engine::interfaces::addresses;
use crate::engine::run::{Clock, Report, Run};
use crate::net::interfaces::{Interface, Listed, survey};
use crate::net::reach::try_to_reach;
use crate::store::StoreError;

/// A look at the network, while one is taken.
#[derive(Default)]
pub struct Diagnosing {
    look: Option<Look>,
}

struct Look {
    began: Instant,
    answers: Vec<To>,
    /// Who is dialled, and what came of it.
    dials: BTreeMap<PeerId, Option<Outcome>>,
}

/// What came of dialling somebody only to know that.
pub enum ReachReport {
    /// For this device's own look.
    Own { peer: PeerId, reached: Outcome },
    /// For whoever is at the other end of a connection.
    Asked { conn: ConnId, reached: Outcome },
}

impl Diagnosing {
    pub fn is_looking(&self) -> bool {
        self.look.is_some()
    }
}

impl Run {
    /// Somebody wants to know what is in the way. Who asks meanwhile gets the same answer.
    pub async fn diagnose(&mut self, to: To) -> Result<(), StoreError> {
        if let Some(look) = &mut self.diagnosing.look {
            look.answers.push(to);
            return Ok(());
        }
        let now = self.clock.now();
        self.diagnosing.look = Some(Look { began: now.instant, answers: vec![to], dials: BTreeMap::new() });
        let effects = self.node.begin_probing(now);
        self.enter(effects, None).await
    }

    /// Asks who came meanwhile, and judges once all have answered.
    pub async fn look_at_network(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for peer in self.next_to_be_asked() {
            let addresses = self.node.presence().addresses(peer).to_vec();
            let Some(look) = &mut self.diagnosing.look else { return Ok(()) };
            look.dials.insert(peer, None);
            let (reports, credentials) = (self.reports.clone(), self.credentials.clone());
            tokio::spawn(async move {
                let reached = try_to_reach(&addresses, &credentials).await;
                // The engine's task may have ended.
                let _ = reports.send(Report::Reached(ReachReport::Own { peer, reached })).await;
            });
            if self.node.is_online(peer) {
                let effects = self.node.probe(peer, Vec::new(), now);
                self.enter(effects, None).await?;
            }
        }
        let Some(look) = &self.diagnosing.look else { return Ok(()) };
        let lasted = now.instant.since(look.began);
        // Whoever is here says so within this, since this device asked for it when it started.
        let fresh = now.instant.since(Clock::STARTED) < FOUND + SOONEST;
        let soonest = if fresh || look.dials.is_empty() { FOUND } else { SOONEST };
        let answered = look.dials.values().all(Option::is_some)
            && self
                .node
                .findings()
                .is_none_or(|found| found.peers.values().all(|found| *found != Found::Awaited));
        if lasted < LATEST && (lasted < soonest || !answered) {
            return Ok(());
        }
        let diagnosis = self.diagnosis();
        let answers = self.diagnosing.look.take().map(|look| look.answers).unwrap_or_default();
        for to in answers {
            // Whoever asked may be gone.
            let _ = to.send(Ok(Reply::Diagnosis(Box::new(diagnosis.clone()))));
        }
        let effects = self.node.end_probing();
        self.enter(effects, None).await
    }

    /// Dials for whoever is at the other end of a connection, and wants to know whether it can be dialled.
    pub fn try_to_reach(&self, conn: ConnId, addresses: Vec<SocketAddr>) {
        let (reports, credentials) = (self.reports.clone(), self.credentials.clone());
        tokio::spawn(async move {
            let reached = try_to_reach(&addresses, &credentials).await;
            let _ = reports.send(Report::Reached(ReachReport::Asked { conn, reached })).await;
        });
    }

    pub async fn reached(&mut self, report: ReachReport) -> Result<(), StoreError> {
        match report {
            ReachReport::Asked { conn, reached } => self.handle(Input::Probed { conn, reached }).await,
            ReachReport::Own { peer, reached } => {
                let Some(look) = &mut self.diagnosing.look else { return Ok(()) };
                look.dials.insert(peer, Some(reached));
                if reached != Outcome::Open || self.node.is_online(peer) {
                    return Ok(());
                }
                // It is there after all, and only nobody hears it.
                let (addresses, now) = (self.node.presence().addresses(peer).to_vec(), self.clock.now());
                let effects = self.node.probe(peer, addresses, now);
                self.enter(effects, None).await
            }
        }
    }

    /// Who is worth asking and was not asked yet: a few of each sort.
    fn next_to_be_asked(&self) -> Vec<PeerId> {
        let Some(look) = &self.diagnosing.look else { return Vec::new() };
        let now = self.clock.now();
        let mut by_sort: BTreeMap<FoundBy, Vec<PeerId>> = BTreeMap::new();
        let mut absent: Vec<(u64, PeerId)> = Vec::new();
        for record in self.node.presence().peers().filter(|record| !self.hides(record.id)) {
            if self.node.is_online(record.id) {
                by_sort.entry(self.found_by(record.id)).or_default().push(record.id);
            } else if now.unix.0.saturating_sub(record.last_seen.0) < REMEMBERED_MS
                && self.is_near(&record.addresses)
            {
                absent.push((record.last_seen.0, record.id));
            }
        }
        absent.sort_unstable_by_key(|(seen, _)| std::cmp::Reverse(*seen));
        by_sort.insert(FoundBy::Remembered, absent.into_iter().map(|(_, peer)| peer).collect());
        let mut next = Vec::new();
        for (sort, peers) in by_sort {
            let most = match sort {
                FoundBy::Heard => MAX_HEARD,
                FoundBy::Address | FoundBy::Told => MAX_TOLD,
                FoundBy::Remembered => MAX_REMEMBERED,
            };
            let asked = peers.iter().filter(|peer| look.dials.contains_key(*peer)).count();
            let left = peers.iter().filter(|peer| !look.dials.contains_key(*peer)).copied();
            next.extend(left.take(most.saturating_sub(asked)));
        }
        next
    }

    fn found_by(&self, peer: PeerId) -> FoundBy {
        match self.node.known_by(peer, self.clock.now()) {
            _ if !self.node.is_online(peer) => FoundBy::Remembered,
            Known::Heard => FoundBy::Heard,
            Known::Linked => FoundBy::Address,
            Known::Told => FoundBy::Told,
        }
    }

    fn is_near(&self, addresses: &[SocketAddr]) -> bool {
        addresses.iter().any(|address| self.watch.current().iter().any(|one| one.leads_to(*address)))
    }

    fn diagnosis(&self) -> Diagnosis {
        let nothing = Findings::default();
        let findings = self.node.findings().unwrap_or(&nothing);
        let surveyed = survey(self.watch.rule()).unwrap_or_default();
        let is_up = |one: &Listed| !matches!(one.state, InterfaceState::Absent | InterfaceState::Down);
        let surveyed: Vec<Listed> = surveyed.into_iter().filter(is_up).collect();
        let network = self.network();
        let interfaces = self.checked_interfaces(&surveyed, findings);
        let asked = self.diagnosing.look.iter().flat_map(|look| &look.dials);
        let peers: Vec<CheckedPeer> =
            asked.filter_map(|(peer, dial)| self.checked_peer(*peer, *dial, findings)).collect();
        let evidence = Evidence {
            system: System::here(),
            port: network.port,
            tcp_port: network.tcp_port,
            multicast: self.config.multicast == Multicast::On,
            port_taken: self.sockets.port_is_taken(),
            chosen: surveyed.iter().any(Listed::is_barred),
            named: self.config.interfaces.is_some(),
            cloned: self.node.cloned().is_some(),
            clock_off: network.clock_off,
            other_version: dropped(&network, DroppedReason::OtherVersion),
            other_network: dropped(&network, DroppedReason::OtherNetwork),
            elsewhere: self.elsewhere(&surveyed, &peers),
            interfaces,
            peers,
        };
        let verdicts = judge(&evidence);
        let Evidence { interfaces, peers, port, tcp_port, .. } = evidence;
        Diagnosis { verdicts, interfaces, peers, port, tcp_port, at: self.clock.now().unix.0 }
    }

    fn checked_interfaces(&self, surveyed: &[Listed], findings: &Findings) -> Vec<CheckedInterface> {
        let used = self.watch.current();
        let is_used = |interface: &Interface| used.iter().any(|one| one.index == interface.index);
        let mut checked: Vec<CheckedInterface> = surveyed
            .iter()
            .filter(|one| is_used(&one.interface) || one.kind != Some(InterfaceKind::Loopback))
            .map(|one| {
                let interface = &one.interface;
                let counted = self.sockets.counted(interface.index);
                let used = is_used(interface);
                let loops = findings.looped.iter().any(|(_, from)| interface.has(*from));
                CheckedInterface {
                    name: interface.name.clone(),
                    addresses: addresses(interface),
                    used,
                    kind: one.kind.unwrap_or(InterfaceKind::Ordinary),
                    choice: one.choice,
                    sent: counted.sent,
                    failed: counted.failed,
                    forbidden: counted.forbidden,
                    heard: self.hearing.over(interface.index),
                    loops_back: (used && counted.sent > 0).then_some(loops),
                }
            })
            .collect();
        checked.sort_by_key(|interface| !interface.used);
        checked
    }

    fn checked_peer(&self, peer: PeerId, dial: Option<Outcome>, findings: &Findings) -> Option<CheckedPeer> {
        let record = self.node.presence().peer(peer)?;
        let (hears, dials, sent) = match findings.peers.get(&peer) {
            Some(Found::Answered { hears, dialled, sent }) => (Some(ways(hears)), *dialled, *sent),
            _ => (None, None, false),
        };
        let probes = self.node.probes_of(peer);
        let heard = (sent || !probes.is_empty()).then(|| ways(&probes));
        let over = |one: &&Interface| record.addresses.iter().any(|address| one.leads_to(*address));
        Some(CheckedPeer {
            id: peer.to_string(),
            name: self.name_of(peer),
            found: self.found_by(peer),
            addresses: record.addresses.iter().map(ToString::to_string).collect(),
            interface: self.watch.current().iter().find(over).map(|one| one.name.clone()),
            hears,
            heard,
            dial: dial.map(reached),
            dials: dials.map(reached),
        })
    }

    /// Peers on the networks of interfaces that are not used, to whom none leads that is: interface and peer.
    fn elsewhere(&self, surveyed: &[Listed], peers: &[CheckedPeer]) -> Vec<(String, String)> {
        let used = self.watch.current();
        let is_used = |one: &Listed| used.iter().any(|used| used.index == one.interface.index);
        let unused = || surveyed.iter().filter(|one| !is_used(one));
        let on = |peer: &CheckedPeer| {
            let record = self.node.presence().peers().find(|record| record.id.to_string() == peer.id)?;
            let leads = |one: &Interface| record.addresses.iter().any(|address| one.leads_to(*address));
            unused()
                .find(|one| one.kind != Some(InterfaceKind::Loopback) && leads(&one.interface))
                .map(|one| one.interface.name.clone())
        };
        let apart = peers.iter().filter(|peer| peer.interface.is_none());
        apart.filter_map(|peer| Some((on(peer)?, peer.id.clone()))).collect()
    }
}

fn dropped(network: &Network, reason: DroppedReason) -> u64 {
    network.dropped.iter().filter(|dropped| dropped.reason == reason).map(|dropped| dropped.count).sum()
}

fn ways<'a>(heard: impl IntoIterator<Item = &'a Heard>) -> Ways {
    let mut ways = Ways::default();
    for (sent, _) in heard {
        match sent {
            Sent::Multicast => ways.multicast = true,
            Sent::Broadcast => ways.broadcast = true,
        }
    }
    ways
}

fn reached(reached: Outcome) -> Reached {
    match reached {
        Outcome::Open => Reached::Open,
        Outcome::Refused => Reached::Refused,
        Outcome::Silent => Reached::Silent,
        Outcome::Unreachable => Reached::Unreachable,
    }
}

/// Between two looks whether somebody came or answered.
pub const LOOK: Duration = Duration::from_millis(100);
/// Enough for two or three PROBEs each way,
const SOONEST: Duration = Duration::from_millis(2500);
/// and for whoever is here to be found by a node that has just started: three announcements.
const FOUND: Duration = Duration::from_millis(4500);
/// Whoever has not answered then does not: a dial with all its detours takes 11 s.
const LATEST: Duration = Duration::from_secs(12);
/// Devices that are heard and asked,
const MAX_HEARD: usize = 6;
/// that were given by address, and that others told of,
const MAX_TOLD: usize = 4;
/// and that were here within a week.
const MAX_REMEMBERED: usize = 3;
const REMEMBERED_MS: u64 = 7 * 24 * 3600 * 1000;
