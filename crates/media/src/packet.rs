//! What packets look like: pure, bounded, total.
//!
//! Numbers are little endian. A packet is a header in the clear and a sealed body (`seal`):
//!
//! ```text
//!  0  u8   version (1) in the high four bits, kind in the low four: 1 audio, 5 report
//!  1  u8   1 where the room's epoch is odd, else 0
//!  2  8    sender
//! 10  u8   stream: 0 the microphone, 255 reports
//! 11  u8   codec: 1 Opus, 0 in reports
//! 12  u32  number of the packet in its stream
//! 16  u32  frame: 20 ms each, on the sender's clock; 0 in reports
//! 20       sealed: the body, then 16 bytes of tag
//! ```

use thiserror::Error;

/// A device in a call's packets: the first eight bytes of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SenderId(pub [u8; 8]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub odd: bool,
    pub sender: SenderId,
    pub seq: u32,
    pub frame: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Audio,
    Report,
}

/// Not a packet of this version; nobody decides anything about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a packet of a call")]
pub struct Malformed;

impl Kind {
    /// Kind, stream and codec on the wire.
    fn bytes(self) -> (u8, u8, u8) {
        match self {
            Kind::Audio => (1, 0, 1),
            Kind::Report => (5, 255, 0),
        }
    }

    /// The stream whose packets are numbered together, as the nonce names it.
    pub(crate) fn stream(self) -> u8 {
        self.bytes().1
    }
}

impl Header {
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let (kind, stream, codec) = self.kind.bytes();
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = VERSION << 4 | kind;
        bytes[1] = u8::from(self.odd);
        bytes[2..10].copy_from_slice(&self.sender.0);
        bytes[10] = stream;
        bytes[11] = codec;
        bytes[12..16].copy_from_slice(&self.seq.to_le_bytes());
        bytes[16..].copy_from_slice(&self.frame.to_le_bytes());
        bytes
    }

    /// The header and what is sealed behind it.
    ///
    /// # Errors
    /// For another version, kind or length.
    pub fn decode(bytes: &[u8]) -> Result<(Header, &[u8]), Malformed> {
        if bytes.len() > PACKET_BYTES {
            return Err(Malformed);
        }
        let (head, sealed) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(Malformed)?;
        let kind = [Kind::Audio, Kind::Report].into_iter().find(|kind| {
            let (number, stream, codec) = kind.bytes();
            (head[0], head[10], head[11]) == (VERSION << 4 | number, stream, codec)
        });
        let kind = kind.ok_or(Malformed)?;
        if head[1] > 1 || sealed.len() < TAG_BYTES {
            return Err(Malformed);
        }
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let mut sender = [0; 8];
        sender.copy_from_slice(&head[2..10]);
        let header =
            Header { kind, odd: head[1] == 1, sender: SenderId(sender), seq: number(12), frame: number(16) };
        Ok((header, sealed))
    }
}

/// The body of an audio packet (RFC 2198 has the idea): `count`, then `distance` and `length` (u16) of each copy, the
/// copies, and the frame itself to the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audio<'a> {
    /// The frame's sound. Empty: from this frame on the sender is silent, and sends nothing.
    pub frame: &'a [u8],
    /// Earlier frames again, and how many frames earlier: 1..=`FARTHEST_COPY`, `MOST_COPIES` at the most, none empty.
    pub copies: Vec<(u8, &'a [u8])>,
}

impl<'a> Audio<'a> {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(self.copies.len()).expect("there are few copies")];
        for (distance, copy) in &self.copies {
            let length = u16::try_from(copy.len()).expect("a frame is short");
            bytes.push(*distance);
            bytes.extend(length.to_le_bytes());
        }
        self.copies.iter().for_each(|(_, copy)| bytes.extend(*copy));
        bytes.extend(self.frame);
        bytes
    }

    /// # Errors
    /// For too many copies, one that is empty or too far back, and lengths beyond the body.
    pub fn decode(bytes: &'a [u8]) -> Result<Audio<'a>, Malformed> {
        let (&count, mut rest) = bytes.split_first().ok_or(Malformed)?;
        if usize::from(count) > MOST_COPIES {
            return Err(Malformed);
        }
        let mut heads = Vec::new();
        for _ in 0..count {
            let (head, behind) = rest.split_first_chunk::<3>().ok_or(Malformed)?;
            let length = u16::from_le_bytes([head[1], head[2]]);
            if head[0] == 0 || head[0] > FARTHEST_COPY || length == 0 {
                return Err(Malformed);
            }
            heads.push((head[0], usize::from(length)));
            rest = behind;
        }
        let mut copies = Vec::new();
        for (distance, length) in heads {
            let (copy, behind) = rest.split_at_checked(length).ok_or(Malformed)?;
            copies.push((distance, copy));
            rest = behind;
        }
        Ok(Audio { frame: rest, copies })
    }
}

