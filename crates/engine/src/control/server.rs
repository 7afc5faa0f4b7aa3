//! The node's end of the control socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use interprocess::local_socket::ListenerOptions;
use interprocess::local_socket::tokio::{Listener, Stream, prelude::*};
use serde_json::Value;
use tokio::io::{AsyncWriteExt as _, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::present::Presented;
use super::rpc::{self, Ask, Problem};
use crate::api::{ApiError, ErrorCode, Event, Reply};
use crate::engine::handle::Shell;
use crate::engine::{Events, Handle};

/// A control socket that is open. Dropping it closes the socket and all connections at once.
pub struct Server {
    accepting: JoinHandle<()>,
    stop: CancellationToken,
}

/// Opens the control socket of a profile. The caller's node holds the profile's lock, so whatever socket is there
/// already is a dead one and is replaced.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve(profile: &Path, handle: Handle) -> io::Result<Server> {
    open(profile, Served { handle, window: None })
}

/// As [`serve`], for a node with a window, which is told when somebody asks for it.
///
/// # Errors
/// As [`serve`].
pub fn serve_window(profile: &Path, handle: Handle, window: mpsc::Sender<Presented>) -> io::Result<Server> {
    open(profile, Served { handle, window: Some(window) })
}

/// What connections reach.
#[derive(Clone)]
struct Served {
    handle: Handle,
    window: Option<mpsc::Sender<Presented>>,
}

fn open(profile: &Path, served: Served) -> io::Result<Server> {
    let listener = listen(&Address::of(profile)?)?;
    let stop = CancellationToken::new();
    let accepting = tokio::spawn(accept(listener, served, stop.clone()));
    Ok(Server { accepting, stop })
}

impl Server {
    /// Lets connections finish what they are telling, for a second at the most, and closes them. Call it once the
    /// node has ended.
    pub async fn close(mut self) {
        self.stop.cancel();
        // An error says that it took too long, and then dropping ends it.
        let _ = tokio::time::timeout(LAST_WORDS, &mut self.accepting).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn listen(address: &Address) -> io::Result<Listener> {
    // Without reclaiming: a node that ends late must not take away the socket of the next one.
    let options = || -> io::Result<ListenerOptions<'_>> {
        Ok(ListenerOptions::new().name(address.name()?).try_overwrite(true).reclaim_name(false))
    };
    #[cfg(unix)]
    {
        use interprocess::os::unix::local_socket::ListenerOptionsExt as _;
        let listener = match options()?.mode(0o600).create_tokio() {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => options()?.create_tokio(),
            created => created,
        }?;
        address.restrict()?;
        Ok(listener)
    }
    #[cfg(windows)]
    options()?.create_tokio()
}

async fn accept(listener: Listener, served: Served, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let mut shell = Shell::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok(stream) if connections.len() < CONNECTIONS => {
                    shell.0 += 1;
                    let handle = served.handle.for_shell(shell);
                    connections.spawn(converse(stream, Served { handle, window: served.window.clone() }));
                }
                Ok(stream) => {
                    connections.spawn(turn_away(stream));
                }
                Err(error) => {
                    tracing::warn!(%error, "a program could not connect to the control socket");
                    tokio::time::sleep(AFTER_FAILED_ACCEPT).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn turn_away(stream: Stream) {
    let (_, mut send) = tokio::io::split(stream);
    let full = Problem::new(-32000, "Too many programs talk to this node. End some of them.");
    // Whoever does not even read this is gone already.
    let _ = tokio::time::timeout(LAST_WORDS, write(&mut send, &rpc::problem(&Value::Null, &full))).await;
}

async fn converse(stream: Stream, served: Served) {
    if let Err(error) = answer_lines(stream, &served).await {
        tracing::debug!(%error, "a program left the control socket");
    }
    served.handle.left().await;
}

/// One client. Everything is written from here, so a client that does not read only ever stops this task: its events
/// wait in the broadcast's ring until they are overwritten, and then it is told that it lagged.
async fn answer_lines(stream: Stream, served: &Served) -> io::Result<()> {
    let (receive, mut send) = tokio::io::split(stream);
    let mut lines = FramedRead::new(receive, LinesCodec::new_with_max_length(rpc::REQUEST_LINE));
    let mut events = None;
    loop {
        tokio::select! {
            // In this order, so that what was told before the node ended is still passed on.
            biased;
            event = next_event(&mut events) => write(&mut send, &rpc::notification(&event)).await?,
            line = lines.next() => match line {
                None => return Ok(()),
                Some(Ok(line)) => answer_line(&line, served, &mut events, &mut send).await?,
                Some(Err(LinesCodecError::Io(error))) => return Err(error),
                Some(Err(LinesCodecError::MaxLineLengthExceeded)) => {
                    let long = Problem::new(-32600, "This line is longer than 1 MiB.");
                    return write(&mut send, &rpc::problem(&Value::Null, &long)).await;
                }
            },
            () = served.handle.requests.closed() => return Ok(()),
        }
    }
}

async fn next_event(events: &mut Option<Events>) -> Event {
    if let Some(events) = events
        && let Some(event) = events.next().await
    {
        return event;
    }
    std::future::pending().await
}

async fn answer_line(
    line: &str,
    served: &Served,
    events: &mut Option<Events>,
    send: &mut WriteHalf<Stream>,
) -> io::Result<()> {
    let asked = match rpc::parse_request(line) {
        Ok(asked) => asked,
        Err(refusal) => {
            let id = refusal.id.unwrap_or(Value::Null);
            return write(send, &rpc::problem(&id, &refusal.error)).await;
        }
    };
    let handle = &served.handle;
    let result = match asked.ask {
        Ask::Subscribe => {
            events.get_or_insert_with(|| handle.subscribe());
            Ok(Reply::Done)
        }
        Ask::Shutdown => {
            handle.shutdown().await;
            Ok(Reply::Done)
        }
        Ask::Present(presented) => show(served.window.as_ref(), presented),
        Ask::Command(command) => handle.call(command).await,
    };
    match asked.id {
        Some(id) => write(send, &rpc::answer(&id, result)).await,
        None => Ok(()),
    }
}

/// A window that already has much to open is at the front anyway.
fn show(window: Option<&mpsc::Sender<Presented>>, presented: Presented) -> Result<Reply, ApiError> {
    let shown = window.is_some_and(|window| window.try_send(presented).is_ok());
    shown.then_some(Reply::Done).ok_or_else(|| ApiError::new(ErrorCode::NotFound, "This node has no window."))
}

async fn write(send: &mut WriteHalf<Stream>, line: &str) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    send.write_all(&bytes).await?;
    send.flush().await
}

/// More programs at once than a person or a script has a use for; each costs one task and its buffers.
const CONNECTIONS: usize = 32;

/// How long a closing socket waits for clients to read what is left.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Out of file descriptors: give the others time to close theirs.
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);
