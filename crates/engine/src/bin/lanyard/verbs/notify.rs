//! `lanyard notify`: what the window tells of while one looks elsewhere.

use lanyard_engine::api::{ApiError, Command, Me, NotifyLevel, Reply, Room, Snapshot};
use lanyard_engine::control::Node;

use super::{ask, call_when_found, message, misunderstood, snapshot};
use crate::args::Notify;
use crate::failure::Failure;
use crate::output::Output;

pub async fn run(node: &Node, out: Output, wanted: Notify) -> Result<(), Failure> {
    let Notify { to, level, do_not_disturb, previews, rooms } = wanted;
    if let Some(to) = to {
        let mut room: Room = ask!(call_when_found(node, Command::Open { to }) => Room)?;
        if let Some(level) = level {
            let choice = Command::NotifyRoom { room: room.id, level: level.of_one() };
            room = ask!(node.call(choice) => Room)?;
        }
        return out.item(&room, of_room);
    }
    let me: Me = if do_not_disturb.is_none() && previews.is_none() && rooms.is_none() {
        let Snapshot { me, .. } = snapshot(node).await?;
        me
    } else {
        ask!(node.call(Command::SetNotifications { do_not_disturb, previews, rooms }) => Me)?
    };
    out.item(&me, of_all)
}

fn of_all(me: &Me) -> String {
    let chosen = me.notifications;
    let switch = |on: bool| if on { "on" } else { "off" };
    format!(
        "Do not disturb is {}\nPreviews are {}\nRooms: {}",
        switch(chosen.do_not_disturb),
        switch(chosen.previews),
        words(chosen.rooms)
    )
}

fn of_room(room: &Room) -> String {
    let level = room.notify.map_or("as the settings for all say", words);
    format!("{}: {level}", message::title(room))
}

fn words(level: NotifyLevel) -> &'static str {
    match level {
        NotifyLevel::All => "everything",
        NotifyLevel::Mentions => "mentions and answers only",
        NotifyLevel::None => "nothing",
    }
}
