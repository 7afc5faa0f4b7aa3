//! People who choose among the files of an offer, and look into it before they do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::{Failure, Part, PullEnd};
use lanyard_proto::wire::file::{ItemKind, Source};
use tokio::io::{DuplexStream, duplex};

use super::lan::{Lan, MIB, TRANSFER, ann, sample, tree};
use super::people::{Book, Person};
use crate::files::listing::{Asked, Lists, contents};
use crate::files::{Dial, Dialled, PullError, Shelf, Way, Whole};

/// An album: three small files in one piece, a film, an empty folder; and notes beside it.
async fn album(lan: &Lan) -> Offer {
    for name in ["a", "b", "c"] {
        lan.has(&format!("album/{name}"), &sample(300_000));
    }
    lan.has("album/film", &sample(3 * MIB + 5));
    fs::create_dir(lan.home().join("album/nothing")).unwrap();
    let notes = lan.has("notes", b"notes");
    lan.offers(&[lan.home().join("album"), notes]).await
}

fn part(end: Whole) -> Part {
    if let Whole::Part(part) = end { part } else { panic!("that is not a part") }
}

fn names(folder: &Path) -> Vec<String> {
    tree(folder).into_keys().map(|path| path.to_str().unwrap().replace('\\', "/")).collect()
}

#[tokio::test]
async fn only_what_was_chosen_comes_and_the_receipt_does_not_claim_the_whole() {
    let lan = Lan::new().await;
    let offer = album(&lan).await;
    let (received, arrived) = lan.pulls_counted(&offer, Some(&["album/b", "album/film"]), None).await;
    let received = received.unwrap();

    assert_eq!(names(&lan.downloads()), ["album", "album/b", "album/film"]);
    assert_eq!(fs::read(lan.downloads().join("album/film")).unwrap(), sample(3 * MIB + 5));
    let taken = part(received.end);
    assert_eq!((taken.files, taken.bytes), (2, 3 * MIB as u64 + 300_005));
    assert_eq!(received.paths, [lan.downloads().join("album")]);
    assert!(arrived < taken.bytes + 20_000, "{arrived} bytes came");
    let whole = lan.shelf.holding(TRANSFER, super::lan::BOB).await.unwrap().unwrap().digest();
    assert_ne!(Some(taken.digest), whole);
}

#[tokio::test]
async fn what_was_left_out_can_be_fetched_later_and_comes_beside_what_is_here() {
    let lan = Lan::new().await;
    let offer = album(&lan).await;
    lan.pulls_counted(&offer, Some(&["album/b"]), None).await.0.unwrap();
    let (received, arrived) = lan.pulls_counted(&offer, Some(&["album/c", "album/nothing"]), None).await;
    let taken = part(received.unwrap().end);
    assert_eq!((taken.files, taken.bytes), (2, 600_000));
    assert!(arrived < 320_000, "{arrived} bytes came");
    assert_eq!(names(&lan.downloads()), ["album", "album/b", "album/c", "album/nothing"]);

    let (received, arrived) = lan.pulls_counted(&offer, None, None).await;
    assert!(matches!(received.unwrap().end, Whole::All(_)));
    assert!(arrived < offer.bytes - 580_000, "{arrived} bytes came");
    assert_eq!(tree(&lan.downloads()), tree(&lan.home()));
}

#[tokio::test]
async fn what_somebody_took_away_since_is_not_fetched_again_unasked() {
    let lan = Lan::new().await;
    let offer = album(&lan).await;
    lan.pulls_counted(&offer, Some(&["album/b", "notes"]), None).await.0.unwrap();
    fs::remove_file(lan.downloads().join("album/b")).unwrap();
    let taken = part(lan.pulls_counted(&offer, Some(&["album/c"]), None).await.0.unwrap().end);
    assert_eq!((taken.files, taken.bytes), (2, 300_005));
    assert_eq!(names(&lan.downloads()), ["album", "album/c", "notes"]);
    let (received, _) = lan.pulls_counted(&offer, None, None).await;
    assert!(matches!(received.unwrap().end, Whole::All(_)));
    assert_eq!(tree(&lan.downloads()), tree(&lan.home()));
}

