//! `lanyard say`: writing a message, and doing something with one.

use std::io::Read as _;
use std::time::Duration;

use lanyard_engine::Events;
use lanyard_engine::api::{ApiError, Command, Delivery, Event, Message, Reply};
use lanyard_engine::control::Node;
use tokio::time::{Instant, timeout_at};

use super::delivery;
use super::message::{Offers, words};
use super::{LINGER, ask, call_when_found, misunderstood, next};
use crate::args::Say;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::text;

pub async fn say(node: &Node, out: Output, words_of: Say) -> Result<(), Failure> {
    let mut events = node.subscribe();
    let patience = words_of.wait.map(|seconds| Duration::from_secs(u64::from(seconds)));
    let command = command(words_of).await?;
    // What others are to have: the message, what it says now, or that it is taken back.
    let says = matches!(command, Command::Say { .. } | Command::Edit { .. } | Command::Delete { .. });
    let mut message = ask!(call_when_found(node, command) => Message)?;
    if let Some(patience) = patience {
        return delivery::wait(node, out, &mut events, message, patience).await;
    }
    // Who has a reaction or a pin is not told: it goes the same way.
    if node.is_ours() && says {
        let reached = reaches_somebody(&mut events, &message).await;
        let kept = reached.as_ref().map_or(0, |delivered| delivered.kept_by.len() as u64);
        if kept > 0 {
            let devices = text::count(kept, "other device keeps", "other devices keep");
            out.note(&format!(
                "It is not delivered yet. {devices} it, sealed, until whoever it is for is back."
            ));
        } else if reached.is_none() {
            out.note(
                "It is kept, and nobody has said yet that they have it. It goes out whenever a node runs for this profile: \
                 lanyard up",
            );
        }
        message.delivered = reached.or(message.delivered);
    }
    if node.is_ours() && !says {
        tokio::time::sleep(LINGER).await;
    }
    if out == Output::Program {
        out.item(&message, |message| words(message, &Offers::default()))?;
    }
    Ok(())
}

async fn command(said: Say) -> Result<Command, Failure> {
    let Say { to, text, reply, edit, delete, react, unreact, pin, unpin, wait: _ } = said;
    let text = match text.as_deref() {
        Some("-") => Some(read_standard_input().await?),
        _ => text,
    };
    let text = text.unwrap_or_default();
    if let Some(message) = edit {
        return Ok(Command::Edit { to, message, text });
    }
    if let Some(message) = delete {
        return Ok(Command::Delete { to, message });
    }
    for (given, on) in [(react, true), (unreact, false)] {
        if let Some([message, emoji]) = given.as_deref() {
            return Ok(Command::React { to, message: message.clone(), emoji: emoji.clone(), on });
        }
    }
    for (given, on) in [(pin, true), (unpin, false)] {
        if let Some(message) = given {
            return Ok(Command::Pin { to, message, on });
        }
    }
    Ok(Command::Say { to, text, reply })
}

async fn read_standard_input() -> Result<String, Failure> {
    let read = tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        std::io::stdin().lock().take(LONGEST_INPUT).read_to_string(&mut text).map(|_| text)
    });
    let text = read.await.map_err(std::io::Error::other)??;
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(Failure::new(Exit::WrongUse, "There was nothing to say on standard input.")),
        text => Ok(text.to_owned()),
    }
}

/// A node that ends with this verb stays until one other device has the message, or as many keep it for whoever it is for
/// as may, or for [`LINGER`]. What became of it, if anything did.
async fn reaches_somebody(events: &mut Events, said: &Message) -> Option<Delivery> {
    let mut reached = None;
    let reaching = async {
        loop {
            let (Event::Delivered { message, delivered, .. } | Event::Kept { message, delivered, .. }) =
                next(events).await
            else {
                continue;
            };
            if message != said.id {
                continue;
            }
            let done = !delivered.to.is_empty() || delivered.kept_by.len() >= MAX_HOLDERS;
            reached = Some(delivered);
            if done {
                return;
            }
        }
    };
    // Whatever was reached up to then counts.
    let _ = timeout_at(Instant::now() + LINGER, reaching).await;
    reached
}

/// Devices that keep a message at the most.
const MAX_HOLDERS: usize = 3;

/// More than any message may be, so that the node and not this says what is too long.
const LONGEST_INPUT: u64 = 512 * 1024;
