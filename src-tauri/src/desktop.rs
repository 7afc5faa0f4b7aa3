//! How the program behaves on this desktop: what a person chose, kept beside the profile's database.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lanyard_engine::api::{ApiError, ErrorCode};
use lanyard_engine::says;
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Manager};
use tauri_plugin_autostart::ManagerExt as _;

use crate::tray::Tray;
use crate::words::Language;

/// What is kept from run to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Kept {
    /// Closing the window leaves the program in the tray, where there is one.
    pub close_to_tray: bool,
    /// Whether it was said that the program goes on there.
    pub told_of_tray: bool,
    pub language: Language,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept { close_to_tray: true, told_of_tray: false, language: Language::default() }
    }
}

/// What a person sees of it, and of what the system keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Whether this desktop has a tray right now.
    tray: bool,
    close_to_tray: bool,
    /// Absent where this system cannot start programs by itself.
    start_at_login: Option<bool>,
}

/// A choice; what is absent stays.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Choice {
    close_to_tray: Option<bool>,
    start_at_login: Option<bool>,
}

/// Reaches what is kept.
pub struct Desktop {
    file: PathBuf,
    kept: Mutex<Kept>,
}

impl Desktop {
    /// Reads what was kept; what cannot be read was never chosen.
    pub fn of(profile: &Path) -> Desktop {
        let file = profile.join("desktop.json");
        let kept = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, "the choices for this desktop cannot be read");
                Kept::default()
            }),
            Err(_) => Kept::default(),
        };
        Desktop { file, kept: Mutex::new(kept) }
    }

    pub fn kept(&self) -> Kept {
        self.lock().clone()
    }

    /// Changes what is kept.
    ///
    /// # Errors
    /// [`ErrorCode::Storage`] when it cannot be written; it holds for this run all the same.
    pub fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<(), ApiError> {
        let mut kept = self.lock();
        let before = kept.clone();
        change(&mut kept);
        if *kept == before {
            return Ok(());
        }
        write(&self.file, &kept).map_err(|error| {
            let file = self.file.display().to_string();
            says!(ErrorCode::Storage, "The choice could not be kept in {file}: {error}.", file, error)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How things are now.
pub async fn state(app: &AppHandle) -> State {
    let kept = app.state::<Desktop>().kept();
    let start_at_login = app.autolaunch().is_enabled();
    let start_at_login = start_at_login
        .inspect_err(|error| tracing::info!(%error, "this system starts no programs by itself"))
        .ok();
    State { tray: app.state::<Tray>().is_there().await, close_to_tray: kept.close_to_tray, start_at_login }
}

/// Carries out a choice.
///
/// # Errors
/// [`ErrorCode::Storage`] when the system or the disk does not keep it.
pub fn choose(app: &AppHandle, choice: &Choice) -> Result<(), ApiError> {
    if let Some(close_to_tray) = choice.close_to_tray {
        app.state::<Desktop>().change(|kept| kept.close_to_tray = close_to_tray)?;
    }
    if let Some(start) = choice.start_at_login {
        let launch = app.autolaunch();
        let set = if start { launch.enable() } else { launch.disable() };
        set.map_err(|error| {
            let error = error.to_string();
            says!(
                ErrorCode::Storage,
                "This system did not keep the choice to start at login: {error}.",
                error
            )
        })?;
    }
    Ok(())
}

/// All of it or nothing: the old file stays until the new one is whole.
fn write(file: &Path, kept: &Kept) -> io::Result<()> {
    let unfinished = file.with_extension("json.new");
    let mut new = fs::File::create(&unfinished)?;
    new.write_all(&serde_json::to_vec_pretty(kept)?)?;
    new.sync_all()?;
    fs::rename(unfinished, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_is_found_again() {
        let profile = tempfile::tempdir().unwrap();
        let desktop = Desktop::of(profile.path());
        assert_eq!(desktop.kept(), Kept::default());
        let change = |kept: &mut Kept| {
            kept.close_to_tray = false;
            kept.language = Language::Chinese;
        };
        desktop.change(change).unwrap();
        let again = Desktop::of(profile.path()).kept();
        assert_eq!(again, Kept { close_to_tray: false, told_of_tray: false, language: Language::Chinese });
    }

    #[test]
    fn a_file_that_makes_no_sense_is_no_choice() {
        let profile = tempfile::tempdir().unwrap();
        for text in ["", "[]", "{\"closeToTray\": 3}", "{\"language\": \"fr\"}"] {
            fs::write(profile.path().join("desktop.json"), text).unwrap();
            assert_eq!(Desktop::of(profile.path()).kept(), Kept::default(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_kept_is_said_and_holds_until_the_end() {
        let place = tempfile::tempdir().unwrap();
        let desktop = Desktop::of(&place.path().join("nowhere"));
        let error = desktop.change(|kept| kept.close_to_tray = false).unwrap_err();
        assert_eq!(error.code, ErrorCode::Storage);
        assert!(error.message.contains("desktop.json"), "{error}");
        assert!(!desktop.kept().close_to_tray);
    }
}
