//! What a received file looks like, for the page to show: a whole picture, or the beginning of a text. Nothing is decoded
//! here. The page has a sandbox for that; this side sees to it that it is given no more than it can bear.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use lanyard_engine::api::{ApiError, ErrorCode, Transfer};
use lanyard_engine::says;
use serde::Deserialize;

use crate::{links, picture};

/// As what a file is to be shown.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    Picture,
    Text,
}

/// The bytes of the one file of a received transfer: of a picture all, of a text the first [`MAX_TEXT`].
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is not on this disk (any more), [`ErrorCode::Refused`] when it is nothing that can be
/// shown, or too much.
pub async fn read(transfers: &[Transfer], id: &str, shown: Shown) -> Result<Vec<u8>, ApiError> {
    let path = links::received_file(transfers, id)?.ok_or_else(gone)?;
    let reading = tauri::async_runtime::spawn_blocking(move || match shown {
        Shown::Picture => picture(&path),
        Shown::Text => text(&path),
    });
    reading.await.unwrap_or_else(|failure| Err(ApiError::new(ErrorCode::Internal, failure.to_string())))
}

fn picture(path: &Path) -> Result<Vec<u8>, ApiError> {
    let too_large =
        || says!(ErrorCode::Refused, "The picture is too large to be shown here. Open it instead.");
    let bytes = beginning(path, MAX_PICTURE + 1)?;
    if bytes.len() as u64 > MAX_PICTURE {
        return Err(too_large());
    }
    let no_picture = || says!(ErrorCode::Refused, "This is no picture that can be shown here.");
    let cost = picture::cost(&bytes).ok_or_else(no_picture)?;
    if cost.pixels > MAX_PIXELS || cost.drawn > MAX_DRAWN { Err(too_large()) } else { Ok(bytes) }
}

fn text(path: &Path) -> Result<Vec<u8>, ApiError> {
    let bytes = beginning(path, MAX_TEXT)?;
    // A text has none; what has one is a program, a picture, or in an encoding that would be shown as nonsense.
    if bytes.contains(&0) {
        return Err(says!(ErrorCode::Refused, "This is no text that can be shown here."));
    }
    Ok(bytes)
}

fn beginning(path: &Path, most: u64) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)) {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(gone()),
        Err(error) => Err(says!(ErrorCode::Storage, "The file could not be read: {error}.", error)),
    }
}

fn gone() -> ApiError {
    says!(ErrorCode::NotFound, "The file is no longer where it was received, or was changed.")
}

/// A large photo of a good camera.
const MAX_PICTURE: u64 = 32_000_000;
/// Four bytes each while it is drawn.
const MAX_PIXELS: u64 = 64_000_000;
/// A photo of that size in sixteen scans, or an animation of 500 frames that fill a screen: some seconds of a processor.
const MAX_DRAWN: u64 = 1_024_000_000;
/// More than anybody reads in a preview.
const MAX_TEXT: u64 = 65_536;

#[cfg(test)]
mod tests {
    use lanyard_engine::api::{TransferDirection, TransferState};

    use super::*;
    use crate::links::tests::transfer;

    /// A transfer of one file with these bytes, as it lies in a folder.
    fn received(folder: &Path, name: &str, bytes: &[u8]) -> Vec<Transfer> {
        std::fs::write(folder.join(name), bytes).unwrap();
        let length = bytes.len() as u64;
        vec![Transfer {
            names: vec![name.to_owned()],
            folder: Some(folder.to_string_lossy().into_owned()),
            ..transfer("t1", TransferDirection::In, TransferState::Done, length, length)
        }]
    }

    async fn refused(transfers: &[Transfer], shown: Shown) -> ErrorCode {
        read(transfers, "t1", shown).await.unwrap_err().code
    }

    /// The header of a PNG file that says to be so wide and high.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 6, 0, 0, 0]);
        bytes
    }

    #[tokio::test]
    async fn a_picture_comes_whole_and_a_text_by_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let picture = png(1_000, 500);
        let transfers = received(folder.path(), "a.png", &picture);
        assert_eq!(read(&transfers, "t1", Shown::Picture).await.unwrap(), picture);
        let transfers = received(folder.path(), "a.txt", &vec![b'x'; 70_000]);
        assert_eq!(read(&transfers, "t1", Shown::Text).await.unwrap().len() as u64, MAX_TEXT);
    }

    #[tokio::test]
    async fn what_is_no_picture_or_would_take_all_memory_is_not_shown_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
        let mut animated = png(8_000, 8_000);
        animated.extend([0; 4]);
        for _ in 0..20 {
            animated.extend(b"\0\0\0\x1afcTL\0\0\0\0\0\0\0\x01\0\0\0\x01");
            animated.extend([0; 18]);
        }
        for bytes in
            [png(60_000, 60_000), animated, svg.to_vec(), b"BM not shown either".to_vec(), Vec::new()]
        {
            let transfers = received(folder.path(), "a.png", &bytes);
            assert_eq!(refused(&transfers, Shown::Picture).await, ErrorCode::Refused);
        }
        let transfers = received(folder.path(), "a.txt", b"MZ\0\0");
        assert_eq!(refused(&transfers, Shown::Text).await, ErrorCode::Refused);
    }

    #[tokio::test]
    async fn only_the_file_that_was_received_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let transfers = received(folder.path(), "a.txt", b"hello");
        std::fs::write(folder.path().join("a.txt"), "another one").unwrap();
        assert_eq!(refused(&transfers, Shown::Text).await, ErrorCode::NotFound);
        std::fs::remove_file(folder.path().join("a.txt")).unwrap();
        assert_eq!(refused(&transfers, Shown::Text).await, ErrorCode::NotFound);
        let outgoing = Transfer { direction: TransferDirection::Out, ..transfers[0].clone() };
        assert_eq!(refused(&[outgoing], Shown::Text).await, ErrorCode::NotFound);
        let elsewhere = Transfer { names: vec!["../a.txt".to_owned()], ..transfers[0].clone() };
        assert_eq!(refused(&[elsewhere], Shown::Text).await, ErrorCode::NotFound);
    }
}
