//! Puts notifications on the desktop over D-Bus, and hears what people do with them.
//!
//! Spoken directly, since they have to be replaced and withdrawn one by one and a click on each has to be heard, which the
//! plugin for notifications does not do. <https://specifications.freedesktop.org/notification-spec/latest/>

use std::collections::{BTreeMap, HashMap};

use gio::glib::{self, ToVariant as _, Variant};
use gio::{DBusConnection, DBusSignalFlags};
use tauri::AppHandle;
use tokio::sync::mpsc;

use super::herald::{About, Notice};
use super::{Heard, Response};
use crate::bus::{self, Object};
use crate::words::Language;

/// What is on the desktop of this program. Without a desktop that shows any it does nothing.
pub struct Post {
    bus: Option<DBusConnection>,
    /// The desktop's number of each, by what it is about.
    standing: BTreeMap<About, u32>,
}

impl Post {
    pub fn open(app: &AppHandle, responses: mpsc::Sender<Response>) -> Post {
        let bus = bus::session();
        if let Some(bus) = bus.clone()
            && let Err(error) = app.run_on_main_thread(move || listen(&bus, responses))
        {
            tracing::warn!(%error, "nothing is heard of notifications");
        }
        Post { bus, standing: BTreeMap::new() }
    }

    /// Shows a notification, in place of the one about the same.
    pub async fn show(&mut self, notice: &Notice, language: Language) {
        let Some(bus) = &self.bus else { return };
        let replaces = self.standing.get(&notice.about).copied().unwrap_or(0);
        match show(bus, notice, replaces, language).await {
            Ok(id) => {
                self.standing.insert(notice.about.clone(), id);
            }
            Err(error) => tracing::debug!(%error, "the desktop shows no notification"),
        }
    }

    pub async fn withdraw(&mut self, about: &About) {
        let (Some(bus), Some(id)) = (&self.bus, self.standing.remove(about)) else { return };
        if let Err(error) = bus::ask(bus, NOTIFICATIONS, "CloseNotification", (id,).to_variant(), "()").await
        {
            tracing::debug!(%error, "the desktop keeps a notification");
        }
    }

    pub async fn withdraw_all(&mut self) {
        let all: Vec<About> = self.standing.keys().cloned().collect();
        for about in all {
            self.withdraw(&about).await;
        }
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

/// Hears of all notifications on this desktop; whose each is, is known by its number.
fn listen(bus: &DBusConnection, responses: mpsc::Sender<Response>) {
    let Object { service, path, interface } = NOTIFICATIONS;
    let hear = move |signal: &str, parameters: &Variant| {
        let response = match signal {
            "ActionInvoked" => {
                let (id, action) = parameters.get::<(u32, String)>()?;
                (action == DEFAULT).then_some(Response { id, heard: Heard::Opened })?
            }
            "NotificationClosed" => {
                let (id, _) = parameters.get::<(u32, u32)>()?;
                Response { id, heard: Heard::Closed }
            }
            _ => return None,
        };
        responses.try_send(response).ok()
    };
    bus.signal_subscribe(
        Some(service),
        Some(interface),
        None,
        Some(path),
        None,
        DBusSignalFlags::NONE,
        move |_, _, _, _, signal, parameters| {
            if hear(signal, parameters).is_none() {
                tracing::trace!(signal, "nothing to do for this");
            }
        },
    );
}

async fn show(
    bus: &DBusConnection,
    notice: &Notice,
    replaces: u32,
    language: Language,
) -> Result<u32, glib::Error> {
    // Asked each time, for desktops can be changed while programs run.
    let capabilities = bus::ask(bus, NOTIFICATIONS, "GetCapabilities", ().to_variant(), "(as)").await?;
    let capabilities = capabilities.get::<(Vec<String>,)>().unwrap_or_default().0;
    let markup = capabilities.iter().any(|capability| capability == "body-markup");
    let body = if markup { without_markup(&notice.body) } else { notice.body.clone() };
    let mut hints =
        HashMap::from([("desktop-entry", "lanyard".to_variant()), ("category", "im.received".to_variant())]);
    if !notice.news {
        hints.insert("suppress-sound", true.to_variant());
    }
    let actions = vec![DEFAULT, language.open()];
    let notice = ("Lanyard", replaces, "lanyard", &notice.title, body, actions, hints, -1_i32).to_variant();
    let shown = bus::ask(bus, NOTIFICATIONS, "Notify", notice, "(u)").await?;
    Ok(shown.get::<(u32,)>().unwrap_or_default().0)
}

/// Others' words as they are, on a desktop that would take signs in them for marks, links and pictures.
fn without_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const NOTIFICATIONS: Object = Object {
    service: "org.freedesktop.Notifications",
    path: "/org/freedesktop/Notifications",
    interface: "org.freedesktop.Notifications",
};

/// What a desktop calls it when the notification itself is clicked on.
const DEFAULT: &str = "default";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_is_no_markup() {
        let hostile = "<img src=\"file:///etc/passwd\"/> <a href='http://a.example'>&amp;</a>";
        let shown = without_markup(hostile);
        assert!(!shown.contains(['<', '>']));
        assert!(shown.starts_with("&lt;img") && shown.contains("&amp;amp;"), "{shown}");
    }
}
