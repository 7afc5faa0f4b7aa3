//! What is handed to other programs of the system: links and folders.

use std::path::{Path, PathBuf};

use lanyard_engine::api::{ApiError, ErrorCode, Transfer, TransferDirection, TransferState};
use lanyard_engine::says;
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

/// Opens the one file of a received transfer in the program that the system has for it. A file of a kind that could run
/// something is shown in its folder instead, like several files and one that is no longer there.
///
/// # Errors
/// [`ErrorCode::NotFound`] when nothing of it is on this disk (any more).
pub async fn open_file(transfers: &[Transfer], id: &str) -> Result<(), ApiError> {
    match received_file(transfers, id)? {
        Some(path) if is_harmless(&path) => blocking(move || opener::open(path)).await,
        _ => reveal(transfers, id).await,
    }
}

/// The one file of a received transfer, if it is still there as it came.
///
/// # Errors
/// [`ErrorCode::NotFound`] when nothing of it is on this disk (any more).
pub fn received_file(transfers: &[Transfer], id: &str) -> Result<Option<PathBuf>, ApiError> {
    let folder = folder(transfers, id)?;
    let only = transfers.iter().find(|transfer| transfer.id == id).filter(|transfer| transfer.files == 1);
    // What came before this was noted stands under its own name, or is shown in its folder.
    let name = only.and_then(|transfer| transfer.placed.first().or(transfer.names.first()));
    let name = name.filter(|name| is_plain(name));
    Ok(name.map(|name| folder.join(name)).filter(|path| is_same_size(path, only)))
}

/// Opens the folder of a received transfer in the file manager.
///
/// # Errors
/// [`ErrorCode::NotFound`] when nothing of it is on this disk (any more).
pub async fn reveal(transfers: &[Transfer], id: &str) -> Result<(), ApiError> {
    let folder = folder(transfers, id)?;
    // A file in its place would be run or shown by who knows what.
    if !folder.is_dir() {
        return Err(says!(ErrorCode::NotFound, "The folder {folder} is no longer there.", folder));
    }
    blocking(move || opener::open(folder)).await
}

/// The link as it will be opened, if it leads to a place that opens nothing on this device.
fn safe(link: &str) -> Result<Url, ApiError> {
    let refused = || says!(ErrorCode::Refused, "Only web and mail addresses are opened from here.");
    let link = Url::parse(link).map_err(|_| refused())?;
    match link.scheme() {
        "http" | "https" | "mailto" => Ok(link),
        _ => Err(refused()),
    }
}

/// A name and nothing more.
fn is_plain(name: &str) -> bool {
    let plain = Path::new(name).file_name().is_some_and(|only| only == name) && !name.starts_with(['.', '-']);
    plain && !name.contains([':', '\\'])
}

/// With an ending that no system starts as a program and that carries no programs of its own.
fn is_harmless(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| HARMLESS.contains(&ending.as_str()))
}

/// Whether this can be what was received: another file may have got the name since.
fn is_same_size(path: &Path, transfer: Option<&Transfer>) -> bool {
    let Ok(about) = path.symlink_metadata() else { return false };
    about.is_file() && transfer.is_some_and(|transfer| transfer.bytes == about.len())
}

fn folder(transfers: &[Transfer], id: &str) -> Result<PathBuf, ApiError> {
    let transfer = transfers
        .iter()
        .find(|transfer| transfer.id == id)
        .ok_or_else(|| says!(ErrorCode::NotFound, "There is no such transfer any more."))?;
    match (transfer.direction, transfer.state, &transfer.folder) {
        (TransferDirection::In, TransferState::Done, Some(folder)) => Ok(PathBuf::from(folder)),
        _ => Err(says!(ErrorCode::NotFound, "The files are not on this device yet.")),
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
    Err(says!(ErrorCode::Internal, "No program of this system could open it: {failure}.", failure))
}

/// Endings of pictures, sounds, films and documents.
const HARMLESS: &[&str] = &[
    "avif", "bmp", "gif", "heic", "jpeg", "jpg", "png", "tif", "tiff", "webp", "aac", "flac", "m4a", "mp3",
    "oga", "ogg", "opus", "wav", "avi", "m4v", "mkv", "mov", "mp4", "webm", "csv", "docx", "epub", "log",
    "md", "odp", "ods", "odt", "pdf", "pptx", "txt", "xlsx",
];

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn received(state: TransferState) -> Transfer {
        transfer("t1", TransferDirection::In, state, 1, 1)
    }

    /// A transfer as the engine tells of it.
    pub(crate) fn transfer(
        id: &str,
        direction: TransferDirection,
        state: TransferState,
        moved: u64,
        bytes: u64,
    ) -> Transfer {
        Transfer {
            id: id.to_owned(),
            room: "r".to_owned(),
            direction,
            from: "p".to_owned(),
            from_name: "Ann".to_owned(),
            from_short: String::new(),
            state,
            names: vec!["a".to_owned()],
            files: 1,
            bytes,
            moved,
            offered: 0,
            folder: Some("/downloads".to_owned()),
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
    fn only_names_of_documents_and_media_are_opened() {
        for name in ["a.pdf", "Holiday 2026.JPG", "图片.png"] {
            assert!(is_plain(name) && is_harmless(Path::new(name)), "{name}");
        }
        let others = [
            "a.exe",
            "a.pdf.exe",
            "a.lnk",
            "a.desktop",
            "a.sh",
            "a.html",
            "a.svg",
            "a.docm",
            "a",
            ".pdf",
            "-a.pdf",
            "x/a.pdf",
            "../a.pdf",
            "a.txt:b.pdf",
            "x\\a.pdf",
            "",
        ];
        for name in others {
            assert!(!is_plain(name) || !is_harmless(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn a_file_that_is_not_as_it_was_received_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pdf");
        let one = received(TransferState::Done);
        assert!(!is_same_size(&path, Some(&one)));
        std::fs::write(&path, "x").unwrap();
        assert!(is_same_size(&path, Some(&one)));
        std::fs::write(&path, "xy").unwrap();
        assert!(!is_same_size(&path, Some(&one)));
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
