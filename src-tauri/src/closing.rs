//! What becomes of a window that is closed: it goes, and the program with it, or the program goes on in the tray.

use tauri::{AppHandle, CloseRequestApi, Manager, Window};

use crate::desktop::{Desktop, Kept};
use crate::notify::Desk;
use crate::tray::Tray;
use crate::words::Language;

/// A person closes the window.
pub fn asked(window: &Window, close: &CloseRequestApi) {
    if !window.state::<Desktop>().kept().close_to_tray {
        return;
    }
    // Whether there is a tray is asked of the desktop, and nothing may wait for that here.
    close.prevent_close();
    let app = window.app_handle().clone();
    tauri::async_runtime::spawn(async move {
        if app.state::<Tray>().is_there().await {
            hide(&app);
        } else if let Some(window) = app.get_webview_window("main")
            && let Err(error) = window.destroy()
        {
            tracing::warn!(%error, "the window does not close");
        }
    });
}

fn hide(app: &AppHandle) {
    let Some(window) = app.get_webview_window("main") else { return };
    if let Err(error) = window.hide() {
        tracing::warn!(%error, "the window does not hide");
        return;
    }
    let (desktop, desk) = (app.state::<Desktop>(), app.state::<Desk>());
    desk.focus(false);
    let Kept { told_of_tray, language, .. } = desktop.kept();
    if !told_of_tray {
        desk.note(Language::still_here(language));
        if let Err(error) = desktop.change(|kept| kept.told_of_tray = true) {
            tracing::warn!(%error, "it will be said again that the program goes on in the tray");
        }
    }
}
