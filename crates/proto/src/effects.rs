//! The contract between the protocol and the world: what may be told to it, and what it wants done.
//!
//! The protocol has no socket, clock, disk, task or randomness of its own. The engine calls it with an [`Input`] and
//! performs the [`Effects`] in their order.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::model::{
    CallId, ConnId, EntryId, Hlc, LogId, PeerId, Platform, RoomId, SecretKey, Seq, ShareId, Span, Token,
    TransferId, UnixMillis,
};
use crate::rooms::{Offer, RoomKind, Standing};
use crate::transfer::{PullEnd, Receipt, TransferState};
use crate::wire::avatar::Avatar;
use crate::wire::detour::Wish;
use crate::wire::entry::Entry;
use crate::wire::file::Source;
use crate::wire::mail::Receipt as Taken;
use crate::wire::probe::Reached;

/// Everything a machine wants done, in the order in which it must be done.
#[derive(Debug, Default)]
#[must_use = "the protocol acts on the world only through its effects"]
pub struct Effects {
    /// First make it durable,
    pub commit: Vec<Record>,
    /// then let the network know,
    pub send: Vec<Transmit>,
    /// then start or stop bulk work,
    pub run: Vec<Job>,
    /// and last of all tell the user.
    pub tell: Vec<Event>,
}

impl Effects {
    /// Appends what another machine wants, behind what is already wanted.
    pub fn extend(&mut self, later: Effects) {
        self.commit.extend(later.commit);
        self.send.extend(later.send);
        self.run.extend(later.run);
        self.tell.extend(later.tell);
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.commit.is_empty() && self.send.is_empty() && self.run.is_empty() && self.tell.is_empty()
    }
}

