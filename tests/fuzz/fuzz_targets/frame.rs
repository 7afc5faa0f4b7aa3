#![no_main]

use lanyard_proto::wire::compare::Compare;
use lanyard_proto::wire::frame::Frame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(said) = Compare::decode(bytes) {
        assert_eq!(Compare::decode(&said.encode()), Ok(said));
    }
    if let Ok(Some(frame)) = Frame::decode(bytes) {
        let read: usize = match &frame {
            Frame::Entries { entries, .. } => entries.iter().map(Vec::len).sum(),
            Frame::Announcements(relayed) => relayed.iter().map(|one| one.datagram.len()).sum(),
            _ => 0,
        };
        assert!(read <= bytes.len());
        assert_eq!(Frame::decode(&frame.encode()), Ok(Some(frame)));
    }
});
