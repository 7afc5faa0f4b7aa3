//! How much of the disk this device's own data take.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lanyard_proto::effects::TransferRecord;
use lanyard_proto::model::{RoomId, TransferId};
use lanyard_proto::transfer::TransferState;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::api::{ApiError, Reply, RoomStorage, Storage};
use crate::config::Config;
use crate::engine::commands::To;
use crate::engine::run::Run;
use crate::files::{staged, taken};

impl Run {
    /// Answers how much that is, once it was looked at.
    pub fn measure_storage(&mut self, answer: To) {
        let mail = self.mailbox().bytes;
        let unfinished = self.unfinished();
        let unfinished_transfers = u32::try_from(unfinished.len()).unwrap_or(u32::MAX);
        let (store, profile) = (self.store.clone(), self.config.profile.clone());
        tokio::spawn(async move {
            let counted = async {
                let rooms = store.taken().await?;
                let unfinished = in_time(move || unfinished.iter().map(|(id, into)| staged(into, *id)).sum());
                let own = in_time(move || own_files(&profile));
                let (unfinished, own) = tokio::join!(unfinished, own);
                let (database, offers) = own.unwrap_or_default();
                Ok(Storage {
                    history: rooms.iter().map(|(_, bytes)| bytes).sum(),
                    rooms: rooms.into_iter().take(MAX_ROOMS).map(room_storage).collect(),
                    mail,
                    database,
                    offers,
                    unfinished,
                    unfinished_transfers,
                })
            };
            let counted: Result<Storage, ApiError> = counted.await;
            // Whoever asked may be gone.
            let _ = answer.send(counted.map(Reply::Storage));
        });
    }

    /// What was begun and is not whole, and where it is staged.
    fn unfinished(&mut self) -> Vec<(TransferId, PathBuf)> {
        let me = self.node.me();
        let begun = |record: &&TransferRecord| {
            let staged = matches!(record.state, TransferState::Failed(_)) || record.state.is_wanted();
            record.from != me && staged
        };
        let begun: Vec<TransferId> = self.node.transfers().filter(begun).map(|record| record.id).collect();
        begun.into_iter().map(|id| (id, self.folder_of(id))).collect()
    }
}

fn room_storage((room, bytes): (RoomId, u64)) -> RoomStorage {
    RoomStorage { room: room.to_string(), bytes }
}

/// What the database takes, and what offers do.
fn own_files(profile: &Path) -> (u64, u64) {
    let database = Config::database(profile).into_os_string();
    let database = ["", "-wal", "-shm"].map(|beside| {
        let mut path = database.clone();
        path.push(beside);
        taken(Path::new(&path))
    });
    let offers = ["offers", "pasted"].map(|name| taken(&profile.join(name)));
    (database.iter().sum(), offers.iter().sum())
}

/// Looks at a disk, unless it does not answer.
async fn in_time<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    timeout(PATIENCE, spawn_blocking(look)).await.ok()?.ok()
}

/// Rooms that are named.
const MAX_ROOMS: usize = 20;
/// A disk of the network may be gone; a large staging takes a while to walk through.
const PATIENCE: Duration = Duration::from_secs(5);
