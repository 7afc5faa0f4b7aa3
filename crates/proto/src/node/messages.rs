//! What people write, and what they do with what was written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::effects::{Effects, Event};
use crate::model::{Instant, LogId, Now, PeerId, RoomId, Seq};
use crate::node::{Node, Refusal, Room};
use crate::rooms::{Content, MAX_MENTIONS, MAX_TEXT, MAX_TOPIC, Role, RoomKind, Text, emoji};
use crate::wire::datagram::RoomPacket;
use crate::wire::entry::Entry;
use crate::wire::text::{clean_line, clean_text};

/// An entry that was written, and what is to be done about it.
type Written = Result<(Arc<Entry>, Effects), Refusal>;

/// Who is writing in a room, as far as it was told.
#[derive(Default)]
pub(super) struct Typing {
    /// When this device last said that somebody is.
    said: Option<Instant>,
    /// When it was last told of others.
    told: BTreeMap<PeerId, Instant>,
}

impl Node {
    /// Writes a message. It is sent once it is on disk, as every entry.
    ///
    /// # Errors
    /// If it is empty or too long, or the room is none of this device's.
    pub fn say(&mut self, room: RoomId, message: &str, now: Now) -> Written {
        self.write_text(room, message, None, Vec::new(), now)
    }

    /// Writes a message that may answer another one of its room, and mentions people.
    ///
    /// # Errors
    /// As [`Node::say`], and if what it answers is no message of the room.
    pub fn write_text(
        &mut self,
        room: RoomId,
        message: &str,
        reply: Option<&Entry>,
        mentions: Vec<PeerId>,
        now: Now,
    ) -> Written {
        let text = clean(message, mentions)?;
        if let Some(target) = reply {
            if target.header.room != room {
                return Err(Refusal::NoSuchChange);
            }
            self.target(target, |_, content| is_said(content))?;
        }
        let text = Text { reply: reply.map(Entry::id), ..text };
        let deps = reply.map(place).into_iter().collect();
        let (entry, mut effects) = self.write_about(room, &Content::Text(text), deps, now)?;
        effects.extend(self.advance(now));
        Ok((entry, effects))
    }

    /// Lets an own message read otherwise.
    ///
    /// # Errors
    /// If it is somebody else's, or no text; and as [`Node::say`].
    pub fn edit(&mut self, target: &Entry, message: &str, mentions: Vec<PeerId>, now: Now) -> Written {
        let text = clean(message, mentions)?;
        self.target(target, |_, content| matches!(content, Content::Text(_)))?;
        if !Room::may_edit(self.me, target.header.author) {
            return Err(Refusal::NotYourMessage);
        }
        self.write_on(target, &Content::Edit { target: target.id(), text }, now)
    }

    /// Takes a message back, so that it is hidden on every device that hears of it.
    ///
    /// # Errors
    /// If it is somebody else's and this device is no admin of a private room.
    pub fn delete(&mut self, target: &Entry, now: Now) -> Written {
        let me = self.me;
        self.target(target, |_, content| is_said(content))?;
        let room = self.rooms.get(&target.header.room).ok_or(Refusal::NoRoom)?;
        if !room.may_delete(me, target.header.author) {
            return Err(Refusal::NotYoursToDelete);
        }
        self.write_on(target, &Content::Delete { target: target.id() }, now)
    }

    /// Puts an emoji on a message, or takes it off.
    ///
    /// # Errors
    /// If it is no emoji, or that is no message.
    pub fn react(&mut self, target: &Entry, with: &str, on: bool, now: Now) -> Written {
        let emoji = emoji(with).ok_or(Refusal::NoEmoji)?;
        self.target(target, |_, content| is_said(content))?;
        self.write_on(target, &Content::Reaction { target: target.id(), emoji, on }, now)
    }

    /// Pins a message in its room for everybody, or unpins it.
    ///
    /// # Errors
    /// If that is no message.
    pub fn pin(&mut self, target: &Entry, on: bool, now: Now) -> Written {
        self.target(target, |_, content| is_said(content))?;
        self.write_on(target, &Content::Pin { target: target.id(), on }, now)
    }

    /// Says what a room is about. A longer topic is cut to [`MAX_TOPIC`] bytes.
    ///
    /// # Errors
    /// If the room is none of this device's.
    pub fn set_topic(&mut self, room: RoomId, topic: &str, now: Now) -> Written {
        let topic = Content::Topic(clean_line(topic, MAX_TOPIC));
        let (entry, mut effects) = self.write(room, &topic, now)?;
        effects.extend(self.advance(now));
        Ok((entry, effects))
    }

