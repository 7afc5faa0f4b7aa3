//! Devices that cannot be dialled: they are asked to dial, dial when they are asked to, and are joined with others here.
//!
//! Who may is decided by the node ([`lanyard_proto::detour`]); here are the connections.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lanyard_proto::detour::{Begin, MAX_RELAYS, MAX_RELAYS_OF_PEER, SECOND_COMES, Way};
use lanyard_proto::effects::Direction;
use lanyard_proto::model::{PeerId, Token};
use lanyard_proto::wire::detour::{CALL_BYTES, Call, DECLINED, JOINED, Knock, Side, WAIT, Wish};
use lanyard_proto::wire::file::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::api::Relaying;
use crate::engine::dialling::{expect, purpose};
use crate::engine::run::{Report, Run};
use crate::net::cut::Shunned;
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
    /// Ends whatever is relayed here.
    end_relays: CancellationToken,
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
    /// What led to this device the last time, if it could not be dialled?
    Begin {
        to: Source,
        answer: oneshot::Sender<Option<Begin>>,
    },
    /// It was reached now, or by no way at all.
    Went {
        to: Source,
        way: Option<Way>,
    },
    /// Who might join this device with `peer`? The one first that did it last.
    Candidates {
        peer: PeerId,
        last: Option<PeerId>,
        answer: oneshot::Sender<Vec<Source>>,
    },
    /// Somebody dialled for this who says that it was asked to.
    Came {
        secure: Secure,
        token: Token,
        wish: Wish,
    },
    /// Somebody wants to be joined with another device here.
    Called {
        secure: Secure,
        call: Call,
    },
    RelayEnded(Token),
    /// A third device says that it relays for nobody.
    Declined(PeerId),
    /// Whoever asked to be dialled was reached, through another device or not.
    Reached {
        secure: Secure,
        through: Option<PeerId>,
        wish: Wish,
    },
}

/// Somebody who asked to be dialled, or for whom this device is to come to a third one.
#[derive(Clone, Copy)]
pub struct Coming {
    pub peer: PeerId,
    pub via: Option<PeerId>,
    pub token: Token,
    pub wish: Wish,
}