/// What a receiver says of one sender, for the seconds since its last reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reception {
    pub of: SenderId,
    /// Percent of its packets that did not come, rounded up, 0..=100.
    pub lost: u8,
    /// The longest run of packets that did not come.
    pub burst: u8,
}

/// The body of a report: `count`, then sender, loss and burst of each. One is sent a second, which says, too, that the
/// sender is there.
pub fn encode_report(receptions: &[Reception]) -> Vec<u8> {
    let told = &receptions[..receptions.len().min(MOST_RECEPTIONS)];
    let mut bytes = vec![u8::try_from(told.len()).expect("there are few")];
    for reception in told {
        bytes.extend(reception.of.0);
        bytes.extend([reception.lost, reception.burst]);
    }
    bytes
}

/// # Errors
/// For another length than is told, or a loss of more than everything.
pub fn decode_report(bytes: &[u8]) -> Result<Vec<Reception>, Malformed> {
    let (&count, rest) = bytes.split_first().ok_or(Malformed)?;
    let (entries, behind) = rest.as_chunks::<RECEPTION_BYTES>();
    if usize::from(count) != entries.len() || entries.len() > MOST_RECEPTIONS || !behind.is_empty() {
        return Err(Malformed);
    }
    let read = |entry: &[u8; RECEPTION_BYTES]| {
        let [a, b, c, d, e, f, g, h, lost, burst] = *entry;
        let of = SenderId([a, b, c, d, e, f, g, h]);
        if lost > 100 { Err(Malformed) } else { Ok(Reception { of, lost, burst }) }
    };
    entries.iter().map(read).collect()
}

pub const VERSION: u8 = 1;
pub const HEADER_BYTES: usize = 20;
pub const TAG_BYTES: usize = 16;
/// No packet is longer; it fits into every network's datagrams with the headers of IPv6, UDP and a tunnel.
pub const PACKET_BYTES: usize = 1_200;
pub const MOST_COPIES: usize = 3;
/// In frames of 20 ms.
pub const FARTHEST_COPY: u8 = 8;
/// Receivers report on so many senders at once; who is in a larger call reports on the first.
pub const MOST_RECEPTIONS: usize = 100;
const RECEPTION_BYTES: usize = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> Header {
        Header { kind: Kind::Audio, odd: true, sender: SenderId(*b"abcdefgh"), seq: 7, frame: 70_000 }
    }

    #[test]
    fn a_header_is_these_bytes() {
        let bytes = header().encode();
        assert_eq!(bytes[..12], *b"\x11\x01abcdefgh\x00\x01");
        assert_eq!(bytes[12..], [7, 0, 0, 0, 0x70, 0x11, 1, 0]);
        let packet = [&bytes[..], &[9; TAG_BYTES]].concat();
        assert_eq!(Header::decode(&packet), Ok((header(), &[9; TAG_BYTES][..])));
    }

    #[test]
    fn what_is_not_of_this_format_is_refused() {
        let good = [&header().encode()[..], &[0; TAG_BYTES]].concat();
        for (at, byte) in [(0, 0x21), (0, 0x12), (1, 2), (10, 1), (11, 2)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(Header::decode(&bad), Err(Malformed), "byte {at}");
        }
        assert_eq!(Header::decode(&good[..good.len() - 1]), Err(Malformed));
        assert_eq!(Header::decode(&[&good[..], &[0; PACKET_BYTES]].concat()), Err(Malformed));
    }

    #[test]
    fn a_full_report_fits_into_a_packet() {
        let one = Reception { of: SenderId([1; 8]), lost: 100, burst: 255 };
        let body = encode_report(&[one; MOST_RECEPTIONS + 1]);
        assert_eq!(decode_report(&body), Ok(vec![one; MOST_RECEPTIONS]));
        assert!(HEADER_BYTES + body.len() + TAG_BYTES <= PACKET_BYTES);
    }

    proptest! {
        #[test]
        fn bodies_come_out_as_they_went_in(
            frame in prop::collection::vec(any::<u8>(), 0..200),
            copies in prop::collection::vec((1..=FARTHEST_COPY, prop::collection::vec(any::<u8>(), 1..200)), 0..=MOST_COPIES),
        ) {
            let copies: Vec<_> = copies.iter().map(|(distance, copy)| (*distance, &copy[..])).collect();
            let audio = Audio { frame: &frame, copies };
            let bytes = audio.encode();
            prop_assert_eq!(Audio::decode(&bytes), Ok(audio));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(audio) = Audio::decode(&bytes) {
                prop_assert_eq!(audio.encode(), &bytes[..]);
            }
            if let Ok(report) = decode_report(&bytes) {
                prop_assert_eq!(encode_report(&report), &bytes[..]);
            }
            if let Ok((header, _)) = Header::decode(&bytes) {
                prop_assert_eq!(&header.encode()[..], &bytes[..HEADER_BYTES]);
            }
        }
    }
}
