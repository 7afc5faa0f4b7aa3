//! Sync connections: dialling, accepting, and serving entries over them.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use lanyard_proto::detour::Way;
use lanyard_proto::effects::{Detour, Direction, EXPORTER_LABEL, Input};
use lanyard_proto::model::{ConnId, EntryId, LogId, PeerId, RoomId, Seq};
use lanyard_proto::wire::detour::Wish;
use lanyard_proto::wire::file::Source;
use lanyard_proto::wire::frame::{ENTRIES_BYTES, Frame, MAX_ENTRIES};
use tokio::sync::mpsc;

use crate::api::{ApiError, ErrorCode};
use crate::engine::run::{Report, Run};
use crate::net::cut::{Cuttable, Shunned};
use crate::net::framing::{DEADLINES, SyncEvent, SyncWriter, spawn_sync, spawn_sync_within};
use crate::net::stream::{self, Secure, dial, dial_any};
use crate::net::tls::Purpose;
use crate::says;
use crate::store::{Store, StoreError};

/// How a dial ended.
pub struct Dialled {
    /// The device that was wanted, or the address that a person gave.
    pub wanted: Wanted,
    pub result: io::Result<(Secure, Way)>,
}

/// A connection that is kept, to a peer that was given by address.
pub struct Standing {
    pub address: String,
    pub peer: PeerId,
}

pub enum Wanted {
    Peer(PeerId),
    Address(String),
}

impl Run {
    pub fn dial_configured_peers(&mut self) {
        for address in self.config.peers.clone() {
            self.add_address(&address);
        }
    }

    /// Connects to a peer that a person named by address, and stays connected; once, however often it is named.
    pub fn add_address(&mut self, address: &str) {
        let address = address.trim();
        if self.addresses.insert(address.to_owned()) {
            self.dial_address(address);
        }
    }

    pub fn dial(&self, peer: PeerId, addresses: Vec<SocketAddr>, detour: Detour) {
        let (dialler, credentials, reports) =
            (self.dialler(), self.credentials.clone(), self.reports.clone());
        tokio::spawn(async move {
            let result = match detour {
                Detour::Allowed => dialler.reach(&Source { peer, addresses }, Wish::Sync).await,
                Detour::Never => {
                    let dialled = dial(&credentials, peer, &addresses, Purpose::Sync).await;
                    dialled.map(|secure| (secure, Way::Direct))
                }
            };
            // The engine's task may have ended.
            let _ =
                reports.send(Report::Dialled(Box::new(Dialled { wanted: Wanted::Peer(peer), result }))).await;
        });
    }

    pub fn dial_address(&self, address: &str) {
        let (credentials, reports, port) = (self.credentials.clone(), self.reports.clone(), self.config.port);
        let address = address.to_owned();
        tokio::spawn(async move {
            let result = dial_any(&credentials, &address, port, Purpose::Sync).await;
            let result = result.map(|secure| (secure, Way::Direct));
            let _ = reports
                .send(Report::Dialled(Box::new(Dialled { wanted: Wanted::Address(address), result })))
                .await;
        });
    }

    pub async fn dialled(&mut self, dialled: Dialled) -> Result<(), StoreError> {
        match (dialled.wanted, dialled.result) {
            (Wanted::Peer(peer), Ok((_, Way::Relayed(through)))) if self.hides(through) => {
                tracing::debug!(peer = %peer.short(), through = %through.short(), "who passes it on is blocked");
                self.handle(Input::DialFailed { peer }).await
            }
            (Wanted::Peer(_), Ok((secure, way))) => {
                // Only who was dialled is where it was reached.
                let remote = (way == Way::Direct).then_some(secure.remote);
                let through = if let Way::Relayed(through) = way { Some(through) } else { None };
                self.connected(secure, remote, Direction::Dialled, through, None).await
            }
            (Wanted::Peer(peer), Err(error)) => {
                tracing::debug!(peer = %peer.short(), %error, "could not connect");
                self.handle(Input::DialFailed { peer }).await
            }
            (Wanted::Address(address), Ok((secure, _)))
                if self.standing.values().any(|standing| standing.peer == secure.peer()) =>
            {
                tracing::debug!(address, peer = %secure.peer().short(), "connected by another address already");
                self.redial_later(address, REDIAL_TWIN);
                Ok(())
            }
            (Wanted::Address(address), Ok((secure, _))) if self.hides(secure.peer()) => {
                tracing::debug!(address, peer = %secure.peer().short(), "who is there is blocked");
                self.redial_later(address, REDIAL_TWIN);
                Ok(())
            }
            (Wanted::Address(address), Ok((secure, _))) => {
                let remote = Some(secure.remote);
                self.connected(secure, remote, Direction::Dialled, None, Some(address)).await
            }
            (Wanted::Address(address), Err(error)) => {
                tracing::info!(address, %error, "could not connect");
                // Another device of ours, or this one itself: there is no point in trying again.
                if error.kind() == io::ErrorKind::PermissionDenied {
                    self.addresses.remove(&address);
                } else {
                    self.redial_later(address, REDIAL);
                }
                Ok(())
            }
        }
    }

