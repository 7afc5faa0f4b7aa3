//! What others offered and is whole here, written down so that a later run gives it on as this one does.
//!
//! It lies on the shelf like an own offer, with the leaves and signatures that came with it: whoever fetches checks by those,
//! so nothing is hashed here for it. A file that was changed, moved or removed since is not given.

use std::fs::File;
use std::io;
use std::sync::Arc;

use lanyard_proto::model::{PeerId, TransferId};

use super::holding::{Holding, Origin, Place};
use super::journal::{Journal, Record};
use super::shelf::{Head, Odd, Offered, Shelf, blocking, stored};

/// Files of an offer that is given on by a later run: each is looked at when somebody asks for it first.
const MAX_FILES: u32 = 10_000;

/// Leaves that are written down at a time.
const LEAVES_AT_ONCE: u32 = 4096;

impl Shelf {
    /// Keeps an offer of somebody else that is whole here, so that a later run can give it to others. What is too large for
    /// that, or cannot be written, is given by this run alone.
    pub(super) async fn keep(&self, holding: Arc<Holding>) {
        let (shelf, transfer) = (self.clone(), holding.transfer);
        if let Err(error) = blocking(move || shelf.write_kept(&holding)).await {
            tracing::info!(%transfer, %error, "what came is given to others until this program ends");
        }
    }

    fn write_kept(&self, holding: &Holding) -> io::Result<()> {
        let layout = &holding.layout;
        if layout.files() > MAX_FILES {
            return Err(io::Error::other("it has too many files"));
        }
        let Place::Final(sources) = holding.lock().place.clone() else { return Ok(()) };
        let mut journal = Journal::begin(File::create(self.states(holding.transfer))?, holding.manifest)?;
        let held = holding.lock();
        let mut first = 0;
        while first < layout.leaves() {
            let end = layout.leaves().min(first + LEAVES_AT_ONCE);
            journal.add(&Record::leaves(first, held.leaves.slice(first..end)));
            first = end;
        }
        for page in held.leaves.signed() {
            if let Some(signature) = held.leaves.signature(page) {
                journal.add(&Record::Signed { page, signature: *signature });
            }
        }
        drop(held);
        // Without it the rest is of no use, and with half of it nobody is harmed: what is not signed is not believed.
        journal.flush()?;
        let odd = (0..layout.files())
            .map(|file| Odd { file, path: stored(&sources.path(file, &holding.list.item(file))) });
        let head = Head {
            audience: None,
            bytes: (0..layout.files()).map(|file| layout.size(file)).sum(),
            manifest: holding.manifest,
            tops: Vec::new(),
            odd: odd.collect(),
            room: None,
            author: Some(holding.author.0),
        };
        self.write_down(holding.transfer, &head, &holding.list.bytes)
    }

    /// What an earlier run fetched, as far as it is as it was.
    pub(super) fn open_kept(
        &self,
        transfer: TransferId,
        author: PeerId,
        offered: Offered,
    ) -> io::Result<Option<Arc<Holding>>> {
        let Offered { sha256, manifest, sources, .. } = offered;
        let place = Place::Final(Arc::new(sources));
        let Some(holding) = Holding::new(transfer, author, sha256, manifest, Origin::Others, place) else {
            return Ok(None);
        };
        let file = match File::options().read(true).write(true).open(self.states(transfer)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Ok((_, story)) = Journal::resume(file, sha256)? else { return Ok(None) };
        holding.recall(story.records);
        holding.look_what_is_here();
        Ok(Some(Arc::new(holding)))
    }
}
