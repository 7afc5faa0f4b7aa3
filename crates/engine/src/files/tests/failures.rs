//! Files that fail alone, and what the author remembers.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use lanyard_proto::transfer::{Failure, PullEnd};
use tokio::io::duplex;
use tokio_util::sync::CancellationToken;

use super::lan::{BOB, Lan, MIB, TRANSFER, Wire, sample, tree};
use crate::files::{PullError, Shelf};

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

fn date(path: &Path, date: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(date).unwrap();
}

#[tokio::test]
async fn a_file_that_vanished_fails_alone_by_name_and_a_retry_fetches_only_it() {
    let lan = Lan::new().await;
    for at in 0..20 {
        lan.has(&format!("album/below/{at}"), &sample(at * 100));
    }
    let gone = lan.has("album/below/gone.txt", b"here again");
    let film = lan.has("album/film", &sample(6 * MIB + 9));
    let offer = lan.offers(&[lan.home().join("album")]).await;
    let dates = [&gone, &film].map(|path| modified(path));
    let [gone_aside, film_aside] = ["gone", "film"].map(|name| lan.canary().join(name));
    fs::rename(&gone, &gone_aside).unwrap();
    fs::rename(&film, &film_aside).unwrap();

    let error = lan.pulls(&offer).await.unwrap_err();
    assert_eq!(error.end(), Some(PullEnd::Failed(Failure::SourceGone)));
    let PullError::Failed { reason, arrived, .. } = error else { panic!("{error}") };
    let reason = reason.to_string();
    assert!(reason.contains("2 of 22") && reason.contains("gone.txt") && reason.contains("film"), "{reason}");
    assert_eq!(arrived, [lan.downloads().join("album")]);
    assert_eq!(tree(&lan.downloads()), tree(&lan.home()));

    fs::rename(&gone_aside, &gone).unwrap();
    fs::rename(&film_aside, &film).unwrap();
    dates.iter().zip([&gone, &film]).for_each(|(was, path)| date(path, *was));
    let (received, arrived) = lan.pulls_counted(&offer, None, None).await;
    assert_eq!(received.unwrap().paths, [lan.downloads().join("album")]);
    assert_eq!(tree(&lan.downloads()), tree(&lan.home()));
    assert!(arrived < 7 * MIB as u64);
}

#[tokio::test]
async fn a_file_that_changes_on_the_way_fails_and_those_behind_it_arrive() {
    let lan = Lan::new().await;
    let film = lan.has("film", &sample(40 * MIB));
    let paths = [film.clone(), lan.has("notes", b"small"), lan.has("second", &sample(3 * MIB))];
    let offer = lan.offers(&paths).await;
    let (wire, holder) = duplex(MIB);
    drop(lan.serves(holder));
    let progress = move |moved| {
        if moved > 0 {
            date(&film, SystemTime::UNIX_EPOCH);
        }
    };
    let error = lan.pulls_with(wire, &offer, progress, CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.end(), Some(PullEnd::Failed(Failure::SourceChanged)), "{error}");
    lan.assert_downloads(&["notes", "second"]);
}

#[tokio::test]
async fn what_changed_on_the_authors_disk_without_a_sign_is_noticed_when_it_is_asked_for_again() {
    for size in [3 * MIB, 1000] {
        let lan = Lan::new().await;
        let path = lan.has("file", &sample(size));
        let offer = lan.offers(&[path.clone(), lan.has("other", b"other")]).await;
        let _kept = lan.shelf.holding(TRANSFER, BOB).await.unwrap();
        lan.pulls(&offer).await.unwrap();
        crate::files::discard(TRANSFER, &lan.downloads()).await.unwrap();
        for name in ["file", "other"] {
            fs::remove_file(lan.downloads().join(name)).unwrap();
        }
        let was = modified(&path);
        let mut data = sample(size);
        data[size / 2] ^= 1;
        let file = fs::File::options().write(true).open(&path).unwrap();
        crate::files::positions::write_all_at(&file, &data, 0).unwrap();
        file.set_modified(was).unwrap();
        let error = lan.pulls(&offer).await.unwrap_err();
        assert_eq!(error.end(), Some(PullEnd::Failed(Failure::SourceChanged)), "{size}");
        lan.assert_downloads(&["other"]);
    }
}

