//! One entry of a log: a fixed, signed header and a body that the header commits to.
//!
//! Separating the body by its hash lets a body be withheld or deleted while the chain stays verifiable.

use sha2::{Digest, Sha256};

use crate::identity::{Identity, Purpose, Verifier};
use crate::model::{EntryId, Hlc, LogId, PeerId, RoomId, Seq};
use crate::wire::codec::{DecodeError, Reader};

/// What the header says. Integers are big-endian on the wire, fields in this order, `body_len` before `body_hash`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub room: RoomId,
    pub author: PeerId,
    /// Random per database: a restored or cloned profile begins a new log instead of forking the old one.
    pub nonce: u64,
    /// Which room key sealed the body; 0 in open rooms.
    pub epoch: u32,
    pub seq: Seq,
    /// The id of the entry before; zeros for the first.
    pub prev: [u8; 32],
    pub hlc: Hlc,
    /// Entries of other logs that this one answers to; at most [`MAX_DEPS`].
    pub deps: Vec<(LogId, Seq)>,
    pub kind: u8,
}

/// An entry whose signature was verified, or that came from this device's own database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub header: Header,
    /// As it travels: sealed in private rooms.
    pub body: Vec<u8>,
    signature: [u8; 64],
    id: EntryId,
}

/// An entry as somebody sent it: well-formed, its body what the header says, its author not proven.
#[derive(Clone, Debug)]
pub struct Unverified(Entry);

impl Entry {
    /// Writes and signs an entry.
    ///
    /// # Panics
    /// If the body is longer than [`MAX_BODY`] or there are more than [`MAX_DEPS`] deps: callers check before.
    pub fn write(identity: &Identity, header: Header, body: Vec<u8>) -> Entry {
        assert!(body.len() <= MAX_BODY && header.deps.len() <= MAX_DEPS, "an entry has bounds");
        let encoded = header.encode(&body);
        let signature = identity.sign(Purpose::Entry, &[&encoded]);
        Entry { id: id_of(&encoded, &signature), header, body, signature }
    }

    pub fn id(&self) -> EntryId {
        self.id
    }

    pub fn log(&self) -> LogId {
        log_id(self.header.author, self.header.nonce)
    }

    /// Header, signature, body.
    pub fn encode(&self) -> Vec<u8> {
        [self.header.encode(&self.body).as_slice(), &self.signature, &self.body].concat()
    }

    /// As [`Entry::encode`], without the room, where the room is known from around it.
    pub fn encode_in_room(&self) -> Vec<u8> {
        let mut bytes = self.encode();
        bytes.drain(ROOM_AT..ROOM_AT + 32);
        bytes
    }

    /// Bytes of [`Entry::encode_in_room`].
    pub fn len_in_room(&self) -> usize {
        FIXED_LEN - 32 + 16 * self.header.deps.len() + 64 + self.body.len()
    }

    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// Reads what [`Entry::encode`] wrote, from this device's own database: what is there was verified before it was stored.
    ///
    /// # Errors
    /// If the database holds something else.
    pub fn from_store(bytes: &[u8]) -> Result<Entry, DecodeError> {
        Unverified::decode(bytes).map(|entry| entry.0)
    }
}

impl Unverified {
    /// Reads [`Entry::encode`], to the last byte.
    ///
    /// # Errors
    /// Anything but a well-formed entry.
    pub fn decode(bytes: &[u8]) -> Result<Unverified, DecodeError> {
        let mut reader = Reader::new(bytes);
        let prefix = reader.array::<ROOM_AT>()?;
        let room = RoomId(reader.array()?);
        Self::decode_rest(prefix, room, reader.rest())
    }

    /// Reads [`Entry::encode_in_room`], to the last byte.
    ///
    /// # Errors
    /// Anything but a well-formed entry.
    pub fn decode_in_room(room: RoomId, bytes: &[u8]) -> Result<Unverified, DecodeError> {
        let mut reader = Reader::new(bytes);
        let prefix = reader.array::<ROOM_AT>()?;
        Self::decode_rest(prefix, room, reader.rest())
    }

