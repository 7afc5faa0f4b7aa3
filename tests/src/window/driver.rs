//! WebKit's driver: starts the program and is talked to over HTTP, wherever it stands.

use std::fs::File;
use std::future::Future;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{fs, io};

use fantoccini::{Client, ClientBuilder};
use http::Uri;
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Map, json};
use tower_service::Service;

use crate::window::group::Group;

/// What drives the real window.
pub(super) const PROGRAM: &str = "WebKitWebDriver";

/// The network that a driver and its program are in.
#[derive(Clone)]
pub(super) enum Network {
    Own,
    /// As `ip netns` keeps it.
    Namespace(PathBuf),
}

/// A running driver. Its program ends with it.
pub(super) struct Driver {
    group: Group,
    network: Network,
    port: u16,
}

impl Driver {
    pub fn start(mut command: Command, network: Network) -> Driver {
        let port = match network {
            Network::Own => free_port(),
            Network::Namespace(_) => 4445,
        };
        command.env("TAURI_WEBVIEW_AUTOMATION", "true").arg(format!("--port={port}")).arg("--host=127.0.0.1");
        Driver { group: Group::start(&mut command), network, port }
    }

    /// Starts the program and connects to its page.
    pub async fn session(&self, program: &Path, words: &[&str]) -> Client {
        let deadline = Instant::now() + START;
        while let Err(error) = self.network.connect(self.port).await {
            assert!(Instant::now() < deadline, "{PROGRAM} does not answer: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let options = json!({ "binary": program, "args": words });
        let capabilities = Map::from_iter([("webkitgtk:browserOptions".to_owned(), options)]);
        ClientBuilder::new(Connector { network: self.network.clone() })
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .unwrap_or_else(|error| panic!("the window does not open: {error}"))
    }

    /// The program that the driver started, while it runs.
    pub fn program(&self, program: &Path) -> Option<Pid> {
        let name = program.file_name()?;
        let started = fs::read_dir("/proc").ok()?.filter_map(|entry| {
            let id: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // The name stands in brackets and may hold anything; what follows are the state and the parent.
            let mut fields = stat.rsplit_once(") ")?.1.split(' ');
            let (state, parent) = (fields.next()?, fields.next()?);
            let runs = state != "Z" && parent == self.group.id().to_string();
            (runs && fs::read_link(format!("/proc/{id}/exe")).ok()?.file_name() == Some(name)).then_some(id)
        });
        started.filter_map(Pid::from_raw).next()
    }

    /// Asks the program to end.
    pub fn terminate_program(&self, program: &Path) {
        let program = self.program(program).expect("the program runs");
        kill_process(program, Signal::TERM).expect("the program can be signalled");
    }
}

/// A port of this machine that nothing uses.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

impl Network {
    /// Connects to a port of the loopback interface of this network.
    async fn connect(&self, port: u16) -> io::Result<tokio::net::TcpStream> {
        let network = self.clone();
        let connecting = tokio::task::spawn_blocking(move || match network {
            Network::Own => TcpStream::connect((Ipv4Addr::LOCALHOST, port)),
            // A socket stays in the network in which its thread was: this thread ends right after.
            Network::Namespace(file) => std::thread::spawn(move || {
                move_into_link_name_space(File::open(file)?.as_fd(), Some(LinkNameSpaceType::Network))?;
                TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            })
            .join()
            .map_err(|_| io::Error::other("the connecting thread panicked"))?,
        });
        let stream = connecting.await??;
        stream.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(stream)
    }
}

/// Lets the HTTP client connect from within a network.
#[derive(Clone)]
struct Connector {
    network: Network,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<tokio::net::TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let network = self.network.clone();
        Box::pin(async move {
            let port = uri.port_u16().ok_or_else(|| io::Error::other("the driver's address has a port"))?;
            network.connect(port).await.map(TokioIo::new)
        })
    }
}

/// How long a driver may take to start, on a machine that does other things too.
const START: Duration = Duration::from_secs(30);
