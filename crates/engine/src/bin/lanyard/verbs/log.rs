//! `lanyard log`, `lanyard search`: reading what was said.

use std::collections::BTreeMap;

use lanyard_engine::Events;
use lanyard_engine::api::{
    ApiError, Command, Event, Found, Message, MessageKind, NoteKind, Page, Reply, Room, RoomKind,
};
use lanyard_engine::control::Node;

use super::{all_rooms, ask, call_when_found, misunderstood, next};
use crate::args::Log;
use crate::failure::{Exit, Failure};
use crate::output::{Output, QUIET, STRONG, paint};
use crate::text;
use crate::when;

pub async fn run(node: &Node, out: Output, wanted: Log) -> Result<(), Failure> {
    let mut events = node.subscribe();
    let since = wanted.since.as_deref().map(since).transpose()?;
    let room: Room = ask!(call_when_found(node, Command::Open { to: wanted.to }) => Room)?;
    let mut printer = Printer { out, ids: wanted.ids, printed: BTreeMap::new() };
    if let Some(words) = wanted.search {
        let mut found = found(node, words, Some(room.id), None, wanted.limit).await?;
        found.reverse();
        return printer.print(found);
    }
    if wanted.pins {
        let page: Page = ask!(node.call(Command::Pins { room: room.id }) => Page)?;
        return printer.print(page.messages.into_iter().take(wanted.limit as usize));
    }
    match since {
        Some(since) => print_since(node, &room.id, since, &mut printer).await?,
        None => printer.print(latest(node, &room.id, wanted.limit).await?)?,
    }
    if wanted.follow { follow(node, &room, &mut events, &mut printer).await } else { Ok(()) }
}

pub async fn search(
    node: &Node,
    out: Output,
    words_of: String,
    to: Option<String>,
    from: Option<String>,
    limit: u32,
) -> Result<(), Failure> {
    let rooms: BTreeMap<String, Room> =
        all_rooms(node).await?.into_iter().map(|room| (room.id.clone(), room)).collect();
    for message in found(node, words_of, to, from, limit).await? {
        let room = rooms.get(&message.room).map(title).unwrap_or_default();
        out.item(&message, |message| {
            format!("{}  {}  {}", paint(QUIET, text::short(&message.id)), room, words(message))
        })?;
    }
    Ok(())
}

async fn found(
    node: &Node,
    words_of: String,
    to: Option<String>,
    from: Option<String>,
    limit: u32,
) -> Result<Vec<Message>, ApiError> {
    let mut messages: Vec<Message> = Vec::new();
    while (messages.len() as u32) < limit {
        let command = Command::Search {
            text: words_of.clone(),
            to: to.clone(),
            from: from.clone(),
            before: messages.last().map(|message| message.cursor.clone()),
            limit: (limit - messages.len() as u32).min(FOUND),
        };
        let found: Found = ask!(node.call(command) => Found)?;
        let ended = !found.more || found.messages.is_empty();
        messages.extend(found.messages);
        if ended {
            break;
        }
    }
    Ok(messages)
}

async fn follow(node: &Node, room: &Room, events: &mut Events, printer: &mut Printer) -> Result<(), Failure> {
    loop {
        match next(events).await {
            Event::Message { message } | Event::MessageChanged { message } if message.room == room.id => {
                printer.print([message])?;
            }
            Event::Lagged { .. } => printer.print(latest(node, &room.id, PAGE).await?)?,
            _ => {}
        }
    }
}

/// Prints each message once, and again when it reads otherwise.
struct Printer {
    out: Output,
    ids: bool,
    /// How messages read that were printed.
    printed: BTreeMap<String, Message>,
}

