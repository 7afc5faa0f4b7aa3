//! Frames of a sync connection (ALPN `lanyard-sync/1`): a type byte and a CBOR body. The length before them is the
//! engine's affair.

use std::collections::BTreeSet;
use std::net::IpAddr;

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use crate::model::{LogId, RoomId, Seq, Span};
use crate::wire::codec::{DecodeError, at_most, from_cbor, to_cbor};
use crate::wire::datagram::{Head, HeldBody, MAX_DATAGRAM};
use crate::wire::door::Door;
use crate::wire::mail::Mail;
use crate::wire::probe::Probing;

/// What two devices say to each other over a sync connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The first of each side.
    Hello(Hello),
    /// What the sender holds of a room.
    Have(Have),
    /// Send me these entries: range by range, each from its end to its beginning.
    Want {
        room: RoomId,
        ranges: Vec<(LogId, Span)>,
        /// Another one for this room will follow, so the connection is still of use.
        more: bool,
        /// And, before those, every deed but these, which are here.
        deeds: Option<KnownDeeds>,
    },
    /// Entries, those of one log that follow each other in their order, as [`crate::wire::entry::Entry::encode_in_room`] writes them.
    Entries { room: RoomId, entries: Vec<Vec<u8>> },
    /// Entries that say who is in a private room, without the logs that they stand in: each is proven by its own signature.
    Deeds { room: RoomId, entries: Vec<Vec<u8>> },
    /// All that one `Want` asked for, and is here, was sent.
    Done { room: RoomId },
    /// Signed ANNOUNCE datagrams, for peers that multicast does not reach. Where one of somebody else came from is a hint.
    Announcements(Vec<Relayed>),
    /// Tell me who is here, and which open rooms you know of: answered by `Announcements`, if `roster`, and `Rooms`.
    Look { roster: bool },
    /// Open rooms that the sender is in or has heard of.
    Rooms(Vec<Listed>),
    /// Nothing to say; the connection is alive.
    Ping,
    /// About being let into a private room, and its keys.
    Door(Door),
    /// About what is kept for somebody who is away.
    Mail(Mail),
    /// A signed KNOCK datagram, of the sender or passed on by it: see [`crate::wire::detour::Knock`].
    Knock(Vec<u8>),
    /// Datagrams for whoever does not hear them by multicast.
    Passed(Passed),
    /// About what the network lets through.
    Probing(Probing),
}

/// What the sender holds of a room: all of it, or what changed since it last said so on this connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Have {
    pub room: RoomId,
    /// The most recently active first.
    pub logs: Vec<Head>,
    /// Say what you hold, in turn, all of it.
    pub ask: bool,
    /// As in [`crate::wire::datagram::Heads`].
    pub digest: [u8; 16],
    /// In a private room: first 16 bytes of SHA-256 over the ids of its deeds, in their order.
    pub deeds: Option<[u8; 16]>,
}

/// Beginnings of entry ids.
pub type KnownDeeds = BTreeSet<[u8; KNOWN_BYTES]>;

/// An announcement that is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    pub datagram: Vec<u8>,
    pub from: Option<IpAddr>,
}

/// What goes over a link because multicast does not pass between its ends, in one direction or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Signed HEADS, CALL and BYE of the sender, or heard by it. At most [`MAX_PASSED`].
    pub datagrams: Vec<Vec<u8>>,
    /// The sender hears nothing that the other side multicasts in rooms.
    pub unheard: bool,
}

/// An open room as somebody speaks of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// As the sender wrote it.
    pub name: String,
    /// Devices that were seen in it.
    pub members: u32,
    /// When somebody last wrote there, in milliseconds since 1970; 0 if that is not known.
    pub active: u64,
    /// Seconds since somebody was known to be in it.
    pub age: u32,
}

/// How a side wants to use the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    pub min_version: u8,
    pub max_version: u8,
    /// Keep the connection and pass new entries on at once: multicast may not connect us.
    pub standing: bool,
    /// In which run the sender is and how many datagrams it has sent: here nobody can repeat that.
    pub run: Option<(u64, u64)>,
    /// The sender hears the other side's announcements without this connection.
    pub hears: bool,
}