    /// Tells a room that somebody is writing, at most every [`SAID`]; only where few are, and only if everything else
    /// that is to be sent leaves room for it.
    ///
    /// # Errors
    /// If the room is none of this device's.
    pub fn typing(&mut self, room: RoomId, now: Now) -> Result<Effects, Refusal> {
        let waits =
            self.rooms.values().any(|room| room.replica.next_packet_at().is_some_and(|at| at <= now.instant));
        let spare = !waits && self.packet_allowed_at(now.instant) <= now.instant;
        let held = self.rooms.get_mut(&room).ok_or(Refusal::NoRoom)?;
        let lately = held.typing.said.is_some_and(|said| now.instant.since(said) < SAID);
        if !spare || lately || held.members().len() > MAX_TYPING_MEMBERS {
            return Ok(Effects::default());
        }
        held.typing.said = Some(now.instant);
        let send = self.seal_packet(room, &RoomPacket::Typing, now).into_iter().collect();
        Ok(Effects { send, ..Effects::default() })
    }

    /// Somebody here says that they are writing.
    pub(super) fn heard_typing(&mut self, room: RoomId, peer: PeerId, now: Now) -> Effects {
        let Some(held) = self.rooms.get_mut(&room) else { return Effects::default() };
        if held.members().len() > MAX_TYPING_MEMBERS {
            return Effects::default();
        }
        let told = &mut held.typing.told;
        told.retain(|_, at| now.instant.since(*at) < TOLD);
        if told.contains_key(&peer) || told.len() >= MAX_TYPING_MEMBERS {
            return Effects::default();
        }
        told.insert(peer, now.instant);
        Effects { tell: vec![Event::Typing { room, peer }], ..Effects::default() }
    }

    /// Whether an entry is one of a room of this device, and fits.
    fn target(&self, target: &Entry, fits: impl Fn(&Room, &Content) -> bool) -> Result<(), Refusal> {
        let room = self.rooms.get(&target.header.room).ok_or(Refusal::NoRoom)?;
        if fits(room, &room.read(target)) { Ok(()) } else { Err(Refusal::NoSuchChange) }
    }

    fn write_on(&mut self, target: &Entry, content: &Content, now: Now) -> Written {
        let (entry, mut effects) = self.write_about(target.header.room, content, vec![place(target)], now)?;
        effects.extend(self.advance(now));
        Ok((entry, effects))
    }
}

impl Room {
    /// Whose edits of a message count: its author's.
    pub fn may_edit(author: PeerId, target_author: PeerId) -> bool {
        author == target_author
    }

    /// Whose wish to take a message back counts: its author's, and that of whoever moderates the room.
    pub fn may_delete(&self, author: PeerId, target_author: PeerId) -> bool {
        author == target_author || self.moderates(author)
    }

    /// Whether somebody may take back what others wrote: nobody in open rooms and direct conversations.
    pub fn moderates(&self, author: PeerId) -> bool {
        match self.record.kind {
            RoomKind::Open | RoomKind::Direct(_) => false,
            RoomKind::Private => self.role(author) >= Some(Role::Admin),
        }
    }

    /// What an entry of this room says; `None` if it is sealed with a key that is not here.
    pub fn open(&self, entry: &Entry) -> Option<Content> {
        let plain = self.keys.open_body(&entry.header, &entry.body)?;
        let content = Content::decode(entry.header.kind, &plain).unwrap_or(Content::Unknown);
        Some(match content {
            // Nobody can offer under the id of somebody else's offer.
            Content::Offer { transfer, .. } if !transfer.is_of(entry.header.author) => Content::Unknown,
            Content::Deed(_) if self.record.kind != RoomKind::Private => Content::Unknown,
            content => content,
        })
    }
}

/// Texts and offers: what somebody said, and not what happened.
fn is_said(content: &Content) -> bool {
    matches!(content, Content::Text(_) | Content::Offer { .. })
}

fn place(target: &Entry) -> (LogId, Seq) {
    (target.log(), target.header.seq)
}

fn clean(message: &str, mentions: Vec<PeerId>) -> Result<Text, Refusal> {
    if message.len() > MAX_TEXT {
        return Err(Refusal::LongMessage);
    }
    let text = clean_text(message, MAX_TEXT);
    if text.is_empty() {
        return Err(Refusal::EmptyMessage);
    }
    Ok(Text { text, reply: None, mentions: mentions.into_iter().take(MAX_MENTIONS).collect() })
}

/// How often this device says that somebody is writing: a little less often than others tell it on, so that no delay on
/// the way lets them leave out every second one.
const SAID: Duration = Duration::from_millis(3250);
/// How often it is told of one sender.
const TOLD: Duration = Duration::from_secs(3);
/// In larger rooms nobody is told: it would cost more than what is said.
const MAX_TYPING_MEMBERS: usize = 50;
