//! Messages as user interfaces see them: what was written, and what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lanyard_proto::model::{PeerId, RoomId, UnixMillis};
use lanyard_proto::node::Room;
use lanyard_proto::rooms::{Content, RoomKind, What, kind};
use lanyard_proto::wire::entry::Entry;

use crate::api::{Delivery, Message, MessageKind, Note, NoteKind, Quote, Reaction};
use crate::engine::run::Run;
use crate::files::shown;
use crate::store::{About, LogPosition, Shown};

/// What an entry says to a person.
#[derive(Default)]
struct Said {
    kind: Option<MessageKind>,
    text: String,
    mentions: Vec<PeerId>,
    transfer: Option<String>,
    note: Option<Note>,
    /// Whether it answers something, here or not.
    reply: Option<String>,
}

impl Run {
    pub fn message(&self, room: RoomId, message: &Shown) -> Option<Message> {
        let Shown { entry, about, .. } = message;
        let held = self.node.room(room).filter(|held| held.counts(entry))?;
        let author = entry.header.author;
        if self.hides(author) {
            return None;
        }
        let deleted = is_taken_back(held, message);
        let mut said = if deleted { Said::taken_back(entry) } else { Said::of(held, message) };
        let (mut author, mut name) = (author, self.author_name(held, entry));
        if let Some(Content::Deed(deed)) = held.open(entry) {
            let note = self.note(entry, &deed)?;
            // Who let somebody in for an invite is of no interest: who came, is.
            if let What::Add { device, invite: Some(_), .. } = deed.what {
                name = note.name.clone().unwrap_or(name);
                author = device;
            }
            let peer = note.peer.clone().filter(|peer| *peer != author.to_string());
            let named = note.name.clone().filter(|_| peer.is_some());
            said.note = Some(Note { peer, name: named, ..note });
            said.kind = Some(MessageKind::Note);
        }
        let reply = said.reply.as_ref().map(|id| self.quote(held, id, about.quoted.as_deref()));
        Some(Message {
            id: entry.id().to_string(),
            room: room.to_string(),
            author: author.to_string(),
            name,
            mine: author == self.node.me(),
            // Of an author whose clock was far ahead, when it came here.
            time: message.cursor.place.unix().0,
            kind: said.kind.unwrap_or(MessageKind::Unknown),
            text: said.text,
            reply,
            edited: about.edited.as_ref().filter(|_| !deleted).map(|edited| edited.at.0),
            deleted,
            reactions: if deleted { Vec::new() } else { self.reactions(about) },
            mentions: said.mentions.iter().map(ToString::to_string).collect(),
            to_me: about.to_me && !deleted,
            pinned: about.pinned && !deleted,
            late: about.late,
            disputed: held.is_disputed(entry),
            note: said.note,
            transfer: said.transfer,
            cursor: message.cursor.to_string(),
            delivered: self.newest_of_ours(held, message).map(|said| {
                self.delivery(room, entry.header.hlc.unix(), said, &held.holders_of(said.log, said.seq))
            }),
        })
    }

    /// The message that another one answers, as it reads now; only its id if it is not here.
    fn quote(&self, held: &Room, id: &str, quoted: Option<&Shown>) -> Quote {
        let id = id.to_owned();
        let Some(quoted) = quoted.filter(|quoted| !self.hides(quoted.entry.header.author)) else {
            return Quote {
                id,
                author: String::new(),
                name: String::new(),
                text: String::new(),
                deleted: false,
            };
        };
        let deleted = is_taken_back(held, quoted);
        let text = if deleted { String::new() } else { Said::of(held, quoted).text };
        Quote {
            id,
            author: quoted.entry.header.author.to_string(),
            name: self.author_name(held, &quoted.entry),
            text: text.chars().take(QUOTED_CHARACTERS).collect(),
            deleted,
        }
    }

