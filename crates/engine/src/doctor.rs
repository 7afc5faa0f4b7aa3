//! What is in the way, made of what was found out: evidence in, verdicts out, and nothing else.
//!
//! Each cause has a rule, and a rule speaks only where no other explains the same. What one device cannot tell is not said: that
//! nobody answers can have a dozen reasons, and is then the whole verdict.

mod steps;
#[cfg(test)]
mod tests;

use crate::api::{
    ApiError, Cause, CheckedInterface, CheckedPeer, Diagnosis, Direction, FoundBy, InterfaceChoice,
    InterfaceKind, Reached, Sentence, Severity, Verdict, Ways,
};
use crate::saying;
use crate::saying::Saying;

pub use steps::System;

/// All that was found out.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    pub system: System,
    pub port: u16,
    pub tcp_port: u16,
    /// Whether this run uses multicast at all.
    pub multicast: bool,
    /// Whether another program has the UDP port, in one family at least.
    pub port_taken: bool,
    /// Whether interfaces were chosen, so that others are left out on purpose.
    pub chosen: bool,
    /// Whether this run was told which to use, so that settings do not count.
    pub named: bool,
    /// Whether a copy of this profile runs.
    pub cloned: bool,
    /// Seconds by which most clocks here are ahead, where that is much.
    pub clock_off: Option<i64>,
    /// Datagrams of another version, and of networks of other names.
    pub other_version: u64,
    pub other_network: u64,
    pub interfaces: Vec<CheckedInterface>,
    pub peers: Vec<CheckedPeer>,
    /// Addresses of unused interfaces in whose network a peer is that no used one leads to: interface and peer's id.
    pub elsewhere: Vec<(String, String)>,
}

/// What is in the way, the gravest first; nothing where all is well.
pub fn judge(evidence: &Evidence) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let look = Look { evidence };
    verdicts.extend(look.port_taken());
    verdicts.extend(look.no_way_to_others());
    if verdicts.is_empty() && evidence.multicast {
        verdicts.extend(look.firewall_here());
        let isolated = look.isolated();
        // Of two that run under one key others hear only one.
        if !evidence.cloned {
            verdicts.extend(look.filtered(!verdicts.is_empty(), &isolated));
        }
        verdicts.extend(look.isolation(&isolated));
    }
    verdicts.extend(look.firewalls_of_others());
    verdicts.extend(look.wrong_interface_for_some());
    verdicts.extend(look.cloned());
    verdicts.extend(look.clock());
    verdicts.extend(look.notes());
    if verdicts.iter().all(|verdict| verdict.severity == Severity::Note) {
        verdicts.extend(look.nobody());
    }
    verdicts.sort_by_key(|verdict| (verdict.severity, verdict.cause));
    verdicts
}

/// What there is to say where a node could not start because the system gave it no port; `at` in milliseconds since 1970.
pub fn port_refused(port: u16, error: &ApiError, at: u64) -> Diagnosis {
    let why = error.says.clone().unwrap_or_else(|| Saying::fixed(error.message.clone()));
    let verdict = Verdict {
        cause: Cause::PortTaken,
        severity: Severity::Problem,
        what: taken(port).into(),
        evidence: vec![why.into()],
        steps: System::here().steps(Cause::PortTaken, port, port),
        direction: None,
        peers: Vec::new(),
    };
    Diagnosis { verdicts: vec![verdict], interfaces: Vec::new(), peers: Vec::new(), port, tcp_port: port, at }
}

fn taken(port: u16) -> Saying {
    saying!("Another program has UDP port {port}, so others are not heard.", port)
}

struct Look<'a> {
    evidence: &'a Evidence,
}

