//! What happened to messages, told in order and as it is by then.
//!
//! Whether an edit came before its message, or who reacted, is in the store; so what happened is looked up there before
//! it is told, many at once where much happens. One question is asked at a time, so that nothing overtakes.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use lanyard_proto::model::{EntryId, Hlc, PeerId, RoomId};
use lanyard_proto::node::Room;
use lanyard_proto::rooms::{self, Content};
use lanyard_proto::wire::entry::Entry;
use tokio::time::Instant;

use crate::api::Event;
use crate::engine::run::{Report, Run};
use crate::engine::view::{SENT_WATCHED, Sent};
use crate::store::{Change, Changed, Counts, Cursor, LogPosition, Shown};

/// What is to be told, oldest first.
#[derive(Default)]
pub struct News {
    heard: VecDeque<Heard>,
    /// Rooms that look otherwise in a list of rooms.
    rooms: BTreeSet<RoomId>,
    is_asking: bool,
    /// When rooms were last counted, and whether somebody will say that it is time to do so again.
    counted: Option<Instant>,
    is_waiting: bool,
}

/// Something about a message, and who did it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Heard {
    change: Change,
    by: PeerId,
    kind: u8,
}

/// What the store knew of it.
pub struct Looked {
    heard: Vec<Heard>,
    changed: Vec<Option<Changed>>,
    rooms: Vec<Counted>,
}

/// How a room looks in a list of rooms.
struct Counted {
    room: RoomId,
    counts: Counts,
    last: Option<Shown>,
    topic: Option<(Cursor, String)>,
}

impl Run {
    /// An entry is durable: what it says is told soon.
    pub fn tell_of_entry(&mut self, room: RoomId, entry: &Entry) {
        let Some(held) = self.node.room(room) else { return };
        let header = &entry.header;
        let content = held.open(entry);
        let change = match &content {
            // What somebody blocked took back as an admin is gone all the same; nothing else of theirs is seen.
            Some(Content::Delete { target }) => {
                self.watch_change(room, *target, entry);
                Change::Text(*target)
            }
            _ if self.hides(header.author) => return,
            _ if rooms::is_message(header.kind) => {
                if header.author == self.node.me() {
                    self.watch_delivery(room, entry.id(), entry);
                }
                Change::New(entry.id())
            }
            Some(Content::Edit { target, .. }) => {
                self.watch_change(room, *target, entry);
                Change::Text(*target)
            }
            Some(Content::Reaction { target, .. } | Content::Pin { target, .. }) => Change::Mark(*target),
            _ => return,
        };
        let heard = Heard { change, by: header.author, kind: header.kind };
        if !matches!(change, Change::Mark(_)) {
            self.news.rooms.insert(room);
        }
        // A flood of reactions on one message is told once in a while.
        if !self.news.heard.iter().rev().take(RECENT).any(|recent| *recent == heard) {
            self.news.heard.push_back(heard);
        }
        self.look();
    }

    /// A message reads otherwise than before, by no word of anybody: its key came.
    pub fn tell_of_unsealed(&mut self, room: RoomId, entry: &Entry) {
        if rooms::is_message(entry.header.kind) {
            let change = Change::Text(entry.id());
            self.news.rooms.insert(room);
            self.news.heard.push_back(Heard { change, by: entry.header.author, kind: entry.header.kind });
            self.look();
        }
    }

    /// Messages read otherwise than before, by no word of anybody: there are two versions of what their author wrote.
    pub fn tell_of_disputed(&mut self, room: RoomId, found: Vec<EntryId>) {
        self.news.rooms.insert(room);
        let (by, kind) = (self.node.me(), rooms::kind::FORK);
        let heard = found.into_iter().map(|id| Heard { change: Change::Mark(id), by, kind });
        self.news.heard.extend(heard);
        self.look();
    }

    /// What is unread in a room is to be counted and told anew.
    pub fn recount(&mut self, room: RoomId) {
        self.news.rooms.insert(room);
        self.look();
    }

    /// What stands in rooms was moved: what is known of each is read anew.
    pub fn look_anew(&self) {
        let rooms: Vec<RoomId> = self.node.rooms().map(|room| room.record().id).collect();
        let (store, reports, now) = (self.store.clone(), self.reports.clone(), self.clock.now().unix);
        tokio::spawn(async move {
            let read = async {
                let mut more = store.retell(now, None).await?;
                while more.is_some() {
                    more = store.retell(now, more).await?;
                }
                let mut read = Vec::with_capacity(rooms.len());
                for room in rooms {
                    read.push((room, store.read_mark(room).await?));
                }
                Ok(read)
            };
            let report = match read.await {
                Ok(read) => Report::Rearranged(read),
                Err(error) => Report::Failed(error),
            };
            // The engine's task may have ended.
            let _ = reports.send(report).await;
        });
    }

    /// How far rooms are read after what stands in them was moved.
    pub fn rearranged(&mut self, read: Vec<(RoomId, Option<Cursor>)>) {
        let now = Hlc::at(self.clock.now().unix);
        for (room, read) in read {
            if self.node.room(room).is_some() {
                let view = self.view.room(room);
                // Somebody may have read on meanwhile.
                let newer = view.read.filter(|read| read.place <= now);
                (view.read, view.last, view.topic) = (read.max(newer), None, None);
                self.tell(Event::History { room: room.to_string() });
                self.recount(room);
            }
        }
    }

