//! The one task that owns the node, and the handle by which everybody else reaches it.
//!
//! ```text
//!   cause -> run -> node -> effects -> gate: commit -> perform: send, run, tell
//! ```
//!
//! The task never waits for a disk or a peer: what takes long is a task of its own that reports back as a cause.

mod alike;
mod arrivals;
mod avatar;
mod budget;
mod bulk;
mod calls;
mod choosing;
mod commands;
mod comparing;
mod detours;
mod diagnosing;
mod dialling;
mod events;
mod export;
mod gate;
pub(crate) mod handle;
mod history;
mod interfaces;
mod links;
mod lock;
mod mailbox;
mod messages;
mod naming;
mod news;
mod notifications;
mod offers;
mod opening;
mod private;
mod progress;
mod queue;
mod reasons;
mod run;
mod serving;
mod shares;
mod show;
mod start;
mod storage;
#[cfg(test)]
mod tests;
mod trust;
mod view;
mod warnings;

pub use handle::{Events, Handle};
pub use lock::ProfileLock;

use tokio::task::JoinHandle;

use crate::Config;
use crate::api::{ApiError, ErrorCode};
use crate::engine::queue::Looks;
use crate::files::disk_of;
use crate::says;

/// A running node.
pub struct Engine {
    handle: Handle,
    task: JoinHandle<Result<(), ApiError>>,
}

/// Why a node could not start: a sentence that says what and what next.
pub type StartError = ApiError;

impl Engine {
    /// Opens the profile and the sockets, announces this device, and runs until [`Handle::shutdown`].
    ///
    /// # Errors
    /// [`ErrorCode::ProfileInUse`] when another node runs the profile; `Storage` when the folder or the
    /// database cannot be used; `Network` when no socket could be opened.
    pub async fn start(config: Config) -> Result<Engine, StartError> {
        Engine::start_with(config, disk_of).await
    }

    /// The same where the disks are as `looks` says.
    async fn start_with(config: Config, looks: Looks) -> Result<Engine, StartError> {
        let (run, handle) = start::start(config, looks).await?;
        let task = tokio::spawn(run.until_shutdown());
        Ok(Engine { handle, task })
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
        self.task.await.unwrap_or_else(|error| {
            Err(says!(
                ErrorCode::Internal,
                "Lanyard stopped because of a mistake of its own: {error}",
                error = error.to_string()
            ))
        })
    }
}
