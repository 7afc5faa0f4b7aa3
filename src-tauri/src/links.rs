//! What is handed to other programs of the system: links and folders.

use std::path::PathBuf;

use lanyard_engine::api::{ApiError, ErrorCode, Transfer, TransferDirection, TransferState};
use tauri::Url;

/// Opens a link in the program that the system has for it.
///
/// # Errors
/// [`ErrorCode::Refused`] for anything that is no web or mail address.
pub async fn open(link: &str) -> Result<(), ApiError> {
    let link = safe(link)?;
    blocking(move || match link.scheme() {
        "mailto" => opener::open(link.as_str()),
        _ => opener::open_browser(link.as_str()),
    })
    .await
}

/// Opens the folder of a received transfer in the file manager.
///
/// # Errors
/// [`ErrorCode::NotFound`] when nothing of it is on this disk (any more).
pub async fn reveal(transfers: &[Transfer], id: &str) -> Result<(), ApiError> {
    let folder = folder(transfers, id)?;
    // A file in its place would be run or shown by who knows what.
    if !folder.is_dir() {
        return Err(ApiError::new(
            ErrorCode::NotFound,
            format!("The folder {} is no longer there.", folder.display()),
        ));
    }
    blocking(move || opener::open(folder)).await
}

/// The link as it will be opened, if it leads to a place that opens nothing on this device.
fn safe(link: &str) -> Result<Url, ApiError> {
    let refused = || ApiError::new(ErrorCode::Refused, "Only web and mail addresses are opened from here.");
    let link = Url::parse(link).map_err(|_| refused())?;
    match link.scheme() {
        "http" | "https" | "mailto" => Ok(link),
        _ => Err(refused()),
    }
}

fn folder(transfers: &[Transfer], id: &str) -> Result<PathBuf, ApiError> {
    let transfer = transfers
        .iter()
        .find(|transfer| transfer.id == id)
        .ok_or_else(|| ApiError::new(ErrorCode::NotFound, "There is no such transfer any more."))?;
    match (transfer.direction, transfer.state, &transfer.folder) {
        (TransferDirection::In, TransferState::Done, Some(folder)) => Ok(PathBuf::from(folder)),
        _ => Err(ApiError::new(ErrorCode::NotFound, "The files are not on this device yet.")),
    }
}

/// Other programs are started where nothing else has to wait for them.
async fn blocking(
    start: impl FnOnce() -> Result<(), opener::OpenError> + Send + 'static,
) -> Result<(), ApiError> {
    let started = tauri::async_runtime::spawn_blocking(start).await;
    let failure = match started {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(failure)) => failure.to_string(),
        Err(failure) => failure.to_string(),
    };
    Err(ApiError::new(ErrorCode::Internal, format!("No program of this system could open it: {failure}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(state: TransferState) -> Transfer {
        Transfer {
            id: "t1".to_owned(),
            room: "r".to_owned(),
            direction: TransferDirection::In,
            from: "p".to_owned(),
            from_name: "Ann".to_owned(),
            state,
            names: vec!["a".to_owned()],
            files: 1,
            bytes: 1,
            moved: 1,
            offered: 0,
            folder: Some("/downloads".to_owned()),
            sha256: None,
            error: None,
            chosen: None,
            chosen_files: None,
            here: 0,
            failed_files: 0,
            receivers: Vec::new(),
            finished: None,
            place: None,
            rate: 0,
            audience: 0,
            awaited: Vec::new(),
        }
    }

    #[test]
    fn web_and_mail_addresses_are_opened() {
        for link in ["http://a.example", "HTTPS://a.example/x?y#z", "mailto:ann@a.example"] {
            assert!(safe(link).is_ok(), "{link}");
        }
    }

    #[test]
    fn nothing_else_is_opened() {
        let others = [
            "",
            "a.example",
            "/etc/passwd",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/html,x",
            "smb://host/share",
            "tauri://localhost",
            "lanyard://x",
            "--help",
            "http://",
        ];
        for link in others {
            assert_eq!(safe(link).map_err(|error| error.code), Err(ErrorCode::Refused), "{link}");
        }
    }

    #[test]
    fn only_the_folder_of_a_finished_incoming_transfer_is_shown() {
        assert_eq!(folder(&[received(TransferState::Done)], "t1").unwrap(), PathBuf::from("/downloads"));
        let outgoing = Transfer { direction: TransferDirection::Out, ..received(TransferState::Done) };
        for (transfers, id) in
            [(vec![received(TransferState::Running)], "t1"), (vec![outgoing], "t1"), (vec![], "t1")]
        {
            assert_eq!(folder(&transfers, id).unwrap_err().code, ErrorCode::NotFound);
        }
    }
}
