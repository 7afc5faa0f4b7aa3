//! Transfers that end before they are done, and how they go on.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex};

use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::{Failure, PullEnd};
use lanyard_proto::wire::file::Source;
use tokio::io::duplex;
use tokio_util::sync::CancellationToken;

use super::lan::{BOB, Lan, MIB, TRANSFER, Wire, ann, digest, pulls_into, receiver, sample};
use crate::files::journal::Record;
use crate::files::positions::write_all_at;
use crate::files::{
    Dial, Dialled, Given, PullError, Received, ServeError, Shelf, Told, Verdict, Wanted, Way, discard, pull,
    serve,
};

#[tokio::test]
async fn a_file_that_changed_since_it_was_offered_is_not_sent() {
    for (changed, failure) in [
        (Some(b"other".as_slice()), Failure::SourceChanged),
        (Some(b"longer than before"), Failure::SourceChanged),
        (None, Failure::SourceGone),
    ] {
        let lan = Lan::new().await;
        let path = lan.has("file", b"older");
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
        fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        let offer = lan.offers(std::slice::from_ref(&path)).await;
        match changed {
            Some(data) => fs::write(&path, data).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let end = lan.pulls(&offer).await.unwrap_err().end();
        assert_eq!(end, Some(PullEnd::Failed(failure)));
        lan.assert_downloads(&[]);
    }
}

#[tokio::test]
async fn a_transfer_cancelled_midway_and_discarded_leaves_nothing() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("file", &sample(8 * MIB))]).await;
    let stop = CancellationToken::new();
    let (wire, holder) = duplex(MIB);
    let served = lan.serves(holder);
    let stopping = stop.clone();
    let progress = move |moved| {
        if moved >= 2 * MIB as u64 {
            stopping.cancel();
        }
    };
    let error = lan.pulls_with(wire, &offer, progress, stop).await.unwrap_err();
    assert!(matches!(error, PullError::Stopped), "{error:?}");
    assert!(matches!(served.await.unwrap(), Err(ServeError::Cancelled | ServeError::Lost(_))));
    lan.assert_downloads(&[]);
    discard(TRANSFER, &lan.downloads()).await.unwrap();
    discard(TRANSFER, &lan.downloads()).await.unwrap();
    assert_eq!(fs::read_dir(lan.downloads()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_withdrawn_offer_cuts_off_who_is_fetching_and_the_rest_can_wait() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("file", &sample(8 * MIB))]).await;
    let stop = CancellationToken::new();
    let (wire, holder) = duplex(MIB);
    let stopping = stop.clone();
    let progress = move |_, given: Given| {
        if given.has >= MIB as u64 {
            stopping.cancel();
        }
    };
    let asked = |_| std::future::ready(Verdict::MayFetch);
    let served = tokio::spawn(serve(holder, receiver(BOB), lan.shelf.clone(), asked, (), progress, stop));
    let end = lan.pulls_over(wire, &offer).await.unwrap_err().end();
    assert_eq!(end, Some(PullEnd::Cut));
    assert!(matches!(served.await.unwrap(), Err(ServeError::Stopped)));
    lan.pulls(&offer).await.unwrap();
}

/// One connection, and whether it was known what is here when it was wanted.
#[derive(Clone)]
struct Late(Arc<Mutex<Option<Wire>>>, Arc<AtomicBool>);

impl Dial for Late {
    type Stream = Wire;

    async fn dial(&self, _: Source) -> io::Result<Dialled<Wire>> {
        assert!(
            self.1.load(Relaxed),
            "the other end would wait for a first word while this one reads its disk"
        );
        let stream = self.0.lock().unwrap().take().ok_or(io::ErrorKind::ConnectionRefused)?;
        Ok(Dialled { stream, near: true, way: Way::Direct })
    }
}

/// Fetches all of an offer of which something may be here; `known` says from the start on that it need not be read.
async fn goes_on(
    lan: &Lan,
    shelf: &Shelf,
    known: Arc<AtomicBool>,
    wire: Wire,
    offer: &Offer,
) -> Result<Received, PullError> {
    let dial = Late(Arc::new(Mutex::new(Some(wire))), known.clone());
    let told = move |told| _ = known.fetch_or(matches!(told, Told::Moved(1..)), Relaxed);
    let (into, author, offer) = (lan.downloads(), ann(), offer.clone());
    let wanted = Wanted { transfer: TRANSFER, author, offer, into, only: None, gives_on: false };
    let sources = vec![Source { peer: author, addresses: Vec::new() }];
    pull(wanted, sources, dial, shelf.clone(), told, CancellationToken::new()).await
}

