//! A disk that has no room any more at each place where something is written, and a folder that becomes one that is only
//! read: what came waits, nothing has half a name, and when there is room it goes on where it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::{Failure, PullEnd};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use tokio::io::duplex;
use tokio_util::sync::CancellationToken;

use super::here::lies;
use super::lan::{Lan, MIB, Wire, pulls_into, sample, tree};
use crate::files::{PullError, Received};

const PAGE: u64 = 4096;

/// The list of files and what each piece is checked by, of everything here.
const LITTLE: u64 = 100_000;

/// What two threads may have written, and not noted, when the disk is full: a piece each.
const UNNOTED: u64 = 2 * MIB as u64;

/// A small disk of its own.
struct Disk(PathBuf);

impl Disk {
    /// `None` where nothing can be mounted.
    fn mounted(lan: &Lan, options: &str) -> Option<Disk> {
        let at = lan.canary().join("disk");
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&at);
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Disk(at));
        }
        println!("skipped: a small file system cannot be mounted here");
        None
    }

    fn remount(&self, options: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{options}")]).arg(&self.0);
        assert!(mount.status().unwrap().success());
    }

    fn hog(&self) -> PathBuf {
        self.0.join("hog")
    }

    /// The rest of the offer, beside what the disk is filled with.
    fn tree(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        tree(&self.0).into_iter().filter(|(path, _)| path != Path::new("hog")).collect()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Leaves so many bytes free on the disk that a file is on.
fn fill(hog: &Path, leave: u64) {
    let file = fs::File::create(hog).unwrap();
    let about = statvfs(hog).unwrap();
    let free = about.f_bavail * about.f_frsize;
    fallocate(&file, FallocateFlags::empty(), 0, free.saturating_sub(leave).max(1)).unwrap();
}

/// When the disk is filled.
#[derive(Clone, Copy, Debug)]
enum When {
    /// Before anything is staged.
    Before,
    /// When it was looked whether there is room.
    Looked,
}

/// Offers what is there.
async fn offers(lan: &Lan) -> Offer {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(lan.home()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    lan.offers(&paths).await
}

/// Fetches onto a disk; gives what came of it, the bytes that arrived, and the bytes that were verified.
async fn pulls(
    lan: &Lan,
    into: &Path,
    offer: &Offer,
    told: impl Fn(u64) + Send + 'static,
) -> (Result<Received, PullError>, u64, u64) {
    let (wire, holder) = duplex(MIB);
    let wire = Wire::new(wire);
    let (arrived, verified) = (wire.arrived.clone(), Arc::new(AtomicU64::new(0)));
    drop(lan.serves(holder));
    let moved = verified.clone();
    let progress = move |bytes| {
        moved.store(bytes, Relaxed);
        told(bytes);
    };
    let pulled = pulls_into(into, wire, offer, progress, CancellationToken::new()).await;
    (pulled, arrived.load(Relaxed), verified.load(Relaxed))
}

/// What has a name is whole, and is what was offered or there before; nothing lies where it does not belong.
fn nothing_is_half_named(lan: &Lan, disk: &Disk, expected: &BTreeMap<PathBuf, Option<Vec<u8>>>, what: &str) {
    for (path, content) in disk.tree() {
        let right = expected.get(&path);
        assert!(right == Some(&content), "{what}: {} is not what it should be", path.display());
    }
    let mut around: Vec<_> =
        fs::read_dir(lan.canary()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    around.sort();
    assert_eq!(around, ["canary", "disk"], "{what}");
    assert_eq!(fs::read(lan.canary().join("canary")).unwrap(), b"alive");
}

fn ran_out(pulled: Result<Received, PullError>, disk: &Disk, what: &str) {
    let Err(error) = pulled else { panic!("{what}: it all found room") };
    assert_eq!(error.end(), Some(PullEnd::NoSpace), "{what}: {error}");
    let said = error.to_string();
    assert!(said.starts_with(disk.0.to_str().unwrap()), "{what}: it says on which disk: {said}");
}

fn film(lan: &Lan) {
    lan.has("film", &sample(5 * MIB + 77));
}

/// Several bundles, and more in the journal than a page.
fn small(lan: &Lan) {
    for at in 0..400 {
        lan.has(&format!("many/{}/{at}", at % 7), &sample(at * 3));
    }
}

fn sparse(lan: &Lan) {
    let path = lan.has("disk.img", &sample(MIB / 2));
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(12 * MIB as u64 + 5).unwrap();
    crate::files::positions::write_all_at(&file, &sample(MIB), 6 * MIB as u64 + MIB as u64 / 2).unwrap();
}

fn mixed(lan: &Lan) {
    film(lan);
    small(lan);
}

/// What is sent, when the disk is filled, and how many bytes are left then.
type Case = (&'static str, fn(&Lan), When, &'static [u64]);

const CHUNK: u64 = MIB as u64;

const CASES: &[Case] = &[
    ("staging, manifest and journal", mixed, When::Before, &[0, PAGE, 2 * PAGE, 10 * PAGE, CHUNK]),
    ("first byte", film, When::Looked, &[0, PAGE]),
    ("inside a chunk", film, When::Looked, &[CHUNK / 2, CHUNK - PAGE, 3 * CHUNK + PAGE]),
    ("between chunks", film, When::Looked, &[CHUNK, 2 * CHUNK, 5 * CHUNK]),
    ("bundles, and leaves in the journal", small, When::Looked, &[0, PAGE, 9 * PAGE, 60 * PAGE, 150 * PAGE]),
    ("holes", sparse, When::Looked, &[0, PAGE, CHUNK / 2, CHUNK / 2 + PAGE, CHUNK, CHUNK + 9 * PAGE]),
];

#[tokio::test]
async fn wherever_the_disk_is_full_it_waits_and_goes_on_when_there_is_room() {
    for (place, makes, when, left) in CASES {
        let lan = Lan::new().await;
        makes(&lan);
        let offer = offers(&lan).await;
        for leave in *left {
            let what = format!("{place}, {leave} bytes free");
            let Some(disk) = Disk::mounted(&lan, "size=48m") else { return };
            let (hog, leave) = (disk.hog(), *leave);
            if let When::Before = when {
                fill(&hog, leave);
            }
            let filling = hog.clone();
            let told = move |bytes| {
                if bytes == 0 && !filling.exists() {
                    fill(&filling, leave);
                }
            };
            let (pulled, _, verified) = pulls(&lan, &disk.0, &offer, told).await;
            ran_out(pulled, &disk, &what);
            assert!(disk.tree().is_empty(), "{what}: {:?}", disk.tree().keys());
            nothing_is_half_named(&lan, &disk, &tree(&lan.home()), &what);

            fs::remove_file(&hog).unwrap();
            let (pulled, arrived, _) = pulls(&lan, &disk.0, &offer, |_| {}).await;
            pulled.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(disk.tree() == tree(&lan.home()), "{what}");
            let most = offer.bytes - verified + UNNOTED + LITTLE;
            assert!(arrived <= most, "{what}: {arrived} bytes came where {most} do");
            drop(disk);
            fs::remove_dir(lan.canary().join("disk")).unwrap();
        }
    }
}

/// A folder that was sent before, of which some has to come: into folders that are there, and into new ones.
fn filled_up(lan: &Lan, into: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    use std::os::unix::fs::PermissionsExt;
    for at in 0..400 {
        let name = format!("album/{}/a picture with a long name {at}", at % 3);
        lan.has(&name, &sample(at));
    }
    let script = lan.has("album/script", b"#!/bin/sh\n");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    lies(into.join("album/script"), b"#!/bin/sh\n");
    lies(into.join("album/0/mine"), b"mine");
    let mut expected = tree(&lan.home());
    expected.insert("album/0/mine".into(), Some(b"mine".to_vec()));
    expected
}

#[tokio::test]
async fn where_the_journal_finds_no_room_when_all_came_every_name_is_given_later() {
    let lan = Lan::new().await;
    for leave in [0, PAGE, 2 * PAGE] {
        let Some(disk) = Disk::mounted(&lan, "size=48m") else { return };
        let expected = filled_up(&lan, &disk.0);
        let offer = offers(&lan).await;
        let what = format!("{leave} bytes free");
        let (hog, all) = (disk.hog(), offer.bytes);
        let filling = hog.clone();
        let told = move |bytes| {
            if bytes >= all && !filling.exists() {
                fill(&filling, leave);
            }
        };
        let (pulled, _, _) = pulls(&lan, &disk.0, &offer, told).await;
        ran_out(pulled, &disk, &what);
        nothing_is_half_named(&lan, &disk, &expected, &what);
        fs::remove_file(&hog).unwrap();
        let (pulled, arrived, _) = pulls(&lan, &disk.0, &offer, |_| {}).await;
        assert_eq!(pulled.unwrap().paths, [disk.0.join("album")], "{what}");
        assert!(disk.tree() == expected, "{what}");
        assert!(arrived < LITTLE, "{what}: {arrived} bytes came");
        drop(disk);
        fs::remove_dir(lan.canary().join("disk")).unwrap();
    }
}

#[tokio::test]
async fn whatever_cannot_be_made_any_more_is_made_when_there_is_room() {
    let lan = Lan::new().await;
    let mut spared = 0;
    loop {
        let Some(disk) = Disk::mounted(&lan, "size=48m,nr_inodes=2000") else { return };
        // As many new files and folders as this one may be made, and no more.
        lies(disk.0.join("album/old"), b"old");
        for at in 0..3 {
            lan.has(&format!("album/new {at}/file {at}"), &sample(100 + at));
        }
        lan.has("album/old", b"old");
        lan.has("album/film", &sample(MIB + 5));
        let offer = offers(&lan).await;
        let about = statvfs(&disk.0).unwrap();
        disk.remount(&format!("nr_inodes={}", about.f_files - about.f_ffree + spared));
        let what = format!("{spared} more can be made");
        let (pulled, _, verified) = pulls(&lan, &disk.0, &offer, |_| {}).await;
        nothing_is_half_named(&lan, &disk, &tree(&lan.home()), &what);
        let done = pulled.is_ok();
        if !done {
            ran_out(pulled, &disk, &what);
        }
        disk.remount("nr_inodes=2000");
        let (pulled, arrived, _) = pulls(&lan, &disk.0, &offer, |_| {}).await;
        pulled.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(disk.tree() == tree(&lan.home()), "{what}: {:?}", disk.tree().keys());
        assert!(arrived <= offer.bytes - verified + UNNOTED + LITTLE, "{what}: {arrived} bytes came");
        drop(disk);
        fs::remove_dir(lan.canary().join("disk")).unwrap();
        if done {
            break;
        }
        spared += 1;
    }
    // The staging with journal, manifest and tree, what is in that, and where it goes the three folders once more.
    assert!(spared >= 16, "{spared}");
}

/// Takes from this thread, and those that it starts, what lets root write where nobody may.
fn is_nobody_special() {
    let mut mine = capabilities(None).unwrap();
    mine.effective.remove(CapabilitySet::DAC_OVERRIDE);
    set_capabilities(None, mine).unwrap();
}

#[test]
fn a_folder_that_becomes_one_that_is_only_read_is_said_to_be_one_and_waited_for() {
    use std::os::unix::fs::PermissionsExt;
    is_nobody_special();
    // Its threads are started by this one, and may no more than it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    runtime.block_on(async {
        for (place, came) in
            [("", false), ("", true), (".lanyard-part", true), ("tree", false), ("own", true)]
        {
            let lan = Lan::new().await;
            mixed(&lan);
            let offer = offers(&lan).await;
            let Some(disk) = Disk::mounted(&lan, "size=48m") else { return };
            let into = disk.0.clone();
            let own = into.join(format!(".lanyard-part/{}", super::lan::TRANSFER));
            let closed = match place {
                "tree" => own.join("tree"),
                "own" => own,
                other => into.join(other),
            };
            let (closing, all) = (closed.clone(), offer.bytes);
            let told = move |bytes| {
                if if came { bytes >= all } else { bytes == 0 } {
                    set(&closing, 0o555);
                }
            };
            let what = format!("{} when all came: {came}", closed.display());
            let (pulled, _, verified) = pulls(&lan, &into, &offer, told).await;
            set(&closed, 0o755);
            if let Err(error) = &pulled {
                assert_eq!(error.end(), Some(PullEnd::Failed(Failure::Unwritable)), "{what}: {error}");
                assert!(error.to_string().contains("Permission denied"), "{what}: {error}");
                for (path, content) in tree(&into) {
                    assert!(tree(&lan.home()).get(&path) == Some(&content), "{what}: {}", path.display());
                }
            }
            // Only what is staged by its name there needs no right to that folder.
            assert_eq!(pulled.is_err(), place != ".lanyard-part" && place != "own", "{what}");
            let (pulled, arrived, _) = pulls(&lan, &into, &offer, |_| {}).await;
            pulled.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(tree(&into) == tree(&lan.home()), "{what}");
            assert!(arrived <= offer.bytes - verified + UNNOTED + LITTLE, "{what}: {arrived} bytes came");
        }
    });
}
