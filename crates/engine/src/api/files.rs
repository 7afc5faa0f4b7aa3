//! Files that are offered and fetched.

use serde::{Deserialize, Serialize};

use super::Message;

use super::ApiError;

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
    pub from_short: String,
    /// With the short id behind it where somebody else is called alike.
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
    /// Under which names the first of it stands in `folder`, which are others than those that were offered where these were
    /// taken or cannot be used here; at most 8. Empty until it is there.
    pub placed: Vec<String>,
    /// Lower-case hexadecimal SHA-256 of the file, once it is known; only where one file is offered.
    pub sha256: Option<String>,
    /// Why it failed or waits.
    pub error: Option<ApiError>,
    /// Bytes and number of the files that were chosen, where not all were; once it is done, of those that are here. Outgoing:
    /// what the one receiver has.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub chosen: Option<u64>,
    #[cfg_attr(test, ts(type = "number | null"))]
    pub chosen_files: Option<u64>,
    /// Bytes that were here already, and were not fetched; incoming only.
    #[cfg_attr(test, ts(type = "number"))]
    pub here: u64,
    /// Files that did not come; incoming only.
    #[cfg_attr(test, ts(type = "number"))]
    pub failed_files: u64,
    /// Links, special files and what its sender may not read: what is in it and not sent. 0 also where that is not known,
    /// because it was offered or fetched in an earlier run.
    #[cfg_attr(test, ts(type = "number"))]
    pub skipped: u64,
    /// What became of it at each receiver; outgoing only.
    pub receivers: Vec<Receiver>,
    /// When it was over, in milliseconds since 1970.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub finished: Option<u64>,
    /// How many queued transfers start before this one; only while it is queued.
    pub place: Option<u32>,
    /// Bytes per second over the last seconds, to or from all others together; what receivers give each other is not counted.
    #[cfg_attr(test, ts(type = "number"))]
    pub rate: u64,
    /// How many devices an offer of ours is for: the other side, the members of a private room, or those of an open room
    /// who are here or have answered. 0 for others' offers.
    pub audience: u32,
    /// Names of those among them who have not answered; at most 32.
    pub awaited: Vec<String>,
    /// The device that passes on the sealed bytes of it, because neither side can dial the other: what it calls itself.
    pub via: Option<String>,
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
    /// Accepted; the other side is not reachable right now, or has paused or queued it. It goes on by itself.
    Waiting,
    /// Accepted; others that came first are running on that disk. It starts by itself.
    Queued,
    /// A person here paused it: it is neither fetched nor given, until it is resumed.
    Paused,
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
    pub short: String,
    /// As that of who offers.
    pub name: String,
    pub state: TransferState,
    #[cfg_attr(test, ts(type = "number"))]
    pub moved: u64,
    /// Bytes and number of the files that it has, where it chose among them: then it is done, and does not have all.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub chosen: Option<u64>,
    #[cfg_attr(test, ts(type = "number | null"))]
    pub chosen_files: Option<u64>,
    /// Whether it waits for space on its disk.
    pub full: bool,
}

/// Files and folders of a transfer, in the order of its manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct TransferFiles {
    pub files: Vec<TransferFile>,
    /// Where to go on, if there is more.
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct TransferFile {
    /// Names from the top down, `/` between two, safe to show: what [`super::Command::Accept`] chooses it by.
    pub path: String,
    /// Bytes; 0 unless it is a file.
    #[cfg_attr(test, ts(type = "number"))]
    pub size: u64,
    pub folder: bool,
    pub state: TransferFileState,
    /// Verified bytes that are here; incoming only.
    #[cfg_attr(test, ts(type = "number"))]
    pub moved: u64,
    /// Why it failed.
    pub error: Option<ApiError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum TransferFileState {
    /// It could be fetched, and nobody said yes yet; or it is offered by this device.
    Offered,
    /// It was not chosen, and can be later.
    LeftOut,
    Waiting,
    Running,
    /// Whole and verified. Of a folder: it is there. Outgoing: the one receiver has it.
    Done,
    /// As done, and was here already with the same content.
    Here,
    Failed,
    /// A link or special file: it is never sent or made.
    Skipped,
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

/// What was offered in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Files {
    /// Newest first, without those that were taken back.
    pub offers: Vec<RoomOffer>,
    /// Where to go on, if there is more.
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RoomOffer {
    pub message: Message,
    /// Absent where it cannot be read yet, or was one too many.
    pub transfer: Option<Transfer>,
}