#[tokio::test]
async fn what_was_hashed_once_is_known_after_a_restart_and_forgotten_for_another_file() {
    let lan = Lan::new().await;
    let data = sample(3 * MIB + 7);
    let path = lan.has("file", &data);
    let offer = lan.offers(&[path.clone(), lan.has("small", b"small")]).await;
    lan.pulls(&offer).await.unwrap();

    let again = Shelf::open(lan.profile.path()).unwrap();
    let holding = again.holding(TRANSFER, BOB).await.unwrap().unwrap();
    assert!(holding.lock().leaves.known().is_full());
    assert!(holding.lock().leaves.signature(0).is_some());
    assert!(holding.digest().is_some());

    // Another file of the same name, size and date.
    let was = modified(&path);
    let mut other = data.clone();
    other[5] ^= 1;
    fs::write(path.with_extension("new"), &other).unwrap();
    date(&path.with_extension("new"), was);
    fs::rename(path.with_extension("new"), &path).unwrap();
    holding.open(0).unwrap();
    assert_eq!(holding.lock().leaves.known().count(), 1);
    drop((holding, again));
    crate::files::discard(TRANSFER, &lan.downloads()).await.unwrap();
    fs::remove_file(lan.downloads().join("file")).unwrap();
    fs::remove_file(lan.downloads().join("small")).unwrap();
    lan.pulls(&offer).await.unwrap();
    assert!(fs::read(lan.downloads().join("file")).unwrap() == other);
}

#[tokio::test]
async fn a_rubbish_file_of_states_costs_a_pass_and_nothing_else() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("file", &sample(3 * MIB))]).await;
    let states = lan.profile.path().join(format!("offers/{TRANSFER}.states"));
    for rubbish in [b"rubbish".as_slice(), b"", &[0x82; 99]] {
        fs::write(&states, rubbish).unwrap();
        lan.pulls(&offer).await.unwrap();
        crate::files::discard(TRANSFER, &lan.downloads()).await.unwrap();
    }
    assert!(fs::metadata(&states).unwrap().len() > 100);
    lan.shelf.forget(TRANSFER).await.unwrap();
    assert!(!states.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_killed_at_twenty_moments_sends_little_again() {
    let lan = Lan::new().await;
    let data = sample(40 * MIB + 77);
    let small = (0..50).map(|at| lan.has(&format!("small-{at}"), &sample(at * 999)));
    let offer = lan.offers(&small.chain([lan.has("film", &data)]).collect::<Vec<_>>()).await;
    let (mut sent, mut kills) = (0, 0);
    // An arbitrary number, so that the moments are the same each time.
    let mut chance = 0x2545_f491_4f6c_dd1d_u64;
    while kills < 20 {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (wire, holder) = duplex(MIB);
        let mut cut = Wire::new(wire);
        cut.cut_at = Some((chance >> 33) % (4 * MIB as u64));
        let arrived = cut.arrived.clone();
        drop(lan.serves(holder));
        let pulled = lan.pulls_over(cut, &offer).await;
        sent += arrived.load(Relaxed);
        kills += 1;
        if pulled.is_ok() {
            break;
        }
        lan.assert_downloads(&[]);
    }
    let (wire, holder) = duplex(MIB);
    let rest = Wire::new(wire);
    let arrived = rest.arrived.clone();
    drop(lan.serves(holder));
    lan.pulls_over(rest, &offer).await.unwrap();
    sent += arrived.load(Relaxed);
    assert!(fs::read(lan.downloads().join("film")).unwrap() == data);
    let again = sent.saturating_sub(offer.bytes);
    assert!(again < 20 * 5 * MIB as u64 / 4, "{again} bytes were sent again for {kills} kills");
}
