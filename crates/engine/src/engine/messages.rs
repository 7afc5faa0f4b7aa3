//! What people do with messages: find, change and read them.

use lanyard_proto::effects::Effects;
use lanyard_proto::model::{PeerId, RoomId, UnixMillis};
use lanyard_proto::rooms::{Content, MAX_TEXT, MAX_TOPIC, RoomKind, mentioned};
use lanyard_proto::wire::text::{clean_line, clean_text, cut};

use crate::api::{ApiError, ErrorCode, Found as FoundMessages, Message, Page, Reply};
use crate::engine::arrivals::number;
use crate::engine::commands::{MAX_PAGE, MIN_ID_PREFIX, Outcome, To, invalid, refused};
use crate::engine::gate::{Answer, Answering};
use crate::engine::run::{Report, Run};
use crate::engine::show::is_taken_back;
use crate::saying;
use crate::says;
use crate::store::{Counts, Cursor, MAX_REACTIONS_OF_AUTHOR, Number, Search, Shown, StoreError, Stretch};

/// What is to be done with a message.
pub enum Action {
    Answer { text: String },
    Edit { text: String },
    Delete,
    React { emoji: String, on: bool },
    Pin { on: bool },
}

/// A room was read up to some message, or all of it; how far it is, and what is left.
pub struct Marked {
    room: RoomId,
    /// `None`: all that was here.
    asked: Option<Cursor>,
    read: Option<Cursor>,
    counts: Counts,
    reply: Reply,
    answer: To,
}

/// A message that was looked for.
pub struct Found {
    /// What was written for the room, and which one that is: nothing is done with messages of others.
    to: String,
    room: RoomId,
    wanted: String,
    found: Result<Vec<Shown>, StoreError>,
    action: Action,
    answer: To,
}