    fn reactions(&self, about: &About) -> Vec<Reaction> {
        if about.reactions.iter().any(|(_, author)| self.hides(*author)) {
            let seen = about.reactions.iter().filter(|(_, author)| !self.hides(*author)).cloned().collect();
            return reactions(&About { reactions: seen, ..About::default() }, self.node.me());
        }
        reactions(about, self.node.me())
    }

    fn author_name(&self, held: &Room, entry: &Entry) -> String {
        let author = entry.header.author;
        let let_in = || held.name_of_member(author).map(str::to_owned);
        self.known_name(author)
            .map(|_| self.known_as(author))
            .or_else(|| held.name_in(entry).or_else(let_in).map(|name| self.claimed_by(author, name)))
            .unwrap_or_else(|| author.short())
    }

    /// Where the newest of what this device said stands that makes a message read as it does: whoever has an older word only
    /// does not have that. None where others said it.
    fn newest_of_ours(&self, held: &Room, message: &Shown) -> Option<LogPosition> {
        let (me, author) = (self.node.me(), message.entry.header.author);
        if is_taken_back(held, message) {
            let mut ours = message.about.deletes.iter().filter(|deleted| deleted.by == me);
            return ours.find(|_| held.may_delete(me, author)).map(|deleted| deleted.position);
        }
        let edited = message.about.edited.as_ref().map(|edited| edited.position);
        (author == me).then(|| edited.unwrap_or_else(|| LogPosition::of(&message.entry)))
    }

    /// Who holds what this device said last of a message from `at`, of those whom it concerns: in an open room, where anybody
    /// may come, those who were here [when](STAYING) the message was said or since; and whoever holds it, in the room or out
    /// by now.
    pub fn delivery(&self, room: RoomId, at: UnixMillis, said: LogPosition, holders: &[PeerId]) -> Delivery {
        let mut concerned: BTreeSet<PeerId> = holders.iter().copied().collect();
        if let Some(held) = self.node.room(room) {
            let is_open = held.record().kind == RoomKind::Open;
            let staying = STAYING.max(self.node.presence().interval() * LEASE_INTERVALS);
            let since = UnixMillis(at.0.saturating_sub(staying.as_millis() as u64));
            let was_here = |peer: &PeerId| {
                let last_seen = self.node.presence().peer(*peer).map(|known| known.last_seen);
                self.node.is_online(*peer) || last_seen.is_some_and(|last_seen| last_seen >= since)
            };
            concerned.extend(held.members().into_iter().filter(|peer| !is_open || was_here(peer)));
        }
        let kept_by = self.node.kept_by(room, said.log, said.seq).iter().map(ToString::to_string).collect();
        Delivery {
            to: holders.iter().map(ToString::to_string).collect(),
            names: self.told_apart(holders, &concerned),
            of: u32::try_from(concerned.len()).unwrap_or(u32::MAX),
            kept_by,
        }
    }
}

impl Run {
    /// What these call themselves, with the short id behind it where others do as well.
    fn told_apart(&self, these: &[PeerId], among: &BTreeSet<PeerId>) -> Vec<String> {
        let mut namesakes: BTreeMap<String, u32> = BTreeMap::new();
        for peer in among {
            *namesakes.entry(self.name_of(*peer)).or_default() += 1;
        }
        let told = these.iter().map(|peer| match self.name_of(*peer) {
            name if namesakes.get(&name).is_some_and(|many| *many > 1) => {
                format!("{name} ({})", peer.short())
            }
            name => name,
        });
        told.collect()
    }
}

