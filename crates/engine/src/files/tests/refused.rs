//! Files that the receiver's disk does not take, or does not let have their names: they fail alone, and everything else arrives.

use std::fs;
use std::io;
use std::sync::atomic::Ordering::Relaxed;

use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::{Failure, PullEnd};
use tokio::io::duplex;
use tokio_util::sync::CancellationToken;

use super::lan::{Lan, MIB, TRANSFER, Wire, pulls_into, sample, tree};
use crate::files::{PullError, Received};

/// Where Bob stages what Ann offers.
fn staged(lan: &Lan, name: &str) -> std::path::PathBuf {
    lan.downloads().join(format!(".lanyard-part/{TRANSFER}/tree")).join(name)
}

fn failed(pulled: Result<Received, PullError>) -> (u64, String) {
    let error = pulled.unwrap_err();
    assert_eq!(error.end(), Some(PullEnd::Failed(Failure::Unwritable)), "{error}");
    let PullError::Failed { files, reason, .. } = error else { panic!("{error}") };
    (files, reason.to_string())
}

/// Lets a pull begin, and end before anything comes.
async fn begun(lan: &Lan, offer: &Offer) {
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let (wire, holder) = duplex(MIB);
    drop(lan.serves(holder));
    let error = lan.pulls_with(wire, offer, move |_| stopping.cancel(), stop).await.unwrap_err();
    assert!(matches!(error, PullError::Stopped), "{error}");
}

#[tokio::test]
async fn a_file_that_the_disk_refuses_fails_alone_by_name_and_a_retry_fetches_only_it() {
    let lan = Lan::new().await;
    for at in 0..20 {
        lan.has(&format!("album/below/{at}"), &sample(at * 100));
    }
    lan.has("album/odd.txt", b"odd");
    let film = lan.has("album/film", &sample(6 * MIB + 9));
    lan.has("album/other", &sample(3 * MIB));
    let offer = lan.offers(&[lan.home().join("album")]).await;
    begun(&lan, &offer).await;
    // A folder stands in the way of each: as with a name that is too long, the system refuses that one alone.
    for name in ["album/odd.txt", "album/film"] {
        let _ = fs::remove_file(staged(&lan, name));
        fs::create_dir(staged(&lan, name)).unwrap();
    }
    let (files, reason) = failed(lan.pulls(&offer).await);
    assert_eq!(files, 2, "{reason}");
    assert!(
        reason.contains("2 of 23") && reason.contains("odd.txt (") && reason.contains("film ("),
        "{reason}"
    );
    let mut expected = tree(&lan.home());
    for name in ["album/odd.txt", "album/film"] {
        expected.remove(std::path::Path::new(name));
    }
    assert_eq!(tree(&lan.downloads()), expected, "and nothing of them has a name");

    let (received, arrived) = lan.pulls_counted(&offer, None, None).await;
    assert_eq!(received.unwrap().paths, [lan.downloads().join("album")]);
    assert_eq!(tree(&lan.downloads()), tree(&lan.home()));
    assert!(arrived < 7 * MIB as u64);
    assert!(fs::read(film).unwrap() == fs::read(lan.downloads().join("album/film")).unwrap());
}

#[tokio::test]
async fn a_folder_that_the_disk_refuses_fails_with_what_is_in_it_and_nothing_else_does() {
    let lan = Lan::new().await;
    lan.has("album/odd/below/deep.txt", b"deep");
    lan.has("album/plain.txt", b"plain");
    fs::create_dir_all(lan.home().join("empty")).unwrap();
    let offer = lan.offers(&["album", "empty"].map(|name| lan.home().join(name))).await;
    begun(&lan, &offer).await;
    for name in ["album/odd", "empty"] {
        let _ = fs::remove_dir_all(staged(&lan, name));
        fs::write(staged(&lan, name), "in the way").unwrap();
    }
    let (files, reason) = failed(lan.pulls(&offer).await);
    assert_eq!(files, 1, "{reason}");
    assert!(reason.contains("deep.txt (") && reason.contains("could not be made: empty ("), "{reason}");
    assert_eq!(fs::read(lan.downloads().join("album/plain.txt")).unwrap(), b"plain");
    assert!(!lan.downloads().join("empty").exists());
}

