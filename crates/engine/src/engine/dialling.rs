//! Reaching a device for files, or to say something to it: directly, else by asking it to dial, else through a third device that joins the two.
//!
//! What is not direct is never preferred: a dial goes on while others are asked, and the first connection is the one. Of
//! whoever could not be dialled the last time is remembered what led to it, and that is tried at once beside the dial.

use std::io;
use std::time::Duration;

use lanyard_proto::detour::Begin;
use lanyard_proto::model::{PeerId, Token};
use lanyard_proto::wire::detour::{Call, DECLINED, JOINED, Knock, Side, WAIT, Wish};
use lanyard_proto::wire::file::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::engine::detours::DetourReport;
use crate::engine::run::{Report, Run};
use crate::files::{Dial, Dialled, Way};
use crate::net::cut::{Cuttable, Shunned};
use crate::net::pace::{Pace, Paced};
use crate::net::stream::{Secure, Stream, dial, dial_through};
use crate::net::tls::{Credentials, Purpose};
use crate::saying;

/// Reaches devices; for files no faster than the settings allow.
#[derive(Clone)]
pub(super) struct Dialler {
    credentials: Credentials,
    up: Pace,
    down: Pace,
    reports: mpsc::Sender<Report>,
    shunned: Shunned,
}

impl Run {
    pub(super) fn dialler(&self) -> Dialler {
        let (up, down) = (self.up.clone(), self.down.clone());
        let (reports, shunned) = (self.reports.clone(), self.shunned.clone());
        Dialler { credentials: self.credentials.clone(), up, down, reports, shunned }
    }
}

impl Dial for Dialler {
    type Stream = Cuttable<Paced<Stream>>;

    async fn dial(&self, to: Source) -> io::Result<Dialled<Self::Stream>> {
        // Before it is reached: who is blocked in the meantime is not.
        let mut cuts = vec![self.shunned.cut_of(to.peer)?];
        let (Secure { stream, .. }, way) = self.reach(&to, Wish::Files).await?;
        let near = stream.is_near();
        if let Way::Relayed(through) = way {
            cuts.push(self.shunned.cut_of(through)?);
        }
        let stream = Paced::new(stream, self.up.clone(), self.down.clone());
        Ok(Dialled { stream: Cuttable::new(stream, cuts), near, way })
    }
}

/// Who is to be reached, and what for.
type Whom = (PeerId, Wish);

/// What a device is dialled for.
pub(super) fn purpose(wish: Wish) -> Purpose {
    match wish {
        Wish::Files => Purpose::File,
        Wish::Sync => Purpose::Sync,
    }
}

/// Why there is no way but the direct one.
enum NoDetour {
    /// The device is not here, or too many are being asked.
    NotAsked,
    Nobody,
}

/// What a third device says that was asked whether one may wait there.
#[allow(clippy::large_enum_variant, reason = "a few at a time, and never stored")]
enum Answer {
    Wait(Secure, Token),
    Declined(PeerId),
}

impl Dialler {
    pub(super) async fn reach(&self, to: &Source, wish: Wish) -> io::Result<(Secure, Way)> {
        // Whoever is named by others may be one that a person here blocked.
        let cut = self.shunned.cut_of(to.peer)?;
        let begin = self.begin(to).await;
        let reached = cut.run_until_cancelled(self.reach_beginning(to, wish, begin)).await;
        let reached = reached.unwrap_or_else(|| Err(io::ErrorKind::ConnectionAborted.into()));
        let way = reached.as_ref().ok().map(|(_, way)| *way);
        if begin.is_some() || way != Some(Way::Direct) {
            self.report(DetourReport::Went { to: to.clone(), way }).await;
        }
        reached
    }

    /// What led to a device that could not be dialled the last time.
    async fn begin(&self, to: &Source) -> Option<Begin> {
        let (answer, answered) = oneshot::channel();
        self.report(DetourReport::Begin { to: to.clone(), answer }).await;
        answered.await.ok().flatten()
    }

