//! The receiver's side: from a yes to files under their final names.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lanyard_proto::model::{PeerId, TransferId};
use lanyard_proto::rooms::Offer;
use lanyard_proto::transfer::{Bitmap, PullEnd};
use lanyard_proto::wire::file::{Frame, Source};
use tokio_util::sync::CancellationToken;

use super::choice::Choice;
use super::dials::Dials;
use super::disk::room_for_names;
use super::lately::Verified;
use super::link::{Dial, Dialled, Open, Told};
use super::plan::{Plan, Planner};
use super::shelf::Shelf;
use super::staging::{self, PullError, Received, Staging, Whole};
use super::swarm::{First, Swarm};
use crate::saying::Filling;

impl PullError {
    /// What the node is told. `None` if it was stopped: then the node knows already.
    pub fn end(&self) -> Option<PullEnd> {
        match self {
            PullError::Stopped => None,
            PullError::Lost(_) => Some(PullEnd::Lost),
            PullError::Cut(_) => Some(PullEnd::Cut),
            PullError::Held => Some(PullEnd::Held),
            PullError::NoSpace(_) => Some(PullEnd::NoSpace),
            PullError::Failed { failure, .. } => Some(PullEnd::Failed(*failure)),
        }
    }
}

/// What is to be fetched.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub transfer: TransferId,
    /// Who offers it, and whose signature counts.
    pub author: PeerId,
    pub offer: Offer,
    /// The folder that it goes to, which is made if it is missing.
    pub into: PathBuf,
    /// Which files; `None` if all are.
    pub only: Option<Choice>,
    /// Whether others may have it from here, also in a later run.
    pub gives_on: bool,
}

impl Wanted {
    fn chosen(&self) -> Option<&Bitmap> {
        self.only.as_ref().map(Choice::items)
    }
}

/// Fetches what an offer promises from whoever has it, beginning with `sources`, and gives to others what is here.
///
/// What an earlier pull of the same transfer into the same folder verified is not fetched again. `progress` is told the
/// verified bytes of the offer, about once a megabyte, from a task; and which way they come.
///
/// # Errors
/// [`PullError`]. What was verified stays staged, and what was named stays noted, until [`discard`]: pulled again before
/// that, it is where it was.
pub async fn pull<D: Dial>(
    wanted: Wanted,
    sources: Vec<Source>,
    dial: D,
    shelf: Shelf,
    progress: impl Fn(Told) + Send + 'static,
    stop: CancellationToken,
) -> Result<Received, PullError> {
    let mut dials = Dials::new(dial, wanted.author, sources);
    let begun = stop.run_until_cancelled(begin(&wanted, &mut dials));
    let (plan, list, open) = begun.await.unwrap_or(Err(PullError::Stopped))?;
    progress(Told::Skips(plan.skipped));
    let lately = shelf.lately.of(wanted.transfer);
    let (staging, held, first) = stage(&wanted, plan, list, lately, open, &stop).await?;
    let staging = Arc::new(staging);
    shelf.share(staging.holding.clone());
    let holding = staging.holding.clone();
    let (writing, before) = (staging.clone(), staging.moved());
    let mut swarm = Swarm::new(staging, held, dials, Box::new(progress), first);
    let fetched = stop.run_until_cancelled(swarm.run(wanted.transfer)).await;
    let ended = match fetched.unwrap_or(Err(PullError::Stopped)) {
        Ok(()) => swarm.finish().await,
        Err(error) => Err(error),
    };
    swarm.say_goodbye(&ended).await;
    match ended {
        Err(PullError::Lost(_) | PullError::Held | PullError::Stopped) => {
            note_verified(writing.clone(), &shelf).await;
        }
        // What the disk did not take is not on it, whatever was verified before it was written.
        _ => shelf.lately.forget(wanted.transfer),
    }
    let ended = match ended {
        Err(PullError::Lost(why)) if writing.moved() > before => Err(PullError::Cut(why)),
        Err(PullError::NoSpace(why)) => Err(PullError::NoSpace(filled(writing, why).await)),
        ended => ended,
    };
    let all = ended.as_ref().is_ok_and(|received| matches!(received.end, Whole::All(_)));
    if all && wanted.gives_on {
        shelf.keep(holding).await;
    }
    ended
}

