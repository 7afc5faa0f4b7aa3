//! Questions about a shared folder over a wire, and files that are taken of it.

use std::fs;
use std::sync::Arc;

use lanyard_proto::effects::Audience;
use lanyard_proto::model::{ShareId, TransferId};
use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::{Failure, PullEnd};
use lanyard_proto::wire::file::Frame;
use lanyard_proto::wire::share::{Share, Shared, Taken, Why};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::lan::{BOB, Lan, MIB, TRANSFER, receiver, sample, tree};
use crate::files::{
    AskError, Asker, Lend, Lent, Pages, Question, ServeError, Served, Shelf, Survey, Verdict, serve,
};

const SHARE: ShareId = ShareId([5; 16]);

/// Ann shares her home, with one question at a time.
struct Home {
    lent: Lent,
    shelf: Shelf,
    turns: Arc<Semaphore>,
}

impl Lend for Home {
    async fn begin(&self) -> bool {
        true
    }

    async fn look(&self) -> Result<Vec<Shared>, Why> {
        Ok(vec![Shared { share: SHARE, name: self.lent.name.clone() }])
    }

    async fn place(&self, share: ShareId, _: Question) -> Result<(Lent, OwnedSemaphorePermit), Why> {
        if share != SHARE {
            return Err(Why::NotShared);
        }
        Ok((self.lent.clone(), self.turns.clone().acquire_owned().await.unwrap()))
    }

    async fn offer(&self, _: ShareId, found: Survey) -> Result<TransferId, Why> {
        self.shelf.put(TRANSFER, found, Audience::Peer(BOB)).await.unwrap();
        Ok(TRANSFER)
    }
}

fn answers(lan: &Lan, stream: DuplexStream) -> JoinHandle<Result<Served, ServeError>> {
    let lent = Lent { path: lan.home(), name: "Ann's".to_owned(), pages: Pages::default() };
    let home = Home { lent, shelf: lan.shelf.clone(), turns: Arc::new(Semaphore::new(1)) };
    let asked = |_| std::future::ready(Verdict::MayFetch);
    tokio::spawn(serve(
        stream,
        receiver(BOB),
        lan.shelf.clone(),
        asked,
        home,
        |_, _| {},
        CancellationToken::new(),
    ))
}

async fn asks(lan: &Lan) -> Asker<DuplexStream> {
    let (wire, holder) = duplex(MIB);
    answers(lan, holder);
    let (asker, shares) = Asker::look(wire).await.unwrap();
    assert_eq!(shares, [Shared { share: SHARE, name: "Ann's".to_owned() }]);
    asker
}

