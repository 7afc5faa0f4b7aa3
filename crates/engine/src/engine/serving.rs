//! A device that serves all others (`lanyard up --relay`): it takes part in the open rooms that are spoken of, so that what was said
//! there is to be had while its authors are gone, and by those who cannot reach them.

use std::time::Duration;

use lanyard_proto::rooms::RoomKind;

use crate::engine::run::Run;
use crate::store::StoreError;

impl Run {
    /// Joins the open rooms that others spoke of, those first in which somebody wrote last, as long as there are not too many.
    pub(super) async fn join_rooms_heard_of(&mut self) -> Result<(), StoreError> {
        let open = self.node.rooms().filter(|room| room.record().kind == RoomKind::Open).count();
        let mut heard = self.node.directory();
        heard.retain(|room| !room.joined);
        heard.sort_by_key(|room| std::cmp::Reverse(room.active));
        for room in heard.into_iter().take(MAX_SERVED.saturating_sub(open)) {
            match self.node.join(&room.name, self.clock.now()) {
                Ok((_, effects)) => {
                    tracing::info!(room = room.name, "serving a room that was heard of");
                    self.enter(effects, None).await?;
                }
                Err(error) => tracing::debug!(room = room.name, %error, "cannot serve a room"),
            }
        }
        Ok(())
    }
}

/// How often it is seen which rooms are spoken of.
pub const SERVE_ROOMS: Duration = Duration::from_secs(2);
/// Open rooms of such a device, the lobby and those that it joined otherwise included: half of what the directory holds, so that
/// names that somebody makes up do not fill the disk. What is kept of all together has a bound of its own.
const MAX_SERVED: usize = 128;
