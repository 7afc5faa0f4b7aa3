//! The engine's API: everything that crosses to a user interface, and the only JSON types.
//!
//! A [`Command`] is answered by a [`Reply`] or an [`ApiError`]; an [`Event`] says that something happened. A reader that
//! falls behind gets [`Event::Lagged`] and asks for a [`Snapshot`]. The TypeScript types in
//! `ui/src/ipc/generated.ts` are made from these by the test `typescript_types_are_fresh`.

mod avatar;
mod calls;
mod diagnosis;
mod error;
mod files;
mod locked;
mod mailbox;
mod me;
mod network;
mod notifications;
mod rooms;
mod shares;
mod storage;
mod trust;
#[cfg(test)]
mod typescript;

use serde::{Deserialize, Serialize};

pub use crate::saying::{Filling, Saying};
pub use avatar::Avatar;
pub use calls::{Call, CallAudio, CallDevice, CallDevices, CallEnd, CallMember, CallRecording, CallWay};
pub use diagnosis::{
    Cause, CheckedInterface, CheckedPeer, Diagnosis, Direction, FoundBy, InterfaceKind, Reached, Sentence,
    Severity, Verdict, Ways,
};
pub use error::{ApiError, ErrorCode};
pub use files::{
    FileHandle, Files, Progress, Receiver, RoomOffer, Transfer, TransferDirection, TransferFile,
    TransferFileState, TransferFiles, TransferState,
};
pub use locked::Locked;
pub use mailbox::Mailbox;
pub use me::{Me, Snapshot};
pub use network::{
    Dropped, DroppedReason, Interface, InterfaceChoice, InterfaceState, ListedInterface, Network, Relaying,
};
pub use notifications::{Notifications, NotifyLevel};
pub use rooms::{
    Arrived, Delivery, Export, ExportFormat, Found, Invite, Left, ListedRoom, Member, Membership, Message,
    MessageKind, Note, NoteKind, Page, Quote, Reaction, Role, Room, RoomKind,
};
pub use shares::{Listing, ListingEntry, PeerShare, Share, ShareAudience};
pub use storage::{RoomStorage, Storage};
pub use trust::{ComparedEmoji, Comparison, ComparisonState, Keys, Trust, TrustAct};

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
    /// Take part in the open room of this name, or ask to be let into a private room by an invite (`lanyard:v1:inv:…`).
    /// Answered by [`Reply::Room`] at once; of a private room [`Room::membership`] says when somebody has let us in.
    JoinRoom { name: String },
    /// Begin a private room; answered by [`Reply::Room`].
    CreateRoom { name: String },
    /// Leave a room that is not the lobby; answered by [`Reply::Left`].
    LeaveRoom { room: String },
    /// Find the room that `to` means, opening a direct conversation where none was; answered by [`Reply::Room`].
    ///
    /// `to` is here and below `#name` of a room, `@name` or `@id-prefix` of a person, or a room's id or the first eight or
    /// more characters of one. Where several rooms are meant, none is: [`ErrorCode::Invalid`] names them.
    Open { to: String },
    /// The same to look at it: a conversation in which nothing was said yet is shown, and not begun. Answered by [`Reply::Room`].
    Find { to: String },
    /// Answered by [`Reply::Message`] once the message is on disk. `@Name` in the text mentions people of the room.
    Say {
        to: String,
        text: String,
        /// The message that this one answers.
        ///
        /// A message is here and below its whole id, or the beginning of one that is not ambiguous in its room.
        #[cfg_attr(test, ts(optional))]
        reply: Option<String>,
    },
    /// Change what an own message says; answered by [`Reply::Message`]. `to` is the room that the message is in, here and
    /// below: nothing is done with one of another room, in which others would read what is meant for this one.
    Edit { to: String, message: String, text: String },
    /// Take a message back, where it is ours or we are an admin of its private room; answered by [`Reply::Message`].
    Delete { to: String, message: String },
    /// Put an emoji on a message, or take it off; answered by [`Reply::Message`].
    React { to: String, message: String, emoji: String, on: bool },
    /// Pin a message in its room, or unpin it; answered by [`Reply::Message`].
    Pin { to: String, message: String, on: bool },
    /// The pinned messages of a room, newest first; answered by [`Reply::Page`].
    Pins { room: String },
    /// Say what a room is about; answered by [`Reply::Room`].
    SetTopic { room: String, topic: String },
    /// Somebody is writing here. Sent on at most every three seconds; answered by [`Reply::Done`].
    Typing { room: String },
    /// Keep what was begun and not sent; empty forgets it. Answered by [`Reply::Done`].
    SetDraft { room: String, text: String },
    /// A page of history, oldest first; answered by [`Reply::Page`]. Of `before`, `after`, `at` and `around` at most one.
    Log {
        to: String,
        /// Only what comes before this [`Message::cursor`]; the newest if all four are absent.
        #[cfg_attr(test, ts(optional))]
        before: Option<String>,
        /// Only what comes after this [`Message::cursor`].
        #[cfg_attr(test, ts(optional))]
        after: Option<String>,
        /// What comes from this time on, in milliseconds since 1970.
        #[cfg_attr(test, ts(optional, type = "number"))]
        at: Option<u64>,
        /// The message of this id in the middle.
        #[cfg_attr(test, ts(optional))]
        around: Option<String>,
        /// Only what had arrived by this [`Arrived::next`].
        #[cfg_attr(test, ts(optional))]
        until: Option<String>,
        /// At most this many, 500 at the most.
        limit: u32,
    },
    /// What arrived on this device, in the order in which it did: older messages that come later are among it. Whoever asks
    /// on from each [`Arrived::next`], after every event that says of messages or of [`Event::Lagged`], gets every message
    /// once. Answered by [`Reply::Arrived`].
    Arrived {
        /// Only in this room.
        #[cfg_attr(test, ts(optional))]
        to: Option<String>,
        /// Only behind this [`Arrived::next`]; all since the node started if it is absent.
        #[cfg_attr(test, ts(optional))]
        since: Option<String>,
        /// At most this many, 500 at the most.
        limit: u32,
    },
    /// Messages that contain all of these words, or parts of words from two characters on, newest first; answered by
    /// [`Reply::Found`].
    Search {
        text: String,
        /// Only in this room.
        #[cfg_attr(test, ts(optional))]
        to: Option<String>,
        /// Only by this person, `@name` or `@id-prefix`.
        #[cfg_attr(test, ts(optional))]
        from: Option<String>,
        /// Only what comes before this [`Message::cursor`]: for the next page.
        #[cfg_attr(test, ts(optional))]
        before: Option<String>,
        /// At most this many, 200 at the most.
        limit: u32,
    },
    /// Write a room's whole history into a new file in the folder behind a handle; answered by [`Reply::Exported`].
    Export { to: String, format: ExportFormat, into: String },
    /// Who takes part in a room; answered by [`Reply::Members`].
    Members { room: String },
    /// Let a person into a private room; answered by [`Reply::Done`]. `peer` is here and below `@name` or an id.
    AddMember { room: String, peer: String },
    /// Put somebody out of a private room, and change its keys; answered by [`Reply::Done`].
    RemoveMember { room: String, peer: String },
    /// Make a member an admin, or an admin a member; answered by [`Reply::Done`].
    SetRole { room: String, peer: String, role: Role },
    /// Change a private room's keys; answered by [`Reply::Room`].
    RenewKeys { room: String },
    /// Make an invite to a private room, by default for seven days; answered by [`Reply::Invite`].
    Invite {
        room: String,
        #[cfg_attr(test, ts(optional))]
        hours: Option<u32>,
    },
    /// The invites to a room that still hold; answered by [`Reply::Invites`].
    Invites { room: String },
    /// Let an invite hold no longer; answered by [`Reply::Done`].
    RevokeInvite { room: String, invite: String },
    /// The open rooms that others on this network speak of; answered by [`Reply::Directory`].
    Directory {},
    /// Keep a room's history for so many days; absent means as the settings say. Answered by [`Reply::Room`].
    KeepRoom {
        room: String,
        #[cfg_attr(test, ts(optional))]
        days: Option<u32>,
    },
    /// Everything up to this [`Message::cursor`] was seen; answered by [`Reply::Done`].
    MarkRead { room: String, cursor: String },
    /// Everything in the room that is here by now was seen; answered by [`Reply::Read`].
    ReadAll { room: String },
    /// Turn paths into handles. Only for callers on this machine outside the webview; answered by [`Reply::Handles`].
    Admit { paths: Vec<String> },
    /// Offer files and folders; answered by [`Reply::Transfer`] once the offer is on disk.
    Offer { to: String, handles: Vec<String> },
    /// What was offered in a room, newest first; answered by [`Reply::Files`].
    Files {
        room: String,
        /// [`Files::next`] of the page before.
        #[cfg_attr(test, ts(optional))]
        before: Option<String>,
        /// At most this many, 100 at the most.
        limit: u32,
    },
    /// Answered by [`Reply::Transfers`]: open ones and the latest 200 finished ones.
    Transfers {},
    /// Fetch an offer into the folder behind a handle, or into the download folder; answered by [`Reply::Transfer`].
    ///
    /// `transfer` is here and below an id, or an unambiguous beginning of one or of its second half: the first is the same
    /// for all that one device offers.
    Accept {
        transfer: String,
        #[cfg_attr(test, ts(optional))]
        into: Option<String>,
        /// Only these, each a [`TransferFile::path`] of a file, or of a folder with all that is in it. Of an offer of which a
        /// part is here already: these, too. Absent: everything, or what is missing of what was chosen.
        #[cfg_attr(test, ts(optional))]
        only: Option<Vec<String>>,
    },
    /// What is in an offer and where each of it stands, also before a yes: then the list is read from whoever offers it,
    /// and nothing touches the disk. Answered by [`Reply::TransferFiles`].
    TransferFiles {
        transfer: String,
        /// [`TransferFiles::next`] of the page before.
        #[cfg_attr(test, ts(optional))]
        after: Option<String>,
        /// At most this many, 1000 at the most.
        limit: u32,
    },
    /// Answered by [`Reply::Transfer`].
    Decline { transfer: String },
    /// Stop an incoming transfer or withdraw an outgoing one; answered by [`Reply::Transfer`].
    Cancel { transfer: String },
    /// Let others look into a folder and fetch from it; one that is shared already is called and shared otherwise from
    /// now on. Answered by [`Reply::Share`].
    Share {
        /// Of a folder.
        handle: String,
        /// What others see it as; the folder's own name if it is absent.
        #[cfg_attr(test, ts(optional))]
        name: Option<String>,
        who: ShareAudience,
    },
    /// Share a folder no longer, and cut whoever fetches from it; answered by [`Reply::Done`]. `share` is here and below an
    /// id, an unambiguous prefix of one, or a name.
    Unshare { share: String },
    /// The folders that this device shares; answered by [`Reply::Shares`].
    Shares {},
    /// Call a shared folder otherwise, or share it with others; what is absent stays. Answered by [`Reply::Share`].
    SetShare {
        share: String,
        #[cfg_attr(test, ts(optional))]
        name: Option<String>,
        #[cfg_attr(test, ts(optional))]
        who: Option<ShareAudience>,
    },
    /// What somebody shares with this device; answered by [`Reply::PeerShares`].
    PeerShares { peer: String },
    /// What is in a folder that somebody shares; answered by [`Reply::Listing`].
    Browse {
        peer: String,
        share: String,
        /// From the shared folder down, `/` between names; empty for the shared folder itself.
        folder: String,
        /// [`Listing::next`] of the page before.
        #[cfg_attr(test, ts(optional))]
        after: Option<String>,
        /// At most this many, 1000 at the most.
        limit: u32,
    },
    /// Fetch files and folders that somebody shares into the folder behind a handle, or into the download folder; answered
    /// by [`Reply::Transfer`], an incoming transfer like any other.
    Get {
        peer: String,
        share: String,
        /// As [`Command::Browse`] has them; none, or an empty one, means all of it.
        paths: Vec<String>,
        #[cfg_attr(test, ts(optional))]
        into: Option<String>,
    },
    /// Neither fetch an accepted transfer nor give an offer, until it is resumed; answered by [`Reply::Transfer`].
    Pause { transfer: String },
    /// Go on with a paused transfer, or fetch what is missing of one that failed or was cancelled; answered by
    /// [`Reply::Transfer`]. What was got of a shared folder, and then cancelled or refused, is got anew: that is another transfer,
    /// in place of this one.
    Resume { transfer: String },
    /// Let an accepted transfer have its turn right before another one, or last; answered by [`Reply::Transfers`].
    Reorder {
        transfer: String,
        #[cfg_attr(test, ts(optional))]
        before: Option<String>,
    },
    /// Take a transfer that is over out of the history; answered by [`Reply::Done`].
    ForgetTransfer { transfer: String },
    /// Take all that are over out of the history; answered by [`Reply::Done`].
    ForgetTransfers {},
    /// Change settings; what is absent stays. Answered by [`Reply::Me`].
    Configure {
        #[cfg_attr(test, ts(optional))]
        name: Option<String>,
        #[cfg_attr(test, ts(optional))]
        avatar: Option<Avatar>,
        /// A handle of a folder.
        #[cfg_attr(test, ts(optional))]
        downloads: Option<String>,
        /// For how many days history is kept; 0 means for ever.
        #[cfg_attr(test, ts(optional))]
        history_days: Option<u32>,
        /// How many bytes of history are kept in all.
        #[cfg_attr(test, ts(optional, type = "number"))]
        history_bytes: Option<u64>,
        /// Keep sealed messages for others who are away. Off, those that are here are given up.
        #[cfg_attr(test, ts(optional))]
        hold_for_others: Option<bool>,
        /// How many bytes of them at the most.
        #[cfg_attr(test, ts(optional, type = "number"))]
        hold_bytes: Option<u64>,
        /// Bytes per second with which files are given; 0 means no limit.
        #[cfg_attr(test, ts(optional, type = "number"))]
        upload_limit: Option<u64>,
        /// Bytes per second with which files are fetched; 0 means no limit.
        #[cfg_attr(test, ts(optional, type = "number"))]
        download_limit: Option<u64>,
        /// How many transfers are fetched at a time onto one disk, 1 to 16.
        #[cfg_attr(test, ts(optional))]
        transfers_at_once: Option<u32>,
        /// Pass on sealed bytes between devices that cannot dial each other. Off, what is passed on now ends, too.
        #[cfg_attr(test, ts(optional))]
        relay: Option<bool>,
    },
    /// Choose what is told of while one looks elsewhere; what is absent stays. Answered by [`Reply::Me`].
    SetNotifications {
        #[cfg_attr(test, ts(optional))]
        do_not_disturb: Option<bool>,
        #[cfg_attr(test, ts(optional))]
        previews: Option<bool>,
        #[cfg_attr(test, ts(optional))]
        rooms: Option<NotifyLevel>,
    },
    /// Choose what is told of one conversation; absent means as of all. Answered by [`Reply::Room`].
    NotifyRoom {
        room: String,
        #[cfg_attr(test, ts(optional))]
        level: Option<NotifyLevel>,
    },
    /// No copy of this profile runs any more, see [`Me::cloned`]; answered by [`Reply::Me`].
    SettleClone {},
    /// What this device keeps for others who are away; answered by [`Reply::Mailbox`].
    Mailbox {},
    /// What this device's own data take of the disk; answered by [`Reply::Storage`].
    Storage {},
    /// Whether everybody who is here has said what there is, and all of it has come; answered by [`Reply::CaughtUp`].
    CaughtUp {},
    /// Compare keys with a person, believe it, or block it; answered as [`TrustAct`] says.
    Trust { peer: String, act: TrustAct },
    /// Look for a peer at `host`, `host:port`, `ip` or `ip:port`; answered by [`Reply::Done`].
    AddPeer { address: String },
    /// Choose whether an interface is used, from now on and in later runs; answered by [`Reply::Network`].
    UseInterface { name: String, choice: InterfaceChoice },
    /// Find out what the network lets through and what is in the way, by asking those who can be reached; answered by
    /// [`Reply::Diagnosis`] within 13 s.
    Diagnose {},
    /// Start a call, or join the one that is on; answered by [`Reply::Call`]. A call elsewhere is left. `room` is what `to` is
    /// above.
    Call {
        room: String,
        /// Instead of the microphone.
        #[cfg_attr(test, ts(optional))]
        audio: Option<CallAudio>,
        /// Instead of the speaker.
        #[cfg_attr(test, ts(optional))]
        record: Option<CallRecording>,
    },
    /// Leave the call that this device is in, if it is in one; answered by [`Reply::Done`].
    LeaveCall {},
    /// Let a call ring no longer, and tell whoever calls; answered by [`Reply::Done`].
    DeclineCall { room: String },
    /// Send nothing that is said here, or send it again; answered by [`Reply::Call`].
    Mute { muted: bool },
    /// Say this into the call that was joined with [`CallAudio::Fed`]: at most a second of 48 kHz, mono, signed 16 bit, little
    /// endian, in base64. Answered by [`Reply::Done`] when more is wanted.
    FeedCall { samples: String },
    /// The calls that are on in rooms of this device; answered by [`Reply::Calls`].
    Calls {},
    /// What can be spoken into and heard from; answered by [`Reply::CallDevices`].
    CallDevices {},
    /// Choose them by their ids, from now on; absent means the system's. Answered by [`Reply::CallDevices`].
    ChooseCallDevices {
        #[cfg_attr(test, ts(optional))]
        microphone: Option<String>,
        #[cfg_attr(test, ts(optional))]
        speaker: Option<String>,
    },
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
    Arrived(Arrived),
    Found(Found),
    Exported(Export),
    Members(Vec<Member>),
    Invite(Invite),
    Invites(Vec<Invite>),
    Directory(Vec<ListedRoom>),
    /// So many messages were unread before.
    Read(u32),
    /// False also while nobody is here.
    CaughtUp(bool),
    Handles(Vec<FileHandle>),
    Transfer(Transfer),
    Transfers(Vec<Transfer>),
    TransferFiles(TransferFiles),
    Files(Files),
    Share(Share),
    Shares(Vec<Share>),
    PeerShares(Vec<PeerShare>),
    Left(Left),
    Listing(Listing),
    Mailbox(Mailbox),
    Storage(Storage),
    Peer(Peer),
    Keys(Keys),
    Comparison(Comparison),
    Diagnosis(Box<Diagnosis>),
    Network(Box<Network>),
    Call(Call),
    Calls(Vec<Call>),
    CallDevices(CallDevices),
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
    /// A message reads otherwise than before: it was edited, taken back, pinned, or somebody reacted.
    MessageChanged {
        message: Message,
    },
    /// Older messages of a room arrived, or history was given up: pages may read otherwise now. They are not told one by
    /// one: ask what [`Command::Arrived`].
    History {
        room: String,
    },
    /// Somebody is writing. It holds for six seconds, or until a message of theirs.
    Typing {
        room: String,
        peer: String,
    },
    /// Who takes part in a room, or in which role, changed.
    MembersChanged {
        room: String,
    },
    /// The network's open rooms are others than before.
    DirectoryChanged {},
    /// A message of ours is now held by more devices than before.
    Delivered {
        room: String,
        message: String,
        delivered: Delivery,
    },
    /// A message of ours is kept by others than before, for somebody who is away. It is not delivered by that.
    Kept {
        room: String,
        message: String,
        delivered: Delivery,
    },
    /// What this device keeps for others is more or less than before.
    MailboxChanged {
        mailbox: Mailbox,
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
    /// The folders that this device shares, or with whom, are others than before.
    SharesChanged {},
    /// A transfer was taken out of the history.
    TransferForgotten {
        transfer: String,
    },
    /// A comparison of emoji with somebody began, came further, or ended.
    Comparison {
        comparison: Comparison,
    },
    /// A call began, or anything of it changed; who speaks and how loud at most five times a second, and only while we are in.
    Call {
        call: Call,
    },
    CallEnded {
        room: String,
        id: String,
        why: CallEnd,
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
pub struct Peer {
    pub id: String,
    pub short: String,
    /// What the device calls itself; never empty, never proof of anything.
    pub name: String,
    pub avatar: Avatar,
    pub online: bool,
    /// `ip:port`, best first.
    pub addresses: Vec<String>,
    pub platform: Platform,
    pub trust: Trust,
    /// Others, and perhaps this device, whose names look like this one: only ids tell them apart.
    pub alike: Vec<String>,
    /// Its offers of up to so many bytes are fetched without asking.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub accept_bytes: Option<u64>,
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
