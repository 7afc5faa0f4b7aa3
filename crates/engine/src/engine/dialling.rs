//! Reaching a device for files: directly, else by asking it to dial, else through a third device that joins the two.
//!
//! What is not direct is never preferred: a dial goes on while others are asked, and the first connection is the one.

use std::io;
use std::time::Duration;

use lanyard_proto::model::{PeerId, Token};
use lanyard_proto::wire::detour::{Call, JOINED, Knock, Side, WAIT};
use lanyard_proto::wire::file::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::engine::detours::DetourReport;
use crate::engine::run::{Report, Run};
use crate::files::{Dial, Dialled, Way};
use crate::net::pace::{Pace, Paced};
use crate::net::stream::{Secure, Stream, dial, dial_through};
use crate::net::tls::{Credentials, Purpose};
use crate::saying;

/// Reaches devices for files, no faster than the settings allow.
#[derive(Clone)]
pub(super) struct Dialler {
    credentials: Credentials,
    up: Pace,
    down: Pace,
    reports: mpsc::Sender<Report>,
}

impl Run {
    pub(super) fn dialler(&self) -> Dialler {
        let (up, down) = (self.up.clone(), self.down.clone());
        Dialler { credentials: self.credentials.clone(), up, down, reports: self.reports.clone() }
    }
}

impl Dial for Dialler {
    type Stream = Paced<Stream>;

    async fn dial(&self, to: Source) -> io::Result<Dialled<Paced<Stream>>> {
        let (Secure { stream, .. }, way) = self.reach(&to).await?;
        let near = stream.is_near();
        Ok(Dialled { stream: Paced::new(stream, self.up.clone(), self.down.clone()), near, way })
    }
}

/// Why there is no way but the direct one.
enum NoDetour {
    /// The device is not here, or too many are being asked.
    NotAsked,
    Nobody,
}