    pub async fn arrived(&mut self, secure: Secure) -> Result<(), StoreError> {
        // Whoever is blocked learns nothing but that the connection ends.
        if self.hides(secure.peer()) {
            tracing::debug!(peer = %secure.peer().short(), "it is blocked");
            return Ok(());
        }
        // Where it came from it can be asked for what it holds.
        self.credentials.site().met(secure.remote.ip());
        match secure.purpose {
            Purpose::Sync => {
                let remote = Some(secure.remote);
                self.connected(secure, remote, Direction::Accepted, None, None).await
            }
            Purpose::File => {
                self.serve_files(secure, None);
                Ok(())
            }
            Purpose::Give | Purpose::Come | Purpose::Relay => {
                self.detoured(secure);
                Ok(())
            }
            Purpose::Verify => {
                self.asked_to_compare(secure);
                Ok(())
            }
        }
    }

    pub async fn synced(&mut self, event: SyncEvent) -> Result<(), StoreError> {
        let (SyncEvent::Frame { conn, .. } | SyncEvent::Closed { conn }) = &event;
        let compares_with = self.comparing.is_about(*conn);
        match event {
            SyncEvent::Frame { conn, bytes } => match compares_with {
                Some(peer) => self.heard_in_comparison(peer, &bytes).await,
                None => self.handle(Input::Frame { conn, bytes: &bytes }).await,
            },
            SyncEvent::Closed { conn } => {
                self.conns.remove(&conn);
                if let Some(peer) = compares_with {
                    return self.comparison_closed(peer).await;
                }
                if let Some(Standing { address, .. }) = self.standing.remove(&conn) {
                    self.redial_later(address, REDIAL);
                }
                self.handle(Input::Closed { conn }).await
            }
        }
    }

    pub fn send_frame(&mut self, conn: ConnId, bytes: Vec<u8>) {
        let Some(writer) = self.conns.get(&conn) else { return };
        if let Err(error) = writer.try_send(bytes) {
            // It comes back and compares what it has: nothing is lost but time.
            tracing::debug!(conn = conn.0, %error, "closing a connection that does not keep up");
            writer.close();
        }
    }

    /// Streams entries from the store to a connection, as fast as the other side takes them.
    pub fn serve_entries(
        &self,
        conn: ConnId,
        room: RoomId,
        wanted: Vec<(LogId, RangeInclusive<u64>)>,
        deeds: Vec<EntryId>,
    ) {
        let Some(writer) = self.conns.get(&conn).cloned() else { return };
        let (store, reports) = (self.store.clone(), self.reports.clone());
        tokio::spawn(async move {
            let served = async {
                match serve_deeds(&store, &writer, room, deeds).await? {
                    Written::Wholly => serve(&store, &writer, room, wanted).await,
                    Written::Gone => Ok(Written::Gone),
                }
            };
            match served.await {
                // What is lost with the connection is asked for again.
                Ok(Written::Wholly) => drop(reports.send(Report::Served(conn)).await),
                Ok(Written::Gone) => {}
                Err(error) => drop(reports.send(Report::Failed(error)).await),
            }
        });
    }

    /// `remote` is where the other end is, if that tells where to dial it; `through` is who passes on what the two say.
    pub async fn connected(
        &mut self,
        secure: Secure,
        remote: Option<SocketAddr>,
        direction: Direction,
        through: Option<PeerId>,
        address: Option<String>,
    ) -> Result<(), StoreError> {
        let Ok(exporter) = secure.stream.exporter(EXPORTER_LABEL) else {
            tracing::debug!(peer = %secure.peer().short(), "a connection without keying material");
            return Ok(());
        };
        self.next_conn += 1;
        let conn = ConnId(self.next_conn);
        let (peer, standing) = (secure.peer(), address.is_some());
        let Ok(writer) = exchange(conn, secure, through, &self.shunned, self.sync_events.clone()) else {
            return match direction {
                Direction::Dialled => self.handle(Input::DialFailed { peer }).await,
                Direction::Accepted => Ok(()),
            };
        };
        self.conns.insert(conn, writer);
        if let Some(address) = address {
            self.standing.insert(conn, Standing { address, peer });
        }
        self.handle(Input::Connected { conn, peer, remote, direction, standing, exporter }).await
    }

    fn redial_later(&self, address: String, after: Duration) {
        let reports = self.reports.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let _ = reports.send(Report::Redial(address)).await;
        });
    }
}

/// Reads and writes frames until either end has enough, or whoever passes them on is blocked here. Whoever is at the other end
/// is hung up on by the node.
///
/// # Errors
/// If it is blocked already.
fn exchange(
    conn: ConnId,
    secure: Secure,
    through: Option<PeerId>,
    shunned: &Shunned,
    events: mpsc::Sender<SyncEvent>,
) -> io::Result<SyncWriter> {
    Ok(match through {
        None => spawn_sync(conn, secure, events),
        Some(through) => {
            let stream = Cuttable::new(secure.stream, vec![shunned.cut_of(through)?]);
            spawn_sync_within(DEADLINES, conn, stream, events)
        }
    })
}

