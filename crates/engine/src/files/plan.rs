//! What a manifest from elsewhere comes to on this disk: which folders, which files, under which safe names.
//!
//! The manifest is checked while it arrives, against the offer that was accepted: no more items, bytes or pages than it
//! announced, and in the end exactly those. Memory grows with what was received and with nothing else.

use std::collections::HashMap;

use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::Bitmap;
use lanyard_proto::wire::file::{Item, ItemKind, MAX_ITEMS, MAX_MANIFEST, MAX_PATH_BYTES};
use sha2::{Digest, Sha256};

use super::names::{MAX_NAME_BYTES, folded, numbered, safe, shortened};
use crate::saying;
use crate::saying::Saying;

/// Everything an offer holds, in the order of its manifest.
#[derive(Debug)]
pub(super) struct Plan {
    pub folders: Vec<PlannedFolder>,
    pub files: Vec<PlannedFile>,
    /// Bytes of all files.
    pub bytes: u64,
    /// SHA-256 of the manifest.
    pub manifest: [u8; 32],
    /// Bytes of the files that are wanted.
    pub chosen_bytes: u64,
    /// Bytes that a name may have.
    pub most: usize,
    /// Links and special files in the list: they are never made.
    pub skipped: u64,
}

#[derive(Debug)]
pub(super) struct PlannedFolder {
    /// Its place among the folders; always before this one. `None` at the top.
    pub parent: Option<u32>,
    pub name: String,
    /// Nanoseconds since 1970.
    pub modified: Option<i64>,
    /// Whether it, or anything in it, is wanted.
    pub chosen: bool,
    path_bytes: usize,
}

#[derive(Debug)]
pub(super) struct PlannedFile {
    pub parent: Option<u32>,
    pub name: String,
    /// Nanoseconds since 1970.
    pub modified: Option<i64>,
    pub executable: bool,
    /// Whether it is wanted.
    pub chosen: bool,
}

/// The manifest is not what the offer promised, or makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct PlanError(pub Saying);

/// A plan in the making.
#[derive(Debug)]
pub(super) struct Planner<'a> {
    offer: &'a Offer,
    /// The items that are wanted, in the order of the manifest; `None` if all are.
    chosen: Option<&'a Bitmap>,
    items: u32,
    plan: Plan,
    hash: Sha256,
    length: usize,
    /// Folders by the names that the sender gave them.
    folders: HashMap<Vec<String>, u32>,
    taken: Taken,
}

/// Names in use in each folder, folded, with the number that their next twin gets.
type Taken = HashMap<(Option<u32>, String), u64>;

/// Numbers tried for one twin. More only ever happens to names made to collide.
const MAX_TRIES: usize = 1000;

impl Plan {
    /// Names from the top down to `name` in `parent`.
    pub fn path<'a>(&'a self, parent: Option<u32>, name: &'a str) -> Vec<&'a str> {
        let mut names = vec![name];
        let mut above = parent;
        while let Some(folder) = above {
            let folder = &self.folders[folder as usize];
            names.push(&folder.name);
            above = folder.parent;
        }
        names.reverse();
        names
    }

    /// The names of what is wanted at the top: folders, then files.
    pub fn tops(&self) -> impl Iterator<Item = &str> {
        let folders = self.folders.iter().filter(|folder| folder.parent.is_none() && folder.chosen);
        let files = self.files.iter().filter(|file| file.parent.is_none() && file.chosen);
        folders.map(|folder| folder.name.as_str()).chain(files.map(|file| file.name.as_str()))
    }

    /// Whether something is not wanted.
    pub fn is_part(&self) -> bool {
        self.files.iter().any(|file| !file.chosen) || self.folders.iter().any(|folder| !folder.chosen)
    }