    fn decode_rest(prefix: [u8; ROOM_AT], room: RoomId, rest: &[u8]) -> Result<Unverified, DecodeError> {
        let mut reader = Reader::new(rest);
        let (header, body_len, body_hash) = Header::read(prefix, room, &mut reader)?;
        let signature = reader.array()?;
        let body = reader.take(body_len)?;
        reader.end()?;
        if body_len > MAX_BODY {
            return Err(DecodeError::TooLong);
        }
        if Sha256::digest(body) != body_hash {
            return Err(DecodeError::Malformed);
        }
        Ok(Unverified::of_parts(header, body.to_vec(), signature))
    }

    /// An entry whose parts came apart from each other. The caller keeps the bounds.
    pub fn of_parts(header: Header, body: Vec<u8>, signature: [u8; 64]) -> Unverified {
        let id = id_of(&header.encode(&body), &signature);
        Unverified(Entry { header, body, signature, id })
    }

    /// The entry's claimed id: enough to see that it is already known, before the signature is paid for.
    pub fn id(&self) -> EntryId {
        self.0.id
    }

    pub fn header(&self) -> &Header {
        &self.0.header
    }

    pub fn log(&self) -> LogId {
        self.0.log()
    }

    /// As it came: sealed in private rooms.
    pub fn body(&self) -> &[u8] {
        &self.0.body
    }

    /// Bytes of [`Entry::encode_in_room`].
    pub fn len_in_room(&self) -> usize {
        self.0.len_in_room()
    }

    /// Whether the other claims to come right behind this one in the same log.
    pub fn precedes(&self, other: &Unverified) -> bool {
        let (one, next) = (self.header(), other.header());
        one.author == next.author
            && one.nonce == next.nonce
            && one.seq.next() == next.seq
            && next.prev == self.id().0
    }

    /// The entry whose id an entry that is genuine names as the one before it: so its author signed it, too.
    pub fn chained(self) -> Entry {
        self.0
    }

    /// Checks the author's signature.
    ///
    /// # Errors
    /// [`DecodeError::Signature`] if the author did not sign it.
    pub fn verify(self, verifier: &Verifier) -> Result<Entry, DecodeError> {
        let encoded = self.0.header.encode(&self.0.body);
        if verifier.verify(self.0.header.author, Purpose::Entry, &[&encoded], &self.0.signature) {
            Ok(self.0)
        } else {
            Err(DecodeError::Signature)
        }
    }
}

/// A signed header without its body: enough to prove that its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub header: Header,
    /// Header and signature.
    bytes: Vec<u8>,
}

impl Signed {
    pub fn of(entry: &Entry) -> Signed {
        let bytes = [entry.header.encode(&entry.body).as_slice(), &entry.signature].concat();
        Signed { header: entry.header.clone(), bytes }
    }

