//! UDP datagrams: a signed envelope, and what is in it.
//!
//! ```text
//!   0 "LNY1" | 4 version | 5 kind | 6 body length u16 | 8 boot u64 | 16 counter u64 | 24 network tag | 28 sender[32]
//!  60 body | signature[64] over everything before it
//! ```
//!
//! Cheap checks come first, so that a flood of foreign bytes costs nothing but the reading.

mod announcement;
mod carry;
pub mod kind;

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::identity::{Identity, Purpose, Verifier};
use crate::model::{LogId, PeerId, Seq, Span};
use crate::wire::call::Call;
use crate::wire::codec::{DecodeError, Reader, at_most, from_cbor, to_cbor};

pub use announcement::{Announcement, Query};
pub(super) use carry::address;
pub use carry::{Carry, MAX_CARRIED};

/// Which network a datagram belongs to: a cheap filter, not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkTag(pub [u8; 4]);

impl NetworkTag {
    pub fn of(network: &str) -> NetworkTag {
        let digest = Sha256::digest([b"lanyard-net", network.as_bytes()].concat());
        NetworkTag(core::array::from_fn(|i| digest[i]))
    }
}

/// The fixed part of a datagram, in front of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub kind: u8,
    pub boot: u64,
    pub counter: u64,
    pub network: NetworkTag,
    pub sender: PeerId,
}

impl Envelope {
    /// The 60 bytes in front of a body of this length; also the associated data of sealed bodies.
    pub fn encode(&self, body_len: usize) -> [u8; ENVELOPE_LEN] {
        let mut bytes = [0; ENVELOPE_LEN];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = VERSION;
        bytes[5] = self.kind;
        bytes[6..8].copy_from_slice(&(body_len as u16).to_be_bytes());
        bytes[8..16].copy_from_slice(&self.boot.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.counter.to_be_bytes());
        bytes[24..28].copy_from_slice(&self.network.0);
        bytes[28..60].copy_from_slice(&self.sender.0);
        bytes
    }

    /// The whole datagram, signed.
    ///
    /// # Panics
    /// If the body is longer than [`MAX_BODY`]: whoever builds a body fills it up to that at the most.
    pub fn sign(&self, identity: &Identity, body: &[u8]) -> Vec<u8> {
        assert!(body.len() <= MAX_BODY, "a datagram has bounds");
        let head = self.encode(body.len());
        let signature = identity.sign(Purpose::Datagram, &[&head, body]);
        [head.as_slice(), body, &signature].concat()
    }
}

/// A datagram that looks like one of ours; nobody has proven to have sent it.
#[derive(Clone, Copy, Debug)]
pub struct Unverified<'a> {
    envelope: Envelope,
    bytes: &'a [u8],
    signed: &'a [u8],
    signature: &'a [u8; 64],
}

impl<'a> Unverified<'a> {
    /// Takes the envelope apart.
    ///
    /// # Errors
    /// Whatever is not a datagram of this version and network.
    pub fn decode(bytes: &'a [u8], network: NetworkTag) -> Result<Unverified<'a>, DecodeError> {
        if bytes.len() < ENVELOPE_LEN + 64 {
            return Err(DecodeError::Truncated);
        }
        if bytes.len() > MAX_DATAGRAM {
            return Err(DecodeError::TooLong);
        }
        let mut reader = Reader::new(bytes);
        if reader.take(4)? != MAGIC {
            return Err(DecodeError::Foreign);
        }
        if reader.u8()? != VERSION {
            return Err(DecodeError::Version);
        }
        let kind = reader.u8()?;
        let body_len = usize::from(reader.u16()?);
        let envelope = Envelope {
            kind,
            boot: reader.u64()?,
            counter: reader.u64()?,
            network: NetworkTag(reader.array()?),
            sender: PeerId(reader.array()?),
        };
        if envelope.network != network {
            return Err(DecodeError::OtherNetwork);
        }
        let (signed, signature) = bytes.split_last_chunk::<64>().ok_or(DecodeError::Truncated)?;
        if signed.len() != ENVELOPE_LEN + body_len {
            return Err(DecodeError::Malformed);
        }
        Ok(Unverified { envelope, bytes, signed, signature })
    }

    /// All of it, as it came.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What it claims about itself: enough to drop replays before the signature is paid for.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The envelope and the body, once the sender's signature is checked.
    ///
    /// # Errors
    /// [`DecodeError::Signature`] if the sender did not sign it.
    pub fn verify(self, verifier: &Verifier) -> Result<(Envelope, &'a [u8]), DecodeError> {
        if verifier.verify(self.envelope.sender, Purpose::Datagram, &[self.signed], self.signature) {
            Ok((self.envelope, &self.signed[ENVELOPE_LEN..]))
        } else {
            Err(DecodeError::Signature)
        }
    }
}

/// What a datagram says inside a room, after the room's tag and, in sealed rooms, after unsealing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomPacket {
    /// Entries as [`crate::wire::compact::Packer`] writes them, and recent heads.
    Data { entries: Vec<Vec<u8>>, heads: Vec<(LogId, Seq)> },
    /// What the sender holds.
    Heads(Heads),
    /// What the sender misses: `count` entries of a log from a place on, and pieces of entries.
    Nack { wanted: Vec<Wanted>, pieces: Vec<Pieces> },
    /// A piece of an entry that does not fit one packet.
    Fragment(Fragment),
    /// Somebody is writing at the sender's.
    Typing,
    /// The sender is in a call, has left it, or does not want to be in it.
    Call(Call),
}

