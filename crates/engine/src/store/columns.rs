//! Values as the database keeps them.

use std::path::{Path, PathBuf};

use lanyard_proto::effects::{Origin, PeerRecord, RoomRecord, TransferRecord, Trust};
use lanyard_proto::model::{EntryId, PeerId, Platform, RoomId, ShareId, TransferId, UnixMillis};
use lanyard_proto::rooms::{Offer, RoomKind};
use lanyard_proto::transfer::{Delay, Failure, Part, Receipt, TransferState};
use lanyard_proto::wire::avatar::Avatar;
use minicbor::{Decode, Encode};
use rusqlite::Row;

use super::error::StoreError;

/// Keeps an unsigned number by its bits, see schema.sql.
pub(super) fn bits(number: u64) -> i64 {
    number.cast_signed()
}

/// Reads [`bits`].
pub(super) fn unsigned(row: &Row, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(i64::cast_unsigned)
}

/// Reads a BLOB of a fixed length.
pub(super) fn array<const N: usize>(row: &Row, at: usize) -> rusqlite::Result<[u8; N]> {
    row.get(at)
}

pub(super) fn room(row: &Row) -> rusqlite::Result<RoomRecord> {
    let direct: Option<[u8; 32]> = row.get(1)?;
    let kind = match direct {
        Some(peer) => RoomKind::Direct(PeerId(peer)),
        None if row.get(5)? => RoomKind::Private,
        None => RoomKind::Open,
    };
    Ok(RoomRecord {
        id: RoomId(array(row, 0)?),
        kind,
        name: row.get(2)?,
        joined: UnixMillis(unsigned(row, 3)?),
        nonce: u64::from_be_bytes(array(row, 6)?),
    })
}

/// The columns of [`peer`], in its order.
pub(super) const PEER_COLUMNS: &str =
    "peer, name, platform, trust, first_seen, last_seen, boot, counter, addresses, color, emoji";

pub(super) fn peer(row: &Row) -> Result<PeerRecord, StoreError> {
    let addresses: String = row.get(8)?;
    Ok(PeerRecord {
        id: PeerId(array(row, 0)?),
        name: row.get(1)?,
        platform: find(PLATFORMS, row.get(2)?).ok_or_else(|| StoreError::unreadable("a platform"))?,
        trust: trust(row.get(3)?)?,
        first_seen: UnixMillis(unsigned(row, 4)?),
        last_seen: UnixMillis(unsigned(row, 5)?),
        boot: unsigned(row, 6)?,
        counter: unsigned(row, 7)?,
        addresses: addresses
            .split_ascii_whitespace()
            .map(|address| address.parse().map_err(|_| StoreError::unreadable("an address")))
            .collect::<Result<_, _>>()?,
        avatar: avatar(row, 9)?,
    })
}

/// A colour and behind it an emoji; `None` where none was chosen, or one that is none any more.
pub(super) fn avatar(row: &Row, at: usize) -> rusqlite::Result<Option<Avatar>> {
    let (color, emoji): (Option<u8>, Option<String>) = (row.get(at)?, row.get(at + 1)?);
    Ok(color.zip(emoji).and_then(|(color, emoji)| Avatar::new(color, &emoji)))
}

pub(super) fn platform_number(platform: Platform) -> i64 {
    number(PLATFORMS, platform)
}

pub(super) fn trust(number: i64) -> Result<Trust, StoreError> {
    find(TRUSTS, number).ok_or_else(|| StoreError::unreadable("a trust"))
}

pub(super) fn trust_number(trust: Trust) -> i64 {
    number(TRUSTS, trust)
}

/// The columns of [`transfer`], in its order.
pub(super) const TRANSFER_COLUMNS: &str = "transfer.transfer, transfer.room, entry, peer, names, files, folders, \
     bytes, manifest, state, failure, offered, receipts, paused, turn, finished, share, share_to";

pub(super) fn transfer(row: &Row) -> Result<TransferRecord, StoreError> {
    let names: Vec<u8> = row.get(4)?;
    let receipts: Vec<u8> = row.get(12)?;
    let unreadable = |_| StoreError::unreadable("an offer");
    let offer = Offer {
        names: minicbor::decode(&names).map_err(unreadable)?,
        files: unsigned(row, 5)?,
        folders: unsigned(row, 6)?,
        bytes: unsigned(row, 7)?,
        manifest: array(row, 8)?,
    };
    let receipts: Vec<StoredReceipt> = minicbor::decode(&receipts).map_err(unreadable)?;
    Ok(TransferRecord {
        id: TransferId(array(row, 0)?),
        room: RoomId(array(row, 1)?),
        origin: origin(row)?,
        from: PeerId(array(row, 3)?),
        offer,
        state: state(row.get(9)?, row.get(10)?)?,
        offered: UnixMillis(unsigned(row, 11)?),
        receipts: receipts.into_iter().map(StoredReceipt::read).collect::<Result<_, _>>()?,
        paused: row.get(13)?,
        turn: unsigned(row, 14)?,
        finished: row.get::<_, Option<i64>>(15)?.map(|at| UnixMillis(at.cast_unsigned())),
    })
}

/// What made the offer of a row of [`TRANSFER_COLUMNS`].
fn origin(row: &Row) -> rusqlite::Result<Origin> {
    let share: (Option<[u8; 16]>, Option<[u8; 32]>) = (row.get(16)?, row.get(17)?);
    Ok(match share {
        (Some(share), Some(to)) => Origin::Share { share: ShareId(share), to: PeerId(to) },
        _ => Origin::Entry(EntryId(array(row, 2)?)),
    })
}

