//! Stories of files that travel between two devices, over memory and over TCP.

mod choosing;
mod failures;
#[cfg(target_os = "linux")]
mod footprint;
mod full;
mod here;
mod hostile;
mod kept;
pub(super) mod lan;
#[cfg(any(windows, target_os = "linux", target_os = "macos"))]
mod marked;
mod numbered;
mod people;
#[cfg(unix)]
mod racing;
mod refused;
mod resume;
mod shares;
mod swarm;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use lanyard_proto::model::PeerId;
use lanyard_proto::transfer::{Failure, PullEnd};
use sha2::{Digest, Sha256};
use tokio::io::duplex;

use super::*;
use lan::{BOB, Lan, MIB, TRANSFER, Wire, sample, tree};

#[tokio::test]
async fn a_file_arrives_whole_with_its_name_date_and_checksum() {
    let lan = Lan::new().await;
    let data = sample(3 * MIB + 1);
    let path = lan.has("report.pdf", &data);
    let offer = lan.offers(std::slice::from_ref(&path)).await;
    assert_eq!((offer.files, offer.folders, offer.bytes), (1, 0, data.len() as u64));
    assert_eq!(offer.names, ["report.pdf"]);

    let received = lan.pulls(&offer).await.unwrap();

    let sha256: [u8; 32] = Sha256::digest(&data).into();
    assert_eq!((received.end.digest(), received.sha256), (sha256, Some(sha256)));
    assert_eq!(received.paths, [lan.downloads().join("report.pdf")]);
    assert_eq!(fs::read(&received.paths[0]).unwrap(), data);
    let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(modified(&received.paths[0]), modified(&path));
    lan.assert_downloads(&["report.pdf"]);
}

#[tokio::test]
async fn files_of_every_length_around_a_chunk_arrive() {
    for size in [0, 1, 63, 64, 65, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 1] {
        let lan = Lan::new().await;
        let data = sample(size);
        let offer = lan.offers(&[lan.has("file", &data)]).await;
        let received = lan.pulls(&offer).await.unwrap();
        assert_eq!(received.end.digest(), <[u8; 32]>::from(Sha256::digest(&data)), "{size} bytes");
        assert_eq!(fs::read(lan.downloads().join("file")).unwrap(), data, "{size} bytes");
    }
}

#[tokio::test]
async fn a_folder_arrives_with_its_empty_folders_and_files_and_unicode_names() {
    let lan = Lan::new().await;
    lan.has("album/a.txt", b"a");
    lan.has("album/empty.txt", b"");
    lan.has("album/tief/e\u{301}té/写真 🦀.jpg", &sample(MIB + 5));
    fs::create_dir_all(lan.home().join("album/nothing/inside")).unwrap();
    let folders = ["album/tief", "album/nothing/inside", "album/nothing", "album"];
    let date = |at: u64| std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000 + at);
    for (at, folder) in (0..).zip(folders) {
        fs::File::open(lan.home().join(folder)).unwrap().set_modified(date(at)).unwrap();
    }
    let offer = lan.offers(&[lan.home().join("album")]).await;
    assert_eq!((offer.files, offer.folders), (3, 5));

    let received = lan.pulls(&offer).await.unwrap();

    assert_eq!(received.paths, [lan.downloads().join("album")]);
    assert_eq!(received.sha256, None);
    let mut expected = tree(&lan.home());
    let photo = expected.remove(Path::new("album/tief/e\u{301}té/写真 🦀.jpg")).unwrap();
    expected.remove(Path::new("album/tief/e\u{301}té"));
    expected.insert("album/tief/été".into(), None);
    expected.insert("album/tief/été/写真 🦀.jpg".into(), photo);
    assert_eq!(tree(&lan.downloads()), expected);
    for (at, folder) in (0..).zip(folders) {
        let about = fs::metadata(lan.downloads().join(folder)).unwrap();
        assert_eq!(about.modified().unwrap(), date(at), "{folder}");
    }
}