/// Throws away what was staged for a transfer in this folder. Nothing staged is no error.
///
/// # Errors
/// If it could not be removed.
pub async fn discard(transfer: TransferId, into: &Path) -> io::Result<()> {
    let into = into.to_owned();
    let discarded = tokio::task::spawn_blocking(move || staging::discard(&into, transfer));
    discarded.await.expect("disk work does not panic")
}

type Begun<S> = (Plan, Vec<u8>, Option<First<S>>);

/// Finds out what the offer consists of: from what an earlier pull left, or from the first who says.
async fn begin<D: Dial>(wanted: &Wanted, dials: &mut Dials<D>) -> Result<Begun<D::Stream>, PullError> {
    let (into, transfer, manifest) = (wanted.into.clone(), wanted.transfer, wanted.offer.manifest);
    let looked = move || (staging::listed(&into, transfer, manifest), room_for_names(&into));
    let (listed, room) = tokio::task::spawn_blocking(looked).await.expect("disk work does not panic");
    if let Some(list) = listed {
        let mut planner = Planner::new(&wanted.offer, wanted.chosen())?;
        planner.page(&list)?;
        let mut plan = planner.finish()?;
        plan.fit(room);
        return Ok((plan, list, None));
    }
    let mut last = PullError::nobody();
    dials.dial_due();
    loop {
        let Some((source, dialled)) = dials.next().await else { return Err(last) };
        let listed = async {
            let Dialled { stream, near, way } = dialled.map_err(PullError::lost)?;
            let mut open = Open::ask(stream, transfer, false).await?;
            let listed = open.manifest(&wanted.offer, wanted.chosen()).await;
            // Only the author knows who has what it offers.
            if listed.is_err() && source.peer == wanted.author {
                dials.learn(std::mem::take(&mut open.others));
            }
            let (plan, list) = listed?;
            Ok((plan, list, First { source: source.clone(), near, way, open }))
        };
        let error = match listed.await {
            Ok((mut plan, list, first)) => {
                plan.fit(room);
                return Ok((plan, list, Some(first)));
            }
            Err(error) => error,
        };
        // It may have something to give by the time that somebody else has said what there is.
        dials.rest(source.peer);
        if source.peer == wanted.author {
            last = error;
        } else if !matches!(last, PullError::Failed { .. } | PullError::Held) {
            // Only the author speaks for the offer: others may have started again, and have nothing to give any more.
            last = PullError::lost(error);
        }
    }
}

/// Remembers what is here, so that it is not read again if this run goes on with it.
async fn note_verified(staging: Arc<Staging>, shelf: &Shelf) {
    let (transfer, lately) = (staging.holding.transfer, shelf.lately.clone());
    let noted = tokio::task::spawn_blocking(move || lately.note(transfer, staging.verified()));
    noted.await.expect("looking at files does not panic");
}

async fn filled(staging: Arc<Staging>, why: Filling) -> Filling {
    let looked = tokio::task::spawn_blocking(move || staging.filled(why));
    looked.await.expect("looking at a disk does not panic")
}

/// Opens the staging and verifies what is there; whoever is connected hears meanwhile that this side lives.
async fn stage<S>(
    wanted: &Wanted,
    plan: Plan,
    list: Vec<u8>,
    lately: Option<Arc<Verified>>,
    first: Option<First<S>>,
    stop: &CancellationToken,
) -> Result<(Staging, BTreeSet<u32>, Option<First<S>>), PullError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (folder, transfer, author, stopped) =
        (wanted.into.clone(), wanted.transfer, wanted.author, stop.clone());
    let fresh = first.is_some();
    let work = move || -> Result<(Staging, BTreeSet<u32>), PullError> {
        // Of what an earlier pull left it is not known yet what is missing.
        let needed = if fresh { plan.chosen_bytes } else { 0 };
        let opened = Staging::open(&folder, transfer, author, plan, list, lately, &stopped);
        let staging = opened.map_err(|error| match error {
            PullError::NoSpace(why) => PullError::NoSpace(staging::unopened(&folder, needed, why)),
            error => error,
        })?;
        let may_be_here = staging.look_around();
        staging.begin_writing()?;
        Ok((staging, may_be_here))
    };
    let Some(mut first) = first else {
        let (staging, held) = tokio::task::spawn_blocking(work).await.expect("disk work does not panic")?;
        return Ok((staging, held, None));
    };
    match first.open.alive_while(work).await {
        Ok((staging, held)) => Ok((staging, held, Some(first))),
        Err(error) => {
            first.open.goodbye(&Frame::Cancel).await;
            Err(error)
        }
    }
}
