//! Opening entries for the store, which has no keys: when they are written, and later, where that was not possible then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lanyard_proto::effects::{Effects, Record};
use lanyard_proto::model::{PeerId, RoomId};
use lanyard_proto::rooms::RoomKind;
use lanyard_proto::wire::entry::Entry;
use tokio::sync::oneshot;

use crate::api::Event;
use crate::engine::run::{Report, Run};
use crate::store::{Opened, Openings, StoreError};

impl Run {
    /// What the entries that are to be written say.
    pub fn openings(&self, effects: &Effects) -> Openings {
        let entries = effects.commit.iter().flat_map(|record| match record {
            Record::Entry { entry, .. } => std::slice::from_ref(entry),
            Record::Run { entries, .. } => entries.as_slice(),
            _ => &[],
        });
        self.opened(entries)
    }

    /// Opens in the background what lies in the store unopened: entries of before there was an index, and those whose
    /// key came meanwhile.
    pub fn open_what_can_be_opened(&self) {
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let mut from = i64::MIN;
            let mut rooms = BTreeSet::new();
            loop {
                let batch = match store.unopened(from, AT_ONCE).await {
                    Ok(batch) => batch,
                    Err(error) => return drop(reports.send(Report::Failed(error)).await),
                };
                let Some((last, _)) = batch.last() else { break };
                from = *last;
                let (answer, answered) = oneshot::channel();
                let entries: Vec<Arc<Entry>> = batch.into_iter().map(|(_, entry)| entry).collect();
                rooms.extend(entries.iter().map(|entry| entry.header.room));
                let open = move |run: &Run| {
                    // An error only says that this device has ended meanwhile.
                    let _ = answer.send(run.opened(entries.iter()));
                };
                if reports.send(Report::Read(Box::new(open))).await.is_err() {
                    return;
                }
                let Ok(openings) = answered.await else { return };
                tracing::debug!(opened = openings.of.len(), "entries are opened for the index");
                let written: Result<(), StoreError> = async { store.index(openings).await?.await }.await;
                if let Err(error) = written {
                    return drop(reports.send(Report::Failed(error)).await);
                }
            }
            for room in rooms {
                let _ = reports.send(Report::Opened(room)).await;
            }
        });
    }

    /// Has the store judge deletes in a private room again if others moderate it than it was told last.
    pub fn judge(&mut self, room: RoomId) {
        let Some(held) = self.node.room(room).filter(|held| held.record().kind == RoomKind::Private) else {
            return;
        };
        let moderators = held.roles().map(|(peer, _)| peer).filter(|peer| held.moderates(*peer));
        let moderators = Arc::new(moderators.collect::<BTreeSet<PeerId>>());
        let judging = &mut self.view.room(room).judging;
        if judging.is_busy || judging.told.as_ref() == Some(&moderators) {
            return;
        }
        judging.is_busy = true;
        judging.told = Some(moderators.clone());
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let (mut changed, mut after) = (false, None);
            let report = loop {
                match store.judge(room, moderators.clone(), after).await {
                    Ok(judged) => {
                        changed |= judged.changed;
                        after = judged.last;
                        if after.is_none() {
                            break Report::Judged { room, changed };
                        }
                    }
                    Err(error) => break Report::Failed(error),
                }
            };
            // The engine's task may have ended.
            let _ = reports.send(report).await;
        });
    }

    /// As [`Run::judge`], whoever moderates.
    pub fn judge_anew(&mut self, room: RoomId) {
        self.view.room(room).judging.told = None;
        self.judge(room);
    }

    /// The store has judged.
    pub fn judged(&mut self, room: RoomId, changed: bool) {
        self.view.room(room).judging.is_busy = false;
        if changed {
            self.tell(Event::History { room: room.to_string() });
            self.recount(room);
            self.open_what_can_be_opened();
        }
        self.judge(room);
    }

    fn opened<'a>(&self, entries: impl Iterator<Item = &'a Arc<Entry>>) -> Openings {
        let opened = entries.filter_map(|entry| {
            let room = self.node.room(entry.header.room)?;
            let content = room.open(entry)?;
            Some((entry.id(), Opened { content, moderates: room.moderates(entry.header.author) }))
        });
        Openings { me: self.node.me(), of: opened.collect::<BTreeMap<_, _>>() }
    }
}

/// Entries that are opened at once: a few milliseconds of the engine's task.
const AT_ONCE: u32 = 256;