/// Something that happened to the node.
#[derive(Debug)]
pub enum Input<'a> {
    /// A UDP datagram arrived. Nothing about it is trusted yet.
    Datagram { from: SocketAddr, bytes: &'a [u8] },
    /// The deadline passed.
    Timer,
    /// The set of interfaces or addresses changed: announce there at once.
    NetworkChanged,
    /// A TLS connection for chat sync stands; `peer` is proven.
    /// `standing` connections are kept, because multicast may not reach the other side.
    /// `remote` is where the other end is, absent where that tells nothing of where to dial it: it came because it was asked
    /// to, or a third device passes on.
    /// `exporter` is keying material that only its two ends share (RFC 8446, 7.5, label [`EXPORTER_LABEL`]).
    Connected {
        conn: ConnId,
        peer: PeerId,
        remote: Option<SocketAddr>,
        direction: Direction,
        standing: bool,
        exporter: [u8; 32],
    },
    /// A dial ended without a connection.
    DialFailed { peer: PeerId },
    /// A whole frame arrived on a sync connection: type byte and CBOR body, without the length.
    Frame { conn: ConnId, bytes: &'a [u8] },
    /// Everything that [`Job::Serve`] was asked for has been written to the connection.
    Served { conn: ConnId },
    /// A sync connection is gone, whoever ended it.
    Closed { conn: ConnId },
    /// The entry that [`Job::Recall`] asked for, if it is here.
    Recalled { entry: Option<Arc<Entry>> },
    /// The store gave up what is here of a log up to a place, where this entry was.
    Pruned { room: RoomId, log: LogId, to: Seq, to_id: EntryId },
    /// What came of [`Job::Probe`].
    Probed { conn: ConnId, reached: Reached },
    /// A file transfer's bulk work ended.
    Pull { transfer: TransferId, end: PullEnd },
    /// All of an own offer was sent to somebody; `digest` as in [`PullEnd::Complete`].
    Sent { transfer: TransferId, to: PeerId, digest: [u8; 32] },
    /// What [`Job::Reread`] found: entries and when they arrived, in no order. It may come in parts.
    Reread { room: RoomId, entries: Vec<(Arc<Entry>, UnixMillis)> },
    /// What [`Job::Collect`] found: consecutive entries, the oldest first; none if there are none any more.
    Collected { conn: ConnId, stock: Stock, room: RoomId, log: LogId, entries: Vec<Arc<Entry>> },
    /// What [`Job::Retrieve`] found, as far as it is there.
    Retrieved { room: RoomId, entries: Vec<Arc<Entry>> },
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Dialled,
    Accepted,
}

/// Something that must be on disk before anybody is told of it.
#[derive(Clone, Debug)]
pub enum Record {
    /// A room that this device takes part in, new, under another name, or with another log of this device.
    Room(RoomRecord),
    /// The device left; entries of the room may be forgotten.
    RoomLeft(RoomId),
    /// A verified entry that continues its log. `own` entries must survive power loss before they are sent.
    /// `theirs` is what its author's clock said when it arrived, if that is far behind.
    Entry { room: RoomId, entry: Arc<Entry>, own: bool, arrived: UnixMillis, theirs: Option<UnixMillis> },
    /// Consecutive entries of one log, all genuine, that do not continue its head.
    Run {
        room: RoomId,
        entries: Vec<Arc<Entry>>,
        place: Place,
        arrived: UnixMillis,
        theirs: Option<UnixMillis>,
    },
    /// This device's clock was ahead and says this now: what stands behind that is told anew when it came
    /// ([`crate::rooms::Retold`]), and stands accordingly.
    ClockSetBack(UnixMillis),
    /// What a log holds up to this place is no longer wanted here.
    Forget { room: RoomId, log: LogId, to: Seq },
    /// A log gave way to others: what is here of it stays to be shown, and if the log comes back, it comes anew.
    Closed { room: RoomId, log: LogId },
    /// It is proven that a log contradicts itself.
    Forked { room: RoomId, fork: Fork },
    /// A copy of this device runs elsewhere, since this time as far as is known; or does no longer.
    Cloned(Option<UnixMillis>),
    /// What is known of another device, new or changed.
    Peer(PeerRecord),
    /// Nothing is to be known of another device any more: it gave way to one that is here.
    PeerForgotten(PeerId),
    /// `peer` has signed that it holds these places of `log`; in place of what was known before. Only told for this
    /// device's own logs.
    Covered { room: RoomId, peer: PeerId, log: LogId, held: Span },
    /// A transfer, new or in another state.
    Transfer(TransferRecord),
    /// Nothing is to be known of a transfer any more.
    TransferForgotten(TransferId),
    /// How this device stands to a private room, as far as the room's entries do not say it.
    Standing { room: RoomId, standing: Standing },
    /// An entry that says who is in a private room and came without the log that it stands in.
    Deed { room: RoomId, entry: Arc<Entry> },
    /// Of these nothing comes: they need not be kept beside their logs.
    DeedsGone { room: RoomId, entries: Vec<EntryId> },
    /// A key of a private room. Must survive power loss like the entries that are sealed with it.
    Key { room: RoomId, epoch: u32, key: SecretKey },
    /// A key that somebody sent, and that is none of the room's.
    KeyGone { room: RoomId, epoch: u32, key: SecretKey },
    /// Sealed entries that this device keeps for somebody who is away: consecutive, and right behind what is kept of their
    /// log. Must survive power loss before their author hears that they are kept: it may leave then.
    Hold { recipient: PeerId, entries: Vec<Arc<Entry>>, arrived: UnixMillis },
    /// What is kept of a log for somebody, up to this place, is kept no longer.
    Unhold { room: RoomId, log: LogId, to: Seq },
    /// Whoever a log was kept for has signed to hold it; in place of what it signed before. For the author, when it asks.
    Taken { room: RoomId, log: LogId, taken: Taken, at: UnixMillis },
    /// It was long enough here for the author to ask.
    TakenForgotten { room: RoomId, log: LogId },
    /// `holder` says that it keeps these places of this device's log for the other side of a direct conversation, in place
    /// of what it said before. Empty: nothing.
    Kept(KeptBy),
    /// Whatever stands in this batch or before must survive power loss, also what others wrote: those who kept it are told
    /// next that they need not any more.
    Outlast,
}

/// What somebody says to keep of this device's log in a direct conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptBy {
    pub room: RoomId,
    pub holder: PeerId,
    pub log: LogId,
    pub held: Span,
    /// When it last took something.
    pub at: UnixMillis,
}

/// A log of which it is proven that it contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    pub log: LogId,
    /// Whose log it is. `None` where an earlier version wrote down only the log, and nothing else of it is here.
    pub author: Option<PeerId>,
    /// From this place on others may have another entry. `None` where an earlier version did not write it down.
    pub from: Option<Seq>,
}

