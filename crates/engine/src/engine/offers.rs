//! What was offered in a room, as user interfaces see it.

use crate::api::{ApiError, Files, Reply, RoomOffer};
use crate::engine::commands::To;
use crate::engine::messages::cursor;
use crate::engine::run::{Report, Run};
use crate::store::Offered;

impl Run {
    pub fn files_of(&self, room: &str, before: Option<String>, limit: u32, answer: To) {
        let asked =
            self.find_room(room).and_then(|room| Ok((room, before.map(|at| cursor(&at)).transpose()?)));
        let (room, before) = match asked {
            Ok(asked) => asked,
            Err(error) => return drop(answer.send(Err(error))),
        };
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let found = store.offers(room, before, limit.clamp(1, MAX_OFFERS)).await;
            let show = move |run: &Run| {
                let reply = found.map_err(ApiError::from).map(|(found, more)| {
                    // Where the last of them was taken back, it is gone on from there all the same.
                    let next = found.last().filter(|_| more).map(|last| last.message.cursor.to_string());
                    let offers = found.iter().filter_map(|offered| run.room_offer(offered)).collect();
                    Reply::Files(Files { offers, next })
                });
                let _ = answer.send(reply);
            };
            let _ = reports.send(Report::Read(Box::new(show))).await;
        });
    }

    fn room_offer(&self, offered: &Offered) -> Option<RoomOffer> {
        let shown = &offered.message;
        let message = self.message(shown.entry.header.room, shown).filter(|message| !message.deleted)?;
        let transfer = offered.transfer.as_ref().map(|noted| {
            let known = self.transfer(noted.record.id);
            known.unwrap_or_else(|| self.show_transfer(&noted.record, Some(&noted.note)))
        });
        Some(RoomOffer { message, transfer })
    }
}

/// Offers on one page.
const MAX_OFFERS: u32 = 100;