    /// # Errors
    /// Anything but a well-formed header with a signature.
    pub fn decode(bytes: &[u8]) -> Result<Signed, DecodeError> {
        let mut reader = Reader::new(bytes);
        let prefix = reader.array::<ROOM_AT>()?;
        let room = RoomId(reader.array()?);
        let (header, ..) = Header::read(prefix, room, &mut reader)?;
        reader.array::<64>()?;
        reader.end()?;
        Ok(Signed { header, bytes: bytes.to_vec() })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The id of the entry whose header it is.
    pub fn id(&self) -> EntryId {
        EntryId(Sha256::digest(&self.bytes).into())
    }

    pub fn is_genuine(&self, verifier: &Verifier) -> bool {
        self.bytes.split_last_chunk::<64>().is_some_and(|(header, signature)| {
            verifier.verify(self.header.author, Purpose::Entry, &[header], signature)
        })
    }

    /// Whether no log can hold both: one place with two entries, or an entry that names another one before it.
    pub fn contradicts(&self, other: &Signed) -> bool {
        let (one, two) = (&self.header, &other.header);
        let same_log = (one.room, one.author, one.nonce) == (two.room, two.author, two.nonce);
        let disowns = |later: &Signed, earlier: &Signed| {
            earlier.header.seq.next() == later.header.seq && later.header.prev != earlier.id().0
        };
        let twice = one.seq == two.seq && self.id() != other.id();
        same_log && (twice || disowns(self, other) || disowns(other, self))
    }
}

impl Header {
    /// Everything up to the signature, with the length and the hash of the body.
    fn read(
        prefix: [u8; ROOM_AT],
        room: RoomId,
        reader: &mut Reader<'_>,
    ) -> Result<(Header, usize, [u8; 32]), DecodeError> {
        let [version, flags] = prefix;
        if version != VERSION || flags != 0 {
            return Err(DecodeError::Version);
        }
        let author = PeerId(reader.array()?);
        let nonce = reader.u64()?;
        let epoch = reader.u32()?;
        let seq = Seq(reader.u64()?);
        let prev = reader.array()?;
        let hlc = Hlc(reader.u64()?);
        let deps_len = usize::from(reader.u8()?);
        if deps_len > MAX_DEPS || seq == Seq(0) || seq > MAX_SEQ {
            return Err(DecodeError::Malformed);
        }
        let deps = (0..deps_len)
            .map(|_| Ok((LogId(reader.array()?), Seq(reader.u64()?))))
            .collect::<Result<_, _>>()?;
        let kind = reader.u8()?;
        let body_len = reader.u32()? as usize;
        let body_hash: [u8; 32] = reader.array()?;
        Ok((Header { room, author, nonce, epoch, seq, prev, hlc, deps, kind }, body_len, body_hash))
    }

    fn encode(&self, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_LEN + 16 * MAX_DEPS);
        bytes.extend([VERSION, 0]);
        bytes.extend(self.room.0);
        bytes.extend(self.author.0);
        bytes.extend(self.nonce.to_be_bytes());
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(self.seq.0.to_be_bytes());
        bytes.extend(self.prev);
        bytes.extend(self.hlc.0.to_be_bytes());
        bytes.push(self.deps.len() as u8);
        for (log, seq) in &self.deps {
            bytes.extend(log.0);
            bytes.extend(seq.0.to_be_bytes());
        }
        bytes.push(self.kind);
        bytes.extend((body.len() as u32).to_be_bytes());
        bytes.extend(Sha256::digest(body));
        bytes
    }
}

/// The log that a nonce of an author names.
pub fn log_id(author: PeerId, nonce: u64) -> LogId {
    let digest = Sha256::digest([author.0.as_slice(), &nonce.to_be_bytes()].concat());
    LogId(core::array::from_fn(|i| digest[i]))
}

fn id_of(header: &[u8], signature: &[u8; 64]) -> EntryId {
    EntryId(Sha256::new().chain_update(header).chain_update(signature).finalize().into())
}

/// What [`Entry::encode`] wrote, as [`Entry::encode_in_room`] would have; `None` if it is too short for that.
pub fn without_room(encoded: &[u8]) -> Option<Vec<u8>> {
    let (prefix, rest) = encoded.split_at_checked(ROOM_AT)?;
    Some([prefix, rest.get(32..)?].concat())
}

