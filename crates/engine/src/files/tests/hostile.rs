//! What others may try, and what comes of it.

use std::fs;
use std::future::ready;
use std::sync::atomic::Ordering::Relaxed;

use lanyard_proto::effects::Audience;
use lanyard_proto::model::{PeerId, RoomId};
use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::{Failure, PullEnd, Role};
use lanyard_proto::wire::file::{Frame, Item, Want};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lan::{BOB, Holder, Lan, MIB, TRANSFER, Wire, digest, file, folder, forged, receiver, sample};
use crate::files::Way;
use crate::files::link::{self, Closed, Hub, News, Open};
use crate::files::names::{folded, safe};
use crate::files::plan::Planner;
use crate::files::stream::{BLOCK_BYTES, Buffers, Frames};
use crate::files::{ServeError, Shelf, Verdict, discard, serve, survey, turn_away};

#[tokio::test]
async fn somebody_else_is_refused() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("secret", b"data")]).await;
    let (wire, holder) = duplex(MIB);
    let shelf = lan.shelf.clone();
    let (eve, stop) = (receiver(PeerId([3; 32])), CancellationToken::new());
    let asked = |_| ready(Verdict::MayFetch);
    let served = tokio::spawn(serve(holder, eve, shelf, asked, (), |_, _| {}, stop));
    let end = lan.pulls_over(wire, &offer).await.unwrap_err().end();
    assert_eq!(end, Some(PullEnd::Failed(Failure::Refused)));
    assert!(matches!(served.await.unwrap(), Err(ServeError::NotOffered)));
    lan.assert_downloads(&[]);
}

