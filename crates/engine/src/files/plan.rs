//! What a manifest from elsewhere comes to on this disk: which folders, which files, under which safe names.
//!
//! The manifest is checked while it arrives, against the offer that was accepted: no more items, bytes or pages than it
//! announced, and in the end exactly those. Memory grows with what was received and with nothing else.

use std::collections::HashMap;

use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::Bitmap;
use lanyard_proto::wire::file::{Item, ItemKind, MAX_ITEMS, MAX_MANIFEST, MAX_PATH_BYTES};
use sha2::{Digest, Sha256};

use super::names::{folded, numbered, safe};

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
}

#[derive(Debug)]
pub(super) struct PlannedFolder {
    /// Its place among the folders; always before this one. `None` at the top.
    pub parent: Option<u32>,
    pub name: String,
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
#[error("the list of files {0}")]
pub(super) struct PlanError(&'static str);

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
    /// Names in use in each folder, folded, with the number that their next twin gets.
    taken: HashMap<(Option<u32>, String), u64>,
}

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
            return Err(PlanError("is longer than allowed"));
        }
        let manifest = offer.manifest;
        let plan = Plan { folders: Vec::new(), files: Vec::new(), bytes: 0, manifest, chosen_bytes: 0 };
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
            return Err(PlanError("is longer than allowed"));
        }
        while !page.is_empty() {
            let (item, length) = Item::decode(page).map_err(|_| PlanError("is damaged"))?;
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
            return Err(PlanError("is not the one that was offered"));
        }
        let counts = (plan.files.len() as u64, plan.folders.len() as u64, plan.bytes);
        if counts != (offer.files, offer.folders, offer.bytes) {
            return Err(PlanError("has other sizes than were offered"));
        }
        plan.choose_above();
        Ok(plan)
    }

    fn item(&mut self, item: Item) -> Result<(), PlanError> {
        let Item { components, size, modified, kind } = item;
        let chosen = self.chosen.is_none_or(|chosen| chosen.has(self.items));
        self.items += 1;
        if u64::from(self.items) > MAX_ITEMS {
            return Err(PlanError("is longer than allowed"));
        }
        if kind == ItemKind::Skipped {
            return Ok(());
        }
        let (raw, above) = components.split_last().ok_or(PlanError("is damaged"))?;
        let parent = match above {
            [] => None,
            above => Some(*self.folders.get(above).ok_or(PlanError("names a folder after its contents"))?),
        };
        let name = self.free_name(parent, safe(raw))?;
        let above_bytes = parent.map_or(0, |folder| self.plan.folders[folder as usize].path_bytes + 1);
        let path_bytes = above_bytes + name.len();
        if path_bytes > MAX_PATH_BYTES {
            return Err(PlanError("has a path that is too long"));
        }
        if kind == ItemKind::Folder {
            let place = self.plan.folders.len();
            if place as u64 >= self.offer.folders || self.folders.insert(components, place as u32).is_some() {
                return Err(PlanError("has more folders than were offered"));
            }
            self.plan.folders.push(PlannedFolder { parent, name, chosen, path_bytes });
            return Ok(());
        }
        self.plan.bytes = self.plan.bytes.saturating_add(size);
        if self.plan.files.len() as u64 >= self.offer.files || self.plan.bytes > self.offer.bytes {
            return Err(PlanError("has more files or bytes than were offered"));
        }
        let executable = kind == ItemKind::Executable;
        self.plan.chosen_bytes = self.plan.chosen_bytes.saturating_add(if chosen { size } else { 0 });
        self.plan.files.push(PlannedFile { parent, name, modified, executable, chosen });
        Ok(())
    }

    /// `name`, or its first numbered twin that no name in the folder resembles.
    fn free_name(&mut self, parent: Option<u32>, name: String) -> Result<String, PlanError> {
        let key = (parent, folded(&name));
        let Some(&next) = self.taken.get(&key) else {
            self.taken.insert(key, 2);
            return Ok(name);
        };
        for number in (next..).take(MAX_TRIES) {
            let twin = numbered(&name, number);
            let twin_key = (parent, folded(&twin));
            if !self.taken.contains_key(&twin_key) {
                self.taken.insert(twin_key, 2);
                self.taken.insert(key, number + 1);
                return Ok(twin);
            }
        }
        Err(PlanError("has too many names that are alike"))
    }
}
