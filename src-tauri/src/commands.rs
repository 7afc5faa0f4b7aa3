//! Everything that the page can ask for.

use std::path::PathBuf;

use lanyard_engine::api::{ApiError, Command, ErrorCode, Event, FileHandle, Reply};
use lanyard_engine::files::Pasted;
use rfd::AsyncFileDialog;
use tauri::ipc::{Channel, Request, Response};
use tauri::{AppHandle, State, WebviewWindow};

use crate::desktop::{self, Desktop};
use crate::events::Subscription;
use crate::links;
use crate::node::Node;
use crate::notify::Desk;
use crate::openings::{Opening, Openings};
use crate::paste;
use crate::preview;
use crate::words::Language;
use lanyard_engine::says;

/// Carries out a command of the engine's API.
#[tauri::command]
pub async fn call(node: State<'_, Node>, command: Command) -> Result<Reply, ApiError> {
    allowed(&command)?;
    node.call(command).await
}

/// Sends every event from now on into the channel, in batches. Answers once none can be missed any more.
#[tauri::command]
pub async fn subscribe(
    node: State<'_, Node>,
    subscription: State<'_, Subscription>,
    channel: Channel<Vec<Event>>,
) -> Result<(), ApiError> {
    let events = node.running().await?.subscribe();
    subscription.replace(node.inner().clone(), events, channel);
    Ok(())
}

/// Lets a person choose files, or folders, and answers with their handles; none when they changed their mind.
#[tauri::command]
pub async fn pick_files(
    window: WebviewWindow,
    node: State<'_, Node>,
    folders: bool,
) -> Result<Vec<FileHandle>, ApiError> {
    let dialog = AsyncFileDialog::new().set_parent(&window);
    let picked = if folders { dialog.pick_folders().await } else { dialog.pick_files().await };
    admit(&node, picked.unwrap_or_default().iter().map(|file| file.path().to_owned()).collect()).await
}

/// Lets a person choose one folder.
#[tauri::command]
pub async fn pick_folder(
    window: WebviewWindow,
    node: State<'_, Node>,
) -> Result<Option<FileHandle>, ApiError> {
    let picked = AsyncFileDialog::new().set_parent(&window).pick_folder().await;
    let handles = admit(&node, picked.iter().map(|folder| folder.path().to_owned()).collect()).await?;
    Ok(handles.into_iter().next())
}

/// Handles for the files that were copied in a file manager; none if there are none on the clipboard.
#[tauri::command]
pub async fn paste_files(node: State<'_, Node>) -> Result<Vec<FileHandle>, ApiError> {
    admit(&node, paste::copied_files().await?).await
}

/// Keeps a picture that was pasted into the page, and answers with its handle. The body is a PNG file, a header its name.
#[tauri::command]
pub async fn paste_picture(
    node: State<'_, Node>,
    pasted: State<'_, Pasted>,
    request: Request<'_>,
) -> Result<FileHandle, ApiError> {
    // A start removes what nobody offers: it must be over.
    node.running().await?;
    let path = paste::picture(&pasted, &request).await?;
    let handles = admit(&node, vec![path]).await?;
    handles.into_iter().next().ok_or_else(|| says!(ErrorCode::Internal, "The picture has no handle."))
}

/// Opens the one file of a received transfer, if its kind can do no harm, else shows where it is.
#[tauri::command]
pub async fn open_file(node: State<'_, Node>, transfer: String) -> Result<(), ApiError> {
    match node.call(Command::Transfers {}).await? {
        Reply::Transfers(transfers) => links::open_file(&transfers, &transfer).await,
        other => Err(unexpected(&other)),
    }
}

/// The bytes of a received picture, or of the beginning of a received text, for the page to show.
#[tauri::command]
pub async fn preview(
    node: State<'_, Node>,
    transfer: String,
    shown: preview::Shown,
) -> Result<Response, ApiError> {
    match node.call(Command::Transfers {}).await? {
        Reply::Transfers(transfers) => preview::read(&transfers, &transfer, shown).await.map(Response::new),
        other => Err(unexpected(&other)),
    }
}

