//! `lanyard send`, `lanyard accept`: files move while the verb runs.

use std::path::{Path, PathBuf};

use lanyard_engine::Events;
use lanyard_engine::api::{ApiError, Command, FileHandle, Reply, Room, RoomKind, Transfer, TransferState};
use lanyard_engine::control::Node;
use lanyard_engine::files::spelled_path;
use lanyard_engine::store::folder::{self, Access};

use super::following::{Until, follow};
use super::{ask, call_when_found, contents, misunderstood, transfers};
use crate::args;
use crate::failure::{Exit, Failure};
use crate::output::{GOOD, Output, QUIET, paint};
use crate::text;

pub async fn send(
    node: &Node,
    out: Output,
    to: String,
    paths: &[PathBuf],
    wait: Option<Option<u32>>,
) -> Result<(), Failure> {
    let paths = paths.iter().map(|path| whole_path(path)).collect::<Result<Vec<_>, _>>()?;
    let mut events = node.subscribe();
    let room: Room = ask!(call_when_found(node, Command::Open { to }) => Room)?;
    let handles = admit(node, paths).await?;
    let offer = Command::Offer { to: room.id.clone(), handles };
    let transfer = ask!(node.call(offer) => Transfer)?;
    if wait.is_none() && !node.is_ours() {
        return out.item(&transfer, transfers::words);
    }
    if wait.is_none() {
        out.note(
            "Files are fetched from here, so a node has to stay, and none is running for this profile. Waiting until \
             they were received; Ctrl-C ends it. With `lanyard up` running, this command returns at once.",
        );
    }
    until_received(node, out, &mut events, transfer, &room, wait.flatten()).await
}

/// Waits until those for whom something was offered have it, or for so many seconds.
pub async fn until_received(
    node: &Node,
    out: Output,
    events: &mut Events,
    transfer: Transfer,
    room: &Room,
    seconds: Option<u32>,
) -> Result<(), Failure> {
    let receivers = receivers(room);
    let settled = |transfer: &Transfer| is_settled(transfer, receivers);
    let transfer = follow(node, out, events, transfer, Until::after(seconds), settled).await?;
    out.item(&transfer, transfers::words)?;
    verdict(&transfer)
}

pub async fn accept(node: &Node, out: Output, words: args::Accepting) -> Result<(), Failure> {
    let args::Accepting { id, into, only, wait, no_wait } = words;
    let into = Destination::admit(node, into.as_deref()).await?;
    let mut events = node.subscribe();
    let only = (!only.is_empty()).then_some(only);
    let accept = Command::Accept { transfer: id, into: into.handle.clone(), only };
    let transfer = ask!(call_when_found(node, accept) => Transfer)?;
    into.keep();
    // Whoever says yes in a terminal waits, unless they say otherwise.
    let wait = (!no_wait).then(|| wait.flatten());
    finish(node, out, &mut events, transfer, wait).await
}

/// Waits until a transfer that was accepted is here, or will not be: for so many seconds, without end, or, if there is a node
/// that goes on with it, not at all.
pub async fn finish(
    node: &Node,
    out: Output,
    events: &mut Events,
    transfer: Transfer,
    wait: Option<Option<u32>>,
) -> Result<(), Failure> {
    if wait.is_none() && !node.is_ours() {
        return out.item(&transfer, transfers::words);
    }
    if wait.is_none() {
        out.note(
            "No node is running for this profile, so this one stays until it is here; Ctrl-C ends it. With `lanyard up` \
             running, this command returns at once.",
        );
    }
    match transfer.state {
        TransferState::Waiting => {
            let why = transfer.error.as_ref().map(|error| text::line(&error.message));
            let away = || format!("{} cannot be reached right now.", text::line(&transfer.from_name));
            out.note(&format!("{} Waiting; Ctrl-C ends it.", why.unwrap_or_else(away)));
        }
        TransferState::Queued => out.note("Others come first. Waiting; Ctrl-C ends it."),
        _ => {}
    }
    let ended = |transfer: &Transfer| transfers::has_ended(transfer.state);
    let transfer = follow(node, out, events, transfer, Until::after(wait.flatten()), ended).await?;
    out.item(&transfer, received)?;
    if transfer.failed_files > 0 && out == Output::Person {
        contents::tell_of_failed(node, out, &transfer.id).await;
    }
    verdict(&transfer)
}