async fn takes(lan: &Lan, paths: &[&str]) -> Result<Offer, Why> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    match asks(lan).await.take(SHARE, paths).await {
        Ok(Taken { names, files, folders, bytes, manifest, .. }) => {
            Ok(Offer { names, files, folders, bytes, manifest })
        }
        Err(AskError::Unshared { why, .. }) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_shared_folder_is_read_and_taken_from_over_one_wire_and_arrives_like_any_offer() {
    let lan = Lan::new().await;
    lan.has("album/tief/été/写真.jpg", &sample(2 * MIB + 5));
    lan.has("album/a.txt", b"a");
    lan.has("album/.thumbs/a", b"hidden");
    fs::create_dir(lan.home().join("album/nothing")).unwrap();
    let mut asker = asks(&lan).await;
    let (entries, more) = asker.list(SHARE, "album".to_owned(), None, 1000).await.unwrap();
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!((names, more), (vec!["nothing", "tief", "a.txt"], false));
    let taken = asker.take(SHARE, vec!["album".to_owned()]).await.unwrap();
    assert_eq!((taken.transfer(), taken.files, taken.folders), (TRANSFER, 2, 4));

    let offer = takes(&lan, &["album"]).await.unwrap();
    lan.pulls(&offer).await.unwrap();
    let mut expected = tree(&lan.home());
    expected.retain(|path, _| !path.iter().any(|name| name == ".thumbs"));
    assert_eq!(tree(&lan.downloads()), expected);
}

#[tokio::test]
async fn several_paths_are_taken_together_and_nothing_twice() {
    let lan = Lan::new().await;
    for path in ["a/x", "a/y", "b/x", "c"] {
        lan.has(path, path.as_bytes());
    }
    let offer = takes(&lan, &["a/x", "a", "b/x", "c", "c"]).await.unwrap();
    assert_eq!((offer.files, offer.folders), (4, 1));
    assert_eq!(offer.names, ["a", "x", "c"]);
    lan.pulls(&offer).await.unwrap();
    lan.assert_downloads(&["a", "c", "x"]);
    assert_eq!(fs::read(lan.downloads().join("x")).unwrap(), b"b/x");
}

#[tokio::test]
async fn all_of_it_is_called_as_it_is_shared() {
    let lan = Lan::new().await;
    lan.has("a/x", b"x");
    let offer = takes(&lan, &[""]).await.unwrap();
    assert_eq!((offer.names.as_slice(), offer.files, offer.folders), (&["Ann's".to_owned()][..], 1, 2));
    lan.pulls(&offer).await.unwrap();
    assert_eq!(fs::read(lan.downloads().join("Ann's/a/x")).unwrap(), b"x");
}

#[tokio::test]
async fn what_is_not_there_or_no_name_is_said_with_the_path_that_it_is() {
    let lan = Lan::new().await;
    lan.has("a", b"a");
    let mut asker = asks(&lan).await;
    for (path, expected) in [("b", Why::NoSuch), ("../canary", Why::BadName), ("/etc", Why::BadName)] {
        let paths = vec!["a".to_owned(), path.to_owned()];
        let error = asker.take(SHARE, paths).await.unwrap_err();
        assert!(
            matches!(error, AskError::Unshared { why, path: Some(1) } if why == expected),
            "{path}: {error}"
        );
    }
    let error = asker.list(ShareId([9; 16]), String::new(), None, 10).await.unwrap_err();
    assert!(matches!(error, AskError::Unshared { why: Why::NotShared, .. }), "{error}");
    let error = asker.take(SHARE, vec!["x".repeat(4000); 30]).await.unwrap_err();
    assert!(matches!(error, AskError::TooLong), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn links_that_are_put_in_the_place_of_folders_and_files_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let lan = Lan::new().await;
    lan.has("docs/inner/plan", b"harmless");
    lan.has("docs/other", b"harmless");
    symlink(lan.canary.path(), lan.home().join("docs/link")).unwrap();
    let offer = takes(&lan, &["docs"]).await.unwrap();
    assert_eq!((offer.files, offer.folders), (2, 2), "links are not part of it");
    // Of the same size and date as what was offered.
    let outside = lan.canary.path().join("plan");
    fs::write(&outside, b"secret!!").unwrap();
    let date = fs::metadata(lan.home().join("docs/inner/plan")).unwrap().modified().unwrap();
    fs::File::options().write(true).open(&outside).unwrap().set_modified(date).unwrap();
    fs::rename(lan.home().join("docs/inner"), lan.home().join("moved")).unwrap();
    symlink(lan.canary.path(), lan.home().join("docs/inner")).unwrap();
    let end = lan.pulls(&offer).await.unwrap_err().end();
    assert_eq!(end, Some(PullEnd::Failed(Failure::SourceGone)));
    let arrived = tree(&lan.downloads());
    assert!(!arrived.values().any(|content| content.as_deref() == Some(&b"secret!!"[..])), "{arrived:?}");
    assert_eq!(fs::read(lan.downloads().join("docs/other")).unwrap(), b"harmless");
    // The same with a folder that is above the one that is shared.
    fs::rename(lan.home().join("docs/other"), lan.home().join("docs/gone")).unwrap();
    symlink(&outside, lan.home().join("docs/other")).unwrap();
    assert!(matches!(takes(&lan, &["docs/other"]).await, Err(Why::NoSuch)));
}

#[tokio::test]
async fn whoever_answers_instead_of_asking_is_not_listened_to() {
    let lan = Lan::new().await;
    for nonsense in [Share::Shared(Vec::new()), Share::Unshared { why: Why::Busy, path: None }] {
        let (mut wire, holder) = duplex(MIB);
        let served = answers(&lan, holder);
        let mut bytes = Vec::new();
        Frame::Share(nonsense).encode(&mut bytes);
        wire.write_all(&bytes).await.unwrap();
        assert!(matches!(served.await.unwrap(), Err(ServeError::Protocol)));
    }
}

#[tokio::test]
async fn names_of_a_holder_that_lies_are_shown_safely_or_not_at_all() {
    use lanyard_proto::wire::share::Entry;
    let (wire, mut holder) = duplex(MIB);
    let listing = |names: &[&str]| {
        let entry =
            |name: &&str| Entry { name: (*name).to_owned(), folder: false, size: 1, modified: u64::MAX };
        Share::Listing { entries: names.iter().map(entry).collect(), more: false }
    };
    let lies = [
        Share::Shared(vec![Shared { share: SHARE, name: "x".to_owned() }]),
        listing(&["..", "a/b", "a\\b", "", "\0", "photo\u{202e}gpj.exe", "two\nlines", "good"]),
        listing(&["more", "than", "asked"]),
    ];
    for lie in lies {
        let mut bytes = Vec::new();
        Frame::Share(lie).encode(&mut bytes);
        holder.write_all(&bytes).await.unwrap();
    }
    let (mut asker, _) = Asker::look(wire).await.unwrap();
    let (entries, _) = asker.list(SHARE, String::new(), None, 1000).await.unwrap();
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["photo\u{fffd}gpj.exe", "two\u{fffd}lines", "good"]);
    let error = asker.list(SHARE, String::new(), None, 2).await.unwrap_err();
    assert!(matches!(error, AskError::Nonsense), "{error}");
}

#[tokio::test]
async fn an_offer_of_a_shared_folder_is_served_after_a_restart_as_before() {
    let lan = Lan::new().await;
    lan.has("docs/plan", &sample(MIB + 7));
    let offer = takes(&lan, &["docs/plan"]).await.unwrap();
    let reopened = Shelf::open(lan.profile.path()).unwrap();
    let loaded = reopened.load(TRANSFER).await.unwrap().unwrap();
    let inside = loaded.sources.inside.expect("it is in a shared folder");
    assert_eq!(inside.path(), lan.home());
    lan.pulls(&offer).await.unwrap();
    assert_eq!(fs::read(lan.downloads().join("plan")).unwrap(), sample(MIB + 7));
}
