//! `lanyard doctor`: what is in the way, how that is known, and what to do about it.

use lanyard_engine::api::{
    ApiError, CheckedInterface, CheckedPeer, Command, Diagnosis, ErrorCode, FoundBy, InterfaceChoice,
    InterfaceKind, Reached, Reply, Severity, Verdict, Ways,
};
use lanyard_engine::control::Node;
use lanyard_engine::{Config, StartError};

use super::{ask, misunderstood};
use crate::failure::{Exit, Failure};
use crate::output::{BAD, GOOD, Output, QUIET, STRONG, paint};
use crate::text;

/// The node to look with; none where it could not start for want of a port, which is the whole verdict then.
pub async fn open(config: Config, out: Output) -> Result<Node, Failure> {
    let (port, opened) = (config.port, Node::open(config).await);
    let refused = |error: &StartError| error.code == ErrorCode::Network;
    match opened {
        Err(error) if refused(&error) => {
            let diagnosis = lanyard_engine::port_refused(port, &error, now());
            out.item(&diagnosis, words)?;
            Err(in_the_way(&diagnosis))
        }
        opened => Ok(opened?),
    }
}

pub async fn run(node: &Node, out: Output) -> Result<(), Failure> {
    if out == Output::Person {
        out.note("Looking at the network. This takes some seconds.");
    }
    let diagnosis = look(node).await?;
    out.item(&diagnosis, words)?;
    let problem = diagnosis.verdicts.iter().any(|verdict| verdict.severity == Severity::Problem);
    if problem { Err(in_the_way(&diagnosis)) } else { Ok(()) }
}

async fn look(node: &Node) -> Result<Diagnosis, ApiError> {
    ask!(node.call(Command::Diagnose {}) => Diagnosis).map(|diagnosis| *diagnosis)
}

fn in_the_way(diagnosis: &Diagnosis) -> Failure {
    let problems = diagnosis.verdicts.iter().filter(|verdict| verdict.severity == Severity::Problem).count();
    Failure::new(Exit::Failed, text::count(problems as u64, "thing is in the way.", "things are in the way."))
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn words(diagnosis: &Diagnosis) -> String {
    let mut lines: Vec<String> = diagnosis.verdicts.iter().flat_map(verdict).collect();
    if diagnosis.verdicts.is_empty() {
        let asked = diagnosis.peers.iter().filter(|peer| peer.hears.is_some()).count() as u64;
        let asked = text::count(asked, "other device was asked", "other devices were asked");
        lines.push(format!("{} {asked}, and everything passes both ways.", paint(GOOD, "All is well:")));
    }
    if !diagnosis.interfaces.is_empty() {
        lines.push(String::new());
        lines.push(paint(STRONG, "Networks of this device"));
        lines.extend(diagnosis.interfaces.iter().map(interface));
    }
    if !diagnosis.peers.is_empty() {
        lines.push(String::new());
        lines.push(paint(STRONG, "Other devices"));
        lines.extend(diagnosis.peers.iter().map(peer));
    }
    lines.join("\n")
}

fn verdict(verdict: &Verdict) -> Vec<String> {
    let (style, mark) = match verdict.severity {
        Severity::Problem => (BAD, "✗"),
        Severity::Note => (QUIET, "·"),
    };
    let mut lines =
        vec![format!("{} {}", paint(style, mark), paint(STRONG, &text::line(&verdict.what.message)))];
    let evidence = verdict.evidence.iter().map(|sentence| format!("    {}", text::line(&sentence.message)));
    lines.extend(evidence);
    for (number, step) in verdict.steps.iter().enumerate() {
        lines.push(format!("  {}. {}", number + 1, text::line(&step.message)));
    }
    lines
}

fn interface(interface: &CheckedInterface) -> String {
    let addresses = text::line(&interface.addresses.join(", "));
    let what = match (interface.used, interface.kind) {
        (false, InterfaceKind::PointToPoint) => "a tunnel, not used".to_owned(),
        (false, _) if interface.choice == InterfaceChoice::Never => "not used, as you chose".to_owned(),
        (false, _) => "not used".to_owned(),
        (true, _) => {
            let failed = match interface.failed {
                0 => String::new(),
                failed => format!(" ({failed} failed)"),
            };
            let back = match interface.loops_back {
                Some(true) => ", own come back",
                Some(false) => ", own do not come back",
                None => "",
            };
            format!("{} packets sent{failed}, {} of others heard{back}", interface.sent, interface.heard)
        }
    };
    format!("  {} {addresses}: {what}", text::line(&interface.name))
}

fn peer(peer: &CheckedPeer) -> String {
    let found = match peer.found {
        FoundBy::Heard => "heard",
        FoundBy::Address => "by address",
        FoundBy::Told => "others say it is here",
        FoundBy::Remembered => "was here before",
    };
    let mut facts = vec![found.to_owned()];
    facts.extend(peer.hears.map(|ways| format!("hears {} of this device", passes(ways))));
    facts.extend(peer.heard.map(|ways| format!("is heard by {}", passes(ways))));
    facts.extend(peer.dial.map(|dial| format!("connections to it {}", connections(dial))));
    facts.extend(peer.dials.map(|dials| format!("its connections {}", connections(dials))));
    format!("  {}: {}", text::line(&peer.name), facts.join("; "))
}

fn passes(ways: Ways) -> &'static str {
    match (ways.multicast, ways.broadcast) {
        (true, true) => "multicast and broadcast",
        (true, false) => "multicast",
        (false, true) => "broadcast",
        (false, false) => "nothing",
    }
}

fn connections(reached: Reached) -> &'static str {
    match reached {
        Reached::Open => "pass",
        Reached::Refused => "are refused",
        Reached::Silent => "are not answered",
        Reached::Unreachable => "find no way",
    }
}
