//! `lanyard rooms`, `lanyard room`.

use lanyard_engine::api::{ApiError, Command, Membership, Reply, Room, RoomKind};
use lanyard_engine::control::Node;

use super::{all_rooms, ask, misunderstood};
use crate::failure::{Exit, Failure};
use crate::output::{Output, QUIET, STRONG, paint};
use crate::text;

pub async fn list(node: &Node, out: Output) -> Result<(), Failure> {
    for room in all_rooms(node).await? {
        out.item(&room, words)?;
    }
    Ok(())
}

pub async fn join(node: &Node, out: Output, name: &str) -> Result<(), Failure> {
    let name = name.strip_prefix('#').unwrap_or(name).to_owned();
    let room = ask!(node.call(Command::JoinRoom { name }) => Room)?;
    out.item(&room, words)
}

pub async fn leave(node: &Node, out: Output, room: &str) -> Result<(), Failure> {
    let name = room.strip_prefix('#').unwrap_or(room);
    let rooms = all_rooms(node).await?;
    let is_named = |known: &&Room| known.kind != RoomKind::Direct && same_name(&known.name, name);
    let mut found: Vec<&Room> = rooms.iter().filter(|known| known.id == room).collect();
    if found.is_empty() {
        found = rooms.iter().filter(is_named).collect();
    }
    let found = match found[..] {
        [one] => one,
        [] => {
            let message = format!("You are in no room called {name}. `lanyard rooms` shows where you are.");
            return Err(Failure::new(Exit::NobodyThere, message));
        }
        _ => {
            let rooms: Vec<String> =
                found.iter().map(|room| format!("{} ({})", room.id, kind(room))).collect();
            let message = format!("Several rooms are called {name}. Write an id: {}", rooms.join(" or "));
            return Err(Failure::new(Exit::WrongUse, message));
        }
    };
    node.call(Command::LeaveRoom { room: found.id.clone() }).await?;
    out.note(&format!("You have left #{}.", found.name));
    Ok(())
}

/// Names of open rooms are told in lower case, those of private ones as they were given.
fn same_name(known: &str, written: &str) -> bool {
    known.to_lowercase() == written.to_lowercase()
}

fn kind(room: &Room) -> &'static str {
    match room.kind {
        RoomKind::Lobby | RoomKind::Open => "open",
        RoomKind::Direct => "direct",
        RoomKind::Private => "private",
    }
}

pub fn words(room: &Room) -> String {
    let name = text::line(&room.name);
    let name = match room.kind {
        RoomKind::Lobby | RoomKind::Open | RoomKind::Private => format!("#{name}"),
        RoomKind::Direct => format!("@{name}"),
    };
    let members = match room.kind {
        RoomKind::Direct => String::new(),
        RoomKind::Lobby | RoomKind::Open | RoomKind::Private => {
            text::count(room.members.into(), "device", "devices")
        }
    };
    let unread = match room.unread {
        0 => String::new(),
        unread => format!("{unread} unread"),
    };
    let private = match (room.kind, room.membership) {
        (RoomKind::Private, Membership::Member) => "private",
        (RoomKind::Private, Membership::Joining) => "waiting to be let in",
        (RoomKind::Private, Membership::Refused) => "not let in",
        (RoomKind::Private, Membership::Removed) => "put out",
        _ => "",
    };
    let rest: Vec<_> =
        [private.to_owned(), members, unread].into_iter().filter(|part| !part.is_empty()).collect();
    format!("{}  {}", paint(STRONG, &name), paint(QUIET, &rest.join(", "))).trim_end().to_owned()
}