/// Shows where the files of a received transfer are.
#[tauri::command]
pub async fn reveal(node: State<'_, Node>, transfer: String) -> Result<(), ApiError> {
    match node.call(Command::Transfers {}).await? {
        Reply::Transfers(transfers) => links::reveal(&transfers, &transfer).await,
        other => Err(unexpected(&other)),
    }
}

/// Opens a link outside of this program.
#[tauri::command]
pub async fn open_link(url: String) -> Result<(), ApiError> {
    links::open(&url).await
}

/// What the page is to open, each once. The event `opening` says that there is something.
#[tauri::command]
pub fn take_openings(openings: State<'_, Openings>) -> Vec<Opening> {
    openings.take()
}

/// The conversation that is open in the page, so that nothing is told of what a person has before them.
#[tauri::command]
pub fn look_at(desk: State<'_, Desk>, room: Option<String>) {
    desk.look_at(room);
}

/// The language of the page, for what is said outside of it.
#[tauri::command(async)]
pub fn speak(desk: State<'_, Desk>, desktop: State<'_, Desktop>, language: Language) -> Result<(), ApiError> {
    desk.speak(language);
    desktop.change(|kept| kept.language = language)
}

/// How the program behaves on this desktop.
#[tauri::command]
pub async fn desktop(app: AppHandle) -> desktop::State {
    desktop::state(&app).await
}

/// Chooses how, and answers with what holds from now on.
#[tauri::command]
pub async fn set_desktop(app: AppHandle, choice: desktop::Choice) -> Result<desktop::State, ApiError> {
    desktop::choose(&app, &choice)?;
    Ok(desktop::state(&app).await)
}

/// Turns paths that a person chose into handles.
///
/// # Errors
/// What the engine says, and [`ErrorCode::Invalid`] for a path that is no text.
pub async fn admit(node: &Node, paths: Vec<PathBuf>) -> Result<Vec<FileHandle>, ApiError> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let paths = paths.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
    match node.call(Command::Admit { paths }).await? {
        Reply::Handles(handles) => Ok(handles),
        other => Err(unexpected(&other)),
    }
}

/// What a page must not ask for, whatever runs in it: a path is a person's choice, made outside of the page.
fn allowed(command: &Command) -> Result<(), ApiError> {
    match command {
        Command::Admit { .. } => {
            Err(says!(ErrorCode::Refused, "Files are chosen by picking or dropping them."))
        }
        _ => Ok(()),
    }
}

fn text(path: PathBuf) -> Result<String, ApiError> {
    path.into_os_string().into_string().map_err(|path| {
        let shown = path.to_string_lossy().into_owned();
        says!(ErrorCode::Invalid, "The name {shown} is not readable text. Rename it, then try again.", shown)
    })
}

fn unexpected(reply: &Reply) -> ApiError {
    tracing::error!(?reply, "the engine answered something else than was asked");
    says!(ErrorCode::Internal, "Lanyard gave itself a wrong answer. Start it again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_cannot_name_paths() {
        let admit = Command::Admit { paths: vec!["/etc/passwd".to_owned()] };
        assert_eq!(allowed(&admit).unwrap_err().code, ErrorCode::Refused);
    }

    #[test]
    fn a_page_cannot_name_paths_in_the_form_it_sends_either() {
        let sent = serde_json::json!({ "method": "admit", "params": { "paths": ["/etc/passwd"] } });
        let command: Command = serde_json::from_value(sent).unwrap();
        assert_eq!(allowed(&command).unwrap_err().code, ErrorCode::Refused);
    }

    #[test]
    fn a_page_can_ask_for_the_rest() {
        let say = Command::Say { to: "#lobby".to_owned(), text: "hello".to_owned(), reply: None };
        for command in [Command::Snapshot {}, Command::Transfers {}, say] {
            assert_eq!(allowed(&command), Ok(()));
        }
    }
}
