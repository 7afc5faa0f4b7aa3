//! What was copied elsewhere and is pasted here: files by their paths, which stay on this side, and pictures by their bytes.

use std::path::PathBuf;
use std::time::Duration;

use lanyard_engine::api::{ApiError, ErrorCode};
use lanyard_engine::files::Pasted;
use lanyard_engine::says;
use tauri::ipc::{InvokeBody, Request};

/// The files and folders that were copied in a file manager; none if something else or nothing was.
///
/// # Errors
/// If the system does not let the clipboard be read, if it takes too long, or if they are more than [`MAX_FILES`].
pub async fn copied_files() -> Result<Vec<PathBuf>, ApiError> {
    // Another program has to answer for what it copied, and may hang.
    let reading = tauri::async_runtime::spawn_blocking(read);
    let paths = match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(read)) => read?,
        Ok(Err(failure)) => return Err(ApiError::new(ErrorCode::Internal, failure.to_string())),
        Err(_) => {
            return Err(says!(
                ErrorCode::TimedOut,
                "The program that the files were copied in does not answer. Copy them again."
            ));
        }
    };
    few_enough(paths)
}

/// Keeps a picture that the page has read, and says where it lies.
///
/// # Errors
/// If it is no picture with a name, or could not be written.
pub async fn picture(pasted: &Pasted, request: &Request<'_>) -> Result<PathBuf, ApiError> {
    let name = request.headers().get(NAME).and_then(|name| name.to_str().ok()).and_then(decoded);
    let png = match request.body() {
        InvokeBody::Raw(png) => Some(png.clone()),
        // Where the webview's own protocol does not carry bytes they come as numbers.
        InvokeBody::Json(numbers) => bytes(numbers),
    };
    let (Some(name), Some(png)) = (name, png) else {
        return Err(says!(ErrorCode::Invalid, "This is no picture that can be pasted."));
    };
    let pasted = pasted.clone();
    let kept = tauri::async_runtime::spawn_blocking(move || pasted.put(&name, &png)).await;
    kept.unwrap_or_else(|failure| Err(std::io::Error::other(failure))).map_err(|error| {
        let code = match error.kind() {
            std::io::ErrorKind::InvalidInput => ErrorCode::Invalid,
            _ => ErrorCode::Storage,
        };
        says!(code, "The picture could not be pasted: {error}.", error)
    })
}

fn read() -> Result<Vec<PathBuf>, ApiError> {
    let read = arboard::Clipboard::new().and_then(|mut clipboard| clipboard.get().file_list());
    match read {
        Ok(paths) => Ok(paths),
        Err(arboard::Error::ContentNotAvailable) => Ok(Vec::new()),
        Err(error) => {
            let error = error.to_string();
            let code = ErrorCode::Refused;
            Err(says!(code, "The clipboard cannot be read: {error}. Drop the files on the window.", error))
        }
    }
}

fn few_enough(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>, ApiError> {
    if paths.len() <= MAX_FILES {
        return Ok(paths);
    }
    let count = paths.len();
    Err(says!(ErrorCode::Invalid, "{count} files were copied. Copy the folder that they are in.", count))
}

fn bytes(numbers: &serde_json::Value) -> Option<Vec<u8>> {
    let number = |value: &serde_json::Value| value.as_u64().and_then(|number| u8::try_from(number).ok());
    numbers.as_array()?.iter().map(number).collect()
}

/// A header as the page writes it: UTF-8, with `%` before what is no plain letter.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// The header in which the page names a picture.
const NAME: &str = "picture-name";

/// The engine remembers a few times as many handles.
const MAX_FILES: usize = 4096;

/// Longer than any program needs that answers at all.
const PATIENCE: Duration = Duration::from_secs(6);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_come_through_a_header() {
        assert_eq!(decoded("Picture%202026-11-29").as_deref(), Some("Picture 2026-11-29"));
        assert_eq!(decoded("%E5%9B%BE%E7%89%87").as_deref(), Some("图片"));
        for broken in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(decoded(broken), None, "{broken}");
        }
    }

    #[test]
    fn bytes_can_come_as_numbers() {
        assert_eq!(bytes(&json!([137, 80, 0])), Some(vec![137, 80, 0]));
        for other in [json!([256]), json!([-1]), json!(["a"]), json!({}), json!(null)] {
            assert_eq!(bytes(&other), None, "{other}");
        }
    }

    #[test]
    fn a_crowd_of_files_is_refused_with_what_to_do() {
        assert_eq!(few_enough(vec![PathBuf::from("/a")]), Ok(vec![PathBuf::from("/a")]));
        let refused = few_enough(vec![PathBuf::from("/a"); MAX_FILES + 1]).unwrap_err();
        assert_eq!(refused.message, "4097 files were copied. Copy the folder that they are in.");
    }
}
