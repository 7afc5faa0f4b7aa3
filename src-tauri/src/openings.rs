//! What the window is asked to open from outside of it: by a notification, by a link, by a second start of the program.

use std::sync::{Mutex, PoisonError};

use lanyard_engine::api::{ApiError, FileHandle};
use lanyard_engine::control::Presented;
use serde::Serialize;
use tauri::{AppHandle, Emitter, Manager};
use tokio::sync::mpsc;

use crate::commands::admit;
use crate::node::Node;

/// Something to be opened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Opening {
    Room {
        room: String,
    },
    /// The conversation with somebody.
    Person {
        peer: String,
    },
    /// It begins with `lanyard:`, and is not known to be any good.
    Link {
        link: String,
    },
    /// To be offered to whoever a person chooses.
    Files {
        handles: Vec<FileHandle>,
    },
    Failed {
        error: ApiError,
    },
}

/// What waits for the page to take it: it may not be loaded yet.
#[derive(Default)]
pub struct Openings(Mutex<Vec<Opening>>);

impl Openings {
    pub fn take(&self) -> Vec<Opening> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, more: impl IntoIterator<Item = Opening>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(more);
        let too_many = waiting.len().saturating_sub(WAITING);
        waiting.drain(..too_many);
    }
}

/// Brings the window to the front, and lets the page open something.
pub fn open(app: &AppHandle, openings: impl IntoIterator<Item = Opening>) {
    app.state::<Openings>().put(openings);
    raise(app);
    if let Err(error) = app.emit_to(WINDOW, EVENT, ()) {
        tracing::debug!(%error, "the page does not know yet that there is something to open");
    }
}

/// Brings the window to the front, from wherever it is.
pub fn raise(app: &AppHandle) {
    let Some(window) = app.get_webview_window(WINDOW) else { return };
    let raised = window.show().and_then(|()| window.unminimize()).and_then(|()| window.set_focus());
    if let Err(error) = raised {
        tracing::debug!(%error, "the window did not come to the front");
    }
}

/// Opens what this program was started with, then whatever other starts of it hand over.
pub fn follow(app: &AppHandle, node: Node, first: Presented, mut others: mpsc::Receiver<Presented>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let own = resolve(&node, first).await;
        if !own.is_empty() {
            open(&app, own);
        }
        while let Some(presented) = others.recv().await {
            let wanted = resolve(&node, presented).await;
            open(&app, wanted);
        }
    });
}

async fn resolve(node: &Node, presented: Presented) -> Vec<Opening> {
    let links = presented.links.into_iter().filter(|link| is_ours(link));
    let mut openings: Vec<Opening> = links.map(|link| Opening::Link { link }).collect();
    if !presented.paths.is_empty() {
        let admitted = admit(node, presented.paths.into_iter().map(Into::into).collect()).await;
        openings.push(match admitted {
            Ok(handles) => Opening::Files { handles },
            Err(error) => Opening::Failed { error },
        });
    }
    openings
}

/// Whether this is a link of this program, by its look.
pub fn is_ours(link: &str) -> bool {
    link.len() <= LONGEST_LINK && link.starts_with(LINK) && link.chars().all(|c| c.is_ascii_graphic())
}

const WINDOW: &str = "main";

const EVENT: &str = "opening";

/// How links of this program begin.
pub const LINK: &str = "lanyard:";

/// An invite has some two hundred characters.
const LONGEST_LINK: usize = 2048;

/// More than anybody opens before a page is there.
const WAITING: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_one_of_this_program_or_is_not_opened() {
        assert!(is_ours("lanyard:v1:inv:abc234"));
        let long = format!("{LINK}{}", "a".repeat(3000));
        for other in ["", "https://a.example", "lanyard:two words", "lanyard:\u{202e}abc", &long] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn what_waits_is_taken_once_and_has_a_bound() {
        let openings = Openings::default();
        let rooms = |range: std::ops::Range<usize>| range.map(|n| Opening::Room { room: n.to_string() });
        openings.put(rooms(0..3));
        openings.put(rooms(3..4));
        assert_eq!(openings.take(), rooms(0..4).collect::<Vec<_>>());
        assert_eq!(openings.take(), []);
        openings.put(rooms(0..WAITING + 8));
        assert_eq!(openings.take(), rooms(8..WAITING + 8).collect::<Vec<_>>(), "the newest stay");
    }

    #[test]
    fn the_page_is_told_in_the_words_it_knows() {
        let error = ApiError::new(lanyard_engine::api::ErrorCode::NotFound, "no");
        let cases = [
            (Opening::Room { room: "r".into() }, serde_json::json!({ "kind": "room", "room": "r" })),
            (Opening::Person { peer: "p".into() }, serde_json::json!({ "kind": "person", "peer": "p" })),
            (Opening::Link { link: "l".into() }, serde_json::json!({ "kind": "link", "link": "l" })),
            (Opening::Files { handles: vec![] }, serde_json::json!({ "kind": "files", "handles": [] })),
            (
                Opening::Failed { error },
                serde_json::json!({ "kind": "failed", "error": { "code": "not-found", "message": "no" } }),
            ),
        ];
        for (opening, told) in cases {
            assert_eq!(serde_json::to_value(&opening).unwrap(), told);
        }
    }
}