/// What the sender of a room packet holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heads {
    /// First 16 bytes of SHA-256 over all logs' (id, seq, head id), sorted.
    pub digest: [u8; 16],
    /// How many logs the digest speaks of.
    pub logs: u32,
    /// The most recently active logs; at most [`MAX_HEADS`].
    pub heads: Vec<Head>,
    /// The sender wrote something too large for datagrams: fetch it over TCP.
    pub fetch: bool,
    /// Of some log the sender holds less than everything up to its head: an equal digest says nothing of what is below.
    pub partial: bool,
}

/// What somebody holds of a log: everything behind `base`, up to `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub log: LogId,
    pub seq: Seq,
    pub base: Seq,
    /// The beginning of the id of the entry at `seq`, where it is said: two who differ in it hold a log that
    /// contradicts itself.
    pub check: Option<u32>,
}

impl Head {
    pub fn span(&self) -> Span {
        Span { after: self.base, to: self.seq }
    }
}

/// A piece of an entry as [`crate::wire::entry::Entry::encode_in_room`] writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    pub log: LogId,
    pub seq: Seq,
    /// The beginning of the entry's id.
    pub id: [u8; 8],
    pub index: u8,
    /// 2 to [`MAX_FRAGMENTS`].
    pub count: u8,
    /// At most [`FRAGMENT_BYTES`].
    pub bytes: Vec<u8>,
}

/// Pieces of an entry, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces {
    pub log: LogId,
    pub seq: Seq,
    pub missing: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub log: LogId,
    pub from: Seq,
    pub count: u32,
}

