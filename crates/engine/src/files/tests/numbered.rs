//! What was received under a numbered name, because its own was taken, is here when it is offered again.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use lanyard_proto::rooms::Offer;

use super::here::{changed, lies};
use super::lan::{Lan, MIB, TRANSFER, sample, tree};
use super::people::{Book, Person};
use crate::files::journal::{Record, Story};
use crate::files::list::List;
use crate::files::numbered::{MAX_NUMBER, SAMPLE};
use crate::files::{Received, Shelf, Whole, discard};

/// The list, and what each piece is checked by, of what the stories here are about.
const LITTLE: u64 = 60_000;

/// Fetches it all once more, as if it was never fetched before, and finds that next to nothing had to come.
async fn is_all_here(lan: &Lan, offer: &Offer) -> Received {
    discard(TRANSFER, &lan.downloads()).await.unwrap();
    let before = tree(&lan.downloads());
    let (received, arrived) = lan.pulls_counted(offer, None, None).await;
    let received = received.unwrap();
    assert!(matches!(received.end, Whole::All(_)));
    assert_eq!(received.here, offer.bytes);
    assert!(arrived < LITTLE, "{arrived} bytes came");
    assert!(tree(&lan.downloads()) == before, "{:?}", tree(&lan.downloads()).keys());
    received
}

fn journal(lan: &Lan) -> PathBuf {
    lan.downloads().join(format!(".lanyard-part/{TRANSFER}/journal"))
}

fn told(lan: &Lan, names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| lan.downloads().join(name)).collect()
}

#[tokio::test]
async fn a_file_that_came_under_a_numbered_name_does_not_come_again() {
    for size in [3 * MIB + 5, 700, 0] {
        let lan = Lan::new().await;
        lies(lan.downloads().join("plan.pdf"), b"mine");
        // Of the same size, it may be what is offered until it was compared.
        lies(lan.downloads().join("film"), &changed(sample(size.max(1)), 0)[..size]);
        if size == 0 {
            lies(lan.downloads().join("film"), b"mine");
        }
        let offer = lan.offers(&[lan.has("plan.pdf", &sample(size)), lan.has("film", &sample(size))]).await;
        let received = lan.pulls(&offer).await.unwrap();
        let names = ["plan (2).pdf", "film (2)"];
        assert_eq!(received.paths, told(&lan, &names));

        for _ in 0..2 {
            assert_eq!(is_all_here(&lan, &offer).await.paths, told(&lan, &names), "{size} bytes");
        }
        // And from there it is given on.
        let sources = lan.downloads().join("plan (2).pdf");
        assert!(fs::read(sources).unwrap() == sample(size));
        assert_eq!(fs::read(lan.downloads().join("plan.pdf")).unwrap(), b"mine");
    }
}

#[tokio::test]
async fn of_several_with_its_size_the_one_with_its_date_is_compared_and_else_the_first() {
    let lan = Lan::new().await;
    let data = sample(2 * MIB);
    let path = lan.has("film", &data);
    let offer = lan.offers(std::slice::from_ref(&path)).await;
    lies(lan.downloads().join("film"), b"mine");
    lies(lan.downloads().join("film (2)"), &changed(data.clone(), 7));
    lies(lan.downloads().join("film (3)"), b"mine as well");
    lies(lan.downloads().join("film (4)"), &changed(data.clone(), 9));
    lies(lan.downloads().join("film (5)"), &data);
    let date = fs::metadata(&path).unwrap().modified().unwrap();
    let film = fs::File::options().write(true).open(lan.downloads().join("film (5)")).unwrap();
    film.set_modified(date).unwrap();
    assert_eq!(is_all_here(&lan, &offer).await.paths, told(&lan, &["film (5)"]));

    // The second differs in one place: only what is around that comes.
    fs::remove_file(lan.downloads().join("film (5)")).unwrap();
    let (received, arrived) = {
        discard(TRANSFER, &lan.downloads()).await.unwrap();
        lan.pulls_counted(&offer, None, None).await
    };
    assert_eq!(received.unwrap().paths, told(&lan, &["film (5)"]));
    assert!(arrived < 3 * MIB as u64 / 2, "{arrived} bytes came");
    assert!(fs::read(lan.downloads().join("film (2)")).unwrap() == changed(data, 7));
}

