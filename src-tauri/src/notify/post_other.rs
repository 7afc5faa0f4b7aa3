//! Puts notifications on the desktop, and hears where it can that somebody clicked on one.

use std::collections::BTreeMap;

use notify_rust::Notification;
use tauri::AppHandle;
use tokio::sync::mpsc;

use super::herald::{About, Notice};
use super::{Heard, Response};
use crate::words::Language;

/// What this program has shown. These desktops keep what was shown in a list of their own and take nothing back.
pub struct Post {
    responses: mpsc::Sender<Response>,
    last: u32,
    standing: BTreeMap<About, u32>,
}

impl Post {
    pub fn open(_app: &AppHandle, responses: mpsc::Sender<Response>) -> Post {
        Post { responses, last: 0, standing: BTreeMap::new() }
    }

    pub async fn show(&mut self, notice: &Notice, _language: Language) {
        // What reads otherwise would be a second one here.
        if !notice.news {
            return;
        }
        self.last = self.last.wrapping_add(1);
        self.standing.insert(notice.about.clone(), self.last);
        let mut shown = Notification::new();
        shown.appname("Lanyard").summary(&notice.title).body(&notice.body);
        #[cfg(windows)]
        shown.app_id(APP_ID);
        let (id, responses) = (self.last, self.responses.clone());
        // It waits for what a person does.
        std::thread::spawn(move || match shown.show() {
            Ok(handle) => hear(handle, id, &responses),
            Err(error) => tracing::debug!(%error, "the desktop shows no notification"),
        });
    }

    pub async fn withdraw(&mut self, about: &About) {
        self.standing.remove(about);
    }

    pub async fn withdraw_all(&mut self) {
        self.standing.clear();
    }

    /// What a response is about, if it is about one of ours. One that was put away stands no longer.
    pub fn heard(&mut self, response: &Response) -> Option<About> {
        let mut of_it = self.standing.iter().filter(|(_, id)| **id == response.id);
        let about = of_it.next().map(|(about, _)| about.clone())?;
        if response.heard == Heard::Closed {
            self.standing.remove(&about);
        }
        Some(about)
    }
}

#[cfg(windows)]
fn hear(handle: notify_rust::NotificationHandle, id: u32, responses: &mpsc::Sender<Response>) {
    use notify_rust::NotificationResponse;
    let told = responses.clone();
    let waited = handle.wait_for_response(move |response: &NotificationResponse| {
        let heard = match response {
            NotificationResponse::Default => Heard::Opened,
            _ => Heard::Closed,
        };
        // The program may be ending.
        let _ = told.blocking_send(Response { id, heard });
    });
    if let Err(error) = waited {
        tracing::debug!(%error, "nothing is heard of a notification");
    }
}

/// A click on it brings the program to the front by itself; to wait for one, this system would show it a second time.
#[cfg(not(windows))]
fn hear(_handle: notify_rust::NotificationHandle, _id: u32, _responses: &mpsc::Sender<Response>) {}

/// What the installer registers.
#[cfg(windows)]
const APP_ID: &str = "app.lanyard.desktop";
