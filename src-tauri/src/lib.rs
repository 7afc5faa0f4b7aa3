//! The desktop shell: a window over the engine, and what only a desktop program can do.
//!
//! ```text
//!   ui (webview) -- call, subscribe --> commands --> node --> lanyard-engine
//!        ^                                 |
//!        +-- event batches, drops, openings +   pickers, clipboard, links, notifications, tray
//! ```
//!
//! Paths stay on this side: the webview sees handles only. Nothing here knows what a command means.

#[cfg(target_os = "linux")]
mod bus;
mod closing;
mod commands;
mod desktop;
mod drops;
mod events;
mod links;
mod node;
mod notify;
mod openings;
mod options;
mod paste;
mod picture;
mod preview;
mod taskbar;
mod tray;
mod window;
mod words;

pub use options::Options;

use std::path::PathBuf;
use std::time::Duration;

use lanyard_engine::api::ErrorCode;
use lanyard_engine::control::{self, Presented};
use lanyard_engine::files::Pasted;
use tauri::{Manager, RunEvent, WindowEvent};
use tauri_plugin_window_state::StateFlags;
use tokio::sync::mpsc;

use crate::desktop::Desktop;
use crate::events::Subscription;
use crate::node::Node;
use crate::notify::Desk;
use crate::openings::Openings;
use crate::taskbar::Looked;

/// Opens the window and stays until it is closed or the program is told to end. Where a window runs for the profile already,
/// that one is shown instead.
///
/// # Errors
/// When no window can be made, or nobody says where the profile belongs. What goes wrong behind an open window is
/// shown in it.
pub fn run(options: Options) -> anyhow::Result<()> {
    let (start, presented, login) = (options.start(), options.presented(), options.login_words());
    let config = options.config()?;
    let profile = config.profile.clone();
    if tauri::async_runtime::block_on(control::present(&profile, &presented)) {
        return Ok(());
    }
    let desktop = Desktop::of(&profile);
    let language = desktop.kept().language;
    let storage = window::storage(&profile);
    let pasted = Pasted::of(&profile);
    let (other_starts, others) = mpsc::channel(OTHER_STARTS);
    let node = Node::start(config, other_starts);
    let app = tauri::Builder::default()
        // Before the window, which is put where it was. Beside the profile: each has a window of its own.
        .plugin(
            tauri_plugin_window_state::Builder::new()
                .with_state_flags(
                    StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED | StateFlags::FULLSCREEN,
                )
                .with_filename(profile.join("window-state.json").to_string_lossy())
                .build(),
        )
        .plugin(tauri_plugin_autostart::Builder::new().app_name("Lanyard").args(login).build())
        .manage(node.clone())
        .manage(desktop)
        .manage(pasted)
        .manage(Openings::default())
        .manage(Subscription::default())
        .invoke_handler(tauri::generate_handler![
            commands::call,
            commands::subscribe,
            commands::pick_files,
            commands::pick_folder,
            commands::paste_files,
            commands::paste_picture,
            commands::reveal,
            commands::open_file,
            commands::open_link,
            commands::preview,
            commands::take_openings,
            commands::look_at,
            commands::speak,
            commands::desktop,
            commands::set_desktop,
        ])
        .on_window_event(|window, event| match event {
            WindowEvent::DragDrop(event) => drops::forward(window, event),
            WindowEvent::Focused(focused) => {
                if let Some(desk) = window.try_state::<Desk>() {
                    desk.focus(*focused);
                }
                if let Some(looked) = window.try_state::<Looked>().filter(|_| *focused) {
                    looked.now();
                }
            }
            WindowEvent::CloseRequested { api, .. } => closing::asked(window, api),
            WindowEvent::Destroyed => window.state::<Subscription>().end(),
            _ => {}
        })
        .build(tauri::generate_context!())?;
    notify::follow(app.handle(), node.clone(), language);
    window::open(&app, storage, start)?;
    // Behind the window: without a tray it is shown.
    let spoken = app.state::<Desk>().language();
    tray::follow(app.handle(), node.clone(), spoken, start);
    taskbar::show(app.handle(), node.clone());
    openings::follow(app.handle(), node.clone(), presented.clone(), others);
    tauri::async_runtime::spawn(give_way(app.handle().clone(), node, profile, presented));
    let asked = app.handle().clone();
    tauri::async_runtime::spawn(async move {
        told_to_end().await;
        leave(asked).await;
    });
    app.run(|app, event| match event {
        // The last window was closed: it is gone at once, the program follows when the network has been told.
        RunEvent::ExitRequested { code: None, api, .. } => {
            api.prevent_exit();
            tauri::async_runtime::spawn(leave(app.clone()));
        }
        // The icon in the dock was clicked on.
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { has_visible_windows: false, .. } => openings::raise(app),
        // There links come so, and not as words of a second start.
        #[cfg(target_os = "macos")]
        RunEvent::Opened { urls } => {
            let links = urls.into_iter().filter(|url| url.scheme() == "lanyard");
            openings::open(app, links.map(|url| openings::Opening::Link { link: url.into() }));
        }
        // Some systems end a program without asking before; after a goodbye this one does nothing.
        RunEvent::Exit => tauri::async_runtime::block_on(app.state::<Node>().shutdown()),
        _ => {}
    });
    Ok(())
}

/// Ends this start where another one of the same moment was quicker, once that one can be shown.
async fn give_way(app: tauri::AppHandle, node: Node, profile: PathBuf, presented: Presented) {
    if node.ended().await.code != ErrorCode::ProfileInUse {
        return;
    }
    for _ in 0..TRIES {
        if control::present(&profile, &presented).await {
            app.exit(0);
            return;
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

/// Says goodbye to the network, then ends the program.
async fn leave(app: tauri::AppHandle) {
    app.state::<Node>().shutdown().await;
    app.exit(0);
}

/// Waits until the system asks the program to end.
#[cfg(unix)]
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminate => {}
        () = interrupted() => {}
    }
}

/// Waits until the system asks the program to end.
#[cfg(not(unix))]
async fn told_to_end() {
    interrupted().await;
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Where it cannot be heard, closing the window is the way to end the program.
        std::future::pending::<()>().await;
    }
}

/// Starts of the program that wait for this one to show what they name.
const OTHER_STARTS: usize = 16;

/// How often another start is looked for that has the profile, and may not be reachable yet: five seconds in all.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(250);
