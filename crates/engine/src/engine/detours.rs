//! Devices that cannot be dialled: they are asked to dial, dial when they are asked to, and are joined with others here.
//!
//! Who may is decided by the node ([`lanyard_proto::detour`]); here are the connections.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lanyard_proto::detour::SECOND_COMES;
use lanyard_proto::model::{PeerId, Token};
use lanyard_proto::wire::detour::{CALL_BYTES, Call, JOINED, Knock, Side, WAIT};
use lanyard_proto::wire::file::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::engine::dialling::expect;
use crate::engine::run::{Report, Run};
use crate::net::pace::{Pace, Paced};
use crate::net::relay::splice;
use crate::net::stream::{Secure, accept_through, dial};
use crate::net::tls::{Credentials, Purpose};
use crate::saying;
use crate::store::StoreError;

/// Who waits for somebody to come.
#[derive(Default)]
pub struct Detours {
    /// Dials of this device that wait for whoever was knocked at; the node bounds them.
    come: HashMap<Token, oneshot::Sender<Secure>>,
    /// Devices that wait here for their other side; the node bounds them.
    waiting: HashMap<Token, oneshot::Sender<Secure>>,
}

/// What the tasks of dials and relays have to say.
pub enum DetourReport {
    /// A device is to be asked to dial. `come` gets the connection; it is dropped where nobody is asked.
    Knock {
        knock: Knock,
        come: Option<oneshot::Sender<Secure>>,
    },
    /// Nobody waits for it any more.
    Settled(Token),
    /// Who might join this device with `peer`?
    Candidates {
        peer: PeerId,
        answer: oneshot::Sender<Vec<Source>>,
    },
    /// Somebody dialled who says that it was asked to.
    Came {
        secure: Secure,
        token: Token,
    },
    /// Somebody wants to be joined with another device here.
    Called {
        secure: Secure,
        call: Call,
    },
    RelayEnded(Token),
    /// Whoever asked to be dialled was reached, through another device or not.
    Reached {
        secure: Secure,
        through: Option<PeerId>,
    },
}

impl Run {
    /// A connection of somebody who was asked to dial, or who wants to be joined with somebody else.
    pub fn detoured(&self, secure: Secure) {
        if secure.purpose == Purpose::Give && self.detours.come.is_empty() {
            return;
        }
        let reports = self.reports.clone();
        tokio::spawn(async move {
            let peer = secure.peer;
            match timeout(FIRST_WORD, first_word(secure)).await {
                Ok(Ok(report)) => drop(reports.send(Report::Detour(Box::new(report))).await),
                Ok(Err(error)) => {
                    tracing::debug!(peer = %peer.short(), %error, "who came says what makes no sense")
                }
                Err(_) => tracing::debug!(peer = %peer.short(), "who came says nothing"),
            }
        });
    }

    pub async fn detour(&mut self, report: DetourReport) -> Result<(), StoreError> {
        let now = self.clock.now();
        match report {
            DetourReport::Knock { knock, come } => {
                let Some(effects) = self.node.knock(knock, now) else { return Ok(()) };
                self.detours.come.retain(|_, come| !come.is_closed());
                if let Some(come) = come {
                    self.detours.come.insert(knock.token, come);
                }
                return self.enter(effects, None).await;
            }
            DetourReport::Settled(token) => {
                self.node.settled(token);
                self.detours.come.remove(&token);
            }
            // Whoever asks may be gone.
            DetourReport::Candidates { peer, answer } => drop(answer.send(self.node.relays_to(peer))),
            DetourReport::Came { secure, token } => {
                if self.node.came(secure.peer, token, now)
                    && let Some(come) = self.detours.come.remove(&token)
                {
                    let _ = come.send(secure);
                } else {
                    tracing::debug!(peer = %secure.peer.short(), "nobody asked it to dial");
                }
            }
            DetourReport::Called { secure, call } => self.called(secure, call),
            DetourReport::RelayEnded(token) => {
                self.detours.waiting.remove(&token);
                self.node.relay_ended(token);
            }
            DetourReport::Reached { secure, through } => self.serve_files(secure, through),
        }
        Ok(())
    }

