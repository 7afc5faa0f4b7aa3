//! `lanyard rooms`, `lanyard room`.

use lanyard_engine::api::{ApiError, Command, Reply, Room, RoomKind};
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
    let found = rooms
        .iter()
        .find(|known| known.id == room)
        .or_else(|| rooms.iter().find(|known| known.kind != RoomKind::Direct && known.name == name));
    let Some(found) = found else {
        let message = format!("You are in no room called {name}. `lanyard rooms` shows where you are.");
        return Err(Failure::new(Exit::NobodyThere, message));
    };
    node.call(Command::LeaveRoom { room: found.id.clone() }).await?;
    out.note(&format!("You have left #{}.", found.name));
    Ok(())
}

fn words(room: &Room) -> String {
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
    let rest: Vec<_> = [members, unread].into_iter().filter(|part| !part.is_empty()).collect();
    format!("{}  {}", paint(STRONG, &name), paint(QUIET, &rest.join(", "))).trim_end().to_owned()
}
