//! Files that are here already: compared where they lie, and not fetched again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lanyard_proto::transfer::{Failure, PullEnd};
use tokio::io::duplex;
use tokio_util::sync::CancellationToken;

use super::lan::{Lan, MIB, TRANSFER, pulls_into, sample, tree};
use crate::files::{Whole, discard};

/// Writes a file as somebody else may have, at another time.
pub(super) fn lies(path: PathBuf, data: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, data).unwrap();
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(5);
    fs::File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
}

pub(super) fn changed(mut data: Vec<u8>, at: usize) -> Vec<u8> {
    data[at] ^= 1;
    data
}

#[tokio::test]
async fn what_is_sent_again_and_is_the_same_does_not_travel() {
    let lan = Lan::new().await;
    for at in 0..300 {
        lan.has(&format!("album/{}/{at}", at % 7), &sample(at * 40));
    }
    lan.has("album/film", &sample(20 * MIB + 3));
    let notes = lan.has("notes", &sample(2 * MIB));
    let offer = lan.offers(&[lan.home().join("album"), notes]).await;
    lan.pulls(&offer).await.unwrap();
    discard(TRANSFER, &lan.downloads()).await.unwrap();
    let before = fs::metadata(lan.downloads().join("album/film")).unwrap().modified().unwrap();

    let (received, arrived) = lan.pulls_counted(&offer, None, None).await;

    let received = received.unwrap();
    assert!(matches!(received.end, Whole::All(_)));
    assert_eq!(received.here, offer.bytes);
    assert_eq!(received.paths, ["album", "notes"].map(|name| lan.downloads().join(name)));
    // The list has about 12 kB, and each file's checksum 32 bytes.
    assert!(arrived < 40_000, "{arrived} bytes came for {}", offer.bytes);
    assert_eq!(tree(&lan.downloads()), tree(&lan.home()));
    assert_eq!(fs::metadata(lan.downloads().join("album/film")).unwrap().modified().unwrap(), before);
    discard(TRANSFER, &lan.downloads()).await.unwrap();
    lan.assert_downloads(&["album", "notes"]);
}

#[tokio::test]
async fn of_a_file_in_which_one_byte_changed_about_a_megabyte_travels() {
    for at in [0, 40 * MIB + 17, 64 * MIB - 1] {
        let lan = Lan::new().await;
        let data = sample(64 * MIB);
        let old = changed(data.clone(), at);
        lies(lan.downloads().join("film"), &old);
        let offer = lan.offers(&[lan.has("film", &data)]).await;
        let (received, arrived) = lan.pulls_counted(&offer, None, None).await;
        assert_eq!(received.unwrap().here, 0);
        assert!(arrived < 11 * MIB as u64 / 10, "{arrived} bytes came");
        assert!(fs::read(lan.downloads().join("film (2)")).unwrap() == data);
        assert!(fs::read(lan.downloads().join("film")).unwrap() == old, "what was there is not touched");
        lan.assert_downloads(&["film", "film (2)"]);
    }
}

/// A folder that was sent before, and in which some things changed since.
async fn changed_album(lan: &Lan) -> (lanyard_proto::rooms::Offer, BTreeMap<PathBuf, Option<Vec<u8>>>) {
    for at in 0..200 {
        let data = sample(1000 + at);
        lan.has(&format!("album/below/{at}"), &data);
        let old = if at % 80 == 7 { changed(data, 5) } else { data };
        lies(lan.downloads().join(format!("album/below/{at}")), &old);
    }
    lan.has("album/film", &sample(9 * MIB));
    lies(lan.downloads().join("album/film"), &changed(sample(9 * MIB), 5 * MIB + 1));
    lan.has("album/same", &sample(4 * MIB));
    lies(lan.downloads().join("album/same"), &sample(4 * MIB));
    lan.has("album/new/first", b"new");
    lies(lan.downloads().join("album/mine"), b"mine");
    fs::create_dir_all(lan.home().join("album/nothing/inside")).unwrap();
    let mut expected = tree(&lan.downloads());
    let sent = tree(&lan.home());
    for (path, content) in sent {
        let same = expected.get(&path) == Some(&content);
        let path = match expected.contains_key(&path) && !same {
            true => PathBuf::from(format!("{} (2)", path.display())),
            false => path,
        };
        expected.insert(path, content);
    }
    (lan.offers(&[lan.home().join("album")]).await, expected)
}