    /// Dials whoever asked to be dialled, or comes to where it waits, and serves it as if it had dialled.
    pub fn come(&self, peer: PeerId, via: Option<PeerId>, token: Token, addresses: Vec<SocketAddr>) {
        let (credentials, reports) = (self.credentials.clone(), self.reports.clone());
        tokio::spawn(async move {
            match come(&credentials, peer, via, token, &addresses).await {
                Ok(secure) => {
                    let reached = DetourReport::Reached { secure, through: via };
                    let _ = reports.send(Report::Detour(Box::new(reached))).await;
                }
                Err(error) => {
                    tracing::debug!(peer = %peer.short(), %error, "could not dial who asked to be dialled")
                }
            }
        });
    }

    fn called(&mut self, secure: Secure, call: Call) {
        let (now, Call { side, other, token }) = (self.clock.now(), call);
        match side {
            Side::Asking if self.node.may_wait(secure.peer, other, token, now) => {
                let (joins, joined) = oneshot::channel();
                self.detours.waiting.insert(token, joins);
                let (reports, paces) = (self.reports.clone(), (self.up.clone(), self.down.clone()));
                tokio::spawn(async move {
                    let asking = secure.peer;
                    match relay(secure, joined, paces).await {
                        Ok(bytes) => tracing::info!(
                            asking = %asking.short(), other = %other.short(), bytes, "passed on what two devices sent"
                        ),
                        Err(error) => tracing::debug!(asking = %asking.short(), %error, "a relay ended"),
                    }
                    let _ = reports.send(Report::Detour(Box::new(DetourReport::RelayEnded(token)))).await;
                });
            }
            Side::Coming if self.node.joined(secure.peer, other, token, now) => {
                if let Some(joins) = self.detours.waiting.remove(&token) {
                    // Whoever waited may have gone this moment.
                    let _ = joins.send(secure);
                }
            }
            Side::Asking | Side::Coming => {
                tracing::debug!(peer = %secure.peer.short(), "not joined with another device");
            }
        }
    }
}

/// What a device says first that was asked to dial, or wants to be joined.
async fn first_word(mut secure: Secure) -> io::Result<DetourReport> {
    if secure.purpose == Purpose::Give {
        let mut token = [0; 16];
        secure.stream.read_exact(&mut token).await?;
        return Ok(DetourReport::Came { secure, token: Token(token) });
    }
    let mut call = [0; CALL_BYTES];
    secure.stream.read_exact(&mut call).await?;
    let call = Call::decode(&call).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(DetourReport::Called { secure, call })
}

async fn come(
    credentials: &Credentials,
    peer: PeerId,
    via: Option<PeerId>,
    token: Token,
    addresses: &[SocketAddr],
) -> io::Result<Secure> {
    let Some(via) = via else {
        let mut secure = dial(credentials, peer, addresses, Purpose::Give).await?;
        secure.stream.write_all(&token.0).await?;
        secure.stream.flush().await?;
        return Ok(secure);
    };
    let mut relay = dial(credentials, via, addresses, Purpose::Relay).await?;
    let call = Call { side: Side::Coming, other: peer, token };
    relay.stream.write_all(&call.encode()).await?;
    relay.stream.flush().await?;
    let joined = timeout(FIRST_WORD, expect(&mut relay, JOINED)).await;
    joined.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    accept_through(credentials, peer, relay).await
}

/// Lets the first side wait for the second, and passes on what they say. The bytes that were passed on.
async fn relay(
    mut asking: Secure,
    joined: oneshot::Receiver<Secure>,
    (up, down): (Pace, Pace),
) -> io::Result<u64> {
    asking.stream.write_all(&[WAIT]).await?;
    asking.stream.flush().await?;
    let mut coming = tokio::select! {
        joined = timeout(SECOND_COMES, joined) => match joined {
            Ok(Ok(coming)) => coming,
            _ => return Err(io::Error::new(io::ErrorKind::TimedOut, saying!("the other device did not come"))),
        },
        // It has nothing to say before that: so it is gone, or does not follow the protocol.
        _ = asking.stream.read_u8() => return Err(io::ErrorKind::ConnectionAborted.into()),
    };
    for side in [&mut asking, &mut coming] {
        side.stream.write_all(&[JOINED]).await?;
        side.stream.flush().await?;
    }
    let paced = |secure: Secure| Paced::new(secure.stream, up.clone(), down.clone());
    splice(paced(asking), paced(coming), RELAY_IDLE).await
}

/// For what a device that dialled has to say first, and for a relaying device to answer.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// How long nothing may come from either side of a relay; whoever fetches or gives says every 10 s that it is there.
const RELAY_IDLE: Duration = Duration::from_secs(30);
