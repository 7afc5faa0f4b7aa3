//! Why a transfer waits, failed or was cancelled, as this device says it.

use lanyard_proto::effects::TransferRecord;
use lanyard_proto::transfer::{Delay, Failure, Receipt, TransferState};

use crate::api::{ApiError, ErrorCode};
use crate::engine::run::Run;
use crate::files::shown;
use crate::saying;
use crate::saying::{Filling, Saying, listed};
use crate::says;

impl Run {
    /// Why a transfer failed or waits: what was noted here, or what the state says.
    pub fn problem(&self, record: &TransferRecord, noted: Option<&Filling>) -> Option<ApiError> {
        let other = self.name_of(record.from);
        let no_space = self.view.transfers.get(&record.id).is_some_and(|view| view.no_space);
        match record.state {
            TransferState::Failed(failure) if record.from == self.node.me() => {
                Some(ApiError::says(failure_code(failure), self.given_sentence(record, failure)))
            }
            TransferState::Failed(failure) => {
                let unshared = failure == Failure::Refused && record.share().is_some();
                let sentence = if unshared { unshared_sentence() } else { failure_sentence(failure) };
                Some(ApiError::says(failure_code(failure), noting(sentence, noted)))
            }
            TransferState::Cancelled => {
                self.cancelled_sentence(record).map(|by| ApiError::says(ErrorCode::Refused, by))
            }
            TransferState::Offered if record.from == self.node.me() && !record.paused => {
                self.accepted_sentence(record)
            }
            TransferState::Waiting if record.paused => None,
            TransferState::Waiting if self.node.is_held(record.id) => Some(says!(
                ErrorCode::Refused,
                "Paused by {other}, who offers it. It goes on by itself when {other} resumes it.",
                other
            )),
            TransferState::Waiting if no_space => {
                let sentence =
                    saying!("There is not enough space where the files should go. It goes on when there is.");
                Some(ApiError::says(ErrorCode::Storage, noting(sentence, noted)))
            }
            TransferState::Waiting if !self.node.is_online(record.from) => Some(says!(
                ErrorCode::Network,
                "{other} is not here. It goes on when {other} is back.",
                other
            )),
            TransferState::Waiting => noted.map(|noted| {
                says!(
                    ErrorCode::Network,
                    "The connection to {other} was lost; trying again. ({noted})",
                    other,
                    noted
                )
            }),
            _ => None,
        }
    }

    /// Why what was accepted by the one whom it is for does not go there.
    fn accepted_sentence(&self, record: &TransferRecord) -> Option<ApiError> {
        let (other, delay) = self.accepted_by_one(record)?;
        let other = self.name_of(other);
        let (code, sentence) = match delay {
            Delay::Waits => (
                ErrorCode::Network,
                saying!("{other} has accepted it. It goes on when the two devices reach each other.", other),
            ),
            Delay::Queued => {
                (ErrorCode::Refused, saying!("{other} has accepted it, and gets other things first.", other))
            }
            Delay::Paused => (
                ErrorCode::Refused,
                saying!("{other} has accepted it and paused it. It goes on when {other} resumes it.", other),
            ),
            Delay::NoSpace => (
                ErrorCode::Storage,
                saying!("{other} has accepted it and has no space for it. It goes on when there is.", other),
            ),
        };
        Some(ApiError::says(code, sentence))
    }

    /// Who cancelled it, if that was not a person here.
    fn cancelled_sentence(&self, record: &TransferRecord) -> Option<Saying> {
        let me = self.node.me();
        let other = self.name_of(record.other_side(me).unwrap_or(record.from));
        let by_other =
            || record.receipts.iter().find(|(_, said)| *said == Receipt::Cancelled).map(|(by, _)| *by);
        match record.is_withdrawn() {
            true if record.from == me => None,
            true if record.share().is_some() => Some(saying!(
                "{other} gives it no longer: it was withdrawn, or is not shared with you any more.",
                other
            )),
            true => Some(saying!("{other} has withdrawn it.", other)),
            false if record.from != me => None,
            false => Some(match by_other() {
                Some(by) => saying!("Cancelled by {other}.", other = self.name_of(by)),
                None => saying!("{other} did not come for it in time.", other),
            }),
        }
    }