impl Frame {
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Frame::Hello(hello) => (HELLO, to_cbor(&HelloBody::from(*hello))),
            Frame::Have(Have { room, logs, ask, digest, deeds }) => {
                let logs = logs.iter().map(HeldBody::from).collect();
                let (ask, deeds) = (ask.then_some(true), deeds.map(Into::into));
                (HAVE, to_cbor(&HaveBody { room: room.0.into(), logs, ask, digest: (*digest).into(), deeds }))
            }
            Frame::Want { room, ranges, more, deeds } => {
                let ranges = ranges
                    .iter()
                    .map(|(log, span)| RangeBody { log: log.0.into(), after: span.after.0, to: span.to.0 })
                    .collect();
                let deeds =
                    deeds.as_ref().map(|known| known.iter().flatten().copied().collect::<Vec<_>>().into());
                (WANT, to_cbor(&WantBody { room: room.0.into(), ranges, more: more.then_some(true), deeds }))
            }
            Frame::Deeds { room, entries } => {
                let entries = entries.iter().map(|entry| entry.clone().into()).collect();
                (DEEDS, to_cbor(&EntriesBody { room: room.0.into(), entries }))
            }
            Frame::Entries { room, entries } => {
                let entries = entries.iter().map(|entry| entry.clone().into()).collect();
                (ENTRIES, to_cbor(&EntriesBody { room: room.0.into(), entries }))
            }
            Frame::Done { room } => (DONE, to_cbor(&DoneBody { room: room.0.into() })),
            Frame::Announcements(datagrams) => {
                let from = datagrams.iter().map(|relayed| relayed.from.map(|ip| ip.to_string())).collect();
                let datagrams = datagrams.iter().map(|relayed| relayed.datagram.clone().into()).collect();
                (ANNOUNCEMENTS, to_cbor(&AnnouncementsBody { datagrams, from: Some(from) }))
            }
            Frame::Look { roster } => (LOOK, to_cbor(&LookBody { roster: roster.then_some(true) })),
            Frame::Rooms(rooms) => {
                let rooms = rooms.iter().map(|room| ListedBody {
                    name: room.name.clone(),
                    members: room.members,
                    active: room.active,
                    age: room.age,
                });
                (ROOMS, to_cbor(&RoomsBody { rooms: rooms.collect() }))
            }
            Frame::Ping => (PING, Vec::new()),
            Frame::Door(door) => door.encode(),
            Frame::Mail(mail) => mail.encode(),
            Frame::Knock(datagram) => (KNOCK, to_cbor(&KnockBody { datagram: datagram.clone().into() })),
            Frame::Passed(Passed { datagrams, unheard }) => {
                let datagrams = datagrams.iter().map(|datagram| datagram.clone().into()).collect();
                (PASSED, to_cbor(&PassedBody { datagrams, unheard: unheard.then_some(true) }))
            }
            Frame::Probing(said) => said.encode(),
        };
        [&[kind], body.as_slice()].concat()
    }

    /// `None` for a type that this version does not know: it is passed over.
    ///
    /// # Errors
    /// If the body does not fit its type, or breaks a bound.
    pub fn decode(bytes: &[u8]) -> Result<Option<Frame>, DecodeError> {
        let (kind, body) = bytes.split_first().ok_or(DecodeError::Truncated)?;
        Ok(Some(match *kind {
            HELLO => Frame::Hello(from_cbor::<HelloBody>(body)?.into()),
            HAVE => {
                let said: HaveBody = from_cbor(body)?;
                let logs = at_most(said.logs, MAX_LOGS)?.into_iter().map(Head::from).collect();
                let (ask, digest) = (said.ask == Some(true), said.digest.into());
                let deeds = said.deeds.map(Into::into);
                Frame::Have(Have { room: RoomId(said.room.into()), logs, ask, digest, deeds })
            }
            WANT => {
                let said: WantBody = from_cbor(body)?;
                let ranges = at_most(said.ranges, MAX_WANTED)?.into_iter();
                let ranges = ranges.map(|range| {
                    (LogId(range.log.into()), Span { after: Seq(range.after), to: Seq(range.to) })
                });
                let (more, ranges) = (said.more == Some(true), ranges.collect());
                let deeds = said.deeds.map(|known| known_deeds(&known)).transpose()?;
                Frame::Want { room: RoomId(said.room.into()), ranges, more, deeds }
            }
            DEEDS => {
                let said: EntriesBody = from_cbor(body)?;
                let entries = at_most(said.entries, MAX_ENTRIES)?.into_iter().map(Vec::from).collect();
                Frame::Deeds { room: RoomId(said.room.into()), entries }
            }
            ENTRIES => {
                let said: EntriesBody = from_cbor(body)?;
                let entries = at_most(said.entries, MAX_ENTRIES)?.into_iter().map(Vec::from).collect();
                Frame::Entries { room: RoomId(said.room.into()), entries }
            }
            DONE => Frame::Done { room: RoomId(from_cbor::<DoneBody>(body)?.room.into()) },
            ANNOUNCEMENTS => {
                let said: AnnouncementsBody = from_cbor(body)?;
                let datagrams = at_most(said.datagrams, MAX_ANNOUNCEMENTS)?.into_iter();
                let from = at_most(said.from.unwrap_or_default(), MAX_ANNOUNCEMENTS)?;
                let from = from
                    .into_iter()
                    .map(|ip| ip.and_then(|ip| ip.parse().ok()))
                    .chain(std::iter::repeat(None));
                let relayed =
                    datagrams.zip(from).map(|(datagram, from)| Relayed { datagram: datagram.into(), from });
                Frame::Announcements(relayed.collect())
            }
            LOOK => Frame::Look { roster: from_cbor::<LookBody>(body)?.roster == Some(true) },
            ROOMS => {
                let said: RoomsBody = from_cbor(body)?;
                let rooms = at_most(said.rooms, MAX_LISTED)?.into_iter().map(|room| Listed {
                    name: room.name,
                    members: room.members,
                    active: room.active,
                    age: room.age,
                });
                Frame::Rooms(rooms.collect())
            }
            PING => Frame::Ping,
            KNOCK => {
                let said: KnockBody = from_cbor(body)?;
                Frame::Knock(at_most(said.datagram.into(), MAX_DATAGRAM)?)
            }
            PASSED => {
                let said: PassedBody = from_cbor(body)?;
                let datagrams = at_most(said.datagrams, MAX_PASSED)?.into_iter().map(Vec::from).collect();
                Frame::Passed(Passed { datagrams, unheard: said.unheard == Some(true) })
            }
            kind => {
                if let Some(door) = Door::decode(kind, body)? {
                    return Ok(Some(Frame::Door(door)));
                }
                return Ok(match Mail::decode(kind, body)? {
                    Some(mail) => Some(Frame::Mail(mail)),
                    None => Probing::decode(kind, body)?.map(Frame::Probing),
                });
            }
        }))
    }
}

