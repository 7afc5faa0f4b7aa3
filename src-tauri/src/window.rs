//! The one window.

use std::io;
use std::path::{Path, PathBuf};

use tauri::webview::NewWindowResponse;
use tauri::{App, Url, WebviewUrl, WebviewWindowBuilder};

use crate::tray::Start;

/// Opens the window. The page stays in it, and opens no other.
///
/// # Errors
/// When the system gives no window, as without a display.
pub fn open(app: &App, storage: Option<PathBuf>, start: Start) -> tauri::Result<()> {
    let dev = app.config().build.dev_url.clone().filter(|_| tauri::is_dev());
    let window = WebviewWindowBuilder::new(app, "main", WebviewUrl::default())
        .title("Lanyard")
        .inner_size(1100.0, 760.0)
        .min_inner_size(360.0, 480.0)
        .visible(start == Start::Shown)
        .on_navigation(move |url| is_ours(url, dev.as_ref()))
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_download(|_, _| false);
    let window = match storage {
        Some(storage) => window.data_directory(storage),
        None => window.data_directory(std::env::temp_dir()).incognito(true),
    };
    window.build()?;
    Ok(())
}

/// Makes the folder in which the page keeps its things apart from those of other profiles.
///
/// `None` where the profile cannot be written: the page then keeps nothing, and the engine says what is wrong.
pub fn storage(profile: &Path) -> Option<PathBuf> {
    let storage = profile.join("webview");
    match private_folder(&storage) {
        Ok(()) => Some(storage),
        Err(error) => {
            tracing::warn!(%error, "the profile cannot be written");
            None
        }
    }
}

fn private_folder(path: &Path) -> io::Result<()> {
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        folder.mode(0o700);
    }
    folder.create(path)
}

/// Whether an address is a page of this program: `tauri://localhost`, on Windows `http://tauri.localhost`, and
/// the dev server's while there is one.
fn is_ours(url: &Url, dev: Option<&Url>) -> bool {
    let bundled = match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        "http" => cfg!(windows) && url.host_str() == Some("tauri.localhost"),
        _ => false,
    };
    bundled || dev.is_some_and(|dev| dev.origin() == url.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_cannot_be_replaced_by_another() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(is_ours(&url("tauri://localhost/index.html"), None));
        for other in
            ["https://a.example", "tauri://a.example", "file:///etc/passwd", "about:blank", "data:,x"]
        {
            assert!(!is_ours(&url(other), None), "{other}");
        }
        let dev = url("http://localhost:1420/");
        assert!(is_ours(&url("http://localhost:1420/x"), Some(&dev)));
        assert!(!is_ours(&url("http://localhost:1421/"), Some(&dev)));
    }

    #[cfg(unix)]
    #[test]
    fn what_the_page_keeps_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let profile = place.path().join("new/profile");
        let storage = storage(&profile).unwrap();
        for folder in [&profile, &storage] {
            assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_profile_that_cannot_be_written_still_gets_a_window() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(storage(&file.join("profile")), None);
    }
}
