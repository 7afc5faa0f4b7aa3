use super::*;
use proptest::prelude::*;

fn round_trip(frame: Frame<'_>) {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
    assert_eq!(length, bytes.len() - 4);
    assert_eq!(Frame::decode(&bytes[4..]), Ok(frame));
}

fn malformed(frame: Frame<'_>) -> DecodeError {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    Frame::decode(&bytes[4..]).unwrap_err()
}

#[test]
fn every_frame_reads_back_as_it_was_written() {
    round_trip(Frame::Get { transfer: TransferId([7; 16]), listed: true });
    round_trip(Frame::Manifest { items: &[1, 2, 3] });
    round_trip(Frame::ManifestEnd);
    round_trip(Frame::Want(Want { pieces: vec![1, 70_000], any: 9, leaves: vec![4] }));
    for signature in [None, Some([9; 64])] {
        round_trip(Frame::Leaves(Leaves { first: 512, leaves: &[5; 64], signature }));
        round_trip(Frame::Leaves(Leaves { first: 0, leaves: &[], signature }));
    }
    for failure in [Failure::SourceChanged, Failure::SourceGone] {
        round_trip(Frame::FileFailed { file: 3, failure });
    }
    round_trip(Frame::Refused(Refusal::NotOffered));
    round_trip(Frame::Refused(Refusal::Busy));
    round_trip(Frame::Cancel);
    round_trip(Frame::Done { digest: [1; 32] });
    round_trip(Frame::Alive);
    round_trip(Frame::Have { bits: &[255, 1] });
    round_trip(Frame::Got { pieces: vec![0, u32::MAX] });
    round_trip(Frame::Spread);
    round_trip(Frame::Paused);
    let addresses = vec!["192.0.2.1:24417".parse().unwrap(), "[fe80::1%3]:5000".parse().unwrap()];
    round_trip(Frame::Peers(vec![Source { peer: PeerId([3; 32]), addresses }]));
    round_trip(Frame::Unknown);
}

#[test]
fn the_head_of_a_piece_fits_into_the_room_kept_for_it() {
    let data = vec![1; CHUNK_BYTES];
    let lacking = (0..MAX_LACKING as u16).map(|file| file + 60_000).collect();
    let piece = PieceFrame { piece: u32::MAX, lacking, data: Data::Bytes(&data) };
    let mut head = Vec::new();
    piece.encode_head(&mut head);
    assert!(head.len() <= MAX_PIECE_HEAD);
    assert!(head.len() - 4 + CHUNK_BYTES <= MAX_FRAME);
    round_trip(Frame::Piece(piece));
}

#[test]
fn a_piece_of_zeros_that_brings_bytes_or_lacks_files_in_disorder_is_malformed() {
    let mut bytes = Vec::new();
    Frame::Piece(PieceFrame { piece: 1, lacking: vec![], data: Data::Zeros }).encode(&mut bytes);
    bytes.push(0);
    assert_eq!(Frame::decode(&bytes[4..]), Err(DecodeError::Malformed));
    for lacking in [vec![2, 1], vec![1, 1]] {
        let piece = PieceFrame { piece: 1, lacking, data: Data::Bytes(b"") };
        assert_eq!(malformed(Frame::Piece(piece)), DecodeError::Malformed);
    }
}

#[test]
fn lists_longer_than_allowed_are_refused() {
    let source = Source { peer: PeerId([1; 32]), addresses: vec![] };
    let addresses = vec!["192.0.2.1:24417".parse().unwrap(); MAX_PEER_ADDRESSES + 1];
    for frame in [
        Frame::Want(Want { pieces: vec![0; MAX_WANTED + 1], ..Want::default() }),
        Frame::Want(Want { leaves: vec![0; MAX_WANTED + 1], ..Want::default() }),
        Frame::Got { pieces: vec![0; MAX_GOT + 1] },
        Frame::Leaves(Leaves { first: 0, leaves: &[0; (MAX_LEAVES + 1) * 32], signature: None }),
        Frame::Peers(vec![source.clone(); MAX_PEERS + 1]),
        Frame::Peers(vec![Source { addresses, ..source }]),
        Frame::Piece(PieceFrame { piece: 0, lacking: vec![], data: Data::Bytes(&[0; CHUNK_BYTES + 1]) }),
    ] {
        assert_eq!(malformed(frame), DecodeError::TooLong);
    }
}