/// The number of a state, and why it failed if it did.
pub(super) fn state_numbers(state: TransferState) -> (i64, Option<u8>) {
    match state {
        TransferState::Failed(failure) => (FAILED, Some(failure as u8)),
        // Whether the disk has a place is seen anew at each start.
        TransferState::Queued => (number(STATES, TransferState::Waiting), None),
        other => (number(STATES, other), None),
    }
}

fn state(stored: i64, why: Option<u8>) -> Result<TransferState, StoreError> {
    let state = match why {
        Some(why) if stored == FAILED => failure(why).map(TransferState::Failed),
        Some(_) => None,
        None => find(STATES, stored),
    };
    state.ok_or_else(|| StoreError::unreadable("a transfer's state"))
}

pub(super) fn names_blob(names: &[String]) -> Vec<u8> {
    minicbor::to_vec(names).expect("encoding to memory cannot fail")
}

pub(super) fn receipts_blob(receipts: &[(PeerId, Receipt)]) -> Vec<u8> {
    let stored: Vec<StoredReceipt> = receipts.iter().map(StoredReceipt::of).collect();
    minicbor::to_vec(&stored).expect("encoding to memory cannot fail")
}

/// A receipt as it is stored: an array of the device, what it said, and the detail of that.
#[derive(Encode, Decode)]
#[cbor(array)]
struct StoredReceipt {
    #[cbor(n(0), with = "minicbor::bytes")]
    peer: [u8; 32],
    #[n(1)]
    said: Said,
}

#[derive(Encode, Decode)]
enum Said {
    #[n(0)]
    Received {
        #[cbor(n(0), with = "minicbor::bytes")]
        digest: [u8; 32],
    },
    #[n(1)]
    Declined,
    #[n(2)]
    Cancelled,
    #[n(3)]
    Failed {
        #[n(0)]
        failure: u8,
    },
    #[n(4)]
    Part {
        #[cbor(n(0), with = "minicbor::bytes")]
        digest: [u8; 32],
        #[n(1)]
        files: u64,
        #[n(2)]
        bytes: u64,
    },
    #[n(5)]
    Accepted {
        #[n(0)]
        delay: u8,
    },
}

impl StoredReceipt {
    fn of((peer, receipt): &(PeerId, Receipt)) -> StoredReceipt {
        let said = match *receipt {
            Receipt::Received { digest } => Said::Received { digest },
            Receipt::Part(Part { digest, files, bytes }) => Said::Part { digest, files, bytes },
            Receipt::Declined => Said::Declined,
            Receipt::Cancelled => Said::Cancelled,
            Receipt::Failed(failure) => Said::Failed { failure: failure as u8 },
            Receipt::Accepted(delay) => Said::Accepted { delay: delay as u8 },
        };
        StoredReceipt { peer: peer.0, said }
    }

    fn read(self) -> Result<(PeerId, Receipt), StoreError> {
        let receipt = match self.said {
            Said::Received { digest } => Receipt::Received { digest },
            Said::Part { digest, files, bytes } => Receipt::Part(Part { digest, files, bytes }),
            Said::Declined => Receipt::Declined,
            Said::Cancelled => Receipt::Cancelled,
            Said::Accepted { delay } => Receipt::Accepted(Delay::from_number(delay)),
            Said::Failed { failure: why } => {
                Receipt::Failed(failure(why).ok_or_else(|| StoreError::unreadable("a receipt"))?)
            }
        };
        Ok((PeerId(self.peer), receipt))
    }
}

fn failure(stored: u8) -> Option<Failure> {
    FAILURES.iter().copied().find(|failure| *failure as u8 == stored)
}

fn number<T: PartialEq>(numbered: &[(i64, T)], value: T) -> i64 {
    let (number, _) = numbered.iter().find(|(_, v)| *v == value).expect("every value is in its table");
    *number
}

fn find<T: Copy>(numbered: &[(i64, T)], number: i64) -> Option<T> {
    numbered.iter().find(|(n, _)| *n == number).map(|(_, value)| *value)
}

/// A path in the system's own bytes: those of the name on Unix, UTF-16 in little endian on Windows.
#[cfg(unix)]
pub(super) fn path_blob(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

/// Reads [`path_blob`].
#[cfg(unix)]
pub(super) fn path(blob: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(std::ffi::OsString::from_vec(blob))
}

#[cfg(windows)]
pub(super) fn path_blob(path: &Path) -> Vec<u8> {
    use std::os::windows::ffi::OsStrExt;
    path.as_os_str().encode_wide().flat_map(u16::to_le_bytes).collect()
}

#[cfg(windows)]
pub(super) fn path(blob: Vec<u8>) -> PathBuf {
    use std::os::windows::ffi::OsStringExt;
    let wide: Vec<u16> = blob.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    PathBuf::from(std::ffi::OsString::from_wide(&wide))
}

const PLATFORMS: &[(i64, Platform)] =
    &[(0, Platform::Linux), (1, Platform::Macos), (2, Platform::Windows), (3, Platform::Other)];

const TRUSTS: &[(i64, Trust)] =
    &[(0, Trust::Unknown), (1, Trust::Pinned), (2, Trust::Verified), (3, Trust::Blocked)];

/// Those without a reason. Numbers from 3 on are over, as schema.sql says.
const STATES: &[(i64, TransferState)] = &[
    (0, TransferState::Offered),
    (1, TransferState::Waiting),
    (2, TransferState::Running),
    (3, TransferState::Done),
    (4, TransferState::Declined),
    (5, TransferState::Cancelled),
];

const FAILED: i64 = 6;

const FAILURES: &[Failure] = &[
    Failure::DiskFull,
    Failure::Unwritable,
    Failure::SourceChanged,
    Failure::SourceGone,
    Failure::Corrupt,
    Failure::Refused,
    Failure::Protocol,
];
