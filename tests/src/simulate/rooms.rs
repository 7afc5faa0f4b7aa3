//! Where people talk: in the lobby, and in rough runs also between two, and in a private room. And what everybody there
//! must read in the end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use lanyard_proto::model::{EntryId, RoomId};
use lanyard_proto::node::Membership;
use lanyard_proto::rooms::Content;
use lanyard_proto::wire::entry::Entry;

use super::play::{Act, Run};
use crate::sim::{Lan, Who};

/// A room, and who is in it.
pub(super) struct Place {
    pub room: RoomId,
    pub readers: Vec<Who>,
}

/// What messages read like by now, and those that can still be changed.
#[derive(Default)]
pub(super) struct Book {
    texts: HashMap<RoomId, BTreeMap<EntryId, Option<String>>>,
    messages: Vec<(Who, Arc<Entry>)>,
}

impl Run<'_> {
    /// The lobby, and where it is rough a conversation of the first two and a private room of the first few.
    pub(super) fn open_places(&mut self) {
        self.places = vec![Place { room: self.lan.lobby(), readers: self.people.clone() }];
        if !self.setting.trouble.is_rough() {
            return;
        }
        let (ann, bob) = (self.people[0], self.people[1]);
        let direct = self.lan.converse(ann, bob);
        let members = self.people[..self.people.len().min(MEMBERS)].to_vec();
        let private = self.lan.create_room(ann, "board");
        for member in &members[1..] {
            self.lan.add_member(ann, private, *member);
        }
        let end = self.lan.now() + BEGINNING;
        while self.lan.now() < end && !members.iter().all(|who| is_member(&self.lan, *who, private)) {
            self.lan.run_for(Duration::from_secs(1));
        }
        self.places.push(Place { room: direct, readers: vec![ann, bob] });
        self.places.push(Place { room: private, readers: members });
    }

    /// Somebody says something somewhere, or changes or takes back what they said.
    pub(super) fn say_somewhere(&mut self, speaker: usize) {
        if !self.setting.trouble.is_rough() {
            return self.say_at(0, speaker);
        }
        let chance = self.dice.fraction();
        match chance {
            ..0.1 => self.change_something(chance < 0.04),
            ..0.25 => self.say_at(1, speaker),
            ..0.45 => self.say_at(2, speaker),
            _ => self.say_at(0, speaker),
        }
    }

    /// Much is said at once, more than whoever is away will ask for first.
    pub(super) fn say_much(&mut self, speaker: usize) {
        let place = if self.dice.fraction() < 0.5 { 0 } else { 2 };
        for n in 0..BACKLOG {
            self.say_at(place, speaker + n % 2);
        }
    }

    /// The speaker of this number, or the next one who is in the room and runs.
    fn say_at(&mut self, place: usize, speaker: usize) {
        let Place { room, readers } = &self.places[place];
        let (room, from) = (*room, speaker % readers.len());
        let mut turn = readers[from..].iter().chain(&readers[..from]);
        let Some(who) = turn.find(|who| is_member(&self.lan, **who, room)).copied() else { return };
        let range = &self.setting.length;
        let length = range.start + (self.dice.fraction() * range.len() as f64) as usize;
        let text = format!("message {} ", self.lan.ledger.said.len()) + &"x".repeat(length);
        let entry = self.lan.for_the_record(who, |node, now| node.say(room, &text, now));
        self.book.texts.entry(room).or_default().insert(entry.id(), Some(text));
        self.book.messages.push((who, entry));
    }

    fn change_something(&mut self, take_back: bool) {
        let book = &mut self.book;
        let chosen = (self.dice.fraction() * book.messages.len() as f64) as usize;
        let Some((who, entry)) = book.messages.get(chosen).cloned() else { return };
        if !self.lan.is_running(who) {
            return;
        }
        let Some(text) = book.texts.get_mut(&entry.header.room).and_then(|texts| texts.get_mut(&entry.id()))
        else {
            return;
        };
        if take_back {
            *text = None;
            book.messages.swap_remove(chosen);
            self.lan.for_the_record(who, |node, now| node.delete(&entry, now));
        } else {
            let words = format!("edited {}", self.lan.ledger.said.len());
            *text = Some(words.clone());
            self.lan.for_the_record(who, |node, now| node.edit(&entry, &words, Vec::new(), now));
        }
    }

    /// Whoever is killed misses more than it will ask for first.
    pub(super) fn backlogs(&mut self, end: Duration) -> Vec<(Duration, Act)> {
        let mut acts = Vec::new();
        for _ in 0..1 + self.setting.messages / MESSAGES_BETWEEN_BACKLOGS {
            let at = self.dice.span(Duration::ZERO..end);
            let victim = (self.dice.fraction() * self.people.len().min(MEMBERS) as f64) as usize;
            acts.push((at, Act::Kill(victim)));
            acts.push((at + Duration::from_secs(1), Act::SayMuch(victim + 1)));
            acts.push((at + Duration::from_secs(20), Act::Start(victim)));
        }
        acts
    }

    /// Whether somebody reads in a room what was said there, as it was changed.
    pub(super) fn reads_what_was_said(&self, who: Who, room: RoomId) -> bool {
        let nothing = BTreeMap::new();
        let expected = self.book.texts.get(&room).unwrap_or(&nothing);
        read(&self.lan, who, room).is_some_and(|texts| texts == *expected)
    }
}

/// What messages of a room read like to somebody: the newest edit of their author's counts, and any deletion.
fn read(lan: &Lan, who: Who, room: RoomId) -> Option<BTreeMap<EntryId, Option<String>>> {
    let Some(held) = lan.node(who).room(room) else { return Some(BTreeMap::new()) };
    let entries = lan.entries_in(who, room);
    let mut authors = HashMap::new();
    let mut texts: BTreeMap<EntryId, Option<String>> = BTreeMap::new();
    let contents: Vec<_> = entries.iter().map(|entry| (entry, held.read(entry))).collect();
    for (entry, content) in &contents {
        if let Content::Text(text) = content {
            authors.insert(entry.id(), entry.header.author);
            texts.insert(entry.id(), Some(text.text.clone()));
        }
    }
    for (entry, content) in &contents {
        let (target, words) = match content {
            Content::Edit { target, text } => (target, Some(text.text.clone())),
            Content::Delete { target } => (target, None),
            Content::Unknown => return None,
            _ => continue,
        };
        if authors.get(target) != Some(&entry.header.author) {
            continue;
        }
        // Nothing brings a message back.
        if let Some(text) = texts.get_mut(target).filter(|text| text.is_some()) {
            *text = words;
        }
    }
    Some(texts)
}

fn is_member(lan: &Lan, who: Who, room: RoomId) -> bool {
    lan.is_running(who) && lan.membership(who, room) == Some(Membership::Member)
}

/// Who is in the private room: the first so many.
const MEMBERS: usize = 6;
/// How long it may take until they know.
const BEGINNING: Duration = Duration::from_secs(300);
/// Entries of a backlog, by two: what is asked for first is 256.
const BACKLOG: usize = 300;
const MESSAGES_BETWEEN_BACKLOGS: usize = 500;
