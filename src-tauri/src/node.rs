//! The engine as the window sees it: on its way, running, or not running and why.

use std::time::Duration;

use lanyard_engine::api::{ApiError, Command, ErrorCode, Reply};
use lanyard_engine::config::Policy;
use lanyard_engine::control::Presented;
use lanyard_engine::says;
use lanyard_engine::{Config, Engine, Handle};
use tokio::sync::{mpsc, watch};

/// Where the engine is. Whoever asks before it is up waits for it.
#[derive(Clone)]
pub struct Node<H = Handle> {
    state: watch::Receiver<State<H>>,
}

#[derive(Clone)]
enum State<H> {
    Starting,
    Running(H),
    Ended(ApiError),
}

impl Node {
    /// Starts the engine in the background. `window` hears what other starts of the program want to be opened.
    pub fn start(config: Config, window: mpsc::Sender<Presented>) -> Node {
        let (state, watched) = watch::channel(State::Starting);
        tauri::async_runtime::spawn(async move {
            // A task of its own, so that even a panic ends in a sentence that can be shown.
            let run = tauri::async_runtime::spawn(run(config, state.clone(), window)).await;
            let reason = run.unwrap_or_else(|failure| {
                tracing::error!(%failure, "the engine stopped by a bug");
                says!(ErrorCode::Internal, "Lanyard stopped by a bug of its own. Start it again.")
            });
            state.send_replace(State::Ended(reason));
        });
        Node { state: watched }
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// Whatever the command says, and why there is no engine if there is none.
    pub async fn call(&self, command: Command) -> Result<Reply, ApiError> {
        self.running().await?.call(command).await
    }

    /// Says goodbye to the network and ends the engine, but lets nobody wait longer than [`PATIENCE`].
    pub async fn shutdown(&self) {
        let goodbye = async {
            if let Ok(handle) = self.running().await {
                handle.shutdown().await;
            }
        };
        if tokio::time::timeout(PATIENCE, goodbye).await.is_err() {
            tracing::warn!("the engine did not end in time");
        }
    }
}

impl<H: Clone> Node<H> {
    /// The running engine, once it is up.
    ///
    /// # Errors
    /// Why it did not start, or why it ended.
    pub async fn running(&self) -> Result<H, ApiError> {
        let mut state = self.state.clone();
        match state.wait_for(|state| !matches!(state, State::Starting)).await.as_deref() {
            Ok(State::Running(handle)) => Ok(handle.clone()),
            Ok(State::Ended(reason)) => Err(reason.clone()),
            Ok(State::Starting) | Err(_) => Err(stopped()),
        }
    }

    /// Waits until the engine has ended, and says why.
    pub async fn ended(&self) -> ApiError {
        let mut state = self.state.clone();
        match state.wait_for(|state| matches!(state, State::Ended(_))).await.as_deref() {
            Ok(State::Ended(reason)) => reason.clone(),
            Ok(_) | Err(_) => stopped(),
        }
    }
}

/// Runs the engine to its end and says why it ended.
async fn run(
    mut config: Config,
    state: watch::Sender<State<Handle>>,
    window: mpsc::Sender<Presented>,
) -> ApiError {
    match Policy::of_this_device() {
        Ok(policy) => config.follow(policy),
        Err(reason) => {
            tracing::error!(%reason, "the engine was not started");
            return reason;
        }
    }
    let profile = config.profile.clone();
    let engine = match Engine::start(config).await {
        Ok(engine) => engine,
        Err(reason) => {
            tracing::error!(%reason, "the engine did not start");
            return reason;
        }
    };
    state.send_replace(State::Running(engine.handle()));
    // The terminal program talks to the node of this window, and so does a second start of it.
    let control = lanyard_engine::control::serve_window(&profile, engine.handle(), window)
        .inspect_err(|error| tracing::warn!(%error, "the terminal program cannot reach this window"));
    let ended = engine.ended().await;
    if let Ok(control) = control {
        control.close().await;
    }
    match ended {
        Ok(()) => stopped(),
        Err(reason) => {
            tracing::error!(%reason, "the engine could not go on");
            reason
        }
    }
}

fn stopped() -> ApiError {
    says!(ErrorCode::Internal, "Lanyard is no longer running. Start it again.")
}

/// A person who closes a window waits for its end no longer than this; peers notice a missing goodbye by themselves.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn starting() -> (watch::Sender<State<&'static str>>, Node<&'static str>) {
        let (state, watched) = watch::channel(State::Starting);
        (state, Node { state: watched })
    }

    #[tokio::test]
    async fn who_asks_before_the_engine_is_up_waits_for_it() {
        let (state, node) = starting();
        let early = tokio::spawn(async move { node.running().await });
        tokio::task::yield_now().await;
        assert!(!early.is_finished());
        state.send_replace(State::Running("engine"));
        assert_eq!(early.await.unwrap(), Ok("engine"));
    }

    #[tokio::test]
    async fn a_start_that_failed_answers_every_call_with_its_reason() {
        let (state, node) = starting();
        let reason = ApiError::new(ErrorCode::ProfileInUse, "another Lanyard runs this profile");
        state.send_replace(State::Ended(reason.clone()));
        assert_eq!(node.running().await, Err(reason.clone()));
        assert_eq!(node.running().await, Err(reason.clone()));
        assert_eq!(node.ended().await, reason);
    }

    #[tokio::test]
    async fn an_engine_that_ended_later_says_why_too() {
        let (state, node) = starting();
        state.send_replace(State::Running("engine"));
        let reason = ApiError::new(ErrorCode::Storage, "the disk is full");
        state.send_replace(State::Ended(reason.clone()));
        assert_eq!(node.running().await, Err(reason));
    }
}
