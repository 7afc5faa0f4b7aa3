#![no_main]

use lanyard_proto::identity::Verifier;
use lanyard_proto::model::{PeerId, RoomId};
use lanyard_proto::rooms::{
    Content, MAX_EMOJI, MAX_MENTIONS, MAX_OFFER_NAME_BYTES, MAX_OFFER_NAMES, MAX_TEXT, MAX_TOPIC,
};
use lanyard_proto::wire::compact;
use lanyard_proto::wire::entry::{Entry, MAX_BODY, MAX_DEPS, Unverified};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    entry(bytes);
    if let Ok(entry) = Unverified::decode_in_room(RoomId([9; 32]), bytes) {
        assert_eq!(entry.header().room, RoomId([9; 32]));
    }
    let sender = PeerId([2; 32]);
    for read in compact::unpack(RoomId([9; 32]), sender, &[bytes.to_vec()]).into_iter().flatten() {
        assert!(read.header().deps.len() <= MAX_DEPS && read.header().room == RoomId([9; 32]));
    }
    if let Some((kind, body)) = bytes.split_first() {
        content(*kind, body);
    }
});

fn entry(bytes: &[u8]) {
    let stored = Entry::from_store(bytes);
    let Ok(sent) = Unverified::decode(bytes) else {
        assert!(stored.is_err(), "the store takes what the network does not");
        return;
    };
    let stored = stored.expect("the store takes what the network does");
    assert_eq!(stored.encode(), bytes, "there is one encoding only");
    assert!(stored.body.len() <= MAX_BODY && stored.header.deps.len() <= MAX_DEPS);
    assert_eq!((sent.id(), sent.log()), (stored.id(), stored.log()));
    let elided = stored.encode_in_room();
    assert_eq!(elided.len(), stored.len_in_room());
    let again = Unverified::decode_in_room(stored.header.room, &elided).expect("an entry reads back");
    assert_eq!((again.id(), again.header()), (stored.id(), &stored.header));
    content(stored.header.kind, &stored.body);
    let _ = sent.verify(&Verifier::default());
}

fn content(kind: u8, body: &[u8]) {
    let Ok(content) = Content::decode(kind, body) else { return };
    match &content {
        Content::Unknown => return,
        Content::Text(said) | Content::Edit { text: said, .. } => {
            assert!(!said.text.is_empty() && said.text.len() <= MAX_TEXT);
            assert!(said.mentions.len() <= MAX_MENTIONS);
        }
        Content::Reaction { emoji, .. } => assert!(!emoji.is_empty() && emoji.len() <= MAX_EMOJI),
        Content::Topic(topic) => assert!(topic.len() <= MAX_TOPIC),
        Content::Offer { offer, .. } => {
            assert!(offer.names.len() <= MAX_OFFER_NAMES);
            assert!(offer.names.iter().all(|name| name.len() <= MAX_OFFER_NAME_BYTES));
        }
        Content::Receipt { .. }
        | Content::Pause { .. }
        | Content::Delete { .. }
        | Content::Pin { .. }
        | Content::Fork(_)
        | Content::Deed(_) => {}
    }
    assert_eq!(content.kind(), kind);
    assert_eq!(Content::decode(kind, &content.encode("Ana")), Ok(content));
}
