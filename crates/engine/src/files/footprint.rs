//! How much of a disk files take.

use std::fs::Metadata;
use std::path::Path;

use lanyard_proto::model::TransferId;
use walkdir::WalkDir;

use super::staging::PART;

/// Bytes that what lies in a folder takes of the disk, at whatever depth. Links are not followed, and what cannot be looked
/// at is not counted. Blocks.
pub fn taken(folder: &Path) -> u64 {
    let found = WalkDir::new(folder).follow_root_links(false).into_iter().filter_map(Result::ok);
    found.filter_map(|entry| entry.metadata().ok()).filter(Metadata::is_file).map(|file| on_disk(&file)).sum()
}

/// Bytes that what a pull of `transfer` into `folder` staged takes of the disk. Blocks.
pub fn staged(folder: &Path, transfer: TransferId) -> u64 {
    taken(&folder.join(PART).join(transfer.to_string()))
}

/// A file that is written in pieces has holes.
#[cfg(unix)]
fn on_disk(file: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    const BLOCK: u64 = 512;
    file.blocks() * BLOCK
}

#[cfg(not(unix))]
fn on_disk(file: &Metadata) -> u64 {
    file.len()
}