#[tokio::test]
async fn numbers_are_looked_at_while_something_has_them_and_up_to_a_bound() {
    for (last, is_here) in [(MAX_NUMBER, true), (MAX_NUMBER + 1, false)] {
        let lan = Lan::new().await;
        lies(lan.downloads().join("a"), b"mine");
        (2..last).for_each(|number| lies(lan.downloads().join(format!("a ({number})")), b"mine"));
        lies(lan.downloads().join(format!("a ({last})")), b"theirs");
        let offer = lan.offers(&[lan.has("a", b"theirs")]).await;
        assert_eq!(lan.pulls(&offer).await.unwrap().here, if is_here { 6 } else { 0 }, "{last}");
    }
    let lan = Lan::new().await;
    lies(lan.downloads().join("a (2)"), b"theirs");
    let offer = lan.offers(&[lan.has("a", b"theirs")]).await;
    assert_eq!(lan.pulls(&offer).await.unwrap().here, 0, "its name is free");
    lan.assert_downloads(&["a", "a (2)"]);
}

#[tokio::test]
async fn one_file_is_not_taken_for_two_of_an_offer() {
    let lan = Lan::new().await;
    let offer = lan.offers(&[lan.has("a", b"same"), lan.has("a (2)", b"same")]).await;
    lies(lan.downloads().join("a"), b"another");
    lies(lan.downloads().join("a (2)"), b"same");
    let received = lan.pulls(&offer).await.unwrap();
    assert_eq!((received.here, received.paths), (4, told(&lan, &["a (3)", "a (2)"])));
    assert_eq!(is_all_here(&lan, &offer).await.paths, told(&lan, &["a (3)", "a (2)"]));
}

/// A folder of which something is here and something differs, fetched once.
async fn filled_album(lan: &Lan) -> Offer {
    for at in 0..40 {
        let data = sample(1000 + at);
        lan.has(&format!("album/below/{at}.jpg"), &data);
        let old = if at % 9 == 7 { changed(data, 5) } else { data };
        lies(lan.downloads().join(format!("album/below/{at}.jpg")), &old);
    }
    lan.has("album/film", &sample(3 * MIB));
    lies(lan.downloads().join("album/film"), &changed(sample(3 * MIB), MIB + 1));
    lan.has("album/text", b"theirs");
    lies(lan.downloads().join("album/text"), b"mine");
    let offer = lan.offers(&[lan.home().join("album")]).await;
    lan.pulls(&offer).await.unwrap();
    assert_eq!(fs::read(lan.downloads().join("album/text (2)")).unwrap(), b"theirs");
    assert!(lan.downloads().join("album/film (2)").exists());
    offer
}

#[tokio::test]
async fn in_a_folder_that_was_filled_up_what_came_under_numbered_names_is_here() {
    let lan = Lan::new().await;
    let offer = filled_album(&lan).await;
    assert_eq!(is_all_here(&lan, &offer).await.paths, told(&lan, &["album"]));
    // The program ended before it was written down that all is done, and with what the journal had come to by then.
    let whole = fs::read(journal(&lan)).unwrap();
    let before = tree(&lan.downloads());
    let ends = ends_of_records(&whole);
    for end in ends {
        fs::write(journal(&lan), &whole[..end]).unwrap();
        let (received, arrived) = lan.pulls_counted(&offer, None, None).await;
        let received = received.unwrap();
        assert_eq!((received.here, received.paths), (offer.bytes, told(&lan, &["album"])), "{end}");
        assert!(arrived < LITTLE, "{arrived} bytes came");
        assert!(tree(&lan.downloads()) == before, "{end}");
    }
}

fn ends_of_records(journal: &[u8]) -> Vec<usize> {
    let mut records = minicbor::Decoder::new(journal);
    let mut ends = vec![0];
    while records.decode::<Record>().is_ok() {
        ends.push(records.position());
    }
    ends
}

