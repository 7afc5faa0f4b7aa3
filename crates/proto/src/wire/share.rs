//! Frames of a file connection about shared folders: what is shared, what is in it, and an offer of some of it.
//!
//! ```text
//! asker                                   holder
//!   LOOK                          ->
//!                                 <-      SHARED
//!   LIST { share, folder, after } ->
//!                                 <-      LISTING                           (or UNSHARED)
//!   TAKE { share, paths }         ->
//!                                 <-      TAKEN { transfer, … }             (or UNSHARED)
//! ```
//!
//! One question at a time. What is taken is fetched like any offer, over connections of their own. Paths have `/` between
//! names and are relative to the shared folder; neither side believes a name of the other.

use minicbor::{Decode, Encode};

use crate::model::{ShareId, TransferId};
use crate::wire::file::{DecodeError, MAX_PATH_BYTES, bounded, put};

/// Folders that a device shares.
pub const MAX_SHARES: usize = 256;
/// Bytes of a shared folder's name.
pub const MAX_SHARE_NAME: usize = 120;
/// Entries of one LISTING.
pub const MAX_LISTED: usize = 1000;
/// Bytes of all names in one LISTING.
pub const MAX_LISTED_BYTES: usize = 256 * 1024;
/// Bytes of a name in a folder: the longest of any usual file system.
pub const MAX_LISTED_NAME: usize = 1024;
/// Paths in one TAKE.
pub const MAX_TAKEN: usize = 1024;
/// The longest frame of an asker behind its first.
pub const MAX_QUESTION: usize = 64 * 1024;
/// The longest frame of a holder.
pub const MAX_ANSWER: usize = 512 * 1024;
/// Names in one TAKEN, and the bytes of each: as in an offer.
const MAX_NAMES: usize = 8;
const MAX_NAME_BYTES: usize = 120;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// Which folders do you share with me?
    Look,
    /// These, at most [`MAX_SHARES`].
    Shared(Vec<Shared>),
    /// What is in this folder? At most `limit`, what comes behind `after`.
    List { share: ShareId, folder: String, after: Option<After>, limit: u16 },
    /// These, in order: folders first, then by name. Whether there is more.
    Listing { entries: Vec<Entry>, more: bool },
    /// Offer me these, at most [`MAX_TAKEN`]; the empty path is all of it.
    Take { share: ShareId, paths: Vec<String> },
    /// It is offered to you, as [`crate::rooms::Offer`] has it.
    Taken(Taken),
    /// It is not to be had. `path`: which of those that were asked for, where one of them is the reason.
    Unshared { why: Why, path: Option<u32> },
}

/// A shared folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    pub share: ShareId,
    /// As its holder calls it, at most [`MAX_SHARE_NAME`] bytes.
    pub name: String,
}

/// The last that was listed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct After {
    #[n(0)]
    pub folder: bool,
    #[n(1)]
    pub name: String,
}

/// A file or folder in a shared folder.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    /// At most [`MAX_LISTED_NAME`] bytes.
    #[n(0)]
    pub name: String,
    #[n(1)]
    pub folder: bool,
    #[n(2)]
    pub size: u64,
    /// Milliseconds since 1970; 0 where that is not known.
    #[n(3)]
    pub modified: u64,
}

/// An offer that was made to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Taken {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub transfer: [u8; 16],
    #[n(1)]
    pub names: Vec<String>,
    #[n(2)]
    pub files: u64,
    #[n(3)]
    pub folders: u64,
    #[n(4)]
    pub bytes: u64,
    /// SHA-256 of the manifest.
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub manifest: [u8; 32],
}

impl Taken {
    pub fn transfer(&self) -> TransferId {
        TransferId(self.transfer)
    }
}

/// Why something is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No such shared folder, or none for this device. Which of both is nobody's business.
    NotShared,
    /// The folder that is shared is not there at the moment.
    Gone,
    /// No such file or folder in it.
    NoSuch,
    /// No name of a file or folder could be like this.
    BadName,
    /// More files, or deeper ones, than can be offered.
    TooMuch,
    /// It cannot be read.
    Unreadable,
    /// Too much to do; later it may work.
    Busy,
}

