//! What user interfaces see: the node's state and the store's, as values of the API.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use lanyard_proto::effects::TransferRecord;
use lanyard_proto::model::{self, EntryId, PeerId, RoomId, TransferId, UnixMillis};
use lanyard_proto::node::Dropped as NodeDropped;
use lanyard_proto::rooms::{self, LOBBY};
use lanyard_proto::transfer::{Delay, Part, Receipt, TransferState as NodeState};
use lanyard_proto::wire::codec::DecodeError;

use crate::api::{
    Dropped, DroppedReason, Interface, InterfaceChoice, InterfaceKind, InterfaceState, ListedRoom, Me,
    Network, Notifications, NotifyLevel, Peer, Platform, Receiver, Room, RoomKind, Snapshot, Transfer,
    TransferDirection, TransferState,
};
use crate::config::Multicast;
use crate::engine::interfaces::{addresses, listed};
use crate::engine::private::{api_role, membership};
use crate::engine::run::Run;
use crate::files::shown;
use crate::net::interfaces::Listed;
use crate::store::{Counts, Cursor, LogPosition, Number, Shown, TransferNote};

/// What the node does not keep and user interfaces want to see.
#[derive(Default)]
pub struct View {
    /// The newest that had arrived when this run began.
    pub began: Number,
    pub rooms: BTreeMap<RoomId, RoomView>,
    pub transfers: BTreeMap<TransferId, TransferView>,
    /// Whether places in the queue may be others than were told.
    pub queue_changed: bool,
    pub notifications: Notifications,
}

#[derive(Default)]
pub struct RoomView {
    pub counts: Counts,
    pub read: Option<Cursor>,
    pub last: Option<Shown>,
    /// What the room is about, and since when.
    pub topic: Option<(Cursor, String)>,
    /// What was begun here and not sent.
    pub draft: String,
    /// The newest messages of ours.
    pub sent: VecDeque<Sent>,
    /// For how many days history is kept; as the settings say if absent.
    pub keep_days: Option<u32>,
    /// What is told of it; as the settings say if absent.
    pub notify: Option<NotifyLevel>,
    pub judging: Judging,
}

/// By whose word the store takes back what others wrote in a private room.
#[derive(Default)]
pub struct Judging {
    /// Whoever moderated when it was last told. Absent: it has to be told in any case.
    pub told: Option<Arc<BTreeSet<PeerId>>>,
    /// Whether it is at it.
    pub is_busy: bool,
}

/// What we said last of a message, and what was told of that.
pub struct Sent {
    pub position: LogPosition,
    /// The message.
    pub id: EntryId,
    /// When that was said.
    pub at: UnixMillis,
    /// Of how many devices that hold it.
    pub told: usize,
    /// Of which devices that keep it for the other side.
    pub kept: Vec<PeerId>,
}

#[derive(Default)]
pub struct TransferView {
    pub note: TransferNote,
    /// Whether it waits for space.
    pub no_space: bool,
    /// The device that passes on what is fetched, or did at the end; only in the run in which it did.
    pub through: Option<PeerId>,
    /// Links, special files and what may not be read: listed, and not sent. Known in the run in which it is offered or fetched.
    pub skipped: u64,
    /// The state that was last told.
    pub told: Option<NodeState>,
    /// The place in the queue that was last told.
    pub place: Option<u32>,
    /// A transfer of an earlier run that was over then; the node knows the others.
    pub record: Option<TransferRecord>,
}

impl View {
    pub fn room(&mut self, room: RoomId) -> &mut RoomView {
        self.rooms.entry(room).or_default()
    }

    pub fn transfer(&mut self, transfer: TransferId) -> &mut TransferView {
        self.transfers.entry(transfer).or_default()
    }
}

