//! `lanyard say`, `lanyard log`.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::time::Duration;

use lanyard_engine::Events;
use lanyard_engine::api::{ApiError, Command, Event, Message, MessageKind, Page, Reply, Room};
use lanyard_engine::control::Node;
use tokio::time::{Instant, timeout_at};

use super::{ask, call_when_found, misunderstood, next};
use crate::failure::{Exit, Failure};
use crate::output::{Output, QUIET, STRONG, paint};
use crate::text;

pub async fn say(node: &Node, out: Output, to: String, text: String) -> Result<(), Failure> {
    let text = if text == "-" { read_standard_input().await? } else { text };
    let mut events = node.subscribe();
    let message = ask!(call_when_found(node, Command::Say { to, text, reply: None }) => Message)?;
    if node.is_ours() && !reaches_somebody(&mut events, &message).await {
        out.note("It is kept, but nobody has it yet. It goes out whenever a node runs for this profile: lanyard up");
    }
    if out == Output::Program {
        out.item(&message, words)?;
    }
    Ok(())
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

/// A node that ends with this verb stays until one other device has the message, or for [`LINGER`].
async fn reaches_somebody(events: &mut Events, said: &Message) -> bool {
    let reached = async {
        loop {
            if let Event::Delivered { message, delivered, .. } = next(events).await
                && message == said.id
                && !delivered.to.is_empty()
            {
                return;
            }
        }
    };
    timeout_at(Instant::now() + LINGER, reached).await.is_ok()
}

pub async fn log(node: &Node, out: Output, to: String, follow: bool, limit: u32) -> Result<(), Failure> {
    let mut events = node.subscribe();
    let room: Room = ask!(call_when_found(node, Command::Open { to }) => Room)?;
    let mut shown = BTreeSet::new();
    let mut show = |messages: Vec<Message>| -> Result<(), Failure> {
        for message in messages {
            if shown.insert(message.id.clone()) {
                out.item(&message, words)?;
            }
        }
        Ok(())
    };
    show(latest(node, &room.id, limit).await?)?;
    if !follow {
        return Ok(());
    }
    loop {
        match next(&mut events).await {
            Event::Message { message } if message.room == room.id => show(vec![message])?,
            Event::Lagged { .. } => show(latest(node, &room.id, PAGE).await?)?,
            _ => {}
        }
    }
}

/// The newest messages, oldest first.
async fn latest(node: &Node, room: &str, limit: u32) -> Result<Vec<Message>, ApiError> {
    let mut messages: Vec<Message> = Vec::new();
    let mut left = limit;
    while left > 0 {
        let before = messages.first().map(|message| message.cursor.clone());
        let command = Command::Log {
            to: room.to_owned(),
            before,
            after: None,
            at: None,
            around: None,
            limit: left.min(PAGE),
        };
        let page: Page = ask!(node.call(command) => Page)?;
        left = left.saturating_sub(u32::try_from(page.messages.len()).unwrap_or(u32::MAX));
        let more = page.more && !page.messages.is_empty();
        messages.splice(0..0, page.messages);
        if !more {
            break;
        }
    }
    Ok(messages)
}

fn words(message: &Message) -> String {
    let time = paint(QUIET, &text::moment(message.time));
    let name = paint(STRONG, &text::line(&message.name));
    let said = match message.kind {
        MessageKind::Text => text::paragraph(&message.text, "    "),
        MessageKind::Offer => {
            let hint = message.transfer.as_deref().filter(|_| !message.mine);
            let hint = hint.map(|id| paint(QUIET, &format!("  lanyard accept {}", text::short(id))));
            format!("offers {}{}", text::line(&message.text), hint.unwrap_or_default())
        }
        MessageKind::Unknown | MessageKind::Note | MessageKind::Sealed => {
            paint(QUIET, "(written by a newer version)")
        }
    };
    format!("{time}  {name}: {said}")
}

/// The most that one question to the node may ask for.
const PAGE: u32 = 500;

/// More than any message may be, so that the node and not this says what is too long.
const LONGEST_INPUT: u64 = 512 * 1024;

const LINGER: Duration = Duration::from_secs(3);
