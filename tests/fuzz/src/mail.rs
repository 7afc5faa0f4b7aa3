//! Mail as somebody may send it: to be kept, said to be kept, handed over, and taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use lanyard_proto::effects::{Effects, Input, Job, Record};
use lanyard_proto::identity::Purpose;
use lanyard_proto::mail::{MAX_AUTHOR_BYTES, MAX_AUTHOR_ENTRIES};
use lanyard_proto::model::{LogId, PeerId, RoomId, Seq, Span};
use lanyard_proto::rooms;
use lanyard_proto::wire::entry::{Entry, log_id};
use lanyard_proto::wire::frame::Frame;
use lanyard_proto::wire::mail::{Kept, Mail, Receipt, Waiting, Why};

use crate::feed::Feed;
use crate::node::{OTHERS, World, id, other};

/// What lies on disk of mail, and of what this device wrote.
#[derive(Default)]
pub struct Stock {
    own: BTreeMap<(RoomId, LogId), BTreeMap<u64, Arc<Entry>>>,
    held: BTreeMap<(RoomId, LogId), BTreeMap<u64, Arc<Entry>>>,
}

impl Stock {
    /// # Panics
    /// If what is kept has a gap, is kept of too much, or goes without having been there.
    pub fn check(&mut self, me: PeerId, effects: &Effects) {
        for record in &effects.commit {
            match record {
                Record::Entry { room, entry, own: true, .. } => {
                    let log = self.own.entry((*room, entry.log())).or_default();
                    log.insert(entry.header.seq.0, entry.clone());
                }
                Record::Hold { entries, recipient, .. } => {
                    let first = entries.first().expect("nothing is not kept");
                    assert!(*recipient != me && first.header.author != me, "only others' mail is kept");
                    let held = self.held.entry((first.header.room, first.log())).or_default();
                    for entry in entries {
                        if let Some((last, before)) = held.last_key_value() {
                            assert_eq!((entry.header.seq.0, entry.header.prev), (last + 1, before.id().0));
                        }
                        held.insert(entry.header.seq.0, entry.clone());
                    }
                    let bytes: u64 = held.values().map(|entry| entry.len_in_room() as u64).sum();
                    assert!(held.len() <= MAX_AUTHOR_ENTRIES && bytes <= MAX_AUTHOR_BYTES);
                }
                Record::Unhold { room, log, to } => {
                    let held = self.held.get_mut(&(*room, *log)).expect("it was kept");
                    held.retain(|seq, _| *seq > to.0);
                    if held.is_empty() {
                        self.held.remove(&(*room, *log));
                    }
                }
                Record::RoomLeft(left) => self.own.retain(|(room, _), _| room != left),
                _ => {}
            }
        }
    }

    /// What was asked for, as the store would read it.
    pub fn collected(&self, job: &Job) -> Option<Input<'static>> {
        let Job::Collect { conn, stock, room, log, span } = job else { return None };
        let of = match stock {
            lanyard_proto::effects::Stock::Room => self.own.get(&(*room, *log)),
            lanyard_proto::effects::Stock::Mailbox => self.held.get(&(*room, *log)),
        };
        let entries = of.into_iter().flat_map(|entries| entries.values().cloned());
        let entries = entries.filter(|entry| span.contains(entry.header.seq)).take(16).collect();
        Some(Input::Collected { conn: *conn, stock: *stock, room: *room, log: *log, entries })
    }
}

impl World {
    /// A frame about mail from somebody.
    pub fn mail(&mut self, who: usize, feed: &mut Feed<'_>) -> Option<Vec<u8>> {
        let peer = self.person(feed)?;
        let mail = match feed.one_of(8)? {
            0 => {
                let room = rooms::direct_room_id(id(who), peer);
                Mail::Deposit { recipient: peer, entries: self.entries(who, room, feed)? }
            }
            1 => self.kept(peer, feed)?,
            2 => Mail::Ask { recipient: peer, log: self.log(feed)? },
            3 => Mail::Release { recipient: peer, log: self.log(feed)?, to: Seq(feed.number()?) },
            4 => {
                let bundle = Waiting { author: peer, log: self.log(feed)?, span: span(feed)? };
                Mail::Waiting { bundles: vec![bundle; 1 + feed.one_of(3)?] }
            }
            5 => Mail::Fetch { author: peer, log: self.log(feed)?, span: span(feed)? },
            6 => {
                let room = rooms::direct_room_id(self.me(), peer);
                Mail::Bundle { author: peer, log: self.log(feed)?, entries: self.entries(who, room, feed)? }
            }
            _ => {
                let (log, span) = (self.log(feed)?, span(feed)?);
                let room = rooms::direct_room_id(id(who), peer);
                let signature = other(who).sign(Purpose::Receipt, &[&Receipt::signed(room, log, span)]);
                let signature = (feed.byte()? & 1 == 1).then_some(signature);
                Mail::Taken { author: peer, log, span, signature }
            }
        };
        Some(Frame::Mail(mail).encode())
    }

    fn kept(&mut self, recipient: PeerId, feed: &mut Feed<'_>) -> Option<Mail> {
        let (log, said, how) = (self.log(feed)?, span(feed)?, feed.byte()?);
        let refused = [None, Some(Why::Full), Some(Why::Hasty), Some(Why::Other)][usize::from(how & 3)];
        let room = rooms::direct_room_id(self.me(), recipient);
        let by = other(feed.one_of(OTHERS)?);
        let signature = by.sign(Purpose::Receipt, &[&Receipt::signed(room, log, said)]);
        let receipt = (how & 4 != 0).then_some(Receipt { span: said, signature });
        Some(Mail::Kept(Kept { recipient, log, span: said, refused, receipt }))
    }

    /// Somebody known, the device under test, or nobody that is here.
    fn person(&self, feed: &mut Feed<'_>) -> Option<PeerId> {
        Some(match feed.one_of(OTHERS + 2)? {
            who if who < OTHERS => id(who),
            who if who == OTHERS => self.me(),
            _ => PeerId([feed.byte()?; 32]),
        })
    }

    fn log(&self, feed: &mut Feed<'_>) -> Option<LogId> {
        Some(match feed.one_of(OTHERS + 2)? {
            who if who < OTHERS => log_id(id(who), 1),
            who if who == OTHERS => log_id(self.me(), 1),
            _ => LogId([feed.byte()?; 8]),
        })
    }
}

fn span(feed: &mut Feed<'_>) -> Option<Span> {
    let (after, count) = (feed.number()?, feed.number()?);
    Some(Span { after: Seq(after), to: Seq(after.saturating_add(count)) })
}