/// Version of the entry's layout.
const VERSION: u8 = 1;
/// Where the room stands in the header.
const ROOM_AT: usize = 2;
/// Bytes of a header without deps.
const FIXED_LEN: usize = 2 + 32 + 32 + 8 + 4 + 8 + 32 + 8 + 1 + 1 + 4 + 32;
/// The last place of a log: databases count no further.
pub const MAX_SEQ: Seq = Seq(i64::MAX as u64);
/// Bytes of the longest body: 34 fragments of a datagram, were it ever multicast.
pub const MAX_BODY: usize = 32_768;
/// Most entries that one can answer to.
pub const MAX_DEPS: usize = 4;
/// Bytes of the longest encoded entry.
pub const MAX_ENTRY: usize = FIXED_LEN + 16 * MAX_DEPS + 64 + MAX_BODY;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(body: &[u8], deps: usize) -> Entry {
        let ann = Identity::from_seed(&[1; 32]);
        let header = Header {
            room: RoomId([9; 32]),
            author: ann.peer_id(),
            nonce: 7,
            epoch: 0,
            seq: Seq(3),
            prev: [4; 32],
            hlc: Hlc(5 << 16),
            deps: vec![(LogId([1; 8]), Seq(2)); deps],
            kind: 1,
        };
        Entry::write(&ann, header, body.to_vec())
    }

    #[test]
    fn an_entry_reads_back_whole_and_without_its_room() {
        for deps in 0..=MAX_DEPS {
            let written = entry(b"tea?", deps);
            let read = Unverified::decode(&written.encode()).unwrap().verify(&Verifier::default()).unwrap();
            assert_eq!(read, written);
            let elided = written.encode_in_room();
            assert_eq!(elided.len(), written.len_in_room());
            let read = Unverified::decode_in_room(RoomId([9; 32]), &elided)
                .unwrap()
                .verify(&Verifier::default())
                .unwrap();
            assert_eq!(read, written);
        }
    }

    #[test]
    fn two_entries_that_no_log_can_hold_prove_it_by_their_headers() {
        let ann = Identity::from_seed(&[1; 32]);
        let write = |seq, prev: [u8; 32], body: &[u8]| {
            let header = Header { seq: Seq(seq), prev, ..entry(b"", 0).header };
            Entry::write(&ann, header, body.to_vec())
        };
        let first = write(1, [0; 32], b"tea?");
        let [one, other] = [b"yes", b"noo"].map(|body| write(2, first.id().0, body));
        let after_other = write(3, other.id().0, b"so be it");
        let signed = |entry: &Entry| Signed::decode(Signed::of(entry).bytes()).unwrap();
        assert_eq!(signed(&one).id(), one.id());
        assert!(signed(&one).is_genuine(&Verifier::default()));
        assert!(signed(&one).contradicts(&signed(&other)));
        assert!(
            signed(&one).contradicts(&signed(&after_other))
                && signed(&after_other).contradicts(&signed(&one))
        );
        for honest in
            [(&first, &one), (&first, &other), (&other, &after_other), (&first, &after_other), (&one, &one)]
        {
            assert!(!signed(honest.0).contradicts(&signed(honest.1)));
        }
        let mut forged = Signed::of(&one).bytes().to_vec();
        forged[50] ^= 1;
        assert!(!Signed::decode(&forged).unwrap().is_genuine(&Verifier::default()));
    }

    #[test]
    fn an_entry_moved_to_another_room_is_signed_by_nobody() {
        let bytes = entry(b"tea?", 1).encode_in_room();
        let moved = Unverified::decode_in_room(RoomId([8; 32]), &bytes).unwrap();
        assert_eq!(moved.verify(&Verifier::default()), Err(DecodeError::Signature));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = entry(b"tea?", 1).encode();
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(
                Unverified::decode(&flipped).and_then(|read| read.verify(&Verifier::default())).is_err(),
                "bit {at}"
            );
        }
    }

    #[test]
    fn the_longest_entry_fits_its_bound_and_a_longer_one_is_refused() {
        let longest = entry(&vec![0; MAX_BODY], MAX_DEPS).encode();
        assert_eq!(longest.len(), MAX_ENTRY);
        assert!(Unverified::decode(&longest).is_ok());
        assert_eq!(Unverified::decode(&longest[..longest.len() - 1]).unwrap_err(), DecodeError::Truncated);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Unverified::decode(&bytes);
            let _ = Unverified::decode_in_room(RoomId([0; 32]), &bytes);
        }
    }
}