impl Run {
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            me: self.me(),
            network: self.network(),
            peers: self.peers(),
            rooms: self.rooms(),
            transfers: self.transfers(),
            mailbox: self.mailbox(),
            comparisons: self.comparisons(),
            calls: self.calls(),
        }
    }

    pub fn me(&self) -> Me {
        let me = self.node.me();
        Me {
            id: me.to_string(),
            short: me.short(),
            name: self.node.profile().name.clone(),
            avatar: self.avatar_of(me),
            downloads: self
                .settings
                .downloads
                .as_ref()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            named: self.settings.named,
            history_days: self.history_days(),
            history_bytes: self.history_bytes(),
            cloned: self.node.cloned().map(|since| since.0),
            hold_for_others: self.holds_for_others(),
            hold_bytes: self.hold_bytes(),
            upload_limit: self.upload_limit(),
            download_limit: self.download_limit(),
            transfers_at_once: self.transfers_at_once(),
            relaying: self.relaying(),
            notifications: self.view.notifications,
            locked: self.config.policy.locked(),
        }
    }

    pub fn network(&self) -> Network {
        let interfaces = self
            .watch
            .current()
            .iter()
            .map(|interface| Interface { name: interface.name.clone(), addresses: addresses(interface) });
        let is_told = |one: &&Listed| {
            let leads_out = one.kind != Some(InterfaceKind::Loopback);
            leads_out || one.state == InterfaceState::Used || one.choice != InterfaceChoice::Automatic
        };
        let dropped =
            self.node.dropped().map(|(reason, count)| Dropped { reason: dropped_reason(reason), count });
        Network {
            port: self.config.port,
            tcp_port: self.tcp_port,
            multicast: self.config.multicast == Multicast::On,
            interfaces: interfaces.collect(),
            listed: self.watch.listed().iter().filter(is_told).map(listed).collect(),
            clock_off: self.node.clock_off().map(|millis| millis / 1000),
            dropped: dropped.collect(),
        }
    }

    pub fn peers(&self) -> Vec<Peer> {
        self.node.presence().peers().filter_map(|record| self.peer(record.id)).collect()
    }

    pub fn peer(&self, id: PeerId) -> Option<Peer> {
        let record = self.node.presence().peer(id)?;
        Some(Peer {
            id: id.to_string(),
            short: id.short(),
            name: self.name_of(id),
            avatar: self.avatar_of(id),
            online: self.node.is_online(id),
            addresses: record.addresses.iter().map(ToString::to_string).collect(),
            platform: match record.platform {
                model::Platform::Linux => Platform::Linux,
                model::Platform::Macos => Platform::Macos,
                model::Platform::Windows => Platform::Windows,
                model::Platform::Other => Platform::Other,
            },
            trust: self.trust_of(id),
            alike: self.alike(id),
            accept_bytes: self.accept_bytes(id),
            last_seen: record.last_seen.0,
        })
    }

    /// What a device calls itself, or its short id where it has not said.
    pub fn name_of(&self, id: PeerId) -> String {
        self.known_name(id).unwrap_or_else(|| id.short())
    }

    pub fn known_name(&self, id: PeerId) -> Option<String> {
        let name = if id == self.node.me() {
            Some(self.node.profile().name.clone())
        } else {
            self.node.presence().peer(id).map(|record| record.name.clone())
        };
        name.filter(|name| !name.is_empty())
    }

    pub fn rooms(&self) -> Vec<Room> {
        self.node.rooms().filter_map(|room| self.room(room.record().id)).collect()
    }

    /// The open rooms of this network, by name.
    pub fn directory(&self) -> Vec<ListedRoom> {
        let rooms = self.node.directory().into_iter();
        let listed = rooms.map(|room| ListedRoom {
            name: room.name,
            members: room.members,
            joined: room.joined,
            active: room.active.0,
        });
        listed.collect()
    }

    pub fn room(&self, id: RoomId) -> Option<Room> {
        let held = self.node.room(id)?;
        let record = held.record();
        let (kind, name, peer) = match record.kind {
            rooms::RoomKind::Direct(peer) => (RoomKind::Direct, self.name_of(peer), Some(peer.to_string())),
            rooms::RoomKind::Open if record.name == LOBBY => (RoomKind::Lobby, record.name.clone(), None),
            rooms::RoomKind::Open => (RoomKind::Open, record.name.clone(), None),
            // Its name comes with the welcome.
            rooms::RoomKind::Private if record.name.is_empty() => (RoomKind::Private, short_id(id), None),
            rooms::RoomKind::Private => (RoomKind::Private, record.name.clone(), None),
        };
        let view = self.view.rooms.get(&id);
        Some(Room {
            id: id.to_string(),
            kind,
            name,
            alike: peer.as_deref().and_then(PeerId::parse).is_some_and(|peer| !self.alike(peer).is_empty()),
            peer,
            unread: view.map_or(0, |view| view.counts.unread),
            mentions: view.map_or(0, |view| view.counts.mentions),
            topic: view
                .and_then(|view| view.topic.as_ref())
                .map(|(_, topic)| topic.clone())
                .unwrap_or_default(),
            draft: view.map(|view| view.draft.clone()).unwrap_or_default(),
            membership: membership(held),
            role: held.role(self.node.me()).map(api_role),
            keep_days: view.and_then(|view| view.keep_days),
            notify: view.and_then(|view| view.notify),
            last: view.and_then(|view| view.last.as_ref()).and_then(|last| self.message(id, last)),
            read: view.and_then(|view| view.read).map(|read| read.to_string()),
            members: 1 + u32::try_from(held.members().len()).unwrap_or(u32::MAX),
            forked: held.forked().iter().map(ToString::to_string).collect(),
        })
    }

    /// Open transfers and the latest that are over, newest first.
    pub fn transfers(&self) -> Vec<Transfer> {
        let known = self.node.transfers().map(|record| record.id);
        let earlier = self.view.transfers.iter().filter(|(_, view)| view.record.is_some()).map(|(id, _)| *id);
        let ids: std::collections::BTreeSet<TransferId> = known.chain(earlier).collect();
        let is_shown = |id, shown: &Transfer| !self.is_quiet(id, shown) && !self.is_hidden(id);
        let shown = ids.into_iter().filter_map(|id| self.transfer(id).filter(|shown| is_shown(id, shown)));
        let mut transfers: Vec<Transfer> = shown.collect();
        transfers.sort_by_key(|transfer| std::cmp::Reverse(transfer.finished));
        let mut over = 0;
        transfers.retain(|transfer| {
            over += u32::from(is_over(transfer.state));
            !is_over(transfer.state) || over <= FINISHED_TRANSFERS
        });
        transfers.sort_by(|one, other| other.offered.cmp(&one.offered).then_with(|| one.id.cmp(&other.id)));
        transfers
    }

    /// Whether somebody offers it of whom nothing is shown.
    fn is_hidden(&self, id: TransferId) -> bool {
        self.node.transfer(id).is_some_and(|record| self.hides(record.from))
    }

    pub fn transfer(&self, id: TransferId) -> Option<Transfer> {
        let view = self.view.transfers.get(&id);
        let record = self.node.transfer(id).or_else(|| view.and_then(|view| view.record.as_ref()))?;
        Some(self.show_transfer(record, view.map(|view| &view.note)))
    }

    /// A transfer with what only this device knows of it.
    pub fn show_transfer(&self, record: &TransferRecord, note: Option<&TransferNote>) -> Transfer {
        let outgoing = record.from == self.node.me();
        let receivers = if outgoing { self.receivers(record) } else { Vec::new() };
        let busy = receivers.iter().any(|receiver| receiver.state == TransferState::Running);
        let state = match record.state {
            _ if record.paused => TransferState::Paused,
            // Whoever had failed or did not want it may come after all.
            state if busy && state != NodeState::Done => TransferState::Running,
            NodeState::Offered if outgoing && self.accepted_by_one(record).is_some() => {
                TransferState::Waiting
            }
            state => api_state(state),
        };
        let (audience, awaited) = if outgoing { self.audience(record) } else { (0, Vec::new()) };
        let chosen = match outgoing {
            true => self.part_taken(record).map(|part| (part.files, part.bytes)),
            false => note.and_then(|note| note.chosen.as_ref()).map(|chosen| (chosen.files, chosen.bytes)),
        };
        let moved = match state {
            TransferState::Done => chosen.map_or(record.offer.bytes, |(_, bytes)| bytes),
            _ => note.map_or(0, |note| note.moved),
        };
        let sha256 = note.and_then(|note| note.sha256).or_else(|| received_digest(record));
        let folder = note.and_then(|note| note.folder.as_ref()).filter(|_| !outgoing);
        let error = self.problem(record, note.and_then(|note| note.problem.as_ref()));
        Transfer {
            id: record.id.to_string(),
            room: record.room.to_string(),
            direction: if outgoing { TransferDirection::Out } else { TransferDirection::In },
            from: record.from.to_string(),
            from_short: record.from.short(),
            from_name: self.known_as(record.from),
            state,
            names: record.offer.names.iter().map(|name| shown(name)).collect(),
            files: record.offer.files,
            bytes: record.offer.bytes,
            moved,
            offered: record.offered.0,
            folder: folder.map(|folder| folder.display().to_string()),
            sha256: sha256.map(|digest| data_encoding::HEXLOWER.encode(&digest)),
            error: error.filter(|_| state != TransferState::Running),
            chosen: chosen.map(|(_, bytes)| bytes),
            chosen_files: chosen.map(|(files, _)| files),
            here: note.map_or(0, |note| note.here),
            placed: note.filter(|_| !outgoing).map(|note| note.placed.clone()).unwrap_or_default(),
            failed_files: note.map_or(0, |note| note.failed),
            skipped: self.view.transfers.get(&record.id).map_or(0, |view| view.skipped),
            receivers,
            finished: record.finished.map(|at| at.0),
            place: self.node.place(record.id),
            rate: if state == TransferState::Running { self.progress.rate(record.id) } else { 0 },
            audience,
            awaited,
            via: self.through(record, outgoing).map(|peer| self.known_as(peer)),
        }
    }

    /// The device that passes on what is fetched or given.
    fn through(&self, record: &TransferRecord, outgoing: bool) -> Option<PeerId> {
        if !outgoing {
            return self.view.transfers.get(&record.id).and_then(|view| view.through);
        }
        let of_it = self.serves.values().filter(|serving| serving.transfer == Some(record.id));
        of_it.filter_map(|serving| serving.through).min()
    }

    /// How many devices an own offer is for, and who of them has not answered.
    pub fn audience(&self, record: &TransferRecord) -> (u32, Vec<String>) {
        let answered = |peer: &PeerId| record.receipts.iter().any(|(of, _)| of == peer);
        let Some(room) = self.node.room(record.room) else { return (0, Vec::new()) };
        let open = room.record().kind == rooms::RoomKind::Open;
        let counts = |peer: &PeerId| !open || self.node.is_online(*peer) || answered(peer);
        let members: Vec<PeerId> = room.members().into_iter().filter(counts).collect();
        let waits = !record.state.is_over();
        let awaited = members.iter().filter(|peer| waits && !answered(peer)).take(MAX_AWAITED);
        let awaited = awaited.map(|peer| self.known_as(*peer)).collect();
        (u32::try_from(members.len()).unwrap_or(u32::MAX), awaited)
    }

    fn receivers(&self, record: &TransferRecord) -> Vec<Receiver> {
        let bytes = record.offer.bytes;
        let moves = |peer: PeerId| self.progress.of(record.id).any(|(moves, _)| moves == peer);
        let receipts = record.receipts.iter().map(|(peer, receipt)| {
            let state = receipt_state(*receipt);
            let part = part_of(*receipt);
            let has = part.map_or(bytes, |part| part.bytes);
            let has = if state == TransferState::Done { has } else { 0 };
            (*peer, state, has, part, *receipt == Receipt::Accepted(Delay::NoSpace))
        });
        // Whoever did not want it, or had failed, may be at it again; its own receipt is the offer's withdrawal.
        let stands = |(peer, state, ..): &(PeerId, TransferState, u64, Option<Part>, bool)| {
            *peer != record.from && (*state == TransferState::Done || !moves(*peer))
        };
        let settled: Vec<_> = receipts.filter(stands).collect();
        let moving = self.progress.of(record.id);
        let moving = moving.filter(|(peer, _)| settled.iter().all(|(done, ..)| done != peer));
        let moving = moving.map(|(peer, moving)| (peer, TransferState::Running, moving.moved, None, false));
        let all = settled.clone().into_iter().chain(moving);
        all.map(|(peer, state, moved, part, full)| Receiver {
            peer: peer.to_string(),
            short: peer.short(),
            name: self.known_as(peer),
            state,
            moved,
            chosen: part.map(|part| part.bytes),
            chosen_files: part.map(|part| part.files),
            full,
        })
        .collect()
    }

    /// How an own offer stands at the one whom it is for, where that one has accepted it.
    pub fn accepted_by_one(&self, record: &TransferRecord) -> Option<(PeerId, Delay)> {
        let room = self.node.room(record.room)?;
        match (room.record().kind, &record.receipts[..]) {
            (rooms::RoomKind::Direct(_), [(peer, Receipt::Accepted(delay))]) => Some((*peer, *delay)),
            _ => None,
        }
    }

    /// What the one receiver of an own offer has, if it chose among the files.
    pub fn part_taken(&self, record: &TransferRecord) -> Option<Part> {
        let [(_, receipt)] = record.receipts[..] else { return None };
        part_of(receipt).filter(|_| record.state == NodeState::Done)
    }
}