impl Run {
    /// Looks for the message first: it may be any of those in the store.
    pub fn act_in(&self, to: &str, wanted: String, action: Action, answer: To) {
        let room = match self.find_room(to) {
            Ok(room) => room,
            Err(error) => return drop(answer.send(Err(error))),
        };
        let to = to.to_owned();
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let found = match prefix(&wanted) {
                Ok(prefix) => store.find(&prefix).await,
                Err(error) => return drop(answer.send(Err(error))),
            };
            let _ = reports
                .send(Report::Found(Box::new(Found { to, room, wanted, found, action, answer })))
                .await;
        });
    }

    pub async fn found(&mut self, found: Found) -> Result<(), StoreError> {
        let Found { to, room, wanted, found, action, answer } = found;
        let acted = match found {
            Ok(found) => one(&to, room, &wanted, found).and_then(|target| self.act(&target, action)),
            Err(error) => Err(error.into()),
        };
        match acted {
            Ok((effects, with)) => self.enter(effects, Some(Answer { to: answer, with })).await,
            Err(error) => {
                let _ = answer.send(Err(error));
                Ok(())
            }
        }
    }

    fn act(&mut self, target: &Shown, action: Action) -> Result<(Effects, Answering), ApiError> {
        let now = self.clock.now();
        let (room, id) = (target.entry.header.room, target.entry.id());
        self.check_writing(room)?;
        let gone = self.node.room(room).is_some_and(|held| is_taken_back(held, target));
        let written = match action {
            Action::Delete if gone => return Ok((Effects::default(), Answering::Message(id))),
            _ if gone => return Err(says!(ErrorCode::Refused, "This message was taken back.")),
            Action::Answer { text } => {
                let mentions = self.mentions(room, &text);
                let written = self.node.write_text(room, &text, Some(&target.entry), mentions, now);
                let (entry, effects) = written.map_err(refused)?;
                return Ok((effects, Answering::Message(entry.id())));
            }
            Action::Edit { text } => {
                let mentions = self.mentions(room, &text);
                self.node.edit(&target.entry, &text, mentions, now)
            }
            Action::Delete => self.node.delete(&target.entry, now),
            Action::React { emoji, on: true } if self.has_many_reactions(target, &emoji) => {
                let most = MAX_REACTIONS_OF_AUTHOR;
                let code = ErrorCode::Refused;
                return Err(says!(
                    code,
                    "You have put {most} different emoji on this message. It holds no more of one person.",
                    most
                ));
            }
            Action::React { emoji, on } => self.node.react(&target.entry, &emoji, on, now),
            Action::Pin { on } => self.node.pin(&target.entry, on, now),
        };
        let is_deleted =
            matches!(&written, Ok((entry, _)) if entry.header.kind == lanyard_proto::rooms::kind::DELETE);
        let (_, mut effects) = written.map_err(refused)?;
        if is_deleted {
            effects.extend(self.withdraw(target));
        }
        Ok((effects, Answering::Message(id)))
    }

    /// Whether another emoji of this device would take off its first one.
    fn has_many_reactions(&self, target: &Shown, emoji: &str) -> bool {
        let (me, about) = (self.node.me(), &target.about);
        let mine = about.reactions.iter().chain(&about.taken_off).filter(|(_, author)| *author == me);
        mine.filter(|(known, _)| known != emoji).count() >= MAX_REACTIONS_OF_AUTHOR as usize
    }

    /// Files that are taken back are offered no longer.
    fn withdraw(&mut self, target: &Shown) -> Effects {
        let said = self.node.room(target.entry.header.room).map(|held| held.read(&target.entry));
        match said {
            Some(Content::Offer { transfer, .. }) if target.entry.header.author == self.node.me() => {
                // One that is over needs no withdrawal.
                self.node.cancel(transfer, self.clock.now()).unwrap_or_default()
            }
            _ => Effects::default(),
        }
    }

    /// Says something that answers nothing.
    pub fn say(&mut self, to: &str, text: &str) -> Result<Outcome, ApiError> {
        let (room, mut effects) = self.resolve(to)?;
        if let Err(error) = self.check_writing(room) {
            return Ok(Outcome::After(effects, Answering::Refused(error)));
        }
        let mentions = self.mentions(room, text);
        match self.node.write_text(room, text, None, mentions, self.clock.now()) {
            Ok((entry, said)) => {
                effects.extend(said);
                Ok(Outcome::After(effects, Answering::Message(entry.id())))
            }
            // The conversation may have been opened all the same.
            Err(refusal) => Ok(Outcome::After(effects, Answering::Refused(refused(refusal)))),
        }
    }

    pub fn set_topic(&mut self, room: &str, topic: &str) -> Result<Outcome, ApiError> {
        let (room, most) = (self.find_room(room)?, MAX_TOPIC);
        if clean_line(topic, usize::MAX).len() > most {
            return Err(invalid(saying!("A topic has at most {most} bytes. Write a shorter one.", most)));
        }
        self.check_writing(room)?;
        let (_, effects) = self.node.set_topic(room, topic, self.clock.now()).map_err(refused)?;
        Ok(Outcome::After(effects, Answering::Room(room)))
    }

    pub fn typing(&mut self, room: &str) -> Result<Outcome, ApiError> {
        let room = self.find_room(room)?;
        self.check_writing(room)?;
        let effects = self.node.typing(room, self.clock.now()).map_err(refused)?;
        Ok(Outcome::After(effects, Answering::Ready(Box::new(Reply::Done))))
    }

    pub async fn set_draft(&mut self, room: &str, text: &str) -> Result<Outcome, ApiError> {
        let room = self.find_room(room)?;
        let text = cut(text, MAX_TEXT).to_owned();
        self.view.room(room).draft.clone_from(&text);
        let kept = self.store.set_draft(room, text).await?;
        self.gate.wait_for(kept);
        Ok(Outcome::After(Effects::default(), Answering::Ready(Box::new(Reply::Done))))
    }

    /// Answered once what is left is counted, so that whoever asks then is told what is true.
    pub async fn mark_read(&mut self, room: RoomId, cursor: Cursor, answer: To) -> Result<(), StoreError> {
        let view = self.view.room(room);
        // What came late may stand before what was seen already.
        if view.read.is_some_and(|read| read >= cursor) && view.counts.unread == 0 {
            // Whoever asked may be gone.
            let _ = answer.send(Ok(Reply::Done));
            return Ok(());
        }
        view.read = view.read.max(Some(cursor));
        let marked = self.store.mark_read(room, cursor).await?;
        let (store, reports, me) = (self.store.clone(), self.reports.clone(), self.node.me());
        tokio::spawn(async move {
            let counted = async {
                marked.await?;
                Ok((store.read_mark(room).await?, store.counts(room, me).await?))
            };
            let report = match counted.await {
                Ok((read, counts)) => {
                    let asked = Some(cursor);
                    Report::Marked(Box::new(Marked { room, asked, read, counts, reply: Reply::Done, answer }))
                }
                Err(error) => Report::Failed(error),
            };
            let _ = reports.send(report).await;
        });
        Ok(())
    }

    /// As [`Run::mark_read`], up to the newest that is on disk: what is known here of it and of what is unread comes a moment
    /// behind.
    pub fn read_all(&mut self, room: RoomId, answer: To) {
        let (store, reports, me) = (self.store.clone(), self.reports.clone(), self.node.me());
        tokio::spawn(async move {
            let counted = async {
                let before = store.counts(room, me).await?.unread;
                if let Some(last) = store.last(room).await? {
                    store.mark_read(room, last.cursor).await?.await?;
                }
                Ok((store.read_mark(room).await?, store.counts(room, me).await?, before))
            };
            let report = match counted.await {
                Ok((read, counts, before)) => {
                    let reply = Reply::Read(before.saturating_sub(counts.unread));
                    Report::Marked(Box::new(Marked { room, asked: None, read, counts, reply, answer }))
                }
                Err(error) => Report::Failed(error),
            };
            let _ = reports.send(report).await;
        });
    }

    /// A room was read up to some message, or all of it, and so much is left.
    pub fn marked(&mut self, marked: Marked) {
        let Marked { room, asked, read, counts, reply, answer } = marked;
        if self.node.room(room).is_some() {
            let view = self.view.room(room);
            view.counts = counts;
            // The message that was meant may have been moved; whoever read on since is told next.
            if view.read == asked || asked.is_none() && view.read < read {
                view.read = read;
            }
            self.recount(room);
        }
        // Whoever asked may be gone.
        let _ = answer.send(Ok(reply));
    }

    /// Whom `@Name` in a text means: people who take part in the room, or are here where anybody may.
    fn mentions(&self, room: RoomId, text: &str) -> Vec<PeerId> {
        let Some(held) = self.node.room(room).filter(|_| text.contains(['@', '＠'])) else {
            return Vec::new();
        };
        let mut people = held.members();
        if held.record().kind == RoomKind::Open {
            people.extend(
                self.node.presence().peers().map(|peer| peer.id).filter(|id| self.node.is_online(*id)),
            );
        }
        people.sort_unstable();
        people.dedup();
        let named: Vec<(PeerId, String)> =
            people.into_iter().map(|peer| (peer, self.known_name(peer).unwrap_or_default())).collect();
        let named: Vec<(PeerId, &str)> = named.iter().map(|(peer, name)| (*peer, name.as_str())).collect();
        mentioned(&clean_text(text, MAX_TEXT), &named)
    }

    /// A message as it is now; asked of the store once it is durable.
    pub fn answer_message(&self, id: lanyard_proto::model::EntryId, answer: To) {
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let found = store.entry(id).await;
            let show = move |run: &Run| {
                let reply = found.map_err(ApiError::from).and_then(|found| {
                    let message = found.and_then(|shown| run.message(shown.entry.header.room, &shown));
                    message.map(Reply::Message).ok_or_else(gone)
                });
                let _ = answer.send(reply);
            };
            let _ = reports.send(Report::Read(Box::new(show))).await;
        });
    }

    pub fn read_page(&self, whose: &str, from: Wanted, limit: u32, answer: To) {
        let asked = self.find_room(whose).and_then(|room| {
            let until = from.until.as_deref().map_or(Ok(Number(i64::MAX)), number)?;
            Ok((room, from.parse()?, until))
        });
        let (room, parsed, until) = match asked {
            Ok(asked) => asked,
            Err(error) => return drop(answer.send(Err(error))),
        };
        let (store, reports, whose) = (self.store.clone(), self.reports.clone(), whose.to_owned());
        tokio::spawn(async move {
            let part = async {
                let stretch = match parsed {
                    Parsed::Stretch(stretch) => stretch,
                    Parsed::Message(wanted) => {
                        let found = store.find(&prefix(&wanted)?).await?;
                        Stretch::Around(one(&whose, room, &wanted, found)?.cursor)
                    }
                };
                Ok(store.part_of(room, stretch, limit.clamp(1, MAX_PAGE), until).await?)
            };
            let part: Result<_, ApiError> = part.await;
            let show = move |run: &Run| {
                let reply = part.map(|part| {
                    let messages = run.messages(room, &part.messages);
                    let missing = !part.more && run.node.room(room).is_some_and(|held| held.is_partial());
                    Reply::Page(Page { messages, more: part.more, newer: part.newer, missing })
                });
                let _ = answer.send(reply);
            };
            let _ = reports.send(Report::Read(Box::new(show))).await;
        });
    }

    pub fn pins(&self, room: &str, answer: To) {
        let room = match self.find_room(room) {
            Ok(room) => room,
            Err(error) => return drop(answer.send(Err(error))),
        };
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let pinned = store.pins(room, MAX_PINS).await;
            let show = move |run: &Run| {
                let reply = pinned.map_err(ApiError::from).map(|pinned| {
                    let mut messages = run.messages(room, &pinned);
                    messages.retain(|message| message.pinned);
                    Reply::Page(Page { messages, more: false, newer: false, missing: false })
                });
                let _ = answer.send(reply);
            };
            let _ = reports.send(Report::Read(Box::new(show))).await;
        });
    }

    pub fn search(
        &self,
        text: &str,
        to: Option<String>,
        from: Option<String>,
        before: Option<String>,
        limit: u32,
        answer: To,
    ) {
        let search = Search::of(text).ok_or_else(|| invalid(saying!("Write a word to look for.")));
        let search = search.and_then(|mut search| {
            search.room = to.map(|to| self.find_room(&to)).transpose()?;
            search.author = from.map(|from| self.find_author(&from)).transpose()?;
            search.before = before.map(|before| cursor(&before)).transpose()?;
            search.limit = limit.clamp(1, MAX_FOUND);
            Ok(search)
        });
        let search = match search {
            Ok(search) => search,
            Err(error) => return drop(answer.send(Err(error))),
        };
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let found = store.search(search).await;
            let show = move |run: &Run| {
                let reply = found.map_err(ApiError::from).map(|(found, more)| {
                    let messages =
                        found.iter().filter_map(|shown| run.message(shown.entry.header.room, shown));
                    let messages = messages.filter(|message| !message.deleted).collect();
                    Reply::Found(FoundMessages { messages, more })
                });
                let _ = answer.send(reply);
            };
            let _ = reports.send(Report::Read(Box::new(show))).await;
        });
    }

    pub fn messages(&self, room: RoomId, shown: &[Shown]) -> Vec<Message> {
        shown.iter().filter_map(|shown| self.message(room, shown)).collect()
    }

    /// This device or another one, by name or the beginning of an id.
    fn find_author(&self, wanted: &str) -> Result<PeerId, ApiError> {
        let wanted = wanted.strip_prefix('@').unwrap_or(wanted);
        let me = self.node.me();
        let is_me = PeerId::parse(wanted) == Some(me)
            || (wanted.len() >= MIN_ID_PREFIX && me.to_string().starts_with(&wanted.to_lowercase()));
        match self.find_peer(wanted) {
            Ok(peer) => Ok(peer),
            Err(_)
                if is_me
                    || self
                        .known_name(me)
                        .is_some_and(|name| name.to_lowercase() == wanted.to_lowercase()) =>
            {
                Ok(me)
            }
            Err(error) => Err(error),
        }
    }
}

