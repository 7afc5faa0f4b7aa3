//! The one task that owns the node, and the handle by which everybody else reaches it.

pub(crate) mod handle;
mod lock;

pub use handle::{Events, Handle};
pub use lock::ProfileLock;

use crate::Config;
use crate::api::ApiError;

/// A running node.
pub struct Engine {
    handle: Handle,
}

/// Why a node could not start: a sentence that says what and what next.
pub type StartError = ApiError;

impl Engine {
    /// Opens the profile and the sockets, announces this device, and runs until [`Handle::shutdown`].
    ///
    /// # Errors
    /// [`crate::api::ErrorCode::ProfileInUse`] when another node runs the profile; `Storage` when the folder or the
    /// database cannot be used; `Network` when no socket could be opened.
    pub async fn start(_config: Config) -> Result<Engine, StartError> {
        unimplemented!("replaced before it is merged")
    }

    /// Reaches the node from any task or thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the node has ended, by [`Handle::shutdown`] or because it could not go on.
    ///
    /// # Errors
    /// The reason, if it could not go on.
    pub async fn ended(self) -> Result<(), ApiError> {
        unimplemented!("replaced before it is merged")
    }
}
