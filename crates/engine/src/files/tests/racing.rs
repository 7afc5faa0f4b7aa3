//! Somebody else who may write in the folder that files come into puts links in the place of folders and files while they come.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::duplex;

use super::lan::{Lan, TRANSFER};
use crate::files::discard;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_swaps_folders_for_links_thousands_of_times_gets_nothing_outside() {
    races(10_000, Duration::from_secs(60)).await;
}

/// `cargo test -p lanyard-engine --lib swaps_a_million -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn whoever_swaps_a_million_times_gets_nothing_outside_either() {
    races(1_000_000, Duration::from_secs(3600)).await;
}

/// Pulls again and again until somebody has put so many links in the place of something.
async fn races(least: u64, patience: Duration) {
    let lan = Lan::new().await;
    (0..400).for_each(|number| drop(lan.has(&format!("photos/{}/{number}", number % 8), b"data")));
    let offer = lan.offers(&[lan.home().join("photos")]).await;
    let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let swapping = thread::spawn({
        let (victims, stop, swaps) = (victims(&lan), stop.clone(), swaps.clone());
        move || {
            while !stop.load(Relaxed) {
                let swapped = victims.iter().filter(|(victim, outside)| swap(victim, outside)).count();
                swaps.fetch_add(swapped as u64, Relaxed);
            }
        }
    });
    let (mut arrived, mut failed) = (0, 0);
    let begun = Instant::now();
    while arrived + failed < ROUNDS || swaps.load(Relaxed) < least {
        // It may arrive or not, or be told of to the sender, as whoever may write there pleases.
        let (wire, holder) = duplex(1 << 20);
        let served = lan.serves(holder);
        match lan.pulls_over(wire, &offer).await {
            Ok(_) => arrived += 1,
            Err(_) => failed += 1,
        }
        let _ = served.await.unwrap();
        let _ = discard(TRANSFER, &lan.downloads()).await;
        assert!(begun.elapsed() < patience, "{} swaps are no race", swaps.load(Relaxed));
    }
    stop.store(true, Relaxed);
    swapping.join().unwrap();
    println!("{} swaps, {arrived} arrived and {failed} did not", swaps.load(Relaxed));
    lan.assert_canary();
}

/// What is swapped, and for a link to what: folders for one outside, files for a file there.
fn victims(lan: &Lan) -> Vec<(PathBuf, PathBuf)> {
    let (downloads, canary) = (lan.downloads(), lan.canary());
    let part = downloads.join(".lanyard-part");
    let staging = part.join(TRANSFER.to_string());
    let places = [staging.join("tree/photos"), downloads.join("photos")];
    let mut folders = vec![part, staging.clone(), staging.join("tree")];
    let mut files = vec![staging.join("journal"), staging.join("manifest")];
    for photos in places {
        folders.extend((0..8).map(|number| photos.join(number.to_string())));
        files.extend((0..8).map(|number| photos.join(format!("{number}/{number}"))));
        folders.push(photos);
    }
    let to = |outside: PathBuf| move |victim| (victim, outside.clone());
    let folders = folders.into_iter().map(to(canary.clone()));
    folders.chain(files.into_iter().map(to(canary.join("canary")))).collect()
}

/// Puts a link in the place of something for a moment. Whether it was there.
fn swap(victim: &Path, outside: &Path) -> bool {
    let aside = PathBuf::from(format!("{}.aside", victim.display()));
    let was_there = fs::rename(victim, &aside).is_ok();
    if was_there {
        let linked = symlink(outside, victim).is_ok();
        // Whatever was made there meanwhile stays, and what was there stays aside.
        if linked && fs::remove_file(victim).is_ok() {
            let _ = fs::rename(&aside, victim);
        }
    }
    was_there
}

/// Each takes some tens of milliseconds.
const ROUNDS: u32 = 30;