/// Where consecutive entries stand in their log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// They continue its head.
    Head,
    /// They begin a new interval above its head, with a hole between.
    Ahead,
    /// They end where an interval that is here begins, and belong to it.
    Below,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRecord {
    pub id: RoomId,
    pub kind: RoomKind,
    /// The room's name as typed; empty in a direct conversation.
    pub name: String,
    pub joined: UnixMillis,
    /// Names this device's log in the room: drawn when it is joined, and again where that log must not go on.
    pub nonce: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRecord {
    pub id: PeerId,
    /// The name that the device last claimed, already made safe to show.
    pub name: String,
    pub platform: Platform,
    /// How it said to be shown, if it did.
    pub avatar: Option<Avatar>,
    pub trust: Trust,
    pub first_seen: UnixMillis,
    pub last_seen: UnixMillis,
    /// The newest (boot, counter) of its datagrams: older ones are replays.
    pub boot: u64,
    pub counter: u64,
    /// Where it was reached, best first; at most [`crate::presence::MAX_ADDRESSES`].
    pub addresses: Vec<SocketAddr>,
}

/// How far this device believes that a key belongs to the person it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Only announcements were seen.
    #[default]
    Unknown,
    /// The key was proven in a TLS handshake, and is remembered.
    Pinned,
    /// People compared the keys.
    Verified,
    /// Nothing from this device is wanted.
    Blocked,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferRecord {
    pub id: TransferId,
    /// Where it was offered, and where receipts are written: of what was taken from a shared folder, the conversation of
    /// the two, begun or not.
    pub room: RoomId,
    pub origin: Origin,
    /// The device that offers.
    pub from: PeerId,
    pub offer: Offer,
    pub state: TransferState,
    /// When the offer was written, by its author's clock.
    pub offered: UnixMillis,
    /// What became of it elsewhere, by signed receipts; only for offers of this device. A receipt of the one who offers is
    /// its withdrawal, and kept for others' offers, too.
    pub receipts: Vec<(PeerId, Receipt)>,
    /// A person here paused it: an own offer is given to nobody for a while, somebody else's is not fetched.
    pub paused: bool,
    /// Incoming and accepted: those with smaller numbers start first. No two have the same.
    pub turn: u64,
    /// When it was over; absent while it is not, or where that is not known.
    pub finished: Option<UnixMillis>,
}

impl TransferRecord {
    /// Whether whoever offered it has taken it back.
    pub fn is_withdrawn(&self) -> bool {
        self.receipts.iter().any(|(peer, receipt)| *peer == self.from && *receipt == Receipt::Cancelled)
    }
}

/// What made an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An entry of a log.
    Entry(EntryId),
    /// `to` asked for something of a folder that is shared with it. Nobody else may fetch it, and no room speaks of it.
    Share { share: ShareId, to: PeerId },
}

/// Bytes for the network.
#[derive(Clone, Debug)]
pub enum Transmit {
    /// One signed datagram to everybody, on every interface.
    Multicast { reach: Reach, bytes: Vec<u8> },
    /// One frame on a sync connection: type byte and body; the engine writes the length before it.
    Frame { conn: ConnId, bytes: Vec<u8> },
}

/// How a datagram is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The control groups, IPv4 and IPv6.
    Group,
    /// The groups, and the broadcast address of each IPv4 subnet, for networks that eat multicast.
    GroupAndBroadcast,
    /// The broadcast addresses alone, to find out what they bring.
    Broadcast,
}

