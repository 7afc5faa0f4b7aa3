//! A manifest that is known to be whole: its bytes, and where each file is in them.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use lanyard_proto::transfer::{Layout, TooLarge};
use lanyard_proto::wire::file::{Item, ItemKind};

use super::manifest::Sources;

/// The files of an offer, in the order of its manifest.
#[derive(Debug)]
pub(super) struct List {
    pub bytes: Vec<u8>,
    /// Where each file begins in the bytes, and its date.
    files: Vec<(u32, Option<i64>)>,
}

impl List {
    /// `None` if the bytes are no manifest, or one that cannot be cut into pieces.
    pub fn read(bytes: Vec<u8>) -> Option<(List, Layout)> {
        let (mut files, mut sizes) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < bytes.len() {
            let (item, length) = Item::decode(&bytes[at..]).ok()?;
            if is_file(item.kind) {
                files.push((u32::try_from(at).ok()?, item.modified));
                sizes.push(item.size);
            }
            at += length;
        }
        let layout: Result<Layout, TooLarge> = Layout::new(sizes);
        Some((List { bytes, files }, layout.ok()?))
    }

    /// Everything in it from a place on, which is 0 or one that was given here before: each with the place behind it.
    pub fn from(&self, mut at: usize) -> impl Iterator<Item = (Item, usize)> + '_ {
        std::iter::from_fn(move || {
            let (item, length) = Item::decode(self.bytes.get(at..)?).ok()?;
            at += length;
            Some((item, at))
        })
    }

    /// # Panics
    /// If there is no such file.
    pub fn item(&self, file: u32) -> Item {
        let at = self.files[file as usize].0 as usize;
        Item::decode(&self.bytes[at..]).expect("it was read before").0
    }

    /// When it was last changed.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn modified(&self, file: u32) -> Option<i64> {
        self.files[file as usize].1
    }

    /// What a person may call it.
    pub fn name(&self, file: u32) -> String {
        super::names::shown(&self.item(file).components.join("/"))
    }
}

/// Whether it is sent.
pub(super) fn is_file(kind: ItemKind) -> bool {
    match kind {
        ItemKind::File | ItemKind::Executable => true,
        ItemKind::Folder | ItemKind::Skipped => false,
    }
}

impl Sources {
    /// Opens a file of the manifest, and nothing else that has its name.
    pub fn open(&self, number: u32, item: &Item) -> io::Result<File> {
        let path = self.path(number, item);
        match &self.inside {
            Some(folder) => folder.file(&path),
            None => open(&path),
        }
    }

    /// What stands under the name of a file of the manifest.
    pub fn about(&self, number: u32, item: &Item) -> io::Result<Metadata> {
        match &self.inside {
            Some(_) => self.open(number, item)?.metadata(),
            None => self.path(number, item).symlink_metadata(),
        }
    }

    /// Where a file of the manifest is on this device, or in the shared folder.
    pub fn path(&self, number: u32, item: &Item) -> PathBuf {
        if let Ok(at) = self.odd.binary_search_by_key(&number, |(file, _)| *file) {
            return self.odd[at].1.clone();
        }
        let Some((top, below)) = item.components.split_first() else { return PathBuf::new() };
        let top = self.tops.iter().find(|(name, _)| name == top).map(|(_, path)| path.clone());
        below.iter().fold(top.unwrap_or_default(), |path, name| path.join(name))
    }
}

/// Opens a file and nothing else: no link that took its place, no pipe that would wait for a writer.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).open(path)
}