#[tokio::test]
async fn where_a_file_stands_in_the_place_of_a_folder_the_rest_gets_its_names_all_the_same() {
    let lan = Lan::new().await;
    let data = sample(2 * MIB);
    lan.has("album/same", b"same");
    lan.has("album/sub/film", &data);
    lan.has("album/new", b"new");
    let offer = lan.offers(&[lan.home().join("album")]).await;
    let here = lan.downloads().join("album");
    fs::create_dir(&here).unwrap();
    fs::write(here.join("same"), b"same").unwrap();
    fs::write(here.join("sub"), "mine").unwrap();

    let (files, reason) = failed(lan.pulls(&offer).await);
    assert_eq!(files, 1, "{reason}");
    assert!(reason.contains("film ("), "{reason}");
    assert_eq!(fs::read(here.join("new")).unwrap(), b"new");
    assert_eq!(fs::read(here.join("sub")).unwrap(), b"mine");

    fs::remove_file(here.join("sub")).unwrap();
    let (received, bytes) = lan.pulls_counted(&offer, None, None).await;
    received.unwrap();
    assert!(bytes < MIB as u64, "what came is not fetched again: {bytes}");
    assert_eq!(tree(&lan.downloads()), tree(&lan.home()));
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_the_place_of_a_folder_is_not_followed_and_harms_nothing_else() {
    let lan = Lan::new().await;
    lan.has("album/same", b"same");
    lan.has("album/sub/file", b"file");
    lan.has("album/new", b"new");
    let offer = lan.offers(&[lan.home().join("album")]).await;
    let here = lan.downloads().join("album");
    fs::create_dir(&here).unwrap();
    fs::write(here.join("same"), b"same").unwrap();
    std::os::unix::fs::symlink(lan.canary(), here.join("sub")).unwrap();
    let (files, reason) = failed(lan.pulls(&offer).await);
    assert_eq!(files, 1, "{reason}");
    assert_eq!(fs::read(here.join("new")).unwrap(), b"new");
    lan.assert_canary();
}

#[tokio::test]
async fn what_was_to_go_into_a_folder_that_was_moved_meanwhile_is_named_nowhere_and_goes_on_where_it_is() {
    let lan = Lan::new().await;
    let data = sample(8 * MIB);
    let offer = lan.offers(&[lan.has("film", &data)]).await;
    let [into, moved] = ["into", "moved"].map(|name| lan.downloads().join(name));
    fs::create_dir(&into).unwrap();
    let (from, to) = (into.clone(), moved.clone());
    let move_away = move |bytes: u64| {
        if bytes >= 2 * MIB as u64 && !to.exists() {
            fs::rename(&from, &to).unwrap();
            fs::create_dir(&from).unwrap();
        }
    };
    let (wire, holder) = duplex(MIB);
    drop(lan.serves(holder));
    let pulled = pulls_into(&into, wire, &offer, move_away, CancellationToken::new()).await;
    let (_, reason) = failed(pulled);
    assert!(reason.contains("was moved, removed or replaced"), "{reason}");
    assert_eq!(fs::read_dir(&into).unwrap().count(), 0);
    assert!(!moved.join("film").exists());

    let (wire, holder) = duplex(MIB);
    let rest = Wire::new(wire);
    let arrived = rest.arrived.clone();
    drop(lan.serves(holder));
    pulls_into(&moved, rest, &offer, |_| {}, CancellationToken::new()).await.unwrap();
    assert!(fs::read(moved.join("film")).unwrap() == data);
    assert!(arrived.load(Relaxed) < MIB as u64, "all of it lay there");
}

#[test]
fn an_offer_that_cannot_be_kept_leaves_nothing_half_written() {
    let profile = tempfile::tempdir().unwrap();
    let shelf = crate::files::Shelf::open(profile.path()).unwrap();
    let offers = profile.path().join("offers");
    // Nothing can be renamed over a folder that holds something.
    fs::create_dir_all(offers.join(TRANSFER.to_string()).join("in the way")).unwrap();
    let head = crate::files::shelf::Head {
        audience: None,
        bytes: 0,
        manifest: [0; 32],
        tops: Vec::new(),
        odd: Vec::new(),
        room: None,
        inside: None,
        author: None,
    };
    let error: io::Error = shelf.write_down(TRANSFER, &head, b"list").unwrap_err();
    assert_eq!(fs::read_dir(&offers).unwrap().count(), 1, "{error}");
}
