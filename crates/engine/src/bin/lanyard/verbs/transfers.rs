//! `lanyard offers`, `transfers`, `decline`, `cancel`: files on their way, without moving any.

use lanyard_engine::api::{ApiError, Command, Reply, Transfer, TransferDirection, TransferState};
use lanyard_engine::control::Node;

use super::{all_transfers, ask, call_when_found, misunderstood};
use crate::failure::Failure;
use crate::output::{BAD, GOOD, Output, QUIET, STRONG, paint};
use crate::text;

pub async fn offers(node: &Node, out: Output) -> Result<(), Failure> {
    let open = |transfer: &Transfer| {
        transfer.direction == TransferDirection::In && transfer.state == TransferState::Offered
    };
    for transfer in all_transfers(node).await?.into_iter().filter(open) {
        out.item(&transfer, words)?;
    }
    Ok(())
}

pub async fn list(node: &Node, out: Output) -> Result<(), Failure> {
    for transfer in all_transfers(node).await? {
        out.item(&transfer, words)?;
    }
    Ok(())
}

pub async fn decline(node: &Node, out: Output, id: String) -> Result<(), Failure> {
    let transfer = ask!(call_when_found(node, Command::Decline { transfer: id }) => Transfer)?;
    out.item(&transfer, words)
}

pub async fn cancel(node: &Node, out: Output, id: String) -> Result<(), Failure> {
    let transfer = ask!(call_when_found(node, Command::Cancel { transfer: id }) => Transfer)?;
    out.item(&transfer, words)
}

/// Whether nothing more will happen to it.
pub fn has_ended(state: TransferState) -> bool {
    match state {
        TransferState::Offered
        | TransferState::Waiting
        | TransferState::Queued
        | TransferState::Paused
        | TransferState::Running => false,
        TransferState::Done | TransferState::Declined | TransferState::Cancelled | TransferState::Failed => {
            true
        }
    }
}

/// What is transferred: `report.pdf (1.2 MB)`, `3 files: a, b, c (1.2 GB)`.
pub fn what(transfer: &Transfer) -> String {
    let names: Vec<_> = transfer.names.iter().map(|name| text::line(name)).collect();
    let size = text::bytes(transfer.chosen.unwrap_or(transfer.bytes));
    if let Some(chosen) = transfer.chosen_files {
        let files = text::count(transfer.files, "file", "files");
        return format!("{chosen} of {files}: {} ({size})", names.join(", "));
    }
    match transfer.files {
        0 | 1 if names.len() == 1 => format!("{} ({size})", names[0]),
        files => format!("{}: {} ({size})", text::count(files, "file", "files"), names.join(", ")),
    }
}

/// A state, as words.
pub fn state(state: TransferState) -> &'static str {
    match state {
        TransferState::Offered => "offered",
        TransferState::Waiting => "waiting for the other side",
        TransferState::Queued => "queued",
        TransferState::Paused => "paused",
        TransferState::Running => "running",
        TransferState::Done => "done",
        TransferState::Declined => "declined",
        TransferState::Cancelled => "cancelled",
        TransferState::Failed => "failed",
    }
}

/// One line about a transfer.
pub fn words(transfer: &Transfer) -> String {
    let id = paint(STRONG, text::short_transfer(&transfer.id));
    let direction = match transfer.direction {
        TransferDirection::In => format!("from {}", text::line(&transfer.from_name)),
        TransferDirection::Out => whom(transfer),
    };
    let receipts = receipts(transfer);
    let style = match transfer.state {
        TransferState::Done => GOOD,
        TransferState::Failed | TransferState::Declined | TransferState::Cancelled => BAD,
        TransferState::Offered
        | TransferState::Waiting
        | TransferState::Queued
        | TransferState::Paused
        | TransferState::Running => QUIET,
    };
    let mut state = match (&transfer.error, transfer.state) {
        // Why it waits says whom it waits for.
        (Some(_), TransferState::Waiting) => paint(style, "waiting"),
        // By others: the error says by whom.
        (None, TransferState::Cancelled) if transfer.direction == TransferDirection::Out => {
            paint(style, "withdrawn here")
        }
        (None, TransferState::Cancelled) => paint(style, "cancelled here"),
        _ => paint(style, state(transfer.state)),
    };
    let moves = matches!(transfer.state, TransferState::Running | TransferState::Paused);
    let wanted = transfer.chosen.unwrap_or(transfer.bytes);
    if moves && wanted > 0 {
        let percent = u128::from(transfer.moved) * 100 / u128::from(wanted);
        state.push_str(&format!(" {percent} %"));
    }
    if transfer.rate > 0 {
        state.push_str(&format!(", {}/s", text::bytes(transfer.rate)));
    }
    if let Some(via) = &transfer.via {
        state.push_str(&format!(", through {}", text::line(via)));
    }
    if let Some(place) = transfer.place {
        state.push_str(&match place {
            0 => ", next".to_owned(),
            1 => ", behind 1 other".to_owned(),
            others => format!(", behind {others} others"),
        });
    }
    if transfer.here > 0 {
        state.push_str(&format!(", {} were here already", text::bytes(transfer.here)));
    }
    if transfer.skipped > 0 {
        state.push_str(&format!(", {} not sent (links, special files, or not readable)", transfer.skipped));
    }
    if let Some(error) = &transfer.error {
        state.push_str(&format!(": {}", text::line(&error.message)));
    }
    format!("{id}  {}  {direction}  {state}{receipts}", what(transfer))
}