/// The digest of a single file is its SHA-256: an own offer knows it from the receipt.
fn received_digest(record: &TransferRecord) -> Option<[u8; 32]> {
    let single = record.offer.files == 1;
    record.receipts.iter().filter(|_| single).find_map(|(_, receipt)| match receipt {
        Receipt::Received { digest } => Some(*digest),
        _ => None,
    })
}

/// Whether nothing more comes of it unless somebody wants it again.
fn is_over(state: TransferState) -> bool {
    use TransferState::{Cancelled, Declined, Done, Failed};
    matches!(state, Done | Declined | Cancelled | Failed)
}

fn api_state(state: NodeState) -> TransferState {
    match state {
        NodeState::Offered => TransferState::Offered,
        NodeState::Waiting => TransferState::Waiting,
        NodeState::Queued => TransferState::Queued,
        NodeState::Running => TransferState::Running,
        NodeState::Done => TransferState::Done,
        NodeState::Declined => TransferState::Declined,
        NodeState::Cancelled => TransferState::Cancelled,
        NodeState::Failed(_) => TransferState::Failed,
    }
}

fn part_of(receipt: Receipt) -> Option<Part> {
    if let Receipt::Part(part) = receipt { Some(part) } else { None }
}

fn receipt_state(receipt: Receipt) -> TransferState {
    match receipt {
        Receipt::Received { .. } | Receipt::Part(_) => TransferState::Done,
        Receipt::Declined => TransferState::Declined,
        Receipt::Cancelled => TransferState::Cancelled,
        Receipt::Failed(_) => TransferState::Failed,
        Receipt::Accepted(Delay::Queued) => TransferState::Queued,
        Receipt::Accepted(Delay::Paused) => TransferState::Paused,
        Receipt::Accepted(Delay::Waits | Delay::NoSpace) => TransferState::Waiting,
    }
}

