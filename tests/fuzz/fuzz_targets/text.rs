#![no_main]

use lanyard_proto::model::{EntryId, PeerId, RoomId, TransferId};
use lanyard_proto::rooms::{MAX_ROOM_NAME, normal_name};
use lanyard_proto::wire::text::{clean_line, clean_text, is_visible};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((most, rest)) = bytes.split_first() else { return };
    let (most, text) = (usize::from(*most), String::from_utf8_lossy(rest));
    let line = clean_line(&text, most);
    assert!(line.len() <= most && line.chars().all(is_visible), "{line:?}");
    assert_eq!(clean_line(&line, most), line, "of {text:?}");
    let several = clean_text(&text, most);
    assert!(several.len() <= most);
    assert!(several.chars().all(|c| matches!(c, '\n' | '\t') || is_visible(c)), "{several:?}");
    assert_eq!(clean_text(&several, most), several, "of {text:?}");
    if let Some(name) = normal_name(&text) {
        assert!(!name.is_empty() && name.len() <= MAX_ROOM_NAME);
        assert_eq!(normal_name(&name).as_ref(), Some(&name), "of {text:?}");
    }
    if let Some(peer) = PeerId::parse(&text) {
        assert_eq!(PeerId::parse(&peer.to_string()), Some(peer));
        assert_eq!(PeerId::parse(&peer.spelled()), Some(peer));
    }
    let reads_back = |read: Option<String>| assert!(read.is_none_or(|read| read == text));
    reads_back(EntryId::parse(&text).map(|id| id.to_string()));
    reads_back(RoomId::parse(&text).map(|id| id.to_string()));
    reads_back(TransferId::parse(&text).map(|id| id.to_string()));
});
