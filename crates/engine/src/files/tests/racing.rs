//! Somebody else who may write in the folder that files come into puts links in the place of folders while they come.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use super::lan::{Lan, TRANSFER};
use crate::files::discard;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_swaps_folders_for_links_thousands_of_times_gets_nothing_outside() {
    let lan = Lan::new().await;
    (0..400).for_each(|number| drop(lan.has(&format!("photos/{}/{number}", number % 8), b"data")));
    let offer = lan.offers(&[lan.home().join("photos")]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let swapping = thread::spawn({
        let (downloads, canary, stop) = (lan.downloads(), lan.canary(), stop.clone());
        let part = downloads.join(".lanyard-part");
        let staging = part.join(TRANSFER.to_string());
        let photos = [staging.join("tree/photos"), downloads.join("photos")];
        let mut victims = vec![part, staging.clone(), staging.join("tree")];
        for photos in photos {
            victims.extend((0..8).map(|number| photos.join(number.to_string())));
            victims.push(photos);
        }
        move || {
            let mut swaps = 0;
            while !stop.load(Relaxed) {
                swaps += victims.iter().filter(|victim| swap(victim, &canary)).count();
            }
            swaps
        }
    });
    let (mut arrived, mut failed) = (0, 0);
    for _ in 0..ROUNDS {
        // It may arrive or not, as whoever may write there pleases.
        match lan.pulls(&offer).await {
            Ok(_) => arrived += 1,
            Err(_) => failed += 1,
        }
        let _ = discard(TRANSFER, &lan.downloads()).await;
    }
    stop.store(true, Relaxed);
    let swaps = swapping.join().unwrap();
    println!("{swaps} swaps, {arrived} arrived and {failed} did not");
    assert!(swaps > 1000, "{swaps} swaps are no race");
    lan.assert_canary();
}

/// Puts a link in the place of a folder for a moment. Whether the folder was there.
fn swap(folder: &Path, outside: &Path) -> bool {
    let aside = PathBuf::from(format!("{}.aside", folder.display()));
    let was_there = fs::rename(folder, &aside).is_ok();
    if was_there {
        let linked = symlink(outside, folder).is_ok();
        // Whatever was made there meanwhile stays, and the folder stays aside.
        if linked && fs::remove_file(folder).is_ok() {
            let _ = fs::rename(&aside, folder);
        }
    }
    was_there
}

/// Each takes some tens of milliseconds.
const ROUNDS: u32 = 30;