    /// Shortens names for a disk that holds no more than so many bytes of each.
    pub fn fit(&mut self, most: usize) {
        self.most = most;
        let names = || {
            let folders = self.folders.iter().map(|folder| (folder.parent, &folder.name));
            folders.chain(self.files.iter().map(|file| (file.parent, &file.name)))
        };
        if names().all(|(_, name)| name.len() <= most) {
            return;
        }
        let short = names().filter(|(_, name)| name.len() <= most);
        let mut taken: HashMap<_, _> = short.map(|(parent, name)| ((parent, folded(name)), 2)).collect();
        let mut fit = |parent: Option<u32>, name: &mut String| {
            // What has too many twins stays as it is, and fails by itself.
            if name.len() > most
                && let Some(free) = free_name(&mut taken, parent, shortened(name, most), most)
            {
                *name = free;
            }
        };
        self.folders.iter_mut().for_each(|folder| fit(folder.parent, &mut folder.name));
        self.files.iter_mut().for_each(|file| fit(file.parent, &mut file.name));
    }

    /// The folders that hold what is wanted are wanted, too.
    fn choose_above(&mut self) {
        let mut above: Vec<u32> =
            self.files.iter().filter(|file| file.chosen).filter_map(|file| file.parent).collect();
        above.extend(self.folders.iter().filter(|folder| folder.chosen).filter_map(|folder| folder.parent));
        for folder in above {
            let mut at = Some(folder);
            while let Some(folder) = at {
                let folder = &mut self.folders[folder as usize];
                at = folder.parent.filter(|_| !folder.chosen);
                folder.chosen = true;
            }
        }
    }
}

impl<'a> Planner<'a> {
    /// # Errors
    /// If the offer alone is beyond what anybody may offer.
    pub fn new(offer: &'a Offer, chosen: Option<&'a Bitmap>) -> Result<Planner<'a>, PlanError> {
        if offer.files.saturating_add(offer.folders) > MAX_ITEMS {
            return Err(PlanError(saying!("the list of files is longer than allowed")));
        }
        let manifest = offer.manifest;
        let (folders, files, most) = (Vec::new(), Vec::new(), MAX_NAME_BYTES);
        let plan = Plan { folders, files, bytes: 0, manifest, chosen_bytes: 0, most, skipped: 0 };
        let (hash, folders, taken) = (Sha256::new(), HashMap::new(), HashMap::new());
        Ok(Planner { offer, chosen, items: 0, plan, hash, length: 0, folders, taken })
    }

    /// Takes the next page.
    ///
    /// # Errors
    /// As soon as the manifest cannot be the one that was offered.
    pub fn page(&mut self, mut page: &[u8]) -> Result<(), PlanError> {
        self.hash.update(page);
        self.length += page.len();
        if self.length > MAX_MANIFEST {
            return Err(PlanError(saying!("the list of files is longer than allowed")));
        }
        while !page.is_empty() {
            let (item, length) =
                Item::decode(page).map_err(|_| PlanError(saying!("the list of files is damaged")))?;
            page = &page[length..];
            self.item(item)?;
        }
        Ok(())
    }

    /// # Errors
    /// Unless the manifest is exactly the one that was offered.
    pub fn finish(self) -> Result<Plan, PlanError> {
        let Planner { offer, mut plan, hash, .. } = self;
        if <[u8; 32]>::from(hash.finalize()) != offer.manifest {
            return Err(PlanError(saying!("the list of files is not the one that was offered")));
        }
        let counts = (plan.files.len() as u64, plan.folders.len() as u64, plan.bytes);
        if counts != (offer.files, offer.folders, offer.bytes) {
            return Err(PlanError(saying!("the list of files has other sizes than were offered")));
        }
        plan.choose_above();
        Ok(plan)
    }

    fn item(&mut self, item: Item) -> Result<(), PlanError> {
        let Item { components, size, modified, kind } = item;
        let chosen = self.chosen.is_none_or(|chosen| chosen.has(self.items));
        self.items += 1;
        if u64::from(self.items) > MAX_ITEMS {
            return Err(PlanError(saying!("the list of files is longer than allowed")));
        }
        if kind == ItemKind::Skipped {
            self.plan.skipped += 1;
            return Ok(());
        }
        let (raw, above) =
            components.split_last().ok_or_else(|| PlanError(saying!("the list of files is damaged")))?;
        let parent =
            match above {
                [] => None,
                above => Some(*self.folders.get(above).ok_or_else(|| {
                    PlanError(saying!("the list of files names a folder after its contents"))
                })?),
            };
        let free = free_name(&mut self.taken, parent, safe(raw), MAX_NAME_BYTES);
        let name =
            free.ok_or_else(|| PlanError(saying!("the list of files has too many names that are alike")))?;
        let above_bytes = parent.map_or(0, |folder| self.plan.folders[folder as usize].path_bytes + 1);
        let path_bytes = above_bytes + name.len();
        if path_bytes > MAX_PATH_BYTES {
            return Err(PlanError(saying!("the list of files has a path that is too long")));
        }
        if kind == ItemKind::Folder {
            let place = self.plan.folders.len();
            if place as u64 >= self.offer.folders || self.folders.insert(components, place as u32).is_some() {
                return Err(PlanError(saying!("the list of files has more folders than were offered")));
            }
            self.plan.folders.push(PlannedFolder { parent, name, modified, chosen, path_bytes });
            return Ok(());
        }
        self.plan.bytes = self.plan.bytes.saturating_add(size);
        if self.plan.files.len() as u64 >= self.offer.files || self.plan.bytes > self.offer.bytes {
            return Err(PlanError(saying!("the list of files has more files or bytes than were offered")));
        }
        let executable = kind == ItemKind::Executable;
        self.plan.chosen_bytes = self.plan.chosen_bytes.saturating_add(if chosen { size } else { 0 });
        self.plan.files.push(PlannedFile { parent, name, modified, executable, chosen });
        Ok(())
    }
}

