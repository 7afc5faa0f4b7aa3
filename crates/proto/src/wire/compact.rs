//! Entries as they travel in a room datagram: without what the receiver can tell from around them.
//!
//! ```text
//!   flags u8 | author[32] | nonce u64 | epoch u32 | seq u32 or u64 | prev[32] | hlc u64
//!   | ndeps u8, deps | kind u8 | body length u16 | signature[64] | body
//! ```
//!
//! The body's hash is never sent: the body is there. Everything left out is put back before anything is checked, so
//! the signature covers it as it covers the rest.

use crate::model::{Hlc, LogId, PeerId, RoomId, Seq};
use crate::wire::codec::{DecodeError, Reader};
use crate::wire::entry::{Entry, Header, MAX_BODY, MAX_DEPS, MAX_SEQ, Unverified};

/// What an entry may leave out because of another.
#[derive(Clone, Copy)]
struct Before<'a> {
    header: &'a Header,
    id: [u8; 32],
}

/// Packs entries of one room, in this order, into a datagram of `sender`.
pub struct Packer {
    sender: PeerId,
    last: Option<(Header, [u8; 32])>,
    packed: Vec<Vec<u8>>,
}

impl Packer {
    pub fn new(sender: PeerId) -> Packer {
        Packer { sender, last: None, packed: Vec::new() }
    }

    /// Bytes that the entry would take next.
    pub fn len_of(&self, entry: &Entry) -> usize {
        let flags = self.flags(entry);
        let mut len = FIXED_LEN + 16 * entry.header.deps.len() + entry.body.len();
        if flags & FOLLOWS == 0 {
            len += 8 + if flags & WIDE == 0 { 4 } else { 8 };
            len += if flags & BY_SENDER == 0 { 32 } else { 0 };
            len += if flags & EPOCH == 0 { 0 } else { 4 };
            len += if flags & FIRST == 0 { 32 } else { 0 };
        }
        len
    }

    pub fn push(&mut self, entry: &Entry) {
        let (header, flags) = (&entry.header, self.flags(entry));
        let mut bytes = Vec::with_capacity(self.len_of(entry));
        bytes.push(flags);
        if flags & FOLLOWS == 0 {
            if flags & BY_SENDER == 0 {
                bytes.extend(header.author.0);
            }
            bytes.extend(header.nonce.to_be_bytes());
            if flags & EPOCH != 0 {
                bytes.extend(header.epoch.to_be_bytes());
            }
            match u32::try_from(header.seq.0) {
                Ok(seq) => bytes.extend(seq.to_be_bytes()),
                Err(_) => bytes.extend(header.seq.0.to_be_bytes()),
            }
            if flags & FIRST == 0 {
                bytes.extend(header.prev);
            }
        }
        bytes.extend(header.hlc.0.to_be_bytes());
        bytes.push(header.deps.len() as u8);
        for (log, seq) in &header.deps {
            bytes.extend(log.0);
            bytes.extend(seq.0.to_be_bytes());
        }
        bytes.push(header.kind);
        // An entry's body is never longer than a u16 counts.
        bytes.extend((entry.body.len() as u16).to_be_bytes());
        bytes.extend(entry.signature());
        bytes.extend(&entry.body);
        self.packed.push(bytes);
        self.last = Some((header.clone(), entry.id().0));
    }

    pub fn count(&self) -> usize {
        self.packed.len()
    }

    pub fn finish(self) -> Vec<Vec<u8>> {
        self.packed
    }

    fn flags(&self, entry: &Entry) -> u8 {
        let header = &entry.header;
        let before = self.last.as_ref().map(|(header, id)| Before { header, id: *id });
        if before.is_some_and(|before| before.is_followed_by(header)) {
            return FOLLOWS;
        }
        let flag = |condition, flag| if condition { flag } else { 0 };
        flag(header.author == self.sender, BY_SENDER)
            | flag(header.epoch != 0, EPOCH)
            | flag(header.seq.0 > u64::from(u32::MAX), WIDE)
            | flag(header.prev == [0; 32], FIRST)
    }
}

/// Puts back what [`Packer`] left out, entry by entry. What cannot be read is an error in its place; nothing that
/// follows it by [`Packer`]'s rules can be read either.
pub fn unpack(room: RoomId, sender: PeerId, packed: &[Vec<u8>]) -> Vec<Result<Unverified, DecodeError>> {
    let mut read: Vec<Result<Unverified, DecodeError>> = Vec::with_capacity(packed.len());
    for bytes in packed {
        let before = match read.last() {
            Some(Ok(before)) => Some(Before { header: before.header(), id: before.id().0 }),
            _ => None,
        };
        let entry = unpack_one(room, sender, before, bytes);
        read.push(entry);
    }
    read
}