#[tokio::test]
async fn what_this_run_verified_is_read_again_only_if_somebody_touched_it() {
    for (touched, later) in [(false, false), (true, false), (false, true)] {
        let lan = Lan::new().await;
        let data = sample(6 * MIB);
        let offer = lan.offers(&[lan.has("big", &data)]).await;
        let mut shelf = Shelf::open(lan.profile.path()).unwrap();
        let (wire, holder) = duplex(MIB);
        let mut cut = Wire::new(wire);
        cut.cut_at = Some(4 * MIB as u64);
        drop(lan.serves(holder));
        let anew = || Arc::new(AtomicBool::new(true));
        let error = goes_on(&lan, &shelf, anew(), cut, &offer).await.unwrap_err();
        assert_eq!(error.end(), Some(PullEnd::Cut));

        // Damage of which nothing tells but what is read.
        let staged = lan.downloads().join(format!(".lanyard-part/{TRANSFER}/tree/big"));
        let file = fs::File::options().write(true).open(&staged).unwrap();
        let was = file.metadata().unwrap().modified().unwrap();
        write_all_at(&file, &[data[0] ^ 1], 0).unwrap();
        let shift = std::time::Duration::from_secs(u64::from(touched));
        file.set_modified(was + shift).unwrap();
        if later {
            shelf = Shelf::open(lan.profile.path()).unwrap();
        }
        let (wire, holder) = duplex(MIB);
        let rest = Wire::new(wire);
        let arrived = rest.arrived.clone();
        drop(lan.serves(holder));
        goes_on(&lan, &shelf, anew(), rest, &offer).await.unwrap();
        let (arrived, whole) =
            (arrived.load(Relaxed), fs::read(lan.downloads().join("big")).unwrap() == data);
        let reads = touched || later;
        assert_eq!(whole, reads, "touched {touched}, later {later}");
        assert_eq!(arrived > 3 * MIB as u64 + MIB as u64 / 2, reads, "{arrived}");
    }
}

#[tokio::test]
async fn nobody_is_dialled_before_what_is_here_was_read_however_long_that_takes() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("big", &sample(6 * MIB))]).await;
    let (wire, holder) = duplex(MIB);
    let mut cut = Wire::new(wire);
    cut.cut_at = Some(3 * MIB as u64);
    drop(lan.serves(holder));
    assert_eq!(lan.pulls_over(cut, &offer).await.unwrap_err().end(), Some(PullEnd::Cut));

    let (wire, holder) = duplex(MIB);
    let served = lan.serves(holder);
    let shelf = Shelf::open(lan.profile.path()).unwrap();
    goes_on(&lan, &shelf, Arc::default(), Wire::new(wire), &offer).await.unwrap();
    assert!(digest(served.await.unwrap().unwrap()).is_some());
}

#[tokio::test]
async fn after_a_lost_connection_only_the_rest_is_fetched() {
    let lan = Lan::new().await;
    let data = sample(12 * MIB + 3);
    let small: Vec<PathBuf> = (0..20).map(|at| lan.has(&format!("small-{at}"), &sample(at))).collect();
    let big = lan.has("big", &data);
    let paths = [small, vec![big]].concat();
    let offer = lan.offers(&paths).await;
    let (wire, holder) = duplex(MIB);
    let mut cut = Wire::new(wire);
    cut.cut_at = Some(8 * MIB as u64);
    drop(lan.serves(holder));
    assert_eq!(lan.pulls_over(cut, &offer).await.unwrap_err().end(), Some(PullEnd::Cut));
    lan.assert_downloads(&[]);

    let (wire, holder) = duplex(MIB);
    let rest = Wire::new(wire);
    let arrived = rest.arrived.clone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seeing = seen.clone();
    let served = lan.serves_with(holder, move |_, given| seeing.lock().unwrap().push(given));
    lan.pulls_over(rest, &offer).await.unwrap();
    assert!(digest(served.await.unwrap().unwrap()).is_some());

    let arrived = arrived.load(Relaxed);
    assert!(arrived < 6 * MIB as u64, "{arrived} bytes for the last 5 of 12 chunks");
    assert_eq!(fs::read(lan.downloads().join("big")).unwrap(), data);
    let has: Vec<u64> = seen.lock().unwrap().iter().map(|given| given.has).collect();
    assert!(has[0] >= 7 * MIB as u64 && has.is_sorted() && *has.last().unwrap() == offer.bytes);
    let sent: u64 = seen.lock().unwrap().iter().map(|given| given.sent).sum();
    assert!((4 * MIB as u64..=arrived).contains(&sent), "{sent} bytes were sent, and {arrived} arrived");
}

