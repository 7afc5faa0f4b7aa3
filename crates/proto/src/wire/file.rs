//! Frames of a file connection (ALPN `lanyard-file/1`), by which a receiver pulls one offer from a holder.
//!
//! ```text
//! receiver                                holder
//!   GET { transfer }              ->
//!                                 <-      MANIFEST pages, MANIFEST_END      (or REFUSED)
//!   WANT { spans, left }          ->
//!                                 <-      CHUNK … FILE_DONE, file by file   (or FILE_FAILED)
//!   WANT … or DONE { digest }     ->
//! ```
//!
//! A frame is its length (u32, big-endian, of what follows), a type byte, and a CBOR map with integer keys; a CHUNK has
//! its raw bytes behind the map. Unknown keys are skipped and unknown types are [`Frame::Unknown`], so that later
//! versions can add to this one. ALIVE comes from whichever side is busy hashing what need not be sent.
//!
//! A file is cut into chunks of [`CHUNK_BYTES`]. Each carries the SHA-256 chaining state behind it, so that it can be
//! checked alone when the state before it is known; the last one carries the SHA-256 of the whole file instead.

use minicbor::{Decode, Decoder, Encode};

use crate::model::TransferId;
use crate::transfer::Failure;

/// Bytes of every chunk but the last of a file.
pub const CHUNK_BYTES: usize = 1 << 20;
/// Bytes before the data of a chunk: length, type and map. The map of this version needs at most 70.
pub const MAX_CHUNK_HEAD: usize = 128;
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
/// Spans in one WANT.
pub const MAX_SPANS: usize = 1024;

/// A frame, borrowed from the bytes it was decoded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The first frame: what the receiver wants to pull.
    Get {
        transfer: TransferId,
    },
    /// Whole [`Item`]s, one behind the other. The items of all pages together are what [`crate::rooms::Offer::manifest`]
    /// is the SHA-256 of.
    Manifest {
        items: &'a [u8],
    },
    ManifestEnd,
    Want(Want),
    Chunk(Chunk<'a>),
    /// All chunks of a file were sent.
    FileDone(FileDone),
    /// A file cannot be sent.
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
    /// Of a later version: skip it.
    Unknown,
}

/// Which chunks to send, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Want {
    /// At most [`MAX_SPANS`].
    #[n(0)]
    pub spans: Vec<Span>,
    /// Bytes that the receiver still lacks of the whole offer. Only to be shown.
    #[n(1)]
    pub left: u64,
}

/// Files that follow each other in the manifest, folders not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Span {
    /// The first file; the first of the manifest is 0.
    #[n(0)]
    pub file: u32,
    /// How many files.
    #[n(1)]
    pub files: u32,
    /// The chunk of the first file from which to send; the others are sent whole.
    #[n(2)]
    pub chunk: u32,
}

/// A piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    pub file: u32,
    pub index: u32,
    /// The chaining state behind this chunk; of the last chunk, the SHA-256 of the file.
    pub state: [u8; 32],
    pub last: bool,
    pub data: Data<'a>,
}

/// What a chunk holds, 1 to [`CHUNK_BYTES`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    Bytes(&'a [u8]),
    /// This many zero bytes, which are not sent.
    Zeros(usize),
}

impl Data<'_> {
    /// Bytes of the file, sent or not.
    pub fn size(&self) -> usize {
        match self {
            Data::Bytes(bytes) => bytes.len(),
            Data::Zeros(size) => *size,
        }
    }
}