impl Dialler {
    async fn reach(&self, to: &Source) -> io::Result<(Secure, Way)> {
        let begun = Instant::now();
        let first = self.directly(to);
        tokio::pin!(first);
        let refused = match timeout(HEAD_START, &mut first).await {
            Ok(Ok(secure)) => return Ok((secure, Way::Direct)),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        let silent = refused.is_none();
        let straight = async {
            if silent && let Ok(secure) = first.await {
                return secure;
            }
            loop {
                sleep(AGAIN).await;
                if let Ok(secure) = self.directly(to).await {
                    return secure;
                }
            }
        };
        tokio::pin!(straight);
        let around = tokio::select! {
            secure = &mut straight => return Ok((secure, Way::Direct)),
            around = self.around(to.peer) => around,
        };
        let why = match around {
            Ok(found) => return Ok(found),
            Err(why) => why,
        };
        // Who only was slow may answer yet.
        let until = if silent { begun + SLOW } else { Instant::now() };
        if let Ok(secure) = timeout_at(until, straight).await {
            return Ok((secure, Way::Direct));
        }
        let refused = refused
            .unwrap_or_else(|| io::Error::new(io::ErrorKind::TimedOut, saying!("nobody answered in time")));
        Err(match why {
            NoDetour::NotAsked => refused,
            NoDetour::Nobody => io::Error::new(
                refused.kind(),
                saying!(
                    "{refused}; it did not dial when it was asked to, and nobody could pass it on",
                    refused
                ),
            ),
        })
    }

    async fn directly(&self, to: &Source) -> io::Result<Secure> {
        dial(&self.credentials, to.peer, &to.addresses, Purpose::File).await
    }

    async fn around(&self, peer: PeerId) -> Result<(Secure, Way), NoDetour> {
        let around = async {
            match self.knock(peer).await? {
                Some(secure) => Ok((secure, Way::Knocked)),
                None => self.relay(peer).await.ok_or(NoDetour::Nobody),
            }
        };
        timeout(AROUND, around).await.unwrap_or(Err(NoDetour::Nobody))
    }

    /// Asks the device to dial this one; `None` if it did not.
    async fn knock(&self, peer: PeerId) -> Result<Option<Secure>, NoDetour> {
        let Some(token) = new_token() else { return Err(NoDetour::NotAsked) };
        let (come, comes) = oneshot::channel();
        self.report(DetourReport::Knock { knock: Knock { to: peer, token, via: None }, come: Some(come) })
            .await;
        let came = timeout(KNOCK, comes).await;
        self.report(DetourReport::Settled(token)).await;
        match came {
            Ok(Ok(secure)) => Ok(Some(secure)),
            Ok(Err(_)) => Err(NoDetour::NotAsked),
            Err(_) => Ok(None),
        }
    }

    /// Asks one device after the other to join this one with `peer`, and `peer` to come there.
    async fn relay(&self, peer: PeerId) -> Option<(Secure, Way)> {
        let (answer, answered) = oneshot::channel();
        self.report(DetourReport::Candidates { peer, answer }).await;
        let mut candidates = answered.await.unwrap_or_default().into_iter();
        let mut asked = JoinSet::new();
        loop {
            if let Some(relay) = candidates.next() {
                let dialler = self.clone();
                asked.spawn(async move { dialler.wait_at(relay, peer).await });
            }
            tokio::select! {
                waits = asked.join_next() => match waits {
                    Some(Ok(Ok((relay, token)))) => {
                        let through = relay.peer;
                        match self.joined(relay, peer, token).await {
                            Ok(secure) => return Some((secure, Way::Relayed(through))),
                            Err(error) => tracing::debug!(through = %through.short(), %error, "not joined"),
                        }
                    }
                    Some(Ok(Err(error))) => tracing::debug!(%error, "cannot wait at a third device"),
                    Some(Err(_)) => {}
                    None if candidates.len() == 0 => return None,
                    None => {}
                },
                () = sleep(STAGGER), if candidates.len() > 0 => {}
            }
        }
    }

    /// Asks a third device whether one may wait there.
    async fn wait_at(&self, relay: Source, peer: PeerId) -> io::Result<(Secure, Token)> {
        let token = new_token().ok_or(io::ErrorKind::Unsupported)?;
        let asked = async {
            let mut relay = dial(&self.credentials, relay.peer, &relay.addresses, Purpose::Relay).await?;
            let call = Call { side: Side::Asking, other: peer, token };
            relay.stream.write_all(&call.encode()).await?;
            relay.stream.flush().await?;
            expect(&mut relay, WAIT).await?;
            Ok((relay, token))
        };
        timeout(MAY_WAIT, asked).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Asks `peer` to come to where this device waits, and makes sure that it is the one who came.
    async fn joined(&self, mut relay: Secure, peer: PeerId, token: Token) -> io::Result<Secure> {
        let knock = Knock { to: peer, token, via: Some(relay.peer) };
        self.report(DetourReport::Knock { knock, come: None }).await;
        let joined = timeout(JOIN, expect(&mut relay, JOINED)).await;
        self.report(DetourReport::Settled(token)).await;
        joined.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        dial_through(&self.credentials, peer, relay).await
    }

    async fn report(&self, report: DetourReport) {
        // Where nobody hears it, this device is about to end.
        let _ = self.reports.send(Report::Detour(Box::new(report))).await;
    }
}

/// Reads the one byte that a relaying device says next.
pub(super) async fn expect(relay: &mut Secure, said: u8) -> io::Result<()> {
    match relay.stream.read_u8().await? {
        byte if byte == said => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            saying!("the third device says what makes no sense"),
        )),
    }
}

/// `None` where the system has no randomness.
fn new_token() -> Option<Token> {
    let mut token = [0; 16];
    getrandom::fill(&mut token).ok()?;
    Some(Token(token))
}

/// How long a direct dial is alone: most that succeed take milliseconds, and a firewall that drops says nothing for ever.
const HEAD_START: Duration = Duration::from_millis(1500);
/// Between two direct dials while others are asked: whoever was just started is reached directly.
const AGAIN: Duration = Duration::from_secs(1);
/// For a direct dial that is not refused, where nothing else is left.
const SLOW: Duration = Duration::from_secs(5);
/// For whoever was knocked at to come: a datagram that is said three times in 1.3 s, and a dial.
const KNOCK: Duration = Duration::from_secs(3);
/// Before the next third device is asked as well.
const STAGGER: Duration = Duration::from_millis(250);
/// For a third device to say that one may wait there.
const MAY_WAIT: Duration = Duration::from_secs(3);
/// For the other one to come there.
const JOIN: Duration = Duration::from_secs(4);
/// For all that is not direct: less than a pull waits for something to come.
const AROUND: Duration = Duration::from_secs(11);
