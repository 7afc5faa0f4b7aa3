//! `lanyard room` for private rooms: making them, invites, members.

use std::time::Duration;

use lanyard_engine::api::{ApiError, Command, Event, Invite, Member, Membership, Reply, Role, Room};
use lanyard_engine::control::Node;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use tokio::time::{Instant, timeout_at};

use super::rooms::{word, words};
use super::{all_rooms, ask, misunderstood, next};
use crate::args::MemberRole;
use crate::failure::{Exit, Failure};
use crate::output::{Output, QUIET, STRONG, paint};
use crate::text;

pub async fn create(node: &Node, out: Output, name: String) -> Result<(), Failure> {
    let room = ask!(node.call(Command::CreateRoom { name }) => Room)?;
    out.item(&room, words)
}

/// Asks to be let in, and waits until somebody has answered.
pub async fn join(node: &Node, out: Output, name: String, seconds: u32) -> Result<(), Failure> {
    let mut events = node.subscribe();
    let room = ask!(node.call(Command::JoinRoom { name }) => Room)?;
    let until = Instant::now() + Duration::from_secs(seconds.into());
    let mut now = room.clone();
    while now.membership == Membership::Joining {
        let event = timeout_at(until, next(&mut events)).await.map_err(|_| {
            Failure::new(
                Exit::TimedOut,
                "Nobody who is in was here to let us in. It goes on while a node runs.",
            )
        })?;
        match event {
            Event::RoomChanged { room: changed } if changed.id == room.id => now = changed,
            Event::Lagged { .. } => {
                let known = all_rooms(node).await?.into_iter().find(|known| known.id == room.id);
                now = known.ok_or_else(|| Failure::new(Exit::Failed, "The room is gone."))?;
            }
            _ => {}
        }
    }
    match now.membership {
        Membership::Refused => {
            Err(Failure::new(Exit::Refused, "The invite no longer holds. Ask for another one."))
        }
        _ => out.item(&now, words),
    }
}

pub async fn invite(
    node: &Node,
    out: Output,
    room: &str,
    hours: Option<u32>,
    qr: bool,
) -> Result<(), Failure> {
    let invite = ask!(node.call(Command::Invite { room: word(room), hours }) => Invite)?;
    if qr && out == Output::Person {
        out.note(&code(&invite.link)?);
    }
    out.item(&invite, |invite| invite.link.clone())
}

pub async fn invites(node: &Node, out: Output, room: &str) -> Result<(), Failure> {
    for invite in ask!(node.call(Command::Invites { room: word(room) }) => Invites)? {
        out.item(&invite, invite_words)?;
    }
    Ok(())
}

pub async fn revoke(node: &Node, out: Output, room: &str, invite: String) -> Result<(), Failure> {
    node.call(Command::RevokeInvite { room: word(room), invite }).await?;
    out.note("The invite holds no longer.");
    Ok(())
}

pub async fn members(node: &Node, out: Output, room: &str) -> Result<(), Failure> {
    for member in ask!(node.call(Command::Members { room: word(room) }) => Members)? {
        out.item(&member, member_words)?;
    }
    Ok(())
}

pub async fn add(node: &Node, out: Output, room: &str, peer: String) -> Result<(), Failure> {
    node.call(Command::AddMember { room: word(room), peer: peer.clone() }).await?;
    let peer = text::line(&peer);
    out.note(&format!(
        "{peer} is let in, and knows of it as soon as their device hears of it from one that is in."
    ));
    Ok(())
}

pub async fn remove(node: &Node, out: Output, room: &str, peer: String) -> Result<(), Failure> {
    let invites: Vec<Invite> = ask!(node.call(Command::Invites { room: word(room) }) => Invites)?;
    node.call(Command::RemoveMember { room: word(room), peer: peer.clone() }).await?;
    let ended = match invites.len() {
        0 => String::new(),
        1 => " Its open invite holds no longer: whoever was put out may have the link.".to_owned(),
        many => format!(" Its {many} open invites hold no longer: whoever was put out may have the links."),
    };
    out.note(&format!("{} is out. The room has a new key.{ended}", text::line(&peer)));
    Ok(())
}

pub async fn set_role(
    node: &Node,
    out: Output,
    room: &str,
    peer: String,
    role: MemberRole,
) -> Result<(), Failure> {
    let (role, word_for_it) = match role {
        MemberRole::Admin => (Role::Admin, "an admin"),
        MemberRole::Member => (Role::Member, "a member"),
    };
    node.call(Command::SetRole { room: word(room), peer: peer.clone(), role }).await?;
    out.note(&format!("{} is {word_for_it} now.", text::line(&peer)));
    Ok(())
}

pub async fn renew(node: &Node, out: Output, room: &str) -> Result<(), Failure> {
    let room: Room = ask!(node.call(Command::RenewKeys { room: word(room) }) => Room)?;
    out.note(&format!("#{} has a new key.", text::line(&room.name)));
    Ok(())
}

/// In capitals, which a QR code holds in fewer squares.
pub fn code(link: &str) -> Result<String, Failure> {
    let code = QrCode::new(link.to_uppercase())
        .map_err(|error| Failure::new(Exit::Failed, format!("The link fits no QR code: {error}.")))?;
    // Most terminals are dark: what is light in the code is drawn.
    let (dark, light) = (Dense1x2::Light, Dense1x2::Dark);
    Ok(code.render::<Dense1x2>().dark_color(dark).light_color(light).build())
}

fn invite_words(invite: &Invite) -> String {
    let id = paint(STRONG, text::short(&invite.id));
    format!("{id}  until {}  {}", text::moment(invite.expires), invite.link).trim_end().to_owned()
}

fn member_words(member: &Member) -> String {
    let here = if member.online { "●" } else { "○" };
    let role = match (member.role, member.me) {
        (Role::Creator, true) => "began the room, this device",
        (Role::Creator, false) => "began the room",
        (Role::Admin, true) => "admin, this device",
        (Role::Admin, false) => "admin",
        (Role::Member, true) => "this device",
        (Role::Member, false) => "",
    };
    let name = text::line(&member.name);
    let role = if role.is_empty() { String::new() } else { format!("  {}", paint(QUIET, role)) };
    let forked = match (member.forked, member.me) {
        (false, _) => "",
        (true, true) => {
            "  there are two versions of what this device wrote: a copy of its profile writes, too"
        }
        (true, false) => {
            "  there are two versions of what it wrote: a copied profile, or fraud; ask in person"
        }
    };
    format!("{here} {}  {}{role}{forked}", member.short, paint(STRONG, &name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_fits_a_code_that_fits_a_terminal() {
        let link = format!("lanyard:v1:inv:{}", "a2b3".repeat(38));
        let code = code(&link).expect("it fits");
        let lines: Vec<&str> = code.lines().collect();
        assert!(lines.len() <= 36 && lines.iter().all(|line| line.chars().count() <= 72), "{}", lines.len());
    }
}