/// Where a page is wanted, as it was asked.
pub struct Wanted {
    pub before: Option<String>,
    pub after: Option<String>,
    pub at: Option<u64>,
    pub around: Option<String>,
    pub until: Option<String>,
}

enum Parsed {
    Stretch(Stretch),
    Message(String),
}

impl Wanted {
    fn parse(self) -> Result<Parsed, ApiError> {
        Ok(match self {
            Wanted { before: None, after: None, at: None, around: None, .. } => {
                Parsed::Stretch(Stretch::Newest)
            }
            Wanted { before: Some(before), after: None, at: None, around: None, .. } => {
                Parsed::Stretch(Stretch::Before(cursor(&before)?))
            }
            Wanted { before: None, after: Some(after), at: None, around: None, .. } => {
                Parsed::Stretch(Stretch::After(cursor(&after)?))
            }
            Wanted { before: None, after: None, at: Some(at), around: None, .. } => {
                Parsed::Stretch(Stretch::At(UnixMillis(at)))
            }
            Wanted { before: None, after: None, at: None, around: Some(around), .. } => {
                Parsed::Message(around)
            }
            _ => {
                return Err(invalid(saying!(
                    "A page is before, after, at or around something: only one of them."
                )));
            }
        })
    }
}

pub fn cursor(text: &str) -> Result<Cursor, ApiError> {
    Cursor::parse(text).map_err(|error| ApiError::of(ErrorCode::Invalid, &error))
}

