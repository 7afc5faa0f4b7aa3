//! The icon in the tray: a mark for what nobody has read, and the way back to a window that was closed.

mod icon;
#[cfg(target_os = "linux")]
mod menu;
#[cfg_attr(target_os = "linux", path = "tray/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "tray/other.rs")]
mod system;
mod unread;

use std::time::Duration;

use lanyard_engine::api::{Command, Event, Reply};
use lanyard_engine::{Events, Handle};
use tauri::{AppHandle, Manager};
use tokio::sync::{mpsc, watch};

use self::icon::Picture;
use self::system::Mounted;
use self::unread::Unread;
use crate::node::Node;
use crate::openings;
use crate::words::Language;

/// Whether there is a tray that shows this program.
pub struct Tray {
    there: watch::Receiver<bool>,
}

/// What is seen of this program in the tray.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Face {
    unread: u32,
    quiet: bool,
    language: Language,
}

/// What a person wants who uses the icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Open,
    DoNotDisturb(bool),
    Quit,
}

/// How the window begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Shown,
    /// In the tray, if there is one.
    Hidden,
}

impl Tray {
    /// Whether whoever closes the window finds the program there.
    pub async fn is_there(&self) -> bool {
        let there = *self.there.borrow();
        there && system::is_shown().await
    }
}

/// Shows the icon until the program ends.
pub fn follow(app: &AppHandle, node: Node, mut language: watch::Receiver<Language>, start: Start) {
    let (says, there) = watch::channel(false);
    app.manage(Tray { there: there.clone() });
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let (asked, mut wanted) = mpsc::channel(ASKED);
        let mut face = Face { language: *language.borrow_and_update(), ..Face::default() };
        let mounted = Mounted::new(&app, face, pictures(), asked, says).await;
        if mounted.is_none() && start == Start::Hidden {
            openings::raise(&app);
        } else {
            tauri::async_runtime::spawn(never_unseen(app.clone(), there, start));
        }
        let mut unread = Unread::default();
        let mut engine = Engine::default();
        loop {
            tokio::select! {
                heard = engine.hear(&node, &mut unread) => if !heard { break },
                Some(wanted) = wanted.recv() => act(&app, &node, wanted).await,
                Ok(()) = language.changed() => {}
            }
            let now = Face {
                unread: unread.count(),
                quiet: unread.is_quiet(),
                language: *language.borrow_and_update(),
            };
            if now != face {
                face = now;
                badge(&app, face.unread);
                if let Some(mounted) = &mounted {
                    mounted.show(face).await;
                }
            }
        }
        // The engine ended. Whoever looks for the program may still open or end it here.
        while let Some(wanted) = wanted.recv().await {
            act(&app, &node, wanted).await;
        }
    });
}

/// What the engine tells: absent until it runs, and when it has to be asked anew how things are.
#[derive(Default)]
struct Engine {
    events: Option<Events>,
}

impl Engine {
    /// Takes in the next that happens; `false` once nothing more can.
    async fn hear(&mut self, node: &Node, unread: &mut Unread) -> bool {
        let Some(events) = &mut self.events else {
            let Ok(handle) = node.running().await else { return false };
            let events = handle.subscribe();
            begin(&handle, unread).await;
            // Only now, for whoever waits for this may stop in between.
            self.events = Some(events);
            return true;
        };
        match events.next().await {
            None => false,
            Some(Event::Lagged { .. }) => {
                self.events = None;
                true
            }
            Some(event) => {
                unread.take(&event);
                true
            }
        }
    }
}

async fn begin(handle: &Handle, unread: &mut Unread) {
    if let Ok(Reply::Snapshot(snapshot)) = handle.call(Command::Snapshot {}).await {
        unread.begin(&snapshot);
    }
}

async fn act(app: &AppHandle, node: &Node, asked: Asked) {
    match asked {
        Asked::Open => openings::raise(app),
        Asked::Quit => crate::leave(app.clone()).await,
        Asked::DoNotDisturb(on) => {
            let choice = Command::SetNotifications { do_not_disturb: Some(on), previews: None, rooms: None };
            if let Err(error) = node.call(choice).await {
                tracing::warn!(%error, "the choice at the tray was not kept");
            }
        }
    }
}

/// Shows the window whenever the tray goes: nobody could come back to a hidden one.
async fn never_unseen(app: AppHandle, mut there: watch::Receiver<bool>, start: Start) {
    if start == Start::Hidden {
        // At login the tray may come a little later.
        let came = matches!(tokio::time::timeout(LOGIN, there.wait_for(|there| *there)).await, Ok(Ok(_)));
        if !came || !system::is_shown().await {
            openings::raise(&app);
        }
    }
    while there.changed().await.is_ok() {
        let gone = !*there.borrow_and_update();
        let hidden =
            app.get_webview_window("main").is_some_and(|window| !window.is_visible().unwrap_or(true));
        if gone && hidden {
            openings::raise(&app);
        }
    }
}

/// The number at the program's icon, where the system has a place for it.
fn badge(app: &AppHandle, unread: u32) {
    let Some(window) = app.get_webview_window("main") else { return };
    let count = Some(i64::from(unread)).filter(|count| *count > 0);
    if let Err(error) = window.set_badge_count(count) {
        tracing::debug!(%error, "the icon shows no number");
    }
}

fn pictures() -> [Picture; 2] {
    let icon = tauri::include_image!("src-tauri/icons/32x32.png");
    let plain = Picture { rgba: icon.rgba().to_vec(), width: icon.width(), height: icon.height() };
    let marked = icon::marked(&plain);
    [plain, marked]
}

/// People click one by one.
const ASKED: usize = 8;

/// How long a desktop may take from the login to its tray.
const LOGIN: Duration = Duration::from_secs(15);