#[tokio::test]
async fn the_digest_of_several_files_is_the_hash_of_their_hashes_in_order() {
    let lan = Lan::new().await;
    let paths = [lan.has("b", b"first"), lan.has("a", b"second")];
    let offer = lan.offers(&paths).await;
    let received = lan.pulls(&offer).await.unwrap();
    let hashes = [Sha256::digest(b"first"), Sha256::digest(b"second")].concat();
    assert_eq!(received.end.digest(), <[u8; 32]>::from(Sha256::digest(hashes)));
}

#[tokio::test]
async fn a_thousand_small_files_arrive_over_tcp_with_few_writes() {
    let lan = Lan::new().await;
    for at in 0..1000 {
        lan.has(&format!("many/{}/{at}", at % 10), &sample(at * 3));
    }
    let offer = lan.offers(&[lan.home().join("many")]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (dialled, accepted) =
        tokio::join!(tokio::net::TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let served = lan.serves(accepted.unwrap().0);
    let received = lan.pulls_over(dialled.unwrap(), &offer).await.unwrap();
    let files = Served::Files { transfer: TRANSFER, digest: Some(received.end.digest()) };
    assert_eq!(served.await.unwrap().unwrap(), files);
    assert_eq!(tree(&lan.downloads()), tree(&lan.home()));
}

#[tokio::test]
async fn what_is_there_is_never_replaced() {
    let lan = Lan::new().await;
    fs::write(lan.downloads().join("photo.jpg"), "mine").unwrap();
    fs::create_dir(lan.downloads().join("photos")).unwrap();
    fs::write(lan.downloads().join("photos/mine.jpg"), "mine").unwrap();
    let paths = [lan.has("photo.jpg", b"theirs"), lan.has("photos/mine.jpg", b"theirs")];
    let offer = lan.offers(&[paths[0].clone(), lan.home().join("photos")]).await;

    let received = lan.pulls(&offer).await.unwrap();

    let names: Vec<_> =
        received.paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["photos (2)", "photo (2).jpg"]);
    assert_eq!(fs::read(lan.downloads().join("photo.jpg")).unwrap(), b"mine");
    assert_eq!(fs::read(lan.downloads().join("photos/mine.jpg")).unwrap(), b"mine");
    assert_eq!(fs::read(lan.downloads().join("photos (2)/mine.jpg")).unwrap(), b"theirs");
}

#[tokio::test]
async fn two_chosen_files_of_one_name_both_arrive() {
    let lan = Lan::new().await;
    let paths = [lan.has("here/notes.txt", b"1"), lan.has("there/notes.txt", b"2")];
    let offer = lan.offers(&paths).await;
    lan.pulls(&offer).await.unwrap();
    lan.assert_downloads(&["notes (2).txt", "notes.txt"]);
}

#[cfg(unix)]
#[tokio::test]
async fn links_and_pipes_are_skipped_and_counted_and_scripts_stay_executable() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let lan = Lan::new().await;
    let script = lan.has("tools/run.sh", b"#!/bin/sh\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o4755)).unwrap();
    lan.has("tools/readme", b"text");
    symlink("/etc/passwd", lan.home().join("tools/link")).unwrap();
    symlink("/etc", lan.home().join("tools/folder-link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(lan.home().join("tools/socket")).unwrap();
    let survey = survey(vec![lan.home().join("tools")], None).await.unwrap();
    assert_eq!((survey.skipped, survey.offer.files), (3, 2));
    let offer = lan.offers(&[lan.home().join("tools")]).await;

    lan.pulls(&offer).await.unwrap();

    lan.assert_downloads(&["tools"]);
    let mode = |name: &str| fs::metadata(lan.downloads().join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("tools/run.sh") & 0o7700, 0o700);
    assert_eq!(mode("tools/readme") & 0o7700, 0o600);
    assert_eq!(fs::read_dir(lan.downloads().join("tools")).unwrap().count(), 2);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_whose_name_is_not_unicode_is_sent_under_one_that_is() {
    use std::os::unix::ffi::OsStrExt;
    let lan = Lan::new().await;
    fs::create_dir(lan.home().join("odd")).unwrap();
    fs::write(lan.home().join("odd").join(std::ffi::OsStr::from_bytes(b"caf\xe9.txt")), "x").unwrap();
    lan.has("odd/plain.txt", b"y");
    let offer = lan.offers(&[lan.home().join("odd")]).await;
    lan.pulls(&offer).await.unwrap();
    assert_eq!(fs::read(lan.downloads().join("odd/caf%E9.txt")).unwrap(), b"x");
}

#[tokio::test]
async fn a_sparse_file_crosses_without_its_zeros() {
    let lan = Lan::new().await;
    let path = lan.has("disk.img", b"start");
    let size = 64 * MIB as u64 + 7;
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(size).unwrap();
    let offer = lan.offers(&[path]).await;
    let (wire, holder) = duplex(MIB);
    let counted = Wire::new(wire);
    let arrived = counted.arrived.clone();
    let served = lan.serves(holder);
    lan.pulls_over(counted, &offer).await.unwrap();
    served.await.unwrap().unwrap();
    assert!(arrived.load(Relaxed) < 2 * MIB as u64);
    assert_eq!(fs::metadata(lan.downloads().join("disk.img")).unwrap().len(), size);
}

#[tokio::test]
async fn an_offer_survives_a_restart_and_goes_when_it_is_forgotten() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("file", b"data")]).await;
    let reopened = Shelf::open(lan.profile.path()).unwrap();
    let loaded = reopened.load(TRANSFER).await.unwrap().unwrap();
    assert!(loaded.is_for(BOB) && !loaded.is_for(PeerId([3; 32])));
    reopened.forget(TRANSFER).await.unwrap();
    reopened.forget(TRANSFER).await.unwrap();
    let end = lan.pulls(&offer).await.unwrap_err().end();
    assert_eq!(end, Some(PullEnd::Failed(Failure::Refused)));
}

#[tokio::test]
async fn offers_that_nobody_knows_any_more_are_told_from_the_others() {
    let lan = Lan::new().await;
    lan.offers(&[lan.has("file", b"data")]).await;
    let other = lan.profile.path().join("offers").join(lanyard_proto::model::TransferId([8; 16]).to_string());
    let unfinished = other.with_extension("new");
    for path in [&other, &unfinished, &other.with_file_name("notes.txt")] {
        fs::write(path, "").unwrap();
    }
    let mut strays = lan.shelf.strays(&[TRANSFER].into()).unwrap();
    strays.sort();
    assert_eq!(strays, [other, unfinished]);
}

#[tokio::test]
async fn the_key_of_this_device_is_offered_to_nobody() {
    let lan = Lan::new().await;
    lan.has("notes", b"text");
    let key = lan.has("profile/device.key", b"secret");
    let picture = lan.has("profile/pasted/1/picture.png", b"a picture");
    let surveyed = |path| survey(vec![path], Some(lan.home().join("profile")));
    let all = surveyed(lan.home()).await.unwrap();
    assert_eq!((all.offer.files, all.skipped), (1, 1));
    for private in [key, lan.home().join("profile"), lan.home().join("profile/pasted")] {
        assert!(matches!(surveyed(private).await, Err(SurveyError::Private(_))));
    }
    assert_eq!(surveyed(picture).await.unwrap().offer.files, 1);
}

#[tokio::test]
async fn what_cannot_be_surveyed_is_not_offered() {
    let lan = Lan::new().await;
    let missing = survey(vec![lan.home().join("missing")], None).await;
    assert!(matches!(missing, Err(SurveyError::Unreadable { .. })));
    assert!(matches!(survey(vec![], None).await, Err(SurveyError::Nothing)));
    let deep: PathBuf = std::iter::repeat_n("d", 70).collect();
    fs::create_dir_all(lan.home().join(deep)).unwrap();
    assert!(matches!(survey(vec![lan.home().join("d")], None).await, Err(SurveyError::TooDeep(_))));
}
