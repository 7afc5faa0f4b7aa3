//! Looking into a shared folder, whatever is asked for and wherever links lead.

use std::fs;
use std::io::Read as _;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A shared folder, and beside it something that is not shared.
struct Home(TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        fs::create_dir(home.shared()).unwrap();
        fs::write(home.0.path().join("secret"), "secret").unwrap();
        home
    }

    fn shared(&self) -> PathBuf {
        self.0.path().join("shared")
    }

    fn inside(&self) -> Inside {
        Inside::new(self.shared())
    }

    fn has(&self, path: &str, content: &str) {
        let path = self.shared().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Why> {
        let listed = list(&self.inside(), folder, None, 1000, &Pages::default(), &AtomicBool::new(false))?;
        Ok(listed.0.into_iter().map(|entry| entry.name + if entry.folder { "/" } else { "" }).collect())
    }

    fn page(&self, after: Option<&After>, pages: &Pages) -> (Vec<Entry>, bool) {
        list(&self.inside(), "", after, 70, pages, &AtomicBool::new(false)).unwrap()
    }

    /// Everything behind an entry, page by page.
    fn rest(&self, mut after: Option<After>, pages: &Pages) -> Vec<Entry> {
        let mut all = Vec::new();
        loop {
            let page = self.page(after.as_ref(), pages);
            after = page.0.last().map(last_of);
            all.extend(page.0);
            if !page.1 {
                return all;
            }
        }
    }

    fn why(&self, path: &str) -> Option<Why> {
        reach(&self.inside(), path).err()
    }
}

fn last_of(entry: &Entry) -> After {
    After { folder: entry.folder, name: entry.name.clone() }
}

#[test]
fn a_folder_is_listed_in_order_without_what_is_hidden() {
    let home = Home::new();
    for file in ["b.txt", "Ä.txt", "a.txt", "C.txt", ".hidden", "zoo/x", "Apes/x", ".git/config", "zoo/.x"] {
        home.has(file, "four");
    }
    assert_eq!(home.list("").unwrap(), ["Apes/", "zoo/", "a.txt", "b.txt", "C.txt", "Ä.txt"]);
    assert_eq!(home.list("zoo").unwrap(), ["x"]);
    let (entries, more) =
        list(&home.inside(), "", None, 3, &Pages::default(), &AtomicBool::new(false)).unwrap();
    assert!(more && entries[2].size == 4 && entries[2].modified > 0);
    assert_eq!(home.list("nothing"), Err(Why::NoSuch));
    assert_eq!(home.list("a.txt"), Err(Why::NoSuch));
    fs::remove_dir_all(home.shared()).unwrap();
    assert_eq!(home.list(""), Err(Why::Gone));
}

