#![no_main]

use lanyard_proto::wire::frame::Frame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(frame)) = Frame::decode(bytes) {
        if let Frame::Entries { entries: lists, .. } | Frame::Announcements(lists) = &frame {
            assert!(lists.iter().map(Vec::len).sum::<usize>() <= bytes.len());
        }
        assert_eq!(Frame::decode(&frame.encode()), Ok(Some(frame)));
    }
});
