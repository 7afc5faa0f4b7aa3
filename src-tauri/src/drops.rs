//! Files dragged over the window: the page learns where they are, and gets handles once they are dropped.

use std::path::PathBuf;

use lanyard_engine::api::{ApiError, FileHandle};
use serde::Serialize;
use tauri::{DragDropEvent, Emitter, Manager, PhysicalPosition, Window};

use crate::commands::admit;
use crate::node::Node;

/// What the page hears as the event [`EVENT`]. Places are in CSS pixels from the top left of the page.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Dragged {
    Enter {
        x: f64,
        y: f64,
    },
    Over {
        x: f64,
        y: f64,
    },
    Leave,
    Drop {
        x: f64,
        y: f64,
        handles: Vec<FileHandle>,
    },
    /// What was dropped cannot be taken.
    Failed {
        error: ApiError,
    },
}

/// Tells the page of a drag over its window.
pub fn forward(window: &Window, event: &DragDropEvent) {
    let scale = window.scale_factor().unwrap_or(1.0);
    match event {
        DragDropEvent::Enter { position, .. } => {
            let (x, y) = css_pixels(*position, scale);
            emit(window, Dragged::Enter { x, y });
        }
        DragDropEvent::Over { position } => {
            let (x, y) = css_pixels(*position, scale);
            emit(window, Dragged::Over { x, y });
        }
        DragDropEvent::Leave => emit(window, Dragged::Leave),
        DragDropEvent::Drop { paths, position } => {
            tauri::async_runtime::spawn(dropped(window.clone(), paths.clone(), css_pixels(*position, scale)));
        }
        _ => {}
    }
}

async fn dropped(window: Window, paths: Vec<PathBuf>, (x, y): (f64, f64)) {
    let outcome = match admit(&window.state::<Node>(), paths).await {
        Ok(handles) => Dragged::Drop { x, y, handles },
        Err(error) => Dragged::Failed { error },
    };
    emit(&window, outcome);
}

fn emit(window: &Window, dragged: Dragged) {
    if let Err(error) = window.emit_to(window.label(), EVENT, dragged) {
        tracing::debug!(%error, "the page did not hear of a drag");
    }
}

/// GTK and Cocoa tell the place in CSS pixels already, under the name of physical ones; Windows does as it says.
fn css_pixels(position: PhysicalPosition<f64>, scale: f64) -> (f64, f64) {
    if cfg!(windows) { position.to_logical::<f64>(scale).into() } else { position.into() }
}

const EVENT: &str = "drop";

#[cfg(test)]
mod tests {
    use super::*;
    use lanyard_engine::api::ErrorCode;
    use serde_json::json;

    #[test]
    fn the_page_is_told_in_the_words_it_knows() {
        let handle = FileHandle { handle: "h1".to_owned(), name: "a.txt".to_owned(), folder: false, size: 3 };
        let cases = [
            (Dragged::Enter { x: 1.0, y: 2.0 }, json!({ "kind": "enter", "x": 1.0, "y": 2.0 })),
            (Dragged::Over { x: 1.5, y: 2.0 }, json!({ "kind": "over", "x": 1.5, "y": 2.0 })),
            (Dragged::Leave, json!({ "kind": "leave" })),
            (
                Dragged::Drop { x: 1.0, y: 2.0, handles: vec![handle] },
                json!({ "kind": "drop", "x": 1.0, "y": 2.0, "handles":
                    [{ "handle": "h1", "name": "a.txt", "folder": false, "size": 3 }] }),
            ),
            (
                Dragged::Failed { error: ApiError::new(ErrorCode::Storage, "no") },
                json!({ "kind": "failed", "error": { "code": "storage", "message": "no" } }),
            ),
        ];
        for (dragged, told) in cases {
            assert_eq!(serde_json::to_value(&dragged).unwrap(), told);
        }
    }
}