/// The end of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FileDone {
    #[n(0)]
    pub file: u32,
    /// Bytes.
    #[n(1)]
    pub size: u64,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub sha256: [u8; 32],
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
            Frame::Get { transfer } => put(into, GET, &GetBody { transfer: transfer.0 }),
            Frame::Manifest { items } => put(into, MANIFEST, &PageBody { items }),
            Frame::ManifestEnd => put(into, MANIFEST_END, &EmptyBody {}),
            Frame::Want(want) => put(into, WANT, want),
            Frame::Chunk(chunk) => {
                chunk.encode_head(into);
                if let Data::Bytes(bytes) = chunk.data {
                    into.extend_from_slice(bytes);
                }
            }
            Frame::FileDone(done) => put(into, FILE_DONE, done),
            Frame::FileFailed { file, failure } => {
                put(into, FILE_FAILED, &FailedBody { file: *file, failure: *failure as u8 });
            }
            Frame::Refused(refusal) => put(into, REFUSED, &RefusedBody { reason: refusal.number() }),
            Frame::Cancel => put(into, CANCEL, &EmptyBody {}),
            Frame::Done { digest } => put(into, DONE, &DoneBody { digest: *digest }),
            Frame::Alive => put(into, ALIVE, &EmptyBody {}),
            Frame::Unknown => put(into, UNKNOWN, &EmptyBody {}),
        }
    }

    /// Reads what follows the length.
    ///
    /// # Errors
    /// [`DecodeError`] where a known type does not have the shape it must have.
    pub fn decode(bytes: &'a [u8]) -> Result<Frame<'a>, DecodeError> {
        let (&kind, body) = bytes.split_first().ok_or(DecodeError::Malformed)?;
        if kind == CHUNK {
            return Chunk::decode(body).map(Frame::Chunk);
        }
        Ok(match kind {
            GET => Frame::Get { transfer: TransferId(minicbor::decode::<GetBody>(body)?.transfer) },
            MANIFEST => {
                let PageBody { items } = minicbor::decode(body)?;
                bounded(items.len(), MAX_PAGE)?;
                Frame::Manifest { items }
            }
            MANIFEST_END => Frame::ManifestEnd,
            WANT => {
                let want: Want = minicbor::decode(body)?;
                bounded(want.spans.len(), MAX_SPANS)?;
                Frame::Want(want)
            }
            FILE_DONE => Frame::FileDone(minicbor::decode(body)?),
            FILE_FAILED => {
                let FailedBody { file, failure } = minicbor::decode(body)?;
                Frame::FileFailed { file, failure: failure_of(failure) }
            }
            REFUSED => Frame::Refused(Refusal::of(minicbor::decode::<RefusedBody>(body)?.reason)),
            CANCEL => Frame::Cancel,
            DONE => Frame::Done { digest: minicbor::decode::<DoneBody>(body)?.digest },
            ALIVE => Frame::Alive,
            _ => Frame::Unknown,
        })
    }
}

impl<'a> Chunk<'a> {
    /// Appends everything but the data: at most [`MAX_CHUNK_HEAD`] bytes. The data must follow.
    ///
    /// Apart from [`Frame::encode`] so that a holder can read a file to where the data belongs and hash it there.
    pub fn encode_head(&self, into: &mut Vec<u8>) {
        let start = into.len();
        let (flags, follows) = match self.data {
            Data::Bytes(bytes) => (0, bytes.len()),
            Data::Zeros(_) => (ZERO, 0),
        };
        let flags = if self.last { flags | LAST } else { flags };
        let len = self.data.size() as u32;
        put(into, CHUNK, &ChunkBody { file: self.file, index: self.index, len, flags, state: self.state });
        set_length(into, start, follows);
    }

