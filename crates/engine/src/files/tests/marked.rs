//! The mark of what came from others.

use std::fs;
use std::path::Path;

use super::here::lies;
use super::lan::{Lan, MIB, TRANSFER, sample};

#[cfg(target_os = "linux")]
const NAME: &str = "user.xdg.origin.url";
#[cfg(target_os = "macos")]
const NAME: &str = "com.apple.quarantine";

/// What a mark says on this system.
const SAYS: &str = match () {
    () if cfg!(windows) => "[ZoneTransfer]\r\nZoneId=3\r\n",
    () if cfg!(target_os = "macos") => "0081;",
    () => "lanyard:",
};

/// The mark of what lies at a path.
#[cfg(unix)]
fn mark_of(path: &Path) -> Option<String> {
    let mut read = vec![0; 64];
    let length = rustix::fs::getxattr(path, NAME, &mut read[..]).ok()?;
    read.truncate(length);
    String::from_utf8(read).ok()
}

#[cfg(unix)]
fn unmark(path: &Path) {
    rustix::fs::removexattr(path, NAME).unwrap();
}

/// Marks a file as anybody could. `false` where the file system has no marks.
#[cfg(unix)]
fn mark(path: &Path) -> bool {
    rustix::fs::setxattr(path, NAME, b"mine", rustix::fs::XattrFlags::empty()).is_ok()
}

#[cfg(windows)]
fn stream(path: &Path) -> String {
    format!("{}:Zone.Identifier", path.display())
}

#[cfg(windows)]
fn mark_of(path: &Path) -> Option<String> {
    fs::read_to_string(stream(path)).ok()
}

#[cfg(windows)]
fn unmark(path: &Path) {
    fs::remove_file(stream(path)).unwrap();
}

#[cfg(windows)]
fn mark(path: &Path) -> bool {
    fs::write(stream(path), "mine").is_ok()
}

fn marks_are_held(folder: &Path) -> bool {
    let probe = folder.join("probe");
    fs::write(&probe, "").unwrap();
    let held = mark(&probe);
    fs::remove_file(probe).unwrap();
    if !held {
        println!("skipped: the file system of {} has no marks", folder.display());
    }
    held
}

fn is_marked(path: &Path) -> bool {
    mark_of(path).is_some_and(|mark| mark.starts_with(SAYS))
}

#[tokio::test]
async fn what_came_from_others_is_marked_and_what_was_here_is_not() {
    let lan = Lan::new().await;
    if !marks_are_held(&lan.downloads()) {
        return;
    }
    for name in ["album/1.jpg", "album/deep/run.sh", "album/empty", "mine/same.txt", "mine/new.txt"] {
        lan.has(name, if name.ends_with("empty") { b"" } else { name.as_bytes() });
    }
    lan.has("film", &sample(3 * MIB + 1));
    lies(lan.downloads().join("mine/same.txt"), b"mine/same.txt");
    let offer = lan.offers(&["album", "film", "mine"].map(|name| lan.home().join(name))).await;
    lan.pulls(&offer).await.unwrap();
    lan.assert_downloads(&["album", "film", "mine"]);
    for came in ["album/1.jpg", "album/deep/run.sh", "album/empty", "film", "mine/new.txt"] {
        let mark = mark_of(&lan.downloads().join(came));
        assert!(is_marked(&lan.downloads().join(came)), "{came}: {mark:?}");
    }
    assert_eq!(mark_of(&lan.downloads().join("mine/same.txt")), None);
    // What is offered is none of that.
    assert_eq!(mark_of(&lan.home().join("film")), None);
}

#[tokio::test]
async fn what_was_left_unmarked_when_it_ended_in_between_is_marked_when_it_goes_on() {
    let lan = Lan::new().await;
    if !marks_are_held(&lan.downloads()) {
        return;
    }
    lan.has("album/first", b"small");
    lan.has("album/second", &sample(8 * MIB));
    let offer = lan.offers(&[lan.home().join("album")]).await;
    let (cut, _) = lan.pulls_counted(&offer, None, Some(5 * MIB as u64)).await;
    cut.unwrap_err();
    let staged = lan.downloads().join(format!(".lanyard-part/{TRANSFER}/tree/album/first"));
    assert!(is_marked(&staged), "it is marked before it has its name");
    unmark(&staged);
    lan.pulls(&offer).await.unwrap();
    for name in ["first", "second"] {
        assert!(is_marked(&lan.downloads().join("album").join(name)), "{name}");
    }
}

/// On a file system that cannot hold a mark.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn where_there_is_no_place_for_marks_files_come_all_the_same() {
    let lan = Lan::new().await;
    let disk = lan.canary().join("disk");
    fs::create_dir(&disk).unwrap();
    let mounted = std::process::Command::new("mount").args(["-t", "ramfs", "ramfs"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return println!("skipped: a small file system cannot be mounted here");
    }
    let offer = lan.offers(&[lan.has("file", &sample(2 * MIB))]).await;
    let (wire, holder) = tokio::io::duplex(MIB);
    drop(lan.serves(holder));
    let stop = tokio_util::sync::CancellationToken::new();
    let pulled = super::lan::pulls_into(&disk, wire, &offer, |_| {}, stop).await;
    let came = fs::read(disk.join("file"));
    let marked = mark_of(&disk.join("file"));
    assert!(std::process::Command::new("umount").arg("-l").arg(&disk).status().unwrap().success());
    pulled.unwrap();
    assert!(came.unwrap() == sample(2 * MIB));
    assert_eq!(marked, None);
}
