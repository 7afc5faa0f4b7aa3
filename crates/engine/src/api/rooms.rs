//! Rooms, who is in them, and what is said there.

use serde::{Deserialize, Serialize};

use super::NotifyLevel;

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
    /// Whether somebody else has a name that looks the same as that person's.
    #[serde(default)]
    pub alike: bool,
    /// Messages and offers of others that were not seen yet.
    pub unread: u32,
    /// How many of them mention us or answer us.
    pub mentions: u32,
    /// What the room is about; may be empty.
    pub topic: String,
    /// What was begun here and not sent; may be empty.
    pub draft: String,
    pub membership: Membership,
    /// Our role in a private room.
    pub role: Option<Role>,
    /// For how many days this room's history is kept, where it differs from the settings.
    pub keep_days: Option<u32>,
    /// What is told of it, where that differs from the settings.
    pub notify: Option<NotifyLevel>,
    /// The newest message, if there is one.
    pub last: Option<Message>,
    /// The [`Message::cursor`] up to which all was seen.
    pub read: Option<String>,
    /// Devices known to take part, this one included.
    pub members: u32,
    /// Ids of the devices of which it is proven that they wrote two versions of what they said here.
    pub forked: Vec<String>,
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
    /// Its members only, sealed.
    Private,
}

/// Whether this device is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Membership {
    /// It reads and writes.
    Member,
    /// It has an invite, and waits for somebody who is in to let it in.
    Joining,
    /// The invite was refused: it ended, or was revoked.
    Refused,
    /// It was put out. What came before can still be read.
    Removed,
}

/// What a member of a private room may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Began the room; may do everything.
    Creator,
    /// May invite, add and put out members, and take back what others wrote.
    Admin,
    Member,
}

/// Somebody who takes part in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub peer: String,
    pub short: String,
    pub name: String,
    pub me: bool,
    pub online: bool,
    /// In private rooms; everybody is a member elsewhere.
    pub role: Role,
    /// It is proven that there are two versions of what this device wrote here: a copied profile, or fraud.
    pub forked: bool,
}

/// Lets whoever has the link into a private room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Invite {
    pub id: String,
    pub room: String,
    /// `lanyard:v1:inv:…`, to be sent, or shown as a QR code. Only at the device that made the invite; elsewhere empty.
    pub link: String,
    /// Milliseconds since 1970.
    #[cfg_attr(test, ts(type = "number"))]
    pub expires: u64,
    /// Who made it.
    pub by: String,
}

/// An open room that somebody on this network speaks of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ListedRoom {
    pub name: String,
    /// Devices that were seen in it, about.
    pub members: u32,
    pub joined: bool,
    /// When somebody last wrote there, in milliseconds since 1970; 0 if that is not known.
    #[cfg_attr(test, ts(type = "number"))]
    pub active: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub id: String,
    pub room: String,
    pub author: String,
    /// The author's name as known now, with the short id behind it where somebody else is called alike.
    pub name: String,
    pub mine: bool,
    /// By the author's clock, milliseconds since 1970.
    #[cfg_attr(test, ts(type = "number"))]
    pub time: u64,
    pub kind: MessageKind,
    /// What was written, as it reads now; of an offer, the names of what is offered. Empty if it was taken back.
    pub text: String,
    /// What it answers.
    pub reply: Option<Quote>,
    /// When it was last edited, by the author's clock.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub edited: Option<u64>,
    /// It was taken back: a tombstone is shown.
    pub deleted: bool,
    /// By emoji, in the order of the first.
    pub reactions: Vec<Reaction>,
    /// Ids of the devices that the text mentions by `@Name`.
    pub mentions: Vec<String>,
    /// It mentions us, or answers a message of ours.
    pub to_me: bool,
    pub pinned: bool,
    /// It arrived after later ones were read, and stands among them.
    pub late: bool,
    /// Others may see another message in its place: from here on there are two versions of what its author wrote.
    pub disputed: bool,
    /// What happened, where the message is a [`MessageKind::Note`].
    pub note: Option<Note>,
    /// The transfer that an offer speaks of.
    pub transfer: Option<String>,
    /// Sorts messages as they are to be shown, as plain text.
    pub cursor: String,
    /// Who holds the newest that we said of it by now: the message, its edit, or that it is taken back; only where that is
    /// ours.
    pub delivered: Option<Delivery>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    Text,
    Offer,
    /// Something happened in the room, see [`Message::note`].
    Note,
    /// It is sealed with a key that is not here yet.
    Sealed,
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
    /// What they call themselves, as known now, in the same order; with the short id behind it where two of the room are
    /// called alike.
    pub names: Vec<String>,
    /// How many other devices it concerns: those who hold it and the members of the room; in an open room, where there are
    /// none, those who were here when it was said or since.
    pub of: u32,
    /// Ids of devices that say to keep it for the other side of a direct conversation, which is away: at most three. They
    /// cannot read it, and nothing is delivered by that.
    pub kept_by: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// Whether there is more before the first of them on this device.
    pub more: bool,
    /// Whether there is more after the last of them.
    pub newer: bool,
    /// Whether there was more before the first of them that is not on this device: not fetched yet, or no longer kept.
    pub missing: bool,
}

/// Messages in the order in which they arrived on this device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Arrived {
    pub messages: Vec<Message>,
    /// Those that had arrived before and read otherwise since: somebody edited them, took them back, pinned them or reacted.
    pub changed: Vec<Message>,
    /// Where to go on.
    pub next: String,
    /// Whether there is more behind by now.
    pub more: bool,
    /// Where whoever only wants what arrives from now on begins.
    pub newest: String,
}

/// The message that another one answers, as it reads now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    pub id: String,
    /// Empty, like the name and the text, if the message is not here.
    pub author: String,
    pub name: String,
    /// Its beginning, at most 200 characters.
    pub text: String,
    pub deleted: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Reaction {
    pub emoji: String,
    /// Ids of who put it there.
    pub by: Vec<String>,
    pub mine: bool,
}

/// Something that happened in a room, to be told among its messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Note {
    pub kind: NoteKind,
    /// Whom it concerns, if not the author.
    pub peer: Option<String>,
    /// That person's name as known now.
    pub name: Option<String>,
    /// The topic, where that is what changed; else empty.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    Created,
    Topic,
    /// The author let somebody in.
    Added,
    /// The author came by an invite.
    Joined,
    Removed,
    Left,
    Promoted,
    Demoted,
    /// The room has a new key.
    KeysRenewed,
    /// Two devices wrote under one identity: a copied profile, or fraud.
    Forked,
}

/// Messages that a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Newest first.
    pub messages: Vec<Message>,
    /// Whether there are more before the last of them.
    pub more: bool,
}

/// What a file of exported history is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ExportFormat {
    /// One page to read and print, complete in itself.
    Html,
    /// One JSON object with the room and its messages, as [`Message`] writes them.
    Json,
}

/// History that was written into a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// The file's name in the folder.
    pub file: String,
    #[cfg_attr(test, ts(type = "number"))]
    pub messages: u64,
}

/// What becomes of a room that was left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// The newest messages, and whatever else was written, of this device that nobody else has.
    pub undelivered: u32,
    /// Whether these are kept until somebody has them: in private rooms. Elsewhere they are gone.
    pub kept: bool,
    /// Whether others are in who cannot let anybody in or put anybody out, now that the last admin is gone.
    pub without_admin: bool,
}
