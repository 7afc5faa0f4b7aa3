//! The desktop shell: a window over the engine, and what only a desktop program can do.
//!
//! ```text
//!   ui (webview) -- call, subscribe --> commands --> node --> lanyard-engine
//!        ^                                 |
//!        +---- event batches, drops -------+   pickers, clipboard, links, file manager
//! ```
//!
//! Paths stay on this side: the webview sees handles only. Nothing here knows what a command means.

mod commands;
mod drops;
mod events;
mod links;
mod node;
mod options;
mod paste;
mod preview;
mod taskbar;
mod window;

pub use options::Options;

use lanyard_engine::files::Pasted;
use tauri::{Manager, RunEvent, WindowEvent};

use crate::events::Subscription;
use crate::node::Node;
use crate::taskbar::Looked;

/// Opens the window and stays until it is closed or the program is told to end.
///
/// # Errors
/// When no window can be made, or nobody says where the profile belongs. What goes wrong behind an open window is
/// shown in it.
pub fn run(options: Options) -> anyhow::Result<()> {
    let config = options.config()?;
    let storage = window::storage(&config.profile);
    let pasted = Pasted::of(&config.profile);
    let node = Node::start(config);
    let app = tauri::Builder::default()
        .manage(node.clone())
        .manage(pasted)
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
        ])
        .on_window_event(|window, event| match event {
            WindowEvent::DragDrop(event) => drops::forward(window, event),
            WindowEvent::Focused(true) => {
                if let Some(looked) = window.try_state::<Looked>() {
                    looked.now();
                }
            }
            WindowEvent::Destroyed => window.state::<Subscription>().end(),
            _ => {}
        })
        .build(tauri::generate_context!())?;
    window::open(&app, storage)?;
    taskbar::show(app.handle(), node);
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
        // Some systems end a program without asking before; after a goodbye this one does nothing.
        RunEvent::Exit => tauri::async_runtime::block_on(app.state::<Node>().shutdown()),
        _ => {}
    });
    Ok(())
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
