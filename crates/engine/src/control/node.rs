//! A node to talk to: the one that runs already for a profile, or one of our own.

use std::time::Duration;

use tokio::time::Instant;

use super::client::Client;
use super::server::{Server, serve};
use crate::api::{ApiError, Command, ErrorCode, Reply};
use crate::engine::{Engine, Events, Handle};
use crate::{Config, StartError};

/// A node, in this process or in another one.
pub struct Node {
    handle: Handle,
    place: Place,
}

enum Place {
    /// `None` for the server where no control socket could be made.
    Here {
        engine: Engine,
        server: Option<Server>,
    },
    Elsewhere,
}

impl Node {
    /// Starts a node in this process and opens its control socket.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn start(config: Config) -> Result<Node, StartError> {
        let profile = config.profile.clone();
        let engine = Engine::start(config).await?;
        let handle = engine.handle();
        let server = serve(&profile, handle.clone())
            .inspect_err(
                |error| tracing::warn!(%error, "no control socket: other programs cannot reach this node"),
            )
            .ok();
        Ok(Node { handle, place: Place::Here { engine, server } })
    }

    /// Connects to the node that runs the profile of `config`, or starts one in this process.
    ///
    /// # Errors
    /// As [`Engine::start`] and [`Client::connect`].
    pub async fn open(config: Config) -> Result<Node, StartError> {
        let patience = Instant::now() + STARTING;
        loop {
            if let Some(client) = Client::connect(&config.profile).await? {
                return Ok(Node { handle: client.handle(), place: Place::Elsewhere });
            }
            match Node::start(config.clone()).await {
                // It has the profile but no socket yet, or no socket any more: it starts or ends right now.
                Err(error) if error.code == ErrorCode::ProfileInUse && Instant::now() < patience => {
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
                started => return started,
            }
        }
    }

    /// Whether it runs in this process and ends with it.
    pub fn is_ours(&self) -> bool {
        matches!(self.place, Place::Here { .. })
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// As [`Handle::call`].
    pub async fn call(&self, command: Command) -> Result<Reply, ApiError> {
        self.handle.call(command).await
    }

    /// Every event from now on.
    pub fn subscribe(&self) -> Events {
        self.handle.subscribe()
    }

    /// Waits until the node has ended or, elsewhere, cannot be reached any more.
    pub async fn ended(&self) {
        self.handle.requests.closed().await;
    }

    /// Ends a node of our own, with a goodbye to the network; lets go of another one.
    ///
    /// # Errors
    /// The reason, if our own node had ended because it could not go on.
    pub async fn finish(self) -> Result<(), ApiError> {
        let Place::Here { engine, server } = self.place else { return Ok(()) };
        self.handle.shutdown().await;
        let result = engine.ended().await;
        if let Some(server) = server {
            server.close().await;
        }
        result
    }
}

/// How long a node may take from locking its profile to opening its socket, on a loaded machine.
const STARTING: Duration = Duration::from_secs(5);

const BETWEEN_TRIES: Duration = Duration::from_millis(50);