    async fn reach_beginning(
        &self,
        to: &Source,
        wish: Wish,
        begin: Option<Begin>,
    ) -> io::Result<(Secure, Way)> {
        let begun = Instant::now();
        let first = self.directly(to, wish);
        tokio::pin!(first);
        let head_start = if begin.is_some() { Duration::ZERO } else { HEAD_START };
        let refused = match timeout(head_start, &mut first).await {
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
                if let Ok(secure) = self.directly(to, wish).await {
                    return secure;
                }
            }
        };
        tokio::pin!(straight);
        let around = tokio::select! {
            secure = &mut straight => return Ok((secure, Way::Direct)),
            around = self.around((to.peer, wish), begin) => around,
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

    async fn directly(&self, to: &Source, wish: Wish) -> io::Result<Secure> {
        dial(&self.credentials, to.peer, &to.addresses, purpose(wish)).await
    }

    async fn around(&self, whom: Whom, begin: Option<Begin>) -> Result<(Secure, Way), NoDetour> {
        let found = async {
            match begin {
                None | Some(Begin::Knocking) => match self.knock(whom).await? {
                    Some(found) => Ok(found),
                    None => self.relay(whom, None).await.ok_or(NoDetour::Nobody),
                },
                Some(Begin::Relayed { through, knock: false }) => {
                    match self.relay(whom, Some(through)).await {
                        Some(found) => Ok(found),
                        None => self.knock(whom).await?.ok_or(NoDetour::Nobody),
                    }
                }
                Some(Begin::Relayed { through, knock: true }) => self.knock_and_relay(whom, through).await,
            }
        };
        timeout(AROUND, found).await.unwrap_or(Err(NoDetour::Nobody))
    }

    /// Whatever kept the device from dialling this one may be gone: then nobody needs to carry what is sent.
    async fn knock_and_relay(&self, whom: Whom, through: PeerId) -> Result<(Secure, Way), NoDetour> {
        let (knocked, relayed) = (self.knock(whom), self.relay(whom, Some(through)));
        tokio::pin!(knocked, relayed);
        tokio::select! {
            found = &mut knocked => match found? {
                Some(found) => Ok(found),
                None => relayed.await.ok_or(NoDetour::Nobody),
            },
            found = &mut relayed => match found {
                Some(found) => Ok(found),
                None => knocked.await?.ok_or(NoDetour::Nobody),
            },
        }
    }

    /// Asks the device to dial this one; `None` if it did not.
    async fn knock(&self, (peer, wish): Whom) -> Result<Option<(Secure, Way)>, NoDetour> {
        let Some(token) = new_token() else { return Err(NoDetour::NotAsked) };
        let (come, comes) = oneshot::channel();
        self.report(DetourReport::Knock {
            knock: Knock { to: peer, token, via: None, wish },
            come: Some(come),
        })
        .await;
        let came = timeout(KNOCK, comes).await;
        self.report(DetourReport::Settled(token)).await;
        match came {
            Ok(Ok(secure)) => Ok(Some((secure, Way::Knocked))),
            Ok(Err(_)) => Err(NoDetour::NotAsked),
            Err(_) => Ok(None),
        }
    }

    /// Asks one device after the other to join this one with `peer`, and `peer` to come there; `last` first, which did it the
    /// last time.
    async fn relay(&self, whom: Whom, last: Option<PeerId>) -> Option<(Secure, Way)> {
        let (peer, _) = whom;
        let (answer, answered) = oneshot::channel();
        self.report(DetourReport::Candidates { peer, last, answer }).await;
        let mut candidates = answered.await.unwrap_or_default().into_iter();
        let mut asked = JoinSet::new();
        loop {
            if let Some(relay) = candidates.next() {
                let dialler = self.clone();
                asked.spawn(async move { dialler.wait_at(relay, peer).await });
            }
            tokio::select! {
                answered = asked.join_next() => match answered {
                    Some(Ok(Ok(Answer::Wait(relay, token)))) => {
                        let through = relay.peer();
                        match self.joined(relay, whom, token).await {
                            Ok(secure) => return Some((secure, Way::Relayed(through))),
                            Err(error) => tracing::debug!(through = %through.short(), %error, "not joined"),
                        }
                    }
                    Some(Ok(Ok(Answer::Declined(relay)))) => {
                        tracing::debug!(through = %relay.short(), "a third device relays for nobody");
                        self.report(DetourReport::Declined(relay)).await;
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
    async fn wait_at(&self, relay: Source, peer: PeerId) -> io::Result<Answer> {
        let token = new_token().ok_or(io::ErrorKind::Unsupported)?;
        self.shunned.cut_of(relay.peer)?;
        let asked = async {
            let mut relay = dial(&self.credentials, relay.peer, &relay.addresses, Purpose::Relay).await?;
            let call = Call { side: Side::Asking, other: peer, token };
            relay.stream.write_all(&call.encode()).await?;
            relay.stream.flush().await?;
            match relay.stream.read_u8().await? {
                WAIT => Ok(Answer::Wait(relay, token)),
                DECLINED => Ok(Answer::Declined(relay.peer())),
                _ => Err(nonsense()),
            }
        };
        timeout(MAY_WAIT, asked).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Asks `peer` to come to where this device waits, and makes sure that it is the one who came.
    async fn joined(&self, mut relay: Secure, (peer, wish): Whom, token: Token) -> io::Result<Secure> {
        let knock = Knock { to: peer, token, via: Some(relay.peer()), wish };
        self.report(DetourReport::Knock { knock, come: None }).await;
        let joined = timeout(JOIN, expect(&mut relay, JOINED)).await;
        self.report(DetourReport::Settled(token)).await;
        joined.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        dial_through(&self.credentials, peer, purpose(wish), relay).await
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
        _ => Err(nonsense()),
    }
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, saying!("the third device says what makes no sense"))
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

#[cfg(test)]
mod tests {
    use lanyard_proto::identity::Identity;

    use super::*;
    use crate::net::stream::Listener;

    #[tokio::test]
    async fn whoever_is_blocked_is_left_in_the_middle_of_it_and_dialled_no_more() {
        let [ann, bob] = [1, 2].map(|seed| Credentials::new(&Identity::from_seed(&[seed; 32])));
        let (listener, port) = Listener::bind(0).unwrap();
        let (arriving, mut arrivals) = mpsc::channel(1);
        let _serving = listener.serve(&bob, arriving);
        // Where nobody hears what is asked, nothing is remembered of who is dialled.
        let (reports, _) = mpsc::channel(1);
        let shunned = Shunned::default();
        let (up, down) = (Pace::default(), Pace::default());
        let dialler = Dialler { credentials: ann, up, down, reports, shunned: shunned.clone() };
        let to =
            Source { peer: bob.peer_id(), addresses: vec![format!("127.0.0.1:{port}").parse().unwrap()] };
        let mut dialled = dialler.dial(to.clone()).await.unwrap();
        let _arrived = arrivals.recv().await.unwrap();
        let reads = tokio::spawn(async move { dialled.stream.read_u8().await });
        tokio::task::yield_now().await;
        shunned.shun(to.peer, true);
        assert_eq!(reads.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(dialler.dial(to).await.err().unwrap().kind(), io::ErrorKind::PermissionDenied);
        assert!(arrivals.try_recv().is_err(), "it was not even called");
    }
}
