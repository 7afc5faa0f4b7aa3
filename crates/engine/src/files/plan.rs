//! What a manifest from elsewhere comes to on this disk: which folders, which files, under which safe names.
//!
//! The manifest is checked while it arrives, against the offer that was accepted: no more items, bytes or pages than it
//! announced, and in the end exactly those. Memory grows with what was received and with nothing else.

use std::collections::HashMap;

use lanyard_proto::rooms::Offer;
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
}

#[derive(Debug)]
pub(super) struct PlannedFolder {
    /// Its place among the folders; always before this one. `None` at the top.
    pub parent: Option<u32>,
    pub name: String,
    path_bytes: usize,
}

#[derive(Debug)]
pub(super) struct PlannedFile {
    pub parent: Option<u32>,
    pub name: String,
    /// Nanoseconds since 1970.
    pub modified: Option<i64>,
    pub executable: bool,
}

/// The manifest is not what the offer promised, or makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the list of files {0}")]
pub(super) struct PlanError(&'static str);

/// A plan in the making.
#[derive(Debug)]
pub(super) struct Planner<'a> {
    offer: &'a Offer,
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

    /// The names at the top, in the order of the manifest.
    pub fn tops(&self) -> impl Iterator<Item = &str> {
        let folders = self.folders.iter().filter(|f| f.parent.is_none()).map(|f| f.name.as_str());
        folders.chain(self.files.iter().filter(|f| f.parent.is_none()).map(|f| f.name.as_str()))
    }
}

impl<'a> Planner<'a> {
    /// # Errors
    /// If the offer alone is beyond what anybody may offer.
    pub fn new(offer: &'a Offer) -> Result<Planner<'a>, PlanError> {
        if offer.files.saturating_add(offer.folders) > MAX_ITEMS {
            return Err(PlanError("is longer than allowed"));
        }
        let plan = Plan { folders: Vec::new(), files: Vec::new(), bytes: 0, manifest: offer.manifest };
        let hash = Sha256::new();
        Ok(Planner { offer, plan, hash, length: 0, folders: HashMap::new(), taken: HashMap::new() })
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
        let Planner { offer, plan, hash, .. } = self;
        if <[u8; 32]>::from(hash.finalize()) != offer.manifest {
            return Err(PlanError("is not the one that was offered"));
        }
        let counts = (plan.files.len() as u64, plan.folders.len() as u64, plan.bytes);
        if counts != (offer.files, offer.folders, offer.bytes) {
            return Err(PlanError("has other sizes than were offered"));
        }
        Ok(plan)
    }

    fn item(&mut self, item: Item) -> Result<(), PlanError> {
        let Item { components, size, modified, kind } = item;
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
            self.plan.folders.push(PlannedFolder { parent, name, path_bytes });
            return Ok(());
        }
        self.plan.bytes = self.plan.bytes.saturating_add(size);
        if self.plan.files.len() as u64 >= self.offer.files || self.plan.bytes > self.offer.bytes {
            return Err(PlanError("has more files or bytes than were offered"));
        }
        let executable = kind == ItemKind::Executable;
        self.plan.files.push(PlannedFile { parent, name, modified, executable });
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
