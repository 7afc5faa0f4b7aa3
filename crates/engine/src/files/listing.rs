//! What is in an offer, and where each file of it stands: a page at a time, before a yes as well as after.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lanyard_proto::model::{PeerId, TransferId};
use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::{Bitmap, Failure, Layout};
use lanyard_proto::wire::file::{Frame, Item, ItemKind, Source};
use sha2::{Digest, Sha256};

use super::choice::{Choice, ChoiceError, path_of};
use super::dials::Dials;
use super::holding::Holding;
use super::link::{Dial, Open, nonsense};
use super::list::{List, is_file};
use super::shelf::{Failures, Shelf};
use super::staging::{self, PullError};
use crate::saying;

/// Bytes of the longest list that is read for somebody who has not said yes, and of all that are kept: about 300,000 files
/// of usual names.
const MAX_READ: usize = 24 << 20;

/// The lists of offers that people looked into. The oldest give way.
#[derive(Clone, Default)]
pub struct Lists(Arc<Mutex<VecDeque<(TransferId, Listed)>>>);

type Listed = Arc<(List, Layout)>;

/// Whose list is wanted, and where it may be.
#[derive(Clone, Debug)]
pub struct Asked {
    pub transfer: TransferId,
    pub author: PeerId,
    pub offer: Offer,
    /// Where its files go, if somebody said yes.
    pub into: Option<PathBuf>,
}

/// An offer whose files can be listed.
pub struct Contents {
    list: Contained,
    came: Came,
}

/// Where the list is.
enum Contained {
    Held(Arc<Holding>),
    Read(Listed),
}

/// What is known of what came.
enum Came {
    Nothing,
    /// Nothing; of an own offer these could not be given.
    Went(Failures),
    /// What it says now.
    Held,
    /// What an earlier run wrote down.
    Before {
        have: Bitmap,
        whole: Bitmap,
    },
}

/// A file, folder, or something that is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub path: String,
    pub size: u64,
    pub kind: ItemKind,
    /// Whether it was chosen.
    pub chosen: bool,
    pub whole: bool,
    pub here: bool,
    /// Verified bytes.
    pub moved: u64,
    pub failure: Option<Failure>,
    /// Of a folder: whether something that was chosen in it is not here.
    pub lacks: bool,
}

/// Finds the list of an offer: here, where an earlier run left it, or with whoever has the offer. Nothing touches the disk.
///
/// # Errors
/// [`PullError`]: nobody who has it can be reached, or it is too long to be read before a yes.
pub async fn contents<D: Dial>(
    asked: Asked,
    sources: Vec<Source>,
    dial: D,
    shelf: Shelf,
    lists: Lists,
) -> Result<Contents, PullError> {
    if let Some(holding) = shelf.kept(asked.transfer) {
        return Ok(Contents { list: Contained::Held(holding), came: Came::Held });
    }
    let known = lists.get(asked.transfer);
    let (of, failed) = (asked.clone(), shelf.failures(asked.transfer));
    let left = tokio::task::spawn_blocking(move || left(&of, known, failed))
        .await
        .expect("disk work does not panic");
    if let Some(left) = left {
        if let Contained::Read(listed) = &left.list {
            lists.keep(asked.transfer, listed.clone());
        }
        return Ok(left);
    }
    let unreadable = |error: io::Error| PullError::failed(Failure::Unwritable, error);
    let own = shelf.load(asked.transfer).await.map_err(unreadable)?;
    let (bytes, came) = match own {
        Some(offered) => (offered.manifest, Came::Went(shelf.failures(asked.transfer))),
        None => (fetch(&asked, Dials::new(dial, asked.author, sources)).await?, Came::Nothing),
    };
    let listed =
        tokio::task::spawn_blocking(move || List::read(bytes)).await.expect("reading does not panic");
    let listed = Arc::new(listed.ok_or_else(|| nonsense(saying!("a list that is none")))?);
    lists.keep(asked.transfer, listed.clone());
    Ok(Contents { list: Contained::Read(listed), came })
}

