//! `lanyard log`, `lanyard search`: reading what was said.

use std::collections::{BTreeMap, BTreeSet};

use lanyard_engine::Events;
use lanyard_engine::api::{
    ApiError, Arrived, Command, Delivery, ErrorCode, Event, Found, Message, MessageKind, NoteKind, Page,
    Reply, Room, RoomKind,
};
use lanyard_engine::control::Node;

use super::arrivals::{Arrivals, Told};
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
    let mut printer = Printer { out, ids: wanted.ids, told: Told::default() };
    let part = Part { since, limit: wanted.limit };
    if wanted.pins {
        let page: Page = ask!(node.call(Command::Pins { room: room.id }) => Page)?;
        let pinned = page.messages.into_iter().filter(|message| part.reaches(message));
        return printer.print(pinned.take(part.most()));
    }
    // What has arrived by now is printed first, in the order of the room; what arrives from here on behind it.
    let arrivals = if wanted.follow { Some(Arrivals::from_now(node, &room.id).await?) } else { None };
    let until = arrivals.as_ref().and_then(Arrivals::read);
    match (&wanted.search, part) {
        (Some(words), part) => {
            let to = Some(room.id.clone());
            let mut found = found(node, words.clone(), to, None, part).await?;
            found.reverse();
            printer.print(found)?;
        }
        (None, Part { since: Some(since), limit: None }) => {
            print_since(node, &room.id, since, until.as_ref(), &mut printer).await?;
        }
        (None, part) => printer.print(latest(node, &room.id, part, until.as_ref()).await?)?,
    }
    match arrivals {
        Some(arrivals) => {
            let words = wanted.search;
            Follower { node, room: &room, words, arrivals, printer }.follow(&mut events).await
        }
        None => Ok(()),
    }
}

/// How much of what was said is wanted.
#[derive(Clone, Copy)]
struct Part {
    /// Milliseconds since 1970.
    since: Option<u64>,
    limit: Option<u32>,
}

impl Part {
    fn most(self) -> usize {
        match (self.limit, self.since) {
            (Some(limit), _) => limit as usize,
            (None, Some(_)) => usize::MAX,
            (None, None) => LATEST,
        }
    }

    fn reaches(self, message: &Message) -> bool {
        self.since.is_none_or(|since| message.time >= since)
    }
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
    let part = Part { since: None, limit: Some(limit) };
    for message in found(node, words_of, to, from, part).await? {
        let room = rooms.get(&message.room).map(title).unwrap_or_default();
        out.item(&message, |message| {
            format!("{}  {}  {}", paint(QUIET, text::short(&message.id)), room, words(message))
        })?;
    }
    Ok(())
}

/// Newest first.
async fn found(
    node: &Node,
    words_of: String,
    to: Option<String>,
    from: Option<String>,
    part: Part,
) -> Result<Vec<Message>, ApiError> {
    let mut messages: Vec<Message> = Vec::new();
    while messages.len() < part.most() {
        let command = Command::Search {
            text: words_of.clone(),
            to: to.clone(),
            from: from.clone(),
            before: messages.last().map(|message| message.cursor.clone()),
            limit: u32::try_from(part.most() - messages.len()).unwrap_or(u32::MAX).min(FOUND),
        };
        let Found { messages: found, more } = ask!(node.call(command) => Found)?;
        let (before, came) = (messages.len(), found.len());
        messages.extend(found.into_iter().take_while(|message| part.reaches(message)));
        if !more || came == 0 || messages.len() < before + came {
            break;
        }
    }
    Ok(messages)
}

/// Goes on with what arrives in a room, in the order in which it does, and with what changes there.
struct Follower<'a> {
    node: &'a Node,
    room: &'a Room,
    /// Only what contains these.
    words: Option<String>,
    arrivals: Arrivals,
    printer: Printer,
}