/// `name`, or its first numbered twin of at most `most` bytes that no name in the folder resembles; `None` after [`MAX_TRIES`].
fn free_name(taken: &mut Taken, parent: Option<u32>, name: String, most: usize) -> Option<String> {
    let key = (parent, folded(&name));
    let Some(&next) = taken.get(&key) else {
        taken.insert(key, 2);
        return Some(name);
    };
    for number in (next..).take(MAX_TRIES) {
        let twin = numbered(&name, number, most);
        let twin_key = (parent, folded(&twin));
        if !taken.contains_key(&twin_key) {
            taken.insert(twin_key, 2);
            taken.insert(key, number + 1);
            return Some(twin);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::lan::{file, folder, forged};
    use super::*;

    #[test]
    fn a_disk_that_holds_less_of_a_name_gets_shorter_ones_and_no_two_alike() {
        let long = |end: &str| format!("{}{end}.txt", "long ".repeat(30));
        let names = [long("one"), long("two"), "short.txt".to_owned()];
        let deep = "f".repeat(180);
        let mut items = vec![folder(&[&deep])];
        items.extend(names.iter().map(|name| file(&[&deep, name], 1)));
        let (offer, manifest) = forged(&items);
        let plan = |most| {
            let mut planner = Planner::new(&offer, None).unwrap();
            planner.page(&manifest).unwrap();
            let mut plan = planner.finish().unwrap();
            plan.fit(most);
            let names: Vec<String> = plan.files.iter().map(|file| file.name.clone()).collect();
            (plan.folders[0].name.clone(), names)
        };
        assert_eq!(plan(MAX_NAME_BYTES), (deep.clone(), names.to_vec()));
        let (folder, files) = plan(143);
        assert_eq!(folder.len(), 143);
        assert!(files.iter().all(|name| name.len() <= 143 && name.ends_with(".txt")), "{files:?}");
        assert!(
            files[0] != files[1] && files[1].ends_with(" (2).txt") && files[2] == "short.txt",
            "{files:?}"
        );
        assert_eq!(plan(143), (folder, files), "and the same ones each time");
    }
}
