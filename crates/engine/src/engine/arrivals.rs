//! What arrived here, in the order in which it did, for whoever wants every message once.
//!
//! Events cannot promise that: older messages come without one each, and a slow reader loses some. The store numbers
//! what arrives, and a reader asks on from the number that it has.

use lanyard_proto::model::{EntryId, PeerId, RoomId};
use lanyard_proto::rooms::{self, Content};
use lanyard_proto::wire::entry::Entry;

use crate::api::{ApiError, Arrived, Reply};
use crate::engine::commands::{MAX_PAGE, To, invalid};
use crate::engine::news::counts;
use crate::engine::run::{Report, Run};
use crate::saying;
use crate::store::{Arrivals, Number, Shown};

/// Somebody did something with a message.
struct Deed {
    target: EntryId,
    room: RoomId,
    by: PeerId,
    kind: u8,
}

impl Run {
    pub fn read_arrivals(&self, whose: Option<&str>, since: Option<&str>, limit: u32, answer: To) {
        let asked = whose
            .map(|whose| self.find_room(whose))
            .transpose()
            .and_then(|room| Ok((room, since.map_or(Ok(self.view.began), number)?)));
        let (room, since) = match asked {
            Ok(asked) => asked,
            Err(error) => return drop(answer.send(Err(error))),
        };
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let found = store.arrived(room, since, limit.clamp(1, MAX_PAGE)).await;
            let show = move |run: &Run| match found {
                Ok(found) => run.add_changed(found, answer),
                // Whoever asked may be gone.
                Err(error) => drop(answer.send(Err(error.into()))),
            };
            // The engine's task may have ended.
            let _ = reports.send(Report::Read(Box::new(show))).await;
        });
    }

    /// What was done with messages that had arrived before is looked up, once it is open which those are.
    fn add_changed(&self, found: Arrivals, answer: To) {
        let deeds: Vec<Deed> = found.entries.iter().filter_map(|shown| self.deed(&shown.entry)).collect();
        let fresh: Vec<EntryId> = found.entries.iter().map(|shown| shown.entry.id()).collect();
        let mut targets: Vec<EntryId> = deeds.iter().map(|deed| deed.target).collect();
        targets.sort_unstable();
        targets.dedup();
        targets.retain(|target| !fresh.contains(target));
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let known = store.known_by(targets, found.next).await;
            let show = move |run: &Run| {
                let reply = known.map_err(ApiError::from);
                let reply = reply.map(|known| Reply::Arrived(run.as_arrived(&found, &known, &deeds)));
                // Whoever asked may be gone.
                let _ = answer.send(reply);
            };
            // The engine's task may have ended.
            let _ = reports.send(Report::Read(Box::new(show))).await;
        });
    }

    fn as_arrived(&self, found: &Arrivals, known: &[Shown], deeds: &[Deed]) -> Arrived {
        let messages = found.entries.iter().filter(|shown| rooms::is_message(shown.entry.header.kind));
        let changed = known.iter().filter(|shown| {
            let (id, room) = (shown.entry.id(), shown.entry.header.room);
            let Some(held) = self.node.room(room) else { return false };
            let mut here = deeds.iter().filter(|deed| deed.target == id && deed.room == room);
            here.any(|deed| counts(held, deed.by, deed.kind, shown))
        });
        let read = |shown: &Shown| self.message(shown.entry.header.room, shown);
        Arrived {
            messages: messages.filter_map(read).collect(),
            changed: changed.filter_map(read).collect(),
            next: found.next.0.to_string(),
            more: found.more,
            newest: found.newest.0.to_string(),
        }
    }

    fn deed(&self, entry: &Entry) -> Option<Deed> {
        let header = &entry.header;
        let target = match self.node.room(header.room)?.open(entry)? {
            Content::Edit { target, .. }
            | Content::Delete { target }
            | Content::Reaction { target, .. }
            | Content::Pin { target, .. } => target,
            _ => return None,
        };
        Some(Deed { target, room: header.room, by: header.author, kind: header.kind })
    }
}

/// Reads what [`Arrived::next`] gives.
pub fn number(text: &str) -> Result<Number, ApiError> {
    let number = text.parse().ok().filter(|number| *number >= 0).map(Number);
    number.ok_or_else(|| {
        invalid(saying!(
            "This does not say what had arrived. Use what an answer gave as the place to go on from."
        ))
    })
}
