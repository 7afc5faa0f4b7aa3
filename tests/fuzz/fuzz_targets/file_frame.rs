#![no_main]

use lanyard_proto::wire::file::{
    CHUNK_BYTES, Data, Frame, Item, MAX_DEPTH, MAX_GOT, MAX_LEAVES, MAX_PATH_BYTES, MAX_PEER_ADDRESSES,
    MAX_PEERS, MAX_PIECE_HEAD, MAX_WANTED,
};
use lanyard_proto::wire::share::{
    MAX_LISTED, MAX_LISTED_NAME, MAX_SHARE_NAME, MAX_SHARES, MAX_TAKEN, Share,
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
        Frame::Want(want) => {
            assert!(want.pieces.len() <= MAX_WANTED && want.leaves.len() <= MAX_WANTED);
        }
        Frame::Got { pieces } => assert!(pieces.len() <= MAX_GOT),
        Frame::Leaves(leaves) => {
            assert!(leaves.leaves.len() <= MAX_LEAVES * 32 && leaves.leaves.len() % 32 == 0);
            assert!(leaves.first.checked_add(leaves.leaves.len() as u32 / 32).is_some());
        }
        Frame::Peers(peers) => {
            assert!(peers.len() <= MAX_PEERS);
            assert!(peers.iter().all(|peer| peer.addresses.len() <= MAX_PEER_ADDRESSES));
        }
        Frame::Share(share) => about_shares(share),
        Frame::Piece(piece) => {
            let mut head = Vec::new();
            piece.encode_head(&mut head);
            assert!(head.len() <= MAX_PIECE_HEAD);
            if let Data::Bytes(bytes) = piece.data {
                assert!(bytes.len() <= CHUNK_BYTES);
            }
        }
        _ => {}
    }
}

fn about_shares(share: &Share) {
    match share {
        Share::Shared(shares) => {
            assert!(shares.len() <= MAX_SHARES);
            assert!(shares.iter().all(|shared| shared.name.len() <= MAX_SHARE_NAME));
        }
        Share::List { folder, after, .. } => {
            assert!(folder.len() <= MAX_PATH_BYTES);
            assert!(after.as_ref().is_none_or(|after| after.name.len() <= MAX_LISTED_NAME));
        }
        Share::Listing { entries, .. } => {
            assert!(entries.len() <= MAX_LISTED);
            assert!(entries.iter().all(|entry| entry.name.len() <= MAX_LISTED_NAME));
        }
        Share::Take { paths, .. } => {
            assert!(paths.len() <= MAX_TAKEN && paths.iter().all(|path| path.len() <= MAX_PATH_BYTES));
        }
        Share::Taken(taken) => assert!(taken.names.len() <= 8),
        Share::Look | Share::Unshared { .. } => {}
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