    /// The store told what is known of what happened.
    pub fn looked(&mut self, looked: Looked) {
        self.news.is_asking = false;
        let rooms: Vec<RoomId> = looked.rooms.iter().map(|counted| counted.room).collect();
        for Counted { room, counts, last, topic } in looked.rooms {
            if self.node.room(room).is_some() {
                let view = self.view.room(room);
                (view.counts, view.last, view.topic) = (counts, last, topic);
            }
        }
        for (heard, changed) in looked.heard.iter().zip(looked.changed) {
            if let Some(changed) = changed {
                self.tell_of_change(*heard, &changed);
            }
        }
        for room in rooms {
            self.tell_of_room(room);
        }
        self.look();
    }

    /// It is time to count again what is unread.
    pub fn count_rooms(&mut self) {
        self.news.is_waiting = false;
        self.look();
    }

    fn look(&mut self) {
        if self.news.is_asking {
            return;
        }
        let rooms = self.rooms_to_count();
        if self.news.heard.is_empty() && rooms.is_empty() {
            return;
        }
        self.news.is_asking = true;
        let most = self.news.heard.len().min(AT_ONCE);
        let heard: Vec<Heard> = self.news.heard.drain(..most).collect();
        let (store, reports, me) = (self.store.clone(), self.reports.clone(), self.node.me());
        tokio::spawn(async move {
            let looked = async {
                let changed = store.changed(heard.iter().map(|heard| heard.change).collect()).await?;
                let mut looked = Vec::with_capacity(rooms.len());
                for room in rooms {
                    let (counts, last) = (store.counts(room, me).await?, store.last(room).await?);
                    let topic = store.topic(room).await?;
                    looked.push(Counted { room, counts, last, topic });
                }
                Ok(Looked { heard, changed, rooms: looked })
            };
            let report = match looked.await {
                Ok(looked) => Report::Looked(Box::new(looked)),
                Err(error) => Report::Failed(error),
            };
            let _ = reports.send(report).await;
        });
    }

    /// Rooms whose time has come. Counting goes through all that is unread, so where much is said it waits for more.
    fn rooms_to_count(&mut self) -> BTreeSet<RoomId> {
        let news = &mut self.news;
        if news.rooms.is_empty() || news.is_waiting {
            return BTreeSet::new();
        }
        let rest = news.counted.map_or(Duration::ZERO, |at| COUNTED.saturating_sub(at.elapsed()));
        if rest.is_zero() {
            news.counted = Some(Instant::now());
            return std::mem::take(&mut news.rooms);
        }
        news.is_waiting = true;
        let reports = self.reports.clone();
        tokio::spawn(async move {
            tokio::time::sleep(rest).await;
            // The engine's task may have ended.
            let _ = reports.send(Report::CountRooms).await;
        });
        BTreeSet::new()
    }

    fn tell_of_change(&mut self, heard: Heard, changed: &Changed) {
        let shown = &changed.message;
        let room = shown.entry.header.room;
        let Some(held) = self.node.room(room) else { return };
        if !counts(held, heard.by, heard.kind, shown) {
            return;
        }
        let Some(message) = self.message(room, shown) else { return };
        // Only the store knows where it stands.
        let last = &mut self.view.room(room).last;
        let is_newer = matches!(heard.change, Change::New(_))
            && last.as_ref().is_none_or(|last| shown.cursor > last.cursor);
        if is_newer || last.as_ref().is_some_and(|last| last.entry.id() == shown.entry.id()) {
            *last = Some(shown.clone());
        }
        self.tell(match heard.change {
            Change::New(_) => Event::Message { message },
            Change::Text(_) | Change::Mark(_) => Event::MessageChanged { message },
        });
        let answers = changed.answers.iter().filter(|answer| answer.entry.header.room == room);
        for message in answers.filter_map(|answer| self.message(room, answer)) {
            self.tell(Event::MessageChanged { message });
        }
    }

    /// What we said reads otherwise by this word.
    fn watch_change(&mut self, room: RoomId, id: EntryId, word: &Entry) {
        if word.header.author == self.node.me() {
            self.watch_delivery(room, id, word);
        }
    }

    /// From now on it is told who has this entry of ours, the newest word of a message.
    fn watch_delivery(&mut self, room: RoomId, id: EntryId, newest: &Entry) {
        let position = LogPosition::of(newest);
        let told = self.node.room(room).map_or(0, |held| held.holders_of(position.log, position.seq).len());
        let sent = &mut self.view.room(room).sent;
        let known = sent.iter().position(|sent| sent.id == id).and_then(|known| sent.remove(known));
        let at = known.as_ref().map_or(position.at, |known| known.at);
        // Of a log that comes back from others an older word may come behind a newer one.
        let newer = known.filter(|known| known.position.at > position.at);
        sent.push_back(newer.unwrap_or(Sent { position, id, at, told, kept: Vec::new() }));
        if sent.len() > SENT_WATCHED {
            sent.pop_front();
        }
    }
}

/// Whether what somebody did changes how a message reads: what strangers made of it does not.
pub fn counts(held: &Room, by: PeerId, kind: u8, message: &Shown) -> bool {
    let author = message.entry.header.author;
    match kind {
        rooms::kind::EDIT => Room::may_edit(by, author),
        rooms::kind::DELETE => held.may_delete(by, author),
        _ => true,
    }
}

/// Between two counts: nobody reads a number that changes faster.
const COUNTED: Duration = Duration::from_millis(200);
/// Changes looked up at once.
const AT_ONCE: usize = 256;
/// Changes among which the same one again is left out.
const RECENT: usize = 64;