impl Said {
    fn of(held: &Room, message: &Shown) -> Said {
        let Some(content) = held.open(&message.entry) else {
            return Said { kind: Some(MessageKind::Sealed), ..Said::default() };
        };
        match content {
            Content::Text(text) => {
                let (words, mentions) = match &message.about.edited {
                    Some(edited) => (edited.text.clone(), edited.mentions.clone()),
                    None => (text.text, text.mentions),
                };
                let reply = text.reply.map(|reply| reply.to_string());
                Said { kind: Some(MessageKind::Text), text: words, mentions, reply, ..Said::default() }
            }
            Content::Offer { transfer, offer } => {
                let names: Vec<String> = offer.names.iter().map(|name| shown(name)).collect();
                let (text, transfer) = (names.join(", "), Some(transfer.to_string()));
                Said { kind: Some(MessageKind::Offer), text, transfer, ..Said::default() }
            }
            Content::Topic(text) => {
                let note = Some(Note { kind: NoteKind::Topic, peer: None, name: None, text });
                Said { kind: Some(MessageKind::Note), note, ..Said::default() }
            }
            _ => Said::default(),
        }
    }

    fn taken_back(entry: &Entry) -> Said {
        let kind = if entry.header.kind == kind::OFFER { MessageKind::Offer } else { MessageKind::Text };
        Said { kind: Some(kind), ..Said::default() }
    }
}

/// Whether a message was taken back by somebody who may.
pub fn is_taken_back(held: &Room, message: &Shown) -> bool {
    let header = &message.entry.header;
    matches!(header.kind, kind::TEXT | kind::OFFER)
        && message.about.deletes.iter().any(|deleted| held.may_delete(deleted.by, header.author))
}

/// The emoji that most people put there, in the order of the first of each; this device before others.
fn reactions(about: &About, me: PeerId) -> Vec<Reaction> {
    let mut by_emoji: BTreeMap<&str, (usize, Vec<PeerId>)> = BTreeMap::new();
    for (first, (emoji, author)) in about.reactions.iter().enumerate() {
        by_emoji.entry(emoji).or_insert((first, Vec::new())).1.push(*author);
    }
    let mut most: Vec<_> = by_emoji.into_iter().collect();
    most.sort_by_key(|(_, (first, by))| (std::cmp::Reverse(by.len()), *first));
    most.truncate(MAX_EMOJI_SHOWN);
    most.sort_by_key(|(_, (first, _))| *first);
    let reaction = |(emoji, (_, mut by)): (&str, (usize, Vec<PeerId>))| {
        by.sort_by_key(|peer| *peer != me);
        let mine = by.first() == Some(&me);
        let by = by.iter().take(MAX_NAMES_SHOWN).map(ToString::to_string).collect();
        Reaction { emoji: emoji.to_owned(), by, mine }
    };
    most.into_iter().map(reaction).collect()
}

/// Whoever was last heard so long before a message was said counts as having been here: a device that goes without a word
/// is taken for present until its lease ends, and must not fall out of the count with that.
const STAYING: Duration = Duration::from_secs(60);
/// The same where many are here, in intervals between announcements.
const LEASE_INTERVALS: u32 = 4;
/// The beginning of a message that is quoted.
const QUOTED_CHARACTERS: usize = 200;
/// Emoji shown on one message: two rows of a window.
const MAX_EMOJI_SHOWN: usize = 20;
/// Devices told of each: more than a tooltip holds.
const MAX_NAMES_SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_reactions_is_shown_up_to_a_bound_and_ones_own_among_them() {
        let me = PeerId([0xff; 32]);
        let peer = |n: u16| PeerId(core::array::from_fn(|i| n.to_be_bytes()[i % 2]));
        let mut about = About::default();
        for n in 0..30 {
            about.reactions.push((char::from_u32(0x1F600 + n).unwrap().to_string(), peer(0)));
        }
        for n in 0..300 {
            about.reactions.push(("👍".to_owned(), peer(n)));
        }
        about.reactions.push(("👍".to_owned(), me));
        let shown = reactions(&about, me);
        assert_eq!(shown.len(), MAX_EMOJI_SHOWN);
        assert_eq!(shown[0].emoji, "\u{1F600}");
        let last = shown.last().unwrap();
        assert_eq!((last.emoji.as_str(), last.by.len(), last.mine), ("👍", MAX_NAMES_SHOWN, true));
        assert_eq!(last.by[0], me.to_string());
    }
}