impl Share {
    /// Appends the frame, its length before it.
    pub fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Share::Look => put(into, LOOK, &LookBody {}),
            Share::Shared(shares) => {
                let shares = shares
                    .iter()
                    .map(|shared| SharedBody { share: shared.share.0, name: shared.name.clone() });
                put(into, SHARED, &SharedListBody { shares: shares.collect() });
            }
            Share::List { share, folder, after, limit } => {
                let (folder, after) = (folder.clone(), after.clone());
                put(into, LIST, &ListBody { share: share.0, folder, after, limit: *limit });
            }
            Share::Listing { entries, more } => {
                put(into, LISTING, &ListingBody { entries: entries.clone(), more: *more });
            }
            Share::Take { share, paths } => {
                put(into, TAKE, &TakeBody { share: share.0, paths: paths.clone() });
            }
            Share::Taken(taken) => put(into, TAKEN, taken),
            Share::Unshared { why, path } => {
                put(into, UNSHARED, &UnsharedBody { why: why.number(), path: *path });
            }
        }
    }

    /// `None` for a type that is not about shared folders.
    ///
    /// # Errors
    /// If the body does not fit its type, or breaks a bound.
    pub fn decode(kind: u8, body: &[u8]) -> Result<Option<Share>, DecodeError> {
        Ok(Some(match kind {
            LOOK => Share::Look,
            SHARED => {
                let SharedListBody { shares } = minicbor::decode(body)?;
                bounded(shares.len(), MAX_SHARES)?;
                shares.iter().try_for_each(|shared| bounded(shared.name.len(), MAX_SHARE_NAME))?;
                let read = |SharedBody { share, name }| Shared { share: ShareId(share), name };
                Share::Shared(shares.into_iter().map(read).collect())
            }
            LIST => {
                let ListBody { share, folder, after, limit } = minicbor::decode(body)?;
                bounded(folder.len(), MAX_PATH_BYTES)?;
                bounded(after.as_ref().map_or(0, |after| after.name.len()), MAX_LISTED_NAME)?;
                Share::List { share: ShareId(share), folder, after, limit }
            }
            LISTING => {
                let ListingBody { entries, more } = minicbor::decode(body)?;
                bounded(entries.len(), MAX_LISTED)?;
                entries.iter().try_for_each(|entry| bounded(entry.name.len(), MAX_LISTED_NAME))?;
                Share::Listing { entries, more }
            }
            TAKE => {
                let TakeBody { share, paths } = minicbor::decode(body)?;
                bounded(paths.len(), MAX_TAKEN)?;
                paths.iter().try_for_each(|path| bounded(path.len(), MAX_PATH_BYTES))?;
                Share::Take { share: ShareId(share), paths }
            }
            TAKEN => {
                let taken: Taken = minicbor::decode(body)?;
                bounded(taken.names.len(), MAX_NAMES)?;
                taken.names.iter().try_for_each(|name| bounded(name.len(), MAX_NAME_BYTES))?;
                Share::Taken(taken)
            }
            UNSHARED => {
                let UnsharedBody { why, path } = minicbor::decode(body)?;
                Share::Unshared { why: Why::of(why), path }
            }
            _ => return Ok(None),
        }))
    }
}

impl Why {
    const ALL: [Why; 7] =
        [Why::NotShared, Why::Gone, Why::NoSuch, Why::BadName, Why::TooMuch, Why::Unreadable, Why::Busy];

    fn number(self) -> u8 {
        1 + Why::ALL.iter().position(|why| *why == self).map_or(0, |at| at as u8)
    }