fn known_deeds(bytes: &[u8]) -> Result<KnownDeeds, DecodeError> {
    let (known, []) = bytes.as_chunks() else { return Err(DecodeError::Malformed) };
    if known.len() > MAX_DEEDS { Err(DecodeError::TooLong) } else { Ok(known.iter().copied().collect()) }
}

impl From<Hello> for HelloBody {
    fn from(hello: Hello) -> HelloBody {
        let standing = hello.standing.then_some(true);
        let (boot, counter) = hello.run.unzip();
        let hears = hello.hears.then_some(true);
        let (min_version, max_version) = (hello.min_version, hello.max_version);
        HelloBody { min_version, max_version, standing, boot, counter, hears }
    }
}

impl From<HelloBody> for Hello {
    fn from(body: HelloBody) -> Hello {
        let standing = body.standing == Some(true);
        let run = body.boot.zip(body.counter);
        let hears = body.hears == Some(true);
        Hello { min_version: body.min_version, max_version: body.max_version, standing, run, hears }
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct HelloBody {
    #[n(0)]
    min_version: u8,
    #[n(1)]
    max_version: u8,
    #[n(2)]
    standing: Option<bool>,
    #[n(3)]
    boot: Option<u64>,
    #[n(4)]
    counter: Option<u64>,
    #[n(5)]
    hears: Option<bool>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct HaveBody {
    #[n(0)]
    room: ByteArray<32>,
    #[n(1)]
    logs: Vec<HeldBody>,
    #[n(2)]
    ask: Option<bool>,
    #[n(3)]
    digest: ByteArray<16>,
    #[n(4)]
    deeds: Option<ByteArray<16>>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct WantBody {
    #[n(0)]
    room: ByteArray<32>,
    #[n(1)]
    ranges: Vec<RangeBody>,
    #[n(2)]
    more: Option<bool>,
    /// One behind the other.
    #[n(3)]
    deeds: Option<ByteVec>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct RangeBody {
    #[n(0)]
    log: ByteArray<8>,
    #[n(1)]
    after: u64,
    #[n(2)]
    to: u64,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct EntriesBody {
    #[n(0)]
    room: ByteArray<32>,
    #[n(1)]
    entries: Vec<ByteVec>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct DoneBody {
    #[n(0)]
    room: ByteArray<32>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct AnnouncementsBody {
    #[n(0)]
    datagrams: Vec<ByteVec>,
    /// The address that each came from, as text.
    #[n(1)]
    from: Option<Vec<Option<String>>>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct LookBody {
    #[n(0)]
    roster: Option<bool>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct RoomsBody {
    #[n(0)]
    rooms: Vec<ListedBody>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct ListedBody {
    #[n(0)]
    name: String,
    #[n(1)]
    members: u32,
    #[n(2)]
    active: u64,
    #[n(3)]
    age: u32,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct KnockBody {
    #[n(0)]
    datagram: ByteVec,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct PassedBody {
    #[n(0)]
    datagrams: Vec<ByteVec>,
    #[n(1)]
    unheard: Option<bool>,
}

const HELLO: u8 = 1;
const HAVE: u8 = 2;
const ENTRIES: u8 = 3;
const DONE: u8 = 4;
const ANNOUNCEMENTS: u8 = 5;
const PING: u8 = 6;
const WANT: u8 = 7;
const LOOK: u8 = 8;
const ROOMS: u8 = 9;
const KNOCK: u8 = 10;
const PASSED: u8 = 11;
// 12 and 13 are those of [`Probing`].
/// Behind those of [`Door`].
const DEEDS: u8 = 37;

/// Bytes of a frame that carries several entries: enough to keep a link busy, little enough to answer quickly.
pub const ENTRIES_BYTES: usize = 64 * 1024;
/// Most deeds of a private room: each of its members let in, put out and let in again, and the keys of years. More would
/// make each new one cost more than a moment to fold.
pub const MAX_DEEDS: usize = 16_384;
/// By so much of its id a deed is named that is here: nobody finds one that is taken for another.
pub const KNOWN_BYTES: usize = 8;
/// Most entries in one frame.
pub const MAX_ENTRIES: usize = 512;
/// Most logs of one room.
pub const MAX_LOGS: usize = 16_384;
/// Most ranges in one question.
pub const MAX_WANTED: usize = 64;
/// Most rooms in one list.
pub const MAX_LISTED: usize = 256;
/// Most announcements in one frame.
pub const MAX_ANNOUNCEMENTS: usize = 1024;
/// Most datagrams that are passed in one frame.
pub const MAX_PASSED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_read_back() {
        let room = RoomId([4; 32]);
        let known: KnownDeeds = (0..MAX_DEEDS as u64).map(u64::to_be_bytes).collect();
        let head = Head { log: LogId([1; 8]), seq: Seq(9), base: Seq(3), check: Some(7) };
        let frames = [
            Frame::Hello(Hello { min_version: 1, max_version: 1, standing: true, run: None, hears: false }),
            Frame::Hello(Hello {
                min_version: 1,
                max_version: 1,
                standing: false,
                run: Some((7, u64::MAX)),
                hears: true,
            }),
            Frame::Have(Have {
                room,
                logs: vec![head; 100],
                ask: true,
                digest: [3; 16],
                deeds: Some([5; 16]),
            }),
            Frame::Have(Have { room, logs: vec![], ask: false, digest: [3; 16], deeds: None }),
            Frame::Want {
                room,
                ranges: vec![(LogId([1; 8]), head.span()); MAX_WANTED],
                more: true,
                deeds: None,
            },
            Frame::Want { room, ranges: vec![], more: false, deeds: Some(known.clone()) },
            Frame::Want { room, ranges: vec![], more: false, deeds: Some(KnownDeeds::new()) },
            Frame::Deeds { room, entries: vec![vec![7; 300]; 20] },
            Frame::Entries { room, entries: vec![vec![7; 300]; 20] },
            Frame::Done { room },
            Frame::Announcements(vec![
                Relayed { datagram: vec![1; 215], from: Some("10.0.0.7".parse().unwrap()) },
                Relayed { datagram: vec![2; 215], from: Some("fe80::1".parse().unwrap()) },
                Relayed { datagram: vec![3; 215], from: None },
            ]),
            Frame::Look { roster: true },
            Frame::Rooms(vec![
                Listed { name: "design".to_owned(), members: 3, active: 1 << 45, age: 60 };
                MAX_LISTED
            ]),
            Frame::Ping,
            Frame::Knock(vec![7; MAX_DATAGRAM]),
            Frame::Passed(Passed { datagrams: vec![vec![7; MAX_DATAGRAM]; MAX_PASSED], unheard: false }),
            Frame::Passed(Passed { datagrams: vec![], unheard: true }),
            Frame::Probing(Probing::Ask { port: 24417 }),
        ];
        for frame in frames {
            assert_eq!(Frame::decode(&frame.encode()), Ok(Some(frame)));
        }
        assert_eq!(Frame::decode(&[200, 1, 2]), Ok(None));
        assert_eq!(Frame::decode(&[]), Err(DecodeError::Truncated));
        let long = Frame::Knock(vec![7; MAX_DATAGRAM + 1]);
        assert_eq!(Frame::decode(&long.encode()), Err(DecodeError::TooLong));
        let many = Frame::Passed(Passed { datagrams: vec![vec![7]; MAX_PASSED + 1], unheard: false });
        assert_eq!(Frame::decode(&many.encode()), Err(DecodeError::TooLong));
        let more = (0..=MAX_DEEDS as u64).map(u64::to_be_bytes).collect();
        let beyond = Frame::Want { room, ranges: vec![], more: false, deeds: Some(more) };
        assert_eq!(Frame::decode(&beyond.encode()), Err(DecodeError::TooLong));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Frame::decode(&bytes);
        }
    }
}
