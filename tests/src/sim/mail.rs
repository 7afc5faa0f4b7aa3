//! What a simulated host keeps for others on disk, and what people see of mail.

use std::collections::BTreeMap;
use std::sync::Arc;

use lanyard_proto::effects::{HeldEntry, KeptBy, LoadedBundle, LoadedMail, Record};
use lanyard_proto::model::{LogId, PeerId, RoomId, Seq, Span, UnixMillis};
use lanyard_proto::wire::entry::Entry;
use lanyard_proto::wire::frame::{ENTRIES_BYTES, Frame};
use lanyard_proto::wire::mail::{Mail, Receipt};

use super::{Lan, Who};

#[derive(Clone, Default)]
pub(super) struct Shelf {
    bundles: BTreeMap<(RoomId, LogId), Bundle>,
    taken: BTreeMap<(RoomId, LogId), (Receipt, UnixMillis)>,
    kept: BTreeMap<(RoomId, PeerId), KeptBy>,
}

#[derive(Clone)]
struct Bundle {
    recipient: PeerId,
    entries: BTreeMap<u64, (Arc<Entry>, UnixMillis)>,
}

impl Shelf {
    pub(super) fn commit(&mut self, record: &Record) {
        match record {
            Record::Hold { recipient, entries, arrived } => {
                let (room, log) = (entries[0].header.room, entries[0].log());
                let new = || Bundle { recipient: *recipient, entries: BTreeMap::new() };
                let bundle = self.bundles.entry((room, log)).or_insert_with(new);
                for entry in entries {
                    if let Some((last, (before, _))) = bundle.entries.last_key_value() {
                        assert_eq!((entry.header.seq.0, entry.header.prev), (last + 1, before.id().0));
                    }
                    bundle.entries.insert(entry.header.seq.0, (entry.clone(), *arrived));
                }
            }
            Record::Unhold { room, log, to } => {
                if let Some(bundle) = self.bundles.get_mut(&(*room, *log)) {
                    bundle.entries.retain(|seq, _| *seq > to.0);
                }
                self.bundles.retain(|_, bundle| !bundle.entries.is_empty());
            }
            Record::Taken { room, log, taken, at } => {
                self.taken.insert((*room, *log), (taken.clone(), *at));
            }
            Record::TakenForgotten { room, log } => {
                self.taken.remove(&(*room, *log));
            }
            Record::Kept(kept) if kept.held.is_empty() => {
                self.kept.remove(&(kept.room, kept.holder));
            }
            Record::Kept(kept) => {
                self.kept.insert((kept.room, kept.holder), *kept);
            }
            Record::RoomLeft(left) => self.kept.retain(|(room, _), _| room != left),
            _ => {}
        }
    }

    pub(super) fn load(&self) -> LoadedMail {
        let held = self.bundles.iter().map(|((room, log), bundle)| {
            let (last, _) = &bundle.entries.last_key_value().expect("no bundle is empty").1;
            let entries = bundle.entries.values().map(|(entry, arrived)| HeldEntry {
                seq: entry.header.seq,
                bytes: entry.len_in_room() as u64,
                arrived: *arrived,
            });
            LoadedBundle {
                room: *room,
                log: *log,
                author: last.header.author,
                recipient: bundle.recipient,
                head_id: last.id(),
                entries: entries.collect(),
            }
        });
        let taken = self.taken.iter().map(|((room, log), (receipt, at))| (*room, *log, receipt.clone(), *at));
        LoadedMail {
            held: held.collect(),
            taken: taken.collect(),
            kept: self.kept.values().copied().collect(),
        }
    }

    /// As many as a frame holds, the oldest first.
    pub(super) fn read(&self, room: RoomId, log: LogId, span: Span) -> Vec<Arc<Entry>> {
        let bundle = self.bundles.get(&(room, log));
        let entries = bundle.into_iter().flat_map(|bundle| bundle.entries.values().map(|(entry, _)| entry));
        a_frame_of(entries.cloned(), span)
    }

    fn recipients(&self) -> Vec<(PeerId, u64)> {
        self.bundles.values().map(|bundle| (bundle.recipient, bundle.entries.len() as u64)).collect()
    }
}

/// Consecutive entries from the beginning of a span on, as many as a frame holds but one at least.
pub(super) fn a_frame_of(entries: impl Iterator<Item = Arc<Entry>>, span: Span) -> Vec<Arc<Entry>> {
    let mut found: Vec<Arc<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries.filter(|entry| span.contains(entry.header.seq)) {
        let follows = found.last().is_none_or(|last| last.header.seq.next() == entry.header.seq);
        bytes += entry.len_in_room();
        if !follows || (bytes > ENTRIES_BYTES && !found.is_empty()) {
            break;
        }
        found.push(entry);
    }
    found
}

impl Lan {
    /// Entries that a host has on disk for somebody else.
    pub fn holds_for(&self, who: Who, recipient: Who) -> u64 {
        let recipient = self.id(recipient);
        let kept = self.hosts[who.0].disk.mail.recipients();
        kept.into_iter().filter(|(to, _)| *to == recipient).map(|(_, entries)| entries).sum()
    }

    /// Who is said to keep the newest thing that somebody wrote to another, by name.
    pub fn kept_by(&self, who: Who, recipient: Who) -> Vec<String> {
        let room = lanyard_proto::rooms::direct_room_id(self.id(who), self.id(recipient));
        let Some((log, newest)) = self.own_newest(who, room) else { return Vec::new() };
        let holders = self.node(who).kept_by(room, log, newest);
        let mut names: Vec<String> =
            holders.iter().map(|id| self.hosts[self.ids[id].0].name.clone()).collect();
        names.sort();
        names
    }

    /// Whether the newest thing that somebody wrote to another is called delivered.
    pub fn is_delivered(&self, who: Who, recipient: Who) -> bool {
        let room = lanyard_proto::rooms::direct_room_id(self.id(who), self.id(recipient));
        let held = self.node(who).room(room).expect("they talk");
        let newest = self.own_newest(who, room);
        newest.is_some_and(|(log, seq)| held.holders_of(log, seq).contains(&self.id(recipient)))
    }

    fn own_newest(&self, who: Who, room: RoomId) -> Option<(LogId, Seq)> {
        let own = self.node(who).room(room)?.own_log();
        let entries = self.entries_in(who, room).into_iter();
        let newest = entries.filter(|entry| entry.log() == own).map(|entry| entry.header.seq).max()?;
        Some((own, newest))
    }

    /// What somebody sent to another of mail, since the tape runs.
    pub fn mail_between(&self, from: Who, to: Who) -> Vec<Mail> {
        let tape = self.tape.iter().flatten().filter(|heard| heard.from == from && heard.to == Some(to));
        tape.filter_map(|heard| match Frame::decode(&heard.bytes) {
            Ok(Some(Frame::Mail(mail))) => Some(mail),
            _ => None,
        })
        .collect()
    }

    /// From its next start on, a host wants nothing of somebody.
    pub fn blocks(&mut self, who: Who, blocked: Who) {
        let blocked = self.id(blocked);
        self.hosts[who.0].disk.block(blocked);
    }

    /// Says something about mail on a connection to somebody.
    pub fn say_mail(&mut self, who: Who, to: Who, mail: Mail) {
        self.say_on_link(who, to, Frame::Mail(mail).encode());
    }
}
