#![no_main]

use lanyard_proto::rooms::Invite;
use lanyard_proto::trust::{link, read_link};
use lanyard_proto::wire::compare::Compare;
use lanyard_proto::wire::detour::{CALL_BYTES, Call, Knock, Meet};
use libfuzzer_sys::fuzz_target;

// What people hand each other, and what two devices say before they are in a room together.
fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(invite) = Invite::parse(&text) {
        assert!(Invite::is_meant(&text) && Invite::parse(&invite.link()) == Ok(invite));
    }
    if let Ok(peer) = read_link(&text) {
        assert_eq!(read_link(&link(peer)), Ok(peer));
    }
    if let Ok(knock) = Knock::decode(bytes) {
        assert_eq!(Knock::decode(&knock.encode()), Ok(knock));
    }
    if let Ok(meet) = Meet::decode(bytes) {
        assert_eq!(Meet::decode(&meet.encode()), Ok(meet));
    }
    if let Some(call) = bytes.first_chunk::<CALL_BYTES>()
        && let Ok(read) = Call::decode(call)
    {
        assert_eq!(read.encode(), *call);
    }
    if let Ok(said) = Compare::decode(bytes) {
        assert_eq!(Compare::decode(&said.encode()), Ok(said));
    }
});
