//! Offers and what becomes of them. This machine never sees file bytes.
//!
//! Everything is a pull by the receiver. What became of an offer is a receipt in the receiver's log, so it is signed,
//! durable, and reaches the one who offered even if the two are never here at the same time again.
//!
//! What is pulled is cut into pieces (`pieces`), each of which can be checked alone, so that any device that has it can
//! give it; who gets what from whom is chosen by `swarm`.

mod bitmap;
mod given;
mod pages;
mod pieces;
mod swarm;
mod table;

pub use bitmap::Bitmap;
pub use given::{GIVEN_FOR, UNCLAIMED_FOR};
pub use pages::{is_signed, sign_page};
pub use pieces::{BUNDLE_FILES, ChunkOf, Layout, Leaf, MAX_PIECES, NO_LEAF, PAGE_LEAVES, Piece, TooLarge};
pub use swarm::{Damage, Fetch, Handout, Link, MAX_TRIES, Order, Role, WINDOW};
pub use table::{AT_ONCE, AT_ONCE_FROM_PEER, Refusal, Spoken, Transfers};

/// Where a transfer stands on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferState {
    /// Nobody here has said yes yet; or it is our own offer.
    Offered,
    /// Accepted, and the holder is not reachable right now; or paused, see
    /// [`crate::effects::TransferRecord::paused`].
    Waiting,
    /// Accepted, and somebody who has it is here; but as many run as may at a time onto its disk, or from that device.
    Queued,
    Running,
    /// Incoming: whole, verified, under its final name.
    Done,
    Declined,
    Cancelled,
    Failed(Failure),
}

impl TransferState {
    /// Whether nothing more comes of it unless somebody wants it again.
    pub fn is_over(self) -> bool {
        !self.is_wanted() && self != TransferState::Offered
    }

    /// Incoming: whether it was accepted and is not over.
    pub fn is_wanted(self) -> bool {
        matches!(self, TransferState::Waiting | TransferState::Queued | TransferState::Running)
    }
}

/// How the bulk work of one transfer ended on the receiver's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullEnd {
    /// Every file is durable under its final name. `digest` is the SHA-256 of the one file, or SHA-256 over the
    /// SHA-256 of all files in the order of the manifest.
    Complete { digest: [u8; 32] },
    /// The same of those files that were chosen, and the rest was not wanted.
    Part(Part),
    /// The connections failed or nobody who has it could be reached; trying again may help.
    Lost,
    /// The same, after more of it had come: the next try may come soon.
    Cut,
    /// Its author paused it. What came so far is kept, and it goes on when the author lets it.
    Held,
    /// There is no space where the files should go. What came so far is kept, and it goes on when there is.
    NoSpace,
    /// Some files, or all, will not come. Those that came have their names; accepting again fetches the others.
    Failed(Failure),
}

/// Why a transfer cannot go on. Stable numbers: they travel in receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Failure {
    /// No space left at the receiver.
    DiskFull = 1,
    /// The receiver cannot write where the files should go.
    Unwritable = 2,
    /// A file changed at the sender while it was read.
    SourceChanged = 3,
    /// A file is no longer there, or not readable, at the sender.
    SourceGone = 4,
    /// What arrived is not what was announced, again and again.
    Corrupt = 5,
    /// The holder does not serve this offer to this device.
    Refused = 6,
    /// What the holder sent makes no sense.
    Protocol = 7,
}

/// What a receiver says of an offer, signed as an entry of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Durable under the final name, with this digest (see [`PullEnd::Complete`]).
    Received {
        digest: [u8; 32],
    },
    /// The same of some files only: the others were not wanted, or not yet.
    Part(Part),
    Declined,
    Cancelled,
    Failed(Failure),
    /// It was accepted and is not being fetched; nothing has ended.
    Accepted(Delay),
}

/// Why what was accepted does not come yet. Stable numbers: they travel in receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Delay {
    /// Nobody who has it is reached; or for a reason that only newer versions know.
    Waits = 0,
    /// Others are fetched first.
    Queued = 1,
    /// A person paused it.
    Paused = 2,
    /// There is no space where it should go.
    NoSpace = 3,
}

/// What somebody has of an offer who chose among its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// SHA-256 over what was chosen, see PROTOCOL.md, "Receipts": it names each file, and is never that of the whole.
    pub digest: [u8; 32],
    /// How many files that is, of those that were offered.
    pub files: u64,
    pub bytes: u64,
}

impl Delay {
    /// What travels as this number.
    pub fn from_number(number: u8) -> Delay {
        use Delay::*;
        [Queued, Paused, NoSpace].into_iter().find(|delay| *delay as u8 == number).unwrap_or(Waits)
    }
}

impl Failure {
    /// The failure that travels as this number.
    pub fn from_number(number: u8) -> Option<Failure> {
        use Failure::*;
        [DiskFull, Unwritable, SourceChanged, SourceGone, Corrupt, Refused, Protocol]
            .into_iter()
            .find(|failure| *failure as u8 == number)
    }
}