impl Follower<'_> {
    async fn follow(mut self, events: &mut Events) -> Result<(), Failure> {
        loop {
            self.catch_up().await?;
            match self.next(events).await {
                Event::MessageChanged { message } => {
                    self.catch_up().await?;
                    // Events wait for whoever is slow, and say how a message read then. What it reads now is asked for, where
                    // that was not among what arrived: a key came, or there are two versions.
                    if !self.printer.told.reads_so(&message) {
                        let now = current(self.node, &message).await?;
                        self.changed(now).await?;
                    }
                }
                Event::Lagged { .. } => {
                    self.catch_up().await?;
                    // A key that came lets messages read otherwise although nothing arrived.
                    let (until, part) = (self.arrivals.read(), Part { since: None, limit: Some(PAGE) });
                    let latest = latest(self.node, &self.room.id, part, until.as_ref()).await?;
                    self.changed(latest).await?;
                }
                _ => {}
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), Failure> {
        loop {
            let Arrived { messages, changed, more, .. } = self.arrivals.next(self.node).await?;
            let wanted = self.wanted(messages).await?;
            self.printer.print(wanted)?;
            self.changed(changed).await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Prints those that read otherwise than they did, of those that are wanted or were when they were printed.
    async fn changed(&mut self, messages: Vec<Message>) -> Result<(), Failure> {
        let (told, others): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| self.printer.told.get(&message.id).is_some());
        self.printer.changed(told)?;
        let wanted = self.wanted(others).await?;
        self.printer.changed(wanted)
    }

    /// Those that contain the words: the node says which do, so that following finds what a search finds.
    async fn wanted(&self, messages: Vec<Message>) -> Result<Vec<Message>, Failure> {
        let (Some(words), Some(oldest)) =
            (&self.words, messages.iter().map(|message| message.cursor.clone()).min())
        else {
            return Ok(messages);
        };
        let mut found = BTreeSet::new();
        let mut before = None;
        loop {
            let (text, to) = (words.clone(), Some(self.room.id.clone()));
            let search = Command::Search { text, to, from: None, before, limit: FOUND };
            let part: Found = ask!(self.node.call(search) => Found)?;
            let last = part.messages.last().map(|message| message.cursor.clone());
            found.extend(part.messages.into_iter().map(|message| message.id));
            before = last.filter(|last| part.more && *last > oldest);
            if before.is_none() {
                return Ok(messages.into_iter().filter(|message| found.contains(&message.id)).collect());
            }
        }
    }

    /// The next event that says that there may be something to print.
    async fn next(&self, events: &mut Events) -> Event {
        let here = &self.room.id;
        loop {
            let event = next(events).await;
            let counts = match &event {
                Event::Message { message } => {
                    message.room == *here && self.printer.told.get(&message.id).is_none()
                }
                Event::MessageChanged { message } => message.room == *here,
                Event::History { room } => room == here,
                Event::Lagged { .. } | Event::Ready { .. } => true,
                _ => false,
            };
            if counts {
                return event;
            }
        }
    }
}

/// Prints messages, and again when they read otherwise.
struct Printer {
    out: Output,
    ids: bool,
    told: Told,
}

impl Printer {
    fn print(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<(), Failure> {
        for message in messages {
            self.line(&message, words)?;
            self.told.note(&message);
        }
        Ok(())
    }

    /// Prints those that do not read as they did.
    fn changed(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<(), Failure> {
        for message in messages {
            if self.told.reads_so(&message) {
                continue;
            }
            match self.told.get(&message.id) {
                Some(before) => self.line(&message, |message| changed(before, message))?,
                None => {
                    self.line(&message, |message| format!("{} {}", paint(QUIET, "changed:"), words(message)))?
                }
            }
            self.told.note(&message);
        }
        Ok(())
    }

    fn line(&self, message: &Message, words: impl FnOnce(&Message) -> String) -> Result<(), Failure> {
        self.out.item(message, |message| {
            let line = words(message);
            if self.ids { format!("{}  {line}", paint(QUIET, text::short(&message.id))) } else { line }
        })
    }
}

async fn print_since(
    node: &Node,
    room: &str,
    since: u64,
    until: Option<&String>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let (mut at, mut after) = (Some(since), None);
    loop {
        let command = Command::Log {
            to: room.to_owned(),
            before: None,
            after,
            at,
            around: None,
            until: until.cloned(),
            limit: PAGE,
        };
        let page: Page = ask!(node.call(command) => Page)?;
        after = page.messages.last().map(|message| message.cursor.clone());
        at = None;
        printer.print(page.messages)?;
        if !page.newer || after.is_none() {
            return Ok(());
        }
    }
}

/// The newest messages, oldest first; of those that had arrived by a place, if that is given.
async fn latest(
    node: &Node,
    room: &str,
    part: Part,
    until: Option<&String>,
) -> Result<Vec<Message>, ApiError> {
    let mut messages: Vec<Message> = Vec::new();
    while messages.len() < part.most() {
        let before = messages.first().map(|message| message.cursor.clone());
        let command = Command::Log {
            to: room.to_owned(),
            before,
            after: None,
            at: None,
            around: None,
            until: until.cloned(),
            limit: u32::try_from(part.most() - messages.len()).unwrap_or(u32::MAX).min(PAGE),
        };
        let page: Page = ask!(node.call(command) => Page)?;
        let older = page.messages.iter().rposition(|message| !part.reaches(message));
        let more = page.more && !page.messages.is_empty() && older.is_none();
        messages.splice(0..0, page.messages.into_iter().skip(older.map_or(0, |last| last + 1)));
        if !more {
            break;
        }
    }
    Ok(messages)
}

/// A message as it reads now; none if it is no longer here.
pub async fn current(node: &Node, message: &Message) -> Result<Vec<Message>, ApiError> {
    let command = Command::Log {
        to: message.room.clone(),
        before: None,
        after: None,
        at: None,
        around: Some(message.id.clone()),
        until: None,
        limit: 1,
    };
    match node.call(command).await {
        Ok(Reply::Page(page)) => {
            Ok(page.messages.into_iter().filter(|found| found.id == message.id).collect())
        }
        Err(error) if error.code == ErrorCode::NotFound => Ok(Vec::new()),
        Ok(_) => Err(misunderstood()),
        Err(error) => Err(error),
    }
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
            let hint = hint.map(|id| paint(QUIET, &format!("  lanyard accept {}", text::short_transfer(id))));
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

/// What stands behind a message: marks, reactions, and who has it.
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
    marks.extend(message.delivered.as_ref().filter(|delivered| delivered.of > 0).map(delivery));
    // Who keeps it for somebody is of no interest once that has it.
    let kept = message.delivered.as_ref().filter(|delivered| delivered.to.is_empty());
    marks.extend(
        kept.map(|delivered| delivered.kept_by.len())
            .filter(|kept| *kept > 0)
            .map(|n| format!("kept by {n}")),
    );
    if marks.is_empty() { String::new() } else { paint(QUIET, &format!("  ({})", marks.join(", "))) }
}

/// To how many a message of ours was delivered, and to whom.
pub fn delivery(delivered: &Delivery) -> String {
    let count = format!("delivered to {} of {}", delivered.to.len(), delivered.of);
    if delivered.names.is_empty() { count } else { format!("{count}: {}", names(&delivered.names)) }
}

/// Names one behind the other, as far as somebody would read them.
pub fn names(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(NAMES).map(|name| text::line(name)).collect();
    match names.len().saturating_sub(NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
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
    // What was taken back is not said once more.
    format!("{} {}", paint(QUIET, &format!("{what}:")), words(now))
}

/// Messages that are read where nothing else is asked for.
const LATEST: usize = 50;

/// The most that one question to the node may ask for.
const PAGE: u32 = 500;

/// The most that one search may ask for.
const FOUND: u32 = 200;

/// Names that are written out.
const NAMES: usize = 12;

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Somebody's message, as the node gives it.
    pub fn message(text: &str) -> Message {
        Message {
            id: "5f3a".to_owned(),
            room: "a".to_owned(),
            author: "b".to_owned(),
            name: "Ann".to_owned(),
            mine: false,
            time: 0,
            kind: MessageKind::Text,
            text: text.to_owned(),
            reply: None,
            edited: None,
            deleted: false,
            reactions: Vec::new(),
            mentions: Vec::new(),
            to_me: false,
            pinned: false,
            late: false,
            disputed: false,
            note: None,
            transfer: None,
            cursor: "c".to_owned(),
            delivered: None,
        }
    }

    #[test]
    fn an_offer_is_named_by_what_tells_it_from_others_of_its_device() {
        let transfer = Some("85c95613aaaaaaaa424af5a5bbbbbbbb".to_owned());
        let offer = Message { kind: MessageKind::Offer, transfer, ..message("plan.pdf") };
        let said = anstream::adapter::strip_str(&said(&offer)).to_string();
        assert_eq!(said, "offers plan.pdf  lanyard accept 424af5a5");
    }
}