impl Run {
    /// A connection of somebody who was asked to dial, or who wants to be joined with somebody else.
    pub fn detoured(&self, secure: Secure) {
        if secure.purpose != Purpose::Relay && self.detours.come.is_empty() {
            return;
        }
        let reports = self.reports.clone();
        tokio::spawn(async move {
            let peer = secure.peer();
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
        if report.with().into_iter().flatten().any(|peer| self.hides(peer)) {
            return Ok(());
        }
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
            DetourReport::Begin { to, answer } => {
                let _ = answer.send(self.node.begin_with(to.peer, &to.addresses, now));
            }
            DetourReport::Went { to, way } => {
                tracing::debug!(peer = %to.peer.short(), ?way, "how a device was reached that cannot be dialled");
                self.node.went(to.peer, &to.addresses, way, now);
            }
            DetourReport::Candidates { peer, last, answer } => {
                drop(answer.send(self.node.relays_to(peer, last, now)));
            }
            DetourReport::Came { secure, token, wish } => {
                if self.node.came(secure.peer(), token, wish, now)
                    && let Some(come) = self.detours.come.remove(&token)
                {
                    let _ = come.send(secure);
                } else {
                    tracing::debug!(peer = %secure.peer().short(), "nobody asked it to dial");
                }
            }
            DetourReport::Called { secure, call } => self.called(secure, call),
            DetourReport::RelayEnded(token) => {
                self.detours.waiting.remove(&token);
                self.node.relay_ended(token);
            }
            DetourReport::Declined(peer) => self.node.declined_to_relay(peer, now),
            DetourReport::Reached { secure, through, wish: Wish::Files } => self.serve_files(secure, through),
            DetourReport::Reached { secure, through, wish: Wish::Sync } => {
                return self.connected(secure, None, Direction::Accepted, through, None).await;
            }
        }
        Ok(())
    }

    /// Dials whoever asked to be dialled, or comes to where it waits, and serves it as if it had dialled.
    pub fn come(&self, coming: Coming, addresses: Vec<SocketAddr>) {
        let (credentials, reports) = (self.credentials.clone(), self.reports.clone());
        let Coming { peer, via, wish, .. } = coming;
        tokio::spawn(async move {
            match come(&credentials, coming, &addresses).await {
                Ok(secure) => {
                    let reached = DetourReport::Reached { secure, through: via, wish };
                    let _ = reports.send(Report::Detour(Box::new(reached))).await;
                }
                Err(error) => {
                    tracing::debug!(peer = %peer.short(), %error, "could not dial who asked to be dialled")
                }
            }
        });
    }

    pub fn relaying(&self) -> Relaying {
        let on = self.config.policy.relay.or(self.settings.relay).unwrap_or(true);
        Relaying { on, most: MAX_RELAYS as u32, most_of_one: MAX_RELAYS_OF_PEER as u32 }
    }

    /// Ends what is relayed here if it is not to be.
    pub fn limit_relaying(&mut self) {
        if !self.relaying().on {
            std::mem::take(&mut self.detours.end_relays).cancel();
        }
    }

    fn called(&mut self, secure: Secure, call: Call) {
        let (now, Call { side, other, token }) = (self.clock.now(), call);
        match side {
            Side::Asking if !self.relaying().on => {
                tokio::spawn(async move {
                    if let Err(error) = decline(secure).await {
                        tracing::debug!(%error, "who wanted to be joined with another device is gone");
                    }
                });
            }
            Side::Asking if self.node.may_wait(secure.peer(), other, token, now) => {
                let (joins, joined) = oneshot::channel();
                self.detours.waiting.insert(token, joins);
                let (reports, paces) = (self.reports.clone(), (self.up.clone(), self.down.clone()));
                let (end, shunned) = (self.detours.end_relays.clone(), self.shunned.clone());
                tokio::spawn(async move {
                    let asking = secure.peer();
                    let relayed = relay_for(&shunned, [asking, other], relay(secure, joined, paces));
                    let relayed = end.run_until_cancelled(relayed).await;
                    let switched_off = || io::Error::other(saying!("relaying was switched off"));
                    match relayed.unwrap_or_else(|| Err(switched_off())) {
                        Ok(bytes) => tracing::info!(
                            asking = %asking.short(), other = %other.short(), bytes, "passed on what two devices sent"
                        ),
                        Err(error) => tracing::debug!(asking = %asking.short(), %error, "a relay ended"),
                    }
                    let _ = reports.send(Report::Detour(Box::new(DetourReport::RelayEnded(token)))).await;
                });
            }
            Side::Coming if self.node.joined(secure.peer(), other, token, now) => {
                if let Some(joins) = self.detours.waiting.remove(&token) {
                    // Whoever waited may have gone this moment.
                    let _ = joins.send(secure);
                }
            }
            Side::Asking | Side::Coming => {
                tracing::debug!(peer = %secure.peer().short(), "not joined with another device");
            }
        }
    }
}

impl DetourReport {
    /// Whose connection it brings, and through whom it goes: of who was blocked in the meantime nobody wants one.
    fn with(&self) -> [Option<PeerId>; 2] {
        match self {
            DetourReport::Came { secure, .. } | DetourReport::Called { secure, .. } => {
                [Some(secure.peer()), None]
            }
            DetourReport::Reached { secure, through, .. } => [Some(secure.peer()), *through],
            _ => [None, None],
        }
    }
}

/// Relays until one of the two is blocked here.
async fn relay_for(
    shunned: &Shunned,
    [asking, coming]: [PeerId; 2],
    relay: impl Future<Output = io::Result<u64>>,
) -> io::Result<u64> {
    let (asking, coming) = (shunned.cut_of(asking)?, shunned.cut_of(coming)?);
    tokio::select! {
        relayed = relay => relayed,
        () = asking.cancelled() => Err(io::ErrorKind::PermissionDenied.into()),
        () = coming.cancelled() => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

/// What a device says first that was asked to dial, or wants to be joined.
async fn first_word(mut secure: Secure) -> io::Result<DetourReport> {
    let wish = match secure.purpose {
        Purpose::Give => Some(Wish::Files),
        Purpose::Come => Some(Wish::Sync),
        Purpose::Sync | Purpose::File | Purpose::Relay | Purpose::Verify => None,
    };
    if let Some(wish) = wish {
        let mut token = [0; 16];
        secure.stream.read_exact(&mut token).await?;
        return Ok(DetourReport::Came { secure, token: Token(token), wish });
    }
    let mut call = [0; CALL_BYTES];
    secure.stream.read_exact(&mut call).await?;
    let call = Call::decode(&call).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(DetourReport::Called { secure, call })
}

async fn come(credentials: &Credentials, coming: Coming, addresses: &[SocketAddr]) -> io::Result<Secure> {
    let Coming { peer, via, token, wish } = coming;
    let Some(via) = via else {
        let as_asked = match wish {
            Wish::Files => Purpose::Give,
            Wish::Sync => Purpose::Come,
        };
        let mut secure = dial(credentials, peer, addresses, as_asked).await?;
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
    accept_through(credentials, peer, purpose(wish), relay).await
}

/// Says that nobody is joined here.
async fn decline(mut asking: Secure) -> io::Result<()> {
    asking.stream.write_all(&[DECLINED]).await?;
    asking.stream.shutdown().await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_relay_ends_when_either_of_its_two_is_blocked() {
        let two = [PeerId([1; 32]), PeerId([2; 32])];
        for blocked in two {
            let shunned = Shunned::default();
            let of_it = shunned.clone();
            let relaying = tokio::spawn(async move { relay_for(&of_it, two, std::future::pending()).await });
            tokio::task::yield_now().await;
            shunned.shun(PeerId([3; 32]), true);
            tokio::task::yield_now().await;
            assert!(!relaying.is_finished(), "a third one is nobody's concern");
            shunned.shun(blocked, true);
            assert_eq!(relaying.await.unwrap().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
    }
}
