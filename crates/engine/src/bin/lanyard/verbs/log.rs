//! `lanyard log`, `lanyard search`: reading what was said.

use std::collections::{BTreeMap, BTreeSet};

use lanyard_engine::Events;
use lanyard_engine::api::{
    ApiError, Arrived, Command, ErrorCode, Event, Found, Message, Page, Reply, Room, RoomKind,
};
use lanyard_engine::control::Node;

use super::arrivals::{Arrivals, Told};
use super::message::{Offers, changed, title, words};
use super::{all_rooms, ask, call_when_found, misunderstood, next};
use crate::args::Log;
use crate::failure::{Exit, Failure};
use crate::output::{Output, QUIET, paint};
use crate::text;
use crate::when;

pub async fn run(node: &Node, out: Output, wanted: Log) -> Result<(), Failure> {
    let mut events = node.subscribe();
    let since = wanted.since.as_deref().map(since).transpose()?;
    let room: Room = ask!(call_when_found(node, Command::Find { to: wanted.to }) => Room)?;
    if !is_begun(node, &room).await? {
        out.note(&format!("Nothing was said to or by {} yet.", text::line(&room.name)));
        if !wanted.follow {
            return Ok(());
        }
        until_begun(node, &mut events, &room).await?;
    }
    let mut printer = Printer { out, ids: wanted.ids, told: Told::default(), offers: Offers::default() };
    let part = Part { since, limit: wanted.limit };
    if wanted.pins {
        let page: Page = ask!(node.call(Command::Pins { room: room.id }) => Page)?;
        let pinned = page.messages.into_iter().filter(|message| part.reaches(message));
        let pinned: Vec<Message> = pinned.take(part.most()).collect();
        return printer.print(node, pinned).await;
    }
    // What has arrived by now is printed first, in the order of the room; what arrives from here on behind it.
    let arrivals = if wanted.follow { Some(Arrivals::from_now(node, &room.id).await?) } else { None };
    let until = arrivals.as_ref().and_then(Arrivals::read);
    match (&wanted.search, part) {
        (Some(words), part) => {
            let to = Some(room.id.clone());
            let mut found = found(node, words.clone(), to, None, part).await?;
            found.reverse();
            printer.print(node, found).await?;
        }
        (None, Part { since: Some(since), limit: None }) => {
            print_since(node, &room.id, since, until.as_ref(), &mut printer).await?;
        }
        (None, part) => {
            let latest = latest(node, &room.id, part, until.as_ref()).await?;
            printer.print(node, latest).await?;
        }
    }
    match arrivals {
        Some(arrivals) => {
            let words = wanted.search;
            Follower { node, room: &room, words, arrivals, printer }.follow(&mut events).await
        }
        None => Ok(()),
    }
}

/// Whether anything was said in a conversation, or is about to be.
async fn is_begun(node: &Node, room: &Room) -> Result<bool, ApiError> {
    Ok(room.kind != RoomKind::Direct || all_rooms(node).await?.iter().any(|begun| begun.id == room.id))
}

async fn until_begun(node: &Node, events: &mut Events, room: &Room) -> Result<(), ApiError> {
    loop {
        match next(events).await {
            Event::RoomChanged { room: changed } if changed.id == room.id => return Ok(()),
            Event::Lagged { .. } if is_begun(node, room).await? => return Ok(()),
            _ => {}
        }
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
    let found = found(node, words_of, to, from, part).await?;
    let mut offers = Offers::default();
    offers.learn(node, &found).await?;
    for message in found {
        let room = rooms.get(&message.room).map(title).unwrap_or_default();
        out.item(&message, |message| {
            format!("{}  {}  {}", paint(QUIET, text::short(&message.id)), room, words(message, &offers))
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
            self.printer.print(self.node, wanted).await?;
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
        self.printer.changed(self.node, told).await?;
        let wanted = self.wanted(others).await?;
        self.printer.changed(self.node, wanted).await
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
    offers: Offers,
}

impl Printer {
    async fn print(&mut self, node: &Node, messages: Vec<Message>) -> Result<(), Failure> {
        self.offers.learn(node, &messages).await?;
        for message in messages {
            self.line(&message, |message| words(message, &self.offers))?;
            self.told.note(&message);
        }
        Ok(())
    }

    /// Prints those that do not read as they did.
    async fn changed(&mut self, node: &Node, messages: Vec<Message>) -> Result<(), Failure> {
        self.offers.learn(node, &messages).await?;
        for message in messages {
            if self.told.reads_so(&message) {
                continue;
            }
            match self.told.get(&message.id) {
                Some(before) => self.line(&message, |message| changed(before, message, &self.offers))?,
                None => self.line(&message, |message| {
                    format!("{} {}", paint(QUIET, "changed:"), words(message, &self.offers))
                })?,
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
        printer.print(node, page.messages).await?;
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
        Err(error) if error.code == ErrorCode::NoSuch => Ok(Vec::new()),
        Ok(_) => Err(misunderstood()),
        Err(error) => Err(error),
    }
}

fn since(when: &str) -> Result<u64, Failure> {
    let sentence =
        || format!("“{when}” is no time. Write 2h or 3d, 14:30, 2026-11-20, or 2026-11-20T14:30:00Z.");
    when::milliseconds(when, &jiff::Zoned::now()).ok_or_else(|| Failure::new(Exit::WrongUse, sentence()))
}

/// Messages that are read where nothing else is asked for.
const LATEST: usize = 50;

/// The most that one question to the node may ask for.
const PAGE: u32 = 500;

/// The most that one search may ask for.
const FOUND: u32 = 200;
