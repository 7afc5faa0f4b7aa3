//! Decides what a person is told of by the system: events in, notifications out. Knows no clock and no desktop.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lanyard_engine::api::{
    Call, Comparison, ComparisonState, Event, Message, MessageKind, Notifications, NotifyLevel, Peer, Room,
    RoomKind, Snapshot, Transfer, TransferDirection, TransferState, Trust,
};

use crate::words::{self, Language};

/// What a notification is about: there is at most one of each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// A conversation.
    Room(String),
    /// A call that rings in a conversation.
    Call(String),
    /// Somebody who wants to compare emoji.
    Comparison(String),
    /// The device that is called like somebody verified, and is not theirs.
    Changed(String),
    /// The program itself.
    Program,
}

/// What is to be done at the desktop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Shows it, in place of what was shown about the same.
    Show(Notice),
    Withdraw(About),
}

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub about: About,
    pub title: String,
    /// Others' words: whoever shows it takes it for text and nothing else.
    pub body: String,
    /// Whether there is something that was not told before; it only reads otherwise if not.
    pub news: bool,
}

/// All that decides, and what is standing.
#[derive(Default)]
pub struct Herald {
    chosen: Notifications,
    rooms: BTreeMap<String, Place>,
    people: BTreeMap<String, Person>,
    /// Whether a person has the window before them,
    focused: bool,
    /// and the conversation that is open in it then.
    watched: Option<String>,
    standing: BTreeMap<String, Standing>,
    /// Conversations of which something else is to be shown than is.
    changed: BTreeSet<String>,
    /// Conversations of which something is shown.
    shown: BTreeSet<String>,
    /// What is to be done about calls and people's keys.
    asides: Vec<Aside>,
    /// Names of verified people under which another key was told of in this run.
    warned: BTreeSet<String>,
    /// Who asks for a comparison of emoji, and it is on the screen. The engine lets two ask at a time.
    asking: BTreeSet<String>,
    /// The calls that were told of and ring, by conversation: which, and who calls.
    ringing: BTreeMap<String, (String, String)>,
    /// The device that the warning on the screen is about.
    warning: Option<String>,
}

/// Somebody who was heard of.
struct Person {
    name: String,
    /// With the short id, where another one has that name.
    called: String,
    trust: Trust,
}

enum Aside {
    Rings(String),
    RingsNoLonger(String),
    Asks(String),
    AsksNoLonger(String),
    Changed(String),
    ChangedNoLonger(String),
}

struct Place {
    kind: RoomKind,
    name: String,
    /// The other side of a direct conversation.
    peer: Option<String>,
    level: Option<NotifyLevel>,
}

/// What came in a conversation since a person last looked.
#[derive(Default)]
struct Standing {
    /// The latest, oldest first.
    items: VecDeque<Item>,
    count: u32,
    news: bool,
}

struct Item {
    /// Of the message, or of the transfer that is offered.
    id: String,
    author: String,
    who: String,
    what: What,
    /// Where it stands in the conversation, once that is known, and whether it came late, before what was read already.
    cursor: Option<(String, Late)>,
}

type Late = bool;

enum What {
    Text(String),
    Sealed,
    Offer { files: u64, bytes: u64, name: Option<String> },
}

