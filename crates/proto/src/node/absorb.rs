//! What was received in a room: what is committed, passed on, understood and told.

use std::sync::Arc;
use std::time::Duration;

use crate::effects::{Effects, Event, Job, Origin, Place, Record, TransferRecord};
use crate::log::{Heard, Received, Run};
use crate::model::{Instant, Now, PeerId, RoomId};
use crate::node::clocks::MAX_CLOCK_AHEAD_MS;
use crate::node::{Dropped, Node};
use crate::rooms::{self, Content};
use crate::transfer::TransferState;
use crate::wire::entry::Entry;

impl Node {
    /// Commits and tells what was received in a room.
    pub(super) fn absorb(&mut self, room: RoomId, from: PeerId, received: Received, now: Now) -> Effects {
        let mut effects = Effects::default();
        if received.refused > 0 {
            self.count(Dropped::Entry, u64::from(received.refused));
        }
        for found in received.contradicting {
            effects.extend(self.contradicted(room, found));
        }
        if !received.absent.is_empty() {
            effects.run.push(Job::Retrieve { room, ranges: received.absent });
        }
        let came = !received.runs.is_empty();
        if came
            && self.has_deaf_links(now.instant)
            && let Some(held) = self.rooms.get_mut(&room)
        {
            held.replica.say_soon(now.instant, &mut self.dice);
        }
        for Heard { run, news } in received.runs {
            effects.extend(self.absorb_run(room, from, run, news, now));
        }
        let other_side = self.rooms.get(&room).and_then(|held| held.record.kind.other_side());
        if let Some(author) = other_side.filter(|_| came) {
            effects.extend(self.mail_came_otherwise(author, now));
        }
        effects.extend(self.absorb_strange(room, received.strange, now));
        if !received.covered.is_empty() {
            let covered = received.covered.into_iter();
            effects.commit.extend(covered.map(|(log, held)| Record::Covered { room, peer: from, log, held }));
            effects.tell.push(Event::Covered { room });
            self.mail.wake(now.instant);
            if self.rooms.get(&room).is_some_and(|held| held.is_leaving()) {
                self.wake_private(room, now);
            }
        }
        effects.extend(self.settle_private(room, now));
        effects
    }

    fn absorb_run(&mut self, room: RoomId, from: PeerId, run: Run, news: bool, now: Now) -> Effects {
        let mut effects = Effects::default();
        let Run { entries, place, forgotten, closed } = run;
        effects.commit.extend(closed.into_iter().map(|log| Record::Closed { room, log }));
        let Some(last) = entries.last() else { return effects };
        if last.header.hlc.unix().0 <= self.time(now).0.saturating_add(MAX_CLOCK_AHEAD_MS) {
            self.clock = self.clock.max(last.header.hlc);
        }
        let (arrived, set_back) = self.arrives(now);
        if set_back.is_some() {
            self.clocks.stands_at(last.header.hlc);
        }
        if place == Place::Head && last.header.author != from {
            self.consider_asking_for(last, from, now);
        }
        let theirs = self.presence.far_behind(last.header.author, Now { unix: arrived, ..now });
        if let Some(held) = self.rooms.get_mut(&room) {
            held.active = held.active.max(last.header.hlc.unix().min(arrived));
        }
        if let Some(to) = forgotten {
            effects.commit.push(Record::Forget { room, log: last.log(), to });
        }
        for entry in entries.iter().filter(|entry| entry.header.kind != rooms::kind::TEXT) {
            effects.extend(self.understand(room, entry, now));
        }
        self.note_sealed(room, &entries);
        if news {
            let event = |entry: &Arc<Entry>| Event::Entry { room, entry: entry.clone(), arrived };
            effects.tell.extend(entries.iter().map(event));
        } else if self.rooms.get_mut(&room).is_some_and(|held| held.history.came(now.instant)) {
            effects.tell.push(Event::History(room));
        }
        if place == Place::Head {
            effects.extend(self.pass_on(room, &entries, Some(from)));
            let record = |entry| Record::Entry { room, entry, own: false, arrived, theirs };
            effects.commit.extend(entries.into_iter().map(record));
        } else {
            effects.commit.push(Record::Run { room, entries, place, arrived, theirs });
        }
        effects
    }

    /// What an entry of somebody else, or an offer of our own, means for transfers.
    pub(super) fn understand(&mut self, room: RoomId, entry: &Entry, now: Now) -> Effects {
        let Some(held) = self.rooms.get_mut(&room) else { return Effects::default() };
        let kind = held.record.kind;
        if held.is_void(entry) && !rooms::is_deed(entry.header.kind) {
            return Effects::default();
        }
        match held.read(entry) {
            Content::Offer { .. } if self.presence.is_blocked(entry.header.author) => Effects::default(),
            Content::Offer { transfer, offer } => {
                let record = TransferRecord {
                    id: transfer,
                    room,
                    origin: Origin::Entry(entry.id()),
                    from: entry.header.author,
                    offer,
                    state: TransferState::Offered,
                    offered: entry.header.hlc.unix(),
                    receipts: Vec::new(),
                    paused: false,
                    turn: 0,
                    finished: None,
                };
                self.transfers.offered(record, kind)
            }
            Content::Receipt { transfer, receipt } if entry.header.author != self.me => {
                self.transfers.receipt(entry.header.author, transfer, receipt, entry.header.hlc)
            }
            Content::Pause { transfer, on } if entry.header.author != self.me => {
                self.transfers.held(entry.header.author, transfer, on, entry.header.hlc, now.instant)
            }
            Content::Deed(deed) => {
                if let Some(private) = &mut held.private {
                    private.note_deed(room, entry, deed);
                }
                Effects::default()
            }
            Content::Unknown if rooms::is_deed(entry.header.kind) => {
                let opens = held.open(entry).is_some();
                if let Some(private) = &mut held.private {
                    private.note_unread(entry, opens);
                }
                Effects::default()
            }
            Content::Fork(headers) => self.forked(room, &headers, now),
            _ => Effects::default(),
        }
    }
}

/// Older entries that came, and whether people were told.
#[derive(Default)]
pub(super) struct History {
    told: Option<Instant>,
    due: bool,
}

impl History {
    /// More came. Whether to tell now.
    pub(super) fn came(&mut self, now: Instant) -> bool {
        let rested = self.told.is_none_or(|told| now.since(told) >= HISTORY_TOLD);
        if rested {
            self.told = Some(now);
        }
        self.due = !rested;
        rested
    }

    /// Whether something came that was not told.
    pub(super) fn take_due(&mut self) -> bool {
        std::mem::take(&mut self.due)
    }
}

/// Between two words about older entries that came.
const HISTORY_TOLD: Duration = Duration::from_millis(300);
