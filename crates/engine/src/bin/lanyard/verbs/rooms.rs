//! `lanyard rooms`, `lanyard room`.

use lanyard_engine::api::{ApiError, Command, Left, ListedRoom, Membership, Reply, Room, RoomKind};
use lanyard_engine::control::Node;

use super::{all_rooms, ask, call_when_found, message, misunderstood};
use crate::failure::Failure;
use crate::output::{Output, QUIET, STRONG, paint};
use crate::text;

pub async fn list(node: &Node, out: Output) -> Result<(), Failure> {
    let rooms = all_rooms(node).await?;
    for room in &rooms {
        out.item(room, |room| listed(room, &message::title(room)))?;
    }
    Ok(())
}

/// The open rooms that somebody on this network speaks of, and those that this device is in.
pub async fn directory(node: &Node, out: Output) -> Result<(), Failure> {
    if out == Output::Person {
        list(node, out).await?;
    }
    let listed: Vec<ListedRoom> = ask!(node.call(Command::Directory {}) => Directory)?;
    // For a person those that were listed are not repeated; for a program this is the directory.
    for room in listed.iter().filter(|room| out == Output::Program || !room.joined) {
        out.item(room, directory_words)?;
    }
    Ok(())
}

fn directory_words(room: &ListedRoom) -> String {
    let name = text::line(&room.name);
    let devices = text::count(room.members.into(), "device", "devices");
    let active = match room.active {
        0 => String::new(),
        at => format!(", somebody wrote {}", text::moment(at)),
    };
    let rest = format!("{devices}{active}, not joined: lanyard room join '#{name}'");
    format!("{}  {}", paint(STRONG, &format!("#{name}")), paint(QUIET, &rest))
}

/// Marks everything as read that is here by now, in one room or in all.
pub async fn read(node: &Node, out: Output, to: Option<String>) -> Result<(), Failure> {
    let asked = match to {
        Some(to) => Some(ask!(call_when_found(node, Command::Find { to }) => Room)?.id),
        None => None,
    };
    // Of a conversation that nobody began yet nothing is unread.
    let rooms = all_rooms(node).await?;
    let meant = rooms.into_iter().filter(|room| asked.as_ref().is_none_or(|asked| *asked == room.id));
    let mut marked = 0;
    for room in meant {
        marked += u64::from(ask!(node.call(Command::ReadAll { room: room.id }) => Read)?);
    }
    out.note(&match marked {
        0 => "Nothing was unread.".to_owned(),
        _ => format!("{} marked as read.", text::count(marked, "message", "messages")),
    });
    Ok(())
}

pub async fn join(node: &Node, out: Output, name: &str) -> Result<(), Failure> {
    let name = name.strip_prefix('#').unwrap_or(name).to_owned();
    let room = ask!(node.call(Command::JoinRoom { name }) => Room)?;
    out.item(&room, words)
}

pub async fn leave(node: &Node, out: Output, room: &str) -> Result<(), Failure> {
    let found = ask!(node.call(Command::Open { to: word(room) }) => Room)?;
    let left = ask!(node.call(Command::LeaveRoom { room: found.id }) => Left)?;
    out.note(&left_words(&text::line(&found.name), &left));
    Ok(())
}

fn left_words(room: &str, left: &Left) -> String {
    let mut words = format!("You have left #{room}.");
    if left.undelivered > 0 {
        let entries = text::count(left.undelivered.into(), "message", "messages");
        words += &match left.kept {
            true => format!(
                " Nobody else has your last {entries} yet, nor knows that you left: as soon as somebody who is in \
                 is here, Lanyard hands that over, for 30 days."
            ),
            false => {
                format!(" Nobody else was known to have your last {entries} yet; what nobody has is gone.")
            }
        };
    }
    if left.without_admin {
        words += " You were its last admin: nobody can let others in or put anybody out any more.";
    }
    words
}

/// A room as the node wants it: by its id, or by `#name`.
pub fn word(room: &str) -> String {
    let is_id = room.len() == 64 && room.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id || room.starts_with('#') { room.to_owned() } else { format!("#{room}") }
}

pub fn words(room: &Room) -> String {
    listed(room, &message::title(room))
}

/// A room that is called so.
fn listed(room: &Room, name: &str) -> String {
    let members = match room.kind {
        RoomKind::Direct => String::new(),
        RoomKind::Lobby | RoomKind::Open | RoomKind::Private => {
            text::count(room.members.into(), "device", "devices")
        }
    };
    let unread = match (room.unread, room.mentions) {
        (0, _) => String::new(),
        (unread, 0) => format!("{unread} unread"),
        (unread, mentions) => format!("{unread} unread, {mentions} of them for you"),
    };
    let private = match (room.kind, room.membership) {
        (RoomKind::Private, Membership::Member) => "private".to_owned(),
        (RoomKind::Private, Membership::Joining) => "waiting to be let in".to_owned(),
        (RoomKind::Private, Membership::Refused) => {
            // There is nothing to read in it.
            let id = text::short(&room.id);
            return format!(
                "{}  {}",
                paint(STRONG, name),
                paint(QUIET, &format!("not let in; dismiss it: lanyard room leave {id}"))
            );
        }
        (RoomKind::Private, Membership::Removed) => "put out".to_owned(),
        _ => String::new(),
    };
    let rest: Vec<_> = [private, members, unread].into_iter().filter(|part| !part.is_empty()).collect();
    let name = paint(STRONG, name);
    if rest.is_empty() { name } else { format!("{name}  {}", paint(QUIET, &rest.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_named_with_and_without_its_sign_or_by_its_id() {
        let id = "ab".repeat(32);
        assert_eq!(
            [word("Board"), word("#Board"), word(&id)],
            ["#Board".to_owned(), "#Board".to_owned(), id]
        );
    }
}
