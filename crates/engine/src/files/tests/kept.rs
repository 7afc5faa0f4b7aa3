//! What is paused, and what a later run gives on.

use std::fs;
use std::sync::Arc;

use lanyard_proto::model::TransferId;
use tokio::io::duplex;
use tokio_util::sync::CancellationToken;

use super::lan::{BOB, Lan, MIB, TRANSFER, ann, file, forged, receiver, sample};
use super::people::{Book, Person};
use crate::files::holding::{Holding, Origin, Place};
use crate::files::{PullError, ServeError, Shelf, Verdict, serve};

#[tokio::test]
async fn who_asks_for_what_is_paused_is_told_to_come_again() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("file", &sample(MIB))]).await;
    let (wire, holder) = duplex(MIB);
    let asked = |_| std::future::ready(Verdict::Later);
    let (shelf, stop) = (lan.shelf.clone(), CancellationToken::new());
    let serving = serve(holder, receiver(BOB), shelf, asked, (), |_, _| {}, stop);
    let served = tokio::spawn(serving);
    let error = lan.pulls_over(wire, &offer).await.unwrap_err();
    assert!(matches!(error, PullError::Held), "{error:?}");
    assert!(matches!(served.await.unwrap(), Err(ServeError::Paused)));
    lan.pulls(&offer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_is_given_on_by_a_later_run_as_far_as_it_is_as_it_was() {
    let book = Book::default();
    let [ann, bob] = [1, 2].map(|seed| Person::new(seed, &book));
    let folder = ann.path("album");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("film"), sample(3 * MIB + 5)).unwrap();
    for at in 0..300 {
        fs::write(folder.join(format!("{at:03}.txt")), sample(at)).unwrap();
    }
    let offer = ann.offers_paths(vec![folder]).await;
    bob.fetches(ann.id, &offer, &[ann.id]).await.unwrap().unwrap();

    let later =
        || async { Shelf::open(bob.profile()).unwrap().holding(TRANSFER, ann.id).await.unwrap().unwrap() };
    let holding = later().await;
    assert!(holding.lock().have.is_full() && !holding.is_own());
    assert_eq!(holding.author, ann.id);
    assert!((0..holding.layout.pages()).all(|page| holding.lock().leaves.signature(page).is_some()));
    drop(holding);

    let changed = bob.path("album/007.txt");
    fs::write(&changed, "another").unwrap();
    let holding = later().await;
    let lost: Vec<u32> =
        (0..holding.layout.pieces()).filter(|piece| !holding.lock().have.has(*piece)).collect();
    assert_eq!(lost.len(), 1, "the bundle that it is in");
    drop(holding);
    let shelf = Shelf::open(bob.profile()).unwrap();
    shelf.forget(TRANSFER).await.unwrap();
    assert!(shelf.holding(TRANSFER, ann.id).await.unwrap().is_none());
}

#[test]
fn of_long_lists_those_are_in_memory_that_somebody_fetches_and_the_last() {
    let profile = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(profile.path()).unwrap();
    let items: Vec<_> = (0..60_000).map(|at| file(&[&format!("picture-{at:06}.jpg")], 1)).collect();
    let (offer, list) = forged(&items);
    let share = |number: u8| {
        let transfer = TransferId([number; 16]);
        let (origin, place) = (Origin::Others, Place::Moving);
        let holding = Holding::new(transfer, ann(), offer.manifest, list.clone(), origin, place).unwrap();
        let holding = Arc::new(holding);
        shelf.share(holding.clone());
        holding
    };
    let fetched = share(1);
    for number in 2..6 {
        drop(share(number));
        let here: Vec<u8> = (1..6).filter(|at| shelf.kept(TransferId([*at; 16])).is_some()).collect();
        assert_eq!(here, [1, number]);
    }
    drop(fetched);
    drop(share(7));
    assert!(shelf.kept(TransferId([1; 16])).is_none(), "nobody fetches it any more");
}