/// Whom an own offer is for, whether they have begun to fetch it or not.
fn whom(transfer: &Transfer) -> String {
    let receivers = transfer.receivers.iter().map(|receiver| &receiver.name);
    let mut named = receivers.chain(&transfer.awaited);
    match (transfer.audience as usize).max(transfer.receivers.len()) {
        0 => "from here".to_owned(),
        1 => named.next().map_or_else(|| "from here".to_owned(), |name| format!("to {}", text::line(name))),
        several => format!("to {several} devices"),
    }
}

/// Who of those that an offer is for has it, as they signed: `verified by 7 of 9, waiting for Ana`.
fn receipts(transfer: &Transfer) -> String {
    // Of the one receiver the state says all.
    if transfer.direction == TransferDirection::In || transfer.audience < 2 {
        return String::new();
    }
    let done = transfer.receivers.iter().filter(|receiver| receiver.state == TransferState::Done).count();
    let mut words = format!("  verified by {done} of {}", transfer.audience);
    let open = transfer.receivers.iter().filter(|receiver| !has_ended(receiver.state));
    let awaited = open.map(|receiver| &receiver.name).chain(&transfer.awaited);
    let named: Vec<String> = awaited.take(NAMED).map(|name| text::line(name)).collect();
    let answered = transfer.receivers.iter().filter(|receiver| has_ended(receiver.state)).count();
    let more = (transfer.audience as usize).saturating_sub(answered).saturating_sub(named.len());
    match (named.is_empty(), more) {
        (true, _) => {}
        (false, 0) => words.push_str(&format!(", waiting for {}", named.join(", "))),
        (false, more) => words.push_str(&format!(", waiting for {} and {more} more", named.join(", "))),
    }
    words
}

/// Receivers who are named in one line.
const NAMED: usize = 3;