fn dropped_reason(reason: NodeDropped) -> DroppedReason {
    match reason {
        NodeDropped::Datagram(DecodeError::Truncated) => DroppedReason::Truncated,
        NodeDropped::Datagram(DecodeError::TooLong) => DroppedReason::TooLong,
        NodeDropped::Datagram(DecodeError::Foreign) => DroppedReason::Foreign,
        NodeDropped::Datagram(DecodeError::Version) => DroppedReason::OtherVersion,
        NodeDropped::Datagram(DecodeError::OtherNetwork) => DroppedReason::OtherNetwork,
        NodeDropped::Datagram(DecodeError::Malformed) => DroppedReason::Malformed,
        NodeDropped::Datagram(DecodeError::Signature) => DroppedReason::BadSignature,
        NodeDropped::Replay => DroppedReason::Replayed,
        NodeDropped::Body => DroppedReason::BadBody,
        NodeDropped::Frame => DroppedReason::BadFrame,
        NodeDropped::Entry => DroppedReason::BadEntry,
    }
}

/// Enough of a room's id to tell it from others.
fn short_id(room: RoomId) -> String {
    room.to_string().chars().take(8).collect()
}

/// Finished transfers that are listed.
pub const FINISHED_TRANSFERS: u32 = 200;
/// Names of those who have not answered.
const MAX_AWAITED: usize = 32;

/// Own messages per room whose delivery is watched.
pub const SENT_WATCHED: usize = 32;