#[tokio::test]
async fn a_chunk_that_was_damaged_on_disk_is_not_believed_when_resuming() {
    let lan = Lan::new().await;
    let data = sample(6 * MIB);
    let offer = lan.offers(&[lan.has("whole", b"small"), lan.has("file", &data)]).await;
    let (wire, holder) = duplex(MIB);
    let mut cut = Wire::new(wire);
    cut.cut_at = Some(5 * MIB as u64);
    drop(lan.serves(holder));
    lan.pulls_over(cut, &offer).await.unwrap_err();
    let tree = lan.downloads().join(format!(".lanyard-part/{TRANSFER}/tree"));
    let mut staged = fs::read(tree.join("file")).unwrap();
    staged[MIB + 9] ^= 1;
    fs::write(tree.join("file"), staged).unwrap();
    fs::write(tree.join("whole"), b"smelt").unwrap();

    lan.pulls(&offer).await.unwrap();
    assert_eq!(fs::read(lan.downloads().join("file")).unwrap(), data);
    assert_eq!(fs::read(lan.downloads().join("whole")).unwrap(), b"small");
}

#[tokio::test]
async fn a_torn_or_foreign_journal_costs_time_and_nothing_else() {
    let lan = Lan::new().await;
    let data = sample(8 * MIB);
    let offer = lan.offers(&[lan.has("file", &data)]).await;
    for damage in [b"torn".as_slice(), b"\x82\x00"] {
        let (wire, holder) = duplex(MIB);
        let mut cut = Wire::new(wire);
        cut.cut_at = Some(3 * MIB as u64);
        drop(lan.serves(holder));
        lan.pulls_over(cut, &offer).await.unwrap_err();
        let journal = lan.downloads().join(format!(".lanyard-part/{TRANSFER}/journal"));
        let mut bytes = fs::read(&journal).unwrap();
        bytes.extend_from_slice(damage);
        fs::write(&journal, bytes).unwrap();
    }
    fs::write(lan.downloads().join(format!(".lanyard-part/{TRANSFER}/journal")), "rubbish").unwrap();
    lan.pulls(&offer).await.unwrap();
    assert_eq!(fs::read(lan.downloads().join("file")).unwrap(), data);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_reported() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("file", b"data")]).await;
    fs::write(lan.downloads().join("not-a-folder"), "x").unwrap();
    let (wire, holder) = duplex(MIB);
    drop(lan.serves(holder));
    let into = lan.downloads().join("not-a-folder/below");
    let error = pulls_into(&into, wire, &offer, |_| {}, CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.end(), Some(PullEnd::Failed(Failure::Unwritable)));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_makes_it_wait_with_what_came_and_nothing_half_named() {
    let lan = Lan::new().await;
    let small = lan.canary.path().join("small-disk");
    fs::create_dir(&small).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=80m", "tmpfs"])
        .arg(&small)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: a small file system cannot be mounted here");
        return;
    }
    // Told free at first, then taken by somebody else while the transfer runs.
    let offer = lan.offers(&[lan.has("file", &sample(12 * MIB))]).await;
    let (wire, holder) = duplex(MIB);
    drop(lan.serves(holder));
    let hog = small.join("hog");
    let progress = move |moved| {
        if moved == 0 {
            fs::write(&hog, vec![1; 74 * MIB]).unwrap();
        }
    };
    let ran_out = pulls_into(&small, wire, &offer, progress, CancellationToken::new()).await;
    let names = fs::read_dir(&small).unwrap().count();
    let (wire, holder) = duplex(MIB);
    drop(lan.serves(holder));
    let refused = pulls_into(&small, wire, &offer, |_| {}, CancellationToken::new()).await;
    fs::remove_file(small.join("hog")).unwrap();
    let (wire, holder) = duplex(MIB);
    drop(lan.serves(holder));
    let resumed = pulls_into(&small, wire, &offer, |_| {}, CancellationToken::new()).await;
    assert!(std::process::Command::new("umount").arg(&small).status().unwrap().success());
    fs::remove_dir(&small).unwrap();
    let (ran_out, refused) = (ran_out.unwrap_err(), refused.unwrap_err());
    for error in [&ran_out, &refused] {
        assert_eq!(error.end(), Some(PullEnd::NoSpace));
        let said = error.to_string();
        let names_all = said.starts_with(small.to_str().unwrap()) && said.contains("MB needed")
            || said.contains("MB still needed");
        assert!(names_all && said.contains(" free") && !said.contains("os error"), "{said}");
    }
    assert_eq!(names, 2, "the hog and the staging");
    resumed.unwrap();
}