/// What a bar says of a transfer.
pub fn label(transfer: &Transfer) -> String {
    match transfer.names.as_slice() {
        [one] => text::line(one),
        _ => text::count(transfer.files, "file", "files"),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Something that somebody offers, as the node gives it.
    pub fn transfer(names: &[&str], files: u64) -> Transfer {
        Transfer {
            id: "k3vq7m2abcdefgh".into(),
            room: "room".into(),
            direction: TransferDirection::In,
            from: "ann".into(),
            from_short: "ann".into(),
            from_name: "Ann".into(),
            state: TransferState::Running,
            names: names.iter().map(|&name| name.into()).collect(),
            files,
            bytes: 1_200_000,
            moved: 600_000,
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
            receivers: Vec::new(),
            finished: None,
            place: None,
            rate: 0,
            audience: 0,
            awaited: Vec::new(),
            via: None,
        }
    }

    fn plain(transfer: &Transfer) -> String {
        anstream::adapter::strip_str(&words(transfer)).to_string()
    }

    #[test]
    fn a_line_says_the_rate_the_place_and_why_something_waits() {
        let running = Transfer { rate: 12_000_000, ..transfer(&["a"], 1) };
        assert!(plain(&running).ends_with("running 50 %, 12.0 MB/s"));
        let queued =
            |place| Transfer { state: TransferState::Queued, place: Some(place), ..transfer(&["a"], 1) };
        let places: Vec<String> = (0..3).map(|place| plain(&queued(place))).collect();
        for (line, end) in
            places.iter().zip(["queued, next", "queued, behind 1 other", "queued, behind 2 others"])
        {
            assert!(line.ends_with(end), "{line}");
        }
        let relayed = Transfer { via: Some("Cara".into()), ..running };
        assert!(plain(&relayed).ends_with("running 50 %, 12.0 MB/s, through Cara"));
        let why = ApiError::new(lanyard_engine::api::ErrorCode::Refused, "Paused by Ann, who offers it.");
        let held = Transfer { state: TransferState::Waiting, error: Some(why), ..transfer(&["a"], 1) };
        assert!(plain(&held).ends_with("waiting: Paused by Ann, who offers it."));
        let paused = Transfer { state: TransferState::Paused, ..transfer(&["a"], 1) };
        assert!(plain(&paused).ends_with("paused 50 %"));
    }

    #[test]
    fn an_offer_to_many_says_who_has_verified_it_and_who_is_waited_for() {
        let receiver = |state| lanyard_engine::api::Receiver {
            peer: "p".into(),
            short: "p".into(),
            name: "P".into(),
            state,
            moved: 0,
            chosen: None,
            chosen_files: None,
            full: false,
        };
        let mut offer = Transfer {
            direction: TransferDirection::Out,
            state: TransferState::Offered,
            receivers: vec![receiver(TransferState::Done); 7],
            audience: 9,
            awaited: vec!["Ana".into()],
            ..transfer(&["a"], 1)
        };
        offer.receivers.push(receiver(TransferState::Declined));
        assert!(plain(&offer).ends_with("offered  verified by 7 of 9, waiting for Ana"));
        offer.receivers.truncate(2);
        offer.awaited = ["Ana", "Ben", "Cyd", "Dan"].map(String::from).into();
        assert!(plain(&offer).ends_with("verified by 2 of 9, waiting for Ana, Ben, Cyd and 4 more"));
        offer.awaited.truncate(1);
        offer.receivers.push(receiver(TransferState::Paused));
        assert!(plain(&offer).ends_with("verified by 2 of 9, waiting for P, Ana and 5 more"));
        offer.awaited.clear();
        offer.receivers = vec![receiver(TransferState::Done); 9];
        assert!(plain(&offer).ends_with("verified by 9 of 9"));
    }

    #[test]
    fn a_line_names_whom_an_offer_is_for_before_anything_of_it_moved() {
        let mut offer = Transfer {
            direction: TransferDirection::Out,
            state: TransferState::Offered,
            audience: 1,
            awaited: vec!["Bob".into()],
            ..transfer(&["a"], 1)
        };
        assert!(plain(&offer).ends_with("  to Bob  offered"));
        (offer.audience, offer.awaited) = (3, vec!["Bob".into(), "Cyd".into(), "Dan".into()]);
        assert!(plain(&offer).contains("  to 3 devices  offered"));
        (offer.audience, offer.awaited) = (0, Vec::new());
        assert!(plain(&offer).contains("  from here  offered"));
    }

    #[test]
    fn a_line_says_who_cancelled_and_what_is_not_sent() {
        let cancelled = Transfer { state: TransferState::Cancelled, ..transfer(&["a"], 1) };
        assert!(plain(&cancelled).ends_with("from Ann  cancelled here"));
        let why = ApiError::new(lanyard_engine::api::ErrorCode::Refused, "Ann has withdrawn it.");
        let withdrawn = Transfer { error: Some(why), ..cancelled.clone() };
        assert!(plain(&withdrawn).ends_with("from Ann  cancelled: Ann has withdrawn it."));
        let own = Transfer { direction: TransferDirection::Out, ..cancelled };
        assert!(plain(&own).ends_with("withdrawn here"));
        let skipping = |skipped| Transfer { skipped, ..transfer(&["a"], 1) };
        assert!(
            plain(&skipping(3)).ends_with("running 50 %, 3 not sent (links, special files, or not readable)")
        );
    }

    #[test]
    fn a_line_about_a_transfer_says_what_from_whom_and_how_far() {
        let shown = words(&transfer(&["report.pdf"], 1));
        let plain = anstream::adapter::strip_str(&shown).to_string();
        assert_eq!(plain, "k3vq7m2a  report.pdf (1.2 MB)  from Ann  running 50 %");
    }

    #[test]
    fn several_files_are_counted_and_named() {
        assert_eq!(what(&transfer(&["a", "b"], 2)), "2 files: a, b (1.2 MB)");
        assert_eq!(what(&transfer(&["photos"], 40)), "40 files: photos (1.2 MB)");
    }

    #[test]
    fn what_was_chosen_is_told_from_all_and_what_was_here_from_what_came() {
        let mut part = transfer(&["photos"], 40);
        (part.chosen, part.chosen_files, part.here) = (Some(800_000), Some(3), 5000);
        assert_eq!(what(&part), "3 of 40 files: photos (800.0 kB)");
        let plain = anstream::adapter::strip_str(&words(&part)).to_string();
        assert!(plain.ends_with("running 75 %, 5.0 kB were here already"), "{plain}");
    }

    #[test]
    fn a_file_name_cannot_carry_an_escape_sequence() {
        assert_eq!(what(&transfer(&["a\x1b[2Jb"], 1)), "a\u{FFFD}[2Jb (1.2 MB)");
    }
}