impl Herald {
    /// Takes over how things are. What is standing stays, unless it was seen meanwhile.
    pub fn begin(&mut self, snapshot: &Snapshot) {
        self.choose(snapshot.me.notifications);
        let known = std::mem::take(&mut self.people);
        for peer in &snapshot.peers {
            // Of what was so before this program ran the window tells.
            let before = known.get(&peer.id).map_or(peer.trust, |person| person.trust);
            self.know(peer, before);
        }
        let gone: Vec<String> = self
            .rooms
            .keys()
            .filter(|id| snapshot.rooms.iter().all(|room| room.id != **id))
            .cloned()
            .collect();
        for room in gone {
            self.leave(&room);
        }
        snapshot.rooms.iter().for_each(|room| self.place(room));
        let silent = |room: &&String| !snapshot.calls.iter().any(|call| call.room == **room);
        let silent: Vec<String> = self.ringing.keys().filter(silent).cloned().collect();
        silent.iter().for_each(|room| self.answered(room));
        snapshot.calls.iter().for_each(|call| self.ring(call));
    }

    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Message { message } => self.hear(message),
            Event::MessageChanged { message } => self.change(message),
            Event::Offer { transfer } => self.offered(transfer),
            Event::TransferChanged { transfer } | Event::TransferFinished { transfer }
                if transfer.state != TransferState::Offered =>
            {
                self.remove(&transfer.room, |item| item.id == transfer.id);
            }
            Event::RoomChanged { room } => self.place(room),
            Event::RoomLeft { room } => self.leave(room),
            Event::MeChanged { me } | Event::Ready { me, .. } => self.choose(me.notifications),
            Event::PeerOnline { peer } | Event::PeerChanged { peer } | Event::PeerOffline { peer } => {
                let before = self.people.get(&peer.id).map_or(Trust::Unknown, |person| person.trust);
                self.know(peer, before);
            }
            Event::Comparison { comparison } => self.compare(comparison),
            Event::Call { call } => self.ring(call),
            Event::CallEnded { room, .. } => self.answered(room),
            _ => {}
        }
    }

    /// Whether a person has the window before them now, and which conversation is open in it.
    pub fn watch(&mut self, focused: bool, room: Option<String>) {
        let room = room.filter(|_| focused);
        self.focused = focused;
        if focused {
            // The window shows by itself who asks.
            let asking = std::mem::take(&mut self.asking);
            self.asides.extend(asking.into_iter().map(Aside::AsksNoLonger));
            // So it does with who calls.
            let ringing = std::mem::take(&mut self.ringing);
            self.asides.extend(ringing.into_keys().map(Aside::RingsNoLonger));
        }
        if let Some(room) = &room {
            self.clear(room);
        }
        self.watched = room;
    }

    /// A person put this notification away: what comes in a conversation is counted anew.
    pub fn dismissed(&mut self, about: &About) {
        let About::Room(room) = about else { return };
        self.standing.remove(room);
        self.shown.remove(room);
        self.changed.remove(room);
    }

    /// What is to be done since it was last asked, each conversation once.
    pub fn orders(&mut self, language: Language) -> Vec<Order> {
        let asides = std::mem::take(&mut self.asides).into_iter();
        let mut orders: Vec<Order> = asides.map(|what| self.order_aside(what, language)).collect();
        for room in std::mem::take(&mut self.changed) {
            match self.notice(&room, language) {
                Some(notice) => {
                    self.shown.insert(room.clone());
                    orders.push(Order::Show(notice));
                    if let Some(standing) = self.standing.get_mut(&room) {
                        standing.news = false;
                    }
                }
                None if self.shown.remove(&room) => orders.push(Order::Withdraw(About::Room(room))),
                None => {}
            }
        }
        orders
    }

    fn order_aside(&self, what: Aside, language: Language) -> Order {
        let (about, words) = match what {
            Aside::Rings(room) => {
                let caller = self.ringing.get(&room).map_or("", |(_, caller)| caller);
                let name = self.rooms.get(&room).map_or("", |place| &place.name);
                let words = language.calls(&self.called(caller, name));
                (About::Call(room), words)
            }
            Aside::RingsNoLonger(room) => return Order::Withdraw(About::Call(room)),
            Aside::Asks(peer) => {
                let words = language.wants_to_compare(&self.called(&peer, &peer));
                (About::Comparison(peer), words)
            }
            Aside::Changed(peer) => {
                let words = language.another_key(&self.called(&peer, &peer));
                (About::Changed(peer), words)
            }
            Aside::AsksNoLonger(peer) => return Order::Withdraw(About::Comparison(peer)),
            Aside::ChangedNoLonger(peer) => return Order::Withdraw(About::Changed(peer)),
        };
        let (title, body) = words;
        Order::Show(Notice { about, title, body, news: true })
    }

    /// How somebody is called who may never have announced itself: then as it said.
    fn called(&self, peer: &str, said: &str) -> String {
        self.people.get(peer).map_or(said, |person| &person.called).to_owned()
    }

    fn notice(&self, room: &str, language: Language) -> Option<Notice> {
        let (standing, place) = (self.standing.get(room)?, self.rooms.get(room)?);
        let latest = standing.items.back()?;
        let direct = place.kind == RoomKind::Direct;
        let called = self.called(&latest.author, &latest.who);
        let who = Some(called.as_str()).filter(|_| !direct);
        let seen = self.chosen.previews;
        let body = match &latest.what {
            What::Offer { files, bytes, name } => {
                let name = name.as_deref().filter(|_| seen);
                language.offer(&called, !direct, *files, *bytes, name)
            }
            What::Text(text) if seen => match who {
                Some(who) => language.said(who, text),
                None => text.clone(),
            },
            What::Text(_) | What::Sealed => language.new_message(who),
        };
        let name = place.peer.as_ref().map(|peer| self.called(peer, &place.name));
        let name = name.unwrap_or_else(|| words::place(place.kind, &place.name));
        let title = language.title(&name, standing.count);
        Some(Notice { about: About::Room(room.to_owned()), title, body, news: standing.news })
    }

    fn hear(&mut self, message: &Message) {
        if message.kind == MessageKind::Offer {
            // The offer itself was told; this says where it stands.
            if let (Some(standing), Some(transfer)) =
                (self.standing.get_mut(&message.room), &message.transfer)
                && let Some(item) = standing.items.iter_mut().find(|item| item.id == *transfer)
            {
                item.cursor = Some((message.cursor.clone(), message.late));
            }
            return;
        }
        let what = match message.kind {
            _ if message.mine || message.deleted => return,
            MessageKind::Text => What::Text(beginning(&message.text)),
            MessageKind::Sealed => What::Sealed,
            MessageKind::Offer | MessageKind::Note | MessageKind::Unknown => return,
        };
        let cursor = Some((message.cursor.clone(), message.late));
        let (author, who) = (message.author.clone(), message.name.clone());
        let item = Item { id: message.id.clone(), author, who, what, cursor };
        self.add(&message.room, message.to_me, item);
    }

    fn change(&mut self, message: &Message) {
        if message.deleted {
            self.remove(&message.room, |item| item.id == message.id);
            if let Some(transfer) = &message.transfer {
                self.remove(&message.room, |item| item.id == *transfer);
            }
            return;
        }
        let Some(standing) = self.standing.get_mut(&message.room) else { return };
        let Some(item) = standing.items.iter_mut().find(|item| item.id == message.id) else { return };
        let text = beginning(&message.text);
        if message.kind == MessageKind::Text && !matches!(&item.what, What::Text(known) if *known == text) {
            item.what = What::Text(text);
            self.changed.insert(message.room.clone());
        }
    }

    fn offered(&mut self, transfer: &Transfer) {
        if transfer.direction != TransferDirection::In || transfer.state != TransferState::Offered {
            return;
        }
        let name = transfer.names.first().filter(|_| transfer.files == 1).cloned();
        let what = What::Offer { files: transfer.files, bytes: transfer.bytes, name };
        let (author, who) = (transfer.from.clone(), transfer.from_name.clone());
        let item = Item { id: transfer.id.clone(), author, who, what, cursor: None };
        self.add(&transfer.room, false, item);
    }

    fn add(&mut self, room: &str, to_me: bool, item: Item) {
        let is_watched = self.watched.as_deref() == Some(room);
        if is_watched || self.is_blocked(&item.author) || !self.is_told(room, to_me) {
            return;
        }
        let standing = self.standing.entry(room.to_owned()).or_default();
        standing.items.push_back(item);
        if standing.items.len() > REMEMBERED {
            standing.items.pop_front();
        }
        standing.count = standing.count.saturating_add(1);
        standing.news = true;
        self.changed.insert(room.to_owned());
    }

    fn is_told(&self, room: &str, to_me: bool) -> bool {
        if self.chosen.do_not_disturb {
            return false;
        }
        let Some(place) = self.rooms.get(room) else { return false };
        let general = if place.kind == RoomKind::Direct { NotifyLevel::All } else { self.chosen.rooms };
        match place.level.unwrap_or(general) {
            NotifyLevel::All => true,
            NotifyLevel::Mentions => to_me,
            NotifyLevel::None => false,
        }
    }

    fn place(&mut self, room: &Room) {
        let known =
            Place { kind: room.kind, name: room.name.clone(), peer: room.peer.clone(), level: room.notify };
        let muted = known.level == Some(NotifyLevel::None);
        let before = self.rooms.insert(room.id.clone(), known);
        if muted && before.is_some_and(|before| before.level != Some(NotifyLevel::None)) {
            self.clear(&room.id);
        }
        let Some(read) = &room.read else { return };
        // What came late stands before what was read, and is read when nothing is unread any more.
        let was_seen = |item: &Item| {
            let cursor = item.cursor.as_ref();
            cursor.is_some_and(|(cursor, late)| cursor <= read && (!late || room.unread == 0))
        };
        self.remove(&room.id, was_seen);
    }

    fn leave(&mut self, room: &str) {
        self.rooms.remove(room);
        self.clear(room);
    }

    fn choose(&mut self, chosen: Notifications) {
        if chosen == self.chosen {
            return;
        }
        let hidden = self.chosen.previews && !chosen.previews;
        self.chosen = chosen;
        if chosen.do_not_disturb {
            let all: Vec<String> = self.standing.keys().cloned().collect();
            all.iter().for_each(|room| self.clear(room));
        } else if hidden {
            // What is on the screen may say too much from now on.
            self.changed.extend(self.standing.keys().cloned());
        }
    }

    fn is_blocked(&self, peer: &str) -> bool {
        self.people.get(peer).is_some_and(|person| person.trust == Trust::Blocked)
    }

    /// Somebody was heard of, whose trust was this `before`.
    fn know(&mut self, peer: &Peer, before: Trust) {
        let shared = !peer.alike.is_empty();
        let called = if shared { format!("{} ({})", peer.name, peer.short) } else { peer.name.clone() };
        let known = Person { name: peer.name.clone(), called, trust: peer.trust };
        self.people.insert(peer.id.clone(), known);
        if peer.trust == before {
            return;
        }
        if peer.trust == Trust::Blocked {
            // What stands of them goes as it goes in the window.
            let rooms: Vec<String> = self.standing.keys().cloned().collect();
            rooms.iter().for_each(|room| self.remove(room, |item| item.author == peer.id));
        }
        if peer.trust == Trust::Changed {
            self.warn(&peer.id);
        } else if self.warning.as_ref() == Some(&peer.id) {
            self.warning = None;
            self.asides.push(Aside::ChangedNoLonger(peer.id.clone()));
        }
    }

    /// Somebody is called like a verified person. Whoever makes up key after key makes one notification of each name.
    fn warn(&mut self, peer: &str) {
        let Some(person) = self.people.get(peer) else { return };
        let name = person.name.clone();
        if self.chosen.do_not_disturb || self.warned.len() >= WARNED || !self.warned.insert(name) {
            return;
        }
        if let Some(before) = self.warning.replace(peer.to_owned()) {
            self.asides.push(Aside::ChangedNoLonger(before));
        }
        self.asides.push(Aside::Changed(peer.to_owned()));
    }

    /// A comparison of emoji goes on: only that somebody asks for one is told, and while they do.
    fn compare(&mut self, comparison: &Comparison) {
        let peer = &comparison.peer;
        let asks = comparison.state == ComparisonState::Asked;
        if asks && !self.chosen.do_not_disturb && !self.focused && !self.is_blocked(peer) {
            if self.asking.insert(peer.clone()) {
                self.asides.push(Aside::Asks(peer.clone()));
            }
        } else if !asks && self.asking.remove(peer) {
            self.asides.push(Aside::AsksNoLonger(peer.clone()));
        }
    }

    /// A call goes on: only that it rings is told, as a message in that conversation would be.
    fn ring(&mut self, call: &Call) {
        let caller = call.members.iter().find(|member| !member.me);
        let Some(caller) = caller.filter(|_| call.ringing && !call.joined) else {
            return self.answered(&call.room);
        };
        let told = self.ringing.get(&call.room).is_some_and(|(id, _)| *id == call.id);
        if told || self.focused || self.is_blocked(&caller.peer) || !self.is_told(&call.room, true) {
            return;
        }
        self.ringing.insert(call.room.clone(), (call.id.clone(), caller.peer.clone()));
        self.asides.push(Aside::Rings(call.room.clone()));
    }

    fn answered(&mut self, room: &str) {
        if self.ringing.remove(room).is_some() {
            // What was not shown yet need not be.
            let waits = |aside: &Aside| matches!(aside, Aside::Rings(waits) if waits == room);
            match self.asides.iter().position(waits) {
                Some(at) => drop(self.asides.remove(at)),
                None => self.asides.push(Aside::RingsNoLonger(room.to_owned())),
            }
        }
    }

    fn remove(&mut self, room: &str, goes: impl Fn(&Item) -> bool) {
        let Some(standing) = self.standing.get_mut(room) else { return };
        let before = standing.items.len();
        standing.items.retain(|item| !goes(item));
        let removed = before - standing.items.len();
        if removed == 0 {
            return;
        }
        standing.count = standing.count.saturating_sub(u32::try_from(removed).unwrap_or(u32::MAX));
        self.changed.insert(room.to_owned());
        if standing.items.is_empty() {
            self.standing.remove(room);
        }
    }

    fn clear(&mut self, room: &str) {
        if self.standing.remove(room).is_some() {
            self.changed.insert(room.to_owned());
        }
    }
}

/// Enough to know what it is about, on few lines.
fn beginning(text: &str) -> String {
    let lines: Vec<&str> =
        text.lines().map(str::trim_end).filter(|line| !line.is_empty()).take(LINES).collect();
    let shown = lines.join("\n");
    match shown.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// Names under which other keys are told of in one run: nobody has verified as many that are then made up.
const WARNED: usize = 64;
/// Of a conversation; older ones only count.
const REMEMBERED: usize = 64;
/// Of a message: desktops show two to four lines.
const LINES: usize = 4;
const CHARACTERS: usize = 240;

#[cfg(test)]
#[path = "herald_tests.rs"]
mod tests;
