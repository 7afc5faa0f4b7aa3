//! Names and lists of files, as the engine takes them: its own sources, without its sockets and its database.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use lanyard_proto::rooms::Offer;
use lanyard_proto::wire::file::{Item, ItemKind};
use sha2::{Digest, Sha256};

#[allow(dead_code, reason = "the engine needs more of it")]
#[path = "../../../crates/engine/src/files/names.rs"]
mod names;
#[allow(dead_code, reason = "the engine needs more of it")]
#[path = "../../../crates/engine/src/files/plan.rs"]
mod plan;

use names::{LEAST_NAME_BYTES, MAX_NAME_BYTES, folded, numbered, safe, shortened, shown};
use plan::Planner;

/// Feeds a name from elsewhere.
pub fn name(text: &str) {
    let once = safe(text);
    assert_one_name(&once, MAX_NAME_BYTES);
    assert_eq!(safe(&once), once, "of {text:?}");
    for most in [LEAST_NAME_BYTES, 143] {
        let short = shortened(&once, most);
        assert_one_name(&short, most);
        assert_eq!(shortened(&short, most), short, "of {text:?}");
        assert_one_name(&numbered(&short, u64::MAX, most), most);
    }
    for number in [2, 99_999] {
        let twin = numbered(&once, number, MAX_NAME_BYTES);
        assert_one_name(&twin, MAX_NAME_BYTES);
        assert_eq!(safe(&twin), twin, "of {text:?}");
    }
    let told = shown(text);
    assert!(!told.is_empty() && told.len() <= 303 && !told.chars().any(hides), "{told:?} of {text:?}");
}

/// Feeds the list of an offer that promises exactly what is in it: the first byte says how long names may be.
pub fn list(bytes: &[u8]) {
    let Some((most, page)) = bytes.split_first() else { return };
    let mut offer =
        Offer { names: Vec::new(), files: 0, folders: 0, bytes: 0, manifest: Sha256::digest(page).into() };
    let mut rest = page;
    while let Ok((item, length)) = Item::decode(rest) {
        match item.kind {
            ItemKind::File | ItemKind::Executable => {
                offer.files += 1;
                offer.bytes = offer.bytes.saturating_add(item.size);
            }
            ItemKind::Folder => offer.folders += 1,
            ItemKind::Skipped => {}
        }
        rest = &rest[length..];
    }
    let Ok(mut planner) = Planner::new(&offer, None) else { return };
    // In two parts, as it may come.
    let (one, other) = page.split_at(page.len() - rest.len());
    if planner.page(one).and_then(|()| planner.page(other)).is_err() {
        return;
    }
    let Ok(mut plan) = planner.finish() else { return };
    let most = usize::from(*most).clamp(LEAST_NAME_BYTES, MAX_NAME_BYTES);
    for most in [MAX_NAME_BYTES, most] {
        plan.fit(most);
        let mut taken = BTreeSet::new();
        let folders = plan.folders.iter().map(|folder| (folder.parent, folder.name.as_str()));
        for (at, (parent, name)) in folders.clone().enumerate() {
            assert!(
                parent.is_none_or(|parent| (parent as usize) < at),
                "a folder comes before what is in it"
            );
            assert_eq!(plan.path(parent, name).last(), Some(&name));
        }
        let files = plan.files.iter().map(|file| (file.parent, file.name.as_str()));
        for (parent, name) in folders.chain(files) {
            assert!(parent.is_none_or(|parent| (parent as usize) < plan.folders.len()));
            assert_one_name(name, MAX_NAME_BYTES);
            assert!(taken.insert((parent, folded(name))), "{name:?} stands for two");
        }
    }
}

/// A name that means nothing but itself on any system, told by other rules than those that made it.
fn assert_one_name(name: &str, most: usize) {
    assert!(!name.is_empty() && name.len() <= most, "{name:?} has {} bytes", name.len());
    assert!(!name.chars().any(|c| hides(c) || "<>:\"/\\|?*".contains(c)), "{name:?}");
    assert!(!name.starts_with([' ', '~']) && !name.ends_with(['.', ' ']), "{name:?}");
    let components: Vec<_> = Path::new(name).components().collect();
    assert!(matches!(components[..], [Component::Normal(only)] if only == name), "{name:?}");
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbers = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³"];
    let is_port = |port: &str| stem.strip_prefix(port).is_some_and(|number| numbers.contains(&number));
    let is_device = ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"].contains(&stem.as_str());
    assert!(!is_device && !is_port("com") && !is_port("lpt"), "{name:?}");
}

/// Controls, and what writes in another direction or has no width.
fn hides(c: char) -> bool {
    c.is_control()
        || ('\u{200b}'..='\u{200f}').contains(&c)
        || ('\u{2028}'..='\u{202e}').contains(&c)
        || ('\u{2060}'..='\u{206f}').contains(&c)
        || c == '\u{feff}'
}
