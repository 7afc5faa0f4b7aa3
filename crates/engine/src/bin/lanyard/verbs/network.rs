//! `lanyard network`: which network interfaces are used, and choosing that.

use lanyard_engine::api::{
    ApiError, Command, InterfaceChoice, InterfaceKind, InterfaceState, ListedInterface, Network, Reply,
};
use lanyard_engine::control::Node;

use super::{ask, misunderstood, snapshot};
use crate::args::Interfaces;
use crate::failure::{Exit, Failure};
use crate::output::{GOOD, Output, QUIET, STRONG, paint};
use crate::text;

pub async fn run(node: &Node, out: Output, wanted: Interfaces) -> Result<(), Failure> {
    let Interfaces { interface, choice } = wanted;
    let network: Network = match (&interface, choice) {
        (Some(name), Some(choice)) => {
            let choice = Command::UseInterface { name: name.clone(), choice: choice.into() };
            *ask!(node.call(choice) => Network)?
        }
        _ => snapshot(node).await?.network,
    };
    let is_named = network.listed.iter().any(|one| one.state == InterfaceState::NotNamed);
    if choice.is_some() && is_named {
        out.note(
            "The node was started with --interface and goes on using those. The choice counts from its next start without.",
        );
    }
    let Some(name) = interface else {
        if network.listed.is_empty() {
            out.note("This device has no network interface with an address.");
        }
        return network.listed.iter().try_for_each(|one| out.item(one, words));
    };
    match network.listed.iter().find(|one| one.name == name) {
        Some(one) => {
            out.item(one, words)?;
            if choice.is_some() && one.state == InterfaceState::Absent {
                out.note("It is not there, or has no address. What was chosen counts as soon as it comes.");
            }
            Ok(())
        }
        // What is absent and left to Lanyard is not listed.
        None if choice.is_some() => Ok(()),
        None => {
            let none = format!("No interface is called {}. See them: lanyard network", text::line(&name));
            Err(Failure::new(Exit::Failed, &none))
        }
    }
}

fn words(one: &ListedInterface) -> String {
    let state = reason(one);
    let style = if one.state == InterfaceState::Used { GOOD } else { QUIET };
    let mut line = format!("{}: {}", paint(STRONG, &text::line(&one.name)), paint(style, &state));
    if !one.addresses.is_empty() {
        line += &format!("; {}", text::line(&one.addresses.join(", ")));
    }
    line
}

/// How it stands, and why.
pub fn reason(one: &ListedInterface) -> String {
    let state = match (one.state, one.kind) {
        (InterfaceState::Used, Some(InterfaceKind::PointToPoint)) => "used, a tunnel",
        (InterfaceState::Used, _) => "used",
        (InterfaceState::Excluded, _) => "not used, as you chose",
        (InterfaceState::NotNamed, _) => "not used, since the node was started for others only",
        (InterfaceState::Tunnel, _) => "not used, since it is a tunnel",
        (InterfaceState::Loopback, _) => "not used, since it leads nowhere",
        (InterfaceState::Down, _) => "not used, since it is down",
        (InterfaceState::Absent, _) => "not there",
        (InterfaceState::TooMany, _) => "not used, since enough others are",
    };
    match (one.choice, one.state) {
        (InterfaceChoice::Always, _) => format!("{state} (always)"),
        // The reason says it.
        (InterfaceChoice::Never, InterfaceState::Excluded) => state.to_owned(),
        (InterfaceChoice::Never, _) => format!("{state} (never)"),
        (InterfaceChoice::Automatic, _) => state.to_owned(),
    }
}
