#![no_main]

use lanyard_proto::wire::file::{
    CHUNK_BYTES, Data, Frame, Item, MAX_CHUNK_HEAD, MAX_DEPTH, MAX_PATH_BYTES, MAX_SPANS,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = Frame::decode(bytes) {
        check(&frame);
        let mut encoded = Vec::new();
        frame.encode(&mut encoded);
        let (length, rest) = encoded.split_first_chunk::<4>().expect("a frame has a length");
        assert_eq!(u32::from_be_bytes(*length) as usize, rest.len());
        assert_eq!(Frame::decode(rest), Ok(frame));
    }
    items(bytes);
});

fn check(frame: &Frame<'_>) {
    match frame {
        Frame::Manifest { items: page } => items(page),
        Frame::Want(want) => assert!(want.spans.len() <= MAX_SPANS),
        Frame::Chunk(chunk) => {
            assert!((1..=CHUNK_BYTES).contains(&chunk.data.size()));
            assert!(chunk.last || chunk.data.size() == CHUNK_BYTES);
            let mut head = Vec::new();
            chunk.encode_head(&mut head);
            assert!(head.len() <= MAX_CHUNK_HEAD);
            if let Data::Bytes(bytes) = chunk.data {
                assert_eq!(bytes.len(), chunk.data.size());
            }
        }
        _ => {}
    }
}

fn items(mut page: &[u8]) {
    while let Ok((item, length)) = Item::decode(page) {
        assert!(length > 0 && length <= page.len());
        assert!((1..=MAX_DEPTH).contains(&item.components.len()));
        assert!(item.components.iter().map(String::len).sum::<usize>() <= MAX_PATH_BYTES);
        let mut encoded = Vec::new();
        item.encode(&mut encoded);
        assert_eq!(Item::decode(&encoded), Ok((item, encoded.len())));
        page = &page[length..];
    }
}
