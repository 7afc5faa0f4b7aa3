//! Programs at the control socket of a node that is played by the test.

use std::time::Duration;

use futures_util::StreamExt as _;
use interprocess::local_socket::tokio::{Stream, prelude::*};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{broadcast, mpsc};
use tokio_util::codec::{FramedRead, LinesCodec};

use super::address::Address;
use super::{Client, Presented, Server, present, serve, serve_window};
use crate::api::{ApiError, Command, ErrorCode, Event, Reply};
use crate::engine::Handle;
use crate::engine::handle::{Request, Shell};

/// Answers every command from a table, until it is asked to end.
struct FakeNode {
    profile: TempDir,
    handle: Handle,
    server: Server,
}

impl FakeNode {
    fn start(events: usize) -> FakeNode {
        let profile = tempfile::tempdir().unwrap();
        let (requests, mut asked) = mpsc::channel(8);
        let (events, _) = broadcast::channel(events);
        tokio::spawn(async move {
            while let Some(request) = asked.recv().await {
                match request {
                    Request::Call(command, answer, _) => drop(answer.send(answer_of(command))),
                    Request::Left(_) => {}
                    Request::Shutdown(done) => {
                        drop(asked);
                        done.send(()).expect("somebody waits for the end");
                        return;
                    }
                }
            }
        });
        let handle = Handle { requests, events, shell: Shell::default() };
        let server = serve(profile.path(), handle.clone()).unwrap();
        FakeNode { profile, handle, server }
    }

    async fn client(&self) -> Client {
        Client::connect(self.profile.path()).await.unwrap().expect("a node runs")
    }

    async fn raw(&self) -> Raw {
        let address = Address::of(self.profile.path()).unwrap();
        let stream = Stream::connect(address.name().unwrap()).await.unwrap();
        let (receive, send) = tokio::io::split(stream);
        Raw { lines: FramedRead::new(receive, LinesCodec::new()), send }
    }

    fn tell(&self, event: Event) {
        self.handle.events.send(event).expect("somebody listens");
    }
}

/// Another program's bare socket.
struct Raw {
    lines: FramedRead<ReadHalf<Stream>, LinesCodec>,
    send: WriteHalf<Stream>,
}

impl Raw {
    async fn write(&mut self, line: &str) {
        self.send.write_all(line.as_bytes()).await.unwrap();
        self.send.write_all(b"\n").await.unwrap();
    }

    async fn read(&mut self) -> Value {
        let line = self.next().await.expect("a line").unwrap();
        serde_json::from_str(&line).unwrap()
    }

    async fn next(&mut self) -> Option<Result<String, tokio_util::codec::LinesCodecError>> {
        tokio::time::timeout(Duration::from_secs(20), self.lines.next()).await.expect("an answer in time")
    }
}

fn answer_of(command: Command) -> Result<Reply, ApiError> {
    match command {
        Command::Peers {} => Ok(Reply::Peers(Vec::new())),
        Command::MarkRead { .. } => Ok(Reply::Done),
        _ => Err(ApiError::new(ErrorCode::NotFound, "There is nobody called Zoe here.")),
    }
}

fn notice(text: impl Into<String>) -> Event {
    Event::Notice { error: ApiError::new(ErrorCode::Network, text) }
}

#[tokio::test]
async fn a_command_is_answered_through_the_socket() {
    let node = FakeNode::start(16);
    let client = node.client().await;
    assert_eq!(client.call(Command::Peers {}).await, Ok(Reply::Peers(Vec::new())));
    let done = client.call(Command::MarkRead { room: "r".into(), cursor: "c".into() }).await;
    assert_eq!(done, Ok(Reply::Done));
}

#[tokio::test]
async fn an_error_arrives_with_its_code_and_sentence() {
    let node = FakeNode::start(16);
    let error = node.client().await.call(Command::Open { to: "@Zoe".into() }).await.unwrap_err();
    assert_eq!(error, ApiError::new(ErrorCode::NotFound, "There is nobody called Zoe here."));
}

#[tokio::test]
async fn events_reach_every_client_in_order() {
    let node = FakeNode::start(16);
    let (one, two) = (node.client().await, node.client().await);
    let mut readers = [one.subscribe(), two.subscribe()];
    node.tell(notice("first"));
    node.tell(notice("second"));
    for reader in &mut readers {
        assert_eq!(reader.next().await, Some(notice("first")));
        assert_eq!(reader.next().await, Some(notice("second")));
    }
}

#[tokio::test]
async fn where_no_node_runs_there_is_nobody_to_connect_to() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Client::connect(folder.path()).await.unwrap().is_none());
    assert!(Client::connect(&folder.path().join("none")).await.unwrap().is_none());
}