#[tokio::test]
async fn who_was_put_out_of_a_room_is_refused_what_was_offered_there_and_a_new_member_is_not() {
    let lan = Lan::new().await;
    let room = RoomId([5; 32]);
    let survey = survey(vec![lan.has("plan", &sample(2 * MIB))], None).await.unwrap();
    let offer = survey.offer.clone();
    lan.shelf.put(TRANSFER, survey, Audience::Members(room)).await.unwrap();
    // As after a restart.
    let shelf = Shelf::open(lan.profile.path()).unwrap();
    assert_eq!(shelf.load(TRANSFER).await.unwrap().unwrap().audience, Audience::Members(room));
    for verdict in [Verdict::MayNot, Verdict::MayFetch] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (dialled, accepted) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let asked = move |_| ready(verdict);
        let (holder, stop) = (accepted.unwrap().0, CancellationToken::new());
        let served = tokio::spawn(serve(holder, receiver(BOB), shelf.clone(), asked, (), |_, _| {}, stop));
        let pulled = lan.pulls_over(dialled.unwrap(), &offer).await;
        let served = served.await.unwrap();
        if verdict == Verdict::MayNot {
            assert_eq!(pulled.unwrap_err().end(), Some(PullEnd::Failed(Failure::Refused)));
            assert!(matches!(served, Err(ServeError::NotOffered)));
            lan.assert_downloads(&[]);
        } else {
            assert_eq!(digest(served.unwrap()), Some(pulled.unwrap().end.digest()));
        }
    }
    lan.assert_downloads(&["plan"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_connects_and_says_nothing_is_dropped() {
    let lan = Lan::new().await;
    let (_silent, holder) = duplex(MIB);
    assert!(matches!(lan.serves(holder).await.unwrap(), Err(ServeError::Lost(_))));
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_silent_is_asked_for_a_sign_of_life_and_left_without_one() {
    let lan = Lan::new().await;
    lan.offers(&[lan.has("file", b"data")]).await;
    let holding = lan.shelf.holding(TRANSFER, BOB).await.unwrap().unwrap();
    let (wire, mut there) = duplex(MIB);
    let open = Open::ask(wire, TRANSFER, true).await.unwrap();
    let ((told, mut news), (pieces, _pieces)) = (mpsc::channel(1), mpsc::channel(1));
    let hub = Hub { holding, news: told, pieces, buffers: Buffers::new(BLOCK_BYTES) };
    let mut writers = JoinSet::new();
    let start = Instant::now();
    let _link = link::Holder::start(open, 1, (BOB, Role::Holder, Way::Direct), &hub, &mut writers);
    let mut alive = Vec::new();
    Frame::Alive.encode(&mut alive);
    let (mut told, mut bytes) = (0, vec![0; 4096]);
    // What was asked for, and twice whether somebody is there; the second time nobody answers.
    while told < 2 {
        let read = there.read(&mut bytes).await.unwrap();
        told += bytes[..read].windows(alive.len()).filter(|window| *window == alive).count();
        if told == 1 {
            there.write_all(&alive).await.unwrap();
        }
    }
    let (_, News::Closed(closed)) = news.recv().await.unwrap() else { panic!("it is not left") };
    assert!(matches!(closed, Closed::Lost(_)), "{closed:?}");
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_sign_of_life_gets_one() {
    let lan = Lan::new().await;
    lan.offers(&[lan.has("file", b"data")]).await;
    let (mut wire, holder) = duplex(MIB);
    let served = lan.serves(holder);
    let mut bytes = Vec::new();
    Frame::Get { transfer: TRANSFER, listed: true }.encode(&mut bytes);
    Frame::Alive.encode(&mut bytes);
    wire.write_all(&bytes).await.unwrap();
    let mut frames = Frames::new(&mut wire);
    while !matches!(frames.next(1 << 20).await.unwrap(), Frame::Alive) {}
    drop(wire);
    assert!(matches!(served.await.unwrap(), Err(ServeError::Lost(_))));
}

#[tokio::test]
async fn an_overlong_first_frame_is_not_even_read() {
    let lan = Lan::new().await;
    let (mut wire, holder) = duplex(MIB);
    wire.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    assert!(matches!(lan.serves(holder).await.unwrap(), Err(ServeError::Protocol)));
}

#[tokio::test]
async fn a_flipped_bit_is_found_and_the_piece_fetched_again() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("file", &sample(3 * MIB))]).await;
    let (wire, holder) = duplex(MIB);
    let mut tampering = Wire::new(wire);
    tampering.flip_at = Some(2 * MIB as u64);
    let arrived = tampering.arrived.clone();
    let served = lan.serves(holder);
    lan.pulls_over(tampering, &offer).await.unwrap();
    served.await.unwrap().unwrap();
    lan.assert_downloads(&["file"]);
    assert_eq!(fs::read(lan.downloads().join("file")).unwrap(), sample(3 * MIB));
    let arrived = arrived.load(Relaxed);
    assert!((4 * MIB as u64..5 * MIB as u64).contains(&arrived), "{arrived} bytes for four pieces");
}

#[tokio::test]
async fn a_wire_that_damages_everything_ends_the_file_after_three_tries_and_brings_the_others() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("bad", &sample(3 * MIB)), lan.has("good", b"small")]).await;
    let (wire, holder) = duplex(MIB);
    let mut tampering = Wire::new(wire);
    tampering.flip_every = Some(MIB as u64 / 2);
    drop(lan.serves(holder));
    let error = lan.pulls_over(tampering, &offer).await.unwrap_err();
    assert_eq!(error.end(), Some(PullEnd::Failed(Failure::Corrupt)));
    assert!(error.to_string().contains("bad"), "{error}");
    lan.assert_downloads(&["good"]);
    // An honest wire brings the rest, and only that.
    lan.pulls(&offer).await.unwrap();
    lan.assert_downloads(&["bad", "good"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_became_a_link_is_not_followed() {
    let lan = Lan::new().await;
    let path = lan.has("file", b"data");
    let offer = lan.offers(std::slice::from_ref(&path)).await;
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    let end = lan.pulls(&offer).await.unwrap_err().end();
    assert_eq!(end, Some(PullEnd::Failed(Failure::SourceGone)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_place_of_the_staging_folder_is_not_followed() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("file", b"data")]).await;
    std::os::unix::fs::symlink(lan.canary(), lan.downloads().join(".lanyard-part")).unwrap();
    let end = lan.pulls(&offer).await.unwrap_err().end();
    assert_eq!(end, Some(PullEnd::Failed(Failure::Unwritable)));
    assert!(discard(TRANSFER, &lan.downloads()).await.is_err());
    lan.assert_canary();
}

#[tokio::test]
async fn hostile_names_stay_inside_and_beside_each_other() {
    let names = [
        "../up",
        "..",
        "/etc/x",
        "C:\\x",
        "a\\..\\b",
        "CON",
        "twin",
        "TWIN",
        "twin",
        "x\u{202e}y",
        ".lanyard-part",
    ];
    let items: Vec<Item> = names.iter().map(|name| file(&[name], 1)).collect();
    let lan = Lan::new().await;
    let (offer, manifest) = forged(&items);
    let holder = Holder::forging(manifest, |file| vec![file as u8]);
    lan.pulls_over(holder, &offer).await.unwrap();
    lan.assert_downloads(&[
        ".._up",
        ".lanyard-part (2)",
        "C__x",
        "TWIN (2)",
        "_",
        "_CON",
        "_etc_x",
        "a_.._b",
        "twin",
        "twin (3)",
        "xy",
    ]);
    lan.assert_canary();
}

#[tokio::test]
async fn a_manifest_that_is_not_the_offered_one_is_refused_before_anything_is_written() {
    let good = [folder(&["d"]), file(&["d", "f"], 5)];
    let (offer, _) = forged(&good);
    let cases: [(&str, Vec<Item>); 6] = [
        ("another name", vec![folder(&["d"]), file(&["d", "g"], 5)]),
        ("another size", vec![folder(&["d"]), file(&["d", "f"], 6)]),
        ("a file more", vec![folder(&["d"]), file(&["d", "f"], 5), file(&["x"], 0)]),
        ("a folder more", vec![folder(&["d"]), folder(&["e"]), file(&["d", "f"], 5)]),
        ("nothing", vec![]),
        ("no folder", vec![file(&["d", "f"], 5)]),
    ];
    for (lie, items) in cases {
        let lan = Lan::new().await;
        let holder = Holder::forging(forged(&items).1, |_| vec![0; 5]);
        let end = lan.pulls_over(holder, &offer).await.unwrap_err().end();
        assert_eq!(end, Some(PullEnd::Failed(Failure::Protocol)), "{lie}");
        assert_eq!(fs::read_dir(lan.downloads()).unwrap().count(), 0, "{lie}");
    }
}

#[tokio::test]
async fn an_offer_that_lies_with_its_manifest_is_refused() {
    let items = [folder(&["d"]), file(&["d", "f"], 5)];
    let (honest, manifest) = forged(&items);
    for offer in [
        Offer { files: u64::MAX, ..honest.clone() },
        Offer { files: 2, ..honest.clone() },
        Offer { folders: 0, ..honest.clone() },
        Offer { bytes: 4, ..honest.clone() },
        Offer { bytes: u64::MAX, ..honest.clone() },
        Offer { manifest: [0; 32], ..honest.clone() },
    ] {
        let lan = Lan::new().await;
        let holder = Holder::forging(manifest.clone(), |_| vec![0; 5]);
        let end = lan.pulls_over(holder, &offer).await.unwrap_err().end();
        assert_eq!(end, Some(PullEnd::Failed(Failure::Protocol)), "{offer:?}");
    }
}

#[tokio::test]
async fn a_manifest_that_mixes_up_files_and_folders_is_refused() {
    for items in [
        vec![file(&["a"], 1), file(&["a", "b"], 1)],
        vec![file(&["d", "f"], 1), folder(&["d"])],
        vec![folder(&["d"]), folder(&["d"])],
    ] {
        let lan = Lan::new().await;
        let (offer, manifest) = forged(&items);
        let holder = Holder::forging(manifest, |_| vec![0]);
        let end = lan.pulls_over(holder, &offer).await.unwrap_err().end();
        assert_eq!(end, Some(PullEnd::Failed(Failure::Protocol)));
    }
}

#[tokio::test]
async fn a_holder_that_sends_more_or_less_than_it_listed_is_caught() {
    for sent in [4, 6] {
        let lan = Lan::new().await;
        let (offer, manifest) = forged(&[file(&["f"], 5)]);
        let holder = Holder::forging(manifest, move |_| vec![0; sent]);
        let end = lan.pulls_over(holder, &offer).await.unwrap_err().end();
        assert_eq!(end, Some(PullEnd::Failed(Failure::Protocol)));
        lan.assert_downloads(&[]);
    }
}

#[tokio::test]
async fn a_receiver_that_wants_what_does_not_exist_or_too_much_is_dropped() {
    for want in [
        Want { pieces: vec![2], ..Want::default() },
        Want { pieces: vec![u32::MAX], ..Want::default() },
        Want { leaves: vec![2], ..Want::default() },
    ] {
        let lan = Lan::new().await;
        lan.offers(&[lan.has("file", &sample(2 * MIB))]).await;
        let (mut wire, holder) = duplex(4 * MIB);
        let served = lan.serves(holder);
        let mut bytes = Vec::new();
        Frame::Get { transfer: TRANSFER, listed: true }.encode(&mut bytes);
        Frame::Want(want.clone()).encode(&mut bytes);
        wire.write_all(&bytes).await.unwrap();
        assert!(matches!(served.await.unwrap(), Err(ServeError::Protocol)), "{want:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_floods_with_wants_is_dropped() {
    let lan = Lan::new().await;
    lan.offers(&[lan.has("file", &sample(2 * MIB))]).await;
    let (wire, holder) = duplex(4 * MIB);
    let served = lan.serves(holder);
    let (_unread, mut writer) = tokio::io::split(wire);
    let mut bytes = Vec::new();
    Frame::Get { transfer: TRANSFER, listed: true }.encode(&mut bytes);
    for _ in 0..200 {
        Frame::Want(Want { pieces: vec![0; 64], ..Want::default() }).encode(&mut bytes);
    }
    writer.write_all(&bytes).await.unwrap();
    assert!(matches!(served.await.unwrap(), Err(ServeError::Protocol)));
}

#[tokio::test]
async fn the_digest_of_what_was_offered_is_not_what_the_receiver_claims() {
    let lan = Lan::new().await;
    lan.offers(&[lan.has("file", b"")]).await;
    for wants in [false, true] {
        let (wire, holder) = duplex(MIB);
        let served = lan.serves(holder);
        let (reader, mut writer) = tokio::io::split(wire);
        let mut bytes = Vec::new();
        Frame::Get { transfer: TRANSFER, listed: true }.encode(&mut bytes);
        if wants {
            Frame::Want(Want { any: 1, ..Want::default() }).encode(&mut bytes);
        }
        writer.write_all(&bytes).await.unwrap();
        let mut frames = Frames::new(reader);
        while wants && !matches!(frames.next(MIB).await.unwrap(), Frame::Piece(_)) {}
        bytes.clear();
        Frame::Done { digest: [9; 32], files: None }.encode(&mut bytes);
        writer.write_all(&bytes).await.unwrap();
        let expected = wants.then(|| Sha256::digest(b"").into());
        assert_eq!(digest(served.await.unwrap().unwrap()), expected);
    }
}

#[tokio::test]
async fn who_is_turned_away_comes_back_later() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("file", b"data")]).await;
    let (wire, holder) = duplex(MIB);
    let turned_away = tokio::spawn(turn_away(holder));
    assert_eq!(lan.pulls_over(wire, &offer).await.unwrap_err().end(), Some(PullEnd::Lost));
    turned_away.await.unwrap().unwrap();
}

proptest::proptest! {
    #[test]
    fn no_names_lead_out_of_the_folder_or_onto_each_other(
        names in proptest::collection::vec(
            proptest::collection::vec(proptest::sample::select(NAMES), 1..5), 1..40,
        ),
    ) {
        let mut items = Vec::new();
        let mut known = std::collections::BTreeSet::new();
        for path in &names {
            for depth in 1..path.len() {
                if known.insert(path[..depth].to_vec()) {
                    items.push(folder(&path[..depth]));
                }
            }
            items.push(file(path, 0));
        }
        let (offer, manifest) = forged(&items);
        let mut planner = Planner::new(&offer, None).unwrap();
        planner.page(&manifest).unwrap();
        let plan = planner.finish().unwrap();
        let folders = plan.folders.iter().map(|folder| plan.path(folder.parent, &folder.name));
        let files = plan.files.iter().map(|file| plan.path(file.parent, &file.name));
        let mut seen = std::collections::BTreeSet::new();
        for path in folders.chain(files) {
            for name in &path {
                proptest::prop_assert_eq!(&safe(name), name);
            }
            let folded: Vec<String> = path.iter().map(|name| folded(name)).collect();
            proptest::prop_assert!(seen.insert(folded), "{:?} twice", path);
        }
    }
}

const NAMES: &[&str] = &[
    "..",
    ".",
    "/",
    "a",
    "A",
    "a (2)",
    "A (2)",
    "CON",
    "_CON",
    "con",
    "a.txt",
    "a (2).txt",
    "..\\x",
    "~",
    "_",
    "é",
    "e\u{301}",
    "É",
    "\u{200b}a",
    "a.",
    "a ",
];