impl Contents {
    /// What these names choose.
    ///
    /// # Errors
    /// [`ChoiceError`], for the first name that chooses nothing.
    pub fn choose(&self, only: &[String]) -> Result<Choice, ChoiceError> {
        Choice::of(self.parts().0, only)
    }

    /// At most `most` entries behind a place that an earlier page gave, and where to go on; `None` if there is no such place.
    /// `chosen` is what was chosen, if not all was.
    pub fn page(
        &self,
        after: Option<&str>,
        most: usize,
        chosen: Option<&Choice>,
    ) -> Option<(Vec<Entry>, Option<String>)> {
        let mut at = match after {
            Some(after) => At::parse(after)?,
            None => At::default(),
        };
        let (list, layout) = self.parts();
        let mut entries = Vec::new();
        let mut items = list.from(at.byte);
        while entries.len() < most {
            let Some((item, behind)) = items.next() else { return Some((entries, None)) };
            let is_chosen = chosen.is_none_or(|chosen| chosen.items().has(at.item));
            let mut entry = Entry { chosen: is_chosen, ..Entry::of(&item) };
            if is_file(item.kind) {
                // A place that was made up leads to no file.
                if at.file >= layout.files() {
                    return None;
                }
                self.fill_in(&mut entry, at.file, layout);
                at.file += 1;
            }
            entries.push(entry);
            (at.byte, at.item) = (behind, at.item.saturating_add(1));
        }
        let next = items.next().is_some().then(|| at.to_string());
        Some((entries, next))
    }

    /// Says of folders on a page whether something in them is missing. They come before what is in them, so that is looked
    /// for from the first one on until all of them are behind.
    pub fn look_into_folders(&self, after: Option<&str>, entries: &mut [Entry], chosen: Option<&Choice>) {
        let Some(mut at) = after.map_or(Some(At::default()), At::parse) else { return };
        let (list, layout) = self.parts();
        // Those around the item that is looked at: how deep each lies, and where it is on the page.
        let mut around: Vec<(usize, usize)> = Vec::new();
        for (place, (item, _)) in list.from(at.byte).enumerate() {
            let depth = item.components.len();
            around.retain(|(folder, _)| *folder < depth);
            if place >= entries.len() && around.is_empty() {
                return;
            }
            if is_file(item.kind) {
                if at.file >= layout.files() {
                    return;
                }
                let mut entry = Entry::of(&item);
                self.fill_in(&mut entry, at.file, layout);
                at.file += 1;
                let wanted = chosen.is_none_or(|chosen| chosen.items().has(at.item));
                if wanted && !entry.whole && !entry.here {
                    around.iter().for_each(|(_, folder)| entries[*folder].lacks = true);
                }
            } else if item.kind == ItemKind::Folder && place < entries.len() {
                around.push((depth, place));
            }
            at.item = at.item.saturating_add(1);
        }
    }

    /// Whether it is known which files of an own offer could not be given.
    pub fn knows_failures(&self) -> bool {
        match (&self.came, &self.list) {
            (Came::Went(failed), _) => !failed.files.is_empty(),
            (Came::Held, Contained::Held(holding)) => !holding.lock().failed.is_empty(),
            _ => false,
        }
    }

    fn parts(&self) -> (&List, &Layout) {
        match &self.list {
            Contained::Held(holding) => (&holding.list, &holding.layout),
            Contained::Read(listed) => (&listed.0, &listed.1),
        }
    }

