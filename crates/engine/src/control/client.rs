//! The other end of the control socket: a running node, reached from another program.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use futures_util::StreamExt as _;
use interprocess::local_socket::tokio::{Stream, prelude::*};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::codec::{FramedRead, LinesCodec};

use super::address::Address;
use super::rpc::{self, Told};
use crate::api::{ApiError, Command, ErrorCode, Event, Reply};
use crate::engine::handle::{COMMANDS, EVENTS, Request, Shell};
use crate::engine::{Events, Handle};
use crate::says;

/// A connection to the node that runs a profile. It ends when all its clones of [`Client::handle`] are gone.
pub struct Client {
    handle: Handle,
}

impl Client {
    /// Connects to the node that runs `profile`; `None` when there is none.
    ///
    /// # Errors
    /// When there is one but it cannot be talked to.
    pub async fn connect(profile: &Path) -> Result<Option<Client>, ApiError> {
        let stream = match connect(profile).await {
            Ok(stream) => stream,
            Err(error) if nobody_listens(&error) => return Ok(None),
            Err(error) => {
                return Err(says!(
                    ErrorCode::Network,
                    "Could not reach the node of {profile}: {error}",
                    profile,
                    error
                ));
            }
        };
        let (requests, asked) = mpsc::channel(COMMANDS);
        let (events, _) = broadcast::channel(EVENTS);
        let (subscribed, subscription) = oneshot::channel();
        tokio::spawn(run(stream, asked, events.clone(), subscribed));
        match subscription.await {
            Ok(Ok(_)) => Ok(Some(Client { handle: Handle { requests, events, shell: Shell::default() } })),
            Ok(Err(error)) => Err(error),
            // It went away while it was being connected to.
            Err(_) => Ok(None),
        }
    }

    /// The same handle that a node in this process has.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// Whatever the command says, and [`ErrorCode::Internal`] once the node is gone.
    pub async fn call(&self, command: Command) -> Result<Reply, ApiError> {
        self.handle.call(command).await
    }

    /// Every event from now on.
    pub fn subscribe(&self) -> Events {
        self.handle.subscribe()
    }
}

type Answer = oneshot::Sender<Result<Reply, ApiError>>;

async fn connect(profile: &Path) -> io::Result<Stream> {
    let address = Address::of(profile)?;
    Stream::connect(address.name()?).await
}

fn nobody_listens(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

async fn run(
    stream: Stream,
    mut asked: mpsc::Receiver<Request>,
    events: broadcast::Sender<Event>,
    subscribed: Answer,
) {
    let (receive, send) = tokio::io::split(stream);
    let mut lines = FramedRead::new(receive, LinesCodec::new_with_max_length(rpc::ANSWER_LINE));
    // Written by a task of its own: a node that is busy telling us events is always read from.
    let (outgoing, to_write) = mpsc::channel(COMMANDS);
    let writer = tokio::spawn(write_lines(send, to_write));
    let mut pending = Pending { last: 0, answers: BTreeMap::new() };
    let id = pending.expect(Waiting::Reply(subscribed));
    if outgoing.send(rpc::bare_request(id, "subscribe")).await.is_ok() {
        relay(&mut asked, &mut lines, &outgoing, &mut pending, &events).await;
    }
    drop(outgoing);
    writer.abort();
}

async fn relay(
    asked: &mut mpsc::Receiver<Request>,
    lines: &mut FramedRead<ReadHalf<Stream>, LinesCodec>,
    outgoing: &mpsc::Sender<String>,
    pending: &mut Pending,
    events: &broadcast::Sender<Event>,
) {
    loop {
        tokio::select! {
            line = lines.next() => match line {
                Some(Ok(line)) => match rpc::parse_answer(&line) {
                    Some(Told::Answer { id, result }) => pending.resolve(id, result),
                    // An error says that nobody listens to events.
                    Some(Told::Event(event)) => drop(events.send(event)),
                    None => tracing::debug!("a line that this version does not understand"),
                },
                Some(Err(error)) => return tracing::debug!(%error, "the control socket failed"),
                None => return,
            },
            next = next_request(asked, outgoing) => {
                let Some((permit, request)) = next else { return };
                pending.send(permit, request);
            }
        }
    }
}

async fn next_request<'a>(
    asked: &mut mpsc::Receiver<Request>,
    outgoing: &'a mpsc::Sender<String>,
) -> Option<(mpsc::Permit<'a, String>, Request)> {
    let permit = outgoing.reserve().await.ok()?;
    let request = asked.recv().await?;
    Some((permit, request))
}

async fn write_lines(mut send: WriteHalf<Stream>, mut lines: mpsc::Receiver<String>) {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        if send.write_all(line.as_bytes()).await.is_err() || send.flush().await.is_err() {
            return;
        }
    }
}

/// Who waits for which answer.
struct Pending {
    last: u64,
    answers: BTreeMap<u64, Waiting>,
}

enum Waiting {
    Reply(Answer),
    Shutdown(oneshot::Sender<()>),
}

impl Pending {
    fn expect(&mut self, waiting: Waiting) -> u64 {
        self.last += 1;
        self.answers.insert(self.last, waiting);
        self.last
    }

    fn send(&mut self, permit: mpsc::Permit<'_, String>, request: Request) {
        match request {
            Request::Call(command, answer, _) => match rpc::request(self.last + 1, &command) {
                Ok(line) => {
                    self.expect(Waiting::Reply(answer));
                    permit.send(line);
                }
                Err(error) => {
                    let error = ApiError::new(ErrorCode::Internal, error.to_string());
                    // An error says that the caller stopped waiting, here and below.
                    let _ = answer.send(Err(error));
                }
            },
            // The end of the connection says so.
            Request::Left(_) => {}
            Request::Shutdown(done) => {
                let id = self.expect(Waiting::Shutdown(done));
                permit.send(rpc::bare_request(id, "shutdown"));
            }
        }
    }

    fn resolve(&mut self, id: u64, result: Result<Reply, ApiError>) {
        match self.answers.remove(&id) {
            Some(Waiting::Reply(answer)) => drop(answer.send(result)),
            Some(Waiting::Shutdown(done)) => {
                let _ = done.send(());
            }
            None => tracing::debug!(id, "an answer to nothing that was asked"),
        }
    }
}
