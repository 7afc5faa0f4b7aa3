//! Notifications: follows the engine's events, and tells a person what they should know while they look elsewhere.

mod herald;
#[cfg_attr(target_os = "linux", path = "notify/post_linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "notify/post_other.rs")]
mod post;

use std::time::Duration;

use lanyard_engine::Events;
use lanyard_engine::api::{Command, Event, Reply};
use tauri::{AppHandle, Manager};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use self::herald::{About, Herald, Notice, Order};
use self::post::Post;
use crate::node::Node;
use crate::openings::{self, Opening};
use crate::words::Language;

/// What a person looks at: told by the window and its page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attention {
    /// Whether the window gets what is typed.
    pub focused: bool,
    /// The conversation that is open in it.
    pub room: Option<String>,
}

/// Keeps what a person looks at, the language that is spoken to them, and what the shell itself has to say.
pub struct Desk {
    attention: watch::Sender<Attention>,
    language: watch::Sender<Language>,
    notes: mpsc::Sender<(&'static str, &'static str)>,
}

/// What a person did with a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Response {
    /// The desktop's number of it.
    id: u32,
    heard: Heard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Opened,
    Closed,
}

impl Desk {
    pub fn focus(&self, focused: bool) {
        self.attention
            .send_if_modified(|attention| std::mem::replace(&mut attention.focused, focused) != focused);
    }

    pub fn look_at(&self, room: Option<String>) {
        self.attention.send_if_modified(|attention| {
            let changed = attention.room != room;
            attention.room = room;
            changed
        });
    }

    pub fn speak(&self, language: Language) {
        self.language.send_if_modified(|spoken| std::mem::replace(spoken, language) != language);
    }

    pub fn language(&self) -> watch::Receiver<Language> {
        self.language.subscribe()
    }

    /// Says something of the shell's own: title and text. Where so much waits already it is left out.
    pub fn note(&self, note: (&'static str, &'static str)) {
        if self.notes.try_send(note).is_err() {
            tracing::debug!("a note was not shown");
        }
    }
}

/// Tells of what happens until the engine has ended.
pub fn follow(app: &AppHandle, node: Node, language: Language) {
    let (attention, mut watched) = watch::channel(Attention::default());
    let (language, spoken) = watch::channel(language);
    let (notes, mut noted) = mpsc::channel(NOTES);
    app.manage(Desk { attention, language, notes });
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let (responses, mut responded) = mpsc::channel(RESPONSES);
        let mut post = Post::open(&app, responses);
        let Ok(handle) = node.running().await else { return };
        let mut events = handle.subscribe();
        let mut herald = Herald::default();
        begin(&node, &mut herald).await;
        loop {
            tokio::select! {
                told = until_told(&mut events, &mut herald) => match told {
                    Told::Changed => {}
                    Told::Lagged => begin(&node, &mut herald).await,
                    Told::Ended => break,
                },
                Ok(()) = watched.changed() => {
                    let now = watched.borrow_and_update().clone();
                    herald.watch(now.focused, now.room);
                }
                Some(response) = responded.recv() => {
                    if let Some(about) = post.heard(&response) {
                        act(&app, &mut herald, about, response.heard);
                    }
                }
                Some((title, body)) = noted.recv() => {
                    let language = *spoken.borrow();
                    let (title, body) = (title.to_owned(), body.to_owned());
                    let notice = Notice { about: About::Program, title, body, news: true };
                    post.show(&notice, language).await;
                }
            }
            let language = *spoken.borrow();
            for order in herald.orders(language) {
                match order {
                    Order::Show(notice) => post.show(&notice, language).await,
                    Order::Withdraw(about) => post.withdraw(&about).await,
                }
            }
        }
        // Nobody would be there any more to open what they speak of.
        post.withdraw_all().await;
    });
}

fn act(app: &AppHandle, herald: &mut Herald, about: About, heard: Heard) {
    match (heard, about) {
        (Heard::Closed, about) => herald.dismissed(&about),
        (Heard::Opened, About::Room(room) | About::Call(room)) => {
            openings::open(app, [Opening::Room { room }])
        }
        (Heard::Opened, About::Changed(peer)) => openings::open(app, [Opening::Person { peer }]),
        // Who asks for a comparison is shown by the window itself.
        (Heard::Opened, About::Comparison(_) | About::Program) => openings::raise(app),
    }
}

enum Told {
    Changed,
    Lagged,
    Ended,
}

/// Waits for an event, then takes in what comes within [`PAUSE`]: who says five things in a row is told of once.
async fn until_told(events: &mut Events, herald: &mut Herald) -> Told {
    let Some(first) = events.next().await else { return Told::Ended };
    let until = Instant::now() + PAUSE;
    let mut next = first;
    loop {
        if matches!(next, Event::Lagged { .. }) {
            return Told::Lagged;
        }
        herald.take(&next);
        next = match timeout_at(until, events.next()).await {
            Ok(Some(event)) => event,
            Ok(None) => return Told::Ended,
            Err(_) => return Told::Changed,
        };
    }
}

async fn begin(node: &Node, herald: &mut Herald) {
    if let Ok(Reply::Snapshot(snapshot)) = node.call(Command::Snapshot {}).await {
        herald.begin(&snapshot);
    }
}

/// Also long enough for a page that has the conversation open to say so.
const PAUSE: Duration = Duration::from_millis(300);

/// What people do with notifications comes one by one.
const RESPONSES: usize = 16;

/// The shell has hardly anything to say of its own.
const NOTES: usize = 4;