    /// Why the one receiver of an own offer does not have it.
    fn given_sentence(&self, record: &TransferRecord, failure: Failure) -> Saying {
        let failed = record.receipts.iter().find(|(_, said)| matches!(said, Receipt::Failed(_)));
        let other = failed.map_or_else(String::new, |(by, _)| self.name_of(*by));
        let files = || {
            let (first, all) = self.shelf.first_failure(record.id)?;
            Some(listed(vec![Filling::Text(shown(&first))], all))
        };
        match (failure, files()) {
            (Failure::DiskFull, _) => saying!("{other} has not enough space for it.", other),
            (Failure::Unwritable, _) => {
                saying!("{other} cannot write the files where they should go.", other)
            }
            (Failure::SourceChanged, Some(files)) => {
                saying!("Changed here after it was offered: {files}. Offer it again.", files)
            }
            (Failure::SourceChanged, None) => {
                saying!("A file was changed here after it was offered. Offer it again.")
            }
            (Failure::SourceGone, Some(files)) => {
                saying!(
                    "No longer here, or not readable: {files}. {other} can accept it again when it is back.",
                    files,
                    other
                )
            }
            (Failure::SourceGone, None) => {
                saying!(
                    "A file is no longer here, or not readable. {other} can accept it again when it is back.",
                    other
                )
            }
            (Failure::Corrupt, _) => {
                saying!("What arrived at {other} is not what was sent. {other} can accept it again.", other)
            }
            (Failure::Refused, _) => {
                saying!("It was not offered to {other} any more. Offer it again.", other)
            }
            (Failure::Protocol, _) => {
                saying!("{other}'s program found that something makes no sense. Update both programs.", other)
            }
        }
    }
}

pub fn failure_sentence(failure: Failure) -> Saying {
    match failure {
        Failure::DiskFull => {
            saying!("There is not enough space where the files should go. Free some, then accept again.")
        }
        Failure::Unwritable => {
            saying!("The files cannot be written where they should go. Choose another folder.")
        }
        Failure::SourceChanged => saying!("A file changed at the sender. Ask for it to be sent again."),
        Failure::SourceGone => {
            saying!(
                "A file is no longer there at the sender. Ask for it to be sent again, or accept again when it is back."
            )
        }
        Failure::Corrupt => {
            saying!("What arrived is not what was sent. Accept again to fetch what is missing.")
        }
        Failure::Refused => saying!("The sender no longer offers it to you. Ask for it to be sent again."),
        Failure::Protocol => {
            saying!("The sender's program sent something that makes no sense. Update both programs.")
        }
    }
}

/// Where the holder says no to what was asked for of a shared folder.
fn unshared_sentence() -> Saying {
    saying!("It is no longer shared with you, or was not fetched in time. Resume it to ask for it anew.")
}

/// Why an own file could not be given.
pub fn own_file_sentence(failure: Failure) -> Saying {
    match failure {
        Failure::SourceChanged => saying!("It was changed here after it was offered."),
        Failure::SourceGone => saying!("It is no longer here, or not readable."),
        other => failure_sentence(other),
    }
}

pub fn failure_code(failure: Failure) -> ErrorCode {
    match failure {
        Failure::DiskFull | Failure::Unwritable | Failure::SourceChanged | Failure::SourceGone => {
            ErrorCode::Storage
        }
        Failure::Refused => ErrorCode::Refused,
        Failure::Corrupt | Failure::Protocol => ErrorCode::Network,
    }
}

fn noting(sentence: Saying, noted: Option<&Filling>) -> Saying {
    match noted {
        Some(noted) => saying!("{sentence} ({noted})", sentence, noted),
        None => sentence,
    }
}