#[tokio::test]
async fn whatever_the_journal_came_to_a_top_under_a_numbered_name_stays_the_one_it_is() {
    let lan = Lan::new().await;
    lies(lan.downloads().join("plan.pdf"), b"mine");
    lies(lan.downloads().join("photos/other"), b"mine");
    lan.has("photos/a", &sample(900));
    lan.has("photos/deep/film", &sample(2 * MIB));
    let offer = lan.offers(&[lan.home().join("photos"), lan.has("plan.pdf", &sample(MIB + 1))]).await;
    lan.pulls(&offer).await.unwrap();
    let names = told(&lan, &["photos (2)", "plan (2).pdf"]);
    assert_eq!(is_all_here(&lan, &offer).await.paths, names);
    let whole = fs::read(journal(&lan)).unwrap();
    let before = tree(&lan.downloads());
    let (story, _) = Story::read(&whole, offer.manifest).unwrap();
    assert_eq!(story.placing.values().collect::<Vec<_>>(), ["photos (2)", "plan (2).pdf"]);
    for end in ends_of_records(&whole) {
        fs::write(journal(&lan), &whole[..end]).unwrap();
        let (received, arrived) = lan.pulls_counted(&offer, None, None).await;
        let received = received.unwrap();
        assert_eq!((received.here, &received.paths), (offer.bytes, &names), "{end}");
        assert!(arrived < LITTLE, "{arrived} bytes came");
        assert!(tree(&lan.downloads()) == before, "{end}");
    }
}

#[tokio::test]
async fn a_crash_while_a_numbered_folder_is_filled_up_doubles_and_fetches_nothing() {
    let lan = Lan::new().await;
    for at in 0..4 {
        lan.has(&format!("photos/{at}"), &sample(1000 + at));
    }
    for name in ["1", "2"] {
        lan.has(&format!("photos/sub/{name}"), &sample(2000));
    }
    lan.has("photos/sub/film", &sample(2 * MIB));
    lies(lan.downloads().join("photos/unrelated"), b"mine");
    let offer = lan.offers(&[lan.home().join("photos")]).await;
    lan.pulls(&offer).await.unwrap();
    // What is below comes again, and cannot have its names yet.
    let there = lan.downloads().join("photos (2)/sub");
    fs::remove_dir_all(&there).unwrap();
    fs::write(&there, "in the way").unwrap();
    discard(TRANSFER, &lan.downloads()).await.unwrap();
    lan.pulls(&offer).await.unwrap_err();
    fs::remove_file(&there).unwrap();
    // Then it goes on up to the first file that has its name, and dies before the next.
    fs::create_dir(&there).unwrap();
    let list = List::read(lan.shelf.load(TRANSFER).await.unwrap().unwrap().manifest).unwrap().0;
    let mut bytes = fs::read(journal(&lan)).unwrap();
    for name in ["1", "2"] {
        let is_it = |file: &u32| list.item(*file).components == ["photos", "sub", name];
        let late = Record::Late { file: (0..7).find(is_it).unwrap(), to: name.into() };
        minicbor::encode(late, &mut bytes).unwrap();
    }
    fs::write(journal(&lan), bytes).unwrap();
    let staged = lan.downloads().join(format!(".lanyard-part/{TRANSFER}/tree/photos/sub/1"));
    fs::rename(staged, there.join("1")).unwrap();
    // Meanwhile the unrelated one looks more like it.
    for at in 0..4 {
        lies(lan.downloads().join(format!("photos/{at}")), &changed(sample(1000 + at), 3));
    }
    for name in ["2", "3"] {
        fs::remove_file(lan.downloads().join("photos (2)").join(name)).unwrap();
    }
    let (received, arrived) = lan.pulls_counted(&offer, None, None).await;
    assert_eq!(received.unwrap().paths, told(&lan, &["photos (2)"]));
    assert!(arrived < LITTLE, "{arrived} bytes came");
    assert!(below(tree(&lan.downloads()), "photos (2)") == below(tree(&lan.home()), "photos"));
    assert_eq!(below(tree(&lan.downloads()), "photos").len(), 5, "what was there is not touched");
    lan.assert_downloads(&["photos", "photos (2)"]);
}

/// What is in a folder at the top, by its path in there.
fn below(of: BTreeMap<PathBuf, Option<Vec<u8>>>, top: &str) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let inside = |path: PathBuf| path.strip_prefix(top).ok().map(ToOwned::to_owned);
    let below = of.into_iter().filter_map(|(path, content)| Some((inside(path)?, content)));
    below.filter(|(path, _)| *path != PathBuf::new()).collect()
}