/// Whether a person can have meant this as an address.
///
/// # Errors
/// `Invalid`, with what an address looks like.
pub fn check_address(address: &str) -> Result<(), ApiError> {
    stream::check(address).map_err(|error| {
        says!(
            ErrorCode::Invalid,
            "“{address}” is no address: {error}. Give an IP address or a host name, with a port if need be.",
            address,
            error
        )
    })
}

enum Written {
    Wholly,
    /// The connection is.
    Gone,
}

/// Writes deeds in their order, a frame at a time.
async fn serve_deeds(
    store: &Store,
    writer: &SyncWriter,
    room: RoomId,
    mut deeds: Vec<EntryId>,
) -> Result<Written, StoreError> {
    while !deeds.is_empty() {
        let next = deeds.iter().copied().take(MAX_ENTRIES).collect();
        let (entries, looked) = store.deeds(room, next, ENTRIES_BYTES).await?;
        deeds.drain(..looked);
        if !entries.is_empty() && writer.send(Frame::Deeds { room, entries }.encode()).await.is_err() {
            return Ok(Written::Gone);
        }
    }
    Ok(Written::Wholly)
}

/// Writes the ranges in their order, each from its end to its beginning, a frame at a time.
async fn serve(
    store: &Store,
    writer: &SyncWriter,
    room: RoomId,
    wanted: Vec<(LogId, RangeInclusive<u64>)>,
) -> Result<Written, StoreError> {
    let (mut entries, mut left) = (Vec::new(), ENTRIES_BYTES);
    for (log, range) in wanted {
        let (from, mut to) = (Seq(*range.start()), Seq(*range.end()));
        while from <= to {
            let Some((first, stretch)) = store.stretch(room, log, from, to, left).await? else { break };
            let size: usize = stretch.iter().map(Vec::len).sum();
            if size > left && !entries.is_empty() {
                let full = std::mem::take(&mut entries);
                left = ENTRIES_BYTES;
                if writer.send(Frame::Entries { room, entries: full }.encode()).await.is_err() {
                    return Ok(Written::Gone);
                }
            }
            entries.extend(stretch);
            left = left.saturating_sub(size);
            to = Seq(first.0 - 1);
        }
    }
    if !entries.is_empty() && writer.send(Frame::Entries { room, entries }.encode()).await.is_err() {
        return Ok(Written::Gone);
    }
    Ok(Written::Wholly)
}

/// Between two tries to reach a peer that was given by address: soon enough after it was switched on.
const REDIAL: Duration = Duration::from_secs(5);
/// The same where the peer is connected already by another address.
const REDIAL_TWIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use lanyard_proto::identity::Identity;

    use super::*;
    use crate::net::relay::splice;
    use crate::net::stream::{Listener, accept_through, dial_through};
    use crate::net::tls::Credentials;

    #[tokio::test]
    async fn what_is_said_through_a_third_device_ends_when_that_one_is_blocked() {
        let [ann, bob, cara] = [1, 2, 3].map(|seed| Credentials::new(&Identity::from_seed(&[seed; 32])));
        let (listener, port) = Listener::bind(0).unwrap();
        let (arriving, mut arrivals) = mpsc::channel(2);
        let _serving = listener.serve(&cara, arriving);
        let at_cara = [SocketAddr::from(([127, 0, 0, 1], port))];
        let mut ends = Vec::new();
        for device in [&ann, &bob] {
            let near = dial(device, cara.peer_id(), &at_cara, Purpose::Relay).await.unwrap();
            ends.push((near, arrivals.recv().await.unwrap().stream));
        }
        let ((of_bob, bob_there), (of_ann, ann_there)) = (ends.pop().unwrap(), ends.pop().unwrap());
        let relay = tokio::spawn(splice(ann_there, bob_there, PATIENCE));
        let (dialled, accepted) = tokio::join!(
            dial_through(&ann, bob.peer_id(), Purpose::Sync, of_ann),
            accept_through(&bob, ann.peer_id(), Purpose::Sync, of_bob)
        );
        let (shunned, (events, mut told)) = (Shunned::default(), mpsc::channel(4));
        let conn = ConnId(1);
        let _writer =
            exchange(conn, dialled.unwrap(), Some(cara.peer_id()), &shunned, events.clone()).unwrap();
        // Whoever is at the other end is somebody else's decision.
        shunned.shun(bob.peer_id(), true);
        shunned.shun(cara.peer_id(), true);
        assert_eq!(
            tokio::time::timeout(PATIENCE, told.recv()).await.unwrap(),
            Some(SyncEvent::Closed { conn })
        );
        assert!(exchange(conn, accepted.unwrap(), Some(cara.peer_id()), &shunned, events).is_err());
        relay.abort();
    }

    /// Never reached unless something hangs.
    const PATIENCE: Duration = Duration::from_secs(20);
}
