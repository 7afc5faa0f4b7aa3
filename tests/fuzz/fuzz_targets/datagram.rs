#![no_main]

use lanyard_proto::identity::Verifier;
use lanyard_proto::wire::call::{MAX_TALKERS, MAX_WISHES};
use lanyard_proto::wire::datagram::{
    Announcement, Carry, FRAGMENT_BYTES, MAX_CARRIED, MAX_ENTRIES, MAX_FRAGMENTS, MAX_HEADS, MAX_NAME, MAX_PIECES, MAX_WANTED,
    NetworkTag, RoomPacket, Unverified,
};
use lanyard_proto::wire::probe::Probe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(datagram) = Unverified::decode(bytes, NetworkTag::of("default")) {
        let claimed = *datagram.envelope();
        if let Ok((envelope, body)) = datagram.verify(&Verifier::default()) {
            assert_eq!(envelope, claimed);
            bodies(envelope.kind, body);
        }
    }
    if let Some((kind, body)) = bytes.split_first() {
        bodies(*kind, body);
    }
});

fn bodies(kind: u8, body: &[u8]) {
    if let Ok(said) = Announcement::decode(body) {
        assert!(said.name.len() <= MAX_NAME);
        assert_eq!(Announcement::decode(&said.encode()), Ok(said));
    }
    if let Ok(carry) = Carry::decode(body) {
        assert!(carry.datagram.len() <= MAX_CARRIED);
        assert_eq!(Carry::decode(&carry.encode()), Ok(carry));
    }
    if let Ok(probe) = Probe::decode(body) {
        assert_eq!(Probe::decode(&probe.encode()), Ok(probe));
    }
    if let Ok(packet) = RoomPacket::decode(kind, body) {
        match &packet {
            RoomPacket::Data { entries, heads } => {
                assert!(entries.len() <= MAX_ENTRIES && heads.len() <= MAX_HEADS);
                assert!(entries.iter().map(Vec::len).sum::<usize>() <= body.len());
            }
            RoomPacket::Heads(said) => assert!(said.heads.len() <= MAX_HEADS),
            RoomPacket::Nack { wanted, pieces } => {
                assert!(wanted.len() <= MAX_WANTED && pieces.len() <= MAX_PIECES);
            }
            RoomPacket::Fragment(piece) => {
                assert!(piece.bytes.len() <= FRAGMENT_BYTES && piece.index < piece.count);
                assert!(usize::from(piece.count) <= MAX_FRAGMENTS);
            }
            RoomPacket::Typing => {}
            RoomPacket::Call(said) => {
                assert!(said.known.len() <= MAX_TALKERS && said.wishes.len() <= MAX_WISHES);
            }
        }
        assert_eq!(packet.kind(), kind);
        assert_eq!(RoomPacket::decode(kind, &packet.encode()), Ok(packet));
    }
}
