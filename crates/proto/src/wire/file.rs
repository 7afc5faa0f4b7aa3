//! Frames of a file connection (ALPN `lanyard-file/1`), by which a receiver pulls pieces of one offer from a holder.
//!
//! ```text
//! receiver                                holder
//!   GET { transfer, listed }      ->
//!                                 <-      MANIFEST pages, MANIFEST_END      (or REFUSED)
//!   HAVE, WANT { pieces, any }    ->
//!                                 <-      HAVE, LEAVES, PIECE …             (or FILE_FAILED, SPREAD)
//!   GOT, WANT … or DONE           ->
//!                                 <-      GOT, PEERS …
//! ```
//!
//! A frame is its length (u32, big-endian, of what follows), a type byte, and a CBOR map with integer keys; a PIECE has
//! its raw bytes behind the map. Unknown keys are skipped and unknown types are [`Frame::Unknown`], so that later
//! versions can add to this one. ALIVE comes from whichever side is busy with what need not be sent.
//!
//! How an offer is cut into pieces, and what their leaves are, says [`crate::transfer::Layout`].

use std::net::SocketAddr;

use minicbor::{Decode, Decoder, Encode};

use crate::model::{PeerId, TransferId};
use crate::transfer::Failure;

/// Bytes of every chunk but the last of a file, and the most that a bundle has.
pub const CHUNK_BYTES: usize = 1 << 20;
/// Bytes before the data of a piece: length, type and map. The map of this version needs at most 800.
pub const MAX_PIECE_HEAD: usize = 1024;
/// The longest frame, without the four bytes of its length.
pub const MAX_FRAME: usize = CHUNK_BYTES + 4096;
/// The longest first frame: until it is understood, the other side has earned no more memory.
pub const MAX_FIRST_FRAME: usize = 4096;
/// The longest page of a manifest, in bytes of items.
pub const MAX_PAGE: usize = 64 * 1024;
/// The longest manifest, in bytes of items: what a million files of usual names need.
pub const MAX_MANIFEST: usize = 128 << 20;
/// Files and folders in one offer.
pub const MAX_ITEMS: u64 = 1_000_000;
/// Folders around a file, and its name.
pub const MAX_DEPTH: usize = 64;
/// Bytes of all names on the way to a file.
pub const MAX_PATH_BYTES: usize = 4096;
/// Pieces in one WANT.
pub const MAX_WANTED: usize = 64;
/// Pieces in one GOT.
pub const MAX_GOT: usize = 4096;
/// Leaves in one LEAVES.
pub const MAX_LEAVES: usize = 256;
/// Files of a bundle that may be missing from it: all of them.
pub const MAX_LACKING: usize = 256;
/// Devices in one PEERS.
pub const MAX_PEERS: usize = 32;
/// Addresses of each of them.
pub const MAX_PEER_ADDRESSES: usize = 4;
/// Bytes of an address as text: the longest IPv6 one with zone and port has less.
const MAX_ADDRESS_BYTES: usize = 64;