    fn fill_in(&self, entry: &mut Entry, file: u32, layout: &Layout) {
        let pieces = layout.pieces_of(file);
        let moved = |have: &Bitmap| {
            let here = pieces.clone().filter(|piece| have.has(*piece));
            if pieces.len() > 1 { here.map(|piece| u64::from(layout.length(piece))).sum() } else { 0 }
        };
        match (&self.came, &self.list) {
            (Came::Held, Contained::Held(holding)) => {
                let held = holding.lock();
                entry.failure = held.failed.get(&file).copied();
                if holding.is_own() {
                    return;
                }
                (entry.whole, entry.here) = (held.whole.has(file), held.here.has(file));
                entry.moved = if entry.whole { entry.size } else { moved(&held.have) };
            }
            (Came::Went(failed), _) => entry.failure = failed.files.get(&file).copied(),
            (Came::Before { have, whole }, _) => {
                entry.whole = whole.has(file);
                entry.moved = if entry.whole { entry.size } else { moved(have) };
            }
            _ => {}
        }
    }
}

impl Entry {
    /// Of which nothing is known but what the list says.
    fn of(item: &Item) -> Entry {
        Entry {
            path: path_of(&item.components),
            size: item.size,
            kind: item.kind,
            chosen: true,
            whole: false,
            here: false,
            moved: 0,
            failure: None,
            lacks: false,
        }
    }
}

impl Lists {
    fn get(&self, transfer: TransferId) -> Option<Listed> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(of, _)| *of == transfer).map(|(_, listed)| listed.clone())
    }

    fn keep(&self, transfer: TransferId, listed: Listed) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(of, _)| *of != transfer);
        kept.push_back((transfer, listed));
        let bytes = |kept: &VecDeque<(TransferId, Listed)>| -> usize {
            kept.iter().map(|(_, listed)| listed.0.bytes.len()).sum()
        };
        while bytes(&kept) > MAX_READ {
            kept.pop_front();
        }
    }
}

/// What an earlier pull left of a list, and of what came.
fn left(asked: &Asked, known: Option<Listed>, failed: Failures) -> Option<Contents> {
    let before =
        asked.into.as_ref().and_then(|into| staging::left(into, asked.transfer, asked.offer.manifest));
    let listed = match known {
        Some(listed) => listed,
        None => Arc::new(List::read(before.as_ref()?.0.clone())?),
    };
    let came = match before {
        Some((_, story)) => {
            let (have, whole) = super::verify::claimed(story, &listed.1);
            Came::Before { have, whole }
        }
        None => Came::Went(failed),
    };
    Some(Contents { list: Contained::Read(listed), came })
}

/// Reads a list from the first who has it.
async fn fetch<D: Dial>(asked: &Asked, mut dials: Dials<D>) -> Result<Vec<u8>, PullError> {
    let mut last = PullError::nobody();
    dials.dial_due();
    loop {
        let Some((source, dialled)) = dials.next().await else { return Err(last) };
        let read = async {
            let dialled = dialled.map_err(PullError::lost)?;
            let mut open = Open::ask(dialled.stream, asked.transfer, false).await?;
            let mut bytes = Vec::new();
            let listed = open.pages(MAX_READ, |page| {
                bytes.extend_from_slice(page);
                Ok(())
            });
            listed.await?;
            open.goodbye(&Frame::Cancel).await;
            match <[u8; 32]>::from(Sha256::digest(&bytes)) == asked.offer.manifest {
                true => Ok(bytes),
                false => Err(nonsense(saying!("another list than was offered"))),
            }
        };
        match read.await {
            Ok(bytes) => return Ok(bytes),
            Err(error) if source.peer == asked.author => last = error,
            // Only the author speaks for the offer.
            Err(error) if !matches!(last, PullError::Failed { .. }) => last = PullError::lost(error),
            Err(_) => {}
        }
    }
}

/// A place in a list: behind which byte, how many items and how many files.
#[derive(Clone, Copy, Default)]
struct At {
    byte: usize,
    item: u32,
    file: u32,
}

impl At {
    fn parse(text: &str) -> Option<At> {
        let mut parts = text.split('.');
        let at = At {
            byte: parts.next()?.parse().ok()?,
            item: parts.next()?.parse().ok()?,
            file: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(at)
    }
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.byte, self.item, self.file)
    }
}