    /// A reason of a later version comes to the first.
    fn of(number: u8) -> Why {
        Why::ALL.into_iter().find(|why| why.number() == number).unwrap_or(Why::NotShared)
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct LookBody {}

#[derive(Encode, Decode)]
#[cbor(map)]
struct SharedListBody {
    #[n(0)]
    shares: Vec<SharedBody>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct SharedBody {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    share: [u8; 16],
    #[n(1)]
    name: String,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct ListBody {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    share: [u8; 16],
    #[n(1)]
    folder: String,
    #[n(2)]
    after: Option<After>,
    #[n(3)]
    limit: u16,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct ListingBody {
    #[n(0)]
    entries: Vec<Entry>,
    #[n(1)]
    more: bool,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct TakeBody {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    share: [u8; 16],
    #[n(1)]
    paths: Vec<String>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct UnsharedBody {
    #[n(0)]
    why: u8,
    #[n(1)]
    path: Option<u32>,
}

const LOOK: u8 = 32;
const SHARED: u8 = 33;
const LIST: u8 = 34;
const LISTING: u8 = 35;
const TAKE: u8 = 36;
const TAKEN: u8 = 37;
const UNSHARED: u8 = 38;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::file::{Frame, MAX_FIRST_FRAME};
    use proptest::prelude::*;

    const ID: ShareId = ShareId([3; 16]);

    fn read(share: &Share) -> Result<Option<Share>, DecodeError> {
        let mut bytes = Vec::new();
        share.encode(&mut bytes);
        let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        assert_eq!(length, bytes.len() - 4);
        Share::decode(bytes[4], &bytes[5..])
    }

    fn entries(count: usize, name: usize) -> Share {
        let entry = Entry { name: "n".repeat(name), folder: true, size: u64::MAX, modified: 1 << 41 };
        Share::Listing { entries: vec![entry; count], more: true }
    }

    fn taken(names: usize, bytes: usize) -> Share {
        let names = vec!["n".repeat(bytes); names];
        let (files, folders) = (u64::MAX, 3);
        Share::Taken(Taken { transfer: [1; 16], names, files, folders, bytes: 1 << 50, manifest: [2; 32] })
    }

    fn shared(count: usize, bytes: usize) -> Share {
        Share::Shared(vec![Shared { share: ID, name: "n".repeat(bytes) }; count])
    }

    fn list(folder: usize, after: usize) -> Share {
        let after = Some(After { folder: false, name: "n".repeat(after) });
        Share::List { share: ID, folder: "f".repeat(folder), after, limit: 1000 }
    }

    fn take(paths: usize, bytes: usize) -> Share {
        Share::Take { share: ID, paths: vec!["p".repeat(bytes); paths] }
    }

    #[test]
    fn frames_read_back_up_to_their_bounds_and_not_beyond() {
        for share in [
            Share::Look,
            shared(MAX_SHARES, MAX_SHARE_NAME),
            list(MAX_PATH_BYTES, MAX_LISTED_NAME),
            Share::List { share: ID, folder: String::new(), after: None, limit: 0 },
            entries(MAX_LISTED, 200),
            entries(3, MAX_LISTED_NAME),
            take(MAX_TAKEN, 40),
            take(1, MAX_PATH_BYTES),
            taken(MAX_NAMES, MAX_NAME_BYTES),
            Share::Unshared { why: Why::BadName, path: Some(7) },
        ] {
            assert_eq!(read(&share), Ok(Some(share)));
        }
        for share in [
            shared(MAX_SHARES + 1, 1),
            shared(1, MAX_SHARE_NAME + 1),
            list(MAX_PATH_BYTES + 1, 1),
            list(1, MAX_LISTED_NAME + 1),
            entries(MAX_LISTED + 1, 1),
            entries(1, MAX_LISTED_NAME + 1),
            take(MAX_TAKEN + 1, 1),
            take(1, MAX_PATH_BYTES + 1),
            taken(MAX_NAMES + 1, 1),
            taken(1, MAX_NAME_BYTES + 1),
        ] {
            assert_eq!(read(&share), Err(DecodeError::TooLong));
        }
        assert_eq!(Share::decode(200, &[]), Ok(None));
    }

    #[test]
    fn the_first_question_fits_where_nothing_was_earned_and_the_longest_answer_where_it_must() {
        let length = |share: &Share| {
            let mut bytes = Vec::new();
            share.encode(&mut bytes);
            bytes.len() - 4
        };
        assert!(length(&Share::Look) <= MAX_FIRST_FRAME);
        assert!(length(&entries(MAX_LISTED, MAX_LISTED_BYTES / MAX_LISTED)) <= MAX_ANSWER);
        assert!(length(&shared(MAX_SHARES, MAX_SHARE_NAME)) <= MAX_ANSWER);
    }

    #[test]
    fn every_reason_reads_back_and_an_unknown_one_means_no() {
        for why in Why::ALL {
            let said = Share::Unshared { why, path: None };
            assert_eq!(read(&said), Ok(Some(said)));
        }
        assert_eq!(Why::of(200), Why::NotShared);
    }

    #[test]
    fn they_are_frames_of_a_file_connection() {
        let mut bytes = Vec::new();
        Frame::Share(Share::Look).encode(&mut bytes);
        assert_eq!(Frame::decode(&bytes[4..]), Ok(Frame::Share(Share::Look)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind in 30u8..40, body: Vec<u8>) {
            let _ = Share::decode(kind, &body);
        }
    }
}