/// A frame, borrowed from the bytes it was decoded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The first frame: what the receiver wants to pull, and whether it has the manifest already.
    Get {
        transfer: TransferId,
        listed: bool,
    },
    /// Whole [`Item`]s, one behind the other. The items of all pages together are what [`crate::rooms::Offer::manifest`]
    /// is the SHA-256 of.
    Manifest {
        items: &'a [u8],
    },
    ManifestEnd,
    Want(Want),
    Piece(PieceFrame<'a>),
    Leaves(Leaves<'a>),
    /// A file cannot be read at the author.
    FileFailed {
        file: u32,
        failure: Failure,
    },
    /// The holder does not serve this.
    Refused(Refusal),
    /// Whoever sends it stops; the connection ends.
    Cancel,
    /// Everything is on the receiver's disk under its final name; the digest is that of
    /// [`crate::transfer::PullEnd::Complete`].
    Done {
        digest: [u8; 32],
    },
    /// Still there, busy.
    Alive,
    /// The pieces that the sender has, as [`crate::transfer::Bitmap::to_bytes`].
    Have {
        bits: &'a [u8],
    },
    /// The sender has these, too.
    Got {
        pieces: Vec<u32>,
    },
    /// The author has no more pieces that nobody has.
    Spread,
    /// Who else fetches the offer, and where they can be dialled.
    Peers(Vec<Source>),
    /// Whoever sends it gives nothing of this for a while: it may be asked again later. The connection ends.
    Paused,
    /// Of a later version: skip it.
    Unknown,
}

/// What to send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Want {
    /// These, in this order; at most [`MAX_WANTED`].
    #[n(0)]
    pub pieces: Vec<u32>,
    /// And so many more that the author chooses, in all.
    #[n(1)]
    pub any: u32,
    /// Of these only the leaves; at most [`MAX_WANTED`].
    #[n(2)]
    pub leaves: Vec<u32>,
}

/// A piece of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceFrame<'a> {
    pub piece: u32,
    /// Files of a bundle whose bytes are not in it, counted from the first of the bundle, in order.
    pub lacking: Vec<u16>,
    pub data: Data<'a>,
}

/// What a piece holds, at most [`CHUNK_BYTES`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    Bytes(&'a [u8]),
    /// Nothing but zero bytes, which are not sent.
    Zeros,
}

/// Leaves that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaves<'a> {
    pub first: u32,
    /// 32 bytes each, at most [`MAX_LEAVES`]; [`crate::transfer::NO_LEAF`] where there is none.
    pub leaves: &'a [u8],
    /// The author's, over the page that begins at `first`: of these leaves, or of those that were sent before where there
    /// are none.
    pub signature: Option<[u8; 64]>,
}

/// A device that has pieces or gets them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub peer: PeerId,
    /// At most [`MAX_PEER_ADDRESSES`].
    pub addresses: Vec<SocketAddr>,
}

/// Why a holder does not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such offer, or none for this device. Which of both is nobody's business.
    NotOffered,
    /// Too much to do; later it may work.
    Busy,
}

/// A file or folder of a manifest. Every folder comes before what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// From the top down to its own name, as the sender calls them; 1 to [`MAX_DEPTH`]. Not safe as names.
    pub components: Vec<String>,
    /// Bytes; 0 for a folder.
    pub size: u64,
    /// When it was last changed, nanoseconds since 1970.
    pub modified: Option<i64>,
    pub kind: ItemKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    File,
    /// A file that its owner may execute.
    Executable,
    Folder,
}

/// Bytes that are not what they should be. Whoever sent them is not worth listening to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("a frame is longer than allowed")]
    TooLong,
    #[error("a frame is not well-formed")]
    Malformed,
}

impl From<minicbor::decode::Error> for DecodeError {
    fn from(_: minicbor::decode::Error) -> DecodeError {
        DecodeError::Malformed
    }
}

