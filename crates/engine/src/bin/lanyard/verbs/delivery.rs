//! `lanyard say --wait`: waits until everybody of the room who is here has a message.

use std::time::Duration;

use lanyard_engine::Events;
use lanyard_engine::api::{ApiError, Command, Event, Member, Message, Page, Reply};
use lanyard_engine::control::Node;
use tokio::time::{Instant, timeout_at};

use super::{FINDING, all_peers, ask, message, misunderstood, next};
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Who has a message, and who is here and has not.
struct Reached {
    message: Message,
    lacking: Vec<String>,
    /// Nobody has it or is known to lack it, and yet somebody is here: who that is was heard, and not yet what they are in.
    unsure: bool,
}

/// Prints who has it by the end.
pub async fn wait(
    node: &Node,
    out: Output,
    events: &mut Events,
    said: Message,
    patience: Duration,
) -> Result<(), Failure> {
    let deadline = Instant::now() + patience;
    // A node that has just been started does not know yet who is here.
    let found = (Instant::now() + FINDING).min(deadline);
    let mut now = look(node, &said).await?;
    while !now.lacking.is_empty() || ((node.is_ours() || now.unsure) && Instant::now() < found) {
        let until = if now.lacking.is_empty() { found } else { deadline };
        let came = timeout_at(until, something_happened(events, &said)).await.is_ok();
        now = look(node, &said).await?;
        if !came && until == deadline {
            break;
        }
    }
    tell(out, &now)
}

fn tell(out: Output, now: &Reached) -> Result<(), Failure> {
    out.item(&now.message, |message| match &message.delivered {
        Some(delivered) => message::delivery(delivered),
        None => String::new(),
    })?;
    match &now.lacking[..] {
        [] if now.holders() == 0 => {
            let kept = match now.message.delivered.as_ref().map_or(0, |delivered| delivered.kept_by.len()) {
                0 => "It is kept, and goes out when somebody comes.".to_owned(),
                1 => "Somebody else keeps it and hands it over, also without this device.".to_owned(),
                keepers => format!("{keepers} others keep it and hand it over, also without this device."),
            };
            let why = if now.unsure {
                "Of those who are here nobody is known yet to be in there and to hear this device."
            } else {
                "Nobody whom it is for is here."
            };
            Err(Failure::new(Exit::NobodyThere, format!("{why} {kept}")))
        }
        [] => Ok(()),
        lacking => {
            let who = message::names(lacking);
            Err(Failure::new(
                Exit::TimedOut,
                format!("Not everybody who is here has it yet. It is on its way to {who}."),
            ))
        }
    }
}

impl Reached {
    fn holders(&self) -> usize {
        self.message.delivered.as_ref().map_or(0, |delivered| delivered.to.len())
    }
}

async fn look(node: &Node, said: &Message) -> Result<Reached, ApiError> {
    let question = Command::Log {
        to: said.room.clone(),
        before: None,
        after: None,
        at: None,
        around: Some(said.id.clone()),
        until: None,
        limit: 1,
    };
    let page: Page = ask!(node.call(question) => Page)?;
    let message = page.messages.into_iter().next().ok_or_else(misunderstood)?;
    let members: Vec<Member> = ask!(node.call(Command::Members { room: said.room.clone() }) => Members)?;
    let holders = message.delivered.as_ref().map(|delivered| delivered.to.as_slice()).unwrap_or_default();
    let lacks = |member: &Member| member.online && !member.me && !holders.contains(&member.peer);
    let lacking: Vec<String> =
        members.iter().filter(|member| lacks(member)).map(|member| member.name.clone()).collect();
    let unsure =
        holders.is_empty() && lacking.is_empty() && all_peers(node).await?.iter().any(|peer| peer.online);
    Ok(Reached { message, lacking, unsure })
}

/// Somebody has it, came or went.
async fn something_happened(events: &mut Events, said: &Message) {
    loop {
        match next(events).await {
            Event::Delivered { message, .. } if message == said.id => return,
            Event::MembersChanged { room } if room == said.room => return,
            Event::RoomChanged { room } if room.id == said.room => return,
            Event::PeerOnline { .. } | Event::PeerOffline { .. } | Event::Lagged { .. } => return,
            _ => {}
        }
    }
}
