//! What a person is told of by the system, as they choose it. Telling it is the shells' affair.

use lanyard_proto::effects::Effects;

use crate::api::{ApiError, Command, ErrorCode, Notifications, NotifyLevel};
use crate::engine::commands::Outcome;
use crate::engine::gate::Answering;
use crate::engine::run::Run;
use crate::says;

impl Run {
    /// Carries out a choice, for all conversations or for one.
    pub async fn choose_notifications(&mut self, chosen: Command) -> Result<Outcome, ApiError> {
        match chosen {
            Command::SetNotifications { do_not_disturb, previews, rooms } => {
                let now = self.view.notifications;
                let chosen = Notifications {
                    do_not_disturb: do_not_disturb.unwrap_or(now.do_not_disturb),
                    previews: previews.unwrap_or(now.previews),
                    rooms: rooms.unwrap_or(now.rooms),
                };
                self.view.notifications = chosen;
                let kept = self.store.set_notifications(chosen).await?;
                self.gate.wait_for(kept);
                Ok(Outcome::After(Effects::default(), Answering::Me(Box::new(self.me()))))
            }
            Command::NotifyRoom { room, level } => self.notify_room(&room, level).await,
            _ => Err(says!(ErrorCode::Internal, "This is no choice of settings.")),
        }
    }

    async fn notify_room(&mut self, room: &str, level: Option<NotifyLevel>) -> Result<Outcome, ApiError> {
        let room = self.find_room(room)?;
        self.view.room(room).notify = level;
        let kept = self.store.notify(room, level).await?;
        self.gate.wait_for(kept);
        self.tell_of_room(room);
        Ok(Outcome::After(Effects::default(), Answering::Room(room)))
    }
}