impl<'a> Frame<'a> {
    /// Appends the frame, its length before it.
    pub fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Frame::Get { transfer, listed } => {
                put(into, GET, &GetBody { transfer: transfer.0, listed: *listed });
            }
            Frame::Manifest { items } => put(into, MANIFEST, &PageBody { items }),
            Frame::ManifestEnd => put(into, MANIFEST_END, &EmptyBody {}),
            Frame::Want(want) => put(into, WANT, want),
            Frame::Piece(piece) => {
                piece.encode_head(into);
                if let Data::Bytes(bytes) = piece.data {
                    into.extend_from_slice(bytes);
                }
            }
            Frame::Leaves(leaves) => {
                let signature = leaves.signature.as_ref().map(|signature| Bytes(signature));
                put(into, LEAVES, &LeavesBody { first: leaves.first, leaves: leaves.leaves, signature });
            }
            Frame::FileFailed { file, failure } => {
                put(into, FILE_FAILED, &FailedBody { file: *file, failure: *failure as u8 });
            }
            Frame::Refused(refusal) => put(into, REFUSED, &RefusedBody { reason: refusal.number() }),
            Frame::Cancel => put(into, CANCEL, &EmptyBody {}),
            Frame::Done { digest } => put(into, DONE, &DoneBody { digest: *digest }),
            Frame::Alive => put(into, ALIVE, &EmptyBody {}),
            Frame::Have { bits } => put(into, HAVE, &PageBody { items: bits }),
            Frame::Got { pieces } => put(into, GOT, &GotBody { pieces: pieces.clone() }),
            Frame::Spread => put(into, SPREAD, &EmptyBody {}),
            Frame::Peers(peers) => {
                let peers = peers.iter().map(SourceBody::of).collect();
                put(into, PEERS, &PeersBody { peers });
            }
            Frame::Paused => put(into, PAUSED, &EmptyBody {}),
            Frame::Unknown => put(into, UNKNOWN, &EmptyBody {}),
        }
    }

    /// Reads what follows the length.
    ///
    /// # Errors
    /// [`DecodeError`] where a known type does not have the shape it must have.
    pub fn decode(bytes: &'a [u8]) -> Result<Frame<'a>, DecodeError> {
        let (&kind, body) = bytes.split_first().ok_or(DecodeError::Malformed)?;
        Ok(match kind {
            PIECE => Frame::Piece(PieceFrame::decode(body)?),
            GET => {
                let GetBody { transfer, listed } = minicbor::decode(body)?;
                Frame::Get { transfer: TransferId(transfer), listed }
            }
            MANIFEST => {
                let PageBody { items } = minicbor::decode(body)?;
                bounded(items.len(), MAX_PAGE)?;
                Frame::Manifest { items }
            }
            MANIFEST_END => Frame::ManifestEnd,
            WANT => {
                let want: Want = minicbor::decode(body)?;
                bounded(want.pieces.len().max(want.leaves.len()), MAX_WANTED)?;
                Frame::Want(want)
            }
            LEAVES => Frame::Leaves(minicbor::decode::<LeavesBody>(body)?.read()?),
            FILE_FAILED => {
                let FailedBody { file, failure } = minicbor::decode(body)?;
                Frame::FileFailed { file, failure: failure_of(failure) }
            }
            REFUSED => Frame::Refused(Refusal::of(minicbor::decode::<RefusedBody>(body)?.reason)),
            CANCEL => Frame::Cancel,
            DONE => Frame::Done { digest: minicbor::decode::<DoneBody>(body)?.digest },
            ALIVE => Frame::Alive,
            HAVE => Frame::Have { bits: minicbor::decode::<PageBody<'_>>(body)?.items },
            GOT => {
                let GotBody { pieces } = minicbor::decode(body)?;
                bounded(pieces.len(), MAX_GOT)?;
                Frame::Got { pieces }
            }
            SPREAD => Frame::Spread,
            PAUSED => Frame::Paused,
            PEERS => {
                let PeersBody { peers } = minicbor::decode(body)?;
                bounded(peers.len(), MAX_PEERS)?;
                Frame::Peers(peers.into_iter().map(SourceBody::read).collect::<Result<_, _>>()?)
            }
            _ => Frame::Unknown,
        })
    }
}

impl<'a> PieceFrame<'a> {
    /// Appends everything but the data: at most [`MAX_PIECE_HEAD`] bytes. The data must follow.
    ///
    /// Apart from [`Frame::encode`] so that a holder can read a file to where the data belongs and hash it there.
    pub fn encode_head(&self, into: &mut Vec<u8>) {
        let start = into.len();
        let (flags, follows) = match self.data {
            Data::Bytes(bytes) => (0, bytes.len()),
            Data::Zeros => (ZERO, 0),
        };
        put(into, PIECE, &PieceBody { piece: self.piece, flags, lacking: self.lacking.clone() });
        set_length(into, start, follows);
    }

    fn decode(body: &'a [u8]) -> Result<PieceFrame<'a>, DecodeError> {
        let mut d = Decoder::new(body);
        let PieceBody { piece, flags, lacking } = d.decode()?;
        let rest = &body[d.position()..];
        bounded(rest.len(), CHUNK_BYTES)?;
        bounded(lacking.len(), MAX_LACKING)?;
        let zeros = flags & ZERO != 0;
        if zeros && !rest.is_empty() || !lacking.is_sorted_by(|one, next| one < next) {
            return Err(DecodeError::Malformed);
        }
        let data = if zeros { Data::Zeros } else { Data::Bytes(rest) };
        Ok(PieceFrame { piece, lacking, data })
    }
}

impl Item {
    /// Appends the item as it stands in a manifest.
    pub fn encode(&self, into: &mut Vec<u8>) {
        infallible(minicbor::encode(
            ItemBody {
                components: self.components.iter().map(String::as_str).collect(),
                size: self.size,
                modified: self.modified,
                kind: self.kind.number(),
            },
            into,
        ));
    }

    /// Reads the first item of a page, and says how many bytes it has.
    ///
    /// # Errors
    /// [`DecodeError`] if it is not well-formed, or deeper or longer than [`MAX_DEPTH`] and [`MAX_PATH_BYTES`] allow.
    pub fn decode(page: &[u8]) -> Result<(Item, usize), DecodeError> {
        let mut d = Decoder::new(page);
        let ItemBody { components, size, modified, kind } = d.decode()?;
        bounded(components.len(), MAX_DEPTH)?;
        bounded(components.iter().map(|name| name.len()).sum(), MAX_PATH_BYTES)?;
        let kind = ItemKind::of(kind).ok_or(DecodeError::Malformed)?;
        if components.is_empty() || (kind == ItemKind::Folder && size != 0) {
            return Err(DecodeError::Malformed);
        }
        let components = components.into_iter().map(str::to_owned).collect();
        Ok((Item { components, size, modified, kind }, d.position()))
    }
}

impl ItemKind {
    fn number(self) -> u8 {
        match self {
            ItemKind::File => 0,
            ItemKind::Executable => 1,
            ItemKind::Folder => 2,
        }
    }

    fn of(number: u8) -> Option<ItemKind> {
        [ItemKind::File, ItemKind::Executable, ItemKind::Folder]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}

impl Refusal {
    fn number(self) -> u8 {
        match self {
            Refusal::NotOffered => 1,
            Refusal::Busy => 2,
        }
    }

    fn of(number: u8) -> Refusal {
        if number == Refusal::Busy.number() { Refusal::Busy } else { Refusal::NotOffered }
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct EmptyBody {}

#[derive(Encode, Decode)]
#[cbor(map)]
struct GetBody {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    transfer: [u8; 16],
    #[n(1)]
    listed: bool,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct PageBody<'a> {
    #[b(0)]
    #[cbor(with = "minicbor::bytes")]
    items: &'a [u8],
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct ItemBody<'a> {
    #[b(0)]
    components: Vec<&'a str>,
    #[n(1)]
    size: u64,
    #[n(2)]
    modified: Option<i64>,
    #[n(3)]
    kind: u8,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct PieceBody {
    #[n(0)]
    piece: u32,
    #[n(1)]
    flags: u8,
    #[n(2)]
    lacking: Vec<u16>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct LeavesBody<'a> {
    #[n(0)]
    first: u32,
    #[b(1)]
    #[cbor(with = "minicbor::bytes")]
    leaves: &'a [u8],
    #[b(2)]
    signature: Option<Bytes<'a>>,
}

#[derive(Clone, Copy, Encode, Decode)]
#[cbor(transparent)]
struct Bytes<'a>(
    #[b(0)]
    #[cbor(with = "minicbor::bytes")]
    &'a [u8],
);

impl<'a> LeavesBody<'a> {
    fn read(self) -> Result<Leaves<'a>, DecodeError> {
        let LeavesBody { first, leaves, signature } = self;
        bounded(leaves.len(), MAX_LEAVES * 32)?;
        let signature = match signature {
            Some(Bytes(bytes)) => Some(bytes.try_into().map_err(|_| DecodeError::Malformed)?),
            None => None,
        };
        if !leaves.len().is_multiple_of(32) || first.checked_add(leaves.len() as u32 / 32).is_none() {
            return Err(DecodeError::Malformed);
        }
        Ok(Leaves { first, leaves, signature })
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct FailedBody {
    #[n(0)]
    file: u32,
    #[n(1)]
    failure: u8,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct RefusedBody {
    #[n(0)]
    reason: u8,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct DoneBody {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    digest: [u8; 32],
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct GotBody {
    #[n(0)]
    pieces: Vec<u32>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct PeersBody {
    #[n(0)]
    peers: Vec<SourceBody>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct SourceBody {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    peer: [u8; 32],
    #[n(1)]
    addresses: Vec<String>,
}

impl SourceBody {
    fn of(source: &Source) -> SourceBody {
        let addresses = source.addresses.iter().map(ToString::to_string).collect();
        SourceBody { peer: source.peer.0, addresses }
    }

    /// An address that makes no sense here is left out: the others may do.
    fn read(self) -> Result<Source, DecodeError> {
        bounded(self.addresses.len(), MAX_PEER_ADDRESSES)?;
        let short = self.addresses.iter().filter(|address| address.len() <= MAX_ADDRESS_BYTES);
        let addresses = short.filter_map(|address| address.parse().ok()).collect();
        Ok(Source { peer: PeerId(self.peer), addresses })
    }
}

fn put(into: &mut Vec<u8>, kind: u8, body: &impl Encode<()>) {
    let start = into.len();
    into.extend_from_slice(&[0, 0, 0, 0, kind]);
    infallible(minicbor::encode(body, &mut *into));
    set_length(into, start, 0);
}

fn set_length(into: &mut [u8], start: usize, follows: usize) {
    let length = into.len() - start - 4 + follows;
    into[start..start + 4].copy_from_slice(&(length as u32).to_be_bytes());
}

fn infallible(encoded: Result<(), minicbor::encode::Error<std::convert::Infallible>>) {
    encoded.expect("a vector takes every byte, and no encoder here reports an error of its own");
}

fn bounded(length: usize, most: usize) -> Result<(), DecodeError> {
    if length <= most { Ok(()) } else { Err(DecodeError::TooLong) }
}

/// A number of a later version is some failure all the same, and the sender's.
fn failure_of(number: u8) -> Failure {
    use Failure::{Corrupt, DiskFull, Protocol, Refused, SourceChanged, SourceGone, Unwritable};
    [DiskFull, Unwritable, SourceChanged, SourceGone, Corrupt, Refused, Protocol]
        .into_iter()
        .find(|failure| *failure as u8 == number)
        .unwrap_or(Protocol)
}

const GET: u8 = 1;
const MANIFEST: u8 = 2;
const MANIFEST_END: u8 = 3;
const WANT: u8 = 4;
const PIECE: u8 = 5;
const LEAVES: u8 = 6;
const FILE_FAILED: u8 = 7;
const REFUSED: u8 = 8;
const CANCEL: u8 = 9;
const DONE: u8 = 10;
const ALIVE: u8 = 11;
const HAVE: u8 = 12;
const GOT: u8 = 13;
const SPREAD: u8 = 14;
const PEERS: u8 = 15;
const PAUSED: u8 = 16;
/// Never sent but to test that it is skipped.
const UNKNOWN: u8 = 255;

/// The piece is all zero bytes, and they are not sent.
const ZERO: u8 = 1;

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