/// The beginning of an id, as the store knows it.
fn prefix(wanted: &str) -> Result<String, ApiError> {
    let prefix = wanted.to_lowercase();
    let is_one =
        (MIN_ID_PREFIX..=64).contains(&prefix.len()) && prefix.chars().all(|c| c.is_ascii_hexdigit());
    if is_one {
        return Ok(prefix);
    }
    Err(invalid(saying!("“{wanted}” is no id of a message. See ids: lanyard log TO --ids", wanted)))
}

/// The one message that was meant in a room, for which `to` was written.
fn one(to: &str, room: RoomId, wanted: &str, found: Vec<Shown>) -> Result<Shown, ApiError> {
    let is_elsewhere = !found.is_empty();
    let mut fitting = found.into_iter().filter(|shown| shown.entry.header.room == room);
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        (None, _) if is_elsewhere => {
            Err(invalid(saying!("The message “{wanted}” is not in {to}. Nothing was done.", wanted, to)))
        }
        (None, _) => Err(says!(
            ErrorCode::NoSuch,
            "There is no message “{wanted}” here. See ids: lanyard log TO --ids",
            wanted
        )),
        (Some(_), Some(_)) => {
            Err(invalid(saying!("Several messages begin with “{wanted}”: write more of the id.", wanted)))
        }
    }
}

fn gone() -> ApiError {
    says!(ErrorCode::NoSuch, "It is no longer there.")
}

/// Messages that one search gives at the most.
const MAX_FOUND: u32 = 200;
/// Pinned messages of a room that are shown: those that were pinned last.
const MAX_PINS: u32 = 100;