#[tokio::test]
async fn what_a_crash_left_between_two_renames_is_finished_and_not_doubled() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("one", b"first"), lan.has("two", &sample(3 * MIB))]).await;
    let (wire, holder) = duplex(MIB);
    let mut cut = Wire::new(wire);
    cut.cut_at = Some(2 * MIB as u64);
    drop(lan.serves(holder));
    lan.pulls_over(cut, &offer).await.unwrap_err();
    let staging = lan.downloads().join(format!(".lanyard-part/{TRANSFER}"));
    let mut journal = fs::read(staging.join("journal")).unwrap();
    minicbor::encode(Record::Place { name: "one".into(), to: "one".into() }, &mut journal).unwrap();
    fs::write(staging.join("journal"), journal).unwrap();
    fs::rename(staging.join("tree/one"), lan.downloads().join("one")).unwrap();

    let received = lan.pulls(&offer).await.unwrap();
    assert_eq!(received.paths, [lan.downloads().join("one"), lan.downloads().join("two")]);
    lan.assert_downloads(&["one", "two"]);
    discard(TRANSFER, &lan.downloads()).await.unwrap();
    assert_eq!(fs::read_dir(lan.downloads()).unwrap().count(), 2);
}

#[tokio::test]
async fn what_was_placed_but_not_written_down_as_done_is_not_fetched_again() {
    let lan = Lan::new().await;
    lan.has("album/a", b"a");
    lan.has("album/below/b", &sample(MIB + 1));
    let photo = lan.has("photo", &sample(2 * MIB));
    fs::write(lan.downloads().join("photo"), "mine").unwrap();
    let offer = lan.offers(&[lan.home().join("album"), photo]).await;
    let first = lan.pulls(&offer).await.unwrap();

    let (wire, holder) = duplex(MIB);
    let counted = Wire::new(wire);
    let arrived = counted.arrived.clone();
    let served = lan.serves(holder);
    let second = lan.pulls_over(counted, &offer).await.unwrap();

    assert_eq!(second, first);
    drop(served);
    assert!(arrived.load(Relaxed) < 1000);
    lan.assert_downloads(&["album", "photo", "photo (2)"]);
    discard(TRANSFER, &lan.downloads()).await.unwrap();
    assert_eq!(fs::read_dir(lan.downloads()).unwrap().count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pulls_of_one_transfer_do_not_write_over_each_other() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("file", &sample(4 * MIB))]).await;
    let (started, running) = tokio::sync::oneshot::channel();
    let started = Mutex::new(Some(started));
    let (first, holder) = duplex(64 * 1024);
    let served = lan.serves(holder);
    let (offered, into) = (offer.clone(), lan.downloads());
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let held = gate.clone();
    let progress = move |_| {
        if let Some(started) = started.lock().unwrap().take() {
            started.send(()).unwrap();
        } else {
            let open = held.0.lock().unwrap();
            drop(held.1.wait_while(open, |open| !*open).unwrap());
        }
    };
    let pulling =
        tokio::spawn(
            async move { pulls_into(&into, first, &offered, progress, CancellationToken::new()).await },
        );
    running.await.unwrap();
    let second = lan.pulls(&offer).await.unwrap_err();
    assert_eq!(second.end(), Some(PullEnd::Lost));
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    pulling.await.unwrap().unwrap();
    served.await.unwrap().unwrap();
    lan.assert_downloads(&["file"]);
}