#[tokio::test]
async fn a_folder_is_the_one_in_which_the_most_of_it_stands() {
    let lan = Lan::new().await;
    // More than are looked for.
    for at in 0..3 * SAMPLE {
        lan.has(&format!("photos/{}/{at}", at % 5), &sample(100 + at));
        lies(lan.downloads().join(format!("photos (3)/{}/{at}", at % 5)), &sample(100 + at));
        if at % 4 == 0 {
            lies(lan.downloads().join(format!("photos (2)/{}/{at}", at % 5)), &sample(100 + at));
        }
    }
    lies(lan.downloads().join("photos/1/1"), b"unrelated");
    let offer = lan.offers(&[lan.home().join("photos")]).await;
    assert_eq!(is_all_here(&lan, &offer).await.paths, told(&lan, &["photos (3)"]));

    // What is lacking goes there, too.
    fs::remove_file(lan.downloads().join("photos (3)/2/7")).unwrap();
    discard(TRANSFER, &lan.downloads()).await.unwrap();
    let (received, _) = lan.pulls_counted(&offer, None, None).await;
    assert_eq!(received.unwrap().paths, told(&lan, &["photos (3)"]));
    assert_eq!(fs::read(lan.downloads().join("photos (3)/2/7")).unwrap(), sample(107));
    lan.assert_downloads(&["photos", "photos (2)", "photos (3)"]);
}

#[tokio::test]
async fn of_two_folders_with_the_same_sizes_the_one_with_the_dates_is_it() {
    let lan = Lan::new().await;
    lan.has("album/a", b"theirs");
    lies(lan.downloads().join("album/a"), b"mine!!");
    let offer = lan.offers(&[lan.home().join("album")]).await;
    lan.pulls(&offer).await.unwrap();
    assert_eq!(is_all_here(&lan, &offer).await.paths, told(&lan, &["album (2)"]));
    lan.assert_downloads(&["album", "album (2)"]);
}

#[tokio::test]
async fn what_changed_since_it_came_under_a_numbered_name_comes_anew_and_stays_as_it_is() {
    let lan = Lan::new().await;
    lies(lan.downloads().join("plan.pdf"), b"mine");
    let data = sample(4 * MIB);
    let offer = lan.offers(&[lan.has("plan.pdf", &data)]).await;
    lan.pulls(&offer).await.unwrap();
    lies(lan.downloads().join("plan (2).pdf"), &changed(data.clone(), 5));
    discard(TRANSFER, &lan.downloads()).await.unwrap();
    let (received, arrived) = lan.pulls_counted(&offer, None, None).await;
    assert_eq!(received.unwrap().paths, told(&lan, &["plan (3).pdf"]));
    assert!(arrived < 3 * MIB as u64 / 2, "{arrived} bytes came");
    assert!(fs::read(lan.downloads().join("plan (2).pdf")).unwrap() == changed(data.clone(), 5));
    assert!(fs::read(lan.downloads().join("plan (3).pdf")).unwrap() == data);
    // Before that was written down, the third went, too.
    fs::remove_file(lan.downloads().join("plan (3).pdf")).unwrap();
    fs::remove_file(lan.downloads().join("plan.pdf")).unwrap();
    let received = lan.pulls(&offer).await.unwrap();
    assert_eq!(received.paths, told(&lan, &["plan.pdf"]), "people are told where it is");
    assert!(fs::read(lan.downloads().join("plan.pdf")).unwrap() == data);
}

#[tokio::test]
async fn what_was_here_once_and_was_found_to_differ_is_not_believed_because_of_its_name_and_date() {
    for (before, names) in [("mine", ["text (2)", "text (3)"]), ("theirs", ["text", "text (2)"])] {
        changes_without_a_sign(before, names).await;
    }
}