#[tokio::test]
async fn a_part_goes_on_after_the_wire_broke_and_a_file_that_fails_is_counted_among_those_chosen() {
    let lan = Lan::new().await;
    let offer = album(&lan).await;
    let only: &[&str] = &["album/a", "album/film"];
    lan.pulls_counted(&offer, Some(only), Some(2 * MIB as u64)).await.0.unwrap_err();
    fs::remove_file(lan.home().join("album/film")).unwrap();
    let (failed, _) = lan.pulls_counted(&offer, Some(only), None).await;
    let Err(PullError::Failed { reason, files, .. }) = failed else { panic!("{failed:?}") };
    let reason = reason.to_string();
    assert!(reason.contains("1 of 2") && reason.contains("album/film"), "{reason}");
    assert_eq!(files, 1);
    assert_eq!(names(&lan.downloads()), ["album", "album/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_part_gives_it_to_who_wants_all() {
    let book = Book::default();
    let ann = Person::new(1, &book);
    let [bob, cyd] = [2, 3].map(|seed| Person::new(seed, &book));
    let film = sample(24 * MIB);
    fs::create_dir(ann.path("album")).unwrap();
    fs::write(ann.path("album/film"), &film).unwrap();
    fs::write(ann.path("album/notes"), "notes").unwrap();
    let offer = ann.offers_paths(vec![ann.path("album")]).await;
    let manifest = ann.shelf.load(TRANSFER).await.unwrap().unwrap().manifest;
    let list = crate::files::list::List::read(manifest).unwrap().0;
    let only = crate::files::Choice::of(&list, &["album/film".to_owned()]).unwrap();
    bob.fetches_only(ann.id, &offer, &[ann.id], Some(only)).await.unwrap().unwrap();
    assert!(!bob.path("album/notes").exists());
    let before = ann.sent.load(Relaxed);
    cyd.fetches(ann.id, &offer, &[ann.id, bob.id]).await.unwrap().unwrap();
    assert!(fs::read(cyd.path("album/film")).unwrap() == film);
    assert_eq!(fs::read(cyd.path("album/notes")).unwrap(), b"notes");
    assert!(bob.sent.load(Relaxed) > 0 || ann.sent.load(Relaxed) - before >= film.len() as u64);
}

/// Whoever is dialled is Ann, who serves; and nobody if she is not there.
#[derive(Clone)]
struct Door(Option<Shelf>);

impl Dial for Door {
    type Stream = DuplexStream;

    async fn dial(&self, _: Source) -> io::Result<Dialled<DuplexStream>> {
        let shelf = self.0.clone().ok_or(io::ErrorKind::ConnectionRefused)?;
        let (wire, holder) = duplex(MIB);
        let asked = |_| std::future::ready(crate::files::Verdict::MayFetch);
        let receiver = super::lan::receiver(super::lan::BOB);
        tokio::spawn(crate::files::serve(holder, receiver, shelf, asked, (), |_, _| {}, Default::default()));
        Ok(Dialled { stream: wire, near: true, way: Way::Direct })
    }
}

fn asked(offer: &Offer, into: Option<PathBuf>) -> Asked {
    Asked { transfer: TRANSFER, author: ann(), offer: offer.clone(), into }
}

fn sources() -> Vec<Source> {
    vec![Source { peer: ann(), addresses: Vec::new() }]
}

#[cfg(unix)]
#[tokio::test]
async fn an_offer_is_looked_into_page_by_page_before_a_yes_and_nothing_touches_the_disk() {
    let lan = Lan::new().await;
    for at in 0..25 {
        lan.has(&format!("many/{at:02}"), &sample(at));
    }
    std::os::unix::fs::symlink("/etc/passwd", lan.home().join("many/link")).unwrap();
    let offer = lan.offers(&[lan.home().join("many")]).await;
    let profile = tempfile::tempdir().unwrap();
    let (shelf, lists) = (Shelf::open(profile.path()).unwrap(), Lists::default());
    let door = Door(Some(lan.shelf.clone()));
    let listed = contents(asked(&offer, None), sources(), door, shelf.clone(), lists.clone()).await.unwrap();
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let (entries, next) = listed.page(after.as_deref(), 10, None).unwrap();
        assert!(entries.len() <= 10);
        seen.extend(entries);
        pages += 1;
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (27, 3));
    assert_eq!((seen[0].path.as_str(), seen[0].kind), ("many", ItemKind::Folder));
    assert_eq!((seen[25].path.as_str(), seen[25].size), ("many/24", 24));
    assert_eq!((seen[26].path.as_str(), seen[26].kind), ("many/link", ItemKind::Skipped));
    for made_up in ["x", "1.0.0", "0.0.99", "99999999.0.0", "0.0.0.0", ""] {
        let page = listed.page(Some(made_up), 10, None);
        assert!(page.is_none_or(|(entries, _)| entries.is_empty()), "{made_up}");
    }
    lan.assert_downloads(&[]);
    // Read once, it is known without Ann; never read, it is not.
    let nobody = Door(None);
    contents(asked(&offer, None), sources(), nobody.clone(), shelf.clone(), lists).await.unwrap();
    let unknown = contents(asked(&offer, None), sources(), nobody, shelf, Lists::default()).await;
    let Err(error) = unknown else { panic!("nobody could say") };
    assert_eq!(error.end(), Some(PullEnd::Lost));
}

#[tokio::test]
async fn what_came_and_what_did_not_is_listed_after_a_restart() {
    let lan = Lan::new().await;
    let offer = album(&lan).await;
    lan.pulls_counted(&offer, Some(&["album/a", "album/film"]), Some(2 * MIB as u64)).await.0.unwrap_err();
    let profile = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(profile.path()).unwrap();
    let asked = asked(&offer, Some(lan.downloads()));
    let listed = contents(asked, Vec::new(), Door(None), shelf, Lists::default()).await.unwrap();
    let choice = lan.chooses(&["album/a", "album/film"]).await;
    let (entries, _) = listed.page(None, 100, Some(&choice)).unwrap();
    let film = entries.iter().find(|entry| entry.path == "album/film").unwrap();
    assert!(film.chosen && !film.whole && film.moved > 0 && film.moved < film.size, "{film:?}");
    let small: Vec<_> =
        entries.iter().filter(|entry| entry.size == 300_000).map(|entry| entry.whole).collect();
    assert_eq!(small, [true, false, false]);
}

#[tokio::test]
async fn a_list_that_is_not_the_offered_one_is_not_shown() {
    let lan = Lan::new().await;
    let offer = album(&lan).await;
    let profile = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(profile.path()).unwrap();
    let lie = Offer { manifest: [9; 32], ..offer };
    let door = Door(Some(lan.shelf.clone()));
    let listed = contents(asked(&lie, None), sources(), door, shelf, Lists::default()).await;
    let Err(error) = listed else { panic!("it is another list") };
    assert_eq!(error.end(), Some(PullEnd::Failed(Failure::Protocol)));
}