#[test]
fn page_by_page_everything_comes_once() {
    let home = Home::new();
    for number in 0..250 {
        home.has(&format!("file {number}"), "");
        fs::create_dir(home.shared().join(format!("Folder {number}"))).unwrap();
    }
    let all = home.rest(None, &Pages::default());
    let folders = all.iter().take_while(|entry| entry.folder).count();
    let mut names: Vec<_> = all.iter().map(|entry| entry.name.clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!((folders, all.len(), names.len()), (250, 500, 500));
}

#[cfg(unix)]
#[test]
fn whoever_reads_on_page_by_page_makes_the_disk_read_once_and_sees_what_changes() {
    let home = Home::new();
    (0..300).for_each(|number| home.has(&format!("file {number:03}"), ""));
    let folder = fs::File::open(home.shared()).unwrap();
    let pages = Pages::default();
    let (first, more) = home.page(None, &pages);
    assert!(more && pages.is_to_be_swept() && !pages.is_to_be_swept());
    let behind = || first.last().map(last_of);
    // A change that leaves no sign is not seen: nobody looks.
    let modified = folder.metadata().unwrap().modified().unwrap();
    home.has("new", "");
    folder.set_modified(modified).unwrap();
    assert_eq!(home.rest(behind(), &pages).len(), 230);
    let again = home.rest(None, &pages);
    assert_eq!((again.len(), &*again[300].name), (301, "new"), "whoever begins anew sees what is there");
    // One that leaves a sign is.
    fs::remove_file(home.shared().join("file 299")).unwrap();
    folder.set_modified(modified - std::time::Duration::from_secs(5)).unwrap();
    assert_eq!(home.rest(behind(), &pages).len(), 230);
    let later = Instant::now() + crate::files::pages::KEPT_FOR;
    assert!(!pages.sweep(later) && !pages.is_to_be_swept(), "nothing stays");
}

#[test]
fn of_many_folders_only_the_last_few_are_kept_and_of_large_ones_a_part() {
    let home = Home::new();
    (0..100).for_each(|number| home.has(&format!("file {number:03}"), ""));
    let pages = Pages::default();
    let folder = || home.inside().dir().unwrap().try_clone().unwrap();
    let about = folder().dir_metadata().unwrap();
    let print = |name: &str| FolderPrint::of(home.shared().join(name), &about);
    let (now, first) = (Instant::now(), Place::of(true, "file 000".to_owned(), OsString::new()));
    let is_kept = |name: &str| pages.behind(&print(name), &first, 70, now).is_some();
    for name in ["a", "b", "c", "d", "e"] {
        let (places, more) = first_of(&folder(), None, 70, &AtomicBool::new(false)).unwrap();
        pages.keep(Arc::new(Part::new(print(name), None, places, more, now)));
    }
    assert_eq!(["a", "b", "e"].map(is_kept), [false, true, true]);
    let (part, page) = pages.behind(&print("e"), &first, 70, now).unwrap();
    assert_eq!((page.clone(), &*part.places[page.start].name), (1..71, "file 001"));
    let last = Place::of(true, "file 099".to_owned(), OsString::new());
    assert!(pages.behind(&print("e"), &last, 70, now).is_none(), "behind its end nothing is known");
}

#[test]
fn long_names_make_a_page_end_earlier() {
    let home = Home::new();
    let long = "n".repeat(240);
    for number in 0..1200 {
        home.has(&format!("{number:04}{long}"), "");
    }
    let (entries, more) =
        list(&home.inside(), "", None, 1000, &Pages::default(), &AtomicBool::new(false)).unwrap();
    assert!(more && entries.len() == 1000, "{}", entries.len());
    let bytes: usize = entries.iter().map(|entry| entry.name.len()).sum();
    assert!(bytes <= MAX_LISTED_BYTES);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let home = Home::new();
    home.has("docs/plan.txt", "plan");
    for bad in [
        "..",
        ".",
        "/",
        "//",
        "../secret",
        "docs/../../secret",
        "docs/..",
        "/etc/passwd",
        "docs//plan.txt",
        "docs/",
        "./docs",
        "docs\\plan.txt",
        "..\\secret",
        "docs/plan.txt\0",
        "\0",
        "docs/\\..\\..",
    ] {
        assert_eq!(home.why(bad), Some(Why::BadName), "{bad:?}");
    }
    assert_eq!(home.why(&"d/".repeat(80)), Some(Why::BadName));
    assert_eq!(home.why(&vec!["d"; MAX_DEPTH + 1].join("/")), Some(Why::BadName));
    assert_eq!(home.why(&"n".repeat(MAX_LISTED_NAME + 1)), Some(Why::BadName));
    assert_eq!(home.why("docs/plan.txt/more"), Some(Why::NoSuch));
    assert_eq!(home.why("docs/plan.txt"), None);
    assert_eq!(home.why(""), None);
    home.has(".secret/key", "key");
    home.has("docs/.key", "key");
    for hidden in [".secret", ".secret/key", "docs/.key", "..."] {
        assert_eq!(home.why(hidden), Some(Why::NoSuch), "{hidden:?}");
    }
}

#[cfg(unix)]
#[test]
fn no_link_is_followed_listed_or_opened() {
    use std::os::unix::fs::symlink;
    let home = Home::new();
    home.has("docs/plan.txt", "plan");
    let shared = home.shared();
    symlink(home.0.path().join("secret"), shared.join("file-link")).unwrap();
    symlink(home.0.path(), shared.join("folder-link")).unwrap();
    symlink("docs", shared.join("inner-link")).unwrap();
    assert_eq!(home.list("").unwrap(), ["docs/"]);
    for link in ["file-link", "folder-link", "inner-link", "folder-link/secret", "inner-link/plan.txt"] {
        assert_eq!(home.why(link), Some(Why::NoSuch), "{link}");
        assert!(home.inside().file(Path::new(link)).is_err(), "{link}");
    }
    assert_eq!(home.list("inner-link"), Err(Why::NoSuch));
    // Somebody puts a link where a folder was, after it was found.
    let inside = home.inside();
    assert!(reach(&inside, "docs/plan.txt").is_ok());
    fs::rename(shared.join("docs"), shared.join("elsewhere")).unwrap();
    symlink(shared.join("elsewhere"), shared.join("docs")).unwrap();
    assert!(inside.file(Path::new("docs/plan.txt")).is_err());
    let mut text = String::new();
    inside.file(Path::new("elsewhere/plan.txt")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "plan");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_makes_nobody_wait() {
    let home = Home::new();
    let made = std::process::Command::new("mkfifo").arg(home.shared().join("pipe")).status().unwrap();
    assert!(made.success());
    assert_eq!(home.list("").unwrap(), [""; 0]);
    assert_eq!(home.why("pipe"), Some(Why::NoSuch));
    let opened = home.inside().file(Path::new("pipe"));
    assert!(opened.is_err() || !opened.unwrap().metadata().unwrap().is_file());
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_seen_under_another_name_is_found_by_it() {
    use std::os::unix::ffi::OsStrExt;
    let home = Home::new();
    for name in [&b"caf\xe9"[..], b"photo\xe2\x80\xaegpj.exe", b"a\\b", b"100%25"] {
        fs::write(home.shared().join(OsStr::from_bytes(name)), name).unwrap();
    }
    let listed = home.list("").unwrap();
    assert_eq!(listed, ["100%25", "a\u{fffd}b", "caf%E9", "photo\u{fffd}gpj.exe"]);
    for name in listed {
        let reached = reach(&home.inside(), &name).map_err(|why| format!("{name}: {why:?}")).unwrap();
        assert_eq!(seen_as(reached.names.as_os_str()), name);
        let content = fs::read(home.shared().join(&reached.names)).unwrap();
        assert_eq!(content, reached.names.as_os_str().as_bytes());
    }
}

proptest! {
    #[test]
    fn whatever_is_asked_for_stays_inside(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..8),
    ) {
        let home = Home::new();
        home.has("docs/plan.txt", "plan");
        if let Ok(reached) = reach(&home.inside(), &pieces.concat()) {
            let real = fs::canonicalize(home.shared().join(&reached.names)).unwrap();
            prop_assert!(real.starts_with(fs::canonicalize(home.shared()).unwrap()));
        }
    }
}

const PIECES: &[&str] = &[
    "docs", "plan.txt", "/", "/", "..", ".", "\\", "\0", "secret", "shared", "%", "\u{fffd}", "…", "~", "C:",
];
