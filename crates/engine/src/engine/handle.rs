//! How shells reach the engine: commands in, replies and events out. All channels are bounded.

use tokio::sync::{broadcast, mpsc, oneshot};

use crate::api::{ApiError, Command, ErrorCode, Event, Reply};
use crate::says;

/// Commands that may wait for the engine's task. It answers in microseconds, so a longer queue would only hide a stall.
pub(crate) const COMMANDS: usize = 256;

/// Events that a slow reader may be behind before it is told [`Event::Lagged`].
pub(crate) const EVENTS: usize = 4096;

/// Tells those apart who talk to an engine: what somebody began who is gone need not go on. 0 is the program itself, which
/// ends with the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shell(pub u64);

/// A command on its way to the engine's task.
pub(crate) enum Request {
    Call(Command, oneshot::Sender<Result<Reply, ApiError>>, Shell),
    /// A shell is gone, and with it whoever looked at it.
    Left(Shell),
    Shutdown(oneshot::Sender<()>),
}

/// Reaches a running node from any task.
#[derive(Clone)]
pub struct Handle {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) shell: Shell,
}

impl Handle {
    /// Carries out one command.
    ///
    /// # Errors
    /// Whatever the command says, and [`ErrorCode::Internal`] once the node has ended.
    pub async fn call(&self, command: Command) -> Result<Reply, ApiError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Call(command, answer, self.shell)).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    /// The same engine, for somebody else to talk to.
    pub(crate) fn for_shell(&self, shell: Shell) -> Handle {
        Handle { shell, ..self.clone() }
    }

    /// Whoever talked by this handle is gone.
    pub(crate) async fn left(&self) {
        // An error only says that the node has ended.
        let _ = self.requests.send(Request::Left(self.shell)).await;
    }

    /// Every event from now on.
    pub fn subscribe(&self) -> Events {
        Events { receiver: self.events.subscribe() }
    }

    /// Says goodbye to the network, makes everything durable and ends the node.
    pub async fn shutdown(&self) {
        let (done, finished) = oneshot::channel();
        if self.requests.send(Request::Shutdown(done)).await.is_ok() {
            // An error only says that the node ended in another way meanwhile.
            let _ = finished.await;
        }
    }
}

/// The events of a node, in order.
pub struct Events {
    receiver: broadcast::Receiver<Event>,
}

impl Events {
    /// The next event, or `None` once the node has ended.
    pub async fn next(&mut self) -> Option<Event> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                Some(Event::Lagged { missed: u32::try_from(missed).unwrap_or(u32::MAX) })
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

fn ended() -> ApiError {
    says!(ErrorCode::Internal, "Lanyard is no longer running. Start it again.")
}