/// Work that takes long or moves many bytes.
#[derive(Clone, Debug)]
pub enum Job {
    /// Connect to a peer for chat sync, trying the addresses in turn. Ends in `Connected` or `DialFailed`.
    Dial { peer: PeerId, addresses: Vec<SocketAddr>, detour: Detour },
    /// Dial these addresses, say nothing, and hang up: the other end of a connection wants to know whether it can be dialled. Ends
    /// in `Probed`.
    Probe { conn: ConnId, addresses: Vec<SocketAddr> },
    /// Close a sync connection after what was sent on it.
    HangUp { conn: ConnId },
    /// Read these entries from the store and write them to the connection: deeds first, in their order, as DEEDS frames;
    /// then the others as ENTRIES frames: each range from its end to its beginning, a frame at a time, the entries of a
    /// frame in the order of their log. Ends in `Served`.
    Serve { conn: ConnId, room: RoomId, wanted: Vec<(LogId, RangeInclusive<u64>)>, deeds: Vec<EntryId> },
    /// Read an entry from the store. Ends in `Recalled`.
    Recall { room: RoomId, log: LogId, seq: Seq },
    /// Fetch the files of an offer of `author` from any of these devices, one at least. Ends in `Pull`.
    Pull { transfer: TransferId, author: PeerId, sources: Vec<Source> },
    /// Stop fetching. What was staged is thrown away if the transfer is over, kept if it only waits.
    StopPull { transfer: TransferId, staged: Staged },
    /// Let these devices fetch what was offered, from now on.
    Shelve { transfer: TransferId, audience: Audience },
    /// Serve it no longer, and cut whoever is fetching.
    Unshelve { transfer: TransferId },
    /// It is paused: cut whoever is fetching it here.
    Cut { transfer: TransferId },
    /// Who is in a private room changed: cut whoever fetches what was offered there and may not any more, as
    /// [`crate::node::Node::may_fetch`] says.
    Recheck { room: RoomId },
    /// Read the entries of these epochs from the store: their keys came. Ends in `Reread`.
    Reread { room: RoomId, epochs: Vec<u32> },
    /// Read these entries from the store, the oldest first, as many as a frame holds but one at least. Ends in
    /// `Collected`.
    Collect { conn: ConnId, stock: Stock, room: RoomId, log: LogId, span: Span },
    /// A device that cannot dial this one wants something: dial it at these addresses, or `via`, where it waits; say the
    /// token first, and serve it as if it had dialled.
    Come { peer: PeerId, via: Option<PeerId>, token: Token, wish: Wish, addresses: Vec<SocketAddr> },
    /// Read these entries from the store: others lack them, and they are not at hand. Ends in `Retrieved`.
    Retrieve { room: RoomId, ranges: Vec<(LogId, Span)> },
}

/// Whether a device that cannot be dialled is asked to dial, and looked for through a third one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detour {
    #[default]
    Never,
    Allowed,
}

/// Where entries lie in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stock {
    /// In a room of this device.
    Room,
    /// Among what it keeps for others.
    Mailbox,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staged {
    Keep,
    Discard,
}

/// Who may fetch an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The other side of a direct conversation.
    Peer(PeerId),
    /// The members of a private room, whoever they are when they ask.
    Members(RoomId),
    /// Anybody on this network: the room is open.
    Anyone,
}

/// A fact for the user interface. Never more than facts: what to do with them is the shells' affair.
#[derive(Clone, Debug)]
pub enum Event {
    PeerOnline(PeerId),
    PeerOffline(PeerId),
    /// Name, trust or addresses changed.
    PeerChanged(PeerId),
    RoomJoined(RoomId),
    RoomLeft(RoomId),
    /// An entry that belongs on the screen, durable by now.
    Entry {
        room: RoomId,
        entry: Arc<Entry>,
        arrived: UnixMillis,
    },
    /// Older entries came; not told of each, and a few times a second at the most.
    History(RoomId),
    /// Others hold more of this device's entries in the room than before, or less is certain.
    Covered {
        room: RoomId,
    },
    /// Others keep more or less of what this device wrote in a direct conversation than before. That is not to say that
    /// the other side has it.
    Kept(RoomId),
    /// What this device keeps for others is more or less than before.
    Holding,
    /// A transfer is new or in another state.
    Transfer(TransferId),
    /// A transfer is known no longer.
    TransferForgotten(TransferId),
    /// It is proven that a log contradicts itself: nothing more is taken of it.
    Forked {
        room: RoomId,
        fork: Fork,
    },
    /// The open rooms of [`crate::node::Node::directory`] are others than before.
    DirectoryChanged,
    /// Another device speaks with this one's key: a copy of this profile runs elsewhere. Or that was settled.
    Cloned,
    /// [`crate::node::Node::clock_off`] says something else than before.
    ClockOff,
    /// What was said and came while this device's clock was ahead stands elsewhere now, in any room.
    Rearranged,
    /// Somebody is writing in a room.
    Typing {
        room: RoomId,
        peer: PeerId,
    },
    /// A call began in a room, or who is in it, or how, changed.
    Call(RoomId),
    /// A call is on no longer.
    CallEnded {
        room: RoomId,
        call: CallId,
        end: CallEnd,
    },
    /// Who is in a private room, in which role, or how this device stands to it, changed.
    Members(RoomId),
    /// An entry that was here sealed can be read now.
    Unsealed {
        room: RoomId,
        entry: Arc<Entry>,
        arrived: UnixMillis,
    },
}