impl RoomPacket {
    /// The kind that stands in the envelope.
    pub fn kind(&self) -> u8 {
        match self {
            RoomPacket::Data { .. } => kind::DATA,
            RoomPacket::Heads(_) => kind::HEADS,
            RoomPacket::Nack { .. } => kind::NACK,
            RoomPacket::Fragment(_) => kind::FRAGMENT,
            RoomPacket::Typing => kind::TYPING,
            RoomPacket::Call(_) => kind::CALL,
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        match self {
            RoomPacket::Data { entries, heads } => to_cbor(&DataBody {
                entries: entries.iter().map(|entry| entry.clone().into()).collect(),
                heads: heads.iter().map(head_to_body).collect(),
            }),
            RoomPacket::Heads(heads) => to_cbor(&HeadsBody {
                digest: heads.digest.into(),
                logs: heads.logs,
                heads: heads.heads.iter().map(HeldBody::from).collect(),
                fetch: heads.fetch.then_some(true),
                partial: heads.partial.then_some(true),
            }),
            RoomPacket::Nack { wanted, pieces } => to_cbor(&NackBody {
                wanted: wanted
                    .iter()
                    .map(|w| WantedBody { log: w.log.0.into(), from: w.from.0, count: w.count })
                    .collect(),
                pieces: (!pieces.is_empty()).then(|| {
                    let body = pieces.iter().map(|p| PiecesBody {
                        log: p.log.0.into(),
                        seq: p.seq.0,
                        missing: p.missing,
                    });
                    body.collect()
                }),
            }),
            RoomPacket::Fragment(piece) => to_cbor(&FragmentBody {
                log: piece.log.0.into(),
                seq: piece.seq.0,
                id: piece.id.into(),
                index: piece.index,
                count: piece.count,
                bytes: piece.bytes.clone().into(),
            }),
            RoomPacket::Typing => to_cbor(&TypingBody {}),
            RoomPacket::Call(call) => call.encode(),
        }
    }

    /// # Errors
    /// If the body is not of this kind, or breaks a bound.
    pub fn decode(kind: u8, body: &[u8]) -> Result<RoomPacket, DecodeError> {
        match kind {
            kind::DATA => {
                let data: DataBody = from_cbor(body)?;
                let entries = at_most(data.entries, MAX_ENTRIES)?.into_iter().map(Vec::from).collect();
                let heads = heads_from_body(data.heads)?;
                Ok(RoomPacket::Data { entries, heads })
            }
            kind::HEADS => {
                let said: HeadsBody = from_cbor(body)?;
                let heads = at_most(said.heads, MAX_HEADS)?.into_iter().map(Head::from).collect();
                Ok(RoomPacket::Heads(Heads {
                    digest: said.digest.into(),
                    logs: said.logs,
                    heads,
                    fetch: said.fetch == Some(true),
                    partial: said.partial == Some(true),
                }))
            }
            kind::NACK => {
                let nack: NackBody = from_cbor(body)?;
                let wanted = at_most(nack.wanted, MAX_WANTED)?
                    .into_iter()
                    .map(|w| Wanted { log: LogId(w.log.into()), from: Seq(w.from), count: w.count })
                    .collect();
                let pieces = at_most(nack.pieces.unwrap_or_default(), MAX_PIECES)?
                    .into_iter()
                    .map(|p| Pieces { log: LogId(p.log.into()), seq: Seq(p.seq), missing: p.missing })
                    .collect();
                Ok(RoomPacket::Nack { wanted, pieces })
            }
            kind::FRAGMENT => {
                let body: FragmentBody = from_cbor(body)?;
                let bytes = at_most(Vec::from(body.bytes), FRAGMENT_BYTES)?;
                if !(2..=MAX_FRAGMENTS).contains(&usize::from(body.count)) || body.index >= body.count {
                    return Err(DecodeError::Malformed);
                }
                let (log, seq, id) = (LogId(body.log.into()), Seq(body.seq), body.id.into());
                let (index, count) = (body.index, body.count);
                Ok(RoomPacket::Fragment(Fragment { log, seq, id, index, count, bytes }))
            }
            kind::TYPING => from_cbor::<TypingBody>(body).map(|TypingBody {}| RoomPacket::Typing),
            kind::CALL => Call::decode(body).map(RoomPacket::Call),
            _ => Err(DecodeError::Foreign),
        }
    }
}

fn head_to_body((log, seq): &(LogId, Seq)) -> HeadBody {
    HeadBody { log: log.0.into(), seq: seq.0 }
}

fn heads_from_body(heads: Vec<HeadBody>) -> Result<Vec<(LogId, Seq)>, DecodeError> {
    Ok(at_most(heads, MAX_HEADS)?.into_iter().map(|head| (LogId(head.log.into()), Seq(head.seq))).collect())
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct DataBody {
    #[n(0)]
    entries: Vec<minicbor::bytes::ByteVec>,
    #[n(1)]
    heads: Vec<HeadBody>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct HeadsBody {
    #[n(0)]
    digest: minicbor::bytes::ByteArray<16>,
    #[n(1)]
    logs: u32,
    #[n(2)]
    heads: Vec<HeldBody>,
    #[n(3)]
    fetch: Option<bool>,
    #[n(4)]
    partial: Option<bool>,
}

/// A head with the place below which something is missing, if anything is. Also part of the frame HAVE.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(super) struct HeldBody {
    #[n(0)]
    log: minicbor::bytes::ByteArray<8>,
    #[n(1)]
    seq: u64,
    #[n(2)]
    base: Option<u64>,
    #[n(3)]
    check: Option<u32>,
}

impl From<&Head> for HeldBody {
    fn from(head: &Head) -> HeldBody {
        let base = (head.base > Seq(0)).then_some(head.base.0);
        HeldBody { log: head.log.0.into(), seq: head.seq.0, base, check: head.check }
    }
}

impl From<HeldBody> for Head {
    fn from(body: HeldBody) -> Head {
        let (seq, base) = (Seq(body.seq), Seq(body.base.unwrap_or(0)));
        Head { log: LogId(body.log.into()), seq, base, check: body.check }
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct HeadBody {
    #[n(0)]
    log: minicbor::bytes::ByteArray<8>,
    #[n(1)]
    seq: u64,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct NackBody {
    #[n(0)]
    wanted: Vec<WantedBody>,
    #[n(1)]
    pieces: Option<Vec<PiecesBody>>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct PiecesBody {
    #[n(0)]
    log: minicbor::bytes::ByteArray<8>,
    #[n(1)]
    seq: u64,
    #[n(2)]
    missing: u16,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct FragmentBody {
    #[n(0)]
    log: minicbor::bytes::ByteArray<8>,
    #[n(1)]
    seq: u64,
    #[n(2)]
    id: minicbor::bytes::ByteArray<8>,
    #[n(3)]
    index: u8,
    #[n(4)]
    count: u8,
    #[n(5)]
    bytes: minicbor::bytes::ByteVec,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WantedBody {
    #[n(0)]
    log: minicbor::bytes::ByteArray<8>,
    #[n(1)]
    from: u64,
    #[n(2)]
    count: u32,
}

/// Nothing is said but that.
#[derive(Encode, Decode)]
#[cbor(map)]
struct TypingBody {}

const MAGIC: &[u8; 4] = b"LNY1";
const VERSION: u8 = 1;
/// Bytes in front of the body.
pub const ENVELOPE_LEN: usize = 60;
/// Bytes of a whole datagram: fits every link's MTU with IPv6, UDP and tunnel headers (RFC 8200 asks for 1280).
pub const MAX_DATAGRAM: usize = 1200;
/// Bytes of the longest body.
pub const MAX_BODY: usize = MAX_DATAGRAM - ENVELOPE_LEN - 64;
/// Bytes of a device's name.
pub const MAX_NAME: usize = 48;
/// Most heads in one packet.
pub const MAX_HEADS: usize = 48;
/// Most entries in one packet; the smallest takes about 80 bytes.
pub const MAX_ENTRIES: usize = 12;
/// Most ranges in one nack, and most entries of which it wants pieces.
pub const MAX_WANTED: usize = 40;
pub const MAX_PIECES: usize = 8;
/// Bytes of an entry in one fragment at most: as much as a sealed packet holds.
pub const FRAGMENT_BYTES: usize = 960;
/// Most fragments of one entry: 8 KiB and the header. Larger ones travel over TCP.
pub const MAX_FRAGMENTS: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Platform;
    use crate::wire::avatar::Avatar;
    use proptest::prelude::*;

    fn envelope(ann: &Identity) -> Envelope {
        Envelope {
            kind: kind::ANNOUNCE,
            boot: 1,
            counter: 2,
            network: NetworkTag::of("default"),
            sender: ann.peer_id(),
        }
    }

    #[test]
    fn a_datagram_is_believed_only_as_its_sender_signed_it() {
        let ann = Identity::from_seed(&[1; 32]);
        let sent = envelope(&ann).sign(&ann, b"hello");
        let (read, body) = Unverified::decode(&sent, NetworkTag::of("default"))
            .unwrap()
            .verify(&Verifier::default())
            .unwrap();
        assert_eq!((read, body), (envelope(&ann), b"hello".as_slice()));
        for bit in 0..sent.len() * 8 {
            let mut forged = sent.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let believed = Unverified::decode(&forged, NetworkTag::of("default"))
                .and_then(|read| read.verify(&Verifier::default()));
            assert!(believed.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_datagram_of_another_network_or_length_is_dropped_before_its_signature() {
        let ann = Identity::from_seed(&[1; 32]);
        let sent = envelope(&ann).sign(&ann, b"hello");
        let dropped = |bytes: &[u8], network| Unverified::decode(bytes, NetworkTag::of(network)).unwrap_err();
        assert_eq!(dropped(&sent, "other"), DecodeError::OtherNetwork);
        assert_eq!(dropped(&sent[..sent.len() - 1], "default"), DecodeError::Malformed);
        assert_eq!(dropped(&sent[..60], "default"), DecodeError::Truncated);
        assert_eq!(dropped(&[&sent[..], &[0; 1200]].concat(), "default"), DecodeError::TooLong);
        assert_eq!(dropped(&[b"XXXX".as_slice(), &sent[4..]].concat(), "default"), DecodeError::Foreign);
    }

    #[test]
    fn packets_read_back() {
        let head = |base| Head { log: LogId([1; 8]), seq: Seq(u64::MAX), base: Seq(base), check: None };
        let heads = |heads| Heads { digest: [7; 16], logs: 3, heads, fetch: true, partial: true };
        let packets = [
            RoomPacket::Data {
                entries: vec![vec![1; 300], vec![2; 400]],
                heads: vec![(LogId([1; 8]), Seq(u64::MAX)); 8],
            },
            RoomPacket::Heads(heads(vec![head(0); MAX_HEADS])),
            RoomPacket::Heads(heads([vec![head(u64::MAX - 1); MAX_HEADS / 2], vec![head(0); 3]].concat())),
            RoomPacket::Nack {
                wanted: vec![Wanted { log: LogId([3; 8]), from: Seq(9), count: 80 }; MAX_WANTED],
                pieces: vec![Pieces { log: LogId([3; 8]), seq: Seq(9), missing: 511 }; MAX_PIECES],
            },
            RoomPacket::Fragment(Fragment {
                log: LogId([3; 8]),
                seq: Seq(u64::MAX),
                id: [4; 8],
                index: 8,
                count: 9,
                bytes: vec![5; FRAGMENT_BYTES],
            }),
            RoomPacket::Typing,
        ];
        let complete = RoomPacket::Heads(heads(vec![head(0)])).encode().len();
        assert_eq!(
            RoomPacket::Heads(heads(vec![head(1)])).encode().len(),
            complete + 1,
            "no base costs nothing"
        );
        for packet in packets {
            let body = packet.encode();
            assert!(body.len() <= MAX_BODY - 64, "{} bytes", body.len());
            assert_eq!(RoomPacket::decode(packet.kind(), &body), Ok(packet));
        }
    }

    #[test]
    fn an_announcement_reads_back_and_its_name_is_made_safe() {
        let said = Announcement::new("Ana\u{202E}", Platform::Linux, 24417, 10, 3, Query::Yes);
        let read = Announcement::decode(&said.encode()).unwrap();
        assert_eq!((read.name.as_str(), read.platform(), read.query()), ("Ana", Platform::Linux, Query::Yes));
    }

    #[test]
    fn an_avatar_is_announced_and_what_is_none_makes_no_announcement_worse() {
        let said = Announcement::new("Ana", Platform::Linux, 24417, 10, 3, Query::No);
        assert_eq!(Announcement::decode(&said.encode()).unwrap().avatar(), None);
        let fox = Avatar::new(3, "🦊");
        let with_fox = said.clone().with_avatar(fox.as_ref());
        assert!(with_fox.encode().len() <= said.encode().len() + 2 + 2 + 4);
        assert_eq!(Announcement::decode(&with_fox.encode()).unwrap().avatar(), fox);
        for (color, emoji) in [(200u8, "🦊"), (3, "Admin")] {
            let mut body = said.encode();
            // A map of two fields more, of which one makes no sense.
            body[0] += 2;
            body.extend([9].into_iter().chain(minicbor::to_vec(color).unwrap()));
            body.extend([10].into_iter().chain(minicbor::to_vec(emoji).unwrap()));
            let read = Announcement::decode(&body).unwrap();
            assert_eq!((read.avatar(), read.name.as_str()), (None, "Ana"));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, kind: u8) {
            let _ = Unverified::decode(&bytes, NetworkTag::of("default"));
            let _ = Announcement::decode(&bytes);
            let _ = RoomPacket::decode(kind, &bytes);
        }
    }
}