/// Something lies under the name of a file, which is here as the first of two names, and comes again as the second.
async fn changes_without_a_sign(before: &str, names: [&str; 2]) {
    let lan = Lan::new().await;
    lan.has("album/same", b"same");
    let text = lan.has("album/text", b"theirs");
    lies(lan.downloads().join("album/same"), b"same");
    lies(lan.downloads().join("album/text"), before.as_bytes());
    let offer = lan.offers(&[lan.home().join("album")]).await;
    lan.pulls(&offer).await.unwrap();
    is_all_here(&lan, &offer).await;
    // Before it is written down that all is done, it changes without a sign.
    let date = fs::metadata(text).unwrap().modified().unwrap();
    let [old, new] = names.map(|name| lan.downloads().join("album").join(name));
    fs::write(&old, b"broken").unwrap();
    fs::File::options().write(true).open(&old).unwrap().set_modified(date).unwrap();
    lan.pulls(&offer).await.unwrap();
    // And it dies when that has come anew, and has no name yet.
    let whole = fs::read(journal(&lan)).unwrap();
    let ends = ends_of_records(&whole);
    let named = |span: &&[usize]| {
        let record = minicbor::decode(&whole[span[0]..span[1]]).unwrap();
        matches!(record, Record::Late { to, .. } if to == names[1])
    };
    let end = ends.windows(2).find(named).unwrap()[0];
    fs::write(journal(&lan), &whole[..end]).unwrap();
    let list = List::read(lan.shelf.load(TRANSFER).await.unwrap().unwrap().manifest).unwrap().0;
    let number = (0..2).find(|file| list.item(*file).components == ["album", "text"]).unwrap();
    fs::rename(&new, journal(&lan).with_file_name("late").join(number.to_string())).unwrap();

    let (received, _) = lan.pulls_counted(&offer, None, None).await;
    received.unwrap();
    assert_eq!(fs::read(&old).unwrap(), b"broken");
    assert_eq!(fs::read(&new).unwrap(), b"theirs");
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_under_a_numbered_name_is_followed_nowhere() {
    let lan = Lan::new().await;
    let data = sample(2 * MIB);
    let secret = lan.canary().join("secret");
    lies(secret.join("film"), &data);
    lan.has("album/film", &data);
    for name in ["film", "album/unrelated"] {
        lies(lan.downloads().join(name), b"mine");
    }
    std::os::unix::fs::symlink(secret.join("film"), lan.downloads().join("film (2)")).unwrap();
    std::os::unix::fs::symlink(&secret, lan.downloads().join("album (2)")).unwrap();
    let offer = lan.offers(&[lan.home().join("album"), lan.has("film", &data)]).await;
    let received = lan.pulls(&offer).await.unwrap();
    assert_eq!((received.here, received.paths), (0, told(&lan, &["album (3)", "film (3)"])));
    assert_eq!(fs::read_dir(&secret).unwrap().count(), 1);
    // Behind the links it is looked on.
    assert_eq!(is_all_here(&lan, &offer).await.paths, told(&lan, &["album (3)", "film (3)"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_under_a_numbered_name_is_given_on_from_there() {
    let book = Book::default();
    let [ann, bob] = [1, 2].map(|seed| Person::new(seed, &book));
    let album = ann.path("album");
    fs::create_dir(&album).unwrap();
    fs::write(album.join("a"), sample(500)).unwrap();
    fs::write(album.join("b"), sample(700)).unwrap();
    let film = ann.path("film");
    fs::write(&film, sample(2 * MIB)).unwrap();
    lies(bob.path("film"), b"mine");
    lies(bob.path("album/a"), b"unrelated");
    let offer = ann.offers_paths(vec![album, film]).await;
    bob.fetches(ann.id, &offer, &[ann.id]).await.unwrap().unwrap();
    fs::write(bob.path("album (2)/b"), b"mine").unwrap();
    for _ in 0..2 {
        discard(TRANSFER, &bob.path("")).await.unwrap();
        let received = bob.fetches(ann.id, &offer, &[ann.id]).await.unwrap().unwrap();
        assert_eq!(received.paths, ["album (2)", "film (2)"].map(|name| bob.path(name)));
        let holding = Shelf::open(bob.profile()).unwrap().holding(TRANSFER, ann.id).await.unwrap().unwrap();
        assert!(holding.lock().have.is_full());
        assert_eq!(fs::read(bob.path("album (2)/b (2)")).unwrap(), sample(700));
    }
}