fn unpack_one(
    room: RoomId,
    sender: PeerId,
    before: Option<Before<'_>>,
    bytes: &[u8],
) -> Result<Unverified, DecodeError> {
    let mut reader = Reader::new(bytes);
    let flags = reader.u8()?;
    if flags & !(BY_SENDER | EPOCH | WIDE | FIRST | FOLLOWS) != 0
        || (flags & FOLLOWS != 0 && flags != FOLLOWS)
    {
        return Err(DecodeError::Version);
    }
    let (author, nonce, epoch, seq, prev) = if flags == FOLLOWS {
        let Before { header, id } = before.ok_or(DecodeError::Malformed)?;
        (header.author, header.nonce, header.epoch, Seq(header.seq.0.saturating_add(1)), id)
    } else {
        let author = if flags & BY_SENDER == 0 { PeerId(reader.array()?) } else { sender };
        let nonce = reader.u64()?;
        let epoch = if flags & EPOCH == 0 { 0 } else { reader.u32()? };
        let seq = if flags & WIDE == 0 { u64::from(reader.u32()?) } else { reader.u64()? };
        let prev = if flags & FIRST == 0 { reader.array()? } else { [0; 32] };
        (author, nonce, epoch, Seq(seq), prev)
    };
    let hlc = Hlc(reader.u64()?);
    let deps_len = usize::from(reader.u8()?);
    if deps_len > MAX_DEPS || seq == Seq(0) || seq > MAX_SEQ {
        return Err(DecodeError::Malformed);
    }
    let deps = (0..deps_len)
        .map(|_| Ok((LogId(reader.array()?), Seq(reader.u64()?))))
        .collect::<Result<_, DecodeError>>()?;
    let kind = reader.u8()?;
    let body_len = usize::from(reader.u16()?);
    let signature = reader.array()?;
    let body = reader.take(body_len)?;
    reader.end()?;
    if body_len > MAX_BODY {
        return Err(DecodeError::TooLong);
    }
    let header = Header { room, author, nonce, epoch, seq, prev, hlc, deps, kind };
    Ok(Unverified::of_parts(header, body.to_vec(), signature))
}

impl Before<'_> {
    fn is_followed_by(&self, header: &Header) -> bool {
        (self.header.author, self.header.nonce, self.header.epoch)
            == (header.author, header.nonce, header.epoch)
            && self.header.seq.next() == header.seq
            && self.id == header.prev
    }
}

/// The author is the sender of the datagram.
const BY_SENDER: u8 = 1;
/// The epoch is not 0.
const EPOCH: u8 = 2;
/// The place needs 8 bytes.
const WIDE: u8 = 4;
/// Nothing is before it.
const FIRST: u8 = 8;
/// It continues the log of the entry before it in the datagram.
const FOLLOWS: u8 = 16;
/// Bytes of what is never left out: flags, clock, number of deps, kind, body length, signature.
const FIXED_LEN: usize = 1 + 8 + 1 + 1 + 2 + 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, Verifier};
    use proptest::prelude::*;

    const ROOM: RoomId = RoomId([9; 32]);

    fn chain(seed: u8, from: u64, epoch: u32, bodies: &[Vec<u8>]) -> Vec<Entry> {
        let author = Identity::from_seed(&[seed; 32]);
        let mut prev = if from == 1 { [0; 32] } else { [5; 32] };
        let mut entries = Vec::new();
        for (n, body) in bodies.iter().enumerate() {
            let header = Header {
                room: ROOM,
                author: author.peer_id(),
                nonce: 7,
                epoch,
                seq: Seq(from + n as u64),
                prev,
                hlc: Hlc(11),
                deps: vec![(LogId([1; 8]), Seq(2)); n % 3],
                kind: 1,
            };
            let entry = Entry::write(&author, header, body.clone());
            prev = entry.id().0;
            entries.push(entry);
        }
        entries
    }

    fn packed(sender: PeerId, entries: &[Entry]) -> Vec<Vec<u8>> {
        let mut packer = Packer::new(sender);
        for entry in entries {
            let expected = packer.len_of(entry);
            packer.push(entry);
            assert_eq!(packer.packed.last().map(Vec::len), Some(expected));
        }
        packer.finish()
    }

    #[test]
    fn what_follows_in_the_same_datagram_is_less_than_half() {
        let entries = chain(1, 1, 0, &vec![vec![0; 20]; 3]);
        let own: Vec<usize> = packed(entries[0].header.author, &entries).iter().map(Vec::len).collect();
        assert_eq!(own, [89 + 20, 77 + 16 + 20, 77 + 32 + 20]);
        assert_eq!(entries[0].len_in_room(), 196 + 20);
    }

    #[test]
    fn an_entry_does_not_follow_what_could_not_be_read() {
        let entries = chain(1, 1, 0, &vec![vec![0; 20]; 2]);
        let sender = entries[0].header.author;
        let mut packed = packed(sender, &entries);
        packed[0][0] = 0xFF;
        let read = unpack(ROOM, sender, &packed);
        assert!(read.iter().all(Result::is_err));
    }

    proptest! {
        #[test]
        fn whatever_is_packed_is_unpacked_and_verifies(
            one in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5),
            other in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..4),
            from in prop::sample::select(vec![1, 2, u64::from(u32::MAX), MAX_SEQ.0 - 9]),
            epoch in 0u32..2,
            by_sender in any::<bool>(),
        ) {
            let entries: Vec<Entry> = [chain(1, from, epoch, &one), chain(2, 1, 0, &other)].concat();
            let sender = if by_sender { entries[0].header.author } else { PeerId([3; 32]) };
            let read = unpack(ROOM, sender, &packed(sender, &entries));
            for (read, entry) in read.into_iter().zip(&entries) {
                prop_assert_eq!(&read.unwrap().verify(&Verifier::default()).unwrap(), entry);
            }
        }

        #[test]
        fn nonsense_never_panics(packed in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5)) {
            let _ = unpack(ROOM, PeerId([3; 32]), &packed);
        }
    }
}