#[tokio::test]
async fn the_socket_of_a_node_that_was_killed_is_no_node_and_is_replaced() {
    let FakeNode { profile, handle, server } = FakeNode::start(16);
    drop(server);
    while Client::connect(profile.path()).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    let _next = serve(profile.path(), handle).unwrap();
    assert!(Client::connect(profile.path()).await.unwrap().is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_open_the_socket() {
    use std::os::unix::fs::PermissionsExt as _;
    let node = FakeNode::start(16);
    let socket = node.profile.path().join("control.sock");
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_program_without_our_client_speaks_plain_json_rpc() {
    let node = FakeNode::start(16);
    let mut raw = node.raw().await;
    raw.write(r#"{"jsonrpc":"2.0","id":"a","method":"peers"}"#).await;
    let expected = json!({ "jsonrpc": "2.0", "id": "a", "result": { "reply": "peers", "value": [] } });
    assert_eq!(raw.read().await, expected);
    raw.write("nonsense").await;
    let refused = raw.read().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&Value::Null, &json!(-32700)));
    raw.write(r#"{"jsonrpc":"2.0","id":2,"method":"subscribe"}"#).await;
    assert_eq!(raw.read().await["result"]["reply"], "done");
    node.tell(notice("hello"));
    let event = raw.read().await;
    assert_eq!((&event["method"], &event["params"]["event"]), (&json!("event"), &json!("notice")));
}

#[tokio::test]
async fn a_request_without_an_id_is_carried_out_without_an_answer() {
    let node = FakeNode::start(16);
    let mut raw = node.raw().await;
    raw.write(r#"{"jsonrpc":"2.0","method":"peers"}"#).await;
    raw.write(r#"{"jsonrpc":"2.0","id":5,"method":"peers"}"#).await;
    assert_eq!(raw.read().await["id"], 5);
}

#[tokio::test]
async fn a_line_without_end_is_refused_and_the_connection_closed() {
    let node = FakeNode::start(16);
    let mut raw = node.raw().await;
    let Raw { lines, send } = &mut raw;
    let flood = vec![b' '; super::rpc::REQUEST_LINE + 2];
    // The node may close the connection before it has taken all of it.
    let (_, answer) = tokio::join!(send.write_all(&flood), lines.next());
    let answer: Value = serde_json::from_str(&answer.expect("an answer").unwrap()).unwrap();
    assert_eq!(answer["error"]["code"], -32600);
    assert!(!matches!(raw.next().await, Some(Ok(_))));
    assert!(node.client().await.call(Command::Peers {}).await.is_ok());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_told_that_it_lagged_and_holds_nobody_up() {
    let node = FakeNode::start(4);
    let mut sleeper = node.raw().await;
    sleeper.write(r#"{"jsonrpc":"2.0","id":1,"method":"subscribe"}"#).await;
    sleeper.read().await;
    // Far more than a socket buffer holds.
    for _ in 0..64 {
        node.tell(notice("x".repeat(100_000)));
        tokio::task::yield_now().await;
    }
    assert!(node.client().await.call(Command::Peers {}).await.is_ok());
    loop {
        let event = sleeper.read().await["params"].clone();
        if event["event"] == "lagged" {
            break assert!(event["missed"].as_u64().unwrap() > 0);
        }
    }
}

#[tokio::test]
async fn a_second_start_hands_what_it_was_to_open_to_the_window_if_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = Presented { links: vec!["lanyard:v1:inv:abc".into()], paths: vec!["/srv/Pläne".into()] };
    assert!(!present(folder.path(), &wanted).await, "there is no node");
    let node = FakeNode::start(16);
    assert!(!present(node.profile.path(), &wanted).await, "the node has no window");
    let (window, mut told) = mpsc::channel(1);
    let _server = serve_window(folder.path(), node.handle.clone(), window).unwrap();
    assert!(present(folder.path(), &wanted).await);
    assert_eq!(told.recv().await, Some(wanted.clone()));
    drop(told);
    assert!(!present(folder.path(), &wanted).await, "the window is gone");
    let mut raw = node.raw().await;
    raw.write(r#"{"jsonrpc":"2.0","id":1,"method":"present","params":{"files":[]}}"#).await;
    assert_eq!(raw.read().await["error"]["code"], -32602);
}

#[tokio::test]
async fn one_program_too_many_is_turned_away_with_a_reason() {
    let node = FakeNode::start(16);
    let mut clients = Vec::new();
    for _ in 0..32 {
        clients.push(node.client().await);
    }
    let mut raw = node.raw().await;
    let told = raw.read().await;
    assert!(told["error"]["message"].as_str().unwrap().contains("Too many programs"), "{told}");
    assert!(raw.next().await.is_none());
}

#[tokio::test]
async fn who_ends_the_node_is_still_answered_and_everybody_notices() {
    let node = FakeNode::start(16);
    let (one, two) = (node.client().await, node.client().await);
    one.handle().shutdown().await;
    two.handle().requests.closed().await;
    let error = two.call(Command::Peers {}).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Internal);
    node.server.close().await;
}
