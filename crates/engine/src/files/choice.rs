//! Which files of an offer somebody wants.

use std::collections::{BTreeMap, BTreeSet};

use lanyard_proto::transfer::Bitmap;
use lanyard_proto::wire::file::ItemKind;

use super::list::{List, is_file};
use super::names::shown;
use crate::saying;
use crate::saying::{Filling, Says};

/// Items of a manifest, by their number in it: files, folders with what is in them, and the folders around both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    items: Bitmap,
    /// How many files are chosen, and their bytes.
    pub files: u64,
    pub bytes: u64,
}

/// Names that choose nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.filling())]
pub enum ChoiceError {
    Unknown(String),
    Skipped(String),
    Nothing,
}

impl Says for ChoiceError {
    fn filling(&self) -> Filling {
        let saying = match self {
            ChoiceError::Unknown(name) => saying!("“{name}” is not among what is offered", name),
            ChoiceError::Skipped(name) => {
                saying!("“{name}” is a link or special file, which is not sent", name)
            }
            ChoiceError::Nothing => saying!("nothing was chosen"),
        };
        saying.into()
    }
}

impl Choice {
    /// What these names choose, each as [`path_of`] shows it: a file, or a folder with all that is in it.
    ///
    /// # Errors
    /// [`ChoiceError`], for the first name that chooses nothing.
    pub(super) fn of(list: &List, only: &[String]) -> Result<Choice, ChoiceError> {
        // By each name, what it chooses: nothing yet, only what is skipped, or something.
        let mut names: BTreeMap<&str, Option<ItemKind>> =
            only.iter().map(|name| (name.trim_end_matches('/'), None)).collect();
        names.remove("");
        let mut chosen = Vec::new();
        let mut above = BTreeSet::new();
        let (mut count, mut files, mut bytes) = (0, 0, 0);
        for (number, (item, _)) in (0u32..).zip(list.from(0)) {
            count = number + 1;
            let path = path_of(&item.components);
            let mut is_chosen = false;
            let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            for end in ends {
                let Some(found) = names.get_mut(&path[..end]) else { continue };
                if item.kind == ItemKind::Skipped {
                    // A folder is found as itself; what is skipped in it is not chosen with it.
                    found.get_or_insert(ItemKind::Skipped);
                } else {
                    *found = Some(item.kind);
                    is_chosen = true;
                }
            }
            if is_chosen {
                chosen.push(number);
                let folders = path.match_indices('/').map(|(at, _)| &path[..at]).rev();
                // What is above a folder that is known was put in with it.
                for folder in folders {
                    if !above.insert(folder.to_owned()) {
                        break;
                    }
                }
                if is_file(item.kind) {
                    (files, bytes) = (files + 1, bytes + item.size);
                }
            }
        }
        for (name, found) in names {
            match found {
                None => return Err(ChoiceError::Unknown(shown(name))),
                Some(ItemKind::Skipped) => return Err(ChoiceError::Skipped(shown(name))),
                Some(_) => {}
            }
        }
        if chosen.is_empty() {
            return Err(ChoiceError::Nothing);
        }
        let mut items = Bitmap::new(count);
        chosen.into_iter().for_each(|item| _ = items.insert(item));
        for (number, (item, _)) in (0u32..).zip(list.from(0)) {
            if item.kind == ItemKind::Folder && above.contains(&path_of(&item.components)) {
                items.insert(number);
            }
        }
        Ok(Choice { items, files, bytes })
    }

    /// As it is kept; [`Choice::from_bytes`] reads it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.items.length().to_be_bytes().to_vec();
        bytes.extend(self.items.to_bytes());
        bytes
    }

    /// `None` if this is none.
    pub fn from_bytes(bytes: &[u8], files: u64, size: u64) -> Option<Choice> {
        let (length, bits) = bytes.split_first_chunk()?;
        let items = Bitmap::from_bytes(bits, u32::from_be_bytes(*length))?;
        Some(Choice { items, files, bytes: size })
    }

    pub(super) fn items(&self) -> &Bitmap {
        &self.items
    }
}

/// What a person reads of where something is in an offer, and names it by.
pub(super) fn path_of(components: &[String]) -> String {
    // What its sender calls a name may hold what would read as a folder.
    let parts: Vec<String> = components.iter().map(|part| shown(part).replace('/', "\u{FFFD}")).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::lan::{file, folder, forged};
    use lanyard_proto::wire::file::Item;

    fn list(items: &[Item]) -> List {
        List::read(forged(items).1).unwrap().0
    }

    fn album() -> List {
        let link = Item { kind: ItemKind::Skipped, ..file(&["album", "link"], 0) };
        let files = [file(&["album", "b"], 2), file(&["album", "below", "c"], 4), file(&["albums"], 8)];
        let [b, c, albums] = files;
        list(&[folder(&["album"]), b, folder(&["album", "below"]), c, link, albums])
    }

    fn chosen(only: &[&str]) -> Result<(Vec<u32>, u64, u64), ChoiceError> {
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        let choice = Choice::of(&album(), &only)?;
        assert_eq!(Choice::from_bytes(&choice.to_bytes(), choice.files, choice.bytes), Some(choice.clone()));
        Ok((choice.items.iter().collect(), choice.files, choice.bytes))
    }

    #[test]
    fn a_folder_is_chosen_with_all_that_is_in_it_and_a_file_alone() {
        assert_eq!(chosen(&["album"]), Ok((vec![0, 1, 2, 3], 2, 6)));
        assert_eq!(chosen(&["album/below/"]), Ok((vec![0, 2, 3], 1, 4)));
        assert_eq!(chosen(&["album/b", "albums"]), Ok((vec![0, 1, 5], 2, 10)));
    }

    #[test]
    fn a_name_that_chooses_nothing_is_an_error_whatever_else_is_chosen() {
        let unknown = |name: &str| Err(ChoiceError::Unknown(name.to_owned()));
        assert_eq!(chosen(&["album", "missing"]), unknown("missing"));
        assert_eq!(chosen(&["albu"]), unknown("albu"));
        assert_eq!(chosen(&["b"]), unknown("b"));
        assert_eq!(chosen(&["album/link"]), Err(ChoiceError::Skipped("album/link".to_owned())));
        assert_eq!(chosen(&[]), Err(ChoiceError::Nothing));
        assert_eq!(chosen(&["/"]), Err(ChoiceError::Nothing));
    }

    #[test]
    fn names_that_could_deceive_are_chosen_as_they_are_shown() {
        let list = list(&[file(&["a\u{202E}b/c"], 1)]);
        let shown = path_of(&list.from(0).next().unwrap().0.components);
        assert!(!shown.contains('/'));
        assert_eq!(Choice::of(&list, &[shown]).unwrap().files, 1);
    }
}