impl Look<'_> {
    fn port_taken(&self) -> Option<Verdict> {
        let Evidence { port, port_taken, .. } = *self.evidence;
        port_taken.then(|| {
            let evidence = vec![saying!("The system did not give the port to Lanyard: it is in use.")];
            self.verdict(Cause::PortTaken, taken(port), evidence)
        })
    }

    /// No interface leads to others.
    fn no_way_to_others(&self) -> Option<Verdict> {
        let leads_out = |interface: &&CheckedInterface| interface.kind != InterfaceKind::Loopback;
        let mut all = self.evidence.interfaces.iter().filter(leads_out).peekable();
        if self.evidence.interfaces.iter().filter(leads_out).any(|interface| interface.used) {
            return None;
        }
        if all.peek().is_none() {
            let what = saying!("This device is not connected to a network.");
            return Some(self.verdict(Cause::NoNetwork, what, vec![saying!("No network interface is up.")]));
        }
        let what = saying!("Lanyard uses none of the networks of this device.");
        let evidence = all.map(|interface| self.unused(interface)).collect();
        Some(self.verdict(Cause::WrongInterface, what, evidence))
    }

    fn unused(&self, interface: &CheckedInterface) -> Saying {
        let (name, addresses) = (&interface.name, interface.addresses.join(", "));
        match interface.kind {
            InterfaceKind::PointToPoint => {
                saying!("{name} ({addresses}) is a tunnel, as of a VPN, and not used.", name, addresses)
            }
            _ if interface.choice == InterfaceChoice::Never && !self.evidence.named => {
                saying!("{name} ({addresses}) is up, and you chose not to use it.", name, addresses)
            }
            _ => saying!("{name} ({addresses}) is up and not used.", name, addresses),
        }
    }

    /// A firewall of this device keeps out what others send, or in what it sends.
    fn firewall_here(&self) -> Option<Verdict> {
        let in_use =
            || self.evidence.interfaces.iter().filter(|one| one.used && one.kind != InterfaceKind::Loopback);
        let mut evidence = Vec::new();
        let (mut inward, mut outward) = (false, false);
        // Some firewalls drop only what seems to come from the device itself.
        let hears_others = self.evidence.peers.iter().any(|peer| hears_anything(peer.heard));
        for interface in in_use().filter(|one| one.forbidden > 0) {
            let (name, count) = (&interface.name, interface.forbidden);
            outward = true;
            evidence.push(saying!("The system forbade {count} packets to be sent on {name}.", count, name));
        }
        for interface in
            in_use().filter(|one| one.loops_back == Some(false) && !hears_others && one.sent > one.failed)
        {
            let name = &interface.name;
            inward = true;
            evidence.push(saying!(
                "What was sent to everybody on {name} did not come back to this device, as it does where no firewall is.",
                name
            ));
        }
        let tried: Vec<&CheckedPeer> =
            self.evidence.peers.iter().filter(|peer| peer.dials.is_some()).collect();
        let shut = !tried.is_empty() && tried.iter().all(|peer| peer.dials != Some(Reached::Open));
        // Nothing passes to whoever is kept apart: that says nothing of a firewall.
        let shut =
            shut && tried.iter().any(|peer| peer.dial == Some(Reached::Open) || peer.found == FoundBy::Heard);
        if shut {
            inward = true;
            let port = self.evidence.tcp_port;
            for peer in tried {
                let name = &peer.name;
                evidence.push(match peer.dials {
                    Some(Reached::Refused) => {
                        saying!(
                            "{name} tried to connect to TCP port {port} of this device and was refused.",
                            name,
                            port
                        )
                    }
                    _ => saying!(
                        "{name} tried to connect to TCP port {port} of this device: nothing answered.",
                        name,
                        port
                    ),
                });
            }
        }
        if evidence.is_empty() {
            return None;
        }
        let (what, direction) = match (inward, outward) {
            (true, false) => (
                saying!("A firewall keeps out what others send to this device, probably its own firewall."),
                Direction::In,
            ),
            (false, _) => (saying!("A firewall of this device keeps Lanyard from sending."), Direction::Out),
            (true, true) => (
                saying!("A firewall of this device keeps Lanyard from sending and from hearing others."),
                Direction::Both,
            ),
        };
        Some(Verdict { direction: Some(direction), ..self.verdict(Cause::Firewall, what, evidence) })
    }

    /// Those who are on a network of this device and here, and nothing passes between the two.
    fn isolated(&self) -> Vec<&CheckedPeer> {
        let apart = |peer: &&CheckedPeer| {
            let dead = |reached: Option<Reached>| reached.is_none_or(|reached| reached != Reached::Open);
            peer.interface.is_some()
                && peer.found == FoundBy::Told
                && peer.dial.is_some()
                && dead(peer.dial)
                && dead(peer.dials)
                && !hears_anything(peer.hears)
                && !hears_anything(peer.heard)
        };
        self.evidence.peers.iter().filter(apart).collect()
    }

    fn isolation(&self, isolated: &[&CheckedPeer]) -> Option<Verdict> {
        let [first, ..] = isolated else { return None };
        let evidence = isolated.iter().map(|peer| {
            let (name, address) = (&peer.name, peer.addresses.first().cloned().unwrap_or_default());
            saying!(
                "{name} is on this network ({address}), as others here say, but neither connections nor packets to everybody pass.",
                name,
                address
            )
        });
        let name = &first.name;
        let what = match isolated.len() - 1 {
            0 => saying!("The network keeps this device and {name} apart.", name),
            more => saying!("The network keeps this device apart from {name} and {more} more.", name, more),
        };
        let verdict = self.verdict(Cause::Isolation, what, evidence.collect());
        Some(Verdict { direction: Some(Direction::Both), peers: ids(isolated), ..verdict })
    }

    /// Multicast does not pass, though connections do.
    fn filtered(&self, firewall: bool, isolated: &[&CheckedPeer]) -> Option<Verdict> {
        let near = |peer: &&CheckedPeer| peer.interface.is_some() && !isolated.contains(peer);
        let near: Vec<&CheckedPeer> = self.evidence.peers.iter().filter(near).collect();
        let deaf = |peer: &&&CheckedPeer| peer.hears.is_some_and(|hears| !hears.multicast) && !is_shut(peer);
        let mute = |peer: &&&CheckedPeer| peer.heard.is_some_and(|heard| !heard.multicast);
        let deaf: Vec<&CheckedPeer> = near.iter().filter(deaf).copied().collect();
        // What a firewall here explains is not the network's.
        let mute: Vec<&CheckedPeer> = near.iter().filter(mute).copied().filter(|_| !firewall).collect();
        let direction = match (deaf.is_empty(), mute.is_empty()) {
            (true, true) => return None,
            (false, true) => Direction::Out,
            (true, false) => Direction::In,
            (false, false) => Direction::Both,
        };
        let mut evidence = Vec::new();
        for peer in &deaf {
            let (name, broadcast) = (&peer.name, peer.hears.is_some_and(|hears| hears.broadcast));
            evidence.push(match broadcast {
                true => {
                    saying!("{name} hears the broadcasts of this device, and none of its multicast.", name)
                }
                false => saying!("{name} hears nothing that this device sends to everybody.", name),
            });
        }
        for peer in &mute {
            let (name, broadcast) = (&peer.name, peer.heard.is_some_and(|heard| heard.broadcast));
            evidence.push(match broadcast {
                true => {
                    saying!("This device hears the broadcasts of {name}, and none of its multicast.", name)
                }
                false => saying!("This device hears nothing that {name} sends to everybody.", name),
            });
        }
        let mut affected = deaf.clone();
        affected.extend(mute.iter().filter(|peer| !deaf.contains(peer)));
        for peer in affected.iter().filter(|peer| peer.dial == Some(Reached::Open)) {
            let name = &peer.name;
            evidence.push(saying!("Connections to {name} pass.", name));
        }
        let others = near.iter().filter(|peer| !affected.contains(peer) && peer.hears.is_some()).count();
        let what = match (direction, others) {
            (Direction::Out, 0) => saying!("The network does not pass on the multicast of this device."),
            (Direction::In, 0) => {
                saying!("The network does not bring the multicast of others to this device.")
            }
            (Direction::Both, 0) => saying!("The network does not pass on multicast."),
            (_, others) => {
                let count = affected.len();
                saying!(
                    "Multicast does not pass between this device and {count} of {all} others.",
                    count,
                    all = count + others
                )
            }
        };
        let verdict = self.verdict(Cause::MulticastFiltered, what, evidence);
        Some(Verdict { direction: Some(direction), peers: ids(&affected), ..verdict })
    }

    /// Others who hear nothing, or to whom no connection can be opened, while all else passes.
    fn firewalls_of_others(&self) -> Option<Verdict> {
        let shut: Vec<&CheckedPeer> = self.evidence.peers.iter().filter(|peer| is_shut(peer)).collect();
        let [first, ..] = shut[..] else { return None };
        let evidence = shut.iter().map(|peer| {
            let (name, address) = (&peer.name, peer.addresses.first().cloned().unwrap_or_default());
            match peer.dial {
                Some(Reached::Refused) => {
                    saying!("{name} is heard, but refuses connections at {address}.", name, address)
                }
                _ => saying!("{name} is heard, but does not answer connections at {address}.", name, address),
            }
        });
        let name = &first.name;
        let what = match shut.len() - 1 {
            0 => saying!(
                "A firewall keeps this device from connecting to {name}, probably the one of {name}.",
                name
            ),
            more => {
                saying!("Firewalls keep this device from connecting to {name} and {more} more.", name, more)
            }
        };
        let mut verdict = self.verdict(Cause::Firewall, what, evidence.collect());
        verdict.steps = self.evidence.system.firewall_of_others(self.evidence.port);
        // What is to be said gets there by detours, as long as they can connect to this device or somebody passes it on.
        Some(Verdict {
            severity: Severity::Note,
            direction: Some(Direction::Out),
            peers: ids(&shut),
            ..verdict
        })
    }

    fn wrong_interface_for_some(&self) -> Option<Verdict> {
        let [(name, _), ..] = &self.evidence.elsewhere[..] else { return None };
        let what = saying!("People are on the network of {name}, which Lanyard does not use.", name);
        let known = |id: &String| self.evidence.peers.iter().find(|peer| peer.id == *id);
        let evidence = self.evidence.elsewhere.iter().filter_map(|(interface, id)| {
            let peer = known(id)?;
            let (name, address) = (&peer.name, peer.addresses.first().cloned().unwrap_or_default());
            Some(saying!("{name} ({address}) is on the network of {interface}.", name, address, interface))
        });
        let mut verdict = self.verdict(Cause::WrongInterface, what, evidence.collect());
        verdict.peers = self.evidence.elsewhere.iter().map(|(_, id)| id.clone()).collect();
        Some(verdict)
    }

    fn cloned(&self) -> Option<Verdict> {
        self.evidence.cloned.then(|| {
            let what =
                saying!("This profile also runs on another device, so others cannot tell the two apart.");
            let evidence = vec![saying!(
                "Packets were heard that are signed with the key of this device, and that it did not send."
            )];
            self.verdict(Cause::ClonedIdentity, what, evidence)
        })
    }

    fn clock(&self) -> Option<Verdict> {
        self.evidence.clock_off.map(|off| {
            let by = span(off.unsigned_abs());
            let what = match off > 0 {
                true => saying!("The clock of this device is {by} behind most others here.", by),
                false => saying!("The clock of this device is {by} ahead of most others here.", by),
            };
            let evidence = vec![saying!("Others say with each announcement what their clocks show.")];
            self.verdict(Cause::ClockOff, what, evidence)
        })
    }

    fn notes(&self) -> Vec<Verdict> {
        let Evidence { multicast, other_version, other_network, .. } = *self.evidence;
        let mut notes = Vec::new();
        if !multicast {
            let what = saying!("This run uses no multicast, so people are found by address only.");
            notes.push(self.note(Cause::MulticastOff, what, Vec::new()));
        }
        if other_version > 0 {
            let what = saying!("Somebody here runs a version of Lanyard that does not understand this one.");
            let evidence =
                vec![saying!("{count} packets of another version were heard.", count = other_version)];
            notes.push(self.note(Cause::OtherVersion, what, evidence));
        }
        if other_network > 0 {
            let what =
                saying!("Somebody here started Lanyard with the name of another network, and is not seen.");
            let evidence = vec![saying!(
                "{count} packets of networks of other names were heard.",
                count = other_network
            )];
            notes.push(self.note(Cause::OtherNetwork, what, evidence));
        }
        let far = |peer: &&CheckedPeer| {
            peer.interface.is_none() && peer.found == FoundBy::Address && peer.dial == Some(Reached::Open)
        };
        let far: Vec<&CheckedPeer> = self.evidence.peers.iter().filter(far).collect();
        if let [first, ..] = far[..] {
            let name = &first.name;
            let what = saying!("{name} is on another network, and is reached by address.", name);
            let evidence = far.iter().map(|peer| {
                let (name, addresses) = (&peer.name, peer.addresses.join(", "));
                saying!(
                    "{name} has {addresses}, and none of this device's networks leads there directly.",
                    name,
                    addresses
                )
            });
            let note = self.note(Cause::OtherSubnet, what, evidence.collect());
            notes.push(Verdict { peers: ids(&far), ..note });
        }
        notes
    }

    fn nobody(&self) -> Option<Verdict> {
        let answers = |peer: &CheckedPeer| {
            peer.found != FoundBy::Remembered || peer.hears.is_some() || peer.dial == Some(Reached::Open)
        };
        if self.evidence.peers.iter().any(answers) {
            return None;
        }
        let spoke = |one: &&CheckedInterface| one.used && one.kind != InterfaceKind::Loopback;
        let mut evidence: Vec<Saying> = self
            .evidence
            .interfaces
            .iter()
            .filter(spoke)
            .map(|one| {
                let (name, sent, heard) = (&one.name, one.sent, one.heard);
                saying!(
                    "On {name}, {sent} packets were sent and {heard} of others were heard.",
                    name,
                    sent,
                    heard
                )
            })
            .collect();
        evidence.extend(self.evidence.peers.iter().map(|peer| {
            let (name, address) = (&peer.name, peer.addresses.first().cloned().unwrap_or_default());
            saying!("{name} was here before, and does not answer at {address}.", name, address)
        }));
        let left_out = |one: &&CheckedInterface| !one.used && one.kind == InterfaceKind::Ordinary;
        let left_out: Vec<&CheckedInterface> = self.evidence.interfaces.iter().filter(left_out).collect();
        if self.evidence.chosen && !left_out.is_empty() {
            evidence.extend(left_out.iter().map(|interface| self.unused(interface)));
            let what =
                saying!("Nobody answers on the networks that were chosen, and this device has others.");
            return Some(self.verdict(Cause::WrongInterface, what, evidence));
        }
        let what = saying!("Nobody else answers.");
        Some(self.verdict(Cause::NobodyThere, what, evidence))
    }

    fn verdict(&self, cause: Cause, what: Saying, evidence: Vec<Saying>) -> Verdict {
        Verdict {
            cause,
            severity: Severity::Problem,
            what: what.into(),
            evidence: evidence.into_iter().map(Sentence::from).collect(),
            steps: match cause {
                Cause::WrongInterface => steps::interface(self.evidence.named),
                cause => self.evidence.system.steps(cause, self.evidence.port, self.evidence.tcp_port),
            },
            direction: None,
            peers: Vec::new(),
        }
    }

    fn note(&self, cause: Cause, what: Saying, evidence: Vec<Saying>) -> Verdict {
        Verdict { severity: Severity::Note, ..self.verdict(cause, what, evidence) }
    }
}

/// A rough time, of ten minutes at least.
fn span(seconds: u64) -> Saying {
    match seconds {
        ..7200 => saying!("{count} minutes", count = seconds / 60),
        7200..172_800 => saying!("{count} hours", count = (seconds + 1800) / 3600),
        _ => saying!("{count} days", count = (seconds + 43_200) / 86_400),
    }
}

/// Whether a device is heard, and lets no connection in.
fn is_shut(peer: &CheckedPeer) -> bool {
    let heard =
        peer.found == FoundBy::Heard || peer.heard.is_some_and(|heard| heard.multicast || heard.broadcast);
    heard && matches!(peer.dial, Some(Reached::Silent | Reached::Refused | Reached::Unreachable))
}

fn hears_anything(ways: Option<Ways>) -> bool {
    ways.is_some_and(|ways| ways.multicast || ways.broadcast)
}

fn ids(peers: &[&CheckedPeer]) -> Vec<String> {
    peers.iter().map(|peer| peer.id.clone()).collect()
}