#[test]
fn leaves_that_are_cut_or_run_over_are_malformed() {
    for (first, leaves) in [(0, [1; 33].as_slice()), (u32::MAX, &[1; 64])] {
        let frame = Frame::Leaves(Leaves { first, leaves, signature: None });
        assert_eq!(malformed(frame), DecodeError::Malformed);
    }
}

#[test]
fn keys_of_a_later_version_are_skipped() {
    let mut bytes = vec![GET];
    let mut e = minicbor::Encoder::new(&mut bytes);
    e.map(3).unwrap().u8(0).unwrap().bytes(&[3; 16]).unwrap().u8(1).unwrap().bool(false).unwrap();
    e.u8(77).unwrap().array(2).unwrap().str("new").unwrap().null().unwrap();
    assert_eq!(Frame::decode(&bytes), Ok(Frame::Get { transfer: TransferId([3; 16]), listed: false }));
}

#[test]
fn an_item_deeper_or_longer_than_allowed_is_refused() {
    let item = |components: Vec<String>| {
        let mut page = Vec::new();
        Item { components, size: 0, modified: None, kind: ItemKind::File }.encode(&mut page);
        Item::decode(&page).map(|(item, _)| item.components.len())
    };
    assert_eq!(item(vec!["x".into(); MAX_DEPTH]), Ok(MAX_DEPTH));
    assert_eq!(item(vec!["x".into(); MAX_DEPTH + 1]), Err(DecodeError::TooLong));
    assert_eq!(item(vec!["x".repeat(MAX_PATH_BYTES + 1)]), Err(DecodeError::TooLong));
    assert_eq!(item(vec![]), Err(DecodeError::Malformed));
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..17) {
        let _ = Frame::decode(&bytes);
        let _ = Frame::decode(&[&[kind], bytes.as_slice()].concat());
        let _ = Item::decode(&bytes);
    }

    #[test]
    fn a_damaged_frame_is_an_error_or_a_frame_and_never_a_panic(
        at in 0usize..400, with: u8, data in prop::collection::vec(any::<u8>(), 1..99),
    ) {
        let leaves = [7; 64];
        let source = Source { peer: PeerId([1; 32]), addresses: vec!["192.0.2.1:24417".parse().unwrap()] };
        for frame in [
            Frame::Piece(PieceFrame { piece: 2, lacking: vec![1, 2], data: Data::Bytes(&data) }),
            Frame::Leaves(Leaves { first: 1, leaves: &leaves, signature: Some([1; 64]) }),
            Frame::Peers(vec![source]),
        ] {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            let at = 4 + at % (bytes.len() - 4);
            bytes[at] = with;
            let _ = Frame::decode(&bytes[4..]);
        }
    }

    #[test]
    fn pieces_and_items_read_back(
        piece: u32, lacking in prop::collection::btree_set(any::<u16>(), 0..99),
        data in prop::collection::vec(any::<u8>(), 0..999),
        components in prop::collection::vec("\\PC{1,9}", 1..9), size: u64, modified: Option<i64>,
    ) {
        let lacking: Vec<u16> = lacking.into_iter().collect();
        round_trip(Frame::Piece(PieceFrame { piece, lacking, data: Data::Bytes(&data) }));
        round_trip(Frame::Piece(PieceFrame { piece, lacking: vec![], data: Data::Zeros }));
        let item = Item { components, size, modified, kind: ItemKind::Executable };
        let mut page = Vec::new();
        item.encode(&mut page);
        let length = page.len();
        page.push(0);
        prop_assert_eq!(Item::decode(&page), Ok((item, length)));
    }
}
