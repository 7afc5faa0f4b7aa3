//! `lanyard pause`, `resume`, `reorder`, `forget`, `limits`: the queue of transfers.

use lanyard_engine::api::{
    ApiError, Command, Me, Relaying, Reply, Room, Snapshot, Transfer, TransferDirection,
};
use lanyard_engine::control::Node;

use super::{ask, call_when_found, files, misunderstood, snapshot, transfers};
use crate::args::Limits;
use crate::failure::Failure;
use crate::output::Output;
use crate::text;

pub async fn pause(node: &Node, out: Output, id: String) -> Result<(), Failure> {
    let transfer = ask!(call_when_found(node, Command::Pause { transfer: id }) => Transfer)?;
    out.item(&transfer, transfers::words)
}

pub async fn resume(node: &Node, out: Output, id: String, wait: Option<Option<u32>>) -> Result<(), Failure> {
    let mut events = node.subscribe();
    let transfer: Transfer = ask!(call_when_found(node, Command::Resume { transfer: id }) => Transfer)?;
    if transfer.direction == TransferDirection::Out {
        let Some(seconds) = wait else { return out.item(&transfer, transfers::words) };
        let room: Room = ask!(node.call(Command::Open { to: transfer.room.clone() }) => Room)?;
        return files::until_received(node, out, &mut events, transfer, &room, seconds).await;
    }
    files::finish(node, out, &mut events, transfer, wait).await
}

pub async fn reorder(node: &Node, out: Output, id: String, before: Option<String>) -> Result<(), Failure> {
    let all: Vec<Transfer> =
        ask!(call_when_found(node, Command::Reorder { transfer: id, before }) => Transfers)?;
    let mut queued: Vec<&Transfer> = all.iter().filter(|transfer| transfer.place.is_some()).collect();
    queued.sort_by_key(|transfer| transfer.place);
    queued.into_iter().try_for_each(|transfer| out.item(transfer, transfers::words))
}

pub async fn forget(node: &Node, id: Option<String>) -> Result<(), Failure> {
    let command = match id {
        Some(transfer) => Command::ForgetTransfer { transfer },
        None => Command::ForgetTransfers {},
    };
    match node.call(command).await? {
        Reply::Done => Ok(()),
        _ => Err(misunderstood().into()),
    }
}

pub async fn limits(node: &Node, out: Output, limits: Limits) -> Result<(), Failure> {
    let Limits { up, down, at_once, relay } = limits;
    let me: Me = if up.is_none() && down.is_none() && at_once.is_none() && relay.is_none() {
        let Snapshot { me, .. } = snapshot(node).await?;
        me
    } else {
        let choice = Command::Configure {
            name: None,
            avatar: None,
            downloads: None,
            history_days: None,
            history_bytes: None,
            hold_for_others: None,
            hold_bytes: None,
            upload_limit: up,
            download_limit: down,
            transfers_at_once: at_once,
            relay,
        };
        ask!(node.call(choice) => Me)?
    };
    out.item(&me, words)
}

fn words(me: &Me) -> String {
    let limit = |rate: u64| match rate {
        0 => "as fast as they can".to_owned(),
        rate => format!("{} a second at most", text::bytes(rate)),
    };
    format!(
        "Files are given {}\nFiles are fetched {}\n{} at a time onto one disk\n{}",
        limit(me.upload_limit),
        limit(me.download_limit),
        text::count(me.transfers_at_once.into(), "transfer", "transfers"),
        relaying(me),
    )
}

/// What this device does for others that cannot dial each other.
pub fn relaying(me: &Me) -> String {
    let Relaying { on, most, most_of_one } = me.relaying;
    if on {
        format!(
            "Passes on sealed bytes between up to {} that cannot reach each other, {most_of_one} of one device",
            text::count(most.into(), "pair of devices", "pairs of devices")
        )
    } else {
        "Passes nothing on between other devices".to_owned()
    }
}
