//! The engine's API: everything that crosses to a user interface, and the only JSON types.
//!
//! A [`Command`] is answered by a [`Reply`] or an [`ApiError`]; an [`Event`] says that something happened. A reader that
//! falls behind gets [`Event::Lagged`] and asks for a [`Snapshot`]. The TypeScript types in
//! `ui/src/ipc/generated.ts` are made from these by the test `typescript_types_are_fresh`.

#[cfg(test)]
mod typescript;

use serde::{Deserialize, Serialize};

/// What a user interface can ask for. On the control socket this is a JSON-RPC 2.0 request (method and params).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(
    tag = "method",
    content = "params",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Command {
    /// All that a window needs to draw itself; answered by [`Reply::Snapshot`].
    Snapshot {},
    /// Answered by [`Reply::Peers`].
    Peers {},
    /// Answered by [`Reply::Rooms`].
    Rooms {},
    /// Take part in the open room of this name; answered by [`Reply::Room`].
    JoinRoom { name: String },
    /// Leave a room that is not the lobby; answered by [`Reply::Done`].
    LeaveRoom { room: String },
    /// Find the room that `to` means, opening a direct conversation where none was; answered by [`Reply::Room`].
    ///
    /// `to` is here and below `#name` of a room, `@name` or `@id-prefix` of a person, or a whole room id.
    Open { to: String },
    /// Answered by [`Reply::Message`] once the message is on disk.
    Say { to: String, text: String },
    /// A page of history, newest first unless read backwards by the caller; answered by [`Reply::Page`].
    Log {
        to: String,
        /// Only what comes before this [`Message::cursor`]; the newest if absent.
        #[cfg_attr(test, ts(optional))]
        before: Option<String>,
        /// At most this many, 500 at the most.
        limit: u32,
    },
    /// Everything up to this [`Message::cursor`] was seen; answered by [`Reply::Done`].
    MarkRead { room: String, cursor: String },
    /// Turn paths into handles. Only for callers on this machine outside the webview; answered by [`Reply::Handles`].
    Admit { paths: Vec<String> },
    /// Offer files and folders; answered by [`Reply::Transfer`] once the offer is on disk.
    Offer { to: String, handles: Vec<String> },
    /// Answered by [`Reply::Transfers`]: open ones and the latest 200 finished ones.
    Transfers {},
    /// Fetch an offer into the folder behind a handle, or into the download folder; answered by [`Reply::Transfer`].
    ///
    /// `transfer` is here and below an id or an unambiguous prefix of one.
    Accept {
        transfer: String,
        #[cfg_attr(test, ts(optional))]
        into: Option<String>,
    },
    /// Answered by [`Reply::Transfer`].
    Decline { transfer: String },
    /// Stop an incoming transfer or withdraw an outgoing one; answered by [`Reply::Transfer`].
    Cancel { transfer: String },
    /// Change settings; what is absent stays. Answered by [`Reply::Me`].
    Configure {
        #[cfg_attr(test, ts(optional))]
        name: Option<String>,
        /// A handle of a folder.
        #[cfg_attr(test, ts(optional))]
        downloads: Option<String>,
    },
    /// Look for a peer at `host`, `host:port`, `ip` or `ip:port`; answered by [`Reply::Done`].
    AddPeer { address: String },
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "reply", content = "value", rename_all = "kebab-case")]
pub enum Reply {
    Done,
    Snapshot(Box<Snapshot>),
    Me(Me),
    Peers(Vec<Peer>),
    Room(Room),
    Rooms(Vec<Room>),
    Message(Message),
    Page(Page),
    Handles(Vec<FileHandle>),
    Transfer(Transfer),
    Transfers(Vec<Transfer>),
}

/// Something happened. One JSON object each, told apart by `event`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// The node runs: its sockets are open and it has announced itself.
    Ready {
        me: Me,
        network: Network,
    },
    PeerOnline {
        peer: Peer,
    },
    PeerOffline {
        peer: Peer,
    },
    PeerChanged {
        peer: Peer,
    },
    /// A room is new or its counts changed.
    RoomChanged {
        room: Room,
    },
    RoomLeft {
        room: String,
    },
    Message {
        message: Message,
    },
    /// A message of ours is now held by more devices than before.
    Delivered {
        room: String,
        message: String,
        delivered: Delivery,
    },
    /// Somebody offers us files.
    Offer {
        transfer: Transfer,
    },
    /// A transfer is in another state.
    TransferChanged {
        transfer: Transfer,
    },
    /// Bytes moved, at most ten times a second for all transfers together.
    Progress {
        progress: Vec<Progress>,
    },
    /// A transfer ended, well or not.
    TransferFinished {
        transfer: Transfer,
    },
    MeChanged {
        me: Me,
    },
    NetworkChanged {
        network: Network,
    },
    /// Something that a person should read.
    Notice {
        error: ApiError,
    },
    /// Events were lost because this reader was too slow: ask for a snapshot.
    Lagged {
        missed: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub me: Me,
    pub network: Network,
    pub peers: Vec<Peer>,
    pub rooms: Vec<Room>,
    pub transfers: Vec<Transfer>,
}