pub(super) async fn admit(node: &Node, paths: Vec<String>) -> Result<Vec<String>, Failure> {
    let handles: Vec<FileHandle> = ask!(node.call(Command::Admit { paths }) => Handles)?;
    Ok(handles.into_iter().map(|handle| handle.handle).collect())
}

/// A folder that files are to come into. It is made if it is missing, and is gone again if nothing comes of it.
pub(super) struct Destination {
    /// As the node knows it; `None` for the download folder.
    pub handle: Option<String>,
    /// What was made for it, the innermost first.
    made: Vec<PathBuf>,
}

impl Destination {
    pub async fn admit(node: &Node, folder: Option<&Path>) -> Result<Destination, Failure> {
        let Some(folder) = folder else { return Ok(Destination { handle: None, made: Vec::new() }) };
        if folder.metadata().is_ok_and(|about| !about.is_dir()) {
            let message = format!("{} is a file. Choose a folder.", folder.display());
            return Err(Failure::new(Exit::WrongUse, message));
        }
        let whole = std::path::absolute(folder)?;
        let made = whole.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
        let mut into = Destination { handle: None, made };
        folder::make(folder, Access::Usual)
            .map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", folder.display())))?;
        let handles = admit(node, vec![whole_path(folder)?]).await?;
        into.handle = Some(handles.into_iter().next().ok_or_else(misunderstood)?);
        Ok(into)
    }