    fn decode(body: &'a [u8]) -> Result<Chunk<'a>, DecodeError> {
        let mut d = Decoder::new(body);
        let ChunkBody { file, index, len, flags, state } = d.decode()?;
        let rest = &body[d.position()..];
        let len = len as usize;
        bounded(len, CHUNK_BYTES)?;
        let last = flags & LAST != 0;
        let data = if flags & ZERO == 0 { Data::Bytes(rest) } else { Data::Zeros(len) };
        let wrong_rest = rest.len() != if flags & ZERO == 0 { len } else { 0 };
        if wrong_rest || len == 0 || (!last && len != CHUNK_BYTES) {
            return Err(DecodeError::Malformed);
        }
        Ok(Chunk { file, index, state, last, data })
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
struct ChunkBody {
    #[n(0)]
    file: u32,
    #[n(1)]
    index: u32,
    #[n(2)]
    len: u32,
    #[n(3)]
    flags: u8,
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    state: [u8; 32],
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
const CHUNK: u8 = 5;
const FILE_DONE: u8 = 6;
const FILE_FAILED: u8 = 7;
const REFUSED: u8 = 8;
const CANCEL: u8 = 9;
const DONE: u8 = 10;
const ALIVE: u8 = 11;
/// Never sent but to test that it is skipped.
const UNKNOWN: u8 = 255;

/// The chunk is all zero bytes, and they are not sent.
const ZERO: u8 = 1;
/// The last chunk of its file.
const LAST: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(frame: Frame<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        assert_eq!(length, bytes.len() - 4);
        assert_eq!(Frame::decode(&bytes[4..]), Ok(frame));
    }

    #[test]
    fn every_frame_reads_back_as_it_was_written() {
        round_trip(Frame::Get { transfer: TransferId([7; 16]) });
        round_trip(Frame::Manifest { items: &[1, 2, 3] });
        round_trip(Frame::ManifestEnd);
        round_trip(Frame::Want(Want { spans: vec![Span { file: 1, files: 2, chunk: 3 }], left: 9 }));
        round_trip(Frame::FileDone(FileDone { file: 1, size: 1 << 40, sha256: [9; 32] }));
        for failure in [Failure::SourceChanged, Failure::SourceGone] {
            round_trip(Frame::FileFailed { file: 3, failure });
        }
        round_trip(Frame::Refused(Refusal::NotOffered));
        round_trip(Frame::Refused(Refusal::Busy));
        round_trip(Frame::Cancel);
        round_trip(Frame::Done { digest: [1; 32] });
        round_trip(Frame::Alive);
        round_trip(Frame::Unknown);
    }

    #[test]
    fn the_head_of_a_chunk_fits_into_the_room_kept_for_it() {
        let data = vec![1; CHUNK_BYTES];
        let chunk =
            Chunk { file: u32::MAX, index: u32::MAX, state: [255; 32], last: true, data: Data::Bytes(&data) };
        let mut head = Vec::new();
        chunk.encode_head(&mut head);
        assert!(head.len() <= MAX_CHUNK_HEAD);
        assert!(head.len() - 4 + CHUNK_BYTES <= MAX_FRAME);
        round_trip(Frame::Chunk(chunk));
    }

    #[test]
    fn a_chunk_that_lies_about_its_length_is_malformed() {
        let mut bytes = Vec::new();
        let whole = Chunk { file: 0, index: 0, state: [0; 32], last: true, data: Data::Bytes(b"four") };
        Frame::Chunk(whole).encode(&mut bytes);
        assert_eq!(Frame::decode(&bytes[4..bytes.len() - 1]), Err(DecodeError::Malformed));
        bytes.push(0);
        assert_eq!(Frame::decode(&bytes[4..]), Err(DecodeError::Malformed));
    }

    #[test]
    fn only_the_last_chunk_of_a_file_may_be_short() {
        for data in [Data::Bytes(b"short"), Data::Zeros(5), Data::Zeros(0)] {
            let mut bytes = Vec::new();
            Frame::Chunk(Chunk { file: 0, index: 0, state: [0; 32], last: false, data }).encode(&mut bytes);
            assert_eq!(Frame::decode(&bytes[4..]), Err(DecodeError::Malformed));
        }
    }

    #[test]
    fn keys_of_a_later_version_are_skipped() {
        let mut bytes = vec![GET];
        let mut e = minicbor::Encoder::new(&mut bytes);
        e.map(2).unwrap().u8(0).unwrap().bytes(&[3; 16]).unwrap();
        e.u8(77).unwrap().array(2).unwrap().str("new").unwrap().null().unwrap();
        assert_eq!(Frame::decode(&bytes), Ok(Frame::Get { transfer: TransferId([3; 16]) }));
    }

    #[test]
    fn an_item_deeper_or_longer_than_allowed_is_refused() {
        let item = |components: Vec<String>| {
            let mut page = Vec::new();
            Item { components, size: 0, modified: None, kind: ItemKind::File }.encode(&mut page);
            Item::decode(&page).map(|(item, _)| item.components.len())
        };
        assert_eq!(item(vec!["x".into(); MAX_DEPTH]), Ok(MAX_DEPTH));
        assert_eq!(item(vec!["x".into(); MAX_DEPTH + 1]), Err(DecodeError::TooLong));
        assert_eq!(item(vec!["x".repeat(MAX_PATH_BYTES + 1)]), Err(DecodeError::TooLong));
        assert_eq!(item(vec![]), Err(DecodeError::Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..13) {
            let _ = Frame::decode(&bytes);
            let _ = Frame::decode(&[&[kind], bytes.as_slice()].concat());
            let _ = Item::decode(&bytes);
        }

        #[test]
        fn a_damaged_frame_is_an_error_or_a_frame_and_never_a_panic(
            at in 0usize..200, with: u8, data in prop::collection::vec(any::<u8>(), 1..99),
        ) {
            let mut bytes = Vec::new();
            let data = Data::Bytes(&data);
            Frame::Chunk(Chunk { file: 1, index: 2, state: [3; 32], last: true, data }).encode(&mut bytes);
            let at = 4 + at % (bytes.len() - 4);
            bytes[at] = with;
            let _ = Frame::decode(&bytes[4..]);
        }

        #[test]
        fn chunks_and_items_read_back(
            file: u32, index: u32, state: [u8; 32], data in prop::collection::vec(any::<u8>(), 1..999),
            components in prop::collection::vec("\\PC{1,9}", 1..9), size: u64, modified: Option<i64>,
        ) {
            round_trip(Frame::Chunk(Chunk { file, index, state, last: true, data: Data::Bytes(&data) }));
            round_trip(Frame::Chunk(Chunk { file, index, state, last: false, data: Data::Zeros(CHUNK_BYTES) }));
            let item = Item { components, size, modified, kind: ItemKind::Executable };
            let mut page = Vec::new();
            item.encode(&mut page);
            let length = page.len();
            page.push(0);
            prop_assert_eq!(Item::decode(&page), Ok((item, length)));
        }
    }
}