impl Printer {
    fn print(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<(), Failure> {
        for message in messages {
            let before = self.printed.get(&message.id);
            if before.is_some_and(|before| reads_alike(before, &message)) {
                continue;
            }
            let ids = self.ids;
            self.out.item(&message, |message| {
                let line = match before {
                    Some(before) => changed(before, message),
                    None => words(message),
                };
                if ids { format!("{}  {line}", paint(QUIET, text::short(&message.id))) } else { line }
            })?;
            self.printed.insert(message.id.clone(), message);
            if self.printed.len() > MAX_PRINTED {
                self.forget_oldest();
            }
        }
        Ok(())
    }

    fn forget_oldest(&mut self) {
        let oldest = self.printed.values().min_by(|one, other| one.cursor.cmp(&other.cursor));
        if let Some(id) = oldest.map(|message| message.id.clone()) {
            self.printed.remove(&id);
        }
    }
}

/// Whether nothing changed that is printed; who holds a message is not.
fn reads_alike(one: &Message, other: &Message) -> bool {
    let bare = |message: &Message| Message { delivered: None, name: String::new(), ..message.clone() };
    bare(one) == bare(other)
}

async fn print_since(node: &Node, room: &str, since: u64, printer: &mut Printer) -> Result<(), Failure> {
    let (mut at, mut after) = (Some(since), None);
    loop {
        let command =
            Command::Log { to: room.to_owned(), before: None, after, at, around: None, limit: PAGE };
        let page: Page = ask!(node.call(command) => Page)?;
        after = page.messages.last().map(|message| message.cursor.clone());
        at = None;
        printer.print(page.messages)?;
        if !page.newer || after.is_none() {
            return Ok(());
        }
    }
}

/// The newest messages, oldest first.
async fn latest(node: &Node, room: &str, limit: u32) -> Result<Vec<Message>, ApiError> {
    let mut messages: Vec<Message> = Vec::new();
    let mut left = limit;
    while left > 0 {
        let before = messages.first().map(|message| message.cursor.clone());
        let command = Command::Log {
            to: room.to_owned(),
            before,
            after: None,
            at: None,
            around: None,
            limit: left.min(PAGE),
        };
        let page: Page = ask!(node.call(command) => Page)?;
        left = left.saturating_sub(u32::try_from(page.messages.len()).unwrap_or(u32::MAX));
        let more = page.more && !page.messages.is_empty();
        messages.splice(0..0, page.messages);
        if !more {
            break;
        }
    }
    Ok(messages)
}

fn since(when: &str) -> Result<u64, Failure> {
    let sentence =
        || format!("“{when}” is no time. Write 2h or 3d, 14:30, 2026-11-20, or 2026-11-20T14:30:00Z.");
    when::milliseconds(when, &jiff::Zoned::now()).ok_or_else(|| Failure::new(Exit::WrongUse, sentence()))
}

pub fn title(room: &Room) -> String {
    let name = text::line(&room.name);
    match room.kind {
        RoomKind::Direct => format!("@{name}"),
        RoomKind::Lobby | RoomKind::Open | RoomKind::Private => format!("#{name}"),
    }
}

/// A message as a person reads it.
pub fn words(message: &Message) -> String {
    let time = paint(QUIET, &text::moment(message.time));
    let name = paint(STRONG, &text::line(&message.name));
    let answered = message.reply.as_ref().map(|quote| {
        let what = match quote {
            quote if quote.deleted => "what was taken back".to_owned(),
            quote if quote.author.is_empty() => "a message that is not here".to_owned(),
            quote => {
                let text = text::line(quote.text.lines().next().unwrap_or_default());
                format!("{}: {text}", text::line(&quote.name))
            }
        };
        paint(QUIET, &format!("[answers {what}] "))
    });
    format!("{time}  {name}: {}{}{}", answered.unwrap_or_default(), said(message), beside(message))
}

/// What a message says, whoever wrote it.
pub fn said(message: &Message) -> String {
    if message.deleted {
        return paint(QUIET, "(taken back)");
    }
    match message.kind {
        MessageKind::Text => text::paragraph(&message.text, "    "),
        MessageKind::Offer => {
            let hint = message.transfer.as_deref().filter(|_| !message.mine);
            let hint = hint.map(|id| paint(QUIET, &format!("  lanyard accept {}", text::short(id))));
            format!("offers {}{}", text::line(&message.text), hint.unwrap_or_default())
        }
        MessageKind::Note => happened(message),
        MessageKind::Sealed => paint(QUIET, "(sealed with a key that is not here)"),
        MessageKind::Unknown => paint(QUIET, "(written by a newer version)"),
    }
}

fn happened(message: &Message) -> String {
    let Some(note) = &message.note else { return String::new() };
    let who = note.name.as_deref().map(text::line).unwrap_or_default();
    match note.kind {
        NoteKind::Created => "began the room".to_owned(),
        NoteKind::Topic if note.text.is_empty() => "took the topic away".to_owned(),
        NoteKind::Topic => format!("set the topic: {}", text::line(&note.text)),
        NoteKind::Added => format!("let {who} in"),
        NoteKind::Joined => "came by an invite".to_owned(),
        NoteKind::Removed => format!("put {who} out"),
        NoteKind::Left => "left".to_owned(),
        NoteKind::Promoted => format!("made {who} an admin"),
        NoteKind::Demoted => format!("made {who} a member"),
        NoteKind::KeysRenewed => "changed the room's keys".to_owned(),
        NoteKind::Forked => "wrote from two devices under one identity".to_owned(),
    }
}

/// What stands behind a message: marks and reactions.
fn beside(message: &Message) -> String {
    let marks = [
        message.edited.filter(|_| !message.deleted).map(|_| "edited".to_owned()),
        message.pinned.then(|| "pinned".to_owned()),
        message.late.then(|| "late".to_owned()),
    ];
    let mut marks: Vec<String> = marks.into_iter().flatten().collect();
    marks.extend(
        message
            .reactions
            .iter()
            .map(|reaction| format!("{} {}", text::line(&reaction.emoji), reaction.by.len())),
    );
    if marks.is_empty() { String::new() } else { paint(QUIET, &format!("  ({})", marks.join(", "))) }
}

/// What changed about a message that was printed before.
fn changed(before: &Message, now: &Message) -> String {
    let what = match () {
        () if now.deleted && !before.deleted => "took back",
        () if now.text != before.text => "edited",
        () if now.reactions != before.reactions => "reactions on",
        () if now.pinned && !before.pinned => "pinned",
        () if before.pinned && !now.pinned => "unpinned",
        () => "changed",
    };
    let shown = if now.deleted { words(before) } else { words(now) };
    format!("{} {shown}", paint(QUIET, &format!("{what}:")))
}

/// The most that one question to the node may ask for.
const PAGE: u32 = 500;

/// The most that one search may ask for.
const FOUND: u32 = 200;

/// Messages of a followed room whose changes are told in words.
const MAX_PRINTED: usize = 10_000;