#[tokio::test]
async fn of_a_folder_that_is_sent_again_only_what_changed_travels_and_comes_beside_what_was_there() {
    let lan = Lan::new().await;
    let (offer, expected) = changed_album(&lan).await;
    let (received, arrived) = lan.pulls_counted(&offer, None, None).await;
    let received = received.unwrap();
    assert!(matches!(received.end, Whole::All(_)));
    assert!(received.here > 4 * MIB as u64, "{}", received.here);
    assert!(arrived < 12 * MIB as u64 / 10, "{arrived} bytes came");
    assert_eq!(received.paths, [lan.downloads().join("album")]);
    assert_eq!(tree(&lan.downloads()), expected);
    discard(TRANSFER, &lan.downloads()).await.unwrap();
    lan.assert_downloads(&["album"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn comparing_goes_on_after_the_wire_broke_and_doubles_nothing() {
    let lan = Lan::new().await;
    let (offer, expected) = changed_album(&lan).await;
    for cut_at in [1000, 9000, 12_000, 20_000, 40_000, 600_000, 1_050_000] {
        drop(lan.pulls_counted(&offer, None, Some(cut_at)).await.0);
    }
    lan.pulls_counted(&offer, None, None).await.0.unwrap();
    assert_eq!(tree(&lan.downloads()), expected);
    // The program ended before it was written down that all is done.
    let (received, arrived) = lan.pulls_counted(&offer, None, None).await;
    assert!(matches!(received.unwrap().end, Whole::All(_)));
    assert!(arrived < 20_000, "{arrived} bytes came");
    assert_eq!(tree(&lan.downloads()), expected);
}

#[tokio::test]
async fn a_folder_in_which_nothing_is_the_same_is_left_alone() {
    let lan = Lan::new().await;
    lan.has("album/a", b"theirs");
    lies(lan.downloads().join("album/a"), b"mine!!");
    let offer = lan.offers(&[lan.home().join("album")]).await;
    lan.pulls(&offer).await.unwrap();
    lan.assert_downloads(&["album", "album (2)"]);
    assert_eq!(fs::read(lan.downloads().join("album/a")).unwrap(), b"mine!!");
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_that_lies_there_is_no_file_that_is_here() {
    let lan = Lan::new().await;
    let data = sample(2 * MIB);
    fs::write(lan.canary().join("secret"), &data).unwrap();
    std::os::unix::fs::symlink(lan.canary().join("secret"), lan.downloads().join("film")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(lan.downloads().join("pipe")).status();
    assert!(made.unwrap().success());
    let offer = lan.offers(&[lan.has("film", &data), lan.has("pipe", b"")]).await;
    let (received, arrived) = lan.pulls_counted(&offer, None, None).await;
    assert_eq!(received.unwrap().here, 0);
    assert!(arrived > 2 * MIB as u64);
    lan.assert_downloads(&["film", "film (2)", "pipe", "pipe (2)"]);
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_here_becomes_executable_where_the_authors_is_for_those_who_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let lan = Lan::new().await;
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    // What is here before, and what it is to be where a new file would be executable for everybody.
    let modes =
        [(0o644, 0o755), (0o600, 0o700), (0o640, 0o750), (0o4666, 0o4777), (0o744, 0o744), (0o500, 0o500)];
    for (at, (before, _)) in modes.iter().enumerate() {
        for size in [300, MIB + 300] {
            let name = format!("tools/{at}-{size}");
            set(&lan.has(&name, &sample(size)), 0o755);
            lies(lan.downloads().join(&name), &sample(size));
            set(&lan.downloads().join(&name), *before);
        }
    }
    set(&lan.has("tools/new", b"new"), 0o755);
    lan.has("tools/text", b"text");
    lies(lan.downloads().join("tools/text"), b"text");
    set(&lan.downloads().join("tools/text"), 0o755);
    set(&lan.has("tools/other", b"theirs"), 0o755);
    lies(lan.downloads().join("tools/other"), b"mine!!");
    let offer = lan.offers(&[lan.home().join("tools")]).await;
    let (received, _) = lan.pulls_counted(&offer, None, None).await;
    let all: usize = modes.len() * (MIB + 600);
    assert_eq!(received.unwrap().here, all as u64 + 4);
    let mode = |name: &str| {
        let about = fs::metadata(lan.downloads().join("tools").join(name)).unwrap();
        about.permissions().mode() & 0o7777
    };
    let new = mode("new");
    for (at, (before, after)) in modes.iter().enumerate() {
        for size in [300, MIB + 300] {
            let expected = before | (after & new & 0o111);
            assert_eq!(mode(&format!("{at}-{size}")), expected, "{before:o}, {size} bytes");
        }
    }
    assert_eq!(mode("text"), 0o755, "nothing is taken away");
    assert_eq!((mode("other") & 0o111, mode("other (2)")), (0, new), "what differs is not touched");
    assert_eq!(fs::read_dir(lan.downloads().join(format!(".lanyard-part/{TRANSFER}"))).unwrap().count(), 3);
}

#[tokio::test]
async fn empty_and_sparse_files_are_here_too() {
    let lan = Lan::new().await;
    let paths = [lan.has("empty", b""), lan.has("disk.img", b"start")];
    for folder in [lan.home(), lan.downloads()] {
        fs::write(folder.join("empty"), b"").unwrap();
        fs::write(folder.join("disk.img"), b"start").unwrap();
        let disk = fs::OpenOptions::new().write(true).open(folder.join("disk.img")).unwrap();
        disk.set_len(16 * MIB as u64 + 7).unwrap();
    }
    let offer = lan.offers(&paths).await;
    let (received, arrived) = lan.pulls_counted(&offer, None, None).await;
    assert_eq!(received.unwrap().here, offer.bytes);
    assert!(arrived < 5000, "{arrived} bytes came");
    lan.assert_downloads(&["disk.img", "empty"]);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_at_its_author_fails_though_one_of_its_name_is_here() {
    for size in [1000, 3 * MIB] {
        let lan = Lan::new().await;
        let gone = lan.has("gone", &sample(size));
        let offer = lan.offers(&[gone.clone(), lan.has("other", b"other")]).await;
        lies(lan.downloads().join("gone"), &sample(size));
        fs::remove_file(gone).unwrap();
        let end = lan.pulls(&offer).await.unwrap_err().end();
        assert_eq!(end, Some(PullEnd::Failed(Failure::SourceGone)), "{size}");
        lan.assert_downloads(&["gone", "other"]);
    }
}

#[tokio::test]
async fn files_that_failed_and_come_one_after_the_other_all_get_their_names() {
    let lan = Lan::new().await;
    for name in ["a", "b", "c"] {
        lan.has(&format!("album/{name}"), &sample(3 * MIB));
    }
    let offer = lan.offers(&[lan.home().join("album")]).await;
    let dates = ["a", "b"].map(|name| {
        let path = lan.home().join("album").join(name);
        let date = fs::metadata(&path).unwrap().modified().unwrap();
        fs::rename(&path, lan.canary().join(name)).unwrap();
        (path, date)
    });
    lan.pulls(&offer).await.unwrap_err();
    for ((path, date), name) in dates.iter().zip(["a", "b"]) {
        fs::rename(lan.canary().join(name), path).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(*date).unwrap();
    }
    // The first of them came when the wire broke.
    let (cut, _) = lan.pulls_counted(&offer, None, Some(9 * MIB as u64 / 2)).await;
    assert_eq!(cut.unwrap_err().end(), Some(PullEnd::Cut));
    let (received, arrived) = lan.pulls_counted(&offer, None, None).await;
    received.unwrap();
    assert!(arrived < 5 * MIB as u64, "{arrived} bytes came");
    assert_eq!(tree(&lan.downloads()), tree(&lan.home()));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_on_a_disk_that_is_only_read_is_said_to_be_one() {
    let lan = Lan::new().await;
    let disk = lan.canary.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = |options: &str| {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&disk);
        mount.status().is_ok_and(|status| status.success())
    };
    if !mount("ro,size=1m") {
        println!("skipped: no file system can be mounted here");
        return;
    }
    let offer = lan.offers(&[lan.has("file", b"data")]).await;
    let (wire, holder) = duplex(MIB);
    drop(lan.serves(holder));
    let pulled = pulls_into(Path::new(&disk), wire, &offer, |_| {}, CancellationToken::new()).await;
    assert!(std::process::Command::new("umount").arg(&disk).status().unwrap().success());
    let error = pulled.unwrap_err();
    assert_eq!(error.end(), Some(PullEnd::Failed(Failure::Unwritable)), "{error}");
    assert!(error.to_string().contains("Read-only"), "{error}");
}