/// Why a call is on no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// Nobody is in it any more.
    Over,
    Declined,
    Unanswered,
    /// It goes on as another one, which began at the same time.
    Merged,
    /// This device cannot speak in the room any more.
    Gone,
}

/// What the store knew when the node started.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// This run's number: larger than that of every run before, durable already.
    pub boot: u64,
    /// The newest reading that this device ever wrote.
    pub clock: Hlc,
    /// The latest time at which anything stands in a room: later than it is only if the clock was ahead.
    pub latest: UnixMillis,
    /// The latest time that certainly was (PROTOCOL.md, "Clocks"), where that was ever written down.
    pub certain: Option<UnixMillis>,
    /// Since when a copy of this device is known of.
    pub cloned: Option<UnixMillis>,
    pub rooms: Vec<LoadedRoom>,
    pub peers: Vec<PeerRecord>,
    /// Those that are not over, the newest of this device's own offers that were not withdrawn, the newest that were
    /// declined, cancelled or failed: they can still be accepted; and the newest that others offered and this device has:
    /// it goes on giving them.
    pub transfers: Vec<TransferRecord>,
    pub mail: LoadedMail,
}

/// What is kept for others, and by others.
#[derive(Clone, Debug, Default)]
pub struct LoadedMail {
    pub held: Vec<LoadedBundle>,
    pub taken: Vec<(RoomId, LogId, Taken, UnixMillis)>,
    pub kept: Vec<KeptBy>,
}

/// What this device keeps of one log for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedBundle {
    pub room: RoomId,
    pub log: LogId,
    pub author: PeerId,
    pub recipient: PeerId,
    /// The id of the last entry.
    pub head_id: EntryId,
    /// Each entry, in their order.
    pub entries: Vec<HeldEntry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldEntry {
    pub seq: Seq,
    pub bytes: u64,
    pub arrived: UnixMillis,
}

#[derive(Clone, Debug)]
pub struct LoadedRoom {
    pub record: RoomRecord,
    pub logs: Vec<LoadedLog>,
    pub forked: Vec<Fork>,
    /// What others have signed to hold of this device's logs, of each apart.
    pub covered: Vec<(PeerId, LogId, Span)>,
    /// The newest entries, at most [`RECENT_ENTRIES`], kept at hand for repairs.
    pub recent: Vec<Arc<Entry>>,
    /// In private rooms only.
    pub private: Option<LoadedPrivate>,
}

/// What a private room has besides.
#[derive(Clone, Debug)]
pub struct LoadedPrivate {
    pub standing: Standing,
    pub keys: Vec<(u32, SecretKey)>,
    /// Every entry of a kind for which [`crate::rooms::is_deed`] holds, also where the log that it stood in was given up.
    pub deeds: Vec<Arc<Entry>>,
}

/// One log, as far as it is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedLog {
    pub author: PeerId,
    pub nonce: u64,
    /// From the oldest to the newest; at least one.
    pub intervals: Vec<Interval>,
    /// Nothing up to this place is wanted here any more.
    pub floor: Seq,
    /// The clock of the oldest entry of the newest interval; zero if it has none.
    pub oldest: Hlc,
    /// The clock of the newest entry that ever was here.
    pub newest: Hlc,
}

impl LoadedLog {
    /// The newest interval.
    pub fn top(&self) -> Option<&Interval> {
        self.intervals.last()
    }
}

/// Consecutive entries of a log, chained by hash: those behind `base`, up to `head`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    pub base: Seq,
    /// What the first of them names as the one before; zeros before the log's first.
    pub base_id: EntryId,
    pub head: Seq,
    pub head_id: EntryId,
}

/// What keying material of a connection is exported for.
pub const EXPORTER_LABEL: &[u8] = b"lanyard join v1";

/// Entries of a room that are loaded at the start.
pub const RECENT_ENTRIES: usize = 64;