    /// Something comes into it.
    pub fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        for folder in &self.made {
            // What is not empty is somebody's.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// The node may run in another folder, so it is told whole paths, and only of what is there. One that is no Unicode text is
/// told as a `file:` URL.
pub(super) fn whole_path(path: &Path) -> Result<String, Failure> {
    let wrong = |why: String| Failure::new(Exit::WrongUse, format!("{}: {why}", path.display()));
    path.metadata().map_err(|error| wrong(error.to_string()))?;
    let whole = std::path::absolute(path)?;
    spelled_path(&whole).ok_or_else(|| wrong("this path is not Unicode text".to_owned()))
}

/// How many devices are to have a copy.
fn receivers(room: &Room) -> usize {
    match room.kind {
        RoomKind::Direct => 1,
        RoomKind::Lobby | RoomKind::Open | RoomKind::Private => {
            (room.members.saturating_sub(1) as usize).max(1)
        }
    }
}

/// Whether every receiver has a verified copy, or never will.
fn is_settled(transfer: &Transfer, receivers: usize) -> bool {
    let each = || transfer.receivers.iter().all(|receiver| transfers::has_ended(receiver.state));
    match transfer.state {
        TransferState::Cancelled | TransferState::Failed | TransferState::Declined => true,
        TransferState::Done if receivers == 1 => true,
        _ => transfer.receivers.len() >= receivers && each(),
    }
}

fn verdict(transfer: &Transfer) -> Result<(), Failure> {
    let states = || transfer.receivers.iter().map(|receiver| receiver.state);
    let worst = states().find(|state| *state != TransferState::Done).unwrap_or(TransferState::Done);
    let state = if transfers::has_ended(transfer.state) && transfer.state != TransferState::Done {
        transfer.state
    } else {
        worst
    };
    // What somebody left out was not delivered, though nothing went wrong.
    let chose = transfer.receivers.iter().find_map(|receiver| Some((receiver, receiver.chosen_files?)));
    if let Some((receiver, files)) = chose.filter(|_| state == TransferState::Done) {
        let name = text::line(&receiver.name);
        let sentence = format!("{name} took {files} of {} files.", transfer.files);
        return Err(Failure::new(Exit::Refused, sentence));
    }
    let why = transfer.error.as_ref().map(|error| error.message.clone());
    match state {
        TransferState::Done => Ok(()),
        TransferState::Declined => Err(Failure::new(Exit::Refused, why.unwrap_or("It was declined.".into()))),
        TransferState::Cancelled => {
            Err(Failure::new(Exit::Failed, why.unwrap_or("It was cancelled.".into())))
        }
        _ => Err(Failure::new(Exit::Failed, why.unwrap_or("It failed.".into()))),
    }
}

fn received(transfer: &Transfer) -> String {
    if transfer.state != TransferState::Done {
        return transfers::words(transfer);
    }
    let folder = transfer.folder.as_deref().map(text::line).unwrap_or_default();
    let here = if transfer.here > 0 {
        format!(", where {} of it were already", text::bytes(transfer.here))
    } else {
        String::new()
    };
    let skipped = match transfer.skipped {
        0 => String::new(),
        skipped => format!(", without {skipped} (links, special files, or not readable there)"),
    };
    let renamed = renamed(transfer);
    let sum = transfer.sha256.as_deref().map(|sum| paint(QUIET, &format!("  SHA-256 {sum}")));
    format!(
        "{} {} is in {folder}{renamed}{here}{skipped}{}",
        paint(GOOD, "✓"),
        transfers::what(transfer),
        sum.unwrap_or_default()
    )
}

/// Under which names it is there, where those are others.
pub(super) fn renamed(transfer: &Transfer) -> String {
    let others: Vec<String> = transfer
        .placed
        .iter()
        .filter(|placed| !transfer.names.contains(placed))
        .map(|placed| format!("“{}”", text::line(placed)))
        .collect();
    if others.is_empty() { String::new() } else { format!(" as {}", others.join(", ")) }
}

#[cfg(test)]
mod tests {
    use lanyard_engine::api::{Receiver, TransferDirection};

    use super::*;

    fn outgoing(state: TransferState, receivers: &[TransferState]) -> Transfer {
        let receiver = |state: &TransferState| Receiver {
            peer: "p".into(),
            short: "p".into(),
            name: "Bob".into(),
            state: *state,
            moved: 0,
            chosen: None,
            chosen_files: None,
            full: false,
        };
        Transfer {
            id: "id".into(),
            room: "room".into(),
            direction: TransferDirection::Out,
            from: "me".into(),
            from_short: "me".into(),
            from_name: "Ann".into(),
            state,
            names: vec!["a".into()],
            files: 1,
            bytes: 1,
            moved: 0,
            offered: 0,
            folder: None,
            sha256: None,
            error: None,
            chosen: None,
            chosen_files: None,
            here: 0,
            placed: Vec::new(),
            failed_files: 0,
            skipped: 0,
            receivers: receivers.iter().map(receiver).collect(),
            finished: None,
            place: None,
            rate: 0,
            audience: 2,
            awaited: Vec::new(),
            via: None,
        }
    }

    #[test]
    fn a_room_is_served_only_when_every_member_has_its_copy() {
        use TransferState::{Declined, Done, Running};
        assert!(!is_settled(&outgoing(Running, &[Done]), 2));
        assert!(!is_settled(&outgoing(Running, &[Done, Running]), 2));
        assert!(is_settled(&outgoing(Running, &[Done, Done]), 2));
        assert!(is_settled(&outgoing(Running, &[Done, Declined]), 2));
    }

    #[test]
    fn another_name_than_was_offered_is_said() {
        let mut transfer = outgoing(TransferState::Done, &[]);
        transfer.placed = vec!["a".into()];
        assert_eq!(renamed(&transfer), "");
        transfer.placed = vec!["a (2)".into()];
        assert_eq!(renamed(&transfer), " as “a (2)”");
    }

    #[test]
    fn who_left_something_out_was_not_sent_all() {
        let mut transfer = outgoing(TransferState::Done, &[TransferState::Done]);
        (transfer.files, transfer.receivers[0].chosen_files) = (10, Some(3));
        let failure = verdict(&transfer).unwrap_err();
        assert!(matches!(&failure, Failure::Said { exit: Exit::Refused, .. }), "{failure:?}");
        assert!(format!("{failure:?}").contains("Bob took 3 of 10 files."), "{failure:?}");
    }

    #[test]
    fn one_refusal_among_many_is_a_refusal() {
        use TransferState::{Declined, Done, Running};
        assert!(verdict(&outgoing(Running, &[Done, Done])).is_ok());
        let failure = verdict(&outgoing(Running, &[Done, Declined])).unwrap_err();
        assert!(matches!(failure, Failure::Said { exit: Exit::Refused, .. }));
    }
}