/// This device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The whole device key, 52 base32 characters.
    pub id: String,
    /// Its first 8 characters, for telling people apart.
    pub short: String,
    pub name: String,
    /// The download folder, to be shown.
    pub downloads: String,
    pub version: String,
    /// Whether a person chose the name; a window asks once if not.
    pub named: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// UDP port of discovery and rooms.
    pub port: u16,
    /// TCP port of this device for sync and files.
    pub tcp_port: u16,
    pub multicast: bool,
    pub interfaces: Vec<Interface>,
    /// Datagrams that were not ours, damaged, forged or replayed, by reason, since the start.
    pub dropped: Vec<Dropped>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    pub name: String,
    pub addresses: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Dropped {
    pub reason: String,
    #[cfg_attr(test, ts(type = "number"))]
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    pub id: String,
    pub short: String,
    /// What the device calls itself; never empty, never proof of anything.
    pub name: String,
    pub online: bool,
    /// `ip:port`, best first.
    pub addresses: Vec<String>,
    pub platform: Platform,
    pub trust: Trust,
    /// Milliseconds since 1970.
    #[cfg_attr(test, ts(type = "number"))]
    pub last_seen: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    Linux,
    Macos,
    Windows,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    Unknown,
    Pinned,
    Verified,
    Blocked,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Room {
    pub id: String,
    pub kind: RoomKind,
    /// Without `#`; the other person's name in a direct conversation.
    pub name: String,
    /// The other person in a direct conversation.
    pub peer: Option<String>,
    /// Messages and offers of others that were not seen yet.
    pub unread: u32,
    /// The newest message, if there is one.
    pub last: Option<Message>,
    /// The [`Message::cursor`] up to which all was seen.
    pub read: Option<String>,
    /// Devices known to take part, this one included.
    pub members: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum RoomKind {
    /// The open room that everybody is in.
    Lobby,
    /// Anyone on this network can read it.
    Open,
    /// Two devices, sealed.
    Direct,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub id: String,
    pub room: String,
    pub author: String,
    /// The author's name as known now.
    pub name: String,
    pub mine: bool,
    /// By the author's clock, milliseconds since 1970.
    #[cfg_attr(test, ts(type = "number"))]
    pub time: u64,
    pub kind: MessageKind,
    /// What was written; of an offer, the names of what is offered.
    pub text: String,
    /// The transfer that an offer speaks of.
    pub transfer: Option<String>,
    /// Sorts messages as they are to be shown, as plain text.
    pub cursor: String,
    /// Who holds it by now; only of our own messages.
    pub delivered: Option<Delivery>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    Text,
    Offer,
    /// Written by a newer version; it is kept and passed on, but cannot be shown.
    Unknown,
}

/// Signed by others, so it never overstates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Ids of the devices that hold it.
    pub to: Vec<String>,
    /// How many other devices are known to take part.
    pub of: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// Whether there is more before the first of them.
    pub more: bool,
}

/// Files that a person picked or dropped. The path stays in the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct FileHandle {
    pub handle: String,
    pub name: String,
    pub folder: bool,
    /// Bytes of a file; 0 for a folder, which is not walked before it is offered.
    #[cfg_attr(test, ts(type = "number"))]
    pub size: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    pub id: String,
    pub room: String,
    pub direction: TransferDirection,
    /// The device that offers.
    pub from: String,
    pub from_name: String,
    pub state: TransferState,
    /// The first names of what is offered, safe to show; at most 8.
    pub names: Vec<String>,
    #[cfg_attr(test, ts(type = "number"))]
    pub files: u64,
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
    /// Bytes that are here (incoming), or that were sent to the furthest receiver (outgoing).
    #[cfg_attr(test, ts(type = "number"))]
    pub moved: u64,
    /// Milliseconds since 1970.
    #[cfg_attr(test, ts(type = "number"))]
    pub offered: u64,
    /// Where the files are or will be; incoming and accepted only.
    pub folder: Option<String>,
    /// Lower-case hexadecimal SHA-256 of the file, once it is known; only where one file is offered.
    pub sha256: Option<String>,
    /// Why it failed or waits.
    pub error: Option<ApiError>,
    /// What became of it at each receiver; outgoing only.
    pub receivers: Vec<Receiver>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum TransferDirection {
    In,
    Out,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum TransferState {
    /// Nobody has said yes yet.
    Offered,
    /// Accepted; the other side is not reachable right now. It goes on by itself.
    Waiting,
    Running,
    /// Incoming: whole, verified, under its final name. Outgoing: the one receiver has said so, signed.
    Done,
    Declined,
    Cancelled,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Receiver {
    pub peer: String,
    pub name: String,
    pub state: TransferState,
    #[cfg_attr(test, ts(type = "number"))]
    pub moved: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub transfer: String,
    /// The other device: the holder (incoming) or the receiver (outgoing).
    pub peer: String,
    #[cfg_attr(test, ts(type = "number"))]
    pub moved: u64,
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
    /// Bytes per second over the last seconds.
    #[cfg_attr(test, ts(type = "number"))]
    pub rate: u64,
}

/// Why a command was not carried out: a code to branch on, and a sentence that says what and what next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[error("{message}")]
pub struct ApiError {
    pub code: ErrorCode,
    pub message: String,
}

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ApiError {
        ApiError { code, message: message.into() }
    }
}

/// Only what a shell branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The command makes no sense as given; exit code 2.
    Invalid,
    /// No such person, room, message or transfer; exit code 3.
    NotFound,
    /// The other side, or a rule, said no; exit code 4.
    Refused,
    /// Nothing happened in time; exit code 5.
    TimedOut,
    /// The disk or the database failed; exit code 1.
    Storage,
    /// The network failed; exit code 1.
    Network,
    /// Another node runs this profile; exit code 1.
    ProfileInUse,
    /// A bug of ours; exit code 1.
    Internal,
}
