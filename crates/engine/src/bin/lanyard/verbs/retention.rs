//! `lanyard retention`: for how long what was said is kept, and how much of the disk it takes.

use lanyard_engine::api::{ApiError, Command, Me, Reply, Room, Snapshot, Storage};
use lanyard_engine::control::Node;
use serde::Serialize;

use super::{ask, call_when_found, message, misunderstood, snapshot};
use crate::args::Retention;
use crate::failure::Failure;
use crate::output::Output;
use crate::text;

pub async fn run(node: &Node, out: Output, wanted: Retention) -> Result<(), Failure> {
    let Retention { to, days, size, default } = wanted;
    match to {
        Some(to) => of_room(node, out, to, days, default).await,
        None => everywhere(node, out, days, size).await,
    }
}

async fn of_room(
    node: &Node,
    out: Output,
    to: String,
    days: Option<u32>,
    default: bool,
) -> Result<(), Failure> {
    let mut room: Room = ask!(call_when_found(node, Command::Open { to }) => Room)?;
    if days.is_some() || default {
        room = ask!(node.call(Command::KeepRoom { room: room.id, days }) => Room)?;
    }
    out.item(&room, room_words)
}

async fn everywhere(node: &Node, out: Output, days: Option<u32>, size: Option<u64>) -> Result<(), Failure> {
    if days.is_some() || size.is_some() {
        let choice = Command::Configure {
            name: None,
            avatar: None,
            downloads: None,
            history_days: days,
            history_bytes: size,
            hold_for_others: None,
            hold_bytes: None,
            upload_limit: None,
            download_limit: None,
            transfers_at_once: None,
            relay: None,
        };
        node.call(choice).await?;
    }
    let Snapshot { me, rooms, .. } = snapshot(node).await?;
    let storage = ask!(node.call(Command::Storage {}) => Storage)?;
    let kept = Kept { me, storage };
    out.item(&kept, |kept| words(&kept.me))?;
    if out == Output::Person {
        for room in rooms.iter().filter(|room| room.keep_days.is_some()) {
            out.item(room, room_words)?;
        }
        out.item(&kept.storage, |storage| storage_words(storage, &rooms))?;
    }
    Ok(())
}

/// What is chosen, and what that comes to.
#[derive(Serialize)]
struct Kept {
    #[serde(flatten)]
    me: Me,
    storage: Storage,
}

fn words(me: &Me) -> String {
    format!("What was said is kept {}, {} at the most", span(me.history_days), text::bytes(me.history_bytes))
}

fn storage_words(storage: &Storage, rooms: &[Room]) -> String {
    let unfinished = match storage.unfinished {
        Some(bytes) => text::bytes(bytes),
        None => "a disk does not answer".to_owned(),
    };
    let transfers =
        text::count(storage.unfinished_transfers.into(), "unfinished transfer", "unfinished transfers");
    let mut lines = vec![
        format!("On this disk: {} of what was said", text::bytes(storage.history)),
        format!("  {} of sealed messages for others", text::bytes(storage.mail)),
        format!("  {} is the database with both", text::bytes(storage.database)),
        format!("  {} of lists and pictures of what is offered", text::bytes(storage.offers)),
        format!("  {unfinished} of {transfers}"),
    ];
    let largest = storage.rooms.iter().filter_map(|taken| {
        let room = rooms.iter().find(|room| room.id == taken.room)?;
        Some(format!("  {}  {}", message::title(room), text::bytes(taken.bytes)))
    });
    let largest: Vec<String> = largest.take(LISTED).collect();
    if !largest.is_empty() {
        lines.push("Most was said in".to_owned());
        lines.extend(largest);
    }
    lines.join("\n")
}

/// Rooms that are named: whoever looks for more asks with --json.
const LISTED: usize = 5;

fn room_words(room: &Room) -> String {
    let kept = room.keep_days.map_or_else(|| "as everywhere".to_owned(), span);
    format!("{}  kept {kept}", message::title(room))
}

fn span(days: u32) -> String {
    match days {
        0 => "for ever".to_owned(),
        days => format!("for {}", text::count(days.into(), "day", "days")),
    }
}
